"""Conditions on which an order starts, or is cancelled: price, time, margin, execution, volume, percent.

Several conditions are joined as the client says, each with the next; "and" binds tighter than "or". Outside
regular hours they are looked at only where the client asks for that.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any, Protocol

import attrs

from ibkr_core.gateway.hours import moment_of
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Condition", "ConditionKind", "World", "hold_together", "parse_conditions"]

_BID_ASK = frozenset({1, 4})
_LAST_OR_SIDE, _MIDPOINT = 7, 8
_METHODS = frozenset({0, 1, 2, 3, 4, 7, 8})


class ConditionKind(enum.Enum):
    """What a condition looks at; the values are the broker's numbers."""

    PRICE = 1
    TIME = 3
    MARGIN = 4
    EXECUTION = 5
    VOLUME = 6
    PERCENT = 7


_OF_CONTRACT = frozenset({ConditionKind.PRICE, ConditionKind.VOLUME, ConditionKind.PERCENT})


class World(Protocol):
    """What conditions look at."""

    def now(self) -> float:
        """The present, seconds since the epoch."""

    def knows(self, con_id: int) -> bool:
        """Whether there is such a contract."""

    def quote(self, con_id: int) -> Quote:
        """The market of a contract."""

    def volume(self, con_id: int) -> Decimal:
        """Units traded in a contract so far."""

    def change_percent(self, con_id: int) -> Decimal:
        """How far the last price is from the opening, in percent."""

    def cushion_percent(self, account: str) -> Decimal:
        """Excess liquidity of an account as a part of its net liquidation, in percent."""

    def traded(self, account: str, sec_type: str, exchange: str, symbol: str, since: int) -> bool:
        """Whether an account has had a fill like that, not counting the first ``since`` of all executions."""


@attrs.frozen(kw_only=True)
class Condition:
    """One condition.

    Attributes:
        kind: What it looks at.
        joined: Joined to the next one by "and"; otherwise by "or".
        more: It holds at or above its value; otherwise at or below.
        value: Price, seconds since the epoch, percent or units; zero for an execution.
        con_id: The contract, for those that look at one.
        method: How a price counts.
        sec_type: For an execution.
        exchange: For an execution; ``SMART`` stands for any.
        symbol: For an execution.
    """

    kind: ConditionKind
    joined: bool
    more: bool = False
    value: Decimal = Decimal(0)
    con_id: int = 0
    method: int = 0
    sec_type: str = ""
    exchange: str = ""
    symbol: str = ""

    def holds(self, world: World, account: str, since: int) -> bool:
        """Whether it holds now.

        Args:
            world: What it looks at.
            account: The order's account.
            since: How many executions there were when the order came.
        """
        match self.kind:
            case ConditionKind.EXECUTION:
                return world.traded(account, self.sec_type, self.exchange, self.symbol, since)
            case ConditionKind.PRICE:
                return any(self._reached(price) for price in self._prices(world.quote(self.con_id)))
            case ConditionKind.TIME:
                return self._reached(Decimal(world.now()))
            case ConditionKind.MARGIN:
                return self._reached(world.cushion_percent(account))
            case ConditionKind.VOLUME:
                return self._reached(world.volume(self.con_id))
            case ConditionKind.PERCENT:
                return self._reached(world.change_percent(self.con_id))

    def _reached(self, seen: Decimal) -> bool:
        return seen >= self.value if self.more else seen <= self.value

    def _prices(self, quote: Quote) -> tuple[Decimal, ...]:
        side = quote.bid if self.more else quote.ask
        if self.method in _BID_ASK:
            return (side,)
        if self.method == _LAST_OR_SIDE:
            return quote.last, side
        return ((quote.bid + quote.ask) / 2,) if self.method == _MIDPOINT else (quote.last,)


def hold_together(conditions: Sequence[Condition], world: World, account: str, since: int) -> bool:
    """Whether conditions hold, joined as they are; none at all hold always."""
    if not conditions:
        return True
    groups: list[list[Condition]] = [[]]
    for condition in conditions:
        groups[-1].append(condition)
        if not condition.joined:
            groups.append([])
    return any(
        group and all(condition.holds(world, account, since) for condition in group) for group in groups
    )


def parse_conditions(fields: Mapping[str, Any]) -> tuple[Condition, ...]:
    """Read an order's conditions.

    Args:
        fields: Official order fields.

    Raises:
        RefusalError: 146 for an unknown trigger method, 147 for a contract that is not named, 321 for a kind
            that does not exist or a value that is no number, 391 for a time that cannot be read.
    """
    return tuple(_parse(one) for one in fields.get("conditions", ()))


def _parse(fields: Mapping[str, Any]) -> Condition:
    try:
        kind = ConditionKind(int(fields.get("type", 0)))
    except ValueError:
        raise RefusalError.invalid("Invalid condition type") from None
    method = int(fields.get("triggerMethod", 0))
    con_id = int(fields.get("conId", 0))
    if kind is ConditionKind.PRICE and method not in _METHODS:
        raise RefusalError(146, "Invalid trigger method.")
    names = [str(fields.get(name, "")) for name in ("secType", "exchange", "symbol")]
    incomplete = not con_id if kind in _OF_CONTRACT else not (names[0] and names[2])
    if incomplete and kind in {*_OF_CONTRACT, ConditionKind.EXECUTION}:
        raise RefusalError(147, "The conditional contract info is incomplete.")
    return Condition(
        kind=kind,
        joined=bool(fields.get("isConjunctionConnection", False)),
        more=bool(fields.get("isMore", False)),
        value=_value(kind, fields),
        con_id=con_id,
        method=method,
        sec_type=names[0],
        exchange=names[1],
        symbol=names[2],
    )


_VALUES = {
    ConditionKind.PRICE: "price",
    ConditionKind.MARGIN: "percent",
    ConditionKind.VOLUME: "volume",
    ConditionKind.PERCENT: "changePercent",
}


def _value(kind: ConditionKind, fields: Mapping[str, Any]) -> Decimal:
    if kind is ConditionKind.EXECUTION:
        return Decimal(0)
    if kind is ConditionKind.TIME:
        text = str(fields.get("time", ""))
        moment = moment_of(text)
        if moment is None:
            raise RefusalError(391, f"The time of a condition is invalid: {text!r}.")
        return Decimal(moment)
    value = Decimal(str(fields.get(_VALUES[kind], 0)))
    if not value.is_finite():
        raise RefusalError.invalid("Invalid value of a condition")
    return value
