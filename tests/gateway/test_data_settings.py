"""What the simulated account may see of the market; how it shows is tested with the ticks."""

from __future__ import annotations

import pytest

from ibkr_core.gateway import DataSettings


def test_by_default_an_account_sees_live_data() -> None:
    """Delayed data is a quarter of an hour old."""
    assert DataSettings() == DataSettings(live=True, delay_s=900.0)


def test_data_cannot_come_from_the_future() -> None:
    """A delay below zero is refused."""
    with pytest.raises(ValueError, match="delay_s"):
        DataSettings(delay_s=-1.0)
