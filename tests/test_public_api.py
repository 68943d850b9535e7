"""The public names: what a user may import from the top, and that each says what it is."""

from __future__ import annotations

import importlib
import inspect
import pkgutil

import pytest

import ibkr_core

PUBLIC = {
    "Action",
    "ActionTaken",
    "Amounts",
    "Backoff",
    "BracketLeg",
    "BracketOrder",
    "BracketTickets",
    "BreakEven",
    "Broker",
    "CallbackHandle",
    "CodeRule",
    "ComboLeg",
    "Contract",
    "ContractDetails",
    "DaySummary",
    "Delivery",
    "Durability",
    "Engine",
    "EngineSettings",
    "EventLog",
    "ExecutionResult",
    "ExitPair",
    "Fill",
    "Greeks",
    "Holding",
    "IbkrError",
    "Journal",
    "JournalReader",
    "LegResult",
    "MarketRule",
    "OcaType",
    "OptionChain",
    "Order",
    "OrderMessage",
    "OrderRecord",
    "OrderStatus",
    "OrderTicket",
    "Portfolio",
    "Quote",
    "Refusal",
    "Request",
    "RestartWindow",
    "Retention",
    "RetryPolicy",
    "RiskContext",
    "RiskLimits",
    "RiskPolicy",
    "ScaleOutTickets",
    "SessionState",
    "Strategy",
    "StrategyLeg",
    "Subscription",
    "TradingHours",
    "TwsClient",
    "Verdict",
    "WhatIf",
    "__version__",
    "errors",
    "events",
    "new_bracket",
    "orders",
    "summarise",
}
"""Users write against these. A name that goes, or changes its meaning, is for the changelog."""

ENGINE = set(
    """
    by_key replace cancel_order place_bracket_order place_order submit_attached submit_scale_out unprotected
    close_position roll_position check_order reference what_if wait_for
    accounts active_orders adopt attach cancel cancel_all check_may_wait client client_id close connect
    declare_ended dry_run dry_run_gateway fills halt history is_dry_run is_halted is_ready journal modify
    next_request_id on open order orders portfolio release risk scheduler server_version settings start
    start_on state state_reason submit submit_bracket submit_oca ticket wait_flat wait_ready watch
    """.split()
)
"""The engine's public attributes."""

MODULES = sorted(
    name for _, name, _ in pkgutil.walk_packages(ibkr_core.__path__, "ibkr_core.") if "__main__" not in name
)


def test_the_top_level_names_are_these() -> None:
    """No more, no less, sorted, and all of them there."""
    assert set(ibkr_core.__all__) == PUBLIC
    assert ibkr_core.__all__ == sorted(ibkr_core.__all__)
    for name in PUBLIC:
        assert getattr(ibkr_core, name) is not None


def test_the_engines_attributes_are_these() -> None:
    """A new method is a promise: it is made on purpose."""
    engine = ibkr_core.Engine(1)
    assert {name for name in dir(engine) if not name.startswith("_")} == ENGINE


def test_public_things_have_docstrings() -> None:
    """Each class, and each public method of the classes that users hold in their hands."""
    for name in PUBLIC - {"__version__"}:
        thing = getattr(ibkr_core, name)
        assert inspect.getdoc(thing), name
        if not inspect.isclass(thing) or thing is ibkr_core.TwsClient:
            continue
        for method, member in vars(thing).items():
            if not method.startswith("_") and (inspect.isfunction(member) or isinstance(member, property)):
                assert inspect.getdoc(member), f"{name}.{method}"


@pytest.mark.parametrize("name", MODULES)
def test_what_a_module_offers_is_there(name: str) -> None:
    """Each name in a module's ``__all__`` exists, is sorted into its place, and stands there once."""
    module = importlib.import_module(name)
    offered = getattr(module, "__all__", [])
    assert len(offered) == len(set(offered))
    for one in offered:
        assert hasattr(module, one), f"{name}.{one}"


def test_importing_starts_nothing() -> None:
    """No thread, no connection, no log handler comes of an import."""
    import subprocess
    import sys

    code = (
        "import threading, logging, ibkr_core; "
        "assert threading.active_count() == 1; "
        "assert not logging.getLogger().handlers; "
        "assert not logging.getLogger('ibkr_core').handlers"
    )
    subprocess.run([sys.executable, "-c", code], check=True)  # noqa: S603 - our own interpreter


def test_every_error_is_in_the_tree() -> None:
    """All exceptions of the package derive from IbkrError, so that one except clause catches them."""
    errors = importlib.import_module("ibkr_core.errors")
    for name in errors.__all__:
        assert issubclass(getattr(errors, name), ibkr_core.IbkrError)
