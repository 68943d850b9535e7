"""What an account has: its values, its profit and loss, and how an advisor's accounts hang together."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from xml.etree import ElementTree as ET

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.said import money, plain, said

__all__ = [
    "AccountAlias",
    "AccountValue",
    "AccountValues",
    "AdvisorGroup",
    "FamilyCode",
    "GroupMember",
    "ProfitAndLoss",
    "parse_aliases",
    "parse_groups",
    "parse_profiles",
]

_BASE = "BASE"


@attrs.frozen
class AccountValue:
    """One line of an account's values.

    Attributes:
        account: The account's code.
        tag: The official name, such as ``NetLiquidation`` or ``AvailableFunds``.
        value: As the broker wrote it; not every value is a number.
        currency: Of the value; ``BASE`` for a sum over all currencies, empty for what is no money.
    """

    account: str
    tag: str
    value: str
    currency: str = ""

    def __str__(self) -> str:
        """One line for people: ``DU1234567 NetLiquidation 1,000,000.00 USD``."""
        amount = self.amount
        is_money = amount is not None and self.currency
        value = money(amount) if amount is not None and is_money else self.value
        return said(f"{self.account} {self.tag} {value} {self.currency}")

    @property
    def amount(self) -> Decimal | None:
        """The value as a number; None where it is none."""
        try:
            number = Decimal(self.value)
        except InvalidOperation:
            return None
        return number if number.is_finite() else None


@attrs.frozen
class AccountValues:
    """All values that were told, of one account or of several.

    Attributes:
        lines: As they came.
    """

    lines: tuple[AccountValue, ...]

    def __str__(self) -> str:
        """A line for each value, for people."""
        return "\n".join(str(line) for line in self.lines) or "no values"

    def find(self, tag: str, *, account: str = "", currency: str = "") -> AccountValue | None:
        """Return the line of a tag; None where there is none.

        Args:
            tag: The official name.
            account: The account's code; where it is empty, the first one that has the tag.
            currency: The currency; where it is empty, the first line that is not ``BASE``, else that one.
        """
        fitting = [line for line in self.lines if line.tag == tag and account in ("", line.account)]
        if currency:
            fitting = [line for line in fitting if line.currency == currency]
        plain = [line for line in fitting if line.currency != _BASE]
        return next(iter((*plain, *fitting)), None)

    def amount(self, tag: str, *, account: str = "", currency: str = "") -> Decimal | None:
        """Return the number of a tag; None where there is none. See :meth:`find`."""
        found = self.find(tag, account=account, currency=currency)
        return None if found is None else found.amount


@attrs.frozen(kw_only=True)
class ProfitAndLoss:
    """An account's profit and loss, or that of one position. None means that the broker did not say.

    Attributes:
        account: The account's code.
        con_id: The contract of the position; 0 for the whole account.
        position: How much of it is held; None for the whole account.
        daily: Since the last close.
        unrealized: Of what is held.
        realized: Of what was closed today.
        value: What the position is worth; None for the whole account.
    """

    account: str
    con_id: int = 0
    position: Decimal | None = None
    daily: Decimal | None = None
    unrealized: Decimal | None = None
    realized: Decimal | None = None
    value: Decimal | None = None

    def __str__(self) -> str:
        """One line for people: ``DU1234567: daily 12.50, unrealized 10.00, realized 2.50``."""
        of = f" #{self.con_id}" if self.con_id else ""
        held = f" {plain(self.position)}" if self.position is not None else ""
        told = (
            f"{name} {money(amount)}"
            for name, amount in (
                ("daily", self.daily),
                ("unrealized", self.unrealized),
                ("realized", self.realized),
                ("value", self.value),
            )
            if amount is not None
        )
        return f"{self.account}{of}{held}: {', '.join(told) or 'nothing told'}"

    @property
    def is_known(self) -> bool:
        """Whether any amount was told."""
        return any(one is not None for one in (self.daily, self.unrealized, self.realized, self.value))


@attrs.frozen
class FamilyCode:
    """Which family of accounts one belongs to; ``*`` and an empty code where there is no family."""

    account: str
    code: str


# ── advisors ────────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class GroupMember:
    """One account of an advisor's group or profile.

    Attributes:
        account: Its code.
        amount: Its share, where the method wants one: a ratio, a percentage or a number of units.
    """

    account: str
    amount: Decimal | None = None


@attrs.frozen
class AdvisorGroup:
    """A group of an advisor's accounts, or (at old gateways) an allocation profile.

    Attributes:
        name: What an order says in ``faGroup``.
        method: How an order is split, as the broker writes it; of a profile its type's number.
        members: The accounts.
    """

    name: str
    method: str
    members: tuple[GroupMember, ...]

    @property
    def accounts(self) -> tuple[str, ...]:
        """The codes of its accounts."""
        return tuple(member.account for member in self.members)


@attrs.frozen
class AccountAlias:
    """A name that people gave to an account."""

    account: str
    alias: str


def parse_groups(text: str) -> tuple[AdvisorGroup, ...]:
    """Read the groups that ``receiveFA`` brings.

    Raises:
        InvalidInput: It is no such text.
    """
    return tuple(
        AdvisorGroup(
            _text(group, "name"), _text(group, "defaultMethod"), _members(group, "Account", "String")
        )
        for group in _root(text).iter("Group")
    )


def parse_profiles(text: str) -> tuple[AdvisorGroup, ...]:
    """Read the allocation profiles that ``receiveFA`` brings (server versions before 177).

    Raises:
        InvalidInput: It is no such text.
    """
    return tuple(
        AdvisorGroup(_text(profile, "name"), _text(profile, "type"), _members(profile, "Allocation"))
        for profile in _root(text).iter("AllocationProfile")
    )


def parse_aliases(text: str) -> tuple[AccountAlias, ...]:
    """Read the aliases that ``receiveFA`` brings.

    Raises:
        InvalidInput: It is no such text.
    """
    return tuple(
        AccountAlias(_text(alias, "account"), _text(alias, "alias"))
        for alias in _root(text).iter("AccountAlias")
    )


def _root(text: str) -> ET.Element:
    if "<!" in text.replace("<!--", ""):
        # No text of this sort declares anything; entities could grow without bound.
        raise InvalidInput("xml", "holds a declaration, which no list of groups or aliases has")
    try:
        return ET.fromstring(text)  # noqa: S314 - nothing is declared in it, see above
    except ET.ParseError as error:
        raise InvalidInput("xml", f"cannot be read: {error}") from error


def _text(element: ET.Element, name: str) -> str:
    return (element.findtext(name) or "").strip()


def _members(element: ET.Element, *names: str) -> tuple[GroupMember, ...]:
    members = []
    for name in names:
        for one in element.iter(name):
            account = _text(one, "acct") or (one.text or "").strip()
            if account:
                members.append(GroupMember(account, _amount(_text(one, "amount"))))
    return tuple(members)


def _amount(text: str) -> Decimal | None:
    return AccountValue("", "", text).amount
