"""Receives the official decoder's callbacks: order callbacks become facts, the rest goes to the user.

The decoder and the encoders of ibapi call ``wrapper.someCallback(...)``. This object is that wrapper.
It turns the callbacks that concern orders into facts, calls the user's own override as well where
there is one, and skips the official default methods, which inspect their stack frame on every call.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING, Any

from ibapi.wrapper import EWrapper

from ibkr_core.link import compat, convert
from ibkr_core.model.facts import ErrorFact, OrderBoundFact

if TYPE_CHECKING:
    from ibkr_core.link.client import TwsClient

__all__ = ["CallbackRouter"]


def _nothing(*_: object) -> None:
    """Stand in for an official default callback, which would only log."""


TakeAnswer = Callable[[str, tuple[Any, ...]], None]
"""Takes a callback's name and arguments."""


class CallbackRouter:
    """The wrapper that the official code calls.

    Args:
        client: The client whose receiver gets the facts, and whose overrides are called.

    Attributes:
        awaited: Names of the callbacks that somebody waits for besides; it changes while they come.
        take_answer: Takes those callbacks, before an override of the user's does. Must not raise.
    """

    def __init__(self, client: TwsClient) -> None:
        self._client = client
        self._receiver = client.receiver
        self._overrides: dict[str, Callable[..., Any]] = {}
        self._pnl_is_known = True
        self.awaited: Collection[str] = ()
        self.take_answer: TakeAnswer = _nothing

    def __getattr__(self, name: str) -> Callable[..., Any]:
        """Look up a callback that is not about orders: the user's own, or nothing."""
        if name.startswith("_"):
            raise AttributeError(name)
        method = self._answering(name)
        self.__dict__[name] = method
        return method

    def _answering(self, name: str) -> Callable[..., Any]:
        """Hand a callback to who waits for it, and then to the user's own method, where there is one.

        This is the way of every tick of market data: one call, and one look-up in a set, are all it costs.
        """
        own = self._own(name)
        if own is None:

            def call(*arguments: Any) -> None:
                if name in self.awaited:
                    self.take_answer(name, arguments)

            return call
        method = self._guarded(own)

        def call_both(*arguments: Any) -> None:
            if name in self.awaited:
                self.take_answer(name, arguments)
            method(*arguments)

        return call_both

    def _own(self, name: str) -> Callable[..., Any] | None:
        """Return the user's override; raises AttributeError for what ibapi does not have."""
        method: Callable[..., Any] = getattr(self._client, name)
        is_default = getattr(method, "__func__", None) is getattr(EWrapper, name, None)
        return None if is_default else method

    def _user_method(self, name: str) -> Callable[..., Any]:
        own = self._own(name)
        return _nothing if own is None else self._guarded(own)

    def _guarded(self, method: Callable[..., Any]) -> Callable[..., Any]:
        """Report what a user's callback raises, at once and without passing it on.

        The official decoder calls several callbacks for one message (first the protobuf one): what the
        first of them raises must not cost the others.
        """

        def call(*arguments: object) -> None:
            try:
                method(*arguments)
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # noqa: BLE001 - sys.exit() in a callback must not end the reader
                self._receiver.on_callback_failed(error)

        return call

    def _call_override(self, name: str, *arguments: object) -> None:
        method = self._overrides.get(name)
        if method is None:
            method = self._overrides[name] = self._user_method(name)
        method(*arguments)

    # ── orders ──────────────────────────────────────────────────────────────────────────────────

    def orderStatus(self, *arguments: Any) -> None:  # noqa: N802 - official name
        """Take an orderStatus callback."""
        self._receiver.on_fact(convert.status_fact(*arguments))
        self._call_override("orderStatus", *arguments)

    def openOrder(self, *arguments: Any) -> None:  # noqa: N802 - official name
        """Take an openOrder callback."""
        self._receiver.on_fact(convert.open_order_fact(*arguments))
        if "openOrder" in self.awaited:
            self.take_answer("openOrder", arguments)
        self._call_override("openOrder", *arguments)

    def openOrderEnd(self) -> None:  # noqa: N802 - official name
        """Take the end of the open orders."""
        self._receiver.on_open_orders_end()
        self._call_override("openOrderEnd")

    def completedOrder(self, *arguments: Any) -> None:  # noqa: N802 - official name
        """Take a completedOrder callback."""
        self._receiver.on_fact(convert.completed_order_fact(*arguments))
        self._call_override("completedOrder", *arguments)

    def completedOrdersEnd(self) -> None:  # noqa: N802 - official name
        """Take the end of the completed orders."""
        self._receiver.on_completed_orders_end()
        self._call_override("completedOrdersEnd")

    def execDetails(self, *arguments: Any) -> None:  # noqa: N802 - official name
        """Take an execDetails callback."""
        self._receiver.on_fact(convert.execution_fact(*arguments))
        self._call_override("execDetails", *arguments)

    def execDetailsEnd(self, reqId: int) -> None:  # noqa: N802, N803 - official names
        """Take the end of the executions."""
        self._receiver.on_executions_end(reqId)
        self._call_override("execDetailsEnd", reqId)

    def commissionReport(self, report: Any) -> None:  # noqa: ANN401, N802 - official name and object
        """Take a commissionReport callback (up to ibapi 10.2x)."""
        self._receiver.on_fact(convert.commission_fact(report))
        self._call_override("commissionReport", report)

    def commissionAndFeesReportProtoBuf(self, message: Any) -> None:  # noqa: ANN401, N802 - official name and object
        """Note what the decoder is about to lose: whether there was a realised P&L at all."""
        self._pnl_is_known = message.HasField("realizedPNL")
        self._call_override("commissionAndFeesReportProtoBuf", message)

    def commissionAndFeesReport(self, report: Any) -> None:  # noqa: ANN401, N802 - official name and object
        """Take a commissionAndFeesReport callback."""
        known, self._pnl_is_known = self._pnl_is_known, True
        self._receiver.on_fact(convert.commission_fact(report, pnl_is_known=known))
        self._call_override("commissionAndFeesReport", report)

    def orderBound(self, perm_id: int, client_id: int, order_id: int) -> None:  # noqa: N802 - official name
        """Take an orderBound callback. Its first argument is the permId, whatever ibapi calls it."""
        self._receiver.on_fact(OrderBoundFact(perm_id=perm_id, client_id=client_id, order_id=order_id))
        self._call_override("orderBound", perm_id, client_id, order_id)

    # ── positions ───────────────────────────────────────────────────────────────────────────────

    def position(self, account: str, contract: Any, position: Any, avgCost: Any) -> None:  # noqa: ANN401, N803 - official names and objects
        """Take a position callback."""
        self._receiver.on_position(convert.position(account, contract, position, avgCost))
        self._call_override("position", account, contract, position, avgCost)

    def positionEnd(self) -> None:  # noqa: N802 - official name
        """Take the end of the positions."""
        self._receiver.on_positions_end()
        self._call_override("positionEnd")

    # ── the session ─────────────────────────────────────────────────────────────────────────────

    def error(self, *arguments: Any) -> None:
        """Take an error callback: the broker's, or one that an encoder raises on our own thread."""
        request_id, code, text, advanced, time_ms = compat.read_error_arguments(arguments)
        if self._client.take_local_error(code, text):
            return
        self._receiver.on_fact(
            ErrorFact(
                request_id=request_id, code=code, message=text, advanced_reject=advanced, time_ms=time_ms
            )
        )
        self._call_override("error", *arguments)

    def nextValidId(self, orderId: int) -> None:  # noqa: N802, N803 - official names
        """Take the next valid order id."""
        self._receiver.on_next_valid_id(orderId)
        self._call_override("nextValidId", orderId)

    def managedAccounts(self, accountsList: str) -> None:  # noqa: N802, N803 - official names
        """Take the accounts of this login."""
        accounts = tuple(account for account in accountsList.split(",") if account)
        self._receiver.on_managed_accounts(accounts)
        self._call_override("managedAccounts", accountsList)
