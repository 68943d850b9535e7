"""Options that many commands have: where the gateway is, which files, how to show what was found."""

from __future__ import annotations

from datetime import UTC, date, datetime, tzinfo
from pathlib import Path
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

import attrs
import typer

from ibkr_core.cli.shell import show_traceback
from ibkr_core.errors import InvalidInput

__all__ = [
    "LONGEST_S",
    "AsJson",
    "CheckedJournal",
    "CheckedLogDir",
    "ClientId",
    "Day",
    "Debug",
    "Host",
    "Journal",
    "KeptJournal",
    "Live",
    "LogDir",
    "MaskAccounts",
    "Place",
    "Port",
    "Symbol",
    "Timeout",
    "TradingClientId",
    "ZoneName",
    "find_day",
    "find_zone",
]

_CONNECTION: Final = "Connection"
_OUTPUT: Final = "Output"
LONGEST_S: Final = 2_592_000
"""No command waits for more than thirty days: every system has a longest wait."""

Debug = Annotated[
    bool,
    typer.Option("--debug", callback=show_traceback, help="Show the whole traceback of an error."),
]
Host = Annotated[
    str,
    typer.Option(
        "--host",
        envvar="IBKR_CORE_HOST",
        help="Where TWS or IB Gateway runs.",
        rich_help_panel=_CONNECTION,
    ),
]
Port = Annotated[
    int,
    typer.Option(
        "--port",
        min=1,
        max=65535,
        metavar="PORT",
        envvar="IBKR_CORE_PORT",
        help="Its API port: 4002 Gateway paper, 4001 Gateway live, 7497 TWS paper, 7496 TWS live.",
        rich_help_panel=_CONNECTION,
    ),
]
ClientId = Annotated[
    int | None,
    typer.Option(
        "--client-id",
        min=0,
        metavar="N",
        help="API client id for looking. By default one of its own, so that it is in nobody's way.",
        rich_help_panel=_CONNECTION,
    ),
]
TradingClientId = Annotated[
    int,
    typer.Option(
        "--client-id",
        min=0,
        metavar="N",
        envvar="IBKR_CORE_CLIENT_ID",
        help="API client id that owns the order: only the same one can change or cancel it later.",
        rich_help_panel=_CONNECTION,
    ),
]
Timeout = Annotated[
    float,
    typer.Option(
        "--timeout",
        min=0.1,
        max=LONGEST_S,
        metavar="S",
        envvar="IBKR_CORE_TIMEOUT",
        help="Seconds to wait for the connection, and for each answer.",
        rich_help_panel=_CONNECTION,
    ),
]


def _journal(text: str) -> Any:  # noqa: ANN401 - typer's own class, which it does not name
    return typer.Option(
        "--journal",
        metavar="FILE",
        dir_okay=False,
        envvar="IBKR_CORE_JOURNAL",
        help=text,
        rich_help_panel=_CONNECTION,
    )


def _log_dir(text: str) -> Any:  # noqa: ANN401 - likewise
    return typer.Option(
        "--log-dir", metavar="DIR", envvar="IBKR_CORE_LOG_DIR", help=text, rich_help_panel=_CONNECTION
    )


Journal = Annotated[
    Path | None,
    _journal("Read this journal instead of connecting, also while its engine runs."),
]
KeptJournal = Annotated[
    Path | None,
    _journal("Write what is done into this journal; no engine may have it open meanwhile."),
]
CheckedJournal = Annotated[Path | None, _journal("Check this journal too, also while its engine runs.")]
LogDir = Annotated[Path | None, _log_dir("Read the event log of this folder instead.")]
CheckedLogDir = Annotated[Path | None, _log_dir("Check the folder of this event log too.")]
Live = Annotated[
    bool,
    typer.Option(
        "--live", help="Ask the gateway, also where a journal is named.", rich_help_panel=_CONNECTION
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead.", rich_help_panel=_OUTPUT)]
MaskAccounts = Annotated[
    bool,
    typer.Option(
        "--mask-accounts",
        envvar="IBKR_CORE_MASK_ACCOUNTS",
        help="Hide account numbers, but for their ends.",
        rich_help_panel=_OUTPUT,
    ),
]
Symbol = Annotated[
    str | None, typer.Option("--symbol", metavar="NAME", help="Only of this instrument, such as AAPL.")
]
Day = Annotated[
    str | None,
    typer.Option("--day", metavar="DAY", help="Only of this day: 2026-11-21, or today."),
]
ZoneName = Annotated[
    str,
    typer.Option(
        "--zone",
        metavar="ZONE",
        envvar="IBKR_CORE_ZONE",
        help="Time zone of days and times, such as America/New_York.",
        rich_help_panel=_OUTPUT,
    ),
]


@attrs.frozen
class Place:
    """Where a gateway is.

    Attributes:
        host: Its host.
        port: Its port.
        timeout_s: How long to wait for it, in seconds.
    """

    host: str
    port: int
    timeout_s: float

    def __str__(self) -> str:
        """``127.0.0.1:4002``."""
        return f"{self.host}:{self.port}"


def find_zone(name: str) -> tzinfo:
    """Return the time zone of a name.

    Raises:
        InvalidInput: There is none.
    """
    if name.upper() == "UTC":
        return UTC
    try:
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise InvalidInput("--zone", f"is no time zone: {name!r}; try America/New_York or UTC") from None


def find_day(text: str | None, zone: tzinfo) -> date | None:
    """Read a day as people write it; None for none.

    Raises:
        InvalidInput: It is no day.
    """
    if text is None:
        return None
    if text.lower() == "today":
        return datetime.now(zone).date()
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InvalidInput("--day", f"must be a day such as 2026-11-21, or today; not {text!r}") from None
