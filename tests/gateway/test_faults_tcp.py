"""Faults over TCP, as the official client of the ibapi installed and plain sockets meet them."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from ibkr_core.gateway import MarketSettings, Settings, SimulatedGateway
from ibkr_core.gateway.faults import (
    Bust,
    Chance,
    Correction,
    Disconnect,
    Drop,
    FaultPlan,
    HalfOpen,
    IdRollback,
    Outage,
    Refuse,
    Reset,
    Split,
    Stall,
    When,
)
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message
from tests.gateway.official import PATIENCE_S, OfficialClient, order, stock

pytestmark = [pytest.mark.system, pytest.mark.matrix]


@pytest.fixture
def serve() -> Iterator[Callable[..., SimulatedGateway]]:
    """Start servers that are stopped when the test ends, faults of their own and all."""
    started: list[SimulatedGateway] = []

    def make(**wanted: Any) -> SimulatedGateway:
        server = SimulatedGateway(settings=Settings(market=MarketSettings(moves=False)), **wanted)
        server.start()
        started.append(server)
        server.market("AAPL").set_quote(bid=100, ask="100.01")
        return server

    yield make
    for server in started:
        server.stop()


def raw_client(server: SimulatedGateway, client_id: int = 9, version: int = 176) -> socket.socket:
    """A started session on a plain socket, its welcome read."""
    sock = socket.create_connection((server.host, server.port), timeout=PATIENCE_S)
    sock.sendall(client_hello(100, version))
    assert sock.recv(4096)
    ask(sock, "startApi", clientId=client_id)
    heard = b""
    while b"2158" not in heard:
        heard += sock.recv(65536)
    return sock


def ask(sock: socket.socket, kind: str, **fields: Any) -> None:
    """Send one request as text."""
    sock.sendall(frame(encode_request(Message(kind, fields), 176)))


def read_until(sock: socket.socket, wanted: bytes) -> bytes:
    """Everything up to some bytes."""
    heard = b""
    while wanted not in heard:
        more = sock.recv(65536)
        assert more, f"the end, after {heard!r}"
        heard += more
    return heard


def names_of(server: SimulatedGateway) -> list[str]:
    """The faults so far."""
    return [one.fault for one in server.injected()]


def test_frames_that_are_cut_at_random_bytes_are_read(serve: Any, join: Any) -> None:
    """Each message comes in two parts, and the official client puts them together."""
    server = serve(faults=FaultPlan(chances=(Chance(Split(delay_s=0.002), 1.0),)))
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait_status(1, "Filled")
    client.wait("commissionReport")
    assert set(names_of(server)) == {"split"}


def test_delivery_can_be_scripted_while_a_client_trades(serve: Any, join: Any) -> None:
    """A dropped execution is in the books, and in the answer to a query."""
    server = serve()
    client = join(server)
    server.inject(Drop(), When(on="execDetails"))
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait("commissionReport")
    assert client.of("execDetails") == []
    assert server.books().order(1).filled == 10
    from ibapi.execution import ExecutionFilter

    client.reqExecutions(5, ExecutionFilter())
    client.wait("execDetailsEnd")
    assert [args[0] for args in client.of("execDetails")] == [5]


def test_a_correction_and_a_bust_reach_the_official_client(serve: Any, join: Any) -> None:
    """As execDetails with the next revision."""
    server = serve()
    client = join(server)
    server.inject(Correction(delay_s=0.01, price_shift=-1))
    client.placeOrder(1, stock(), order("BUY", 10))
    told = client.wait("execDetails", lambda _id, _contract, one: one.execId.endswith(".02"))
    assert told[2].price == pytest.approx(99.01)
    server.inject(Bust(delay_s=0.01), When(order_id=2))
    client.placeOrder(2, stock(), order("BUY", 10))
    told = client.wait(
        "execDetails", lambda _id, _contract, one: one.execId.endswith(".02") and one.orderId == 2
    )
    assert float(told[2].shares) == 0
    assert server.books().position("AAPL") == 10


def test_the_next_id_falls_for_the_official_client(serve: Any, join: Any) -> None:
    """On the next connection of the same client."""
    server = serve()
    client = join(server)
    for number in (1, 2, 3):
        client.placeOrder(number, stock(), order("BUY", 10))
    client.wait_status(3, "Filled")
    client.end()
    server.wait_for(lambda _: not server.client_ids)
    server.inject(IdRollback(by=2))
    assert join(server).of("nextValidId") == [(2,)]


def test_an_orderly_end_is_one(serve: Any) -> None:
    """The client reads everything, and then the end."""
    server = serve()
    with raw_client(server) as sock:
        server.inject(Disconnect(moment="after"), When(on="currentTime"))
        ask(sock, "reqCurrentTime")
        read_until(sock, b"49\0")
        assert sock.recv(4096) == b""
    server.wait_for(lambda _: not server.client_ids)


def test_a_message_ends_in_the_middle(serve: Any) -> None:
    """Some bytes of a frame, and then the end."""
    server = serve()
    with raw_client(server) as sock:
        server.inject(Disconnect(moment="inside"), When(on="managedAccounts"))
        ask(sock, "reqManagedAccts")
        heard = b""
        while more := sock.recv(4096):
            heard += more
        whole = frame(b"15\x001\x00DU1234567\x00")
        assert heard == whole[: len(heard)]
        assert 0 < len(heard) < len(whole)


def test_a_reset_is_one(serve: Any) -> None:
    """The client's next read fails, it does not just end."""
    server = serve()
    with raw_client(server) as sock:
        server.drop_connections(reset=True)
        with pytest.raises(ConnectionResetError):
            sock.recv(4096)
    assert server.client_ids == ()


def test_the_official_client_notices_a_reset(serve: Any, join: Any) -> None:
    """connectionClosed, and the id is free at once; the order that it placed is in the books."""
    server = serve()
    client = join(server)
    server.inject(Reset(moment="after"), When(on="placeOrder"))
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait("connectionClosed")
    assert "execDetails" not in client.names()
    server.wait_for(lambda books: books.order(1).status == "Filled")
    join(server)


def test_connections_are_refused_and_then_accepted(serve: Any, join: Any) -> None:
    """By the system itself, on the same port; who is connected stays so."""
    server = serve()
    client = join(server)
    server.refuse_connections(0.5)
    for _ in range(3):
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection((server.host, server.port), timeout=PATIENCE_S)
    client.reqCurrentTime()
    client.wait("currentTime")
    server.wait_for(lambda _: _can_connect(server))


def _can_connect(server: SimulatedGateway) -> bool:
    try:
        socket.create_connection((server.host, server.port), timeout=PATIENCE_S).close()
    except ConnectionRefusedError:
        return False
    return True


def test_the_door_opens_when_faults_end(serve: Any) -> None:
    """At once, on the same port."""
    server = serve()
    server.refuse_connections(600)
    assert not _can_connect(server)
    server.end_faults()
    assert _can_connect(server)


@pytest.mark.parametrize("how", ["closed", "silent"])
def test_connections_are_accepted_in_vain(how: str, serve: Any) -> None:
    """Closed before a word, or met with silence."""
    server = serve()
    server.inject(Refuse(for_s=600, how=how))
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as sock:
        if how == "closed":
            assert sock.recv(4096) == b""
            return
        sock.sendall(client_hello(100, 176))
        sock.settimeout(0.2)
        with pytest.raises(TimeoutError):
            sock.recv(4096)


def test_a_dead_line_is_silent_both_ways_and_holds_its_id(serve: Any, join: Any) -> None:
    """No end, no answer; a client that hangs up and comes again gets 326 until the line's own end."""
    server = serve()
    client = join(server)
    server.inject(HalfOpen(for_s=600))
    client.reqCurrentTime()
    client.placeOrder(1, stock(), order("BUY", 10))
    with raw_client(server, 2) as other:  # what it sends is answered, so what came before was read
        ask(other, "reqCurrentTime")
        read_until(other, b"49\0")
    assert {"currentTime", "openOrder", "connectionClosed"}.isdisjoint(client.names())
    assert server.books().orders == ()
    client.end()
    refused = OfficialClient()
    try:
        refused.begin(server.port, 1)
        refused.wait_error(-1, 326)
    finally:
        refused.end()
    server.end_faults()
    join(server)


def test_a_dead_line_that_revives_delivers_everything(serve: Any, join: Any) -> None:
    """The order arrives, and its story comes back."""
    server = serve()
    client = join(server)
    server.inject(HalfOpen(for_s=0.3, ends="revives"))
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait_status(1, "Filled")
    client.reqCurrentTime()
    client.wait("currentTime")


def test_an_order_arrives_after_its_client_has_left(serve: Any) -> None:
    """What was sent into a dead line that revives is acted upon, and the id is free then."""
    server = serve()
    server.wait_for(lambda _: True)
    wanted = {"action": "BUY", "totalQuantity": 10, "orderType": "MKT", "tif": "DAY", "transmit": True}
    contract = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    with raw_client(server) as sock:
        server.inject(HalfOpen(for_s=600, ends="revives"))
        ask(sock, "placeOrder", orderId=1, contract=contract, order=wanted)
    server.wait_for(lambda _: not server._connections)
    assert server.client_ids == (9,)
    server.end_faults()
    server.wait_for(lambda books: books.orders and books.order(1).status == "Filled")
    assert server.client_ids == ()


def test_a_stall_ends(serve: Any, join: Any) -> None:
    """Then everything comes that was held back."""
    server = serve()
    client = join(server)
    server.inject(Stall(for_s=0.3))
    client.placeOrder(1, stock(), order("BUY", 10))
    server.wait_for(lambda books: books.orders and books.order(1).status == "Filled")
    client.wait_status(1, "Filled")


def test_an_outage_is_told_and_ends(serve: Any, join: Any) -> None:
    """1100, silence, 1102, and what happened meanwhile."""
    server = serve()
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10, "LMT", lmtPrice=99.0))
    client.wait("openOrder")
    server.wait_for(lambda books: books.orders and books.order(1).status == "Submitted")
    server.inject(Outage(for_s=0.3, leak=0))
    server.fill(1)
    client.wait_error(-1, 1100)
    client.wait("execDetails")
    kinds = [(call.name, call.args[1] if call.name == "error" else 0) for call in client.calls]
    assert kinds.index(("error", 1100)) < kinds.index(("error", 1102)) < kinds.index(("execDetails", 0))


def test_a_nasty_gateway_stops_cleanly(serve: Any) -> None:
    """With every fault going on, stop ends the thread and frees the port."""
    server = serve(faults=FaultPlan.nasty(1.0))
    server.refuse_connections(600)
    server.stop()
    with socket.create_server((server.host, server.port)):
        pass
