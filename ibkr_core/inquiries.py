"""Questions to the broker that are about no order: sent, answered in several callbacks, ended in one future.

An answer is collected by its request id, or, where the protocol has none, by what the callback is about. It
ends when the collector has enough, when the broker refuses, when time runs out, or when the connection goes:
always with a result or a typed error, and never later than its deadline. What runs on at the broker by itself
is withdrawn then.

Requests go through the outbox in its last lane: orders overtake them.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any, ClassVar, Final, Generic, Protocol, TypeVar

import attrs

from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    IbkrError,
    InquiryFailed,
    SendFailed,
    UnknownContract,
    WaitTimeout,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.link.pacing import Lane
from ibkr_core.link.session import Session
from ibkr_core.model.facts import ErrorFact
from ibkr_core.outbox import Parcel
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.sending import check_time, describe

__all__ = ["Collector", "Inquiries"]

_T = TypeVar("_T")
_NO_DEFINITION: Final = 200
_NO_REQUEST: Final = -1
_WARNINGS: Final = frozenset({10090, 10167})
_WARNING_RANGE: Final = range(2100, 2200)
_ABOUT_NO_REQUEST: Final = frozenset({320, 321, 322, 323})


class Collector(Generic[_T]):
    """Collects the answer to one question. Derive from it; made for one use.

    Its methods are called with a lock held: they must be quick and call nothing but what is pure.

    Attributes:
        callbacks: Names of the official callbacks that bring the answer.
        has_id: Whether their first argument is the request id.
        is_subscription: Whether the broker goes on telling after the answer, so that it has to be stopped.
    """

    callbacks: ClassVar[frozenset[str]] = frozenset()
    has_id: ClassVar[bool] = True
    is_subscription: ClassVar[bool] = False

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Take one callback. Returns whether the answer is complete.

        Args:
            name: The callback.
            arguments: What the official decoder passes to it. Its objects must not be kept.
        """
        raise NotImplementedError

    def result(self) -> _T:
        """Return what was collected. What it raises becomes the outcome."""
        raise NotImplementedError

    def fits(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - for derived classes
        """Whether a callback without a request id belongs to this question."""
        return True

    def suffices(self) -> bool:
        """Whether, when time is over, what has come so far is an answer."""
        return False

    def refusal(self, code: int, text: str, what: str) -> IbkrError | None:
        """Return what an error about this question means; None for one that is only a warning."""
        if code in _WARNINGS or code in _WARNING_RANGE:
            return None
        if code == _NO_DEFINITION:
            return UnknownContract("contract", f"{text} (code {code}, asked for {what})")
        return InquiryFailed(what, code, text)

    def refuses(self, code: int) -> bool:
        """Whether an error that names no request is taken to be about this question, which has no id."""
        return code in _ABOUT_NO_REQUEST

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """Call the official method that ends the question at the broker, where there is one."""


class Wire(Protocol):
    """What questions need of the connection."""

    session: Session

    def check_can_send(self, lane: Lane) -> None:
        """Raise unless messages of a lane may be sent now."""

    def post(self, parcel: Parcel, client: TwsClient | None = None) -> bool:
        """Send a parcel on the connection that it was made for."""

    def take_back(self, parcel: Parcel) -> bool:
        """Take a waiting parcel out again."""

    def break_off(self, reason: str) -> None:
        """Take the connection for lost."""


@attrs.define(eq=False)
class _Inquiry:
    """One open question."""

    what: str
    collector: Collector[Any]
    future: Future[Any]
    client: TwsClient
    request_id: int
    timeout_s: float
    timer: Timer | None = None
    parcel: Parcel | None = None

    def outcome(self) -> Callable[[], Any]:
        """Return a function that returns what was collected, or raises why it cannot be had."""
        try:
            result = self.collector.result()
        except IbkrError as error:
            return _raiser(error)
        except Exception as error:  # noqa: BLE001 - whatever the broker told, the one who asks must be told
            return _raiser(self.unreadable(error))
        return lambda: result

    def unreadable(self, error: BaseException) -> InquiryFailed:
        """Make the error of an answer that makes no sense."""
        failure = InquiryFailed(self.what, 0, f"the answer cannot be read: {describe(error)}")
        failure.__cause__ = error
        return failure

    def settle(self, outcome: Callable[[], Any]) -> None:
        """End the future with what a function returns or raises; one that was cancelled stays so."""
        try:
            result = outcome()
        except Exception as error:  # noqa: BLE001 - it is the outcome
            if self.future.set_running_or_notify_cancel():
                self.future.set_exception(error)
            return
        if self.future.set_running_or_notify_cancel():
            self.future.set_result(result)


def _raiser(error: BaseException) -> Callable[[], Any]:
    def outcome() -> Any:  # noqa: ANN401 - never returns
        raise error

    return outcome


class Inquiries:
    """All open questions of an engine.

    Args:
        wire: The connection.
        scheduler: Keeps the deadlines.
        next_id: Takes a request id, from the row that it shares with orders.

    Attributes:
        awaited: Names of the callbacks that an open question waits for; looked at for every callback.
    """

    def __init__(self, wire: Wire, scheduler: Scheduler, next_id: Callable[[], int]) -> None:
        self._wire = wire
        self._scheduler = scheduler
        self._next_id = next_id
        self._lock = threading.Lock()
        self._by_id: dict[int, _Inquiry] = {}
        self._without_id: list[_Inquiry] = []
        self._names: Counter[str] = Counter()
        self._closed: Callable[[], BaseException] | None = None
        self.awaited: set[str] = set()

    @property
    def count(self) -> int:
        """How many questions are open."""
        with self._lock:
            return len(self._by_id) + len(self._without_id)

    # ── asking ──────────────────────────────────────────────────────────────────────────────────

    def ask(
        self,
        request: Callable[[TwsClient, int], object],
        collector: Collector[_T],
        timeout_s: float,
        *,
        what: str,
    ) -> Future[_T]:
        """Ask the broker something; returns at once.

        Args:
            request: Calls the official request method of a client, with the request id.
            collector: Collects the answer.
            timeout_s: When it has to be there.
            what: What is asked for, for error messages.

        Returns:
            A future of the answer. It ends with UnknownContract or InquiryFailed when the broker refuses,
            with WaitTimeout, with ConnectionFailed or EngineClosed. Cancelling it withdraws the question. Its
            own callbacks are called where bytes come in: they must not wait.

        Raises:
            NotReady: Not connected, or not synchronised yet.
            EngineClosed: It was closed.
            RequestRefused: The official client cannot encode it for this gateway.
            ConnectionFailed: The connection failed while it was being sent.
            InvalidInput: ``timeout_s`` is no number of seconds.
        """
        check_time("timeout_s", timeout_s)
        self._wire.check_can_send(Lane.DATA)
        client = self._wire.session.client
        request_id = self._next_id() if collector.has_id else _NO_REQUEST
        data = client.encode(lambda: request(client, request_id))
        return self.send(_Inquiry(what, collector, Future(), client, request_id, timeout_s), data)

    def ask_as_order(
        self,
        encode: Callable[[TwsClient, int], bytes],
        make_collector: Callable[[int], Collector[_T]],
        order_id: int,
        timeout_s: float,
        *,
        what: str,
    ) -> Future[_T]:
        """Ask with a message that counts as an order and keeps its place among them: a what-if.

        The broker refuses an order id that is lower than one that came before (TWS facts 4), so it must not
        be overtaken. Requires holding the send lock.

        Args:
            encode: Makes the bytes for a client and the order id.
            make_collector: Collects the answer to the order id.
            order_id: The id, which is used up.
            timeout_s: When the answer has to be there.
            what: What is asked for, for error messages.

        Raises:
            IbkrError: As for :meth:`ask`.
        """
        check_time("timeout_s", timeout_s)
        self._wire.check_can_send(Lane.ORDER)
        client = self._wire.session.client
        data = encode(client, order_id)
        inquiry = _Inquiry(what, make_collector(order_id), Future(), client, order_id, timeout_s)
        return self.send(inquiry, data, Lane.ORDER)

    def send(self, inquiry: _Inquiry, data: bytes, lane: Lane = Lane.DATA) -> Future[Any]:
        """Expect an answer from now on, and send the question."""
        self._expect(inquiry)
        self._post(inquiry, data, lane)
        return inquiry.future

    def _expect(self, inquiry: _Inquiry) -> None:
        collector = inquiry.collector
        with self._lock:
            if self._closed is not None:
                raise self._closed()
            if collector.has_id:
                self._by_id[inquiry.request_id] = inquiry
            else:
                self._without_id.append(inquiry)
            self._names.update(collector.callbacks)
            self.awaited.update(collector.callbacks)
        inquiry.timer = self._scheduler.call_later(inquiry.timeout_s, lambda: self._time_out(inquiry))
        inquiry.future.add_done_callback(lambda future: self._note_cancel(inquiry, future))

    def _forget(self, inquiry: _Inquiry) -> None:
        """Expect an answer no more, to a question that could not be sent."""
        if self._remove(inquiry):
            _stop(inquiry)
            inquiry.future.cancel()

    def _post(self, inquiry: _Inquiry, data: bytes, lane: Lane) -> None:
        inquiry.parcel = Parcel(
            lane,
            data,
            on_unsent=lambda why: self._lose(inquiry, why),
            on_broken=lambda error: self._broken(inquiry, error),
        )
        try:
            self._wire.post(inquiry.parcel, inquiry.client)
        except SendFailed as error:
            self._forget(inquiry)
            self._wire.break_off(str(error))
            raise ConnectionFailed(
                f"the connection broke while asking for {inquiry.what}: {error}"
            ) from error
        except BaseException:
            self._forget(inquiry)
            raise

    # ── answers, where bytes come in ────────────────────────────────────────────────────────────

    def take_answer(self, name: str, arguments: tuple[Any, ...]) -> None:
        """Take a callback that some question waits for, if it is its."""
        with self._lock:
            done = [
                (inquiry, outcome)
                for inquiry in self._asked(name, arguments)
                if (outcome := self._take(inquiry, name, arguments)) is not None
            ]
            for inquiry, _ in done:
                self._drop(inquiry)
        for inquiry, outcome in done:
            self._finish(inquiry, outcome, withdraw=inquiry.collector.is_subscription)

    def _asked(self, name: str, arguments: tuple[Any, ...]) -> list[_Inquiry]:
        """Return the questions that a callback answers. Requires holding the lock."""
        found = [
            one
            for one in self._without_id
            if name in one.collector.callbacks and one.collector.fits(name, arguments)
        ]
        first = arguments[0] if arguments else None
        if isinstance(first, int):
            by_id = self._by_id.get(first)
            if by_id is not None and name in by_id.collector.callbacks:
                found.append(by_id)
        return found

    @staticmethod
    def _take(inquiry: _Inquiry, name: str, arguments: tuple[Any, ...]) -> Callable[[], Any] | None:
        """Return how a question ends by this callback; None while it does not. Requires holding the lock."""
        try:
            return inquiry.outcome() if inquiry.collector.take(name, arguments) else None
        except Exception as error:  # noqa: BLE001 - whatever the broker told, the one who asks must be told
            return _raiser(inquiry.unreadable(error))

    def take_error(self, fact: ErrorFact) -> None:
        """Take an error callback, if it is about an open question."""
        with self._lock:
            found = self._by_id.get(fact.request_id)
            if found is None and fact.request_id == _NO_REQUEST:
                found = next((one for one in self._without_id if one.collector.refuses(fact.code)), None)
            if found is None:
                return
            error = found.collector.refusal(fact.code, fact.message, found.what)
            if error is None:
                return
            self._drop(found)
        self._finish(found, _raiser(error), withdraw=False)

    # ── other ends ──────────────────────────────────────────────────────────────────────────────

    def end_all(self, make_error: Callable[[], BaseException]) -> None:
        """End every open question with an error: its connection is gone."""
        with self._lock:
            ended = [*self._by_id.values(), *self._without_id]
            for inquiry in ended:
                self._drop(inquiry)
        for inquiry in ended:
            self._finish(inquiry, _raiser(make_error()), withdraw=False)

    def close(self) -> None:
        """End every open question, and refuse those to come."""
        with self._lock:
            self._closed = lambda: EngineClosed("the engine was closed")
        self.end_all(self._closed)

    def _time_out(self, inquiry: _Inquiry) -> None:
        """End a question whose deadline is over; on the scheduler."""
        with self._lock:
            if not self._drop(inquiry):
                return
            late = WaitTimeout(f"no answer within {inquiry.timeout_s:g} s: {inquiry.what}")
            outcome = inquiry.outcome() if inquiry.collector.suffices() else _raiser(late)
        self._give_up(inquiry)
        inquiry.settle(outcome)

    def _note_cancel(self, inquiry: _Inquiry, future: Future[Any]) -> None:
        if future.cancelled() and self._remove(inquiry):
            self._give_up(inquiry)

    def _lose(self, inquiry: _Inquiry, why: str) -> None:
        if self._remove(inquiry):
            error = ConnectionFailed(f"the question was not sent ({inquiry.what}): {why}")
            self._finish(inquiry, _raiser(error), withdraw=False)

    def _broken(self, inquiry: _Inquiry, error: BaseException) -> None:
        self._lose(inquiry, str(error))
        self._wire.break_off(str(error))

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _remove(self, inquiry: _Inquiry) -> bool:
        with self._lock:
            return self._drop(inquiry)

    def _drop(self, inquiry: _Inquiry) -> bool:
        """Take a question out of the tables. False when it is out already. Requires holding the lock."""
        if inquiry in self._without_id:
            self._without_id.remove(inquiry)
        elif self._by_id.get(inquiry.request_id) is inquiry:
            del self._by_id[inquiry.request_id]
        else:
            return False
        for name in inquiry.collector.callbacks:
            self._names[name] -= 1
            if self._names[name] == 0:
                del self._names[name]
                self.awaited.discard(name)
        return True

    def _finish(self, inquiry: _Inquiry, outcome: Callable[[], Any], *, withdraw: bool) -> None:
        """Tell who waits, after the question left the tables. Not called with the lock held."""
        _stop(inquiry)
        if withdraw:
            self._scheduler.call_soon(lambda: self._withdraw(inquiry))
        inquiry.settle(outcome)

    def _give_up(self, inquiry: _Inquiry) -> None:
        """Let the broker know that nobody waits any more; what has not left is not sent at all."""
        _stop(inquiry)
        if inquiry.parcel is None or not self._wire.take_back(inquiry.parcel):
            # Not here: a send may take its time, and this may be where bytes come in.
            self._scheduler.call_soon(lambda: self._withdraw(inquiry))

    def _withdraw(self, inquiry: _Inquiry) -> None:
        """End a question at the broker; on the scheduler. One that cannot be sent has ended anyway."""
        client = inquiry.client
        try:
            data = client.encode(lambda: inquiry.collector.withdraw(client, inquiry.request_id))
            if data:
                self._wire.post(Parcel(Lane.DATA, data), client)
        except SendFailed as error:
            self._wire.break_off(str(error))
        except IbkrError:
            return


def _stop(inquiry: _Inquiry) -> None:
    if inquiry.timer is not None:
        inquiry.timer.cancel()
