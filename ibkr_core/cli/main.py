"""The ``ibkr-core`` command: its subcommands and their options."""

from __future__ import annotations

import importlib
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from typer.main import get_command

from ibkr_core._version import __version__
from ibkr_core.cli import acting, books, looking
from ibkr_core.cli.config import CONFIG_VARIABLE, config_path, read_config
from ibkr_core.cli.doctor import doctor
from ibkr_core.cli.options import Debug
from ibkr_core.cli.shell import CommandGroup
from ibkr_core.cli.watch import watch

__all__ = ["app", "run"]

SIMULATED: Final = ("demo", "gateway")
"""Commands of the simulated gateway, which takes longer to import than all the rest."""


class _Commands(CommandGroup):
    """All commands; those of the simulated gateway are imported only when somebody wants them."""

    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ANN401 - the context's class is typer's own matter
        """Name all commands."""
        return [*SIMULATED, *super().list_commands(ctx)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ANN401 - as above
        """Return the command of a name."""
        if cmd_name not in SIMULATED:
            return super().get_command(ctx, cmd_name)
        group: Any = get_command(importlib.import_module("ibkr_core.cli.simulated").app)
        return group.commands[cmd_name]


app = typer.Typer(
    name="ibkr-core",
    cls=_Commands,
    help="Order execution for Interactive Brokers, and a simulated IB Gateway to try it on.",
    epilog="Start with **ibkr-core demo**. It needs no account and sends nothing anywhere.",
    add_completion=True,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)


def _show_version(value: bool) -> None:
    if value:
        typer.echo(f"ibkr-core {__version__} (Python {platform.python_version()})")
        raise typer.Exit


@app.callback()
def _main(
    context: typer.Context,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            dir_okay=False,
            help="Defaults for host, port, journal and the like; docs/cli.md describes it.",
        ),
    ] = None,
    debug: Debug = False,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    del debug, version  # their callbacks have seen to them
    is_named = config is not None or CONFIG_VARIABLE in os.environ
    values = read_config(config if config is not None else config_path(), must_exist=is_named)
    for_looking = {name: value for name, value in values.items() if name != "client_id"}
    context.default_map = {name: values if name in ACTING else for_looking for name in (*LOOKING, *ACTING)}


Commands = Mapping[str, tuple[Callable[..., None], tuple[str, ...]]]

LOOKING: Final[Commands] = {
    "orders": (looking.orders, ("orders --open", "orders --journal orders.db --json")),
    "fills": (looking.fills, ("fills --day today --zone America/New_York", "fills --order 7")),
    "positions": (looking.positions, ("positions --port 4001 --mask-accounts",)),
    "history": (looking.history, ("history 7 --journal orders.db", "history --log-dir logs --type ERROR")),
    "summary": (looking.summary, ("summary --journal orders.db", "summary --day 2026-11-20 --json")),
    "watch": (watch, ("watch --journal orders.db", "watch --once", "watch --json | jq .event")),
    "doctor": (doctor, ("doctor --port 4001 --journal orders.db", "doctor --offline --json")),
}
"""Commands that change nothing, with examples."""
ACTING: Final[Commands] = {
    "place": (
        acting.place,
        (
            "place BUY 100 AAPL --limit 190.50",
            "place SELL 1 SPY --sec-type OPT --expiry 20261218 --strike 600 --right C --what-if",
        ),
    ),
    "cancel": (acting.cancel, ("cancel 7 8 --client-id 1", "cancel --all")),
    "halt": (acting.halt, ('halt "the strategy runs wild" --journal orders.db',)),
    "release": (acting.release, ("release --journal orders.db",)),
}
"""Commands that act, with examples."""


def _register(commands: Commands, panel: str) -> None:
    for name, (command, examples) in commands.items():
        shown = "  \n".join(f"`ibkr-core {example}`" for example in examples)
        title = "Example" if len(examples) == 1 else "Examples"
        app.command(name, epilog=f"{title}:  \n{shown}", rich_help_panel=panel)(command)


_register(LOOKING, "Look")
_register(ACTING, "Act")
app.add_typer(books.app, rich_help_panel="Look")


def run() -> None:
    """Run the command of this process's command line."""
    app(prog_name="ibkr-core")
