"""The simulation: good engines pass, engines broken on purpose are caught, the command tells which."""

from __future__ import annotations

import itertools
from datetime import datetime
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core import Contract, Engine, EngineSettings, Journal, Order
from ibkr_core.gateway import ManualClock, MemoryGateway
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.link.receiver import HotTaker
from ibkr_core.model.facts import BrokerFact, ExecutionFact
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.testing import simulate
from ibkr_core.testing.simulation import Finding, Outcome, Scenario, World, audit, play
from ibkr_core.works import Works

# ── lives ───────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("seed", range(1, 7))
def test_a_life_among_faults_ends_in_the_gateways_own_books(seed: int) -> None:
    """Kills, cut sends, restarts, a gateway that repeats and withholds: nothing is lost, nothing doubled."""
    assert play(Scenario(seed=seed, orders=25)).findings == ()


def test_lives_are_as_nasty_as_they_say() -> None:
    """Orders, fills, faults, kills and lost connections all happen; else a pass would prove nothing."""
    lives = [play(Scenario(seed=seed, orders=15, kills=0.05)) for seed in (1, 2, 3)]
    for name in ("orders", "executions", "faults", "crashes", "gaps"):
        assert sum(getattr(life, name) for life in lives) > 0, name


def test_a_seed_decides_everything() -> None:
    """The same seed lives the same life, so that what it found can be found again; another one does not."""
    once = play(Scenario(seed=11, orders=15))
    assert play(Scenario(seed=11, orders=15)) == once
    assert play(Scenario(seed=12, orders=15)) != attrs.evolve(once, seed=12)


# ── engines that are broken on purpose ──────────────────────────────────────────────────────────────


def findings_of(scenarios: list[Scenario]) -> str:
    """Return what the first life that is not without fault is found guilty of."""
    lives = (play(scenario).findings for scenario in scenarios)
    found = next(itertools.dropwhile(lambda findings: not findings, lives), ())
    return "\n".join(str(finding) for finding in found)


def test_an_engine_that_sends_silent_orders_again_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a naive client does when no answer comes: the auditor counts two orders with one key."""
    proper = Works._take_silence

    def impatient(self: Works, order_id: int, request: Request, asked: datetime) -> None:
        proper(self, order_id, request, asked)
        found = self.book.read(
            lambda book: [one.status for one in book.active_orders() if one.order_id == order_id]
        )
        if found == [OrderStatus.UNKNOWN]:
            self.desk.send_under_new_id(order_id, "nobody answered")

    scenarios = [Scenario(seed=seed, orders=20, intensity=1.0) for seed in range(1, 6)]
    assert "sent twice" not in findings_of(scenarios[:2])
    monkeypatch.setattr(Works, "_take_silence", impatient)
    assert "orders with this key: it was sent twice" in findings_of(scenarios)


def test_an_engine_that_loses_executions_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each time that they are told: asking again does not help, and the auditor misses them."""
    proper, quick = GuardedBook.apply, GuardedBook.hot_taker

    def deaf(self: GuardedBook, fact: BrokerFact, *frame: Any) -> None:
        if not isinstance(fact, ExecutionFact):
            proper(self, fact, *frame)

    def deaf_taker(self: GuardedBook, *connection: Any) -> HotTaker:
        take = quick(self, *connection)
        return lambda values, frame: take(values, frame) if values[0] is not ExecutionFact else None

    monkeypatch.setattr(GuardedBook, "apply", deaf)
    monkeypatch.setattr(GuardedBook, "hot_taker", deaf_taker)
    assert "executions come to 0 here" in findings_of([Scenario(seed=3, orders=4, kills=0.0)])


def life_of_an_order_that_was_killed(folder: Path) -> str:
    """Submit one order, kill the program before the bytes arrive, start it again, and audit it."""
    clock = ManualClock()
    gateway = MemoryGateway(clock=clock, seed=1)
    settings = EngineSettings(seed=1)
    world = World(gateway, clock, seed=1, journal_path=folder / "journal.db", settings=settings)
    engine = world.start_engine(Engine.orders)
    world.run(5.0)
    engine.submit(Contract.stock("AAPL"), Order.market("BUY", 1), key="key")
    world.kill_engine()
    engine = world.start_engine(Engine.orders)
    world.run(60.0)
    found = audit(engine.orders(), gateway.books(), client_id=1, wanted={"key": True})
    world.stop_engine()
    return "\n".join(str(finding) for finding in found)


def test_an_engine_that_sends_before_the_intent_is_durable_is_caught(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Killed just after the send, it knows nothing of an order that it was told of."""

    def lazy(self: Journal, through: int | None = None) -> None:
        del self, through

    assert life_of_an_order_that_was_killed(tmp_path_factory.mktemp("durable")) == ""
    monkeypatch.setattr(Journal, "commit", lazy)
    found = life_of_an_order_that_was_killed(tmp_path_factory.mktemp("lazy"))
    assert found == "key: was submitted, and the engine has forgotten it"


def test_an_engine_whose_orders_leave_twice_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of it shows in the engine's own book: only the gateway's tells."""
    proper = OrderDesk.send_new

    def twice(self: OrderDesk, legs: Any, *, allow_duplicate: bool = False) -> Any:
        sent = proper(self, legs, allow_duplicate=allow_duplicate)
        client = self._supervisor.session.client
        new = sent[0]
        assert new.contract is not None
        assert new.order is not None
        client.send(client.encode_order(new.order_id + 1_000, new.contract, new.order))
        return sent

    monkeypatch.setattr(OrderDesk, "send_new", twice)
    quiet = Scenario(seed=1, orders=2, kills=0.0, breaks=0.0, restarts=0.0, intensity=0.0)
    assert "orders with this key: it was sent twice" in findings_of([quiet])


def test_what_fails_inside_the_engine_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may raise where nobody sees it; and an engine that is never ready again is not waited for."""

    def broken(self: Works) -> None:
        raise RuntimeError(f"no such thing in {self}")

    monkeypatch.setattr(Works, "_report_unowned", broken)
    found = findings_of([Scenario(seed=1, orders=2, kills=0.0)])
    assert "something failed inside the engine: RuntimeError: no such thing" in found
    assert "not ready at the end" in found


# ── the command ─────────────────────────────────────────────────────────────────────────────────────


def test_the_command_counts_lives(capsys: pytest.CaptureFixture[str]) -> None:
    """Its last line says how many seeds passed, and it exits with 0 when all did."""
    assert simulate.main(["--seeds", "2", "--start", "5", "--orders", "4"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "seeds 5 to 6, 4 orders each"
    assert lines[-1] == "2 passed, 0 failed"


def test_the_command_prints_failing_seeds(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each with what was found, a life that raised among them; then it exits with 1."""

    def pretend(scenario: Scenario) -> Outcome:
        if scenario.seed == 7:
            raise RuntimeError("no such life")
        found = (Finding("key", "is gone"),) if scenario.seed == 6 else ()
        return Outcome(scenario.seed, found, 1, 1, 1, 1, 1)

    monkeypatch.setattr(simulate, "play", pretend)
    assert simulate.main(["--seeds", "4", "--start", "5"]) == 1
    text = capsys.readouterr().out
    assert "seed 6 FAILED\n    key: is gone\n" in text
    assert "seed 7 FAILED\n" in text
    assert "RuntimeError: no such life" in text
    assert text.splitlines()[-1] == "2 passed, 2 failed"


def test_the_command_stops_after_its_minutes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The life in which time runs out still counts; what was not played is neither passed nor failed."""
    monkeypatch.setattr(simulate, "play", lambda scenario: Outcome(scenario.seed, (), 0, 0, 0, 0, 0))
    moments = itertools.count(0.0, 20.0)
    assert simulate.main(["--seeds", "100", "--minutes", "1"], now=lambda: next(moments)) == 0
    assert int(capsys.readouterr().out.splitlines()[-1].split()[0]) in range(1, 5)


def test_the_command_plays_on_many_processes(capsys: pytest.CaptureFixture[str]) -> None:
    """With ``--jobs`` each seed is still played once."""
    assert simulate.main(["--seeds", "2", "--start", "5", "--orders", "2", "--jobs", "2", "--verbose"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split(":")[0] for line in lines if line.startswith("seed ")) == [
        "seed 5 passed",
        "seed 6 passed",
    ]
    assert lines[-1] == "2 passed, 0 failed"
