"""The engine: everything that a trading program calls, on top of the orders themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from concurrent.futures import Future
from functools import cached_property
from zoneinfo import ZoneInfo

from ibkr_core.closing import close_position
from ibkr_core.errors import WaitTimeout
from ibkr_core.legwork.hands import Hands
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.model.results import ExecutionResult
from ibkr_core.model.strategy import Strategy
from ibkr_core.model.whatif import WhatIf
from ibkr_core.orderengine import OrderEngine
from ibkr_core.portfolio.portfolio import Portfolio, Shelf
from ibkr_core.preflight import Preflight, run_preflight
from ibkr_core.protection import Protection
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

    def _furnish(self) -> None:
        self._protection = Protection(
            self,
            lambda key: self._book.read(lambda book: book.by_key(key)),
            self._works.publish,
            lambda: self._supervisor.is_synchronised,
            self.journal,
            self.settings.unprotected_after_s,
        )

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

    # ── closing and rolling ─────────────────────────────────────────────────────────────────────

    def close_position(
        self,
        strategy: Strategy,
        *,
        order: Order | None = None,
        limit_prices: Sequence[Numeric | None] | Numeric | None = None,
        as_combo: bool = False,
        credit: Numeric | None = None,
        debit: Numeric | None = None,
        account: str = "",
        key: str = "",
        timeout_s: float = 60.0,
        exits_timeout_s: float = 15.0,
        cancel_unfilled: bool = False,
    ) -> ExecutionResult:
        """Close a strategy: each leg with the opposite side, and never more than is held.

        First the orders that work against the position are cancelled (stops, targets, an earlier closing),
        and their end is waited for; those that fit into what stays of the position stay too. The sizes come
        from the broker's positions, the fills since, and all that works meanwhile. A leg that fails does
        not stop the others.

        Args:
            strategy: What is held: a short leg has the side SELL. Less is closed where less is held.
            order: Terms for each leg (an algorithm, a time in force): its side and size are replaced. None
                for market orders.
            limit_prices: A limit for each leg, in the strategy's order; None for a market order.
            as_combo: Close all legs at once, as one combination.
            credit: Of a combination: the least to be received for one unit of the strategy.
            debit: Of a combination: the most to be paid for one.
            account: Whose; may be left out where there is only one.
            key: A name of yours for this call. Called again with it, after a crash for example, it goes on
                where it ended and closes nothing twice. Made up where it is empty.
            timeout_s: For the closing orders to fill, in seconds.
            exits_timeout_s: For the proof that the exits are gone, in seconds.
            cancel_unfilled: Cancel what has not filled by then; else it goes on working.

        Returns:
            ``CLOSED``, ``PARTIAL`` (its message names what is left), ``FAILED`` (nothing was traded) or
            ``DRY_RUN``. What was left undone is told by an event as well (``StrategyUnfinished``).

        Raises:
            InvalidInput: An argument breaks a rule, or the broker knows no such leg; nothing was sent.
            IbkrError: A leg had to be looked up, and the broker does not answer; nothing was sent.
            WouldDeadlock: Called from an inline listener.
        """
        return close_position(
            self._hands,
            strategy,
            order=order,
            limit_prices=limit_prices,
            as_combo=as_combo,
            credit=credit,
            debit=debit,
            account=account,
            key=key,
            timeout_s=timeout_s,
            exits_timeout_s=exits_timeout_s,
            cancel_unfilled=cancel_unfilled,
        )

    @property
    def _hands(self) -> Hands:
        return Hands(
            self,
            self._desk,
            self._book,
            self.reference,
            self._works.expected_position,
            self._works.publish,
            getattr(self, "is_dry_run", False),
        )

    # ── positions and profit ────────────────────────────────────────────────────────────────────

    @cached_property
    def portfolio(self) -> Portfolio:
        """Positions, realised and unrealised profit, commissions: by account, contract and currency."""
        shelf = Shelf(self._book, lambda: self._works.bases, ZoneInfo(self.settings.broker_zone))
        return Portfolio(shelf, self, self._works.publish, self._pause)

    def _pause(self) -> None:
        """Let ``settings.confirm_s`` pass by the engine's clock."""
        over: Future[None] = Future()
        self.scheduler.call_later(self.settings.confirm_s, lambda: over.set_result(None))
        with contextlib.suppress(WaitTimeout):  # an engine that is being closed runs no timer any more
            self.wait_for(over, 2 * self.settings.confirm_s)

    def check_order(
        self,
        contract: Contract,
        order: Order,
        *,
        allow_closed: bool = False,
        timeout_s: float = 10.0,
    ) -> Preflight:
        """Hold an order against what the broker knows of the instrument; no order is sent.

        Looked at are: whether the contract names one instrument, whether that takes the order type, the time
        in force, the exchange and the quantity, whether prices are on its grid (market rule), and whether
        it trades now. The answers say what holds at this moment; the broker has the last word.

        Args:
            contract: What to trade.
            order: At what terms.
            allow_closed: Let an order pass that would be held until the market opens.
            timeout_s: For each question that is asked.

        Returns:
            What was learnt: the complete contract, its details, its price steps.

        Raises:
            InvalidContract: It cannot be routed so; UnknownContract, AmbiguousContract.
            InvalidOrder: A rule is broken; the argument and the rule are in it. MarketClosed.
            IbkrError: As for the calls of :attr:`reference`.
        """
        return run_preflight(
            self.reference,
            contract,
            order,
            self._clock.now(),
            allow_closed=allow_closed,
            timeout_s=timeout_s,
        )
