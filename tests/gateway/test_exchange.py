"""Invariants of matching and of the books, whatever clients and markets do.

One machine drives a whole gateway through its production session and codec and holds, after every step:

* cash and positions are exactly the sum of the executions; a flat book has realised what cash gained;
* an order never fills beyond what it asked for; filled plus remaining is what is wanted while it lives;
* what the client was told last is what the gateway believes;
* in a bracket no child trades before its parent is complete, and none outlives a parent that died;
* of an OCA group with block nothing lives once one member is complete.
"""

from __future__ import annotations

from collections import Counter
from decimal import Decimal

import attrs
from hypothesis import note, settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from ibkr_core.gateway import Choreography, MemoryGateway
from ibkr_core.gateway.orders import GatewayOrder, Phase
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket, gateway, plain

TICK = Decimal("0.01")
CASH = Decimal(1_000_000)
quantities = st.integers(1, 20)
prices = st.integers(9_500, 10_500).map(lambda cents: cents * TICK)
TYPES = ["MIT", "LIT", "MTL", "MOC", "LOC", "REL", "PEG MID", "MIDPRICE", "TRAIL LIMIT", "MKT"]
actions = st.sampled_from(["BUY", "SELL"])


class Trading(RuleBasedStateMachine):
    """A client that does whatever hypothesis likes."""

    ids = Bundle("ids")

    @initialize(seed=st.integers(0, 9), lively=st.booleans())
    def open(self, seed: int, lively: bool) -> None:
        style = attrs.evolve(
            Choreography() if lively else Choreography.plain(), dead_orders_on_global_cancel=False
        )
        self.gateway: MemoryGateway = gateway(seed=seed, settings=plain(choreography=style, price_cap=None))
        self.client = Pocket(self.gateway)
        self.next_id = 0
        self.shown: dict[int, tuple[str, Decimal]] = {}
        self.fills: Counter[str] = Counter()
        self.commissions: Counter[str] = Counter()

    def _new(self) -> int:
        self.next_id += 1
        return self.next_id

    @rule(
        target=ids,
        action=actions,
        quantity=quantities,
        limit=st.none() | prices,
        tif=st.sampled_from(["DAY", "IOC", "FOK"]),
    )
    def place(self, action: str, quantity: int, limit: Decimal | None, tif: str) -> int:
        order_id = self._new()
        if limit is None:
            self.hear(self.client.place(order_id, action, quantity, tif=tif))
        else:
            self.hear(self.client.place(order_id, action, quantity, "LMT", lmtPrice=float(limit), tif=tif))
        return order_id

    @rule(target=ids, action=actions, quantity=quantities, stop=prices, limit=st.none() | prices)
    def stop(self, action: str, quantity: int, stop: Decimal, limit: Decimal | None) -> int:
        order_id = self._new()
        fields = {"auxPrice": float(stop)}
        if limit is not None:
            fields["lmtPrice"] = float(limit)
        self.hear(
            self.client.place(order_id, action, quantity, "STP" if limit is None else "STP LMT", **fields)
        )
        return order_id

    @rule(target=ids, action=actions, quantity=quantities, cents=st.integers(1, 200))
    def trail(self, action: str, quantity: int, cents: int) -> int:
        order_id = self._new()
        self.hear(self.client.place(order_id, action, quantity, "TRAIL", auxPrice=cents / 100))
        return order_id

    @rule(
        target=ids, action=actions, quantity=quantities, aux=prices, limit=prices, kind=st.sampled_from(TYPES)
    )
    def special(self, action: str, quantity: int, aux: Decimal, limit: Decimal, kind: str) -> int:
        order_id = self._new()
        distance = kind in {"TRAIL LIMIT", "REL", "PEG MID", "MIDPRICE"}
        fields = {
            "auxPrice": float(aux - 95 + TICK) if distance else float(aux),
            "lmtPrice": float(limit),
            "tif": "OPG" if kind == "MKT" else "DAY",
        }
        self.hear(self.client.place(order_id, action, quantity, kind, **fields))
        return order_id

    @rule(price=prices)
    def print_trade(self, price: Decimal) -> None:
        self.gateway.market("AAPL").set_last(price)
        self.hear(self.client.listen())

    @rule(how=st.sampled_from(["close_exchange", "end_day"]))
    def night(self, how: str) -> None:
        getattr(self.gateway, how)()
        self.gateway.run(1)
        self.gateway.open_exchange()
        self.hear(self.client.listen())

    @rule(target=ids, quantity=quantities, entry=prices, width=st.integers(1, 300))
    def bracket(self, quantity: int, entry: Decimal, width: int) -> object:
        parent, profit, loss = self._new(), self._new(), self._new()
        away = width * TICK
        self.client.place(parent, "BUY", quantity, "LMT", lmtPrice=float(entry), transmit=False)
        self.client.place(
            profit, "SELL", quantity, "LMT", lmtPrice=float(entry + away), parentId=parent, transmit=False
        )
        self.hear(
            self.client.place(loss, "SELL", quantity, "STP", auxPrice=float(entry - away), parentId=parent)
        )
        return multiple(parent, profit, loss)

    @rule(
        target=ids,
        oca_type=st.sampled_from([1, 2, 3]),
        sizes=st.lists(quantities, min_size=2, max_size=3),
        limit=prices,
    )
    def oca(self, oca_type: int, sizes: list[int], limit: Decimal) -> object:
        members = [self._new() for _ in sizes]
        for step, (order_id, size) in enumerate(zip(members, sizes, strict=True)):
            fields = {
                "lmtPrice": float(limit + step * TICK),
                "ocaGroup": f"g{members[0]}",
                "ocaType": oca_type,
            }
            self.hear(self.client.place(order_id, "BUY", size, "LMT", **fields))
        return multiple(*members)

    @rule(order_id=ids, quantity=quantities, limit=prices)
    def modify(self, order_id: int, quantity: int, limit: Decimal) -> None:
        order = self._order(order_id)
        fields = {"parentId": order.spec.parent_id} if order.waits_for_parent else {}
        self.hear(
            self.client.place(order_id, order.spec.action, quantity, "LMT", lmtPrice=float(limit), **fields)
        )

    @rule(order_id=ids)
    def cancel(self, order_id: int) -> None:
        self.hear(self.client.cancel(order_id))

    @rule()
    def cancel_all(self) -> None:
        self.hear(self.client.ask("reqGlobalCancel"))

    @rule(bid=prices, spread=st.integers(1, 50), bid_size=st.integers(0, 30), ask_size=st.integers(0, 30))
    def quote(self, bid: Decimal, spread: int, bid_size: int, ask_size: int) -> None:
        self.gateway.market("AAPL").set_quote(
            bid=bid, ask=bid + spread * TICK, bid_size=bid_size, ask_size=ask_size
        )
        self.hear(self.client.listen())

    @rule(order_id=ids, price=prices, data=st.data())
    def force(self, order_id: int, price: Decimal, data: st.DataObject) -> None:
        order = self._order(order_id)
        if order.phase is not Phase.LIVE or order.waits_for_parent or order.remaining < 1:
            return
        units = data.draw(st.integers(1, int(order.remaining)))
        self.gateway.fill(order_id, quantity=units, price=price)
        self.hear(self.client.listen())

    @rule(seconds=st.sampled_from([0.001, 0.01, 1.0]))
    def wait(self, seconds: float) -> None:
        self.gateway.run(seconds)
        self.hear(self.client.listen())

    def hear(self, messages: list[Message]) -> None:
        for message in messages:
            fields = message.fields
            if message.kind == "orderStatus":
                before = self.shown.get(fields["orderId"], ("", Decimal(0)))[1]
                assert fields["filled"] >= before, "a status lowered filled"
                self.shown[fields["orderId"]] = fields["status"], fields["filled"]
            elif message.kind == "execDetails":
                self.fills[fields["execution"]["execId"]] += 1
            elif message.kind == "commissionReport":
                assert self.fills[fields["execId"]] == 1, "a commission came before its execution"
                self.commissions[fields["execId"]] += 1

    def _orders(self) -> list[GatewayOrder]:
        return self.gateway._access(lambda venue: list(venue.exchange.orders()))

    def _order(self, order_id: int) -> GatewayOrder:
        return next(order for order in self._orders() if order.order_id == order_id)

    @invariant()
    def cash_and_positions_are_the_sum_of_executions(self) -> None:
        books = self.gateway.books()
        bought = sum((one.signed_quantity for one in books.executions), Decimal(0))
        paid = sum((one.signed_quantity * one.price + one.commission for one in books.executions), Decimal(0))
        assert books.position("AAPL") == bought
        cash = books.cash["DU1234567"]["USD"]
        assert cash == CASH - paid
        (holding,) = self.gateway._access(lambda venue: venue.accounts["DU1234567"].positions) or (None,)
        if holding is not None:
            assert cash + holding.cost + holding.fees == CASH + holding.realized
            assert (holding.quantity == 0) <= (holding.cost == holding.fees == 0)

    @invariant()
    def orders_fill_within_what_they_asked(self) -> None:
        for order in self._orders():
            assert order.filled <= order.total <= order.spec.quantity or order.filled == 0
            assert order.filled + order.remaining == order.total
            assert (order.status == "Filled") == (order.remaining == 0)
            assert sum((one.quantity for one in order.executions), Decimal(0)) == order.filled

    @invariant()
    def what_was_told_last_is_believed(self) -> None:
        told = {order.order_id: (order.status, order.filled) for order in self._orders() if order.status}
        assert self.shown == told

    @invariant()
    def children_obey_their_parent(self) -> None:
        for order in self._orders():
            if order.parent is None:
                continue
            if order.executions:
                assert order.parent.status == "Filled"
            if order.parent.phase is Phase.DONE and order.parent.status != "Filled":
                assert order.phase is Phase.DONE
            for sibling in order.parent.children:
                if order.status == "Filled" and sibling is not order:
                    assert sibling.phase is Phase.DONE, "a sibling outlived a complete child"

    @invariant()
    def a_complete_member_ends_its_group(self) -> None:
        orders = [order for order in self._orders() if order.oca_group and order.parent is None]
        for order in orders:
            for other in orders:
                if other.oca_group == order.oca_group and other is not order and order.status == "Filled":
                    assert other.phase is Phase.DONE

    @invariant()
    def ids_are_unique(self) -> None:
        books = self.gateway.books()
        assert len({one.exec_id for one in books.executions}) == len(books.executions)
        assert len({one.perm_id for one in books.orders}) == len(books.orders)
        assert set(self.fills) == {one.exec_id for one in books.executions}

    def teardown(self) -> None:
        if not hasattr(self, "client"):
            return
        self.gateway.run(10)
        self.hear(self.client.listen())
        note(f"{len(self.fills)} fills")
        assert self.commissions == self.fills, "each execution has one commission in the end"


TestTrading = Trading.TestCase
TestTrading.settings = settings(stateful_step_count=30)
