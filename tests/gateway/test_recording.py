"""Recorded streams of order callbacks: whole, told to the right client, and readable by it."""

from __future__ import annotations

from collections import Counter

import pytest

from ibkr_core.gateway.core import supported_versions
from ibkr_core.gateway.recording import record
from ibkr_core.wire.codec import decode_answer
from ibkr_core.wire.framing import FrameBuffer
from ibkr_core.wire.message import Message


def messages(data: bytes, version: int) -> list[Message]:
    """The decoded frames of a stream."""
    buffer = FrameBuffer()
    buffer.feed(data)
    found = [decode_answer(bytes(body), version) for body in buffer.frames()]
    assert len(buffer) == 0
    return found


@pytest.mark.parametrize(
    "version", [version for version in (157, 200, 226) if version in supported_versions()]
)
def test_a_recording_tells_whole_orders(version: int) -> None:
    """Every order is acknowledged, filled and paid for, and nothing else is said."""
    recording = record(250, version, client_id=7)
    said = messages(recording.data, version)
    assert (recording.orders, recording.server_version) == (250, version)
    assert recording.messages == len(said)
    kinds = Counter(one.kind for one in said)
    assert set(kinds) == {"openOrder", "orderStatus", "execDetails", "commissionReport"}
    assert kinds["execDetails"] == kinds["commissionReport"] == 250
    filled = {
        one.fields["orderId"]
        for one in said
        if one.kind == "orderStatus" and one.fields["status"] == "Filled" and one.fields["clientId"] == 7
    }
    assert filled == set(range(1, 251))


def test_the_same_seed_records_the_same_bytes() -> None:
    """A benchmark can be repeated."""
    assert record(20, 176, 1, seed=4) == record(20, 176, 1, seed=4)
    assert record(20, 176, 1, seed=4) != record(20, 176, 1, seed=5)
