"""The event log for people."""

from __future__ import annotations

import io
from datetime import UTC
from zoneinfo import ZoneInfo

import attrs
import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.logs import EventLog, console_line, event_fields
from ibkr_core.model import events
from ibkr_core.model.status import OrderStatus
from tests.logs.samples import (
    FILL,
    MESSAGE,
    NOON,
    ORDER_EVENTS,
    OTHER_EVENTS,
    RECORD,
    Source,
    rejected,
)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def told() -> list[events.Event]:
    """One event of each kind."""
    about_orders = [kind(at=NOON, record=RECORD, **details) for kind, details, _ in ORDER_EVENTS]
    return about_orders + [kind(at=NOON, **details) for kind, details, _ in OTHER_EVENTS]


@pytest.mark.parametrize("event", told(), ids=[type(event).__name__ for event in told()])
def test_each_kind_of_event_is_one_aligned_line(event: events.Event) -> None:
    """Time, type, order and terms stand in their columns, and what happened is never empty."""
    line = console_line(event_fields(event), UTC)
    assert "\n" not in line
    assert line.startswith("12:00:00.123  ")
    assert line[14:27].strip() == event_fields(event)["type"]
    order_id = getattr(event, "order_id", None)
    assert line[29:36].strip() == (f"#{order_id}" if order_id is not None else "")
    if getattr(event, "record", None) is not None:
        assert line[36:66] == "BUY 100 AAPL LMT 190.5        "
        assert line[66:].strip()
    else:
        assert line[36:].strip()


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.OrderSubmitted(at=NOON, record=RECORD), "submitted, key mine-1"),
        (
            events.ExecutionReceived(at=NOON, record=RECORD, fill=FILL),
            "40 at 190.1 on ARCA, 40 of 100 filled",
        ),
        (
            events.OrderStatusChanged(
                at=NOON,
                record=RECORD,
                previous=OrderStatus.SUBMITTED,
                current=OrderStatus.PARTIALLY_FILLED,
            ),
            "PARTIALLY_FILLED, was SUBMITTED",
        ),
        (
            events.OrderWarning(at=NOON, record=RECORD, message=MESSAGE),
            "warning: 399 Order Message: waits for",
        ),
        (rejected(), "REJECTED: 201 Order rejected - reason:no money"),
        (events.TradingHalted(at=NOON, reason="enough"), "trading HALTED: enough"),
        (events.Disconnected(at=NOON), "disconnected"),
        (events.ListenerFailed(at=NOON, listener="f", error="x"), "listener failed: listener f, error x"),
    ],
)
def test_what_happened_is_said_in_a_few_words(event: events.Event, words: str) -> None:
    """The words that a trader looks for."""
    assert words in console_line(event_fields(event), UTC)


def test_the_time_is_shown_in_the_zone_asked_for() -> None:
    """A trader in New York reads New York's time."""
    line = console_line(event_fields(events.Disconnected(at=NOON)), ZoneInfo("America/New_York"))
    assert line.startswith("07:00:00.123  ")


def test_a_broker_cannot_steer_the_terminal() -> None:
    """Escape sequences and line ends of a broker's text are no such things on the console."""
    message = attrs.evolve(MESSAGE, message="a\x1b[2Jb\r\nc\x07")
    line = console_line(event_fields(events.OrderWarning(at=NOON, record=RECORD, message=message)), UTC)
    assert line.isprintable()
    assert "a [2Jb c" in line


def test_a_dry_run_says_so_on_each_line() -> None:
    """Nobody takes for real what was not."""
    line = console_line(event_fields(events.OrderSubmitted(at=NOON, record=RECORD, is_dry_run=True)), UTC)
    assert "(dry run) submitted" in line


def test_lines_that_were_read_back_are_shown_too() -> None:
    """Also those without a type, of which something is missing, or that could not be read."""
    assert "CANCELLATION" in console_line({"event": "CancelRequested", "timestamp": "?"}, UTC)
    assert "line 3 of f cannot be read" in console_line(
        {"event": "UnreadableLine", "line": 3, "file": "f"}, UTC
    )


def test_a_stream_for_people_gets_lines_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    """Aligned text instead of JSON; colours only where the stream is a terminal and nobody said NO_COLOR."""
    event = events.OrderFilled(at=NOON, record=RECORD)
    shown = {}
    for name, stream, no_color in (
        ("pipe", io.StringIO(), ""),
        ("tty", Terminal(), ""),
        ("no", Terminal(), "1"),
    ):
        monkeypatch.setenv("NO_COLOR", no_color)
        source = Source()
        with EventLog(stream=stream, stream_style="text") as log:
            log.attach(source)
            source.tell(event)
        shown[name] = stream.getvalue()
    assert shown["pipe"] == console_line(event_fields(event), UTC) + "\n"
    assert shown["tty"] == console_line(event_fields(event), UTC, colour=True) + "\n"
    assert "\x1b" in shown["tty"]
    assert shown["no"] == shown["pipe"]


def test_json_files_beside_a_stream_for_people_stay_json(tmp_path: object) -> None:
    """The style is the stream's alone, and accounts are hidden in both."""
    with pytest.raises(InvalidInput, match="stream_style: must be json or text"):
        EventLog(stream=io.StringIO(), stream_style="yaml")
    source, stream = Source(), io.StringIO()
    with EventLog(folder=str(tmp_path), stream=stream, stream_style="text", mask_accounts=True) as log:
        log.attach(source)
        source.tell(events.Synchronised(at=NOON, accounts=("DU1234567",), open_orders=0))
    assert "synchronised: DU***567, 0 open orders" in stream.getvalue()
