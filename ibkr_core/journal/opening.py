"""What a journal can be opened with."""

from __future__ import annotations

import os
import threading

from ibkr_core.errors import InvalidInput
from ibkr_core.journal.retention import Retention
from ibkr_core.journal.store import Durability
from ibkr_core.model.checks import check_flag, check_whole

__all__ = ["check_open"]


def check_open(
    path: object,
    client_id: object,
    clock: object,
    durability: object,
    retention: object,
    batch_s: object,
    start_writer: object,
    intent_log: object,
) -> None:
    """Check the arguments of ``Journal.open``, which documents them.

    Raises:
        InvalidInput: One breaks a rule.
    """
    if not isinstance(path, str | os.PathLike) or path == "":
        raise InvalidInput("path", f"must be a path, not {path!r}")
    check_whole("client_id", client_id, least=0)
    if isinstance(clock, type) or not callable(getattr(clock, "now", None)):
        raise InvalidInput("clock", f"must be a Clock, not {clock!r}")
    if not isinstance(durability, Durability):
        raise InvalidInput("durability", f"must be a Durability, not {durability!r}")
    if retention is not None and not isinstance(retention, Retention):
        raise InvalidInput("retention", f"must be a Retention, not {retention!r}")
    is_number = isinstance(batch_s, int | float) and not isinstance(batch_s, bool)
    if not is_number or not 0 <= batch_s < threading.TIMEOUT_MAX:  # type: ignore[operator]  # a number, as just seen
        raise InvalidInput("batch_s", f"must be a number of seconds of at least 0, not {batch_s!r}")
    check_flag("start_writer", start_writer)
    check_flag("intent_log", intent_log)
