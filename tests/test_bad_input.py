"""Bad input as one table: every public function, every argument, every kind of wrong value.

The functions and their arguments are found by introspection; :mod:`tests.bad_input` says what is wrong for
each. A function or an argument that is new and has no row there fails here until it has one. Each attempt
spoils one argument only, and must end in a typed error that names it and the rule; nothing of it may
reach the gateway, the book or the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import enum
import inspect
import io
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

import attrs
import pytest

import ibkr_core
from ibkr_core import (
    Amounts,
    Backoff,
    BracketLeg,
    BracketOrder,
    BreakEven,
    Broker,
    CodeRule,
    ComboLeg,
    Contract,
    Engine,
    EngineSettings,
    EventLog,
    ExecutionResult,
    ExitPair,
    Holding,
    Journal,
    JournalReader,
    LegResult,
    MarketRule,
    Order,
    OrderTicket,
    Portfolio,
    RestartWindow,
    Retention,
    RetryPolicy,
    RiskLimits,
    RiskPolicy,
    Strategy,
    StrategyLeg,
    TradingHours,
    new_bracket,
    orders,
    summarise,
)
from ibkr_core.clock import SystemClock
from ibkr_core.errors import (
    AmbiguousContract,
    EngineClosed,
    IbkrError,
    InvalidInput,
    MarketClosed,
    RiskRefused,
    UnknownContract,
    UnknownOrder,
)
from ibkr_core.gateway import Choreography, Settings
from ibkr_core.reference import Reference
from ibkr_core.riskcontrol import RiskControl
from tests.bad_input import (
    BESIDE,
    BRACKET,
    BUY,
    GOOD,
    GRID,
    HELD,
    KINDS,
    MADE_BY_THE_ENGINE,
    NO,
    NOT_ASKED,
    STRICTER,
    WORDS,
    kind_of,
)
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, WatchedGateway, rest, settle

pytestmark = pytest.mark.system


class Shifted(SystemClock):
    """The machine's clock, but for a span."""

    def __init__(self) -> None:
        self.by = timedelta(0)

    def now(self) -> datetime:
        """See the class."""
        return super().now() + self.by


class Stage:
    """A gateway, a broker on it, and one order that rests there."""

    def __init__(self, gateway: WatchedGateway, broker: Broker, clock: Shifted, folder: Path) -> None:
        self.gateway, self.broker, self.clock, self.folder = gateway, broker, clock, folder
        self.engine = broker.engine
        self.ticket = rest(self.engine)
        self.reference, self.risk = self.engine.reference, self.engine.risk
        self.portfolio = self.engine.portfolio
        self.reader = JournalReader(folder / "orders.db")
        self.holding = Holding(account="DU1234567", contract=STOCK)
        self.log = EventLog(stream=io.StringIO())
        settle(self.engine)

    def traces(self) -> tuple[object, ...]:
        """All that an order would leave behind, but for the journal."""
        return (
            len(self.gateway.orders_arrived()),
            self.engine.orders(),
            self.engine.is_halted,
            self.risk.policy,
        )

    @property
    def recorded(self) -> int:
        """How many inputs the journal has. A question that the broker refuses adds one: what it said."""
        assert self.engine.journal is not None
        return self.engine.journal.recorded


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """One for all rows: nothing that they do may leave a trace. That is looked at once more in the end."""
    gateway = WatchedGateway(settings=Settings(market=STILL, choreography=Choreography.plain()))
    gateway.start()
    gateway.market("AAPL").set_quote(bid="100.00", ask="100.01")
    folder, clock = tmp_path_factory.mktemp("bad"), Shifted()
    with Broker(port=gateway.port, journal=folder / "orders.db", clock=clock) as broker:
        made = Stage(gateway, broker, clock, folder)
        before, told = made.traces(), broker.engine.history()
        yield made
        settle(made.engine)
        assert made.traces() == before
        assert [one for one in broker.engine.history() if one not in told and one.order_id] == []
        made.log.close()
        made.reader.close()
    gateway.stop()


# ── the functions ─────────────────────────────────────────────────────────────────────────────────

LIVE: Final[Mapping[str, tuple[type, str]]] = {
    "Broker": (Broker, "broker"),
    "Engine": (Engine, "engine"),
    "Reference": (Reference, "reference"),
    "RiskControl": (RiskControl, "risk"),
    "Portfolio": (Portfolio, "portfolio"),
    "OrderTicket": (OrderTicket, "ticket"),
    "EventLog": (EventLog, "log"),
    "Holding": (Holding, "holding"),
    "JournalReader": (JournalReader, "reader"),
}
"""Classes whose methods are called on the stage."""

VALUES: Final[Mapping[type, object]] = {
    Amounts: Amounts({}),
    Backoff: Backoff(),
    BracketLeg: BRACKET.parent,
    BracketOrder: BRACKET,
    BreakEven: BreakEven(),
    CodeRule: None,
    ComboLeg: ComboLeg(1),
    Contract: STOCK,
    EngineSettings: EngineSettings(),
    ExecutionResult: None,
    ExitPair: None,
    LegResult: None,
    MarketRule: GRID,
    Order: BUY,
    RestartWindow: RestartWindow(GOOD["RestartWindow.at"]),
    Retention: Retention(),
    RetryPolicy: RetryPolicy(),
    RiskLimits: RiskLimits(),
    RiskPolicy: RiskPolicy(),
    Strategy: HELD,
    StrategyLeg: HELD.legs[0],
    TradingHours: TradingHours("09:30", "16:00"),
}
"""Classes that callers make, with one made to call its methods."""

FRESH: Final = ("open", "start", "start_on", "attach")
"""Calls of an engine that was never opened."""

Find = Callable[[Stage], Callable[..., Any]]


def on_fresh(name: str, _: Stage, **arguments: Any) -> object:
    """Call a method of a new engine."""
    with contextlib.closing(Engine(9)) as engine:
        return getattr(engine, name)(**arguments)


def checked(make: Callable[..., Any], **arguments: Any) -> object:
    """Make what takes all that a broker tells, and check it as every call that uses it does."""
    return make(**arguments).check()


def methods(cls: type) -> Iterator[tuple[str, bool]]:
    """The public methods of a class, and whether they belong to the class itself."""
    for name in sorted(dir(cls)):
        member = inspect.getattr_static(cls, name)
        of_class = isinstance(member, classmethod | staticmethod)
        if not name.startswith("_") and (of_class or inspect.isfunction(member)):
            yield name, of_class


def functions() -> Iterator[tuple[str, object, Find]]:
    """Every public function: its label, what has its signature, and how to find it on a stage."""
    for label, (cls, attribute) in LIVE.items():
        for name, of_class in methods(cls):
            call = getattr(cls, name)
            if of_class:
                yield f"{label}.{name}", call, lambda _, call=call: call
            elif cls is Engine and name in FRESH:
                yield f"{label}.{name}", call, lambda stage, name=name: partial(on_fresh, name, stage)
            else:
                yield (
                    f"{label}.{name}",
                    call,
                    lambda stage, one=attribute, name=name: getattr(getattr(stage, one), name),
                )
    for cls, instance in VALUES.items():
        make = partial(checked, cls) if cls in (Contract, ComboLeg) else cls
        yield cls.__name__, cls, lambda _, make=make: make
        for name, of_class in methods(cls):
            owner = cls if of_class else instance
            yield (
                f"{cls.__name__}.{name}",
                getattr(cls, name),
                lambda _, owner=owner, name=name: getattr(owner, name),
            )
    for name in orders.__all__:
        if inspect.isfunction(getattr(orders, name)) or attrs.has(getattr(orders, name)):
            yield f"orders.{name}", getattr(orders, name), lambda _, name=name: getattr(orders, name)
    for call in (Engine, Broker, EventLog, Journal.open, new_bracket, summarise):
        yield call.__qualname__, call, lambda _, call=call: call


FUNCTIONS: Final = {label: (call, find) for label, call, find in functions() if label not in NOT_ASKED}


def arguments(label: str) -> list[inspect.Parameter]:
    """What a function takes."""
    found = inspect.signature(FUNCTIONS[label][0]).parameters.values()  # type: ignore[arg-type]  # a callable
    return [one for one in found if one.name != "self"]


ROWS: Final = [f"{label}:{one.name}" for label in FUNCTIONS for one in arguments(label)]


def good(label: str, stage: Stage) -> dict[str, Any]:
    """Arguments of a function that work."""
    given = dict(BESIDE.get(label, {}))
    for one in arguments(label):
        if one.default is one.empty and one.kind not in (one.VAR_KEYWORD, one.VAR_POSITIONAL):
            standing = {"order_id": stage.ticket.order_id, "path": stage.folder / "never.db"}
            value = GOOD.get(f"{label}.{one.name}", GOOD.get(one.name, standing.get(one.name, NO)))
            given.setdefault(one.name, value)
    return given


def wrong(label: str, one: inspect.Parameter) -> list[Any]:
    """What must be refused for an argument."""
    annotation = str(one.annotation)
    names = (f"{label}.{one.name}", f"{label.partition('.')[0]}.{one.name}", one.name)
    kind = next((STRICTER[name] for name in names if name in STRICTER), kind_of(annotation))
    may_be_none = one.default is None or "None" in annotation
    return [value for value in KINDS[kind] if value is not None or not may_be_none]


def refusal(call: Callable[..., Any], name: str, positional: tuple[Any, ...], given: Any) -> str:
    """Try it, and return what is wrong with what came of it: empty where it was refused as it should be."""
    try:
        result = call(*positional, **given)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
    except InvalidInput as error:
        is_named = error.argument == name and str(error).startswith(f"{error.argument}: ")
        if is_named and re.search(WORDS, error.rule):
            return ""
        return f"does not name {name}, or no rule: {error!r}"
    except UnknownOrder as error:
        asks = name in ("order_id", "perm_id") and str(given[name]) in str(error)
        return "" if asks else f"does not name it: {error!r}"
    except IbkrError as error:
        return f"the wrong error: {error!r}"
    except Exception as error:  # noqa: BLE001 - what comes from the inside is what is looked for
        return f"came from the inside: {error!r}"
    return f"was taken: {result!r}"[:200]


@pytest.mark.parametrize("row", ROWS)
def test_bad_input_is_refused_by_name(row: str, stage: Stage) -> None:
    """One argument at a time, with every wrong value of its kind: a typed error, and no trace."""
    label, _, name = row.partition(":")
    call = FUNCTIONS[label][1](stage)
    (one,) = (one for one in arguments(label) if one.name == name)
    given = good(label, stage)
    assert NO not in given.values(), "no value that works is known: give tests.bad_input.GOOD one"
    before = (stage.recorded, *stage.traces())
    problems = {}
    if one.kind is one.VAR_KEYWORD:
        problems["unknown"] = refusal(call, "simbol", (), {**given, "simbol": 1})
    elif one.kind is one.VAR_POSITIONAL:
        for value in (7, "x", None, NO):
            problems[repr(value)] = refusal(call, name, (value,), given)
    else:
        for value in wrong(label, one):
            problems[repr(value)] = refusal(call, name, (), {**given, name: value})
    assert not {value: problem for value, problem in problems.items() if problem}
    assert problems
    assert (stage.recorded, *stage.traces()) == before


def test_every_public_class_and_builder_has_rows() -> None:
    """What is offered from now on is asked too, or is said not to be made by callers."""
    asked = {cls for cls, _ in LIVE.values()} | set(VALUES)
    for name in ibkr_core.__all__:
        thing = getattr(ibkr_core, name)
        is_plain = inspect.isclass(thing) and not issubclass(thing, enum.Enum | Exception)
        if is_plain and name not in MADE_BY_THE_ENGINE:
            assert thing in asked, f"{name}: put it into VALUES, or into MADE_BY_THE_ENGINE"
        if inspect.isfunction(thing):
            assert name in FUNCTIONS, f"{name}: put it among the functions"
    assert set(MADE_BY_THE_ENGINE) <= set(ibkr_core.__all__)
    assert NOT_ASKED.keys() <= {label for label, _, _ in functions()}
    assert all(label in FUNCTIONS for label in BESIDE)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda symbol: symbol, "was taken"),
        (lambda symbol: {}[symbol], "came from the inside"),
        (lambda symbol: Order.market("BUY", symbol), "does not name symbol"),
        (lambda symbol: Engine(1).order(len(symbol)), "does not name it"),
        (Contract.stock, ""),
    ],
)
def test_the_table_can_fail(call: Callable[..., Any], problem: str) -> None:
    """Input that is taken, an error from the inside, and one that names something else are all found."""
    found = refusal(call, "symbol", (), {"symbol": "" if problem != "does not name symbol" else "x"})
    assert found.startswith(problem)
    assert bool(found) is bool(problem)


# ── what only the broker, or the moment, makes wrong ──────────────────────────────────────────────

NOPE = Contract.stock("NOPE")
SEVERAL = Contract(symbol="SAP", sec_type="STK", exchange="SMART")
NOT_AN_OPTION = Contract.option("NOPE", "20261218", 600, "C")
LONG = "50.12345678901234567890"


def at_the_weekend(stage: Stage) -> object:
    """Look at an order while the market is closed, whenever this runs."""
    now = stage.clock.now()
    hours = stage.reference.details(STOCK).trading_hours
    stage.clock.by = max(one.closes for one in hours.sessions) - now
    try:
        return stage.engine.check_order(STOCK, BUY)
    finally:
        stage.clock.by = timedelta(0)


def over_the_limit(stage: Stage) -> object:
    """Buy more than may be held."""
    stage.risk.change(max_position=5)
    try:
        return stage.engine.submit(STOCK, BUY)
    finally:
        stage.risk.change(max_position=None)


SITUATIONS: Final[Mapping[str, tuple[type[IbkrError], str, Callable[[Stage], object]]]] = {
    **{
        f"unknown symbol, {name}": (UnknownContract, r"^contract: No security definition.*NOPE", attempt)
        for name, attempt in {
            "check_order": lambda s: s.engine.check_order(NOPE, BUY),
            "close_position": lambda s: s.engine.close_position(Strategy.single(NOPE)),
            "roll_position": lambda s: s.engine.roll_position(Strategy.single(NOT_AN_OPTION), 30),
            "contract_details": lambda s: s.reference.contract_details(NOPE),
            "qualify": lambda s: s.reference.qualify(NOPE),
            "quote": lambda s: s.reference.quote(NOPE),
            "option_chain": lambda s: s.reference.option_chain(NOPE),
            "price_rule": lambda s: s.reference.price_rule(NOPE),
            "is_open": lambda s: s.reference.is_open(NOPE),
        }.items()
    },
    **{
        f"ambiguous contract, {name}": (
            AmbiguousContract,
            r"^contract: SAP is ambiguous.*NYSE.*IBIS",
            attempt,
        )
        for name, attempt in {
            "check_order": lambda s: s.engine.check_order(SEVERAL, BUY),
            "close_position": lambda s: s.engine.close_position(Strategy.single(SEVERAL)),
            "qualify": lambda s: s.reference.qualify(SEVERAL),
            "price_rule": lambda s: s.reference.price_rule(SEVERAL),
            "option_chain": lambda s: s.reference.option_chain(SEVERAL),
        }.items()
    },
    "closed market": (
        MarketClosed,
        r"^contract: AAPL is outside its (regular )?trading hours",
        at_the_weekend,
    ),
    "quantity over position": (RiskRefused, r"refused quantity: .*at most 5 is allowed", over_the_limit),
    "price between two steps": (
        InvalidInput,
        r"^limit_price: must be a multiple of 0.01.*not 50.005",
        lambda s: s.engine.check_order(STOCK, BUY.replace(limit_price="50.005"), allow_closed=True),
    ),
    "part of a share": (
        InvalidInput,
        r"^quantity: must be a multiple of 1 for AAPL, not 1.5",
        lambda s: s.engine.check_order(STOCK, BUY.replace(quantity="1.5"), allow_closed=True),
    ),
    "no expiry to roll": (
        InvalidInput,
        r"^strategy: has no leg that expires",
        lambda s: s.engine.roll_position(HELD, 30),
    ),
    "an account of others": (
        InvalidInput,
        r"^account: DUX is none of this login's",
        lambda s: s.engine.close_position(HELD, account="DUX"),
    ),
    "accounts of others": (
        InvalidInput,
        r"^account: must be one of DU1234567, not 'DUX'",
        lambda s: s.reference.positions("DUX"),
    ),
    "a limit that is none": (
        InvalidInput,
        r"^max_ordr: is no limit; there are .*max_order_size",
        lambda s: s.risk.change(max_ordr=5),
    ),
    "a second opening": (EngineClosed, r"opened once", lambda s: s.engine.open()),
    **{
        f"too many digits, {name}": (InvalidInput, rf"^{argument}: has more.* digits", attempt)
        for name, argument, attempt in (
            ("price", "limit_price", lambda s: s.engine.submit(STOCK, BUY.replace(limit_price=LONG))),
            ("quantity", "quantity", lambda s: s.engine.submit(STOCK, BUY.replace(quantity=LONG))),
            ("what-if", "limit_price", lambda s: s.engine.what_if(STOCK, BUY.replace(limit_price=LONG))),
            ("modify", "limit_price", lambda s: s.ticket.modify(limit_price=LONG)),
            ("modify quantity", "quantity", lambda s: s.ticket.modify(quantity=LONG)),
            ("replace", "limit_price", lambda s: s.engine.replace(s.ticket.order_id, limit_price=LONG)),
            ("exit", "limit_price", lambda s: s.engine.submit_bracket(STOCK, BUY, take_profit=LONG + "9")),
            ("broker", "quantity", lambda s: s.broker.execute_market_order("AAPL", LONG, "BUY")),
        )
    },
}
"""Error, words of its message, and what is tried."""


@pytest.mark.parametrize("case", SITUATIONS)
def test_what_cannot_be_now_is_refused_by_name(case: str, stage: Stage) -> None:
    """Instruments that nobody knows, a closed market, limits, digits: a typed error, and no trace."""
    kind, words, attempt = SITUATIONS[case]
    before = stage.traces()
    with pytest.raises(kind, match=words):
        attempt(stage)
    assert stage.traces() == before


def test_more_than_is_held_is_never_closed(stage: Stage) -> None:
    """Of nothing, nothing is sold: the result says so, and no order was sent."""
    before = stage.traces()
    result = stage.engine.close_position(Strategy.single(STOCK, quantity=1000))
    assert not result.success
    assert result.order_ids == ()
    assert "nothing of single is held" in (result.error_message or "")
    assert stage.traces() == before
