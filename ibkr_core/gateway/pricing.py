"""What an order may pay, and whether its trigger is hit: pure arithmetic over an order and a quote."""

from __future__ import annotations

from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import Pricing, Trigger
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.terms import TriggerMethod

__all__ = ["crosses", "first_stop", "hits_needed", "moving_limit", "next_stop", "trigger_hit", "within"]

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)


def within(action: str, price: Decimal, limit: Decimal | None) -> bool:
    """Whether a price is at or better than a limit; no limit takes every price."""
    return limit is None or (price <= limit if action == "BUY" else price >= limit)


def crosses(action: str, price: Decimal, trigger: Decimal) -> bool:
    """Whether a price has got as bad as a stop: up for a purchase, down for a sale."""
    return price >= trigger if action == "BUY" else price <= trigger


def first_stop(spec: OrderSpec, instrument: Instrument, last: Decimal) -> Decimal | None:
    """Where the trigger of an order lies at first; None for an order without one."""
    if spec.kind.trigger is not Trigger.TRAIL:
        return spec.aux if spec.kind.aux_is_price else None
    return spec.trail_stop if spec.trail_stop is not None else _trailed(spec, instrument, last)


def next_stop(spec: OrderSpec, instrument: Instrument, stop: Decimal, last: Decimal) -> Decimal:
    """Where the trigger lies now: a trailing one follows the price and never goes back."""
    if spec.kind.trigger is not Trigger.TRAIL:
        return stop
    wanted = _trailed(spec, instrument, last)
    return min(stop, wanted) if spec.action == "BUY" else max(stop, wanted)


def _trailed(spec: OrderSpec, instrument: Instrument, last: Decimal) -> Decimal:
    percent = spec.trailing_percent
    distance = last * percent / _HUNDRED if percent is not None else spec.aux or _ZERO
    return instrument.to_tick(last + spec.sign * distance)


def _method(spec: OrderSpec, instrument: Instrument) -> int:
    method = spec.terms.trigger_method
    if method != TriggerMethod.DEFAULT:
        return method
    return TriggerMethod.DOUBLE_BID_ASK if instrument.sec_type == "OPT" else TriggerMethod.LAST


def hits_needed(spec: OrderSpec, instrument: Instrument) -> int:
    """How often in a row the trigger must be hit: twice by the double methods."""
    return 2 if _method(spec, instrument) in TriggerMethod.DOUBLE else 1


def trigger_hit(spec: OrderSpec, instrument: Instrument, stop: Decimal, quote: Quote) -> bool:
    """Whether the market hits a trigger: a stop by getting as bad, a touch by getting as good.

    The trigger method says which price counts: the last; for a stop the side of the quote that it would rest
    on; for a touch the side that it would take; or the middle. By default options go by two quotes in a row,
    everything else by the last price.
    """
    touch = spec.kind.trigger is Trigger.TOUCH
    side = quote.bid if (spec.action == "BUY") is not touch else quote.ask
    match _method(spec, instrument):
        case TriggerMethod.BID_ASK | TriggerMethod.DOUBLE_BID_ASK:
            seen = [side]
        case TriggerMethod.LAST_OR_BID_ASK:
            seen = [quote.last, side]
        case TriggerMethod.MIDPOINT:
            seen = [(quote.bid + quote.ask) / 2]
        case _:
            seen = [quote.last]
    hits = within if touch else crosses
    return any(hits(spec.action, price, stop) for price in seen)


def moving_limit(order: GatewayOrder, quote: Quote) -> Decimal | None:
    """The limit of an order whose limit is not simply ``lmtPrice``.

    * ``TRAIL LIMIT``: the stop less the offset; an ``lmtPrice`` alone fixes the offset at the first stop;
    * ``MTL``: the price of its first fill;
    * ``REL``: its own side of the quote, improved by the offset, on the grid, never beyond ``lmtPrice``;
    * ``PEG MID`` and ``MIDPRICE``: the middle less the offset, never beyond ``lmtPrice``; half ticks too.

    Returns:
        None where ``lmtPrice`` alone says it.
    """
    spec = order.spec
    if spec.kind.pricing is Pricing.TO_LIMIT:
        return order.executions[0].price if order.executions else None
    if spec.kind.trigger is Trigger.TRAIL and spec.kind.pricing is Pricing.LIMIT:
        return _trailing_limit(order)
    if spec.kind.pricing is Pricing.RELATIVE:
        wanted = _relative(spec, order.instrument, quote)
    elif spec.kind.pricing is Pricing.MIDDLE:
        wanted = (quote.bid + quote.ask) / 2 - spec.sign * (spec.aux or _ZERO)
    else:
        return None
    if spec.limit is None:
        return wanted
    return min(wanted, spec.limit) if spec.action == "BUY" else max(wanted, spec.limit)


def _trailing_limit(order: GatewayOrder) -> Decimal | None:
    if order.stop is None or order.limit_offset is None:
        return order.spec.limit
    # A sale stops below and gives up the offset further down; a purchase the other way round.
    return order.stop + order.spec.sign * order.limit_offset


def _relative(spec: OrderSpec, instrument: Instrument, quote: Quote) -> Decimal:
    side = quote.bid if spec.action == "BUY" else quote.ask
    offset = spec.aux if spec.aux is not None else side * (spec.percent_offset or _ZERO)
    ticks = (side + spec.sign * offset) / instrument.min_tick
    passive = ROUND_FLOOR if spec.action == "BUY" else ROUND_CEILING
    return ticks.quantize(Decimal(1), passive) * instrument.min_tick
