"""A fill: one execution in its newest revision, with its commission once that is known."""

from __future__ import annotations

import functools
import re
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import attrs

from ibkr_core.model.contract import Contract
from ibkr_core.model.making import blank, making
from ibkr_core.model.numbers import EXACT
from ibkr_core.model.order import Action
from ibkr_core.model.said import lean_repr, money, plain, said, with_reason

__all__ = ["Fill", "Told", "parse_execution_time", "told_fill"]

Told = tuple[Any, ...]
"""What an execution says, in this order: its id, quantity, price and side; and what few look at: contract,
time, account, exchange, the broker's running total, liquidity, and whether the price may change. One object
that is handed on as it is, in a compiled build too, which would copy a tuple whose fields it knew."""


class _Unread:
    """A fill as far as nobody has looked at it: most fills are told, counted, and never looked at closely.

    Fields that are not set stand in what was told; the first look at one of them sets them all. Nobody can
    tell: it is called only for what is not set.
    """

    __slots__ = ("_told",)

    if not TYPE_CHECKING:  # it would let any name pass

        def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - any field
            """Return what nobody has looked at before."""
            if name in _UNREAD:
                _read(self)
            return object.__getattribute__(self, name)


@attrs.frozen
class Fill(_Unread):
    """One execution.

    Attributes:
        exec_id: The broker's id, with its revision.
        revision: 1 for the first report of an execution; a higher one replaced it.
        action: BUY or SELL (SSHORT never appears here).
        quantity: Executed quantity, in the contract's units.
        price: Price per unit, in the contract's currency.
        time: When it happened, or None when the broker gave no zone to read it in.
        time_text: The broker's own text for the time.
        exchange: Where it happened.
        account: The account it was booked to.
        liquidity: Broker's ``lastLiquidity``; 1 is taken to mean added and 2 removed, which no source
            confirms (TWS facts 3).
        cum_quantity: Broker's running total of the order, which counts fills from before we connected.
        commission: Commission in ``commission_currency``; None until the report comes, which can take
            seconds (TWS facts 3).
        commission_currency: Not always the account's base currency.
        realized_pnl: None for an opening trade, or while unknown.
        is_leg: True for a leg of a combo, which does not count towards the combo's quantity.
        symbol: The executed contract's symbol.
        con_id: The executed contract's id, 0 when not shown.
        price_may_change: The broker announced that the price may be revised.
        contract: The executed contract, None where the report named none.
        is_allocated: True for an execution of an advisor's group order as a whole: it counts towards the
            order, and executions of the accounts move the positions.
        is_allocation: True for an account's part of such an execution: it moves that account's position, and
            does not count towards the order (TWS facts 3).
    """

    exec_id: str
    quantity: Decimal
    price: Decimal
    action: Action | None = None
    revision: int = 1
    time: datetime | None = None
    time_text: str = ""
    exchange: str = ""
    account: str = ""
    liquidity: int | None = None
    cum_quantity: Decimal | None = None
    commission: Decimal | None = None
    commission_currency: str = ""
    realized_pnl: Decimal | None = None
    is_leg: bool = False
    symbol: str = ""
    con_id: int = 0
    price_may_change: bool = False
    contract: Contract | None = attrs.field(default=None, repr=False)
    is_allocated: bool = False
    is_allocation: bool = False

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``BUY 50 AAPL at 190.00 (ARCA, <when>, commission 1.00 USD)``."""
        side = f"{self.action.value} " if self.action is not None else ""
        name = self.contract.name if self.contract is not None else self.symbol or "?"
        fee = None if self.commission is None else money(self.commission, self.commission_currency)
        return with_reason(
            f"{side}{plain(self.quantity)} {said(name)} at {plain(self.price)}",
            (
                said(self.exchange),
                said(self.time) if self.time is not None else said(self.time_text),
                f"commission {fee}" if fee is not None else "commission not reported yet",
                "a leg" if self.is_leg else "",
            ),
        )

    @property
    def counts(self) -> bool:
        """Whether it counts towards its order's quantity: neither a combo's leg nor an account's part."""
        return not self.is_leg and not self.is_allocation

    @property
    def moves_position(self) -> bool:
        """Whether the account's position changes by it.

        Of a combo the legs do, not its own line; of a group order the accounts' parts do (TWS facts 3). One
        that names no contract, or no side, explains nothing.
        """
        is_combo = self.contract is not None and self.contract.is_combo
        return bool(self.con_id) and self.action is not None and not is_combo and not self.is_allocated

    @property
    def value(self) -> Decimal:
        """Quantity times price, without the contract's multiplier."""
        return EXACT.multiply(self.quantity, self.price)

    def placed(
        self,
        *,
        is_leg: bool,
        is_allocated: bool,
        is_allocation: bool,
        commission: Decimal | None,
        currency: str,
        realized_pnl: Decimal | None,
    ) -> Fill:
        """Return a copy with its place in the order and its commission."""
        fill = making(Fill)(
            self.exec_id,
            self.quantity,
            self.price,
            self.action,
            self.revision,
            self.time,
            self.time_text,
            self.exchange,
            self.account,
            self.liquidity,
            self.cum_quantity,
            commission,
            currency,
            realized_pnl,
            is_leg,
            self.symbol,
            self.con_id,
            self.price_may_change,
            self.contract,
            is_allocated,
            is_allocation,
        )
        fill.__class__ = Fill
        return fill


_FILL: Final = blank(Fill)
_UNREAD: Final = (
    "contract",
    "symbol",
    "con_id",
    "time_text",
    "time",
    "account",
    "exchange",
    "cum_quantity",
    "liquidity",
    "price_may_change",
    "is_leg",
    "is_allocated",
    "is_allocation",
)
"""The fields that :func:`told_fill` leaves unset, in the order in which they are set."""
# A frozen class has no other door; looked up once.
_PUTS: Final = tuple(getattr(Fill, name).__set__ for name in _UNREAD)
_get_told: Final = _Unread.__dict__["_told"].__get__
_put_told: Final = _Unread.__dict__["_told"].__set__


def told_fill(
    told: Told, commission: Decimal | None = None, currency: str = "", realized_pnl: Decimal | None = None
) -> Fill:
    """Make the fill of a first report of an execution that counts towards its order, and of no group's.

    What few look at is read when somebody does.

    Args:
        told: What the execution says.
        commission: Its commission, where that is known.
        currency: Of the commission.
        realized_pnl: As it is reported with the commission.
    """
    fill = _FILL()
    fill.exec_id = told[0]
    fill.quantity = told[1]
    fill.price = told[2]
    fill.action = told[3]
    fill.revision = 1
    fill.commission = commission
    fill.commission_currency = currency
    fill.realized_pnl = realized_pnl
    fill._told = told  # noqa: SLF001 - it is of this module
    fill.__class__ = Fill
    return fill  # type: ignore[no-any-return]  # it is one now


def _read(fill: Fill) -> None:
    """Set what nobody has looked at yet. Two threads may do so at once: they set the same."""
    try:
        told: Told | None = _get_told(fill)
    except AttributeError:  # nothing was: it is being unpickled, say
        return
    if told is None:
        return
    contract, text, account, exchange, cum_quantity, liquidity, price_may_change = told[4:]
    values = (
        contract,
        contract.name,
        contract.con_id,
        text,
        parse_execution_time(text) if text else None,
        account,
        exchange,
        cum_quantity,
        liquidity,
        price_may_change,
        False,
        False,
        False,
    )
    for put, value in zip(_PUTS, values, strict=True):
        put(fill, value)
    _put_told(fill, None)  # last: whoever finds nothing told finds all fields set


_TIME = re.compile(r"(\d{4})-?(\d{2})-?(\d{2})([ -]+)(\d{2}):(\d{2}):(\d{2})(?:\s+(\S.*))?")
_TO_THE_MINUTE = re.compile(r"\d{8} \d{2}:\d{2}:")
_SECONDS = {f"{second:02}": second for second in range(60)}
_LAST_SECOND = timedelta(seconds=59)


@functools.lru_cache(maxsize=1024)  # many executions share a second
def parse_execution_time(text: str, local_zone: tzinfo | None = None) -> datetime | None:
    """Read an execution time in any of the forms that TWS sends (TWS facts 3).

    ``20260828 14:31:45 US/Eastern`` has its zone, ``20260611-13:31:00`` is UTC, and
    ``20230224  12:04:56`` is in the gateway's own zone, which only ``local_zone`` can tell.

    Returns:
        The time in UTC, or None when the text or its zone cannot be read.
    """
    second = _SECONDS.get(text[15:17])
    if second is not None:
        minute = _minute(text[:15], text[17:], local_zone)
        if minute is not None:
            return minute.replace(second=second)
    return _parse(text, local_zone)


@functools.lru_cache(maxsize=1024)  # and nearly all share a minute with another
def _minute(head: str, rest: str, local_zone: tzinfo | None) -> datetime | None:
    """Read the minute of a time in the usual form, ``20260828 14:31:`` and what follows the seconds.

    Returns:
        The moment at which it begins, or None where its seconds are not those of UTC: the time of a place by
        its sun, as it was kept until well into the 20th century, or a change of the clocks within it.
    """
    if not _TO_THE_MINUTE.fullmatch(head):
        return None
    first, last = _parse(f"{head}00{rest}", local_zone), _parse(f"{head}59{rest}", local_zone)
    if first is None or last is None or (first.second, last - first) != (0, _LAST_SECOND):
        return None
    return first


def _parse(text: str, local_zone: tzinfo | None) -> datetime | None:
    match = _TIME.fullmatch(text.strip())
    if match is None:
        return None
    year, month, day, separator, hour, minute, second, zone_name = match.groups()
    zone: tzinfo | None
    if zone_name is not None:
        try:
            zone = UTC if zone_name in ("UTC", "GMT") else ZoneInfo(zone_name)
        except (ZoneInfoNotFoundError, ValueError, OSError):  # the last one for a folder, such as America
            return None
    else:
        zone = UTC if separator == "-" else local_zone
    if zone is None:
        return None
    try:
        numbers = (int(year), int(month), int(day), int(hour), int(minute), int(second))
        return datetime(*numbers, tzinfo=zone).astimezone(UTC)
    except (ValueError, OverflowError):  # no such date, or none that UTC can name
        return None
