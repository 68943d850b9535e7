"""What an order would do to an account, asked without placing it."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.said import money, said, with_reason

__all__ = ["MarginChange", "Margins", "WhatIf"]


@attrs.frozen
class MarginChange:
    """An amount before the order and after it. None means that the broker did not say."""

    before: Decimal | None = None
    change: Decimal | None = None
    after: Decimal | None = None

    @property
    def is_known(self) -> bool:
        """Whether anything was told."""
        return self != _NOTHING

    def __str__(self) -> str:
        """One line for people: ``14,630.75 -> 14,705.75 (+75.00)``."""
        before, after = (money(one) if one is not None else "?" for one in (self.before, self.after))
        sign = "+" if self.change is not None and self.change > 0 else ""
        return with_reason(
            f"{before} -> {after}", (f"{sign}{money(self.change)}" if self.change is not None else "",)
        )


_NOTHING = MarginChange()


@attrs.frozen
class Margins:
    """What the account has to keep, in its base currency.

    Attributes:
        initial: To open positions.
        maintenance: To keep them.
        equity: Equity with loan value, which covers them.
    """

    initial: MarginChange = _NOTHING
    maintenance: MarginChange = _NOTHING
    equity: MarginChange = _NOTHING

    @property
    def is_known(self) -> bool:
        """Whether anything was told."""
        return self.initial.is_known or self.maintenance.is_known or self.equity.is_known


@attrs.frozen(kw_only=True)
class WhatIf:
    """The broker's answer to a what-if: margin and commission of an order that was not placed.

    Attributes:
        order_id: The id that the question used up; no order has it.
        contract: What would be traded.
        order: At what terms.
        margins: In regular trading hours.
        margins_outside_rth: Outside of them, where the gateway tells those (server version 195 and later).
        margin_currency: Of the margins; empty where it was not told, then it is the account's.
        commission: Where the broker knows it exactly; else None, and the two below are the range.
        min_commission: At least so much.
        max_commission: At most so much.
        commission_currency: Of the three above.
        suggested_size: A quantity that the account could carry, where the broker suggests one.
        warning: What the broker warns of, in its words.
    """

    order_id: int
    contract: Contract
    order: Order
    margins: Margins = Margins()
    margins_outside_rth: Margins = Margins()
    margin_currency: str = ""
    commission: Decimal | None = None
    min_commission: Decimal | None = None
    max_commission: Decimal | None = None
    commission_currency: str = ""
    suggested_size: Decimal | None = None
    warning: str = ""

    @property
    def commission_range(self) -> tuple[Decimal, Decimal] | None:
        """The least and the most that it may cost; the same twice where it is known exactly."""
        if self.commission is not None:
            return self.commission, self.commission
        if self.min_commission is None or self.max_commission is None:
            return None
        return self.min_commission, self.max_commission

    @property
    def initial_margin_change(self) -> Decimal | None:
        """How much more (or, below zero, less) initial margin the account would need."""
        return self.margins.initial.change

    @property
    def maintenance_margin_change(self) -> Decimal | None:
        """How much more (or, below zero, less) maintenance margin the account would need."""
        return self.margins.maintenance.change

    def __str__(self) -> str:
        """Some lines for people: the order, the margins in regular hours, the commission, the warning."""
        margins = self.margins
        lines = [f"{said(self.contract.name)}: what if {self.order}"]
        for name, change in (
            ("initial margin", margins.initial),
            ("maintenance margin", margins.maintenance),
            ("equity", margins.equity),
        ):
            if change.is_known:
                lines.append(f"  {name:<18} {change} {self.margin_currency}".rstrip())
        if self.commission_range is not None:
            texts = dict.fromkeys(money(one) for one in self.commission_range)
            lines.append(f"  {'commission':<18} {' to '.join(texts)} {self.commission_currency}".rstrip())
        if self.warning:
            lines.append(f"  {'warning':<18} {said(self.warning)}")
        return "\n".join(lines)
