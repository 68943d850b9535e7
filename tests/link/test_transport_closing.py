"""A socket is not closed under a thread that is inside a call on it: its number may be another's at once."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from ibkr_core.link import transport as transport_module
from ibkr_core.link.transport import SocketTransport
from tests.link.peers import PATIENCE_S, Line, Peer

A_MOMENT_S = 0.2
"""Long enough for a close that does not wait to happen."""


class SlowSocket:
    """A socket whose calls need a moment to come back after the shutdown, as they may in the kernel."""

    def __init__(self, sock: socket.socket, woken: threading.Event) -> None:
        self._sock = sock
        self._woken = woken
        self.inside = threading.Event()
        self.closed = threading.Event()
        self.was_closed_inside: bool | None = None

    def _stay(self, *_: object) -> int:
        self.inside.set()
        self._woken.wait(PATIENCE_S)
        self.was_closed_inside = self.closed.wait(A_MOMENT_S)
        raise BrokenPipeError

    recv_into = send = sendall = _stay

    def shutdown(self, how: int) -> None:
        self._sock.shutdown(how)
        self._woken.set()

    def close(self) -> None:
        self._sock.close()
        self.closed.set()


@pytest.mark.parametrize("at_once", [transport_module._AT_ONCE, 0])
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("_socket", lambda transport: transport.receive_into(memoryview(bytearray(9)))),
        ("_sender", lambda transport: transport.send(b"order")),
    ],
)
def test_a_socket_is_closed_when_nobody_is_inside(
    name: str, call: Callable[[SocketTransport], Any], at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The close shuts down, waits for who is inside, and only then gives the number back."""
    monkeypatch.setattr(transport_module, "_AT_ONCE", at_once)
    with Peer(_listen) as peer:
        transport = SocketTransport("127.0.0.1", peer.port)
        woken = threading.Event()
        slow = {each: SlowSocket(getattr(transport, each), woken) for each in ("_socket", "_sender")}
        for each, sock in slow.items():
            monkeypatch.setattr(transport, each, sock)

        def work() -> None:
            with pytest.raises(OSError):  # noqa: PT011 - of whatever kind
                call(transport)

        worker = threading.Thread(target=work)
        worker.start()
        assert slow[name].inside.wait(PATIENCE_S)
        transport.close()
        worker.join(PATIENCE_S)
        assert slow[name].was_closed_inside is False
        assert all(sock.closed.is_set() for sock in slow.values())


def _listen(line: Line) -> None:
    line.read_to_end()
