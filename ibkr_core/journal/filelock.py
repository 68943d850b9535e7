"""A lock that the kernel drops when its process dies: one engine per journal, also after kill -9.

The lock is on a file of its own beside the journal, never on the journal itself: closing any descriptor
of an SQLite file drops all of SQLite's own locks in that process.
"""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Final

if sys.platform == "win32":  # pragma: no cover - the other branch runs here
    import msvcrt
else:
    import fcntl

__all__ = ["FileLock", "Held"]

_PID_BYTES: Final = 32


class Held(Exception):
    """Somebody else holds the lock.

    Attributes:
        pid: Who, None where the file does not tell.
    """

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        super().__init__(f"held by process {pid}")


class FileLock:
    """Holds a lock file, with our process id in it, until :meth:`release`.

    The file stays when the lock is released: removing it could pull it away under the next holder.

    Args:
        path: The lock file; made when it is missing.

    Raises:
        Held: Another process, or another lock object of this one, holds it.
        OSError: The file cannot be made or opened.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._descriptor: int | None = os.open(
            path, os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0), 0o644
        )
        try:
            _lock(self._descriptor)
        except OSError:
            pid = _written_pid(self._descriptor)
            self._close()
            raise Held(pid) from None
        try:
            os.ftruncate(self._descriptor, 0)
            os.pwrite(self._descriptor, f"{os.getpid()}\n".encode(), 0)
        except OSError:  # a full disk, for one
            self._close()
            raise

    def release(self) -> None:
        """Let it go. May be called again."""
        if self._descriptor is not None:
            with contextlib.suppress(OSError):
                os.ftruncate(self._descriptor, 0)
            self._close()

    def _close(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def _written_pid(descriptor: int) -> int | None:
    text = os.pread(descriptor, _PID_BYTES, 0).strip()
    return int(text) if text.isdigit() else None


def _lock(descriptor: int) -> None:
    """Take the lock, or raise OSError at once.

    ``flock`` and not ``lockf``: it belongs to the open file, so a second engine in this same process
    is refused too, and closing some other descriptor of the file does not drop it.
    """
    if sys.platform == "win32":  # pragma: no cover - the other branch runs here
        os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # far behind the pid, which others must be able to read
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
    else:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
