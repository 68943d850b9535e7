"""Every order type through the official encoder: byte for byte what an order set by hand would be."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ibapi import order_condition
from ibapi.order import Order as IbOrder
from ibapi.order import OrderComboLeg
from ibapi.tag_value import TagValue

from ibkr_core import orders
from ibkr_core.errors import InvalidInput, RequestRefused, UnknownField
from ibkr_core.link import conditions as link_conditions
from ibkr_core.link import convert
from ibkr_core.model import algos, conditions
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.wire.codec import decode_request
from ibkr_core.wire.framing import FrameBuffer
from tests.link.peers import VERSIONS
from tests.link.test_client import opened
from tests.orders.samples import BUILT, CONDITIONS, WORKED, Sample


def by_hand(fields: dict[str, Any]) -> IbOrder:
    """The official order as its examples make it: one field after the other."""
    official = IbOrder()
    for retired in ("eTradeOnly", "firmQuoteOnly"):
        if hasattr(official, retired):
            setattr(official, retired, False)  # what a gateway of today refuses (wire facts 4)
    official.tif = "DAY"
    for name, value in fields.items():
        assert hasattr(official, name), name
        make = PARTS.get(name)
        setattr(official, name, value if make is None else [make(part) for part in value])
    return official


def leg_by_hand(price: float | None) -> OrderComboLeg:
    leg = OrderComboLeg()
    if price is not None:
        leg.price = price
    return leg


PARTS = {
    "smartComboRoutingParams": lambda pair: TagValue(*pair),
    "algoParams": lambda pair: TagValue(*pair),
    "orderComboLegs": leg_by_hand,
}
"""Fields that hold objects of the official client, and how one is made."""


def official_bytes(version: int, contract: Contract, official: IbOrder) -> bytes:
    """What the official client sends for it."""
    client, _, _ = opened(version=version)
    theirs = convert.contract_to_official(contract)
    return client.encode(lambda: client.placeOrder(7, theirs, official))


def our_bytes(version: int, contract: Contract, order: Order) -> bytes:
    """What our client sends for it."""
    client, _, _ = opened(version=version)
    return client.encode_order(7, contract, order)


def read(version: int, data: bytes) -> dict[str, Any]:
    """The order that a gateway reads out of a request."""
    frames = FrameBuffer()
    frames.feed(data)
    [body] = [bytes(one) for one in frames.frames()]
    fields: dict[str, Any] = decode_request(body, version).fields["order"]
    return fields


def has_fields(sample: Sample) -> bool:
    return set(sample.official) <= set(vars(IbOrder()))


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", BUILT)
def test_a_builder_sends_what_the_official_example_sends(name: str, version: int) -> None:
    """Each field, in each protocol version; what a version cannot carry is refused, never left out."""
    sample = BUILT[name]
    if not has_fields(sample):
        with pytest.raises(UnknownField):
            our_bytes(version, sample.contract, sample.order)
        return
    if not sample.since <= version <= sample.until:
        with pytest.raises(RequestRefused):
            our_bytes(version, sample.contract, sample.order)
        return
    data = our_bytes(version, sample.contract, sample.order)
    assert data == official_bytes(version, sample.contract, by_hand(sample.official))
    arrived = read(version, data)
    assert arrived["orderType"] == sample.official["orderType"]
    for price in ("lmtPrice", "auxPrice"):
        assert arrived.get(price) == sample.official.get(price), price


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", WORKED)
def test_an_algorithm_sends_the_official_parameters(name: str, version: int) -> None:
    """The strategy and each parameter, in the order of the official examples."""
    algo, params, contract = WORKED[name]
    order = orders.worked_by(orders.limit("BUY", 10, 99), algo)
    fields = {
        **BUILT["limit"].official,
        "lmtPrice": 99.0,
        "algoStrategy": name,
        "algoParams": list(params.items()),
    }
    data = our_bytes(version, contract, order)
    assert data == official_bytes(version, contract, by_hand(fields))
    arrived = read(version, data)
    assert (arrived["algoStrategy"], dict(arrived["algoParams"])) == (name, params)


def condition_by_hand(fields: dict[str, Any], *, joined: bool) -> Any:
    made = order_condition.Create(fields["condType"])
    for field, value in fields.items():
        assert hasattr(made, field), field
        setattr(made, field, value)
    made.isConjunctionConnection = joined
    return made


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("cancel", [False, True])
@pytest.mark.parametrize("name", CONDITIONS)
def test_a_condition_sends_what_the_official_object_sends(name: str, cancel: bool, version: int) -> None:
    """Alone, and before another one that it is joined to."""
    condition, fields = CONDITIONS[name]
    last, last_fields = CONDITIONS["time"]
    order = orders.conditional(
        orders.limit("BUY", 10, 99), [condition, last], cancel=cancel, outside_rth=not cancel
    )
    official = by_hand({**BUILT["limit"].official, "lmtPrice": 99.0})
    official.conditions = [
        condition_by_hand(fields, joined=name != "percent"),
        condition_by_hand(last_fields, joined=True),
    ]
    official.conditionsCancelOrder, official.conditionsIgnoreRth = cancel, not cancel
    data = our_bytes(version, BUILT["limit"].contract, order)
    assert data == official_bytes(version, BUILT["limit"].contract, official)
    assert len(read(version, data)["conditions"]) == 2


@pytest.mark.parametrize("name", CONDITIONS)
def test_an_official_condition_becomes_our_value(name: str) -> None:
    """The way back, from an object that the official decoder made."""
    condition, fields = CONDITIONS[name]
    assert (
        link_conditions.condition_from_official(condition_by_hand(fields, joined=not condition.or_next))
        == condition
    )


ODD = st.sampled_from([None, "", "x", -1, 0, float("nan"), float("inf"), 2**31 - 1, object()])


@given(st.sampled_from(sorted(CONDITIONS)), st.data())
def test_a_condition_that_holds_nonsense_is_left_out(name: str, data: st.DataObject) -> None:
    """An echo is the broker's: whatever it holds, nothing is raised on the reader thread."""
    fields = dict(CONDITIONS[name][1])
    wrong = data.draw(st.sampled_from(sorted(set(fields) - {"condType"})))
    fields[wrong] = data.draw(ODD)
    made = link_conditions.condition_from_official(condition_by_hand(fields, joined=True))
    assert made is None or isinstance(made, type(CONDITIONS[name][0]))


@pytest.mark.parametrize("unknown", [None, object(), order_condition.OrderCondition(2)])
def test_a_condition_of_an_unknown_kind_is_left_out(unknown: object) -> None:
    """A broker that learns a new kind breaks nothing."""
    assert link_conditions.condition_from_official(unknown) is None


def test_an_echo_shows_conditions_and_algorithm() -> None:
    """What the broker says of them is in our values."""
    row = tuple(condition for condition, _ in CONDITIONS.values())
    order = Order.limit(
        "BUY", 1, 9, conditions=row, conditions_cancel=True, algo=orders.Vwap(max_pct_vol="0.1")
    )
    echo = convert.broker_order(convert.order_to_official(order), 7)
    assert echo.conditions == row
    assert (echo.conditions_cancel, echo.conditions_outside_rth) == (True, False)
    assert echo.algo_strategy == "Vwap"
    assert dict(echo.algo_params)["maxPctVol"] == "0.1"


@pytest.mark.parametrize(
    "order",
    [
        orders.conditional(orders.market("BUY", 1), orders.ExecutionCondition(symbol="A\0B")),
        orders.worked_by(orders.market("BUY", 1), orders.OtherAlgo("X", {"a": "b\0"})),
        orders.market("BUY", 1, smartComboRoutingParams={"NonGuaranteed\0": "1"}),
    ],
)
def test_a_nul_inside_a_part_is_refused(order: Order) -> None:
    """It would end the field in the text protocol, and shift every field behind it."""
    with pytest.raises(InvalidInput, match="NUL"):
        convert.order_to_official(order)


def test_official_objects_still_go_through() -> None:
    """Whoever has the official client's own objects gives them under the official names."""
    condition = condition_by_hand(CONDITIONS["price"][1], joined=True)
    tags = [TagValue("maxPctVol", "0.1")]
    by_keyword = Order.market("BUY", 1, conditions=[condition], algoStrategy="Vwap", algoParams=tags)
    by_mapping = Order.market(
        "BUY", 1, official={"conditions": [condition], "algoStrategy": "Vwap", "algoParams": tags}
    )
    for order in (by_keyword, by_mapping):
        official = convert.order_to_official(order)
        assert official.conditions == [condition]
        assert (official.algoStrategy, official.algoParams) == ("Vwap", tags)


def test_every_kind_of_value_has_a_sample() -> None:
    """A condition or an algorithm that is new is tried here, too."""
    assert {type(one) for one, _ in CONDITIONS.values()} == set(conditions.CONDITIONS)
    assert {name: type(one) for name, (one, _, _) in WORKED.items()} == dict(algos.ALGOS)
