"""What close and roll take from their callers, checked before anything is sent."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.legwork.hands import Hands
from ibkr_core.legwork.holding import Lot
from ibkr_core.model.numbers import Numeric, optional_number, to_number
from ibkr_core.model.order import Action, Order
from ibkr_core.model.strategy import Strategy, StrategyLeg

__all__ = ["Terms", "account_for", "check_key", "check_strategy", "lots_of"]

_LONGEST_KEY: Final = 40
"""Not documented; chosen so that a key and the name of a leg stay readable in an orderRef."""
_ONE: Final = Decimal(1)
_UNFIT: Final = ("parent_id", "oca_group", "order_ref", "what_if", "cash_quantity")


def check_strategy(strategy: object) -> Strategy:
    """Raise unless it is a strategy.

    Raises:
        InvalidInput: It is not.
    """
    if not isinstance(strategy, Strategy):
        raise InvalidInput("strategy", f"must be an ibkr_core Strategy, not {type(strategy).__name__}")
    return strategy


def check_key(key: object) -> str:
    """Raise unless it is a key for a call; an empty one has one made up.

    Raises:
        InvalidInput: It is no text, or too long.
    """
    if not isinstance(key, str) or len(key) > _LONGEST_KEY:
        raise InvalidInput("key", f"must be a text of at most {_LONGEST_KEY} characters, not {key!r}")
    return key


def account_for(hands: Hands, account: object, order: Order | None) -> str:
    """Return the account that is meant: the given one, the order's, or the only one.

    Raises:
        InvalidInput: It is none of this login, or there are several and none is named.
    """
    if not isinstance(account, str):
        raise InvalidInput("account", f"must be a text, not {account!r}")
    named = account or (order.account if order is not None else "")
    if order is not None and order.account and order.account != named:
        raise InvalidInput("account", f"is {account}, but the order names {order.account}")
    known = hands.engine.accounts
    if named:
        if known and named not in known:
            raise InvalidInput("account", f"{named} is none of this login's: {', '.join(known)}")
        return named
    if len(known) > 1:
        raise InvalidInput("account", f"must be named; this login has {', '.join(known)}")
    return known[0] if known else ""


def lots_of(hands: Hands, legs: Sequence[StrategyLeg], quantity: Decimal) -> tuple[Lot, ...]:
    """Return the legs with their contract ids; those that have none are looked up.

    Args:
        hands: The engine.
        legs: The legs.
        quantity: Of the strategy: whether it makes parts of an option may be known only here.

    Raises:
        InvalidStrategy: It does.
        UnknownContract: The broker knows no such instrument.
        AmbiguousContract: It knows several.
        InvalidInput: Two legs turn out to be the same instrument.
        IbkrError: The broker does not answer.
    """
    lots = []
    for leg in legs:
        contract = leg.contract
        if not (contract.con_id and contract.sec_type and contract.symbol and contract.currency):
            contract = hands.library.qualify(contract)
            Strategy((attrs.evolve(leg, contract=contract),), quantity)
        lots.append(Lot(contract, leg.ratio, leg.side))
    ids = [lot.con_id for lot in lots]
    if len(set(ids)) < len(ids):
        raise InvalidInput("strategy", "two of its legs turn out to be the same instrument")
    return tuple(lots)


@attrs.frozen
class Terms:
    """At what terms to trade.

    Attributes:
        order: A template whose side and size are replaced; None for market orders.
        prices: A limit for each leg, None for none.
        net: The limit of one unit of a combination: above zero what is paid, below zero what is received.
    """

    order: Order | None = None
    prices: tuple[Decimal | None, ...] = ()
    net: Decimal | None = None

    @classmethod
    def read(
        cls,
        legs: int,
        order: object,
        limit_prices: object,
        credit: Numeric | None,
        debit: Numeric | None,
        *,
        is_combo: bool,
    ) -> Terms:
        """Check what the caller gave.

        Raises:
            InvalidInput: It contradicts itself, or asks for what no order can be.
        """
        template = _template(order)
        net = _net(credit, debit)
        if net is not None and not is_combo:
            raise InvalidInput(
                "credit" if credit is not None else "debit", "is for a combination; see as_combo"
            )
        if is_combo and limit_prices is not None:
            raise InvalidInput("limit_prices", "are for single legs; give credit or debit for a combination")
        prices = _prices(limit_prices, legs)
        has_price = template is not None and template.limit_price is not None
        if has_price and (net is not None or any(price is not None for price in prices)):
            raise InvalidInput("order", "has a limit price of its own; give it once")
        if has_price and is_combo:
            raise InvalidInput("order", "give the price as credit or debit, which says who pays")
        if has_price and legs > 1:
            raise InvalidInput("order", "has one limit price for several legs; give limit_prices")
        return cls(template, prices, net)

    def of_leg(self, index: int) -> Order:
        """Return the terms of a leg; side and size are still to be set."""
        price = self.prices[index] if self.prices else None
        return self._with(price)

    def of_combo(self, side: Action) -> Order:
        """Return the terms of a combination that is traded on a side."""
        if self.net is None:
            return self._with(None)
        return self._with(self.net if side is Action.BUY else -self.net)

    def _with(self, price: Decimal | None) -> Order:
        base = self.order if self.order is not None else Order.market("BUY", _ONE)
        if price is None:
            return base
        kind = "LMT" if base.order_type == "MKT" else base.order_type
        return base.replace(order_type=kind, limit_price=price)


def _template(order: object) -> Order | None:
    if order is None:
        return None
    if not isinstance(order, Order):
        raise InvalidInput("order", f"must be an ibkr_core Order, not {type(order).__name__}")
    plain = Order.market("BUY", _ONE)
    for name in _UNFIT:
        if getattr(order, name) != getattr(plain, name):
            raise InvalidOrder(name, "cannot be set on the template of several orders")
    if not order.transmit:
        raise InvalidOrder("transmit", "an order that is held back closes nothing")
    return order


def _net(credit: Numeric | None, debit: Numeric | None) -> Decimal | None:
    received, paid = optional_number("credit", credit), optional_number("debit", debit)
    if received is not None and paid is not None:
        raise InvalidInput("debit", "give either credit or debit")
    for name, value in (("credit", received), ("debit", paid)):
        if value is not None and value < 0:
            raise InvalidInput(name, f"must not be below zero, got {value}; the other one says that")
    if received is not None:
        return -received
    return paid


def _prices(limit_prices: object, legs: int) -> tuple[Decimal | None, ...]:
    if limit_prices is None:
        return ()
    if isinstance(limit_prices, str) or not isinstance(limit_prices, Sequence):
        values: tuple[object, ...] = (limit_prices,)
    else:
        values = tuple(limit_prices)
    if len(values) != legs:
        raise InvalidInput("limit_prices", f"must be one for each of {legs} legs (None for a market order)")
    return tuple(None if value is None else to_number("limit_prices", value) for value in values)
