"""The table of bad input: what must be refused, what works, and where a name means more than its type.

:mod:`tests.test_bad_input` finds the public functions and their arguments by itself, and spoils one argument
at a time with the values of its kind.
"""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from concurrent.futures import Future
from datetime import UTC, date, datetime, time
from decimal import Decimal
from random import Random
from types import MappingProxyType
from typing import Any, Final

from ibkr_core import (
    ComboLeg,
    Contract,
    ContractDetails,
    ExitPair,
    MarketRule,
    Order,
    OrderRecord,
    OrderStatus,
    Quote,
    Strategy,
    Verdict,
    events,
    new_bracket,
    orders,
)
from ibkr_core.clock import SystemClock
from tests.engine.rig import STOCK

NAN, INF = float("nan"), float("inf")
NO = object()
"""Of no type that anything takes."""

# ── what is wrong ─────────────────────────────────────────────────────────────────────────────────

WORDS = (
    r"must|say |is no |is not |is beyond|no such|cannot|needs|at least|unknown|know|give|nothing|there are"
)
"""At least one of these is in every rule that says what is wrong."""

_NUMBER = (None, "ten", "", True, [], NO, NAN, "NaN", INF, "-Infinity", Decimal("sNaN"), "1e40", "9" * 40)
_WHOLE = (None, "7", 1.5, True, NAN, INF, [], NO, Decimal(1))
_TEXT = (None, 7, b"x", True, [], NO)

KINDS: Final[Mapping[str, tuple[Any, ...]]] = MappingProxyType(
    {
        "number": _NUMBER,
        "above zero": (*_NUMBER, 0, -1, "-0.5"),
        "not negative": (*_NUMBER, -1, "-0.5"),
        "whole": _WHOLE,
        "not negative whole": (*_WHOLE, -1),
        "count": (*_WHOLE, -1, 0),
        "limits": (True, NO, "ten", [NO], NAN, (), ("1", "2")),
        "type": (None, 7, b"x", True, [], NO),
        "days or none": ("7", 1.5, True, NAN, INF, [], NO, Decimal(1), 0, -1),
        "id": (*_WHOLE, -1, 0, 999_999),
        "text": _TEXT,
        "name": (*_TEXT, "", "  "),
        "word": (*_TEXT, "", "nonsense"),
        "seconds": (None, "5", True, NAN, INF, -1, [], NO, 1e300),
        "flag": (None, "yes", 1, 0, [], NO),
        "function": (None, 7, "print", NO),
        "moment": ("today", 7, True, datetime(2026, 11, 20, 12, 0), NO),  # noqa: DTZ001 - one without a zone
        "contract": (None, "AAPL", 7, {}, NO, Order.market("BUY", 1)),
        "symbol": (None, "", "  ", 7, True, {}, NO, Order.market("BUY", 1)),
        "order": (None, "BUY", 7, {}, NO, STOCK),
        "things": (7, True, NO, "ab", [NO], (None,)),
        "some": (7, True, NO, [NO], (None,)),
        "thing": ("ab", 7, True, NO, []),
        "expiry": (None, "", "tomorrow", 20261218, "20261332", True, NO),
    }
)
"""Wrong values, by what an argument is."""

ANNOTATIONS: Final = (
    ("Child", "number"),
    ("Symbol", "symbol"),
    ("str | date", "expiry"),
    ("Callable", "function"),
    ("Iterable", "things"),
    ("Sequence", "things"),
    ("tuple", "things"),
    ("frozenset", "things"),
    ("Mapping", "thing"),
    ("Contract", "contract"),
    ("Numeric", "number"),
    ("Decimal", "number"),
    ("Order", "order"),
    ("datetime", "moment"),
    ("bool", "flag"),
    ("float", "seconds"),
    ("int", "whole"),
    ("str", "text"),
)
"""The kind that an annotation stands for: the first that is in it; anything else is a "thing"."""


def kind_of(annotation: str) -> str:
    return next(
        (kind for word, kind in ANNOTATIONS if re.search(rf"\b{re.escape(word)}\b", annotation)), "thing"
    )


# ── what is right ─────────────────────────────────────────────────────────────────────────────────

UID = "7f2f9f5e-4b43-4b43-8b43-4b434b434b43"
AT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
BUY = Order.limit("BUY", 10, "50")
STOP = Order.stop("SELL", 10, "40")
BRACKET = new_bracket(BUY, take_profit="60", stop_loss="40")
HELD = Strategy.single(STOCK)
OPTION = Strategy.single(Contract.option("SPY", "20261218", 600, "C"))
GRID = MarketRule.of_step("0.01")
RECORD = OrderRecord(order_id=1)

GOOD: Final[dict[str, Any]] = {
    "action": "BUY",
    "action_taken": "CLOSED",
    "algo": orders.Adaptive(),
    "ask": "101",
    "at": AT,
    "attempt": 1,
    "beta": "0.5",
    "bid": "100",
    "bracket": BRACKET,
    "call_strike": "110",
    "callback": print,
    "cancel": Verdict.ASK,
    "cash_quantity": 1000,
    "chance": Random(1),  # noqa: S311 - no secret
    "change_amount": "0.1",
    "change_percent": "2",
    "client_id": 7,
    "clock": SystemClock(),
    "component_size": 10,
    "con_id": 265598,
    "conditions": orders.TimeCondition(time="20261120-15:00:00"),
    "contract": STOCK,
    "created_at": AT,
    "currency": "USD",
    "day": date(2026, 11, 20),
    "delta": 50,
    "delta_pct_vol": "0.1",
    "details": ContractDetails(contract=STOCK),
    "dial": print,
    "discretionary_amount": "0.1",
    "engine": print,
    "display_size": 5,
    "end": "16:00",
    "end_pct_vol": "0.2",
    "entry_contract": STOCK,
    "exchange": "SMART",
    "expiry": "20261218",
    "factor": 2,
    "far_expiry": "20270115",
    "future": Future(),
    "gate": print,
    "grid": GRID,
    "identifier": "US0378331005",
    "idle": Verdict.ASK,
    "increment": "0.01",
    "initial_size": 5,
    "is_more": True,
    "key": "k",
    "kind": events.OrderFilled,
    "leg": HELD.legs[0],
    "leg_prices": ("1", "2"),
    "legs": HELD.legs,
    "limit_offset": "0.1",
    "limit_price": "50",
    "listener": print,
    "long_call": "115",
    "long_put": "90",
    "long_strike": "100",
    "max_pct_vol": "0.1",
    "method": "fifo",
    "min_pct_vol": "0.1",
    "modify": Verdict.ASK,
    "moment": AT,
    "name": "Algo",
    "near_expiry": "20261218",
    "new": Verdict.ASK,
    "new_dte": 30,
    "offset": "0.1",
    "order": BUY,
    "order_ref": "mine",
    "orders": ((STOCK, BUY), (STOCK, BUY)),
    "pair": "EUR.USD",
    "pairs": (ExitPair(10, "60", "40"),),
    "parent": BUY,
    "parent_id": 1,
    "pattern": "AA",
    "pct_vol": "0.1",
    "percent": 10,
    "perm_id": 1,
    "price": "50",
    "price_increment": "0.1",
    "prices": {},
    "put_strike": "90",
    "quantity": 10,
    "quote": Quote(contract=STOCK, at=AT),
    "rates": {},
    "ratio": 1,
    "reason": "a test",
    "record": RECORD,
    "records": (RECORD,),
    "reference_change_amount": "0.1",
    "reference_con_id": 265598,
    "right": "C",
    "rule_id": 26,
    "short_call": "110",
    "short_put": "95",
    "short_strike": "105",
    "side": "BUY",
    "start": "09:30",
    "start_pct_vol": "0.1",
    "starting_price": "10",
    "steps": GRID.steps,
    "stop_loss": "40",
    "stop_price": "40",
    "strategy": HELD,
    "strike": "100",
    "success": True,
    "symbol": "AAPL",
    "take_profit": "60",
    "time": "20261120-15:00:00",
    "time_between_orders": 60,
    "transport": None,
    "trigger_price": "60",
    "uid": UID,
    "uids": (UID, UID, UID),
    "verdict": Verdict.ASK,
    "volume": 1000,
    "wanted": frozenset((OrderStatus.FILLED,)),
    "why": "a test",
    "zone": UTC,
    # where one name means different things
    "BracketOrder.parent": BRACKET.parent,
    "BracketOrder.take_profit": BRACKET.take_profit,
    "BracketOrder.plan.take_profit": BRACKET.take_profit.order if BRACKET.take_profit else None,
    "BracketOrder.plan.stop_loss": STOP,
    "Contract.combo.legs": (ComboLeg(1), ComboLeg(2)),
    "LegResult.wanted": 0,
    "RestartWindow.at": time(23, 45),
    "Engine.roll_position.strategy": OPTION,
    "Broker.roll_position.strategy": OPTION,
    "Retention.before.days": 1,
    "Retention.before.now": AT,
    "orders.scaled.order": BUY,
    "summarise.orders": (RECORD,),
}
"""A value that works, by the argument's name or the whole label."""

BESIDE: Final[Mapping[str, dict[str, Any]]] = {
    "Broker.execute_bracket_order": {"take_profit": "60"},
    "Broker.execute_trailing_stop_order": {"trailing_amount": "1"},
    "Broker.modify_order": {"limit_price": "91"},
    "Engine.modify": {"limit_price": "91"},
    "Engine.replace": {"limit_price": "91"},
    "OrderTicket.modify": {"limit_price": "91"},
    "EventLog": {"stream": io.StringIO()},
    "BracketOrder": {"take_profit": BRACKET.take_profit},
    "BracketOrder.plan": {"stop_loss": STOP},
    "new_bracket": {"stop_loss": "40"},
    "Order.trailing_stop": {"trailing_amount": "1"},
    "orders.trailing_stop": {"trailing_amount": "1"},
    "orders.trailing_stop_limit": {"trailing_amount": "1", "limit_offset": "0.1"},
    "orders.trailing_market_if_touched": {"trailing_amount": "1"},
    "orders.trailing_limit_if_touched": {"trailing_amount": "1"},
    "orders.adjusted_to_trail": {"order": STOP, "trailing_amount": "1"},
    "orders.adjusted_to_trail_limit": {"order": STOP, "trailing_amount": "1"},
}
"""What has to be given although it is optional."""

STRICTER: Final[Mapping[str, str]] = {
    "order_id": "id",
    "BracketLeg.order_id": "not negative whole",
    "BracketLeg.parent_id": "not negative whole",
    "Broker.cancel_order.order_id": "whole",  # False for an order that nobody knows
    "Engine.cancel_order.order_id": "whole",
    "Engine.history.order_id": "whole",
    "Engine.history.symbol": "text",
    "JournalReader.order_id": "whole",
    "JournalReader.symbol": "text",
    "JournalReader.kinds": "things",
    "Broker.place_bracket_order.entry_contract": "symbol",
    "Engine.place_bracket_order.tp_contract": "contract",
    "Engine.place_bracket_order.sl_contract": "contract",
    "limit_prices": "limits",
    "order_type": "type",
    "tif": "type",
    "ExecutionResult.notes": "some",
    "Engine.dry_run.accounts": "some",
    "max_order_size": "above zero",
    "max_notional": "above zero",
    "max_position": "above zero",
    "max_loss": "above zero",
    "collar_percent": "above zero",
    "collar_ticks": "above zero",
    "hours": "things",
    "orders.OtherAlgo.parameters": "some",
    "Order.conditions": "some",
    "Retention.before.days": "days or none",
    "perm_id": "id",
    "side": "word",
    "symbol": "symbol",
    "Contract.symbol": "text",
    "tp_contract": "symbol",
    "sl_contract": "symbol",
    "entry_contract": "contract",
}
"""Kinds by argument, where its name means more than its type."""


NOT_ASKED: Final[Mapping[str, str]] = {
    "JournalReader.query": "SQL of the caller's own; SQLite judges it",
    "JournalReader.inputs": "for tools: it begins to read only when it is iterated over",
}
"""Functions without rows, and why."""

MADE_BY_THE_ENGINE: Final = frozenset(
    """
    BracketTickets CallbackHandle ContractDetails DaySummary Fill Greeks Holding Journal JournalReader
    OptionChain OrderMessage OrderRecord OrderTicket Portfolio Quote Refusal RiskContext ScaleOutTickets
    Subscription TwsClient WhatIf
    """.split()
)
"""Public classes that callers are given and do not make; what of their methods is asked has rows."""
