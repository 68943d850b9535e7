"""Every order type with every time in force and every attribute: taken and sensibly ended, or refused.

One venue for each type. All its orders are placed at once, then the market goes up, down and back, through a
close, an opening, and a second day; everything that was taken has had its chance to fill. The codes of what
is refused are predicted by rules written down here, apart from the gateway's. At the end the books are held
against a second set (:mod:`tests.gateway.ledger`).
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest

from ibkr_core.gateway import MemoryGateway
from ibkr_core.gateway.kinds import KINDS
from ibkr_core.wire.message import Message
from tests.gateway.ledger import check_books
from tests.gateway.pocket import AAPL, Pocket, errors, gateway, plain
from tests.gateway.test_combos import PAIR

D = Decimal
FUTURE = {"localSymbol": "ESZ6", "secType": "FUT", "exchange": "CME", "currency": "USD"}
OPTION = {
    "symbol": "AAPL", "secType": "OPT", "exchange": "SMART", "currency": "USD", "strike": 290.0, "right": "C",
    "lastTradeDateOrContractMonth": "20301220",
}  # fmt: skip
EURO = {"symbol": "EUR", "secType": "CASH", "exchange": "IDEALPRO", "currency": "USD"}


@attrs.frozen
class Sample:
    """One order type, priced so that a market that goes from 100 to 106, to 94 and back fills it.

    Attributes:
        fields: Its prices.
        contract: What it trades.
        worst: A purchase pays no more.
    """

    fields: dict[str, Any]
    contract: dict[str, Any] = AAPL
    worst: float | None = None


SAMPLES = {
    "MKT": Sample({}),
    "LMT": Sample({"lmtPrice": 99.0}, worst=99.0),
    "STP": Sample({"auxPrice": 101.0}),
    "STP LMT": Sample({"auxPrice": 101.0, "lmtPrice": 102.0}, worst=102.0),
    "STP PRT": Sample({"auxPrice": 101.0}, FUTURE),
    "TRAIL": Sample({"auxPrice": 1.0}),
    "TRAIL LIMIT": Sample({"auxPrice": 1.0, "lmtPriceOffset": 0.5}),
    "TRAIL MIT": Sample({"auxPrice": 1.0}),
    "TRAIL LIT": Sample({"auxPrice": 1.0, "lmtPriceOffset": 0.5}),
    "MIT": Sample({"auxPrice": 99.0}),
    "LIT": Sample({"auxPrice": 99.0, "lmtPrice": 98.5}, worst=98.5),
    "MTL": Sample({}),
    "BOX TOP": Sample({}, {**OPTION, "exchange": "BOX"}),
    "MKT PRT": Sample({}, FUTURE),
    "MOC": Sample({}),
    "LOC": Sample({"lmtPrice": 101.0}, worst=101.0),
    "MOO": Sample({}),
    "LOO": Sample({"lmtPrice": 101.0}, worst=101.0),
    "REL": Sample({"auxPrice": 0.01, "lmtPrice": 104.0}, worst=104.0),
    "PEG PRIM": Sample({"auxPrice": 0.01, "lmtPrice": 104.0}, worst=104.0),
    "PASSV REL": Sample({"auxPrice": 0.01, "lmtPrice": 104.0}, worst=104.0),
    "PEG MKT": Sample({"auxPrice": 0.01, "lmtPrice": 104.0}, worst=104.0),
    "PEG MID": Sample({"lmtPrice": 104.0}, worst=104.0),
    "MIDPRICE": Sample({"lmtPrice": 104.0}, worst=104.0),
    "PEG BEST": Sample(
        {"lmtPrice": 104.0, "competeAgainstBestOffset": 0.01}, {**AAPL, "exchange": "IBKRATS"}, worst=104.0
    ),
    "PEG STK": Sample({"startingPrice": 99.0, "stockRefPrice": 100.0, "delta": 50.0}, OPTION),
    "PEG BENCH": Sample(
        {
            "referenceContractId": 272093, "startingPrice": 99.0, "stockRefPrice": 40.0,
            "peggedChangeAmount": 0.1, "referenceChangeAmount": 1.0,
        },
        worst=99.1,
    ),
    "SNAP MKT": Sample({"auxPrice": 0.05}, worst=104.0),
    "SNAP MID": Sample({"auxPrice": 0.05}, worst=104.0),
    "SNAP PRIM": Sample({"auxPrice": 0.01}, worst=104.0),
    "VOL": Sample({"volatility": 3.0, "volatilityType": 2}, OPTION),
    "REL + LMT": Sample({"lmtPrice": 18.0}, PAIR, worst=18.0),
    "REL + MKT": Sample({}, PAIR),
    "LMT + MKT": Sample({"lmtPrice": 18.0}, PAIR, worst=18.0),
}  # fmt: skip
TIFS: dict[str, dict[str, Any]] = {
    "DAY": {},
    "GTC": {},
    "GTD": {"goodTillDate": "20991231 23:59:59 UTC"},
    "IOC": {},
    "FOK": {},
    "OPG": {},
    "AUC": {},
}


def when(kind: int, **fields: Any) -> dict[str, Any]:
    return {"conditions": [{"type": kind, "isConjunctionConnection": True, "isMore": True, **fields}]}


CONDITIONS: dict[str, dict[str, Any]] = {
    "price": when(1, conId=265598, exchange="SMART", price=103.0, triggerMethod=0),
    "time": when(3, time="20200101 00:00:00 UTC"),
    "margin": when(4, percent=1),
    "execution": when(5, secType="STK", exchange="SMART", symbol="AAPL"),
    "volume": when(6, conId=265598, exchange="SMART", volume=1),
    "percent": when(7, conId=265598, exchange="SMART", changePercent=-90.0),
}
FLAGS: dict[str, dict[str, Any]] = {
    "nothing": {},
    "outside": {"outsideRth": True},
    "hidden": {"hidden": True},
    "iceberg": {"displaySize": 4},
    "whole": {"allOrNone": True},
    "least": {"minQty": 5},
    "money": {"totalQuantity": D(0), "cashQty": 1000.0},
    "part": {"totalQuantity": D("10.5")},
    "later": {"goodAfterTime": "20200101 00:00:00 UTC"},
    **{f"trigger {number}": {"triggerMethod": number} for number in (1, 2, 3, 4, 7, 8)},
    **CONDITIONS,
    "algo": {"algoStrategy": "Twap"},
    "cancel on price": {**CONDITIONS["price"], "conditionsCancelOrder": True},
    "adjustable": {"adjustedOrderType": "STP", "triggerPrice": 90.0, "adjustedStopPrice": 95.0},
    **{f"group {number}": {"ocaGroup": f"g{number}", "ocaType": number} for number in (1, 2, 3)},
    "parent": {"transmit": False},
    "hedged": {"transmit": False},
}
_NO_REFUSALS = {131, 201, 202, 2109}
IMMEDIATE = {"IOC", "FOK"}
WAITING = {
    "STP PRT", "TRAIL", "TRAIL LIMIT", "TRAIL MIT", "TRAIL LIT", "REL", "PEG PRIM", "PASSV REL", "PEG STK",
    "PEG BENCH", "SNAP MKT", "SNAP MID", "SNAP PRIM", "VOL",
}  # fmt: skip


def refusal(kind: str, tif: str, flag: str) -> int | None:
    """The code that a combination earns by the broker's rules; None when it is taken."""
    return _by_time(kind, tif) or _by_size(kind, flag) or _by_attribute(kind, tif, flag)


def _by_time(kind: str, tif: str) -> int | None:
    if kind in {"MOC", "LOC"} and tif != "DAY":
        return 113
    auction = {"OPG": {"MKT", "LMT", "MOO", "LOO"}, "AUC": {"LMT", "MTL"}}
    if kind not in auction.get(tif, KINDS) or (kind in {"MOO", "LOO"} and tif not in {"DAY", "OPG"}):
        return 111
    if tif in IMMEDIATE and kind in WAITING:
        return 111
    return None


def _by_size(kind: str, flag: str) -> int | None:
    contract = SAMPLES[kind].contract
    if flag == "money" and kind not in {"MKT", "LMT"}:
        return 10244
    if flag != "part":
        return None
    if contract["secType"] != "STK":
        return 10245
    return None if kind in {"MKT", "LMT", "STP", "STP LMT"} else 10246


def _by_attribute(kind: str, tif: str, flag: str) -> int | None:
    stock = SAMPLES[kind].contract["secType"] == "STK"
    if flag == "hidden" and (not stock or kind == "PEG BEST"):
        return 152
    starters = {"MKT", "LMT", "MIDPRICE", "REL", "SNAP MKT", "SNAP MID", "SNAP PRIM"}
    if (flag in CONDITIONS and kind not in starters) or (
        flag == "cancel on price" and kind not in {"LMT", "MIDPRICE"}
    ):
        return 148
    if flag.startswith("group") and flag != "group 3" and SAMPLES[kind].contract is PAIR:
        return 359
    if flag == "adjustable" and kind not in {"STP", "STP LMT", "TRAIL", "TRAIL LIMIT"}:
        return 321
    if flag == "algo" and (kind not in {"MKT", "LMT"} or tif not in {"DAY", "GTC", "GTD"}):
        return 442
    return None


def refusals(told: list[Message]) -> list[tuple[int, int]]:
    """The errors that are no warning, and no end of an order that was taken."""
    return [(subject, code) for subject, code in errors(told) if code not in _NO_REFUSALS]


class Scene:
    """A venue on which all combinations of one type are played."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self.sample = SAMPLES[kind]
        settings = plain(check_funds=False, price_cap=None, fractional=True)
        self.venue: MemoryGateway = gateway(settings=settings)
        self.move("100")
        self.client = Pocket(self.venue)
        self.names: dict[int, tuple[str, str]] = {}
        self._ids = itertools.count(1)

    def move(self, price: str) -> None:
        """Everything moves with AAPL; the pair costs the price of AAPL less 80."""
        bid = D(price)
        quote = {"bid": bid, "ask": bid + D("0.01"), "last": bid}
        self.venue.market("MSFT").set_quote(bid="39.99", ask="40.00", last="40.00")
        self.venue.market("AAPL").set_quote(**quote)
        self.venue.market("AAPL  301220C00290000", "OPT").set_quote(**quote)
        future = {"bid": bid, "ask": bid + D("0.25"), "last": bid}
        self.venue.market("ESZ6", "FUT").set_quote(**future)

    def place(self, tif: str, flag: str) -> tuple[int, list[tuple[int, int]]]:
        """Place one combination, with its group's other member or its child; id and errors."""
        order_id = next(self._ids)
        self.names[order_id] = tif, flag
        extra = dict(FLAGS[flag])
        if flag.startswith("group"):
            extra["ocaGroup"] = f"{tif} {flag}"
        fields = {**self.sample.fields, "tif": tif, **TIFS[tif], **extra}
        told = self.client.place(order_id, "BUY", 10, self.kind, contract=self.sample.contract, **fields)
        refused = refusals(told)
        if refused:
            return order_id, refused
        if flag in {"parent", "hedged"}:
            child = next(self._ids)
            self.names[child] = "GTC", "child"
            hedge = {"hedgeType": "P", "hedgeParam": "1", "totalQuantity": D(0)} if flag == "hedged" else {}
            contract = {**AAPL, "symbol": "MSFT"} if hedge else self.sample.contract
            told = self.client.place(
                child, "SELL", 10, "MKT", contract=contract, parentId=order_id, tif="GTC", **hedge
            )
        elif flag.startswith("group"):
            other = next(self._ids)
            self.names[other] = "GTC", "member"
            told = self.client.place(
                other, "BUY", 10, "LMT", contract=self.sample.contract, lmtPrice=0.25, tif="GTC", **extra
            )
        return order_id, refusals(told)

    def play(self) -> None:
        """Two days: up, down and back on each, with prints in between."""
        for day in (1, 2):
            for price in ("100", "101", "103", "106", "103", "99", "94", "97", "102", "100.50"):
                self.move(price)
                for name, kind in (("AAPL", "STK"), ("ESZ6", "FUT"), ("AAPL  301220C00290000", "OPT")):
                    market = self.venue.market(name, kind)
                    market.set_last(market.quote.bid - D("0.25"))
                self.venue.run(7)
            self.venue.end_day()
            self.client.listen()
            if day == 1:
                self.venue.open_exchange()

    def combinations(self) -> Iterator[tuple[str, str, int]]:
        """Place all; those that are taken, with their ids."""
        for tif, flag in itertools.product(TIFS, FLAGS):
            order_id, told = self.place(tif, flag)
            expected = refusal(self.kind, tif, flag)
            assert told == ([] if expected is None else [(order_id, expected)]), (self.kind, tif, flag, told)
            if expected is None:
                yield tif, flag, order_id


def may_end(kind: str, tif: str, flag: str) -> set[str]:
    """How a combination that was taken may stand after two days."""
    if flag == "cancel on price":
        return {"Filled", "Cancelled", "Inactive"}
    if tif == "IOC":
        return {"Filled", "Cancelled"}
    if tif == "FOK":
        return {"Filled", "Inactive"}
    if kind in {"LOC", "LOO"} or tif in {"OPG", "AUC"}:
        return {"Filled", "Cancelled"}
    if flag == "algo" and tif == "DAY":
        return {"Filled", "Cancelled"}
    return {"Filled"}


def test_each_type_has_a_sample() -> None:
    """A new type must join the matrix."""
    assert SAMPLES.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", SAMPLES)
def test_a_type_with_everything(kind: str) -> None:
    """Taken or refused as predicted; each one taken ends well, at no worse a price than it asked for."""
    scene = Scene(kind)
    taken = list(scene.combinations())
    assert taken
    scene.play()
    books = scene.venue.books()
    for tif, flag, order_id in taken:
        order = books.order(order_id)
        assert order.status in may_end(kind, tif, flag), (kind, tif, flag, order.status)
        assert order.filled == (order.total if order.status == "Filled" else order.filled)
        worst = scene.sample.worst
        if worst is not None and order.filled and flag != "adjustable":
            assert max(one.price for one in order.executions) <= D(str(worst)), (kind, tif, flag)
    for order_id, (_, flag) in scene.names.items():
        if flag != "child" or order_id not in {one.order_id for one in books.orders}:
            continue
        parent = books.order(order_id - 1).status
        assert books.order(order_id).status == ("Filled" if parent == "Filled" else "Cancelled")
    check_books(scene.venue, scene.client.heard)
