"""Programs of others, unchanged and in environments of their own, trade on ``ibkr-core gateway``.

``make interop`` runs these tests once per peer: nox makes the peer's environment and names it in
``IBKR_CORE_PEER`` and ``IBKR_CORE_PEER_HOME``. What a peer saw must agree with what an auditor reads through
another decoder afterwards, with arithmetic, and its own log must hold nothing but what was provoked.
"""

from __future__ import annotations

import os
import re
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import attrs
import pytest

from tests.interop.peers import PEERS, Peer, program
from tests.interop.serving import Audit, Ended, audit, run_peer, serving

NAME = os.environ.get("IBKR_CORE_PEER", "")

pytestmark = [
    pytest.mark.system,
    pytest.mark.skipif(not NAME, reason="each peer needs an environment of its own: make interop"),
]

OPENING_CASH = Decimal(1_000_000)
CENT = Decimal("0.01")
FILLED = {"market": Decimal(1000), "entry": Decimal(50)}
CANCELLED = {"limit", "target", "stop", "idle_entry", "idle_target", "idle_stop"}
REFUSED = {"off_tick", "unknown"}
ALSO_CANCELLED = {"stop_order", "kept"}
"""What some programs do besides."""
PROVOKED = {110: 1, 200: 2}
"""Errors that the scenario asks for; 202 comes for each cancelled order."""
AT_EACH_START = {2104, 2106, 2158}
ONLY_SOMETIMES = {162, 2100}
"""A live chart that is cancelled gets 162, and account updates that are unsubscribed get 2100."""

SEEN: dict[str, Callable[[Any], bool]] = {
    "con_id": lambda value: value == 265598,
    "long_name": lambda value: value == "APPLE INC",
    "min_tick": lambda value: value == 0.01,
    "strikes": lambda value: value > 0,
    "futures": lambda value: value > 0,
    "nothing": lambda value: value == 0,
    "matches": lambda value: "AAPL" in value,
    "rule": lambda value: value > 0,
    "bars": lambda value: value >= 14,
    "head": lambda value: value.startswith("20"),
    "ticks": lambda value: value >= 50,
    "what_if": lambda value: 0 < value < 1e9,
    "modified": lambda value: value[0] == 20 and value[1] > 1,
    "sold": lambda value: value == 0,
    "multi": lambda value: value > 10,
    "daily": lambda value: value is True,
    "pnl_position": lambda value: value == 1050,
    "time": lambda value: value.startswith("20"),
    "kept": lambda value: value is True,
    "balance": lambda value: 999_000 < value < 1_001_000,
}
"""What each thing that a peer looked up must be."""


@attrs.frozen
class Run:
    """One scenario from connecting to the gateway's goodbye."""

    peer: Peer
    report: dict[str, Any]
    audit: Audit
    ended: Ended

    def codes(self) -> Counter[int]:
        """How often each error code came."""
        return Counter(code for _, code, _ in self.report["errors"])


def command(peer: Peer, home: Path, folder: Path) -> list[str]:
    """How to start a peer's program; Node looks for packages beside the program, so it is copied there."""
    if not peer.program.endswith(".mjs"):
        return [str(home / "bin" / "python"), str(program(peer))]
    (folder / "node_modules").symlink_to(home / "node_modules", target_is_directory=True)
    shutil.copy(program(peer), folder)
    return ["node", str(folder / peer.program)]


def play(folder: Path, *arguments: str, length: str) -> Run:
    peer, home = PEERS[NAME], Path(os.environ["IBKR_CORE_PEER_HOME"])
    with serving(*arguments) as gateway:
        report = run_peer(command(peer, home, folder), gateway.port, folder, length=length)
        return Run(peer, report, audit(gateway.port), gateway.end())


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """The whole scenario, once."""
    return play(tmp_path_factory.mktemp("peer"), length="full")


def check_books(run: Run) -> None:
    """What the peer was told is what the gateway's books say, and what arithmetic says."""
    orders = run.report["orders"]
    told = {name: Decimal(order["filled"]) for name, order in orders.items() if order["status"] == "Filled"}
    assert told == FILLED
    cancelled = {name for name, order in orders.items() if order["status"] == "Cancelled"} - REFUSED
    assert cancelled - ALSO_CANCELLED == CANCELLED
    heard = {
        one["exec_id"]: (
            one["perm_id"], one["side"], Decimal(one["shares"]), one["price"], one["commission"]
        )
        for one in run.report["executions"]
    }  # fmt: skip
    assert heard == run.audit.executions
    by_order: Counter[int] = Counter()
    for perm_id, _, shares, _, _ in heard.values():
        by_order[perm_id] += int(shares)
    assert by_order == {orders[name]["perm_id"]: int(quantity) for name, quantity in FILLED.items()}
    assert all(commission > 0 for *_, commission in heard.values())
    completed = {str(order["perm_id"]): order["status"] for order in orders.values() if order["perm_id"]}
    assert run.report["completed"] == run.audit.completed == completed
    assert not run.audit.open
    check_account(run)


def check_account(run: Run) -> None:
    """Positions and cash follow from the executions, in every list in which the peer found them."""
    held = {"AAPL": sum(FILLED.values())}
    assert run.audit.positions == held
    for where in ("positions", "positions_multi", "portfolio"):
        if where in run.report:
            assert {name: Decimal(units) for name, units in run.report[where].items()} == held, where
    spent = sum(
        shares * Decimal(repr(price)) + Decimal(repr(commission))
        for _, _, shares, price, commission in run.audit.executions.values()
    )
    cash = OPENING_CASH - spent
    assert abs(run.audit.cash - cash) <= CENT
    for where in ("values", "summary"):
        if where in run.report:
            assert abs(Decimal(run.report[where]["TotalCashValue"]) - cash) <= CENT, where
            assert Decimal(run.report[where]["NetLiquidation"]) > 0


def check_complaints(run: Run) -> None:
    """The peer's log holds the errors that the scenario asked for, each as often as it did, and no more."""
    codes = run.codes()
    orders = run.report["orders"]
    cancelled = [name for name in orders if orders[name]["status"] == "Cancelled" and name not in REFUSED]
    starts = 2 if "kept" in orders else 1
    usual = {**dict.fromkeys(AT_EACH_START, starts), **PROVOKED, 202: len(cancelled)}
    assert {code: codes[code] for code in codes if code not in ONLY_SOMETIMES} == usual
    assert all(codes[code] <= 1 for code in ONLY_SOMETIMES)
    assert run.report["log_lines"] > 100, "the peer's log was not heard"
    unasked = [
        line
        for line in run.report["complaints"]
        if not any(text in line and str(code) in line for _, code, text in run.report["errors"])
        and not any(re.fullmatch(pattern, line, re.DOTALL) for pattern in run.peer.may_say)
    ]
    assert not unasked, "\n".join(unasked)


def test_it_is_the_peer_that_was_meant(run: Run) -> None:
    """The release that the name says, and the newest protocol version that it has in common with us."""
    assert run.report["peer"] == run.peer.title
    assert run.report["server_version"] == run.peer.newest


def test_what_it_was_told_is_what_the_books_say(run: Run) -> None:
    """Each kind of order; executions, commissions, positions, completed orders, and cash."""
    check_books(run)


def test_what_it_looked_up_is_right(run: Run) -> None:
    """Contracts, chains, bars, ticks, what-if, profit and loss."""
    wrong = {name: value for name, value in run.report["seen"].items() if not SEEN[name](value)}
    assert not wrong
    assert {"long_name", "min_tick", "bars", "modified"} <= run.report["seen"].keys()


def test_its_own_log_holds_no_complaint(run: Run) -> None:
    """Nothing but what the scenario provokes: no leftover or missing fields, no timeouts, nothing unknown."""
    check_complaints(run)


def test_the_gateway_ends_cleanly(run: Run) -> None:
    """Exit code 0, nothing on standard error, and as many executions as the peer heard of."""
    assert (run.ended.code, run.ended.errors) == (0, "")
    assert run.ended.executions == len(run.report["executions"])


@pytest.mark.parametrize("cap", PEERS[NAME].caps if NAME else ())
def test_an_older_gateway_serves_it_as_well(cap: int, tmp_path: Path) -> None:
    """The same orders and books under an older version of the protocol."""
    run = play(tmp_path, "--server-version", str(cap), length="short")
    assert run.report["server_version"] == cap
    check_books(run)
    check_complaints(run)
    assert (run.ended.code, run.ended.errors) == (0, "")
