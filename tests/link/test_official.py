"""A user's own official objects become ours without loss: what leaves is what the official client sends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi.contract import ComboLeg as IbComboLeg
from ibapi.contract import Contract as IbContract
from ibapi.contract import DeltaNeutralContract as IbDeltaNeutral
from ibapi.order import Order as IbOrder
from ibapi.order import OrderComboLeg
from ibapi.order_condition import Create, OrderCondition
from ibapi.softdollartier import SoftDollarTier
from ibapi.tag_value import TagValue

from ibkr_core.errors import InvalidContract, InvalidInput, InvalidOrder, RequestRefused, UnknownField
from ibkr_core.link.convert import NO_RIGHT, contract_to_official, order_to_official
from ibkr_core.link.official import contract_of, order_of
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.orderfields import ENGINE_FIELDS, OFFICIAL_NAMES
from tests.link.peers import VERSIONS
from tests.link.test_client import opened

USUAL = vars(IbOrder())
RETIRED = {"eTradeOnly", "firmQuoteOnly"}
PRICED: dict[str, tuple[str, ...]] = {
    "MKT": (),
    "LMT": ("lmtPrice",),
    "STP": ("auxPrice",),
    "STP LMT": ("auxPrice", "lmtPrice"),
    "TRAIL": ("auxPrice", "trailStopPrice"),
    "TRAIL LIMIT": ("trailingPercent", "lmtPriceOffset", "trailStopPrice"),
    "REL": ("auxPrice", "lmtPrice"),
}
OWN = {*OFFICIAL_NAMES.values(), *ENGINE_FIELDS, *RETIRED}
TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=8)
PRICE = st.integers(1, 9999).map(lambda cents: cents / 100)


def official(**fields: Any) -> IbOrder:
    order = IbOrder()
    given_ = {"action": "BUY", "totalQuantity": Decimal(10), "orderType": "MKT", "tif": "DAY", **fields}
    for name, value in given_.items():
        setattr(order, name, value)
    return order


def condition() -> Any:
    made = Create(OrderCondition.Time)
    made.isMore, made.time = True, "20261120 15:00:00 US/Eastern"
    return made


def values_for(name: str) -> st.SearchStrategy[Any]:
    """Values that a field of the official Order can hold, by what it holds in a new one."""
    special: dict[str, st.SearchStrategy[Any]] = {
        "softDollarTier": st.builds(SoftDollarTier, TEXT, TEXT, TEXT),
        "conditions": st.builds(lambda: [condition()]),
        "algoParams": st.lists(st.builds(TagValue, TEXT, TEXT), min_size=1, max_size=3),
        "smartComboRoutingParams": st.lists(st.builds(TagValue, TEXT, TEXT), min_size=1, max_size=3),
        "orderMiscOptions": st.lists(st.builds(TagValue, TEXT, TEXT), min_size=1, max_size=3),
        "orderComboLegs": st.just([OrderComboLeg()]),
    }
    if name in special:
        return special[name]
    usual = USUAL[name]
    if isinstance(usual, bool) or usual is None:
        return st.booleans()
    if isinstance(usual, int):
        return st.integers(0, 9)
    if isinstance(usual, float):
        return PRICE
    return st.integers(1, 99).map(Decimal) if isinstance(usual, Decimal) else TEXT


@st.composite
def orders(draw: st.DrawFn) -> IbOrder:
    """Official orders with any of the installed client's fields set."""
    kind = draw(st.sampled_from(sorted(PRICED)))
    order = official(
        action=draw(st.sampled_from(["BUY", "SELL", "SSHORT"])),
        totalQuantity=Decimal(draw(st.integers(1, 10**6))) / draw(st.sampled_from([1, 10, 10000])),
        orderType=kind,
        tif=draw(st.sampled_from(["DAY", "GTC", "IOC", "OPG"])),
    )
    for name in PRICED[kind]:
        setattr(order, name, draw(PRICE))
    for name in draw(st.sets(st.sampled_from(sorted(set(USUAL) - OWN)), max_size=6)):
        setattr(order, name, draw(values_for(name)))
    plain = {
        "outsideRth": st.booleans(),
        "goodAfterTime": TEXT,
        "ocaGroup": TEXT,
        "ocaType": st.integers(0, 3),
        "parentId": st.integers(0, 9),
        "transmit": st.booleans(),
        "account": TEXT,
        "orderRef": TEXT,
        "hidden": st.booleans(),
        "allOrNone": st.booleans(),
        "minQty": st.integers(1, 9),
        "displaySize": st.integers(1, 9),
        "triggerMethod": st.integers(0, 8),
        "cashQty": PRICE,
        "whatIf": st.booleans(),
    }
    for name in draw(st.sets(st.sampled_from(sorted(plain)), max_size=6)):
        setattr(order, name, draw(plain[name]))
    return order


def held(order: IbOrder) -> dict[str, Any]:
    """What an official order holds, comparable."""
    fields = {name: value for name, value in vars(order).items() if name not in RETIRED}
    fields["softDollarTier"] = vars(fields["softDollarTier"])
    fields["totalQuantity"] = Decimal(str(fields["totalQuantity"]))
    return {name: value or None if isinstance(value, list) else value for name, value in fields.items()}


@given(orders())
def test_an_official_order_comes_back_as_it_was(order: IbOrder) -> None:
    """Every field of the installed client: through our Order and back, nothing is lost, nothing is added."""
    before = held(order)
    assert held(order_to_official(order_of(order))) == before
    assert held(order) == before, "the caller's own object was touched"


@pytest.mark.parametrize("version", sorted({VERSIONS[0], 178, 203, VERSIONS[-1]} & set(VERSIONS)))
@given(order=orders())
def test_the_bytes_are_those_of_the_official_client(version: int, order: IbOrder) -> None:
    """What leaves for the user's object is what the official ``placeOrder`` would send for it.

    Except where that would leave a field out in silence, which is refused here.
    """
    for name in RETIRED & vars(order).keys():
        setattr(order, name, False)
    client, _, _ = opened(version=version)
    contract = contract_to_official(Contract.stock("AAPL"))
    try:
        wanted = client.encode(lambda: client.placeOrder(7, contract, order))
    except RequestRefused:
        with pytest.raises((RequestRefused, InvalidInput)):
            client.encode_order(7, contract_of(contract), order_of(order))
        return
    try:
        made = client.encode_order(7, contract_of(contract), order_of(order))
    except RequestRefused as refused:
        assert "left out" in str(refused)  # noqa: PT017 - one of two good ends
        return
    assert made == wanted


def test_ours_is_returned_as_it_is() -> None:
    """No copy, no change."""
    order, contract = Order.market("BUY", 1), Contract.stock("AAPL")
    assert order_of(order) is order
    assert contract_of(contract) is contract


def test_an_empty_time_in_force_becomes_day() -> None:
    """The official default is empty, which the preset fills in or the broker refuses (TWS facts 6)."""
    assert order_of(official(tif="")).tif == "DAY"


def test_a_price_of_zero_that_means_nothing_is_left_out() -> None:
    """Much code writes ``lmtPrice = 0`` into market orders; a limit of zero stays a limit of zero."""
    order = order_of(official(lmtPrice=0, auxPrice=0.0))
    assert (order.limit_price, order.aux_price) == (None, None)
    assert order_of(official(orderType="LMT", lmtPrice=0)).limit_price == 0
    with pytest.raises(InvalidOrder, match="limit_price"):
        order_of(official(lmtPrice=101))


def test_numbers_for_flags_are_flags() -> None:
    """The official client takes 0 and 1 too."""
    order = order_of(official(transmit=0, outsideRth=1))
    assert (order.transmit, order.outside_rth) == (False, True)


def test_lists_are_copied() -> None:
    """What the caller does to its own list later on changes no order of ours."""
    params = [TagValue("a", "1")]
    order = order_of(official(algoStrategy="Adaptive", algoParams=params))
    params.clear()
    assert len(order.official["algoParams"]) == 1


NO_ORDER: dict[str, tuple[type[InvalidInput], dict[str, Any]]] = {
    "no side": (InvalidOrder, {"action": ""}),
    "no type": (InvalidOrder, {"orderType": ""}),
    "no quantity": (InvalidOrder, {"totalQuantity": 0}),
    "a quantity that was never set": (InvalidOrder, {"totalQuantity": USUAL["totalQuantity"]}),
    "a quantity of NaN": (InvalidOrder, {"totalQuantity": float("nan")}),
    "an infinite quantity": (InvalidOrder, {"totalQuantity": Decimal("Infinity")}),
    "a signalling NaN": (InvalidOrder, {"totalQuantity": Decimal("sNaN")}),
    "a negative quantity": (InvalidOrder, {"totalQuantity": -1}),
    "a limit of NaN": (InvalidOrder, {"orderType": "LMT", "lmtPrice": float("nan")}),
    "a limit of infinity": (InvalidOrder, {"orderType": "LMT", "lmtPrice": float("inf")}),
    "a limit in words": (InvalidOrder, {"orderType": "LMT", "lmtPrice": "much"}),
    "no limit": (InvalidOrder, {"orderType": "LMT"}),
    "another field of NaN": (InvalidOrder, {"percentOffset": float("nan")}),
    "another field of infinity": (InvalidOrder, {"nbboPriceCap": float("inf")}),
    "an id": (InvalidOrder, {"orderId": 7}),
    "a permId": (InvalidOrder, {"permId": 7}),
    "a client id": (InvalidOrder, {"clientId": 7}),
    "a label that is no text": (InvalidOrder, {"orderRef": 7}),
    "a misspelt field": (UnknownField, {"lmtprice": 101}),
}


@pytest.mark.parametrize("case", NO_ORDER)
def test_an_official_order_that_cannot_work_is_refused(case: str) -> None:
    """By a typed error that names the field; NaN is never taken for "not set"."""
    kind, fields = NO_ORDER[case]
    with pytest.raises(kind) as raised:
        order_of(official(**fields))
    assert raised.value.argument


@pytest.mark.parametrize("thing", [None, "BUY", 7, IbContract(), object()], ids=repr)
def test_something_that_is_no_order_is_refused(thing: Any) -> None:
    """A contract in the order's place too."""
    with pytest.raises(InvalidOrder, match="ibapi"):
        order_of(thing)


# ── contracts ───────────────────────────────────────────────────────────────────────────────────────


@st.composite
def contracts(draw: st.DrawFn) -> IbContract:
    """Official contracts with any of the installed client's fields set."""
    contract = IbContract()
    texts = {name for name, value in vars(contract).items() if isinstance(value, str)}
    for name in draw(st.sets(st.sampled_from(sorted(texts - NEVER_SENT)))):
        setattr(contract, name, draw(TEXT))
    contract.conId = draw(st.integers(0, 10**9))
    contract.includeExpired = draw(st.booleans())
    if draw(st.booleans()):
        contract.strike = draw(PRICE)
    if draw(st.booleans()):
        contract.comboLegs = [draw(legs()) for _ in range(draw(st.integers(1, 3)))]
    if draw(st.booleans()):
        contract.deltaNeutralContract = IbDeltaNeutral()
        contract.deltaNeutralContract.conId = draw(st.integers(1, 99))
        contract.deltaNeutralContract.delta = draw(PRICE)
        contract.deltaNeutralContract.price = draw(PRICE)
    return contract


NEVER_SENT = {"lastTradeDate", "description", "comboLegsDescrip"}
"""Filled by the broker."""


@st.composite
def legs(draw: st.DrawFn) -> IbComboLeg:
    leg = IbComboLeg()
    for name, value in vars(leg).items():
        setattr(leg, name, draw(st.integers(0, 9) if isinstance(value, int) else TEXT))
    return leg


def plain(contract: IbContract) -> dict[str, Any]:
    fields = {name: value for name, value in vars(contract).items() if name not in NEVER_SENT}
    fields["comboLegs"] = [vars(leg) for leg in fields["comboLegs"] or ()]
    fields["right"] = "" if fields["right"] in NO_RIGHT else fields["right"]
    if fields["deltaNeutralContract"] is not None:
        fields["deltaNeutralContract"] = vars(fields["deltaNeutralContract"])
    return fields


@given(contracts())
def test_an_official_contract_comes_back_as_it_was(contract: IbContract) -> None:
    """Every field that is sent, legs and delta-neutral part included."""
    before = plain(contract)
    assert plain(contract_to_official(contract_of(contract))) == before
    assert plain(contract) == before


def test_a_multiplier_may_be_a_number() -> None:
    """The field is a text, which few expect."""
    contract = IbContract()
    contract.multiplier = 100
    assert contract_of(contract).multiplier == "100"


@pytest.mark.parametrize("right", ["0", "?"])
def test_what_the_broker_writes_for_no_right_is_none(right: str) -> None:
    """A share's contract out of a callback (details, a position) can be traded as it is."""
    share = IbContract()
    share.conId, share.exchange, share.right = 265598, "SMART", right
    found = contract_of(share)
    found.check()
    assert contract_to_official(found).right == ""


def test_texts_of_the_broker_are_kept() -> None:
    """Though they are never sent."""
    contract = IbContract()
    contract.comboLegsDescrip = "1|2"
    assert contract_of(contract).combo_legs_description == "1|2"


NO_CONTRACT: dict[str, dict[str, Any]] = {
    "a symbol that is no text": {"symbol": 7},
    "a contract id in words": {"conId": "7"},
    "a strike of NaN": {"strike": float("nan")},
    "a multiplier of a half": {"multiplier": 0.5},
    "a leg that is none": {"comboLegs": ["AAPL"]},
    "a flag that is none": {"includeExpired": "yes"},
    "a delta-neutral part that is none": {"deltaNeutralContract": 7},
    "a misspelt field": {"sectype": "STK"},
}


@pytest.mark.parametrize("case", NO_CONTRACT)
def test_an_official_contract_that_cannot_be_is_refused(case: str) -> None:
    """By a typed error that names the field."""
    contract = IbContract()
    for name, value in NO_CONTRACT[case].items():
        setattr(contract, name, value)
    with pytest.raises((InvalidContract, UnknownField)) as raised:
        contract_of(contract)
    assert raised.value.argument


@pytest.mark.parametrize("thing", [None, "AAPL", 7, IbOrder()], ids=repr)
def test_something_that_is_no_contract_is_refused(thing: Any) -> None:
    """An order in the contract's place too."""
    with pytest.raises(InvalidContract, match="ibapi"):
        contract_of(thing)
