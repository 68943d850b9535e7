"""Hypothesis strategies: orders' lives as TWS tells them, and the disorder in which it tells them.

Needs hypothesis, which is a development dependency: only this module and ``arbitrary`` import it.

A :class:`Life` is one order's story in the order in which it happened: our commands, and the broker's
facts with figures that agree with each other. The combinators take the steps of one or more lives and
spoil them as a real gateway does (TWS facts 2): they repeat, reorder, interleave, drop statuses, delay
commissions and tell executions again. What no disorder may change is in the life: the executions in
their newest revision, and the commissions. So a property of your own code reads::

    @given(noisy_steps_of(several_lives()))
    def test_my_position_is_right(told):
        lives, steps = told
        for step in steps:
            perform(book, step, now)
        ...

:func:`arbitrary_facts` makes facts without any story at all, for code that must survive everything.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Final

import attrs
from hypothesis import strategies as st

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.facts import (
    BrokerFact,
    CommissionFact,
    CompletedOrderFact,
    ErrorFact,
    ExecutionFact,
    OpenOrderFact,
    StatusFact,
)
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action, BrokerOrder, Order
from ibkr_core.testing.arbitrary import arbitrary_facts
from ibkr_core.testing.lives import (
    CancelAsked,
    Command,
    Ending,
    Life,
    ModifyAsked,
    Placed,
    Step,
    exact_sum,
    perform,
)

__all__ = [
    "CancelAsked",
    "Command",
    "Ending",
    "Life",
    "ModifyAsked",
    "Placed",
    "Step",
    "arbitrary_facts",
    "interleaved",
    "noisy_steps_of",
    "order_lives",
    "perform",
    "reordered",
    "repeated",
    "several_lives",
    "with_early_commissions",
    "with_late_commissions",
    "with_replays",
    "without_statuses",
]

_ZERO: Final = Decimal(0)
_FOUR_PLACES: Final = Decimal("0.0001")
_MAX_ACTIONS: Final = 5


# ── one order's life ────────────────────────────────────────────────────────────────────────────


class _Teller:
    """Tells one life, step by step, with figures that agree. Quantities are counted in ``unit``."""

    def __init__(self, draw: st.DrawFn, order_id: int, client_id: int, *, is_combo: bool) -> None:
        self.draw = draw
        self.order_id = order_id
        self.perm_id = 1_000_000_000 + order_id
        self.key = f"key-{order_id}"
        self.client_id = client_id
        # Fractions of a share can trade (TWS facts 6), halves of a combo cannot.
        self.unit = Decimal(1) if is_combo else draw(st.sampled_from((Decimal(1), _FOUR_PLACES)))
        self.contract = _combo() if is_combo else Contract.stock("AAPL", con_id=265598)
        self.size = self._quantity(2, 2_000)
        action = draw(st.sampled_from((Action.BUY, Action.SELL)))
        self.order = draw(
            st.one_of(
                st.just(Order.market(action, self.size)),
                _prices().map(lambda price: Order.limit(action, self.size, price)),
            )
        )
        self.terms = self.order
        self.steps: list[Step] = []
        self.executions: dict[str, ExecutionFact] = {}
        self.leg_executions: dict[str, ExecutionFact] = {}
        self.commissions: dict[str, CommissionFact] = {}
        self.word = "PreSubmitted"
        self.terms_changed = self.quantities_corrected = False
        self._serial = 0
        self._owed: list[CommissionFact] = []

    def chance(self) -> bool:
        """Draw yes or no; shrinks to no."""
        return self.draw(st.booleans())

    def _quantity(self, least: int, most: int) -> Decimal:
        return EXACT.multiply(self.unit, Decimal(self.draw(st.integers(least, most))))

    @property
    def filled(self) -> Decimal:
        return exact_sum(fact.shares for fact in self.executions.values())

    @property
    def room(self) -> int:
        """Units that are still open."""
        return int((self.size - self.filled) / self.unit)

    @property
    def is_acknowledged(self) -> bool:
        return any(isinstance(step, StatusFact | OpenOrderFact | ExecutionFact) for step in self.steps)

    # What the broker says.

    def status(self, word: str | None = None) -> None:
        self.word = word or self.word
        filled = self.filled
        value = exact_sum(EXACT.multiply(fact.shares, fact.price) for fact in self.executions.values())
        average = EXACT.divide(value, filled).quantize(_FOUR_PLACES) if filled else _ZERO
        self.steps.append(
            StatusFact(
                order_id=self.order_id,
                status=self.word,
                filled=filled,
                remaining=self.size - filled,
                avg_fill_price=average,
                perm_id=self.perm_id,
                parent_id=0,
                client_id=self.client_id,
            )
        )

    def echo(self, word: str | None = None, *, commission: Decimal | None = None) -> None:
        self.word = word or self.word
        self.steps.append(
            OpenOrderFact(
                order=self._broker_order(),
                contract=self.contract,
                status=self.word,
                commission=commission,
                commission_currency="" if commission is None else "USD",
            )
        )

    def _broker_order(self) -> BrokerOrder:
        return BrokerOrder(
            order_id=self.order_id,
            client_id=self.client_id,
            perm_id=self.perm_id,
            action=self.terms.action.value,
            total_quantity=self.size,
            order_type=self.terms.order_type,
            limit_price=self.terms.limit_price,
            tif=self.terms.tif,
            order_ref=self.key,
            oca_type=3,  # comes back on orders without a group (TWS facts 2.10)
            parent_id=0,
        )

    def pair(self, word: str | None = None) -> None:
        """An openOrder and an orderStatus, or one of them (TWS facts 2.2)."""
        both = self.draw(st.sampled_from(("both", "status", "echo")))
        if both != "status":
            self.echo(word)
        if both != "echo":
            self.status(word)

    def error(self, code: int, message: str = "") -> None:
        self.steps.append(ErrorFact(request_id=self.order_id, code=code, message=message))

    def maybe_warn(self) -> None:
        if self.chance():
            self.error(self.draw(st.sampled_from((399, 404, 2109, 2137, 10311, 10349))), "a warning")

    # Executions.

    def fill(self, units: int) -> None:
        """An execution, the figures that follow it, and a commission now or later (TWS facts 2.4)."""
        self._serial += 1
        base = f"0000{self.order_id:04x}.{self._serial:08x}.01"
        fact = self._execution(f"{base}.01", EXACT.multiply(self.unit, Decimal(units)), self.draw(_prices()))
        self.executions[base] = fact
        self.steps.append(fact)
        if self.contract.is_combo:
            self._fill_legs(fact)
        else:
            self._charge(base, fact)
        if self.room == 0:
            self.word = "Filled"
        if self.chance():
            self.pair()
        self.pay_some()

    def _fill_legs(self, fact: ExecutionFact) -> None:
        """Executions of the legs, before or after the combo's own (TWS facts 3)."""
        at = len(self.steps) - self.draw(st.integers(0, 1))
        for number, leg in enumerate(self.contract.combo_legs, 2):
            text = f"0000{self.order_id:04x}.{self._serial:08x}.{number:02}.01.01"
            instrument = Contract(con_id=leg.con_id, symbol="SPY", sec_type="OPT", exchange="SMART")
            told = attrs.evolve(
                self._execution(text, fact.shares * leg.ratio, self.draw(_prices())), contract=instrument
            )
            self.leg_executions[text] = told
            self.steps.insert(at, told)
            self._charge(text, told)

    def _execution(self, text: str, shares: Decimal, price: Decimal) -> ExecutionFact:
        return ExecutionFact(
            exec_id=text,
            side="BOT" if self.order.action is Action.BUY else "SLD",
            shares=shares,
            price=price,
            order_id=self.order_id,
            client_id=self.client_id,
            perm_id=self.perm_id,
            contract=self.contract,
            time="20261120 10:30:00 US/Eastern",
            account="DU1234567",
            exchange="ISLAND",
            order_ref=self.key,
            liquidity=self.draw(st.sampled_from((1, 2))),
        )

    def correct(self, *, most_units: int) -> None:
        """A newer revision of an execution, with another price and perhaps another quantity."""
        base = self.draw(st.sampled_from(sorted(self.executions)))
        before = self.executions[base]
        units = int(before.shares / self.unit)
        if most_units and self.chance():
            units = self.draw(st.integers(1, units + most_units))
        shares = EXACT.multiply(self.unit, Decimal(units))
        self.quantities_corrected |= shares != before.shares
        revision = ExecutionId.parse(before.exec_id).revision + self.draw(st.integers(1, 2))
        after = attrs.evolve(
            before, exec_id=f"{base}.{revision:02}", shares=shares, price=self.draw(_prices())
        )
        self.executions[base] = after
        self.steps.append(after)
        if self.chance():
            self.pair()
        # Whether a corrected execution gets a report of its own is not documented (TWS facts 3).
        if not self.contract.is_combo and self.chance():
            self._charge(base, after)

    # Commissions.

    def _charge(self, base: str, fact: ExecutionFact) -> None:
        report = CommissionFact(
            exec_id=fact.exec_id,
            commission=self.draw(st.integers(-500, 100_000)) * Decimal("0.00006"),
            currency=self.draw(st.sampled_from(("USD", "EUR"))),
            realized_pnl=self.draw(st.none() | st.integers(-9_999, 9_999).map(Decimal)),
        )
        self.commissions[base] = report
        self._owed.append(report)

    def pay_some(self) -> None:
        """Report some of the commissions that are owed, with or without the echo that goes before."""
        count = self.draw(st.integers(0, len(self._owed)))
        for report in self._owed[:count]:
            if self.chance():
                self.echo(commission=report.commission)
                self.status()
            self.steps.append(report)
        del self._owed[:count]

    def pay_all(self) -> None:
        self.steps.extend(self._owed)
        self._owed.clear()

    # Our requests.

    def modify(self) -> None:
        """We ask for another size or price, and the broker works it or refuses it (TWS facts 6)."""
        self.terms_changed = True
        least = int(self.filled / self.unit) + 1
        if self.chance():
            proposal = self.terms.replace(quantity=self._quantity(least, least + 2_000))
        else:
            proposal = self.terms.replace(order_type="LMT", limit_price=self.draw(_prices()))
        self.steps.append(ModifyAsked(order_id=self.order_id, order=proposal))
        # Before the first answer a refusal could be the order's own, and leaves it in doubt.
        if self.is_acknowledged and self.chance():
            self.error(self.draw(st.sampled_from((105, 110, 2102, 10326))), "the modification is refused")
            return
        self.terms, self.size = proposal, proposal.quantity
        self.echo()
        if self.chance():
            self.status()

    def ask_cancel(self) -> None:
        self.steps.append(CancelAsked(order_id=self.order_id))
        if self.chance():
            self.pair("PendingCancel")

    # The end.

    def life(self, ending: Ending) -> Life:
        return Life(
            order_id=self.order_id,
            perm_id=self.perm_id,
            client_id=self.client_id,
            contract=self.contract,
            order=self.order,
            ending=ending,
            steps=tuple(self.steps),
            size=self.size,
            executions=self.executions,
            leg_executions=self.leg_executions,
            commissions=self.commissions,
            terms_changed=self.terms_changed,
            quantities_corrected=self.quantities_corrected,
        )


def _prices() -> st.SearchStrategy[Decimal]:
    return st.integers(1, 2_000_000).map(lambda pips: pips * _FOUR_PLACES)


def _combo() -> Contract:
    legs = (ComboLeg(con_id=501, ratio=1, action="BUY"), ComboLeg(con_id=502, ratio=2, action="SELL"))
    return Contract.combo("SPY", legs)


@st.composite
def order_lives(
    draw: st.DrawFn, *, order_id: int = 1, client_id: int = 1, is_combo: bool | None = None
) -> Life:
    """Make one order's life: placed, acknowledged, perhaps filled in parts, modified, corrected, ended.

    Args:
        draw: Given by hypothesis.
        order_id: The order's id.
        client_id: Who places it.
        is_combo: Whether it trades a combo with legs; None for either.
    """
    combo = draw(st.booleans()) if is_combo is None else is_combo
    teller = _Teller(draw, order_id, client_id, is_combo=combo)
    teller.steps.append(
        Placed(order_id=order_id, contract=teller.contract, order=teller.order, key=teller.key)
    )
    ending = draw(st.sampled_from(Ending))
    if ending is Ending.UNANSWERED:
        return teller.life(ending)
    if ending is Ending.REJECTED:
        _tell_rejection(teller)
        return teller.life(ending)
    teller.maybe_warn()
    # No acknowledgement at all: a market order can be told by its executions alone (TWS facts 2.2).
    for word in draw(st.sampled_from((("PreSubmitted", "Submitted"), ("Submitted",), ("PreSubmitted",), ()))):
        teller.pair(word)
    for _ in range(draw(st.integers(0, _MAX_ACTIONS))):
        _tell_something(teller)
    if ending is Ending.FILLED:
        _tell_completion(teller)
    elif ending is Ending.CANCELLED:
        _tell_cancellation(teller)
    elif not teller.is_acknowledged:
        teller.pair()
    teller.pay_all()
    return teller.life(ending)


def _tell_rejection(teller: _Teller) -> None:
    code = teller.draw(st.sampled_from((201, 110, 200, 321, 10052)))
    # 201 comes before, after or without a status (TWS facts 7).
    where = teller.draw(st.sampled_from(("before", "after", "none"))) if code == 201 else "none"  # noqa: PLR2004
    if where == "before":
        teller.status("Inactive")
    teller.error(code, "Order rejected - reason: no such luck")
    if where == "after":
        teller.status("Inactive")


def _tell_something(teller: _Teller) -> None:
    """One thing that can happen to a working order and leaves it working."""
    choices = ["fill", "modify", "correct", "repeat", "warn"]
    match teller.draw(st.sampled_from(choices)):
        case "fill" if teller.room > 1:
            teller.fill(teller.draw(st.integers(1, teller.room - 1)))
        case "modify":
            teller.modify()
        case "correct" if teller.executions:
            teller.correct(most_units=teller.room - 1)
        case "warn":
            teller.maybe_warn()
        case _:
            teller.pair()


def _tell_completion(teller: _Teller) -> None:
    """The last execution, perhaps in a race that our cancel loses (TWS facts 7: 161, 10148)."""
    lost_cancel = teller.chance()
    if lost_cancel:
        teller.ask_cancel()
    teller.fill(teller.room)
    teller.status("Filled")
    if lost_cancel:
        if teller.chance():
            teller.error(10148, "OrderId that needs to be cancelled cannot be cancelled, state: Filled.")
        else:
            teller.error(161, "Cancel attempted when order is not in a cancellable state.")
    if teller.chance():
        teller.correct(most_units=0)
    if teller.chance():
        # Filled orders are listed with quantity 0 (TWS facts 4).
        _tell_completed(teller, "Filled", total=_ZERO)


def _tell_cancellation(teller: _Teller) -> None:
    if teller.chance():
        teller.ask_cancel()
    if teller.room > 1 and teller.chance():
        teller.fill(teller.draw(st.integers(1, teller.room - 1)))
    code_first = teller.chance()
    if code_first:
        teller.error(202, "Order Canceled - reason:")
    teller.status("Cancelled")
    if not code_first and teller.chance():
        teller.error(202, "Order Canceled - reason:")
    if teller.chance():
        _tell_completed(teller, "Cancelled", total=teller.size)


def _tell_completed(teller: _Teller, word: str, *, total: Decimal) -> None:
    """A completedOrder; the text protocol has no order id there (TWS facts 4)."""
    with_id = teller.chance()
    echo = attrs.evolve(
        teller._broker_order(),  # noqa: SLF001 - a helper of the same module
        order_id=teller.order_id if with_id else None,
        client_id=teller.client_id if with_id else None,
        total_quantity=total,
        filled_quantity=teller.filled,
    )
    teller.steps.append(CompletedOrderFact(order=echo, contract=teller.contract, status=word))


def several_lives(
    *, least: int = 1, most: int = 3, client_id: int = 1, is_combo: bool | None = None
) -> st.SearchStrategy[tuple[Life, ...]]:
    """Make the lives of several orders, numbered from 1."""
    return st.integers(least, most).flatmap(
        lambda count: st.tuples(
            *(order_lives(order_id=i + 1, client_id=client_id, is_combo=is_combo) for i in range(count))
        )
    )


# ── disorder ────────────────────────────────────────────────────────────────────────────────────


@st.composite
def interleaved(draw: st.DrawFn, lives: Sequence[Life]) -> tuple[Step, ...]:
    """Mix several lives: each keeps its own order (TWS facts 2.8)."""
    left = [list(life.steps) for life in lives]
    turns = draw(st.permutations([index for index, steps in enumerate(left) for _ in steps]))
    return tuple(left[index].pop(0) for index in turns)


@st.composite
def repeated(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Tell some facts again, at once or much later (TWS facts 2.1)."""
    told = list(steps)
    for step in steps:
        if isinstance(step, BrokerFact):
            for _ in range(draw(st.sampled_from((0, 0, 1, 2)))):
                told.insert(draw(st.integers(told.index(step) + 1, len(told))), step)
    return tuple(told)


@st.composite
def reordered(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Shuffle the facts as far as can be. What we do keeps its order, and placing comes first."""
    placed = [step for step in steps if isinstance(step, Placed)]
    rest = [step for step in steps if not isinstance(step, Placed)]
    shuffled = draw(st.permutations(rest))
    commands = iter([step for step in rest if isinstance(step, Command)])
    return (*placed, *(next(commands) if isinstance(step, Command) else step for step in shuffled))


@st.composite
def without_statuses(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Drop some or all orderStatus callbacks of orders that have executions (TWS facts 2.2)."""
    executed = {step.order_id for step in steps if isinstance(step, ExecutionFact)}
    drop_all = draw(st.booleans())
    return tuple(
        step
        for step in steps
        if not (
            isinstance(step, StatusFact) and step.order_id in executed and (drop_all or draw(st.booleans()))
        )
    )


@st.composite
def with_late_commissions(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Move commission reports to any later moment, also behind the end (TWS facts 2.4)."""
    return _with_moved_commissions(draw, steps, is_late=True)


@st.composite
def with_early_commissions(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Move commission reports to any earlier moment, also before their executions (TWS facts 2.6)."""
    return _with_moved_commissions(draw, steps, is_late=False)


def _with_moved_commissions(draw: st.DrawFn, steps: Sequence[Step], *, is_late: bool) -> tuple[Step, ...]:
    told = list(steps)
    for report in [step for step in steps if isinstance(step, CommissionFact)]:
        at = told.index(report)
        told.pop(at)
        least, most = (at, len(told)) if is_late else (0, at)
        told.insert(draw(st.integers(least, most)), report)
    return tuple(told)


@st.composite
def with_replays(draw: st.DrawFn, steps: Sequence[Step]) -> tuple[Step, ...]:
    """Insert answers to reqExecutions: all executions so far, then all commissions (TWS facts 2.9)."""
    told = list(steps)
    for request_id in range(9_001, 9_001 + draw(st.integers(1, 2))):
        at = draw(st.integers(0, len(told)))
        executions: dict[str, Step] = {}
        reports: dict[str, Step] = {}
        for step in told[:at]:
            if isinstance(step, ExecutionFact):
                executions[step.exec_id] = attrs.evolve(step, request_id=request_id)
            elif isinstance(step, CommissionFact):
                reports[step.exec_id] = step
        told[at:at] = (*executions.values(), *reports.values())
    return tuple(told)


_NOISE: Final = (
    with_replays,
    without_statuses,
    with_late_commissions,
    with_early_commissions,
    repeated,
    reordered,
)


@st.composite
def noisy_steps_of(
    draw: st.DrawFn, lives: st.SearchStrategy[tuple[Life, ...]]
) -> tuple[tuple[Life, ...], tuple[Step, ...]]:
    """Draw some lives and tell them interleaved, with any mixture of the disorders above."""
    drawn = draw(lives)
    steps = draw(interleaved(drawn))
    for noise in _NOISE:
        if draw(st.booleans()):
            steps = draw(noise(steps))
    return drawn, steps
