"""Client order keys: readable, and never twice the same."""

from __future__ import annotations

import re
import threading
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.orderkeys import KeyMaker
from tests.link.peers import PATIENCE_S

AAPL = Contract.stock("AAPL")
NOON = datetime(2026, 11, 20, 12, 0, 0, 999_999, tzinfo=UTC)


class Hands:
    """A clock that shows what it is told to."""

    def __init__(self, *shown: datetime) -> None:
        self._shown = list(shown)

    def now(self) -> datetime:
        return self._shown.pop(0) if len(self._shown) > 1 else self._shown[0]

    def monotonic(self) -> float:
        return 0.0


def maker(*shown: datetime, known: frozenset[str] = frozenset()) -> KeyMaker:
    return KeyMaker(Hands(*(shown or (NOON,))), known.__contains__)


def test_a_key_says_what_the_order_is() -> None:
    """Symbol, side, quantity without an exponent, time in UTC to the microsecond."""
    assert maker()(AAPL, Order.market("BUY", 100)) == "AAPL_BUY_100_20261120T120000999999"
    tokyo = NOON.astimezone(timezone(timedelta(hours=9)))
    assert maker(tokyo)(AAPL, Order.market("SELL", "1E+2")) == "AAPL_SELL_100_20261120T120000999999"
    forex = maker()(Contract.forex("EURUSD"), Order.limit("SELL", "0.5", 1))
    assert forex == "EUR.USD_SELL_0.5_20261120T120000999999"


def test_a_cash_order_shows_its_money() -> None:
    """It has no quantity."""
    order = Order.market("BUY", 0, cash_quantity=500)
    assert maker()(AAPL, order).startswith("AAPL_BUY_500_")


def test_the_second_of_a_microsecond_gets_the_next() -> None:
    """Over the second's end too, also when the clock steps back."""
    make = maker(NOON, NOON, NOON - timedelta(microseconds=1), NOON)
    keys = [make(AAPL, Order.market("BUY", 1)) for _ in range(4)]
    assert [key.split("T")[1] for key in keys] == [
        "120000999999",
        "120001000000",
        "120001000001",
        "120001000002",
    ]


def test_a_key_of_an_earlier_run_is_not_made_again() -> None:
    """A clock that was set back would take a new order for an old one, and send nothing."""
    known = frozenset({"AAPL_BUY_1_20261120T120000999999", "AAPL_BUY_1_20261120T120001000000"})
    assert maker(known=known)(AAPL, Order.market("BUY", 1)) == "AAPL_BUY_1_20261120T120001000001"


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["AAPL", "BRK B", "SPY"]),
            st.sampled_from(["BUY", "SELL"]),
            st.decimals("0.0001", 10**9, places=4),
            st.integers(0, 3),
        ),
        max_size=30,
    )
)
def test_no_two_are_alike(wishes: list[tuple[str, str, Decimal, int]]) -> None:
    """Whatever the orders are and however the clock jumps; and each can be read back."""
    make = maker(*(NOON + timedelta(microseconds=us) for *_, us in wishes), NOON)
    keys = []
    for symbol, side, quantity, _ in wishes:
        key = make(Contract.stock(symbol), Order.market(side, quantity))
        name, action, size, at = key.split("_")
        assert (name, action, Decimal(size)) == (symbol.replace(" ", "-"), side, quantity)
        assert re.fullmatch(r"\d{8}T\d{12}", at)
        keys.append(key)
    assert len(set(keys)) == len(keys)


def test_threads_share_it() -> None:
    """While the clock stands still."""
    make = maker()
    keys: list[list[str]] = [[] for _ in range(4)]

    def work(mine: list[str]) -> None:
        mine.extend(make(AAPL, Order.market("BUY", 1)) for _ in range(400))

    threads = [threading.Thread(target=work, args=(mine,)) for mine in keys]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    made = [key for mine in keys for key in mine]
    assert len(made) == 1600
    assert len(set(made)) == 1600
