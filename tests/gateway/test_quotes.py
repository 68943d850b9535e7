"""The values that describe a market."""

from __future__ import annotations

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.quotes import MarketSettings


@pytest.mark.parametrize("speed", [0.0, -1.0, 1e7, 1e300, float("inf"), float("nan")])
def test_a_speed_that_makes_no_sense_is_refused(speed: float) -> None:
    """Time neither stands still nor goes back, nor does it end at once."""
    with pytest.raises(InvalidInput, match="speed"):
        MarketSettings(speed=speed)


def test_time_goes_as_fast_as_it_does() -> None:
    """By default; any other speed above zero will do."""
    assert MarketSettings().speed == 1.0
    assert MarketSettings(speed=0.5).speed == 0.5
