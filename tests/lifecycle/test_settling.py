"""What our own side settles: silence, absence, requests given up, retries, adoption; and the one door."""

from __future__ import annotations

import pytest

from ibkr_core.errors import OrderNotOurs, OrderStateError, UnknownOrder
from ibkr_core.lifecycle import inputs
from ibkr_core.lifecycle.asks import Question
from ibkr_core.lifecycle.book import Book
from ibkr_core.lifecycle.effects import Effects
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule, Verdict, extend
from ibkr_core.model.facts import ErrorFact
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request
from ibkr_core.model.status import OrderStatus
from tests.lifecycle.making import AAPL, NOW, echo, status

S = OrderStatus
BUY = Order.limit("BUY", 10, "99")


class Player:
    """A book with one order, played through its one door."""

    def __init__(self, book: Book | None = None) -> None:
        self.book = book or Book(1)
        self.take(inputs.Submit((inputs.NewOrder(1, "k1", AAPL, BUY),)))

    def take(self, given: inputs.Input) -> Effects:
        return self.book.take(given, NOW)

    @property
    def record(self) -> OrderRecord:
        return self.book.order(1)


def names(effects: Effects) -> list[str]:
    """The kinds of the events."""
    return [type(event).__name__ for event in effects.events]


def test_a_new_order_that_nobody_answers_is_in_doubt_and_asked_about() -> None:
    """TWS facts 9.8: silence is a state. It proves nothing, so the order does not end by it."""
    player = Player()
    effects = player.take(inputs.Silence(1, Request.NEW))
    assert player.record.status is S.UNKNOWN
    assert {ask.question for ask in effects.asks} == {Question.ORDERS, Question.EXECUTIONS}
    assert "OrderUncertain" in names(effects)


def test_an_answer_at_the_last_moment_beats_the_silence() -> None:
    """The deadline fires while the answer is being applied: nothing happens."""
    player = Player()
    player.take(status("Submitted"))
    effects = player.take(inputs.Silence(1, Request.NEW))
    assert effects == Effects()
    assert player.record.status is S.SUBMITTED


@pytest.mark.parametrize("request_kind", [Request.MODIFY, Request.CANCEL])
def test_silence_on_a_change_asks_and_leaves_the_order_alive(request_kind: Request) -> None:
    """A modify or cancel without an answer says nothing about the order itself."""
    player = Player()
    player.take(status("Submitted"))
    wish = (
        inputs.Modify(1, BUY.replace(limit_price="98"))
        if request_kind is Request.MODIFY
        else inputs.Cancel(1)
    )
    player.take(wish)
    before = player.record.status
    effects = player.take(inputs.Silence(1, request_kind))
    assert player.record.status is before
    assert request_kind in player.record.pending
    assert effects.asks


def test_an_order_that_never_showed_itself_never_was() -> None:
    """Complete lists without it: it is refused, with the reason, and can be sent anew under another key."""
    player = Player()
    player.take(inputs.Silence(1, Request.NEW))
    effects = player.take(inputs.ProveAbsent(1, "not among the broker's lists"))
    assert player.record.status is S.REJECTED
    assert player.record.error_message == "not among the broker's lists"
    assert "OrderRejected" in names(effects)


def test_a_known_order_that_is_listed_no_more_has_ended() -> None:
    """It lived, so it is no refusal: the rest of it is gone."""
    player = Player()
    player.take(status("Submitted", 4, 6))
    player.take(inputs.ProveAbsent(1, "gone"))
    assert player.record.status is S.CANCELLED
    assert player.record.filled_quantity == 4


@pytest.mark.parametrize("known", [True, False])
def test_a_sign_of_life_overrules_the_lists(known: bool) -> None:
    """Lists can be incomplete while a gateway starts: the order is alive again, and it is told loudly."""
    player = Player()
    if known:
        player.take(status("Submitted"))
    player.take(inputs.ProveAbsent(1, "gone"))
    effects = player.take(status("Submitted"))
    assert player.record.status is S.SUBMITTED
    assert "AnomalyDetected" in names(effects)


def test_what_the_broker_itself_ended_stays_ended() -> None:
    """Only an end by lists gives way to a working word."""
    player = Player()
    player.take(status("Cancelled"))
    player.take(inputs.ProveAbsent(1, "gone"))
    player.take(status("Submitted"))
    assert player.record.status is S.CANCELLED


def test_a_modification_that_came_to_nothing_leaves_the_terms_that_work() -> None:
    """A failed modify restores the earlier terms; the order stays alive (peers 7)."""
    player = Player()
    player.take(status("Submitted"))
    player.take(inputs.Modify(1, BUY.replace(limit_price="98")))
    effects = player.take(inputs.Abandon(1, Request.MODIFY, "unanswered; the broker shows the old terms"))
    assert names(effects) == ["ModifyRefused"]
    assert player.record.status is S.SUBMITTED
    assert player.record.pending == ()
    assert str(player.record.limit_price) == "99"


def test_a_cancel_that_came_to_nothing_leaves_the_order_working() -> None:
    """The broker shows it alive: so it is, and listeners hear that the cancel failed."""
    player = Player()
    player.take(status("Submitted"))
    player.take(inputs.Cancel(1))
    effects = player.take(inputs.Abandon(1, Request.CANCEL, "unanswered"))
    assert "CancelRefused" in names(effects)
    assert player.record.status is S.SUBMITTED


def test_what_was_answered_cannot_be_given_up() -> None:
    """A late wish to give up changes nothing."""
    player = Player()
    player.take(status("Submitted"))
    assert player.take(inputs.Abandon(1, Request.NEW, "late")) == Effects()
    assert player.take(inputs.Unsend(1, Request.CANCEL, "late")).events == []


def test_an_unsent_modification_leaves_the_sent_ones() -> None:
    """Two modifications, the newer of which never left: the first is still awaited."""
    player = Player()
    player.take(status("Submitted"))
    player.take(inputs.Modify(1, BUY.replace(limit_price="98")))
    player.take(inputs.Modify(1, BUY.replace(limit_price="97")))
    player.take(inputs.Unsend(1, Request.MODIFY, "connection lost before it left"))
    assert player.record.pending == (Request.MODIFY,)
    player.take(echo("Submitted", action="BUY", total_quantity=10, order_type="LMT", limit_price=98))
    assert str(player.record.limit_price) == "98"


RETRYING = extend(DEFAULT_RULES, {10006: CodeRule.always(Verdict.RETRY)})


def test_a_code_that_asks_for_another_try_leaves_the_order_open() -> None:
    """Nothing lives at the broker, nothing is decided: the owner of the policy is told."""
    player = Player(Book(1, RETRYING))
    effects = player.take(ErrorFact(request_id=1, code=10006, message="missing parent"))
    assert [(wish.order_id, wish.request, wish.code) for wish in effects.retries] == [(1, Request.NEW, 10006)]
    assert player.record.status is S.PENDING_SUBMIT
    player.take(inputs.Resend(1, 1, 1, "code 10006"))
    assert player.record.retry_count == 1
    player.take(inputs.Abandon(1, Request.NEW, "given up after 1 attempt"))
    assert player.record.status is S.REJECTED
    assert player.record.error_message == "missing parent"


def test_an_order_can_be_sent_again_under_a_new_id() -> None:
    """After 103 the id belongs to another order: ours goes on under the next one, with the same key."""
    player = Player()
    player.take(ErrorFact(request_id=1, code=103, message="Duplicate order id"))
    player.take(inputs.ProveAbsent(1, "never arrived"))
    player.take(inputs.Resend(1, 9, 1, "code 103, and no order has its key"))
    moved = player.book.by_key("k1")
    assert moved is not None
    assert (moved.order_id, moved.status) == (9, S.PENDING_SUBMIT)
    assert player.book.highest_order_id() == 9
    player.take(status("Submitted", order_id=9))
    assert player.book.order(9).status is S.SUBMITTED
    with pytest.raises(UnknownOrder):
        player.book.order(1)


def test_what_was_cancelled_meanwhile_is_never_sent_again() -> None:
    """A repetition was planned, the cancel found nothing (10147): whoever cancelled wants no such order."""
    player = Player(Book(1, RETRYING))
    player.take(ErrorFact(request_id=1, code=10006, message="missing parent"))
    player.take(inputs.Cancel(1))
    player.take(ErrorFact(request_id=1, code=10147, message="not found"))
    assert player.record.status is S.UNKNOWN
    with pytest.raises(OrderStateError, match="cancel was asked for"):
        player.take(inputs.Resend(1, 1, 1, "code 10006"))


@pytest.mark.parametrize("word", ["Submitted", "Cancelled", "Filled"])
def test_what_the_broker_knows_is_never_sent_again(word: str) -> None:
    """Sending it again could trade twice."""
    player = Player()
    player.take(status(word, 0, 10))
    before = player.record
    with pytest.raises(OrderStateError):
        player.take(inputs.Resend(1, 2, 1, "why not"))
    assert player.record == before


def test_an_order_of_an_earlier_run_can_be_adopted_and_then_modified() -> None:
    """Its terms are not known from the wire alone: who adopts it tells them."""
    book = Book(1)
    book.take(echo("Submitted", order_id=5, perm_id=900), NOW)
    with pytest.raises(OrderStateError):
        book.last_sent(5)
    book.take(inputs.Adopt(900, BUY), NOW)
    assert book.order(5).order == BUY


def test_only_our_own_orders_can_be_adopted() -> None:
    """The broker lets only the client that placed an order manage it (TWS facts 4)."""
    book = Book(1)
    book.take(echo("Submitted", order_id=5, client_id=7, perm_id=900), NOW)
    with pytest.raises(OrderNotOurs, match="client 7"):
        book.take(inputs.Adopt(900, None), NOW)
    with pytest.raises(UnknownOrder):
        book.take(inputs.Adopt(901, None), NOW)


def test_the_one_door_does_what_the_methods_do() -> None:
    """A book that is played through take() equals one whose methods are called."""
    by_door, by_hand = Book(1), Book(1)
    script: list[inputs.Input] = [
        inputs.Submit((inputs.NewOrder(1, "a", AAPL, BUY), inputs.NewOrder(2, "b", AAPL, BUY))),
        inputs.Sent((1, 2)),
        status("Submitted"),
        inputs.Modify(1, BUY.replace(limit_price="98")),
        inputs.Cancel(1),
        inputs.SendFailure(2, "broken"),
        inputs.Disconnect(),
        inputs.Track(3),
        inputs.NotSent(2, "never left"),
    ]
    for given in script:
        by_door.take(given, NOW)
    by_hand.submit_all([(1, "a", AAPL, BUY), (2, "b", AAPL, BUY)], NOW)
    by_hand.sent((1, 2), NOW)
    by_hand.apply(status("Submitted"), NOW)
    by_hand.modify(1, BUY.replace(limit_price="98"), NOW)
    by_hand.cancel(1, NOW)
    by_hand.send_failed(2, "broken", NOW)
    by_hand.disconnected(NOW)
    by_hand.track(3, NOW)
    by_hand.not_sent(2, "never left", NOW)
    assert by_door.orders() == by_hand.orders()
    assert by_door.next_seq() == by_hand.next_seq()
