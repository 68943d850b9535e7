"""One holder at a time, also within one process, and none after kill -9."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_core.journal.filelock import FileLock, Held

_HOLD = """
import sys
from ibkr_core.journal.filelock import FileLock
lock = FileLock(sys.argv[1])
print("held", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def path(tmp_path: Path) -> str:
    return str(tmp_path / "j.lock")


def test_a_second_lock_of_the_same_process_is_refused(path: str) -> None:
    """Two engines in one program are two engines; the refusal names the process."""
    lock = FileLock(path)
    with pytest.raises(Held) as caught:
        FileLock(path)
    assert caught.value.pid == os.getpid()
    lock.release()


def test_the_refused_one_does_not_break_the_lock(path: str) -> None:
    """Closing its own descriptor drops nothing of the holder's."""
    lock = FileLock(path)
    for _ in range(2):
        with pytest.raises(Held):
            FileLock(path)
    assert Path(path).read_text() == f"{os.getpid()}\n"
    lock.release()


def test_a_released_lock_can_be_taken(path: str) -> None:
    """Releasing twice does no harm, and leaves no process id behind."""
    lock = FileLock(path)
    lock.release()
    assert Path(path).read_text() == ""
    other = FileLock(path)
    lock.release()
    with pytest.raises(Held):
        FileLock(path)
    other.release()


def test_a_killed_process_holds_nothing(path: str) -> None:
    """The kernel drops the lock; a stale process id in the file does not count."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _HOLD, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with pytest.raises(Held) as caught:
            FileLock(path)
        assert caught.value.pid == process.pid
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert Path(path).read_text() == f"{process.pid}\n"
        FileLock(path).release()


def test_a_lock_file_with_nonsense_in_it_still_locks(path: str) -> None:
    """The text is for people; the lock is the kernel's."""
    lock = FileLock(path)
    Path(path).write_text("who knows")
    with pytest.raises(Held) as caught:
        FileLock(path)
    assert caught.value.pid is None
    lock.release()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    """As the system says it."""
    with pytest.raises(FileNotFoundError):
        FileLock(str(tmp_path / "none" / "j.lock"))
