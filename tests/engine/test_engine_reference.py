"""Reference and account data over TCP, with every protocol version, against the gateway's own books."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.engine import Engine
from ibkr_core.errors import (
    AmbiguousContract,
    ConnectionFailed,
    EngineClosed,
    InquiryFailed,
    InvalidContract,
    InvalidInput,
    NotReady,
    UnknownContract,
    WaitTimeout,
    WouldDeadlock,
)
from ibkr_core.gateway import (
    Advisor,
    AdvisorGroup,
    Choreography,
    DataSettings,
    MarketSettings,
    Settings,
    default_catalogue,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.reference import MarketRule, PriceStep
from tests.engine.rig import (
    ONE_LIFE,
    STOCK,
    UNLIMITED,
    VERSIONS,
    WAIT,
    Connect,
    Log,
    Serve,
    WatchedGateway,
    buy,
    settle,
)

every_version = pytest.mark.parametrize("version", VERSIONS)
OPTION = Contract.option("AAPL", "20261218", 290, "C")
FUTURE = Contract.future("ES", "202612", "CME")
EURO = Contract.forex("EURUSD")
TWO = ("DU1", "DU2")


def still(**settings: Any) -> Settings:
    return Settings(market=MarketSettings(moves=False), choreography=Choreography.plain(), **settings)


def nothing_is_left(engine: Engine) -> None:
    """No question is open, and nobody looks at callbacks."""
    inquiries = engine._works.inquiries
    assert inquiries.count == 0
    assert inquiries.awaited == set()


def settle_all(engine: Engine) -> None:
    """Come back when what is due was done, withdrawals among it, and has arrived."""
    done = threading.Event()
    engine.scheduler.call_soon(done.set)
    assert done.wait(WAIT["timeout_s"])
    settle(engine)


# ── instruments ─────────────────────────────────────────────────────────────────────────────────


@every_version
def test_contract_details_are_those_of_the_catalogue(version: int, serve: Serve, connect: Connect) -> None:
    """Every kind of instrument, in either encoding."""
    engine = connect(serve(versions=[version]))
    catalogue = default_catalogue()
    for contract in (STOCK, OPTION, FUTURE, EURO, Contract.index("SPX", "CBOE")):
        details = engine.reference.details(contract)
        own = catalogue.by_id(details.contract.con_id)
        assert own is not None
        assert details.contract.symbol == own.symbol
        assert details.contract.sec_type == own.sec_type
        assert details.contract.local_symbol == own.local_symbol
        assert details.contract.strike == own.strike
        assert details.min_tick == own.min_tick
        assert details.exchanges == own.exchanges
        assert len(details.market_rule_ids) == len(own.exchanges)
        assert details.long_name == own.long_name
        assert details.underlying_con_id == own.details.get("underConId", 0)
        assert (f"{details.expires_on:%Y%m%d}" if details.expires_on else "") == own.expiry
        assert details.trading_hours.is_known
    nothing_is_left(engine)


@every_version
def test_a_bond_is_described_too(version: int, serve: Serve, connect: Connect) -> None:
    """Its description comes in a message of its own."""
    details = connect(serve(versions=[version])).reference.details(Contract.by_con_id(3_000_001))
    assert details.contract.sec_type == "BOND"
    assert details.coupon == 4
    assert details.maturity == date(2034, 2, 15)
    assert details.expires_on is None
    assert details.official["cusip"] == "91282CJZ5"


@every_version
def test_a_chain_of_details_is_complete(version: int, serve: Serve, connect: Connect) -> None:
    """All that fit, in one answer."""
    engine = connect(serve(versions=[version]))
    found = engine.reference.contract_details(
        Contract(
            symbol="AAPL", sec_type="OPT", exchange="SMART", currency="USD", expiry="20261218", right="C"
        )
    )
    assert sorted(one.contract.strike or 0 for one in found) == [
        Decimal(strike) for strike in range(250, 340, 10)
    ]


def test_a_qualified_contract_is_complete(engine: Engine) -> None:
    """And keeps the exchange that it was asked about with."""
    qualified = engine.reference.qualify(STOCK)
    assert qualified.con_id == 265598
    assert qualified.exchange == "SMART"
    assert qualified.primary_exchange == "NASDAQ"
    assert engine.reference.qualify(Contract.by_con_id(265598)).symbol == "AAPL"


def test_a_qualified_contract_goes_where_it_was_meant_to(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever exchange the broker describes it on."""
    details = engine.reference.details(STOCK)
    monkeypatch.setattr(type(engine.reference), "details", lambda *_, **__: details)
    assert engine.reference.qualify(STOCK.replace(exchange="NYSE")).exchange == "NYSE"
    assert engine.reference.qualify(STOCK.replace(exchange="")).exchange == "SMART"


def test_a_combo_is_not_asked_about(engine: Engine, gateway: WatchedGateway) -> None:
    """The broker answers no question about one."""
    combo = Contract.combo("AAPL", [ComboLeg(2_000_000), ComboLeg(2_000_001, action="SELL")])
    assert engine.reference.qualify(combo) is combo
    assert gateway.arrived("reqContractDetails") == []


def test_an_unknown_contract_is_said_to_be_unknown(engine: Engine) -> None:
    """As bad input, with what was asked for."""
    with pytest.raises(UnknownContract, match=r"contract: No security definition.*NOPE") as caught:
        engine.reference.qualify(Contract.stock("NOPE"))
    assert caught.value.argument == "contract"
    nothing_is_left(engine)


def test_an_ambiguous_contract_lists_what_it_may_mean(engine: Engine) -> None:
    """Currency and listing tell them apart."""
    with pytest.raises(AmbiguousContract, match="2 instruments fit") as caught:
        engine.reference.qualify(Contract(symbol="SAP", sec_type="STK", exchange="SMART"))
    assert caught.value.con_ids == (15532, 14204)
    assert caught.value.candidates == ("SAP STK USD NYSE con_id 15532", "SAP STK EUR IBIS XETRA con_id 14204")


def test_an_instrument_that_is_told_twice_is_one(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Some are told for each exchange; that which was asked for counts."""
    one = engine.reference.details(STOCK)
    other = attrs.evolve(one, contract=one.contract.replace(exchange="NYSE"))
    monkeypatch.setattr(type(engine.reference), "contract_details", lambda *_, **__: (other, one, other))
    assert engine.reference.details(STOCK) == one
    assert engine.reference.details(STOCK.replace(exchange="NYSE")) == other
    assert engine.reference.details(STOCK.replace(exchange="")) == other


@every_version
def test_an_option_chain_is_that_of_the_catalogue(version: int, serve: Serve, connect: Connect) -> None:
    """Days and strikes are values in order, one chain for each exchange."""
    engine = connect(serve(versions=[version]))
    chains = engine.reference.option_chain(STOCK)
    listed = default_catalogue().matches({"symbol": "AAPL", "secType": "OPT"})
    today = f"{datetime.now(UTC):%Y%m%d}"
    days = {one.expiry for one in listed if one.expiry >= today}
    assert [chain.exchange for chain in chains] == ["SMART", "CBOE", "ISE", "PHLX", "BOX"]
    for chain in chains:
        assert {f"{day:%Y%m%d}" for day in chain.expirations} == days
        assert list(chain.expirations) == sorted(chain.expirations)
        assert chain.strikes == tuple(sorted({one.strike for one in listed if one.strike is not None}))
        assert (chain.underlying_con_id, chain.multiplier, chain.trading_class) == (265598, "100", "AAPL")
    assert engine.reference.option_chain(STOCK, "ISE") == (chains[2],)
    assert engine.reference.option_chain(Contract.stock("KO")) == ()


@every_version
def test_symbols_are_found_by_a_few_letters(version: int, serve: Serve, connect: Connect) -> None:
    """Symbols that begin so, and names that hold them."""
    found = connect(serve(versions=[version])).reference.search("goog")
    assert {contract.symbol for contract in found} == {"GOOG", "GOOGL"}
    assert all(contract.con_id and contract.primary_exchange for contract in found)


# ── rules, hours, time ──────────────────────────────────────────────────────────────────────────


@every_version
def test_market_rules_give_the_steps_of_prices(version: int, serve: Serve, connect: Connect) -> None:
    """Each instrument has its own, exactly."""
    engine = connect(serve(versions=[version]))
    for contract, step in ((STOCK, "0.01"), (FUTURE, "0.25"), (EURO, "0.00005")):
        rule = engine.reference.price_rule(contract)
        assert rule.steps == (PriceStep(Decimal(0), Decimal(step)),)
    assert engine.reference.price_rule(STOCK, "NYSE") == engine.reference.price_rule(STOCK)
    nothing_is_left(engine)


@pytest.mark.parametrize(
    ("min_tick", "magnifier", "rule_ids", "step"),
    [
        ("0.01", 1, (26,), "0.01"),
        ("0.01", 100, (26,), "1"),
        ("0.0001", 100, (26,), "0.01"),
        ("0.0025", 100, (), "0.25"),
        ("0.005", 1, (26,), "0.01"),
    ],
    ids=["dollars", "rule-in-dollars", "rule-in-cents", "no-rule", "finer-elsewhere"],
)
def test_prices_in_cents_have_steps_in_cents(
    min_tick: str, magnifier: int, rule_ids: tuple[int, ...], step: str, engine: Engine
) -> None:
    """Whichever unit the rule is told in."""
    details = attrs.evolve(
        engine.reference.details(STOCK),
        min_tick=Decimal(min_tick),
        price_magnifier=magnifier,
        market_rule_ids=rule_ids,
    )
    assert engine.reference.rule_of(details).increment_at(500) == Decimal(step)


def test_a_market_rule_is_asked_for_once(engine: Engine, gateway: WatchedGateway) -> None:
    """It does not change within a session."""
    first = engine.reference.market_rule(26)
    assert engine.reference.market_rule(26) is first
    assert len(gateway.arrived("reqMarketRule")) == 1


def test_two_who_ask_for_a_rule_at_once_are_both_answered(engine: Engine) -> None:
    """The answer has no request id: it is for whoever asked for this rule."""
    rules: list[MarketRule] = []
    threads = [
        threading.Thread(target=lambda number=number: rules.append(engine.reference.market_rule(number)))
        for number in (26, 67, 239, 26)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(rule.rule_id for rule in rules) == [26, 26, 67, 239]
    nothing_is_left(engine)


def test_a_market_rule_that_there_is_not(engine: Engine) -> None:
    """The refusal names no request; it is for the one that is open."""
    with pytest.raises(InquiryFailed, match="market rule 123456") as caught:
        engine.reference.market_rule(123456)
    assert caught.value.code == 322
    nothing_is_left(engine)


def test_an_exchange_where_it_does_not_trade(engine: Engine) -> None:
    """Before a rule is asked for."""
    with pytest.raises(InvalidInput, match="exchange: AAPL trades on SMART"):
        engine.reference.price_rule(STOCK, "CME")


def test_whether_it_is_open(engine: Engine) -> None:
    """By the hours that the broker tells; it says when it has told none."""
    details = engine.reference.details(STOCK)
    session = details.liquid_hours.sessions[0]
    before = session.opens - timedelta(minutes=1)
    assert engine.reference.is_open(STOCK, session.opens, liquid=True)
    assert not engine.reference.is_open(STOCK, before, liquid=True)
    assert engine.reference.is_open(STOCK, before)
    assert engine.reference.is_open(STOCK) == details.trading_hours.is_open(datetime.now(UTC))
    with pytest.raises(InquiryFailed, match="told none of"):
        engine.reference.is_open(STOCK, session.opens + timedelta(days=30))


@every_version
def test_the_gateways_time_is_told(version: int, serve: Serve, connect: Connect) -> None:
    """To the second, and to the millisecond where the protocol has that."""
    engine = connect(serve(versions=[version]))
    before = datetime.now(UTC)
    told = engine.reference.server_time()
    assert abs(told - before) < timedelta(minutes=1)
    gateway_asks = "reqCurrentTimeInMillis" if version >= 197 else "reqCurrentTime"
    assert hasattr(engine.client, gateway_asks)


# ── prices ──────────────────────────────────────────────────────────────────────────────────────


@every_version
def test_a_quote_is_the_markets(version: int, serve: Serve, connect: Connect) -> None:
    """Prices and sizes exactly."""
    gateway = serve(versions=[version])
    gateway.market("AAPL").set_quote(bid="99.98", ask="100.03", last="100.01")
    quote = connect(gateway).reference.quote(STOCK)
    assert (quote.bid, quote.ask, quote.last) == (Decimal("99.98"), Decimal("100.03"), Decimal("100.01"))
    assert quote.midpoint == Decimal("100.005")
    assert quote.bid_size
    assert quote.ask_size
    assert quote.close is not None
    assert quote.is_complete
    assert not quote.is_delayed
    assert quote.greeks is None


@every_version
def test_an_options_quote_has_greeks(version: int, serve: Serve, connect: Connect) -> None:
    """As ratios, with the price of the underlying that they were made with."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    gateway.market("AAPL").set_quote(bid="292.49", ask="292.51", last="292.50")
    call = engine.reference.quote(OPTION).greeks
    put = engine.reference.quote(OPTION.replace(right="P")).greeks
    assert call is not None
    assert put is not None
    assert 0 < (call.delta or 0) < 1
    assert -1 < (put.delta or 0) < 0
    assert (call.implied_volatility or 0) > 0
    assert abs((call.underlying_price or 0) - Decimal("292.5")) < 1
    nothing_is_left(engine)


def test_an_options_type_is_looked_up(engine: Engine) -> None:
    """By its id alone nobody knows that there are Greeks to wait for."""
    quote = engine.reference.quote(Contract.by_con_id(engine.reference.qualify(OPTION).con_id))
    assert quote.contract.sec_type == "OPT"
    assert quote.greeks is not None


@pytest.mark.parametrize("contract", [EURO, Contract.index("SPX", "CBOE"), FUTURE], ids=lambda c: c.sec_type)
def test_other_kinds_are_complete_too(contract: Contract, engine: Engine) -> None:
    """A currency has no last trade, an index no bid."""
    quote = engine.reference.quote(contract)
    assert quote.is_complete
    assert quote.price is not None


def test_delayed_prices_say_that_they_are(serve: Serve, connect: Connect) -> None:
    """Without a subscription live ones are refused; the user's own setting is as it was."""
    gateway = serve(settings=still(data=DataSettings(live=False)))
    engine = connect(gateway)
    with pytest.raises(InquiryFailed) as caught:
        engine.reference.quote(STOCK)
    assert caught.value.code == 10089
    quote = engine.reference.quote(STOCK, delayed=True)
    assert quote.is_delayed
    assert quote.price is not None
    settings = [message.fields["marketDataType"] for message in gateway.arrived("reqMarketDataType")]
    assert settings == [3, 1]
    assert engine.client.market_data_type == 1
    engine.client.reqMarketDataType(3)
    assert engine.reference.quote(STOCK, delayed=True).is_delayed
    assert engine.client.market_data_type == 3
    nothing_is_left(engine)


# ── accounts ────────────────────────────────────────────────────────────────────────────────────


@every_version
def test_account_values_are_the_books(version: int, serve: Serve, connect: Connect) -> None:
    """Of one account or of all."""
    engine = connect(serve(versions=[version], settings=still(accounts=TWO, cash=Decimal(5000))))
    every = engine.reference.account_values()
    assert {line.account for line in every.lines} == set(TWO)
    for account in TWO:
        assert every.amount("NetLiquidation", account=account) == 5000
    one = engine.reference.account_values("DU2")
    assert {line.account for line in one.lines} == {"DU2"}
    settle(engine)
    nothing_is_left(engine)


@every_version
def test_positions_are_the_books(version: int, serve: Serve, connect: Connect) -> None:
    """Quantity and average cost, by account; what was closed is not there."""
    gateway = serve(versions=[version], settings=still(accounts=TWO))
    engine = connect(gateway)
    assert engine.reference.positions() == ()
    for account, quantity in (("DU1", 10), ("DU2", 5)):
        buy(engine, quantity, account=account).wait(**WAIT)
    shown = {(held.account, held.contract.con_id): held for held in engine.reference.positions()}
    for account, held in gateway.books().positions.items():
        [own] = held
        assert shown[account, own.instrument.con_id].quantity == own.quantity
        assert shown[account, own.instrument.con_id].average_cost == own.average_cost
    assert [held.quantity for held in engine.reference.positions("DU2")] == [5]
    settle_all(engine)
    assert len(gateway.arrived("cancelPositionsMulti")) == len(gateway.arrived("reqPositionsMulti")) == 5
    nothing_is_left(engine)


def test_who_gives_up_on_one_account_gives_up_on_all(
    serve: Serve, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was asked about the others is not left open."""
    engine = connect(serve(settings=still(accounts=TWO)))

    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(engine, "wait_for", interrupted)
    with pytest.raises(KeyboardInterrupt):
        engine.reference.positions()
    nothing_is_left(engine)


@every_version
def test_profit_and_loss_is_the_books(version: int, serve: Serve, connect: Connect) -> None:
    """Of an account, and of one position in it."""
    gateway = serve(versions=[version])
    engine = connect(gateway)
    buy(engine, 10).wait(**WAIT)
    gateway.market("AAPL").set_quote(bid="110.00", ask="110.01", last="110")
    whole = engine.reference.profit_and_loss()
    one = engine.reference.profit_and_loss(con_id=265598)
    assert whole.unrealized == one.unrealized
    assert one.position == 10
    assert one.unrealized is not None
    assert abs(one.unrealized - 99) < 1  # a dollar of commission
    assert engine.reference.profit_and_loss(con_id=272093).position == 0
    nothing_is_left(engine)


def test_it_must_be_clear_whose_profit(serve: Serve, connect: Connect) -> None:
    """With several accounts one is named, and one that there is."""
    engine = connect(serve(settings=still(accounts=TWO)))
    with pytest.raises(InvalidInput, match="account: name one of DU1, DU2"):
        engine.reference.profit_and_loss()
    with pytest.raises(InvalidInput, match="account: must be one of DU1, DU2, not 'DU3'"):
        engine.reference.profit_and_loss("DU3")
    assert engine.reference.profit_and_loss("DU2").account == "DU2"


@every_version
def test_families_are_told(version: int, serve: Serve, connect: Connect) -> None:
    """As a login without a family has them."""
    [family] = connect(serve(versions=[version])).reference.family_codes()
    assert (family.account, family.code) == ("*", "")


@every_version
def test_who_is_no_advisor_is_told_so(version: int, serve: Serve, connect: Connect) -> None:
    """The refusal names no request; it is for the one that is open."""
    engine = connect(serve(versions=[version]))
    for ask in (engine.reference.advisor_groups, engine.reference.account_aliases):
        with pytest.raises(InquiryFailed, match="non FA customers") as caught:
            ask()
        assert caught.value.code == 321
    nothing_is_left(engine)


@every_version
def test_an_advisors_groups_and_aliases(version: int, serve: Serve, connect: Connect) -> None:
    """As the gateway was set up; orders name the groups."""
    halves = AdvisorGroup("Halves", TWO, "Percent", (Decimal(50), Decimal(50)))
    advisor = Advisor("DF9", (AdvisorGroup("All & every", TWO), halves), {"DU2": "Ann <2>"})
    engine = connect(serve(versions=[version], settings=still(accounts=TWO, advisor=advisor)))
    assert engine.accounts == ("DF9", *TWO)
    every, given = engine.reference.advisor_groups()
    assert (every.name, every.method, every.accounts) == ("All & every", "Equal", TWO)
    assert (given.name, given.method) == ("Halves", "Percent")
    assert {member.account: int(member.amount or 0) for member in given.members} == {"DU1": 50, "DU2": 50}
    aliases = {one.account: one.alias for one in engine.reference.account_aliases()}
    assert aliases["DU2"] == "Ann <2>"
    if version < 177:
        with pytest.raises(InquiryFailed, match="not supported"):
            engine.reference.advisor_profiles()
    else:
        assert engine.reference.advisor_profiles() == ()
    nothing_is_left(engine)


# ── beside the user's own ───────────────────────────────────────────────────────────────────────


def test_callbacks_of_the_user_are_still_called(gateway: WatchedGateway, connect: Connect) -> None:
    """With the same arguments; one that raises harms nobody."""
    seen: list[tuple[str, int]] = []

    class Mine(TwsClient):
        def contractDetails(self, reqId: int, contractDetails: Any) -> None:  # noqa: N802, N803 - official names
            seen.append((contractDetails.contract.symbol, reqId))
            raise ValueError("mine")

    engine = connect(gateway, client_class=Mine)
    assert engine.reference.qualify(STOCK).con_id == 265598
    assert [symbol for symbol, _ in seen] == ["AAPL"]
    mine = engine.next_request_id()
    engine.client.reqContractDetails(mine, _official("MSFT"))
    settle(engine)
    assert seen[-1] == ("MSFT", mine)


def test_answers_to_the_users_own_questions_are_not_taken(engine: Engine) -> None:
    """They go by the request id."""
    own = engine.next_request_id()
    engine.client.reqContractDetails(own, _official("MSFT"))
    assert [one.contract.symbol for one in engine.reference.contract_details(STOCK)] == ["AAPL"]


def _official(symbol: str) -> Any:
    from ibkr_core.link.convert import contract_to_official

    return contract_to_official(Contract.stock(symbol))


# ── ends ────────────────────────────────────────────────────────────────────────────────────────

Ask = Callable[[Engine], object]
EVERY_ASK: dict[str, Ask] = {
    "contract_details": lambda engine: engine.reference.contract_details(STOCK, timeout_s=60),
    "option_chain": lambda engine: engine.reference.option_chain(STOCK.replace(con_id=265598), timeout_s=60),
    "market_rule": lambda engine: engine.reference.market_rule(26, timeout_s=60),
    "search": lambda engine: engine.reference.search("A", timeout_s=60),
    "server_time": lambda engine: engine.reference.server_time(timeout_s=60),
    "quote": lambda engine: engine.reference.quote(STOCK, timeout_s=60),
    "account_values": lambda engine: engine.reference.account_values(timeout_s=60),
    "positions": lambda engine: engine.reference.positions(timeout_s=60),
    "profit_and_loss": lambda engine: engine.reference.profit_and_loss(timeout_s=60),
    "family_codes": lambda engine: engine.reference.family_codes(timeout_s=60),
    "advisor_groups": lambda engine: engine.reference.advisor_groups(timeout_s=60),
}
every_ask = pytest.mark.parametrize("ask", EVERY_ASK.values(), ids=EVERY_ASK)


class Deaf(WatchedGateway):
    """A gateway that stops answering questions when it is told to."""

    def __init__(self, **wanted: Any) -> None:
        super().__init__(**wanted)
        self.asked = threading.Event()
        self.is_deaf = False
        answer = self._gateway.request

        def maybe(session: Any, message: Any) -> None:
            if self.is_deaf and message.kind.startswith("req"):
                self.requests.append((session.client_id, message))
                self.asked.set()
            else:
                answer(session, message)

        self._gateway.request = maybe  # type: ignore[method-assign]


@pytest.fixture
def deaf() -> Any:
    gateway = Deaf(settings=still())
    gateway.start()
    yield gateway
    gateway.stop()


def in_background(engine: Engine, ask: Ask) -> tuple[threading.Thread, list[BaseException]]:
    """Ask on a thread of its own; what it raises is kept."""
    raised: list[BaseException] = []

    def run() -> None:
        try:
            ask(engine)
        except Exception as error:  # noqa: BLE001 - it is what the test looks at
            raised.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, raised


@every_ask
def test_a_lost_connection_ends_every_question_at_once(ask: Ask, deaf: Deaf, connect: Connect) -> None:
    """Long before its deadline, with the reason."""
    engine = connect(deaf, settings=ONE_LIFE)
    deaf.is_deaf = True
    thread, raised = in_background(engine, ask)
    assert deaf.asked.wait(WAIT["timeout_s"])
    deaf.stop()
    thread.join(WAIT["timeout_s"])
    assert not thread.is_alive()
    [error] = raised
    assert isinstance(error, ConnectionFailed)
    nothing_is_left(engine)


@every_ask
def test_closing_the_engine_ends_every_question_at_once(ask: Ask, deaf: Deaf, connect: Connect) -> None:
    """Whoever waits is told that it was closed."""
    engine = connect(deaf)
    deaf.is_deaf = True
    thread, raised = in_background(engine, ask)
    assert deaf.asked.wait(WAIT["timeout_s"])
    engine.close()
    thread.join(WAIT["timeout_s"])
    assert not thread.is_alive()
    [error] = raised
    assert isinstance(error, EngineClosed)
    nothing_is_left(engine)
    with pytest.raises(EngineClosed):
        ask(engine)


def test_a_later_connection_answers_again(serve: Serve, connect: Connect) -> None:
    """After a gap questions go to the new one; in between they are refused."""
    gateway = serve()
    engine = connect(gateway)
    rule = engine.reference.market_rule(26)
    log = Log(engine)
    gateway.restart()
    log.wait(events.Resumed)
    engine.wait_ready(**WAIT)
    assert engine.reference.qualify(STOCK).con_id == 265598
    assert engine.what_if(STOCK, Order.market("BUY", 1)).margins.is_known
    assert engine.reference.market_rule(26) == rule
    assert len(gateway.arrived("reqMarketRule")) == 2  # a rule is known for one session
    nothing_is_left(engine)


def test_an_answer_that_does_not_come_ends_at_its_deadline(deaf: Deaf, connect: Connect) -> None:
    """What goes on at the broker by itself is stopped there, and a late answer is nobody's."""
    engine = connect(deaf)
    deaf.is_deaf = True
    with pytest.raises(WaitTimeout, match=r"no answer within 0\.05 s: a quote of AAPL"):
        engine.reference.quote(STOCK, timeout_s=0.05)
    with pytest.raises(WaitTimeout, match="the positions of account"):
        engine.reference.positions(timeout_s=0.05)
    deaf.is_deaf = False
    settle_all(engine)
    [asked] = deaf.arrived("reqMktData")
    [cancelled] = deaf.arrived("cancelMktData")
    assert asked.fields["reqId"] == cancelled.fields["reqId"]
    assert len(deaf.arrived("cancelPositionsMulti")) == 1
    nothing_is_left(engine)
    assert engine.reference.quote(STOCK).is_complete


def test_a_snapshot_that_is_complete_is_not_cancelled(engine: Engine, gateway: WatchedGateway) -> None:
    """It ends by itself, and the broker complains about the cancel of what has ended."""
    engine.reference.quote(STOCK)
    settle_all(engine)
    assert gateway.arrived("cancelMktData") == []


@every_ask
def test_an_inline_listener_must_not_wait(ask: Ask, engine: Engine, gateway: WatchedGateway) -> None:
    """It would stop the thread that brings the answer; nothing is asked either."""
    raised: list[BaseException] = []
    heard = threading.Event()

    def listen(_: events.Event) -> None:
        try:
            ask(engine)
        except WouldDeadlock as error:
            raised.append(error)
        heard.set()

    engine.on(events.OrderFilled, listen, Delivery.INLINE)
    settle_all(engine)
    before = len(gateway.requests)
    buy(engine).wait(**WAIT)
    assert heard.wait(WAIT["timeout_s"])
    assert raised
    nothing_is_left(engine)
    settle_all(engine)
    assert [message.kind for _, message in gateway.requests[before:]] == ["placeOrder", "reqCurrentTime"]


def test_a_worker_listener_may_wait(engine: Engine) -> None:
    """Which is the default."""
    found: list[object] = []
    heard = threading.Event()

    def listen(_: events.Event) -> None:
        found.append(engine.reference.quote(STOCK).bid)
        heard.set()

    engine.on(events.OrderFilled, listen)
    buy(engine).wait(**WAIT)
    assert heard.wait(WAIT["timeout_s"])
    assert found == [Decimal("100.00")]


@every_ask
def test_without_a_session_nothing_is_asked(ask: Ask) -> None:
    """It says why; nobody is told that there are no positions."""
    engine = Engine(1)
    with pytest.raises(NotReady, match="not connected"):
        ask(engine)
    nothing_is_left(engine)


@pytest.mark.parametrize(
    ("bad", "argument"),
    [
        (lambda r: r.contract_details("AAPL"), "contract"),
        (lambda r: r.qualify(None), "contract"),
        (lambda r: r.option_chain(7), "contract"),
        (lambda r: r.quote("AAPL"), "contract"),
        (lambda r: r.quote(STOCK, timeout_s=-1), "timeout_s"),
        (lambda r: r.contract_details(STOCK, timeout_s=float("nan")), "timeout_s"),
        (lambda r: r.server_time(timeout_s="soon"), "timeout_s"),
        (lambda r: r.market_rule(0), "rule_id"),
        (lambda r: r.market_rule("26"), "rule_id"),
        (lambda r: r.market_rule(True), "rule_id"),
        (lambda r: r.search(" "), "pattern"),
        (lambda r: r.account_values(5), "account"),
        (lambda r: r.positions("DU9"), "account"),
        (lambda r: r.profit_and_loss(con_id=-1), "con_id"),
        (lambda r: r.is_open(STOCK, datetime(2026, 1, 1)), "at"),  # noqa: DTZ001 - that is the point
    ],
)
def test_bad_input_is_named(bad: Callable[[Any], object], argument: str, engine: Engine) -> None:
    """With the argument and the rule."""
    with pytest.raises(InvalidInput) as caught:
        bad(engine.reference)
    assert caught.value.argument == argument
    nothing_is_left(engine)


def test_a_contract_that_is_none_is_a_contract_fault(engine: Engine) -> None:
    """Of the narrower class."""
    with pytest.raises(InvalidContract):
        engine.reference.quote(None)  # type: ignore[arg-type]


def test_many_questions_at_once(serve: Serve, connect: Connect) -> None:
    """Each gets its own answer."""
    gateway = serve()
    engine = connect(gateway, settings=UNLIMITED)
    symbols = ("AAPL", "MSFT", "TSLA", "AMZN", "META", "NVDA", "AMD", "INTC")
    found: dict[str, str] = {}

    def ask(symbol: str) -> None:
        for _ in range(20):
            found[symbol] = engine.reference.details(Contract.stock(symbol)).contract.symbol
            engine.reference.quote(Contract.stock(symbol))

    threads = [threading.Thread(target=ask, args=(symbol,)) for symbol in symbols]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {symbol: symbol for symbol in symbols}
    nothing_is_left(engine)


def test_the_pages_example_runs(gateway: WatchedGateway, capsys: pytest.CaptureFixture[str]) -> None:
    """What docs/reference-data.md shows is what works."""
    page = Path(__file__).parents[2] / "docs" / "reference-data.md"
    [source] = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    exec(compile(source.replace("4002", str(gateway.port)), str(page), "exec"), {})  # noqa: S102 - our own page
    assert Decimal(capsys.readouterr().out) == 5000
    assert gateway.books().orders == ()
