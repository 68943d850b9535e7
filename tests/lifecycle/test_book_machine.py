"""The book against a naive model: dicts of executions, the newest revision of each, and sums."""

from __future__ import annotations

from decimal import Context, Decimal
from typing import Any

import attrs
import pytest
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    invariant,
    precondition,
    rule,
)

from ibkr_core.errors import DuplicateOrder, OrderFinished, OrderInDoubt, OrderStateError
from ibkr_core.model import events
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import Desk, commission, echo, error, execution, status

S = OrderStatus
UNITS = st.integers(1, 50)
PRICES = st.integers(1, 400).map(lambda quarters: Decimal(quarters) / 4)


@attrs.define(eq=False)
class Truth:
    """What is really so at the broker, and what of it was told. Nothing clever here."""

    order_id: int
    size: int
    is_alive: bool = True
    is_filled: bool = False
    # base id -> revision -> (shares, price), of all that happened and of what was told
    happened: dict[str, dict[int, tuple[int, Decimal]]] = attrs.Factory(dict)
    told: dict[str, dict[int, tuple[int, Decimal]]] = attrs.Factory(dict)
    charged: dict[str, dict[int, Decimal]] = attrs.Factory(dict)
    counted: int = 0
    most_ever: int = 0
    sizes: set[int] = attrs.Factory(set)
    offers: list[Order] = attrs.Factory(list)
    proofs: set[str] = attrs.Factory(set)
    is_acknowledged: bool = False

    @property
    def perm_id(self) -> int:
        """The broker's id."""
        return 900_000 + self.order_id

    @staticmethod
    def newest(executions: dict[str, dict[int, tuple[int, Decimal]]]) -> list[tuple[int, Decimal]]:
        """Return the newest revision of each execution."""
        return [revisions[max(revisions)] for revisions in executions.values()]

    @property
    def executed(self) -> int:
        """Shares really executed."""
        return sum(shares for shares, _ in self.newest(self.happened))

    @property
    def executed_as_told(self) -> int:
        """Shares executed according to the executions that were told."""
        return sum(shares for shares, _ in self.newest(self.told))

    @property
    def taken_away(self) -> int:
        """What told corrections took away, against the largest revision told."""
        return sum(
            max(shares for shares, _ in revisions.values()) - revisions[max(revisions)][0]
            for revisions in self.told.values()
        )

    @property
    def room(self) -> int:
        """Shares still open at the broker."""
        return self.size - self.executed

    @property
    def commission(self) -> Decimal:
        """Sum over told executions of the newest report up to the told revision."""
        total = Decimal(0)
        for base, reports in self.charged.items():
            if base in self.told:
                fitting = [revision for revision in reports if revision <= max(self.told[base])]
                total += reports[max(fitting) if fitting else min(reports)]
        return total


class BookMachine(RuleBasedStateMachine):
    """Drives the book through everything that a broker and a trader do."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.desk = Desk()
        self.truths: dict[int, Truth] = {}
        self.said: list[BrokerFact] = []
        self.pictures: list[tuple[OrderRecord, dict[str, Any]]] = []
        self.filled_ones: set[int] = set()
        self.serial = 0

    # ── how things are told ─────────────────────────────────────────────────────────────────────

    def tell(self, fact: BrokerFact) -> None:
        """Tell a fact, and remember it for repetition."""
        self.said.append(fact)
        self.desk.tell(fact)

    def say(self, truth: Truth, word: str) -> None:
        """An orderStatus with the true figures."""
        truth.is_acknowledged = True
        truth.counted = max(truth.counted, truth.executed)
        if word in ("Filled", "Cancelled"):
            truth.proofs.add(word)
        self.tell(status(word, truth.executed, truth.room, order_id=truth.order_id, perm_id=truth.perm_id))

    def tell_execution(self, truth: Truth, base: str, revision: int) -> None:
        """An execDetails of something that happened."""
        shares, price = truth.happened[base][revision]
        truth.told.setdefault(base, {})[revision] = (shares, price)
        truth.is_acknowledged = True
        fact = execution(
            shares, str(price), f"{base}.{revision:02}", order_id=truth.order_id, perm_id=truth.perm_id
        )
        self.tell(fact)

    def happen(self, truth: Truth, shares: int, price: Decimal) -> str:
        """Something is executed at the broker."""
        self.serial += 1
        base = f"0000{truth.order_id:04x}.{self.serial:08x}.01"
        truth.happened[base] = {1: (shares, price)}
        truth.most_ever = max(truth.most_ever, truth.executed)
        return base

    def withheld(self, truth: Truth) -> list[tuple[str, int]]:
        """Return executions that happened and were not told."""
        return [
            (base, revision)
            for base, revisions in truth.happened.items()
            for revision in revisions
            if revision not in truth.told.get(base, {})
        ]

    def die(self, truth: Truth, proof: str) -> None:
        """The order's rest is dead at the broker, and that is about to be told."""
        truth.is_alive = False
        truth.proofs.add(proof)

    def is_known_finished(self, truth: Truth) -> bool:
        """Whether what was told proves the end."""
        return bool(truth.proofs) or truth.executed_as_told >= max(truth.sizes)

    # ── what we do ──────────────────────────────────────────────────────────────────────────────

    @rule(target=orders, units=UNITS)
    def submit(self, units: int) -> Truth:
        """We place an order of two shares or more."""
        order_id = len(self.truths) + 1
        truth = Truth(order_id, units + 1, sizes={units + 1})
        self.truths[order_id] = truth
        self.desk.submit(Order.limit("BUY", units + 1, 100), order_id)
        return truth

    @rule(truth=orders)
    def submit_again(self, truth: Truth) -> None:
        """The same id or key once more is refused and changes nothing."""
        before = self.desk.book.order(truth.order_id)
        with pytest.raises(DuplicateOrder):
            self.desk.submit(order_id=truth.order_id, key="new key")
        with pytest.raises(DuplicateOrder):
            self.desk.submit(order_id=10_000, key=f"key-{truth.order_id}")
        assert self.desk.book.order(truth.order_id) is before

    @rule(truth=orders, units=UNITS)
    def modify(self, truth: Truth, units: int) -> None:
        """We ask for another size, larger than what is filled."""
        terms = Order.limit("BUY", truth.executed + units, 101)
        before = self.desk.book.order(truth.order_id)
        if before.is_finished or before.status in (S.PENDING_CANCEL, S.UNKNOWN):
            refusal = OrderInDoubt if before.status is S.UNKNOWN else OrderStateError
            with pytest.raises(OrderFinished if before.is_finished else refusal):
                self.desk.modify(terms, truth.order_id)
            assert self.desk.book.order(truth.order_id) is before
            return
        self.desk.modify(terms, truth.order_id)
        truth.offers.append(terms)
        truth.sizes.add(truth.executed + units)

    @rule(truth=orders)
    def cancel(self, truth: Truth) -> None:
        """We ask for a cancellation: refused exactly when the order is finished."""
        before = self.desk.book.order(truth.order_id)
        if before.is_finished:
            with pytest.raises(OrderFinished):
                self.desk.cancel(truth.order_id)
            return
        after = self.desk.cancel(truth.order_id)
        assert after.status in (S.PENDING_CANCEL, S.UNKNOWN)

    @rule()
    def lose_connection(self) -> None:
        """The connection is gone; nobody dies of that."""
        before = {record.order_id: record.status for record in self.desk.book.orders()}
        self.desk.lose_connection()
        for record in self.desk.book.orders():
            assert record.status in (before[record.order_id], S.UNKNOWN)

    # ── what the broker does ────────────────────────────────────────────────────────────────────

    @rule(truth=orders, word=st.sampled_from(("PreSubmitted", "Submitted", "PendingSubmit", "Inactive", "")))
    def say_it_lives(self, truth: Truth, word: str) -> None:
        """A word of a living order."""
        if truth.is_alive:
            self.say(truth, word)

    @rule(truth=orders)
    def echo(self, truth: Truth) -> None:
        """An openOrder of a living order."""
        if truth.is_alive:
            truth.is_acknowledged = True
            self.tell(
                echo(
                    "Submitted",
                    order_id=truth.order_id,
                    perm_id=truth.perm_id,
                    total_quantity=Decimal(truth.size),
                )
            )

    @rule(truth=orders, units=UNITS, price=PRICES, is_told=st.booleans())
    def execute_some(self, truth: Truth, units: int, price: Decimal, is_told: bool) -> None:
        """A partial execution, told at once or held back."""
        if truth.is_alive and truth.room > 1:
            base = self.happen(truth, min(units, truth.room - 1), price)
            if is_told:
                self.tell_execution(truth, base, 1)

    @rule(
        truth=orders,
        price=PRICES,
        order_of_telling=st.sampled_from(("execution", "word", "both", "word first")),
    )
    def execute_the_rest(self, truth: Truth, price: Decimal, order_of_telling: str) -> None:
        """The last execution, told by itself, by the word, or by both."""
        if not truth.is_alive:
            return
        base = self.happen(truth, truth.room, price)
        truth.is_alive, truth.is_filled = False, True
        if order_of_telling == "word first":
            self.say(truth, "Filled")
        if order_of_telling != "word":
            self.tell_execution(truth, base, 1)
        if order_of_telling in ("word", "both"):
            self.say(truth, "Filled")

    @rule(truth=orders)
    def tell_what_was_held_back(self, truth: Truth) -> None:
        """The answer to reqExecutions: all that happened, once more (TWS facts 2.9)."""
        for base, revisions in truth.happened.items():
            for revision in revisions:
                self.tell_execution(truth, base, revision)

    @rule(truth=orders, data=st.data())
    def correct(self, truth: Truth, data: st.DataObject) -> None:
        """A newer revision of a told execution, with another price and no more shares."""
        if not truth.told:
            return
        base = data.draw(st.sampled_from(sorted(truth.told)))
        revision = max(truth.happened[base]) + 1
        shares = truth.happened[base][revision - 1][0]
        if truth.is_alive:
            shares = data.draw(st.integers(1, shares))
        truth.happened[base][revision] = (shares, data.draw(PRICES))
        self.tell_execution(truth, base, revision)

    @rule(truth=orders, cents=st.integers(-100, 1_000), data=st.data())
    def charge(self, truth: Truth, cents: int, data: st.DataObject) -> None:
        """A commission report for anything that happened, told or not yet told."""
        if not truth.happened:
            return
        base = data.draw(st.sampled_from(sorted(truth.happened)))
        revision = data.draw(st.sampled_from(sorted(truth.happened[base])))
        reports = truth.charged.setdefault(base, {})
        if revision not in reports:
            reports[revision] = Decimal(cents) / 100
            self.tell(commission(str(reports[revision]), f"{base}.{revision:02}"))

    @rule(truth=orders, with_code=st.booleans(), with_word=st.booleans())
    def confirm_cancel(self, truth: Truth, with_code: bool, with_word: bool) -> None:
        """The rest is cancelled: the word, 202, or both."""
        if not truth.is_alive:
            return
        truth.is_alive = False
        if with_word or not with_code:
            self.say(truth, "Cancelled")
        if with_code:
            self.die(truth, "202")
            self.tell(error(202, order_id=truth.order_id))

    @rule(truth=orders)
    def say_pending_cancel(self, truth: Truth) -> None:
        """The broker mentions a cancel."""
        if truth.is_alive:
            self.say(truth, "PendingCancel")

    @rule(truth=orders, code=st.sampled_from((136, 161, 10147)))
    def refuse_cancel(self, truth: Truth, code: int) -> None:
        """A cancel came to nothing, or nobody knows to what."""
        if truth.is_alive:
            self.tell(error(code, order_id=truth.order_id))

    @rule(truth=orders)
    def state_the_end(self, truth: Truth) -> None:
        """10148 names the state of a dead order."""
        if truth.is_filled or "Cancelled" in truth.proofs:
            word = "Filled" if truth.is_filled else "Cancelled"
            truth.proofs.add(word)
            self.tell(error(10148, f"cannot be cancelled, state: {word}.", order_id=truth.order_id))

    @rule(truth=orders)
    def reject(self, truth: Truth) -> None:
        """201: the rest is dead, acknowledged or not."""
        if truth.is_alive and not self.withheld(truth):
            self.die(truth, "201")
            self.tell(error(201, order_id=truth.order_id))

    @rule(truth=orders, code=st.sampled_from((110, 200, 321)))
    def refuse_new(self, truth: Truth, code: int) -> None:
        """A new order is refused outright."""
        if truth.is_alive and not truth.is_acknowledged and not truth.offers and not truth.happened:
            self.die(truth, "refused")
            self.tell(error(code, order_id=truth.order_id))

    @rule(truth=orders)
    def accept_modification(self, truth: Truth) -> None:
        """The broker works the oldest terms that we asked for."""
        if not truth.offers or not truth.is_alive:
            return
        terms = truth.offers.pop(0)
        if terms.quantity <= truth.executed:
            return
        truth.size = int(terms.quantity)
        truth.is_acknowledged = True
        self.tell(
            echo(
                "Submitted",
                order_id=truth.order_id,
                perm_id=truth.perm_id,
                total_quantity=terms.quantity,
                order_type="LMT",
                limit_price=terms.limit_price,
                tif="DAY",
            )
        )

    @rule(truth=orders, code=st.sampled_from((105, 110, 2102)))
    def refuse_modification(self, truth: Truth, code: int) -> None:
        """The original remains."""
        if truth.offers and truth.is_alive and truth.is_acknowledged:
            truth.offers.pop(0)
            self.tell(error(code, order_id=truth.order_id))

    @rule(truth=orders, code=st.sampled_from((399, 404, 2109, 10349, 2104, 1100)))
    def warn(self, truth: Truth, code: int) -> None:
        """A warning changes no status whatever."""
        before = self.desk.book.order(truth.order_id).status
        self.tell(error(code, order_id=truth.order_id))
        assert self.desk.book.order(truth.order_id).status is before

    @precondition(lambda self: self.said)
    @rule(data=st.data())
    def repeat(self, data: st.DataObject) -> None:
        """Something that was told is told again, however old it is (TWS facts 2.1)."""
        fact = data.draw(st.sampled_from(self.said))
        # A repeated refusal could not be told from a new one, so the broker does not repeat those.
        if getattr(fact, "code", None) not in (105, 110, 200, 321, 2102, 10147):
            self.desk.tell(fact)

    @rule(truth=consumes(orders))
    def forget(self, truth: Truth) -> None:
        """No more is heard of this order; what is known of it stays under watch."""

    # ── what must hold after each step ──────────────────────────────────────────────────────────

    @invariant()
    def the_money_agrees_with_the_naive_model(self) -> None:
        """Fills, filled, averages and commissions, each recomputed from nothing."""
        assert len(self.desk.book.orders()) == len(self.truths)
        for truth in self.truths.values():
            record = self.desk.book.order(truth.order_id)
            newest = truth.newest(truth.told)
            assert sorted((fill.quantity, fill.price) for fill in record.fills) == sorted(newest)
            filled = max(truth.executed_as_told, truth.counted - truth.taken_away)
            assert record.filled_quantity == filled <= truth.most_ever
            assert record.unexplained_quantity == filled - truth.executed_as_told
            if newest and not record.unexplained_quantity:
                value = sum((shares * price for shares, price in newest), Decimal(0))
                assert record.avg_fill_price == Context(prec=28).divide(value, Decimal(filled))
            assert sum(record.commissions.values(), Decimal(0)) == truth.commission

    @invariant()
    def an_end_has_its_proof_and_a_proof_its_end(self) -> None:
        """Finished means proved, and what is proved is finished; FILLED stays FILLED."""
        for truth in self.truths.values():
            record = self.desk.book.order(truth.order_id)
            if record.status is S.FILLED:
                assert "Filled" in truth.proofs or record.filled_quantity >= min(truth.sizes)
            elif record.status is S.CANCELLED:
                assert truth.proofs & {"Cancelled", "202", "201"}
            elif record.status is S.REJECTED:
                assert truth.proofs & {"201", "refused"}
            if truth.order_id in self.filled_ones:
                assert record.status is S.FILLED
            if self.is_known_finished(truth):
                assert record.is_finished
                assert record.pending == ()
                assert record.finished_time is not None
            if "Filled" in truth.proofs or truth.executed_as_told >= max(truth.sizes):
                assert record.status is S.FILLED
                self.filled_ones.add(truth.order_id)

    @invariant()
    def events_are_whole_and_pictures_stand_still(self) -> None:
        """No number is missing, each execution was told once, and no record has changed since."""
        assert [event.seq for event in self.desk.events] == list(range(1, len(self.desk.events) + 1))
        received = [event.fill.exec_id.rpartition(".")[0] for event in self.desk.of(events.ExecutionReceived)]
        told = [base for truth in self.truths.values() for base in truth.told]
        assert sorted(received) == sorted(told)
        for record, then in self.pictures:
            assert attrs.asdict(record, recurse=False) == then
        self.pictures = [(record, attrs.asdict(record, recurse=False)) for record in self.desk.book.orders()]

    @invariant()
    def active_orders_are_those_not_finished(self) -> None:
        """In doubt counts as active."""
        active = {record.order_id for record in self.desk.book.active_orders()}
        assert active == {r.order_id for r in self.desk.book.orders() if not r.is_finished}


TestBookMachine = BookMachine.TestCase
TestBookMachine.__doc__ = "Any sequence of the rules keeps the invariants."
