"""Several clients at one gateway: who hears of what, who may cancel it, and orders made by hand."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import ClientRules, MemoryGateway
from tests.gateway.pocket import Pocket, errors, gateway, kinds, plain, statuses, story


def venue_with(**rules: Any) -> MemoryGateway:
    return gateway(settings=plain(clients=ClientRules(**rules)))


def test_two_clients_use_the_same_order_id() -> None:
    """Each hears of its own order only; the permIds differ."""
    venue = venue_with()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert story(two.listen()) == []
    two.place(1, "SELL", 5, "LMT", lmtPrice=102.0)
    assert story(one.listen()) == []
    assert len({order.perm_id for order in venue.books().orders}) == 2
    shown = [(one.fields["order"]["clientId"], one.fields["orderId"])
             for one in two.ask("reqAllOpenOrders") if one.kind == "openOrder"]  # fmt: skip
    assert shown == [(1, 1), (2, 1)]
    assert [f["clientId"] for f in statuses(two.ask("reqOpenOrders"), 1)] == [2]


def test_no_more_than_so_many_clients() -> None:
    """The next one is told and hung up on; when one leaves there is room again."""
    venue = venue_with(most=3)
    clients = [Pocket(venue, number) for number in range(3)]
    late = Pocket(venue, 3)
    assert (errors(late.heard), late.session.closed) == ([(-1, 502)], True)
    clients[0].session.close()
    assert "nextValidId" in kinds(Pocket(venue, 3).heard)


def test_thirty_two_clients_trade_side_by_side() -> None:
    """As many as a real gateway takes; each is told its own fill."""
    venue = venue_with()
    clients = [Pocket(venue, number) for number in range(32)]
    for client in clients:
        client.place(1, "BUY", 1)
    assert all(statuses(client.heard, 1)[-1]["status"] == "Filled" for client in clients)
    assert venue.books().position("AAPL") == 32
    assert errors(Pocket(venue, 32).heard) == [(-1, 502)]


def test_the_master_hears_everything_but_errors() -> None:
    """Orders, fills and commissions of all clients, once each; refusals are for who asked."""
    venue = venue_with(master=7)
    master, client = Pocket(venue, 7), Pocket(venue, 1)
    master.listen()
    told = client.place(1, "BUY", 10)
    assert master.listen() == told
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.001)
    assert master.listen() == []
    own = master.place(1, "BUY", 1)
    assert kinds(own).count("execDetails") == 1
    assert client.listen() == []


def test_another_clients_order_is_not_found() -> None:
    """10147, and the order rests (TWS facts 4, July 2026)."""
    venue = venue_with()
    owner, other = Pocket(venue, 1), Pocket(venue, 2)
    owner.place(5, "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(other.cancel(5)) == [(5, 10147)]
    assert story(owner.listen()) == []


def test_another_clients_order_may_be_cancelled_where_that_is_allowed() -> None:
    """Then the status names the canceller as client, and both are told (TWS facts 4, April 2026)."""
    venue = venue_with(cross_cancel=True)
    owner, other, third = Pocket(venue, 1), Pocket(venue, 2), Pocket(venue, 3)
    for heard in (owner, other, third):
        heard.heard.clear()
    owner.place(5, "BUY", 10, "LMT", lmtPrice=99.0)
    for heard in (other.cancel(5), owner.listen()):
        assert story(heard) == ["status Cancelled 0/10", "error 202"]
        assert statuses(heard, 5)[0]["clientId"] == 2
    assert third.listen() == []
    assert errors(other.cancel(5)) == [(5, 10147)]
    assert errors(owner.cancel(5)) == [(5, 10148)]


def test_an_id_that_two_clients_use_is_nobodys_to_cancel() -> None:
    """A third client cannot say which it means; its own id always means its own order."""
    venue = venue_with(cross_cancel=True)
    one, two, three = (Pocket(venue, number) for number in (1, 2, 3))
    for client in (one, two):
        client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(three.cancel(1)) == [(1, 10147)]
    assert errors(two.cancel(1)) == [(1, 202)]
    assert story(one.listen()) == []


def test_a_global_cancel_takes_everybodys_orders() -> None:
    """Each owner is told of its own."""
    venue = venue_with()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.place_by_hand("AAPL", "BUY", 5, "LMT", lmtPrice=99.0)
    two.ask("reqGlobalCancel")
    assert story(one.listen()) == ["status Cancelled 0/10", "error 202"]
    assert {order.status for order in venue.books().orders} == {"Cancelled"}


def test_an_order_made_by_hand_has_no_id() -> None:
    """All open orders show it as 0 of client 0; nobody can cancel id 0 (TWS facts 4)."""
    venue = venue_with()
    zero, one = Pocket(venue, 0), Pocket(venue, 1)
    zero.listen()
    perm_id = venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    assert zero.listen() == []
    (order, status, _end) = one.ask("reqAllOpenOrders")
    assert (order.fields["orderId"], order.fields["order"]["permId"]) == (0, perm_id)
    assert (status.fields["orderId"], status.fields["clientId"]) == (0, 0)
    assert errors(zero.cancel(0)) == [(0, 10147)]
    assert kinds(one.ask("reqOpenOrders")) == ["openOrderEnd"]


def test_client_zero_binds_orders_by_asking_for_them() -> None:
    """orderBound, then the order under a negative id, by which it can be modified and cancelled."""
    venue = venue_with()
    zero = Pocket(venue, 0)
    perm_id = venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    second = venue.place_by_hand("AAPL", "BUY", 7, "LMT", lmtPrice=98.0)
    told = zero.ask("reqOpenOrders")
    bound = [dict(one.fields) for one in told if one.kind == "orderBound"]
    assert bound == [
        {"permId": perm_id, "clientId": 0, "orderId": -1},
        {"permId": second, "clientId": 0, "orderId": -2},
    ]
    assert "orderBound" not in kinds(zero.ask("reqOpenOrders"))
    assert zero.place(-1, "BUY", 10, "LMT", lmtPrice=99.5)[0].fields["order"]["lmtPrice"] == 99.5
    assert story(zero.cancel(-2)) == ["status Cancelled 0/7", "error 202"]
    venue.market("AAPL").set_quote(bid="99.40", ask="99.50")
    assert story(zero.listen(), -1)[0] == "fill 10"


def test_client_zero_may_bind_what_is_yet_to_come() -> None:
    """ReqAutoOpenOrders itself brings nothing back; from then on each order is bound before it is told."""
    venue = venue_with()
    zero = Pocket(venue, 0)
    zero.listen()
    assert zero.ask("reqAutoOpenOrders", autoBind=True) == []
    venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    told = zero.listen()
    assert kinds(told)[:3] == ["orderBound", "openOrder", "orderStatus"]
    assert told[1].fields["orderId"] == -1
    zero.ask("reqAutoOpenOrders", autoBind=False)
    venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    assert zero.listen() == []


def test_other_clients_cannot_bind() -> None:
    """327 (TWS facts 4); asking for open orders binds nothing for them."""
    venue = venue_with()
    one = Pocket(venue, 1)
    venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(one.ask("reqAutoOpenOrders", autoBind=True)) == [(-1, 327)]
    one.ask("reqOpenOrders")
    assert venue.books().orders[0].order_id == 0


def test_client_zero_hears_fills_of_unbound_orders() -> None:
    """It sees trades made by hand, nothing else of them (TWS facts 3); the books agree."""
    venue = venue_with()
    zero, one = Pocket(venue, 0), Pocket(venue, 1)
    for client in (zero, one):
        client.listen()
    venue.place_by_hand("AAPL", "BUY", 10)
    told = zero.listen()
    assert kinds(told) == ["execDetails", "commissionReport"]
    assert (told[0].fields["execution"]["orderId"], told[0].fields["execution"]["clientId"]) == (0, 0)
    assert one.listen() == []
    assert venue.books().position("AAPL") == Decimal(10)
    assert kinds(zero.ask("reqCompletedOrders", apiOnly=True)) == ["completedOrdersEnd"]
    assert kinds(zero.ask("reqCompletedOrders", apiOnly=False)) == ["completedOrder", "completedOrdersEnd"]


def test_a_refused_order_by_hand_raises() -> None:
    """Who makes it by hand sees the refusal at once; nothing is booked."""
    venue = venue_with()
    with pytest.raises(InvalidInput, match="110"):
        venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.001)
    assert venue.books().orders == ()


def test_all_open_orders_bind_nothing() -> None:
    """Client 0 sees the order made by hand among all; its own list or auto-binding binds (TWS facts 4)."""
    venue = venue_with()
    zero = Pocket(venue, 0)
    zero.listen()
    venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    assert kinds(zero.ask("reqAllOpenOrders")) == ["openOrder", "orderStatus", "openOrderEnd"]
    assert venue.books().orders[0].order_id == 0
    assert kinds(zero.ask("reqOpenOrders"))[0] == "orderBound"


def test_an_id_belongs_to_its_client() -> None:
    """Placing under another client's id makes an order of one's own; the other order is not modified."""
    venue = venue_with()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(5, "BUY", 10, "LMT", lmtPrice=99.0)
    one.listen()
    two.place(5, "BUY", 7, "LMT", lmtPrice=98.0)
    assert [(order.client_id, order.total) for order in venue.books().orders] == [(1, 10), (2, 7)]
    assert one.listen() == []


def test_executions_are_for_everybody_who_asks() -> None:
    """Each with its own client's id, and its commission; a filter by client leaves one (TWS facts 3)."""
    venue = venue_with()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10)
    two.place(1, "BUY", 5)
    told = two.ask("reqExecutions", reqId=9)
    assert kinds(told) == ["execDetails"] * 2 + ["commissionReport"] * 2 + ["execDetailsEnd"]
    assert [item.fields["execution"]["clientId"] for item in told[:2]] == [1, 2]
    mine = two.ask("reqExecutions", reqId=10, executionFilter={"clientId": 2})
    assert [item.fields["execution"]["clientId"] for item in mine if item.kind == "execDetails"] == [2]


def test_a_master_may_ask_for_everything_but_owns_nothing() -> None:
    """Its own open orders are none; it cancels others' orders no more than any client does."""
    venue = venue_with(master=7)
    master, client = Pocket(venue, 7), Pocket(venue, 1)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    master.listen()
    assert kinds(master.ask("reqOpenOrders")) == ["openOrderEnd"]
    assert errors(master.cancel(1)) == [(1, 10147)]
    assert story(client.cancel(1)) == ["status Cancelled 0/10", "error 202"]
    assert story(master.listen()) == ["status Cancelled 0/10"]


def test_what_rests_is_told_to_its_client_when_it_comes_back() -> None:
    """Before its accounts and its next id, which lies above all that it used (TWS facts 5)."""
    venue = venue_with()
    one = Pocket(venue, 1)
    one.place(4, "BUY", 10, "LMT", lmtPrice=99.0)
    one.session.close()
    again, other = Pocket(venue, 1), Pocket(venue, 2)
    assert kinds(again.heard)[:5] == [
        "openOrder", "orderStatus", "openOrderEnd", "managedAccounts", "nextValidId",
    ]  # fmt: skip
    assert again.heard[4].fields["orderId"] == 5
    assert kinds(other.heard)[:2] == ["managedAccounts", "nextValidId"]
    assert other.heard[1].fields["orderId"] == 1


def test_a_bound_order_that_is_filled_keeps_its_id() -> None:
    """Executions made before the binding were told under 0, later ones under the negative id."""
    venue = venue_with()
    zero = Pocket(venue, 0)
    venue.place_by_hand("AAPL", "BUY", 10, "LMT", lmtPrice=99.0)
    zero.ask("reqOpenOrders")
    venue.market("AAPL").set_quote(bid="98.98", ask="98.99")
    told = zero.listen()
    assert {one.fields["execution"]["orderId"] for one in told if one.kind == "execDetails"} == {-1}
    assert errors(zero.cancel(-1)) == [(-1, 10148)]
    assert kinds(zero.ask("reqOpenOrders")) == ["openOrderEnd"]
