"""Which terms is the broker working? Matches its echo with what we asked for."""

from __future__ import annotations

from collections.abc import Sequence

from ibkr_core.model.order import BrokerOrder, Order

__all__ = ["accepted_proposal"]

_COMPARED = (
    # ours, the echo's
    ("quantity", "total_quantity"),
    ("order_type", "order_type"),
    ("limit_price", "limit_price"),
    ("aux_price", "aux_price"),
    ("trail_stop_price", "trail_stop_price"),
    ("trailing_percent", "trailing_percent"),
    ("tif", "tif"),
)


_PRICES_IN_ECHO = {
    # What an echo of these types mirrors; others compute or drop the rest (TWS facts 2.10).
    "MKT": (),
    "LMT": ("limit_price",),
    "STP": ("aux_price",),
    "STP LMT": ("aux_price", "limit_price"),
    "TRAIL": ("aux_price", "trailing_percent", "trail_stop_price"),
}
_ALL_PRICES = ("limit_price", "aux_price", "trail_stop_price", "trailing_percent")


def _is_compared(name: str, order_type: str) -> bool:
    return name not in _ALL_PRICES or name in _PRICES_IN_ECHO.get(order_type.upper(), _ALL_PRICES)


def _same(wanted: object, shown: object) -> bool:
    if isinstance(wanted, str) and isinstance(shown, str):
        return wanted.upper() == shown.upper()
    return wanted == shown


def accepted_proposal(
    current: Order | None, proposals: Sequence[Order], echo: BrokerOrder, *, must_show: bool = False
) -> int | None:
    """Return the index of the newest proposal that ``echo`` shows to be in force, or None.

    Only fields that the proposal changes are compared, because echoes drift elsewhere (TWS facts
    2.10). A proposal that changes nothing visible is in force with the next echo, unless ``must_show``.
    """
    for index in range(len(proposals) - 1, -1, -1):
        proposal = proposals[index]
        changed = [
            (getattr(proposal, ours), getattr(echo, theirs))
            for ours, theirs in _COMPARED
            if getattr(proposal, ours) is not None
            and _is_compared(ours, proposal.order_type)
            and (current is None or getattr(current, ours) != getattr(proposal, ours))
        ]
        if must_show and not changed:
            continue
        if all(_same(wanted, shown) for wanted, shown in changed):
            return index
    return None
