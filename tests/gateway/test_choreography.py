"""How things are told: repetition, lateness and order, as the settings say."""

from __future__ import annotations

from collections import Counter
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import Choreography
from tests.gateway.pocket import Pocket, errors, gateway, plain, statuses, story


def told(order_of_events: str = "fill", **style: Any) -> list[str]:
    """The story of one market order for ten shares under a style that differs from the plain one."""
    choreography = attrs.evolve(Choreography.plain(), **style)
    venue = gateway(settings=plain(choreography=choreography))
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    venue.run(60)
    client.listen()
    return story(client.heard)[story(client.heard).index("error 2158") + 1 :]


def test_the_status_may_come_before_its_execution() -> None:
    """Filled is no sign that all executions are known (TWS facts 2.5)."""
    words = told(statuses_first=1)
    assert words.index("status Filled 10/0") < words.index("fill 10") < words.index("commission")


def test_the_first_status_may_be_submitted() -> None:
    """PreSubmitted is skipped (TWS facts 1)."""
    assert told(pre_submitted=0)[:3] == ["open Submitted", "status Submitted 0/10", "fill 10"]


def test_submitted_may_never_be_told() -> None:
    """From PreSubmitted straight to Filled (TWS facts 2.2)."""
    assert not [word for word in told(submitted_follows=0) if "Submitted" in word and "Pre" not in word]


def test_an_order_that_rests_is_submitted() -> None:
    """Only an order that trades at once may skip the step: who waits for Submitted must not wait forever."""
    venue = gateway(settings=plain(choreography=attrs.evolve(Choreography.plain(), submitted_follows=0)))
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=1.0)
    venue.run(1)
    client.listen()
    assert statuses(client.heard, 1)[-1]["status"] == "Submitted"


def test_pairs_may_come_twice() -> None:
    """Each openOrder and orderStatus pair is repeated, still true (TWS facts 2.1)."""
    words = Counter(told(duplicates=1))
    assert words["fill 10"] == words["commission"] == 1
    assert words["status Filled 10/0"] >= 3


def test_a_fill_may_have_no_status() -> None:
    """Only openOrder tells of it (TWS facts 2.2)."""
    words = told(status_skipped=1, commission_echo=0)
    assert words[-4:] == ["fill 10", "open Filled", "open Filled", "commission"]


def test_the_commission_echo_may_lack_its_status() -> None:
    """As in one of the captures (TWS facts 2.4)."""
    assert told(commission_echo=0)[-2:] == ["open Filled", "commission"]


def test_commissions_come_late_and_once() -> None:
    """Not before their delay; then openOrder with the cumulative sum, orderStatus, report."""
    style = attrs.evolve(Choreography.plain(), commission_delay_s=(5.0, 5.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    assert "commission" not in story(client.place(1, "BUY", 10))
    venue.run(4.9)
    assert client.listen() == []
    venue.run(0.2)
    assert story(client.listen()) == ["open Filled", "status Filled 10/0", "commission"]
    venue.run(100)
    assert client.listen() == []


def test_a_late_repetition_tells_the_present() -> None:
    """A pair that was to be repeated after the fill shows the fill, never an older state."""
    style = attrs.evolve(Choreography.plain(), duplicates=1.0, duplicate_delay_s=(1.0, 1.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    venue.run(2)
    late = client.listen()
    assert {one["status"] for one in statuses(late, 1)} == {"Filled"}


@pytest.mark.parametrize("first", [0, 1])
def test_the_reason_of_a_rejection_comes_before_or_after_its_status(first: int) -> None:
    """Both were seen (TWS facts 2.7)."""
    style = attrs.evolve(Choreography.plain(), reason_first=first)
    client = Pocket(gateway(settings=plain(choreography=style)))
    words = story(client.place(1, "BUY", 100_000_000))
    assert words.index("error 201") == (0 if first else 2)
    assert words[1 if first else 0] == "open Inactive"


@given(
    seed=st.integers(0, 10_000),
    duplicates=st.floats(0, 1),
    statuses_first=st.floats(0, 1),
    echo=st.floats(0, 1),
)
def test_whatever_the_style_the_facts_are_the_same(
    seed: int, duplicates: float, statuses_first: float, echo: float
) -> None:
    """Fills once, commissions once and after their fill, filled never falls, the end is the books."""
    style = Choreography(duplicates=duplicates, statuses_first=statuses_first, commission_echo=echo)
    venue = gateway(seed=seed, settings=plain(choreography=style))
    client = Pocket(venue)
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=4)
    client.place(1, "BUY", 10)
    client.place(2, "SELL", 3, "LMT", lmtPrice=101.0)
    venue.run(0.003)
    venue.market("AAPL").set_quote(bid=100, ask="100.01")
    client.cancel(2)
    venue.run(5)
    client.listen()
    filled = [one["filled"] for one in statuses(client.heard, 1)]
    assert filled == sorted(filled)
    words = [one for one in client.heard if one.kind in {"execDetails", "commissionReport"}]
    fills = [one.fields["execution"]["execId"] for one in words if one.kind == "execDetails"]
    paid = [one.fields["execId"] for one in words if one.kind == "commissionReport"]
    assert sorted(fills) == sorted(paid) == sorted(one.exec_id for one in venue.books().executions)
    assert statuses(client.heard, 1)[-1]["status"] == "Filled"
    assert statuses(client.heard, 2)[-1]["status"] == "Cancelled"
    assert errors(client.heard)[-1] == (2, 202) or (2, 202) in errors(client.heard)


@pytest.mark.parametrize(
    "wrong",
    [
        {"duplicates": 1.5},
        {"statuses_first": -0.1},
        {"work_delay_s": (2.0, 1.0)},
        {"oca_delay_s": (-1.0, 0.0)},
    ],
)
def test_settings_that_make_no_sense_are_refused(wrong: dict[str, Any]) -> None:
    """A probability lies between 0 and 1, a delay between 0 and its longest."""
    with pytest.raises(InvalidInput, match=next(iter(wrong))):
        Choreography(**wrong)
