"""Values of the gateway as JSON and back, guided by their own annotations.

Only data is read and only known classes are made: nothing in a file can name code. Decimals are text, so that
no digit is lost; enumerations are names; an instrument is the number of its contract.
"""

from __future__ import annotations

import enum
import json
import math
import types
import typing
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.instruments import Instrument

__all__ = ["Codec", "to_text"]

_MARK = "$"
_SCALARS: tuple[type, ...] = (bool, int, str)
Step = Callable[[Any], Any]


def to_text(value: Any) -> str:  # noqa: ANN401 - whatever JSON can hold
    """JSON in its shortest form.

    Raises:
        ValueError: A number that JSON does not have; the codec makes none.
    """
    return json.dumps(value, separators=(",", ":"), allow_nan=False)


@attrs.frozen
class _Form:
    """How one kind of value is packed and unpacked."""

    pack: Step
    unpack: Step


class Codec:
    """Packs values into what JSON can hold, and unpacks them.

    Args:
        instrument_of: Finds an instrument by its contract id; raises KeyError when there is none.
    """

    def __init__(self, instrument_of: Callable[[int], Instrument]) -> None:
        self._instrument_of = instrument_of
        self._forms: dict[Any, _Form] = {}
        self._of_fields: dict[tuple[type, tuple[str, ...]], list[tuple[str, _Form]]] = {}

    def pack(self, kind: Any, value: Any) -> Any:  # noqa: ANN401 - a type and a value of it
        """Turn a value into dicts, lists, texts and numbers.

        Args:
            kind: Its type, as an annotation would say it.
            value: The value.

        Raises:
            TypeError: The type is none that can be kept.
        """
        return self._form(kind).pack(value)

    def unpack(self, kind: Any, data: Any) -> Any:  # noqa: ANN401 - a type, and a value of it
        """Make a value of what :meth:`pack` made of it.

        Args:
            kind: The type that is wanted.
            data: As it was read.

        Raises:
            ValueError: It is not what this type looks like.
            TypeError: The type is none that can be kept.
        """
        return self._form(kind).unpack(data)

    def pack_fields(self, owner: type, value: Any, names: tuple[str, ...]) -> dict[str, Any]:  # noqa: ANN401
        """Pack some attributes of a value.

        Args:
            owner: Its attrs class.
            value: The value.
            names: Which attributes.
        """
        return {name: form.pack(getattr(value, name)) for name, form in self._fields(owner, names)}

    def unpack_fields(self, owner: type, data: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
        """Unpack some attributes; one that is missing keeps its default.

        Raises:
            ValueError: There is an attribute that the class does not have, or one that cannot be read.
        """
        _need(isinstance(data, Mapping), owner.__name__, data)
        unknown = set(data) - set(names)
        if unknown:
            raise ValueError(f"{owner.__name__} has no {min(unknown)}")
        return {name: form.unpack(data[name]) for name, form in self._fields(owner, names) if name in data}

    # -- forms -------------------------------------------------------------------------------------

    def _fields(self, owner: type, names: tuple[str, ...]) -> list[tuple[str, _Form]]:
        found = self._of_fields.get((owner, names))
        if found is None:
            hints = typing.get_type_hints(owner)
            found = self._of_fields[owner, names] = [(name, self._form(hints[name])) for name in names]
        return found

    def _form(self, kind: Any) -> _Form:  # noqa: ANN401 - a type as an annotation says it
        found = self._forms.get(kind)
        if found is None:
            found = self._forms[kind] = self._make(kind)
        return found

    def _make(self, kind: Any) -> _Form:  # noqa: ANN401, PLR0911 - one line for each kind of type
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if kind in (Any, object):
            return _Form(_pack_free, _unpack_free)
        if origin in (types.UnionType, typing.Union):
            return self._optional(arguments)
        if origin in (tuple, list, set, frozenset):
            return self._many(origin, arguments)
        if origin in (dict, Mapping) or getattr(origin, "__name__", "") == "Mapping":
            return self._mapping(arguments)
        if not isinstance(kind, type):
            raise TypeError(f"{kind} cannot be kept")
        if kind in _SCALARS:
            return _Form(lambda value: value, _checked(kind))
        if kind is Decimal:
            return _Form(str, _to_decimal)
        if kind is float:
            return _Form(_pack_float, _to_float)
        if issubclass(kind, Instrument):
            return _Form(lambda one: one.con_id, self._find)
        return self._named(kind)

    def _named(self, kind: type) -> _Form:
        if issubclass(kind, enum.Enum):
            return _Form(lambda one: one.name, lambda name: _member(kind, name))
        if not attrs.has(kind):
            raise TypeError(f"{kind} cannot be kept")
        names = tuple(one.name for one in attrs.fields(kind))
        fields = self._fields(kind, names)  # of no class that holds itself, which would never end

        def pack(value: Any) -> dict[str, Any]:  # noqa: ANN401 - a value of this class
            return {name: form.pack(getattr(value, name)) for name, form in fields}

        def unpack(data: Any) -> Any:  # noqa: ANN401 - a value of this class
            return _build(kind, self.unpack_fields(kind, data, names))

        return _Form(pack, unpack)

    def _optional(self, arguments: tuple[Any, ...]) -> _Form:
        inner = [one for one in arguments if one is not types.NoneType]
        if len(inner) != 1:
            raise TypeError(f"a choice of {arguments} cannot be kept")
        form = self._form(inner[0])
        return _Form(
            lambda value: None if value is None else form.pack(value),
            lambda data: None if data is None else form.unpack(data),
        )

    def _many(self, origin: type, arguments: tuple[Any, ...]) -> _Form:
        if origin is tuple and (len(arguments) != 2 or arguments[1] is not Ellipsis):  # noqa: PLR2004
            forms = [self._form(one) for one in arguments]

            def unpack_some(data: Any) -> tuple[Any, ...]:  # noqa: ANN401 - as it was read
                _need(isinstance(data, list) and len(data) == len(forms), "tuple", data)
                return tuple(form.unpack(one) for form, one in zip(forms, data, strict=True))

            return _Form(
                lambda value: [form.pack(one) for form, one in zip(forms, value, strict=True)], unpack_some
            )
        form = self._form(arguments[0])
        in_order: Callable[[Any], Any] = sorted if issubclass(origin, set | frozenset) else list

        def unpack(data: Any) -> Any:  # noqa: ANN401 - a collection
            _need(isinstance(data, list), origin.__name__, data)
            return origin(form.unpack(one) for one in data)

        return _Form(lambda value: in_order(form.pack(one) for one in value), unpack)

    def _mapping(self, arguments: tuple[Any, ...]) -> _Form:
        of_key, of_value = arguments
        if of_key not in (str, int, Decimal):
            raise TypeError(f"a mapping by {of_key} cannot be kept")
        if of_value is Any:
            return _Form(_pack_free, _unpack_free)
        form = self._form(of_value)

        def unpack(data: Any) -> dict[Any, Any]:  # noqa: ANN401 - as it was read
            _need(isinstance(data, dict), "mapping", data)
            return {_to_key(of_key, key): form.unpack(value) for key, value in data.items()}

        return _Form(lambda value: {str(key): form.pack(one) for key, one in value.items()}, unpack)

    def _find(self, data: Any) -> Instrument:  # noqa: ANN401 - as it was read
        _need(isinstance(data, int), "contract id", data)
        try:
            return self._instrument_of(data)
        except KeyError:
            raise ValueError(f"no contract has the id {data}") from None


def _need(fits: bool, what: str, data: object) -> None:
    if not fits:
        raise ValueError(f"{str(data)[:60]!r} is no {what}")


def _build(kind: Any, fields: dict[str, Any]) -> Any:  # noqa: ANN401 - a class and a value of it
    try:
        return kind(**fields)
    except TypeError as error:
        raise ValueError(f"{kind.__name__}: {error}") from None


def _checked(kind: type) -> Step:
    def check(data: Any) -> Any:  # noqa: ANN401 - a value of the type
        _need(type(data) is kind, kind.__name__, data)
        return data

    return check


def _member(kind: type[enum.Enum], name: object) -> enum.Enum:
    _need(isinstance(name, str) and name in kind.__members__, kind.__name__, name)
    return kind[str(name)]


def _to_decimal(data: object) -> Decimal:
    _need(isinstance(data, str), "decimal", data)
    try:
        return Decimal(str(data))
    except ArithmeticError:
        raise ValueError(f"{data!r} is no decimal") from None


def _to_key(kind: type, text: str) -> Any:  # noqa: ANN401 - a key of the type
    return _to_decimal(text) if kind is Decimal else kind(text)


def _pack_float(value: float) -> float | str:
    return value if math.isfinite(value) else str(value)


def _to_float(data: object) -> float:
    if isinstance(data, int | float) and not isinstance(data, bool):
        return float(data)
    _need(data in ("nan", "inf", "-inf"), "number", data)
    return float(str(data))


def _pack_free(value: Any) -> Any:  # noqa: ANN401 - whatever a client may have sent
    """Pack a value whose type is not known beforehand."""
    if value is None or isinstance(value, _SCALARS):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {_MARK + "float": str(value)}
    if isinstance(value, Decimal):
        return {_MARK + "decimal": str(value)}
    if isinstance(value, Mapping):
        if any(not isinstance(key, str) or key.startswith(_MARK) for key in value):
            return {_MARK + "map": [[_pack_free(key), _pack_free(one)] for key, one in value.items()]}
        return {key: _pack_free(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_pack_free(one) for one in value]
    raise TypeError(f"{type(value)} cannot be kept")


def _unpack_free(data: Any) -> Any:  # noqa: ANN401 - as it was packed
    if isinstance(data, list):
        return [_unpack_free(one) for one in data]
    if not isinstance(data, dict):
        return data
    mark = next(iter(data), "")
    if not mark.startswith(_MARK):
        return {key: _unpack_free(one) for key, one in data.items()}
    match mark, data[mark]:
        case "$decimal", str(text):
            return _to_decimal(text)
        case "$float", text:
            return _to_float(text)
        case "$map", list(pairs) if all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):  # noqa: PLR2004
            return {_unpack_free(key): _unpack_free(one) for key, one in pairs}
    raise ValueError(f"{mark} is no kind of value")
