"""The strategies make what they say: valid lives, and disorder that loses nothing it must not lose."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, find, given, settings
from hypothesis import strategies as st

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.facts import (
    BrokerFact,
    CommissionFact,
    CompletedOrderFact,
    ErrorFact,
    ExecutionFact,
    OpenOrderFact,
    StatusFact,
)
from ibkr_core.model.order import Order
from ibkr_core.testing import strategies
from ibkr_core.testing.strategies import (
    CancelAsked,
    Command,
    Ending,
    Life,
    ModifyAsked,
    Placed,
    Step,
    interleaved,
    noisy_steps_of,
    order_lives,
    reordered,
    repeated,
    several_lives,
    with_early_commissions,
    with_late_commissions,
    with_replays,
    without_statuses,
)

pytestmark = pytest.mark.filterwarnings("ignore:Generating overly large repr")


# One example is enough, however large.
ENOUGH = settings(
    max_examples=5_000,
    phases=(Phase.generate,),
    database=None,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


# ── lives ───────────────────────────────────────────────────────────────────────────────────────


@given(order_lives(order_id=7, client_id=3))
def test_a_life_begins_with_its_placement_and_is_all_about_one_order(life: Life) -> None:
    """Every step names the same order, client and permanent id."""
    first, *rest = life.steps
    assert first == Placed(order_id=7, contract=life.contract, order=life.order, key="key-7")
    assert not [step for step in rest if isinstance(step, Placed)]
    for step in rest:
        if isinstance(step, StatusFact | ExecutionFact):
            assert (step.order_id, step.client_id, step.perm_id) == (7, 3, life.perm_id)
        elif isinstance(step, OpenOrderFact):
            assert (step.order.order_id, step.order.client_id, step.order.perm_id) == (7, 3, life.perm_id)
        elif isinstance(step, ErrorFact):
            assert step.request_id == 7


@given(order_lives())
def test_the_figures_of_a_life_agree(life: Life) -> None:
    """The sum of filled and remaining is the size (TWS facts 2.11), and filled counts the executions."""
    size = life.order.quantity
    executed: dict[str, Decimal] = {}
    proposal: Order | None = None
    for step in life.steps:
        if isinstance(step, ModifyAsked):
            proposal = step.order
        elif isinstance(step, OpenOrderFact):
            assert step.order.total_quantity is not None
            if step.order.total_quantity != size:
                assert proposal is not None
                assert step.order.total_quantity == proposal.quantity
            size = step.order.total_quantity
        elif isinstance(step, ExecutionFact) and not ExecutionId.parse(step.exec_id).is_five_segments:
            assert step.shares > 0
            assert step.price > 0
            executed[ExecutionId.parse(step.exec_id).base] = step.shares
        elif isinstance(step, StatusFact):
            assert step.filled == sum(executed.values())
            assert step.remaining is not None
            assert step.filled + step.remaining == size
        assert sum(executed.values()) <= size
    assert (life.size, life.filled) == (size, sum(executed.values()))


@given(order_lives())
def test_an_ending_is_what_the_steps_tell(life: Life) -> None:
    """Complete executions for FILLED, and an open rest for all others."""
    facts = [step for step in life.steps if isinstance(step, BrokerFact)]
    words = [
        step.status for step in facts if isinstance(step, StatusFact | OpenOrderFact | CompletedOrderFact)
    ]
    if life.ending is Ending.FILLED:
        assert life.filled == life.size
    else:
        assert life.filled < life.size
        assert "Filled" not in words
    assert ("Cancelled" in words) == (life.ending is Ending.CANCELLED)
    assert (facts == []) == (life.ending is Ending.UNANSWERED)
    if life.ending is Ending.REJECTED:
        assert not life.executions
        assert any(isinstance(fact, ErrorFact) for fact in facts)


@given(order_lives())
def test_what_a_life_comes_to_is_told_in_it(life: Life) -> None:
    """The newest revision of each execution and the report that holds are among its steps."""
    executions = [step for step in life.steps if isinstance(step, ExecutionFact)]
    newest: dict[str, ExecutionFact] = {}
    for fact in executions:
        newest[ExecutionId.parse(fact.exec_id).base] = fact
    assert newest == life.executions | life.leg_executions
    reports = {step for step in life.steps if isinstance(step, CommissionFact)}
    assert set(life.commissions.values()) <= reports
    assert {ExecutionId.parse(report.exec_id).base for report in reports} == set(life.commissions)


@pytest.mark.parametrize(
    "condition",
    [
        lambda life: life.ending is Ending.FILLED and len(life.executions) >= 3,
        lambda life: life.ending is Ending.CANCELLED and life.executions,
        lambda life: life.ending is Ending.UNANSWERED,
        lambda life: life.contract.is_combo and life.leg_executions,
        lambda life: life.quantities_corrected,
        lambda life: life.terms_changed and life.size != life.order.quantity,
        lambda life: life.ending is Ending.FILLED and any(isinstance(s, CancelAsked) for s in life.steps),
        lambda life: life.executions and not any(isinstance(s, StatusFact) for s in life.steps),
        lambda life: life.filled % 1 != 0,
        lambda life: any(isinstance(s, CompletedOrderFact) for s in life.steps),
        lambda life: any(isinstance(s, StatusFact) and s.status == "PendingCancel" for s in life.steps),
        lambda life: len(life.commission_by_currency) == 2,
    ],
    ids=range(12),
)
def test_every_kind_of_story_is_told(condition: Callable[[Life], Any]) -> None:
    """Partial fills, legs, corrections, modifications, lost races and silence all occur."""
    assert condition(find(order_lives(), lambda life: bool(condition(life)), settings=ENOUGH))


# ── disorder ────────────────────────────────────────────────────────────────────────────────────

STEPS = several_lives(most=2).flatmap(interleaved)
drawn_from = st.data()


def facts_of(steps: Sequence[Step]) -> Counter[Step]:
    """Count the facts among steps."""
    return Counter(step for step in steps if not isinstance(step, Command))


def commands_of(steps: Sequence[Step]) -> list[Step]:
    """Return the commands among steps, in order."""
    return [step for step in steps if isinstance(step, Command)]


@given(several_lives(least=2), st.data())
def test_interleaving_keeps_each_lifes_own_order(lives: tuple[Life, ...], data: st.DataObject) -> None:
    """Nothing is lost, added or overtaken within one order."""
    mixed = list(data.draw(interleaved(lives)))
    assert Counter(map(id, mixed)) == Counter(id(step) for life in lives for step in life.steps)
    for life in lives:
        own = {id(step) for step in life.steps}
        assert [step for step in mixed if id(step) in own] == list(life.steps)


@given(STEPS, st.data())
def test_repetition_only_adds_copies_behind_the_first(steps: tuple[Step, ...], data: st.DataObject) -> None:
    """The first telling keeps its place among the first tellings, and commands are not repeated."""
    told = data.draw(repeated(steps))
    assert commands_of(told) == commands_of(steps)
    assert set(facts_of(told)) == set(facts_of(steps))
    assert all(facts_of(told)[fact] >= count for fact, count in facts_of(steps).items())
    assert list(dict.fromkeys(told)) == list(dict.fromkeys(steps))


@given(STEPS, st.data())
def test_reordering_keeps_the_facts_and_the_order_of_our_commands(
    steps: tuple[Step, ...], data: st.DataObject
) -> None:
    """No fact comes before its order was placed; else everything may."""
    told = data.draw(reordered(steps))
    assert facts_of(told) == facts_of(steps)
    placed = [step for step in steps if isinstance(step, Placed)]
    assert list(told[: len(placed)]) == placed
    others = [step for step in commands_of(steps) if not isinstance(step, Placed)]
    assert commands_of(told)[len(placed) :] == others


@given(STEPS, st.data())
def test_only_statuses_of_executed_orders_are_dropped(steps: tuple[Step, ...], data: st.DataObject) -> None:
    """A status may be missing where executions tell the same (TWS facts 2.2)."""
    told = data.draw(without_statuses(steps))
    executed = {step.order_id for step in steps if isinstance(step, ExecutionFact)}
    lost = facts_of(steps) - facts_of(told)
    assert not facts_of(told) - facts_of(steps)
    assert all(isinstance(fact, StatusFact) and fact.order_id in executed for fact in lost)
    assert commands_of(told) == commands_of(steps)


@pytest.mark.parametrize(("noise", "sign"), [(with_late_commissions, 1), (with_early_commissions, -1)])
@given(steps=STEPS, data=st.data())
def test_commissions_move_in_one_direction_and_nothing_else_moves(
    noise: Callable[[Sequence[Step]], st.SearchStrategy[tuple[Step, ...]]],
    sign: int,
    steps: tuple[Step, ...],
    data: st.DataObject,
) -> None:
    """Late ones may come behind the end, early ones before their executions."""
    told = data.draw(noise(steps))
    assert facts_of(told) == facts_of(steps)
    rest = [[step for step in some if not isinstance(step, CommissionFact)] for some in (told, steps)]
    assert rest[0] == rest[1]
    for report in (step for step in steps if isinstance(step, CommissionFact)):
        before = [
            sum(1 for s in some[: some.index(report)] if not isinstance(s, CommissionFact))
            for some in (steps, told)
        ]
        assert (before[1] - before[0]) * sign >= 0


@given(STEPS, st.data())
def test_a_replay_tells_executions_again_before_their_commissions(
    steps: tuple[Step, ...], data: st.DataObject
) -> None:
    """As reqExecutions answers (TWS facts 2.9): nothing new in it but the request's id."""
    told = data.draw(with_replays(steps))
    added = [step for step in told if isinstance(step, ExecutionFact) and step.request_id != -1]
    known = {step.exec_id for step in steps if isinstance(step, ExecutionFact)}
    assert {step.exec_id for step in added} <= known
    rest = list(told)
    for step in steps:  # the steps themselves are still there, in their order
        rest = rest[rest.index(step) + 1 :]
    extra = facts_of(told) - facts_of(steps)
    assert all(isinstance(fact, ExecutionFact | CommissionFact) for fact in extra)


@given(noisy_steps_of(several_lives(most=2)))
def test_noise_loses_no_execution_and_no_commission(told: tuple[tuple[Life, ...], tuple[Step, ...]]) -> None:
    """Whatever mixture of disorder: the truth about the money is still told, after the placement."""
    lives, steps = told
    for life in lives:
        assert set(life.executions.values()) | set(life.leg_executions.values()) <= set(steps)
        assert set(life.commissions.values()) <= set(steps)
        place = steps.index(life.steps[0])
        assert not any(getattr(step, "order_id", None) == life.order_id for step in steps[:place])


def test_the_public_names_are_pinned() -> None:
    """Users' tests import these."""
    assert sorted(strategies.__all__) == strategies.__all__
    assert all(hasattr(strategies, name) for name in strategies.__all__)
    assert set(strategies.__all__) == {
        "CancelAsked",
        "Command",
        "Ending",
        "Life",
        "ModifyAsked",
        "Placed",
        "Step",
        "arbitrary_facts",
        "interleaved",
        "noisy_steps_of",
        "order_lives",
        "perform",
        "reordered",
        "repeated",
        "several_lives",
        "with_early_commissions",
        "with_late_commissions",
        "with_replays",
        "without_statuses",
    }
