"""The sending side of the engine: from a wish to bytes, with the intent durable before the first of them.

The order of things never changes: check, encode, note in the book, commit to the journal, send. So nothing is
sent that is not known, and whatever fails on the way ends in a proved state: not sent, or in doubt.
"""

from __future__ import annotations

import contextlib
import functools
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any, Final

from ibkr_core.admission import Admission, DurableIntents
from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    InvalidInput,
    InvalidOrder,
    JournalError,
    NotReady,
    OrderStateError,
    SendFailed,
    TradingHalted,
    UnknownOrder,
    WouldDeadlock,
)
from ibkr_core.gatekeeper import Gatekeeper
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.guards import EfficiencyMeter
from ibkr_core.journal import check_storable
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.groups import PlannedOrder
from ibkr_core.link.client import TwsClient
from ibkr_core.link.pacing import Lane
from ibkr_core.model import events, orderrules
from ibkr_core.model.contract import Contract
from ibkr_core.model.making import making
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.shapes import Shapes
from ibkr_core.model.status import OrderStatus
from ibkr_core.outbox import Parcel
from ibkr_core.risk import Refusal
from ibkr_core.sending import Sending, type_name
from ibkr_core.settings import EngineSettings
from ibkr_core.supervisor import Supervisor
from ibkr_core.watchdog import Watchdog

__all__ = ["OrderDesk"]

_CANNOT_BE_SENT: Final = (
    OrderStateError,
    ConnectionFailed,
    SendFailed,
    EngineClosed,
    JournalError,
    TradingHalted,
    InvalidInput,
)
"""Why a repetition of ours may not come about; nobody asked for it, so nobody is told by an exception."""
_CALLED_OFF: Final = "cancelled before it was sent"
_new_order: Final = making(inputs.NewOrder)
_submit: Final = making(inputs.Submit)
_ORDER: Final = Lane.ORDER


class OrderDesk:
    """Sends orders, modifications and cancels.

    Args:
        book: The order book.
        supervisor: The connection.
        watchdog: Is told of every request that left.
        settings: Limits and deadlines.
        make_key: Makes client order keys.
        journal: Keeps intents; None for none.
        gatekeeper: Judges what is new, before it is written down.
        shapes: The shapes of orders, of which the journal asks too.
    """

    def __init__(
        self,
        book: GuardedBook,
        supervisor: Supervisor,
        watchdog: Watchdog,
        settings: EngineSettings,
        make_key: Callable[[], str],
        journal: DurableIntents | None,
        gatekeeper: Gatekeeper,
        shapes: Shapes,
    ) -> None:
        self._book = book
        self._supervisor = supervisor
        self._watchdog = watchdog
        self._settings = settings
        self.make_key = make_key
        self._journal = journal
        self._gatekeeper = gatekeeper
        self._send_lock = threading.Lock()
        self._next_id = 1 + (journal.high_water if journal is not None else 0)
        self._shapes = shapes
        self._admission = Admission(book, settings, journal, self._shapes)
        self.check_new, self.known = self._admission.check_new, self._admission.known
        self.remember_keys = self._admission.remember_keys
        self._sending_orders = Sending(self._send_lock, self._check_for_order, self._after_sending)
        self.meter = EfficiencyMeter(settings.efficiency_limit)
        self._leaving: tuple[int, ...] = ()
        self._waiting: dict[int, Parcel] = {}
        self._changes: dict[int, Parcel] = {}  # the newest modification of an order, while it waits
        self.halted = ""

    # ── gates ───────────────────────────────────────────────────────────────────────────────────

    def sending(self, lane: Lane) -> Sending:
        """Hold the send lock while messages of a lane may be sent.

        Raises:
            WouldDeadlock: A risk gate wants to send, which is asked with the send lock held.
        """
        self._check_not_judging()
        if lane is _ORDER:
            return self._sending_orders
        return Sending(self._send_lock, lambda: self._check_may_send(lane), self._book.deliver)

    def check_in_place(self, record: OrderRecord, contract: Contract, order: Order) -> None:
        """Raise where risk gates refuse what is to take an order's place. Requires holding the send lock.

        Raises:
            RiskRefused: They do; the old order is best left alone.
        """
        if not self._gatekeeper.is_open:
            self._gatekeeper.admit_in_place(record, contract, order)

    def preview(self, contract: Contract, order: Order) -> tuple[Refusal, ...]:
        """Return what the risk gates would say of a new order, now; nothing is counted or sent.

        Raises:
            InvalidInput: As for :meth:`check_new`.
            WouldDeadlock: Called from a risk gate.
        """
        self.check_new(contract, order)
        self._check_not_judging()
        with Sending(self._send_lock, lambda: None, self._book.deliver):
            return self._gatekeeper.preview(contract, order)

    def _check_not_judging(self) -> None:
        if self._gatekeeper.is_judging_here:
            raise WouldDeadlock("a risk gate is asked with the send lock held: it cannot send or take ids")

    def _check_may_send(self, lane: Lane) -> None:
        if lane is _ORDER:
            self._check_for_order()
        else:
            self._supervisor.check_can_send(lane)

    def _check_for_order(self) -> None:
        if self.halted:
            raise TradingHalted(f"trading is halted ({self.halted}); nothing was sent")
        journal = self._journal
        if journal is not None and journal.failure is not None:
            raise journal.failure
        self._supervisor.check_can_send(_ORDER)

    @property
    def unsent(self) -> frozenset[int]:
        """Ids of orders of which something has not left yet."""
        return frozenset((*self._leaving, *self._waiting, *self._changes))

    # ── ids ─────────────────────────────────────────────────────────────────────────────────────

    def peek_ids(self, count: int) -> range:
        """Return the next ids without taking them. Requires holding the send lock."""
        first = self._peek_id()
        return range(first, first + count)

    def _peek_id(self) -> int:
        """Return the next id without taking it. Requires holding the send lock.

        It is above every id that we used, that the broker gave as the next one, and that it has shown on an
        order of ours: it counts those too (TWS facts 4).
        """
        shown = self._book.highest_order_id()
        return max(self._next_id, self._supervisor.session.next_order_id, shown + 1)

    def take_id(self) -> int:
        """Take the next id for good."""
        self._check_not_judging()
        with self.numbering() as order_id:
            return order_id

    @contextlib.contextmanager
    def numbering(self) -> Iterator[int]:
        """Take the next id for good, and hold the send lock: what is sent meanwhile keeps its place."""
        with self._send_lock:
            ids = self.peek_ids(1)
            self._next_id = ids.stop
            yield ids[0]

    # ── new orders ──────────────────────────────────────────────────────────────────────────────

    def place(self, contract: Contract, order: Order, key: str, *, allow_duplicate: bool) -> tuple[int, str]:
        """Send a new order that was checked, unless there is one with its key that has left, or may have.

        Returns:
            The id and the key of the order that was sent, now or then.

        Raises:
            IbkrError: As for ``Engine.submit``.
        """
        wanted = key or order.order_ref
        next_id, seq = self._next_id, self._book.seq
        known = self.known(wanted, contract, order)
        if known is not None and not self.never_left(known):
            return known.order_id, known.key
        if self._gatekeeper.judge_thread is not None:
            self._check_not_judging()
        may_send = False
        try:
            with self._send_lock:  # as Sending does
                self._check_for_order()
                may_send = True
                # Another thread may have been first: then an id was taken. Or the broker told of it.
                if known is not None or next_id != self._next_id or seq != self._book.seq:
                    known = self.known(wanted, contract, order, is_new_at_last_look=known is None)
                if known is not None:
                    order_id = self.send_at_last(known) if self.never_left(known) else known.order_id
                    return order_id, known.key
                new = self._labelled(self._peek_id(), contract, order, key)
                self._send((new,), (new,), (new.order_id,), allow_duplicate=allow_duplicate)
                return new.order_id, new.key
        finally:
            if may_send:
                self._after_sending()

    def send_new(
        self,
        legs: Sequence[tuple[Contract, PlannedOrder, str]],
        *,
        allow_duplicate: bool = False,
        attached: Sequence[inputs.NewOrder] = (),
    ) -> tuple[inputs.NewOrder, ...]:
        """Encode all legs, note the intent, and send them as one. Requires holding the send lock.

        Args:
            legs: Contract, order with its id, and key of each (an empty one is made up).
            allow_duplicate: As for ``Engine.submit``.
            attached: Orders that the gateway will make by itself beside these: only their ids are known. They
                have no terms, and higher ids.

        Raises:
            IbkrError: As for ``Engine.submit``.
        """
        keyed: tuple[inputs.NewOrder, ...] = ()
        for contract, leg, key in legs:
            keyed += (self._labelled(leg.order_id, contract, leg.order, key),)
        orders = (*keyed, *attached)
        ids = tuple(new.order_id for new in orders)
        self._send(keyed, orders, ids, allow_duplicate=allow_duplicate)
        return keyed

    def _send(
        self,
        keyed: tuple[inputs.NewOrder, ...],
        orders: tuple[inputs.NewOrder, ...],
        ids: tuple[int, ...],
        *,
        allow_duplicate: bool,
    ) -> None:
        """Do as :meth:`send_new`, once all have their keys.

        Args:
            keyed: What is sent.
            orders: The same, and what the gateway makes beside it.
            ids: The ids of all of these.
            allow_duplicate: As for ``Engine.submit``.
        """
        gatekeeper, journal = self._gatekeeper, self._journal
        self._admission.check_group(keyed, allow_duplicate=allow_duplicate)
        if not gatekeeper.is_open:
            gatekeeper.admit(keyed, allow_duplicate=allow_duplicate)
        client = self._supervisor.session.client
        data = self._encoded(client, keyed)
        submit = _submit(orders)
        submit.__class__ = inputs.Submit
        if journal is not None:
            check_storable(submit)
        # Nothing of them has left yet, so no list can tell of them: from before the book knows them, for the
        # journal may take long, and surveys go on meanwhile.
        self._leaving = ids
        try:
            asked = self._book.command(submit)
            self._next_id = ids[-1] + 1
            if journal is not None:
                self._make_durable(functools.partial(self._not_sent, ids))
            self._admission.note(keyed)
            if not gatekeeper.is_open:
                gatekeeper.note(keyed)
            self._post_orders(ids, data, client, asked)
        finally:
            self._leaving = ()
        self._count_messages(len(keyed))

    def _encoded(self, client: TwsClient, keyed: tuple[inputs.NewOrder, ...]) -> bytes:
        """Return the messages for new orders, one behind the other."""
        data = b""
        for new in keyed:
            contract, order = new.contract, new.order
            if contract is not None and order is not None:
                data += client.encode_order(new.order_id, contract, order, self._shapes.of(contract, order))
        return data

    def _labelled(self, order_id: int, contract: Contract, order: Order, key: str) -> inputs.NewOrder:
        """Return a new order with its key in its orderRef."""
        ref = order.order_ref
        label = key or ref or self.make_key()
        if label != ref:
            labelled = order.labelled(label)
            self._shapes.note(order, labelled)
            order = labelled
        new = _new_order(order_id, label, contract, order)
        new.__class__ = inputs.NewOrder
        return new

    def _after_sending(self) -> None:
        """Do what could wait until the bytes had left; called with no lock held."""
        self._book.deliver()
        self._supervisor.session.client.learn_encoding()

    @contextlib.contextmanager
    def _on_the_way(self, ids: Iterable[int]) -> Iterator[None]:
        """Show that something about these orders has not left yet, so that no list can tell of it.

        From before the book knows it: the journal may take long, and surveys go on meanwhile. Requires
        holding the send lock.
        """
        self._leaving = tuple(ids)
        try:
            yield
        finally:
            self._leaving = ()

    def _post_orders(self, ids: tuple[int, ...], data: bytes, client: TwsClient, asked: datetime) -> None:
        """Send new orders, or have them wait for their turn. Requires holding the send lock.

        Args:
            ids: Their ids.
            data: Their messages.
            client: Whose connection these were made for.
            asked: When they were asked for, by the book.
        """
        try:
            self._check_for_order()  # once more: making it durable may have taken long
            if self._supervisor.send_at_once(_ORDER, data, len(ids), client):
                self._sent(ids, asked)
            else:
                self._supervisor.post(self._parcel(ids, data, asked), client)
        except (NotReady, EngineClosed, TradingHalted, JournalError) as error:
            self._not_sent(ids, str(error))
            raise
        except SendFailed as error:
            self._broken(ids, error)
            raise SendFailed(str(error), ids) from error

    def _parcel(self, ids: tuple[int, ...], data: bytes, asked: datetime) -> Parcel:
        """Put new orders together that have to wait for the pace, and note that they wait."""
        parcel = Parcel(
            Lane.ORDER,
            data,
            count=len(ids),
            good_for_s=self._settings.order_queue_s,
            on_sent=lambda: self._sent(ids, asked),
            on_unsent=lambda why: self._unsent_later(ids, why),
            on_broken=lambda error: self._broken_later(ids, error),
            why_not=lambda: self._why_not(self._check_for_order),
        )
        for order_id in ids:
            self._waiting[order_id] = parcel
        return parcel

    def _check_storable(self, command: inputs.Command) -> None:
        if self._journal is not None:
            check_storable(command)

    def _make_durable(self, refuse: Callable[[str], object]) -> None:
        if self._journal is None:
            return
        try:
            self._journal.commit()
        except JournalError as error:
            refuse(f"the intent could not be made durable: {error}")
            raise

    def _sent(self, ids: tuple[int, ...], asked: datetime) -> None:
        self._book.command(inputs.Sent(ids))
        if self._waiting:
            self._forget_parcel(ids)
        for order_id in ids:
            self._watchdog.expect(order_id, Request.NEW, asked)

    @staticmethod
    def _why_not(check: Callable[[], object]) -> str:
        """Say why something that had to wait must not leave any more; empty when it may."""
        try:
            check()
        except IbkrError as error:
            return str(error)
        return ""

    def _not_sent(self, ids: Iterable[int], why: str) -> None:
        self._book.command(*(inputs.NotSent(order_id, why) for order_id in ids))
        self._forget_parcel(ids)

    def _unsent_later(self, ids: tuple[int, ...], why: str) -> None:
        self._not_sent(ids, why)
        self._book.deliver()

    def _broken(self, ids: Iterable[int], error: BaseException) -> None:
        self._forget_parcel(ids)
        self._book.command(*(inputs.SendFailure(order_id, str(error)) for order_id in ids))
        self._supervisor.break_off(str(error))  # so that who waits for the send lock is refused at once

    def _broken_later(self, ids: tuple[int, ...], error: BaseException) -> None:
        self._broken(ids, error)
        self._book.deliver()

    def _forget_parcel(self, ids: Iterable[int]) -> None:
        for order_id in ids:
            self._waiting.pop(order_id, None)

    def _count_messages(self, count: int) -> None:
        if self.meter.note_messages(count):
            self._book.post(
                events.EfficiencyWarning,
                messages=self.meter.messages,
                filled_orders=self.meter.filled_orders,
            )

    # ── changes ─────────────────────────────────────────────────────────────────────────────────

    def modify(self, order_id: int, order: Order | None, changes: dict[str, Any]) -> None:
        """Ask for new terms. Requires holding the send lock.

        Raises:
            IbkrError: As for ``Engine.modify``.
        """
        contract, before, terms = self._terms_to_modify(order_id, order, changes)
        if not self._gatekeeper.is_open:
            self._gatekeeper.admit_change(order_id, contract, before, terms)
        client = self._supervisor.session.client
        data = client.encode_order(order_id, contract, terms, self._shapes.of(contract, terms))
        modify = inputs.Modify(order_id, terms)
        self._check_storable(modify)
        with self._on_the_way((order_id,)):
            self._take_back_change(order_id, "replaced by a newer modification before it was sent")
            self._book.command(modify)
            self._make_durable(lambda why: self._book.command(inputs.Unsend(order_id, Request.MODIFY, why)))
            self._post_change(order_id, Request.MODIFY, Lane.ORDER, data, client)

    def _take_back_change(self, order_id: int, why: str) -> None:
        """Take a modification back that waits: two of them could end in the wrong order."""
        parcel = self._changes.get(order_id)
        if parcel is not None and self._supervisor.take_back(parcel):
            self._changes.pop(order_id, None)
            self._book.command(inputs.Unsend(order_id, Request.MODIFY, why))

    def _post_change(
        self, order_id: int, request: Request, lane: Lane, data: bytes, client: TwsClient
    ) -> None:
        is_cancel = request is Request.CANCEL
        asked = self._book.read(lambda book: book.asked_at(order_id, request))

        def left() -> None:
            if self._changes.get(order_id) is parcel:
                del self._changes[order_id]

        def sent() -> None:
            left()
            if asked is not None:
                self._watchdog.expect(order_id, request, asked)

        def unsent(why: str) -> None:
            self._book.command(inputs.Unsend(order_id, request, why))
            left()
            self._book.deliver()

        def broken(error: BaseException) -> None:
            left()
            self._supervisor.break_off(str(error))

        parcel = Parcel(
            lane,
            data,
            # Only what may grow stale: a cancel never does, in whatever lane.
            good_for_s=None if is_cancel else self._settings.order_queue_s,
            on_sent=sent,
            on_unsent=unsent,
            on_broken=broken,
            why_not=lambda: "" if is_cancel else self._why_not(lambda: self._check_may_modify(order_id)),
        )
        if not is_cancel:
            self._changes[order_id] = parcel
        try:
            if not is_cancel:
                self._check_may_send(lane)  # once more: making it durable may have taken long
            self._supervisor.post(parcel, client)
        except (NotReady, EngineClosed, TradingHalted, JournalError) as error:
            self._book.command(inputs.Unsend(order_id, request, str(error)))
            left()
            raise
        except SendFailed as error:
            left()
            self._supervisor.break_off(str(error))
            raise SendFailed(str(error), (order_id,)) from error
        self._count_messages(1)

    def _check_may_modify(self, order_id: int) -> None:
        """Raise where a modification that had to wait must not leave: the order has moved on meanwhile."""
        self._check_for_order()
        self._book.read(lambda book: book.last_sent(order_id))

    def cancel(self, order_id: int) -> None:
        """Ask for a cancel. Requires holding the send lock. An order that has not left yet is taken back.

        Raises:
            IbkrError: As for ``Engine.cancel``.
        """
        self._book.read(lambda book: book.order(order_id))  # what does not exist is no matter for the encoder
        parcel = self._waiting.get(order_id)
        if parcel is not None and parcel.count == 1 and self._supervisor.take_back(parcel):
            self._not_sent((order_id,), _CALLED_OFF)
            return
        client = self._supervisor.session.client
        data = client.encode_cancel(order_id)
        self._take_back_change(order_id, _CALLED_OFF)
        self._book.command(inputs.Cancel(order_id))
        if self._journal is not None and self._journal.failure is None:
            # A cancel only takes risk away: it leaves all the same, and the failure is told elsewhere.
            with contextlib.suppress(JournalError):
                self._journal.commit()
        # Behind an order that waits (a leg of a group), not past it.
        self._post_change(
            order_id, Request.CANCEL, Lane.CANCEL if parcel is None else Lane.ORDER, data, client
        )

    def try_cancel(self, order_id: int) -> bool:
        """Do as :meth:`cancel`; False for an order that has finished just now."""
        try:
            self.cancel(order_id)
        except OrderStateError:
            return False
        return True

    def cancel_everything(self) -> None:
        """Send the global cancel. Requires holding the send lock."""
        data = self._supervisor.session.client.encode_global_cancel()
        try:
            self._supervisor.post(Parcel(Lane.CANCEL, data))
        except SendFailed as error:
            self._supervisor.break_off(str(error))
            raise

    def _terms_to_modify(
        self, order_id: int, order: Order | None, changes: dict[str, Any]
    ) -> tuple[Contract, Order, Order]:
        """Return the contract, the terms in force (but for what we change ourselves), and the new terms."""
        if (order is None) == (not changes):
            raise InvalidInput("order", "give either the new order or the fields to change")
        if order is not None and not isinstance(order, Order):
            raise InvalidInput("order", f"must be an ibkr_core Order, not {type_name(order)}")
        for name in ("parent_id", "order_ref"):
            if name in changes:
                raise InvalidOrder(name, "cannot be changed once the order was sent")
        # An order that was held (transmit=False) stays so until it is released; the broker is silent
        # about it meanwhile (TWS facts 2.3). What was released cannot be held again.
        is_released = self._book.read(lambda book: book.is_released(order_id))
        if is_released and changes.get("transmit") is False:
            raise InvalidOrder("transmit", "cannot be taken back: the order was released")
        contract, last_sent, parent_is_done = self._book.read(lambda book: book.last_sent(order_id))
        terms = order if order is not None else last_sent.replace(**changes)
        terms = terms.replace(
            # A child that names a parent which is gone is refused with 135 (TWS facts 6).
            parent_id=0 if parent_is_done else last_sent.parent_id,
            order_ref=last_sent.order_ref,
            transmit=is_released or terms.transmit,
        )
        self.check_new(contract, terms, is_new=False)
        if self._settings.order_rules:
            orderrules.check_change(last_sent, terms)
        # What we do ourselves is no change of the caller's.
        in_force = last_sent.replace(parent_id=terms.parent_id, transmit=is_released or last_sent.transmit)
        return contract, in_force, terms

    # ── repetitions ─────────────────────────────────────────────────────────────────────────────

    def send_again(self, order_id: int, request: Request, attempt: int, why: str) -> bool:
        """Repeat a request of which nothing lives at the broker. False when it cannot be sent now."""
        try:
            with self.sending(Lane.CANCEL if request is Request.CANCEL else Lane.ORDER):
                if request is Request.CANCEL:
                    self.cancel(order_id)
                elif request is Request.MODIFY:
                    self._modify_again(order_id)
                else:
                    self._place_again(order_id, order_id, attempt, why)
        except _CANNOT_BE_SENT:
            return False
        return True

    def send_under_new_id(self, order_id: int, why: str) -> bool:
        """Send an order again whose id was taken, and that lives nowhere. False when it cannot be now."""
        try:
            with self.sending(Lane.ORDER):
                record = self._book.read(lambda book: book.order(order_id))
                self._place_again(order_id, self.peek_ids(1)[0], record.retry_count + 1, why)
        except _CANNOT_BE_SENT:
            return False
        return True

    @staticmethod
    def never_left(record: OrderRecord) -> bool:
        """Whether certainly no byte of an order ever left, and nobody called it off: it may be sent yet."""
        last = record.history[-1].what if record.history else ""
        return (
            record.status is OrderStatus.REJECTED
            and last.startswith("not sent:")
            and _CALLED_OFF not in last
            and record.sent_time is None
            and record.perm_id is None
            and not record.parent_id
            and not record.oca_group
        )

    def send_at_last(self, record: OrderRecord) -> int:
        """Send an order that never left, under a new id. Requires holding the send lock.

        Returns:
            The id.

        Raises:
            IbkrError: As for ``Engine.submit``.
        """
        new_id = self.peek_ids(1)[0]
        if not self._gatekeeper.is_open:
            same = inputs.NewOrder(new_id, record.key, record.contract, record.order)
            self._gatekeeper.admit((same,), allow_duplicate=True)  # much may have changed since
        self._place_again(record.order_id, new_id, record.retry_count + 1, "it had never left")
        return new_id

    def _modify_again(self, order_id: int) -> None:
        contract, terms, parent_is_done = self._book.read(lambda book: book.last_sent(order_id))
        terms = terms.replace(parent_id=0) if parent_is_done else terms
        client = self._supervisor.session.client
        data = client.encode_order(order_id, contract, terms, self._shapes.of(contract, terms))
        self._post_change(order_id, Request.MODIFY, Lane.ORDER, data, client)

    def _place_again(self, order_id: int, new_id: int, attempt: int, why: str) -> None:
        record = self._book.read(lambda book: book.order(order_id))
        if record.contract is None or record.order is None:
            raise OrderStateError(order_id, "its terms are not known")
        order = record.order
        if new_id != order_id and {"ptOrderId", "slOrderId"} & order.official.keys():
            raise OrderStateError(order_id, "the ids of its attached orders lie below a new one")
        if order.parent_id and self._is_acknowledged(order.parent_id):
            order = order.replace(transmit=True)  # its bracket was let go: held now, it would never work
        client = self._supervisor.session.client
        shape = self._shapes.of(record.contract, order)
        data = client.encode_order(new_id, record.contract, order, shape)
        with self._on_the_way((order_id, new_id)):
            asked = self._book.command(inputs.Resend(order_id, new_id, attempt, why))
            self._next_id = max(self._next_id, new_id + 1)
            self._make_durable(lambda why: self._not_sent((new_id,), why))
            self._post_orders((new_id,), data, client, asked)

    def _is_acknowledged(self, order_id: int) -> bool:
        try:
            return self._book.read(lambda book: book.order(order_id)).acknowledged_time is not None
        except UnknownOrder:
            return False
