"""The gateway's books: positions and profit, exact."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.account import Account, Position, book_fill
from ibkr_core.gateway.instruments import Instrument, default_catalogue

D = Decimal
CATALOGUE = default_catalogue()
AAPL = CATALOGUE.matches({"conId": 265598})[0]
ES = CATALOGUE.matches({"localSymbol": "ESZ6"})[0]
EUR = CATALOGUE.matches({"localSymbol": "EUR.USD"})[0]

fills = st.lists(
    st.tuples(
        st.integers(-50, 50).filter(bool).map(D),
        st.integers(1, 100_000).map(lambda cents: D(cents) / 100),
        st.integers(0, 500).map(lambda tenths: D(tenths) / 1000),
    ),
    max_size=30,
)


@given(fills)
def test_money_is_conserved(history: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    """Cash plus the cost of what is open is the opening balance plus all profit, to the last digit."""
    account = Account("DU1", D(1000))
    for quantity, price, commission in history:
        account.book(AAPL, quantity, price, commission)
    position = account.position(AAPL)
    assert account.cash["USD"] == 1000 - sum((q * p + c for q, p, c in history), D(0))
    assert account.cash["USD"] + position.cost + position.fees == 1000 + position.realized
    assert position.quantity == sum((q for q, _, _ in history), D(0))
    if position.quantity == 0:
        assert position.cost == position.fees == position.average_cost == 0
    else:
        assert (position.cost > 0) == (position.quantity > 0)


@given(fills)
def test_a_future_moves_cash_by_profit_alone(history: list[tuple[Decimal, Decimal, Decimal]]) -> None:
    """Its cost is never paid; once flat, cash has gained what was realised."""
    account = Account("DU1", D(1000))
    for quantity, price, commission in history:
        account.book(ES, quantity, price, commission)
    position = account.position(ES)
    assert account.cash["USD"] + position.fees == 1000 + position.realized


def test_profit_and_average_cost_include_commissions() -> None:
    """As in the broker's reports: bought 10 at 100, sold 4 at 110."""
    account = Account("DU1", D(10_000))
    assert account.book(AAPL, D(10), D(100), D(1)).realized is None
    assert account.position(AAPL).average_cost == D("100.1")
    booking = account.book(AAPL, D(-4), D(110), D("0.5"))
    assert booking.realized == 40 - D("0.4") - D("0.5")
    assert booking.gross == 40
    assert account.position(AAPL).average_cost == D("100.1")


def test_a_short_position_mirrors_a_long_one() -> None:
    """Sold 10 at 100, bought back 10 at 90."""
    account = Account("DU1", D(10_000))
    account.book(AAPL, D(-10), D(100), D(1))
    assert account.position(AAPL).average_cost == D("99.9")
    assert account.book(AAPL, D(10), D(90), D(1)).realized == 98


def test_a_fill_may_turn_a_position_around() -> None:
    """The part that closes realises, the rest opens at the new price with its share of the commission."""
    booking = book_fill(Position(instrument=AAPL, quantity=D(10), cost=D(1000)), D(-15), D(110), D(3))
    assert booking.realized == 98
    assert (booking.position.quantity, booking.position.cost, booking.position.fees) == (-5, -550, 1)


def test_a_futures_average_cost_holds_the_multiplier() -> None:
    """As the broker reports it (wire facts 8)."""
    account = Account("DU1", D(10_000))
    account.book(ES, D(2), D("6650.25"), D("4.50"))
    assert account.position(ES).average_cost == D("6650.25") * 50 + D("2.25")


def test_balances_value_what_is_held() -> None:
    """Cash, market value, margins and profit at the present prices; currencies at their rate."""
    account = Account("DU1", D(100_000))
    account.book(AAPL, D(100), D(100), D(1))
    account.book(EUR, D(1000), D("1.10"), D(2))
    prices = {AAPL.con_id: D(110), EUR.con_id: D("1.20")}
    balances = account.balances(
        lambda one: prices[one.con_id], lambda currency: D("1.20") if currency == "EUR" else D(1)
    )
    assert balances.cash == 100_000 - 10_001 - 1102 + 1200
    assert balances.net_liquidation == balances.cash + 11_000
    assert balances.gross_positions == 11_000
    assert balances.initial_margin == 5500 + 36
    assert balances.unrealized == 999 + 98
    assert balances.available == balances.net_liquidation - balances.initial_margin


def test_a_restarted_account_has_its_opening_cash() -> None:
    """Nothing of the past is left, so that a corrected history can be booked."""
    account = Account("DU1", D(1000))
    account.book(AAPL, D(1), D(100), D(1))
    account.restart()
    assert (account.cash, account.positions) == ({"USD": 1000}, ())


def test_buying_a_coin_costs_its_commission_and_no_more() -> None:
    """Whatever is no future and no currency pair is worth what it would fetch."""
    coin = Instrument(con_id=7, symbol="BTC", sec_type="CRYPTO")
    account = Account("DU1", D(100_000))
    account.book(coin, D("0.5"), D(60_000), D(10))
    valued = account.balances(lambda _: D(60_000), lambda _: D(1))
    assert (valued.net_liquidation, valued.gross_positions) == (99_990, 30_000)
