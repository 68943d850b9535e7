"""What the orders of a benchmark are, for those who place them and those who tell of them alike.

Standard library only: it runs in the environments of the peers too. Symbols, prices, parts and commissions
differ from order to order, so that no client gains by remembering the last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

__all__ = ["ACCOUNT", "CLIENT_ID", "END_MARK", "FIRST_ID", "PERM_ID", "QUANTITY", "Terms", "terms"]

ACCOUNT = "DU1234567"
CLIENT_ID = 1
FIRST_ID = 101
"""The first order's id. Those below are left to the requests that clients make at the beginning."""
PERM_ID = 1_376_000_000
"""What the broker's permanent ids are above the order ids."""
QUANTITY = 100
END_MARK = 1_999_999_999
"""The ``currentTime`` that ends a stream: everything before it was handled."""

_STOCKS = (
    ("AAPL", 265598),
    ("AMD", 4391),
    ("AMZN", 3691937),
    ("BAC", 10098),
    ("CSCO", 268084),
    ("DIS", 6459),
    ("GOOG", 208813720),
    ("IBM", 8314),
    ("INTC", 270639),
    ("JPM", 1520593),
    ("KO", 8894),
    ("META", 107113386),
    ("MSFT", 272093),
    ("NFLX", 15124833),
    ("NVDA", 4815747),
    ("ORCL", 272800),
    ("PFE", 11031),
    ("QCOM", 273544),
    ("TSLA", 76792991),
    ("XOM", 13977),
)
_EXCHANGES = ("ISLAND", "ARCA", "NYSE", "BATS", "IEX")


@dataclass(frozen=True)
class Terms:
    """One order, and how it is filled.

    Attributes:
        symbol: A stock.
        con_id: Its contract id.
        action: BUY or SELL.
        limit: Its limit price in cents.
        prices: In cents, of the two parts.
        parts: In shares; together the whole.
        commissions: In cents, of the two parts.
        exchanges: Of the two parts.
        perm_id: The broker's id for it.
        key: The client's key for it.
    """

    symbol: str
    con_id: int
    action: str
    limit: int
    prices: tuple[int, int]
    parts: tuple[int, int]
    commissions: tuple[int, int]
    exchanges: tuple[str, str]
    perm_id: int
    key: str

    @property
    def commission(self) -> Decimal:
        """What both parts cost together, in dollars."""
        return Decimal(sum(self.commissions)) / 100


def terms(order_id: int) -> Terms:
    """Return the terms of an order."""
    # Fixed strides through the possible values: the same in every process, and no pattern of length one.
    symbol, con_id = _STOCKS[order_id * 7 % len(_STOCKS)]
    is_buy = order_id % 2
    limit = 4_000 + order_id * 137 % 30_000
    better = -1 if is_buy else 1
    first = 1 + order_id * 31 % (QUANTITY - 1)
    return Terms(
        symbol=symbol,
        con_id=con_id,
        action="BUY" if is_buy else "SELL",
        limit=limit,
        prices=(limit + better * (order_id % 5), limit + better * (order_id % 3)),
        parts=(first, QUANTITY - first),
        commissions=(35 + order_id % 66, 35 + order_id * 3 % 66),
        exchanges=(_EXCHANGES[order_id % 5], _EXCHANGES[order_id * 3 % 5]),
        perm_id=PERM_ID + order_id,
        key=f"{order_id:032x}",
    )
