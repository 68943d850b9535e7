"""Lines off a file descriptor, while something else goes on."""

from __future__ import annotations

import os
import queue
import signal
import threading

from ibkr_core.cli.typed import read_lines, reading


def test_lines_come_whole_however_they_are_cut() -> None:
    """The last one need not end; bytes that are no text do no harm."""
    ours, theirs = os.pipe()
    for part in (b"AAPL 1", b"89.90 190\nhalt", b" AAPL\r\n\n", b"\xff\nquit"):
        os.write(theirs, part)
    os.close(theirs)
    found: list[str] = []
    read_lines(ours, found.append)
    os.close(ours)
    assert found == ["AAPL 189.90 190", "halt AAPL", "", "\ufffd", "quit"]


def test_what_cannot_be_read_has_no_lines() -> None:
    """As a terminal that listens to another job."""
    ours, theirs = os.pipe()
    os.close(theirs)
    os.close(ours)
    found: list[str] = []
    read_lines(ours, found.append)
    assert found == []


def test_lines_are_read_meanwhile_and_signals_are_put_back() -> None:
    """Reading does not hold up the block, nor does the block's end wait for more lines."""
    before = signal.getsignal(signal.SIGTTIN)
    ours, theirs = os.pipe()
    found: queue.SimpleQueue[str] = queue.SimpleQueue()
    with reading(ours, found.put):
        os.write(theirs, b"orders\n")
        assert found.get(timeout=30) == "orders"
        assert signal.getsignal(signal.SIGTTIN) is signal.SIG_IGN
    assert signal.getsignal(signal.SIGTTIN) is before
    os.close(theirs)
    for thread in threading.enumerate():
        if thread.name == "typed":
            thread.join(30)
    os.close(ours)


def test_nothing_is_read_where_nothing_is_wanted() -> None:
    """No thread, no signal."""
    with reading(None, print):
        assert not [thread for thread in threading.enumerate() if thread.name == "typed"]
