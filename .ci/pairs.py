"""Run commands two at a time, and print what each said when it has ended.

Usage: python .ci/pairs.py "make test" "nox matrix" ...
``nox NAME`` stands for every session of that name, each a command of its own. Both cores of a small machine
have work, and the output of one command stays in one piece.
"""

from __future__ import annotations

import json
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed

AT_A_TIME = 2
NOX = [sys.executable, "-m", "nox"]


def commands(wish: str) -> Iterator[tuple[str, list[str]]]:
    """Give each command that a wish stands for, with its name for people."""
    words = shlex.split(wish)
    if words[0] != "nox":
        yield wish, words
        return
    listed = subprocess.run(  # noqa: S603 - our own sessions
        [*NOX, "--list", "--json", "--session", *words[1:]], stdout=subprocess.PIPE, check=True
    )
    for entry in json.loads(listed.stdout):
        yield entry["session"], [*NOX, "--no-color", "--session", entry["session"]]


def run(command: list[str]) -> tuple[int, str, float]:
    """Run a command; give its exit code, what it said, and how many seconds it took."""
    began = time.monotonic()
    done = subprocess.run(  # noqa: S603 - our own commands
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    return done.returncode, done.stdout, time.monotonic() - began


def main(wishes: list[str]) -> int:
    """Run them all, whatever becomes of each; the exit code is 1 when one failed."""
    failed = []
    with ThreadPoolExecutor(AT_A_TIME) as pool:
        running = {pool.submit(run, command): name for wish in wishes for name, command in commands(wish)}
        for ended in as_completed(running):
            code, said, seconds = ended.result()
            verdict = f"FAILED with {code}" if code else "passed"
            print(f"\n== {running[ended]}: {verdict} in {seconds:.0f} s\n{said}", flush=True)
            if code:
                failed.append(running[ended])
    if failed:
        print(f"failed: {', '.join(failed)}", flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
