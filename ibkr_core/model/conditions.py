"""Conditions on which an order starts to work, or is cancelled, as frozen values.

The official client calls them by the same names (module ``ibapi.order_condition``). Several of them stand in
a row, each joined to the next one by *and* or by *or*: :func:`all_of` and :func:`any_of` make such rows. How
a row of both is grouped is not documented; the simulated gateway lets *and* bind tighter. A broker takes
conditions for the types LMT, MKT, MIDPRICE, REL and SNAP, and a cancellation on conditions for LMT and
MIDPRICE (its code 148).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.numbers import Numeric, to_number

__all__ = [
    "CONDITIONS",
    "Condition",
    "ExecutionCondition",
    "MarginCondition",
    "PercentChangeCondition",
    "PriceCondition",
    "TimeCondition",
    "VolumeCondition",
    "all_of",
    "any_of",
    "as_conditions",
]

_METHODS: Final = frozenset({0, 1, 2, 3, 4, 7, 8})
_TIME: Final = re.compile(r"\d{8}( \d\d:\d\d:\d\d( \S.*)?|-\d\d:\d\d:\d\d)")


def _price(value: Numeric) -> Decimal:
    return to_number("price", value, InvalidOrder)


def _percent(value: Numeric) -> Decimal:
    return to_number("change_percent", value, InvalidOrder)


def _whole(least: int | None) -> Callable[[object, attrs.Attribute[Any], object], None]:
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if isinstance(value, bool) or not isinstance(value, int):
            raise InvalidOrder(field.name, f"must be a whole number, not {value!r}")
        if least is not None and value < least:
            raise InvalidOrder(field.name, f"must be at least {least}, not {value}")

    return check


def _flag(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, bool):
        raise InvalidOrder(field.name, f"must be True or False, not {value!r}")


def _text(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not value.strip():
        raise InvalidOrder(field.name, f"must be a non-empty text, not {value!r}")


def _method(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value not in _METHODS:
        raise InvalidOrder(field.name, f"must be 0, 1, 2, 3, 4, 7 or 8, not {value!r}")


def _moment(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not isinstance(value, str) or not _TIME.fullmatch(value):
        raise InvalidOrder(
            field.name,
            f"must be YYYYMMDD HH:MM:SS with a zone, or YYYYMMDD-HH:MM:SS in UTC, not {value!r}",
        )


@attrs.frozen(kw_only=True)
class PriceCondition:
    """The price of a contract (official ``PriceCondition``, type 1).

    Attributes:
        con_id: The contract, by its id (official ``conId``).
        price: In the contract's currency.
        is_more: It holds at ``price`` and above; otherwise at ``price`` and below (official ``isMore``).
        exchange: Where the price is looked at.
        trigger_method: Which price counts: 0 the default, 1 two bids or asks in a row, 2 the last, 3 two
            lasts in a row, 4 bid or ask, 7 last or bid or ask, 8 the midpoint (official ``triggerMethod``).
        or_next: Joined to the next condition by *or*, not by *and* (official ``isConjunctionConnection`` is
            the opposite). Means nothing on the last one.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    con_id: int = attrs.field(validator=_whole(1))
    price: Decimal = attrs.field(converter=_price)
    is_more: bool = attrs.field(validator=_flag)
    exchange: str = attrs.field(default="SMART", validator=_text)
    trigger_method: int = attrs.field(default=0, validator=_method)
    or_next: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen(kw_only=True)
class TimeCondition:
    """The time of day (official ``TimeCondition``, type 3).

    Attributes:
        time: ``YYYYMMDD HH:MM:SS zone``, or ``YYYYMMDD-HH:MM:SS`` in UTC. Without a zone the gateway takes
            its own.
        is_more: It holds from then on; otherwise until then.
        or_next: As for :class:`PriceCondition`.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    time: str = attrs.field(validator=_moment)
    is_more: bool = attrs.field(default=True, validator=_flag)
    or_next: bool = attrs.field(default=False, validator=_flag)

    @classmethod
    def after(cls, moment: datetime) -> TimeCondition:
        """Make one that holds from a moment on, which must have a zone.

        Raises:
            InvalidOrder: It has none.
        """
        if not isinstance(moment, datetime) or moment.tzinfo is None:
            raise InvalidOrder("moment", f"must be a datetime with a time zone, not {moment!r}")
        return cls(time=f"{moment.astimezone(UTC):%Y%m%d-%H:%M:%S}")


@attrs.frozen(kw_only=True)
class MarginCondition:
    """The margin cushion of the account (official ``MarginCondition``, type 4).

    Attributes:
        percent: Excess liquidity as a part of the net liquidation value, in whole percent.
        is_more: It holds at ``percent`` and above; otherwise at ``percent`` and below.
        or_next: As for :class:`PriceCondition`.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    percent: int = attrs.field(validator=_whole(None))
    is_more: bool = attrs.field(validator=_flag)
    or_next: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen(kw_only=True)
class ExecutionCondition:
    """A trade of the account in something (official ``ExecutionCondition``, type 5).

    Attributes:
        symbol: The symbol of what is traded.
        sec_type: Its kind, such as ``STK`` (official ``secType``).
        exchange: Where; ``SMART`` for anywhere.
        or_next: As for :class:`PriceCondition`.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    symbol: str = attrs.field(validator=_text)
    sec_type: str = attrs.field(default="STK", validator=_text)
    exchange: str = attrs.field(default="SMART", validator=_text)
    or_next: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen(kw_only=True)
class VolumeCondition:
    """The day's volume of a contract (official ``VolumeCondition``, type 6).

    Attributes:
        con_id: The contract, by its id.
        volume: In the contract's units.
        is_more: It holds at ``volume`` and above; otherwise at ``volume`` and below.
        exchange: Where the volume is looked at.
        or_next: As for :class:`PriceCondition`.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    con_id: int = attrs.field(validator=_whole(1))
    volume: int = attrs.field(validator=_whole(0))
    is_more: bool = attrs.field(default=True, validator=_flag)
    exchange: str = attrs.field(default="SMART", validator=_text)
    or_next: bool = attrs.field(default=False, validator=_flag)


@attrs.frozen(kw_only=True)
class PercentChangeCondition:
    """How far a contract has moved since the last close (official ``PercentChangeCondition``, type 7).

    Attributes:
        con_id: The contract, by its id.
        change_percent: In percent; -2.5 means two and a half percent down (official ``changePercent``).
        is_more: It holds at ``change_percent`` and above; otherwise at ``change_percent`` and below.
        exchange: Where the price is looked at.
        or_next: As for :class:`PriceCondition`.

    Raises:
        InvalidOrder: A value that no such condition can have.
    """

    con_id: int = attrs.field(validator=_whole(1))
    change_percent: Decimal = attrs.field(converter=_percent)
    is_more: bool = attrs.field(validator=_flag)
    exchange: str = attrs.field(default="SMART", validator=_text)
    or_next: bool = attrs.field(default=False, validator=_flag)


Condition = (
    PriceCondition
    | TimeCondition
    | MarginCondition
    | ExecutionCondition
    | VolumeCondition
    | PercentChangeCondition
)

CONDITIONS: Final = (
    PriceCondition,
    TimeCondition,
    MarginCondition,
    ExecutionCondition,
    VolumeCondition,
    PercentChangeCondition,
)
"""Every kind there is."""


def as_conditions(value: object) -> tuple[Condition, ...]:
    """Take one condition, or several in a row, for a tuple of them.

    Raises:
        InvalidOrder: Something else.
    """
    row = (value,) if isinstance(value, CONDITIONS) else value
    if isinstance(row, str) or not isinstance(row, Iterable):
        raise InvalidOrder("conditions", f"must be conditions of ibkr_core.model.conditions, not {value!r}")
    found = tuple(row)
    for one in found:
        if not isinstance(one, CONDITIONS):
            raise InvalidOrder(
                "conditions",
                f"must be conditions of ibkr_core.model.conditions, not {one!r}; the official client's own "
                'objects go into official={"conditions": [...]}',
            )
    return found


def all_of(*conditions: Condition) -> tuple[Condition, ...]:
    """Join conditions by *and*: all of them must hold."""
    return tuple(attrs.evolve(one, or_next=False) for one in as_conditions(conditions))


def any_of(*conditions: Condition) -> tuple[Condition, ...]:
    """Join conditions by *or*: one of them is enough."""
    return tuple(attrs.evolve(one, or_next=True) for one in as_conditions(conditions))
