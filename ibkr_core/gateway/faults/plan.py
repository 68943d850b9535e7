"""Which faults happen when: by chance, by script, or at a given moment."""

from __future__ import annotations

from collections.abc import Iterable

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults import actions
from ibkr_core.gateway.faults.actions import ORDER_STORY, Action, Stage
from ibkr_core.gateway.faults.checks import is_duration, is_flag, is_id, is_probability, whole_from
from ibkr_core.wire.ids import ANSWER_IDS, REQUEST_IDS

__all__ = ["Chance", "Fault", "FaultPlan", "Injected", "RateLimit", "When"]

_SOME_ROUNDING = 1e-9
_ANY = "tickPrice"  # stands for all messages that no fault names


def _check_message(kind: object) -> None:
    if not isinstance(kind, str) or (kind not in ANSWER_IDS and kind not in REQUEST_IDS):
        rule = f"must be a message such as orderStatus or a request such as placeOrder; got {kind!r}"
        raise InvalidInput("on", rule)


def _is_message(_: object, attribute: attrs.Attribute[str], value: object) -> None:
    del attribute
    if value != "":
        _check_message(value)


def _are_messages(_: object, attribute: attrs.Attribute[tuple[str, ...]], value: tuple[str, ...]) -> None:
    del attribute
    for kind in value:
        _check_message(kind)


def _to_chances(values: Iterable[Chance]) -> tuple[Chance, ...]:
    return tuple(values)


def _to_faults(values: Iterable[Fault]) -> tuple[Fault, ...]:
    return tuple(values)


def _to_kinds(values: Iterable[str]) -> tuple[str, ...]:
    return tuple(values)


@attrs.frozen(kw_only=True)
class When:
    """The trigger of a scripted fault. What is not said does not matter.

    Attributes:
        on: Official name of a message (``orderStatus``) or of a request (``placeOrder``). Empty: whatever
            the fault usually strikes; a fault of the line or of the broker then strikes by itself, at the
            moment that ``after_s`` gives.
        nth: The how-manyth fitting message it strikes, counted from 1.
        times: How many it strikes from then on; None for all.
        order_id: Only messages about this order.
        client_id: Only this client; for a fault that strikes by itself, None means all clients.
        after_s: Not before so many seconds after the fault was armed.
        chance: With what probability it strikes a message that fits.
    """

    on: str = attrs.field(default="", validator=_is_message)
    nth: int = attrs.field(default=1, validator=whole_from(1))
    times: int | None = attrs.field(default=1, validator=whole_from(1, optional=True))
    order_id: int | None = attrs.field(default=None, validator=is_id)
    client_id: int | None = attrs.field(default=None, validator=is_id)
    after_s: float = attrs.field(default=0.0, validator=is_duration)
    chance: float = attrs.field(default=1.0, validator=is_probability)


def _stage_of(action: Action, on: str) -> Stage:
    """Where an action strikes that is to strike a named message.

    Raises:
        InvalidInput: It cannot strike that.
    """
    if Stage.COMMISSION in action.stages:
        stage = Stage.COMMISSION
    else:
        stage = Stage.REQUEST if on in REQUEST_IDS else Stage.ANSWER
    bound = action.kinds if action.kinds and action.kinds != ORDER_STORY else frozenset()
    if stage not in action.stages or (bound and on not in bound):
        able = f"; it strikes {', '.join(sorted(bound))}" if bound else ""
        raise InvalidInput("on", f"{action.name} cannot strike {on}{able}")
    return stage


@attrs.frozen
class Fault:
    """One scripted fault: what, and when.

    Attributes:
        action: What happens.
        when: What triggers it.

    Raises:
        InvalidInput: The trigger does not suit the action.
    """

    action: Action
    when: When = attrs.field(factory=When)

    def __attrs_post_init__(self) -> None:
        if self.when.on:
            _stage_of(self.action, self.when.on)
        elif self.is_timed and (self.when.times != 1 or self.when.nth != 1):
            raise InvalidInput("times", f"{self.action.name} at a given moment happens once; name a message")

    @property
    def stages(self) -> frozenset[Stage]:
        """Where it strikes."""
        if self.when.on:
            return frozenset({_stage_of(self.action, self.when.on)})
        if self.is_timed:
            return frozenset({Stage.TIME})
        if Stage.ANSWER in self.action.stages:
            return frozenset({Stage.ANSWER})
        return self.action.stages

    @property
    def is_timed(self) -> bool:
        """Whether it strikes at a moment, not at a message."""
        return Stage.TIME in self.action.stages and not self.when.on and self.when.order_id is None


@attrs.frozen
class Chance:
    """A fault that happens with a probability to each message that it can strike.

    Attributes:
        action: What happens.
        probability: From 0 to 1.
        on: Only messages or requests of these kinds; empty for what it usually strikes.

    Raises:
        InvalidInput: The probability is none, or the action cannot strike such a message.
    """

    action: Action
    probability: float = attrs.field(validator=is_probability)
    on: tuple[str, ...] = attrs.field(default=(), converter=_to_kinds, validator=_are_messages)

    def __attrs_post_init__(self) -> None:
        for kind in self.on:
            _stage_of(self.action, kind)

    def strikes(self, stage: Stage, kind: str, *, is_answer: bool, answers_too: bool) -> bool:
        """Whether it can strike such a message.

        Args:
            stage: Where.
            kind: Of the message.
            is_answer: It answers a query.
            answers_too: Whether such messages are fair game.
        """
        if self.on:
            return kind in self.on and _stage_of(self.action, kind) is stage
        usual = Stage.ANSWER if Stage.ANSWER in self.action.stages else Stage.REQUEST
        if stage is not (Stage.COMMISSION if Stage.COMMISSION in self.action.stages else usual):
            return False
        if is_answer and self.action.spares_answers and not answers_too:
            return False
        return not self.action.kinds or kind in self.action.kinds


@attrs.frozen(kw_only=True)
class RateLimit:
    """How many messages a second a client may send (TWS facts 6).

    Attributes:
        per_s: So many within one second. What exceeds it is not acted upon.
        strikes: At the how-manyth violation the client is disconnected; before that it gets only error 100.
            Three, from memory: documented is that it will "likely" be disconnected.
    """

    per_s: int = attrs.field(default=50, validator=whole_from(1))
    strikes: int = attrs.field(default=3, validator=whole_from(1))


@attrs.frozen(kw_only=True)
class FaultPlan:
    """Everything that goes wrong at a gateway by itself.

    At most one fault strikes a message: the first of the script that is due, or else one by chance.

    Attributes:
        chances: Faults with their probabilities.
        script: Faults with their triggers; the first that fits strikes first.
        answers: Whether faults of delivery (drop, delay, reorder) may strike the answers to queries, too.
            No real gateway was seen to do that, so by default only what nobody asked for is struck.
        rate: The message rate that clients must keep; None for any.

    Raises:
        InvalidInput: The probabilities that concern one kind of message add up to more than 1.
    """

    chances: tuple[Chance, ...] = attrs.field(default=(), converter=_to_chances)
    script: tuple[Fault, ...] = attrs.field(default=(), converter=_to_faults)
    answers: bool = attrs.field(default=False, validator=is_flag)
    rate: RateLimit | None = None

    def __attrs_post_init__(self) -> None:
        named = {kind for one in self.chances for kind in (*one.on, *one.action.kinds)} | {_ANY}
        for stage in (Stage.ANSWER, Stage.REQUEST, Stage.COMMISSION):
            for kind in sorted(named):
                total = sum(one.probability for one in self.striking(stage, kind, is_answer=False))
                if total > 1 + _SOME_ROUNDING:
                    raise InvalidInput("chances", f"those that strike {kind} add up to {total:g}, above 1")

    def striking(self, stage: Stage, kind: str, *, is_answer: bool) -> Iterable[Chance]:
        """The chances that can strike such a message."""
        for one in self.chances:
            if one.strikes(stage, kind, is_answer=is_answer, answers_too=self.answers):
                yield one

    @property
    def is_none(self) -> bool:
        """Whether nothing goes wrong at all."""
        return not (self.chances or self.script or self.rate)

    @classmethod
    def none(cls) -> FaultPlan:
        """Nothing goes wrong."""
        return cls()

    @classmethod
    def nasty(cls, intensity: float = 0.5) -> FaultPlan:
        """A bit of everything that a trading program must survive, all by chance.

        Every fault is one that a client can recover from by asking: answers to queries are true and complete,
        ends of answers apart. Busts are always told.

        Args:
            intensity: From 0 (nothing) to 1 (about one message in three is struck).

        Raises:
            InvalidInput: The intensity is not between 0 and 1.
        """
        if not 0 <= intensity <= 1:
            raise InvalidInput("intensity", f"must lie between 0 and 1; got {intensity}")
        return cls(chances=tuple(Chance(one, at * intensity) for one, at in _nasty() if intensity))


def _nasty() -> tuple[tuple[Action, float], ...]:
    """Faults and their probabilities at full intensity."""
    return (
        (actions.Duplicate(), 0.10),
        (actions.Drop(), 0.06),
        (actions.Delay(), 0.06),
        (actions.Reorder(), 0.05),
        (actions.Split(), 0.04),
        (actions.Regress(), 0.05),
        (actions.Revive(), 0.03),
        (actions.LostEnd(), 0.10),
        (actions.IdRollback(), 0.20),
        (actions.SlowAck(), 0.08),
        (actions.SilentLive(), 0.04),
        (actions.SilentLost(), 0.04),
        (actions.ModifyKills(), 0.02),
        (actions.LateCommission(), 0.10),
        (actions.MissingCommission(), 0.06),
        (actions.Correction(), 0.04),
        (actions.Bust(), 0.01),
        (actions.Stall(), 0.004),
        (actions.Outage(), 0.002),
        (actions.Outage(back=1101, callbacks="never"), 0.001),
        (actions.Outage(code=2110, back=0), 0.001),
        (actions.Disconnect(), 0.002),
        (actions.Disconnect(moment="after"), 0.002),
        (actions.Disconnect(moment="inside", refuse_s=(1.0, 5.0)), 0.002),
        (actions.Reset(), 0.002),
        (actions.HalfOpen(), 0.001),
        (actions.HalfOpen(ends="revives"), 0.001),
        (actions.PortChange(), 0.0005),
        (actions.RateExceeded(), 0.0005),
    )


@attrs.frozen(kw_only=True)
class Injected:
    """One fault that happened.

    Attributes:
        at: When, in seconds since the epoch.
        fault: Its name.
        client_id: Whom it struck; None for everybody.
        order_id: The order that it concerned, if any.
        message: The kind of message or request that it struck; empty for none.
        detail: What exactly was done, in words.
        by: ``chance``, ``script``, or ``hand``.
    """

    at: float
    fault: str
    client_id: int | None = None
    order_id: int | None = None
    message: str = ""
    detail: str = ""
    by: str = "hand"
