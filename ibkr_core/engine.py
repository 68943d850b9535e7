"""The engine: everything that a trading program calls, on top of the orders themselves."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, Self
from zoneinfo import ZoneInfo

from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder

from ibkr_core.arguments import check_options
from ibkr_core.brackets import Brackets, ScaleOutTickets
from ibkr_core.closing import close_position
from ibkr_core.errors import InvalidOrder, OrderFinished, OrderNotOurs, UnknownOrder, WaitTimeout
from ibkr_core.legwork.hands import Hands
from ibkr_core.legwork.tally import Tally
from ibkr_core.lifecycle.groups import ExitPair
from ibkr_core.lifecycle.protecting import BreakEven, Cover
from ibkr_core.link.official import contract_of, order_of
from ibkr_core.model.bracket import BracketOrder
from ibkr_core.model.checks import check_flag, check_text, check_whole
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ExecutionResult
from ibkr_core.model.strategy import Strategy
from ibkr_core.model.whatif import WhatIf
from ibkr_core.orderengine import OrderEngine
from ibkr_core.portfolio.portfolio import Portfolio, Shelf
from ibkr_core.preflight import Preflight, run_preflight
from ibkr_core.protection import Protection
from ibkr_core.reference import Reference
from ibkr_core.replacing import replace_order
from ibkr_core.rolling import RollWish, roll_position
from ibkr_core.tickets import BracketTickets, OrderTicket
from ibkr_core.trying import ask_what_if

if TYPE_CHECKING:
    from ibkr_core.dryrun import DryRunGateway
    from ibkr_core.gateway import Instrument
    from ibkr_core.gateway import Settings as GatewaySettings

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
            lambda: self._book.read(lambda book: book.awake_orders()),
            self.by_key,
            self._works.publish,
            lambda: self._supervisor.is_synchronised,
            self._book.watch_kin,
            self.journal,
            self.settings.unprotected_after_s,
        )

    # ── orders, in the words of an execution engine ─────────────────────────────────────────────

    def place_order(
        self, contract: Contract | IbContract, order: Order | IbOrder, *, key: str = ""
    ) -> OrderTicket:
        """Send a new order that is given in ours or in the official client's own objects.

        Fields of official objects keep their values; :func:`ibkr_core.link.official.order_of` tells the three
        that do not. Ids are the engine's: one in ``order.orderId`` is refused.

        Args:
            contract: What to trade.
            order: At what terms.
            key: As for :meth:`submit`.

        Raises:
            IbkrError: As for :meth:`submit`.
        """
        return self.submit(contract_of(contract), order_of(order), key=key)

    def cancel_order(self, order_id: int) -> bool:
        """Ask for an order's cancellation, and tell whether there was anything to cancel.

        Returns:
            True when the cancel was sent, or is on its way already: the order may still fill until the broker
            confirms (see :meth:`cancel`). False when nothing could be cancelled: no order of ours has this
            id, or it has ended already; :meth:`order` tells which.

        Raises:
            InvalidInput: The id is no whole number.
            NotReady: Not connected, or not synchronised yet: the order may well work.
            SendFailed: The connection failed while it was being sent.
            EngineClosed: It was closed: the order may well work.
        """
        check_whole("order_id", order_id)
        try:
            self.cancel(order_id)
        except (UnknownOrder, OrderFinished, OrderNotOurs):
            return False
        return True

    def replace(
        self, order_id: int, order: Order | None = None, *, timeout_s: float = 10.0, **changes: Any
    ) -> OrderTicket:
        """Cancel an order and place what is left of it at new terms: for what no modification may change.

        The new order is sent when the broker has proved the end of the old one, so that never both are alive;
        its size is the wanted quantity less what the old one filled. It keeps the old one's place in its
        bracket and group, moves to break-even like it, and loses its place in the queue: :meth:`modify` keeps
        that where it can.

        Args:
            order_id: The order.
            order: The new terms as a whole, with the quantity of old and new order together, or
            timeout_s: How long to wait for the proof, in seconds.
            **changes: the fields to change: ``engine.replace(7, algo=Twap())``.

        Returns:
            The new order's ticket. Its key is a new one, unless the terms bring one.

        Raises:
            UnknownOrder: No such order.
            OrderFinished: It has ended, or it was filled before it could be cancelled.
            OrderInDoubt: Its fate is unknown.
            OrderNotOurs: Another client placed it.
            OrderStateError: A cancel is pending, orders are attached to it, or it is a hedge. Nothing was
                sent.
            InvalidOrder: The new terms cannot work. Nothing was sent.
            WaitTimeout: The end was not proved in time. The cancel stays asked for; nothing new is sent.
            ReplaceFailed: The old order has ended, and the new one could not be sent.
            SendFailed: The connection failed while the new one was being sent; its fate is unknown.
            NotReady: Not connected, or not synchronised yet. Nothing was sent.
            TradingHalted: See :meth:`halt`. Nothing was sent.
            WouldDeadlock: Called from an inline listener.
        """
        check_whole("order_id", order_id)
        return replace_order(
            self, self._desk, self._book, self._protection, order_id, order, timeout_s, changes
        )

    def by_key(self, key: str) -> OrderRecord | None:
        """Return the order that has a client order key; None where there is none."""
        check_text("key", key)
        return self._book.read(lambda book: book.by_key(key))

    # ── brackets ────────────────────────────────────────────────────────────────────────────────

    def place_bracket_order(
        self,
        bracket: BracketOrder,
        entry_contract: Contract | IbContract,
        tp_contract: Contract | IbContract | None = None,
        sl_contract: Contract | IbContract | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> ExecutionResult:
        """Send an entry with its exits, and wait until the broker has taken all of them.

        Placing the same bracket again sends nothing and tells how it stands, also after a restart where there
        is a journal: its keys name it. Where the broker refuses a leg, an entry that still works is
        cancelled, so that it does not fill without its exits.

        Args:
            bracket: See :func:`ibkr_core.brackets.new_bracket`.
            entry_contract: What to trade.
            tp_contract: For the take-profit: the same instrument, routed elsewhere perhaps.
            sl_contract: For the stop-loss.
            timeout_s: How long to wait, in seconds; 0 to return as soon as they are sent.

        Returns:
            ``BRACKET_PLACED`` (or ``DRY_RUN``) with the ids of entry, take-profit and stop-loss; ``FAILED``
            when a leg was refused before the entry had filled anything; ``PARTIAL`` when something stands
            that needs you: an answer is missing, or the entry has filled beside a refused exit.

        Raises:
            InvalidGroup: The legs contradict each other, or a contract is of another instrument.
            DuplicateOrder: Some of its keys were used before, for something else.
            IbkrError: As for :meth:`submit`. All legs are sent together or none is.
        """
        return self._brackets.place(
            bracket,
            (entry_contract, tp_contract, sl_contract),
            timeout_s,
            is_dry_run=self.is_dry_run,
        )

    def submit_scale_out(
        self,
        contract: Contract | IbContract,
        parent: Order,
        pairs: Sequence[ExitPair],
        *,
        break_even: BreakEven | None = None,
    ) -> ScaleOutTickets:
        """Send an entry with several targets, each paired with a stop of its size.

        Args:
            contract: What to trade.
            parent: The entry.
            pairs: The slices; their quantities add up to the entry's.
            break_even: Move the stops that are left to the entry's price when a target is filled. With a
                journal this survives a restart. A move that the broker refuses is an alarm
                (:class:`~ibkr_core.model.events.StopMoveFailed`). Without a ``tick`` the broker is asked for
                the instrument's price step first, and this waits for it.

        Raises:
            InvalidGroup: The orders contradict each other; nothing was sent.
            IbkrError: As for :meth:`submit`. All legs are sent together or none is.
        """
        self._check_parent(parent)
        return self._brackets.scale_out(contract, parent, pairs, break_even)

    def submit_attached(
        self,
        contract: Contract | IbContract,
        parent: Order,
        *,
        take_profit: bool = True,
        stop_loss: bool = True,
    ) -> BracketTickets:
        """Send an order to which the gateway attaches exits by itself, as its presets say.

        Nothing of the exits is known before the broker shows them. They can be cancelled; to modify one, take
        it over with :meth:`adopt` and its terms.

        Args:
            contract: What to trade.
            parent: The order.
            take_profit: Attach a profit taker (official ``ptOrderId`` and ``ptOrderType``).
            stop_loss: Attach a stop loss (official ``slOrderId`` and ``slOrderType``).

        Raises:
            InvalidGroup: No exit is wanted, or the order is a child or held.
            RequestRefused: The gateway is older than server version 218, or the official client is.
            DuplicateOrder: An order with the key in its ``order_ref`` was sent before, even this very one.
            IbkrError: As for :meth:`submit`.
        """
        self._check_parent(parent)
        return self._brackets.attached(contract, parent, take_profit=take_profit, stop_loss=stop_loss)

    @staticmethod
    def _check_parent(parent: object) -> None:
        if not isinstance(parent, Order):
            raise InvalidOrder("parent", f"must be an ibkr_core Order, not {parent!r}")

    def unprotected(self) -> tuple[Cover, ...]:
        """Return the entries of ours that have more open than their working exits would close, right now.

        What lasts longer than ``settings.unprotected_after_s`` is told by an event:
        :class:`~ibkr_core.model.events.PositionUnprotected`.
        """
        return self._protection.unprotected()

    @cached_property
    def _brackets(self) -> Brackets:
        return Brackets(
            self,
            self._desk,
            self.by_key,
            self._protection,
            lambda contract: max(step.increment for step in self.reference.price_rule(contract).steps),
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
        and their end is waited for; those that fit into what stays of it stay too. The sizes come from the
        broker's positions, the fills since, and all else that works. A leg that fails stops no other.

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
                where it ended and closes nothing twice. For one strategy only; made up where it is empty.
            timeout_s: For the closing orders to fill, in seconds.
            exits_timeout_s: For the proof that the exits are gone, in seconds.
            cancel_unfilled: Cancel what has not filled by then; else it goes on working.

        Returns:
            ``CLOSED``, ``PARTIAL`` (its message names what is left), ``FAILED`` (nothing was traded) or
            ``DRY_RUN``. What was left undone is told by an event as well (``StrategyUnfinished``).

        Raises:
            InvalidInput: An argument breaks a rule, or the broker knows no such leg; nothing was sent.
            DuplicateOrder: The key was used for something else.
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

    def roll_position(
        self,
        strategy: Strategy,
        new_dte: int,
        *,
        strike: str = "same",
        legs: Sequence[int] | None = None,
        as_combo: bool | None = None,
        order: Order | None = None,
        credit: Numeric | None = None,
        debit: Numeric | None = None,
        underlying_price: Numeric | None = None,
        account: str = "",
        key: str = "",
        timeout_s: float = 60.0,
        exits_timeout_s: float = 15.0,
    ) -> ExecutionResult:
        """Roll a strategy: close its options, or futures, and open them again at another expiry.

        As one combination where that can be; else what is owed is bought back first, then what is held is
        sold, then the new legs are opened, long ones first, each step only as far as the one before it
        came: nothing is ever owed uncovered. What does not fill in time is cancelled.

        Args:
            strategy: What is held. Shares in it stay.
            new_dte: Days from today (at the exchange) to the new expiry: the nearest listed, of two equally
                near the later. It is for the legs that expire first; later ones keep their distance.
            strike: ``same``, ``delta`` (that of the old leg now) or ``moneyness``.
            legs: The places of the legs to roll, from 0; all that expire where it is None.
            as_combo: True insists on one combination, False forbids it; None takes one of up to four legs.
            order: Terms, as for :meth:`close_position`.
            credit: The least to be received for one unit of the roll; it insists on a combination.
            debit: The most to be paid for one; likewise.
            underlying_price: At which the old strikes are measured for ``moneyness``: that of the day they
                were chosen on, say. Without it the price is that of now, so the nearest strike is taken.
            account: As for :meth:`close_position`, and so is ``key``.
            key: A name for this call.
            timeout_s: For each step to fill, in seconds.
            exits_timeout_s: For the proof that cancelled orders are gone, in seconds.

        Returns:
            ``ROLLED``, ``PARTIAL`` (what is half done is named, and told by ``StrategyUnfinished``),
            ``FAILED`` or ``DRY_RUN``.

        Raises:
            InvalidInput: An argument breaks a rule, or no expiry or strike fits; nothing was sent.
            DuplicateOrder: The key was used for something else.
            IbkrError: The broker does not answer what has to be looked up; nothing was sent.
        """
        terms = (strike, legs, as_combo, order, credit, debit, underlying_price)
        wish = RollWish(*terms, account, key, timeout_s, exits_timeout_s)
        return roll_position(self._hands, strategy, new_dte, wish)

    @cached_property
    def _hands(self) -> Hands:
        return Hands(
            self,
            self._desk,
            self._book,
            self.reference,
            self._works.position_base,
            Tally(),
            self._works.publish,
            self.is_dry_run,
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
        check_flag("allow_closed", allow_closed)
        return run_preflight(
            self.reference,
            self._desk.check_new,
            contract,
            order,
            self._clock.now(),
            allow_closed=allow_closed,
            timeout_s=timeout_s,
        )

    # ── dry run ─────────────────────────────────────────────────────────────────────────────────

    _dry_run_gateway: DryRunGateway | None = None

    @classmethod
    def dry_run(
        cls,
        fill: Literal["immediate", "market"] = "immediate",
        *,
        client_id: int = 1,
        prices: Mapping[str, Numeric] | None = None,
        instruments: Iterable[Instrument] = (),
        accounts: Iterable[str] = (),
        gateway_settings: GatewaySettings | None = None,
        seed: int = 0,
        **options: Any,
    ) -> Self:
        """Return an engine on a simulated gateway in memory: the whole path, but no network and no account.

        Every event, log line and result of it is marked as of a dry run, and so is its journal, which no
        real session takes afterwards. See ``docs/risk.md``.

        Args:
            fill: ``immediate`` fills each order as soon as it is transmitted, at its limit or else at the
                last price, whatever the market says; ``market`` lets the simulated market decide.
            client_id: As for the class. Order ids begin at 1.
            prices: What stocks cost, by symbol. A stock that the gateway does not know is added to it.
            instruments: What else can be traded; see :class:`ibkr_core.gateway.Instrument`.
            accounts: The accounts of the login, so that orders that name one find it.
            gateway_settings: What kind of venue; see :class:`ibkr_core.gateway.Settings`.
            seed: Decides every random thing of the gateway.
            **options: As for the class: ``settings``, ``journal``, ``risk`` …

        Raises:
            InvalidInput: An argument breaks a rule.
            JournalForeign: The journal was kept by a real session.
            JournalError: The journal cannot be opened.
        """
        from ibkr_core.dryrun import make_gateway  # noqa: PLC0415 - a real session needs no gateway of its own

        check_options(cls, options)
        gateway = make_gateway(
            fill,
            prices=prices,
            instruments=instruments,
            accounts=accounts,
            settings=gateway_settings,
            seed=seed,
        )
        engine = cls(client_id, is_dry_run=True, **options)
        engine._dry_run_gateway = gateway
        engine._open(gateway.dial, keep_trying=False)
        return engine

    @property
    def dry_run_gateway(self) -> DryRunGateway | None:
        """The simulated gateway of a dry run: its books, its prices. None for a real session."""
        return self._dry_run_gateway
