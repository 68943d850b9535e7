"""The whole venue without clients: order entry, matching, books and time, joined and deterministic.

It takes requests in the gateway's own terms, refuses what a real gateway refuses, and hands every message
that results to ``deliver``. It knows neither bytes nor sessions.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.errors import InvalidInput, InvariantViolated
from ibkr_core.gateway import answers, rules
from ibkr_core.gateway.account import Account, Balances
from ibkr_core.gateway.advisors import divide, is_held
from ibkr_core.gateway.algos import Algos
from ibkr_core.gateway.attaching import attached_fields
from ibkr_core.gateway.choreography import Cue, Director, Scene
from ibkr_core.gateway.clients import BY_HAND, Clients
from ibkr_core.gateway.clock import Clock, Scheduler
from ibkr_core.gateway.combos import Combo, ComboMarket, Combos, by_leg
from ibkr_core.gateway.conditional import Conditional, VenueWorld
from ibkr_core.gateway.entry import Entry
from ibkr_core.gateway.exchange import Exchange, Happened, Happening
from ibkr_core.gateway.filling import Filler, Totals
from ibkr_core.gateway.instruments import Catalogue, Instrument, default_catalogue
from ibkr_core.gateway.market import Market
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.options import open_market, options_on, underlying_of
from ibkr_core.gateway.orders import Execution, GatewayOrder, Hold, OrderSpec, Phase
from ibkr_core.gateway.precautions import warnings_of
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.settings import Settings
from ibkr_core.gateway.trading_day import TradingDay
from ibkr_core.gateway.trial import Trial
from ibkr_core.wire.message import Message

__all__ = ["Settings", "Venue"]

_ZERO = Decimal(0)
_NO_BLOCK = 3


class Venue:
    """Orders, markets and accounts of one simulated gateway.

    Besides what its methods do, it shows what has to survive a restart: ``numbers``; ``fills``, the latest
    revision of each execution by its root; ``unsettled``, by root, the orders with fills that their OCA group
    has not felt yet; ``origin``, when it began; ``day_began``, since when the profit of the day counts; and
    ``rebooked``, set when all fills were booked anew.

    Args:
        settings: What kind of venue.
        clock: The present, seconds since the epoch.
        seed: Decides every random thing.
        deliver: Takes each message for a client id. Whether that client is connected is not our concern.
        catalogue: What can be traded.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        clock: Clock,
        seed: int,
        deliver: Callable[[int, Message], None],
        catalogue: Catalogue | None = None,
    ) -> None:
        self.settings = settings
        self.catalogue = default_catalogue() if catalogue is None else catalogue
        self.accounts = {code: Account(code, settings.cash) for code in settings.codes}
        self._clock = clock
        self._now = clock()
        self._seed = seed
        self._deliver = deliver
        self._rng = random.Random(f"{seed}/venue")  # noqa: S311 - a simulation, not a secret
        self._schedule = Scheduler()
        self._markets: dict[int, Market] = {}
        self._stepping: set[int] = set()
        self.origin = self.day_began = self._now
        self.numbers = Numbers()
        self.fills: dict[str, Execution] = {}
        self.unsettled: dict[str, GatewayOrder] = {}
        self.rebooked = False
        self._director = Director(settings.choreography, self._rng, self.now)
        self.on_position: list[Callable[[str, Instrument], None]] = []
        self.on_restart: list[Callable[[Venue], None]] = []
        self.on_bulletin: list[Callable[[str, int, str], None]] = []
        self.recue: Callable[[GatewayOrder, Cue], Cue] = lambda _, cue: cue  # where faults change what comes
        self.combos = Combos(self.catalogue)
        self._filler = Filler(
            self.accounts,
            self.fills,
            numbers=self.numbers,
            rng=self._rng,
            now=self.now,
            quote_of=lambda instrument: self.market(instrument).quote,
            divide=self._divide,
        )
        self.exchange = Exchange(
            market_of=self.market, emit=self._happened, execute=self._filler.execute, now=self.now
        )
        self.day = TradingDay(
            settings.calendar, exchange=self.exchange, now=self.now, later=self.later, start=self._start_later
        )
        self.conditional = self._make_conditional()
        self.restrictions = rules.Restrictions(most_active=settings.most_active)
        self.exchange.is_halted = lambda one: one.con_id in self.restrictions.halted
        self._entry = self._make_entry()
        self.exchange.price_elsewhere = self._entry.price_elsewhere
        self._trial = self._make_trial()
        self.algos = Algos(self.exchange, now=self.now, later=self.later)
        self.clients = Clients(
            settings.clients, numbers=self.numbers, exchange=self.exchange, deliver=deliver
        )

    def _make_conditional(self) -> Conditional:
        return Conditional(
            VenueWorld(
                self.catalogue,
                market_of=self.market,
                balances_of=self.balances,
                executions=self.executions,
                now=self.now,
            ),
            cancel=self.exchange.cancel,
            start=self._start_later,
            later=self.later,
            in_hours=self.day.in_regular_hours,
        )

    def _make_entry(self) -> Entry:
        return Entry(
            catalogue=self.catalogue,
            resolve=self.resolve,
            market_of=self.market,
            exchange=self.exchange,
            conditional=self.conditional,
            restrictions=self.restrictions,
            precautions=self.settings.precautions,
            numbers=self.numbers,
            accounts=self.accounts,
            advisor=self.settings.advisor,
            fractional=self.settings.fractional,
            expires=self.settings.calendar is not None,
            now=self.now,
        )

    def _make_trial(self) -> Trial:
        return Trial(
            quote_of=lambda instrument: self.market(instrument).quote,
            held_of=lambda account, instrument: self.accounts[account].position(instrument).quantity,
            underlying_of=self._under_price,
            rate_of=self.rate_of,
        )

    # -- time --------------------------------------------------------------------------------------

    def now(self) -> float:
        """The present, seconds since the epoch; inside a timed action, the moment it was due."""
        return self._now

    def next_deadline(self) -> float | None:
        """When something will happen by itself; None when nothing will."""
        return self._schedule.next_due()

    def advance(self, now: float | None = None) -> None:
        """Do everything that is due, each thing at its own moment.

        Args:
            now: Seconds since the epoch; by default what the clock says. The past changes nothing.
        """
        target = max(self._clock() if now is None else now, self._now)
        while (due := self._schedule.pop_due(target)) is not None:
            moment, action = due
            self._now = max(self._now, moment)
            action()
        self._now = target

    def wait(self, now: float) -> None:
        """Let time pass without doing what is due: the gateway is down."""
        self._now = max(now, self._now)

    def later(self, delay_s: float, action: Callable[[], None]) -> None:
        """Do something after a delay; a delay of zero means at the next :meth:`advance`."""
        self._schedule.at(self._now + delay_s, action)

    # -- markets -----------------------------------------------------------------------------------

    def resolve(self, contract: Mapping[str, Any]) -> Instrument:
        """The one instrument that an order's contract means.

        Raises:
            RefusalError: As :meth:`Catalogue.resolve` and :meth:`Combos.resolve` say.
        """
        found = self.combos if contract.get("secType") == "BAG" else self.catalogue
        return found.resolve(contract)

    def market(self, instrument: Instrument) -> Market:
        """The market of an instrument, with its price as of now."""
        market = self._markets.get(instrument.con_id)
        if market is None and isinstance(instrument, Combo):
            market = ComboMarket(
                instrument, market_of=self.market, now=self._now, on_change=self._quote_changed
            )
            self._markets[instrument.con_id] = market
        elif market is None:
            market = self._markets[instrument.con_id] = open_market(
                instrument, catalogue=self.catalogue, market_of=self.market, seed=self._seed,
                settings=self.settings.market, now=self._now, on_change=self._quote_changed,
            )  # fmt: skip
        elif instrument.con_id not in self._stepping:
            market.catch_up(self._now)  # nobody watched it, so nothing rests in it that could trade
        return market

    def markets(self) -> Iterable[Market]:
        """Every market that somebody has looked at."""
        return self._markets.values()

    def _quote_changed(self, market: Market) -> None:
        self._watch(market)
        self.exchange.match(market.instrument)
        for option in options_on(self.exchange.busy(), market.instrument):
            self.market(option).catch_up(self._now)
            self._quote_changed(self.market(option))
        for combo in self.combos.with_leg(market.instrument):
            self.exchange.match(combo)
        self.exchange.match_followers(market.instrument)
        self.later(0.0, self.conditional.look)

    def _watch(self, market: Market) -> None:
        """Step a moving market as long as orders rest in it."""
        key = market.instrument.con_id
        if market.frozen or key in self._stepping or not self.exchange.is_busy(market.instrument):
            return
        self._stepping.add(key)
        self.later(market.interval_s, lambda: self._step(market))

    def _step(self, market: Market) -> None:
        self._stepping.discard(market.instrument.con_id)
        for _ in market.steps(self._now):
            self.exchange.match(market.instrument)
            if market.has_orders:
                self.exchange.strike(market.instrument, *market.passer_by())
        self._watch(market)

    def price_of(self, instrument: Instrument) -> Decimal:
        """Price at which a holding is valued."""
        return self.market(instrument).middle

    def rate_of(self, currency: str) -> Decimal:
        """Dollars for one unit of a currency; 1 where the catalogue has no pair."""
        if currency == "USD":
            return Decimal(1)
        for pair in self.catalogue.matches({"symbol": currency, "secType": "CASH", "currency": "USD"}):
            return self.price_of(pair)
        for pair in self.catalogue.matches({"symbol": "USD", "secType": "CASH", "currency": currency}):
            return 1 / self.price_of(pair)
        return Decimal(1)

    def balances(self, account: str) -> Balances:
        """An account valued now."""
        return self.accounts[account].balances(self.price_of, self.rate_of, self._under_price)

    def _under_price(self, instrument: Instrument) -> Decimal | None:
        found = underlying_of(self.catalogue, instrument)
        return None if found is None else self.price_of(found)

    # -- looking -----------------------------------------------------------------------------------

    def next_order_id(self, client_id: int) -> int:
        """The lowest order id that a client may still use."""
        return self.numbers.highest_ids.get(client_id, 0) + 1

    def executions(self) -> Iterable[Execution]:
        """The latest revision of every execution, in order."""
        return self.fills.values()

    def order_of(self, execution: Execution) -> GatewayOrder:
        """The order that an execution belongs to."""
        return self.exchange.by_perm_id(execution.perm_id)

    def completed(self) -> Iterator[GatewayOrder]:
        """Every order that is done, in order of ending."""
        done = [order for order in self.exchange.orders() if order.phase is Phase.DONE]
        return iter(sorted(done, key=lambda order: order.ended_at or 0.0))

    # -- placing -----------------------------------------------------------------------------------

    def place(
        self,
        client_id: int,
        order_id: int,
        contract: Mapping[str, Any],
        fields: Mapping[str, Any],
        attached: Mapping[str, Any] | None = None,
    ) -> None:
        """Place, modify, or try out an order; a refusal goes to the client as an error.

        Args:
            client_id: Who asks.
            order_id: A new id, or that of one of its orders to modify.
            contract: Official contract fields.
            fields: Official order fields.
            attached: Ids and types of orders to attach to a new one.
        """
        try:
            spec = OrderSpec.parse(by_leg(contract, fields))
            known = self.exchange.find(client_id, order_id)
            if spec.what_if:
                self._try_out(self._entry.build(client_id, order_id, contract, spec, known))
            elif known is None and attached:
                self._place_attached(client_id, order_id, contract, spec, attached)
            elif known is None:
                self._place_new(client_id, order_id, contract, spec)
            else:
                self._modify(known, contract, spec)
        except RefusalError as refusal:
            self._refuse(client_id, order_id, refusal)

    def place_by_hand(self, contract: Mapping[str, Any], fields: Mapping[str, Any]) -> GatewayOrder:
        """Place an order as somebody does in the gateway's own window: no client, no id (TWS facts 4).

        Raises:
            RefusalError: It is refused, as a client's would be.
        """
        order = self._entry.build(BY_HAND, BY_HAND, contract, OrderSpec.parse(fields), None)
        order.by_hand = True
        self.exchange.admit(order)
        if self.clients.auto_bind:
            self.clients.bind(order)
        self._transmit(order)
        return order

    def _place_new(self, client_id: int, order_id: int, contract: Mapping[str, Any], spec: OrderSpec) -> None:
        if order_id < self.next_order_id(client_id):
            raise RefusalError(103, "Duplicate order id")
        order = self._entry.build(client_id, order_id, contract, spec, None)
        self.numbers.highest_ids[client_id] = order_id
        self.exchange.admit(order)
        if spec.transmit:
            self._transmit(order)

    def build(
        self, client_id: int, order_id: int, contract: Mapping[str, Any], spec: OrderSpec
    ) -> GatewayOrder:
        """Make an order that is not admitted yet (see :meth:`Entry.build`)."""
        return self._entry.build(client_id, order_id, contract, spec, None)

    def _place_attached(
        self,
        client_id: int,
        order_id: int,
        contract: Mapping[str, Any],
        spec: OrderSpec,
        wanted: Mapping[str, Any],
    ) -> None:
        """Place an order with its profit taker and stop loss, all or none of them."""
        instrument = self.resolve(contract)
        price = spec.limit or self.market(instrument).quote.last
        children = attached_fields(wanted, order_id, spec, instrument, price)
        highest = self.next_order_id(client_id) - 1
        self._place_new(client_id, order_id, contract, attrs.evolve(spec, transmit=False))
        parent = self.exchange.find(client_id, order_id)
        if parent is None:
            raise InvariantViolated(f"order {order_id} of client {client_id} was placed, and is not known")
        try:
            for child_id, fields in children:
                self._place_new(client_id, child_id, contract, OrderSpec.parse(fields))
        except RefusalError:
            self.exchange.forget(parent)
            self.numbers.highest_ids[client_id] = highest
            raise
        if spec.transmit:
            for member in parent.family():
                self._accept(member)

    def _transmit(self, order: GatewayOrder) -> None:
        """Make an order live; a child brings its whole held bracket with it (TWS facts 6)."""
        family = [order] if order.parent is None else order.family()
        for member in family:
            if member.phase is Phase.HELD:
                self._accept(member)

    def _accept(self, order: GatewayOrder) -> None:
        if self.exchange.group_is_spent(order):
            self.exchange.reject(order, f"OCA group {order.oca_group} has been filled already.")
            return
        crowded = self.restrictions.too_many(order, self.exchange.live_in(order.instrument))
        if crowded:
            self.exchange.reject(order, crowded)
            return
        lacking = self._lacks_funds(order)
        if lacking:
            self.exchange.reject(order, lacking)
            return
        first_status = self._director.first_status()
        if not self.exchange.is_open(order):
            first_status = "PreSubmitted"
            self._say(order, 399, answers.held_until_opening(order, self.day.opening_text(order)))
        if order.spec.terms.outside_rth and self.day.ignores_outside(order):
            self._say(order, 2109, answers.OUTSIDE_IGNORED)
        held = self.accounts[order.account].position(order.instrument).quantity
        for code, text in warnings_of(order, held, self.settings.precautions):
            self._say(order, code, text)
        if self.restrictions.must_locate(order, held):
            order.holds.add(Hold.LOCATE)
            self._say(order, 404, answers.BEING_LOCATED)
        if order.spec.tif_was_empty and self.settings.choreography.preset_notice:
            self._say(order, 10349, "Order TIF was set to DAY based on order preset.")
        self.day.take_in(order)
        self.conditional.take_in(order, len(self.fills))
        self.algos.take_in(order)
        self.exchange.accept(order, first_status)
        self._watch(self.market(order.instrument))
        too_far = self._beyond_cap(order)
        if too_far:
            self.exchange.begin_cancel(order, announce=True)
            self.exchange.cancel(order, too_far)
            return
        self._start_later(order)

    def _start_later(self, order: GatewayOrder) -> None:
        style = self.settings.choreography
        announce = self._director.chance(style.submitted_follows)
        delay = self._director.delay(style.work_delay_s)
        self.later(delay, lambda: self.exchange.start(order, announce=announce))

    # -- after a restart ---------------------------------------------------------------------------

    def luck(self, what: object) -> str:
        """What decides something random from the last restart on."""
        return f"{self._seed}/{what}/{self.numbers.restarts}"

    def reshuffle(self) -> None:
        """Begin new luck, that of the restarts counted so far."""
        self._rng.seed(self.luck("venue"))

    def resume(self, order: GatewayOrder) -> None:
        """Let a live order from before a restart go on: to its end, or to work."""
        self._watch(self.market(order.instrument))
        if order.cancelling:
            self.later(0.0, lambda: self._end_cancel(order))
        elif not order.working:
            self._start_later(order)

    def _lacks_funds(self, order: GatewayOrder) -> str:
        if not self.settings.check_funds or order.parent is not None:  # children mostly close: not checked
            return ""
        return self._trial.lacks_funds(order, self.balances(order.account).available)

    def _beyond_cap(self, order: GatewayOrder) -> str:
        return rules.beyond_price_cap(order, self.market(order.instrument).quote, self.settings.price_cap)

    # -- trying out --------------------------------------------------------------------------------

    def _try_out(self, order: GatewayOrder) -> None:
        if not order.spec.transmit:
            raise RefusalError(413, "What-if order should have the transmit flag set to true.")
        margins = self._trial.margins_of(order, self.balances(order.account))
        self._deliver(order.client_id, answers.what_if(order, margins))

    # -- modifying and cancelling ------------------------------------------------------------------

    def _modify(self, order: GatewayOrder, contract: Mapping[str, Any], spec: OrderSpec) -> None:
        self._entry.check_modification(order, contract, spec)
        if order.phase is Phase.LIVE and not spec.transmit:
            return  # a modification that is not transmitted is held, like an order (wire facts 10)
        if order.phase is Phase.LIVE and self._refused_late(order, spec):
            return
        self.exchange.replace(order, spec)
        if spec.transmit and order.phase is Phase.HELD:
            self._transmit(order)
        elif order.phase is Phase.LIVE:
            self.day.take_in(order)
            self.conditional.take_in(order, len(self.fills))
            if not order.working:
                self._start_later(order)  # it may no longer wait for a moment or an auction

    def _refused_late(self, order: GatewayOrder, spec: OrderSpec) -> bool:
        """Whether the broker refuses a modification that the gateway took: the order dies (TWS facts 6)."""
        wanted = attrs.evolve(order, spec=spec, total=spec.quantity)
        lacking, too_far = self._lacks_funds(wanted), self._beyond_cap(wanted)
        if lacking:
            self.exchange.reject(order, lacking)
        elif too_far:
            self.exchange.begin_cancel(order, announce=True)
            self.exchange.cancel(order, too_far)
        return bool(lacking or too_far)

    def cancel(self, client_id: int, order_id: int) -> None:
        """Ask to cancel one order; the answer follows as status and error."""
        order = self.clients.cancellable(client_id, order_id)
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            self._refuse(client_id, order_id, RefusalError(10147, text))
        elif order.phase is Phase.DONE:
            self._refuse(client_id, order_id, rules.not_cancellable(order))
        elif order.cancelling:
            self._refuse(client_id, order_id, rules.not_in_cancellable_state(order))
        else:
            order.canceller = client_id
            self.clients.touched[order.perm_id] = order
            self._begin_cancel(order)

    def cancel_all(self, client_id: int) -> None:
        """Cancel every order of every client.

        Args:
            client_id: Who asks; it may be told 161 for orders of its own that are done (TWS facts 7).
        """
        for order in list(self.exchange.orders()):
            if order.phase is Phase.DONE:
                mine = order.client_id == client_id
                if mine and self.settings.choreography.dead_orders_on_global_cancel:
                    self._refuse(client_id, order.order_id, rules.not_in_cancellable_state(order))
            elif not order.cancelling:
                self._begin_cancel(order)

    def _begin_cancel(self, order: GatewayOrder) -> None:
        if order.phase is Phase.HELD:  # never acknowledged, so it ends as ApiCancelled (TWS facts 1)
            self.exchange.cancel(order, status="ApiCancelled")
            return
        style = self.settings.choreography
        self.exchange.begin_cancel(order, announce=self._director.chance(style.pending_cancel))
        self.later(self._director.delay(style.cancel_delay_s), lambda: self._end_cancel(order))

    def _end_cancel(self, order: GatewayOrder) -> None:
        if order.phase is Phase.LIVE:
            self.exchange.cancel(order)
        elif order.status == "Filled":
            asker = order.client_id if order.canceller is None else order.canceller
            self._refuse(asker, order.order_id, rules.not_cancellable(order))

    def set_hard_to_borrow(self, instrument: Instrument, *, hard: bool) -> None:
        """Let short sales of something wait for shares, or find the shares for all that wait."""
        change = self.restrictions.hard_to_borrow.add if hard else self.restrictions.hard_to_borrow.discard
        change(instrument.con_id)
        for order in [] if hard else self.exchange.live_in(instrument):
            if Hold.LOCATE in order.holds:
                order.holds.discard(Hold.LOCATE)
                self._start_later(order)

    # -- admin -------------------------------------------------------------------------------------

    def correct(
        self, exec_id: str, *, price: Decimal | None, quantity: Decimal | None, told: bool = True
    ) -> Execution:
        """Correct an execution: a new revision replaces it in every book (TWS facts 3).

        Args:
            exec_id: Any revision of the execution.
            price: New price; None keeps the old one.
            quantity: New quantity; None keeps the old one. Zero busts it: then it costs nothing, either.
            told: Whether callbacks tell of it.

        Raises:
            InvalidInput: There is no such execution, or the quantity is below zero.
        """
        old = self.fills.get(exec_id.rpartition(".")[0])
        if old is None:
            raise InvalidInput("exec_id", f"no execution has the id {exec_id}")
        if self.settings.advisor is not None and old.account == self.settings.advisor.account:
            raise InvalidInput("exec_id", f"{exec_id} was allocated: correct what the accounts got of it")
        new = attrs.evolve(
            old,
            revision=old.revision + 1,
            price=old.price if price is None else price,
            quantity=old.quantity if quantity is None else quantity,
            commission=_ZERO if quantity == 0 else old.commission,
        )
        if new.quantity < 0:
            raise InvalidInput("quantity", f"must not be below zero; got {new.quantity}")
        order = self.order_of(old)
        self.fills[new.root] = new
        self._rebook()
        new = self.fills[new.root]
        complete = self.exchange.recount(order)
        self.clients.touched[order.perm_id] = order
        if told:
            self._play(order, self._director.tell_correction(order, new))
            for listener in self.on_position if not isinstance(new.instrument, Combo) else ():
                listener(new.account, new.instrument)
        if complete:
            self.exchange.follow_up(order, new)
        return new

    def _rebook(self) -> None:
        """Book all executions anew, in order, after one of them changed."""
        self.rebooked = True
        for account in self.accounts.values():
            account.restart()
        totals = Totals()
        for order in {one.perm_id: self.order_of(one) for one in self.fills.values()}.values():
            totals.begin(one for one in order.executions if one.root not in self.fills)
        for root, one in self.fills.items():
            booked = totals.add(one)
            if is_held(one, self.settings.advisor):
                account = self.accounts[one.account]
                booking = account.book(one.instrument, one.signed_quantity, one.price, one.commission)
                booked = attrs.evolve(booked, realized=booking.realized)
            self.fills[root] = booked
            self.exchange.correct(self.order_of(booked), booked)

    def _divide(self, order: GatewayOrder, quantity: Decimal) -> Sequence[tuple[str, Decimal]]:
        """What each account of a group gets of a fill; nothing for a plain order."""
        advisor = self.settings.advisor
        shares = {} if advisor is None else advisor.shares(order.spec, self.balances)
        if not shares:
            return ()
        given: dict[str, Decimal] = {}
        for one in self.fills.values():
            if one.perm_id == order.perm_id:
                given[one.account] = given.get(one.account, _ZERO) + one.quantity
        return divide(quantity, shares, given)

    # -- telling -----------------------------------------------------------------------------------

    def _happened(self, happening: Happening) -> None:
        order = happening.order
        self._play(order, self._director.tell(happening))
        if happening.what is Happened.FREED:
            self._start_later(order)
        elif happening.what is Happened.EXECUTED and happening.execution is not None:
            self._after_fill(order, happening.execution)

    def _after_fill(self, order: GatewayOrder, execution: Execution) -> None:
        self.later(0.0, self.conditional.look)
        legs = self._filler.take_legs(execution)
        for leg in legs:
            self._play(order, self._director.tell_leg(order, leg))
        for traded in legs or [execution]:
            for listener in self.on_position:
                listener(traded.account, traded.instrument)
        if not order.oca_group or order.oca_type != _NO_BLOCK:
            return
        delay = self._director.delay(self.settings.choreography.oca_delay_s)
        if delay:
            self.settle_later(order, execution, delay)
        else:
            self.exchange.settle_oca(order, execution)

    def settle_later(self, order: GatewayOrder, execution: Execution, delay_s: float) -> None:
        """Let an OCA group feel a fill of one of its members after a while."""
        self.unsettled[execution.root] = order

        def settle() -> None:
            del self.unsettled[execution.root]
            self.exchange.settle_oca(order, execution)

        self.later(delay_s, settle)

    def _play(self, order: GatewayOrder, scene: Scene) -> None:
        for message in scene.messages:
            self.clients.tell(order, message)
        for cue in scene.cues:
            self._cue(order, cue)

    def _cue(self, order: GatewayOrder, cue: Cue) -> None:
        cue = self.recue(order, cue)
        self.later(cue.delay_s, lambda: self._play(order, self._director.perform(cue)))

    def say(self, client_id: int, message: Message) -> None:
        """Send a client a message that no order or request asked for."""
        self._deliver(client_id, message)

    def _say(self, order: GatewayOrder, code: int, text: str) -> None:
        self.clients.tell(order, answers.error(order.order_id, code, text, self._now))

    def _refuse(self, client_id: int, order_id: int, refusal: RefusalError) -> None:
        self._deliver(client_id, answers.error(order_id, refusal.code, refusal.text, self._now))
