"""A message is a value."""

from __future__ import annotations

import attrs
import pytest

from ibkr_core.wire.message import Message


def test_messages_are_values() -> None:
    """Equal by content, without fields by default, and not to be changed."""
    assert Message("reqIds") == Message("reqIds", {})
    assert Message("reqIds", {"numIds": 1}) != Message("reqIds")
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Message("reqIds").kind = "other"  # type: ignore[misc]
