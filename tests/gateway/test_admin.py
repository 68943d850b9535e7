"""The hand behind the gateway."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.errors import InvalidInput, OrderFinished, UnknownOrder
from ibkr_core.gateway import Instrument
from tests.gateway.pocket import Pocket, errors, gateway, statuses, story


def resting(quantity: int = 10) -> tuple[Any, Pocket]:
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", quantity, "LMT", lmtPrice=99.0)
    client.listen()
    return venue, client


def test_an_order_can_be_filled_by_hand() -> None:
    """In part at any price, then the rest at its limit; told like any fill."""
    venue, client = resting()
    assert venue.fill(1, quantity=4, price="98.50").endswith(".01.01")
    assert story(client.listen())[:3] == ["fill 4", "open Submitted", "status Submitted 4/6"]
    venue.fill(1)
    booked = venue.books().order(1)
    assert (booked.status, booked.average_price) == ("Filled", Decimal("98.8"))
    assert [one.price for one in booked.executions] == [Decimal("98.50"), 99]


@pytest.mark.parametrize("quantity", [0, -1, 11, "NaN", "many"])
def test_a_fill_by_hand_must_make_sense(quantity: object) -> None:
    """Nothing is booked otherwise."""
    venue, _ = resting()
    with pytest.raises(InvalidInput, match="quantity"):
        venue.fill(1, quantity=quantity)
    assert venue.books().executions == ()


def test_only_a_living_order_can_be_filled() -> None:
    """Unknown, finished, and a child that waits are refused."""
    venue, client = resting()
    with pytest.raises(UnknownOrder):
        venue.fill(7)
    client.cancel(1)
    with pytest.raises(OrderFinished, match="Cancelled"):
        venue.fill(1)
    other = Pocket(venue, 2)
    other.bracket()
    with pytest.raises(InvalidInput, match="waits for its parent"):
        venue.fill(2)
    other.place(9, "BUY", 1, transmit=False)
    with pytest.raises(OrderFinished, match="not transmitted"):
        venue.kill(9, "no")


def test_an_id_that_two_clients_use_needs_the_client() -> None:
    """Order ids are per client (TWS facts 4)."""
    venue, _ = resting()
    Pocket(venue, 2).place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    with pytest.raises(UnknownOrder, match="2 orders"):
        venue.fill(1)
    with pytest.raises(UnknownOrder):
        venue.books().order(1)
    venue.fill(1, client_id=2)
    assert venue.books().order(1, client_id=2).status == "Filled"


def test_the_broker_may_kill_and_reject() -> None:
    """Cancelled and 202 with the reason; Inactive and 201 with the reason."""
    venue, client = resting()
    venue.kill(1, "The exchange has closed.")
    told = client.listen()
    assert story(told) == ["status Cancelled 0/10", "error 202"]
    assert told[1].fields["errorMsg"] == "Order Canceled - reason:The exchange has closed."
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.reject(2, "No trading permission.")
    told = client.listen()
    assert errors(told) == [(2, 201)]
    assert statuses(told, 2)[-1]["status"] == "Inactive"


def test_a_correction_counts_its_revisions() -> None:
    """From any revision; quantity and price; the account follows exactly."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    first = venue.books().executions[0]
    second = venue.correct_execution(first.exec_id, price=99)
    third = venue.correct_execution(second, quantity=8)
    assert (second[-2:], third[-2:]) == ("02", "03")
    books = venue.books()
    assert [(one.exec_id, one.quantity, one.price) for one in books.executions] == [(third, 8, 99)]
    assert books.position("AAPL") == 8
    assert books.cash["DU1234567"]["USD"] == 1_000_000 - 8 * 99 - first.commission
    assert errors(client.listen()) == []


def test_a_correction_counts_on_in_later_executions() -> None:
    """Cumulative quantity and average price of every execution of the order are those of now."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 100, "LMT", lmtPrice=99.0)
    first = venue.fill(1, quantity=40, price=99)
    venue.fill(1, quantity=30, price=98)
    venue.correct_execution(first, quantity=10, price=96)
    told = [(one.cumulative, one.average) for one in venue.books().executions]
    assert told == [(10, 96), (40, Decimal("97.5"))]
    venue.fill(1, quantity=10, price="97.5")
    assert venue.books().executions[-1].cumulative == 50


def test_a_correction_is_told_to_those_who_watch_positions() -> None:
    """As any fill is."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    client.ask("reqPositions")
    corrected = venue.correct_execution(venue.books().executions[0].exec_id, quantity=7)
    assert [one.fields["position"] for one in client.listen() if one.kind == "position"] == [7]
    venue.bust_execution(corrected)
    assert [one.fields["position"] for one in client.listen() if one.kind == "position"] == [0]


def test_a_correction_before_the_commission_waits_for_it() -> None:
    """The commission is reported once, under the newest id."""
    import attrs

    from ibkr_core.gateway import Choreography
    from tests.gateway.pocket import plain

    style = attrs.evolve(Choreography.plain(), commission_delay_s=(5.0, 5.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    corrected = venue.correct_execution(venue.books().executions[0].exec_id, price=99)
    assert story(client.listen()) == ["fill 10", "open Filled", "status Filled 10/0"]
    venue.run(6)
    assert client.listen()[-1].fields["execId"] == corrected


@pytest.mark.parametrize("wrong", [{"exec_id": "a.b.c.01"}, {"quantity": 0}, {"price": "dear"}])
def test_a_correction_must_make_sense(wrong: dict[str, Any]) -> None:
    """Nothing changes otherwise."""
    venue = gateway()
    Pocket(venue).place(1, "BUY", 10)
    before = venue.books()
    with pytest.raises(InvalidInput):
        venue.correct_execution(**{"exec_id": before.executions[0].exec_id, **wrong})
    assert venue.books() == before


def test_anything_can_be_said_to_a_client() -> None:
    """A lost connection, a warning about an order."""
    venue, client = resting()
    venue.say(1100, "Connectivity between IB and TWS has been lost.", client_id=1)
    venue.say(399, "Order Message", client_id=1, subject=1)
    venue.say(1100, "nobody hears this", client_id=9)
    assert errors(client.listen()) == [(-1, 1100), (1, 399)]


def test_markets_are_found_by_symbol_local_symbol_or_id() -> None:
    """And by nothing else."""
    venue = gateway()
    assert venue.market("AAPL").instrument is venue.market(265598).instrument
    assert venue.market("ESZ6").instrument.symbol == "ES"
    assert venue.market("EUR", "CASH").instrument.local_symbol == "EUR.USD"
    for symbol, sec_type in (("NOSUCH", "STK"), ("ES", "FUT"), (77, "STK")):
        with pytest.raises(InvalidInput, match="symbol"):
            venue.market(symbol, sec_type)


def test_a_market_handle_sets_and_frees() -> None:
    """Numbers of any kind are taken by their text; nonsense is refused."""
    venue = gateway()
    handle = venue.market("AAPL")
    handle.set_quote(bid=99.9, ask="100.1", bid_size=5, ask_size=Decimal(7), last=100)
    quote = handle.quote
    assert (quote.bid, quote.ask, quote.bid_size, quote.ask_size, quote.last) == (
        Decimal("99.9"), Decimal("100.1"), 5, 7, 100,
    )  # fmt: skip
    with pytest.raises(InvalidInput, match="bid"):
        handle.set_quote(bid="inf", ask=1)
    handle.thaw()
    venue.run(5)
    moved = handle.quote
    handle.freeze()
    venue.run(5)
    assert quote != moved == handle.quote


def test_an_instrument_of_ones_own_can_be_traded() -> None:
    """Add it, price it, buy it."""
    venue = gateway()
    venue.add_instrument(Instrument(con_id=5, symbol="MINE", sec_type="STK", local_symbol="MINE"))
    venue.market("MINE").set_quote(bid=1, ask="1.01")
    client = Pocket(venue)
    client.place(
        1, "BUY", 10, contract={"symbol": "MINE", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    )
    assert venue.books().position("MINE") == 10


def test_the_books_are_a_snapshot() -> None:
    """They do not change afterwards."""
    venue, _ = resting()
    books = venue.books()
    venue.fill(1)
    assert books.order(1).filled == 0
    assert books.position("AAPL") == 0
    assert venue.books().position("AAPL", account="DU1234567") == 10
    assert venue.books().position("AAPL", account="DU9") == 0


def test_the_books_are_told_in_lines() -> None:
    """Every order, every position and the cash, for people."""
    venue, _ = resting()
    venue.fill(1, quantity=4, price="98.50")
    lines = str(venue.books()).splitlines()
    assert lines[0].startswith("#1 of client 1: BUY 10 AAPL: Submitted 4 of 10 at 98.50, commission ")
    (account,) = venue.books().positions
    assert lines[1] == f"{account} AAPL 4"
    assert lines[2].startswith(f"{account} cash ")
    assert lines[2].endswith(" USD")
