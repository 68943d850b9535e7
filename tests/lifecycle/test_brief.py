"""Briefs: what a line about an order needs, taken in passing."""

from __future__ import annotations

from contextlib import nullcontext

from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import OrderStateError
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.brief import Brief, read_brief, take_brief
from ibkr_core.model.facts import BrokerFact
from ibkr_core.model.record import OrderRecord
from ibkr_core.testing.strategies import Life, Step, arbitrary_facts, noisy_steps_of, several_lives
from tests.journal.making import CLIENT_ID, START, input_of

SAME = (
    "order_id perm_id key contract order broker_order status total_quantity filled_quantity "
    "avg_fill_price reject"
).split()


@given(noisy_steps_of(several_lives()), st.lists(arbitrary_facts(), max_size=3), st.data())
def test_a_brief_reads_as_the_record_of_its_moment(
    told: tuple[tuple[Life, ...], tuple[Step, ...]], odd: list[BrokerFact], data: st.DataObject
) -> None:
    """In all that it holds, and in what the record says of itself; also when it is read much later."""
    given_inputs = [input_of(step) for step in told[1]]
    for one in odd:
        given_inputs.insert(data.draw(st.integers(0, len(given_inputs))), one)
    book = Book(CLIENT_ID)
    taken: list[tuple[Brief, OrderRecord]] = []
    for one in given_inputs:
        try:
            book.take(one, START)
        except OrderStateError:
            continue
        taken += [(take_brief(entry, nullcontext()), entry.snapshot()) for entry in book._index]
    for brief, record in taken:
        read = read_brief(brief)
        assert type(read) is OrderRecord
        assert [getattr(read, name) for name in SAME] == [getattr(record, name) for name in SAME]
        assert (str(read), read.symbol) == (str(record), record.symbol)
