"""How each fault is done to a message, a request, or a connection.

Every function returns in words what it did, or None where the fault does not apply: then nothing was done.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

from ibkr_core.gateway import answers
from ibkr_core.gateway.combos import Combo
from ibkr_core.gateway.faults import actions
from ibkr_core.gateway.faults.actions import Action
from ibkr_core.gateway.faults.lines import Lines
from ibkr_core.gateway.faults.outage import BrokerLine
from ibkr_core.gateway.faults.tools import Tools
from ibkr_core.gateway.orders import Phase
from ibkr_core.gateway.protocol import Session
from ibkr_core.wire.message import Message

__all__ = ["OrderKey", "Striker"]

OrderKey = tuple[int, int]
"""Client id and order id."""

_Way = Callable[[Session, Message, Any], "str | None"]
_MOST_TICKS = 5
_TOO_LATE = "Order rejected - reason:Too late to replace order"
_STEPS_BACK = {
    "Submitted": ("Submitted", "PreSubmitted"),
    "PreSubmitted": ("PreSubmitted", "Submitted"),
    "PendingCancel": ("PendingCancel", "Submitted", "PreSubmitted"),
}
"""What is told before the true word comes once more (TWS facts 1)."""


class Striker:
    """Does what actions say.

    Args:
        tools: What faults work with.
        broker: The line to the broker.
        lines: The lines to the clients.

    Attributes:
        silent: Orders of which nothing is told, and whether even after they were seen in an answer.
        slow: Orders of which nothing is told before a moment, in seconds since the epoch.
        told: Orders of which a status was told.
        waiting: Messages that wait to change places with the next one of the same session.
    """

    def __init__(self, tools: Tools, broker: BrokerLine, lines: Lines) -> None:
        self._tools = tools
        self._broker = broker
        self._lines = lines
        self.silent: dict[OrderKey, bool] = {}
        self.slow: dict[OrderKey, float] = {}
        self.told: set[OrderKey] = set()
        self.waiting: dict[Session, list[Message]] = {}
        self._answer_ways: dict[type[Action], _Way] = {
            actions.Duplicate: self._duplicate,
            actions.Drop: self._drop,
            actions.LostEnd: self._drop,
            actions.Delay: self._delay,
            actions.Reorder: self._reorder,
            actions.Split: self._split,
            actions.IdRollback: self._roll_back,
            actions.Regress: self._regress,
            actions.Revive: self._revive,
            actions.Correction: self._correct,
            actions.Bust: self._bust,
        }
        self._request_ways: dict[type[Action], _Way] = {
            actions.Drop: self._lose,
            actions.SilentLost: self._lose_order,
            actions.SilentLive: self._silence,
            actions.SlowAck: self._slow_down,
            actions.Delay: self._put_off,
            actions.ModifyKills: self._kill_by_modifying,
        }

    def answer(self, action: Action, session: Session, message: Message) -> str | None:
        """Strike a message on its way to a client."""
        way = self._answer_ways.get(type(action))
        if way is not None:
            return way(session, message, action)
        if isinstance(action, actions.Outage):
            done = self._broker.cut(action)
            if done is not None and not (message.kind in actions.ORDER_STORY and not self._tools.asked
                                         and self._broker.withholds(session, message)):  # fmt: skip
                session.write(message)
            return done
        return self._lines.at_answer(action, session, message)

    def request(self, action: Action, session: Session, request: Message) -> str | None:
        """Strike a request."""
        way = self._request_ways.get(type(action))
        if way is not None:
            return way(session, request, action)
        if isinstance(action, actions.Outage):
            done = self._broker.cut(action)
            if done is not None and not self._broker.puts_off(session, request):
                self._tools.answer(session, request)
            return done
        return self._lines.at_request(action, session, request)

    def moment(self, action: Action, client_id: int | None) -> str | None:
        """Strike at a moment, one client or all."""
        if isinstance(action, actions.Outage):
            return self._broker.cut(action)
        return self._lines.at_moment(action, client_id)

    # -- messages ----------------------------------------------------------------------------------

    def _duplicate(self, session: Session, message: Message, action: actions.Duplicate) -> str:
        session.write(message)
        delays = [self._tools.draw(action.delay_s) for _ in range(action.copies)]
        for delay in delays:
            self._write_later(session, message, delay)
        return "again after " + ", ".join(f"{delay:.3f} s" for delay in delays)

    def _drop(self, _session: Session, _message: Message, _action: Action) -> str:
        return "dropped"

    def _delay(self, session: Session, message: Message, action: actions.Delay) -> str:
        delay = self._tools.draw(action.seconds)
        self._write_later(session, message, delay)
        return f"{delay:.3f} s late"

    def _write_later(self, session: Session, message: Message, delay_s: float) -> None:
        if delay_s > 0:
            self._tools.later(delay_s, lambda: session.write(message))
        else:
            session.write(message)

    def _reorder(self, session: Session, message: Message, action: actions.Reorder) -> str:
        self.waiting.setdefault(session, []).append(message)
        self._tools.later(self._tools.draw(action.within_s), lambda: self.let_go(session))
        return "after the next message"

    def let_go(self, session: Session) -> None:
        """Send what waits to change places."""
        for message in self.waiting.pop(session, ()):
            session.write(message)

    def _split(self, session: Session, message: Message, action: actions.Split) -> str | None:
        data = session.framed(message)
        at = self._tools.rng.randrange(1, len(data)) if action.at is None else action.at
        if session.closed or at >= len(data):
            return None
        session.inject(data[:at])
        session.hold()
        session.inject(data[at:])
        delay = self._tools.draw(action.delay_s)
        self._tools.last(delay, session.release)
        return f"cut after {at} of {len(data)} bytes, the rest {delay:.3f} s later"

    def _roll_back(self, session: Session, message: Message, action: actions.IdRollback) -> str | None:
        true = message.fields["orderId"]
        told = max(true - action.by, 1)
        if told == true:
            return None
        session.write(Message(message.kind, {**message.fields, "orderId": told}))
        return f"{told} instead of {true}"

    def _regress(self, session: Session, message: Message, _action: Action) -> str | None:
        words = _STEPS_BACK.get(message.fields["status"])
        if words is None:
            return None
        for word in words:
            session.write(Message(message.kind, {**message.fields, "status": word}))
        session.write(message)
        return ", ".join((*words, message.fields["status"]))

    def _revive(self, session: Session, message: Message, action: actions.Revive) -> str | None:
        fields = message.fields
        order = self._tools.venue.exchange.find(session.client_id, fields["orderId"])
        key = session.client_id, fields["orderId"]
        if order is None or order.phase is not Phase.LIVE or fields["filled"] or key in self.told:
            return None
        session.write(Message(message.kind, {**fields, "status": "Inactive"}))
        delay = self._tools.draw(action.seconds)
        self.slow[key] = self._tools.now() + delay
        self._write_later(session, message, delay)
        return f"Inactive for {delay:.3f} s"

    # -- executions --------------------------------------------------------------------------------

    def _correct(self, session: Session, message: Message, action: actions.Correction) -> str | None:
        told = message.fields["execution"]
        price, shares = Decimal(repr(told["price"])), told["shares"]
        if not self._is_correctable(message) or (action.quantity is not None and action.quantity > shares):
            return None
        shift = action.price_shift
        if shift is None and action.quantity is None:
            order = self._tools.venue.exchange.by_perm_id(told["permId"])
            ticks = self._tools.rng.randint(1, _MOST_TICKS) * self._tools.rng.choice((1, -1))
            shift = order.instrument.min_tick * ticks
        new_price = None if shift is None else price + shift
        if new_price is not None and new_price <= 0:
            return None
        session.write(message)
        delay = self._tools.draw(action.delay_s)
        exec_id = told["execId"]
        self._tools.later(delay, lambda: self._revise(exec_id, new_price, action.quantity, told=True))
        terms = [f"price {price} to {new_price}"] if new_price is not None else []
        terms += [f"quantity {shares} to {action.quantity}"] if action.quantity is not None else []
        return f"{exec_id} corrected after {delay:.3f} s: {', '.join(terms)}"

    def _bust(self, session: Session, message: Message, action: actions.Bust) -> str | None:
        if not self._is_correctable(message):
            return None
        session.write(message)
        delay = self._tools.draw(action.delay_s)
        exec_id = message.fields["execution"]["execId"]
        self._tools.later(delay, lambda: self._revise(exec_id, None, Decimal(0), told=action.told))
        return f"{exec_id} busted after {delay:.3f} s{'' if action.told else ', untold'}"

    def _is_correctable(self, message: Message) -> bool:
        """Whether it tells of a live execution, of a single instrument, that has not been busted."""
        told = message.fields["execution"]
        if self._tools.asked or not told["shares"] or message.fields["reqId"] != answers.LIVE_REQUEST:
            return False
        order = self._tools.venue.exchange.by_perm_id(told["permId"])
        return not isinstance(order.instrument, Combo)

    def _revise(self, exec_id: str, price: Decimal | None, quantity: Decimal | None, *, told: bool) -> None:
        now = self._tools.venue.fills.get(exec_id.rpartition(".")[0])
        if now is None or not now.quantity or (quantity is not None and quantity > now.quantity):
            return  # busted or cut down meanwhile
        self._tools.venue.correct(exec_id, price=price, quantity=quantity, told=told)

    # -- requests ----------------------------------------------------------------------------------

    def _lose(self, _session: Session, _request: Message, _action: Action) -> str:
        return "lost"

    def _lose_order(self, session: Session, request: Message, _action: Action) -> str | None:
        return "lost" if self._is_new_order(session, request) else None

    def _silence(self, session: Session, request: Message, action: actions.SilentLive) -> str | None:
        if not self._is_new_order(session, request):
            return None
        self.silent[session.client_id, request.fields["orderId"]] = action.lasting
        self._tools.answer(session, request)
        return "accepted in silence"

    def _slow_down(self, session: Session, request: Message, action: actions.SlowAck) -> str | None:
        if not self._is_new_order(session, request):
            return None
        delay = self._tools.draw(action.seconds)
        self.slow[session.client_id, request.fields["orderId"]] = self._tools.now() + delay
        self._tools.answer(session, request)
        return f"nothing told for {delay:.3f} s"

    def _put_off(self, session: Session, request: Message, action: actions.Delay) -> str:
        delay = self._tools.draw(action.seconds)

        def act() -> None:
            if not session.closed:
                self._tools.answer(session, request)

        self._tools.later(delay, act)
        return f"acted upon {delay:.3f} s late"

    def _kill_by_modifying(self, session: Session, request: Message, _action: Action) -> str | None:
        order_id = request.fields.get("orderId", 0)
        order = self._tools.venue.exchange.find(session.client_id, order_id)
        if order is None or order.phase is not Phase.LIVE or order.cancelling:
            return None
        true = answers.order_status(order)
        for word in ("PendingCancel", "Submitted", "PreSubmitted"):
            session.send(Message(true.kind, {**true.fields, "status": word}))
        self._tools.venue.exchange.cancel(order, "")
        session.send(answers.error(order_id, 201, _TOO_LATE, self._tools.now()))
        return "the order died of its modification"

    def _is_new_order(self, session: Session, request: Message) -> bool:
        order_id = request.fields.get("orderId", 0)
        what_if = (request.fields.get("order") or {}).get("whatIf")
        return not what_if and self._tools.venue.exchange.find(session.client_id, order_id) is None
