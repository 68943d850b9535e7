"""Every code of TWS facts 7: simulated from its cause, or left out for a reason that is written here."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway import Calendar, Choreography, ClientRules, ManualClock, MemoryGateway
from ibkr_core.gateway.hours import moment_of
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.precautions import Precautions
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain, statuses, story
from tests.gateway.test_rejections import REFUSALS

D = Decimal
EUR = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}
COIN = Instrument(
    con_id=9_000_001, symbol="BTC", sec_type="CRYPTO", exchange="PAXOS", local_symbol="BTC",
    reference_price=D(90_000), exchanges=("PAXOS",), details={"minSize": "0.001", "sizeIncrement": "0.0001"},
)  # fmt: skip
COIN_CONTRACT = {"symbol": "BTC", "secType": "CRYPTO", "exchange": "PAXOS", "currency": "USD"}
LOT = Instrument(
    con_id=9_000_002, symbol="LOTS", sec_type="STK", local_symbol="LOTS",
    details={"minSize": "100", "sizeIncrement": "50"},
)  # fmt: skip
LOT_CONTRACT = {**AAPL, "symbol": "LOTS"}


class Bench:
    """A client with one resting order, number 1: buy ten AAPL at 99."""

    def __init__(self, **settings: Any) -> None:
        self.venue: MemoryGateway = gateway(settings=plain(**settings))
        self.client = Pocket(self.venue)
        self.client.place(1, "BUY", 10, "LMT", lmtPrice=99.0)
        self.client.heard.clear()

    def modify(self, quantity: int = 10, kind: str = "LMT", **fields: Any) -> Bench:
        self.client.place(1, fields.pop("action", "BUY"), quantity, kind, **{"lmtPrice": 98.0, **fields})
        return self

    def place(self, number: int, action: str, quantity: int, kind: str = "MKT", **fields: Any) -> Bench:
        self.client.place(number, action, quantity, kind, **fields)
        return self

    @property
    def codes(self) -> list[tuple[int, int]]:
        return errors(self.client.heard)


def filled() -> list[tuple[int, int]]:
    bench = Bench()
    bench.venue.fill(1)
    return bench.modify().codes


def half_filled() -> list[tuple[int, int]]:
    bench = Bench()
    bench.venue.fill(1, quantity=4)
    return bench.modify(quantity=4).codes


def spent() -> list[tuple[int, int]]:
    bench = Bench()
    bench.client.cancel(1)
    return bench.modify().codes[1:]


def child_of_filled() -> list[tuple[int, int]]:
    bench = Bench()
    bench.place(2, "SELL", 10, "LMT", lmtPrice=105.0, parentId=1)
    bench.venue.fill(1)
    return bench.place(2, "SELL", 10, "LMT", lmtPrice=104.0, parentId=1).codes


def trial_not_transmitted() -> list[tuple[int, int]]:
    return Bench().place(2, "BUY", 1, whatIf=True, transmit=False).codes


def cancelled_twice() -> list[tuple[int, int]]:
    bench = Bench(choreography=attrs.evolve(Choreography.plain(), cancel_delay_s=(1.0, 1.0)))
    bench.client.cancel(1)
    bench.client.cancel(1)
    return bench.codes


def modified_while_cancelling() -> list[tuple[int, int]]:
    bench = Bench(
        choreography=attrs.evolve(Choreography.plain(), cancel_delay_s=(1.0, 1.0), pending_cancel=1.0)
    )
    bench.client.cancel(1)
    assert statuses(bench.client.heard, 1)[-1]["status"] == "PendingCancel"
    return bench.modify().codes


def cancelled_when_filled() -> list[tuple[int, int]]:
    bench = Bench()
    bench.venue.fill(1)
    bench.client.cancel(1)
    return bench.codes


def cancelled_unknown() -> list[tuple[int, int]]:
    bench = Bench()
    bench.client.cancel(77)
    return bench.codes


def cancelled_well() -> list[tuple[int, int]]:
    bench = Bench()
    bench.client.cancel(1)
    return bench.codes


def in_money(quantity: Decimal, cash: float = 0.0) -> Bench:
    bench = Bench(fractional=True)
    bench.place(2, "BUY", 1, "LMT", lmtPrice=99.0, totalQuantity=quantity, cashQty=cash)
    return bench.place(2, "BUY", 1, "LMT", lmtPrice=98.0, totalQuantity=D(3))


def off_hours(**fields: Any) -> list[tuple[int, int]]:
    saturday = moment_of("20261121 12:00:00 UTC")
    assert saturday is not None
    venue = MemoryGateway(clock=ManualClock(saturday), settings=plain(calendar=Calendar()))
    client = Pocket(venue)
    client.place(1, "BUY", 1, **fields)
    return errors(client.heard)


def precaution(**limits: Any) -> list[tuple[int, int]]:
    bench = Bench(precautions=Precautions(**limits))
    bench.place(2, "BUY", 50, "LMT", lmtPrice=97.0)
    bench.place(3, "SELL", 50, "LMT", lmtPrice=101.0, contract={**AAPL, "exchange": "ISLAND"})
    return bench.codes


def turned_around() -> list[tuple[int, int]]:
    bench = Bench(precautions=Precautions(cross_side=True))
    return bench.place(2, "BUY", 10).place(3, "SELL", 10, "LMT", lmtPrice=105.0).place(4, "SELL", 25).codes


def special(contract: dict[str, Any], quantity: str, **fields: Any) -> list[tuple[int, int]]:
    bench = Bench(fractional=True)
    bench.venue.add_instrument(COIN)
    bench.venue.add_instrument(LOT)
    return bench.place(2, "BUY", 1, contract=contract, totalQuantity=D(quantity), **fields).codes


def barred(*, halted: bool) -> list[tuple[int, int]]:
    bench = Bench()
    if halted:
        bench.venue.halt("AAPL")
    else:
        bench.venue.bar("AAPL")
    return bench.place(2, "BUY", 1).codes


def twice_connected() -> list[tuple[int, int]]:
    return errors(Pocket(Bench().venue, 1).heard)


def bound_by_another() -> list[tuple[int, int]]:
    return errors(Bench().client.ask("reqAutoOpenOrders", autoBind=True))


def many_summaries() -> list[tuple[int, int]]:
    client = Bench().client
    for number in (11, 12, 13):
        client.ask("reqAccountSummary", reqId=number, group="All", tags="NetLiquidation")
    return errors(client.heard)


def all_or_none_parent() -> list[tuple[int, int]]:
    bench = Bench()
    bench.place(2, "BUY", 10, "LMT", lmtPrice=99.0, allOrNone=True)
    return bench.place(3, "SELL", 10, "LMT", lmtPrice=105.0, parentId=2).codes


def grouped(**fields: Any) -> list[tuple[int, int]]:
    bench = Bench()
    bench.place(2, "BUY", 10, "LMT", lmtPrice=99.0, ocaGroup="pair", ocaType=2)
    return bench.place(
        2, "BUY", 10, "LMT", lmtPrice=98.0, **{"ocaGroup": "pair", "ocaType": 2, **fields}
    ).codes


def short_sale() -> list[tuple[int, int]]:
    bench = Bench()
    bench.venue.hard_to_borrow("AAPL")
    return bench.place(2, "SELL", 10).codes


def preset() -> list[tuple[int, int]]:
    bench = Bench(choreography=attrs.evolve(Choreography.plain(), preset_notice=True))
    return bench.place(2, "BUY", 1, tif="").codes


def unreadable() -> list[tuple[int, int]]:
    client = Bench().client
    client.send(b"\x00\x00\x00\x063\x00x\x00y\x00")
    return errors(client.heard)


CAUSES: dict[int, tuple[Callable[[], list[tuple[int, int]]], int]] = {
    # code: (what happens, to which id the code is told)
    103: (spent, 1),
    104: (filled, 1),
    105: (lambda: Bench().modify(action="SELL").codes, 1),
    110: (lambda: Bench().modify(lmtPrice=98.001).codes, 1),
    131: (lambda: Bench().place(2, "BUY", 50_000, contract=EUR, sweepToFill=True).codes, 2),
    134: (half_filled, 1),
    135: (child_of_filled, 2),
    154: (lambda: barred(halted=True), 2),
    161: (cancelled_twice, 1),
    163: (lambda: precaution(percent=D(2)), 2),
    201: (lambda: Bench(cash=D(10_000)).place(2, "BUY", 5000).codes, 2),
    202: (cancelled_well, 1),
    203: (lambda: barred(halted=False), 2),
    320: (unreadable, -1),
    322: (many_summaries, 13),
    326: (twice_connected, -1),
    327: (bound_by_another, -1),
    329: (lambda: Bench().modify(kind="STP", auxPrice=101.0).codes, 1),
    355: (lambda: special(LOT_CONTRACT, "120"), 2),
    382: (lambda: precaution(ticks=100), 2),
    383: (lambda: precaution(size=D(20)), 2),
    388: (lambda: special(COIN_CONTRACT, "0.0001"), 2),
    392: (
        lambda: off_hours(contract={"localSymbol": "ESH6", "secType": "FUT", "exchange": "CME"}),
        1,
    ),
    399: (off_hours, 1),
    404: (short_sale, 2),
    413: (trial_not_transmitted, 2),
    422: (lambda: Bench().modify(clearingAccount="X").codes, 1),
    440: (lambda: Bench().modify(algoStrategy="Twap").codes, 1),
    2102: (modified_while_cancelling, 1),
    2109: (lambda: off_hours(outsideRth=True), 1),
    2137: (turned_around, 4),
    10147: (cancelled_unknown, 77),
    10148: (cancelled_when_filled, 1),
    10236: (all_or_none_parent, 3),
    10241: (lambda: in_money(D(0), cash=500.0).codes, 2),
    10242: (lambda: in_money(D("1.5")).codes, 2),
    10289: (lambda: special(COIN_CONTRACT, "1"), 2),
    10311: (lambda: precaution(direct_route=True), 3),
    10326: (lambda: grouped(ocaGroup="other"), 2),
    10327: (lambda: grouped(ocaType=1), 2),
    10341: (lambda: Bench().modify(parentId=9).codes, 1),
    10349: (preset, 2),
}
"""Codes that are told for another reason than that a new order makes no sense."""

ELSEWHERE = {
    10225, 100, 501, 502, 503, 504, 505, 506, 507, 508, 512, 515, 516, 538,
    1100, 1101, 1102, 1300, 2110, 2100, 2101, 2103, 2104, 2105, 2106, 2107, 2108, 2119, 2157, 2158, 165, 166,
}  # fmt: skip
"""Connections, farms, data and what the client's own library says: not order entry."""

LEFT_OUT: dict[str, set[int]] = {
    "the broker's table calls them deprecated": {
        114, 115, 121, 123, 153, 155, 156, 405, 421, 424, 425, 427, 428, 431, 432, 437, 438,
    },
    "321 says it: the request lacks a field, or a field is of the wrong type": {
        106, 107, 140, 141, 143, 145, 160, 323, 403,
    },
    "200 says it: no such instrument at that exchange": {116, 406, 412},
    "the VWAP exchange is gone": {118, 119, 120, 129, 137, 167},
    "no advisors, institutions, or clearing away from the broker": {132, 142, 144, 151, 426, 435, 436, 433},
    "the cause is not documented": {
        125, 126, 133, 136, 164, 398, 400, 401, 402, 409, 443, 445, 447, 448, 449, 481, 461, 463, 478, 482,
        492, 10149, 2148, 10325, 10328, 10331,
    },
    "real gateways are known to take such combinations": {356, 358, 360},
    "needs trouble at the broker's": {395, 396, 397},
    "2109 says it and the order goes on": {411},
    "no combination is priced by volatility": {444},
    "203 says it": {460},
    "every algorithm is good until its end": {2111},
    "no such products": {2130},
    "10268 and 10269 say it": {2168, 2169},
    "presets are simulated for the time in force only": {10233, 10329},
}  # fmt: skip

FACTS = {
    100, *range(103, 108), *range(109, 112), *range(113, 122), 123, 125, 126, 129, *range(131, 138),
    *range(140, 149), *range(151, 162), *range(163, 169), *range(200, 204), *range(320, 324),
    *range(326, 330), 355, 356, 358, 359, 360, 382, 383, 387, 388, 391, 392, *range(395, 414), 417,
    418, 419, 421, 422, *range(424, 430), *range(431, 450), 460, 461, 463, 478, 481, 482, 492,
    *range(501, 509), 512, 515, 516, 538, 1100, 1101, 1102, 1300, *range(2100, 2112), 2119, 2130, 2137,
    2148, 2157, 2158, 2168, 2169, 10006, 10052, 10063, 10147, 10148, 10149, 10224, 10225, 10233, 10241,
    10242, 10243, 10244, 10245, 10246, 10247, 10268, 10269, 10270, 10311, 10325, 10326, 10327, 10328,
    10329, 10331, 10341, 10349,
} - {122, 124, 127, 128, 130, 138, 139, 149, 150, 414, 415, 416, 420, 430}  # fmt: skip
"""The codes of TWS facts 7, and of its section 9."""


@pytest.mark.parametrize("code", sorted(CAUSES))
def test_a_code_comes_from_its_cause(code: int) -> None:
    """Told once, to the id that it is about."""
    happen, subject = CAUSES[code]
    assert happen().count((subject, code)) == 1


def test_every_code_is_accounted_for() -> None:
    """Simulated with a test, or in one of the lists above; and in no more than one of them."""
    simulated = {code for code, _ in REFUSALS} | CAUSES.keys() | {10245, 10246, 10247}  # test_rules has these
    without = ELSEWHERE.union(*LEFT_OUT.values())
    assert sorted(FACTS - simulated - without) == []
    assert sorted(simulated & without) == []
    assert sum(map(len, LEFT_OUT.values())) == len(set().union(*LEFT_OUT.values()))


def test_a_warning_lets_the_order_go_on() -> None:
    """131, 2109, 2137, 10311 and 10349 are no refusals; a short sale that waits says so and goes on later."""
    bench = Bench(precautions=Precautions(cross_side=True, direct_route=True))
    bench.venue.hard_to_borrow("AAPL")
    told = bench.client.place(2, "SELL", 10, contract={**AAPL, "exchange": "ISLAND"})
    assert [code for _, code in errors(told)] == [10311, 404]
    assert statuses(told, 2)[-1]["whyHeld"] == "locate"
    assert bench.venue.books().position("AAPL") == 0
    bench.venue.hard_to_borrow("AAPL", hard=False)
    assert story(bench.client.listen(), 2)[-1] == "commission"
    assert bench.venue.books().position("AAPL") == -10


def test_a_covered_sale_needs_no_shares() -> None:
    """Selling what is held is no short sale."""
    bench = Bench()
    bench.place(2, "BUY", 10)
    bench.venue.hard_to_borrow("AAPL")
    assert bench.place(3, "SELL", 10).codes == []
    assert bench.venue.books().position("AAPL") == 0


@pytest.mark.parametrize(
    ("fields", "cash", "code", "status"),
    [
        ({"quantity": 900}, D(20_000), 201, "Inactive"),
        ({"lmtPrice": 110.0}, D(1_000_000), 202, "Cancelled"),
    ],
)
def test_a_modification_that_the_broker_refuses_kills_the_order(
    fields: dict[str, Any], cash: Decimal, code: int, status: str
) -> None:
    """Beyond the funds, or beyond the price cap: the original dies, too (TWS facts 6)."""
    bench = Bench(cash=cash)
    assert bench.modify(**fields).codes == [(1, code)]
    assert bench.venue.books().order(1).status == status


def test_a_group_that_has_done_its_work_takes_no_more() -> None:
    """201: its name cannot be used again after a fill."""
    bench = Bench()
    bench.place(2, "BUY", 1, ocaGroup="pair", ocaType=1)
    assert bench.place(3, "BUY", 1, ocaGroup="pair", ocaType=1).codes == [(3, 201)]


def test_other_clients_do_not_hear_of_refusals() -> None:
    """A refusal is for who asked, even where everybody's orders are told to a master."""
    bench = Bench(clients=ClientRules(master=7))
    master = Pocket(bench.venue, 7)
    master.listen()
    bench.place(2, "BUY", 10, "LMT", lmtPrice=99.001)
    assert master.listen() == []
