"""The brake: nothing new, everything cancelled, and the broker's word that nothing works any more."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidInput, TradingHalted
from ibkr_core.gateway.faults import Drop, When
from ibkr_core.journal.store import Store
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.settings import Backoff, EngineSettings
from tests.engine.rig import STOCK, WAIT, Connect, Log, S, WatchedGateway, buy, rest, settle
from tests.link.peers import PATIENCE_S

pytestmark = [pytest.mark.system, pytest.mark.usefixtures("quickly")]

QUICK = EngineSettings(
    confirm_s=0.05,
    executions_timeout_s=0.2,
    ack_timeout_s=0.3,
    reconnect=Backoff(first_s=0.02, longest_s=0.1),
)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """The brake looks again soon."""
    monkeypatch.setattr("ibkr_core.halting._AGAIN_S", 0.05)


def test_a_halt_cancels_everything_and_is_confirmed(gateway: WatchedGateway, connect: Connect) -> None:
    """Our orders one by one, all others by the global cancel; flat is the broker's word, not ours."""
    engine = connect(gateway, settings=QUICK)
    other = connect(gateway, 2, settings=QUICK)
    log = Log(engine)
    mine, theirs = [rest(engine, "90"), rest(engine, "91")], rest(other, "92")
    engine.halt("the strategy has gone mad")
    assert engine.wait_flat(PATIENCE_S)
    assert [ticket.status for ticket in (*mine, theirs)] == [S.CANCELLED] * 3
    assert len(gateway.arrived("cancelOrder", client_id=1)) >= 2
    assert gateway.arrived("reqGlobalCancel", client_id=1)
    assert [event.reason for event in log.of(events.TradingHalted)] == ["the strategy has gone mad"]
    assert len(log.of(events.HaltConfirmed)) == 1
    assert all(not order.status.endswith("Submitted") for order in gateway.books().orders)


def test_nothing_new_is_sent_while_halted(gateway: WatchedGateway, connect: Connect) -> None:
    """No order, no bracket, no modification; cancels pass. A release takes it all back."""
    engine = connect(gateway, settings=QUICK)
    log = Log(engine)
    engine.halt("stop")
    assert engine.wait_flat(PATIENCE_S)
    with pytest.raises(TradingHalted, match=r"halted \(stop\); nothing was sent"):
        buy(engine)
    with pytest.raises(TradingHalted):
        engine.submit_bracket(STOCK, Order.market("BUY", 10), stop_loss="80")
    assert engine.cancel_all() == ()
    assert gateway.books().orders == ()
    engine.release()
    engine.release()
    assert len(log.of(events.TradingReleased)) == 1
    assert buy(engine).wait(**WAIT).status is S.FILLED


@pytest.mark.parametrize("reason", ["", "  ", None])
def test_a_halt_has_a_reason(reason: Any, engine: Engine) -> None:
    """Somebody reads it at night."""
    with pytest.raises(InvalidInput, match="reason"):
        engine.halt(reason)
    assert not engine.is_halted


def test_a_second_halt_is_confirmed_anew(gateway: WatchedGateway, connect: Connect) -> None:
    """The word that nothing works is about the newest halt."""
    engine = connect(gateway, settings=QUICK)
    log = Log(engine)
    engine.halt("first")
    assert engine.wait_flat(PATIENCE_S)
    engine.release()
    ticket = rest(engine)
    engine.halt("second")
    assert engine.wait_flat(PATIENCE_S)
    assert ticket.status is S.CANCELLED
    assert len(log.of(events.HaltConfirmed)) == 2


def test_a_cancel_that_gets_lost_is_repeated(gateway: WatchedGateway, connect: Connect) -> None:
    """Flat is not said before the broker says so."""
    engine = connect(gateway, settings=QUICK)
    ticket = rest(engine)
    gateway.inject(Drop(), When(on="cancelOrder"))
    gateway.inject(Drop(), When(on="reqGlobalCancel"))
    engine.halt("stop")
    assert engine.wait_flat(PATIENCE_S)
    assert ticket.status is S.CANCELLED


def test_a_halt_survives_a_restart(gateway: WatchedGateway, connect: Connect, tmp_path: Path) -> None:
    """It is in the journal: the next run is halted from its first moment, until it is released for good."""
    journal = tmp_path / "journal.db"
    first = connect(gateway, settings=QUICK, journal=journal)
    first.halt("stop")
    assert first.wait_flat(PATIENCE_S)
    first.close()
    second = connect(gateway, settings=QUICK, journal=journal)
    assert second.is_halted
    with pytest.raises(TradingHalted, match="stop"):
        buy(second)
    second.release()
    second.close()
    third = connect(gateway, settings=QUICK, journal=journal)
    assert not third.is_halted
    assert buy(third).wait(**WAIT).status is S.FILLED


def test_an_interrupted_halt_goes_on_after_a_restart(
    gateway: WatchedGateway, connect: Connect, tmp_path: Path
) -> None:
    """Orders that were still alive when the program ended are cancelled by the next run, unasked."""
    journal = tmp_path / "journal.db"
    first = connect(gateway, settings=QUICK, journal=journal)
    rest(first)
    gateway.drop_connections()
    first.halt("stop")
    first.close()
    second = connect(gateway, settings=QUICK, journal=journal)
    assert second.wait_flat(PATIENCE_S)
    assert [record.status for record in second.orders()] == [S.CANCELLED]


def test_a_halt_without_a_connection_waits_for_one(gateway: WatchedGateway, connect: Connect) -> None:
    """It is in force at once, and cancels as soon as it can."""
    settings = attrs.evolve(QUICK, reconnect=Backoff(first_s=0.3, jitter=0))
    engine = connect(gateway, settings=settings)
    log = Log(engine)
    ticket = rest(engine)
    gateway.drop_connections()
    log.wait(events.ConnectionLost)
    engine.halt("stop")
    assert not engine.wait_flat(0)
    log.wait(events.HaltConfirmed)
    assert engine.wait_flat(0)
    assert ticket.status is S.CANCELLED


def test_a_halt_that_cannot_be_written_counts_all_the_same(
    gateway: WatchedGateway, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At once in this run; the disk is told of once, and gets the halt as soon as it takes something."""
    path = tmp_path / "orders.db"
    engine = connect(gateway, settings=QUICK, journal=path)
    log = Log(engine)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Store, "check_files", full)
        engine.halt("enough")
        assert engine.is_halted
        log.wait(events.JournalBroken)
        engine.release()
        engine.halt("enough indeed")
        settle(engine)
        assert len(log.of(events.JournalBroken)) == 1
    log.wait(events.JournalRestored)
    engine.close()
    again = connect(gateway, settings=QUICK, journal=path)
    with pytest.raises(TradingHalted, match="enough indeed"):
        buy(again)
