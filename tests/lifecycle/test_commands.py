"""Which commands an order's state allows, and which error tells whose fault it is."""

from __future__ import annotations

import pytest

from ibkr_core.errors import IbkrError, OrderFinished, OrderInDoubt, OrderNotOurs, OrderStateError
from ibkr_core.lifecycle.commands import check_cancel, check_modify
from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.model.status import OrderStatus

S = OrderStatus

EXPECTED: dict[OrderStatus, tuple[type[IbkrError] | None, type[IbkrError] | None]] = {
    # status -> what a modify raises, what a cancel raises
    S.PENDING_SUBMIT: (None, None),
    S.PRE_SUBMITTED: (None, None),
    S.SUBMITTED: (None, None),
    S.PARTIALLY_FILLED: (None, None),
    S.INACTIVE: (None, None),
    S.PENDING_CANCEL: (OrderStateError, None),
    S.UNKNOWN: (OrderInDoubt, None),
    S.FILLED: (OrderFinished, OrderFinished),
    S.CANCELLED: (OrderFinished, OrderFinished),
    S.REJECTED: (OrderFinished, OrderFinished),
}


@pytest.mark.parametrize("status", OrderStatus, ids=lambda status: status.name)
def test_each_status_allows_or_refuses_with_the_right_error(status: OrderStatus) -> None:
    """Finished orders refuse both, doubt refuses new terms, and asking for a cancel is always safe."""
    for check, expected in zip((check_modify, check_cancel), EXPECTED[status], strict=True):
        entry = OrderEntry(7, status=status, is_ours=True)
        if expected is None:
            check(entry)
            continue
        with pytest.raises(OrderStateError) as caught:
            check(entry)
        assert type(caught.value) is expected
        assert caught.value.order_id == 7
        assert (
            status is S.UNKNOWN
            or status.value in str(caught.value)
            or "cancel is pending" in str(caught.value)
        )


@pytest.mark.parametrize(("client_id", "owner"), [(97, "client 97"), (None, "someone else")])
def test_orders_of_others_are_read_only(client_id: int | None, owner: str) -> None:
    """Only the submitting client can change an order (TWS facts 4); the error says whose it is."""
    entry = OrderEntry(7, status=S.SUBMITTED, is_ours=False)
    entry.client_id = client_id
    for check in (check_modify, check_cancel):
        with pytest.raises(OrderNotOurs, match=owner):
            check(entry)
