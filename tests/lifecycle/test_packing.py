"""Packed orders: exact, and nobody can tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.journal.shared import CODEC
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.ledger import Ledger
from ibkr_core.lifecycle.packing import Shared, Unpackable, pack, submitted_at, unpack
from ibkr_core.lifecycle.slimming import Round
from ibkr_core.model import events
from ibkr_core.model.algos import ALGOS
from ibkr_core.model.conditions import PriceCondition
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Action, BrokerOrder, Order
from ibkr_core.model.record import HistoryEntry, OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, perform, several_lives
from tests.lifecycle.making import AAPL, NOW, Desk, commission, echo, execution, status
from tests.lifecycle.test_express import act

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")

Told = tuple[tuple[Life, ...], tuple[Step, ...]]
FAR = NOW + timedelta(days=1000)
NOT_KEPT = frozenset({"drawn", "shown"})
"""Made again when somebody looks."""


def pack_all(book: Book) -> int:
    """Pack all that is finished, whatever it lacks."""
    its = Round.of(book, FAR)
    while its.go_on(100):
        pass
    return its.packed


def again(entry: OrderEntry, shared: Shared | None = None) -> OrderEntry:
    """Pack and unpack."""
    shared = shared if shared is not None else Shared(CODEC)
    return unpack(pack(entry, shared), shared)


def slots_of(kind: type) -> tuple[str, ...]:
    """Return the names of a class's slots; a compiled class keeps them elsewhere."""
    return tuple(getattr(kind, "__mypyc_attrs__", ()) or kind.__slots__)


def held(value: Any) -> Any:
    """Return what a slot holds, so that it can be compared to the last digit and zone."""
    if isinstance(value, Ledger):
        assert value.average_price is None or value.fills  # sums up what nobody has asked for yet
        return {name: held(getattr(value, name)) for name in slots_of(Ledger)}
    if type(value).__name__ == "_Entry":
        return {name: held(getattr(value, name)) for name in slots_of(type(value))}
    if isinstance(value, dict):
        return [(key, held(one)) for key, one in value.items()]
    return repr(value)


def story(*steps: Callable[[Desk], object]) -> OrderEntry:
    """Return order 1 after some steps."""
    desk = Desk()
    desk.submit()
    for step in steps:
        step(desk)
    found = desk.book.index.look_by_order_id(1, 1)
    assert found is not None
    return found


# ── nobody can tell ─────────────────────────────────────────────────────────────────────────────


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=5), st.data())
def test_nobody_can_tell_that_orders_were_packed(
    told: Told, odd: list[BrokerFact], data: st.DataObject
) -> None:
    """One book packs whatever is finished after every step, the other never: all they tell is the same."""
    steps: list[Step] = list(told[1])
    for one in odd:
        steps.insert(data.draw(st.integers(0, len(steps))), one)
    plain, packing = Book(1), Book(1, codec=CODEC)
    feed = packing.follow_fills()
    for number, step in enumerate(steps):
        now = NOW + timedelta(milliseconds=number)
        one, other = perform(plain, step, now), act(packing, step, now)
        assert other.events == one.events
        assert (*other.asks, *other.retries) == (*one.asks, *one.retries)
        if data.draw(st.booleans()):
            pack_all(packing)
        assert packing.moved() == plain.moved()
    pack_all(packing)
    assert packing.orders() == plain.orders()
    assert [repr(one) for one in packing.orders()] == [repr(one) for one in plain.orders()]
    assert packing.fills() == plain.fills()
    assert packing.active_orders() == plain.active_orders()
    assert packing.highest_order_id() == plain.highest_order_id()
    assert packing.next_seq() == plain.next_seq()
    newest = {ExecutionId.parse(fill.exec_id).base: fill for fill in feed.take()}
    assert all(fill in newest.values() for fill in plain.fills())
    for record in plain.orders():
        assert packing.order(record.order_id) == plain.order(record.order_id)
        assert packing.by_perm_id(record.perm_id or 0) == plain.by_perm_id(record.perm_id or 0)
        assert packing.by_key(record.key) == plain.by_key(record.key)


@given(noisy_steps_of(several_lives()))
def test_every_slot_of_every_life_comes_back(told: Told) -> None:
    """At every moment of it, of working orders too, to the last digit."""
    book, shared = Book(1), Shared(CODEC)
    for number, step in enumerate(told[1]):
        perform(book, step, NOW + timedelta(milliseconds=number))
        for entry in book.index.awake():
            back = again(entry, shared)
            assert back.snapshot() == entry.snapshot()
            for name in set(slots_of(OrderEntry)) - {*NOT_KEPT, "_history"}:
                assert held(getattr(back, name)) == held(getattr(entry, name)), name


# ── slot by slot ────────────────────────────────────────────────────────────────────────────────

_LATER = NOW + timedelta(seconds=7, microseconds=3)
_TERMS = Order.limit("BUY", "10.50", "1E+2", order_ref="my key", official={"sweepToFill": True})
_SLOTS: dict[str, Any] = {
    "_history": [HistoryEntry(at=NOW, status=OrderStatus.UNKNOWN, what="executed 5 at 7")],
    "_messages": [
        OrderMessage(at=_LATER, code=399, message="held\x1f\x1b until\n9:30", advanced_reject="{}")
    ],
    "acknowledged_time": NOW,
    "broker_avg_price": Decimal("1.2300"),
    "broker_commission": (Decimal("1.0"), "EUR"),
    "broker_filled": Decimal("0E-3"),
    "broker_order": BrokerOrder(
        order_id=1, perm_id=2**70, order_ref="other", algo_params=(("a", "b"),), parent_id=0
    ),
    "broker_remaining": Decimal("-0"),
    "broker_word": "Can\ud800celled",
    "cancel_requested": True,
    "client_id": 0,
    "contract": Contract(symbol="X", strike=Decimal("1.50"), combo_legs=(ComboLeg(5),)),
    "finished_time": _LATER,
    "former_perm_ids": (5, 6),
    "heard_time": NOW - timedelta(days=3),
    "is_listed_no_more": True,
    "is_ours": False,
    "key": "my key",
    "last_update_time": _LATER,
    "ledger": Ledger(),
    "meaning": BrokerWord.PRE_SUBMITTED,
    "modified": True,
    "oca_group": "group\x1f1",
    "oca_type": 3,
    "order": _TERMS,
    "order_id": -7,
    "parent_id": 12,
    "pending": {Request.CANCEL: NOW, Request.MODIFY: _LATER},
    "perm_id": 2**65,
    "place": 9,
    "proposals": [_TERMS.replace(quantity=11), Order.market("SELL", 1)],
    "put_aside": [_TERMS],
    "reject": OrderMessage(at=NOW, code=0, message=""),
    "retry_count": 2,
    "row": 8,
    "sent_time": NOW,
    "status": OrderStatus.CANCELLED,
    "submission_time": _LATER,
    "total": Decimal("NaN"),
    "was_released": True,
    "why_held": "child,locate",
}


def test_every_slot_has_a_value_here() -> None:
    """A new slot must be packed, and stand in the table above to prove it."""
    assert _SLOTS.keys() == set(slots_of(OrderEntry)) - NOT_KEPT
    plain = OrderEntry(1, status=OrderStatus.PENDING_SUBMIT, is_ours=True)
    same = [name for name, value in _SLOTS.items() if held(getattr(plain, name)) == held(value)]
    assert same == ["ledger"]


@pytest.mark.parametrize("name", _SLOTS)
def test_each_slot_comes_back(name: str) -> None:
    """Alone, whatever it holds: separators, halves of characters, numbers beyond 64 bits."""
    entry = OrderEntry(1, status=OrderStatus.PENDING_SUBMIT, is_ours=True)
    entry.key = "" if name != "order" else "my key"
    setattr(entry, name, _SLOTS[name])
    back = again(entry)
    for one in set(slots_of(OrderEntry)) - {"_history"}:
        assert held(getattr(back, one)) == held(getattr(entry, one)), one
    if name != "total":  # a number that is none equals nothing
        assert back.snapshot() == entry.snapshot()


def rich_ledger(name: str) -> Ledger:
    """Return a ledger in which a slot holds more than at first."""
    ledger = Ledger()
    book = ledger.book
    match name:
        case "_is_combo" | "_leg_fills":
            ledger.set_contract("BAG")
            book(execution(contract=AAPL, order_ref="x"))
        case "is_plain":
            ledger.set_contract("STK")
            book(execution(10))
            its = ("0000a.c.01.01", Decimal(5), Decimal("1.50"), Action.BUY)
            told = (*its, AAPL, "20261121 09:30:00 US/Eastern", "DU1", "", Decimal(15), None, False)
            ledger.add_plain("0000a.c.01", told, Decimal(15))
            ledger.pay_plain("0000a.c.01", told, Decimal("0.350"), "USD", None)
        case "_gone" | "recounts":
            book(execution(10))
            book(execution(8, exec_id="0000a.b.01.02"))
        case "_is_group" | "_has_advisors" | "_has_clients" | "_allocation_fills":
            ledger.set_group()
            book(execution(10, account="DF123"))
            book(execution(5, exec_id="0000a.c.01.01", account="DU1"))
        case _:
            book(
                execution(
                    10, "1.50", time="20261121 09:30:00 US/Eastern", liquidity=2, cum_quantity=Decimal("10.0")
                )
            )
            book(execution(5, exec_id="odd", side="SLD", contract=AAPL, pending_price_revision=True))
            ledger.report_commission(commission("1.0"))
            ledger.report_commission(commission("1.1", "0000a.b.01.03", pnl="7"))
            ledger.report_commission(commission("2", "never.came"))
    return ledger


@pytest.mark.parametrize("name", slots_of(Ledger))
def test_each_slot_of_the_ledger_comes_back(name: str) -> None:
    """Each one is looked at where it holds something; a new slot without a case is noticed."""
    entry = OrderEntry(1, status=OrderStatus.FILLED, is_ours=True)
    entry.ledger = rich_ledger(name)
    assert held(entry.ledger)
    assert held(getattr(entry.ledger, name)) != held(getattr(Ledger(), name)), "no case makes it differ"
    assert held(again(entry).ledger) == held(entry.ledger)


@pytest.mark.parametrize(
    "order",
    [
        Order.limit(
            "BUY", 1, 2, conditions=PriceCondition(con_id=1, exchange="SMART", price=5, is_more=True)
        ),
        Order.market("BUY", 1, algo=next(iter(ALGOS.values()))()),
        Order.market("BUY", 1, official={"faGroup": "all", "scaleTable": [1, 2.5, None]}),
    ],
)
def test_odd_terms_come_back(order: Order) -> None:
    """What holds more than plain values is written as the journal writes it."""
    assert again(story(lambda desk: desk.modify(order.replace(tif="GTC")))).snapshot().history
    entry = OrderEntry(1, status=OrderStatus.FILLED, is_ours=True)
    entry.order, entry.proposals = order, [order.replace(quantity=7)]
    back = again(entry)
    assert (back.order, back.proposals) == (order, [order.replace(quantity=7)])
    with pytest.raises(Unpackable):
        pack(entry, Shared(None))


def test_what_cannot_be_written_stays_awake() -> None:
    """Rather than to come back as something else."""
    desk = Desk()
    desk.book = Book(1, codec=CODEC)
    desk.submit(Order.market("BUY", 1, official={"scaleTable": object()}))
    desk.tell(status("Filled", 1, 0), execution(1), commission())
    assert pack_all(desk.book) == 0
    assert desk.book.index.awake_count == 1


def test_numbers_that_are_equal_and_written_otherwise_come_back_as_they_were() -> None:
    """A strike of 1.5 and one of 1.50 are one contract, and not one text."""
    shared = Shared(CODEC)
    contracts = [Contract(symbol="X", strike=Decimal(text)) for text in ("1.5", "1.50")]
    for contract in contracts:
        entry = OrderEntry(1, status=OrderStatus.FILLED, is_ours=True)
        entry.contract = contract
        assert repr(again(entry, shared).contract) == repr(contract)


def test_what_repeats_stands_once() -> None:
    """A hundred orders alike add nothing to the table; and the bytes of each are few."""
    shared, sizes, lengths = Shared(CODEC), [], set()
    for number in range(100):
        desk = Desk()
        desk.working(order=Order.limit("BUY", 10, 100 + number), order_id=1)
        desk.tell(execution(10, 100, perm_id=900), commission(), status("Filled", 10, 0, perm_id=900))
        (entry,) = desk.book.index.awake()
        sizes.append(len(pack(entry, shared)))
        lengths.add(len(shared))
    assert len(lengths) == 1
    assert max(sizes) < 500


@pytest.mark.parametrize(
    "spoil", [lambda b: b[1:], lambda b: b[:40], lambda b: b[:0], lambda b: b"9" + b[1:]]
)
def test_bytes_of_no_order_are_refused(spoil: Callable[[bytes], bytes]) -> None:
    """With one kind of error."""
    shared = Shared(CODEC)
    packed = pack(story(lambda desk: desk.tell(execution(5))), shared)
    with pytest.raises(Unpackable):
        unpack(spoil(packed), shared)


def test_the_moment_of_submission_is_read_without_unpacking() -> None:
    """Of orders of ours; those of others were submitted by nobody here."""
    shared = Shared(CODEC)
    entry = story()
    assert submitted_at(pack(entry, shared)) == entry.submission_time is not None
    entry.oca_group = "\x1f"
    assert submitted_at(pack(entry, shared)) == entry.submission_time
    entry.is_ours = False
    assert submitted_at(pack(entry, shared)) is None
    entry.is_ours, entry.submission_time = True, None
    assert submitted_at(pack(entry, shared)) is None


def test_the_table_can_be_written_and_read() -> None:
    """Thing by thing, with the same places."""
    shared = Shared(CODEC)
    orders: Iterable[Order] = (Order.limit("BUY", 1, 2), _TERMS, Order.market("SELL", 5, tif="GTC"))
    for order in orders:
        entry = OrderEntry(1, status=OrderStatus.FILLED, is_ours=True)
        entry.order, entry.contract, entry.why_held = order, AAPL, "half \ud800 \\u a\nline"
        entry.broker_order = BrokerOrder(action="BUY", algo_params=(("a", "b"),))
        pack(entry, shared)
    other = Shared(CODEC)
    other.add([shared.read(*shared.write(thing)) for thing in shared.since(0)])
    assert other.since(0) == shared.since(0)
    assert [other.place_of(thing) for thing in shared.since(0)] == [*range(len(shared))]


def test_events_of_a_packed_order_are_those_of_any_other() -> None:
    """A late commission wakes it, and it is told as ever."""
    desk = Desk()
    desk.book = Book(1, codec=CODEC)
    desk.working()
    desk.tell(execution(10, perm_id=900), status("Filled", 10, 0, perm_id=900), echo("Filled", perm_id=900))
    assert pack_all(desk.book) == 1
    assert desk.book.index.awake_count == 0
    desk.forget()
    desk.tell(commission("1.25"))
    (told,) = desk.of(events.CommissionReported)
    assert told.record.commissions == {"USD": Decimal("1.25")}
    assert desk.book.index.awake_count == 1
