"""What can be traded at the simulated gateway, and how a client's contract finds it.

The catalogue is fixed data: a couple of dozen stocks, some of the big futures, two currency pairs and a few
options. Contract ids of the big stocks and the currency pairs are the broker's; those of futures and options
are numbers of our own. Expired futures stay listed, so that a program that names one keeps working.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Catalogue", "Instrument", "default_catalogue"]

_STOCK_EXCHANGES = ("SMART", "AMEX", "NYSE", "ARCA", "BATS", "ISLAND", "NASDAQ", "IEX", "EDGX", "IBKRATS")
_ANY_RIGHT = {"", "?", "0"}
_RIGHTS = {"CALL": "C", "PUT": "P"}
_MONTH_LETTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}
_THIRD_WEEK, _FRIDAY = 15, 4
_FIRST_YEAR, _LAST_YEAR = 2025, 2032


@attrs.frozen(kw_only=True)
class Instrument:
    """One tradable thing.

    Attributes:
        con_id: The broker's contract id.
        symbol: Underlying symbol, ``EUR`` for EUR.USD.
        sec_type: ``STK``, ``FUT``, ``OPT`` or ``CASH``.
        currency: Currency of its price.
        exchange: Where an order goes by default.
        primary_exchange: Listing exchange.
        local_symbol: The exchange's own name.
        trading_class: ``NMS`` for a Nasdaq stock.
        min_tick: Smallest price step.
        multiplier: Money per point of price.
        reference_price: Where its simulated price starts.
        lot: Typical number of units shown at the best price.
        long_name: Name for people.
        expiry: ``YYYYMMDD``, or empty.
        strike: Option strike, or None.
        right: ``C``, ``P`` or empty.
        exchanges: Every destination that it accepts.
    """

    con_id: int
    symbol: str
    sec_type: str
    currency: str = "USD"
    exchange: str = "SMART"
    primary_exchange: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    min_tick: Decimal = Decimal("0.01")
    multiplier: Decimal = Decimal(1)
    reference_price: Decimal = Decimal(100)
    lot: int = 100
    long_name: str = ""
    expiry: str = ""
    strike: Decimal | None = None
    right: str = ""
    exchanges: tuple[str, ...] = ("SMART",)

    def contract(self, exchange: str | None = None) -> dict[str, Any]:
        """The contract as the gateway sends it, under official field names.

        Args:
            exchange: The destination to show; by default that of the instrument.
        """
        fields: dict[str, Any] = {
            "conId": self.con_id,
            "symbol": self.symbol,
            "secType": self.sec_type,
            "exchange": self.exchange if exchange is None else exchange,
            "currency": self.currency,
            "localSymbol": self.local_symbol,
            "tradingClass": self.trading_class,
        }
        if self.expiry:
            fields["lastTradeDateOrContractMonth"] = self.expiry
        if self.strike is not None:
            fields["strike"] = float(self.strike)
            fields["right"] = self.right
        if self.multiplier != 1:
            fields["multiplier"] = float(self.multiplier)
        return fields

    def on_tick(self, price: Decimal) -> bool:
        """Whether a price is a whole number of ticks; otherwise it earns error 110."""
        return price % self.min_tick == 0

    def to_tick(self, price: Decimal) -> Decimal:
        """The nearest price on the tick grid."""
        return (price / self.min_tick).quantize(Decimal(1)) * self.min_tick


class Catalogue:
    """All instruments of one gateway.

    Args:
        instruments: What it offers. Contract ids must be unique.
    """

    def __init__(self, instruments: Iterable[Instrument] = ()) -> None:
        self._by_id: dict[int, Instrument] = {}
        self._by_name: dict[str, list[Instrument]] = {}
        for instrument in instruments:
            self.add(instrument)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def add(self, instrument: Instrument) -> None:
        """Offer one more instrument; one with the same contract id is replaced."""
        old = self._by_id.get(instrument.con_id)
        if old is not None:
            for name in {old.symbol, old.local_symbol}:
                self._by_name[name].remove(old)
        self._by_id[instrument.con_id] = instrument
        for name in {instrument.symbol, instrument.local_symbol}:
            self._by_name.setdefault(name, []).append(instrument)

    def by_id(self, con_id: int) -> Instrument | None:
        """The instrument with this contract id, or None."""
        return self._by_id.get(con_id)

    def matches(self, contract: Mapping[str, Any]) -> list[Instrument]:
        """Every instrument that a contract's given fields allow; fields not given allow anything."""
        con_id = contract.get("conId", 0)
        if con_id:
            found = self._by_id.get(con_id)
            candidates = [] if found is None else [found]
        else:
            names = [contract.get("symbol") or "", contract.get("localSymbol") or ""]
            candidates = self._by_name.get(next((name for name in names if name), ""), [])
        return [one for one in candidates if _fits(one, contract, by_id=bool(con_id))]

    def resolve(self, contract: Mapping[str, Any]) -> Instrument:
        """The one instrument that an order's contract means.

        Args:
            contract: Official field names, as the client sent them.

        Raises:
            RefusalError: 321 when the security type or the exchange is missing, 200 when nothing or more
                than one thing fits (TWS facts 7, wire facts 9).
        """
        if not contract.get("secType") and not contract.get("conId"):
            raise RefusalError.invalid("Please enter a valid security type")
        if not contract.get("exchange"):
            raise RefusalError.invalid("Missing order exchange")
        found = self.matches(contract)
        if not found:
            raise RefusalError(200, "No security definition has been found for the request")
        if len(found) > 1:
            name = contract.get("symbol") or contract.get("localSymbol") or ""
            raise RefusalError(200, f"The contract description specified for {name} is ambiguous.")
        return found[0]


def _fits(instrument: Instrument, contract: Mapping[str, Any], *, by_id: bool) -> bool:
    sec_type = contract.get("secType")
    if sec_type and sec_type != instrument.sec_type and not by_id:
        return False  # looked at first: a popular symbol has hundreds of options
    exchange = contract.get("exchange") or ""
    if exchange and exchange not in instrument.exchanges:
        return False
    if by_id:  # a contract id says everything but the destination
        return True
    texts = (
        ("symbol", instrument.symbol),
        ("currency", instrument.currency),
        ("primaryExch", instrument.primary_exchange),
        ("localSymbol", instrument.local_symbol),
        ("tradingClass", instrument.trading_class),
    )
    if any(contract.get(name) and contract[name] != own for name, own in texts):
        return False
    expiry = str(contract.get("lastTradeDateOrContractMonth") or "").split(" ")[0]
    if not instrument.expiry.startswith(expiry):
        return False
    return _fits_option(instrument, contract)


def _fits_option(instrument: Instrument, contract: Mapping[str, Any]) -> bool:
    strike = contract.get("strike") or 0
    if strike and (instrument.strike is None or Decimal(str(strike)) != instrument.strike):
        return False
    right = str(contract.get("right") or "").upper()
    if right not in _ANY_RIGHT and _RIGHTS.get(right, right) != instrument.right:
        return False
    multiplier = contract.get("multiplier") or 0
    return not multiplier or Decimal(str(multiplier)) == instrument.multiplier


def _stocks() -> Iterator[Instrument]:
    rows = (
        (265598, "AAPL", "NASDAQ", "NMS", "292.50", "APPLE INC"),
        (272093, "MSFT", "NASDAQ", "NMS", "478.20", "MICROSOFT CORP"),
        (76792991, "TSLA", "NASDAQ", "NMS", "396.50", "TESLA INC"),
        (3691937, "AMZN", "NASDAQ", "NMS", "226.40", "AMAZON.COM INC"),
        (208813719, "GOOGL", "NASDAQ", "NMS", "291.10", "ALPHABET INC-CL A"),
        (208813720, "GOOG", "NASDAQ", "NMS", "291.80", "ALPHABET INC-CL C"),
        (107113386, "META", "NASDAQ", "NMS", "612.30", "META PLATFORMS INC-CLASS A"),
        (4815747, "NVDA", "NASDAQ", "NMS", "186.90", "NVIDIA CORP"),
        (4391, "AMD", "NASDAQ", "NMS", "223.60", "ADVANCED MICRO DEVICES"),
        (270639, "INTC", "NASDAQ", "NMS", "35.40", "INTEL CORP"),
        (15124833, "NFLX", "NASDAQ", "NMS", "110.80", "NETFLIX INC"),
        (320227571, "QQQ", "NASDAQ", "NMS", "608.40", "INVESCO QQQ TRUST"),
        (756733, "SPY", "ARCA", "SPY", "671.50", "SPDR S&P 500 ETF TRUST"),
        (9579970, "IWM", "ARCA", "IWM", "237.10", "ISHARES RUSSELL 2000 ETF"),
        (51529211, "GLD", "ARCA", "GLD", "375.90", "SPDR GOLD SHARES"),
        (8314, "IBM", "NYSE", "IBM", "297.40", "INTL BUSINESS MACHINES CORP"),
        (1520593, "JPM", "NYSE", "JPM", "303.20", "JPMORGAN CHASE & CO"),
        (10098, "BAC", "NYSE", "BAC", "52.60", "BANK OF AMERICA CORP"),
        (13977, "XOM", "NYSE", "XOM", "117.30", "EXXON MOBIL CORP"),
        (8894, "KO", "NYSE", "KO", "71.20", "COCA-COLA CO/THE"),
        (8719, "JNJ", "NYSE", "JNJ", "203.90", "JOHNSON & JOHNSON"),
        (13824, "WMT", "NYSE", "WMT", "105.30", "WALMART INC"),
        (6459, "DIS", "NYSE", "DIS", "104.30", "WALT DISNEY CO/THE"),
        (9599491, "F", "NYSE", "F", "12.90", "FORD MOTOR CO"),
        (7985, "GE", "NYSE", "GE", "289.30", "GENERAL ELECTRIC"),
        (15532, "SAP", "NYSE", "SAP", "241.00", "SAP SE-SPONSORED ADR"),
    )
    for con_id, symbol, primary, trading_class, price, name in rows:
        yield Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="STK",
            primary_exchange=primary,
            local_symbol=symbol,
            trading_class=trading_class,
            reference_price=Decimal(price),
            long_name=name,
            exchanges=_STOCK_EXCHANGES,
        )
    # The same symbol in another currency: a contract without a currency is ambiguous.
    yield Instrument(
        con_id=14204,
        symbol="SAP",
        sec_type="STK",
        currency="EUR",
        primary_exchange="IBIS",
        local_symbol="SAP",
        trading_class="XETRA",
        min_tick=Decimal("0.02"),
        reference_price=Decimal("208.00"),
        long_name="SAP SE",
        exchanges=("SMART", "IBIS"),
    )


def _third_friday(year: int, month: int) -> int:
    return _THIRD_WEEK + (_FRIDAY - date(year, month, _THIRD_WEEK).weekday()) % 7


def _futures() -> Iterator[Instrument]:
    rows = (
        (1_000_000, "ES", "CME", Decimal("0.25"), 50, "6650.00", "E-mini S&P 500"),
        (1_100_000, "NQ", "CME", Decimal("0.25"), 20, "24400.00", "E-MINI NASDAQ 100"),
        (1_200_000, "MES", "CME", Decimal("0.25"), 5, "6650.00", "Micro E-Mini S&P 500"),
        (1_300_000, "CL", "NYMEX", Decimal("0.01"), 1000, "58.90", "Light Sweet Crude Oil"),
    )
    for base, symbol, exchange, tick, multiplier, price, name in rows:
        for year in range(_FIRST_YEAR, _LAST_YEAR + 1):
            for month, letter in _MONTH_LETTERS.items():
                yield Instrument(
                    con_id=base + year * 12 + month,
                    symbol=symbol,
                    sec_type="FUT",
                    exchange=exchange,
                    primary_exchange=exchange,
                    local_symbol=f"{symbol}{letter}{year % 10}",
                    trading_class=symbol,
                    min_tick=tick,
                    multiplier=Decimal(multiplier),
                    reference_price=Decimal(price),
                    lot=5,
                    long_name=name,
                    expiry=f"{year}{month:02}{_third_friday(year, month):02}",
                    exchanges=(exchange,),
                )


def _currencies() -> Iterator[Instrument]:
    rows = (
        (12087792, "EUR", "1.15200", "European Monetary Union Euro"),
        (12087797, "GBP", "1.31000", "British pound"),
    )
    for con_id, symbol, price, name in rows:
        yield Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="CASH",
            exchange="IDEALPRO",
            primary_exchange="IDEALPRO",
            local_symbol=f"{symbol}.USD",
            trading_class=f"{symbol}.USD",
            min_tick=Decimal("0.00005"),
            reference_price=Decimal(price),
            lot=1_000_000,
            long_name=name,
            exchanges=("IDEALPRO", "SMART"),
        )


def _options() -> Iterator[Instrument]:
    con_id = 2_000_000
    for year in range(_FIRST_YEAR + 1, _LAST_YEAR + 1):
        for month in (1, 6, 12):
            expiry = f"{year}{month:02}{_third_friday(year, month):02}"
            for right, strike in (("C", 290), ("P", 290), ("C", 300), ("P", 280)):
                con_id += 1
                yield Instrument(
                    con_id=con_id,
                    symbol="AAPL",
                    sec_type="OPT",
                    primary_exchange="CBOE",
                    local_symbol=f"AAPL  {expiry[2:]}{right}{strike * 1000:08}",
                    trading_class="AAPL",
                    multiplier=Decimal(100),
                    reference_price=Decimal("12.40"),
                    lot=20,
                    long_name="APPLE INC",
                    expiry=expiry,
                    strike=Decimal(strike),
                    right=right,
                    exchanges=("SMART", "CBOE", "ISE", "PHLX"),
                )


def default_catalogue() -> Catalogue:
    """A new catalogue with everything that the gateway knows out of the box."""
    return Catalogue([*_stocks(), *_futures(), *_currencies(), *_options()])
