"""What a gateway keeps: the same books after every restart, and nothing told that was not saved."""

from __future__ import annotations

import shutil
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.errors import IbkrError, StateFileDamaged
from ibkr_core.gateway import Books, Choreography, ManualClock, MemoryGateway, state_file
from ibkr_core.gateway.state import GatewayState, read_state
from ibkr_core.gateway.state_codec import to_text
from ibkr_core.gateway.state_file import Sections, StateFile, parse, read_sections
from ibkr_core.gateway.state_record import Recorder
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message
from tests.gateway.pocket import AAPL, TEXT, Pocket, gateway, plain, story

D = Decimal
AAPL_LEGS = [
    {"conId": 265598, "ratio": 1, "action": "BUY", "exchange": "SMART"},
    {"conId": 272093, "ratio": 1, "action": "SELL", "exchange": "SMART"},
]
BAG = {"symbol": "AAPL", "secType": "BAG", "exchange": "SMART", "currency": "USD", "comboLegs": AAPL_LEGS}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.state"


def transmitted(books: Books) -> Books:
    """The books without orders that were never transmitted: those vanish at a restart (TWS facts 6)."""
    return attrs.evolve(books, orders=tuple(order for order in books.orders if order.status))


# -- random histories --------------------------------------------------------------------------------

ORDERS: tuple[dict[str, Any], ...] = (
    {"kind": "MKT"},
    {"kind": "LMT", "lmtPrice": 100.01, "tif": "GTC", "orderRef": "ref/1"},
    {"kind": "LMT", "lmtPrice": 99.5, "tif": "GTD", "goodTillDate": "20261124 10:01:00 US/Eastern"},
    {"kind": "LMT", "lmtPrice": 99.0, "transmit": False},
    {"kind": "STP", "auxPrice": 101.0},
    {"kind": "TRAIL", "auxPrice": 0.5, "tif": "GTC"},
    {"kind": "TRAIL LIMIT", "auxPrice": 0.5, "lmtPriceOffset": 0.1},
    {"kind": "LMT", "lmtPrice": 99.0, "ocaGroup": "g/1", "ocaType": 1},
    {"kind": "LMT", "lmtPrice": 99.2, "ocaGroup": "g/1", "ocaType": 1},
    {"kind": "LMT", "lmtPrice": 99.0, "ocaGroup": "h", "ocaType": 3},
    {"kind": "MIT", "auxPrice": 99.0, "allOrNone": True},
    {"kind": "REL", "auxPrice": 0.01, "lmtPrice": 100.5},
    {"kind": "MOC"},
    {"kind": "LMT", "lmtPrice": 100.2, "algoStrategy": "Twap", "algoParams": {}},
    {"kind": "MKT", "goodAfterTime": "20261124 10:00:30 US/Eastern"},
    {
        "kind": "MKT",
        "conditions": [
            {
                "type": 1,
                "isConjunctionConnection": True,
                "isMore": True,
                "price": 101.0,
                "conId": 265598,
                "exchange": "SMART",
                "triggerMethod": 0,
            }
        ],
    },
    {"kind": "LMT", "lmtPrice": -178.0, "contract": BAG},
    {"kind": "LMT", "lmtPrice": 99.0, "tif": "NONSENSE"},
)
STEPS = st.one_of(
    st.tuples(st.just("place"), st.integers(0, len(ORDERS) - 1), st.sampled_from(("BUY", "SELL"))),
    st.tuples(st.just("bracket")),
    st.tuples(st.just("cancel"), st.integers(1, 20)),
    st.tuples(st.just("modify"), st.integers(1, 20)),
    st.tuples(st.just("quote"), st.integers(97, 103)),
    st.tuples(st.just("fill"), st.integers(1, 20)),
    st.tuples(st.just("correct"), st.integers(0, 5)),
    st.tuples(st.just("by hand")),
    st.tuples(st.just("wait"), st.sampled_from((0.3, 7.0, 40.0))),
    st.tuples(st.just("restart"), st.sampled_from((0.0, 5.0))),
    st.tuples(st.just("kill")),
)


class Story:
    """A gateway with a file, one client, and a history that they live through.

    Args:
        folder: Where the file is.
        moves: Whether prices walk by themselves.
    """

    def __init__(self, folder: Path, *, moves: bool) -> None:
        self.path = folder / "books.state"
        self.clock = ManualClock()
        self.moves = moves
        self.ids = 1
        self.open()
        self.gateway.market("AAPL").set_quote(bid=100, ask="100.01", bid_size=25, ask_size=25)
        if moves:
            self.gateway.market("AAPL").thaw()

    def open(self) -> None:
        """Start a gateway on the file, and connect."""
        wanted = plain()
        if self.moves:
            wanted = attrs.evolve(wanted, market=attrs.evolve(wanted.market, moves=True))
        self.gateway = MemoryGateway(clock=self.clock, settings=wanted, state=self.path)
        self.client = Pocket(self.gateway)

    def take(self, step: tuple[Any, ...]) -> None:
        """Live through one step."""
        match step:
            case "place", which, action:
                self.client.place(self.ids, action, 10, **ORDERS[which])
                self.ids += 1
            case ("bracket",):
                first = self.ids
                self.client.place(first, "BUY", 10, "LMT", lmtPrice=100.01, tif="GTC", transmit=False)
                self.client.place(
                    first + 1, "SELL", 10, "LMT", lmtPrice=101.0, parentId=first, transmit=False
                )
                self.client.place(first + 2, "SELL", 10, "STP", auxPrice=99.0, parentId=first)
                self.ids += 3
            case "cancel", order_id:
                self.client.cancel(order_id)
            case "modify", order_id:
                if order_id < self.ids:
                    self.client.place(order_id, "BUY", 7, "LMT", lmtPrice=99.1)
            case "quote", bid:
                self.gateway.market("AAPL").set_quote(
                    bid=bid, ask=bid + D("0.01"), bid_size=15, ask_size=15, last=bid
                )
            case "wait", seconds:
                self.gateway.run(seconds)
            case _:
                self.by_hand(step)

    def by_hand(self, step: tuple[Any, ...]) -> None:
        """Do what no client does; what makes no sense now is left out."""
        try:
            match step:
                case "fill", order_id:
                    self.gateway.fill(order_id, quantity=1, client_id=1)
                case "correct", which:
                    executions = self.gateway.books().executions[which : which + 1]
                    for one in executions:
                        self.gateway.correct_execution(one.exec_id, price=one.price + 1)
                case ("by hand",):
                    self.gateway.place_by_hand("AAPL", "BUY", 3, "LMT", lmtPrice=99.0)
                case "restart", down_s:
                    self.restart(down_s)
                case ("kill",):
                    self.kill()
        except IbkrError:
            return

    def restart(self, down_s: float) -> None:
        """Restart on demand."""
        before = transmitted(self.gateway.books())
        self.gateway.restart(down_s)
        assert self.gateway.books() == before
        assert self.client.session.closed
        if down_s:
            with pytest.raises(ConnectionRefusedError):
                self.gateway.connect()
            self.gateway.run(down_s)
        self.client = Pocket(self.gateway)

    def kill(self) -> None:
        """Start a new gateway on what the file holds at this moment; the old one is never asked to save."""
        before = transmitted(self.gateway.books())
        next_id = self.client.ask("reqIds")[-1]
        seen = self.client.ask("reqAllOpenOrders")
        copy = self.path.with_name("killed.state")
        shutil.copy(self.path, copy)
        self.gateway.close(save=False)
        shutil.copy(copy, self.path)
        self.open()
        assert self.gateway.books() == before
        assert self.client.ask("reqAllOpenOrders") == seen
        assert self.client.ask("reqIds") == [next_id]

    def check(self) -> None:
        """The file says what the gateway's books say, and what its changes say is what a snapshot would."""
        self.gateway.save(markets=True)
        agree(read_state(self.path), transmitted(self.gateway.books()))
        fresh = parse(Recorder(self.gateway._venue).snapshot())
        assert essential(read_sections(self.path)) == essential(fresh)


SILENT = ("trigger_hits", "pegged")
"""What an order finds again by itself when it looks at its market."""


def essential(sections: Sections) -> Sections:
    """Everything but when it was saved, and what is found again."""
    orders = {
        key: {name: value for name, value in order.items() if name not in SILENT}
        for key, order in sections.get("orders", {}).items()
    }
    kept = {name: value for name, value in sections["gateway"].items() if name != "saved_at"}
    return {name: values for name, values in sections.items() if values} | {"orders": orders, "gateway": kept}


def agree(state: GatewayState, books: Books) -> None:
    """Two views of the same books."""
    assert len(state.orders) == len(books.orders)
    for kept, booked in zip(state.orders, books.orders, strict=True):
        assert (kept.perm_id, kept.client_id, kept.order_id) == (
            booked.perm_id, booked.client_id, booked.order_id,
        )  # fmt: skip
        assert (kept.status, kept.total, kept.filled) == (booked.status, booked.total, booked.filled)
        assert [one.exec_id for one in kept.executions] == [one.exec_id for one in booked.executions]
        assert [one.commission for one in kept.executions] == [one.commission for one in booked.executions]
    for code, account in state.accounts.items():
        assert account.cash == books.cash[code]
        held = {one.instrument.con_id: one.quantity for one in account.positions if one.quantity}
        assert held == {one.instrument.con_id: one.quantity for one in books.positions[code]}


@settings(max_examples=15, deadline=None)
@given(st.lists(STEPS, max_size=12), st.booleans())
def test_every_history_survives_restarts_and_kills(steps: list[tuple[Any, ...]], moves: bool) -> None:
    """Whatever happened, at every step the file holds it, and a new gateway has the same books."""
    with TemporaryDirectory() as folder:
        told = Story(Path(folder), moves=moves)
        try:
            for step in [*steps, ("kill",), ("restart", 0.0)]:
                told.take(step)
                told.check()
        finally:
            told.gateway.close()


# -- what everybody may read ---------------------------------------------------------------------------


def test_what_was_told_is_in_the_file_before_it_leaves(path: Path) -> None:
    """At every message of a session: no byte was handed out whose order and fills the file does not have."""
    style = Choreography(commission_delay_s=(0.0, 0.0), work_delay_s=(0.0, 0.0))
    venue = gateway(settings=plain(choreography=style), state=path)
    client = Pocket(venue)
    client.session.receive(order_bytes(1, "LMT", lmtPrice=99.0))
    assert read_state(path).orders == ()
    told = client.listen()
    kept = read_state(path).of_client(1, 1)
    assert kept is not None
    assert kept.status == told[-1].fields.get("status", kept.status)
    client.session.receive(order_bytes(2, "MKT"))
    assert read_state(path).executions == ()
    fills = [one.fields["execution"] for one in client.listen() if one.kind == "execDetails"]
    assert [one["execId"] for one in fills] == [one.exec_id for one in read_state(path).executions]
    venue.close()


def order_bytes(order_id: int, kind: str, **fields: Any) -> bytes:
    """A request to buy ten shares."""
    order = {"action": "BUY", "totalQuantity": D(10), "orderType": kind, "tif": "DAY", "transmit": True}
    request = Message("placeOrder", {"orderId": order_id, "contract": AAPL, "order": order | fields})
    return frame(encode_request(request, TEXT))


def test_an_auditor_reads_accounts_orders_and_executions(path: Path) -> None:
    """As frozen values with exact decimals, from a gateway that runs."""
    venue = gateway(state=path)
    client = Pocket(venue, 4)
    client.place(1, "BUY", 10, orderRef="mine")
    client.place(2, "SELL", 4, "LMT", lmtPrice=105.0, tif="GTC", ocaGroup="g")
    state = read_state(path)
    account = state.accounts["DU1234567"]
    assert account.position("AAPL") == 10
    assert account.cash == venue.books().cash["DU1234567"]
    assert account.realized == 0
    first, second = state.orders
    assert (first.order_ref, first.status, first.is_live, first.filled) == ("mine", "Filled", False, 10)
    assert (second.order_type, second.tif, second.is_live, second.oca_group) == ("LMT", "GTC", True, "g")
    assert state.order(second.perm_id) is second
    assert state.of_client(4, 9) is None
    assert first.executions == state.executions
    assert isinstance(first.executions[0].price, Decimal)
    assert state.numbers.highest_ids == {4: 2}
    with pytest.raises(KeyError):
        state.order(1)
    venue.close()


@pytest.mark.parametrize(
    ("section", "key", "text"),
    [
        ("accounts", "DU1234567", '{"currency":"USD"}'),
        ("accounts", "DU1234567", "7"),
        ("gateway", "numbers", '{"orders":"many"}'),
        ("gateway", "numbers", "null"),
        ("orders", "1", '{"perm_id":1,"sequence":1}'),
        ("orders", "1", "[]"),
        ("executions", "a.b.c", '{"root":"a.b.c"}'),
        ("instruments", "1", '{"con_id":1,"colour":"red"}'),
        ("instruments", "x", "{}"),
    ],
)
def test_a_file_that_makes_no_sense_is_damaged(path: Path, section: str, key: str, text: str) -> None:
    """Though every checksum is right; the gateway does not start on it, and lets go of it."""
    MemoryGateway(state=path).close()
    file = StateFile(path)
    changes = {
        name: {one: to_text(value) for one, value in values.items()}
        for name, values in read_sections(path).items()
    }
    file.rewrite(changes)
    file.append({section: {key: text}})
    file.close()
    with pytest.raises(StateFileDamaged, match="makes no sense"):
        read_state(path)
    for _ in range(2):
        with pytest.raises(StateFileDamaged, match="makes no sense"):
            MemoryGateway(state=path)


def test_a_long_history_is_written_anew(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When its changes outgrow the snapshot; the books are the same."""
    monkeypatch.setattr(state_file, "_LEAST_GROWTH", 2_000)
    monkeypatch.setattr(state_file, "_MOST_GROWTH", 1)
    venue = gateway(state=path)
    client = Pocket(venue)
    lines = []
    for number in range(1, 30):
        client.place(number, "BUY", 1)
        lines.append(path.read_bytes().count(b"\n"))
    assert any(later < earlier for earlier, later in pairwise(lines))
    agree(read_state(path), venue.books())
    venue.close()


def test_without_a_file_nothing_is_saved_and_all_is_kept_over_a_restart() -> None:
    """Saving and closing do nothing; restarting on demand works all the same."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    before = venue.books()
    venue.save()
    venue.restart()
    venue.close()
    assert venue.books() == before
    assert client.session.closed
    assert story(Pocket(venue).ask("reqExecutions", reqId=1)) == ["fill 10", "commission", "execDetailsEnd"]
