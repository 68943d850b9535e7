"""Prices out of a file instead of the walk.

* A quote is the book: best bid and ask with their sizes, and nothing behind them. An order of a client's that
  it goes through trades at its own price, as price-time priority has it.
* A trade is somebody who comes to the book: orders in front of the printed price trade first, then the queue
  at that price, up to the size that was printed; then stops look at the price. Who came to whom is told by
  the quote, or else by the last price.
* Where a symbol has trades alone, a quote is put around each: the print at one side, a tick between, its size
  on both. Where it has quotes alone, the last price is dragged along by them, so that stops elect.

The first row of the file is now; ``speed`` says how fast the rest follows. What the first row of a symbol
says holds from the beginning, and its past leads to it. At the end prices stay where they are. A price that
is set by hand holds until the next row of the symbol. Symbols that are not in the file walk as ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal

import attrs

from ibkr_core.errors import BadPriceFile, InvalidInput
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.pricefile import PriceFile, Row, Symbol
from ibkr_core.gateway.symbols import find
from ibkr_core.gateway.venue import Venue

__all__ = ["Replay"]

_AT_ONCE_S = 1e-6
"""Rows that come so soon are played now: a float cannot wait for less at the present age of the epoch."""

_ZERO = Decimal(0)


class Replay:
    """Plays a file into the markets of a venue.

    Args:
        file: The prices.
        venue: Whose markets.
        speed: How many times faster than the file's own time.

    Raises:
        BadPriceFile: A symbol of the file is not in the venue's catalogue. Nothing is changed.
    """

    def __init__(self, file: PriceFile, venue: Venue, *, speed: float) -> None:
        self._file = file
        self._venue = venue
        self._speed = speed
        self._symbols: Mapping[str, Symbol] = file.symbols
        self._instruments = {name: self._find(name, one.first) for name, one in file.symbols.items()}
        self._rows: Iterator[Row] = iter(())
        self._next: Row | None = None
        self._offset = 0.0

    def _find(self, name: str, first: Row) -> Instrument:
        try:
            return find(self._venue.catalogue, name)
        except InvalidInput as error:
            rule = f"must name one instrument on offer; {error.rule}"
            raise BadPriceFile(str(self._file.path), rule, line=first.line, column="symbol") from None

    @property
    def over(self) -> bool:
        """Whether the last row was played."""
        return self._next is None

    def start(self) -> None:
        """Show the first price of every symbol, and play the rest as time passes."""
        opened = {market.instrument.con_id for market in self._venue.markets()}
        for name, one in self._symbols.items():
            self._open(name, one, is_new=self._instruments[name].con_id not in opened)
        self._rows = self._file.rows()
        self._next = next(self._rows)
        self._offset = self._venue.now() - self._next.time / self._speed
        self._venue.on_restart.append(self._move)
        self._play()

    def _move(self, venue: Venue) -> None:
        """Go on in the venue that comes after a restart of the gateway; its books know where prices stood."""
        self._venue = venue
        self._instruments = {name: self._find(name, one.first) for name, one in self._symbols.items()}
        venue.on_restart.append(self._move)
        venue.later(0.0, self._play)

    def _open(self, name: str, symbol: Symbol, *, is_new: bool) -> None:
        instrument, first = self._instruments[name], symbol.first
        if is_new:  # the made-up past is to lead to the first price of the file
            price = first.quote[0] if first.quote is not None else (first.trade or (_ZERO,))[0]
            instrument = attrs.evolve(instrument, reference_price=price or instrument.reference_price)
            self._venue.catalogue.add(instrument)
            self._instruments[name] = instrument
        if first.quote is not None:
            self._show(name, first.quote)
        elif first.trade is not None:
            self._show_around(instrument, *first.trade, bought=True)

    # -- playing -----------------------------------------------------------------------------------

    def _due(self, row: Row) -> float:
        return self._offset + row.time / self._speed

    def _play(self) -> None:
        """Play every row whose time has come, and come back for the next."""
        now = self._venue.now()
        while self._next is not None and self._due(self._next) <= now + _AT_ONCE_S:
            self._apply(self._next)
            self._next = next(self._rows, None)
        if self._next is not None:
            self._venue.later(self._due(self._next) - now, self._play)

    def _apply(self, row: Row) -> None:
        if row.quote is not None:
            self._show(row.symbol, row.quote)
        if row.trade is not None:
            instrument, (price, size) = self._instruments[row.symbol], row.trade
            bought = self._venue.market(instrument).aggressor(price) == "BUY"
            self._venue.exchange.print_trade(instrument, price, size, "BUY" if bought else "SELL")
            if not self._symbols[row.symbol].quoted:
                self._show_around(instrument, price, size, bought=bought)

    def _show(self, name: str, quote: tuple[Decimal, Decimal, Decimal, Decimal]) -> None:
        bid, ask, bid_size, ask_size = quote
        market = self._venue.market(self._instruments[name])
        market.replay_quote((bid, bid_size), (ask, ask_size), drags_last=not self._symbols[name].traded)

    def _show_around(self, instrument: Instrument, price: Decimal, size: Decimal, *, bought: bool) -> None:
        """Put a quote around a trade: a buyer has paid the ask, a seller got the bid."""
        tick = instrument.min_tick
        bid = max(price - tick, _ZERO) if bought else price
        ask = price if bought else price + tick
        market = self._venue.market(instrument)
        market.replay_quote((bid, size if bid else _ZERO), (ask, size), drags_last=True)
