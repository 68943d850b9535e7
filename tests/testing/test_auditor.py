"""The auditor finds each kind of difference between the engine's orders and the gateway's books."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core import Contract, Holding, Order, OrderRecord, OrderStatus
from ibkr_core.engine import Engine
from ibkr_core.gateway import Books, ManualClock, MemoryGateway, OrderAccount, default_catalogue
from ibkr_core.gateway.account import Position
from ibkr_core.settings import EngineSettings
from ibkr_core.testing.simulation import World, audit, audit_holdings

Pair = tuple[tuple[OrderRecord, ...], Books]
"""Books of both sides that agree: order 1 has filled, order 2 works."""

WANTED = {"filled": True, "working": True, "refused": False}


@pytest.fixture(scope="module")
def agreed(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Two orders of a simulated life."""
    clock = ManualClock()
    gateway = MemoryGateway(clock=clock, seed=1)
    gateway.market("AAPL").set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    folder: Path = tmp_path_factory.mktemp("auditor")
    world = World(gateway, clock, seed=1, journal_path=folder / "journal.db", settings=EngineSettings(seed=1))
    engine = world.start_engine(Engine.orders)
    world.run(5.0)
    engine.submit(Contract.stock("AAPL"), Order.market("BUY", 100), key="filled")
    engine.submit(Contract.stock("AAPL"), Order.limit("BUY", 10, "150.00"), key="working")
    world.run(60.0)
    records, books = engine.orders(), gateway.books()
    world.stop_engine()
    assert [record.status for record in records] == [OrderStatus.FILLED, OrderStatus.SUBMITTED]
    return records, books


def findings(pair: Pair) -> list[str]:
    """Return what the auditor says of books."""
    return [str(finding) for finding in audit(*pair, client_id=1, wanted=WANTED)]


def test_books_that_agree_are_without_fault(agreed: Pair) -> None:
    """An order that a submit refused need not be anywhere."""
    assert findings(agreed) == []


def first(pair: Pair, **changes: Any) -> Pair:
    """Change the engine's record of the filled order."""
    (one, two), books = pair
    return (attrs.evolve(one, **changes), two), books


def second(pair: Pair, **changes: Any) -> Pair:
    """Change the engine's record of the working order."""
    (one, two), books = pair
    return (one, attrs.evolve(two, **changes)), books


def booked(pair: Pair, *orders: OrderAccount) -> Pair:
    """Change the gateway's orders."""
    return pair[0], attrs.evolve(pair[1], orders=orders)


def sent_twice(pair: Pair) -> Pair:
    one, two = pair[1].orders
    return booked(pair, one, two, attrs.evolve(two, order_id=99, perm_id=99))


def never_sent(pair: Pair) -> Pair:
    return booked(pair, pair[1].orders[0])


def forgotten(pair: Pair) -> Pair:
    return pair[0][:1], pair[1]


def an_execution_twice(pair: Pair) -> Pair:
    [fill] = pair[0][0].fills
    return first(pair, fills=(fill, attrs.evolve(fill, exec_id=fill.exec_id.replace(".01", ".02", 1))))


def a_cheaper_fill(pair: Pair) -> Pair:
    [fill] = pair[0][0].fills
    return first(pair, fills=(attrs.evolve(fill, price=fill.price - Decimal("0.01")),))


def a_wrong_commission(pair: Pair) -> Pair:
    [fill] = pair[0][0].fills
    return first(pair, fills=(attrs.evolve(fill, commission=Decimal("0.01")),))


DAMAGES: tuple[tuple[Callable[[Pair], Pair], str], ...] = (
    (sent_twice, "working: the gateway has 2 orders with this key: it was sent twice"),
    (never_sent, "working: is SUBMITTED here, and the gateway never had it"),
    (forgotten, "working: was submitted, and the engine has forgotten it"),
    (forgotten, "working: lives at the gateway, and the engine does not know it"),
    (lambda pair: second(pair, order_id=pair[0][0].order_id), "orders have this id"),
    (lambda pair: first(pair, filled_quantity=Decimal(99)), "filled: filled 99 here and 100 there"),
    (lambda pair: first(pair, fills=()), "filled: executions come to 0 here and 100 there"),
    (an_execution_twice, "filled: executions come to 200 here and 100 there"),
    (a_cheaper_fill, "was paid here and"),
    (a_wrong_commission, "cost 0.01 here and"),
    (lambda pair: first(pair, perm_id=5), "filled: has the permId 5 here and"),
    (lambda pair: first(pair, status=OrderStatus.CANCELLED), "filled: is CANCELLED here and Filled there"),
    (lambda pair: second(pair, status=OrderStatus.CANCELLED), "working: is CANCELLED here and"),
    (lambda pair: second(pair, status=OrderStatus.UNKNOWN), "working: is UNKNOWN here and"),
)
"""What is done to the books, and what is said of it."""


@pytest.mark.parametrize(("damage", "told"), DAMAGES, ids=[told[:50] for _, told in DAMAGES])
def test_a_difference_is_found(agreed: Pair, damage: Callable[[Pair], Pair], told: str) -> None:
    """Each kind of damage, in books that agree otherwise."""
    assert any(told in finding for finding in findings(damage(agreed))), findings(damage(agreed))


def test_orders_of_other_clients_are_none_of_its_business(agreed: Pair) -> None:
    """They may be at the gateway with any key."""
    one, two = agreed[1].orders
    assert findings(booked(agreed, one, two, attrs.evolve(two, client_id=2))) == []


# ── positions ───────────────────────────────────────────────────────────────────────────────────


def held_here(**changes: object) -> Holding:
    told = {
        "account": "DU1",
        "contract": Contract(con_id=265598, symbol="AAPL", currency="USD"),
        "quantity": Decimal(10),
        "cost": Decimal(1000),
        "fees": {"USD": Decimal(1)},
        "gross": Decimal(50),
        "closed_fees": {"USD": Decimal(2)},
    }
    return Holding(**told | changes)  # type: ignore[arg-type]


def held_there(quantity: int = 10) -> Books:
    (instrument,) = [one for one in default_catalogue() if one.con_id == 265598]
    position = Position(
        instrument=instrument,
        quantity=Decimal(quantity),
        cost=Decimal(1000),
        fees=Decimal(1),
        realized=Decimal(48),
    )
    return Books(orders=(), positions={"DU1": (position,)} if quantity else {}, cash={})


@pytest.mark.parametrize(
    ("here", "there", "said"),
    [
        ([held_here()], held_there(), None),
        ([held_here(quantity=Decimal(0))], held_there(0), None),
        ([], held_there(0), None),
        ([held_here()], held_there(9), "is 10 here, and 9 there"),
        ([held_here()], held_there(0), "is 10 here, and 0 there"),
        ([], held_there(), "is 0 here, and 10 there"),
        ([held_here(cost=Decimal("1000.01"))], held_there(), "costs 1000.01"),
        ([held_here(fees={})], held_there(), "costs 1000"),
        ([held_here(gross=Decimal(51))], held_there(), "earned 49"),
        ([held_here(awaited_fees=1)], held_there(), "missing"),
        ([held_here(unpriced_quantity=Decimal(1))], held_there(), "missing"),
        ([held_here(unknown_quantity=Decimal(1))], held_there(), "missing"),
    ],
)
def test_positions_are_held_against_the_gateways(here: list[Holding], there: Books, said: str | None) -> None:
    """Quantity, cost, commissions and profit; what is missing at rest is a finding, too."""
    found = audit_holdings(here, there)
    assert [said in one.what for one in found] == ([] if said is None else [True])
