"""Rows of trades: first in first out and average cost, against sums that are made from scratch."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.portfolio.runs import Run, State, Trade, average_after
from tests.portfolio.naive import Deal, Sums, by_average, by_lots

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
BOTH = pytest.mark.parametrize("is_fifo", [True, False], ids=["fifo", "average"])
D = Decimal


def trade(units: object, unit: object | None, fee: object | None = 0, at: int = 0, name: str = "") -> Trade:
    """One trade in dollars, so many seconds after noon."""
    return Trade(
        NOON + timedelta(seconds=at),
        name or f"e{at}",
        D(str(units)),
        None if unit is None else D(str(unit)),
        None if fee is None else D(str(fee)),
        "USD",
    )


def after(*trades: Trade, is_fifo: bool = True) -> State:
    return Run(is_fifo=is_fifo).state(trades)


def row(*pairs: tuple[object, object | None]) -> list[Trade]:
    """Trades without commission, a second apart."""
    return [trade(units, unit, at=at) for at, (units, unit) in enumerate(pairs)]


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────


def test_the_oldest_lot_is_closed_first() -> None:
    """100 at 10 and 100 at 12, then 150 sold at 13: 100 x 3 and 50 x 1 earned, 50 at 12 are left."""
    state = after(*row((100, 10), (100, 12), (-150, 13)))
    assert (state.quantity, state.gross, state.cost) == (50, 350, 600)


def test_the_average_is_left_by_a_sale() -> None:
    """The same by average cost: 150 x 2 earned, 50 at 11 are left."""
    state = after(*row((100, 10), (100, 12), (-150, 13)), is_fifo=False)
    assert (state.quantity, state.gross, state.cost) == (50, 300, 550)


@BOTH
def test_a_short_earns_when_the_price_falls(is_fifo: bool) -> None:
    """Sold at 20, bought back at 15: 5 a unit; and what is left is short at 20."""
    state = after(*row((-10, 20), (4, 15)), is_fifo=is_fifo)
    assert (state.quantity, state.gross, state.cost) == (-6, 20, -120)


@BOTH
def test_a_flip_closes_all_and_opens_the_rest(is_fifo: bool) -> None:
    """Long 10 at 5, 25 sold at 7: 20 earned, and short 15 at 7, commission by share."""
    state = after(trade(10, 5, fee=1), trade(-25, 7, fee="2.5", at=1), is_fifo=is_fifo)
    assert (state.quantity, state.gross, state.cost) == (-15, 20, -105)
    assert (state.closed_fees["USD"], state.fees["USD"]) == (2, D("1.5"))


@BOTH
def test_commissions_leave_with_what_is_closed(is_fifo: bool) -> None:
    """A third of a dollar's commission is no number of ten decimals; the rest stays where it was."""
    state = after(trade(3, 5, fee=1), trade(-1, 6, fee="0.5", at=1), is_fifo=is_fifo)
    assert state.closed_fees["USD"] == D("0.8333333333")
    assert state.fees["USD"] + state.closed_fees["USD"] == D("1.5")


@BOTH
def test_what_is_closed_wholly_leaves_nothing(is_fifo: bool) -> None:
    """Also where a commission, or a cost, has more digits than a share is rounded to."""
    fine = "0.1234567890123"
    state = after(trade(3, fine, fee=fine), trade(-3, 1, fee=fine, at=1), is_fifo=is_fifo)
    assert (state.cost, state.fees["USD"], state.closed_fees["USD"]) == (0, 0, 2 * D(fine))


@BOTH
def test_a_bust_leaves_its_commission(is_fifo: bool) -> None:
    """A quantity of zero holds nothing; what it still costs is spent."""
    state = after(trade(0, 5, fee="0.35"), is_fifo=is_fifo)
    assert (state.quantity, state.cost, state.closed_fees) == (0, 0, {"USD": D("0.35")})


def test_what_nobody_told_the_price_of_is_left_out() -> None:
    """5 of unknown cost, 5 at 10, 7 sold at 12: 2 x 2 are earned for certain, 5 nobody knows."""
    state = after(*row((5, None), (5, 10), (-7, 12)))
    assert (state.quantity, state.unknown, state.unpriced) == (3, 0, 5)
    assert (state.gross, state.cost) == (4, 30)


def test_an_average_of_what_is_partly_unknown_is_unknown() -> None:
    """The unknown part leaves in proportion, and with it all that could be told."""
    state = after(*row((5, None), (5, 10), (-4, 12)), is_fifo=False)
    assert (state.quantity, state.unknown, state.unpriced, state.gross) == (6, 3, 4, 0)
    flat = after(*row((5, None), (5, 10), (-10, 12), (2, 7)), is_fifo=False)
    assert (flat.quantity, flat.unknown, flat.cost) == (2, 0, 14)


@BOTH
def test_a_position_that_vanishes_earns_nothing_that_is_known(is_fifo: bool) -> None:
    """An expired option: what it cost is open no more, and no profit is made up."""
    state = after(trade(2, 250, fee=1), trade(-2, None, at=1), is_fifo=is_fifo)
    assert (state.quantity, state.cost, state.gross, state.unpriced) == (0, 0, 0, 2)
    assert state.closed_fees == {"USD": 1}


@BOTH
def test_commissions_of_several_currencies_stay_apart(is_fifo: bool) -> None:
    """A fee in another currency is neither added nor lost."""
    other = Trade(NOON, "a", D(4), D(10), D(8), "EUR")
    state = after(other, trade(4, 10, fee=4, at=1), trade(-2, 11, at=2), is_fifo=is_fifo)
    assert state.closed_fees["EUR"] + state.fees["EUR"] == 8
    assert state.closed_fees["EUR"] == (4 if is_fifo else 2)
    assert state.fees["USD"] == (4 if is_fifo else 3)


@BOTH
def test_the_hosts_decimal_context_changes_nothing(is_fifo: bool) -> None:
    """A program may set three digits for its own sums."""
    trades = [trade("12345.678", "0.98765", fee="1.23456"), trade("-5000.5", "1.23456", at=1)]
    expected = after(*trades, is_fifo=is_fifo)
    with localcontext() as context:
        context.prec = 3
        assert after(*trades, is_fifo=is_fifo) == expected


# ── properties ──────────────────────────────────────────────────────────────────────────────────

DEALS = st.lists(
    st.builds(
        lambda at, units, price, fee: (at, units, D(price) / 100, D(fee) / 100),
        st.integers(0, 20),
        st.integers(-30, 30),
        st.integers(-500, 10_000),
        st.integers(-100, 300),
    ),
    max_size=25,
)


def deals_of(made: list[tuple[int, int, Decimal, Decimal]]) -> list[Deal]:
    return [
        Deal(NOON + timedelta(seconds=at), f"e{n:03}", units, price, fee)
        for n, (at, units, price, fee) in enumerate(made)
    ]


def trades_of(deals: list[Deal]) -> list[Trade]:
    trades = [Trade(one.at, one.name, D(one.units), one.price, one.fee, "USD") for one in deals]
    return sorted(trades, key=lambda one: one.key)


def fee(fees: object) -> Decimal:
    return dict(fees).get("USD", D(0))  # type: ignore[call-overload, no-any-return]


@given(DEALS)
def test_first_in_first_out_is_what_a_child_makes_of_it(
    made: list[tuple[int, int, Decimal, Decimal]],
) -> None:
    """Unit by unit, in fractions: quantity, cost and profit agree to the last digit, fees to the rounding."""
    deals = deals_of(made)
    state, naive = after(*trades_of(deals)), by_lots(deals)
    assert (state.quantity, Fraction(state.cost), Fraction(state.gross)) == (
        naive.units,
        naive.cost,
        naive.gross,
    )
    check_fees(state, naive, deals)


@given(DEALS)
def test_average_cost_is_what_a_child_makes_of_it(made: list[tuple[int, int, Decimal, Decimal]]) -> None:
    """The average is a quotient, so cost and profit agree to its rounding; their sum is exact."""
    deals = deals_of(made)
    state, naive = after(*trades_of(deals), is_fifo=False), by_average(deals)
    assert state.quantity == naive.units
    assert abs(Fraction(state.cost) - naive.cost) < Fraction(1, 10**8)
    assert Fraction(state.gross) - Fraction(state.cost) == naive.gross - naive.cost
    check_fees(state, naive, deals)


def check_fees(state: State, naive: Sums, deals: list[Deal]) -> None:
    assert abs(Fraction(fee(state.fees)) - naive.open_fees) < Fraction(1, 10**8)
    assert fee(state.fees) + fee(state.closed_fees) == sum((one.fee for one in deals), D(0))


@BOTH
@given(made=DEALS, price=st.integers(1, 10_000))
def test_both_methods_earn_the_same_in_the_end(
    is_fifo: bool, made: list[tuple[int, int, Decimal, Decimal]], price: int
) -> None:
    """Realised and unrealised together are the money that came in, plus what is left at its price."""
    trades = trades_of(deals_of(made))
    state = after(*trades, is_fifo=is_fifo)
    worth = state.quantity * price
    paid = sum((one.quantity * (one.unit or 0) for one in trades), D(0))
    assert state.gross + (worth - state.cost) == worth - paid


@BOTH
@given(made=DEALS, cuts=st.lists(st.tuples(st.integers(0, 25), st.integers(0, 25)), max_size=5))
def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(
    is_fifo: bool, made: list[tuple[int, int, Decimal, Decimal]], cuts: list[tuple[int, int]]
) -> None:
    """Looking in between, and forgetting some of the last trades, changes nothing in the end."""
    trades = trades_of(deals_of(made))
    run = Run(is_fifo=is_fifo)
    for seen, kept in cuts:
        run.state(trades[:seen])
        run.cut(min(seen, kept))
    assert run.state(trades) == after(*trades, is_fifo=is_fifo)
    parts = run.open_parts()
    if is_fifo:
        assert sum((part.quantity for part in parts), D(0)) == run.state(trades).quantity
    else:
        assert parts == ()


def test_the_average_of_a_row_is_one_call() -> None:
    """What the position check uses."""
    assert average_after(row((10, 5), (10, 7))).cost == 120
