"""A job: one thing to trade, by one order after another, each with a key that can be asked for again."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import attrs

from ibkr_core.errors import DuplicateOrder, IbkrError, NotReady, SendFailed
from ibkr_core.legwork.hands import Deadline, Hands, wait_ready, wait_settled
from ibkr_core.legwork.holding import Held, Lot, believe, closable, is_same, open_quantity, orders_in_the_way
from ibkr_core.legwork.tally import Tally, total
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.groups import PlannedOrder
from ibkr_core.link.pacing import Lane
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import LegResult
from ibkr_core.model.status import OrderStatus

__all__ = ["Job", "Work", "combination"]

_WHOLE: Final = Decimal(1)
_MOST_ROUNDS: Final = 5


@attrs.frozen
class Job:
    """One thing to trade.

    Attributes:
        label: What it is, in the keys of its orders: ``close1``, ``roll-open2``, ``roll``.
        contract: An instrument, or a combination.
        action: The side.
        terms: The order's terms; its side and size are replaced.
        lots: What it closes, each with its units in one unit of the job. Empty for one that only opens.
        opens: What it opens, likewise; not limited by what is held.
    """

    label: str
    contract: Contract
    action: Action
    terms: Order
    lots: tuple[Lot, ...] = ()
    opens: tuple[Lot, ...] = ()

    def order(self, quantity: Decimal) -> Order:
        """Return the order for so many units."""
        return self.terms.replace(action=self.action, quantity=quantity)

    def units(self, book: Book, tally: Tally, held: Held) -> Decimal:
        """Return how many units may be traded without closing more than is held."""
        most = Decimal("Infinity")
        for lot in self.lots:
            there = closable(book, tally, held, lot)
            whole = EXACT.divide(there, Decimal(lot.ratio))
            if lot.ratio != 1 or len(self.lots) > 1:
                whole = whole.quantize(_WHOLE, ROUND_FLOOR, EXACT)
            most = min(most, whole)
        return most


def combination(lots: Sequence[tuple[Lot, Action]]) -> tuple[Contract, Action]:
    """Make the combination that trades some lots at once, and the side of its order.

    Its first leg is always bought when it is bought, which is how people write one; what has to be sold
    first is a combination that is sold.

    Args:
        lots: Each with the side on which it is to be traded.
    """
    first = lots[0][1]
    legs = [
        ComboLeg(
            lot.con_id,
            lot.ratio,
            (Action.BUY if side is first else Action.SELL).value,
            lot.contract.exchange or "SMART",
        )
        for lot, side in lots
    ]
    contract = lots[0][0].contract
    exchanges = {leg.exchange for leg in legs}
    bag = Contract.combo(
        contract.symbol, legs, exchanges.pop() if len(exchanges) == 1 else "SMART", contract.currency
    )
    return bag, first


class Work:
    """The orders of one call.

    Args:
        hands: The engine.
        key: The key of the call; those of its orders begin with it.
        account: Where they are booked.
        names_account: Whether orders have to name it.
    """

    def __init__(self, hands: Hands, key: str, account: str, *, names_account: bool) -> None:
        self.hands = hands
        self.key = key
        self.account = account
        self._names_account = names_account
        self.errors: dict[str, str] = {}
        """Why a job's order could not be sent, by the job's label."""

    # ── what became of them ─────────────────────────────────────────────────────────────────────

    def orders(self, job: Job) -> tuple[OrderRecord, ...]:
        """Return the orders of a job, those of an earlier call with the same key included, oldest first."""
        return self.orders_of(job.label)

    def orders_of(self, label: str) -> tuple[OrderRecord, ...]:
        """Return the orders of the job with a label."""
        return self.hands.book.read(lambda book: self._orders(book, label))

    def _orders(self, book: Book, label: str) -> tuple[OrderRecord, ...]:
        found: list[OrderRecord] = []
        while (record := book.by_key(self._order_key(label, len(found) + 1))) is not None:
            found.append(record)
        return tuple(found)

    def _order_key(self, label: str, attempt: int) -> str:
        return f"{self.key}:{label}" + (f"~{attempt}" if attempt > 1 else "")

    def done(self, job: Job) -> Decimal:
        """Return how many units of a job are traded."""
        return total(record.filled_quantity for record in self.orders(job))

    def open(self, job: Job) -> tuple[OrderRecord, ...]:
        """Return the orders of a job that may still trade."""
        return tuple(record for record in self.orders(job) if open_quantity(record))

    def done_of(self, job: Job, lot: Lot) -> Decimal:
        """Return how much of one lot a job has traded: of a combination, what its legs' executions say."""
        done = EXACT.multiply(self.done(job), Decimal(lot.ratio))
        if not job.contract.is_combo:
            return done
        legs = (fill for record in self.orders(job) for fill in record.leg_fills)
        return max(done, total(fill.quantity for fill in legs if fill.con_id == lot.con_id))

    def result(self, job: Job, lot: Lot, wanted: Decimal, why: str = "") -> LegResult:
        """Say what became of a lot."""
        done = self.done_of(job, lot)
        side = lot.closing if lot in job.lots else lot.side
        orders = self.orders(job)
        error = "" if done >= wanted else self.why(job) or why or "it was not sent"
        return LegResult(
            contract=lot.contract,
            action=side,
            wanted=wanted,
            done=done,
            order_ids=tuple(dict.fromkeys(record.order_id for record in orders)),
            error=error,
        )

    def why(self, job: Job) -> str:
        """Say why a job is not done; empty where its orders do not tell."""
        orders = self.orders(job)
        reasons = [_reason(record) for record in orders if record.status is not OrderStatus.FILLED]
        if job.label in self.errors:
            reasons.append(self.errors[job.label])
        return "; ".join(dict.fromkeys(one for one in reasons if one))

    # ── working them ────────────────────────────────────────────────────────────────────────────

    def check(self, job: Job, quantity: Decimal) -> None:
        """Raise where the broker could not take the job's order at all. Nothing is sent.

        Args:
            job: The job.
            quantity: The most that it may come to.

        Raises:
            InvalidInput: The subclass and the message tell what is wrong.
            DuplicateOrder: The key of this call was used for something else.
        """
        self.hands.desk.check_new(job.contract, self._booked(job.order(quantity)))
        for record in self.orders(job):
            if record.action != job.action.value or not _is_for(record.contract, job.contract):
                raise DuplicateOrder(
                    record.order_id,
                    f"has the key {record.key!r} and is another order: {record.action} {record.symbol}; give "
                    "this call a key of its own",
                )

    def require(self, wishes: Sequence[tuple[Job, Decimal]], without: Iterable[OrderRecord]) -> None:
        """Raise where risk gates would refuse an order of some jobs: before anything is taken away for them.

        Args:
            wishes: Jobs, with how many units of each in all.
            without: Orders that will be gone by then.

        Raises:
            RiskRefused: They would.
        """
        rest = [(job, EXACT.subtract(wanted, self.done(job))) for job, wanted in wishes if not self.open(job)]
        orders = [(job.contract, self._booked(job.order(left))) for job, left in rest if left > 0]
        self.hands.engine.risk.require(orders, without=without)

    def _booked(self, order: Order) -> Order:
        return order.replace(account=self.account) if self._names_account else order

    def send(self, job: Job, wanted: Decimal, held: Held) -> None:
        """Send an order for what is left of a job, unless one of it still works.

        Args:
            job: The job.
            wanted: How many units, in all.
            held: What was held a moment ago; fills since then are counted.

        Raises:
            IbkrError: It could not be sent; nothing left.
        """
        contract = job.contract

        def decide(book: Book) -> tuple[str, Order] | None:
            orders = self._orders(book, job.label)
            if any(open_quantity(record) for record in orders):
                return None
            left = EXACT.subtract(wanted, total(record.filled_quantity for record in orders))
            size = min(left, job.units(book, self.hands.tally, held))
            if size <= 0:
                return None
            return self._order_key(job.label, len(orders) + 1), self._booked(job.order(size))

        desk = self.hands.desk
        with desk.sending(Lane.ORDER):
            decided = self.hands.book.read(decide)
            if decided is None:
                return
            key, order = decided
            desk.check_new(contract, order)
            if desk.known(key, contract, order) is not None:
                raise DuplicateOrder(0, f"the key {key!r} came into use meanwhile")
            planned = PlannedOrder(desk.peek_ids(1)[0], order)
            with contextlib.suppress(SendFailed):  # it is in the book as UNKNOWN, and the broker is asked
                desk.send_new([(contract, planned, key)], allow_duplicate=True)

    def run(
        self,
        wishes: Sequence[tuple[Job, Decimal]],
        held: Held,
        deadline: Deadline,
    ) -> None:
        """Send the orders of some jobs, all at once, and wait until each has ended.

        What fails for one does not stop the others. What could not be sent because the connection was
        lost, or got lost with it for certain, is sent when it is back, if that is in time.

        Args:
            wishes: Jobs, with how many units of each in all.
            held: What is held.
            deadline: For all of it.
        """
        lots = [lot for job, _ in wishes for lot in job.lots]
        for _ in range(_MOST_ROUNDS):
            is_cut_off = self._send_all(wishes, held)
            if not is_cut_off:
                self.wait([job for job, _ in wishes], deadline)
                if not any(self._never_lived(job) for job, _ in wishes):
                    return
            if not deadline.left_s or not wait_ready(self.hands, deadline):
                break
            held = believe(self.hands, self.account, lots, deadline) if lots else held
        self.wait([job for job, _ in wishes], deadline)

    def _send_all(self, wishes: Sequence[tuple[Job, Decimal]], held: Held) -> bool:
        """Send the orders of some jobs. Returns whether the connection kept one from being sent."""
        is_cut_off = False
        for job, wanted in wishes:
            self.errors.pop(job.label, None)
            try:
                self.send(job, wanted, held)
            except IbkrError as error:
                self.errors[job.label] = str(error)
                is_cut_off |= isinstance(error, NotReady)
        return is_cut_off

    def _never_lived(self, job: Job) -> bool:
        """Whether a job's last order was lost on the way, which is proved: then it may be sent again."""
        orders = self.orders(job)
        if not orders or job.label in self.errors:
            return False
        last = orders[-1]
        is_unknown_there = last.perm_id is None and last.acknowledged_time is None and not last.error_codes
        return last.status is OrderStatus.REJECTED and is_unknown_there

    def wait(self, jobs: Iterable[Job], deadline: Deadline) -> None:
        """Wait until nothing of some jobs works any more, or time is over."""
        for job in jobs:
            for record in self.open(job):
                wait_settled(self.hands, record.order_id, deadline)

    def blockers(self, lots: Iterable[Lot], own: Iterable[Job]) -> str:
        """Name the orders of others that may still close some lots; empty when there are none."""
        mine = {record.order_id for job in own for record in self.orders(job)}
        active = self.hands.engine.active_orders()
        found = {
            f"#{record.order_id} of client {record.client_id}"
            if not record.is_ours
            else f"#{record.order_id}"
            for lot in lots
            for record in orders_in_the_way(active, self.hands.engine.order, lot, self.account)
            if not (record.is_ours and record.order_id in mine)
        }
        return f"other orders work against it: {', '.join(sorted(found))}" if found else ""


def _is_for(known: Contract | None, wanted: Contract) -> bool:
    """Whether an order trades what a job would."""
    if known is None:
        return True  # nobody can tell any more
    if not (known.is_combo and wanted.is_combo):
        return is_same(known, wanted)
    return [(leg.con_id, leg.ratio, leg.action) for leg in known.combo_legs] == [
        (leg.con_id, leg.ratio, leg.action) for leg in wanted.combo_legs
    ]


def _reason(record: OrderRecord) -> str:
    said = f": {' '.join(record.error_message.split())}" if record.error_message else ""
    match record.status:
        case OrderStatus.REJECTED:
            return f"#{record.order_id} was refused{said}"
        case OrderStatus.CANCELLED:
            return f"#{record.order_id} was cancelled{said}"
        case OrderStatus.UNKNOWN:
            return f"the fate of #{record.order_id} is unknown; the broker is being asked"
        case OrderStatus.INACTIVE:
            return f"#{record.order_id} is held by the broker and does not work{said}"
        case _:
            return f"#{record.order_id} still works ({record.status.value})"
