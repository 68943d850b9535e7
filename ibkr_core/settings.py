"""How an engine behaves where reasonable people differ: deadlines, pace, retries, reconnecting."""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, datetime, time, timedelta
from math import isfinite
from typing import Any, Final
from zoneinfo import ZoneInfo

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.checks import check_moment, check_whole

__all__ = ["Backoff", "EngineSettings", "RestartWindow", "RetryPolicy"]

_MOST_FACTOR: Final = 1000
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")


def _seconds(*, least: float = 0.0) -> Any:  # noqa: ANN401 - attrs' validator form
    def check(owner: object, attribute: attrs.Attribute[Any], value: object) -> None:
        del owner
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not least <= value < 1e9:  # type: ignore[operator]  # noqa: PLR2004 - no wait of decades
            raise InvalidInput(
                attribute.name, f"must be a number of seconds of at least {least:g}, not {value!r}"
            )

    return check


def _seconds_or_none(owner: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        _seconds()(owner, attribute, value)


def _count(*, least: int = 0, optional: bool = False) -> Any:  # noqa: ANN401 - attrs' validator form
    def check(owner: object, attribute: attrs.Attribute[Any], value: object) -> None:
        del owner
        if value is None and optional:
            return
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            raise InvalidInput(attribute.name, f"must be a whole number of at least {least}, not {value!r}")

    return check


def _kind(kind: type, words: str, *, optional: bool = False) -> Any:  # noqa: ANN401 - attrs' validator form
    def check(owner: object, attribute: attrs.Attribute[Any], value: object) -> None:
        del owner
        if not isinstance(value, kind) and not (optional and value is None):
            raise InvalidInput(attribute.name, f"must be {words}, not {value!r}")

    return check


def _whole_or_none(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    if value is not None:
        check_whole(attribute.name, value)


def _check_zone(argument: str, name: object) -> None:
    try:
        ZoneInfo(name)  # type: ignore[arg-type]  # checked here
    except (KeyError, ValueError, OSError, TypeError) as error:
        raise InvalidInput(argument, f"is no time zone: {name!r}") from error


def _zone(_: object, attribute: attrs.Attribute[Any], value: object) -> None:
    _check_zone(attribute.name, value)


def _codes(value: Iterable[int]) -> frozenset[int]:
    if not isinstance(value, Iterable):
        raise InvalidInput("codes", f"must be error codes, not {value!r}")
    codes = tuple(value)
    for code in codes:
        check_whole("codes", code)
    return frozenset(codes)


def _windows(value: Iterable[RestartWindow]) -> tuple[RestartWindow, ...]:
    windows = tuple(value) if isinstance(value, Iterable) else (value,)
    for window in windows:
        if not isinstance(window, RestartWindow):
            raise InvalidInput("restart_windows", f"must be RestartWindow values, not {value!r}")
    return windows


@attrs.frozen(kw_only=True)
class Backoff:
    """Waits that grow: each is ``factor`` times the last one, with jitter, up to ``longest_s``.

    Attributes:
        first_s: The first wait, in seconds.
        factor: How much longer each wait is than the last.
        longest_s: The longest wait, in seconds.
        jitter: The part of a wait that is left to chance, from 0 to 1, so that many clients do not come
            back at the same moment.
    """

    first_s: float = attrs.field(default=0.5, validator=_seconds(least=0.001))
    factor: float = 2.0
    longest_s: float = attrs.field(default=30.0, validator=_seconds(least=0.001))
    jitter: float = 0.25

    def __attrs_post_init__(self) -> None:
        """Check the two that are no seconds."""
        for name, value in (("factor", self.factor), ("jitter", self.jitter)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
                raise InvalidInput(name, f"must be a finite number, not {value!r}")
        if not 1 <= self.factor <= _MOST_FACTOR:  # a power of it is taken
            raise InvalidInput("factor", f"must be from 1 to {_MOST_FACTOR}, not {self.factor!r}")
        if not 0 <= self.jitter <= 1:
            raise InvalidInput("jitter", f"must be from 0 to 1, not {self.jitter!r}")

    def wait_s(self, attempt: int, chance: random.Random) -> float:
        """Return how long to wait before an attempt; the first one is 1.

        Raises:
            InvalidInput: There is no such attempt, or no source of chance.
        """
        check_whole("attempt", attempt, least=1)
        if not isinstance(chance, random.Random):
            raise InvalidInput("chance", f"must be a random.Random, not {chance!r}")
        doublings = min(attempt - 1, 64)
        full = min(self.first_s * self.factor**doublings, self.longest_s)
        return full * (1 - self.jitter * chance.random())


@attrs.frozen(kw_only=True)
class RetryPolicy:
    """When a request that the broker turned down is sent again, without anybody asking.

    Only where the code proves that nothing of the request lives at the broker: 10006 (the parent is not yet
    known), 2102 (the order is still being processed), and 103 (the id was used before) once complete lists
    of the broker lack the order.

    Attributes:
        attempts: How often at most; 0 switches it off.
        backoff: The waits.
        deadline_s: Not later than so many seconds after the request was first made.
        codes: The codes for which nothing lives.
    """

    attempts: int = attrs.field(default=3, validator=_count())
    backoff: Backoff = attrs.field(
        default=Backoff(first_s=0.05, longest_s=2.0), validator=_kind(Backoff, "a Backoff")
    )
    deadline_s: float = attrs.field(default=10.0, validator=_seconds())
    codes: frozenset[int] = attrs.field(default=frozenset({10006, 2102, 103}), converter=_codes)


@attrs.frozen
class RestartWindow:
    """A time at which the gateway restarts by itself: a lost connection is then nothing to wake anybody for.

    Attributes:
        at: The beginning, in the zone's wall time.
        lasts_min: How long, in minutes.
        zone: The time zone's name, such as ``America/New_York``.
        weekday: ``monday`` to ``sunday``; empty for every day.
    """

    at: time = attrs.field(validator=_kind(time, "a time such as time(23, 45)"))
    lasts_min: int = attrs.field(default=15, validator=_count(least=1))
    zone: str = "America/New_York"
    weekday: str = ""

    def __attrs_post_init__(self) -> None:
        """Check the names."""
        if self.weekday != "" and self.weekday not in _WEEKDAYS:
            raise InvalidInput("weekday", f"must be one of {', '.join(_WEEKDAYS)}, not {self.weekday!r}")
        _check_zone("zone", self.zone)

    def contains(self, moment: datetime) -> bool:
        """Whether a moment (with a zone of its own) lies in the window.

        Raises:
            InvalidInput: It has no zone.
        """
        check_moment("moment", moment)
        local = moment.astimezone(ZoneInfo(self.zone))
        for days in (0, 1):  # a window may reach over midnight
            day = local - timedelta(days=days)
            begin = day.replace(
                hour=self.at.hour, minute=self.at.minute, second=self.at.second, microsecond=0, fold=0
            )
            fits = not self.weekday or _WEEKDAYS[begin.weekday()] == self.weekday
            # Measured in UTC: in the nights of the clock change wall time skips an hour, or repeats one.
            lasted = moment - begin.astimezone(UTC)
            if fits and timedelta(0) <= lasted < timedelta(minutes=self.lasts_min):
                return True
        return False


@attrs.frozen(kw_only=True)
class EngineSettings:
    """How an engine behaves.

    Attributes:
        connect_timeout_s: For the connection, the handshake and the broker's beginning of the session.
        orders_timeout_s: For each list of open orders at the beginning of a session.
        rest_timeout_s: For completed orders and positions.
        executions_timeout_s: For executions, of which some gateways say nothing when there are none.
        send_timeout_s: How long the gateway may take to accept what we send.
        ack_timeout_s: How long an order, a modification or a cancel may stay unanswered before the broker is
            asked about it.
        heartbeat_s: After so much silence the gateway is asked whether it is there; 0 for never.
        pong_timeout_s: How long it may take to answer that; after twice as long the connection is given up.
        messages_per_second: The pace; None for none. TWS drops a client that sends more than 50.
        order_queue_s: How long a new order may wait for the pace before it is refused instead of sent stale.
        max_active_orders: Per account, contract and side; None for no check. The broker takes 20.
        reconnect: The waits between attempts to connect again; None never to connect again.
        retry: What is sent again by itself.
        restart_windows: When the gateway restarts by itself.
        duplicate_window_s: Refuse an order with the contract, side, quantity and price of one that was sent
            less than so many seconds ago; 0 for no check.
        confirm_s: How long after a list that lacks an order the broker is asked once more.
        recheck_s: How often the broker is asked for all that it has though nothing is in doubt: a correction
            that it never told comes to light so; 0 for never.
        cancel_attempts: How often a cancel that came to nothing is sent.
        broker_zone: The zone of the broker's day: it tells executions and completed orders of the day only.
        efficiency_limit: Messages for each filled order from which on a warning is given; 0 for none.
        order_rules: Refuse, before it is sent, what the broker refuses for sure; see
            :mod:`ibkr_core.model.orderrules`. False leaves all of that to the broker.
        unprotected_after_s: How long an entry's exits may fail to cover what it has filled before the alarm
            is given (:class:`~ibkr_core.model.events.PositionUnprotected`).
        slim_after_s: How long after the last word about it a finished order is packed into a few hundred
            bytes; 0 for at once, None for never. Nobody can tell but by the memory: it is unpacked when it is
            looked at, or told of again. One that lacks an execution or a commission waits some minutes more.
        checkpoint_inputs: After how many inputs the journal gets the book as it stands, so that a restart
            after a crash replays little more than these, and those of a burst that was not over; 0 for only
            when the engine is closed.
        busy_poll_s: How long the reader thread asks the socket again and again, after each time that bytes
            came, before it waits for more. It spares being woken up, and callbacks of a made-up order, which
            nobody sees, keep their code in the caches meanwhile. It takes a processor, and the interpreter
            from other threads for 20 to 35 us every 0.1 ms. For hosts with a processor to spare whose other
            threads mostly wait. 0 for never; without effect on Windows.
        seed: Decides the jitter; None for a different one each time.
    """

    connect_timeout_s: float = attrs.field(default=10.0, validator=_seconds(least=0.001))
    orders_timeout_s: float = attrs.field(default=10.0, validator=_seconds(least=0.001))
    rest_timeout_s: float = attrs.field(default=5.0, validator=_seconds())
    executions_timeout_s: float = attrs.field(default=2.0, validator=_seconds())
    send_timeout_s: float = attrs.field(default=10.0, validator=_seconds(least=0.001))
    ack_timeout_s: float = attrs.field(default=5.0, validator=_seconds(least=0.001))
    heartbeat_s: float = attrs.field(default=3.0, validator=_seconds())
    pong_timeout_s: float = attrs.field(default=2.0, validator=_seconds(least=0.001))
    messages_per_second: int | None = attrs.field(default=50, validator=_count(least=1, optional=True))
    order_queue_s: float = attrs.field(default=5.0, validator=_seconds())
    max_active_orders: int | None = attrs.field(default=20, validator=_count(least=1, optional=True))
    reconnect: Backoff | None = attrs.field(
        default=Backoff(), validator=_kind(Backoff, "a Backoff or None", optional=True)
    )
    retry: RetryPolicy = attrs.field(default=RetryPolicy(), validator=_kind(RetryPolicy, "a RetryPolicy"))
    restart_windows: tuple[RestartWindow, ...] = attrs.field(default=(), converter=_windows)
    duplicate_window_s: float = attrs.field(default=0.0, validator=_seconds())
    confirm_s: float = attrs.field(default=1.0, validator=_seconds(least=0.001))
    recheck_s: float = attrs.field(default=3600.0, validator=_seconds())
    cancel_attempts: int = attrs.field(default=3, validator=_count(least=1))
    broker_zone: str = attrs.field(default="America/New_York", validator=_zone)
    efficiency_limit: int = attrs.field(default=20, validator=_count())
    order_rules: bool = attrs.field(default=True, validator=_kind(bool, "True or False"))
    unprotected_after_s: float = attrs.field(default=2.0, validator=_seconds())
    slim_after_s: float | None = attrs.field(default=300.0, validator=_seconds_or_none)
    checkpoint_inputs: int = attrs.field(default=10_000, validator=_count())
    busy_poll_s: float = attrs.field(default=0.0, validator=_seconds())
    seed: int | None = attrs.field(default=None, validator=_whole_or_none)
