"""What an order has to pass before anything is made of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.admission import Admission
from ibkr_core.errors import DuplicateOrder, JournalError, JournalFailed
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES
from ibkr_core.listeners import Dispatcher
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import Shapes
from ibkr_core.settings import EngineSettings
from tests.engine.clocks import FakeClock

STOCK = Contract.stock("AAPL")
BUY = Order.market("BUY", 1)


class Intents:
    """A journal of an earlier run, which holds some keys."""

    def __init__(self, *keys: str) -> None:
        self.keys = dict.fromkeys(keys, 7)
        self.asked: list[str] = []
        self.high_water = 7
        self.failure: JournalError | None = None
        self.trouble: JournalError | None = None

    def commit(self, through: int | None = None) -> None:
        raise AssertionError(f"nothing is committed here, up to {through} or otherwise")

    def knows_key(self, key: str) -> int | None:
        self.asked.append(key)
        return self.keys.get(key)

    def stored_keys(self, most: int) -> list[str] | None:
        if self.trouble is not None:
            raise self.trouble
        return [*self.keys] if len(self.keys) <= most else None


def admission(journal: Intents) -> Admission:
    """An admission over an empty book."""
    dispatcher = Dispatcher(lambda _, error: pytest.fail(str(error)))
    book = GuardedBook(1, DEFAULT_RULES, FakeClock(), dispatcher, lambda _: None, lambda _: None)
    return Admission(book, EngineSettings(), journal, Shapes())


def test_a_key_of_an_order_that_has_left_the_book_is_refused() -> None:
    """Before the keys were looked through, and after."""
    journal = Intents("old", "older")
    desk = admission(journal)
    for _ in range(2):
        with pytest.raises(DuplicateOrder, match="left the book"):
            desk.known("old", STOCK, BUY)
        desk.remember_keys()


def test_the_journal_is_asked_only_about_keys_that_it_may_have() -> None:
    """A new key costs no look into the file; one that the file may spell otherwise does."""
    journal = Intents("old")
    desk = admission(journal)
    assert desk.known("new", STOCK, BUY) is None
    desk.remember_keys()
    assert desk.known("newer", STOCK, BUY) is None
    assert desk.known("Zürich", STOCK, BUY) is None
    assert desk.known("", STOCK, BUY) is None
    assert journal.asked == ["new", "Zürich"]
    assert desk.known("fresh", STOCK, BUY, is_new_at_last_look=True) is None
    assert journal.asked == ["new", "Zürich"]


@given(keys=st.sets(st.text(max_size=4), max_size=30), others=st.lists(st.text(max_size=4), max_size=30))
def test_no_key_is_missed(keys: set[str], others: list[str]) -> None:
    """What the journal has is found, whatever it is; what it lacks is not."""
    journal = Intents(*keys)
    desk = admission(journal)
    desk.remember_keys()
    for key in [*keys, *others]:
        if key and key in keys:
            with pytest.raises(DuplicateOrder):
                desk.known(key, STOCK, BUY)
        else:
            assert desk.known(key, STOCK, BUY) is None


def test_a_file_that_cannot_be_read_is_asked_every_time() -> None:
    """Nothing is taken for new because it could not be looked up."""
    journal = Intents("old")
    journal.trouble = JournalFailed("orders.db", "it cannot be read", "try again")
    desk = admission(journal)
    desk.remember_keys()
    with pytest.raises(DuplicateOrder):
        desk.known("old", STOCK, BUY)


def test_too_many_keys_are_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    """Then the file is asked, as it always can be."""
    monkeypatch.setattr("ibkr_core.admission._MOST_KEYS", 1)
    journal = Intents("old", "older")
    desk = admission(journal)
    desk.remember_keys()
    with pytest.raises(DuplicateOrder):
        desk.known("older", STOCK, BUY)
