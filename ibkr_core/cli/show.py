"""Rows of what was found: as an aligned table for people, as JSON for programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, tzinfo
from decimal import Decimal
from enum import Enum
from typing import Any, Final, NoReturn

import attrs
import typer
from rich.text import Text

from ibkr_core.cli.codes import ExitCode
from ibkr_core.cli.shell import make_console
from ibkr_core.logs.fields import AccountMask, exact_text

__all__ = ["Column", "Row", "Shown", "fail", "plain", "table"]

Row = Mapping[str, Any]
"""What was found of one thing: by its name in JSON."""

_GAP: Final = 2
"""Blanks between two columns."""

_STYLES: Final[Mapping[str, str]] = {
    "FILLED": "green",
    "CANCELLED": "yellow",
    "REJECTED": "red",
    "UNKNOWN": "bold red",
    "INACTIVE": "yellow",
}


@attrs.frozen
class Column:
    """One column of a table.

    Attributes:
        name: The row's field.
        title: What stands above it.
        is_number: Whether it is aligned to the right.
        rank: On a screen that is too narrow, the column with the highest rank is left out first; one of rank
            0 never is.
    """

    name: str
    title: str
    is_number: bool = False
    rank: int = 0


@attrs.frozen(kw_only=True)
class Shown:
    """How to show what was found.

    Attributes:
        as_json: As JSON.
        mask: Hides account numbers; None for no need.
        zone: In which zone times are shown; JSON has them in UTC.
    """

    as_json: bool = False
    mask: AccountMask | None = None
    zone: tzinfo = UTC

    @classmethod
    def like(cls, *, as_json: bool, mask_accounts: bool, zone: tzinfo = UTC) -> Shown:
        """Make one from a command's options."""
        return cls(as_json=as_json, mask=AccountMask() if mask_accounts else None, zone=zone)

    def rows(self, rows: Iterable[Row], columns: Sequence[Column], nothing: str) -> None:
        """Show rows; ``nothing`` is what is said where there are none."""
        hidden = [self.hide(row) for row in rows]
        if self.as_json:
            self._print_json([_without_nothing(plain(row)) for row in hidden])
        elif not hidden:
            typer.echo(nothing)
        else:
            self.lines(table(hidden, columns, self.zone))

    def one(self, value: Mapping[str, Any]) -> None:
        """Show one thing as JSON."""
        self._print_json(plain(self.hide(value)))

    def lines(self, lines: Iterable[Text | str]) -> None:
        """Show lines for people, each as long as it is."""
        console = make_console()
        for line in lines:
            shown = line if isinstance(line, Text) else Text(line)
            console.print(self._hide_text(shown), soft_wrap=True)

    def hide(self, row: Row) -> Row:
        """Return a row without account numbers, where those are to be hidden."""
        return row if self.mask is None else self.mask(dict(row))

    def hidden(self, text: str) -> str:
        """Return a text without account numbers, where those are to be hidden."""
        return str(self.hide({"text": text})["text"])

    def _hide_text(self, line: Text) -> Text:
        hidden = self.hidden(line.plain)
        return line if hidden == line.plain else Text(hidden, line.style)

    @staticmethod
    def _print_json(value: object) -> None:
        typer.echo(json.dumps(value, indent=2))


def fail(code: ExitCode) -> NoReturn:
    """End the command with a code; what is wrong has been said."""
    sys.stdout.flush()
    raise typer.Exit(int(code))


def plain(value: object) -> Any:  # noqa: ANN401 - whatever JSON has
    """Turn a value into what JSON has; numbers that are no counts become exact text."""
    match value:
        case None | bool() | int() | float() | str():  # of floats there are spans of time alone
            return value
        case Decimal():
            return exact_text(value)
        case datetime():
            return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
        case date():
            return value.isoformat()
        case Enum():
            return value.value
        case Mapping():
            return {str(name): plain(one) for name, one in value.items()}
        case Iterable():
            return [plain(one) for one in value]
        case _:
            return str(value)


def _without_nothing(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if value not in (None, "", [], {})}


def table(
    rows: Sequence[Row], columns: Sequence[Column], zone: tzinfo, width: int | None = None
) -> list[Text]:
    """Align rows under their titles; columns in which nothing stands are left out.

    With a ``width``, so are those that matter least, until the rest fits: a number that is cut off is a
    wrong number.
    """
    cells = {one.name: [_cell(row.get(one.name), zone) for row in rows] for one in columns}
    used = [one for one in columns if any(cells[one.name])]
    widths = {one.name: max(len(one.title), *map(len, cells[one.name])) for one in used}
    while width is not None and sum(widths[one.name] + _GAP for one in used) - _GAP > width:
        least = max(one.rank for one in used)
        if not least:
            break
        used = [one for one in used if one.rank != least]
    lines = [_line([(one.title, "bold") for one in used], used, widths)]
    for number in range(len(rows)):
        texts = [cells[one.name][number] for one in used]
        lines.append(_line([(text, _STYLES.get(text, "")) for text in texts], used, widths))
    return lines


def _line(cells: Sequence[tuple[str, str]], columns: Sequence[Column], widths: Mapping[str, int]) -> Text:
    line = Text()
    for place, ((text, style), column) in enumerate(zip(cells, columns, strict=True)):
        width = widths[column.name]
        is_last = place == len(columns) - 1
        shown = text.rjust(width) if column.is_number else text if is_last else text.ljust(width)
        line.append(" " * _GAP if place else "").append(shown, style)
    line.rstrip()
    return line


def _cell(value: object, zone: tzinfo) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else ""
        case datetime():
            return f"{value.astimezone(zone):%Y-%m-%d %H:%M:%S}"
        case Decimal():
            return exact_text(value) or ""
        case Mapping():
            return ", ".join(f"{_cell(one, zone)} {name}" for name, one in value.items())
        case Enum():
            return str(value.value)
        case _:
            return " ".join("".join(c if c.isprintable() else " " for c in str(value)).split())
