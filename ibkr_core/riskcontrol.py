"""The handle by which a program looks at its risk limits and changes them while the engine runs."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.arguments import pairs_of
from ibkr_core.errors import InvalidInput
from ibkr_core.gatekeeper import Gatekeeper
from ibkr_core.link.pacing import Lane
from ibkr_core.model.checks import check_function
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.risk import DatedQuote, Gate, LastQuote, Refusal, RiskLimits, RiskPolicy

__all__ = ["RiskControl"]


class RiskControl:
    """What orders of an engine have to keep to.

    A change holds from the next order on; any thread may make it.

    Args:
        gatekeeper: Judges.
        desk: Asks it, with its lock held.
    """

    def __init__(self, gatekeeper: Gatekeeper, desk: OrderDesk) -> None:
        self._gatekeeper = gatekeeper
        self._desk = desk

    @property
    def policy(self) -> RiskPolicy:
        """All that holds: limits, gates and sources."""
        return self._gatekeeper.policy

    @policy.setter
    def policy(self, policy: RiskPolicy) -> None:
        if not isinstance(policy, RiskPolicy):
            raise InvalidInput("policy", f"must be a RiskPolicy, not {policy!r}")
        self._gatekeeper.policy = policy

    @property
    def limits(self) -> RiskLimits:
        """The limits that hold."""
        return self.policy.limits

    @limits.setter
    def limits(self, limits: RiskLimits) -> None:
        self._evolve(limits=limits)

    def change(self, **limits: Any) -> RiskLimits:
        """Change some limits: ``engine.risk.change(max_order_size=100, max_loss=None)``.

        Returns:
            The limits that hold now.

        Raises:
            InvalidInput: No such limit, or one that makes no sense; nothing is changed.
        """
        known = {field.name for field in attrs.fields(RiskLimits)}
        for name in limits:
            if name not in known:
                raise InvalidInput(name, f"is no limit; there are {', '.join(sorted(known))}")
        self._evolve(limits=attrs.evolve(self.limits, **limits))
        return self.limits

    @property
    def gates(self) -> tuple[Gate, ...]:
        """The gates of your own."""
        return self.policy.gates

    def add(self, gate: Gate) -> None:
        """Let one more gate of your own be asked, after all others.

        Raises:
            InvalidInput: It cannot be called.
        """
        check_function("gate", gate)
        self._evolve(gates=(*self.gates, gate))

    def remove(self, gate: Gate) -> None:
        """Ask a gate of your own no more.

        Raises:
            InvalidInput: It is not among them.
        """
        if gate not in self.gates:
            raise InvalidInput("gate", f"is not among the gates: {gate!r}")
        self._evolve(gates=tuple(one for one in self.gates if one != gate))

    def set_sources(
        self,
        *,
        quotes: Callable[[Contract], LastQuote | None] | None = None,
        profit_and_loss: Callable[[str], Decimal | None] | None = None,
        ticks: Callable[[Contract, Decimal], Decimal | None] | None = None,
        positions: Callable[[], Iterable[Position] | None] | None = None,
    ) -> None:
        """Say where last known values come from; what is not given stays. See :class:`RiskPolicy`.

        Raises:
            InvalidInput: Something that cannot be called.
        """
        given = {
            "quotes": quotes,
            "profit_and_loss": profit_and_loss,
            "ticks": ticks,
            "positions": positions,
        }
        self._evolve(**{name: source for name, source in given.items() if source is not None})

    def note_quote(self, quote: DatedQuote) -> None:
        """Tell a contract's last quote, such as ``engine.reference.quote`` returned, or one of your feed.

        Held against by orders for its contract while no source of quotes is set. It stays the last one until
        another is told: set ``max_quote_age_s`` where a feed may fall silent.

        Args:
            quote: With ``contract``, ``at``, and bid, ask, last and close as far as known.
        """
        if not isinstance(getattr(quote, "contract", None), Contract) or not hasattr(quote, "bid"):
            raise InvalidInput("quote", f"must be a Quote, not {quote!r}")
        self._gatekeeper.note_quote(quote)

    def check(self, contract: Contract, order: Order) -> tuple[Refusal, ...]:
        """Return what the gates would say of a new order now: nothing is sent, counted or told.

        Returns:
            Every gate's refusal; empty where the order would pass.

        Raises:
            InvalidInput: The contract or the order cannot work at all.
        """
        return self._desk.preview(contract, order)

    def require(
        self, orders: Iterable[tuple[Contract, Order]], *, without: Iterable[OrderRecord] = ()
    ) -> None:
        """Raise where the gates refuse new orders: ask before you cancel what these are to replace.

        The orders are judged as one group, and a refusal is told as one of :meth:`Engine.submit` is. When
        they are sent, they are judged again. Nothing is sent or counted.

        Args:
            orders: What to trade, and at what terms.
            without: Working orders that will be gone by then: they do not count.

        Raises:
            RiskRefused: A gate said no.
            InvalidInput: A contract or an order cannot work at all.
            IbkrError: No order could be sent now, as for :meth:`Engine.submit`.
        """
        wanted = pairs_of(orders)
        without = tuple(without) if isinstance(without, Iterable) else (without,)
        if not all(isinstance(one, OrderRecord) for one in without):
            raise InvalidInput("without", f"must be OrderRecord values, not {without!r}")
        for contract, order in wanted:
            self._desk.check_new(contract, order)
        with self._desk.sending(Lane.ORDER):
            self._gatekeeper.admit_ahead(wanted, without)

    def check_loss(self) -> None:
        """Look at the day's result now, and halt trading where the loss is at the limit.

        It is looked at anyway with each order, after each fill, and every ``loss_check_s``.
        """
        self._gatekeeper.check_loss()

    def _evolve(self, **changes: Any) -> None:
        self._gatekeeper.policy = attrs.evolve(self.policy, **changes)
