"""The ledger of executions: dedup, corrections, combos, averages, commissions."""

from __future__ import annotations

import decimal
import itertools
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.lifecycle.executionid import ExecutionId
from ibkr_core.lifecycle.ledger import Booking, Ledger, fill_from
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import CommissionFact, ExecutionFact
from ibkr_core.model.order import Action
from tests.lifecycle.making import commission, execution, ids

BAG = Contract(symbol="SPY", sec_type="BAG")
OPT = Contract(symbol="SPY", sec_type="OPT", con_id=501)


# ── execution ids ───────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("text", "base", "revision", "five"),
    [
        ("0000e0d5.69dd7411.01.01", "0000e0d5.69dd7411.01", 1, False),
        ("0000e0d5.69dd7411.01.02", "0000e0d5.69dd7411.01", 2, False),
        ("0000e0d5.69dd7411.01.10", "0000e0d5.69dd7411.01", 10, False),
        # The third segment is no revision (TWS facts 3).
        ("0000e0d5.69dd7411.02.01", "0000e0d5.69dd7411.02", 1, False),
        ("0000aaaa.bbbbbbbb.03.01.02", "0000aaaa.bbbbbbbb.03.01.02", 1, True),
        # Other shapes stand for themselves.
        ("manual-1", "manual-1", 1, False),
        ("", "", 1, False),
        ("a.b.c.0x", "a.b.c.0x", 1, False),
        ("a..c.01", "a..c.01", 1, False),
        ("a.b.01", "a.b.01", 1, False),
        ("a.b.c.d.e.01", "a.b.c.d.e.01", 1, False),
        ("a.b.c.٢", "a.b.c.٢", 1, False),
    ],
)
def test_an_execution_id_is_taken_apart_at_its_last_period(
    text: str,
    base: str,
    revision: int,
    five: bool,
) -> None:
    """Four segments end in a revision, five name the execution of a leg, all else stands for itself."""
    parsed = ExecutionId.parse(text)
    assert (parsed.text, parsed.base, parsed.revision, parsed.is_five_segments) == (
        text,
        base,
        revision,
        five,
    )


def test_a_revision_of_thousands_of_digits_does_not_raise() -> None:
    """Found by fuzzing: Python refuses to read an integer of more than 4300 digits."""
    text = "a.b.c." + "9" * 5_000
    assert ExecutionId.parse(text).base == text


@given(st.text(max_size=20))
def test_any_text_is_an_execution_id(text: str) -> None:
    """Taking apart never raises, and the base never holds more than the text."""
    parsed = ExecutionId.parse(text)
    assert text.startswith(parsed.base)
    assert parsed.revision >= 0


# ── booking ─────────────────────────────────────────────────────────────────────────────────────


def booked(*facts: ExecutionFact, sec_type: str = "") -> Ledger:
    """Return a ledger with some executions."""
    ledger = Ledger()
    ledger.set_contract(sec_type)
    for fact in facts:
        ledger.book(fact)
    return ledger


def test_the_same_execution_counts_once() -> None:
    """Live, again, and once more as an answer to reqExecutions: one fill."""
    ledger = Ledger()
    assert ledger.book(execution(5))[0] is Booking.NEW
    assert ledger.book(execution(5))[0] is Booking.KNOWN
    assert ledger.book(execution(5, request_id=9001))[0] is Booking.KNOWN
    assert ledger.quantity == 5
    assert len(ledger.fills) == 1


def test_a_higher_revision_replaces_and_a_lower_one_does_nothing() -> None:
    """Correction .02 replaces .01 whatever the order in which they come (TWS facts 3)."""
    first, second = execution(5, 100, "a.b.c.01"), execution(6, 99, "a.b.c.02")
    ledger = Ledger()
    ledger.book(first)
    kind, fill, previous = ledger.book(second)
    assert kind is Booking.CORRECTED
    assert previous is not None
    assert (previous.quantity, fill.quantity, fill.price, fill.revision) == (5, 6, 99, 2)
    assert ledger.book(first)[0] is Booking.KNOWN
    assert booked(second, first).fills == ledger.fills == (fill,)
    assert (ledger.quantity, ledger.average_price) == (6, 99)


def test_the_third_segment_is_no_revision() -> None:
    """Two executions that differ there are two (TWS facts 3)."""
    assert booked(execution(5, exec_id="a.b.01.01"), execution(5, exec_id="a.b.02.01")).quantity == 10


def test_executions_of_five_segments_are_never_corrections_of_each_other() -> None:
    """Two partial fills of one leg differ in nothing but the last digits."""
    first, second = (execution(100, 4, f"a.b.03.01.{n:02}", contract=OPT) for n in (1, 2))
    ledger = booked(execution(200, 1, "a.b.01.01", contract=BAG), first, second)
    assert ledger.quantity == 200
    assert ids(ledger.leg_fills) == ["a.b.03.01.01", "a.b.03.01.02"]
    assert all(fill.is_leg for fill in ledger.leg_fills)


@pytest.mark.parametrize("sec_type", ["", "BAG"])
@pytest.mark.parametrize("leg_first", [True, False])
def test_only_the_executions_of_the_combo_count_for_it(sec_type: str, leg_first: bool) -> None:
    """Mixing legs into the combo's fills gives wrong quantities and prices (TWS facts 3)."""
    combo = execution(2, "1.5", "a.b.01.01", contract=BAG)
    leg = execution(4, 8, "a.b.02.01.01", contract=OPT)
    ledger = booked(*((leg, combo) if leg_first else (combo, leg)), sec_type=sec_type)
    assert (ledger.quantity, ledger.average_price) == (2, Decimal("1.5"))
    assert ids(ledger.fills) == ["a.b.01.01"]
    assert ids(ledger.leg_fills) == ["a.b.02.01.01"]


def test_a_leg_with_four_segments_is_told_by_its_contract() -> None:
    """Legs were seen with plain ids too (TWS facts 3); the combo's own execution or the order tells."""
    combo = execution(2, "1.5", "a.b.01.01", contract=BAG)
    leg = execution(4, 8, "a.b.02.01", contract=OPT)
    for ledger in (booked(combo, leg), booked(leg, combo), booked(leg, combo, sec_type="BAG")):
        assert (ledger.quantity, ids(ledger.leg_fills)) == (2, ["a.b.02.01"])


def test_a_plain_order_counts_whatever_its_execution_ids_look_like() -> None:
    """Five segments make no leg where the order itself is known to be no combo."""
    assert booked(execution(5, exec_id="a.b.02.01.01"), sec_type="STK").quantity == 5


def test_learning_that_an_order_is_a_combo_recounts_it() -> None:
    """The order's contract may be shown after its first execution (TWS facts 3)."""
    ledger = booked(execution(4, 8, "a.b.02.01", contract=OPT))
    assert ledger.quantity == 4
    ledger.set_contract("BAG")
    assert (ledger.quantity, ledger.average_price) == (0, None)
    assert ids(ledger.leg_fills) == ["a.b.02.01"]
    assert all(fill.is_leg for fill in ledger.leg_fills)


def test_a_leg_of_five_segments_makes_the_order_a_combo_by_itself() -> None:
    """Nothing else has such ids (TWS facts 3): it must not count while the combo's own is on its way."""
    ledger = booked(execution(4, 8, "a.b.02.01.01", contract=OPT))
    assert (ledger.quantity, len(ledger.leg_fills)) == (0, 1)


def test_an_empty_ledger_has_no_average() -> None:
    """Nothing executed is zero, at no price."""
    ledger = Ledger()
    assert (ledger.quantity, ledger.average_price, ledger.fills, dict(ledger.commissions())) == (
        0,
        None,
        (),
        {},
    )


def test_a_correction_to_nothing_leaves_nothing() -> None:
    """An execution corrected to zero shares has no average to divide."""
    ledger = booked(execution(5, 100, "a.b.c.01"), execution(0, 100, "a.b.c.02"))
    assert (ledger.quantity, ledger.average_price) == (0, None)
    assert ledger.corrected_away == 5


def test_what_corrections_took_away_counts_against_the_largest_revision() -> None:
    """A status that counted the larger one is too high by the difference, whatever came first."""
    revisions = [execution(shares, 100, f"a.b.c.{n:02}") for n, shares in ((1, 90), (2, 110), (3, 100))]
    for facts in (revisions, revisions[::-1], [*revisions[1:], revisions[0]]):
        assert booked(*facts).corrected_away == 10
    assert booked(execution(90, 100, "a.b.c.01"), execution(100, 100, "a.b.c.02")).corrected_away == 0


# ── averages ────────────────────────────────────────────────────────────────────────────────────

SIZES = st.decimals(min_value="0.0001", max_value="1E+6", places=4)
PRICES = st.decimals(min_value="-1E+5", max_value="1E+6", places=6)


@given(st.lists(st.tuples(SIZES, PRICES), min_size=1, max_size=20), st.randoms(use_true_random=False))
def test_totals_are_exact_and_do_not_depend_on_the_order(
    parts: list[tuple[Decimal, Decimal]], random: object
) -> None:
    """Against rational numbers: sum and average are right to the last of 28 digits, in any order."""
    facts = [
        ExecutionFact(exec_id=f"a.{n}.c.01", side="BOT", shares=shares, price=price)
        for n, (shares, price) in enumerate(parts)
    ]
    random.shuffle(facts)  # type: ignore[attr-defined]  # hypothesis' Random
    with decimal.localcontext(decimal.Context(prec=3)):
        ledger = booked(*facts)
        average = ledger.average_price
    quantity = sum(Fraction(shares) for shares, _ in parts)
    value = sum(Fraction(shares) * Fraction(price) for shares, price in parts)
    assert Fraction(ledger.quantity) == quantity
    assert average is not None
    assert abs(Fraction(average) - value / quantity) <= abs(value / quantity) * Fraction(1, 10**27)


def test_a_host_that_traps_inexactness_is_no_trouble() -> None:
    """Some finance programs trap Inexact; one third is inexact, and the average of ours all the same."""
    context = decimal.Context(prec=4, traps=[decimal.Inexact, decimal.Rounded])
    with decimal.localcontext(context):
        ledger = booked(execution(1, 1, "a.b.c.01"), execution(2, 2, "a.b.d.01"))
        assert ledger.average_price is not None
        assert not context.flags[decimal.Inexact]


# ── commissions ─────────────────────────────────────────────────────────────────────────────────


def test_a_commission_is_joined_before_and_after_its_execution() -> None:
    """It carries only the execution's id (TWS facts 2.6)."""
    before, after = Ledger(), Ledger()
    before.report_commission(commission())
    before.book(execution())
    after.book(execution())
    fill = after.report_commission(commission())
    assert fill is not None
    assert before.fills == after.fills == (fill,)
    assert (fill.commission, fill.commission_currency) == (Decimal("1.25"), "USD")
    assert after.commissions() == {"USD": Decimal("1.25")}


def test_a_repeated_report_changes_nothing() -> None:
    """Each reqExecutions brings the reports again (TWS facts 2.9)."""
    ledger = booked(execution())
    assert ledger.report_commission(commission()) is not None
    assert ledger.report_commission(commission()) is None
    assert ledger.commissions() == {"USD": Decimal("1.25")}


def test_commissions_add_up_by_currency() -> None:
    """The fee's currency need not be the account's (TWS facts 3); currencies are never added together."""
    ledger = booked(*(execution(1, exec_id=f"a.b.{n}.01") for n in "cde"))
    for amount, n, currency in (("1", "c", "USD"), ("0.00006", "d", "USD"), ("2", "e", "EUR")):
        ledger.report_commission(commission(amount, f"a.b.{n}.01", currency))
    assert ledger.commissions() == {"USD": Decimal("1.00006"), "EUR": Decimal(2)}


@pytest.mark.parametrize("second_report", [True, False])
def test_the_commission_of_a_corrected_execution_counts_once(second_report: bool) -> None:
    """Whether a correction gets a report of its own is not documented: never the sum of two."""
    ledger = booked(execution(exec_id="a.b.c.01"))
    ledger.report_commission(commission("1", "a.b.c.01"))
    ledger.book(execution(price=99, exec_id="a.b.c.02"))
    assert ledger.commissions() == {"USD": Decimal(1)}
    if second_report:
        ledger.report_commission(commission("1.5", "a.b.c.02"))
        assert ledger.commissions() == {"USD": Decimal("1.5")}
        ledger.report_commission(commission("1", "a.b.c.01"))
        assert ledger.commissions() == {"USD": Decimal("1.5")}


def test_a_report_for_a_revision_that_has_not_come_waits_for_it() -> None:
    """The report of .02 overtakes .02 itself: the older report holds until then."""
    ledger = booked(execution(exec_id="a.b.c.01"))
    ledger.report_commission(commission("1", "a.b.c.01"))
    ledger.report_commission(commission("2", "a.b.c.02"))
    assert ledger.commissions() == {"USD": Decimal(1)}
    ledger.book(execution(exec_id="a.b.c.02"))
    assert ledger.commissions() == {"USD": Decimal(2)}


@pytest.mark.parametrize("empty_first", [True, False])
def test_an_emptier_report_erases_nothing(empty_first: bool) -> None:
    """Found by examination: a report without an amount erased the amount. P&L may come in one of two only."""
    full, empty = commission("1", pnl="12.5"), commission(None, currency="")
    ledger = booked(execution())
    for report in (empty, full) if empty_first else (full, empty):
        ledger.report_commission(report)
    (fill,) = ledger.fills
    assert (fill.commission, fill.commission_currency, fill.realized_pnl) == (1, "USD", Decimal("12.5"))


def test_a_zero_commission_is_a_commission() -> None:
    """Zero and a rebate are amounts; None is "not known"."""
    ledger = booked(execution())
    assert ledger.commissions() == {}
    ledger.report_commission(commission("0"))
    assert ledger.commissions() == {"USD": Decimal(0)}
    ledger = booked(execution())
    ledger.report_commission(commission("-0.5"))
    assert ledger.commissions() == {"USD": Decimal("-0.5")}


def test_commissions_of_legs_count_for_the_order() -> None:
    """IB charges the legs; the trader pays for the combo."""
    ledger = booked(execution(2, 1, "a.b.01.01", contract=BAG), execution(2, 8, "a.b.02.01.01", contract=OPT))
    ledger.report_commission(CommissionFact(exec_id="a.b.02.01.01", commission=Decimal(1), currency="USD"))
    assert ledger.commissions() == {"USD": Decimal(1)}


# ── fills ───────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("side", "action"),
    [
        ("BOT", Action.BUY),
        ("SLD", Action.SELL),
        ("bot", Action.BUY),
        ("BUY", Action.BUY),
        ("", None),
        ("?", None),
    ],
)
def test_the_side_is_read_or_left_open(side: str, action: Action | None) -> None:
    """BOT and SLD (TWS facts 3); anything else is no side, and never a default."""
    fact = execution(side=side)
    assert fill_from(fact, ExecutionId.parse(fact.exec_id)).action is action


def test_a_fill_keeps_what_the_broker_said() -> None:
    """Times, places and running totals are copied, the raw time text too."""
    fact = execution(
        5,
        "101.25",
        "a.b.c.03",
        time="20260828 14:31:45 US/Eastern",
        exchange="ISLAND",
        account="DU1",
        liquidity=2,
        cum_quantity=Decimal(15),
        pending_price_revision=True,
        contract=Contract.stock("AAPL", con_id=265598),
    )
    fill = fill_from(fact, ExecutionId.parse(fact.exec_id))
    assert (fill.exec_id, fill.revision, fill.quantity, fill.price) == ("a.b.c.03", 3, 5, Decimal("101.25"))
    assert fill.time is not None
    assert fill.time.isoformat() == "2026-08-28T18:31:45+00:00"
    assert fill.time_text == "20260828 14:31:45 US/Eastern"
    assert (fill.exchange, fill.account, fill.liquidity, fill.cum_quantity) == ("ISLAND", "DU1", 2, 15)
    assert (fill.symbol, fill.con_id, fill.price_may_change) == ("AAPL", 265598, True)


def test_an_absurd_figure_leaves_no_trace_once_it_is_corrected() -> None:
    """Totals of limited precision would have swallowed the seven shares for good."""
    ledger = booked(
        execution(7, 100, "a.b.1.01"),
        execution("1E+999999", 100, "a.b.2.01"),
        execution(5, 100, "a.b.2.02"),
    )
    assert (ledger.quantity, ledger.average_price) == (12, 100)


# ── group orders ────────────────────────────────────────────────────────────────────────────────


def of_account(account: str, shares: int, exec_id: str) -> ExecutionFact:
    return execution(shares, exec_id=exec_id, account=account)


WHOLE = of_account("DF1234567", 10, "w.1.1.01")
PARTS = (of_account("DU1", 6, "p.1.1.01"), of_account("DU2", 4, "p.2.1.01"))


@pytest.mark.parametrize("facts", list(itertools.permutations((WHOLE, *PARTS))))
def test_a_group_order_counts_the_whole_and_holds_the_parts(facts: tuple[ExecutionFact, ...]) -> None:
    """The advisor's execution is told, and then again by the accounts (TWS facts 3): ten, not twenty."""
    ledger = Ledger()
    for fact in (*facts, *facts):
        ledger.book(fact)
    assert ledger.quantity == 10
    (whole,) = ledger.fills
    assert (whole.is_allocated, whole.is_allocation, whole.counts) == (True, False, True)
    assert {fill.account: fill.quantity for fill in ledger.allocation_fills} == {"DU1": 6, "DU2": 4}
    assert not any(fill.counts or fill.is_leg or fill.is_allocated for fill in ledger.allocation_fills)
    assert ledger.leg_fills == ()
    assert len(ledger.all_fills) == 3


def test_commissions_of_the_parts_do_not_count_again() -> None:
    """The whole has its report, and each part has one of its own."""
    ledger = Ledger()
    for fact in (WHOLE, *PARTS):
        ledger.book(fact)
        ledger.report_commission(commission(1, exec_id=fact.exec_id))
    assert ledger.commissions() == {"USD": 1}
    assert all(fill.commission == 1 for fill in ledger.all_fills)


def test_parts_alone_count() -> None:
    """Where the advisor's own line never comes, they are all that tells of the order."""
    ledger = Ledger()
    ledger.set_group()
    for fact in PARTS:
        ledger.book(fact)
    assert ledger.quantity == 10
    assert ledger.allocation_fills == ()


def test_an_advisors_order_for_its_own_account_is_like_any_other() -> None:
    """No group, no parts: it is held where it was booked."""
    ledger = Ledger()
    ledger.book(WHOLE)
    assert not ledger.fills[0].is_allocated
    ledger.set_group()
    assert ledger.fills[0].is_allocated


def test_other_fills_are_told_to_be_others_now() -> None:
    """Who follows them has to look at all of them then."""
    ledger = Ledger()
    ledger.book(PARTS[0])
    before = ledger.recounts
    ledger.book(PARTS[1])
    assert ledger.recounts == before
    ledger.book(WHOLE)
    assert ledger.recounts == before + 1


@pytest.mark.parametrize(
    ("account", "is_advisors"),
    [
        *((code, True) for code in ("F1234567", "DF123456", "FA1", "I123", "DI123")),
        *((code, False) for code in ("U1234567", "DU1234567", "", "F", "FUND7")),
    ],
)
def test_an_advisors_account_is_known_by_its_code(account: str, is_advisors: bool) -> None:
    """What a client's account begins with is U or DU."""
    ledger = Ledger()
    ledger.set_group()
    ledger.book(of_account(account, 10, "w.1.1.01"))
    assert ledger.fills[0].is_allocated is is_advisors
