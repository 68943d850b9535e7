"""THE table: how an order's status moves. Nothing else in the package writes a status.

Theory
------
An order's status is what is *proved* about it. Proof comes from five sides, and each is a kind of
trigger (a column of the table):

* **words**: what orderStatus, openOrder and completedOrder say. They repeat, skip steps and go
  backwards (TWS facts 1, 2), so a word moves a live order freely between the working states, and a
  finished order only where it proves more than was known.
* **executions**: the truth about fills. They finish an order without any word (facts 2.2) and
  overrule Cancelled.
* **verdicts**: what an error code proves, judged with the request it answers (``verdicts.py``). A
  code by itself decides nothing.
* **us**: commands and the fate of their bytes. A command that the state forbids is *our* fault and
  raises; a surprising word of the broker is *theirs* and is recorded as an anomaly.
* **lists**: the broker told all that it has (open orders, executions, completed orders), and the order
  was not among it.

Three rules hold over the whole table, and tests check them on it:

1. Into FILLED, CANCELLED and REJECTED lead only words, executions, verdicts of death, complete lists, and
   the proof that no byte was sent. Never a lost connection, a timeout, or a command.
2. Out of FILLED leads nothing. Out of CANCELLED leads only a proof of more fills, the reason that makes
   it a rejection, or a sign of life where it rested on lists alone. REJECTED gives way to proof of life,
   because it may rest on a code alone.
3. Doubt is a state: whatever leaves the order's fate open leads to UNKNOWN, and any word or complete
   fill leads out of it.

How to read it
--------------
A row is the status before, a column the trigger. ``.`` nothing changes; ``!`` nothing changes and it
is an anomaly; ``X`` the command is illegal and raises; two letters are the next status; ``<`` goes
back to what the broker's last word says; a ``!`` behind a move makes the move and records an anomaly.
"""

from __future__ import annotations

import enum
from typing import Final

import attrs

from ibkr_core.errors import InvariantViolated
from ibkr_core.model.status import OrderStatus

__all__ = ["TABLE", "Source", "Step", "Trigger", "step"]


class Source(enum.Enum):
    """Where a trigger's evidence comes from."""

    WORD = "the broker's status word"
    EXECUTION = "executions"
    VERDICT = "a judged error code"
    US = "our own commands and sends"
    LISTS = "the broker's complete lists"


class Trigger(enum.Enum):
    """Everything that can happen to an order; the value is the column's name."""

    WORD_PENDING = "pend"
    """ApiPending, PendingSubmit: the broker has it, not yet at IB."""
    WORD_PRE_SUBMITTED = "pre"
    """PreSubmitted, with nothing filled."""
    WORD_SUBMITTED = "sub"
    """Submitted, with nothing filled."""
    WORD_PARTIAL = "part"
    """PreSubmitted or Submitted, with something filled (TWS facts 1: PreSubmitted can)."""
    WORD_PENDING_CANCEL = "pcan"
    """PendingCancel, PreCancelled: may still fill, may revert."""
    WORD_CANCELLED = "canc"
    """Cancelled, ApiCancelled."""
    WORD_FILLED = "fill"
    """Filled."""
    WORD_INACTIVE = "inac"
    """Inactive: dead, held, or about to revive."""
    WORD_STRANGE = "odd"
    """A word that no source knows."""
    WORD_ECHO = "echo"
    """A word that our own knowledge has overtaken: it crossed our cancel on the wire, or repeats an
    earlier moment of an order whose executions are already complete."""
    EXEC_PARTIAL = "xpart"
    """An execution that leaves something open."""
    EXEC_FULL = "xfull"
    """Executions cover the whole quantity."""
    VERDICT_REJECTED = "rej"
    """A code proves that the order was refused and nothing of it ever filled."""
    VERDICT_DEAD = "dead"
    """A code proves that the rest of the order is dead."""
    VERDICT_DOUBT = "chk"
    """A code leaves the order's fate open."""
    VERDICT_REFUSED = "ref"
    """A code proves that our modify or cancel was refused and the order stands as it was."""
    VERDICT_LIVES = "lives"
    """A sign of life of an order whose end rested on a code alone, or on lists that lacked it."""
    MODIFY = "mod"
    """We ask for new terms."""
    CANCEL = "can"
    """We ask for its cancellation."""
    SEND_FAILED = "fail"
    """Some bytes may have left, some may not."""
    NOT_SENT = "nosnd"
    """It is certain that no byte of the order left."""
    DISCONNECTED = "lost"
    """The connection is gone."""
    SILENCE = "mute"
    """The broker has not answered a new order within the deadline."""
    RESEND = "again"
    """We send an order again that is proved to live nowhere."""
    LISTS_LACK_NEW = "never"
    """The broker's complete lists lack an order that it never answered for."""
    LISTS_LACK_KNOWN = "gone"
    """The broker's complete lists lack an order that it had answered for."""

    # Members are single objects; Enum's own hash is a slow Python method.
    __hash__ = object.__hash__

    @property
    def source(self) -> Source:
        """Where this trigger's evidence comes from."""
        if self.name.startswith("WORD"):
            return Source.WORD
        if self.name.startswith("EXEC"):
            return Source.EXECUTION
        if self.name.startswith("LISTS"):
            return Source.LISTS
        return Source.VERDICT if self.name.startswith("VERDICT") else Source.US


@attrs.frozen
class Step:
    """One cell of the table.

    Attributes:
        next: The status after it, None to stay.
        resume: Go back to what the broker's last word says.
        anomaly: Record that this should not happen.
        illegal: The command must be refused.
        is_idle: Nothing happens at all.
    """

    next: OrderStatus | None = None
    resume: bool = False
    anomaly: bool = False
    illegal: bool = False
    is_idle: bool = attrs.field(init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        """Note once what is asked most often."""
        is_idle = self.next is None and not (self.resume or self.anomaly or self.illegal)
        object.__setattr__(self, "is_idle", is_idle)


_GRID: Final = """
                 | pend pre sub part pcan canc fill inac odd echo | xpart xfull | rej dead chk ref lives | mod can fail nosnd lost mute again | never gone
PENDING_SUBMIT   | .    PS  SU  PF   PC   CA   FI   IN   !   .    | PF    FI    | RE  CA   UN  .   .     | .   PC  UN   RE    UN   UN  .    | RE    CA
PRE_SUBMITTED    | .    .   SU  PF   PC   CA   FI   IN   !   .    | PF    FI    | RE  CA   UN  .   .     | .   PC  .    .     .    .   X    | CA    CA
SUBMITTED        | .    PS  .   PF   PC   CA   FI   IN   !   .    | PF    FI    | RE  CA   UN  .   .     | .   PC  .    .     .    .   X    | CA    CA
PARTIALLY_FILLED | .    PS  SU  .    PC   CA   FI   IN   !   .    | .     FI    | CA  CA   UN  .   .     | .   PC  .    .     .    .   X    | CA    CA
PENDING_CANCEL   | .    PS  SU  PF   .    CA   FI   IN   !   .    | .     FI    | RE  CA   UN  <   .     | X   .   UN   RE    UN   .   X    | RE    CA
INACTIVE         | .    PS  SU  PF   PC   CA   FI   .    !   .    | PF    FI    | RE  CA   UN  .   .     | .   PC  .    .     .    .   X    | CA    CA
UNKNOWN          | PN   PS  SU  PF   PC   CA   FI   IN   !   .    | .     FI    | RE  CA   .   .   <     | X   .   .    RE    .    .   PN   | RE    CA
FILLED           | !    !   !   !    !    !    .    !    !   .    | .     .     | !   !    .   .   !     | X   X   .    .     .    .   X    | .     .
CANCELLED        | !    !   !   !    !    .    FI!  .    !   !    | .     FI    | RE  .    .   .   <!    | X   X   .    .     .    .   X    | .     .
REJECTED         | !    !   !   !    !    .    FI!  .    !   !    | UN!   FI!   | .   .    .   .   <!    | X   X   .    .     .    .   PN   | .     .
"""
# Odd cells, and the facts behind them:
#   SUBMITTED x pre, PENDING_CANCEL x pre/sub: seen (facts 1: Submitted -> PreSubmitted, and a price-capped
#     order that went PendingCancel -> Submitted -> PreSubmitted -> Cancelled).
#   INACTIVE x pre/sub: seen; a manual order was Inactive for 30 ms and then filled.
#   CANCELLED x xfull: a cancel and the last fill cross; both are true, and the fill weighs more.
#   CANCELLED x rej: 201 may follow Cancelled (facts 2.7); without a request of ours it names the cause.
#   PARTIALLY_FILLED x rej: what filled is real, so the order is not "refused": the rest is dead.
#   REJECTED x xpart: an order cannot be refused and fill. Until the broker tells which, it is in doubt.
#   UNKNOWN x xpart: it lived when it filled; whether it lives now is still open.
#   PENDING_CANCEL x nosnd, UNKNOWN x nosnd: a cancel or a lost connection can come between taking an
#     order in and learning that its bytes never left; then there is certainly nothing to cancel.
#   UNKNOWN x can: asking for a cancel is always safe, and proves nothing yet.
#   lost: applied only to orders that the broker never answered for; the others keep working there.
#   REJECTED x again, UNKNOWN x again: sent again only where a code proved that nothing lives (retry policy),
#     or where the lists lack the order.
#   never, gone: what was never answered for never was; what was, and is listed no more, has ended.

_STATUS_CODES: Final = {
    "PN": OrderStatus.PENDING_SUBMIT,
    "PS": OrderStatus.PRE_SUBMITTED,
    "SU": OrderStatus.SUBMITTED,
    "PF": OrderStatus.PARTIALLY_FILLED,
    "PC": OrderStatus.PENDING_CANCEL,
    "IN": OrderStatus.INACTIVE,
    "UN": OrderStatus.UNKNOWN,
    "FI": OrderStatus.FILLED,
    "CA": OrderStatus.CANCELLED,
    "RE": OrderStatus.REJECTED,
}


def _read_cell(text: str) -> Step:
    if text == ".":
        return Step()
    if text == "X":
        return Step(illegal=True)
    anomaly = text.endswith("!")
    move = text.rstrip("!")
    if not move:
        return Step(anomaly=True)
    if move == "<":
        return Step(resume=True, anomaly=anomaly)
    return Step(next=_STATUS_CODES[move], anomaly=anomaly)


def _read_grid(grid: str) -> dict[tuple[OrderStatus, Trigger], Step]:
    header, *rows = [line.replace("|", " ").split() for line in grid.strip("\n").splitlines()]
    triggers = [Trigger(name) for name in header]
    table: dict[tuple[OrderStatus, Trigger], Step] = {}
    for name, *cells in rows:
        for trigger, cell in zip(triggers, cells, strict=True):
            table[OrderStatus(name), trigger] = _read_cell(cell)
    if len(table) != len(OrderStatus) * len(Trigger):
        raise InvariantViolated("the transition table does not cover every (status, trigger) pair")
    return table


TABLE: Final[dict[tuple[OrderStatus, Trigger], Step]] = _read_grid(_GRID)
"""Every (status, trigger) pair."""


_ROWS: Final = {status: {trigger: TABLE[status, trigger] for trigger in Trigger} for status in OrderStatus}


def step(status: OrderStatus, trigger: Trigger) -> Step:
    """Look up what ``trigger`` does to an order in ``status``."""
    return _ROWS[status][trigger]
