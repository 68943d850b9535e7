"""Commands of the simulated gateway: the demo, and the gateway as a server of its own."""

from __future__ import annotations

import contextlib
import datetime as dt
import json
import sys
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

import typer

from ibkr_core.cli.demo import DemoScreen, DemoSetup, run_demo
from ibkr_core.cli.options import Debug
from ibkr_core.cli.screen import SilentScreen, TerminalScreen
from ibkr_core.cli.serve import serve
from ibkr_core.cli.shell import ServerConsole, make_console
from ibkr_core.cli.wirelog import WireLog
from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import MarketSettings, PriceFile, Settings, SimulatedGateway, choose
from ibkr_core.gateway.core import supported_versions
from ibkr_core.gateway.faults import FaultPlan, read_plan

__all__ = ["app"]

app = typer.Typer(pretty_exceptions_enable=False, rich_markup_mode="markdown")

Seed = Annotated[
    int, typer.Option("--seed", help="Decides every random thing: the same seed, the same prices.")
]
ServerVersion = Annotated[
    int | None,
    typer.Option(
        "--server-version",
        metavar="N",
        help="Speak at most this version of the wire protocol, as an older gateway would. "
        f"{supported_versions()[0]} to {supported_versions()[-1]}; up to 200 it is the text protocol.",
    ),
]

FaultFile = Annotated[
    Path | None,
    typer.Option(
        "--faults",
        metavar="FILE",
        help="What goes wrong, by chance or at a given moment: a TOML or JSON file, as docs/faults.md "
        "describes it. The shortest one says only: nasty = 0.5",
    ),
]

Accounts = Annotated[
    list[str] | None,
    typer.Option("--account", metavar="CODE", help="Account code; repeat it for several."),
]
JsonLog = Annotated[
    Path | None,
    typer.Option(
        "--json-log",
        metavar="FILE",
        dir_okay=False,
        help="Add a JSON line to FILE for each request and answer that passes.",
    ),
]

Symbols = Annotated[
    str | None,
    typer.Option(
        "--symbols",
        metavar="LIST",
        help="What can be traded: AAPL,MSFT offers these alone, with their options and futures; "
        "XYZ=12.50 makes a stock that opens at this price; +XYZ=12.50 adds it to all there is.",
    ),
]
Prices = Annotated[
    Path | None,
    typer.Option(
        "--prices",
        metavar="FILE",
        dir_okay=False,
        help="Replay prices from a CSV or Parquet file: columns time, symbol and bid, ask, bid_size, "
        "ask_size or price, size. Its first row is now; at the end prices stay; what is not in it "
        "walks.",
    ),
]
Speed = Annotated[
    float,
    typer.Option("--speed", metavar="X", help="Prices move, and files are replayed, X times faster."),
]
Stdin = Annotated[
    bool,
    typer.Option(
        "--stdin", help="Take commands from standard input even where it is no terminal; send it help."
    ),
]

KeptIn = Annotated[
    Path | None,
    typer.Option(
        "--state",
        metavar="FILE",
        dir_okay=False,
        help="Keep accounts, orders, executions and ids in FILE; the next start goes on from there. "
        "It survives kill -9. Made if it is not there; FILE.lock keeps a second gateway away from it.",
    ),
]


def _up_to(newest: int | None) -> Collection[int] | None:
    known = supported_versions()
    if newest is None:
        return None
    if newest not in known:
        text = f"{newest} is not between {known[0]} and {known[-1]}"
        raise typer.BadParameter(text, param_hint="'--server-version'")
    return range(known[0], newest + 1)


def _plan(path: Path | None) -> FaultPlan:
    if path is None:
        return FaultPlan.none()
    try:
        return read_plan(path)
    except InvalidInput as error:
        raise typer.BadParameter(str(error), param_hint="'--faults'") from error


@app.command()
def demo(
    seed: Seed = 0,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead.")] = False,
    log_dir: Annotated[
        Path | None,
        typer.Option(
            "--log-dir",
            metavar="DIR",
            file_okay=False,
            help="Write each event as a JSON line to DIR/orders_YYYYMMDD.log.",
        ),
    ] = None,
    server_version: ServerVersion = None,
    debug: Debug = False,
) -> None:
    """Watch real orders travel over TCP into an order book, and check every number of it.

    It starts a simulated IB Gateway on this machine, connects the engine through the official client, and
    plays five steps: a market order filled in parts, a limit order modified and cancelled, a bracket, an OCA
    pair, and two orders that are refused.

    It exits with 0 only if every order ended as it should and the engine's numbers are the gateway's own;
    otherwise it says what differs and exits with 1.
    """
    del debug
    screen: DemoScreen = SilentScreen() if as_json else TerminalScreen(make_console())
    outcome = run_demo(DemoSetup(seed=seed, versions=_up_to(server_version), log_dir=log_dir), screen)
    if as_json:
        typer.echo(json.dumps(outcome.as_json(), indent=2))
    raise typer.Exit(0 if outcome.ok else 1)


@app.command()
def gateway(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int,
        typer.Option(
            "--port", min=0, max=65535, metavar="PORT", help="Port to listen on; 0 takes a free one."
        ),
    ] = 4002,
    seed: Seed = 0,
    account: Accounts = None,
    still: Annotated[
        bool, typer.Option("--still", help="Prices stay where they open, instead of moving.")
    ] = False,
    symbols: Symbols = None,
    prices: Prices = None,
    speed: Speed = 1.0,
    stdin: Stdin = False,
    faults: FaultFile = None,
    state: KeptIn = None,
    json_log: JsonLog = None,
    server_version: ServerVersion = None,
    debug: Debug = False,
) -> None:
    """Run a simulated IB Gateway, for any program that uses the official API, until Ctrl-C.

    Nothing real is traded: prices come from a random walk, and the account opens with one million dollars.
    On a terminal you can type commands: AAPL 189.90 190.00 sets a price, help lists them all.
    4002 is the port on which IB Gateway serves paper accounts, so most programs connect without a change.

    There is no password. Keep it on 127.0.0.1 unless everyone who can reach the address may trade on it.
    """
    del debug
    accounts = tuple(account) if account else Settings().accounts
    settings = Settings(accounts=accounts, market=MarketSettings(moves=not still, speed=speed))
    played = _price_file(prices)
    server = SimulatedGateway(
        port,
        host=host,
        seed=seed,
        settings=settings,
        catalogue=None if symbols is None else choose(symbols),
        versions=_up_to(server_version),
        faults=_plan(faults),
        state=state,
    )
    if played is not None:
        server.replay(played)
    with _wire_log(json_log, server):
        serve(
            server,
            ServerConsole(highlight=False),
            seed=seed,
            accounts=accounts,
            prices=_about_prices(prices, speed),
            commands=_commands(stdin),
        )


def _price_file(path: Path | None) -> PriceFile | None:
    try:
        return None if path is None else PriceFile(path)
    except OSError as error:
        raise InvalidInput("--prices", f"cannot read {path}: {error.strerror or error}") from error


def _about_prices(prices: Path | None, speed: float) -> str:
    return "" if prices is None else f"Prices come from {prices}, {speed:g} times as fast as they came."


@contextlib.contextmanager
def _wire_log(path: Path | None, server: SimulatedGateway) -> Iterator[None]:
    if path is None:
        yield
        return
    with WireLog(path, lambda: dt.datetime.now(dt.UTC)) as log:
        server.watch(log)
        yield


def _commands(wanted: bool) -> int | None:
    """Where commands come from: a terminal, or whatever standard input is if somebody wants it."""
    if sys.stdin is None or not (wanted or sys.stdin.isatty()):
        return None
    return sys.stdin.fileno()
