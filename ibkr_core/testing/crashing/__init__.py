"""A real program that trades over TCP and is killed with ``kill -9``, again and again, and audited.

::

    Trial (the parent): SimulatedGateway with a state file, decides when the victim dies, audits
      |  TCP                                        ^
      v                                             | the same journal
    victim (a child process): Engine with a journal, submits, modifies, cancels; a diary tells what it did

The victim dies by the parent's hand at a moment of chance, or by its own at a chosen point (:class:`Fate`):
before or after an intent is committed, between two bytes of an order, before or after a batch is written.
"""

from __future__ import annotations

from ibkr_core.testing.crashing.fate import Fate, Point
from ibkr_core.testing.crashing.trial import Report, Trial, TrialSettings

__all__ = ["Fate", "Point", "Report", "Trial", "TrialSettings"]
