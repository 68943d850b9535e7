"""The engine: everything that a trading program calls, on top of the orders themselves."""

from __future__ import annotations

from functools import cached_property

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.whatif import WhatIf
from ibkr_core.orderengine import OrderEngine
from ibkr_core.reference import Reference
from ibkr_core.trying import ask_what_if

__all__ = ["Engine"]


class Engine(OrderEngine):
    """An order-execution engine on one session with TWS or IB Gateway.

    Use :meth:`connect`, usually as a context manager::

        with Engine.connect("127.0.0.1", 4002, client_id=1, journal="orders.db") as engine:
            ticket = engine.submit(Contract.stock("AAPL"), Order.market("BUY", 100))
            print(ticket.wait(timeout_s=10).avg_fill_price)

    Its arguments are those of :class:`~ibkr_core.orderengine.OrderEngine`.
    """

    # ── asking ──────────────────────────────────────────────────────────────────────────────────

    @cached_property
    def reference(self) -> Reference:
        """What the broker knows besides orders: contract details, quotes, price rules, account values."""
        return Reference(self._works.inquiries, self, self._clock)

    def what_if(self, contract: Contract, order: Order, *, timeout_s: float = 10.0) -> WhatIf:
        """Ask what an order would do to the account. Nothing is placed; the order id is used up.

        Args:
            contract: What would be traded.
            order: At what terms.
            timeout_s: How long to wait.

        Raises:
            InvalidContract: The contract cannot be routed; UnknownContract where the broker knows none such.
            InvalidOrder: The order cannot work, or not for this contract.
            InquiryFailed: The broker would reject the order; it has the code and the reason.
            WaitTimeout: No answer came in time.
            NotReady: Not connected, or not synchronised yet, or the broker is out of reach.
            RequestRefused: The official client cannot encode it for this gateway.
            ConnectionFailed: The connection was lost meanwhile.
            EngineClosed: It was closed.
            WouldDeadlock: Called from an inline listener.
        """
        self.check_may_wait()
        return self.wait_for(
            ask_what_if(self._desk, self._works.inquiries, contract, order, timeout_s, self._works.rules)
        )
