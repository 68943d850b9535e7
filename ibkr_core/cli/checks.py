"""What `ibkr-core doctor` looks at: each check says what it found, and what to do where that is wrong."""

from __future__ import annotations

import enum
import importlib
import importlib.metadata
import os
import platform
import shutil
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core._version import __version__
from ibkr_core.errors import JournalError
from ibkr_core.journal import JournalReader
from ibkr_core.lifecycle import express
from ibkr_core.link.compat import LOWEST_SERVER_VERSION, PROTOBUF_SINCE, client_versions
from ibkr_core.model.events import BrokerMessage

__all__ = [
    "Check",
    "Health",
    "check_clock",
    "check_farms",
    "check_folder",
    "check_ibapi",
    "check_journal",
    "check_protobuf",
    "check_python",
    "check_zones",
    "is_paper",
    "is_read_only",
]

_MIB: Final = 1 << 20
_LITTLE_ROOM: Final = 500 * _MIB
_NO_ROOM: Final = 50 * _MIB
_SKEW_WARN_S: Final = 2.0
_SKEW_FAIL_S: Final = 30.0
_BROKEN_FARM: Final = frozenset({1100, 2103, 2105, 2110, 2157})
_READ_ONLY: Final = 321


class Health(enum.Enum):
    """How a check went."""

    OK = "ok"
    NOTE = "warn"
    BAD = "FAIL"
    SKIPPED = "skip"


@attrs.frozen
class Check:
    """What a check found.

    Attributes:
        name: What was looked at.
        health: How it is.
        text: What was found.
        hint: What to do about it; empty where nothing need be done.
    """

    name: str
    health: Health
    text: str
    hint: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return it for JSON."""
        return {"check": self.name, "health": self.health.value, "text": self.text, "hint": self.hint}


# ── this machine ────────────────────────────────────────────────────────────────────────────────


def check_python() -> Check:
    """Say which Python and which ibkr_core this is, and whether its busiest modules are compiled."""
    how = "pure Python" if str(express.__file__).endswith(".py") else "compiled"
    text = f"{platform.python_version()} on {platform.system()}, ibkr_core {__version__} ({how})"
    return Check("python", Health.OK, text)


def check_ibapi(owners: Mapping[str, Sequence[str]] | None = None) -> Check:
    """Say which official client is installed, and whether two distributions own its module.

    Several projects on the Python index install the same module ``ibapi``: the one installed last wins,
    whichever its metadata says, and removing either takes files of the other with it.

    Args:
        owners: Which distributions own which module; looked up where it is not given.
    """
    found = importlib.metadata.packages_distributions() if owners is None else owners
    names = sorted(set(found.get("ibapi", ())))
    lowest, highest = client_versions()
    module = importlib.import_module("ibapi")
    version = str(getattr(module, "__version__", "") or module.get_version_string())
    speaks = f"speaks server versions {max(lowest, LOWEST_SERVER_VERSION)} to {highest}"
    if len(names) > 1:
        both = " and ".join(f"{name} {_version_of(name)}" for name in names)
        return Check(
            "ibapi",
            Health.BAD,
            f"{both} both install the module ibapi; what runs is {version}",
            f"pip uninstall {' '.join(names)}, then pip install the one that you want",
        )
    owner = f"{names[0]} {_version_of(names[0])}" if names else f"{version} at {module.__file__}"
    return Check("ibapi", Health.OK, f"{owner}, {speaks}")


def _version_of(distribution: str) -> str:
    try:
        return importlib.metadata.version(distribution)
    except importlib.metadata.PackageNotFoundError:
        return "?"


def check_protobuf() -> Check:
    """Say whether the client's generated messages can be used, which newer gateways need."""
    if client_versions()[1] < PROTOBUF_SINCE:
        return Check("protobuf", Health.SKIPPED, "this ibapi speaks text alone")
    version = _version_of("protobuf")
    try:
        importlib.import_module("ibapi.protobuf.OrderStatus_pb2")
    except Exception as error:  # noqa: BLE001 - a version that does not fit raises what it likes
        text = f"protobuf {version} does not fit this ibapi: {' '.join(str(error).split())}"
        return Check("protobuf", Health.BAD, text, 'pip install --upgrade "protobuf>=5.29.5"')
    return Check("protobuf", Health.OK, f"{version}, fits this ibapi")


def check_zones() -> Check:
    """Say whether time zones are known, without which times of the broker cannot be read."""
    try:
        now = datetime.now(ZoneInfo("America/New_York"))
    except (KeyError, OSError, ValueError):
        return Check(
            "time zones", Health.BAD, "America/New_York is not known", "pip install tzdata, or install it"
        )
    return Check("time zones", Health.OK, f"it is {now:%H:%M} in New York")


def check_folder(name: str, folder: Path) -> Check:
    """Say whether a folder can be written, and whether its disk has room."""
    if not folder.is_dir():
        return Check(name, Health.BAD, f"{folder} is no folder", "make it, or correct the path")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Check(
            name, Health.BAD, f"{folder} cannot be written", "give this user the right to write there"
        )
    free = shutil.disk_usage(folder).free
    text = f"{folder}, {free // _MIB:,} MiB free"
    if free < _NO_ROOM:
        return Check(name, Health.BAD, text, "make room: without it no new order is sent")
    if free < _LITTLE_ROOM:
        return Check(name, Health.NOTE, text, "make room before it is full")
    return Check(name, Health.OK, text)


# ── the gateway ─────────────────────────────────────────────────────────────────────────────────


def is_paper(account: str) -> bool:
    """Whether an account number is that of a paper account: those begin with D."""
    return account.startswith("D")


def is_read_only(code: int, text: str) -> bool:
    """Whether a message says that the API may only read.

    Code 321 has many reasons; the text of this one is "The API interface is currently in Read-Only mode".
    """
    return code == _READ_ONLY and "read-only" in text.lower()


def check_clock(told: datetime, before: datetime, after: datetime, *, step: timedelta) -> Check:
    """Compare the gateway's clock with ours.

    Args:
        told: What the gateway said.
        before: When it was asked.
        after: When it had answered.
        step: How finely it tells the time; older gateways tell whole seconds.
    """
    earliest, latest = told - after, told + step - before
    skew = earliest if earliest > timedelta(0) else min(timedelta(0), latest)
    seconds = abs(skew.total_seconds())
    if not seconds:
        return Check("clock", Health.OK, "agrees with the gateway's, as finely as that tells it")
    text = f"{seconds:.1f} s {'behind' if skew > timedelta(0) else 'ahead of'} the gateway's"
    if seconds < _SKEW_WARN_S:
        return Check("clock", Health.OK, text)
    health = Health.NOTE if seconds < _SKEW_FAIL_S else Health.BAD
    return Check("clock", health, text, "let NTP set this machine's clock: times of orders are told by it")


def check_farms(messages: Sequence[BrokerMessage]) -> Check:
    """Say whether the broker told of connections that are broken."""
    newest = {message.message.rpartition(":")[2]: message for message in messages}
    broken = [one for one in newest.values() if one.code in _BROKEN_FARM]
    if broken:
        text = "; ".join(f"{one.code} {' '.join(one.message.split())}" for one in broken)
        return Check(
            "farms", Health.NOTE, text, "wait for it to come back, or see the broker's system status"
        )
    return Check("farms", Health.OK, "no broken connection was told")


# ── the journal ─────────────────────────────────────────────────────────────────────────────────


def check_journal(path: Path, *, thorough: bool = True) -> Iterator[Check]:
    """Say how a journal is: readable, undamaged, who writes it, whether trading is halted.

    Args:
        path: The journal.
        thorough: Whether to read the whole file.
    """
    try:
        with JournalReader(path) as reader:
            yield _journal_file(reader, path, thorough=thorough)
            halted = reader.state("halted")
            runs = reader.query(
                "SELECT epoch, started_at, closed_at, pid FROM runs ORDER BY epoch DESC LIMIT 1"
            )
    except JournalError as error:
        yield Check("journal", Health.BAD, error.reason, error.advice)
        return
    if halted:
        yield Check("halt", Health.NOTE, f"trading is halted: {halted}", "`ibkr-core release` lifts it")
    for _, started, closed, pid in runs:
        yield _last_run(str(started), closed, int(pid))
    yield check_folder("disk", path.resolve().parent)


def _journal_file(reader: JournalReader, path: Path, *, thorough: bool) -> Check:
    owner = reader.query("SELECT value FROM meta WHERE name = 'client_id'")
    client = f"client {owner[0][0]}" if owner else "no client"
    if not thorough:
        return Check("journal", Health.OK, f"{path}, {client}, not read through")
    report = reader.check()
    if not report.is_sound:
        return Check(
            "journal",
            Health.BAD,
            f"{path} is damaged: {report.problems[0]} ({len(report.problems)} problems)",
            "keep the file, and restore a backup or start with a new one; see docs/journal.md",
        )
    size = f"{report.size / _MIB:,.1f} MiB"
    counts = f"{report.orders} orders, {report.fills} fills, {report.inputs} inputs"
    return Check("journal", Health.OK, f"{path}, {client}, {size}, {counts}, undamaged")


def _last_run(started: str, closed: object, pid: int) -> Check:
    began = f"{datetime.fromisoformat(started).astimezone(UTC):%Y-%m-%d %H:%M} UTC"
    if closed is not None:
        return Check("last run", Health.OK, f"began {began}, ended cleanly")
    if _is_running(pid):
        return Check("last run", Health.OK, f"began {began}, process {pid} writes it now")
    return Check(
        "last run",
        Health.NOTE,
        f"began {began} and was killed",
        "nothing is lost: the next start takes everything over from the journal and the broker",
    )


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True  # somebody else's process
    return True
