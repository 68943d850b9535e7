"""Lives of orders as plain values, and performing their steps."""

from __future__ import annotations

import decimal
import sys
from decimal import Decimal

from ibkr_core.lifecycle.book import Book
from ibkr_core.model import events
from ibkr_core.model.order import Order
from ibkr_core.model.status import OrderStatus
from ibkr_core.testing.lives import CancelAsked, Ending, Life, ModifyAsked, Placed, exact_sum, perform
from tests.lifecycle.making import AAPL, NOW, commission, execution, status

ORDER = Order.limit("BUY", 10, 100)
PLACED = Placed(order_id=1, contract=AAPL, order=ORDER, key="mine")


def test_steps_are_performed_on_a_book() -> None:
    """Commands are given and facts applied; each gives its effects."""
    book = Book(1)
    told = [
        perform(book, step, NOW).events
        for step in (
            PLACED,
            status("Submitted", 0, 10),
            ModifyAsked(order_id=1, order=ORDER.replace(limit_price=99)),
            CancelAsked(order_id=1),
            status("Cancelled", 0, 10),
        )
    ]
    assert [type(seen[0]) for seen in told if seen] == [
        events.OrderSubmitted,
        events.OrderAcknowledged,
        events.OrderStatusChanged,
        events.OrderStatusChanged,
    ]
    assert book.order(1).status is OrderStatus.CANCELLED


def test_a_command_that_the_state_forbids_does_nothing() -> None:
    """As the engine would have refused it: too late, or twice."""
    book = Book(1)
    perform(book, PLACED, NOW)
    perform(book, status("Filled", 10, 0), NOW)
    before = book.order(1)
    for step in (
        PLACED,
        CancelAsked(order_id=1),
        ModifyAsked(order_id=1, order=ORDER),
        CancelAsked(order_id=5),
    ):
        assert perform(book, step, NOW).events == []
    assert book.order(1) is before


def test_a_life_knows_what_it_comes_to() -> None:
    """Filled, value and commissions are exact sums, whatever the host's decimal context."""
    parts = {f"a.b.{n}": execution(3, "0.1", f"a.b.{n}.01") for n in "123"}
    life = Life(
        order_id=1,
        perm_id=900,
        client_id=1,
        contract=AAPL,
        order=ORDER,
        ending=Ending.WORKING,
        steps=(PLACED, *parts.values()),
        size=Decimal(10),
        executions=parts,
        leg_executions={},
        commissions={
            "a.b.1": commission("1.00006", "a.b.1.01"),
            "a.b.2": commission("2", "a.b.2.01"),
            "a.b.3": commission("3", "a.b.3.01", "EUR"),
        },
        terms_changed=False,
        quantities_corrected=False,
    )
    with decimal.localcontext(decimal.Context(prec=2)):
        assert (life.filled, life.value) == (9, Decimal("0.9"))
        assert life.commission_by_currency == {"USD": Decimal("3.00006"), "EUR": Decimal(3)}
        assert exact_sum([Decimal("100.01"), Decimal("0.001")]) == Decimal("100.011")


def test_the_values_need_no_hypothesis() -> None:
    """Hypothesis is a development dependency: only the strategies import it."""
    import subprocess

    code = (
        "import sys, ibkr_core.testing.lives, ibkr_core.testing.corpus, ibkr_core.testing.callbacks;"
        "sys.exit('hypothesis' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0  # noqa: S603 - fixed
