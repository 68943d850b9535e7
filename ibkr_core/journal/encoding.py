"""Commands and facts as JSON, and back: exact, readable in SQL, and never by running what is stored.

A value of ours is an object of its fields, those left out that are empty. Where the field's type tells
what the JSON means, the JSON is plain (a Decimal is its text); everything else that JSON does not have
is an object with the tag ``$``. The official client's own objects (``TagValue``, order conditions …) are
known by a list. What cannot be kept is refused beforehand by :func:`check_storable`.

What is read back is not checked again: it was checked when it was new, and an order that lives at the
broker must come back even if rules have become stricter since.
"""

from __future__ import annotations

import enum
import functools
import json
import math
import numbers
import sys
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from itertools import compress
from operator import attrgetter, is_not
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidOrder
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Command
from ibkr_core.model import facts
from ibkr_core.model.algos import ALGOS, OtherAlgo
from ibkr_core.model.conditions import CONDITIONS
from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Action, BrokerOrder, Order
from ibkr_core.model.record import Request

__all__ = ["Opaque", "Unreadable", "check_storable", "from_json", "kind_of", "to_json", "value_to_json"]

TAG: Final = "$"
_MAX_DEPTH: Final = 16
_EMPTY: Final = (None, "", 0, False, ())

_VALUES: Final[Mapping[str, type]] = MappingProxyType(
    {
        kind.__name__: kind
        for kind in (
            *typing.get_args(Command),
            *typing.get_args(BrokerFact),
            inputs.NewOrder,
            facts.WhatIfMargin,
            BrokerOrder,
            ComboLeg,
            Contract,
            DeltaNeutral,
            Order,
            *CONDITIONS,
            *ALGOS.values(),
            OtherAlgo,
        )
    }
)
"""Every class of ours that may stand in the journal."""

_OFFICIAL: Final[Mapping[str, str]] = MappingProxyType(
    {
        "TagValue": "ibapi.tag_value",
        "SoftDollarTier": "ibapi.softdollartier",
        "OrderComboLeg": "ibapi.order",
        "ExecutionCondition": "ibapi.order_condition",
        "MarginCondition": "ibapi.order_condition",
        "PercentChangeCondition": "ibapi.order_condition",
        "PriceCondition": "ibapi.order_condition",
        "TimeCondition": "ibapi.order_condition",
        "VolumeCondition": "ibapi.order_condition",
    }
)
"""The official client's objects that an order can hold, and their modules."""


class Unreadable(ValueError):
    """Stored JSON that is none of ours, or that a newer ibkr_core wrote."""


@attrs.frozen
class Opaque:
    """A value that could not be kept; its ``repr`` in its place."""

    text: str


# ── the doors ───────────────────────────────────────────────────────────────────────────────────


def kind_of(value: Command | BrokerFact) -> str:
    """Return the name under which a value is stored."""
    return type(value).__name__


def to_json(value: Command | BrokerFact) -> str:
    """Write a command or a fact as JSON, in ASCII. Never raises for odd contents."""
    return _ENCODER.encode(_pack_fields(value, 0))


def value_to_json(value: object) -> str | None:
    """Write any value of ours as JSON; None where something in it could not be read back as it is."""
    text = _ENCODER.encode(_pack_fields(value, 0))
    return None if _OPAQUE_MARK in text else text


def from_json(kind: str, text: str | bytes) -> Any:  # noqa: ANN401 - any command or fact
    """Read what :func:`to_json` wrote.

    Raises:
        Unreadable: It is nothing of the kind, or has a field that this ibkr_core does not know.
    """
    found = _VALUES.get(kind)
    if found is None:
        raise Unreadable(f"no command or fact is called {kind!r}")
    try:
        packed = json.loads(text)
    except ValueError as error:
        raise Unreadable(f"the {kind} is no JSON: {error}") from error
    if not isinstance(packed, dict):
        raise Unreadable(f"the {kind} is no object")
    try:
        return _unpack_fields(found, packed)
    except Unreadable:
        raise
    except (ArithmeticError, AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Unreadable(f"the {kind} cannot be read: {error!r}") from error


def check_storable(value: Command | BrokerFact) -> None:
    """Raise where something in a command could not be read back as it is.

    Raises:
        InvalidOrder: An official field holds an object that is none of the official client's.
    """
    for order in _orders_in(value):
        for name, held in order.official.items():
            if _OPAQUE_MARK in _ENCODER.encode(_pack(held, 0)):
                known = ", ".join(_OFFICIAL)
                raise InvalidOrder(
                    name,
                    f"holds a value that the journal cannot keep; plain values, lists and the official "
                    f"client's own {known} can be kept, not {_opaque(held)['repr']}",
                )


def _orders_in(value: object) -> list[Order]:
    if isinstance(value, inputs.Submit):
        return [new.order for new in value.orders if new.order is not None]
    if isinstance(value, inputs.Modify | inputs.Adopt) and value.order is not None:
        return [value.order]
    return []


# ── how a field of ours is written ──────────────────────────────────────────────────────────────


class _Form(enum.Enum):
    """What plain JSON in a field stands for."""

    ITSELF = enum.auto()
    DECIMAL = enum.auto()
    ACTION = enum.auto()
    REQUEST = enum.auto()
    TUPLE = enum.auto()
    MAPPING = enum.auto()


@attrs.frozen
class _Field:
    name: str
    form: _Form
    default: Any
    is_dull: bool
    """Whether the default is empty, so that it need not be written."""


@functools.cache
def _layouts() -> Mapping[type, tuple[_Field, ...]]:
    return {kind: _layout(kind) for kind in _VALUES.values()}


@attrs.frozen
class _Columns:
    """The fields of a class, for writing: most of them hold their empty default and are not written."""

    fields: tuple[_Field, ...]
    values: Callable[[Any], tuple[Any, ...]]
    dull: tuple[Any, ...]
    """What need not be written: the field's empty default, or something that no field holds."""


_NEVER: Final = object()


@functools.cache
def _columns() -> Mapping[type, _Columns]:
    return {kind: _columns_of(fields) for kind, fields in _layouts().items()}


def _columns_of(fields: tuple[_Field, ...]) -> _Columns:
    names = [field.name for field in fields]
    get: Callable[[Any], Any] = attrgetter(*names) if names else lambda _: ()
    values = (lambda value: (get(value),)) if len(names) == 1 else get
    return _Columns(fields, values, tuple(field.default if field.is_dull else _NEVER for field in fields))


def _layout(kind: type) -> tuple[_Field, ...]:
    attrs.resolve_types(kind)
    return tuple(_field(one) for one in attrs.fields(kind))


def _field(one: attrs.Attribute[Any]) -> _Field:
    default = one.default
    if isinstance(default, attrs.Factory):  # type: ignore[arg-type]  # a class, whatever its stub says
        default = MappingProxyType({})
    is_dull = any(default is empty for empty in _EMPTY) or isinstance(default, Mapping)
    return _Field(one.name, _form(one.type), default, is_dull)


def _form(hint: Any) -> _Form:  # noqa: ANN401 - any annotation
    parts = {typing.get_origin(part) or part for part in (hint, *typing.get_args(hint))}
    if tuple in parts:
        return _Form.TUPLE
    if Mapping in parts:
        return _Form.MAPPING
    for kind, form in ((Decimal, _Form.DECIMAL), (Action, _Form.ACTION), (Request, _Form.REQUEST)):
        if kind in parts:
            return form
    return _Form.ITSELF


# ── writing ─────────────────────────────────────────────────────────────────────────────────────


def _pack_fields(value: object, depth: int) -> dict[str, Any]:
    columns = _columns()[type(value)]
    items = columns.values(value)
    packed: dict[str, Any] = {}
    for field, item in compress(zip(columns.fields, items, strict=True), map(is_not, items, columns.dull)):
        if not item and field.is_dull and type(item) in _DULL_TYPES:
            continue
        packed[field.name] = _pack_typed(item, field.form, depth)
    return packed


_DULL_TYPES: Final = frozenset({str, tuple, MappingProxyType})
"""Types whose empty value may not be the very object that the default is."""


_ITSELF: Final = _Form.ITSELF
_PLAIN_JSON: Final = frozenset({str, int, bool, type(None)})


def _pack_typed(item: Any, form: _Form, depth: int) -> Any:  # noqa: ANN401 - any value
    kind = type(item)
    if form is _ITSELF and kind in _PLAIN_JSON:
        return item
    if form is _Form.DECIMAL and kind is Decimal:
        return str(item)
    if (form is _Form.ACTION and kind is Action) or (form is _Form.REQUEST and kind is Request):
        return item.value
    if form is _Form.TUPLE and kind is tuple:
        return [_pack(one, depth + 1) for one in item]
    if form is _Form.MAPPING and kind is MappingProxyType:
        return {name: _pack(one, depth + 1) for name, one in item.items()}
    if kind is str and form not in (_Form.ITSELF, _Form.TUPLE):
        return {TAG: "text", "text": item}  # not what the field should hold, and kept all the same
    return _pack(item, depth)


def _pack(value: Any, depth: int) -> Any:  # noqa: ANN401, PLR0911 - any value, one way out for each kind
    """Turn any value into one that JSON has."""
    packer = _PACKERS.get(type(value))
    if packer is not None:
        return packer(value)
    if depth > _MAX_DEPTH:
        return _opaque(value)
    depth += 1
    if _VALUES.get(type(value).__name__) is type(value):
        return {TAG: type(value).__name__, **_pack_fields(value, depth)}
    match value:
        case list():
            return [_pack(one, depth) for one in value]
        case tuple() if type(value) is tuple:
            return {TAG: "tuple", "items": [_pack(one, depth) for one in value]}
        case dict() | MappingProxyType():
            if TAG not in value and all(type(key) is str for key in value):
                return {key: _pack(one, depth) for key, one in value.items()}
            return {TAG: "dict", "items": [[_pack(k, depth), _pack(v, depth)] for k, v in value.items()]}
        case enum.Enum() if not isinstance(value, int | str):
            return _opaque(value)
        case int() | numbers.Integral():
            return int(value)
        case float():
            return _pack_float(float(value))
        case str():
            return str.__str__(value)
    return _pack_official(value, depth)


def _pack_official(value: Any, depth: int) -> Any:  # noqa: ANN401 - any value
    for kind in type(value).__mro__:
        if _OFFICIAL.get(kind.__name__) == kind.__module__:
            held = {name: _pack(one, depth) for name, one in vars(value).items()}
            return {TAG: "ibapi", "class": kind.__name__, "fields": held}
    return _opaque(value)


def _opaque(value: object) -> dict[str, str]:
    try:
        text = repr(value)
    except Exception as error:  # noqa: BLE001 - somebody's __repr__; the journal goes on
        text = f"a {type(value).__name__} whose repr fails: {type(error).__name__}"
    return {TAG: "opaque", "repr": text[:200]}


def _pack_float(value: float) -> Any:  # noqa: ANN401 - a float, or a tagged one
    return value if math.isfinite(value) else {TAG: "float", "text": repr(value)}


def _same(value: Any) -> Any:  # noqa: ANN401 - any value
    return value


_PACKERS: Final[Mapping[type, Callable[[Any], Any]]] = MappingProxyType(
    {
        type(None): _same,
        bool: _same,
        int: _same,
        str: _same,
        float: _pack_float,
        Decimal: lambda value: {TAG: "Decimal", "text": str(value)},
        bytes: lambda value: {TAG: "bytes", "hex": value.hex()},
    }
)

_ENCODER: Final = json.JSONEncoder(ensure_ascii=True, allow_nan=False, separators=(",", ":"))
_OPAQUE_MARK: Final = _ENCODER.encode({TAG: "opaque"})[1:-1]
"""Cannot stand inside a text, where the quotes would be escaped."""


# ── reading ─────────────────────────────────────────────────────────────────────────────────────


def _unpack_fields(kind: type, packed: dict[str, Any]) -> Any:  # noqa: ANN401 - a value of that kind
    value: Any = object.__new__(kind)
    left = len(packed)
    for field in _layouts()[kind]:
        if field.name in packed:
            left -= 1
            item = _unpack_typed(packed[field.name], field.form)
        elif field.default is attrs.NOTHING:
            raise Unreadable(f"the {kind.__name__} lacks {field.name!r}")
        else:
            item = field.default
        object.__setattr__(value, field.name, item)
    if left:
        odd = ", ".join(sorted(set(packed) - {field.name for field in _layouts()[kind]}))
        raise Unreadable(f"a {kind.__name__} has no {odd}: a newer ibkr_core wrote it")
    return value


def _unpack_typed(item: Any, form: _Form) -> Any:  # noqa: ANN401 - any value
    if isinstance(item, str):
        match form:
            case _Form.DECIMAL:
                return Decimal(item)
            case _Form.ACTION:
                return Action(item)
            case _Form.REQUEST:
                return Request(item)
    if form is _Form.TUPLE and isinstance(item, list):
        return tuple(_unpack(one) for one in item)
    if form is _Form.MAPPING and isinstance(item, dict) and TAG not in item:
        return MappingProxyType({name: _unpack(one) for name, one in item.items()})
    return _unpack(item)


def _unpack(item: Any) -> Any:  # noqa: ANN401, PLR0911 - any value, one way out for each kind
    if isinstance(item, list):
        return [_unpack(one) for one in item]
    if not isinstance(item, dict):
        return item
    if TAG not in item:
        return {key: _unpack(one) for key, one in item.items()}
    match item:
        case {"$": "text" | "float" | "Decimal" as kind, "text": str(text)}:
            return {"text": str, "float": float, "Decimal": Decimal}[kind](text)
        case {"$": "bytes", "hex": str(text)}:
            return bytes.fromhex(text)
        case {"$": "tuple", "items": list(items)}:
            return tuple(_unpack(one) for one in items)
        case {"$": "dict", "items": list(items)}:
            return {_unpack(key): _unpack(one) for key, one in items}
        case {"$": "opaque", "repr": str(text)}:
            return Opaque(text)
        case {"$": "ibapi", "class": str(name), "fields": dict(held)}:
            return _unpack_official(name, held)
        case {"$": str(name), **rest} if name in _VALUES:
            return _unpack_fields(_VALUES[name], rest)
    raise Unreadable(f"unknown value {str(item)[:200]}")


def _unpack_official(name: str, held: dict[str, Any]) -> Any:  # noqa: ANN401 - an official object
    """Make an official object again without running its constructor."""
    if name not in _OFFICIAL:
        raise Unreadable(f"{name!r} is no object of the official client that an order can hold")
    module = _official_module(_OFFICIAL[name])
    kind = getattr(module, name, None)
    if not isinstance(kind, type):
        return Opaque(f"{name} {held!r}"[:200])  # the installed client is too old to have it
    value: Any = object.__new__(kind)
    for attribute, one in held.items():
        setattr(value, attribute, _unpack(one))
    return value


def _official_module(name: str) -> object:
    """Import a module of the official client, only when something of it was stored."""
    if name not in sys.modules:
        try:
            __import__(name)
        except ImportError:
            return None
    return sys.modules[name]
