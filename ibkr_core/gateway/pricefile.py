"""Files of prices, as CSV or Parquet: quotes, trades, or both, in order of time.

========================================  ==========================================================
column                                    what it holds
========================================  ==========================================================
``time``                                  ISO 8601 with a zone (``2026-11-24T09:30:00.25-05:00``), or
                                          seconds since 1970 in UTC
``symbol``                                of a stock, or a local symbol such as ``ESZ6``
``bid``, ``ask``, ``bid_size``,           a quote: all four, or all four empty
``ask_size``
``price``, ``size``                       a trade: both, or both empty
========================================  ==========================================================

Other columns are passed over. The whole file is read once before anything is replayed, so that a mistake in
its last line is found at once; then it is read again as it is played, so that a long file needs no memory.
"""

from __future__ import annotations

import csv
import importlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import attrs

from ibkr_core.errors import BadPriceFile, MissingExtra

__all__ = ["PriceFile", "Row", "Symbol"]

_QUOTE = ("bid", "ask", "bid_size", "ask_size")
_TRADE = ("price", "size")
_KNOWN = frozenset({"time", "symbol", *_QUOTE, *_TRADE})
_LATEST_S = Decimal(10) ** 11  # in the year 5138; a larger number is in milliseconds
_PARQUET = frozenset({".parquet", ".pq"})
_ZONE = "must have a zone, such as Z or -05:00"


@attrs.frozen(kw_only=True)
class Row:
    """What one line says.

    Attributes:
        line: Its number.
        time: Seconds since the epoch.
        symbol: What it is about.
        quote: Bid, ask, and the sizes of both; None when it says nothing of them.
        trade: Price and size; None when there was none.
    """

    line: int
    time: float
    symbol: str
    quote: tuple[Decimal, Decimal, Decimal, Decimal] | None
    trade: tuple[Decimal, Decimal] | None


@attrs.frozen
class Symbol:
    """What a whole file says of one symbol.

    Attributes:
        first: Its first row.
        quoted: There are quotes of it.
        traded: There are trades of it.
    """

    first: Row
    quoted: bool
    traded: bool


class PriceFile:
    """A file of prices that was read through and found good.

    Args:
        path: The file. ``.parquet`` and ``.pq`` are Parquet, everything else is CSV.

    Raises:
        BadPriceFile: It breaks a rule; names line, column and rule.
        MissingExtra: It is a Parquet file, and the extra ``parquet`` is not installed.
        OSError: It cannot be read.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.symbols = self._read_through()

    def rows(self) -> Iterator[Row]:
        """Every row, in order."""
        last = float("-inf")
        for line, cells in self._cells():
            row = self._row(line, cells)
            if row.time < last:
                raise self._bad("must not be before that of the line above", line, "time")
            last = row.time
            yield row

    def _read_through(self) -> Mapping[str, Symbol]:
        found: dict[str, Symbol] = {}
        for row in self.rows():
            known = found.get(row.symbol) or Symbol(row, quoted=False, traded=False)
            quoted, traded = known.quoted or row.quote is not None, known.traded or row.trade is not None
            if (quoted, traded) != (known.quoted, known.traded):
                found[row.symbol] = Symbol(known.first, quoted=quoted, traded=traded)
        if not found:
            raise BadPriceFile(str(self.path), "must hold at least one price")
        return found

    def _bad(self, rule: str, line: int | None = None, column: str = "") -> BadPriceFile:
        return BadPriceFile(str(self.path), rule, line=line, column=column)

    # -- the two formats ---------------------------------------------------------------------------

    def _cells(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        return self._parquet() if self.path.suffix.lower() in _PARQUET else self._csv()

    def _csv(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        with self.path.open(newline="", encoding="utf-8-sig") as file:
            reader = csv.reader(file, strict=True)
            try:
                names = self._header([name.strip().lower() for name in next(reader, [])])
                for cells in reader:
                    if not cells:
                        continue
                    if len(cells) != len(names):
                        rule = f"must have {len(names)} columns like the first; got {len(cells)}"
                        raise self._bad(rule, reader.line_num)
                    yield reader.line_num, dict(zip(names, cells, strict=True))
            except csv.Error as error:
                raise self._bad(f"must be CSV: {error}", reader.line_num) from None
            except UnicodeDecodeError as error:
                raise self._bad(f"must be text in UTF-8: {error.reason}", reader.line_num + 1) from None

    def _parquet(self) -> Iterator[tuple[int, Mapping[str, object]]]:
        try:
            arrow = importlib.import_module("pyarrow")
            parquet = importlib.import_module("pyarrow.parquet")
        except ImportError:
            raise MissingExtra("parquet", f"reading {self.path}") from None
        line = 0
        try:
            with parquet.ParquetFile(self.path) as file:
                names = self._header([name.lower() for name in file.schema_arrow.names])
                for batch in file.iter_batches():
                    columns = dict(zip(names, batch.columns, strict=True))
                    kept = {
                        name: self._values(arrow, name, columns[name]) for name in columns.keys() & _KNOWN
                    }
                    for place in range(batch.num_rows):
                        line += 1
                        yield line, {name: values[place] for name, values in kept.items()}
        except arrow.ArrowInvalid as error:
            raise self._bad(f"must be a Parquet file: {str(error).splitlines()[0]}") from None

    def _values(self, arrow: Any, name: str, column: Any) -> Sequence[object]:  # noqa: ANN401 - no types there
        """The values of a column of a batch as Python values that lose nothing."""
        kind = column.type
        if arrow.types.is_timestamp(kind):
            if kind.tz is None:
                raise self._bad(_ZONE, None, name)
            column = column.cast(arrow.timestamp("us", kind.tz), safe=False)
        elif arrow.types.is_float16(kind) or arrow.types.is_float32(kind):
            raise self._bad("must be decimal, double or text: a short float loses digits", None, name)
        values: list[object] = column.to_pylist()
        return values

    def _header(self, names: list[str]) -> list[str]:
        """See whether the columns are there.

        Raises:
            BadPriceFile: One is missing, or there twice.
        """
        kinds = [kind for kind in (_QUOTE, _TRADE) if set(kind) & set(names)]
        if not kinds:
            raise self._bad(f"must have the columns {', '.join(_QUOTE)}, or {', '.join(_TRADE)}", 1)
        for name in ("time", "symbol", *(name for kind in kinds for name in kind)):
            if names.count(name) != 1:
                raise self._bad(f"must be there once; it is {names.count(name)} times", 1, name)
        return names

    # -- one row -----------------------------------------------------------------------------------

    def _row(self, line: int, cells: Mapping[str, object]) -> Row:
        symbol = str(cells["symbol"] or "").strip().upper()
        if not symbol:
            raise self._bad("must not be empty", line, "symbol")
        quote, trade = (self._numbers(line, cells, names) for names in (_QUOTE, _TRADE))
        if quote is None and trade is None:
            raise self._bad("must be a quote or a trade", line)
        moment = self._moment(line, cells["time"])
        return Row(
            line=line,
            time=moment,
            symbol=symbol,
            quote=None if quote is None else self._quote(line, quote),
            trade=None if trade is None else self._trade(line, trade),
        )

    def _quote(self, line: int, numbers: list[Decimal]) -> tuple[Decimal, Decimal, Decimal, Decimal]:
        bid, ask, bid_size, ask_size = numbers
        for name, number in zip(_QUOTE, numbers, strict=True):
            if number < 0:
                raise self._bad(f"must not be negative; got {number}", line, name)
        if not bid < ask:
            raise self._bad(f"must be above the bid of {bid}; got {ask}", line, "ask")
        return bid, ask, bid_size, ask_size

    def _trade(self, line: int, numbers: list[Decimal]) -> tuple[Decimal, Decimal]:
        price, size = numbers
        for name, number in zip(_TRADE, numbers, strict=True):
            if number <= 0:
                raise self._bad(f"must be above zero; got {number}", line, name)
        return price, size

    def _numbers(self, line: int, cells: Mapping[str, object], names: Sequence[str]) -> list[Decimal] | None:
        """The numbers of some columns; None when all of them are empty or not there."""
        given = {name: cells.get(name) for name in names}
        empty = [name for name, cell in given.items() if cell is None or not str(cell).strip()]
        if len(empty) == len(names):
            return None
        if empty:
            others = ", ".join(name for name in names if name not in empty)
            raise self._bad(f"must not be empty beside {others}", line, empty[0])
        return [self._number(line, name, cell) for name, cell in given.items()]

    def _number(self, line: int, name: str, cell: object) -> Decimal:
        try:
            number = Decimal(str(cell).strip())
        except InvalidOperation:
            raise self._bad(f"must be a number; got {str(cell)!r}", line, name) from None
        if not number.is_finite():
            raise self._bad(f"must be finite; got {str(cell)!r}", line, name)
        return number

    def _moment(self, line: int, cell: object) -> float:
        if not isinstance(cell, datetime):
            text = str(cell).strip()
            try:
                seconds = Decimal(text)
            except InvalidOperation:
                cell = self._iso(line, text)
            else:
                if not (seconds.is_finite() and 0 <= seconds < _LATEST_S):
                    raise self._bad(f"must be seconds since 1970, not milliseconds; got {text}", line, "time")
                return float(seconds)
        if cell.tzinfo is None:
            raise self._bad(f"{_ZONE}; got {cell.isoformat()}", line, "time")
        return cell.timestamp()

    def _iso(self, line: int, text: str) -> datetime:
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            rule = f"must be ISO 8601 with a zone, or seconds since 1970; got {text!r}"
            raise self._bad(rule, line, "time") from None
