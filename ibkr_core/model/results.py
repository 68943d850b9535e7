"""What became of a call that takes several orders: closing, rolling, a bracket."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.model.order import Action
from ibkr_core.model.said import plain, with_reason

__all__ = ["ActionTaken", "ExecutionResult", "LegResult"]


class ActionTaken(enum.StrEnum):
    """What was done in the end."""

    CLOSED = "CLOSED"
    """All that was held of the strategy was closed, and the fills were seen."""
    ROLLED = "ROLLED"
    """The old legs are closed and the new ones are open, to the same extent."""
    PARTIAL = "PARTIAL"
    """Some of it was done, or still works; ``error_message`` names what is left."""
    FAILED = "FAILED"
    """Nothing was traded, and nothing of it works."""
    DRY_RUN = "DRY_RUN"
    """It was a rehearsal: no order left this machine."""
    BRACKET_PLACED = "BRACKET_PLACED"
    """The entry and its exits were sent."""


_SUCCESSES: Final = frozenset({ActionTaken.CLOSED, ActionTaken.ROLLED, ActionTaken.BRACKET_PLACED})
_ALWAYS_BAD: Final = frozenset({ActionTaken.PARTIAL, ActionTaken.FAILED})


def _action_taken(value: object) -> ActionTaken:
    try:
        return ActionTaken(str(value))
    except ValueError:
        known = ", ".join(one.value for one in ActionTaken)
        raise InvalidInput("action_taken", f"must be one of {known}, not {value!r}") from None


def _side(value: object) -> Action:
    try:
        return Action(str(value))
    except ValueError:
        raise InvalidInput("action", f"must be BUY or SELL, not {value!r}") from None


def _ids(value: Iterable[int]) -> tuple[int, ...]:
    if not isinstance(value, Iterable) or isinstance(value, str | bytes):
        raise InvalidInput("order_ids", f"must be some order ids, not {value!r}")
    ids = tuple(value)
    for one in ids:
        if isinstance(one, bool) or not isinstance(one, int) or one < 1:
            raise InvalidInput("order_ids", f"must be whole numbers of at least 1, not {one!r}")
    if len(set(ids)) < len(ids):
        raise InvalidInput("order_ids", f"must name each order once, not {list(ids)!r}")
    return ids


def _wanted(value: Numeric) -> Decimal:
    return _not_negative("wanted", value)


def _done(value: Numeric) -> Decimal:
    return _not_negative("done", value)


def _not_negative(name: str, value: Numeric) -> Decimal:
    number = to_number(name, value)
    if number < 0:
        raise InvalidInput(name, f"must not be negative, got {number}")
    return number


@attrs.frozen(kw_only=True)
class LegResult:
    """What became of one leg.

    Attributes:
        contract: What was traded.
        action: The side of the leg's orders.
        wanted: How much was to be traded, in the contract's units.
        done: How much of it certainly was, by the executions.
        order_ids: The leg's orders, oldest first. A combination's order is in each of its legs.
        error: Why ``done`` is less than ``wanted``; empty when it is not.

    Raises:
        InvalidInput: A number that is none, or a shortfall without a reason.
    """

    contract: Contract
    action: Action = attrs.field(converter=_side)
    wanted: Decimal = attrs.field(converter=_wanted)
    done: Decimal = attrs.field(default=Decimal(0), converter=_done)
    order_ids: tuple[int, ...] = attrs.field(default=(), converter=_ids)
    error: str = ""

    def __attrs_post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not isinstance(self.contract, Contract):
            raise InvalidInput("contract", f"must be an ibkr_core Contract, not {self.contract!r}")
        if not isinstance(self.error, str):
            raise InvalidInput("error", f"must be a text, not {self.error!r}")
        if self.left and not self.error.strip():
            raise InvalidInput("error", "must say why the leg was not completed")

    @property
    def left(self) -> Decimal:
        """How much is still to be traded; zero when it is done, or more than that."""
        return max(self.wanted - self.done, Decimal(0))

    def __str__(self) -> str:
        """``SELL 10 of 25 SPY 20261218 C 600 (#7: rejected ...)``."""
        why = f" ({self.error})" if self.error else ""
        return f"{self.action.value} {plain(self.done)} of {plain(self.wanted)} {self.contract.name}{why}"


def _legs(value: Iterable[LegResult]) -> tuple[LegResult, ...]:
    legs = tuple(value) if isinstance(value, Iterable) else (value,)
    if not all(isinstance(leg, LegResult) for leg in legs):
        raise InvalidInput("legs", f"must be LegResult values, not {value!r}")
    return legs


def _notes(value: Iterable[str]) -> tuple[str, ...]:
    notes = tuple(value) if isinstance(value, Iterable) and not isinstance(value, str) else (value,)
    if not all(isinstance(note, str) for note in notes):
        raise InvalidInput("notes", f"must be texts, not {value!r}")
    return notes


def _message(value: str | None) -> str | None:
    if value is not None and not isinstance(value, str):
        raise InvalidInput("error_message", f"must be a text or None, not {value!r}")
    return value if value and value.strip() else None


@attrs.frozen(kw_only=True)
class ExecutionResult:
    """What became of a call that takes several orders.

    Attributes:
        success: Whether all that was asked for was done.
        action_taken: What was done.
        order_ids: The orders that were sent for it, oldest first.
        error_message: Why it was no success, and what is left to do; None when it was one.
        legs: What became of each leg, in the order of the strategy; a roll names the legs that it closes
            first, then those that it opens. Empty for a bracket.
        notes: What else is worth knowing, in words: a size that was cut to the position, for example.

    Raises:
        InvalidInput: It contradicts itself: no success and no message, a success that is PARTIAL or
            FAILED, a success with a message, a success with a leg that has something left.
    """

    success: bool
    action_taken: ActionTaken = attrs.field(converter=_action_taken)
    order_ids: tuple[int, ...] = attrs.field(default=(), converter=_ids)
    error_message: str | None = attrs.field(default=None, converter=_message)
    legs: tuple[LegResult, ...] = attrs.field(default=(), converter=_legs)
    notes: tuple[str, ...] = attrs.field(default=(), converter=_notes)

    def __attrs_post_init__(self) -> None:
        """Refuse what contradicts itself."""
        if not isinstance(self.success, bool):
            raise InvalidInput("success", f"must be True or False, not {self.success!r}")
        if self.success and self.action_taken in _ALWAYS_BAD:
            raise InvalidInput("action_taken", f"{self.action_taken.value} is no success")
        if not self.success and self.action_taken in _SUCCESSES:
            raise InvalidInput("success", f"must be True for {self.action_taken.value}")
        if not self.success and self.error_message is None:
            raise InvalidInput("error_message", "must say why it was no success")
        if self.success and self.error_message is not None:
            raise InvalidInput(
                "error_message", "means that it was no success; what is worth knowing is a note"
            )
        if self.action_taken is ActionTaken.BRACKET_PLACED and not self.order_ids:
            raise InvalidInput("order_ids", "a bracket that was placed has orders")
        if self.success and self.remaining:
            raise InvalidInput("legs", f"{self.remaining[0]} has something left, which is no success")

    @property
    def remaining(self) -> tuple[LegResult, ...]:
        """The legs that have something left to do."""
        return tuple(leg for leg in self.legs if leg.left)

    @property
    def is_dry_run(self) -> bool:
        """Whether it was a rehearsal."""
        return self.action_taken is ActionTaken.DRY_RUN

    def __str__(self) -> str:
        """One line for people: ``PARTIAL, orders 7 8: left are SELL 10 of 25 SPY ...``, and the notes."""
        ids = f", orders {' '.join(str(one) for one in self.order_ids)}" if self.order_ids else ""
        why = f": {self.error_message}" if self.error_message else ""
        return with_reason(f"{self.action_taken.value}{ids}{why}", ("; ".join(self.notes),))
