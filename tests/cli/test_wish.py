"""What is to be traded, from the words of a line."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.cli.wish import make_contract, make_order
from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order


def contract(symbol: str, kind: str = "STK", **words: str) -> Contract:
    names = ("expiry", "strike", "right", "exchange", "currency")
    return make_contract(symbol, kind, **{"currency": "USD"} | {one: words.get(one, "") for one in names[:4]})


@pytest.mark.parametrize(
    ("made", "wanted"),
    [
        (contract("aapl"), Contract.stock("AAPL")),
        (contract("AAPL", exchange="ISLAND"), Contract.stock("AAPL", "ISLAND")),
        (contract("EUR.USD", "cash"), Contract.forex("EURUSD")),
        (contract("ES", "FUT", expiry="202612", exchange="CME"), Contract.future("ES", "202612", "CME")),
        (
            contract("SPY", "OPT", expiry="20261218", strike="600", right="C"),
            Contract.option("SPY", "20261218", 600, "C"),
        ),
    ],
)
def test_words_make_the_builders_contracts(made: Contract, wanted: Contract) -> None:
    """The same as a program would build."""
    assert made == wanted


def test_other_types_keep_what_was_said() -> None:
    """Types without a builder of their own have each word in its field."""
    made = contract("ES", "FOP", expiry="20261218", strike="5000", right="P", exchange="CME")
    assert (made.sec_type, made.strike, made.right, made.exchange) == ("FOP", Decimal(5000), "P", "CME")
    assert contract("IBM", "CFD").sec_type == "CFD"


@pytest.mark.parametrize(
    ("kind", "words", "argument"),
    [
        ("STK", {"right": "C"}, "--right"),
        ("STK", {"expiry": "20261218"}, "--expiry"),
        ("OPT", {"expiry": "20261218", "strike": "600"}, "--right"),
        ("OPT", {"strike": "600", "right": "C"}, "--expiry"),
        ("FUT", {"exchange": "CME"}, "--expiry"),
        ("FUT", {"expiry": "202612"}, "--exchange"),
        ("FOP", {"expiry": "20261218", "strike": "x", "right": "C"}, "--strike"),
    ],
)
def test_what_is_missing_or_too_much_is_named(kind: str, words: dict[str, str], argument: str) -> None:
    """By the option's own name."""
    with pytest.raises(InvalidInput) as raised:
        contract("X", kind, **words)
    assert raised.value.argument == argument


@pytest.mark.parametrize(
    ("limit", "stop", "wanted"),
    [
        (None, None, Order.market("BUY", 10, tif="GTC", account="A1")),
        ("1.5", None, Order.limit("BUY", 10, "1.5", tif="GTC", account="A1")),
        (None, "2", Order.stop("BUY", 10, "2", tif="GTC", account="A1")),
        ("1.5", "2", Order.stop_limit("BUY", 10, "2", "1.5", tif="GTC", account="A1")),
    ],
)
def test_prices_decide_the_type(limit: str | None, stop: str | None, wanted: Order) -> None:
    """None, one or both; letter case does not matter."""
    assert make_order("buy", "10", limit, stop, "gtc", account="A1", outside_rth=False) == wanted
