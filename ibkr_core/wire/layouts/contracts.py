"""Pieces that many layouts share: contracts and their parts."""

from ibkr_core.wire.layout import Each, Flag, Slots, cast, maxed, pymaxed, zero
from ibkr_core.wire.scalars import SHORT_FLOAT

__all__ = ["COMBO_LEGS", "DELTA_NEUTRAL", "echoed_contract", "requested_contract"]


def _multiplier(prefix: str) -> Slots:
    # A text in the text protocol, a double in protobuf.
    return cast(SHORT_FLOAT, f"{prefix}multiplier", unset="blank")


def echoed_contract(prefix: str = "contract.") -> tuple[Slots, ...]:
    """The eleven fields by which order, execution and position answers name a contract (wire facts 8)."""
    return (
        zero(_join(prefix, "conId symbol secType lastTradeDateOrContractMonth strike right")),
        _multiplier(prefix),
        zero(_join(prefix, "exchange currency localSymbol tradingClass")),
    )


def requested_contract(prefix: str = "contract.") -> tuple[Slots, ...]:
    """The twelve fields by which requests name a contract (wire facts 6)."""
    return (
        pymaxed(_join(prefix, "conId symbol secType lastTradeDateOrContractMonth")),
        Slots((f"{prefix}strike",), "blank"),
        pymaxed(f"{prefix}right"),
        _multiplier(prefix),
        pymaxed(_join(prefix, "exchange primaryExch currency localSymbol tradingClass")),
    )


def _join(prefix: str, names: str) -> str:
    return " ".join(prefix + name for name in names.split())


COMBO_LEGS = Each(
    "contract.comboLegs",
    (pymaxed("conId ratio action exchange openClose shortSalesSlot designatedLocation exemptCode"),),
)
"""The legs of a combination as order messages carry them; their prices follow in a list of their own."""

DELTA_NEUTRAL = Flag("contract.deltaNeutralContract", (maxed("conId delta price"),))
"""1 and the contract of a delta-neutral combination, or 0."""
