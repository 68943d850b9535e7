"""What the works of an engine do by themselves: the journal's housekeeping."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_core.engine import Engine
from ibkr_core.journal import Journal
from tests.engine.test_slimmer import fill, pass_time
from tests.journal.making import CLIENT_ID, ManualClock

_LONG_S = 40 * 86_400.0
"""Longer than a journal keeps what is finished."""


@pytest.fixture(name="old")
def _old(tmp_path: Path) -> Iterator[tuple[Engine, ManualClock]]:
    """An engine that has just started, with a journal of which all is too old."""
    clock = ManualClock()
    with Engine(CLIENT_ID, journal=tmp_path / "j", clock=clock) as engine:
        fill(engine, 1, 2)
    clock.advance(_LONG_S)
    with Engine(CLIENT_ID, journal=tmp_path / "j", clock=clock) as engine:
        yield engine, clock


def inputs_about(engine: Engine, order_id: int) -> int:
    """Return how many inputs the journal has that are about an order."""
    assert engine.journal is not None
    [(count,)] = engine.journal.query("SELECT count(*) FROM inputs WHERE order_id = ?", order_id)
    return int(count)


def test_an_old_journal_is_pruned_at_the_start(old: tuple[Engine, ManualClock]) -> None:
    """Nobody has to ask for it."""
    engine, clock = old
    assert inputs_about(engine, 1)
    pass_time(engine, clock, 0.5)
    assert not inputs_about(engine, 1)
    assert not inputs_about(engine, 2)


def test_pruning_waits_until_the_tables_have_caught_up(
    old: tuple[Engine, ManualClock], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would bring them up itself, on the thread that deadlines and halts are waiting for."""
    engine, clock = old
    flushed: list[bool] = []
    flush = Journal.flush

    def noted(journal: Journal) -> bool:
        flushed.append(True)
        return flush(journal)

    monkeypatch.setattr(Journal, "flush", noted)
    monkeypatch.setattr(Journal, "behind", 5_001)
    pass_time(engine, clock, 10)
    assert not flushed
    assert inputs_about(engine, 1)
    monkeypatch.setattr(Journal, "behind", 5_000)
    pass_time(engine, clock, 2)
    assert flushed
    assert not inputs_about(engine, 1)


def test_orders_that_a_replay_has_shown_count_as_behind(old: tuple[Engine, ManualClock]) -> None:
    """Their rows are written by whoever brings the tables up, as many as there are."""
    journal = old[0].journal
    assert journal is not None
    assert journal.flush()
    assert journal.behind == 0
    with journal._settling:  # the writer stays away
        journal.note_orders(old[0].orders())
        assert journal.behind == len(old[0].orders()) == 2
    assert journal.flush()
    assert journal.behind == 0
