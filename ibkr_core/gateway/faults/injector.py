"""Decides which fault strikes what: the first of the script that is due, or else one by chance.

Everything is decided by the plan, the seed, and the order of messages and requests; the machine's time plays
no part. A gateway without faults pays nothing: :attr:`Injector.idle` is then true and nobody asks.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

import attrs

from ibkr_core.gateway.choreography import Cue, Repeat
from ibkr_core.gateway.faults.actions import Action, LateCommission, Stage
from ibkr_core.gateway.faults.lines import Lines, too_fast
from ibkr_core.gateway.faults.outage import BrokerLine
from ibkr_core.gateway.faults.plan import Chance, Fault, FaultPlan, Injected
from ibkr_core.gateway.faults.strikes import OrderKey, Striker
from ibkr_core.gateway.faults.tools import COMMANDS, Ground, Tools
from ibkr_core.gateway.orders import GatewayOrder
from ibkr_core.gateway.protocol import Session
from ibkr_core.gateway.venue import Venue
from ibkr_core.wire.message import Message

__all__ = ["Injector"]

T = TypeVar("T")
_ALMOST_A_SECOND = 1.0 - 1e-6  # moments are floats
_REVEALING = frozenset({"placeOrder", "cancelOrder"})


@attrs.define(eq=False)
class _Armed:
    """A fault of the script, and what has become of it."""

    fault: Fault
    since: float
    by: str
    seen: int = 0
    struck: int = 0

    @property
    def is_spent(self) -> bool:
        times = self.fault.when.times
        return times is not None and self.struck >= times


@attrs.frozen
class _Case:
    """Something that a fault could strike.

    Attributes:
        stage: Where.
        kind: Of the message.
        client_id: Whose message it is.
        order: The order that it is about, if any.
        is_answer: It answers a query.
    """

    stage: Stage
    kind: str
    client_id: int
    order: OrderKey | None = None
    is_answer: bool = False

    @property
    def order_id(self) -> int | None:
        return None if self.order is None else self.order[1]


class Injector:
    """The faults of one gateway.

    Args:
        plan: Which faults.
        venue: Orders, markets and time.
        ground: The sessions.
        seed: Decides every random thing.
    """

    def __init__(self, plan: FaultPlan, *, venue: Venue, ground: Ground, seed: int) -> None:
        self.plan = plan
        self._tools = Tools(venue, ground, seed)
        self._broker = BrokerLine(self._tools)
        self._striker = Striker(self._tools, self._broker, Lines(self._tools))
        self._armed: list[_Armed] = []
        self._tables: dict[tuple[Stage, str, bool], list[tuple[float, Chance]]] = {}
        self._order_of: dict[str, OrderKey] = {}
        self._sent: dict[Session, deque[float]] = {}
        self._violations: dict[Session, int] = {}
        self.idle = True
        venue.recue = self._recue
        self.follow(plan)

    # -- by hand -----------------------------------------------------------------------------------

    @property
    def log(self) -> tuple[Injected, ...]:
        """Every fault so far, in order."""
        return tuple(self._tools.log)

    @property
    def refusal(self) -> str:
        """How new connections are met: empty for well, or as :class:`Refuse` says."""
        return self._tools.refusal

    def follow(self, plan: FaultPlan) -> None:
        """Go by another plan; what the old one has armed is disarmed, what goes on goes on."""
        self.plan = plan
        self._tables.clear()
        self._armed.clear()
        self.idle = self.idle and plan.is_none
        for fault in plan.script:
            self.arm(fault, by="script")

    def arm(self, fault: Fault, by: str = "hand") -> None:
        """Let one more fault happen."""
        self.idle = False
        armed = _Armed(fault, self._tools.now(), by)
        self._armed.append(armed)
        if fault.is_timed and fault.when.after_s > 0:
            self._tools.later(fault.when.after_s, lambda: self._strike_now(armed))
        elif fault.is_timed:
            self._strike_now(armed)

    def calm(self) -> None:
        """End every fault: nothing new goes wrong, and what goes on ends now."""
        self.plan = FaultPlan.none()
        self._tables.clear()
        self._armed.clear()
        self._tools.end_all()
        self._striker.silent.clear()
        self._striker.slow.clear()
        for session in list(self._striker.waiting):
            self._striker.let_go(session)
        self.idle = True

    def move(self, venue: Venue) -> None:
        """Go on at another venue, after a restart; what the gateway only had in its memory is gone."""
        self._broker.forget()
        self._striker.silent.clear()
        self._striker.slow.clear()
        self._tools.move(venue)
        venue.recue = self._recue

    def note(self, fault: str, detail: str, client_id: int | None = None) -> None:
        """Write down what somebody did by hand."""
        self._tools.log.append(
            Injected(at=self._tools.now(), fault=fault, client_id=client_id, detail=detail)
        )

    def _strike_now(self, armed: _Armed) -> None:
        if armed not in self._armed:
            return  # disarmed meanwhile
        self._armed.remove(armed)
        when = armed.fault.when
        if when.chance < 1 and self._tools.rng.random() >= when.chance:
            return
        done = self._striker.moment(armed.fault.action, when.client_id)
        if done is not None:
            self._tools.log.append(
                Injected(
                    at=self._tools.now(),
                    fault=armed.fault.action.name,
                    client_id=when.client_id,
                    detail=done,
                    by=armed.by,
                )
            )

    # -- sessions ----------------------------------------------------------------------------------

    def welcome(self, session: Session, action: Callable[[], None]) -> None:
        """Open a session; its opening counts as an answer that was asked for."""
        before, self._tools.asked = self._tools.asked, "startApi"
        try:
            action()
        finally:
            self._tools.asked = before
        self._broker.welcome(session)

    def meet_with_silence(self, session: Session) -> None:
        """Hear nothing of a new connection until connections are accepted again."""
        self._tools.meet_with_silence(session)

    def forget(self, session: Session) -> None:
        """Forget a session that has ended."""
        self._striker.waiting.pop(session, None)
        self._sent.pop(session, None)
        self._violations.pop(session, None)

    # -- messages out ------------------------------------------------------------------------------

    def send(self, session: Session, message: Message) -> None:
        """Send a message, or let a fault happen to it."""
        if self.idle:
            session.write(message)
            return
        asked = bool(self._tools.asked)
        key = self._key_of(session, message)
        if not asked and self._is_from_broker(message) and self._broker.withholds(session, message):
            return
        if key is not None and self._is_kept_back(session, message, key, asked=asked):
            return
        waiting = self._striker.waiting.pop(session, ())
        case = _Case(Stage.ANSWER, message.kind, session.client_id, key, asked)
        if not self._strike(case, lambda action: self._striker.answer(action, session, message)):
            session.write(message)
        if key is not None and message.kind == "orderStatus":
            self._striker.told.add(key)
        for one in waiting:
            session.write(one)

    def _is_from_broker(self, message: Message) -> bool:
        return message.kind != "error" or message.fields.get("id", 0) > 0

    def _is_kept_back(self, session: Session, message: Message, key: OrderKey, *, asked: bool) -> bool:
        """Whether an order is silent or slow, so that a message about it does not go out now."""
        silent, slow = self._striker.silent, self._striker.slow
        if asked:
            if silent.get(key) is False:
                del silent[key]
            return False
        if key in silent:
            return True
        until = slow.get(key)
        if until is None:
            return False
        if until <= self._tools.now():
            del slow[key]
            return False
        self._tools.later(until - self._tools.now(), lambda: session.write(message))
        return True

    def _key_of(self, session: Session, message: Message) -> OrderKey | None:
        """The order that a message tells of, by its client and id there."""
        fields = message.fields
        match message.kind:
            case "openOrder":
                return fields["order"].get("clientId", session.client_id), fields["orderId"]
            case "orderStatus":
                return session.client_id, fields["orderId"]
            case "execDetails":
                told = fields["execution"]
                key = told.get("clientId", session.client_id), told["orderId"]
                self._order_of[told["execId"].rpartition(".")[0]] = key
                return key
            case "commissionReport":
                return self._order_of.get(fields["execId"].rpartition(".")[0])
            case "error" if fields["id"] > 0:
                return session.client_id, fields["id"]
            case "completedOrder":
                told = fields["order"]
                return told.get("clientId", session.client_id), told.get("orderId", 0)
            case _:
                return None

    # -- requests in -------------------------------------------------------------------------------

    def take(self, session: Session, request: Message) -> None:
        """Act upon a request, or let a fault happen to it."""
        if self.idle:
            self._tools.ground.answer(session, request)
            return
        if self.plan.rate is not None and self._is_too_fast(session):
            return
        if self._broker.is_broken and self._broker.puts_off(session, request):
            return
        order_id = request.fields.get("orderId") if request.kind in COMMANDS else None
        key = None if order_id is None else (session.client_id, order_id)
        if key is not None and request.kind in _REVEALING and self._striker.silent.get(key) is False:
            del self._striker.silent[key]  # what a client commands of a silent order is told
        case = _Case(Stage.REQUEST, request.kind, session.client_id, key)
        if not self._strike(case, lambda action: self._striker.request(action, session, request)):
            self._tools.answer(session, request)

    def _is_too_fast(self, session: Session) -> bool:
        limit = self.plan.rate
        if limit is None:
            return False
        now = self._tools.now()
        sent = self._sent.setdefault(session, deque(maxlen=limit.per_s))
        if len(sent) < limit.per_s or now - sent[0] > _ALMOST_A_SECOND:
            sent.append(now)
            return False
        count = self._violations.get(session, 0) + 1
        self._violations[session] = count
        self._tools.say(session, 100, too_fast(limit.per_s + 1, limit.per_s, count))
        ends = count >= limit.strikes
        detail = f"violation {count} of {limit.strikes}{', closed' if ends else ''}"
        self.note("rate", detail, session.client_id)
        if ends:
            session.close()
        return True

    # -- commissions -------------------------------------------------------------------------------

    def _recue(self, order: GatewayOrder, cue: Cue) -> Cue:
        if self.idle or cue.what not in {Repeat.COMMISSION, Repeat.LEG}:
            return cue
        case = _Case(Stage.COMMISSION, "commissionReport", order.client_id, (order.client_id, order.order_id))
        changed = [cue]

        def strike(action: Action) -> str:
            if isinstance(action, LateCommission):
                delay = self._tools.draw(action.seconds)
                changed[0] = attrs.evolve(cue, delay_s=cue.delay_s + delay)
                return f"{cue.root} {delay:.3f} s late"
            changed[0] = attrs.evolve(cue, what=Repeat.UNTOLD)
            return f"{cue.root} never told"

        self._strike(case, strike)
        return changed[0]

    # -- choosing ----------------------------------------------------------------------------------

    def _strike(self, case: _Case, do: Callable[[Action], str | None]) -> bool:
        """Let the fault that is due for a case happen; False when there is none, or it does not apply."""
        for armed in self._armed:
            if self._is_due(armed, case):
                done = do(armed.fault.action)
                if done is not None:
                    armed.struck += 1
                    if armed.is_spent and armed in self._armed:
                        self._armed.remove(armed)
                    self._note(case, armed.fault.action, done, armed.by)
                    return True
        chance = self._draw(case)
        if chance is None:
            return False
        done = do(chance.action)
        if done is None:
            return False
        self._note(case, chance.action, done, "chance")
        return True

    def _note(self, case: _Case, action: Action, done: str, by: str) -> None:
        self._tools.log.append(
            Injected(
                at=self._tools.now(),
                fault=action.name,
                client_id=case.client_id,
                order_id=case.order_id,
                message=case.kind,
                detail=done,
                by=by,
            )
        )

    def _is_due(self, armed: _Armed, case: _Case) -> bool:
        fault, when = armed.fault, armed.fault.when
        if fault.is_timed or case.stage not in fault.stages:
            return False
        if when.client_id not in {None, case.client_id} or when.order_id not in {None, case.order_id}:
            return False
        if when.on:
            if case.kind != when.on:
                return False
        elif not _is_usual(fault.action, case):
            return False
        if self._tools.now() < armed.since + when.after_s:
            return False
        armed.seen += 1
        if armed.seen < when.nth:
            return False
        return when.chance >= 1 or self._tools.rng.random() < when.chance

    def _draw(self, case: _Case) -> Chance | None:
        is_about_none = case.kind == "error" and case.order is None
        table = self._table(case.stage, case.kind, case.is_answer or is_about_none)
        if not table:
            return None
        drawn = self._tools.rng.random()
        for bound, chance in table:
            if drawn < bound:
                return chance
        return None

    def _table(self, stage: Stage, kind: str, is_answer: bool) -> list[tuple[float, Chance]]:
        key = stage, kind, is_answer
        table = self._tables.get(key)
        if table is None:
            table, total = [], 0.0
            for chance in self.plan.striking(stage, kind, is_answer=is_answer):
                total += chance.probability
                table.append((total, chance))
            self._tables[key] = table
        return table


def _is_usual(action: Action, case: _Case) -> bool:
    """Whether an action strikes such a case when no message was named."""
    if action.kinds and case.kind not in action.kinds:
        return False
    if case.kind == "error" and case.order is None:
        return not action.kinds
    return not (case.is_answer and action.spares_answers)
