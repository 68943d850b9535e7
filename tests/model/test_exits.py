"""What an exit must be like beside its entry, and when two contracts are the same thing to hold."""

from __future__ import annotations

from typing import Any

import pytest

from ibkr_core.errors import InvalidGroup
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.exits import PROTECTIVE, check_exits, exit_price, is_protective, same_instrument
from ibkr_core.model.order import Order

MONTH = Contract.future("ES", "202612", "CME")
CALL = Contract.option("SPY", "20261218", 600, "C")
LEGS = (ComboLeg(1, 1, "BUY"), ComboLeg(2, 2, "SELL"))
COMBO = Contract.combo("SPY", LEGS)

SAME: dict[str, tuple[Contract, Contract]] = {
    "by name": (Contract.stock("AAPL"), Contract.stock("AAPL")),
    "routed elsewhere": (Contract.stock("AAPL"), Contract.stock("AAPL", exchange="NYSE")),
    "by id": (Contract.by_con_id(7), Contract.by_con_id(7, symbol="X")),
    "as the broker echoes it": (
        Contract.stock("AAPL"),
        Contract.stock("AAPL", con_id=265598, local_symbol="AAPL", trading_class="NMS"),
    ),
    "a month that has the day": (
        Contract.future("ES", "202612", "CME"),
        Contract.future("ES", "20261218", "CME"),
    ),
    "legs in another order": (COMBO, Contract.combo("SPY", LEGS[::-1])),
}


@pytest.mark.parametrize("case", SAME)
def test_the_same_instrument(case: str) -> None:
    """In either order."""
    one, other = SAME[case]
    assert same_instrument(one, other)
    assert same_instrument(other, one)


OTHER: dict[str, tuple[Contract, Contract]] = {
    "symbol": (Contract.stock("AAPL"), Contract.stock("AAPLE")),
    "symbols that begin alike": (Contract.stock("GOOGLE"), Contract.stock("GOOGLEX")),
    "kind": (Contract.stock("AAPL"), Contract.cfd("AAPL")),
    "currency": (Contract.stock("AAPL"), Contract.stock("AAPL", currency="EUR")),
    "id": (Contract.by_con_id(7), Contract.by_con_id(8)),
    "an id alone beside a symbol alone": (Contract.by_con_id(7), Contract.stock("AAPL")),
    "expiry": (CALL, CALL.replace(expiry="20261219")),
    "month": (Contract.future("ES", "202612", "CME"), Contract.future("ES", "20270119", "CME")),
    "strike": (CALL, CALL.replace(strike=601)),
    "right": (CALL, CALL.replace(right="P")),
    "combo and leg": (COMBO, Contract.stock("SPY")),
    "legs": (COMBO, Contract.combo("SPY", (LEGS[0], ComboLeg(2, 3, "SELL")))),
    "legs the other way": (COMBO, Contract.combo("SPY", (ComboLeg(1, 1, "SELL"), ComboLeg(2, 2, "BUY")))),
}


@pytest.mark.parametrize("case", OTHER)
def test_another_instrument(case: str) -> None:
    """In either order."""
    one, other = OTHER[case]
    assert not same_instrument(one, other)
    assert not same_instrument(other, one)


@pytest.mark.parametrize("kind", ["STP", "STP LMT", "STP PRT", "TRAIL", "TRAIL LIMIT", "trail"])
def test_what_limits_a_loss(kind: str) -> None:
    """Stops of every kind; letter case does not matter."""
    assert is_protective(kind)


@pytest.mark.parametrize("kind", ["LMT", "MKT", "MIT", "LIT", "LOC", "MOC", ""])
def test_what_does_not(kind: str) -> None:
    """What waits for a profit, or for nothing."""
    assert not is_protective(kind)
    assert kind not in PROTECTIVE


def test_the_price_of_an_exit() -> None:
    """Where it wakes up: its trigger, its limit, or nowhere that could be known."""
    assert exit_price(Order.limit("SELL", 1, 110)) == 110
    assert exit_price(Order.stop_limit("SELL", 1, 90, 89)) == 90
    assert exit_price(Order.trailing_stop("SELL", 1, trailing_amount=1)) is None
    assert exit_price(Order.market("SELL", 1)) is None


@pytest.mark.parametrize("account", ["", "DU1"])
def test_exits_of_one_account(account: str) -> None:
    """An exit of another account closes nothing."""
    entry: dict[str, Any] = {"account": "DU1"}
    exits = {"stop_loss": Order.stop("SELL", 1, 90, account=account)}
    if account:
        check_exits(Order.market("BUY", 1, **entry), exits)
    else:
        with pytest.raises(InvalidGroup, match="same account"):
            check_exits(Order.market("BUY", 1, **entry), exits)
