"""The parent of a trial: runs the gateway, lets the victim live and die, and audits what is left."""

from __future__ import annotations

import contextlib
import os
import random
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, Self

import attrs

from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.gateway import Books, Choreography, MarketSettings, OrderAccount, Settings, SimulatedGateway
from ibkr_core.gateway.core import supported_versions
from ibkr_core.gateway.faults import FaultPlan
from ibkr_core.gateway.state import KeptOrder, read_state
from ibkr_core.journal import JournalReader
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.testing.crashing.diary import read_diary
from ibkr_core.testing.crashing.fate import Fate, Point
from ibkr_core.testing.crashing.wishes import CLIENT_ID, SETTINGS, SYMBOLS
from ibkr_core.testing.simulation.auditor import Finding, audit
from ibkr_core.testing.simulation.rebuilding import compare_with_journal

__all__ = ["Report", "Trial", "TrialSettings", "books_of"]

_VERSIONS: Final = (157, 176, 200, 203, 223, 225)
_DUPLICATE_ID: Final = 103
_READY_S: Final = 60.0
_PATIENCE_S: Final = 4.0
_REST_S: Final = 30.0
_LOOK_S: Final = 0.05
_MOST_VISITS: Final = {
    Point.BEFORE_COMMIT: 25,
    Point.AFTER_COMMIT: 25,
    Point.INSIDE_SEND: 30,
    Point.AFTER_SEND: 30,
    Point.BEFORE_FLUSH: 15,
    Point.AFTER_FLUSH: 15,
}
"""How often a victim comes to a point in its first second or so."""


@attrs.frozen(kw_only=True)
class TrialSettings:
    """What a trial is like.

    Attributes:
        seed: Decides everything but the machine's own timing.
        kills: How often the victim is killed.
        intensity: How nasty the gateway is, from 0 to 1.
        restarts: Probability, at each kill, that the gateway restarts just then.
    """

    seed: int
    kills: int = 25
    intensity: float = 0.0
    restarts: float = 0.1


@attrs.define
class Report:
    """How a trial went.

    Attributes:
        passed: Kills after which everything was right.
        failed: Kills after which something was not.
        findings: What was not right.
        orders: Orders that the gateway got.
        executions: Fills that it booked.
        by_own_hand: Kills at a chosen point.
        in_start: Kills before the victim was ready.
        audits: How often everything was compared.
    """

    passed: int = 0
    failed: int = 0
    findings: list[Finding] = attrs.Factory(list)
    orders: int = 0
    executions: int = 0
    by_own_hand: int = 0
    in_start: int = 0
    audits: int = 0

    def __iadd__(self, other: Report) -> Self:
        """Add another trial's figures."""
        for field in attrs.fields(Report):
            setattr(self, field.name, getattr(self, field.name) + getattr(other, field.name))
        return self


class Trial:
    """One gateway, one journal, one victim after the other.

    Args:
        settings: What it is like.
        folder: Where journal, state file and diary lie; it must exist and be empty.
        tell: Takes a line about each kill.
    """

    def __init__(
        self, settings: TrialSettings, folder: Path, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        self._settings = settings
        self._chance = random.Random(f"trial {settings.seed}")  # noqa: S311 - a test is no secret
        self._tell = tell
        self._journal_path = folder / "journal.db"
        self._state_path = folder / "gateway.json"
        self._diary_path = folder / "diary.txt"
        self._log_path = folder / "victim.log"
        self._identities: dict[str, tuple[int, int | None]] = {}
        self._run = 0
        self.report = Report()

    def run(self) -> Report:
        """Kill, restart and audit until all kills are spent, or something was found."""
        with self._gateway() as gateway:
            waiting = 0
            until_audit = self._chance.randrange(1, 4)
            for number in range(self._settings.kills):
                found = self._live_and_die(gateway)
                waiting += 1
                until_audit -= 1
                if not found and (until_audit == 0 or number == self._settings.kills - 1):
                    found = self._audit(gateway)
                    until_audit = self._chance.randrange(1, 4)
                    if not found:
                        self.report.passed += waiting
                        waiting = 0
                if found:
                    self.report.findings += found
                    self.report.failed += self._settings.kills - self.report.passed
                    break
            books = gateway.books()
        self.report.orders, self.report.executions = len(books.orders), len(books.executions)
        return self.report

    @contextlib.contextmanager
    def _gateway(self) -> Iterator[SimulatedGateway]:
        newest = self._chance.choice([v for v in _VERSIONS if v in supported_versions()])
        gateway = SimulatedGateway(
            seed=self._settings.seed,
            versions=range(142, newest + 1),
            settings=Settings(
                market=MarketSettings(speed=5), choreography=Choreography(work_delay_s=(0.001, 0.05))
            ),
            state=self._state_path,
        )
        with gateway:
            for symbol in SYMBOLS:
                gateway.market(symbol).set_quote(bid="99.99", ask="100.01")
            yield gateway

    # ── one life ────────────────────────────────────────────────────────────────────────────────

    def _live_and_die(self, gateway: SimulatedGateway) -> list[Finding]:
        for symbol in SYMBOLS:
            gateway.market(symbol).thaw()
        if self._settings.intensity:
            gateway.faults = FaultPlan.nasty(self._settings.intensity)
        self._run += 1
        fate = self._fate()
        with self._log_path.open("ab") as log:
            victim = subprocess.Popen(  # noqa: S603 - our own program
                self._command(gateway.port, fate),
                stdin=subprocess.PIPE,  # it dies when we do
                stdout=subprocess.PIPE,
                stderr=log,
            )
        with victim:
            how = self._kill(victim, gateway, fate)
        self._tell(f"kill {self._run}: {how}")
        if victim.returncode != -signal.SIGKILL:
            words = self._log_path.read_text(errors="replace").strip().splitlines()[-1:]
            return [Finding("-", f"the victim ended by itself ({victim.returncode}): {' '.join(words)}")]
        return []

    def _fate(self) -> Fate | None:
        if self._chance.random() < 0.5:  # noqa: PLR2004 - half by the parent's hand, half by its own
            return None
        point = self._chance.choice(list(Point))
        return Fate(point, self._chance.randrange(1, _MOST_VISITS[point] + 1))

    def _command(self, port: int, fate: Fate | None) -> list[str]:
        command = [sys.executable, "-m", "ibkr_core.testing.crashing.victim"]
        command += ["--port", str(port), "--journal", str(self._journal_path)]
        command += ["--diary", str(self._diary_path), "--run", str(self._run)]
        command += ["--seed", f"{self._settings.seed}/{self._run}"]
        return command if fate is None else [*command, "--fate", str(fate)]

    def _kill(self, victim: subprocess.Popen[bytes], gateway: SimulatedGateway, fate: Fate | None) -> str:
        """Let the victim live for a while, and see that it dies. Returns how it did, in words."""
        chance = self._chance
        if fate is None and chance.random() < 0.25:  # noqa: PLR2004 - a quarter of these at their start
            delay_s = chance.uniform(0.2, 0.9)
            if not _dies_within(victim, delay_s):
                victim.kill()
            self.report.in_start += 1
            return f"{delay_s:.3f} s after its start"
        self._wait_ready(victim)
        if chance.random() < self._settings.restarts:
            _dies_within(victim, chance.uniform(0.0, 0.2))
            gateway.restart(chance.uniform(0.0, 0.3))
        delay_s = _PATIENCE_S if fate is not None else chance.uniform(0.0, 0.8)
        if _dies_within(victim, delay_s):
            self.report.by_own_hand += 1
            return f"by its own hand, {fate}"
        victim.kill()
        return f"{delay_s:.3f} s after it was ready"

    @staticmethod
    def _wait_ready(victim: subprocess.Popen[bytes]) -> None:
        """Wait for its word, or for its end."""
        if victim.stdout is not None and select.select([victim.stdout], [], [], _READY_S)[0]:
            os.read(victim.stdout.fileno(), 100)

    # ── the audit ───────────────────────────────────────────────────────────────────────────────

    def _audit(self, gateway: SimulatedGateway) -> list[Finding]:
        """Start the engine once more on what the dead left behind, and compare it with the gateway."""
        self.report.audits += 1
        gateway.end_faults()
        for symbol in SYMBOLS:
            gateway.market(symbol).freeze()
        try:
            findings = self._compare_when_at_rest(gateway)
            with JournalReader(self._journal_path) as reader:
                report = reader.check()
            if not report.is_sound:
                findings.append(Finding("-", f"the journal is damaged: {report}"))
        except IbkrError as error:
            findings = [Finding("-", f"the restart failed: {type(error).__name__}: {error}")]
        return findings

    def _compare_when_at_rest(self, gateway: SimulatedGateway) -> list[Finding]:
        engine = Engine(CLIENT_ID, settings=SETTINGS, journal=self._journal_path)
        try:
            engine.start("127.0.0.1", gateway.port)
            engine.wait_ready(_READY_S)
            deadline = time.monotonic() + _REST_S
            breath = threading.Event()
            while (findings := self._findings(engine, gateway)) and time.monotonic() < deadline:
                breath.wait(_LOOK_S)
        finally:
            engine.close()
        rebuilt = compare_with_journal(
            self._journal_path, engine.orders(), client_id=CLIENT_ID, settings=SETTINGS
        )
        return [*findings, *rebuilt]

    def _findings(self, engine: Engine, gateway: SimulatedGateway) -> list[Finding]:
        books = books_of(self._state_path, gateway.books())
        records = engine.orders()
        pages = read_diary(self._diary_path)
        findings = list(audit(records, books, client_id=CLIENT_ID, wanted=pages.wanted))
        findings += [Finding("-", f"in the victim: {trouble}") for trouble in pages.troubles]
        findings += [
            Finding(record.key, f"is not at rest: {record.status.value}, pending {record.pending}")
            for record in records
            if record.pending or record.status is OrderStatus.UNKNOWN or record.unexplained_quantity
        ]
        findings += self._check_identities(records)
        return findings

    def _check_identities(self, records: tuple[OrderRecord, ...]) -> Iterator[Finding]:
        """Look whether every order keeps its ids for ever, and no id was used twice."""
        for record in records:
            # A modification that crosses the order's end gets the same code (TWS facts 4).
            was_modified = any("modification" in line.what for line in record.history)
            if _DUPLICATE_ID in record.error_codes and not was_modified:
                yield Finding(record.key, f"was sent with an id that was used before: {record.order_id}")
            order_id, perm_id = self._identities.get(record.key, (record.order_id, record.perm_id))
            if record.order_id != order_id or (perm_id is not None and record.perm_id != perm_id):
                was, now = (order_id, perm_id), (record.order_id, record.perm_id)
                yield Finding(record.key, f"had the ids {was} and has {now} now")
            self._identities[record.key] = (record.order_id, record.perm_id)
        for key in self._identities.keys() - {record.key for record in records}:
            yield Finding(key, "was known at an earlier audit, and is forgotten")


def _dies_within(victim: subprocess.Popen[bytes], seconds: float) -> bool:
    try:
        victim.wait(seconds)
    except subprocess.TimeoutExpired:
        return False
    return True


def books_of(state_path: Path, live: Books) -> Books:
    """Return the gateway's books as its state file has them.

    Args:
        state_path: The state file.
        live: Its books in memory: the file leaves out what was never transmitted.
    """
    state = read_state(state_path)
    kept = {order.perm_id for order in state.orders}
    held = tuple(order for order in live.orders if order.perm_id not in kept and not order.status)
    return Books(
        orders=(*map(_account_of, state.orders), *held),
        positions={code: account.positions for code, account in state.accounts.items()},
        cash={code: account.cash for code, account in state.accounts.items()},
    )


def _account_of(order: KeptOrder) -> OrderAccount:
    paid = sum((one.price * one.quantity for one in order.executions), Decimal(0))
    return OrderAccount(
        order_id=order.order_id,
        client_id=order.client_id,
        perm_id=order.perm_id,
        order_ref=order.order_ref,
        symbol=order.instrument.symbol,
        action=order.action,
        status=order.status,
        total=order.total,
        filled=order.filled,
        remaining=order.total - order.filled,
        average_price=paid / order.filled if order.filled else Decimal(0),
        commission=sum((one.commission for one in order.executions), Decimal(0)),
        executions=order.executions,
    )
