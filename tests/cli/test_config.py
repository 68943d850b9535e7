"""Defaults from a file."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.cli.config import config_path, read_config
from ibkr_core.errors import InvalidInput
from tests.cli.floor import run

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text(encoding="utf-8")


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "config.toml"


def test_no_file_means_no_defaults(file: Path) -> None:
    """Unless it was asked for by name: then it has to be there."""
    assert read_config(file) == {}
    with pytest.raises(FileNotFoundError):
        read_config(file, must_exist=True)


def test_the_example_of_the_page_is_read(file: Path) -> None:
    """docs/cli.md shows a file that works."""
    [example] = re.findall(r"```toml\n(.*?)```", PAGE, re.DOTALL)
    file.write_text(example)
    assert read_config(file).keys() >= {"host", "port", "client_id", "journal", "zone"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("x =", "is no TOML"),
        ("[connections]\n", "has a table [connection] alone, not connections"),
        ("connection = 1", "not a value of that name"),
        ("[connection]\nprot = 1", "knows host, port"),
        ('[connection]\nport = "4002"', "port must be a whole number, not '4002'"),
        ("[connection]\nzone = 5", "zone must be text, not 5"),
        ("[connection]\ntimeout = true", "timeout must be a number, not True"),
        ("[connection]\nmask_accounts = 1", "mask_accounts must be true or false, not 1"),
        ("[connection]\nport = true", "port must be a whole number, not True"),
    ],
)
def test_what_nobody_understands_is_named(file: Path, text: str, words: str) -> None:
    """A slip in the file is no silent default."""
    file.write_text(text)
    with pytest.raises(InvalidInput, match=re.escape(words)) as raised:
        read_config(file)
    assert raised.value.argument == str(file)


def test_where_the_file_is(tmp_path: Path) -> None:
    """A variable names it, or it lies where the system keeps such files."""
    assert config_path({"IBKR_CORE_CONFIG": "mine.toml"}) == Path("mine.toml")
    assert config_path({}).parts[-2:] == ("ibkr-core", "config.toml")


def nothing_at(*arguments: str, **more: Any) -> str:
    """Run a command that finds no gateway, and return where it looked."""
    result = run(*arguments, **more)
    assert result.exit_code == 3, result.output
    found = re.search(r"connections at (\S+)", result.stderr)
    assert found is not None
    return found[1]


def test_the_line_goes_before_the_environment_and_that_before_the_file(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of the three is taken where those before it say nothing."""
    file.write_text('[connection]\nport = 3\nhost = "localhost"\ntimeout = 5\n')
    monkeypatch.setenv("IBKR_CORE_CONFIG", str(file))
    assert nothing_at("orders") == "localhost:3"
    monkeypatch.setenv("IBKR_CORE_PORT", "2")
    assert nothing_at("orders") == "localhost:2"
    assert nothing_at("orders", "--port", "1") == "localhost:1"
    other = file.with_name("other.toml")
    other.write_text("[connection]\nport = 4\n")
    monkeypatch.delenv("IBKR_CORE_PORT")
    assert nothing_at("--config", str(other), "orders") == "127.0.0.1:4"


def test_who_looks_does_not_take_the_trading_client_id(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file's client id is for commands that act: looking with it would push the program out."""
    from ibkr_core.cli import source

    tried: list[int] = []

    class Engine:
        @staticmethod
        def connect(_host: str, _port: int, client_id: int, **_more: Any) -> None:
            tried.append(client_id)
            raise ConnectionError("enough")

    file.write_text("[connection]\nclient_id = 1\n")
    monkeypatch.setenv("IBKR_CORE_CONFIG", str(file))
    monkeypatch.setattr(source, "Engine", Engine)
    run("orders")
    assert tried
    assert min(tried) >= 9000


def test_a_file_that_makes_no_sense_is_explained(file: Path) -> None:
    """Exit code 2, before anything else happens."""
    file.write_text("[connection]\nprot = 1")
    result = run("--config", str(file), "orders")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "knows host, port" in result.stderr
    assert run("--config", str(file.with_name("none")), "orders").exit_code == 6


def test_a_journal_of_the_file_is_read(file: Path) -> None:
    """A path of the file is a path, as one of the line is."""
    file.write_text('[connection]\njournal = "nothing.db"\n')
    result = run("--config", str(file), "orders", "--json")
    assert result.exit_code == 6
    assert "there is no such file" in result.stderr
    assert json.dumps(result.stdout) == '""'
