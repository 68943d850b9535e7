"""Faults of connections, in memory: stalled, cut, reset, dead and refused lines, and the message rate."""

from __future__ import annotations

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults import (
    Disconnect,
    Drop,
    Fault,
    FaultPlan,
    HalfOpen,
    PortChange,
    RateExceeded,
    RateLimit,
    Refuse,
    Reset,
    Stall,
    When,
)
from ibkr_core.wire.codec import encode_request
from ibkr_core.wire.framing import frame
from ibkr_core.wire.message import Message
from tests.gateway.pocket import TEXT, Pocket, errors, gateway, kinds, story


def test_a_stalled_gateway_sends_nothing_and_acts() -> None:
    """What it has to say comes afterwards, in order."""
    venue = gateway()
    client, other = Pocket(venue), Pocket(venue, 2)
    venue.inject(Stall(for_s=3), When(client_id=1))
    assert client.place(1, "BUY", 10) == []
    assert venue.books().order(1).status == "Filled"
    assert kinds(other.ask("reqCurrentTime")) == ["currentTime"]
    venue.run(3)
    assert story(client.listen())[-1] == "commission"


def test_two_stalls_end_with_the_longer() -> None:
    """They may overlap."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Stall(for_s=3))
    venue.inject(Stall(for_s=5))
    client.ask("reqCurrentTime")
    venue.run(4)
    assert client.listen() == []
    venue.run(1)
    assert kinds(client.listen()) == ["currentTime"]


@pytest.mark.parametrize(
    ("moment", "told"),
    [("before", []), ("after", ["fill 10"]), ("inside", [])],
)
def test_a_connection_ends_about_a_message(moment: str, told: list[str]) -> None:
    """Before it, after it, or in the middle of its bytes; the order goes on."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Disconnect(moment=moment), When(on="execDetails"))
    assert [word for word in story(client.place(1, "BUY", 10)) if word.startswith("fill")] == told
    assert client.session.closed
    assert not client.session.was_reset
    assert venue.books().order(1).status == "Filled"
    assert "fill 10" in story(Pocket(venue).ask("reqExecutions", reqId=1))


def test_inside_a_message_means_that_some_of_its_bytes_came() -> None:
    """At least one, and not all."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Disconnect(moment="inside"), When(on="currentTime"))
    client.session.receive(frame(encode_request(Message("reqCurrentTime"), TEXT)))
    whole = client.session.framed(Message("currentTime", {"currentTime": int(venue.now())}))
    assert 1 <= client.session.pending < len(whole)


@pytest.mark.parametrize(("moment", "orders"), [("before", 0), ("after", 1), ("inside", 0)])
def test_a_connection_ends_about_a_request(moment: str, orders: int) -> None:
    """The order was lost, or it was placed and nobody says so."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Disconnect(moment=moment), When(on="placeOrder"))
    assert client.place(1, "BUY", 10) == []
    assert client.session.closed
    assert len(venue.books().orders) == orders


@pytest.mark.parametrize(("moment", "orders"), [("before", 0), ("after", 1)])
def test_a_connection_is_reset(moment: str, orders: int) -> None:
    """What was on its way is lost, and the session says that it was no orderly end."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Reset(moment=moment), When(on="placeOrder"))
    client.session.inject(b"on its way")
    client.session.receive(
        frame(
            encode_request(Message("placeOrder", {"orderId": 1, "contract": CONTRACT, "order": ORDER}), TEXT)
        )
    )
    assert client.session.closed
    assert client.session.was_reset
    assert client.session.outgoing() == b""
    assert len(venue.books().orders) == orders


CONTRACT = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
ORDER = {"action": "BUY", "totalQuantity": 10, "orderType": "MKT", "tif": "DAY", "transmit": True}


def test_queries_to_a_session_that_ends_leave_nothing_behind() -> None:
    """A subscription that is asked for with the last message is not made."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(Disconnect(moment="after"), When(on="reqPositions"))
    client.ask("reqPositions")
    assert client.session.closed
    Pocket(venue, 2).place(1, "BUY", 10)
    assert client.listen() == []


def test_a_dead_line_is_dead_both_ways() -> None:
    """Neither side hears the other; with a reset at its end, what was sent meanwhile is lost."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.inject(HalfOpen(for_s=10))
    venue.fill(1)
    assert client.place(2, "BUY", 10) == []
    assert not client.session.closed
    venue.run(10)
    assert client.session.was_reset
    assert client.listen() == []
    assert len(venue.books().orders) == 1


def test_a_dead_line_may_revive() -> None:
    """Then everything that was on its way arrives, each way in order."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(HalfOpen(for_s=10, ends="revives"))
    venue.say(2104, "something", client_id=1)
    assert client.place(1, "BUY", 10) == []
    assert client.ask("reqCurrentTime") == []
    venue.run(10)
    told = story(client.listen())
    assert told[0] == "error 2104"
    assert {"fill 10", "currentTime"} <= set(told)
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]


def test_nobody_notices_who_hangs_up_on_a_dead_line() -> None:
    """Its id stays in use until the line's end, as TWS facts 5 has it: 326."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(HalfOpen(for_s=10))
    client.session.hang_up()
    assert errors(Pocket(venue).heard) == [(-1, 326)]
    venue.run(10)
    assert errors(Pocket(venue).heard)[0] == (-1, 2104)


def test_an_order_may_arrive_after_its_client_has_left() -> None:
    """A revived line delivers what was sent before the client gave up; then it ends."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(HalfOpen(for_s=10, ends="revives"))
    client.place(1, "BUY", 10)
    client.session.hang_up()
    assert venue.books().orders == ()
    venue.run(10)
    assert venue.books().order(1).status == "Filled"
    assert venue.session(1) is None


@pytest.mark.parametrize(("ends", "orders"), [("reset", 0), ("revives", 2)])
def test_a_line_may_die_under_a_request(ends: str, orders: int) -> None:
    """It and what follows it in the same breath are lost, or arrive in the end."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(HalfOpen(for_s=10, ends=ends), When(on="placeOrder"))
    both = b"".join(
        frame(
            encode_request(
                Message("placeOrder", {"orderId": number, "contract": CONTRACT, "order": ORDER}), TEXT
            )
        )
        for number in (1, 2)
    )
    assert client.send(both) == []
    assert venue.books().orders == ()
    venue.run(10)
    assert len(venue.books().orders) == orders


def test_a_line_may_die_under_a_message() -> None:
    """The message does not come."""
    venue = gateway()
    client = Pocket(venue)
    venue.inject(HalfOpen(for_s=10, ends="revives"), When(on="execDetails"))
    assert not [word for word in story(client.place(1, "BUY", 10)) if word.startswith("fill")]
    venue.run(10)
    assert story(client.listen())[0] == "fill 10"


def test_connections_are_refused_for_a_while() -> None:
    """A connection that stands is left alone."""
    venue = gateway()
    client = Pocket(venue)
    venue.refuse_connections(5)
    with pytest.raises(ConnectionRefusedError):
        venue.connect()
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]
    venue.run(5)
    assert venue.connect().client_id == -1
    with pytest.raises(InvalidInput, match="for_s"):
        venue.refuse_connections(0)


def test_of_two_refusals_the_later_one_holds() -> None:
    """It also decides the end."""
    venue = gateway()
    venue.refuse_connections(10)
    venue.refuse_connections(5, "closed")
    assert venue.connect().closed
    venue.run(5)
    assert not venue.connect().closed


def test_connections_are_accepted_and_then_closed_or_left_in_silence() -> None:
    """As by a gateway that is going down, or one that is starting up."""
    venue = gateway()
    venue.inject(Refuse(for_s=5, how="silent"))
    session = venue.connect()
    session.receive(b"API\0")
    assert (session.closed, session.outgoing()) == (False, b"")
    venue.run(5)
    assert session.was_reset
    Pocket(venue)


def test_connections_are_dropped_by_hand() -> None:
    """One, or all; in order or with a reset."""
    venue = gateway()
    clients = [Pocket(venue, number) for number in (1, 2, 3)]
    venue.drop_connections(client_id=2)
    assert [one.session.closed for one in clients] == [False, True, False]
    venue.drop_connections(reset=True)
    assert [one.session.was_reset for one in clients] == [True, False, True]
    assert [one.detail for one in venue.injected()] == [
        "client 2: closed before it", "client 1: reset; client 3: reset",
    ]  # fmt: skip


def test_the_port_changes() -> None:
    """1300 with the new port to everybody, and the end; new connections may fail for a while."""
    venue = gateway()
    clients = [Pocket(venue, number) for number in (1, 2)]
    venue.inject(PortChange(port=7497, refuse_s=3))
    for client in clients:
        [said] = client.listen()
        assert said.fields["errorCode"] == 1300
        assert said.fields["errorMsg"].endswith("7497")
        assert client.session.closed
    with pytest.raises(ConnectionRefusedError):
        venue.connect()
    venue.run(3)
    Pocket(venue)


def test_the_rate_is_exceeded_by_decree() -> None:
    """100, and the end; the order that was asked for is lost."""
    venue = gateway()
    client, other = Pocket(venue), Pocket(venue, 2)
    venue.inject(RateExceeded(), When(on="placeOrder"))
    assert errors(client.place(1, "BUY", 10)) == [(-1, 100)]
    assert (client.session.closed, other.session.closed) == (True, False)
    assert venue.books().orders == ()


def test_the_rate_is_really_exceeded() -> None:
    """The third violation ends it; what is too much is not acted upon; a second later all is well."""
    venue = gateway(faults=FaultPlan(rate=RateLimit(per_s=5, strikes=3)))
    client = Pocket(venue)
    heard = [kinds(client.ask("reqCurrentTime")) for _ in range(7)]
    assert heard == [["currentTime"]] * 5 + [["error"]] * 2
    assert client.heard[-1].fields["errorMsg"].endswith("max=5 rec=6 (2)")
    assert errors(client.heard)[-2:] == [(-1, 100)] * 2
    venue.run(1)
    assert [kinds(client.ask("reqCurrentTime")) for _ in range(5)] == [["currentTime"]] * 5
    assert errors(client.place(1, "BUY", 10)) == [(-1, 100)]
    assert client.session.closed
    assert venue.books().orders == ()
    assert [one.fault for one in venue.injected()] == ["rate"] * 3


def test_fifty_a_second_are_fine() -> None:
    """That is the rate of a real gateway, and it counts each second anew."""
    venue = gateway(faults=FaultPlan(rate=RateLimit()))
    client = Pocket(venue)
    for _ in range(200):
        assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]
        venue.run(0.02)


@pytest.mark.parametrize("action", [Stall(for_s=1), Disconnect(), Reset(), HalfOpen(for_s=1), RateExceeded()])
def test_a_fault_of_lines_strikes_nobody_where_nobody_is(action: Stall) -> None:
    """It is written down all the same."""
    venue = gateway()
    venue.inject(action)
    assert [one.detail for one in venue.injected()] == ["nobody was connected"]


def test_faults_of_lines_end_with_all_others() -> None:
    """Stalled and dead lines speak again, and the door opens."""
    venue = gateway()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    venue.inject(Stall(for_s=100), When(client_id=1))
    venue.inject(HalfOpen(for_s=100, ends="revives"), When(client_id=2))
    venue.refuse_connections(100)
    assert (one.ask("reqCurrentTime"), two.ask("reqCurrentTime")) == ([], [])
    venue.end_faults()
    assert (kinds(one.listen()), kinds(two.listen())) == (["currentTime"], ["currentTime"])
    Pocket(venue, 3)


def test_a_trigger_belongs_to_an_action() -> None:
    """A whole fault has its own."""
    with pytest.raises(InvalidInput, match="trigger"):
        gateway().inject(Fault(Drop()), When(on="error"))
