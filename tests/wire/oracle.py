"""The official client as an oracle: what it sends, and what it reads out of our bytes.

Works with every ibapi of the matrix, whichever is installed.
"""

from __future__ import annotations

import importlib
import inspect
import warnings
from typing import Any

from ibapi.client import EClient
from ibapi.decoder import Decoder
from ibapi.server_versions import MAX_CLIENT_VER
from ibapi.wrapper import EWrapper

from ibkr_core.wire.protobuf import is_available
from ibkr_core.wire.registry import answers, plan_for
from ibkr_core.wire.schema import fields_of

LOWEST = 142
HIGHEST = 226
OLD_CLIENT = "serverVersion" in inspect.signature(Decoder.__init__).parameters and (
    len(inspect.signature(Decoder.interpret).parameters) == 2
)
"""The client of 2020 (9.81): its interpret() takes the message id as the first field."""

HAS_PROTOBUF = is_available()


def versions(*wanted: int) -> list[int]:
    """Give those server versions that the installed client can speak."""
    every = wanted or tuple(range(LOWEST, HIGHEST + 1))
    return [version for version in every if version <= MAX_CLIENT_VER]


BOUNDARIES = (
    *(142, 144, 145, 147, 148, 150, 151, 152, 153, 155, 156, 157, 158, 159, 160, 162, 163, 164, 165, 166),
    *(168, 169, 170, 175, 176, 177, 178, 179, 181, 182, 183, 184, 185, 186, 187, 188, 189, 190, 191, 192),
    *(193, 194, 195, 196, 198, 199, 200, 201, 202, 203, 204, 205, 206, 207, 208, 209, 210, 211, 212, 213),
    *(215, 219, 221, 223, 224, 225, 226),
)
"""Every version at which some layout changes, and the one before it."""


class Recorder(EWrapper):  # type: ignore[misc]
    """An EWrapper that remembers each call as (name, arguments)."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[tuple[str, tuple[Any, ...]]] = []

    def __getattribute__(self, name: str) -> Any:
        found = super().__getattribute__(name)
        if name.startswith("_") or name in {"calls", "logAnswer"} or not callable(found):
            return found
        calls = self.calls

        def record(*args: Any) -> None:
            if not name.endswith("ProtoBuf"):
                calls.append((name, args))

        return record


class Fields(tuple):  # type: ignore[type-arg]
    """The fields of a text message, which can tell whether all were read."""

    cursor: Any = None

    def __iter__(self) -> Any:
        self.cursor = super().__iter__()
        return self.cursor

    def assert_all_read(self) -> None:
        """Check that the decoder left nothing over: the official one does not mind."""
        if self.cursor is not None:
            left = list(self.cursor)
            assert not left, f"the official decoder left {left}"


def official_calls(body: bytes, version: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Let the official decoder read a body, as its own run loop would, and give the callbacks it made."""
    recorder = Recorder()
    decoder = Decoder(recorder, version)
    if OLD_CLIENT:
        fields = Fields(body.split(b"\0")[:-1])
        decoder.interpret(fields)
        fields.assert_all_read()
        return recorder.calls
    if version >= 201:
        message_id, rest = int.from_bytes(body[:4], "big"), body[4:]
    else:
        head, _, rest = body.partition(b"\0")
        message_id = int(head)
    if message_id > 200:
        decoder.processProtoBuf(rest, message_id - 200)
    else:
        fields = Fields(rest.split(b"\0")[:-1])
        decoder.interpret(fields, message_id)
        fields.assert_all_read()
    return recorder.calls


def carried(kind: str, version: int, part: str = "") -> set[str]:
    """Give the fields that the form of an answer at this version has.

    In protobuf: those that the installed client knows. In text: those of our own table, which is safe because
    the official decoder must find exactly as many fields as the table has.
    """
    entry = answers().by_name[kind]
    if version >= entry.protobuf_since:
        message = fields_of(entry.message)[part].name if part else entry.message
        module = importlib.import_module(f"ibapi.protobuf.{message}_pb2")
        return {field.name for field in getattr(module, message).DESCRIPTOR.fields}
    found: set[str] = set()
    _collect(plan_for(entry, version).steps, f"{part}." if part else "", found)
    return found


def _collect(steps: Any, prefix: str, found: set[str]) -> None:
    for step in steps:
        name = getattr(step, "name", "")
        if name.startswith(prefix):
            found.add(name.removeprefix(prefix).partition(".")[0])
        if type(step).__name__ == "_WhenStep":
            _collect(step.steps, prefix, found)


class _Wire:
    """A connection that keeps what was sent."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []

    def sendMsg(self, message: bytes) -> int:  # noqa: N802 - ibapi's name
        self.sent.append(bytes(message))
        return len(message)

    def isConnected(self) -> bool:  # noqa: N802 - ibapi's name
        return True

    def disconnect(self) -> None:
        """Nothing to close."""


class OfficialClient(EClient):  # type: ignore[misc]
    """The official client, connected to nothing, that gives what it would send."""

    def __init__(self, version: int) -> None:
        self.recorder = Recorder()
        super().__init__(self.recorder)
        self.wire = _Wire()
        self.conn = self.wire
        self.serverVersion_ = version
        self.connState = EClient.CONNECTED
        self.clientId = 7
        self.optCapab = ""

    def body(self, method: str, *args: Any) -> bytes:
        """Call a request method and give the body of the one frame that it sends.

        Raises:
            AssertionError: The client refused; the text says why.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            getattr(self, method)(*args)
        refusals = [call for call in self.recorder.calls if call[0] == "error"]
        assert not refusals, f"{method} at {self.serverVersion_}: {refusals}"
        assert len(self.wire.sent) == 1, self.wire.sent
        (message,) = self.wire.sent
        assert int.from_bytes(message[:4], "big") == len(message) - 4
        return message[4:]
