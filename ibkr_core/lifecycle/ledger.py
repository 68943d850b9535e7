"""The executions of one order: the truth about its fills.

Executions are keyed by their id *without* the revision, so repetition and order do not matter and a
correction replaces what it corrects (TWS facts 3, 9.2). Invariants, which property tests hold:

* the same set of reports gives the same fills, averages and commissions, in whatever order and however
  often each one came;
* the filled quantity never falls but by a correction.
"""

from __future__ import annotations

import enum
import re
from collections.abc import KeysView, Mapping
from decimal import Context, Decimal
from types import MappingProxyType
from typing import Final, Self

import attrs

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.parts import LedgerParts
from ibkr_core.model.facts import CommissionFact, ExecutionFact
from ibkr_core.model.fill import Fill, Told, parse_execution_time, told_fill
from ibkr_core.model.making import making
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action

__all__ = ["Booking", "Ledger", "fill_from"]

_ZERO: Final = Decimal(0)
_add: Final = EXACT.add
_told_fill: Final = told_fill
_AVERAGE = Context(prec=28, traps=[])
"""For quotients, which have no end. Not the host's context, for the reasons given at EXACT."""

_ADVISOR = re.compile(r"D?[FI]A?[0-9]+")
"""Accounts of advisors and introducing brokers, live and paper: no source but other clients' rules (TWS facts
3). A client's own account begins with U or DU."""


_SIDES = {"BOT": Action.BUY, "BUY": Action.BUY, "SLD": Action.SELL, "SELL": Action.SELL}


def fill_from(fact: ExecutionFact, execution_id: ExecutionId) -> Fill:
    """Make the fill that an execution report describes."""
    contract = fact.contract
    fill = making(Fill)(
        fact.exec_id,
        fact.shares,
        fact.price,
        _SIDES.get(fact.side) or _SIDES.get(fact.side.upper()),
        execution_id.revision,
        parse_execution_time(fact.time) if fact.time else None,
        fact.time,
        fact.exchange,
        fact.account,
        fact.liquidity,
        fact.cum_quantity,
        symbol=contract.name if contract is not None else "",
        con_id=contract.con_id if contract is not None else 0,
        price_may_change=fact.pending_price_revision,
        contract=contract,
    )
    fill.__class__ = Fill
    return fill


def _completed(report: CommissionFact, before: CommissionFact) -> CommissionFact:
    """Fill in from an earlier report of the same execution what this one does not say."""
    if report.commission is None:
        report = attrs.evolve(report, commission=before.commission, currency=before.currency)
    if report.realized_pnl is None:
        report = attrs.evolve(report, realized_pnl=before.realized_pnl)
    return report


def _paid(fill: Fill) -> tuple[Decimal | None, str, Decimal | None]:
    return fill.commission, fill.commission_currency, fill.realized_pnl


class _Entry:
    """One execution: its newest revision, its kind, the largest quantity that any revision had, its place."""

    __slots__ = ("fill", "is_advisors", "is_bag", "peak", "place", "unpaid")
    fill: Fill
    is_bag: bool
    is_advisors: bool
    peak: Decimal
    place: int
    """Where in its list the fill stands."""
    unpaid: Told | None
    """What it was told, while that is all and it is plain; see :meth:`Ledger.add_plain`."""


class Booking(enum.Enum):
    """What booking an execution report did."""

    NEW = "new"
    CORRECTED = "corrected"
    KNOWN = "known"


class Ledger:
    """All executions and commission reports of one order.

    Totals are kept up to date as executions come, so that an order of thousands of fills costs hardly
    more per fill than one of two. What is rare (a correction, a revised commission) sums up afresh.
    """

    __slots__ = (
        "_allocation_fills",
        "_charged",
        "_commissions",
        "_entries",
        "_fills",
        "_gone",
        "_has_advisors",
        "_has_clients",
        "_is_combo",
        "_is_group",
        "_leg_fills",
        "_value",
        "_valued",
        "is_plain",
        "quantity",
        "recounts",
    )

    def __init__(self) -> None:
        self._entries: dict[str, _Entry] = {}
        self._commissions: dict[str, dict[int, CommissionFact]] = {}
        # None while the order itself was never shown: then the executions tell.
        self._is_combo: bool | None = None
        self._is_group = False
        self._has_advisors = self._has_clients = False
        self.recounts = 0
        """How often fills were looked at anew, so that others than the one that came may be different."""
        self.is_plain = False
        """Whether all is of the usual kind: no combo, no group, no advisor, and nothing corrected away."""
        self._clear_totals()

    def _clear_totals(self) -> None:
        self.quantity = _ZERO
        """Sum of the executions that count towards the order; to look at only."""
        self._value = self._gone = _ZERO
        self._valued = 0
        self._charged: dict[str, Decimal] = {}
        self._fills: list[Fill] = []
        self._leg_fills: list[Fill] = []
        self._allocation_fills: list[Fill] = []

    # ── reports in ──────────────────────────────────────────────────────────────────────────────

    def set_contract(self, sec_type: str) -> None:
        """Tell what the order trades: a combo counts only the executions of the combo itself."""
        is_combo = sec_type == "BAG"
        if sec_type and is_combo != self._is_combo:
            self._is_combo = is_combo
            if self._entries:  # a new order has none, and nothing to look at anew
                self._recount()
            self._see_whether_plain()

    def set_group(self) -> None:
        """Tell that an advisor's order is for a group of accounts: its own executions move no position."""
        if not self._is_group:
            self._is_group = True
            self.is_plain = False
            if self._has_advisors:
                self._recount()

    def book(
        self, fact: ExecutionFact, execution_id: ExecutionId | None = None
    ) -> tuple[Booking, Fill, Fill | None]:
        """Book one execution report.

        Args:
            fact: The report.
            execution_id: Its id taken apart, where the caller has it.

        Returns:
            What happened, the fill as it stands now, and the fill that it replaced if it was corrected.
        """
        if execution_id is None:
            execution_id = ExecutionId.parse(fact.exec_id)
        base = execution_id.base
        is_bag = fact.contract is not None and fact.contract.sec_type == "BAG"
        fill = fill_from(fact, execution_id)
        entry = self._entries.get(base)
        if entry is None:
            entry = _Entry()
            entry.fill, entry.is_bag, entry.peak = fill, is_bag, fill.quantity
            entry.is_advisors = _ADVISOR.fullmatch(fill.account) is not None
            self._entries[base] = entry
            if self._tells_more(entry, execution_id):
                self._recount()
            else:
                self._settle(base, entry)
                self._add(entry)
            self._see_whether_plain()
            return Booking.NEW, entry.fill, None
        is_newer = execution_id.revision > entry.fill.revision
        if not is_newer and fill.quantity <= entry.peak:
            return Booking.KNOWN, entry.fill, None
        self._reports(base)  # what was paid for the execution stays, whatever revision of it stands here
        entry.peak = max(entry.peak, fill.quantity)
        previous = entry.fill
        if is_newer:
            entry.fill = fill
        self._recount()
        self._see_whether_plain()
        return (Booking.CORRECTED, entry.fill, previous) if is_newer else (Booking.KNOWN, entry.fill, None)

    def report_commission(self, fact: CommissionFact, execution_id: ExecutionId | None = None) -> Fill | None:
        """Take a commission report for an execution of this order.

        Args:
            fact: The report.
            execution_id: The id of its execution taken apart, where the caller has it.

        Returns:
            The fill with its new commission, or None when the report changed nothing.
        """
        if execution_id is None:
            execution_id = ExecutionId.parse(fact.exec_id)
        reports = self._reports(execution_id.base)
        before = reports.get(execution_id.revision)
        if before is not None:
            fact = _completed(fact, before)
        reports[execution_id.revision] = fact
        entry = self._entries.get(execution_id.base)
        if entry is None or before == fact:
            return None
        previous = entry.fill
        self._settle(execution_id.base, entry)
        if _paid(entry.fill) == _paid(previous):
            return None
        self._list_of(entry)[entry.place] = entry.fill
        if previous.commission is None:
            self._charge(entry.fill)
        else:
            self._charged = {}
            for other in self._entries.values():
                self._charge(other.fill)
        return entry.fill

    # ── the same for what is plain ──────────────────────────────────────────────────────────────

    def add_plain(self, base: str, told: Told, quantity: Decimal) -> Fill:
        """Book an execution that is new: its first revision, with no commission yet, of a plain ledger.

        Args:
            base: Its id without the revision.
            told: The execution, of a client's account.
            quantity: What the executions come to with it.
        """
        fills = self._fills
        entry = _Entry()
        fill = entry.fill = _told_fill(told)
        entry.peak, entry.place, entry.unpaid = told[1], len(fills), told
        entry.is_bag = entry.is_advisors = False
        self._entries[base] = entry
        fills.append(fill)
        self.quantity = quantity
        self._has_clients = True
        return fill

    def unpaid(self, base: str) -> Told | None:
        """Return what :meth:`add_plain` took of an execution; None where anything else was said of it."""
        return self._entries[base].unpaid

    def pay_plain(
        self, base: str, told: Told, amount: Decimal, currency: str, realized_pnl: Decimal | None
    ) -> Fill:
        """Take the first commission of an execution that is :meth:`unpaid`.

        The report is not kept: the fill says the same; see :meth:`_reports`.

        Args:
            base: The id of the execution without the revision.
            told: What :meth:`unpaid` returned.
            amount: What it costs.
            currency: Of the amount.
            realized_pnl: As reported.

        Returns:
            The fill with it.
        """
        entry = self._entries[base]
        entry.fill = self._fills[entry.place] = fill = _told_fill(told, amount, currency, realized_pnl)
        entry.unpaid = None
        charged = self._charged
        charged[currency] = _add(charged.get(currency, _ZERO), amount)
        return fill

    # ── totals out ──────────────────────────────────────────────────────────────────────────────

    @property
    def fills(self) -> tuple[Fill, ...]:
        """Executions that count towards the order, in the order in which they became known."""
        return tuple(self._fills)

    @property
    def leg_fills(self) -> tuple[Fill, ...]:
        """Executions of a combo's legs."""
        return tuple(self._leg_fills)

    @property
    def allocation_fills(self) -> tuple[Fill, ...]:
        """The parts that a group order's executions were allocated in, account by account."""
        return tuple(self._allocation_fills)

    @property
    def all_fills(self) -> tuple[Fill, ...]:
        """Every execution, in its newest revision."""
        return (*self._fills, *self._leg_fills, *self._allocation_fills)

    @property
    def bases(self) -> KeysView[str]:
        """The ids of all executions, without their revision."""
        return self._entries.keys()

    def newest(self) -> list[tuple[str, Fill]]:
        """Return each execution in its newest revision, with its id without revision."""
        return [(base, entry.fill) for base, entry in self._entries.items()]

    @property
    def average_price(self) -> Decimal | None:
        """Quantity-weighted average price of those executions; None when there are none."""
        return _AVERAGE.divide(self.value, self.quantity) if self.quantity else None

    @property
    def value(self) -> Decimal:
        """Sum of quantity times price over those executions."""
        fills, valued = self._fills, self._valued
        if valued < len(fills):
            value = self._value
            for place in range(valued, len(fills)):  # what came since somebody asked
                value = EXACT.add(value, fills[place].value)
            self._value, self._valued = value, len(fills)
        return self._value

    @property
    def corrected_away(self) -> Decimal:
        """How much quantity corrections took away, against the largest that each execution ever had.

        A status that counted the execution before its correction is too high by this much.
        """
        return self._gone

    @property
    def totals(self) -> tuple[Decimal, Decimal, Decimal]:
        """Quantity and value of the executions that count, and what corrections took away."""
        return self.quantity, self.value, self._gone

    def commissions(self) -> Mapping[str, Decimal]:
        """Sum of the live commission reports by currency, legs of a combo included, allocations not."""
        return MappingProxyType(self._charged.copy())

    # ── packing ─────────────────────────────────────────────────────────────────────────────────

    @property
    def parts(self) -> LedgerParts:
        """All that it was told, from which everything else follows."""
        return LedgerParts(
            is_combo=self._is_combo,
            is_group=self._is_group,
            recounts=self.recounts,
            executions=[
                (base, one.fill, one.is_bag, one.is_advisors, one.peak) for base, one in self._entries.items()
            ],
            commissions=self._commissions,
            currencies=(*self._charged,) if len(self._charged) > 1 else (),
        )

    @classmethod
    def of_parts(cls, parts: LedgerParts) -> Self:
        """Return a ledger that was told the same.

        Of a fill only what the execution tells is looked at; its commission too, where no report is given.
        """
        ledger = cls()
        ledger._is_combo, ledger._is_group = parts.is_combo, parts.is_group
        ledger._commissions = parts.commissions
        for base, fill, is_bag, is_advisors, peak in parts.executions:
            entry = ledger._entries[base] = _Entry()
            entry.fill, entry.is_bag, entry.is_advisors, entry.peak = fill, is_bag, is_advisors, peak
            entry.unpaid = None
            ledger._has_advisors |= is_advisors
            ledger._has_clients |= not is_advisors
        for base, entry in ledger._entries.items():
            if entry.fill.commission is None or base in ledger._commissions:
                ledger._settle(base, entry)
            ledger._add(entry)  # as it is, where pay_plain() was told the commission
        if parts.currencies:
            ledger._charged = {one: ledger._charged[one] for one in parts.currencies}
        ledger.recounts = parts.recounts
        ledger._see_whether_plain()
        return ledger

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _see_whether_plain(self) -> None:
        is_usual = self._is_combo is False and not self._is_group and not self._has_advisors
        self.is_plain = is_usual and not self._gone

    def _tells_more(self, entry: _Entry, execution_id: ExecutionId) -> bool:
        """Learn of a new execution what kind of order this is; whether that changes what others are."""
        tells_more = False
        if self._is_combo is None and (entry.is_bag or execution_id.is_five_segments):
            self._is_combo = tells_more = True
        if entry.is_advisors and not self._has_advisors:
            self._has_advisors, tells_more = True, tells_more or self._has_clients
        elif not entry.is_advisors and not self._has_clients:
            self._has_clients, tells_more = True, tells_more or self._has_advisors
        return tells_more

    def _counts(self, entry: _Entry) -> bool:
        return not self._is_leg(entry) and not self._is_allocation(entry)

    def _is_leg(self, entry: _Entry) -> bool:
        return bool(self._is_combo) and not entry.is_bag

    def _is_allocation(self, entry: _Entry) -> bool:
        # The advisor's execution is told as a whole, and then again by the accounts' parts (TWS facts 3).
        return self._has_advisors and not entry.is_advisors

    def _settle(self, base: str, entry: _Entry) -> None:
        """Give an entry's fill its commission and its place (order, leg or allocation)."""
        entry.unpaid = None
        fill = entry.fill
        report = self._live_commission(base, fill.revision)
        is_leg, is_allocation = self._is_leg(entry), self._is_allocation(entry)
        is_allocated = entry.is_advisors and (self._is_group or self._has_clients)
        if report is not None:
            entry.fill = fill.placed(
                is_leg=is_leg,
                is_allocated=is_allocated,
                is_allocation=is_allocation,
                commission=report.commission,
                currency=report.currency,
                realized_pnl=report.realized_pnl,
            )
        elif (fill.is_leg, fill.is_allocated, fill.is_allocation) != (is_leg, is_allocated, is_allocation):
            entry.fill = fill.placed(
                is_leg=is_leg,
                is_allocated=is_allocated,
                is_allocation=is_allocation,
                commission=fill.commission,
                currency=fill.commission_currency,
                realized_pnl=fill.realized_pnl,
            )

    def _reports(self, base: str) -> dict[int, CommissionFact]:
        """Return the commission reports of an execution by revision; they may be added to."""
        reports = self._commissions.get(base)
        if reports is None:
            reports = self._commissions[base] = {}
            entry = self._entries.get(base)
            if entry is not None:
                entry.unpaid = None
            if entry is not None and entry.fill.commission is not None:  # taken by pay_plain()
                fill = entry.fill
                reports[fill.revision] = CommissionFact(
                    fill.exec_id, fill.commission, fill.commission_currency, fill.realized_pnl
                )
        return reports

    def _live_commission(self, base: str, revision: int) -> CommissionFact | None:
        entry = self._entries[base]
        reports = self._commissions.get(base)
        if reports is None and entry.fill.commission is not None:
            reports = self._reports(base)
        if not reports:
            return None
        # Whether a corrected execution gets a report of its own is not documented (TWS facts 3), so
        # the newest report up to the live revision holds, and never the sum of two.
        exact = reports.get(revision)
        if exact is not None:
            return exact
        usable = [r for r in reports if r <= revision]
        return reports[max(usable)] if usable else reports[min(reports)]

    def _list_of(self, entry: _Entry) -> list[Fill]:
        if self._is_allocation(entry):
            return self._allocation_fills
        return self._leg_fills if self._is_leg(entry) else self._fills

    def _add(self, entry: _Entry) -> None:
        """Add a settled execution to the lists and the totals."""
        fill, fills = entry.fill, self._list_of(entry)
        entry.place = len(fills)
        fills.append(fill)
        self._charge(fill)
        if self._counts(entry):
            self.quantity = EXACT.add(self.quantity, fill.quantity)
            if entry.peak != fill.quantity:
                self._gone = EXACT.add(self._gone, EXACT.subtract(entry.peak, fill.quantity))

    def _charge(self, fill: Fill) -> None:
        if fill.commission is not None and not fill.is_allocation:
            before = self._charged.get(fill.commission_currency, _ZERO)
            self._charged[fill.commission_currency] = EXACT.add(before, fill.commission)

    def _recount(self) -> None:
        """Start over: an execution was corrected, or what counts towards the order has changed."""
        self.recounts += 1
        self._clear_totals()
        for base, entry in self._entries.items():
            self._settle(base, entry)
            self._add(entry)
