"""The gateway as a process with a state file: killed, restarted, and refused what it cannot have."""

from __future__ import annotations

import signal
import socket
from decimal import Decimal
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ibkr_core.cli import main
from ibkr_core.engine import Engine
from ibkr_core.errors import StateFileError
from ibkr_core.gateway import ManualClock, SimulatedGateway
from ibkr_core.gateway.state import read_state
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.cli.test_serve import PATIENCE_S, serving
from tests.gateway.pocket import plain
from tests.gateway.test_state_file import Full

pytestmark = pytest.mark.system

AAPL = Contract.stock("AAPL")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.state"


def test_a_killed_gateway_comes_back_with_all_that_it_told(path: Path) -> None:
    """SIGKILL: every fill and order that the engine knows of is in the file, and at the next gateway."""
    options = ("--port", "0", "--still", "--state", str(path))
    with serving(*options) as (server, port):
        with Engine.connect("127.0.0.1", port, client_id=7) as engine:
            filled = engine.submit(AAPL, Order.market("BUY", 10)).wait(timeout_s=PATIENCE_S)
            resting = engine.submit(AAPL, Order.limit("BUY", 5, "250.00", tif="GTC", order_ref="keep/me"))
            resting.wait(OrderStatus.SUBMITTED, timeout_s=PATIENCE_S)
            told = resting.record
            server.end(signal.SIGKILL)
        kept = read_state(path)
        assert kept.accounts["DU1234567"].position("AAPL") == 10
        assert [one.exec_id for one in kept.executions] == [fill.exec_id for fill in filled.fills]
        order = kept.of_client(7, resting.order_id)
        assert order is not None
        assert (order.perm_id, order.status, order.order_ref) == (told.perm_id, "Submitted", "keep/me")
    with serving(*options) as (server, port):
        lines = [server.line() for _ in range(2)]
        assert lines[1].startswith(f"Kept in {path}: 2 orders and ")
        with Engine.connect("127.0.0.1", port, client_id=7) as engine:
            again = engine.order(resting.order_id)
            assert (again.perm_id, again.status) == (told.perm_id, OrderStatus.SUBMITTED)
            fresh = engine.submit(AAPL, Order.market("SELL", 10))
            assert fresh.order_id > resting.order_id
            fresh.wait(timeout_s=PATIENCE_S)
        code, _, problems = server.end(signal.SIGTERM)
    assert (code, problems) == (0, "")
    assert read_state(path).accounts["DU1234567"].position("AAPL") == Decimal(0)
    assert len(path.read_bytes().splitlines()) == 2, "a clean end leaves a snapshot and nothing else"


def test_a_second_gateway_is_refused_the_file(path: Path) -> None:
    """In one line that says who has it and what to do; the first one goes on."""
    with serving("--port", "0", "--state", str(path)) as (server, _):
        result = CliRunner().invoke(main.app, ["gateway", "--port", "0", "--state", str(path)])
        assert result.exit_code == 6
        assert result.stderr.startswith(f"error: state file {path}: another gateway (process ")
        assert result.stderr.endswith("stop that one, or name another file\n")
        assert server.end(signal.SIGINT)[0] == 0


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('{"format":"ibkr-core gateway state","version":9}\n{}\n', "use the newer ibkr-core that wrote it"),
        ("not a state file\n", "move it away to begin with fresh accounts"),
    ],
)
def test_a_file_that_cannot_be_used_is_said_in_one_line(path: Path, text: str, problem: str) -> None:
    """Exit code 1; the file is named and left as it is."""
    path.write_text(text)
    result = CliRunner().invoke(main.app, ["gateway", "--port", "0", "--state", str(path)])
    assert result.exit_code == 6
    assert str(path) in result.stderr
    assert problem in result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert path.read_text() == text


def test_a_gateway_that_cannot_save_ends(path: Path) -> None:
    """It must not tell what it could not save; whoever acts on it, and whoever stops it, is told why."""
    server = SimulatedGateway(state=path)
    server.start()
    file = server._gateway._keeper._file
    assert file is not None
    assert file._stream is not None
    file._stream.close()
    file._stream = Full(path, "ab")
    with pytest.raises(StateFileError, match="No space left"):
        server.market("AAPL").set_quote(bid=1, ask=2)
    assert server._thread is not None
    server._thread.join()
    assert not server.is_serving
    with pytest.raises(StateFileError, match="takes nothing more"):
        server.stop()
    assert read_state(path).orders == ()


def test_a_server_restarts_on_demand() -> None:
    """Its port refuses everybody while it is down; then the same order is there, and the engine finds it."""
    clock = ManualClock()
    with SimulatedGateway(clock=clock, settings=plain()) as server:
        with Engine.connect("127.0.0.1", server.port, client_id=3) as engine:
            ticket = engine.submit(AAPL, Order.limit("BUY", 5, "250.00", tif="GTC"))
            server.wait_for(lambda books: [one.status for one in books.orders] == ["Submitted"])
            before = server.books()
            server.restart(down_s=60.0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port), timeout=PATIENCE_S)
        assert server.books() == before
        server.run(59.0)
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port), timeout=PATIENCE_S)
        server.run(1.0)
        with Engine.connect("127.0.0.1", server.port, client_id=3) as engine:
            assert engine.order(ticket.order_id).perm_id == before.orders[0].perm_id
        assert server.books() == before


def test_a_port_that_cannot_be_had_lets_go_of_the_file(path: Path) -> None:
    """So that the next attempt can have it; a server that never started does the same when it is stopped."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="in use"):
        SimulatedGateway(taken.getsockname()[1], state=path).start()
    SimulatedGateway(state=path).stop()
    SimulatedGateway(state=path).stop()
