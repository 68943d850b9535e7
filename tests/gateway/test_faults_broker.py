"""Faults at the broker: corrected and busted executions, late commissions, and lost connectivity."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.faults import (
    Bust,
    Chance,
    Correction,
    Fault,
    FaultPlan,
    LateCommission,
    MissingCommission,
    ModifyKills,
    Outage,
    When,
)
from tests.gateway.pocket import Pocket, errors, gateway, kinds, statuses, story


def both(**wanted: FaultPlan) -> tuple[MemoryGateway, Pocket]:
    """A gateway and a client at it."""
    venue = gateway(**wanted)
    return venue, Pocket(venue)


def fills(client: Pocket) -> list[tuple[str, Decimal, float]]:
    """Id, quantity and price of every execution that a client has heard of."""
    told = [one.fields["execution"] for one in client.heard if one.kind == "execDetails"]
    return [(one["execId"], one["shares"], one["price"]) for one in told]


# -- executions ------------------------------------------------------------------------------------


def test_an_execution_is_corrected_in_price() -> None:
    """The next revision replaces it in every book: order, position, cash (TWS facts 3)."""
    venue, client = both()
    venue.inject(Correction(delay_s=2, price_shift=Decimal("-0.5")))
    client.place(1, "BUY", 10)
    before = venue.books().cash["DU1234567"]["USD"]
    venue.run(2)
    client.listen()
    assert fills(client) == [
        ("0000e0d5.69000000.01.01", 10, 100.01),
        ("0000e0d5.69000000.01.02", 10, 99.51),
    ]
    booked = venue.books().order(1)
    assert booked.average_price == Decimal("99.51")
    assert [one.exec_id for one in booked.executions] == ["0000e0d5.69000000.01.02"]
    assert venue.books().cash["DU1234567"]["USD"] - before == 5
    assert venue.books().position("AAPL") == 10
    assert venue.injected()[0].detail.endswith("price 100.01 to 99.51")


def test_an_execution_is_corrected_in_quantity() -> None:
    """The position falls by what never traded; more than it was is no correction."""
    venue, client = both()
    venue.inject(Correction(delay_s=0, quantity=Decimal(7)))
    client.place(1, "BUY", 5)
    assert venue.books().position("AAPL") == 5
    client.place(2, "BUY", 10)
    assert venue.books().position("AAPL") == 12
    assert fills(client)[-1] == ("0000e0d5.69000001.01.02", 7, 100.01)


def test_without_terms_chance_corrects_by_a_few_ticks() -> None:
    """One to five, up or down."""
    venue, client = both(faults=FaultPlan(chances=(Chance(Correction(delay_s=0), 0.5),)))
    for number in range(1, 30):
        client.place(number, "BUY", 10)
    executions = venue.books().executions
    shifts = {one.price - Decimal("100.01") for one in executions if one.revision == 2}
    assert shifts
    assert shifts <= {Decimal(ticks) / 100 for ticks in range(-5, 6) if ticks}
    assert any(one.revision == 1 for one in executions)


def test_a_bust_takes_an_execution_back() -> None:
    """The next revision has quantity zero and costs nothing; the account is as if it never was."""
    venue, client = both()
    venue.inject(Bust(delay_s=1))
    before = venue.books().cash
    client.place(1, "BUY", 10)
    venue.run(1)
    client.listen()
    assert fills(client)[-1] == ("0000e0d5.69000000.01.02", 0, 100.01)
    assert venue.books().position("AAPL") == 0
    assert venue.books().cash == before
    assert venue.books().order(1).filled == venue.books().order(1).commission == 0
    assert statuses(client.heard, 1)[-1]["filled"] == 0


def test_an_untold_bust_is_seen_by_asking_only() -> None:
    """No callback of a bust is documented: positions and queries show it (TWS facts 3)."""
    venue, client = both()
    client.ask("reqPositions")
    venue.inject(Bust(delay_s=1, told=False))
    client.place(1, "BUY", 10)
    venue.run(1)
    assert client.listen() == []
    assert [one.fields["position"] for one in client.ask("reqPositions") if one.kind == "position"] == []
    client.ask("reqExecutions", reqId=1)
    assert fills(client)[-1] == ("0000e0d5.69000000.01.02", 0, 100.01)


def test_an_execution_can_be_busted_by_hand() -> None:
    """As by a fault."""
    venue, client = both()
    client.place(1, "BUY", 10)
    busted = venue.bust_execution(venue.books().executions[0].exec_id)
    client.listen()
    assert fills(client)[-1] == (busted, 0, 100.01)
    assert venue.books().position("AAPL") == 0
    with pytest.raises(InvalidInput):
        venue.bust_execution("a.b.c.01")


def test_a_busted_execution_is_not_corrected_any_more() -> None:
    """What was taken back stays taken back."""
    venue, client = both()
    venue.inject(Correction(delay_s=3))
    venue.inject(Bust(delay_s=0), When(on="execDetails"))
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.fill(1, quantity=4)
    venue.fill(1, quantity=6)
    venue.run(5)
    assert [(one.revision, one.quantity) for one in venue.books().order(1).executions] == [(2, 4), (2, 0)]


# -- commissions -----------------------------------------------------------------------------------


def test_a_commission_is_late() -> None:
    """Until then no query shows it either; then it comes as ever, after Filled (TWS facts 3)."""
    venue, client = both()
    venue.inject(LateCommission(seconds=12))
    assert "commission" not in story(client.place(1, "BUY", 10))
    assert story(client.ask("reqExecutions", reqId=1)) == ["fill 10", "execDetailsEnd"]
    venue.run(12)
    assert story(client.listen()) == ["open Filled", "status Filled 10/0", "commission"]
    assert venue.injected()[0].message == "commissionReport"


def test_a_commission_is_never_told() -> None:
    """Only reqExecutions brings it; the account has paid it all the same."""
    venue, client = both()
    venue.inject(MissingCommission(), When(on="commissionReport", order_id=2))
    assert "commission" in story(client.place(1, "BUY", 10))
    assert "commission" not in story(client.place(2, "BUY", 10))
    venue.run(60)
    assert client.listen() == []
    assert venue.books().order(2).commission > 1
    assert story(client.ask("reqExecutions", reqId=1)).count("commission") == 2


# -- modifications ---------------------------------------------------------------------------------


def test_a_refused_modification_kills_the_order() -> None:
    """PendingCancel, Submitted, PreSubmitted, Cancelled, 202, 201 (TWS facts 6)."""
    venue, client = both()
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.inject(ModifyKills())
    told = client.place(1, "BUY", 10, "LMT", lmtPrice=98.0)
    assert story(told) == [
        "status PendingCancel 0/10", "status Submitted 0/10", "status PreSubmitted 0/10",
        "status Cancelled 0/10", "error 202", "error 201",
    ]  # fmt: skip
    assert venue.books().order(1).status == "Cancelled"


def test_only_a_modification_of_a_live_order_can_kill_it() -> None:
    """A new order and a filled one are treated as ever."""
    venue, client = both(faults=FaultPlan(chances=(Chance(ModifyKills(), 1.0),)))
    assert "fill 10" in story(client.place(1, "BUY", 10))
    assert errors(client.place(1, "BUY", 20)) == [(1, 104)]
    assert venue.injected() == ()


# -- connectivity ----------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "back"), [(1100, 1101), (1100, 1102), (2110, 1102), (2110, 0)])
def test_orders_fill_while_the_broker_is_out_of_reach(code: int, back: int) -> None:
    """The socket stays open, the fill is silent, and it is told when the broker is back (TWS facts 5)."""
    venue, client = both()
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.inject(Outage(for_s=10, code=code, back=back, leak=0))
    assert errors(client.listen()) == [(-1, code)]
    venue.fill(1)
    venue.run(5)
    assert client.listen() == []
    assert venue.books().order(1).status == "Filled"
    venue.run(5)
    told = story(client.listen())
    assert told[: bool(back)] == ([f"error {back}"] if back else [])
    assert told[bool(back) :] == [
        "fill 10", "open Filled", "status Filled 10/0", "open Filled", "status Filled 10/0", "commission",
    ]  # fmt: skip


def test_some_callbacks_come_through_all_the_same() -> None:
    """As was seen after a 1100 (TWS facts 5)."""
    venue, client = both()
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.inject(Outage(for_s=10, leak=1.0))
    venue.fill(1)
    assert "fill 10" in story(client.listen())


def test_what_was_withheld_may_never_come() -> None:
    """Then only asking brings it."""
    venue, client = both()
    client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
    venue.inject(Outage(for_s=10, leak=0, callbacks="never"))
    venue.fill(1)
    venue.run(10)
    assert errors(client.listen()) == [(-1, 1100), (-1, 1102)]
    assert "fill 10" in story(client.ask("reqExecutions", reqId=1))


def test_requests_wait_for_the_broker() -> None:
    """What the gateway knows by itself is answered; the rest is acted upon afterwards, in order."""
    venue, client = both()
    venue.inject(Outage(for_s=10))
    client.listen()
    assert client.place(1, "BUY", 10) == []
    assert client.ask("reqOpenOrders") == []
    assert kinds(client.ask("reqCurrentTime")) == ["currentTime"]
    assert venue.books().orders == ()
    venue.run(10)
    told = story(client.listen())
    assert told[:2] == ["error 1102", "open PreSubmitted"]
    assert told.index("openOrderEnd") < told.index("fill 10")


@pytest.mark.parametrize(("requests", "orders"), [("lost", 0), ("answered", 1)])
def test_requests_may_be_lost_or_answered(requests: str, orders: int) -> None:
    """As the fault says."""
    venue, client = both()
    venue.inject(Outage(for_s=10, requests=requests))
    client.place(1, "BUY", 10)
    assert len(venue.books().orders) == orders
    venue.run(10)
    assert len(venue.books().orders) == orders


def test_an_order_that_waits_for_the_broker_outlives_its_client() -> None:
    """The gateway has taken it; queries of a client that has left are forgotten."""
    venue, client = both()
    venue.inject(Outage(for_s=10))
    client.place(1, "BUY", 10)
    client.ask("reqPositions")
    client.session.hang_up()
    venue.run(10)
    assert venue.books().order(1).status == "Filled"


def test_market_data_is_lost_with_1101_only() -> None:
    """Subscriptions end with 1101 and go on after 1102 (TWS facts 5)."""
    for back, goes_on in ((1101, False), (1102, True)):
        venue, client = both()
        contract = {"symbol": "AAPL", "secType": "STK", "exchange": "SMART", "currency": "USD"}
        client.ask("reqMktData", reqId=9, contract=contract)
        venue.run(2)
        client.listen()
        assert "tickPrice" in kinds(client.heard)
        venue.inject(Outage(for_s=5, back=back))
        venue.market("AAPL").set_quote(bid=101, ask="101.01")
        venue.run(4)
        client.listen()
        venue.run(1)
        client.listen()
        venue.market("AAPL").set_quote(bid=102, ask="102.01")
        venue.run(5)
        assert ("tickPrice" in kinds(client.listen())) is goes_on


def test_a_client_that_comes_meanwhile_is_told() -> None:
    """2110 after its welcome."""
    venue, _ = both()
    venue.inject(Outage(for_s=10))
    assert errors(Pocket(venue, 2).heard)[-1] == (-1, 2110)


def test_the_broker_is_lost_once_at_a_time() -> None:
    """A second outage within the first is none."""
    venue, client = both()
    venue.inject(Outage(for_s=10))
    venue.inject(Outage(for_s=10))
    assert errors(client.listen()) == [(-1, 1100)]
    assert len(venue.injected()) == 1


def test_an_outage_may_begin_with_a_message_or_a_request() -> None:
    """What triggers it is withheld or put off like anything else."""
    venue, client = both()
    venue.inject(Outage(for_s=1, leak=0), When(on="execDetails"))
    assert story(client.place(1, "BUY", 10))[-1] == "error 1100"
    venue.run(1)
    assert story(client.listen())[:2] == ["error 1102", "fill 10"]
    venue.inject(Outage(for_s=1), When(on="placeOrder"))
    assert story(client.place(2, "BUY", 10)) == ["error 1100"]
    venue.run(1)
    assert "fill 10" in story(client.listen())


def test_an_outage_begins_at_its_moment() -> None:
    """By the script, so many seconds after the start."""
    script = (Fault(Outage(for_s=1), When(after_s=5)),)
    venue, client = both(faults=FaultPlan(script=script))
    venue.run(4.9)
    assert client.listen() == []
    venue.run(0.1)
    assert errors(client.listen()) == [(-1, 1100)]
