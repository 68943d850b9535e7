"""The engine: one connection, one order book, and the calls that a trading program makes.

Threads: the *reader* receives, decodes, applies facts and calls inline listeners; the *worker* calls
the other listeners; the *keeper* asks the broker what the book cannot settle. Any thread may call
anything here.

Locks: the *send lock* keeps order ids and the legs of a group in order on the wire; it is taken before
the book's *state lock*, which is held for microseconds and never during I/O, ibapi calls or user code.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from types import TracebackType
from typing import Any, Final, Self

from ibkr_core.clock import Clock, SystemClock
from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    InvalidInput,
    InvalidOrder,
    NotReady,
    OrderStateError,
    SendFailed,
    UnknownOrder,
    WouldDeadlock,
)
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.keeper import Keeper
from ibkr_core.lifecycle.effects import Ask, Question
from ibkr_core.lifecycle.groups import Child, PlannedOrder, plan_bracket, plan_oca
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule
from ibkr_core.link.client import TwsClient
from ibkr_core.link.session import Answer, Session, SessionState
from ibkr_core.link.transport import SocketTransport, Transport
from ibkr_core.listeners import Delivery, Dispatcher, Listener, Subscription
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.sending import Sending, check_time, describe, type_name
from ibkr_core.tickets import BracketTickets, OrderTicket

__all__ = ["Engine"]


_INT_LIMIT: Final = 2**31
"""The protocol's integers are smaller than this."""


_LOG: Final = logging.getLogger("ibkr_core.engine")


def _new_key() -> str:
    return uuid.uuid4().hex


class Engine:
    """An order-execution engine on one connection to TWS or IB Gateway.

    Use :meth:`connect`, usually as a context manager::

        with Engine.connect("127.0.0.1", 4002, client_id=1) as engine:
            ticket = engine.submit(Contract.stock("AAPL"), Order.market("BUY", 100))
            print(ticket.wait(timeout_s=10).avg_fill_price)

    Args:
        client_id: The API client id, 0 or more. Keep it the same from run to run: it owns your orders.
        rules: What error codes prove; see :func:`ibkr_core.lifecycle.verdicts.extend`.
        client_class: A class derived from :class:`TwsClient`, to have callbacks of your own on the
            same connection.
        clock: Tells the time.
        make_key: Makes client order keys for orders that have none.
    """

    def __init__(
        self,
        client_id: int = 1,
        *,
        rules: Mapping[int, CodeRule] = DEFAULT_RULES,
        client_class: type[TwsClient] = TwsClient,
        clock: Clock | None = None,
        make_key: Callable[[], str] = _new_key,
    ) -> None:
        if isinstance(client_id, bool) or not isinstance(client_id, int) or not 0 <= client_id < _INT_LIMIT:
            raise InvalidInput(
                "client_id", f"must be a whole number from 0 to {_INT_LIMIT - 1}, not {client_id!r}"
            )
        self.client_id = client_id
        self._clock = clock if clock is not None else SystemClock()
        self._make_key = make_key
        self._dispatcher = Dispatcher(self._report_failed_listener)
        self._keeper = Keeper(self._is_open, self._ask, self._clock)
        self._book = GuardedBook(client_id, rules, self._clock, self._dispatcher, self._keeper.note)
        self._session = Session(self, client_class, self._clock)
        self._send_lock = threading.Lock()
        self._life = threading.Lock()
        self._next_id = 1
        self._is_started = False
        self._is_closed = False
        self._reader_shuts_down = False

    # ── connecting ──────────────────────────────────────────────────────────────────────────────

    @classmethod
    def connect(
        cls,
        host: str = "127.0.0.1",
        port: int = 4002,
        client_id: int = 1,
        *,
        timeout_s: float = 10.0,
        executions_timeout_s: float = 2.0,
        send_timeout_s: float = 10.0,
        rules: Mapping[int, CodeRule] = DEFAULT_RULES,
        client_class: type[TwsClient] = TwsClient,
        clock: Clock | None = None,
        make_key: Callable[[], str] = _new_key,
    ) -> Self:
        """Connect, take over the broker's orders and executions, and return an engine that is ready.

        The usual ports are 4002 (Gateway, paper), 4001 (Gateway, live), 7497 (TWS, paper) and 7496
        (TWS, live).

        Args:
            host: Where TWS or IB Gateway runs.
            port: Its API port.
            client_id: Your API client id.
            timeout_s: For the connection and each step of the session's beginning, in seconds.
            executions_timeout_s: How long to wait for the end of the executions, which some gateways
                do not send when there are none.
            send_timeout_s: How long the gateway may take to accept what we send.
            rules: As for :class:`Engine`.
            client_class: As for :class:`Engine`.
            clock: As for :class:`Engine`.
            make_key: As for :class:`Engine`.

        Raises:
            GatewayUnreachable: Nothing accepts connections there.
            HandshakeFailed: The peer is no TWS, or ended the session before it began.
            ServerTooOld: The peer is too old.
            ClientIdInUse: Another session has this client id (code 326).
            InvalidInput: An argument breaks a rule.
        """
        engine = cls(client_id, rules=rules, client_class=client_class, clock=clock, make_key=make_key)
        engine.open(
            host,
            port,
            timeout_s=timeout_s,
            executions_timeout_s=executions_timeout_s,
            send_timeout_s=send_timeout_s,
        )
        return engine

    def open(
        self,
        host: str = "127.0.0.1",
        port: int = 4002,
        *,
        timeout_s: float = 10.0,
        executions_timeout_s: float = 2.0,
        send_timeout_s: float = 10.0,
    ) -> None:
        """Do what :meth:`connect` does, on an engine that has its listeners already.

        Listeners that are added before see the orders that the broker shows at the beginning.

        Raises:
            ConnectionFailed: As for :meth:`connect`. The engine is closed then; make a new one.
            EngineClosed: It was opened before.
            InvalidInput: An argument breaks a rule.
        """
        if not isinstance(host, str) or not host:
            raise InvalidInput("host", f"must be a host name or an address, not {host!r}")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:  # noqa: PLR2004 - TCP
            raise InvalidInput("port", f"must be a whole number between 1 and 65535, not {port!r}")
        check_time("timeout_s", timeout_s)
        check_time("executions_timeout_s", executions_timeout_s, least=0)
        check_time("send_timeout_s", send_timeout_s)
        self._check_unused()
        try:
            transport = SocketTransport(
                host, port, connect_timeout_s=timeout_s, send_timeout_s=send_timeout_s
            )
        except BaseException:
            self.close()
            raise
        try:
            self.attach(transport, timeout_s=timeout_s, executions_timeout_s=executions_timeout_s)
        except BaseException:
            transport.close()
            raise

    def attach(
        self, transport: Transport, *, timeout_s: float = 10.0, executions_timeout_s: float = 2.0
    ) -> None:
        """Begin the session on a connected transport (a socket, or an in-memory pipe in tests).

        Raises:
            ConnectionFailed: As for :meth:`connect`. The engine is closed then; no thread is left.
            EngineClosed: It was opened before.
            InvalidInput: An argument breaks a rule.
        """
        check_time("timeout_s", timeout_s)
        check_time("executions_timeout_s", executions_timeout_s, least=0)
        with self._life:  # against a close, or a second open, on another thread
            self._check_unused()
            self._dispatcher.start()
            self._keeper.start()
            self._is_started = True
        try:
            self._session.open(transport, self.client_id, timeout_s)
            version = self._session.client.serverVersion_
            self._book.publish(events.Connected, server_version=version, client_id=self.client_id)
            self._synchronise(timeout_s, executions_timeout_s)
        except BaseException:
            transport.close()
            self.close()
            raise

    def _check_unused(self) -> None:
        if self._is_started or self._is_closed:
            raise EngineClosed("an engine is opened once; make a new one for a new connection")

    def _synchronise(self, timeout_s: float, executions_timeout_s: float) -> None:
        client = self._session.client
        self._session.ask(Answer.OPEN_ORDERS, client.encode(client.reqOpenOrders))
        with self._send_lock:
            request = client.encode_executions_request(self._take_ids(1)[0])
        self._session.ask(Answer.EXECUTIONS, request)
        if not self._session.await_end(Answer.OPEN_ORDERS, timeout_s):
            raise ConnectionFailed(f"the gateway did not list the open orders within {timeout_s:g} s")
        self._session.await_end(Answer.EXECUTIONS, executions_timeout_s)
        if self._book.read(lambda book: any(r.status is OrderStatus.UNKNOWN for r in book.active_orders())):
            # Executions of orders that are open no more: their ends are told among the completed ones.
            request = client.encode(lambda: client.reqCompletedOrders(False))  # noqa: FBT003 - official signature
            self._session.ask(Answer.COMPLETED_ORDERS, request)
            self._session.await_end(Answer.COMPLETED_ORDERS, executions_timeout_s)
        self._session.become_ready()
        open_orders = sum(record.is_working for record in self.active_orders())
        self._book.publish(events.Synchronised, accounts=self._session.accounts, open_orders=open_orders)

    @property
    def state(self) -> SessionState:
        """Where the connection stands."""
        return self._session.state

    @property
    def is_ready(self) -> bool:
        """Whether orders may be sent."""
        return self._session.state is SessionState.READY

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""
        return self._session.accounts

    @property
    def client(self) -> TwsClient:
        """The official client underneath, for requests that are not about orders."""
        return self._session.client

    def next_request_id(self) -> int:
        """Return an id for a request of your own on :attr:`client`, such as ``reqMktData``.

        Orders and requests share one row of numbers at the broker: an error that answers a request with
        an order's id would be taken for the order's.
        """
        with self._send_lock:
            return self._take_ids(1)[0]

    @property
    def server_version(self) -> int:
        """The protocol version of this session."""
        return int(self._session.client.serverVersion_ or 0)

    def close(self) -> None:
        """Disconnect, deliver what is left to listeners, and end every thread of the engine.

        Orders keep working at the broker. May be called again, and from any thread.
        """
        with self._life:
            if self._is_closed:
                return
            self._is_closed = True
        # A listener on the reader thread itself: what is still to come is delivered first, in take_end.
        self._reader_shuts_down = self._session.is_reader_here
        self._session.close("closed by us")
        if not self._reader_shuts_down:
            self._shut_down()

    def _shut_down(self) -> None:
        """End everything but the session, which has ended."""
        if self._is_started:
            self._keeper.stop()
        self._book.end_waiting(lambda: EngineClosed("the engine was closed"))
        self._book.deliver()
        if self._is_started:
            self._dispatcher.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ── sending ─────────────────────────────────────────────────────────────────────────────────

    def submit(self, contract: Contract, order: Order, *, key: str = "") -> OrderTicket:
        """Send a new order.

        Args:
            contract: What to trade.
            order: At what terms.
            key: Your own unique key for the order; it travels in ``orderRef``, and every callback
                brings it back. Made up where neither this nor ``order.order_ref`` is given.

        Raises:
            InvalidContract: The contract cannot be routed.
            InvalidOrder: The order cannot work, or not for this contract.
            DuplicateOrder: The key was used before.
            NotReady: Not connected, or not synchronised yet.
            RequestRefused: The official client cannot encode it for this gateway.
            SendFailed: The connection failed while it was being sent; its fate is unknown.
        """
        self._check_new(contract, order)
        if not isinstance(key, str):
            raise InvalidInput("key", f"must be a text, not {key!r}")
        with self._sending():
            planned = PlannedOrder(self._peek_ids(1)[0], order)
            tickets = self._send_new([(contract, planned, key)])
        return tickets[0]

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
        self._check_new(contract, parent)
        with self._sending():
            count = 1 + (take_profit is not None) + (stop_loss is not None)
            plan = plan_bracket(parent, take_profit, stop_loss, self._peek_ids(count))
            for leg in plan[1:]:
                self._check_new(contract, leg.order)
            tickets = self._send_new([(contract, leg, "") for leg in plan])
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
        for contract, order in orders:
            self._check_new(contract, order)
        with self._sending():
            name = group or f"oca-{self._make_key()}"
            plan = plan_oca([o for _, o in orders], name, oca_type, self._peek_ids(len(orders)))
            legs = [(contract, leg, "") for (contract, _), leg in zip(orders, plan, strict=True)]
            return self._send_new(legs)

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
            InvalidOrder: The new terms cannot work.
            IbkrError: As for :meth:`submit`.
        """
        with self._sending():
            contract, terms = self._terms_to_modify(order_id, order, changes)
            data = self.client.encode_order(order_id, contract, terms)
            self._book.command(lambda book, now: [book.modify(order_id, terms, now)])
            self._send(data, (order_id,))
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
        with self._sending():
            self._cancel(order_id)
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
        with self._sending():
            ours = (record.order_id for record in self.active_orders() if record.is_ours)
            asked = [order_id for order_id in ours if self._try_cancel(order_id)]
            if everywhere:
                self._send(self.client.encode_global_cancel(), ())
        return tuple(self.order(order_id) for order_id in asked)

    # ── reading ─────────────────────────────────────────────────────────────────────────────────

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot of an order.

        Raises:
            UnknownOrder: No such order.
        """
        return self._book.read(lambda book: book.order(order_id))

    def ticket(self, order_id: int) -> OrderTicket:
        """Return a ticket for an order that is in the book, for example one of an earlier session.

        Raises:
            UnknownOrder: No such order.
        """
        return OrderTicket(self, order_id, self.order(order_id).key)

    def orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders, oldest first."""
        return self._book.read(lambda book: book.orders())

    def active_orders(self) -> tuple[OrderRecord, ...]:
        """Return snapshots of all orders that are not finished, those in doubt included."""
        return self._book.read(lambda book: book.active_orders())

    def fills(self) -> tuple[Fill, ...]:
        """Return all executions of all orders."""
        return self._book.read(lambda book: book.fills())

    # ── listening ───────────────────────────────────────────────────────────────────────────────

    def on(
        self,
        kind: type[events.Event] | tuple[type[events.Event], ...],
        listener: Listener,
        delivery: Delivery = Delivery.WORKER,
        *,
        loop: asyncio.AbstractEventLoop | None = None,
    ) -> Subscription:
        """Listen for events of a kind (and its subclasses).

        Args:
            kind: An event class of :mod:`ibkr_core.model.events`, or several.
            listener: Is called with each event. What it raises is reported as
                :class:`~ibkr_core.model.events.ListenerFailed` and harms nobody.
            delivery: Where it runs; see :class:`Delivery`.
            loop: For ``Delivery.ASYNCIO``; the running loop where it is not given.

        Returns:
            A handle; its ``close()`` ends the listening.
        """
        kinds = kind if isinstance(kind, tuple) else (kind,)
        return self._dispatcher.subscribe(kinds, listener, delivery, loop)

    def watch(
        self, order_id: int, wanted: frozenset[OrderStatus], *, settled: bool = False
    ) -> Future[OrderRecord]:
        """Return a future of an order's reaching one of the statuses, or finishing. See tickets."""
        return self._book.watch(order_id, wanted, settled=settled)

    def check_may_wait(self) -> None:
        """Raise where a wait would stop the thread that has to end it.

        Raises:
            WouldDeadlock: This is the reader thread, or an inline listener.
        """
        if self._session.is_reader_here or self._dispatcher.is_draining_here:
            raise WouldDeadlock(
                "this is an inline listener: it runs on the thread that would bring the answer; use "
                "delivery=Delivery.WORKER for listeners that wait"
            )

    # ── inside: sending ─────────────────────────────────────────────────────────────────────────

    def _sending(self) -> Sending:
        return Sending(self._send_lock, self._check_ready, self._book.deliver)

    def _check_ready(self) -> None:
        if self._is_closed:
            raise EngineClosed("the engine is closed; nothing was sent")
        self._session.check_ready()

    def _peek_ids(self, count: int) -> range:
        """Return the next ids without taking them. Requires holding the send lock.

        They are above every id that we used, that the broker gave as the next one, and that it has shown
        on an order of ours: it counts those too (TWS facts 4).
        """
        shown = self._book.read(lambda book: book.highest_order_id())
        first = max(self._next_id, self._session.next_order_id, shown + 1)
        return range(first, first + count)

    def _take_ids(self, count: int) -> range:
        """Take the next ids for good. Requires holding the send lock."""
        ids = self._peek_ids(count)
        self._next_id = ids.stop
        return ids

    @staticmethod
    def _check_new(contract: Contract, order: Order) -> None:
        if not isinstance(contract, Contract):
            raise InvalidInput("contract", f"must be an ibkr_core Contract, not {type_name(contract)}")
        if not isinstance(order, Order):
            raise InvalidInput("order", f"must be an ibkr_core Order, not {type_name(order)}")
        if order.what_if:
            raise InvalidOrder("what_if", "a what-if places nothing and cannot be submitted")
        order.check(contract)

    def _send_new(self, legs: Sequence[tuple[Contract, PlannedOrder, str]]) -> tuple[OrderTicket, ...]:
        """Encode all legs, note the intent, and send them as one. Requires holding the send lock."""
        keyed = [
            (
                contract,
                leg.order_id,
                leg.order.replace(order_ref=key or leg.order.order_ref or self._make_key()),
            )
            for contract, leg, key in legs
        ]
        data = b"".join(self.client.encode_order(oid, contract, order) for contract, oid, order in keyed)
        ids = tuple(oid for _, oid, _ in keyed)
        self._book.command(
            lambda book, now: book.submit_all(
                [(oid, order.order_ref, contract, order) for contract, oid, order in keyed], now
            )
        )
        self._next_id = ids[-1] + 1
        try:
            self._send(data, ids)
        except NotReady as error:
            why = str(error)
            self._book.command(lambda book, now: [book.not_sent(oid, why, now) for oid in ids])
            raise
        except SendFailed as error:
            why = str(error)
            self._book.command(lambda book, now: [book.send_failed(oid, why, now) for oid in ids])
            raise
        self._book.command(lambda book, now: book.sent(ids, now))
        return tuple(OrderTicket(self, oid, order.order_ref) for _, oid, order in keyed)

    def _cancel(self, order_id: int) -> None:
        self.order(order_id)  # an order that does not exist is no matter for the encoder
        data = self.client.encode_cancel(order_id)
        self._book.command(lambda book, now: [book.cancel(order_id, now)])
        self._send(data, (order_id,))

    def _try_cancel(self, order_id: int) -> bool:
        try:
            self._cancel(order_id)
        except OrderStateError:
            return False  # it finished just now
        return True

    def _send(self, data: bytes, order_ids: tuple[int, ...]) -> None:
        try:
            self.client.send(data)
        except SendFailed as error:
            self._session.break_off(str(error))  # so that who waits for the send lock is refused at once
            raise SendFailed(str(error), order_ids) from error

    def _terms_to_modify(
        self, order_id: int, order: Order | None, changes: dict[str, Any]
    ) -> tuple[Contract, Order]:
        if (order is None) == (not changes):
            raise InvalidInput("order", "give either the new order or the fields to change")
        if order is not None and not isinstance(order, Order):
            raise InvalidInput("order", f"must be an ibkr_core Order, not {type_name(order)}")
        for name in ("parent_id", "order_ref"):
            if name in changes:
                raise InvalidOrder(name, "cannot be changed once the order was sent")
        # An order that was held (transmit=False) stays so until it is released; the broker is silent
        # about it meanwhile (TWS facts 2.3). What was released cannot be held again.
        is_released = self._book.read(lambda book: book.is_released(order_id))
        if is_released and changes.get("transmit") is False:
            raise InvalidOrder("transmit", "cannot be taken back: the order was released")
        contract, last_sent, parent_is_done = self._book.read(lambda book: book.last_sent(order_id))
        terms = order if order is not None else last_sent.replace(**changes)
        terms = terms.replace(
            # A child that names a parent which is gone is refused with 135 (TWS facts 6).
            parent_id=0 if parent_is_done else last_sent.parent_id,
            order_ref=last_sent.order_ref,
            transmit=is_released or terms.transmit,
        )
        self._check_new(contract, terms)
        return contract, terms

    # ── inside: the session's owner ─────────────────────────────────────────────────────────────

    def take_fact(self, fact: BrokerFact) -> None:
        """Take a fact from the connection; called by the reader thread."""
        self._book.apply(fact)

    def take_failure(self, error: BaseException) -> None:
        """Take notice of a message that could not be handled; called by the reader thread."""
        _LOG.error("a message or a callback failed", exc_info=error)
        self._book.publish(events.CallbackFailed, error=describe(error))

    def take_end(self, reason: str, *, was_asked: bool) -> None:
        """Take notice of the connection's end; called by the reader thread."""
        self._book.command(lambda book, now: [book.disconnected(now)])
        if was_asked:
            self._book.publish(events.Disconnected)
        else:
            self._book.publish(events.ConnectionLost, reason=reason)
            self._book.end_waiting(lambda: ConnectionFailed(f"connection lost while waiting: {reason}"))
        if self._reader_shuts_down:
            self._shut_down()

    def _report_failed_listener(self, name: str, error: BaseException) -> None:
        self._book.post(events.ListenerFailed, listener=name, error=describe(error))

    # ── inside: questions ───────────────────────────────────────────────────────────────────────

    def _ask(self, question: Question) -> None:
        """Ask the broker; called by the keeper thread."""
        client = self.client
        try:
            with self._sending():
                if question is Question.EXECUTIONS:
                    client.send(client.encode_executions_request(self._take_ids(1)[0]))
                else:
                    client.send(client.encode(client.reqAllOpenOrders))
                    client.send(client.encode(lambda: client.reqCompletedOrders(False)))  # noqa: FBT003 - official signature
        except IbkrError:
            return  # the connection is gone; its end is reported, and the next one starts by asking

    def _is_open(self, ask: Ask) -> bool:
        try:
            return self._book.is_open(ask)
        except UnknownOrder:
            return False
