"""The running sum of fills is the sum of all fills."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Context, Decimal, localcontext

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.legwork.tally import Tally, signed, total
from ibkr_core.lifecycle.book import Book
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import ExecutionFact
from ibkr_core.model.order import Action

NOW = datetime(2026, 11, 24, 15, tzinfo=UTC)
ONE_FILL = st.tuples(
    st.integers(1, 6),  # which execution: a repeated one is a correction
    st.integers(1, 3),  # its revision
    st.sampled_from(["BOT", "SLD"]),
    st.integers(0, 9),
    st.sampled_from([265598, 7, 0]),
    st.sampled_from(["DU1", "DU2", ""]),
    st.booleans(),  # whether somebody looks afterwards
)


@given(fills=st.lists(ONE_FILL, max_size=25))
def test_it_is_what_all_fills_add_up_to(
    fills: Sequence[tuple[int, int, str, int, int, str, bool]],
) -> None:
    """Whenever it is looked at: after corrections, busts, repetitions, and for each account."""
    book, tally = Book(1), Tally()
    for number, revision, side, quantity, con_id, account, looks in fills:
        fact = ExecutionFact(
            exec_id=f"000a.{number:02}.01.{revision:02}",
            side=side,
            shares=Decimal(quantity),
            price=Decimal(100),
            order_id=number,
            client_id=1,
            contract=Contract.stock("AAPL").replace(con_id=con_id),
            account=account,
        )
        book.apply(fact, NOW)
        if looks:
            for code in ("DU1", "DU2"):
                assert tally.made(book, code, [265598, 7]) == {
                    one: total(
                        fill.quantity if fill.action is Action.BUY else -fill.quantity
                        for fill in book.position_fills()
                        if fill.con_id == one and fill.account in (code, "")
                    )
                    for one in (265598, 7)
                }


def test_sums_are_exact() -> None:
    """Whatever the host's decimal context is."""
    tiny = Decimal("0.000000000000000000000000000001")
    with localcontext(Context(prec=3)):
        assert str(total([Decimal(10**15), tiny])).endswith("1")
        assert str(signed(-3, Decimal(1000000000000001))) == "-3000000000000003"
