"""What an instrument's price has been: made up before the gateway began, remembered since.

The made-up part is a function of seed, instrument and time alone. It is one line through a knot every half
minute of every session, and leads to the price at which the market opens; so a bar of any size is cut out of
the same line, and the bars of a day agree with the bar of that day. The remembered part is the line through
the prices that were looked at; what nobody looked at lies evenly between.
"""

from __future__ import annotations

import itertools
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import date

import attrs

from ibkr_core.gateway.clock import eastern
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.sessions import Session, day_session, full_day_s, sessions_back

__all__ = ["QUOTED", "Bar", "Past", "bar_prices"]

_KNOT_S = 30
_SCALES = (1, 4, 16, 64, 256)  # days
_DAILY_MOVE = 0.006
_OVERNIGHT_MOVE = 0.003
_INTRADAY_MOVE = 0.006
_SHAPES = 4
_HISTORY_YEARS = 5
_KEPT_DAYS = 64
_MAX_SAMPLES = 100_000
_DIGITS = 8
QUOTED = {"BID": (-1, -1), "ASK": (1, 1), "MIDPOINT": (0, 0), "BID_ASK": (-1, 1)}
"""By how many ticks the quotes lie beside the trades: open and low, high and close."""


@attrs.frozen
class Bar:
    """Prices over a while.

    Attributes:
        start: Seconds since the epoch.
        end: Seconds since the epoch.
        open: First price.
        high: Highest price.
        low: Lowest price.
        close: Last price.
        volume: Units traded.
    """

    start: float
    end: float
    open: float
    high: float
    low: float
    close: float
    volume: int


def bar_prices(bar: Bar, what: str, tick: float) -> dict[str, float]:
    """The four prices of a bar under official field names.

    Args:
        bar: A bar of trades.
        what: What to show: trades, or one of :data:`QUOTED`.
        tick: Smallest price step.
    """
    down, up = (side * tick for side in QUOTED.get(what, (0, 0)))
    return {
        "open": round(bar.open + down, _DIGITS),
        "high": round(bar.high + up, _DIGITS),
        "low": round(bar.low + down, _DIGITS),
        "close": round(bar.close + up, _DIGITS),
    }


@attrs.frozen
class _Day:
    """The made-up line of one session, with how much was traded up to each knot."""

    session: Session
    knots: Sequence[float]
    busyness: float


class Past:
    """The past of one instrument.

    Args:
        instrument: Whose.
        seed: Decides the made-up part.
        origin: When the gateway began, seconds since the epoch.
    """

    def __init__(self, instrument: Instrument, *, seed: int, origin: float) -> None:
        self.instrument = instrument
        self.origin = origin
        first = eastern(origin).date()
        self.head = first.replace(year=first.year - _HISTORY_YEARS, day=1)
        self._name = f"{seed}/{instrument.con_id}/past"
        self._tick = float(instrument.min_tick)
        self._noise: dict[tuple[int, int], float] = {}
        self._days: dict[date, _Day] = {}
        self._shapes: list[list[float]] = []
        self._traded: list[float] = []
        self._scale = 1.0
        start = float(instrument.reference_price)
        self._moments, self._prices = [origin], [start]
        latest = self._latest = next(sessions_back(instrument, origin, regular=False))
        self._scale = start / self._made_up(latest.day, min(origin, latest.closes))
        self._days.clear()  # that day was made up without the scale

    # -- remembering -------------------------------------------------------------------------------

    def note(self, moment: float, price: float) -> None:
        """Remember a price that was looked at, no earlier than the last one."""
        moments, prices = self._moments, self._prices
        if len(prices) > 1 and prices[-1] == prices[-2] == price:
            moments[-1] = moment
            return
        if prices[-1] == price and moments[-1] == moment:
            return
        moments.append(moment)
        prices.append(price)
        if len(moments) > _MAX_SAMPLES:
            del moments[: _MAX_SAMPLES // 2], prices[: _MAX_SAMPLES // 2]

    # -- looking -----------------------------------------------------------------------------------

    def price_at(self, moment: float) -> float:
        """The price of the last moment at or before this one at which the instrument traded, on its grid."""
        return self._on_grid(self._price_at(moment))

    def bar(self, start: float, end: float) -> Bar:
        """The bar of a while that lies within one session, or after the origin.

        Args:
            start: Seconds since the epoch.
            end: Seconds since the epoch, later.
        """
        line = self._line(start, end)
        first, high, low, last = map(self._on_grid, (line[0], max(line), min(line), line[-1]))
        return Bar(start, end, first, high, low, last, self._volume(start, end))

    def line(self, start: float, end: float) -> list[float]:
        """Every price that is known of a while as :meth:`bar` takes it, from its first to its last."""
        return self._line(start, end)

    def volume_of_day(self, moment: float) -> int:
        """Units traded in the session that runs, up to a moment."""
        session = self._session(moment)
        return self._volume(session.opens, min(moment, session.closes))

    def _session(self, moment: float) -> Session:
        """The latest session that had begun before a moment; mostly it is the one of the last look."""
        if not self._latest.opens < moment <= self._latest.closes:
            self._latest = next(sessions_back(self.instrument, moment, regular=False))
        return self._latest

    def _on_grid(self, price: float) -> float:
        return round(max(round(price / self._tick), 1) * self._tick, _DIGITS)

    def _price_at(self, moment: float) -> float:
        if moment >= self.origin:
            return self._remembered(moment)
        session = self._session(moment)
        return self._made_up(session.day, min(moment, session.closes))

    def _line(self, start: float, end: float) -> list[float]:
        """The prices at both ends and at every knot between."""
        inner: list[float] = []
        if start < self.origin:
            session = self._session(start + 1)
            day = self._day(session.day)
            until = min(end, self.origin)
            first = math.floor((start - session.opens) / _KNOT_S) + 1
            last = math.ceil((until - session.opens) / _KNOT_S)
            inner += day.knots[max(first, 0) : max(last, 0)]
        if end > self.origin:
            low, high = bisect_right(self._moments, start), bisect_left(self._moments, end)
            inner += self._prices[low:high]
        return [self._price_at(max(start, self._first_open(start))), *inner, self._price_at(end)]

    def _first_open(self, start: float) -> float:
        """A bar that begins with its session begins with its first price, not with the last one before."""
        if start >= self.origin:
            return start
        session = self._session(start + 1)
        return max(start, session.opens + 1e-6) if start <= session.opens else start

    def _remembered(self, moment: float) -> float:
        place = bisect_right(self._moments, moment)
        if place == 0:
            return self._prices[0]
        if place == len(self._moments):
            return self._prices[-1]
        before, after = self._moments[place - 1], self._moments[place]
        part = (moment - before) / (after - before)
        return self._prices[place - 1] + (self._prices[place] - self._prices[place - 1]) * part

    # -- making up ---------------------------------------------------------------------------------

    def _made_up(self, day: date, moment: float) -> float:
        made = self._day(day)
        place = max(moment - made.session.opens, 0.0) / _KNOT_S
        knot = min(int(place), len(made.knots) - 2)
        return made.knots[knot] + (made.knots[knot + 1] - made.knots[knot]) * min(place - knot, 1.0)

    def _day(self, day: date) -> _Day:
        found = self._days.get(day)
        if found is None:
            if len(self._days) >= _KEPT_DAYS:
                self._days.clear()
            found = self._days[day] = self._make_day(day)
        return found

    def _make_day(self, day: date) -> _Day:
        session = day_session(self.instrument, day, regular=False)
        if session is None:
            raise ValueError(f"{day} is no trading day")
        count = int((session.closes - session.opens) / _KNOT_S)
        if not self._shapes:
            self._make_shapes()
        rng = random.Random(f"{self._name}/{day.toordinal()}")  # noqa: S311 - a simulation, not a secret
        number = day.toordinal()
        start = self._level(number - 1) * (1 + rng.uniform(-_OVERNIGHT_MOVE, _OVERNIGHT_MOVE))
        end = self._level(number)
        shape = self._shapes[rng.randrange(_SHAPES)]
        swing = start * _INTRADAY_MOVE * rng.uniform(0.5, 2.0) * rng.choice((1, -1))
        slope = (end - start) / count
        stretch = len(shape) / count  # a short day goes through the same shape in less time
        knots = [start + slope * place + swing * shape[int(place * stretch)] for place in range(count)]
        return _Day(session, [*knots, end], rng.uniform(0.5, 2.0))

    def _level(self, day: int) -> float:
        """Where a day closes: noise of several wave lengths, so that no day depends on the one before."""
        total = 0.0
        for scale in _SCALES:
            place, rest = divmod(day, scale)
            part = rest / scale
            total += math.sqrt(scale) * (
                self._at(scale, place) * (1 - part) + self._at(scale, place + 1) * part
            )
        return self._scale * math.exp(_DAILY_MOVE * total)

    def _at(self, scale: int, place: int) -> float:
        key = scale, place
        if key not in self._noise:
            rng = random.Random(f"{self._name}/{scale}/{place}")  # noqa: S311 - a simulation, not a secret
            self._noise[key] = rng.gauss(0, 1)
        return self._noise[key]

    def _make_shapes(self) -> None:
        """A few random walks that end where they begin, and how trading is spread over a day."""
        rng = random.Random(f"{self._name}/shapes")  # noqa: S311 - a simulation, not a secret
        count = int(full_day_s(self.instrument) / _KNOT_S)
        for _ in range(_SHAPES):
            walk = [0.0, *itertools.accumulate(rng.gauss(0, 1) / math.sqrt(count) for _ in range(count))]
            self._shapes.append([step - walk[-1] * place / count for place, step in enumerate(walk)])
        parts = [1 + 3 * (2 * place / count - 1) ** 2 + rng.random() for place in range(count)]
        self._traded = [0.0, *itertools.accumulate(part * self.instrument.lot for part in parts)]

    def _volume(self, start: float, end: float) -> int:
        """What was traded in a while; the parts of a while add up to the whole."""
        if self.instrument.sec_type == "IND":
            return 0
        session = self._session(start + 1)
        day = self._day(session.day)
        return self._traded_until(day, end) - self._traded_until(day, start)

    def _traded_until(self, day: _Day, moment: float) -> int:
        place = min(max(moment - day.session.opens, 0.0) / _KNOT_S, len(self._traded) - 1)
        knot = min(int(place), len(self._traded) - 2)
        parts = self._traded
        return int(day.busyness * (parts[knot] + (parts[knot + 1] - parts[knot]) * (place - knot)))
