"""The event log: every event of an engine as one JSON line, on the console, in daily files, or both.

::

    reader thread --take--> queue --> writer thread --> orders_20261121.log, console

The engine's threads only put events into a queue; formatting and writing happen on the log's own thread, and
trouble there (a full disk, a folder that cannot be written) never reaches the trading side: it is reported
once through :mod:`logging`, counted in :attr:`EventLog.lost`, and each later event tries again.

A line has these fields, and leaves out those that say nothing:

* ``timestamp`` (UTC, microseconds), ``event`` (the class name in :mod:`ibkr_core.model.events`), ``type``
  (SUBMISSION, FILL ..., see :class:`EventType`), ``seq``;
* the order as it was left: ``order_id perm_id client_id key account is_ours`` (only where it is false)
  ``symbol currency multiplier action order_type quantity limit_price aux_price status broker_status why_held
  filled_quantity remaining_quantity average_price commissions parent_id oca_group submission_time
  finished_time``, and ``first_seen_time`` where we did not submit it;
* what the event itself tells: ``previous_status``; the fill as ``exec_id fill_quantity fill_price fill_time
  exchange liquidity is_leg is_allocation commission commission_currency realized_pnl``, and ``fill_action``
  where it is not the order's; a broker message as ``code`` and ``message``; the old terms of a modification
  as ``previous_quantity``, ``previous_limit_price`` …; ``reason`` or ``error``;
* ``send_latency_us`` and ``ack_latency_us``, from submission to the last byte given to the kernel and to the
  broker's first answer, once known; ``first_fill_latency_us`` with the first fill.

Quantities, prices and money are JSON *strings* of plain digits (``"190.25"``): most readers turn JSON numbers
into binary floats, and a string stays exact in all of them. Ids, codes and microseconds are JSON numbers.
Texts outside ASCII are escaped, so that any console and any reader can take a line.
"""

from __future__ import annotations

from ibkr_core.logs.console import console_line
from ibkr_core.logs.eventlog import EventLog, EventSource
from ibkr_core.logs.fields import event_fields
from ibkr_core.logs.reader import read_events
from ibkr_core.logs.types import EventType

__all__ = ["EventLog", "EventSource", "EventType", "console_line", "event_fields", "read_events"]
