"""Scale orders: a limit order in components, each so much better than the last; a function of what is filled.

Simulated are the sizes of the first and of all later components and the step between their prices. The first
is at the order's limit, and only one is in the market at a time. Taking profits, moving the start and random
sizes are refused with 10340.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

__all__ = ["Component", "component", "is_scaled", "is_simulated"]

_STEP = "scalePriceIncrement"
_SUPPORTED = frozenset({_STEP, "scaleInitLevelSize", "scaleSubsLevelSize"})

Component = tuple[Decimal, Decimal]
"""Units that are released with a component and those before it, and how much better than the limit it is."""


def is_scaled(fields: Mapping[str, Any]) -> bool:
    """Whether an order asks for components."""
    return fields.get(_STEP) is not None


def is_simulated(fields: Mapping[str, Any], order_type: str) -> bool:
    """Whether a scale order asks for nothing but what is simulated."""
    more = [
        name for name, held in fields.items() if name.startswith("scale") and name not in _SUPPORTED and held
    ]
    return order_type == "LMT" and not more


def component(fields: Mapping[str, Any], filled: Decimal) -> Component:
    """The component that an order of which so much is filled has in the market.

    Args:
        fields: Official order fields; sizes and step are above zero, or the order was refused.
        filled: Units filled.
    """
    first = Decimal(int(fields["scaleInitLevelSize"]))
    later = Decimal(int(fields.get("scaleSubsLevelSize") or first))
    number = Decimal(0) if filled < first else 1 + (filled - first) // later
    return first + number * later, number * Decimal(str(fields[_STEP]))
