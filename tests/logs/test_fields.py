"""What a log line says of each kind of event."""

from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from decimal import Decimal

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.logs.fields import AccountMask, event_fields, exact_text
from ibkr_core.logs.types import event_type
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.record import HistoryEntry, OrderRecord
from tests.logs.samples import (
    ACCOUNT,
    FILL,
    MESSAGE,
    NOON,
    OF_THE_RECORD,
    ORDER_EVENTS,
    OTHER_EVENTS,
    RECORD,
    rejected,
)


def test_every_kind_of_event_has_a_sample() -> None:
    """The samples below cover all events that there are, so that a new kind cannot be forgotten."""
    sampled = {kind for kind, _, _ in (*ORDER_EVENTS, *OTHER_EVENTS)}
    assert sampled == {getattr(events, name) for name in events.__all__}


@pytest.mark.parametrize(
    ("kind", "details", "said"), ORDER_EVENTS, ids=[kind.__name__ for kind, _, _ in ORDER_EVENTS]
)
def test_an_order_event_says_the_order_and_its_own_details(
    kind: type[events.OrderEvent], details: dict[str, object], said: dict[str, object]
) -> None:
    """The line of an order event holds exactly the order's fields and those of the event, as plain values."""
    fields = event_fields(kind(at=NOON, seq=5, record=RECORD, **details))
    head = {
        "timestamp": "2026-11-21T12:00:00.123456Z",
        "event": kind.__name__,
        "type": event_type(kind.__name__).value,
        "seq": 5,
    }
    assert fields == head | OF_THE_RECORD | said
    assert list(fields)[:4] == ["timestamp", "event", "type", "seq"]
    assert json.loads(json.dumps(fields)) == fields


@pytest.mark.parametrize(
    ("kind", "details", "said"), OTHER_EVENTS, ids=[kind.__name__ for kind, _, _ in OTHER_EVENTS]
)
def test_another_event_says_its_details(
    kind: type[events.Event], details: dict[str, object], said: dict[str, object]
) -> None:
    """The line of an event that is about no order holds exactly what the event tells."""
    fields = event_fields(kind(at=NOON, seq=5, **details))
    head = {
        "timestamp": "2026-11-21T12:00:00.123456Z",
        "event": kind.__name__,
        "type": event_type(kind.__name__).value,
        "seq": 5,
    }
    assert fields == head | said
    assert json.loads(json.dumps(fields)) == fields


def test_what_is_not_known_is_left_out() -> None:
    """An order of which only the refusal is known has no null and no empty field, and says why."""
    assert event_fields(rejected()) == {
        "timestamp": "2026-11-21T12:00:00.123456Z",
        "event": "OrderRejected",
        "type": "ERROR",
        "seq": 1,
        "order_id": 9,
        "status": "REJECTED",
        "filled_quantity": "0",
        "code": 201,
        "message": "Order rejected - reason:no money",
        "advanced_reject": "{}",
    }


def test_a_message_without_a_code_has_none() -> None:
    """Code 0 is no code of the broker's, and line ends around a text say nothing."""
    message = attrs.evolve(MESSAGE, code=0, message="held for the opening\n")
    fields = event_fields(events.OrderWarning(at=NOON, record=RECORD, message=message))
    assert "code" not in fields
    assert fields["message"] == "held for the opening"


def test_an_anomaly_about_an_order_says_which() -> None:
    """An anomaly carries the order that it is about."""
    fields = event_fields(events.AnomalyDetected(at=NOON, what="odd", record=RECORD))
    assert OF_THE_RECORD.items() <= fields.items()
    assert fields["reason"] == "odd"


def test_the_timestamp_is_utc_whatever_the_zone_of_the_event() -> None:
    """A moment in another zone is written as the same moment in UTC, to the microsecond."""
    at = datetime(2026, 11, 21, 2, 0, tzinfo=timezone(timedelta(hours=5)))
    assert event_fields(events.Disconnected(at=at))["timestamp"] == "2026-11-20T21:00:00.000000Z"


def test_only_the_first_fill_has_the_latency_to_the_first_fill() -> None:
    """Later fills and commissions do not repeat it with a number that is not theirs."""
    later = attrs.evolve(RECORD, fills=(FILL, attrs.evolve(FILL, exec_id="0000e0d5.69000002.01.01")))
    fields = event_fields(events.ExecutionReceived(at=NOON, record=later, fill=later.fills[1]))
    assert "first_fill_latency_us" not in fields
    commission = events.CommissionReported(at=NOON, record=RECORD, fill=FILL)
    assert "first_fill_latency_us" not in event_fields(commission)


def test_a_clock_that_was_set_back_gives_no_latency() -> None:
    """A negative span is no latency and is left out."""
    record = attrs.evolve(RECORD, acknowledged_time=NOON - timedelta(seconds=9))
    fields = event_fields(events.OrderAcknowledged(at=NOON, record=record))
    assert "ack_latency_us" not in fields
    assert fields["send_latency_us"] == 100


def test_the_account_is_that_of_the_fill_or_else_of_the_order() -> None:
    """Where nothing is filled, the account that the order asks for is told."""
    assert RECORD.order is not None
    asked = RECORD.order.replace(account="U7654321")
    record = attrs.evolve(RECORD, fills=(), order=asked)
    assert event_fields(events.OrderSubmitted(at=NOON, record=record))["account"] == "U7654321"


def test_a_stop_says_its_stop_price() -> None:
    """The trigger price of a stop stands in aux_price."""
    assert RECORD.order is not None
    stop = RECORD.order.replace(order_type="STP", limit_price=None, aux_price="180.00")
    fields = event_fields(events.OrderSubmitted(at=NOON, record=attrs.evolve(RECORD, order=stop)))
    assert fields["aux_price"] == "180"
    assert "limit_price" not in fields


def test_an_order_that_we_did_not_submit_says_so_and_when_it_was_first_seen() -> None:
    """Those that read the line alone know whose order it is, and since when it is known."""
    seen = HistoryEntry(at=NOON - timedelta(hours=1), status=RECORD.status, what="found")
    record = attrs.evolve(RECORD, is_ours=False, submission_time=None, history=(seen,))
    fields = event_fields(events.OrderAcknowledged(at=NOON, record=record))
    assert fields["is_ours"] is False
    assert fields["first_seen_time"] == "2026-11-21T11:00:00.123456Z"
    assert "submission_time" not in fields


def test_what_an_amount_is_worth_can_be_told_from_the_line() -> None:
    """Currency and multiplier stand beside the quantity; a combo's leg is told from the combo."""
    option = Contract.option("SPY", "20261218", 600, "C")
    fill = attrs.evolve(FILL, is_leg=True)
    record = attrs.evolve(RECORD, contract=option, finished_time=NOON)
    fields = event_fields(events.ExecutionReceived(at=NOON, record=record, fill=fill))
    assert (fields["currency"], fields["multiplier"], fields["is_leg"]) == ("USD", "100", True)
    assert fields["finished_time"] == "2026-11-21T12:00:00.123456Z"


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8))
def test_numbers_are_written_exactly(value: Decimal) -> None:
    """A number read back from its text is the number, and the text has no exponent."""
    text = exact_text(value)
    assert text is not None
    assert Decimal(text) == value
    assert not set("Ee") & set(text)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("100", "100"),
        ("1E+2", "100"),
        ("190.10", "190.1"),
        ("0.00", "0"),
        ("-0.50", "-0.5"),
        ("1.2E-4", "0.00012"),
        ("NaN", "NaN"),
        ("1E+999999", "1E+999999"),
    ],
)
def test_numbers_are_plain_digits(value: str, text: str) -> None:
    """No trailing zeros and no exponent, except where the digits would fill a disk."""
    assert exact_text(Decimal(value)) == text


def test_a_new_kind_of_event_is_told_too() -> None:
    """Attributes that nobody foresaw are written under their own names."""

    @attrs.frozen(kw_only=True)
    class Rolled(events.Event):
        month: str
        legs: tuple[Decimal, ...]
        note: object

    fields = event_fields(Rolled(at=NOON, month="202703", legs=(Decimal("1.50"),), note=RuntimeError("x")))
    assert fields["month"] == "202703"
    assert fields["legs"] == ["1.5"]
    assert fields["note"] == "x"


@pytest.mark.parametrize(
    ("text", "hidden"),
    [
        ("DU1234567", "DU***567"),
        ("U7654321", "U7***321"),
        ("DUM123456", "DU***456"),
        ("account F1234567 and DI7654321.", "account F1***567 and DI***321."),
        ("0000e0d5.69000001.01.01", "0000e0d5.69000001.01.01"),
        ("AAPL  261218C00290000", "AAPL  261218C00290000"),
        ("UNSET 12345", "UNSET 12345"),
    ],
)
def test_account_numbers_are_known_by_their_form(text: str, hidden: str) -> None:
    """Account numbers anywhere in a text are hidden but for their ends; other texts are left alone."""
    assert AccountMask()({"message": text}) == {"message": hidden}


def test_an_account_of_another_form_is_hidden_once_it_was_named() -> None:
    """What an event calls an account is hidden from then on, also inside texts, lists and mappings."""
    mask = AccountMask()
    assert mask({"accounts": ["Advisor-77", ACCOUNT]}) == {"accounts": ["Ad***-77", "DU***567"]}
    assert mask({"message": "no: Advisor-77!", "x": {"y": "Advisor-77"}}) == {
        "message": "no: Ad***-77!",
        "x": {"y": "Ad***-77"},
    }
    assert mask({"account": "AB"}) == {"account": "***"}


def test_masking_leaves_numbers_and_the_event_alone() -> None:
    """Masking changes texts only, in a copy."""
    fields = event_fields(events.OrderSubmitted(at=NOON, record=RECORD))
    masked = AccountMask()(fields)
    assert fields["account"] == ACCOUNT
    assert {name for name in fields if fields[name] != masked[name]} == {"account"}
    assert isinstance(RECORD, OrderRecord)
