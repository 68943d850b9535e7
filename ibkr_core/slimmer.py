"""Packs finished orders, and lets the journal have the book as it stands: in slices, on the scheduler.

A slice holds the state lock for as long as a few callbacks do, and then lets others on. What is packed at a
checkpoint's own moment, with the lock held, are the orders that are awake; where these are many it packs what
is finished first, and where they stay many there is none before the engine is closed.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import timedelta
from typing import Final

from ibkr_core.errors import JournalError
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.journal import Journal
from ibkr_core.lifecycle.checkpoint import PackedOrder, keep_fresh, put_back, take_fresh
from ibkr_core.lifecycle.packing import Unpackable
from ibkr_core.lifecycle.slimming import Round
from ibkr_core.model.fill import Fill
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.settings import EngineSettings

__all__ = ["GoneFills", "Slimmer"]

_LOG: Final = logging.getLogger("ibkr_core.engine")
_SLICE: Final = 4
"""Orders that one slice looks at: as long as the lock is held for a burst of callbacks, and no longer."""
_PAUSE_S: Final = 0.001
_LEAST_S, _MOST_S = 0.05, 60.0
"""Between two rounds; in between it is a quarter of the orders' own time."""
_STAGED: Final = 200
"""Packed orders that are written in one transaction: an intent may have to wait for it."""
_MOST_BEHIND: Final = 5_000
"""Inputs and events that the journal's tables may be behind for a checkpoint, which brings them up to it on
the scheduler's thread: with ten times that a halt, or a deadline, would wait for seconds."""
_MOST_AWAKE: Final = 250
"""Orders that a checkpoint packs with the lock held."""
_MANY: Final = 150_000
"""Inputs that were replayed, after which what is finished is packed before the engine begins: it takes much
memory. After fewer of them the first round, which comes at once, does it while the engine connects."""
_LOOK_S: Final = 1.0
"""How often somebody looks whether a checkpoint is due and nothing else goes on, so that it is made now."""
_CALM: Final = 100
"""Inputs and events that the journal's tables are behind at most where nothing else goes on."""
_MOST_AT_END: Final = 20_000
"""The same when the engine is closed, and nobody waits."""


class GoneFills:
    """The fills that move positions of orders that the journal has let go: looked up each time anew.

    Args:
        book: The orders.
        rows: Which.
    """

    def __init__(self, book: GuardedBook, rows: Iterable[int]) -> None:
        self._book = book
        self._rows = tuple(rows)

    def __iter__(self) -> Iterator[Fill]:
        for row in self._rows:
            fills = self._book.read(lambda book, row=row: book.fills_at(row))  # type: ignore[misc]
            yield from (fill for fill in fills if fill.moves_position)


class Slimmer:
    """Packs orders and makes checkpoints.

    Args:
        book: The orders.
        scheduler: Runs the slices.
        journal: Takes checkpoints; None for none.
        settings: When orders are packed, and how often checkpoints are made.
    """

    def __init__(
        self,
        book: GuardedBook,
        scheduler: Scheduler,
        journal: Journal | None,
        settings: EngineSettings,
    ) -> None:
        self._book = book
        self._scheduler = scheduler
        self._journal = journal
        self._slim_after_s = settings.slim_after_s
        self._checkpoint_inputs = settings.checkpoint_inputs
        self._round: Round | None = None
        self._wants_checkpoint = False
        self._next_round = self._not_before = 0.0
        self._timer = Timer(0.0, lambda: None)

    def start(self) -> None:
        """Begin; the book has been restored, and nobody uses it yet."""
        if self._slim_after_s is None:
            return
        self._book.read(lambda book: keep_fresh(book, is_wanted=self._journal is not None))
        journal = self._journal
        if journal is not None and journal.recorded - journal.packed.number >= _MANY:
            self._pack(self._slim_after_s)  # after so long a replay it is no matter
        if self._is_due():
            self._later(_LEAST_S, self._begin)  # whoever is killed again shall not replay all of it again
        else:
            self._rest()

    def finish(self) -> None:
        """Make a last checkpoint: nothing happens any more. The next start begins there."""
        self._timer.cancel()
        journal = self._journal
        if journal is None or journal.recorded == journal.packed.number:
            return
        with contextlib.suppress(JournalError, Unpackable):  # the next start replays more, and that is all
            if self._slim_after_s is not None:
                self._pack(0.0)  # what is awake now is awake again after the next start, which takes longer
            self._stage(journal)
            self._checkpoint(journal, _MOST_AT_END)

    def _pack(self, age_s: float) -> None:
        """Pack at once all that can be, where nobody waits: orders that were not heard of for so long."""
        before = self._scheduler.clock.now() - timedelta(seconds=age_s)
        its = self._book.read(lambda book: Round.of(book, before))
        while self._book.read(lambda _: its.go_on(_STAGED)):
            pass

    # ── rounds ──────────────────────────────────────────────────────────────────────────────────

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        self._timer = self._scheduler.call_later(delay_s, act)

    def _rest(self) -> None:
        """Wait until the next round is due, or a checkpoint can be made."""
        rest_s = min(max((self._slim_after_s or 0.0) / 4, _LEAST_S), _MOST_S)
        self._next_round = self._scheduler.now() + rest_s
        self._wait(rest_s)

    def _wait(self, left_s: float) -> None:
        looks = self._journal is not None and self._checkpoint_inputs > 0
        self._later(min(left_s, _LOOK_S) if looks else left_s, self._look)

    def _look(self) -> None:
        left_s = self._next_round - self._scheduler.now()
        if left_s <= 0 or (self._is_due() and self._is_calm()):
            self._begin()
        else:
            self._wait(left_s)

    def _is_due(self) -> bool:
        """Whether so many inputs came since the last checkpoint that there is to be one."""
        journal, most = self._journal, self._checkpoint_inputs
        return journal is not None and most > 0 and journal.recorded - journal.packed.number >= most

    def _is_calm(self) -> bool:
        """Whether a checkpoint can be made now, with nobody noticing."""
        journal = self._journal
        return journal is not None and journal.behind <= _CALM and self._scheduler.now() >= self._not_before

    def _begin(self) -> None:
        """Begin a round; with a checkpoint, where one is due, of which all that is finished is packed."""
        self._wants_checkpoint = self._is_due()
        age = timedelta(seconds=0.0 if self._wants_checkpoint else self._slim_after_s or 0.0)
        before = self._scheduler.clock.now() - age
        self._round = self._book.read(lambda book: Round.of(book, before))
        self._slice()

    def _slice(self) -> None:
        its = self._round
        if its is None:
            return
        if self._book.read(lambda _: its.go_on(_SLICE)):
            self._later(_PAUSE_S, self._slice)
            return
        self._round = None
        try:
            self._write()
        except (JournalError, Unpackable) as error:  # a journal that fails tells that by itself
            _LOG.warning("no checkpoint of the book: %s", error)
        self._rest()

    # ── the journal ─────────────────────────────────────────────────────────────────────────────

    def _write(self) -> None:
        journal = self._journal
        if journal is None:
            return
        if self._wants_checkpoint:
            self._not_before = self._scheduler.now() + _MOST_S  # should anything fail: not every second
        self._stage(journal)
        is_far_behind = journal.behind > _MOST_BEHIND  # then the next round looks again
        if self._wants_checkpoint and not is_far_behind:
            self._checkpoint(journal, _MOST_AWAKE)
        if is_far_behind or not self._is_due():
            self._not_before = 0.0
        while journal.packed.clean():
            pass

    def _stage(self, journal: Journal) -> None:
        """Write packed orders for the next checkpoint, a few hundred at a time."""
        shared = self._book.read(lambda book: book.index.archive.shared)
        while orders := self._book.read(lambda book: take_fresh(book, _STAGED)):
            try:
                journal.packed.stage(orders, shared)
            except BaseException:
                self._put_back(orders)
                raise

    def _checkpoint(self, journal: Journal, most_awake: int) -> None:
        found = self._book.checkpoint(journal, most_awake)
        if found is None:
            return
        number, checkpoint, shared = found
        try:
            # All inputs so far, and the rows that they led to, come first: a start makes neither again.
            if journal.flush():
                journal.packed.finish(checkpoint, number, shared)
                return
        except BaseException:
            self._put_back(checkpoint.orders)
            raise
        self._put_back(checkpoint.orders)

    def _put_back(self, orders: Sequence[PackedOrder]) -> None:
        """Have orders written once more: they were not."""
        self._book.read(lambda book: put_back(book, orders))
