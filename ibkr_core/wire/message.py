"""One decoded message, the same value whether it came as text or as protobuf."""

from collections.abc import Mapping
from typing import Any, Never

import attrs

__all__ = ["FieldValue", "Message", "Part"]

FieldValue = Any
"""int, float, Decimal, bool, str, a list of these, or a mapping; which one, the schema tells."""


class Part(dict[str, Any]):
    """A sub-message that nobody changes any more, so that encoders may keep what they made of it.

    An order is told many times with the same contract and mostly the same terms; as parts, they are encoded
    once. What is inside it must not change either.
    """

    __slots__ = ("made",)

    def __init__(self, fields: Mapping[str, Any]) -> None:
        super().__init__(fields)
        # What each maker made; one with an attribute ``reads`` looks at these fields of the part alone.
        self.made: dict[object, Any] = {}

    def changed(self, fields: Mapping[str, Any]) -> "Part":
        """A part with other fields, which keeps what was made of fields that are still the same."""
        other = Part(fields)
        differing = {name for name in self.keys() | fields.keys() if self.get(name) != fields.get(name)}
        for maker, made in self.made.items():
            reads: frozenset[str] | None = getattr(maker, "reads", None)
            if reads is not None and reads.isdisjoint(differing):
                other.made[maker] = made
        return other

    def _refuse(self, *_: object, **__: object) -> Never:
        raise TypeError("a part does not change")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse


@attrs.frozen
class Message:
    """A request or an answer of the TWS protocol.

    Attributes:
        kind: The official name: the ``EClient`` method for a request ("placeOrder"), the ``EWrapper``
            method for an answer ("orderStatus"). The fee report keeps the older name "commissionReport".
        fields: Values under the field names of the protobuf messages (camelCase), with nested mappings for
            sub-messages, lists for repeated fields and mappings for tag/value lists. A key that is absent
            means unset; the sentinels of the wire (empty text, the largest double, ...) never stand here.
            A flag that is false may be absent too: protobuf clients do not send it (wire facts 6).
            Quantities are ``Decimal``, prices are ``float`` as on the wire.
    """

    kind: str
    fields: Mapping[str, Any] = attrs.field(factory=dict)
