"""Which of our proposals does an echo show in force?"""

from __future__ import annotations

from decimal import Decimal

from ibkr_core.lifecycle.terms import accepted_proposal
from ibkr_core.model.order import BrokerOrder, Order

OLD = Order.limit("BUY", 10, 100)


def shown(order: Order, **fields: object) -> BrokerOrder:
    """Return the broker's echo of an order, with the drift that facts 2.10 tells of where asked."""
    told = {
        "total_quantity": order.quantity,
        "order_type": order.order_type,
        "limit_price": order.limit_price,
        "aux_price": order.aux_price,
        "tif": order.tif,
    }
    return BrokerOrder(**(told | fields))  # type: ignore[arg-type]  # a table of fields


def test_the_proposal_that_the_echo_shows_is_in_force() -> None:
    """Price, size, type or time in force as asked for."""
    for new in (
        OLD.replace(limit_price=101),
        OLD.replace(quantity=20),
        OLD.replace(order_type="MKT"),
        OLD.replace(tif="GTC"),
    ):
        assert accepted_proposal(OLD, [new], shown(new)) == 0
        assert accepted_proposal(OLD, [new], shown(OLD)) is None


def test_the_newest_of_several_proposals_counts() -> None:
    """Echoes can be skipped: the last terms shown are those in force."""
    proposals = [OLD.replace(limit_price=price) for price in (101, 102, 103)]
    assert accepted_proposal(OLD, proposals, shown(proposals[1])) == 1
    assert accepted_proposal(OLD, proposals, shown(proposals[2])) == 2


def test_fields_that_were_not_changed_may_drift() -> None:
    """A stop's first echo shows a computed limit price (TWS facts 2.10); that is no refusal."""
    stop = Order.stop("SELL", 10, 90)
    new = stop.replace(aux_price=91)
    assert accepted_proposal(stop, [new], shown(new, limit_price=Decimal("13.16"))) == 0


def test_an_echo_that_does_not_say_is_no_acceptance() -> None:
    """None is not the wanted price."""
    new = OLD.replace(limit_price=101)
    assert accepted_proposal(OLD, [new], shown(new, limit_price=None)) is None


def test_numbers_are_compared_by_value() -> None:
    """101 and 101.00 are the same price."""
    new = OLD.replace(limit_price=101)
    assert accepted_proposal(OLD, [new], shown(new, limit_price=Decimal("101.00"))) == 0


def test_a_change_that_no_echo_shows_is_in_force_with_the_next_one() -> None:
    """Fields that are not echoed cannot be waited for."""
    new = OLD.replace(outside_rth=True)
    assert accepted_proposal(OLD, [new], shown(OLD)) == 0


def test_without_known_terms_the_whole_proposal_must_show() -> None:
    """For an order whose terms were never known, all that is asked for has to be there."""
    new = OLD.replace(limit_price=101)
    assert accepted_proposal(None, [new], shown(new)) == 0
    assert accepted_proposal(None, [new], shown(new, tif="GTC")) is None


def test_no_proposal_is_no_acceptance() -> None:
    """Nothing asked, nothing in force."""
    assert accepted_proposal(OLD, [], shown(OLD)) is None


def test_a_price_that_the_type_does_not_mirror_is_not_waited_for() -> None:
    """A stop's echo shows a computed limit or none: it must not hide that the new stop is in force."""
    old = Order.stop("SELL", 10, 180)
    new = old.replace(aux_price=186)
    assert accepted_proposal(old, [new], shown(new, limit_price=Decimal(0))) == 0
    assert accepted_proposal(old, [new], shown(new, limit_price=Decimal("13.16"))) == 0


def test_text_is_compared_whatever_its_case() -> None:
    """The broker writes in capitals."""
    new = OLD.replace(tif="GTC")
    assert accepted_proposal(OLD, [new], shown(new, tif="gtc")) == 0


def test_a_price_that_is_taken_away_need_not_be_echoed_as_none() -> None:
    """The echo of a market order may still show the old limit, or 0."""
    new = Order.market("BUY", 10)
    assert accepted_proposal(OLD, [new], shown(new, limit_price=Decimal(100))) == 0
    assert accepted_proposal(OLD, [new], shown(new, limit_price=Decimal(0))) == 0
