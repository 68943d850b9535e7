"""The market data tables against the official client, both ways."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.wire.codec import decode_request
from ibkr_core.wire.registry import answers, requests
from wire.arguments import assert_heard, heard
from wire.official_compare import differences, same
from wire.oracle import BOUNDARIES, OLD_CLIENT, OfficialClient, versions
from wire.orders import BY_TYPE_HERE
from wire.sent import CONTRACT_FIELDS, check_request, sample_combo, sample_contract
from wire.values import strategy

EVERY_VERSION = st.sampled_from(versions()) | st.sampled_from(versions(*BOUNDARIES))
TICK_TYPES = st.integers(0, 104)
DEPTH = strategy("MarketDepthData", by_type=BY_TYPE_HERE, required={"operation", "side", "position"})
NAMED = set(CONTRACT_FIELDS) - {"includeExpired", "secIdType", "secId", "issuerId"}

SPECS = {
    "tickSize": "reqId:int tickType:int size:dec",
    "tickGeneric": "reqId:int tickType:int value:float",
    "tickString": "reqId:int tickType:int value:str",
    "tickSnapshotEnd": "reqId:int",
    "marketDataType": "reqId:int marketDataType:int",
    "tickReqParams": "reqId:int minTick:float bboExchange:str snapshotPermissions:int",
    "rerouteMktDataReq": "reqId:int conId:int exchange:str",
    "rerouteMktDepthReq": "reqId:int conId:int exchange:str",
    "updateMktDepth": "reqId:int marketDepthData.position:int marketDepthData.operation:int "
    "marketDepthData.side:int marketDepthData.price:float marketDepthData.size:dec",
    "tickEFP": "reqId:int tickType:int basisPoints:float formattedBasisPoints:str totalDividends:float "
    "holdDays:int futureLastTradeDate:str dividendImpact:float dividendsToLastTradeDate:float",
}


@pytest.mark.parametrize("kind", SPECS)
@given(EVERY_VERSION, st.data())
def test_the_client_hears_us(kind: str, version: int, data: st.DataObject) -> None:
    """Each argument of each callback is what was given."""
    fields = data.draw(
        strategy(
            answers().by_name[kind].message,
            overrides={"tickType": TICK_TYPES, "marketDepthData": DEPTH, "minTick": st.just(None)},
            required={"tickType", "marketDepthData"},
            by_type=BY_TYPE_HERE,
        )
    )
    fields.pop("minTick", None)
    assert_heard(kind, fields, version, SPECS[kind])


@given(EVERY_VERSION, st.integers(1, 10**6))
def test_the_smallest_tick_is_an_exact_decimal(version: int, thousandths: int) -> None:
    """TickReqParams carries its increment as text in protobuf, as a number in text."""
    from decimal import Decimal

    increment = Decimal(thousandths) / 1000
    ((_, arguments),) = heard("tickReqParams", {"reqId": 1, "minTick": increment}, version)
    assert arguments[1] == float(increment)


@given(
    EVERY_VERSION,
    strategy("TickPrice", by_type=BY_TYPE_HERE, required={"tickType", "attrMask"}),
    TICK_TYPES,
    st.integers(0, 7),
)
def test_the_client_hears_prices(version: int, fields: dict[str, Any], tick_type: int, mask: int) -> None:
    """Price, attributes, and the size that rides along with bid, ask and last."""
    fields |= {"tickType": tick_type, "attrMask": mask}
    calls = heard("tickPrice", fields, version)
    name, (req_id, got_type, price, attributes) = calls[0]
    assert name == "tickPrice"
    assert same("int", fields.get("reqId"), req_id)
    assert got_type == tick_type
    assert same("float", fields.get("price"), price)
    assert (attributes.canAutoExecute, attributes.pastLimit, attributes.preOpen) == (
        bool(mask & 1),
        bool(mask & 2),
        bool(mask & 4),
    )
    sizes = {1: 0, 2: 3, 4: 5, 66: 69, 67: 70, 68: 71}
    if tick_type in sizes:
        ((name, (req_id, size_type, size)),) = calls[1:]
        assert (name, size_type) == ("tickSize", sizes[tick_type])
        assert same("dec", fields.get("size"), size)


COMPUTED = "impliedVol delta optPrice pvDividend gamma vega theta undPrice".split()


@given(EVERY_VERSION, strategy("TickOptionComputation", required={"tickType", "tickAttrib"}), TICK_TYPES)
def test_the_client_hears_option_computations(version: int, fields: dict[str, Any], tick_type: int) -> None:
    """Every greek arrives; what was not computed is None for the client."""
    fields |= {"tickType": tick_type}
    if fields.get("impliedVol", 0) < 0:
        del fields["impliedVol"]
    ((name, arguments),) = heard("tickOptionComputation", fields, version)
    assert name == "tickOptionComputation"
    assert same("int", fields.get("reqId"), arguments[0])
    assert arguments[1] == tick_type
    if version >= 156:
        assert arguments[2] == fields["tickAttrib"]
    for greek, got in zip(COMPUTED, arguments[-8:], strict=True):
        value = fields.get(greek)
        not_computed = -2 if greek in {"delta", "gamma", "vega", "theta"} else -1
        assert got == (None if value in {None, not_computed} else value), greek


@given(EVERY_VERSION, st.data())
def test_the_client_hears_the_second_level(version: int, data: st.DataObject) -> None:
    """Depth with market makers, and from 146 on the mark of aggregated depth."""
    fields = {"reqId": data.draw(st.integers(0, 99)), "marketDepthData": data.draw(DEPTH)}
    spec = "reqId:int marketDepthData.position:int marketDepthData.marketMaker:str "
    spec += "marketDepthData.operation:int "
    spec += "marketDepthData.side:int marketDepthData.price:float marketDepthData.size:dec "
    spec += "marketDepthData.isSmartDepth:bool" if version >= 146 else "-"
    assert_heard("updateMktDepthL2", fields, version, spec)


@given(EVERY_VERSION, st.data(), st.sampled_from([1, 2, 3, 4]))
def test_the_client_hears_tick_by_tick(version: int, data: st.DataObject, tick_type: int) -> None:
    """The three shapes of tick-by-tick data, their flags in the right bits."""
    part, message = {
        1: ("historicalTickLast", "HistoricalTickLast"),
        2: ("historicalTickLast", "HistoricalTickLast"),
        3: ("historicalTickBidAsk", "HistoricalTickBidAsk"),
        4: ("historicalTickMidPoint", "HistoricalTick"),
    }[tick_type]
    overrides = {
        "tickAttribLast": strategy("TickAttribLast", required={"pastLimit", "unreported"}),
        "tickAttribBidAsk": strategy("TickAttribBidAsk", required={"bidPastLow", "askPastHigh"}),
    }
    tick = data.draw(
        strategy(message, by_type=BY_TYPE_HERE, overrides=overrides, required={"time", *overrides})
    )
    ((name, arguments),) = heard("tickByTick", {"reqId": 3, "tickType": tick_type, part: tick}, version)
    if tick_type == 4:
        assert name == "tickByTickMidPoint"
        assert arguments[:2] == (3, tick["time"])
        assert same("float", tick.get("price"), arguments[2])
        return
    names = "price:float size:dec tickAttribLast exchange:str specialConditions:str"
    if tick_type == 3:
        assert (name, arguments[:2]) == ("tickByTickBidAsk", (3, tick["time"]))
        names = "priceBid:float priceAsk:float sizeBid:dec sizeAsk:dec tickAttribBidAsk"
        got = arguments[2:]
    else:
        assert (name, arguments[:3]) == ("tickByTickAllLast", (3, tick_type, tick["time"]))
        got = arguments[3:]
    for word, value in zip(names.split(), got, strict=True):
        name, _, kind = word.partition(":")
        if kind:
            assert same(kind, tick.get(name), value), name
        else:
            flags = "TickAttribLast" if name == "tickAttribLast" else "TickAttribBidAsk"
            assert not differences(flags, tick[name], value, set(tick[name]))


@given(EVERY_VERSION, strategy("DeltaNeutralContract", required={"conId", "delta", "price"}))
def test_the_client_hears_delta_neutral_confirmations(version: int, contract: dict[str, Any]) -> None:
    """A message that never became protobuf."""
    fields = {"reqId": 4, "deltaNeutralContract": contract}
    ((name, (req_id, got)),) = heard("deltaNeutralValidation", fields, version)
    assert (name, req_id) == ("deltaNeutralValidation", 4)
    assert (got.conId, got.delta, got.price) == (contract["conId"], contract["delta"], contract["price"])


def test_we_read_the_client() -> None:
    """Each market data request, at every version, and back byte by byte."""
    contract = sample_contract()
    check_request(
        "reqMktData",
        (1, contract, "233,236", True, False, []),
        {"reqId": 1, "genericTickList": "233,236", "snapshot": True, "regulatorySnapshot": False},
        contract=NAMED,
    )
    check_request("cancelMktData", (1,), {"reqId": 1})
    check_request("reqMarketDataType", (3,), {"marketDataType": 3})
    check_request(
        "reqMktDepth",
        (1, contract, 5, True, []),
        {"reqId": 1, "numRows": 5, "isSmartDepth": True},
        since=149,
        contract=NAMED,
    )
    check_request("cancelMktDepth", (1, True), {"reqId": 1, "isSmartDepth": True}, since=146)
    check_request(
        "reqTickByTickData",
        (1, contract, "Last", 10, True),
        {"reqId": 1, "tickType": "Last", "numberOfTicks": 10, "ignoreSize": True},
        contract=NAMED,
    )
    check_request("cancelTickByTickData", (1,), {"reqId": 1})


def test_we_read_option_requests() -> None:
    """Calculations and exercising, at every version, and back byte by byte."""
    contract = sample_contract()
    fields = {"reqId": 1, "underPrice": 99.5}
    check_request(
        "calculateImpliedVolatility",
        (1, contract, 2.5, 99.5, []),
        fields | {"optionPrice": 2.5},
        contract=NAMED,
    )
    check_request("cancelCalculateImpliedVolatility", (1,), {"reqId": 1})
    check_request(
        "calculateOptionPrice", (1, contract, 0.25, 99.5, []), fields | {"volatility": 0.25}, contract=NAMED
    )
    check_request("cancelCalculateOptionPrice", (1,), {"reqId": 1})
    exercise = {"orderId": 1, "exerciseAction": 1, "exerciseQuantity": 2, "account": "DU1", "override": True}
    more = (
        {} if OLD_CLIENT else {"manualOrderTime": "t", "customerAccount": "c", "professionalCustomer": True}
    )
    late = {"manualOrderTime": 180, "customerAccount": 183, "professionalCustomer": 184}
    if OLD_CLIENT:
        check_request(
            "exerciseOptions",
            (1, contract, 1, 2, "DU1", 1),
            exercise,
            contract=NAMED - {"primaryExch"},
        )
        return
    for since, until, extra in ((142, 180, ()), (180, 183, ("t", "", False)), (184, 999, ("t", "c", True))):
        for version in (version for version in versions() if since <= version < until):
            values = extra or ("", "", False)
            body = OfficialClient(version).body("exerciseOptions", 1, contract, 1, 2, "DU1", 1, *values)
            got = decode_request(body, version)
            wanted = exercise | {name: value for name, value in more.items() if version >= late[name]}
            assert {name: value for name, value in got.fields.items() if name != "contract"} == wanted, (
                version
            )


@pytest.mark.parametrize("version", versions(*BOUNDARIES))
def test_we_read_the_legs_of_combinations(version: int) -> None:
    """Data requests carry four fields a leg, and the delta-neutral contract."""
    body = OfficialClient(version).body("reqMktData", 1, sample_combo(), "", False, False, [])
    contract = decode_request(body, version).fields["contract"]
    legs = [
        {name: leg[name] for name in ("conId", "ratio", "action", "exchange")}
        for leg in contract["comboLegs"]
    ]
    assert legs == [
        {"conId": 1, "ratio": 1, "action": "BUY", "exchange": "CBOE"},
        {"conId": 2, "ratio": 2, "action": "BUY", "exchange": "CBOE"},
    ]
    assert contract["deltaNeutralContract"] == {"conId": 9, "delta": 0.5, "price": 101.25}
    assert requests().by_name["reqMktData"].protobuf_since == 206
