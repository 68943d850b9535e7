"""What a person can do to a running gateway from its terminal: set prices, halt, fill, look.

A command is one line. Its first word is a command of the table below, in lower case, or else a symbol: so
``open`` opens the exchange and ``OPEN 2.10 2.12`` sets the price of that stock. Nothing listens anywhere for
it: the lines come from standard input.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway import Admin, Quote
from ibkr_core.gateway.admin import OrderAccount

__all__ = ["Hand"]

_ROWS: Final = 5
_DONE: Final = frozenset({"Filled", "Cancelled", "ApiCancelled", "Inactive"})
Lines = Iterator[str]


@attrs.frozen
class _Command:
    """One command.

    Attributes:
        usage: How it is written, without its name.
        does: What it does, for people.
        run: Does it with the words that follow its name.
        fewest: So many words must follow.
        most: At most so many may follow.
    """

    usage: str
    does: str
    run: Callable[[list[str]], Lines]
    fewest: int = 0
    most: int = 0


class Hand:
    """Does what lines say.

    Args:
        gateway: To which gateway.
        end: Called when somebody wants it to end.
    """

    def __init__(self, gateway: Admin, end: Callable[[], None]) -> None:
        self._gateway = gateway
        self._end = end
        self._commands = {
            "trade": _Command(
                "SYMBOL PRICE UNITS [BUY|SELL]", "others trade, through orders in front of them",
                self._trade, 3, 4,
            ),
            "last": _Command("SYMBOL PRICE", "a trade elsewhere, at which stops look", self._last, 2, 2),
            "walk": _Command("SYMBOL", "its price moves by itself again", self._walk, 1, 1),
            "hold": _Command("SYMBOL", "its price stays where it is", self._hold, 1, 1),
            "halt": _Command("SYMBOL", "trading in it is halted", self._halt, 1, 1),
            "resume": _Command("SYMBOL", "trading in it goes on", self._resume, 1, 1),
            "close": _Command("", "the exchange closes", self._close),
            "open": _Command("", "the exchange opens", self._open),
            "orders": _Command("", "every order that is not done", self._orders),
            "fill": _Command("[CLIENT:]ORDER [UNITS [PRICE]]", "fill an order, whatever the market says",
                             self._fill, 1, 3),
            "positions": _Command("", "what every account holds", self._positions),
            "help": _Command("", "this", self._help),
            "quit": _Command("", "end the gateway, as Ctrl-C does", self._quit),
        }  # fmt: skip

    def do(self, line: str) -> list[str]:
        """Do what a line says.

        Args:
            line: A command; an empty one, or one that begins with ``#``, does nothing.

        Returns:
            What to tell, line by line.

        Raises:
            IbkrError: It makes no sense; nothing is changed.
        """
        try:
            words = shlex.split(line, comments=True)
        except ValueError as error:
            raise InvalidInput("command", f"cannot be read: {error}") from None
        if not words:
            return []
        name, rest = words[0], words[1:]
        command = self._commands.get(name)
        if command is None:
            return list(self._symbol(name, rest))
        if not command.fewest <= len(rest) <= command.most:
            raise InvalidInput("command", f"must be: {name} {command.usage}".rstrip())
        return list(command.run(rest))

    # -- prices ------------------------------------------------------------------------------------

    def _symbol(self, name: str, rest: list[str]) -> Lines:
        """A symbol alone shows its market; with numbers it sets the quote."""
        if len(rest) not in {0, 2, 4}:
            raise InvalidInput("command", f"must be: {name} BID ASK [BID_SIZE ASK_SIZE], or help")
        market = self._gateway.market(_named(name))
        if rest:
            sizes = {"bid_size": rest[2], "ask_size": rest[3]} if rest[2:] else {}
            market.set_quote(bid=rest[0], ask=rest[1], **sizes)
            yield _quote(name, market.quote)
            return
        yield _quote(name, market.quote)
        bids, asks = market.depth(_ROWS)
        for place in range(max(len(bids), len(asks))):
            left, right = (_level(side[place]) if place < len(side) else "" for side in (bids, asks))
            yield f"  {left:>20}   {right}".rstrip()

    def _trade(self, words: list[str]) -> Lines:
        name, price, units, *action = words
        market = self._gateway.market(_named(name))
        market.trade(price, units, action[0].upper() if action else None)
        yield _quote(name, market.quote)

    def _last(self, words: list[str]) -> Lines:
        market = self._gateway.market(_named(words[0]))
        market.set_last(words[1])
        yield _quote(words[0], market.quote)

    def _walk(self, words: list[str]) -> Lines:
        self._gateway.market(_named(words[0])).thaw()
        yield f"{words[0].upper()} moves"

    def _hold(self, words: list[str]) -> Lines:
        market = self._gateway.market(_named(words[0]))
        market.freeze()
        yield _quote(words[0], market.quote)

    # -- trading -----------------------------------------------------------------------------------

    def _halt(self, words: list[str]) -> Lines:
        self._gateway.halt(_named(words[0]))
        yield f"{words[0].upper()} is halted"

    def _resume(self, words: list[str]) -> Lines:
        self._gateway.halt(_named(words[0]), halted=False)
        yield f"{words[0].upper()} trades"

    def _close(self, _: list[str]) -> Lines:
        self._gateway.close_exchange()
        yield "the exchange is closed"

    def _open(self, _: list[str]) -> Lines:
        self._gateway.open_exchange()
        yield "the exchange is open"

    def _fill(self, words: list[str]) -> Lines:
        client, _, order = words[0].rpartition(":")
        order_id, client_id = _whole("ORDER", order), _whole("CLIENT", client) if client else None
        quantity, price = (*words[1:], None, None)[:2]
        yield self._gateway.fill(order_id, quantity=quantity, price=price, client_id=client_id)

    # -- looking -----------------------------------------------------------------------------------

    def _orders(self, _: list[str]) -> Lines:
        live = [one for one in self._gateway.books().orders if one.status not in _DONE]
        yield from map(_order, live)
        if not live:
            yield "no orders"

    def _positions(self, _: list[str]) -> Lines:
        books = self._gateway.books()
        flat = True
        for account, held in books.positions.items():
            for one in held:
                flat = False
                average = one.average_cost
                yield f"{account}  {one.quantity:f} {one.instrument.local_symbol} at {average:.4f}"
        if flat:
            yield "no positions"

    def _help(self, _: list[str]) -> Lines:
        rows = [
            ("SYMBOL", "its quote and its book"),
            ("SYMBOL BID ASK [BID_SIZE ASK_SIZE]", "set its quote; it stays there"),
            *((f"{name} {one.usage}".rstrip(), one.does) for name, one in self._commands.items()),
        ]
        width = max(len(usage) for usage, _ in rows)
        for usage, does in rows:
            yield f"{usage:{width}}  {does}"

    def _quit(self, _: list[str]) -> Lines:
        self._end()
        return iter(())


def _named(word: str) -> str | int:
    """A symbol, or a contract id."""
    return int(word) if word.isdecimal() else word.upper()


def _whole(name: str, word: str) -> int:
    if not word.removeprefix("-").isdecimal():
        raise InvalidInput(name, f"must be a whole number; got {word!r}")
    return int(word)


def _quote(name: str, quote: Quote) -> str:
    bid, ask = (
        f"{price} x {size:f}" for price, size in ((quote.bid, quote.bid_size), (quote.ask, quote.ask_size))
    )
    return f"{name.upper()}  bid {bid}  ask {ask}  last {quote.last}"


def _level(level: tuple[Decimal, Decimal]) -> str:
    return f"{level[0]} x {level[1]:f}"


def _order(one: OrderAccount) -> str:
    what = f"{one.client_id}:{one.order_id}  {one.action} {one.total:f} {one.symbol}"
    return f"{what}  {one.status or 'not transmitted'}  filled {one.filled:f}, left {one.remaining:f}"
