"""Between the official client's objects and ours. Sentinels end here: unset becomes None."""

from __future__ import annotations

import contextlib
import importlib
import math
from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import attrs
from ibapi.contract import ComboLeg as IbComboLeg
from ibapi.contract import Contract as IbContract
from ibapi.contract import DeltaNeutralContract as IbDeltaNeutral
from ibapi.order import Order as IbOrder

from ibkr_core.errors import InvalidInput, UnknownField
from ibkr_core.link import conditions
from ibkr_core.model import facts
from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.fieldnames import nearest
from ibkr_core.model.order import BrokerOrder, Order
from ibkr_core.model.orderfields import OFFICIAL_NAMES

__all__ = [
    "NO_RIGHT",
    "at_default",
    "broker_order",
    "commission_fact",
    "completed_order_fact",
    "contract_from_official",
    "contract_from_protobuf",
    "contract_to_official",
    "execution_fact",
    "leg_from_official",
    "open_order_fact",
    "order_to_official",
    "position",
    "status_fact",
]

UNSET_INTEGER: Final = 2**31 - 1
UNSET_LONG: Final = 2**63 - 1
UNSET_DOUBLE: Final = 1.7976931348623157e308
UNSET_DECIMAL: Final = Decimal(2**127 - 1)
NO_RIGHT: Final = ("?", "0")
"""What the broker writes for the right of what has none."""
_UNSET_AS_DECIMAL: Final = Decimal("1.7976931348623157E+308")


# ── numbers ─────────────────────────────────────────────────────────────────────────────────────


def integer(value: int | None) -> int | None:
    """Return an int, None for unset."""
    return None if value is None or value in (UNSET_INTEGER, UNSET_LONG) else int(value)


def number(value: float | Decimal | str | None) -> Decimal | None:
    """Return an exact Decimal of a price, an amount or a quantity, None for unset.

    Old clients pass quantities as floats, and margins come as text.
    """
    if value is None or value == "":
        return None
    if isinstance(value, float):
        if not math.isfinite(value) or value >= UNSET_DOUBLE:
            return None
        return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))
    exact = Decimal(value)
    is_set = exact.is_finite() and exact < _UNSET_AS_DECIMAL and exact != UNSET_DECIMAL
    return exact if is_set else None


# ── towards the broker ──────────────────────────────────────────────────────────────────────────


def contract_to_official(contract: Contract) -> IbContract:
    """Make the official Contract.

    Raises:
        UnknownField: The installed client has no such field.
        InvalidInput: A text that holds a NUL.
    """
    official = IbContract()
    official.conId = contract.con_id
    official.symbol = contract.symbol
    official.secType = contract.sec_type
    official.lastTradeDateOrContractMonth = contract.expiry
    # Clients that know "unset" have it as their default; older ones default to 0.
    if contract.strike is not None:
        official.strike = float(contract.strike)
    official.right = contract.right
    official.multiplier = contract.multiplier
    official.exchange = contract.exchange
    official.primaryExchange = contract.primary_exchange
    official.currency = contract.currency
    official.localSymbol = contract.local_symbol
    official.tradingClass = contract.trading_class
    official.includeExpired = contract.include_expired
    official.secIdType = contract.sec_id_type
    official.secId = contract.sec_id
    if contract.issuer_id:
        _require(official, "issuerId", "Contract")
        official.issuerId = contract.issuer_id
    if contract.combo_legs:
        official.comboLegs = [_leg_to_official(leg) for leg in contract.combo_legs]
    if contract.delta_neutral is not None:
        official.deltaNeutralContract = IbDeltaNeutral()
        official.deltaNeutralContract.conId = contract.delta_neutral.con_id
        official.deltaNeutralContract.delta = contract.delta_neutral.delta
        official.deltaNeutralContract.price = float(contract.delta_neutral.price)
    _check_texts(official)
    return official


def _leg_to_official(leg: ComboLeg) -> IbComboLeg:
    official = IbComboLeg()
    official.conId = leg.con_id
    official.ratio = leg.ratio
    official.action = leg.action
    official.exchange = leg.exchange
    official.openClose = leg.open_close
    official.shortSaleSlot = leg.short_sale_slot
    official.designatedLocation = leg.designated_location
    official.exemptCode = leg.exempt_code
    return official


_AS_FLOAT: Final = frozenset(
    {
        "limit_price",
        "aux_price",
        "trail_stop_price",
        "trailing_percent",
        "limit_offset",
        "cash_quantity",
    }
)


class _PlainDecimal(Decimal):
    """Writes itself without an exponent: text encoders send str() of it, and 1E+2 is no quantity to TWS."""

    def __str__(self) -> str:
        return f"{self:f}"


def order_to_official(order: Order) -> IbOrder:
    """Make the official Order.

    Raises:
        UnknownField: The installed client has no such field.
        InvalidInput: A text that holds a NUL.
    """
    official = IbOrder()
    # Old clients default these to True, and real gateways refuse them with 10268 (wire facts 4).
    for retired in ("eTradeOnly", "firmQuoteOnly"):
        if hasattr(official, retired):
            setattr(official, retired, False)
    for ours, theirs in OFFICIAL_NAMES.items():
        value = getattr(order, ours)
        if value is None:
            continue
        if ours in _AS_FLOAT:
            value = float(value)
        elif ours == "action":
            value = value.value
        elif isinstance(value, Decimal):
            value = _PlainDecimal(value)
        _require(official, theirs, "Order")
        setattr(official, theirs, value)
    if order.conditions:
        official.conditions = [conditions.condition_to_official(one) for one in order.conditions]
    if order.algo is not None:
        conditions.set_algo(official, order.algo)
    for name, value in order.official.items():
        _require(official, name, "Order")
        setattr(official, name, _official_value(name, value))
    _check_texts(official)
    return official


_TAG_LISTS: Final = frozenset({"algoParams", "orderMiscOptions", "smartComboRoutingParams"})


def _official_value(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever the field holds
    """Make what the encoders expect of what is easy to write and to keep: exact numbers, mappings of tags."""
    if isinstance(value, Decimal):
        return float(value)
    if name in _TAG_LISTS and isinstance(value, Mapping):
        return conditions.tag_values(value)
    if name == "orderComboLegs" and isinstance(value, list | tuple):
        return conditions.combo_leg_prices(value)
    return value


@contextlib.contextmanager
def at_default(official: IbOrder, name: str) -> Iterator[bool]:
    """Put one field of an official Order back to its default for a while.

    Yields:
        Whether the field had another value.
    """
    value, usual = getattr(official, name), getattr(IbOrder(), name)
    setattr(official, name, usual)
    try:
        yield value != usual
    finally:
        setattr(official, name, value)


_NO_NUL: Final = frozenset({str, int, float, bool, type(None), Decimal, _PlainDecimal})


def _check_texts(official: object) -> None:
    """Refuse what ends a field in the text protocol; the protobuf encoders would let it through."""
    fields = vars(official)
    # Most of them are plain texts and numbers.
    if "\0" not in "".join([value for value in fields.values() if type(value) is str]):
        fields = {name: value for name, value in fields.items() if type(value) not in _NO_NUL}
    for name, value in fields.items():
        if isinstance(value, str) and "\0" in value:
            raise InvalidInput(name, f"must not hold a NUL character, as {value!r} does")
        for part in value if isinstance(value, list | tuple) else ():  # conditions, tags, legs
            if hasattr(part, "__dict__"):
                _check_texts(part)


def _require(official: object, name: str, owner: str) -> None:
    known = vars(official)
    if name not in known:
        raise UnknownField(name, f"the installed ibapi's {owner}", nearest(name, known))


# ── from the broker ─────────────────────────────────────────────────────────────────────────────


def contract_from_official(official: IbContract) -> Contract:
    """Make our Contract; nothing is checked."""
    strike = number(official.strike)
    return Contract(
        con_id=integer(official.conId) or 0,
        symbol=official.symbol,
        sec_type=official.secType,
        expiry=official.lastTradeDateOrContractMonth,
        strike=strike or None,
        right="" if official.right in NO_RIGHT else official.right,
        multiplier=official.multiplier,
        exchange=official.exchange,
        primary_exchange=official.primaryExchange,
        currency=official.currency,
        local_symbol=official.localSymbol,
        trading_class=official.tradingClass,
        sec_id_type=official.secIdType,
        sec_id=official.secId,
        combo_legs=tuple(leg_from_official(leg) for leg in official.comboLegs or ()),
        combo_legs_description=official.comboLegsDescrip or "",
        delta_neutral=_delta_neutral(official.deltaNeutralContract),
    )


def contract_from_protobuf(message: Any) -> Contract:  # noqa: ANN401 - a generated class
    """Make our Contract of the generated one, by way of the official."""
    decoder_utils = importlib.import_module("ibapi.decoder_utils")  # not in the oldest client
    return contract_from_official(decoder_utils.decodeContract(message))


def leg_from_official(leg: IbComboLeg) -> ComboLeg:
    """Make our leg of a combo of the official one."""
    return ComboLeg(
        con_id=leg.conId,
        ratio=leg.ratio,
        action=leg.action,
        exchange=leg.exchange,
        open_close=leg.openClose,
        short_sale_slot=leg.shortSaleSlot,
        designated_location=leg.designatedLocation,
        exempt_code=leg.exemptCode,
    )


def _delta_neutral(official: IbDeltaNeutral | None) -> DeltaNeutral | None:
    if official is None:
        return None
    return DeltaNeutral(official.conId, official.delta, number(official.price) or Decimal(0))


def broker_order(official: IbOrder, order_id: int | None) -> BrokerOrder:
    """Make the echo of an order."""
    return BrokerOrder(
        order_id=order_id,
        client_id=integer(official.clientId),
        perm_id=integer(official.permId) or None,
        action=official.action,
        total_quantity=number(official.totalQuantity),
        filled_quantity=number(getattr(official, "filledQuantity", None)),
        order_type=official.orderType,
        limit_price=number(official.lmtPrice),
        aux_price=number(official.auxPrice),
        trail_stop_price=number(official.trailStopPrice),
        trailing_percent=number(official.trailingPercent),
        tif=official.tif,
        account=official.account,
        order_ref=official.orderRef,
        oca_group=official.ocaGroup,
        oca_type=integer(official.ocaType),
        parent_id=integer(official.parentId),
        outside_rth=official.outsideRth,
        what_if=bool(official.whatIf),
        conditions=conditions.conditions_of(official),
        conditions_cancel=bool(official.conditionsCancelOrder),
        conditions_outside_rth=bool(official.conditionsIgnoreRth),
        algo_strategy=official.algoStrategy or "",
        algo_params=conditions.tags_of(official.algoParams),
    )


def _commission(state: Any) -> tuple[Decimal | None, str]:  # noqa: ANN401 - the official class moved its fields
    if hasattr(state, "commissionAndFees"):
        return number(state.commissionAndFees), state.commissionAndFeesCurrency
    return number(state.commission), state.commissionCurrency


def _margin(state: Any) -> facts.WhatIfMargin:  # noqa: ANN401 - the official class moved its fields
    amount, currency = _commission(state)
    is_new = hasattr(state, "commissionAndFees")
    return facts.WhatIfMargin(
        initial_before=number(state.initMarginBefore),
        initial_change=number(state.initMarginChange),
        initial_after=number(state.initMarginAfter),
        maintenance_before=number(state.maintMarginBefore),
        maintenance_change=number(state.maintMarginChange),
        maintenance_after=number(state.maintMarginAfter),
        equity_before=number(state.equityWithLoanBefore),
        equity_change=number(state.equityWithLoanChange),
        equity_after=number(state.equityWithLoanAfter),
        commission=amount,
        min_commission=number(state.minCommissionAndFees if is_new else state.minCommission),
        max_commission=number(state.maxCommissionAndFees if is_new else state.maxCommission),
        commission_currency=currency,
        warning=state.warningText,
    )


def open_order_fact(order_id: int, contract: IbContract, order: IbOrder, state: Any) -> facts.OpenOrderFact:  # noqa: ANN401 - the official class moved its fields
    """Make the fact of an openOrder callback."""
    amount, currency = _commission(state)
    return facts.OpenOrderFact(
        order=broker_order(order, integer(order_id)),
        contract=contract_from_official(contract),
        status=state.status,
        reject_reason=getattr(state, "rejectReason", ""),
        warning=state.warningText,
        commission=amount,
        commission_currency=currency,
        completed_status=state.completedStatus,
        margin=_margin(state) if order.whatIf else None,
    )


def completed_order_fact(contract: IbContract, order: IbOrder, state: Any) -> facts.CompletedOrderFact:  # noqa: ANN401 - the official class moved its fields
    """Make the fact of a completedOrder callback."""
    amount, currency = _commission(state)
    # The text protocol has no order id here; clients then show 0 or the sentinel (TWS facts 4), and a
    # client id that means nothing.
    order_id = integer(order.orderId) or None
    echo = broker_order(order, order_id)
    if order_id is None:
        echo = attrs.evolve(echo, client_id=None)
    return facts.CompletedOrderFact(
        order=echo,
        contract=contract_from_official(contract),
        status=state.status,
        completed_time=state.completedTime,
        completed_status=state.completedStatus,
        reject_reason=getattr(state, "rejectReason", ""),
        commission=amount,
        commission_currency=currency,
    )


def status_fact(
    order_id: int,
    status: str,
    filled: float | Decimal,
    remaining: float | Decimal,
    avg_fill_price: float,
    perm_id: int,
    parent_id: int,
    last_fill_price: float,
    client_id: int,
    why_held: str,
    price_cap: float | None,
) -> facts.StatusFact:
    """Make the fact of an orderStatus callback."""
    return facts.StatusFact(
        order_id=integer(order_id),
        status=status,
        filled=number(filled),
        remaining=number(remaining),
        avg_fill_price=number(avg_fill_price),
        perm_id=integer(perm_id) or None,
        parent_id=integer(parent_id),
        last_fill_price=number(last_fill_price),
        client_id=integer(client_id),
        why_held=why_held,
        price_cap=number(price_cap) or None,
    )


def execution_fact(request_id: int, contract: IbContract, execution: Any) -> facts.ExecutionFact:  # noqa: ANN401 - the official class moved its fields
    """Make the fact of an execDetails callback."""
    return facts.ExecutionFact(
        request_id=request_id,
        exec_id=execution.execId,
        order_id=integer(execution.orderId),
        client_id=integer(execution.clientId),
        perm_id=integer(execution.permId) or None,
        contract=contract_from_official(contract),
        time=execution.time,
        account=execution.acctNumber,
        exchange=execution.exchange,
        side=execution.side,
        shares=number(execution.shares) or Decimal(0),
        price=number(execution.price) or Decimal(0),
        cum_quantity=number(execution.cumQty),
        avg_price=number(execution.avgPrice),
        order_ref=execution.orderRef,
        liquidity=integer(execution.lastLiquidity),
        pending_price_revision=bool(getattr(execution, "pendingPriceRevision", False)),
    )


def position(account: str, contract: IbContract, quantity: Any, average_cost: Any) -> facts.Position:  # noqa: ANN401 - floats or Decimals, by version
    """Make the value of a position callback."""
    return facts.Position(
        account=account,
        contract=contract_from_official(contract),
        quantity=number(quantity) or Decimal(0),
        average_cost=number(average_cost),
    )


def commission_fact(report: Any, *, pnl_is_known: bool = True) -> facts.CommissionFact:  # noqa: ANN401 - the official class was renamed
    """Make the fact of a commissionReport (now commissionAndFeesReport) callback.

    Args:
        report: The official object, old or new.
        pnl_is_known: False when the message had no realised P&L: the official decoder turns that
            absence into 0.0 (TWS facts 3).
    """
    amount = report.commissionAndFees if hasattr(report, "commissionAndFees") else report.commission
    return facts.CommissionFact(
        exec_id=report.execId,
        commission=number(amount),
        currency=report.currency,
        realized_pnl=number(report.realizedPNL) if pnl_is_known else None,
    )
