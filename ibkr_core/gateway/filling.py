"""Turns fills into executions, and books them."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal

import attrs

from ibkr_core.gateway import commissions
from ibkr_core.gateway.account import Account
from ibkr_core.gateway.combos import Combo, leg_prices
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Quote
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution, GatewayOrder

__all__ = ["Filler", "Totals"]

_PREFIX = "0000e0d5"
_FIRST = 0x69000000
_SMART_EXCHANGES = {
    "STK": ("IBKRATS", "ARCA", "ISLAND", "NYSE"),
    "OPT": ("CBOE", "ISE"),
    "CASH": ("IDEALPRO",),
}
_ZERO = Decimal(0)


class Totals:
    """How far each order has come in each of its instruments, while executions are counted anew."""

    def __init__(self) -> None:
        self._sums: dict[tuple[int, int, str], commissions.Fill] = {}

    def begin(self, earlier: Iterable[Execution]) -> None:
        """Count executions that stay as they are."""
        for one in earlier:
            self.add(one)

    def add(self, one: Execution) -> Execution:
        """Count one more; returns it with its cumulative quantity and average price as they are now."""
        key = one.perm_id, one.instrument.con_id, one.account
        units, turnover = self._sums.get(key, (_ZERO, _ZERO))
        units, turnover = units + one.quantity, turnover + one.quantity * one.price
        self._sums[key] = units, turnover
        return attrs.evolve(one, cumulative=units, average=turnover / units if units else _ZERO)


class Filler:
    """Makes executions.

    Args:
        accounts: Where they are booked, by code.
        executions: Where they are kept, by root.
        numbers: Where their ids come from.
        rng: Decides which exchange stands for SMART.
        now: The present, seconds since the epoch.
        quote_of: The quote of an instrument.
        divide: The accounts among which a fill is divided, with what each gets; nothing for a plain order.
    """

    def __init__(
        self,
        accounts: dict[str, Account],
        executions: dict[str, Execution],
        *,
        numbers: Numbers,
        rng: random.Random,
        now: Callable[[], float],
        quote_of: Callable[[Instrument], Quote],
        divide: Callable[[GatewayOrder, Decimal], Sequence[tuple[str, Decimal]]] = lambda *_: (),
    ) -> None:
        self._accounts = accounts
        self._executions = executions
        self._numbers = numbers
        self._rng = rng
        self._now = now
        self._quote_of = quote_of
        self._divide = divide
        self._legs: dict[str, list[Execution]] = {}

    def execute(self, order: GatewayOrder, quantity: Decimal, price: Decimal) -> Execution:
        """Book one fill of an order and make its execution; a combination is booked by its legs."""
        root = self._next_root()
        parts = self._divide(order, quantity)
        execution = self._make(
            order,
            f"{root}.01",
            order.instrument,
            order.spec.action,
            (quantity, price),
            order.executions,
            is_held=not parts,
        )
        if parts:
            self._legs[execution.root] = [self._execute_part(order, *part, price) for part in parts]
        if isinstance(order.instrument, Combo):
            self._legs[execution.root] = self._execute_legs(order, order.instrument, root, quantity, price)
        return execution

    def _next_root(self) -> str:
        root = f"{_PREFIX}.{_FIRST + self._numbers.executions:08x}"
        self._numbers.executions += 1
        return root

    def take_legs(self, execution: Execution) -> list[Execution]:
        """The executions of a combination's legs, or of the accounts of a group; given once."""
        return self._legs.pop(execution.root, [])

    def _execute_part(
        self, order: GatewayOrder, account: str, quantity: Decimal, price: Decimal
    ) -> Execution:
        """What one account gets of a fill of a group order."""
        earlier = [
            one
            for one in self._executions.values()
            if one.perm_id == order.perm_id and one.account == account
        ]
        return self._make(
            order,
            f"{self._next_root()}.01",
            order.instrument,
            order.spec.action,
            (quantity, price),
            earlier,
            account=account,
        )

    def _execute_legs(
        self, order: GatewayOrder, combo: Combo, root: str, quantity: Decimal, price: Decimal
    ) -> list[Execution]:
        made = []
        for number, (leg, at) in enumerate(
            zip(combo.legs, leg_prices(combo, order.spec.action, price, self._quote_of), strict=True), 2
        ):
            side = "BUY" if leg.weight * order.spec.sign > 0 else "SELL"
            earlier = [
                one
                for one in self._executions.values()
                if one.perm_id == order.perm_id and one.instrument is leg.instrument
            ]
            units = quantity * leg.ratio
            made.append(self._make(order, f"{root}.{number:02}", leg.instrument, side, (units, at), earlier))
        return made

    def _make(
        self,
        order: GatewayOrder,
        root: str,
        instrument: Instrument,
        action: str,
        fill: commissions.Fill,
        earlier: Sequence[Execution],
        *,
        account: str = "",
        is_held: bool = True,
    ) -> Execution:
        """Make one execution, and book it unless it is of a combination.

        Args:
            order: The order.
            root: Its id without the revision.
            instrument: What was traded.
            action: ``BUY`` or ``SELL``.
            fill: Units and price.
            earlier: What the order traded of this instrument before.
            account: Whose it is; by default the order's.
            is_held: Whether that account holds it then.
        """
        account = account or order.account
        quantity, price = fill
        fills = [(one.quantity, one.price) for one in earlier]
        cumulative = sum((units for units, _ in fills), quantity)
        turnover = sum((units * at for units, at in fills), quantity * price)
        commission, realized = _ZERO, None
        if not isinstance(instrument, Combo):
            commission = commissions.due(instrument, [*fills, fill]) - commissions.due(instrument, fills)
            signed = quantity if action == "BUY" else -quantity
            if is_held:
                realized = self._accounts[account].book(instrument, signed, price, commission).realized
        venues = _SMART_EXCHANGES.get(instrument.sec_type, ()) if order.exchange == "SMART" else ()
        execution = Execution(
            root=root,
            revision=1,
            perm_id=order.perm_id,
            order_id=order.order_id,
            client_id=order.client_id,
            account=account,
            instrument=instrument,
            action=action,
            quantity=quantity,
            price=price,
            time=self._now(),
            exchange=self._rng.choice(venues) if venues else order.exchange,
            cumulative=cumulative,
            average=turnover / cumulative,
            commission=commission,
            currency=instrument.currency,
            realized=realized,
            liquidity=1 if order.adds else 2,
            order_ref=order.spec.order_ref,
        )
        self._executions[root] = execution
        return execution
