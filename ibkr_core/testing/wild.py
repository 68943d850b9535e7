"""Requests as no client should send them: valid ones of every kind, and what can become of those.

Everything comes from one random generator, so the same seed makes the same frames. Part of the fuzz of the
simulated gateway (:mod:`ibkr_core.testing.fuzz`).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.errors import WireError
from ibkr_core.wire.codec import decode_request, encode_request
from ibkr_core.wire.framing import MAX_FRAME, frame
from ibkr_core.wire.handshake import client_hello
from ibkr_core.wire.ids import RAW_ID_SINCE
from ibkr_core.wire.message import Message
from ibkr_core.wire.registry import requests
from ibkr_core.wire.schema import fields_of

__all__ = ["Wild", "WildFrame"]

_MOST_CLIENTS = 40
_CONTRACTS: tuple[dict[str, Any], ...] = (
    {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"},
    {"conId": 265598, "exchange": "SMART"},
    {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"},
    {"symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "currency": "USD"},
    {"symbol": "ES", "secType": "FUT", "exchange": "CME", "currency": "USD"},
)
_WORDS = ("", "AAPL", "DU1234567", "All", "BUY", "SELL", "LMT", "MKT", "STP", "TRAIL", "DAY", "GTC", "IOC",
          "1 D", "1 min", "TRADES", "MIDPOINT", "BID_ASK", "Last", "$LEDGER", "NetLiquidation",
          "20261124 15:00:00", "STK", "OPT", "USD", "SMART", "x" * 300, "é\u20ac\U0001f600",
          "a=b;c=d;")  # fmt: skip
_INTS = (0, 1, 2, 3, 5, 7, 100, -1, 2**31 - 1, -(2**31), 2**31, 2**63 - 1)
_FLOATS = (0.0, 1.0, 100.0, 100.01, -5.0, 1e-9, 1e300, float("inf"))
_NASTY = (b"", b"-1", b"0", b"1", b"7", b"99999999999", b"9" * 400, b"1e400", b"nan", b"Infinity", b"-0.0",
          b"\xff\xfe", b"\xc3\x28", b"x" * 2000, b"2147483648",
          b"1.7976931348623157E308", b"\\uD800", b"%s%n")  # fmt: skip
_LENGTHS = (0, 1, 3, 5, 4096, 0xFFFFF, 0x100000, MAX_FRAME, MAX_FRAME + 1, 0x7FFFFFFF, 0xFFFFFFFF)


@attrs.frozen
class WildFrame:
    """Bytes to send.

    Attributes:
        data: The bytes, length included.
        in_step: Whether whoever reads them still knows where the next frame begins.
        readable: Whether a gateway can make a request of them; when not, it must say so.
    """

    data: bytes
    in_step: bool = True
    readable: bool = True


class Wild:
    """Makes frames.

    Args:
        seed: Decides all of them.
        versions: Protocol versions to speak.
        pool: How many valid bodies of each version are made and then changed again and again.
    """

    def __init__(self, seed: int, versions: Sequence[int], pool: int = 400) -> None:
        self._rng = random.Random(f"{seed}/wild")  # noqa: S311 - a test, not a secret
        self._orders = 0
        self.versions = tuple(versions)
        self._pools = {version: self._make_pool(version, pool) for version in self.versions}

    def hello(self) -> tuple[bytes, int]:
        """An opening, and the version that it will lead to; 0 for one that must fail."""
        rng = self._rng
        version = rng.choice(self.versions)
        if rng.random() < 0.85:  # noqa: PLR2004 - most are right, or nothing behind them is ever reached
            return client_hello(version, version, rng.choice(("", "+PACEAPI"))), version
        wrong = (
            b"GET / HTTP/1.1\r\n\r\n",
            b"API\0\xff\xff\xff\xff",
            b"API\0" + frame(b"v900..901"),
            b"API\0" + frame(b"v99..1"),
            b"API\0" + frame(rng.randbytes(20)),
            b"API\0\0\0",
            b"63\0" + b"1\0",  # the opening of clients before 2013
            rng.randbytes(rng.randint(1, 60)),
            self._flip(client_hello(version, version)),
        )
        return rng.choice(wrong), 0

    def start(self, version: int) -> bytes:
        """A frame that starts the session, with an id that others may have, too."""
        return self._valid(version, Message("startApi", {"clientId": self._rng.randint(2, _MOST_CLIENTS)}))

    def probe(self, version: int) -> bytes:
        """A frame that must be answered."""
        return self._valid(version, Message("reqCurrentTime"))

    def request(self, version: int) -> WildFrame:
        """Any frame."""
        rng = self._rng
        body = rng.choice(self._pools[version])
        dice = rng.random()
        if dice < 0.002:  # noqa: PLR2004 - few, for the gateway keeps every order of the day
            return WildFrame(self._new_order(version))
        if dice < 0.3:  # noqa: PLR2004 - three in ten are as they should be
            return WildFrame(frame(body))
        if dice < 0.995:  # noqa: PLR2004 - and one in two hundred loses its reader
            return self._judged(self._changed(body, version), version)
        return self._out_of_step(body)

    def pieces(self, data: bytes) -> list[bytes]:
        """Cut bytes at random places."""
        cuts = sorted(self._rng.randrange(len(data) + 1) for _ in range(self._rng.choice((0, 0, 1, 3))))
        return [data[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(data)], strict=True)]

    def chance(self, probability: float) -> bool:
        """Draw once."""
        return self._rng.random() < probability

    def number(self, low: int, high: int) -> int:
        """Draw a whole number, both ends included."""
        return self._rng.randint(low, high)

    def _new_order(self, version: int) -> bytes:
        self._orders += 1
        contract, order = self._rng.choice(_CONTRACTS[:3]), self._sensible_order()
        fields = {"orderId": self._orders, "contract": contract, "order": order}
        return self._valid(version, Message("placeOrder", fields))

    # -- valid requests ----------------------------------------------------------------------------

    def _valid(self, version: int, message: Message) -> bytes:
        return frame(encode_request(message, version))

    def _make_pool(self, version: int, size: int) -> list[bytes]:
        kinds = [*sorted(set(requests().by_name) - {"startApi"}), *("placeOrder",) * 20, "cancelOrder"]
        bodies: list[bytes] = []
        for number in range(size):
            kind = kinds[number % len(kinds)]  # every kind, again and again
            try:
                fields = self._fields(requests().by_name[kind].message, 1)
                bodies.append(encode_request(Message(kind, fields), version))
            except WireError:
                continue  # a kind of later versions, or values that this form cannot hold
        return bodies

    def _fields(self, message: str, share: float) -> dict[str, Any]:
        rng = self._rng
        if message == "Order" and rng.random() < 0.6:  # noqa: PLR2004 - mostly an order that will be taken
            return self._sensible_order()
        if message == "Contract" and rng.random() < 0.8:  # noqa: PLR2004 - mostly something that can be traded
            return dict(rng.choice(_CONTRACTS))
        made = {}
        for name, field in fields_of(message).items():
            if rng.random() < share:
                value = self._value(field.name)
                made[name] = [value] if field.repeated else value
        return made

    def _sensible_order(self) -> dict[str, Any]:
        rng = self._rng
        return {
            "action": rng.choice(("BUY", "SELL")),
            "totalQuantity": Decimal(rng.choice((1, 10, 100))),
            "orderType": rng.choice(("MKT", "LMT", "STP", "TRAIL", "REL")),
            "lmtPrice": 250.0,
            "auxPrice": 1.0,
            "tif": rng.choice(("DAY", "GTC", "IOC", "FOK")),
            "account": "DU1234567",
            "transmit": rng.random() < 0.9,  # noqa: PLR2004 - some are held
            "whatIf": rng.random() < 0.1,  # noqa: PLR2004 - some are only tried out
        }

    def _value(self, kind: str) -> object:
        rng = self._rng
        match kind:
            case "int":
                return rng.choice(_INTS[:-2]) if rng.random() < 0.5 else rng.randint(0, 50)  # noqa: PLR2004
            case "long":
                return rng.choice(_INTS)
            case "float":
                return rng.choice(_FLOATS)
            case "bool":
                return rng.random() < 0.5  # noqa: PLR2004
            case "dec":
                return Decimal(rng.choice((0, 1, 100, -5, "0.5", "1E+12")))
            case "str":
                return rng.choice(_WORDS)
            case "map":
                return {"tag": "value"} if rng.random() < 0.5 else {}  # noqa: PLR2004
            case _:
                return self._fields(kind, 0.2)

    # -- changes -----------------------------------------------------------------------------------

    def _judged(self, body: bytes, version: int) -> WildFrame:
        try:
            decode_request(body, version)
        except WireError:
            return WildFrame(frame(body), readable=False)
        return WildFrame(frame(body))

    def _changed(self, body: bytes, version: int) -> bytes:
        rng = self._rng
        dice = rng.random()
        if dice < 0.1:  # noqa: PLR2004 - noise
            return rng.randbytes(rng.randint(0, 200))
        if dice < 0.4:  # noqa: PLR2004 - bits
            return self._flip(body)
        if dice < 0.6:  # noqa: PLR2004 - ends
            return body[: rng.randint(0, len(body))] + rng.randbytes(rng.choice((0, 0, 1, 8)))
        head = 4 if version >= RAW_ID_SINCE else 0
        return body[:head] + self._other_fields(body[head:])

    def _flip(self, data: bytes) -> bytes:
        changed = bytearray(data)
        for _ in range(self._rng.choice((1, 1, 2, 8))):
            if changed:
                changed[self._rng.randrange(len(changed))] ^= 1 << self._rng.randrange(8)
        return bytes(changed)

    def _other_fields(self, text: bytes) -> bytes:
        """Drop, repeat, add or replace fields; on protobuf, which has no NULs, it is just other bytes."""
        rng = self._rng
        fields = text.split(b"\0")
        for _ in range(rng.choice((1, 1, 2, 5))):
            position = rng.randrange(len(fields))
            action = rng.randrange(4)
            if action == 0:
                del fields[position]
            elif action == 1:
                fields.insert(position, fields[position])
            elif action == 2:  # noqa: PLR2004 - the third of four
                fields.insert(position, rng.choice(_NASTY))
            else:
                fields[position] = rng.choice(_NASTY)
            fields = fields or [b""]
        return b"\0".join(fields)

    def _out_of_step(self, body: bytes) -> WildFrame:
        """A frame whose length is a lie, sometimes a great one."""
        length = self._rng.choice((*_LENGTHS, len(body) - 1, len(body) + 1)) & 0xFFFFFFFF
        if length == len(body):
            length += 1
        return WildFrame(length.to_bytes(4, "big") + body, in_step=False)
