"""Orders: what can be asked for, in plain words, and what cannot."""

from __future__ import annotations

import decimal
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidContract, InvalidOrder, UnknownField
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Action, BrokerOrder, OcaType, Order, split_names
from ibkr_core.model.orderfields import OTHER_ORDER_FIELDS
from tests.orders import samples

BUILT: dict[str, tuple[Order, dict[str, Any]]] = {
    "market": (Order.market("BUY", 100), {"action": Action.BUY, "quantity": 100, "order_type": "MKT"}),
    "limit": (
        Order.limit("sell", "1.5", "101.25"),
        {
            "action": Action.SELL,
            "quantity": Decimal("1.5"),
            "order_type": "LMT",
            "limit_price": Decimal("101.25"),
        },
    ),
    "stop": (
        Order.stop("SELL", 10, 99.9),
        {"action": Action.SELL, "quantity": 10, "order_type": "STP", "aux_price": Decimal("99.9")},
    ),
    "stop_limit": (
        Order.stop_limit("BUY", 10, 105, 106),
        {"action": Action.BUY, "quantity": 10, "order_type": "STP LMT", "aux_price": 105, "limit_price": 106},
    ),
    "trailing amount": (
        Order.trailing_stop("SELL", 10, trailing_amount="0.5", stop_price=98),
        {
            "action": Action.SELL,
            "quantity": 10,
            "order_type": "TRAIL",
            "aux_price": Decimal("0.5"),
            "trail_stop_price": 98,
        },
    ),
    "trailing percent": (
        Order.trailing_stop("SELL", 10, trailing_percent=1.5),
        {"action": Action.SELL, "quantity": 10, "order_type": "TRAIL", "trailing_percent": Decimal("1.5")},
    ),
}


@pytest.mark.parametrize(("order", "fields"), BUILT.values(), ids=BUILT)
def test_a_builder_sets_its_own_fields_and_leaves_the_rest(order: Order, fields: dict[str, Any]) -> None:
    """Each builder gives exactly its type with its prices; everything else keeps the default."""
    default = Order.market("BUY", 1)
    for field in attrs.fields(Order):
        assert getattr(order, field.name) == fields.get(field.name, getattr(default, field.name)), field.name
    assert isinstance(order.quantity, Decimal)


@pytest.mark.parametrize(
    ("order_type", "prices"),
    [
        ("LMT", {"limit_price": 1}),
        ("LOC", {"limit_price": 1}),
        ("STP", {"aux_price": 1}),
        ("STP PRT", {"aux_price": 1}),
        ("STP LMT", {"aux_price": 1, "limit_price": 1}),
        ("MIT", {"aux_price": 1}),
        ("LIT", {"aux_price": 1, "limit_price": 1}),
        ("TRAIL", {"aux_price": 1}),
        ("TRAIL LIMIT", {"trailing_percent": 1, "limit_offset": 1}),
    ],
)
def test_an_order_type_needs_each_of_its_prices(order_type: str, prices: dict[str, int]) -> None:
    """With all its prices an order stands; without any one of them it is refused and says which."""
    Order(action="BUY", quantity=1, order_type=order_type, **prices)
    for missing in prices:
        rest = {name: price for name, price in prices.items() if name != missing}
        for spelling in (order_type, order_type.lower()):
            with pytest.raises(InvalidOrder, match="needs"):
                Order(action="BUY", quantity=1, order_type=spelling, **rest)


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "no side": (lambda: Order.market("", 1), "action"),
    "strange side": (lambda: Order.market("HOLD", 1), "action"),
    "side is None": (lambda: Order.market(None, 1), "action"),  # type: ignore[arg-type]
    "side is a list": (lambda: Order.market(["BUY"], 1), "action"),  # type: ignore[arg-type]
    "zero quantity": (lambda: Order.market("BUY", 0), "quantity"),
    "negative quantity": (lambda: Order.market("BUY", -100), "quantity"),
    "NaN quantity": (lambda: Order.market("BUY", float("nan")), "quantity"),
    "infinite quantity": (lambda: Order.market("BUY", "inf"), "quantity"),
    "no quantity": (lambda: Order.market("BUY", None), "quantity"),  # type: ignore[arg-type]
    "quantity is a flag": (lambda: Order.market("BUY", True), "quantity"),
    "NaN price": (lambda: Order.limit("BUY", 1, float("nan")), "limit_price"),
    "infinite price": (lambda: Order.limit("BUY", 1, float("inf")), "limit_price"),
    "no price": (lambda: Order.limit("BUY", 1, None), "limit_price"),  # type: ignore[arg-type]
    "NaN stop": (lambda: Order.stop("BUY", 1, Decimal("NaN")), "stop_price"),
    "price in words": (lambda: Order.stop("BUY", 1, "low"), "stop_price"),
    "trail without distance": (lambda: Order.trailing_stop("SELL", 1), "aux_price"),
    "trail by both": (
        lambda: Order.trailing_stop("SELL", 1, trailing_amount=1, trailing_percent=1),
        "trailing_percent",
    ),
    "trail amount 0": (lambda: Order.trailing_stop("SELL", 1, trailing_amount=0), "aux_price"),
    "trail amount, lower case": (
        lambda: Order(action="SELL", quantity=1, order_type="trail", aux_price=-1),
        "aux_price",
    ),
    "trail percent 0": (lambda: Order.trailing_stop("SELL", 1, trailing_percent=0), "trailing_percent"),
    "trail percent 100": (lambda: Order.trailing_stop("SELL", 1, trailing_percent=100), "trailing_percent"),
    "empty type": (lambda: Order(action="BUY", quantity=1, order_type=""), "order_type"),
    "type no text": (lambda: Order(action="BUY", quantity=1, order_type=5), "order_type"),  # type: ignore[arg-type]
    "empty tif": (lambda: Order.market("BUY", 1, tif=""), "tif"),
    "tif no text": (lambda: Order.market("BUY", 1, tif=None), "tif"),
    "GTD without date": (lambda: Order.market("BUY", 1, tif="GTD"), "good_till_date"),
    "oca type 4": (lambda: Order.market("BUY", 1, oca_type=4), "oca_type"),
    "no cash": (lambda: Order.market("BUY", 0, cash_quantity=0), "cash_quantity"),
    "order id": (lambda: Order.market("BUY", 1, orderId=5), "orderId"),
    "perm id": (lambda: Order.market("BUY", 1).replace(permId=5), "permId"),
    "client id in official": (lambda: Order(action="BUY", quantity=1, official={"clientId": 5}), "clientId"),
    "plain field in official": (
        lambda: Order(action="BUY", quantity=1, official={"lmtPrice": 5}),
        "lmtPrice",
    ),
}


@pytest.mark.parametrize(("make", "argument"), BAD.values(), ids=BAD)
def test_an_impossible_order_is_refused_by_name(make: Callable[[], object], argument: str) -> None:
    """What no broker could accept raises InvalidOrder, which names the field, before anything is sent."""
    with pytest.raises(InvalidOrder) as caught:
        make()
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    "make",
    [
        lambda: Order.market("BUY", 1, order_type="LMT", limit_price=5),
        lambda: Order.limit("BUY", 1, 5, lmtPrice=6),
        lambda: Order.stop("BUY", 1, 5, auxPrice=6),
        lambda: Order.trailing_stop("SELL", 1, trailing_amount=1, trailStopPrice=5),
        lambda: Order.market("BUY", 1).replace(limit_price=5, lmtPrice=6),
        lambda: Order.market("BUY", 1, tif="DAY", outside_rth=True, outsideRth=False),
    ],
)
def test_a_field_given_twice_is_refused(make: Callable[[], object]) -> None:
    """Found by examination: one of two values was dropped in silence, and a limit became a market order."""
    with pytest.raises(InvalidOrder, match="give it once"):
        make()


def test_a_plain_field_inside_official_is_answered_with_its_name_here() -> None:
    """Found by examination: official={"lmtPrice": ...} was told to mean triggerPrice."""
    with pytest.raises(InvalidOrder, match="is called limit_price here"):
        Order(action="BUY", quantity=1, official={"lmtPrice": 5})


@pytest.mark.parametrize(
    ("make", "nearest"),
    [
        (lambda: Order.market("BUY", 1, sweepToFil=True), "sweepToFill"),
        (lambda: Order.market("BUY", 1, outside_rht=True), "outside_rth"),
        (lambda: Order.limit("BUY", 1, 5, goodtilldate="x"), "good_till_date"),
        (lambda: Order.market("BUY", 1).replace(limitprice=5), "limit_price"),
        (lambda: Order(action="BUY", quantity=1, official={"sweep_to_fill": True}), "sweepToFill"),
        (lambda: Order(action="BUY", quantity=1, limitPrice=5), "limit_price"),
        (lambda: Order(action="BUY", totalQuantity=5), "quantity"),
    ],
)
def test_a_misspelt_field_names_the_nearest_one(make: Callable[[], object], nearest: str) -> None:
    """The issue's rule: a misspelt field is an error that names the nearest one."""
    with pytest.raises(UnknownField) as caught:
        make()
    assert caught.value.nearest == nearest


@pytest.mark.parametrize("name", sorted(OTHER_ORDER_FIELDS))
def test_every_other_official_field_is_reachable_by_its_name(name: str) -> None:
    """Each official field goes into official, through a builder, replace, or directly."""
    value = object()
    assert Order.market("BUY", 1, **{name: value}).official == {name: value}
    assert Order.market("BUY", 1).replace(**{name: value}).official == {name: value}
    assert Order(action="BUY", quantity=1, official={name: value}).official == {name: value}


def test_official_names_with_a_plain_name_are_taken_for_it() -> None:
    """LmtPrice is limit_price: who knows the official names can use them in builders and replace."""
    own, other = split_names({"lmtPrice": 5, "tif": "GTC", "sweepToFill": True})
    assert own == {"limit_price": 5, "tif": "GTC"}
    assert other == {"sweepToFill": True}


def test_replace_merges_official_fields_and_checks_again() -> None:
    """A copy keeps what was not changed; a change that breaks a rule raises and leaves the original."""
    order = Order.limit("BUY", 10, 100, sweepToFill=True, tif="GTC")
    changed = order.replace(lmtPrice="101", hedgeType="B")
    assert changed.limit_price == 101
    assert changed.official == {"sweepToFill": True, "hedgeType": "B"}
    assert changed.tif == "GTC"
    assert order.limit_price == 100
    assert order.official == {"sweepToFill": True}
    with pytest.raises(InvalidOrder):
        order.replace(quantity=-1)
    with pytest.raises(InvalidOrder):
        order.replace(limit_price=None)


def test_a_limit_becomes_a_market_order_by_replacing_its_type() -> None:
    """TWS accepts the change from LMT to MKT (TWS facts 6); the old limit does no harm."""
    assert Order.limit("BUY", 10, 100).replace(order_type="MKT").order_type == "MKT"


def test_an_order_is_immutable_to_the_bottom() -> None:
    """Neither the order nor its official fields can be changed, and the caller's dict stays the caller's."""
    mine = {"sweepToFill": True}
    order = Order(action="BUY", quantity=1, official=mine)
    mine["sweepToFill"] = False
    assert order.official == {"sweepToFill": True}
    with pytest.raises(TypeError):
        order.official["sweepToFill"] = False  # type: ignore[index]  # the very fault
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        order.quantity = Decimal(2)  # type: ignore[misc]  # the very fault
    assert hash(order) == hash(Order(action="BUY", quantity=1, official={"sweepToFill": True}))


@pytest.mark.parametrize(
    ("order_type", "prices", "argument"),
    [
        ("MKT", {"limit_price": 150}, "limit_price"),
        ("STP", {"aux_price": 1, "limit_price": 2}, "limit_price"),
        ("LMT", {"limit_price": 2, "aux_price": 1}, "aux_price"),
        ("LMT", {"limit_price": 2, "trailing_percent": 1}, "trailing_percent"),
        ("TRAIL", {"aux_price": 1, "limit_price": 2}, "limit_price"),
    ],
)
def test_a_price_that_the_type_would_ignore_is_refused(
    order_type: str, prices: dict[str, int], argument: str
) -> None:
    """A market order where a limit was meant costs money."""
    with pytest.raises(InvalidOrder, match="would ignore it") as caught:
        Order(action="BUY", quantity=1, order_type=order_type, **prices)
    assert caught.value.argument == argument


def test_a_new_type_drops_the_prices_that_it_does_not_take() -> None:
    """A limit order that becomes a market order has no limit any more."""
    order = Order.limit("BUY", 1, 150).replace(order_type="mkt")
    assert (order.order_type, order.limit_price) == ("MKT", None)
    order = order.replace(order_type="STP", aux_price=140)
    assert (order.order_type, order.aux_price) == ("STP", 140)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("outside_rth", "no"),
        ("transmit", 1),
        ("display_size", 10.5),
        ("min_quantity", "3"),
        ("parent_id", "5"),
        ("parent_id", True),
        ("account", 1234),
        ("order_ref", 5),
        ("oca_group", None),
        ("trigger_method", "2"),
    ],
)
def test_a_value_of_the_wrong_type_is_refused_by_name(field: str, value: object) -> None:
    """It would fail in the encoder without a name, or reach the wire."""
    with pytest.raises(InvalidOrder, match="must be") as caught:
        Order(action="BUY", quantity=1, **{field: value})
    assert caught.value.argument == field


@pytest.mark.parametrize(("tried", "meant"), [("stop_price", "aux_price"), ("price", "limit_price")])
def test_names_that_people_try_are_answered_with_the_right_one(tried: str, meant: str) -> None:
    """The most similar name can be a different price."""
    with pytest.raises(UnknownField, match=f"did you mean '{meant}'"):
        Order.market("BUY", 1).replace(**{tried: 5})


def test_text_fields_are_read_whatever_their_case() -> None:
    """The broker echoes them in capitals."""
    order = Order(action="buy", quantity=1, order_type="lmt", limit_price=5, tif="gtc")
    assert (order.order_type, order.tif) == ("LMT", "GTC")


def test_an_order_sized_elsewhere_may_have_no_quantity() -> None:
    """Children of a hedge are sent with 0 and sized by IB; a cash order is sized by its money (facts 6)."""
    assert Order.market("BUY", 0, hedgeType="D").quantity == 0
    assert Order.market("BUY", 0, cash_quantity=500).cash_quantity == 500
    with pytest.raises(InvalidOrder):
        Order.market("BUY", -1, hedgeType="D")


@given(
    st.decimals(min_value="1E-8", max_value="1E+9"),
    st.decimals(min_value="-1E+9", max_value="1E+9").filter(lambda x: not x or x.adjusted() >= -28),
)
def test_quantities_and_prices_are_exact(quantity: Decimal, price: Decimal) -> None:
    """What goes in comes out, digit by digit, also under a coarse decimal context."""
    with decimal.localcontext(decimal.Context(prec=2)):
        order = Order.limit("BUY", quantity, str(price))
    assert str(order.quantity) == str(quantity)
    assert str(order.limit_price) == str(price)


@pytest.mark.parametrize("price", [0, -1])
@pytest.mark.parametrize("sec_type", ["STK", "CFD", "CASH", "CRYPTO", "FUND"])
def test_a_price_of_zero_or_less_is_refused_where_no_such_price_exists(sec_type: str, price: int) -> None:
    """A negative stock price is a slip of the finger."""
    contract = Contract(symbol="X", sec_type=sec_type, exchange="SMART", currency="USD")
    for order in (Order.limit("BUY", 1, price), Order.stop("BUY", 1, price)):
        with pytest.raises(InvalidOrder, match="above zero"):
            order.check(contract)
    Order.limit("BUY", 1, "0.01").check(contract)


@pytest.mark.parametrize(
    "contract",
    [
        Contract.combo("SPY", (ComboLeg(1), ComboLeg(2, action="SELL"))),
        Contract.future("CL", "202612", "NYMEX"),
        Contract.option("SPY", "20261218", 600, "C"),
        Contract.by_con_id(1),
    ],
    ids=lambda contract: contract.sec_type,
)
def test_combos_and_derivatives_may_have_negative_prices(contract: Contract) -> None:
    """A combo for a credit has one (TWS facts 3), and oil futures had one."""
    Order.limit("BUY", 1, "-1.25").check(contract)


def test_an_index_cannot_be_traded_and_a_bad_contract_is_named() -> None:
    """An order is checked against its contract before anything is sent."""
    with pytest.raises(InvalidOrder, match="index cannot be traded"):
        Order.market("BUY", 1).check(Contract.index("SPX", "CBOE"))
    with pytest.raises(InvalidContract):
        Order.market("BUY", 1).check(Contract(symbol="AAPL"))


def test_the_sides_are_opposite_to_each_other() -> None:
    """A short sale closes with a buy like any sale."""
    assert Action.BUY.opposite is Action.SELL
    assert Action.SELL.opposite is Action.BUY
    assert Action.SSHORT.opposite is Action.BUY
    assert (Action.BUY.sign, Action.SELL.sign, Action.SSHORT.sign) == (1, -1, -1)


def test_the_oca_types_are_the_official_numbers() -> None:
    """TWS facts 6: 1 cancels with block, 2 reduces with block, 3 reduces without."""
    assert [(kind.name, int(kind)) for kind in OcaType] == [
        ("CANCEL_WITH_BLOCK", 1),
        ("REDUCE_WITH_BLOCK", 2),
        ("REDUCE_NO_BLOCK", 3),
    ]


def test_the_brokers_echo_is_taken_unchecked() -> None:
    """Echoes drift (TWS facts 2.10): a strange one is a value, not an error."""
    echo = BrokerOrder(order_type="STP", limit_price=Decimal("-13.16"), total_quantity=Decimal(0))
    assert echo.perm_id is None
    assert not echo.what_if


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), Decimal("sNaN"), Decimal("-Infinity")], ids=repr
)
def test_official_numbers_are_finite(value: Any) -> None:
    """NaN means nothing to anybody; infinite is the best offset only, where it means up to the midpoint."""
    with pytest.raises(InvalidOrder, match="percentOffset: must be a finite number"):
        Order.market("BUY", 1, percentOffset=value)
    if isinstance(value, float) and value > 0:
        assert Order.market("BUY", 1, competeAgainstBestOffset=value).official
    else:
        with pytest.raises(InvalidOrder, match="competeAgainstBestOffset"):
            Order.market("BUY", 1, competeAgainstBestOffset=value)


def test_an_order_says_what_it_is() -> None:
    """One line for people, with what is not as usual; its repr has only what was set."""
    assert str(Order.market("BUY", "1E+3")) == "BUY 1000 MKT DAY"
    stop = Order.stop_limit("SELL", 10, 95, "94.50", tif="GTC", oca_group="exit", sweepToFill=True)
    assert str(stop) == "SELL 10 STP LMT 94.50 stop 95 GTC (oca_group exit, sweepToFill True)"
    assert str(Order.stop("SELL", 10, "9E+1")) == "SELL 10 STP 90 DAY"
    assert str(Order.trailing_stop("SELL", 10, trailing_percent="1.5")) == "SELL 10 TRAIL by 1.5% DAY"
    trail = Order.trailing_stop("SELL", 10, trailing_amount=2, stop_price=95)
    assert str(trail) == "SELL 10 TRAIL by 2 DAY (trail_stop_price 95)"
    pegged = Order(action=Action.BUY, quantity=Decimal(1), order_type="PEG MKT", aux_price=Decimal("0.01"))
    assert str(pegged) == "BUY 1 PEG MKT DAY (aux_price 0.01)"
    assert repr(Order.limit("BUY", 10, 150)) == (
        "Order(action=<Action.BUY: 'BUY'>, quantity=Decimal('10'), order_type='LMT', "
        "limit_price=Decimal('150'))"
    )
    assert repr(BrokerOrder(tif="DAY")) == "BrokerOrder(tif='DAY')"


@pytest.mark.parametrize("name", samples.BUILT)
def test_a_labelled_order_is_what_replace_makes(name: str) -> None:
    """Only the reference differs; what it is made of is not touched."""
    order = samples.BUILT[name].order
    made = order.labelled("key")
    assert made == order.replace(order_ref="key")
    assert hash(made) == hash(order.replace(order_ref="key"))
    assert order.order_ref != "key"
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        made.order_ref = "other"  # type: ignore[misc]  # the very fault


def test_a_label_is_a_text() -> None:
    """What a key maker of one's own returns is looked at."""
    with pytest.raises(InvalidOrder, match="order_ref"):
        Order.market("BUY", 1).labelled(7)  # type: ignore[arg-type]  # the very fault
