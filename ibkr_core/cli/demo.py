"""The demo: real orders over TCP, through the official client, into the engine's book, and checked there."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Protocol

import attrs

from ibkr_core.cli.audit import audit
from ibkr_core.cli.outcome import DemoOutcome, OrderOutcome, StepOutcome
from ibkr_core.cli.script import STEPS, Step
from ibkr_core.cli.stage import Screen, Stage
from ibkr_core.cli.words import order_words
from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.gateway import Books, Settings, SimulatedGateway
from ibkr_core.gateway.core import Outlet, straight
from ibkr_core.logs import EventLog
from ibkr_core.model.record import OrderRecord

__all__ = ["DemoScreen", "DemoSetup", "run_demo"]


class DemoScreen(Screen, Protocol):
    """Where the demo is shown."""

    def begin(self, gateway: SimulatedGateway, engine: Engine, seed: int) -> None:
        """Show what is connected to what."""

    def step(self, number: int, total: int, step: Step) -> None:
        """Show that a step begins."""

    def verdict(self, problems: Sequence[str]) -> None:
        """Show how a step went."""

    def end(self, outcome: DemoOutcome) -> None:
        """Show how everything went."""


@attrs.frozen(kw_only=True)
class DemoSetup:
    """What kind of demo.

    Attributes:
        seed: Decides prices, sizes and the gateway's choreography.
        versions: Protocol versions that the gateway offers; None for all.
        log_dir: Where to write the event log; None for nowhere.
        patience_s: How long to wait for anything before the demo counts as failed.
        steps: What to play.
        make_engine: Makes the engine: client id, and what makes client order keys.
        settings: What kind of venue the gateway is.
        outlet: Through which the gateway's messages pass: tests make it lie there.
    """

    seed: int = 0
    versions: Collection[int] | None = None
    log_dir: Path | None = None
    patience_s: float = 30.0
    steps: Sequence[Step] = STEPS
    make_engine: Callable[..., Engine] = Engine
    settings: Settings = attrs.field(factory=Settings)
    outlet: Outlet = straight


def run_demo(setup: DemoSetup, screen: DemoScreen) -> DemoOutcome:
    """Play the demo and check it.

    Raises:
        OSError: No port can be had.
        ConnectionFailed: The engine cannot connect to the gateway.
    """
    start = time.monotonic()
    numbers = itertools.count(1)
    with ExitStack() as stack:
        gateway = stack.enter_context(
            SimulatedGateway(
                seed=setup.seed, settings=setup.settings, versions=setup.versions, outlet=setup.outlet
            )
        )
        engine = setup.make_engine(1, make_key=lambda: f"demo-{next(numbers)}")
        log = None
        if setup.log_dir is not None:
            log = stack.enter_context(EventLog(folder=setup.log_dir))
            log.attach(engine)
        stack.callback(engine.close)  # goes before the log, which so sees the end as well
        stage = Stage(engine, gateway, screen, seed=setup.seed, patience_s=setup.patience_s)
        engine.open(gateway.host, gateway.port)
        screen.begin(gateway, engine, setup.seed)
        before = gateway.books()
        steps = _play(setup.steps, stage, screen)
        stage.drain()
        outcome = _judge(setup, stage, steps, before, gateway.books())
    outcome = attrs.evolve(
        outcome,
        duration_s=time.monotonic() - start,
        log_lines=log.written if log is not None else None,
        log_lost=log.lost if log is not None else 0,
    )
    screen.end(outcome)
    return outcome


def _play(steps: Sequence[Step], stage: Stage, screen: DemoScreen) -> tuple[StepOutcome, ...]:
    """Play the steps up to the first that goes wrong: the next ones would only be confused by it."""
    outcomes: list[StepOutcome] = []
    for number, step in enumerate(steps, 1):
        screen.step(number, len(steps), step)
        expected_before = len(stage.wanted)
        problems: list[str] = []
        try:
            step.play(stage)
        except IbkrError as error:
            problems.append(str(error))
        if not problems:
            for wanted in stage.wanted[expected_before:]:
                problems.extend(wanted.problems(stage.engine.order(wanted.order_id)))
        screen.verdict(problems)
        outcomes.append(StepOutcome(title=step.title, problems=tuple(problems)))
        if problems:
            break
    return tuple(outcomes)


def _judge(
    setup: DemoSetup, stage: Stage, steps: tuple[StepOutcome, ...], before: Books, after: Books
) -> DemoOutcome:
    records = stage.engine.orders()
    comparison = audit(records, stage.engine.fills(), before, after)
    wanted = {one.order_id: one for one in stage.wanted}
    known = {record.order_id for record in records}
    trouble = list(stage.trouble)
    trouble += [
        f"order {one.order_id} ({one.what}): is not in the book"
        for one in stage.wanted
        if one.order_id not in known
    ]
    if not any(step.problems for step in steps):  # a step that broke off has not said what it wants
        trouble += [f"order {order_id}: nobody sent it" for order_id in sorted(known - wanted.keys())]
    return DemoOutcome(
        seed=setup.seed,
        server_version=stage.engine.server_version,
        steps=steps,
        planned_steps=len(setup.steps),
        orders=tuple(
            OrderOutcome(
                what=_words(record),
                record=record,
                problems=wanted[record.order_id].problems(record) if record.order_id in wanted else (),
                first_fill_latency_us=stage.first_fill_us.get(record.order_id),
            )
            for record in records
        ),
        differences=comparison.differences,
        compared=comparison.compared,
        trouble=tuple(trouble),
    )


def _words(record: OrderRecord) -> str:
    return order_words(record.order, record.symbol) if record.order is not None else record.symbol
