"""The event log for people: one aligned line an event.

::

    14:31:45.123  SUBMISSION     #7     BUY 100 AAPL LMT 190.5     submitted, key mine-7
    14:31:45.201  FILL           #7     BUY 100 AAPL LMT 190.5     40 at 190.1 on ARCA, 40 of 100 filled
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, tzinfo
from types import MappingProxyType
from typing import Any, Final

from ibkr_core.logs.types import EventType, event_type

__all__ = ["console_line", "what_happened"]

Fields = Mapping[str, Any]

_ORDER_WIDTH: Final = 6
_TERMS_WIDTH: Final = 28
_RESET: Final = "\x1b[0m"
_COLOURS: Final[Mapping[str, str]] = MappingProxyType(
    {
        EventType.SUBMISSION: "\x1b[36m",
        EventType.MODIFY: "\x1b[36m",
        EventType.FILL: "\x1b[32m",
        EventType.CANCELLATION: "\x1b[33m",
        EventType.RETRY: "\x1b[33m",
        EventType.ERROR: "\x1b[31m",
        EventType.RISK: "\x1b[1;31m",
        EventType.SESSION: "\x1b[2m",
    }
)
_SAID_ELSEWHERE: Final = frozenset(
    "timestamp event type seq mode order_id perm_id client_id key account is_ours symbol currency "
    "multiplier action order_type quantity limit_price aux_price status broker_status why_held "
    "filled_quantity remaining_quantity average_price commissions parent_id oca_group first_seen_time "
    "submission_time finished_time send_latency_us ack_latency_us first_fill_latency_us".split()
)
"""What a line of unknown kind need not repeat: the order stands before it."""


def console_line(fields: Fields, zone: tzinfo, *, colour: bool = False) -> str:
    """Put a log line's fields into one line for people.

    Args:
        fields: As :func:`~ibkr_core.logs.event_fields` makes them, or as they are read back.
        zone: In which zone to show the time.
        colour: Whether to colour it by its type, with the escape sequences that terminals know.
    """
    kind = str(fields.get("type") or event_type(str(fields.get("event", ""))).value)
    order = f"#{fields['order_id']}" if "order_id" in fields else ""
    head = f"{_clock(fields, zone)}  {kind:<13}  {order:<{_ORDER_WIDTH}} "
    unreal = "(dry run) " if fields.get("mode") == "DRY_RUN" else ""
    line = _printable(f"{head}{_terms(fields):<{_TERMS_WIDTH}}  {unreal}{what_happened(fields)}".rstrip())
    start = _COLOURS.get(kind, "") if colour else ""
    return f"{start}{line}{_RESET}" if start else line


def what_happened(fields: Fields) -> str:
    """Say what an event tells beside the order, in a few words: ``40 at 190.1 on ARCA, 40 of 100 filled``."""
    name = str(fields.get("event", "?"))
    words = _WORDS.get(name)
    return " ".join((words(fields) if words is not None else _any(name, fields)).split())


def _clock(fields: Fields, zone: tzinfo) -> str:
    text = str(fields.get("timestamp", ""))
    try:
        at = datetime.fromisoformat(text).astimezone(zone)
    except ValueError:
        return f"{text[:12]:<12}"
    return f"{at:%H:%M:%S}.{at.microsecond // 1000:03d}"


def _printable(text: str) -> str:
    """Take away what could steer a terminal: texts come from the broker."""
    return "".join(one if one.isprintable() else " " for one in text)


def _terms(fields: Fields) -> str:
    """``BUY 100 AAPL LMT 190.5``; empty where the event is about no order."""
    if "order_id" not in fields:
        return str(fields.get("symbol", ""))
    names = ("action", "quantity", "symbol", "order_type", "limit_price")
    return " ".join(str(fields[name]) for name in names if name in fields)


# ── what each kind of event tells ───────────────────────────────────────────────────────────────


def _progress(fields: Fields) -> str:
    return f"{fields.get('filled_quantity', '0')} of {fields.get('quantity', '?')} filled"


def _message(fields: Fields) -> str:
    return " ".join(str(fields[name]) for name in ("code", "message", "reason", "error") if name in fields)


def _execution(fields: Fields) -> str:
    where = f" on {fields['exchange']}" if "exchange" in fields else ""
    return f"{fields.get('fill_quantity', '?')} at {fields.get('fill_price', '?')}{where}"


def _commission(fields: Fields) -> str:
    paid = f"commission {fields.get('commission', '?')} {fields.get('commission_currency', '')}"
    return f"{paid}, realised {fields['realized_pnl']}" if "realized_pnl" in fields else paid


def _status(fields: Fields) -> str:
    held = f", held: {fields['why_held']}" if "why_held" in fields else ""
    return f"{fields.get('status', '?')}, was {fields.get('previous_status', '?')}{held}"


def _filled(fields: Fields) -> str:
    return f"FILLED {fields.get('filled_quantity', '?')} at {fields.get('average_price', '?')}"


def _corrected(fields: Fields) -> str:
    was = f"{fields.get('previous_fill_quantity', '?')} at {fields.get('previous_fill_price', '?')}"
    return f"corrected: {_execution(fields)}, was {was}; {_progress(fields)}"


def _modified(fields: Fields) -> str:
    old = [name for name in fields if name.startswith("previous_")]
    was = ", ".join(f"{name.removeprefix('previous_').replace('_', ' ')} {fields[name]}" for name in old)
    return f"works at new terms; before: {was}" if was else "works at new terms"


def _session(fields: Fields) -> str:
    trades = "orders are taken" if fields.get("can_trade") else "no orders are taken"
    expected = ", as announced" if fields.get("is_expected") else ""
    return f"{fields.get('state', '?')}: {fields.get('reason', '')} ({trades}{expected})"


def _position(fields: Fields) -> str:
    return f"position is {fields.get('told', '?')} at the broker, {fields.get('expected', '?')} by the fills"


_WORDS: Final[Mapping[str, Callable[[Fields], str]]] = MappingProxyType(
    {
        "OrderSubmitted": lambda f: f"submitted, key {f['key']}" if "key" in f else "submitted",
        "OrderAcknowledged": lambda f: f"acknowledged, permId {f.get('perm_id', '?')}",
        "OrderStatusChanged": _status,
        "ExecutionReceived": lambda f: f"{_execution(f)}, {_progress(f)}",
        "OrderPartiallyFilled": lambda f: f"partly filled: {_progress(f)}",
        "OrderFilled": _filled,
        "ExecutionCorrected": _corrected,
        "CommissionReported": _commission,
        "UnattributedExecution": lambda f: f"{_execution(f)} belongs to no order ({f.get('exec_id', '?')})",
        "CancelRequested": lambda f: f"cancel requested, {_progress(f)}",
        "CancelRefused": lambda f: f"cancel refused: {_message(f)}",
        "OrderCancelled": lambda f: f"CANCELLED, {_progress(f)}: {_message(f)}".rstrip(": "),
        "OrderRejected": lambda f: f"REJECTED: {_message(f)}".rstrip(": "),
        "OrderModified": _modified,
        "ModifyRefused": lambda f: f"modification refused: {_message(f)}",
        "OrderWarning": lambda f: f"warning: {_message(f)}",
        "OrderUncertain": lambda f: f"IN DOUBT: {_message(f)}",
        "OrderUnresolved": lambda f: f"UNRESOLVED: {_message(f)}",
        "UnownedOrderFound": lambda f: f"works under our client id and is not ours, {_progress(f)}",
        "RetryScheduled": lambda f: (
            f"is sent again in {f.get('delay_s', '?')} s (attempt {f.get('attempt', '?')}, "
            f"code {f.get('code', '?')})"
        ),
        "AnomalyDetected": lambda f: f"anomaly: {_message(f)}",
        "BrokerMessage": _message,
        "Connected": lambda f: f"connected: server {f.get('server_version')}, client {f.get('client_id')}",
        "Synchronised": lambda f: (
            f"synchronised: {', '.join(f.get('accounts', ()))}, {f.get('open_orders', 0)} open orders"
        ),
        "SessionChanged": _session,
        "Resumed": lambda f: f"resumed after {f.get('gap_s', '?')} s",
        "ConnectionLost": lambda f: f"connection lost: {_message(f)}",
        "Disconnected": lambda _: "disconnected",
        "PositionDiffers": _position,
        "TradingHalted": lambda f: f"trading HALTED: {_message(f)}",
        "UnreadableLine": lambda f: f"line {f.get('line')} of {f.get('file')} cannot be read",
    }
)


def _any(name: str, fields: Fields) -> str:
    """Say what an event tells of which nobody wrote the words: its name, and whatever it has."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name).lower()
    told = ", ".join(
        f"{one.replace('_', ' ')} {value}" for one, value in fields.items() if one not in _SAID_ELSEWHERE
    )
    return f"{words}: {told}" if told else words
