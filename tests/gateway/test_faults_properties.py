"""What holds for every plan of faults: books, reproducibility, and the way back."""

from __future__ import annotations

from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway import Books, Choreography, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.faults import (
    ACTIONS,
    Action,
    Chance,
    Delay,
    Drop,
    Duplicate,
    FaultPlan,
    IdRollback,
    Injected,
    LateCommission,
    LostEnd,
    MissingCommission,
    Regress,
    Reorder,
    Revive,
    SilentLive,
    SlowAck,
    Split,
    Stall,
)
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket, gateway

TELLING: tuple[Action, ...] = (
    Duplicate(), Drop(), Delay(), Reorder(), Split(), SlowAck(), SilentLive(lasting=True), LostEnd(),
    IdRollback(), Regress(), Revive(), LateCommission(), MissingCommission(), Stall(),
)  # fmt: skip
"""Faults that change what is told, and when; never what is."""

Step = tuple[str, int, int, float]
"""What a client does: its name, an order, a quantity, and how long it waits afterwards."""

steps = st.lists(
    st.tuples(
        st.sampled_from(["buy", "sell", "rest", "cancel", "change", "ask", "nothing"]),
        st.integers(1, 12),
        st.integers(1, 300),
        st.sampled_from([0.0, 0.003, 0.5, 4.0]),
    ),
    min_size=1,
    max_size=15,
)


class Walker:
    """A client that does what it is told, whatever it hears, and connects anew when it has lost the line."""

    def __init__(self, plan: FaultPlan, seed: int) -> None:
        wanted = Settings(choreography=Choreography(), market=MarketSettings(interval_s=2.0, max_lots=2))
        self.venue = MemoryGateway(faults=plan, seed=seed, settings=wanted)
        self.client = Pocket(self.venue)
        self.heard: list[Message] = []
        self._next = 1

    def walk(self, steps: list[Step]) -> Walker:
        for what, number, quantity, wait_s in steps:
            self._connect()
            self._do(what, number, quantity)
            self.venue.run(wait_s)
            self.heard += self._listen()
        self.venue.run(45)
        self.heard += self._listen()
        return self

    def _listen(self) -> list[Message]:
        return self.client.listen()

    def _connect(self) -> None:
        if not self.client.session.closed and self.venue.session(1) is self.client.session:
            return
        try:
            self.client = Pocket(self.venue)
        except ConnectionRefusedError:
            self.venue.run(1)

    def _do(self, what: str, number: int, quantity: int) -> None:
        match what:
            case "buy" | "sell":
                self.client.place(self._next, what.upper(), quantity)
                self._next += 1
            case "rest":
                self.client.place(self._next, "BUY", quantity, "LMT", lmtPrice=50.0)
                self._next += 1
            case "cancel":
                self.client.cancel(number)
            case "change" if number < self._next:
                self.client.place(number, "BUY", quantity, "LMT", lmtPrice=51.0)
            case "ask":
                self.client.ask("reqOpenOrders")
                self.client.ask("reqExecutions", reqId=9)
            case _:
                pass


def walk(plan: FaultPlan, seed: int, way: list[Step]) -> tuple[Books, tuple[Injected, ...], list[Any]]:
    """What the books say, what was injected, and what was heard in the end."""
    walker = Walker(plan, seed).walk(way)
    return walker.venue.books(), walker.venue.injected(), walker.heard


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 999), way=steps, chances=st.lists(st.sampled_from(TELLING), max_size=5, unique=True)
)
def test_faults_of_delivery_never_change_the_books(seed: int, way: list[Step], chances: list[Action]) -> None:
    """Orders, fills, positions and cash are those of a gateway where nothing goes wrong."""
    plan = FaultPlan(chances=tuple(Chance(one, 0.2) for one in chances))
    assert walk(plan, seed, way)[0] == walk(FaultPlan.none(), seed, way)[0]


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 999), way=steps, intensity=st.floats(0, 1))
def test_the_same_seed_gives_the_same_faults(seed: int, way: list[Step], intensity: float) -> None:
    """Books, log and every message are equal in a second run."""
    plan = FaultPlan.nasty(intensity)
    assert walk(plan, seed, way) == walk(plan, seed, way)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 999), way=steps)
def test_whatever_goes_wrong_can_be_asked_for(seed: int, way: list[Step]) -> None:
    """Once the faults have ended, a new session learns every fill and every live order of the books."""
    walker = Walker(FaultPlan.nasty(1.0), seed).walk(way)
    venue = walker.venue
    venue.end_faults()
    venue.drop_connections()
    client = Pocket(venue)
    asked = client.ask("reqExecutions", reqId=1)
    told = {
        one.fields["execution"]["execId"]: one.fields["execution"]["shares"]
        for one in asked
        if one.kind == "execDetails"
    }
    assert told == {one.exec_id: one.quantity for one in venue.books().executions}
    live = {one.fields["orderId"] for one in client.ask("reqOpenOrders") if one.kind == "openOrder"}
    done = {"Filled", "Cancelled", "ApiCancelled", "Inactive"}
    assert live == {one.order_id for one in venue.books().orders if one.status not in done}


def test_everything_happens_at_full_intensity() -> None:
    """No fault of the nasty plan is there for nothing: within some thousand messages each one strikes."""
    wanted = {one.action.name for one in FaultPlan.nasty().chances}
    assert wanted == set(ACTIONS) - {"refuse"}
    struck: set[str] = set()
    for seed in range(40):
        venue = gateway(faults=FaultPlan.nasty(1.0), seed=seed)
        order_id = 1
        while order_id < 80 and not venue.run(60):
            client = Pocket(venue)
            while venue.session(1) is client.session and order_id < 80:
                client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0)
                client.place(order_id, "BUY", 10, "LMT", lmtPrice=101.0)
                client.ask("reqOpenOrders")
                venue.run(4)
                order_id += 1
        struck |= {one.fault for one in venue.injected()}
        if struck == wanted:
            return
    assert struck == wanted


@pytest.mark.parametrize("plan", [FaultPlan.none(), FaultPlan.nasty(0.0)])
def test_no_faults_are_no_faults(plan: FaultPlan) -> None:
    """Nothing is drawn, nothing is written down, and every message is the same."""
    way: list[Step] = [("buy", 1, 30, 0.5), ("rest", 1, 30, 0.5), ("cancel", 2, 1, 1.0)]
    assert plan.is_none
    assert walk(plan, 7, way) == walk(FaultPlan.none(), 7, way)
    assert walk(plan, 7, way)[1] == ()


def test_another_seed_gives_other_faults() -> None:
    """Or there would be no chance in it."""
    way: list[Step] = [("buy", number, 30, 0.5) for number in range(1, 20)]
    logs = [walk(FaultPlan.nasty(0.8), seed, way)[1] for seed in range(3)]
    assert len({tuple(attrs.astuple(one) for one in log) for log in logs}) == 3
