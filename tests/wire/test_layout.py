"""The table language: versions, paths, conditions."""

from __future__ import annotations

import attrs
import pytest

from ibkr_core.wire.layout import (
    ANY_VERSION,
    Const,
    Flag,
    active,
    blank,
    escaped,
    look_up,
    present,
    zero,
)


def test_a_range_is_half_open() -> None:
    """`since` is in, `until` is out."""
    nodes = (zero("a", since=150), zero("b", until=150), zero("c"))
    assert active(nodes, 149) == (nodes[1], nodes[2])
    assert active(nodes, 150) == (nodes[0], nodes[2])


def test_texts_are_escaped_from_153_on() -> None:
    """At each version exactly one of the two spellings is there, also with bounds of its own."""
    for version in (142, 152, 153, 226):
        assert len(active(escaped("text"), version)) == 1
    late = escaped("text", since=166)
    assert [len(active(late, version)) for version in (152, 153, 165, 166)] == [0, 0, 0, 1]
    early = escaped("text", until=150)
    assert [len(active(early, version)) for version in (149, 150, 152, 153)] == [1, 0, 0, 0]


def test_values_are_looked_up_by_path() -> None:
    """A missing step on the way is nothing, not a fault."""
    scope = {"order": {"tier": {"name": "x"}}, "flat": 5}
    assert look_up(scope, "order.tier.name") == "x"
    assert look_up(scope, "order.other.name") is None
    assert look_up(scope, "flat.name") is None
    assert present("order.tier.name")(scope)
    assert not present("order.hedgeType")(scope)
    assert not present("empty")({"empty": ""})


def test_tables_are_values() -> None:
    """Nobody can change a layout at run time."""
    node = Flag("contract", (blank("x"),), since=3)
    assert (node.since, node.until) == (3, ANY_VERSION)
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        Const("1").text = "2"  # type: ignore[misc]
