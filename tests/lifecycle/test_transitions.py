"""THE table: total, and true to its three rules whatever a cell says."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest

from ibkr_core.lifecycle.transitions import TABLE, Source, Step, Trigger, step
from ibkr_core.model.status import FINISHED, WORKING, OrderStatus

S, T = OrderStatus, Trigger
CELLS = [pytest.param(status, trigger, id=f"{status.name}-{trigger.name}") for status, trigger in TABLE]

DEATH = {T.VERDICT_REJECTED, T.VERDICT_DEAD}
WORKING_WORDS = {T.WORD_PENDING, T.WORD_PRE_SUBMITTED, T.WORD_SUBMITTED, T.WORD_PARTIAL}
COMMANDS = {T.MODIFY, T.CANCEL}


def test_the_table_is_total() -> None:
    """Every pair of a status and a trigger has a cell, and there is nothing else in it."""
    assert set(TABLE) == set(itertools.product(OrderStatus, Trigger))
    for (status, trigger), cell in TABLE.items():
        assert step(status, trigger) is cell


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_rule_one_terminal_only_with_proof(status: OrderStatus, trigger: Trigger) -> None:
    """Into the finished statuses lead only words, executions, verdicts of death, lists, and bytes unsent."""
    target = TABLE[status, trigger].next
    if target is None or target not in FINISHED:
        return
    proofs = {
        S.FILLED: {T.WORD_FILLED, T.EXEC_FULL},
        S.CANCELLED: {T.WORD_CANCELLED, T.LISTS_LACK_NEW, T.LISTS_LACK_KNOWN} | DEATH,
        S.REJECTED: {T.VERDICT_REJECTED, T.NOT_SENT, T.LISTS_LACK_NEW},
    }
    assert trigger in proofs[target]


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_rule_two_what_is_finished_stays_so_but_for_proof(status: OrderStatus, trigger: Trigger) -> None:
    """FILLED is absorbing; CANCELLED gives way to more fills or its cause; REJECTED to proof of life."""
    cell = TABLE[status, trigger]
    if status not in FINISHED or (cell.next is None and not cell.resume):
        return
    allowed = {
        S.FILLED: {},
        S.CANCELLED: {
            T.WORD_FILLED: S.FILLED,
            T.EXEC_FULL: S.FILLED,
            T.VERDICT_REJECTED: S.REJECTED,
            T.VERDICT_LIVES: None,
        },
        S.REJECTED: {
            T.WORD_FILLED: S.FILLED,
            T.EXEC_FULL: S.FILLED,
            T.EXEC_PARTIAL: S.UNKNOWN,
            T.VERDICT_LIVES: None,
            T.RESEND: S.PENDING_SUBMIT,
        },
    }
    assert trigger in allowed[status]
    assert cell.next is allowed[status][trigger]


@pytest.mark.parametrize("trigger", Trigger, ids=lambda trigger: trigger.name)
def test_nothing_leads_out_of_filled(trigger: Trigger) -> None:
    """Filled is filled: every other story is an anomaly at most."""
    cell = TABLE[S.FILLED, trigger]
    assert cell.next is None
    assert not cell.resume


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_rule_three_doubt_is_a_state(status: OrderStatus, trigger: Trigger) -> None:
    """Into UNKNOWN leads only what leaves the fate open; any working word or complete fill leads out."""
    target = TABLE[status, trigger].next
    openers = {T.VERDICT_DOUBT, T.SEND_FAILED, T.DISCONNECTED, T.EXEC_PARTIAL, T.SILENCE}
    if target is S.UNKNOWN:
        assert trigger in openers
        assert status is not S.UNKNOWN
        if trigger is T.EXEC_PARTIAL:
            assert status is S.REJECTED, "an execution of a live order leaves no doubt"
    if status is S.UNKNOWN and trigger in WORKING_WORDS | {
        T.WORD_PENDING_CANCEL,
        T.WORD_CANCELLED,
        T.WORD_FILLED,
        T.WORD_INACTIVE,
        T.EXEC_FULL,
    }:
        assert target is not None


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_a_warning_or_silence_moves_nothing(status: OrderStatus, trigger: Trigger) -> None:
    """No trigger exists for warnings; a lost connection or a silence never ends or revives an order."""
    if trigger in (T.DISCONNECTED, T.SILENCE):
        assert TABLE[status, trigger] in (Step(), Step(next=S.UNKNOWN))
    assert "WARN" not in trigger.name
    assert "TIME" not in trigger.name


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_commands_are_illegal_only_where_stated(status: OrderStatus, trigger: Trigger) -> None:
    """Only commands can be: on finished orders, a modify in doubt, sending again what the broker knows."""
    cell = TABLE[status, trigger]
    forbidden = trigger in COMMANDS and status in FINISHED
    forbidden |= trigger is T.RESEND and status not in {S.PENDING_SUBMIT, S.UNKNOWN, S.REJECTED}
    forbidden |= trigger is T.MODIFY and status in {S.UNKNOWN, S.PENDING_CANCEL}
    assert cell.illegal == forbidden
    if cell.illegal:
        assert cell == Step(illegal=True)


def test_our_own_cancel_is_pending_and_proves_nothing() -> None:
    """A cancel of a live order makes it PENDING_CANCEL; of one in doubt it changes nothing."""
    for status in (*WORKING, S.INACTIVE):
        expected = None if status is S.PENDING_CANCEL else S.PENDING_CANCEL
        assert TABLE[status, T.CANCEL].next is expected
    assert TABLE[S.UNKNOWN, T.CANCEL] == Step()


@pytest.mark.parametrize(("status", "trigger"), CELLS)
def test_the_brokers_surprises_on_finished_orders_are_recorded(status: OrderStatus, trigger: Trigger) -> None:
    """A living word on a dead order is an anomaly, never silently dropped, and never an error."""
    cell = TABLE[status, trigger]
    if status in FINISHED and trigger in {*WORKING_WORDS, T.WORD_PENDING_CANCEL}:
        assert cell.anomaly
    if trigger is T.WORD_STRANGE:
        assert cell == Step(anomaly=True)
    if cell.anomaly:
        assert trigger.source in (Source.WORD, Source.VERDICT, Source.EXECUTION)
        assert not cell.illegal


@pytest.mark.parametrize("status", WORKING, ids=lambda status: status.name)
def test_words_move_a_live_order_freely(status: OrderStatus) -> None:
    """Words repeat, skip steps and go backwards (TWS facts 1): from any live status each word is taken."""
    wanted = {
        T.WORD_PRE_SUBMITTED: S.PRE_SUBMITTED,
        T.WORD_SUBMITTED: S.SUBMITTED,
        T.WORD_PARTIAL: S.PARTIALLY_FILLED,
        T.WORD_PENDING_CANCEL: S.PENDING_CANCEL,
        T.WORD_CANCELLED: S.CANCELLED,
        T.WORD_FILLED: S.FILLED,
        T.WORD_INACTIVE: S.INACTIVE,
    }
    for trigger, target in wanted.items():
        assert TABLE[status, trigger].next in (target, None if target is status else target)
        assert not TABLE[status, trigger].anomaly


@pytest.mark.parametrize("status", sorted(set(S) - {S.FILLED}, key=list(S).index), ids=lambda s: s.name)
def test_complete_executions_fill_any_order(status: OrderStatus) -> None:
    """Executions are the truth about fills, also for an order that counts as cancelled or refused."""
    assert TABLE[status, T.EXEC_FULL].next is S.FILLED


@pytest.mark.parametrize("status", [S.PENDING_SUBMIT, S.PENDING_CANCEL, S.UNKNOWN], ids=lambda s: s.name)
def test_what_certainly_never_left_is_rejected(status: OrderStatus) -> None:
    """Found by examination: after a cancel or a lost connection in between, it hung for ever."""
    assert TABLE[status, T.NOT_SENT] == Step(next=S.REJECTED)


def reachable_from(start: OrderStatus) -> set[OrderStatus]:
    """Return all statuses that some row of steps leads to."""
    seen, pending = {start}, [start]
    while pending:
        for target in moves(pending.pop()):
            if target not in seen:
                seen.add(target)
                pending.append(target)
    return seen


def moves(status: OrderStatus) -> Iterator[OrderStatus]:
    """Yield the targets of a row; a resume can lead to what a word may say."""
    for trigger in Trigger:
        cell = TABLE[status, trigger]
        if cell.next is not None:
            yield cell.next
        if cell.resume:
            yield from (S.PENDING_SUBMIT, S.PRE_SUBMITTED, S.SUBMITTED, S.PARTIALLY_FILLED, S.INACTIVE)


@pytest.mark.parametrize("start", [S.PENDING_SUBMIT, S.UNKNOWN], ids=lambda s: s.name)
def test_no_row_is_unreachable(start: OrderStatus) -> None:
    """From a new order of ours, and from one first heard of, every row can come into play."""
    assert reachable_from(start) == set(OrderStatus)


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.name)
def test_lists_end_what_they_lack(status: OrderStatus) -> None:
    """What complete lists lack has ended; what never showed itself never was; what has ended stays so."""
    never, gone = TABLE[status, T.LISTS_LACK_NEW], TABLE[status, T.LISTS_LACK_KNOWN]
    if status in FINISHED:
        assert never == gone == Step()
    else:
        assert gone == Step(next=S.CANCELLED)
        assert never.next in (S.CANCELLED, S.REJECTED)


def test_every_live_status_can_still_end_in_each_way() -> None:
    """No live order is trapped: it can fill, be cancelled, and fall into doubt or be refused."""
    for status in (*WORKING, S.INACTIVE, S.UNKNOWN):
        assert {S.FILLED, S.CANCELLED, S.REJECTED} <= reachable_from(status), status


def test_each_trigger_knows_where_its_evidence_comes_from() -> None:
    """The five sides of proof, as the theory has them."""
    sides = {source: {t for t in Trigger if t.source is source} for source in Source}
    assert {t.name for t in sides[Source.WORD]} == {t.name for t in Trigger if t.name.startswith("WORD_")}
    assert sides[Source.EXECUTION] == {T.EXEC_PARTIAL, T.EXEC_FULL}
    assert sides[Source.US] == {
        T.MODIFY,
        T.CANCEL,
        T.SEND_FAILED,
        T.NOT_SENT,
        T.DISCONNECTED,
        T.SILENCE,
        T.RESEND,
    }
    assert sides[Source.LISTS] == {T.LISTS_LACK_NEW, T.LISTS_LACK_KNOWN}
    assert sum(len(side) for side in sides.values()) == len(Trigger)
