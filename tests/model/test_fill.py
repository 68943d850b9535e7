"""Fills, and the execution times in every form that TWS sends."""

from __future__ import annotations

import copy
import decimal
import operator
import pickle
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import attrs
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ibkr_core.model.contract import Contract
from ibkr_core.model.fill import Fill, Told, _parse, parse_execution_time, told_fill
from ibkr_core.model.order import Action

BERLIN = ZoneInfo("Europe/Berlin")


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        # TWS facts 3, with the offsets worked out by hand.
        ("20260828 14:31:45 US/Eastern", datetime(2026, 8, 28, 18, 31, 45, tzinfo=UTC)),
        ("20250820 09:30:01 US/Eastern", datetime(2025, 8, 20, 13, 30, 1, tzinfo=UTC)),
        ("20260611-13:31:00", datetime(2026, 6, 11, 13, 31, tzinfo=UTC)),
        ("20260105 09:30:00 US/Eastern", datetime(2026, 1, 5, 14, 30, tzinfo=UTC)),
        ("20260611 13:31:00 UTC", datetime(2026, 6, 11, 13, 31, tzinfo=UTC)),
        ("20260611 13:31:00 GMT", datetime(2026, 6, 11, 13, 31, tzinfo=UTC)),
        ("20260611  13:31:00  Asia/Tokyo", datetime(2026, 6, 11, 4, 31, tzinfo=UTC)),
        (" 20260611-13:31:00 ", datetime(2026, 6, 11, 13, 31, tzinfo=UTC)),
    ],
)
def test_a_time_with_a_known_zone_is_read_in_utc(text: str, moment: datetime) -> None:
    """A named zone or the dash of UTC tell the moment exactly, in summer and winter."""
    read = parse_execution_time(text)
    assert read == moment
    assert read is not None
    assert read.tzinfo is UTC


@pytest.mark.parametrize("text", ["20230224  12:04:56", "20250415  19:38:31", "20250415 19:38:31"])
def test_a_time_without_a_zone_is_not_guessed(text: str) -> None:
    """Only the caller can tell the gateway's own zone; the machine's zone would be a guess."""
    assert parse_execution_time(text) is None
    read = parse_execution_time(text, local_zone=BERLIN)
    assert read is not None
    assert read.astimezone(BERLIN).strftime("%H:%M:%S") == text[-8:]


def test_a_local_zone_does_not_overrule_the_texts_own() -> None:
    """The zone in the text, or the dash of UTC, is the broker's word."""
    assert parse_execution_time("20260611-13:31:00", BERLIN) == datetime(2026, 6, 11, 13, 31, tzinfo=UTC)
    assert parse_execution_time("20260611 13:31:00 UTC", BERLIN) == datetime(2026, 6, 11, 13, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "20261301 10:00:00 UTC",
        "20260230 10:00:00 UTC",
        "20260101 25:00:00 UTC",
        "20260101 10:00:00 Mars/Olympus",
        "20260101 10:00:00 ../../etc/passwd",
        "20260101 10:00:00 America",
        "20260101 10:00:00 \x00",
        "20260101 10:00:00 \udcff",
        "20260101 10:00:00.123 UTC",
        "20260101",
    ],
)
def test_what_cannot_be_read_is_none(text: str) -> None:
    """A date that does not exist or a zone that nobody knows gives None; the text is kept in the fill."""
    assert parse_execution_time(text, BERLIN) is None


@pytest.mark.parametrize("text", ["00010101 00:00:00 Asia/Tokyo", "99991231 23:59:59 US/Eastern"])
def test_a_moment_outside_of_utcs_years_is_none(text: str) -> None:
    """Found by examination: these raised OverflowError out of the book."""
    assert parse_execution_time(text) is None


@given(st.text(max_size=40), st.booleans())
def test_no_text_raises(text: str, with_start: bool) -> None:
    """Whatever the broker writes there, reading it is harmless."""
    text = "20260101 10:00:00 " + text if with_start else text
    read = parse_execution_time(text)
    assert read is None or read.utcoffset() == timedelta(0)


NEW_YORK_CHANGES = datetime(1883, 11, 18, 12, 3, 57)  # noqa: DTZ001 - the zone is given apart
"""A second before New York gave up the time by its sun."""


@given(
    st.one_of(
        st.datetimes(datetime(1990, 1, 1), datetime(2090, 1, 1)),  # noqa: DTZ001 - the zone is drawn apart
        st.datetimes(datetime(1850, 1, 1), datetime(1990, 1, 1)),  # noqa: DTZ001 - likewise
        st.integers(-70, 70).map(lambda second: NEW_YORK_CHANGES + timedelta(seconds=second)),
    ),
    st.sampled_from(["US/Eastern", "Asia/Kolkata", "UTC", "Australia/Lord_Howe", "Africa/Monrovia"]),
)
@example(datetime(1883, 1, 2, 10, 0, 5), "US/Eastern")  # noqa: DTZ001 - likewise
@example(datetime(1971, 6, 1, 10, 0, 5), "Africa/Monrovia")  # noqa: DTZ001 - likewise
@example(NEW_YORK_CHANGES, "US/Eastern")
@example(NEW_YORK_CHANGES + timedelta(seconds=1), "US/Eastern")
def test_reading_agrees_with_the_zone_database(moment: datetime, zone: str) -> None:
    """Wall-clock text plus zone is the moment that the standard library makes of them.

    In years, too, in which a place was whole minutes and some seconds from Greenwich.
    """
    moment = moment.replace(microsecond=0)
    expected = moment.replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    assert parse_execution_time(f"{moment:%Y%m%d %H:%M:%S} {zone}") == expected


def test_a_fixed_offset_zone_may_be_local() -> None:
    """Any tzinfo will do for the gateway's zone."""
    read = parse_execution_time("20260101  10:00:00", timezone(timedelta(hours=-5)))
    assert read == datetime(2026, 1, 1, 15, tzinfo=UTC)


def test_a_fills_value_is_exact_in_any_decimal_context() -> None:
    """Found by examination: the host's precision rounded the value."""
    fill = Fill(exec_id="a.b.c.01", quantity=Decimal("1234.5"), price=Decimal("101.0625"))
    with decimal.localcontext(decimal.Context(prec=3)):
        assert fill.value == Decimal("124761.65625")


def test_a_fill_is_frozen_and_a_value() -> None:
    """Equal content is an equal fill, and nobody can change one."""
    fill = Fill(exec_id="a.b.c.01", quantity=Decimal(1), price=Decimal(2))
    assert fill == Fill(exec_id="a.b.c.01", quantity=Decimal("1.0"), price=Decimal(2))
    assert hash(fill) == hash(attrs.evolve(fill))
    assert fill.commission is None
    assert fill.realized_pnl is None
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        fill.price = Decimal(3)  # type: ignore[misc]  # the very fault


def test_a_fill_says_what_it_is() -> None:
    """One line for people; a commission that is not known yet is told so."""
    at = datetime(2026, 11, 20, 14, 31, 45, tzinfo=UTC)
    fill = Fill(
        exec_id="x.01",
        quantity=Decimal(50),
        price=Decimal("190.00"),
        action=Action.BUY,
        symbol="AAPL",
        exchange="ARCA",
        time=at,
    )
    assert str(fill) == "BUY 50 AAPL at 190.00 (ARCA, 2026-11-20 14:31:45 UTC, commission not reported yet)"
    paid = attrs.evolve(fill, commission=Decimal("1.0002"), commission_currency="USD", time=None, is_leg=True)
    assert str(paid) == "BUY 50 AAPL at 190.00 (ARCA, commission 1.00 USD, a leg)"
    assert repr(Fill(exec_id="x", quantity=Decimal(1), price=Decimal(2))) == (
        "Fill(exec_id='x', quantity=Decimal('1'), price=Decimal('2'))"
    )


@given(
    st.sampled_from(["20260828", "2026-08-28", "20261332", "2026082", "20261025"]),
    st.sampled_from([" ", "-", "  ", "", "T"]),
    st.sampled_from(["14:31:", "02:59:", "24:00:", "9:05:", "\u06602:59:"]),
    st.sampled_from(["00", "45", "59", "60", "5", "+5", "\u06601", "4 "]),
    st.sampled_from([" US/Eastern", " UTC", "", " Nowhere/City", " Europe/Berlin", "x", "  MET"]),
    st.sampled_from([None, BERLIN]),
)
def test_a_second_of_a_known_minute_is_read_as_any_other(
    day: str, between: str, minute: str, second: str, zone: str, local: tzinfo | None
) -> None:
    """The short way of the usual form comes to what the long way comes to."""
    text = f"{day}{between}{minute}{second}{zone}"
    assert parse_execution_time(text, local) == _parse(text, local)


# ── fills that nobody has looked at yet ─────────────────────────────────────────────────────────────


AAPL = Contract(con_id=265598, symbol="AAPL", sec_type="STK", exchange="SMART", currency="USD")
SPY = Contract(
    con_id=7,
    symbol="SPY",
    sec_type="OPT",
    expiry="20261218",
    right="C",
    strike=Decimal(600),
    exchange="SMART",
)
MOMENTS = ("20260828 14:31:45 US/Eastern", "20230224  12:04:56", "", "x", "20260101 10:00:00 America")
PAID: dict[str, Any] = {
    "commission": Decimal("0.35"),
    "commission_currency": "USD",
    "realized_pnl": Decimal(-5),
}


def told(contract: Contract, text: str) -> Told:
    """What an execution says."""
    its = ("0000e0d5.1.01.01", Decimal(50), Decimal("190.25"), Action.BUY)
    return *its, contract, text, "DU1", "ARCA", Decimal(50), 2, True


def unread(contract: Contract = AAPL, text: str = MOMENTS[0], *, paid: bool = False) -> Fill:
    """A fill as the express lane makes it."""
    its = told(contract, text)
    return told_fill(its, PAID["commission"], "USD", PAID["realized_pnl"]) if paid else told_fill(its)


def whole(contract: Contract = AAPL, text: str = MOMENTS[0], *, paid: bool = False) -> Fill:
    """The same fill, made as any other value."""
    return Fill(
        exec_id="0000e0d5.1.01.01",
        quantity=Decimal(50),
        price=Decimal("190.25"),
        action=Action.BUY,
        revision=1,
        time=parse_execution_time(text) if text else None,
        time_text=text,
        exchange="ARCA",
        account="DU1",
        liquidity=2,
        cum_quantity=Decimal(50),
        symbol=contract.name,
        con_id=contract.con_id,
        price_may_change=True,
        contract=contract,
        **(PAID if paid else {}),
    )


FIELDS = [field.name for field in attrs.fields(Fill)]
LOOKS: dict[str, Callable[[Fill], Any]] = {
    **{name: operator.attrgetter(name) for name in FIELDS},
    "repr": repr,
    "str": str,
    "hash": hash,
    "copy": copy.copy,
    "deepcopy": copy.deepcopy,
    "pickle": lambda fill: pickle.loads(pickle.dumps(fill)),  # noqa: S301 - our own
    "evolve": lambda fill: attrs.evolve(fill, quantity=Decimal(1)),
    "asdict": lambda fill: attrs.asdict(fill, recurse=False),
    "astuple": lambda fill: attrs.astuple(fill, recurse=False),
    "value": operator.attrgetter("value"),
    "counts": operator.attrgetter("counts"),
    "moves_position": operator.attrgetter("moves_position"),
    "hasattr": lambda fill: [hasattr(fill, name) for name in (*FIELDS, "_repr_html_", "__array__")],
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("paid", [False, True])
@pytest.mark.parametrize("text", MOMENTS)
@pytest.mark.parametrize("contract", [AAPL, SPY], ids=str)
def test_the_first_look_at_a_fill_sees_what_any_other_does(
    look: str, contract: Contract, text: str, *, paid: bool
) -> None:
    """Whatever is looked at first, and whether it was paid before: nobody can tell that it was not read."""
    seen, ordinary = unread(contract, text, paid=paid), whole(contract, text, paid=paid)
    assert LOOKS[look](seen) == LOOKS[look](ordinary)
    assert seen == ordinary
    assert ordinary == unread(contract, text, paid=paid)
    assert type(seen) is Fill
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        seen.exchange = "IBKR"  # type: ignore[misc]


def test_what_is_no_field_is_missed_as_anywhere() -> None:
    """The same error as of any object, read or not, and of one that was never set."""
    for fill in (unread(), whole()):
        with pytest.raises(AttributeError, match="'Fill' object has no attribute 'quantitiy'"):
            fill.quantitiy  # type: ignore[attr-defined]  # noqa: B018 - looked up to fail
    bare = object.__new__(Fill)
    with pytest.raises(AttributeError, match="exchange"):
        bare.exchange  # noqa: B018 - likewise


def test_what_was_read_is_kept_no_longer() -> None:
    """A fill that was looked at holds its fields, and not also what they were read from."""
    said = told(AAPL, MOMENTS[0])
    held = sys.getrefcount(said)
    fill, paid = told_fill(said), told_fill(said, Decimal(1), "USD")
    assert sys.getrefcount(said) == held + 2
    assert fill.symbol == paid.symbol == "AAPL"
    assert sys.getrefcount(said) == held


def test_two_threads_may_look_first() -> None:
    """They see the same, however they meet."""
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(2) as pool:
            for _ in range(300):
                fill, ordinary, meet = unread(), whole(), threading.Barrier(2)

                def look(name: str, fill: Fill = fill, meet: threading.Barrier = meet) -> object:
                    meet.wait(10)
                    return getattr(fill, name)

                names = ("is_allocation", "contract")  # the last that is set, and the first
                assert [*pool.map(look, names)] == [getattr(ordinary, name) for name in names]
                assert fill == ordinary
    finally:
        sys.setswitchinterval(interval)
