"""A day in figures: what each figure is, and that book, log and journal give the same."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.errors import IbkrError, InvalidInput
from ibkr_core.gateway import Choreography, ManualClock, MarketSettings, MemoryGateway, Settings
from ibkr_core.gateway.clock import DEFAULT_START
from ibkr_core.gateway.faults import FaultPlan
from ibkr_core.journal import JournalReader
from ibkr_core.logs import EventLog
from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import HistoryEntry, OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.settings import Backoff, EngineSettings
from ibkr_core.summary import DaySummary, Latency, summarise, summarise_journal, summarise_log
from ibkr_core.testing.simulation.world import Killed, World

NEW_YORK = ZoneInfo("America/New_York")
TOKYO = ZoneInfo("Asia/Tokyo")
DAY = date(2026, 11, 24)
NOON = datetime(2026, 11, 24, 17, 0, tzinfo=UTC)  # noon in New York


def fill(number: int, quantity: int, price: str, at: datetime | None = NOON, **more: Any) -> Fill:
    return Fill(
        exec_id=f"0000e0d5.69{number:06}.01.01",
        quantity=Decimal(quantity),
        price=Decimal(price),
        time=at,
        **{"action": Action.BUY, "commission": Decimal("1.25"), "commission_currency": "USD"} | more,
    )


def record(number: int, order: Order, *fills: Fill, **more: Any) -> OrderRecord:
    filled = sum((one.quantity for one in fills), Decimal(0))
    is_filled = filled == order.quantity
    return OrderRecord(
        **{
            "order_id": number,
            "key": f"key-{number}",
            "contract": Contract.stock("AAPL"),
            "order": order,
            "status": OrderStatus.FILLED if is_filled else OrderStatus.SUBMITTED,
            "total_quantity": order.quantity,
            "filled_quantity": filled,
            "fills": fills,
            "submission_time": NOON,
            "acknowledged_time": NOON + timedelta(milliseconds=2),
            "finished_time": NOON + timedelta(milliseconds=10) if is_filled else None,
        }
        | more
    )


def day(*records: OrderRecord, **more: Any) -> DaySummary:
    return summarise(records, DAY, NEW_YORK, **more)


# ── each figure ─────────────────────────────────────────────────────────────────────────────────────


def test_a_day_without_orders_is_all_nothing() -> None:
    """Nothing is invented: no ratio, no latency, no money."""
    assert day() == DaySummary(day=DAY, zone="America/New_York")


def test_orders_are_counted_by_status() -> None:
    """In the order of an order's life, and only those that there are; ratios are to four places."""
    sent = Order.limit("BUY", 100, "190")
    found = day(
        record(1, sent, fill(1, 100, "190")),
        record(2, sent, fill(2, 40, "190"), status=OrderStatus.CANCELLED),
        record(3, sent),
    )
    assert found.orders == 3
    assert list(found.by_status.items()) == [("SUBMITTED", 1), ("FILLED", 1), ("CANCELLED", 1)]
    assert found.fill_ratio == Decimal("0.3333")
    assert found.quantity_ratio == Decimal("0.4667")


def test_volume_and_money_are_summed_by_side_and_currency() -> None:
    """Notional is quantity times price times multiplier; commissions and profits are what was reported."""
    option = Contract.option("SPY", "20261218", 600, "C")
    bund = Contract.stock("SAP", "IBIS", "EUR")
    found = day(
        record(1, Order.limit("BUY", 3, "2.10"), fill(1, 3, "2.10"), contract=option),
        record(
            2,
            Order.limit("SELL", 10, "200"),
            fill(
                2, 10, "201.50", action=Action.SELL, commission_currency="EUR", realized_pnl=Decimal("-7.5")
            ),
            contract=bund,
        ),
        record(3, Order.limit("BUY", 1, "190"), fill(3, 1, "190", commission=None, commission_currency="")),
    )
    assert (found.volume, found.bought, found.sold, found.fills) == (14, 4, 10, 3)
    assert found.notional == {"EUR": Decimal("2015.00"), "USD": Decimal("820.00")}
    assert found.commissions == {"EUR": Decimal("1.25"), "USD": Decimal("1.25")}
    assert found.unreported_commissions == 1
    assert found.realized_pnl == {"EUR": Decimal("-7.5")}
    assert list(found.by_symbol) == ["AAPL", "SAP", "SPY 20261218 C 600"]
    assert found.by_symbol["SPY 20261218 C 600"].notional == {"USD": Decimal("630.00")}
    assert found.by_symbol["SAP"].orders == 1


def test_legs_and_parts_count_for_commissions_as_the_book_counts_them() -> None:
    """A combo's legs cost commission and are no volume; an account's part is neither: the whole has it."""
    leg = fill(2, 100, "5", is_leg=True, commission=Decimal("0.70"))
    part = fill(3, 100, "5", is_allocation=True, commission=Decimal("9.00"))
    found = day(
        record(1, Order.limit("BUY", 100, "5"), fill(1, 100, "5"), leg_fills=(leg,), allocation_fills=(part,))
    )
    assert (found.volume, found.fills) == (100, 1)
    assert found.commissions == {"USD": Decimal("1.95")}


def test_latencies_are_over_the_orders_of_the_day_that_have_them() -> None:
    """In milliseconds, to the microsecond; a clock that was set back gives none."""
    sent = Order.limit("BUY", 1, "190")
    found = day(
        record(1, sent, fill(1, 1, "190")),
        record(2, sent, fill(2, 1, "190"), acknowledged_time=NOON + timedelta(microseconds=1)),
        record(3, sent, acknowledged_time=NOON - timedelta(seconds=1)),
        record(4, sent, acknowledged_time=None),
    )
    assert found.ack_latency == Latency(count=2, average_ms=Decimal("1.000"), worst_ms=Decimal("2.000"))
    assert found.fill_latency == Latency(count=2, average_ms=Decimal(10), worst_ms=Decimal(10))


@pytest.mark.parametrize(
    ("order", "price", "side", "lost", "bps"),
    [
        (Order.limit("BUY", 10, "200"), "199", Action.BUY, "-10", "-50.00"),
        (Order.limit("SELL", 10, "200"), "201", Action.SELL, "-10", "-50.00"),
        (Order.stop("SELL", 10, "200"), "199", Action.SELL, "10", "50.00"),
        (Order.stop_limit("BUY", 10, "200", "202"), "201", Action.BUY, "-10", "-49.50"),
    ],
)
def test_slippage_is_what_it_cost_more_than_its_reference(
    order: Order, price: str, side: Action, lost: str, bps: str
) -> None:
    """Against the limit, or the stop of a plain stop order; negative is better than that."""
    found = day(record(1, order, fill(1, 10, price, action=side)))
    assert found.slippage == {"USD": Decimal(lost)}
    assert found.average_slippage_bps == Decimal(bps)


def test_an_arrival_price_goes_before_the_orders_own() -> None:
    """A market order has a reference only so; bps are averaged over orders, money is summed."""
    found = day(
        record(1, Order.market("BUY", 10), fill(1, 10, "101")),
        record(2, Order.limit("BUY", 10, "105"), fill(2, 10, "102")),
        record(3, Order.market("BUY", 10), fill(3, 10, "7")),
        arrivals={"key-1": Decimal(100), "key-2": Decimal(100)},
    )
    assert found.slippage == {"USD": Decimal(30)}
    assert found.average_slippage_bps == Decimal("150.00")
    assert day(record(1, Order.market("BUY", 10), fill(1, 10, "101"))).average_slippage_bps is None


def test_a_reference_of_nothing_has_no_ratio() -> None:
    """A spread at a limit of 0 loses money and no part of a price."""
    found = day(record(1, Order.limit("BUY", 10, "0"), fill(1, 10, "-0.5")))
    assert found.slippage == {"USD": Decimal(-5)}
    assert found.average_slippage_bps is None


def test_orders_of_others_count_where_they_are_asked_for() -> None:
    """By default only our own do. The day of one that we did not submit is when it was first seen."""
    seen = HistoryEntry(at=NOON, status=OrderStatus.SUBMITTED, what="found")
    other = record(1, Order.limit("BUY", 1, "190"), is_ours=False, submission_time=None, history=(seen,))
    assert day(other).orders == 0
    assert day(other, ours_only=False).orders == 1
    assert day(other, ours_only=False).ack_latency is None


# ── which day ───────────────────────────────────────────────────────────────────────────────────────


def test_midnight_is_that_of_the_zone() -> None:
    """23:59:59 in New York is still the day there, and the next one in UTC."""
    late = datetime(2026, 11, 25, 4, 59, 59, tzinfo=UTC)
    one = record(1, Order.limit("BUY", 1, "190"), fill(1, 1, "190", late), submission_time=late)
    assert summarise([one], DAY, NEW_YORK).fills == 1
    assert summarise([one], DAY, UTC).orders == 0
    assert summarise([one], DAY + timedelta(days=1), UTC).fills == 1


def test_an_order_of_yesterday_counts_with_what_it_did_today() -> None:
    """Executions count on their day; latencies are those of the day of submission."""
    yesterday = NOON - timedelta(days=1)
    both = record(
        1,
        Order.limit("BUY", 20, "190"),
        fill(1, 5, "190", yesterday),
        fill(2, 15, "190"),
        submission_time=yesterday,
    )
    assert (day(both).orders, day(both).volume, day(both).ack_latency) == (1, 15, None)
    before = summarise([both], DAY - timedelta(days=1), NEW_YORK)
    assert (before.orders, before.volume) == (1, 5)
    assert before.ack_latency is not None


@pytest.mark.parametrize(
    ("text", "counts"),
    [("20261124  23:59:59", True), ("20261125  00:00:01", False), ("nonsense", True), ("", True)],
)
def test_a_time_without_a_zone_is_read_in_the_one_asked_for(text: str, counts: bool) -> None:
    """It is the gateway's local time; what cannot be read counts with its order."""
    one = record(1, Order.limit("BUY", 1, "190"), fill(1, 1, "190", None, time_text=text))
    assert day(one).fills == int(counts)


@pytest.mark.parametrize(
    ("wrong", "zone", "words"),
    [("2026-11-24", UTC, "day: must be"), (NOON, UTC, "day: must be"), (DAY, "UTC", "zone: must be")],
)
def test_a_day_is_a_date_and_a_zone_a_zone(wrong: Any, zone: Any, words: str, tmp_path: Path) -> None:
    """Each way in refuses what is neither."""
    for call in (summarise, summarise_log, summarise_journal):
        with pytest.raises(InvalidInput, match=words):
            call([], wrong, zone)


def test_a_summary_is_json() -> None:
    """Numbers that are no counts are exact text; all fields are there."""
    found = day(record(1, Order.limit("BUY", 10, "200"), fill(1, 10, "199.5")))
    plain = json.loads(json.dumps(found.as_dict()))
    assert set(plain) == {one.name for one in attrs.fields(DaySummary)}
    assert plain["day"] == "2026-11-24"
    assert plain["notional"] == {"USD": "1995"}
    assert plain["ack_latency"] == {"count": 1, "average_ms": "2", "worst_ms": "2"}
    assert plain["by_symbol"]["AAPL"]["orders"] == 1


@given(
    st.lists(st.tuples(st.sampled_from(["AAPL", "MSFT"]), st.integers(0, 9), st.integers(1, 99)), max_size=8)
)
def test_the_whole_is_the_sum_of_its_symbols(told: list[tuple[str, int, int]]) -> None:
    """Counts, volume and money of the symbols add up to those of the day."""
    found = day(
        *(
            record(
                number,
                Order.limit("BUY", 10, "50"),
                *([fill(number, done, str(price))] if done else []),
                contract=Contract.stock(symbol),
            )
            for number, (symbol, done, price) in enumerate(told)
        )
    )
    parts = found.by_symbol.values()
    for name in ("orders", "fills", "volume", "bought", "sold", "unreported_commissions"):
        assert getattr(found, name) == sum(getattr(part, name) for part in parts)
    for name in ("notional", "commissions", "slippage"):
        assert sum(getattr(found, name).values()) == sum(sum(getattr(part, name).values()) for part in parts)


# ── the same answers ────────────────────────────────────────────────────────────────────────────────


class Trader:
    """Trades at random on a simulated day, over a line and a gateway that are nasty."""

    def __init__(self, seed: int, intensity: float, folder: Path) -> None:
        self.chance = random.Random(seed)  # noqa: S311 - a simulation is no secret
        self.clock = ManualClock(DEFAULT_START - 300)  # midnight in Tokyo comes five minutes later
        gateway = MemoryGateway(
            clock=self.clock,
            seed=seed,
            settings=Settings(
                market=MarketSettings(interval_s=1.0, depth=3),
                choreography=Choreography(work_delay_s=(0.001, 2.0)),
            ),
            faults=FaultPlan.nasty(intensity),
        )
        settings = EngineSettings(
            seed=seed, reconnect=Backoff(first_s=0.5, longest_s=5.0), max_active_orders=None, recheck_s=60.0
        )
        self.world = World(
            gateway, self.clock, seed=seed, journal_path=folder / "orders.db", settings=settings
        )

    def trade(self, wishes: int, log: EventLog, *, kills: float = 0.0) -> None:
        """Wish for this and that, then let all of it come to rest; the program may be killed at any send."""
        self.world.start_engine(log.attach)
        self.world.kills = kills
        for _ in range(wishes):
            try:
                self.world.run(self.chance.expovariate(1 / 15))
                self._wish()
            except IbkrError:
                continue  # refused, or the connection is gone just now
            except Killed:
                self._begin_anew(log)
        self.world.kills = 0.0
        self.world.gateway.end_faults()
        self.world.run(300)

    def _begin_anew(self, log: EventLog) -> None:
        self.world.kill_engine()
        kills, self.world.kills = self.world.kills, 0.0
        self.world.run(self.chance.uniform(0, 3))
        self.world.start_engine(log.attach)
        self.world.kills = kills

    def _wish(self) -> None:
        engine = self.world.engine
        assert engine is not None
        active = engine.active_orders()
        wish = self.chance.random()
        if active and wish < 0.2:
            engine.cancel(self.chance.choice(active).order_id)
        elif active and wish < 0.4:
            one = self.chance.choice(active)
            if one.limit_price is not None:
                engine.modify(one.order_id, limit_price=one.limit_price + Decimal("0.05"))
        else:
            contract = self.chance.choice((Contract.stock("AAPL"), Contract.stock("MSFT"), OPTION))
            engine.submit(contract, self._order(contract))

    def _order(self, contract: Contract) -> Order:
        side, quantity = self.chance.choice(("BUY", "SELL")), self.chance.choice((1, 10, 300))
        kind = self.chance.randrange(3)
        if kind == 0 or contract is OPTION:
            return Order.market(side, quantity)
        quote = self.world.gateway.market(contract.symbol).quote
        price = Decimal(str(quote.bid)) + Decimal(self.chance.randrange(-20, 30)) / 100
        return Order.limit(side, quantity, price) if kind == 1 else Order.stop(side, quantity, price)


OPTION = Contract.option("AAPL", "20261218", 190, "C")


@pytest.mark.parametrize(
    ("seed", "intensity", "kills"),
    [
        *((seed, 0.0, 0.0) for seed in range(3)),
        *((seed, 0.4, 0.0) for seed in range(3, 7)),
        *((seed, 0.3, 0.03) for seed in range(7, 11)),
    ],
)
def test_book_log_and_journal_give_the_same_answers(
    seed: int, intensity: float, kills: float, tmp_path: Path
) -> None:
    """On simulated days over a midnight, with corrections, lost connections, lies and kills."""
    trader = Trader(seed, intensity, tmp_path)
    with EventLog(folder=tmp_path / "logs") as log:
        trader.trade(60, log, kills=kills)
        engine = trader.world.engine
        assert engine is not None
        orders = engine.orders()
        trader.world.stop_engine()
    assert log.lost == 0
    assert bool(trader.world.crashes) is bool(kills)
    counted = 0
    for zone in (UTC, NEW_YORK, TOKYO):
        for of_day in (DAY - timedelta(days=1), DAY, DAY + timedelta(days=1)):
            for ours_only in (True, False):
                book = summarise(orders, of_day, zone, ours_only=ours_only)
                counted += book.fills
                assert summarise_log(tmp_path / "logs", of_day, zone, ours_only=ours_only) == book
                with JournalReader(tmp_path / "orders.db") as reader:
                    assert summarise_journal(reader, of_day, zone, ours_only=ours_only) == book
    assert counted
    both = [summarise(orders, one, TOKYO) for one in (DAY, DAY + timedelta(days=1))]
    assert all(one.fills for one in both), "the day boundary lies inside the trading"


def test_a_day_for_people_is_some_lines() -> None:
    """``print(broker.get_todays_order_summary())`` is for a person: figures, and a line by symbol."""
    orders = [
        record(1, Order.market("BUY", 100), fill(1, 100, "190.25")),
        record(2, Order.limit("BUY", 50, 150), contract=Contract.stock("GOOGL")),
    ]
    lines = str(summarise(orders, DAY, NEW_YORK)).splitlines()
    assert lines[:6] == [
        "Tuesday, 2026-11-24 (America/New_York)",
        "Orders      2: 1 SUBMITTED, 1 FILLED",
        "Filled      50.0% of the orders, 66.7% of the quantity",
        "Volume      100 in 1 execution; bought 100, sold 0",
        "Notional    19,025.00 USD",
        "Commission  1.25 USD",
    ]
    assert lines[-3:] == [
        "",
        "AAPL   1 order  100.0% filled  19,025.00 USD",
        "GOOGL  1 order    0.0% filled              0",
    ]
    empty = DaySummary(day=DAY, zone="UTC")
    assert str(empty) == "Tuesday, 2026-11-24 (UTC)\nno orders"
    assert str(Latency(count=1, average_ms=Decimal(2), worst_ms=Decimal(2))) == (
        "2.0 ms on average, 2.0 at worst (1 order)"
    )
