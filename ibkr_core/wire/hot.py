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

TextDecoder = Callable[[str], HotValues | None]
"""Takes what stands behind the message id: fields, each with a NUL behind it. None: not by me.

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
# Found at once, in compiled code too.
_STATUS: Final = StatusFact
_EXECUTION: Final = ExecutionFact
_COMMISSION: Final = CommissionFact

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


def _contract(text: str) -> Contract:
    """Read the fields of a contract, with a NUL between each two; there must be so many and no more."""
    con_id, symbol, kind, expiry, strike, right, multiplier, exchange, currency, local, trading_class = (
        text.split("\0")
    )
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
        self.contracts: Known[str, Contract] = Known(_contract)


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

    def status(text: str) -> HotValues | None:
        try:
            order_id, word, filled, rest, average, perm_id, parent, last, client_id, held, cap, _ = (
                text.split("\0")
            )
            return (
                _STATUS,
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
    behind_contract = 18 + has_revision + (server_version >= _SUBMITTER_SINCE)

    def execution(text: str) -> HotValues | None:
        try:
            request_id, order_id, rest = text.split("\0", 2)
            # The contract's fields stay one text: it is read once, and found again by it.
            fields = rest.rsplit("\0", behind_contract)
            float(fields[15] or 0), int(fields[10] or 0)  # of no use here; the official decoder reads them
            return (
                _EXECUTION,
                fields[1],
                words[fields[5]],
                sizes[fields[6]] or _ZERO,
                prices[fields[7]] or _ZERO,
                int(request_id or 0),
                ints[order_id],
                ints[fields[9]],
                ints[fields[8]] or None,
                contracts[fields[0]],
                words[fields[2]],
                words[fields[3]],
                words[fields[4]],
                sizes[fields[11]],
                prices[fields[12]],
                fields[13],
                ints[fields[17]],
                has_revision and int(fields[18] or 0) != 0,
            )
        except (ValueError, IndexError):  # another count of fields, or no number where one should be
            return None

    return execution


def _commission_decoder(tables: Tables) -> TextDecoder:
    prices, words = tables.prices, tables.words

    def commission(text: str) -> HotValues | None:
        try:
            version, exec_id, amount, currency, pnl, bond_yield, redemption, _ = text.split("\0")
            int(version or 0), float(bond_yield or 0), int(redemption or 0)  # as in an execution
            return _COMMISSION, exec_id, prices[amount], words[currency], prices[pnl]
        except ValueError:
            return None

    return commission
