"""Between our conditions and algorithm parameters, and the official client's objects for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from typing import Any, Final

from ibapi import order_condition as official
from ibapi.order import Order as IbOrder
from ibapi.order import OrderComboLeg
from ibapi.tag_value import TagValue

from ibkr_core.errors import InvalidInput
from ibkr_core.model import conditions as ours
from ibkr_core.model.algos import Algo
from ibkr_core.model.conditions import Condition
from ibkr_core.model.numbers import to_number

__all__ = [
    "combo_leg_prices",
    "condition_from_official",
    "condition_to_official",
    "conditions_of",
    "set_algo",
    "tag_values",
    "tags_of",
]


def condition_to_official(condition: Condition) -> official.OrderCondition:
    """Make the official object of a condition."""
    match condition:
        case ours.PriceCondition():
            made = official.PriceCondition(
                condition.trigger_method,
                condition.con_id,
                condition.exchange,
                condition.is_more,
                float(condition.price),
            )
        case ours.TimeCondition():
            made = official.TimeCondition(condition.is_more, condition.time)
        case ours.MarginCondition():
            made = official.MarginCondition(condition.is_more, condition.percent)
        case ours.ExecutionCondition():
            made = official.ExecutionCondition(condition.sec_type, condition.exchange, condition.symbol)
        case ours.VolumeCondition():
            made = official.VolumeCondition(
                condition.con_id, condition.exchange, condition.is_more, condition.volume
            )
        case ours.PercentChangeCondition():
            made = official.PercentChangeCondition(
                condition.con_id, condition.exchange, condition.is_more, float(condition.change_percent)
            )
    made.isConjunctionConnection = not condition.or_next
    return made


def condition_from_official(echo: Any) -> Condition | None:  # noqa: ANN401 - whatever the decoder made
    """Make our value of an official condition; None for one that is of no kind we know, or holds nonsense.

    The broker's word is no reason to raise: it comes on the reader thread.
    """
    make = _MAKERS.get(getattr(echo, "condType", None))
    if make is None:
        return None
    try:
        made: Condition = make(echo, {"or_next": not echo.isConjunctionConnection})
    except (InvalidInput, ArithmeticError, AttributeError, TypeError, ValueError):
        return None
    return made


def _of_contract(echo: Any) -> dict[str, Any]:  # noqa: ANN401 - as above
    return {"con_id": int(echo.conId), "exchange": echo.exchange, "is_more": bool(echo.isMore)}


def _number(value: object) -> Decimal:
    return to_number("condition", value)


_MAKERS: Final[Mapping[Any, Any]] = {
    official.OrderCondition.Price: lambda one, joined: ours.PriceCondition(
        **_of_contract(one),
        **joined,
        price=_number(one.price),
        trigger_method=int(one.triggerMethod or 0),
    ),
    official.OrderCondition.Time: lambda one, joined: ours.TimeCondition(
        time=one.time, is_more=bool(one.isMore), **joined
    ),
    official.OrderCondition.Margin: lambda one, joined: ours.MarginCondition(
        percent=int(_number(one.percent)), is_more=bool(one.isMore), **joined
    ),
    official.OrderCondition.Execution: lambda one, joined: ours.ExecutionCondition(
        symbol=one.symbol, sec_type=one.secType, exchange=one.exchange, **joined
    ),
    official.OrderCondition.Volume: lambda one, joined: ours.VolumeCondition(
        **_of_contract(one), **joined, volume=int(_number(one.volume))
    ),
    official.OrderCondition.PercentChange: lambda one, joined: ours.PercentChangeCondition(
        **_of_contract(one), **joined, change_percent=_number(one.changePercent)
    ),
}


def conditions_of(echo: IbOrder) -> tuple[Condition, ...]:
    """Make our values of an echo's conditions."""
    if not echo.conditions:
        return ()
    made = (condition_from_official(one) for one in echo.conditions)
    return tuple(one for one in made if one is not None)


def set_algo(order: IbOrder, algo: Algo) -> None:
    """Write an algorithm into an official order."""
    order.algoStrategy = algo.strategy
    order.algoParams = [TagValue(name, value) for name, value in algo.params]


def tags_of(echo: Iterable[Any] | None) -> tuple[tuple[str, str], ...]:
    """Return names and values of official TagValues."""
    return tuple((str(one.tag), str(one.value)) for one in echo or ())


def tag_values(value: Mapping[str, object]) -> list[TagValue]:
    """Make the official list of a mapping of names to values; True and False become 1 and 0."""
    return [
        TagValue(name, ("1" if held else "0") if isinstance(held, bool) else str(held))
        for name, held in value.items()
    ]


def combo_leg_prices(prices: Iterable[Any]) -> list[Any]:
    """Make official OrderComboLegs of plain prices, None for a leg without one; official ones stay."""
    return [_leg(price) for price in prices]


def _leg(price: Any) -> Any:  # noqa: ANN401 - a price, or an official leg already
    if price is not None and not isinstance(price, Decimal | int | float | str):
        return price
    leg = OrderComboLeg()
    if price is not None:
        leg.price = float(to_number("orderComboLegs", price))
    return leg
