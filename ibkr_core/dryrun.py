"""A dry run: the whole engine, with a simulated gateway in memory where the socket would be.

Encoders, book, journal, risk gates, listeners and waits are the real ones, and the gateway reads the very
bytes that a real one would; but nothing leaves the process, no account is touched, and no order id of a real
session is used. The engine's reader thread is what lets the gateway's time pass: there is no other thread.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any, Final, Literal, TypeVar

import attrs

from ibkr_core.errors import InvalidInput, NotReady, SendFailed
from ibkr_core.gateway import Choreography, Instrument, MarketSettings, MemoryGateway, Session, Settings
from ibkr_core.gateway.faults.injector import Injector
from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.server import wall_clock
from ibkr_core.gateway.symbols import stock
from ibkr_core.gateway.venue import Venue
from ibkr_core.link.transport import Transport
from ibkr_core.model.checks import check_text, check_whole
from ibkr_core.model.numbers import Numeric, to_number
from ibkr_core.sending import describe

__all__ = ["DryRunGateway", "Filling", "make_gateway"]

T = TypeVar("T")
Filling = Literal["immediate", "market"]
"""Who decides about fills in a dry run."""

_LONGEST_NAP_S: Final = 3600.0
_NEVER_S: Final = 1e9


class DryRunGateway(MemoryGateway):
    """The gateway of a dry run: in memory, for several threads, on the machine's clock.

    It has the same hand as every simulated gateway: look at its books, set prices, make things go wrong.

    Args:
        fill: ``immediate`` fills each order as soon as it is transmitted; ``market`` lets the market decide.
        settings: What kind of venue.
        instruments: What can be traded.
        seed: Decides every random thing.
    """

    def __init__(
        self, fill: Filling, *, settings: Settings, instruments: Iterable[Instrument], seed: int
    ) -> None:
        catalogue = default_catalogue()
        for instrument in instruments:
            catalogue.add(instrument)
        self.changed = threading.Condition()
        self.fill_mode: Filling = fill
        super().__init__(clock=wall_clock(), seed=seed, settings=settings, catalogue=catalogue)

    def dial(self) -> Transport:
        """Make a connection."""
        with self.changed:
            return _Line(self, self.connect("dry run"))

    def fill_all(self) -> None:
        """Fill every order that waits for no parent, at its limit or the last price. Requires the lock."""
        while True:
            waiting = [
                (order.order_id, order.client_id)
                for order in self._access(lambda venue: venue.exchange.live_orders())
                if not order.waits_for_parent and order.remaining > 0
            ]
            if not waiting:
                return
            # One at a time: a fill can cancel the next one, or let another begin.
            self.fill(waiting[0][0], client_id=waiting[0][1])

    def restart(self, down_s: float = 0.0, *, overnight: bool = False) -> None:
        """See :meth:`MemoryGateway.restart`."""
        with self.changed:
            super().restart(down_s, overnight=overnight)
            self.changed.notify_all()

    def _access(self, action: Callable[[Venue], T]) -> T:
        with self.changed:
            result = super()._access(action)
            self.changed.notify_all()
            return result

    def _sabotage(self, action: Callable[[Injector], T]) -> T:
        with self.changed:
            result = super()._sabotage(action)
            self.changed.notify_all()
            return result


class _Line:
    """One connection between an engine and the gateway of its dry run: a transport without a socket."""

    def __init__(self, gateway: DryRunGateway, far_end: Session) -> None:
        self._gateway = gateway
        self._far_end = far_end
        self._is_closed = False

    def receive_into(self, room: memoryview) -> int:
        """See :meth:`Transport.receive_into`. While it waits, the gateway's time passes."""
        gateway, far_end = self._gateway, self._far_end
        with gateway.changed:
            while True:
                if self._is_closed:
                    return 0
                gateway.advance()
                data = far_end.outgoing(len(room))
                if data:
                    room[: len(data)] = data
                    return len(data)
                if far_end.closed:
                    return 0
                due = gateway.next_deadline()
                nap = _LONGEST_NAP_S if due is None else due - gateway.clock()
                if nap > 0:
                    gateway.changed.wait(min(nap, _LONGEST_NAP_S))

    def send(self, data: bytes) -> None:
        """See :meth:`Transport.send`."""
        gateway = self._gateway
        with gateway.changed:
            if self._is_closed:
                raise NotReady("the connection is closed; nothing was sent")
            try:
                self._far_end.receive(data)
                if gateway.fill_mode == "immediate":
                    gateway.fill_all()
            except Exception as fault:
                self.close()
                raise SendFailed(f"the gateway of the dry run failed: {describe(fault)}") from fault
            gateway.changed.notify_all()

    def close(self) -> None:
        """See :meth:`Transport.close`."""
        with self._gateway.changed:
            if not self._is_closed:
                self._is_closed = True
                self._far_end.hang_up()
                self._gateway.changed.notify_all()


def make_gateway(
    fill: Filling,
    *,
    prices: Mapping[str, Numeric] | None = None,
    instruments: Iterable[Instrument] = (),
    accounts: Iterable[str] = (),
    settings: Settings | None = None,
    seed: int = 0,
) -> DryRunGateway:
    """Make the gateway of a dry run.

    Args:
        fill: Who decides about fills.
        prices: What stocks cost, by symbol; the gateway gets to know those that it does not.
        instruments: What else can be traded.
        accounts: The accounts of the login; by default that of the settings.
        settings: What kind of venue; by default one that fits ``fill``.
        seed: Decides every random thing.

    Raises:
        InvalidInput: An argument breaks a rule.
    """
    if fill not in ("immediate", "market"):
        raise InvalidInput("fill", f'must be "immediate" or "market", not {fill!r}')
    instruments, accounts = _listed(instruments), _listed(accounts)
    _check(prices, instruments, accounts, settings, seed)
    venue = settings if settings is not None else Settings(check_funds=False)
    codes = (accounts,) if isinstance(accounts, str) else tuple(accounts)
    if codes:
        venue = attrs.evolve(venue, accounts=codes)
    if fill == "immediate":
        venue = attrs.evolve(
            venue,
            # No order comes to the market by itself, and none is cancelled for its price: it is filled first.
            choreography=attrs.evolve(Choreography.plain(), work_delay_s=(_NEVER_S, _NEVER_S)),
            market=MarketSettings(moves=False),
            price_cap=None,
        )
    known = {
        one.symbol: one for one in default_catalogue() if one.sec_type == "STK" and one.currency == "USD"
    }
    priced = [_priced(symbol, price, known.get(symbol)) for symbol, price in (prices or {}).items()]
    return DryRunGateway(fill, settings=venue, instruments=(*priced, *instruments), seed=seed)


def _listed(values: Any) -> Any:  # noqa: ANN401 - what a caller passes, looked at next
    return values if isinstance(values, str) or not isinstance(values, Iterable) else tuple(values)


def _check(prices: object, instruments: object, accounts: object, settings: object, seed: object) -> None:
    """Raise unless each is what :func:`make_gateway` wants."""
    if prices is not None and not isinstance(prices, Mapping):
        raise InvalidInput("prices", f"must be prices by symbol, not {prices!r}")
    for symbol in prices or ():
        check_text("prices", symbol)
    for name, values, kind in (("instruments", instruments, Instrument), ("accounts", accounts, str)):
        if not isinstance(values, Collection) or not all(isinstance(one, kind) for one in values):
            raise InvalidInput(name, f"must be some {kind.__name__} values, not {values!r}")
    if settings is not None and not isinstance(settings, Settings):
        raise InvalidInput("gateway_settings", f"must be Settings of ibkr_core.gateway, not {settings!r}")
    check_whole("seed", seed)


def _priced(symbol: str, price: Numeric, known: Instrument | None) -> Instrument:
    number: Decimal = to_number("prices", price)
    if number <= 0:
        raise InvalidInput("prices", f"must be above zero, not {price!r} for {symbol}")
    if known is None:
        return stock(symbol, number)
    if not known.on_tick(number):
        raise InvalidInput(
            "prices", f"must be in whole ticks of {known.min_tick}, not {price!r} for {symbol}"
        )
    return attrs.evolve(known, reference_price=number)
