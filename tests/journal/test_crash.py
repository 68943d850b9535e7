"""kill -9 of a process that writes: every commit that returned is there, and nothing but a prefix."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ibkr_core.journal import Frame, Journal, JournalReader
from ibkr_core.lifecycle.inputs import Cancel
from tests.journal.making import START, ManualClock, open_journal, submit

pytestmark = pytest.mark.system

KILLS = 12

_WRITE = """
import sys
from pathlib import Path
from tests.journal.test_crash import payload
from tests.journal.making import *
journal = open_journal(Path(sys.argv[1]), start_writer=True, batch_s=0.0005)
for _ in journal.entries():
    pass
while True:
    index = journal.record(payload(journal.recorded + 1), START, 0, None)
    if index % 3 == 0:
        journal.commit(index)
        print(index, flush=True)
"""


def payload(index: int) -> Frame | Cancel:
    """Return what is recorded under an index: by it everything can be checked."""
    if index % 3 == 0:
        return Cancel(index)
    return Frame(187, b"%d " % index * (index % 50))


def run_and_kill(path: Path, after: int) -> int:
    """Have a process write until it has told of some commits; kill it; return the newest that it told."""
    root = Path(__file__).parents[2]
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", _WRITE, path],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": str(root)},
    ) as process:
        assert process.stdout is not None
        for _ in range(after):
            line = process.stdout.readline()
            assert line, "the writing process failed"
        process.send_signal(signal.SIGKILL)
        rest = process.stdout.read()
        process.wait()
    whole = (line + rest).split(b"\n")[:-1]
    return int(whole[-1])


def test_every_commit_survives_kill_9(tmp_path: Path) -> None:
    """Again and again on one file, at random moments, during checkpoints too."""
    seed = random.randrange(2**32)  # noqa: S311 - no secret
    print(f"seed {seed}")
    chance = random.Random(seed)  # noqa: S311 - no secret
    path = tmp_path / "journal.sqlite"
    for run in range(1, KILLS + 1):
        told = run_and_kill(path, chance.choice((1, 2, 10, 300, 1_000)))
        with JournalReader(path) as reader:
            entries = list(reader.inputs())
            runs = reader.query("SELECT epoch, closed_at FROM runs ORDER BY epoch")
        assert [entry.index for entry in entries] == list(range(1, len(entries) + 1))
        assert len(entries) >= told
        assert all(entry.payload == payload(entry.index) for entry in entries[-3_000:])
        assert runs == [(epoch, None) for epoch in range(1, run + 1)]
    with open_journal(path) as journal:
        assert journal.check().is_sound


def test_a_process_that_dies_while_it_makes_a_journal_leaves_none(tmp_path: Path) -> None:
    """Half a journal never has the name of one."""
    path = tmp_path / "journal.sqlite"
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom ibkr_core.journal import schema\n"
        "from tests.journal.making import *\n"
        "schema.run_script = lambda *_: os.kill(os.getpid(), 9)\nopen_journal(Path(sys.argv[1]))"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script, path], check=False, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert done.returncode == -signal.SIGKILL
    assert not path.exists()
    with open_journal(path) as journal:
        assert journal.epoch == 1


def test_an_order_is_known_after_the_crash(tmp_path: Path) -> None:
    """The intent, its key and the high-water mark, without a clean end."""
    path = tmp_path / "journal.sqlite"
    script = (
        "import os, sys\nfrom pathlib import Path\nfrom tests.journal.making import *\n"
        "journal = open_journal(Path(sys.argv[1]))\njournal.record(submit(41), START, 0)\njournal.commit()\n"
        "journal.record(submit(42), START, 0)\nos.kill(os.getpid(), 9)"
    )
    root = Path(__file__).parents[2]
    subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script, path], check=False, env=os.environ | {"PYTHONPATH": str(root)}
    )
    journal: Journal
    with open_journal(path, ManualClock()) as journal:
        assert [entry.payload for entry in journal.entries()] == [submit(41)]
        assert journal.high_water == 41
        assert journal.knows_key("key-41") == 41
        assert journal.knows_key("key-42") is None
        assert next(journal.entries()).at == START
