"""The broker facade: one object, one call for each wish; the engine with a plainer face."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeAlias
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs
from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder

from ibkr_core.arguments import check_client_id, check_options, check_parts, check_side
from ibkr_core.clock import Clock, SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    AccountMismatch,
    GatewayUnreachable,
    InvalidContract,
    InvalidInput,
    InvalidOrder,
    NotReady,
    WaitTimeout,
)
from ibkr_core.gatekeeper import policy_of
from ibkr_core.journal import Journal
from ibkr_core.lifecycle.groups import Child, stop_child, target_child
from ibkr_core.link.official import contract_of, order_of
from ibkr_core.listeners import Delivery, Subscription
from ibkr_core.model import events
from ibkr_core.model.bracket import BracketOrder
from ibkr_core.model.checks import check_text
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import Numeric, optional_number
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ExecutionResult
from ibkr_core.model.session import SessionState
from ibkr_core.model.status import OrderStatus
from ibkr_core.model.strategy import Strategy
from ibkr_core.orderkeys import KeyMaker
from ibkr_core.risk import RiskLimits, RiskPolicy
from ibkr_core.sending import check_time
from ibkr_core.settings import EngineSettings
from ibkr_core.summary import DaySummary, summarise
from ibkr_core.tickets import OrderTicket

if TYPE_CHECKING:
    from ibkr_core.gateway import SimulatedGateway

__all__ = ["PORTS", "Broker", "CallbackHandle"]

PORTS: Final[Mapping[tuple[str, bool], int]] = MappingProxyType(
    {("tws", True): 7497, ("gateway", True): 4002, ("tws", False): 7496, ("gateway", False): 4001}
)
"""Where TWS and IB Gateway listen unless they were told otherwise: (application, paper trading) -> port."""

_APPLICATIONS: Final = ("tws", "gateway")
_NAMES: Final = {"tws": "TWS", "gateway": "IB Gateway"}
_PAPER: Final = "D"
_PORT_LIMIT: Final = 2**16

_ERRORS: Final[tuple[type[events.OrderEvent], ...]] = (
    events.OrderRejected,
    events.ModifyRefused,
    events.CancelRefused,
    events.OrderUncertain,
    events.OrderUnresolved,
    events.PositionUnprotected,
    events.StopMoveFailed,
)

Symbol: TypeAlias = str | Contract | IbContract
"""A ticker, which means the US share or ETF of that name, or a whole contract."""


@attrs.define(eq=False)
class CallbackHandle:
    """A callback's place; :meth:`unregister` ends it."""

    _kinds: tuple[type[events.Event], ...] = attrs.field(repr=False)
    _listener: Callable[[Any], object] = attrs.field(repr=False)
    _delivery: Delivery
    _subscription: Subscription | None = attrs.field(default=None, repr=False)
    is_registered: bool = True

    def unregister(self) -> None:
        """Be called no more. Calls that wait are dropped. May be called again."""
        self.is_registered = False
        if self._subscription is not None:
            self._subscription.close()

    def _attach(self, engine: Engine) -> None:
        if self.is_registered:
            self._subscription = engine.on(self._kinds, self._listener, self._delivery)


class Broker:
    """Orders in one call each, for people who do not want to think about engines.

    ::

        with Broker(paper_trading=True) as broker:
            record = broker.execute_limit_order("AAPL", 100, "189.50", "BUY")
            print(broker.get_order_status(record.order_id))

    Everything else stands behind it: :attr:`engine`.

    Args:
        paper_trading: Paper or live. Decides the port, and is held against the accounts of the login, so that
            a port that was set otherwise can never turn paper into money: :class:`AccountMismatch`.
        application: ``"tws"`` or ``"gateway"``; None tries TWS first, then IB Gateway.
        host: Where it runs.
        port: Another port than the usual one (:data:`PORTS`).
        client_id: Your API client id. Keep it the same from run to run: it owns your orders.
        simulated: Start the simulated gateway in this process and connect to that: no account is needed. What
            is said above about ports does not matter then.
        account: Which account orders are for, where the login has several and the order names none.
        journal: A file that makes orders survive a crash; see :class:`~ibkr_core.journal.Journal`.
        settings: Deadlines, pace, retries, reconnecting.
        timeout_s: For the connection and each step of its beginning, in seconds.
        zone: The time zone of :meth:`get_order_history` and of "today"; the broker's
            (``settings.broker_zone``) where it is empty.
        clock: Tells the time.
        risk: What orders must keep to; see :attr:`ibkr_core.engine.Engine.risk`. Holds from each
            :meth:`connect` on.

    Raises:
        InvalidInput: An argument breaks a rule.
    """

    def __init__(
        self,
        paper_trading: bool = True,
        *,
        application: str | None = None,
        host: str = "127.0.0.1",
        port: int | None = None,
        client_id: int = 1,
        simulated: bool = False,
        account: str = "",
        journal: str | os.PathLike[str] | Journal | None = None,
        settings: EngineSettings | None = None,
        timeout_s: float = 10.0,
        zone: str = "",
        clock: Clock | None = None,
        risk: RiskLimits | RiskPolicy | None = None,
    ) -> None:
        for name, flag in (("paper_trading", paper_trading), ("simulated", simulated)):
            if not isinstance(flag, bool):
                raise InvalidInput(name, f"must be True or False, not {flag!r}")
        if application not in (None, *_APPLICATIONS):
            raise InvalidInput("application", f"must be 'tws', 'gateway' or None, not {application!r}")
        is_port = isinstance(port, int) and not isinstance(port, bool) and 0 < port < _PORT_LIMIT
        if port is not None and not is_port:
            raise InvalidInput("port", f"must be from 1 to {_PORT_LIMIT - 1}, not {port!r}")
        for name, text in (("host", host), ("account", account), ("zone", zone)):
            if not isinstance(text, str) or (name == "host" and not text):
                raise InvalidInput(name, f"must be a text, not {text!r}")
        check_time("timeout_s", timeout_s)
        check_client_id(client_id)
        check_parts(journal=journal, settings=settings, clock=clock)
        self.is_paper_trading = paper_trading
        self.is_simulated = simulated
        self.account = account
        self.settings = attrs.evolve(
            settings if settings is not None else EngineSettings(),
            connect_timeout_s=timeout_s,
            orders_timeout_s=timeout_s,
        )
        self.zone = _zone(zone or self.settings.broker_zone)
        self._host = host
        self._ports = _ports(paper_trading, application, port)
        self._client_id = client_id
        self._journal = journal
        self._clock = clock if clock is not None else SystemClock()
        self._risk = policy_of(risk)
        self._engine: Engine | None = None
        self._gateway: SimulatedGateway | None = None
        self._handles: list[CallbackHandle] = []
        self._make_key = KeyMaker(self._clock, self._is_known)

    # ── connecting ──────────────────────────────────────────────────────────────────────────────

    def connect(self) -> Self:
        """Connect, take over the broker's orders and executions, and be ready. Harmless when it is.

        A connection that is lost later is made again by itself; then this waits for it, so that halts, orders
        in doubt and what was learned are kept.

        Raises:
            WaitTimeout: A lost connection is not back yet; the attempts go on.
            GatewayUnreachable: Nothing accepts connections there; names what was tried.
            AccountMismatch: The login's accounts are live where paper was wanted, or the other way round.
            ConnectionFailed: As for :meth:`ibkr_core.engine.Engine.connect`.
            JournalError: The journal cannot be opened.
        """
        if self.is_connected:
            return self
        if self._engine is not None and self._engine.state is not SessionState.DISCONNECTED:
            self._engine.wait_ready(self.settings.connect_timeout_s)
            return self
        self.disconnect()
        places = self._ports
        if self.is_simulated:
            places = {"the simulated gateway": self._start_gateway()}
        for place in places.values():
            try:
                self._open(place)
            except GatewayUnreachable:
                continue
            except BaseException:
                self.disconnect()
                raise
            return self
        tried = " nor at ".join(f"{self._host}:{port} ({name})" for name, port in places.items())
        raise GatewayUnreachable(
            f"nothing accepts connections at {tried}; is it running and logged in, with the API enabled "
            "(Settings, API) on this port?"
        )

    def _open(self, port: int) -> None:
        engine = Engine(
            self._client_id,
            settings=self.settings,
            journal=self._journal,
            clock=self._clock,
            risk=self._risk,
        )
        for handle in tuple(self._handles):
            handle._attach(engine)  # noqa: SLF001 - one hand, two classes
        engine.open(self._host, port)
        self._engine = engine
        if not self.is_simulated:
            _check_accounts(engine.accounts, is_paper=self.is_paper_trading, port=port)
        if self.account and self.account not in engine.accounts:
            raise InvalidInput(
                "account", f"must be one of {', '.join(engine.accounts)}, not {self.account!r}"
            )

    def _start_gateway(self) -> int:
        # Loaded only where it is wanted: who trades has no use for a simulated exchange.
        from ibkr_core.gateway import SimulatedGateway  # noqa: PLC0415

        self._gateway = SimulatedGateway()
        self._gateway.start()
        self._host = "127.0.0.1"
        return self._gateway.port

    def disconnect(self) -> None:
        """Close the connection; orders keep working at the broker. May be called again.

        What was learned can still be read. With ``simulated=True`` the gateway ends too, and its orders.
        """
        if self._engine is not None:
            self._engine.close()
        if self._gateway is not None:
            self._gateway.stop()
            self._gateway = None

    def __enter__(self) -> Self:
        return self.connect()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.disconnect()

    @property
    def is_connected(self) -> bool:
        """Whether orders may be sent now."""
        return self._engine is not None and self._engine.is_ready

    @property
    def engine(self) -> Engine:
        """The engine behind this, for everything that has no short form.

        Raises:
            NotReady: Nothing was connected yet.
        """
        if self._engine is None:
            raise NotReady("not connected; call connect() first, or use the broker as a context manager")
        return self._engine

    @property
    def gateway(self) -> SimulatedGateway | None:
        """The simulated gateway, its books and its market; None for a real one."""
        return self._gateway

    # ── orders ──────────────────────────────────────────────────────────────────────────────────

    def execute_market_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        side: str,
        *,
        key: str = "",
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Buy or sell at once at the best price there is.

        Args:
            symbol: A ticker, which means the US share or ETF of that name (SMART, USD), or a contract.
            quantity: How much, in the contract's units.
            side: ``"BUY"`` or ``"SELL"``.
            key: Your own key for the order; sending the same again with it sends nothing. Made of symbol,
                side, quantity and time where it is empty.
            wait_s: How long to wait for the order's end, in seconds.
            **fields: Further fields of the :class:`~ibkr_core.model.order.Order`, such as ``tif="GTC"``.

        Returns:
            The order as it is when this returns.

        Raises:
            InvalidInput: An argument breaks a rule; nothing was sent.
            IbkrError: As for :meth:`ibkr_core.engine.Engine.submit`.
        """
        check_side(side)
        return self._execute(symbol, Order.market(side, quantity, **self._with_account(fields)), key, wait_s)

    def execute_limit_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        limit_price: Numeric,
        side: str,
        *,
        key: str = "",
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Trade at ``limit_price`` or better; otherwise as :meth:`execute_market_order`."""
        check_side(side)
        order = Order.limit(side, quantity, limit_price, **self._with_account(fields))
        return self._execute(symbol, order, key, wait_s)

    def execute_stop_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        stop_price: Numeric,
        side: str,
        *,
        key: str = "",
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Trade at the market once ``stop_price`` trades; otherwise as :meth:`execute_market_order`."""
        check_side(side)
        order = Order.stop(side, quantity, stop_price, **self._with_account(fields))
        return self._execute(symbol, order, key, wait_s)

    def execute_stop_limit_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        stop_price: Numeric,
        limit_price: Numeric,
        side: str,
        *,
        key: str = "",
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Trade at ``limit_price`` or better once ``stop_price`` trades."""
        check_side(side)
        order = Order.stop_limit(side, quantity, stop_price, limit_price, **self._with_account(fields))
        return self._execute(symbol, order, key, wait_s)

    def execute_trailing_stop_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        side: str,
        *,
        trailing_amount: Numeric | None = None,
        trailing_percent: Numeric | None = None,
        stop_price: Numeric | None = None,
        key: str = "",
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Trade at the market once it has turned by an amount, or by a percentage (1.5 means 1.5 %)."""
        check_side(side)
        order = Order.trailing_stop(
            side,
            quantity,
            trailing_amount=trailing_amount,
            trailing_percent=trailing_percent,
            stop_price=stop_price,
            **self._with_account(fields),
        )
        return self._execute(symbol, order, key, wait_s)

    def execute_bracket_order(
        self,
        symbol: Symbol,
        quantity: Numeric,
        side: str,
        *,
        limit_price: Numeric | None = None,
        entry_stop_price: Numeric | None = None,
        take_profit: Child | None = None,
        stop_loss: Child | None = None,
        wait_s: float = 0.0,
        **fields: Any,
    ) -> OrderRecord:
        """Enter with exits: once the entry has filled, one exit's fill cancels the other.

        Args:
            symbol: As for :meth:`execute_market_order`, and so ``quantity`` and ``side``, the entry's.
            quantity: How much.
            side: The entry's side.
            limit_price: The entry's limit; with neither of the two prices it enters at the market.
            entry_stop_price: Enter once this price trades.
            take_profit: A limit price, or a whole order. None for none.
            stop_loss: A stop price, or a whole order. None for none.
            wait_s: How long to wait for the entry's end.
            **fields: Further fields of the entry; exits take its time in force.

        Returns:
            The entry; :meth:`get_child_orders` has the exits.
        """
        check_side(side)
        entry_stop_price = optional_number("entry_stop_price", entry_stop_price, InvalidOrder)
        fields = self._with_account(fields)
        if limit_price is not None and entry_stop_price is not None:
            entry = Order.stop_limit(side, quantity, entry_stop_price, limit_price, **fields)
        elif limit_price is not None:
            entry = Order.limit(side, quantity, limit_price, **fields)
        elif entry_stop_price is not None:
            entry = Order.stop(side, quantity, entry_stop_price, **fields)
        else:
            entry = Order.market(side, quantity, **fields)
        contract = self._contract(symbol)
        _check_wait(wait_s)
        named = functools.partial(self._named, contract)
        ticket = self.engine.submit_bracket(
            contract,
            named(entry),
            take_profit=named(target_child(entry, take_profit)) if take_profit is not None else None,
            stop_loss=named(stop_child(entry, stop_loss)) if stop_loss is not None else None,
        ).parent
        return self._wait(ticket, wait_s)

    def place_order(self, symbol: Symbol, order: Order | IbOrder, *, key: str = "") -> OrderRecord:
        """Send any order, in ours or in the official client's objects; see ``Engine.place_order``."""
        return self._submit(self._contract(symbol), order_of(order), key).record

    def place_bracket_order(
        self,
        bracket: BracketOrder,
        entry_contract: Symbol,
        tp_contract: Symbol | None = None,
        sl_contract: Symbol | None = None,
        *,
        timeout_s: float = 10.0,
    ) -> ExecutionResult:
        """Send an entry with its exits, and wait until the broker has taken them; see the engine's call."""
        given = {"tp_contract": tp_contract, "sl_contract": sl_contract}
        others = [self._contract(one, name) if one is not None else None for name, one in given.items()]
        entry = self._contract(entry_contract, "entry_contract")
        return self.engine.place_bracket_order(bracket, entry, *others, timeout_s=timeout_s)

    def close_position(self, strategy: Strategy, **options: Any) -> ExecutionResult:
        """Close a strategy, never beyond what is held; see ``Engine.close_position`` for the options."""
        check_options(Engine.close_position, options)
        return self.engine.close_position(strategy, **self._with_account(options))

    def roll_position(self, strategy: Strategy, new_dte: int, **options: Any) -> ExecutionResult:
        """Close a strategy and open it again at another expiry; see ``Engine.roll_position``."""
        check_options(Engine.roll_position, options)
        return self.engine.roll_position(strategy, new_dte, **self._with_account(options))

    def modify_order(self, order_id: int, **changes: Any) -> OrderRecord:
        """Ask for new terms: ``broker.modify_order(7, limit_price="101.50")``; see ``Engine.modify``."""
        return self.engine.modify(order_id, **changes)

    def cancel_order(self, order_id: int) -> bool:
        """Ask for a cancel; False when there was nothing to cancel; see ``Engine.cancel_order``."""
        return self.engine.cancel_order(order_id)

    def cancel_all_orders(self) -> tuple[OrderRecord, ...]:
        """Ask for the cancellation of all our active orders, and return those."""
        return self.engine.cancel_all()

    # ── looking ─────────────────────────────────────────────────────────────────────────────────

    def get_order(self, order_id: int) -> OrderRecord:
        """Return an order as it is now.

        Raises:
            UnknownOrder: No such order.
        """
        return self.engine.order(order_id)

    def get_order_status(self, order_id: int) -> OrderStatus:
        """Return what is proved about an order now.

        Raises:
            UnknownOrder: No such order.
        """
        return self.engine.order(order_id).status

    def get_all_orders(self) -> tuple[OrderRecord, ...]:
        """Return all orders, oldest first."""
        return self.engine.orders()

    def get_active_orders(self) -> tuple[OrderRecord, ...]:
        """Return the orders that are not finished, those in doubt included."""
        return self.engine.active_orders()

    def get_child_orders(self, order_id: int) -> tuple[OrderRecord, ...]:
        """Return the exits of a bracket's entry.

        Raises:
            UnknownOrder: No such order.
        """
        self.engine.order(order_id)
        return tuple(one for one in self.engine.orders() if one.is_ours and one.parent_id == order_id)

    def get_order_history(self, order_id: int) -> tuple[str, ...]:
        """Return an order's life as lines to read: time (in :attr:`zone`), status, what happened.

        Raises:
            UnknownOrder: No such order.
        """
        return tuple(
            f"{line.at.astimezone(self.zone):%Y-%m-%d %H:%M:%S.%f %Z} {line.status.value:<16} {line.what}"
            for line in self.engine.order(order_id).history
        )

    def get_todays_order_summary(self) -> DaySummary:
        """Return the figures of today (by :attr:`zone`): counts, fill ratio, volume, money, latency …."""
        today = self._clock.now().astimezone(self.zone).date()
        return summarise(self.engine.orders(), today, self.zone)

    # ── being told ──────────────────────────────────────────────────────────────────────────────

    def register_order_fill_callback(
        self, callback: Callable[[OrderRecord], object], delivery: Delivery = Delivery.WORKER
    ) -> CallbackHandle:
        """Be called with the order after each of its executions, once for each that counts towards its size.

        Args:
            callback: Takes the order. What it raises is reported and harms nobody.
            delivery: Where it runs; see :class:`Delivery`. By default on a thread on which it may take its
                time, and place orders.

        Returns:
            A handle; its ``unregister()`` ends it. It stays over a disconnect and a new connect.
        """
        return self._register(
            (events.ExecutionReceived,),
            callback,
            # All events of one callback show the order as it left it: the status has moved with the fill.
            lambda event: callback(event.record) if event.fill.counts else None,
            delivery,
        )

    def register_order_status_callback(
        self, callback: Callable[[OrderRecord], object], delivery: Delivery = Delivery.WORKER
    ) -> CallbackHandle:
        """Be called with the order after each change of its status.

        Otherwise as :meth:`register_order_fill_callback`.
        """
        return self._register(
            (events.OrderStatusChanged,), callback, lambda event: callback(event.record), delivery
        )

    def register_order_error_callback(
        self, callback: Callable[[OrderRecord, str], object], delivery: Delivery = Delivery.WORKER
    ) -> CallbackHandle:
        """Be called with the order and a text when something goes wrong with it.

        That is: rejected, a modification or a cancel refused, its fate in doubt or lost, an entry whose exits
        do not cover it, a stop that could not be moved. Otherwise as :meth:`register_order_fill_callback`.
        """
        return self._register(
            _ERRORS, callback, lambda event: callback(event.record, _problem(event)), delivery
        )

    def _register(
        self,
        kinds: tuple[type[events.Event], ...],
        callback: object,
        listener: Callable[[Any], object],
        delivery: Delivery,
    ) -> CallbackHandle:
        if not callable(callback):
            raise InvalidInput("callback", f"must be callable, not {callback!r}")
        if delivery not in (Delivery.INLINE, Delivery.WORKER):
            raise InvalidInput(
                "delivery", "must be Delivery.INLINE or Delivery.WORKER; for asyncio see engine.on"
            )
        handle = CallbackHandle(kinds, listener, delivery)
        self._handles.append(handle)
        if self._engine is not None:
            handle._attach(self._engine)  # noqa: SLF001 - one hand, two classes
        return handle

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _execute(self, symbol: Symbol, order: Order, key: str, wait_s: float) -> OrderRecord:
        _check_wait(wait_s)
        return self._wait(self._submit(self._contract(symbol), order, key), wait_s)

    def _submit(self, contract: Contract, order: Order, key: str) -> OrderTicket:
        engine = self.engine
        check_text("key", key)
        order = self._for_account(order)
        return engine.submit(contract, order, key=key or order.order_ref or self._make_key(contract, order))

    def _for_account(self, order: Order) -> Order:
        return order.replace(account=self.account) if self.account and not order.account else order

    def _named(self, contract: Contract, order: Order) -> Order:
        order = self._for_account(order)
        return order if order.order_ref else order.replace(order_ref=self._make_key(contract, order))

    def _wait(self, ticket: OrderTicket, wait_s: float) -> OrderRecord:
        if wait_s:
            try:
                return ticket.wait(timeout_s=wait_s)
            except WaitTimeout:
                pass  # it goes on; the record tells how it stands
        return ticket.record

    def _contract(self, symbol: Symbol, argument: str = "symbol") -> Contract:
        if isinstance(symbol, Contract | IbContract):
            return contract_of(symbol)
        ticker = symbol.strip().upper() if isinstance(symbol, str) else ""
        if not ticker:
            raise InvalidContract(argument, f"must be a ticker or a contract, not {symbol!r}")
        return Contract.stock(ticker)

    def _with_account(self, fields: dict[str, Any]) -> dict[str, Any]:
        return {"account": self.account, **fields} if self.account else fields

    def _is_known(self, key: str) -> bool:
        return self._engine is not None and self._engine.by_key(key) is not None


def _problem(event: events.OrderEvent) -> str:
    """Put what went wrong into words."""
    match event:
        case events.ModifyRefused() | events.CancelRefused():
            return f"{event.message.message} (code {event.message.code})"
        case events.OrderUncertain() | events.PositionUnprotected() | events.StopMoveFailed():
            return event.reason
        case events.OrderUnresolved():
            return event.why
    return event.record.error_message or f"order {event.record.order_id} was rejected without a reason"


def _check_wait(wait_s: float) -> None:
    check_time("wait_s", wait_s, least=0)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise InvalidInput("zone", f"is no time zone: {name!r}") from error


def _ports(is_paper: bool, application: str | None, port: int | None) -> Mapping[str, int]:
    if port is not None:
        return {"the port that was given": port}
    wanted: Sequence[str] = _APPLICATIONS if application is None else (application,)
    return {_NAMES[one]: PORTS[one, is_paper] for one in wanted}


def _check_accounts(accounts: Sequence[str], *, is_paper: bool, port: int) -> None:
    """Hold the login's accounts against what was wanted: the codes of paper accounts begin with D (DU, DF).

    The port alone proves nothing: it can be set to anything in TWS.

    Raises:
        AccountMismatch: They are of the other kind, or none were told.
    """
    if not accounts:
        raise AccountMismatch(f"port {port} does not tell its accounts: whether it is paper cannot be known")
    wrong = [code for code in accounts if code.startswith(_PAPER) is not is_paper]
    if wrong:
        wanted, found = ("paper", "live") if is_paper else ("live", "paper")
        raise AccountMismatch(
            f"{wanted} trading was wanted, but port {port} has the {found} account {', '.join(wrong)}; "
            "nothing was sent"
        )
