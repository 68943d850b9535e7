"""From a user's own official Contract and Order objects to ours: every field that is sent, and no guess.

:mod:`ibkr_core.link.convert` reads what the *broker* tells, which is evidence and is not checked. Here it is
the user who asks, so what cannot be meant is refused by name before anything is sent.
"""

from __future__ import annotations

import copy
import functools
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from ibapi.contract import ComboLeg as IbComboLeg
from ibapi.contract import Contract as IbContract
from ibapi.contract import DeltaNeutralContract as IbDeltaNeutral
from ibapi.order import Order as IbOrder
from ibapi.softdollartier import SoftDollarTier

from ibkr_core.errors import InvalidContract, InvalidOrder
from ibkr_core.link.convert import (
    NO_RIGHT,
    UNSET_DECIMAL,
    UNSET_DOUBLE,
    UNSET_INTEGER,
    UNSET_LONG,
    leg_from_official,
)
from ibkr_core.model.contract import ComboLeg, Contract, DeltaNeutral
from ibkr_core.model.fieldnames import check_names
from ibkr_core.model.numbers import to_number
from ibkr_core.model.order import Order, taken_prices
from ibkr_core.model.orderfields import ENGINE_FIELDS, OFFICIAL_NAMES

__all__ = ["contract_of", "order_of"]

_PLAIN: Final = {theirs: ours for ours, theirs in OFFICIAL_NAMES.items()}
_PRICES: Final = ("limit_price", "aux_price", "trail_stop_price", "trailing_percent", "limit_offset")
_NUMBERS: Final = frozenset({*_PRICES, "quantity", "cash_quantity"})
_RETIRED: Final = frozenset({"eTradeOnly", "firmQuoteOnly"})

_CONTRACT_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "symbol": "symbol",
        "secType": "sec_type",
        "lastTradeDateOrContractMonth": "expiry",
        "right": "right",
        "exchange": "exchange",
        "primaryExchange": "primary_exchange",
        "currency": "currency",
        "localSymbol": "local_symbol",
        "tradingClass": "trading_class",
        "secIdType": "sec_id_type",
        "secId": "sec_id",
        "description": "description",
        "issuerId": "issuer_id",
        "comboLegsDescrip": "combo_legs_description",
    }
)
"""Texts of the official Contract, and our names for them."""
_CONTRACT_OTHERS: Final = frozenset(
    # lastTradeDate is filled by the broker and never sent; what is sent is the field with the long name.
    {"conId", "strike", "multiplier", "includeExpired", "comboLegs", "deltaNeutralContract", "lastTradeDate"}
)


@functools.cache
def _usual(kind: type) -> Mapping[str, Any]:
    """Return what the fields of the installed client's class hold in a new object."""
    return MappingProxyType(dict(vars(kind())))


def contract_of(contract: Contract | IbContract, argument: str = "contract") -> Contract:
    """Return our Contract for one of ours, which is returned as it is, or of the official client.

    What only the broker fills (``description``, ``comboLegsDescrip``) is kept, and not sent.

    Args:
        contract: One of either kind.
        argument: The caller's name for it, used in the error.

    Raises:
        InvalidContract: It is neither, or a field holds what it cannot.
        UnknownField: It has a field that a Contract does not have; names the nearest one.
    """
    if isinstance(contract, Contract):
        return contract
    if not isinstance(contract, IbContract):
        raise InvalidContract(argument, f"must be a Contract of ibkr_core or ibapi, not {contract!r}")
    held = vars(contract)
    check_names(held, (*_usual(IbContract), *_CONTRACT_NAMES, *_CONTRACT_OTHERS), "Contract")
    texts = {ours: _text(theirs, held.get(theirs)) for theirs, ours in _CONTRACT_NAMES.items()}
    if texts["right"] in NO_RIGHT:  # a contract as a callback brought it
        texts["right"] = ""
    return Contract(
        con_id=_whole("conId", held.get("conId")),
        strike=_strike(held.get("strike")),
        multiplier=_multiplier(held.get("multiplier")),
        include_expired=_flag(held.get("includeExpired")),
        combo_legs=tuple(_leg(leg) for leg in held.get("comboLegs") or ()),
        delta_neutral=_delta_neutral(held.get("deltaNeutralContract")),
        **texts,
    )


def _text(name: str, value: object) -> str:
    if value is None:
        return ""
    if not isinstance(value, str):
        raise InvalidContract(name, f"must be a text, not {value!r}")
    return value


def _whole(name: str, value: object) -> int:
    if value is None or value == UNSET_INTEGER:
        return 0
    if isinstance(value, bool) or not isinstance(value, int):
        raise InvalidContract(name, f"must be a whole number, not {value!r}")
    return value


def _flag(value: object) -> bool:
    if value not in (None, True, False):
        raise InvalidContract("includeExpired", f"must be True or False, not {value!r}")
    return bool(value)


def _multiplier(value: object) -> str:
    """Take a number too: the field is a text, and few expect that."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return _text("multiplier", value)


def _strike(value: object) -> Decimal | None:
    if value is None or _is_unset(value) or value == _usual(IbContract)["strike"]:
        return None
    return to_number("strike", value, InvalidContract)


def _leg(leg: object) -> ComboLeg:
    if not isinstance(leg, IbComboLeg):
        raise InvalidContract("comboLegs", f"must be ibapi ComboLeg objects, not {leg!r}")
    check_names(vars(leg), _usual(IbComboLeg), "ComboLeg")
    return leg_from_official(leg)


def _delta_neutral(official: object) -> DeltaNeutral | None:
    if official is None:
        return None
    if not isinstance(official, IbDeltaNeutral):
        raise InvalidContract(
            "deltaNeutralContract", f"must be an ibapi DeltaNeutralContract, not {official!r}"
        )
    return DeltaNeutral(_whole("deltaNeutralContract", official.conId), official.delta, official.price)


def order_of(order: Order | IbOrder) -> Order:
    """Return our Order for one of ours, which is returned as it is, or of the official client.

    Fields with a plain name here go there, every other one that was set goes to ``official``. Three things
    differ from what was given, each of which would otherwise harm or mean nothing: an empty ``tif`` becomes
    DAY, which is what the usual preset makes of it (TWS facts 6); a price of zero that the order's type does
    not take is left out; ``eTradeOnly`` and ``firmQuoteOnly``, which old clients set by themselves and
    gateways refuse with 10268 (wire facts 4), stay off.

    Raises:
        InvalidOrder: It is neither, or it cannot work; or it carries an id (``orderId``, ``clientId``,
            ``permId``): those are the engine's, and new terms of an order are for ``engine.modify``.
        UnknownField: It has a field that an Order does not have; names the nearest one.
    """
    if isinstance(order, Order):
        return order
    if not isinstance(order, IbOrder):
        raise InvalidOrder("order", f"must be an Order of ibkr_core or ibapi, not {order!r}")
    own: dict[str, Any] = {"quantity": 0, "action": ""}
    official: dict[str, Any] = {}
    usual = _usual(IbOrder)
    for name, value in vars(order).items():
        if name in _RETIRED or (name in usual and _same(value, usual[name])):
            continue
        if name in ENGINE_FIELDS:
            raise InvalidOrder(
                name,
                f"is assigned by the engine and cannot be {value!r} in a new order; new terms of one that "
                "was sent are for engine.modify",
            )
        plain = _PLAIN.get(name)
        if plain is None:
            official[name] = copy.copy(value)  # the caller may go on changing its lists
        else:
            own[plain] = _own_value(plain, name, value, usual[name])
    own["tif"] = own.get("tif") or "DAY"
    for price in _PRICES:
        if own.get(price) == 0 and price not in taken_prices(own.get("order_type", "")):
            del own[price]
    if "order_type" not in own:
        raise InvalidOrder("orderType", 'is required, such as "LMT"')
    return Order(**own, official=official)


def _own_value(plain: str, name: str, value: object, usual: object) -> object:
    if plain in _NUMBERS:
        return None if _is_unset(value) and plain != "quantity" else to_number(name, value, InvalidOrder)
    if value is None and isinstance(usual, str):
        return ""
    if isinstance(usual, bool) and value in (0, 1):
        return bool(value)
    if plain in ("min_quantity", "display_size"):
        return None if _is_unset(value) else value
    return value


def _is_unset(value: object) -> bool:
    """Whether a number says "not set" in one of the official client's ways; NaN and infinity do not."""
    if isinstance(value, Decimal) and not value.is_finite():
        return False
    return value in (None, "", UNSET_INTEGER, UNSET_LONG, UNSET_DOUBLE, UNSET_DECIMAL)


def _same(value: object, usual: object) -> bool:
    """Whether a field still holds what it holds in a new object, some classes of which have no equality."""
    if isinstance(usual, list) or (usual is None and isinstance(value, list)):
        return not value and not isinstance(value, bool | int)  # no list is an empty one
    if isinstance(usual, SoftDollarTier):
        return isinstance(value, SoftDollarTier) and vars(value) == vars(usual)
    if isinstance(value, bool) is not isinstance(usual, bool):
        return False
    return not (isinstance(value, Decimal) and value.is_snan()) and value == usual
