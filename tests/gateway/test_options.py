"""The market of an option, which follows what it is on."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import MarketHandle, MarketSettings, MemoryGateway
from ibkr_core.gateway.options import years_left
from tests.gateway.pocket import Pocket, gateway, plain, story

CALL, PUT = "AAPL  261218C00290000", "AAPL  261218P00290000"
CONTRACT = {"localSymbol": CALL, "secType": "OPT", "exchange": "SMART"}


def markets(**wanted: object) -> tuple[MemoryGateway, MarketHandle, MarketHandle, MarketHandle]:
    """A gateway, its AAPL, a call and a put at 290."""
    made = MemoryGateway(settings=plain(**wanted))
    return made, made.market("AAPL"), made.market(CALL, "OPT"), made.market(PUT, "OPT")


def test_options_follow_their_stock() -> None:
    """Up: the call gains and the put loses; back again: both are where they were."""
    _, stock, call, put = markets()
    stock.set_quote(bid="290.00", ask="290.02")
    before = call.quote, put.quote
    assert before[0].bid > 3
    stock.set_quote(bid="300.00", ask="300.02")
    assert call.quote.bid > before[0].ask + 4
    assert put.quote.ask < before[1].bid - 3
    stock.set_quote(bid="290.00", ask="290.02")
    assert (call.quote, put.quote) == before


def test_a_put_a_call_and_their_stock_agree() -> None:
    """At the money with little interest, put and call cost about the same."""
    _, stock, call, put = markets()
    stock.set_quote(bid="290.00", ask="290.02")
    carry = Decimal("0.80")  # what the strike earns until December
    assert call.quote.bid - put.quote.ask < carry < call.quote.ask - put.quote.bid


def test_a_worthless_option_finds_no_buyer() -> None:
    """The bid is zero and has no size; somebody still sells for a tick or so."""
    _, stock, call, _ = markets()
    stock.set_quote(bid="10.00", ask="10.02")
    assert (call.quote.bid, call.quote.bid_size, call.quote.ask) == tuple(map(Decimal, ("0", "0", "0.01")))


def test_time_goes_by() -> None:
    """A month later the same option costs less, and at its end what it gives at once."""
    made, stock, call, _ = markets()
    stock.set_quote(bid="291.00", ask="291.02")
    early = call.quote
    made.run(20 * 86_400)
    assert call.quote.ask < early.bid
    made.run(20 * 86_400)
    assert years_left(call.instrument, made.now()) == 0
    assert call.quote.bid == Decimal("1.00")


def test_a_quote_by_hand_stays() -> None:
    """It follows no more until it is let go; a quote that makes no sense changes nothing."""
    _, stock, call, _ = markets()
    with pytest.raises(InvalidInput):
        call.set_quote(bid=2, ask=1)
    stock.set_quote(bid="300.00", ask="300.02")
    followed = call.quote
    call.set_quote(bid=1, ask=2)
    stock.set_quote(bid="310.00", ask="310.02")
    assert (call.quote.bid, call.quote.ask) == (Decimal(1), Decimal(2))
    call.thaw()
    assert call.quote.bid > followed.ask


def test_a_resting_order_trades_when_the_stock_moves() -> None:
    """A limit order on a call fills when the stock falls far enough, and not before."""
    made = gateway()
    stock, call = made.market("AAPL"), made.market(CALL, "OPT")
    stock.set_quote(bid="290.00", ask="290.02")
    client = Pocket(made)
    limit = float(call.quote.bid - 1)
    client.place(1, "BUY", 1, "LMT", lmtPrice=limit, contract=CONTRACT)
    stock.set_quote(bid="289.50", ask="289.52")
    assert story(client.listen(), 1)[-1:] != ["commission"]
    stock.set_quote(bid="280.00", ask="280.02")
    assert "status Filled 1/0" in story(client.listen(), 1)


def test_a_moving_stock_moves_its_options() -> None:
    """With the same seed always in the same way; looking more often changes no price."""

    def walk(looks: int) -> list[Decimal]:
        made, _, call, put = markets(market=MarketSettings())
        prices = []
        for _ in range(10):
            for _ in range(looks):
                made.run(1.0 / looks)
            prices += [call.quote.bid, put.quote.bid]
        return prices

    assert walk(1) == walk(2)
    assert len(set(walk(1))) > 5


def test_a_resting_spread_trades_when_the_stock_moves() -> None:
    """A limit order on two calls fills when the stock makes the spread cheap enough."""
    made = gateway()
    stock, far = made.market("AAPL"), made.market("AAPL  261218C00300000", "OPT")
    stock.set_quote(bid="300.00", ask="300.02")
    legs = [
        {"conId": made.market(CALL, "OPT").instrument.con_id, "ratio": 1, "action": "BUY"},
        {"conId": far.instrument.con_id, "ratio": 1, "action": "SELL"},
    ]
    spread = {"symbol": "AAPL", "secType": "BAG", "exchange": "SMART", "currency": "USD", "comboLegs": legs}
    client = Pocket(made)
    client.place(1, "BUY", 1, "LMT", lmtPrice=3.0, contract=spread)
    assert "status Filled 1/0" not in story(client.listen(), 1)
    stock.set_quote(bid="270.00", ask="270.02")
    assert "status Filled 1/0" in story(client.listen(), 1)
