"""Pieces that many layouts share: contracts and their parts."""

from ibkr_core.wire.layout import Each, Flag, Slots, blank, cast, maxed, pymaxed, zero
from ibkr_core.wire.scalars import SHORT_FLOAT

__all__ = ["COMBO_LEGS", "DELTA_NEUTRAL", "ECHOED_CONTRACT", "MULTIPLIER", "REQUESTED_CONTRACT"]

MULTIPLIER = cast(SHORT_FLOAT, "contract.multiplier", unset="blank")
"""A text in the text protocol, a double in protobuf."""

ECHOED_CONTRACT: tuple[Slots, ...] = (
    zero("contract.conId contract.symbol contract.secType contract.lastTradeDateOrContractMonth"),
    zero("contract.strike contract.right"),
    MULTIPLIER,
    zero("contract.exchange contract.currency contract.localSymbol contract.tradingClass"),
)
"""The eleven fields by which order, execution and position answers name a contract (wire facts 8)."""

REQUESTED_CONTRACT: tuple[Slots, ...] = (
    pymaxed("contract.conId contract.symbol contract.secType contract.lastTradeDateOrContractMonth"),
    blank("contract.strike"),
    pymaxed("contract.right"),
    MULTIPLIER,
    pymaxed("contract.exchange contract.primaryExch contract.currency"),
    pymaxed("contract.localSymbol contract.tradingClass"),
)
"""The twelve fields by which requests name a contract (wire facts 6)."""


COMBO_LEGS = Each(
    "contract.comboLegs",
    (pymaxed("conId ratio action exchange openClose shortSalesSlot designatedLocation exemptCode"),),
)
"""The legs of a combination as order messages carry them; their prices follow in a list of their own."""

DELTA_NEUTRAL = Flag("contract.deltaNeutralContract", (maxed("conId delta price"),))
"""1 and the contract of a delta-neutral combination, or 0."""
