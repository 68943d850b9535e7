"""The program that is killed: it trades without a pause, and tells a diary what it wants.

Run by :class:`ibkr_core.testing.crashing.trial.Trial` as a process of its own; says ``ready`` on its standard
output once it may trade.
"""

from __future__ import annotations

import argparse
import itertools
import random
import sys
import threading
from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from ibkr_core.clock import SystemClock
from ibkr_core.engine import Engine
from ibkr_core.errors import IbkrError
from ibkr_core.link.transport import SocketTransport, Transport
from ibkr_core.listeners import Delivery
from ibkr_core.model import events
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.testing.crashing.diary import Diary, read_diary
from ibkr_core.testing.crashing.fate import (
    DoomedJournal,
    DoomedTransport,
    Fate,
    Reaper,
    kill_myself,
)
from ibkr_core.testing.crashing.wishes import CLIENT_ID, SETTINGS, SYMBOLS, order_for

__all__ = ["Trader", "main"]

_PAUSE_S: Final = 0.02
_BURSTS: Final = 0.1
_BURST: Final = 12


class Trader:
    """Random wishes, one after the other.

    Args:
        engine: Fulfils them.
        diary: Is told of each before and after.
        run: The how-manyth life of the program; part of each key.
        chance: Decides.
    """

    def __init__(self, engine: Engine, diary: Diary, run: int, chance: random.Random) -> None:
        self._engine = engine
        self._diary = diary
        self._chance = chance
        self._keys = (f"run{run}-{number}" for number in itertools.count(1))

    def ask_again(self, keys: Sequence[str]) -> None:
        """Submit orders of an earlier life of which it is not known whether they went out."""
        for key in keys:
            contract, order = order_for(key)
            try:
                self._engine.submit(contract, order, key=key)
            except IbkrError:
                continue  # it was a leg of a group, with other terms
            self._diary.have([key])

    def wish(self) -> None:
        """Wish for one thing; a refusal is no matter, for the audit tells who is right."""
        wishes = (self._new, self._modify, self._cancel, self._bracket, self._oca)
        try:
            self._chance.choices(wishes, (8, 4, 6, 1, 1))[0]()
        except IbkrError:
            return

    def _new(self) -> None:
        key = next(self._keys)
        contract, order = order_for(key)
        self._diary.want([key])
        self._engine.submit(contract, order, key=key)
        self._diary.have([key])

    def _bracket(self) -> None:
        keys = [next(self._keys) for _ in range(3)]
        contract = Contract.stock(self._chance.choice(SYMBOLS))
        self._diary.want(keys)
        self._engine.submit_bracket(
            contract,
            Order.limit("BUY", 10, str(self._price()), order_ref=keys[0]),
            take_profit=Order.limit("SELL", 10, "102", order_ref=keys[1]),
            stop_loss=Order.stop("SELL", 10, "98", order_ref=keys[2]),
        )
        self._diary.have(keys)

    def _oca(self) -> None:
        keys = [next(self._keys) for _ in range(2)]
        contract = Contract.stock(self._chance.choice(SYMBOLS))
        legs = [(contract, Order.limit("BUY", 10, str(self._price()), order_ref=key)) for key in keys]
        self._diary.want(keys)
        self._engine.submit_oca(legs, group=f"group-{keys[0]}")
        self._diary.have(keys)

    def _modify(self) -> None:
        resting = [r for r in self._engine.active_orders() if r.order is not None and r.limit_price]
        if resting:
            self._engine.modify(self._chance.choice(resting).order_id, limit_price=str(self._price()))

    def _cancel(self) -> None:
        active = self._engine.active_orders()
        if active:
            self._engine.cancel(self._chance.choice(active).order_id)

    def _price(self) -> Decimal:
        return Decimal(100) + Decimal(self._chance.randrange(-100, 101)) / 100


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="victim", description="Trade until killed.")
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--journal", required=True)
    parser.add_argument("--diary", type=Path, required=True)
    parser.add_argument("--run", type=int, required=True)
    parser.add_argument("--seed", required=True)
    parser.add_argument("--fate", type=Fate.parse, default=None)
    return parser.parse_args(argv)


def _die_with_parent() -> None:
    """Die when nobody holds the other end of our standard input any more."""
    sys.stdin.read()
    kill_myself()


def main(argv: Sequence[str] | None = None) -> None:
    """Trade until killed."""
    given = _arguments(argv)
    threading.Thread(target=_die_with_parent, daemon=True).start()
    chance = random.Random(given.seed)  # noqa: S311 - a test is no secret
    reaper = Reaper(given.fate, chance)
    in_doubt = [key for key, returned in read_diary(given.diary).wanted.items() if not returned]
    diary = Diary(given.diary)
    journal = DoomedJournal.open(given.journal, client_id=CLIENT_ID, clock=SystemClock())
    if isinstance(journal, DoomedJournal):
        journal.reaper = reaper
    engine = Engine(CLIENT_ID, settings=SETTINGS, journal=journal)
    engine.on(events.CallbackFailed, lambda event: diary.trouble(str(event)), Delivery.INLINE)
    engine.on(events.JournalBroken, lambda event: diary.trouble(str(event)), Delivery.INLINE)

    def dial() -> Transport:
        line = SocketTransport("127.0.0.1", given.port, connect_timeout_s=5.0, send_timeout_s=5.0)
        return DoomedTransport(line, reaper)

    engine.start_on(dial)
    engine.wait_ready()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    trader = Trader(engine, diary, given.run, chance)
    trader.ask_again(in_doubt)
    breath = threading.Event()
    while True:
        if not engine.is_ready:
            engine.wait_ready()
        # A burst is more than the pace allows: then some of it waits, and may die waiting.
        for _ in range(_BURST if chance.random() < _BURSTS else 1):
            trader.wish()
        breath.wait(chance.expovariate(1 / _PAUSE_S))


if __name__ == "__main__":
    main()
