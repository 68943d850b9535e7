"""The text form of openOrder and error, decoded straight into facts; see :mod:`ibkr_core.wire.hot`.

An openOrder has about 130 fields, whose places depend on the version and, where an order has legs,
conditions or an algorithm, on the fields before. Only orders that have none of these are decoded here: their
places follow from the layout table alone, once for a connection. All that stands behind the order's own ids
and prices repeats from echo to echo, so it is read once for each distinct text.

Anything else is declined (``None``), and left to the official decoder.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.model.facts import ErrorFact, OpenOrderFact
from ibkr_core.model.making import making
from ibkr_core.model.order import BrokerOrder
from ibkr_core.wire.hot import Known, Tables, from_double, unless_unset
from ibkr_core.wire.layout import Const, Slots, When, active
from ibkr_core.wire.layouts.orders import ANSWERS
from ibkr_core.wire.plan import field_type

__all__ = ["BLANK_ECHO", "WarmFact", "WarmTextDecoder", "warm_text_decoders"]

WarmFact = OpenOrderFact | ErrorFact
WarmTextDecoder = Callable[[str], WarmFact | None]
"""Takes the text behind the message id and its NUL, all of it ASCII. None: not by me."""

_VERSION_UNTIL: Final = 145
"""From this version on, an openOrder does not begin with a version of its own."""
_OPEN_ORDER_VERSION: Final = "34"
_REJECT_SINCE: Final = 166
_TIME_SINCE: Final = 194
_MOST_RESTS: Final = 2_000
"""They are hundreds of characters long."""
_UNSET_DOUBLE: Final = 1.7976931348623157e308
_NO_DECIMAL: Final = frozenset(
    {"2147483647", "9223372036854775807", "1.7976931348623157E308", "-9223372036854775808"}
)
_LAYOUT: Final = ANSWERS["openOrder"]
_ALWAYS_GOOD: Final = frozenset({"", "0"})
"""A text, a number, a flag and a count of nothing may be these, and most fields are."""
_HEAD_ENDS_WITH: Final = "order.permId"

BLANK_ECHO: Final = BrokerOrder(order_id=0, client_id=0, oca_type=0, parent_id=0, outside_rth=False)
"""What an order comes to of which the broker says nothing, in every client that we support."""


def warm_text_decoders(server_version: int) -> Mapping[int, WarmTextDecoder]:
    """Return decoders of the text form by message id, for a connection of this version (142 or above)."""
    return {4: _error_decoder(server_version), 5: _open_order_decoder(server_version)}


# ── error ───────────────────────────────────────────────────────────────────────────────────────


def _error_decoder(server_version: int) -> WarmTextDecoder:
    new = making(ErrorFact)
    begin = int(server_version < _TIME_SINCE)  # a version of its own
    has_reject, has_time = server_version >= _REJECT_SINCE, server_version >= _TIME_SINCE
    wanted = begin + 3 + has_reject + has_time + 1

    def error(text: str) -> ErrorFact | None:
        fields = text.split("\0")
        if len(fields) != wanted or "\\" in text:  # an escape, which the clients read in different ways
            return None
        try:
            int(fields[0])  # a version, of no use here
            fact = new(
                request_id=int(fields[begin]),
                code=int(fields[begin + 1]),
                message=fields[begin + 2],
                advanced_reject=fields[begin + 3] if has_reject else "",
                time_ms=(int(fields[begin + 4]) or None) if has_time else None,
            )
        except ValueError:
            return None
        fact.__class__ = ErrorFact
        return fact

    return error


# ── openOrder ───────────────────────────────────────────────────────────────────────────────────


@attrs.frozen
class _Rest:
    """What the fields behind the permanent id say of a plain order."""

    outside_rth: bool
    oca_type: int | None
    parent_id: int | None
    trail_stop_price: Decimal | None
    trailing_percent: Decimal | None
    status: str
    commission: Decimal | None
    commission_currency: str
    reject_reason: str
    warning: str


def _any(_: str) -> None:
    """Accept every text."""


def _whole(text: str) -> None:
    int(text or 0)


def _double(text: str) -> None:
    float(text or 0)


def _decimal(text: str) -> None:
    if text not in _NO_DECIMAL:
        Decimal(text)  # its fault is an ArithmeticError


def _no_entries(text: str) -> None:
    """Accept a count only where it is 0."""
    raise ValueError(f"{text!r} entries follow: not plain")


_CHECKS: Final[Mapping[str, Callable[[str], None]]] = {
    "int": _whole,
    "long": _whole,
    "bool": _whole,
    "float": _double,
    "dec": _decimal,
    "str": _any,
}
"""What the official decoder takes for a field of each type; it refuses the message otherwise."""


@attrs.frozen
class _Places:
    """Where the fields of a plain order stand behind the message id.

    Attributes:
        names: The dotted name of each field; empty for one that carries nothing.
        checks: What each must hold for the order to be plain, and the message to be one.
        decisions: What makes fields follow that a plain order has not, by the field that decides.
    """

    names: tuple[str, ...]
    checks: tuple[Callable[[str], None], ...]
    decisions: Mapping[str, When]

    @property
    def head(self) -> int:
        """How many fields stand in front of what repeats."""
        return self.names.index(_HEAD_ENDS_WITH) + 1

    def memory(self, name: str) -> Known[str, bool]:
        """Return what remembers of each text of a field whether it makes others follow.

        Raises:
            ValueError: On looking up what is no number where one should be.
        """
        _, key = name.split(".")
        is_number = field_type(_LAYOUT.message, name).name == "float"
        condition = self.decisions[name].condition

        def is_decided(text: str) -> bool:
            value: object = text
            if is_number:
                value = None if not text or float(text) == _UNSET_DOUBLE else float(text)
            return condition({"order": {key: value}})

        return Known(is_decided)


def _places(server_version: int) -> _Places:
    """Follow the layout as for an order that has no lists."""
    names: list[str] = []
    checks: list[Callable[[str], None]] = []
    decisions: dict[str, When] = {}
    for node in active(_LAYOUT.nodes, server_version):
        if isinstance(node, Slots):
            names += node.paths
            checks += [_CHECKS[field_type(_LAYOUT.message, path).name] for path in node.paths]
        elif isinstance(node, When):
            decisions[node.looks_at] = node
        else:
            names.append("")
            checks.append(_any if isinstance(node, Const) else _no_entries)
    return _Places(tuple(names), tuple(checks), decisions)


def _rest_reader(places: _Places) -> Callable[[str], _Rest | None]:
    """Return what reads the fields behind the permanent id; None for an order that is not plain."""
    names, checks = places.names[places.head :], places.checks[places.head :]
    at = {name: place for place, name in enumerate(names)}  # of two trailStopPrices the second, as officially
    decisive = [(name, places.memory(name)) for name in places.decisions if name in at]

    def read(text: str) -> _Rest | None:
        fields = text.split("\0")
        if len(fields) != len(names) + 1:
            return None
        said = {name: fields[place] for name, place in at.items()}
        try:
            for check, one in zip(checks, fields, strict=False):  # the last one stands behind the last NUL
                if one not in _ALWAYS_GOOD:
                    check(one)
            if any(decided[said[name]] for name, decided in decisive):
                return None
            if int(said["order.whatIf"] or 0) or said["contract.comboLegsDescrip"]:
                return None
            return _Rest(
                outside_rth=int(said["order.outsideRth"] or 0) != 0,
                oca_type=unless_unset(int(said["order.ocaType"] or 0)),
                parent_id=unless_unset(int(said["order.parentId"] or 0)),
                trail_stop_price=from_double(float(said["order.trailStopPrice"] or 0)),
                trailing_percent=_unless_blank(said["order.trailingPercent"]),
                status=said["orderState.status"],
                commission=_unless_blank(said["orderState.commissionAndFees"]),
                commission_currency=said["orderState.commissionAndFeesCurrency"],
                reject_reason=said.get("orderState.rejectReason", ""),
                warning=said["orderState.warningText"],
            )
        except (ValueError, ArithmeticError):
            return None

    return read


def _unless_blank(text: str) -> Decimal | None:
    return from_double(float(text)) if text else None


def _open_order_decoder(server_version: int) -> WarmTextDecoder:
    places, tables = _places(server_version), Tables()
    head, has_version = places.head, server_version < _VERSION_UNTIL
    new_order, new_fact = making(BrokerOrder), making(OpenOrderFact)
    ints, sizes, words, contracts = tables.ints, tables.sizes, tables.words, tables.contracts
    limits: Known[str, Decimal | None] = Known(_unless_blank)
    rests: Known[str, _Rest | None] = Known(_rest_reader(places), _MOST_RESTS)
    moves = places.memory("order.orderType")

    def open_order(text: str) -> OpenOrderFact | None:
        fields = text.split("\0", head)
        if has_version and fields.pop(0) != _OPEN_ORDER_VERSION:
            return None
        try:
            (order_id, *of_contract, action, quantity, kind, limit, aux, tif, oca_group, account,
             _, origin, order_ref, client_id, perm_id, text_of_rest) = fields  # fmt: skip
            rest = rests[text_of_rest]
            if rest is None or moves[kind]:
                return None
            int(origin or 0)  # of no use here; the official decoder reads it
            order = new_order(
                order_id=ints[order_id],
                client_id=ints[client_id],
                perm_id=ints[perm_id] or None,
                action=words[action],
                total_quantity=sizes[quantity],
                order_type=words[kind],
                limit_price=limits[limit],
                aux_price=limits[aux],
                trail_stop_price=rest.trail_stop_price,
                trailing_percent=rest.trailing_percent,
                tif=words[tif],
                account=words[account],
                order_ref=order_ref,
                oca_group=oca_group,
                oca_type=rest.oca_type,
                parent_id=rest.parent_id,
                outside_rth=rest.outside_rth,
            )
            contract = contracts["\0".join(of_contract)]
        except ValueError:  # no number where one should be; another count of fields
            return None
        order.__class__ = BrokerOrder
        fact = new_fact(
            order=order,
            contract=contract,
            status=rest.status,
            reject_reason=rest.reject_reason,
            warning=rest.warning,
            commission=rest.commission,
            commission_currency=rest.commission_currency,
        )
        fact.__class__ = OpenOrderFact
        return fact

    return open_order
