"""The broker's positions against our fills: a difference is told once, when it is certain."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action
from ibkr_core.positioncheck import Difference, PositionCheck


def held(quantity: object, con_id: int = 1, account: str = "DU1") -> Position:
    contract = Contract(con_id=con_id, symbol=f"S{con_id}", sec_type="STK")
    return Position(account=account, contract=contract, quantity=Decimal(str(quantity)))


def fill(quantity: object, con_id: int = 1, account: str = "DU1", action: Action = Action.BUY) -> Fill:
    return Fill(
        exec_id=f"e.{con_id}.{quantity}.01",
        quantity=Decimal(str(quantity)),
        price=Decimal(100),
        action=action,
        account=account,
        con_id=con_id,
        symbol=f"S{con_id}",
    )


def differences(*found: Difference) -> list[tuple[str, int, Decimal, Decimal]]:
    return [(one.account, one.contract.con_id, one.expected, one.told) for one in found]


def test_the_first_look_is_the_base() -> None:
    """What was held before we came is nobody's mistake."""
    check = PositionCheck()
    assert check.compare([held(100)], [fill(10)]) == ()
    assert check.compare([held(105)], [fill(10), fill(5)]) == ()
    assert not check.is_suspicious


def test_a_difference_is_told_when_it_is_seen_twice() -> None:
    """A fill may come between the two answers; then it is gone the next time."""
    check = PositionCheck()
    check.compare([], [])
    assert check.compare([held(7)], []) == ()
    assert check.is_suspicious
    assert differences(*check.compare([held(7)], [])) == [("DU1", 1, Decimal(0), Decimal(7))]
    assert not check.is_suspicious


def test_a_difference_that_goes_away_is_none() -> None:
    """The execution came a moment later than the position."""
    check = PositionCheck()
    check.compare([], [])
    check.compare([held(7)], [])
    assert check.compare([held(7)], [fill(7)]) == ()
    assert not check.is_suspicious


def test_a_difference_that_changes_is_looked_at_again() -> None:
    """Only two equal looks are certain."""
    check = PositionCheck()
    check.compare([], [])
    assert check.compare([held(7)], []) == ()
    assert check.compare([held(9)], []) == ()
    assert differences(*check.compare([held(9)], [])) == [("DU1", 1, Decimal(0), Decimal(9))]


def test_it_is_told_once() -> None:
    """What the broker told is the base from then on; our fills count on top of it."""
    check = PositionCheck()
    check.compare([], [])
    check.compare([held(7)], [])
    check.compare([held(7)], [])
    assert check.compare([held(7)], []) == ()
    assert check.compare([held(4)], [fill(3, action=Action.SELL)]) == ()
    check.compare([held(5)], [fill(3, action=Action.SELL)])
    found = check.compare([held(5)], [fill(3, action=Action.SELL)])
    assert differences(*found) == [("DU1", 1, Decimal(4), Decimal(5))]


def test_a_position_that_vanishes_is_a_difference() -> None:
    """It is listed no more: flat, by somebody else's hand."""
    check = PositionCheck()
    check.compare([held(100)], [])
    check.compare([], [])
    assert differences(*check.compare([], [])) == [("DU1", 1, Decimal(100), Decimal(0))]


def test_accounts_and_contracts_are_kept_apart() -> None:
    """The same fill in another account, or of another contract, explains nothing."""
    check = PositionCheck()
    check.compare([], [])
    for _ in range(2):
        found = check.compare([held(5, account="DU2")], [fill(5, account="DU1")])
    assert sorted(differences(*found)) == [
        ("DU1", 1, Decimal(5), Decimal(0)),
        ("DU2", 1, Decimal(0), Decimal(5)),
    ]


def test_fills_that_do_not_tell_their_contract_count_for_nothing() -> None:
    """There is nothing to compare them with."""
    check = PositionCheck()
    check.compare([], [])
    assert check.compare([], [fill(5, con_id=0)]) == ()
    assert not check.is_suspicious


def test_what_is_remembered_survives_a_restart() -> None:
    """A difference that arose while we were away is told; the base is not taken anew."""
    check = PositionCheck()
    check.compare([held("100.5")], [fill(10)])
    after = PositionCheck()
    after.load(check.dump())
    assert after.compare([held("100.5")], [fill(10)]) == ()
    after.compare([], [fill(10)])
    found = after.compare([], [fill(10)])
    assert differences(*found) == [("DU1", 1, Decimal("100.5"), Decimal(0))]


def test_a_contract_that_is_known_by_its_id_alone_is_told_by_it() -> None:
    """Held in an earlier run, and gone since: nobody tells its symbol any more."""
    check = PositionCheck()
    check.compare([held(100, con_id=9)], [])
    after = PositionCheck()
    after.load(check.dump())
    after.compare([], [])
    assert differences(*after.compare([], [])) == [("DU1", 9, Decimal(100), Decimal(0))]


@given(
    trades=st.lists(
        st.tuples(st.integers(1, 3), st.integers(1, 50), st.sampled_from([Action.BUY, Action.SELL])),
        max_size=30,
    ),
    start=st.integers(-100, 100),
    looks=st.sets(st.integers(0, 30)),
)
def test_own_trades_are_never_a_difference(
    trades: list[tuple[int, int, Action]], start: int, looks: set[int]
) -> None:
    """Whatever we trade, and whenever it is looked at: positions that follow the fills agree."""
    check = PositionCheck()
    fills: list[Fill] = []
    now = dict.fromkeys((1, 2, 3), Decimal(start))
    for number, (con_id, quantity, action) in enumerate(trades):
        if number in looks:
            assert check.compare([held(q, c) for c, q in now.items() if q], fills) == ()
            assert not check.is_suspicious
        fills.append(fill(quantity, con_id, action=action))
        now[con_id] += quantity if action is Action.BUY else -quantity
    assert check.compare([held(q, c) for c, q in now.items() if q], fills) == ()


# ── what it cost ────────────────────────────────────────────────────────────────────────────────

USD = Contract(con_id=1, symbol="S1", sec_type="STK", currency="USD")
LATER = datetime(2026, 11, 21, tzinfo=UTC)


def costing(quantity: object, average: object | None) -> Position:
    """A position with the broker's average cost."""
    cost = None if average is None else Decimal(str(average))
    return Position(account="DU1", contract=USD, quantity=Decimal(str(quantity)), average_cost=cost)


def traded(signed: int, price: object, second: int, fee: object = 0) -> Fill:
    """A fill with its contract, so that it has a price in money."""
    return attrs.evolve(
        fill(abs(signed), action=Action.BUY if signed > 0 else Action.SELL),
        exec_id=f"e.{second:02}.1.01",
        price=Decimal(str(price)),
        contract=USD,
        time=datetime(2026, 11, 20, 12, 0, second, tzinfo=UTC),
        commission=Decimal(str(fee)),
        commission_currency="USD",
    )


def units(check: PositionCheck) -> list[tuple[Decimal, Decimal | None]]:
    """Quantity and unit cost of all that came from elsewhere."""
    return [(one.quantity, one.unit) for one in check.bases["DU1", 1].trades]


@pytest.mark.parametrize(
    ("told", "fills", "base"),
    [
        (costing(100, "10.5"), [], (100, "10.5")),
        (costing(-100, "10.5"), [], (-100, "10.5")),
        (costing(100, None), [], (100, None)),
        (costing(150, "11"), [traded(50, 12, 1, 5)], (100, "10.45")),  # 1650 less 605
        (costing(-150, "11"), [traded(-50, 12, 1, 5)], (-100, "10.55")),  # -1650 plus 595
        (costing(70, "10.5"), [traded(-30, 12, 1, 5)], (100, "10.5")),
        (costing(90, "11"), [traded(50, 12, 1), traded(-60, 13, 2)], (100, "10.5")),
        (costing(-20, "13"), [traded(-120, 13, 1)], (100, None)),  # through zero: nothing is left of it
        (costing(0, "0"), [traded(-100, 13, 1)], (100, None)),
    ],
)
def test_the_first_look_learns_what_a_base_cost(
    told: Position, fills: list[Fill], base: tuple[int, str | None]
) -> None:
    """The broker's average cost without our fills, as far as they can be taken back out of it."""
    check = PositionCheck()
    check.compare([told], fills)
    quantity, unit = base
    assert units(check) == [(quantity, None if unit is None else Decimal(unit))]


def test_what_we_made_ourselves_has_no_base() -> None:
    """All is explained: there is nothing to show."""
    check = PositionCheck()
    check.compare([costing(50, 12)], [traded(50, 12, 1)])
    assert units(check) == []


def test_a_base_keeps_its_cost() -> None:
    """Later averages hold our fills, and another way to match them; the first one is what it cost."""
    check = PositionCheck()
    check.compare([costing(100, 10)], [])
    check.compare([costing(150, 99)], [traded(50, 12, 1)])
    assert units(check) == [(100, 10)]


def twice(check: PositionCheck, told: list[Position], fills: list[Fill]) -> None:
    for _ in range(2):
        check.compare(told, fills, LATER)


@pytest.mark.parametrize(
    ("first", "then", "change"),
    [
        (0, costing(100, 10), [(100, "10")]),  # assigned, or transferred in
        (100, costing(150, 11), [(50, "13")]),  # 1650 - 1000 for 50
        (100, costing(40, 10), [(-60, None)]),  # left without a price
        (100, None, [(-100, None)]),  # expired
        (100, costing(-30, 8), [(-100, None), (-30, "8")]),
        (-100, costing(20, 8), [(100, None), (20, "8")]),
        (100, costing(150, 1), [(50, None)]),  # the broker averages otherwise: no price below zero
        (100, costing(150, None), [(50, None)]),
    ],
)
def test_a_change_that_no_fill_explains_is_dated_and_priced_where_it_can_be(
    first: int, then: Position | None, change: list[tuple[int, str | None]]
) -> None:
    """What opens costs what the broker's average says; what closes has no price that anybody told."""
    check = PositionCheck()
    check.compare([costing(first, 10)] if first else [], [])
    twice(check, [then] if then is not None else [], [])
    found = units(check)[1 if first else 0 :]
    assert found == [(part, None if unit is None else Decimal(unit)) for part, unit in change]
    trades = check.bases["DU1", 1].trades
    assert [one.moment == LATER for one in trades] == [False] * bool(first) + [True] * len(change)
    assert len({one.key for one in trades}) == len(trades)


def test_beside_what_is_unknown_an_average_tells_nothing() -> None:
    """What the fifty cost that came cannot be told from what the hundred had cost."""
    check = PositionCheck()
    check.compare([costing(100, None)], [])
    twice(check, [costing(150, 11)], [])
    assert units(check) == [(100, None), (50, None)]


@pytest.mark.parametrize(
    ("first", "told", "left"),
    [
        (0, [10, 0], []),
        (0, [10, 15, 10], [(10, "9")]),
        (0, [10, -5, 0], []),
        (0, [10, -5, 10], [(10, "9")]),
        (100, [110, 100], [(100, "10")]),
        (100, [0], [(100, "10"), (-100, None)]),
        (100, [-20, 0], [(100, "10"), (-100, None), (-20, "9"), (20, None)]),
    ],
)
def test_a_change_that_is_taken_back_leaves_no_trace(
    first: int, told: list[int], left: list[tuple[int, str | None]]
) -> None:
    """An execution that was told late is no purchase and sale; a position that goes is no mistake."""
    check = PositionCheck()
    check.compare([costing(first, 10)] if first else [], [])
    for quantity in told:
        twice(check, [costing(quantity, 9)] if quantity else [], [])
    assert units(check)[:1] == ([(Decimal(left[0][0]), Decimal(left[0][1] or 0))] if left else [])
    assert [quantity for quantity, _ in units(check)] == [quantity for quantity, _ in left]
    last = told[-1]
    assert check.expected("DU1", 1, []) == last


def test_costs_and_contracts_survive_a_restart() -> None:
    """Also before the broker tells anything."""
    call = Contract(
        con_id=1,
        symbol="S1",
        sec_type="OPT",
        strike=Decimal("12.5"),
        right="C",
        multiplier="100",
        currency="USD",
    )
    check = PositionCheck()
    check.compare(
        [Position(account="DU1", contract=call, quantity=Decimal(2), average_cost=Decimal(250))], []
    )
    twice(check, [], [])
    after = PositionCheck()
    after.load(check.dump())
    assert after.bases == check.bases
    assert after.bases["DU1", 1].contract == call
    assert units(after) == [(2, 250), (-2, None)]


def test_a_memory_of_an_earlier_version_is_understood() -> None:
    """It knew quantities alone; what they cost is learned at the next look."""
    check = PositionCheck()
    check.load('[["DU1", 1, "100"], ["DU1", 2, "0"]]')
    assert units(check) == [(100, None)]
    assert check.bases["DU1", 2].trades == ()
    check.compare([costing(100, "10.5")], [])
    assert units(check) == [(100, Decimal("10.5"))]


def test_what_the_journal_lets_go_costs_what_it_cost() -> None:
    """The next run knows these fills no more: what they left is its base, at their average."""
    check = PositionCheck()
    gone = [traded(100, 10, 1, 1), traded(-40, 12, 2, 1)]
    check.compare([costing(60, "10.01")], gone)
    check.let_go(gone)
    after = PositionCheck()
    after.load(check.dump())
    assert units(after) == [(60, Decimal("10.01"))]
    assert units(check) == []


def test_pictures_are_replaced_and_never_changed() -> None:
    """Another thread may be reading one; what did not change stays the very same."""
    check = PositionCheck()
    check.compare([costing(100, 10)], [])
    before = check.bases
    check.compare([costing(100, 10)], [])
    assert check.bases["DU1", 1] is before["DU1", 1]
    twice(check, [costing(120, 10)], [])
    assert before["DU1", 1].trades != check.bases["DU1", 1].trades


def test_the_advisors_own_line_is_no_position() -> None:
    """Of a group order the accounts' parts are held (TWS facts 3)."""
    check = PositionCheck()
    check.compare([], [])
    whole = attrs.evolve(fill(10, account="DF1"), is_allocated=True)
    parts = [attrs.evolve(fill(10), exec_id="p.1.1.01", is_allocation=True)]
    assert check.compare([held(10)], [whole, *parts]) == ()
    assert not check.is_suspicious
    assert check.expected("DU1", 1, [whole, *parts]) == 10
    assert check.expected("DF1", 1, [whole, *parts]) == 0
