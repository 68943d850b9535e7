"""What tests of closing and rolling share: legs that are bought, the gateway's positions, calls beside."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final, TypeVar

from ibkr_core.engine import Engine
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.strategy import Strategy
from ibkr_core.settings import Backoff, EngineSettings
from tests.engine.rig import WAIT, Serve, WatchedGateway

T = TypeVar("T")

NEAR, FAR = "20261218", "20270115"
FAST = EngineSettings(confirm_s=0.05, reconnect=Backoff(first_s=0.01, longest_s=0.1))
"""Doubts are settled soon."""


class Then:
    """A clock that began to run on another day: the options of these tests expire."""

    def __init__(self, start: datetime) -> None:
        self._start = start
        self._began = time.monotonic()

    def now(self) -> datetime:
        return self._start + timedelta(seconds=time.monotonic() - self._began)

    def monotonic(self) -> float:
        return time.monotonic()

    def __call__(self) -> float:
        """The same moment for a gateway."""
        return self.now().timestamp()


THEN: Final = Then(datetime(2026, 11, 24, 15, tzinfo=UTC))
JOIN: Final[dict[str, Any]] = {"settings": FAST, "clock": THEN}
"""How engines of these tests are made."""


def stage(serve: Serve, **wanted: Any) -> WatchedGateway:
    """Start a gateway on that day; AAPL stands where its options are worth something."""
    gateway = serve(**{"clock": THEN, **wanted})
    gateway.market("AAPL").set_quote(bid="292.00", ask="292.10")
    return gateway


def call(strike: int, expiry: str = NEAR) -> Contract:
    """An AAPL call."""
    return Contract.option("AAPL", expiry, strike, "C")


def vertical(quantity: int = 3) -> Strategy:
    """A bull call spread."""
    return Strategy.vertical("AAPL", NEAR, "C", long_strike=290, short_strike=300, quantity=quantity)


def hold(engine: Engine, strategy: Strategy) -> None:
    """Open a strategy, leg by leg, at the market."""
    for leg in strategy.legs:
        ticket = engine.submit(leg.contract, Order.market(leg.side.value, strategy.quantity_of(leg)))
        assert ticket.wait(**WAIT).remaining_quantity == 0


def held(gateway: WatchedGateway, account: str | None = None) -> dict[str, Decimal]:
    """The gateway's own positions, by local symbol without blanks."""
    return {
        "".join(one.instrument.local_symbol.split()): one.quantity
        for code, positions in gateway.books().positions.items()
        for one in positions
        if account in (None, code)
    }


def beside(work: Callable[[], T]) -> Future[T]:
    """Run something on a thread of its own."""
    done: Future[T] = Future()

    def run() -> None:
        try:
            done.set_result(work())
        except BaseException as error:  # noqa: BLE001 - it is the outcome
            done.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return done
