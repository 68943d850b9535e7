"""Watches over positions that were entered with exits, and moves stops to break-even.

What is decided stands in :mod:`ibkr_core.lifecycle.protecting`; here it is asked whenever something has
changed that it may depend on, on the scheduler, and its answers are carried out.
"""

from __future__ import annotations

import contextlib
import json
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, Final, Protocol

import attrs

from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    JournalError,
    SendFailed,
    TradingHalted,
)
from ibkr_core.lifecycle.protecting import (
    BreakEven,
    BreakEvenPlan,
    Cover,
    StopMove,
    covers,
    covers_of,
    families,
    stop_moves,
)
from ibkr_core.listeners import Delivery, Listener, Subscription
from ibkr_core.model import events
from ibkr_core.model.exits import is_protective
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.scheduler import Scheduler, Timer

__all__ = ["Protection"]

_STATE: Final = "break-even"
ATTACHED: Final = ("ptOrderId", "slOrderId")
_PACE_S: Final = 0.05
_SHARE: Final = 20
"""How long it rests after a look: at least the first, and so many times as long as the look took."""
_LATER: Final = (ConnectionFailed, SendFailed, EngineClosed, TradingHalted, JournalError)
"""Why a stop cannot be moved right now, and will be when that is over."""
_WITH_TERMS: Final = (events.OrderSubmitted, events.OrderModified)
"""Events after which an order may name exits that the gateway attaches."""
_MOST_LOST: Final = 5
"""How often a move may come to nothing without the broker's word before it is given up, with an alarm."""
_FREQUENT: Final = (events.OrderAcknowledged, events.OrderStatusChanged, events.ExecutionReceived)
"""What comes with nearly every callback."""
_RARE: Final = (
    events.CancelRefused,
    events.CancelRequested,
    events.ExecutionCorrected,
    events.ModifyRefused,
    events.OrderCancelled,
    events.OrderModified,
    events.OrderRejected,
    events.OrderUncertain,
    events.OrderUnresolved,
    events.OrderWarning,
    events.RetryScheduled,
    events.UnownedOrderFound,
)
_OWN: Final = events.OrderSubmitted
"""What comes with every new order of ours, once its bytes have left."""
_UNHEARD: Final = (
    # Another event of the same callback tells as much, and no fee covers a position.
    events.CommissionReported,
    events.OrderFilled,
    events.OrderPartiallyFilled,
    # Our own.
    events.PositionProtected,
    events.PositionUnprotected,
    events.StopMoveFailed,
)
"""All others about orders."""


class States(Protocol):
    """What protection needs of a journal."""

    def state(self, name: str) -> str | None:
        """Return a small durable fact, None where it was never set."""

    def set_state(self, name: str, text: str) -> None:
        """Keep a small durable fact, and commit it at once."""


class Office(Protocol):
    """What protection needs of the engine."""

    @property
    def scheduler(self) -> Scheduler:
        """Runs what is due."""

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot of an order."""

    def modify(self, order_id: int, order: Order | None = None, **changes: Any) -> OrderRecord:
        """Ask for new terms."""

    def on(
        self,
        kind: type[events.Event] | tuple[type[events.Event], ...],
        listener: Listener,
        delivery: Delivery = ...,
    ) -> Subscription:
        """Listen for events."""


class Protection:
    """Tells positions that their exits do not cover, and moves stops to break-even.

    Args:
        office: The engine.
        awake: Returns all orders that can matter, oldest first: those that are not packed.
        find: Finds an order by its client order key.
        publish: Publishes an event.
        is_current: Whether the book is in step with the broker; nothing is judged while it is not.
        watch_kin: Calls back once there is an order that names a relative: until then no callback can matter.
        journal: Keeps what was wished over a restart; None for none.
        alarm_after_s: How long exits may be missing before it is told: they are replaced, or one of them has
            filled and that is not known yet.
    """

    def __init__(
        self,
        office: Office,
        awake: Callable[[], tuple[OrderRecord, ...]],
        find: Callable[[str], OrderRecord | None],
        publish: Callable[..., None],
        is_current: Callable[[], bool],
        watch_kin: Callable[[Callable[[], object]], None],
        journal: States | None,
        alarm_after_s: float,
    ) -> None:
        self._office = office
        self._look_at = awake
        self._find = find
        self._publish = publish
        self._is_current = is_current
        self._journal = journal
        self._alarm_after_s = alarm_after_s
        self._lock = threading.Lock()  # around the plans and their text in the journal
        self._plans: dict[str, BreakEvenPlan] = {}
        self._planned: frozenset[str] = frozenset()  # the keys that plans are about
        self._restored: set[str] = set()
        self._concerned: set[int] = set()
        self._missing_since: dict[int, float] = {}
        self._told: dict[int, Decimal] = {}
        self._asked: dict[int, Decimal] = {}
        self._failed: set[tuple[int, Decimal]] = set()
        self._lost: Counter[tuple[int, Decimal]] = Counter()
        self._moved: set[str] = set()  # once: whoever moves it on by hand has the last word
        self._next_look = Timer(0.0, lambda: None)
        self._is_due = False
        self._is_moving = False
        self._rests_until = float("-inf")
        self._load()
        self._concern(awake())
        watch_kin(lambda: office.on(_FREQUENT, self._glance, Delivery.INLINE))
        office.on(_OWN, self._note_new, Delivery.INLINE)
        office.on(
            (*_RARE, events.Synchronised, events.TradingReleased, events.JournalRestored),
            self._note,
            Delivery.INLINE,
        )

    # ── what callers ask ────────────────────────────────────────────────────────────────────────

    def unprotected(self) -> tuple[Cover, ...]:
        """Return the entries that have more open than their exits would close, as it is at this moment."""
        return tuple(cover for cover in covers(self._look_at()) if cover.missing > 0)

    def watch(self, plan: BreakEvenPlan) -> None:
        """Keep a wish, durably, before the orders that it is about are sent.

        Raises:
            JournalError: It could not be made durable.
        """
        with self._lock:
            self._plans[plan.parent] = plan
            try:
                self._store()
            except JournalError:
                del self._plans[plan.parent]
                raise
            self._index()

    def forget(self, plan: BreakEvenPlan) -> None:
        """Drop a wish: its orders were not sent, or are done."""
        with self._lock:
            if self._plans.pop(plan.parent, None) is not None:
                self._moved.difference_update(plan.stops)
                self._index()
                with contextlib.suppress(JournalError):  # told by itself; a wish about no order does nothing
                    self._store()

    def appoint(self, old: str, new: str) -> None:
        """Let an order that is about to take another one's place be watched, or moved, like that one.

        Both keys stay: the old order may yet fill, and which of them lives is not known before it has ended.

        Raises:
            JournalError: It could not be made durable.
        """
        with self._lock:
            before = dict(self._plans)
            for parent, plan in before.items():
                targets = (*plan.targets, new) if old in plan.targets else plan.targets
                stops = (*plan.stops, new) if old in plan.stops else plan.stops
                self._plans[parent] = attrs.evolve(plan, targets=targets, stops=stops)
            if self._plans == before:
                return
            if old in self._moved:
                self._moved.add(new)  # it was moved already: where the new one stands is where it is wanted
            try:
                self._store()
            except JournalError:
                self._plans = before
                self._moved.discard(new)
                raise
            self._index()

    def dismiss(self, key: str) -> None:
        """Drop an order that was appointed, and was not sent."""
        with self._lock:
            before = dict(self._plans)
            self._keep_only(lambda one: one != key)
            if self._plans != before:
                self._moved.discard(key)
                self._index()
                with contextlib.suppress(JournalError):  # told by itself; the next session drops it too
                    self._store()

    def _keep_only(self, is_kept: Callable[[str], bool]) -> None:
        """Drop keys of targets and stops. Requires holding the lock."""
        for parent, plan in self._plans.items():
            targets, stops = (tuple(filter(is_kept, keys)) for keys in (plan.targets, plan.stops))
            self._plans[parent] = attrs.evolve(plan, targets=targets, stops=stops)

    @property
    def plans(self) -> tuple[BreakEvenPlan, ...]:
        """The wishes that are kept."""
        with self._lock:
            return tuple(self._plans.values())

    # ── noticing ────────────────────────────────────────────────────────────────────────────────

    def _glance(self, event: events.OrderEvent) -> None:
        """Take notice of what comes with nearly every callback: mostly it is about nobody's exit."""
        if self._concerned or event.shown.parent_id:
            self._note(event)

    def _note_new(self, event: events.OrderSubmitted) -> None:
        """Take notice of a new order: mostly it is nobody's exit, and names none."""
        shown = event.shown
        if self._concerned or shown.parent_id or ((terms := shown.order) is not None and terms.official):
            self._note(event)

    def _note(self, event: events.Event) -> None:
        """Take notice of an event, where it comes in: only see whether it can matter."""
        if isinstance(event, events.Synchronised):
            self._office.scheduler.call_soon(self._begin_session)
        elif not isinstance(event, events.OrderEvent):  # trading was released, or the journal works again
            self._move_soon()
        elif self._matters(event):
            if isinstance(event, events.ModifyRefused):
                self._note_refusal(event)
            elif isinstance(event, events.OrderModified):
                self._note_move(event.record)
            if self._planned and event.record.key in self._planned:
                self._move_soon()
            self._look_soon()

    def _matters(self, event: events.OrderEvent) -> bool:
        # Of most events the record is never looked at: making it would cost more than all the rest.
        if event.parent_id:
            self._concerned.update((event.parent_id, event.order_id))
            return True
        if isinstance(event, _WITH_TERMS):
            terms = event.terms
            for name in ATTACHED:
                if terms is not None and name in terms.official:
                    self._concerned.update((event.order_id, terms.official[name]))
        # Any other order may close by hand what is open, or cover it.
        return bool(self._concerned)

    def _concern(self, orders: Sequence[OrderRecord]) -> None:
        for order_id, (_, exits) in families(orders).items():
            self._concerned.update((order_id, *(one.order_id for one in exits)))

    def _begin_session(self) -> None:
        """All that the broker knows was taken over: also what happened while nobody looked."""
        self._concern(self._look_at())
        for plan in self.plans:
            if plan.parent in self._restored and self._find(plan.parent) is None:
                self.forget(plan)  # the program ended before its orders were sent
        if self._restored:
            with self._lock:
                self._keep_only(lambda key: self._find(key) is not None)  # likewise for a replacement
                self._index()
        self._restored.clear()
        self._move_soon()
        self._look_soon()

    def _look_soon(self) -> None:
        if not self._is_due:
            self._is_due = True
            scheduler = self._office.scheduler
            scheduler.call_at(max(scheduler.now(), self._rests_until), self._look)

    def _look(self) -> None:
        self._is_due = False
        if not self._concerned or not self._is_current():
            return
        began = self._office.scheduler.now()
        orders = self._look_at()
        known = families(orders)
        found = covers_of(known, orders)
        self._judge(found)
        is_open = {cover.parent.order_id for cover in found}
        for order_id, (parent, exits) in known.items():
            if order_id not in is_open and all(one.is_finished for one in (parent, *exits)):
                self._concerned.difference_update((order_id, *(one.order_id for one in exits)))
        ended = self._office.scheduler.now()
        self._rests_until = ended + max(_PACE_S, _SHARE * (ended - began))

    # ── alarms ──────────────────────────────────────────────────────────────────────────────────

    def _judge(self, found: Sequence[Cover]) -> None:
        now = self._office.scheduler.now()
        open_now = {cover.parent.order_id: cover.open_quantity for cover in found}
        naked = {cover.parent.order_id: cover for cover in found if cover.missing > 0}
        for order_id in self._missing_since.keys() - naked.keys():
            del self._missing_since[order_id]
            if self._told.pop(order_id, None) is not None:
                record = self._office.order(order_id)
                left = open_now.get(order_id, Decimal(0))
                self._publish(events.PositionProtected, record=record, open_quantity=left)
        due_at: list[float] = []
        for order_id, cover in naked.items():
            since = self._missing_since.setdefault(order_id, now)
            if now < since + self._alarm_after_s:
                due_at.append(since + self._alarm_after_s)
            else:
                self._tell(order_id, cover)
        self._next_look.cancel()
        if due_at:
            self._next_look = self._office.scheduler.call_at(min(due_at), self._look_soon)

    def _tell(self, order_id: int, cover: Cover) -> None:
        told = self._told.get(order_id, Decimal(0))
        self._told[order_id] = cover.missing
        if cover.missing > told:
            self._publish(
                events.PositionUnprotected,
                record=cover.parent,
                open_quantity=cover.open_quantity,
                covered=cover.covered,
                missing=cover.missing,
                waiting=cover.waiting,
                reason=_why(cover),
            )

    # ── break-even ──────────────────────────────────────────────────────────────────────────────

    def _move_soon(self) -> None:
        if self._planned and not self._is_moving:
            self._is_moving = True
            self._office.scheduler.call_soon(self._move_stops)

    def _move_stops(self) -> None:
        self._is_moving = False
        if not self._is_current():
            return
        for plan in self.plans:
            if self._is_done(plan):
                self.forget(plan)
                continue
            for move in stop_moves(plan, self._find):
                if move.key not in self._moved and (move.order_id, move.price) not in self._failed:
                    self._move(move)

    def _move(self, move: StopMove) -> None:
        self._asked[move.order_id] = move.price
        try:
            self._office.modify(move.order_id, None, **move.changes)
        except _LATER:
            return  # the next session, the end of the halt, or the journal's repair brings it up again
        except IbkrError as error:
            self._give_up(move.order_id, move.price, str(error))

    def _note_move(self, record: OrderRecord) -> None:
        wanted = self._asked.get(record.order_id)
        if wanted is not None and record.order is not None and record.order.aux_price == wanted:
            del self._asked[record.order_id]
            self._moved.add(record.key)
            self._office.scheduler.call_soon(self._remember)  # this thread reads what the broker says

    def _remember(self) -> None:
        with self._lock, contextlib.suppress(JournalError):  # its failure is told by itself
            self._store()

    def _note_refusal(self, event: events.ModifyRefused) -> None:
        wanted = self._asked.pop(event.order_id, None)
        if wanted is not None:
            move = event.order_id, wanted
            if not event.message.code:  # no word of the broker's: it was not sent, or was lost on the way
                self._lost[move] += 1
                if self._lost[move] < _MOST_LOST:
                    return
            reason = f"{event.message.message} (code {event.message.code})"
            self._failed.add(move)  # before anybody looks again
            self._office.scheduler.call_soon(lambda: self._give_up(event.order_id, wanted, reason))

    def _give_up(self, order_id: int, wanted: Decimal, reason: str) -> None:
        self._failed.add((order_id, wanted))
        record = self._office.order(order_id)
        if not record.is_finished:
            self._publish(events.StopMoveFailed, record=record, wanted=wanted, reason=reason)

    def _is_done(self, plan: BreakEvenPlan) -> bool:
        """Whether nothing can come of a wish any more."""
        parent = self._find(plan.parent)
        if parent is None:
            return False  # about to be sent
        stops = [self._find(key) for key in plan.stops]
        return parent.is_finished and all(stop is not None and stop.is_finished for stop in stops)

    # ── the journal ─────────────────────────────────────────────────────────────────────────────

    def _index(self) -> None:
        """Note the keys that plans are about. Requires holding the lock, or being alone."""
        self._planned = frozenset(key for plan in self._plans.values() for key in plan.keys)

    def _store(self) -> None:
        """Write the wishes down. Requires holding the lock."""
        if self._journal is None:
            return
        plans = [
            {
                "parent": plan.parent,
                "targets": list(plan.targets),
                "stops": list(plan.stops),
                "moved": [key for key in plan.stops if key in self._moved],
                "tick": None if plan.rule.tick is None else str(plan.rule.tick),
                "offset": str(plan.rule.offset),
                "after": plan.rule.after,
            }
            for plan in self._plans.values()
        ]
        self._journal.set_state(_STATE, json.dumps(plans))

    def _load(self) -> None:
        text = self._journal.state(_STATE) if self._journal is not None else None
        for held in json.loads(text or "[]"):
            rule = BreakEven(tick=held["tick"], offset=held["offset"], after=held["after"])
            plan = BreakEvenPlan(
                rule=rule,
                parent=held["parent"],
                targets=tuple(held["targets"]),
                stops=tuple(held["stops"]),
            )
            self._plans[plan.parent] = plan
            self._moved.update(held["moved"])
            self._restored.add(plan.parent)
        self._index()


def _why(cover: Cover) -> str:
    """Say what is wrong with the exits."""
    has_stops = any(is_protective(one.order_type) for one in cover.exits)
    wrong = []
    for one in cover.exits:
        if has_stops and not is_protective(one.order_type):
            continue
        what = f"#{one.order_id} {one.order_type or 'exit'}"
        if not one.is_working:
            because = f" ({one.error_message})" if one.error_message else ""
            wrong.append(f"{what} is {one.status.value}{because}")
        elif "child" in one.why_held.split(","):
            wrong.append(f"{what} is held until the entry is completely filled")
        else:
            wrong.append(f"{what} would close {one.remaining_quantity}")
    return f"{cover.missing} of {cover.open_quantity} without an exit: {'; '.join(wrong)}"
