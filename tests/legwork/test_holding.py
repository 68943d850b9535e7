"""What is held, and how much of it may be closed: the arithmetic, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.legwork.holding import (
    Held,
    Lot,
    closable,
    flow,
    is_same,
    open_quantity,
    orders_in_the_way,
)
from ibkr_core.legwork.tally import Tally
from ibkr_core.lifecycle.book import Book
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import ExecutionFact, StatusFact
from ibkr_core.model.order import Action, BrokerOrder, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
ACCOUNT = "DU1234567"
AAPL = Contract.stock("AAPL").replace(con_id=265598)
CALL = Contract.option("AAPL", "20261218", 300, "C").replace(con_id=7, trading_class="AAPL", currency="USD")
D = Decimal


def record(contract: Contract | None, action: str = "SELL", quantity: int = 10, **fields: Any) -> OrderRecord:
    """An order that works."""
    order = Order(action=action, quantity=quantity, account=fields.pop("account", ""))
    given_: dict[str, Any] = {
        "order_id": 1,
        "contract": contract,
        "order": order,
        "status": OrderStatus.SUBMITTED,
        "total_quantity": D(quantity),
        "remaining_quantity": D(quantity),
    }
    return OrderRecord(**given_ | fields)


def nobody(_: int) -> OrderRecord:
    """Find no parent."""
    raise AssertionError("there is no parent")


class Market:
    """A book and the account beside it, which knows the truth at every moment."""

    def __init__(self) -> None:
        self.book = Book(1)
        self.tally = Tally()
        self.position = D(0)
        self.executions = 0
        self.untold: set[int] = set()

    def submit(self, contract: Contract, action: Action, quantity: int) -> None:
        """Take in an order."""
        order_id = self.book.highest_order_id() + 1
        order = Order(action=action, quantity=quantity, account=ACCOUNT)
        self.book.submit(order_id, f"key-{order_id}", contract, order, NOW)

    def fill(self, order_id: int, part: int, *, told: bool) -> None:
        """Fill a part of an order; where it is not told, its status word alone says so.

        Executions come in order: after one that was not told, none of that order is. (One that comes late is
        for :func:`believe`: it takes no list of positions that is ahead of the executions.)
        """
        now = self.book.order(order_id)
        remaining = D(0) if now.remaining_quantity is None else now.remaining_quantity
        quantity = min(D(part), remaining)
        if now.is_finished or not quantity or now.order is None or now.contract is None:
            return
        self.executions += 1
        sign = now.order.action.sign
        self.position += sign * quantity
        if told and order_id not in self.untold:
            fact: Any = ExecutionFact(
                exec_id=f"0001.{self.executions:04}.01.01",
                side="BOT" if sign > 0 else "SLD",
                shares=quantity,
                price=D(100),
                order_id=order_id,
                client_id=1,
                contract=AAPL,
                account=ACCOUNT,
            )
        else:
            self.untold.add(order_id)
            rest = remaining - quantity
            fact = StatusFact(
                order_id=order_id,
                status="Submitted" if rest else "Filled",
                filled=now.filled_quantity + quantity,
                remaining=rest,
                client_id=1,
            )
        self.book.apply(fact, NOW)

    def held(self) -> Held:
        """What a look at the positions tells now."""
        seen = tuple(one.order_id for one in self.book.active_orders())
        made = self.tally.made(self.book, ACCOUNT, [AAPL.con_id])
        return Held(ACCOUNT, {AAPL.con_id: self.position}, made, seen, self.book.highest_order_id())


SIDES = st.sampled_from([Action.BUY, Action.SELL])
ORDERS = st.lists(st.tuples(SIDES, st.integers(1, 20)), max_size=5)
FILLS = st.lists(st.tuples(st.integers(1, 8), st.integers(1, 20), st.booleans()), max_size=8)


@given(start=st.integers(-30, 30), before=ORDERS, first=FILLS, after=ORDERS, then=FILLS, long=st.booleans())
def test_what_may_be_closed_can_never_carry_a_position_past_flat(
    start: int,
    before: Sequence[tuple[Action, int]],
    first: Sequence[tuple[int, int, bool]],
    after: Sequence[tuple[Action, int]],
    then: Sequence[tuple[int, int, bool]],
    long: bool,
) -> None:
    """Whatever filled since the look, told or not, and whatever else works: all of it and this one fit."""
    market = Market()
    market.position = D(start)
    for action, quantity in before:
        market.submit(AAPL, action, quantity)
    for order_id, part, told in first:
        if order_id <= market.book.highest_order_id():
            market.fill(order_id, part, told=told)
    held = market.held()
    for action, quantity in after:
        market.submit(AAPL, action, quantity)
    for order_id, part, told in then:
        if order_id <= market.book.highest_order_id():
            market.fill(order_id, part, told=told)
    lot = Lot(AAPL, 1, Action.BUY if long else Action.SELL)
    most = closable(market.book, market.tally, held, lot)
    assert most >= 0
    if most:
        sign = lot.side.sign
        rivals = sum(
            one.remaining_quantity or 0
            for one in market.book.active_orders()
            if one.order is not None and one.order.action is lot.closing
        )
        assert most + rivals <= sign * market.position


def test_all_of_a_quiet_position_may_be_closed() -> None:
    """With nothing else going on, the limit is what is held, and no more than the first look said."""
    market = Market()
    market.position = D(10)
    held = market.held()
    assert closable(market.book, market.tally, held, Lot(AAPL, 1, Action.BUY)) == 10
    assert closable(market.book, market.tally, held, Lot(AAPL, 1, Action.SELL)) == 0
    market.submit(AAPL, Action.BUY, 5)
    market.fill(1, 5, told=True)
    assert closable(market.book, market.tally, held, Lot(AAPL, 1, Action.BUY)) == 10, (
        "what came since was not asked for"
    )
    market.submit(AAPL, Action.SELL, 4)
    assert closable(market.book, market.tally, held, Lot(AAPL, 1, Action.BUY)) == 6
    market.fill(2, 4, told=True)
    assert closable(market.book, market.tally, held, Lot(AAPL, 1, Action.BUY)) == 10 + 5 - 4 - 1


def test_a_combination_counts_by_its_legs() -> None:
    """One that sells two of an instrument for each unit, ten units open, takes twenty of it."""
    bag = Contract.combo("AAPL", [ComboLeg(7, 2, "SELL"), ComboLeg(8, 1, "BUY")])
    assert flow(record(bag, "BUY"), CALL) == -20
    assert flow(record(bag, "SELL"), CALL) == 20
    assert flow(record(bag), CALL.replace(con_id=9)) == 0
    assert flow(record(None), CALL) == 0
    assert flow(record(CALL), CALL) == -10


def test_the_part_that_no_execution_accounts_for_is_open_too() -> None:
    """The broker's word can be ahead of the executions; an order of unknown size may trade anything."""
    assert open_quantity(record(AAPL, remaining_quantity=D(4), unexplained_quantity=D(3))) == 7
    done = record(AAPL, status=OrderStatus.FILLED, remaining_quantity=D(0), unexplained_quantity=D(3))
    assert open_quantity(done) == 3
    assert open_quantity(attrs.evolve(done, unexplained_quantity=D(0))) == 0
    unknown = record(AAPL, remaining_quantity=None, total_quantity=None)
    assert open_quantity(unknown) == D("Infinity")
    market = Market()
    market.position = D(10)
    assert closable(market.book, market.tally, market.held(), Lot(AAPL, 1, Action.BUY)) == 10


@pytest.mark.parametrize(
    ("mentioned", "expected"),
    [
        (CALL, True),
        (Contract.by_con_id(7), True),
        (Contract.by_con_id(8), False),
        (Contract.option("AAPL", "20261218", "300.0", "CALL"), True),
        (Contract.option("AAPL", "202612", 300, "C"), True),
        (Contract.option("AAPL", "20270115", 300, "C"), False),
        (Contract.option("AAPL", "20261218", 301, "C"), False),
        (Contract.option("AAPL", "20261218", 300, "P"), False),
        (Contract.option("MSFT", "20261218", 300, "C"), False),
        (Contract.option("AAPL", "20261218", 300, "C", currency="EUR"), False),
        (Contract.option("AAPL", "20261218", 300, "C", trading_class="2AAPL"), False),
        (Contract.stock("AAPL"), False),
    ],
)
def test_an_instrument_is_known_by_what_is_given(mentioned: Contract, expected: bool) -> None:
    """An order's contract may say little; a field that says something else rules it out."""
    assert is_same(mentioned, CALL) is expected


def test_who_is_in_the_way() -> None:
    """Orders on the closing side, in the account, that are not asleep behind an entry."""
    lot = Lot(AAPL, 1, Action.BUY)
    entry = record(AAPL, "BUY", order_id=5)
    child = record(AAPL, order_id=6, parent_id=5)

    def found(one: OrderRecord, parent: OrderRecord = entry) -> bool:
        return bool(orders_in_the_way([one], lambda _: parent, lot, ACCOUNT))

    assert found(record(AAPL))
    assert found(record(AAPL, account=ACCOUNT))
    assert not found(record(AAPL, account="DU7654321"))
    assert not found(record(AAPL, "BUY"))
    assert not found(record(CALL))
    assert not found(child)
    assert found(child, attrs.evolve(entry, filled_quantity=D(1)))
    assert found(child, attrs.evolve(entry, status=OrderStatus.FILLED))
    others = record(AAPL, order=None, broker_order=BrokerOrder(action="SELL", account="DU7654321"))
    assert not found(others)
    assert orders_in_the_way([record(AAPL)], nobody, lot, ACCOUNT)
