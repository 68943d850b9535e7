"""A trading program that is killed again and again loses nothing and sends nothing twice."""

from __future__ import annotations

import random
import re
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.clock import SystemClock
from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import Choreography, MarketSettings, MemoryGateway, Settings
from ibkr_core.journal import Journal
from ibkr_core.lifecycle.inputs import Disconnect
from ibkr_core.testing import crash
from ibkr_core.testing.crashing import Fate, Point, Trial, TrialSettings, trial
from ibkr_core.testing.crashing.diary import Diary, read_diary
from ibkr_core.testing.crashing.fate import DoomedJournal, DoomedTransport, Reaper
from ibkr_core.testing.crashing.trial import books_of
from ibkr_core.testing.crashing.wishes import order_for
from ibkr_core.testing.simulation import Finding
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message
from tests.link.peers import Tape


class Death(BaseException):
    """Stands for the end of the process."""


def die() -> None:
    raise Death


def reaper(point: Point, nth: int) -> Reaper:
    return Reaper(Fate(point, nth), random.Random(1), die)  # noqa: S311 - a test is no secret


# ── the real thing ──────────────────────────────────────────────────────────────────────────────────


def test_nothing_is_lost_or_sent_twice_by_a_program_that_is_killed(tmp_path: Path) -> None:
    """Five kills of a real process over TCP: its orders are the gateway's, whatever moment it died at."""
    report = Trial(TrialSettings(seed=3, kills=5), tmp_path).run()
    assert not report.findings
    assert (report.passed, report.failed) == (5, 0)
    assert report.audits >= 2
    assert report.orders > 0
    assert report.by_own_hand > 0


def test_an_order_that_the_gateway_has_and_the_journal_lost_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The auditor is no yes-man: with a journal that was thrown away, orders are missing."""
    monkeypatch.setattr(trial, "_REST_S", 0.0)
    spoiled = Trial(TrialSettings(seed=3, kills=6, restarts=0), tmp_path)
    audit = spoiled._audit

    def after_a_loss(*given: object) -> object:
        for name in ("journal.db", "journal.db-wal", "journal.db-shm", "journal.db-intents"):
            (tmp_path / name).unlink(missing_ok=True)
        return audit(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(spoiled, "_audit", after_a_loss)
    report = spoiled.run()
    assert any("forgotten" in str(finding) for finding in report.findings)
    assert report.failed > 0


def test_a_victim_that_ends_by_itself_is_a_finding(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program that could not even start must not count as one that survived."""
    monkeypatch.setattr(Trial, "_command", lambda *_: ["/bin/sh", "-c", "echo no >&2; exit 3"])
    report = Trial(TrialSettings(seed=1, kills=4), tmp_path).run()
    assert [str(finding) for finding in report.findings] == ["-: the victim ended by itself (3): no"]
    assert (report.passed, report.failed) == (0, 4)


# ── the command ─────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def trials(monkeypatch: pytest.MonkeyPatch) -> list[TrialSettings]:
    """Trials that are only noted; the one with seed 8 fails."""
    asked: list[TrialSettings] = []

    class Pretended:
        def __init__(self, settings: TrialSettings, *_: object) -> None:
            self._settings = settings

        def run(self) -> trial.Report:
            asked.append(self._settings)
            kills = self._settings.kills
            if self._settings.seed == 8:
                return trial.Report(passed=1, failed=kills - 1, findings=[Finding("key", "is gone")])
            return trial.Report(passed=kills)

    monkeypatch.setattr(crash, "Trial", Pretended)
    return asked


def test_the_command_counts_kills(trials: list[TrialSettings], capsys: pytest.CaptureFixture[str]) -> None:
    """All kills that were asked for are spread over trials, each with a seed of its own."""
    assert crash.main(["--kills", "60", "--seed", "100"]) == 0
    assert [(one.seed, one.kills) for one in trials] == [(100, 25), (101, 25), (102, 10)]
    assert capsys.readouterr().out.splitlines()[-1] == "60 passed, 0 failed"


def test_the_command_tells_of_failures_and_keeps_the_files(
    trials: list[TrialSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    """A failing seed is named with what was found, and the command exits with 1."""
    assert crash.main(["--kills", "30", "--seed", "7"]) == 1
    lines = capsys.readouterr().out.splitlines()
    assert lines[-1] == "26 passed, 4 failed"
    assert "    key: is gone" in lines
    kept = re.search(r"seed 8 FAILED; its files are in (\S+)", "\n".join(lines))
    assert kept is not None
    Path(kept[1]).rmdir()


# ── its parts ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("point", Point)
def test_a_fate_can_be_told_on_a_command_line(point: Point) -> None:
    """What a fate prints is what it is read from."""
    assert Fate.parse(str(Fate(point, 3))) == Fate(point, 3)


@pytest.mark.parametrize("text", ["", "never:1", "after-send", "after-send:x"])
def test_what_is_no_fate_is_refused(text: str) -> None:
    """A fate that cannot be read would let the victim live."""
    with pytest.raises(InvalidInput, match="fate"):
        Fate.parse(text)


def test_death_inside_a_send_tears_the_message() -> None:
    """Some bytes have left, never all, and what was sent before is whole."""
    tape = Tape([])
    line = DoomedTransport(tape, reaper(Point.INSIDE_SEND, 2))
    line.send(b"first")
    with pytest.raises(Death):
        line.send(b"second")
    assert tape.sent[0] == b"first"
    assert b"second".startswith(tape.sent[1])
    assert tape.sent[1] != b"second"


def test_death_after_a_send_is_after_its_last_byte() -> None:
    """Everything has left."""
    tape = Tape([])
    with pytest.raises(Death):
        DoomedTransport(tape, reaper(Point.AFTER_SEND, 1)).send(b"all")
    assert tape.sent == [b"all"]


@pytest.mark.parametrize("point", [Point.BEFORE_COMMIT, Point.AFTER_COMMIT])
def test_death_at_a_commit(point: Point, tmp_path: Path) -> None:
    """Before the commit nothing is in the file, after it everything is."""
    path = tmp_path / "journal.db"
    journal = DoomedJournal.open(path, client_id=7, clock=SystemClock(), start_writer=False)
    assert isinstance(journal, DoomedJournal)
    journal.record(Disconnect(), SystemClock().now(), 0)
    journal.reaper = reaper(point, 1)
    with pytest.raises(Death):
        journal.commit()
    journal.abandon()
    with Journal.open(path, client_id=7, clock=SystemClock(), start_writer=False) as after:
        assert len(list(after.entries())) == (point is Point.AFTER_COMMIT)


@pytest.mark.parametrize("point", [Point.BEFORE_FLUSH, Point.AFTER_FLUSH])
def test_death_at_a_batch(point: Point, tmp_path: Path) -> None:
    """The n-th batch is counted, and no other point is."""
    journal = DoomedJournal.open(tmp_path / "j.db", client_id=7, clock=SystemClock(), start_writer=False)
    assert isinstance(journal, DoomedJournal)
    journal.reaper = reaper(point, 2)
    journal.commit()
    assert journal.flush()
    with pytest.raises(Death):
        journal.flush()
    journal.abandon()


def test_a_diary_is_read_as_it_was_written(tmp_path: Path) -> None:
    """What was wanted and what returned, over several lives; a missing diary is empty."""
    path = tmp_path / "diary.txt"
    assert read_diary(path).wanted == {}
    first = Diary(path)
    first.want(["a", "b"])
    first.have(["a"])
    first.close()
    second = Diary(path)
    second.trouble("two\nlines")
    second.have(["b"])
    second.want(["c"])
    second.close()
    pages = read_diary(path)
    assert pages.wanted == {"a": True, "b": True, "c": False}
    assert pages.troubles == ("two lines",)


def test_a_key_stands_for_one_order() -> None:
    """A later life asks for the very same order, and different keys make different orders."""
    keys = [f"run1-{number}" for number in range(40)]
    assert [order_for(key) for key in keys] == [order_for(key) for key in keys]
    assert len({(o.order_type, o.quantity, o.limit_price) for _, o in map(order_for, keys)}) > 20


def test_the_books_come_from_the_state_file(tmp_path: Path) -> None:
    """Orders and fills are the file's own; what was never transmitted is known to the gateway alone."""
    path = tmp_path / "state.json"
    settings = Settings(choreography=Choreography.plain(), market=MarketSettings(moves=False))
    gateway = MemoryGateway(settings=settings, state=path)
    gateway.market("AAPL").set_quote(bid=100, ask="100.01")
    session = gateway.connect()
    session.receive(client_hello(176, 176))
    contract = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    terms = {"action": "BUY", "totalQuantity": 10, "orderType": "MKT", "tif": "DAY", "orderRef": "mine"}

    def ask(kind: str, **fields: object) -> None:
        session.receive(frame(encode_request(Message(kind, fields), 176)))

    ask("startApi", clientId=7)
    ask("placeOrder", orderId=1, contract=contract, order=terms | {"transmit": True})
    ask("placeOrder", orderId=2, contract=contract, order=terms | {"transmit": False})
    gateway.save()
    live = gateway.books()
    books = books_of(path, live)
    gateway.close()
    assert [(order.order_id, order.status) for order in books.orders] == [(1, "Filled"), (2, "")]
    kept, known = books.orders[0], live.orders[0]
    assert (kept.filled, kept.order_ref, kept.perm_id) == (Decimal(10), "mine", known.perm_id)
    assert [fill.exec_id for fill in kept.executions] == [fill.exec_id for fill in known.executions]
    assert kept.average_price == known.average_price
