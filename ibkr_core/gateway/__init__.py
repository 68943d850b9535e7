"""A simulated IB Gateway that speaks the real wire: in memory, or as a server on 127.0.0.1.

It is an independent second opinion on everything that the engine believes: it keeps its own books and shares
no logic with :mod:`ibkr_core.lifecycle`.

::

    bytes --> protocol.Session --> desk.Desk --> venue.Venue --> exchange.Exchange --> market.Market
    bytes <-- Session.write <-- core outlet <-- choreography.Director <-- happenings, account.Account
"""

from __future__ import annotations

from ibkr_core.gateway.admin import Admin, Books, MarketHandle, OrderAccount
from ibkr_core.gateway.advisors import Advisor, AdvisorGroup
from ibkr_core.gateway.choreography import Choreography
from ibkr_core.gateway.clients import ClientRules
from ibkr_core.gateway.clock import ManualClock
from ibkr_core.gateway.core import Delivery, MemoryGateway
from ibkr_core.gateway.data_settings import DataSettings
from ibkr_core.gateway.faults.plan import FaultPlan
from ibkr_core.gateway.hours import Calendar
from ibkr_core.gateway.instruments import Catalogue, Instrument, default_catalogue
from ibkr_core.gateway.market import MarketSettings, Quote
from ibkr_core.gateway.precautions import Precautions
from ibkr_core.gateway.pricefile import PriceFile
from ibkr_core.gateway.protocol import Session
from ibkr_core.gateway.server import SessionHandle, SimulatedGateway
from ibkr_core.gateway.settings import Settings
from ibkr_core.gateway.state import GatewayState, read_state
from ibkr_core.gateway.symbols import choose, stock

__all__ = [
    "Admin",
    "Advisor",
    "AdvisorGroup",
    "Books",
    "Calendar",
    "Catalogue",
    "Choreography",
    "ClientRules",
    "DataSettings",
    "Delivery",
    "FaultPlan",
    "GatewayState",
    "Instrument",
    "ManualClock",
    "MarketHandle",
    "MarketSettings",
    "MemoryGateway",
    "OrderAccount",
    "Precautions",
    "PriceFile",
    "Quote",
    "Session",
    "SessionHandle",
    "Settings",
    "SimulatedGateway",
    "choose",
    "default_catalogue",
    "read_state",
    "stock",
]
