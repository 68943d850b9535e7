"""A refusal carries its code and its text."""

from __future__ import annotations

from ibkr_core.gateway.refusals import RefusalError


def test_a_refusal_names_code_and_cause() -> None:
    """321 is worded as a real gateway words it (TWS facts 7)."""
    refusal = RefusalError.invalid("Missing order exchange")
    assert refusal.code == 321
    assert refusal.text == "Error validating request.-'bN' : cause - Missing order exchange"
    assert str(RefusalError(103, "Duplicate order id")) == "103: Duplicate order id"
