"""What the broker takes for a trade: its published fixed schedule, as data.

Sources: the broker's public price pages for stocks, options, futures, spot currencies, bonds and
cryptocurrencies, first volume tier everywhere. Exchange and regulatory fees of futures are those of the
exchanges in 2025, from memory, since the price page only says that they are passed on.

* The minimum is per order, not per fill: a fill is charged the difference between what is due after and
  before it, so that the minimum falls on the first fill and later ones are small, as in TWS facts 3.
* A hundred shares cost 1.0003 in captures: the minimum and a fee of 0.000003 a share, kept here.
* Fees that the broker passes on for sales only (by value, by share) are left out, and so is the rule of some
  exchanges that a modification starts a new minimum.
* A currency pair is charged in its second currency, its minimum of two dollars at a fixed rate; a real
  account is charged in its own currency.
* A combination is charged by its legs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal

import attrs

from ibkr_core.gateway.instruments import Instrument

__all__ = ["Fill", "Tariff", "due", "tariff_of"]

Fill = tuple[Decimal, Decimal]
"""Units and the price of one."""

_ZERO = Decimal(0)
_ANY = Decimal("Infinity")
_HUNDRED = Decimal(100)
_TREASURY = "US-T"


@attrs.frozen(kw_only=True)
class Tariff:
    """What one kind of product costs, in the currency of its price.

    Attributes:
        by_premium: Money for one unit, by its price: ``(below this price, money)``, rising.
        by_value: Part of the value of the trade.
        by_face: Part of the face value: ``(up to this face value of the order, part)``, rising.
        minimum: Least for a whole order.
        cap: Most for a whole order, as a part of its value; None for no cap.
        most: Most for a whole order.
        fee: Money for one unit on top of everything, passed on from exchanges and regulators.
    """

    by_premium: tuple[tuple[Decimal, Decimal], ...] = ()
    by_value: Decimal = _ZERO
    by_face: tuple[tuple[Decimal, Decimal], ...] = ()
    minimum: Decimal = _ZERO
    cap: Decimal | None = None
    most: Decimal = _ANY
    fee: Decimal = _ZERO


def _each(money: str) -> tuple[tuple[Decimal, Decimal], ...]:
    return ((_ANY, Decimal(money)),)


_STOCKS: Mapping[str, Tariff] = {
    "USD": Tariff(
        by_premium=_each("0.005"), minimum=Decimal("1.00"), cap=Decimal("0.01"), fee=Decimal("0.000003")
    ),
    "EUR": Tariff(by_value=Decimal("0.0005"), minimum=Decimal("3.00")),
    "GBP": Tariff(by_value=Decimal("0.0005"), minimum=Decimal("3.00")),
    "CHF": Tariff(by_value=Decimal("0.0005"), minimum=Decimal("5.00")),
    "CAD": Tariff(by_premium=_each("0.01"), minimum=Decimal("1.00"), cap=Decimal("0.005")),
}
_OPTIONS = Tariff(
    by_premium=(
        (Decimal("0.05"), Decimal("0.25")),
        (Decimal("0.10"), Decimal("0.50")),
        (_ANY, Decimal("0.65")),
    ),
    minimum=Decimal("1.00"),
)
_FUTURES: Mapping[str, Tariff] = {
    currency: Tariff(by_premium=_each(money))
    for currency, money in {
        "USD": "0.85", "EUR": "0.65", "GBP": "0.60", "CAD": "0.85", "CHF": "0.95", "HKD": "7.00",
        "AUD": "0.95", "SEK": "6.50", "SGD": "1.20", "JPY": "85.00", "CNH": "5.50",
    }.items()
}  # fmt: skip
_FUTURES_BY_PRODUCT: Mapping[str, Tariff] = {
    product: Tariff(by_premium=_each(money), fee=Decimal(fee))
    for product, money, fee in (
        ("ES", "0.85", "1.40"),
        ("NQ", "0.85", "1.40"),
        ("RTY", "0.85", "1.40"),
        ("YM", "0.85", "1.40"),
        ("CL", "0.85", "1.52"),
        ("GC", "0.85", "1.57"),
        ("MES", "0.25", "0.37"),
        ("MNQ", "0.25", "0.37"),
        ("M2K", "0.25", "0.37"),
        ("MYM", "0.25", "0.37"),
    )
}
_CURRENCIES: Mapping[str, Tariff] = {
    currency: Tariff(by_value=Decimal("0.00002"), minimum=Decimal(two_dollars))
    for currency, two_dollars in {
        "USD": "2.00", "EUR": "1.75", "GBP": "1.50", "CHF": "1.60", "CAD": "2.80", "JPY": "310",
    }.items()
}  # fmt: skip
_CRYPTO = Tariff(by_value=Decimal("0.0018"), minimum=Decimal("1.75"), cap=Decimal("0.01"))
_TREASURIES = Tariff(
    by_face=((Decimal(1_000_000), Decimal("0.00002")), (_ANY, Decimal("0.000001"))), minimum=Decimal("5.00")
)
_BONDS = Tariff(
    by_face=((Decimal(10_000), Decimal("0.001")), (_ANY, Decimal("0.00025"))),
    minimum=Decimal("1.00"),
    cap=Decimal("0.01"),
    most=Decimal(250),
)


def tariff_of(instrument: Instrument) -> Tariff:
    """What an instrument is charged by."""
    match instrument.sec_type:
        case "STK":
            return _STOCKS.get(instrument.currency, _STOCKS["USD"])
        case "OPT":
            return _OPTIONS
        case "CASH":
            return _CURRENCIES.get(instrument.currency, _CURRENCIES["USD"])
        case "CRYPTO":
            return _CRYPTO
        case "BOND":
            return _TREASURIES if instrument.trading_class == _TREASURY else _BONDS
        case _:
            default = _FUTURES.get(instrument.currency, _FUTURES["USD"])
            return _FUTURES_BY_PRODUCT.get(instrument.symbol, default)


def due(instrument: Instrument, fills: Sequence[Fill]) -> Decimal:
    """Commission of a whole order so far; it never falls when a fill is added.

    Args:
        instrument: What was traded.
        fills: Units, zero for one that was taken back, and price of each fill of the order so far.

    Returns:
        Money in the currency of the instrument, exact.
    """
    units = sum((quantity for quantity, _ in fills), _ZERO)
    if not units:
        return _ZERO
    tariff = tariff_of(instrument)
    value = sum((quantity * abs(price) for quantity, price in fills), _ZERO) * instrument.multiplier
    amount = value * tariff.by_value
    if tariff.by_premium:
        amount += sum((quantity * _step(tariff.by_premium, abs(price)) for quantity, price in fills), _ZERO)
    if tariff.by_face:
        # A bond is priced in percent of its face value.
        amount += _in_bands(tariff.by_face, units * instrument.multiplier * _HUNDRED)
    amount = max(amount, tariff.minimum)
    if tariff.cap is not None:
        amount = min(amount, value * tariff.cap)
    return min(amount, tariff.most) + units * tariff.fee


def _step(steps: tuple[tuple[Decimal, Decimal], ...], price: Decimal) -> Decimal:
    return next(money for below, money in steps if price < below)


def _in_bands(bands: tuple[tuple[Decimal, Decimal], ...], face: Decimal) -> Decimal:
    total = lower = _ZERO
    for upper, part in bands:
        if face > lower:
            total += (min(face, upper) - lower) * part
        lower = upper
    return total
