"""What the console script ``ibkr-core`` runs.

It stands outside the package because importing that takes a moment, and Ctrl-C during it would show a
traceback that nobody asked for.
"""

from __future__ import annotations

import os
import signal
from types import FrameType

__all__ = ["run"]

_INTERRUPTED = 130


def _leave(number: int, frame: FrameType | None) -> None:
    """End at once: nothing is open yet, and nothing was said."""
    del number, frame
    os.write(2, b"error: interrupted\n")
    os._exit(_INTERRUPTED)


def run() -> None:
    """Run the command of this process's command line."""
    # Who started us may have Ctrl-C ignored, as nohup and background jobs do: then it stays so.
    is_usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_usual:
        signal.signal(signal.SIGINT, _leave)
    from ibkr_core.cli.main import run as run_command  # noqa: PLC0415 - that is what takes its time

    if is_usual:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    run_command()
