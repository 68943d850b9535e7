"""Whatever an order says, the gateway answers: no combination of fields raises, hangs or breaks the books."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from ibkr_core.gateway.kinds import KINDS, SIMULATED_TIFS
from tests.gateway.pocket import AAPL, Pocket, gateway, plain
from tests.gateway.test_combos import PAIR
from tests.gateway.test_matrix import FUTURE, SAMPLES
from tests.gateway.test_rejections import CALL

numbers = st.sampled_from([-1e300, -1.0, 0.0, 1e-9, 0.005, 0.01, 1.0, 99.0, 100.01, 105.0, 1e9, 1e12, 1e300])
wholes = st.sampled_from([-(2**31), -1, 0, 1, 2, 7, 8, 10, 100, 2**31 - 1])
texts = st.sampled_from(
    [
        "",
        "STP",
        "TRAIL",
        "STP LMT",
        "MKT",
        "P",
        "B",
        "1",
        "1e300",
        "NaN",
        "Twap",
        "20261124",
        "20261124-15:00:05",
        "20261124 10:00:01 US/Eastern",
        "99991231 23:59:59 US/Pacific",
        "19000101 00:00:00 UTC",
        "nonsense",
    ]
)
conditions = st.lists(
    st.fixed_dictionaries(
        {"type": st.integers(0, 8), "isConjunctionConnection": st.booleans()},
        optional={
            "isMore": st.booleans(),
            "conId": st.sampled_from([0, 265598, 5]),
            "price": numbers,
            "time": texts,
            "percent": wholes,
            "volume": wholes,
            "changePercent": numbers,
            "triggerMethod": wholes,
            "symbol": texts,
            "secType": texts,
            "exchange": texts,
        },
    ),
    max_size=2,
)
contracts = st.sampled_from([AAPL, {**AAPL, "exchange": "IBKRATS"}, PAIR, CALL, FUTURE])
wild = st.fixed_dictionaries(
    {
        "action": st.sampled_from(["BUY", "SELL", "SELL", "BUY", "X"]),
        "totalQuantity": st.sampled_from(
            [Decimal(one) for one in ("0", "1", "1.5", "10", "1e12", "1e30", "-3")]
        ),
        "orderType": st.sampled_from([*KINDS]),
        "tif": st.sampled_from([*sorted(SIMULATED_TIFS), ""]),
        "transmit": st.just(True),
    },
    optional={
        **dict.fromkeys(
            [
                "lmtPrice",
                "auxPrice",
                "trailingPercent",
                "trailStopPrice",
                "lmtPriceOffset",
                "percentOffset",
                "cashQty",
                "discretionaryAmt",
                "triggerPrice",
                "adjustedStopPrice",
                "adjustedStopLimitPrice",
                "adjustedTrailingAmount",
                "startingPrice",
                "stockRefPrice",
                "delta",
                "peggedChangeAmount",
                "referenceChangeAmount",
                "volatility",
                "competeAgainstBestOffset",
                "scalePriceIncrement",
            ],
            numbers,
        ),
        **dict.fromkeys(
            [
                "displaySize",
                "minQty",
                "triggerMethod",
                "ocaType",
                "parentId",
                "adjustableTrailingUnit",
                "volatilityType",
                "minTradeQty",
                "minCompeteSize",
                "shortSaleSlot",
                "origin",
                "scaleInitLevelSize",
            ],
            wholes,
        ),
        **dict.fromkeys(
            [
                "goodAfterTime",
                "goodTillDate",
                "hedgeType",
                "hedgeParam",
                "adjustedOrderType",
                "algoStrategy",
                "ocaGroup",
            ],
            texts,
        ),
        **dict.fromkeys(
            [
                "allOrNone",
                "hidden",
                "outsideRth",
                "blockOrder",
                "conditionsCancelOrder",
                "conditionsIgnoreRth",
                "whatIf",
            ],
            st.booleans(),
        ),
        "referenceContractId": st.sampled_from([0, 272093, 5]),
        "conditions": conditions,
        "algoParams": st.dictionaries(st.sampled_from(["startTime", "endTime", "x"]), texts, max_size=2),
    },
)


@settings(max_examples=150)
@given(orders=st.lists(st.tuples(wild, contracts), min_size=1, max_size=4), fractional=st.booleans())
def test_no_order_is_too_wild(orders: list[tuple[dict[str, Any], dict[str, Any]]], fractional: bool) -> None:
    """Placed, watched through a minute and a night of moving prices, cancelled; the books add up."""
    venue = gateway(settings=plain(fractional=fractional))
    client = Pocket(venue)
    for order_id, (fields, contract) in enumerate(orders, 1):
        venue._access(
            lambda inner, number=order_id, told=fields, of=contract: inner.place(1, number, of, told)
        )
        for bid in ("99.00", "101.00", "106.00", "100.00"):
            venue.market("AAPL").set_quote(bid=bid, ask=Decimal(bid) + Decimal("0.01"), last=bid)
        venue.run(61)
    venue.end_day()
    venue.open_exchange()
    client.ask("reqGlobalCancel")
    venue.run(1)
    client.listen()
    for order in venue.books().orders:
        assert order.filled <= order.total
        assert order.status


spoilt = st.sampled_from(sorted(SAMPLES)).flatmap(
    lambda kind: st.tuples(
        st.just(kind),
        st.dictionaries(
            st.sampled_from([*SAMPLES[kind].fields, "lmtPrice", "auxPrice"]), numbers, max_size=2
        ),
    )
)


@settings(max_examples=80)
@given(spoilt=spoilt, action=st.sampled_from(["BUY", "SELL"]))
def test_no_order_that_was_good_is_too_wild(spoilt: tuple[str, dict[str, Any]], action: str) -> None:
    """A sensible order of each type with a number or two spoilt: refused, or it lives through wild prices."""
    kind, changes = spoilt
    venue = gateway(settings=plain())
    order = {
        "action": action,
        "totalQuantity": Decimal(10),
        "orderType": kind,
        "tif": "DAY",
        "transmit": True,
    }
    fields = {**order, **SAMPLES[kind].fields, **changes}
    venue._access(lambda inner: inner.place(1, 1, SAMPLES[kind].contract, fields))
    for bid in ("99", "106", "0.25", "100"):
        for name, product in (("MSFT", "STK"), ("AAPL", "STK"), ("ESZ6", "FUT")):
            venue.market(name, product).set_quote(bid=bid, ask=Decimal(bid) + Decimal("0.25"), last=bid)
    venue.end_day()
    venue.open_exchange()  # for those of the opening
    for one in venue.books().orders:
        assert one.status in {"Filled", "Cancelled", "Inactive"}
