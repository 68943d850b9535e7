"""Watching: the picture, the stream of events, and the live table."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest
from rich.console import Console

from ibkr_core.cli import watch
from ibkr_core.cli.show import Shown
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.cli.floor import AAPL, Floor, run, trading
from tests.link.peers import PATIENCE_S

pytestmark = pytest.mark.system


@pytest.fixture
def floor(tmp_path: Path) -> Iterator[Floor]:
    with trading(tmp_path) as made:
        yield made


@pytest.mark.parametrize("from_journal", [False, True])
def test_one_look_shows_orders_and_fills(floor: Floor, from_journal: bool) -> None:
    """Open orders first, in words and as JSON."""
    source = ["--journal", str(floor.journal)] if from_journal else []
    found = floor.json("watch", "--once", *source)
    assert [row["order_id"] for row in found["orders"]] == [floor.resting, floor.filled]
    assert [row["price"] for row in found["fills"]] == ["190.1"]
    assert [row["order_id"] for row in floor.json("watch", "--once", "--orders", "1", *source)["orders"]] == [
        floor.resting
    ]
    text = floor.run("watch", "--once", *source).stdout
    assert text.index("SUBMITTED") < text.index("FILLED")


def test_without_a_terminal_it_needs_to_know_how(floor: Floor) -> None:
    """A table that moves is nothing for a pipe."""
    result = floor.run("watch")
    assert (result.exit_code, "--once: say it, or --json" in result.stderr) == (2, True)


def test_a_halt_stands_above_the_table(floor: Floor) -> None:
    """Whoever looks sees that no new order is taken."""
    floor.engine.halt("enough")
    assert floor.engine.journal is not None
    floor.engine.journal.flush()
    text = floor.run("watch", "--once", "--journal", str(floor.journal)).stdout
    assert "HALTED: enough" in text.splitlines()[0]


def test_nothing_to_see_is_said(floor: Floor, tmp_path: Path) -> None:
    """An empty journal has no orders and no fills."""
    from ibkr_core.engine import Engine

    with Engine(2, journal=tmp_path / "empty.db"):
        pass
    text = run("watch", "--once", "--journal", str(tmp_path / "empty.db")).stdout
    assert text.splitlines()[1:] == ["", "no orders", "", "no fills"]
    assert (
        json.loads(run("watch", "--once", "--json", "--journal", str(tmp_path / "empty.db")).stdout)["orders"]
        == []
    )


def test_accounts_are_hidden_in_every_part(floor: Floor) -> None:
    """Above the table and in it, in one look, in JSON, and in the table that moves."""
    for more in ([], ["--json"]):
        out = floor.run("watch", "--once", "--mask-accounts", *more).stdout
        assert "DU1234567" not in out
        assert "DU***567" in out
    picture = watch._Picture(headline="here DU1234567", orders=[{"account": "DU1234567"}], fills=[])
    console = Console(file=io.StringIO(), width=100)
    console.print(watch._render(picture, Shown.like(as_json=False, mask_accounts=True)))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert (text.count("DU***567"), text.count("DU1234567")) == (2, 0)


def test_a_narrow_screen_still_has_status_and_prices() -> None:
    """What matters least is left out, instead of cutting numbers and the status off."""
    order = {
        "order_id": 4,
        "client_id": 1,
        "account": "DU1234567",
        "action": "BUY",
        "quantity": Decimal(10),
        "symbol": "AAPL",
        "order_type": "LMT",
        "limit_price": Decimal("150.25"),
        "tif": "DAY",
        "status": "SUBMITTED",
        "filled_quantity": Decimal(0),
    }
    console = Console(file=io.StringIO(), width=60)
    shown = Shown.like(as_json=False, mask_accounts=False)
    console.print(watch._render(watch._Picture(headline="here", orders=[order], fills=[]), shown, 60))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]  # a StringIO
    assert lines[2].split() == ["#", "Side", "Quantity", "Instrument", "Limit", "Status", "Filled"]
    assert lines[3].split() == ["4", "BUY", "10", "AAPL", "150.25", "SUBMITTED", "0"]


@pytest.mark.parametrize("from_journal", [False, True])
def test_a_picture_follows_what_happens(floor: Floor, from_journal: bool) -> None:
    """An order that comes later is in the next look."""
    source = ["--journal", str(floor.journal)] if from_journal else []
    ticket = floor.engine.submit(AAPL, Order.limit("SELL", 1, "500"))
    ticket.wait(OrderStatus.SUBMITTED, timeout_s=PATIENCE_S)
    assert floor.engine.journal is not None
    floor.engine.journal.flush()
    assert ticket.order_id in {row["order_id"] for row in floor.json("watch", "--once", *source)["orders"]}
