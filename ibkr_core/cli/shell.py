"""What every command shares: consoles, and errors as one clear line."""

from __future__ import annotations

import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperGroup

from ibkr_core.cli.codes import ExitCode, advice, exit_code
from ibkr_core.errors import IbkrError
from ibkr_core.model.said import said

__all__ = ["CommandGroup", "ServerConsole", "busy", "complain", "make_console", "show_traceback"]

_DEBUG: Final = "ibkr_core.debug"


def make_console(*, stderr: bool = False) -> Console:
    """Return a console for standard output or error as they are now.

    Colours are off where it is no terminal, or where the environment says ``NO_COLOR``.
    """
    return Console(stderr=stderr, highlight=False)


class ServerConsole(Console):
    """A console that nobody has to read: a server goes on when its reader has left."""

    def on_broken_pipe(self) -> None:
        """Say no more, and do not end the program, as the usual console does."""
        self.quiet = True
        with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - no path, a device
            os.dup2(nowhere.fileno(), sys.stdout.fileno())


def complain(text: str, hint: str = "") -> None:
    """Say on standard error what went wrong, in one line, and what to do about it, in another."""
    console = make_console(stderr=True)
    console.print(Text.assemble(("error: ", "bold red"), said(text)), soft_wrap=True)
    if hint:
        console.print(Text.assemble(("hint: ", "bold"), said(hint)), soft_wrap=True)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Show on standard error that something takes its time, for as long as the block lasts.

    Only on a terminal: a script's log has no use for it.
    """
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield
        return
    with console.status(Text(f"{what} ...")):
        yield


def show_traceback(ctx: typer.Context, value: bool) -> bool:
    """Take the option ``--debug``, wherever on the line it stands."""
    ctx.meta[_DEBUG] = value or ctx.meta.get(_DEBUG, False)
    return value


class CommandGroup(TyperGroup):
    """Commands whose errors are one line and a non-zero exit, or a traceback with ``--debug``."""

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - the context's class is typer's own matter
        """Run the command that was named."""
        try:
            return super().invoke(ctx)
        except (typer.Abort, BrokenPipeError):  # who read it has left: the parser ends quietly
            raise
        except KeyboardInterrupt:
            complain("interrupted")
            raise typer.Exit(int(ExitCode.INTERRUPTED)) from None
        except Exception as error:
            # Exits and usage errors know their exit code; the parser tells of them well enough.
            if hasattr(error, "exit_code"):
                raise
            if ctx.meta.get(_DEBUG):
                traceback.print_exception(error)
            complain(_words(error), advice(error))
            raise typer.Exit(int(exit_code(error))) from error


def _words(error: Exception) -> str:
    """Say what went wrong; of a file its name first, and no number that only a programmer knows."""
    if isinstance(error, OSError) and error.strerror and not isinstance(error, IbkrError):
        name = f"{error.filename}: " if error.filename else ""
        return f"{name}{error.strerror}"
    return str(error) or type(error).__name__
