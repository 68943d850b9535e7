"""Commands that act: orders are placed, cancelled and stopped as asked, or refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from ibkr_core.cli import acting
from ibkr_core.engine import Engine
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.journal import Journal, JournalReader
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.cli.floor import run
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system
OPTION = "SELL 1 AAPL --sec-type OPT --expiry 20261218 --strike 290 --right C"


@pytest.fixture
def gateway() -> Iterator[SimulatedGateway]:
    with SimulatedGateway(seed=3) as made:
        made.market("AAPL").set_quote(bid="190.00", ask="190.10")
        yield made


def command(
    gateway: SimulatedGateway, line: str, *more: str, answer: str | None = None
) -> tuple[int, str, str]:
    result = run(*line.split(), *more, "--port", str(gateway.port), input=answer)
    assert "Traceback" not in result.output
    return result.exit_code, result.stdout, result.stderr


# ── place ───────────────────────────────────────────────────────────────────────────────────────────


def test_an_order_is_placed_and_waited_for(gateway: SimulatedGateway, tmp_path: Path) -> None:
    """It fills, is shown with its price, and stands in the journal with its commission."""
    journal = tmp_path / "orders.db"
    code, out, err = command(
        gateway, "place BUY 10 AAPL --yes --wait 60 --key mine --json --journal", str(journal)
    )
    assert (code, err) == (0, "")
    [booked] = gateway.books().orders
    row = json.loads(out)
    assert booked.status == "Filled"
    assert booked.filled == 10
    assert (row["status"], row["average_price"], row["key"]) == ("FILLED", "190.1", "mine")
    assert "dry_run" not in row
    with JournalReader(journal) as reader:
        [fill] = reader.fills(key="mine")
    assert fill.commission is not None


def test_the_same_key_is_sent_once(gateway: SimulatedGateway, tmp_path: Path) -> None:
    """With a journal, a script that asks again after a crash does not order twice."""
    line = "place BUY 10 AAPL --limit 150 --yes --key mine --journal"
    assert [command(gateway, line, str(tmp_path / "orders.db"))[0] for _ in range(2)] == [0, 0]
    assert len(gateway.books().orders) == 1


@pytest.mark.parametrize(
    ("line", "kind", "prices"),
    [
        ("BUY 10 AAPL --limit 150.25 --tif GTC", "LMT", ("150.25", None)),
        ("SELL 10 AAPL --stop 150.25", "STP", (None, "150.25")),
        ("SELL 10 AAPL --stop 150.25 --limit 150", "STP LMT", ("150", "150.25")),
    ],
)
def test_terms_are_those_of_the_line(
    gateway: SimulatedGateway, line: str, kind: str, prices: tuple[str | None, str | None]
) -> None:
    """Without --wait it is over as soon as the broker has answered; the order works on."""
    code, out, _ = command(gateway, f"place {line} --yes --json")
    row = json.loads(out)
    assert code == 0
    assert (row["order_type"], row["limit_price"], row["aux_price"]) == (kind, *prices)
    assert gateway.books().orders[0].status in ("Submitted", "PreSubmitted")


@pytest.mark.parametrize(("answer", "code", "orders"), [("y\n", 0, 1), ("n\n", 1, 0), ("", 1, 0)])
def test_a_person_is_asked(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch, answer: str, code: int, orders: int
) -> None:
    """The order, the account and the place are shown; only a yes sends it."""
    monkeypatch.setattr(acting, "_is_terminal", lambda: True)
    found, _, err = command(gateway, "place BUY 10 AAPL --limit 150", answer=answer)
    where = f"on DU1234567 at 127.0.0.1:{gateway.port}, client 1"
    assert f"BUY 10 AAPL (STK, SMART, USD) LMT limit 150 DAY  {where}" in err
    assert "LIVE" not in err
    assert found == code
    assert len(gateway.books().orders) == orders


def test_the_question_names_all_that_is_meant(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The instrument with its kind and currency, and hours in which the market is thin."""
    monkeypatch.setattr(acting, "_is_terminal", lambda: True)
    line = "place SELL 1 AAPL --sec-type CFD --stop 150 --tif GTC --outside-rth"
    code, _, err = command(gateway, line, answer="n\n")
    assert code != 0
    assert "SELL 1 AAPL (CFD, SMART, USD) STP stop 150 GTC outside regular hours  on DU1234567" in err
    assert gateway.books().orders == ()


def test_a_hidden_account_is_hidden_in_the_question_too(
    gateway: SimulatedGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its ends are enough to know it by."""
    monkeypatch.setattr(acting, "_is_terminal", lambda: True)
    _, out, err = command(gateway, "place BUY 10 AAPL --limit 150 --mask-accounts", answer="n\n")
    assert "on DU***567 at" in err
    assert "DU1234567" not in out + err


def test_real_money_is_named_before_it_is_spent(monkeypatch: pytest.MonkeyPatch) -> None:
    """An account that is no paper account is called live."""
    from ibkr_core.gateway import Settings

    monkeypatch.setattr(acting, "_is_terminal", lambda: True)
    with SimulatedGateway(settings=Settings(accounts=("U1234567",))) as live:
        _, _, err = command(live, "place BUY 10 AAPL --limit 150", answer="n\n")
    assert "LIVE account: real money" in err


def test_a_script_has_to_say_yes(gateway: SimulatedGateway) -> None:
    """Where nobody can be asked, nothing is sent without it."""
    code, _, err = command(gateway, "place BUY 10 AAPL")
    assert (code, err.startswith("error: --yes: say it where nobody can be asked")) == (2, True)
    assert gateway.books().orders == ()


def test_a_refused_order_says_why(gateway: SimulatedGateway) -> None:
    """The broker's reason, and the exit code for it."""
    code, out, err = command(gateway, "place BUY 10 NOSUCH --limit 1 --yes")
    assert code == 4
    assert "REJECTED" in out
    assert "No security definition" in err


def test_an_order_that_the_broker_cancels_says_why(gateway: SimulatedGateway) -> None:
    """A limit far through the market is cancelled by the price cap; its reason comes a moment later."""
    code, out, err = command(gateway, "place BUY 10 AAPL --limit 5000 --yes")
    assert code == 4
    assert "CANCELLED 0 of 10" in out
    assert "more aggressive than" in err


def test_an_order_that_does_not_end_in_time_is_told(gateway: SimulatedGateway) -> None:
    """It stays as it is, and the exit code says that the end is not known."""
    code, out, err = command(gateway, "place BUY 10 AAPL --limit 150 --yes --wait 0.2")
    assert code == 5
    assert "SUBMITTED" in out
    assert "it stays as it is" in err


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("HOLD 10 AAPL", "SIDE: must be BUY or SELL, not 'HOLD'"),
        ("BUY 0 AAPL", "QUANTITY: must be above zero"),
        ("BUY ten AAPL", "QUANTITY: 'ten' is not a number"),
        ("BUY NaN AAPL", "QUANTITY: must be a finite number"),
        ("BUY 10 AAPL --limit x", "--limit: 'x' is not a number"),
        ("BUY 10 AAPL --limit -5", "limit_price"),
        ("BUY 10 AAPL --strike 5", "--strike: goes with --sec-type OPT"),
        ("BUY 1 AAPL --sec-type OPT", "--strike: is needed for --sec-type OPT"),
        ("BUY 1 ES --sec-type FUT --expiry 202612", "--exchange: is needed for a future"),
        ("BUY 1 AAPL --tif SOMETIMES", "tif"),
        ("BUY 10 AAPL --what-if --dry-run", "--what-if: asks the broker, and --dry-run nobody"),
    ],
)
def test_what_makes_no_sense_is_never_sent(gateway: SimulatedGateway, line: str, words: str) -> None:
    """Exit code 2, and the option that is wrong."""
    code, _, err = command(gateway, f"place {line} --yes")
    assert (code, words in err) == (2, True), err
    assert gateway.books().orders == ()


def test_what_if_places_nothing(gateway: SimulatedGateway) -> None:
    """Margin and commission are told, in words and as JSON; the books stay empty."""
    code, out, _ = command(gateway, "place BUY 10 AAPL --what-if")
    assert code == 0
    assert "Initial " in out
    assert out.endswith("Nothing was placed.\n")
    code, out, _ = command(gateway, f"place {OPTION} --what-if --json")
    assert code == 0
    assert set(json.loads(out)) >= {"margins", "commission", "warning"}
    assert gateway.books().orders == ()


def test_a_dry_run_needs_no_gateway() -> None:
    """The whole way without a network; what it shows is marked as unreal."""
    result = run("place", "BUY", "10", "ZZZZ", "--limit", "12.5", "--dry-run", "--port", "1")
    assert result.exit_code == 0
    assert result.stdout.startswith("dry run, nothing is real: #")
    assert "FILLED 10 of 10 at 12.5" in result.stdout
    told = json.loads(run("place", "BUY", "10", "AAPL", "--dry-run", "--json").stdout)
    assert (told["dry_run"], told["status"]) == (True, "FILLED")


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def resting(gateway: SimulatedGateway) -> list[int]:
    """Two orders that rest, of a client 1 that has left."""
    with Engine.connect(gateway.host, gateway.port, client_id=1) as engine:
        tickets = [
            engine.submit(Contract.stock("AAPL"), Order.limit("BUY", 5, price)) for price in (150, 151)
        ]
        for ticket in tickets:
            ticket.wait(OrderStatus.SUBMITTED, timeout_s=PATIENCE_S)
    return [ticket.order_id for ticket in tickets]


def alive(gateway: SimulatedGateway) -> list[int]:
    return [one.order_id for one in gateway.books().orders if one.status not in ("Cancelled", "Filled")]


def test_orders_are_cancelled_by_their_client(gateway: SimulatedGateway, resting: list[int]) -> None:
    """One by its id, then all the rest; with nothing left it says so."""
    code, out, _ = command(gateway, f"cancel {resting[0]} --json")
    assert (code, [row["status"] for row in json.loads(out)]) == (0, ["CANCELLED"])
    assert alive(gateway) == resting[1:]
    assert command(gateway, "cancel --all")[0] == 0
    assert alive(gateway) == []
    assert command(gateway, "cancel --all") == (0, "no active orders\n", "")


@pytest.mark.parametrize(
    ("line", "code", "words"),
    [
        ("cancel", 2, "name order ids, or say --all"),
        ("cancel 7 --all", 2, "name order ids, or say --all, not both"),
        ("cancel 99", 4, "order 99: no such order"),
    ],
)
def test_a_cancel_that_cannot_be_is_explained(
    gateway: SimulatedGateway, line: str, code: int, words: str
) -> None:
    """What is wrong, in the exit code too."""
    found, _, err = command(gateway, line)
    assert (found, words in err) == (code, True), err


def test_only_its_client_cancels_an_order(gateway: SimulatedGateway, resting: list[int]) -> None:
    """Another client id is refused, and told whose it is."""
    code, _, err = command(gateway, f"cancel {resting[0]} --client-id 2")
    assert code == 4
    assert "hint: only the client that placed an order" in err
    assert alive(gateway) == resting


# ── halt, release ───────────────────────────────────────────────────────────────────────────────────


def kept_by_an_engine(folder: Path) -> str:
    """A journal that an engine has kept, as client 1."""
    path = folder / "orders.db"
    with Engine(1, journal=path):
        pass
    return str(path)


def test_a_halt_cancels_everything_and_is_kept(
    gateway: SimulatedGateway, resting: list[int], tmp_path: Path
) -> None:
    """All orders go, whoever's they are; the journal's engine refuses orders until it is released."""
    journal = kept_by_an_engine(tmp_path)
    code, out, err = command(gateway, "halt --timeout 60 --journal", journal, "gone wild")
    assert (code, err) == (0, "")
    assert "The broker confirms: no order works any more." in out
    assert alive(gateway) == []
    refused = command(gateway, "place BUY 1 AAPL --yes --journal", journal)
    assert refused[0] == 4
    assert "trading is halted (gone wild)" in refused[2]
    assert "`ibkr-core release`" in refused[2]
    assert run("release", "--journal", journal).stdout == "Released: new orders are taken again.\n"
    assert json.loads(run("release", "--journal", journal, "--json").stdout) == {"was_halted": False}
    assert command(gateway, "place BUY 1 AAPL --yes --journal", journal)[0] == 0


def test_a_program_that_runs_is_not_said_to_be_stopped(gateway: SimulatedGateway, tmp_path: Path) -> None:
    """Its orders go; that it may send new ones is told, and the exit code is no success."""
    journal = tmp_path / "orders.db"
    with Engine.connect(gateway.host, gateway.port, client_id=1, journal=journal) as engine:
        ticket = engine.submit(Contract.stock("AAPL"), Order.limit("BUY", 5, 150))
        ticket.wait(OrderStatus.SUBMITTED, timeout_s=PATIENCE_S)
        code, out, err = command(gateway, "halt --timeout 60 --json --journal", str(journal), "why not")
        assert ticket.wait(timeout_s=PATIENCE_S).status is OrderStatus.CANCELLED
        assert not engine.is_halted
    assert code == 6
    assert json.loads(out) == {"confirmed": True, "kept_in_journal": False, "left": 0}
    assert "that program runs on and may send new orders" in err


def test_a_halt_is_kept_also_where_no_gateway_answers(tmp_path: Path) -> None:
    """The engine with that journal must not go on; what could not be cancelled is no success."""
    journal = kept_by_an_engine(tmp_path)
    result = run("halt", "gone wild", "--port", "1", "--journal", journal)
    assert result.exit_code == 3
    assert f"Kept in {journal}" in result.stdout
    assert "confirms" not in result.stdout
    with JournalReader(journal) as reader:
        assert reader.state("halted") == "gone wild"


def test_a_journal_that_cannot_keep_the_halt_hides_nothing(
    gateway: SimulatedGateway, resting: list[int], tmp_path: Path
) -> None:
    """That everything is cancelled is told first; then that another client's journal refused it."""
    journal = str(tmp_path / "orders.db")
    with Engine(7, journal=journal):
        pass
    code, out, err = command(gateway, "halt --timeout 60 --journal", journal, "gone wild")
    assert (code, alive(gateway)) == (6, [])
    assert "The broker confirms" in out
    assert "the halt is not kept: journal" in err


def test_a_misspelt_journal_is_not_said_to_keep_the_halt(gateway: SimulatedGateway, tmp_path: Path) -> None:
    """No engine would look at it: none is made, and neither halt nor release is a success."""
    misspelt = str(tmp_path / "odrers.db")
    code, out, err = command(gateway, "halt --timeout 60 --journal", misspelt, "gone wild")
    assert code == 6
    assert "The broker confirms" in out
    assert "there is no journal" in err
    released = run("release", "--journal", misspelt)
    assert (released.exit_code, released.stdout) == (6, "")
    assert "there is no journal" in released.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("words", [("halt", "gone wild", "--port", "1"), ("release",)])
def test_a_journal_that_cannot_be_written_keeps_nothing(
    words: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The engine only tells an event where its disk is full; a command must not claim success."""
    journal = kept_by_an_engine(tmp_path)
    with Engine(1, journal=journal) as engine:
        engine.halt("before")

    keep = Journal.set_state

    def no_room() -> None:
        raise OSError(28, "No space left on device")

    def full(self: Journal, name: str, text: str) -> None:
        monkeypatch.setattr(self._store, "check_files", no_room)
        keep(self, name, text)

    monkeypatch.setattr(Journal, "set_state", full)
    result = run(*words, "--journal", journal)
    assert result.exit_code != 0
    assert "disk is full" in result.stderr
    assert "Kept" not in result.stdout
    assert "Released" not in result.stdout


def test_one_cancel_that_cannot_be_does_not_keep_the_others(
    gateway: SimulatedGateway, resting: list[int]
) -> None:
    """All are asked for; what failed is told, and the code is no success."""
    code, out, err = command(gateway, f"cancel 99 {resting[0]} {resting[1]}")
    assert (code, alive(gateway)) == (4, [])
    assert out.count("CANCELLED") == 2
    assert "order 99: no such order" in err


def test_a_halt_needs_a_reason(gateway: SimulatedGateway, resting: list[int]) -> None:
    """Nothing is cancelled without one: it is kept for whoever comes next."""
    assert command(gateway, "halt", " ")[0] == 2
    assert alive(gateway) == resting
