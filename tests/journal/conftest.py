"""What tests of the journal share."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.journal.making import ManualClock


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where a journal may be made."""
    return tmp_path / "journal.sqlite"


@pytest.fixture
def clock() -> ManualClock:
    """A clock that stands still until it is told to move."""
    return ManualClock()
