"""The event log as a whole: its thread, its queue, and an engine that knows nothing of its troubles."""

from __future__ import annotations

import io
import json
import logging
import sys
import threading
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.listeners import Delivery, Listener, Subscription
from ibkr_core.logs import EventLog, event_fields, read_events
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.logs.samples import NOON, ORDER_EVENTS, OTHER_EVENTS, RECORD, Source, warning


class Gate(io.StringIO):
    """A stream that writes only while its gate is open."""

    def __init__(self) -> None:
        super().__init__()
        self.reached = threading.Event()
        self.open = threading.Event()

    def write(self, text: str) -> int:
        self.reached.set()
        self.open.wait()
        return super().write(text)


def told() -> list[events.Event]:
    """One event of each kind."""
    about_orders = [
        kind(at=NOON, seq=number, record=RECORD, **details)
        for number, (kind, details, _) in enumerate(ORDER_EVENTS)
    ]
    return about_orders + [kind(at=NOON, seq=0, **details) for kind, details, _ in OTHER_EVENTS]


def test_each_event_is_one_line_of_json_in_the_file_and_on_the_stream(tmp_path: Path) -> None:
    """Both targets get the same lines, in order, and each line is the event's fields and nothing else."""
    source, stream = Source(), io.StringIO()
    with EventLog(folder=tmp_path, stream=stream) as log:
        log.attach(source)
        source.tell(*told())
    text = (tmp_path / "orders_20261121.log").read_text()
    assert stream.getvalue() == text
    assert [json.loads(line) for line in text.splitlines()] == [event_fields(event) for event in told()]
    assert (log.written, log.lost) == (2 * len(told()), 0)


def test_a_burst_keeps_its_order_and_close_writes_all_of_it(tmp_path: Path) -> None:
    """Ten thousand events told at once are all in the file, in order, when close returns."""
    source = Source()
    log = EventLog(folder=tmp_path)
    log.attach(source)
    source.tell(*(warning(seq) for seq in range(10_000)))
    log.close()
    assert [event["seq"] for event in read_events(tmp_path)] == list(range(10_000))
    assert "ibkr-core-log" not in {thread.name for thread in threading.enumerate()}


def test_the_day_is_that_of_the_event_in_the_given_zone(tmp_path: Path) -> None:
    """The same moment belongs to different days in different zones; when it is written does not matter."""
    late = NOON.replace(hour=23, minute=30)
    for name, zone in (("utc", None), ("tokyo", ZoneInfo("Asia/Tokyo"))):
        source = Source()
        with EventLog(folder=tmp_path / name, **({"zone": zone} if zone else {})) as log:
            log.attach(source)
            source.tell(warning(1, NOON), warning(2, late), warning(3, late + timedelta(hours=1)))

    def days(name: str) -> dict[str, list[int]]:
        return {
            path.name: [event["seq"] for event in read_events(path)]
            for path in sorted((tmp_path / name).iterdir())
        }

    assert days("utc") == {"orders_20261121.log": [1, 2], "orders_20261122.log": [3]}
    assert days("tokyo") == {"orders_20261121.log": [1], "orders_20261122.log": [2, 3]}


def test_old_files_go_as_days_pass(tmp_path: Path) -> None:
    """With two days to keep, the third day deletes the first."""
    source = Source()
    with EventLog(folder=tmp_path, keep_days=2) as log:
        log.attach(source)
        source.tell(*(warning(seq, NOON + timedelta(days=seq)) for seq in range(4)))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["orders_20261123.log", "orders_20261124.log"]


def test_accounts_are_masked_on_request_only(tmp_path: Path) -> None:
    """No account number is in the file when masking is asked for; without it they are as they were."""
    for name, mask in (("open", False), ("masked", True)):
        source = Source()
        with EventLog(folder=tmp_path / name, mask_accounts=mask) as log:
            log.attach(source)
            source.tell(*told())
    assert "DU1234567" in (tmp_path / "open" / "orders_20261121.log").read_text()
    masked = (tmp_path / "masked" / "orders_20261121.log").read_text()
    assert "1234567" not in masked
    assert "U7654321" not in masked
    assert "DU***567" in masked


def test_a_folder_that_cannot_be_written_hurts_nobody(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The teller goes on, the stream gets its lines, the loss is told once and counted, and later works."""
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("")
    source, stream = Source(), io.StringIO()
    with EventLog(folder=in_the_way, stream=stream) as log:
        log.attach(source)
        for seq in range(3):
            source.tell(warning(seq))
            assert log.flush()
        assert log.lost == 3
        assert [record.levelno for record in caplog.records] == [logging.ERROR]
        in_the_way.unlink()
        source.tell(warning(3))
    assert [event["seq"] for event in read_events(in_the_way)] == [3]
    assert len(stream.getvalue().splitlines()) == 4
    assert log.lost == 3


def test_the_teller_never_waits_for_a_stream_that_hangs() -> None:
    """Telling returns while the stream is stuck; what finds no room is lost and counted; the rest is kept."""
    source, stream = Source(), Gate()
    log = EventLog(stream=stream, max_backlog=10)
    log.attach(source)
    source.tell(warning(0))
    stream.reached.wait()  # the writer holds event 0 and is stuck, the queue is empty
    source.tell(*(warning(seq) for seq in range(1, 16)))
    assert log.lost == 5
    log.close(timeout_s=0.01)  # the disk hangs: it is told, and nobody waits for ever
    stream.open.set()
    log.close()
    written = [json.loads(line)["seq"] for line in stream.getvalue().splitlines()]
    assert written == list(range(11))


def test_flush_says_when_it_could_not(caplog: pytest.LogCaptureFixture) -> None:
    """Flush returns False where the stream hangs, and True when everything is written."""
    source, stream = Source(), Gate()
    with EventLog(stream=stream) as log:
        log.attach(source)
        source.tell(warning(0))
        assert not log.flush(timeout_s=0.01)
        stream.open.set()
        assert log.flush()
        assert log.written == 1
    assert log.flush()


def test_a_closed_log_takes_nothing_more(tmp_path: Path) -> None:
    """After close an engine can go on; nobody listens, nothing is written, and attaching is an error."""
    source = Source()
    log = EventLog(folder=tmp_path)
    subscription = log.attach(source)
    log.close()
    log.close()
    assert subscription.is_closed
    source.tell(warning(1))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(InvalidInput, match="closed"):
        log.attach(source)


def test_an_event_that_comes_while_the_log_closes_is_counted(caplog: pytest.LogCaptureFixture) -> None:
    """A thread may be just telling: what comes too late is lost, but not in silence."""

    class Late(Source):
        def on(self, kind: type[events.Event], listener: Listener, delivery: Delivery, /) -> Subscription:
            self.listener = listener
            return super().on(kind, listener, delivery)

    source, stream = Late(), io.StringIO()
    with EventLog(stream=stream) as log:
        log.attach(source)
    source.listener(warning(1))
    source.listener(warning(2))
    assert (log.lost, stream.getvalue()) == (2, "")
    assert [record.levelno for record in caplog.records] == [logging.ERROR]


@pytest.mark.skipif(not Path("/proc/self/fd").exists(), reason="needs a list of open files")
def test_close_gives_the_file_back(tmp_path: Path) -> None:
    """No file of the log is open after it is closed."""
    source = Source()
    with EventLog(folder=tmp_path) as log:
        log.attach(source)
        source.tell(warning(1))
        assert log.flush()
        assert open_files(tmp_path) == 1
    assert open_files(tmp_path) == 0


def open_files(folder: Path) -> int:
    links = [link for link in Path("/proc/self/fd").iterdir() if link.exists()]
    return sum(link.readlink().is_relative_to(folder) for link in links)


def test_a_subscription_can_be_ended_alone(tmp_path: Path) -> None:
    """The handle of attach ends the listening to one engine; the others go on."""
    first, second = Source(), Source()
    with EventLog(folder=tmp_path) as log:
        subscription = log.attach(first)
        log.attach(second)
        first.tell(warning(1))
        subscription.close()
        first.tell(warning(2))
        second.tell(warning(3))
    assert [event["seq"] for event in read_events(tmp_path)] == [1, 3]


def test_an_event_that_cannot_be_written_is_counted_and_the_next_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """One broken event does not end the log."""
    source = Source()
    with EventLog(folder=tmp_path) as log:
        log.attach(source)
        source.tell(events.Disconnected(at="noon", seq=1), warning(2))  # type: ignore[arg-type]  # broken on purpose
    assert [event["seq"] for event in read_events(tmp_path)] == [2]
    assert log.lost == 1
    assert "Disconnected" in caplog.text


def test_texts_beyond_ascii_fit_any_console(tmp_path: Path) -> None:
    """A stream that knows only ASCII gets the line, and the text is whole when it is read back."""
    source, raw = Source(), io.BytesIO()
    text = "Auftrag gehalten: 株\ud800"
    with EventLog(folder=tmp_path, stream=io.TextIOWrapper(raw, encoding="ascii")) as log:
        log.attach(source)
        source.tell(warning(1, text=text))
        assert log.flush()
        assert json.loads(raw.getvalue())["error"] == text
    assert [event["error"] for event in read_events(tmp_path)] == [text]


def test_the_configuration_of_logging_is_neither_changed_nor_obeyed(tmp_path: Path) -> None:
    """Lines are written though logging is disabled, and root keeps its handlers and its level."""
    root = logging.getLogger()
    before = (list(root.handlers), root.level, list(logging.getLogger("ibkr_core.logs").handlers))
    source = Source()
    logging.disable(logging.CRITICAL)
    try:
        with EventLog(folder=tmp_path) as log:
            log.attach(source)
            source.tell(warning(1))
    finally:
        logging.disable(logging.NOTSET)
    assert len(list(read_events(tmp_path))) == 1
    assert (list(root.handlers), root.level, list(logging.getLogger("ibkr_core.logs").handlers)) == before


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({}, "folder"),
        ({"stream": sys.stdout, "keep_days": 0}, "keep_days"),
        ({"stream": sys.stdout, "keep_days": True}, "keep_days"),
        ({"stream": sys.stdout, "keep_days": "7"}, "keep_days"),
        ({"stream": sys.stdout, "max_backlog": 0}, "max_backlog"),
        ({"stream": sys.stdout, "zone": "UTC"}, "zone"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], named: str) -> None:
    """A wrong argument is named, and no thread is started."""
    before = threading.active_count()
    with pytest.raises(InvalidInput) as refused:
        EventLog(**arguments)
    assert refused.value.argument == named
    assert threading.active_count() == before


@pytest.mark.system
def test_a_real_engine_is_logged_from_its_first_event_to_its_last(tmp_path: Path) -> None:
    """Attached before the engine is opened, the log has every event of it, and the numbers of the book."""
    seen: list[events.Event] = []
    with SimulatedGateway() as gateway, EventLog(folder=tmp_path) as log:
        gateway.market("AAPL").set_quote(bid="189.90", ask="190.05", ask_size=500)
        engine = Engine(client_id=4)
        log.attach(engine)
        engine.on(events.Event, seen.append)
        with engine:
            engine.open(gateway.host, gateway.port)
            ticket = engine.submit(Contract.stock("AAPL"), Order.market("BUY", 100), key="one")
            filled = ticket.wait(timeout_s=30)
    lines = list(read_events(tmp_path))
    assert [line["seq"] for line in lines] == [event.seq for event in seen] == list(range(1, len(seen) + 1))
    assert [line["event"] for line in lines[-2:]] == ["Disconnected", "SessionChanged"]
    assert lines[-1]["state"] == "disconnected"
    (execution,) = [line for line in lines if line["event"] == "ExecutionReceived"]
    assert filled.status is OrderStatus.FILLED
    assert (execution["key"], execution["exec_id"]) == ("one", filled.fills[0].exec_id)
    assert Decimal(execution["fill_price"]) == filled.avg_fill_price == Decimal("190.05")
    assert execution["first_fill_latency_us"] >= execution["ack_latency_us"] > 0
