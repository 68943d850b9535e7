"""The JSON of what is written while an order waits for it: as :mod:`ibkr_core.journal.encoding` writes it.

A program sends orders of few shapes (:mod:`ibkr_core.model.shapes`), whose JSON differs in a handful of
values. For each shape the plain encoder is run once, and the places of those values are noted. Where anything
is not as expected there is no template, and every order of that shape goes through the plain encoder.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

from ibkr_core.journal import encoding
from ibkr_core.journal.tail import Recorded
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.inputs import Command
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import Shape, Shapes

__all__ = ["Intents"]

_text: Final[Callable[[str], str]] = json.encoder.encode_basestring_ascii
_beside: Final = attrgetter("description", "combo_legs_description")
_NOTHING: Final = ("", "")
"""What a contract has beside its shape, nearly always."""
_MOST: Final = 512


class Intents:
    """Writes commands as JSON.

    Whoever calls has to see to it that nobody else does at the time.

    Args:
        shapes: Knows the shapes of orders; at once, where it was asked about the same order just before.
        most: How many shapes are known at a time.
    """

    def __init__(self, shapes: Shapes, most: int = _MOST) -> None:
        self._shapes = shapes
        self._most = most
        self._known: dict[Shape, _Template | None] = {}

    def to_json(self, value: Command | BrokerFact) -> str:
        """Write a command or a fact: the very text of :func:`encoding.to_json`."""
        text = None
        if type(value) is inputs.Submit:
            text = self._submit(value)
        elif type(value) is inputs.Sent:
            text = _sent(value)
        return text if text is not None else encoding.to_json(value)

    def flattened(self, recorded: Recorded) -> Recorded:
        """Return an input flat, as its segment needs it, where it is of one order; others as they are."""
        number, payload, at, seq, _ = recorded
        kind = type(payload)
        if at.tzinfo is None:
            return recorded
        if kind is inputs.Sent:
            text = _sent(payload)
            if text is not None:
                order_id = payload.order_ids[0]
                return (number, text.encode(), at, seq, "Sent", None, order_id, None, None, None, 0)
        elif kind is inputs.Submit:
            text = self._submit(payload)
            if text is not None:
                new = payload.orders[0]
                order_id, key = new.order_id, new.key or None
                return (number, text.encode(), at, seq, "Submit", None, order_id, None, key, None, order_id)
        return recorded

    def _submit(self, value: inputs.Submit) -> str | None:
        if len(value.orders) != 1:
            return None
        new = value.orders[0]
        contract, order = new.contract, new.order
        if type(contract) is not Contract or type(order) is not Order or type(new) is not inputs.NewOrder:
            return None
        shape = self._shapes.of(contract, order)
        if shape is None or _beside(contract) != _NOTHING:
            return None
        if shape not in self._known:
            if len(self._known) >= self._most:
                self._known.clear()
            try:
                self._known[shape] = _learnt(value, shape)
            except Exception:  # noqa: BLE001 - whatever was not foreseen: no template then
                self._known[shape] = None
        template = self._known[shape]
        its: Any = new  # as for render()
        return template.render(its.order_id, its.key, contract, order) if template is not None else None


def _sent(value: inputs.Sent) -> str | None:
    ids: Any = value.order_ids  # of any types, as for render()
    if type(ids) is tuple and len(ids) == 1 and type(ids[0]) is int:
        return f'{{"order_ids":[{ids[0]}]}}'
    return None


class _Template:
    """The JSON of the only order of a :class:`inputs.Submit`, with ``%s`` for each value that differs."""

    __slots__ = ("_of_contract", "_of_order", "_text", "_writers")

    def __init__(self, text: str, of_contract: list[str], of_order: list[str], kinds: list[type]) -> None:
        self._text = text
        self._of_contract = _getter(of_contract)
        self._of_order = _getter(of_order)
        self._writers = [_text if kind is str else str for kind in kinds]

    def render(self, order_id: object, key: object, contract: Contract, order: Order) -> str | None:
        """Return the JSON; None where a value that the shape does not know is out of the usual.

        It sees for itself of what types id and key are: compiled code that is told makes an int of a flag.
        """
        reference: Any = order.order_ref
        if type(order_id) is not int or type(key) is not str or type(reference) is not str or not reference:
            return None
        got = (*self._of_contract(contract), *self._of_order(order))
        told = [write(value) for write, value in zip(self._writers, got, strict=True)]
        return self._text % (order_id, _text(key), *told)


def _getter(names: list[str]) -> Callable[[Any], tuple[Any, ...]]:
    """Return what takes some attributes of a value, as a tuple however many they are."""
    if len(names) > 1:
        return attrgetter(*names)
    return lambda value: tuple([getattr(value, name) for name in names])


def _learnt(value: inputs.Submit, shape: Shape) -> _Template | None:
    """Make the template of a shape of which this is an order; None where there can be none."""
    [new] = value.orders
    if new.contract is None or new.order is None:
        return None
    plain = encoding.to_json(value)
    packed = json.loads(plain)
    held = packed["orders"][0]
    # In the order of the text, which is filled in from left to right.
    mine, terms = ([name for name in held[part] if name in shape.filled] for part in ("contract", "order"))
    if len(mine) + len(terms) != len(shape.filled):
        return None
    kinds = [type(getattr(new.contract, name)) for name in mine] + [
        type(getattr(new.order, name)) for name in terms
    ]
    places = [(held["contract"], name) for name in mine] + [(held["order"], name) for name in terms]
    for number, (among, name) in enumerate(((held, "order_id"), (held, "key"), *places)):
        among[name] = f"<{number}>"
    text = json.dumps(packed, separators=(",", ":")).replace("%", "%%")
    reached = 0
    for number, kind in enumerate((int, str, *kinds)):
        mark = f'"<{number}>"'
        if text.count(mark) != 1 or text.index(mark) < reached:
            return None
        reached = text.index(mark)
        text = text.replace(mark, '"%s"' if kind is Decimal else "%s")
    made = _Template(text, mine, terms, kinds)
    its: Any = new  # as for render()
    return made if made.render(its.order_id, its.key, new.contract, new.order) == plain else None
