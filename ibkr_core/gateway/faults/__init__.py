"""What goes wrong at a gateway, on purpose: seeded, scripted, and written down.

::

    FaultPlan (chances, script) --> Injector --> Striker --> sessions, venue
                                       |
                                       +--> log of Injected

The reference of every fault is ``docs/faults.md``.
"""

from __future__ import annotations

from ibkr_core.gateway.faults.actions import (
    ACTIONS,
    Action,
    Bust,
    Correction,
    Delay,
    Disconnect,
    Drop,
    Duplicate,
    HalfOpen,
    IdRollback,
    LateCommission,
    LostEnd,
    MissingCommission,
    ModifyKills,
    Outage,
    PortChange,
    RateExceeded,
    Refuse,
    Regress,
    Reorder,
    Reset,
    Revive,
    SilentLive,
    SilentLost,
    SlowAck,
    Split,
    Stall,
)
from ibkr_core.gateway.faults.files import parse_plan, read_plan
from ibkr_core.gateway.faults.plan import Chance, Fault, FaultPlan, Injected, RateLimit, When

__all__ = [
    "ACTIONS",
    "Action",
    "Bust",
    "Chance",
    "Correction",
    "Delay",
    "Disconnect",
    "Drop",
    "Duplicate",
    "Fault",
    "FaultPlan",
    "HalfOpen",
    "IdRollback",
    "Injected",
    "LateCommission",
    "LostEnd",
    "MissingCommission",
    "ModifyKills",
    "Outage",
    "PortChange",
    "RateExceeded",
    "RateLimit",
    "Refuse",
    "Regress",
    "Reorder",
    "Reset",
    "Revive",
    "SilentLive",
    "SilentLost",
    "SlowAck",
    "Split",
    "Stall",
    "When",
    "parse_plan",
    "read_plan",
]
