"""Segments: many inputs in one row of the table ``tail``, which is how they are committed in haste.

A segment holds all that the inputs' own rows will hold, so that it can be taken apart without a decoder, also
after a crash. Its head is JSON, one array for each column; behind it lie the bodies, one after the other.
"""

from __future__ import annotations

import contextlib
import json
import sqlite3
import zlib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import attrs

from ibkr_core.journal import rows
from ibkr_core.journal.entries import Payload
from ibkr_core.journal.times import to_text
from ibkr_core.model.facts import BrokerFact, HotValues
from ibkr_core.model.making import making

__all__ = [
    "BEGINNING",
    "COLUMNS",
    "DAY",
    "FLAT",
    "HOT",
    "INSERT_SEGMENT",
    "SECOND",
    "SEGMENT_INPUTS",
    "Recorded",
    "Segment",
    "flattened",
    "oldest",
    "pack",
]

SEGMENT_INPUTS: Final = 256
"""Inputs in a segment at most: one is moved on in one transaction, for which an intent may have to wait."""

COLUMNS: Final = "first, last, epoch, head, body, checksum"
INSERT_SEGMENT: Final = f"INSERT INTO tail ({COLUMNS}) VALUES (?, ?, ?, ?, ?, ?)"  # noqa: S608 - our own names

Recorded = tuple[Any, ...]
"""An input on its way: number, payload, moment, the book's event number before it, what a frame tells.

Or a frame that the express lane has taken: number, body, moment, the book's event number before it, what it
was decoded to, protocol version.

Or flat, as its segment needs it, and all atoms, so that the garbage collector does not walk over it again:
number, body, moment, the book's event number before it, kind, protocol version, order id, permId, key and
execution id; and the order id that it proves our client to have used, 0 for none."""
FLAT: Final = 11
"""How many values a flat one has."""
HOT: Final = 6
"""How many values one of the express lane has."""

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
SECOND: Final = 1_000_000
DAY: Final = 86_400 * SECOND
"""Moments are written in microseconds since the beginning."""
_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, check_circular=False, separators=(",", ":"))


def _encoding() -> Callable[[object], str]:
    """Return what does as the encoder, without making a new one in C for each text."""
    make = getattr(json.encoder, "c_make_encoder", None)
    if make is None:  # an interpreter that has none
        return _ENCODER.encode
    text = json.encoder.encode_basestring_ascii
    write = make(None, _ENCODER.default, text, None, ":", ",", False, False, True)  # noqa: FBT003 - C's own order
    return lambda value: "".join(write(value, 0))


_encode: Final = _encoding()
_HEAD: Final = ("at", "seq", "kind", "version", "size", "order_id", "perm_id", "key", "exec_id")
"""The arrays of the head: ``at`` in microseconds since 1970, ``size`` of the body in bytes."""


@attrs.frozen
class Segment:
    """A row of ``tail``.

    Attributes:
        first: Number of its first input; the others follow without a gap.
        last: Number of its last one.
        epoch: The run.
        head: What the inputs' rows will hold beside the bodies, as JSON.
        body: The bodies, one after the other.
        checksum: CRC-32 over all of it.
    """

    first: int
    last: int
    epoch: int
    head: str
    body: bytes
    checksum: int

    @property
    def row(self) -> rows.Row:
        """Its row."""
        return (self.first, self.last, self.epoch, self.head, self.body, self.checksum)

    @property
    def count(self) -> int:
        """How many inputs it holds."""
        return self.last - self.first + 1

    @property
    def size(self) -> int:
        """How many bytes it has, roughly."""
        return len(self.head) + len(self.body)

    def check(self) -> None:
        """Raise unless it is as it was written.

        Raises:
            ValueError: It is damaged.
        """
        if _checksum(self.first, self.last, self.epoch, self.head, self.body) != self.checksum:
            raise ValueError("their checksum does not fit")

    def high_water(self) -> int:
        """Return the highest order id that was used when it was written."""
        return int(json.loads(self.head)["high_water"])

    def input_rows(self) -> Iterator[rows.Row]:
        """Take it apart into rows of ``inputs``: the very rows that :func:`rows.input_row` makes.

        Raises:
            ValueError: It is damaged.
        """
        self.check()
        head, begin = json.loads(self.head), 0
        columns = zip(*(head[name] for name in _HEAD), strict=True)
        last_second, to_the_second = None, ""
        for number, (at, seq, kind, version, size, *identity) in enumerate(columns, self.first):
            data = self.body[begin : begin + size]
            begin += size
            second, rest = divmod(at, SECOND)
            if second != last_second:  # thousands may share one
                last_second, to_the_second = second, to_text(BEGINNING + timedelta(seconds=second))[:20]
            at_text = f"{to_the_second}{rest:06}Z"
            checksum = rows.input_checksum(number, at_text, kind, version, data)
            body = data if version is not None else data.decode()
            yield (number, self.epoch, at_text, seq, kind, version, body, checksum, *identity)


_segment: Final[Callable[..., Any]] = making(Segment)
"""What it makes is no Segment yet, which compiled code would insist on."""


def oldest(connection: sqlite3.Connection) -> list[Segment]:
    """Read the oldest segments, as many as one transaction moves on."""
    found: list[Segment] = []
    count = 0
    statement = f"SELECT {COLUMNS} FROM tail ORDER BY first"  # noqa: S608 - our own names
    with contextlib.closing(connection.execute(statement)) as rows_found:
        for row in rows_found:
            segment = Segment(*row)
            count += segment.count
            if found and count > SEGMENT_INPUTS:
                break
            found.append(segment)
    return found


def pack(epoch: int, inputs: Sequence[Recorded], high_water: int) -> Segment:
    """Make a segment.

    Args:
        epoch: The run.
        inputs: At least one; their numbers follow each other.
        high_water: The highest order id that was used up to the last of them.
    """
    # Whole columns at a time: this runs while bytes come in, and holds the interpreter.
    flat = [one if len(one) == FLAT else flattened(*one) for one in inputs]
    numbers, bodies, moments, seqs, kinds, versions, *identities, _ = zip(*flat, strict=True)
    since = [at - BEGINNING for at in moments]
    ats = [one.days * DAY + one.seconds * SECOND + one.microseconds for one in since]
    columns = (ats, seqs, kinds, versions, [*map(len, bodies)], *identities)
    head: dict[str, Any] = dict(zip(_HEAD, columns, strict=True))
    head["high_water"] = high_water
    text, joined = _encode(head), b"".join(bodies)
    first, last = numbers[0], numbers[-1]
    made = _segment(first, last, epoch, text, joined, _checksum(first, last, epoch, text, joined))
    made.__class__ = Segment
    segment: Segment = made
    return segment


def flattened(
    number: int, payload: Payload, at: datetime, seq: int, fact: BrokerFact | HotValues | None
) -> Recorded:
    """Return an input flat, as a segment needs it; what it proves of ids is for the caller to see."""
    kind, version, body, identity = rows.contents_of(payload, fact)
    data = body if isinstance(body, bytes) else body.encode()
    known = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
    return (number, data, known, seq, kind, version, *identity, 0)


def _checksum(first: int, last: int, epoch: int, head: str, body: bytes) -> int:
    return zlib.crc32(body, zlib.crc32(f"{first} {last} {epoch} {head}".encode()))
