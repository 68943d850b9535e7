"""What the broker refuses for sure, as tables of rules: an order that breaks one is not sent.

Every rule has a name, which its error shows, and a source: the broker's error code, an official page, or the
reason why it was chosen. What is not sure is left to the broker. ``EngineSettings.order_rules`` switches all
of this off.
"""

from __future__ import annotations

from typing import Final

from ibkr_core.errors import InvalidOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.orderfields import OTHER_ORDER_FIELDS, VALUE_FIELDS
from ibkr_core.model.plainrules import ATTRIBUTE_RULES, TIF_RULES, TYPE_RULES
from ibkr_core.model.ruleparts import ChangeRule, Rule
from ibkr_core.model.specialrules import HEDGE_RULES, PEG_RULES, PRICE_RULES

__all__ = ["CHANGE_RULES", "RULES", "ChangeRule", "Rule", "check", "check_change"]

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
    is_plain = not order.official and order.order_type in _PLAIN_TYPES
    for rule in _PLAIN_RULES if is_plain else RULES:
        if (is_new or not rule.only_new) and rule.is_broken(order, contract):
            raise InvalidOrder(rule.argument, f"{rule.text} (rule {rule.name}: {rule.source})")


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
