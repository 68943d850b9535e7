"""What was told before is found again, and nothing else is."""

from __future__ import annotations

import attrs

from ibkr_core.gateway.echoes import Echoes


def test_the_same_fields_are_the_same_part() -> None:
    """So that what was encoded before is not encoded again."""
    echoes = Echoes()
    first = echoes.part("order", 1, {"action": "BUY", "lmtPrice": 5.0})
    assert first == {"action": "BUY", "lmtPrice": 5.0}
    assert echoes.part("order", 1, {"action": "BUY", "lmtPrice": 5.0}) is first


def test_a_difference_makes_a_new_part() -> None:
    """An order that was changed is told as it is now, and again after that."""
    echoes = Echoes()
    first = echoes.part("order", 1, {"lmtPrice": 5.0})
    second = echoes.part("order", 1, {"lmtPrice": 6.0})
    assert second is not first
    assert second == {"lmtPrice": 6.0}
    assert echoes.part("order", 1, {"lmtPrice": 6.0}) is second


def test_each_key_is_for_itself() -> None:
    """Two orders with the same terms share nothing, for one of them may change."""
    echoes = Echoes()
    assert echoes.part("order", 1, {"a": 1}) is not echoes.part("order", 2, {"a": 1})


def test_old_parts_make_room() -> None:
    """However many orders there are, only so many parts are kept."""
    echoes = Echoes(most=2)
    first = echoes.part("order", 1, {"a": 1})
    echoes.part("order", 2, {"a": 1})
    echoes.part("order", 2, {"a": 2})
    assert echoes.part("order", 1, {"a": 1}) is first
    echoes.part("order", 3, {"a": 1})
    assert echoes.part("order", 1, {"a": 1}) is not first


def test_a_new_part_keeps_what_is_the_same() -> None:
    """What was made of fields that did not change is not made again, for this order nor for the next."""

    @attrs.frozen(eq=False)
    class Maker:
        reads: frozenset[str]

    price, size, whole = Maker(frozenset({"lmtPrice"})), Maker(frozenset({"totalQuantity"})), object()
    echoes = Echoes()
    first = echoes.part("order", 1, {"lmtPrice": 5.0, "totalQuantity": 7})
    first.made.update({price: "5.0", size: "7", whole: "5.0 7"})
    changed = echoes.part("order", 1, {"lmtPrice": 6.0, "totalQuantity": 7})
    assert changed.made == {size: "7"}
    assert echoes.part("order", 2, {"totalQuantity": 7}).made == {size: "7"}
    assert echoes.part("contract", 2, {"totalQuantity": 7}).made == {}
