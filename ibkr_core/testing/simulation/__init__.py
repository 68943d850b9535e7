"""The engine and the gateway in one process, with no thread, no socket, and a clock that is turned by hand.

A seed decides everything: what is ordered, what goes wrong, when the program is killed. So a run that found a
fault finds it again.

::

    World: clock, wire with latency --> Engine (with a journal) --> MemoryGateway (with faults)
      |                                                                    |
    Trader: random wishes, crashes                                 Auditor: books against books
"""

from __future__ import annotations

from ibkr_core.testing.simulation.auditor import Finding, audit, audit_holdings
from ibkr_core.testing.simulation.trader import Outcome, Scenario, play
from ibkr_core.testing.simulation.world import Killed, World

__all__ = ["Finding", "Killed", "Outcome", "Scenario", "World", "audit", "audit_holdings", "play"]
