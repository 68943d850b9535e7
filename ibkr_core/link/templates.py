"""Orders like one that the official client has encoded already: its bytes, with other values put in.

The official encoder goes through some hundred and fifty fields for each order, nearly all of which stay as
they are. For a shape of orders (:mod:`ibkr_core.model.shapes`) it is run twice more, with values that cannot
be mistaken, to learn where the values stand that differ. A template is used only if it makes, byte for byte,
what the official encoder made of all three: the order itself and both trials. Where anything cannot be
explained there is no template, and every order of that shape goes through the official encoder. So do orders
that have no shape, and values that the official encoder treats in a way of their own.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal
from operator import itemgetter
from types import MappingProxyType
from typing import Any, Final, NamedTuple, Protocol

import attrs

from ibkr_core.link import compat
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import VARYING, Shape
from ibkr_core.model.taking import taker

__all__ = ["TRIALS", "Templates"]

_LENGTH_BYTES: Final = 4
_ID_BYTES: Final = 4
_LARGEST: Final = 2**31 - 1
"""Whole numbers from here on mean "unset" to the official client, or do not fit."""
_LARGEST_PRICE: Final = float(_LARGEST)
_MOST_EXACT: Final = 1e29
_MOST: Final = 512

_WHOLE: Final = frozenset({"con_id", "parent_id"})
_PRICES: Final = frozenset(
    {
        "strike",
        "limit_price",
        "aux_price",
        "trail_stop_price",
        "trailing_percent",
        "limit_offset",
    }
)

TRIALS: Final[tuple[Mapping[str, Any], Mapping[str, Any]]] = (
    {
        "order_id": 1_234_567_222,
        "con_id": 1_234_567_891,
        "symbol": "QZJXSYM",
        "expiry": "20990131",
        "strike": Decimal("98765.4375"),
        "local_symbol": "QZJXLOC  1",
        "trading_class": "QZJXCLS",
        "sec_id": "QZJXSECID",
        "quantity": Decimal("87654.321"),
        "limit_price": Decimal("76543.21875"),
        "aux_price": Decimal("65432.109375"),
        "trail_stop_price": Decimal("54321.0625"),
        "trailing_percent": Decimal("43.21875"),
        "limit_offset": Decimal("32101.03125"),
        "order_ref": "QZJXREF%s%%",
        "oca_group": "QZJXOCA",
        "parent_id": 1_234_567_111,
    },
    {
        "order_id": 128,
        "con_id": 7,
        "symbol": "B",
        "expiry": "209901",
        "strike": Decimal("0.5"),
        "local_symbol": "x" * 140,
        "trading_class": "T",
        "sec_id": "I",
        "quantity": Decimal("1E+2"),
        "limit_price": Decimal("1E-7"),
        "aux_price": Decimal(3),
        "trail_stop_price": Decimal("0.01"),
        "trailing_percent": Decimal("1E-5"),
        "limit_offset": Decimal("12345678901234.5"),
        "order_ref": "r" * 200,
        "oca_group": "g",
        "parent_id": 2,
    },
)
"""Values that no order has by chance and stand nowhere else in a message; then short, long and odd ones."""


class _Template(Protocol):
    def render(self, values: Sequence[Any]) -> bytes:
        """Return the frame of an order with these values, each in its place."""


class _Sample(NamedTuple):
    """An order, and what the official encoder made of it."""

    order_id: int
    contract: Contract
    order: Order
    data: bytes

    def values(self, take: _Taker) -> Sequence[Any] | None:
        return take.values(self.order_id, self.contract, self.order)


class _Unexplained(Exception):
    """A trial went otherwise than it would if the template were right."""


Encode = Callable[[int, Contract, Order], bytes]
"""The official encoder: order id, contract and order to a whole frame."""


class Templates:
    """Makes messages for new orders and new terms, of shapes that were learnt.

    A shape is learnt when it comes for the second time, and not on the way of that order: :meth:`learn` is
    called once its bytes have left. :meth:`encode` and :meth:`note` are called by one thread at a time, under
    the send lock; :meth:`learn` may run beside them.

    Args:
        official: The official encoder.
        server_version: The protocol version.
    """

    def __init__(self, official: Encode, server_version: int) -> None:
        self._official = official
        self._server_version = server_version
        self._known: dict[Shape, tuple[_Taker, _Template] | None] = {}
        self._seen: set[Shape] = set()
        self._lesson: tuple[Shape, _Sample] | None = None

    def encode(self, order_id: int, contract: Contract, order: Order, shape: Shape) -> bytes | None:
        """Return the message for an order of a shape; None where the official encoder has to make it."""
        known = self._known.get(shape)
        if known is None:
            return None
        values = known[0].values(order_id, contract, order)
        return known[1].render(values) if values is not None else None

    def note(self, order_id: int, contract: Contract, order: Order, shape: Shape, data: bytes) -> None:
        """Take notice of what the official encoder made of an order of a shape."""
        if shape in self._known:
            return
        if shape in self._seen:
            self._lesson = shape, _Sample(order_id, contract, order, data)
        elif len(self._seen) >= _MOST:
            self._seen.clear()
        self._seen.add(shape)

    @property
    def has_lesson(self) -> bool:
        """Whether there is something to learn."""
        return self._lesson is not None

    def learn(self) -> None:
        """Make the template of a shape that came twice, if there is one to make."""
        lesson, self._lesson = self._lesson, None
        if lesson is None:
            return
        shape, sample = lesson
        if len(self._known) >= _MOST:
            self._known.clear()
        try:
            self._known[shape] = self._made(shape, sample)
        except Exception:  # noqa: BLE001 - whatever the official client makes of a trial: no template then
            self._known[shape] = None

    def _made(self, shape: Shape, real: _Sample) -> tuple[_Taker, _Template]:
        take = _Taker(shape)
        trials = [self._tried(shape, real, trial) for trial in TRIALS]
        values = trials[0].values(take)
        if values is None:
            raise _Unexplained
        template = _read(trials[0].data, self._server_version, values)
        for sample in (real, *trials):
            values = sample.values(take)
            if values is None or template.render(values) != sample.data:
                raise _Unexplained
        return take, template

    def _tried(self, shape: Shape, real: _Sample, trial: Mapping[str, Any]) -> _Sample:
        order_id: int = trial["order_id"]
        contract, order = _changed(real.contract, real.order, trial, shape)
        return _Sample(order_id, contract, order, self._official(order_id, contract, order))


def _changed(
    contract: Contract, order: Order, trial: Mapping[str, Any], shape: Shape
) -> tuple[Contract, Order]:
    """Return a contract and an order of the same shape with the values of a trial."""
    contract_values, order_values = (
        {name: trial[name] for name in VARYING[kind] if name in shape.filled} for kind in (Contract, Order)
    )
    return attrs.evolve(contract, **contract_values), attrs.evolve(order, **order_values)


class _Taker:
    """Takes what differs from one order of a shape to the next, in the form in which it stands in messages.

    Args:
        shape: The shape. It has seen to the types of all values but the key's, and to what is empty.
    """

    __slots__ = ("_prices", "_quantity", "_reference", "_take", "_take_texts", "_whole")

    def __init__(self, shape: Shape) -> None:
        mine, terms = ([name for name in VARYING[kind] if name in shape.filled] for kind in (Contract, Order))
        self._take = taker(mine, terms)
        names = ["order_id", *mine, *terms]
        self._whole = [place for place, name in enumerate(names) if name in _WHOLE]
        self._prices = [place for place, name in enumerate(names) if name in _PRICES]
        self._quantity = names.index("quantity") if "quantity" in names else 0
        self._reference = names.index("order_ref")
        others = _WHOLE | _PRICES | {"quantity"}
        self._take_texts = taker(*([name for name in some if name not in others] for some in (mine, terms)))

    def values(self, order_id: int, contract: Contract, order: Order) -> Sequence[Any] | None:
        """Return the order id and the values of an order; None where one of them is out of the usual.

        Prices travel as floats and quantities as decimal text, as :mod:`ibkr_core.link.convert` makes them.
        """
        got = [order_id, *self._take(contract, order)]
        reference = got[self._reference]
        if type(reference) is not str or not reference or not 0 < order_id < _LARGEST:
            return None
        # What is not printable the official encoder refuses, or not, by its version.
        texts = "".join(self._take_texts(contract, order))
        if not (texts.isascii() and texts.isprintable()):
            return None
        for place in self._whole:
            if not 0 <= got[place] < _LARGEST:
                return None
        for place in self._prices:
            price = float(got[place])
            if not (price and -_MOST_EXACT < price < _MOST_EXACT and price != _LARGEST_PRICE):
                return None  # nothing, or what means "unset" (in text that of an integer, too) or "infinite"
            got[place] = price
        if self._quantity:
            quantity = got[self._quantity]
            written = str(quantity)  # as with :f, which takes longer, unless it has an exponent
            # which the decimal context of the calling thread may want with a small letter.
            has_exponent = "E" in written or "e" in written
            got[self._quantity] = f"{quantity:f}" if has_exponent else written
        return got


def _read(data: bytes, server_version: int, values: Sequence[Any]) -> _Template:
    """Make a template of a message in which every value stands once, and nothing else looks like one.

    Raises:
        _Unexplained: They do not.
    """
    wanted = dict(enumerate(values))
    if len(data) != _LENGTH_BYTES + int.from_bytes(data[:_LENGTH_BYTES], "big"):
        raise _Unexplained  # not one frame
    body = data[_LENGTH_BYTES:]
    if server_version < compat.RAW_IDS_SINCE:
        return _TextTemplate.of(b"", body, wanted)
    head, rest = body[:_ID_BYTES], body[_ID_BYTES:]
    if int.from_bytes(head, "big") > compat.PROTOBUF_SINCE:
        return _ProtobufTemplate.of(head, rest, wanted)
    return _TextTemplate.of(head, rest, wanted)


# ── text ────────────────────────────────────────────────────────────────────────────────────────


class _TextTemplate:
    """Fields that end in a NUL each; the values are put where ``%s`` stands."""

    __slots__ = ("_head", "_pick", "_text")

    def __init__(self, head: bytes, text: str, places: list[int]) -> None:
        self._head = head
        self._text = text
        self._pick = itemgetter(*places)

    @classmethod
    def of(cls, head: bytes, body: bytes, wanted: Mapping[int, Any]) -> _TextTemplate:
        """Find the values in a message.

        Raises:
            _Unexplained: One is not there, or twice.
        """
        fields = body.decode("ascii").split("\0")
        found: dict[int, int] = {}
        for place, value in wanted.items():
            where = [index for index, field in enumerate(fields) if field == str(value)]
            if len(where) != 1:
                raise _Unexplained
            found[where[0]] = place
        if len(found) != len(wanted):
            raise _Unexplained
        text = "\0".join("%s" if i in found else field.replace("%", "%%") for i, field in enumerate(fields))
        return cls(head, text, [found[index] for index in sorted(found)])

    def render(self, values: Sequence[Any]) -> bytes:
        text: str = self._text % self._pick(values)
        body = self._head + text.encode("ascii")
        return len(body).to_bytes(_LENGTH_BYTES, "big") + body


# ── protobuf ────────────────────────────────────────────────────────────────────────────────────

_VARINT: Final = 0
_DOUBLE: Final = 1
_BYTES: Final = 2
_SIZES: Final = MappingProxyType({1: 8, 5: 4})
_double: Final = struct.Struct("<d").pack


_ONE_BYTE: Final = tuple([bytes((value,)) for value in range(0x80)])
"""How small numbers are written: seven bits a byte."""


def _varint(value: int) -> bytes:
    if value < 0x80:  # noqa: PLR2004 - seven bits a byte
        return _ONE_BYTE[value]
    parts = bytearray()
    while value >= 0x80:  # noqa: PLR2004 - seven bits a byte
        parts.append(value & 0x7F | 0x80)
        value >>= 7
    parts.append(value)
    return bytes(parts)


def _text(value: str) -> bytes:
    data = value.encode("ascii")
    size = len(data)
    return (_ONE_BYTE[size] if size < 0x80 else _varint(size)) + data  # noqa: PLR2004 - as above


_WRITERS: Final[Mapping[type, tuple[int, Callable[[Any], bytes]]]] = MappingProxyType(
    {int: (_VARINT, _varint), float: (_DOUBLE, _double), str: (_BYTES, _text)}
)
"""How a value stands in a message: the wire type and the bytes behind the tag."""


def _parts(data: bytes) -> Iterator[tuple[bytes, int, bytes]]:
    """Cut a protobuf message into fields: the tag as it stands, its wire type, what stands behind it."""
    at = 0
    while at < len(data):
        begin, (tag, at) = at, _read_varint(data, at)
        tag_bytes, kind, begin = data[begin:at], tag & 7, at
        if kind == _VARINT:
            _, at = _read_varint(data, at)
        elif kind == _BYTES:
            length, at = _read_varint(data, at)
            at += length
        elif kind in _SIZES:
            at += _SIZES[kind]
        else:
            raise _Unexplained
        if at > len(data):
            raise _Unexplained
        yield tag_bytes, kind, data[begin:at]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data):
            raise _Unexplained
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        shift += 7
        if byte < 0x80:  # noqa: PLR2004 - seven bits a byte
            return value, at


class _Section:
    """Some fields of a message in a row, or the fields of a message within it, behind its tag and length."""

    __slots__ = ("_data", "_holes", "_tag")

    def __init__(self, tag: bytes, fields: list[tuple[bytes, int, bytes]], wanted: dict[int, Any]) -> None:
        self._tag = tag
        data, holes = [], []
        for name, kind, content in fields:
            place = _taken(wanted, kind, content)
            data.append(name.replace(b"%", b"%%"))
            if place is None:
                data.append(content.replace(b"%", b"%%"))
            else:
                holes.append(place)
                data.append(b"%b")
        self._data = b"".join(data)
        self._holes = tuple(holes)

    @property
    def is_steady(self) -> bool:
        """Whether it is the same in all orders."""
        return not self._holes

    def render(self, values: Sequence[Any]) -> bytes:
        data = self._data % tuple([write(values[place]) for place, write in self._holes])
        return self._tag + _varint(len(data)) + data if self._tag else data


def _taken(wanted: dict[int, Any], kind: int, content: bytes) -> tuple[int, Callable[[Any], bytes]] | None:
    """Return which value stands in a field and how it is written, and take it off the list."""
    for place, value in wanted.items():
        wire_type, write = _WRITERS[type(value)]
        if wire_type == kind and write(value) == content:
            del wanted[place]
            return place, write
    return None


class _ProtobufTemplate:
    """A request for an order: its id, and the contract and the order as messages within it."""

    __slots__ = ("_head", "_sections", "_tail")

    def __init__(self, head: bytes, sections: list[_Section], tail: bytes) -> None:
        self._head = head
        self._sections = sections
        self._tail = tail

    @classmethod
    def of(cls, head: bytes, body: bytes, wanted: Mapping[int, Any]) -> _ProtobufTemplate:
        """Find the values in a message.

        Raises:
            _Unexplained: One is not there. One that is there twice makes the template fail its trial.
        """
        left = dict(wanted)
        sections = []
        for tag, kind, content in _parts(body):
            if kind == _BYTES:
                length, start = _read_varint(content, 0)
                sections.append(_Section(tag, list(_parts(content[start : start + length])), left))
            else:
                sections.append(_Section(b"", [(tag, kind, content)], left))
        if left:
            raise _Unexplained
        tail = b""
        while sections and sections[-1].is_steady:
            tail = sections.pop().render(()) + tail
        return cls(head, sections, tail)

    def render(self, values: Sequence[Any]) -> bytes:
        parts = [section.render(values) for section in self._sections]
        body = b"".join((self._head, *parts, self._tail))
        return len(body).to_bytes(_LENGTH_BYTES, "big") + body
