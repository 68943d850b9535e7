"""Fault plans in TOML or JSON files.

The form is described, with an example, in ``docs/faults.md``. Every mistake is an
:class:`~ibkr_core.errors.InvalidInput` that names the key and the rule.
"""

from __future__ import annotations

import difflib
import json
import tomllib
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults.actions import ACTIONS, Action
from ibkr_core.gateway.faults.checks import is_number
from ibkr_core.gateway.faults.plan import Chance, Fault, FaultPlan, RateLimit, When

__all__ = ["parse_plan", "read_plan"]

T = TypeVar("T")
_TOP = ("nasty", "answers", "rate", "chances", "script")


def read_plan(path: Path) -> FaultPlan:
    """Read a fault plan from a file: JSON when its name ends in ``.json``, otherwise TOML.

    Args:
        path: The file.

    Raises:
        InvalidInput: It cannot be read, or something in it breaks a rule; the key is named.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput(str(path), f"cannot be read: {error}") from error
    try:
        data = json.loads(text) if path.suffix.lower() == ".json" else tomllib.loads(text)
    except (json.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidInput(str(path), f"is no {path.suffix.lower() or '.toml'} file: {error}") from error
    return parse_plan(data)


def parse_plan(data: object) -> FaultPlan:
    """Make a fault plan of what a file holds.

    Args:
        data: Tables, lists and values, as ``tomllib`` and ``json`` give them.

    Raises:
        InvalidInput: Something breaks a rule; the key is named.
    """
    top = _table("the plan", data)
    _check_keys("", top, _TOP)
    chances = _parse_chances(_table("chances", top.get("chances", {})))
    if "nasty" in top:
        intensity = top["nasty"]
        if not is_number(intensity) or not 0 <= intensity <= 1:
            raise InvalidInput("nasty", f"must be a number from 0 to 1; got {intensity!r}")
        own = {one.action.name for one in chances}
        nasty = FaultPlan.nasty(intensity).chances
        chances = [*(one for one in nasty if one.action.name not in own), *chances]
    answers = top.get("answers", False)
    if not isinstance(answers, bool):
        raise InvalidInput("answers", f"must be true or false; got {answers!r}")
    rate = None if "rate" not in top else _build("rate", RateLimit, _table("rate", top["rate"]))
    script = _list("script", top.get("script", []))
    return FaultPlan(
        chances=tuple(chances),
        script=tuple(_parse_fault(f"script[{number}]", one) for number, one in enumerate(script, 1)),
        answers=answers,
        rate=rate,
    )


def _parse_chances(table: Mapping[str, Any]) -> list[Chance]:
    """One chance for each fault, or several when a list of tables is given."""
    found = []
    for name, value in table.items():
        kind = _kind(f"chances.{name}", name)
        several = value if isinstance(value, list) else [value]
        for number, one in enumerate(several, 1):
            where = f"chances.{name}" + (f"[{number}]" if isinstance(value, list) else "")
            fields = dict(one) if isinstance(one, Mapping) else {"probability": one}
            if "probability" not in fields:
                raise InvalidInput(f"{where}.probability", "is missing")
            probability, on = fields.pop("probability"), fields.pop("on", [])
            kinds = [on] if isinstance(on, str) else _list(f"{where}.on", on)
            action = _build(where, kind, fields, extra=("probability", "on"))
            found.append(_at(where, partial(Chance, action, probability, tuple(kinds))))
    return found


def _parse_fault(where: str, value: object) -> Fault:
    fields = dict(_table(where, value))
    if "fault" not in fields:
        raise InvalidInput(f"{where}.fault", "is missing: it names what goes wrong")
    kind = _kind(f"{where}.fault", fields.pop("fault"))
    trigger = {name: fields.pop(name) for name in _names(When) if name in fields}
    if trigger.get("times") == "always":
        trigger["times"] = None
    action = _build(where, kind, fields, extra=("fault", *_names(When)))
    when = _build(where, When, trigger)
    return _at(where, lambda: Fault(action, when))


def _kind(where: str, name: object) -> type[Action]:
    found = ACTIONS.get(name) if isinstance(name, str) else None
    if found is None:
        raise InvalidInput(where, f"there is no fault {name!r}{_hint(str(name), ACTIONS)}")
    return found


def _names(cls: type[Any]) -> list[str]:
    return [field.name for field in attrs.fields(cls)]


def _build(where: str, cls: type[T], fields: Mapping[str, Any], extra: Iterable[str] = ()) -> T:
    """Make an object of a table, or name the key that is wrong."""
    known = _names(cls)
    _check_keys(where, fields, [*known, *extra])
    return _at(where, lambda: cls(**fields))


def _at(where: str, make: Callable[[], T]) -> T:
    """Make something; a rule that it breaks is reported with its place in the file."""
    try:
        return make()
    except InvalidInput as error:
        inner = "" if where.endswith(error.argument) else f".{error.argument}"
        raise InvalidInput(f"{where}{inner}", error.rule) from error


def _check_keys(where: str, table: Mapping[str, Any], known: Iterable[str]) -> None:
    names = list(known)
    for key in table:
        if key not in names:
            place = f"{where}.{key}" if where else key
            raise InvalidInput(place, f"is no key{_hint(key, names)}; there are {', '.join(sorted(names))}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidInput(where, f"must be a table; got {value!r}")
    return value


def _list(where: str, value: object) -> list[Any]:
    if not isinstance(value, list):
        raise InvalidInput(where, f"must be a list; got {value!r}")
    return value
