"""Our positions and profits beside the broker's: what differs, and by how much. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Context, Decimal

import attrs

from ibkr_core.model.account import ProfitAndLoss
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.holding import Holding
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.said import money, plain, said
from ibkr_core.portfolio.books import Key

__all__ = [
    "Allocation",
    "PositionDifference",
    "ProfitComparison",
    "allocations_of",
    "compare_profit",
    "differences",
]

_ZERO = Decimal(0)
_QUOTIENT = Context(prec=28, traps=[])


@attrs.frozen
class PositionDifference:
    """A position that the broker counts otherwise than we do.

    Attributes:
        account: The account.
        contract: What is held.
        expected: By us.
        told: By the broker.
    """

    account: str
    contract: Contract
    expected: Decimal
    told: Decimal

    def __str__(self) -> str:
        """One line for people: ``DU1 AAPL: 10 by us, 12 by the broker``."""
        counts = f"{plain(self.expected)} by us, {plain(self.told)} by the broker"
        return f"{self.account} {said(self.contract.name)}: {counts}"


@attrs.frozen
class ProfitComparison:
    """What is open in a holding, valued by us and by the broker at the broker's own price.

    Attributes:
        holding: Ours.
        told: The broker's figures for it.
        price: The price at which the broker values it; None where it did not say, or nothing is held.
        unrealised: Ours at that price, in the contract's currency; None where it cannot be known.
    """

    holding: Holding
    told: ProfitAndLoss
    price: Decimal | None
    unrealised: Decimal | None

    @property
    def difference(self) -> Decimal | None:
        """How much more the broker counts as unrealised; None where either does not tell.

        It comes from cost alone: of what was there before our fills, of commissions that are still to be
        reported, or of another way to match purchases and sales.
        """
        if self.unrealised is None or self.told.unrealized is None:
            return None
        return EXACT.subtract(self.told.unrealized, self.unrealised)

    def __str__(self) -> str:
        """One line for people: ``DU1 AAPL 10 at 190.25: unrealised -2.00 by us, -3.00 by the broker``."""
        told = self.told.unrealized
        ours, theirs = ("?" if one is None else money(one) for one in (self.unrealised, told))
        return f"{self.holding}: unrealised {ours} by us, {theirs} by the broker"


@attrs.frozen(kw_only=True)
class Allocation:
    """What one account got of an advisor's group order.

    Attributes:
        account: Its code.
        quantity: Units.
        average_price: Quantity-weighted, without multiplier.
        commissions: By currency, as far as reported.
    """

    account: str
    quantity: Decimal
    average_price: Decimal
    commissions: Mapping[str, Decimal] = attrs.field(hash=False)


def differences(
    before: Mapping[Key, Holding], after: Mapping[Key, Holding], told: Iterable[Position]
) -> tuple[PositionDifference, ...]:
    """Return the positions that the broker tells otherwise than we had them before and after it was asked.

    Args:
        before: Our holdings when it was asked.
        after: Our holdings when it had answered: a fill between makes either count right.
        told: Its answer.
    """
    positions = {(one.account, one.contract.con_id): one for one in told}
    found = []
    for key in sorted(positions.keys() | before.keys() | after.keys()):
        position = positions.get(key)
        quantity = position.quantity if position is not None else _ZERO
        ours = [side[key].quantity if key in side else _ZERO for side in (before, after)]
        if quantity not in ours:
            contract = position.contract if position is not None else (after.get(key) or before[key]).contract
            found.append(PositionDifference(key[0], contract, ours[1], quantity))
    return tuple(found)


def compare_profit(holding: Holding, told: ProfitAndLoss) -> ProfitComparison:
    """Value a holding at the price that the broker's figures imply."""
    units = EXACT.multiply(holding.quantity, holding.multiplier)
    if not units or told.value is None or told.position != holding.quantity:
        return ProfitComparison(holding, told, None, None)
    price = _QUOTIENT.divide(told.value, units)
    # From the value itself: the price is a quotient, and rounded.
    unrealised = None
    if not holding.unknown_quantity:
        fees = holding.fees.get(holding.currency, _ZERO)
        unrealised = EXACT.subtract(EXACT.subtract(told.value, holding.cost), fees)
    return ProfitComparison(holding, told, price, unrealised)


def allocations_of(record: OrderRecord) -> tuple[Allocation, ...]:
    """Return what each account got of a group order, by account; empty for any other order."""
    sums: dict[str, tuple[Decimal, Decimal, dict[str, Decimal]]] = {}
    for fill in record.allocation_fills:
        if fill.is_leg:
            continue
        units, value, paid = sums.get(fill.account, (_ZERO, _ZERO, {}))
        if fill.commission is not None:
            before = paid.get(fill.commission_currency, _ZERO)
            paid = {**paid, fill.commission_currency: EXACT.add(before, fill.commission)}
        sums[fill.account] = EXACT.add(units, fill.quantity), EXACT.add(value, fill.value), paid
    return tuple(
        Allocation(
            account=account,
            quantity=units,
            average_price=_QUOTIENT.divide(value, units) if units else _ZERO,
            commissions=paid,
        )
        for account, (units, value, paid) in sorted(sums.items())
    )
