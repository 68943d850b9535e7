"""The bytes of the benchmarks say what the benchmarks check for afterwards."""

from __future__ import annotations

import itertools
from decimal import Decimal

import pytest

from benchmarks.feed import CALLBACKS_PER_ORDER, Crowd, burst, end_mark, exec_id, frames
from benchmarks.terms import END_MARK, FIRST_ID, QUANTITY, terms
from ibkr_core.wire.codec import decode_answer
from ibkr_core.wire.message import Message

VERSIONS = (157, 178, 200, 225, 226)


def decoded(data: bytes, version: int) -> list[Message]:
    """Cut a stream and decode every frame."""
    found, position = [], 0
    while position < len(data):
        end = position + 4 + int.from_bytes(data[position : position + 4], "big")
        found.append(decode_answer(data[position + 4 : end], version))
        position = end
    return found


@pytest.mark.parametrize("version", VERSIONS)
def test_an_orders_callbacks_fill_it_in_two_parts_and_pay_for_both(version: int) -> None:
    """Four statuses, two executions, two commissions; quantities and money add up to the terms."""
    order_id = FIRST_ID + 5
    its, told = terms(order_id), decoded(burst(range(order_id, order_id + 1), version), version)
    assert len(told) == CALLBACKS_PER_ORDER
    kinds = [message.kind for message in told]
    assert (kinds.count("orderStatus"), kinds.count("execDetails"), kinds.count("commissionReport")) == (
        4,
        2,
        2,
    )
    executions = [m.fields["execution"] for m in told if m.kind == "execDetails"]
    assert [e["execId"] for e in executions] == [exec_id(order_id, 1), exec_id(order_id, 2)]
    assert sum(Decimal(e["shares"]) for e in executions) == QUANTITY == Decimal(executions[-1]["cumQty"])
    paid = [m.fields["commissionAndFees"] for m in told if m.kind == "commissionReport"]
    assert sum(Decimal(str(p)) for p in paid) == its.commission
    last = [m for m in told if m.kind == "orderStatus"][-1].fields
    assert (last["status"], Decimal(last["filled"]), Decimal(last["remaining"])) == ("Filled", QUANTITY, 0)


def test_nautilus_gets_the_same_bytes_as_those_who_speak_one_version_more() -> None:
    """It stops at 225; a comparison on the same bytes has to be one."""
    ids = range(FIRST_ID, FIRST_ID + 3)
    assert burst(ids, 225) == burst(ids, 226)


def test_orders_differ_so_that_nothing_is_gained_by_remembering_the_last_one() -> None:
    """Symbols, prices, parts and commissions change from order to order."""
    several = [terms(order_id) for order_id in range(FIRST_ID, FIRST_ID + 100)]
    for look in (lambda t: t.symbol, lambda t: t.prices, lambda t: t.parts, lambda t: t.commissions):
        assert len({look(one) for one in several}) >= 20
        assert all(look(one) != look(other) for one, other in itertools.pairwise(several))


def test_a_crowd_tells_of_its_models_what_a_burst_tells() -> None:
    """The quick copies and the careful originals are the same bytes where both exist."""
    ids = range(10_000_000, 10_000_020)
    crowd = Crowd(ids.start, 178)
    assert crowd.tell(ids) == burst(ids, 178)
    told = [list(frames(range(i, i + 1), 178)) for i in ids]
    assert crowd.tell_again(ids) == b"".join(one[n] for one in told for n in (2, 4, 5, 7))


def test_a_crowd_gives_every_order_ids_of_its_own() -> None:
    """Beyond the models the terms repeat, the ids do not."""
    first, far = 10_000_000, 10_987_654
    told = decoded(Crowd(first, 178).tell([first, far]), 178)
    mine = [m.fields for m in told[CALLBACKS_PER_ORDER:]]
    assert {f["orderId"] for f in mine if "orderId" in f} == {far}
    assert {f["permId"] for f in mine if "permId" in f} == {terms(far).perm_id}
    executions = [f["execution"] for f in mine if "execution" in f]
    assert [e["execId"] for e in executions] == [exec_id(far, 1), exec_id(far, 2)]
    assert {(e["orderId"], e["permId"], e["orderRef"]) for e in executions} == {
        (far, terms(far).perm_id, terms(far).key)
    }
    assert [f["execId"] for f in mine if "commissionAndFees" in f] == [exec_id(far, 1), exec_id(far, 2)]


@pytest.mark.parametrize("version", VERSIONS)
def test_the_end_mark_is_a_time_that_no_clock_shows(version: int) -> None:
    """Every contestant knows it by its value."""
    (mark,) = decoded(end_mark(version), version)
    assert (mark.kind, mark.fields["currentTime"]) == ("currentTime", END_MARK)
