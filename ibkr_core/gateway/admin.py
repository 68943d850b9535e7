"""The hand behind the gateway: set prices, fill orders, correct executions, read the books.

The same handle serves the gateway in memory and the one behind TCP; the latter takes its lock around each
call.
"""

from __future__ import annotations

import abc
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ibkr_core.errors import InvalidInput, OrderFinished, UnknownOrder
from ibkr_core.gateway import answers
from ibkr_core.gateway.account import Position
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.market import Market, Quote
from ibkr_core.gateway.orders import Execution, GatewayOrder, Phase
from ibkr_core.gateway.pricefile import PriceFile
from ibkr_core.gateway.refusals import RefusalError
from ibkr_core.gateway.replay import Replay
from ibkr_core.gateway.venue import Venue
from ibkr_core.model.said import money, plain, sums

__all__ = ["Admin", "Books", "MarketHandle", "Number", "OrderAccount"]

T = TypeVar("T")
Number = Decimal | int | str | float
"""A price or a quantity; a float is taken by its shortest text."""

_NOBODY = -1
_MOST_DIGITS = 14
"""Digits after the first of any price or size by hand; sums of larger numbers could not be kept exactly."""


def _decimal(name: str, value: Number) -> Decimal:
    try:
        number = Decimal(str(value))
    except ArithmeticError:
        raise InvalidInput(name, f"must be a number; got {value!r}") from None
    if not number.is_finite():
        raise InvalidInput(name, f"must be finite; got {value!r}")
    if number.adjusted() > _MOST_DIGITS:
        raise InvalidInput(name, f"must be below ten to the {_MOST_DIGITS + 1}; got {value!r}")
    return number


def _maybe(name: str, value: Number | None) -> Decimal | None:
    return None if value is None else _decimal(name, value)


@attrs.frozen(kw_only=True)
class OrderAccount:
    """What the gateway's books say of one order.

    Attributes:
        order_id: Its id at its client.
        client_id: The client that placed it.
        perm_id: Its permanent id.
        order_ref: The client's own key for it.
        symbol: What it trades.
        action: ``BUY`` or ``SELL``.
        status: The status word; empty for an order that was not transmitted.
        total: Units wanted.
        filled: Units filled.
        remaining: Units still wanted.
        average_price: Average fill price; zero before the first fill.
        commission: All commissions, told or not.
        executions: Its fills, the latest revision of each.
    """

    order_id: int
    client_id: int
    perm_id: int
    order_ref: str
    symbol: str
    action: str
    status: str
    total: Decimal
    filled: Decimal
    remaining: Decimal
    average_price: Decimal
    commission: Decimal
    executions: tuple[Execution, ...]

    def __str__(self) -> str:
        """One line for people: ``#2 of client 1: BUY 50 AAPL: Filled 50 of 50 at 190.00``."""
        average = f" at {plain(self.average_price)}" if self.filled else ""
        fee = f", commission {money(self.commission)}" if self.commission else ""
        done = f"{self.status or 'not transmitted'} {plain(self.filled)} of {plain(self.total)}{average}{fee}"
        what = f"{self.action} {plain(self.total)} {self.symbol}"
        return f"#{self.order_id} of client {self.client_id}: {what}: {done}"


@attrs.frozen(kw_only=True)
class Books:
    """A snapshot of everything that the gateway has booked.

    Attributes:
        orders: Every order, in order of arrival.
        positions: Holdings by account code; a flat one is left out.
        cash: Cash by account code and currency.
    """

    orders: tuple[OrderAccount, ...]
    positions: Mapping[str, tuple[Position, ...]]
    cash: Mapping[str, Mapping[str, Decimal]]

    def __str__(self) -> str:
        """Every order, every position and the cash, a line each, for people."""
        lines = [str(order) for order in self.orders]
        for account, held in self.positions.items():
            lines += [f"{account} {one.instrument.local_symbol} {plain(one.quantity)}" for one in held]
        lines += [f"{account} cash {sums(amounts)}" for account, amounts in self.cash.items()]
        return "\n".join(lines)

    @property
    def executions(self) -> tuple[Execution, ...]:
        """Every fill of every order, in order of arrival."""
        return tuple(one for order in self.orders for one in order.executions)

    def order(self, order_id: int, client_id: int | None = None) -> OrderAccount:
        """One order.

        Args:
            order_id: Its id at its client.
            client_id: The client; not needed where only one has used the id.

        Raises:
            UnknownOrder: No order, or more than one, fits.
        """
        found = [
            one for one in self.orders if one.order_id == order_id and client_id in {None, one.client_id}
        ]
        if len(found) != 1:
            raise UnknownOrder(order_id, f"{len(found)} orders of the gateway have this id")
        return found[0]

    def position(self, symbol: str, account: str | None = None) -> Decimal:
        """Units held of a symbol, over all its instruments; by default in all accounts."""
        return sum(
            (
                held.quantity
                for code, all_held in self.positions.items()
                for held in all_held
                if held.instrument.symbol == symbol and account in {None, code}
            ),
            Decimal(0),
        )


class MarketHandle:
    """One instrument's market, at your hand.

    Args:
        admin: The gateway.
        instrument: What is traded.
    """

    def __init__(self, admin: Admin, instrument: Instrument) -> None:
        self._admin = admin
        self.instrument = instrument

    def _access(self, action: Callable[[Market], T]) -> T:
        return self._admin._access(lambda venue: action(venue.market(self.instrument)))  # noqa: SLF001

    @property
    def quote(self) -> Quote:
        """The best prices of everybody but your clients, and the last trade."""
        return self._access(lambda market: market.quote)

    def set_quote(
        self,
        *,
        bid: Number,
        ask: Number,
        bid_size: Number | None = None,
        ask_size: Number | None = None,
        last: Number | None = None,
    ) -> None:
        """Put the quote where you want it, and freeze the market there; orders that can trade do so.

        Behind the quote the book is empty, so that an order gets just these prices and sizes.

        Args:
            bid: Best bid.
            ask: Best ask, above the bid.
            bid_size: Units shown at the bid; by default plenty. What is taken is not refilled.
            ask_size: Units shown at the ask; by default plenty.
            last: Last trade; by default it is dragged into the new spread, so that stops elect.

        Raises:
            InvalidInput: The quote makes no sense. Nothing is changed.
        """
        prices = _decimal("bid", bid), _decimal("ask", ask), _maybe("last", last)
        sizes = _maybe("bid_size", bid_size), _maybe("ask_size", ask_size)
        self._access(
            lambda market: market.set_quote(
                bid=prices[0], ask=prices[1], last=prices[2], bid_size=sizes[0], ask_size=sizes[1]
            )
        )

    def set_book(
        self,
        *,
        bids: Iterable[tuple[Number, Number]],
        asks: Iterable[tuple[Number, Number]],
        last: Number | None = None,
    ) -> None:
        """Put everybody else's whole book where you want it, and freeze the market there.

        Args:
            bids: Price and size of each level, best first.
            asks: Price and size of each level, best first.
            last: Last trade; by default it is dragged into the new spread, so that stops elect.

        Raises:
            InvalidInput: The book makes no sense. Nothing is changed.
        """
        levels = [
            [(_decimal("price", price), _decimal("size", size)) for price, size in side]
            for side in (bids, asks)
        ]
        at = _maybe("last", last)
        self._access(lambda market: market.set_book(bids=levels[0], asks=levels[1], last=at))

    def trade(self, price: Number, quantity: Number, action: str | None = None) -> None:
        """Let others trade, and freeze the market: orders that stand in front of them trade first.

        Args:
            price: The price that is printed.
            quantity: Units. Orders at a better price get theirs first, then the queue at this price does.
            action: ``BUY`` or ``SELL``: what the one who came did. By default the price tells: a buyer at
                the ask or above, a seller at the bid or below, between them by the last price.

        Raises:
            InvalidInput: A number or the action makes no sense. Nothing is changed.
        """
        at, units = _decimal("price", price), _decimal("quantity", quantity)
        if units <= 0:
            raise InvalidInput("quantity", f"must be above zero; got {units}")
        if action not in {None, "BUY", "SELL"}:
            raise InvalidInput("action", f"must be BUY or SELL; got {action!r}")
        self._admin._access(  # noqa: SLF001 - one handle in two classes
            lambda venue: venue.exchange.print_trade(self.instrument, at, units, action)
        )

    def depth(self, rows: int | None = None) -> tuple[list[tuple[Decimal, Decimal]], ...]:
        """Price and displayed size of the book's levels, bids and offers, your clients' orders among them.

        Args:
            rows: At most so many of each side; None for all.
        """
        return self._access(lambda market: tuple(market.book.levels(side, rows) for side in ("BUY", "SELL")))

    def set_last(self, price: Number) -> None:
        """Print a trade made elsewhere, which touches no order; stops may elect."""
        last = _decimal("price", price)
        self._access(lambda market: market.set_last(last))

    def freeze(self) -> None:
        """Stop the price walk."""
        self._access(lambda market: market.freeze())

    def thaw(self) -> None:
        """Let the price walk again from where it stands."""
        self._admin._access(  # noqa: SLF001 - one handle in two classes
            lambda venue: venue.market(self.instrument).thaw(venue.now())
        )


class Admin(abc.ABC):
    """Everything that a test or a demo may do behind the clients' backs."""

    @abc.abstractmethod
    def _access(self, action: Callable[[Venue], T]) -> T:
        """Run an action on the venue, safely, and let its consequences happen."""

    @abc.abstractmethod
    def restart(self, down_s: float = 0.0, *, overnight: bool = False) -> None:
        """Restart as a gateway does every day: hang up on everybody, and come back with the same books.

        Nothing is said before the line goes dead: no message is documented, and clients report none. What
        comes back is what comes back from a state file (:mod:`ibkr_core.gateway.state`).

        Args:
            down_s: For how long connections are refused; meanwhile nothing trades.
            overnight: Whether orders of the day end, as they have when a gateway restarts after the close.

        Raises:
            InvalidInput: The time is negative or has no end.
        """

    def market(self, symbol: str | int, sec_type: str = "STK") -> MarketHandle:
        """The market of an instrument.

        Args:
            symbol: Symbol, local symbol such as ``ESZ6``, or contract id. A currency alone means its price in
                dollars.
            sec_type: ``STK``, ``FUT``, ``OPT`` or ``CASH``.

        Raises:
            InvalidInput: The catalogue has no such instrument, or several.
        """
        return MarketHandle(self, self._access(lambda venue: _find_instrument(venue, symbol, sec_type)))

    def replay(self, prices: str | Path | PriceFile) -> None:
        """Let prices come out of a file from now on; see :mod:`ibkr_core.gateway.replay`.

        It is played at the speed of the market settings. At the end prices stay where they are.

        Args:
            prices: CSV or Parquet, with the columns of :mod:`ibkr_core.gateway.pricefile`.

        Raises:
            BadPriceFile: The file breaks a rule, or names what is not on offer. Nothing is changed.
            MissingExtra: It is a Parquet file, and the extra ``parquet`` is not installed.
            OSError: It cannot be read.
        """
        file = prices if isinstance(prices, PriceFile) else PriceFile(prices)
        self._access(lambda venue: Replay(file, venue, speed=venue.settings.market.speed).start())

    def add_instrument(self, instrument: Instrument) -> None:
        """Offer one more instrument."""
        self._access(lambda venue: venue.catalogue.add(instrument))

    def fill(
        self,
        order_id: int,
        *,
        quantity: Number | None = None,
        price: Number | None = None,
        client_id: int | None = None,
    ) -> str:
        """Fill an order, whatever the market says.

        Args:
            order_id: Its id at its client.
            quantity: Units; by default all that remains.
            price: Price; by default its limit, or else the last trade.
            client_id: The client; not needed where only one has used the id.

        Returns:
            The execution id.

        Raises:
            UnknownOrder: The gateway has no such order.
            OrderFinished: It is filled, cancelled, rejected, or not transmitted yet.
            InvalidInput: The quantity is not above zero, or more than remains.
        """
        wanted, at = _maybe("quantity", quantity), _maybe("price", price)

        def action(venue: Venue) -> str:
            order = _live_order(venue, order_id, client_id)
            if order.waits_for_parent:
                raise InvalidInput("order_id", f"order {order_id} waits for its parent")
            units = order.remaining if wanted is None else wanted
            if not 0 < units <= order.remaining:
                raise InvalidInput("quantity", f"must be above 0 and at most {order.remaining}; got {units}")
            market = venue.market(order.instrument)
            default = order.limit if order.limit is not None else market.quote.last
            return venue.exchange.fill(order, units, default if at is None else at).exec_id

        return self._access(action)

    def kill(self, order_id: int, reason: str, *, client_id: int | None = None) -> None:
        """Cancel an order from the broker's side: ``Cancelled``, then 202 with the reason.

        Raises:
            UnknownOrder: The gateway has no such order.
            OrderFinished: It is done already, or not transmitted yet.
        """
        self._access(lambda venue: venue.exchange.cancel(_live_order(venue, order_id, client_id), reason))

    def reject(self, order_id: int, reason: str, *, client_id: int | None = None) -> None:
        """Reject a working order: ``Inactive`` and 201 with the reason.

        Raises:
            UnknownOrder: The gateway has no such order.
            OrderFinished: It is done already, or not transmitted yet.
        """
        self._access(lambda venue: venue.exchange.reject(_live_order(venue, order_id, client_id), reason))

    def correct_execution(
        self, exec_id: str, *, price: Number | None = None, quantity: Number | None = None
    ) -> str:
        """Correct an execution, as exchanges sometimes do (TWS facts 3).

        Args:
            exec_id: Any revision of it.
            price: New price.
            quantity: New quantity.

        Returns:
            The id of the new revision.

        Raises:
            InvalidInput: There is no such execution, or a number makes no sense.
        """
        new_price, new_quantity = _maybe("price", price), _maybe("quantity", quantity)
        if new_quantity is not None and new_quantity <= 0:
            raise InvalidInput("quantity", f"must be above zero, or bust it; got {new_quantity}")
        return self._access(
            lambda venue: venue.correct(exec_id, price=new_price, quantity=new_quantity)
        ).exec_id

    def bust_execution(self, exec_id: str, *, told: bool = True) -> str:
        """Take an execution back: its next revision has quantity zero and costs nothing.

        No callback of a bust is documented (TWS facts 3), so its form is our choice.

        Args:
            exec_id: Any revision of it.
            told: Whether callbacks tell of it; if not, positions and queries show it.

        Returns:
            The id of the new revision.

        Raises:
            InvalidInput: There is no such execution.
        """
        return self._access(
            lambda venue: venue.correct(exec_id, price=None, quantity=Decimal(0), told=told)
        ).exec_id

    def close_exchange(self) -> None:
        """Stop trading. New orders are held as ``PreSubmitted`` with warning 399 (TWS facts 7)."""
        self._access(lambda venue: venue.day.set_open(is_open=False))

    def open_exchange(self) -> None:
        """Let trading go on, beginning with the opening auction; what waited starts."""
        self._access(lambda venue: venue.day.set_open(is_open=True))

    def place_by_hand(
        self, symbol: str | int, action: str, quantity: Number, kind: str = "MKT", **fields: Any
    ) -> int:
        """Place an order as somebody does in the gateway's own window (TWS facts 4).

        Args:
            symbol: Symbol, local symbol, or contract id.
            action: ``BUY`` or ``SELL``.
            quantity: Units.
            kind: Order type.
            fields: More order fields under their official names, such as ``lmtPrice=99.5``.

        Returns:
            Its permId: it has no other id until client 0 binds it.

        Raises:
            InvalidInput: The catalogue has no such instrument, or the order is refused.
        """
        wanted = {"tif": "DAY", "transmit": True, **fields}
        wanted |= {"action": action, "totalQuantity": _decimal("quantity", quantity), "orderType": kind}

        def act(venue: Venue) -> int:
            instrument = _find_instrument(venue, symbol, "STK")
            try:
                return venue.place_by_hand(instrument.contract(), wanted).perm_id
            except RefusalError as refusal:
                raise InvalidInput("order", str(refusal)) from None

        return self._access(act)

    def halt(self, symbol: str | int, *, halted: bool = True) -> None:
        """Halt trading in something, or resume it: new orders earn error 154, resting ones do not trade."""

        def act(venue: Venue) -> None:
            instrument = _find_instrument(venue, symbol, "STK")
            change = venue.restrictions.halted.add if halted else venue.restrictions.halted.discard
            change(instrument.con_id)
            venue.exchange.match(instrument)

        self._access(act)

    def bar(self, symbol: str | int) -> None:
        """Forbid every account to trade something: new orders earn error 203."""
        self._access(
            lambda venue: venue.restrictions.barred.add(_find_instrument(venue, symbol, "STK").con_id)
        )

    def hard_to_borrow(self, symbol: str | int, *, hard: bool = True) -> None:
        """Let the shares of something be hard to borrow: short sales are held with 404 until it is over."""

        def act(venue: Venue) -> None:
            venue.set_hard_to_borrow(_find_instrument(venue, symbol, "STK"), hard=hard)

        self._access(act)

    def end_day(self) -> None:
        """End the trading day: the closing auction, then ``DAY`` orders expire and the exchange is closed."""
        self._access(lambda venue: venue.day.end())

    def say(self, code: int, text: str, *, client_id: int, subject: int = _NOBODY) -> None:
        """Send an error to a client: a farm notice, a lost connection, a warning about an order.

        Args:
            code: Error code.
            text: Its text.
            client_id: To whom; one that is not connected hears nothing.
            subject: An order or request id; -1 for none.
        """
        self._access(lambda venue: venue.say(client_id, answers.error(subject, code, text, venue.now())))

    def bulletin(self, text: str, *, kind: int = 1, exchange: str = "NYSE") -> None:
        """Publish a news bulletin to every client that has asked for them.

        Args:
            text: What it says.
            kind: 1 for news, 2 for an exchange that is no longer available, 3 for one that is again.
            exchange: Where it comes from.
        """
        self._access(lambda venue: [publish(text, kind, exchange) for publish in venue.on_bulletin])

    def books(self) -> Books:
        """Everything booked so far, as one consistent snapshot."""
        return self._access(_books)


def _find_instrument(venue: Venue, symbol: str | int, sec_type: str) -> Instrument:
    if isinstance(symbol, int):
        found = venue.catalogue.matches({"conId": symbol})
    else:
        found = venue.catalogue.matches({"symbol": symbol, "secType": sec_type})
        found = found or venue.catalogue.matches({"localSymbol": symbol})
        if sec_type == "CASH" and len(found) > 1:  # a currency alone means its price in dollars
            found = [one for one in found if one.currency == "USD"] or found
    if len(found) != 1:
        raise InvalidInput("symbol", f"{len(found)} instruments fit {symbol!r} {sec_type}")
    return found[0]


def _live_order(venue: Venue, order_id: int, client_id: int | None) -> GatewayOrder:
    found = [
        order
        for order in venue.exchange.orders()
        if order.order_id == order_id and client_id in {None, order.client_id}
    ]
    if len(found) != 1:
        raise UnknownOrder(order_id, f"{len(found)} orders of the gateway have this id")
    if found[0].phase is not Phase.LIVE:
        raise OrderFinished(order_id, f"is {found[0].status or 'not transmitted'}")
    return found[0]


def _books(venue: Venue) -> Books:
    return Books(
        orders=tuple(
            OrderAccount(
                order_id=order.order_id,
                client_id=order.client_id,
                perm_id=order.perm_id,
                order_ref=order.spec.order_ref,
                symbol=order.instrument.symbol,
                action=order.spec.action,
                status=order.status,
                total=order.total,
                filled=order.filled,
                remaining=order.remaining,
                average_price=order.average,
                commission=order.commission,
                executions=tuple(order.executions),
            )
            for order in venue.exchange.orders()
        ),
        positions={
            code: tuple(held for held in account.positions if held.quantity)
            for code, account in venue.accounts.items()
        },
        cash={code: account.cash for code, account in venue.accounts.items()},
    )
