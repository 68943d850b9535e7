"""The opening bytes of a session (wire facts 2).

The client sends ``API``, a NUL, and a frame with the versions that it speaks: ``v100..226``, then perhaps a
space and connect options. The server answers one frame with the version that it chose and its time.
"""

import re
from collections.abc import Collection

import attrs

from ibkr_core.errors import HandshakeError
from ibkr_core.wire.framing import PREFIX, frame

__all__ = [
    "ClientHello",
    "ServerHello",
    "client_hello",
    "negotiate",
    "parse_client_hello",
    "parse_server_hello",
    "server_hello",
]

_PROLOGUE = b"API\0"
_MAX_HELLO = 4096  # options are a few words; more than this is no TWS client
_VERSIONS = re.compile(r"v([0-9]{1,6})(?:\.\.([0-9]{1,6}))?(?: (.*))?", re.DOTALL)


@attrs.frozen
class ClientHello:
    """What a client offers.

    Attributes:
        min_version: Lowest protocol version that it speaks.
        max_version: Highest one; the same when it names only one.
        options: Connect options such as ``+PACEAPI``, or an empty string.
        consumed: Bytes of the input that the hello took; what follows belongs to the first frames.
    """

    min_version: int
    max_version: int
    options: str
    consumed: int


@attrs.frozen
class ServerHello:
    """What a server answers.

    Attributes:
        server_version: The protocol version of this session.
        time_text: The server's time, as ``YYYYMMDD HH:MM:SS zone``.
    """

    server_version: int
    time_text: str


def client_hello(min_version: int, max_version: int, options: str = "") -> bytes:
    """Build the bytes that open a session.

    Raises:
        HandshakeError: Versions out of order, or options that are no printable ASCII.
    """
    if not 0 < min_version <= max_version:
        raise HandshakeError(f"no version range: {min_version}..{max_version}")
    if not options.isascii() or "\0" in options:
        raise HandshakeError("connect options must be ASCII without NUL")
    versions = f"v{min_version}..{max_version}" if min_version != max_version else f"v{min_version}"
    body = f"{versions} {options}" if options else versions
    return _PROLOGUE + frame(body.encode("ascii"))


def parse_client_hello(data: bytes | bytearray | memoryview) -> ClientHello | None:
    """Read the opening bytes of a client, which may come in pieces.

    Args:
        data: Everything received so far.

    Returns:
        The offer, or None when more bytes are needed.

    Raises:
        HandshakeError: This is no TWS client; more bytes will not mend it.
    """
    head = bytes(data[: len(_PROLOGUE) + PREFIX])
    if not _PROLOGUE.startswith(head[: len(_PROLOGUE)]):
        raise HandshakeError(f"expected {_PROLOGUE!r}, not {head[: len(_PROLOGUE)]!r}")
    if len(head) < len(_PROLOGUE) + PREFIX:
        return None
    length = int.from_bytes(head[len(_PROLOGUE) :], "big")
    if length > _MAX_HELLO:
        raise HandshakeError(f"a hello of {length} bytes")
    end = len(_PROLOGUE) + PREFIX + length
    if len(data) < end:
        return None
    text = bytes(data[len(_PROLOGUE) + PREFIX : end]).decode("latin-1")
    match = _VERSIONS.fullmatch(text.removesuffix("\0"))
    if match is None:
        raise HandshakeError(f"no version range: {text[:80]!r}")
    low = int(match[1])
    high = int(match[2] or match[1])
    if not 0 < low <= high:
        raise HandshakeError(f"no version range: {low}..{high}")
    return ClientHello(low, high, match[3] or "", end)


def negotiate(client_min: int, client_max: int, supported: Collection[int] | range) -> int | None:
    """Choose the version of a session: the highest that both sides speak.

    Args:
        client_min: Lowest version of the client.
        client_max: Highest version of the client.
        supported: The versions of the server.

    Returns:
        The version, or None when there is none in common.
    """
    return max((version for version in supported if client_min <= version <= client_max), default=None)


def server_hello(version: int, time_text: str) -> bytes:
    """Build the server's answer, the length in front included.

    Args:
        version: The version chosen.
        time_text: ``YYYYMMDD HH:MM:SS zone``, with a zone that clients know (wire facts 2).

    Raises:
        HandshakeError: The time holds a NUL or is not ASCII.
    """
    if not time_text.isascii() or "\0" in time_text:
        raise HandshakeError("the server time must be ASCII without NUL")
    return frame(f"{version}\0{time_text}\0".encode("ascii"))


def parse_server_hello(body: bytes | bytearray | memoryview) -> ServerHello:
    """Read the body of the first frame from a server.

    Raises:
        HandshakeError: Not a version and a time.
    """
    parts = bytes(body).split(b"\0")
    if len(parts) != 3 or parts[2]:  # noqa: PLR2004 - two fields, each ended by a NUL
        raise HandshakeError(f"expected a version and a time, not {bytes(body)[:80]!r}")
    version, time_text = parts[0], parts[1]
    if not version.isdigit() or len(version) > 6:  # noqa: PLR2004 - no version has seven digits
        raise HandshakeError(f"{version[:80]!r} is no server version")
    return ServerHello(int(version), time_text.decode("latin-1"))
