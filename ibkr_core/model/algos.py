"""The broker's algorithms as frozen values: what works an order, and with which parameters.

Each class is one strategy; its docstring gives the official name, each field the official parameter. Give one
to an order as ``algo``. Source of names, units and ranges: the official pages on IB algorithms, and the
parameters that their examples set. Parts of the volume are fractions: ``0.1`` means ten percent. Times are
``HH:MM:SS zone`` or ``YYYYMMDD-HH:MM:SS zone``; empty ones are not sent, which leaves them to the broker.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, ClassVar, Final, cast

import attrs

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.model.numbers import Numeric, to_number

__all__ = [
    "ALGOS",
    "AccumulateDistribute",
    "Adaptive",
    "Algo",
    "ArrivalPrice",
    "BalanceImpactRisk",
    "ClosePrice",
    "CsfbInline",
    "DarkIce",
    "JefferiesVwap",
    "MinimiseImpact",
    "OtherAlgo",
    "PctVol",
    "PctVolPrice",
    "PctVolSize",
    "PctVolTime",
    "QbStrobe",
    "Twap",
    "Vwap",
]

PRIORITIES: Final = ("Urgent", "Normal", "Patient")
RISK_AVERSIONS: Final = ("Get Done", "Aggressive", "Neutral", "Passive")
TWAP_STRATEGIES: Final = ("Marketable", "Matching Midpoint", "Matching Same Side", "Matching Last")

_OFFICIAL: Final = "official"
_LEAST_PART: Final = Decimal("0.01")
_MOST_PART: Final = Decimal("0.5")

_Check = Callable[[object, "attrs.Attribute[Any]", object], None]


def _number(value: Numeric) -> Decimal:
    """Make a number exact; what is none is refused by the validator, which knows the field's name."""
    try:
        return to_number("number", value)
    except InvalidInput:
        return cast("Decimal", value)


def _maybe(value: Numeric | None) -> Decimal | None:
    return None if value is None else _number(value)


def _is_number(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        to_number(field.name, value, InvalidOrder)


def _is_part(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if not _LEAST_PART <= to_number(field.name, value, InvalidOrder) <= _MOST_PART:
        raise InvalidOrder(
            field.name,
            f"must be a part of the volume from {_LEAST_PART} (1 %) to {_MOST_PART} (50 %), not {value}",
        )


def _choice(official: str, words: tuple[str, ...], default: Any = attrs.NOTHING) -> Any:  # noqa: ANN401 - as above
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if value not in words:
            raise InvalidOrder(field.name, f"must be one of {', '.join(words)}, not {value!r}")

    return attrs.field(default=default, validator=check, metadata={_OFFICIAL: official})


def _flag(official: str, *, default: bool = False) -> Any:  # noqa: ANN401 - as above
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, bool):
            raise InvalidOrder(field.name, f"must be True or False, not {value!r}")

    return attrs.field(default=default, validator=check, metadata={_OFFICIAL: official})


def _text(official: str) -> Any:  # noqa: ANN401 - as above
    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if not isinstance(value, str):
            raise InvalidOrder(field.name, f"must be a text, not {value!r}")

    return attrs.field(default="", validator=check, metadata={_OFFICIAL: official})


def _check_size(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidOrder(field.name, f"must be a whole number above zero, not {value!r}")


def _size(official: str) -> Any:  # noqa: ANN401 - as above
    return attrs.field(validator=_check_size, metadata={_OFFICIAL: official})


def _maybe_size(official: str) -> Any:  # noqa: ANN401 - as above
    check = attrs.validators.optional(_check_size)
    return attrs.field(default=None, validator=check, metadata={_OFFICIAL: official})


class Algo:
    """Base of every algorithm.

    Attributes:
        strategy: The official name (``algoStrategy``).
        exchange: Where such an order must be routed; empty for SMART.
    """

    __slots__ = ()
    strategy: ClassVar[str] = ""
    exchange: ClassVar[str] = ""

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """The official parameters (``algoParams``), in the order of the official examples."""
        found = []
        for field in attrs.fields(cast("type[attrs.AttrsInstance]", type(self))):
            value = getattr(self, field.name)
            if value not in (None, ""):
                found.append((field.metadata[_OFFICIAL], _written(value)))
        return tuple(found)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "1" if value else "0"
    return f"{value:f}" if isinstance(value, Decimal) else str(value)


@attrs.frozen(kw_only=True)
class Adaptive(Algo):
    """``Adaptive``: looks for a better price than a plain market or limit order would get.

    Attributes:
        priority: ``Urgent`` looks only briefly, ``Patient`` longest (official ``adaptivePriority``).
    """

    strategy = "Adaptive"
    priority: str = _choice("adaptivePriority", PRIORITIES, "Normal")


@attrs.frozen(kw_only=True)
class ArrivalPrice(Algo):
    """``ArrivalPx``: aims at the middle of the quote at the time of the order.

    Attributes:
        max_pct_vol: Largest part of the average daily volume, as a fraction (official ``maxPctVol``).
        risk_aversion: ``Get Done``, ``Aggressive``, ``Neutral`` or ``Passive`` (official ``riskAversion``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        force_completion: Finish by the end of the day at any price (official ``forceCompletion``).
        allow_past_end_time: Go on after the end time (official ``allowPastEndTime``).
    """

    strategy = "ArrivalPx"
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol"}
    )
    risk_aversion: str = _choice("riskAversion", RISK_AVERSIONS, "Neutral")
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    force_completion: bool = _flag("forceCompletion")
    allow_past_end_time: bool = _flag("allowPastEndTime")


@attrs.frozen(kw_only=True)
class DarkIce(Algo):
    """``DarkIce``: an iceberg whose visible part varies by half, and which hides where that pays.

    Attributes:
        display_size: Visible units (official ``displaySize``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        allow_past_end_time: Go on after the end time (official ``allowPastEndTime``).
    """

    strategy = "DarkIce"
    display_size: int = _size("displaySize")
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    allow_past_end_time: bool = _flag("allowPastEndTime")


@attrs.frozen(kw_only=True)
class PctVol(Algo):
    """``PctVol``: takes part in the volume at a constant rate.

    Attributes:
        pct_vol: The rate, as a fraction (official ``pctVol``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        no_take_liq: Try never to take liquidity (official ``noTakeLiq``).
    """

    strategy = "PctVol"
    pct_vol: Decimal = attrs.field(converter=_number, validator=_is_part, metadata={_OFFICIAL: "pctVol"})
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    no_take_liq: bool = _flag("noTakeLiq")


@attrs.frozen(kw_only=True)
class PctVolPrice(Algo):
    """``PctVolPx``: takes part in the volume at a rate that rises as the price gets better.

    Attributes:
        pct_vol: The rate at the start, as a fraction (official ``pctVol``).
        delta_pct_vol: How much the rate changes with the price, as a fraction (official ``deltaPctVol``).
        min_pct_vol: Lowest rate (official ``minPctVol4Px``).
        max_pct_vol: Highest rate (official ``maxPctVol4Px``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        no_take_liq: Try never to take liquidity (official ``noTakeLiq``).
    """

    strategy = "PctVolPx"
    pct_vol: Decimal = attrs.field(converter=_number, validator=_is_part, metadata={_OFFICIAL: "pctVol"})
    delta_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "deltaPctVol"}
    )
    min_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "minPctVol4Px"}
    )
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol4Px"}
    )
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    no_take_liq: bool = _flag("noTakeLiq")

    def __attrs_post_init__(self) -> None:
        """Check that the limits are not crossed."""
        if self.min_pct_vol > self.max_pct_vol:
            raise InvalidOrder("min_pct_vol", f"must not be above max_pct_vol, {self.max_pct_vol}")


@attrs.frozen(kw_only=True)
class PctVolSize(Algo):
    """``PctVolSz``: takes part in the volume at a rate that changes with what is left of the order.

    Attributes:
        start_pct_vol: The rate at the start, as a fraction (official ``startPctVol``).
        end_pct_vol: The rate at the end (official ``endPctVol``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        no_take_liq: Try never to take liquidity (official ``noTakeLiq``).
    """

    strategy = "PctVolSz"
    start_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "startPctVol"}
    )
    end_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "endPctVol"}
    )
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    no_take_liq: bool = _flag("noTakeLiq")


@attrs.frozen(kw_only=True)
class PctVolTime(Algo):
    """``PctVolTm``: takes part in the volume at a rate that changes with the time.

    Attributes:
        start_pct_vol: The rate at the start, as a fraction (official ``startPctVol``).
        end_pct_vol: The rate at the end (official ``endPctVol``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        no_take_liq: Try never to take liquidity (official ``noTakeLiq``).
    """

    strategy = "PctVolTm"
    start_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "startPctVol"}
    )
    end_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "endPctVol"}
    )
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    no_take_liq: bool = _flag("noTakeLiq")


@attrs.frozen(kw_only=True)
class Twap(Algo):
    """``Twap``: spreads an order evenly over time.

    Attributes:
        strategy_type: ``Marketable``, ``Matching Midpoint``, ``Matching Same Side`` or ``Matching Last``
            (official ``strategyType``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        allow_past_end_time: Go on after the end time (official ``allowPastEndTime``).
    """

    strategy = "Twap"
    strategy_type: str = _choice("strategyType", TWAP_STRATEGIES, "Marketable")
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    allow_past_end_time: bool = _flag("allowPastEndTime")


@attrs.frozen(kw_only=True)
class Vwap(Algo):
    """``Vwap``: aims at the volume-weighted average price from now until the close.

    Attributes:
        max_pct_vol: Largest part of the average daily volume, as a fraction (official ``maxPctVol``).
        start_time: When to begin (official ``startTime``).
        end_time: When to end (official ``endTime``).
        allow_past_end_time: Go on after the end time (official ``allowPastEndTime``).
        no_take_liq: Try never to take liquidity (official ``noTakeLiq``).
    """

    strategy = "Vwap"
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol"}
    )
    start_time: str = _text("startTime")
    end_time: str = _text("endTime")
    allow_past_end_time: bool = _flag("allowPastEndTime")
    no_take_liq: bool = _flag("noTakeLiq")


@attrs.frozen(kw_only=True)
class AccumulateDistribute(Algo):
    """``AD``: sends a large order in components, one after the other.

    Attributes:
        component_size: Units of one component (official ``componentSize``).
        time_between_orders: Seconds between components (official ``timeBetweenOrders``).
        randomize_time: Vary the seconds by 20 % (official ``randomizeTime20``).
        randomize_size: Vary the size by 55 % (official ``randomizeSize55``).
        give_up: Clearing member to give up to, as its number (official ``giveUp``). None for none.
        catch_up: Send at once what is behind (official ``catchUp``).
        wait_for_fill: Send the next component only when the last one filled (official ``waitForFill``).
        active_time_start: When to begin, with a date (official ``activeTimeStart``).
        active_time_end: When to end, with a date (official ``activeTimeEnd``).
    """

    strategy = "AD"
    component_size: int = _size("componentSize")
    time_between_orders: int = _size("timeBetweenOrders")
    randomize_time: bool = _flag("randomizeTime20")
    randomize_size: bool = _flag("randomizeSize55")
    give_up: int | None = _maybe_size("giveUp")
    catch_up: bool = _flag("catchUp")
    wait_for_fill: bool = _flag("waitForFill")
    active_time_start: str = _text("activeTimeStart")
    active_time_end: str = _text("activeTimeEnd")


@attrs.frozen(kw_only=True)
class BalanceImpactRisk(Algo):
    """``BalanceImpactRisk``, for options: weighs the impact on the market against the risk of waiting.

    Attributes:
        max_pct_vol: Largest part of the average daily volume, as a fraction (official ``maxPctVol``).
        risk_aversion: ``Get Done``, ``Aggressive``, ``Neutral`` or ``Passive`` (official ``riskAversion``).
        force_completion: Finish by the end of the day at any price (official ``forceCompletion``).
    """

    strategy = "BalanceImpactRisk"
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol"}
    )
    risk_aversion: str = _choice("riskAversion", RISK_AVERSIONS, "Neutral")
    force_completion: bool = _flag("forceCompletion")


@attrs.frozen(kw_only=True)
class MinimiseImpact(Algo):
    """``MinImpact``, for options: slices an order so that it moves the market little.

    Attributes:
        max_pct_vol: Largest part of the average daily volume, as a fraction (official ``maxPctVol``).
    """

    strategy = "MinImpact"
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol"}
    )


@attrs.frozen(kw_only=True)
class ClosePrice(Algo):
    """``ClosePx``: trades into the close, so as to get near the closing price.

    Attributes:
        max_pct_vol: Largest part of the average daily volume, as a fraction (official ``maxPctVol``).
        risk_aversion: ``Get Done``, ``Aggressive``, ``Neutral`` or ``Passive`` (official ``riskAversion``).
        start_time: When to begin (official ``startTime``).
        force_completion: Finish by the end of the day at any price (official ``forceCompletion``).
    """

    strategy = "ClosePx"
    max_pct_vol: Decimal = attrs.field(
        converter=_number, validator=_is_part, metadata={_OFFICIAL: "maxPctVol"}
    )
    risk_aversion: str = _choice("riskAversion", RISK_AVERSIONS, "Neutral")
    start_time: str = _text("startTime")
    force_completion: bool = _flag("forceCompletion")


@attrs.frozen(kw_only=True)
class JefferiesVwap(Algo):
    """``VWAP`` of Jefferies; must be routed to ``JEFFALGO``.

    Attributes:
        start_time: When to begin (official ``StartTime``).
        end_time: When to end (official ``EndTime``).
        relative_limit: Limit relative to the arrival price (official ``RelativeLimit``).
        max_volume_rate: Largest part of the volume, in percent (official ``MaxVolumeRate``).
        exclude_auctions: Which auctions to leave out (official ``ExcludeAuctions``), as ``Exclude_Both``.
        trigger_price: It starts there (official ``TriggerPrice``).
        wow_price: The price for the part that is traded at once (official ``WowPrice``).
        min_fill_size: Smallest fill (official ``MinFillSize``).
        wow_order_pct: Part of the order to do at the wow price, in percent (official ``WowOrderPct``).
        wow_mode: How to use the wow price (official ``WowMode``).
        is_buy_back: Whether it is a company's own buy-back (official ``IsBuyBack``).
        wow_reference: What the wow price is relative to (official ``WowReference``).
    """

    strategy = "VWAP"
    exchange = "JEFFALGO"
    start_time: str = _text("StartTime")
    end_time: str = _text("EndTime")
    relative_limit: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "RelativeLimit"}
    )
    max_volume_rate: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "MaxVolumeRate"}
    )
    exclude_auctions: str = _text("ExcludeAuctions")
    trigger_price: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "TriggerPrice"}
    )
    wow_price: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "WowPrice"}
    )
    min_fill_size: int | None = _maybe_size("MinFillSize")
    wow_order_pct: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "WowOrderPct"}
    )
    wow_mode: str = _text("WowMode")
    is_buy_back: bool = _flag("IsBuyBack")
    wow_reference: str = _text("WowReference")


@attrs.frozen(kw_only=True)
class CsfbInline(Algo):
    """``INLINE`` of Credit Suisse; must be routed to ``CSFBALGO``.

    Attributes:
        start_time: When to begin (official ``StartTime``).
        end_time: When to end (official ``EndTime``).
        exec_style: ``Patient``, ``Normal`` … (official ``ExecStyle``).
        min_percent: Smallest part of the volume, in percent (official ``MinPercent``).
        max_percent: Largest part of the volume, in percent (official ``MaxPercent``).
        display_size: Visible units (official ``DisplaySize``).
        auction: Which auctions to take part in (official ``Auction``).
        block_finder: Look for blocks (official ``BlockFinder``).
        block_price: Worst price of a block (official ``BlockPrice``).
        min_block_size: Smallest block (official ``MinBlockSize``).
        max_block_size: Largest block (official ``MaxBlockSize``).
        i_would_price: Do everything at once at this price (official ``IWouldPrice``).
    """

    strategy = "INLINE"
    exchange = "CSFBALGO"
    start_time: str = _text("StartTime")
    end_time: str = _text("EndTime")
    exec_style: str = _text("ExecStyle")
    min_percent: int | None = _maybe_size("MinPercent")
    max_percent: int | None = _maybe_size("MaxPercent")
    display_size: int | None = _maybe_size("DisplaySize")
    auction: str = _text("Auction")
    block_finder: bool = _flag("BlockFinder")
    block_price: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "BlockPrice"}
    )
    min_block_size: int | None = _maybe_size("MinBlockSize")
    max_block_size: int | None = _maybe_size("MaxBlockSize")
    i_would_price: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "IWouldPrice"}
    )


@attrs.frozen(kw_only=True)
class QbStrobe(Algo):
    """``STROBE`` of Quantitative Brokers; must be routed to ``QBALGO``.

    Attributes:
        start_time: When to begin (official ``StartTime``).
        end_time: When to end (official ``EndTime``).
        benchmark: ``TWAP`` or ``VWAP`` (official ``Benchmark``).
        percent_volume: Largest part of the volume, in percent (official ``PercentVolume``).
        no_clean_up: Leave what is not done at the end (official ``NoCleanUp``).
    """

    strategy = "STROBE"
    exchange = "QBALGO"
    start_time: str = _text("StartTime")
    end_time: str = _text("EndTime")
    benchmark: str = _text("Benchmark")
    percent_volume: Decimal | None = attrs.field(
        default=None, converter=_maybe, validator=_is_number, metadata={_OFFICIAL: "PercentVolume"}
    )
    no_clean_up: bool = _flag("NoCleanUp")


def _pairs(value: object) -> tuple[tuple[str, str], ...]:
    pairs = value.items() if isinstance(value, Mapping) else value
    if isinstance(pairs, str) or not isinstance(pairs, Iterable):
        raise InvalidOrder("parameters", f"must be a mapping of names to values, not {value!r}")
    found = []
    for pair in pairs:
        if not isinstance(pair, tuple) or len(pair) != 2:  # noqa: PLR2004 - a pair
            raise InvalidOrder("parameters", f"must be pairs of name and value, not {pair!r}")
        name, held = pair
        if not isinstance(name, str) or not name:
            raise InvalidOrder("parameters", f"names must be non-empty texts, not {name!r}")
        found.append((name, _written(held)))
    return tuple(found)


@attrs.frozen
class OtherAlgo(Algo):
    """Any strategy that has no class here, by its official name and parameters. Nothing is checked.

    Attributes:
        name: The official ``algoStrategy``.
        parameters: The official ``algoParams``, as a mapping or pairs; True and False become 1 and 0.
    """

    name: str = attrs.field()
    parameters: tuple[tuple[str, str], ...] = attrs.field(default=(), converter=_pairs)

    @name.validator
    def _check_name(self, _: object, value: object) -> None:
        if not isinstance(value, str) or not value.strip():
            raise InvalidOrder("name", f"must be a non-empty text, not {value!r}")

    @property
    def strategy(self) -> str:  # type: ignore[override]  # a class's name elsewhere
        """The official name."""
        return self.name

    @property
    def params(self) -> tuple[tuple[str, str], ...]:
        """The official parameters, as they were given."""
        return self.parameters


ALGOS: Final[Mapping[str, type[Algo]]] = MappingProxyType(
    {
        kind.strategy: kind
        for kind in (
            Adaptive,
            ArrivalPrice,
            DarkIce,
            PctVol,
            PctVolPrice,
            PctVolSize,
            PctVolTime,
            Twap,
            Vwap,
            AccumulateDistribute,
            BalanceImpactRisk,
            MinimiseImpact,
            ClosePrice,
            JefferiesVwap,
            CsfbInline,
            QbStrobe,
        )
    }
)
"""Every strategy that has a class of its own, by its official name."""
