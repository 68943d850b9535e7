"""`ibkr-core journal`: looks at a journal, checks it, and writes its tables to files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from ibkr_core.cli import options as given
from ibkr_core.cli.codes import ExitCode
from ibkr_core.cli.export import TABLES, export_table
from ibkr_core.cli.shell import busy, complain
from ibkr_core.cli.show import Shown, fail
from ibkr_core.errors import InvalidInput
from ibkr_core.journal import JournalReader

__all__ = ["app"]

app = typer.Typer(
    name="journal",
    help="Look at a journal, check it, or write its tables to CSV and Parquet files.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
)

File = Annotated[
    Path,
    typer.Argument(metavar="FILE", dir_okay=False, envvar="IBKR_CORE_JOURNAL", help="The journal."),
]
_MIB: Final = 1 << 20


@app.command(epilog="Example: `ibkr-core journal show orders.db`")
def show(
    file: File,
    as_json: given.AsJson = False,
    debug: given.Debug = False,
) -> None:
    """Tell what a journal holds: whose it is, its runs, how much is in it, whether trading is halted."""
    del debug
    with JournalReader(file) as reader:
        found = _overview(reader)
    shown = Shown(as_json=as_json)
    if as_json:
        shown.one(found)
        return
    counts = found["counts"]
    held = f"{counts['fills']} fills, {counts['events']} events, {counts['inputs']} inputs"
    shown.lines(
        [
            f"Journal    {found['path']}, {found['size'] / _MIB:,.1f} MiB, schema {found['schema']}",
            f"Client     {found['client_id']}, highest order id {found['high_water']}",
            f"Made       {found['created_at']}",
            f"Holds      {counts['orders']} orders ({found['open_orders']} open), {held}",
            f"Newest     {found['newest_event'] or 'no event'}",
            f"Halted     {found['halted'] or 'no'}",
            *(["Dry run    yes: nothing in it was real"] if found["dry_run"] else []),
            f"Last runs  {len(found['runs'])}",
            *(
                f"  {run['epoch']}: {run['started_at']} to {run['closed_at'] or 'open or killed'}, "
                f"process {run['pid']}, ibkr_core {run['version']}"
                for run in found["runs"]
            ),
        ]
    )


def _overview(reader: JournalReader) -> dict[str, Any]:
    meta = dict(reader.query("SELECT name, value FROM meta"))
    names = ("epoch", "started_at", "closed_at", "pid", "version")
    runs = reader.query(f"SELECT {', '.join(names)} FROM runs ORDER BY epoch DESC LIMIT 5")  # noqa: S608 - our own names
    tables = ("orders", "fills", "events", "inputs")
    files = [Path(f"{reader.path}{ending}") for ending in ("", "-wal", "-intents")]
    return {
        "path": reader.path,
        "size": sum(one.stat().st_size for one in files if one.exists()),
        "schema": reader.query("PRAGMA user_version")[0][0],
        "client_id": meta.get("client_id"),
        "high_water": meta.get("high_water"),
        "created_at": meta.get("created_at"),
        "counts": {one: reader.query(f"SELECT count(*) FROM {one}")[0][0] for one in tables},  # noqa: S608 - our own tables
        "open_orders": reader.query("SELECT count(*) FROM open_orders")[0][0],
        "newest_event": reader.query("SELECT max(at) FROM events")[0][0],
        "halted": reader.state("halted") or None,
        "dry_run": reader.state("dry run") is not None,
        "runs": [dict(zip(names, run, strict=True)) for run in runs],
    }


@app.command(epilog="Example: `ibkr-core journal check orders.db --json`")
def check(
    file: File,
    as_json: given.AsJson = False,
    debug: given.Debug = False,
) -> None:
    """Read a whole journal, and report everything that is damaged. Ends with 1 where something is."""
    del debug
    with busy(f"reading {file}"), JournalReader(file) as reader:
        report = reader.check()
    shown = Shown(as_json=as_json)
    if as_json:
        names = ("is_sound", "problems", "inputs", "orders", "fills", "events", "size")
        shown.one({name: getattr(report, name) for name in names})
    else:
        counts = (
            f"{report.inputs} inputs, {report.orders} orders, {report.fills} fills, {report.events} events"
        )
        shown.lines([*report.problems, f"{counts}: {'undamaged' if report.is_sound else 'DAMAGED'}"])
    if not report.is_sound:
        complain(
            f"{len(report.problems)} problems in {file}",
            "keep the file; restore a backup, or start with a new one: docs/journal.md says what that costs",
        )
        fail(ExitCode.FAILED)


@app.command(
    epilog="Examples:  \n`ibkr-core journal export orders.db fills fills.csv`  \n"
    "`ibkr-core journal export orders.db events events.parquet --force`"
)
def export(
    file: File,
    name: Annotated[str, typer.Argument(metavar="TABLE", help="orders, fills or events.")],
    output: Annotated[
        Path, typer.Argument(metavar="OUTPUT", help="A .csv or .parquet file; - is standard output (CSV).")
    ],
    force: Annotated[bool, typer.Option("--force", help="Replace the output where it is there.")] = False,
    debug: given.Debug = False,
) -> None:
    """Write a table of a journal to a file, also while the engine runs.

    Prices, quantities and money stay exact: they are text. Parquet needs the extra: pip install
    "ibkr-core[parquet]".
    """
    del debug
    if name not in TABLES:
        raise InvalidInput("TABLE", f"must be one of {', '.join(TABLES)}, not {name!r}")
    if str(output) != "-" and output.exists() and not force:
        raise InvalidInput("OUTPUT", f"{output} is there already; say --force to replace it")
    with JournalReader(file) as reader:
        count = export_table(reader, name, output)
    if str(output) != "-":
        typer.echo(f"{count} {name} written to {output}", err=True)
