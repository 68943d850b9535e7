"""The hand that makes things go wrong at a gateway, in memory or behind TCP."""

from __future__ import annotations

import abc
from collections.abc import Callable
from typing import TypeVar

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults.actions import Action, Disconnect, Refuse, Reset
from ibkr_core.gateway.faults.injector import Injector
from ibkr_core.gateway.faults.plan import Fault, FaultPlan, Injected, When

__all__ = ["FaultHand"]

T = TypeVar("T")


class FaultHand(abc.ABC):
    """Faults at run time. A gateway inherits it."""

    @abc.abstractmethod
    def _sabotage(self, action: Callable[[Injector], T]) -> T:
        """Run an action on the faults, safely, and let its consequences happen."""

    @property
    def faults(self) -> FaultPlan:
        """The plan in force; faults armed by :meth:`inject` are not in it."""
        return self._sabotage(lambda injector: injector.plan)

    @faults.setter
    def faults(self, plan: FaultPlan) -> None:
        self._sabotage(lambda injector: injector.follow(plan))

    def inject(self, fault: Fault | Action, when: When | None = None) -> None:
        """Let one more fault happen.

        A fault of the line or of the broker that names no message strikes at once, or ``after_s`` seconds
        from now; any other, the next message that fits.

        Args:
            fault: An action, or an action with its trigger.
            when: The trigger of an action.

        Raises:
            InvalidInput: The trigger does not suit the action, or there are two.
        """
        if isinstance(fault, Fault):
            if when is not None:
                raise InvalidInput("when", "the fault has its trigger already")
        else:
            fault = Fault(fault, When() if when is None else when)
        armed = fault
        self._sabotage(lambda injector: injector.arm(armed))

    def injected(self) -> tuple[Injected, ...]:
        """Every fault that has happened so far, in order."""
        return self._sabotage(lambda injector: injector.log)

    def end_faults(self) -> None:
        """End everything that goes wrong: the plan, what was armed, and what is going on."""
        self._sabotage(lambda injector: injector.calm())

    def drop_connections(self, *, client_id: int | None = None, reset: bool = False) -> None:
        """Hang up on one client, or on all.

        Args:
            client_id: Whom; None for all.
            reset: With a reset instead of an orderly end.
        """
        self.inject(Reset() if reset else Disconnect(), When(client_id=client_id))

    def refuse_connections(self, for_s: float, how: str = "refused") -> None:
        """Let new connections fail for a while.

        Args:
            for_s: How long, in seconds.
            how: ``refused``, ``closed`` or ``silent``; see :class:`Refuse`.

        Raises:
            InvalidInput: There is no such way, or the time is not above zero.
        """
        if for_s <= 0:
            raise InvalidInput("for_s", f"must be above 0; got {for_s}")
        self.inject(Refuse(for_s=(for_s, for_s), how=how))
