"""Holdings and sums of money: by currency, exact, and honest about what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal, localcontext
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.holding import Amounts, Holding, Lot, multiplier_of

D = Decimal
STOCK = Contract(con_id=1, symbol="AAPL", sec_type="STK", currency="USD")
CALL = Contract(con_id=2, symbol="AAPL", sec_type="OPT", multiplier="100", currency="USD")


def holding(**fields: Any) -> Holding:
    told = {"account": "DU1", "contract": STOCK} | fields
    return Holding(
        **{
            name: D(one) if isinstance(one, int | str) and name in NUMBERS else one
            for name, one in told.items()
        }
    )


NUMBERS = {"quantity", "cost", "gross", "unknown_quantity", "unpriced_quantity"}


@pytest.mark.parametrize(
    ("text", "number"),
    [("", 1), ("100", 100), ("100.0", 100), ("0.1", D("0.1")), ("many", 1), ("0", 1), ("-5", 1), ("NaN", 1)],
)
def test_a_multiplier_is_read_or_one(text: str, number: object) -> None:
    """The API has it as text; what is none means one."""
    assert multiplier_of(Contract(multiplier=text)) == number


def test_sums_are_kept_by_currency() -> None:
    """Nothing is added across currencies."""
    total = Amounts({"USD": D(5), "EUR": D(2)}) + Amounts({"USD": D(-3)}) - Amounts({"CHF": D(1)})
    assert total.by_currency == {"USD": 2, "EUR": 2, "CHF": -1}
    assert (total["USD"], total["JPY"]) == (2, 0)
    assert list(total.by_currency) == ["CHF", "EUR", "USD"]


def test_what_is_missing_stays_missing() -> None:
    """Once for each contract, whichever side it was missing on."""
    total = Amounts(missing=(STOCK,)) + Amounts({"USD": D(1)}) - Amounts(missing=(CALL, STOCK))
    assert total.missing == (STOCK, CALL)
    assert not total.is_complete
    assert Amounts({"USD": D(1)}).is_complete


def test_conversion_takes_the_callers_rates() -> None:
    """Units of the wanted currency for one of the other; an empty sum needs no rate."""
    total = Amounts({"USD": D(100), "EUR": D(10), "CHF": D(0)})
    assert total.converted("USD", {"EUR": "1.08"}) == D("110.80")
    assert total.converted("EUR", {"USD": D("0.9")}) == 100


@pytest.mark.parametrize(
    ("rates", "said"), [({}, "no rate from EUR"), ({"EUR": 0}, "above zero"), ({"EUR": "x"}, "EUR")]
)
def test_conversion_without_a_rate_is_refused(rates: dict[str, Any], said: str) -> None:
    """A sum that leaves a currency out would be a lie."""
    with pytest.raises(InvalidInput, match=said):
        Amounts({"EUR": D(10)}).converted("USD", rates)


@given(st.dictionaries(st.sampled_from(["USD", "EUR", "CHF"]), st.decimals(-1000, 1000, places=4)))
def test_adding_and_taking_away_is_nothing(sums: dict[str, Decimal]) -> None:
    """Exactly, whatever the host's decimal context."""
    with localcontext() as context:
        context.prec = 2
        one = Amounts(sums)
        assert all(not amount for amount in (one - one).by_currency.values())
        assert (one + one - one).by_currency == one.by_currency


def test_average_price_and_cost() -> None:
    """The price as traded; the cost of a unit with multiplier and commissions (wire facts 8)."""
    held = holding(contract=CALL, quantity=3, cost=750, fees={"USD": D(2)})
    assert held.average_price == D("2.5")
    assert held.average_cost == _third(752)
    assert str(held) == "DU1 AAPL 3 at 2.5"
    assert held.value(D("2.6")) == 780


def _third(amount: int) -> Decimal:
    with localcontext() as context:
        context.prec = 28
        return D(amount) / 3


def test_a_flat_holding_has_no_average() -> None:
    """And nothing to be earned."""
    flat = holding()
    assert flat.is_flat
    assert flat.average_price is flat.average_cost is None
    assert flat.unrealised(100) == Amounts()
    assert str(flat) == "DU1 AAPL 0"


def test_unrealised_is_after_the_commissions_that_were_paid() -> None:
    """One in another currency stands there by itself."""
    held = holding(quantity=-10, cost=-1000, fees={"USD": D(1), "EUR": D(2)})
    assert held.unrealised("98").by_currency == {"USD": 19, "EUR": -2}
    with pytest.raises(InvalidInput, match="price"):
        held.unrealised("dear")


def test_unrealised_of_unknown_cost_is_missing() -> None:
    """A part of a sum would be taken for the whole."""
    held = holding(quantity=10, cost=500, unknown_quantity=5)
    assert held.unrealised(100) == Amounts(missing=(STOCK,))


def test_realised_is_after_the_commissions_of_both_sides() -> None:
    """And says when something is missing."""
    held = holding(gross=100, closed_fees={"USD": D(3), "EUR": D(1)})
    assert held.realised == Amounts({"USD": D(97), "EUR": D(-1)})
    assert holding(gross=100, unpriced_quantity=1).realised.missing == (STOCK,)
    assert holding(awaited_fees=1).realised.missing == (STOCK,)
    assert holding(quantity=1, awaited_fees=1).unrealised(5).missing == (STOCK,)


def test_commissions_are_those_of_what_is_open_and_of_what_was_closed() -> None:
    """All that was reported."""
    held = holding(fees={"USD": D(1)}, closed_fees={"USD": D(2), "EUR": D(3)}, awaited_fees=1)
    assert held.commissions == Amounts({"USD": D(3), "EUR": D(3)}, (STOCK,))


def test_values_can_be_kept_in_sets() -> None:
    """They are frozen."""
    assert len({Lot(quantity=D(1), price=None), Lot(quantity=D(1), price=None)}) == 1
    assert len({holding(), holding()}) == 1
    assert len({Amounts(), Amounts()}) == 1


def test_sums_and_lots_say_what_they_are() -> None:
    """Currencies stay apart, and what is missing is named; a lot tells its price where it has one."""
    assert str(Amounts({"USD": Decimal("1234.5"), "EUR": Decimal(10)})) == "10.00 EUR, 1,234.50 USD"
    assert str(Amounts(missing=(Contract.stock("AAPL"),))) == "0 (without something of AAPL)"
    at = datetime(2026, 11, 20, 14, 31, 45, tzinfo=UTC)
    assert str(Lot(quantity=Decimal(50), price=Decimal("190.25"), opened=at)) == (
        "50 at 190.25 (2026-11-20 14:31:45 UTC)"
    )
    assert str(Lot(quantity=Decimal(-1), price=None)) == "-1 at an unknown price"
