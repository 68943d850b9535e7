"""The demo over real TCP: that it passes, and that it fails when something is wrong."""

from __future__ import annotations

import io
import re
import threading
from collections.abc import Iterable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest
from ibapi.server_versions import MAX_CLIENT_VER
from rich.console import Console

from ibkr_core.cli.demo import DemoSetup, run_demo
from ibkr_core.cli.outcome import DemoOutcome
from ibkr_core.cli.screen import SilentScreen, TerminalScreen
from ibkr_core.cli.script import STEPS, Step
from ibkr_core.cli.stage import Stage, StepFailed, is_alive
from ibkr_core.engine import Engine
from ibkr_core.gateway import Choreography, Delivery, Settings
from ibkr_core.gateway.core import supported_versions
from ibkr_core.logs import read_events
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.wire.message import Message

pytestmark = [pytest.mark.system, pytest.mark.matrix]

VERSIONS = [version for version in (157, 176, 223, 226) if version <= MAX_CLIENT_VER]


def play(**setup: Any) -> DemoOutcome:
    return run_demo(DemoSetup(**setup), SilentScreen())


def show(width: int, encoding: str = "utf-8", **setup: Any) -> tuple[DemoOutcome, str]:
    """Play the demo on a paper terminal."""
    raw = io.BytesIO()
    paper = io.TextIOWrapper(raw, encoding=encoding)
    outcome = run_demo(DemoSetup(**setup), TerminalScreen(Console(file=paper, width=width, highlight=False)))
    paper.flush()
    return outcome, raw.getvalue().decode(encoding)


def altered(kind: str, part: str, **changes: Any) -> Any:
    """Make an outlet that alters one kind of message, and so makes the gateway lie to the engine."""

    def outlet(client_id: int, message: Message) -> Iterable[Delivery]:
        if message.kind == kind:
            fields = dict(message.fields)
            target = {**fields[part], **changes} if part else None
            message = Message(kind, {**fields, part: target} if part else {**fields, **changes})
        return (Delivery(message),)

    return outlet


def late(code: int) -> Any:
    """Make an outlet that holds up the messages with a code."""

    def outlet(client_id: int, message: Message) -> Iterable[Delivery]:
        is_it = message.kind == "error" and message.fields["errorCode"] == code
        return (Delivery(message, 0.1 if is_it else 0.0),)

    return outlet


# ── it passes ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("version", VERSIONS)
def test_every_order_ends_as_it_should_at_each_server_version(version: int) -> None:
    """Nine orders in five steps, in text and in protobuf, and both books agree."""
    outcome = play(versions=[v for v in supported_versions() if v <= version])
    assert outcome.problems == ()
    assert outcome.ok
    assert outcome.server_version == version
    ends = [order.record.status.value for order in outcome.orders]
    assert (
        ends
        == ["FILLED", "CANCELLED", "FILLED", "FILLED", "CANCELLED", "FILLED", "CANCELLED"] + ["REJECTED"] * 2
    )
    assert [len(order.record.fills) for order in outcome.orders] == [3, 0, 1, 1, 0, 1, 0, 0, 0]


def test_the_same_seed_gives_the_same_orders_and_another_seed_others() -> None:
    """Orders, prices, sizes, ids and commissions depend on the seed alone; latencies do not."""

    def numbers(outcome: DemoOutcome) -> list[dict[str, Any]]:
        return [
            {name: value for name, value in order.as_json().items() if not name.endswith("_us")}
            for order in outcome.orders
        ]

    first, again, other = play(seed=5), play(seed=5), play(seed=6)
    assert first.ok
    assert other.ok
    assert numbers(first) == numbers(again)
    assert numbers(first) != numbers(other)


def test_what_belongs_to_a_step_stands_under_its_title() -> None:
    """Also the broker's reason for a cancellation, which comes after the end of the order."""
    outcome, text = show(100, outlet=late(202))
    assert outcome.ok
    steps = re.split(r"^\d/5 ", text, flags=re.MULTILINE)[1:]
    assert [step.count("202 Order Canceled") for step in steps] == [0, 1, 1, 1, 0]
    orders = [set(re.findall(r"#(\d+) \S+ +[←→]", step)) for step in steps]
    assert orders == [{"2"}, {"3"}, {"4", "5", "6"}, {"7", "8"}, {"9", "10"}]


def test_the_event_log_has_what_the_demo_did(tmp_path: Path) -> None:
    """With a folder given, every event of the run is in it, up to the end of the connection."""
    outcome = play(log_dir=tmp_path)
    lines = list(read_events(tmp_path))
    assert outcome.log_lines == len(lines)
    assert outcome.log_lost == 0
    assert [line["seq"] for line in lines] == list(range(1, len(lines) + 1))
    assert [line["event"] for line in lines[-2:]] == ["Disconnected", "SessionChanged"]
    assert lines[-1]["state"] == "disconnected"
    filled = {line["order_id"]: line for line in lines if line["event"] == "OrderFilled"}
    for order in outcome.orders:
        if order.record.fills:
            line = filled[order.record.order_id]
            assert Decimal(line["average_price"]) == order.record.avg_fill_price
            assert Decimal(line["filled_quantity"]) == order.record.filled_quantity


def test_a_log_that_cannot_be_written_does_not_fail_the_demo(tmp_path: Path) -> None:
    """Orders matter more than their log; that lines are missing is told."""
    in_the_way = tmp_path / "logs"
    in_the_way.write_text("")
    outcome, text = show(80, log_dir=in_the_way)
    assert outcome.ok
    assert outcome.log_lines == 0
    assert outcome.log_lost > 0
    assert f"{outcome.log_lost} lines of the event log were lost" in text


def test_a_status_that_comes_before_its_execution_is_waited_out() -> None:
    """Where every fill is first told by a status alone, the demo waits for the execution, and passes."""
    settings = Settings(choreography=Choreography(statuses_first=1.0, pre_submitted=0.0, duplicates=1.0))
    outcome = play(settings=settings)
    assert outcome.problems == ()


# ── it fails ────────────────────────────────────────────────────────────────────────────────────────


class LyingEngine(Engine):
    """An engine whose book shows one order as filled more than it was."""

    def orders(self) -> tuple[OrderRecord, ...]:
        told = super().orders()
        if not told:  # asked before anything was sent
            return told
        first, *others = told
        return (attrs.evolve(first, filled_quantity=first.filled_quantity + 1), *others)


def test_an_engine_that_lies_is_found_out() -> None:
    """A filled quantity that is not the gateway's fails the demo, against the plan and against the books."""
    outcome = play(make_engine=LyingEngine)
    assert not outcome.ok
    assert outcome.problems == (
        "order 2 (BUY 300 AAPL at market): filled is 301 and should be 300",
        "order 2: filled is 301 in the engine and 300 at the gateway",
    )


class ForgetfulEngine(Engine):
    """An engine that loses its last order and shows one that nobody sent."""

    def orders(self) -> tuple[OrderRecord, ...]:
        return (*super().orders()[:-1], OrderRecord(order_id=99))


def test_an_order_that_is_lost_or_made_up_is_found_out() -> None:
    """The book must hold the orders that were sent, and no other."""
    outcome = play(make_engine=ForgetfulEngine)
    assert outcome.problems == (
        "order 99: the engine has it as UNKNOWN, the gateway has none",
        "order 10 (BUY 10 AAPL limit 290.003): is not in the book",
        "order 99: nobody sent it",
    )


def test_a_price_that_was_misread_is_found_out() -> None:
    """Executions at another price than the gateway booked fail the first step, and cash does not add up."""
    outcome = play(outlet=altered("execDetails", "execution", price=1.25))
    assert not outcome.ok
    text = "\n".join(outcome.problems)
    assert "average price is 1.25 and should be 29" in text
    assert "BUY 100 at 1.25 in the engine and BUY 100 at 29" in text
    assert "cash of DU1234567 in USD" in text
    assert "4 steps were not tried any more" in text


def test_a_commission_that_was_misread_is_found_out() -> None:
    """Every execution's commission is compared, and the cash with it."""
    outcome = play(outlet=altered("commissionReport", "", commissionAndFees=7.5))
    found = [problem for problem in outcome.problems if problem.startswith("commission of ")]
    assert len(found) == 6
    assert all("7.5 in the engine and " in problem for problem in found)
    assert not outcome.ok


def test_silence_is_a_failure_after_a_while() -> None:
    """A gateway that never reports commissions fails the step that waits for them; nothing hangs."""

    def outlet(client_id: int, message: Message) -> Iterable[Delivery]:
        return () if message.kind == "commissionReport" else (Delivery(message),)

    outcome = play(outlet=outlet, patience_s=0.5)
    assert not outcome.ok
    assert len(outcome.steps) == 1
    assert "waited for it to " in outcome.steps[0].problems[0]


def test_a_lost_connection_is_a_failure_at_once() -> None:
    """A step does not wait for what can come no more."""

    def hang_up(stage: Stage) -> None:
        stage.quote("AAPL", bid=Decimal(190), ask=Decimal(191))
        ticket = stage.submit("AAPL", Order.limit("BUY", 1, 180))
        stage.until(ticket, "be accepted", is_alive)
        stage._gateway.session(1).close()
        stage.settle(ticket)

    outcome = play(steps=(Step("Hang up", "It ends.", hang_up),))
    assert "the connection was lost" in outcome.problems[0]
    assert any(problem.startswith("connection lost: ") for problem in outcome.problems)


def test_an_order_that_ends_early_is_a_failure_at_once() -> None:
    """Waiting for an order to be filled ends when it is rejected."""

    def reject(stage: Stage) -> None:
        ticket = stage.submit("NOSUCH", Order.market("BUY", 1))
        stage.until(ticket, "be filled", lambda record: record.filled_quantity > 0)

    outcome = play(steps=(Step("Reject", "It is refused.", reject),))
    assert outcome.steps[0].problems == ("order 2 ended REJECTED and did not be filled",)


def test_a_wrong_expectation_fails_the_demo() -> None:
    """An order that ends otherwise than its step says is a problem of that step."""

    def wrong(stage: Stage) -> None:
        ticket = stage.submit("NOSUCH", Order.market("BUY", 1))
        stage.want_cancelled(ticket)
        stage.settle(ticket)

    outcome = play(steps=(Step("Wrong", "It cannot be.", wrong), *STEPS))
    assert outcome.steps[0].problems == (
        "order 2 (BUY 1 NOSUCH at market): status is REJECTED and should be CANCELLED",
    )
    assert not outcome.ok


@pytest.mark.parametrize("fault", [StepFailed("no"), KeyboardInterrupt(), ZeroDivisionError()])
def test_whatever_happens_no_thread_and_no_server_is_left(fault: BaseException) -> None:
    """A step that fails, is interrupted, or has a fault of its own leaves nothing running."""

    def fail(stage: Stage) -> None:
        raise fault

    before = set(threading.enumerate())
    steps = (Step("Fail", "It fails.", fail),)
    if isinstance(fault, StepFailed):
        assert play(steps=steps).problems == ("no",)
    else:
        with pytest.raises(type(fault)):
            play(steps=steps)
    assert set(threading.enumerate()) == before


# ── how it looks ────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("width", [80, 120])
def test_it_fits_the_terminal(width: int) -> None:
    """No line is too long, every step is announced, and every order is in the table."""
    outcome, text = show(width)
    assert outcome.ok
    lines = text.splitlines()
    assert max(map(len, lines)) <= width
    for number, step in enumerate(STEPS, 1):
        assert f"{number}/5  {step.title}" in lines
        assert f"     {step.story}" in lines
    assert text.count("✓ as it should be") == 5
    table = text.partition("Messages")[2]
    for order in outcome.orders:
        (row,) = [line for line in table.splitlines() if f" {order.what} " in line]
        assert order.record.status.value in row
        assert "…" not in row or width == 120
    assert "\x1b" not in text, "paper has no colours"
    assert lines[-1].startswith("demo passed in ")


def test_a_plain_terminal_gets_plain_letters() -> None:
    """Where the encoding has no arrows and ticks, there are none, and nothing else is missing."""
    outcome, text = show(80, encoding="ascii")
    assert outcome.ok
    assert "> BUY 300 AAPL at market" in text
    assert text.count("ok as it should be") == 5


def test_what_is_wrong_is_said_in_full() -> None:
    """A failed demo names each problem, in the step and at the end, and calls itself failed."""
    outcome, text = show(120, outlet=altered("execDetails", "execution", price=1.25))
    flat = " ".join(text.split())
    for problem in outcome.problems:
        assert problem in flat
    assert "as it should be" not in text
    assert "both books agree" not in text
    assert text.splitlines()[-1].startswith("demo FAILED in ")
