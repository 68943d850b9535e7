"""Looks at an order before it is sent, with what the broker knows of the instrument; sends no order.

The rules that need no broker are checked for every order anyway (``Order.check``). These need the broker's
reference data, which costs a question or two, so they are asked for only where somebody wants them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import InvalidContract, InvalidOrder, MarketClosed
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Order
from ibkr_core.model.reference import ContractDetails, MarketRule
from ibkr_core.reference import Reference

__all__ = ["Preflight", "check_against", "check_hours", "check_prices", "run_preflight"]

_ABBREVIATIONS: Final[Mapping[str, frozenset[str]]] = {
    "MKT": frozenset({"MKT"}),
    "LMT": frozenset({"LMT"}),
    "STP": frozenset({"STP"}),
    "STP LMT": frozenset({"STPLMT"}),
    "TRAIL": frozenset({"TRAIL"}),
    "TRAIL LIMIT": frozenset({"TRAILLMT", "TRAILLIMIT"}),
    "MIT": frozenset({"MIT"}),
    "LIT": frozenset({"LIT"}),
    "MTL": frozenset({"MTL"}),
    "MOC": frozenset({"MOC"}),
    "LOC": frozenset({"LOC"}),
    "REL": frozenset({"REL"}),
    "MIDPRICE": frozenset({"MIDPRICE", "MIDPX"}),
    "PEG MID": frozenset({"PEGMID"}),
}
"""How the broker abbreviates an order type in contract details. Others are not looked for: how they are
abbreviated is not documented, and a good order must not be refused for it."""

_TIMES: Final = frozenset({"DAY", "GTC", "IOC", "GTD", "OPG"})
"""The times in force that such a list names. FOK is not among them for stocks that take it all the same."""
_PRICES: Final = ("limit_price", "aux_price", "trail_stop_price")
_AUX_IS_PRICE: Final = frozenset({"STP", "STP LMT", "MIT", "LIT", "STP PRT"})
_NOW_OR_TODAY: Final = frozenset({"DAY", "IOC", "FOK"})
_FOR_AUCTION: Final = frozenset({"MOC", "LOC", "MOO", "LOO"})
_WITH_REGULAR_HOURS: Final = frozenset({"STK", "CFD", "OPT", "WAR", "IOPT", "BOND", "FUND"})
"""Kinds whose orders keep to regular hours unless they say otherwise. Futures, currencies and the like trade
whenever their exchange is open: not documented as a list; chosen so that a good order is not refused."""
_NOT_PRICED_BY_LIMIT: Final = frozenset({"VOL"})


@attrs.frozen(kw_only=True)
class Preflight:
    """What was learnt while an order was looked at; it broke no rule.

    Attributes:
        contract: The contract, complete: ``con_id`` and all, with the exchange that was asked for.
        details: What the broker knows of the instrument; None for a combo, of which it tells nothing.
        rule: In what steps its price moves; None where no price had to be looked at.
    """

    contract: Contract
    details: ContractDetails | None = None
    rule: MarketRule | None = None


def run_preflight(
    reference: Reference,
    check: Callable[[Contract, Order], None],
    contract: Contract,
    order: Order,
    now: datetime,
    *,
    allow_closed: bool,
    timeout_s: float,
) -> Preflight:
    """Ask the broker about the instrument, and hold the order against it. See ``Engine.check_order``.

    Args:
        reference: Asks.
        check: The rules that need no broker; raises InvalidInput.
        contract: What to trade.
        order: At what terms.
        now: The present, with a zone.
        allow_closed: Whether the hours are left alone.
        timeout_s: For each question.

    Raises:
        IbkrError: As for ``Engine.check_order``.
    """
    check(contract, order)
    if contract.is_combo:
        for leg in contract.combo_legs:
            reference.details(Contract.by_con_id(leg.con_id, leg.exchange or "SMART"), timeout_s=timeout_s)
        return Preflight(contract=contract)
    details = reference.details(contract, timeout_s=timeout_s)
    known = attrs.evolve(details.contract, exchange=contract.exchange or details.contract.exchange)
    check(known, order)  # by its con_id alone, its kind was not known before
    check_against(details, order, known.exchange)
    if not allow_closed:
        check_hours(details, order, now)
    rule = None
    if any(getattr(order, name) is not None for name in _PRICES):
        rule = reference.rule_of(details, known.exchange, timeout_s=timeout_s)
        check_prices(details, rule, order, known.exchange)
    return Preflight(contract=known, details=details, rule=rule)


def check_against(details: ContractDetails, order: Order, exchange: str) -> None:
    """Raise where an instrument does not take an order of this kind.

    Args:
        details: The instrument.
        order: The order.
        exchange: Where it goes.

    Raises:
        InvalidContract: It does not trade there.
        InvalidOrder: It does not take the type, the time in force, or the quantity.
    """
    name = details.contract.name
    if details.exchanges and exchange not in details.exchanges:
        raise InvalidContract(
            "exchange", f"{name} trades on {', '.join(details.exchanges)}, not on {exchange!r}"
        )
    taken = frozenset(details.order_types)
    wanted = _ABBREVIATIONS.get(order.order_type.upper())
    if taken and wanted is not None and not wanted & taken:
        raise InvalidOrder("order_type", f"{name} takes no {order.order_type} orders, says its description")
    # Some lists name no time in force at all; then they say nothing about any.
    if taken & _TIMES and order.tif.upper() in _TIMES - taken:
        raise InvalidOrder("tif", f"{name} takes no {order.tif} orders, says its description")
    if order.cash_quantity is None:
        _check_quantity(details, order)


def _check_quantity(details: ContractDetails, order: Order) -> None:
    name, size = details.contract.name, order.quantity
    if details.min_size is not None and 0 < size < details.min_size:
        raise InvalidOrder("quantity", f"must be at least {details.min_size:f} for {name}, not {size:f}")
    step = details.size_increment
    if step is not None and EXACT.remainder(size, step):
        raise InvalidOrder("quantity", f"must be a multiple of {step:f} for {name}, not {size:f}")


def check_prices(details: ContractDetails, rule: MarketRule, order: Order, exchange: str) -> None:
    """Raise where a price of an order is not on the instrument's grid (the broker's code 110).

    Args:
        details: The instrument.
        rule: In what steps its price moves.
        order: The order.
        exchange: Where it goes.

    Raises:
        InvalidOrder: A price is no multiple of the step at that price; names the nearest that is.
    """
    kind = order.order_type.upper()
    for field in _PRICES:
        price: Decimal | None = getattr(order, field)
        if price is None or (field == "aux_price" and kind not in _AUX_IS_PRICE):
            continue
        if kind in _NOT_PRICED_BY_LIMIT or rule.is_valid(price):
            continue
        source = f"market rule {rule.rule_id}" if rule.rule_id else "its minimum step"
        raise InvalidOrder(
            field,
            f"must be a multiple of {rule.increment_at(price):f} for {details.contract.name} on {exchange} "
            f"({source}), not {price:f}; the nearest for a {order.action.value} is "
            f"{rule.round(price, order.action):f}",
        )


def check_hours(details: ContractDetails, order: Order, now: datetime) -> None:
    """Raise where an order that is meant to trade now would be held, because its market is closed.

    An order that waits of its own will is left alone: one that is good until cancelled or until a date, for
    an auction, or with a start time. So is everything while the broker's hours of the day are unknown.

    Args:
        details: The instrument.
        order: The order.
        now: The present, with a zone.

    Raises:
        MarketClosed: It is closed; tells when it opens.
    """
    waits = order.tif.upper() not in _NOW_OR_TODAY or order.order_type.upper() in _FOR_AUCTION
    if waits or order.good_after_time:
        return
    is_regular = not order.outside_rth and details.contract.sec_type in _WITH_REGULAR_HOURS
    hours = details.liquid_hours if is_regular else details.trading_hours
    if hours.is_open(now) or not hours.covers(now):
        return
    opens_at = hours.next_opening(now)
    when = f"opens at {opens_at:%Y-%m-%d %H:%M} UTC" if opens_at is not None else "opens on no known day"
    kind = "regular trading hours" if is_regular else "trading hours"
    raise MarketClosed(
        "contract",
        f"{details.contract.name} is outside its {kind} now and {when}; a {order.tif} order would be held",
        opens_at,
    )
