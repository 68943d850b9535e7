"""One order as a few hundred bytes, and back: exact, so that nobody can tell that it was packed.

A finished order is looked at rarely, and there may be a million of them. As objects it takes many kilobytes,
each of which the garbage collector goes through now and then; as bytes it takes one object that the collector
never sees. What repeats from order to order (contracts, accounts, exchanges, terms but for their numbers)
stands once in a table (:class:`Shared`), and the order has its place there.

The bytes are text: fields with a separator between them, numbers as decimal text. They hold what the order
and its ledger were told; what follows from that (sums, places of fills) is made again.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final, Protocol

import attrs

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.ledger import Ledger
from ibkr_core.lifecycle.parts import LedgerParts
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact
from ibkr_core.model.fill import Fill, parse_execution_time
from ibkr_core.model.making import making
from ibkr_core.model.order import Action, BrokerOrder, Order
from ibkr_core.model.record import HistoryEntry, OrderMessage, Request
from ibkr_core.model.status import BrokerWord, OrderStatus

__all__ = ["Codec", "Shared", "Unpackable", "pack", "submitted_at", "unpack"]

_SEPARATOR: Final = "\x1f"
_ESCAPE: Final = "\x1b"
_PLAIN, _ESCAPED = "1", "2"
"""The first field: how the others are written."""
_INLINE: Final = "="
"""Begins a text that stands in the field itself; without it the field is a place in the table."""
_MOST_SHARED: Final = 50_000
"""Texts beyond so many stand in the orders themselves: they do not repeat, it seems."""
_LONGEST_SHARED: Final = 60
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class Unpackable(ValueError):
    """An order holds what cannot be written down, or bytes are no order."""


class Codec(Protocol):
    """Writes what is too odd for the table, and reads it again: the journal's own way with values."""

    def write(self, value: Order | BrokerOrder | Contract) -> str:
        """Return a value as text in ASCII.

        Raises:
            Unpackable: It could not be read back as it is.
        """

    def read(self, kind: str, text: str) -> Any:  # noqa: ANN401 - an Order or a BrokerOrder
        """Return the value of the kind, which is the name of its class."""


@attrs.frozen
class Template:
    """Terms without their numbers: what many orders have in common.

    Attributes:
        kind: ``Order`` or ``BrokerOrder``.
        values: The fields that are not written with each order, in the order of the class.
        text: All of it as the codec writes it, where a field holds more than a plain value; else empty.
    """

    kind: str
    values: tuple[Any, ...]
    text: str = ""


class Shared:
    """What packed orders have in common, each thing once. It only grows, and a place never changes.

    Args:
        codec: For terms that hold more than plain values; without it orders with such terms are unpackable.
    """

    def __init__(self, codec: Codec | None) -> None:
        self.codec = codec
        self._things: list[Any] = []
        self._places: dict[Any, int] = {}
        self._by_identity: dict[int, int] = {}  # of what is kept alive here
        self._read: dict[int, Any] = {}

    def __len__(self) -> int:
        return len(self._things)

    def __getitem__(self, place: int) -> Any:  # noqa: ANN401 - a text, a Contract or a Template
        return self._things[place]

    def add(self, things: Iterable[Any]) -> None:
        """Take back what an earlier table had, in its order."""
        for thing in things:
            self.place_of(thing)

    def since(self, count: int) -> list[Any]:
        """Return what was added behind the first so many things."""
        return self._things[count:]

    def place_of(self, thing: str | Contract | Template) -> int:
        """Return the place of a thing, which is taken in where it is new."""
        place = self._by_identity.get(id(thing))
        if place is not None:
            return place
        # Equal numbers can be written in two ways, and only one of them is what came.
        key = (thing, str(thing.strike), repr(thing.delta_neutral)) if type(thing) is Contract else thing
        place = self._places.get(key)
        if place is None:
            place = self._places[key] = len(self._things)
            self._things.append(thing)
            if type(thing) is not str:
                self._by_identity[id(thing)] = place
        return place

    def text(self, text: str) -> str:
        """Return how a text that may repeat is written."""
        place = self._places.get(text)
        if place is None:
            if len(text) > _LONGEST_SHARED or len(self._things) >= _MOST_SHARED:
                return _INLINE + text
            place = self.place_of(text)
        return str(place)

    def terms(self, place: int) -> Any:  # noqa: ANN401 - an Order or a BrokerOrder
        """Return the terms of a template, with nothing in the fields that are written with each order."""
        found = self._read.get(place)
        if found is None:
            found = self._read[place] = self._terms_of(self._things[place])
        return found

    def _terms_of(self, template: Template) -> Any:  # noqa: ANN401 - an Order or a BrokerOrder
        if not template.text:
            return _LAYOUTS[template.kind].bare(template.values)
        if self.codec is None:
            raise Unpackable("the terms hold more than plain values")
        return self.codec.read(template.kind, template.text)

    def write(self, thing: str | Contract | Template) -> tuple[str, str]:
        """Return a thing as the name of its kind and text in ASCII.

        Raises:
            Unpackable: It cannot be written down.
        """
        if isinstance(thing, str):
            return _TEXT, thing.encode("unicode_escape").decode("ascii")
        if isinstance(thing, Template) and thing.text:
            return f"{thing.kind}{_ODDLY}", thing.text
        if self.codec is None:
            raise Unpackable("nothing is there to write it")
        if isinstance(thing, Contract):
            return "Contract", self.codec.write(thing)
        return thing.kind, self.codec.write(self._terms_of(thing))

    def read(self, kind: str, text: str) -> str | Contract | Template:
        """Return the thing that :meth:`write` wrote."""
        if kind == _TEXT:
            return text.encode("ascii").decode("unicode_escape")
        if kind.endswith(_ODDLY):
            return Template(kind.removesuffix(_ODDLY), (), text)
        if self.codec is None:
            raise Unpackable("nothing is there to read it")
        value = self.codec.read(kind, text)
        if isinstance(value, Contract):
            return value
        return Template(kind, tuple(getattr(value, name) for name in _LAYOUTS[kind].rest))


_TEXT: Final = "text"
_ODDLY: Final = "*"


# ── terms ───────────────────────────────────────────────────────────────────────────────────────


_ODD: Final = ("conditions", "algo", "official")
"""Fields that hold more than a plain value, mostly nothing."""
_REFERENCE: Final = "order_ref"
_SAME: Final = "~"
"""Stands for the client order key."""


class _Layout:
    """How the terms of a kind are split into what repeats and what does not."""

    def __init__(
        self, kind: type, decimals: str, texts: str, numbers: str, odd: Callable[[Any], bool]
    ) -> None:
        self.kind = kind
        self.name = kind.__name__
        self.is_odd = odd
        fields = {one.name: one for one in attrs.fields(kind)}
        self.own = (*decimals.split(), *texts.split(), *numbers.split())
        self._reference = self.own.index(_REFERENCE)
        self._forms: tuple[Callable[[str], Any], ...] = (
            *(Decimal,) * len(decimals.split()),
            *(str,) * len(texts.split()),
            *(int,) * len(numbers.split()),
        )
        self._odd = tuple(name for name in _ODD if name in fields)
        self.rest = tuple(name for name in fields if name not in self.own and name not in _ODD)
        self._empty = tuple(_default(fields[name]) for name in self.own)
        self._dull = tuple(_default(fields[name]) for name in self._odd)

    def pack(self, value: Any, shared: Shared, key: str) -> list[str]:  # noqa: ANN401 - of the kind
        """Return the fields of terms: the template's place, which own fields are set, and these."""
        mask, bit, told = 0, 1, []
        for name, empty in zip(self.own, self._empty, strict=True):
            held = getattr(value, name)
            if held is not empty and (held != empty or type(held) is not type(empty)):
                mask |= bit
                if name == _REFERENCE:  # mostly the key, which stands in the bytes already
                    held = _SAME if held == key else _INLINE + held
                told.append(str(held))
            bit <<= 1
        if self.is_odd(value):
            bare = self._with(value, self._empty, [getattr(value, one) for one in self._odd])
            if shared.codec is None:
                raise Unpackable("the terms hold more than plain values")
            template = Template(self.name, (), shared.codec.write(bare))
        else:
            template = Template(self.name, tuple([getattr(value, name) for name in self.rest]))
        return [str(shared.place_of(template)), str(mask), *told]

    def unpack(self, take: Callable[[], str], shared: Shared, key: str) -> Any:  # noqa: ANN401 - of the kind
        """Read terms."""
        bare = shared.terms(int(take()))
        mask = int(take())
        own = []
        for form, empty in zip(self._forms, self._empty, strict=True):
            own.append(form(take()) if mask & 1 else empty)
            mask >>= 1
        place = self._reference
        if own[place]:
            own[place] = key if own[place] == _SAME else own[place][1:]
        return self._with(bare, own, [getattr(bare, one) for one in self._odd])

    def bare(self, values: tuple[Any, ...]) -> Any:  # noqa: ANN401 - of the kind
        """Make terms of a template's values."""
        made: Any = object.__new__(self.kind)
        for name, value in zip(self.rest, values, strict=True):
            object.__setattr__(made, name, value)
        return self._with(made, self._empty, self._dull)

    def _with(self, value: Any, own: Sequence[Any], odd: Sequence[Any]) -> Any:  # noqa: ANN401 - of the kind
        """Return a copy with other own fields; nothing is checked again, for it was when it was new."""
        made: Any = object.__new__(self.kind)
        put = object.__setattr__
        for name in self.rest:
            put(made, name, getattr(value, name))
        for name, one in zip(self.own, own, strict=True):
            put(made, name, one)
        for name, one in zip(self._odd, odd, strict=True):
            put(made, name, one)
        return made


def _default(field: attrs.Attribute[Any]) -> Any:  # noqa: ANN401 - a field's default
    if isinstance(field.default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        return MappingProxyType({})
    return None if field.default is attrs.NOTHING else field.default


_ORDER: Final = _Layout(
    Order,
    "quantity limit_price aux_price trail_stop_price trailing_percent limit_offset cash_quantity",
    "order_ref oca_group good_after_time good_till_date",
    "parent_id",
    lambda order: bool(order.conditions or order.algo is not None or order.official),
)
_ECHO: Final = _Layout(
    BrokerOrder,
    "total_quantity filled_quantity limit_price aux_price trail_stop_price trailing_percent",
    "order_ref oca_group",
    "order_id client_id perm_id parent_id",
    lambda echo: bool(echo.conditions),
)
_LAYOUTS: Final[Mapping[str, _Layout]] = {one.name: one for one in (_ORDER, _ECHO)}


# ── packing ─────────────────────────────────────────────────────────────────────────────────────

_FLAGS: Final = ("cancel_requested", "modified", "is_listed_no_more", "was_released", "is_ours")
_MOMENTS: Final = (
    "submission_time",
    "sent_time",
    "acknowledged_time",
    "heard_time",
    "last_update_time",
    "finished_time",
)
_FLAGS_AT: Final = 6
_SUBMITTED_AT: Final = 22
"""Where they stand among the fields; a test holds it."""
_SEPARATOR_BYTE: Final = _SEPARATOR.encode()
_NUMBERS: Final = ("broker_remaining", "broker_avg_price", "total")
_STATUSES: Final[Mapping[str, OrderStatus]] = {one.value: one for one in OrderStatus}


class _Writer:
    """Fields on their way into one order's bytes."""

    def __init__(self, shared: Shared) -> None:
        self.shared = shared
        self.fields: list[str] = [_PLAIN]
        self._last = 0

    def moment(self, at: datetime) -> str:
        """Write a moment as the microseconds since the one before it in the bytes."""
        passed = at - _EPOCH
        now = (passed.days * 86_400 + passed.seconds) * 1_000_000 + passed.microseconds
        text = str(now - self._last)
        self._last = now
        return text

    def bytes(self) -> bytes:
        """Return all of it."""
        text = _SEPARATOR.join(self.fields)
        if text.count(_SEPARATOR) != len(self.fields) - 1:  # somebody's text holds one
            self.fields[0] = _ESCAPED
            text = _SEPARATOR.join(_escaped(one) for one in self.fields)
        return text.encode("utf-8", "surrogatepass")


class _Reader:
    """The fields of one order, in turn."""

    def __init__(self, packed: bytes, shared: Shared) -> None:
        fields = packed.decode("utf-8", "surrogatepass").split(_SEPARATOR)
        if fields[0] == _ESCAPED:
            fields = [_unescaped(one) for one in fields]
        elif fields[0] != _PLAIN:
            raise Unpackable("these bytes are no packed order")
        self.shared = shared
        self.rest = iter(fields)
        self.take: Callable[[], str] = self.rest.__next__
        self.take()
        self._last = 0

    def text(self) -> str:
        """Read a text that may repeat."""
        text = self.take()
        if text[0] == _INLINE:
            return text[1:]
        thing = self.shared[int(text)]
        if type(thing) is not str:
            raise Unpackable("a text was wanted")
        return thing

    def moment(self, text: str) -> datetime:
        """Read a moment."""
        self._last += int(text)
        return _EPOCH + _MICROSECOND * self._last

    def number(self) -> int:
        """Read a whole number."""
        return int(self.take())

    def decimal(self) -> Decimal | None:
        """Read a number that may be None."""
        text = self.take()
        return Decimal(text) if text else None


def _escaped(text: str) -> str:
    return text.replace(_ESCAPE, _ESCAPE + "e").replace(_SEPARATOR, _ESCAPE + "s")


def _unescaped(text: str) -> str:
    return text.replace(_ESCAPE + "s", _SEPARATOR).replace(_ESCAPE + "e", _ESCAPE)


def _or_empty(value: object) -> str:
    return "" if value is None else str(value)


def pack(entry: OrderEntry, shared: Shared) -> bytes:
    """Return an order with all that is known of it as bytes.

    Args:
        entry: The order.
        shared: The table that its bytes will refer to.

    Raises:
        Unpackable: It holds what cannot be written down.
    """
    writer = _Writer(shared)
    fields = writer.fields
    text, of = shared.text, functools.partial(getattr, entry)
    fields += (
        str(entry.order_id),
        _or_empty(entry.client_id),
        _or_empty(entry.perm_id),
        entry.key,
        text(entry.status.value),
        str(sum(of(name) << bit for bit, name in enumerate(_FLAGS))),
        str(entry.row),
        str(entry.place),
        text(entry.broker_word),
        entry.meaning.name if entry.meaning is not None else "",
        str(entry.broker_filled),
        *[_or_empty(of(name)) for name in _NUMBERS],
        text(entry.why_held),
        str(entry.parent_id),
        entry.oca_group,
        str(entry.oca_type),
        str(entry.retry_count),
        ",".join(map(str, entry.former_perm_ids)),
    )
    told = [of(name) for name in _MOMENTS]
    fields.append(str(sum((at is not None) << bit for bit, at in enumerate(told))))
    fields += [writer.moment(at) for at in told if at is not None]
    _pack_terms(writer, entry)
    _pack_ledger(writer, entry.ledger.parts)
    _pack_messages(writer, entry)
    _pack_history(writer, entry.raw_history())
    return writer.bytes()


def _pack_terms(writer: _Writer, entry: OrderEntry) -> None:
    fields, shared = writer.fields, writer.shared
    paid = entry.broker_commission
    fields += ("", "") if paid is None else (str(paid[0]), shared.text(paid[1]))
    fields.append("" if entry.contract is None else str(shared.place_of(entry.contract)))
    fields.append(
        f"{int(entry.order is not None)} {int(entry.broker_order is not None)} "
        f"{len(entry.proposals)} {len(entry.put_aside)} {len(entry.pending)}"
    )
    for order in (entry.order, *entry.proposals, *entry.put_aside):
        if order is not None:
            fields += _ORDER.pack(order, shared, entry.key)
    if entry.broker_order is not None:
        fields += _ECHO.pack(entry.broker_order, shared, entry.key)
    for request, asked in entry.pending.items():
        fields += (request.value, writer.moment(asked))


def _pack_ledger(writer: _Writer, parts: LedgerParts) -> None:
    fields, shared = writer.fields, writer.shared
    text, commissions = shared.text, parts.commissions
    fields.append(
        f"{'?' if parts.is_combo is None else int(parts.is_combo)} {int(parts.is_group)} {parts.recounts} "
        f"{len(parts.executions)} {len(commissions)} {len(parts.currencies)}"
    )
    fields += [text(one) for one in parts.currencies]
    time_before = ""
    for base, fill, is_bag, is_advisors, peak in parts.executions:
        contract = fill.contract
        time, time_before = "" if fill.time_text == time_before else _INLINE + fill.time_text, fill.time_text
        fields += (
            fill.exec_id,
            str(fill.quantity),
            str(fill.price),
            fill.action.value if fill.action is not None else "",
            str(fill.price_may_change | is_bag << 1 | is_advisors << 2),
            "" if peak.compare_total(fill.quantity) == 0 else str(peak),
            time,
            text(fill.exchange),
            text(fill.account),
            _or_empty(fill.liquidity),
            _or_empty(fill.cum_quantity),
            "" if contract is None else str(shared.place_of(contract)),
        )
        if fill.commission is None or base in commissions:
            fields.append("")
        else:  # a plain one, of which the report is not kept
            fields += (str(fill.commission), text(fill.commission_currency), _or_empty(fill.realized_pnl))
    shown = {base: (str(place), fill.exec_id) for place, (base, fill, *_) in enumerate(parts.executions)}
    for base, reports in commissions.items():
        place, exec_id = shown.get(base, (_INLINE + base, ""))
        fields += (place, str(len(reports)))
        for report in reports.values():
            fields += (
                "" if report.exec_id == exec_id else report.exec_id,
                _or_empty(report.commission),
                text(report.currency),
                _or_empty(report.realized_pnl),
            )


def _pack_messages(writer: _Writer, entry: OrderEntry) -> None:
    messages = [*entry.messages] if entry.reject is None else [entry.reject, *entry.messages]
    writer.fields.append(f"{int(entry.reject is not None)} {len(entry.messages)}")
    for one in messages:
        writer.fields += (writer.moment(one.at), str(one.code), one.message, one.advanced_reject)


def _pack_history(writer: _Writer, lines: Iterable[Any]) -> None:
    fields, text, moment = writer.fields, writer.shared.text, writer.moment
    for line in lines:
        at, status, what, *details = (line.at, line.status, line.what) if type(line) is HistoryEntry else line
        if not details:
            is_known = what.isascii() and not any(map(str.isdigit, what))
            what = text(what) if is_known else _INLINE + what
            fields += (moment(at), text(status.value), what, "")
        else:
            told = [str(one) for one in details]
            fields += (moment(at), text(status.value), text(what), str(len(told)), *told)


# ── unpacking ───────────────────────────────────────────────────────────────────────────────────


def unpack(packed: bytes, shared: Shared) -> OrderEntry:
    """Return the order that was packed.

    Args:
        packed: What :func:`pack` gave.
        shared: The table as it was then, or with more behind.

    Raises:
        Unpackable: These are no bytes of an order.
    """
    try:
        return _unpack(_Reader(packed, shared))
    except Unpackable:
        raise
    except (ArithmeticError, IndexError, KeyError, StopIteration, TypeError, ValueError) as error:
        raise Unpackable(f"these bytes are no packed order: {error!r}") from error


def submitted_at(packed: bytes) -> datetime | None:
    """Return when an order of ours was handed to us, without unpacking it; None for others."""
    fields = packed.split(_SEPARATOR_BYTE, _SUBMITTED_AT + 1)
    is_ours = int(fields[_FLAGS_AT]) >> _FLAGS.index("is_ours") & 1
    if not is_ours or not int(fields[_SUBMITTED_AT - 1]) & 1:
        return None
    return _EPOCH + _MICROSECOND * int(fields[_SUBMITTED_AT])


def _unpack(reader: _Reader) -> OrderEntry:
    take, text, number = reader.take, reader.text, reader.number
    order_id, client_id, perm_id, key = int(take()), take(), take(), take()
    status, flags = _STATUSES[text()], number()
    entry = OrderEntry(order_id, status=status, is_ours=False)
    entry.client_id = int(client_id) if client_id else None
    entry.perm_id = int(perm_id) if perm_id else None
    entry.key = key
    for bit, name in enumerate(_FLAGS):
        setattr(entry, name, bool(flags >> bit & 1))
    entry.row, entry.place = number(), number()
    entry.broker_word = text()
    meaning = take()
    entry.meaning = BrokerWord[meaning] if meaning else None
    entry.broker_filled = Decimal(take())
    entry.broker_remaining, entry.broker_avg_price, entry.total = (
        reader.decimal(),
        reader.decimal(),
        reader.decimal(),
    )
    entry.why_held = text()
    entry.parent_id, entry.oca_group, entry.oca_type = number(), take(), number()
    entry.retry_count = number()
    former = take()
    entry.former_perm_ids = tuple(map(int, former.split(","))) if former else ()
    known = number()
    for bit, name in enumerate(_MOMENTS):
        if known >> bit & 1:
            setattr(entry, name, reader.moment(take()))
    _unpack_terms(reader, entry)
    entry.ledger = Ledger.of_parts(_unpack_ledger(reader))
    messages = _unpack_messages(reader, entry)
    entry.take_back(messages, _unpack_history(reader))
    return entry


def _unpack_terms(reader: _Reader, entry: OrderEntry) -> None:
    take, shared = reader.take, reader.shared
    amount, currency = take(), take()
    if amount:
        entry.broker_commission = (
            Decimal(amount),
            currency[1:] if currency[0] == _INLINE else shared[int(currency)],
        )
    contract = take()
    entry.contract = _contract(shared, contract)
    has_order, has_echo, proposals, put_aside, pending = map(int, take().split())
    if has_order:
        entry.order = _ORDER.unpack(take, shared, entry.key)
    entry.proposals = [_ORDER.unpack(take, shared, entry.key) for _ in range(proposals)]
    entry.put_aside = [_ORDER.unpack(take, shared, entry.key) for _ in range(put_aside)]
    if has_echo:
        entry.broker_order = _ECHO.unpack(take, shared, entry.key)
    for _ in range(pending):
        request = Request(take())
        entry.pending[request] = reader.moment(take())


def _contract(shared: Shared, place: str) -> Contract | None:
    if not place:
        return None
    thing = shared[int(place)]
    if type(thing) is not Contract:
        raise Unpackable("a contract was wanted")
    return thing


def _unpack_ledger(reader: _Reader) -> LedgerParts:
    take, text, decimal = reader.take, reader.text, reader.decimal
    is_combo, is_group, recounts, fills, reported, count = take().split()
    currencies = tuple([text() for _ in range(int(count))])
    executions: list[tuple[str, Fill, bool, bool, Decimal]] = []
    time = ""
    for _ in range(int(fills)):
        exec_id, quantity, price = take(), Decimal(take()), Decimal(take())
        action, flags, peak, told = take(), int(take()), take(), take()
        time = told[1:] if told else time
        exchange, account, liquidity = text(), text(), take()
        cum_quantity, contract, paid = decimal(), _contract(reader.shared, take()), decimal()
        execution_id = ExecutionId.parse(exec_id)
        fill = making(Fill)(
            exec_id,
            quantity,
            price,
            Action(action) if action else None,
            execution_id.revision,
            parse_execution_time(time) if time else None,
            time,
            exchange,
            account,
            int(liquidity) if liquidity else None,
            cum_quantity,
            paid,
            "" if paid is None else text(),
            None if paid is None else decimal(),
            symbol=contract.name if contract is not None else "",
            con_id=contract.con_id if contract is not None else 0,
            price_may_change=bool(flags & 1),
            contract=contract,
        )
        fill.__class__ = Fill
        executions.append(
            (execution_id.base, fill, bool(flags & 2), bool(flags & 4), Decimal(peak) if peak else quantity)
        )
    return LedgerParts(
        is_combo=None if is_combo == "?" else is_combo == "1",
        is_group=is_group == "1",
        recounts=int(recounts),
        executions=executions,
        commissions=dict(_unpack_reports(reader, executions) for _ in range(int(reported))),
        currencies=currencies,
    )


def _unpack_reports(
    reader: _Reader, executions: Sequence[tuple[str, Fill, bool, bool, Decimal]]
) -> tuple[str, dict[int, CommissionFact]]:
    take, decimal = reader.take, reader.decimal
    name, count = take(), int(take())
    if name[0] == _INLINE:
        base, shown = name[1:], ""
    else:
        base, shown = executions[int(name)][0], executions[int(name)][1].exec_id
    reports: dict[int, CommissionFact] = {}
    for _ in range(count):
        exec_id = take() or shown
        report = CommissionFact(exec_id, decimal(), reader.text(), decimal())
        reports[ExecutionId.parse(exec_id).revision] = report
    return base, reports


def _unpack_messages(reader: _Reader, entry: OrderEntry) -> list[OrderMessage]:
    take = reader.take
    has_reject, count = map(int, take().split())
    told = [
        OrderMessage(at=reader.moment(take()), code=int(take()), message=take(), advanced_reject=take())
        for _ in range(has_reject + count)
    ]
    if has_reject:
        entry.reject = told.pop(0)
    return told


def _unpack_history(reader: _Reader) -> list[tuple[Any, ...]]:
    take, text = reader.take, reader.text
    lines = []
    for passed in reader.rest:
        at = reader.moment(passed)
        status, what, count = _STATUSES[text()], text(), take()
        lines.append((at, status, what, *[take() for _ in range(int(count or 0))]))
    return lines
