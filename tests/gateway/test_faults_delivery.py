"""Faults of delivery, in memory: what a client sees changes, and nothing else."""

from __future__ import annotations

import attrs
import pytest

from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.clock import DEFAULT_START
from ibkr_core.gateway.faults import (
    Chance,
    Delay,
    Drop,
    Duplicate,
    Fault,
    FaultPlan,
    IdRollback,
    LostEnd,
    Regress,
    Reorder,
    Revive,
    SilentLive,
    SilentLost,
    SlowAck,
    Split,
    When,
)
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, kinds, statuses, story


def client_with(fault: Fault) -> tuple[MemoryGateway, Pocket]:
    """A gateway where one scripted fault waits, and a client at it."""
    venue = gateway(faults=FaultPlan(script=(fault,)))
    return venue, Pocket(venue)


FILLED = [
    "open PreSubmitted", "status PreSubmitted 0/10", "open Submitted", "status Submitted 0/10", "fill 10",
    "open Filled", "status Filled 10/0", "open Filled", "status Filled 10/0", "commission",
]  # fmt: skip
"""The story of a market order where nothing goes wrong."""


def test_without_faults_the_story_is_plain() -> None:
    """What the tests below compare with; nothing is written down."""
    venue = gateway()
    assert story(Pocket(venue).place(1, "BUY", 10)) == FILLED
    assert venue.injected() == ()
    assert venue.faults.is_none


def test_a_message_comes_again() -> None:
    """Once more, as late as the fault says."""
    venue, client = client_with(Fault(Duplicate(copies=2, delay_s=1), When(on="execDetails")))
    assert story(client.place(1, "BUY", 10)) == FILLED
    venue.run(2)
    assert story(client.listen()) == ["fill 10", "fill 10"]
    assert len(venue.books().executions) == 1


def test_a_message_never_comes() -> None:
    """The books have what the client does not see, and asking brings it."""
    venue, client = client_with(Fault(Drop(), When(on="execDetails")))
    assert story(client.place(1, "BUY", 10)) == [word for word in FILLED if word != "fill 10"]
    assert venue.books().order(1).filled == 10
    assert story(client.ask("reqExecutions", reqId=1))[0] == "fill 10"


def test_what_was_done_is_written_down() -> None:
    """When, what, to whom, to which message, and by which plan."""
    venue, client = client_with(Fault(Drop(), When(on="orderStatus", nth=3)))
    client.place(1, "BUY", 10)
    [done] = venue.injected()
    assert attrs.asdict(done) == {
        "at": DEFAULT_START,
        "fault": "drop",
        "client_id": 1,
        "order_id": 1,
        "message": "orderStatus",
        "detail": "dropped",
        "by": "script",
    }


@pytest.mark.parametrize(
    ("when", "lost"),
    [
        (When(on="orderStatus", nth=2), [3]),
        (When(on="orderStatus", nth=2, times=2), [3, 6]),
        (When(on="orderStatus", times=None), [1, 3, 6, 8]),
        (When(on="orderStatus", times=None, order_id=1, client_id=1), [1, 3, 6, 8]),
        (When(on="orderStatus", order_id=2), []),
        (When(on="orderStatus", client_id=2), []),
        (When(on="orderStatus", chance=0.0), []),
        (When(on="orderStatus", after_s=1.0), []),
        (When(), [0]),
    ],
)
def test_a_trigger_chooses(when: When, lost: list[int]) -> None:
    """By kind, by count, by order, by client, by chance, and by time."""
    _, client = client_with(Fault(Drop(), when))
    told = story(client.place(1, "BUY", 10))
    assert told == [word for place, word in enumerate(FILLED) if place not in lost]


def test_a_trigger_waits_for_its_time() -> None:
    """after_s counts from the arming of the fault."""
    venue, client = client_with(Fault(Drop(), When(on="orderStatus", after_s=1.0)))
    client.place(1, "BUY", 10)
    venue.run(1.0)
    assert story(client.place(2, "BUY", 10)) == [FILLED[0], *FILLED[2:]]


def test_of_two_faults_the_first_of_the_script_strikes_first() -> None:
    """One fault strikes a message; the other takes the next one that fits."""
    script = (Fault(Drop(), When(on="orderStatus")), Fault(Duplicate(delay_s=0), When(on="orderStatus")))
    client = Pocket(gateway(faults=FaultPlan(script=script)))
    told = story(client.place(1, "BUY", 10))
    assert told == [FILLED[0], FILLED[2], FILLED[3], *FILLED[3:]]


def test_a_message_comes_late_and_others_overtake_it() -> None:
    """It is as it was when it should have left."""
    venue, client = client_with(Fault(Delay(seconds=1), When(on="orderStatus", nth=2)))
    assert story(client.place(1, "BUY", 10)) == [*FILLED[:3], *FILLED[4:]]
    venue.run(1)
    assert story(client.listen()) == ["status Submitted 0/10"]


def test_two_messages_change_places() -> None:
    """With the next one, whatever it is."""
    _, client = client_with(Fault(Reorder(), When(on="execDetails")))
    told = story(client.place(1, "BUY", 10))
    assert told == [*FILLED[:4], FILLED[5], FILLED[4], *FILLED[6:]]


def test_a_message_that_has_none_to_change_places_with_goes_alone() -> None:
    """It is not lost."""
    venue, client = client_with(Fault(Reorder(within_s=2), When(on="commissionReport")))
    assert story(client.place(1, "BUY", 10)) == FILLED[:-1]
    venue.run(2)
    assert story(client.listen()) == ["commission"]


@pytest.mark.parametrize("at", [1, 3, 4, 5, 30])
def test_a_frame_is_cut_at_any_byte(at: int) -> None:
    """The rest, and all that follows it, comes later; nothing is lost or swapped."""
    venue, client = client_with(Fault(Split(at=at, delay_s=1), When(on="execDetails")))
    client.ask("reqCurrentTime")
    client.session.receive(b"")
    assert story(client.place(1, "BUY", 10)) == FILLED[:4]
    assert client.session.pending == 0
    venue.run(1)
    assert story(client.listen()) == FILLED[4:]


def test_a_cut_beyond_the_end_of_a_frame_is_none() -> None:
    """Nothing is done, and nothing written down."""
    venue, client = client_with(Fault(Split(at=100_000), When(on="execDetails")))
    assert story(client.place(1, "BUY", 10)) == FILLED
    assert venue.injected() == ()


def test_an_acknowledgement_is_slow() -> None:
    """Nothing is told for a while; then everything, in order. The order works meanwhile."""
    venue, client = client_with(Fault(SlowAck(seconds=3), When(order_id=1)))
    assert client.place(1, "BUY", 10) == []
    assert venue.books().order(1).status == "Filled"
    assert story(client.place(2, "BUY", 10)) == FILLED
    venue.run(3)
    assert story(client.listen()) == FILLED


def test_an_order_lives_in_silence_until_it_is_asked_for() -> None:
    """No callback tells of it; what happens after it was seen in an answer is told."""
    venue, client = client_with(Fault(SilentLive()))
    assert client.place(1, "BUY", 10, "LMT", lmtPrice=99.0) == []
    venue.fill(1, quantity=4)
    assert client.listen() == []
    assert venue.books().order(1).filled == 4
    assert story(client.ask("reqOpenOrders")) == ["open Submitted", "status Submitted 4/6", "openOrderEnd"]
    venue.fill(1)
    assert "fill 6" in story(client.listen())


def test_a_lasting_silence_outlasts_the_question() -> None:
    """Only answers tell of such an order."""
    venue, client = client_with(Fault(SilentLive(lasting=True)))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    client.ask("reqOpenOrders")
    venue.fill(1)
    assert client.listen() == []
    assert story(client.ask("reqExecutions", reqId=1)) == ["fill 10", "commission", "execDetailsEnd"]


def test_a_command_breaks_the_silence() -> None:
    """A cancel of a silent order is answered."""
    _, client = client_with(Fault(SilentLive()))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert story(client.cancel(1)) == ["status Cancelled 0/10", "error 202"]


def test_an_order_is_lost_in_silence() -> None:
    """The gateway never heard of it, and its id is still free."""
    venue, client = client_with(Fault(SilentLost()))
    assert client.place(1, "BUY", 10) == []
    assert venue.books().orders == ()
    assert kinds(client.ask("reqOpenOrders")) == ["openOrderEnd"]
    assert client.ask("reqIds")[0].fields["orderId"] == 1


@pytest.mark.parametrize("action", [SilentLost(), SilentLive(), SlowAck(seconds=5)])
def test_only_new_orders_are_met_with_silence(action: SilentLost | SilentLive | SlowAck) -> None:
    """A modification and a what-if order are answered as ever."""
    venue, client = client_with(Fault(action, When(times=None, after_s=1)))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.run(1)
    assert story(client.place(1, "BUY", 10, "LMT", lmtPrice=98.0)) != []
    assert kinds(client.place(2, "BUY", 10, whatIf=True)) == ["openOrder"]
    assert client.place(3, "BUY", 10) == []


def test_a_request_is_lost_or_acted_upon_late() -> None:
    """A cancel that never arrives changes nothing; one that arrives late works late."""
    venue, client = client_with(Fault(Drop(), When(on="cancelOrder")))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert client.cancel(1) == []
    assert venue.books().order(1).status == "Submitted"
    venue.inject(Delay(seconds=2), When(on="cancelOrder"))
    assert client.cancel(1) == []
    venue.run(2)
    assert story(client.listen()) == ["status Cancelled 0/10", "error 202"]


def test_the_end_of_an_answer_never_comes() -> None:
    """The answer itself does."""
    _, client = client_with(Fault(LostEnd(), When(on="execDetailsEnd")))
    client.place(1, "BUY", 10)
    assert story(client.ask("reqExecutions", reqId=1)) == ["fill 10", "commission"]
    assert story(client.ask("reqExecutions", reqId=1))[-1] == "execDetailsEnd"


def test_the_next_id_falls() -> None:
    """It is lower than the last id used, and means an order that there was already."""
    venue = gateway()
    first = Pocket(venue)
    for number in range(1, 6):
        first.place(number, "BUY", 10)
    first.session.close()
    venue.inject(IdRollback(by=4))
    again = Pocket(venue)
    assert [one.fields["orderId"] for one in again.heard if one.kind == "nextValidId"] == [2]
    assert errors(again.place(2, "BUY", 10)) == [(2, 104)]  # taken for a change of a filled order
    assert len(venue.books().orders) == 5


def test_a_status_goes_back_and_comes_again() -> None:
    """Submitted, PreSubmitted, Submitted; with the same numbers, and the truth last."""
    _, client = client_with(Fault(Regress(), When(nth=2)))
    told = [one["status"] for one in statuses(client.place(1, "BUY", 10, "LMT", lmtPrice=99.0), 1)]
    assert told == ["PreSubmitted", "Submitted", "PreSubmitted", "Submitted"]


def test_a_final_status_never_goes_back() -> None:
    """Filled stays Filled, Cancelled stays Cancelled (TWS facts 9.3)."""
    venue, client = client_with(Fault(Regress(), When(on="orderStatus", nth=3)))
    assert story(client.place(1, "BUY", 10)) == FILLED
    assert venue.injected() == ()


def test_an_inactive_order_revives() -> None:
    """Inactive, nothing for 30 ms, and then its life, fill and all."""
    venue, client = client_with(Fault(Revive()))
    assert story(client.place(1, "BUY", 10)) == ["open PreSubmitted", "status Inactive 0/10"]
    venue.run(0.03)
    assert story(client.listen()) == FILLED[1:]


def test_answers_are_spared_unless_the_plan_says_otherwise() -> None:
    """No real gateway was seen to leave something out of an answer."""
    for answers, ends in ((False, ["fill 10", "commission", "execDetailsEnd"]), (True, ["execDetailsEnd"])):
        venue = gateway(faults=FaultPlan(chances=(Chance(Drop(), 1.0),), answers=answers))
        client = Pocket(venue)
        assert client.place(1, "BUY", 10) == []
        assert story(client.ask("reqExecutions", reqId=1)) == ends


def test_a_chance_may_be_bound_to_kinds() -> None:
    """Then it strikes these, be they answers or not, and no others."""
    chances = (Chance(Drop(), 1.0, on=("orderStatus", "cancelOrder")),)
    venue = gateway(faults=FaultPlan(chances=chances))
    client = Pocket(venue)
    told = story(client.place(1, "BUY", 10, "LMT", lmtPrice=99.0))
    assert told == ["open PreSubmitted", "open Submitted"]
    assert client.cancel(1) == []
    assert story(client.ask("reqOpenOrders")) == ["open Submitted", "openOrderEnd"]


def test_what_concerns_no_order_is_spared() -> None:
    """Farm notices and refusals of queries are no order's story."""
    client = Pocket(gateway(faults=FaultPlan(chances=(Chance(Drop(), 1.0),))))
    assert errors(client.heard) == [(-1, 2104), (-1, 2106), (-1, 2158)]
    wrong = {**AAPL, "symbol": "NONE"}
    assert errors(client.ask("reqContractDetails", reqId=7, contract=wrong)) == [(7, 200)]


def test_faults_can_be_ended() -> None:
    """What goes on ends, what waits comes, and nothing new goes wrong."""
    venue, client = client_with(Fault(Split(at=3, delay_s=60), When(on="execDetails")))
    venue.inject(Drop(), When(on="nextValidId"))
    client.place(1, "BUY", 10)
    assert client.listen() == []
    venue.end_faults()
    assert story(client.listen()) == FILLED[4:]
    assert kinds(client.ask("reqIds")) == ["nextValidId"]


def test_a_plan_can_be_replaced() -> None:
    """From then on the new one holds."""
    venue, client = client_with(Fault(Drop(), When(on="orderStatus")))
    plan = FaultPlan(script=(Fault(Drop(), When(on="execDetails")),))
    venue.faults = plan
    assert venue.faults == plan
    assert story(client.place(1, "BUY", 10)) == [word for word in FILLED if word != "fill 10"]
