"""The official client, recording: whichever ibapi of the matrix is installed."""

from __future__ import annotations

import inspect
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
from ibapi.client import EClient
from ibapi.contract import Contract
from ibapi.order import Order
from ibapi.wrapper import EWrapper

try:
    from ibapi.order_cancel import OrderCancel
except ImportError:  # 9.81
    OrderCancel = None

PATIENCE_S = 30.0
"""How long a wait may last before it counts as failed; no test depends on how fast it really is."""

OLD_CLIENT = "orderCancel" not in inspect.signature(EClient.cancelOrder).parameters


@attrs.frozen
class Call:
    """One callback of the official wrapper."""

    name: str
    args: tuple[Any, ...]


class OfficialClient(EWrapper, EClient):  # type: ignore[misc]
    """EWrapper and EClient in one, as IBKR's samples do it, keeping every order callback in a list."""

    def __init__(self) -> None:
        EWrapper.__init__(self)
        EClient.__init__(self, self)
        self.calls: list[Call] = []
        self._more = threading.Condition()
        self._hanging_up = threading.Event()
        self._runner: threading.Thread | None = None

    # -- life --------------------------------------------------------------------------------------

    def begin(self, port: int, client_id: int = 1) -> OfficialClient:
        """Connect and wait until the session is usable."""
        self.connect("127.0.0.1", port, client_id)
        self._runner = threading.Thread(target=self._run, name=f"ibapi-{client_id}")
        self._runner.start()
        return self

    def _run(self) -> None:
        try:
            self.run()
        except Exception:
            # disconnect() takes the decoder away under the feet of run(): a race inside the official client.
            if self._hanging_up.is_set():
                return
            raise

    def end(self) -> None:
        """Hang up and wait for the client's own threads."""
        self._hanging_up.set()
        self.disconnect()
        if self._runner is not None:
            self._runner.join(PATIENCE_S)

    # -- recording ---------------------------------------------------------------------------------

    def note(self, name: str, *args: Any) -> None:
        with self._more:
            self.calls.append(Call(name, args))
            self._more.notify_all()

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every call of one name so far."""
        with self._more:
            return [call.args for call in self.calls if call.name == name]

    def names(self) -> list[str]:
        with self._more:
            return [call.name for call in self.calls]

    def wait(self, name: str, fits: Callable[..., bool] = lambda *_: True, since: int = 0) -> tuple[Any, ...]:
        """Wait for a callback and give its arguments.

        Args:
            name: Its name.
            fits: Called with its arguments.
            since: Look only at calls from this index on.
        """
        deadline = time.monotonic() + PATIENCE_S
        with self._more:
            while True:
                for call in self.calls[since:]:
                    if call.name == name and fits(*call.args):
                        return call.args
                left = deadline - time.monotonic()
                assert left > 0, f"no such {name} among {self.calls[since:]}"
                self._more.wait(left)

    def wait_status(self, order_id: int, status: str, since: int = 0) -> tuple[Any, ...]:
        return self.wait("orderStatus", lambda *args: args[0] == order_id and args[1] == status, since=since)

    def wait_error(self, subject: int, code: int, since: int = 0) -> str:
        args = self.wait("error", lambda *args: args[0] == subject and args[1] == code, since=since)
        return str(args[2])

    # -- the differences between versions ----------------------------------------------------------

    def error(self, *args: Any) -> None:
        if not OLD_CLIENT:
            args = (args[0], *args[2:])  # without the time
        self.note("error", *args[:3])

    def commissionReport(self, report: Any) -> None:  # noqa: N802 - official names
        self.note("commissionReport", report.execId, report.commission, report.currency, report.realizedPNL)

    def commissionAndFeesReport(self, report: Any) -> None:  # noqa: N802 - official name
        self.note(
            "commissionReport", report.execId, report.commissionAndFees, report.currency, report.realizedPNL
        )

    def withdraw(self, order_id: int) -> None:
        self.cancelOrder(order_id) if OLD_CLIENT else self.cancelOrder(order_id, OrderCancel())

    def withdraw_all(self) -> None:
        self.reqGlobalCancel() if OLD_CLIENT else self.reqGlobalCancel(OrderCancel())

    # -- callbacks that are the same everywhere ----------------------------------------------------

    def connectAck(self) -> None:  # noqa: N802 - official name
        self.note("connectAck")

    def connectionClosed(self) -> None:  # noqa: N802 - official name
        self.note("connectionClosed")


def _recorder(name: str) -> Callable[..., None]:
    def record(self: OfficialClient, *args: Any) -> None:
        self.note(name, *args)

    return record


for _name in (
    "nextValidId", "managedAccounts", "openOrder", "orderStatus", "openOrderEnd", "execDetails",
    "execDetailsEnd", "completedOrder", "completedOrdersEnd", "position", "positionEnd", "accountSummary",
    "accountSummaryEnd", "currentTime", "contractDetails", "contractDetailsEnd", "orderBound",
):  # fmt: skip
    setattr(OfficialClient, _name, _recorder(_name))


def stock(symbol: str = "AAPL") -> Contract:
    contract = Contract()
    contract.symbol, contract.secType, contract.exchange, contract.currency = symbol, "STK", "SMART", "USD"
    return contract


def order(action: str, quantity: int, kind: str = "MKT", **fields: Any) -> Order:
    """An official order; the old client takes plain numbers and has flags on that the broker refuses."""
    made = Order()
    made.action, made.orderType = action, kind
    made.totalQuantity = quantity if OLD_CLIENT else Decimal(quantity)
    made.tif = "DAY"
    if OLD_CLIENT:
        made.eTradeOnly = made.firmQuoteOnly = False
    for name, value in fields.items():
        assert hasattr(made, name), name
        setattr(made, name, value)
    return made
