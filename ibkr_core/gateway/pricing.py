"""What an order may pay, and whether its trigger is hit: pure arithmetic over an order and a quote."""

from __future__ import annotations

from collections.abc import Callable
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import Pricing, Trigger
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.scaling import component, is_scaled
from ibkr_core.gateway.terms import TriggerMethod

__all__ = ["crosses", "first_stop", "hits_needed", "moving_limit", "next_stop", "trigger_hit", "within"]

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)
_DEAREST = Decimal(10) ** 9
_PROTECTION_TICKS = 12  # three points of the E-mini; the exchange sets them by product (from memory)


def within(action: str, price: Decimal, limit: Decimal | None) -> bool:
    """Whether a price is at or better than a limit; no limit takes every price."""
    return limit is None or (price <= limit if action == "BUY" else price >= limit)


def crosses(action: str, price: Decimal, trigger: Decimal) -> bool:
    """Whether a price has got as bad as a stop: up for a purchase, down for a sale."""
    return price >= trigger if action == "BUY" else price <= trigger


def first_stop(spec: OrderSpec, instrument: Instrument, last: Decimal) -> Decimal | None:
    """Where the trigger of an order lies at first; None for an order without one."""
    if not spec.kind.trails:
        return spec.aux if spec.kind.aux_is_price else None
    return spec.trail_stop if spec.trail_stop is not None else _trailed(spec, instrument, last)


def next_stop(spec: OrderSpec, instrument: Instrument, stop: Decimal, last: Decimal) -> Decimal:
    """Where the trigger lies now: a trailing one follows the price and never goes back."""
    if not spec.kind.trails:
        return stop
    wanted = _trailed(spec, instrument, last)
    closer = min if (spec.action == "BUY") is (spec.kind.trigger is Trigger.TRAIL) else max
    return closer(stop, wanted)


def _trailed(spec: OrderSpec, instrument: Instrument, last: Decimal) -> Decimal:
    percent = spec.trailing_percent
    distance = last * percent / _HUNDRED if percent is not None else spec.aux or _ZERO
    # A stop lies on the bad side of the price, a touch on the good one.
    sign = spec.sign if spec.kind.trigger is Trigger.TRAIL else -spec.sign
    return instrument.to_tick(last + sign * distance)


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
    touch = spec.kind.trigger in {Trigger.TOUCH, Trigger.TRAIL_TOUCH}
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


def moving_limit(
    order: GatewayOrder, quote: Quote, elsewhere: Callable[[GatewayOrder], Decimal | None] = lambda _: None
) -> Decimal | None:
    """The limit of an order whose limit is not simply ``lmtPrice``, and never beyond it.

    Args:
        order: The order. One whose price snaps keeps what it has; one that is pegged to another contract
            whose price is not known, too.
        quote: The market of its own instrument now.
        elsewhere: The price that another market gives to an order: what its option is worth, or where the
            underlying or its benchmark stands.

    Returns:
        None where ``lmtPrice`` alone says it.
    """
    spec = order.spec
    if spec.kind.pricing is Pricing.TO_LIMIT:
        return order.executions[0].price if order.executions else None
    if spec.kind.trails and spec.kind.pricing is Pricing.LIMIT:
        return _trailing_limit(order)
    if spec.kind.snaps and order.pegged is not None:
        return order.pegged
    if is_scaled(spec.fields):
        return _scaled(order)
    if spec.kind.pricing is Pricing.LIMIT:
        return _discretion(spec, quote)
    wanted = _pegged(order, quote, elsewhere)
    if wanted is None or spec.limit is None:
        return wanted
    return min(wanted, spec.limit) if spec.action == "BUY" else max(wanted, spec.limit)


def _scaled(order: GatewayOrder) -> Decimal | None:
    """The price of the component that is in the market; never below the least step."""
    spec, instrument = order.spec, order.instrument
    if spec.limit is None:
        return None
    price = spec.limit - spec.sign * component(spec.fields, order.filled)[1]
    return _on_grid(spec, instrument, max(price, instrument.min_tick))


def _discretion(spec: OrderSpec, quote: Quote) -> Decimal | None:
    """How far a limit order goes that has a hidden amount more to give: there, if that is enough to trade."""
    if not spec.fields.get("discretionaryAmt") or spec.limit is None:
        return None
    reach = spec.limit + spec.sign * abs(spec.price("discretionaryAmt"))
    buying = spec.action == "BUY"
    far, size = (quote.ask, quote.ask_size) if buying else (quote.bid, quote.bid_size)
    enough = size > 0 and within(spec.action, far, reach) and not within(spec.action, far, spec.limit)
    return reach if enough else None


def _pegged(
    order: GatewayOrder, quote: Quote, elsewhere: Callable[[GatewayOrder], Decimal | None]
) -> Decimal | None:
    """What the market makes of a price that is pegged to it; None when the type is not."""
    spec, instrument = order.spec, order.instrument
    near, far = (quote.bid, quote.ask) if spec.action == "BUY" else (quote.ask, quote.bid)
    offset = spec.aux if spec.aux is not None else near * (spec.percent_offset or _ZERO)
    middle = (quote.bid + quote.ask) / 2
    match spec.kind.pricing:
        case Pricing.RELATIVE | Pricing.PASSIVE as pricing:
            better = spec.sign if pricing is Pricing.RELATIVE else -spec.sign
            return _on_grid(spec, instrument, near + better * offset)
        case Pricing.OPPOSITE:
            return _on_grid(spec, instrument, far - spec.sign * offset)
        case Pricing.MIDDLE:
            return middle - spec.sign * (spec.aux or _ZERO)
        case Pricing.BEST:
            wanted = near + spec.sign * spec.price("competeAgainstBestOffset")
            return wanted if within(spec.action, wanted, middle) else middle
        case Pricing.PROTECTED:
            waits = order.is_stop and not order.elected  # the market counts when it sets off
            return None if waits else far + spec.sign * _PROTECTION_TICKS * instrument.min_tick
        case Pricing.STOCK | Pricing.BENCHMARK | Pricing.VOLATILITY:
            return _from_elsewhere(order, elsewhere(order))
        case _:
            return None


def _from_elsewhere(order: GatewayOrder, price: Decimal | None) -> Decimal | None:
    spec = order.spec
    if price is None:
        return order.pegged
    if spec.kind.pricing is Pricing.VOLATILITY:
        return _on_grid(spec, order.instrument, max(price, order.instrument.min_tick))
    moved = price - spec.price("stockRefPrice")
    if spec.kind.pricing is Pricing.STOCK:
        delta = spec.price("delta") / _HUNDRED * (-1 if order.instrument.right == "P" else 1)
        wanted = spec.price("startingPrice") + delta * moved
    else:
        step = spec.price("peggedChangeAmount") * (
            -1 if spec.fields.get("isPeggedChangeAmountDecrease") else 1
        )
        wanted = spec.price("startingPrice") + step * moved / spec.price("referenceChangeAmount")
    return _on_grid(spec, order.instrument, min(max(wanted, order.instrument.min_tick), _DEAREST))


def _trailing_limit(order: GatewayOrder) -> Decimal | None:
    if order.stop is None or order.limit_offset is None:
        return order.spec.limit
    # A sale stops below and gives up the offset further down; a purchase the other way round.
    return order.stop + order.spec.sign * order.limit_offset


def _on_grid(spec: OrderSpec, instrument: Instrument, price: Decimal) -> Decimal:
    passive = ROUND_FLOOR if spec.action == "BUY" else ROUND_CEILING
    return (price / instrument.min_tick).quantize(Decimal(1), passive) * instrument.min_tick
