"""One client's session without I/O: bytes in, bytes out, and time as an argument.

Framing, handshake and encoding are those of :mod:`ibkr_core.wire`. A session never raises for what a client
sends: a client that does not speak the protocol is hung up on, and one whose message cannot be read is told.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Collection, Mapping
from typing import Any, Protocol

from ibkr_core.errors import FrameTooLong, HandshakeError, InvariantViolated, UnknownMessage, WireError
from ibkr_core.gateway import answers
from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.wire.codec import decode_request, encode_answer
from ibkr_core.wire.framing import FrameBuffer, frame
from ibkr_core.wire.handshake import negotiate, parse_client_hello, server_hello
from ibkr_core.wire.message import Message

__all__ = ["Host", "Session", "Stage"]

_NOBODY = -1
_MAX_REQUEST = 0xFFFFF
_INT_LIMIT = 2**31
_LONG_FIELDS = frozenset({"permId", "parentPermId"})


class Stage(enum.Enum):
    """How far a session has come."""

    HELLO = "waiting for the client's versions"
    GREETED = "the version is settled; waiting for startApi"
    STARTED = "requests are answered"
    CLOSED = "nothing more is read; what is left to send may still go out"


class Host(Protocol):
    """What a session needs of the gateway behind it."""

    @property
    def versions(self) -> Collection[int]:
        """Server versions on offer."""

    def now(self) -> float:
        """The present, seconds since the epoch."""

    def next_deadline(self) -> float | None:
        """When something will happen by itself."""

    def advance(self, now: float | None = None) -> None:
        """Do everything that is due."""

    def start(self, session: Session) -> RefusalError | None:
        """Take a client in, or say why not."""

    def request(self, session: Session, message: Message) -> None:
        """Answer a request of a started client."""

    def dispatch(self, session: Session, message: Message) -> None:
        """Let one message for a started client pass through the outlet."""

    def stop(self, session: Session) -> None:
        """Forget a client."""


Watcher = Callable[[str, int, Message | None], None]
"""Told what passes: ``connected``, ``request``, ``answer`` or ``left``, the client's id, and the message."""


class Session:
    """One connection of one client.

    Args:
        host: The gateway.
        name: For people: where the client comes from.

    Attributes:
        watcher: Told of each answer that leaves; None for nobody.
        was_reset: Its end was a reset, not an orderly close; a transport should say so to its client.
    """

    def __init__(self, host: Host, name: str = "memory") -> None:
        self.name = name
        self.stage = Stage.HELLO
        self.server_version = 0
        self.on_outgoing: Callable[[], None] | None = None
        self.before_outgoing: Callable[[], None] | None = None
        self.watcher: Watcher | None = None
        self._client_id = _NOBODY
        self._host = host
        self._hello = bytearray()
        self._frames = FrameBuffer(_MAX_REQUEST)
        self._out = bytearray()
        self._held: bytearray | None = None  # what a stalled line keeps back
        self._holds = 0
        self._loses = False
        self._unheard: bytearray | None = None  # what a dead line did not bring us
        self._keeps_unheard = False
        self._hung_up = False
        self.was_reset = False
        self.end_reason = ""  # why the gateway hung up; a client that never spoke the protocol is not told

    def __repr__(self) -> str:
        return f"Session({self.name}, client {self._client_id}, {self.stage.name})"

    # -- the transport's side ----------------------------------------------------------------------

    def receive(self, data: bytes | bytearray | memoryview) -> None:
        """Take bytes from the client, in pieces of any size, and act on every complete message."""
        if self.stage is Stage.CLOSED:
            return
        self._host.advance()
        if self._unheard is not None:
            if self._keeps_unheard:
                self._unheard += data
            return
        if self.stage is Stage.HELLO:
            self._hello += data
            data = self._greet()
        self._frames.feed(data)
        try:
            for body in self._frames.frames():
                self._handle(bytes(body))
                self._host.advance()
                if self.closed or self._unheard is not None:
                    return  # what has come after a dead line's last words waits in the buffer
        except FrameTooLong as fault:
            self._part(507, f"Bad Message Length. {fault}")

    def outgoing(self, limit: int | None = None) -> bytes:
        """Take bytes to send.

        Args:
            limit: At most so many; by default all.
        """
        if self._out and self.before_outgoing is not None:
            self.before_outgoing()
        size = len(self._out) if limit is None else min(limit, len(self._out))
        taken = bytes(self._out[:size])
        del self._out[:size]
        return taken

    @property
    def pending(self) -> int:
        """Bytes that wait to be sent."""
        return len(self._out)

    @property
    def closed(self) -> bool:
        """Whether the connection should be shut once :meth:`outgoing` is empty."""
        return self.stage is Stage.CLOSED

    def close(self) -> None:
        """End the session, from either side. The client's orders rest on."""
        if self.stage is Stage.CLOSED:
            return
        self.stage = Stage.CLOSED
        self._held = None
        self._frames.clear()  # something timed may still hold the session for minutes
        self._host.stop(self)
        self._wake()

    def hang_up(self) -> None:
        """End the session from the client's side. On a dead line the gateway does not notice yet."""
        if self._unheard is None:
            self.close()
        else:
            self._hung_up = True

    def reset(self) -> None:
        """End the session as a reset does: what waits to be sent is lost, and ``was_reset`` is true."""
        self._out.clear()
        self.was_reset = True
        self.close()

    def next_deadline(self) -> float | None:
        """When something will happen by itself, seconds since the epoch; None when nothing will."""
        return self._host.next_deadline()

    def advance(self, now: float | None = None) -> None:
        """Let time pass for the whole gateway.

        Args:
            now: Seconds since the epoch; by default what the gateway's clock says.
        """
        self._host.advance(now)

    # -- the gateway's side ------------------------------------------------------------------------

    @property
    def client_id(self) -> int:
        """The id with which the client started; -1 before that."""
        return self._client_id

    def send(self, message: Message) -> None:
        """Send one answer through the gateway's outlet."""
        self._host.dispatch(self, message)

    def write(self, message: Message) -> None:
        """Encode one answer past the outlet; after the end of the session it goes nowhere.

        Raises:
            InvariantViolated: The gateway built a message that the protocol does not have.
        """
        if self.stage is not Stage.CLOSED:
            if self.watcher is not None:
                self.watcher("answer", self._client_id, message)
            self.inject(self.framed(message))

    def framed(self, message: Message) -> bytes:
        """The bytes of one answer, with their length.

        Raises:
            InvariantViolated: The gateway built a message that the protocol does not have.
        """
        try:
            body = encode_answer(message, self.server_version)
        except WireError as fault:
            raise InvariantViolated(f"the gateway cannot say {message}: {fault}") from fault
        return frame(body)

    def inject(self, data: bytes) -> None:
        """Send raw bytes, well-formed or not: a hook for tests of clients. After the end they go nowhere."""
        if self.stage is Stage.CLOSED:
            return
        if self._held is not None:
            if not self._loses:
                self._held += data
            return
        self._out += data
        self._wake()

    # -- the line: how faults act on it ------------------------------------------------------------

    def hold(self, *, lose: bool = False) -> None:
        """Let nothing more out, until :meth:`release` was called as often as this.

        Args:
            lose: Whether what is said from now on is lost, not kept.
        """
        self._holds += 1
        self._loses = self._loses or lose
        if self._held is None and self.stage is not Stage.CLOSED:
            self._held = bytearray()

    def release(self) -> None:
        """Take back one :meth:`hold`; after the last one, what was kept back leaves."""
        self._holds -= 1
        if self._holds == 0 and self._held is not None:
            kept, self._held = self._held, None
            self.inject(bytes(kept))

    def deafen(self, *, keep: bool) -> None:
        """Hear nothing more of the client, not even its end, until :meth:`hear`.

        Args:
            keep: Whether what it sends meanwhile is to be heard then, or lost.
        """
        if self._unheard is None:
            self._unheard = bytearray()
            self._keeps_unheard = keep

    def hear(self) -> None:
        """Hear what a deaf session kept, and then whether the client has hung up."""
        unheard, self._unheard = self._unheard, None
        self.receive(unheard or b"")
        if self._hung_up:
            self.close()

    def _wake(self) -> None:
        if self.on_outgoing is not None:
            self.on_outgoing()

    # -- reading -----------------------------------------------------------------------------------

    def _greet(self) -> bytes:
        """Read the client's hello and answer it.

        Only the version frame goes out: clients drop whatever follows it in the same read (wire facts 2).

        Returns:
            What came after the hello.
        """
        try:
            hello = parse_client_hello(self._hello)
        except HandshakeError as fault:
            self.end_reason = str(fault)
            self.close()
            return b""
        if hello is None:
            return b""
        version = negotiate(hello.min_version, hello.max_version, self._host.versions)
        if version is None:
            self.end_reason = f"no version in common with {hello.min_version}..{hello.max_version}"
            self.close()
            return b""
        self.server_version = version
        self.stage = Stage.GREETED
        rest = bytes(self._hello[hello.consumed :])
        self._hello.clear()
        self.inject(server_hello(version, f"{eastern(self._host.now()):%Y%m%d %H:%M:%S} EST"))
        return rest

    def _handle(self, body: bytes) -> None:
        try:
            request = decode_request(body, self.server_version)
        except UnknownMessage as fault:
            self._complain(505, f"Fatal Error: Unknown message id. {fault}")
            return
        except WireError as fault:
            self._complain(320, f"Error reading request. {fault}")
            return
        wide = _too_wide(request.fields)
        if wide:
            self._complain(320, f"Error reading request. {request.kind}, field {wide}: beyond 32 bits")
        elif request.kind == "startApi":
            self._start(request)
        elif self.stage is Stage.STARTED:
            self._host.request(self, request)
        else:
            self._complain(504, "Not connected")

    def _start(self, request: Message) -> None:
        if self.stage is Stage.STARTED:
            self._complain(501, "Already connected.")
            return
        self._client_id = request.fields.get("clientId", 0)
        refusal = self._host.start(self)
        if refusal is not None:
            self._part(refusal.code, refusal.text)

    def _part(self, code: int, text: str) -> None:
        """Say why, and hang up."""
        self._complain(code, text)
        self.end_reason = f"{code}: {text}"
        self.close()

    def _complain(self, code: int, text: str) -> None:
        self.write(answers.error(_NOBODY, code, text, self._host.now()))


def _too_wide(fields: Mapping[str, Any]) -> str:
    """The first number that text can carry and the protocol's integers cannot; empty when all fit.

    Refused here, so that whatever is echoed can be said in every form of the protocol.
    """
    for name, value in fields.items():
        if type(value) is int:  # a decoded message holds plain values, lists and dicts only
            if not -_INT_LIMIT <= value < _INT_LIMIT and name not in _LONG_FIELDS:
                return name
        elif type(value) is dict or type(value) is list:
            for part in value if type(value) is list else (value,):
                wide = _too_wide(part) if isinstance(part, dict) else ""
                if wide:
                    return f"{name}.{wide}"
    return ""
