"""What every test shares: the hypothesis profiles, the matrix selection, and no thread left behind."""

from __future__ import annotations

import functools
import os
import re
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

TESTS = Path(__file__).parent

MATRIX = ("link/", "engine/test_engine_")
"""Tests whose path begins so run with every supported ibapi, as do tests marked ``matrix``."""

ORACLES = re.compile(
    r"^\s*(?:from|import) (?:ibapi|wire\.(?:arguments|official_compare|sent))\b", re.MULTILINE
)
"""Tests of the wire that import one of these ask the official client; the others are the same with each."""

ONCE = ("engine/test_engine_agreement",)
"""Hours of random trading prove the engine; they take long, and ``make test`` has them."""

THREAD_PATIENCE_S = 10.0
"""A thread that was told to stop may need a moment on a busy machine."""

# Time is no criterion: a slow machine must not fail a property.
settings.register_profile("dev", deadline=None, print_blob=True, suppress_health_check=[HealthCheck.too_slow])
# The same commit tries the same examples, so that a submission fails for what it changed.
settings.register_profile("ci", settings.get_profile("dev"), derandomize=True, database=None)
# Four times over: the breadth comes from "ci", here it is the ibapi that differs.
settings.register_profile("matrix", settings.get_profile("ci"), max_examples=10)
settings.register_profile("deep", settings.get_profile("dev"), max_examples=5000)
settings.load_profile("ci" if os.environ.get("CI") else "dev")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the tests that belong to the matrix, before ``-m`` selects."""
    for item in items:
        if item.path.is_relative_to(TESTS) and needs_every_ibapi(item.path):
            item.add_marker("matrix")


@functools.cache
def needs_every_ibapi(path: Path) -> bool:
    """Whether the outcome of a file's tests may depend on which ibapi is installed."""
    name = path.relative_to(TESTS).as_posix()
    if name.startswith("wire/"):
        return ORACLES.search(path.read_text(encoding="utf-8")) is not None
    return name.startswith(MATRIX) and not name.startswith(ONCE)


@pytest.fixture(autouse=True)
def _no_thread_left_behind() -> Iterator[None]:
    """Fail the test that leaves a thread running."""
    before = set(threading.enumerate())
    yield
    started = [thread for thread in threading.enumerate() if thread not in before]
    for thread in started:
        thread.join(THREAD_PATIENCE_S)
    left = [thread.name for thread in started if thread.is_alive()]
    if left:
        pytest.fail(f"threads left behind: {', '.join(left)}")
