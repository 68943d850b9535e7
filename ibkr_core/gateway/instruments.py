"""What can be traded at the simulated gateway, and how a client's contract finds it.

The catalogue is fixed data: a couple of dozen stocks, some of the big futures, eight currency pairs, the
options of two stocks, three indices and two bonds. Contract ids of stocks, indices and currency pairs are the
broker's; the others are numbers of our own. Expired futures stay listed, so that a program that names one
keeps working.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from datetime import date
from decimal import Decimal
from functools import cache
from typing import Any

import attrs

from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Catalogue", "Instrument", "default_catalogue"]

_STOCK_EXCHANGES = ("SMART", "AMEX", "NYSE", "ARCA", "BATS", "ISLAND", "NASDAQ", "IEX", "EDGX", "IBKRATS")
_LISTINGS = {"ISLAND": "NASDAQ"}  # its older name
_ANY_RIGHT = {"", "?", "0"}
_RIGHTS = {"CALL": "C", "PUT": "P"}
_MONTH_LETTERS = {3: "H", 6: "M", 9: "U", 12: "Z"}
_THIRD_WEEK, _FRIDAY = 15, 4
_FIRST_YEAR, _LAST_YEAR = 2025, 2032
_STOCK_TYPES = {"QQQ": "ETF", "SPY": "ETF", "IWM": "ETF", "GLD": "ETF", "SAP": "ADR"}
_PRICED_ON, _VOLATILITY = date(2026, 11, 24), 0.25


@attrs.frozen(kw_only=True)
class Instrument:
    """One tradable thing.

    Attributes:
        con_id: The broker's contract id.
        symbol: Underlying symbol, ``EUR`` for EUR.USD.
        sec_type: ``STK``, ``FUT``, ``OPT``, ``CASH``, ``IND`` or ``BOND``.
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
        isin: International number, or empty.
        details: Whatever else its contract details say, under official field names.
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
    isin: str = ""
    details: Mapping[str, Any] = attrs.field(factory=dict, eq=False)

    @property
    def numbers(self) -> dict[str, str]:
        """Its security numbers by type: ``ISIN``, and ``CUSIP`` for what the United States number."""
        found = {"ISIN": self.isin} if self.isin else {}
        if self.isin.startswith("US"):
            found["CUSIP"] = self.isin[2:-1]
        return found

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
        self._by_name: dict[tuple[str, str], list[Instrument]] = {}
        for instrument in instruments:
            self.add(instrument)

    def __iter__(self) -> Iterator[Instrument]:
        return iter(self._by_id.values())

    def add(self, instrument: Instrument) -> None:
        """Offer one more instrument; one with the same contract id is replaced."""
        old = self._by_id.get(instrument.con_id)
        if old is not None:
            for key in _keys(old):
                self._by_name[key].remove(old)
        self._by_id[instrument.con_id] = instrument
        for key in _keys(instrument):
            self._by_name.setdefault(key, []).append(instrument)

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
            name = contract.get("symbol") or contract.get("localSymbol") or contract.get("secId") or ""
            candidates = self._by_name.get((name, contract.get("secType") or ""), [])
        return [one for one in candidates if _fits(one, contract, by_id=bool(con_id))]

    def front(self, contract: Mapping[str, Any], today: str) -> Instrument | None:
        """The future that stands for a continuous one: the next to expire.

        Args:
            contract: Official field names; its security type is passed over.
            today: ``YYYYMMDD``.
        """
        listed = [one for one in self.matches({**contract, "secType": "FUT"}) if one.expiry >= today]
        return min(listed, key=lambda one: one.expiry, default=None)

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


def _keys(instrument: Instrument) -> set[tuple[str, str]]:
    """Under what a client may look for it: a name or number, with its type or without."""
    names = {instrument.symbol, instrument.local_symbol}
    if instrument.isin:
        names.update(instrument.numbers.values())
    return {(name, sec_type) for name in names for sec_type in ("", instrument.sec_type)}


def _fits(instrument: Instrument, contract: Mapping[str, Any], *, by_id: bool) -> bool:
    exchange = contract.get("exchange") or ""
    if exchange and exchange not in instrument.exchanges:
        return False
    if by_id:  # a contract id says everything but the destination
        return True
    if contract.get("secId") and instrument.numbers.get(contract.get("secIdType", "")) != contract["secId"]:
        return False
    if contract.get("symbol") and contract["symbol"] not in {instrument.symbol, _bond_number(instrument)}:
        return False
    listing = contract.get("primaryExch") or ""
    given = {**contract, "primaryExch": _LISTINGS.get(listing, listing)}
    texts = (
        ("currency", instrument.currency),
        ("primaryExch", instrument.primary_exchange),
        ("localSymbol", instrument.local_symbol),
        ("tradingClass", instrument.trading_class),
    )
    if any(given.get(name) and given[name] != own for name, own in texts):
        return False
    expiry = str(contract.get("lastTradeDateOrContractMonth") or "").split(" ")[0]
    if not instrument.expiry.startswith(expiry):
        return False
    return _fits_option(instrument, contract)


def _bond_number(instrument: Instrument) -> str:
    """The CUSIP of a bond, which clients may give as its symbol; all else has its symbol alone."""
    return instrument.numbers.get("CUSIP", "") if instrument.sec_type == "BOND" else instrument.symbol


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
        (265598, "AAPL", "NASDAQ", "NMS", "292.50", "US0378331005", "APPLE INC"),
        (272093, "MSFT", "NASDAQ", "NMS", "478.20", "US5949181045", "MICROSOFT CORP"),
        (76792991, "TSLA", "NASDAQ", "NMS", "396.50", "US88160R1014", "TESLA INC"),
        (3691937, "AMZN", "NASDAQ", "NMS", "226.40", "US0231351067", "AMAZON.COM INC"),
        (208813719, "GOOGL", "NASDAQ", "NMS", "291.10", "US02079K3059", "ALPHABET INC-CL A"),
        (208813720, "GOOG", "NASDAQ", "NMS", "291.80", "US02079K1079", "ALPHABET INC-CL C"),
        (107113386, "META", "NASDAQ", "NMS", "612.30", "US30303M1027", "META PLATFORMS INC-CLASS A"),
        (4815747, "NVDA", "NASDAQ", "NMS", "186.90", "US67066G1040", "NVIDIA CORP"),
        (4391, "AMD", "NASDAQ", "NMS", "223.60", "US0079031078", "ADVANCED MICRO DEVICES"),
        (270639, "INTC", "NASDAQ", "NMS", "35.40", "US4581401001", "INTEL CORP"),
        (15124833, "NFLX", "NASDAQ", "NMS", "110.80", "US64110L1061", "NETFLIX INC"),
        (320227571, "QQQ", "NASDAQ", "NMS", "608.40", "US46090E1038", "INVESCO QQQ TRUST"),
        (756733, "SPY", "ARCA", "SPY", "671.50", "US78462F1030", "SPDR S&P 500 ETF TRUST"),
        (9579970, "IWM", "ARCA", "IWM", "237.10", "US4642876555", "ISHARES RUSSELL 2000 ETF"),
        (51529211, "GLD", "ARCA", "GLD", "375.90", "US78463V1070", "SPDR GOLD SHARES"),
        (8314, "IBM", "NYSE", "IBM", "297.40", "US4592001014", "INTL BUSINESS MACHINES CORP"),
        (1520593, "JPM", "NYSE", "JPM", "303.20", "US46625H1005", "JPMORGAN CHASE & CO"),
        (10098, "BAC", "NYSE", "BAC", "52.60", "US0605051046", "BANK OF AMERICA CORP"),
        (13977, "XOM", "NYSE", "XOM", "117.30", "US30231G1022", "EXXON MOBIL CORP"),
        (8894, "KO", "NYSE", "KO", "71.20", "US1912161007", "COCA-COLA CO/THE"),
        (8719, "JNJ", "NYSE", "JNJ", "203.90", "US4781601046", "JOHNSON & JOHNSON"),
        (13824, "WMT", "NYSE", "WMT", "105.30", "US9311421039", "WALMART INC"),
        (6459, "DIS", "NYSE", "DIS", "104.30", "US2546871060", "WALT DISNEY CO/THE"),
        (9599491, "F", "NYSE", "F", "12.90", "US3453708600", "FORD MOTOR CO"),
        (7985, "GE", "NYSE", "GE", "289.30", "US3696043013", "GENERAL ELECTRIC"),
        (15532, "SAP", "NYSE", "SAP", "241.00", "US8030542042", "SAP SE-SPONSORED ADR"),
    )
    for con_id, symbol, primary, trading_class, price, isin, name in rows:
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
            isin=isin,
            details={"stockType": _STOCK_TYPES.get(symbol, "COMMON")},
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
        isin="DE0007164600",
        details={"stockType": "COMMON"},
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
                    details={"underSymbol": symbol, "underSecType": "IND" if exchange == "CME" else "CMDTY"},
                )


def _currencies() -> Iterator[Instrument]:
    tenth_of_pip, of_yen = Decimal("0.00005"), Decimal("0.005")
    rows = (
        (12087792, "EUR", "USD", tenth_of_pip, "1.15200", "European Monetary Union Euro"),
        (12087797, "GBP", "USD", tenth_of_pip, "1.31000", "British pound"),
        (14433401, "AUD", "USD", tenth_of_pip, "0.64600", "Australian dollar"),
        (39453441, "NZD", "USD", tenth_of_pip, "0.56200", "New Zealand dollar"),
        (15016059, "USD", "JPY", of_yen, "155.300", "United States dollar"),
        (12087820, "USD", "CHF", tenth_of_pip, "0.80500", "United States dollar"),
        (15016062, "USD", "CAD", tenth_of_pip, "1.40500", "United States dollar"),
        (12087807, "EUR", "GBP", tenth_of_pip, "0.87900", "European Monetary Union Euro"),
    )
    for con_id, symbol, currency, tick, price, name in rows:
        yield Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="CASH",
            currency=currency,
            exchange="IDEALPRO",
            primary_exchange="IDEALPRO",
            local_symbol=f"{symbol}.{currency}",
            trading_class=f"{symbol}.{currency}",
            min_tick=tick,
            reference_price=Decimal(price),
            lot=1_000_000,
            long_name=name,
            exchanges=("IDEALPRO", "SMART"),
        )


def _indices() -> Iterator[Instrument]:
    rows = (
        (416904, "SPX", "CBOE", "6650.00", "S&P 500 Stock Index"),
        (416843, "NDX", "NASDAQ", "24400.00", "NASDAQ 100 Stock Index"),
        (13455763, "VIX", "CBOE", "20.10", "CBOE Volatility Index"),
    )
    for con_id, symbol, exchange, price, name in rows:
        yield Instrument(
            con_id=con_id,
            symbol=symbol,
            sec_type="IND",
            exchange=exchange,
            local_symbol=symbol,
            trading_class=symbol,
            reference_price=Decimal(price),
            long_name=name,
            exchanges=(exchange,),
        )


def _bonds() -> Iterator[Instrument]:
    """Their coupons are whole, because the oldest official client breaks on any other."""
    rows = (
        (3_000_001, "US91282CJZ59", 4.0, "20340215", "20240215", "99.10"),
        (3_000_002, "US912810TL26", 4.0, "20521115", "20221115", "96.30"),
    )
    for con_id, isin, coupon, maturity, issued, price in rows:
        yield Instrument(
            con_id=con_id,
            symbol="US-T",
            sec_type="BOND",
            local_symbol=f"IBCID{con_id}",
            trading_class="US-T",
            multiplier=Decimal(10),  # a unit is a thousand dollars, its price a percentage
            reference_price=Decimal(price),
            lot=100,
            long_name="United States Treasury",
            expiry=maturity,
            isin=isin,
            details={
                "cusip": isin[2:-1],
                "coupon": coupon,
                "issueDate": issued,
                "ratings": "Aa1/AA+",
                "bondType": "US-T",
                "couponType": "FIXED",
                "descAppend": f"US-T {coupon:g} {maturity[4:6]}/{maturity[6:]}/{maturity[2:4]}",
            },
        )


def _option_price(spot: int, strike: int, right: str, expiry: date) -> Decimal:
    """What an option may be worth when the simulation starts: its value at once, and some for time."""
    years = max((expiry - _PRICED_ON).days, 7) / 365
    spread = spot * _VOLATILITY * math.sqrt(years)
    time_value = 0.4 * spread * math.exp(-(((strike - spot) / spread) ** 2) / 2)
    intrinsic = max(spot - strike, 0) if right == "C" else max(strike - spot, 0)
    return Decimal(f"{max(intrinsic + time_value, 0.05):.2f}")


def _options() -> Iterator[Instrument]:
    """Two chains. The first four of each AAPL expiry keep the contract ids that they have always had."""
    early, con_id = 2_000_000, 2_100_000
    first = (("C", 290), ("P", 290), ("C", 300), ("P", 280))
    for symbol, name, spot, under, strikes in (
        ("AAPL", "APPLE INC", 292, 265598, range(250, 340, 10)),
        ("SPY", "SPDR S&P 500 ETF TRUST", 671, 756733, range(640, 710, 10)),
    ):
        rest = [(right, strike) for strike in strikes for right in "CP"]
        if symbol == "AAPL":
            rest = [*first, *(one for one in rest if one not in first)]
        for year in range(_FIRST_YEAR + 1, _LAST_YEAR + 1):
            for month in (1, 6, 12):
                for right, strike in rest:
                    is_early = symbol == "AAPL" and (right, strike) in first
                    early, con_id = early + is_early, con_id + (not is_early)
                    yield _option(
                        early if is_early else con_id,
                        (symbol, name, under),
                        date(year, month, _third_friday(year, month)),
                        (right, strike),
                        _option_price(spot, strike, right, date(year, month, 15)),
                    )


def _option(
    con_id: int, under: tuple[str, str, int], expiry: date, kind: tuple[str, int], price: Decimal
) -> Instrument:
    symbol, name, under_id = under
    right, strike = kind
    return Instrument(
        con_id=con_id,
        symbol=symbol,
        sec_type="OPT",
        primary_exchange="CBOE",
        local_symbol=f"{symbol:6}{expiry:%y%m%d}{right}{strike * 1000:08}",
        trading_class=symbol,
        multiplier=Decimal(100),
        reference_price=price,
        lot=20,
        long_name=name,
        expiry=f"{expiry:%Y%m%d}",
        strike=Decimal(strike),
        right=right,
        exchanges=("SMART", "CBOE", "ISE", "PHLX", "BOX"),
        details={"underConId": under_id, "underSymbol": symbol, "underSecType": "STK"},
    )


@cache
def _listed() -> tuple[Instrument, ...]:
    """Everything, made once: a thousand simulated gateways share the same frozen instruments."""
    return (*_stocks(), *_futures(), *_currencies(), *_options(), *_indices(), *_bonds())


def default_catalogue() -> Catalogue:
    """A new catalogue with everything that the gateway knows out of the box."""
    return Catalogue(_listed())
