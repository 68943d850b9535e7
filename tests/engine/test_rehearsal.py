"""The made-up order of a reader that polls: it goes the way of real ones, and does nothing to them."""

from __future__ import annotations

import gc
import logging
import time
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

import ibkr_core.link.transport as transport_module
from ibkr_core.clock import SystemClock
from ibkr_core.journal import Journal
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.book import Book
from ibkr_core.link.client import TwsClient
from ibkr_core.link.hotpath import hot_path
from ibkr_core.model import events
from ibkr_core.model.facts import HotValues
from ibkr_core.model.order import Order
from ibkr_core.rehearsal import Rehearsal
from ibkr_core.settings import EngineSettings
from tests.engine.rig import STOCK, VERSIONS, WAIT, Connect, Log, Serve, settle
from tests.link.peers import PATIENCE_S

POLLING = EngineSettings(busy_poll_s=PATIENCE_S, messages_per_second=None)
ONE_LIFE = 156
"""151 callbacks, and steps before and after them."""


CALLBACKS = 151


@pytest.fixture(autouse=True)
def _never_resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a reader would stop polling until something comes; other tests are about that."""
    monkeypatch.setattr(transport_module, "_GRACE_S", 9e9)


def rehearsal_of(engine: Any) -> Any:
    """What the reader thread of an engine does meanwhile."""
    return engine._works.supervisor.session.client._transport.meanwhile


def wait_until(is_so: Any) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.001)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_callback_of_it_takes_the_express_lane(version: int) -> None:
    """What the general way would warm is of no use to a real one."""
    seen: list[HotValues] = []
    decode = hot_path(TwsClient, version)

    def noting(body: bytes) -> HotValues | None:
        values = decode(body)
        assert values is not None
        seen.append(values)
        return values

    rehearsal = Rehearsal(noting, version, SystemClock())
    for _ in range(2 * ONE_LIFE):
        rehearsal()
    assert not rehearsal.is_over
    assert len(seen) == 2 * (CALLBACKS)
    book, now = Book(1, {}), datetime(2026, 1, 2, tzinfo=UTC)
    new = inputs.NewOrder(1, "rehearsal", STOCK, Order.limit("BUY", 50, 1))
    told = [*book.obey(inputs.Submit((new,)), now).events, *book.obey(inputs.Sent((1,)), now).events]
    for values in seen[:CALLBACKS]:
        followed = book.quick[values[0]](values, now)
        assert followed is not None, f"the express lane declines {values}"
        told += followed
    assert isinstance(told[-1], events.CommissionReported)
    assert rehearsal.heard == 2 * len(told)


def test_it_leaves_nothing_to_the_garbage_collector() -> None:
    """A collection stops a real callback, and the profile for short tails has made them rare and large."""
    rehearsal = Rehearsal(hot_path(TwsClient, VERSIONS[-1]), VERSIONS[-1], SystemClock())

    def live(times: int) -> int:
        for _ in range(times * ONE_LIFE):
            rehearsal()
        return tracemalloc.get_traced_memory()[0]

    was_enabled = gc.isenabled()
    tracemalloc.start()
    try:
        gc.collect()
        gc.disable()
        first = live(3)
        assert live(100) - first < 20_000
    finally:
        if was_enabled:
            gc.enable()
        tracemalloc.stop()


def test_nobody_notices(serve: Serve, connect: Connect, tmp_path: Path) -> None:
    """No event, no order, no number of theirs: neither in the engine nor in its journal."""
    gateway = serve()
    engine = connect(gateway, settings=POLLING, journal=tmp_path / "j")
    log = Log(engine)
    rehearsal = rehearsal_of(engine)
    wait_until(lambda: rehearsal.heard > 1_000)
    assert not log.heard
    ticket = engine.submit(STOCK, Order.market("BUY", 10))
    assert ticket.order_id != 1  # the rehearsal's
    ticket.wait(**WAIT)
    heard = rehearsal.heard
    wait_until(lambda: rehearsal.heard > heard + 1_000)
    settle(engine)
    record = engine.order(ticket.order_id)
    assert not rehearsal.is_over
    assert [one.order_id for one in engine.orders()] == [ticket.order_id]
    assert log.seqs() == list(range(log.seqs()[0], log.seqs()[0] + len(log.heard)))
    assert {one.order_id for one in log.heard if isinstance(one, events.OrderEvent)} == {ticket.order_id}
    assert record.filled_quantity == gateway.books().position("AAPL") == 10
    engine.close()
    with Journal.open(tmp_path / "j", client_id=1, clock=SystemClock()) as journal:
        assert {line.order_id for line in journal.history()} <= {None, ticket.order_id}


def test_none_is_held_where_nobody_polls(serve: Serve, connect: Connect) -> None:
    """A reader that waits has no time for it."""
    assert rehearsal_of(connect(serve())) is None


def test_one_that_fails_is_the_last(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, and the connection works on."""

    def fail(*_: object) -> None:
        raise ArithmeticError("of no order that exists")

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR, "ibkr_core.engine"):
        patch.setattr("ibkr_core.rehearsal.encode_answer", fail)
        engine = connect(serve(), settings=POLLING)
        wait_until(lambda: rehearsal_of(engine).is_over)
    assert "a rehearsal failed" in caplog.text
    assert caplog.text.count("a rehearsal failed") == 1
    engine.submit(STOCK, Order.market("BUY", 10)).wait(**WAIT)


class Overriding(TwsClient):
    """A client that wants to see each commission by itself."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.commissions: list[str] = []

    def commissionReport(self, commissionReport: Any) -> None:  # noqa: N802, N803 - official names
        """Take it."""
        self.commissions.append(commissionReport.execId)

    def commissionAndFeesReport(self, commissionAndFeesReport: Any) -> None:  # noqa: N802, N803 - likewise
        """Take it."""
        self.commissions.append(commissionAndFeesReport.execId)


def test_a_client_that_reads_by_itself_is_not_rehearsed_with(serve: Serve, connect: Connect) -> None:
    """What it does with a commission may be anything; of a made-up one it never hears."""
    engine = connect(serve(), settings=POLLING, client_class=Overriding)
    wait_until(lambda: rehearsal_of(engine).is_over)
    assert rehearsal_of(engine).error is None
    engine.submit(STOCK, Order.market("BUY", 10)).wait(**WAIT)
    client: Any = engine.client
    wait_until(lambda: client.commissions)
    assert client.commissions == [fill.exec_id for fill in engine.fills()]


@pytest.mark.parametrize("is_logged", [True, False])
def test_it_raises_nothing(is_logged: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that calls it has a real connection to read; not even where logging fails."""

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("a filter that is broken")

    if not is_logged:
        monkeypatch.setattr(logging.getLogger("ibkr_core.engine"), "error", refuse)

    def decode(_: bytes) -> HotValues:
        raise MemoryError

    rehearsal = Rehearsal(decode, VERSIONS[-1], SystemClock())
    for _ in range(ONE_LIFE):
        rehearsal()
    assert rehearsal.is_over
    assert isinstance(rehearsal.error, MemoryError if is_logged else ValueError)
