"""What was told last about a contract or an order, kept so that telling it again is cheap.

An order is told some ten times with the same contract and mostly the same terms. Encoders keep what they made
of a :class:`~ibkr_core.wire.message.Part`; this finds the part again when its fields are still the same.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from ibkr_core.wire.message import Part

__all__ = ["Echoes"]

_MOST = 512


class Echoes:
    """Sub-messages that were sent already.

    Args:
        most: So many are kept; the oldest goes first.
    """

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._parts: dict[Hashable, Part] = {}
        self._latest: dict[str, Part] = {}

    def part(self, family: str, key: Hashable, fields: dict[str, Any]) -> Part:
        """Give fields as a part: the one told last under this key when nothing differs, else a new one.

        Args:
            family: What kind of thing it is; a new part keeps of the latest of its family what is the same.
            key: Which one.
            fields: As they are now.
        """
        known = self._parts.get((family, key))
        if known == fields:
            return known
        if known is None and len(self._parts) >= self._most:
            del self._parts[next(iter(self._parts))]
        like = known or self._latest.get(family)
        made = Part(fields) if like is None else like.changed(fields)
        self._parts[family, key] = self._latest[family] = made
        return made
