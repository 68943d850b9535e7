"""The types of events."""

from __future__ import annotations

import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.logs.types import TYPES, EventType, event_type, names_of, read_type
from ibkr_core.model import events


def test_every_kind_of_event_has_a_type() -> None:
    """Whoever adds an event says in ibkr_core/logs/types.py under which type it is looked up."""
    assert set(TYPES) == set(events.__all__)


def test_the_types_are_those_that_people_filter_by() -> None:
    """Each is used, and has the name that logs are searched for."""
    names = "SUBMISSION FILL STATUS_CHANGE CANCELLATION ERROR RETRY MODIFY RISK SESSION"
    assert [kind.value for kind in EventType] == names.split()
    assert set(TYPES.values()) == set(EventType)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("OrderSubmitted", EventType.SUBMISSION),
        ("ExecutionReceived", EventType.FILL),
        ("OrderStatusChanged", EventType.STATUS_CHANGE),
        ("OrderCancelled", EventType.CANCELLATION),
        ("OrderRejected", EventType.ERROR),
        ("RetryScheduled", EventType.RETRY),
        ("OrderModified", EventType.MODIFY),
        ("TradingHalted", EventType.RISK),
        ("ConnectionLost", EventType.SESSION),
        ("SomethingOfLater", EventType.SESSION),
    ],
)
def test_an_event_is_of_the_type_that_one_expects(name: str, kind: EventType) -> None:
    """The main ones stand where a trader looks for them; what is unknown concerns everybody."""
    assert event_type(name) is kind


def test_the_names_of_a_type_are_those_that_have_it() -> None:
    """Looking up names by type is the reverse of looking up the type of a name."""
    for kind in EventType:
        assert {event_type(name) for name in names_of(kind)} == {kind}


def test_a_type_is_read_as_people_write_it() -> None:
    """Letter case does not matter; what is no type is refused with those that there are."""
    assert read_type("fill") is EventType.FILL
    assert read_type(EventType.RISK) is EventType.RISK
    with pytest.raises(InvalidInput, match="type: must be one of SUBMISSION, FILL"):
        read_type("fills")
