"""The tables of rules: each refuses what it is for, names itself, and leaves the nearest good order alone."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core import orders
from ibkr_core.errors import InvalidOrder
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.orderrules import CHANGE_RULES, RULES, RuleBook, check, check_change
from ibkr_core.model.plainrules import KNOWN_TIFS, PRODUCTS
from ibkr_core.model.shapes import Shapes
from ibkr_core.orders.making import made
from tests.orders.samples import ATS, BUILT, CONDITIONS, PAIR, WORKED

D = Decimal
STOCK = Contract.stock("AAPL")
OPTION = Contract.option("AAPL", "20301220", 290, "C")
BOX = OPTION.replace(exchange="BOX")
COIN = Contract.crypto("BTC")
EURO = Contract.forex("EURUSD")
WHEN = CONDITIONS["price"][0]


def market(**fields: Any) -> Order:
    return Order.market("BUY", 100, **fields)


def limit(price: str = "10", **fields: Any) -> Order:
    return Order.limit("BUY", 100, price, **fields)


def of_type(order_type: str, **fields: Any) -> Order:
    return made({"action": "BUY", "quantity": 100, "order_type": order_type}, fields)


def best(offset: str) -> Order:
    return orders.pegged_to_best("BUY", 100, offset)


ADJUSTABLE: dict[str, Any] = {"adjustedOrderType": "STP", "triggerPrice": 110, "adjustedStopPrice": 101}
STOP = Order.stop("SELL", 100, 95)
SCALE: dict[str, Any] = {"scalePriceIncrement": D("0.1"), "scaleInitLevelSize": 10}
VOL: dict[str, Any] = {"volatility": 40, "volatilityType": 2}

CASES: dict[str, list[tuple[Order, Contract, Order]]] = {
    # rule -> what breaks it, for which contract, and the nearest order that does not
    "known-tif": [(market(tif="GCT"), STOCK, market(tif="GTC"))],
    "close-is-day": [
        (of_type("MOC", tif="GTC"), STOCK, of_type("MOC")),
        (of_type("LOC", limit_price=1, tif="IOC"), STOCK, of_type("LOC", limit_price=1)),
    ],
    "opening-types": [(Order.stop("BUY", 1, 9, tif="OPG"), STOCK, market(tif="OPG"))],
    "auction-types": [(market(tif="AUC"), STOCK, of_type("MTL", tif="AUC"))],
    "algo-tif": [
        (market(tif="IOC", algo=orders.Twap()), STOCK, market(tif="GTC", algo=orders.Twap())),
        (market(tif="OPG", algo=orders.Adaptive()), STOCK, market(tif="OPG", algo=orders.OtherAlgo("X"))),
    ],
    "crypto-tif": [
        (Order.market("SELL", 1), COIN, Order.market("SELL", 1, tif="IOC")),
        (limit(tif="OPG"), COIN, limit(tif="MINUTES")),
    ],
    "good-till-time": [
        (
            limit(tif="GTD", good_till_date="tomorrow"),
            STOCK,
            limit(tif="GTD", good_till_date="20991231 10:00:00 US/Eastern"),
        )
    ],
    "good-after-time": [(limit(good_after_time="10:00"), STOCK, limit(good_after_time="20991231-10:00:00"))],
    "products": [
        (of_type("VOL", **VOL), STOCK, market()),
        (of_type("MKT PRT"), STOCK, market()),
        (of_type("REL + MKT"), OPTION, market()),
        (of_type("MIDPRICE"), OPTION, of_type("PEG MID")),
        (of_type("MOC"), OPTION, market()),
    ],
    "best-at-ibkrats": [(of_type("PEG BEST"), STOCK, of_type("PEG MID"))],
    "box": [
        (of_type("BOX TOP"), OPTION, market()),
        (limit(auctionStrategy=2), OPTION, limit(auctionStrategy=0)),
    ],
    "crypto-types": [(Order.stop("SELL", 1, 9, tif="IOC"), COIN, limit())],
    "crypto-cash": [(market(tif="IOC"), COIN, orders.cash_market("BUY", 100, tif="IOC"))],
    "condition-types": [(Order.stop("BUY", 1, 9, conditions=WHEN), STOCK, market(conditions=WHEN))],
    "condition-cancel-types": [
        (
            market(conditions=WHEN, conditions_cancel=True),
            STOCK,
            limit(conditions=WHEN, conditions_cancel=True),
        )
    ],
    "condition-flags": [
        (limit(conditions_cancel=True), STOCK, limit(conditions=WHEN, conditions_cancel=True)),
        (limit(conditions_outside_rth=True), STOCK, limit()),
    ],
    "algo-types": [(Order.stop("BUY", 1, 9, algo=orders.Twap()), STOCK, limit(algo=orders.Twap()))],
    "algo-exchange": [(limit(algo=WORKED["STROBE"][0]), STOCK, limit(algo=orders.Vwap(max_pct_vol="0.1")))],
    "cash-types": [
        (
            orders.cash_market("BUY", 100).replace(order_type="MIT", aux_price=9),
            EURO,
            orders.cash_market("BUY", 100),
        ),
        (orders.cash_market("BUY", 100), OPTION, market()),
    ],
    "fractions-at-smart": [
        (Order.market("BUY", "0.5"), STOCK.replace(exchange="ISLAND"), Order.market("BUY", 1))
    ],
    "iceberg-or-discretionary": [
        (limit(display_size=10, discretionaryAmt=D("0.05")), STOCK, limit(discretionaryAmt=D("0.05")))
    ],
    "discretion": [(limit(discretionaryAmt=-1), STOCK, limit(discretionaryAmt=0))],
    "block-size": [
        (Order.limit("BUY", 49, 1, blockOrder=True), OPTION, Order.limit("BUY", 50, 1, blockOrder=True))
    ],
    "display-size": [
        (limit(display_size=101), STOCK, limit(display_size=100)),
        (limit(display_size=-1), STOCK, limit(display_size=0)),
    ],
    "min-quantity": [(limit(min_quantity=101), STOCK, limit(min_quantity=100))],
    "trigger-method": [(market(trigger_method=5), STOCK, market(trigger_method=8))],
    "trail-distance": [
        (of_type("TRAIL MIT"), STOCK, of_type("TRAIL MIT", aux_price=1)),
        (of_type("TRAIL LIT", aux_price=1, trailing_percent=1), STOCK, of_type("TRAIL LIT", aux_price=1)),
    ],
    "combo-oca": [(limit(oca_group="g", oca_type=1), PAIR, limit(oca_group="g", oca_type=3))],
    "short-sale-slot": [
        (
            Order.market("SSHORT", 1, shortSaleSlot=3),
            STOCK,
            Order.market("SSHORT", 1, shortSaleSlot=2),
        )
    ],
    "short-sale-side": [(Order.market("SELL", 1, shortSaleSlot=1), STOCK, Order.market("SELL", 1))],
    "compete-size": [(limit(minCompeteSize=-1), STOCK, limit(minCompeteSize=0))],
    "compete-offset": [
        (best("-0.01"), ATS, best("0.01")),
        (best("0.005"), ATS, orders.pegged_to_best_up_to_mid("BUY", 100)),
    ],
    "min-trade": [(limit(minTradeQty=101), STOCK, limit(minTradeQty=100))],
    "volatility": [
        (of_type("VOL", volatilityType=2), OPTION, of_type("VOL", **VOL)),
        (of_type("VOL", volatility=0), OPTION, of_type("VOL", volatility=1)),
        (limit(volatility=40), OPTION, limit()),
    ],
    "volatility-type": [
        (of_type("VOL", volatility=40, volatilityType=3), OPTION, of_type("VOL", volatility=40)),
        (limit(volatilityType=2), OPTION, limit()),
    ],
    "volatility-update": [
        (limit(continuousUpdate=True), OPTION, of_type("VOL", **VOL, continuousUpdate=True))
    ],
    "stock-delta": [
        (
            of_type("PEG STK", startingPrice=1, delta=101),
            OPTION,
            of_type("PEG STK", startingPrice=1, delta=100),
        )
    ],
    "stock-start": [(of_type("PEG STK", delta=50), OPTION, of_type("PEG STK", startingPrice=1, delta=50))],
    "benchmark": [
        (
            of_type("PEG BENCH", referenceContractId=1),
            STOCK,
            of_type("PEG BENCH", referenceContractId=1, referenceChangeAmount=1),
        ),
        (of_type("PEG BENCH", referenceChangeAmount=1), STOCK, market()),
    ],
    "scale-size": [
        (limit(**{**SCALE, "scaleInitLevelSize": 101}), STOCK, limit(**SCALE)),
        (limit(scalePriceIncrement=D("0.1")), STOCK, limit(**{**SCALE, "scaleInitLevelSize": 100})),
    ],
    "scale-subsequent-size": [
        (limit(**SCALE, scaleSubsLevelSize=0), STOCK, limit(**SCALE, scaleSubsLevelSize=1))
    ],
    "scale-increment": [(limit(scalePriceIncrement=-1, scaleInitLevelSize=10), STOCK, limit(**SCALE))],
    "scale-profit": [(limit(**SCALE, scaleProfitOffset=0), STOCK, limit(**SCALE, scaleProfitOffset=1))],
    "scale-reset": [
        (limit(**SCALE, scaleAutoReset=True), STOCK, limit(**SCALE, scaleAutoReset=True, scaleProfitOffset=1))
    ],
    "adjusted-types": [
        (limit(**ADJUSTABLE), STOCK, STOP.replace(**ADJUSTABLE)),
        (STOP.replace(**{**ADJUSTABLE, "adjustedOrderType": "LMT"}), STOCK, STOP),
    ],
    "adjusted-trigger": [
        (STOP.replace(adjustedOrderType="STP", adjustedStopPrice=101), STOCK, STOP.replace(**ADJUSTABLE))
    ],
    "adjusted-stop": [
        (STOP.replace(adjustedOrderType="STP", triggerPrice=110), STOCK, STOP.replace(**ADJUSTABLE))
    ],
    "adjusted-limit": [
        (
            STOP.replace(**{**ADJUSTABLE, "adjustedOrderType": "STP LMT"}),
            STOCK,
            orders.adjusted_to_stop_limit(STOP, 110, 101, 100),
        )
    ],
    "adjusted-trail": [
        (
            STOP.replace(adjustedOrderType="TRAIL", triggerPrice=110),
            STOCK,
            orders.adjusted_to_trail(STOP, 110, trailing_amount=1),
        )
    ],
    "adjusted-side": [
        (orders.adjusted_to_stop(STOP, 110, 110), STOCK, orders.adjusted_to_stop(STOP, 110, "109.99")),
        (
            orders.adjusted_to_stop(Order.stop("BUY", 1, 105), 90, 89),
            STOCK,
            orders.adjusted_to_stop(Order.stop("BUY", 1, 105), 90, 91),
        ),
    ],
    "hedge-type": [(market(hedgeType="X"), STOCK, orders.fx_hedge("BUY", 1))],
    "hedge-parent": [
        (
            Order(action="BUY", quantity=0, order_type="MKT", official={"hedgeType": "F"}),
            STOCK,
            orders.fx_hedge("BUY", 1),
        )
    ],
    "hedge-quantity": [(market(hedgeType="F", parent_id=1), STOCK, orders.fx_hedge("BUY", 1))],
    "hedge-param": [
        (
            Order(action="BUY", quantity=0, order_type="MKT", parent_id=1, official={"hedgeType": "P"}),
            STOCK,
            orders.pair_hedge("BUY", 1, 2),
        )
    ],
    "offset": [(of_type("REL", aux_price="-0.01"), STOCK, of_type("REL", aux_price=0))],
    "price-digits": [
        (limit("101.250000000000000001"), STOCK, limit("101.25000000000000")),
        (STOP.replace(**{**ADJUSTABLE, "triggerPrice": D("110.00000000000000000001")}), STOCK, STOP),
    ],
    "quantity-digits": [
        (Order.market("BUY", "1.0000000000000001"), STOCK, Order.market("BUY", "1.0000000000000010")),
        (Order.market("BUY", 12345678901234567), STOCK, Order.market("BUY", 12345678901234560)),
    ],
    "price-positive": [
        (
            of_type("PEG BENCH", referenceContractId=1, referenceChangeAmount=1, startingPrice=0),
            STOCK,
            market(),
        )
    ],
}


@pytest.mark.parametrize(
    ("name", "bad", "contract", "good"),
    [(name, *case) for name, cases in CASES.items() for case in cases],
)
def test_a_rule_refuses_what_it_is_for(name: str, bad: Order, contract: Contract, good: Order) -> None:
    """Its error names the rule and its argument; the order next to it passes every rule."""
    with pytest.raises(InvalidOrder, match=f"rule {name}: ") as raised:
        check(bad, contract)
    assert raised.value.argument in {rule.argument for rule in RULES if rule.name == name}
    check(good, contract)


def test_every_rule_has_a_case() -> None:
    """A rule that is new is tried here, too; each has a source."""
    assert {rule.name for rule in RULES} == set(CASES)
    assert all(rule.source and rule.text for rule in RULES)
    assert all(rule.source and rule.text for rule in CHANGE_RULES)


@pytest.mark.parametrize("name", BUILT)
def test_what_the_builders_make_breaks_no_rule(name: str) -> None:
    """Each sample, for the contract that it is for."""
    check(BUILT[name].order, BUILT[name].contract)


@pytest.mark.parametrize("name", WORKED)
def test_an_algorithm_breaks_no_rule(name: str) -> None:
    """Each at its own exchange."""
    algo, _, contract = WORKED[name]
    check(orders.worked_by(orders.market("BUY", 10), algo), contract)


CHANGES: dict[str, tuple[Order, dict[str, Any], dict[str, Any]]] = {
    # rule -> terms, a change that breaks it, and one that does not
    "same-side": (limit(), {"action": "SELL"}, {"quantity": 5}),
    "same-account": (limit(account="A"), {"account": "B"}, {"account": ""}),
    "same-clearing": (limit(), {"clearingAccount": "X"}, {"tif": "GTC"}),
    "same-group": (limit(oca_group="g"), {"oca_group": "h"}, {"limit_price": 2}),
    "same-group-type": (
        limit(oca_group="g", oca_type=1),
        {"oca_type": 2},
        {"oca_type": 0},
    ),
    "same-algo": (limit(algo=orders.Twap()), {"algo": None}, {"algo": orders.Twap(allow_past_end_time=True)}),
    "no-cash": (orders.cash_limit("BUY", 100, 9), {"limit_price": 8}, {}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_that_needs_a_new_order(name: str) -> None:
    """The error names the rule, and what to do instead."""
    terms, bad, good = CHANGES[name]
    with pytest.raises(InvalidOrder, match=rf"rule {name}: .*Engine\.replace"):
        check_change(terms, terms.replace(**bad))
    if good:
        check_change(terms, terms.replace(**good))


def test_every_change_rule_has_a_case() -> None:
    """A rule that is new is tried here, too."""
    assert {rule.name for rule in CHANGE_RULES} == set(CHANGES)


def test_an_algorithm_by_official_name_counts_the_same() -> None:
    """What is exchanged for its equal is not exchanged."""
    typed = limit(algo=orders.Adaptive())
    plain = limit(algoStrategy="Adaptive")
    check_change(typed, plain)
    with pytest.raises(InvalidOrder, match="same-algo"):
        check_change(plain, limit())


def test_new_terms_of_a_hedge_need_no_parent() -> None:
    """A modification must not name a parent that is done (TWS facts 6)."""
    terms = orders.pair_hedge("SELL", 7, 2).replace(parent_id=0)
    check(terms, STOCK, is_new=False)


@pytest.mark.parametrize("tif", sorted(KNOWN_TIFS - {"GTD", "OPG", "AUC"}))
def test_every_known_time_in_force_goes_with_a_limit(tif: str) -> None:
    """What the broker may know is not refused here."""
    check(limit(tif=tif), STOCK)


@pytest.mark.parametrize("value", ["ten", float("nan"), object(), True])
def test_a_number_that_is_none(value: object) -> None:
    """A typed error that names the official field, not a crash."""
    with pytest.raises(InvalidOrder, match="scalePriceIncrement"):
        check(limit(scalePriceIncrement=value), STOCK)


@pytest.mark.parametrize("bad", [case[0] for cases in CASES.values() for case in cases])
def test_plain_orders_are_held_against_every_rule_that_they_can_break(bad: Order) -> None:
    """What has no official field is looked at more briefly; no rule that it breaks is left out by that."""
    order = attrs.evolve(bad, official={}) if bad.quantity else bad
    broken = [rule.name for rule in RULES for kind in (STOCK, OPTION, PAIR) if rule.is_broken(order, kind)]
    refused = []
    for kind in (STOCK, OPTION, PAIR):
        try:
            check(order, kind)
        except InvalidOrder:
            refused.append(kind)
    assert bool(broken) is bool(refused)


@given(
    st.sampled_from(["MKT", "LMT", "STP", "MIT", "MTL"]),
    st.decimals(min_value="0.01", max_value="99999", places=2),
    st.sampled_from(["DAY", "GTC", "IOC", "FOK"]),
    st.sampled_from(["", *sorted({kind for kinds in PRODUCTS.values() for kind in kinds} - {"BAG"})]),
)
def test_plain_orders_break_no_rule(kind: str, price: Any, tif: str, sec_type: str) -> None:
    """What trades everywhere every day is never refused here, whatever it is for."""
    prices = {"LMT": {"limit_price": price}, "STP": {"aux_price": price}, "MIT": {"aux_price": price}}
    check(of_type(kind, tif=tif, **prices.get(kind, {})), STOCK.replace(sec_type=sec_type))


# ── rules that are remembered ───────────────────────────────────────────────────────────────────


def verdict(order: Order, contract: Contract, rules: RuleBook | None, shapes: Shapes) -> str:
    """What the rules say, in words."""
    try:
        if rules is None:
            check(order, contract)
        else:
            rules.check(order, contract, shapes.of(contract, order))
    except InvalidOrder as error:
        return str(error)
    return "good"


_RULES, _SHAPES = RuleBook(), Shapes()
"""Of the whole property: what was learnt from one order judges all that follow."""


@given(
    contract=st.sampled_from(
        [
            STOCK,
            OPTION,
            BOX,
            COIN,
            EURO,
            PAIR,
            ATS,
            Contract.stock("AAPL", exchange="NYSE"),
            Contract.by_con_id(7),
        ]
    ),
    order_type=st.sampled_from(["MKT", "LMT", "STP", "MOC", "REL", "TRAIL", "MTL", "VOL", "PEG BEST"]),
    tif=st.sampled_from(["DAY", "GTC", "IOC", "OPG", "AUC", "NEVER"]),
    quantity=st.sampled_from([D(1), D("0.5"), D(100), D("1E+3"), D("12345678.123456789"), D(10) ** 17]),
    price=st.sampled_from([D(1), D("0.1"), D("-1"), D(0), D("0.1234567890123456789"), D("1E-7")]),
    fields=st.fixed_dictionaries(
        {},
        optional={
            "display_size": st.sampled_from([0, 1, 10, 100, 10**6]),
            "min_quantity": st.sampled_from([0, 1, 100, 10**6]),
            "trigger_method": st.sampled_from([0, 5, 8]),
            "oca_group": st.sampled_from(["", "g"]),
            "oca_type": st.sampled_from([0, 1, 3]),
            "good_after_time": st.sampled_from(["", "20991231", "soon"]),
            "action": st.sampled_from(["SELL", "SSHORT"]),
            "official": st.sampled_from(
                [{}, {"sweepToFill": True}, {"discretionaryAmt": 1}, {"volatility": 1}]
            ),
            "conditions_cancel": st.booleans(),
            "parent_id": st.sampled_from([0, 7]),
        },
    ),
)
def test_what_is_remembered_of_a_shape_is_what_every_order_of_it_is_told(
    contract: Contract,
    order_type: str,
    tif: str,
    quantity: Decimal,
    price: Decimal,
    fields: dict[str, Any],
) -> None:
    """The same verdict as from all rules, whatever orders of its shape came before."""
    needs = {"LMT": "limit_price", "STP": "aux_price", "REL": "aux_price", "TRAIL": "trailing_percent"}
    priced = (
        {needs[order_type]: abs(price) or 1 if order_type == "TRAIL" else price}
        if order_type in needs
        else {}
    )
    given_fields = {"action": "BUY", **fields}
    order = Order(quantity=quantity, order_type=order_type, tif=tif, **priced, **given_fields)
    assert verdict(order, contract, _RULES, _SHAPES) == verdict(order, contract, None, _SHAPES)


def test_only_what_can_differ_is_asked_again() -> None:
    """Rules about the type, the time in force and the contract's kind are asked once for a shape."""
    rules, shapes = RuleBook(), Shapes()
    shape = shapes.of(STOCK, limit())
    assert shape is not None
    rules.check(limit(), STOCK, shape)
    assert {rule.name for rule in rules._left[shape]} == {"price-digits", "quantity-digits"}


@pytest.mark.parametrize(
    ("quantity", "is_too_long"),
    [("1", False), ("1E+15", False), ("1E+16", False), ("1234567890123456", False),
     ("12345678901234567", True),
     ("0.1234567890123456", False), ("1.2345678901234567", True), ("99999999999999990", False)],
)  # fmt: skip
def test_digits_of_a_quantity(quantity: str, is_too_long: bool) -> None:
    """Sixteen, without zeros at either end, however the number is written."""
    words = verdict(Order.market("BUY", quantity), STOCK, None, Shapes())
    assert ("quantity-digits" in words) is is_too_long


def test_digits_are_counted_whatever_a_number_calls_itself() -> None:
    """What is sent has all of them, also of a Decimal that shows itself rounded."""

    class Rounded(Decimal):
        def __str__(self) -> str:
            return f"{self:.2f}"[:8]

    quantity, price = Rounded("12345678901234567"), Rounded("101.250000000000000001")
    assert "quantity-digits" in verdict(Order.market("BUY", quantity), STOCK, None, Shapes())
    assert "price-digits" in verdict(Order.limit("BUY", 1, price), STOCK, None, Shapes())
