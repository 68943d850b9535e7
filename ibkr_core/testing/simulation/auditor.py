"""The auditor: knows nothing of the engine's logic, and compares its orders with the gateway's own books."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from decimal import Decimal

import attrs

from ibkr_core.gateway import Books, OrderAccount
from ibkr_core.gateway.account import Position
from ibkr_core.model.holding import Holding
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["Finding", "audit", "audit_holdings"]

_FILLED = {OrderStatus.FILLED}
_DEAD = {OrderStatus.CANCELLED, OrderStatus.REJECTED}
_ZERO = Decimal(0)
_NEAR = Decimal("0.000001")
"""Both round an average to ten decimals, each at its own place."""
_NEVER_THERE = {OrderStatus.REJECTED, OrderStatus.CANCELLED}


@attrs.frozen
class Finding:
    """Something that must not be.

    Attributes:
        key: The order's client key.
        what: What is wrong.
    """

    key: str
    what: str

    def __str__(self) -> str:
        """``key: what``."""
        return f"{self.key}: {self.what}"


def audit(
    records: Iterable[OrderRecord],
    books: Books,
    *,
    client_id: int,
    wanted: Mapping[str, bool],
) -> tuple[Finding, ...]:
    """Compare the engine's orders with the gateway's.

    Args:
        records: The engine's orders, after all has come to rest.
        books: The gateway's.
        client_id: Whose orders are judged.
        wanted: For each client key that was ever submitted, whether the submit call returned: then the
            engine must know the order.
    """
    findings: list[Finding] = []
    theirs = [order for order in books.orders if order.client_id == client_id]
    ours = {record.key: record for record in records if record.is_ours and record.key}
    for key, count in Counter(order.order_ref for order in theirs).items():
        if count > 1:
            findings.append(Finding(key, f"the gateway has {count} orders with this key: it was sent twice"))
    ids = Counter(record.order_id for record in ours.values())
    findings += [Finding(str(key), f"{count} orders have this id") for key, count in ids.items() if count > 1]
    for key, returned in wanted.items():
        if returned and key not in ours:
            findings.append(Finding(key, "was submitted, and the engine has forgotten it"))
    known = {order.order_ref: order for order in theirs}
    for order in theirs:
        record = ours.get(order.order_ref)
        if record is None:
            findings.append(Finding(order.order_ref, "lives at the gateway, and the engine does not know it"))
            continue
        findings += [Finding(order.order_ref, what) for what in _compare(record, order)]
    for key, record in ours.items():
        if key not in known and record.status not in _NEVER_THERE:
            findings.append(Finding(key, f"is {record.status.value} here, and the gateway never had it"))
    return tuple(findings)


def audit_holdings(holdings: Iterable[Holding], books: Books) -> tuple[Finding, ...]:
    """Compare what the engine holds, by average cost, with the gateway's positions.

    Args:
        holdings: The engine's, flat ones too, after all has come to rest.
        books: The gateway's.
    """
    ours = {(one.account, one.contract.con_id): one for one in holdings}
    theirs = {
        (code, held.instrument.con_id): held
        for code, all_held in books.positions.items()
        for held in all_held
    }
    findings = []
    for key in sorted(ours.keys() | theirs.keys()):
        mine, held = ours.get(key), theirs.get(key)
        quantity = held.quantity if held is not None else _ZERO
        name = f"position {key[0]} #{key[1]}"
        if (mine.quantity if mine is not None else _ZERO) != quantity:
            findings.append(Finding(name, f"is {mine.quantity if mine else 0} here, and {quantity} there"))
        elif mine is not None and held is not None:
            findings += [Finding(name, what) for what in _compare_costs(mine, held)]
    return tuple(findings)


def _compare_costs(mine: Holding, theirs: Position) -> Iterable[str]:
    if mine.unknown_quantity or mine.unpriced_quantity or mine.awaited_fees:
        yield f"has something missing: {mine}"
    elif (
        abs(mine.cost - theirs.cost) > _NEAR or abs(mine.fees.get(mine.currency, _ZERO) - theirs.fees) > _NEAR
    ):
        yield f"costs {mine.cost} and {dict(mine.fees)} here, {theirs.cost} and {theirs.fees} there"
    elif abs(mine.realised[mine.currency] - theirs.realized) > _NEAR:
        yield f"earned {mine.realised[mine.currency]} here, and {theirs.realized} there"


def _compare(record: OrderRecord, order: OrderAccount) -> Iterable[str]:
    if order.perm_id and record.perm_id not in (None, order.perm_id):
        yield f"has the permId {record.perm_id} here and {order.perm_id} there"
    if record.filled_quantity != order.filled:
        yield f"filled {record.filled_quantity} here and {order.filled} there"
    executed = sum((fill.quantity for fill in record.fills), Decimal(0))
    if executed != order.filled:
        yield f"executions come to {executed} here and {order.filled} there"
    elif order.filled and record.avg_fill_price is not None:
        paid_here = sum((fill.quantity * fill.price for fill in record.fills), Decimal(0))
        paid_there = sum((one.quantity * one.price for one in order.executions), Decimal(0))
        if paid_here != paid_there:
            yield f"{paid_here} was paid here and {paid_there} there"
    yield from _compare_status(record, order)
    yield from _compare_commissions(record, order)


def _compare_status(record: OrderRecord, order: OrderAccount) -> Iterable[str]:
    status, word = record.status, order.status
    fits = {
        "Filled": status in _FILLED,
        "Cancelled": status in _DEAD,
        "ApiCancelled": status in _DEAD,
        "Inactive": status in _DEAD or status is OrderStatus.INACTIVE,
        "": status not in _FILLED,
    }.get(word, status.is_working or status is OrderStatus.PENDING_SUBMIT)
    if not fits:
        yield f"is {status.value} here and {word or 'not transmitted'} there"


def _compare_commissions(record: OrderRecord, order: OrderAccount) -> Iterable[str]:
    """Every commission that was told must be the right one; one that never was told cannot be known."""
    charged = {f"{one.root}.{one.revision:02d}": one.commission for one in order.executions}
    for fill in record.fills:
        there = charged.get(fill.exec_id)
        if there is None:
            yield f"execution {fill.exec_id} is not in the gateway's books"
        elif fill.commission is not None and fill.commission != there:
            yield f"execution {fill.exec_id} cost {fill.commission} here and {there} there"
