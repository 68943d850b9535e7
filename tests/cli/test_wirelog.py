"""The gateway's JSON log."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.cli.wirelog import WireLog
from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import MemoryGateway
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket, gateway

NOW = datetime(2026, 11, 21, 10, tzinfo=UTC)


def lines(path: Path) -> list[dict[str, object]]:
    """The log as it stands."""
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_each_message_is_a_line_of_json(tmp_path: Path) -> None:
    """Numbers that JSON does not have become text, and what was there before stays."""
    path = tmp_path / "wire.log"
    for _ in range(2):
        with WireLog(path, lambda: NOW) as log:
            log("connected", 7, None)
            log("answer", 7, Message("position", {"position": Decimal("1.5"), "raw": b"\x01", "all": (1,)}))
    assert lines(path)[2:] == [
        {"time": "2026-11-21T10:00:00.000000+00:00", "event": "connected", "client_id": 7},
        {
            "time": "2026-11-21T10:00:00.000000+00:00",
            "event": "answer",
            "client_id": 7,
            "kind": "position",
            "fields": {"position": "1.5", "raw": "01", "all": [1]},
        },
    ]


def test_a_file_that_cannot_be_written_is_the_users_mistake(tmp_path: Path) -> None:
    """The error names the option and the file."""
    with pytest.raises(InvalidInput, match=r"--json-log: cannot write .*Is a directory"):
        WireLog(tmp_path, lambda: NOW)


def test_a_gateway_tells_its_watcher_what_passes(tmp_path: Path) -> None:
    """A whole session: it comes, asks, is answered, and leaves."""
    made: MemoryGateway = gateway()
    path = tmp_path / "wire.log"
    with WireLog(path, lambda: NOW) as log:
        made.watcher = log
        client = Pocket(made)
        client.ask("reqCurrentTime")
        made.sessions()[0].close()
    told = lines(path)
    assert (told[0]["event"], told[-1]["event"]) == ("connected", "left")
    assert {"event": "request", "kind": "reqCurrentTime"}.items() <= told[-3].items()
    assert {"event": "answer", "kind": "currentTime"}.items() <= told[-2].items()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_names_the_option_and_the_file() -> None:
    """Whoever reads the error knows what was being written, and closing it afterwards raises nothing more."""
    log = WireLog(Path("/dev/full"), lambda: NOW)
    with pytest.raises(
        OSError, match=r"--json-log: cannot write /dev/full: No space left on device; the gateway"
    ):
        log("connected", 7, None)
    log.close()
