"""Replays recorded callback sequences through the order book and checks what it ends with.

    python -m ibkr_core.testing.corpus DIR...

prints PASS or FAIL for each file, why for each failure, and a last line ``N passed, M failed``.

A corpus file is JSON: ``events`` (official callbacks with their arguments, ``->name`` for what the
client did, ``connected`` and ``connectionClosed``) and ``expected``: for each order what a right
engine ends with, null for what the source does not tell. How each expectation is checked is written
at the function that checks it. Where a file states something that *no event in it shows* (an excerpt
that quotes fifteen warnings and adds that all orders filled), no engine can know it; then it is
checked that the book did not come to the contrary, and the line says how many such facts there are.
``--strict`` counts them as failures.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import attrs

from ibkr_core.errors import IbkrError
from ibkr_core.lifecycle.book import Book
from ibkr_core.model.facts import StatusFact
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus
from ibkr_core.testing.callbacks import fact_from_callback, read_contract, read_decimal

__all__ = ["Outcome", "check_file", "main", "replay"]

_START: Final = datetime(2026, 1, 2, 14, 30, tzinfo=UTC)
_TICK: Final = timedelta(milliseconds=1)
_PRICE_TOLERANCE: Final = Decimal("0.001")  # captured averages are rounded to 3 or 4 places
_MONEY_TOLERANCE: Final = Decimal("0.000001")
_HIDDEN_ID: Final = 1_999_999_000
"""Stands for an order id that the source hides; all hidden ids of a file are one order."""


@attrs.frozen
class Outcome:
    """What checking one file found.

    Attributes:
        name: The file's name.
        problems: What the book got wrong; empty when it passed.
        unshown: Stated facts that no event of the file shows.
    """

    name: str
    problems: tuple[str, ...]
    unshown: tuple[str, ...] = ()


# ── replay ──────────────────────────────────────────────────────────────────────────────────────


class _Player:
    """Feeds one file's events to a book, as the engine would have."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.book = Book()
        self._now = _START
        self._names: dict[str, int] = {}
        self._nameless = 0
        self._hidden_placements = _modifications_of_unseen_orders(document)
        self._expected_ids = {self.order_id(e.get("orderId")) for e in document["expected"]}

    def order_id(self, value: object) -> int:
        """Map an id of the file, which may be a number, a name, or hidden, to a number."""
        if value is None:
            return _HIDDEN_ID
        if isinstance(value, str) and not value.lstrip("-").isdigit():
            return self._names.setdefault(value, _HIDDEN_ID + 1 + len(self._names))
        return int(str(value))

    def play(self, events: Iterable[Mapping[str, Any]]) -> None:
        for event in events:
            self._now += _TICK
            if event["cb"].startswith("->"):
                self._command(event["cb"][2:], event)
            elif event["cb"] == "connectionClosed":
                self.book.disconnected(self._now)
            else:
                self._callback(event)

    def _callback(self, event: Mapping[str, Any]) -> None:
        event = self._with_numbers(event)
        if event["cb"] == "error":
            self._track_if_older(event["reqId"])
        fact = fact_from_callback(event)
        if fact is not None:
            self.book.apply(fact, self._now)

    def _with_numbers(self, event: Mapping[str, Any]) -> Mapping[str, Any]:
        """Give numbers to ids that the source names or hides."""
        changed = dict(event)
        kind = event["cb"]
        if kind == "error":
            changed["reqId"] = -1 if event.get("reqId") is None else self.order_id(event["reqId"])
        elif kind == "execDetails":
            execution = dict(event["execution"])
            execution["orderId"] = self.order_id(execution.get("orderId"))
            if execution.get("execId") is None:  # the source cut it off: each is a different execution
                self._nameless += 1
                execution["execId"] = f"unshown-execution-{self._nameless}"
            changed["execution"] = execution
        elif kind in ("orderStatus", "openOrder"):
            changed["orderId"] = self.order_id(event.get("orderId"))
        return changed

    def _command(self, name: str, event: Mapping[str, Any]) -> None:
        if name == "placeOrder":
            self._place(event)
        elif name == "cancelOrder":
            order_id = self.order_id(event["orderId"])
            self._track_if_older(order_id)
            self._try(lambda: self.book.cancel(order_id, self._now))

    def _place(self, event: Mapping[str, Any]) -> None:
        wanted = event.get("order") or {}
        if wanted.get("whatIf"):
            return
        order_id = self.order_id(event.get("orderId"))
        order = _read_order(wanted)
        if event.get("orderId") in self._hidden_placements and not self._known(order_id):
            self.book.track(order_id, self._now)
            self.book.apply(StatusFact(order_id=order_id, status="Submitted"), self._now)
        if not self._known(order_id):
            contract = read_contract(event.get("contract"))
            self.book.submit(order_id, "", contract, order, self._now)
        else:
            terms = order or self.book.order(order_id).order or Order.market("BUY", 1)
            self._try(lambda: self.book.modify(order_id, terms, self._now))

    def _track_if_older(self, order_id: int) -> None:
        """An excerpt can begin after its order was placed: then the order is known, but not how it stands."""
        if order_id in self._expected_ids and not self._known(order_id):
            self.book.track(order_id, self._now)

    def _known(self, order_id: int) -> bool:
        try:
            self.book.order(order_id)
        except IbkrError:
            return False
        return True

    @staticmethod
    def _try(command: Callable[[], object]) -> None:
        """Run a command that the recorded client sent although our engine would have refused it."""
        try:
            command()
        except IbkrError:
            return


def _modifications_of_unseen_orders(document: Mapping[str, Any]) -> frozenset[object]:
    """Return ids whose only placeOrder is a modification, as an excerpt's own description says.

    Such an excerpt quotes what came of a modification and not the placement before it. The engine that
    sent it knew the order as working; the player has to tell the book so.
    """
    described = f"{document.get('what') or ''} {document.get('notes') or ''}".lower()
    if document.get("fidelity") != "excerpt" or "modif" not in described:
        return frozenset()
    placed = [e.get("orderId") for e in document["events"] if e["cb"] == "->placeOrder"]
    return frozenset(order_id for order_id in placed if placed.count(order_id) == 1)


def _read_order(fields: Mapping[str, Any]) -> Order | None:
    """Make the order that a recorded placeOrder shows, None when too little of it is shown."""
    quantity = read_decimal(fields.get("totalQuantity"))
    if not quantity or not fields.get("action"):
        return None
    try:
        return Order(
            action=fields["action"],
            quantity=quantity,
            order_type=fields.get("orderType") or "MKT",
            limit_price=read_decimal(fields.get("lmtPrice")) or None,
            aux_price=read_decimal(fields.get("auxPrice")) or None,
            trailing_percent=read_decimal(fields.get("trailingPercent")),
            tif=fields.get("tif") or "DAY",
            parent_id=fields.get("parentId") or 0,
            transmit=fields.get("transmit") is not False,
        )
    except IbkrError:
        return None


def replay(document: Mapping[str, Any]) -> Book:
    """Play a corpus document into a fresh book and return the book."""
    player = _Player(document)
    player.play(document["events"])
    return player.book


# ── check ───────────────────────────────────────────────────────────────────────────────────────


def check_file(path: Path) -> Outcome:
    """Replay one file and check every expectation in it."""
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        player = _Player(document)
        player.play(document["events"])
    except (ValueError, LookupError, TypeError, AttributeError, ArithmeticError) as error:
        return Outcome(path.name, (f"cannot be replayed: {type(error).__name__}: {error}",))
    problems: list[str] = []
    unshown: list[str] = []
    for expected in document["expected"]:
        order_id = player.order_id(expected.get("orderId"))
        label = (
            f"order {expected.get('orderId')}"
            if expected.get("orderId") is not None
            else (f"permId {expected.get('permId')}")
        )
        record = _find(player.book, order_id, expected)
        for problem in _check_order(record, expected):
            text = f"{label}: {problem.text}"
            (unshown if problem.is_unshown else problems).append(text)
    return Outcome(path.name, tuple(problems), tuple(unshown))


def _find(book: Book, order_id: int, expected: Mapping[str, Any]) -> OrderRecord | None:
    if expected.get("permId") is not None:
        found = book.by_perm_id(int(expected["permId"]))
        if found is not None:
            return found
    try:
        return book.order(order_id)
    except IbkrError:
        return None


@attrs.frozen
class _Problem:
    text: str
    is_unshown: bool = False


def _check_order(record: OrderRecord | None, expected: Mapping[str, Any]) -> Iterator[_Problem]:
    outcome = str(expected.get("outcome") or "")
    if outcome.startswith("whatif") and record is not None:
        yield _Problem(f"a what-if left an order behind ({record.status.value})")
        return
    if record is None:
        # Right for a what-if, and where nothing in the file mentions the order in a way that makes one.
        if outcome and not outcome.startswith(("whatif", "unknown", "untouched", "dead")):
            yield _Problem(f"outcome {outcome!r}, but the book has no such order")
        elif any(expected.get(name) not in (None, "0", 0, []) for name in _CHECKS):
            yield _Problem("the book has no such order")
        return
    yield from _check_outcome(record, outcome)
    shown = _is_shown(record)
    for name, check in _CHECKS.items():
        wanted = expected.get(name)
        if wanted is None:
            continue
        problem = check(record, wanted)
        if problem is None:
            continue
        # What no callback of the file can tell is not a failure of the book, as long as the book did
        # not decide otherwise.
        is_unshown = not shown and not record.status.is_finished and check is not _check_errors
        yield _Problem(problem, is_unshown=is_unshown)


def _is_shown(record: OrderRecord) -> bool:
    """Whether any callback told the order's state (messages alone do not)."""
    return bool(record.broker_status or record.fills or record.leg_fills or record.broker_order)


def _check_final_status(record: OrderRecord, wanted: object) -> str | None:
    """The broker's last word, or, where it said none, what the executions prove."""
    word = record.broker_status or "none"
    # An order that executions completed counts as Filled whatever word came before, or none.
    if wanted == word or (wanted == "Filled" and record.status is OrderStatus.FILLED):
        return None
    return f"final status {wanted}, but the broker's word is {word} ({record.status.value})"


def _check_filled(record: OrderRecord, wanted: object) -> str | None:
    return _differs("filled", read_decimal(wanted), record.filled_quantity)


def _check_remaining(record: OrderRecord, wanted: object) -> str | None:
    """What is open; or the broker's last figure, which the derived files give although fills came later."""
    number = read_decimal(wanted)
    if number is not None and record.broker_remaining == number:
        return None
    return _differs("remaining", number, record.remaining_quantity)


def _check_average(record: OrderRecord, wanted: object) -> str | None:
    actual = record.avg_fill_price if record.avg_fill_price is not None else Decimal(0)
    return _differs("average price", read_decimal(wanted), actual, _PRICE_TOLERANCE)


def _check_n_fills(record: OrderRecord, wanted: object) -> str | None:
    return _differs("number of fills", read_decimal(wanted), Decimal(len(record.fills)))


def _check_exec_shares(record: OrderRecord, wanted: object) -> str | None:
    total = sum((fill.quantity for fill in record.fills), Decimal(0))
    return _differs("executed shares", read_decimal(wanted), total)


def _check_commission(record: OrderRecord, wanted: object) -> str | None:
    total = sum(record.commissions.values(), Decimal(0))
    return _differs("commission", read_decimal(wanted), total, _MONEY_TOLERANCE)


def _check_currency(record: OrderRecord, wanted: object) -> str | None:
    currencies = sorted(record.commissions)
    return None if currencies == [wanted] else f"commission currency {wanted}, but {currencies}"


def _check_errors(record: OrderRecord, wanted: object) -> str | None:
    return None if list(record.error_codes) == wanted else f"codes {wanted}, but {list(record.error_codes)}"


_CHECKS: Final[Mapping[str, Callable[[OrderRecord, object], str | None]]] = {
    "final_status": _check_final_status,
    "filled": _check_filled,
    "remaining": _check_remaining,
    "avg_fill_price": _check_average,
    "n_fills": _check_n_fills,
    "exec_shares": _check_exec_shares,
    "commission_total": _check_commission,
    "commission_currency": _check_currency,
    "error_codes": _check_errors,
}


def _differs(
    what: str, wanted: Decimal | None, actual: Decimal | None, tolerance: Decimal = Decimal(0)
) -> str | None:
    if wanted is None or (actual is not None and abs(actual - wanted) <= tolerance):
        return None
    return f"{what} {wanted}, but {actual}"


_ALLOWED: Final[tuple[tuple[str, frozenset[OrderStatus]], ...]] = (
    # beginning of the outcome -> statuses that agree with it; the first match counts
    ("combo filled", frozenset({OrderStatus.FILLED, OrderStatus.PARTIALLY_FILLED, OrderStatus.UNKNOWN})),
    # The size of the order is not shown: then nothing proves that it is complete.
    (
        "filled_qty_known_from_executions",
        frozenset(OrderStatus) - {OrderStatus.CANCELLED, OrderStatus.REJECTED},
    ),
    ("filled", frozenset({OrderStatus.FILLED})),
    ("cancelled", frozenset({OrderStatus.CANCELLED})),
    # Rejected by a code, with or without Inactive or Cancelled beside it (TWS facts 7, code 201).
    ("rejected", frozenset({OrderStatus.REJECTED})),
    ("inactive", frozenset({OrderStatus.INACTIVE})),
    ("working_partial", frozenset({OrderStatus.PARTIALLY_FILLED})),
    ("working", frozenset(OrderStatus) - {OrderStatus.FILLED, OrderStatus.CANCELLED, OrderStatus.REJECTED}),
    ("untouched", frozenset({OrderStatus.UNKNOWN})),
    ("unknown", frozenset({OrderStatus.UNKNOWN})),
    # Dead before the file begins: then nothing in it need say so.
    ("dead", frozenset({OrderStatus.CANCELLED, OrderStatus.REJECTED, OrderStatus.UNKNOWN})),
)


def _check_outcome(record: OrderRecord, outcome: str) -> Iterator[_Problem]:
    if not outcome:
        return
    allowed = next((statuses for start, statuses in _ALLOWED if outcome.startswith(start)), None)
    if allowed is None:
        # Plain words of the source: they are shown rather than passed over in silence.
        yield _Problem(f"outcome {outcome!r} is none that this runner can check", is_unshown=True)
        return
    if record.status in allowed:
        return
    text = f"outcome {outcome!r}, but the order is {record.status.value}"
    if outcome.startswith("filled") and record.total_quantity is None and record.fills:
        yield _Problem(text + ": its size is not shown", is_unshown=True)
    else:
        unshown = not _is_shown(record) and not record.status.is_finished
        yield _Problem(text, is_unshown=unshown)


# ── command line ────────────────────────────────────────────────────────────────────────────────


def _files(paths: Sequence[Path]) -> list[Path]:
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(path.glob("*.json"))
            if not inside:  # to check nothing is not to pass
                raise SystemExit(f"no .json files in {path}")
            found.extend(inside)
        elif path.is_file():
            found.append(path)
        else:
            raise SystemExit(f"no such file or folder: {path}")
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the checks and print them; the exit status is 1 when a file failed."""
    parser = argparse.ArgumentParser(
        prog="python -m ibkr_core.testing.corpus",
        description="Replay recorded callback sequences through the order book and check the results.",
    )
    parser.add_argument(
        "paths", nargs="+", type=Path, metavar="DIR", help="folder of .json files, or one file"
    )
    parser.add_argument(
        "--strict", action="store_true", help="count stated facts that no event of a file shows as failures"
    )
    options = parser.parse_args(arguments)
    failed = 0
    files = _files(options.paths)
    for path in files:
        result = check_file(path)
        problems = result.problems + (result.unshown if options.strict else ())
        failed += bool(problems)
        hidden = len(result.unshown)
        remark = f"  ({hidden} stated, not shown by its events)" if hidden and not options.strict else ""
        sys.stdout.write(f"{'FAIL' if problems else 'PASS'} {result.name}{remark}\n")
        sys.stdout.writelines(f"     {problem}\n" for problem in problems)
    sys.stdout.write(f"{len(files) - failed} passed, {failed} failed\n")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
