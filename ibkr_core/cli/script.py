"""What the demo plays: five steps, each with what it shows and how its orders have to end."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Final

import attrs

from ibkr_core.cli.stage import Stage, is_alive
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.record import OrderRecord, Request

__all__ = ["STEPS", "Step"]

_CENT = Decimal("0.01")


@attrs.frozen
class Step:
    """One step.

    Attributes:
        title: What it shows.
        story: How, in a sentence.
        play: Plays it, and says how its orders have to end.
    """

    title: str
    story: str
    play: Callable[[Stage], None]


def _filled_in_parts(stage: Stage) -> None:
    ask = stage.reference("AAPL")
    first = 10 * stage.rng.randint(8, 12)
    second = 10 * stage.rng.randint(8, 12)
    parts = [(first, ask), (second, ask + 2 * _CENT), (300 - first - second, ask + _CENT)]
    size, at = parts[0]
    stage.quote("AAPL", bid=at - _CENT, ask=at, ask_size=size)
    ticket = stage.submit("AAPL", Order.market("BUY", 300))
    stage.want_filled(ticket, *parts)
    filled = Decimal(size)
    for size, at in parts[1:]:
        stage.until(ticket, f"be filled to {filled}", _is_filled_to(filled))
        stage.quote("AAPL", bid=at - _CENT, ask=at, ask_size=size)
        filled += size
    stage.settle(ticket)


def _is_filled_to(goal: Decimal) -> Callable[[OrderRecord], bool]:
    return lambda record: record.filled_quantity >= goal


def _modified_and_cancelled(stage: Stage) -> None:
    market = stage.reference("MSFT")
    limit, better = market - 5, market - 4
    stage.quote("MSFT", bid=market - _CENT, ask=market)
    ticket = stage.submit("MSFT", Order.limit("BUY", 100, limit))
    stage.until(ticket, "be accepted", is_alive)
    stage.modify(ticket, f"make the limit {better} instead of {limit}", limit_price=better)
    stage.until(
        ticket,
        "work at the new limit",
        lambda record: record.limit_price == better and Request.MODIFY not in record.pending,
    )
    stage.want_cancelled(ticket)
    ticket.cancel()
    stage.settle(ticket)


def _bracket(stage: Stage) -> None:
    ask = stage.reference("NVDA")
    target, stop = ask + 3, ask - 4
    stage.quote("NVDA", bid=ask - _CENT, ask=ask)
    bracket = stage.engine.submit_bracket(
        Contract.stock("NVDA"), Order.limit("BUY", 50, ask), take_profit=target, stop_loss=stop
    )
    entry, profit, loss = bracket.all
    stage.want_filled(entry, (50, ask))
    stage.want_filled(profit, (50, target))
    stage.want_cancelled(loss)
    stage.settle(entry)
    stage.until(profit, "be accepted", is_alive)
    stage.until(loss, "be accepted", is_alive)
    stage.quote("NVDA", bid=target, ask=target + _CENT)
    stage.settle(profit, loss)


def _one_cancels_the_other(stage: Stage) -> None:
    amazon, google = stage.reference("AMZN"), stage.reference("GOOGL")
    stage.quote("AMZN", bid=amazon - _CENT, ask=amazon)
    stage.quote("GOOGL", bid=google - _CENT, ask=google)
    winner, loser = stage.engine.submit_oca(
        [
            (Contract.stock("AMZN"), Order.limit("BUY", 40, amazon - 2)),
            (Contract.stock("GOOGL"), Order.limit("BUY", 30, google - 2)),
        ]
    )
    stage.want_filled(winner, (40, amazon - 2))
    stage.want_cancelled(loser)
    stage.until(winner, "be accepted", is_alive)
    stage.until(loser, "be accepted", is_alive)
    stage.quote("AMZN", bid=amazon - 2 - _CENT, ask=amazon - 2)
    stage.settle(winner, loser)


def _refused(stage: Stage) -> None:
    unknown = stage.submit("NOSUCH", Order.market("BUY", 10))
    stage.want_rejected(unknown, 200)
    stage.settle(unknown)
    off_tick = stage.submit("AAPL", Order.limit("BUY", 10, Decimal("290.003")))
    stage.want_rejected(off_tick, 110)
    stage.settle(off_tick)


STEPS: Final = (
    Step(
        "A market order, filled in parts",
        "The market offers less than it wants, so it fills in three executions.",
        _filled_in_parts,
    ),
    Step(
        "A limit order, modified and cancelled",
        "It rests below the market. A new limit counts once the gateway works it.",
        _modified_and_cancelled,
    ),
    Step(
        "A bracket: entry, take-profit, stop",
        "The entry fills and frees its exits; the market reaches the take-profit.",
        _bracket,
    ),
    Step(
        "Two orders, one cancels the other",
        "Amazon comes down to its limit first, so the order for Google goes.",
        _one_cancels_the_other,
    ),
    Step(
        "Two orders that the gateway refuses",
        "A symbol that nobody knows, and a price between two ticks.",
        _refused,
    ),
)
