"""The router: order callbacks become facts, a user's overrides are called too, official defaults never."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from decimal import Decimal
from types import SimpleNamespace
from typing import Any

import pytest
from ibapi.contract import Contract
from ibapi.wrapper import EWrapper

from ibkr_core.link.client import TwsClient
from ibkr_core.link.router import CallbackRouter
from ibkr_core.model.facts import CommissionFact, ErrorFact, OrderBoundFact, StatusFact
from tests.link.peers import Recorder

CALLBACKS = [
    name
    for name, member in inspect.getmembers(EWrapper, inspect.isfunction)
    if not name.startswith("_") and name not in ("logAnswer", "winError")
]
MADE_FACTS = {
    "orderStatus", "openOrder", "completedOrder", "execDetails", "commissionReport", "error",
    "commissionAndFeesReport", "commissionAndFeesReportProtoBuf", "orderBound", "managedAccounts",
    "position",
}  # fmt: skip
"""Callbacks that the router reads itself, so that they need arguments that make sense."""

STATUS = (7, "Submitted", Decimal(0), Decimal(1), 0.0, 12, 0, 0.0, 1, "", 0.0)


def router_of(kind: type[TwsClient]) -> tuple[CallbackRouter, Recorder]:
    recorder = Recorder()
    return CallbackRouter(kind(recorder)), recorder


def overriding(name: str, method: Callable[..., None]) -> type[TwsClient]:
    """A user's subclass with one callback of its own."""
    return type("Mine", (TwsClient,), {name: method})


@pytest.mark.parametrize("name", sorted(set(CALLBACKS) - MADE_FACTS))
def test_every_official_callback_reaches_a_users_override(name: str) -> None:
    """Whatever callback the installed ibapi has, a subclass that overrides it gets its arguments."""
    heard: list[tuple[Any, ...]] = []
    router, recorder = router_of(overriding(name, lambda _, *arguments: heard.append(arguments)))
    count = len(inspect.signature(getattr(EWrapper, name)).parameters) - 1
    arguments = tuple(range(1, count + 1))
    getattr(router, name)(*arguments)
    assert heard == [arguments]
    assert recorder.failures == []


def test_a_position_is_told_and_reaches_a_users_override() -> None:
    """Both get it: the session compares positions, and the user's own callback has the official objects."""
    heard: list[tuple[Any, ...]] = []
    router, recorder = router_of(overriding("position", lambda _, *arguments: heard.append(arguments)))
    contract = Contract()
    contract.conId, contract.symbol, contract.secType = 265598, "AAPL", "STK"
    router.position("DU1", contract, Decimal("-7.5"), 101.25)
    assert heard == [("DU1", contract, Decimal("-7.5"), 101.25)]
    ((kind, position),) = recorder.told
    assert (kind, position.account, position.quantity) == ("position", "DU1", Decimal("-7.5"))
    assert position.contract.con_id == 265598


def test_official_defaults_are_not_called(monkeypatch: pytest.MonkeyPatch) -> None:
    """The defaults only log, and inspect their stack frame for it: never on our way."""

    def default(*_: object) -> None:
        raise AssertionError("the official default was called")

    for name in CALLBACKS:
        monkeypatch.setattr(EWrapper, name, default)
    router, recorder = router_of(TwsClient)
    router.tickPrice(1, 2, 3.0, None)
    router.orderStatus(*STATUS)
    router.error(-1, 2104, "fine")
    router.nextValidId(5)
    assert len(recorder.facts) == 2
    assert recorder.failures == []


def test_a_callback_may_be_set_on_the_client_itself() -> None:
    """A function put on the instance is an override too."""
    heard: list[Any] = []
    recorder = Recorder()
    client = TwsClient(recorder)
    client.tickPrice = lambda *arguments: heard.append(arguments)
    CallbackRouter(client).tickPrice(1, 2)
    assert heard == [(1, 2)]


@pytest.mark.parametrize("name", ["no_such_callback", "_private"])
def test_what_ibapi_does_not_have_is_an_attribute_error(name: str) -> None:
    """A misspelt name is no callback."""
    router, _ = router_of(TwsClient)
    with pytest.raises(AttributeError):
        getattr(router, name)


def test_an_overridden_order_callback_gets_its_arguments_after_the_fact() -> None:
    """Overriding orderStatus takes nothing from the book: the fact comes first, then the user's method."""
    seen: list[Any] = []
    router, recorder = router_of(
        overriding("orderStatus", lambda _, *arguments: seen.append((arguments, len(recorder.facts))))
    )
    router.orderStatus(*STATUS)
    assert seen == [(STATUS, 1)]
    (fact,) = recorder.facts
    assert isinstance(fact, StatusFact)
    assert (fact.order_id, fact.status, fact.remaining, fact.perm_id) == (7, "Submitted", Decimal(1), 12)


def test_an_override_that_raises_is_reported_each_time() -> None:
    """Its fault is handed on as a failure, and does not reach the official decoder."""

    def broken(_: object, *__: object) -> None:
        raise ValueError("mine")

    router, recorder = router_of(overriding("orderStatus", broken))
    router.orderStatus(*STATUS)
    router.orderStatus(*STATUS)
    assert len(recorder.facts) == 2
    assert [str(failure) for failure in recorder.failures] == ["mine", "mine"]


ERRORS = {
    "9.81: id, code, text": ((5, 201, "no"), None, ""),
    "9.81 with an empty text": ((5, 201, ""), None, ""),
    "10.19: id, code, text, json": ((5, 201, "no", '{"a":1}'), None, '{"a":1}'),
    "10.33: id, time, code, text": ((5, 1795535055000, 201, "no"), 1795535055000, ""),
    "10.33: id, time, code, text, json": ((5, 1795535055000, 201, "no", '{"a":1}'), 1795535055000, '{"a":1}'),
    "10.33 without a time": ((5, 0, 201, "no", ""), None, ""),
}


@pytest.mark.parametrize("form", ERRORS)
def test_error_of_every_version_is_read(form: str) -> None:
    """The callback gained a time in front and a JSON behind: each form gives the same fact."""
    arguments, time_ms, advanced = ERRORS[form]
    heard: list[Any] = []
    router, recorder = router_of(overriding("error", lambda _, *told: heard.append(told)))
    router.error(*arguments)
    (fact,) = recorder.facts
    assert isinstance(fact, ErrorFact)
    assert (fact.request_id, fact.code, fact.time_ms, fact.advanced_reject) == (5, 201, time_ms, advanced)
    assert fact.message in ("no", "")
    assert heard == [arguments]


@pytest.mark.skipif(not hasattr(EWrapper, "commissionReport"), reason="newer clients have renamed it")
def test_an_old_commission_report_becomes_a_fact() -> None:
    """Up to ibapi 10.2x it is commissionReport, and DBL_MAX means that no P&L was realised."""
    router, recorder = router_of(TwsClient)
    unset = 1.7976931348623157e308
    report = SimpleNamespace(execId="a.b.c.01", commission=1.0003, currency="USD", realizedPNL=unset)
    router.commissionReport(report)
    assert recorder.facts == [
        CommissionFact(exec_id="a.b.c.01", commission=Decimal("1.0003"), currency="USD", realized_pnl=None)
    ]


class Presence:
    """A protobuf report that has a P&L or not."""

    def __init__(self, has: bool) -> None:
        self._has = has

    def HasField(self, name: str) -> bool:  # noqa: N802 - protobuf's name
        assert name == "realizedPNL"
        return self._has


@pytest.mark.skipif(not hasattr(EWrapper, "commissionAndFeesReport"), reason="older clients lack it")
def test_an_absent_profit_is_told_from_a_profit_of_zero() -> None:
    """The decoder turns absence into 0.0; the protobuf callback before it knows better, for one report."""
    router, recorder = router_of(TwsClient)
    report = SimpleNamespace(execId="a.b.c.01", commissionAndFees=1.5, currency="USD", realizedPNL=0.0)
    for has in (False, True, False):
        router.commissionAndFeesReportProtoBuf(Presence(has))
        router.commissionAndFeesReport(report)
    router.commissionAndFeesReport(report)  # a text report: no protobuf callback before it
    profits = [fact.realized_pnl for fact in recorder.facts if isinstance(fact, CommissionFact)]
    assert profits == [None, Decimal(0), None, Decimal(0)]


def test_the_first_number_of_order_bound_is_the_perm_id() -> None:
    """Whatever the installed version calls it (TWS facts 4)."""
    router, recorder = router_of(TwsClient)
    router.orderBound(1376327563, 0, -2)
    assert recorder.facts == [OrderBoundFact(perm_id=1376327563, client_id=0, order_id=-2)]


def test_messages_of_the_session_reach_the_receiver() -> None:
    """Ends of answers, the next id and the accounts are handed on, and to overrides as well."""
    heard: list[Any] = []
    names = ("openOrderEnd", "completedOrdersEnd", "execDetailsEnd", "nextValidId", "managedAccounts")
    notes = {name: (lambda _, *told, name=name: heard.append((name, *told))) for name in names}
    router, recorder = router_of(type("Mine", (TwsClient,), notes))
    router.openOrderEnd()
    router.completedOrdersEnd()
    router.execDetailsEnd(9)
    router.nextValidId(42)
    router.managedAccounts("DU1,DU2,")
    assert recorder.told == [
        ("open orders end",),
        ("completed orders end",),
        ("executions end", 9),
        ("next valid id", 42),
        ("accounts", ("DU1", "DU2")),
    ]
    assert [call[0] for call in heard] == list(names)


# ── answers that somebody waits for ─────────────────────────────────────────────────────────────


def test_who_waits_for_a_callback_gets_it_before_the_users_override() -> None:
    """While its name is awaited, with the official arguments; the override gets it in any case."""
    told: list[Any] = []
    router, _ = router_of(overriding("tickPrice", lambda _, *arguments: told.append(("mine", arguments))))
    awaited: set[str] = set()
    router.awaited = awaited
    router.take_answer = lambda name, arguments: told.append((name, arguments))
    router.tickPrice(1, 2, 3.0, None)
    awaited.add("tickPrice")
    router.tickPrice(4, 5, 6.0, None)
    awaited.clear()
    router.tickPrice(7, 8, 9.0, None)
    assert told == [
        ("mine", (1, 2, 3.0, None)),
        ("tickPrice", (4, 5, 6.0, None)),
        ("mine", (4, 5, 6.0, None)),
        ("mine", (7, 8, 9.0, None)),
    ]


@pytest.mark.parametrize("name", sorted(set(CALLBACKS) - MADE_FACTS))
def test_any_callback_that_makes_no_fact_can_be_awaited(name: str) -> None:
    """Whether or not the user has an override."""
    told: list[str] = []
    router, _ = router_of(TwsClient)
    router.awaited = {name}
    router.take_answer = lambda name, _: told.append(name)
    count = len(inspect.signature(getattr(EWrapper, name)).parameters) - 1
    getattr(router, name)(*range(1, count + 1))
    reads_itself = {"openOrderEnd", "completedOrdersEnd", "execDetailsEnd", "positionEnd", "nextValidId"}
    assert told == ([] if name in reads_itself else [name])


def test_an_open_order_can_be_awaited_beside_its_fact() -> None:
    """A what-if is answered by one."""
    from ibapi.order import Order
    from ibapi.order_state import OrderState

    told: list[str] = []
    router, recorder = router_of(TwsClient)
    router.take_answer = lambda name, _: told.append(name)
    router.openOrder(7, Contract(), Order(), OrderState())
    router.awaited = {"openOrder"}
    router.openOrder(7, Contract(), Order(), OrderState())
    assert told == ["openOrder"]
    assert len(recorder.facts) == 2
