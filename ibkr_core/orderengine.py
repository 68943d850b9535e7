"""The order engine: one session with the broker, one order book, and the calls that orders need.

:class:`~ibkr_core.engine.Engine` adds what callers want on top of it.

Threads: the *reader* receives, decodes, applies facts and calls inline listeners; the *worker* calls
the other listeners; the *keeper* does all that waits for a moment: deadlines, questions, reconnecting. Any
thread may call anything here.

Locks: the *send lock* keeps order ids and the legs of a group in order on the wire; it is taken before
the book's *state lock*, which is held for microseconds and never during I/O, ibapi calls or user code.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import attrs

from ibkr_core.arguments import check_client_id, check_part, check_parts, pairs_of
from ibkr_core.clock import Clock, SystemClock
from ibkr_core.errors import (
    EngineClosed,
    InvalidInput,
    InvalidOrder,
    UnknownOrder,
    WaitTimeout,
    WouldDeadlock,
)
from ibkr_core.gatekeeper import policy_of
from ibkr_core.journal import Journal
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.groups import Child, PlannedOrder, plan_bracket, plan_oca
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule
from ibkr_core.link.client import TwsClient
from ibkr_core.link.pacing import Lane
from ibkr_core.link.transport import Transport
from ibkr_core.model.checks import check_flag, check_function, check_text, check_whole
from ibkr_core.model.contract import Contract
from ibkr_core.model.making import making
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.session import SessionState
from ibkr_core.orderview import OrderView
from ibkr_core.risk import RiskLimits, RiskPolicy
from ibkr_core.riskcontrol import RiskControl
from ibkr_core.runner import Runner, ThreadRunner, dialler, once
from ibkr_core.sending import check_time, type_name
from ibkr_core.settings import EngineSettings
from ibkr_core.tickets import BracketTickets, OrderTicket
from ibkr_core.works import Works

__all__ = ["OrderEngine"]

_T = TypeVar("_T")
_ticket: Final = making(OrderTicket)


def _new_key() -> str:
    return uuid.uuid4().hex


class OrderEngine(OrderView):
    """Orders on one session with TWS or IB Gateway: sending, waiting, listening, recovering.

    Args:
        client_id: The API client id, 0 or more. Keep it the same from run to run: it owns your orders.
        settings: Deadlines, pace, retries, reconnecting.
        journal: The durable record: a file's path, or an open :class:`~ibkr_core.journal.Journal` that you
            close yourself. Without one, nothing survives the end of this process but what the broker tells.
        rules: What error codes prove; see :func:`ibkr_core.lifecycle.verdicts.extend`.
        client_class: A class derived from :class:`TwsClient`, to have callbacks of your own on the
            same connection.
        clock: Tells the time.
        make_key: Makes client order keys for orders that have none.
        runner: Receives; by default a thread for each connection. With one of your own the engine starts no
            thread at all: you run :attr:`scheduler` (a simulation does).
        on_progress: Told now and then how many inputs of the journal were replayed.
        risk: What orders must keep to before they are written down or sent: limits, or a policy with gates
            and sources of your own. See :attr:`risk` to change it later.
        is_dry_run: Whether nothing is real: set by ``Engine.dry_run``, which brings its own connection.

    Raises:
        InvalidInput: An argument breaks a rule.
        JournalError: The journal cannot be opened; the subclass tells why.
    """

    def __init__(
        self,
        client_id: int = 1,
        *,
        settings: EngineSettings | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        rules: Mapping[int, CodeRule] = DEFAULT_RULES,
        client_class: type[TwsClient] = TwsClient,
        clock: Clock | None = None,
        make_key: Callable[[], str] = _new_key,
        runner: Runner | None = None,
        on_progress: Callable[[int], None] | None = None,
        risk: RiskLimits | RiskPolicy | None = None,
        is_dry_run: bool = False,
    ) -> None:
        check_client_id(client_id, is_dry_run=is_dry_run)
        policy = policy_of(risk)
        parts = {"journal": journal, "settings": settings, "clock": clock, "runner": runner, "rules": rules}
        check_parts(**parts, client_class=client_class, make_key=make_key, on_progress=on_progress)
        self.client_id = client_id
        self._is_dry_run = is_dry_run
        self.settings = settings if settings is not None else EngineSettings()
        self._clock = clock if clock is not None else SystemClock()
        self._owns_journal = not isinstance(journal, Journal) and journal is not None
        self.journal = (
            journal
            if isinstance(journal, Journal) or journal is None
            else Journal.open(journal, client_id=client_id, clock=self._clock)
        )
        try:
            self._has_threads = runner is None
            self._runner = runner if runner is not None else ThreadRunner()
            self._works = Works(
                client_id,
                self.settings,
                self.journal,
                rules,
                client_class,
                self._clock,
                make_key,
                self._runner,
                policy,
                is_dry_run=is_dry_run,
            )
            self._works.restore(on_progress)
        except BaseException:
            if self._owns_journal and self.journal is not None:
                self.journal.close()
            raise
        self.scheduler = self._works.scheduler
        self._book = self._works.book
        self._supervisor = self._works.supervisor
        self._desk = self._works.desk
        self._brake = self._works.brake
        self._risk = RiskControl(self._works.gatekeeper, self._desk)
        self._dispatcher = self._works.dispatcher
        self._life = threading.Lock()
        self._is_started = False
        self._is_closed = False
        self._furnish()

    def _furnish(self) -> None:
        """Make what stands on top of the orders and has to be there from the beginning."""

    # ── connecting ──────────────────────────────────────────────────────────────────────────────

    @classmethod
    def connect(
        cls,
        host: str = "127.0.0.1",
        port: int = 4002,
        client_id: int = 1,
        *,
        timeout_s: float = 10.0,
        settings: EngineSettings | None = None,
        journal: str | os.PathLike[str] | Journal | None = None,
        rules: Mapping[int, CodeRule] = DEFAULT_RULES,
        client_class: type[TwsClient] = TwsClient,
        clock: Clock | None = None,
        make_key: Callable[[], str] = _new_key,
        risk: RiskLimits | RiskPolicy | None = None,
    ) -> Self:
        """Connect, take over the broker's orders and executions, and return an engine that is ready.

        The usual ports are 4002 (Gateway, paper), 4001 (Gateway, live), 7497 (TWS, paper) and 7496
        (TWS, live). A connection that is lost later is made again by itself.

        Args:
            host: Where TWS or IB Gateway runs.
            port: Its API port.
            client_id: Your API client id.
            timeout_s: For the connection and each step of the session's beginning, in seconds.
            settings: As for the class.
            journal: As for the class.
            rules: As for the class.
            client_class: As for the class.
            clock: As for the class.
            make_key: As for the class.
            risk: As for the class.

        Raises:
            GatewayUnreachable: Nothing accepts connections there.
            HandshakeFailed: The peer is no TWS, or ended the session before it began.
            ServerTooOld: The peer is too old.
            ClientIdInUse: Another session has this client id (code 326).
            InvalidInput: An argument breaks a rule.
            JournalError: The journal cannot be opened.
        """
        check_time("timeout_s", timeout_s)
        check_parts(settings=settings)
        given = settings if settings is not None else EngineSettings()
        engine = cls(
            client_id,
            settings=attrs.evolve(given, connect_timeout_s=timeout_s, orders_timeout_s=timeout_s),
            journal=journal,
            rules=rules,
            client_class=client_class,
            clock=clock,
            make_key=make_key,
            risk=risk,
        )
        engine.open(host, port)
        return engine

    def open(self, host: str = "127.0.0.1", port: int = 4002) -> None:
        """Do what :meth:`connect` does, on an engine that has its listeners already.

        Listeners that are added before see the orders that the broker shows at the beginning.

        Raises:
            ConnectionFailed: As for :meth:`connect`. The engine is closed then; make a new one.
            EngineClosed: It was opened before.
            InvalidInput: An argument breaks a rule.
        """
        self._check_network()
        self._open(dialler(host, port, self.settings), keep_trying=False)

    def start(self, host: str = "127.0.0.1", port: int = 4002) -> None:
        """Begin to connect and keep trying for as long as it takes; returns at once. See :meth:`wait_ready`.

        Raises:
            EngineClosed: It was opened before.
            InvalidInput: An argument breaks a rule.
        """
        self.start_on(dialler(host, port, self.settings))

    def attach(self, transport: Transport) -> None:
        """Begin the session on a connected transport (a socket, or an in-memory pipe in tests).

        Such a connection cannot be made again when it is lost.

        Raises:
            ConnectionFailed: As for :meth:`connect`. The engine is closed then; no thread is left.
            EngineClosed: It was opened before.
        """
        check_part("transport", transport, "a Transport", ("receive_into", "send", "close"))
        self._check_network()
        try:
            self._open(once(transport), keep_trying=False)
        except BaseException:
            transport.close()
            raise

    def start_on(self, dial: Callable[[], Transport]) -> None:
        """Begin to connect by a way of your own, and keep trying; returns at once.

        Args:
            dial: Makes a connection, each time a new one; raises ConnectionFailed or OSError when it cannot.

        Raises:
            EngineClosed: It was opened before.
        """
        check_function("dial", dial)
        self._check_network()
        self._begin(dial, keep_trying=True)

    def _check_network(self) -> None:
        if self._is_dry_run:
            raise InvalidInput("host", "a dry run has no network; see Engine.dry_run")

    def _open(self, dial: Callable[[], Transport], *, keep_trying: bool) -> None:
        self._begin(dial, keep_trying=keep_trying)
        try:
            self._supervisor.wait_synchronised()
        except BaseException:
            self.close()
            raise

    def _begin(self, dial: Callable[[], Transport], *, keep_trying: bool) -> None:
        with self._life:  # against a close, or a second open, on another thread
            if self._is_started or self._is_closed:
                raise EngineClosed("an engine is opened once; make a new one for a new connection")
            self._is_started = True
            if self._has_threads:
                self._dispatcher.start()
                self.scheduler.start()
        self._supervisor.start(dial, keep_trying=keep_trying)

    def wait_ready(self, timeout_s: float | None = None) -> None:
        """Block until new orders may be sent: all that the broker knows was taken over.

        Raises:
            WaitTimeout: It took too long; the attempts go on.
            ConnectionFailed: It was opened with :meth:`open`, and that failed.
            EngineClosed: It was closed meanwhile.
            WouldDeadlock: Called from an inline listener.
            InvalidInput: ``timeout_s`` is no number of seconds.
        """
        if timeout_s is not None:
            check_time("timeout_s", timeout_s, least=0)
        self.check_may_wait()
        self._supervisor.wait_ready(timeout_s)

    @property
    def state(self) -> SessionState:
        """Where the session with the broker stands."""
        return self._supervisor.state

    @property
    def state_reason(self) -> str:
        """Why it stands there, in words."""
        return self._supervisor.reason

    @property
    def is_ready(self) -> bool:
        """Whether new orders may be sent, as far as the connection goes."""
        return self._supervisor.can_trade

    @property
    def is_dry_run(self) -> bool:
        """Whether nothing here is real: orders go to a simulated gateway in memory."""
        return self._is_dry_run

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""
        return self._supervisor.session.accounts

    @property
    def client(self) -> TwsClient:
        """The official client underneath, for requests that are not about orders; a new one after a gap."""
        return self._supervisor.session.client

    def next_request_id(self) -> int:
        """Return an id for a request of your own on :attr:`client`, such as ``reqMktData``.

        Orders and requests share one row of numbers at the broker: an error that answers a request with
        an order's id would be taken for the order's.
        """
        return self._desk.take_id()

    @property
    def server_version(self) -> int:
        """The protocol version of this session."""
        return self._supervisor.session.server_version

    def close(self) -> None:
        """Disconnect, deliver what is left to listeners, and end every thread of the engine.

        Orders keep working at the broker. May be called again, and from any thread.
        """
        with self._life:
            if self._is_closed:
                return
            self._is_closed = True
        is_inside = self._runner.is_reader_here or self.scheduler.is_here
        self._supervisor.close("closed by us")
        if self._has_threads and self._is_started and is_inside:
            # The end of the connection is told by the very thread that is here: what is left to do comes
            # after it.
            self.scheduler.call_soon(self._shut_down_behind_reader)
            return
        if self._has_threads and self._is_started:
            told = threading.Event()
            self.scheduler.call_soon(told.set)
            told.wait()
        self._shut_down()

    def _shut_down_behind_reader(self) -> None:
        """Let the reader end first: its last word is that the connection is gone. On the scheduler."""
        self._runner.join()
        self.scheduler.call_soon(self._shut_down)

    def _shut_down(self) -> None:
        """End everything but the session, which has ended."""
        self._supervisor.finish()
        self._works.inquiries.close()
        self._book.end_waiting(lambda: EngineClosed("the engine was closed"))
        self._book.deliver()
        self.scheduler.stop()
        if self._is_started and self._has_threads:
            self._dispatcher.stop()
        self._works.slimmer.finish()
        if self.journal is not None:
            if self._owns_journal:
                self.journal.close()
            else:
                self.journal.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def submit(
        self, contract: Contract, order: Order, *, key: str = "", allow_duplicate: bool = False
    ) -> OrderTicket:
        """Send a new order.

        Submitting the same order with the same key again sends nothing and returns the ticket of the first
        one, also after a restart where there is a journal: a program that does not know whether its order
        went out can just ask again. One of which certainly no byte left is sent then, under a new id.

        Args:
            contract: What to trade.
            order: At what terms.
            key: Your own unique key for the order; it travels in ``orderRef``, and every callback
                brings it back. Made up where neither this nor ``order.order_ref`` is given.
            allow_duplicate: Let an order pass that looks like one that was sent just now; see
                ``EngineSettings.duplicate_window_s``.

        Raises:
            InvalidContract: The contract cannot be routed.
            InvalidOrder: The order cannot work, or not for this contract.
            DuplicateOrder: The key was used before for a different order, or the same was sent just now.
            TooManyOrders: As many orders of this account, contract and side are active as the broker takes.
            TradingHalted: See :meth:`halt`.
            RiskRefused: A risk gate said no; see :attr:`risk`.
            JournalError: The intent could not be made durable; nothing was sent.
            NotReady: Not connected, or not synchronised yet, or the broker is out of reach.
            EngineClosed: It was closed.
            RequestRefused: The official client cannot encode it for this gateway.
            SendFailed: The connection failed while it was being sent; its fate is unknown.
        """
        self._desk.check_new(contract, order)
        if type(key) is not str:
            check_text("key", key)
        if allow_duplicate is not False:
            check_flag("allow_duplicate", allow_duplicate)
        order_id, its_key = self._desk.place(contract, order, key, allow_duplicate=allow_duplicate)
        ticket = _ticket(self, order_id, its_key)
        ticket.__class__ = OrderTicket
        return ticket

    def submit_bracket(
        self,
        contract: Contract,
        parent: Order,
        *,
        take_profit: Child | None = None,
        stop_loss: Child | None = None,
    ) -> BracketTickets:
        """Send an entry with exits: once it fills, one exit's fill cancels the other.

        Args:
            contract: What to trade.
            parent: The entry.
            take_profit: A limit price, or a whole order. None for none.
            stop_loss: A stop price, or a whole order. None for none.

        Raises:
            InvalidGroup: The orders contradict each other; nothing was sent.
            IbkrError: As for :meth:`submit`. All legs are sent together or none is.
        """
        if not isinstance(parent, Order):
            raise InvalidOrder("parent", f"must be an ibkr_core Order, not {type_name(parent)}")
        self._desk.check_new(contract, parent)
        with self._desk.sending(Lane.ORDER):
            count = 1 + (take_profit is not None) + (stop_loss is not None)
            plan = plan_bracket(parent, take_profit, stop_loss, self._desk.peek_ids(count))
            for leg in plan[1:]:
                self._desk.check_new(contract, leg.order)
            tickets = self._tickets([(contract, leg, "") for leg in plan])
        exits = iter(tickets[1:])
        return BracketTickets(
            tickets[0],
            next(exits) if take_profit is not None else None,
            next(exits) if stop_loss is not None else None,
        )

    def submit_oca(
        self, orders: Sequence[tuple[Contract, Order]], *, group: str = "", oca_type: int = 1
    ) -> tuple[OrderTicket, ...]:
        """Send a one-cancels-all group.

        Args:
            orders: What to trade at what terms, two or more.
            group: The group's name, which must never have been used; made up where it is empty.
            oca_type: 1 cancels the rest with block, 2 reduces it with block, 3 reduces it without
                (and can overfill). See :class:`~ibkr_core.model.order.OcaType`.

        Raises:
            InvalidGroup: The orders contradict each other; nothing was sent.
            IbkrError: As for :meth:`submit`. All are sent together or none is.
        """
        check_text("group", group)
        check_whole("oca_type", oca_type)
        orders = pairs_of(orders)
        for contract, order in orders:
            self._desk.check_new(contract, order)
        with self._desk.sending(Lane.ORDER):
            name = group or f"oca-{self._desk.make_key()}"
            plan = plan_oca([o for _, o in orders], name, oca_type, self._desk.peek_ids(len(orders)))
            legs = [(contract, leg, "") for (contract, _), leg in zip(orders, plan, strict=True)]
            return self._tickets(legs)

    def modify(self, order_id: int, order: Order | None = None, **changes: Any) -> OrderRecord:
        """Ask for new terms of an order. What is not changed stays as it was last sent.

        Args:
            order_id: The order.
            order: The new terms as a whole, or
            **changes: the fields to change: ``engine.modify(7, limit_price="101.50")``.

        Returns:
            The order, with the request pending. Its ``order`` shows the new terms once the broker works
            them; if they are refused it is alive at the old ones.

        Raises:
            UnknownOrder: No such order.
            OrderFinished: It is filled, cancelled or rejected.
            OrderInDoubt: Its fate is unknown.
            OrderNotOurs: Another client placed it.
            OrderStateError: A cancel is pending, or an earlier session placed it.
            InvalidOrder: The new terms cannot work, or no modification may change them so (side, account,
                group, algorithm): then ``Engine.replace`` does it.
            IbkrError: As for :meth:`submit`.
        """
        check_whole("order_id", order_id)
        with self._desk.sending(Lane.ORDER):
            self._desk.modify(order_id, order, changes)
        self._works.retrier.renew(order_id, Request.MODIFY)
        return self.order(order_id)

    def cancel(self, order_id: int) -> OrderRecord:
        """Ask for an order's cancellation. It may still fill until the broker confirms.

        Asking again while a cancel is pending sends it again.

        Raises:
            UnknownOrder: No such order.
            OrderFinished: It is filled, cancelled or rejected.
            OrderNotOurs: Another client placed it.
            NotReady: Not connected, or not synchronised yet.
            SendFailed: The connection failed while it was being sent.
        """
        check_whole("order_id", order_id)
        self._works.retrier.cancel(order_id)
        with self._desk.sending(Lane.CANCEL):
            self._desk.cancel(order_id)
        return self.order(order_id)

    def cancel_all(self, *, everywhere: bool = False) -> tuple[OrderRecord, ...]:
        """Ask for the cancellation of all our active orders.

        Args:
            everywhere: Also send the global cancel, which takes the orders of other clients and of TWS
                itself with it.

        Returns:
            The orders whose cancel was asked for.

        Raises:
            NotReady: Not connected, or not synchronised yet.
            SendFailed: The connection failed while it was being sent.
        """
        check_flag("everywhere", everywhere)
        with self._desk.sending(Lane.CANCEL):
            ours = (record.order_id for record in self.active_orders() if record.is_ours)
            asked = [order_id for order_id in ours if self._desk.try_cancel(order_id)]
            if everywhere:
                self._desk.cancel_everything()
        if everywhere:
            self._works.keeper.ask_in(1.0)  # orders of others tell nothing by themselves
        return tuple(self.order(order_id) for order_id in asked)

    def halt(self, reason: str) -> None:
        """Pull the brake: refuse new orders, cancel everything, and keep at it until the broker confirms.

        All orders are cancelled one by one and by the global cancel, which takes the orders of other clients
        and of TWS itself with it. :class:`~ibkr_core.model.events.HaltConfirmed` tells that nothing works any
        more; positions stay as they are. With a journal the halt survives a restart.

        Args:
            reason: For whoever reads it at night.

        Raises:
            InvalidInput: No reason was given.
        """
        self._brake.halt(reason)

    def release(self) -> None:
        """Lift a halt. Harmless when there is none."""
        self._brake.release()

    @property
    def is_halted(self) -> bool:
        """Whether new orders are refused because of :meth:`halt`."""
        return self._brake.is_on

    @property
    def risk(self) -> RiskControl:
        """The risk limits and gates, to look at and to change while the engine runs."""
        return self._risk

    def wait_flat(self, timeout_s: float | None = None) -> bool:
        """Block until the broker confirmed after a halt that no order works. False when it took too long."""
        if timeout_s is not None:
            check_time("timeout_s", timeout_s, least=0)
        self.check_may_wait()
        return self._brake.wait_flat(timeout_s)

    def adopt(self, perm_id: int, order: Order | None = None) -> OrderTicket:
        """Take over an order with our client id that this engine did not place.

        Args:
            perm_id: The broker's permanent id, as ``OrderRecord.perm_id`` shows it.
            order: Its whole terms, so that it can be modified; it can be cancelled without.

        Raises:
            UnknownOrder: No such order.
            OrderNotOurs: Another client placed it: the broker lets only that one manage it.
        """
        check_whole("perm_id", perm_id)
        if order is not None and not isinstance(order, Order):
            raise InvalidOrder("order", f"must be an ibkr_core Order, not {type_name(order)}")
        self._book.command(inputs.Adopt(perm_id, order))
        self._book.deliver()
        record = self._book.read(lambda book: book.by_perm_id(perm_id))
        if record is None:
            raise UnknownOrder(0, f"no order with the permId {perm_id}")
        return OrderTicket(self, record.order_id, record.key)

    def declare_ended(self, order_id: int, why: str) -> OrderRecord:
        """Say from your own knowledge that an order lives no more; see :class:`OrderUnresolved`.

        A sign of life from the broker overrules it.

        Raises:
            UnknownOrder: No such order.
            InvalidInput: No reason was given.
        """
        check_whole("order_id", order_id)
        if not isinstance(why, str) or not why.strip():
            raise InvalidInput("why", "say how you know: it is kept in the order's history")
        self._book.command(inputs.ProveAbsent(order_id, f"declared ended: {why}"))
        self._book.deliver()
        return self.order(order_id)

    def ticket(self, order_id: int) -> OrderTicket:
        """Return a ticket for an order that is in the book, for example one of an earlier session.

        Raises:
            UnknownOrder: No such order.
        """
        return OrderTicket(self, order_id, self.order(order_id).key)

    # ── waiting ─────────────────────────────────────────────────────────────────────────────────

    def wait_for(self, future: Future[_T], timeout_s: float | None = None) -> _T:
        """Block until a future is done; where the engine has no threads, its work is done meanwhile.

        Args:
            future: Of this engine: one of an order (:meth:`watch`), or of a question.
            timeout_s: How long, None for as long as it takes.

        Returns:
            Its result. What it raises is raised here.

        Raises:
            WaitTimeout: It took too long.
            WouldDeadlock: Called from an inline listener.
            InvalidInput: ``timeout_s`` is no number of seconds.
        """
        if timeout_s is not None:
            check_time("timeout_s", timeout_s, least=0)
        if not isinstance(future, Future):
            raise InvalidInput("future", f"must be a Future of this engine, not {future!r}")
        self.check_may_wait()
        self._runner.wait(future, timeout_s)
        if not future.done():
            raise WaitTimeout(f"not done after {timeout_s} s")
        return future.result()

    def check_may_wait(self) -> None:
        """Raise where a wait would stop the thread that has to end it.

        Raises:
            WouldDeadlock: This is the reader thread, or an inline listener.
        """
        is_inside = self._runner.is_reader_here or self.scheduler.is_here
        if is_inside or self._dispatcher.is_draining_here:
            raise WouldDeadlock(
                "this is an inline listener: it runs on the thread that would bring the answer; use "
                "delivery=Delivery.WORKER for listeners that wait"
            )

    # ── inside: sending ─────────────────────────────────────────────────────────────────────────

    def _tickets(self, legs: Sequence[tuple[Contract, PlannedOrder, str]]) -> tuple[OrderTicket, ...]:
        sent = self._desk.send_new(legs)
        return tuple(OrderTicket(self, new.order_id, new.key) for new in sent)
