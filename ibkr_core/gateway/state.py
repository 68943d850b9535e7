"""What a gateway keeps over a restart, and how anybody may read it: ``--state FILE``.

The rule is *tell after save*: what a client has been told is in the file before the bytes that tell it leave,
so a killed gateway comes back with everything that anybody knows of. :func:`read_state` gives an auditor the
same books as frozen values, from a gateway that runs or from one that was killed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeVar

import attrs

from ibkr_core.errors import InvariantViolated, StateFileDamaged
from ibkr_core.gateway.account import Position
from ibkr_core.gateway.instruments import Instrument
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution
from ibkr_core.gateway.state_codec import Codec
from ibkr_core.gateway.state_file import Sections, StateFile, parse, read_sections
from ibkr_core.gateway.state_load import Instruments, revive
from ibkr_core.gateway.state_record import Recorder
from ibkr_core.gateway.venue import Venue

__all__ = ["GatewayState", "Keeper", "KeptAccount", "KeptOrder", "read_state"]

T = TypeVar("T")
_ZERO = Decimal(0)


@attrs.frozen(kw_only=True)
class KeptAccount:
    """An account as the file has it.

    Attributes:
        code: Its code.
        cash: By currency.
        positions: Everything ever held, flat positions included.
    """

    code: str
    cash: Mapping[str, Decimal]
    positions: tuple[Position, ...]

    @property
    def realized(self) -> Decimal:
        """Profit or loss of everything closed so far, after commissions, each in its own currency."""
        return sum((held.realized for held in self.positions), _ZERO)

    def position(self, symbol: str) -> Decimal:
        """Units held of a symbol, over all its instruments."""
        held = (one.quantity for one in self.positions if one.instrument.symbol == symbol)
        return sum(held, _ZERO)


@attrs.frozen(kw_only=True)
class KeptOrder:
    """An order as the file has it.

    Attributes:
        perm_id: Its permanent id.
        client_id: The client that placed it.
        order_id: Its id at that client; 0 or negative for an order made by hand.
        order_ref: The client's own key.
        account: Account code.
        instrument: What it trades.
        action: ``BUY`` or ``SELL``.
        order_type: The broker's name of its type.
        tif: Time in force.
        status: The status word last decided.
        is_live: Neither filled, nor cancelled, nor rejected.
        total: Units wanted.
        filled: Units filled.
        parent: PermId of its parent; 0 for none.
        oca_group: Group name, or empty.
        executions: The latest revision of each fill, in order.
    """

    perm_id: int
    client_id: int
    order_id: int
    order_ref: str
    account: str
    instrument: Instrument
    action: str
    order_type: str
    tif: str
    status: str
    is_live: bool
    total: Decimal
    filled: Decimal
    parent: int
    oca_group: str
    executions: tuple[Execution, ...]


@attrs.frozen(kw_only=True)
class GatewayState:
    """Everything that a gateway has saved, as an auditor wants it.

    Attributes:
        saved_at: When it saved last, seconds since the epoch.
        accounts: By code.
        orders: In order of arrival; none that was never transmitted.
        executions: The latest revision of every execution of the day, in order; those of a combination's legs
            are among them, and belong to no order's own list.
        numbers: How far ids have come.
    """

    saved_at: float
    accounts: Mapping[str, KeptAccount]
    orders: tuple[KeptOrder, ...]
    executions: tuple[Execution, ...]
    numbers: Numbers

    def order(self, perm_id: int) -> KeptOrder:
        """The order with a permanent id.

        Raises:
            KeyError: There is none.
        """
        for one in self.orders:
            if one.perm_id == perm_id:
                return one
        raise KeyError(perm_id)

    def of_client(self, client_id: int, order_id: int) -> KeptOrder | None:
        """The order that a client knows by an id; None when there is none."""
        found = [one for one in self.orders if (one.client_id, one.order_id) == (client_id, order_id)]
        return found[0] if found else None


def read_state(path: str | Path) -> GatewayState:
    """Read a state file, whether or not a gateway is using it.

    Args:
        path: Where it is.

    Raises:
        StateFileError: It cannot be opened.
        StateFileDamaged: What it holds is not what a gateway writes.
        StateFileTooNew: Its form is newer than this program.
    """
    sections = read_sections(Path(path))
    return _or_damaged(path, lambda: _state(sections))


def _or_damaged(path: str | Path, read: Callable[[], T]) -> T:
    try:
        return read()
    except (ValueError, KeyError, TypeError) as error:
        raise StateFileDamaged(str(path), f"what it says makes no sense ({error})") from error


def _state(sections: Sections) -> GatewayState:
    codec = Instruments(lambda _: None, sections.get("instruments", {})).codec
    executions = _executions(codec, sections.get("executions", {}))
    settled = _executions(codec, sections.get("settled", {}))
    by_order: dict[int, list[Execution]] = {}
    for one in (*settled, *executions):
        by_order.setdefault(one.perm_id, []).append(one)
    kept = sorted(sections.get("orders", {}).values(), key=lambda one: one["sequence"])
    specs = sections.get("specs", {})
    gateway = sections["gateway"]
    return GatewayState(
        saved_at=codec.unpack(float, gateway["saved_at"]),
        accounts={code: _account(codec, code, sections) for code in sections["accounts"]},
        orders=tuple(
            _order(codec, one, specs[str(one["perm_id"])], by_order.get(one["perm_id"], [])) for one in kept
        ),
        executions=executions,
        numbers=codec.unpack(Numbers, gateway["numbers"]),
    )


def _executions(codec: Codec, kept: Mapping[str, Any]) -> tuple[Execution, ...]:
    return tuple(codec.unpack(Execution, one) for one in kept.values())


def _account(codec: Codec, code: str, sections: Sections) -> KeptAccount:
    positions = []
    for kept in sections.get("positions", {}).values():
        if kept["account"] == code:
            fields = {name: value for name, value in kept.items() if name != "account"}
            positions.append(codec.unpack(Position, fields))
    cash = codec.unpack(dict[str, Decimal], sections["accounts"][code]["cash"])
    return KeptAccount(code=code, cash=cash, positions=tuple(positions))


def _order(
    codec: Codec, kept: Mapping[str, Any], spec: Mapping[str, Any], fills: list[Execution]
) -> KeptOrder:
    instrument = codec.unpack(Instrument, kept["instrument"])
    own = tuple(one for one in fills if one.instrument is instrument)
    return KeptOrder(
        perm_id=codec.unpack(int, kept["perm_id"]),
        client_id=codec.unpack(int, kept["client_id"]),
        order_id=codec.unpack(int, kept["order_id"]),
        order_ref=codec.unpack(str, spec["order_ref"]),
        account=codec.unpack(str, kept["account"]),
        instrument=instrument,
        action=codec.unpack(str, spec["action"]),
        order_type=codec.unpack(str, spec["order_type"]),
        tif=codec.unpack(str, spec["tif"]),
        status=codec.unpack(str, kept["status"]),
        is_live=kept["phase"] == "LIVE",
        total=codec.unpack(Decimal, kept["total"]),
        filled=sum((one.quantity for one in own), _ZERO),
        parent=codec.unpack(int, kept.get("parent", 0)),
        oca_group=codec.unpack(str, kept["oca_group"]),
        executions=own,
    )


class Keeper:
    """Keeps the books of one gateway, in a file or only over restarts on demand.

    Args:
        path: The file; None for no file.

    Raises:
        StateFileError: The file cannot be had or used; the subclass says why.
    """

    def __init__(self, path: str | Path | None) -> None:
        self._file = None if path is None else StateFile(path)
        self._recorder: Recorder | None = None
        self._venue: Venue | None = None

    @property
    def has_file(self) -> bool:
        """Whether there is a file to save to."""
        return self._file is not None

    def open(self, venue: Venue) -> None:
        """Put what the file holds into a new venue, and keep it from now on.

        Raises:
            StateFileDamaged: What the file holds makes no sense.
            StateFileError: The file cannot be written.
        """
        if self._file is not None and self._file.found is not None:
            kept, self._file.found = self._file.found, None
            _or_damaged(self._file.path, lambda: revive(venue, kept))
        self._keep(venue)

    def reopen(self, venue: Venue, *, overnight: bool) -> None:
        """Put what the venue kept so far holds into a new one, and keep that one instead."""
        if self._venue is None:
            raise InvariantViolated("there is nothing to reopen")
        try:
            revive(venue, parse(Recorder(self._venue).snapshot()), overnight=overnight)
        except ValueError as error:
            raise InvariantViolated(f"a gateway cannot read what it keeps: {error}") from error
        self._keep(venue)

    def _keep(self, venue: Venue) -> None:
        self._venue = venue
        if self._file is not None:
            self._recorder = Recorder(venue)
            self._file.rewrite(self._recorder.snapshot())

    def save(self, *, markets: bool = False) -> None:
        """Save what has changed, if there is a file; afterwards it may be told.

        Args:
            markets: Save all prices now; otherwise it is done once a second.

        Raises:
            StateFileError: It cannot be written: whoever would be told must not be.
        """
        if self._file is None or self._recorder is None:
            return
        self._file.check()
        changes = self._recorder.changes(markets=markets)
        if changes:
            self._file.append(changes)
        if self._file.is_long:
            self._file.rewrite(self._recorder.snapshot())

    def abandon(self) -> None:
        """Let go of the file as it is."""
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def close(self) -> None:
        """Save everything a last time, and let go of the file. Closing twice is harmless."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if self._recorder is not None:
                file.rewrite(self._recorder.snapshot())
        finally:
            file.close()
