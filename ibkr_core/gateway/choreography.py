"""In what order, how often and how late a gateway tells what happened to an order.

A real gateway repeats itself, skips steps, and reports commissions late (TWS facts 2). :class:`Choreography`
says how much of that to do; :class:`Director` does it: it turns each happening of the exchange into messages
to send now and cues for later. A cue is performed on the order as it is *then*, so a repeated callback never
tells an outdated state.
"""

from __future__ import annotations

import enum
import random
from collections.abc import Callable, Sequence

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import answers
from ibkr_core.gateway.echoes import Echoes
from ibkr_core.gateway.exchange import Happened, Happening
from ibkr_core.gateway.orders import Execution, GatewayOrder
from ibkr_core.wire.message import Message

__all__ = ["Choreography", "Cue", "Director", "Repeat"]

Delay = tuple[float, float]
"""Shortest and longest delay in seconds; the actual one lies evenly between them."""

_AT_ONCE: Delay = (0.0, 0.0)


def _is_probability(_: object, attribute: attrs.Attribute[float], value: float) -> None:
    if not 0 <= value <= 1:
        raise InvalidInput(attribute.name, f"a probability lies between 0 and 1; got {value}")


def _is_delay(_: object, attribute: attrs.Attribute[Delay], value: Delay) -> None:
    if not 0 <= value[0] <= value[1]:
        raise InvalidInput(attribute.name, f"needs 0 <= shortest <= longest; got {value}")


@attrs.frozen(kw_only=True)
class Choreography:
    """How the gateway tells its story. The defaults are what real gateways were seen to do.

    Attributes:
        pre_submitted: Probability that a plain order is first ``PreSubmitted``, not ``Submitted``.
        submitted_follows: Probability that ``Submitted`` is told after ``PreSubmitted`` (TWS facts 1).
        duplicates: Probability that an ``openOrder``/``orderStatus`` pair is sent once more (TWS facts 2.1).
        statuses_first: Probability that the new status comes before its ``execDetails`` (TWS facts 2.5).
        status_skipped: Probability that a fill comes with no ``orderStatus`` (TWS facts 2.2).
        commission_echo: Probability that the commission ``openOrder`` is followed by the same
            ``orderStatus`` again; most captures show it, one does not (TWS facts 2.4).
        pending_cancel: Probability that ``PendingCancel`` is told before ``Cancelled``.
        reason_first: Probability that error 201 comes before the ``Inactive`` status (TWS facts 2.7).
        work_delay_s: From acceptance to the first chance to trade.
        cancel_delay_s: From a cancel request to its confirmation; fills may come between.
        commission_delay_s: From a fill to its commission.
        duplicate_delay_s: From a message to its repetition.
        oca_delay_s: How late an OCA group of type 3 feels a fill; above zero its members may overfill.
        dead_orders_on_global_cancel: Whether a global cancel answers 161 for orders that are done already.
        preset_notice: Whether an empty time in force earns the notice 10349 (TWS facts 6).
    """

    pre_submitted: float = attrs.field(default=0.7, validator=_is_probability)
    submitted_follows: float = attrs.field(default=0.5, validator=_is_probability)
    duplicates: float = attrs.field(default=0.25, validator=_is_probability)
    statuses_first: float = attrs.field(default=0.05, validator=_is_probability)
    status_skipped: float = attrs.field(default=0.0, validator=_is_probability)
    commission_echo: float = attrs.field(default=0.9, validator=_is_probability)
    pending_cancel: float = attrs.field(default=0.3, validator=_is_probability)
    reason_first: float = attrs.field(default=0.5, validator=_is_probability)
    work_delay_s: Delay = attrs.field(default=(0.001, 0.005), validator=_is_delay)
    cancel_delay_s: Delay = attrs.field(default=(0.001, 0.010), validator=_is_delay)
    commission_delay_s: Delay = attrs.field(default=(0.005, 0.100), validator=_is_delay)
    duplicate_delay_s: Delay = attrs.field(default=(0.0, 0.005), validator=_is_delay)
    oca_delay_s: Delay = attrs.field(default=_AT_ONCE, validator=_is_delay)
    dead_orders_on_global_cancel: bool = True
    preset_notice: bool = False

    @classmethod
    def plain(cls) -> Choreography:
        """Each thing once, in the documented order, without delay: the easiest to read in a test."""
        return cls(
            pre_submitted=1.0,
            submitted_follows=1.0,
            duplicates=0.0,
            statuses_first=0.0,
            commission_echo=1.0,
            pending_cancel=0.0,
            reason_first=1.0,
            work_delay_s=_AT_ONCE,
            cancel_delay_s=_AT_ONCE,
            commission_delay_s=_AT_ONCE,
            duplicate_delay_s=_AT_ONCE,
            dead_orders_on_global_cancel=False,
        )


class Repeat(enum.Enum):
    """What a cue performs."""

    LEG = "commissionReport of a leg"
    UNTOLD = "the commission becomes known, and nobody is told"
    PAIR = "openOrder and orderStatus"
    COMMISSION = "openOrder with the commission, perhaps orderStatus, commissionReport"


@attrs.frozen
class Cue:
    """Something to tell later.

    Attributes:
        delay_s: How much later.
        what: What to perform.
        order: The order that it is about.
        root: The execution, for a commission.
        leg: The execution of a leg.
    """

    delay_s: float
    what: Repeat
    order: GatewayOrder
    root: str = ""
    leg: Execution | None = None


@attrs.frozen
class Scene:
    """The telling of one happening.

    Attributes:
        messages: To send now, in order.
        cues: To perform later.
    """

    messages: tuple[Message, ...] = ()
    cues: tuple[Cue, ...] = ()


class Director:
    """Turns happenings into messages and cues.

    Args:
        style: How.
        rng: Decides every probability and delay.
        now: The present, seconds since the epoch.
    """

    def __init__(self, style: Choreography, rng: random.Random, now: Callable[[], float]) -> None:
        self.style = style
        self._rng = rng
        # What is told later draws from chance of its own: how late it comes must not change what happens.
        self._aside = random.Random()  # noqa: S311 - a simulation, not a secret
        self._aside.setstate(rng.getstate())
        self._now = now
        self._echoes = Echoes()

    def chance(self, probability: float) -> bool:
        """Draw once."""
        return self._rng.random() < probability

    def delay(self, between: Delay) -> float:
        """Draw a delay in seconds."""
        return self._rng.uniform(*between) if between[1] > 0 else 0.0

    def first_status(self) -> str:
        """The first status word of a plain order."""
        return "PreSubmitted" if self.chance(self.style.pre_submitted) else "Submitted"

    def tell(self, happening: Happening) -> Scene:
        """Tell one happening, now that it has just happened."""
        order = happening.order
        match happening.what:
            case Happened.EXECUTED if happening.execution is not None:
                return self._tell_fill(order, happening.execution)
            case Happened.CANCELLED:
                return self._tell_cancelled(happening)
            case Happened.REJECTED:
                return self._tell_rejected(happening)
            case _:
                return Scene(self._pair(order), self._repeats(order))

    def perform(self, cue: Cue) -> Scene:
        """Tell what a cue asks for, of the order as it is now."""
        order = cue.order
        if cue.what is Repeat.PAIR:
            return Scene(self._pair(order))
        if cue.what is Repeat.UNTOLD:
            order.reported.add(cue.root)
            return Scene()
        if cue.what is Repeat.LEG and cue.leg is not None:
            order.reported.add(cue.root)
            return Scene((answers.commission_report(cue.leg),))
        execution = next((one for one in order.executions if one.root == cue.root), None)
        if execution is None:
            return Scene()
        order.reported.add(cue.root)
        messages = [answers.open_order(order, self._echoes)]
        if self._aside.random() < self.style.commission_echo:
            messages.append(answers.order_status(order))
        messages.append(answers.commission_report(execution))
        return Scene(tuple(messages))

    def tell_leg(self, order: GatewayOrder, execution: Execution) -> Scene:
        """The execution of a leg of a combination, and later its commission (TWS facts 3)."""
        delay = self.delay(self.style.commission_delay_s)
        cue = Cue(delay, Repeat.LEG, order, execution.root, execution)
        return Scene((answers.exec_details(execution, echoes=self._echoes),), (cue,))

    def tell_correction(self, order: GatewayOrder, execution: Execution) -> Scene:
        """A corrected execution, the order's new average, and its commission under the new id (TWS facts 3).

        A commission that was not told yet comes later, as it would have without the correction.
        """
        told = (answers.exec_details(execution, echoes=self._echoes), *self._pair(order))
        if execution.root in order.reported:
            told = (*told, answers.commission_report(execution))
        return Scene(told)

    def _pair(self, order: GatewayOrder) -> tuple[Message, ...]:
        return answers.open_order(order, self._echoes), answers.order_status(order)

    def _repeats(self, order: GatewayOrder) -> tuple[Cue, ...]:
        if not self.chance(self.style.duplicates):
            return ()
        return (Cue(self.delay(self.style.duplicate_delay_s), Repeat.PAIR, order),)

    def _tell_fill(self, order: GatewayOrder, execution: Execution) -> Scene:
        details = answers.exec_details(execution, echoes=self._echoes)
        echo: Sequence[Message] = self._pair(order)
        if self.chance(self.style.status_skipped):
            echo = (answers.open_order(order, self._echoes),)
        in_order = (*echo, details) if self.chance(self.style.statuses_first) else (details, *echo)
        commission = Cue(self.delay(self.style.commission_delay_s), Repeat.COMMISSION, order, execution.root)
        return Scene(in_order, (*self._repeats(order), commission))

    def _tell_cancelled(self, happening: Happening) -> Scene:
        order = happening.order
        status = answers.order_status(order)
        if happening.quiet:
            return Scene((status,))
        text = f"Order Canceled - reason:{happening.reason}"
        return Scene((status, answers.error(order.order_id, 202, text, self._now())))

    def _tell_rejected(self, happening: Happening) -> Scene:
        order = happening.order
        text = f"Order rejected - reason:{happening.reason}"
        said = answers.error(order.order_id, 201, text, self._now())
        pair = self._pair(order)
        return Scene((said, *pair) if self.chance(self.style.reason_first) else (*pair, said))
