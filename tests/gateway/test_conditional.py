"""What conditions see of a venue."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.errors import InvariantViolated
from ibkr_core.gateway.conditional import VenueWorld
from ibkr_core.gateway.venue import Venue
from tests.gateway.pocket import Pocket, gateway

AAPL_ID = 265598


def test_a_world_reports_the_venue() -> None:
    """Volume, change since the opening, cushion and fills; a contract that is unknown is our own fault."""
    made = gateway()
    Pocket(made).place(1, "BUY", 100)
    made.market("AAPL").set_last("321.75")

    def look(venue: Venue) -> None:
        world = VenueWorld(
            venue.catalogue, market_of=venue.market, balances_of=venue.balances,
            executions=venue.executions, now=venue.now,
        )  # fmt: skip
        assert (world.knows(AAPL_ID), world.knows(4242)) == (True, False)
        assert world.volume(AAPL_ID) == 200
        assert world.change_percent(AAPL_ID) == Decimal(10)
        assert world.cushion_percent("DU1234567") < 100
        assert world.traded("DU1234567", "STK", "SMART", "AAPL", 0)
        assert not world.traded("DU1234567", "STK", "SMART", "AAPL", 1)
        assert not world.traded("DU1234567", "STK", "NOWHERE", "AAPL", 0)
        with pytest.raises(InvariantViolated):
            world.quote(4242)

    made._access(look)
