"""How the demo went: what was wanted, what came of it, and the same as JSON."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.cli.words import number
from ibkr_core.model.record import OrderRecord
from ibkr_core.model.status import OrderStatus

__all__ = ["DemoOutcome", "OrderOutcome", "StepOutcome", "Wanted"]

_ZERO = Decimal(0)
_SHOWN = Decimal("0.000000000001")


@attrs.frozen(kw_only=True)
class Wanted:
    """How an order of the demo has to end.

    Attributes:
        order_id: The order.
        what: The order in words.
        status: Its last status.
        filled: Units filled.
        average: Average price, None when nothing is filled.
        executions: Number of executions.
        code: A code that the gateway has to give as the reason, None for none in particular.
    """

    order_id: int
    what: str
    status: OrderStatus
    filled: Decimal = _ZERO
    average: Decimal | None = None
    executions: int = 0
    code: int | None = None

    def problems(self, record: OrderRecord) -> tuple[str, ...]:
        """Say what is different from what was wanted; nothing when all is well."""
        average = record.avg_fill_price
        pairs: tuple[tuple[str, object, object], ...] = (
            ("status", record.status.value, self.status.value),
            ("filled", number(record.filled_quantity), number(self.filled)),
            ("average price", _shown(average), _shown(self.average)),
            ("executions", len(record.fills), self.executions),
            ("executions with a commission", len(_with_commission(record)), self.executions),
        )
        found = [f"{name} is {is_} and should be {wanted}" for name, is_, wanted in pairs if is_ != wanted]
        if self.code is not None and self.code not in record.error_codes:
            said = ", ".join(map(str, record.error_codes)) or "none"
            found.append(f"codes are {said} and should include {self.code}")
        return tuple(f"order {self.order_id} ({self.what}): {problem}" for problem in found)


def _shown(value: Decimal | None) -> str:
    return number(value.quantize(_SHOWN)) if value is not None else "none"


def _with_commission(record: OrderRecord) -> list[Decimal]:
    return [fill.commission for fill in record.fills if fill.commission is not None]


@attrs.frozen(kw_only=True)
class OrderOutcome:
    """One order at the end.

    Attributes:
        what: The order in words.
        record: The order as the engine has it.
        problems: What is not as it should be.
        first_fill_latency_us: From submission to the first execution, None when there was none.
    """

    what: str
    record: OrderRecord
    problems: tuple[str, ...] = ()
    first_fill_latency_us: int | None = None

    @property
    def commission(self) -> Decimal | None:
        """All commissions in the one currency of the demo, None for none."""
        return sum(self.record.commissions.values(), _ZERO) if self.record.commissions else None

    @property
    def ack_latency_us(self) -> int | None:
        """From submission to the gateway's first answer; a refusal is one too."""
        start = self.record.submission_time
        answers = [self.record.acknowledged_time, *(message.at for message in self.record.messages[:1])]
        known = [at for at in answers if at is not None]
        if start is None or not known:
            return None
        return round((min(known) - start).total_seconds() * 1e6)

    def as_json(self) -> dict[str, Any]:
        """Return plain values; quantities and money as text, as in the event log."""
        record = self.record
        return {
            "order_id": record.order_id,
            "perm_id": record.perm_id,
            "key": record.key,
            "what": self.what,
            "symbol": record.symbol,
            "action": record.action,
            "order_type": record.order_type,
            "status": record.status.value,
            "filled_quantity": number(record.filled_quantity),
            "remaining_quantity": number(record.remaining_quantity) or None,
            "average_price": number(record.avg_fill_price) or None,
            "commissions": {currency: number(amount) for currency, amount in record.commissions.items()},
            "executions": [
                {
                    "exec_id": fill.exec_id,
                    "quantity": number(fill.quantity),
                    "price": number(fill.price),
                    "commission": number(fill.commission) or None,
                }
                for fill in record.fills
            ],
            "codes": list(record.error_codes),
            "ack_latency_us": self.ack_latency_us,
            "first_fill_latency_us": self.first_fill_latency_us,
            "problems": list(self.problems),
        }


@attrs.frozen(kw_only=True)
class StepOutcome:
    """One step of the demo: its title, and what is not as it should be."""

    title: str
    problems: tuple[str, ...] = ()


@attrs.frozen(kw_only=True)
class DemoOutcome:
    """The whole demo.

    Attributes:
        seed: Decided prices and sizes.
        server_version: The protocol version of the session.
        steps: The steps that were begun.
        planned_steps: How many there should be.
        orders: Every order, oldest first.
        differences: Where the engine's book and the gateway's do not agree.
        compared: What was compared, in words.
        trouble: Anomalies and failures that the engine reported.
        duration_s: How long it took.
        log_lines: Lines in the event log, None when none was asked for.
        log_lost: Lines that could not be written.
    """

    seed: int
    server_version: int
    steps: tuple[StepOutcome, ...]
    planned_steps: int
    orders: tuple[OrderOutcome, ...]
    differences: tuple[str, ...]
    compared: str
    trouble: tuple[str, ...] = ()
    duration_s: float = 0.0
    log_lines: int | None = None
    log_lost: int = 0

    @property
    def problems(self) -> tuple[str, ...]:
        """Everything that is not as it should be; each thing once."""
        found = [problem for step in self.steps for problem in step.problems]
        found += [problem for order in self.orders for problem in order.problems]
        found += [*self.differences, *self.trouble]
        if len(self.steps) < self.planned_steps:
            found.append(f"{self.planned_steps - len(self.steps)} steps were not tried any more")
        return tuple(dict.fromkeys(found))

    @property
    def ok(self) -> bool:
        """Whether every order ended as it should, and both books agree."""
        return not self.problems and bool(self.steps)

    def as_json(self) -> dict[str, Any]:
        """Return the outcome as plain values for ``json.dumps``."""
        return {
            "ok": self.ok,
            "seed": self.seed,
            "server_version": self.server_version,
            "steps": [{"title": step.title, "ok": not step.problems} for step in self.steps],
            "orders": [order.as_json() for order in self.orders],
            "books_agree": not self.differences,
            "compared": self.compared,
            "problems": list(self.problems),
            "duration_s": round(self.duration_s, 3),
            "log_lines": self.log_lines,
            "log_lost": self.log_lost,
        }
