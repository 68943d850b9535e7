"""Live orders by what they trade: how many there are of one account, contract and side, without a walk."""

from __future__ import annotations

from typing import TypeVar

from ibkr_core.lifecycle.entry import OrderEntry
from ibkr_core.model.contract import Contract
from ibkr_core.model.status import FINISHED

__all__ = ["Sides"]

_Key = TypeVar("_Key", int, str)
_Entries = dict[int, OrderEntry]
"""Some orders, by row."""


class Sides:
    """Orders whose contract and terms are known, by contract id and by name.

    Whoever owns the orders tells of each one that comes to be live with a contract and terms, or gets them
    while it is live, or is put away. That one has finished need not be told: it is dropped when it is met.
    """

    __slots__ = ("_by_id", "_by_name")

    def __init__(self) -> None:
        self._by_id: dict[int, _Entries] = {}
        self._by_name: dict[str, _Entries] = {}

    def add(self, entry: OrderEntry) -> None:
        """Take a live order in, if it is one to count; one that is here already stays."""
        contract = entry.contract
        if contract is None or entry.order is None:
            return
        if contract.con_id:
            self._by_id.setdefault(contract.con_id, {})[entry.row] = entry
        self._by_name.setdefault(_name_of(contract), {})[entry.row] = entry

    def drop(self, entry: OrderEntry) -> None:
        """Forget an order that is put away."""
        if entry.contract is not None:
            _drop(self._by_id, entry.contract.con_id, entry.row)
            _drop(self._by_name, _name_of(entry.contract), entry.row)

    def count(self, account: str, con_id: int, name: str, action: str) -> int:
        """Count the live orders of one account, contract and side.

        Args:
            account: The account; orders that name none count too.
            con_id: The contract's id; 0 where it is not known, and its name has to do.
            name: The contract's name.
            action: The side, as the broker writes it.
        """
        found = self._by_id.get(con_id) if con_id else self._by_name.get(name)
        if not found:
            return 0
        count = 0
        finished = []
        for row, entry in found.items():
            if entry.status in FINISHED:
                finished.append(row)
            else:
                order = entry.order
                count += order is not None and order.action == action and order.account in (account, "")
        for row in finished:
            del found[row]
        return count


def _name_of(contract: Contract) -> str:
    try:
        return contract.name
    except ArithmeticError:  # a strike that is no number, which the broker can send
        return ""


def _drop(among: dict[_Key, _Entries], key: _Key, row: int) -> None:
    found = among.get(key)
    if found is not None:
        found.pop(row, None)
        if not found:
            del among[key]
