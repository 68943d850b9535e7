"""Tables of a journal as CSV and Parquet files."""

from __future__ import annotations

import csv
import errno
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, TextIO

from rich.progress import Progress

from ibkr_core.cli.shell import make_console
from ibkr_core.errors import InvalidInput, MissingExtra
from ibkr_core.journal import JournalReader

__all__ = ["TABLES", "export_table"]

TABLES: Final[Mapping[str, str]] = MappingProxyType({"orders": "id", "fills": "exec", "events": "number"})
"""What can be written, and by which column it is read in portions."""
_PORTION: Final = 10_000
_PARQUET: Final = frozenset({".parquet", ".pq"})
_CSV: Final = frozenset({".csv", ""})
_WHOLE: Final = frozenset(
    "id order_id perm_id client_id con_id revision order_row liquidity parent_id reject_code retry_count "
    "number epoch seq".split()
)
_TRUTHS: Final = frozenset({"is_ours", "is_finished", "is_leg", "is_allocation"})
Rows = Sequence[tuple[Any, ...]]


def export_table(reader: JournalReader, table: str, output: Path) -> int:
    """Write a table to a file: whole, or not at all.

    Args:
        reader: The journal.
        table: One of :data:`TABLES`.
        output: The file; ``-`` is standard output.

    Returns:
        How many rows there are.

    Raises:
        InvalidInput: The file's ending says no format.
        MissingExtra: Parquet is wanted, and pyarrow is not installed.
        OSError: The file cannot be written.
        JournalError: The journal cannot be read.
    """
    names = [str(row[0]) for row in reader.query("SELECT name FROM pragma_table_info(?)", table)]
    with _progress(reader, table) as told:
        portions = _portions(reader, table, names, told)
        if str(output) == "-":
            return _write_csv(sys.stdout, names, portions)
        ending = output.suffix.lower()
        if ending not in _PARQUET | _CSV:
            raise InvalidInput("OUTPUT", f"must end in .csv or .parquet, not {output.suffix}")
        if not output.parent.is_dir():
            raise FileNotFoundError(errno.ENOENT, "No such file or directory", str(output.parent))
        unfinished = output.with_name(f"{output.name}.unfinished")
        try:
            if ending in _PARQUET:
                count = _write_parquet(unfinished, names, portions)
            else:
                with unfinished.open("w", newline="", encoding="utf-8") as file:
                    count = _write_csv(file, names, portions)
            unfinished.replace(output)
        finally:
            unfinished.unlink(missing_ok=True)
    return count


@contextmanager
def _progress(reader: JournalReader, table: str) -> Iterator[Callable[[int], None]]:
    """Show how far it is, on a terminal alone."""
    console = make_console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    total = int(reader.query(f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 - one of our tables
    with Progress(console=console, transient=True) as bar:
        task = bar.add_task(table, total=total)
        yield lambda count: bar.advance(task, count)


def _portions(
    reader: JournalReader, table: str, names: Sequence[str], told: Callable[[int], None]
) -> Iterator[Rows]:
    """Read a table in portions, so that a long one needs no memory and holds up nobody who writes."""
    key = TABLES[table]
    place = names.index(key)
    columns = ", ".join(f'"{name}"' for name in names)
    after: Any = None
    while True:
        where, values = ("", ()) if after is None else (f" WHERE {key} > ?", (after,))
        statement = f"SELECT {columns} FROM {table}{where} ORDER BY {key} LIMIT {_PORTION}"  # noqa: S608 - our own names
        rows = reader.query(statement, *values)
        if rows:
            yield rows
            told(len(rows))
            after = rows[-1][place]
        if len(rows) < _PORTION:
            return


def _write_csv(file: TextIO, names: Sequence[str], portions: Iterator[Rows]) -> int:
    writer = csv.writer(file, lineterminator="\n")
    writer.writerow(names)
    count = 0
    for rows in portions:
        writer.writerows(rows)
        count += len(rows)
    return count


def _write_parquet(path: Path, names: Sequence[str], portions: Iterator[Rows]) -> int:
    try:
        arrow = importlib.import_module("pyarrow")
        parquet = importlib.import_module("pyarrow.parquet")
    except ImportError:
        raise MissingExtra("parquet", f"writing {path.name.removesuffix('.unfinished')}") from None
    kinds = [_kind(arrow, name) for name in names]
    schema = arrow.schema(list(zip(names, kinds, strict=True)))
    count = 0
    with parquet.ParquetWriter(path, schema) as writer:
        for rows in portions:
            columns = [
                arrow.array([_value(name, row[place]) for row in rows], kinds[place])
                for place, name in enumerate(names)
            ]
            writer.write_table(arrow.table(columns, schema=schema))
            count += len(rows)
    return count


def _kind(arrow: Any, name: str) -> Any:  # noqa: ANN401 - no types there
    if name in _WHOLE:
        return arrow.int64()
    if name in _TRUTHS:
        return arrow.bool_()
    return arrow.timestamp("us", "UTC") if _is_time(name) else arrow.string()


def _is_time(name: str) -> bool:
    return name == "at" or name.endswith("_at")


def _value(name: str, value: Any) -> Any:  # noqa: ANN401 - whatever a column holds
    if value is None:
        return None
    if name in _WHOLE:
        if not isinstance(value, int):  # beyond 64 bits it is text
            raise InvalidInput("OUTPUT", f"{name} {value} has more than 64 bits, so it must be a .csv")
        return value
    if name in _TRUTHS:
        return bool(value)
    return datetime.fromisoformat(value) if _is_time(name) else str(value)
