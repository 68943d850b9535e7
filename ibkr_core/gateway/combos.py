"""Combinations: several legs bought and sold as one thing, priced by the markets of the legs.

A combination gets a contract id from the gateway. Only its legs are booked: each fill is told as one
execution of the combination and one of each leg, whose ids differ in the third segment (TWS facts 3).
Commission is charged on the legs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.instruments import Catalogue, Instrument
from ibkr_core.gateway.market import Market, MarketSettings, Quote, Trade
from ibkr_core.gateway.options import options_on
from ibkr_core.gateway.orderbook import CROWD
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Combo", "ComboMarket", "Combos", "Leg", "by_leg", "leg_prices"]

_FIRST_CON_ID = 28_812_380
_MAX_RATIO = 10_000
_MAX_LEGS = 6


@attrs.frozen
class Leg:
    """One leg.

    Attributes:
        instrument: What it is.
        ratio: Units of it in one combination.
        action: ``BUY`` or ``SELL``, when the combination is bought.
        exchange: Where it goes.
    """

    instrument: Instrument
    ratio: int
    action: str
    exchange: str

    @property
    def weight(self) -> int:
        """Signed units in one combination."""
        return self.ratio if self.action == "BUY" else -self.ratio


@attrs.frozen(kw_only=True)
class Combo(Instrument):
    """A combination, as an instrument.

    Attributes:
        legs: What it is made of.
    """

    legs: tuple[Leg, ...] = ()

    def contract(self, exchange: str | None = None) -> dict[str, Any]:
        """The contract as the gateway sends it, with its legs (TWS facts 2.10)."""
        fields = super().contract(exchange)
        fields["comboLegsDescrip"] = ",".join(f"{leg.instrument.con_id}|{leg.weight}" for leg in self.legs)
        fields["comboLegs"] = [
            {
                "conId": leg.instrument.con_id,
                "ratio": leg.ratio,
                "action": leg.action,
                "exchange": leg.exchange,
                "openClose": 0,
                "shortSalesSlot": 0,
                "exemptCode": -1,
            }
            for leg in self.legs
        ]
        return fields


def by_leg(contract: Mapping[str, Any], fields: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an order's fields, with the net limit of one that names a price for each leg and none itself.

    Args:
        contract: Official contract fields; the prices of the legs are in there.
        fields: Official order fields.

    Raises:
        RefusalError: 321 for a price that is none, or a leg without one.
    """
    legs = contract.get("comboLegs") or ()
    prices = [leg.get("perLegPrice") for leg in legs]
    if fields.get("orderType") != "LMT" or fields.get("lmtPrice") is not None or not any(map(_given, prices)):
        return fields
    if not all(_given(price) and Decimal(str(price)).is_finite() for price in prices):
        raise RefusalError.invalid("Please enter a price for every leg")
    weights = [int(leg.get("ratio", 0)) * (1 if leg.get("action") == "BUY" else -1) for leg in legs]
    net = sum(
        (weight * Decimal(str(price)) for weight, price in zip(weights, prices, strict=True)), Decimal(0)
    )
    return {**fields, "lmtPrice": float(net)}


def _given(price: object) -> bool:
    return price is not None


class Combos:
    """Every combination that somebody has named.

    Args:
        catalogue: Where the legs are found.
    """

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue
        self._known: dict[tuple[tuple[int, int], ...], Combo] = {}

    def resolve(self, contract: Mapping[str, Any]) -> Combo:
        """The combination that a contract describes; the same legs give the same one.

        Args:
            contract: Official contract fields of a ``BAG``.

        Raises:
            RefusalError: 314 without legs, 313 for a leg that makes no sense, 312 for legs in several
                currencies or twice the same, 321 without an exchange.
        """
        if not contract.get("exchange"):
            raise RefusalError.invalid("Missing order exchange")
        given = contract.get("comboLegs") or ()
        if not given or len(given) > _MAX_LEGS:
            raise RefusalError(314, "Security type 'BAG' requires combo leg details.")
        legs = tuple(self._leg(number, one) for number, one in enumerate(given, 1))
        ids = {leg.instrument.con_id for leg in legs}
        if len(ids) < len(legs) or len({leg.instrument.currency for leg in legs}) > 1:
            raise RefusalError(312, "The combo details are invalid.")
        key = tuple((leg.instrument.con_id, leg.weight) for leg in legs)
        if key not in self._known:
            first = legs[0].instrument
            self._known[key] = Combo(
                con_id=_FIRST_CON_ID + len(self._known),
                symbol=str(contract.get("symbol") or first.symbol),
                sec_type="BAG",
                currency=first.currency,
                local_symbol=str(contract.get("symbol") or first.symbol),
                trading_class="COMB",
                multiplier=first.multiplier,
                exchanges=(str(contract["exchange"]),),
                legs=legs,
            )
        return self._known[key]

    def _leg(self, number: int, fields: Mapping[str, Any]) -> Leg:
        instrument = self._catalogue.by_id(int(fields.get("conId", 0)))
        ratio, action = int(fields.get("ratio", 0)), str(fields.get("action", "")).upper()
        if instrument is None or not 0 < ratio <= _MAX_RATIO or action not in {"BUY", "SELL"}:
            raise RefusalError(313, f"The combo details for leg '{number}' are invalid.")
        return Leg(instrument, ratio, action, str(fields.get("exchange", "")) or "SMART")

    @property
    def known(self) -> tuple[Combo, ...]:
        """Every combination so far, in order of its contract id."""
        return tuple(self._known.values())

    def restore(self, combo: Combo) -> None:
        """Know a combination from before a restart; in order of contract ids, all of them."""
        self._known[tuple((leg.instrument.con_id, leg.weight) for leg in combo.legs)] = combo

    def with_leg(self, instrument: Instrument) -> Iterator[Combo]:
        """Every combination that an instrument is a leg of, or that has an option on it as a leg."""
        for combo in self._known.values():
            legs = [leg.instrument for leg in combo.legs]
            if instrument in legs or options_on(legs, instrument):
                yield combo


class ComboMarket(Market):
    """The market that the markets of the legs make.

    Args:
        combo: What is traded.
        market_of: The market of a leg.
        now: Seconds since the epoch.
        on_change: Told of a trade that is printed by hand.
    """

    def __init__(
        self,
        combo: Combo,
        *,
        market_of: Callable[[Instrument], Market],
        now: float,
        on_change: Callable[[Market], None],
    ) -> None:
        super().__init__(combo, seed=0, settings=MarketSettings(moves=False), now=now, on_change=on_change)
        self._legs = combo.legs
        self._market_of = market_of

    @property
    def quote(self) -> Quote:
        """Net prices; as many combinations as the thinnest leg allows."""
        quotes = [(leg, self._market_of(leg.instrument).quote) for leg in self._legs]
        last = sum((leg.weight * quote.last for leg, quote in quotes), Decimal(0))
        return Quote(
            bid=_net(quotes, buying=False),
            ask=_net(quotes, buying=True),
            last=last,
            bid_size=_thinnest(quotes, buying=False),
            ask_size=_thinnest(quotes, buying=True),
        )

    @property
    def frozen(self) -> bool:
        """Whether every leg stands still."""
        return all(self._market_of(leg.instrument).frozen for leg in self._legs)

    @property
    def middle(self) -> Decimal:
        """Half way between net bid and ask."""
        quote = self.quote
        return (quote.bid + quote.ask) / 2

    def catch_up(self, now: float) -> bool:
        """Let the legs make their steps; looking at them does."""
        return not self.frozen and now > 0

    def steps(self, now: float) -> Iterator[None]:
        """One step, whatever the legs made."""
        if self.catch_up(now):
            yield

    @property
    def shown(self) -> Quote:
        """What market data would show: the net prices."""
        return self.quote

    def available(
        self,
        action: str,
        limit: Decimal | None,
        passes: Callable[[int], bool] | None = None,  # noqa: ARG002 - no order rests here
    ) -> Decimal:
        """Whole combinations that could be had right now within a limit."""
        quote = self.quote
        if action == "BUY":
            return quote.ask_size if limit is None or quote.ask <= limit else Decimal(0)
        return quote.bid_size if limit is None or quote.bid >= limit else Decimal(0)

    def facing(self, action: str, limit: Decimal | None) -> int | None:
        """The crowd, as long as it offers whole combinations within the limit."""
        return CROWD if self.available(action, limit) > 0 else None

    def take(
        self,
        action: str,
        quantity: Decimal,
        limit: Decimal | None,
        *,
        at: Decimal | None = None,  # noqa: ARG002 - no order rests here
        by_crowd: bool = False,  # noqa: ARG002 - the crowd trades the legs
    ) -> Trade | None:
        """Trade all legs at once, with their crowds alone."""
        got = min(quantity, self.available(action, limit))
        if got <= 0:
            return None
        quote = self.quote
        for leg in self._legs:
            side = leg.action if action == "BUY" else _other(leg.action)
            self._market_of(leg.instrument).take_from_crowd(side, got * leg.ratio)
        return Trade(quote.ask if action == "BUY" else quote.bid, got)

    def rest(
        self,
        key: int,  # noqa: ARG002 - a combination has no book of its own
        action: str,  # noqa: ARG002
        price: Decimal,  # noqa: ARG002
        quantity: Decimal,  # noqa: ARG002
        *,
        slice_size: Decimal,  # noqa: ARG002
        hidden: bool,  # noqa: ARG002
    ) -> bool:
        """A combination has no book of its own: its orders wait for the legs."""
        return False


def _other(action: str) -> str:
    return "SELL" if action == "BUY" else "BUY"


def _net(quotes: Iterable[tuple[Leg, Quote]], *, buying: bool) -> Decimal:
    total = Decimal(0)
    for leg, quote in quotes:
        total += leg.weight * (quote.ask if (leg.weight > 0) is buying else quote.bid)
    return total


def _thinnest(quotes: Iterable[tuple[Leg, Quote]], *, buying: bool) -> Decimal:
    sizes = [
        (quote.ask_size if (leg.weight > 0) is buying else quote.bid_size) // leg.ratio
        for leg, quote in quotes
    ]
    return min(sizes)


def leg_prices(
    combo: Combo, action: str, price: Decimal, quote_of: Callable[[Instrument], Quote]
) -> list[Decimal]:
    """A price for each leg, so that together they make the price of the combination.

    Args:
        combo: What was traded.
        action: ``BUY`` or ``SELL``.
        price: Its net price.
        quote_of: The quote of a leg.

    Returns:
        Each leg at its side of the quote; the first one carries what is left over.
    """
    prices = []
    for leg in combo.legs:
        quote = quote_of(leg.instrument)
        prices.append(quote.ask if (leg.action == "BUY") is (action == "BUY") else quote.bid)
    rest = price - sum((leg.weight * one for leg, one in zip(combo.legs, prices, strict=True)), Decimal(0))
    prices[0] += rest / combo.legs[0].weight
    return prices
