"""Recovery: the program is killed right after it sent an order; the next run knows what became of it.

The first run is a process of its own that ends without a word (``os._exit``), as in a power cut.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from ibkr_core import Contract, Engine, Order
from ibkr_core.gateway import SimulatedGateway

AAPL, ENTRY = Contract.stock("AAPL"), Order.limit("BUY", 10, "150.00", tif="GTC")


def first_run(port: int, journal: str) -> None:
    """Send an order with a key, and die."""
    engine = Engine.connect("127.0.0.1", port, client_id=1, journal=journal)
    engine.submit(AAPL, ENTRY, key="monday-entry")
    os._exit(1)


def second_run(port: int, journal: str) -> None:
    """Ask for the same order again: nothing is sent twice."""
    with Engine.connect("127.0.0.1", port, client_id=1, journal=journal) as engine:
        ticket = engine.submit(AAPL, ENTRY, key="monday-entry")
        print("it knows the order:", ticket.record)
        print("orders at the broker:", len(engine.active_orders()))
        for line in engine.history(key="monday-entry"):
            print("  ", line)


if len(sys.argv) > 1:
    first_run(int(sys.argv[1]), sys.argv[2])

with SimulatedGateway(port=0) as gateway, tempfile.TemporaryDirectory() as folder:
    file = str(Path(folder) / "orders.db")
    killed = subprocess.run([sys.executable, __file__, str(gateway.port), file], check=False)
    print("the first run ended with", killed.returncode)
    second_run(gateway.port, file)
