"""The gateway over TCP: against the official client of the ibapi installed, and against raw sockets."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.errors import InvalidInput, WaitTimeout
from ibkr_core.gateway import Choreography, MarketSettings, Settings, SimulatedGateway
from ibkr_core.gateway.core import MemoryGateway, supported_versions
from ibkr_core.gateway.server import _Connection
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.message import Message
from tests.gateway.official import PATIENCE_S, OfficialClient, order, stock

pytestmark = [pytest.mark.system, pytest.mark.matrix]

STILL = MarketSettings(moves=False)
VERSIONS = [v for v in (157, 176, 200, 203, 223, 224, 225, 226) if v <= MAX_CLIENT_VER]
"""Server versions that the installed official client can negotiate."""


@pytest.fixture
def serve() -> Iterator[Callable[..., SimulatedGateway]]:
    """Start servers that are stopped when the test ends, faults and all."""
    started: list[SimulatedGateway] = []

    def make(**wanted: Any) -> SimulatedGateway:
        wanted.setdefault("settings", Settings(market=STILL))
        server = SimulatedGateway(**wanted)
        server.start()
        started.append(server)
        return server

    yield make
    for server in started:
        server.stop()


@pytest.mark.parametrize("version", VERSIONS)
def test_a_market_order_travels_at_every_version(version: int, serve: Any, join: Any) -> None:
    """Fills, average, commission and books agree with what the official client decodes at each version."""
    server = serve(versions=[version])
    server.market("AAPL").set_quote(bid="99.99", ask="100.00", ask_size=40)
    client = join(server)
    assert client.serverVersion() == version
    client.placeOrder(1, stock(), order("BUY", 100, orderRef="mine"))
    client.wait("execDetails")
    server.market("AAPL").set_quote(bid="99.99", ask="100.01")
    client.wait_status(1, "Filled")
    told = {client.wait("commissionReport", lambda _id, paid, *_: paid > 1)[0]}
    told.add(client.wait("commissionReport", lambda _id, paid, *_: paid < 1)[0])

    booked = server.books().order(1)
    shares = [Decimal(str(args[2].shares)) for args in client.of("execDetails")]
    assert shares == [40, 60]
    assert [args[2].execId for args in client.of("execDetails")] == [one.exec_id for one in booked.executions]
    assert told == {one.exec_id for one in booked.executions}
    assert client.of("execDetails")[0][2].orderRef == "mine"
    last = client.of("orderStatus")[-1]
    assert (last[1], Decimal(str(last[2])), Decimal(str(last[3])), last[4]) == ("Filled", 100, 0, 100.006)
    paid = sum(args[1] for args in client.of("commissionReport"))
    assert paid == pytest.approx(float(booked.commission))
    assert all(args[5] == booked.perm_id for args in client.of("orderStatus"))


def test_the_session_opens_as_a_real_one(serve: Any, join: Any) -> None:
    """Managed accounts and the next id come first, then the farms; no order callbacks without orders."""
    client = join(serve())
    client.wait_error(-1, 2158)
    assert client.of("managedAccounts") == [("DU1234567",)]
    assert client.of("nextValidId") == [(1,)]
    assert {args[1] for args in client.of("error")} == {2104, 2106, 2158}
    assert "openOrderEnd" not in client.names()


def test_a_limit_order_is_modified_and_cancelled(serve: Any, join: Any) -> None:
    """A modification keeps the permId and changes the price; a cancel ends in Cancelled, then 202."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10, "LMT", lmtPrice=99.0))
    client.wait("orderStatus")
    client.placeOrder(1, stock(), order("BUY", 10, "LMT", lmtPrice=99.5))
    changed = client.wait("openOrder", lambda _id, _contract, told, _state: told.lmtPrice == 99.5)
    assert changed[2].permId == server.books().order(1).perm_id
    client.withdraw(1)
    client.wait_status(1, "Cancelled")
    assert client.wait_error(1, 202).startswith("Order Canceled")
    client.withdraw(1)
    assert "state: Cancelled" in client.wait_error(1, 10148)
    client.withdraw(77)
    client.wait_error(77, 10147)


def place_bracket(client: OfficialClient, quantity: int = 10) -> None:
    client.placeOrder(1, stock(), order("BUY", quantity, "LMT", lmtPrice=99.0, transmit=False))
    client.placeOrder(2, stock(), order("SELL", quantity, "LMT", lmtPrice=105.0, parentId=1, transmit=False))
    client.placeOrder(3, stock(), order("SELL", quantity, "STP", auxPrice=95.0, parentId=1, transmit=True))


def test_a_bracket_takes_its_profit(serve: Any, join: Any) -> None:
    """Children wait, wake when the parent is filled, and the one that fills cancels the other."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    place_bracket(client)
    assert client.wait_status(3, "PreSubmitted")[9] == "child,trigger"
    assert client.wait_status(2, "PreSubmitted")[9] == "child"
    child = client.wait("openOrder", lambda order_id, *_: order_id == 2)[2]
    assert child.ocaGroup == str(server.books().order(1).perm_id)
    server.wait_for(lambda books: books.order(1).status)
    server.market("AAPL").set_quote(bid="98.90", ask="99.00")
    client.wait_status(1, "Filled")
    client.wait_status(2, "Submitted")
    client.wait("orderStatus", lambda *args: args[0] == 3 and args[9] == "trigger")
    server.market("AAPL").set_quote(bid="105.00", ask="105.01")
    client.wait_status(2, "Filled")
    client.wait_status(3, "Cancelled")
    client.wait_error(3, 202)
    assert server.books().position("AAPL") == 0


def test_a_stop_is_elected_by_the_last_price(serve: Any, join: Any) -> None:
    """A stop order waits for its trigger, then sells at the market."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("SELL", 10, "STP", auxPrice=98.0))
    assert client.wait_status(1, "PreSubmitted")[9] == "trigger"
    server.market("AAPL").set_quote(bid="97.50", ask="97.51")
    assert client.wait_status(1, "Filled")[4] == 97.5


def test_refusals_reach_the_official_client(serve: Any, join: Any) -> None:
    """Each refused request gets the broker's code under its order id, and leaves no order."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10, "FEELINGS"))
    client.placeOrder(2, stock("NOSUCH"), order("BUY", 10))
    client.placeOrder(3, stock(), order("BUY", 10, "LMT", lmtPrice=99.005))
    client.placeOrder(4, stock(), order("BUY", 0))
    client.placeOrder(5, stock(), order("SELL", 10, "LMT", lmtPrice=101.0, parentId=99))
    for order_id, code in ((1, 321), (2, 200), (3, 110), (4, 434), (5, 10006)):
        client.wait_error(order_id, code)
    assert server.books().orders == ()
    client.placeOrder(6, stock(), order("BUY", 100_000_000))
    client.wait_error(6, 201)
    client.wait_status(6, "Inactive")
    client.placeOrder(6, stock(), order("BUY", 1))
    client.wait_error(6, 103)


def test_the_past_can_be_asked_for(serve: Any, join: Any) -> None:
    """Executions, completed orders, positions, open orders and the account tell the gateway's own books."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait("commissionReport")
    client.placeOrder(2, stock(), order("SELL", 10, "LMT", lmtPrice=101.0))
    client.wait("orderStatus", lambda order_id, *_: order_id == 2)

    mark = len(client.calls)
    client.reqExecutions(7, _filter())
    client.wait("execDetailsEnd", lambda request: request == 7)
    answer = client.names()[mark:]
    assert answer.index("execDetails") < answer.index("commissionReport") < answer.index("execDetailsEnd")

    client.reqOpenOrders()
    client.wait("openOrderEnd", since=mark)
    client.withdraw(2)
    client.wait_status(2, "Cancelled")
    client.reqCompletedOrders(False)
    client.wait("completedOrdersEnd")
    done = {args[2].status: args for args in client.of("completedOrder")}
    assert Decimal(str(done["Filled"][1].totalQuantity)) == 0
    assert Decimal(str(done["Filled"][1].filledQuantity)) == 10
    assert done["Filled"][2].completedStatus == "Filled Size: 10"
    assert Decimal(str(done["Cancelled"][1].totalQuantity)) == 10

    client.reqPositions()
    client.wait("positionEnd")
    account, contract, quantity, average = client.of("position")[0]
    assert (account, contract.symbol, Decimal(str(quantity))) == ("DU1234567", "AAPL", 10)
    assert average == pytest.approx(100.01 + 1.00003 / 10)

    client.reqAccountSummary(9, "All", "NetLiquidation,TotalCashValue")
    client.wait("accountSummaryEnd", lambda request: request == 9)
    summary = {args[2]: Decimal(args[3]) for args in client.of("accountSummary")}
    assert summary["TotalCashValue"] == Decimal("998998.90")


def _filter() -> Any:
    from ibapi.execution import ExecutionFilter

    return ExecutionFilter()


def test_a_what_if_order_is_only_tried_out(serve: Any, join: Any) -> None:
    """One openOrder with margins comes back, and nothing is alive afterwards."""
    server = serve()
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 100, whatIf=True))
    state = client.wait("openOrder")[3]
    assert state.status == "PreSubmitted"
    assert float(state.initMarginAfter) > float(state.initMarginBefore) == 0.0
    client.reqCurrentTime()
    client.wait("currentTime")
    assert client.of("orderStatus") == []
    assert server.books().orders == ()


def test_contract_details_name_the_instrument(serve: Any, join: Any) -> None:
    """A symbol resolves to its contract id and tick; an unknown one is error 200."""
    client = join(serve())
    client.reqContractDetails(5, stock())
    details = client.wait("contractDetails")[1]
    assert (details.contract.conId, float(details.minTick)) == (265598, 0.01)
    client.wait("contractDetailsEnd")
    client.reqContractDetails(6, stock("NOSUCH"))
    client.wait_error(6, 200)


def test_a_client_id_is_used_once(serve: Any, join: Any) -> None:
    """A second session with the same id hears 326 and is hung up on; the first goes on."""
    server = serve()
    first = join(server, 5)
    second = OfficialClient()
    second.begin(server.port, 5)
    try:
        second.wait_error(-1, 326)
        second.wait("connectionClosed")
    finally:
        second.end()
    first.reqCurrentTime()
    first.wait("currentTime")


def test_resting_orders_greet_the_client_that_returns(serve: Any, join: Any) -> None:
    """On reconnect they come before managed accounts and the next id, with the same permId (TWS facts 5)."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    first = join(server)
    first.placeOrder(4, stock(), order("BUY", 10, "LMT", lmtPrice=99.0, tif="GTC"))
    first.wait("openOrder")
    first.end()
    server.wait_for(lambda _: not server.client_ids)
    again = join(server)
    names = again.names()
    assert names.index("openOrder") < names.index("orderStatus") < names.index("openOrderEnd")
    assert names.index("openOrderEnd") < names.index("managedAccounts") < names.index("nextValidId")
    assert again.of("nextValidId") == [(5,)]
    assert again.of("openOrder")[0][2].permId == server.books().order(4).perm_id


def test_a_correction_has_the_next_revision(serve: Any, join: Any) -> None:
    """A corrected execution differs in the last segment of its id, and the books take the new price."""
    server = serve()
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10))
    exec_id = client.wait("commissionReport")[0]
    corrected = server.correct_execution(exec_id, price="100.50")
    assert corrected == exec_id[:-2] + "02"
    fill = client.wait("execDetails", lambda _id, _contract, told: told.execId == corrected)[2]
    assert fill.price == 100.5
    client.wait("commissionReport", lambda told, *_: told == corrected)
    assert server.books().order(1).average_price == Decimal("100.50")


@pytest.mark.parametrize("length", [4096, 8192])
def test_the_guard_saves_the_official_client_from_its_blind_spot(length: int, serve: Any, join: Any) -> None:
    """A burst that is a multiple of 4096 bytes reaches a client that would lose it (wire facts 2)."""
    server = serve()
    client = join(server)
    client.wait_error(-1, 2158)
    version = server.session(1).server_version
    server.session(1).inject(_error_frame(version, 2199, length))
    client.wait_error(-1, 2199)


def _error_frame(version: int, code: int, length: int) -> bytes:
    """A frame of exactly ``length`` bytes."""
    from ibkr_core.wire.codec import encode_answer

    def built(padding: int) -> bytes:
        fields = {"id": -1, "errorTime": 1, "errorCode": code, "errorMsg": "x" * padding}
        return frame(encode_answer(Message("error", fields), version))

    padding = length - len(built(0))
    made = built(padding)
    while len(made) != length:
        padding += length - len(made)
        made = built(padding)
    return made


class Line:
    """A socket that takes so many bytes at once and remembers them."""

    def __init__(self, room: int = 10**9) -> None:
        self.room = room
        self.sent: list[int] = []

    def send(self, data: bytes) -> int:
        if not self.room:
            raise BlockingIOError
        taken = min(self.room, len(data))
        self.sent.append(taken)
        return taken


def connection(line: Line, **wanted: Any) -> _Connection:
    session = MemoryGateway().connect()
    return _Connection(line, session, wanted.get("chunker"), wanted.get("guard", True))


def say(one: _Connection, now: float, length: int) -> None:
    one.session.inject(b"x" * length)
    one.take(now)
    one.flush(now)


def test_bytes_that_somebody_still_looks_at_can_leave() -> None:
    """A socket's error may keep what was sent alive for a while; the backlog shrinks all the same (fuzz)."""

    class Keeper(Line):
        def send(self, data: bytes) -> int:
            self.kept = data
            return super().send(data)

    one = connection(Keeper(room=100))
    say(one, 10.0, 250)
    one.flush(10.0)
    one.flush(10.0)
    assert one.pending == 0


def test_the_guard_keeps_the_last_byte_of_a_long_burst() -> None:
    """Short bursts leave at once; a long one ends a little later, an exact multiple clearly later."""
    line = Line()
    one = connection(line)
    say(one, 10.0, 4095)
    assert (line.sent, one.send_at) == ([4095], None)
    say(one, 20.0, 5000)
    assert line.sent == [4095, 4999]
    one.flush(20.004)
    assert len(line.sent) == 2
    one.flush(20.005)
    assert (line.sent, one.send_at, one.pending) == ([4095, 4999, 1], None, 0)
    say(one, 30.0, 8192)
    one.flush(30.1)
    assert line.sent[3:] == [8191]
    one.flush(30.2)
    assert line.sent[3:] == [8191, 1]


def test_the_guard_counts_bursts_that_follow_closely_as_one() -> None:
    """A client may read them together; after a pause the count begins anew."""
    line = Line()
    one = connection(line)
    say(one, 10.0, 3000)
    say(one, 10.01, 1096)
    assert (line.sent, one.send_at) == ([3000, 1095], 10.01 + 0.2)
    one.flush(10.3)
    say(one, 20.0, 3000)
    say(one, 20.1, 3000)
    assert line.sent[2:] == [1, 3000, 3000]


def test_without_the_guard_everything_leaves_at_once() -> None:
    """For clients that do not lose reads, and for tests of those that do."""
    line = Line()
    say(connection(line, guard=False), 10.0, 4096)
    assert line.sent == [4096]


def test_a_full_socket_is_tried_again() -> None:
    """What does not fit stays, in order, whether in one stream or in chunks."""
    line = Line(room=0)
    one = connection(line)
    say(one, 10.0, 100)
    assert (one.blocked, one.pending) == (True, 100)
    line.room = 60
    one.flush(10.1)
    assert (one.blocked, one.pending) == (True, 40)
    one.flush(10.2)
    assert (one.blocked, line.sent) == (False, [60, 40])

    line = Line(room=3)
    one = connection(line, chunker=lambda data: [data[:5], data[5:]])
    say(one, 10.0, 7)
    assert (one.blocked, line.sent) == (True, [3])
    for moment in (10.1, 10.2, 10.3):
        one.flush(moment)
    assert (line.sent, one.pending) == ([3, 2, 2], 0)


@pytest.mark.parametrize("piece", [1, 3, 7])
def test_answers_may_leave_in_any_pieces(piece: int, serve: Any, join: Any) -> None:
    """A client that reassembles frames hears the same whatever the pieces."""
    server = serve(write_chunker=lambda data: _after_hello(data, piece))
    server.market("AAPL").set_quote(bid=100, ask="100.01")
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 10))
    client.wait_status(1, "Filled")
    client.wait("commissionReport")


def _after_hello(data: bytes, piece: int) -> Iterator[bytes]:
    if b" EST\0" in data:  # every official client wants the server's hello in one read (wire facts 2)
        yield data
        return
    for start in range(0, len(data), piece):
        yield data[start : start + piece]


# -- without the official client -------------------------------------------------------------------


def raw_client(server: SimulatedGateway, client_id: int = 9, version: int = 176) -> socket.socket:
    sock = socket.create_connection((server.host, server.port), timeout=PATIENCE_S)
    sock.sendall(client_hello(100, version))
    assert sock.recv(4096)
    sock.sendall(frame(encode_request(Message("startApi", {"clientId": client_id}), version)))
    return sock


def test_a_refused_client_hears_why_even_if_it_goes_on_talking(serve: Any) -> None:
    """The connection ends in order, with no reset that could swallow the reason."""
    server = serve()
    with raw_client(server, 1), raw_client(server, 1) as refused:
        heard = refused.recv(65536)
        refused.sendall(frame(encode_request(Message("reqCurrentTime"), 176)) * 1000)
        while more := refused.recv(65536):
            heard += more
        assert b"326" in heard


def test_a_reader_that_sleeps_holds_up_nobody(serve: Any) -> None:
    """One client stops reading while megabytes wait for it; another is answered all the same."""
    server = serve()
    with raw_client(server, 1) as asleep, raw_client(server, 2) as awake:
        awake.recv(65536)
        server.wait_for(lambda _: len(server.client_ids) == 2)
        server.session(1).inject(b"\0" * 20_000_000)
        awake.sendall(frame(encode_request(Message("reqCurrentTime"), 176)))
        heard = b""
        while b"49\x001\x00" not in heard:
            heard += awake.recv(65536)
        assert asleep.fileno() >= 0


def test_a_reader_that_sleeps_too_long_is_dropped(serve: Any) -> None:
    """What waits for one client is bounded; beyond that it is hung up on."""
    server = serve(max_backlog_bytes=1_000_000)
    with raw_client(server, 1):
        server.wait_for(lambda _: server.client_ids)
        server.session(1).inject(b"\0" * 50_000_000)
        server.wait_for(lambda _: not server.client_ids)


@pytest.mark.parametrize(
    "garbage",
    [b"GET / HTTP/1.1\r\n\r\n", b"API\0\0\0\0\x02vX", b"API\0\xff\xff\xff\xff", b"API\0\0\0\0\x06v10..9"],
)
def test_who_does_not_speak_the_protocol_is_hung_up_on(garbage: bytes, serve: Any) -> None:
    """Garbage instead of a hello ends the connection, without a word and without harm."""
    server = serve()
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as sock:
        sock.sendall(garbage)
        assert sock.recv(4096) == b""


def test_a_client_too_old_is_hung_up_on(serve: Any) -> None:
    """When no version is common the connection ends (wire facts 1)."""
    server = serve()
    with socket.create_connection((server.host, server.port), timeout=PATIENCE_S) as sock:
        sock.sendall(client_hello(20, 60))
        assert sock.recv(4096) == b""


def test_a_client_that_only_reads_on_hears_the_rest(serve: Any) -> None:
    """Half a close is not a whole one: what was asked before it is answered, then the line ends."""
    with raw_client(serve()) as sock:
        sock.sendall(frame(encode_request(Message("reqCurrentTime"), 176)) * 50)
        sock.shutdown(socket.SHUT_WR)
        heard = b""
        while data := sock.recv(65_536):
            heard += data
        assert heard.count(b"\x1049\x001\0") == 50


def test_whether_it_serves_can_be_asked() -> None:
    """Not before the start nor after the stop; a fault with one client is kept, and the others are served."""
    server = SimulatedGateway(port=0)
    assert not server.is_serving
    server.start()
    assert (server.is_serving, server.fault) == (True, None)
    server.stop()
    assert not server.is_serving


def test_a_fault_of_its_own_ends_the_service(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the gateway cannot go on after is kept for stop, and whoever asks can see it."""
    server = SimulatedGateway(port=0)
    server.start()

    def broken(*_: Any) -> None:
        raise ZeroDivisionError("broken on purpose")

    monkeypatch.setattr(server._gateway, "advance", broken)
    server._ring()
    server._thread.join(PATIENCE_S)
    assert not server.is_serving
    assert isinstance(server.fault, ZeroDivisionError)
    with pytest.raises(ZeroDivisionError):
        server.stop()


def test_stop_leaves_nothing_behind(serve: Any) -> None:
    """After stop the port is free, clients see the end, and the thread is gone; twice is harmless."""
    server = serve()
    sock = raw_client(server)
    with sock:
        server.wait_for(lambda _: server.client_ids)
        server.stop()
        while sock.recv(65536):
            pass
    server.stop()
    assert not [thread for thread in threading.enumerate() if thread.name == "ibkr-gateway"]
    with socket.create_server((server.host, server.port)):
        pass


def test_a_taken_port_is_an_error_of_the_system(serve: Any) -> None:
    """Starting on a port in use raises OSError and leaves no thread."""
    server = serve()
    with pytest.raises(OSError, match="in use"):
        SimulatedGateway(server.port).start()


def test_a_server_starts_once(serve: Any) -> None:
    """A second start is refused."""
    with pytest.raises(InvalidInput, match="once"):
        serve().start()


def test_a_wait_that_does_not_come_true_says_so(serve: Any) -> None:
    """wait_for raises after its timeout; unknown clients are named."""
    server = serve()
    with pytest.raises(WaitTimeout):
        server.wait_for(lambda _: False, timeout_s=0.01)
    with pytest.raises(InvalidInput, match="client 3"):
        server.session(3)


def test_the_default_versions_reach_the_newest_protobuf(serve: Any, join: Any) -> None:
    """The official client of the environment negotiates the highest version that both sides know."""
    client = join(serve())
    assert client.serverVersion() == min(MAX_CLIENT_VER, supported_versions()[-1])


def test_a_lively_market_fills_in_parts_by_itself(serve: Any, join: Any) -> None:
    """With prices moving and callbacks repeated as real ones are, books and callbacks agree."""
    settings = Settings(
        market=MarketSettings(interval_s=0.005, max_lots=1),
        choreography=Choreography(duplicates=0.7, statuses_first=0.5),
    )
    server = serve(seed=5, settings=settings)
    client = join(server)
    client.placeOrder(1, stock(), order("BUY", 450))
    client.wait_status(1, "Filled")
    booked = server.wait_for(lambda books: books.order(1))
    assert len(booked.executions) == 5
    reports = {one.exec_id for one in booked.executions}
    for exec_id in reports:
        client.wait("commissionReport", lambda told, *_, wanted=exec_id: told == wanted)
    assert {args[2].execId for args in client.of("execDetails")} == reports


def test_a_watcher_may_use_the_admin_methods(serve: Any) -> None:
    """Also those that open and close the door, which its own thread minds: it must not wait for itself."""
    server = serve()
    heard = threading.Event()

    def watcher(what: str, _client_id: int, _message: Message | None) -> None:
        if what == "connected":
            server.refuse_connections(3600)
            heard.set()

    server.watch(watcher)
    with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE_S) as sock:
        sock.sendall(client_hello(176, 176))
        sock.sendall(frame(encode_request(Message("startApi", {"clientId": 1}), 176)))
        assert heard.wait(PATIENCE_S)
        assert server.wait_for(lambda _: 1 in server.client_ids, PATIENCE_S)
    server.end_faults()
    assert server.is_serving
