"""The course of the day: openings, closes, and orders that wake up or expire at a moment.

Without a calendar everything trades all the time, until somebody closes the exchange by hand.
"""

from __future__ import annotations

from collections.abc import Callable

from ibkr_core.gateway.clock import day_text, eastern, next_opening_text
from ibkr_core.gateway.exchange import Exchange
from ibkr_core.gateway.hours import Calendar
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.orders import GatewayOrder, Hold, Phase

__all__ = ["TradingDay"]

_EXPIRED = "The time in force of the order has expired."
# Types whose destination has no hours but the regular ones.
_REGULAR_ONLY = frozenset({"MKT", "MTL", "MOC", "LOC", "MIDPRICE", "PEG MID"})


class TradingDay:
    """Opens and closes the exchange, for everything or instrument by instrument.

    Args:
        calendar: Hours; None for always open.
        exchange: What is opened and closed.
        now: The present, seconds since the epoch.
        later: Does something after so many seconds.
        start: Lets an order that waited set off.
    """

    def __init__(
        self,
        calendar: Calendar | None,
        *,
        exchange: Exchange,
        now: Callable[[], float],
        later: Callable[[float, Callable[[], None]], None],
        start: Callable[[GatewayOrder], None],
    ) -> None:
        self._calendar = calendar
        self._exchange = exchange
        self._now = now
        self._later = later
        self._start = start
        self._watched: set[int] = set()
        exchange.hours = self.is_open

    # -- hours ---------------------------------------------------------------------------------------

    def is_open(self, order: GatewayOrder) -> bool:
        """Whether an order's instrument trades now, at hours that suit the order."""
        if self._calendar is None:
            return True
        outside = order.spec.terms.outside_rth and not self.ignores_outside(order)
        return self._calendar.is_open(order.instrument.sec_type, self._now(), outside=outside)

    def is_quoted(self, instrument: Instrument) -> bool:
        """Whether anybody quotes an instrument now, in its regular hours or outside them."""
        if self._exchange.closed or self._calendar is None:
            return not self._exchange.closed
        return self._calendar.is_open(instrument.sec_type, self._now(), outside=True)

    def in_regular_hours(self, order: GatewayOrder) -> bool:
        """Whether the regular hours of an order's instrument run."""
        if self._exchange.closed or self._calendar is None:
            return not self._exchange.closed
        return self._calendar.is_open(order.instrument.sec_type, self._now(), outside=False)

    def ignores_outside(self, order: GatewayOrder) -> bool:
        """Whether outside-RTH means nothing to an order, which earns warning 2109 (TWS facts 7)."""
        regular = order.spec.order_type in _REGULAR_ONLY or order.spec.tif == "OPG"
        return regular and order.instrument.sec_type in {"STK", "OPT"}

    def opening_text(self, order: GatewayOrder) -> str:
        """When an order that waits for its hours will be placed, as warning 399 writes it."""
        if self._calendar is None:
            return next_opening_text(self._now())
        session = self._calendar.session(order.instrument.sec_type, self._now())
        outside = order.spec.terms.outside_rth and not self.ignores_outside(order)
        opening = session.starts if outside else session.opens
        if opening <= self._now():
            session = self._calendar.session(order.instrument.sec_type, session.ends)
            opening = session.starts if outside else session.opens
        return f"{eastern(opening):%Y-%m-%d %H:%M:%S} US/Eastern"

    # -- orders with times -----------------------------------------------------------------------------

    def take_in(self, order: GatewayOrder) -> None:
        """Note the times of an order that is new or has been modified."""
        terms = order.spec.terms
        now = self._now()
        order.holds.discard(Hold.TIME)
        if terms.good_after is not None and terms.good_after > now and not order.working:
            order.holds.add(Hold.TIME)
            wakes = terms.good_after
            self._once(order, wakes, lambda: self._wake(order, wakes))
        if terms.good_till is not None:
            ends = terms.good_till
            self._once(order, ends, lambda: self._expire(order, ends))
        self.watch(order.instrument)

    def ends_at(self, order: GatewayOrder) -> float | None:
        """When an order of the day ends by the calendar.

        Returns:
            Seconds since the epoch; None for a time in force that lasts, or where there is no calendar.
        """
        if self._calendar is None or order.taken_at is None or order.spec.tif not in {"DAY", "OPG"}:
            return None
        sec_type = order.instrument.sec_type
        session = self._calendar.session(sec_type, order.taken_at)
        longer = order.spec.terms.outside_rth and not self.ignores_outside(order)
        if order.spec.tif == "OPG":
            moments = (session.opens, self._calendar.session(sec_type, session.ends).opens)
        elif longer:
            return session.ends
        else:
            moments = (session.closes, self._calendar.session(sec_type, session.ends).closes)
        return next(moment for moment in moments if moment > order.taken_at)

    def resume(self, order: GatewayOrder, *, overnight: bool) -> bool:
        """Take up a live order from before a restart.

        Args:
            order: The order.
            overnight: Whether a night lies between, as far as orders of the day are concerned. Without a
                calendar one does, too, when the day in New York is another one.

        Returns:
            Whether it still lives; it does not when its time ran out meanwhile.
        """
        ends = self.ends_at(order)
        passed = ends is not None and ends <= self._now()
        if self._calendar is None and order.taken_at is not None:
            passed = day_text(order.taken_at) != day_text(self._now())
        if (passed or overnight) and order.spec.tif in {"DAY", "OPG"}:
            self._exchange.cancel(order, _EXPIRED)
        if order.phase is not Phase.LIVE:
            return False
        self.take_in(order)
        return True

    def _once(self, order: GatewayOrder, moment: float, action: Callable[[], None]) -> None:
        """Set an alarm, unless an earlier version of the order has set the same."""
        if moment not in order.alarms:
            order.alarms.add(moment)
            self._later(max(moment - self._now(), 0.0), action)

    def _wake(self, order: GatewayOrder, moment: float) -> None:
        if order.spec.terms.good_after == moment and order.phase is Phase.LIVE:
            order.holds.discard(Hold.TIME)
            self._start(order)

    def _expire(self, order: GatewayOrder, moment: float) -> None:
        if order.spec.terms.good_till == moment and order.phase is Phase.LIVE:
            self._exchange.cancel(order, _EXPIRED)

    # -- the bells -------------------------------------------------------------------------------------

    def watch(self, instrument: Instrument) -> None:
        """Ring at the next boundary of an instrument's day, as long as orders rest in it."""
        if self._calendar is None or instrument.con_id in self._watched:
            return
        self._watched.add(instrument.con_id)
        now = self._now()
        session = self._calendar.session(instrument.sec_type, now)
        due = next(moment for moment in session.boundaries() if moment > now)
        self._later(due - now, lambda: self._ring(instrument, due))

    def _ring(self, instrument: Instrument, moment: float) -> None:
        self._watched.discard(instrument.con_id)
        if self._calendar is None or not self._exchange.is_busy(instrument):
            return
        session = self._calendar.session(instrument.sec_type, moment - 1)
        if moment == session.opens:
            self._exchange.auction(instrument, Hold.OPEN)
        if moment == session.closes:
            self._exchange.auction(instrument, Hold.CLOSE)
            self._end_orders(instrument, outside=False)
        if moment == session.ends:
            self._end_orders(instrument, outside=True)
        self._set_off(instrument)
        self.watch(instrument)

    def _set_off(self, instrument: Instrument) -> None:
        for order in self._exchange.live_orders():
            if order.instrument is instrument and not order.working:
                self._start(order)
        self._exchange.match(instrument)

    def _end_orders(self, instrument: Instrument, *, outside: bool) -> None:
        """End the orders of the regular or of the longer day; what came in between is for tomorrow."""
        for order in self._exchange.live_orders():
            longer = order.spec.terms.outside_rth and not self.ignores_outside(order)
            if order.instrument is instrument and order.spec.tif == "DAY" and longer is outside:
                self._exchange.cancel(order, _EXPIRED)

    # -- by hand ---------------------------------------------------------------------------------------

    def set_open(self, *, is_open: bool) -> None:
        """Open or close everything; the opening begins with its auction, then all that waited starts."""
        was_closed, self._exchange.closed = self._exchange.closed, not is_open
        if not (was_closed and is_open):
            return
        for instrument in self._exchange.busy():
            self._exchange.auction(instrument, Hold.OPEN)
            self._set_off(instrument)

    def end(self) -> None:
        """Ring the bell by hand: the closing auction, the end of every ``DAY`` order, then nothing trades."""
        for instrument in self._exchange.busy():
            self._exchange.auction(instrument, Hold.CLOSE)
            self._end_orders(instrument, outside=False)
            self._end_orders(instrument, outside=True)
        self.set_open(is_open=False)
