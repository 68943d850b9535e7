"""Results refuse to contradict themselves."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Action
from ibkr_core.model.results import ActionTaken, ExecutionResult, LegResult

STOCK = Contract.stock("AAPL")
A = ActionTaken
AMOUNTS = st.decimals(min_value=0, max_value=10**9, places=4)


@given(
    success=st.booleans(),
    action=st.sampled_from(A),
    ids=st.lists(st.integers(1, 2**31), unique=True, max_size=5),
    message=st.none() | st.text(max_size=9),
)
def test_a_result_is_consistent_or_refused(
    success: bool, action: A, ids: list[int], message: str | None
) -> None:
    """Exactly the combinations that make sense can be made; what is made says why it failed."""
    has_message = bool(message and message.strip())
    makes_sense = (
        has_message is not success
        and not (success and action in (A.PARTIAL, A.FAILED))
        and not (not success and action in (A.CLOSED, A.ROLLED, A.BRACKET_PLACED))
        and not (action is A.BRACKET_PLACED and not ids)
    )
    wish: dict[str, Any] = {"action_taken": action, "order_ids": ids, "error_message": message}
    if not makes_sense:
        with pytest.raises(InvalidInput):
            ExecutionResult(success=success, **wish)
        return
    result = ExecutionResult(success=success, **wish)
    assert result.order_ids == tuple(ids)
    assert (result.error_message is None) is result.success
    assert str(result).startswith(action.value)
    assert result.is_dry_run is (action is A.DRY_RUN)


@given(wanted=AMOUNTS, done=AMOUNTS)
def test_a_leg_that_falls_short_says_why(wanted: Decimal, done: Decimal) -> None:
    """What is left is never negative, and a leg with something left makes no success."""
    if done < wanted:
        with pytest.raises(InvalidInput, match="error: must say why"):
            LegResult(contract=STOCK, action="BUY", wanted=wanted, done=done)
    leg = LegResult(contract=STOCK, action="SELL", wanted=wanted, done=done, error="it was late")
    assert leg.left == max(wanted - done, 0)
    assert str(leg) == f"SELL {leg.done} of {leg.wanted} AAPL (it was late)"
    if leg.left:
        with pytest.raises(InvalidInput, match="has something left"):
            ExecutionResult(success=True, action_taken=A.CLOSED, legs=[leg])
    result = ExecutionResult(success=False, action_taken=A.PARTIAL, legs=(leg,), error_message="late")
    assert result.remaining == ((leg,) if leg.left else ())


def test_words_will_do_for_the_enums() -> None:
    """Lists become tuples, and the official words the values of the enums."""
    leg = LegResult(contract=STOCK, action="SELL", wanted="2", done=2, order_ids=[4])
    result = ExecutionResult(
        success=True, action_taken="CLOSED", order_ids=[4, 7], legs=[leg], notes=["a note"]
    )
    assert (result.action_taken, leg.action) == (A.CLOSED, Action.SELL)
    assert (result.order_ids, result.legs, result.notes) == ((4, 7), (leg,), ("a note",))
    assert str(result) == "CLOSED, orders 4 7 (a note)"
    assert str(leg) == "SELL 2 of 2 AAPL"
    alone = ExecutionResult(success=True, action_taken="CLOSED", notes="a note")  # not its letters
    assert alone.notes == ("a note",)


BAD = [
    ({"success": 1}, "success: must be True or False"),
    ({"success": None}, "success: must be True or False"),
    ({"action_taken": "OPENED"}, "action_taken: must be one of CLOSED, ROLLED, PARTIAL"),
    ({"action_taken": None}, "action_taken: must be one of"),
    ({"order_ids": "12"}, "order_ids: must be some order ids"),
    ({"order_ids": 7}, "order_ids: must be some order ids"),
    ({"order_ids": [0]}, "order_ids: must be whole numbers of at least 1"),
    ({"order_ids": [True]}, "order_ids: must be whole numbers"),
    ({"order_ids": [7, 7]}, "order_ids: must name each order once"),
    ({"error_message": 7}, "error_message: must be a text or None"),
    ({"legs": [7]}, "legs: must be LegResult values"),
    ({"legs": 7}, "legs: must be LegResult values"),
    ({"notes": [7]}, "notes: must be texts"),
]


@pytest.mark.parametrize(("wrong", "text"), BAD)
def test_a_result_of_wrong_things_is_refused(wrong: dict[str, Any], text: str) -> None:
    """The error names the attribute and the rule."""
    right: dict[str, Any] = {"success": True, "action_taken": "CLOSED"}
    with pytest.raises(InvalidInput, match=text):
        ExecutionResult(**right | wrong)


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        ({"contract": "AAPL"}, "contract: must be an ibkr_core Contract"),
        ({"action": "HOLD"}, "action: must be BUY or SELL"),
        ({"wanted": -1}, "wanted: must not be negative"),
        ({"wanted": "nan"}, "wanted: must be a finite number"),
        ({"done": float("inf")}, "done: must be a finite number"),
        ({"done": None}, "done: must be a number"),
        ({"error": None}, "error: must be a text"),
        ({"order_ids": [-4]}, "order_ids: must be whole numbers"),
    ],
)
def test_a_leg_of_wrong_things_is_refused(wrong: dict[str, Any], text: str) -> None:
    """The error names the attribute and the rule."""
    right: dict[str, Any] = {"contract": STOCK, "action": "BUY", "wanted": 1, "done": 1}
    with pytest.raises(InvalidInput, match=text):
        LegResult(**right | wrong)


def test_a_result_for_people_has_its_notes() -> None:
    """That a size was cut to the position is worth a look."""
    result = ExecutionResult(success=True, action_taken=A.CLOSED, order_ids=(7,), notes=("cut", "late"))
    assert str(result) == "CLOSED, orders 7 (cut; late)"
    leg = LegResult(contract=STOCK, action="SELL", wanted="1E+2", done="1E+2")
    assert str(leg) == "SELL 100 of 100 AAPL"
