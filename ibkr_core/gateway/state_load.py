"""Puts a venue back to where an earlier one was, and lets time have passed.

What survives is what a real gateway brings back after its daily restart (TWS facts 5): accounts, orders that
still work under the same permId, and the orders and executions of the day. What is forgotten: orders never
transmitted (TWS facts 6), and what was done on earlier New York days. Nothing trades while the gateway is
down, and prices stand where they stood; a real exchange goes on without the gateway.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway.account import Account, Position
from ibkr_core.gateway.advisors import is_held
from ibkr_core.gateway.clock import day_text
from ibkr_core.gateway.combos import Combo, Leg
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import MarketMemory
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution, GatewayOrder, Hold, OrderSpec, Phase
from ibkr_core.gateway.state_codec import Codec
from ibkr_core.gateway.state_file import Sections
from ibkr_core.gateway.state_record import INSTRUMENT_FIELDS, ORDER_FIELDS
from ibkr_core.gateway.venue import Venue

__all__ = ["Instruments", "revive"]


def revive(venue: Venue, sections: Sections, *, overnight: bool = False) -> None:
    """Put everything back into a new venue, and let it go on. Nobody is told: nobody is connected yet.

    Args:
        venue: New, with nothing in it.
        sections: What was kept.
        overnight: Whether orders of the day end, as if a night had passed.

    Raises:
        ValueError: What was kept cannot be read.
    """
    try:
        _Revival(venue, sections).run(overnight=overnight)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"something is missing or of another kind: {error!r}") from error


class Instruments:
    """The instruments that a state names, by contract id; those of a catalogue come first.

    Args:
        catalogue: Finds an instrument by its contract id, or None.
        kept: The section of instruments.
    """

    def __init__(self, catalogue: Any, kept: Mapping[str, Any]) -> None:  # noqa: ANN401 - see find
        self._catalogue = catalogue
        self._found: dict[int, Instrument] = {}
        self.codec = Codec(self.find)
        self.fresh: list[Instrument] = []
        for text, values in kept.items():
            self._keep(int(text), dict(values))

    def find(self, con_id: int) -> Instrument:
        """The instrument with a contract id; raises KeyError when there is none."""
        return self._found[con_id]

    def combos(self) -> list[Combo]:
        """Every combination, in order of contract id."""
        found = [one for one in self._found.values() if isinstance(one, Combo)]
        return sorted(found, key=lambda one: one.con_id)

    def _keep(self, con_id: int, values: dict[str, Any]) -> None:
        legs = values.pop("legs", None)
        fields = self.codec.unpack_fields(Instrument, values, INSTRUMENT_FIELDS)
        if legs is not None:
            fields["legs"] = tuple(self.codec.unpack(Leg, leg) for leg in legs)
            self._found[con_id] = Combo(**fields)
            return
        listed = self._catalogue(con_id)
        if listed is None:
            listed = Instrument(**fields)
            self.fresh.append(listed)
        self._found[con_id] = listed


class _Revival:
    """One revival.

    Args:
        venue: New.
        sections: What was kept.
    """

    def __init__(self, venue: Venue, sections: Sections) -> None:
        self._venue = venue
        self._sections = sections
        self._today = day_text(venue.now())
        self._instruments = Instruments(venue.catalogue.by_id, self._section("instruments"))
        self._codec = self._instruments.codec
        self._settled: dict[str, Execution] = {}
        self._forgotten = 0

    def _section(self, name: str) -> Mapping[str, Any]:
        return self._sections.get(name, {})

    def run(self, *, overnight: bool) -> None:
        venue = self._venue
        for instrument in self._instruments.fresh:
            venue.catalogue.add(instrument)
        for combo in self._instruments.combos():
            venue.combos.restore(combo)
        self._numbers()
        self._accounts()
        self._markets()
        self._executions()
        orders = self._orders()
        for order in orders:
            venue.exchange.restore(order)
        for text in self._section("spent_groups"):
            venue.exchange.spent_groups.add(self._codec.unpack(tuple[str, str], json.loads(text)))
        self._begin_the_day()
        for order in orders:
            if order.phase is Phase.LIVE:
                self._resume(order, overnight=overnight)
        self._settle_groups()

    # -- putting back ------------------------------------------------------------------------------

    def _numbers(self) -> None:
        kept, venue = self._section("gateway"), self._venue
        numbers = self._codec.unpack(Numbers, kept["numbers"])
        for field in attrs.fields(Numbers):
            setattr(venue.numbers, field.name, getattr(numbers, field.name))
        venue.numbers.restarts += 1
        venue.reshuffle()
        venue.origin = self._codec.unpack(float, kept["origin"])
        venue.exchange.closed = self._codec.unpack(bool, kept["closed"])
        for name, con_ids in self._codec.unpack(dict[str, set[int]], kept["restrictions"]).items():
            getattr(venue.restrictions, name).update(con_ids)

    def _accounts(self) -> None:
        money = dict[str, Decimal]
        for code, kept in self._section("accounts").items():
            opening = self._codec.unpack(Decimal, kept["opening_cash"])
            account = Account(code, opening, self._codec.unpack(str, kept["currency"]))
            account.rebase(
                self._codec.unpack(money, kept["base_cash"]), self._positions("base_positions", code)
            )
            account.restore(self._codec.unpack(money, kept["cash"]), self._positions("positions", code))
            self._venue.accounts[code] = account

    def _positions(self, section: str, code: str) -> list[Position]:
        found = []
        for kept in self._section(section).values():
            if kept["account"] == code:
                fields = {name: value for name, value in kept.items() if name != "account"}
                found.append(self._codec.unpack(Position, fields))
        return found

    def _markets(self) -> None:
        now = self._venue.now()
        for con_id, kept in self._section("markets").items():
            market = self._venue.market(self._instruments.find(int(con_id)))
            memory = self._codec.unpack(MarketMemory, kept)
            market.recall(memory, now, self._venue.luck(con_id))

    def _executions(self) -> None:
        """Today's as they were; those of earlier days are booked for good and can no longer be corrected."""
        self._settled = {
            root: self._codec.unpack(Execution, kept) for root, kept in self._section("settled").items()
        }
        earlier = []
        for root, kept in self._section("executions").items():
            one = self._codec.unpack(Execution, kept)
            if day_text(one.time) == self._today:
                self._venue.fills[root] = one
            else:
                earlier.append(one)
        self._forgotten = len(earlier)
        self._settled.update((one.root, one) for one in earlier)
        for code, account in self._venue.accounts.items():
            advisor = self._venue.settings.advisor
            mine = [one for one in earlier if one.account == code and is_held(one, advisor)]
            if mine:
                account.book_for_good(
                    (one.instrument, one.signed_quantity, one.price, one.commission) for one in mine
                )

    def _orders(self) -> list[GatewayOrder]:
        """Every order that is still known, parents before children."""
        found: dict[int, GatewayOrder] = {}
        fills: dict[int, list[Execution]] = {}
        for one in (*self._settled.values(), *self._venue.fills.values()):
            fills.setdefault(one.perm_id, []).append(one)
        kept = sorted(self._section("orders").items(), key=lambda item: item[1]["sequence"])
        for perm_id, values in kept:
            order = self._order(dict(values), self._section("specs")[perm_id], found)
            mine = fills.get(order.perm_id, [])
            order.executions = [
                one for one in mine if one.instrument is order.instrument and one.account == order.account
            ]
            order.reported = {one.root for one in mine}  # whoever asks is told every commission now
            order.executions_before = max(order.executions_before - self._forgotten, 0)
            found[order.perm_id] = order
        for order in found.values():
            if order.parent is not None:
                order.parent.children.append(order)
        awaited = {self._fill(root).perm_id for root in self._section("unsettled")}
        return [one for one in found.values() if self._is_known(one) or one.perm_id in awaited]

    def _fill(self, root: str) -> Execution:
        return self._venue.fills.get(root) or self._settled[root]

    def _order(
        self, values: dict[str, Any], spec: Mapping[str, Any], known: Mapping[int, GatewayOrder]
    ) -> GatewayOrder:
        parent = values.pop("parent", None)
        return GatewayOrder(
            **self._codec.unpack_fields(GatewayOrder, values, ORDER_FIELDS),
            spec=self._codec.unpack(OrderSpec, spec),
            parent=None if parent is None else known[parent],
        )

    def _is_known(self, order: GatewayOrder) -> bool:
        """Whether an order lives, was done today, or belongs to a bracket of which some part does."""
        return any(
            one.phase is Phase.LIVE or one.ended_at is None or day_text(one.ended_at) == self._today
            for one in order.family()
        )

    # -- going on ----------------------------------------------------------------------------------

    def _begin_the_day(self) -> None:
        """On a new day, profit and loss of the day begin at nothing."""
        began = self._codec.unpack(float, self._section("gateway")["day_began"])
        if day_text(began) == self._today:
            self._venue.day_began = began
            return
        for code, account in self._venue.accounts.items():
            account.opening_cash = self._venue.balances(code).net_liquidation

    def _resume(self, order: GatewayOrder, *, overnight: bool) -> None:
        venue = self._venue
        if order.phase is not Phase.LIVE or not venue.day.resume(order, overnight=overnight):
            return
        if Hold.CONDITIONS in order.holds or order.spec.terms.conditions_cancel:
            venue.conditional.take_in(order, order.executions_before)
        venue.algos.take_in(order, began=order.taken_at)
        venue.resume(order)

    def _settle_groups(self) -> None:
        """Let groups feel the fills that they had not felt yet."""
        venue = self._venue
        for root in self._section("unsettled"):
            fill = self._fill(root)
            venue.settle_later(venue.order_of(fill), fill, 0.0)
