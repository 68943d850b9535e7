"""Defaults of the commands, from a file: so that nobody types host and port every day.

The file is TOML, with one table::

    [connection]
    host = "127.0.0.1"
    port = 4002
    client_id = 1
    journal = "/var/lib/trading/orders.db"
    log_dir = "/var/lib/trading/logs"
    zone = "America/New_York"
    mask_accounts = true

What the command line says goes before the environment, and that before the file.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import typer

from ibkr_core.errors import InvalidInput

__all__ = ["CONFIG_VARIABLE", "config_path", "read_config"]

CONFIG_VARIABLE: Final = "IBKR_CORE_CONFIG"
"""The environment variable that names another file."""

_KNOWN: Final[Mapping[str, type]] = {
    "host": str,
    "port": int,
    "client_id": int,
    "journal": str,
    "log_dir": str,
    "timeout": float,
    "zone": str,
    "mask_accounts": bool,
}
_WORDS: Final[Mapping[type, str]] = {
    int: "a whole number",
    float: "a number",
    str: "text",
    bool: "true or false",
}


def config_path(environment: Mapping[str, str] = os.environ) -> Path:
    """Return where the file is looked for."""
    named = environment.get(CONFIG_VARIABLE)
    return Path(named) if named else Path(typer.get_app_dir("ibkr-core")) / "config.toml"


def read_config(path: Path, *, must_exist: bool = False) -> dict[str, Any]:
    """Read the file; no file means no defaults.

    Args:
        path: The file.
        must_exist: Whether it was asked for by name.

    Returns:
        The values by the names of the commands' parameters.

    Raises:
        InvalidInput: It is no TOML, or says what nobody understands.
        OSError: It cannot be read.
    """
    try:
        with path.open("rb") as file:
            told = tomllib.load(file)
    except FileNotFoundError:
        if must_exist:
            raise
        return {}
    except tomllib.TOMLDecodeError as error:
        raise InvalidInput(str(path), f"is no TOML: {error}") from None
    unknown = sorted(told.keys() - {"connection"})
    if unknown:
        raise InvalidInput(str(path), f"has a table [connection] alone, not {', '.join(unknown)}")
    values = told.get("connection", {})
    if not isinstance(values, dict):
        raise InvalidInput(str(path), "has a table [connection], not a value of that name")
    for name, value in values.items():
        _check(path, name, value)
    return dict(values)


def _check(path: Path, name: str, value: object) -> None:
    kind = _KNOWN.get(name)
    if kind is None:
        raise InvalidInput(str(path), f"[connection] knows {', '.join(_KNOWN)}, not {name}")
    fits = type(value) is kind or (kind is float and type(value) is int)
    if not fits:
        raise InvalidInput(str(path), f"{name} must be {_WORDS[kind]}, not {value!r}")
