"""Who hears of an order, who may cancel it, and how orders made by hand get an id (TWS facts 3 and 4).

* An order is told to the client that placed it, to the master client, and to a client that cancels it.
* Orders made by hand in the gateway's own window have order id 0 until client 0 binds them; then they get
  negative ids. Unbound, client 0 hears of their executions only.
* Whether one client may cancel another's order has changed over the years, so it is a setting.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import attrs

from ibkr_core.gateway.exchange import Exchange
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import GatewayOrder, Phase
from ibkr_core.wire.message import Message

__all__ = ["BY_HAND", "ClientRules", "Clients"]

BY_HAND = 0
"""Client id of orders made by hand, and order id of those not bound."""

_FILLS = frozenset({"execDetails", "commissionReport"})


@attrs.frozen(kw_only=True)
class ClientRules:
    """How the gateway treats its clients.

    Attributes:
        most: So many may be connected at once.
        master: The client that hears of everybody's orders; None for no such client.
        cross_cancel: Whether any client may cancel another's order by its id; if not, it gets 10147.
    """

    most: int = 32
    master: int | None = None
    cross_cancel: bool = False


class Clients:
    """The rules between clients, over one exchange.

    ``touched`` collects, by permId, the orders about which something was said, until somebody who saves them
    takes them out.

    Args:
        rules: How clients are treated.
        numbers: Where the ids of orders made by hand come from.
        exchange: Where the orders are.
        deliver: Takes a message for a client id.
    """

    def __init__(
        self,
        rules: ClientRules,
        *,
        numbers: Numbers,
        exchange: Exchange,
        deliver: Callable[[int, Message], None],
    ) -> None:
        self.rules = rules
        self.auto_bind = False
        self._numbers = numbers
        self._exchange = exchange
        self._deliver = deliver
        self.touched: dict[int, GatewayOrder] = {}

    def tell(self, order: GatewayOrder, message: Message) -> None:
        """Deliver a message about an order to everybody who may hear it, and note that it was touched."""
        self.touched[order.perm_id] = order
        for client_id in self._hearers(order, message.kind):
            self._deliver(client_id, message)

    def _hearers(self, order: GatewayOrder, kind: str) -> Iterator[int]:
        unbound = order.by_hand and order.order_id == BY_HAND
        if not unbound or kind in _FILLS:
            yield order.client_id
        if order.canceller is not None and order.canceller != order.client_id and kind not in _FILLS:
            yield order.canceller
        master = self.rules.master
        if master is not None and master not in {order.client_id, order.canceller} and kind != "error":
            yield master

    def cancellable(self, client_id: int, order_id: int) -> GatewayOrder | None:
        """The order that a client means by an id that it wants cancelled; None when there is none for it."""
        own = self._exchange.find(client_id, order_id)
        if own is not None or not self.rules.cross_cancel or order_id <= BY_HAND:
            return own
        foreign = [one for one in self._exchange.live_orders() if one.order_id == order_id]
        return foreign[0] if len(foreign) == 1 else None

    def bind(self, order: GatewayOrder) -> None:
        """Give an order made by hand an id of client 0, and say so; one that has an id keeps it."""
        if not order.by_hand or order.order_id != BY_HAND or order.phase is Phase.DONE:
            return
        self._numbers.bound -= 1
        self._exchange.rename(order, self._numbers.bound)
        fields = {"permId": order.perm_id, "clientId": order.client_id, "orderId": order.order_id}
        self._deliver(order.client_id, Message("orderBound", fields))

    def bind_all(self) -> None:
        """Bind every order made by hand that lives."""
        for order in self._exchange.live_orders():
            self.bind(order)
