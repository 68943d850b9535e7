"""What an error code proves about an order: data, judged with the request that it answers.

The reqId of an error callback is the order's id, but the same code means different things in answer
to a new order, a modification or a cancel (TWS facts 7). So a rule has one verdict for each, and the
rules are a table that users can extend::

    rules = extend(DEFAULT_RULES, {460: CodeRule(new=Verdict.REJECTED)})

A code that no rule names leads to :attr:`Verdict.CHECK`: nobody knows, so the broker is asked.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.model.record import Request

__all__ = ["DEFAULT_RULES", "CodeRule", "Verdict", "answered_request", "extend", "judge", "stated_word"]


class Verdict(enum.Enum):
    """What is proved."""

    REJECTED = "rejected"
    """The request is dead; for a new order: no such order exists."""
    DEAD = "dead"
    """The rest of the order is dead."""
    UNTOUCHED = "untouched"
    """The request was refused or is void; the order stands as it did before."""
    ASK = "ask"
    """As UNTOUCHED, but the message hints at a state that we should read from the broker."""
    WARNING = "warning"
    """The order goes on."""
    RETRY = "retry"
    """The request is void for now and nothing of it lives; sent again a little later it can succeed."""
    CHECK = "check"
    """The order's fate is open until the broker is asked."""
    STATED = "stated"
    """The text names the state (code 10148); if it cannot be read, as CHECK."""
    UNRELATED = "unrelated"
    """Not about an order, whatever the id says."""


def _check_verdict(argument: str, value: object) -> None:
    if not isinstance(value, Verdict):
        raise InvalidInput(argument, f"must be a Verdict, not {value!r}")


def _verdict(_: object, field: attrs.Attribute[Any], value: object) -> None:
    _check_verdict(field.name, value)


@attrs.frozen(kw_only=True)
class CodeRule:
    """What one code proves, by the request it answers.

    Attributes:
        new: In answer to an order that the broker has not acknowledged.
        modify: In answer to a modification.
        cancel: In answer to a cancel.
        idle: When nothing of ours is outstanding for an acknowledged order.
    """

    new: Verdict = attrs.field(validator=_verdict)
    modify: Verdict = attrs.field(validator=_verdict)
    cancel: Verdict = attrs.field(validator=_verdict)
    idle: Verdict = attrs.field(validator=_verdict)

    @classmethod
    def always(cls, verdict: Verdict) -> CodeRule:
        """Make a rule that does not depend on the request.

        Raises:
            InvalidInput: It is no Verdict.
        """
        _check_verdict("verdict", verdict)
        return cls(new=verdict, modify=verdict, cancel=verdict, idle=verdict)


_V = Verdict

_NEW_DEAD: Final = CodeRule(new=_V.REJECTED, modify=_V.ASK, cancel=_V.ASK, idle=_V.CHECK)
"""Refuses a new order. As an answer to a modify it refuses that; the working order is read again."""
_NEW_OR_MODIFY: Final = CodeRule(new=_V.REJECTED, modify=_V.UNTOUCHED, cancel=_V.UNTOUCHED, idle=_V.UNTOUCHED)
"""Refuses a new order or a modify; facts 7 says that a modified order stays as it was."""
_DEAD: Final = CodeRule.always(_V.DEAD)
_UNTOUCHED: Final = CodeRule.always(_V.UNTOUCHED)
_ASK: Final = CodeRule.always(_V.ASK)
_WARNING: Final = CodeRule.always(_V.WARNING)
_CHECK: Final = CodeRule.always(_V.CHECK)
_UNRELATED: Final = CodeRule.always(_V.UNRELATED)

_DEFAULTS: Final[tuple[tuple[CodeRule, str], ...]] = (
    (
        _NEW_DEAD,
        """
        106 107 111 113 114 115 116 117 118 119 120 121 123 125 126 129 132 140 141 142 143 144 145
        146 147 148 151 152 153 154 155 156 157 158 159 160 163 167 168 200 203 328 356 358 359 360 387
        388 391 392 395 396 397 398 400 401 402 403 405 406 407 408 409 410 411 412 413 417 418 419 421
        424 425 426 427 428 429 431 432 433 434 435 436 437 438 439 441 442 443 445 446 447 448 449 460
        312 313 314 10006 10052 10063 10224 10268 10269 10270
        """,
    ),
    (
        _NEW_OR_MODIFY,
        # 103 kills the new request only; a live order with that id is untouched (facts 4).
        # 10243-10248 and 10250: refusals of fractional or odd sizes (facts 6), of the same kind as 355.
        """
        103 109 110 320 321 322 323 355 382 383 422 440 10243 10244 10245 10246 10247 10248 10250 10325 10326
        10327
        """,
    ),
    # 201 also comes for an order that worked for a while: its rest is dead, and facts 7 says so plainly.
    (CodeRule.always(_V.REJECTED), "201"),
    (_DEAD, "202"),
    (
        _UNTOUCHED,
        "100 105 136 137 326 329 444 512 515 516 538 2102 10241 10242 10341",
    ),
    # The connection's trouble: every order stays as it was, and no request of ours is answered by it.
    (_WARNING, "501 502 503 504 505 506 507 508 1100 1101 1102 1300 2110"),
    # These say that the order is gone, filled or cancelling without saying which.
    (_ASK, "104 135 161"),
    (_WARNING, "131 399 404 2109 2111 2130 2137 2168 2169 10233 10311 10329 10331 10349"),
    # 481: IB reduced the size, so the echo must be read again.
    (CodeRule.always(_V.WARNING), "481"),
    (_CHECK, "133 134 164 461 463 478 482 492 2148 10147 10149 10328"),
    (CodeRule.always(_V.STATED), "10148"),
    (_UNRELATED, "165 166 327 2100 2101 2103 2104 2105 2106 2107 2108 2119 2157 2158 10225"),
)


def _build() -> Mapping[int, CodeRule]:
    rules: dict[int, CodeRule] = {}
    for rule, codes in _DEFAULTS:
        rules.update((int(code), rule) for code in codes.split())
    for code in range(2100, 2200):  # the rest of the band is warnings (facts 9.5)
        rules.setdefault(code, _WARNING)
    return MappingProxyType(rules)


DEFAULT_RULES: Final[Mapping[int, CodeRule]] = _build()
"""Every code of TWS facts 7."""


def extend(
    rules: Mapping[int, CodeRule], changes: Mapping[int, CodeRule | Verdict]
) -> Mapping[int, CodeRule]:
    """Return ``rules`` with some codes added or replaced; a bare verdict holds for every request.

    Raises:
        InvalidInput: A key that is no code, or a value that is no rule.
    """
    merged = dict(rules)
    for code, rule in changes.items():
        if isinstance(code, bool) or not isinstance(code, int) or code <= 0:
            raise InvalidInput("code", f"must be a positive whole number, not {code!r}")
        if isinstance(rule, Verdict):
            merged[code] = CodeRule.always(rule)
        elif isinstance(rule, CodeRule):
            merged[code] = rule
        else:
            raise InvalidInput("rule", f"must be a CodeRule or a Verdict, not {rule!r}")
    return MappingProxyType(merged)


# Whatever else is open, these answer the cancel.
_CANCEL_REPLIES: Final = frozenset({136, 137, 161, 202, 10147, 10148})


def answered_request(code: int, pending: Iterable[Request]) -> Request | None:
    """Say which of our open requests a code answers, None when none is open."""
    outstanding = frozenset(pending)
    if Request.CANCEL in outstanding and code in _CANCEL_REPLIES:
        return Request.CANCEL
    if Request.NEW in outstanding:
        return Request.NEW
    if Request.CANCEL in outstanding and Request.MODIFY not in outstanding:
        return Request.CANCEL
    return Request.MODIFY if Request.MODIFY in outstanding else None


def judge(code: int, pending: Iterable[Request], rules: Mapping[int, CodeRule] = DEFAULT_RULES) -> Verdict:
    """Judge a code by the requests that are outstanding for its order.

    Args:
        code: The error code.
        pending: Our unanswered requests for the order.
        rules: The table.
    """
    rule = rules.get(code)
    if rule is None:
        return Verdict.CHECK
    outstanding = frozenset(pending)
    if {Request.NEW, Request.MODIFY} <= outstanding and rule.new is Verdict.REJECTED is not rule.modify:
        # A modification can be refused before the order itself was acknowledged (TWS facts 6: it may be
        # sent by then). Nothing tells which of the two this is, and a live order must not count as dead.
        return Verdict.CHECK
    match answered_request(code, outstanding):
        case Request.NEW:
            return rule.new
        case Request.CANCEL:
            return rule.cancel
        case Request.MODIFY:
            return rule.modify
        case _:
            return rule.idle


_STATE: Final = re.compile(r"state:\s*([A-Za-z]+)")


def stated_word(message: str) -> str | None:
    """Return the status word that a 10148 names, or None when the text is localised or cut."""
    match = _STATE.search(message)
    return match.group(1) if match else None
