"""A made-up order that trades again and again, so that the way of a callback stays in the processor's caches.

What has not run for a millisecond has to come back into the caches before it runs again: a callback that
takes 20 us in a row with others takes three to five times as long alone. A reader thread that polls has the
time to prevent that. Nothing of it can be seen from outside: the order has a book of its own, no journal, and
a listener that does nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final

from ibkr_core.clock import Clock
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.lifecycle import inputs
from ibkr_core.link.hotpath import HotPath
from ibkr_core.link.inbound import Inbound
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import Event, OrderEvent
from ibkr_core.model.order import Order
from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message

__all__ = ["Rehearsal"]

_FILLS: Final = 50
"""Of one life of the order: the next one begins with a new book."""
_CLIENT, _ORDER, _PERM_ID, _KEY, _ACCOUNT = 1, 1, 1_000_000_001, "rehearsal", "DU0"
_PRICE: Final = 100.01
_STOCK: Final = Contract.stock("SPY")

_LOG: Final = logging.getLogger("ibkr_core.engine")


class Rehearsal:
    """Takes one callback of the made-up order at a time, on the way on which those of real ones go.

    Args:
        decode: Reads the hot messages of the connection.
        server_version: The protocol version of the connection.
        clock: Tells the time.

    Attributes:
        is_over: Whether there will be no more of it: the connection's client reads these messages in a way
            of its own, or something failed, which is logged.
        error: What failed, if something did.
        heard: How many events there were.
    """

    def __init__(self, decode: HotPath, server_version: int, clock: Clock) -> None:
        self._server_version = server_version
        self._clock = clock
        self._dispatcher = Dispatcher(self._fail_listening)
        self._dispatcher.subscribe((OrderEvent,), self._hear, Delivery.INLINE, None)
        self._inbound = Inbound(lambda _: None, self._decline, self._fail)
        self._inbound.is_greeted = True
        self._inbound.decode = decode
        order = Order.limit("BUY", _FILLS, Decimal(str(_PRICE)))
        self._submission = inputs.Submit((inputs.NewOrder(_ORDER, _KEY, _STOCK, order),))
        self._messages: list[bytes] = []
        self._steps = self._live()
        self.is_over = False
        self.error: BaseException | None = None
        self.heard = 0

    def __call__(self) -> None:
        """Take the next small step, mostly a callback. Raises nothing."""
        if self.is_over:
            return
        try:
            next(self._steps)
        except Exception as error:  # noqa: BLE001 - the thread has a real connection to read
            self._fail(error)

    def _live(self) -> Iterator[None]:
        """Let the order live, for ever again; a message that has come meanwhile waits for one step only."""
        while True:
            book = GuardedBook(
                _CLIENT, {}, self._clock, self._dispatcher, on_asks=lambda _: None, on_retries=lambda _: None
            )
            yield
            book.command(self._submission)
            yield
            book.command(inputs.Sent((_ORDER,)))
            book.deliver()
            yield
            self._inbound.take = book.hot_taker(self._server_version)
            yield
            for message in self._messages or self._written():
                self._inbound.buffer.feed(message)
                self._inbound.work()
                yield
            book.read(lambda its: its.close())
            yield

    def _written(self) -> Iterator[bytes]:
        """Yield what the broker sends, written as it is wanted, and keep it for the next time."""
        messages = []
        for one in _life():
            messages.append(frame(encode_answer(one, self._server_version)))
            yield messages[-1]
        self._messages = messages

    def _hear(self, _: Event) -> None:
        self.heard += 1

    def _decline(self, _: bytes) -> None:
        """Give up where the client's own way with these messages is the official one: it may do anything."""
        self.is_over = True

    def _fail_listening(self, _: str, error: BaseException) -> None:
        self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self.is_over = True
        self.error = error
        try:
            _LOG.error("a rehearsal failed, and there will be no more of them", exc_info=error)
        except Exception as unlogged:  # noqa: BLE001 - a filter of the user's may do anything
            self.error = unlogged


def _life() -> Iterator[Message]:
    """Yield what a broker tells of the order until it is filled."""
    yield _status("PreSubmitted", 0)
    for filled in range(1, _FILLS + 1):
        yield _execution(filled)
        yield _status("Filled" if filled == _FILLS else "Submitted", filled)
        yield _commission(filled)


def _status(word: str, filled: int) -> Message:
    fields = {
        "orderId": _ORDER,
        "status": word,
        "filled": Decimal(filled),
        "remaining": Decimal(_FILLS - filled),
        "avgFillPrice": _PRICE if filled else 0.0,
        "permId": _PERM_ID,
        "parentId": 0,
        "lastFillPrice": _PRICE if filled else 0.0,
        "clientId": _CLIENT,
        "mktCapPrice": 0.0,
    }
    return Message("orderStatus", fields)


def _execution(number: int) -> Message:
    contract: dict[str, Any] = {
        "conId": 756733,
        "symbol": _STOCK.symbol,
        "secType": _STOCK.sec_type,
        "exchange": "ARCA",
        "currency": _STOCK.currency,
        "localSymbol": _STOCK.symbol,
        "tradingClass": _STOCK.symbol,
    }
    execution = {
        "orderId": _ORDER,
        "execId": _execution_id(number),
        "time": "20260102 15:30:00 US/Eastern",
        "acctNumber": _ACCOUNT,
        "exchange": "ARCA",
        "side": "BOT",
        "shares": Decimal(1),
        "price": _PRICE,
        "permId": _PERM_ID,
        "clientId": _CLIENT,
        "cumQty": Decimal(number),
        "avgPrice": _PRICE,
        "orderRef": _KEY,
        "lastLiquidity": 2,
    }
    return Message("execDetails", {"reqId": -1, "contract": contract, "execution": execution})


def _commission(number: int) -> Message:
    fields = {"execId": _execution_id(number), "commissionAndFees": 0.35, "currency": "USD"}
    return Message("commissionReport", fields)


def _execution_id(number: int) -> str:
    return f"00000000.{number:08x}.01.01"
