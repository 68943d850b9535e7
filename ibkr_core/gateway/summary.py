"""The account in the words of the account summary: tags and their values (wire facts 6 and 8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal

import attrs

from ibkr_core.gateway.account import Account, Balances

__all__ = ["Line", "account_values", "summary_lines"]

_CENT = Decimal("0.01")
_ZERO = Decimal(0)
_LEVERAGE = 4
_LEDGER = "$LEDGER"


@attrs.frozen
class Line:
    """One line of an account summary.

    Attributes:
        tag: Official tag.
        value: Its value as text.
        currency: Currency of the value; empty for one that is no money.
    """

    tag: str
    value: str
    currency: str


def _money(amount: Decimal) -> str:
    return f"{amount.quantize(_CENT):f}"


def _values(balances: Balances) -> dict[str, Decimal]:
    excess = balances.net_liquidation - balances.maintenance_margin
    return {
        "NetLiquidation": balances.net_liquidation,
        "TotalCashValue": balances.cash + balances.futures,  # so it is defined
        "SettledCash": balances.cash,
        "AccruedCash": _ZERO,
        "BuyingPower": max(balances.available, _ZERO) * _LEVERAGE,
        "EquityWithLoanValue": balances.net_liquidation,
        "PreviousDayEquityWithLoanValue": balances.net_liquidation,
        "GrossPositionValue": balances.gross_positions,
        "RegTEquity": balances.net_liquidation,
        "RegTMargin": balances.initial_margin,
        "ReqTEquity": balances.net_liquidation,  # so spelt in the official list of tags
        "ReqTMargin": balances.initial_margin,
        "SMA": balances.available,
        "InitMarginReq": balances.initial_margin,
        "MaintMarginReq": balances.maintenance_margin,
        "AvailableFunds": balances.available,
        "ExcessLiquidity": excess,
        "FullInitMarginReq": balances.initial_margin,
        "FullMaintMarginReq": balances.maintenance_margin,
        "FullAvailableFunds": balances.available,
        "FullExcessLiquidity": excess,
        "LookAheadInitMarginReq": balances.initial_margin,
        "LookAheadMaintMarginReq": balances.maintenance_margin,
        "LookAheadAvailableFunds": balances.available,
        "LookAheadExcessLiquidity": excess,
        "HighestSeverity": _ZERO,
    }


def summary_lines(
    tags: Iterable[str], account: Account, balances: Balances, rate_of: Callable[[str], Decimal]
) -> Iterator[Line]:
    """The lines that answer a list of tags; a tag that means nothing is passed over, as the broker does.

    Args:
        tags: Official tags; ``$LEDGER``, ``$LEDGER:USD`` and ``$LEDGER:ALL`` ask for cash by currency.
        account: Whose.
        balances: The account valued now.
        rate_of: Units of the base currency for one unit of a currency.
    """
    values = _values(balances)
    for tag in tags:
        if tag in values:
            yield Line(tag, _money(values[tag]), account.currency)
        elif tag == "AccountType":
            yield Line(tag, "INDIVIDUAL", "")
        elif tag == "LookAheadNextChange":
            yield Line(tag, "0", "")
        elif tag == "Cushion":
            net = balances.net_liquidation
            cushion = (net - balances.maintenance_margin) / net if net else _ZERO
            yield Line(tag, f"{cushion:.6f}", "")
        elif tag == "DayTradesRemaining":
            yield Line(tag, "-1", "")
        elif tag == "Leverage":
            net = balances.net_liquidation
            yield Line(tag, f"{balances.gross_positions / net if net else _ZERO:.2f}", "")
        elif tag.startswith(_LEDGER):
            yield from _ledger(tag, account, balances, rate_of)


def _ledger(
    tag: str, account: Account, balances: Balances, rate_of: Callable[[str], Decimal]
) -> Iterator[Line]:
    wanted = tag.partition(":")[2] or "BASE"
    if wanted in {"BASE", "ALL"}:
        yield Line("Currency", "BASE", "BASE")
        yield Line("CashBalance", _money(balances.cash), "BASE")
        yield Line("TotalCashBalance", _money(balances.cash), "BASE")
        yield Line("FuturesPNL", _money(balances.futures), "BASE")
        yield Line("RealizedPnL", _money(balances.realized), "BASE")
        yield Line("UnrealizedPnL", _money(balances.unrealized), "BASE")
    for currency, amount in account.cash.items():
        if wanted in {"ALL", currency}:
            yield Line("Currency", currency, currency)
            yield Line("CashBalance", _money(amount), currency)
            yield Line("TotalCashBalance", _money(amount), currency)
            yield Line("ExchangeRate", f"{rate_of(currency).normalize():f}", currency)


def account_values(account: Account, balances: Balances, rate_of: Callable[[str], Decimal]) -> Iterator[Line]:
    """The lines of account updates: the account's own, the summary's, and cash by currency.

    Args:
        account: Whose.
        balances: The account valued now.
        rate_of: Units of the base currency for one unit of a currency.
    """
    yield Line("AccountCode", account.code, "")
    yield Line("AccountOrGroup", account.code, account.currency)
    yield Line("AccountReady", "true", "")
    yield from summary_lines(_UPDATED, account, balances, rate_of)
    yield Line("NetLiquidationByCurrency", _money(balances.net_liquidation), "BASE")
    yield from _ledger("$LEDGER:ALL", account, balances, rate_of)


_UPDATED = (
    *("AccountType", "Cushion", "DayTradesRemaining", "Leverage", "LookAheadNextChange"),
    *("NetLiquidation", "TotalCashValue", "SettledCash", "AccruedCash", "BuyingPower"),
    *("EquityWithLoanValue", "PreviousDayEquityWithLoanValue", "GrossPositionValue", "RegTEquity"),
    *("RegTMargin", "SMA", "InitMarginReq", "MaintMarginReq", "AvailableFunds", "ExcessLiquidity"),
    *("FullInitMarginReq", "FullMaintMarginReq", "FullAvailableFunds", "FullExcessLiquidity"),
    *("LookAheadInitMarginReq", "LookAheadMaintMarginReq", "LookAheadAvailableFunds"),
    "LookAheadExcessLiquidity",
)
