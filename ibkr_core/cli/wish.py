"""What is to be traded, as words of a command line make it."""

from __future__ import annotations

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import to_number
from ibkr_core.model.order import Order

__all__ = ["make_contract", "make_order"]


def make_contract(
    symbol: str, sec_type: str, expiry: str, strike: str, right: str, exchange: str, currency: str
) -> Contract:
    """Make the contract that the words name.

    Raises:
        InvalidInput: They name none; it says which is missing or wrong.
    """
    kind, name = sec_type.upper(), symbol.upper()
    for option, value, kinds in (
        ("--strike", strike, ("OPT", "FOP", "WAR")),
        ("--right", right, ("OPT", "FOP", "WAR")),
        ("--expiry", expiry, ("OPT", "FOP", "WAR", "FUT", "CONTFUT")),
    ):
        if value and kind not in kinds:
            raise InvalidInput(option, f"goes with --sec-type {' or '.join(kinds)}, not {kind}")
        if not value and kind in kinds and kind != "CONTFUT":
            raise InvalidInput(option, f"is needed for --sec-type {kind}")
    match kind:
        case "STK":
            return Contract.stock(name, exchange or "SMART", currency)
        case "OPT":
            return Contract.option(
                name, expiry, strike, right, exchange=exchange or "SMART", currency=currency
            )
        case "CASH":
            return Contract.forex(name, exchange or "IDEALPRO")
        case "FUT":
            if not exchange:
                raise InvalidInput("--exchange", "is needed for a future, such as CME for ES")
            return Contract.future(name, expiry, exchange, currency)
    contract = Contract(
        symbol=name,
        sec_type=kind,
        exchange=exchange or "SMART",
        currency=currency,
        expiry=expiry,
        right=right,
        strike=to_number("--strike", strike) if strike else None,
    )
    contract.check()
    return contract


def make_order(
    side: str,
    quantity: str,
    limit: str | None,
    stop: str | None,
    tif: str,
    *,
    account: str,
    outside_rth: bool,
) -> Order:
    """Make the order that the words name: market, limit, stop or stop limit.

    Raises:
        InvalidInput: They name none.
    """
    wanted = side.upper()
    if wanted not in ("BUY", "SELL"):
        raise InvalidInput("SIDE", f"must be BUY or SELL, not {side!r}")
    size = to_number("QUANTITY", quantity)
    if size <= 0:
        raise InvalidInput("QUANTITY", f"must be above zero, not {quantity}")
    more = {"tif": tif.upper(), "account": account, "outside_rth": outside_rth}
    if limit is not None and stop is not None:
        return Order.stop_limit(wanted, size, to_number("--stop", stop), to_number("--limit", limit), **more)
    if limit is not None:
        return Order.limit(wanted, size, to_number("--limit", limit), **more)
    if stop is not None:
        return Order.stop(wanted, size, to_number("--stop", stop), **more)
    return Order.market(wanted, size, **more)
