"""The generated API reference: every promised name stands in it, and it builds without a warning."""

from __future__ import annotations

import contextlib
import re
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

import ibkr_core
from ibkr_core import events

pdoc = pytest.importorskip("pdoc", reason="the matrix runs without it")

BROKER = """
    connect disconnect execute_market_order execute_limit_order execute_stop_order execute_stop_limit_order
    execute_trailing_stop_order execute_bracket_order get_order_status get_all_orders get_active_orders
    get_order_history get_todays_order_summary register_order_fill_callback register_order_status_callback
    register_order_error_callback place_order cancel_order place_bracket_order close_position roll_position
    engine
"""
ENGINE = """
    place_order cancel_order place_bracket_order close_position roll_position replace submit_scale_out
    submit_attached unprotected what_if check_order dry_run portfolio reference
"""
RECORD = """
    order_id symbol action total_quantity order_type limit_price status filled_quantity remaining_quantity
    avg_fill_price fills error_message submission_time last_update_time retry_count
"""
PROMISED: Mapping[str, str] = {
    "Broker": BROKER,
    "Engine": ENGINE,
    "OrderRecord": RECORD,
    "ExecutionResult": "success action_taken order_ids error_message",
    "ActionTaken": "CLOSED ROLLED PARTIAL FAILED DRY_RUN BRACKET_PLACED",
    "BracketOrder": "parent take_profit stop_loss oca_group",
    "Strategy": "vertical iron_condor straddle strangle calendar covered_call",
    "RiskLimits": "",
    "WhatIf": "",
    "DaySummary": "",
}
"""By class, the members that the project's issues name."""


def modules() -> list[str]:
    """The modules that ``make reference`` documents."""
    makefile = (Path(__file__).parent.parent / "Makefile").read_text("utf-8").replace("\\\n", " ")
    (line,) = re.findall(r"^REFERENCE := (.*)$", makefile, re.MULTILINE)
    return str(line).split()


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The pages of the reference, by module."""
    from pdoc import render

    folder = tmp_path_factory.mktemp("reference")
    render.configure(docformat="google")
    with quiet():
        pdoc.pdoc(*modules(), output_directory=folder)
    return {
        ".".join(path.relative_to(folder).with_suffix("").parts): path.read_text("utf-8")
        for path in folder.rglob("*.html")
    }


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Let warnings of others pass; ours are about our own annotations, and fail."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        yield


def test_every_public_name_has_its_place(pages: Mapping[str, str]) -> None:
    """What ``from ibkr_core import ...`` gives is on the first page, and every event and error on theirs."""
    others = {name for name in ibkr_core.__all__ if isinstance(getattr(ibkr_core, name), type(ibkr_core))}
    told = set(re.findall(r'id="(\w+)"', pages["ibkr_core"]))
    assert set(ibkr_core.__all__) - others - {"__version__"} <= told
    assert set(events.__all__) <= set(re.findall(r'id="(\w+)"', pages["ibkr_core.model.events"]))
    assert set(ibkr_core.errors.__all__) <= set(re.findall(r'id="(\w+)"', pages["ibkr_core.errors"]))
    assert set(ibkr_core.orders.__all__) <= set(re.findall(r'id="(\w+)"', pages["ibkr_core.orders"]))


@pytest.mark.parametrize("owner", PROMISED)
def test_every_promised_member_has_its_place(pages: Mapping[str, str], owner: str) -> None:
    """A name that a user read of in the issues can be looked up."""
    told = set(re.findall(rf'id="{owner}\.(\w+)"', pages["ibkr_core"]))
    assert set(PROMISED[owner].split()) <= told
