"""OrderRecord: an immutable picture of one order."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest

from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.record import HistoryEntry, OrderMessage, OrderRecord
from ibkr_core.model.status import OrderStatus

AT = datetime(2026, 11, 20, 14, 31, 45, 123456, tzinfo=UTC)


def test_a_record_of_our_own_order_shows_our_terms() -> None:
    """The terms that we asked for weigh more than the broker's echo, which drifts (TWS facts 2.10)."""
    record = OrderRecord(
        order_id=7,
        contract=Contract.stock("AAPL"),
        order=Order.limit("BUY", 10, 100),
        broker_order=BrokerOrder(action="SELL", order_type="STP", limit_price=Decimal(1)),
    )
    assert (record.symbol, record.action, record.order_type, record.limit_price) == (
        "AAPL",
        "BUY",
        "LMT",
        Decimal(100),
    )


def test_a_record_of_somebody_elses_order_shows_the_echo() -> None:
    """Where we asked for nothing, the echo is all there is."""
    echo = BrokerOrder(action="SELL", order_type="STP", limit_price=Decimal(1))
    record = OrderRecord(order_id=7, broker_order=echo, is_ours=False)
    assert (record.action, record.order_type, record.limit_price) == ("SELL", "STP", None)


def test_an_empty_record_has_answers_too() -> None:
    """Nothing known is shown as unknown, not as an error."""
    record = OrderRecord(order_id=7)
    assert (record.symbol, record.action, record.order_type, record.limit_price) == ("?", "", "", None)
    assert record.status is OrderStatus.UNKNOWN
    assert not record.is_finished
    assert not record.is_working
    assert record.error_message == ""
    assert record.error_codes == ()
    assert record.commissions == {}


def test_codes_and_the_reason_are_told() -> None:
    """error_codes lists the broker's codes in order; a reason without a code has none."""
    messages = tuple(OrderMessage(at=AT, code=code, message=f"m{code}") for code in (399, 0, 202))
    record = OrderRecord(order_id=7, messages=messages, reject=messages[2], status=OrderStatus.CANCELLED)
    assert record.error_codes == (399, 202)
    assert record.error_message == "m202"
    assert record.is_finished


def test_a_record_is_frozen_hashable_and_comparable() -> None:
    """It can be kept, compared and used as a key."""
    record = OrderRecord(order_id=7, order=Order.market("BUY", 1, sweepToFill=True))
    assert record == attrs.evolve(record)
    assert {record: 1}[attrs.evolve(record)] == 1
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        record.status = OrderStatus.FILLED  # type: ignore[misc]  # the very fault
    with pytest.raises(TypeError):
        record.commissions["USD"] = Decimal(1)  # type: ignore[index]  # the very fault


def test_a_line_of_history_reads_well() -> None:
    """Time, status, and what happened."""
    entry = HistoryEntry(at=AT, status=OrderStatus.SUBMITTED, what="the broker says Submitted")
    assert str(entry) == "2026-11-20 14:31:45.123456 SUBMITTED        the broker says Submitted"


def test_a_record_reads_as_one_line() -> None:
    """What a person wants to see first, without line breaks of the broker's texts."""
    record = OrderRecord(
        order_id=7,
        contract=Contract.stock("AAPL"),
        order=Order.limit("BUY", 50, "190.5"),
        status=OrderStatus.CANCELLED,
        total_quantity=Decimal(50),
        filled_quantity=Decimal(10),
        avg_fill_price=Decimal("190.4"),
        reject=OrderMessage(at=AT, code=202, message="Order\nCanceled"),
    )
    assert str(record) == "#7 BUY 50 AAPL LMT 190.5: CANCELLED 10 of 50 at 190.4 (Order Canceled)"
    assert record.status == "CANCELLED"


def test_a_record_for_people_has_plain_digits_and_no_steering() -> None:
    """No powers of ten, no thirty digits of an average, and nothing in a broker's text steers a terminal."""
    reject = OrderMessage(at=AT, code=201, message="no\n\x1b[2Jmoney")
    record = OrderRecord(
        order_id=7,
        contract=Contract.stock("AAPL"),
        order=Order.limit("BUY", "3E+3", "1E+3"),
        status=OrderStatus.REJECTED,
        total_quantity=Decimal("3E+3"),
        avg_fill_price=Decimal(1000) / Decimal(3),
        reject=reject,
    )
    assert str(record) == "#7 BUY 3000 AAPL LMT 1000: REJECTED 0 of 3000 at 333.333333 (no [2Jmoney)"
    assert str(reject) == "no [2Jmoney (code 201)"
    assert str(OrderMessage(at=AT, code=0, message="why")) == "why"
    assert repr(OrderRecord(order_id=7)) == "OrderRecord(order_id=7)"


def test_a_record_for_people_shows_the_stop() -> None:
    """Our terms, else the broker's echo; a computed limit of an echo is not shown (TWS facts 2.10)."""
    ours = OrderRecord(order_id=7, order=Order.stop("SELL", 10, 90), total_quantity=Decimal(10))
    assert str(ours) == "#7 SELL 10 ? STP 90: UNKNOWN 0 of 10"
    echo = BrokerOrder(action="SELL", order_type="STP", limit_price=Decimal(1), aux_price=Decimal(90))
    assert str(OrderRecord(order_id=7, broker_order=echo)) == "#7 SELL ? ? STP 90: UNKNOWN 0 of ?"


def test_a_record_of_which_little_is_known_has_no_gaps() -> None:
    """An execution can be the first that is heard of an order."""
    heard = OrderRecord(order_id=2, contract=Contract.stock("AAPL"), filled_quantity=Decimal(100))
    assert str(heard) == "#2 ? AAPL: UNKNOWN 100 of ?"


def test_a_combo_is_told_when_its_legs_are() -> None:
    """Their executions come after its own, and they move positions: by quantity and ratio, for each leg."""
    legs = (ComboLeg(1, ratio=1), ComboLeg(2, ratio=2, action="SELL"))
    filled = OrderRecord(
        order_id=7,
        contract=Contract.combo("SPY", legs),
        status=OrderStatus.FILLED,
        total_quantity=Decimal(3),
        filled_quantity=Decimal(3),
        fills=(Fill(exec_id="a", quantity=Decimal(3), price=Decimal(1)),),
    )
    assert filled.is_settled
    assert (filled.is_told, filled.leg_fills_missing) == (False, (1, 2))

    def leg(con_id: int, quantity: int) -> Fill:
        return Fill(
            exec_id=f"{con_id}.{quantity}",
            quantity=Decimal(quantity),
            price=Decimal(1),
            con_id=con_id,
            is_leg=True,
        )

    some = attrs.evolve(filled, leg_fills=(leg(1, 3), leg(2, 4)))
    assert (some.is_told, some.leg_fills_missing) == (False, (2,))
    assert attrs.evolve(filled, leg_fills=(leg(1, 3), leg(2, 4), leg(2, 2))).is_told
    assert attrs.evolve(filled, contract=Contract.stock("AAPL")).is_told
    assert not attrs.evolve(filled, status=OrderStatus.SUBMITTED).is_told
    assert attrs.evolve(filled, status=OrderStatus.CANCELLED, filled_quantity=Decimal(0)).is_told
