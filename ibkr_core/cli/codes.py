"""Exit codes, and what to do about an error, in words."""

from __future__ import annotations

import enum
from typing import Final

from ibkr_core import errors

__all__ = ["ExitCode", "advice", "exit_code"]


class ExitCode(enum.IntEnum):
    """With what a command ends; ``docs/cli.md`` lists them."""

    OK = 0
    FAILED = 1
    """Something went wrong that none of the others names, or a check found a fault."""
    USAGE = 2
    """The command line, the configuration or an argument makes no sense; nothing was sent."""
    NO_CONNECTION = 3
    """The gateway cannot be reached, or is not ready; or `gateway` cannot have its address."""
    REFUSED = 4
    """The broker, a limit or the order's state refused it."""
    UNCERTAIN = 5
    """It took too long, or the connection failed on the way: look before you try again."""
    FILES = 6
    """A journal, a log or another file cannot be read or written."""
    INTERRUPTED = 130
    """Ctrl-C: 128 and the number of the signal, as shells have it."""


_CODES: Final[tuple[tuple[tuple[type[BaseException], ...], ExitCode], ...]] = (
    ((KeyboardInterrupt,), ExitCode.INTERRUPTED),
    ((errors.SendFailed, errors.WaitTimeout), ExitCode.UNCERTAIN),
    ((errors.ConnectionFailed, errors.EngineClosed), ExitCode.NO_CONNECTION),
    (
        (errors.OrderStateError, errors.TradingHalted, errors.RequestRefused, errors.InquiryFailed),
        ExitCode.REFUSED,
    ),
    ((errors.RiskRefused,), ExitCode.REFUSED),
    ((errors.InvalidInput,), ExitCode.USAGE),
    ((errors.JournalError, errors.StateFileError), ExitCode.FILES),
    ((errors.IbkrError,), ExitCode.FAILED),
    ((OSError,), ExitCode.FILES),
)
"""The first that fits counts; a ConnectionFailed is an OSError too."""

_ADVICE: Final[tuple[tuple[type[BaseException], str], ...]] = tuple(
    (kind, " ".join(text.split()))
    for kind, text in (
        (
            errors.GatewayUnreachable,
            """name its place with --host and --port: 4002 Gateway paper, 4001 Gateway live, 7497 TWS paper,
            7496 TWS live; `ibkr-core gateway` serves a simulated one""",
        ),
        (
            errors.ClientIdInUse,
            "another program is connected with this client id; choose one with --client-id",
        ),
        (
            errors.HandshakeFailed,
            """see whether TWS waits for a click on 'Accept incoming connection', and whether this address is
            among its trusted IPs; `ibkr-core doctor` looks at everything""",
        ),
        (
            errors.SendFailed,
            "nobody knows yet whether it arrived: look with `ibkr-core orders` before trying again",
        ),
        (errors.TradingHalted, "`ibkr-core release` lifts the halt"),
        (
            errors.JournalInUse,
            "reading it is possible meanwhile: orders, fills, history, summary, watch",
        ),
        (
            errors.OrderNotOurs,
            """only the client that placed an order can change or cancel it: name it with --client-id,
            or use `ibkr-core halt`, which cancels everything""",
        ),
    )
)


def exit_code(error: BaseException) -> ExitCode:
    """Return with which code a command ends that failed so."""
    return next((code for kinds, code in _CODES if isinstance(error, kinds)), ExitCode.FAILED)


def advice(error: BaseException) -> str:
    """Return what to do about an error; empty where its own text says enough."""
    return next((text for kind, text in _ADVICE if isinstance(error, kind)), "")
