"""When an answer is complete, and what it says, callback by callback as brokers send them."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from ibapi.contract import Contract as IbContract
from ibapi.order import Order as IbOrder
from ibapi.order_state import OrderState

from ibkr_core import collectors
from ibkr_core.errors import InquiryFailed, UnknownContract
from ibkr_core.inquiries import Collector
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.reference import Quote
from tests.engine.clocks import FakeClock

STOCK = Contract.stock("AAPL")
OPTION = Contract.option("AAPL", "20261218", 290, "C")
COMBO = Contract.combo("AAPL", [ComboLeg(1), ComboLeg(2, action="SELL")])
UNSET = 1.7976931348623157e308
BID_SIZE, BID, ASK, ASK_SIZE, LAST, LAST_SIZE, HIGH, LOW, VOLUME, CLOSE = range(10)
MODEL, OPEN, DELAYED_BID, DELAYED_ASK, DELAYED_LAST, DELAYED_CLOSE, DELAYED_MODEL = 13, 14, 66, 67, 68, 75, 83

Tick = tuple[int, Any]


def play(contract: Contract, *ticks: Tick) -> tuple[collectors.QuoteCollector, list[bool]]:
    """Feed ticks: prices as floats, sizes as Decimals."""
    collector = collectors.QuoteCollector(contract, FakeClock())
    done = []
    for tick, value in ticks:
        name = "tickPrice" if isinstance(value, float) else "tickSize"
        rest = (None,) if name == "tickPrice" else ()
        done.append(collector.take(name, (9, tick, value, *rest)))
    return collector, done


def quote(contract: Contract, *ticks: Tick) -> Quote:
    """The quote at the end of the snapshot."""
    collector, _ = play(contract, *ticks)
    assert collector.take("tickSnapshotEnd", (9,))
    return collector.result()


def greeks(tick: int, **told: float | None) -> tuple[Any, ...]:
    """The arguments of a tickOptionComputation."""
    names = ("impliedVol", "delta", "optPrice", "pvDividend", "gamma", "vega", "theta", "undPrice")
    return (9, tick, None, *(told.get(name) for name in names))


FULL: list[Tick] = [
    (BID, 100.0),
    (BID_SIZE, Decimal(3)),
    (ASK, 100.01),
    (ASK_SIZE, Decimal(4)),
    (LAST, 100.01),
    (CLOSE, 99.5),
]


def plain(*values: Decimal | None) -> tuple[Any, ...]:
    """Values to be compared with whole numbers too."""
    return values


# ── quotes ──────────────────────────────────────────────────────────────────────────────────────


def test_a_quote_is_complete_with_its_last_part() -> None:
    """And not before; the end of the snapshot need not be waited for."""
    collector, done = play(STOCK, *FULL)
    assert done == [False] * 5 + [True]
    found = collector.result()
    assert plain(found.bid, found.ask, found.last, found.close) == (
        100,
        Decimal("100.01"),
        Decimal("100.01"),
        Decimal("99.5"),
    )
    assert plain(found.bid_size, found.ask_size) == (3, 4)
    assert found.is_complete
    assert found.at == FakeClock().now()


def test_a_snapshot_that_ends_is_complete_with_what_it_has() -> None:
    """An illiquid stock may have no last trade."""
    found = quote(STOCK, *FULL[:4])
    assert found.is_complete
    assert found.last is None


def test_what_came_in_time_is_better_than_nothing() -> None:
    """It says that it is not all; nothing at all does not suffice."""
    collector, _ = play(STOCK, *FULL[:2])
    assert collector.suffices()
    assert not collector.result().is_complete
    assert not play(STOCK)[0].suffices()


@pytest.mark.parametrize("price", [-1.0, 0.0])
def test_a_side_that_nobody_offers_has_no_price(price: float) -> None:
    """The broker writes -1 or 0 with a size of zero."""
    found = quote(STOCK, (BID, price), (BID_SIZE, Decimal(0)), (ASK, 100.01), (ASK_SIZE, Decimal(4)))
    assert found.bid is None
    assert found.ask == Decimal("100.01")
    assert found.midpoint is None
    assert found.bid_size == 0


def test_a_combo_can_cost_less_than_nothing() -> None:
    """Minus one with a size is a price, without one it is none."""
    real = quote(COMBO, (BID, -1.0), (BID_SIZE, Decimal(5)), (ASK, -0.95), (ASK_SIZE, Decimal(5)))
    assert plain(real.bid, real.ask) == (-1, Decimal("-0.95"))
    none = quote(COMBO, (BID, -1.0), (BID_SIZE, Decimal(0)), (ASK, 0.0), (ASK_SIZE, Decimal(5)))
    assert plain(none.bid, none.ask) == (None, 0)


def test_an_option_that_nobody_bids_for() -> None:
    """A bid of zero with a size is one, and its middle is half of the ask."""
    found = quote(OPTION, (BID, 0.0), (BID_SIZE, Decimal(10)), (ASK, 0.05), (ASK_SIZE, Decimal(1)))
    assert found.midpoint == Decimal("0.025")


def test_numbers_that_are_unset_are_none() -> None:
    """However they come."""
    found = quote(
        STOCK, (BID, UNSET), (ASK, float("nan")), (VOLUME, Decimal(2**127 - 1)), (HIGH, -1.0), (OPEN, 7.5)
    )
    assert plain(found.bid, found.ask, found.volume, found.high, found.open) == (
        None,
        None,
        None,
        None,
        Decimal("7.5"),
    )


def test_old_clients_pass_sizes_as_integers() -> None:
    """9.81 does."""
    collector = collectors.QuoteCollector(STOCK, FakeClock())
    collector.take("tickSize", (9, BID_SIZE, 300))
    collector.take("tickSnapshotEnd", (9,))
    assert collector.result().bid_size == 300


@pytest.mark.parametrize("kind", ["", "marketDataType"])
def test_delayed_ticks_say_so(kind: str) -> None:
    """By the type that the broker tells, or by their numbers alone."""
    collector = collectors.QuoteCollector(STOCK, FakeClock())
    if kind:
        collector.take(kind, (9, 3))
    for tick, value in (
        (DELAYED_BID, 10.0),
        (DELAYED_ASK, 11.0),
        (DELAYED_LAST, 10.5),
        (DELAYED_CLOSE, 10.1),
    ):
        collector.take("tickPrice", (9, tick, value, None))
    collector.take("tickSnapshotEnd", (9,))
    found = collector.result()
    assert found.is_delayed
    assert plain(found.bid, found.ask, found.last) == (10, 11, Decimal("10.5"))


def test_frozen_ticks_say_so() -> None:
    """They come with the numbers of live ones."""
    collector, _ = play(STOCK, *FULL[:5])
    collector.take("marketDataType", (9, 2))
    assert collector.result().market_data_type == 2


def test_an_option_waits_for_its_greeks() -> None:
    """A model without a delta is not the end of it, and does not wipe out one that had it."""
    collector, done = play(OPTION, *FULL)
    assert not any(done)
    assert not collector.take("tickOptionComputation", greeks(10, delta=0.4, impliedVol=0.2))
    assert not collector.take("tickOptionComputation", greeks(MODEL, undPrice=290.0))
    assert collector.take("tickOptionComputation", greeks(MODEL, delta=0.5, impliedVol=0.25, undPrice=292.5))
    collector.take("tickOptionComputation", greeks(MODEL))
    found = collector.result().greeks
    assert found is not None
    assert plain(found.delta, found.implied_volatility) == (Decimal("0.5"), Decimal("0.25"))
    assert found.underlying_price == Decimal("292.5")
    assert found.gamma is None


def test_an_option_that_never_traded_is_complete_without_a_trade() -> None:
    """Bid, ask and the model are all there is: the end of the snapshot is not waited for."""
    collector, done = play(OPTION, *FULL[:4])
    assert not any(done)
    assert collector.take("tickOptionComputation", greeks(MODEL, delta=0.5, impliedVol=0.25))
    found = collector.result()
    assert found.is_complete
    assert found.last is None


def test_without_a_model_the_other_computations_count() -> None:
    """That of the last price before those of bid and ask, and one with a delta before one without."""
    collector, _ = play(OPTION, *FULL)
    for tick, delta in ((10, 0.1), (11, 0.2), (12, 0.3), (MODEL, None)):
        collector.take("tickOptionComputation", greeks(tick, delta=delta))
    found = collector.result().greeks
    assert found is not None
    assert found.delta == Decimal("0.3")


# ── accounts ────────────────────────────────────────────────────────────────────────────────────


def test_profit_and_loss_waits_for_numbers() -> None:
    """A first message may have none; what came until the deadline suffices."""
    collector = collectors.PnlCollector("DU1")
    assert not collector.suffices()
    assert not collector.take("pnl", (9, UNSET, UNSET, UNSET))
    assert collector.suffices()
    assert collector.take("pnl", (9, 12.5, UNSET, 0.0))
    found = collector.result()
    assert plain(found.daily, found.unrealized, found.realized) == (Decimal("12.5"), None, 0)


def test_a_position_that_is_none_has_no_profit() -> None:
    """Zero units and unset numbers are an answer."""
    collector = collectors.PnlCollector("DU1", 265598)
    assert collector.take("pnlSingle", (9, Decimal(0), UNSET, UNSET, UNSET, UNSET))
    assert collector.result().position == 0
    assert not collector.result().is_known


def test_positions_keep_the_last_word() -> None:
    """What was told twice counts once, and what is gone is not there."""
    collector = collectors.PositionCollector()
    for con_id, quantity in ((1, 5), (2, 7), (1, 6), (2, 0)):
        contract = IbContract()
        contract.conId = con_id
        assert not collector.take("positionMulti", (9, "DU1", "", contract, Decimal(quantity), 10.0))
    assert collector.take("positionMultiEnd", (9,))
    assert {held.contract.con_id: int(held.quantity) for held in collector.result()} == {1: 6}


# ── what-if ─────────────────────────────────────────────────────────────────────────────────────


def what_if(contract: Contract = STOCK) -> collectors.WhatIfCollector:
    return collectors.WhatIfCollector(7, contract, Order.market("BUY", 1))


def state(**fields: Any) -> OrderState:
    made = OrderState()
    for name, value in fields.items():
        setattr(made, name, value)
    return made


def echo(*, is_what_if: bool = True) -> IbOrder:
    order = IbOrder()
    order.whatIf = is_what_if
    return order


def test_a_what_if_waits_for_its_margins() -> None:
    """A first answer may be without; one that is no what-if is none."""
    collector = what_if()
    unset = state(initMarginChange=str(UNSET))
    assert not collector.take(
        "openOrder", (7, IbContract(), echo(is_what_if=False), state(initMarginChange="1"))
    )
    assert not collector.suffices()
    assert not collector.take("openOrder", (7, IbContract(), echo(), unset))
    assert collector.suffices()
    assert collector.take("openOrder", (7, IbContract(), echo(), state(initMarginChange="12.50")))
    found = collector.result()
    assert found.initial_margin_change == Decimal("12.50")
    assert found.contract is STOCK  # the echo named nothing


def test_an_order_that_would_be_rejected_raises() -> None:
    """Newer gateways say so in the order state."""
    collector = what_if()
    rejected = state(initMarginChange=str(UNSET), rejectReason="Insufficient funds")
    assert collector.take("openOrder", (7, IbContract(), echo(), rejected))
    with pytest.raises(InquiryFailed, match="what-if of AAPL: Insufficient funds"):
        collector.result()


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (201, InquiryFailed),
        (110, InquiryFailed),
        (200, UnknownContract),
        (103, InquiryFailed),
        (99999, InquiryFailed),
    ],
)
def test_what_kills_an_order_ends_its_what_if(code: int, kind: type[Exception]) -> None:
    """An unknown code does too: better an error than a wait."""
    assert isinstance(what_if().refusal(code, "no", "it"), kind)


@pytest.mark.parametrize("code", [399, 404, 2109, 10349, 2137, 481])
def test_what_only_warns_about_an_order_does_not(code: int) -> None:
    """As for an order (TWS facts 7)."""
    assert what_if().refusal(code, "well", "it") is None


# ── small ones ──────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("name", "told", "time"),
    [
        ("currentTime", 1_795_532_400, datetime(2026, 11, 24, 15, 0, tzinfo=UTC)),
        ("currentTimeInMillis", 1_795_532_400_123, datetime(2026, 11, 24, 15, 0, 0, 123_000, tzinfo=UTC)),
    ],
)
def test_the_time_is_in_utc(name: str, told: int, time: datetime) -> None:
    """In seconds or milliseconds since 1970."""
    collector = collectors.TimeCollector()
    assert collector.take(name, (told,))
    assert collector.result() == time


class Cancels:
    """A client that notes what it is told to stop."""

    def __init__(self, version: int) -> None:
        self.serverVersion_ = version
        self.stopped: list[tuple[str, int]] = []

    def __getattr__(self, name: str) -> Any:
        if name.startswith("cancel"):
            return lambda request_id: self.stopped.append((name, request_id))
        raise AttributeError(name)


@pytest.mark.parametrize(
    ("collector", "stop"),
    [
        (collectors.DetailsCollector(), "cancelContractData"),
        (collectors.QuoteCollector(STOCK, FakeClock()), "cancelMktData"),
        (collectors.AccountValueCollector(), "cancelAccountUpdatesMulti"),
        (collectors.PositionCollector(), "cancelPositionsMulti"),
        (collectors.PnlCollector("DU1"), "cancelPnL"),
        (collectors.PnlCollector("DU1", 5), "cancelPnLSingle"),
        (collectors.ChainCollector(), ""),
        (collectors.RuleCollector(26), ""),
    ],
)
def test_each_is_stopped_in_its_way(collector: Collector[Any], stop: str) -> None:
    """Where there is one."""
    client: Any = Cancels(226)
    collector.withdraw(client, 9)
    assert client.stopped == ([(stop, 9)] if stop else [])


def test_old_gateways_cannot_stop_contract_details() -> None:
    """They would not know the message."""
    client: Any = Cancels(214)
    collectors.DetailsCollector().withdraw(client, 9)
    assert client.stopped == []
    older: Any = SimpleNamespace(serverVersion_=157)
    collectors.DetailsCollector().withdraw(older, 9)


def test_advisors_lists_go_by_their_kind() -> None:
    """Groups do not answer a question for aliases; unsaved changes at the gateway refuse it."""
    aliases = collectors.AdvisorCollector(3)
    assert not aliases.fits("receiveFA", (1, "<x/>"))
    assert aliases.fits("receiveFA", (3, "<x/>"))
    assert aliases.refuses(10230)
    assert aliases.refuses(321)
    assert not aliases.refuses(2104)
