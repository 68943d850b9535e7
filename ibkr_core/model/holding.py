"""Holdings: what an account has of one contract, what it cost, and what was earned with it.

Amounts of money are kept by currency and never mixed: only :meth:`Amounts.converted` adds them up, at rates
that the caller gives.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from decimal import Context, Decimal, InvalidOperation
from types import MappingProxyType

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.checks import check_text
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT, Numeric, to_number
from ibkr_core.model.said import plain, said, sums, with_reason

__all__ = ["Amounts", "Holding", "Lot", "multiplier_of"]

_ZERO = Decimal(0)
_ONE = Decimal(1)
_AVERAGE = Context(prec=28, traps=[])
"""For quotients, which have no end."""


def multiplier_of(contract: Contract) -> Decimal:
    """Return the money that one unit is worth for each point of price; 1 where the contract names none."""
    try:
        multiplier = Decimal(contract.multiplier or 1)
    except InvalidOperation:
        return _ONE
    return multiplier if multiplier.is_finite() and multiplier > 0 else _ONE


def _frozen(amounts: Mapping[str, Decimal]) -> Mapping[str, Decimal]:
    if not isinstance(amounts, Mapping):
        raise InvalidInput("by_currency", f"must be sums by currency, not {amounts!r}")
    return MappingProxyType({currency: amounts[currency] for currency in sorted(amounts)})


def _unique(contracts: Iterable[Contract]) -> tuple[Contract, ...]:
    unique = tuple(dict.fromkeys(contracts)) if isinstance(contracts, Iterable) else (contracts,)
    if not all(isinstance(one, Contract) for one in unique):
        raise InvalidInput("missing", f"must be contracts, not {contracts!r}")
    return unique


@attrs.frozen
class Amounts:
    """Sums of money by currency, exact.

    Attributes:
        by_currency: The sum in each currency.
        missing: The contracts of which something is not in the sums, because nobody told it: a price, a
            commission that was not reported yet, the cost of what came from elsewhere. Empty when the sums
            are complete.
    """

    by_currency: Mapping[str, Decimal] = attrs.field(converter=_frozen, factory=dict, hash=False)
    missing: tuple[Contract, ...] = attrs.field(converter=_unique, default=())

    @property
    def is_complete(self) -> bool:
        """Whether nothing is missing."""
        return not self.missing

    def __str__(self) -> str:
        """One line for people: ``10.00 EUR, 1,234.50 USD (without something of AAPL)``."""
        names = ", ".join(said(contract.name) for contract in self.missing)
        return with_reason(sums(self.by_currency), (f"without something of {names}" if names else "",))

    def __getitem__(self, currency: str) -> Decimal:
        """Return the sum in one currency, 0 where there is none."""
        return self.by_currency.get(currency, _ZERO)

    def __add__(self, other: Amounts) -> Amounts:
        """Add currency by currency; what is missing in one is missing in the sum."""
        return self._with(other, _ONE)

    def __sub__(self, other: Amounts) -> Amounts:
        """Subtract currency by currency."""
        return self._with(other, -_ONE)

    def _with(self, other: Amounts, sign: Decimal) -> Amounts:
        sums = dict(self.by_currency)
        for currency, amount in other.by_currency.items():
            sums[currency] = EXACT.add(sums.get(currency, _ZERO), EXACT.multiply(amount, sign))
        return Amounts(sums, self.missing + other.missing)

    def converted(self, currency: str, rates: Mapping[str, Numeric]) -> Decimal:
        """Return the whole in one currency.

        Args:
            currency: Which.
            rates: Units of it for one unit of each other currency.

        Raises:
            InvalidInput: A currency has a sum and no rate, or a rate is no number above zero.
        """
        check_text("currency", currency)
        if not isinstance(rates, Mapping):
            raise InvalidInput("rates", f"must be rates by currency, not {rates!r}")
        total = self[currency]
        for other, amount in self.by_currency.items():
            if other == currency or not amount:
                continue
            if other not in rates:
                raise InvalidInput(
                    "rates", f"has no rate from {other or 'an unnamed currency'} to {currency}"
                )
            rate = to_number(f"rates[{other!r}]", rates[other])
            if rate <= 0:
                raise InvalidInput("rates", f"must be above zero, not {rate} for {other}")
            total = EXACT.add(total, EXACT.multiply(amount, rate))
        return total


@attrs.frozen(kw_only=True)
class Lot:
    """A part of a holding that was opened at once.

    Attributes:
        quantity: What is left of it; negative when short.
        price: Price of one unit, without multiplier and commission; None when nobody told it.
        opened: When; None for what was there before our fills, and where the broker's text cannot be read.
        exec_id: The execution; empty for what came from elsewhere.
    """

    quantity: Decimal
    price: Decimal | None
    opened: datetime | None = None
    exec_id: str = ""

    def __str__(self) -> str:
        """One line for people: ``50 at 190.25 (2026-11-20 14:31:45 UTC)``."""
        price = plain(self.price) if self.price is not None else "an unknown price"
        return with_reason(f"{plain(self.quantity)} at {price}", (said(self.opened) if self.opened else "",))


@attrs.frozen(kw_only=True)
class Holding:
    """What one account has of one contract.

    Attributes:
        account: The account's code.
        contract: What is held, as the broker describes it.
        quantity: Units; negative when short, 0 when flat.
        cost: Price times quantity times multiplier of what is open, without commissions; negative when short.
            What nobody told the price of is not in it: see ``unknown_quantity``.
        fees: Commissions of what is open, by currency.
        gross: Profit or loss of what was closed, before commissions, in the contract's currency.
        closed_fees: Commissions of what was closed, of opening and of closing it, by currency.
        unknown_quantity: Open units whose cost nobody told.
        unpriced_quantity: Closed units whose profit or loss is not in ``gross``, because nobody told the
            price at which they came or went: an expired option, a transfer.
        awaited_fees: Fills whose commission was not reported yet.
    """

    account: str
    contract: Contract
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    fees: Mapping[str, Decimal] = attrs.field(factory=dict, converter=_frozen, hash=False)
    gross: Decimal = _ZERO
    closed_fees: Mapping[str, Decimal] = attrs.field(factory=dict, converter=_frozen, hash=False)
    unknown_quantity: Decimal = _ZERO
    unpriced_quantity: Decimal = _ZERO
    awaited_fees: int = 0

    @property
    def currency(self) -> str:
        """The currency that the contract trades in."""
        return self.contract.currency

    @property
    def multiplier(self) -> Decimal:
        """Money for each point of price of one unit."""
        return multiplier_of(self.contract)

    @property
    def is_flat(self) -> bool:
        """Whether nothing is held."""
        return not self.quantity

    @property
    def average_price(self) -> Decimal | None:
        """Average price of what is open, as traded; None when flat or when some of its cost is unknown."""
        if not self.quantity or self.unknown_quantity:
            return None
        return _AVERAGE.divide(self.cost, EXACT.multiply(self.quantity, self.multiplier))

    @property
    def average_cost(self) -> Decimal | None:
        """Average cost of one unit with multiplier and commissions, as the broker shows it (wire facts 8).

        Commissions in another currency than the contract's are left out. None as for ``average_price``.
        """
        if not self.quantity or self.unknown_quantity:
            return None
        cost = EXACT.add(self.cost, self.fees.get(self.currency, _ZERO))
        return _AVERAGE.divide(cost, self.quantity)

    @property
    def realised(self) -> Amounts:
        """Profit or loss of what was closed, after its commissions.

        Missing where ``unpriced_quantity`` or ``awaited_fees`` is not 0.
        """
        sums = {self.currency: self.gross}
        for currency, fee in self.closed_fees.items():
            sums[currency] = EXACT.subtract(sums.get(currency, _ZERO), fee)
        missing = (self.contract,) if self.unpriced_quantity or self.awaited_fees else ()
        return Amounts(sums, missing)

    @property
    def commissions(self) -> Amounts:
        """All commissions that were reported, open and closed."""
        missing = (self.contract,) if self.awaited_fees else ()
        return Amounts(self.fees) + Amounts(self.closed_fees, missing)

    def value(self, price: Numeric) -> Decimal:
        """Return the market value at a price, with the multiplier; negative when short.

        Raises:
            InvalidInput: No number.
        """
        return EXACT.multiply(EXACT.multiply(self.quantity, to_number("price", price)), self.multiplier)

    def unrealised(self, price: Numeric) -> Amounts:
        """Return the profit or loss of what is open at a price, after the commissions paid so far.

        Args:
            price: Price of one unit, in the contract's currency.

        Raises:
            InvalidInput: No number.
        """
        value = self.value(price)
        if not self.quantity:
            return Amounts()
        if self.unknown_quantity:
            return Amounts(missing=(self.contract,))
        sums = {self.currency: EXACT.subtract(value, self.cost)}
        for currency, fee in self.fees.items():
            sums[currency] = EXACT.subtract(sums.get(currency, _ZERO), fee)
        return Amounts(sums, (self.contract,) if self.awaited_fees else ())

    def __str__(self) -> str:
        """One line for people: ``DU1 AAPL 100 at 190.25``."""
        price = self.average_price
        at = f" at {plain(price)}" if price is not None else ""
        return f"{self.account} {said(self.contract.name)} {plain(self.quantity)}{at}"
