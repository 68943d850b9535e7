"""Keeps one session with the broker alive: connects, takes over, notices trouble, connects again.

Everything here runs on the scheduler, one act at a time; what comes on the reader thread is handed over. So
there is one thread of decisions and no lock but the one around the state that others read.
"""

from __future__ import annotations

import random
import re
import threading
from collections.abc import Callable, Sequence
from typing import Any, Final, Protocol

from ibkr_core.errors import (
    ConnectionFailed,
    EngineClosed,
    GatewayUnreachable,
    HandshakeFailed,
    IbkrError,
    NotReady,
    SendFailed,
    WaitTimeout,
)
from ibkr_core.link.client import TwsClient
from ibkr_core.link.pacing import Lane, RateLimit
from ibkr_core.link.receiver import HotTaker, Receiver
from ibkr_core.link.session import Answer, Session
from ibkr_core.link.transport import Transport
from ibkr_core.model import events
from ibkr_core.model.facts import BrokerFact, ErrorFact, Position
from ibkr_core.model.session import SessionState
from ibkr_core.outbox import Outbox, Parcel
from ibkr_core.runner import Runner
from ibkr_core.scheduler import Scheduler, Timer
from ibkr_core.settings import EngineSettings
from ibkr_core.survey import Findings, Survey

__all__ = ["Household", "Supervisor"]

_CONNECTIVITY_LOST: Final = 1100
_LOST: Final = frozenset({_CONNECTIVITY_LOST, 2110})
_RESTORED: Final = frozenset({1101, 1102})
_PORT_RESET: Final = 1300
_FARM_DOWN: Final = frozenset({2103, 2105, 2157})
_FARM_UP: Final = frozenset({2104, 2106, 2107, 2108, 2119, 2158})
_SESSION_CODES: Final = _LOST | _RESTORED | {_PORT_RESET} | _FARM_DOWN | _FARM_UP
_BROKER: Final = "the gateway lost its connection to the broker"
_SLOW: Final = "the gateway does not answer"
_BLOCKING: Final = frozenset({_BROKER, _SLOW})
_SELF_HEALING_S: Final = 60.0
_CONNECTED: Final = frozenset({SessionState.SYNCHRONISING, SessionState.READY, SessionState.DEGRADED})
_SYNCHRONISED: Final = frozenset({SessionState.READY, SessionState.DEGRADED})


class Household(Protocol):
    """What the supervisor needs of the engine."""

    def take_fact(self, fact: BrokerFact, session: Session) -> None:
        """Put a fact into the book."""

    def hot_taker(self, session: Session, watchers: Sequence[Callable[[BrokerFact], None]]) -> HotTaker:
        """Return what takes the hot messages of a session.

        Args:
            session: The session.
            watchers: Who else is told each fact; looked at for each one.
        """

    def take_failure(self, error: BaseException) -> None:
        """Report a message or a callback that failed."""

    def take_client(self, client: TwsClient) -> None:
        """Take notice of the client of a new connection, before it is opened."""

    def take_disconnect(self, reason: str) -> None:
        """Tell the book that the connection is gone."""

    def take_hopeless(self, error: BaseException) -> None:
        """Take notice that the connection will not be made again."""

    def take_findings(self, findings: Findings, *, is_first: bool) -> None:
        """Settle what a survey proves."""

    def next_request_id(self) -> int:
        """Return an id for a request."""

    def publish(self, kind: type[events.Event], **details: Any) -> None:
        """Publish an event."""

    def count_open_orders(self) -> int:
        """Return how many orders are working."""


class Supervisor:
    """One session with the broker, for as long as it is wanted.

    Args:
        client_id: Our API client id; the same one for ever.
        make_client: Makes the client for a receiver.
        scheduler: Runs everything here.
        runner: Receives.
        settings: Deadlines and pace.
        household: The engine.
    """

    def __init__(
        self,
        client_id: int,
        make_client: Callable[[Receiver], TwsClient],
        scheduler: Scheduler,
        runner: Runner,
        settings: EngineSettings,
        household: Household,
    ) -> None:
        self._client_id = client_id
        self._make_client = make_client
        self._scheduler = scheduler
        self._runner = runner
        self._settings = settings
        self._household = household
        self._limit = (
            RateLimit(settings.messages_per_second) if settings.messages_per_second is not None else None
        )
        self._chance = random.Random(settings.seed)  # noqa: S311 - jitter is no secret
        self._changed = threading.Condition()
        self._state = SessionState.DISCONNECTED
        self._reason = "not opened yet"
        self._failure: BaseException | None = None
        self._troubles: dict[str, None] = {}
        self.session = Session(self, make_client)
        self._outbox = Outbox(self.session.client.send, self._limit, scheduler)
        self._line = self.session.client, self._outbox
        self._dial: Callable[[], Transport] | None = None
        self._keep_trying = False
        self._attempt = 0
        self._survey: Survey | None = None
        self._watchers: list[Callable[[BrokerFact], None]] = []
        self._gap_began: float | None = None
        self._accounts: tuple[str, ...] = ()  # of the login, as it was last
        self._timers: dict[str, Timer] = {}
        self._is_closing = False

    # ── state ───────────────────────────────────────────────────────────────────────────────────

    @property
    def state(self) -> SessionState:
        """Where the session stands."""
        state = self._state
        # The reader sees an end before we come to it; nothing may be sent in between.
        return SessionState.GAP if state in _CONNECTED and self.session.has_ended else state

    @property
    def reason(self) -> str:
        """Why it stands there."""
        return self._reason

    @property
    def can_trade(self) -> bool:
        """Whether new orders may be sent."""
        return self.state in _SYNCHRONISED and not (_BLOCKING & self._troubles.keys())

    def check_can_send(self, lane: Lane) -> None:
        """Raise unless messages of a lane may be sent now. Cancels are taken while the broker is away.

        Raises:
            NotReady: The reason is in the message.
            EngineClosed: It is over for good: waiting for it to be ready would be in vain.
        """
        if self._is_closing:
            raise EngineClosed("the engine was closed; nothing was sent")
        state = self.state
        if state in _SYNCHRONISED:
            if lane is not Lane.ORDER or not (_BLOCKING & self._troubles.keys()):
                return
            raise NotReady(f"{', '.join(sorted(_BLOCKING & self._troubles.keys()))}; nothing was sent")
        if state in (SessionState.DISCONNECTED, SessionState.GAP):
            reason = self.session.end_reason or self._reason
            raise NotReady(f"not connected: {reason}; nothing was sent")
        raise NotReady(f"still {state.value}; nothing was sent")

    @property
    def is_closing(self) -> bool:
        """Whether it is being closed by us, or was."""
        return self._is_closing

    @property
    def is_synchronised(self) -> bool:
        """Whether the broker's state was taken over since the last gap."""
        return self.state in _SYNCHRONISED

    def wait_synchronised(self) -> None:
        """Block until the broker's state was taken over, or that has failed: each step has its own deadline.

        Raises:
            ConnectionFailed: It failed.
            EngineClosed: It was closed meanwhile.
        """
        with self._changed:
            while not self.is_synchronised:
                self._raise_if_over()
                self._changed.wait()

    def _raise_if_over(self) -> None:
        """Requires holding the condition."""
        if self._failure is not None:
            raise self._failure
        if self._is_closing:
            raise EngineClosed("the engine was closed")

    def wait_ready(self, timeout_s: float | None) -> None:
        """Block until new orders may be sent.

        Raises:
            ConnectionFailed: The first connection failed, and nobody asked to keep trying.
            WaitTimeout: It took too long. The attempts go on.
            EngineClosed: It was closed meanwhile.
        """
        clock = self._scheduler.clock
        deadline = None if timeout_s is None else clock.monotonic() + timeout_s
        with self._changed:
            while not self.can_trade:
                self._raise_if_over()
                left = None if deadline is None else deadline - clock.monotonic()
                if left is not None and left <= 0:
                    raise WaitTimeout(f"not ready after {timeout_s:g} s: {self._state.value}, {self._reason}")
                self._changed.wait(left)

    def _set(self, state: SessionState, reason: str) -> None:
        previous, before = self._state, self._reason
        with self._changed:
            self._state, self._reason = state, reason
            self._changed.notify_all()
        if state is not previous or (state is SessionState.DEGRADED and reason != before):
            now = self._scheduler.clock.now()
            self._household.publish(
                events.SessionChanged,
                previous=previous,
                current=state,
                reason=reason,
                can_trade=self.can_trade,
                is_expected=any(window.contains(now) for window in self._settings.restart_windows),
            )

    # ── opening and closing ─────────────────────────────────────────────────────────────────────

    def start(self, dial: Callable[[], Transport], *, keep_trying: bool) -> None:
        """Begin to connect; returns at once.

        Args:
            dial: Makes a connection, each time a new one.
            keep_trying: Whether a first attempt that fails is repeated like every later one.
        """
        self._dial = dial
        self._keep_trying = keep_trying
        self._scheduler.call_soon(self._connect)

    def close(self, reason: str) -> None:
        """Close the session and wait until nothing comes any more. Any thread may call it, and again."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self.session.close(reason)  # first: a send that stalls holds the outbox until its socket is closed
        self._outbox.close(reason)
        self._runner.join()

    def finish(self) -> None:
        """Say that it is over, after everything else has ended."""
        self._runner.join()  # a connection may have begun just before the close
        if self._state is not SessionState.DISCONNECTED:
            self._set(SessionState.DISCONNECTED, self.session.end_reason or "closed by us")

    def _was_closed(self) -> bool:
        return self._is_closing

    def _connect(self) -> None:
        if self._was_closed() or self._dial is None:
            return
        self._attempt += 1
        session = self.session = Session(self, self._make_client)
        outbox = self._outbox = Outbox(session.client.send, self._limit, self._scheduler)
        self._line = session.client, outbox

        def send_data(data: bytes) -> None:
            outbox.post(Parcel(Lane.DATA, data))

        session.client.send_data = send_data
        self._household.take_client(session.client)
        if self._was_closed():  # meanwhile, on another thread, which may have closed the session before it
            return
        self._troubles.clear()
        self._set(SessionState.CONNECTING, f"attempt {self._attempt}")
        timeout_s = self._settings.connect_timeout_s
        self._later("connect", timeout_s, lambda: self._give_up(session, timeout_s))
        self._runner.connect(
            self._dial,
            session,
            self._client_id,
            lambda error: self._on_scheduler(lambda: self._ended(session, str(error), error)),
        )

    def _give_up(self, session: Session, timeout_s: float) -> None:
        if session is not self.session or session.has_begun:
            return
        what = (
            f"the gateway sent no next valid order id within {timeout_s:g} s"
            if session.server_version
            else f"no handshake within {timeout_s:g} s; is this the API port?"
        )
        error = HandshakeFailed(what)
        session.give_up(error)
        # Its end is told by the thread that dials or reads; one that hangs there is not waited for.
        self._later("connect", timeout_s, lambda: self._ended(session, what, error))

    # ── what the session tells, on the reader thread ────────────────────────────────────────────

    def take_fact(self, fact: BrokerFact, session: Session) -> None:
        """See :class:`SessionOwner`."""
        survey = self._survey
        if survey is not None:
            survey.note_fact(fact)
        self._household.take_fact(fact, session)
        if isinstance(fact, ErrorFact) and fact.code in _SESSION_CODES:
            self._on_scheduler(lambda: self._hear(fact, session))

    def hot_taker(self, session: Session) -> HotTaker:
        """See :class:`SessionOwner`."""
        return self._household.hot_taker(session, self._watchers)

    def take_position(self, position: Position, session: Session) -> None:
        """See :class:`SessionOwner`."""
        survey = self._survey
        if survey is not None and session is self.session:
            survey.note_position(position)

    def take_failure(self, error: BaseException) -> None:
        """See :class:`SessionOwner`."""
        self._household.take_failure(error)

    def take_beginning(self, session: Session) -> None:
        """See :class:`SessionOwner`."""
        self._on_scheduler(lambda: self._begun(session))

    def take_answer_end(self, answer: Answer, request_id: int, session: Session) -> None:
        """See :class:`SessionOwner`."""
        survey = self._survey
        if survey is not None and session is self.session:
            self._on_scheduler(lambda: survey.note_end(answer, request_id))

    def take_end(self, session: Session, reason: str, error: ConnectionFailed | None) -> None:
        """See :class:`SessionOwner`."""
        self._on_scheduler(lambda: self._ended(session, reason, error))

    def _on_scheduler(self, act: Callable[[], None]) -> None:
        self._scheduler.call_soon(act)

    # ── the session's life, on the scheduler ────────────────────────────────────────────────────

    def _begun(self, session: Session) -> None:
        if session is not self.session or session.has_ended:
            return
        self._cancel("connect")
        self._household.publish(
            events.Connected, server_version=session.server_version, client_id=self._client_id
        )
        if self._is_another_login(session.accounts):
            return
        self._synchronise("the session has begun")
        self._watch_heartbeat(session.client.chunks)

    def _is_another_login(self, accounts: tuple[str, ...]) -> bool:
        """Whether the gateway came back with none of the accounts that it had: paper may be money now.

        The orders, keys and positions of this engine are not theirs, so nothing must be sent to them.
        """
        before = self._accounts
        if not before or not accounts or set(before) & set(accounts):
            self._accounts = accounts or before
            return False
        self._fail(
            f"the gateway is logged in to {', '.join(accounts)} now, and was to {', '.join(before)}; nothing "
            "is sent there"
        )
        return True

    def _synchronise(self, why: str) -> None:
        self._set(SessionState.SYNCHRONISING, why)
        self._begin_survey(self._synchronised, grace_s=0.0)

    def _synchronised(self, findings: Findings) -> None:
        if not findings.orders_are_complete:
            self._fail(
                f"the gateway did not list the open orders within {self._settings.orders_timeout_s:g} s"
            )
            return
        try:
            self._household.take_findings(findings, is_first=True)
        except Exception as error:  # noqa: BLE001 - whatever it is, it must not leave us half-way for ever
            self._household.take_failure(error)
            self._fail("what the gateway listed could not be taken over")
            return
        if self.session.has_ended:
            return
        self._attempt = 0
        self._failure = None
        self._keep_trying = True
        self._show_health("the broker's orders, executions and positions were taken over")
        self._household.publish(
            events.Synchronised,
            accounts=self.session.accounts,
            open_orders=self._household.count_open_orders(),
        )
        if self._gap_began is not None:
            gap_s = self._scheduler.now() - self._gap_began
            self._gap_began = None
            self._household.publish(events.Resumed, gap_s=gap_s)

    def _show_health(self, reason: str) -> None:
        if self._state in _CONNECTED and not self.session.has_ended:
            troubles = ", ".join(self._troubles)
            self._set(SessionState.DEGRADED if troubles else SessionState.READY, troubles or reason)

    def _fail(self, reason: str) -> None:
        """Give up a connection that is of no use."""
        error = ConnectionFailed(reason)
        if self._failure is None and not self._keep_trying:
            self._failure = error
        self.session.break_off(reason)
        self.session.close(reason, by_us=False)

    def _ended(self, session: Session, reason: str, error: BaseException | None) -> None:
        if session is not self.session or self._state in (SessionState.GAP, SessionState.DISCONNECTED):
            return
        session.break_off(reason)
        self._stop_survey()
        for name in tuple(self._timers):
            self._cancel(name)
        self._outbox.close(f"connection lost: {reason}")
        self._household.take_disconnect(reason)
        was_asked = self._is_closing or session.was_closed_by_us
        if session.has_begun:  # an attempt that came to nothing is told by the state alone
            if was_asked:
                self._household.publish(events.Disconnected)
            else:
                self._household.publish(events.ConnectionLost, reason=reason)
        if self._gap_began is None:
            self._gap_began = self._scheduler.now()
        self._decide_what_next(reason, error, was_asked=was_asked)

    def _decide_what_next(self, reason: str, error: BaseException | None, *, was_asked: bool) -> None:
        backoff = self._settings.reconnect
        is_hopeless = not self._keep_trying or backoff is None
        if was_asked or is_hopeless:
            if not was_asked:
                with self._changed:
                    self._failure = self._failure or _as_connection_failure(error, reason)
                self._household.take_hopeless(self._failure)
            self._set(SessionState.DISCONNECTED, reason)
            return
        if backoff is None:
            return
        wait_s = backoff.wait_s(max(self._attempt, 1), self._chance)
        self._set(SessionState.GAP, f"{reason}; next attempt in {wait_s:.1f} s")
        self._later("reconnect", wait_s, self._connect)

    # ── trouble ─────────────────────────────────────────────────────────────────────────────────

    def _hear(self, fact: ErrorFact, session: Session) -> None:
        """Take in a code about the connection. None of them stops callbacks from being processed."""
        if session is not self.session:
            return
        if fact.code in _LOST:
            is_cut_off = _BROKER in self._troubles and "self-healing" not in self._timers
            self._troubles[_BROKER] = None
            self._show_health_if_synchronised()
            if fact.code == _CONNECTIVITY_LOST:
                self._cancel("self-healing")  # its end is told (1101, 1102), and until then it lasts
            elif not is_cut_off:
                self._later("self-healing", _SELF_HEALING_S, self._restored)
        elif fact.code in _RESTORED:
            self._restored()
        elif fact.code == _PORT_RESET:
            self._fail(f"the gateway moved to another port: {fact.message}")
        else:
            farm = f"farm {_farm(fact.message)} is down"
            if fact.code in _FARM_DOWN:
                self._troubles[farm] = None
            else:
                self._troubles.pop(farm, None)
            self._show_health_if_synchronised()

    def _restored(self) -> None:
        self._cancel("self-healing")
        self._troubles.pop(_BROKER, None)
        if self._state in _CONNECTED:
            self._synchronise("the gateway is connected to the broker again")

    def _show_health_if_synchronised(self) -> None:
        if self._state in _SYNCHRONISED:
            self._show_health("all is well again")

    def _watch_heartbeat(self, chunks: int) -> None:
        if self._settings.heartbeat_s > 0:
            self._later("heartbeat", self._settings.heartbeat_s, lambda: self._check_heartbeat(chunks))

    def _check_heartbeat(self, before: int) -> None:
        chunks = self.session.client.chunks
        if chunks == before:
            self.ask(lambda client: client.encode(client.reqCurrentTime))
            self._later("heartbeat", self._settings.pong_timeout_s, lambda: self._check_pong(chunks, 1))
        else:
            self._watch_heartbeat(chunks)

    def _check_pong(self, before: int, times: int) -> None:
        if self.session.client.chunks != before:
            if self._troubles.pop(_SLOW, 0) is None:
                self._show_health_if_synchronised()
            self._watch_heartbeat(self.session.client.chunks)
        elif times == 1:
            self._troubles[_SLOW] = None
            self._show_health_if_synchronised()
            self._later("heartbeat", self._settings.pong_timeout_s, lambda: self._check_pong(before, 2))
        else:
            silence_s = self._settings.heartbeat_s + 2 * self._settings.pong_timeout_s
            self._fail(f"nothing was heard for {silence_s:g} s: the connection is half-open")

    # ── asking ──────────────────────────────────────────────────────────────────────────────────

    def post(self, parcel: Parcel, client: TwsClient | None = None) -> bool:
        """Send a parcel on the present connection; see :meth:`Outbox.post`.

        Args:
            parcel: What to send.
            client: Whose connection it was made for. Another one may have taken its place meanwhile, which
                has not taken over the broker's state yet, and may speak another version.

        Raises:
            NotReady: It is not the present one.
        """
        present, outbox = self._line
        if client is not None and client is not present:
            raise NotReady("the connection that it was made for is gone; nothing was sent")
        return outbox.post(parcel)

    def take_back(self, parcel: Parcel) -> bool:
        """Take a waiting parcel out of the present connection's outbox."""
        return self._outbox.take_back(parcel)

    def break_off(self, reason: str) -> None:
        """Take the connection for lost: a send failed halfway, and nothing may follow it."""
        self.session.break_off(reason)
        self.session.close(reason, by_us=False)

    def ask(self, encode: Callable[[TwsClient], bytes]) -> None:
        """Send a question; one that cannot be sent is dropped, because the connection's end is told."""
        try:
            data = encode(self.session.client)
            if data:
                self._outbox.post(Parcel(Lane.QUERY, data))
        except SendFailed as error:
            self.break_off(str(error))
        except IbkrError:
            return

    def begin_survey(self, done: Callable[[Findings], None]) -> bool:
        """Ask the broker for all that it has. False when that cannot be done now, or is being done."""
        if self.state not in _SYNCHRONISED or self._survey is not None or _BROKER in self._troubles:
            return False  # a gateway that is cut off cannot know what ended meanwhile
        self._begin_survey(done, grace_s=0.1)
        return True

    def _begin_survey(self, done: Callable[[Findings], None], *, grace_s: float) -> None:
        self._stop_survey()

        def finished(findings: Findings) -> None:
            self._survey = None
            self._watchers.clear()
            if findings.positions is not None and not self.session.client.wants_positions:
                self.ask(lambda client: client.encode(client.cancelPositions))
            done(findings)

        self._survey = Survey(
            self,
            self._scheduler,
            finished,
            orders_timeout_s=self._settings.orders_timeout_s,
            rest_timeout_s=self._settings.rest_timeout_s,
            executions_timeout_s=self._settings.executions_timeout_s,
            grace_s=grace_s,
        )
        self._watchers.append(self._survey.note_fact)
        self._survey.begin()

    def _stop_survey(self) -> None:
        if self._survey is not None:
            self._survey.stop()
            self._survey = None
            self._watchers.clear()

    def ask_open_orders(self, *, everybodys: bool) -> None:
        """See :class:`Interview`."""
        self.ask(
            lambda client: client.encode(client.reqAllOpenOrders if everybodys else client.reqOpenOrders)
        )

    def ask_executions(self) -> int:
        """See :class:`Interview`."""
        request_id = self._household.next_request_id()
        self.ask(lambda client: client.encode_executions_request(request_id))
        return request_id

    def ask_completed_orders(self) -> None:
        """See :class:`Interview`."""
        self.ask(lambda client: client.encode(lambda: client.reqCompletedOrders(False)))  # noqa: FBT003 - official signature

    def ask_positions(self) -> None:
        """See :class:`Interview`."""
        self.ask(lambda client: client.encode(client.reqPositions))

    # ── timers ──────────────────────────────────────────────────────────────────────────────────

    def _later(self, name: str, delay_s: float, act: Callable[[], None]) -> None:
        self._cancel(name)
        self._timers[name] = self._scheduler.call_later(delay_s, act)

    def _cancel(self, name: str) -> None:
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.cancel()


def _farm(message: str) -> str:
    """Return the farm's name, which stands behind the last colon of the text, or "upon demand."."""
    return re.sub(r".*(?::|demand\.)", "", message, flags=re.DOTALL).strip() or "?"


def _as_connection_failure(error: BaseException | None, reason: str) -> BaseException:
    if isinstance(error, SendFailed):  # the hello did not get out: no order's fate hangs on it
        return HandshakeFailed(f"the connection broke at its beginning: {error}")
    if isinstance(error, IbkrError):
        return error
    if error is not None:
        return GatewayUnreachable(f"cannot connect: {reason}")
    return ConnectionFailed(f"connection lost: {reason}")
