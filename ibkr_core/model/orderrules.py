"""What the broker refuses for sure, as tables of rules: an order that breaks one is not sent.

Every rule has a name, which its error shows, and a source: the broker's error code, an official page, or the
reason why it was chosen. What is not sure is left to the broker. ``EngineSettings.order_rules`` switches all
of this off.
"""

from __future__ import annotations

import itertools
from typing import Any, Final

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.orderfields import OTHER_ORDER_FIELDS, VALUE_FIELDS
from ibkr_core.model.plainrules import ATTRIBUTE_RULES, TIF_RULES, TYPE_RULES
from ibkr_core.model.ruleparts import ChangeRule, Rule
from ibkr_core.model.shapes import PLAIN, STEADY, VARYING, Shape
from ibkr_core.model.specialrules import HEDGE_RULES, PEG_RULES, PRICE_RULES

__all__ = ["CHANGE_RULES", "RULES", "ChangeRule", "Rule", "RuleBook", "check", "check_change"]

RULES: Final = (*TIF_RULES, *TYPE_RULES, *ATTRIBUTE_RULES, *PEG_RULES, *HEDGE_RULES, *PRICE_RULES)
"""Every rule, in the order in which they are looked at."""

_PLAIN_TYPES: Final = frozenset({"MKT", "LMT", "STP", "STP LMT", "TRAIL", "MOC", "LOC"})
_PLAIN_RULES: Final = tuple(rule for rule in RULES if rule.argument not in OTHER_ORDER_FIELDS - VALUE_FIELDS)
"""What a plain order without official fields can break: the others are about such fields, which other types
need and these must not have."""

_INSTEAD: Final = "; use Engine.replace, which cancels the order and places what is left of it anew"

CHANGE_RULES: Final = (
    ChangeRule(
        "same-side",
        "action",
        "cannot be changed by a modification",
        "code 105",
        lambda old, new: old.action is not new.action,
    ),
    ChangeRule(
        "same-account",
        "account",
        "cannot be changed by a modification",
        "code 105",
        lambda old, new: bool(old.account and new.account and old.account != new.account),
    ),
    ChangeRule(
        "same-clearing",
        "clearingAccount",
        "cannot be changed by a modification",
        "code 422",
        lambda old, new: old.official.get("clearingAccount", "") != new.official.get("clearingAccount", ""),
    ),
    ChangeRule(
        "same-group",
        "oca_group",
        "cannot be changed by a modification",
        "code 10326",
        lambda old, new: bool(new.oca_group) and old.oca_group != new.oca_group,
    ),
    ChangeRule(
        "same-group-type",
        "oca_type",
        "cannot be changed by a modification",
        "code 10327",
        lambda old, new: bool(new.oca_group) and bool(new.oca_type) and old.oca_type != new.oca_type,
    ),
    ChangeRule(
        "same-algo",
        "algo",
        "cannot be added, taken away or exchanged by a modification",
        "code 440",
        lambda old, new: _strategy(old) != _strategy(new),
    ),
    ChangeRule(
        "no-cash",
        "cash_quantity",
        "orders sized by money cannot be modified",
        "code 10241",
        lambda old, _: old.cash_quantity is not None,
    ),
)
"""What a modification must leave as it is. The broker refuses such a change; the order goes on as before."""


def _strategy(order: Order) -> object:
    return order.algo.strategy if order.algo is not None else order.official.get("algoStrategy", "")


def check(order: Order, contract: Contract, *, is_new: bool = True) -> None:
    """Raise where an order for a contract breaks a rule.

    Args:
        order: The order, or the new terms of one.
        contract: What it is for.
        is_new: False for the new terms of an order that works already.

    Raises:
        InvalidOrder: It does; the error names the field, what must be, and the rule.
    """
    for rule in _rules_for(order):
        if (is_new or not rule.only_new) and rule.is_broken(order, contract):
            raise _broken(rule)


def _rules_for(order: Order) -> tuple[Rule, ...]:
    return _PLAIN_RULES if not order.official and order.order_type in _PLAIN_TYPES else RULES


def _broken(rule: Rule) -> InvalidOrder:
    return InvalidOrder(rule.argument, f"{rule.text} (rule {rule.name}: {rule.source})")


class RuleBook:
    """Applies the rules, and remembers which of them all orders of a shape keep.

    A rule that looked at nothing but what is alike in all of them says the same of each. That is not declared
    but seen: a rule is asked once with an order that notes what is looked at. Rules that look at a quantity
    or a price are asked every time. Any thread may ask.
    """

    def __init__(self) -> None:
        self._left: dict[Shape, tuple[Rule, ...]] = {}

    def check(self, order: Order, contract: Contract, shape: Shape | None) -> None:
        """Do as :func:`check`, for a new order.

        Args:
            order: The order.
            contract: What it is for.
            shape: The order's shape; None where it has none.

        Raises:
            InvalidOrder: As for :func:`check`.
        """
        if shape is None:
            check(order, contract)
            return
        rules = self._left.get(shape)
        if rules is None:
            check(order, contract)
            self._learn(order, contract, shape)
            return
        for rule in rules:
            if rule.is_broken(order, contract):
                raise _broken(rule)

    def _learn(self, order: Order, contract: Contract, shape: Shape) -> None:
        """Remember what is left to ask for a shape, of which one order keeps every rule."""
        if len(self._left) >= _MOST_SHAPES:
            self._left.clear()
        rules = _rules_for(order)
        self._left[shape] = tuple(one for one in rules if not _says_the_same(one, order, contract, shape))


_MOST_SHAPES: Final = 512
_ALIKE: Final = frozenset(itertools.chain(*STEADY.values(), *PLAIN.values()))
_MAY_VARY: Final = frozenset(itertools.chain(*VARYING.values()))


class _Watched:
    """An order, or a contract, that notes which of its fields are looked at."""

    def __init__(self, value: Order | Contract, seen: set[str]) -> None:
        self._value = value
        self._seen = seen

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the field holds
        self._seen.add(name)
        return getattr(self._value, name)


def _says_the_same(rule: Rule, order: Order, contract: Contract, shape: Shape) -> bool:
    """Whether a rule says of every order of a shape what it says of this one."""
    seen: set[str] = set()
    watched: Any = _Watched(order, seen), _Watched(contract, seen)
    try:
        if rule.is_broken(*watched):
            return False
    except Exception:  # noqa: BLE001 - a rule that wants the very order is asked with it every time
        return False
    return seen <= _ALIKE | (_MAY_VARY - shape.filled)


def check_change(old: Order, new: Order) -> None:
    """Raise where new terms need a new order.

    Args:
        old: The terms as last sent.
        new: What is asked for.

    Raises:
        InvalidOrder: The broker would refuse the modification; the error names the field and the rule.
    """
    for rule in CHANGE_RULES:
        if rule.is_broken(old, new):
            raise InvalidOrder(rule.argument, f"{rule.text} (rule {rule.name}: {rule.source}){_INSTEAD}")
