"""Identity: permId, then orderRef, then (clientId, orderId); never an order id alone."""

from __future__ import annotations

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.lifecycle.index import OrderIndex
from ibkr_core.lifecycle.transitions import Trigger
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import NOW


def entry(order_id: int, client_id: int | None = 1, perm_id: int | None = None, key: str = "") -> OrderEntry:
    """Return an entry with some identities."""
    made = OrderEntry(order_id, status=OrderStatus.PENDING_SUBMIT, is_ours=client_id == 1)
    made.client_id, made.perm_id, made.key = client_id, perm_id, key
    return made


def index(*entries: OrderEntry) -> OrderIndex:
    """Return an index of some entries."""
    made = OrderIndex()
    for one in entries:
        made.add(one)
    return made


def test_the_permanent_id_weighs_most() -> None:
    """Whatever the other ids say (TWS facts 4)."""
    first, second = entry(5, perm_id=100, key="a"), entry(6, perm_id=200, key="b")
    orders = index(first, second)
    assert orders.find(perm_id=200, order_ref="a", order_id=5, client_id=1) is second
    assert orders.by_perm_id(100) is first
    assert orders.by_perm_id(0) is None


def test_the_key_finds_an_order_that_has_no_permanent_id_yet() -> None:
    """It travels in orderRef and comes back with every echo."""
    ours = entry(5, key="a")
    assert index(ours).find(perm_id=100, order_ref="a", order_id=None, client_id=1) is ours


def test_an_order_id_counts_only_with_its_client() -> None:
    """Clients count alike: ids 1, 2, 3 of client 97 stood next to ours (TWS facts 3)."""
    ours, theirs = entry(5, client_id=1), entry(5, client_id=97)
    orders = index(ours, theirs)
    assert orders.find(perm_id=None, order_id=5, client_id=1) is ours
    assert orders.find(perm_id=None, order_id=5, client_id=97) is theirs
    assert orders.find(perm_id=None, order_id=5, client_id=3) is None


def test_a_used_id_with_another_permanent_id_is_another_order() -> None:
    """An order id can come back in a later session."""
    old = entry(5, perm_id=100, key="a")
    assert index(old).find(perm_id=200, order_ref="a", order_id=5, client_id=1) is None


def test_an_order_of_another_client_is_not_taken_for_ours_by_its_label_or_id() -> None:
    """Found by examination: its fill would have been booked as the fill of our unanswered order."""
    ours = entry(5, client_id=1, key="entry-AAPL")
    orders = index(ours)
    assert orders.find(perm_id=200, order_ref="entry-AAPL", order_id=9, client_id=7) is None
    assert orders.find(perm_id=200, order_id=5, client_id=7, client_is_certain=False) is None


def test_a_status_with_the_cancellers_client_id_finds_the_order() -> None:
    """After a cancel by another client orderStatus has the canceller's id (TWS facts 4)."""
    ours = entry(295, client_id=1, perm_id=100)
    orders = index(ours)
    assert orders.find(perm_id=100, order_id=295, client_id=0, client_is_certain=False) is ours
    assert orders.find(perm_id=None, order_id=295, client_id=0, client_is_certain=False) is ours
    assert orders.find(perm_id=None, order_id=295, client_id=0) is None


def test_the_order_id_zero_names_nothing() -> None:
    """All unbound manual orders share it (TWS facts 4)."""
    manual = entry(0, client_id=0, perm_id=100)
    for certain in (True, False):
        found = index(manual).find(perm_id=None, order_id=0, client_id=0, client_is_certain=certain)
        assert found is None
    assert index(manual).find(perm_id=100, order_id=0, client_id=0) is manual


def test_the_newest_order_of_an_id_is_meant() -> None:
    """And one whose client is unknown stands in where the client has none itself."""
    old, new, unknown = entry(5, perm_id=1), entry(5, perm_id=2), entry(5, client_id=None)
    assert index(old, new).by_order_id(5, 1) is new
    assert index(old, unknown).by_order_id(5, 1) is old
    assert index(unknown, old).by_order_id(5, 3) is unknown
    newer = entry(5, client_id=None)
    assert index(unknown, newer, old).by_order_id(5, 3) is newer
    assert index(old, unknown).by_order_id(5, None) is unknown
    assert index(old).by_order_id(6, 1) is None


def test_ids_and_keys_are_learned() -> None:
    """An order is found by each identity as soon as the broker has told it."""
    ours = entry(5)
    orders = index(ours)
    orders.learn_perm_id(ours, 100)
    orders.learn_key(ours, "a")
    orders.rebind(ours, -7)
    assert orders.by_perm_id(100) is ours
    assert orders.by_key("a") is ours
    assert orders.by_order_id(-7, 1) is ours
    assert orders.by_order_id(5, 1) is None
    assert (ours.order_id, ours.perm_id, ours.key) == (-7, 100, "a")


def test_live_orders_are_those_that_are_not_finished() -> None:
    """Also after an order came back to life; the order of all stays that of their coming."""
    first, second = entry(1), entry(2)
    orders = index(first, second)
    first.move(Trigger.VERDICT_REJECTED, NOW, "refused")
    orders.sort_in(first)
    assert orders.live() == (second,)
    first.move(Trigger.VERDICT_LIVES, NOW, "it lives")
    orders.sort_in(first)
    assert set(orders.live()) == {first, second}
    assert list(orders) == [first, second]
    assert len(orders) == 2


def test_orphans_are_known_until_their_parent_comes() -> None:
    """A child whose parent is in the book already is none."""
    early, late = entry(4), entry(6)
    early.parent_id, late.parent_id = 5, 5
    orders = index(early, entry(5), late)
    assert orders.has_orphans(5)
    assert not index(entry(5), late).has_orphans(5)
