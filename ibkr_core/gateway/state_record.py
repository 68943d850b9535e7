"""What a venue must remember, as text: all of it, or only what has changed since it was last asked.

Values that never change in place (executions, positions, what a client asked for) are compared by identity,
so a look at what stayed the same costs next to nothing. Orders do change in place: those about which
something was said are looked at again, and those whose trigger or allowance moves silently.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import attrs

from ibkr_core.gateway.account import Account, Position
from ibkr_core.gateway.combos import Combo, Leg
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.kinds import Trigger
from ibkr_core.gateway.market import MarketMemory
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution, GatewayOrder, OrderSpec, Phase
from ibkr_core.gateway.state_codec import Codec, to_text
from ibkr_core.gateway.state_file import Changes
from ibkr_core.gateway.venue import Venue

__all__ = ["INSTRUMENT_FIELDS", "ORDER_FIELDS", "Recorder"]

# An order's parent and what it asked for are kept apart; the rest of these is found again at a restart.
_APART = frozenset({
    "spec", "parent", "children", "executions", "reported", "alarms", "prints_seen", "adds",
})  # fmt: skip
ORDER_FIELDS = tuple(one.name for one in attrs.fields(GatewayOrder) if one.name not in _APART)
"""What is kept of an order under its own name."""
INSTRUMENT_FIELDS = tuple(one.name for one in attrs.fields(Instrument))
"""What is kept of an instrument; a combination has its legs besides."""
_MARKETS_EVERY_S = 1.0


def _stranger(con_id: int) -> Instrument:
    raise KeyError(con_id)  # a codec that only packs


class Recorder:
    """Sees what changes in a venue.

    Args:
        venue: Which one.
    """

    def __init__(self, venue: Venue) -> None:
        self._venue = venue
        self._codec = Codec(_stranger)
        self._forget()

    def _forget(self) -> None:
        self._instruments: set[int] = set()
        self._orders: dict[int, int] = {}
        self._specs: dict[int, OrderSpec] = {}
        self._restless: dict[int, tuple[GatewayOrder, Any]] = {}
        self._fills: dict[str, Execution] = {}
        self._positions: dict[tuple[str, str, int], Position] = {}
        self._texts: dict[tuple[str, str], str] = {}
        self._markets: dict[int, MarketMemory] = {}
        self._markets_at = float("-inf")
        self._combos = 0
        self._spent: set[tuple[str, str]] = set()
        self._unsettled: set[str] = set()

    def snapshot(self) -> Changes:
        """Everything; what changes is then told from here on."""
        self._forget()
        touched = self._venue.clients.touched
        touched.update((order.perm_id, order) for order in self._venue.exchange.orders())
        self._venue.rebooked = True
        found: Changes = {}
        for order in self._venue.exchange.orders():
            for one in order.executions:  # of a day that is booked for good, but its order still lives
                if one.root not in self._venue.fills:
                    self._instrument(one.instrument, found)
                    self._put(found, "settled", one.root, self._codec.pack(Execution, one))
        self._collect(found, markets=True)
        return found

    def changes(self, *, markets: bool = False) -> Changes:
        """What has changed since the last call.

        Args:
            markets: Look at all prices now; otherwise it is done once a second.
        """
        found: Changes = {}
        self._collect(found, markets=markets)
        return found

    def _collect(self, found: Changes, *, markets: bool) -> None:
        self._fresh_fills(found)
        touched, self._venue.clients.touched = self._venue.clients.touched, {}
        for order in touched.values():
            self._order(order, found)
        for order, seen in list(self._restless.values()):
            if order.perm_id not in touched and _restless_part(order) != seen:
                self._order(order, found)
        now = self._venue.now()
        if markets or now - self._markets_at >= _MARKETS_EVERY_S:
            self._markets_at = now
            self._look_at_markets(found)
        self._gateway(found)

    # -- the parts ---------------------------------------------------------------------------------

    def _order(self, order: GatewayOrder, found: Changes) -> None:
        key = str(order.perm_id)
        if order.phase is Phase.HELD:
            return  # what was never transmitted vanishes at a restart (TWS facts 6)
        self._instrument(order.instrument, found)
        if self._specs.get(order.perm_id) is not order.spec:
            self._specs[order.perm_id] = order.spec
            self._put(found, "specs", key, self._codec.pack(OrderSpec, order.spec))
        values = self._codec.pack_fields(GatewayOrder, order, ORDER_FIELDS)
        if order.parent is not None and order.parent.phase is not Phase.HELD:
            values["parent"] = order.parent.perm_id  # one that is held is not in the file, and vanishes
        text = to_text(values)
        if self._orders.get(order.perm_id) != hash(text):
            self._orders[order.perm_id] = hash(text)
            found.setdefault("orders", {})[key] = text
        if order.phase is Phase.LIVE and _is_restless(order):
            self._restless[order.perm_id] = order, _restless_part(order)
        else:
            self._restless.pop(order.perm_id, None)

    def _fresh_fills(self, found: Changes) -> None:
        """Executions that are new, or all that differ when the books were made anew; then the accounts."""
        venue, fresh = self._venue, []
        if venue.rebooked:
            fresh = [one for one in venue.fills.values() if self._fills.get(one.root) is not one]
        else:
            for one in reversed(venue.fills.values()):
                if one.root in self._fills:
                    break
                fresh.append(one)
            fresh.reverse()
        if not (fresh or venue.rebooked):
            return
        venue.rebooked = False
        for one in fresh:
            self._fills[one.root] = one
            self._instrument(one.instrument, found)
            self._put(found, "executions", one.root, self._codec.pack(Execution, one))
        for account in venue.accounts.values():
            self._account(account, found)

    def _account(self, account: Account, found: Changes) -> None:
        base_cash, base_positions = account.base
        values = {
            "currency": account.currency,
            "opening_cash": str(account.opening_cash),
            "cash": {currency: str(amount) for currency, amount in account.cash.items()},
            "base_cash": {currency: str(amount) for currency, amount in base_cash.items()},
        }
        self._if_new(found, "accounts", account.code, values)
        for section, held in (("positions", account.positions), ("base_positions", base_positions)):
            self._holdings(section, account.code, held, found)

    def _holdings(self, section: str, code: str, held: Iterable[Position], found: Changes) -> None:
        for one in held:
            key = section, code, one.instrument.con_id
            if self._positions.get(key) is not one:
                self._positions[key] = one
                self._instrument(one.instrument, found)
                values = {"account": code, **self._codec.pack(Position, one)}
                self._put(found, section, f"{code}/{one.instrument.con_id}", values)

    def _look_at_markets(self, found: Changes) -> None:
        for market in self._venue.markets():
            memory = market.memory()
            con_id = market.instrument.con_id
            if self._markets.get(con_id) != memory:
                self._markets[con_id] = memory
                self._instrument(market.instrument, found)
                self._put(found, "markets", str(con_id), self._codec.pack(MarketMemory, memory))

    def _gateway(self, found: Changes) -> None:
        venue = self._venue
        combos = venue.combos.known
        for combo in combos[self._combos :]:
            self._instrument(combo, found)
        self._combos = len(combos)
        self._if_new(found, "gateway", "numbers", self._codec.pack(Numbers, venue.numbers))
        self._if_new(found, "gateway", "origin", venue.origin)
        self._if_new(found, "gateway", "day_began", venue.day_began)
        self._if_new(found, "gateway", "closed", venue.exchange.closed)
        kept = attrs.asdict(venue.restrictions, recurse=False).items()
        restrictions = {name: sorted(con_ids) for name, con_ids in kept if isinstance(con_ids, set)}
        self._if_new(found, "gateway", "restrictions", restrictions)
        if len(venue.exchange.spent_groups) != len(self._spent):
            for account, group in sorted(venue.exchange.spent_groups - self._spent):
                self._put(found, "spent_groups", to_text([account, group]), value=True)
            self._spent.update(venue.exchange.spent_groups)
        for root in sorted(venue.unsettled.keys() ^ self._unsettled):
            self._put(found, "unsettled", root, value=True if root in venue.unsettled else None)
        self._unsettled = set(venue.unsettled)
        if found:
            self._put(found, "gateway", "saved_at", venue.now())

    def _instrument(self, instrument: Instrument, found: Changes) -> None:
        if instrument.con_id in self._instruments:
            return
        self._instruments.add(instrument.con_id)
        values = self._codec.pack_fields(Instrument, instrument, INSTRUMENT_FIELDS)
        if isinstance(instrument, Combo):
            for leg in instrument.legs:
                self._instrument(leg.instrument, found)
            values["legs"] = [self._codec.pack(Leg, leg) for leg in instrument.legs]
        self._put(found, "instruments", str(instrument.con_id), values)

    def _if_new(self, found: Changes, section: str, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        text = to_text(value)
        if self._texts.get((section, key)) != text:
            self._texts[section, key] = text
            found.setdefault(section, {})[key] = text

    def _put(self, found: Changes, section: str, key: str, value: Any) -> None:  # noqa: ANN401 - JSON
        found.setdefault(section, {})[key] = to_text(value)


def _is_restless(order: GatewayOrder) -> bool:
    """Whether an order changes without a word: its trigger follows the price, or it is let go in slices."""
    return order.allowance is not None or order.spec.kind.trigger is Trigger.TRAIL


def _restless_part(order: GatewayOrder) -> tuple[Any, ...]:
    return order.stop, order.limit_offset, order.pegged, order.allowance
