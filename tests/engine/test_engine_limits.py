"""What the engine refuses while it could be sent: too many orders of a side, and a journal that is broken."""

from __future__ import annotations

from pathlib import Path

import pytest

from ibkr_core import Contract, EngineSettings, Order, errors, events
from ibkr_core.journal.intentlog import IntentLog
from ibkr_core.journal.store import Store
from tests.engine.rig import STOCK, WAIT, Connect, Log, S, WatchedGateway, buy, settle


def test_more_orders_of_a_side_than_the_broker_takes(gateway: WatchedGateway, connect: Connect) -> None:
    """Counted for each contract and side; a whole group counts; what has ended makes room again."""
    engine = connect(gateway, settings=EngineSettings(max_active_orders=2))
    low, high = Order.limit("BUY", 1, "50"), Order.limit("SELL", 1, "150")
    first, _ = engine.submit(STOCK, low), engine.submit(STOCK, low)
    with pytest.raises(errors.TooManyOrders, match=r"2 BUY orders for AAPL are active already.*takes 2"):
        engine.submit(STOCK, low)
    engine.submit(STOCK, high)
    engine.submit(Contract.stock("MSFT"), low)
    with pytest.raises(errors.TooManyOrders):
        engine.submit_oca([(STOCK, high), (STOCK, high)])
    settle(engine)
    assert len(gateway.arrived("placeOrder")) == 4
    assert len(engine.orders()) == 4
    first.cancel()
    first.wait(**WAIT)
    engine.submit(STOCK, low)


def test_a_limit_of_none_is_no_limit(gateway: WatchedGateway, connect: Connect) -> None:
    """The broker's own refusal comes then."""
    engine = connect(gateway, settings=EngineSettings(max_active_orders=None))
    tickets = [engine.submit(STOCK, Order.limit("BUY", 1, "50")) for _ in range(25)]
    assert len({ticket.order_id for ticket in tickets}) == 25


def test_a_journal_that_cannot_be_written(
    gateway: WatchedGateway, connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No new order, no modification; cancels leave, fills are taken; all of it is in the file afterwards."""
    path = tmp_path / "orders.db"
    engine = connect(gateway, journal=path)
    log = Log(engine)
    resting = engine.submit(STOCK, Order.limit("BUY", 1, "50"))
    filling = engine.submit(STOCK, Order.limit("BUY", 1, "99"))
    log.wait(events.OrderStatusChanged, lambda event: event.current is S.SUBMITTED, count=2)

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(IntentLog, "append", fail)
        patch.setattr(Store, "check_files", fail)
        with pytest.raises(errors.JournalFailed, match="disk is full"):
            buy(engine, key="refused")
        log.wait(events.JournalBroken)
        with pytest.raises(errors.JournalFailed):
            buy(engine)
        with pytest.raises(errors.JournalFailed):
            resting.modify(limit_price="51")
        resting.cancel()
        assert resting.wait(**WAIT).status is S.CANCELLED
        gateway.market("AAPL").set_quote(bid="98.00", ask="99.00")
        assert filling.wait(**WAIT).status is S.FILLED
        assert len(gateway.arrived("placeOrder")) == 2
    log.wait(events.JournalRestored)
    assert buy(engine, key="taken").wait(**WAIT).status is S.FILLED
    before = {record.order_id: record.status for record in engine.orders()}
    engine.close()
    again = connect(gateway, journal=path)
    assert {record.order_id: record.status for record in again.orders()} == before
    assert again.order(filling.order_id).filled_quantity == 1
    assert len(gateway.arrived("placeOrder")) == 3
