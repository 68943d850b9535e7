"""The venue as a client sees it: what happens to orders, told in the plain choreography."""

from __future__ import annotations

from decimal import Decimal

import attrs
import pytest

from ibkr_core.gateway import Choreography, MarketSettings
from tests.gateway.pocket import Pocket, errors, gateway, plain, statuses, story


def test_a_market_order_is_told_in_the_documented_order() -> None:
    """Acknowledgement, execution, new state, commission echo, report (TWS facts 2.4, wire facts 9)."""
    client = Pocket(gateway())
    assert story(client.place(1, "BUY", 10)) == [
        "open PreSubmitted", "status PreSubmitted 0/10",
        "open Submitted", "status Submitted 0/10",
        "fill 10",
        "open Filled", "status Filled 10/0",
        "open Filled", "status Filled 10/0",
        "commission",
    ]  # fmt: skip


def test_partial_fills_carry_the_weighted_average_and_the_cumulative_commission() -> None:
    """40 at 100.01 and 60 at 100.03: average 100.022, first the minimum commission, then the small rest."""
    venue = gateway()
    client = Pocket(venue)
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=40)
    client.place(1, "BUY", 100)
    venue.market("AAPL").set_quote(bid=100, ask="100.03")
    client.listen()
    last = statuses(client.heard, 1)[-1]
    assert (last["avgFillPrice"], last["lastFillPrice"], last["remaining"]) == (100.022, 100.03, 0)
    paid = [one.fields["commissionAndFees"] for one in client.heard if one.kind == "commissionReport"]
    assert paid == [1.00012, 0.00018]
    echoed = [
        one.fields["orderState"].get("commissionAndFees") for one in client.heard if one.kind == "openOrder"
    ]
    assert echoed[-1] == pytest.approx(1.0003)
    booked = venue.books().order(1)
    assert (booked.average_price, booked.commission) == (Decimal("100.022"), Decimal("1.0003"))


def test_a_cancel_ends_in_cancelled_then_202() -> None:
    """The status comes first, with what remained; a second cancel names the state (TWS facts 2.7)."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert story(client.cancel(1)) == ["status Cancelled 0/10", "error 202"]
    (again,) = client.cancel(1)
    assert again.fields["errorCode"] == 10148
    assert "state: Cancelled" in again.fields["errorMsg"]


def test_a_cancel_of_a_partly_filled_order_keeps_its_fills() -> None:
    """Filled stays, remaining stays above zero (TWS facts 1)."""
    venue = gateway()
    client = Pocket(venue)
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=4)
    client.place(1, "BUY", 10, "LMT", lmtPrice=100.01)
    assert story(client.cancel(1)) == ["status Cancelled 4/6", "error 202"]
    assert venue.books().position("AAPL") == 4


def test_a_fill_may_beat_a_cancel() -> None:
    """While the cancel is on its way the order fills; the answer to the cancel names the state Filled."""
    style = Choreography(
        duplicates=0, statuses_first=0, pending_cancel=1, cancel_delay_s=(1.0, 1.0), work_delay_s=(0, 0),
        commission_delay_s=(0, 0), commission_echo=0, pre_submitted=0,
    )  # fmt: skip
    venue = gateway(settings=plain(choreography=style))
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert story(client.cancel(1)) == ["open PendingCancel", "status PendingCancel 0/10"]
    assert errors(client.cancel(1)) == [(1, 161)]
    assert errors(client.place(1, "BUY", 10, "LMT", lmtPrice=98.0)) == [(1, 2102)]
    venue.market("AAPL").set_quote(bid="98.90", ask="99.00")
    assert story(client.listen()) == [
        "fill 10",
        "open Filled",
        "status Filled 10/0",
        "open Filled",
        "commission",
    ]
    venue.run(2)
    (late,) = client.listen()
    assert (late.fields["errorCode"], late.fields["errorMsg"].endswith("state: Filled.")) == (10148, True)


def test_an_order_that_was_not_transmitted_is_silent_until_it_is() -> None:
    """No callback, not among the open orders; sent again with transmit it lives (TWS facts 6)."""
    client = Pocket(gateway())
    assert client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False) == []
    assert story(client.ask("reqOpenOrders")) == ["openOrderEnd"]
    assert client.place(1, "BUY", 12, "LMT", lmtPrice=98.0, transmit=False) == []
    assert story(client.place(1, "BUY", 12, "LMT", lmtPrice=98.0))[-1] == "status Submitted 0/12"


def test_an_order_that_was_never_transmitted_ends_as_api_cancelled() -> None:
    """Cancelled before acknowledgement (TWS facts 1)."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False)
    assert story(client.cancel(1)) == ["status ApiCancelled 0/10", "error 202"]


def test_the_last_child_releases_the_whole_bracket() -> None:
    """Nothing is told before; then parent and children, which wait and form a group named by the parent."""
    client = Pocket(gateway())
    client.bracket()
    told = [one for one in client.heard if one.kind == "openOrder"]
    assert [one.fields["orderId"] for one in told] == [1, 2, 3, 1]
    parent, profit, stop = told[0].fields["order"], told[1].fields["order"], told[2].fields["order"]
    assert "ocaGroup" not in parent
    assert profit["ocaGroup"] == stop["ocaGroup"] == str(parent["permId"])
    assert profit["ocaType"] == 3
    assert statuses(client.heard, 2)[-1]["whyHeld"] == "child"
    assert statuses(client.heard, 3)[-1]["whyHeld"] == "child,trigger"


def test_children_wait_for_the_whole_parent() -> None:
    """A partly filled parent leaves them waiting, a complete one frees them."""
    venue = gateway()
    client = Pocket(venue)
    client.bracket()
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00", ask_size=4)
    venue.market("AAPL").set_quote(bid="106", ask="107")
    client.listen()
    assert statuses(client.heard, 2)[-1]["whyHeld"] == "child"
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    told = client.listen()
    assert story(told, 2)[-1] == "commission"
    assert statuses(told, 2)[-1]["status"] == "Submitted"
    assert statuses(told, 3)[-1]["whyHeld"] == "trigger"


@pytest.mark.parametrize(
    ("bid", "ask", "filled", "cancelled"), [("105.00", "105.01", 2, 3), ("94.99", "95", 3, 2)]
)
def test_the_child_that_fills_cancels_the_other(bid: str, ask: str, filled: int, cancelled: int) -> None:
    """Take profit or stop loss, never both; the account is flat afterwards."""
    venue = gateway()
    client = Pocket(venue)
    client.bracket()
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    client.listen()
    venue.market("AAPL").set_quote(bid=bid, ask=ask)
    told = client.listen()
    assert statuses(told, filled)[-1]["status"] == "Filled"
    assert statuses(told, cancelled)[-1]["status"] == "Cancelled"
    assert (cancelled, 202) in errors(told)
    assert venue.books().position("AAPL") == 0


def test_a_cancelled_parent_takes_its_children_along() -> None:
    """Each child is Cancelled and gets its own 202, with no request for it."""
    client = Pocket(gateway())
    client.bracket()
    assert story(client.cancel(1)) == ["status Cancelled 0/10", "error 202"] * 3


def test_a_rejected_parent_takes_its_children_along() -> None:
    """Not enough money for the parent: 201 and Inactive, and the children never live."""
    venue = gateway()
    client = Pocket(venue)
    client.bracket(quantity=1_000_000)
    assert errors(client.heard)[3:] == [(1, 201), (2, 202), (3, 202)]
    assert [order.status for order in venue.books().orders] == ["Inactive", "Cancelled", "Cancelled"]


def test_a_child_that_fills_in_part_reduces_the_other() -> None:
    """Children are an OCA group of type 3: the sibling shrinks in proportion."""
    venue = gateway()
    client = Pocket(venue)
    client.bracket()
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    venue.market("AAPL").set_quote(bid="105.00", ask="105.01", bid_size=4)
    client.listen()
    assert statuses(client.heard, 3)[-1]["remaining"] == 6
    venue.market("AAPL").set_quote(bid="94.00", ask="94.01")
    client.listen()
    assert statuses(client.heard, 2)[-1]["status"] == "Cancelled"
    assert venue.books().position("AAPL") == 0


@pytest.mark.parametrize(
    ("oca_type", "after_partial"),
    [(1, ("Cancelled", "10")), (2, ("Submitted", "6")), (3, ("Submitted", "6"))],
)
def test_oca_types_differ_at_a_partial_fill(oca_type: int, after_partial: tuple[str, str]) -> None:
    """1 cancels the others, 2 and 3 reduce them; a complete fill cancels them in any case (TWS facts 6)."""
    venue = gateway()
    client = Pocket(venue)
    for order_id, price in ((1, 99.0), (2, 98.0)):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=price, ocaGroup="pair", ocaType=oca_type)
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00", ask_size=4)
    client.listen()
    last = statuses(client.heard, 2)[-1]
    assert (last["status"], str(last["remaining"])) == after_partial
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    client.listen()
    assert statuses(client.heard, 1)[-1]["status"] == "Filled"
    assert statuses(client.heard, 2)[-1]["status"] == "Cancelled"
    assert (2, 202) in errors(client.heard)


@pytest.mark.parametrize(("oca_type", "bought"), [(1, 10), (2, 10), (3, 20)])
def test_only_a_group_without_block_can_overfill(oca_type: int, bought: int) -> None:
    """Both members are marketable at once; type 3 feels the first fill too late (TWS facts 6)."""
    late = attrs.evolve(Choreography.plain(), oca_delay_s=(0.5, 0.5))
    venue = gateway(settings=plain(choreography=late))
    client = Pocket(venue)
    for order_id in (1, 2):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", ocaType=oca_type)
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00")
    venue.run(1)
    assert venue.books().position("AAPL") == bought


def test_a_member_that_dies_without_a_fill_leaves_the_others() -> None:
    """OCA acts on fills only (TWS facts 6)."""
    venue = gateway()
    client = Pocket(venue)
    for order_id in (1, 2):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", ocaType=1)
    client.cancel(1)
    assert venue.books().order(2).status == "Submitted"


def test_a_group_that_has_filled_takes_no_new_member() -> None:
    """Its name is spent: an order that joins too late must not trade."""
    client = Pocket(gateway())
    for order_id in (1, 2):
        client.place(order_id, "BUY", 10, "LMT", lmtPrice=100.01, ocaGroup="pair", ocaType=1)
    assert statuses(client.heard, 1)[-1]["status"] == "Filled"
    assert statuses(client.heard, 2)[-1]["status"] == "Inactive"
    assert (2, 201) in errors(client.heard)


def test_an_unfilled_ioc_is_cancelled_without_202() -> None:
    """PendingCancel, then Cancelled, and no error (TWS facts 6)."""
    client = Pocket(gateway())
    told = story(client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, tif="IOC"))
    assert told[-3:] == ["open PendingCancel", "status PendingCancel 0/10", "status Cancelled 0/10"]


def test_an_ioc_takes_what_there_is() -> None:
    """The rest is cancelled at once."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=4)
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=100.5, tif="IOC")
    assert statuses(client.heard, 1)[-1]["filled"] == 4
    assert statuses(client.heard, 1)[-1]["status"] == "Cancelled"


@pytest.mark.parametrize(("size", "ending"), [(9, "status Inactive 0/10"), (10, "commission")])
def test_fok_fills_all_or_nothing(size: int, ending: str) -> None:
    """Nothing means Inactive, with no error (TWS facts 6)."""
    venue = gateway()
    venue.market("AAPL").set_quote(bid=100, ask="100.01", ask_size=size)
    client = Pocket(venue)
    told = client.place(1, "BUY", 10, "LMT", lmtPrice=100.5, tif="FOK")
    assert story(told)[-1] == ending
    assert errors(told) == []


def test_a_stop_limit_waits_for_its_limit_after_its_trigger() -> None:
    """Elected below the stop, it does not sell below its limit."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "SELL", 10, "STP LMT", auxPrice=98.0, lmtPrice=97.5)
    venue.market("AAPL").set_quote(bid="97.00", ask="97.01")
    client.listen()
    assert statuses(client.heard, 1)[-1]["status"] == "Submitted"
    assert "whyHeld" not in statuses(client.heard, 1)[-1]
    venue.market("AAPL").set_quote(bid="97.50", ask="97.51")
    assert venue.books().order(1).status == "Filled"


@pytest.mark.parametrize(
    ("fields", "first", "raised"),
    [
        ({"auxPrice": 2.0}, "98.00", "108.00"),
        ({"trailingPercent": 5.0}, "95.00", "104.50"),
        ({"auxPrice": 2.0, "trailStopPrice": 90.0}, "90.00", "108.00"),
    ],
)
def test_a_trailing_stop_follows_up_and_never_down(fields: dict[str, float], first: str, raised: str) -> None:
    """By amount or by percent of the last price; openOrder shows the present stop."""
    venue = gateway()
    venue.market("AAPL").set_last(100)
    client = Pocket(venue)
    told = client.place(1, "SELL", 10, "TRAIL", **fields)
    shown = [one.fields["order"]["trailStopPrice"] for one in told if one.kind == "openOrder"]
    assert shown[0] == float(first)
    venue.market("AAPL").set_quote(bid=110, ask="110.01", last=110)
    venue.market("AAPL").set_last("109")
    (shown_now, *_) = client.ask("reqOpenOrders")
    assert shown_now.fields["order"]["trailStopPrice"] == float(raised)
    venue.market("AAPL").set_quote(bid=raised, ask="110", last=raised)
    assert venue.books().order(1).status == "Filled"


def test_a_buying_trail_follows_down() -> None:
    """The mirror image: the stop stays above a falling price."""
    venue = gateway()
    client = Pocket(venue)
    venue.market("AAPL").set_last(100)
    client.place(1, "BUY", 10, "TRAIL", auxPrice=2.0)
    venue.market("AAPL").set_quote(bid=90, ask="90.01", last=90)
    venue.market("AAPL").set_quote(bid="91.99", ask=92, last=92)
    assert venue.books().order(1).average_price == 92


def test_a_modification_is_echoed_and_matched() -> None:
    """The new price shows in openOrder under the same permId, and may trade at once (TWS facts 6)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    told = client.place(1, "BUY", 5, "LMT", lmtPrice=100.01)
    assert told[0].fields["order"]["lmtPrice"] == 100.01
    assert statuses(told, 1)[-1]["status"] == "Filled"
    assert len(venue.books().orders) == 1
    assert errors(client.place(1, "BUY", 6, "LMT", lmtPrice=100.0)) == [(1, 104)]


def test_a_limit_may_become_a_market_order() -> None:
    """As seen in captures (TWS facts 6)."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert story(client.place(1, "BUY", 10))[-1] == "commission"


def test_a_modification_that_is_not_transmitted_is_held() -> None:
    """The working order does not change and nothing is told (wire facts 10)."""
    client = Pocket(gateway())
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert client.place(1, "BUY", 10, "LMT", lmtPrice=98.0, transmit=False) == []
    (shown, *_) = client.ask("reqOpenOrders")
    assert shown.fields["order"]["lmtPrice"] == 99.0


def test_a_global_cancel_reaches_every_client() -> None:
    """Orders of all clients end; with the option the asker hears 161 for its dead ones (TWS facts 7)."""
    style = attrs.evolve(Choreography.plain(), dead_orders_on_global_cancel=True)
    venue = gateway(settings=plain(choreography=style))
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10)
    one.place(2, "BUY", 10, "LMT", lmtPrice=99.0)
    two.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(one.ask("reqGlobalCancel")) == [(1, 161), (2, 202)]
    assert errors(two.listen())[-1] == (1, 202)


def test_a_price_too_aggressive_is_accepted_and_then_cancelled() -> None:
    """PreSubmitted, PendingCancel, Cancelled, 202 with the price in the text (TWS facts 6)."""
    client = Pocket(gateway())
    told = client.place(1, "BUY", 10, "LMT", lmtPrice=110.0)
    assert [one["status"] for one in statuses(told, 1)] == ["PreSubmitted", "PendingCancel", "Cancelled"]
    assert "more aggressive than 103.0103" in told[-1].fields["errorMsg"]


def test_a_trailing_child_starts_when_its_parent_is_filled() -> None:
    """Its stop is taken from the price at that moment."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0, transmit=False)
    client.place(2, "SELL", 10, "TRAIL", auxPrice=2.0, parentId=1)
    venue.market("AAPL").set_quote(bid="98.99", ask="99.00", last="99.00")
    client.listen()
    (shown, *_) = client.ask("reqOpenOrders")
    assert (shown.fields["orderId"], shown.fields["order"]["trailStopPrice"]) == (2, 97.0)


def test_orders_wait_for_the_opening() -> None:
    """399 before the first openOrder, PreSubmitted, no stop elected; then everything starts (TWS facts 7)."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "SELL", 10, "STP", auxPrice=98.0)
    client.place(2, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.close_exchange()
    told = client.place(3, "BUY", 10)
    assert story(told) == ["error 399", "open PreSubmitted", "status PreSubmitted 0/10"]
    assert "BUY 10 AAPL NASDAQ.NMS" in told[0].fields["errorMsg"]
    assert "until 2026-11-25 09:30:00 US/Eastern." in told[0].fields["errorMsg"]
    venue.market("AAPL").set_quote(bid="97.00", ask="97.01")
    client.cancel(2)
    venue.run(60)
    assert [order.status for order in venue.books().orders] == ["PreSubmitted", "Cancelled", "PreSubmitted"]
    venue.open_exchange()
    assert [order.status for order in venue.books().orders] == ["Filled", "Cancelled", "Filled"]


def test_unwatched_markets_move_on_and_watched_ones_fill() -> None:
    """A moving market reaches a resting order without anybody asking."""
    venue = gateway(settings=plain(market=MarketSettings(interval_s=0.1, max_step_ticks=5)))
    venue.market("AAPL").thaw()
    client = Pocket(venue)
    quote = venue.market("AAPL").quote
    client.place(1, "BUY", 10, "LMT", lmtPrice=float(quote.ask - Decimal("0.03")))
    venue.run(60)
    assert venue.books().order(1).status == "Filled"
    assert venue.next_deadline() is None


def test_clients_do_not_cancel_each_others_orders() -> None:
    """To another client the order is not found (TWS facts 4)."""
    venue = gateway()
    one, two = Pocket(venue, 1), Pocket(venue, 2)
    one.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    assert errors(two.cancel(1)) == [(1, 10147)]
    assert errors(two.place(1, "BUY", 10, "LMT", lmtPrice=99.0)) == []
    assert len({order.perm_id for order in venue.books().orders}) == 2


def test_an_empty_tif_may_earn_a_notice() -> None:
    """10349 is a notice: the order goes on as a day order (TWS facts 6)."""
    style = attrs.evolve(Choreography.plain(), preset_notice=True)
    client = Pocket(gateway(settings=plain(choreography=style)))
    told = client.place(1, "BUY", 10, tif="")
    assert errors(told) == [(1, 10349)]
    assert story(told)[-1] == "commission"


def test_another_currency_is_valued_in_dollars() -> None:
    """A currency pair moves cash in both currencies, and the commission is in dollars."""
    venue = gateway()
    venue.market("EUR", "CASH").set_quote(bid="1.15", ask="1.1501")
    client = Pocket(venue)
    pair = {"symbol": "EUR", "secType": "CASH", "currency": "USD", "exchange": "IDEALPRO"}
    client.place(1, "BUY", 20000, contract=pair)
    cash = venue.books().cash["DU1234567"]
    assert cash == {"USD": 1_000_000 - Decimal(23002) - 2, "EUR": 20000}
    (told,) = [one for one in client.heard if one.kind == "commissionReport"]
    assert (told.fields["commissionAndFees"], told.fields["currency"]) == (2.0, "USD")


def test_a_correction_rebooks_what_followed() -> None:
    """The realised profit of a later sale is that of the corrected purchase."""
    venue = gateway()
    client = Pocket(venue)
    client.place(1, "BUY", 10)
    client.place(2, "SELL", 10)
    first = venue.books().order(1).executions[0]
    venue.correct_execution(first.exec_id, price="99.01")
    told = client.listen()
    assert story(told) == ["fill 10", "open Filled", "status Filled 10/0", "commission"]
    assert told[2].fields["avgFillPrice"] == 99.01
    sale = venue.books().order(2).executions[0]
    assert sale.realized == 10 * (100 - Decimal("99.01")) - 2 * Decimal("1.00003")
    assert venue.books().cash["DU1234567"]["USD"] == 1_000_000 + sale.realized


def test_the_same_seed_gives_the_same_bytes() -> None:
    """Everything random comes from the seed; another seed tells another story."""

    def session(seed: int) -> list[object]:
        settings = plain(choreography=Choreography(), market=MarketSettings())
        venue = gateway(seed=seed, settings=settings)
        venue.market("AAPL").thaw()
        client = Pocket(venue)
        for order_id in range(1, 6):
            client.place(order_id, "BUY", 700)
            venue.run(1)
        client.listen()
        return [*client.heard]

    assert session(3) == session(3)
    assert session(3) != session(4)
