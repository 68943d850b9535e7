"""``engine.portfolio``: positions, profit and loss of all accounts, at any moment and from any thread.

What the book learned since the last look is taken in when somebody looks, so that a fill costs its reader
nothing. Everything is rebuilt from the journal with the book.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import tzinfo
from typing import Final, Literal, Protocol, TypeVar

from ibkr_core.errors import InvalidContract, InvalidInput
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.fillings import FillFeed
from ibkr_core.model import events
from ibkr_core.model.account import ProfitAndLoss
from ibkr_core.model.checks import check_flag, check_seconds
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.fill import Fill
from ibkr_core.model.holding import Amounts, Holding, Lot
from ibkr_core.model.numbers import Numeric
from ibkr_core.model.record import OrderRecord
from ibkr_core.portfolio.books import Base, Books, Key
from ibkr_core.portfolio.comparing import (
    Allocation,
    PositionDifference,
    ProfitComparison,
    allocations_of,
    compare_profit,
    differences,
)

__all__ = ["Method", "Portfolio", "Shelf"]

_T = TypeVar("_T")
Method = Literal["fifo", "average"]
"""How purchases and sales are matched: first in first out, or all at the average cost."""

_METHODS: Final = ("fifo", "average")
_LOOKS: Final = 5
Prices = Mapping[int, Numeric] | Mapping[Contract, Numeric]
"""Prices by contract id or by contract."""


class Source(Protocol):
    """The guarded book."""

    def read(self, look: Callable[[Book], _T]) -> _T:
        """Look something up under the state lock."""


class Asked(Protocol):
    """What the broker is asked about accounts."""

    def positions(self, account: str = "", *, timeout_s: float = 10.0) -> tuple[Position, ...]:
        """Return what is held, as the broker counts it."""

    def profit_and_loss(
        self, account: str = "", *, con_id: int = 0, timeout_s: float = 10.0
    ) -> ProfitAndLoss:
        """Return the day's profit and loss, of an account or of one position in it."""


class Office(Protocol):
    """What a portfolio needs of the engine."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""

    @property
    def reference(self) -> Asked:
        """Asks the broker."""

    def order(self, order_id: int) -> OrderRecord:
        """Return a snapshot of an order."""


class Shelf:
    """The books behind their lock, brought up to date by whoever reads.

    Args:
        source: The guarded book; its state lock is taken inside the one here, never the other way round.
        bases: Returns what the broker's positions show beside our fills.
        zone: The zone of execution times that were told without one.
    """

    def __init__(self, source: Source, bases: Callable[[], Mapping[Key, Base]], zone: tzinfo) -> None:
        self._source = source
        self._bases = bases
        self._books = Books(zone)
        self._lock = threading.Lock()
        self._feed: FillFeed | None = None
        self._known_bases: Mapping[Key, Base] | None = None

    def read(self, look: Callable[[Books], _T]) -> _T:
        """Look something up in books that know all that the order book knows."""
        with self._lock:
            for fill in self._source.read(self._changed):
                self._books.take(fill)
            bases = self._bases()
            if bases is not self._known_bases:
                self._books.set_bases(bases)
                self._known_bases = bases
            return look(self._books)

    def _changed(self, book: Book) -> Iterable[Fill]:
        if self._feed is None:
            self._feed = book.follow_fills()
        return self._feed.stream()


class Portfolio:
    """Positions, profit and loss, by account and contract. Reached as ``engine.portfolio``.

    Quantities come from the executions, and where these do not explain what the broker shows, from the
    broker: what was held before, a transfer, an expired or assigned option. What nobody told the price of is
    never guessed: it is left out, and said to be missing.

    Args:
        shelf: The books.
        office: The engine.
        publish: Publishes an event.
        pause: Lets a moment pass between two looks at the broker's positions.
        method: How purchases and sales are matched.
    """

    def __init__(
        self,
        shelf: Shelf,
        office: Office,
        publish: Callable[..., None],
        pause: Callable[[], None],
        method: Method = "fifo",
    ) -> None:
        self._shelf = shelf
        self._office = office
        self._publish = publish
        self._pause = pause
        self.method: Final = method
        self._told: set[PositionDifference] = set()

    def __str__(self) -> str:
        """A line for each position, for people."""
        return "\n".join(str(held) for held in self.positions()) or "no positions"

    def using(self, method: Method) -> Portfolio:
        """Return the same portfolio with purchases and sales matched in another way.

        Args:
            method: ``fifo`` (first in first out, the default) or ``average``.

        Raises:
            InvalidInput: It is neither.
        """
        if method not in _METHODS:
            raise InvalidInput("method", f"must be one of {', '.join(_METHODS)}, not {method!r}")
        return Portfolio(self._shelf, self._office, self._publish, self._pause, method)

    # ── positions ───────────────────────────────────────────────────────────────────────────────

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login, and those that our fills were booked to."""
        ours = (holding.account for holding in self._holdings(None))
        return tuple(dict.fromkeys((*self._office.accounts, *ours)))

    def positions(self, account: str | None = None, *, flat: bool = False) -> tuple[Holding, ...]:
        """Return what is held, by account and contract id.

        Args:
            account: Of this account only; None for all.
            flat: Also what was held, and is no more.

        Raises:
            InvalidInput: Nobody knows such an account.
        """
        check_flag("flat", flat)
        held = self._holdings(account)
        return tuple(one for one in held if flat or not one.is_flat)

    def position(self, contract: Contract, account: str | None = None) -> Holding:
        """Return what is held of one contract; a flat holding where it is nothing.

        Args:
            contract: By its id, or by what is known of it: the symbol and type of a stock, say.
            account: In this account. It may be left out where one account only holds it, or ever held it.

        Raises:
            InvalidContract: It is a combo, which is held by its legs, or fits several that are held.
            InvalidInput: Several accounts hold it and none was named, or nobody knows the account.
        """
        key = self._key_of(contract, account)
        found = self._shelf.read(lambda books: books.holding(key, is_fifo=self._is_fifo))
        return found if found is not None else Holding(account=key[0], contract=contract)

    def lots(self, contract: Contract, account: str | None = None) -> tuple[Lot, ...]:
        """Return what is open of one contract, first in first out, oldest first.

        Raises:
            IbkrError: As for :meth:`position`.
        """
        key = self._key_of(contract, account)
        return self._shelf.read(lambda books: books.lots(key))

    def allocations(self, order_id: int) -> tuple[Allocation, ...]:
        """Return what each account got of an advisor's group order so far; empty for any other order.

        Raises:
            UnknownOrder: No such order.
        """
        return allocations_of(self._office.order(order_id))

    # ── money ───────────────────────────────────────────────────────────────────────────────────

    def realised(self, account: str | None = None) -> Amounts:
        """Return what was earned or lost by what was closed, after the commissions of both sides.

        It covers the fills that the book knows: those of the journal, or those that the broker told today.

        Raises:
            InvalidInput: Nobody knows such an account.
        """
        return _sum([holding.realised for holding in self._holdings(account)])

    def unrealised(self, prices: Prices, account: str | None = None) -> Amounts:
        """Return what would be earned or lost if all that is open were closed at some prices.

        Commissions that were paid for it are in it; those of closing it are not.

        Args:
            prices: By contract id, or by contract as :meth:`positions` shows it, each in the contract's
                currency. What has no price is told to be missing.
            account: Of this account only; None for all.

        Raises:
            InvalidInput: A price is no number, or nobody knows the account.
        """
        if not isinstance(prices, Mapping):
            raise InvalidInput("prices", f"must be prices by contract or contract id, not {prices!r}")
        by_id = {key.con_id if isinstance(key, Contract) else key: price for key, price in prices.items()}
        return _sum(
            [
                one.unrealised(by_id[one.contract.con_id])
                if one.contract.con_id in by_id
                else Amounts(missing=(one.contract,))
                for one in self.positions(account)
            ]
        )

    def commissions(self, account: str | None = None) -> Amounts:
        """Return what was paid in commissions; missing are contracts of which a report is still to come.

        Raises:
            InvalidInput: Nobody knows such an account.
        """
        return _sum([holding.commissions for holding in self._holdings(account)])

    # ── beside the broker ───────────────────────────────────────────────────────────────────────

    def check(self, *, timeout_s: float = 10.0) -> tuple[PositionDifference, ...]:
        """Ask the broker for its positions, and return those that it counts otherwise than we do.

        A difference has to show twice in a row. It is published as
        :class:`~ibkr_core.model.events.PositionDiffers`, once; nothing is overwritten. The engine makes the
        same comparison by itself after each connection.

        Args:
            timeout_s: For each answer, in seconds.

        Raises:
            IbkrError: As for every question to the broker, see ``engine.reference``.
        """
        certain = before = self._differences(timeout_s)
        for _ in range(_LOOKS):
            if not before:
                break
            self._pause()
            found = self._differences(timeout_s)
            certain = tuple(one for one in found if one in before)
            if certain == found:
                break
            before = found
        for one in certain:
            if one not in self._told:
                self._publish(
                    events.PositionDiffers,
                    account=one.account,
                    contract=one.contract,
                    expected=one.expected,
                    told=one.told,
                )
        self._told = set(certain)
        return certain

    def compare_profit(
        self, account: str | None = None, *, timeout_s: float = 10.0
    ) -> tuple[ProfitComparison, ...]:
        """Ask the broker what each open position earned or lost, and value ours at the same prices.

        One question for each position (``reqPnLSingle``).

        Args:
            account: Of this account only; None for all.
            timeout_s: For each answer, in seconds.

        Raises:
            IbkrError: As for every question to the broker, see ``engine.reference``.
        """
        check_seconds("timeout_s", timeout_s)
        compared = []
        for held in self.positions(account):
            told = self._office.reference.profit_and_loss(
                held.account, con_id=held.contract.con_id, timeout_s=timeout_s
            )
            compared.append(compare_profit(self.position(held.contract, held.account), told))
        return tuple(compared)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    @property
    def _is_fifo(self) -> bool:
        return self.method == "fifo"

    def _holdings(self, account: str | None) -> tuple[Holding, ...]:
        held = self._shelf.read(lambda books: books.holdings(account, is_fifo=self._is_fifo))
        if account is not None and not held:
            self._check_account(account)
        return held

    def _check_account(self, account: str) -> None:
        known = self.accounts
        if account not in known:
            names = ", ".join(known) or "none yet"
            raise InvalidInput("account", f"must be one of the login's ({names}), not {account!r}")

    def _key_of(self, contract: Contract, account: str | None) -> Key:
        if not isinstance(contract, Contract):
            raise InvalidContract("contract", f"must be a Contract, not {contract!r}")
        if contract.is_combo:
            raise InvalidContract("contract", "a combo is held by its legs: ask for each of them")
        if account is not None:
            self._check_account(account)
        keys = self._shelf.read(lambda books: books.keys_of(contract))
        if len({con_id for _, con_id in keys}) > 1:
            raise InvalidContract("contract", f"{contract.name} fits several that are held: give its con_id")
        if account is not None:
            return account, keys[0][1] if keys else contract.con_id
        if len(keys) > 1:
            held = self._shelf.read(lambda books: [key for key in keys if not _is_flat(books, key)])
            if len(held) == 1:
                return held[0]
            names = ", ".join(code for code, _ in keys)
            raise InvalidInput("account", f"is required: {names} have {contract.name}")
        if keys:
            return keys[0]
        return next(iter(self._office.accounts), ""), contract.con_id

    def _differences(self, timeout_s: float) -> tuple[PositionDifference, ...]:
        before = self._by_key()
        told = self._office.reference.positions(timeout_s=timeout_s)
        return differences(before, self._by_key(), told)

    def _by_key(self) -> dict[Key, Holding]:
        return {(one.account, one.contract.con_id): one for one in self._holdings(None)}


def _is_flat(books: Books, key: Key) -> bool:
    holding = books.holding(key)
    return holding is None or holding.is_flat


def _sum(parts: Sequence[Amounts]) -> Amounts:
    total = Amounts()
    for part in parts:
        total += part
    return total
