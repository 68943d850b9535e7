"""Where requests are answered: one handler per kind of request (wire facts 6, TWS facts 2, 4 and 5).

Nothing is met with silence: a request that is not simulated gets the error that a real gateway gives for a
thing it will not do. The only requests without an answer are those that have none at a real gateway either.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ibkr_core.gateway import answers
from ibkr_core.gateway.accounts_feed import AccountsFeed
from ibkr_core.gateway.calculations import Calculations
from ibkr_core.gateway.clients import BY_HAND
from ibkr_core.gateway.clock import day_text, eastern, parse_time
from ibkr_core.gateway.exercise import Exercises
from ibkr_core.gateway.history import History
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.marketdata import MarketData
from ibkr_core.gateway.news import NewsDesk
from ibkr_core.gateway.orders import Execution, GatewayOrder
from ibkr_core.gateway.reference import Reference
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.scanner import Scanner
from ibkr_core.gateway.service import NOBODY, Client, Handler, Service, request_id_of
from ibkr_core.gateway.terminal import Terminal
from ibkr_core.gateway.venue import Venue
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["Client", "Desk"]

_SIDES = {"BUY": "BUY", "BOT": "BUY", "SELL": "SELL", "SLD": "SELL"}
# At a real gateway, too, nothing comes back for these.
_UNANSWERED = frozenset({
    "cancelFundamentalData", "cancelWshMetaData", "cancelWshEventData", "cancelContractData",
})  # fmt: skip
_NO_NEWS_FEED = 10276, "News feed is not allowed."
_NOT_OFFERED: Mapping[str, tuple[int, str]] = {
    "reqFundamentalData": (10358, "Fundamentals data is not allowed."),
    "reqWshMetaData": _NO_NEWS_FEED,
    "reqWshEventData": _NO_NEWS_FEED,
}
"""What an account without such permissions is told, by public captures of a gateway."""


class Desk:
    """Answers requests out of one venue.

    Args:
        venue: Orders, markets and accounts.
        seed: Decides what the past was.
        silent_empty_executions: Whether ``reqExecutions`` without a match gets nothing at all, not even
            its end, as some gateways do (TWS facts 2.9).
    """

    def __init__(self, venue: Venue, *, seed: int = 0, silent_empty_executions: bool = False) -> None:
        self._venue = venue
        self._silent_empty_executions = silent_empty_executions
        self._position_watchers: list[Client] = []
        venue.on_position.append(self._push_position)
        watch = Watch(venue, seed=seed)
        history = History(watch)
        self._services: tuple[Service, ...] = (
            AccountsFeed(venue),
            Reference(venue),
            history,
            MarketData(watch, history),
            Calculations(watch),
            Scanner(watch),
            NewsDesk(venue, watch.newsroom),
            Exercises(venue),
            Terminal(venue.settings),
        )
        self._handlers: dict[str, Handler] = {
            "placeOrder": self._place,
            "cancelOrder": self._cancel,
            "reqGlobalCancel": self._cancel_all,
            "reqIds": self._ids,
            "reqManagedAccts": self._managed_accounts,
            "reqCurrentTime": self._current_time,
            "reqCurrentTimeInMillis": self._current_time_in_millis,
            "reqOpenOrders": self._open_orders,
            "reqAllOpenOrders": self._all_open_orders,
            "reqAutoOpenOrders": self._auto_open_orders,
            "reqExecutions": self._executions,
            "reqCompletedOrders": self._completed_orders,
            "reqPositions": self._positions,
            "cancelPositions": self._cancel_positions,
        }
        for service in self._services:
            self._handlers.update(service.handlers())

    def handle(self, client: Client, request: Message) -> None:
        """Answer one request.

        Args:
            client: Who asked, started.
            request: What was asked.
        """
        subject = request_id_of(request.fields)
        handler = self._handlers.get(request.kind)
        if handler is not None:
            try:
                handler(client, request.fields)
            except RefusalError as refusal:
                client.send(answers.error(subject, refusal.code, refusal.text, self._venue.now()))
        elif request.kind not in _UNANSWERED:
            default = 321, f"Error validating request.-'bN' : cause - {request.kind} is not simulated"
            code, text = _NOT_OFFERED.get(request.kind, default)
            client.send(answers.error(subject, code, text, self._venue.now()))

    def welcome(self, client: Client) -> None:
        """Open a session that has just started.

        Orders that rest from an earlier session come before managed accounts and the next id, as if they
        were live callbacks (TWS facts 5); then the farms report that they are well.
        """
        resting = self._live_orders_of(client.client_id)
        if resting:
            self._show(client, resting)
        self._managed_accounts(client, {})
        self._ids(client, {})
        for code, text in (
            (2104, "Market data farm connection is OK:usfarm"),
            (2106, "HMDS data farm connection is OK:ushmds"),
            (2158, "Sec-def data farm connection is OK:secdefnj"),
        ):
            client.send(answers.error(NOBODY, code, text, self._venue.now()))

    def farewell(self, client: Client) -> None:
        """Forget a client that has gone; its orders rest on."""
        self._cancel_positions(client, {})
        for service in self._services:
            service.forget(client)

    def lose_data(self, client: Client) -> None:
        """End a client's market data subscriptions, as when the broker comes back with 1101 (TWS facts 5)."""
        for service in self._services:
            if isinstance(service, MarketData):
                service.forget(client)

    # -- orders ------------------------------------------------------------------------------------

    def _place(self, client: Client, fields: Mapping[str, Any]) -> None:
        self._venue.place(
            client.client_id,
            fields.get("orderId", 0),
            fields.get("contract", {}),
            fields.get("order", {}),
            fields.get("attachedOrders"),
        )

    def _cancel(self, client: Client, fields: Mapping[str, Any]) -> None:
        self._venue.cancel(client.client_id, fields.get("orderId", 0))

    def _cancel_all(self, client: Client, _: Mapping[str, Any]) -> None:
        self._venue.cancel_all(client.client_id)

    def _live_orders_of(self, client_id: int) -> list[GatewayOrder]:
        return [order for order in self._venue.exchange.live_orders() if order.client_id == client_id]

    def _show(self, client: Client, orders: Iterable[GatewayOrder]) -> None:
        for order in orders:
            client.send(answers.open_order(order))
            client.send(answers.order_status(order))
        client.send(Message("openOrderEnd"))

    def _open_orders(self, client: Client, _: Mapping[str, Any]) -> None:
        if client.client_id == BY_HAND:
            self._venue.clients.bind_all()
        self._show(client, self._live_orders_of(client.client_id))

    def _all_open_orders(self, client: Client, _: Mapping[str, Any]) -> None:
        self._show(client, self._venue.exchange.live_orders())

    def _auto_open_orders(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Bind orders made by hand from now on; to client 0 nothing comes back at once (TWS facts 4)."""
        if client.client_id == BY_HAND:
            self._venue.clients.auto_bind = bool(fields.get("autoBind", False))
        else:
            text = "Only the default client (i.e 0) can auto bind orders."
            client.send(answers.error(NOBODY, 327, text, self._venue.now()))

    def _completed_orders(self, client: Client, fields: Mapping[str, Any]) -> None:
        for order in self._venue.completed():
            if not (order.by_hand and fields.get("apiOnly")):
                client.send(answers.completed_order(order))
        client.send(Message("completedOrdersEnd"))

    def _executions(self, client: Client, fields: Mapping[str, Any]) -> None:
        """All executions, then all known commissions, then the end (TWS facts 2.9)."""
        request_id = request_id_of(fields)
        wanted = fields.get("executionFilter") or {}
        today = day_text(self._venue.now())
        found = [
            one for one in self._venue.executions() if day_text(one.time) == today and _passes(one, wanted)
        ]
        for execution in found:
            client.send(answers.exec_details(execution, request_id))
        for execution in found:
            if execution.root in self._venue.order_of(execution).reported:
                client.send(answers.commission_report(execution))
        if found or not self._silent_empty_executions:
            client.send(Message("execDetailsEnd", {"reqId": request_id}))

    # -- account -----------------------------------------------------------------------------------

    def _ids(self, client: Client, _: Mapping[str, Any]) -> None:
        client.send(Message("nextValidId", {"orderId": self._venue.next_order_id(client.client_id)}))

    def _managed_accounts(self, client: Client, _: Mapping[str, Any]) -> None:
        client.send(Message("managedAccounts", {"accountsList": ",".join(self._venue.accounts)}))

    def _current_time(self, client: Client, _: Mapping[str, Any]) -> None:
        client.send(Message("currentTime", {"currentTime": int(self._venue.now())}))

    def _current_time_in_millis(self, client: Client, _: Mapping[str, Any]) -> None:
        millis = int(self._venue.now() * 1000)
        client.send(Message("currentTimeInMillis", {"currentTimeInMillis": millis}))

    def _positions(self, client: Client, _: Mapping[str, Any]) -> None:
        for account in self._venue.accounts.values():
            for held in account.positions:
                if held.quantity:
                    client.send(answers.position(account.code, held))
        client.send(Message("positionEnd"))
        if client not in self._position_watchers:
            self._position_watchers.append(client)

    def _cancel_positions(self, client: Client, _: Mapping[str, Any]) -> None:
        self._position_watchers = [one for one in self._position_watchers if one is not client]

    def _push_position(self, account: str, instrument: Instrument) -> None:
        """Tell those who asked for positions that one has changed."""
        held = self._venue.accounts[account].position(instrument)
        for client in self._position_watchers:
            client.send(answers.position(account, held))


def _passes(execution: Execution, wanted: Mapping[str, Any]) -> bool:
    """Whether an execution fits a filter; an empty field and client 0 let everything pass (wire facts 6)."""
    side = str(wanted.get("side") or "").upper()
    checks = (
        (wanted.get("clientId"), execution.client_id),
        (wanted.get("acctCode"), execution.account),
        (wanted.get("symbol"), execution.instrument.symbol),
        (wanted.get("secType"), execution.instrument.sec_type),
        (wanted.get("exchange"), execution.exchange),
        (_SIDES.get(side, side), execution.action),
    )
    if any(asked and asked != own for asked, own in checks):
        return False
    since = parse_time(str(wanted.get("time") or ""))
    return since is None or f"{eastern(execution.time):%Y%m%d %H:%M:%S}" >= since
