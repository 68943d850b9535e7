"""What callers bring along to an engine, looked at before anything is made of it."""

from __future__ import annotations

import inspect
import os
import uuid
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from ibkr_core.errors import InvalidInput, InvalidOrder
from ibkr_core.journal import Journal
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule
from ibkr_core.link.client import TwsClient
from ibkr_core.model.checks import check_flag, check_function
from ibkr_core.model.contract import Contract
from ibkr_core.model.fieldnames import check_names
from ibkr_core.model.order import Action, Order
from ibkr_core.settings import EngineSettings

__all__ = ["check_client_id", "check_options", "check_part", "check_parts", "check_side", "pairs_of"]

INT_LIMIT: Final = 2**31
"""The protocol's integers are smaller than this."""


def check_client_id(value: object, *, is_dry_run: object = False) -> None:
    """Raise unless a value can be a client id, of a dry run or a real session.

    Raises:
        InvalidInput: It cannot.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value < INT_LIMIT:
        raise InvalidInput("client_id", f"must be a whole number from 0 to {INT_LIMIT - 1}, not {value!r}")
    check_flag("is_dry_run", is_dry_run)


def check_parts(
    *,
    journal: object = None,
    settings: object = None,
    clock: object = None,
    runner: object = None,
    rules: object = DEFAULT_RULES,
    client_class: object = TwsClient,
    make_key: object = uuid.uuid4,
    on_progress: object = None,
) -> None:
    """Raise unless the parts of an engine are what they must be; None stands for the usual one.

    Raises:
        InvalidInput: One is not.
    """
    if journal is not None and not isinstance(journal, Journal | str | os.PathLike):
        raise InvalidInput("journal", f"must be a path, or an open Journal, not {journal!r}")
    if settings is not None and not isinstance(settings, EngineSettings):
        raise InvalidInput("settings", f"must be EngineSettings, not {settings!r}")
    if clock is not None:
        check_part("clock", clock, "a Clock", ("now",))
    if runner is not None:
        check_part("runner", runner, "a Runner", ("connect", "wait", "join"))
    if not isinstance(rules, Mapping) or not all(isinstance(rule, CodeRule) for rule in rules.values()):
        raise InvalidInput("rules", f"must be CodeRule values by error code, not {rules!r}")
    if not isinstance(client_class, type) or not issubclass(client_class, TwsClient):
        raise InvalidInput("client_class", f"must be a class derived from TwsClient, not {client_class!r}")
    check_function("make_key", make_key)
    if on_progress is not None:
        check_function("on_progress", on_progress)


def pairs_of(orders: Iterable[tuple[Contract, Order]]) -> tuple[tuple[Contract, Order], ...]:
    """Return what a group of orders is made of, if that is what it is; who sends them looks at each.

    Raises:
        InvalidInput: It is not.
    """
    pairs = tuple(orders) if isinstance(orders, Iterable) else ()
    is_row = isinstance(orders, Iterable) and not isinstance(orders, str)
    if not is_row or not all(isinstance(one, tuple | list) and len(one) == 2 for one in pairs):  # noqa: PLR2004 - pairs
        raise InvalidInput("orders", f"must be pairs of a contract and an order, not {orders!r}")
    return pairs


def check_part(argument: str, value: object, words: str, methods: tuple[str, ...]) -> None:
    """Raise unless a part that a caller brings along has the methods that will be called.

    Raises:
        InvalidInput: It has not.
    """
    if isinstance(value, type) or not all(callable(getattr(value, name, None)) for name in methods):
        raise InvalidInput(argument, f"must be {words}, not {value!r}")


def check_options(call: Callable[..., object], options: Mapping[str, object]) -> None:
    """Raise unless a call takes all these options.

    Raises:
        UnknownField: It does not; names the nearest one.
    """
    known = [one.name for one in inspect.signature(call).parameters.values() if one.kind is one.KEYWORD_ONLY]
    check_names(options, known, call.__name__)


def check_side(side: object) -> None:
    """Raise unless a value is the side of an order.

    Raises:
        InvalidOrder: It is not.
    """
    if not isinstance(side, str) or side.upper() not in tuple(Action):
        raise InvalidOrder("side", f"must be BUY or SELL, not {side!r}")
