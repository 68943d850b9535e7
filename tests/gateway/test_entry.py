"""Order entry: everything is checked before anything is changed."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway.entry import Entry
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.venue import Venue
from tests.gateway.pocket import AAPL, Pocket, gateway, plain
from tests.gateway.test_orders import LIMIT
from tests.gateway.test_rejections import CALL

D = Decimal


def made(venue: Venue, contract: dict[str, Any] | None = None, **fields: Any) -> GatewayOrder:
    spec = OrderSpec.parse({**LIMIT, **fields})
    return venue._entry.build(1, 1, contract or AAPL, spec, None)


def test_an_order_gets_its_defaults_and_is_told_nowhere() -> None:
    """The first account, OCA type 3, the next permId; nobody hears of it and no order rests."""
    rig = gateway(settings=plain(accounts=("DU1", "DU2")))
    client = Pocket(rig)
    client.listen()
    order = rig._access(made)
    assert (order.account, order.oca_type, order.exchange, order.status) == ("DU1", 3, "SMART", "")
    assert rig._access(made).perm_id == order.perm_id + 1
    assert client.listen() == []
    assert rig.books().orders == ()


def test_money_becomes_shares_at_the_limit() -> None:
    """A thousand dollars at 99.50 are 10.0502 shares, rounded down to what can be traded."""
    rig = gateway(settings=plain(fractional=True))
    order = rig._access(lambda venue: made(venue, totalQuantity=D(0), cashQty=1000.0))
    assert order.total == D("10.0502")


def test_a_refused_order_uses_no_number() -> None:
    """The next one that is taken gets the permId that this one would have had."""
    rig = gateway()
    first = rig._access(made).perm_id
    with pytest.raises(RefusalError):
        rig._access(lambda venue: made(venue, lmtPrice=99.001))
    assert rig._access(made).perm_id == first + 1


@pytest.mark.parametrize(
    ("contract", "fields", "con_id"),
    [
        (AAPL, {}, None),
        (CALL, {"orderType": "VOL", "volatility": 0.2, "lmtPrice": None}, 265598),
        (CALL, {"orderType": "PEG STK", "delta": 50.0, "startingPrice": 1.0, "lmtPrice": None}, 265598),
        (
            AAPL,
            {"orderType": "PEG BENCH", "referenceContractId": 272093, "referenceChangeAmount": 1.0},
            272093,
        ),
    ],
)
def test_some_prices_come_from_elsewhere(
    contract: dict[str, Any], fields: dict[str, Any], con_id: int | None
) -> None:
    """From the underlying of an option, or from the contract that an order names."""

    def look(venue: Venue) -> tuple[int | None, Decimal | None]:
        order = made(venue, contract, **fields)
        entry: Entry = venue._entry
        found = entry.followed(order.instrument, order.spec)
        return None if found is None else found.con_id, entry.price_elsewhere(order)

    found, price = gateway()._access(look)
    assert found == con_id
    assert (price is None) == (con_id is None)


def test_a_checked_modification_changes_nothing_yet() -> None:
    """Whether it may be made is one thing, making it another."""
    rig = gateway()
    Pocket(rig).place(1, "BUY", 10, "LMT", lmtPrice=99.5)
    before = rig.books()

    def check(venue: Venue) -> None:
        order = venue.exchange.find(1, 1)
        assert order is not None
        venue._entry.check_modification(order, AAPL, attrs.evolve(order.spec, limit=D(98)))
        with pytest.raises(RefusalError, match="105"):
            venue._entry.check_modification(order, AAPL, attrs.evolve(order.spec, action="SELL"))

    rig._access(check)
    assert rig.books() == before
