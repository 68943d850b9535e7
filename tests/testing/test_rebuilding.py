"""The journal's master property, through the whole engine: its journal rebuilds its book."""

from __future__ import annotations

import sqlite3
from decimal import Decimal
from pathlib import Path

import attrs
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ibkr_core.engine import Engine
from ibkr_core.gateway import Choreography, Settings, SimulatedGateway
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.testing.simulation import Scenario, play
from ibkr_core.testing.simulation.rebuilding import compare_with_journal
from tests.engine.conftest import STILL
from tests.engine.rig import STOCK, WAIT, S

Session = tuple[Path, tuple[OrderRecord, ...]]
"""A journal, and the orders as its engine had them at the end."""
QUICK = EngineSettings(reconnect=Backoff(first_s=0.02, longest_s=0.1))


@given(
    seed=st.integers(0, 2**32), intensity=st.floats(0, 1), kills=st.floats(0, 0.1), breaks=st.floats(0, 0.05)
)
@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_every_life_can_be_rebuilt_from_its_journal(
    seed: int, intensity: float, kills: float, breaks: float
) -> None:
    """Faults, kills, torn sends, restarts: frames and commands make the live book again, field by field."""
    life = Scenario(seed=seed, orders=6, intensity=intensity, kills=kills, breaks=breaks, restarts=0.02)
    assert not play(life).findings


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Session:
    """The journal of a short session and the orders as its engine had them at the end."""
    path = tmp_path_factory.mktemp("journal") / "journal.db"
    wanted = Settings(market=STILL, choreography=Choreography.plain())
    with (
        SimulatedGateway(settings=wanted) as gateway,
        Engine.connect("127.0.0.1", gateway.port, settings=QUICK, journal=path) as engine,
    ):
        engine.submit(STOCK, Order.market("BUY", 10), key="filled").wait(**WAIT)
        resting = engine.submit(STOCK, Order.limit("BUY", 10, "90"), key="changed")
        resting.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
        resting.modify(limit_price="91")
        resting.cancel()
        resting.wait(**WAIT)
        engine.submit(Contract.stock("MSFT"), Order.limit("BUY", 1, "1"), key="alive")
    return path, engine.orders()


def compare(path: Path, live: tuple[OrderRecord, ...]) -> list[str]:
    return [str(found) for found in compare_with_journal(path, live, client_id=1, settings=QUICK)]


def test_a_session_over_tcp_is_rebuilt(session: Session) -> None:
    """Nothing differs, history and times included."""
    path, live = session
    assert len(live) == 3
    assert compare(path, live) == []


@pytest.mark.parametrize(
    ("field", "value"), [("filled_quantity", Decimal(11)), ("status", S.CANCELLED), ("history", ())]
)
def test_each_field_that_differs_is_told(field: str, value: object, session: Session) -> None:
    """By the order's key."""
    path, (first, *others) = session
    (found,) = compare(path, (attrs.evolve(first, **{field: value}), *others))  # type: ignore[arg-type]
    assert found.startswith(f"filled: {field} is ")


def test_an_order_that_the_journal_lacks_is_told(session: Session) -> None:
    """Or one too many."""
    path, live = session
    assert compare(path, live[:-1]) == ["-: 2 orders here, and the journal rebuilds 3"]


def test_a_lost_input_is_noticed(session: Session, tmp_path: Path) -> None:
    """One frame less makes another book."""
    path, live = session
    spoiled = tmp_path / "journal.db"
    spoiled.write_bytes(path.read_bytes())
    with sqlite3.connect(spoiled) as connection:
        numbers = [row[0] for row in connection.execute("SELECT number FROM inputs ORDER BY number")]
        connection.execute("DELETE FROM inputs WHERE number = ?", (numbers[len(numbers) // 2],))
    connection.close()
    assert compare(spoiled, live)


def test_a_restarted_engine_stands_where_the_last_one_ended(session: Session, tmp_path: Path) -> None:
    """What was known is known, and ids go on behind those that were used."""
    path, live = session
    again = tmp_path / "journal.db"
    again.write_bytes(path.read_bytes())
    engine = Engine(1, settings=QUICK, journal=again)
    try:
        assert [(one.key, one.order_id, one.perm_id, one.fills) for one in engine.orders()] == [
            (one.key, one.order_id, one.perm_id, one.fills) for one in live
        ]
        assert engine.next_request_id() > max(one.order_id for one in live)
        assert engine.journal is not None
        assert engine.journal.knows_key("filled") == live[0].order_id
    finally:
        engine.close()
