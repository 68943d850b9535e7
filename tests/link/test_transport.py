"""The TCP transport: every byte or an error, and a close that wakes whoever waits."""

from __future__ import annotations

import contextlib
import errno
import itertools
import select
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from ibkr_core.errors import GatewayUnreachable, NotReady, SendFailed
from ibkr_core.link import transport as transport_module
from ibkr_core.link.transport import SocketTransport
from tests.link.peers import PATIENCE_S, Line, Peer

pytestmark = pytest.mark.system


@pytest.fixture(autouse=True, params=[True, False], ids=["one call", "time limits of Python's"])
def is_one_call(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> bool:
    """Try both ways to bound a send, the second as on a system that knows no sends which do not wait."""
    if not request.param:
        monkeypatch.setattr(transport_module, "_AT_ONCE", 0)
    return bool(request.param)


def connected(peer: Peer, *, send_timeout_s: float = PATIENCE_S, busy_poll_s: float = 0.0) -> SocketTransport:
    return SocketTransport(
        "127.0.0.1",
        peer.port,
        connect_timeout_s=10,
        send_timeout_s=send_timeout_s,
        busy_poll_s=busy_poll_s,
    )


def received(transport: SocketTransport, room: int = 65536) -> bytes:
    """One receive."""
    buffer = memoryview(bytearray(room))
    return bytes(buffer[: transport.receive_into(buffer)])


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_no_gateway_at_the_port() -> None:
    """A port where nobody listens is a typed error that names the place and says what to look at."""
    port = free_port()
    with pytest.raises(GatewayUnreachable, match=rf"127\.0\.0\.1:{port}.*is it running"):
        SocketTransport("127.0.0.1", port)


@pytest.mark.parametrize("host", ["no.such.host.invalid", "a" * 70, "..", "a\0b"])
def test_a_host_that_cannot_be_reached_is_a_typed_error(host: str) -> None:
    """A name that does not resolve, or that no name server could be asked for, is unreachable too."""
    with pytest.raises(GatewayUnreachable):
        SocketTransport(host, 4002)


def test_bytes_go_both_ways() -> None:
    """What one side sends the other receives, as soon as it is there."""

    def script(line: Line) -> None:
        assert line.read(5) == b"hello"
        line.send(b"world")
        assert line.read_to_end() == b""

    with Peer(script) as peer:
        transport = connected(peer)
        transport.send(b"hello")
        assert received(transport) == b"world"
        transport.close()


@pytest.mark.parametrize("busy_poll_s", [1e-6, 0.01, PATIENCE_S])
def test_a_receive_that_polls_gets_what_one_that_waits_gets(busy_poll_s: float) -> None:
    """What is there already, what comes meanwhile or when it has given up polling, and the end."""
    go = threading.Event()

    def script(line: Line) -> None:
        line.send(b"abcdef")
        assert line.read(1) == b"1"
        assert go.wait(PATIENCE_S)
        line.send(b"ghi")
        line.read(1)

    with Peer(script) as peer:
        transport = connected(peer, busy_poll_s=busy_poll_s)
        assert received(transport, 4) == b"abcd"
        assert received(transport, 4) == b"ef"
        transport.send(b"1")
        threading.Timer(0.05, go.set).start()
        assert received(transport, 4) == b"ghi"
        transport.send(b"2")
        assert received(transport) == b""
        transport.close()


@pytest.mark.parametrize(("busy_poll_s", "slow_s"), [(0.0, 9e9), (PATIENCE_S, 0.0), (PATIENCE_S, 9e9)])
def test_polling_takes_the_processor_while_nobody_computes(
    busy_poll_s: float, slow_s: float, monkeypatch: pytest.MonkeyPatch, *, is_one_call: bool
) -> None:
    """Else, and where the system has no calls that do not wait, it waits. A close ends either at once."""
    monkeypatch.setattr(transport_module, "_SLOW_S", slow_s)
    polls = is_one_call and busy_poll_s > 0 and slow_s > 0
    taken: list[float] = []

    def receive(transport: SocketTransport) -> None:
        before = time.thread_time()
        assert received(transport) == b""
        taken.append(time.thread_time() - before)

    with Peer(lambda line: line.read_to_end()) as peer:
        transport = connected(peer, busy_poll_s=busy_poll_s)
        reader = threading.Thread(target=receive, args=(transport,))
        began, deadline = time.process_time(), time.monotonic() + PATIENCE_S
        reader.start()
        while polls and time.process_time() - began < 0.1 and time.monotonic() < deadline:
            time.sleep(0.01)
        time.sleep(0.02)
        transport.close()
        reader.join(PATIENCE_S)
        assert not reader.is_alive()
    assert (taken[0] > 0.02) == polls


class _Sockets:
    """A socket in which nothing is ever there at once; each look takes as long as its clock is told."""

    def __init__(self, looks_s: Iterable[float]) -> None:
        self.now = 1000.0
        self.looks = 0
        self._looks_s = iter(looks_s)

    def monotonic(self) -> float:
        return self.now

    def recv_into(self, *given: object) -> int:
        if len(given) == 1:
            self.now += 0.0005
            return 1  # it waited, and one byte came
        self.looks += 1
        self.now += next(self._looks_s)
        raise BlockingIOError


@pytest.mark.parametrize(
    ("looks_s", "rests"),
    [
        (itertools.repeat(1e-6), False),
        (itertools.cycle([*[1e-6] * 4_999, 0.005]), True),  # a switch interval of 5 ms, and one who computes
        (itertools.cycle([*[1e-6] * 99, 0.0001001]), True),  # the same with 0.1 ms
        (itertools.cycle([*[1e-6] * 19_999, 0.0015]), False),  # one who works now and then
    ],
)
def test_polling_rests_where_looks_wait_for_others(
    looks_s: Iterable[float], rests: bool, monkeypatch: pytest.MonkeyPatch, *, is_one_call: bool
) -> None:
    """Who computes gets the interpreter when its switch interval is over: most looks are quick even so."""
    if not is_one_call:
        pytest.skip("nothing is polled without calls that do not wait")
    with Peer(lambda line: line.read_to_end()) as peer:
        transport = connected(peer, busy_poll_s=0.005)
        stand_in = _Sockets(looks_s)
        with monkeypatch.context() as patch:
            patch.setattr(transport, "_socket", stand_in)
            patch.setattr(transport_module, "time", stand_in)
            room = memoryview(bytearray(16))
            for _ in range(180):  # of about a second
                assert transport.receive_into(room) == 1
            assert (stand_in.looks < 20_000) == rests
            looks, stand_in.now = stand_in.looks, stand_in.now + 1.1
            assert transport.receive_into(room) == 1
            assert stand_in.looks > looks, "it tries again"
        transport.close()


@pytest.mark.parametrize(("look_s", "times"), [(1e-6, range(970, 1001)), (1.0, range(1))])
def test_meanwhile_something_else_is_done(
    look_s: float, times: range, monkeypatch: pytest.MonkeyPatch, *, is_one_call: bool
) -> None:
    """Every 0.1 ms after the last bytes, while looks are quick; never where it rests."""
    if not is_one_call:
        pytest.skip("nothing is polled without calls that do not wait")
    with Peer(lambda line: line.read_to_end()) as peer:
        transport = connected(peer, busy_poll_s=0.1)
        stand_in = _Sockets(itertools.repeat(look_s))
        done: list[float] = []
        with monkeypatch.context() as patch:
            patch.setattr(transport, "_socket", stand_in)
            patch.setattr(transport_module, "time", stand_in)
            transport.meanwhile = lambda: done.append(stand_in.now)
            room = memoryview(bytearray(16))
            for _ in range(3):
                done.clear()
                began = stand_in.now
                assert transport.receive_into(room) == 1
                assert len(done) in times
                assert all(later - sooner > 0.000099 for sooner, later in itertools.pairwise((began, *done)))
        transport.close()


def test_what_is_there_comes_before_all_else() -> None:
    """A reader that polls does something else only when it has seen that nothing came."""
    done: list[None] = []
    with Peer(lambda line: line.send(b"abc")) as peer:
        transport = connected(peer, busy_poll_s=PATIENCE_S)
        assert select.select([transport._socket], [], [], PATIENCE_S)[0]
        transport.meanwhile = lambda: done.append(None)
        assert received(transport) == b"abc"
        assert not done
        transport.close()


def test_a_receive_takes_no_more_than_the_room() -> None:
    """The rest of what came waits for the next receive."""
    with Peer(lambda line: line.send(b"abcdef")) as peer:
        transport = connected(peer)
        assert received(transport, 4) == b"abcd"
        assert received(transport, 4) == b"ef"
        assert received(transport, 4) == b""
        transport.close()


def test_a_peer_that_hangs_up_ends_the_stream() -> None:
    """A closed connection is an empty receive, every time it is asked."""
    with Peer(lambda _: None) as peer:
        transport = connected(peer)
        assert received(transport) == b""
        assert received(transport) == b""
        transport.close()


def test_a_reset_is_an_error_of_the_receive() -> None:
    """A connection that breaks is told apart from one that was closed."""

    def script(line: Line) -> None:
        line.read(1)
        line.reset()

    with Peer(script) as peer:
        transport = connected(peer)
        transport.send(b"x")
        with pytest.raises(OSError, match="reset"):
            received(transport)
        transport.close()


def test_a_large_message_leaves_whole_however_slowly_it_is_read() -> None:
    """A message that fits into no socket buffer: the send goes on until the last byte is gone."""
    data = bytes(range(256)) * (8 * 4096)
    arrived: list[bytes] = []

    def script(line: Line) -> None:
        arrived.append(line.read(len(data)))

    with Peer(script, receive_buffer=8192) as peer:
        transport = connected(peer)
        transport.send(data)
    transport.close()
    assert arrived == [data]


def test_messages_of_several_threads_do_not_mix() -> None:
    """Each send is one piece on the wire, also when it takes many system calls."""
    pieces = [bytes([letter]) * 200_000 for letter in b"abcdefgh"]
    arrived: list[bytes] = []

    def script(line: Line) -> None:
        arrived.extend(line.read(200_000) for _ in pieces)

    with Peer(script, receive_buffer=8192) as peer:
        transport = connected(peer)
        with ThreadPoolExecutor(len(pieces)) as pool:
            list(pool.map(transport.send, pieces))
    transport.close()
    assert sorted(arrived) == pieces


def test_a_peer_that_stops_reading_runs_into_the_send_deadline() -> None:
    """A stalled send fails, says so, and closes: half a frame may stand there, so nothing may follow."""
    done = threading.Event()
    with Peer(lambda line: line.sock.close() if done.wait(PATIENCE_S) else None) as peer:
        transport = connected(peer, send_timeout_s=0.2)
        with pytest.raises(SendFailed, match="timed out"):
            transport.send(b"x" * 50_000_000)
        with pytest.raises(NotReady, match="a send failed: timed out; nothing was sent"):
            transport.send(b"more")
        with pytest.raises(OSError, match="a send failed: timed out"):  # the peer is not blamed for it
            received(transport)
        done.set()


def test_nothing_follows_a_send_that_was_interrupted() -> None:
    """Ctrl-C while a message waits for room: half a frame may stand there, as after a send that failed."""
    done, main = threading.Event(), threading.get_ident()
    with Peer(lambda line: line.sock.close() if done.wait(PATIENCE_S) else None) as peer:
        transport = connected(peer)
        interrupt = threading.Timer(0.2, lambda: signal.pthread_kill(main, signal.SIGINT))
        interrupt.start()
        with pytest.raises(KeyboardInterrupt):
            transport.send(b"x" * 50_000_000)
        with pytest.raises(NotReady, match="a send was interrupted; nothing was sent"):
            transport.send(b"more")
        interrupt.join()
        done.set()


class Vanished:
    """A socket whose peer is not there any more, as the system finds when nothing is acknowledged."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.faults: list[OSError] = [TimeoutError("timed out"), OSError(errno.ETIMEDOUT, "gone")]

    def __getattr__(self, name: str) -> Any:
        return getattr(self._sock, name)

    def recv_into(self, _: memoryview) -> int:
        if self.faults:
            raise self.faults.pop(0)
        return 0  # as a socket does that has told its fault


def test_a_peer_that_vanished_is_not_said_to_have_hung_up() -> None:
    """The system's time limit ends the stream with its own word; only Python's means to try again."""
    done = threading.Event()
    with Peer(lambda line: line.sock.close() if done.wait(PATIENCE_S) else None) as peer:
        transport = connected(peer)
        transport._socket = Vanished(transport._socket)  # type: ignore[assignment]
        with pytest.raises(OSError, match="gone"):
            received(transport)
        transport.close()
        done.set()


def test_the_send_deadline_does_not_touch_receiving() -> None:
    """A receive waits for as long as it takes, however short the deadline for sends is."""
    released = threading.Event()

    def script(line: Line) -> None:
        released.wait(0.1)  # never set: many send deadlines have to pass
        line.send(b"late")

    with Peer(script) as peer:
        transport = connected(peer, send_timeout_s=0.001)
        assert received(transport) == b"late"
        transport.close()


def close(transport: SocketTransport) -> None:
    transport.close()
    transport.close()  # a second time is harmless


def stalled_send(transport: SocketTransport) -> None:
    transport.send(b"x" * 50_000_000)


@pytest.mark.parametrize("waiting", [received, stalled_send])
def test_closing_wakes_a_thread_that_waits(waiting: Callable[[SocketTransport], object]) -> None:
    """Whoever sits in a receive or in a stalled send comes back when another thread closes."""
    done = threading.Event()
    with Peer(lambda line: line.sock.close() if done.wait(PATIENCE_S) else None) as peer:
        transport = connected(peer)
        outcome: list[object] = []
        inside = threading.Event()

        def wait() -> None:
            inside.set()
            try:
                outcome.append(waiting(transport))
            except (OSError, SendFailed) as error:  # NotReady is an OSError too
                outcome.append(error)

        thread = threading.Thread(target=wait)
        thread.start()
        inside.wait(PATIENCE_S)
        close(transport)
        thread.join(PATIENCE_S)
        assert not thread.is_alive()
        assert outcome
        if waiting is stalled_send:
            assert isinstance(outcome[0], SendFailed | NotReady)
        done.set()


def test_nothing_is_sent_after_a_close() -> None:
    """A closed transport refuses, and the peer sees the end of the stream."""
    ends: list[bytes] = []
    with Peer(lambda line: ends.append(line.read_to_end())) as peer:
        transport = connected(peer)
        close(transport)
        with pytest.raises(NotReady, match="nothing was sent"):
            transport.send(b"never")
    assert ends == [b""]


def test_a_message_of_no_bytes_is_nothing() -> None:
    """It neither waits for room that others take up, nor ends the connection; after a close it is refused."""
    arrived: list[bytes] = []
    reads = threading.Event()

    def script(line: Line) -> None:
        reads.wait(PATIENCE_S)
        arrived.append(line.read_to_end())

    with Peer(script, receive_buffer=8192) as peer:
        transport = connected(peer, send_timeout_s=0.2)
        transport.send(b"")
        filler = fill_up(transport._sender)
        transport.send(b"")
        reads.set()
        transport._send_timeout_s = PATIENCE_S
        transport._sender.settimeout(PATIENCE_S)
        transport.send(b"after")
        close(transport)
        with pytest.raises(NotReady):
            transport.send(b"")
    assert arrived == [filler + b"after"]


def fill_up(sock: socket.socket) -> bytes:
    """Send until the kernel takes no more; returns what it took."""
    piece, taken = b"x" * 4096, 0
    while select.select([], [sock], [], 0.1)[1]:
        with contextlib.suppress(BlockingIOError, TimeoutError):
            while True:
                taken += sock.send(piece, socket.MSG_DONTWAIT)
    return b"x" * taken


class Counting:
    """A socket that notes the calls made on it."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self.calls: list[str] = []

    def __getattr__(self, name: str) -> Any:
        self.calls.append(name)
        return getattr(self._sock, name)


def test_a_message_is_one_call_each_way(is_one_call: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither side has a time limit of Python's, which costs a look whether the socket is ready."""
    with Peer(lambda line: line.send(line.read(5))) as peer:
        transport = connected(peer)
        sides = (transport._socket, transport._sender)
        assert [side.gettimeout() is None for side in sides] == [is_one_call] * 2
        sender, receiver = Counting(transport._sender), Counting(transport._socket)
        monkeypatch.setattr(transport, "_sender", sender)
        monkeypatch.setattr(transport, "_socket", receiver)
        transport.send(b"hello")
        assert received(transport) == b"hello"
        assert sender.calls == ["send" if is_one_call else "sendall"]
        assert receiver.calls == ["recv_into"]
        transport.close()


def test_a_peer_that_reads_too_slowly_runs_into_the_send_deadline() -> None:
    """The limit is for the whole message: a peer that takes a little now and then does not stretch it."""
    done = threading.Event()

    def trickle(line: Line) -> None:
        while not done.wait(0.02):
            line.sock.recv(2048)

    with Peer(trickle, receive_buffer=8192) as peer:
        transport = connected(peer, send_timeout_s=0.5)
        began = time.monotonic()
        with pytest.raises(SendFailed, match="timed out"):
            transport.send(b"x" * 50_000_000)
        assert time.monotonic() - began < PATIENCE_S, "each little progress began the limit anew"
        done.set()


def test_messages_that_had_to_wait_for_room_arrive_whole() -> None:
    """A peer that begins to read in time gets every message, in order."""
    reads = threading.Event()
    piece = bytes(range(256)) * 4096
    arrived: list[bytes] = []

    def script(line: Line) -> None:
        reads.wait(PATIENCE_S)
        arrived.append(line.read(8 * len(piece)))

    with Peer(script, receive_buffer=8192) as peer:
        transport = connected(peer)
        threading.Timer(0.05, reads.set).start()
        for _ in range(8):
            transport.send(piece)
    transport.close()
    assert arrived == [piece * 8]
