"""What the event log says of an event: a flat mapping of plain values, account numbers hidden on request."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any, Final

import attrs

from ibkr_core.logs.types import event_type
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import WhatIfMargin
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderMessage, OrderRecord
from ibkr_core.model.session import SessionState

__all__ = ["AccountMask", "event_fields", "exact_text"]

_MICROSECOND: Final = timedelta(microseconds=1)
_LONGEST_EXPONENT: Final = 60
# Live and paper accounts of all kinds: U1234567, DU1234567, DUM123456, F1234567, DI1234567.
_ACCOUNT: Final = re.compile(r"\bD?[UFI][A-Z]{0,2}\d{5,9}\b")
_SHORTEST_TAIL: Final = 6


def event_fields(event: events.Event) -> dict[str, Any]:
    """Return what the log says of an event; see the module's text for the fields.

    An attribute that a future kind of event brings is told under its own name.
    """
    fields: dict[str, Any] = {
        "timestamp": _moment(event.at),
        "event": type(event).__name__,
        "type": event_type(type(event).__name__).value,
        "seq": event.seq,
        "mode": "DRY_RUN" if event.is_dry_run else None,
    }
    record = getattr(event, "record", None)
    if isinstance(record, OrderRecord):
        fields |= _of_record(record)
        if isinstance(event, events.OrderRejected | events.OrderCancelled) and record.reject is not None:
            fields |= _of_message(record.reject)
    for attribute in attrs.fields(type(event)):
        if attribute.name not in ("at", "seq", "is_dry_run", "record", "shown"):
            fields |= _detail(attribute.name, getattr(event, attribute.name), fields)
    if isinstance(record, OrderRecord):
        fields |= _latencies(event, record)
    return {name: value for name, value in fields.items() if value not in (None, "", [], {})}


def _of_record(record: OrderRecord) -> dict[str, Any]:
    contract = record.contract
    terms = record.order if record.order is not None else record.broker_order
    first = record.history[0].at if record.history and record.submission_time is None else None
    quantity = record.total_quantity
    if quantity is None and record.order is not None:
        quantity = record.order.quantity
    return {
        "order_id": record.order_id,
        "perm_id": record.perm_id,
        "client_id": record.client_id,
        "key": record.key,
        "account": _account(record),
        "is_ours": None if record.is_ours else False,
        "symbol": record.symbol if contract is not None else None,
        "currency": contract.currency if contract is not None else None,
        "multiplier": contract.multiplier if contract is not None else None,
        "action": record.action,
        "order_type": record.order_type,
        "quantity": exact_text(quantity),
        "limit_price": exact_text(record.limit_price),
        "aux_price": exact_text(terms.aux_price) if terms is not None else None,
        "status": record.status.value,
        "broker_status": record.broker_status,
        "why_held": record.why_held,
        "filled_quantity": exact_text(record.filled_quantity),
        "remaining_quantity": exact_text(record.remaining_quantity),
        "average_price": exact_text(record.avg_fill_price),
        "commissions": {currency: exact_text(amount) for currency, amount in record.commissions.items()},
        "parent_id": record.parent_id or None,
        "oca_group": record.oca_group,
        "first_seen_time": _moment(first) if first is not None else None,
        "submission_time": _moment(record.submission_time) if record.submission_time is not None else None,
        "finished_time": _moment(record.finished_time) if record.finished_time is not None else None,
    }


def _account(record: OrderRecord) -> str:
    """Say where an order is booked, by the surest source that there is."""
    told = [fill.account for fill in record.fills[-1:]]
    told += [terms.account for terms in (record.broker_order, record.order) if terms is not None]
    return next((account for account in told if account), "")


def _detail(name: str, value: object, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields of one attribute that only some kinds of events have."""
    match value:
        case Enum() if name in ("current", "previous"):
            return _of_stage(name, value)
        case Contract():
            return {"symbol": value.symbol, "con_id": value.con_id or None}
        case Fill():
            return _of_fill(value, known) if name == "fill" else _of_old_fill(name, value)
        case OrderMessage():
            return _of_message(value)
        case Order():
            return _of_old_terms(name, value, known)
        case WhatIfMargin():
            figures = attrs.asdict(value).items()
            return {f"{name}_{figure}": _plain(amount) for figure, amount in figures}
        case -1 if name == "request_id":  # the broker's way to say: about no request
            return {}
        case _:
            return {"reason" if name in ("what", "why") else name: _plain(value)}


def _of_stage(name: str, stage: Enum) -> dict[str, Any]:
    """Return where something stands now, or stood before; a session's state is no order's status."""
    what = "state" if isinstance(stage, SessionState) else "status"
    return {what if name == "current" else f"{name}_{what}": stage.value}


def _of_fill(fill: Fill, known: Mapping[str, Any]) -> dict[str, Any]:
    fields = {
        "account": fill.account or known.get("account"),
        "exec_id": fill.exec_id,
        "fill_quantity": exact_text(fill.quantity),
        "fill_price": exact_text(fill.price),
        "fill_time": _moment(fill.time) if fill.time is not None else fill.time_text,
        "exchange": fill.exchange,
        "liquidity": fill.liquidity,
        "is_leg": fill.is_leg or None,
        "is_allocation": fill.is_allocation or None,
        "commission": exact_text(fill.commission),
        "commission_currency": fill.commission_currency if fill.commission is not None else None,
        "realized_pnl": exact_text(fill.realized_pnl),
    }
    if fill.action is not None and fill.action.value != known.get("action") and "order_id" in known:
        fields["fill_action"] = fill.action.value  # a leg of a combo, a short sale
    if "order_id" not in known:  # an execution of nobody's order tells for itself
        fields |= {"symbol": fill.symbol, "action": fill.action.value if fill.action is not None else None}
    return fields


def _of_old_fill(name: str, fill: Fill) -> dict[str, Any]:
    return {
        f"{name}_exec_id": fill.exec_id,
        f"{name}_fill_quantity": exact_text(fill.quantity),
        f"{name}_fill_price": exact_text(fill.price),
    }


def _of_message(message: OrderMessage) -> dict[str, Any]:
    # Code 0 is no code of the broker: the reason came inside an openOrder.
    return {
        "code": message.code or None,
        "message": message.message.strip(),
        "advanced_reject": message.advanced_reject,
    }


def _of_old_terms(name: str, order: Order, known: Mapping[str, Any]) -> dict[str, Any]:
    """Return those old terms that the modification changed."""
    old = {
        "quantity": exact_text(order.quantity),
        "order_type": order.order_type,
        "limit_price": exact_text(order.limit_price),
        "aux_price": exact_text(order.aux_price),
    }
    return {f"{name}_{term}": value for term, value in old.items() if value != known.get(term)}


def _latencies(event: events.Event, record: OrderRecord) -> dict[str, Any]:
    start = record.submission_time
    if start is None:
        return {}
    fields = {
        "send_latency_us": _microseconds(start, record.sent_time),
        "ack_latency_us": _microseconds(start, record.acknowledged_time),
    }
    told_by = events.ExecutionReceived | events.OrderPartiallyFilled | events.OrderFilled
    if isinstance(event, told_by) and event.fill is not None and len(record.fills) == 1:
        fields["first_fill_latency_us"] = _microseconds(start, event.at)
    return fields


def _microseconds(start: datetime, end: datetime | None) -> int | None:
    """Return the span, None where it is not known: the wall clock was set back, for one."""
    if end is None or end < start:
        return None
    return (end - start) // _MICROSECOND


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def exact_text(value: Decimal | None) -> str | None:
    """Write a number exactly, as plain digits without trailing zeros: ``190.25``, ``300``."""
    if value is None:
        return None
    exponent = value.as_tuple().exponent
    if not isinstance(exponent, int) or abs(exponent) > _LONGEST_EXPONENT:
        return str(value)  # NaN, or an absurdity whose plain digits would fill the disk
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _plain(value: object) -> object:
    """Turn any value into one that JSON has."""
    match value:
        case None | bool() | int() | str():
            return value
        case float():  # a span of time; money is Decimal
            return value if math.isfinite(value) else str(value)
        case Decimal():
            return exact_text(value)
        case datetime():
            return _moment(value)
        case Enum():
            return value.value
        case Mapping():
            return {str(key): _plain(one) for key, one in value.items()}
        case Iterable():
            return [_plain(one) for one in value]
        case _:
            return str(value)


class AccountMask:
    """Hides account numbers, but for their first two and last three characters.

    Numbers are known by their form, or because an event named them as an account.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def __call__(self, fields: dict[str, Any]) -> dict[str, Any]:
        """Return the fields without account numbers, in whatever text they stand."""
        for account in (fields.get("account"), *fields.get("accounts", ())):
            if account:
                self._known.setdefault(str(account), self._hidden(str(account)))
        return {name: self._clean(value) for name, value in fields.items()}

    def _clean(self, value: object) -> object:
        match value:
            case str():
                for account, hidden in self._known.items():
                    value = value.replace(account, hidden)
                return _ACCOUNT.sub(lambda found: self._hidden(found[0]), value)
            case list():
                return [self._clean(one) for one in value]
            case dict():
                return {name: self._clean(one) for name, one in value.items()}
            case _:
                return value

    @staticmethod
    def _hidden(account: str) -> str:
        return f"{account[:2]}***{account[-3:]}" if len(account) >= _SHORTEST_TAIL else "***"
