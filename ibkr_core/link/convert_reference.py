"""From the official client's reference data, ticks and what-if answers to ours."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from typing import Any, Final

from ibapi.contract import ContractDetails as IbContractDetails

from ibkr_core.link.convert import contract_from_official, integer, number
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.reference import (
    ContractDetails,
    Greeks,
    MarketRule,
    OptionChain,
    PriceStep,
    TradingHours,
    parse_day,
)
from ibkr_core.model.whatif import MarginChange, Margins, WhatIf

__all__ = ["contract_details", "greeks", "market_rule", "option_chain", "what_if"]

_NAMED: Final = frozenset(
    {
        *(
            "contract",
            "marketName",
            "minTick",
            "orderTypes",
            "validExchanges",
            "priceMagnifier",
            "underConId",
        ),
        *("longName", "contractMonth", "industry", "category", "subcategory", "timeZoneId", "tradingHours"),
        *("liquidHours", "underSymbol", "underSecType", "marketRuleIds", "secIdList", "realExpirationDate"),
        *("lastTradeTime", "stockType", "minSize", "sizeIncrement", "suggestedSizeIncrement", "coupon"),
        "maturity",
    }
)
"""Official fields that have a name of ours."""


def _positive(value: Any) -> Decimal | None:  # noqa: ANN401 - a float or a Decimal, by version
    """Return a number that means nothing where it is not above zero."""
    found = number(value)
    return found if found is not None and found > 0 else None


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in (part.strip() for part in (text or "").split(",")) if word)


def _rule_ids(text: str) -> tuple[int, ...]:
    """Return the rule of each exchange; 0 where one is missing, so that the places still agree."""
    parts = (text or "").split(",") if text else []
    return tuple(int(part) if part.strip().isdigit() else 0 for part in parts)


def contract_details(official: IbContractDetails) -> ContractDetails:
    """Make our ContractDetails."""
    contract = contract_from_official(official.contract)
    zone = official.timeZoneId
    last = parse_day(getattr(official, "realExpirationDate", "") or "") or parse_day(contract.expiry)
    is_bond = contract.sec_type in ("BOND", "BILL")
    return ContractDetails(
        contract=contract,
        market_name=official.marketName,
        min_tick=_positive(official.minTick),
        price_magnifier=integer(official.priceMagnifier) or 1,
        order_types=_words(official.orderTypes),
        exchanges=_words(official.validExchanges),
        market_rule_ids=_rule_ids(official.marketRuleIds),
        underlying_con_id=integer(official.underConId) or 0,
        underlying_symbol=official.underSymbol,
        underlying_sec_type=official.underSecType,
        long_name=official.longName,
        contract_month=official.contractMonth,
        industry=official.industry,
        category=official.category,
        subcategory=official.subcategory,
        time_zone=zone,
        trading_hours=TradingHours.parse(official.tradingHours, zone),
        liquid_hours=TradingHours.parse(official.liquidHours, zone),
        sec_ids={one.tag: one.value for one in official.secIdList or ()},
        expires_on=None if is_bond else last,
        last_trade_time=official.lastTradeTime,
        stock_type=getattr(official, "stockType", ""),
        min_size=_positive(getattr(official, "minSize", None)),
        size_increment=_positive(getattr(official, "sizeIncrement", None)),
        suggested_size_increment=_positive(getattr(official, "suggestedSizeIncrement", None)),
        coupon=number(official.coupon) if is_bond else None,
        maturity=parse_day(official.maturity or ""),
        official={name: value for name, value in vars(official).items() if name not in _NAMED},
    )


def option_chain(
    exchange: str,
    underlying_con_id: int,
    trading_class: str,
    multiplier: str,
    expirations: Iterable[str],
    strikes: Iterable[float],
) -> OptionChain:
    """Make a chain of a ``securityDefinitionOptionParameter`` callback; its sets have no order."""
    days = {day for text in expirations if (day := parse_day(text)) is not None}
    prices = {price for strike in strikes if (price := number(strike)) is not None}
    return OptionChain(
        exchange,
        integer(underlying_con_id) or 0,
        trading_class,
        multiplier,
        tuple(sorted(days)),
        tuple(sorted(prices)),
    )


def market_rule(rule_id: int, increments: Iterable[Any]) -> MarketRule:
    """Make a rule of a ``marketRule`` callback."""
    steps = tuple(
        PriceStep(number(one.lowEdge) or Decimal(0), number(one.increment) or Decimal(0))
        for one in increments
    )
    return MarketRule(rule_id, steps)


def greeks(
    implied_volatility: float | None,
    delta: float | None,
    price: float | None,
    dividend: float | None,
    gamma: float | None,
    vega: float | None,
    theta: float | None,
    underlying_price: float | None,
) -> Greeks:
    """Make the Greeks of a ``tickOptionComputation`` callback."""
    return Greeks(
        implied_volatility=number(implied_volatility),
        delta=number(delta),
        gamma=number(gamma),
        vega=number(vega),
        theta=number(theta),
        price=number(price),
        dividend=number(dividend),
        underlying_price=_positive(underlying_price),
    )


_OUTSIDE: Final = "OutsideRTH"


def _change(state: Any, name: str, suffix: str = "") -> MarginChange:  # noqa: ANN401 - the class moved its fields
    return MarginChange(
        *(number(getattr(state, f"{name}{when}{suffix}", None)) for when in ("Before", "Change", "After"))
    )


def _margins(state: Any, suffix: str = "") -> Margins:  # noqa: ANN401 - the class moved its fields
    return Margins(
        initial=_change(state, "initMargin", suffix),
        maintenance=_change(state, "maintMargin", suffix),
        equity=_change(state, "equityWithLoan", suffix),
    )


def what_if(order_id: int, contract: Contract, order: Order, state: Any) -> WhatIf:  # noqa: ANN401 - the class moved its fields
    """Make the answer of the official OrderState of a what-if."""
    is_new = hasattr(state, "commissionAndFees")
    return WhatIf(
        order_id=order_id,
        contract=contract,
        order=order,
        margins=_margins(state),
        margins_outside_rth=_margins(state, _OUTSIDE),
        margin_currency=getattr(state, "marginCurrency", ""),
        commission=number(state.commissionAndFees if is_new else state.commission),
        min_commission=number(state.minCommissionAndFees if is_new else state.minCommission),
        max_commission=number(state.maxCommissionAndFees if is_new else state.maxCommission),
        commission_currency=state.commissionAndFeesCurrency if is_new else state.commissionCurrency,
        suggested_size=_positive(getattr(state, "suggestedSize", None)),
        warning=state.warningText,
    )
