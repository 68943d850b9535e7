"""An advisor's login: a master account, the clients' accounts, and groups that orders are divided among.

The documented methods divide an order equally, by net liquidation value, by available equity, or by shares
that the group was given (official pages on advisors). The master's own execution is told first and then each
account's part, all under the order's id (TWS facts 3); only the parts are held. What no page tells is how
fills of a part of an order are divided: here each account is kept as near to its share as whole units allow.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from xml.sax.saxutils import escape

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.account import Balances
from ibkr_core.gateway.combos import Combo
from ibkr_core.gateway.orders import Execution, OrderSpec
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Advisor", "AdvisorGroup", "aliases_xml", "divide", "groups_xml", "is_held", "weights"]

_GIVEN = ("Ratio", "Percent", "ContractsOrShares")
_METHODS = ("Equal", "EqualQuantity", "NetLiq", "AvailableEquity", *_GIVEN)


@attrs.frozen
class AdvisorGroup:
    """A group of accounts.

    Attributes:
        name: What an order says in ``faGroup``.
        accounts: Account codes.
        method: How an order is divided, unless it says otherwise in ``faMethod``.
        amounts: Each account's share, for the methods ``Ratio``, ``Percent`` and ``ContractsOrShares``.

    Raises:
        InvalidInput: No account, one twice, no such method, or shares that do not go with the accounts.
    """

    name: str
    accounts: tuple[str, ...]
    method: str = "Equal"
    amounts: tuple[Decimal, ...] = ()

    def __attrs_post_init__(self) -> None:
        """Check it."""
        if not self.name or not self.accounts or len(set(self.accounts)) < len(self.accounts):
            raise InvalidInput("accounts", "a group has a name, and at least one account, each once")
        if self.method not in _METHODS:
            raise InvalidInput("method", f"must be one of {', '.join(_METHODS)}; got {self.method!r}")
        if self.amounts or self.method in _GIVEN:
            is_sane = len(self.amounts) == len(self.accounts) and all(one > 0 for one in self.amounts)
            if not is_sane:
                raise InvalidInput("amounts", "must be one number above zero for each account")


@attrs.frozen
class Advisor:
    """An advisor's master account, and the groups of the clients' accounts.

    Attributes:
        account: The master's code, which begins with F, or DF on paper.
        groups: The groups.
        aliases: Names of accounts, by code.
    """

    account: str
    groups: tuple[AdvisorGroup, ...] = ()
    aliases: Mapping[str, str] = attrs.field(factory=dict, hash=False)

    def group(self, name: str) -> AdvisorGroup | None:
        """The group of a name, or None."""
        return next((one for one in self.groups if one.name == name), None)

    def account_of(self, spec: OrderSpec) -> str:
        """The account that an order is booked to as a whole: a client's, or the master's for a group.

        Raises:
            RefusalError: 436 without an account and without a group, 201 with both (as users report it), 321
                for a group or a method that there is not, which is not documented.
        """
        group, method = _group_of(spec), str(spec.fields.get("faMethod") or "")
        if group and spec.account:
            raise RefusalError(201, "Order rejected - reason: Invalid account number.")
        if not group:
            if spec.account in {"", self.account}:
                text = "You must specify an allocation (either a single account, group, or profile)."
                raise RefusalError(436, text)
            return spec.account
        known = self.group(group)
        if known is None:
            raise RefusalError.invalid(f"Invalid FA group '{group}'")
        if method and (method not in _METHODS or (method in _GIVEN and not known.amounts)):
            raise RefusalError.invalid(f"Invalid FA method '{method}'")
        return self.account

    def shares(self, spec: OrderSpec, balances_of: Callable[[str], Balances]) -> dict[str, Fraction]:
        """The share of each account in a group order, in any unit; empty for another order."""
        group = self.group(_group_of(spec))
        if group is None:
            return {}
        return weights(group, str(spec.fields.get("faMethod") or "") or group.method, balances_of)


def _group_of(spec: OrderSpec) -> str:
    return str(spec.fields.get("faGroup") or "")


def is_held(execution: Execution, advisor: Advisor | None) -> bool:
    """Whether an account holds what an execution traded: not of a combination, and not of a group order."""
    return not isinstance(execution.instrument, Combo) and (
        advisor is None or execution.account != advisor.account
    )


def weights(group: AdvisorGroup, method: str, balances_of: Callable[[str], Balances]) -> dict[str, Fraction]:
    """The share of each account by a method; equal shares where nobody has anything."""
    if method in _GIVEN:
        found = {code: Fraction(one) for code, one in zip(group.accounts, group.amounts, strict=True)}
    elif method == "NetLiq":
        found = {code: Fraction(balances_of(code).net_liquidation) for code in group.accounts}
    elif method == "AvailableEquity":
        found = {code: Fraction(balances_of(code).available) for code in group.accounts}
    else:
        found = dict.fromkeys(group.accounts, Fraction(1))
    found = {code: max(one, Fraction(0)) for code, one in found.items()}
    return found if any(found.values()) else dict.fromkeys(group.accounts, Fraction(1))


def divide(
    quantity: Decimal, shares: Mapping[str, Fraction], given: Mapping[str, Decimal]
) -> list[tuple[str, Decimal]]:
    """Divide a fill among accounts, so that all that they have got comes as near to their shares as it can.

    Equal shares of 400 for six accounts are 66 and one more for the first four (official pages on advisors).

    Args:
        quantity: What was filled now.
        shares: The share of each account, in any unit.
        given: What each has got of the order before.

    Returns:
        Accounts and quantities, those that get something; together all of it.
    """
    exponent = quantity.as_tuple().exponent
    step = Fraction(Decimal(1).scaleb(min(exponent, 0)) if isinstance(exponent, int) else 1)
    whole = Fraction(quantity) + sum((Fraction(given.get(code, 0)) for code in shares), Fraction(0))
    total = sum(shares.values(), Fraction(0))
    due = {
        code: max(whole * share / total - Fraction(given.get(code, 0)), Fraction(0))
        for code, share in shares.items()
    }
    left = Fraction(quantity)
    got: dict[str, Fraction] = {}
    for code, one in due.items():
        got[code] = min(one // step * step, left)
        left -= got[code]
    # The largest rest first; among equals the first account of the group.
    for code in _by_rest(due, got):
        if left <= 0:
            break
        part = min(step, left)
        got[code] += part
        left -= part
    return [(code, Decimal(one.numerator) / Decimal(one.denominator)) for code, one in got.items() if one > 0]


def _by_rest(due: Mapping[str, Fraction], got: Mapping[str, Fraction]) -> Sequence[str]:
    return sorted(due, key=lambda code: got[code] - due[code])


def groups_xml(advisor: Advisor) -> str:
    """The text of ``receiveFA`` for groups, with each account's share (official sample of today's form)."""
    return _listed("ListOfGroups", [_group_xml(one) for one in advisor.groups])


def _group_xml(group: AdvisorGroup) -> str:
    amounts = group.amounts or (None,) * len(group.accounts)
    accounts = "".join(
        f"<Account><acct>{code}</acct>"
        + (f"<amount>{amount}</amount>" if amount is not None else "")
        + "</Account>"
        for code, amount in zip(group.accounts, amounts, strict=True)
    )
    return (
        f"<Group><name>{escape(group.name)}</name>"
        f'<ListOfAccts varName="list">{accounts}</ListOfAccts>'
        f"<defaultMethod>{group.method}</defaultMethod></Group>"
    )


def aliases_xml(advisor: Advisor, accounts: Sequence[str]) -> str:
    """The text of ``receiveFA`` for aliases; an account without one is called by its code."""
    return _listed(
        "ListOfAccountAliases",
        [
            f"<AccountAlias><account>{code}</account>"
            f"<alias>{escape(advisor.aliases.get(code, code))}</alias></AccountAlias>"
            for code in accounts
        ],
    )


def _listed(name: str, parts: Sequence[str]) -> str:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n<{name}>\n' + "\n".join(parts) + f"\n</{name}>\n"
