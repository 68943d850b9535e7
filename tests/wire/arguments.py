"""Comparing the arguments of an EWrapper callback with the fields that we sent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ibkr_core.wire.codec import encode_answer
from ibkr_core.wire.layout import look_up
from ibkr_core.wire.message import Message
from wire.official_compare import differences, same
from wire.oracle import carried, official_calls

NOT_READ_IN_CONTRACTS = {"secIdType", "secId", "includeExpired", "comboLegs", "deltaNeutralContract"}


def heard(kind: str, fields: Mapping[str, Any], version: int) -> list[tuple[str, tuple[Any, ...]]]:
    """Encode an answer and give the callbacks that the official client makes of it."""
    return official_calls(encode_answer(Message(kind, fields), version), version)


def assert_heard(
    kind: str, fields: Mapping[str, Any], version: int, spec: str, callback: str = ""
) -> tuple[Any, ...]:
    """Check that an answer makes one callback with the arguments of ``spec``.

    Args:
        kind: The answer.
        fields: What was sent.
        version: The server version.
        spec: One word an argument: ``path:type``, ``path=Message`` for an object, ``path=[Message]`` for a
            list of objects, or ``-`` for an argument that the caller checks.
        callback: Name of the callback, if it is not the kind's.

    Returns:
        The arguments.
    """
    calls = heard(kind, fields, version)
    assert [name for name, _ in calls] == [callback or kind]
    arguments = calls[0][1]
    assert_arguments(kind, fields, version, spec, arguments)
    return arguments


def assert_arguments(
    kind: str, fields: Mapping[str, Any], version: int, spec: str, arguments: tuple[Any, ...]
) -> None:
    """Check the arguments of one callback; see `assert_heard`."""
    words = spec.split()
    assert len(words) == len(arguments), (words, arguments)
    problems: list[str] = []
    for word, got in zip(words, arguments, strict=True):
        if word == "-":
            continue
        if ":" in word:
            path, _, type_name = word.partition(":")
            sent = look_up(fields, path)
            if not same(type_name, sent, got):
                problems.append(f"{path}: sent {sent!r}, the client read {got!r}")
            continue
        path, _, message = word.partition("=")
        if message.startswith("["):
            problems += _lists(message.strip("[]"), look_up(fields, path) or [], got, path)
        else:
            names = carried(kind, version, path) - NOT_READ_IN_CONTRACTS
            problems += differences(message, look_up(fields, path) or {}, got, names, f"{path}.")
    assert not problems, "\n".join(problems)


def _lists(message: str, sent: list[Any], got: Any, path: str) -> list[str]:
    if len(sent) != len(got):
        return [f"{path}: sent {len(sent)}, the client read {len(got)}"]
    found = []
    for index, (mine, other) in enumerate(zip(sent, got, strict=True)):
        found += differences(message, mine, other, set(mine), f"{path}[{index}].")
    return found
