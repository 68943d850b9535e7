"""What can go wrong: one frozen class for each fault, with its parameters.

An action says *what* happens; :class:`~ibkr_core.gateway.faults.plan.When` says when. Durations are seconds.
A field of type :data:`Span` takes one number or a pair ``(shortest, longest)``, between which chance decides.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from decimal import Decimal
from typing import ClassVar

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults.checks import (
    Span,
    is_amount,
    is_flag,
    is_probability,
    is_span,
    one_of,
    to_amount,
    to_span,
    whole_from,
)

__all__ = [
    "ACTIONS", "ORDER_ENDS", "ORDER_STORY", "Action", "Bust", "Correction", "Delay", "Disconnect", "Drop",
    "Duplicate", "HalfOpen", "IdRollback", "LateCommission", "LostEnd", "MissingCommission", "ModifyKills",
    "Outage", "PortChange", "RateExceeded", "Refuse", "Regress", "Reorder", "Reset", "Revive", "SilentLive",
    "SilentLost", "SlowAck", "Span", "Split", "Stage", "Stall",
]  # fmt: skip

ORDER_STORY = frozenset({"openOrder", "orderStatus", "execDetails", "commissionReport", "error"})
"""What tells an order's story; of errors, those about an order."""

ORDER_ENDS = frozenset({
    "openOrderEnd", "execDetailsEnd", "completedOrdersEnd", "positionEnd", "positionMultiEnd",
    "accountSummaryEnd", "accountDownloadEnd", "accountUpdateMultiEnd",
})  # fmt: skip
"""Ends of answers."""

_PLACE = frozenset({"placeOrder"})
_STATUS = frozenset({"orderStatus"})
_FILL = frozenset({"execDetails"})
_COMMISSION = frozenset({"commissionReport"})
_MOMENTS = ("before", "after", "inside")


class Stage(enum.Enum):
    """Where a fault can strike."""

    ANSWER = "a message on its way to a client"
    REQUEST = "a request of a client, before it is acted upon"
    COMMISSION = "a fill's commission, before it is known"
    TIME = "a moment, whatever is going on"


def _span(shortest: float, longest: float | None = None) -> Span:
    """A field for a duration."""
    default = shortest, shortest if longest is None else longest
    field: Span = attrs.field(default=default, converter=to_span, validator=is_span)
    return field


@attrs.frozen(kw_only=True)
class Action:
    """A fault. What its parameters mean stands at each class.

    Attributes:
        name: In files and in the log.
        stages: Where it can strike.
        kinds: The kinds of message that it strikes when none is named; empty for any.
        spares_answers: Whether, when no kind is named, the answers to queries are left alone.
    """

    name: ClassVar[str] = ""
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER})
    kinds: ClassVar[frozenset[str]] = frozenset()
    spares_answers: ClassVar[bool] = True


# -- delivery: what the client sees; never the books -------------------------------------------------


@attrs.frozen(kw_only=True)
class Duplicate(Action):
    """A message comes again (TWS facts 2.1: very common).

    Attributes:
        copies: How many more.
        delay_s: How much later.
    """

    name: ClassVar[str] = "duplicate"
    kinds: ClassVar[frozenset[str]] = ORDER_STORY
    spares_answers: ClassVar[bool] = False

    copies: int = attrs.field(default=1, validator=whole_from(1))
    delay_s: Span = _span(0.0, 0.5)


@attrs.frozen(kw_only=True)
class Drop(Action):
    """A message never comes (TWS facts 2.2), or a request is never acted upon."""

    name: ClassVar[str] = "drop"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = ORDER_STORY


@attrs.frozen(kw_only=True)
class Delay(Action):
    """A message, or the effect of a request, comes late, and others overtake it (TWS facts 2.8).

    Attributes:
        seconds: How late.
    """

    name: ClassVar[str] = "delay"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = ORDER_STORY

    seconds: Span = _span(0.1, 3.0)


@attrs.frozen(kw_only=True)
class Reorder(Action):
    """A message changes places with the next one to the same client (TWS facts 2.5 to 2.8).

    Attributes:
        within_s: It waits so long for the next one, and then goes alone.
    """

    name: ClassVar[str] = "reorder"
    kinds: ClassVar[frozenset[str]] = ORDER_STORY

    within_s: Span = _span(1.0)


@attrs.frozen(kw_only=True)
class Split(Action):
    """A frame is cut: its first bytes leave now, the rest later. Nothing overtakes it, as with any stream.

    Attributes:
        at: So many bytes leave at once, of the whole frame with its length; None lets chance decide.
        delay_s: How much later the rest leaves.
    """

    name: ClassVar[str] = "split"
    spares_answers: ClassVar[bool] = False

    at: int | None = attrs.field(default=None, validator=whole_from(1, optional=True))
    delay_s: Span = _span(0.01)


@attrs.frozen(kw_only=True)
class SlowAck(Action):
    """What happens to a new order is told late, in order; the order itself works meanwhile.

    Attributes:
        seconds: How long nothing is told of it, unless the client asks.
    """

    name: ClassVar[str] = "slow_ack"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = _PLACE

    seconds: Span = _span(1.0, 8.0)


@attrs.frozen(kw_only=True)
class SilentLive(Action):
    """An order is accepted and works, and no callback tells of it (TWS facts 2.3).

    Attributes:
        lasting: Whether the silence goes on after the client has seen the order in an answer. By default,
            what happens after that is told.
    """

    name: ClassVar[str] = "silent_live"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = _PLACE

    lasting: bool = attrs.field(default=False, validator=is_flag)


@attrs.frozen(kw_only=True)
class SilentLost(Action):
    """An order is lost in the gateway, and no callback tells of it (TWS facts 2.3: seen on paper)."""

    name: ClassVar[str] = "silent_lost"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = _PLACE


@attrs.frozen(kw_only=True)
class LostEnd(Action):
    """The end of an answer never comes (TWS facts 2.9)."""

    name: ClassVar[str] = "lost_end"
    kinds: ClassVar[frozenset[str]] = ORDER_ENDS
    spares_answers: ClassVar[bool] = False


@attrs.frozen(kw_only=True)
class IdRollback(Action):
    """``nextValidId`` is lower than it was before (TWS facts 4).

    Whoever uses such an id means an order that there was already: it earns 103 or 104, or changes that order.

    Attributes:
        by: How much lower; it never falls below 1.
    """

    name: ClassVar[str] = "id_rollback"
    kinds: ClassVar[frozenset[str]] = frozenset({"nextValidId"})
    spares_answers: ClassVar[bool] = False

    by: int = attrs.field(default=4, validator=whole_from(1))


@attrs.frozen(kw_only=True)
class Regress(Action):
    """The status word goes back and comes again: Submitted, PreSubmitted, Submitted (TWS facts 1).

    A ``PendingCancel`` goes back to Submitted and PreSubmitted and comes again. Final words never go back.
    """

    name: ClassVar[str] = "regress"
    kinds: ClassVar[frozenset[str]] = _STATUS


@attrs.frozen(kw_only=True)
class Revive(Action):
    """A new order is first ``Inactive``, and then lives after all (TWS facts 1: seen, 30 ms).

    Attributes:
        seconds: How long it is Inactive; nothing else is told of it meanwhile.
    """

    name: ClassVar[str] = "revive"
    kinds: ClassVar[frozenset[str]] = _STATUS

    seconds: Span = _span(0.03)


# -- the broker: the books change ----------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class LateCommission(Action):
    """A commission is known only later; until then no query shows it either (TWS facts 3: 10 s seen).

    Attributes:
        seconds: How much later than usual.
    """

    name: ClassVar[str] = "late_commission"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.COMMISSION})
    kinds: ClassVar[frozenset[str]] = _COMMISSION

    seconds: Span = _span(5.0, 30.0)


@attrs.frozen(kw_only=True)
class MissingCommission(Action):
    """A commission is never told by itself; ``reqExecutions`` brings it (TWS facts 3)."""

    name: ClassVar[str] = "missing_commission"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.COMMISSION})
    kinds: ClassVar[frozenset[str]] = _COMMISSION


@attrs.frozen(kw_only=True)
class Correction(Action):
    """An execution is corrected: the next revision of its id replaces it in every book (TWS facts 3).

    Attributes:
        delay_s: How long after the execution.
        price_shift: Added to its price; None lets chance choose one to five ticks up or down, unless a
            quantity is given.
        quantity: Its new quantity; None keeps it. At most what it was.
    """

    name: ClassVar[str] = "correction"
    kinds: ClassVar[frozenset[str]] = _FILL

    delay_s: Span = _span(0.0, 2.0)
    price_shift: Decimal | None = attrs.field(default=None, converter=to_amount, validator=is_amount)
    quantity: Decimal | None = attrs.field(default=None, converter=to_amount, validator=is_amount)

    def __attrs_post_init__(self) -> None:
        if self.quantity is not None and self.quantity <= 0:
            raise InvalidInput("quantity", f"must be above 0, or it is a bust; got {self.quantity}")


@attrs.frozen(kw_only=True)
class Bust(Action):
    """An execution never was: its next revision has quantity zero and costs nothing.

    No callback of a bust is documented (TWS facts 3), so its form is our choice.

    Attributes:
        delay_s: How long after the execution.
        told: Whether callbacks tell of it; if not, only positions and queries show it.
    """

    name: ClassVar[str] = "bust"
    kinds: ClassVar[frozenset[str]] = _FILL

    delay_s: Span = _span(0.0, 2.0)
    told: bool = attrs.field(default=True, validator=is_flag)


@attrs.frozen(kw_only=True)
class ModifyKills(Action):
    """A modification is refused, and the original order dies of it (TWS facts 6: seen)."""

    name: ClassVar[str] = "modify_kills"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.REQUEST})
    kinds: ClassVar[frozenset[str]] = _PLACE


@attrs.frozen(kw_only=True)
class Outage(Action):
    """The gateway loses the broker: 1100, and later 1101 or 1102; sockets stay open (TWS facts 5).

    Orders at the broker go on: they may fill, and it is told later.

    Attributes:
        for_s: How long.
        code: 1100, or 2110.
        back: 1102, 1101 (then market data subscriptions are gone), or 0 for no word at all.
        leak: Probability that a callback comes through meanwhile all the same (seen).
        callbacks: Whether those withheld come ``later``, or ``never``.
        requests: Whether what clients ask meanwhile is ``held`` and acted upon afterwards, ``lost``, or
            ``answered``. What the gateway knows by itself, such as the time, is always answered.
    """

    name: ClassVar[str] = "outage"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    for_s: Span = _span(2.0, 20.0)
    code: int = attrs.field(default=1100, validator=one_of(1100, 2110))
    back: int = attrs.field(default=1102, validator=one_of(1102, 1101, 0))
    leak: float = attrs.field(default=0.2, validator=is_probability)
    callbacks: str = attrs.field(default="later", validator=one_of("later", "never"))
    requests: str = attrs.field(default="held", validator=one_of("held", "lost", "answered"))


# -- the line ------------------------------------------------------------------------------------------


@attrs.frozen(kw_only=True)
class Stall(Action):
    """The gateway sends nothing for a while; it goes on acting upon requests.

    Attributes:
        for_s: How long.
    """

    name: ClassVar[str] = "stall"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    for_s: Span = _span(1.0, 5.0)


@attrs.frozen(kw_only=True)
class Disconnect(Action):
    """The gateway closes the connection in order (FIN).

    Attributes:
        moment: ``before`` the message that it strikes, which is lost; ``after`` it; or ``inside`` it, in the
            middle of its bytes. For an order command, ``after`` means that it is acted upon, and nothing is
            told; ``before`` and ``inside``, that it is lost.
        refuse_s: For how long new connections are refused afterwards.
    """

    name: ClassVar[str] = "disconnect"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    moment: str = attrs.field(default="before", validator=one_of(*_MOMENTS))
    refuse_s: Span = _span(0.0)


@attrs.frozen(kw_only=True)
class Reset(Action):
    """The connection is reset (RST): what the client has not read yet is lost, too.

    Attributes:
        moment: For an order command: ``before``, it is lost; ``after``, it is acted upon, nothing told.
        refuse_s: As for :class:`Disconnect`.
    """

    name: ClassVar[str] = "reset"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    moment: str = attrs.field(default="before", validator=one_of("before", "after"))
    refuse_s: Span = _span(0.0)


@attrs.frozen(kw_only=True)
class HalfOpen(Action):
    """The line dies without a word: nothing goes either way, and neither side is told.

    A client that hangs up meanwhile is not noticed: its id stays in use, and it gets 326 (TWS facts 5).

    Attributes:
        for_s: How long.
        ends: With a ``reset``, and what the client sent is lost; or the line ``revives``, and everything
            that was on its way arrives, even from a client that has hung up.
    """

    name: ClassVar[str] = "half_open"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    for_s: Span = _span(10.0, 30.0)
    ends: str = attrs.field(default="reset", validator=one_of("reset", "revives"))


@attrs.frozen(kw_only=True)
class Refuse(Action):
    """New connections fail for a while; those that stand are left alone.

    Attributes:
        for_s: How long.
        how: ``refused`` at once; accepted and ``closed``; or accepted and met with silence (``silent``), as
            by a gateway that is starting up, and in the end reset.
    """

    name: ClassVar[str] = "refuse"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    for_s: Span = _span(1.0, 10.0)
    how: str = attrs.field(default="refused", validator=one_of("refused", "closed", "silent"))


@attrs.frozen(kw_only=True)
class PortChange(Action):
    """Error 1300, and every connection is dropped (TWS facts 5). The real port stays what it is.

    Attributes:
        port: The new port that the text names.
        refuse_s: For how long new connections are refused afterwards.
    """

    name: ClassVar[str] = "port_change"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    port: int = attrs.field(default=4002, validator=whole_from(1))
    refuse_s: Span = _span(0.0)


@attrs.frozen(kw_only=True)
class RateExceeded(Action):
    """Error 100, as if the client had sent too much, and the connection is dropped (TWS facts 6).

    Attributes:
        refuse_s: For how long new connections are refused afterwards.
    """

    name: ClassVar[str] = "rate_exceeded"
    stages: ClassVar[frozenset[Stage]] = frozenset({Stage.ANSWER, Stage.REQUEST, Stage.TIME})
    spares_answers: ClassVar[bool] = False

    refuse_s: Span = _span(0.0)


_EVERY: tuple[type[Action], ...] = (
    Duplicate, Drop, Delay, Reorder, Split, SlowAck, SilentLive, SilentLost, LostEnd, IdRollback, Regress,
    Revive, LateCommission, MissingCommission, Correction, Bust, ModifyKills, Outage, Stall, Disconnect,
    Reset, HalfOpen, Refuse, PortChange, RateExceeded,
)  # fmt: skip

ACTIONS: Mapping[str, type[Action]] = {one.name: one for one in _EVERY}
"""Every fault by its name."""
