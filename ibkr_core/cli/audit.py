"""Holds the engine's book against the gateway's own: two witnesses that share no code for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal

import attrs

from ibkr_core.cli.words import number
from ibkr_core.gateway import Books, OrderAccount
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["Audit", "audit"]

_ZERO = Decimal(0)
_SHOWN = Decimal("0.000000000001")
_STATUSES: Mapping[str, frozenset[OrderStatus]] = {
    "Filled": frozenset({OrderStatus.FILLED}),
    "Cancelled": frozenset({OrderStatus.CANCELLED}),
    "ApiCancelled": frozenset({OrderStatus.CANCELLED}),
    "Inactive": frozenset({OrderStatus.INACTIVE, OrderStatus.REJECTED}),
    "PendingCancel": frozenset({OrderStatus.PENDING_CANCEL}),
    "PreSubmitted": frozenset({OrderStatus.PRE_SUBMITTED, OrderStatus.PARTIALLY_FILLED}),
    "Submitted": frozenset({OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED}),
}
"""What the gateway's word lets the engine's status be."""


@attrs.frozen
class Audit:
    """What came of the comparison.

    Attributes:
        differences: Each difference in words.
        compared: What was compared, in words.
    """

    differences: tuple[str, ...]
    compared: str


def audit(records: Iterable[OrderRecord], fills: Iterable[Fill], before: Books, after: Books) -> Audit:
    """Compare orders, executions, commissions, positions and cash.

    Args:
        records: The engine's orders.
        fills: The engine's executions.
        before: The gateway's books before the first order.
        after: The gateway's books now.
    """
    records, fills = tuple(records), tuple(fills)
    accounts = {order.order_id: order for order in after.orders}
    differences = [
        *_differing_orders(records, accounts),
        *_differing_executions(fills, after),
        *_differing_positions(fills, after),
        *_differing_cash(fills, before, after),
    ]
    compared = f"{len(accounts)} orders, {len(fills)} executions, commissions, positions, cash"
    return Audit(tuple(differences), compared)


def _differing_orders(records: Iterable[OrderRecord], accounts: Mapping[int, OrderAccount]) -> Iterator[str]:
    known = {record.order_id for record in records}
    for order_id in accounts.keys() - known:
        yield f"order {order_id}: the gateway has it, the engine does not"
    for record in records:
        account = accounts.get(record.order_id)
        if account is not None:
            yield from _differing_order(record, account)
        elif record.status is not OrderStatus.REJECTED:
            yield f"order {record.order_id}: the engine has it as {record.status.value}, the gateway has none"


def _differing_order(record: OrderRecord, account: OrderAccount) -> Iterator[str]:
    if record.status not in _STATUSES.get(account.status, ()):
        yield _difference(record.order_id, "status", record.status.value, account.status or "not transmitted")
    pairs: tuple[tuple[str, object, object], ...] = (
        ("permId", record.perm_id, account.perm_id),
        ("symbol", record.contract.symbol if record.contract is not None else "", account.symbol),
        ("action", record.action, account.action),
        ("size", number(record.total_quantity), number(account.total)),
        ("filled", number(record.filled_quantity), number(account.filled)),
        ("remaining", number(record.remaining_quantity), number(account.remaining)),
        ("average price", _average(record.avg_fill_price), _average(account.average_price)),
        ("commission", number(sum(record.commissions.values(), _ZERO)), number(account.commission)),
    )
    for name, ours, theirs in pairs:
        if ours != theirs:
            yield _difference(record.order_id, name, ours, theirs)


def _difference(order_id: int, name: str, ours: object, theirs: object) -> str:
    return f"order {order_id}: {name} is {ours} in the engine and {theirs} at the gateway"


def _average(value: Decimal | None) -> str:
    return number((value or _ZERO).quantize(_SHOWN))


def _differing_executions(fills: Iterable[Fill], after: Books) -> Iterator[str]:
    ours = {fill.exec_id: _terms(fill.action or "?", fill.quantity, fill.price) for fill in fills}
    theirs = {one.exec_id: _terms(one.action, one.quantity, one.price) for one in after.executions}
    fees = {fill.exec_id: fill.commission for fill in fills}
    for exec_id in sorted(ours.keys() | theirs.keys()):
        mine, their = ours.get(exec_id, "missing"), theirs.get(exec_id, "missing")
        if mine != their:
            yield f"execution {exec_id}: {mine} in the engine and {their} at the gateway"
    for one in after.executions:
        mine, their = number(fees.get(one.exec_id)) or "unknown", number(one.commission)
        if one.exec_id in ours and mine != their:
            yield f"commission of {one.exec_id}: {mine} in the engine and {their} at the gateway"


def _terms(action: str, quantity: Decimal, at: Decimal) -> str:
    return f"{action} {number(quantity)} at {number(at)}"


def _signed(fill: Fill) -> Decimal:
    return fill.quantity if fill.action is Action.BUY else -fill.quantity


def _differing_positions(fills: Iterable[Fill], after: Books) -> Iterator[str]:
    ours: dict[str, Decimal] = {}
    for fill in fills:
        ours[fill.symbol] = ours.get(fill.symbol, _ZERO) + _signed(fill)
    held = {one.instrument.symbol for holdings in after.positions.values() for one in holdings}
    for symbol in sorted(ours.keys() | held):
        mine, theirs = ours.get(symbol, _ZERO), after.position(symbol)
        if mine != theirs:
            yield f"position in {symbol}: {number(mine)} in the engine and {number(theirs)} at the gateway"


def _differing_cash(fills: Iterable[Fill], before: Books, after: Books) -> Iterator[str]:
    """Compare cash for instruments without a multiplier, which is what the demo trades."""
    spent = {(account, "USD"): _ZERO for account in before.cash}
    for fill in fills:
        key = (fill.account, fill.commission_currency or "USD")
        spent[key] = spent.get(key, _ZERO) + _signed(fill) * fill.price + (fill.commission or _ZERO)
    for (account, currency), amount in sorted(spent.items()):
        mine = before.cash.get(account, {}).get(currency, _ZERO) - amount
        theirs = after.cash.get(account, {}).get(currency, _ZERO)
        if mine != theirs:
            yield (
                f"cash of {account} in {currency}: {number(mine)} by the engine's executions "
                f"and {number(theirs)} at the gateway"
            )
