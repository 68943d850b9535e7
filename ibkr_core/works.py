"""The works inside an engine: what its parts are, how they are joined, and what one tells another."""

from __future__ import annotations

import contextlib
import functools
import logging
import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from zoneinfo import ZoneInfo

from ibkr_core.clock import Clock
from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    JournalError,
    JournalForeign,
    OrderStateError,
    UnknownOrder,
)
from ibkr_core.gatekeeper import Bases, Gatekeeper
from ibkr_core.guardedbook import GuardedBook
from ibkr_core.halting import HALT_STATE, Brake
from ibkr_core.inquiries import Inquiries
from ibkr_core.journal import Entry, Journal
from ibkr_core.keeper import Keeper
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.asks import Ask
from ibkr_core.lifecycle.pages import Pages
from ibkr_core.lifecycle.verdicts import CodeRule
from ibkr_core.link.client import TwsClient
from ibkr_core.link.receiver import HotTaker
from ibkr_core.link.session import Session
from ibkr_core.listeners import Delivery, Dispatcher
from ibkr_core.model import events
from ibkr_core.model.facts import BrokerFact, ErrorFact
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.record import Request
from ibkr_core.model.shapes import Shapes
from ibkr_core.model.status import OrderStatus
from ibkr_core.orderdesk import OrderDesk
from ibkr_core.portfolio.books import Base, Key
from ibkr_core.positioncheck import PositionCheck
from ibkr_core.recovering import restore_book
from ibkr_core.rehearsal import Rehearsal
from ibkr_core.retrier import Retrier, with_retries
from ibkr_core.risk import RiskPolicy
from ibkr_core.runner import Runner
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.sending import describe
from ibkr_core.settings import EngineSettings
from ibkr_core.settlement import Judge
from ibkr_core.slimmer import GoneFills, Slimmer
from ibkr_core.supervisor import Supervisor
from ibkr_core.survey import Findings
from ibkr_core.watchdog import Watchdog

__all__ = ["Works"]

_DUPLICATE_ID: Final = 103
_POSITIONS: Final = "positions"
_HAS_FILLS: Final = (OrderStatus.PARTIALLY_FILLED, OrderStatus.FILLED)
_DRY_RUN: Final = "dry run"
_DAY_S: Final = 86_400.0
_PAUSE_S: Final = 0.002
"""Between two steps of what is not urgent."""
_MOST_BEHIND: Final = 5_000
"""Inputs, events and orders that the journal's tables may be behind when it is pruned: that brings them up to
date on the scheduler's thread. With ten times that a halt, or a deadline, would wait for seconds."""
_CATCH_UP_S: Final = 1.0
_ZERO: Final = Decimal(0)

_LOG: Final = logging.getLogger("ibkr_core.engine")


class Works:
    """All parts of one engine.

    Args:
        client_id: Our API client id.
        settings: Deadlines, pace, retries.
        journal: The durable record, None for none.
        rules: What error codes prove.
        client_class: Makes the official client.
        clock: Tells the time.
        make_key: Makes client order keys.
        runner: Receives.
        policy: The risk limits.
        is_dry_run: Whether nothing of all this is real.
    """

    def __init__(
        self,
        client_id: int,
        settings: EngineSettings,
        journal: Journal | None,
        rules: Mapping[int, CodeRule],
        client_class: type[TwsClient],
        clock: Clock,
        make_key: Callable[[], str],
        runner: Runner,
        policy: RiskPolicy,
        *,
        is_dry_run: bool = False,
    ) -> None:
        self.journal = journal
        self._is_dry_run = is_dry_run
        self.rules = rules
        self.scheduler = Scheduler(clock, self._report_failed_act)
        self.dispatcher = Dispatcher(self._report_failed_listener)
        self.keeper = Keeper(self._is_open, self._begin_survey, self.scheduler, interval_s=settings.confirm_s)
        self.retrier = Retrier(
            settings.retry,
            self.scheduler,
            random.Random(settings.seed),  # noqa: S311 - jitter is no secret
            self._send_again,
            self._give_up,
            self._announce_retry,
        )
        self.book = GuardedBook(
            client_id,
            with_retries(rules, settings.retry),
            clock,
            self.dispatcher,
            self.keeper.note,
            self.retrier.note,
            self.journal,
            is_dry_run=is_dry_run,
        )
        self.supervisor = Supervisor(client_id, client_class, self.scheduler, runner, settings, self)
        self._watchdog = Watchdog(self.scheduler, settings.ack_timeout_s, self._take_silence)
        self._positions = PositionCheck(ZoneInfo(settings.broker_zone))
        self.gatekeeper = self._hire_gatekeeper(policy)
        self.desk = OrderDesk(
            *(self.book, self.supervisor, self._watchdog, settings, make_key, self.journal, self.gatekeeper),
            journal.shapes if journal is not None else Shapes(),
        )
        self.inquiries = Inquiries(self.supervisor, self.scheduler, self.desk.take_id)
        resends = settings.retry.attempts > 0 and _DUPLICATE_ID in settings.retry.codes
        self._judge = Judge(settings.broker_zone, settings.cancel_attempts, resends_duplicates=resends)
        self.brake = Brake(
            *(self.desk, self.book, self.scheduler, self.survey_for, self.publish, self._judge.is_unresolved),
            self.journal,
        )
        self.dispatcher.subscribe((events.OrderStatusChanged,), self._note_fill, Delivery.INLINE, None)
        self.slimmer = Slimmer(self.book, self.scheduler, journal, settings)
        self._recheck_s, self._recheck = settings.recheck_s, Timer(0.0, lambda: None)
        self._unowned: set[int] = set()
        self._gone: dict[int, None] = {}  # rows of orders that the journal has let go ...
        self._has_to_forget = False  # ... of which its checkpoint still has some

    def _hire_gatekeeper(self, policy: RiskPolicy) -> Gatekeeper:
        return Gatekeeper(
            self.book,
            self.scheduler,
            policy,
            lambda: self.supervisor.session.accounts,
            self._position_bases,
            self._halt_for_risk,
            lambda listener: self.dispatcher.subscribe(
                (events.ExecutionReceived,), listener, Delivery.INLINE, None
            ),
        )

    def restore(self, on_progress: Callable[[int], None] | None) -> None:
        """Play the journal into the book, if there is one.

        Raises:
            JournalCorrupt: An entry is damaged.
            JournalForeign: It is of a dry run, and this is none; or the other way round.
        """
        if self.journal is not None:
            self._restore_from(self.journal, on_progress)
        self.slimmer.start()

    def _restore_from(self, journal: Journal, on_progress: Callable[[int], None] | None) -> None:
        self._check_kind(journal)
        journal.watch(self._report_broken_journal, self._report_restored_journal, self.book.note_late)
        restore_book(journal, self.book, on_progress=on_progress, on_refused=self._report_refused)
        known = journal.state(_POSITIONS)
        if known:
            self._positions.load(known)
        for record in self.book.read(lambda book: book.active_orders()):
            if record.order is None and record.perm_id is not None:
                self._unowned.add(record.perm_id)  # told in an earlier run
        self.scheduler.call_soon(self.desk.remember_keys)
        self.scheduler.call_soon(self._prune)

    def _check_kind(self, journal: Journal) -> None:
        """Keep what is real and what is not apart: ids, keys and fills of one mean nothing to the other."""
        is_marked = journal.state(_DRY_RUN) is not None
        if is_marked and not self._is_dry_run:
            raise JournalForeign(
                journal.path,
                "was kept by a dry run, whose orders never were",
                "give this engine another file",
            )
        if self._is_dry_run and not is_marked:
            states = (journal.state(name) for name in (_POSITIONS, HALT_STATE))
            if journal.recorded or journal.high_water or any(states):
                raise JournalForeign(
                    journal.path, "was kept by a real session", "give the dry run a file of its own"
                )
            journal.set_state(_DRY_RUN, "yes")

    def _prune(self) -> None:
        """Drop from the journal what its retention no longer keeps; once a day, in slices."""
        if self.journal is None:
            return
        if self.journal.behind > _MOST_BEHIND:  # after a start its writer has much to do
            self.scheduler.call_later(_CATCH_UP_S, self._prune)
            return
        pages = self.book.read(lambda book: book.pages())
        self._go_on_pruning(self._pruning(self.journal, pages))
        self.scheduler.call_later(_DAY_S, self._prune)

    def _go_on_pruning(self, steps: Iterator[None]) -> None:
        with contextlib.suppress(JournalError, StopIteration):  # its failure is told by itself
            next(steps)
            self.scheduler.call_later(_PAUSE_S, lambda: self._go_on_pruning(steps))

    def _pruning(self, journal: Journal, pages: Pages) -> Iterator[None]:
        pruned = yield from journal.pruning(self.scheduler.clock.now(), pages.rows())
        if pruned.inputs:
            self._gone.update(dict.fromkeys(pruned.rows))
            self._positions.let_go(GoneFills(self.book, self._gone))
            self._has_to_forget = True
        if self._has_to_forget:
            self._keep_positions(journal)

    def _keep_positions(self, journal: Journal) -> None:
        """Have the journal know the positions' base, and no more the orders that count as a part of it.

        The next run knows them no more, neither from inputs nor from a checkpoint. Both are written at once,
        also when it failed the first time: what is in a checkpoint and in the base would count twice.

        Raises:
            JournalFailed: It could not be written.
        """
        told = self._positions.dump()
        if self._has_to_forget:
            journal.packed.forget(tuple(self._gone), self._positions.gone, {_POSITIONS: told})
            self._has_to_forget = False
        else:
            journal.set_state(_POSITIONS, told)

    def _note_fill(self, event: events.OrderStatusChanged) -> None:
        if event.current in _HAS_FILLS and event.previous is not OrderStatus.PARTIALLY_FILLED:
            self.desk.meter.note_filled()  # its first fill

    def _position_bases(self) -> Bases | None:
        """Return what is held beside our fills, by account and contract; None before it was told."""
        if not self._positions.is_based:
            return None
        return {
            key: (
                base.contract,
                functools.reduce(EXACT.add, (trade.quantity for trade in base.trades), _ZERO),
            )
            for key, base in self._positions.bases.items()
        }

    def _halt_for_risk(self, reason: str) -> bool:
        """Halt because a risk gate said so. The send lock may be held, and halting takes it."""
        if self.desk.halted:
            return False
        self.desk.halted = reason  # at once: the next order may be waiting for the send lock already
        self.scheduler.call_soon(lambda: self.brake.halt(reason))
        return True

    def _send_again(self, order_id: int, request: Request, attempt: int, why: str) -> bool:
        return self.desk.send_again(order_id, request, attempt, why)

    def _give_up(self, order_id: int, request: Request, why: str) -> None:
        self.book.command(inputs.Abandon(order_id, request, why))
        self.book.deliver()

    def _announce_retry(self, order_id: int, attempt: int, delay_s: float, code: int) -> None:
        record = self.book.read(lambda book: book.order(order_id))
        self.publish(events.RetryScheduled, record=record, attempt=attempt, delay_s=delay_s, code=code)

    def _take_silence(self, order_id: int, request: Request, asked: datetime) -> None:
        """Take notice that a request was not answered in time."""
        if not self.supervisor.is_synchronised:
            return  # the lists of the next synchronisation decide
        is_open = self.book.read(
            lambda book: book.is_pending(order_id, request, asked) and book.is_released(order_id)
        )
        if is_open and not self.retrier.has_plans(order_id):
            self.book.command(inputs.Silence(order_id, request))
            self.book.deliver()

    # ── inside: the supervisor's household ──────────────────────────────────────────────────────

    def take_fact(self, fact: BrokerFact, session: Session) -> None:
        """Take a fact from the connection; called where bytes come in."""
        if self.journal is None:
            self.book.apply(fact)
        else:
            self.book.apply(fact, session.client.frame, session.server_version)
        if isinstance(fact, ErrorFact):
            self.inquiries.take_error(fact)

    def take_client(self, client: TwsClient) -> None:
        """Take notice of the client of a new connection; called on the scheduler."""
        client.listen(self.inquiries.awaited, self.inquiries.take_answer)

    def hot_taker(self, session: Session, watchers: Sequence[Callable[[BrokerFact], None]]) -> HotTaker:
        """Return what takes hot messages; called once for each connection."""
        session.client.rehearse(lambda decode, version: Rehearsal(decode, version, self.scheduler.clock))
        return self.book.hot_taker(session.server_version, watchers)

    def take_failure(self, error: BaseException) -> None:
        """Take notice of a message that could not be handled; called where bytes come in."""
        _LOG.error("a message or a callback failed", exc_info=error)
        self.book.publish(events.CallbackFailed, error=describe(error))

    def take_disconnect(self, reason: str) -> None:
        """Take notice that the connection is gone; called on the scheduler."""
        is_closing = self.supervisor.is_closing
        self.inquiries.end_all(
            lambda: (
                EngineClosed("the engine was closed")
                if is_closing
                else ConnectionFailed(f"connection lost: {reason}")
            )
        )
        self._watchdog.forget()
        self.keeper.forget()
        self.retrier.forget()
        self.book.command(inputs.Disconnect())
        self.book.deliver()

    def take_hopeless(self, error: BaseException) -> None:
        """Take notice that the connection will not be made again; called on the scheduler."""
        reason = str(error)
        self.book.end_waiting(lambda: ConnectionFailed(f"connection lost while waiting: {reason}"))

    def take_findings(self, findings: Findings, *, is_first: bool) -> None:
        """Settle what a survey proves; called on the scheduler."""
        unsent = self.desk.unsent  # first: what leaves meanwhile is in the book before it is gone here
        orders = self.book.read(lambda book: book.open_requests())
        settlement = self._judge.settle(findings, orders, unsent)
        self.book.command(*settlement.commands)
        for record in settlement.unresolved:
            why = "listed no more, and last known alive on an earlier day"
            self.book.post(events.OrderUnresolved, record=record, why=why)
        self.book.deliver()
        for order_id in settlement.cancel_again:
            self.desk.send_again(order_id, Request.CANCEL, 1, "the cancel came to nothing")
        for order_id in settlement.send_again:
            why = "its id was taken (103), and complete lists lack it"
            if not self.desk.send_under_new_id(order_id, why):
                self.book.command(inputs.ProveAbsent(order_id, f"{why}; it could not be sent again"))
                self.book.deliver()
        self._report_unowned()
        is_settled = settlement.is_settled
        if findings.positions is not None and (is_first or self._positions.is_suspicious):
            is_settled &= self._check_positions(findings)
        self.keeper.surveyed(is_settled=is_settled)
        if self._recheck_s > 0:  # a correction of a finished order may never have been told
            self._recheck.cancel()
            self._recheck = self.scheduler.call_later(self._recheck_s, lambda: self.keeper.ask_in(0.0))
        if is_first:
            self.scheduler.call_soon(self.brake.resume)  # once the session is ready, which it is not yet

    def _report_unowned(self) -> None:
        for record in self.book.read(lambda book: book.active_orders()):
            perm_id = record.perm_id
            # One that the gateway attached to an order of ours has no terms here either, and was asked for.
            is_unowned = record.is_ours and record.order is None and record.is_working
            is_unowned &= record.submission_time is None
            if is_unowned and perm_id is not None and perm_id not in self._unowned:
                self._unowned.add(perm_id)
                self.book.publish(events.UnownedOrderFound, record=record)

    def _check_positions(self, findings: Findings) -> bool:
        moved, pages = self.book.read(lambda book: (book.moved(), book.pages()))
        now = self.scheduler.clock.now()
        for found in self._positions.compare(findings.positions or (), pages.fills(), now, moved):
            self.book.publish(
                events.PositionDiffers,
                account=found.account,
                contract=found.contract,
                expected=found.expected,
                told=found.told,
            )
        if self.journal is not None:
            with contextlib.suppress(JournalError):  # its failure is told by itself
                self._keep_positions(self.journal)
        return not self._positions.is_suspicious

    def position_base(self, account: str, con_id: int) -> Decimal | None:
        """Return what of a position came from elsewhere; see :meth:`PositionCheck.base_of`."""
        return self._positions.base_of(account, con_id)

    @property
    def bases(self) -> Mapping[Key, Base]:
        """What the broker's positions show beside our fills; see :attr:`PositionCheck.bases`."""
        return self._positions.bases

    def next_request_id(self) -> int:
        """Return an id for a request."""
        return self.desk.take_id()

    def publish(self, kind: type[events.Event], **details: Any) -> None:
        """Publish an event that is about no order."""
        self.book.publish(kind, **details)

    def count_open_orders(self) -> int:
        """Return how many orders are known to work."""
        return sum(record.is_working for record in self.book.read(lambda book: book.active_orders()))

    # ── inside: questions and reports ───────────────────────────────────────────────────────────

    def _begin_survey(self) -> bool:
        return self.survey_for(lambda _: None)

    def survey_for(self, done: Callable[[Findings], None]) -> bool:
        """Ask the broker for all that it has, settle it, hand the findings on. False when it cannot be."""

        def finished(findings: Findings) -> None:
            self.take_findings(findings, is_first=False)
            done(findings)

        return self.supervisor.begin_survey(finished)

    def _is_open(self, ask: Ask) -> bool:
        try:
            return self.book.is_open(ask)
        except UnknownOrder:
            return False

    def _report_failed_listener(self, name: str, error: BaseException) -> None:
        self.book.post(events.ListenerFailed, listener=name, error=describe(error))

    def _report_failed_act(self, error: BaseException) -> None:
        _LOG.error("something that was due failed", exc_info=error)
        self.book.publish(events.CallbackFailed, error=describe(error))

    def _report_broken_journal(self, error: JournalError) -> None:
        _LOG.error("the journal cannot be written: %s", error)
        self.book.post(events.JournalBroken, error=str(error))
        self._deliver_soon()

    def _report_restored_journal(self) -> None:
        self.book.post(events.JournalRestored)
        self._deliver_soon()

    def _deliver_soon(self) -> None:
        """Have events delivered by a thread that holds no lock: a commit is made with the send lock held.

        An inline listener that pulls the brake because the journal is broken needs that lock.
        """
        self.scheduler.call_soon(self.book.deliver)

    @staticmethod
    def _report_refused(entry: Entry, error: OrderStateError) -> None:
        _LOG.warning("the replay refuses input %s of the journal: %s", entry.index, error)
