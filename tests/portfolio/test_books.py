"""Fills become holdings: whatever order they come in, however they are corrected, by account and contract."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.lifecycle.book import Book
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import BrokerFact, CommissionFact, ExecutionFact, Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.holding import Holding
from ibkr_core.model.order import Action
from ibkr_core.portfolio.books import BEFORE_ALL, Base, Books, trade_of
from ibkr_core.portfolio.runs import Trade
from ibkr_core.positioncheck import PositionCheck
from ibkr_core.testing.strategies import arbitrary_facts
from tests.portfolio.naive import Deal, by_lots

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
AAPL = Contract(con_id=265598, symbol="AAPL", sec_type="STK", currency="USD")
CALL = Contract(
    con_id=77,
    symbol="AAPL",
    sec_type="OPT",
    expiry="20261218",
    strike=Decimal(200),
    right="C",
    multiplier="100",
    currency="USD",
)
DAX = Contract(con_id=88, symbol="DAX", sec_type="FUT", expiry="20261218", multiplier="25", currency="EUR")
BAG = Contract(con_id=99, symbol="AAPL", sec_type="BAG", currency="USD")
D = Decimal


def fill(
    side: str,
    quantity: object,
    price: object,
    *,
    at: int | None = 0,
    base: str = "",
    revision: int = 1,
    contract: Contract | None = AAPL,
    commission: object | None = 0,
    **fields: object,
) -> Fill:
    """One execution, so many seconds after noon; its id follows its time unless it is given."""
    told = {
        "account": "DU1",
        "action": Action(side),
        "con_id": contract.con_id if contract is not None else 1,
        "commission": None if commission is None else D(str(commission)),
        "commission_currency": contract.currency if contract is not None else "USD",
        "time": NOON + timedelta(seconds=at) if at is not None else None,
    } | fields
    name = base or f"0000e0d5.{1_000 + (at or 0):08x}.01"
    return Fill(
        exec_id=f"{name}.{revision:02}",
        revision=revision,
        quantity=D(str(quantity)),
        price=D(str(price)),
        contract=contract,
        **told,  # type: ignore[arg-type]
    )


def books_of(*fills: Fill) -> Books:
    books = Books()
    for one in fills:
        books.take(one)
    return books


def only(books: Books, *, is_fifo: bool = True) -> Holding:
    (holding,) = books.holdings(is_fifo=is_fifo)
    return holding


# ── by hand ─────────────────────────────────────────────────────────────────────────────────────


def test_a_multiplier_makes_money_of_points() -> None:
    """Two calls at 2.50 cost 500; sold at 3.10 they earn 120, less what both sides cost."""
    books = books_of(
        fill("BUY", 2, "2.5", contract=CALL, commission="1.3"),
        fill("SELL", 2, "3.1", contract=CALL, commission="1.4", at=1),
    )
    held = only(books)
    assert held.is_flat
    assert held.gross == 120
    assert held.realised["USD"] == D("117.3")


def test_a_holding_shows_price_and_cost_as_the_broker_does() -> None:
    """The price as traded; the cost with multiplier and commission (wire facts 8)."""
    held = only(books_of(fill("SELL", 2, "2.5", contract=CALL, commission="1.3")))
    assert (held.quantity, held.average_price) == (-2, D("2.5"))
    assert held.average_cost == D("249.35")
    assert held.unrealised("2.4")["USD"] == D("18.7")


def test_currencies_accounts_and_contracts_are_kept_apart() -> None:
    """A future in euros beside a stock in dollars, in two accounts."""
    books = books_of(
        fill("BUY", 1, 20_000, contract=DAX, commission="2", account="DU2"),
        fill("BUY", 10, 100, at=1),
        fill("SELL", 1, 20_010, contract=DAX, commission="2", account="DU2", at=2),
        fill("SELL", 10, 101, at=3, account="DU2"),
    )
    found = {(one.account, one.contract.symbol): one for one in books.holdings()}
    assert {key: one.quantity for key, one in found.items()} == {
        ("DU1", "AAPL"): 10,
        ("DU2", "AAPL"): -10,
        ("DU2", "DAX"): 0,
    }
    assert found["DU2", "DAX"].realised["EUR"] == 246
    assert len(books.holdings("DU2")) == 2


def test_a_combo_is_held_by_its_legs() -> None:
    """Its own line moves nothing (TWS facts 3)."""
    books = books_of(
        fill("BUY", 1, "15.9", contract=BAG),
        fill("BUY", 1, 20, contract=CALL, is_leg=True, at=1),
        fill("SELL", 1, "4.1", contract=attrs.evolve(CALL, con_id=78), is_leg=True, at=2),
    )
    assert [(one.contract.con_id, one.quantity) for one in books.holdings()] == [(77, 1), (78, -1)]


def test_parts_of_a_group_order_are_held_and_the_whole_is_not() -> None:
    """An advisor's execution is told once as a whole, and once for each account."""
    books = books_of(
        fill("BUY", 10, 100, account="DF1", is_allocated=True),
        fill("BUY", 6, 100, account="DU1", is_allocation=True, at=1),
        fill("BUY", 4, 100, account="DU2", is_allocation=True, at=2),
    )
    assert [(one.account, one.quantity) for one in books.holdings()] == [("DU1", 6), ("DU2", 4)]


def test_a_correction_takes_the_place_of_what_it_corrects() -> None:
    """Bought first at 10, not at 11: the sale that came after it earned more."""
    books = books_of(fill("BUY", 5, 11), fill("BUY", 5, 12, at=1), fill("SELL", 5, 13, at=2))
    assert only(books).gross == 10
    books.take(fill("BUY", 5, 10, revision=2))
    assert only(books).gross == 15


def test_an_older_revision_changes_nothing() -> None:
    """It was told late."""
    books = books_of(fill("BUY", 5, 10, revision=2))
    books.take(fill("BUY", 50, 1, revision=1))
    assert (only(books).quantity, only(books).cost) == (5, 50)


def test_a_bust_takes_the_fill_away() -> None:
    """A revision of quantity zero."""
    books = books_of(fill("BUY", 5, 10), fill("BUY", 5, 10, revision=2))
    books.take(fill("BUY", 0, 10, revision=3))
    assert only(books).is_flat
    assert only(books).cost == 0


def test_a_correction_may_move_an_execution() -> None:
    """To another moment, to another account, or to a contract that was a mistake."""
    books = books_of(fill("BUY", 5, 10, base="a.b.c", at=5), fill("SELL", 5, 12, at=6))
    books.take(fill("BUY", 5, 10, base="a.b.c", at=7, revision=2))
    (lot,) = books.lots(("DU1", AAPL.con_id)) or (None,)
    assert lot is None
    assert only(books).gross == 10
    books.take(fill("BUY", 5, 10, base="a.b.c", at=7, revision=3, account="DU2"))
    assert [(one.account, one.quantity) for one in books.holdings()] == [("DU1", -5), ("DU2", 5)]
    books.take(fill("BUY", 5, 10, base="a.b.c", at=7, revision=4, account="DU2", con_id=0))
    assert [one.quantity for one in books.holdings()] == [-5, 0]


def test_a_commission_that_comes_later_is_missing_until_it_does() -> None:
    """It can take seconds (TWS facts 3); the price part is known at once."""
    first = fill("BUY", 5, 10, commission=None)
    books = books_of(first, fill("SELL", 5, 12, at=1, commission=1))
    held = only(books)
    assert held.awaited_fees == 1
    assert (held.realised["USD"], held.realised.missing) == (9, (AAPL,))
    books.take(attrs.evolve(first, commission=D("0.5")))
    assert (only(books).realised["USD"], only(books).realised.missing) == (D("8.5"), ())


def test_lots_are_shown_oldest_first() -> None:
    """With what is left of each, and the execution that opened it."""
    books = books_of(fill("BUY", 5, 10), fill("BUY", 5, 11, at=1), fill("SELL", 7, 12, at=2))
    (lot,) = books.lots(("DU1", AAPL.con_id))
    assert (lot.quantity, lot.price, lot.opened) == (3, 11, NOON + timedelta(seconds=1))
    assert lot.exec_id == "0000e0d5.000003e9.01"
    assert books.lots(("DU9", 1)) == ()


def test_a_base_is_older_than_every_fill() -> None:
    """What was held before we came is sold first, at what the broker says that it cost."""
    books = books_of(fill("BUY", 5, 12), fill("SELL", 5, 13, at=1))
    key = ("DU1", AAPL.con_id)
    books.set_bases({key: Base(AAPL, (Trade(BEFORE_ALL, "", D(5), D("10.5"), D(0)),))})
    assert (only(books).quantity, only(books).gross) == (5, D("12.5"))
    assert [lot.price for lot in books.lots(key)] == [12]
    books.set_bases({key: Base(AAPL)})
    assert (only(books).quantity, only(books).gross) == (0, 5)
    books.set_bases({})
    assert only(books).quantity == 0


def test_a_base_alone_is_a_holding() -> None:
    """Nothing was traded yet; a lot of it names no execution and no time."""
    books = Books()
    books.set_bases({("DU1", 77): Base(CALL, (Trade(BEFORE_ALL, "", D(2), D(250), D(0)),))})
    held = only(books)
    assert (held.contract, held.quantity, held.average_price, held.average_cost) == (CALL, 2, D("2.5"), 250)
    (lot,) = books.lots(("DU1", 77))
    assert (lot.price, lot.opened, lot.exec_id) == (D("2.5"), None, "")


def test_a_base_of_unknown_cost_makes_no_profit_up() -> None:
    """What can be told is told; the rest is missing."""
    books = books_of(fill("SELL", 3, 12))
    books.set_bases({("DU1", AAPL.con_id): Base(AAPL, (Trade(BEFORE_ALL, "", D(5), None, D(0)),))})
    held = only(books)
    assert (held.quantity, held.unknown_quantity, held.unpriced_quantity) == (2, 2, 3)
    assert held.average_price is held.average_cost is None
    assert held.realised.missing == held.unrealised(12).missing == (AAPL,)


def test_an_option_that_expires_is_gone_at_its_moment() -> None:
    """What is bought afterwards has nothing to do with it."""
    books = books_of(fill("BUY", 2, 3, contract=CALL), fill("BUY", 1, 5, contract=CALL, at=9))
    expiry = Trade(NOON + timedelta(seconds=5), "~0.0", D(-2), None, D(0))
    books.set_bases({("DU1", 77): Base(CALL, (expiry,))})
    held = only(books)
    assert (held.quantity, held.average_price, held.unpriced_quantity) == (1, 5, 2)


def test_times_without_a_zone_are_read_in_the_brokers() -> None:
    """They stand in one row with those that have one (TWS facts 3)."""
    new_york = ZoneInfo("America/New_York")
    local = fill("BUY", 1, 10, at=None, time_text="20261120  07:00:05", base="a.a.a")
    trade = trade_of(local, new_york)
    assert trade is not None
    assert trade.moment == NOON + timedelta(seconds=5)
    unread = trade_of(fill("BUY", 1, 10, at=None, time_text="yesterday"), new_york)
    assert unread is not None
    assert unread.moment > NOON + timedelta(days=3650)


def test_what_names_no_contract_has_no_multiplier() -> None:
    """The quantity is held; what it cost cannot be told."""
    held = only(books_of(fill("BUY", 1, 10, contract=None)))
    assert (held.quantity, held.unknown_quantity) == (1, 1)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "1E+40", "1E-40"])
def test_absurd_numbers_of_the_broker_break_nothing(number: str) -> None:
    """Such a quantity moves nothing, such a price is unknown, such a commission is still to come."""
    books = books_of(
        fill("BUY", number, 10),
        fill("BUY", 1, number, at=1),
        fill("BUY", 1, 10, at=2, commission=number),
    )
    held = only(books)
    assert (held.quantity, held.unknown_quantity, held.awaited_fees) == (2, 1, 1)


@pytest.mark.parametrize(
    ("quantity", "unit", "left"),
    [("5", "NaN", (6, 5)), ("5", "1E+40", (6, 5)), ("1E+40", "10", (1, 0)), ("NaN", "10", (1, 0))],
)
def test_absurd_positions_of_the_broker_break_nothing(
    quantity: str, unit: str, left: tuple[int, int]
) -> None:
    """Such a cost is unknown, such a position is none."""
    books = books_of(fill("BUY", 1, 10))
    key = ("DU1", AAPL.con_id)
    books.set_bases({key: Base(AAPL, (Trade(BEFORE_ALL, "", D(quantity), D(unit), D(0)),))})
    assert (only(books).quantity, only(books).unknown_quantity) == left
    books.set_bases({key: Base(AAPL)})
    assert (only(books).quantity, only(books).unknown_quantity) == (1, 0)


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Contract(con_id=77), True),
        (Contract.stock("AAPL"), False),
        (Contract.option("AAPL", "20261218", 200, "C"), True),
        (Contract.option("AAPL", "20261218", 200, "CALL"), True),
        (Contract.option("AAPL", "20261218", 200, "P"), False),
        (Contract.option("AAPL", "20261218", 205, "C"), False),
        (Contract.option("AAPL", "20261218", 200, "C", multiplier="10"), False),
        (Contract(symbol="AAPL", sec_type="OPT", expiry="202612"), True),
    ],
)
def test_a_contract_is_found_by_what_it_says_of_itself(wanted: Contract, found: bool) -> None:
    """By its id, or by every field that is given."""
    books = books_of(fill("BUY", 1, 1, contract=CALL))
    assert bool(books.keys_of(wanted)) is found


# ── properties ──────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class Story:
    """Executions and commissions as the broker tells them, and the deals that they come to."""

    facts: tuple[BrokerFact, ...]
    deals: dict[str, tuple[Deal, ...]]


@st.composite
def stories(draw: st.DrawFn) -> Story:
    """Orders of two accounts, with corrections and busts; times repeat, and some commissions never come."""
    facts: list[BrokerFact] = []
    deals: dict[str, list[Deal]] = {}
    for number in range(draw(st.integers(1, 12))):
        at = NOON + timedelta(seconds=draw(st.integers(0, 6)))
        account, order_id = draw(st.sampled_from(["DU1", "DU2"])), draw(st.integers(1, 4))
        is_buy = draw(st.booleans())
        base = f"0000e0d5.{draw(st.integers(0, 99)):02}{number:06x}.01"
        revisions = draw(st.lists(st.integers(1, 4), min_size=1, max_size=3, unique=True))
        for revision in sorted(revisions):
            units, price = draw(st.integers(0, 20)), D(draw(st.integers(1, 999))) / 10
            facts.append(
                ExecutionFact(
                    exec_id=f"{base}.{revision:02}",
                    side="BOT" if is_buy else "SLD",
                    shares=D(units),
                    price=price,
                    order_id=order_id + 10 * (account == "DU2"),
                    perm_id=900 + order_id + 10 * (account == "DU2"),
                    client_id=1,
                    contract=CALL,
                    time=f"{at:%Y%m%d-%H:%M:%S}",
                    account=account,
                )
            )
        fee = D(draw(st.integers(0, 300))) / 100
        if draw(st.booleans()):
            facts.append(
                CommissionFact(exec_id=f"{base}.{max(revisions):02}", commission=fee, currency="USD")
            )
        else:
            fee = D(0)
        signed = units if is_buy else -units
        deals.setdefault(account, []).append(Deal(at, base, signed, price * 100, fee))
    return Story(tuple(facts), {account: tuple(made) for account, made in deals.items()})


def tell(story: Story, chance: random.Random, looks: int) -> tuple[Holding, ...]:
    """Tell a story in any order, with repetitions, to a book that is looked at now and then."""
    facts = [*story.facts, *chance.choices(story.facts, k=3)]
    chance.shuffle(facts)
    book, books = Book(client_id=1), Books()
    feed = book.follow_fills()
    for number, fact in enumerate(facts):
        book.apply(fact, NOON)
        if looks and not number % looks:
            for one in feed.take():
                books.take(one)
            books.holdings()
    for one in feed.take():
        books.take(one)
    return books.holdings()


@given(story=stories(), seed=st.integers(0, 2**32), looks=st.integers(0, 3))
def test_the_order_of_arrival_does_not_matter(story: Story, seed: int, looks: int) -> None:
    """Executions, corrections, busts and commissions in any order, some twice: the same holdings."""
    in_order = tell(story, Orderly(), 0)
    chance = random.Random(seed)  # noqa: S311 - told in the example
    assert tell(story, chance, looks) == in_order
    for holding in in_order:
        naive = by_lots(story.deals[holding.account])
        assert (holding.quantity, holding.cost, holding.gross) == (naive.units, naive.cost, naive.gross)
        paid = sum((one.fee for one in story.deals[holding.account]), D(0))
        assert holding.commissions["USD"] == paid


class Orderly(random.Random):
    """Chance that changes nothing: the story as it was made."""

    def shuffle(self, x: object) -> None:
        """Leave all as it is."""


@given(story=stories(), cut=st.integers(0, 40))
def test_books_that_are_opened_late_are_the_same(story: Story, cut: int) -> None:
    """The feed begins with all that the book knows."""
    book, books = Book(client_id=1), Books()
    for fact in story.facts[:cut]:
        book.apply(fact, NOON)
    feed = book.follow_fills()
    for fact in story.facts[cut:]:
        book.apply(fact, NOON)
    for one in feed.take():
        books.take(one)
    assert books.holdings() == tell(story, Orderly(), 0)
    assert feed.take() == ()


def test_combo_legs_in_a_builder_are_no_contract_that_is_held() -> None:
    """Asked about by mistake, it fits nothing."""
    combo = Contract.combo("AAPL", [ComboLeg(77), ComboLeg(78, action="SELL")])
    assert books_of(fill("BUY", 1, 1, contract=CALL)).keys_of(combo) == ()


@given(st.lists(arbitrary_facts(), max_size=25), st.lists(st.tuples(st.text(max_size=3), st.decimals())))
def test_nothing_that_the_broker_says_breaks_the_books(
    facts: list[BrokerFact], told: list[tuple[str, Decimal]]
) -> None:
    """Any executions and commissions with any values, and any positions: sums come out, whatever they are."""
    book, books, check = Book(1), Books(), PositionCheck()
    feed = book.follow_fills()
    for fact in facts:
        book.apply(fact, NOON)
        for one in feed.take():
            books.take(one)
        books.holdings()
    positions = [
        Position(account=account, contract=AAPL, quantity=number, average_cost=number)
        for account, number in told
        if number.is_finite()
    ]
    for _ in range(2):
        check.compare(positions, book.position_fills(), NOON)
    check.load(check.dump())
    books.set_bases(check.bases)
    for is_fifo in (True, False):
        for holding in books.holdings(is_fifo=is_fifo):
            assert holding.realised is not None
            assert holding.unrealised(1) is not None
            assert str(holding)
            books.lots((holding.account, holding.contract.con_id))
