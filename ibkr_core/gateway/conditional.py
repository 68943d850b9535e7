"""Watches over orders with conditions: starts them, or cancels them, when their conditions hold."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from decimal import Decimal
from itertools import islice

from ibkr_core.errors import InvariantViolated
from ibkr_core.gateway.account import Balances
from ibkr_core.gateway.conditions import Condition, ConditionKind, hold_together
from ibkr_core.gateway.instruments import Catalogue, Instrument
from ibkr_core.gateway.market import Market, Quote
from ibkr_core.gateway.orders import Execution, GatewayOrder, Hold, Phase
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Conditional", "VenueWorld"]

_HUNDRED = Decimal(100)
_LOOK_EVERY_S = 0.25


class VenueWorld:
    """A venue as conditions see it.

    Args:
        catalogue: What can be traded.
        market_of: The market of an instrument.
        balances_of: An account valued now.
        executions: All executions so far, in order.
        now: The present, seconds since the epoch.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        *,
        market_of: Callable[[Instrument], Market],
        balances_of: Callable[[str], Balances],
        executions: Callable[[], Iterable[Execution]],
        now: Callable[[], float],
    ) -> None:
        self._catalogue = catalogue
        self._market_of = market_of
        self._balances_of = balances_of
        self._executions = executions
        self._now = now

    def now(self) -> float:
        """The present, seconds since the epoch."""
        return self._now()

    def knows(self, con_id: int) -> bool:
        """Whether there is such a contract."""
        return self._catalogue.by_id(con_id) is not None

    def _market(self, con_id: int) -> Market:
        found = self._catalogue.by_id(con_id)
        if found is None:  # such a condition is refused when it comes
            raise InvariantViolated(f"a condition looks at contract {con_id}, which does not exist")
        return self._market_of(found)

    def quote(self, con_id: int) -> Quote:
        """The market of a contract."""
        return self._market(con_id).quote

    def volume(self, con_id: int) -> Decimal:
        """Units traded in a contract so far."""
        return self._market(con_id).volume

    def change_percent(self, con_id: int) -> Decimal:
        """How far the last price is from the opening, in percent."""
        market = self._market(con_id)
        opening = market.instrument.reference_price
        return (market.quote.last - opening) / opening * _HUNDRED

    def cushion_percent(self, account: str) -> Decimal:
        """Excess liquidity of an account as a part of its net liquidation, in percent."""
        balances = self._balances_of(account)
        net = balances.net_liquidation
        return (net - balances.maintenance_margin) / net * _HUNDRED if net else Decimal(0)

    def traded(self, account: str, sec_type: str, exchange: str, symbol: str, since: int) -> bool:
        """Whether an account has had a fill like that, not counting the first ``since`` of all executions."""
        return any(
            one.account == account
            and (one.instrument.sec_type, one.instrument.symbol) == (sec_type, symbol)
            and exchange in {"", "SMART", one.exchange}
            for one in islice(self._executions(), since, None)
        )


class Conditional:
    """The orders that have conditions, looked at whenever something may have changed.

    Args:
        world: What conditions look at.
        cancel: Cancels an order.
        start: Lets an order that waited set off.
        later: Does something after so many seconds.
        in_hours: Whether an order's regular hours run.
    """

    def __init__(
        self,
        world: VenueWorld,
        *,
        cancel: Callable[[GatewayOrder, str], None],
        start: Callable[[GatewayOrder], None],
        later: Callable[[float, Callable[[], None]], None],
        in_hours: Callable[[GatewayOrder], bool],
    ) -> None:
        self._world = world
        self._cancel = cancel
        self._start = start
        self._later = later
        self._in_hours = in_hours
        self._orders: list[GatewayOrder] = []
        self._ticking = False

    def check(self, conditions: Iterable[Condition]) -> None:
        """Refuse conditions on contracts that do not exist.

        Raises:
            RefusalError: 147.
        """
        if not all(self._world.knows(one.con_id) for one in conditions if one.con_id):
            raise RefusalError(147, "The conditional contract info is incomplete.")

    def take_in(self, order: GatewayOrder, executions: int) -> None:
        """Note the conditions of an order that is new or has been modified.

        Args:
            order: The order.
            executions: How many executions there are so far: a condition looks at later ones only.
        """
        terms = order.spec.terms
        order.holds.discard(Hold.CONDITIONS)
        self._orders = [one for one in self._orders if one is not order]
        if not terms.conditions:
            return
        order.executions_before = executions
        self._orders.append(order)
        if not terms.conditions_cancel and not order.working:
            order.holds.add(Hold.CONDITIONS)
        for condition in terms.conditions:
            if condition.kind is ConditionKind.TIME:
                self._later(max(float(condition.value) - self._world.now(), 0.0), self.look)
        self._later(0.0, self.look)
        self._tick()

    def _tick(self) -> None:
        """Look every so often while there is something to look at: markets move without being watched."""
        if self._ticking or not self._orders:
            return
        self._ticking = True
        self._later(_LOOK_EVERY_S, self._tock)

    def _tock(self) -> None:
        self._ticking = False
        self.look()
        self._tick()

    def look(self) -> None:
        """Act on every order whose conditions hold now."""
        for order in list(self._orders):
            if order.phase is Phase.DONE:
                self._orders.remove(order)
            elif order.phase is Phase.LIVE and self._hold(order):
                self._orders.remove(order)
                self._act(order)

    def _hold(self, order: GatewayOrder) -> bool:
        terms = order.spec.terms
        if not terms.conditions_ignore_rth and not self._in_hours(order):
            return False
        return hold_together(terms.conditions, self._world, order.account, order.executions_before)

    def _act(self, order: GatewayOrder) -> None:
        if order.spec.terms.conditions_cancel:
            self._cancel(order, "The conditions of the order are met.")
        else:
            order.holds.discard(Hold.CONDITIONS)
            self._start(order)
