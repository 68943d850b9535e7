"""What is on offer, in a trader's words: ``AAPL,MSFT`` or ``+XYZ=12.50``."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable
from decimal import Decimal, InvalidOperation

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.instruments import Catalogue, Instrument, default_catalogue

__all__ = ["choose", "find", "stock"]

_NAME = re.compile(r"[A-Z0-9][A-Z0-9. ]{0,15}")
_FIRST_CON_ID, _CON_IDS = 1_000_000_000, 900_000_000
_EXCHANGES = ("SMART", "AMEX", "NYSE", "ARCA", "BATS", "ISLAND", "NASDAQ", "IEX", "EDGX", "IBKRATS")
_CENT, _FRACTION = Decimal("0.01"), Decimal("0.0001")
_DOLLAR, _MOST = Decimal(1), Decimal(1_000_000)


def stock(symbol: str, price: Decimal | int | str, *, name: str = "") -> Instrument:
    """A stock in dollars, listed at Nasdaq, that the gateway does not know by itself.

    Its contract id is made from the symbol, so that it is the same in every run. Its tick is a cent, below a
    dollar a hundredth of a cent (the rule of the exchanges, Regulation NMS 612).

    Args:
        symbol: Letters, digits, dots and blanks.
        price: Where its simulated price starts.
        name: For people; by default the symbol.

    Raises:
        InvalidInput: The symbol is none, or the price is not above zero or not on the tick.
    """
    if not _NAME.fullmatch(symbol):
        raise InvalidInput("symbol", f"must be letters, digits, dots and blanks; got {symbol!r}")
    start = _price(symbol, price)
    return Instrument(
        con_id=_FIRST_CON_ID + zlib.crc32(symbol.encode()) % _CON_IDS,
        symbol=symbol,
        sec_type="STK",
        primary_exchange="NASDAQ",
        local_symbol=symbol,
        trading_class="NMS",
        min_tick=_FRACTION if start < _DOLLAR else _CENT,
        reference_price=start,
        long_name=name or symbol,
        exchanges=_EXCHANGES,
        details={"stockType": "COMMON"},
    )


def _price(symbol: str, text: Decimal | int | str) -> Decimal:
    try:
        price = Decimal(text)
    except InvalidOperation:
        raise InvalidInput(symbol, f"must have a price that is a number; got {text!r}") from None
    if not (price.is_finite() and 0 < price < _MOST):
        raise InvalidInput(symbol, f"must have a price above zero and below a million; got {text}")
    if price % (_FRACTION if price < _DOLLAR else _CENT):
        raise InvalidInput(symbol, f"must have a price in whole ticks; got {text}")
    return price


def find(catalogue: Catalogue, name: str) -> Instrument:
    """The one instrument that a trader means by a name.

    Args:
        catalogue: Where to look.
        name: Symbol of a stock, or local symbol such as ``ESZ6`` or ``EUR.USD``.

    Raises:
        InvalidInput: There is none, or there are several.
    """
    found = catalogue.matches({"symbol": name, "secType": "STK"})
    found = found or catalogue.matches({"localSymbol": name})
    if len(found) > 1:  # listed in several currencies: the one in dollars is meant
        found = [one for one in found if one.currency == "USD"] or found
    if len(found) != 1:
        raise InvalidInput("symbol", f"{len(found)} instruments are known as {name!r}")
    return found[0]


def choose(wanted: str | Iterable[str], catalogue: Catalogue | None = None) -> Catalogue:
    """A catalogue with what somebody asks for.

    A name keeps everything that goes by it: the stock, and the options and futures on it. A name with a price
    opens at that price, and is a new stock where nobody knows it.

    Args:
        wanted: Names, such as ``AAPL`` or ``XYZ=12.50``; as one text they are separated by commas. Only these
            are on offer, unless the text begins with a plus: then they come to everything that there is.
        catalogue: What there is; by default the built-in instruments.

    Raises:
        InvalidInput: Nothing is asked for, a name is unknown and has no price, or a price makes no sense.
    """
    known = default_catalogue() if catalogue is None else catalogue
    keeps = isinstance(wanted, str) and wanted.lstrip().startswith("+")
    parts = wanted.lstrip().removeprefix("+").split(",") if isinstance(wanted, str) else list(wanted)
    names = [part.strip() for part in parts if part.strip()]
    if not names:
        raise InvalidInput("symbols", "must name something, such as AAPL,MSFT or +XYZ=12.50")
    chosen = Catalogue(known if keeps else ())
    for entry in names:
        name, priced, price = entry.partition("=")
        for one in _meant(known, name.strip().upper(), price.strip() if priced else None):
            chosen.add(one)
    return chosen


def _meant(known: Catalogue, name: str, price: str | None) -> list[Instrument]:
    """Everything that goes by a name; the thing itself at a price, if one is given."""
    found = [one for one in known if name in {one.symbol, one.local_symbol}]
    if price is None:
        if not found:
            text = f"{name!r} is not known; give it a price to start from, such as {name}=12.50"
            raise InvalidInput("symbols", text)
        return found
    if not found:
        return [stock(name, price)]
    itself = find(known, name)
    return [attrs.evolve(one, reference_price=_price(name, price)) if one is itself else one for one in found]
