"""The engine: everything that a trading program calls, on top of the orders themselves."""

from __future__ import annotations

from ibkr_core.orderengine import OrderEngine

__all__ = ["Engine"]


class Engine(OrderEngine):
    """An order-execution engine on one session with TWS or IB Gateway.

    Use :meth:`connect`, usually as a context manager::

        with Engine.connect("127.0.0.1", 4002, client_id=1, journal="orders.db") as engine:
            ticket = engine.submit(Contract.stock("AAPL"), Order.market("BUY", 100))
            print(ticket.wait(timeout_s=10).avg_fill_price)

    Its arguments are those of :class:`~ibkr_core.orderengine.OrderEngine`.
    """
