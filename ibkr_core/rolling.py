"""Rolling a strategy: its options closed, and opened again at a later expiry.

As one combination where that can be: then it happens as a whole or not at all. Else leg by leg, in an order
that never leaves an option owed that nothing covers: what is owed is bought back, what is held is sold, the
new long ones are bought, the new short ones are sold; each step only as far as the one before it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from decimal import ROUND_FLOOR, Decimal
from typing import Final

import attrs

from ibkr_core.errors import IbkrError, InvalidInput, InvalidStrategy
from ibkr_core.legwork.asking import Terms, account_for, check_key, check_strategy, lots_of
from ibkr_core.legwork.hands import Deadline, Hands, wait_ready
from ibkr_core.legwork.holding import Held, Lot, believe, exits_of, left_bare, take_back
from ibkr_core.legwork.jobs import Job, Work, combination
from ibkr_core.legwork.tally import signed, total
from ibkr_core.legwork.targets import StrikeRule, Targets, check_order
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.numbers import EXACT, Numeric, optional_number
from ibkr_core.model.order import Action, Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ActionTaken, ExecutionResult, LegResult
from ibkr_core.model.status import OrderStatus
from ibkr_core.model.strategy import Strategy, StrategyLeg
from ibkr_core.sending import check_time

__all__ = ["RollWish", "roll_position"]

_ZERO: Final = Decimal(0)
_WHOLE: Final = Decimal(1)
_OPTIONS: Final = frozenset({"OPT", "FOP"})
_ROLLABLE: Final = frozenset({"OPT", "FOP", "FUT"})
_MOST_LEGS: Final = 4
"""Of a combination that nobody insisted on. What the exchanges take differs and is not told; four legs are a
vertical and its successor, and more are common nowhere."""
_NO_COMBO: Final = frozenset({312, 313, 314, 356, 358, 359, 360, 387})
"""Refusals that are about combinations as such (TWS facts 7): nothing traded, and single legs still can."""
_LONGEST_DTE: Final = 3_660


@attrs.frozen
class RollWish:
    """How to roll; what each means stands at :meth:`ibkr_core.engine.Engine.roll_position`."""

    strike: str = "same"
    legs: Sequence[int] | None = None
    as_combo: bool | None = None
    order: Order | None = None
    credit: Numeric | None = None
    debit: Numeric | None = None
    underlying_price: Numeric | None = None
    account: str = ""
    key: str = ""
    timeout_s: float = 60.0
    exits_timeout_s: float = 15.0

    @property
    def has_net(self) -> bool:
        """Whether there is a price for the roll as a whole."""
        return self.credit is not None or self.debit is not None

    @property
    def insists(self) -> bool:
        """Whether it has to be one combination."""
        return self.as_combo is True or self.has_net

    def check(self) -> None:
        """Raise where it contradicts itself.

        Raises:
            InvalidInput: It does.
        """
        check_key(self.key)
        check_time("timeout_s", self.timeout_s)
        check_time("exits_timeout_s", self.exits_timeout_s)
        if self.as_combo is not None and not isinstance(self.as_combo, bool):
            raise InvalidInput("as_combo", f"must be True, False or None, not {self.as_combo!r}")
        if self.has_net and self.as_combo is False:
            raise InvalidInput(
                "as_combo", "must be allowed with credit or debit: single legs have no net price"
            )
        price = optional_number("underlying_price", self.underlying_price)
        if price is not None and (self.rule is not StrikeRule.MONEYNESS or price <= 0):
            raise InvalidInput("underlying_price", 'is for strike="moneyness", and must be above zero')

    @property
    def rule(self) -> StrikeRule:
        """The rule for strikes.

        Raises:
            InvalidInput: There is no such rule.
        """
        return _rule(self.strike)


def roll_position(hands: Hands, strategy: Strategy, new_dte: int, wish: RollWish) -> ExecutionResult:
    """Do as :meth:`ibkr_core.engine.Engine.roll_position` says."""
    check_strategy(strategy)
    if isinstance(new_dte, bool) or not isinstance(new_dte, int) or not 0 <= new_dte <= _LONGEST_DTE:
        raise InvalidInput("new_dte", f"must be a whole number of days up to {_LONGEST_DTE}, not {new_dte!r}")
    wish.check()
    rule, chosen = wish.rule, _chosen(strategy, wish.legs)
    if isinstance(wish.order, Order) and wish.order.limit_price is not None:
        raise InvalidInput(
            "order", "several legs have no limit in common; give credit or debit for all of them"
        )
    terms = Terms.read(2 * len(chosen), wish.order, None, wish.credit, wish.debit, is_combo=wish.insists)
    hands.engine.check_may_wait()
    account = account_for(hands, wish.account, wish.order)
    names_account = bool(wish.account) or (wish.order is not None and bool(wish.order.account))
    names_account |= len(hands.engine.accounts) > 1
    work = Work(hands, wish.key or hands.desk.make_key(), account, names_account=names_account)
    old = lots_of(hands, chosen, strategy.quantity)
    measured_at = optional_number("underlying_price", wish.underlying_price)
    new = _targets(work, old, lambda: Targets(hands, rule, measured_at).find(old, new_dte))
    check_order(old, new)
    stays = [leg for leg in strategy.legs if leg not in chosen]
    kept = {one.con_id for one in lots_of(hands, stays, strategy.quantity)}
    rolling = _Rolling(hands, strategy, work, _pairs(old, new, kept), terms, wish)
    rolling.check()
    rolling.run()
    return rolling.conclude()


def _rule(strike: object) -> StrikeRule:
    try:
        return StrikeRule(str(strike))
    except ValueError:
        known = ", ".join(rule.value for rule in StrikeRule)
        raise InvalidInput("strike", f"must be one of {known}, not {strike!r}") from None


def _chosen(strategy: Strategy, legs: Sequence[int] | None) -> tuple[StrategyLeg, ...]:
    """Return the legs that are to be rolled: all that expire, unless some are named by their place."""
    if legs is None:
        found = tuple(leg for leg in strategy.legs if leg.contract.sec_type in ("", *_ROLLABLE))
    else:
        places = tuple(legs) if isinstance(legs, Iterable) else (legs,)
        for place in places:
            if isinstance(place, bool) or not isinstance(place, int) or not 0 <= place < len(strategy.legs):
                raise InvalidInput("legs", f"must be places of legs, from 0 to {len(strategy.legs) - 1}")
        if len(set(places)) < len(places):
            raise InvalidInput("legs", "must name each leg once")
        found = tuple(strategy.legs[place] for place in places)
    for leg in found:
        if leg.contract.sec_type not in ("", *_ROLLABLE):
            raise InvalidStrategy("legs", f"{leg.contract.name} does not expire, so it cannot be rolled")
    if not found:
        raise InvalidStrategy("strategy", "has no leg that expires, so there is nothing to roll")
    return found


@attrs.frozen
class _Pair:
    """A leg and its successor.

    Attributes:
        place: Of the leg among those that were chosen, from 1: it names the orders, now and in a later call.
        old: What is closed.
        new: What is opened.
    """

    place: int
    old: Lot
    new: Lot


def _pairs(old: Sequence[Lot], new: Sequence[Lot], kept: set[int]) -> tuple[_Pair, ...]:
    pairs = tuple(
        _Pair(place, one, other)
        for place, (one, other) in enumerate(zip(old, new, strict=True), start=1)
        if one.con_id != other.con_id
    )
    stays = kept | {one.con_id for one, other in zip(old, new, strict=True) if one.con_id == other.con_id}
    for pair in pairs:
        if pair.new.con_id in stays:
            raise InvalidInput(
                "new_dte", f"{pair.new.contract.name} is a leg that stays: they would cancel out"
            )
    return pairs


def _targets(work: Work, old: Sequence[Lot], find: Callable[[], tuple[Lot, ...]]) -> tuple[Lot, ...]:
    """Return what each leg becomes: what an earlier call with the key went for, else what is found now."""
    known = [_opened(work, index, lot) for index, lot in enumerate(old)]
    found = old if all(known) else find()
    new = []
    for lot, con_id, other in zip(old, known, found, strict=True):
        if con_id and con_id != other.con_id:
            contract = work.hands.library.qualify(Contract.by_con_id(con_id, lot.contract.exchange))
            new.append(Lot(contract, lot.ratio, lot.side))
        else:
            new.append(other)
    return tuple(new)


def _opened(work: Work, index: int, lot: Lot) -> int:
    """The contract id of what an earlier call opened, or wanted to open, for a leg; 0 when there is none."""
    for record in work.orders_of(f"roll-open{index + 1}"):
        if record.contract is not None:
            return record.contract.con_id
    for record in work.orders_of("roll"):
        legs = record.contract.combo_legs if record.contract is not None else ()
        places = [place for place, leg in enumerate(legs) if leg.con_id == lot.con_id]
        if places and places[0] + len(legs) // 2 < len(legs):
            return legs[places[0] + len(legs) // 2].con_id
    return 0


class _Rolling:
    """One roll on its way."""

    def __init__(
        self,
        hands: Hands,
        strategy: Strategy,
        work: Work,
        pairs: tuple[_Pair, ...],
        terms: Terms,
        wish: RollWish,
    ) -> None:
        self._hands = hands
        self._strategy = strategy
        self._work = work
        self._pairs = pairs
        self._wish = wish
        self._timeout_s = wish.timeout_s
        self._exits_timeout_s = wish.exits_timeout_s
        plain = Terms(terms.order)
        self._closes = tuple(
            Job(
                f"roll-close{p.place}",
                p.old.contract,
                p.old.closing,
                plain.of_leg(0),
                (attrs.evolve(p.old, ratio=1),),
            )
            for p in pairs
        )
        self._opens = tuple(
            Job(
                f"roll-open{p.place}",
                p.new.contract,
                p.new.side,
                plain.of_leg(0),
                (),
                (attrs.evolve(p.new, ratio=1),),
            )
            for p in pairs
        )
        bag, side = combination(
            [(p.old, p.old.closing) for p in pairs] + [(p.new, p.new.side) for p in pairs]
        )
        self._combo = Job(
            "roll", bag, side, terms.of_combo(side), tuple(p.old for p in pairs), tuple(p.new for p in pairs)
        )
        self._units = _ZERO
        self._by_combo = False
        self._spare: dict[int, Decimal] = {}
        self._exits: tuple[OrderRecord, ...] = ()
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._trouble = ""

    # ── before anything is sent ─────────────────────────────────────────────────────────────────

    def check(self) -> None:
        """Choose between one combination and single legs, and refuse what cannot be sent.

        Raises:
            InvalidInput: A combination is insisted on that cannot be, or an order cannot work.
        """
        wish, why_not = self._wish, self._why_no_combo()
        if wish.insists and why_not:
            raise InvalidInput("as_combo", why_not)
        is_small = 2 * len(self._pairs) <= _MOST_LEGS
        self._by_combo = wish.insists or (wish.as_combo is None and not why_not and is_small)
        if self._by_combo or self._work.orders(self._combo):
            self._work.check(self._combo, self._strategy.quantity)
        for pair, close, open_ in zip(self._pairs, self._closes, self._opens, strict=True):
            for job in (close, open_):
                if not self._by_combo or self._work.orders(job):
                    self._work.check(job, _times(self._strategy.quantity, pair.old))

    def _why_no_combo(self) -> str:
        contracts = [one.contract for pair in self._pairs for one in (pair.old, pair.new)]
        if any(contract.sec_type not in _OPTIONS for contract in contracts):
            return "a roll is one combination for options only"
        if len({(one.symbol, one.currency, one.exchange, one.sec_type) for one in contracts}) > 1:
            return "the legs are not on one underlying and exchange"
        if len({one.con_id for one in contracts}) < len(contracts):
            return "one leg moves to where another one is, and a combination has each instrument once"
        return ""

    # ── doing ───────────────────────────────────────────────────────────────────────────────────

    def run(self) -> None:
        """Roll what can be rolled. What goes wrong is kept for the result."""
        try:
            wait_ready(self._hands, Deadline(self._hands, self._timeout_s))
            held = self._believe()
            self._plan(held)
            if not self._units:
                return
            self._hands.check_may_send()
            held = self._clear(held)
            if self._goes_as_combo():
                self._step([(self._combo, self._units)], held)
                if self._work.done(self._combo) or not self._falls_back():
                    return
                self._notes.append(f"single legs, because: {self._work.why(self._combo)}")
                self._require_legs(())
            self._leg_by_leg(held)
        except IbkrError as error:  # what was done until then is in the book
            self._trouble = str(error)

    def _believe(self) -> Held:
        deadline = Deadline(self._hands, self._exits_timeout_s)
        held = believe(self._hands, self._work.account, [pair.old for pair in self._pairs], deadline)
        if not held.is_certain:
            self._notes.append("the broker's positions did not settle; the smaller figures were used")
        return held

    def _there(self, held: Held, lot: Lot) -> Decimal:
        return max(signed(lot.side.sign, held.told[lot.con_id]), _ZERO)

    def _closed(self, index: int) -> Decimal:
        """Return how much of an old leg is closed, by whichever order."""
        pair, job = self._pairs[index], self._closes[index]
        return EXACT.add(self._work.done_of(self._combo, pair.old), self._work.done(job))

    def _opened(self, index: int) -> Decimal:
        """Return how much of a new leg is open, by whichever order."""
        pair, job = self._pairs[index], self._opens[index]
        return EXACT.add(self._work.done_of(self._combo, pair.new), self._work.done(job))

    def _plan(self, held: Held) -> None:
        """Decide how many units are to be rolled in all, by earlier calls with this key included."""
        ever = [EXACT.add(self._there(held, p.old), self._closed(i)) for i, p in enumerate(self._pairs)]
        whole = [_whole_units(one, pair.old) for one, pair in zip(ever, self._pairs, strict=True)]
        self._units = min([self._strategy.quantity, *whole])
        self._spare = {
            pair.old.con_id: EXACT.subtract(one, _times(self._units, pair.old))
            for one, pair in zip(ever, self._pairs, strict=True)
        }

    def _clear(self, held: Held) -> Held:
        """Take away what works against the old legs, and look at them again."""
        to_close = [
            pair.old
            for index, pair in enumerate(self._pairs)
            if self._closed(index) < _times(self._units, pair.old)
        ]
        exits = exits_of(self._hands, to_close, self._spare, self._work.account, self._own())
        # What a gate would refuse to open must not be closed, nor lose its exits.
        if self._goes_as_combo():
            self._work.require([(self._combo, self._units)], exits)
        else:
            self._require_legs(exits)
        self._exits = exits
        if not exits:
            return held
        self._take_back(self._exits)
        held = self._believe()
        self._plan(held)
        return held

    def _goes_as_combo(self) -> bool:
        return self._by_combo and not any(self._work.orders(job) for job in self._closes)

    def _require_legs(self, exits: Iterable[OrderRecord]) -> None:
        """Raise where risk gates would refuse a step: what is closed first has to be opened later."""
        units = EXACT.subtract(self._units, self._work.done(self._combo))
        for jobs in (self._closes, self._opens):
            wishes = [(job, _times(units, pair.old)) for pair, job in zip(self._pairs, jobs, strict=True)]
            self._work.require(wishes, exits)

    def _own(self) -> list[int]:
        """Return the ids of the orders of this roll that close something."""
        return [one.order_id for job in (self._combo, *self._closes) for one in self._work.orders(job)]

    def _take_back(self, records: Iterable[OrderRecord]) -> None:
        deadline = Deadline(self._hands, self._exits_timeout_s)
        self._problems += take_back(self._hands, records, deadline).values()

    def _step(self, wishes: Sequence[tuple[Job, Decimal]], held: Held) -> None:
        """Work some jobs, and cancel what has not filled in time: the next step needs to know."""
        if not wishes:
            return
        self._work.run(wishes, held, Deadline(self._hands, self._timeout_s))
        self._take_back(record for job, _ in wishes for record in self._work.open(job))

    def _falls_back(self) -> bool:
        """Whether the combination was refused as such: then nothing of it lives, and nothing was traded."""
        orders = self._work.orders(self._combo)
        refused = bool(orders) and all(one.status is OrderStatus.REJECTED for one in orders)
        return not self._wish.insists and refused and bool(_NO_COMBO.intersection(orders[-1].error_codes))

    def _leg_by_leg(self, held: Held) -> None:
        """Buy back, sell, buy, sell short: each only as far as the step before it came."""
        units = EXACT.subtract(self._units, self._work.done(self._combo))
        is_stale = bool(self._work.orders(self._combo))
        for jobs, side in (
            (self._closes, Action.SELL),
            (self._closes, Action.BUY),
            (self._opens, Action.BUY),
            (self._opens, Action.SELL),
        ):
            group = [
                (pair.old, job) for pair, job in zip(self._pairs, jobs, strict=True) if pair.old.side is side
            ]
            if group and jobs is self._closes:
                held = self._believe() if is_stale else held  # a step takes its time, and others trade too
                is_stale = True
            self._step([(job, _times(units, lot)) for lot, job in group], held)
            units = min([units, *(_whole_units(self._work.done(job), lot) for lot, job in group)])

    # ── telling ─────────────────────────────────────────────────────────────────────────────────

    def conclude(self) -> ExecutionResult:
        """Say what was done, and raise the alarm where something is left."""
        count = range(len(self._pairs))
        legs = (
            *(
                self._leg(pair.old, self._closes[i], self._closed(i))
                for i, pair in zip(count, self._pairs, strict=True)
            ),
            *(
                self._leg(pair.new, self._opens[i], self._opened(i))
                for i, pair in zip(count, self._pairs, strict=True)
            ),
        )
        ids = tuple(sorted({one for leg in legs for one in leg.order_ids}))
        error = self._error(legs)
        lots = [pair.old for pair in self._pairs]
        bare = left_bare(self._hands, lots, self._spare, self._exits, self._work.account, self._own())
        jobs = (self._combo, *self._closes, *self._opens)
        is_half_done = any(leg.done for leg in legs) or any(self._work.open(job) for job in jobs)
        done = ActionTaken.ROLLED
        if error:
            done = ActionTaken.PARTIAL if is_half_done else ActionTaken.FAILED
        if bare or (error and (is_half_done or self._exits)):
            self._hands.publish(
                events.StrategyUnfinished,
                call="roll_position",
                key=self._work.key,
                strategy=str(self._strategy),
                order_ids=ids,
                error_message="; ".join(one for one in (error, *bare) if one),
            )
        return ExecutionResult(
            success=not error,
            action_taken=ActionTaken.DRY_RUN if self._hands.is_dry_run else done,
            order_ids=ids,
            error_message=error or None,
            legs=legs,
            notes=(*self._told(), *bare),
        )

    def _leg(self, lot: Lot, job: Job, done: Decimal) -> LegResult:
        orders = (*self._work.orders(self._combo), *self._work.orders(job))
        wanted = _times(self._units, lot)
        why = [self._work.why(self._combo), self._work.why(job), *self._problems, self._trouble]
        if not any(why):
            why.append(
                self._work.blockers(job.lots, (*self._closes, self._combo))
                or "an earlier step was not completed"
            )
        return LegResult(
            contract=lot.contract,
            action=job.action,
            wanted=wanted,
            done=done,
            order_ids=tuple(dict.fromkeys(record.order_id for record in orders)),
            error="; ".join(dict.fromkeys(one for one in why if one)) if done < wanted else "",
        )

    def _error(self, legs: Sequence[LegResult]) -> str:
        """Put into words why it was no success; empty when it was one."""
        left = [leg for leg in legs if leg.left]
        if not left and not self._trouble:
            if self._units:
                return ""
            return (
                f"not one whole unit of {self._strategy.name} is held in account {self._work.account}; "
                "nothing was sent"
            )
        parts = [f"rolled {self._rolled()} of {self._units}", self._trouble]
        if left:
            parts.insert(1, f"left: {', '.join(str(leg) for leg in left)}")
        half = len(legs) // 2
        if total(leg.done for leg in legs[:half]) > total(leg.done for leg in legs[half:]):
            parts.append("more was closed than opened")
        gone = [
            one for one in self._exits if one.is_ours and self._hands.engine.order(one.order_id).is_finished
        ]
        if gone and left:
            ids = ", ".join(f"#{record.order_id}" for record in gone)
            parts.append(f"the exit orders {ids} are gone, so what is left is unprotected")
        return "; ".join(part for part in parts if part)

    def _rolled(self) -> Decimal:
        """Return how many units are open at the new expiry in full."""
        return min(_whole_units(self._opened(i), pair.new) for i, pair in enumerate(self._pairs))

    def _told(self) -> tuple[str, ...]:
        notes = list(self._notes)
        if self._units < self._strategy.quantity:
            notes.append(f"{self._units} of {self._strategy.quantity} units were there to be rolled")
        notes += [f"exit order #{record.order_id} was in the way" for record in self._exits]
        return tuple(notes)


def _times(units: Decimal, lot: Lot) -> Decimal:
    return EXACT.multiply(units, Decimal(lot.ratio))


def _whole_units(quantity: Decimal, lot: Lot) -> Decimal:
    return EXACT.divide(quantity, Decimal(lot.ratio)).quantize(_WHOLE, ROUND_FLOOR, EXACT)
