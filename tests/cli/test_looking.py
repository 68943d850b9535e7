"""Commands that look: what they show is what is there, and nobody's orders are disturbed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from ibkr_core.engine import Engine
from ibkr_core.logs import EventLog, read_events
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.summary import summarise
from tests.cli.floor import AAPL, Floor, run, trading
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with trading(tmp_path_factory.mktemp("floor")) as made:
        yield made


@pytest.fixture(params=["gateway", "journal"])
def source(request: pytest.FixtureRequest, floor: Floor) -> list[str]:
    return [] if request.param == "gateway" else ["--journal", str(floor.journal)]


def test_orders_are_those_of_the_gateway_and_of_the_journal(floor: Floor, source: list[str]) -> None:
    """Both tell the same of both orders; numbers are exact text."""
    rows = {row["order_id"]: row for row in floor.json("orders", *source)}
    assert set(rows) == {floor.filled, floor.resting}
    filled, resting = rows[floor.filled], rows[floor.resting]
    assert (filled["symbol"], filled["action"], filled["status"]) == ("AAPL", "BUY", "FILLED")
    assert (filled["filled_quantity"], filled["average_price"]) == ("10", "190.1")
    assert (resting["status"], resting["limit_price"], resting["quantity"]) == ("SUBMITTED", "300", "5")
    assert {row["client_id"] for row in rows.values()} == {1}


def test_open_orders_and_one_instrument_can_be_chosen(floor: Floor, source: list[str]) -> None:
    """Only what is asked for."""
    assert [row["order_id"] for row in floor.json("orders", "--open", *source)] == [floor.resting]
    assert [row["order_id"] for row in floor.json("orders", "--symbol", "AAPL", *source)] == [floor.filled]
    assert floor.json("orders", "--symbol", "NONE", *source) == []


def test_orders_for_people_are_an_aligned_table(floor: Floor, source: list[str]) -> None:
    """Titles, one line an order, no trailing blanks; nothing to show is said."""
    result = floor.run("orders", *source)
    assert result.exit_code == 0
    title, *lines = result.stdout.splitlines()
    assert title.split()[:3] == ["#", "Client", "Account"]
    assert len(lines) == 2
    assert all(line == line.rstrip() for line in (title, *lines))
    place = title.index("Status")
    assert {line[place:].split()[0] for line in lines} == {"FILLED", "SUBMITTED"}
    assert floor.run("orders", "--symbol", "NONE", *source).stdout == "no orders\n"


def test_fills_carry_their_commission(floor: Floor, source: list[str]) -> None:
    """The one execution, from the gateway and from the journal, with what it cost."""
    [row] = floor.json("fills", *source)
    [fill] = floor.engine.order(floor.filled).fills
    assert (row["order_id"], row["quantity"], row["price"]) == (floor.filled, "10", "190.1")
    assert row["exec_id"] == fill.exec_id
    assert row["commission"] == f"{fill.commission:f}".rstrip("0").rstrip(".")
    assert floor.json("fills", "--order", str(floor.resting), *source) == []
    assert floor.json("fills", "--day", "2020-01-01", *source) == []
    assert len(floor.json("fills", "--day", "today", "--symbol", "AAPL", *source)) == 1
    assert "190.1" in floor.run("fills", *source).stdout


def test_positions_are_the_brokers(floor: Floor) -> None:
    """What the account holds, by instrument."""
    [row] = floor.json("positions")
    [held] = floor.gateway.books().positions["DU1234567"]
    assert (row["account"], row["symbol"], row["quantity"]) == ("DU1234567", "AAPL", "10")
    assert float(row["average_cost"]) == pytest.approx(float(held.average_cost))
    assert floor.json("positions", "--symbol", "MSFT") == []


def test_accounts_are_hidden_where_that_is_asked_for(floor: Floor) -> None:
    """In tables and in JSON; nothing else changes."""
    for command in ("orders", "fills", "positions"):
        for more in ([], ["--json"]):
            result = floor.run(command, "--mask-accounts", *more)
            assert "DU1234567" not in result.stdout
            assert "DU***567" in result.stdout


def test_the_history_of_an_order_is_told_from_each_source(floor: Floor) -> None:
    """The gateway tells what it showed us, journal and log tell all; an id or a key names the order."""
    live = floor.json("history", str(floor.filled))
    assert {line["order_id"] for line in live} == {floor.filled}
    journal = floor.json("history", "bought", "--journal", str(floor.journal))
    logged = floor.json("history", str(floor.filled), "--log-dir", str(floor.logs))
    assert [line["event"] for line in journal] == [line["event"] for line in logged]
    assert [line["type"] for line in journal] == [line["type"] for line in logged]
    assert journal[0]["event"] == "OrderSubmitted"
    assert "FILL" in {line["type"] for line in journal}
    assert logged == [dict(one) for one in read_events(floor.logs, order_id=floor.filled)]


def test_history_can_be_narrowed(floor: Floor) -> None:
    """By type, instrument, day and number."""
    for source in (["--journal", str(floor.journal)], ["--log-dir", str(floor.logs)]):
        only = floor.json("history", "--type", "submission", *source)
        assert [line["event"] for line in only] == ["OrderSubmitted"] * 2
        assert len(floor.json("history", "--limit", "1", *source)) == 1
        assert floor.json("history", "--day", "2020-01-01", *source) == []
        symbols = {line["symbol"] for line in floor.json("history", "--symbol", "MSFT", *source)}
        assert symbols == {"MSFT"}
    result = floor.run("history", "--type", "FILL", "--log-dir", str(floor.logs))
    assert "10 at 190.1" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["history", "99"], 4, "order 99: the gateway tells nothing of it"),
        (["history", "mine"], 2, "tells nothing of the key 'mine'"),
        (["history", "--type", "FILL"], 2, "--type: needs a --journal or a --log-dir"),
        (["history", "--type", "TRADE", "--log-dir", "x"], 2, "must be one of SUBMISSION, FILL"),
        (["history", "--log-dir", "nothing"], 6, "No such file or directory"),
        (["orders", "--journal", "nothing.db"], 6, "there is no such file"),
        (["fills", "--day", "tomorrow"], 2, "--day: must be a day such as 2026-11-21"),
        (["orders", "--zone", "Moon/Base"], 2, "--zone: is no time zone: 'Moon/Base'"),
    ],
)
def test_what_cannot_be_shown_is_explained(floor: Floor, arguments: list[str], code: int, words: str) -> None:
    """A code that tells the kind of trouble, and one line that says it."""
    result = floor.run(*arguments)
    assert result.exit_code == code
    assert words in result.stderr
    assert "Traceback" not in result.output


def test_an_order_that_nobody_knows_is_not_one_without_a_past(floor: Floor) -> None:
    """A slip in an id or a key must not read as "nothing happened"; JSON stays JSON."""
    journal, log = ("--journal", str(floor.journal)), ("--log-dir", str(floor.logs))
    for arguments, code in (
        (("history", "99", *journal), 4),
        (("history", "99", *log), 4),
        (("history", "99"), 4),
        (("history", "mine", *journal), 2),
        (("history", "mine", *log), 2),
        (("history", "9" * 5_000, *journal), 2),
        (("fills", "--order", "99", *journal), 4),
        (("fills", "--order", "99"), 4),
    ):
        plain, as_json = floor.run(*arguments), floor.run(*arguments, "--json")
        assert (plain.exit_code, plain.stdout) == (code, "")
        assert (as_json.exit_code, as_json.stdout) == (code, "[]\n")
        assert plain.stderr == as_json.stderr
        where = {"--journal": str(floor.journal), "--log-dir": str(floor.logs)}
        assert where.get(arguments[-2], "the gateway tells nothing of") in plain.stderr
    for known in ("rests", str(floor.resting)):
        for source in (journal, log, ()):
            nothing = floor.run("history", known, "--day", "2020-01-01", *source)
            assert (nothing.exit_code, nothing.stdout) == (0, "nothing happened\n")
    assert floor.run("fills", "--order", str(floor.resting), *journal).stdout == "no fills\n"


def test_a_key_may_be_of_digits_alone(tmp_path: Path) -> None:
    """An order id goes before it."""
    path = tmp_path / "orders.db"
    with Engine.dry_run(journal=path) as engine, EventLog(folder=tmp_path / "logs") as log:
        log.attach(engine)
        first = engine.submit(AAPL, Order.market("BUY", 10), key="20261121")
        second = engine.submit(AAPL, Order.market("BUY", 10), key=str(first.order_id))
        for ticket in (first, second):
            ticket.wait(timeout_s=PATIENCE_S)
    for source in (("--journal", str(path)), ("--log-dir", str(tmp_path / "logs"))):
        for order in (str(first.order_id), "20261121"):
            lines = json.loads(run("history", order, "--json", *source).stdout)
            assert {line["order_id"] for line in lines} == {first.order_id}


def test_a_summary_is_the_librarys(floor: Floor) -> None:
    """From gateway, journal and log it counts the same; the words have the figures."""
    day = datetime.now(UTC).date()
    wanted = summarise(floor.engine.orders(), day, UTC).as_dict()
    sources = (["--journal", str(floor.journal)], ["--log-dir", str(floor.logs)])
    assert [floor.json("summary", "--zone", "UTC", *source) for source in sources] == [wanted] * 2
    live = floor.json("summary", "--zone", "UTC")
    assert live["by_status"] == {"SUBMITTED": 1, "FILLED": 1}
    assert (live["volume"], live["notional"]) == ("10", {"USD": "1901"})
    text = floor.run("summary", "--zone", "UTC", "--journal", str(floor.journal)).stdout
    assert "Orders      2: 1 SUBMITTED, 1 FILLED" in text
    assert "Notional    1,901.00 USD" in text
    assert "AAPL" in text
    empty = floor.run("summary", "--day", "2020-01-01", "--journal", str(floor.journal)).stdout
    assert empty == "Wednesday, 2020-01-01 (America/New_York)\nno orders\n"


def test_looking_disturbs_nobody(floor: Floor) -> None:
    """Each look has a client id of its own: the program stays connected, and its orders are as they were."""
    before = floor.engine.orders()
    for command in ("orders", "fills", "positions", "summary", "history"):
        assert floor.run(command).exit_code == 0
    assert floor.engine.is_ready
    assert floor.engine.orders() == before
    assert floor.engine.order(floor.resting).status is OrderStatus.SUBMITTED


def test_a_client_id_in_use_is_explained(floor: Floor) -> None:
    """One of one's own choosing that is taken is refused with what to do."""
    result = floor.run("orders", "--client-id", "1")
    assert result.exit_code == 3
    assert "hint: another program is connected with this client id" in result.stderr


def test_no_gateway_is_explained() -> None:
    """Where nothing listens: what to try, in the exit code that says it."""
    result = run("orders", "--port", "1")
    assert result.exit_code == 3
    assert "accepts connections at 127.0.0.1:1" in result.stderr
    assert "4002 Gateway paper" in result.stderr
    assert result.stdout == ""


def test_where_to_look_is_what_the_command_line_says(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """A journal of the environment is read, unless the line names a log, or the gateway."""
    monkeypatch.setenv("IBKR_CORE_JOURNAL", str(floor.journal))
    monkeypatch.setenv("IBKR_CORE_PORT", "1")
    assert json.loads(run("orders", "--json").stdout)
    logged = run("history", "--log-dir", str(floor.logs), "--json", "--limit", "1").stdout
    assert "details" not in json.loads(logged)[0]
    monkeypatch.setenv("IBKR_CORE_LOG_DIR", str(floor.logs))
    assert "details" in json.loads(run("history", "--json", "--symbol", "AAPL").stdout)[-1]
    assert run("orders", "--live").exit_code == 3


def test_a_journal_that_is_none_is_explained(tmp_path: Path) -> None:
    """A file of another kind is refused before anything of it is shown."""
    path = tmp_path / "notes.txt"
    path.write_text("no journal")
    result = run("orders", "--journal", str(path))
    assert (result.exit_code, result.stdout) == (6, "")
    assert "error: journal" in result.stderr


def test_dry_runs_are_summed_up_apart(tmp_path: Path) -> None:
    """What was no trade is in no day's figures, unless it is asked for; then nothing else is."""
    with EventLog(folder=tmp_path) as log, Engine.dry_run() as engine:
        log.attach(engine)
        record = engine.submit(AAPL, Order.market("BUY", 10)).wait(timeout_s=PATIENCE_S)
    assert record.submission_time is not None
    source = ("summary", "--day", f"{record.submission_time:%Y-%m-%d}", "--zone", "UTC")
    logged = (*source, "--log-dir", str(tmp_path))
    assert "no orders" in run(*logged).stdout
    assert "1 FILLED" in run(*logged, "--dry-run").stdout
    refused = run(*source, "--dry-run")
    assert (refused.exit_code, "--dry-run: is for an event log" in refused.stderr) == (2, True)
