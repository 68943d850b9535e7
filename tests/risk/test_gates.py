"""Each gate: what it refuses, what it lets pass, and what becomes of what it cannot judge."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core import orders
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Order
from ibkr_core.risk import LiveOrder, Refusal, RiskContext, Submission, TradingHours
from ibkr_core.risk import gates as g

D = Decimal
NOW = datetime(2026, 11, 20, 15, tzinfo=UTC)
STOCK = Contract.stock("AAPL")
OPTION = Contract.option("SPY", "20261218", 600, "C")
FUTURE = Contract.future("ES", "202612", "CME")


@attrs.frozen(kw_only=True)
class Quote:
    """A last quote."""

    bid: Decimal | None = None
    ask: Decimal | None = None
    last: Decimal | None = None
    close: Decimal | None = None


QUOTE = Quote(bid=D(99), ask=D(101), last=D(100), close=D(90))


def context(order: Order, contract: Contract = STOCK, **more: Any) -> RiskContext:
    """A context of a new order, number 50, alone."""
    group = more.pop("group", None)
    made = RiskContext(contract=contract, order=order, now=NOW, order_id=50, **more)
    live = LiveOrder.wanted(50, contract, order, made.filled)
    return attrs.evolve(made, group=group if group is not None else (live,))


def change(before: Order, after: Order, contract: Contract = STOCK, **more: Any) -> RiskContext:
    """A context of a modification."""
    return context(after, contract, before=before, **more)


def position(quantity: int, contract: Contract = STOCK, account: str = "A") -> Position:
    """A position."""
    return Position(account=account, contract=contract.replace(con_id=7), quantity=D(quantity))


def works(order_id: int, order: Order, contract: Contract = STOCK) -> LiveOrder:
    """An order that works."""
    return LiveOrder.wanted(order_id, contract, order)


def sure(refusal: Refusal | None) -> Refusal:
    """The refusal that there must be."""
    assert refusal is not None
    return refusal


# --- size -------------------------------------------------------------------------------------------


def test_order_size() -> None:
    """Up to the limit, and told with both numbers."""
    gate = g.MaxOrderSize(D(100))
    assert gate(context(Order.market("BUY", 100))) is None
    refusal = sure(gate(context(Order.market("SELL", "100.5"))))
    assert (refusal.argument, refusal.limit, refusal.value) == ("quantity", "100", "100.5")
    assert "100.5 is more than 100" in refusal.reason


def test_a_modification_of_an_order_that_is_too_large_may_not_make_it_larger() -> None:
    """But other terms of it may change: the limit may be younger than the order."""
    gate, large = g.MaxOrderSize(D(100)), Order.limit("BUY", 200, 50)
    assert gate(change(large, large.replace(limit_price=51))) is None
    assert gate(change(large, large.replace(quantity=150))) is None
    assert sure(gate(change(large, large.replace(quantity=201)))).value == "201"


def test_an_order_that_the_broker_sizes_is_refused_unless_unknowns_pass() -> None:
    """Nobody knows how large it gets."""
    sized_elsewhere = context(Order.market("BUY", 0, cash_quantity=500))
    assert "set by the broker" in sure(g.MaxOrderSize(D(100))(sized_elsewhere)).reason
    assert g.MaxOrderSize(D(100), passes_unknown=True)(sized_elsewhere) is None


def test_a_quantity_beside_an_amount_of_money_tells_nothing() -> None:
    """The money decides how much is traded, so neither size nor position is known by the quantity."""
    told = context(Order.market("BUY", 1, cash_quantity=1_000_000), positions=())
    assert "set by the broker" in sure(g.MaxOrderSize(D(100))(told)).reason
    assert "not known" in sure(g.MaxPosition(D(100))(told)).reason


# --- prices and money -------------------------------------------------------------------------------

PRICES = (
    (Order.market("BUY", 1), QUOTE, 101),
    (Order.market("SELL", 1), QUOTE, 99),
    (Order.market("BUY", 1), Quote(last=D(100), close=D(90)), 100),
    (Order.market("BUY", 1), Quote(close=D(90)), 90),
    (Order.market("BUY", 1), Quote(ask=D(-1), last=D(100)), 100),
    (Order.market("BUY", 1), Quote(), None),
    (Order.market("BUY", 1), None, None),
    (Order.limit("BUY", 1, 120), QUOTE, 120),
    (Order.limit("BUY", 1, 80), None, 80),
    (Order.limit("SELL", 1, 80), QUOTE, 99),
    (Order.limit("SELL", 1, 120), QUOTE, 120),
    (Order.limit("SELL", 1, 80), None, 80),
    (Order.stop("BUY", 1, 130), QUOTE, 130),
    (Order.stop("BUY", 1, 80), QUOTE, 101),
    (Order.stop("BUY", 1, 130), None, None),
    (Order.stop_limit("BUY", 1, 130, 131), None, 131),
    (Order.trailing_stop("SELL", 1, trailing_amount=2), QUOTE, 99),
    (Order.trailing_stop("SELL", 1, trailing_amount=2), None, None),
    (Order.trailing_stop("SELL", 1, trailing_amount=2, stop_price=110), QUOTE, 110),
)


@pytest.mark.parametrize(("order", "quote", "price"), PRICES)
def test_the_price_by_which_an_order_is_weighed(order: Order, quote: Quote | None, price: int | None) -> None:
    """Its limit, its trigger, or the last quote: the dearest that is known of it."""
    assert g.unit_price(STOCK, order, quote) == (None if price is None else D(price))


@pytest.mark.parametrize(
    ("order", "quote", "price"),
    [
        (orders.discretionary("BUY", 1, 100, 50), None, 150),
        (orders.discretionary("SELL", 1, 120, 50), QUOTE, 120),
        (orders.discretionary("SELL", 1, 120, 50), None, 120),
        (orders.relative("BUY", 1, 0, limit_price=90), QUOTE, 90),
        (Order(action="BUY", quantity=1, order_type="REL", limit_price=D(0)), QUOTE, 101),
        (Order(action="SELL", quantity=1, order_type="PEG MID", limit_price=D(0)), QUOTE, 99),
        (Order(action="BUY", quantity=1, order_type="REL", limit_price=D(0)), None, None),
        (Order.limit("BUY", 1, 0), QUOTE, 0),
        (Order.market("BUY", 1), Quote(ask=D("Infinity"), last=D(100)), 100),
        (Order.market("BUY", 1), Quote(ask=D("Infinity")), None),
    ],
)
def test_a_limit_that_does_not_bind_weighs_nothing(
    order: Order, quote: Quote | None, price: int | None
) -> None:
    """A discretionary order goes beyond what it shows; a cap of zero is none, and so is an infinite quote."""
    assert g.unit_price(FUTURE, order, quote) == (None if price is None else D(price))


def test_multipliers() -> None:
    """Shares and currencies count one; of all else it must be known."""
    assert g.multiplier_of(STOCK) == 1
    assert g.multiplier_of(Contract.forex("EURUSD")) == 1
    assert g.multiplier_of(OPTION) == 100
    assert g.multiplier_of(FUTURE) is None
    assert g.multiplier_of(FUTURE.replace(multiplier="50")) == 50
    assert g.multiplier_of(FUTURE.replace(multiplier="0.1")) == D("0.1")
    for nonsense in ("x", "0", "-5", "NaN", "Infinity"):
        assert g.multiplier_of(FUTURE.replace(multiplier=nonsense)) is None


def test_notional() -> None:
    """Quantity times price times multiplier, or the amount that the order names; never below zero."""
    assert g.notional(STOCK, Order.limit("BUY", 10, "1.5"), None) == 15
    assert g.notional(OPTION, Order.limit("BUY", 2, "1.5"), None) == 300
    assert g.notional(FUTURE, Order.limit("BUY", 2, "1.5"), None) is None
    assert g.notional(STOCK, Order.market("BUY", 0, cash_quantity=500), None) == 500
    combo = Contract.combo("SPY", [ComboLeg(1), ComboLeg(2, action="SELL")], multiplier="100")
    assert g.notional(combo, Order.limit("BUY", 1, "-2.5"), None) == 250


def test_max_notional() -> None:
    """By the currency of the contract; a market order is weighed at the last quote."""
    gate = g.MaxNotional({"USD": D(1000)})
    assert gate(context(Order.limit("BUY", 10, 100))) is None
    assert sure(gate(context(Order.limit("BUY", 10, "100.01")))).value == "1000.1"
    assert gate(context(Order.market("SELL", 10), quote=QUOTE)) is None
    assert sure(gate(context(Order.market("BUY", 10), quote=QUOTE))).value == "1010"
    assert "a price" in sure(gate(context(Order.market("BUY", 1)))).reason
    assert "multiplier" in sure(gate(context(Order.limit("BUY", 1, 1), FUTURE))).reason
    forgiving = g.MaxNotional({"USD": D(1000)}, passes_unknown=True)
    assert forgiving(context(Order.market("BUY", 10_000))) is None


def test_max_notional_in_other_currencies() -> None:
    """One that is not named is refused, whatever becomes of unknowns, unless there is a limit for all."""
    euro = Contract.stock("SAP", currency="EUR")
    refusal = sure(
        g.MaxNotional({"USD": D(1000)}, passes_unknown=True)(context(Order.limit("BUY", 1, 1), euro))
    )
    assert "no limit is set for EUR" in refusal.reason
    assert g.MaxNotional({"*": D(10)})(context(Order.limit("BUY", 1, 10), euro)) is None
    assert g.MaxNotional({"*": D(9), "EUR": D(10)})(context(Order.limit("BUY", 1, 10), euro)) is None


def test_a_modification_may_not_be_about_more_money() -> None:
    """One that is about less passes, also where it is still too much."""
    gate, before = g.MaxNotional({"USD": D(100)}), Order.limit("BUY", 10, 50)
    assert gate(change(before, before.replace(quantity=9, limit_price=51))) is None
    assert sure(gate(change(before, before.replace(limit_price=51)))).value == "510"


# --- position ---------------------------------------------------------------------------------------


def test_max_position_counts_what_is_held_and_what_works() -> None:
    """As if all of one side filled and nothing of the other."""
    gate = g.MaxPosition(D(100))
    given: dict[str, Any] = {
        "positions": (position(50),),
        "working": (works(1, Order.limit("BUY", 30, 90)),),
        "account": "A",
    }
    assert gate(context(Order.market("BUY", 20), **given)) is None
    refusal = sure(gate(context(Order.market("BUY", 21), **given)))
    assert (refusal.argument, refusal.limit, refusal.value) == ("quantity", "100", "101")
    assert "AAPL could come to 101 long" in refusal.reason
    assert gate(context(Order.market("SELL", 150), **given)) is None
    assert "101 short" in sure(gate(context(Order.market("SELL", 151), **given))).reason


def test_what_only_reduces_passes_beyond_the_limit() -> None:
    """Five hundred under a limit of a hundred can be closed, in whole or in part, but not turned."""
    gate = g.MaxPosition(D(100))
    given: dict[str, Any] = {"positions": (position(500),), "account": "A"}
    assert gate(context(Order.market("SELL", 1), **given)) is None
    assert gate(context(Order.market("SELL", 500), **given)) is None
    assert gate(context(Order.market("SELL", 600), **given)) is None
    assert sure(gate(context(Order.market("SELL", 601), **given))).value == "101"
    assert sure(gate(context(Order.market("BUY", 1), **given))).value == "501"


def test_a_bracket_is_judged_as_a_whole() -> None:
    """Its exits are no positions of their own; a second bracket beside it is."""
    gate = g.MaxPosition(D(100))
    entry, exit_ = Order.limit("BUY", 100, 50), Order.limit("SELL", 100, 60)
    group = (
        works(50, entry),
        works(51, exit_.replace(parent_id=50)),
        works(52, Order.stop("SELL", 100, 40, parent_id=50)),
    )
    assert gate(context(entry, group=group, positions=())) is None
    assert sure(gate(context(entry, group=group, positions=(position(1),)))).value == "101"
    assert sure(gate(context(entry, group=group, positions=(), working=(works(1, entry),)))).value == "200"


def test_a_modification_takes_the_place_of_its_order() -> None:
    """Its old quantity does not count beside the new one, and what is filled is in the position."""
    gate, before = g.MaxPosition(D(100)), Order.limit("BUY", 80, 50)
    given: dict[str, Any] = {
        "positions": (position(30),),
        "working": (works(50, before.replace(quantity=50)),),
    }
    wanted: dict[str, Any] = {"filled": D(30), **given}
    assert gate(change(before, before.replace(quantity=100), **wanted)) is None
    assert sure(gate(change(before, before.replace(quantity=101), **wanted))).value == "101"


def test_a_combo_is_judged_leg_by_leg() -> None:
    """The limit is one for each contract."""
    combo = Contract.combo("SPY", [ComboLeg(7, 1, "BUY"), ComboLeg(8, 2, "SELL")])
    gate = g.MaxPosition(D(10))
    assert gate(context(Order.limit("BUY", 5, 1), combo, positions=())) is None
    assert (
        "#8 could come to 12 short"
        in sure(gate(context(Order.limit("BUY", 6, 1), combo, positions=()))).reason
    )
    held = (position(9, Contract(symbol="X")),)
    assert (
        "#7 could come to 11 long"
        in sure(gate(context(Order.limit("BUY", 2, 1), combo, positions=held))).reason
    )


def test_an_order_without_an_account_is_judged_in_each() -> None:
    """Long in one and short in another are not set off: nobody knows where it will be booked."""
    gate = g.MaxPosition(D(100))
    held = (position(60, account="A"), position(-60, account="B"))
    assert sure(gate(context(Order.market("BUY", 50), positions=held))).value == "110"
    assert sure(gate(context(Order.market("SELL", 50), positions=held))).value == "110"
    assert gate(context(Order.market("BUY", 50), positions=held, account="B")) is None
    assert sure(gate(context(Order.market("BUY", 101), positions=(position(-60),)))).value == "101"


def test_an_unknown_position_is_refused_unless_unknowns_pass() -> None:
    """Before the broker told, or where a contract may be one that is held."""
    gate = g.MaxPosition(D(100))
    assert "not told the positions" in sure(gate(context(Order.market("BUY", 1)))).reason
    unclear = context(
        Order.market("BUY", 1), Contract.by_con_id(99).replace(con_id=0, sec_id="X"), positions=(position(1),)
    )
    assert "con_id" in sure(gate(unclear)).reason
    assert g.MaxPosition(D(100), passes_unknown=True)(unclear) is None


# --- how many ---------------------------------------------------------------------------------------


def sent(seconds_ago: float, order: Order | None = None, contract: Contract = STOCK) -> Submission:
    """An order of some time ago."""
    at = NOW - timedelta(seconds=seconds_ago)
    return Submission(at=at, contract=contract, order=order or Order.market("BUY", 1), order_id=9)


def test_orders_per_second() -> None:
    """Within any second, the whole group counted; modifications are none."""
    gate, order = g.OrderRate(3), Order.market("BUY", 1)
    recent = (sent(5), sent(1), sent(0.999), sent(0))
    assert gate(context(order, recent=recent)) is None
    assert sure(gate(context(order, recent=(*recent, sent(0))))).value == "4"
    assert sure(gate(context(order, recent=recent, group=(works(50, order), works(51, order))))).value == "4"
    assert gate(change(order, order, recent=(*recent, sent(0), sent(0)))) is None


def test_a_clock_that_was_set_back_lets_nothing_slip() -> None:
    """Orders that seem to come from the future count."""
    assert g.OrderRate(1)(context(Order.market("BUY", 1), recent=(sent(-100),))) is not None


def test_orders_per_day() -> None:
    """The whole group counted; modifications are none."""
    gate, order = g.DailyOrders(10), Order.market("BUY", 1)
    assert gate(context(order, submitted_today=9)) is None
    assert sure(gate(context(order, submitted_today=10))).value == "11"
    pair = (works(50, order), works(51, order))
    assert sure(gate(context(order, submitted_today=9, group=pair))).value == "11"
    assert gate(change(order, order, submitted_today=99)) is None


@given(st.lists(st.floats(0, 3), max_size=20), st.integers(1, 10), st.integers(1, 4))
def test_the_rate_is_never_passed(ages: list[float], most: int, legs: int) -> None:
    """It passes exactly when no more than so many are within the last second."""
    recent = tuple(sent(age) for age in sorted(ages, reverse=True))
    order = Order.market("BUY", 1)
    group = tuple(works(50 + n, order) for n in range(legs))
    within = sum(NOW - one.at < timedelta(seconds=1) for one in recent)
    assert (g.OrderRate(most)(context(order, recent=recent, group=group)) is None) is (within + legs <= most)


# --- collar -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("order", "passes"),
    [
        (Order.limit("BUY", 1, "106.05"), True),  # five percent above the ask
        (Order.limit("BUY", 1, "106.06"), False),
        (Order.limit("BUY", 1, "10"), True),
        (Order.limit("SELL", 1, "94.05"), True),
        (Order.limit("SELL", 1, "94.04"), False),
        (Order.limit("SELL", 1, "500"), True),
        (Order.market("BUY", 1), True),
        (Order.stop("BUY", 1, 500), True),
        (Order.stop_limit("BUY", 1, 200, 210), True),  # from its trigger
        (Order.stop_limit("BUY", 1, 200, "210.01"), False),
        (Order.stop_limit("SELL", 1, 50, "47.49"), False),
        (Order(action="SELL", quantity=1, order_type="TRAIL LIMIT", aux_price=D(2), limit_price=D(1)), True),
        (
            Order(
                action="SELL",
                quantity=1,
                order_type="TRAIL LIMIT",
                aux_price=D(2),
                limit_price=D(90),
                trail_stop_price=D(97),
            ),
            False,
        ),
    ],
)
def test_collar_in_percent(order: Order, passes: bool) -> None:
    """How far a limit lies through what it would meet."""
    refusal = g.PriceCollar(percent=D(5))(context(order, quote=QUOTE))
    assert (refusal is None) is passes
    assert refusal is None or (refusal.argument, refusal.limit) == ("limit_price", "5 %")


def test_collar_in_ticks() -> None:
    """Counted in increments of the price."""
    gate = g.PriceCollar(ticks=D(10))
    assert gate(context(Order.limit("BUY", 1, "103.5"), quote=QUOTE, tick=D("0.25"))) is None
    refusal = sure(gate(context(Order.limit("BUY", 1, "103.75"), quote=QUOTE, tick=D("0.25"))))
    assert (refusal.limit, refusal.value) == ("10 ticks", "11.0 ticks")
    assert gate(context(Order.limit("BUY", 1, "101"), quote=QUOTE)) is None  # not through: no tick is needed
    for tick in (None, D(0)):
        unknown = context(Order.limit("BUY", 1, "102"), quote=QUOTE, tick=tick)
        assert "increment" in sure(gate(unknown)).reason
        assert g.PriceCollar(ticks=D(10), passes_unknown=True)(unknown) is None


@pytest.mark.parametrize(
    ("order", "passes"),
    [
        (orders.discretionary("BUY", 1, 100, 6), True),
        (orders.discretionary("BUY", 1, 100, "6.06"), False),
        (orders.discretionary("SELL", 1, 100, "5.95"), True),
        (orders.discretionary("SELL", 1, 100, "5.96"), False),
        (orders.limit_if_touched("BUY", 1, 90, "94.5"), True),  # from its trigger, below the market
        (orders.limit_if_touched("BUY", 1, 90, "94.51"), False),
        (orders.limit_if_touched("BUY", 1, 200, 210), False),  # touched already: it meets the ask
        (orders.limit_if_touched("BUY", 1, 200, "106.05"), True),
        (orders.limit_if_touched("SELL", 1, 50, "94.04"), False),
        (orders.limit_if_touched("SELL", 1, 50, "94.05"), True),
    ],
)
def test_a_collar_looks_at_where_an_order_can_trade(order: Order, passes: bool) -> None:
    """Beyond the shown limit of a discretionary order; at the market where a trigger is touched already."""
    assert (g.PriceCollar(percent=D(5))(context(order, quote=QUOTE)) is None) is passes


def test_a_collar_takes_an_infinite_quote_for_none() -> None:
    """No limit would ever be through it."""
    infinite = Quote(bid=D("-Infinity"), ask=D("Infinity"))
    for side in ("BUY", "SELL"):
        refusal = g.PriceCollar(percent=D(5))(context(Order.limit(side, 1, 1000), quote=infinite))
        assert "no quote" in sure(refusal).reason


def test_a_trailing_order_is_collared_again_where_its_stop_moves() -> None:
    """Its limit is measured from there."""
    gate = g.PriceCollar(percent=D(5))
    before = Order(
        action="SELL",
        quantity=1,
        order_type="TRAIL LIMIT",
        aux_price=D(2),
        limit_price=D(95),
        trail_stop_price=D(97),
    )
    assert gate(change(before, before.replace(tif="GTC"), quote=QUOTE)) is None
    assert gate(change(before, before.replace(trail_stop_price=D(120)), quote=QUOTE)) is not None


def test_both_collars_hold() -> None:
    """The narrower one refuses."""
    gate = g.PriceCollar(percent=D(50), ticks=D(1))
    refusal = sure(gate(context(Order.limit("BUY", 1, "101.02"), quote=QUOTE, tick=D("0.01"))))
    assert refusal.limit == "1 ticks"
    wide = g.PriceCollar(percent=D(1), ticks=D(1000))
    assert sure(wide(context(Order.limit("BUY", 1, "103"), quote=QUOTE, tick=D("0.01")))).limit == "1 %"


def test_a_collar_without_a_quote_refuses_unless_unknowns_pass() -> None:
    """A limit order needs one; a market order has no price to look at."""
    assert "no quote" in sure(g.PriceCollar(percent=D(5))(context(Order.limit("BUY", 1, 1)))).reason
    assert g.PriceCollar(percent=D(5), passes_unknown=True)(context(Order.limit("BUY", 1, 1))) is None
    assert g.PriceCollar(percent=D(5))(context(Order.market("BUY", 1))) is None


def test_a_collar_where_prices_are_zero_or_less() -> None:
    """A combo's price can be; there the percentage is of its size, and of zero there is none."""
    combo = Contract.combo("SPY", [ComboLeg(1), ComboLeg(2, action="SELL")])
    gate = g.PriceCollar(percent=D(10))
    below = Quote(bid=D("-2.2"), ask=D(-2))
    assert gate(context(Order.limit("BUY", 1, "-1.8"), combo, quote=below)) is None
    assert gate(context(Order.limit("BUY", 1, "-1.79"), combo, quote=below)) is not None
    zero = context(Order.limit("BUY", 1, "0.01"), combo, quote=Quote(ask=D(0)))
    assert "zero" in sure(gate(zero)).reason


def test_a_modification_that_leaves_the_prices_alone_is_not_collared() -> None:
    """The market may have moved away since."""
    gate, before = g.PriceCollar(percent=D(5)), Order.limit("BUY", 1, 200)
    assert gate(change(before, before.replace(tif="GTC"), quote=QUOTE)) is None
    assert gate(change(before, before.replace(limit_price=201), quote=QUOTE)) is not None


cents = st.integers(1, 100_000).map(lambda n: D(n) / 100)


@given(st.sampled_from(["BUY", "SELL"]), cents, cents, st.integers(1, 100))
def test_the_collar_draws_an_exact_line(side: str, limit: Decimal, market: Decimal, percent: int) -> None:
    """To the last digit, whatever the numbers."""
    quote = Quote(bid=market, ask=market)
    refusal = g.PriceCollar(percent=D(percent))(context(Order.limit(side, 1, limit), quote=quote))
    edge = market * (100 + percent) / 100 if side == "BUY" else market * (100 - percent) / 100
    assert (refusal is None) is (limit <= edge if side == "BUY" else limit >= edge)


# --- what and when ----------------------------------------------------------------------------------


def test_allowed_symbols() -> None:
    """By symbol, local symbol or contract id, in whatever case."""
    gate = g.AllowedSymbols(frozenset({"AAPL", "ESZ6", "#7"}))
    order = Order.market("BUY", 1)
    for good in (STOCK, Contract.stock("aapl"), FUTURE.replace(local_symbol="ESZ6"), Contract.by_con_id(7)):
        assert gate(context(order, good)) is None
    for bad in (Contract.stock("MSFT"), Contract.by_con_id(8), FUTURE):
        assert sure(gate(context(order, bad))).value == bad.name


def test_allowed_sec_types() -> None:
    """A contract that does not say is refused."""
    gate = g.AllowedSecTypes(frozenset({"STK", "OPT"}))
    assert gate(context(Order.market("BUY", 1))) is None
    assert (
        "'FUT' is not allowed; allowed: OPT, STK"
        in sure(gate(context(Order.market("BUY", 1), FUTURE))).reason
    )
    assert "does not say" in sure(gate(context(Order.market("BUY", 1), Contract.by_con_id(7)))).reason


def test_allowed_hours() -> None:
    """Within one of them is enough."""
    early, now = TradingHours("08:00", "09:00", zone="UTC"), TradingHours("15:00", "16:00", zone="UTC")
    assert g.AllowedHours((early, now))(context(Order.market("BUY", 1))) is None
    refusal = sure(g.AllowedHours((early,))(context(Order.market("BUY", 1))))
    assert refusal.value == "2026-11-20 15:00:00 UTC"
    assert "outside 08:00-09:00 UTC" in refusal.reason


def test_duplicates() -> None:
    """Contract, account, side, type, quantity and prices alike, within the window."""
    gate, order = g.Duplicates(10), Order.limit("BUY", 5, 50)
    assert (
        "order 9 was the same 9.9 s ago"
        in sure(gate(context(order, recent=(sent(9.9, order), sent(1))))).reason
    )
    assert gate(context(order, recent=(sent(10, order), sent(1)))) is None
    assert gate(context(order, recent=(sent(1, order),), allow_duplicate=True)) is None
    assert gate(change(order, order, recent=(sent(1, order),))) is None
    for changes in ({"action": "SELL"}, {"quantity": 6}, {"limit_price": 51}, {"account": "B"}):
        other = Order.limit("BUY", 5, 50, account="A").replace(**changes)
        assert gate(context(other, recent=(sent(1, order.replace(account="A")),))) is None, changes
    assert gate(context(order, Contract.stock("MSFT"), recent=(sent(1, order),))) is None
    combo = Contract.combo("SPY", [ComboLeg(1), ComboLeg(2, action="SELL")])
    mirrored = combo.replace(combo_legs=[ComboLeg(1, action="SELL"), ComboLeg(2)])
    assert gate(context(order, combo, recent=(sent(1, order, combo),))) is not None
    assert gate(context(order, combo, recent=(sent(1, order, mirrored),))) is None


# --- loss -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("result", "passes"), [("-999.99", True), ("-1000", False), ("-5000", False), ("3", True)]
)
def test_max_loss(result: str, passes: bool) -> None:
    """At the limit it refuses, and wants trading halted."""
    refusal = g.MaxLoss(D(1000))(context(Order.market("BUY", 1), profit_and_loss=D(result), account="A"))
    assert (refusal is None) is passes
    assert refusal is None or (refusal.halts and "the day's result of A is -" in refusal.reason)


def test_at_the_loss_limit_positions_can_be_closed() -> None:
    """An order that only brings a position nearer to zero passes, and nothing else does."""
    gate = g.MaxLoss(D(1000))
    lost: dict[str, Any] = {"profit_and_loss": D(-2000), "account": "A"}
    held: dict[str, Any] = {"positions": (position(100),), **lost}
    assert gate(context(Order.market("SELL", 100), **held)) is None
    assert gate(context(Order.market("SELL", 101), **held)) is not None
    assert gate(context(Order.market("BUY", 1), **held)) is not None
    assert gate(context(Order.market("SELL", 1), **lost)) is not None
    working = (works(1, Order.limit("SELL", 60, 120)),)
    assert gate(context(Order.market("SELL", 40), working=working, **held)) is None
    assert gate(context(Order.market("SELL", 41), working=working, **held)) is not None
    short: dict[str, Any] = {"positions": (position(-100),), **lost}
    assert gate(context(Order.market("BUY", 100), **short)) is None
    assert gate(context(Order.market("BUY", 101), **short)) is not None


def test_an_exit_beside_one_that_can_turn_the_position_does_not_only_reduce() -> None:
    """Not even where it adds nothing to that: the larger one of its group is as bad as before."""
    working = (LiveOrder.wanted(1, STOCK, Order.limit("SELL", 20, 120, oca_group="x")),)
    beside = context(
        Order.limit("SELL", 20, 121, oca_group="x"), positions=(position(10),), working=working, account="A"
    )
    assert not g.only_reduces(beside)


def test_an_unknown_result_is_refused_unless_unknowns_pass() -> None:
    """And does not halt: nothing is proved. Closing passes."""
    refusal = sure(g.MaxLoss(D(1000))(context(Order.market("BUY", 1), positions=())))
    assert not refusal.halts
    assert "not known" in refusal.reason
    assert g.MaxLoss(D(1000), passes_unknown=True)(context(Order.market("BUY", 1))) is None
    assert g.MaxLoss(D(1000))(context(Order.market("SELL", 1), positions=(position(1),), account="A")) is None


@given(
    st.integers(-50, 50),
    st.sampled_from(["BUY", "SELL"]),
    st.integers(1, 100),
    st.lists(st.tuples(st.sampled_from(["BUY", "SELL"]), st.integers(1, 50)), max_size=3),
)
def test_what_only_reduces_can_never_leave_a_larger_position(
    held: int, side: str, size: int, resting: list[tuple[str, int]]
) -> None:
    """Whichever of the orders fill: with the new one filled, the position is no larger than without it."""
    order = Order.market(side, size)
    working = tuple(works(n, Order.market(action, units)) for n, (action, units) in enumerate(resting, 1))
    given: dict[str, Any] = {
        "positions": (position(held),) if held else (),
        "working": working,
        "account": "A",
    }
    if not g.only_reduces(context(order, **given)):
        return
    others = [one.action.sign * int(one.remaining or 0) for one in working]
    same_side = sum(units for units in others if units * order.action.sign > 0)
    far = held + order.action.sign * size + same_side
    assert abs(far) <= abs(held)
    assert far * held >= 0


# --- only for some ----------------------------------------------------------------------------------


def test_a_gate_for_some_symbols() -> None:
    """Others pass it unseen; it has the name and the needs of what it holds."""
    gate = g.OnlyFor({"ES"}, g.MaxOrderSize(D(2)))
    assert gate(context(Order.market("BUY", 3))) is None
    assert gate(context(Order.market("BUY", 3), FUTURE)) is not None
    assert gate.name == "order size of ES"
    assert g.OnlyFor({"ES"}, g.MaxLoss(D(2))).needs == g.MaxLoss.needs
