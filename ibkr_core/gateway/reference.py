"""Reference data: contract details, option chains, symbols, price rules, exchanges (wire facts 6 and 8)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.gateway.clock import day_text
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import KINDS
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Handler, request_id_of
from ibkr_core.gateway.sessions import ZONE, hours_text
from ibkr_core.gateway.venue import Venue
from ibkr_core.wire.message import Message

__all__ = ["BBO_EXCHANGE", "Reference", "contract_details", "exchange_letters"]

BBO_EXCHANGE = "9c0001"
"""Under which smart components are asked for."""

_RULES = {
    Decimal("0.01"): 26,
    Decimal("0.25"): 67,
    Decimal("0.00005"): 239,
    Decimal("0.02"): 2377,
}
_FIRST_OWN_RULE = 9000
_MAX_SAMPLES = 16
_NO_DEFINITION = "No security definition has been found for the request"
_LETTERS = {
    "AMEX": "A", "BEX": "B", "NYSENAT": "C", "FINRA": "D", "ISE": "I", "EDGEA": "J", "EDGX": "K", "CHX": "M",
    "NYSE": "N", "ARCA": "P", "NASDAQ": "Q", "ISLAND": "Q", "IEX": "V", "BYX": "Y", "BATS": "Z", "LTSE": "L",
    "MEMX": "U", "PEARL": "H", "IBKRATS": "T",
}  # fmt: skip
"""The letter of each exchange in the exchange ticks, as public captures show them."""


def contract_details(
    request_id: int, instrument: Instrument, exchange: str, rule: int, now: float
) -> Message:
    """``contractDetails``, or ``bondContractDetails`` for a bond.

    Args:
        request_id: Who asked.
        instrument: What is described.
        exchange: The destination that was asked for; empty for its usual one.
        rule: Its market rule.
        now: Seconds since the epoch; trading hours begin with today.
    """
    contract = instrument.contract(exchange or None)
    contract["primaryExch"] = instrument.primary_exchange
    if instrument.expiry:
        contract["lastTradeDate"] = instrument.expiry
    details: dict[str, Any] = {
        "marketName": instrument.trading_class,
        "minTick": instrument.min_tick,
        "orderTypes": ",".join((*(name.replace(" ", "") for name in KINDS), "WHATIF")),
        "validExchanges": ",".join(instrument.exchanges),
        "priceMagnifier": 1,
        "longName": instrument.long_name,
        "timeZoneId": ZONE,
        "tradingHours": hours_text(instrument, now, regular=False),
        "liquidHours": hours_text(instrument, now, regular=True),
        "aggGroup": 1,
        "marketRuleIds": ",".join([str(rule)] * len(instrument.exchanges)),
        "minSize": Decimal(1),
        "sizeIncrement": Decimal(1),
        "suggestedSizeIncrement": Decimal(1),
        **instrument.details,
    }
    if instrument.numbers:
        details["secIdList"] = instrument.numbers
    if instrument.sec_type == "BOND":
        return Message("bondContractDetails", _content(request_id, contract, details))
    if instrument.expiry:
        details["contractMonth"] = instrument.expiry[:6]
        details["realExpirationDate"] = instrument.expiry
    return Message("contractDetails", _content(request_id, contract, details))


def _content(request_id: int, contract: dict[str, Any], details: dict[str, Any]) -> dict[str, Any]:
    return {"reqId": request_id, "contract": contract, "contractDetails": details}


def exchange_letters(instrument: Instrument) -> str:
    """The letters of the exchanges that quote a stock, as ticks 32 and 33 tell them, in no special order."""
    return "".join(dict.fromkeys(_LETTERS[name] for name in instrument.exchanges if name in _LETTERS))


class Reference:
    """Answers requests about what there is to trade.

    Args:
        venue: Its catalogue.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "reqContractDetails": self._contract_details,
            "reqSecDefOptParams": self._option_chain,
            "reqMatchingSymbols": self._matching_symbols,
            "reqMarketRule": self._market_rule,
            "reqMktDepthExchanges": self._depth_exchanges,
            "reqSmartComponents": self._smart_components,
            "reqFamilyCodes": self._family_codes,
            "reqSoftDollarTiers": self._soft_dollar_tiers,
            "reqUserInfo": self._user_info,
        }

    def forget(self, client: Client) -> None:
        """Every answer here is whole at once: there is nothing to end."""

    # -- contracts ---------------------------------------------------------------------------------

    def _contract_details(self, client: Client, fields: Mapping[str, Any]) -> None:
        request_id = request_id_of(fields)
        contract = fields.get("contract") or {}
        if contract.get("secType") == "BAG":  # a combination is described by its legs (TWS facts 3)
            raise RefusalError.invalid("Invalid security type 'BAG' for a contract details request")
        found = [] if contract.get("secType") == "CONTFUT" else self._matches(contract)
        front = self._continuous(contract)
        if not (found or front):
            raise RefusalError(200, _NO_DEFINITION)
        asked, now = str(contract.get("exchange") or ""), self._venue.now()
        for one in found:
            client.send(contract_details(request_id, one, asked, self._rule_of(one), now))
        if front is not None:
            told = contract_details(request_id, front, asked, self._rule_of(front), now).fields
            shown = {**told, "contract": {**told["contract"], "secType": "CONTFUT"}}
            client.send(Message("contractDetails", shown))
        client.send(Message("contractDetailsEnd", {"reqId": request_id}))

    def _matches(self, contract: Mapping[str, Any]) -> list[Instrument]:
        kind = str(contract.get("secType") or "").removesuffix("+CONTFUT")
        found = self._venue.catalogue.matches({**contract, "secType": kind})
        if contract.get("conId") or contract.get("lastTradeDateOrContractMonth"):
            return found
        return self._listed(found, include_expired=bool(contract.get("includeExpired")), by=contract)

    def _continuous(self, contract: Mapping[str, Any]) -> Instrument | None:
        """The future that stands for a continuous one, when one was asked for."""
        if not str(contract.get("secType") or "").endswith("CONTFUT"):
            return None
        return self._venue.catalogue.front(contract, day_text(self._venue.now()))

    def _listed(
        self, found: list[Instrument], *, include_expired: bool, by: Mapping[str, Any]
    ) -> list[Instrument]:
        """Leave out what has expired, unless it was asked for, or named outright."""
        if include_expired or by.get("localSymbol"):
            return found
        today = day_text(self._venue.now())
        return [one for one in found if not one.expiry or one.expiry >= today]

    def _option_chain(self, client: Client, fields: Mapping[str, Any]) -> None:
        """One message for each exchange that lists the options; only the end where there are none."""
        request_id = request_id_of(fields)
        under = self._venue.catalogue.by_id(fields.get("underlyingConId") or 0)
        symbol = fields.get("underlyingSymbol") or ""
        kind = fields.get("underlyingSecType") or ""
        if under is None or symbol != under.symbol or kind != under.sec_type:
            raise RefusalError(200, _NO_DEFINITION)
        wanted = fields.get("futFopExchange") or ""
        options = self._venue.catalogue.matches({"symbol": symbol, "secType": "OPT"})
        options = [
            one
            for one in self._listed(options, include_expired=False, by={})
            if one.details.get("underConId") == under.con_id
        ]
        for exchange in dict.fromkeys(name for one in options for name in one.exchanges):
            there = [one for one in options if exchange in one.exchanges]
            if wanted not in {"", exchange}:
                continue
            chain = {
                "reqId": request_id,
                "exchange": exchange,
                "underlyingConId": under.con_id,
                "tradingClass": there[0].trading_class,
                "multiplier": f"{there[0].multiplier:f}",
                "expirations": sorted({one.expiry for one in there}),
                "strikes": sorted({float(one.strike) for one in there if one.strike is not None}),
            }
            client.send(Message("securityDefinitionOptionParameter", chain))
        client.send(Message("securityDefinitionOptionParameterEnd", {"reqId": request_id}))

    def _matching_symbols(self, client: Client, fields: Mapping[str, Any]) -> None:
        """What a person may mean: symbols that begin so, then names that contain it."""
        pattern = str(fields.get("pattern") or "").strip().upper()
        if not pattern:
            raise RefusalError.invalid("Invalid pattern")
        shown = [one for one in self._venue.catalogue if one.sec_type in {"STK", "IND"}]
        begins = [one for one in shown if one.symbol.startswith(pattern)]
        contains = [one for one in shown if pattern in one.long_name.upper() and one not in begins]
        descriptions = [self._sample(one) for one in [*begins, *contains][:_MAX_SAMPLES]]
        answer = {"reqId": request_id_of(fields), "contractDescriptions": descriptions}
        client.send(Message("symbolSamples", answer))

    def _sample(self, instrument: Instrument) -> dict[str, Any]:
        has_options = any(
            one.details.get("underConId") == instrument.con_id
            for one in self._venue.catalogue.matches({"symbol": instrument.symbol, "secType": "OPT"})
        )
        contract = {
            "conId": instrument.con_id,
            "symbol": instrument.symbol,
            "secType": instrument.sec_type,
            "primaryExch": instrument.primary_exchange or instrument.exchange,
            "currency": instrument.currency,
            "description": instrument.long_name,
        }
        return {"contract": contract, "derivativeSecTypes": ["OPT"] if has_options else []}

    # -- rules and exchanges -----------------------------------------------------------------------

    def _rule_of(self, instrument: Instrument) -> int:
        known = _RULES.get(instrument.min_tick)
        return known if known is not None else _FIRST_OWN_RULE + self._odd_ticks().index(instrument.min_tick)

    def _odd_ticks(self) -> list[Decimal]:
        return sorted({one.min_tick for one in self._venue.catalogue} - _RULES.keys())

    def _market_rule(self, client: Client, fields: Mapping[str, Any]) -> None:
        number = fields.get("marketRuleId") or 0
        ticks = {rule: tick for tick, rule in _RULES.items()}
        ticks.update(enumerate(self._odd_ticks(), _FIRST_OWN_RULE))
        if number not in ticks:
            raise RefusalError(322, "Error processing request.-'bN' : cause - Invalid market rule id")
        steps = [{"lowEdge": 0.0, "increment": float(ticks[number])}]
        client.send(Message("marketRule", {"marketRuleId": number, "priceIncrements": steps}))

    def _depth_exchanges(self, client: Client, _: Mapping[str, Any]) -> None:
        offered = dict.fromkeys(
            (exchange, one.sec_type)
            for one in self._venue.catalogue
            for exchange in one.exchanges
            if exchange != "SMART"
        )
        rows = [
            {"exchange": exchange, "secType": sec_type, "serviceDataType": "Deep", "aggGroup": 1}
            for exchange, sec_type in offered
        ]
        client.send(Message("mktDepthExchanges", {"depthMarketDataDescriptions": rows}))

    def _smart_components(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Which letter stands for which exchange in the exchange ticks."""
        if fields.get("bboExchange") != BBO_EXCHANGE:
            raise RefusalError.invalid("Invalid BBO exchange")
        letters = {letter: name for name, letter in _LETTERS.items() if name not in {"ISLAND", "IBKRATS"}}
        rows = [
            {"bitNumber": bit, "exchange": letters[letter], "exchangeLetter": letter}
            for bit, letter in enumerate(letters)
        ]
        client.send(Message("smartComponents", {"reqId": request_id_of(fields), "smartComponents": rows}))

    # -- small lists -------------------------------------------------------------------------------

    def _family_codes(self, client: Client, _: Mapping[str, Any]) -> None:
        """Of a customer without a family: a star, and no code (public captures)."""
        client.send(Message("familyCodes", {"familyCodes": [{"accountId": "*", "familyCode": ""}]}))

    def _soft_dollar_tiers(self, client: Client, fields: Mapping[str, Any]) -> None:
        client.send(Message("softDollarTiers", {"reqId": request_id_of(fields), "softDollarTiers": []}))

    def _user_info(self, client: Client, fields: Mapping[str, Any]) -> None:
        """No account here is white branded."""
        client.send(Message("userInfo", {"reqId": request_id_of(fields)}))
