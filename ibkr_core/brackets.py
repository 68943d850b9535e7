"""Brackets beyond the plain one: as a value with an answer, with several targets, made by the gateway."""

from __future__ import annotations

import contextlib
import functools
import uuid
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Final

import attrs
from ibapi.contract import Contract as IbContract

from ibkr_core.errors import DuplicateOrder, IbkrError, InvalidGroup, RequestRefused, WaitTimeout
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.groups import (
    Child,
    ExitPair,
    PlannedOrder,
    plan_attached,
    plan_bracket,
    plan_scale_out,
    stop_child,
    target_child,
)
from ibkr_core.lifecycle.protecting import BreakEven, BreakEvenPlan
from ibkr_core.link.official import contract_of
from ibkr_core.link.pacing import Lane
from ibkr_core.model.bracket import BracketLeg, BracketOrder
from ibkr_core.model.checks import check_function
from ibkr_core.model.contract import Contract
from ibkr_core.model.exits import same_instrument
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.results import ActionTaken, ExecutionResult
from ibkr_core.model.status import OrderStatus
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.orderengine import OrderEngine
from ibkr_core.protection import Protection
from ibkr_core.sending import check_time
from ibkr_core.tickets import BracketTickets, OrderTicket

__all__ = ["ATTACHED_SINCE", "Brackets", "ScaleOutTickets", "new_bracket"]

ATTACHED_SINCE: Final = 218
"""The server version from which on a gateway attaches exits by its presets (the official client's limit)."""

_S = OrderStatus
_TAKEN: Final = frozenset({_S.PRE_SUBMITTED, _S.SUBMITTED, _S.PARTIALLY_FILLED, _S.FILLED})
_FILLED: Final = frozenset({_S.FILLED, _S.PARTIALLY_FILLED})


@attrs.frozen
class ScaleOutTickets:
    """The orders of a scale-out.

    Attributes:
        parent: The entry.
        pairs: Target and stop of each slice, in the order in which they were given.
    """

    parent: OrderTicket
    pairs: tuple[tuple[OrderTicket, OrderTicket], ...]

    def __str__(self) -> str:
        """The orders as they are now, a line for each, by rising id."""
        return "\n".join(str(ticket) for ticket in self.all)

    @property
    def targets(self) -> tuple[OrderTicket, ...]:
        """The take-profits."""
        return tuple(target for target, _ in self.pairs)

    @property
    def stops(self) -> tuple[OrderTicket, ...]:
        """The stops."""
        return tuple(stop for _, stop in self.pairs)

    @property
    def all(self) -> tuple[OrderTicket, ...]:
        """Every order, by rising id."""
        return (self.parent, *(ticket for pair in self.pairs for ticket in pair))


def new_bracket(
    parent: Order,
    *,
    take_profit: Child | None = None,
    stop_loss: Child | None = None,
    oca_group: str = "",
    at: datetime | None = None,
    make_uid: Callable[[], object] = uuid.uuid4,
) -> BracketOrder:
    """Make a bracket to be placed with ``Engine.place_bracket_order``.

    Args:
        parent: The entry.
        take_profit: A limit price, or a whole order. None for none.
        stop_loss: A stop price, or a whole order. None for none.
        oca_group: A name for the group of the exits, which must never have been used. Empty leaves it to the
            broker.
        at: When it was made; now, where it is not given.
        make_uid: Makes a UUID.

    Raises:
        InvalidGroup: It could not work; the message names the leg.
    """
    if not isinstance(parent, Order):
        raise InvalidGroup("parent", f"must be an ibkr_core Order, not {parent!r}")
    check_function("make_uid", make_uid, InvalidGroup)
    return BracketOrder.plan(
        parent,
        target_child(parent, take_profit) if take_profit is not None else None,
        stop_child(parent, stop_loss) if stop_loss is not None else None,
        uids=[make_uid() for _ in range(3)],
        at=at if at is not None else datetime.now(UTC),
        oca_group=oca_group,
    )


class Brackets:
    """Sends brackets.

    Args:
        engine: Waits, cancels, tells.
        desk: Its sending side.
        by_key: Finds an order by its client order key.
        protection: Keeps wishes about stops.
        tick_of: Asks the broker for an instrument's price step.
    """

    def __init__(
        self,
        engine: OrderEngine,
        desk: OrderDesk,
        by_key: Callable[[str], OrderRecord | None],
        protection: Protection,
        tick_of: Callable[[Contract], Decimal],
    ) -> None:
        self._engine = engine
        self._desk = desk
        self._by_key = by_key
        self._protection = protection
        self._tick_of = tick_of

    # ── several targets ─────────────────────────────────────────────────────────────────────────

    def scale_out(
        self,
        contract: Contract | IbContract,
        parent: Order,
        pairs: Sequence[ExitPair],
        break_even: BreakEven | None,
    ) -> ScaleOutTickets:
        """Do as ``Engine.submit_scale_out`` says."""
        contract = contract_of(contract)
        pairs = _pairs(pairs)
        if break_even is not None and not isinstance(break_even, BreakEven):
            raise InvalidGroup("break_even", f"must be a BreakEven or None, not {break_even!r}")
        if break_even is not None and break_even.after > len(pairs):
            raise InvalidGroup(
                "break_even", f"waits for {break_even.after} targets, and there are {len(pairs)}"
            )
        self._desk.check_new(contract, parent)
        if break_even is not None and break_even.tick is None:
            break_even = attrs.evolve(break_even, tick=self._tick_of(contract))
        with self._desk.sending(Lane.ORDER):
            group = f"out-{self._desk.make_key()}"
            plan = plan_scale_out(parent, pairs, group, self._desk.peek_ids(1 + 2 * len(pairs)))
            for leg in plan[1:]:
                self._desk.check_new(contract, leg.order)
            keys = [leg.order.order_ref or self._desk.make_key() for leg in plan]
            legs = [(contract, leg, key) for leg, key in zip(plan, keys, strict=True)]
            self._send_watched(legs, keys, break_even)
        tickets = [OrderTicket(self._engine, leg.order_id, key) for leg, key in zip(plan, keys, strict=True)]
        exits = tickets[1:]
        return ScaleOutTickets(tickets[0], tuple(zip(exits[::2], exits[1::2], strict=True)))

    def _send_watched(
        self,
        legs: Sequence[tuple[Contract, PlannedOrder, str]],
        keys: Sequence[str],
        break_even: BreakEven | None,
    ) -> None:
        """Send, with the wish durable before the first byte leaves. Requires holding the send lock."""
        if break_even is None:
            self._desk.send_new(legs)
            return
        wish = BreakEvenPlan(
            rule=break_even, parent=keys[0], targets=tuple(keys[1::2]), stops=tuple(keys[2::2])
        )
        self._protection.watch(wish)
        try:
            self._desk.send_new(legs)
        except Exception:
            parent = self._by_key(keys[0])
            if parent is None or parent.is_finished:  # else its fate is unknown, and the wish stays
                self._protection.forget(wish)
            raise

    # ── exits that the gateway makes ────────────────────────────────────────────────────────────

    def attached(
        self, contract: Contract | IbContract, parent: Order, *, take_profit: bool, stop_loss: bool
    ) -> BracketTickets:
        """Do as ``Engine.submit_attached`` says."""
        contract = contract_of(contract)
        self._desk.check_new(contract, parent)
        for name, flag in (("take_profit", take_profit), ("stop_loss", stop_loss)):
            if not isinstance(flag, bool):
                raise InvalidGroup(name, f"must be True or False: the gateway's preset decides, not {flag!r}")
        with self._desk.sending(Lane.ORDER):
            version = self._engine.server_version
            if version < ATTACHED_SINCE:
                raise RequestRefused(
                    0,
                    f"the gateway attaches exits from version {ATTACHED_SINCE} on; this one speaks {version}",
                )
            self._desk.known(parent.order_ref, contract, parent)  # what is in the book, the book refuses
            ids = self._desk.peek_ids(1 + bool(take_profit) + bool(stop_loss))
            planned, exits = plan_attached(parent, ids, take_profit=take_profit, stop_loss=stop_loss)
            made = [inputs.NewOrder(order_id, "", contract, None) for order_id in exits]
            self._desk.send_new([(contract, planned, "")], attached=made)
        tickets = iter([self._engine.ticket(order_id) for order_id in exits])
        return BracketTickets(
            self._engine.ticket(planned.order_id),
            next(tickets) if take_profit else None,
            next(tickets) if stop_loss else None,
        )

    # ── a bracket as a value ────────────────────────────────────────────────────────────────────

    def place(
        self,
        bracket: BracketOrder,
        contracts: Sequence[Contract | IbContract | None],
        timeout_s: float,
        *,
        is_dry_run: bool,
    ) -> ExecutionResult:
        """Do as ``Engine.place_bracket_order`` says."""
        if not isinstance(bracket, BracketOrder):
            raise InvalidGroup("bracket", f"must be a BracketOrder, not {bracket!r}")
        check_time("timeout_s", timeout_s, least=0)
        legs = _with_contracts(bracket, contracts)
        if timeout_s:
            self._engine.check_may_wait()
        sent = self._known(bracket)
        if sent is None:
            sent = self._send(bracket, legs)
        ids = tuple(record.order_id for record in sent)
        problem = self._watch(ids, timeout_s) if timeout_s else ""
        if problem:
            return self._failed(ids, problem)
        action = ActionTaken.DRY_RUN if is_dry_run else ActionTaken.BRACKET_PLACED
        return ExecutionResult(success=True, action_taken=action, order_ids=ids)

    def _known(self, bracket: BracketOrder) -> tuple[OrderRecord, ...] | None:
        """Return the bracket's orders where it was placed before, also by an earlier run; None where not.

        Raises:
            DuplicateOrder: Some of its keys belong to orders that are not all of it.
        """
        found = [self._by_key(leg.key) for leg in bracket.legs]
        known = [record for record in found if record is not None]
        if not known:
            return None
        parent_id = known[0].order_id
        is_whole = len(known) == len(bracket.legs)
        if not is_whole or any(record.parent_id not in (0, parent_id) for record in known[1:]):
            raise DuplicateOrder(parent_id, "has a key of this bracket already, and is not the whole of it")
        for leg, record in zip(bracket.legs, known, strict=True):
            if record.contract is not None:
                self._desk.known(leg.key, record.contract, leg.order)
        return tuple(known)

    def _send(
        self, bracket: BracketOrder, legs: Sequence[tuple[Contract, BracketLeg]]
    ) -> tuple[OrderRecord, ...]:
        for contract, leg in legs:
            self._desk.check_new(contract, leg.order)
        with self._desk.sending(Lane.ORDER):
            known = self._known(bracket)  # another thread may have been first
            if known is not None:
                return known
            target, stop = bracket.take_profit, bracket.stop_loss
            plan = plan_bracket(
                bracket.parent.order,
                target.order.replace(oca_group="") if target is not None else None,
                stop.order.replace(oca_group="") if stop is not None else None,
                self._desk.peek_ids(len(legs)),
                oca_group=bracket.oca_group,
            )
            self._desk.send_new(
                [(contract, planned, leg.key) for (contract, leg), planned in zip(legs, plan, strict=True)]
            )
        return tuple(self._engine.order(planned.order_id) for planned in plan)

    def _watch(self, ids: Sequence[int], timeout_s: float) -> str:
        """Wait until the broker has taken every leg, or refused one; returns what is wrong, or nothing.

        All at once: when the last leg is refused, the others stay held in silence (TWS facts 6).
        """
        told: Future[None] = Future()
        left = set(ids)

        def note(order_id: int, future: Future[OrderRecord]) -> None:
            left.discard(order_id)
            is_bad = not future.cancelled() and (
                future.exception() is not None or future.result().status is _S.REJECTED
            )
            if (is_bad or not left) and not told.done():
                with contextlib.suppress(InvalidStateError):  # another thread was first
                    told.set_result(None)

        futures = {order_id: self._engine.watch(order_id, _TAKEN) for order_id in ids}
        for order_id, future in futures.items():
            future.add_done_callback(functools.partial(note, order_id))
        with contextlib.suppress(WaitTimeout):
            self._engine.wait_for(told, timeout_s)
        for future in futures.values():
            future.cancel()
        return self._judge(ids, timeout_s, [f for f in futures.values() if f.done() and not f.cancelled()])

    def _judge(self, ids: Sequence[int], timeout_s: float, heard: Sequence[Future[OrderRecord]]) -> str:
        broken = [error for future in heard if (error := future.exception()) is not None]
        records = [self._engine.order(order_id) for order_id in ids]
        has_exited = any(record.filled_quantity for record in records[1:])
        for record in records:
            is_dead = record.is_finished and record.status not in _FILLED
            if record.status is _S.REJECTED or (is_dead and not has_exited):
                return f"{record}"
        if broken:
            return f"not confirmed: {broken[0]}"
        silent = [record for record in records if record.status not in _TAKEN and not record.is_finished]
        if silent:
            words = ", ".join(f"order {record.order_id} is {record.status.value}" for record in silent)
            return f"not confirmed after {timeout_s} s, and may work: {words}"
        return ""

    def _failed(self, ids: Sequence[int], problem: str) -> ExecutionResult:
        """Leave no entry working whose exits were refused, and tell what stands."""
        parent = self._engine.order(ids[0])
        exits = [self._engine.order(order_id) for order_id in ids[1:]]
        notes: list[str] = []
        is_refused = any(record.status is _S.REJECTED for record in (parent, *exits))
        if is_refused:
            doomed = [parent] if not parent.is_finished else []
            if not parent.filled_quantity and parent.is_finished:
                doomed += [record for record in exits if not record.is_finished]
            for record in doomed:
                notes += self._call_off(record.order_id)
        left = parent.filled_quantity
        if left:
            problem += f"; the entry has filled {left}: see to its exits"
        is_over = is_refused or all(record.is_finished for record in (parent, *exits))
        is_clear = is_over and not left
        return ExecutionResult(
            success=False,
            action_taken=ActionTaken.FAILED if is_clear else ActionTaken.PARTIAL,
            order_ids=tuple(ids),
            error_message=problem,
            notes=tuple(notes),
        )

    def _call_off(self, order_id: int) -> list[str]:
        try:
            self._engine.cancel(order_id)
        except IbkrError as error:
            return [f"order {order_id} could not be cancelled: {error}"]
        return [f"order {order_id} is being cancelled"]


def _pairs(value: Any) -> tuple[ExitPair, ...]:  # noqa: ANN401 - checked here
    pairs = tuple(value) if isinstance(value, Sequence) and not isinstance(value, str) else (value,)
    for one in pairs:
        if not isinstance(one, ExitPair):
            raise InvalidGroup("pairs", f"must be ExitPair values, not {one!r}")
    return pairs


def _with_contracts(
    bracket: BracketOrder, contracts: Sequence[Contract | IbContract | None]
) -> tuple[tuple[Contract, BracketLeg], ...]:
    """Give each leg its contract.

    Raises:
        InvalidGroup: Two contracts name different instruments, or not the one that a leg is of: its fill
            would open a position instead of closing one.
    """
    names = ("entry_contract", "tp_contract", "sl_contract")
    entry = contract_of(contracts[0], names[0])  # None is refused there
    legs = (bracket.parent, bracket.take_profit, bracket.stop_loss)
    found: list[tuple[Contract, BracketLeg]] = []
    for name, leg, given in zip(names, legs, contracts, strict=True):
        if leg is None:
            if given is not None:
                raise InvalidGroup(name, "the bracket has no such exit")
            continue
        contract = entry if given is None else contract_of(given, name)
        if not same_instrument(entry, contract):
            raise InvalidGroup(name, f"{contract.name} is not what the entry trades, {entry.name}")
        if leg.con_id and contract.con_id and leg.con_id != contract.con_id:
            raise InvalidGroup(name, f"is contract {contract.con_id}, and the bracket's leg {leg.con_id}")
        found.append((contract, leg))
    return tuple(found)
