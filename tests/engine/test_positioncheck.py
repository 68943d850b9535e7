"""The broker's positions against our fills: a difference is told once, when it is certain."""

from __future__ import annotations

from decimal import Decimal

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
