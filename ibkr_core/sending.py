"""Small helpers of the engine: holding the send lock, and checking arguments."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ibkr_core.errors import InvalidInput

__all__ = ["Sending", "check_time", "describe", "type_name"]


class Sending:
    """Holds the send lock while the session is ready, and delivers what was posted once it is released."""

    __slots__ = ("_check", "_deliver", "_lock")

    def __init__(self, lock: threading.Lock, check: Callable[[], None], deliver: Callable[[], None]) -> None:
        self._lock = lock
        self._check = check
        self._deliver = deliver

    def __enter__(self) -> None:
        self._lock.acquire()
        try:
            self._check()
        except BaseException:
            self._lock.release()
            raise

    def __exit__(self, *_: object) -> None:
        self._lock.release()
        self._deliver()


def describe(error: BaseException) -> str:
    """Put an exception into words, also one whose own text raises."""
    try:
        return f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - a user's exception may do anything when it is asked for its text
        return type(error).__name__


def type_name(value: object) -> str:
    """Return the full name of a value's type: two classes may share a short one."""
    return f"{type(value).__module__}.{type(value).__qualname__}".removeprefix("builtins.")


def check_time(argument: str, seconds: float, *, least: float = 0.001) -> None:
    """Raise unless an argument is a usable number of seconds.

    Raises:
        InvalidInput: It is not.
    """
    is_number = isinstance(seconds, int | float) and not isinstance(seconds, bool)
    if not is_number or not least <= seconds < threading.TIMEOUT_MAX:
        raise InvalidInput(argument, f"must be a number of seconds of at least {least}, not {seconds!r}")
