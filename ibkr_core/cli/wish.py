"""What is to be traded, as words of a command line make it."""

from __future__ import annotations

from typing import Annotated

import typer

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import to_number
from ibkr_core.model.order import Order

__all__ = [
    "Account",
    "Currency",
    "Exchange",
    "Expiry",
    "Key",
    "Limit",
    "OutsideRth",
    "Quantity",
    "Right",
    "SecType",
    "Side",
    "Stop",
    "Strike",
    "Symbol",
    "Tif",
    "make_contract",
    "make_order",
]

Side = Annotated[str, typer.Argument(metavar="SIDE", help="BUY or SELL.")]
Quantity = Annotated[str, typer.Argument(metavar="QUANTITY", help="How many shares or contracts.")]
Symbol = Annotated[
    str,
    typer.Argument(metavar="SYMBOL", help="AAPL; EUR.USD with --sec-type CASH; ES with --sec-type FUT ..."),
]
Limit = Annotated[
    str | None, typer.Option("--limit", metavar="PRICE", help="Limit price; none is a market order.")
]
Stop = Annotated[
    str | None, typer.Option("--stop", metavar="PRICE", help="Stop price; with --limit a stop limit.")
]
Tif = Annotated[str, typer.Option("--tif", metavar="TIF", help="How long it lives: DAY, GTC, IOC ...")]
OutsideRth = Annotated[bool, typer.Option("--outside-rth", help="Also outside of regular trading hours.")]
SecType = Annotated[
    str, typer.Option("--sec-type", metavar="TYPE", help="STK, OPT, FUT, CASH, CFD, CRYPTO ...")
]
Expiry = Annotated[str, typer.Option("--expiry", metavar="YYYYMMDD", help="Of an option or a future.")]
Strike = Annotated[str, typer.Option("--strike", metavar="PRICE", help="Of an option.")]
Right = Annotated[str, typer.Option("--right", metavar="C|P", help="Of an option.")]
Exchange = Annotated[str, typer.Option("--exchange", metavar="NAME", help="Where to route it.")]
Currency = Annotated[str, typer.Option("--currency", metavar="CODE", help="Of the instrument.")]
Account = Annotated[
    str, typer.Option("--account", metavar="CODE", help="Which account; needed where there are several.")
]
Key = Annotated[
    str,
    typer.Option(
        "--key", metavar="KEY", help="Your own key; with a journal it is sent once however often you ask."
    ),
]


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
