"""Two questions about options: the volatility that a price implies, and the price at a volatility.

Answers are those of public captures of a gateway: tick type 53; the price with its greeks, and the volatility
without any; dividends are not computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.options import implied, worth
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.service import Client, Handler, request_id_of
from ibkr_core.gateway.watching import Watch
from ibkr_core.wire.message import Message

__all__ = ["Calculations"]

_CUSTOM = 53


class Calculations:
    """Answers requests for calculations.

    Args:
        watch: Instruments and the present.
    """

    def __init__(self, watch: Watch) -> None:
        self._watch = watch

    def handlers(self) -> Mapping[str, Handler]:
        """The handler of each kind of request."""
        return {
            "calculateImpliedVolatility": self._volatility,
            "calculateOptionPrice": self._price,
            "cancelCalculateImpliedVolatility": self._nothing,
            "cancelCalculateOptionPrice": self._nothing,
        }

    def forget(self, client: Client) -> None:
        """Every answer here is whole at once: there is nothing to end."""

    def _nothing(self, client: Client, fields: Mapping[str, Any]) -> None:
        """Calculated at once: there is nothing to cancel, and nothing comes back."""

    def _volatility(self, client: Client, fields: Mapping[str, Any]) -> None:
        option, spot = self._option(fields), self._positive(fields, "underPrice")
        price = self._positive(fields, "optionPrice")
        found = implied(option, price, spot, self._watch.now())
        if found is None:
            raise RefusalError(322, "Error processing request.-'bN' : cause - No volatility fits the price")
        told = {"reqId": request_id_of(fields), "tickType": _CUSTOM, "tickAttrib": 0}
        client.send(
            Message(
                "tickOptionComputation", {**told, "impliedVol": found, "optPrice": price, "undPrice": spot}
            )
        )

    def _price(self, client: Client, fields: Mapping[str, Any]) -> None:
        option, spot = self._option(fields), self._positive(fields, "underPrice")
        volatility = self._positive(fields, "volatility")
        greeks = worth(option, spot, self._watch.now(), volatility)
        told = {
            "reqId": request_id_of(fields),
            "tickType": _CUSTOM,
            "tickAttrib": 0,
            "impliedVol": volatility,
            "delta": greeks.delta,
            "optPrice": greeks.price,
            "gamma": greeks.gamma,
            "vega": greeks.vega,
            "theta": greeks.theta,
            "undPrice": spot,
        }
        client.send(Message("tickOptionComputation", told))

    def _option(self, fields: Mapping[str, Any]) -> Instrument:
        found = self._watch.instrument(fields.get("contract") or {})
        if found.strike is None:
            raise RefusalError.invalid("Invalid security type for an option calculation")
        return found

    def _positive(self, fields: Mapping[str, Any], name: str) -> float:
        given = float(fields.get(name) or 0)
        if not 0 < given < float("inf"):
            raise RefusalError.invalid(f"Invalid {name}")
        return given
