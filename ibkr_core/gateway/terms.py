"""The terms of an order besides its type and price: when it is good, and how it may be filled."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.conditions import Condition, parse_conditions
from ibkr_core.gateway.hours import moment_of
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Terms", "TriggerMethod"]

_ZERO = Decimal(0)
_MAX_CASH = Decimal(10) ** 12


class TriggerMethod:
    """Numbers of the ways in which a price may hit a trigger."""

    DEFAULT = 0
    DOUBLE_BID_ASK = 1
    LAST = 2
    DOUBLE_LAST = 3
    BID_ASK = 4
    LAST_OR_BID_ASK = 7
    MIDPOINT = 8
    ALL = frozenset({DEFAULT, DOUBLE_BID_ASK, LAST, DOUBLE_LAST, BID_ASK, LAST_OR_BID_ASK, MIDPOINT})
    DOUBLE = frozenset({DOUBLE_BID_ASK, DOUBLE_LAST})


@attrs.frozen(kw_only=True)
class Terms:
    """What a client asked for besides type and price.

    Attributes:
        good_after: It sleeps until then, seconds since the epoch; None when it does not.
        good_till: It ends then; None when it does not.
        outside_rth: It may trade outside regular hours.
        display: Most units of one fill: the visible part of an iceberg; zero for all.
        all_or_none: It fills whole or not at all, but may wait for that.
        min_quantity: Fewest units of its first fill.
        cash: The quantity in money; None when it is in units.
        trigger_method: How its trigger is hit, a number of :class:`TriggerMethod`.
        conditions: What must hold before it starts, or is cancelled.
        conditions_cancel: They cancel it.
        conditions_ignore_rth: They are looked at outside regular hours, too.
        hidden: Nobody sees it in the book, where it comes after whatever is shown at its price.
    """

    good_after: float | None = None
    good_till: float | None = None
    outside_rth: bool = False
    display: Decimal = _ZERO
    all_or_none: bool = False
    min_quantity: Decimal = _ZERO
    cash: Decimal | None = None
    trigger_method: int = TriggerMethod.DEFAULT
    conditions: tuple[Condition, ...] = ()
    conditions_cancel: bool = False
    conditions_ignore_rth: bool = False
    hidden: bool = False

    @classmethod
    def parse(cls, fields: Mapping[str, Any], tif: str) -> Terms:
        """Read them off an order's fields.

        Args:
            fields: Official names.
            tif: Time in force.

        Raises:
            RefusalError: With the code of TWS facts 7: 146 (no such trigger method), 157 (an iceberg with a
                discretionary amount), 321 (a size that makes no sense), 391 (a time that cannot be read).
        """
        method = int(fields.get("triggerMethod", TriggerMethod.DEFAULT))
        if method not in TriggerMethod.ALL:
            raise RefusalError(146, "Invalid trigger method.")
        display, minimum = Decimal(int(fields.get("displaySize", 0))), Decimal(int(fields.get("minQty", 0)))
        if display < 0 or minimum < 0:
            raise RefusalError.invalid("Invalid display size or minimum quantity")
        if display and fields.get("discretionaryAmt"):
            text = (
                "An order can be EITHER Iceberg or Discretionary. "
                "Please remove either the Discretionary amount or the Display size."
            )
            raise RefusalError(157, text)
        cash = Decimal(str(fields.get("cashQty", 0)))
        if not cash.is_finite() or not 0 <= cash <= _MAX_CASH:
            raise RefusalError.invalid("Invalid cash quantity was entered")
        return cls(
            good_after=_moment(str(fields.get("goodAfterTime", ""))),
            good_till=_good_till(str(fields.get("goodTillDate", "")), tif),
            outside_rth=bool(fields.get("outsideRth", False)),
            display=display,
            all_or_none=bool(fields.get("allOrNone", False)),
            min_quantity=minimum,
            cash=cash or None,
            trigger_method=method,
            conditions=parse_conditions(fields),
            conditions_cancel=bool(fields.get("conditionsCancelOrder", False)),
            conditions_ignore_rth=bool(fields.get("conditionsIgnoreRth", False)),
            hidden=bool(fields.get("hidden", False)),
        )


def _moment(text: str) -> float | None:
    if not text:
        return None
    moment = moment_of(text)
    if moment is None:
        raise _bad_time(text)
    return moment


def _good_till(text: str, tif: str) -> float | None:
    if tif != "GTD":
        return None  # clients leave dates there that no longer mean anything
    moment = moment_of(text, end_of_day=True)
    if moment is None:
        raise _bad_time(text)
    return moment


def _bad_time(text: str) -> RefusalError:
    return RefusalError(391, f"The time-in-force date or time {text!r} is invalid.")
