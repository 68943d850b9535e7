"""The journal's commands: what it holds, whether it is sound, its tables as files."""

from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from ibkr_core.cli import export
from ibkr_core.engine import Engine
from ibkr_core.journal import JournalReader
from ibkr_core.journal.schema import VERSION
from tests.cli.floor import Floor, run, trading

pytestmark = pytest.mark.system


@pytest.fixture(scope="module")
def floor(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with trading(tmp_path_factory.mktemp("floor")) as made:
        yield made


def test_what_a_journal_holds_is_told(floor: Floor) -> None:
    """Whose it is, its runs and its counts, in words and as JSON, while the engine writes it."""
    found = json.loads(run("journal", "show", str(floor.journal), "--json").stdout)
    assert (found["client_id"], found["schema"], found["halted"]) == ("1", VERSION, None)
    assert (found["counts"]["orders"], found["open_orders"], found["counts"]["fills"]) == (2, 1, 1)
    [one] = found["runs"]
    assert (one["epoch"], one["closed_at"]) == (1, None)
    text = run("journal", "show", str(floor.journal)).stdout
    assert "Holds      2 orders (1 open), 1 fills" in text
    assert "open or killed" in text
    assert found["dry_run"] is False
    assert "Dry run" not in text


def test_a_journal_of_a_dry_run_is_called_so(tmp_path: Path) -> None:
    """Nobody takes its fills for real ones."""
    path = str(tmp_path / "dry.db")
    with Engine.dry_run(journal=path):
        pass
    assert json.loads(run("journal", "show", path, "--json").stdout)["dry_run"] is True
    assert "Dry run    yes" in run("journal", "show", path).stdout


def test_a_sound_journal_is_called_so(floor: Floor) -> None:
    """With what was read, and exit code 0."""
    result = run("journal", "check", str(floor.journal))
    assert (result.exit_code, result.stderr) == (0, "")
    assert "2 orders, 1 fills" in result.stdout
    assert result.stdout.endswith("undamaged\n")


def test_a_damaged_journal_fails_the_check(tmp_path: Path) -> None:
    """Each problem is a line; the exit code is 1, and what to do is said."""
    path = tmp_path / "orders.db"
    with Engine(1, journal=path):
        pass
    with sqlite3.connect(path) as raw:
        raw.execute("UPDATE inputs SET checksum = checksum + 1")
    raw.close()
    result = run("journal", "check", str(path))
    assert result.exit_code == 1
    assert "cannot be read: its checksum does not fit" in result.stdout
    assert "hint: keep the file" in result.stderr
    found = json.loads(run("journal", "check", str(path), "--json").stdout)
    assert found["is_sound"] is False
    assert found["problems"]


@pytest.mark.parametrize("table", ["orders", "fills", "events"])
def test_a_table_becomes_a_file(
    floor: Floor, table: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All rows and columns, exactly, also read in portions; the same on standard output."""
    monkeypatch.setattr(export, "_PORTION", 1)
    path = tmp_path / "out.csv"
    result = run("journal", "export", str(floor.journal), table, str(path))
    assert result.exit_code == 0
    names, *rows = list(csv.reader(path.read_text(encoding="utf-8").splitlines()))
    with JournalReader(floor.journal) as reader:
        wanted = reader.query(f"SELECT * FROM {table} ORDER BY {export.TABLES[table]}")  # noqa: S608 - ours
        columns = [str(row[0]) for row in reader.query("SELECT name FROM pragma_table_info(?)", table)]
    assert names == columns
    assert rows == [["" if value is None else str(value) for value in row] for row in wanted]
    assert f"{len(rows)} {table} written to {path}" in result.stderr.replace("\n", "")
    assert run("journal", "export", str(floor.journal), table, "-").stdout == path.read_text(encoding="utf-8")
    assert [one.name for one in tmp_path.iterdir() if one.name.startswith("out")] == ["out.csv"]


def test_a_file_that_is_there_is_replaced_only_when_told(floor: Floor, tmp_path: Path) -> None:
    """And an export that fails leaves it as it was."""
    path = tmp_path / "out.csv"
    path.write_text("mine")
    line = ("journal", "export", str(floor.journal), "fills", str(path))
    result = run(*line)
    assert (result.exit_code, "say --force" in result.stderr, path.read_text()) == (2, True, "mine")
    assert run(*line, "--force").exit_code == 0
    assert path.read_text().startswith("exec,")


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["trades", "x.csv"], 2, "TABLE: must be one of orders, fills, events"),
        (["fills", "x.xlsx"], 2, "OUTPUT: must end in .csv or .parquet, not .xlsx"),
        (["fills", "none/x.csv"], 6, "none: No such file or directory"),
    ],
)
def test_what_cannot_be_written_is_explained(
    floor: Floor, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    """Before anything is made."""
    table, output = arguments
    result = run("journal", "export", str(floor.journal), table, str(tmp_path / output))
    assert (result.exit_code, words in result.stderr) == (code, True), result.stderr


def test_parquet_without_its_extra_says_what_to_install(
    floor: Floor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A plain installation has no pyarrow."""
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    result = run("journal", "export", str(floor.journal), "fills", str(tmp_path / "x.parquet"))
    assert result.exit_code == 1
    assert 'pip install "ibkr-core[parquet]"' in result.stderr
    assert not list(tmp_path.glob("x*"))


@pytest.mark.parametrize("table", ["orders", "fills", "events"])
def test_parquet_keeps_what_the_journal_has(floor: Floor, tmp_path: Path, table: str) -> None:
    """Ids are whole numbers, times are moments in UTC, truths are truths, money is exact text."""
    parquet = pytest.importorskip("pyarrow.parquet")
    path = tmp_path / "x.parquet"
    assert run("journal", "export", str(floor.journal), table, str(path)).exit_code == 0
    rows = parquet.read_table(path).to_pylist()
    text = run("journal", "export", str(floor.journal), table, "-").stdout
    wanted = list(csv.DictReader(io.StringIO(text)))
    assert len(rows) == len(wanted)
    for row, line in zip(rows, wanted, strict=True):
        for name, value in row.items():
            match value:
                case None:
                    assert line[name] == ""
                case bool():
                    assert line[name] == str(int(value))
                case datetime():
                    assert value == datetime.fromisoformat(line[name])
                case _:
                    assert str(value) == line[name]


def test_an_id_beyond_64_bits_is_no_rounded_number() -> None:
    """It is text in the journal; Parquet refuses it, and says to write CSV."""
    with pytest.raises(Exception, match=r"order_id 0x1ffff has more than 64 bits, so it must be a .csv"):
        export._value("order_id", "0x1ffff")
