"""`ibkr-core doctor`: looks at everything that has to be right before orders can be sent."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from time import monotonic
from typing import Annotated, Final

import typer
from rich.text import Text

from ibkr_core.cli import checks
from ibkr_core.cli import options as given
from ibkr_core.cli.checks import Check, Health
from ibkr_core.cli.codes import ExitCode, advice
from ibkr_core.cli.shell import busy
from ibkr_core.cli.show import Shown, fail
from ibkr_core.engine import Engine
from ibkr_core.errors import ConnectionFailed, IbkrError, InquiryFailed
from ibkr_core.listeners import Delivery
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import BrokerMessage
from ibkr_core.model.order import Order
from ibkr_core.settings import EngineSettings

__all__ = ["doctor"]

_STYLES: Final = {Health.OK: "green", Health.NOTE: "yellow", Health.BAD: "bold red", Health.SKIPPED: "dim"}
_MILLIS_SINCE: Final = 197
"""The server version from which on the gateway's time is told in milliseconds (reqCurrentTimeInMillis)."""
_FIRST_ID: Final = 9_000
_IDS: Final = 900


def doctor(
    *,
    offline: Annotated[
        bool, typer.Option("--offline", help="Look at this machine alone; connect to nothing.")
    ] = False,
    symbol: Annotated[
        str,
        typer.Option("--symbol", metavar="NAME", help="For which stock to ask whether orders are allowed."),
    ] = "AAPL",
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.ClientId = None,
    timeout: given.Timeout = 10.0,
    journal: given.CheckedJournal = None,
    log_dir: given.CheckedLogDir = None,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    debug: given.Debug = False,
) -> None:
    """Look whether everything is right: the installed ibapi, the gateway, permissions, clocks, the journal.

    It places nothing: whether orders are allowed is asked with a what-if order. Ends with 1 where a check
    fails.
    """
    del debug
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts)
    found: list[Check] = []
    for check in _all_checks(given.Place(host, port, timeout), client_id, symbol, journal, log_dir, offline):
        found.append(check)
        if not as_json:
            shown.lines(_lines(check))
    bad = [check for check in found if check.health is Health.BAD]
    if as_json:
        shown.one({"ok": not bad, "checks": [check.as_dict() for check in found]})
    else:
        shown.lines([_verdict(found, bad)])
    if bad:
        fail(ExitCode.FAILED)


def _lines(check: Check) -> Iterator[Text]:
    yield Text.assemble(
        (f"{check.health.value:<5}", _STYLES[check.health]), f" {check.name:<11} ", check.text
    )
    if check.hint:
        yield Text(f"{'':18}{check.hint}", "italic")


def _verdict(found: list[Check], bad: list[Check]) -> Text:
    if bad:
        return Text(
            f"{len(bad)} of {len(found)} checks failed: {', '.join(one.name for one in bad)}", "bold red"
        )
    notes = sum(check.health is Health.NOTE for check in found)
    return Text(f"All well{f', with {notes} to look at' if notes else ''}.", "bold green")


def _all_checks(
    place: given.Place,
    client_id: int | None,
    symbol: str,
    journal: Path | None,
    log_dir: Path | None,
    offline: bool,
) -> Iterator[Check]:
    yield checks.check_python()
    yield checks.check_ibapi()
    yield checks.check_protobuf()
    yield checks.check_zones()
    if not offline:
        yield from _gateway_checks(place, client_id, symbol)
    if journal is not None:
        with busy(f"reading {journal}"):
            about_journal = list(checks.check_journal(journal))
        yield from about_journal
    if log_dir is not None:
        yield checks.check_folder("logs", log_dir)


# ── the gateway ─────────────────────────────────────────────────────────────────────────────────


def _gateway_checks(place: given.Place, client_id: int | None, symbol: str) -> Iterator[Check]:
    messages: list[BrokerMessage] = []
    settings = EngineSettings(
        reconnect=None, connect_timeout_s=place.timeout_s, orders_timeout_s=place.timeout_s
    )
    engine = Engine(client_id if client_id is not None else _FIRST_ID + os.getpid() % _IDS, settings=settings)
    engine.on(BrokerMessage, messages.append, Delivery.INLINE)
    with closing(engine):
        began = monotonic()
        try:
            with busy(f"connecting to {place}"):
                engine.open(place.host, place.port)
        except ConnectionFailed as error:
            yield Check("gateway", Health.BAD, str(error), advice(error))
            return
        took_ms = (monotonic() - began) * 1000
        text = f"{place}, server version {engine.server_version}, ready in {took_ms:.0f} ms"
        yield Check("gateway", Health.OK, text)
        yield _accounts(engine)
        yield _permission(engine, symbol, place.timeout_s, messages)
        yield _clock(engine, place.timeout_s)
        yield checks.check_farms(messages)


def _accounts(engine: Engine) -> Check:
    kinds = [f"{code} ({'paper' if checks.is_paper(code) else 'LIVE'})" for code in engine.accounts]
    if not kinds:
        return Check("accounts", Health.BAD, "the login has none", "log in to TWS or IB Gateway again")
    return Check("accounts", Health.OK, ", ".join(kinds))


def _permission(engine: Engine, symbol: str, timeout_s: float, messages: list[BrokerMessage]) -> Check:
    """Ask with a what-if order whether orders are taken: in read-only mode the API refuses that too."""
    hint = "untick 'Read-Only API' in Configure, API, Settings, if this program shall trade"
    account = engine.accounts[0] if engine.accounts else ""
    order = Order.market("BUY", 1, account=account)
    refusal: IbkrError | None = None
    try:
        with busy("asking whether orders are allowed"):
            engine.what_if(Contract.stock(symbol), order, timeout_s=timeout_s)
    except InquiryFailed as error:
        refusal = error
        if checks.is_read_only(error.code, error.text):
            return Check("orders", Health.BAD, "the API is read-only: orders are refused", hint)
    except IbkrError as error:
        refusal = error
    if any(checks.is_read_only(one.code, one.message) for one in messages):
        return Check("orders", Health.BAD, "the API is read-only: orders are refused", hint)
    if refusal is not None:
        return Check("orders", Health.NOTE, f"a what-if order for 1 {symbol} was not answered: {refusal}")
    return Check("orders", Health.OK, f"allowed: a what-if order for 1 {symbol} was answered")


def _clock(engine: Engine, timeout_s: float) -> Check:
    try:
        before = datetime.now(UTC)
        told = engine.reference.server_time(timeout_s=timeout_s)
        after = datetime.now(UTC)
    except IbkrError as error:
        return Check("clock", Health.NOTE, f"the gateway does not tell the time: {error}")
    is_fine = engine.server_version >= _MILLIS_SINCE and told.microsecond
    step = timedelta(milliseconds=1) if is_fine else timedelta(seconds=1)
    return checks.check_clock(told, before, after, step=step)
