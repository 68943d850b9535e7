"""A second set of books, kept by hand from what one client is told; it shares no code with the gateway's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from fractions import Fraction
from typing import Any

import attrs

from ibkr_core.gateway import MemoryGateway
from ibkr_core.wire.message import Message

_NEAR = Fraction(1, 10**6)


def exact(number: object) -> Fraction:
    """A number as text says it."""
    return Fraction(str(number))


@attrs.define
class Holding:
    """One contract: units, what is open at average price, and its commissions."""

    units: Fraction = Fraction(0)
    cost: Fraction = Fraction(0)
    fees: Fraction = Fraction(0)
    gained: Fraction = Fraction(0)
    gross: Fraction = Fraction(0)

    def trade(self, units: Fraction, value: Fraction, fee: Fraction) -> Fraction | None:
        """Book signed units for a signed value; what was realised, or None for a trade that only opens."""
        if self.units * units >= 0:
            self.units, self.cost, self.fees = self.units + units, self.cost + value, self.fees + fee
            return None
        closing = min(abs(units), abs(self.units)) / abs(units)
        leaving = min(abs(units), abs(self.units)) / abs(self.units)
        gross = -value * closing - self.cost * leaving
        net = gross - self.fees * leaving - fee * closing
        self.units += units
        self.cost += value * (1 - closing) - self.cost * leaving
        self.fees += fee * (1 - closing) - self.fees * leaving
        self.gained, self.gross = self.gained + net, self.gross + gross
        return net


@attrs.define
class Ledger:
    """Cash by currency and holdings by contract id, from ``execDetails`` and ``commissionReport``."""

    cash: dict[str, Fraction] = attrs.field(factory=lambda: defaultdict(Fraction))
    held: dict[int, Holding] = attrs.field(factory=lambda: defaultdict(Holding))
    contracts: dict[int, dict[str, Any]] = attrs.field(factory=dict)
    realized: dict[str, Fraction | None] = attrs.field(factory=dict)

    def read(self, told: Iterable[Message]) -> Ledger:
        """Book everything in a conversation, in the order in which it was executed."""
        told = list(told)
        fees = {
            one.fields["execId"]: exact(one.fields["commissionAndFees"])
            for one in told
            if one.kind == "commissionReport"
        }
        seen = set()
        for one in told:
            if one.kind != "execDetails" or one.fields["execution"]["execId"] in seen:
                continue
            seen.add(one.fields["execution"]["execId"])
            self._book(one.fields["contract"], one.fields["execution"], fees)
        return self

    def _book(self, contract: dict[str, Any], execution: dict[str, Any], fees: dict[str, Fraction]) -> None:
        fee = fees[execution["execId"]]
        if contract["secType"] == "BAG":  # its legs are told one by one
            assert fee == 0
            return
        self.contracts[contract["conId"]] = contract
        units = exact(execution["shares"]) * (1 if execution["side"] == "BOT" else -1)
        multiplier = 10 if contract["secType"] == "BOND" else exact(contract.get("multiplier") or 1)
        value = units * exact(execution["price"]) * multiplier
        holding = self.held[contract["conId"]]
        before = holding.gross
        self.realized[execution["execId"]] = holding.trade(units, value, fee)
        paid = -(holding.gross - before) if contract["secType"] == "FUT" else value
        self.cash[contract["currency"]] -= paid + fee
        if contract["secType"] == "CASH":
            self.cash[contract["symbol"]] += units


def check_books(venue: MemoryGateway, told: Iterable[Message], *, opening: int = 1_000_000) -> Ledger:
    """Hold the gateway's books against what its one client was told, to the last digit.

    Where an average was divided, a part in a million is let pass, for the gateway rounds it to ten decimals.
    """
    ledger = Ledger().read(told)
    ledger.cash["USD"] += opening
    books = venue.books()
    (account,) = books.cash
    for currency in books.cash[account].keys() | ledger.cash.keys():
        difference = Fraction(books.cash[account].get(currency, 0)) - ledger.cash[currency]
        assert abs(difference) < _NEAR, (currency, float(difference))
    held = {one.instrument.con_id: one for one in books.positions[account]}
    for con_id, holding in ledger.held.items():
        booked = held.get(con_id)
        assert Fraction(booked.quantity if booked else 0) == holding.units, con_id
        if booked is not None:
            assert abs(Fraction(booked.cost) - holding.cost) < _NEAR
            assert abs(Fraction(booked.fees) - holding.fees) < _NEAR
    assert held.keys() <= ledger.held.keys()
    return ledger
