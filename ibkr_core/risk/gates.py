"""The gates that come with the package. Each is pure: a context in, a refusal or None out.

``RiskLimits`` makes them; they can also be made one by one, and kept to some symbols with :class:`OnlyFor`.
Where a gate cannot know (no quote, no position), it refuses unless ``passes_unknown`` is set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import timedelta
from decimal import Decimal
from typing import ClassVar, Final

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Order
from ibkr_core.model.ruleparts import size
from ibkr_core.risk.exposure import (
    Reach,
    UnknownExposureError,
    held,
    instruments,
    reach,
    same_account,
    same_instrument,
)
from ibkr_core.risk.hours import TradingHours
from ibkr_core.risk.values import (
    PRICED,
    Gate,
    LastQuote,
    LiveOrder,
    Need,
    Refusal,
    RiskContext,
    name_of,
    needs_of,
    plain_text,
)

__all__ = [
    "AllowedHours",
    "AllowedSecTypes",
    "AllowedSymbols",
    "DailyOrders",
    "Duplicates",
    "MaxLoss",
    "MaxNotional",
    "MaxOrderSize",
    "MaxPosition",
    "OnlyFor",
    "OrderRate",
    "PriceCollar",
    "multiplier_of",
    "notional",
    "only_reduces",
    "touch",
    "unit_price",
    "worst_limit",
]

_ZERO: Final = Decimal(0)
_NO_QUOTE: Final = "no quote of it is known (engine.risk.note_quote tells one)"
_NO_PRICE: Final = "a price of it is not known (engine.risk.note_quote tells one)"
_HUNDRED: Final = Decimal(100)
_SECOND: Final = timedelta(seconds=1)
_UNIT_KINDS: Final = frozenset({"STK", "CFD", "CASH", "CRYPTO", "FUND", "IND", "CMDTY"})
"""Kinds of which one unit is one unit. Of all others the contract's own multiplier has to be known."""
_NEVER_NEGATIVE: Final = frozenset({"STK", "CFD", "CASH", "CRYPTO", "FUND", "IND", "OPT", "WAR", "BOND"})
_TRIGGERED: Final = frozenset({"STP LMT", "LIT"})
_ANY: Final = "*"


# --- prices -----------------------------------------------------------------------------------------


def touch(contract: Contract, order: Order, quote: LastQuote | None) -> Decimal | None:
    """Return the price that an order would meet at once: the ask for a purchase, the bid for a sale.

    Where that is not known the last trade, else the close; None when nothing is. Of what cannot cost zero or
    less, such a price is none: it is how feeds say that they have no price. So is an infinite one.
    """
    if quote is None:
        return None
    first = quote.ask if order.action.sign > 0 else quote.bid
    for price in (first, quote.last, quote.close):
        if price is None or price.is_infinite():
            continue
        if price > 0 or contract.sec_type not in _NEVER_NEGATIVE:
            return price
    return None


def worst_limit(order: Order) -> Decimal | None:
    """Return the worst price at which an order's limit lets it trade; None where it has no limit.

    A discretionary order goes beyond the limit that it shows (``discretionaryAmt``). In a pegged or relative
    order, whose limit is only a cap, zero means that there is none (comments of the official Order and its
    order type pages: ``lmtPrice`` is left at 0).
    """
    limit = order.limit_price
    if limit is None or (not limit and order.order_type not in PRICED):
        return None
    return EXACT.add(limit, EXACT.multiply(size(order, "discretionaryAmt"), Decimal(order.action.sign)))


def unit_price(contract: Contract, order: Order, quote: LastQuote | None) -> Decimal | None:
    """Return the price by which an order is weighed.

    A purchase with a limit: the limit (see :func:`worst_limit`). A sale with a limit: the limit, or the last
    quote where that is known and higher. A stop or a touched order: its trigger, or the last quote where that
    is higher. Everything else, market orders above all: the last quote. None where that is not known. No
    source has a rule for this; chosen because an order is never weighed lighter than what is known of it.
    """
    market, limit = touch(contract, order, quote), worst_limit(order)
    own = [order.limit_price] if order.limit_price is not None and limit is not None else []
    if not own and "TRAIL" in order.order_type:
        own = [order.trail_stop_price] if order.trail_stop_price is not None else []
    elif not own and order.aux_price is not None:
        own = [order.aux_price]
    if limit is not None and order.action.sign > 0:
        return limit
    if market is None:
        return own[0] if limit is not None else None
    return max(own[0], market, key=abs) if own else market


def multiplier_of(contract: Contract) -> Decimal | None:
    """Return how much one unit of price is worth for one unit of quantity; None when not known."""
    if contract.multiplier:
        try:
            number = Decimal(contract.multiplier)
        except ArithmeticError:
            return None
        return number if number.is_finite() and number > 0 else None
    return Decimal(1) if contract.sec_type in _UNIT_KINDS else None


def notional(contract: Contract, order: Order, quote: LastQuote | None) -> Decimal | None:
    """Return the money that an order is about, in the contract's currency; None when not known."""
    if order.cash_quantity is not None:
        return order.cash_quantity
    price, per_unit = unit_price(contract, order, quote), multiplier_of(contract)
    if price is None or per_unit is None or not order.quantity:
        return None
    return abs(EXACT.multiply(EXACT.multiply(order.quantity, price), per_unit))


# --- what a position can come to --------------------------------------------------------------------


@attrs.frozen
class _Move:
    """What an order does to one instrument in one account.

    Attributes:
        contract: The instrument.
        position: What is held of it.
        after: How far the position can come with the order.
    """

    contract: Contract
    position: Decimal
    after: Reach
    _account: str
    _working: Sequence[LiveOrder]

    @property
    def before(self) -> Reach:
        """How far it can come without the order."""
        return reach(self.position, self._working, self.contract, self._account)


def _moves(context: RiskContext) -> Iterable[_Move]:
    """Yield each instrument and account that the order moves.

    Raises:
        UnknownExposureError: Something about it is not known.
    """
    if context.positions is None:
        raise UnknownExposureError("the broker has not told the positions yet")
    working = context.working
    changed = {order.order_id for order in context.group}
    wanted = [order for order in working if not (order.is_ours and order.order_id in changed)]
    wanted += context.group
    for contract, _ in instruments(context.contract):
        for account, position in _places(context.account, context.positions, contract):
            after = reach(position, wanted, contract, account)
            yield _Move(contract, position, after, account, working)


def _places(account: str, positions: Sequence[Position], contract: Contract) -> Iterable[tuple[str, Decimal]]:
    """Yield where an order may be booked, and the position there.

    One that names no account may go to any: also to one that holds nothing yet. Positions of several accounts
    are never set off against each other.
    """
    names = {position.account for position in positions} - {""}
    if account or not names:
        yield account, held(positions, contract, account)
        return
    yield "", _ZERO
    for name in names:
        yield name, held(positions, contract, name)


def only_reduces(context: RiskContext) -> bool:
    """Whether an order, with all that is sent with it, can only bring positions nearer to zero.

    Raises:
        UnknownExposureError: A position or a size is not known.
    """
    return all(_reduces(move) for move in _moves(context))


def _reduces(move: _Move) -> bool:
    after, before = move.after, move.before
    is_nearer = after.lowest >= min(before.lowest, _ZERO) and after.highest <= max(before.highest, _ZERO)
    keeps_side = after.lowest >= 0 if move.position > 0 else after.highest <= 0
    return bool(move.position) and is_nearer and keeps_side


# --- gates ------------------------------------------------------------------------------------------


@attrs.frozen
class MaxOrderSize:
    """No order of more units."""

    most: Decimal
    passes_unknown: bool = False
    name: ClassVar[str] = "order size"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        order, before = context.order, context.before
        # The broker sizes a hedge, and an order for an amount of money, whatever quantity stands beside it.
        if not order.quantity or order.cash_quantity is not None:
            return _unknown(self, "quantity", "its size is set by the broker", self.most)
        if order.quantity <= self.most or (before is not None and order.quantity <= before.quantity):
            return None
        return _over("quantity", self.most, order.quantity)


@attrs.frozen
class MaxNotional:
    """No order about more money.

    Attributes:
        most: The limit by currency; ``*`` for every currency that is not named.
        passes_unknown: Whether an order of unknown worth passes: no quote, or no multiplier.
    """

    most: Mapping[str, Decimal] = attrs.field(hash=False)
    passes_unknown: bool = False
    name: ClassVar[str] = "notional"
    needs: ClassVar[frozenset[str]] = frozenset({Need.QUOTE})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        contract = context.contract
        limit = self.most.get(contract.currency, self.most.get(_ANY))
        if limit is None:
            known = ", ".join(sorted(self.most))
            currency = contract.currency or "an unknown currency"
            return Refusal(argument="contract", reason=f"no limit is set for {currency}, only for {known}")
        worth = notional(contract, context.order, context.quote)
        if worth is None:
            missing = "its multiplier is not known" if multiplier_of(contract) is None else _NO_PRICE
            return _unknown(self, "order", missing, limit)
        if worth <= limit:
            return None
        before = context.before
        past = notional(contract, before, context.quote) if before is not None else None
        return None if past is not None and worth <= past else _over("order", limit, worth, contract.currency)


@attrs.frozen
class MaxPosition:
    """No position of more units in one contract, long or short, whatever of the working orders fills.

    An order that only brings a position nearer to zero passes, also where the position is beyond the limit.
    """

    most: Decimal
    passes_unknown: bool = False
    name: ClassVar[str] = "position"
    needs: ClassVar[frozenset[str]] = frozenset({Need.POSITIONS, Need.WORKING})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        try:
            for move in _moves(context):
                far = move.after
                if far.highest > self.most and far.highest > move.before.highest:
                    return self._too_far(move.contract, far.highest, "long")
                if -far.lowest > self.most and -far.lowest > -move.before.lowest:
                    return self._too_far(move.contract, -far.lowest, "short")
        except UnknownExposureError as error:
            return _unknown(self, "contract", str(error), self.most)
        return None

    def _too_far(self, contract: Contract, far: Decimal, side: str) -> Refusal:
        told = f"with all that works {contract.name} could come to {plain_text(far)} {side}"
        reason = f"{told}; at most {plain_text(self.most)} is allowed"
        return Refusal(argument="quantity", reason=reason, limit=self.most, value=far)


@attrs.frozen
class OrderRate:
    """No more new orders within any second. Each leg of a group counts."""

    most: int
    name: ClassVar[str] = "orders per second"
    needs: ClassVar[frozenset[str]] = frozenset({Need.RECENT})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        if context.is_modification:
            return None
        count = max(len(context.group), 1)
        for submission in reversed(context.recent):
            if context.now - submission.at >= _SECOND:
                break
            count += 1
        return _over("order", self.most, count) if count > self.most else None


@attrs.frozen
class DailyOrders:
    """No more new orders on one day. Each leg of a group counts."""

    most: int
    name: ClassVar[str] = "orders per day"
    needs: ClassVar[frozenset[str]] = frozenset({Need.TODAY})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        if context.is_modification:
            return None
        count = context.submitted_today + max(len(context.group), 1)
        return _over("order", self.most, count) if count > self.most else None


@attrs.frozen
class PriceCollar:
    """No limit price far through the market.

    A purchase's limit may lie so far above the price that it would meet (the ask, else the last trade, else
    the close), a sale's so far below the bid; the other way a limit only waits. The limit of a stop-limit,
    limit-if-touched or trailing order is measured from its trigger, that of a discretionary order from where
    its discretion ends. Orders without a limit have no price to look at.

    Attributes:
        percent: How far in percent; None for no such limit.
        ticks: How far in price increments; None for no such limit.
        passes_unknown: Whether an order passes where the quote, or the increment, is not known.
    """

    percent: Decimal | None = None
    ticks: Decimal | None = None
    passes_unknown: bool = False
    name: ClassVar[str] = "price collar"
    needs: ClassVar[frozenset[str]] = frozenset({Need.QUOTE, Need.TICK})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        order, before = context.order, context.before
        limit = worst_limit(order)
        if limit is None or (before is not None and _same_prices(before, order)):
            return None
        if "TRAIL" in order.order_type:
            market = order.trail_stop_price
            if market is None:
                return None  # its limit follows the market from a place that the broker computes
        elif order.order_type in _TRIGGERED:
            market = self._at_trigger(context)
        else:
            market = touch(context.contract, order, context.quote)
        most = self.percent if self.percent is not None else self.ticks
        if market is None:
            return _unknown(self, "limit_price", _NO_QUOTE, most)
        through = EXACT.multiply(EXACT.subtract(limit, market), Decimal(order.action.sign))
        if through <= 0:
            return None
        found = self._by_percent(through, market, limit)
        return found if found is not None else self._by_ticks(through, market, limit, context.tick)

    @staticmethod
    def _at_trigger(context: RiskContext) -> Decimal | None:
        """Return where the market is once an order is triggered; it may be beyond a touched one's already."""
        order = context.order
        trigger, market = order.aux_price, touch(context.contract, order, context.quote)
        if order.order_type != "LIT" or trigger is None or market is None:
            return trigger
        return min(trigger, market) if order.action.sign > 0 else max(trigger, market)

    def _by_percent(self, through: Decimal, market: Decimal, limit: Decimal) -> Refusal | None:
        if self.percent is None:
            return None
        if not market:
            return _unknown(
                self, "limit_price", "no percentage of a price of zero can be taken", self.percent
            )
        # Multiplied out: a quotient would have to be rounded.
        if EXACT.multiply(through, _HUNDRED) <= EXACT.multiply(self.percent, abs(market)):
            return None
        far = EXACT.divide(EXACT.multiply(through, _HUNDRED), abs(market))
        return _too_far(limit, market, f"{plain_text(self.percent)} %", f"{far:.2f} %")

    def _by_ticks(
        self, through: Decimal, market: Decimal, limit: Decimal, tick: Decimal | None
    ) -> Refusal | None:
        if self.ticks is None:
            return None
        if tick is None or tick <= 0:
            return _unknown(self, "limit_price", "its price increment is not known", self.ticks)
        if through <= EXACT.multiply(self.ticks, tick):
            return None
        far = EXACT.divide(through, tick)
        return _too_far(limit, market, f"{plain_text(self.ticks)} ticks", f"{far:.1f} ticks")


@attrs.frozen
class AllowedSymbols:
    """Only these symbols: a contract's symbol, its local symbol, or ``#265598`` for its contract id."""

    symbols: frozenset[str]
    name: ClassVar[str] = "symbol"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        return (
            None if _is_named(context.contract, self.symbols) else _not_among(context, self.symbols, "symbol")
        )


@attrs.frozen
class AllowedSecTypes:
    """Only these kinds of instruments, such as ``STK``. A combo is ``BAG``."""

    kinds: frozenset[str]
    name: ClassVar[str] = "sec type"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        kind = context.contract.sec_type
        if kind.upper() in self.kinds:
            return None
        text = ", ".join(sorted(self.kinds))
        why = f"{kind!r} is not allowed" if kind else "the contract does not say its sec_type"
        return Refusal(argument="sec_type", reason=f"{why}; allowed: {text}", limit=text, value=kind)


@attrs.frozen
class AllowedHours:
    """Only within one of these spans of time."""

    hours: tuple[TradingHours, ...]
    name: ClassVar[str] = "hours"
    needs: ClassVar[frozenset[str]] = frozenset()

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        if any(hours.contains(context.now) for hours in self.hours):
            return None
        text, now = "; ".join(map(str, self.hours)), f"{context.now:%Y-%m-%d %H:%M:%S %Z}"
        return Refusal(argument="order", reason=f"{now} is outside {text}", limit=text, value=now)


@attrs.frozen
class Duplicates:
    """No order like one that was let through a moment ago, unless the caller allows it.

    Alike are contract, account, side, type, quantity and prices. Orders of one group are not compared.
    """

    window_s: float
    name: ClassVar[str] = "duplicate"
    needs: ClassVar[frozenset[str]] = frozenset({Need.RECENT})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        if context.allow_duplicate or context.is_modification:
            return None
        window = timedelta(seconds=self.window_s)
        for one in reversed(context.recent):
            age = context.now - one.at
            if age >= window:
                return None
            if _are_alike(one.order, context.order) and _may_be_same(one.contract, context.contract):
                return Refusal(
                    argument="order",
                    reason=f"order {one.order_id} was the same {age.total_seconds():.1f} s ago; give "
                    "allow_duplicate=True if a second one is meant",
                    limit=f"{self.window_s} s",
                    value=f"{age.total_seconds():.1f} s",
                )
        return None


@attrs.frozen
class MaxLoss:
    """No opening order once the day's loss is at the limit, and trading is halted.

    Orders that only bring positions nearer to zero pass, for the time after a halt was lifted.
    """

    most: Decimal
    passes_unknown: bool = False
    name: ClassVar[str] = "max loss"
    needs: ClassVar[frozenset[str]] = frozenset({Need.PROFIT_AND_LOSS, Need.POSITIONS, Need.WORKING})

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        result = context.profit_and_loss
        if result is not None and not self.is_reached(result):
            return None
        if _surely_reduces(context):
            return None
        if result is None:
            return _unknown(self, "account", "the day's profit and loss is not known", self.most)
        return Refusal(
            argument="account",
            reason=self.reason(context.account, result),
            limit=self.most,
            value=result,
            halts=True,
        )

    def is_reached(self, result: Decimal) -> bool:
        """Whether a profit (above zero) or loss (below) is at the limit."""
        return not result > -self.most  # a result that is no number is no proof that all is well

    def reason(self, account: str, result: Decimal) -> str:
        """Say so in words."""
        where = f" of {account}" if account else ""
        return f"the day's result{where} is {plain_text(result)}, and the loss may be {plain_text(self.most)}"


@attrs.frozen
class OnlyFor:
    """Keeps a gate to some symbols: ``OnlyFor({"ES", "NQ"}, MaxOrderSize(Decimal(2)))``.

    Symbols are named as for :class:`AllowedSymbols`.
    """

    symbols: Collection[str]
    gate: Gate

    @property
    def name(self) -> str:
        """The gate's name, and for what."""
        return f"{name_of(self.gate)} of {', '.join(sorted(self.symbols))}"

    @property
    def needs(self) -> frozenset[str]:
        """What the gate needs."""
        return needs_of(self.gate)

    def __call__(self, context: RiskContext) -> Refusal | None:
        """See :data:`Gate`."""
        return self.gate(context) if _is_named(context.contract, self.symbols) else None


# --- helpers ----------------------------------------------------------------------------------------


def _over(argument: str, limit: object, value: object, unit: str = "") -> Refusal:
    number, most = plain_text(value), plain_text(limit)
    tail = f" {unit}" if unit else ""
    return Refusal(
        argument=argument, reason=f"{number}{tail} is more than {most}{tail}", limit=most, value=number
    )


def _unknown(
    gate: MaxOrderSize | MaxNotional | MaxPosition | PriceCollar | MaxLoss,
    argument: str,
    why: str,
    limit: object,
) -> Refusal | None:
    if gate.passes_unknown:
        return None
    return Refusal(argument=argument, reason=f"{why}, so it cannot be judged", limit=plain_text(limit))


def _too_far(limit: Decimal, market: Decimal, most: str, far: str) -> Refusal:
    return Refusal(
        argument="limit_price",
        reason=f"{plain_text(limit)} is {far} through {plain_text(market)}; at most {most} is allowed",
        limit=most,
        value=far,
    )


def _is_named(contract: Contract, names: Collection[str]) -> bool:
    own = {contract.symbol, contract.local_symbol, f"#{contract.con_id}" if contract.con_id else ""} - {""}
    return not {name.upper() for name in own}.isdisjoint(name.upper() for name in names)


def _not_among(context: RiskContext, names: Iterable[str], argument: str) -> Refusal:
    text = ", ".join(sorted(names))
    name = context.contract.name
    return Refusal(argument=argument, reason=f"{name} is not among {text}", limit=text, value=name)


def _same_prices(before: Order, order: Order) -> bool:
    return before.order_type == order.order_type and all(
        one(before) == one(order)
        for one in (worst_limit, lambda o: o.limit_price, lambda o: o.aux_price, lambda o: o.trail_stop_price)
    )


_ALIKE: Final = (
    *("action", "order_type", "quantity", "cash_quantity", "limit_price", "aux_price", "trailing_percent"),
)


def _are_alike(one: Order, other: Order) -> bool:
    return same_account(one.account, other.account) and all(
        getattr(one, name) == getattr(other, name) for name in _ALIKE
    )


def _may_be_same(one: Contract, other: Contract) -> bool:
    """Whether two contracts may be the same; two combos are when their legs are."""
    if one.is_combo or other.is_combo:
        return one.combo_legs == other.combo_legs
    return bool(same_instrument(one, other))


def _surely_reduces(context: RiskContext) -> bool:
    try:
        return only_reduces(context)
    except UnknownExposureError:
        return False
