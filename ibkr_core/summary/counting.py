"""Counts a day's figures from orders, wherever these were read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from decimal import ROUND_HALF_EVEN, Context, Decimal, InvalidOperation
from typing import Final

import attrs

from ibkr_core.model.fill import Fill, parse_execution_time
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.status import OrderStatus
from ibkr_core.summary.figures import DaySummary, Latency, OrderFigures

__all__ = ["TradedOrder", "count_day", "read_multiplier", "span_us"]

_ZERO: Final = Decimal(0)
_QUOTIENT: Final = Context(prec=40, rounding=ROUND_HALF_EVEN, traps=[])
_FOUR_PLACES: Final = Decimal("0.0001")
_TWO_PLACES: Final = Decimal("0.01")
_MICROSECOND_MS: Final = Decimal("0.001")
_BPS: Final = Decimal(10_000)
_MICROSECOND: Final = timedelta(microseconds=1)


@attrs.frozen(kw_only=True)
class TradedOrder:
    """What the figures need of one order; every source makes the same of it.

    Attributes:
        key: Its client order key.
        symbol: Short name of the instrument, ``?`` while unknown.
        currency: The contract's, empty while unknown.
        multiplier: The contract's; 1 where it names none.
        action: ``BUY`` or ``SELL``.
        order_type: The official type.
        status: Its status.
        is_ours: Whether the engine's own client placed it.
        quantity: Its size, None while unknown.
        filled_quantity: What is filled in all.
        limit_price: Its limit.
        aux_price: Its stop price, where it has one.
        began_at: When it was submitted, or first seen where we did not submit it.
        was_submitted: Whether ``began_at`` is its submission.
        ack_us: Microseconds from submission to the broker's first answer; None where not known.
        fill_us: Microseconds from submission until it was filled; None where it is not, or not known.
        fills: Its executions, those of legs and of accounts' parts included.
    """

    key: str
    symbol: str
    currency: str
    multiplier: Decimal
    action: str
    order_type: str
    status: OrderStatus
    is_ours: bool
    quantity: Decimal | None
    filled_quantity: Decimal
    limit_price: Decimal | None
    aux_price: Decimal | None
    began_at: datetime
    was_submitted: bool
    ack_us: int | None
    fill_us: int | None
    fills: tuple[Fill, ...]


def read_multiplier(text: str) -> Decimal:
    """Read a contract's multiplier; 1 where it has none."""
    try:
        value = Decimal(text)
    except InvalidOperation:
        return Decimal(1)
    return value if value.is_finite() and value > 0 else Decimal(1)


def span_us(start: datetime | None, end: datetime | None) -> int | None:
    """Return a span in microseconds, None where it is not known: the wall clock was set back, for one."""
    if start is None or end is None or end < start:
        return None
    return (end - start) // _MICROSECOND


@attrs.frozen
class _OfDay:
    """One order as the day sees it: with the executions of that day alone."""

    order: TradedOrder
    fills: tuple[Fill, ...]
    leg_fills: tuple[Fill, ...]
    is_submitted_then: bool
    reference: Decimal | None


def count_day(
    orders: Iterable[TradedOrder],
    day: date,
    zone: tzinfo,
    *,
    ours_only: bool,
    arrivals: Mapping[str, Decimal],
) -> DaySummary:
    """Count the figures of one day.

    Args:
        orders: The orders of that day and perhaps others.
        day: The day.
        zone: Of which time zone.
        ours_only: Whether to leave out orders of other clients and of TWS itself.
        arrivals: The price at which each order could have been traded when it was decided on, by its key.
    """
    seen = [
        found
        for order in orders
        if (order.is_ours or not ours_only) and (found := _on(order, day, zone, arrivals)) is not None
    ]
    by_symbol: dict[str, list[_OfDay]] = {}
    for one in seen:
        by_symbol.setdefault(one.order.symbol, []).append(one)
    total = _figures(seen)
    return DaySummary(
        day=day,
        zone=str(zone),
        by_symbol={symbol: _figures(by_symbol[symbol]) for symbol in sorted(by_symbol)},
        **{one.name: getattr(total, one.name) for one in attrs.fields(OrderFigures)},
    )


def _on(order: TradedOrder, day: date, zone: tzinfo, arrivals: Mapping[str, Decimal]) -> _OfDay | None:
    began = order.began_at.astimezone(zone).date()
    then = [fill for fill in order.fills if _day_of(fill, zone, began) == day]
    if began != day and not then:
        return None
    return _OfDay(
        order,
        tuple(fill for fill in then if fill.counts),
        tuple(fill for fill in then if fill.is_leg and not fill.is_allocation),
        is_submitted_then=order.was_submitted and began == day,
        reference=_reference(order, arrivals),
    )


def _day_of(fill: Fill, zone: tzinfo, otherwise: date) -> date:
    """Say on which day an execution happened.

    A time without a zone is the gateway's own local time (TWS facts 3): it is read in the zone of the
    question. One that cannot be read at all counts with its order.
    """
    time = fill.time if fill.time is not None else parse_execution_time(fill.time_text, zone)
    return otherwise if time is None else time.astimezone(zone).date()


def _reference(order: TradedOrder, arrivals: Mapping[str, Decimal]) -> Decimal | None:
    """Return the price against which the order's executions are measured."""
    if order.key in arrivals:
        return arrivals[order.key]
    if order.limit_price is not None:
        return order.limit_price
    return order.aux_price if order.order_type == "STP" else None


def _figures(seen: Sequence[_OfDay]) -> OrderFigures:
    fills = [(one, fill) for one in seen for fill in one.fills]
    paid = [(one, fill) for one in seen for fill in (*one.fills, *one.leg_fills)]
    statuses = Counter(one.order.status for one in seen)
    sides = [(_is_buy(one, fill), fill.quantity) for one, fill in fills]
    bought = _sum(quantity for is_buy, quantity in sides if is_buy)
    sold = _sum(quantity for is_buy, quantity in sides if not is_buy)
    sized = [one.order for one in seen if one.order.quantity]
    return OrderFigures(
        orders=len(seen),
        by_status={status.value: statuses[status] for status in OrderStatus if statuses[status]},
        fill_ratio=_ratio(Decimal(statuses[OrderStatus.FILLED]), Decimal(len(seen))),
        quantity_ratio=_ratio(
            _sum(order.filled_quantity for order in sized), _sum(order.quantity or _ZERO for order in sized)
        ),
        fills=len(fills),
        volume=EXACT.add(bought, sold),
        bought=bought,
        sold=sold,
        notional=_by_currency((one.order.currency, _value(one, fill, fill.price)) for one, fill in fills),
        commissions=_by_currency(
            (fill.commission_currency, fill.commission) for _, fill in paid if fill.commission is not None
        ),
        unreported_commissions=sum(fill.commission is None for _, fill in fills),
        realized_pnl=_by_currency(
            (fill.commission_currency, fill.realized_pnl) for _, fill in paid if fill.realized_pnl is not None
        ),
        ack_latency=_latency(one.order.ack_us for one in seen if one.is_submitted_then),
        fill_latency=_latency(one.order.fill_us for one in seen if one.is_submitted_then),
        slippage=_by_currency(
            (one.order.currency, _lost(one, fill)) for one, fill in fills if one.reference is not None
        ),
        average_slippage_bps=_average_bps(seen),
    )


def _is_buy(one: _OfDay, fill: Fill) -> bool:
    side = fill.action.value if fill.action is not None else one.order.action
    return side == "BUY"


def _value(one: _OfDay, fill: Fill, price: Decimal) -> Decimal:
    return EXACT.multiply(EXACT.multiply(fill.quantity, price), one.order.multiplier)


def _lost(one: _OfDay, fill: Fill) -> Decimal:
    """Return what an execution cost more than the reference; the order has one."""
    worse = EXACT.subtract(fill.price, one.reference or _ZERO)
    return _value(one, fill, worse if _is_buy(one, fill) else -worse)


def _average_bps(seen: Iterable[_OfDay]) -> Decimal | None:
    each = []
    for one in seen:
        if one.reference and one.fills:
            at_reference = _sum(_value(one, fill, abs(one.reference)) for fill in one.fills)
            lost = _sum(_lost(one, fill) for fill in one.fills)
            if at_reference:
                each.append(_QUOTIENT.divide(EXACT.multiply(lost, _BPS), at_reference))
    if not each:
        return None
    return _rounded(_QUOTIENT.divide(_sum(each), Decimal(len(each))), _TWO_PLACES)


def _latency(spans_us: Iterable[int | None]) -> Latency | None:
    known = [span for span in spans_us if span is not None]
    if not known:
        return None
    average_us = _rounded(_QUOTIENT.divide(Decimal(sum(known)), Decimal(len(known))), Decimal(1))
    return Latency(
        count=len(known),
        average_ms=EXACT.multiply(average_us, _MICROSECOND_MS),
        worst_ms=EXACT.multiply(Decimal(max(known)), _MICROSECOND_MS),
    )


def _ratio(part: Decimal, whole: Decimal) -> Decimal | None:
    return _rounded(_QUOTIENT.divide(part, whole), _FOUR_PLACES) if whole else None


def _rounded(value: Decimal, step: Decimal) -> Decimal:
    return value.quantize(step, context=_QUOTIENT)


def _sum(values: Iterable[Decimal]) -> Decimal:
    total = _ZERO
    for value in values:
        total = EXACT.add(total, value)
    return total


def _by_currency(amounts: Iterable[tuple[str, Decimal]]) -> dict[str, Decimal]:
    totals: dict[str, Decimal] = {}
    for currency, amount in amounts:
        totals[currency] = EXACT.add(totals.get(currency, _ZERO), amount)
    return {currency: totals[currency] for currency in sorted(totals)}
