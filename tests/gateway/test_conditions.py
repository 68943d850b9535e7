"""Conditions: read, joined, and acted on."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway import Calendar, ManualClock, MemoryGateway
from ibkr_core.gateway.conditions import Condition, ConditionKind, hold_together, parse_conditions
from ibkr_core.gateway.refusals import RefusalError
from tests.gateway.pocket import Pocket, errors, gateway, plain, story

AAPL_ID, MSFT_ID = 265598, 272093
PRICE = {"type": 1, "conId": MSFT_ID, "exchange": "SMART", "isMore": True, "price": 500.0}
AND, OR = {"isConjunctionConnection": True}, {"isConjunctionConnection": False}


@attrs.define
class Fixed:
    """A condition that holds or does not."""

    joined: bool
    answer: bool

    def holds(self, *_: object) -> bool:
        return self.answer


@given(st.lists(st.tuples(st.booleans(), st.booleans()), min_size=1, max_size=6))
def test_and_binds_tighter_than_or(parts: list[tuple[bool, bool]]) -> None:
    """As the language has it, which is the oracle here; the last connection joins nothing."""
    text = "".join(f"{answer} {'and' if joined else 'or'} " for joined, answer in parts).rsplit(" ", 2)[0]
    conditions: Any = [Fixed(joined, answer) for joined, answer in parts]
    assert hold_together(conditions, None, "", 0) is eval(text)  # type: ignore[arg-type]  # noqa: S307


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"type": 2}, 321),
        ({"type": 1, "price": 5.0}, 147),
        ({**PRICE, "triggerMethod": 6}, 146),
        ({**PRICE, "price": float("nan")}, 321),
        ({"type": 3, "time": "noon"}, 391),
        ({"type": 5, "secType": "STK"}, 147),
        ({"type": 6, "volume": 5}, 147),
    ],
)
def test_conditions_that_make_no_sense_are_refused(fields: dict[str, Any], code: int) -> None:
    """TWS facts 7."""
    with pytest.raises(RefusalError) as refused:
        parse_conditions({"conditions": [fields]})
    assert refused.value.code == code


def test_a_condition_is_read() -> None:
    """Kind, direction, value and connection."""
    (condition,) = parse_conditions({"conditions": [{**PRICE, **AND, "triggerMethod": 4}]})
    assert condition == Condition(
        kind=ConditionKind.PRICE, joined=True, more=True, value=Decimal(500), con_id=MSFT_ID, method=4,
        exchange="SMART",
    )  # fmt: skip


class Waiting:
    """A gateway with one order to buy ten AAPL that has conditions."""

    def __init__(self, *conditions: dict[str, Any], kind: str = "MKT", **fields: Any) -> None:
        self.venue: MemoryGateway = fields.pop("venue", None) or gateway()
        self.venue.market("MSFT").set_quote(bid=480, ask="480.01", last=480)
        self.client = Pocket(self.venue)
        prepared = [{**AND, **one} for one in conditions]
        self.told = self.client.place(1, "BUY", 10, kind, conditions=prepared, **fields)

    @property
    def status(self) -> str:
        self.venue.run(0)
        return self.venue.books().order(1).status


def test_a_price_condition_waits_for_another_contract() -> None:
    """PreSubmitted until MSFT trades at 500, then it takes the market; what was asked is echoed."""
    waiting = Waiting(PRICE)
    assert story(waiting.told) == ["open PreSubmitted", "status PreSubmitted 0/10"]
    assert waiting.told[0].fields["order"]["conditions"][0]["price"] == 500.0
    waiting.venue.market("MSFT").set_last("499.99")
    assert waiting.status == "PreSubmitted"
    waiting.venue.market("MSFT").set_last(500)
    assert waiting.status == "Filled"


@pytest.mark.parametrize(
    ("method", "bid", "ask", "last", "met"),
    [
        (0, "499", "501", "500", True),
        (4, "500", "501", "480", True),
        (4, "499.99", "501", "500", False),
        (7, "499", "501", "500", True),
        (7, "500", "501", "480", True),
        (8, "499", "501", "480", True),
        (8, "499", "500.99", "500", False),
    ],
)
def test_the_trigger_method_says_which_price(method: int, bid: str, ask: str, last: str, met: bool) -> None:
    """Last, bid or ask, either, or the middle."""
    waiting = Waiting({**PRICE, "triggerMethod": method})
    waiting.venue.market("MSFT").set_quote(bid=bid, ask=ask, last=last)
    assert waiting.status == ("Filled" if met else "PreSubmitted")


def test_a_time_condition_waits_for_its_second() -> None:
    """Exactly then."""
    waiting = Waiting({"type": 3, "isMore": True, "time": "20261124 10:00:07 US/Eastern"})
    waiting.venue.run(6.999)
    assert waiting.status == "PreSubmitted"
    waiting.venue.run(0.001)
    assert waiting.status == "Filled"


def test_an_execution_condition_waits_for_a_later_fill() -> None:
    """A fill before the order does not count, nor one of another symbol."""
    venue = gateway()
    other = Pocket(venue, 2)
    msft = {"symbol": "MSFT", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    other.place(1, "BUY", 1, contract=msft)
    waiting = Waiting({"type": 5, "symbol": "MSFT", "secType": "STK", "exchange": "SMART"}, venue=venue)
    other.place(2, "BUY", 1)
    assert waiting.venue.books().order(1, 1).status == "PreSubmitted"
    other.place(3, "BUY", 1, contract=msft)
    venue.run(0)
    assert waiting.venue.books().order(1, 1).status == "Filled"


def test_volume_percent_and_margin_conditions() -> None:
    """Units traded, change since the opening, and the cushion of the account."""
    volume = Waiting({"type": 6, "conId": MSFT_ID, "exchange": "SMART", "isMore": True, "volume": 300})
    percent = Waiting(
        {"type": 7, "conId": MSFT_ID, "exchange": "SMART", "isMore": True, "changePercent": 10.0}
    )
    margin = Waiting({"type": 4, "isMore": False, "percent": 90})
    for waiting in (volume, percent):
        assert waiting.status == "PreSubmitted"
        for last in (520, 520, 530):
            waiting.venue.market("MSFT").set_last(last)
        assert waiting.status == "Filled"
    assert margin.status == "PreSubmitted"
    margin.client.place(2, "BUY", 5000)
    assert margin.status == "Filled"


def test_two_conditions_are_joined() -> None:
    """Both for "and", either for "or"."""
    late = {"type": 3, "isMore": True, "time": "20261124 10:00:07"}
    both, either = Waiting(PRICE, late), Waiting({**PRICE, **OR}, late)
    for waiting in (both, either):
        waiting.venue.run(7)
    assert (both.status, either.status) == ("PreSubmitted", "Filled")
    both.venue.market("MSFT").set_last(501)
    assert both.status == "Filled"


def test_conditions_may_cancel() -> None:
    """The order works at once and is cancelled when they hold."""
    waiting = Waiting(PRICE, kind="LMT", lmtPrice=99.0, conditionsCancelOrder=True)
    assert waiting.status == "Submitted"
    waiting.venue.market("MSFT").set_last(500)
    assert waiting.status == "Cancelled"
    assert errors(waiting.client.listen()) == [(1, 202)]


@pytest.mark.parametrize(("ignore", "status"), [(False, "PreSubmitted"), (True, "Filled")])
def test_conditions_sleep_outside_regular_hours_unless_told(ignore: bool, status: str) -> None:
    """At eight in the morning only those that ignore the hours are looked at."""
    clock = ManualClock(1_795_525_200.0)  # 2026-11-24 08:00 in New York
    venue = gateway(settings=plain(calendar=Calendar()), clock=clock)
    fields = {"kind": "LMT", "lmtPrice": 100.01, "outsideRth": True, "conditionsIgnoreRth": ignore}
    waiting = Waiting(PRICE, venue=venue, **fields)
    venue.market("MSFT").set_last(500)
    assert waiting.status == status
    venue.run(2 * 3600)
    assert waiting.status == "Filled"


@pytest.mark.parametrize(
    ("kind", "fields", "code"),
    [
        ("STP", {"auxPrice": 99.0}, 148),
        ("MKT", {"conditionsCancelOrder": True}, 148),
        ("MKT", {"conditions": [{**PRICE, **AND, "conId": 4242}]}, 147),
    ],
)
def test_what_cannot_be_conditional_is_refused(kind: str, fields: dict[str, Any], code: int) -> None:
    """TWS facts 7; nothing is booked."""
    venue = gateway()
    told = Pocket(venue).place(1, "BUY", 10, kind, **{"conditions": [{**PRICE, **AND}], **fields})
    assert errors(told) == [(1, code)]
    assert venue.books().orders == ()


def test_a_modification_may_drop_the_conditions() -> None:
    """Then the order starts."""
    waiting = Waiting(PRICE, kind="LMT", lmtPrice=100.01)
    waiting.client.place(1, "BUY", 10, "LMT", lmtPrice=100.01)
    assert waiting.status == "Filled"
