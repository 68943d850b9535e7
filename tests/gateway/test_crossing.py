"""Orders in the book: levels walked, queues kept, and clients who trade with each other."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway import MarketHandle, MarketSettings
from ibkr_core.gateway.orderbook import CROWD
from ibkr_core.gateway.orders import GatewayOrder, Phase
from tests.gateway.pocket import Pocket, errors, gateway, plain, story

D = Decimal
ONE, TWO = "DU1", "DU2"


class Pit:
    """Two clients of two accounts before one market, AAPL at 100.00 to 100.10."""

    def __init__(self, **wanted: Any) -> None:
        wanted.setdefault("price_cap", None)
        self.gateway = gateway(settings=plain(accounts=(ONE, TWO), **wanted))
        self.market: MarketHandle = self.gateway.market("AAPL")
        self.market.set_quote(bid=100, ask="100.10", bid_size=300, ask_size=300)
        self.clients = {ONE: Pocket(self.gateway, 1), TWO: Pocket(self.gateway, 2)}
        self.last_id = 0

    def order(
        self,
        account: str,
        action: str,
        quantity: int,
        limit: float | None = None,
        *,
        strict: bool = True,
        **fields: Any,
    ) -> int:
        """Place an order, which must be taken; returns its id, which no other order of either client has."""
        self.last_id += 1
        kind = fields.pop("kind", "MKT" if limit is None else "LMT")
        if limit is not None:
            fields["lmtPrice"] = limit
        told = self.clients[account].place(self.last_id, action, quantity, kind, account=account, **fields)
        assert not strict or self.last_id not in {subject for subject, _ in errors(told)}
        return self.last_id

    @property
    def fills(self) -> list[tuple[int, int, Decimal]]:
        """Order, units and price of each fill, in order of time."""
        in_time = sorted(self.gateway.books().executions, key=lambda one: one.root)
        return [(one.order_id, int(one.quantity), one.price) for one in in_time]

    def status(self, order_id: int) -> str:
        return self.gateway.books().order(order_id).status

    def fresh(self) -> list[tuple[int, int, Decimal]]:
        """The fills since the last look."""
        known = getattr(self, "_known", 0)
        self._known = len(self.fills)
        return self.fills[known:]


def test_a_marketable_order_walks_the_levels() -> None:
    """Each level at its own price; the limit ends the walk, and the rest becomes the best bid."""
    pit = Pit()
    pit.market.set_book(bids=[("99.99", 50)], asks=[("100.00", 30), ("100.01", 40), ("100.05", 100)])
    pit.order(ONE, "BUY", 90, 100.01)
    assert pit.fills == [(1, 30, D("100.00")), (1, 40, D("100.01"))]
    assert pit.market.depth() == ([(D("100.01"), 20), (D("99.99"), 50)], [(D("100.05"), 100)])
    assert pit.market.quote.last == D("100.01")


def test_two_clients_trade_with_each_other() -> None:
    """At the price of the one who was there first; each hears of its own side only, and the books agree."""
    pit = Pit()
    seller = pit.order(ONE, "SELL", 50, 100.05)
    buyer = pit.order(TWO, "BUY", 30, 100.07)
    assert sorted(pit.fills) == [(seller, 30, D("100.05")), (buyer, 30, D("100.05"))]
    told = pit.clients[ONE].listen()
    assert story(told) == story(told, seller), "nothing of the buyer's"
    assert story(told)[0] == "fill 30"
    assert "status Submitted 30/20" in story(told)
    books = pit.gateway.books()
    assert (books.position("AAPL", ONE), books.position("AAPL", TWO)) == (-30, 30)
    assert (pit.status(buyer), pit.status(seller)) == ("Filled", "Submitted")
    assert pit.market.depth()[1][0] == (D("100.05"), 20)


def test_the_queue_is_price_then_time() -> None:
    """A better price first, then who came first: the crowd of that price before those who joined it."""
    pit = Pit()
    late = pit.order(ONE, "BUY", 10, 100.0)
    later = pit.order(ONE, "BUY", 10, 100.0)
    better = pit.order(ONE, "BUY", 10, 100.02)
    pit.order(TWO, "SELL", 325, 100.0)
    mine = [fill for fill in pit.fills if fill[0] in {late, later, better}]
    assert mine == [(better, 10, D("100.02")), (late, 10, D("100.00")), (later, 5, D("100.00"))]


def test_a_modified_order_may_lose_its_place() -> None:
    """Less keeps it; more, or another price and back, goes to the end."""
    pit = Pit()
    first, second = pit.order(ONE, "SELL", 10, 100.05), pit.order(ONE, "SELL", 10, 100.05)
    pit.clients[ONE].place(first, "SELL", 6, "LMT", lmtPrice=100.05, account=ONE)
    pit.order(TWO, "BUY", 6)
    assert pit.fresh()[0][0] in {first, 3}
    assert pit.status(first) == "Filled"
    third = pit.order(ONE, "SELL", 10, 100.05)
    pit.clients[ONE].place(second, "SELL", 12, "LMT", lmtPrice=100.05, account=ONE)
    pit.order(TWO, "BUY", 10)
    assert (pit.status(second), pit.status(third)) == ("Submitted", "Filled")


def test_icebergs_and_hidden_orders_in_the_queue() -> None:
    """A slice trades in its turn and the next one queues up again; what is hidden trades last."""
    pit = Pit()
    hidden = pit.order(ONE, "SELL", 5, 100.05, hidden=True)
    iceberg = pit.order(ONE, "SELL", 10, 100.05, displaySize=4)
    plain_order = pit.order(ONE, "SELL", 5, 100.05)
    assert pit.market.depth()[1][0] == (D("100.05"), 9)
    pit.order(TWO, "BUY", 20)
    makers = [(order, units) for order, units, _ in pit.fills if order <= plain_order]
    assert makers == [(iceberg, 4), (plain_order, 5), (iceberg, 4), (iceberg, 2), (hidden, 5)]


def test_one_account_does_not_trade_with_itself() -> None:
    """The order that rests is cancelled with 202 and a reason; the newcomer meets who comes next."""
    pit = Pit()
    mine = pit.order(ONE, "SELL", 50, 100.05)
    theirs = pit.order(TWO, "SELL", 50, 100.06)
    pit.order(ONE, "BUY", 20)
    assert sorted(pit.fills) == [(theirs, 20, D("100.06")), (3, 20, D("100.06"))]
    assert pit.status(mine) == "Cancelled"
    told = [one for one in pit.clients[ONE].heard if one.kind == "error" and one.fields["id"] == mine]
    assert {one.fields["errorCode"] for one in told} == {202}
    reason = told[0].fields["errorMsg"]
    assert "Self-match prevention" in reason


def test_an_order_without_a_price_waits_for_somebody_to_come() -> None:
    """It cannot stand in the queue, but takes an order that comes to rest; so does one for all or none."""
    pit = Pit()
    pit.market.set_quote(bid=100, ask="100.10", ask_size=0)
    market_order = pit.order(ONE, "BUY", 10)
    whole = pit.order(ONE, "BUY", 30, 100.10, allOrNone=True)
    assert pit.fills == []
    pit.order(TWO, "SELL", 25, 100.08)
    assert sorted(pit.fresh()) == [(market_order, 10, D("100.08")), (3, 10, D("100.08"))]
    assert pit.status(whole) == "Submitted"
    pit.order(TWO, "SELL", 20, 100.09)
    assert pit.status(whole) == "Filled"
    assert [units for order, units, _ in pit.fresh() if order == whole] == [15, 15]


def test_fill_or_kill_counts_the_whole_book() -> None:
    """Levels and other clients' orders, seen and hidden, but not one's own."""
    pit = Pit()
    pit.market.set_book(bids=[(100, 10)], asks=[("100.10", 10), ("100.11", 10)])
    pit.order(TWO, "SELL", 10, 100.10, hidden=True)
    pit.order(ONE, "SELL", 10, 100.12)
    killed = pit.order(ONE, "BUY", 31, 100.12, tif="FOK")
    assert (pit.fills, pit.status(killed)) == ([], "Inactive")
    filled = pit.order(ONE, "BUY", 30, 100.11, tif="FOK")
    assert pit.status(filled) == "Filled"


def test_a_pegged_order_can_be_met() -> None:
    """A midpoint order is hidden in the middle; a seller who comes meets it before the bid."""
    pit = Pit()
    pegged = pit.order(ONE, "BUY", 10, kind="PEG MID")
    relative = pit.order(ONE, "BUY", 10, kind="REL", auxPrice=0.01)
    assert pit.market.depth()[0][0] == (D("100.01"), 10)
    pit.order(TWO, "SELL", 25)
    assert [fill for fill in pit.fills if fill[0] in {pegged, relative}] == [
        (pegged, 10, D("100.05")),
        (relative, 10, D("100.01")),
    ]


def test_others_trade_by_hand_through_the_queue() -> None:
    """A printed trade fills whoever stands before it, in parts; at the price the crowd was there first."""
    pit = Pit()
    mine = pit.order(ONE, "SELL", 50, 100.10)
    better = pit.order(TWO, "SELL", 20, 100.08)
    pit.market.trade("100.10", 330)
    assert pit.fills == [(better, 20, D("100.08")), (mine, 10, D("100.10"))]
    pit.market.trade("100.00", 10)
    pit.market.trade("100.09", 10)
    assert len(pit.fills) == 2
    pit.market.trade("100.05", 10, "SELL")
    assert pit.market.quote.last == D("100.05")
    pit.gateway.halt("AAPL")
    pit.market.trade("100.20", 40)
    assert len(pit.fills) == 2, "in a halt nothing trades"


def test_a_group_that_shrinks_an_order_shrinks_it_in_the_queue() -> None:
    """OCA 2 reduces the other member by what the one got."""
    pit = Pit()
    fields = {"ocaGroup": "g", "ocaType": 2}
    one = pit.order(ONE, "SELL", 20, 100.05, **fields)
    other = pit.order(ONE, "SELL", 20, 100.06, **fields)
    pit.order(TWO, "BUY", 5, 100.05)
    assert pit.market.depth()[1][:2] == [(D("100.05"), 15), (D("100.06"), 15)]
    pit.order(TWO, "BUY", 15, 100.05)
    assert (pit.status(one), pit.status(other)) == ("Filled", "Cancelled")
    assert pit.market.depth()[1] == [(D("100.10"), 300)]


@pytest.mark.parametrize("units", [50, 40, 30])
def test_many_small_fills_shrink_a_group_like_one_large_one(units: int) -> None:
    """OCA 2 in proportion: half of the one takes half of the other, however it is rounded on the way."""
    pit = Pit()
    fields = {"ocaGroup": "g", "ocaType": 2}
    one = pit.order(ONE, "SELL", 100, 100.05, **fields)
    other = pit.order(ONE, "SELL", units, 100.06, **fields)
    for _ in range(50):
        pit.gateway.fill(one, quantity=1)
    assert pit.gateway.books().order(other).total == D(units) / 2


def test_nothing_is_killed_half_filled_when_the_other_side_is_a_group() -> None:
    """Of an OCA group one member can be had: fill-or-kill must not count on the others."""
    pit = Pit()
    for _ in range(2):
        pit.order(ONE, "SELL", 100, 100.05, ocaGroup="g", ocaType=1)
    killed = pit.order(TWO, "BUY", 200, 100.05, tif="FOK")
    assert (pit.fills, pit.status(killed)) == ([], "Inactive")
    filled = pit.order(TWO, "BUY", 100, 100.05, tif="FOK")
    assert pit.status(filled) == "Filled"


def test_what_is_modified_during_a_halt_stands_in_the_queue_as_modified() -> None:
    """Whoever comes first afterwards meets the new price and size, and nobody is filled beyond them."""
    pit = Pit()
    pit.market.set_quote(bid=90, ask=120)
    seller, buyer = pit.order(ONE, "SELL", 100, 105.0), pit.order(TWO, "BUY", 100, 95.0)
    pit.gateway.halt("AAPL")
    pit.clients[ONE].place(seller, "SELL", 50, "LMT", lmtPrice=115.0, account=ONE)
    pit.clients[TWO].place(buyer, "BUY", 100, "LMT", lmtPrice=106.0, account=TWO)
    assert pit.market.depth(1) == ([(D("106.0"), 100)], [(D("115.0"), 50)])
    pit.gateway.halt("AAPL", halted=False)
    assert pit.fills == []
    pit.clients[TWO].place(buyer, "BUY", 100, "LMT", lmtPrice=115.0, account=TWO)
    assert sorted(pit.fills) == [(seller, 50, D("115.0")), (buyer, 50, D("115.0"))]


def test_a_correction_changes_what_an_order_still_wants() -> None:
    """The queue follows a corrected quantity both ways, and an order that wants nothing more is filled."""
    pit = Pit()
    order = pit.order(ONE, "BUY", 100, 100.05)
    first = pit.gateway.fill(order, quantity=40)
    assert pit.market.depth(1)[0] == [(D("100.05"), 60)]
    corrected = pit.gateway.correct_execution(first, quantity=70)
    assert pit.market.depth(1)[0] == [(D("100.05"), 30)]
    corrected = pit.gateway.bust_execution(corrected)
    assert pit.market.depth(1)[0] == [(D("100.05"), 100)]
    child = pit.order(ONE, "SELL", 100, 100.20, parentId=order)
    pit.gateway.correct_execution(corrected, quantity=100)
    assert (pit.status(order), pit.status(child)) == ("Filled", "Submitted")
    assert pit.market.depth(1)[0] == [(D(100), 300)]


def test_an_order_that_ends_leaves_the_queue() -> None:
    """Cancelled, or filled from outside in part or wholly."""
    pit = Pit()
    gone, part = pit.order(ONE, "BUY", 10, 100.03), pit.order(ONE, "BUY", 10, 100.04)
    pit.clients[ONE].cancel(gone)
    pit.gateway.fill(part, quantity=4)
    assert pit.market.depth()[0] == [(D("100.04"), 6), (D("100.00"), 300)]
    pit.gateway.fill(part)
    assert pit.market.depth()[0] == [(D("100.00"), 300)]


def test_a_large_order_moves_the_market_and_the_market_comes_back() -> None:
    """It walks the ladder at worse and worse prices; half of what it took comes back with each step."""
    pit = Pit(market=MarketSettings(max_step_ticks=0, interval_s=1.0), check_funds=False)
    pit.market.thaw()
    before, (_, ladder) = pit.market.quote, pit.market.depth()
    whole = sum(size for _, size in ladder)
    pit.order(ONE, "BUY", int(sum(size for _, size in ladder[:8])))
    paid = [price for _, _, price in pit.fills]
    assert paid == [price for price, _ in ladder[:8]]
    after = pit.market.quote
    assert after.ask == ladder[8][0] > before.ask
    assert (after.bid, after.bid_size) == (before.bid, before.bid_size)
    pit.gateway.run(10)
    assert pit.market.quote.ask - pit.market.quote.bid <= D("0.02")
    assert sum(size for _, size in pit.market.depth()[1]) > whole / 3


def test_a_modified_order_that_crosses_pays_what_is_asked() -> None:
    """It comes anew, so the price is that of whoever stands there, not the one at which it rested."""
    pit = Pit(market=MarketSettings(max_step_ticks=0, interval_s=1.0))
    pit.market.thaw()
    quote = pit.market.quote
    order = pit.order(ONE, "BUY", 10, float(quote.bid - 1))
    pit.clients[ONE].place(order, "BUY", 10, "LMT", lmtPrice=float(quote.ask), account=ONE)
    assert pit.fills == [(order, 10, quote.ask)]


def test_liquidity_is_added_by_who_was_there_and_removed_by_who_comes() -> None:
    """1 and 2 (TWS facts 3), also when the newcomer's limit is just the price."""
    pit = Pit()
    pit.order(ONE, "SELL", 10, 100.05)
    pit.order(TWO, "BUY", 10, 100.05)
    pit.order(ONE, "BUY", 10, 100.10)
    pit.order(ONE, "SELL", 10, 100.05)
    pit.market.trade("100.05", 10, "BUY")
    liquidity = {one.order_id: one.liquidity for one in pit.gateway.books().executions}
    assert liquidity == {1: 1, 2: 2, 3: 2, 4: 1}


def test_by_hand_everything_trades_at_the_price_that_was_set() -> None:
    """A market that a hand moves through an order has jumped: the order gets the better price."""
    pit = Pit()
    order = pit.order(ONE, "BUY", 10, 100.05)
    pit.market.set_quote(bid="99.00", ask="99.10")
    assert pit.fills == [(order, 10, D("99.10"))]


def test_the_walk_trades_with_orders_that_rest() -> None:
    """Prints of others fill an order at the front in parts, lot by lot, at its own price."""
    pit = Pit(market=MarketSettings(max_step_ticks=0, interval_s=1.0, max_lots=2))
    pit.market.thaw()
    quote = pit.market.quote
    inside = quote.bid + (quote.ask - quote.bid) / 2
    resting = pit.order(ONE, "BUY", 250, float(inside.quantize(D("0.01"))))
    pit.gateway.run(60)
    assert pit.status(resting) == "Filled"
    assert [(units, price) for _, units, price in pit.fills] == [
        (100, inside.quantize(D("0.01"))),
        (100, inside.quantize(D("0.01"))),
        (50, inside.quantize(D("0.01"))),
    ]


prices = st.integers(9_990, 10_010).map(lambda cents: cents / 100)
orders = st.tuples(
    st.sampled_from([ONE, TWO]), st.sampled_from(["BUY", "SELL"]), st.integers(1, 40),
    st.none() | prices, st.sampled_from(["DAY", "IOC"]), st.sampled_from([0, 3]), st.booleans(),
)  # fmt: skip
happenings = st.lists(orders | st.tuples(st.integers(9_990, 10_005), st.integers(0, 60)), max_size=25)


@settings(max_examples=40)
@given(what=happenings, walks=st.booleans())
def test_the_book_and_the_orders_agree(what: list[tuple[Any, ...]], walks: bool) -> None:
    """Whatever happens the book is not crossed, and holds exactly the orders that live, as they stand."""
    pit = Pit(market=MarketSettings(moves=walks, interval_s=0.5))
    if walks:
        pit.market.thaw()
    for one in what:
        if len(one) == 2:
            bid = D(one[0]) / 100
            if one[1] % 2 and not walks:
                pit.market.trade(bid, one[1])
            elif not walks:
                pit.market.set_quote(bid=bid, ask=bid + D("0.02"), bid_size=one[1], ask_size=one[1])
            pit.gateway.run(0.5)
        else:
            account, action, units, limit, tif, display, hidden = one
            pit.order(
                account, action, units, limit, tif=tif, displaySize=display, hidden=hidden, strict=False
            )
        check(pit)


def check(pit: Pit) -> None:
    """The book of the pit against the exchange's orders."""
    live: list[GatewayOrder] = pit.gateway._access(
        lambda venue: [order for order in venue.exchange.orders() if order.phase is Phase.LIVE]
    )
    book = pit.gateway._access(lambda venue: venue.market(pit.market.instrument).book)
    bids, asks = (book.first(action, None) for action in ("SELL", "BUY"))
    if bids is not None and asks is not None:
        assert bids.price < asks.price, "the book is crossed"
    for order in live:
        one = book.order(order.perm_id)
        if order.spec.limit is None:
            assert one is None
        else:
            assert one is not None
            assert (one.total, one.price) == (order.remaining, order.limit)
    resting = {
        one.key
        for side in ("BUY", "SELL")
        for price in book._sides[side].prices
        for one in book.queue(side, price)
    }
    wanted = {order.perm_id for order in live if order.spec.limit is not None}
    assert resting - {CROWD} == wanted, "an order that is done rests"


sides = st.sampled_from([(ONE, "BUY"), (ONE, "SELL"), (TWO, "BUY"), (TWO, "SELL")])
groups = st.sampled_from([{}, {}, {"ocaGroup": "g", "ocaType": 1}, {"ocaGroup": "h", "ocaType": 2}])
deeds = st.one_of(
    st.tuples(st.just("place"), sides, st.integers(1, 20), prices, groups, st.sampled_from(["DAY", "FOK"])),
    st.tuples(st.just("modify"), st.integers(0, 3), st.integers(1, 20), prices),
    st.tuples(st.just("correct"), st.integers(0, 3), st.integers(0, 20)),
    st.tuples(st.just("halt")),
)


class Trouble:
    """Halts, corrections, groups and modifications in one pit."""

    def __init__(self) -> None:
        self.pit = Pit()
        self.pit.market.set_quote(bid="99.95", ask="100.05", bid_size=30, ask_size=30)
        self.halted = False
        self.placed: list[tuple[str, str, int, dict[str, Any]]] = []
        self.corrected: set[int] = set()

    def place(self, side: tuple[str, str], units: int, limit: float, group: Any, tif: str) -> None:
        if not self.halted:
            order_id = self.pit.order(*side, units, limit, tif=tif, strict=False, **group)
            self.placed.append((*side, order_id, {"tif": tif, **group}))

    def modify(self, which: int, units: int, limit: float) -> None:
        if which < len(self.placed):
            account, action, order_id, kept = self.placed[which]
            client = self.pit.clients[account]
            client.place(order_id, action, units, "LMT", lmtPrice=limit, account=account, **kept)

    def correct(self, which: int, units: int) -> None:
        fills = self.pit.gateway.books().executions
        if which < len(fills):
            fill, units = fills[which], min(units, int(fills[which].quantity))
            self.corrected.add(fill.perm_id)
            if units:
                self.pit.gateway.correct_execution(fill.exec_id, quantity=units)
            else:
                self.pit.gateway.bust_execution(fill.exec_id)

    def halt(self) -> None:
        self.halted = not self.halted
        self.pit.gateway.halt("AAPL", halted=self.halted)


@settings(max_examples=60)
@given(st.lists(deeds, min_size=15, max_size=30))
def test_trouble_lets_nobody_have_more_than_was_asked_for(what: list[tuple[Any, ...]]) -> None:
    """The book holds what each order still wants at its price; nothing overfills or is half killed."""
    trouble = Trouble()
    trouble.place((ONE, "BUY"), 20, 100.0, {}, "DAY")
    trouble.place((TWO, "SELL"), 10, 100.0, {}, "DAY")
    for name, *arguments in what:
        getattr(trouble, name)(*arguments)
        found: list[GatewayOrder] = trouble.pit.gateway._access(lambda venue: list(venue.exchange.orders()))
        book = trouble.pit.gateway._access(lambda venue: venue.market(trouble.pit.market.instrument).book)
        for order in found:
            assert order.filled <= order.total
            one = book.order(order.perm_id)
            if order.phase is Phase.LIVE:
                assert order.remaining > 0
            if one is not None:
                assert (order.phase, one.total, one.price) == (Phase.LIVE, order.remaining, order.limit)
            if order.spec.tif == "FOK" and order.perm_id not in trouble.corrected:
                assert order.filled in {0, order.total}
