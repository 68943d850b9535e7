"""ibkr_core: an order-execution engine for Interactive Brokers on the native API.

Start at :class:`Broker` for one call each, or at :class:`Engine` for everything. The simulated gateway is
:mod:`ibkr_core.gateway`.
"""

from __future__ import annotations

from ibkr_core import errors, orders
from ibkr_core._version import __version__
from ibkr_core.brackets import ScaleOutTickets, new_bracket
from ibkr_core.broker import Broker, CallbackHandle
from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.journal import Durability, Journal, JournalReader, Retention
from ibkr_core.lifecycle.groups import ExitPair
from ibkr_core.lifecycle.protecting import BreakEven
from ibkr_core.lifecycle.verdicts import CodeRule, Verdict
from ibkr_core.link.client import TwsClient
from ibkr_core.listeners import Delivery, Subscription
from ibkr_core.logs import EventLog
from ibkr_core.model import events
from ibkr_core.model.bracket import BracketLeg, BracketOrder
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.holding import Amounts, Holding
from ibkr_core.model.order import Action, OcaType, Order
from ibkr_core.model.record import OrderMessage, OrderRecord, Request
from ibkr_core.model.reference import ContractDetails, Greeks, MarketRule, OptionChain, Quote
from ibkr_core.model.results import ActionTaken, ExecutionResult, LegResult
from ibkr_core.model.session import SessionState
from ibkr_core.model.status import OrderStatus
from ibkr_core.model.strategy import Strategy, StrategyLeg
from ibkr_core.model.whatif import WhatIf
from ibkr_core.portfolio.portfolio import Portfolio
from ibkr_core.risk import Refusal, RiskContext, RiskLimits, RiskPolicy, TradingHours
from ibkr_core.settings import Backoff, EngineSettings, RestartWindow, RetryPolicy
from ibkr_core.summary import DaySummary, summarise
from ibkr_core.tickets import BracketTickets, OrderTicket

__all__ = [
    "Action",
    "ActionTaken",
    "Amounts",
    "Backoff",
    "BracketLeg",
    "BracketOrder",
    "BracketTickets",
    "BreakEven",
    "Broker",
    "CallbackHandle",
    "CodeRule",
    "ComboLeg",
    "Contract",
    "ContractDetails",
    "DaySummary",
    "Delivery",
    "Durability",
    "Engine",
    "EngineSettings",
    "EventLog",
    "ExecutionResult",
    "ExitPair",
    "Fill",
    "Greeks",
    "Holding",
    "IbkrError",
    "Journal",
    "JournalReader",
    "LegResult",
    "MarketRule",
    "OcaType",
    "OptionChain",
    "Order",
    "OrderMessage",
    "OrderRecord",
    "OrderStatus",
    "OrderTicket",
    "Portfolio",
    "Quote",
    "Refusal",
    "Request",
    "RestartWindow",
    "Retention",
    "RetryPolicy",
    "RiskContext",
    "RiskLimits",
    "RiskPolicy",
    "ScaleOutTickets",
    "SessionState",
    "Strategy",
    "StrategyLeg",
    "Subscription",
    "TradingHours",
    "TwsClient",
    "Verdict",
    "WhatIf",
    "__version__",
    "errors",
    "events",
    "new_bracket",
    "orders",
    "summarise",
]
