"""Algorithms: every strategy of the broker is taken, and works like a TWAP, in slices over a span of time."""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal

from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.exchange import Exchange
from ibkr_core.gateway.hours import moment_of
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec, Phase
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Algos", "check_algo"]

_STRATEGIES = frozenset({
    "Adaptive", "Twap", "Vwap", "ArrivalPx", "DarkIce", "AD", "PctVol", "PctVolPx", "PctVolSz", "PctVolTm",
    "BalanceImpactRisk", "MinImpact", "ClosePx", "Inline",
})  # fmt: skip
_TYPES = frozenset({"MKT", "LMT"})
_TIME_OF_DAY = re.compile(r"\d\d:\d\d:\d\d")
_DATE_AND_TIME = re.compile(r"\d{8}-\d\d:\d\d:\d\d")
_SOME_DAY = 1_000_000_000.0  # of which a time is to be read only to see whether it is one
_SLICES = 10
_SPAN_S = 60.0


def check_algo(spec: OrderSpec) -> None:
    """See whether an order may be worked by the strategy it names; most name none.

    Raises:
        RefusalError: 439 for a strategy that does not exist, 442 for an order that cannot have one, 441 for
            times that cannot be read.
    """
    strategy = spec.fields.get("algoStrategy", "")
    if not strategy:
        return
    if strategy not in _STRATEGIES:
        raise RefusalError(439, "The order processing failed. Algorithm definition not found.")
    if spec.order_type not in _TYPES or spec.tif not in {"DAY", "GTC", "GTD"}:
        raise RefusalError(442, "Specified algorithm is not allowed for this order.")
    for name in ("startTime", "endTime"):
        text = _parameter(spec, name)
        if text and _moment(text, _SOME_DAY) is None:
            raise RefusalError(441, f"Algo attributes validation failed: {name} {text!r}")


def _moment(text: str, now: float) -> float | None:
    """Read a time of an algorithm: one of the day of ``now``, or a date and a time."""
    time, _, zone = text.partition(" ")
    if _TIME_OF_DAY.fullmatch(time):
        return moment_of(f"{eastern(now):%Y%m%d} {time} {zone}".strip())
    if zone and _DATE_AND_TIME.fullmatch(time):
        return moment_of(f"{time.replace('-', ' ')} {zone}")
    return moment_of(text)


def _parameter(spec: OrderSpec, name: str) -> str:
    parameters = spec.fields.get("algoParams") or {}
    return str(parameters.get(name, ""))


class Algos:
    """Gives orders their slices.

    Args:
        exchange: Where they trade.
        now: The present, seconds since the epoch.
        later: Does something after so many seconds.
    """

    def __init__(
        self,
        exchange: Exchange,
        *,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
    ) -> None:
        self._exchange = exchange
        self._now = now
        self._later = later

    def take_in(self, order: GatewayOrder, *, began: float | None = None) -> None:
        """Plan the slices of an order: ten over its span, the first at once.

        Args:
            order: The order; one that names no strategy is left alone.
            began: For an order from before a restart, when it came. What was missed is released at once.
        """
        if not order.spec.fields.get("algoStrategy"):
            return
        now = self._now()
        if began is None:
            order.allowance = Decimal(0)
            began = now
        starts = max(_moment(_parameter(order.spec, "startTime"), began) or began, began)
        ends = _moment(_parameter(order.spec, "endTime"), began) or starts + _SPAN_S
        step = max(ends - starts, 0.0) / _SLICES
        for number in range(1, _SLICES + 1):
            moment = starts + step * (number - 1)
            self._plan(order, max(moment - now, 0.0), Decimal(number) / _SLICES)

    def _plan(self, order: GatewayOrder, delay_s: float, part: Decimal) -> None:
        def release() -> None:
            if order.phase is Phase.DONE:
                return
            # The last slice is all of it, parts of a unit too.
            order.allowance = order.total if part == 1 else (order.total * part).to_integral_value()
            self._exchange.retry(order)

        self._later(delay_s, release)
