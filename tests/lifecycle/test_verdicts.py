"""Error codes: what TWS facts 7 says of each, written down here by hand, against the table and the book."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.lifecycle.verdicts import (
    DEFAULT_RULES,
    CodeRule,
    Verdict,
    answered_request,
    extend,
    judge,
    stated_word,
)
from ibkr_core.model import events
from ibkr_core.model.record import Request
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import Desk, error

V, R, S = Verdict, Request, OrderStatus


def codes(text: str) -> list[int]:
    """Read a list of codes, in which ``a-b`` stands for a range."""
    found: list[int] = []
    for part in re.findall(r"(\d+)(?:-(\d+))?", text):
        first, last = int(part[0]), int(part[1] or part[0])
        found.extend(range(first, last + 1))
    return found


# The effects of TWS facts 7, row by row, read from the document and not from the code.
NEW_DEAD = codes(
    """106 107 111 113 114 115 121 123 153 155 156 405 421 424 425 427 428 431 432 437 438 116 117
    118 119 120 129 167 125 126 132 140 141 143 142 144 145-148 151 152 157 158 159 168 154 160 434 163
    200 203 328 356 358 359 360 387 388 391 392 395-398 400 402 403 406-413 417-419 426 429 433 439
    441-443 445-449 401 435 436 460 10006 10052 10063 10224 10268-10270"""
)
NEW_DEAD_MODIFY_UNTOUCHED = codes("109 110 320-323 355 382 383 422 440 10325-10327")
DUPLICATE_ID = [103]
"""Only the new request dies; another order with the id is untouched."""
UNTOUCHED = codes("100 104 105 135 136 137 161 326 329 444 512 515 516 538 2102 10241 10242 10341")
CONNECTION = codes("501-508 1100-1102 1300 2110")
"""UNTOUCHED too, and they answer no request: a cancel that is pending stays so."""
WARNING = codes("131 399 404 481 2109 2111 2130 2137 2168 2169 10233 10311 10329 10331 10349")
CHECK = codes("133 134 164 461 463 478 482 492 10149 2148 10147 10328")
NO_ORDER_MATTER = codes("165 166 327 2100 2101 2103-2108 2119 2157 2158 10225")
REJECTED, CANCELLED, STATED = [201], [202], [10148]
ELSEWHERE = codes("312-314 10243-10248 10250")
"""Refusals that other sections of the facts name: bad combo legs (3), fractions and sizes (6)."""

ALL = [
    *NEW_DEAD,
    *NEW_DEAD_MODIFY_UNTOUCHED,
    *DUPLICATE_ID,
    *UNTOUCHED,
    *CONNECTION,
    *WARNING,
    *CHECK,
    *NO_ORDER_MATTER,
    *REJECTED,
    *CANCELLED,
    *STATED,
    *ELSEWHERE,
]
STANDS = {V.UNTOUCHED, V.ASK}


def test_every_code_of_the_facts_is_a_rule_and_every_rule_has_a_source() -> None:
    """Section 7 is complete in the table; beyond it stand only the warning band and sections 3 and 6."""
    assert len(ALL) == len(set(ALL)), "a code stands twice in the expectation"
    assert set(ALL) <= set(DEFAULT_RULES)
    assert set(DEFAULT_RULES) - set(ALL) <= set(range(2100, 2200))


@pytest.mark.parametrize("code", NEW_DEAD + ELSEWHERE)
def test_a_refusal_kills_a_new_order_and_no_working_one(code: int) -> None:
    """NEW-DEAD: no such order exists. What works already is not killed by it."""
    assert judge(code, {R.NEW}) is V.REJECTED
    for pending in ({R.MODIFY}, {R.CANCEL}, set()):
        assert judge(code, pending) in STANDS | {V.CHECK}


@pytest.mark.parametrize("code", NEW_DEAD_MODIFY_UNTOUCHED + DUPLICATE_ID)
def test_a_refusal_of_a_modification_leaves_the_order_as_it_was(code: int) -> None:
    """On a new order it is dead; on a modification the original remains (TWS facts 6, 7)."""
    assert judge(code, {R.NEW}) is V.REJECTED
    assert judge(code, {R.MODIFY}) in STANDS
    assert judge(code, set()) in STANDS


@pytest.mark.parametrize("code", UNTOUCHED)
def test_an_untouched_order_stays_as_it_was(code: int) -> None:
    """UNTOUCHED: whatever is outstanding, the order's state is not changed by the code."""
    for pending in ({R.NEW}, {R.MODIFY}, {R.CANCEL}, {R.MODIFY, R.CANCEL}, set()):
        assert judge(code, pending) in STANDS


@pytest.mark.parametrize("code", [104, 135, 161])
def test_codes_that_hint_at_another_state_ask(code: int) -> None:
    """Filled, gone, or cancelling: the message does not tell which, so the broker is asked."""
    assert judge(code, {R.MODIFY}) is V.ASK
    assert judge(code, {R.CANCEL}) is V.ASK


@pytest.mark.parametrize("code", WARNING + CONNECTION)
def test_a_warning_is_never_more(code: int) -> None:
    """WARN: the order goes on, whatever is outstanding (other clients' mistake with 399, 404, 10349)."""
    for pending in ({R.NEW}, {R.MODIFY}, {R.CANCEL}, set(R), set()):
        assert judge(code, pending) is V.WARNING


@pytest.mark.parametrize("code", sorted(set(range(2100, 2200)) - set(ALL)))
def test_the_rest_of_the_warning_band_warns(code: int) -> None:
    """Facts 9.5: codes from 2100 to 2199 that are not listed otherwise must never change a state."""
    assert {judge(code, pending) for pending in ({R.NEW}, {R.MODIFY}, {R.CANCEL}, set())} == {V.WARNING}


@pytest.mark.parametrize("code", CHECK)
def test_a_message_that_does_not_tell_leads_to_a_question(code: int) -> None:
    """CHECK: re-read the order."""
    for pending in ({R.NEW}, {R.MODIFY}, {R.CANCEL}, set()):
        assert judge(code, pending) is V.CHECK


@pytest.mark.parametrize("code", NO_ORDER_MATTER)
def test_what_is_no_order_matter_touches_none(code: int) -> None:
    """Farms, accounts, historical data: an id in them is a request's, not an order's."""
    for pending in ({R.NEW}, set()):
        assert judge(code, pending) is V.UNRELATED


def test_201_and_202_are_death_and_10148_states() -> None:
    """DEAD for the existing order, and the one code whose text names the state."""
    for pending in ({R.NEW}, {R.MODIFY}, {R.CANCEL}, set()):
        assert judge(201, pending) is V.REJECTED
        assert judge(202, pending) is V.DEAD
        assert judge(10148, pending) is V.STATED


def test_an_unknown_code_is_checked_and_never_guessed() -> None:
    """A code that no source lists proves nothing in either direction."""
    for code in (0, 1, 99, 999, 10_999, 99_999, -5):
        assert code not in DEFAULT_RULES
        assert judge(code, {R.NEW}) is V.CHECK
        assert judge(code, ()) is V.CHECK


@pytest.mark.parametrize("code", [code for code in ALL if code not in REJECTED + CANCELLED + STATED])
def test_no_code_but_201_and_202_ends_a_working_order(code: int) -> None:
    """On the book: a working order with nothing, a modify or a cancel outstanding survives every code."""
    for request in ("none", "modify", "cancel"):
        desk = Desk()
        order = desk.working()
        if request == "modify":
            assert order.order is not None
            desk.modify(order.order.replace(limit_price=101))
        elif request == "cancel":
            desk.cancel()
        before, pending = desk.order.status, desk.order.pending
        after = desk.tell(error(code))
        assert after is not None
        assert not after.status.is_finished, request
        if code in WARNING + CONNECTION + NO_ORDER_MATTER:
            assert after.status is before
            assert after.pending == pending
        elif code in UNTOUCHED:
            assert after.status in (before, S.SUBMITTED)


@pytest.mark.parametrize("code", NEW_DEAD + NEW_DEAD_MODIFY_UNTOUCHED + DUPLICATE_ID + REJECTED + ELSEWHERE)
def test_a_refused_new_order_is_rejected_with_its_reason(code: int) -> None:
    """On the book: a new order that the broker refuses is REJECTED, and the record says why."""
    desk = Desk()
    desk.submit()
    order = desk.tell(error(code, "the reason"))
    assert order is not None
    assert order.status is S.REJECTED
    assert (order.error_message, order.error_codes) == ("the reason", (code,))
    assert len(desk.of(events.OrderRejected)) == 1


@pytest.mark.parametrize("code", UNTOUCHED + CONNECTION + WARNING + NO_ORDER_MATTER)
def test_a_new_order_outlives_what_is_no_refusal(code: int) -> None:
    """On the book: connection trouble, warnings and information leave a new order as it is."""
    desk = Desk()
    desk.submit()
    order = desk.tell(error(code))
    assert order is not None
    assert order.status is S.PENDING_SUBMIT


@pytest.mark.parametrize("code", CHECK)
def test_a_code_that_leaves_it_open_puts_the_order_in_doubt(code: int) -> None:
    """On the book: UNKNOWN, with the broker asked, for new and for working orders."""
    for make in (Desk.submit, Desk.working):
        desk = Desk()
        make(desk)
        order = desk.tell(error(code))
        assert order is not None
        assert order.status is S.UNKNOWN
        assert len(desk.questions()) == 2


# ── which request a code answers ────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("code", "pending", "answered"),
    [
        (110, {R.NEW}, R.NEW),
        (110, {R.MODIFY}, R.MODIFY),
        (110, {R.MODIFY, R.CANCEL}, R.MODIFY),
        (161, {R.MODIFY, R.CANCEL}, R.CANCEL),
        (136, {R.CANCEL}, R.CANCEL),
        # Found by examination: these were taken for answers to the order, and its cancel stayed pending.
        (136, {R.NEW, R.CANCEL}, R.CANCEL),
        (161, {R.NEW, R.CANCEL}, R.CANCEL),
        (10147, {R.NEW, R.CANCEL}, R.CANCEL),
        (10148, set(R), R.CANCEL),
        (201, {R.NEW, R.CANCEL}, R.NEW),
        (201, {R.CANCEL}, R.CANCEL),
        (110, set(), None),
    ],
)
def test_a_code_answers_the_request_that_it_can_be_about(
    code: int, pending: set[Request], answered: Request | None
) -> None:
    """Replies to a cancel answer the cancel; other codes the order, then the modification."""
    assert answered_request(code, pending) is answered


@pytest.mark.parametrize("code", NEW_DEAD + NEW_DEAD_MODIFY_UNTOUCHED)
def test_a_refusal_while_order_and_modification_are_open_proves_neither(code: int) -> None:
    """Found by examination: a refused modification declared an order dead that the broker then worked."""
    assert judge(code, {R.NEW, R.MODIFY}) is V.CHECK
    assert judge(201, {R.NEW, R.MODIFY}) is V.REJECTED


def test_an_order_whose_early_modification_was_refused_is_not_declared_dead() -> None:
    """On the book: in doubt until the broker's word, then alive; it was never REJECTED."""
    desk = Desk()
    order = desk.submit()
    assert order.order is not None
    desk.modify(order.order.replace(limit_price=101))
    desk.tell(error(110))
    assert desk.order.status is S.UNKNOWN
    assert not desk.of(events.OrderRejected)


@given(st.integers(-10, 20_000), st.sets(st.sampled_from(Request)))
def test_judging_is_total(code: int, pending: set[Request]) -> None:
    """Any code with anything outstanding has a verdict."""
    assert isinstance(judge(code, pending), Verdict)


# ── extending ───────────────────────────────────────────────────────────────────────────────────


def test_users_can_extend_the_table() -> None:
    """A verdict for all requests, or a rule; the default table itself cannot be changed."""
    own = CodeRule(new=V.REJECTED, modify=V.UNTOUCHED, cancel=V.UNTOUCHED, idle=V.WARNING)
    rules = extend(DEFAULT_RULES, {99_999: V.WARNING, 399: own})
    assert judge(99_999, {R.NEW}, rules) is V.WARNING
    assert judge(399, (), rules) is V.WARNING
    assert judge(399, {R.NEW}, rules) is V.REJECTED
    assert judge(399, {R.NEW}) is V.WARNING
    assert judge(202, (), rules) is V.DEAD
    for table in (rules, DEFAULT_RULES):
        with pytest.raises(TypeError):
            table[1] = own  # type: ignore[index]  # the very fault


@pytest.mark.parametrize("code", [0, -1, True, "399", 1.5, None])
def test_a_key_that_is_no_code_is_refused(code: object) -> None:
    """A mistyped key would never match, in silence."""
    with pytest.raises(InvalidInput) as caught:
        extend(DEFAULT_RULES, {code: V.WARNING})  # type: ignore[dict-item]  # the very fault
    assert caught.value.argument == "code"


def test_a_value_that_is_no_rule_is_refused() -> None:
    """A word is no verdict."""
    with pytest.raises(InvalidInput) as caught:
        extend(DEFAULT_RULES, {399: "warning"})  # type: ignore[dict-item]  # the very fault
    assert caught.value.argument == "rule"


# ── the text of 10148 ───────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("OrderId 5 that needs to be cancelled can not be cancelled, state: Filled.", "Filled"),
        ("OrderId 5 that needs to be cancelled cannot be cancelled, state: Cancelled.", "Cancelled"),
        ("state:PendingCancel", "PendingCancel"),
        ("state:  Inactive", "Inactive"),
        ("Auftrag 5 kann nicht storniert werden, Status: Erledigt.", None),
        ("state: ", None),
        ("", None),
    ],
)
def test_the_state_is_read_from_the_text_where_it_can_be(text: str, word: str | None) -> None:
    """The text varies and can be localised (TWS facts 7): then there is no word, and no guess."""
    assert stated_word(text) == word
