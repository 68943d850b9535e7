"""Tables of medians and ratios with their spread, and the machine that they were measured on."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["console", "doing", "machine", "ratios", "show", "spread", "tell_missing", "write_json"]

_WIDTH = 170


def console() -> Console:
    """Return where to print: wide enough for the tables where it is no terminal."""
    made = Console()
    return made if made.is_terminal else Console(width=_WIDTH)


@contextlib.contextmanager
def doing(where: Console, what: str) -> Iterator[Callable[[str], None]]:
    """Show what goes on while it does: in one line on a terminal, else line by line with the time of day.

    Yields:
        What shows how far it has come.
    """
    if where.is_terminal:
        with where.status(what) as status:
            yield status.update
        return

    def say(words: str) -> None:
        where.print(f"{time.strftime('%H:%M:%S')}  {words}", markup=False, highlight=False)

    say(what)
    yield say


def tell_missing(where: Console, missing: Mapping[str, str]) -> None:
    """Say who does not take part, and why."""
    for name, why in missing.items():
        where.print(f"[yellow]missing:[/] {name}: ", end="")
        where.print(why, markup=False, highlight=False)


def machine() -> dict[str, Any]:
    """Describe where the figures come from."""
    processor = platform.processor() or platform.machine()
    about = Path("/proc/cpuinfo")
    if about.exists():
        lines = about.read_text(encoding="utf-8").splitlines()
        processor = next(
            (line.partition(":")[2].strip() for line in lines if "model name" in line), processor
        )
    return {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "python": sys.version.split()[0],
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor,
        "cores": os.cpu_count(),
        "load": list(os.getloadavg()) if hasattr(os, "getloadavg") else None,
    }


def spread(values: Sequence[float], form: str = ",.0f") -> str:
    """Say a median with the lowest and the highest."""
    return f"{statistics.median(values):{form}}  ({min(values):{form}} .. {max(values):{form}})"


def ratios(these: Sequence[float], those: Sequence[float]) -> list[float]:
    """Divide round by round: what a noisy machine does to a round it does to both."""
    return [one / other for one, other in zip(these, those, strict=True)]


def show(where: Console, title: str, headings: Sequence[str], rows: Mapping[str, Sequence[str]]) -> None:
    """Print a table; the first heading is that of the rows' names."""
    table = Table(title=title, title_justify="left")
    for number, heading in enumerate(headings):
        table.add_column(heading, justify="right" if number else "left", no_wrap=True)
    for name, cells in rows.items():
        table.add_row(name, *cells)
    where.print(table)


def write_json(path: Path | None, measure: str, figures: Mapping[str, Any]) -> None:
    """Write the figures of a run where a path was given."""
    if path is not None:
        whole = {"measure": measure, "command": " ".join(sys.argv), "machine": machine(), **figures}
        path.write_text(json.dumps(whole, indent=2) + "\n", encoding="utf-8")
