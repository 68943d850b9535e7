"""A trading floor for the tests of the commands: a gateway, and a program that trades there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import attrs
from typer.testing import CliRunner, Result

from ibkr_core.cli import main
from ibkr_core.engine import Engine
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.logs import EventLog
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from tests.link.peers import PATIENCE_S

AAPL, MSFT = Contract.stock("AAPL"), Contract.stock("MSFT")


@attrs.frozen
class Floor:
    """A gateway, the journal and the log of a program that traded there, and what it ordered.

    Attributes:
        gateway: The gateway.
        journal: The program's journal.
        logs: The folder of its event log.
        engine: The program's engine, which runs.
        filled: The order id of ten shares of Apple that were bought.
        resting: That of five shares of Microsoft, far from the market.
    """

    gateway: SimulatedGateway
    journal: Path
    logs: Path
    engine: Engine
    filled: int
    resting: int

    def run(self, *arguments: str, **more: Any) -> Result:
        """Run a command against this gateway."""
        return run(*arguments, "--port", str(self.gateway.port), **more)

    def json(self, *arguments: str) -> Any:
        """Run a command that has to succeed, and read its JSON."""
        result = self.run(*arguments, "--json")
        assert (result.exit_code, result.stderr) == (0, "")
        return json.loads(result.stdout)


def run(*arguments: str, **more: Any) -> Result:
    """Run a command as typer would for a user."""
    return CliRunner().invoke(main.app, list(arguments), **more)


@contextmanager
def trading(folder: Path) -> Iterator[Floor]:
    """Have a program trade: one order filled, one resting; it stays connected."""
    journal, logs = folder / "orders.db", folder / "logs"
    with SimulatedGateway(seed=3) as gateway, EventLog(folder=logs) as log:
        for symbol, bid, ask in (("AAPL", "190.00", "190.10"), ("MSFT", "400.00", "400.10")):
            gateway.market(symbol).set_quote(bid=bid, ask=ask)
        engine = Engine(1, journal=journal)
        log.attach(engine)
        engine.open(gateway.host, gateway.port)
        with engine:
            bought = engine.submit(AAPL, Order.market("BUY", 10), key="bought")
            bought.wait(timeout_s=PATIENCE_S)
            engine.watch(bought.order_id, frozenset(), settled=True).result(PATIENCE_S)
            resting = engine.submit(MSFT, Order.limit("BUY", 5, "300"), key="rests")
            resting.wait(OrderStatus.SUBMITTED, timeout_s=PATIENCE_S)
            assert engine.journal is not None
            engine.journal.flush()
            log.flush()
            yield Floor(gateway, journal, logs, engine, bought.order_id, resting.order_id)
