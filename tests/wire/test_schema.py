"""The schema against the descriptors of the installed client."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from typing import Any

import pytest
from ibapi.server_versions import MAX_CLIENT_VER

from ibkr_core.wire.schema import MESSAGES, TEXT_ONLY, fields_of
from wire.oracle import HAS_PROTOBUF

pytestmark = pytest.mark.skipif(not HAS_PROTOBUF, reason="the installed ibapi has no protobuf messages")

SHAPES = {
    "int": "INT32",
    "long": "INT64",
    "float": "DOUBLE",
    "bool": "BOOL",
    "str": "STRING",
    "dec": "STRING",
}
ENDED = {"CancelFundamentalsData", "FundamentalsData", "FundamentalsDataRequest"}


def descriptors() -> dict[str, Any]:
    """Every message of the installed client."""
    import ibapi.protobuf

    found = {}
    for module in pkgutil.iter_modules(ibapi.protobuf.__path__):
        name = module.name.removesuffix("_pb2")
        found[name] = getattr(importlib.import_module(f"ibapi.protobuf.{module.name}"), name).DESCRIPTOR
    return found


def shape(field: Any) -> str:
    """The name of a field's type in our schema, quantities seen as text."""
    if field.message_type is not None:
        inner = field.message_type
        return "map" if inner.GetOptions().map_entry else inner.name
    names = {1: "DOUBLE", 3: "INT64", 5: "INT32", 8: "BOOL", 9: "STRING"}
    return names[field.type]


def test_the_schema_has_every_message() -> None:
    """No message of the newest client is missing, and none is invented."""
    theirs = set(descriptors())
    if MAX_CLIENT_VER >= 226:
        assert set(MESSAGES) - ENDED == theirs
    else:
        assert theirs <= set(MESSAGES)


def test_the_schema_has_every_field_with_its_type() -> None:
    """Names and types agree field by field; an older client may lack the newest fields."""
    problems = []
    for message, descriptor in descriptors().items():
        text_only = {entry.partition(":")[0] for entry in TEXT_ONLY.get(message, "").split()}
        ours = {name: field for name, field in fields_of(message).items() if name not in text_only}
        theirs = {field.name: field for field in descriptor.fields}
        if MAX_CLIENT_VER >= 226 and set(ours) != set(theirs):
            problems.append(f"{message}: {set(ours) ^ set(theirs)}")
        for name, field in theirs.items():
            if name not in ours:
                problems.append(f"{message}.{name} is missing")
            elif SHAPES.get(ours[name].name, ours[name].name) != shape(field):
                problems.append(f"{message}.{name}: {ours[name].name} is not {shape(field)}")
            elif ours[name].name != "map" and ours[name].repeated != repeated(field):
                problems.append(f"{message}.{name}: repeated or not")
    assert not problems, "\n".join(problems)


def repeated(field: Any) -> bool:
    """True for a list."""
    return field.is_repeated if hasattr(field, "is_repeated") else field.label == 3


def test_quantities_are_those_that_the_client_makes_decimals() -> None:
    """A text field is a Decimal here if the official decoder makes it one."""
    from ibapi import decoder, decoder_utils

    source = inspect.getsource(decoder) + inspect.getsource(decoder_utils)
    theirs = set(re.findall(r"Decimal\(\w+\.(\w+)\)", source))
    assert "totalQuantity" in theirs
    # Increments are floats there, but the wire carries exact decimals (wire facts 5).
    increments = {"minTick", "lastPricePrecision", "lastSizePrecision", "minAlgoSize"}
    for message in MESSAGES:
        for name, field in fields_of(message).items():
            if field.name == "dec":
                assert name in theirs | increments, (message, name)
            elif name in theirs:
                assert field.name == "int", (message, name)  # a condition's volume


def test_an_unknown_message_is_refused() -> None:
    """A misspelt message name is our own fault and is loud."""
    with pytest.raises(KeyError):
        fields_of("Ordre")
