"""The gateway's own books: cash, positions, average cost, commissions and realised profit, exact in Decimal.

Commissions follow the broker's fixed schedule. Average cost includes commissions, and so does realised
profit, as in the broker's reports (TWS facts 3). Cost leaves a position in proportion to the quantity closed;
that one division is rounded to ten decimals, so that every sum stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from ibkr_core.gateway.instruments import Instrument

__all__ = ["Account", "Balances", "Position", "commission_due"]

_ZERO = Decimal(0)
_COST_STEP = Decimal("0.0000000001")
_STOCK_RATE, _STOCK_MINIMUM, _STOCK_CAP = Decimal("0.005"), Decimal("1.00"), Decimal("0.01")
_STOCK_FEE = Decimal("0.000003")  # a share; what made 100 shares cost 1.0003 in captures
_FUTURE_RATE = Decimal("2.25")
_OPTION_RATE, _OPTION_MINIMUM = Decimal("0.65"), Decimal("1.00")
_CURRENCY_RATE, _CURRENCY_MINIMUM = Decimal("0.00002"), Decimal("2.00")
_STOCK_INITIAL, _STOCK_MAINTENANCE = Decimal("0.50"), Decimal("0.25")
_FUTURE_INITIAL, _FUTURE_MAINTENANCE = Decimal("0.08"), Decimal("0.07")
_CURRENCY_MARGIN = Decimal("0.03")


def commission_due(instrument: Instrument, quantity: Decimal, value: Decimal) -> Decimal:
    """Commission of a whole order so far.

    A fill is charged the difference between what is due after and before it, so that the minimum falls on the
    first fill and later ones are small, as in TWS facts 3.

    Args:
        instrument: What was traded.
        quantity: Units filled so far.
        value: Their value so far: price times quantity times multiplier, summed.

    Returns:
        Stocks: 0.005 a share, at least 1.00, at most one percent of the value, and a fee of 0.000003 a share.
        Options: 0.65 a contract, at least 1.00. Futures: 2.25 a contract. Currencies: 0.2 basis points of the
        value, at least 2.00.
    """
    if not quantity:
        return _ZERO
    match instrument.sec_type:
        case "STK":
            commission = min(max(quantity * _STOCK_RATE, _STOCK_MINIMUM), abs(value) * _STOCK_CAP)
            return commission + quantity * _STOCK_FEE
        case "OPT":
            return max(quantity * _OPTION_RATE, _OPTION_MINIMUM)
        case "CASH":
            return max(abs(value) * _CURRENCY_RATE, _CURRENCY_MINIMUM)
        case _:
            return quantity * _FUTURE_RATE


@attrs.frozen(kw_only=True)
class Position:
    """What an account holds of one instrument.

    Attributes:
        instrument: What is held.
        quantity: Units; negative when short.
        cost: Price times quantity times multiplier of what is open; negative when short.
        fees: Commissions paid for what is open.
        realized: Profit or loss of everything closed so far, after commissions.
    """

    instrument: Instrument
    quantity: Decimal = _ZERO
    cost: Decimal = _ZERO
    fees: Decimal = _ZERO
    realized: Decimal = _ZERO

    @property
    def average_cost(self) -> Decimal:
        """Cost of one unit, with commissions and multiplier; zero when flat."""
        return (self.cost + self.fees) / self.quantity if self.quantity else _ZERO

    def value(self, price: Decimal) -> Decimal:
        """Market value at a price; negative when short."""
        return self.quantity * price * self.instrument.multiplier


@attrs.frozen
class Booking:
    """What one fill did to a position.

    Attributes:
        position: The position after it.
        gross: Profit or loss of what was closed, before commissions.
        realized: The same after commissions; None when nothing was closed.
    """

    position: Position
    gross: Decimal
    realized: Decimal | None


def book_fill(position: Position, quantity: Decimal, price: Decimal, commission: Decimal) -> Booking:
    """Apply one fill to a position.

    Args:
        position: Before the fill.
        quantity: Signed units.
        price: Price per unit.
        commission: What the fill cost.
    """
    value = quantity * price * position.instrument.multiplier
    held = position.quantity
    if held * quantity >= 0:
        grown = attrs.evolve(
            position, quantity=held + quantity, cost=position.cost + value, fees=position.fees + commission
        )
        return Booking(grown, _ZERO, None)
    closed = min(abs(quantity), abs(held))
    part = closed / abs(held)
    share = closed / abs(quantity)
    cost_out = position.cost if closed == abs(held) else (position.cost * part).quantize(_COST_STEP)
    fees_out = position.fees if closed == abs(held) else (position.fees * part).quantize(_COST_STEP)
    value_closing = closed * price * position.instrument.multiplier * (1 if quantity > 0 else -1)
    fee_closing = commission if closed == abs(quantity) else (commission * share).quantize(_COST_STEP)
    gross = -value_closing - cost_out
    realized = gross - fees_out - fee_closing
    after = attrs.evolve(
        position,
        quantity=held + quantity,
        cost=position.cost - cost_out + (value - value_closing),
        fees=position.fees - fees_out + (commission - fee_closing),
        realized=position.realized + realized,
    )
    return Booking(after, gross, realized)


@attrs.frozen(kw_only=True)
class Balances:
    """An account valued in its base currency.

    Attributes:
        cash: All cash.
        gross_positions: Absolute market value of everything held.
        net_liquidation: Cash plus market value.
        initial_margin: Needed to open what is held.
        maintenance_margin: Needed to keep it.
        unrealized: Open profit.
        realized: Closed profit.
    """

    cash: Decimal
    gross_positions: Decimal
    net_liquidation: Decimal
    initial_margin: Decimal
    maintenance_margin: Decimal
    unrealized: Decimal
    realized: Decimal

    @property
    def available(self) -> Decimal:
        """Funds that a new order may bind."""
        return self.net_liquidation - self.initial_margin


def margin_rate(instrument: Instrument) -> tuple[Decimal, Decimal]:
    """Initial and maintenance margin, as a part of the market value."""
    if instrument.sec_type == "FUT":
        return _FUTURE_INITIAL, _FUTURE_MAINTENANCE
    if instrument.sec_type == "CASH":
        return _CURRENCY_MARGIN, _CURRENCY_MARGIN
    if instrument.sec_type == "OPT":
        return Decimal(1), Decimal(1)
    return _STOCK_INITIAL, _STOCK_MAINTENANCE


class Account:
    """One account. ``opening_cash`` is what it was worth when the day began.

    Args:
        code: Its code, such as ``DU1234567``.
        cash: Opening balance in ``currency``.
        currency: Base currency.
    """

    def __init__(self, code: str, cash: Decimal, currency: str = "USD") -> None:
        self.code = code
        self.currency = currency
        self.opening_cash = cash
        self._base_cash: dict[str, Decimal] = {currency: cash}
        self._base_positions: dict[int, Position] = {}
        self._cash = dict(self._base_cash)
        self._positions = dict(self._base_positions)

    @property
    def restore(self, cash: Mapping[str, Decimal], positions: Iterable[Position]) -> None:
        """Have what was there before a restart."""
        self._cash = dict(cash)
        self._positions = {held.instrument.con_id: held for held in positions}

    def book_for_good(self, fills: Iterable[tuple[Instrument, Decimal, Decimal, Decimal]]) -> None:
        """Take the oldest fills into the base: they stay booked, and can no longer be corrected.

        Args:
            fills: Instrument, signed quantity, price and commission of each, in order.
        """
        older = Account(self.code, Decimal(0), self.currency)
        older.rebase(self._base_cash, self._base_positions.values())
        for fill in fills:
            older.book(*fill)
        self._base_cash, self._base_positions = older._cash, older._positions

    def cash(self) -> Mapping[str, Decimal]:
        """Cash by currency."""
        return dict(self._cash)

    @property
    def positions(self) -> tuple[Position, ...]:
        """Everything ever held, flat positions included, in order of first trade."""
        return tuple(self._positions.values())

    def position(self, instrument: Instrument) -> Position:
        """What is held of one instrument."""
        return self._positions.get(instrument.con_id) or Position(instrument=instrument)

    def book(self, instrument: Instrument, quantity: Decimal, price: Decimal, commission: Decimal) -> Booking:
        """Book one fill.

        Args:
            instrument: What was traded.
            quantity: Signed units, not zero.
            price: Price per unit.
            commission: What the broker takes, in the instrument's currency.

        Returns:
            The position after it, and what it realised.
        """
        booking = book_fill(self.position(instrument), quantity, price, commission)
        self._positions[instrument.con_id] = booking.position
        # A future is settled by its profit alone; everything else is paid for.
        paid = -booking.gross if instrument.sec_type == "FUT" else quantity * price * instrument.multiplier
        self._move(instrument.currency, -paid - commission)
        if instrument.sec_type == "CASH":
            self._move(instrument.symbol, quantity)
        return booking

    def restart(self) -> None:
        """Forget every fill since the base; used to book a corrected history again."""
        self._cash = dict(self._base_cash)
        self._positions = dict(self._base_positions)

    @property
    def base(self) -> tuple[Mapping[str, Decimal], tuple[Position, ...]]:
        """Cash and positions from which :meth:`restart` begins."""
        return dict(self._base_cash), tuple(self._base_positions.values())

    def rebase(self, cash: Mapping[str, Decimal], positions: Iterable[Position]) -> None:
        """Begin anew with what was there before the first fill that can still be corrected."""
        self._base_cash = dict(cash)
        self._base_positions = {held.instrument.con_id: held for held in positions}
        self.restart()

    def _move(self, currency: str, amount: Decimal) -> None:
        self._cash[currency] = self._cash.get(currency, _ZERO) + amount

    def balances(
        self, price_of: Callable[[Instrument], Decimal], rate_of: Callable[[str], Decimal]
    ) -> Balances:
        """Value the account.

        Args:
            price_of: Present price of an instrument.
            rate_of: Units of the base currency for one unit of a currency.
        """
        cash = sum((amount * rate_of(currency) for currency, amount in self._cash.items()), _ZERO)
        gross = initial = maintenance = unrealized = realized = value = _ZERO
        for position in self._positions.values():
            rate = rate_of(position.instrument.currency)
            worth = position.value(price_of(position.instrument)) * rate
            first, keep = margin_rate(position.instrument)
            gross += abs(worth)
            initial += abs(worth) * first
            maintenance += abs(worth) * keep
            unrealized += worth - (position.cost + position.fees) * rate
            realized += position.realized * rate
            if position.instrument.sec_type == "FUT":
                value += worth - position.cost * rate
            elif position.instrument.sec_type != "CASH":  # a currency pair is in the cash already
                value += worth
        return Balances(
            cash=cash,
            gross_positions=gross,
            net_liquidation=cash + value,
            initial_margin=initial,
            maintenance_margin=maintenance,
            unrealized=unrealized,
            realized=realized,
        )
