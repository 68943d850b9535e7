"""A fuzz of the simulated gateway over its real socket.

    python -m ibkr_core.testing.fuzz --frames 1000000 --seed 7

Several clients at a time open connections, rightly or wrongly, send random and mutated frames of every kind
of request, in pieces and in heaps, and leave in every way there is. Meanwhile a healthy client asks for the
time.

It fails when the healthy one is not answered, when a frame that cannot be read is not complained about, when
a connection neither answers nor ends, when the gateway finds a fault in itself, when memory grows by more
than what the day's orders explain, or when a thread or a socket is left behind.
"""

from __future__ import annotations

import argparse
import gc
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import attrs

from ibkr_core.gateway import SimulatedGateway
from ibkr_core.gateway.core import supported_versions
from ibkr_core.testing.wild import Wild
from ibkr_core.wire.codec import decode_answer, encode_request
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.ids import RAW_ID_SINCE
from ibkr_core.wire.message import Message

__all__ = ["Outcome", "fuzz", "main"]

_VERSIONS = (142, 145, 152, 157, 163, 169, 176, 187, 192, 199, 200, 201, 203, 208, 213, 218, 222, 226)
_HEALTHY_VERSION = 176
_HEALTHY_ID = 1_000_001
_PATIENCE_S = 30.0
_CONNECTIONS = 6
_BATCH = 20
_PROBE_EVERY = 2_000  # frames
_RECEIVE = 262_144
_UNREADABLE = frozenset({320, 505, 507})
_LAST_WORDS = frozenset({326, 502, 507})
_TIME_ID = 49
_ERROR_ID = 4
_WARM_UP = 0.1  # of the frames; caches and pools are full by then
_NOISE_BYTES = 48 * 2**20
_KEPT_BYTES = 16_384  # of an order with its executions, which are kept for the day


@attrs.define
class Outcome:
    """What a fuzz did and found.

    Attributes:
        frames: Frames sent.
        connections: Connections made.
        complaints: Errors received about frames that could not be read.
        probes: Times that the healthy client asked and was answered.
        orders: Orders that the gateway took from all this.
        seconds: How long it took.
        grown_bytes: Growth of the process after the first tenth.
        failures: What is wrong.
    """

    frames: int = 0
    connections: int = 0
    complaints: int = 0
    probes: int = 0
    orders: int = 0
    seconds: float = 0.0
    grown_bytes: int = 0
    failures: list[str] = attrs.field(factory=list)


class _Line:
    """One connection from the client's side, which notes what the gateway says."""

    def __init__(self, port: int, hello: bytes, version: int) -> None:
        self.version = version
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=_PATIENCE_S)
        self.is_open = True
        self.complaints = 0
        self.times = 0
        self.refusals = 0
        self.last_words: set[int] = set()
        self._buffer = FrameBuffer()
        self._is_greeted = False
        self.send(hello)

    def send(self, data: bytes) -> None:
        """Send as much as the gateway takes; one that has hung up is found out by reading."""
        try:
            self.sock.sendall(data)
        except TimeoutError:
            raise
        except OSError:
            return

    def listen(self, timeout_s: float) -> bool:
        """Take in what has come, or wait for something; False when nothing came in time."""
        if not self.is_open:
            return False
        self.sock.settimeout(timeout_s)
        try:
            data = self.sock.recv(_RECEIVE)
        except (BlockingIOError, TimeoutError):
            return False
        except OSError:
            data = b""
        finally:
            self.sock.settimeout(_PATIENCE_S)
        if not data:
            self.is_open = False
            return True
        self._buffer.feed(data)
        for body in self._buffer.frames():
            self._note(bytes(body))
        return True

    def wait_for(self, condition: Callable[[], bool]) -> bool:
        """Listen until something is so, or the line ends, or patience does."""
        deadline = time.monotonic() + _PATIENCE_S
        while not condition() and self.is_open:
            left = deadline - time.monotonic()
            if left <= 0:
                return False
            self.listen(left)
        return condition()

    def close(self) -> None:
        """Hang up."""
        self.is_open = False
        self.sock.close()

    def _note(self, body: bytes) -> None:
        if not self._is_greeted:  # the first frame is the version
            self._is_greeted = True
            return
        if self.version >= RAW_ID_SINCE:
            kind = int.from_bytes(body[:4], "big") % 200
        else:
            kind = int(body[: body.index(b"\0")])
        if kind == _TIME_ID:
            self.times += 1
        elif kind == _ERROR_ID:
            code = decode_answer(body, self.version).fields["errorCode"]
            self.complaints += code in _UNREADABLE
            self.refusals += code == 504  # noqa: PLR2004 - "Not connected": the answer before startApi
            if code in _LAST_WORDS:
                self.last_words.add(code)


@attrs.define(eq=False)
class _Attack:
    """A hostile client and what it may expect."""

    line: _Line
    started: bool
    frames_left: int
    in_step: bool = True
    unreadable: int = 0


class _Fuzz:
    def __init__(self, gateway: SimulatedGateway, wild: Wild, outcome: Outcome) -> None:
        self._gateway = gateway
        self._wild = wild
        self._outcome = outcome
        self._healthy = self._well_behaved()
        self._attacks = [self._attack() for _ in range(_CONNECTIONS)]

    def run(self, frames: int, tell: Callable[[int], None]) -> None:
        """Send so many frames."""
        outcome = self._outcome
        settled: tuple[int, int] | None = None
        next_probe = 0
        while outcome.frames < frames and not outcome.failures and self._gateway.fault is None:
            if settled is None and outcome.frames >= frames * _WARM_UP:
                settled = _resident_bytes(), self._orders()
            if outcome.frames >= next_probe:
                next_probe = outcome.frames + _PROBE_EVERY
                self._probe()
                tell(outcome.frames)
            place = self._wild.number(0, _CONNECTIONS - 1)
            if self._go_on(self._attacks[place]):
                self._attacks[place] = self._attack()
        for attack in self._attacks:
            if self._gateway.fault is None:
                self._finish(attack)
            attack.line.close()
        if self._gateway.fault is None:
            self._probe()
        self._healthy.close()
        outcome.orders = self._orders()
        if settled is not None:
            self._judge_memory(*settled)

    def _judge_memory(self, bytes_then: int, orders_then: int) -> None:
        outcome = self._outcome
        outcome.grown_bytes = _resident_bytes() - bytes_then
        explained = _NOISE_BYTES + _KEPT_BYTES * (outcome.orders - orders_then)
        if outcome.grown_bytes > explained:
            outcome.failures.append(
                f"memory grew by {outcome.grown_bytes:,} bytes; orders explain {explained:,} of them"
            )

    def _orders(self) -> int:
        return len(self._gateway.books().orders)

    # -- the healthy client ------------------------------------------------------------------------

    def _well_behaved(self) -> _Line:
        line = _Line(self._gateway.port, client_hello(_HEALTHY_VERSION, _HEALTHY_VERSION), _HEALTHY_VERSION)
        start = Message("startApi", {"clientId": _HEALTHY_ID})
        line.send(frame(encode_request(start, _HEALTHY_VERSION)))
        return line

    def _probe(self) -> None:
        before = self._healthy.times
        self._healthy.send(self._wild.probe(_HEALTHY_VERSION))
        if self._healthy.wait_for(lambda: self._healthy.times > before):
            self._outcome.probes += 1
        else:
            self._outcome.failures.append(f"frame {self._outcome.frames}: the healthy client got no answer")

    # -- the others --------------------------------------------------------------------------------

    def _attack(self) -> _Attack:
        hello, version = self._wild.hello()
        line = _Line(self._gateway.port, hello, version)
        self._outcome.connections += 1
        started = version > 0 and self._wild.chance(0.9)
        if started:
            line.send(self._wild.start(version))
        return _Attack(line, started, self._wild.number(1, 400) if version else 0, in_step=version > 0)

    def _go_on(self, attack: _Attack) -> bool:
        """Send one heap of frames; True when the connection is done with."""
        heap = []
        for _ in range(min(_BATCH, attack.frames_left)):
            wild = self._wild.request(attack.line.version)
            heap.append(wild.data)
            attack.frames_left -= 1
            self._outcome.frames += 1
            attack.unreadable += attack.in_step and wild.in_step and not wild.readable
            attack.in_step = attack.in_step and wild.in_step
            if not attack.in_step:
                attack.frames_left = 0
                break
        for piece in self._wild.pieces(b"".join(heap)):
            attack.line.send(piece)
        while attack.line.listen(0.0):
            pass
        if attack.frames_left and attack.line.is_open:
            return False
        self._finish(attack)
        return True

    def _finish(self, attack: _Attack) -> None:
        """End a connection in some way, and see that nothing was met with silence."""
        line = attack.line
        if self._wild.chance(0.1):  # it just goes, whatever is on its way
            line.close()
            return
        if attack.in_step and line.is_open:
            before = line.times + line.refusals
            line.send(self._wild.probe(line.version))
            line.wait_for(
                lambda: line.times + line.refusals > before and line.complaints >= attack.unreadable
            )
            if line.is_open and line.times + line.refusals == before:
                self._fail("a request after all this was not answered", attack)
        elif line.is_open:
            line.sock.shutdown(socket.SHUT_WR)
            line.wait_for(lambda: not line.is_open)
            if line.is_open:
                self._fail("a connection that had said its last word was not closed", attack)
        self._outcome.complaints += line.complaints
        if not line.last_words and line.complaints < attack.unreadable:
            self._fail(f"{attack.unreadable} frames were unreadable, {line.complaints} complained of", attack)
        if attack.in_step and not line.is_open and not line.last_words:
            self._fail("the connection was closed without a reason", attack)
        line.close()

    def _fail(self, text: str, attack: _Attack) -> None:
        self._outcome.failures.append(
            f"frame {self._outcome.frames}, server version {attack.line.version}, "
            f"{'started' if attack.started else 'not started'}: {text}"
        )


def _resident_bytes() -> int:
    """Memory of this process; 0 where the system does not tell."""
    gc.collect()
    status = Path("/proc/self/statm")
    return int(status.read_text("ascii").split()[1]) * 4096 if status.exists() else 0


def _open_files() -> int:
    folder = Path("/proc/self/fd")
    return sum(1 for _ in folder.iterdir()) if folder.exists() else 0


def fuzz(frames: int, seed: int, tell: Callable[[int], None] = lambda _: None) -> Outcome:
    """Fuzz a gateway of its own.

    Args:
        frames: How many frames to send.
        seed: Decides every frame and every end of a connection.
        tell: Told now and then how many frames were sent.
    """
    outcome = Outcome()
    begin = time.monotonic()
    threads, files = threading.active_count(), _open_files()
    offered = supported_versions()
    wild = Wild(seed, [version for version in _VERSIONS if version in offered])
    gateway = SimulatedGateway(port=0, seed=seed)
    try:
        with gateway:
            _Fuzz(gateway, wild, outcome).run(frames, tell)
    except Exception as fault:  # noqa: BLE001 - whatever goes wrong is the finding
        found = gateway.fault or fault
        text = "".join(traceback.format_exception(found)[-4:])
        outcome.failures.append(f"frame {outcome.frames}: {text}")
    gc.collect()
    if threading.active_count() > threads:
        outcome.failures.append("a thread was left behind")
    if _open_files() > files:
        outcome.failures.append(f"{_open_files() - files} sockets were left behind")
    outcome.seconds = time.monotonic() - begin
    return outcome


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a fuzz and print what came of it; the exit status is 1 when something is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m ibkr_core.testing.fuzz",
        description="Send random and mutated frames to a simulated gateway over its real socket.",
    )
    parser.add_argument("--frames", type=int, default=20_000, help="how many frames (default 20000)")
    parser.add_argument("--seed", type=int, default=0, help="decides all of them (default 0)")
    options = parser.parse_args(arguments)
    step = max(options.frames // 20, 1)
    told = 0

    def tell(frames: int) -> None:
        nonlocal told
        if frames >= told + step:
            told = frames
            sys.stdout.write(f"{frames:>9,} of {options.frames:,} frames\n")
            sys.stdout.flush()

    outcome = fuzz(options.frames, options.seed, tell)
    sys.stdout.writelines(f"FAIL {failure}\n" for failure in outcome.failures)
    sys.stdout.write(
        f"{outcome.frames:,} frames on {outcome.connections:,} connections in {outcome.seconds:,.0f} s, seed "
        f"{options.seed}: {outcome.complaints:,} complaints, {outcome.probes:,} probes answered, "
        f"{outcome.orders:,} orders, memory +{outcome.grown_bytes / 2**20:,.1f} MiB, "
        f"{len(outcome.failures)} failures\n"
    )
    return 1 if outcome.failures else 0


if __name__ == "__main__":
    raise SystemExit(main())
