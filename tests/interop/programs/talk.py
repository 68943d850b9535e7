"""What the peers' programs share: waiting, a log that keeps what is said, and the report. No project code."""

from __future__ import annotations

import json
import logging
import sys
import threading
import time
from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0
"""After so long a wait has failed; nothing depends on how fast it really is."""


class Log(logging.Handler):
    """Everything that a client logs, through the root logger at the most talkative level."""

    def __init__(self) -> None:
        super().__init__(logging.DEBUG)
        self.records: list[logging.LogRecord] = []
        root = logging.getLogger()
        root.setLevel(logging.DEBUG)
        root.addHandler(self)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.records.append(record)

    def lines(self, *, level: int = logging.DEBUG, words: tuple[str, ...] = ()) -> list[str]:
        """What was logged at a level or above, or with one of the words in it, whatever its level.

        Args:
            level: Of the ``logging`` module.
            words: In lower case.
        """
        found = []
        for record in list(self.records):
            text = record.getMessage()
            if record.exc_info is not None and record.exc_info[1] is not None:
                text += f" [{record.exc_info[1]!r}]"
            if record.levelno >= level or any(word in text.lower() for word in words):
                found.append(f"{record.levelname} {record.name}: {text}")
        return found


class Callbacks:
    """What arrived, in order; any thread may note, any thread may wait."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._more = threading.Condition()

    def note(self, name: str, *args: Any) -> None:
        """Keep one callback."""
        with self._more:
            self.calls.append((name, args))
            self._more.notify_all()

    def of(self, name: str) -> list[tuple[Any, ...]]:
        """The arguments of every callback of a name, so far."""
        with self._more:
            return [args for called, args in self.calls if called == name]

    def wait(self, name: str, fits: Callable[..., bool] = lambda *_: True, since: int = 0) -> tuple[Any, ...]:
        """The arguments of the first callback of a name that fits, when it has come.

        Raises:
            TimeoutError: It did not come.
        """
        deadline = time.monotonic() + PATIENCE_S
        with self._more:
            while True:
                for called, args in self.calls[since:]:
                    if called == name and fits(*args):
                        return args
                if not self._more.wait(deadline - time.monotonic()):
                    last = [called for called, _ in self.calls[-20:]]
                    raise TimeoutError(f"no such {name}; the last calls: {last}")


def plain(value: Any) -> Any:
    """A value as JSON takes it: quantities and prices as text, whatever type a client gave them."""
    return str(value) if isinstance(value, Decimal) else value


def report(facts: dict[str, Any]) -> None:
    """Print what was seen, as the one line of standard output that counts."""
    sys.stdout.write(json.dumps(facts, default=plain) + "\n")
    sys.stdout.flush()
