"""The two questions about options."""

from __future__ import annotations

from typing import Any

import pytest

from tests.gateway.checked import VERSIONS, Checked
from tests.gateway.pocket import AAPL, Pocket, errors, gateway

CALL = {"localSymbol": "AAPL  261218C00290000", "secType": "OPT", "exchange": "SMART"}
every_version = pytest.mark.parametrize("version", VERSIONS)


def told(client: Checked) -> dict[str, Any]:
    """The last computation that the official client read, by name."""
    args = client.of("tickOptionComputation")[-1]
    names = "reqId tickType tickAttrib impliedVol delta optPrice pvDividend gamma vega theta undPrice".split()
    return dict(zip(names, args, strict=True))


@every_version
def test_price_and_volatility_are_each_others_answers(version: int) -> None:
    """Tick type 53: the price with its greeks, the volatility without any (public captures)."""
    client = Checked(gateway(), version)
    client.ask("calculateOptionPrice", reqId=5, contract=CALL, volatility=0.3, underPrice=291.0)
    price = told(client)
    assert (price["reqId"], price["tickType"], price["impliedVol"], price["undPrice"]) == (5, 53, 0.3, 291.0)
    assert 0.5 < price["delta"] < 0.6
    assert min(price["gamma"], price["vega"], -price["theta"]) > 0
    assert price["pvDividend"] is None
    asked = {"contract": CALL, "optionPrice": price["optPrice"], "underPrice": 291.0}
    client.ask("calculateImpliedVolatility", reqId=6, **asked)
    volatility = told(client)
    assert volatility["impliedVol"] == pytest.approx(0.3, abs=1e-6)
    assert volatility["optPrice"] == price["optPrice"]
    assert [volatility[name] for name in ("delta", "gamma", "vega", "theta", "pvDividend")] == [None] * 5
    assert client.ask("cancelCalculateOptionPrice", reqId=5) == []
    assert client.ask("cancelCalculateImpliedVolatility", reqId=6) == []


def test_what_cannot_be_calculated() -> None:
    """A stock, an unknown contract, prices that make no sense, and a price without a volatility."""
    client = Pocket(gateway())
    asked = {"reqId": 6, "contract": CALL, "optionPrice": 5.0, "underPrice": 291.0}
    for change, code in (
        ({"contract": AAPL}, 321),
        ({"contract": {**CALL, "localSymbol": "NONE"}}, 200),
        ({"underPrice": 0.0}, 321),
        ({"optionPrice": -1.0}, 321),
        ({"optionPrice": 400.0}, 322),
    ):
        assert errors(client.ask("calculateImpliedVolatility", **{**asked, **change})) == [(6, code)]
    priced = {"reqId": 7, "contract": CALL, "volatility": 0.0, "underPrice": 291.0}
    assert errors(client.ask("calculateOptionPrice", **priced)) == [(7, 321)]
