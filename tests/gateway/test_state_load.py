"""What comes back after a restart, what has ended meanwhile, and what is forgotten."""

from __future__ import annotations

import contextlib
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import Calendar, Choreography, Instrument, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.clock import ManualClock
from ibkr_core.gateway.state import read_state
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain, statuses, story

D = Decimal
DAY_S = 86_400.0
HOUR_S = 3_600.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "books.state"


def words(venue: MemoryGateway) -> dict[int, str]:
    """The status word of every order, by its id."""
    return {order.order_id: order.status for order in venue.books().orders}


def test_orders_come_back_under_their_ids_and_are_shown_on_connect() -> None:
    """With the same permId and their status, before accounts and the next id (TWS facts 5)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(7, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC", orderRef="mine")
    perm_id = venue.books().orders[0].perm_id
    venue.restart()
    opened = Pocket(venue).heard
    assert story(opened)[:3] == ["open Submitted", "status Submitted 0/10", "openOrderEnd"]
    assert opened[0].fields["order"]["permId"] == perm_id
    assert opened[0].fields["order"]["orderRef"] == "mine"
    assert opened[4].fields == {"orderId": 8}


def test_numbers_are_never_used_twice() -> None:
    """Order ids, permIds and execution ids go on after a restart; a used id is refused (TWS facts 4)."""
    venue = gateway()
    Pocket(venue).place(5, "BUY", 1)
    venue.restart()
    client = Pocket(venue)
    assert errors(client.place(5, "BUY", 1)) == [(5, 104)]  # it is known, and filled
    assert errors(client.place(4, "BUY", 1)) == [(4, 103)]
    client.place(6, "BUY", 1)
    books = venue.books()
    assert len({order.perm_id for order in books.orders}) == 2
    assert len({one.exec_id for one in books.executions}) == 2


def test_what_was_not_transmitted_is_gone() -> None:
    """It vanishes on restart (TWS facts 6), but its id stays used."""
    venue = gateway()
    Pocket(venue).place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False)
    venue.restart()
    assert venue.books().orders == ()
    assert errors(Pocket(venue).place(1, "BUY", 1)) == [(1, 103)]


def test_a_child_cancelled_before_its_parent_was_transmitted_spoils_nothing(path: Path) -> None:
    """The child was told its end and is kept; the parent was never transmitted and is not."""
    with contextlib.closing(gateway(state=path)) as venue:
        client = Pocket(venue)
        client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False)
        client.place(2, "SELL", 10, "LMT", lmtPrice=105.0, parentId=1, transmit=False)
        assert story(client.cancel(2)) == ["status ApiCancelled 0/10", "error 202"]
        venue.restart()
        assert words(venue) == {2: "ApiCancelled"}
    with contextlib.closing(gateway(state=path)) as venue:
        assert words(venue) == {2: "ApiCancelled"}


def test_overnight_the_day_orders_end_and_the_others_stay() -> None:
    """The DAY order is cancelled and listed as completed, the GTC order works on (TWS facts 5)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC")
    client.place(3, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTD", goodTillDate="20261124 11:00:00 US/Eastern")
    venue.restart(overnight=True)
    assert words(venue) == {1: "Cancelled", 2: "Submitted", 3: "Submitted"}
    done = Pocket(venue).ask("reqCompletedOrders", apiOnly=False)
    assert [one.fields["order"]["permId"] for one in done[:-1]] == [venue.books().order(1).perm_id]


def test_what_ran_out_while_the_gateway_was_down_ends_when_it_is_back() -> None:
    """Good-till-date before and after; nothing else."""
    venue = gateway()
    client = Pocket(venue)
    for order_id, minute in ((1, "01"), (2, "30")):
        until = f"20261124 10:{minute}:00 US/Eastern"
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTD", goodTillDate=until)
    venue.restart(down_s=300.0)
    assert words(venue) == {1: "Submitted", 2: "Submitted"}
    venue.run(300.0)
    assert words(venue) == {1: "Cancelled", 2: "Submitted"}
    venue.run(2 * HOUR_S)
    assert words(venue) == {1: "Cancelled", 2: "Cancelled"}


@pytest.mark.parametrize(
    ("down_s", "wanted", "ends"),
    [
        (5 * HOUR_S, {}, False),
        (7 * HOUR_S, {}, True),
        (7 * HOUR_S, {"outsideRth": True}, False),
        (11 * HOUR_S, {"outsideRth": True}, True),
        (DAY_S, {"tif": "GTC"}, False),
    ],
)
def test_a_day_order_ends_with_its_session(down_s: float, wanted: dict[str, Any], ends: bool) -> None:
    """By the calendar: the regular hours, or the long ones; the gateway was down from ten on."""
    venue = gateway(settings=plain(calendar=Calendar()))
    Pocket(venue).place(1, "BUY", 10, "LMT", lmtPrice=99.0, **wanted)
    venue.restart(down_s=down_s)
    venue.run(down_s)
    assert (venue.books().order(1).status == "Cancelled") is ends


def test_an_order_taken_after_the_close_is_for_the_next_session() -> None:
    """A restart in the evening leaves it; one after the next close does not. An auction missed is missed."""
    venue = gateway(settings=plain(calendar=Calendar()))
    venue.run(7 * HOUR_S)  # five in the afternoon
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, tif="OPG")
    venue.restart()
    assert words(venue) == {1: "PreSubmitted", 2: "PreSubmitted"}
    venue.restart(down_s=17 * HOUR_S)
    venue.run(17 * HOUR_S)
    assert words(venue) == {1: "Submitted", 2: "Cancelled"}
    venue.restart(down_s=7 * HOUR_S)
    venue.run(7 * HOUR_S)
    assert words(venue)[1] == "Cancelled"


def test_without_a_calendar_day_orders_end_with_the_day_in_new_york() -> None:
    """There is no close to go by."""
    venue = gateway()
    Pocket(venue).place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.restart(down_s=13 * HOUR_S)
    venue.run(13 * HOUR_S)
    assert words(venue) == {1: "Submitted"}
    venue.restart(down_s=2 * HOUR_S)
    venue.run(2 * HOUR_S)
    assert words(venue) == {1: "Cancelled"}


def test_earlier_days_are_forgotten_but_stay_booked() -> None:
    """Orders and executions are gone; position and cost stay, also when one of today is corrected."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    client.place(2, "BUY", 20, "LMT", lmtPrice=99.0, tif="GTC")
    venue.fill(2, quantity=5)
    yesterday = venue.books()
    venue.restart(down_s=DAY_S)
    venue.run(DAY_S)
    books = venue.books()
    assert [order.order_id for order in books.orders] == [2]
    assert books.order(2).filled == 5
    assert (books.cash, books.positions) == (yesterday.cash, yesterday.positions)
    client = Pocket(venue)
    assert story(client.ask("reqExecutions", reqId=1)) == ["execDetailsEnd"]
    with pytest.raises(InvalidInput, match="no execution"):
        venue.correct_execution(yesterday.executions[0].exec_id, price=1)
    client.place(3, "SELL", 15)
    before = venue.books()
    corrected = venue.correct_execution(before.executions[-1].exec_id, price=90)
    venue.correct_execution(corrected, price=before.executions[-1].price)
    assert venue.books().cash == before.cash
    assert venue.books().position("AAPL") == 0
    venue.restart()
    assert venue.books().cash == before.cash
    assert venue.books().order(2).filled == 5


def test_a_bracket_goes_on() -> None:
    """Its children wait, and are let go by their parent's fill; they still form a group."""
    venue = gateway()
    Pocket(venue).bracket(tif="GTC")
    venue.restart()
    assert words(venue) == {1: "Submitted", 2: "PreSubmitted", 3: "PreSubmitted"}
    venue.fill(1)
    assert words(venue) == {1: "Filled", 2: "Submitted", 3: "PreSubmitted"}
    venue.restart()
    venue.fill(2)
    assert words(venue) == {1: "Filled", 2: "Filled", 3: "Cancelled"}


def test_a_filled_parent_is_remembered_as_long_as_a_child_lives() -> None:
    """Its children would wait for it for ever otherwise."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC", transmit=False)
    client.place(2, "SELL", 10, "LMT", lmtPrice=105.0, parentId=1, tif="GTC")
    venue.fill(1)
    venue.restart(down_s=DAY_S)
    venue.run(DAY_S)
    assert words(venue) == {1: "Filled", 2: "Submitted"}
    venue.market("AAPL").set_quote(bid=105, ask=106)
    assert words(venue)[2] == "Filled"


def test_a_spent_group_stays_spent() -> None:
    """Its name cannot be used again."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="g/a/b", ocaType=1)
    venue.fill(1)
    venue.restart()
    client = Pocket(venue)
    assert errors(client.place(2, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="g/a/b", ocaType=1)) == [(2, 201)]


def test_a_group_feels_a_fill_that_it_had_not_felt_yet() -> None:
    """A restart between the fill and its effect does not leave the others whole."""
    style = attrs.evolve(Choreography.plain(), oca_delay_s=(60.0, 60.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    for order_id in (1, 2):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="g", ocaType=3, tif="GTC")
    venue.fill(1)
    assert words(venue)[2] == "Submitted"
    venue.restart()
    venue.run(0.0)
    assert words(venue) == {1: "Filled", 2: "Cancelled"}


def test_a_group_feels_a_fill_of_yesterday(path: Path) -> None:
    """Also when the order that was filled would be forgotten by now."""
    style = attrs.evolve(Choreography.plain(), oca_delay_s=(60.0, 60.0))
    clock = ManualClock()
    venue = gateway(settings=plain(choreography=style), clock=clock, state=path)
    client = Pocket(venue)
    for order_id in (1, 2):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="g", ocaType=3, tif="GTC")
    venue.fill(1)
    venue.save()
    venue.close(save=False)
    clock.advance_to(clock() + 2 * DAY_S)
    with contextlib.closing(gateway(settings=plain(choreography=style), clock=clock, state=path)) as venue:
        venue.run(0.0)
        assert words(venue)[2] == "Cancelled"


def test_a_cancel_on_its_way_arrives() -> None:
    """The order that was being cancelled does not come back to life."""
    style = attrs.evolve(Choreography.plain(), cancel_delay_s=(60.0, 60.0))
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC")
    client.cancel(1)
    venue.restart()
    venue.run(0.0)
    assert words(venue) == {1: "Cancelled"}


def test_a_trailing_stop_keeps_its_anchor() -> None:
    """The price that it has followed is not forgotten, though the market has come back since."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "SELL", 10, "TRAIL", auxPrice=2.0, tif="GTC")
    venue.market("AAPL").set_quote(bid=110, ask="110.01", last=110)
    venue.market("AAPL").set_quote(bid=109, ask="109.01", last=109)
    venue.restart()
    shown = Pocket(venue).heard[0].fields["order"]
    assert shown["trailStopPrice"] == 108.0
    venue.market("AAPL").set_quote(bid=108, ask="108.01", last=108)
    assert words(venue) == {1: "Filled"}


def test_orders_that_wait_go_on_waiting() -> None:
    """For a condition, for a moment, for an auction, for their slices."""
    price = {"type": 1, "isConjunctionConnection": True, "isMore": True, "price": 101.0, "conId": 265598}
    condition = {**price, "exchange": "SMART", "triggerMethod": 0}
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, conditions=[condition], tif="GTC")
    client.place(2, "BUY", 10, goodAfterTime="20261124 10:05:00 US/Eastern", tif="GTC")
    client.place(3, "BUY", 10, "MOC")
    client.place(4, "BUY", 10, "LMT", lmtPrice=102.0, algoStrategy="Twap", algoParams={})
    venue.run(13.0)
    assert venue.books().order(4).filled == 3
    venue.restart(down_s=12.0)
    venue.run(12.0)
    assert words(venue) == {1: "PreSubmitted", 2: "PreSubmitted", 3: "PreSubmitted", 4: "Submitted"}
    assert venue.books().order(4).filled == 5
    venue.run(300.0)
    assert words(venue) == {1: "PreSubmitted", 2: "Filled", 3: "PreSubmitted", 4: "Filled"}
    venue.market("AAPL").set_quote(bid=101, ask="101.01", last=101)
    assert words(venue)[1] == "Filled"
    venue.end_day()
    assert words(venue)[3] == "Filled"


def test_orders_by_hand_keep_their_ids() -> None:
    """One that was bound is found by its negative id; the next one gets another."""
    venue = gateway()
    Pocket(venue, 0).ask("reqAutoOpenOrders", autoBind=True)
    venue.place_by_hand("AAPL", "BUY", 1, "LMT", lmtPrice=99.0, tif="GTC")
    venue.restart()
    client = Pocket(venue, 0)
    venue.place_by_hand("AAPL", "BUY", 1, "LMT", lmtPrice=99.0, tif="GTC")
    client.ask("reqOpenOrders")
    assert sorted(words(venue)) == [-2, -1]
    client.cancel(-1)
    assert words(venue)[-1] == "Cancelled"


def test_combinations_keep_their_contract_ids() -> None:
    """All of them, tried out or traded, so that a new one gets a new id."""
    venue = gateway()
    client = Pocket(venue)

    def bag(count: int) -> dict[str, Any]:
        legs = [
            {"conId": con_id, "ratio": count, "action": "BUY", "exchange": "SMART"}
            for con_id in (265598, 272093)
        ]
        return {**AAPL, "secType": "BAG", "comboLegs": legs}

    def con_id() -> int:
        return int(venue.books().executions[-1].instrument.con_id)

    client.place(1, "BUY", 1, "MKT", contract=bag(1), whatIf=True)
    client.place(2, "BUY", 1, "MKT", contract=bag(2))
    second = con_id()
    venue.restart()
    client = Pocket(venue)
    client.place(3, "BUY", 1, "MKT", contract=bag(2))
    assert con_id() == second
    client.place(4, "BUY", 1, "MKT", contract=bag(3))
    assert con_id() == second + 1


def test_what_a_hand_has_changed_stays() -> None:
    """A halt, a bar, a closed exchange, an instrument that was added."""
    venue = gateway()
    venue.add_instrument(Instrument(con_id=77, symbol="NEW", sec_type="STK"))
    venue.halt("AAPL")
    venue.bar("MSFT")
    venue.close_exchange()
    venue.restart()
    client = Pocket(venue)
    new = {"symbol": "NEW", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    msft = {**new, "symbol": "MSFT"}
    assert errors(client.place(1, "BUY", 1)) == [(1, 154)]
    assert errors(client.place(2, "BUY", 1, contract=msft)) == [(2, 203)]
    assert errors(client.place(3, "BUY", 1, contract=new)) == [(3, 399)]


def test_an_instrument_that_was_traded_is_known_to_the_next_gateway(path: Path) -> None:
    """Though its catalogue does not have it; accounts that its settings do not name stay, too."""
    venue = gateway(state=path, settings=plain(accounts=("DU1", "DU2")))
    venue.add_instrument(Instrument(con_id=77, symbol="NEW", sec_type="STK", details={"stockType": "ETF"}))
    new = {"symbol": "NEW", "secType": "STK", "exchange": "SMART", "currency": "USD"}
    Pocket(venue).place(1, "BUY", 5, contract=new, account="DU2")
    before = venue.books()
    venue.close()
    after = MemoryGateway(clock=venue.clock, state=path, settings=plain(accounts=("DU3",)))
    assert after.books().orders == before.orders
    assert after.books().position("NEW", "DU2") == 5
    opened = Pocket(after)
    assert story(opened.heard)[0] == "managedAccounts"
    assert opened.heard[0].fields == {"accountsList": "DU3,DU1,DU2"}
    after.close()
    assert set(read_state(path).accounts) == {"DU1", "DU2", "DU3"}


def test_prices_do_not_jump_and_go_on_by_new_luck() -> None:
    """They stand while the gateway is down; afterwards they walk on, otherwise than they would have."""
    settings = Settings(choreography=Choreography.plain(), market=MarketSettings())
    one, other = MemoryGateway(settings=settings), MemoryGateway(settings=settings)
    for venue in (one, other):
        venue.market("AAPL").quote  # noqa: B018 - looking opens the market
        venue.run(20.0)
    before = one.market("AAPL").quote
    assert before == other.market("AAPL").quote
    one.restart(down_s=3600.0)
    one.run(3600.0)
    assert one.market("AAPL").quote == before
    walks = []
    for venue in (one, other):
        walk = []
        for _ in range(20):
            venue.run(0.25)
            walk.append(venue.market("AAPL").quote.bid)
        walks.append(walk)
    assert walks[0] != walks[1]


def test_the_profit_of_the_day_begins_anew_on_a_new_day() -> None:
    """Within a day a restart does not touch it."""
    venue = gateway()
    Pocket(venue).place(1, "BUY", 10)
    venue.market("AAPL").set_quote(bid=200, ask="200.01")

    def daily() -> float:
        client = Pocket(venue, 2)
        client.ask("reqPnL", reqId=1, account="DU1234567")
        venue.run(1.0)
        client.listen()
        told = [one for one in client.heard if one.kind == "pnl"][-1]
        client.session.close()
        return float(told.fields["dailyPnL"])

    first = daily()
    assert first > 900
    venue.restart()
    assert daily() == first
    venue.restart(down_s=DAY_S)
    venue.run(DAY_S)
    assert daily() == 0.0


def test_nothing_trades_while_the_gateway_is_down() -> None:
    """A hand may move prices meanwhile, or fill; a limit that was passed fills when the gateway is back."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, tif="GTC")
    client.place(2, "BUY", 10, "LMT", lmtPrice=90.0, tif="GTC")
    venue.restart(down_s=60.0)
    assert client.session.closed
    with pytest.raises(ConnectionRefusedError):
        venue.connect()
    venue.market("AAPL").set_quote(bid=98, ask="98.01")
    venue.fill(2)
    assert words(venue) == {1: "Submitted", 2: "Filled"}
    assert venue.next_deadline() is not None
    venue.run(59.0)
    assert words(venue) == {1: "Submitted", 2: "Filled"}
    venue.run(1.0)
    assert words(venue) == {1: "Filled", 2: "Filled"}
    assert statuses(Pocket(venue).heard, 1) == []


@pytest.mark.parametrize("wrong", [-1.0, float("inf"), float("nan")])
def test_a_restart_takes_a_time_that_ends(wrong: float) -> None:
    """And nothing happens otherwise."""
    venue = gateway()
    client = Pocket(venue)
    with pytest.raises(InvalidInput, match="down_s"):
        venue.restart(wrong)
    assert not client.session.closed


def test_a_corrected_combination_comes_back_corrected() -> None:
    """Its own execution is corrected in its order, too, though only its legs are booked (found by chance)."""
    venue = gateway()
    legs = [{"conId": con_id, "ratio": 1, "action": "BUY", "exchange": "SMART"} for con_id in (265598, 8314)]
    Pocket(venue).place(1, "BUY", 1, contract={**AAPL, "secType": "BAG", "comboLegs": legs})
    own = venue.books().order(1).executions[0]
    corrected = venue.correct_execution(own.exec_id, price=own.price + 1)
    before = venue.books()
    assert [one.exec_id for one in before.order(1).executions] == [corrected]
    venue.restart()
    assert venue.books() == before
