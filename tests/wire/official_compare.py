"""Comparing what the official client read with what we wrote."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from ibkr_core.wire.scalars import UNSET_DECIMAL, UNSET_DOUBLE, UNSET_INT, UNSET_LONG
from ibkr_core.wire.schema import fields_of

RENAMED: Mapping[str, Mapping[str, str]] = {
    "Contract": {"primaryExch": "primaryExchange"},
    "ComboLeg": {"shortSalesSlot": "shortSaleSlot"},
    "SoftDollarTier": {"value": "val"},
    "Execution": {"isLiquidation": "liquidation", "isPriceRevisionPending": "pendingPriceRevision"},
    "CommissionAndFeesReport": {"bondYield": "yield_"},
    "ContractDetails": {
        "puttable": "putable",
        "bondNotes": "notes",
        "fundMinimumSubsequentPurchase": "fundSubsequentMinimumPurchase",
    },
    "IneligibilityReason": {"id": "id_"},
    "FamilyCode": {"accountId": "accountID", "familyCode": "familyCodeStr"},
    "HistoricalDataBar": {"WAP": "wap"},
    "OrderCondition": {"type": "condType"},
    "NewsProvider": {"providerCode": "code", "providerName": "name"},
}
"""Names that the classes of the client spell otherwise than the protobuf messages."""

OLD_NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "CommissionAndFeesReport": {"commissionAndFees": ("commissionAndFees", "commission")},
    "OrderState": {
        "commissionAndFees": ("commissionAndFees", "commission"),
        "minCommissionAndFees": ("minCommissionAndFees", "minCommission"),
        "maxCommissionAndFees": ("maxCommissionAndFees", "maxCommission"),
        "commissionAndFeesCurrency": ("commissionAndFeesCurrency", "commissionCurrency"),
    },
    "HistoricalDataBar": {"WAP": ("wap", "average")},
}
"""Names that changed between client versions: the first that exists counts."""

_UNSETS = (None, "", 0, False, UNSET_INT, UNSET_LONG, UNSET_DOUBLE, UNSET_DECIMAL, -1)


def is_unset(value: Any) -> bool:
    """Tell whether the client would show this for a field that was not sent."""
    if isinstance(value, list | tuple | set | dict):
        return not value
    if isinstance(value, str):
        # "None" is str(None), the default of a few of the client's attributes.
        return value in {"", "1.7976931348623157E308", "None"}
    return value in _UNSETS


def attribute(message: str, name: str, owner: Any) -> Any:
    """Give the attribute of the client's object that stands for one of our fields.

    Raises:
        AttributeError: The client of this version has none.
    """
    names = OLD_NAMES.get(message, {}).get(name) or (RENAMED.get(message, {}).get(name, name),)
    for candidate in names:
        if hasattr(owner, candidate):
            return getattr(owner, candidate)
    raise AttributeError(f"{type(owner).__name__} has none of {names}")


def same(kind: str, ours: Any, theirs: Any) -> bool:
    """Compare one value of a schema type with the client's."""
    if ours is None:
        return is_unset(theirs)
    match kind:
        case "int" | "long":
            return int(theirs) == ours
        case "bool":
            return bool(theirs) is ours
        case "float":
            return float(theirs) == ours
        case "dec":
            return Decimal(str(theirs)) == ours if theirs != "" else False
        case "map":
            return {pair.tag: pair.value for pair in theirs} == ours
        case _:
            return str(theirs) == ours


def differences(
    message: str, ours: Mapping[str, Any], theirs: Any, names: set[str], path: str = ""
) -> list[str]:
    """List what differs between our fields and the client's object.

    Args:
        message: Name of the schema entry.
        ours: The fields that were sent.
        theirs: The object that the client made.
        names: The fields that this version's form of the message carries.
        path: Prefix for the report.
    """
    found = []
    for name, field in fields_of(message).items():
        if name not in names:
            continue
        value = ours.get(name)
        try:
            got = attribute(message, name, theirs)
        except AttributeError as error:
            found.append(f"{path}{name}: {error}")
            continue
        if field.is_message and field.repeated:
            found += _list_differences(field.name, value or [], got or [], f"{path}{name}")
        elif field.is_message:
            found += _inner_differences(field.name, value, got, f"{path}{name}.")
        elif not same(field.name, value, got):
            found.append(f"{path}{name}: sent {value!r}, the client read {got!r}")
    return found


def strays(message: str, theirs: Any, names: set[str], *, ignore: set[str] = frozenset()) -> list[str]:
    """List attributes that no field of ours stands for and that yet differ from a fresh object's.

    Such an attribute got what was meant for another field, or a filler that should have been a field.
    """
    renamed = RENAMED.get(message, {})
    covered = set(ignore)
    for name in names:
        covered |= {renamed.get(name, name), *OLD_NAMES.get(message, {}).get(name, ())}
    fresh = vars(type(theirs)())
    return [
        f"{name} became {value!r} though no field carries it"
        for name, value in vars(theirs).items()
        if name not in covered and not is_unset(value) and repr(value) != repr(fresh.get(name))
    ]


def _inner_differences(message: str, ours: Any, theirs: Any, path: str) -> list[str]:
    names = set(fields_of(message))
    if theirs is None:
        return [] if not ours else [f"{path} sent {ours!r}, the client read nothing"]
    return differences(message, ours or {}, theirs, names, path)


def _list_differences(message: str, ours: list[Any], theirs: list[Any], path: str) -> list[str]:
    if len(ours) != len(theirs):
        return [f"{path}: sent {len(ours)}, the client read {len(theirs)}"]
    found = []
    for index, (mine, other) in enumerate(zip(ours, theirs, strict=True)):
        carried = {
            name
            for name in fields_of(message)
            if _has(message, name, other) and (message, name) != ("ComboLeg", "perLegPrice")
        }
        found += differences(message, mine, other, carried, f"{path}[{index}].")
    return found


def _has(message: str, name: str, owner: Any) -> bool:
    try:
        attribute(message, name, owner)
    except AttributeError:
        return False
    return True
