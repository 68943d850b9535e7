"""A gateway that notes what arrives, a log of events to wait on, and a way to be sure of silence."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.engine import Engine
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.gateway.core import supported_versions
from ibkr_core.gateway.protocol import Session
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.settings import EngineSettings
from ibkr_core.wire.message import Message
from tests.link.peers import PATIENCE_S

E = TypeVar("E", bound=events.Event)
Serve = Callable[..., "WatchedGateway"]
Connect = Callable[..., Engine]

VERSIONS = [
    v for v in (157, 176, 200, 203, 223, 225, 226) if v <= MAX_CLIENT_VER and v in supported_versions()
]
STOCK = Contract.stock("AAPL")
S = OrderStatus
WAIT = {"timeout_s": PATIENCE_S}
UNLIMITED = EngineSettings(messages_per_second=None, max_active_orders=None)
"""No pace and no limit of active orders: for what is proved by much traffic."""
ONE_LIFE = EngineSettings(reconnect=None)
"""A connection that is lost stays lost."""


class WatchedGateway(SimulatedGateway):
    """A gateway server that keeps every request of a started client, in order of arrival."""

    def __init__(self, **wanted: Any) -> None:
        super().__init__(**wanted)
        self.requests: list[tuple[int, Message]] = []
        answer = self._gateway.request

        def note(session: Session, message: Message) -> None:
            self.requests.append((session.client_id, message))
            answer(session, message)

        self._gateway.request = note  # type: ignore[method-assign]

    def arrived(self, *kinds: str, client_id: int | None = None) -> list[Message]:
        """Requests of these kinds so far."""
        return [
            message
            for sender, message in list(self.requests)
            if message.kind in kinds and client_id in (None, sender)
        ]

    def orders_arrived(self) -> list[Message]:
        """Everything that could have changed an order."""
        return self.arrived("placeOrder", "cancelOrder", "reqGlobalCancel")


class Log:
    """A listener that keeps events and can be waited on."""

    def __init__(
        self,
        engine: Engine,
        kind: type[events.Event] = events.Event,
        delivery: Delivery = Delivery.INLINE,
    ) -> None:
        self._more = threading.Condition()
        self.heard: list[events.Event] = []
        self.subscription = engine.on(kind, self, delivery)

    def __call__(self, event: events.Event) -> None:
        with self._more:
            self.heard.append(event)
            self._more.notify_all()

    def of(self, kind: type[E]) -> list[E]:
        """The events of a kind so far."""
        with self._more:
            return [event for event in self.heard if isinstance(event, kind)]

    def wait(self, kind: type[E], fits: Callable[[E], bool] = lambda _: True, count: int = 1) -> E:
        """Wait for so many events that fit; returns the last of them."""
        found: list[E] = []

        def enough() -> bool:
            found[:] = [event for event in self.heard if isinstance(event, kind) and fits(event)]
            return len(found) >= count

        with self._more:
            assert self._more.wait_for(enough, PATIENCE_S), f"no such {kind.__name__} among {self.names()}"
            return found[count - 1]

    def names(self) -> list[str]:
        """The kinds of the events so far, in order."""
        return [type(event).__name__ for event in self.heard]

    def seqs(self) -> list[int]:
        with self._more:
            return [event.seq for event in self.heard]


def settle(engine: Engine) -> None:
    """Come back when everything has arrived that either side had sent before, and was worked off.

    A question that is about no order goes round: TCP keeps the order of things.
    """
    client = engine.client
    answered = threading.Event()
    before = client.__dict__.get("currentTime")
    router = client.wrapper
    router.__dict__["currentTime"] = lambda _: answered.set()
    try:
        client.reqCurrentTime()
        assert answered.wait(PATIENCE_S), "the gateway does not answer"
    finally:
        router.__dict__.pop("currentTime", None)
        if before is not None:
            client.currentTime = before


def leave(engine: Engine, gateway: WatchedGateway) -> None:
    """Close an engine, and wait until the gateway has seen it: no other one may be connected."""
    engine.close()
    gateway.wait_for(lambda _: gateway.client_ids == ())


def buy(engine: Engine, quantity: int | str = 10, *, key: str = "", **fields: Any) -> Any:
    """Submit a market order."""
    return engine.submit(STOCK, Order.market("BUY", quantity, **fields), key=key)


def rest(engine: Engine, price: str = "90", quantity: int = 10, **fields: Any) -> Any:
    """Submit a limit order that does not fill by itself, and wait until it works."""
    ticket = engine.submit(STOCK, Order.limit("BUY", quantity, price, **fields))
    ticket.wait(S.SUBMITTED, S.PRE_SUBMITTED, **WAIT)
    return ticket
