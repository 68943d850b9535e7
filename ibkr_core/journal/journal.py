"""The journal as the engine uses it: record, commit before bytes leave, flush in small batches, replay."""

from __future__ import annotations

import logging
import os
import sqlite3
import threading
from collections.abc import Callable, Generator, Iterable, Iterator
from datetime import datetime
from functools import partial
from typing import Any, Final, Self

from ibkr_core.clock import Clock
from ibkr_core.errors import JournalFailed
from ibkr_core.journal.ahead import Ahead
from ibkr_core.journal.entries import Entry, Payload
from ibkr_core.journal.health import Health, Part
from ibkr_core.journal.leisure import Leisure
from ibkr_core.journal.noting import note
from ibkr_core.journal.opening import check_open
from ibkr_core.journal.packed import PackedOrders
from ibkr_core.journal.pruning import pruning
from ibkr_core.journal.reading import HistoryLine, IntegrityReport, JournalReader
from ibkr_core.journal.retention import Pruned, Retention, drained
from ibkr_core.journal.rows import clean_text
from ibkr_core.journal.store import Durability, Store, describe_failure, read_meta
from ibkr_core.journal.tables import (
    EVENTS_AT_ONCE,
    ORDERS_AT_ONCE,
    Moved,
    Tables,
    nothing,
    settle_found,
    write_moved,
)
from ibkr_core.journal.tail import INSERT_SEGMENT, oldest
from ibkr_core.journal.times import to_text
from ibkr_core.journal.writing import Intake
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.events import Event
from ibkr_core.model.facts import BrokerFact, HotValues
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.shapes import Shapes

__all__ = ["Journal"]

_LOG = logging.getLogger("ibkr_core.journal")

BATCH_S: Final = 0.02
"""How long the writer lets inputs gather."""
_IDLE_S: Final = 1.0
"""How long it sleeps while nobody wakes it."""
_ROW_BYTES: Final = 512
"""What a row that people query takes in the file, roughly."""


class Journal:
    """Everything that the book was told, in one SQLite file. Made by :meth:`open`.

    There are two stages. What was recorded is committed soon, many inputs to a row of ``tail``; when there is
    time it moves on to ``inputs``, row by row, and events, orders and fills are written. Whatever looks at
    inputs by the calls here, or by :class:`JournalReader`, sees both.

    Threads: :meth:`record` and :meth:`note_event` only append to queues in memory, and are called by one
    thread at a time (the engine's state lock sees to it). Everything else may be called from any thread.

    When writing fails, :attr:`failure` says so until it works again. What is recorded meanwhile is kept
    in memory, without a limit of our own (a lost fact is worse than a full memory), and written in order
    when the file can be written again.
    """

    def __init__(
        self, store: Store, client_id: int, clock: Clock, retention: Retention, batch_s: float, log: Ahead
    ) -> None:
        self.path = store.path
        self.client_id = client_id
        self.epoch = store.epoch
        self.retention = retention
        self._store = store
        self._clock = clock
        self._batch_s = batch_s
        self._pid = os.getpid()
        connection = store.connection
        last = int(connection.execute("SELECT coalesce(max(number), 0) FROM inputs").fetchone()[0])
        floor = int(read_meta(connection, "last_number") or 0)
        self._recorded = self._committed = self._settled = self._stored = self._filed = max(last, floor)
        high_water = int(read_meta(connection, "high_water") or 0)
        self._states: dict[str, str] = dict(connection.execute("SELECT name, value FROM state"))
        # The highest event number in the tables when this run began.
        (seq,) = connection.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
        self.events_through = int(seq)
        self._reader = JournalReader(self.path)
        self.packed = PackedOrders(self)
        # Whoever holds it owns the connection and the intake. Never taken with the state lock held.
        self._writing = threading.Lock()
        self.shapes = Shapes()  # of orders; the desk asks the same ones
        self._intake = Intake(client_id, self.epoch, high_water, self.shapes)
        self._inputs = self._intake.queue
        # Whoever holds it owns the tables' rows on their way. Taken before the other one, never after it,
        # and never with the state lock held, which is taken under it to look at orders.
        self._settling = threading.Lock()
        self._tables = Tables(connection, self.epoch)
        self._events = self._tables.notes
        self._moved: Moved | None = None
        self._is_dirty = self._is_in_doubt = self._is_woken = False
        self._wake = threading.Event()
        self._stop = threading.Event()
        self._leisure = Leisure(clock, self._stop, lambda: self.backlog)
        self._thread: threading.Thread | None = None
        self._is_closed = False
        self._health = Health(self.path, clock)
        self._log = log
        self._note_late: Callable[[], None] = nothing

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        *,
        client_id: int,
        clock: Clock,
        durability: Durability = Durability.PROCESS,
        retention: Retention | None = None,
        start_writer: bool = True,
        batch_s: float = BATCH_S,
        intent_log: bool = True,
    ) -> Journal:
        """Open a journal, or make a new one where there is no file. Its folder must exist.

        Args:
            path: The file. Beside it lie ``-wal``, ``-shm`` and ``-intents`` while it is open, and ``.lock``.
            client_id: Our API client id; a journal belongs to one.
            clock: Tells the time.
            durability: What a commit shall survive.
            retention: How long what is finished is kept; 30 days where it is not given.
            start_writer: Whether a thread of its own writes what is queued; else its owner calls `flush`.
            batch_s: How long that thread lets inputs gather before it commits them.
            intent_log: Whether a commit goes into ``-intents`` first, which is faster by far, and into the
                file some milliseconds later. Without it, and with ``Durability.POWER``, each is SQLite's.

        Raises:
            JournalInUse: Another engine writes it.
            JournalCorrupt: It is damaged.
            JournalTooNew: A newer ibkr_core wrote it.
            JournalForeign: It is no journal, or another client id's.
            JournalReadOnly: It, or its folder, cannot be written.
            JournalFailed: Anything else, such as a full disk.
            InvalidInput: An argument breaks a rule; no file is made.
        """
        check_open(path, client_id, clock, durability, retention, batch_s, start_writer, intent_log)
        store = Store(path, client_id, durability, to_text(clock.now()))
        log = Ahead(store.path)
        try:
            log.bring_in(store)
            settle_found(store)
            store.begin_run(to_text(clock.now()))
            if intent_log and durability is Durability.PROCESS:
                log.begin(store)
            journal = cls(store, client_id, clock, retention or Retention(), batch_s, log)
        except BaseException:
            log.end(is_over=False)
            store.close(None)
            raise
        if start_writer:
            journal.start()
        return journal

    def watch(
        self,
        on_failure: Callable[[JournalFailed], None],
        on_recovery: Callable[[], None],
        note_late: Callable[[], None] | None = None,
    ) -> None:
        """Have someone told when writing begins to fail, once each time, and when it works again.

        And someone asked to note what they still hold back, when somebody wants everything in the tables.
        They are called with no lock of the journal held, on the thread that noticed it, or that asks.
        """
        self._health.watch(on_failure, on_recovery)
        self._note_late = note_late or nothing

    @property
    def failure(self) -> JournalFailed | None:
        """Why it cannot be written, wholly or in part; None when it can."""
        return self._health.failure

    # ── what is stored ──────────────────────────────────────────────────────────────────────────

    @property
    def high_water(self) -> int:
        """The highest order id that this client ever used, pruned orders included, or 0."""
        return self._intake.high_water

    @property
    def recorded(self) -> int:
        """Index of the newest input, committed or not."""
        return self._recorded

    @property
    def committed(self) -> int:
        """Index up to which every input is durable."""
        return self._committed

    @property
    def filed(self) -> int:
        """Index up to which every input is in the file itself, not only in the log of intents."""
        return self._filed

    def entries(self, after: int = 0) -> Iterator[Entry]:
        """Read what was stored before this run, in the order of application.

        Args:
            after: Begin behind this index.

        Raises:
            JournalCorrupt: An entry is damaged.
        """
        return self._reader.inputs(after=after, through=self._stored)

    def query(self, statement: str, *values: Any) -> list[tuple[Any, ...]]:
        """Run a query of one's own; see :meth:`JournalReader.query`."""
        return self._reader.query(statement, *values)

    def write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Run a transaction of one's own, which must be short: an intent may have to wait for it.

        Raises:
            JournalFailed: It could not be written, and nothing of it was.
        """

        def act(connection: sqlite3.Connection) -> Callable[[], None]:
            work(connection)
            return nothing

        with self._writing:
            error = self._write(act, Part.APART)
        self._answer(error)

    def knows_key(self, key: str) -> int | None:
        """Return the order id that a client order key was committed with, also of pruned orders."""
        if self._intake.has_keys:
            with self._writing:
                self._intake.learn_keys(self._committed)
        found = self._intake.keys.find(clean_text(key))
        if found is None:
            found = self._reader.order_id_in_keys(key)
        return None if found is None else self._intake.keys.newest(found)

    def execution_ids(self) -> frozenset[str]:
        """Return the ids, without revision, of all executions that the stored inputs tell of."""
        return frozenset(ExecutionId.parse(text).base for text in self._reader.execution_ids())

    def state(self, name: str) -> str | None:
        """Return a small durable fact, None where it was never set."""
        return self._states.get(name)

    def set_state(self, name: str, text: str) -> None:
        """Keep a small durable fact, and commit it at once with all that is queued.

        Raises:
            JournalFailed: It could not be written. The fact is kept in memory, and written with the next
                batch that can be.
        """
        with self._writing:
            self._states[name] = text
            self._intake.add_state(name, text, to_text(self._clock.now()))
            error = self._write_inputs()
        self._answer(error)

    def history(
        self,
        *,
        order_id: int | None = None,
        key: str | None = None,
        symbol: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        limit: int = 1_000,
    ) -> tuple[HistoryLine, ...]:
        """Return the newest events that fit, oldest first; see :meth:`JournalReader.history`."""
        self.flush()
        return self._reader.history(
            order_id=order_id, key=key, symbol=symbol, since=since, until=until, limit=limit
        )

    def stored_keys(self, most: int) -> list[str] | None:
        """Return all client order keys in the file, those of pruned orders too; None for more than that."""
        [(count,)] = self._reader.query("SELECT count(*) FROM keys")
        return None if count > most else [row[0] for row in self._reader.query("SELECT key FROM keys")]

    def check(self) -> IntegrityReport:
        """Read the whole file and report what is wrong with it."""
        return self._reader.check()

    # ── taking in ───────────────────────────────────────────────────────────────────────────────

    def record(
        self, payload: Payload, at: datetime, seq: int, fact: BrokerFact | HotValues | None = None
    ) -> int:
        """Queue an input of the book. Never waits, never raises. Called under the engine's state lock.

        Args:
            payload: The frame, or the command, or a fact that came in no frame.
            at: The moment that the book is told.
            seq: The book's last event number before it takes this input.
            fact: What a frame was decoded to, None where it changes no order. Not stored; it tells which
                order the frame is about, which retention must know.

        Returns:
            The input's index, for :meth:`commit`.
        """
        self._recorded = index = self._recorded + 1
        self._inputs.append((index, payload, at, seq, fact))
        self._is_dirty = True
        return index

    def record_hot(self, version: int, values: HotValues, frame: bytes, at: datetime, seq: int) -> None:
        """Do as :meth:`record` for a frame that the express lane has taken."""
        self._recorded = index = self._recorded + 1
        self._inputs.append((index, frame, at, seq, values, version))  # as it is: the writer makes it flat
        self._is_dirty = True

    def note_hot(self, told: list[Event]) -> None:
        """Do as :meth:`note_event` for a frame of the express lane; its order has not changed since."""
        try:
            self._events.append_hot(told)
        except Exception:  # noqa: BLE001 - what nobody foresaw in a value must not stop the engine
            _LOG.exception("journal: no rows can be made of %d events", len(told))
        self._is_dirty = True

    def note_event(self, event: Event) -> None:
        """Queue an event for the tables that people query. Never waits, never raises.

        What its row needs is taken now, and the event is let go: called under the engine's state lock.
        """
        try:
            self._events.append(note(event))
        except Exception:  # noqa: BLE001 - what nobody foresaw in a value must not stop the engine
            _LOG.exception("journal: no row can be made of a %s", type(event).__name__)
        self._is_dirty = True

    def stir(self) -> None:
        """Wake the writer once bytes have left and listeners have run: it takes the interpreter.

        It looks by itself within a second.
        """
        if self._is_dirty and not self._is_woken:
            self._is_woken = True
            self._wake.set()

    def note_replayed(self, event: Event) -> None:
        """Queue an event that a replay makes again, unless the tables have it: a crash took the last ones."""
        (self.note_event if event.seq > self.events_through else self._tables.note_again)(event)

    def note_replayed_plain(self, told: list[Event]) -> None:
        """Do as :meth:`note_replayed` for all events of a callback that took the express lane."""
        self._tables.note_plain(told, self.events_through)

    def note_orders(self, orders: Iterable[OrderRecord]) -> None:
        """Bring the tables of orders and fills up to what a replay made: a crash can lose their last rows."""
        now = self._clock.now()
        self._tables.records.extend((record, now) for record in orders)
        self._is_dirty = True
        self.stir()

    # ── writing: what must be durable soon ──────────────────────────────────────────────────────

    def commit(self, through: int | None = None) -> None:
        """Return when everything recorded so far is durable. Calls that meet share one transaction.

        Args:
            through: The index up to which it matters; all where it is not given.

        Raises:
            JournalFailed: It is not. What is recorded stays queued and is written when that can be.
        """
        wanted = self._recorded if through is None else through
        if self._committed >= wanted:
            return
        error: JournalFailed | None = None
        with self._writing:
            if self._committed < wanted and not self._log_inputs():  # else another call took ours along
                error = self._write_inputs()
        self._answer(error)

    def _log_inputs(self) -> bool:
        """Append what is queued to the log of intents. Requires holding the write lock.

        Returns:
            Whether it is durable there. Else it has to go into the file itself, at once.
        """
        if self._is_in_doubt or self.failure is not None or self._refuse() is not None:
            return False
        through = self._log.take(self._intake)
        if through is not None:
            self._committed = max(self._committed, through)
        return through is not None

    def _write_inputs(self) -> JournalFailed | None:
        """Write all queued inputs, oldest first, as segments. Requires holding the write lock."""
        intake = self._intake
        if self._is_in_doubt:
            doubt = self._try(self._see_what_is_written, Part.INPUTS)
            if doubt is not None:
                return doubt
        try:
            intake.pack()
        except Exception as fault:  # noqa: BLE001 - ours; it must neither cost the input nor be silent
            return self._health.failed(Part.INPUTS, fault)
        if not intake.waits:
            return self._write(lambda _: nothing, Part.INPUTS) if self._health.is_in_doubt else None
        through, single = intake.through, intake.single
        self._is_in_doubt = True  # until it is known how it went: an interrupt may come before that
        self._store.wrote((intake if single is None else single).size)
        if single is not None:
            error = self._try(lambda: self._store.run(INSERT_SEGMENT, single.row), Part.INPUTS)
            if error is None:
                intake.written()
        else:
            error = self._write(intake.write, Part.INPUTS)
        if error is None and through is not None:
            self._filed = through
            self._committed = max(self._committed, through)
            self._log.shorten()
        self._is_in_doubt = False
        return error

    def _see_what_is_written(self) -> None:
        """Look whether the file has what was on its way when an interrupt came. It is not moved on before."""
        (last,) = self._store.connection.execute("SELECT max(last) FROM tail").fetchone()
        if last is not None:
            self._intake.found_written(last)
            self._filed = max(self._filed, last)
            self._committed = max(self._committed, last)
        self._is_in_doubt = False

    def _write(
        self, work: Callable[[sqlite3.Connection], Callable[[], None]], part: Part
    ) -> JournalFailed | None:
        """Run one transaction and note how it went. Requires holding the write lock."""
        return self._try(lambda: self._store.transact(work), part)

    def _answer(self, error: JournalFailed | None) -> None:
        """Tell who watches how a call went, and raise what it ended with."""
        self._health.tell()
        if error is not None:
            self._is_dirty = True  # the writer finds out whether anything else is wrong
            self._wake.set()
            raise error

    def _refuse(self) -> JournalFailed | None:
        """Return why nothing may be written ever more."""
        if not self._is_closed and os.getpid() == self._pid:
            return None
        why = "it is closed" if self._is_closed else "this is a forked child of the process that opened it"
        return JournalFailed(self.path, why, "open it again")

    def _try(self, write: Callable[[], None], part: Part) -> JournalFailed | None:
        """Write, and note how it went. Requires holding the write lock."""
        refused = self._refuse()
        if refused is not None:
            return refused
        try:
            write()
        except Exception as error:  # noqa: BLE001 - whatever it is, what was not written is not durable
            return self._health.failed(part, error)
        self._health.worked(part)
        return None

    # ── writing: what may wait until there is time ──────────────────────────────────────────────

    def flush(self) -> bool:
        """Commit all that is queued, and bring every table up to it. Never raises.

        While writing fails it tries only now and then, at growing intervals. Not called with the engine's
        state lock held, under which orders are looked at.

        Returns:
            Whether everything is in the file.
        """
        error = self.failure
        if self._health.is_time:
            self._leisure.is_urgent = True
            self._is_dirty = False
            error = self._settle(nothing, lambda: True)
        return self._end_turn(error)

    def work(self) -> bool:
        """Do a turn of the writer: commit what is queued, and the rest where there is time. Never raises.

        Whether there is time :class:`~ibkr_core.journal.leisure.Leisure` decides.

        Returns:
            Whether what was queued is durable; the tables may fail meanwhile.
        """
        error, is_time = self.failure, self._health.is_time
        if is_time or self._health.takes_inputs:
            self._is_dirty = self._leisure.is_urgent = False
            error = self._write_queued()
            if error is None and is_time and not self._is_settled and self._leisure.has_time():
                pause = nothing if self._thread is None else self._leisure.breathe
                error = self._settle(pause, self._leisure.goes_on)
        return self._end_turn(error)

    def _end_turn(self, error: JournalFailed | None) -> bool:
        self._health.tell()
        if error is not None:
            self._is_dirty = True
        elif not self._is_closed:
            self._store.shorten_log()
        return error is None

    @property
    def backlog(self) -> int:
        """How many inputs and events are still to be brought into their tables."""
        return self._filed - self._settled + len(self._tables.notes)

    @property
    def behind(self) -> int:
        """What :meth:`flush` would have to do: the backlog, and orders that a replay has shown."""
        return self.backlog + len(self._tables.records)

    @property
    def _is_settled(self) -> bool:
        """Whether the tables lack nothing of what is in the file."""
        is_settled = self._settled == self._filed and self._tables.is_empty
        if is_settled:
            self._leisure.caught_up()
        return is_settled

    def _write_queued(self) -> JournalFailed | None:
        """Write what is queued into the file; returns how it went."""
        with self._writing:
            before = self._filed
            error = self._write_inputs()
            self._leisure.count = self._filed - before
            return error

    def _settle(self, pause: Callable[[], None], goes_on: Callable[[], bool]) -> JournalFailed | None:
        """Bring the tables up to what is there now, in transactions so short that nobody waits long."""
        error = self._refuse()
        if error is None:
            self._note_late()
            error = self._write_queued()
        left, through = len(self._tables.notes), self._filed
        while error is None and goes_on():
            with self._settling:
                error = self._refuse() or self._write_ready()  # what an earlier try left
                if error is None:
                    made = self._make_slice(left, through, pause)
                    if isinstance(made, JournalFailed):
                        return made
                    if made is None:
                        self._leisure.caught_up()
                        with self._writing:
                            self._health.worked(Part.MAKING)
                        return None
                    left -= made
                    error = self._write_ready()
        return error

    def _make_slice(self, left: int, through: int, pause: Callable[[], None]) -> int | JournalFailed | None:
        """Make the rows of one transaction; returns of how many events, None where nothing is left."""
        tables = self._tables
        try:
            if left > 0 and tables.notes:
                return tables.make_events(min(left, EVENTS_AT_ONCE), pause)
            if tables.make_fills():
                return 0
            if tables.has_orders:
                tables.look(ORDERS_AT_ONCE, pause)
                with self._writing:
                    tables.find_rows()
                tables.make_orders(pause)
                return 0
            if self._settled < through:
                with self._writing:
                    segments = oldest(self._store.connection)
                self._moved = Moved.take_apart(segments, pause)
                tables.ready.append(partial(write_moved, moved=self._moved))
                return 0
        except Exception as fault:  # noqa: BLE001 - whatever it is, it must not be silent
            with self._writing:
                return self._health.failed(Part.MAKING, fault)
        return None

    def _write_ready(self) -> JournalFailed | None:
        """Write what was made. What it follows from is committed before it."""
        error = self._write_queued()
        if error is not None or not self._tables.ready:
            return error
        with self._writing:
            error = self._write(self._write_rows, Part.ROWS)
        self._store.wrote(EVENTS_AT_ONCE * _ROW_BYTES)
        return error

    def _write_rows(self, connection: sqlite3.Connection) -> Callable[[], None]:
        forget = self._tables.write(connection)

        def written() -> None:
            forget()
            moved, self._moved = self._moved, None
            if moved is not None:
                self._settled = moved.last
                self._intake.keys.settled(moved.last)

        return written

    # ── retention ───────────────────────────────────────────────────────────────────────────────

    def prune(self, now: datetime, orders: Iterable[OrderRecord]) -> int:
        """Drop what is older than the retention allows, in transactions so short that nobody waits long.

        A replay gives the same for all orders that stay. Keys and the high-water mark stay for ever.

        Args:
            now: The moment.
            orders: All orders of the book. They say what is finished; the journal does not guess.

        Returns:
            How many inputs were dropped.

        Raises:
            JournalFailed: It could not be written. What was dropped so far is dropped by whole families.
        """
        return drained(self.pruning(now, enumerate(orders))).inputs

    def pruning(
        self, now: datetime, orders: Iterable[tuple[int, OrderRecord]]
    ) -> Generator[None, None, Pruned]:
        """Do as :meth:`prune`, in small steps; orders come with their rows.

        Returns:
            How many inputs were dropped, and the rows of the orders that they made.
        """
        if not self.flush():
            raise self.failure or JournalFailed(self.path, "it is closed", "open it again")
        return (yield from pruning(self, self._reader.identities(), orders, now))

    # ── the writer thread ───────────────────────────────────────────────────────────────────────

    def start(self) -> None:
        """Start the writer thread."""
        self._thread = threading.Thread(target=self._work, name="ibkr-core-journal", daemon=True)
        self._thread.start()

    def _work(self) -> None:
        while not self._stop.is_set():
            is_idle = not self._is_dirty and not self.backlog and self._tables.is_empty
            if is_idle and not self._wake.wait(_IDLE_S):
                continue
            self._wake.clear()
            self._is_woken = False  # whoever stirs before this is in time for this turn
            self._stop.wait(self._batch_s)  # let some gather
            if not self._stop.is_set() and not self.work() and not self._health.takes_inputs:
                self._stop.wait(max(self._health.retry_at - self._clock.monotonic(), self._batch_s))

    def _end_thread(self) -> None:
        self._stop.set()
        self._wake.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()

    def close(self) -> None:
        """Write what is queued, close the file and let its lock go. May be called again.

        Raises:
            JournalFailed: Something could not be written; it is lost with this process.
        """
        self._end_thread()
        failure = None if self._is_closed else self._settle(nothing, lambda: True)
        with self._settling, self._writing:
            if self._is_closed:
                return
            failure = failure or self._write_inputs()  # what was committed to the log just now
            self._is_closed = True
            self._reader.close()
            self._log.end(is_over=failure is None)
            try:
                self._store.close(to_text(self._clock.now()) if failure is None else None)
            except (sqlite3.Error, OSError) as error:
                failure = failure or describe_failure(self.path, error)
        self._answer(failure)

    def abandon(self) -> None:
        """Let the file go as a killed process would: nothing more is written. For simulations of crashes."""
        self._end_thread()
        with self._settling, self._writing:
            if not self._is_closed:
                self._is_closed = True
                self._reader.close()
                self._log.end(is_over=False)
                self._store.close(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()
