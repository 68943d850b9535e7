"""Instructions to exercise an option or to let it lapse.

They are told as a paper account tells them in public captures (TWS facts 4): an order appears whose id is
that of the request, ``PreSubmitted``, after notice 10349; an option that is out of the money is refused with
322. Such an order waits for the clearing house and never trades. Nothing is delivered here: it ends when
somebody cancels it or its day is over, as the captured ones did.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway import answers
from ibkr_core.gateway.clients import BY_HAND
from ibkr_core.gateway.options import underlying_of
from ibkr_core.gateway.orders import Hold, OrderSpec
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Handler
from ibkr_core.gateway.venue import Venue

__all__ = ["Exercises"]

_EXERCISE, _LAPSE = 1, 2
_PROCESSING = "Error processing request."


class Exercises:
    """Answers requests to exercise.

    Args:
        venue: Whose options.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {"exerciseOptions": self._exercise}

    def forget(self, client: Client) -> None:
        """An instruction outlives the client that gave it."""

    def _exercise(self, client: Client, fields: Mapping[str, Any]) -> None:
        number = int(fields.get("orderId") or 0)
        try:
            self._instruct(client, number, fields)
        except RefusalError as refusal:
            client.send(answers.error(number, refusal.code, refusal.text, self._venue.now()))

    def _instruct(self, client: Client, number: int, fields: Mapping[str, Any]) -> None:
        contract: Mapping[str, Any] = fields.get("contract") or {}
        quantity, account = self._checked(client, number, fields)
        wanted = {
            "action": "BUY",
            "orderType": "MKT",
            "tif": "DAY",
            "totalQuantity": quantity,
            "account": account,
            "transmit": True,
        }
        venue = self._venue
        order = venue.build(client.client_id, number, contract, OrderSpec.parse(wanted))
        # Shown as a limit order at zero, which no order that is to trade could be.
        order.spec = attrs.evolve(order.spec, order_type="LMT", limit=Decimal(0))
        notice = "Order TIF was set to DAY based on order preset."
        client.send(answers.error(number, 10349, notice, venue.now()))
        order.holds.add(Hold.CLEARING)
        highest = venue.numbers.highest_ids
        highest[client.client_id] = max(highest.get(client.client_id, 0), number)
        venue.exchange.admit(order)
        venue.exchange.accept(order, "PreSubmitted")

    def _checked(self, client: Client, number: int, fields: Mapping[str, Any]) -> tuple[Decimal, str]:
        """How many options of which account.

        Raises:
            RefusalError: 321 for what makes no sense, 322 for what cannot be done.
        """
        venue = self._venue
        if number <= BY_HAND:  # these ids are for orders made by hand
            raise RefusalError.invalid("Invalid order id")
        option = venue.catalogue.resolve(fields.get("contract") or {})
        under = underlying_of(venue.catalogue, option)
        if option.strike is None or under is None:
            raise RefusalError.invalid("Only options can be exercised")
        if fields.get("exerciseAction") not in {_EXERCISE, _LAPSE}:
            raise RefusalError.invalid("Invalid exercise action")
        account = str(fields.get("account") or next(iter(venue.accounts)))
        if account not in venue.accounts:
            raise RefusalError.invalid(f"Invalid account code '{account}'.")
        quantity = Decimal(int(fields.get("exerciseQuantity") or 0))
        held = venue.accounts[account].position(option).quantity
        if venue.exchange.find(client.client_id, number) is not None:
            raise RefusalError(322, f"{_PROCESSING}Duplicate request id")
        if not 0 < quantity <= held:
            raise RefusalError(322, f"{_PROCESSING}Exercise/Lapse quantity exceeds the position.")
        inside = (venue.price_of(under) - option.strike) * (1 if option.right == "C" else -1)
        if fields["exerciseAction"] == _EXERCISE and inside <= 0 and not fields.get("override"):
            raise RefusalError(322, f"{_PROCESSING}Exercise ignored because option is not in-the-money.")
        return quantity, account
