"""Commands that act: place, cancel, halt, release."""

from __future__ import annotations

import queue
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final

import attrs
import typer

from ibkr_core.cli import options as given
from ibkr_core.cli import wish
from ibkr_core.cli.codes import ExitCode, advice
from ibkr_core.cli.rows import ORDER_COLUMNS, order_of_record
from ibkr_core.cli.shell import busy, complain
from ibkr_core.cli.show import Shown, fail
from ibkr_core.cli.source import looking
from ibkr_core.engine import Engine
from ibkr_core.errors import (
    ConnectionFailed,
    InvalidInput,
    JournalError,
    JournalInUse,
    OrderStateError,
    WaitTimeout,
)
from ibkr_core.listeners import Delivery
from ibkr_core.model.contract import Contract
from ibkr_core.model.events import OrderEvent
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.model.whatif import WhatIf
from ibkr_core.settings import EngineSettings
from ibkr_core.tickets import OrderTicket

__all__ = ["cancel", "halt", "place", "release"]

_ANSWERED: Final = (
    OrderStatus.PRE_SUBMITTED,
    OrderStatus.SUBMITTED,
    OrderStatus.PARTIALLY_FILLED,
    OrderStatus.INACTIVE,
)
_ROUTED_S: Final = 1.0
"""How long to wait for the exchange, where the broker has accepted an order."""
_BEHIND_S: Final = 2.0
"""How long to wait for more about an order that has ended."""
_LIVE_PORTS: Final = frozenset({4001, 7496})


@attrs.frozen(kw_only=True)
class _Way:
    """How to reach the gateway as the client that owns orders."""

    place: given.Place
    client_id: int
    journal: Path | None


@contextmanager
def _trading(way: _Way) -> Iterator[Engine]:
    with busy(f"connecting to {way.place} as client {way.client_id}"):
        engine = Engine.connect(
            way.place.host,
            way.place.port,
            way.client_id,
            timeout_s=way.place.timeout_s,
            settings=EngineSettings(reconnect=None),
            journal=way.journal,
        )
    with engine:
        yield engine


# ── place ───────────────────────────────────────────────────────────────────────────────────────


_Wait = Annotated[
    float | None,
    typer.Option(
        "--wait",
        min=0.1,
        max=given.LONGEST_S,
        metavar="S",
        help="Wait for its end, for so many seconds.",
    ),
]


def place(
    *,
    side: wish.Side,
    quantity: wish.Quantity,
    symbol: wish.Symbol,
    limit: wish.Limit = None,
    stop: wish.Stop = None,
    tif: wish.Tif = "DAY",
    outside_rth: wish.OutsideRth = False,
    sec_type: wish.SecType = "STK",
    expiry: wish.Expiry = "",
    strike: wish.Strike = "",
    right: wish.Right = "",
    exchange: wish.Exchange = "",
    currency: wish.Currency = "USD",
    account: wish.Account = "",
    key: wish.Key = "",
    wait: _Wait = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    what_if: Annotated[
        bool, typer.Option("--what-if", help="Ask for margin and commission; nothing is placed.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="The whole way without any network; nothing is placed.")
    ] = False,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.TradingClientId = 1,
    timeout: given.Timeout = 10.0,
    journal: given.KeptJournal = None,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    debug: given.Debug = False,
) -> None:
    """Place an order, and tell what the broker says to it.

    It shows the order and asks before it sends it; in a script say --yes. Ends with 0 where the order is
    accepted, 4 where it is refused, and 5 where nobody knows: look before you try again.
    """
    del debug
    contract = wish.make_contract(symbol, sec_type, expiry, strike, right, exchange, currency)
    order = wish.make_order(side, quantity, limit, stop, tif, account=account, outside_rth=outside_rth)
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts)
    _check_manner(yes=yes, what_if=what_if, dry_run=dry_run)
    if dry_run:
        _run_dry(contract, order, key, wait or timeout, shown)
        return
    way = _Way(place=given.Place(host, port, timeout), client_id=client_id, journal=journal)
    with _trading(way) as engine:
        if what_if:
            _ask_what_if(engine, contract, order, timeout, shown)
            return
        if not yes:
            _ask(engine, contract, order, way, shown)
        _send(engine, contract, order, key, wait or timeout, shown, to_the_end=wait is not None)


def _check_manner(*, yes: bool, what_if: bool, dry_run: bool) -> None:
    if what_if and dry_run:
        raise InvalidInput("--what-if", "asks the broker, and --dry-run nobody: say one of them")
    if not (yes or what_if or dry_run) and not _is_terminal():
        raise InvalidInput("--yes", "say it where nobody can be asked: standard input is no terminal")


def _run_dry(contract: Contract, order: Order, key: str, timeout_s: float, shown: Shown) -> None:
    accounts = [order.account] if order.account else ()
    with Engine.dry_run(prices=_prices(contract, order), accounts=accounts) as engine:
        _send(engine, contract, order, key, timeout_s, shown, to_the_end=True)


def _ask_what_if(engine: Engine, contract: Contract, order: Order, timeout_s: float, shown: Shown) -> None:
    with busy("asking the broker"):
        found = engine.what_if(contract, order, timeout_s=timeout_s)
    _show_what_if(found, shown)


def _prices(contract: Contract, order: Order) -> dict[str, Decimal]:
    """Say what a stock of a dry run costs, so that also one is there that no gateway ever heard of."""
    price = order.limit_price if order.limit_price is not None else order.aux_price
    return {contract.symbol: price} if contract.sec_type == "STK" and price is not None and price > 0 else {}


def _is_terminal() -> bool:
    return sys.stdin is not None and sys.stdin.isatty()


def _ask(engine: Engine, contract: Contract, order: Order, way: _Way, shown: Shown) -> None:
    """Show what would be sent where, and go on only when somebody says yes."""
    code = order.account or ", ".join(engine.accounts)
    is_live = way.place.port in _LIVE_PORTS or any(not one.startswith("D") for one in code.split(", "))
    account = shown.hidden(code)
    typer.echo(f"{_words(order, contract)}  on {account} at {way.place}, client {way.client_id}", err=True)
    if is_live:
        typer.echo("This looks like a LIVE account: real money.", err=True)
    typer.confirm("Send it?", abort=True, err=True)


def _words(order: Order, contract: Contract) -> str:
    terms = [order.action.value, f"{order.quantity:f}", str(contract), order.order_type]
    terms += [f"limit {order.limit_price:f}"] if order.limit_price is not None else []
    terms += [f"stop {order.aux_price:f}"] if order.aux_price is not None else []
    terms += [order.tif, *(["outside regular hours"] if order.outside_rth else [])]
    return " ".join(terms)


def _send(
    engine: Engine,
    contract: Contract,
    order: Order,
    key: str,
    timeout_s: float,
    shown: Shown,
    *,
    to_the_end: bool,
) -> None:
    news: queue.SimpleQueue[object] = queue.SimpleQueue()
    engine.on(OrderEvent, news.put, Delivery.INLINE)
    ticket = engine.submit(contract, order, key=key)
    try:
        with busy(f"order {ticket.order_id} is sent, waiting"):
            record = ticket.wait(*(() if to_the_end else _ANSWERED), timeout_s=timeout_s)
            if record.status is OrderStatus.PRE_SUBMITTED:
                record = _after_acceptance(ticket)
            if record.is_finished:
                record = _complete(ticket, news)
    except WaitTimeout as late:
        _show_order(ticket.record, shown, is_dry_run=engine.is_dry_run)
        is_known = ticket.status in _ANSWERED
        complain(
            str(late), "it stays as it is" if is_known else "look with `ibkr-core orders` before you go on"
        )
        fail(ExitCode.UNCERTAIN)
    except KeyboardInterrupt:
        complain(f"order {ticket.order_id} was sent and stays: {ticket.status.value}")
        raise
    _show_order(record, shown, is_dry_run=engine.is_dry_run)
    if _came_to_nothing(record):
        complain(
            f"order {record.order_id} is {record.status.value}: {record.error_message or 'no reason given'}"
        )
        fail(ExitCode.REFUSED)
    if record.status is OrderStatus.UNKNOWN:
        fail(ExitCode.UNCERTAIN)


def _after_acceptance(ticket: OrderTicket) -> OrderRecord:
    """Give the exchange a moment after the broker's own word, which it may overrule; a stop rests there."""
    with suppress(WaitTimeout):
        return ticket.wait(OrderStatus.SUBMITTED, OrderStatus.PARTIALLY_FILLED, timeout_s=_ROUTED_S)
    return ticket.record


def _complete(ticket: OrderTicket, news: queue.SimpleQueue[object]) -> OrderRecord:
    """Wait a moment for what comes right behind an order's end: commissions (TWS facts 2.6), the reason."""
    with suppress(queue.Empty):
        while _is_something_missing(ticket.record):
            news.get(timeout=_BEHIND_S)
    return ticket.record


def _is_something_missing(record: OrderRecord) -> bool:
    if record.fills:
        return any(fill.commission is None for fill in record.fills)
    return record.status is not OrderStatus.FILLED and record.reject is None


def _came_to_nothing(record: OrderRecord) -> bool:
    """Whether it was refused, or cancelled with nothing filled: nobody here asked for that."""
    if record.status is OrderStatus.CANCELLED:
        return not record.filled_quantity
    return record.status in (OrderStatus.REJECTED, OrderStatus.INACTIVE)


def _show_order(record: OrderRecord, shown: Shown, *, is_dry_run: bool) -> None:
    if shown.as_json:
        shown.one({**order_of_record(record), **({"dry_run": True} if is_dry_run else {})})
    else:
        shown.lines([f"{'dry run, nothing is real: ' if is_dry_run else ''}{record}"])


def _show_what_if(found: WhatIf, shown: Shown) -> None:
    if shown.as_json:
        shown.one(
            attrs.asdict(found, filter=lambda one, _: one.name not in ("contract", "order", "order_id"))
        )
        return
    shown.lines(_what_if_lines(found))


def _what_if_lines(found: WhatIf) -> Iterator[str]:
    for name in ("initial", "maintenance", "equity"):
        change = getattr(found.margins, name)
        if change.is_known:
            yield (
                f"{name.capitalize():<12} {_amount(change.before)} -> {_amount(change.after)} "
                f"({_amount(change.change)}) {found.margin_currency}".rstrip()
            )
    if found.commission is not None:
        yield f"Commission   {_amount(found.commission)} {found.commission_currency}".rstrip()
    elif found.min_commission is not None or found.max_commission is not None:
        span = f"{_amount(found.min_commission)} to {_amount(found.max_commission)}"
        yield f"Commission   {span} {found.commission_currency}".rstrip()
    if found.warning:
        yield f"Warning      {found.warning}"
    yield "Nothing was placed."


def _amount(value: Any) -> str:  # noqa: ANN401 - a Decimal or None
    return "?" if value is None else f"{value:,.2f}"


# ── cancel ──────────────────────────────────────────────────────────────────────────────────────


def cancel(
    *,
    order_ids: Annotated[
        list[int] | None, typer.Argument(metavar="ORDER", help="Order ids of this client id.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="All active orders of this client id.")] = False,
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.TradingClientId = 1,
    timeout: given.Timeout = 10.0,
    journal: given.KeptJournal = None,
    as_json: given.AsJson = False,
    mask_accounts: given.MaskAccounts = False,
    debug: given.Debug = False,
) -> None:
    """Cancel orders, and wait for the broker's word.

    Only the client that placed an order can cancel it, and while its program runs its client id is taken:
    let that program do it, or use `ibkr-core halt`, which cancels everything.
    """
    del debug
    if bool(order_ids) == everything:
        raise InvalidInput("ORDER", "name order ids, or say --all" + (", not both" if everything else ""))
    way = _Way(place=given.Place(host, port, timeout), client_id=client_id, journal=journal)
    with _trading(way) as engine:
        refused: list[OrderStateError] = []
        asked = engine.cancel_all() if everything else _cancel_each(engine, order_ids or [], refused)
        ends = [_end_of(engine, record, timeout) for record in asked]
    shown = Shown.like(as_json=as_json, mask_accounts=mask_accounts)
    if ends or not refused or as_json:
        shown.rows([order_of_record(record) for record in ends], ORDER_COLUMNS, "no active orders")
    for error in refused:
        complain(str(error), advice(error))
    alive = [record for record in ends if not record.is_finished]
    if alive:
        complain(
            f"not confirmed in {timeout:g} s: {', '.join(str(one.order_id) for one in alive)}",
            "they may still fill; look with `ibkr-core orders --open`",
        )
        fail(ExitCode.UNCERTAIN)
    filled = [one for one in ends if one.status is OrderStatus.FILLED]
    if filled:
        complain(f"filled before the cancel came: {', '.join(str(one.order_id) for one in filled)}")
    if filled or refused:
        fail(ExitCode.REFUSED)


def _cancel_each(
    engine: Engine, order_ids: Iterable[int], refused: list[OrderStateError]
) -> tuple[OrderRecord, ...]:
    """Ask for each cancel: one that cannot be must not keep the others from being asked for."""
    asked = []
    for order_id in order_ids:
        try:
            asked.append(engine.cancel(order_id))
        except OrderStateError as error:
            refused.append(error)
    return tuple(asked)


def _end_of(engine: Engine, record: OrderRecord, timeout_s: float) -> OrderRecord:
    with busy(f"waiting for the broker to confirm the cancel of order {record.order_id}"):
        try:
            return engine.ticket(record.order_id).wait(timeout_s=timeout_s)
        except WaitTimeout:
            return engine.order(record.order_id)


# ── halt, release ───────────────────────────────────────────────────────────────────────────────


def halt(
    *,
    reason: Annotated[str, typer.Argument(metavar="REASON", help="For whoever reads it at night.")],
    host: given.Host = "127.0.0.1",
    port: given.Port = 4002,
    client_id: given.TradingClientId = 1,
    timeout: given.Timeout = 10.0,
    journal: given.KeptJournal = None,
    as_json: given.AsJson = False,
    debug: given.Debug = False,
) -> None:
    """Cancel EVERY order of EVERY client and of TWS itself, and wait until the broker confirms it.

    Positions stay as they are. A program that runs is not stopped by it and may send new orders: stop it too.
    With --journal the halt is also written there: the engine with that journal refuses new orders from its
    next start on, until `ibkr-core release`.
    """
    del debug
    if not reason.strip():
        raise InvalidInput("REASON", "say why: it is kept")
    failure: ConnectionFailed | None = None
    found: dict[str, Any] = {"confirmed": False, "left": None}
    try:
        found = _cancel_everything(given.Place(host, port, timeout), reason, timeout)
    except ConnectionFailed as error:
        failure = error  # the journal is told all the same: its engine must not go on
    if found["confirmed"] and not as_json:
        typer.echo("The broker confirms: no order works any more. Positions are as they were.")
    is_kept = journal is not None and _keep_halt(journal, client_id, reason)
    if as_json:
        Shown(as_json=True).one({**found, "kept_in_journal": is_kept})
    elif is_kept:
        typer.echo(f"Kept in {journal}: new orders are refused until `ibkr-core release`.")
    if failure is not None:
        raise failure
    if not found["confirmed"]:
        complain(f"not confirmed in {timeout:g} s", "look with `ibkr-core orders --open`, and halt again")
        fail(ExitCode.UNCERTAIN)
    if journal is not None and not is_kept:
        fail(ExitCode.FILES)


def _cancel_everything(place: given.Place, reason: str, timeout_s: float) -> dict[str, Any]:
    with looking(place, None) as engine, busy("cancelling everything"):
        engine.halt(reason)
        is_flat = engine.wait_flat(timeout_s)
        left = [record for record in engine.active_orders() if record.is_working]
    return {"confirmed": is_flat, "left": len(left)}


def _keep_halt(journal: Path, client_id: int, reason: str) -> bool:
    """Write the halt into a journal that nobody uses; say why where that cannot be."""
    if not journal.exists():  # a new one would be halted, and no engine
        complain(f"the halt is not kept: there is no journal {journal}", "name the one that the engine keeps")
        return False
    try:
        with Engine(client_id, journal=journal) as engine:
            engine.halt(reason)
            _check_written(engine)
    except JournalInUse as used:
        complain(
            f"the halt is not kept: {used}",
            "that program runs on and may send new orders: stop it, or have it call engine.halt()",
        )
        return False
    except JournalError as error:
        complain(f"the halt is not kept: {error}")
        return False
    return True


def _check_written(engine: Engine) -> None:
    """Raise where the journal could not be written: the engine itself only tells an event of it."""
    if engine.journal is not None and engine.journal.failure is not None:
        raise engine.journal.failure


def release(
    *,
    journal: Annotated[
        Path,
        typer.Option(
            "--journal",
            metavar="FILE",
            dir_okay=False,
            envvar="IBKR_CORE_JOURNAL",
            help="The journal in which the halt is kept.",
        ),
    ],
    client_id: given.TradingClientId = 1,
    as_json: given.AsJson = False,
    debug: given.Debug = False,
) -> None:
    """Lift a halt that is kept in a journal. The engine must not run; no gateway is needed."""
    del debug
    if not journal.exists():
        raise FileNotFoundError(f"there is no journal {journal}")
    with Engine(client_id, journal=journal) as engine:
        was_halted = engine.is_halted
        engine.release()
        _check_written(engine)
    if as_json:
        Shown(as_json=True).one({"was_halted": was_halted})
    else:
        typer.echo("Released: new orders are taken again." if was_halted else "It was not halted.")
