"""Strategies: what the builders make, and what they refuse."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidContract, InvalidInput, InvalidStrategy, UnknownField
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Action
from ibkr_core.model.strategy import Strategy, StrategyLeg, expiry_date

D = Decimal
STOCK = Contract.stock("AAPL")
DAY, LATER = "20261218", "20270115"
STRIKES = st.decimals(min_value="0.5", max_value=10_000, places=2)
DAYS = st.dates(date(2026, 1, 1), date(2040, 12, 31))
SIDES = st.sampled_from(["BUY", "SELL"])


def told(strategy: Strategy) -> list[tuple[str, int, str, str, Decimal | None]]:
    """Each leg in short: side, ratio, expiry, right, strike."""
    return [
        (leg.side.value, leg.ratio, leg.contract.expiry, leg.contract.right, leg.contract.strike)
        for leg in strategy.legs
    ]


# ── builders ────────────────────────────────────────────────────────────────────────────────────────


@given(long=STRIKES, short=STRIKES, right=st.sampled_from("CP"), quantity=st.integers(1, 500), day=DAYS)
def test_a_vertical(long: Decimal, short: Decimal, right: str, quantity: int, day: date) -> None:
    """Two strikes of one expiry and right, one held and one owed; equal strikes are no spread."""
    wish = {"long_strike": long, "short_strike": short, "quantity": quantity}
    if long == short:
        with pytest.raises(InvalidStrategy, match="short_strike: must differ"):
            Strategy.vertical("SPY", day, right, **wish)
        return
    strategy = Strategy.vertical("SPY", day, right, **wish)
    text = f"{day:%Y%m%d}"
    assert told(strategy) == [("BUY", 1, text, right, long), ("SELL", 1, text, right, short)]
    assert [strategy.quantity_of(leg) for leg in strategy.legs] == [quantity, quantity]
    assert strategy.expiries == (day,)
    assert strategy.is_options_only


@given(strikes=st.tuples(STRIKES, STRIKES, STRIKES, STRIKES))
def test_an_iron_condor(strikes: tuple[Decimal, Decimal, Decimal, Decimal]) -> None:
    """Four strikes that rise; any other order is refused with the name of the first that is wrong."""
    names = ("long_put", "short_put", "short_call", "long_call")
    wish: dict[str, Any] = dict(zip(names, strikes, strict=True))
    wrong = [names[i] for i in (1, 2, 3) if strikes[i] <= strikes[i - 1]]
    if wrong:
        with pytest.raises(InvalidStrategy) as caught:
            Strategy.iron_condor("SPY", DAY, **wish)
        assert caught.value.argument == wrong[0]
        return
    assert told(Strategy.iron_condor("SPY", DAY, **wish)) == [
        ("BUY", 1, DAY, "P", strikes[0]),
        ("SELL", 1, DAY, "P", strikes[1]),
        ("SELL", 1, DAY, "C", strikes[2]),
        ("BUY", 1, DAY, "C", strikes[3]),
    ]


@given(put=STRIKES, call=STRIKES, side=SIDES)
def test_straddles_and_strangles(put: Decimal, call: Decimal, side: str) -> None:
    """A put and a call on one side; those of a strangle lie apart, the put below."""
    assert told(Strategy.straddle("SPY", DAY, put, side=side)) == [
        (side, 1, DAY, "P", put),
        (side, 1, DAY, "C", put),
    ]
    if call <= put:
        with pytest.raises(InvalidStrategy, match="call_strike: must be above the put strike"):
            Strategy.strangle("SPY", DAY, put_strike=put, call_strike=call, side=side)
        return
    assert told(Strategy.strangle("SPY", DAY, put_strike=put, call_strike=call, side=side)) == [
        (side, 1, DAY, "P", put),
        (side, 1, DAY, "C", call),
    ]


@given(near=DAYS, far=DAYS, side=SIDES)
def test_a_calendar(near: date, far: date, side: str) -> None:
    """One strike at two expiries; bought, it holds the far one and owes the near one."""
    if far <= near:
        with pytest.raises(InvalidStrategy, match="far_expiry: must be after"):
            Strategy.calendar("SPY", near, far, 600, "C", side=side)
        return
    strategy = Strategy.calendar("SPY", near, far, 600, "CALL", side=side)
    other = Action(side).opposite.value
    assert told(strategy) == [
        (other, 1, f"{near:%Y%m%d}", "C", D(600)),
        (side, 1, f"{far:%Y%m%d}", "C", D(600)),
    ]
    assert strategy.expiries == (near, far)


@given(multiplier=st.sampled_from(["100", "10", "1000"]), quantity=st.integers(1, 50))
def test_a_covered_call(multiplier: str, quantity: int) -> None:
    """As many shares as the call's multiplier says, on the call's exchange and in its currency."""
    strategy = Strategy.covered_call("RY", DAY, 150, quantity=quantity, multiplier=multiplier, currency="CAD")
    share, call = strategy.legs
    assert (share.contract.sec_type, share.contract.currency, share.side) == ("STK", "CAD", Action.BUY)
    assert (share.ratio, call.ratio, call.side) == (int(multiplier), 1, Action.SELL)
    assert strategy.quantity_of(share) == quantity * int(multiplier)
    assert not strategy.is_options_only


def test_a_single_leg_and_fields_of_the_contract() -> None:
    """Fields go to every option; a strategy says in words what it is."""
    fields = {"trading_class": "SPXW", "exchange": "CBOE"}
    strategy = Strategy.vertical(
        "SPX", DAY, "p", long_strike="5900", short_strike=6000.0, quantity=2, **fields
    )
    for leg in strategy.legs:
        assert {name: getattr(leg.contract, name) for name in fields} == fields
    assert str(strategy) == "2 x vertical: BUY 1 SPX 20261218 P 5900, SELL 1 SPX 20261218 P 6000"
    assert str(Strategy.single(STOCK, "sell", "2.5")) == "2.5 x single: SELL 1 AAPL"


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────


def build(method: str, *arguments: Any, **wish: Any) -> Callable[[], Strategy]:
    """Have a builder called later."""
    return lambda: getattr(Strategy, method)(*arguments, **wish)


LEG = StrategyLeg(STOCK)
PRICES = {"long_strike": 600, "short_strike": 610}
BAG = Contract.combo("SPY", [ComboLeg(1), ComboLeg(2)])
BAD = [
    (lambda: Strategy(()), InvalidStrategy, "legs: must be one StrategyLeg or more"),
    (lambda: Strategy([STOCK]), InvalidStrategy, "legs: must be one StrategyLeg or more"),
    (lambda: Strategy(7), InvalidStrategy, "legs: must be one StrategyLeg or more"),
    (lambda: Strategy([LEG], 0), InvalidStrategy, "quantity: must be above zero"),
    (lambda: Strategy([LEG], -1), InvalidStrategy, "quantity: must be above zero"),
    (lambda: Strategy([LEG], "nan"), InvalidStrategy, "quantity: must be a finite number"),
    (lambda: Strategy([LEG], True), InvalidStrategy, "quantity: must be a number"),
    (lambda: Strategy([LEG], 1, ""), InvalidStrategy, "name: must be a text"),
    (lambda: Strategy([LEG, StrategyLeg(STOCK, 2, "SELL")]), InvalidStrategy, "legs: name AAPL twice"),
    (lambda: StrategyLeg("AAPL"), InvalidStrategy, "contract: must be an ibkr_core Contract"),
    (lambda: StrategyLeg(STOCK, 0), InvalidStrategy, "ratio: must be a whole number"),
    (lambda: StrategyLeg(STOCK, 1.5), InvalidStrategy, "ratio: must be a whole number"),
    (lambda: StrategyLeg(STOCK, True), InvalidStrategy, "ratio: must be a whole number"),
    (lambda: StrategyLeg(STOCK, 1, "LONG"), InvalidStrategy, "side: must be BUY"),
    (lambda: StrategyLeg(STOCK, 1, "SSHORT"), InvalidStrategy, "side: must be BUY"),
    (lambda: StrategyLeg(STOCK, 1, None), InvalidStrategy, "side: must be BUY"),
    (lambda: StrategyLeg(BAG), InvalidStrategy, "contract: is a combination"),
    (lambda: StrategyLeg(Contract.index("SPX", "CBOE")), InvalidStrategy, "contract: is an index"),
    (lambda: StrategyLeg(Contract()), InvalidContract, "symbol"),
    (build("vertical", "SPY", DAY, "X", **PRICES), InvalidContract, "right: must be C or P"),
    (build("vertical", "SPY", "202612", "C", **PRICES), InvalidStrategy, "expiry: must be a date as"),
    (build("vertical", "SPY", "20261232", "C", **PRICES), InvalidStrategy, "expiry: '20261232' is no date"),
    (build("vertical", "SPY", 20261218, "C", **PRICES), InvalidStrategy, "expiry: must be a date"),
    (build("vertical", "", DAY, "C", **PRICES), InvalidContract, "symbol"),
    (build("vertical", "SPY", DAY, "C", strikes=1, **PRICES), UnknownField, "strikes"),
    (build("vertical", "SPY", DAY, "C", **PRICES, quantity="1.5"), InvalidStrategy, "quantity: makes 1.5"),
    (build("straddle", "SPY", DAY, 0), InvalidStrategy, "strike: must be above zero"),
    (build("straddle", "SPY", DAY, "inf"), InvalidStrategy, "strike: must be a finite number"),
    (build("straddle", "SPY", DAY, 600, side="HOLD"), InvalidStrategy, "side: must be BUY"),
    (build("covered_call", "SPY", DAY, 600, multiplier="0.5"), InvalidStrategy, "multiplier: must be"),
]  # fmt: skip


@pytest.mark.parametrize(("make", "error", "text"), BAD, ids=[str(i) for i in range(len(BAD))])
def test_what_cannot_be_held_is_refused(
    make: Callable[[], object], error: type[InvalidInput], text: str
) -> None:
    """A typed error that names the argument and the rule."""
    with pytest.raises(error, match=text):
        make()


def test_the_same_instrument_is_known_by_its_id_or_by_its_name() -> None:
    """Two strikes are two instruments; one id under two names is one."""
    call = Contract.option("SPY", DAY, 600, "C")
    with pytest.raises(InvalidStrategy, match="twice"):
        Strategy([StrategyLeg(call), StrategyLeg(call.replace(right="CALL", exchange="CBOE"))])
    with pytest.raises(InvalidStrategy, match="twice"):
        Strategy([StrategyLeg(Contract.by_con_id(5)), StrategyLeg(call.replace(con_id=5))])
    assert len(Strategy([StrategyLeg(call), StrategyLeg(call.replace(strike=D(605)))]).legs) == 2


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("20261218", date(2026, 12, 18)),
        ("20261218 08:30:00", date(2026, 12, 18)),
        ("202612", None),
        ("", None),
        ("20261301", None),
        ("2026-12-1", None),
    ],
)
def test_the_expiry_of_a_contract(text: str, day: date | None) -> None:
    """A month alone is no day, and neither is what no calendar has."""
    assert expiry_date(Contract(symbol="SPY", expiry=text)) == day
    leg = StrategyLeg(Contract(symbol="SPY", sec_type="STK", exchange="SMART"))
    assert (leg.expiry, leg.is_option) == (None, False)
