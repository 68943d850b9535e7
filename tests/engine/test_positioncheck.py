"""What the broker says we hold against what our fills make of it."""

from __future__ import annotations

from decimal import Decimal

from ibkr_core.positioncheck import PositionCheck


def test_a_position_that_is_told_no_more_is_reported_after_a_restart() -> None:
    """An option that expired meanwhile: neither a position nor a fill names its contract any more."""
    check = PositionCheck()
    check.load('[["DU1", 265598, "100"]]')
    assert check.compare((), ()) == ()
    (found,) = check.compare((), ())
    assert (found.account, found.contract.con_id) == ("DU1", 265598)
    assert (found.expected, found.told) == (Decimal(100), Decimal(0))
    assert check.compare((), ()) == ()
