"""The market scanner: the movers of the catalogue, ranked anew every half minute (wire facts 6).

Ranks begin at zero, ``distance``, ``benchmark`` and ``projection`` stay empty, and a cancel earns error 162,
as public captures of a real gateway show. The scan codes below are all that is known here; the real list has
hundreds, which depend on markets and permissions.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any
from xml.sax.saxutils import escape

import attrs

from ibkr_core.gateway import answers
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Feeds, Handler, request_id_of
from ibkr_core.gateway.sessions import sessions_back
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["SCAN_CODES", "Scanner"]

_SERVICE = "Historical Market Data Service error message:"
_INTERVAL_S = 30.0
_MOST_ROWS = 50
_MOST_SCANS = 10
_LOCATIONS: Mapping[str, frozenset[str]] = {
    "STK.US": frozenset(),
    "STK.US.MAJOR": frozenset(),
    "STK.NASDAQ": frozenset({"NASDAQ"}),
    "STK.NYSE": frozenset({"NYSE"}),
    "STK.ARCA": frozenset({"ARCA"}),
}
"""Which listings a location has; an empty set stands for all of the United States."""


@attrs.frozen(kw_only=True)
class _Mover:
    """What a stock has done today."""

    instrument: Instrument
    change: float
    since_open: float
    volume: Decimal
    price: float


_Key = Callable[[_Mover], float]

SCAN_CODES: Mapping[str, tuple[str, _Key]] = {
    "TOP_PERC_GAIN": ("Top % Gainers", lambda one: -one.change),
    "TOP_PERC_LOSE": ("Top % Losers", lambda one: one.change),
    "TOP_OPEN_PERC_GAIN": ("Top % Gainers Since Open", lambda one: -one.since_open),
    "TOP_OPEN_PERC_LOSE": ("Top % Losers Since Open", lambda one: one.since_open),
    "MOST_ACTIVE": ("Most Active", lambda one: -float(one.volume)),
    "HOT_BY_VOLUME": ("Hot by Volume", lambda one: -float(one.volume) / max(one.instrument.lot, 1)),
    "HOT_BY_PRICE": ("Hot by Price", lambda one: -abs(one.change)),
    "MOST_ACTIVE_USD": ("Most Active ($)", lambda one: -float(one.volume) * one.price),
}
"""Name for people, and what decides the rank, of each scan code."""


class Scanner:
    """Answers requests about scans.

    Args:
        watch: Instruments, their prices and their past.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        text = f"{_SERVICE}Only {_MOST_SCANS} simultaneous API scanner subscriptions are allowed."
        self._scans = Feeds(watch.later, limit=_MOST_SCANS, full=RefusalError(162, text))

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "reqScannerParameters": self._parameters,
            "reqScannerSubscription": self._subscribe,
            "cancelScannerSubscription": self._cancel,
        }

    def forget(self, client: Client) -> None:
        """End every scan of a client."""
        self._scans.forget(client)

    def _parameters(self, client: Client, _: Mapping[str, Any]) -> None:
        client.send(Message("scannerParameters", {"xml": _parameters_xml()}))

    def _subscribe(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        wanted: Mapping[str, Any] = fields.get("scannerSubscription") or {}
        code = str(wanted.get("scanCode") or "")
        if code not in SCAN_CODES:
            raise RefusalError(162, f"{_SERVICE}Scanner type with code {code} is disabled.")
        location = str(wanted.get("locationCode") or "STK.US")
        if location not in _LOCATIONS or str(wanted.get("instrument") or "STK") != "STK":
            raise RefusalError(162, f"{_SERVICE}Scanner location {location} is not available.")
        try:
            self._scans.check(client, request_id)
        except RefusalError as refusal:
            if refusal.code != 322:  # noqa: PLR2004 - that id is in use
                raise
            raise RefusalError(385, "Duplicate ticker ID for API scanner subscription.") from None

        def push() -> None:
            rows = [_row(rank, one) for rank, one in enumerate(self._ranked(wanted, code, location))]
            client.send(Message("scannerData", {"reqId": request_id, "scannerDataElement": rows}))

        push()
        self._scans.start(client, request_id, push, interval_s=_INTERVAL_S)

    def _cancel(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        if not self._scans.stop(client, request_id):
            raise RefusalError(365, f"No scanner subscription found for ticker id:{request_id}")
        text = f"{_SERVICE}API scanner subscription cancelled: {request_id}"
        client.send(answers.error(request_id, 162, text, self._watch.now()))

    # -- ranking -------------------------------------------------------------------------------------

    def _ranked(self, wanted: Mapping[str, Any], code: str, location: str) -> list[_Mover]:
        listings = _LOCATIONS[location]
        stocks = [
            one
            for one in self._watch.instruments()
            if one.sec_type == "STK"
            and one.currency == "USD"
            and (not listings or one.primary_exchange in listings)
        ]
        movers = [one for one in map(self._mover, stocks) if _passes(one, wanted)]
        rows = int(wanted.get("numberOfRows") or 0)
        most = rows if 0 < rows <= _MOST_ROWS else _MOST_ROWS
        return sorted(movers, key=SCAN_CODES[code][1])[:most]

    def _mover(self, instrument: Instrument) -> _Mover:
        now = self._watch.now()
        past, last = self._watch.past(instrument), float(self._watch.quote(instrument).last)
        sessions = sessions_back(instrument, now, regular=True)
        today, before = next(sessions), next(sessions)
        opened, closed = past.price_at(today.opens), past.price_at(before.closes)
        return _Mover(
            instrument=instrument,
            change=last / closed - 1,
            since_open=last / opened - 1,
            volume=Decimal(past.volume_of_day(now)),
            price=last,
        )


def _passes(one: _Mover, wanted: Mapping[str, Any]) -> bool:
    above, below = wanted.get("abovePrice"), wanted.get("belowPrice")
    return (
        (above is None or one.price >= above)
        and (below is None or one.price <= below)
        and one.volume >= (wanted.get("aboveVolume") or 0)
    )


def _row(rank: int, one: _Mover) -> dict[str, Any]:
    contract = one.instrument.contract("SMART")
    contract["primaryExch"] = one.instrument.primary_exchange
    return {"rank": rank, "contract": contract, "marketName": one.instrument.trading_class}


def _parameters_xml() -> str:
    """The list of what can be scanned, in the tags of a real one, which is a hundred times as long."""
    locations = "".join(
        f"<Location><displayName>{code}</displayName><locationCode>{code}</locationCode>"
        "<instruments>STK</instruments></Location>"
        for code in _LOCATIONS
    )
    codes = "".join(
        f"<ScanType><displayName>{escape(name)}</displayName><scanCode>{code}</scanCode>"
        "<instruments>STK</instruments></ScanType>"
        for code, (name, _) in SCAN_CODES.items()
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<ScanParameterResponse>'
        "<InstrumentList><Instrument><name>US Stocks</name><type>STK</type></Instrument></InstrumentList>"
        f"<LocationTree>{locations}</LocationTree>"
        f"<ScanTypeList>{codes}</ScanTypeList></ScanParameterResponse>"
    )
