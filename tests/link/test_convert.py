"""Between the official objects and ours: every field arrives, nothing is rounded, no sentinel survives."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.contract import ComboLeg as IbComboLeg
from ibapi.contract import Contract as IbContract
from ibapi.contract import DeltaNeutralContract as IbDeltaNeutral
from ibapi.execution import Execution
from ibapi.order import Order as IbOrder
from ibapi.order_state import OrderState

from ibkr_core.errors import UnknownField
from ibkr_core.link import convert
from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.facts import CommissionFact
from ibkr_core.model.order import Order
from ibkr_core.model.orderfields import ENGINE_FIELDS, OFFICIAL_NAMES, OTHER_ORDER_FIELDS
from tests.link.peers import VERSIONS, answer
from tests.link.test_client import played

# ── numbers ─────────────────────────────────────────────────────────────────────────────────────────

UNSET_NUMBERS: list[Any] = [
    None,
    "",
    "Infinity",
    "-Infinity",
    "NaN",
    "1.7976931348623157E308",
    "1.7976931348623157e+308",
    1.7976931348623157e308,
    float("inf"),
    float("-inf"),
    float("nan"),
    Decimal(2**127 - 1),
    Decimal("NaN"),
    Decimal("Infinity"),
    Decimal("1.7976931348623157E+308"),
]


@pytest.mark.parametrize("unset", UNSET_NUMBERS, ids=repr)
def test_an_unset_number_is_none(unset: Any) -> None:
    """Every way in which ibapi and TWS say "not set" or "no number" ends here."""
    assert convert.number(unset) is None


@pytest.mark.parametrize(
    ("given_", "exact"),
    [
        (0.1, "0.1"),
        (1.1404, "1.1404"),
        (1e-8, "0.00000001"),
        ("1E-8", "0.00000001"),
        ("6.0E-5", "0.000060"),
        (100.0, "100"),
        (100, "100"),
        (0, "0"),
        (0.0, "0"),
        (-1.5, "-1.5"),
        (Decimal("1.1404"), "1.1404"),
        (2**31 - 1, "2147483647"),
        (1e22, "10000000000000000000000"),
    ],
)
def test_a_number_is_exact(given_: Any, exact: str) -> None:
    """A float stands for its shortest decimal text: 0.1 is one tenth."""
    assert convert.number(given_) == Decimal(exact)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**6), max_value=10**6))
def test_a_price_survives_the_way_through_a_float(price: Decimal) -> None:
    """The official client carries prices as floats; up to fourteen digits they come back as they went."""
    assert convert.number(float(price)) == price


@pytest.mark.parametrize("unset", [None, 2**31 - 1, 2**63 - 1])
def test_an_unset_integer_is_none(unset: int | None) -> None:
    """Both the int and the long sentinel, wherever they stand: TWS puts either into order ids."""
    assert convert.integer(unset) is None


@pytest.mark.parametrize("value", [0, -2, 1376327563, 9_000_000_377])
def test_an_integer_stays(value: int) -> None:
    """Zero, negative ids of bound orders, and permIds beyond 32 bits are numbers like others."""
    assert convert.integer(value) == value


# ── orders ──────────────────────────────────────────────────────────────────────────────────────────

FULL = Order(
    action="SELL",
    quantity="1.1404",
    order_type="TRAIL LIMIT",
    aux_price=None,
    limit_offset="0.05",
    trail_stop_price="99.95",
    trailing_percent="1.5",
    tif="GTD",
    outside_rth=True,
    good_after_time="20261121 10:00:00 US/Eastern",
    good_till_date="20261222 10:00:00 US/Eastern",
    oca_group="pair",
    oca_type=2,
    parent_id=41,
    transmit=False,
    account="DU1",
    order_ref="mine",
    hidden=True,
    all_or_none=True,
    min_quantity=3,
    display_size=5,
    trigger_method=4,
    cash_quantity="1000.50",
    what_if=True,
    conditions_cancel=True,
    conditions_outside_rth=True,
)


def test_every_common_field_reaches_the_official_order() -> None:
    """Each plain name fills its official field, with the number type that the encoders expect."""
    official = convert.order_to_official(FULL)
    expected = {
        "action": "SELL",
        "totalQuantity": Decimal("1.1404"),
        "orderType": "TRAIL LIMIT",
        "lmtPriceOffset": 0.05,
        "trailStopPrice": 99.95,
        "trailingPercent": 1.5,
        "tif": "GTD",
        "outsideRth": True,
        "goodAfterTime": "20261121 10:00:00 US/Eastern",
        "goodTillDate": "20261222 10:00:00 US/Eastern",
        "ocaGroup": "pair",
        "ocaType": 2,
        "parentId": 41,
        "transmit": False,
        "account": "DU1",
        "orderRef": "mine",
        "hidden": True,
        "allOrNone": True,
        "minQty": 3,
        "displaySize": 5,
        "triggerMethod": 4,
        "cashQty": 1000.5,
        "whatIf": True,
        "conditionsCancelOrder": True,
        "conditionsIgnoreRth": True,
    }
    assert {name: getattr(official, name) for name in expected} == expected
    prices = ("lmtPriceOffset", "trailStopPrice", "trailingPercent", "cashQty")
    assert {type(getattr(official, name)) for name in prices} == {float}
    assert set(expected) | {"lmtPrice", "auxPrice"} == set(OFFICIAL_NAMES.values())
    assert convert.order_to_official(Order.limit("BUY", 1, "9.5")).lmtPrice == 9.5
    assert convert.order_to_official(Order.stop("BUY", 1, "9.5")).auxPrice == 9.5


def test_what_is_not_set_keeps_the_official_default() -> None:
    """None is not sent as a number: the official sentinel stays where it is."""
    official, usual = convert.order_to_official(Order.market("BUY", 1)), IbOrder()
    for name in (
        "lmtPrice",
        "auxPrice",
        "trailStopPrice",
        "trailingPercent",
        "minQty",
        "cashQty",
        "lmtPriceOffset",
    ):
        assert getattr(official, name) == getattr(usual, name), name
    for retired in ("eTradeOnly", "firmQuoteOnly"):
        assert not getattr(official, retired, False)  # old clients default to True, which earns 10268


@pytest.mark.parametrize("name", sorted(set(vars(IbOrder())) - ENGINE_FIELDS))
def test_every_official_order_field_can_be_reached(name: str) -> None:
    """Each field of the installed Order has a plain name or goes by its official one."""
    if name in OFFICIAL_NAMES.values():
        assert name not in OTHER_ORDER_FIELDS
        return
    marker = object()
    order = Order.market("BUY", 1, **{name: marker})
    assert getattr(convert.order_to_official(order), name) is marker


@pytest.mark.parametrize("name", sorted(OTHER_ORDER_FIELDS - set(vars(IbOrder()))))
def test_a_field_that_the_installed_client_lacks_is_named(name: str) -> None:
    """Known to some ibapi but not to this one: an error before anything is sent."""
    with pytest.raises(UnknownField, match=f"{name}.*installed ibapi"):
        convert.order_to_official(Order.market("BUY", 1, **{name: 1}))


@pytest.mark.parametrize(
    ("wrong", "nearest"),
    [("limmit_price", "limit_price"), ("sweepToFil", "sweepToFill"), ("limitprice", "limit_price")],
)
def test_a_misspelt_field_names_the_nearest_one(wrong: str, nearest: str) -> None:
    """In our words or in the official ones."""
    with pytest.raises(UnknownField) as raised:
        Order.market("BUY", 1, **{wrong: 1})
    assert (raised.value.argument, raised.value.nearest) == (wrong, nearest)


@pytest.mark.parametrize("quantity", ["1E+3", "0.00000001", "1.50", "12345678901234567890.5"])
def test_a_quantity_is_written_without_exponent(quantity: str) -> None:
    """Text encoders send str() of it."""
    official = convert.order_to_official(Order.market("BUY", quantity))
    assert official.totalQuantity == Decimal(quantity)
    assert "E" not in str(official.totalQuantity).upper()


def test_the_callers_order_is_not_touched() -> None:
    """Encoding makes an official object of its own each time."""
    order = Order.market("BUY", 1, algoParams=[1])
    first, second = convert.order_to_official(order), convert.order_to_official(order)
    first.tif = "GTC"
    assert first is not second
    assert (order.tif, second.tif) == ("DAY", "DAY")


prices = st.none() | st.decimals(0, 10**6, places=4, allow_nan=False)
orders = st.builds(
    Order,
    action=st.sampled_from(["BUY", "SELL"]),
    quantity=st.decimals("0.0001", 10**9, places=4, allow_nan=False),
    order_type=st.sampled_from(["PEG MID", "REL", "MIDPRICE"]),  # types that may have any price
    limit_price=prices,
    aux_price=prices,
    trail_stop_price=prices,
    trailing_percent=st.none() | st.decimals("0.1", 99, places=1, allow_nan=False),
    tif=st.sampled_from(["DAY", "GTC", "IOC"]),
    oca_group=st.text("abc", max_size=3),
    oca_type=st.integers(0, 3),
    parent_id=st.integers(0, 10**6),
    account=st.text("DU1", max_size=3),
    order_ref=st.text("abc", max_size=3),
    outside_rth=st.booleans(),
)


@given(orders)
def test_an_order_comes_back_as_it_went(order: Order) -> None:
    """An echo of what we sent shows the same terms."""
    echo = convert.broker_order(convert.order_to_official(order), 7)
    assert echo.order_id == 7
    assert (echo.action, echo.total_quantity) == (order.action.value, order.quantity)
    for name in ("limit_price", "aux_price", "trail_stop_price", "trailing_percent"):
        assert getattr(echo, name) == getattr(order, name)
    for name in (
        "order_type",
        "tif",
        "oca_group",
        "oca_type",
        "parent_id",
        "account",
        "order_ref",
        "outside_rth",
    ):
        assert getattr(echo, name) == getattr(order, name)


# ── contracts ───────────────────────────────────────────────────────────────────────────────────────

COMBO = Contract(
    con_id=28812380,
    symbol="SPY",
    sec_type="BAG",
    exchange="SMART",
    currency="USD",
    combo_legs=(
        ComboLeg(265598, 1, "BUY", "SMART", 1, 2, "HERE", 0),
        ComboLeg(756733, 2, "SELL", "CBOE"),
    ),
    delta_neutral=DeltaNeutral(12, 0.5, "101.25"),
)


def test_a_combo_goes_out_with_all_its_legs() -> None:
    """Legs and the delta-neutral stock are whole official objects."""
    official = convert.contract_to_official(COMBO)
    assert [type(leg) for leg in official.comboLegs] == [IbComboLeg, IbComboLeg]
    leg = official.comboLegs[0]
    assert (leg.conId, leg.ratio, leg.action, leg.exchange) == (265598, 1, "BUY", "SMART")
    assert (leg.openClose, leg.shortSaleSlot, leg.designatedLocation, leg.exemptCode) == (1, 2, "HERE", 0)
    assert isinstance(official.deltaNeutralContract, IbDeltaNeutral)
    stock = official.deltaNeutralContract
    assert (stock.conId, stock.delta, stock.price) == (12, 0.5, 101.25)


texts = st.text("ABC", max_size=4)
contracts = st.just(COMBO) | st.builds(
    Contract,
    con_id=st.integers(0, 2**31 - 2),
    symbol=texts,
    sec_type=st.sampled_from(["STK", "OPT", "FUT"]),
    expiry=st.sampled_from(["", "202612", "20261218"]),
    strike=st.none() | st.decimals("0.01", 10**5, places=2, allow_nan=False),
    right=st.sampled_from(["", "C", "P"]),
    multiplier=st.sampled_from(["", "100", "0.1"]),
    exchange=texts,
    primary_exchange=texts,
    currency=texts,
    local_symbol=texts,
    trading_class=texts,
    sec_id_type=texts,
    sec_id=texts,
)


@given(contracts)
def test_a_contract_comes_back_as_it_went(contract: Contract) -> None:
    """There and back again, nothing is lost or made up."""
    assert convert.contract_from_official(convert.contract_to_official(contract)) == contract


@pytest.mark.parametrize(
    ("strike", "right"), [(0.0, "?"), (0, "0"), (1.7976931348623157e308, ""), (float("inf"), "?")]
)
def test_a_contract_without_option_fields_has_none(strike: float, right: str) -> None:
    """TWS and the clients have several ways of saying that there is no strike and no right."""
    official = IbContract()
    official.strike, official.right = strike, right
    contract = convert.contract_from_official(official)
    assert (contract.strike, contract.right) == (None, "")


# ── facts ───────────────────────────────────────────────────────────────────────────────────────────

INT, LONG, DOUBLE, DECIMAL = 2**31 - 1, 2**63 - 1, 1.7976931348623157e308, Decimal(2**127 - 1)


def test_a_status_of_sentinels_says_nothing() -> None:
    """Every number that the broker did not give is None; the word stays."""
    fact = convert.status_fact(5, "Submitted", DECIMAL, DECIMAL, DOUBLE, LONG, INT, DOUBLE, INT, "", DOUBLE)
    assert (fact.order_id, fact.status) == (5, "Submitted")
    numbers = (fact.filled, fact.remaining, fact.avg_fill_price, fact.last_fill_price, fact.price_cap)
    assert numbers == (None,) * 5
    assert (fact.perm_id, fact.parent_id, fact.client_id) == (None, None, None)


def test_a_status_of_an_old_client_is_exact() -> None:
    """Version 9.81 passes quantities as floats."""
    fact = convert.status_fact(5, "Submitted", 0.1, 1.1404, 99.95, 12, 0, 99.95, 1, "child", 0.0)
    assert (fact.filled, fact.remaining) == (Decimal("0.1"), Decimal("1.1404"))
    assert (fact.avg_fill_price, fact.why_held, fact.price_cap) == (Decimal("99.95"), "child", None)


def test_an_execution_of_sentinels() -> None:
    """An execution from outside IB: no order id, no permId, no running total."""
    official = Execution()
    official.execId, official.side, official.shares, official.price = (
        "a.b.c.01",
        "BOT",
        Decimal("1.1404"),
        0.1,
    )
    official.orderId, official.permId, official.clientId = INT, 0, 0
    official.cumQty, official.avgPrice = DECIMAL, DOUBLE
    fact = convert.execution_fact(-1, IbContract(), official)
    assert (fact.order_id, fact.perm_id, fact.client_id) == (None, None, 0)
    assert (fact.shares, fact.price) == (Decimal("1.1404"), Decimal("0.1"))
    assert (fact.cum_quantity, fact.avg_price) == (None, None)
    assert fact.pending_price_revision is False


def test_an_open_order_of_sentinels() -> None:
    """Prices, ids and the commission of an echo are None where they are unset."""
    order = IbOrder()
    order.permId, order.parentId, order.clientId = LONG, INT, INT
    order.totalQuantity = DECIMAL
    fact = convert.open_order_fact(INT, IbContract(), order, OrderState())
    echo = fact.order
    assert (echo.order_id, echo.perm_id, echo.parent_id, echo.client_id) == (None, None, None, None)
    assert (echo.total_quantity, echo.limit_price, echo.aux_price) == (None, None, None)
    assert fact.commission is None
    assert fact.margin is None


@pytest.mark.parametrize("unset", ["", "1.7976931348623157E308", "Infinity", "NaN"])
def test_a_what_if_answer_reads_its_margins(unset: str) -> None:
    """Margins come as text; what the broker left out is None."""
    order, state = IbOrder(), OrderState()
    order.whatIf = True
    state.initMarginBefore, state.initMarginChange, state.initMarginAfter = "10.5", "-0.25", unset
    state.warningText = "careful"
    margin = convert.open_order_fact(5, IbContract(), order, state).margin
    assert margin is not None
    assert (margin.initial_before, margin.initial_change) == (Decimal("10.5"), Decimal("-0.25"))
    assert (margin.initial_after, margin.maintenance_before) == (None, None)
    assert (margin.commission, margin.min_commission, margin.max_commission) == (None, None, None)
    assert margin.warning == "careful"


@pytest.mark.parametrize("order_id", [0, INT])
def test_a_completed_order_of_the_text_protocol_has_no_ids(order_id: int) -> None:
    """Clients show 0 or the sentinel there, and a client id that means nothing (TWS facts 4)."""
    order = IbOrder()
    order.orderId, order.clientId, order.permId = order_id, 0, 77
    fact = convert.completed_order_fact(IbContract(), order, OrderState())
    assert (fact.order.order_id, fact.order.client_id, fact.order.perm_id) == (None, None, 77)


@pytest.mark.parametrize(
    ("profit", "known", "expected"),
    [(DOUBLE, True, None), (0.0, False, None), (0.0, True, Decimal(0)), (-12.5, True, Decimal("-12.5"))],
)
def test_a_realised_profit_is_a_number_or_none(profit: float, known: bool, expected: Decimal | None) -> None:
    """Absent and DBL_MAX mean none; zero is a number when the broker said zero."""
    report = SimpleNamespace(execId="a.b.c.01", commission=6.0e-5, currency="USD", realizedPNL=profit)
    fact = convert.commission_fact(report, pnl_is_known=known)
    assert fact == CommissionFact(
        exec_id="a.b.c.01", commission=Decimal("0.00006"), currency="USD", realized_pnl=expected
    )


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("profit", [None, 0.0, -3.25])
def test_a_profit_travels_from_the_wire(version: int, profit: float | None) -> None:
    """Through the official decoder, text and protobuf: absence stays absence, zero stays zero."""
    fields: dict[str, Any] = {"execId": "a.b.c.01", "commissionAndFees": 1.0003, "currency": "USD"}
    if profit is not None:
        fields["realizedPNL"] = profit
    recorder = played(answer("commissionReport", version, **fields), version)
    assert recorder.failures == []
    (fact,) = recorder.facts
    assert isinstance(fact, CommissionFact)
    assert fact.commission == Decimal("1.0003")
    assert fact.realized_pnl == (None if profit is None else Decimal(str(profit)))
