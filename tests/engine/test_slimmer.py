"""Packing while an engine runs: in slices, when it is time, and with checkpoints."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from ibkr_core import slimmer
from ibkr_core.engine import Engine
from ibkr_core.errors import JournalFailed
from ibkr_core.lifecycle.inputs import Submit
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation.rebuilding import compare_with_journal
from tests.journal.making import CLIENT_ID, ManualClock, commission, execution, filled_order, status, submit

Make = Callable[..., tuple[Engine, ManualClock]]


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Return what makes engines that nobody connects, on one journal and a clock that is turned by hand."""
    made: list[Engine] = []

    def build(**settings: Any) -> tuple[Engine, ManualClock]:
        clock = ManualClock()
        engine = Engine(CLIENT_ID, journal=tmp_path / "j", settings=EngineSettings(**settings), clock=clock)
        made.append(engine)
        return engine, clock

    yield build
    for engine in made:
        engine.close()


def fill(engine: Engine, *order_ids: int) -> None:
    """Have orders filled and paid for."""
    for order_id in order_ids:
        for one in filled_order(order_id):
            if isinstance(one, Submit):
                engine._book.command(one)
            else:
                engine._book.apply(one)


def pass_time(engine: Engine, clock: ManualClock, seconds: float) -> None:
    """Let time pass, and all happen that is due."""
    end = clock.seconds + seconds
    while (due := engine.scheduler.next_due()) is not None and due <= end:
        clock.advance(max(0.0, due - clock.seconds))
        engine.scheduler.run_due()
    clock.advance(end - clock.seconds)


def awake(engine: Engine) -> int:
    """Return how many orders are not packed."""
    return engine._book.read(lambda book: book.index.awake_count)


def test_finished_orders_are_packed_when_their_time_has_come(make: Make) -> None:
    """And what works stays; the records are the same."""
    engine, clock = make(slim_after_s=100.0)
    fill(engine, *range(1, 11))
    engine._book.command(submit(50))
    before = engine.orders()
    pass_time(engine, clock, 90)
    assert awake(engine) == 11
    pass_time(engine, clock, 90)
    assert awake(engine) == 1
    assert engine.orders() == before
    assert [engine.order(number) for number in range(1, 11)] == [*before[:10]]


def test_what_lacks_something_waits_longer(make: Make) -> None:
    """A commission may still come, and would wake it; one that never comes must not hold it for ever."""
    engine, clock = make(slim_after_s=0.0)
    for one in (submit(7), status(), execution(), status("Filled", 7, 100, 0)):
        engine._book.command(one) if isinstance(one, Submit) else engine._book.apply(one)
    pass_time(engine, clock, 60)
    assert awake(engine) == 1
    pass_time(engine, clock, 700)
    assert awake(engine) == 0
    engine._book.apply(commission())
    assert awake(engine) == 1
    pass_time(engine, clock, 1)
    assert awake(engine) == 0


def test_never_means_never(make: Make) -> None:
    """But a checkpoint is made at the end all the same."""
    engine, clock = make(slim_after_s=None)
    fill(engine, 1, 2)
    pass_time(engine, clock, 100_000)
    assert awake(engine) == 2
    engine.close()
    again, _ = make(slim_after_s=None)
    assert again.journal is not None
    assert again.journal.packed.number > 0
    assert len(again.orders()) == 2


def test_a_slice_is_short(make: Make) -> None:
    """The lock is let go after a few orders, and nothing is done in one go."""
    engine, clock = make(slim_after_s=0.0)
    fill(engine, *range(1, 21))
    left = []
    while awake(engine):
        due = engine.scheduler.next_due()
        assert due is not None
        clock.advance(max(0.0, due - clock.seconds))
        engine.scheduler.run_due()
        left.append(awake(engine))
    assert [*dict.fromkeys(left)] == [20, 16, 12, 8, 4, 0]


def test_a_checkpoint_comes_after_so_many_inputs(make: Make, tmp_path: Path) -> None:
    """A program that is killed after it starts from there."""
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=20)
    assert engine.journal is not None
    fill(engine, 1, 2)
    pass_time(engine, clock, 120)
    assert engine.journal.packed.number == 0
    fill(engine, 3, 4, 5)
    pass_time(engine, clock, 120)
    assert engine.journal.packed.number == engine.journal.recorded
    found = compare_with_journal(
        tmp_path / "j", engine.orders(), client_id=CLIENT_ID, settings=engine.settings
    )
    assert found == ()


def test_it_does_not_wait_for_the_next_round_where_nothing_else_goes_on(make: Make) -> None:
    """A program that is killed a few seconds after a burst does not replay the burst."""
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=20)
    journal = engine.journal
    assert journal is not None
    fill(engine, 1, 2)
    assert journal.flush()
    pass_time(engine, clock, 5)
    assert journal.packed.number == 0
    fill(engine, 3, 4, 5)
    assert journal.flush()
    pass_time(engine, clock, 2)
    assert journal.packed.number == journal.recorded


def test_it_waits_while_something_goes_on(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Then its packing would take time from those who receive; the next round makes it all the same."""
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=20)
    journal = engine.journal
    assert journal is not None
    fill(engine, *range(1, 6))
    monkeypatch.setattr(type(journal), "behind", 101)
    pass_time(engine, clock, 55)
    assert journal.packed.number == 0
    pass_time(engine, clock, 10)
    assert journal.packed.number == journal.recorded


def test_one_that_cannot_be_made_is_not_tried_every_second(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So many orders may work all day."""
    monkeypatch.setattr(slimmer, "_MOST_AWAKE", 2)
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=1)
    assert engine.journal is not None
    for order_id in (50, 51, 52):
        engine._book.command(submit(order_id))
    assert engine.journal.flush()
    tried: list[float] = []
    monkeypatch.setattr(slimmer.Slimmer, "_checkpoint", lambda *_: tried.append(clock.seconds))
    pass_time(engine, clock, 300)
    assert 4 <= len(tried) <= 6


def test_one_whose_orders_cannot_be_written_is_not_tried_every_second(
    make: Make, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A disk that is full stays so for hours, and each try packs what is finished and is told."""
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=1)
    journal = engine.journal
    assert journal is not None
    tried: list[float] = []

    def stage(*_: object) -> None:
        tried.append(clock.seconds)
        raise JournalFailed("j", "the disk is full", "free some space")

    fill(engine, 1, 2)
    assert journal.flush()
    with monkeypatch.context() as patch:
        patch.setattr(journal.packed, "stage", stage)
        pass_time(engine, clock, 300)
    assert 4 <= len(tried) <= 6
    assert caplog.text.count("no checkpoint of the book") == len(tried)
    pass_time(engine, clock, 61)
    assert journal.packed.number == journal.recorded


def test_one_that_was_overtaken_by_a_burst_comes_soon_after_it(
    make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing failed: the tables were far behind when its orders were written."""
    engine, clock = make(slim_after_s=3600.0, checkpoint_inputs=1)
    journal = engine.journal
    assert journal is not None
    fill(engine, 1)
    assert journal.flush()
    behind = [0]
    monkeypatch.setattr(type(journal), "behind", property(lambda _: behind[0]))
    monkeypatch.setattr(journal.packed, "stage", lambda *_: behind.insert(0, 10_000))
    pass_time(engine, clock, 1.5)
    assert (behind[0], journal.packed.number) == (10_000, 0)
    behind[0] = 0
    pass_time(engine, clock, 2)
    assert journal.packed.number == journal.recorded


def test_after_a_long_replay_a_checkpoint_is_made_at_once(make: Make) -> None:
    """Whoever is killed again shall not replay all of it again; nobody waits for that at the start."""
    engine, _ = make(slim_after_s=3600.0, checkpoint_inputs=20)
    fill(engine, *range(1, 6))
    assert engine.journal is not None
    assert engine.journal.flush()
    engine.journal.abandon()  # as if the process had died
    again, clock = make(slim_after_s=3600.0, checkpoint_inputs=20)
    assert again.journal is not None
    assert awake(again) == 5
    pass_time(again, clock, 1)
    assert awake(again) == 0
    assert again.journal.packed.number == again.journal.recorded
    assert again.orders() == engine.orders()


def test_there_is_none_while_too_many_are_awake(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """The lock would be held for long; the next round looks again."""
    monkeypatch.setattr(slimmer, "_MOST_AWAKE", 2)
    engine, clock = make(slim_after_s=0.0, checkpoint_inputs=1)
    assert engine.journal is not None
    for order_id in (50, 51, 52):
        engine._book.command(submit(order_id))
    pass_time(engine, clock, 5)
    assert engine.journal.packed.number == 0
    engine._book.apply(status("Cancelled", 50, 0, 100))
    pass_time(engine, clock, 5)
    assert engine.journal.packed.number == engine.journal.recorded


def test_there_is_none_while_the_tables_are_far_behind(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """A halt would have to wait until they are not: the scheduler's thread writes them for a checkpoint."""
    monkeypatch.setattr(slimmer, "_MOST_BEHIND", 3)
    engine, clock = make(slim_after_s=0.0, checkpoint_inputs=1)
    assert engine.journal is not None
    monkeypatch.setattr(type(engine.journal), "backlog", 4)
    fill(engine, 1)
    pass_time(engine, clock, 5)
    assert engine.journal.packed.number == 0
    monkeypatch.setattr(type(engine.journal), "backlog", 3)
    pass_time(engine, clock, 5)
    assert engine.journal.packed.number == engine.journal.recorded


def test_the_next_engine_begins_where_this_one_ended(make: Make) -> None:
    """It replays nothing, tells how far it is, and what was packed stays packed."""
    engine, clock = make(slim_after_s=0.0)
    fill(engine, 1, 2, 3)
    engine._book.apply(status("Submitted", 60))
    pass_time(engine, clock, 5)
    before = engine.orders()
    engine.close()
    again, _ = make(slim_after_s=0.0)
    assert awake(again) == 1
    assert again.orders() == before
    assert again.portfolio.positions()


def test_what_is_finished_is_packed_at_the_end(make: Make, tmp_path: Path) -> None:
    """However young it is: the next engine has only what still works awake, and knows the same."""
    engine, _ = make()
    fill(engine, 1, 2, 3)
    engine._book.apply(status("Submitted", 60))
    before = engine.orders()
    assert awake(engine) == 4
    engine.close()
    assert engine.orders() == before
    again, _ = make()
    assert awake(again) == 1
    assert again.orders() == before
    found = compare_with_journal(tmp_path / "j", before, client_id=CLIENT_ID, settings=again.settings)
    assert found == ()


def test_an_engine_that_packs_nothing_packs_nothing_at_the_end(make: Make) -> None:
    """Its checkpoint has all orders as they are."""
    engine, _ = make(slim_after_s=None)
    fill(engine, 1, 2)
    before = engine.orders()
    engine.close()
    assert awake(engine) == 2
    again, _ = make(slim_after_s=None)
    assert again.orders() == before
