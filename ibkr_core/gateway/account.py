"""The gateway's own books: cash, positions, average cost, commissions and realised profit, exact in Decimal.

Average cost includes commissions, and so does realised profit, as in the broker's reports (TWS facts 3). Cost
leaves a position in proportion to the quantity closed; that one division is rounded to ten decimals, so that
every sum stays exact.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal

import attrs

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.margins import requirement

__all__ = ["Account", "Balances", "Position"]

_ZERO = Decimal(0)
_COST_STEP = Decimal("0.0000000001")
_NOT_VALUED = frozenset({"FUT", "CASH"})
"""What is worth nothing by itself: a future is a profit or loss, a currency pair is in the cash already."""


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
        futures: Open profit of futures, which is no cash yet.
        gross_positions: Absolute market value of all that is held but futures and currency pairs.
        net_liquidation: Cash plus open profit of futures plus market value of all else.
        initial_margin: Needed to open what is held.
        maintenance_margin: Needed to keep it.
        unrealized: Open profit.
        realized: Closed profit.
    """

    cash: Decimal
    futures: Decimal
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

    def rebase(self, cash: Mapping[str, Decimal], positions: Iterable[Position]) -> None:
        """Begin anew with what was there before the first fill that can still be corrected."""
        self._base_cash = dict(cash)
        self._base_positions = {held.instrument.con_id: held for held in positions}
        self.restart()

    def _move(self, currency: str, amount: Decimal) -> None:
        self._cash[currency] = self._cash.get(currency, _ZERO) + amount

    def balances(
        self,
        price_of: Callable[[Instrument], Decimal],
        rate_of: Callable[[str], Decimal],
        underlying_of: Callable[[Instrument], Decimal | None] = lambda _: None,
    ) -> Balances:
        """Value the account.

        Args:
            price_of: Present price of an instrument.
            rate_of: Units of the base currency for one unit of a currency.
            underlying_of: Price of what an option is on; None where there is none.
        """
        cash = sum((amount * rate_of(currency) for currency, amount in self._cash.items()), _ZERO)
        futures = gross = initial = maintenance = unrealized = realized = value = _ZERO
        for position in self._positions.values():
            instrument = position.instrument
            rate, price = rate_of(instrument.currency), price_of(instrument)
            worth = position.value(price) * rate
            bound = requirement(instrument, position.quantity, price, underlying_of(instrument))
            initial += bound.initial * rate
            maintenance += bound.maintenance * rate
            unrealized += worth - (position.cost + position.fees) * rate
            realized += position.realized * rate
            if instrument.sec_type == "FUT":
                futures += worth - position.cost * rate
            elif instrument.sec_type not in _NOT_VALUED:
                value += worth
                gross += abs(worth)
        return Balances(
            cash=cash,
            futures=futures,
            gross_positions=gross,
            net_liquidation=cash + futures + value,
            initial_margin=initial,
            maintenance_margin=maintenance,
            unrealized=unrealized,
            realized=realized,
        )
