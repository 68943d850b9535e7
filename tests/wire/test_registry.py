"""Every kind has a table or a reason not to have one, and every table compiles at every version."""

from __future__ import annotations

import pytest

from ibkr_core.wire.ids import ANSWER_IDS, REQUEST_IDS
from ibkr_core.wire.registry import Direction, answers, plan_for, requests
from wire.oracle import HIGHEST, LOWEST

PROTOBUF_ONLY = {
    "cancelContractData",
    "cancelHistoricalTicks",
    "reqConfig",
    "updateConfig",
    "configResponse",
    "updateConfigResponse",
}


def test_every_kind_is_known() -> None:
    """An id without a form would be an UnknownMessage at run time."""
    assert set(requests().by_name) == set(REQUEST_IDS)
    assert set(answers().by_name) == set(ANSWER_IDS)


@pytest.mark.parametrize("direction", [requests(), answers()], ids=["requests", "answers"])
def test_every_table_compiles_at_every_version(direction: Direction) -> None:
    """Each name in a table is a field of the schema; only kinds born as protobuf have no table."""
    without = set()
    for kind in direction.by_name.values():
        if kind.layout is None:
            without.add(kind.name)
            assert kind.has_protobuf
            assert kind.parts == ()
            with pytest.raises(KeyError):
                plan_for(kind, 226)
            continue
        for version in range(LOWEST, HIGHEST + 1):
            assert plan_for(kind, version).message == kind.message
    assert without == PROTOBUF_ONLY & set(direction.by_name)


def test_a_plan_is_compiled_once() -> None:
    """The hot path finds its plan ready."""
    kind = answers().by_name["orderStatus"]
    assert plan_for(kind, 176) is plan_for(kind, 176)
