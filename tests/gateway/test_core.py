"""The gateway in memory: sessions, reconnection, time, and the outlet."""

from __future__ import annotations

import decimal
from collections.abc import Iterable

import attrs
import pytest

from ibkr_core.gateway import Choreography, Delivery, MemoryGateway
from ibkr_core.wire.message import Message
from tests.gateway.pocket import Pocket, errors, gateway, kinds, plain, story


def test_a_fresh_session_opens_with_accounts_ids_and_farms() -> None:
    """In that order, and without a snapshot when there is nothing to show (wire facts 3)."""
    client = Pocket(gateway(settings=plain(accounts=("DU1", "DU2"))))
    assert client.heard[0] == Message("managedAccounts", {"accountsList": "DU1,DU2"})
    assert client.heard[1] == Message("nextValidId", {"orderId": 1})
    assert errors(client.heard) == [(-1, 2104), (-1, 2106), (-1, 2158)]


def test_resting_orders_come_first_on_reconnect() -> None:
    """Before accounts and next id; held and finished ones do not come (TWS facts 5)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.0)
    client.place(3, "BUY", 10, "LMT", lmtPrice=98.0, transmit=False)
    client.session.close()
    again = Pocket(venue)
    assert story(again.heard)[:5] == [
        "open Submitted", "status Submitted 0/10", "openOrderEnd", "managedAccounts", "nextValidId",
    ]  # fmt: skip
    assert again.heard[4].fields["orderId"] == 4


def test_what_happens_while_a_client_is_away_is_not_told_later() -> None:
    """Executions are only to be had by asking (TWS facts 5)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    client.session.close()
    venue.market("AAPL").set_quote(bid="98.90", ask="99.00")
    again = Pocket(venue)
    assert kinds(again.heard)[:2] == ["managedAccounts", "nextValidId"]
    assert story(again.ask("reqExecutions", reqId=1)) == ["fill 10", "commission", "execDetailsEnd"]


def test_a_client_id_is_used_once_at_a_time() -> None:
    """326 and the end for the second; free again when the first has gone."""
    venue = gateway()
    first, second = Pocket(venue, 5), Pocket(venue, 5)
    assert errors(second.heard) == [(-1, 326)]
    assert second.session.closed
    assert [session.client_id for session in venue.sessions()] == [5]
    assert kinds(first.ask("reqCurrentTime")) == ["currentTime"]
    first.session.close()
    assert errors(Pocket(venue, 5).heard)[0] == (-1, 2104)


def test_everything_passes_the_outlet() -> None:
    """Drop, repeat and delay are decided there, per client and message."""

    def outlet(client_id: int, message: Message) -> Iterable[Delivery]:
        assert client_id == 1
        if message.kind == "orderStatus":
            return ()
        if message.kind == "commissionReport":
            return (Delivery(message), Delivery(message, delay_s=2.0))
        return (Delivery(message),)

    venue = gateway(outlet=outlet)
    client = Pocket(venue)
    words = story(client.place(1, "BUY", 10))
    assert not [word for word in words if word.startswith("status")]
    assert words[-1] == "commission"
    venue.run(3)
    assert story(client.listen()) == ["commission"]


def test_a_delayed_message_to_a_client_that_left_goes_nowhere() -> None:
    """It is not kept for the next session."""
    venue = gateway(outlet=lambda _, message: (Delivery(message, delay_s=1.0),))
    client = Pocket(venue)
    client.session.close()
    venue.run(5)
    assert client.session.outgoing() == b""


def test_time_passes_in_steps() -> None:
    """Each thing happens at its own moment, not at the moment of looking."""
    style = attrs.evolve(Choreography.plain(), work_delay_s=(1.0, 1.0), commission_delay_s=(2.0, 2.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    start = venue.now()
    assert venue.next_deadline() == client.session.next_deadline() == start + 1.0
    venue.run(10)
    assert venue.books().executions[0].time == start + 1.0
    assert venue.now() == start + 10


def test_only_a_manual_clock_can_be_run() -> None:
    """A real one moves by itself."""
    with pytest.raises(TypeError, match="manual"):
        MemoryGateway(clock=lambda: 5.0).run(1)


def test_an_exact_moment_can_be_given() -> None:
    """advance(now) needs no clock of its own, and never goes back."""
    venue = MemoryGateway(clock=lambda: 5.0)
    session = venue.connect()
    session.advance(9.0)
    session.advance(7.0)
    assert venue.now() == 9.0


def test_several_clients_do_not_hear_each_other() -> None:
    """Callbacks go to the client that placed the order."""
    venue = gateway()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10)
    assert two.listen() == []
    assert venue.session(2) is two.session
    assert venue.session(3) is None


def test_the_books_are_exact_whatever_the_callers_arithmetic() -> None:
    """A program that reckons with six digits on the thread that calls gets the same cents."""
    venue = gateway()
    client = Pocket(venue)
    with decimal.localcontext(prec=6):
        client.place(1, "BUY", 333, "LMT", lmtPrice=99.0)
        venue.fill(1, price="99.123456", quantity=300)
        venue.restart()
        venue.fill(1, price="99.123457")
        client = Pocket(venue)
        client.place(2, "BUY", 1)
        venue.run(1)
        (cash,) = (held["USD"] for held in venue.books().cash.values())
        commissions = [order.commission for order in venue.books().orders]
    spent = 300 * decimal.Decimal("99.123456") + 33 * decimal.Decimal("99.123457")
    assert cash == 1_000_000 - spent - decimal.Decimal("100.01") - sum(commissions)
