"""How packed orders write what is too odd for their table: as the journal writes commands, and back."""

from __future__ import annotations

from typing import Any, Final

from ibkr_core.journal import encoding
from ibkr_core.lifecycle.packing import Unpackable
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import BrokerOrder, Order

__all__ = ["CODEC", "JournalCodec"]


class JournalCodec:
    """Writes terms by :mod:`ibkr_core.journal.encoding`."""

    def write(self, value: Order | BrokerOrder | Contract) -> str:
        """See :class:`ibkr_core.lifecycle.packing.Codec`."""
        text = encoding.value_to_json(value)
        if text is None:
            raise Unpackable("the terms hold a value that cannot be read back")
        return text

    def read(self, kind: str, text: str) -> Any:  # noqa: ANN401 - an Order or a BrokerOrder
        """See :class:`ibkr_core.lifecycle.packing.Codec`."""
        return encoding.from_json(kind, text)


CODEC: Final = JournalCodec()
