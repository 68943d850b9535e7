"""What a person can do to a running gateway: each command, and what it says."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.cli.hand import Hand
from ibkr_core.errors import IbkrError, InvalidInput
from tests.gateway.pocket import Pocket, errors, gateway

D = Decimal


class Table:
    """A gateway whose AAPL stands at 100.00 to 100.01, a client, and a hand."""

    def __init__(self) -> None:
        self.gateway = gateway()
        self.client = Pocket(self.gateway)
        self.ended = False
        self.hand = Hand(self.gateway, end=self._end)

    def _end(self) -> None:
        self.ended = True

    def do(self, line: str) -> list[str]:
        return self.hand.do(line)


def test_a_symbol_and_two_prices_set_the_market() -> None:
    """With sizes if they are given; orders that can trade do so."""
    table = Table()
    table.client.place(1, "BUY", 30, "LMT", lmtPrice=99.0)
    assert table.do("aapl 98.90 98.95 300 20") == ["AAPL  bid 98.90 x 300  ask 98.95 x 0  last 98.95"]
    assert table.gateway.books().order(1).filled == 20
    assert table.do("AAPL 189.90 190.00")[0].startswith("AAPL  bid 189.90 x 100000  ask 190.00 x 100000")


def test_a_symbol_alone_shows_its_book() -> None:
    """Five levels at most, our clients' orders among them."""
    table = Table()
    table.gateway.market("AAPL").set_book(bids=[(100, 50), (99, 60)], asks=[(101, 70)])
    table.client.place(1, "BUY", 30, "LMT", lmtPrice=100.0)
    assert [line.split() for line in table.do("AAPL")] == [
        "AAPL bid 100 x 50 ask 101 x 70 last 100.01".split(),
        "100 x 80 101 x 70".split(),
        "99 x 60".split(),
    ]


def test_trades_are_printed_through_the_book_or_past_it() -> None:
    """``trade`` fills who stands in front, after the ten before them; ``last`` touches nobody."""
    table = Table()
    table.client.place(1, "BUY", 30, "LMT", lmtPrice=100.0)
    table.do("AAPL 100.00 100.05 10 10")
    table.do("last AAPL 99.50")
    assert table.gateway.books().order(1).filled == 0
    table.do("trade AAPL 100.00 25")
    assert table.gateway.books().order(1).filled == 15
    assert table.do("trade aapl 100.02 5 sell")[0].endswith("last 100.02")


def test_prices_walk_and_stand() -> None:
    """As they are told."""
    table = Table()
    assert table.do("walk AAPL") == ["AAPL moves"]
    assert table.gateway._access(lambda venue: venue.market(venue.catalogue.by_id(265598)).frozen) is False
    assert table.do("hold 265598")[0].startswith("265598  bid 100")


def test_trading_is_halted_and_closed() -> None:
    """And goes on."""
    table = Table()
    assert table.do("halt AAPL") == ["AAPL is halted"]
    assert errors(table.client.place(1, "BUY", 1)) == [(1, 154)]
    assert table.do("resume AAPL") == ["AAPL trades"]
    assert table.do("close") == ["the exchange is closed"]
    assert errors(table.client.place(2, "BUY", 1)) == [(2, 399)]
    assert table.do("open") == ["the exchange is open"]
    assert table.gateway.books().order(2).status == "Filled"


def test_orders_and_positions_are_listed() -> None:
    """Those that are not done; what is not flat."""
    table = Table()
    assert (table.do("orders"), table.do("positions")) == (["no orders"], ["no positions"])
    table.client.place(1, "BUY", 30, "LMT", lmtPrice=99.0)
    table.client.place(2, "BUY", 10)
    assert table.do("orders") == ["1:1  BUY 30 AAPL  Submitted  filled 0, left 30"]
    (held,) = table.do("positions")
    assert held.startswith("DU1234567  10 AAPL at 100.")


def test_an_order_is_filled_by_hand() -> None:
    """Wholly, in part, at a price; one of a client that shares its id with another's by both numbers."""
    table = Table()
    other = Pocket(table.gateway, 7)
    for client in (table.client, other):
        client.place(1, "BUY", 30, "LMT", lmtPrice=99.0)
    with pytest.raises(IbkrError, match="2 orders"):
        table.do("fill 1")
    (execution,) = table.do("fill 7:1 10 98.5")
    assert table.gateway.books().order(1, 7).average_price == D("98.5")
    assert table.gateway.books().executions[0].exec_id == execution
    table.do("fill 7:1")
    assert table.gateway.books().order(1, 7).status == "Filled"


def test_it_ends_when_it_is_told() -> None:
    """``quit`` says nothing and calls the end."""
    table = Table()
    assert table.do("quit") == []
    assert table.ended


def test_help_names_every_command() -> None:
    """Each with what follows it; comments and empty lines do nothing."""
    table = Table()
    told = "\n".join(table.do("help"))
    for name in ("SYMBOL BID ASK", "trade", "last", "walk", "hold", "halt", "resume", "fill", "quit"):
        assert name in told
    assert table.do("") == table.do("  # a remark") == []


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        ("AAPL 1", "must be: AAPL BID ASK [BID_SIZE ASK_SIZE], or help"),
        ("AAPL 2 1", "must be above the bid"),
        ("AAPL one 2", "must be a number"),
        ("NOSUCH 1 2", "0 instruments fit"),
        ("trade AAPL", "must be: trade SYMBOL PRICE UNITS [BUY|SELL]"),
        ("trade AAPL 100 0", "must be above zero"),
        ("trade AAPL 100 5 HOLD", "must be BUY or SELL"),
        ("orders all", "must be: orders"),
        ("fill one", "must be a whole number"),
        ("fill 9", "0 orders"),
        ('AAPL "1 2', "cannot be read"),
    ],
)
def test_a_command_that_makes_no_sense_changes_nothing(line: str, rule: str) -> None:
    """And says how it is written."""
    table = Table()
    before = table.gateway.market("AAPL").quote
    with pytest.raises(IbkrError) as caught:
        table.do(line)
    assert rule in str(caught.value)
    assert table.gateway.market("AAPL").quote == before
    assert isinstance(caught.value, InvalidInput) or "orders" in rule


@pytest.mark.parametrize("line", ["AAPL 1e400 1e401", "AAPL 1 2 1e15 5", "last AAPL 1e15"])
def test_numbers_beyond_all_arithmetic_are_refused(line: str) -> None:
    """With such a price in the book the next order's money could not be counted."""
    with pytest.raises(InvalidInput, match="below ten to the 15"):
        Table().do(line)
