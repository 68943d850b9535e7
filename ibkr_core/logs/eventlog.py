"""The event log itself: takes events without delay, writes them on a thread of its own."""

from __future__ import annotations

import logging
import os
import queue
import threading
from collections.abc import Iterable
from datetime import UTC, tzinfo
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol, Self, TextIO

from pythonjsonlogger.json import JsonFormatter

from ibkr_core.errors import InvalidInput
from ibkr_core.listeners import Delivery, Listener, Subscription
from ibkr_core.logs.console import console_line
from ibkr_core.logs.fields import AccountMask, event_fields
from ibkr_core.logs.targets import DailyFiles, Guard, Line, Stream, Target
from ibkr_core.model import events
from ibkr_core.model.checks import check_flag, check_seconds

__all__ = ["EventLog", "EventSource"]

_log = logging.getLogger("ibkr_core.logs")

_BATCH: Final = 1000
_STOP: Final = object()
_STYLES: Final = ("json", "text")


class EventSource(Protocol):
    """What the log needs of an engine."""

    def on(self, kind: type[events.Event], listener: Listener, delivery: Delivery, /) -> Subscription:
        """Listen for events."""


class _Tap:
    """One engine's way into the log. An engine calls its listeners from one thread at a time."""

    def __init__(self, waiting: queue.SimpleQueue[Any], max_backlog: int) -> None:
        self.missed = 0
        self.is_closed = False
        self._queue = waiting
        self._max_backlog = max_backlog

    def take(self, event: events.Event) -> None:
        """Queue one event, or count it as missed. Never waits."""
        if not self.is_closed and self._queue.qsize() < self._max_backlog:
            self._queue.put(event)
            return
        self.missed += 1
        if self.missed == 1:
            why = "it is closed" if self.is_closed else f"{self._max_backlog} events wait to be written"
            _log.error("event log: an event is lost, because %s; further ones are only counted", why)


class EventLog:
    """Writes every event of an engine as one JSON line.

    Attach it before the engine is opened, so that it sees the beginning too, and close it after the engine::

        with EventLog(folder="logs", keep_days=30) as log:
            engine = Engine(client_id=1)
            log.attach(engine)
            engine.open("127.0.0.1", 4002)
            ...
            engine.close()

    An event belongs to the file of the day on which it happened, whenever it is written. The log's own thread
    runs from the beginning until :meth:`close`; no configuration of :mod:`logging` changes the lines.

    Args:
        folder: Where the daily files ``orders_YYYYMMDD.log`` go; made when it is missing. None for nowhere.
        stream: Where else lines go, such as ``sys.stdout``. None for nowhere.
        stream_style: ``json``, or ``text`` for aligned lines for people, with colours on a terminal.
        keep_days: How many days of files to keep, the newest included; older ones are deleted when a new day
            begins. None keeps all.
        max_file_bytes: From which size on a day's lines go on in ``orders_YYYYMMDD.1.log``, and so on. None
            for one file a day.
        zone: The time zone whose midnight begins a new file, and whose time lines for people show.
        mask_accounts: Whether to hide account numbers, but for their ends.
        max_backlog: How many events may wait for a slow disk. More are lost, and counted.

    Raises:
        InvalidInput: Neither a folder nor a stream, or an argument that makes no sense.
    """

    def __init__(
        self,
        *,
        folder: str | os.PathLike[str] | None = None,
        stream: TextIO | None = None,
        stream_style: str = "json",
        keep_days: int | None = None,
        max_file_bytes: int | None = None,
        zone: tzinfo = UTC,
        mask_accounts: bool = False,
        max_backlog: int = 100_000,
    ) -> None:
        if folder is None and stream is None:
            raise InvalidInput("folder", "give a folder, a stream, or both: there is nowhere to write")
        if keep_days is not None:
            _check_count("keep_days", keep_days)
        if max_file_bytes is not None:
            _check_count("max_file_bytes", max_file_bytes)
        _check_count("max_backlog", max_backlog)
        if stream_style not in _STYLES:
            raise InvalidInput("stream_style", f"must be json or text, not {stream_style!r}")
        if not isinstance(zone, tzinfo):
            raise InvalidInput("zone", f"must be a tzinfo such as ZoneInfo('America/New_York'), not {zone!r}")
        check_flag("mask_accounts", mask_accounts)
        if folder is not None and not isinstance(folder, str | os.PathLike):
            raise InvalidInput("folder", f"must be a path, not {folder!r}")
        if stream is not None and (isinstance(stream, type) or not callable(getattr(stream, "write", None))):
            raise InvalidInput("stream", f"must be a text stream such as sys.stdout, not {stream!r}")
        targets: list[Target] = []
        if folder is not None:
            targets.append(DailyFiles(Path(folder), keep_days, max_file_bytes))
        self._for_people = stream is not None and stream_style == "text"
        self._colour = False
        if stream is not None:
            targets.append(Stream(stream, for_people=self._for_people))
            self._colour = _takes_colour(stream)
        self._guards = tuple(Guard(target) for target in targets)
        self._zone = zone
        self._mask = AccountMask() if mask_accounts else None
        self._max_backlog = max_backlog
        # A field that every line has: without one the formatter would add an empty "message".
        self._formatter = JsonFormatter("%(timestamp)s")
        self._queue: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._taps: list[tuple[_Tap, Subscription]] = []
        self._is_closed = False
        self._unwritable = 0
        self._thread = threading.Thread(target=self._work, name="ibkr-core-log", daemon=True)
        self._thread.start()

    # ── taking events ───────────────────────────────────────────────────────────────────────────

    def attach(self, engine: EventSource) -> Subscription:
        """Log every event of an engine from now on.

        Returns:
            A handle; its ``close()`` ends it, and so does :meth:`close`.

        Raises:
            InvalidInput: The log is closed.
        """
        if isinstance(engine, type) or not callable(getattr(engine, "on", None)):
            raise InvalidInput("engine", f"must be an Engine, not {engine!r}")
        if self._is_closed:
            raise InvalidInput("attach", "the log is closed; make a new one")
        tap = _Tap(self._queue, self._max_backlog)
        subscription = engine.on(events.Event, tap.take, Delivery.INLINE)
        self._taps.append((tap, subscription))
        return subscription

    def flush(self, timeout_s: float = 30.0) -> bool:
        """Wait until everything taken so far is written, or lost.

        Returns:
            Whether that came about in time.
        """
        check_seconds("timeout_s", timeout_s, least_ms=0)
        reached = threading.Event()
        self._queue.put(reached)
        return not self._thread.is_alive() or reached.wait(timeout_s)

    @property
    def written(self) -> int:
        """Lines written, over the folder and the stream together."""
        return sum(guard.target.written for guard in self._guards)

    @property
    def lost(self) -> int:
        """Lines that could not be written, over both, and events that did not get as far."""
        missed = sum(tap.missed for tap, _ in self._taps)
        return missed + self._unwritable + sum(guard.lost for guard in self._guards)

    def close(self, timeout_s: float = 30.0) -> None:
        """Stop listening, write what waits, and end the thread. May be called again.

        Args:
            timeout_s: How long to wait for a disk that hangs. What was not written by then is reported.
        """
        check_seconds("timeout_s", timeout_s, least_ms=0)
        self._is_closed = True
        for tap, subscription in self._taps:
            subscription.close()
            tap.is_closed = True
        self._queue.put(_STOP)
        self._thread.join(timeout_s)
        if self._thread.is_alive():
            waiting = self._queue.qsize()
            _log.error("event log: still writing after %g s; %d events wait for it", timeout_s, waiting)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── the writer thread ───────────────────────────────────────────────────────────────────────

    def _work(self) -> None:
        is_open = True
        while is_open:
            batch = self._next_batch()
            is_open = _STOP not in batch
            self._write([item for item in batch if isinstance(item, events.Event)])
            for item in batch:
                if isinstance(item, threading.Event):
                    item.set()
        for guard in self._guards:
            guard.close()

    def _next_batch(self) -> list[Any]:
        """Wait for one item, and take along what else is there: a burst then costs few writes."""
        batch = [self._queue.get()]
        while len(batch) < _BATCH:
            try:
                batch.append(self._queue.get_nowait())
            except queue.Empty:
                break
        return batch

    def _write(self, batch: Iterable[events.Event]) -> None:
        lines = [line for event in batch if (line := self._line(event)) is not None]
        if lines:
            for guard in self._guards:
                guard.write(lines)

    def _line(self, event: events.Event) -> Line | None:
        try:
            fields = event_fields(event)
            if self._mask is not None:
                fields = self._mask(fields)
            text = self._formatter.format(logging.makeLogRecord({"msg": fields}))
            shown = console_line(fields, self._zone, colour=self._colour) if self._for_people else ""
            return Line(event.at.astimezone(self._zone).date(), text, shown)
        except Exception:  # noqa: BLE001 - one odd event must not end the log
            self._unwritable += 1
            _log.exception("event log: an event of the kind %s cannot be written", type(event).__name__)
            return None


def _takes_colour(stream: TextIO) -> bool:
    """Whether a stream is a terminal, and its owner has not asked for plain text (``NO_COLOR``)."""
    is_terminal = getattr(stream, "isatty", None)
    return is_terminal is not None and bool(is_terminal()) and not os.environ.get("NO_COLOR")


def _check_count(argument: str, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise InvalidInput(argument, f"must be a whole number of at least 1, not {value!r}")
