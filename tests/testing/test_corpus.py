"""The corpus of recorded callback sequences, and the runner that checks it."""

from __future__ import annotations

import copy
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ibkr_core.model.status import OrderStatus
from ibkr_core.testing.corpus import check_file, main, replay

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("IBKR_CORE_SHARED") or ROOT.parent / "shared")
FOLDERS = tuple(SHARED / "corpus" / name for name in ("observed", "rules"))
FILES = sorted(path for folder in FOLDERS for path in folder.glob("*.json"))

needs_corpus = pytest.mark.skipif(
    not FILES, reason=f"the corpus is not here: no files in {SHARED.name}/corpus"
)


# ── the corpus ──────────────────────────────────────────────────────────────────────────────────


@needs_corpus
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_recorded_sequence_ends_as_expected(path: Path) -> None:
    """Each file replays to what a right engine ends with."""
    assert check_file(path).problems == ()


@needs_corpus
def test_few_files_state_what_their_events_do_not_show() -> None:
    """The lenient verdict is for excerpts only: no rule and no whole capture needs it."""
    lenient = {path.name: check_file(path).unshown for path in FILES if check_file(path).unshown}
    assert len(lenient) <= 5
    for name in lenient:
        (path,) = (path for path in FILES if path.name == name)
        assert json.loads(path.read_text(encoding="utf-8"))["fidelity"] in (
            "excerpt",
            "curated",
            "transcribed",
        )


def falsehoods(expected: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield an expectation with one number, word or list in it made wrong."""
    for name, value in expected.items():
        if value is None or name in ("orderId", "permId"):
            continue
        if name in ("final_status", "commission_currency"):
            yield expected | {name: "Bogus"}
        elif name == "error_codes":
            yield expected | {name: [*value, 9999]}
        elif name == "outcome":
            yield expected | {name: "filled" if not value.startswith("filled") else "cancelled"}
        elif isinstance(value, str):
            yield expected | {name: str(float(value) + 1)}
        elif isinstance(value, int | float):
            yield expected | {name: value + 1}


@needs_corpus
@pytest.mark.parametrize("path", FILES, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_falsified_expectation_fails(path: Path, tmp_path: Path) -> None:
    """Each number, word and code list that is made wrong is found, or counted as not shown by the events."""
    document = json.loads(path.read_text(encoding="utf-8"))
    usually_unshown = len(check_file(path).unshown)
    for index, expected in enumerate(document["expected"]):
        for wrong in falsehoods(expected):
            changed = copy.deepcopy(document)
            changed["expected"][index] = wrong
            target = tmp_path / path.name
            target.write_text(json.dumps(changed), encoding="utf-8")
            outcome = check_file(target)
            # What no event shows cannot be refuted, but then the line says so and --strict fails.
            assert outcome.problems or outcome.unshown, wrong
            shown = not usually_unshown and expected.get("final_status") is not None
            assert outcome.problems or not shown, wrong


# ── the runner ──────────────────────────────────────────────────────────────────────────────────

STATUS = {
    "cb": "orderStatus",
    "orderId": 1,
    "status": "Submitted",
    "filled": "0",
    "remaining": "10",
    "permId": 900,
}
EXECUTION = {
    "cb": "execDetails",
    "reqId": -1,
    "contract": None,
    "execution": {
        "orderId": 1,
        "permId": 900,
        "execId": "a.b.c.01",
        "side": "BOT",
        "shares": "10",
        "price": 5.0,
    },
}
COMMISSION = {
    "cb": "commissionReport",
    "commissionReport": {"execId": "a.b.c.01", "commission": 1.5, "currency": "USD"},
}
WARNING = {"cb": "error", "reqId": 1, "errorCode": 399, "errorString": "later"}
GOOD: dict[str, Any] = {
    "fidelity": "exact",
    "events": [STATUS, WARNING, EXECUTION, COMMISSION],
    "expected": [
        {
            "orderId": 1,
            "final_status": "Filled",
            "filled": "10",
            "remaining": "0",
            "avg_fill_price": 5.0,
            "n_fills": 1,
            "exec_shares": "10",
            "commission_total": "1.5",
            "commission_currency": "USD",
            "error_codes": [399],
            "outcome": "filled",
        }
    ],
}


def written(folder: Path, **documents: object) -> Path:
    """Write documents as files of a folder."""
    for name, document in documents.items():
        text = document if isinstance(document, str) else json.dumps(document)
        (folder / f"{name}.json").write_text(text, encoding="utf-8")
    return folder


def expecting(**changes: Any) -> dict[str, Any]:
    """Return the good document with other expectations."""
    return GOOD | {"expected": [GOOD["expected"][0] | changes]}


def test_a_good_file_passes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """PASS and the file's name, then the last line, and exit status 0."""
    assert main([str(written(tmp_path, a=GOOD))]) == 0
    assert capsys.readouterr().out == "PASS a.json\n1 passed, 0 failed\n"


@pytest.mark.parametrize("wrong", list(falsehoods(GOOD["expected"][0])), ids=str)
def test_each_wrong_expectation_of_a_good_file_fails(wrong: dict[str, Any], tmp_path: Path) -> None:
    """The checks of one file, without the corpus: none is blind."""
    path = written(tmp_path, a=expecting(**wrong)) / "a.json"
    assert len(check_file(path).problems) == 1
    assert main([str(path)]) == 1


def test_a_failure_is_told_with_its_reason(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """FAIL, why under it, and exit status 1; the other files are checked all the same."""
    folder = written(tmp_path, a=expecting(filled="11", n_fills=2), b=GOOD)
    assert main([str(folder)]) == 1
    assert capsys.readouterr().out.splitlines() == [
        "FAIL a.json",
        "     order 1: filled 11, but 10",
        "     order 1: number of fills 2, but 1",
        "PASS b.json",
        "1 passed, 1 failed",
    ]


def test_what_no_event_shows_is_counted_and_fails_only_under_strict(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """An excerpt of a warning that adds "it filled": nothing in the file tells the order's state."""
    excerpt = GOOD | {
        "fidelity": "excerpt",
        "events": [{"cb": "->placeOrder", "orderId": 1, "order": {}}, WARNING],
        "expected": [{"orderId": 1, "outcome": "filled", "filled": "10", "error_codes": [399]}],
    }
    folder = written(tmp_path, a=excerpt)
    assert main([str(folder)]) == 0
    assert capsys.readouterr().out == "PASS a.json  (2 stated, not shown by its events)\n1 passed, 0 failed\n"
    assert main(["--strict", str(folder)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "FAIL a.json"
    assert out[-1] == "0 passed, 1 failed"


def test_wrong_codes_fail_even_where_nothing_else_is_shown(tmp_path: Path) -> None:
    """Codes come from error callbacks, and those are in the file."""
    excerpt = GOOD | {
        "events": [{"cb": "->placeOrder", "orderId": 1, "order": {}}, WARNING],
        "expected": [{"orderId": 1, "outcome": "working", "error_codes": [202]}],
    }
    (problem,) = check_file(written(tmp_path, a=excerpt) / "a.json").problems
    assert "codes" in problem


def test_an_order_that_the_book_does_not_have_fails(tmp_path: Path) -> None:
    """An expectation about an order of which nothing was said cannot hold."""
    for number, wrong in enumerate(
        ({"outcome": "filled"}, {"outcome": "", "filled": "10"}, {"outcome": "whatif_no_order", "n_fills": 1})
    ):
        folder = written(tmp_path, **{f"f{number}": GOOD | {"expected": [{"orderId": 77} | wrong]}})
        assert check_file(folder / f"f{number}.json").problems, wrong
    fine = GOOD | {"expected": [{"orderId": 77, "outcome": "whatif_no_order", "n_fills": 0}]}
    assert check_file(written(tmp_path, fine=fine) / "fine.json").problems == ()


def test_a_what_if_that_leaves_an_order_fails(tmp_path: Path) -> None:
    """Nothing may be alive after a what-if (TWS facts 4)."""
    (problem,) = check_file(written(tmp_path, a=expecting(outcome="whatif_no_order")) / "a.json").problems
    assert "left an order behind" in problem


@pytest.mark.parametrize(
    "text",
    ["not json", "[]", "{}", '{"events": []}', '{"events": [{}], "expected": []}', '"x"', "null"],
)
def test_what_is_no_corpus_document_fails_with_a_reason(
    text: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken file neither passes nor stops the others."""
    folder = written(tmp_path, a=text, b=GOOD)
    assert main([str(folder)]) == 1
    out = capsys.readouterr().out.splitlines()
    assert out[0] == "FAIL a.json"
    assert out[-2:] == ["PASS b.json", "1 passed, 1 failed"]


def test_nothing_to_check_is_no_success(tmp_path: Path) -> None:
    """Found by examination: an empty folder gave "0 passed, 0 failed" and exit status 0."""
    with pytest.raises(SystemExit, match=r"no \.json files"):
        main([str(tmp_path)])
    with pytest.raises(SystemExit, match="no such file or folder"):
        main([str(tmp_path / "missing")])


def test_the_module_runs_as_a_command(tmp_path: Path) -> None:
    """Python -m ibkr_core.testing.corpus DIR... is the public runner."""
    folder = written(tmp_path, good=GOOD, bad=expecting(filled="11"))
    command = [sys.executable, "-m", "ibkr_core.testing.corpus"]
    done = subprocess.run([*command, str(folder)], capture_output=True, text=True, cwd=ROOT, check=False)  # noqa: S603 - fixed
    assert (done.returncode, done.stderr) == (1, "")
    assert done.stdout.splitlines()[-1] == "1 passed, 1 failed"


# ── replaying ───────────────────────────────────────────────────────────────────────────────────


def test_replay_gives_the_book() -> None:
    """Users can look at what a recording ends with."""
    (record,) = replay(GOOD).orders()
    assert (record.status, record.filled_quantity, record.error_codes) == (OrderStatus.FILLED, 10, (399,))


def test_hidden_and_named_ids_get_numbers() -> None:
    """Null ids of a file are one order; a name stands for one order each."""
    hidden = [STATUS | {"orderId": None, "permId": None}, STATUS | {"orderId": None, "permId": None}]
    named = [STATUS | {"orderId": name, "permId": None} for name in ("N", "N+1", "N")]
    assert len(replay(GOOD | {"events": hidden}).orders()) == 1
    assert len(replay(GOOD | {"events": named}).orders()) == 2


def test_the_clients_commands_are_replayed() -> None:
    """What the client did counts: placing, placing again, cancelling, and losing the connection."""
    order = {"action": "BUY", "totalQuantity": "10", "orderType": "LMT", "lmtPrice": 5.0}
    place = {"cb": "->placeOrder", "orderId": 1, "contract": {"symbol": "AAPL"}, "order": order}
    events = [
        place,
        STATUS,
        place | {"order": order | {"lmtPrice": 6.0}},
        {"cb": "->cancelOrder", "orderId": 1},
    ]
    (record,) = replay(GOOD | {"events": events}).orders()
    assert record.status is OrderStatus.PENDING_CANCEL
    assert {request.name for request in record.pending} == {"MODIFY", "CANCEL"}
    (record,) = replay(GOOD | {"events": [place, {"cb": "connectionClosed"}]}).orders()
    assert record.status is OrderStatus.UNKNOWN
    what_if = place | {"order": order | {"whatIf": True}}
    assert replay(GOOD | {"events": [what_if]}).orders() == ()
