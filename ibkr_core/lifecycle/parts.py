"""What the parts of a book are when they are taken apart: values that everything else follows from."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact
from ibkr_core.model.fill import Fill

__all__ = ["FillingsState", "Key", "LedgerParts"]

Key = tuple[str, int]
"""An account and a contract id."""


@attrs.frozen(kw_only=True)
class FillingsState:
    """What is known of executions beside the orders themselves.

    Attributes:
        sums: What packed orders have moved, by account and contract id.
        commissions: Reports for executions that have not come, by id without revision.
        executions: The ids of executions that belong to no order.
    """

    sums: Sequence[tuple[Key, Contract, Decimal]] = ()
    commissions: Sequence[tuple[str, tuple[CommissionFact, ...]]] = ()
    executions: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class LedgerParts:
    """What a ledger was told: all else in it follows from this.

    Attributes:
        is_combo: Whether the order trades a combo; None while that is not known.
        is_group: Whether it is for a group of accounts.
        recounts: How often fills were looked at anew.
        executions: Of each: id without revision, fill, whether it is of the combo itself, whether of an
            advisor's account, and the largest quantity that any revision had.
        commissions: Reports by execution and revision.
        currencies: Those of the sums of commissions, in their order, where there are several.
    """

    is_combo: bool | None
    is_group: bool
    recounts: int
    executions: list[tuple[str, Fill, bool, bool, Decimal]]
    commissions: dict[str, dict[int, CommissionFact]]
    currencies: tuple[str, ...] = ()
