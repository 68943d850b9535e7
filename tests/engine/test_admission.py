"""What an order has to pass before anything is made of it."""

from __future__ import annotations

import copy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.admission import Admission
from ibkr_core.errors import DuplicateOrder, InvalidInput, JournalError, JournalFailed
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


def admission(journal: Intents, **more: int) -> Admission:
    """An admission over an empty book."""
    dispatcher = Dispatcher(lambda _, error: pytest.fail(str(error)))
    book = GuardedBook(1, DEFAULT_RULES, FakeClock(), dispatcher, lambda _: None, lambda _: None)
    return Admission(book, EngineSettings(), journal, Shapes(), **more)


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


def test_too_many_keys_are_not_held() -> None:
    """Then the file is asked, as it always can be."""
    journal = Intents("old", "older")
    desk = admission(journal, most_keys=1)
    desk.remember_keys()
    with pytest.raises(DuplicateOrder):
        desk.known("older", STOCK, BUY)


# ── what was found out about a shape ────────────────────────────────────────────────────────────


class Untrue:
    """Neither true nor false, and in no dictionary."""

    __hash__ = None  # type: ignore[assignment]

    def __bool__(self) -> bool:
        raise ValueError("neither")


FOUND_SOUND = {
    "limit": (Contract.stock("AAPL", con_id=265598), Order.limit("BUY", 100, "150.25")),
    "stop": (Contract.stock("AAPL"), Order.stop("SELL", 1, "99.5")),
    "offset": (Contract.stock("AAPL"), Order.trailing_stop("SELL", 5, trailing_amount=1, stop_price=90)),
    "future": (Contract.future("ES", "202612", "CME"), Order.limit("BUY", 1, 5000)),
    "option": (Contract.option("SPY", "20261218", 600, "C"), Order.stop_limit("BUY", 1, 3, 4)),
}
ODD: dict[str, list[Any]] = {
    "con_id": [0, 1, -1, True, "1", 1.5, None],
    "symbol": ["", "A", None, 7, Untrue(), b"A"],
    "expiry": ["", "202612", "20261218", "2026", None, 7],
    "local_symbol": ["", "A", None],
    "description": ["", "shares", None, 7, Untrue()],
    "combo_legs_description": ["", None],
    "exchange": ["SMART", "", None],
    "right": ["", "C", "X", None],
    "include_expired": [False, True, None, 1],
    "sec_type": ["STK", "FUT", "IND", "", None],
    "limit_price": [None, Decimal(0), Decimal(-1), Decimal(1)],
    "aux_price": [None, Decimal(0), Decimal(-1), Decimal(1)],
    "trail_stop_price": [None, Decimal(0), Decimal(-1), Decimal(1)],
    "quantity": [Decimal(1), Decimal("0.5")],
    "tif": ["DAY", "GTC"],
}


def verdict(desk: Admission, contract: Contract, order: Order) -> str:
    try:
        desk.check_new(contract, order)
    except InvalidInput as error:
        return f"{type(error).__name__}: {error}"
    return ""


def check_alike(name: str, changes: dict[str, Any]) -> None:
    """Compare what is said of a changed order where its like is known with what is said of it alone."""
    contract, order = FOUND_SOUND[name]
    desk = admission(Intents())
    assert verdict(desk, contract, order) == ""
    mine = {field for field in changes if hasattr(contract, field)}
    other = unchecked(contract, {field: changes[field] for field in mine})
    terms = unchecked(order, {field: changes[field] for field in changes.keys() - mine})
    for _ in range(2):
        assert verdict(desk, other, terms) == verdict(admission(Intents()), other, terms)


@pytest.mark.parametrize("name", sorted(FOUND_SOUND))
@pytest.mark.parametrize("field", sorted(ODD))
def test_an_order_of_a_known_shape_is_found_what_it_would_be_found_alone(name: str, field: str) -> None:
    """However one value differs from that of the order that was found sound: the same, in the same words."""
    for value in ODD[field]:
        check_alike(name, {field: value})


@given(
    name=st.sampled_from(sorted(FOUND_SOUND)),
    changes=st.dictionaries(st.sampled_from(sorted(ODD)), st.integers(0, 9), min_size=2, max_size=4),
)
def test_so_is_one_of_which_several_values_differ(name: str, changes: dict[str, int]) -> None:
    """Some make it of another shape, some do not."""
    check_alike(name, {field: ODD[field][number % len(ODD[field])] for field, number in changes.items()})


def unchecked(value: Any, changes: dict[str, Any]) -> Any:
    """A copy with other values, whatever they are: also what no constructor lets pass."""
    made = copy.copy(value)
    for name, one in changes.items():
        object.__setattr__(made, name, one)
    return made


def test_a_memory_of_shapes_that_is_full_begins_anew() -> None:
    """However many shapes come, only so many are kept."""
    desk = admission(Intents(), most_shapes=3)
    for number in range(10):
        desk.check_new(STOCK, Order.market("BUY", 1, account=f"DU{number}"))
        assert len(desk._sound) <= 3
