"""The text form of the hot messages, decoded into the values of facts: what a busy session consists of.

The official decoder reads field by field through a generator, with a log line for each, and makes objects
that are taken apart again. Here one split gives all fields, and what repeats (status words, prices, sizes,
contracts) is read once for each distinct text. The answers are those of the official decoder: tests hold
that for every supported client and version.

A message of an unusual shape is declined (``None``): it is left to the official decoder, whose word counts.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from decimal import Decimal, InvalidOperation
from typing import Final, Generic, TypeVar

from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact, ExecutionFact, HotValues, StatusFact

__all__ = [
    "MOST_KEPT",
    "Known",
    "Tables",
    "TextDecoder",
    "exact",
    "from_double",
    "text_decoders",
    "unless_unset",
]

TextDecoder = Callable[[list[str]], HotValues | None]
"""Takes the fields between the NULs, message id first, and what stands after the last NUL. None: not by me.

The caller has seen that all is ASCII: other texts are read differently from client to client.
"""

_PRICE_REVISION_SINCE: Final = 178
_SUBMITTER_SINCE: Final = 198

MOST_KEPT: Final = 5_000
"""Distinct texts remembered by one table; then it starts afresh, so that a long session stays small."""

_UNSET_INTEGERS: Final = (2**31 - 1, 2**63 - 1)
_UNSET_DOUBLE: Final = 1.7976931348623157e308
_UNSET_AS_DECIMAL: Final = Decimal("1.7976931348623157E+308")
_UNSET_DECIMAL: Final = Decimal(2**127 - 1)
_UNSET_TEXTS: Final = frozenset(
    {"2147483647", "9223372036854775807", "1.7976931348623157E308", "-9223372036854775808"}
)
_NO_RIGHT: Final = frozenset({"?", "0"})
_ZERO: Final = Decimal(0)

_K = TypeVar("_K")
_V = TypeVar("_V")


class Known(dict[_K, _V], Generic[_K, _V]):
    """Remembers what each text was read as; a text that is not there is read and remembered.

    Args:
        read: Reads one.
        most: How many are remembered.
    """

    __slots__ = ("_most", "_read")

    def __init__(self, read: Callable[[_K], _V], most: int = MOST_KEPT) -> None:
        super().__init__()
        self._read = read
        self._most = most

    def __missing__(self, key: _K) -> _V:
        value = self._read(key)
        if len(self) >= self._most:
            self.clear()
        self[key] = value
        return value


# ── single values, as the official decoder and ``link.convert`` read them ───────────────────────────


def unless_unset(value: int) -> int | None:
    """Return an integer, None for the ones that mean unset."""
    return None if value in _UNSET_INTEGERS else value


def _integer(text: str) -> int | None:
    return unless_unset(int(text or 0))


def from_double(value: float) -> Decimal | None:
    """Return what a price or an amount says, None for unset; exact by its shortest text."""
    if not math.isfinite(value) or value >= _UNSET_DOUBLE:
        return None
    return Decimal(int(value)) if value.is_integer() else Decimal(repr(value))


def _price(text: str) -> Decimal | None:
    return from_double(float(text or 0))


def exact(text: str) -> Decimal | None:
    """Return what a size says, None for unset.

    Raises:
        ValueError: It is no number.
    """
    try:
        value = Decimal(text)
    except InvalidOperation:
        raise ValueError(f"no number: {text!r}") from None
    is_set = value.is_finite() and value < _UNSET_AS_DECIMAL and value != _UNSET_DECIMAL
    return value if is_set else None


def _size(text: str) -> Decimal | None:
    # A blank one is no number, and what is spelled oddly may be one: the clients differ about it, and the
    # installed one shall say.
    if text in _UNSET_TEXTS:
        return None
    if text.strip("0123456789.eE+-"):
        raise ValueError(f"an odd number: {text!r}")
    return exact(text)


def _contract(fields: tuple[str, ...]) -> Contract:
    con_id, symbol, kind, expiry, strike, right, multiplier, exchange, currency, local, trading_class = fields
    return Contract(
        con_id=_integer(con_id) or 0,
        symbol=symbol,
        sec_type=kind,
        expiry=expiry,
        strike=_price(strike) or None,
        right="" if right in _NO_RIGHT else right,
        multiplier=multiplier,
        exchange=exchange,
        currency=currency,
        local_symbol=local,
        trading_class=trading_class,
    )


# ── text ────────────────────────────────────────────────────────────────────────────────────────


class Tables:
    """What the texts of one connection were read as."""

    def __init__(self) -> None:
        self.ints: Known[str, int | None] = Known(_integer)
        self.sizes: Known[str, Decimal | None] = Known(_size)
        self.prices: Known[str, Decimal | None] = Known(_price)
        self.words: Known[str, str] = Known(str)  # what repeats is kept once
        self.contracts: Known[tuple[str, ...], Contract] = Known(_contract)


def text_decoders(server_version: int) -> Mapping[int, TextDecoder]:
    """Return decoders of the text form by message id, for a connection of this version (142 or above)."""
    tables = Tables()
    return {
        3: _status_decoder(tables),
        11: _execution_decoder(tables, server_version),
        59: _commission_decoder(tables),
    }


def _status_decoder(tables: Tables) -> TextDecoder:
    ints, sizes, prices, words = tables.ints, tables.sizes, tables.prices, tables.words

    def status(fields: list[str]) -> HotValues | None:
        try:
            _, order_id, word, filled, rest, average, perm_id, parent, last, client_id, held, cap, _ = fields
            return (
                StatusFact,
                ints[order_id],
                words[word],
                sizes[filled],
                sizes[rest],
                prices[average],
                ints[perm_id] or None,
                ints[parent],
                prices[last],
                ints[client_id],
                words[held],
                prices[cap] or None,
            )
        except ValueError:  # another count of fields, or no number where one should be
            return None

    return status


def _execution_decoder(tables: Tables, server_version: int) -> TextDecoder:
    ints, sizes, prices, words = tables.ints, tables.sizes, tables.prices, tables.words
    contracts = tables.contracts
    has_revision = server_version >= _PRICE_REVISION_SINCE
    wanted = 32 + has_revision + (server_version >= _SUBMITTER_SINCE)

    def execution(fields: list[str]) -> HotValues | None:
        if len(fields) != wanted:
            return None
        try:
            float(fields[28] or 0), int(fields[23] or 0)  # of no use here; the official decoder reads them
            return (
                ExecutionFact,
                fields[14],
                words[fields[18]],
                sizes[fields[19]] or _ZERO,
                prices[fields[20]] or _ZERO,
                int(fields[1] or 0),
                ints[fields[2]],
                ints[fields[22]],
                ints[fields[21]] or None,
                contracts[tuple(fields[3:14])],
                words[fields[15]],
                words[fields[16]],
                words[fields[17]],
                sizes[fields[24]],
                prices[fields[25]],
                fields[26],
                ints[fields[30]],
                has_revision and int(fields[31] or 0) != 0,
            )
        except ValueError:
            return None

    return execution


def _commission_decoder(tables: Tables) -> TextDecoder:
    prices, words = tables.prices, tables.words

    def commission(fields: list[str]) -> HotValues | None:
        try:
            _, version, exec_id, amount, currency, pnl, bond_yield, redemption, _ = fields
            int(version or 0), float(bond_yield or 0), int(redemption or 0)  # as in an execution
            return CommissionFact, exec_id, prices[amount], words[currency], prices[pnl]
        except ValueError:
            return None

    return commission
