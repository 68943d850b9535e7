"""One order of each builder, and beside it the official fields that the official examples set by hand."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core import orders
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order

AAPL = Contract.stock("AAPL")
ATS = Contract.stock("AAPL", exchange="IBKRATS")
OPTION = Contract.option("AAPL", "20301220", 290, "C")
BOX = Contract.option("AAPL", "20301220", 290, "C", exchange="BOX")
FUTURE = Contract(sec_type="FUT", local_symbol="ESZ6", exchange="CME", currency="USD")
EURO = Contract.forex("EURUSD")
PAIR = Contract.combo("AAPL,MSFT", [ComboLeg(265598, 1, "BUY"), ComboLeg(272093, 2, "SELL")])
AAPL_ID, MSFT_ID = 265598, 272093
INFINITY = float("inf")


@attrs.frozen(kw_only=True)
class Sample:
    """An order, and what it is in the official client's words.

    Attributes:
        order: What the builder makes.
        official: Every official field that is not at its default, but for ``tif``, which is ``DAY``.
        contract: What it is for.
        since: The first server version that carries it.
        until: The last one.
        refused: The code with which the simulated gateway turns it down; None where it takes it.
        fills: Whether it trades at once where AAPL stands at 100.00 to 100.01; None where that is the
            option's affair.
    """

    order: Order
    official: dict[str, Any]
    contract: Contract = AAPL
    since: int = 0
    until: int = 999
    refused: int | None = None
    fills: bool | None = False


def _one(kind: str, action: str = "BUY", quantity: int = 10, **official: Any) -> dict[str, Any]:
    return {"action": action, "totalQuantity": Decimal(quantity), "orderType": kind, **official}


def _make(function: Callable[..., Order], *arguments: Any, **fields: Any) -> Order:
    return function("BUY", 10, *arguments, **fields)


_STOP = orders.stop("SELL", 10, 95)
_SAMPLES_BASIC = {
    "market": Sample(order=_make(orders.market), official=_one("MKT"), fills=True),
    "limit": Sample(order=_make(orders.limit, "99.5"), official=_one("LMT", lmtPrice=99.5)),
    "stop": Sample(order=_make(orders.stop, "105"), official=_one("STP", auxPrice=105.0)),
    "stop_limit": Sample(
        order=_make(orders.stop_limit, "105", "105.5"),
        official=_one("STP LMT", auxPrice=105.0, lmtPrice=105.5),
    ),
    "stop_with_protection": Sample(
        order=_make(orders.stop_with_protection, 9000),
        official=_one("STP PRT", auxPrice=9000.0),
        contract=FUTURE,
    ),
    "trailing_stop": Sample(
        order=orders.trailing_stop("SELL", 10, trailing_percent="1.5", stop_price=98),
        official=_one("TRAIL", "SELL", trailingPercent=1.5, trailStopPrice=98.0),
    ),
    "trailing_stop_limit": Sample(
        order=orders.trailing_stop_limit(
            "SELL", 10, limit_offset="0.10", trailing_amount="0.5", stop_price=98
        ),
        official=_one("TRAIL LIMIT", "SELL", lmtPriceOffset=0.1, auxPrice=0.5, trailStopPrice=98.0),
    ),
    "market_if_touched": Sample(
        order=_make(orders.market_if_touched, 95), official=_one("MIT", auxPrice=95.0)
    ),
    "limit_if_touched": Sample(
        order=_make(orders.limit_if_touched, 95, 94), official=_one("LIT", auxPrice=95.0, lmtPrice=94.0)
    ),
    "trailing_market_if_touched": Sample(
        order=_make(orders.trailing_market_if_touched, trailing_amount=2),
        official=_one("TRAIL MIT", auxPrice=2.0),
    ),
    "trailing_limit_if_touched": Sample(
        order=_make(orders.trailing_limit_if_touched, limit_offset="0.5", trailing_percent=2),
        official=_one("TRAIL LIT", lmtPriceOffset=0.5, trailingPercent=2.0),
    ),
    "market_to_limit": Sample(order=_make(orders.market_to_limit), official=_one("MTL"), fills=True),
    "market_with_protection": Sample(
        order=_make(orders.market_with_protection), official=_one("MKT PRT"), contract=FUTURE, fills=True
    ),
    "midpoint_match": Sample(order=_make(orders.midpoint_match, "99"), official=_one("LMT", lmtPrice=99.0)),
    "limit_ibkrats": Sample(
        order=_make(orders.limit_ibkrats, "99"),
        official=_one("LMT", lmtPrice=99.0, notHeld=True),
        contract=ATS,
    ),
    "discretionary": Sample(
        order=_make(orders.discretionary, "99", "0.05"),
        official=_one("LMT", lmtPrice=99.0, discretionaryAmt=0.05),
    ),
    "iceberg": Sample(
        order=_make(orders.iceberg, "99", 5), official=_one("LMT", lmtPrice=99.0, displaySize=5)
    ),
    "sweep_to_fill": Sample(
        order=_make(orders.sweep_to_fill, "101"),
        official=_one("LMT", lmtPrice=101.0, sweepToFill=True),
        fills=True,
    ),
    "block": Sample(
        order=orders.block("BUY", 60, "1.05"),
        official=_one("LMT", quantity=60, lmtPrice=1.05, blockOrder=True),
        contract=OPTION,
    ),
    "box_top": Sample(order=_make(orders.box_top), official=_one("BOX TOP"), contract=BOX, fills=True),
    "cash_market": Sample(
        order=orders.cash_market("BUY", 5000),
        official=_one("MKT", quantity=0, cashQty=5000.0),
        contract=EURO,
        fills=True,
    ),
    "cash_limit": Sample(
        order=orders.cash_limit("BUY", 5000, "0.9"),
        official=_one("LMT", quantity=0, lmtPrice=0.9, cashQty=5000.0),
        contract=EURO,
    ),
}
_SAMPLES_AUCTION = {
    "at_auction": Sample(order=_make(orders.at_auction, 99), official=_one("MTL", lmtPrice=99.0, tif="AUC")),
    "market_on_open": Sample(order=_make(orders.market_on_open), official=_one("MKT", tif="OPG")),
    "limit_on_open": Sample(
        order=_make(orders.limit_on_open, 99), official=_one("LMT", lmtPrice=99.0, tif="OPG")
    ),
    "market_on_close": Sample(order=_make(orders.market_on_close), official=_one("MOC")),
    "limit_on_close": Sample(order=_make(orders.limit_on_close, 99), official=_one("LOC", lmtPrice=99.0)),
    "auction_limit": Sample(
        order=_make(orders.auction_limit, "1.01", orders.AuctionStrategy.IMPROVEMENT),
        official=_one("LMT", lmtPrice=1.01, auctionStrategy=2),
        contract=BOX,
        until=202,
    ),
    "auction_pegged_to_stock": Sample(
        order=_make(orders.auction_pegged_to_stock, starting_price=1, delta=40),
        official=_one("PEG STK", startingPrice=1.0, delta=40.0),
        contract=BOX,
        fills=None,
    ),
    "auction_relative": Sample(
        order=_make(orders.auction_relative, "0.01"), official=_one("REL", auxPrice=0.01), contract=BOX
    ),
}
_SAMPLES_PEGGED = {
    "relative": Sample(
        order=_make(orders.relative, 0, limit_price=99), official=_one("REL", auxPrice=0.0, lmtPrice=99.0)
    ),
    "pegged_to_primary": Sample(
        order=_make(orders.pegged_to_primary, 0, limit_price=99),
        official=_one("PEG PRIM", auxPrice=0.0, lmtPrice=99.0),
    ),
    "passive_relative": Sample(
        order=_make(orders.passive_relative, "0.05"), official=_one("PASSV REL", auxPrice=0.05)
    ),
    "pegged_to_market": Sample(
        order=_make(orders.pegged_to_market, "0.15"), official=_one("PEG MKT", auxPrice=0.15)
    ),
    "pegged_to_midpoint": Sample(
        order=_make(orders.pegged_to_midpoint, "0.02", limit_price=99),
        official=_one("PEG MID", auxPrice=0.02, lmtPrice=99.0),
    ),
    "pegged_to_midpoint_ibkrats": Sample(
        order=_make(
            orders.pegged_to_midpoint_ibkrats,
            limit_price=99,
            min_trade_quantity=1,
            offset_at_whole="0.02",
            offset_at_half="0.01",
        ),
        official=_one(
            "PEG MID",
            lmtPrice=99.0,
            notHeld=True,
            minTradeQty=1,
            midOffsetAtWhole=0.02,
            midOffsetAtHalf=0.01,
        ),
        contract=ATS,
        since=170,
    ),
    "pegged_to_best": Sample(
        order=_make(orders.pegged_to_best, "0.02", limit_price=99, min_trade_quantity=1, min_compete_size=5),
        official=_one(
            "PEG BEST",
            lmtPrice=99.0,
            notHeld=True,
            minTradeQty=1,
            minCompeteSize=5,
            competeAgainstBestOffset=0.02,
        ),
        contract=ATS,
        since=170,
    ),
    "pegged_to_best_up_to_mid": Sample(
        order=_make(
            orders.pegged_to_best_up_to_mid,
            limit_price=99,
            min_trade_quantity=1,
            min_compete_size=5,
            offset_at_whole="0.02",
            offset_at_half="0.01",
        ),
        official=_one(
            "PEG BEST",
            lmtPrice=99.0,
            notHeld=True,
            minTradeQty=1,
            minCompeteSize=5,
            competeAgainstBestOffset=INFINITY,
            midOffsetAtWhole=0.02,
            midOffsetAtHalf=0.01,
        ),
        contract=ATS,
        since=170,
    ),
    "midprice": Sample(
        order=_make(orders.midprice, limit_price=99), official=_one("MIDPRICE", lmtPrice=99.0)
    ),
    "snap_to_market": Sample(
        order=_make(orders.snap_to_market, "0.05"), official=_one("SNAP MKT", auxPrice=0.05)
    ),
    "snap_to_midpoint": Sample(
        order=_make(orders.snap_to_midpoint, "0.05"), official=_one("SNAP MID", auxPrice=0.05)
    ),
    "snap_to_primary": Sample(order=_make(orders.snap_to_primary), official=_one("SNAP PRIM", auxPrice=0.0)),
    "pegged_to_stock": Sample(
        order=_make(
            orders.pegged_to_stock,
            starting_price="1.05",
            delta=50,
            stock_reference_price=100,
            stock_range_lower=90,
            stock_range_upper=110,
        ),
        official=_one(
            "PEG STK",
            startingPrice=1.05,
            delta=50.0,
            stockRefPrice=100.0,
            stockRangeLower=90.0,
            stockRangeUpper=110.0,
        ),
        contract=OPTION,
    ),
    "pegged_to_benchmark": Sample(
        order=_make(
            orders.pegged_to_benchmark,
            starting_price=99,
            change_amount="0.1",
            reference_con_id=MSFT_ID,
            reference_change_amount=1,
            reference_exchange="ISLAND",
            reference_price=40,
            decrease=True,
            range_lower=30,
            range_upper=50,
            limit_price="99.9",
        ),
        official=_one(
            "PEG BENCH",
            lmtPrice=99.9,
            startingPrice=99.0,
            peggedChangeAmount=0.1,
            isPeggedChangeAmountDecrease=True,
            referenceContractId=MSFT_ID,
            referenceChangeAmount=1.0,
            referenceExchangeId="ISLAND",
            stockRefPrice=40.0,
            stockRangeLower=30.0,
            stockRangeUpper=50.0,
        ),
    ),
}
_SAMPLES_SPECIAL = {
    "volatility": Sample(
        order=_make(
            orders.volatility,
            "0.5",
            continuous=True,
            reference=orders.ReferencePrice.AVERAGE,
            hedge_type="REL",
            hedge_price="0.05",
            hedge_con_id=AAPL_ID,
        ),
        official=_one(
            "VOL",
            volatility=0.5,
            volatilityType=2,
            continuousUpdate=True,
            referencePriceType=1,
            deltaNeutralOrderType="REL",
            deltaNeutralAuxPrice=0.05,
            deltaNeutralConId=AAPL_ID,
        ),
        contract=OPTION,
        fills=None,
    ),
    "adjusted_to_stop": Sample(
        order=orders.adjusted_to_stop(_STOP, 110, 101),
        official=_one(
            "STP",
            "SELL",
            auxPrice=95.0,
            adjustedOrderType="STP",
            triggerPrice=110.0,
            adjustedStopPrice=101.0,
        ),
    ),
    "adjusted_to_stop_limit": Sample(
        order=orders.adjusted_to_stop_limit(_STOP, 110, 101, "100.5"),
        official=_one(
            "STP",
            "SELL",
            auxPrice=95.0,
            adjustedOrderType="STP LMT",
            triggerPrice=110.0,
            adjustedStopPrice=101.0,
            adjustedStopLimitPrice=100.5,
        ),
    ),
    "adjusted_to_trail": Sample(
        order=orders.adjusted_to_trail(_STOP, 110, stop_price=104, trailing_percent=5),
        official=_one(
            "STP",
            "SELL",
            auxPrice=95.0,
            adjustedOrderType="TRAIL",
            triggerPrice=110.0,
            adjustedStopPrice=104.0,
            adjustedTrailingAmount=5.0,
            adjustableTrailingUnit=100,
        ),
    ),
    "adjusted_to_trail_limit": Sample(
        order=orders.adjusted_to_trail_limit(_STOP, 110, limit_price=103, trailing_amount=2),
        official=_one(
            "STP",
            "SELL",
            auxPrice=95.0,
            adjustedOrderType="TRAIL LIMIT",
            triggerPrice=110.0,
            adjustedStopLimitPrice=103.0,
            adjustedTrailingAmount=2.0,
            adjustableTrailingUnit=0,
        ),
    ),
    "scaled": Sample(
        order=orders.scaled(
            orders.limit("BUY", 1000, 99),
            initial_size=100,
            subsequent_size=50,
            price_increment="0.05",
            random_size=True,
            price_adjust_value="0.1",
            price_adjust_interval_s=60,
            profit_offset="0.2",
            auto_reset=True,
            initial_position=10,
            initial_fill_quantity=5,
        ),
        official=_one(
            "LMT",
            quantity=1000,
            lmtPrice=99.0,
            scaleInitLevelSize=100,
            scaleSubsLevelSize=50,
            scalePriceIncrement=0.05,
            scaleRandomPercent=True,
            scalePriceAdjustValue=0.1,
            scalePriceAdjustInterval=60,
            scaleProfitOffset=0.2,
            scaleAutoReset=True,
            scaleInitPosition=10,
            scaleInitFillQty=5,
        ),
        refused=10340,
    ),
    "beta_hedge": Sample(
        order=orders.beta_hedge("SELL", 7, "0.8"),
        official=_one("MKT", "SELL", 0, parentId=7, hedgeType="B", hedgeParam="0.8"),
    ),
    "pair_hedge": Sample(
        order=orders.pair_hedge("SELL", 7, 2),
        official=_one("MKT", "SELL", 0, parentId=7, hedgeType="P", hedgeParam="2"),
    ),
    "delta_hedge": Sample(
        order=orders.delta_hedge("SELL", 7),
        official=_one("MKT", "SELL", 0, parentId=7, hedgeType="D"),
    ),
    "fx_hedge": Sample(
        order=orders.fx_hedge("BUY", 7),
        official=_one("MKT", "BUY", 0, parentId=7, hedgeType="F"),
        contract=EURO,
        refused=10063,
    ),
}
_SAMPLES_COMBO = {
    "combo_market": Sample(
        order=_make(orders.combo_market, guaranteed=False),
        official=_one("MKT", smartComboRoutingParams=[("NonGuaranteed", "1")]),
        contract=PAIR,
        fills=True,
    ),
    "combo_limit": Sample(
        order=_make(orders.combo_limit, "-5"), official=_one("LMT", lmtPrice=-5.0), contract=PAIR
    ),
    "combo_limit_by_leg": Sample(
        order=_make(orders.combo_limit_by_leg, ["99.5", "41"]),
        official=_one("LMT", orderComboLegs=[99.5, 41.0], smartComboRoutingParams=[("NonGuaranteed", "1")]),
        contract=PAIR,
    ),
    "relative_limit_combo": Sample(
        order=_make(orders.relative_limit_combo, "10"),
        official=_one("REL + LMT", lmtPrice=10.0, smartComboRoutingParams=[("NonGuaranteed", "1")]),
        contract=PAIR,
    ),
    "relative_market_combo": Sample(
        order=_make(orders.relative_market_combo, guaranteed=True),
        official=_one("REL + MKT"),
        contract=PAIR,
        fills=True,
    ),
    "limit_market_combo": Sample(
        order=_make(orders.limit_market_combo, "10"),
        official=_one("LMT + MKT", lmtPrice=10.0, smartComboRoutingParams=[("NonGuaranteed", "1")]),
        contract=PAIR,
    ),
}

BUILT: dict[str, Sample] = {
    **_SAMPLES_BASIC,
    **_SAMPLES_AUCTION,
    **_SAMPLES_PEGGED,
    **_SAMPLES_SPECIAL,
    **_SAMPLES_COMBO,
}
"""A sample of each builder that makes a type of order, by its name."""

DAY = {"startTime": "10:00:00 US/Eastern", "endTime": "15:30:00 US/Eastern"}
SPAN: dict[str, Any] = {"start_time": DAY["startTime"], "end_time": DAY["endTime"]}
WORKED: dict[str, tuple[orders.Algo, dict[str, str], Contract]] = {
    "Adaptive": (orders.Adaptive(priority="Urgent"), {"adaptivePriority": "Urgent"}, AAPL),
    "ArrivalPx": (
        orders.ArrivalPrice(max_pct_vol="0.1", risk_aversion="Get Done", **SPAN, force_completion=True),
        {
            "maxPctVol": "0.1", "riskAversion": "Get Done", **DAY, "forceCompletion": "1",
            "allowPastEndTime": "0",
        },
        AAPL,
    ),
    "DarkIce": (
        orders.DarkIce(display_size=5, **SPAN, allow_past_end_time=True),
        {"displaySize": "5", **DAY, "allowPastEndTime": "1"},
        AAPL,
    ),
    "PctVol": (
        orders.PctVol(pct_vol="0.5", **SPAN, no_take_liq=True),
        {"pctVol": "0.5", **DAY, "noTakeLiq": "1"},
        AAPL,
    ),
    "PctVolPx": (
        orders.PctVolPrice(
            pct_vol="0.1", delta_pct_vol="0.05", min_pct_vol="0.01", max_pct_vol="0.2", **SPAN
        ),
        {
            "pctVol": "0.1", "deltaPctVol": "0.05", "minPctVol4Px": "0.01", "maxPctVol4Px": "0.2", **DAY,
            "noTakeLiq": "0",
        },
        AAPL,
    ),
    "PctVolSz": (
        orders.PctVolSize(start_pct_vol="0.2", end_pct_vol="0.4", **SPAN),
        {"startPctVol": "0.2", "endPctVol": "0.4", **DAY, "noTakeLiq": "0"},
        AAPL,
    ),
    "PctVolTm": (
        orders.PctVolTime(start_pct_vol="0.2", end_pct_vol="0.4"),
        {"startPctVol": "0.2", "endPctVol": "0.4", "noTakeLiq": "0"},
        AAPL,
    ),
    "Twap": (
        orders.Twap(strategy_type="Matching Last", **SPAN),
        {"strategyType": "Matching Last", **DAY, "allowPastEndTime": "0"},
        AAPL,
    ),
    "Vwap": (
        orders.Vwap(max_pct_vol="0.2", **SPAN),
        {"maxPctVol": "0.2", **DAY, "allowPastEndTime": "0", "noTakeLiq": "0"},
        AAPL,
    ),
    "AD": (
        orders.AccumulateDistribute(
            component_size=2, time_between_orders=60, randomize_time=True, catch_up=True, wait_for_fill=True
        ),
        {
            "componentSize": "2", "timeBetweenOrders": "60", "randomizeTime20": "1", "randomizeSize55": "0",
            "catchUp": "1", "waitForFill": "1",
        },
        AAPL,
    ),
    "BalanceImpactRisk": (
        orders.BalanceImpactRisk(max_pct_vol="0.1", risk_aversion="Passive"),
        {"maxPctVol": "0.1", "riskAversion": "Passive", "forceCompletion": "0"},
        OPTION,
    ),
    "MinImpact": (orders.MinimiseImpact(max_pct_vol="0.3"), {"maxPctVol": "0.3"}, OPTION),
    "ClosePx": (
        orders.ClosePrice(max_pct_vol="0.1", start_time=DAY["startTime"], force_completion=True),
        {
            "maxPctVol": "0.1", "riskAversion": "Neutral", "startTime": DAY["startTime"],
            "forceCompletion": "1",
        },
        AAPL,
    ),
    "VWAP": (
        orders.JefferiesVwap(**SPAN, max_volume_rate=10, exclude_auctions="Exclude_Both", is_buy_back=True),
        {
            "StartTime": DAY["startTime"], "EndTime": DAY["endTime"], "MaxVolumeRate": "10",
            "ExcludeAuctions": "Exclude_Both", "IsBuyBack": "1",
        },
        AAPL.replace(exchange="JEFFALGO"),
    ),
    "INLINE": (
        orders.CsfbInline(exec_style="Patient", min_percent=10, max_percent=20, display_size=100),
        {
            "ExecStyle": "Patient", "MinPercent": "10", "MaxPercent": "20", "DisplaySize": "100",
            "BlockFinder": "0",
        },
        AAPL.replace(exchange="CSFBALGO"),
    ),
    "STROBE": (
        orders.QbStrobe(benchmark="TWAP", percent_volume="9.5", no_clean_up=True),
        {"Benchmark": "TWAP", "PercentVolume": "9.5", "NoCleanUp": "1"},
        AAPL.replace(exchange="QBALGO"),
    ),
}  # fmt: skip
"""A sample of each algorithm by its official name: the value, the official parameters, and a contract."""

ELSEWHERE = frozenset({"VWAP", "INLINE", "STROBE"})
"""Algorithms of other brokers, which the simulated gateway does not have."""

CONDITIONS: dict[str, tuple[orders.Condition, dict[str, Any]]] = {
    "price": (
        orders.PriceCondition(con_id=AAPL_ID, price="103.5", is_more=True, trigger_method=2),
        {
            "condType": 1,
            "conId": AAPL_ID,
            "exchange": "SMART",
            "isMore": True,
            "price": 103.5,
            "triggerMethod": 2,
        },
    ),
    "time": (
        orders.TimeCondition(time="20991231-10:00:00", is_more=True),
        {"condType": 3, "isMore": True, "time": "20991231-10:00:00"},
    ),
    "margin": (
        orders.MarginCondition(percent=30, is_more=False),
        {"condType": 4, "isMore": False, "percent": 30},
    ),
    "execution": (
        orders.ExecutionCondition(symbol="MSFT"),
        {"condType": 5, "symbol": "MSFT", "secType": "STK", "exchange": "SMART"},
    ),
    "volume": (
        orders.VolumeCondition(con_id=AAPL_ID, volume=10**8, is_more=True),
        {"condType": 6, "conId": AAPL_ID, "exchange": "SMART", "isMore": True, "volume": 10**8},
    ),
    "percent": (
        orders.PercentChangeCondition(con_id=MSFT_ID, change_percent="-2.5", is_more=False, or_next=True),
        {"condType": 7, "conId": MSFT_ID, "exchange": "SMART", "isMore": False, "changePercent": -2.5},
    ),
}
"""A sample of each condition: the value, and the official object's fields."""
