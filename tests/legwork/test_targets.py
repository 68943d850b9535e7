"""Where a roll goes: the expiry by its days, the strike by its delta."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import attrs
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ibkr_core.errors import IbkrError, InquiryFailed, InvalidInput
from ibkr_core.legwork.holding import Lot
from ibkr_core.legwork.targets import StrikeRule, Targets, nearest_expiry, nearest_strike, strike_of_delta
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Action
from ibkr_core.model.reference import ContractDetails, OptionChain, Quote

D = Decimal
TODAY = date(2026, 11, 24)
DAYS = st.integers(-400, 800).map(lambda days: TODAY + timedelta(days=days))
STRIKES = st.lists(st.integers(1, 400).map(D), min_size=1, max_size=40, unique=True).map(sorted)


@given(expiries=st.lists(DAYS, max_size=30), wanted=DAYS)
def test_the_nearest_expiry(expiries: list[date], wanted: date) -> None:
    """None of the past, none nearer, and of two that are equally near the later."""
    found = nearest_expiry(expiries, wanted, TODAY)
    coming = [day for day in expiries if day >= TODAY]
    if found is None:
        assert coming == []
        return
    assert found in coming
    distance = abs((found - wanted).days)
    assert all(abs((day - wanted).days) >= distance for day in coming)
    assert all(day <= found for day in coming if abs((day - wanted).days) == distance)


@given(strikes=STRIKES, wanted=st.decimals(0, 500, places=2))
def test_the_nearest_strike(strikes: list[Decimal], wanted: Decimal) -> None:
    """None nearer, and of two that are equally near the lower."""
    found = nearest_strike(strikes, wanted)
    assert found is not None
    assert all(abs(strike - wanted) >= abs(found - wanted) for strike in strikes)
    assert all(strike >= found for strike in strikes if abs(strike - wanted) == abs(found - wanted))
    assert nearest_strike([], wanted) is None


@given(data=st.data(), strikes=STRIKES, is_put=st.booleans(), wanted=st.integers(0, 100))
def test_the_strike_of_a_delta(
    data: st.DataObject, strikes: list[Decimal], is_put: bool, wanted: int
) -> None:
    """As good as looking at every strike, with about as many questions as there are halvings."""
    falling = sorted(
        data.draw(st.lists(st.integers(0, 100), min_size=len(strikes), max_size=len(strikes))), reverse=True
    )
    shift = 100 if is_put else 0
    deltas = {strike: D(delta - shift) / 100 for strike, delta in zip(strikes, falling, strict=True)}
    target = D(wanted - shift) / 100
    start = data.draw(st.sampled_from(strikes))
    asked: list[Decimal] = []

    def delta_of(strike: Decimal) -> Decimal:
        asked.append(strike)
        return deltas[strike]

    found = strike_of_delta(strikes, delta_of, target, start)
    assert found is not None
    assert abs(deltas[found] - target) == min(abs(delta - target) for delta in deltas.values())
    assert len(asked) == len(set(asked)) <= len(strikes).bit_length() + 3


@given(strikes=STRIKES, low=st.integers(0, 400), high=st.integers(0, 400), wanted=st.integers(1, 99))
def test_strikes_without_a_delta_lie_too_far_out(
    strikes: list[Decimal], low: int, high: int, wanted: int
) -> None:
    """Only strikes between two limits have one, as at a real broker: the best of those is found."""
    known = {strike: (400 - strike) / 400 for strike in strikes if low <= strike <= high}
    assume(known)
    start = min(known)
    target = D(wanted) / 100
    found = strike_of_delta(strikes, known.get, target, start)
    assert found in known
    assert abs(known[found] - target) == min(abs(delta - target) for delta in known.values())


@pytest.mark.parametrize("strikes", [[], [D(300)], [D(290), D(300), D(310)]])
def test_where_no_delta_is_told_there_is_no_answer(strikes: list[Decimal]) -> None:
    """Never a guess."""
    assert strike_of_delta(strikes, lambda _: None, D("0.3"), D(300)) is None


def test_of_two_equally_good_strikes_the_nearer_to_the_old_one_is_taken() -> None:
    """And of two that are equally near, the lower."""
    deltas = {D(290): D("0.6"), D(300): D("0.5"), D(310): D("0.4"), D(320): D("0.3")}
    assert strike_of_delta(sorted(deltas), deltas.get, D("0.45"), D(320)) == 310
    assert strike_of_delta(sorted(deltas), deltas.get, D("0.45"), D(290)) == 300
    assert strike_of_delta(sorted(deltas), deltas.get, D("0.45"), D(305)) == 300


# ── what the broker does not tell ───────────────────────────────────────────────────────────────────


class Library:
    """A broker that answers what a test gives it."""

    def __init__(self, listed: Sequence[ContractDetails], **told: Any) -> None:
        self.listed = listed
        self.told = told

    def details(self, contract: Contract) -> ContractDetails:
        return self.told.get("own") or next(one for one in self.listed if one.contract == contract)

    def contract_details(self, contract: Contract) -> tuple[ContractDetails, ...]:
        return tuple(one for one in self.listed if one.contract.expiry.startswith(contract.expiry))

    def option_chain(self, contract: Contract) -> tuple[OptionChain, ...]:
        days = tuple(one.expires_on for one in self.listed if one.expires_on is not None)
        multiplier = self.told.get("multiplier", "100.0")
        return (OptionChain("SMART", contract.con_id, "AAPL", multiplier, days, ()),)

    def qualify(self, contract: Contract) -> Contract:
        return contract

    def quote(self, contract: Contract) -> Quote:
        moment = datetime(2026, 11, 24, 15, tzinfo=UTC)
        return Quote(contract=contract, at=moment, **self.told.get("quote", {}))


def option(con_id: int, day: date, strike: int = 300, zone: str = "US/Eastern") -> ContractDetails:
    """An AAPL call."""
    contract = Contract.option("AAPL", f"{day:%Y%m%d}", strike, "C", con_id=con_id, trading_class="AAPL")
    return ContractDetails(
        contract=contract,
        underlying_con_id=265598,
        underlying_symbol="AAPL",
        underlying_sec_type="STK",
        time_zone=zone,
        expires_on=day,
    )


NEAR, FAR = date(2026, 12, 18), date(2027, 1, 15)


def find(library: Library, rule: StrikeRule = StrikeRule.SAME, *, price: int | None = None) -> Lot:
    """Find where the first of the listed contracts rolls to."""
    clock = SimpleNamespace(now=lambda: datetime(2026, 11, 24, 15, tzinfo=UTC))
    engine = SimpleNamespace(
        scheduler=SimpleNamespace(clock=clock), settings=SimpleNamespace(broker_zone="America/New_York")
    )
    hands: Any = SimpleNamespace(library=library, engine=engine)
    old = Lot(library.listed[0].contract, 1, Action.BUY)
    targets = Targets(hands, rule, None if price is None else D(price))
    return targets.find([old], (FAR - TODAY).days)[0]


@pytest.mark.parametrize("zone", ["US/Eastern", "Nowhere/At all", ""])
def test_an_exchange_in_an_unknown_zone_has_the_brokers_day(zone: str) -> None:
    """Better than the day of Greenwich; and any spelling of a multiplier is the same number."""
    assert find(Library([option(1, NEAR, zone=zone), option(2, FAR)])).con_id == 2
    assert find(Library([option(1, NEAR), option(2, FAR)], multiplier="")).con_id == 2


OTHER = [option(1, NEAR), option(2, FAR, 310)]


@pytest.mark.parametrize(
    ("library", "rule", "price", "error", "text"),
    [
        (Library([option(1, NEAR), option(2, FAR)]), StrikeRule.DELTA, None, InquiryFailed, "delta of"),
        (Library([option(1, NEAR), option(2, FAR)]), StrikeRule.MONEYNESS, 290, InquiryFailed, "beneath"),
        (Library([option(1, NEAR)]), StrikeRule.SAME, None, InvalidInput, "is the one that is held"),
        (
            Library([option(1, NEAR), option(2, FAR)], multiplier="ten"),
            StrikeRule.SAME,
            None,
            InvalidInput,
            "lists no expiry",
        ),
        (
            Library([option(1, NEAR)], own=attrs.evolve(option(1, NEAR), expires_on=None)),
            StrikeRule.SAME,
            None,
            InvalidInput,
            "has no expiry to be rolled",
        ),
        (Library(OTHER), StrikeRule.SAME, None, InvalidInput, "300 is not listed"),
    ],
    ids=["no delta", "no price", "no later expiry", "another multiplier", "no expiry", "no such strike"],
)
def test_what_is_not_told_is_not_guessed(
    library: Library, rule: StrikeRule, price: int | None, error: type[IbkrError], text: str
) -> None:
    """A typed error that says what is missing."""
    with pytest.raises(error, match=text):
        find(library, rule, price=price)
