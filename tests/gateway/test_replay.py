"""Prices out of a file: when they come, what they show, and which orders they fill."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from ibkr_core.errors import BadPriceFile
from ibkr_core.gateway import MarketHandle, MarketSettings, MemoryGateway, choose
from ibkr_core.gateway.market import Quote
from tests.gateway.pocket import AAPL, Pocket, errors, plain, statuses
from tests.gateway.test_history import wish

D = Decimal
START = 1_700_000_000  # a file's own time, long before the gateway's


class Played:
    """A gateway that replays a file, and a client.

    Args:
        folder: Where to put the file.
        quotes: Lines of ``seconds symbol bid ask bid_size ask_size``.
        trades: Lines of ``seconds symbol price size``; all lines come in order of time.
        speed: How fast.
        walks: Whether what is not in the file walks.
    """

    def __init__(
        self, folder: Path, *, quotes: str = "", trades: str = "", speed: float = 1.0, walks: bool = False
    ) -> None:
        rows = []
        for text, width, before, after in ((quotes, 6, 0, 2), (trades, 4, 4, 0)):
            for line in filter(None, (one.split() for one in text.splitlines())):
                assert len(line) == width
                moment = START + float(line[0])
                rows.append((moment, [f"{moment}", line[1], *[""] * before, *line[2:], *[""] * after]))
        rows.sort(key=lambda row: row[0])
        lines = ["time,symbol,bid,ask,bid_size,ask_size,price,size", *(",".join(cells) for _, cells in rows)]
        self.path = folder / "prices.csv"
        self.path.write_text("\n".join(lines) + "\n", encoding="utf-8")
        market = MarketSettings(moves=walks, speed=speed)
        self.gateway = MemoryGateway(settings=plain(market=market, price_cap=None))
        self.gateway.replay(self.path)
        self.client = Pocket(self.gateway)
        self.market: MarketHandle = self.gateway.market("AAPL")

    def buy(self, order_id: int, quantity: int, limit: float) -> None:
        assert errors(self.client.place(order_id, "BUY", quantity, "LMT", lmtPrice=limit)) == []

    @property
    def fills(self) -> list[tuple[int, int, Decimal]]:
        in_time = sorted(self.gateway.books().executions, key=lambda one: one.root)
        return [(one.order_id, int(one.quantity), one.price) for one in in_time]


def quote(bid: str, ask: str, last: str, bid_size: int, ask_size: int) -> Quote:
    return Quote(bid=D(bid), ask=D(ask), last=D(last), bid_size=D(bid_size), ask_size=D(ask_size))


def test_quotes_come_at_their_time_and_stay_at_the_end(tmp_path: Path) -> None:
    """The first row is now; the last price is dragged along where there are no trades."""
    played = Played(tmp_path, quotes="0 AAPL 190.00 190.02 300 500\n10 AAPL 190.05 190.06 200 100")
    assert played.market.quote == quote("190.00", "190.02", "190.00", 300, 500)
    played.gateway.run(9.9)
    assert played.market.quote.bid == D("190.00")
    played.gateway.run(0.1)
    assert played.market.quote == quote("190.05", "190.06", "190.05", 200, 100)
    played.gateway.run(10_000)
    assert played.market.quote.bid == D("190.05")
    assert played.gateway.next_deadline() is None


def test_speed_scales_the_time_of_the_file(tmp_path: Path) -> None:
    """Ten seconds of the file in one."""
    played = Played(
        tmp_path, quotes="0 AAPL 190 191 1 1\n10 AAPL 192 193 1 1\n20 AAPL 194 195 1 1", speed=10.0
    )
    played.gateway.run(1.0)
    assert played.market.quote.bid == 192
    played.gateway.run(0.9)
    assert played.market.quote.bid == 192
    played.gateway.run(0.2)
    assert played.market.quote.bid == 194


def test_other_symbols_walk_and_later_ones_show_their_first_price(tmp_path: Path) -> None:
    """Nobody trades at a made-up price of something that the file knows; the past leads to it."""
    played = Played(
        tmp_path, quotes="0 AAPL 190 191 1 1\n60 MSFT 300.00 300.10 7 8", trades="90 XOM 120.5 30", walks=True
    )
    assert played.gateway.market("MSFT").quote.bid == 300
    assert played.gateway.market("XOM").quote == quote("120.49", "120.5", "120.5", 30, 30)
    before = played.gateway.market("TSLA").quote
    played.gateway.run(30)
    assert played.gateway.market("TSLA").quote != before
    assert played.gateway.market("MSFT").quote.bid == 300
    contract = {"symbol": "MSFT", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    (told, *_) = played.client.ask("reqHistoricalData", **wish(contract=contract))
    bars = told.fields["historicalDataBars"]
    assert bars
    assert abs(bars[-1]["close"] - 300) < 30


def test_a_quote_that_goes_through_an_order_fills_it_at_its_own_price(tmp_path: Path) -> None:
    """The seller who comes to 99.90 meets our bid of 100.00 first, up to what he has."""
    played = Played(
        tmp_path, quotes="0 AAPL 99.98 100.02 500 500\n5 AAPL 99.89 99.90 500 30\n6 AAPL 99.89 100.00 9 40"
    )
    played.buy(1, 50, 100.0)
    played.buy(2, 50, 100.01)
    played.gateway.run(5)
    assert played.fills == [(2, 30, D("100.01"))], "the better price trades first"
    played.gateway.run(1)
    assert played.fills[1:] == [(2, 20, D("100.01")), (1, 20, D("100.0"))]


def test_a_trade_fills_by_price_and_then_by_time(tmp_path: Path) -> None:
    """Better bids first at their own price; at the printed price the crowd that was there before us."""
    played = Played(
        tmp_path,
        quotes="0 AAPL 100.00 100.05 300 300",
        trades="5 AAPL 100.00 310\n6 AAPL 100.00 25\n7 AAPL 100.05 10",
    )
    played.buy(1, 50, 100.0)
    played.buy(2, 20, 100.01)
    played.gateway.run(5)
    assert played.fills == [(2, 20, D("100.01"))], "290 of the 300 in front of order 1 have traded"
    assert played.market.quote == quote("100.00", "100.05", "100.00", 10, 300), "a trade makes no new quote"
    played.gateway.run(1)
    assert played.fills[1:] == [(1, 15, D("100.00"))]
    played.gateway.run(1)
    assert len(played.fills) == 2, "a buyer takes nothing from a bid"
    assert played.market.quote.last == D("100.05")


def test_a_trade_is_told_with_its_size(tmp_path: Path) -> None:
    """Tick by tick, and as last price and last size."""
    played = Played(tmp_path, quotes="0 AAPL 100.00 100.05 300 300", trades="5 AAPL 100.05 37")
    asked = {"contract": AAPL, "numberOfTicks": 0, "ignoreSize": False, "tickType": "AllLast"}
    played.client.ask("reqTickByTickData", reqId=1, **asked)
    played.client.ask("reqMktData", reqId=2, contract=AAPL)
    played.gateway.run(6)
    told = played.client.listen()
    (tick,) = [one.fields["historicalTickLast"] for one in told if one.kind == "tickByTick"]
    assert (tick["price"], tick["size"]) == (100.05, 37)
    last = [one.fields for one in told if one.kind == "tickPrice" and one.fields["tickType"] == 4]
    assert [(one["price"], one["size"]) for one in last] == [(100.05, 37)]


def test_trades_alone_make_the_quote(tmp_path: Path) -> None:
    """A print above the last price was a buyer's, one below a seller's; its size is on both sides."""
    played = Played(tmp_path, trades="0 AAPL 100.00 40\n5 AAPL 100.10 60\n6 AAPL 99.95 70\n7 AAPL 99.90 5")
    assert played.market.quote == quote("99.99", "100.00", "100.00", 40, 40)
    played.gateway.run(5)
    assert played.market.quote == quote("100.09", "100.10", "100.10", 60, 60)
    played.buy(1, 100, 100.05)
    played.gateway.run(1)
    # The crowd's 60 at 100.09 come before us; then the market has moved through our order.
    assert played.fills == [(1, 10, D("100.05")), (1, 70, D("100.05"))]
    assert (played.market.quote.bid, played.market.quote.last) == (D("99.95"), D("100.05"))


def test_stops_look_at_trades_where_there_are_some(tmp_path: Path) -> None:
    """A quote alone does not elect a stop that goes by the last price; the print does."""
    played = Played(
        tmp_path,
        quotes="0 AAPL 100.00 100.05 300 300\n5 AAPL 98.00 98.05 300 300",
        trades="0 AAPL 100.00 10\n6 AAPL 98.00 10",
    )
    played.client.place(1, "SELL", 10, "STP", auxPrice=99.0)
    played.gateway.run(5)
    assert played.gateway.books().order(1).status == "PreSubmitted"
    played.gateway.run(1)
    assert played.fills == [(1, 10, D("98.00"))]


def test_a_price_by_hand_holds_until_the_next_row(tmp_path: Path) -> None:
    """Then the file goes on."""
    played = Played(tmp_path, quotes="0 AAPL 100 101 1 1\n5 AAPL 102 103 1 1")
    played.market.set_quote(bid=50, ask=51)
    played.gateway.run(4)
    assert played.market.quote.bid == 50
    played.gateway.run(1)
    assert played.market.quote.bid == 102


def test_a_restart_of_the_gateway_does_not_stop_the_file(tmp_path: Path) -> None:
    """Time has gone on meanwhile."""
    played = Played(tmp_path, quotes="0 AAPL 100 101 1 1\n5 AAPL 102 103 1 1\n10 AAPL 104 105 1 1")
    played.gateway.run(1)
    played.gateway.restart(down_s=6)
    played.gateway.run(6)
    assert played.gateway.market("AAPL").quote.bid == 102
    played.gateway.run(3)
    assert played.gateway.market("AAPL").quote.bid == 104


def test_the_same_file_and_requests_give_the_same_fills(tmp_path: Path) -> None:
    """Nothing of it is left to chance."""

    def day(folder: Path) -> tuple[object, ...]:
        folder.mkdir()
        trades = "\n".join(f"{second} AAPL {100 + second % 7 / 100} {second % 5 + 1}" for second in range(40))
        played = Played(folder, trades=trades)
        for number in range(1, 5):
            played.buy(number, 10, 100.0 + number / 100)
            played.gateway.run(5)
        played.gateway.run(30)
        played.client.listen()
        return (*played.fills, *(tuple(one.items()) for one in statuses(played.client.heard, 1)))

    assert day(tmp_path / "one") == day(tmp_path / "two")


def test_a_symbol_that_is_not_on_offer_is_named(tmp_path: Path) -> None:
    """With the line where it comes first, and nothing is replayed."""
    path = tmp_path / "prices.csv"
    path.write_text("time,symbol,price,size\n1,AAPL,50,1\n2,XYZ,9,1\n3,XYZ,9,1\n", encoding="utf-8")
    venue = MemoryGateway(settings=plain())
    with pytest.raises(BadPriceFile, match="line 3, column symbol: must name one instrument on offer"):
        venue.replay(path)
    assert venue.market("AAPL").quote.bid != 50
    venue = MemoryGateway(settings=plain(), catalogue=choose("+XYZ=12.50"))
    venue.replay(path)
    assert venue.market("XYZ").quote.ask == 9
