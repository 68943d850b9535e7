"""Asking what an order would do, without placing it."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import Future

from ibkr_core.collectors import WhatIfCollector
from ibkr_core.inquiries import Inquiries
from ibkr_core.lifecycle.verdicts import CodeRule
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.whatif import WhatIf
from ibkr_core.orderdesk import OrderDesk

__all__ = ["ask_what_if"]


def ask_what_if(
    desk: OrderDesk,
    inquiries: Inquiries,
    contract: Contract,
    order: Order,
    timeout_s: float,
    rules: Mapping[int, CodeRule],
) -> Future[WhatIf]:
    """Send a what-if and return a future of its answer.

    Args:
        desk: Gives the order id, which is used up.
        inquiries: Sends the question.
        contract: What would be traded.
        order: At what terms. It is sent as one to be transmitted: the broker looks at no other (TWS facts 7,
            code 413).
        timeout_s: When the answer has to be there.
        rules: What error codes prove.

    Raises:
        IbkrError: As for ``Engine.what_if``; nothing was sent.
    """
    desk.check_new(contract, order.replace(what_if=False) if isinstance(order, Order) else order)
    asked = order.replace(what_if=True, transmit=True)
    with desk.numbering() as order_id:
        return inquiries.ask_as_order(
            lambda client, id_: client.encode_what_if(id_, contract, asked),
            lambda id_: WhatIfCollector(id_, contract, order, rules),
            order_id,
            timeout_s,
            what=f"a what-if of {asked.action.value} {asked.quantity:f} {contract.name}",
        )
