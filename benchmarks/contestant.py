"""One client under test, in a process of its own: prints the seconds until its last callback."""

from __future__ import annotations

import argparse
import threading
import time

from ibapi.client import EClient
from ibapi.wrapper import EWrapper

from ibkr_core import Delivery, Engine, TwsClient, events

_FAR_S = 300.0


class _Official(EWrapper, EClient):
    """The official client with empty callbacks."""

    def __init__(self) -> None:
        EClient.__init__(self, self)
        self.ready = threading.Event()
        self.done = threading.Event()

    def nextValidId(self, orderId: int) -> None:  # noqa: ARG002, N802, N803 - official names
        self.ready.set()

    def currentTime(self, time: int) -> None:  # noqa: ARG002, N802 - official name
        self.done.set()

    def orderStatus(self, *_: object) -> None:  # noqa: N802 - official name
        pass

    def execDetails(self, *_: object) -> None:  # noqa: N802 - official name
        pass

    def commissionAndFeesReport(self, *_: object) -> None:  # noqa: N802 - official name
        pass

    commissionReport = commissionAndFeesReport  # noqa: N815 - the name of older versions


def run_official(port: int) -> float:
    """Time the official client's own run loop."""
    client = _Official()
    client.connect("127.0.0.1", port, 1)
    thread = threading.Thread(target=client.run)
    thread.start()
    client.ready.wait(_FAR_S)
    started = time.perf_counter()
    client.reqCurrentTime()
    client.done.wait(_FAR_S)
    elapsed = time.perf_counter() - started
    client.disconnect()
    thread.join()
    return elapsed


def run_ours(port: int) -> float:
    """Time the engine: the book kept, every event given to one inline listener."""
    done = threading.Event()
    seen: list[int] = []

    class Client(TwsClient):
        def currentTime(self, time: int) -> None:  # noqa: ARG002, N802 - official name
            done.set()

    engine = Engine(1, client_class=Client)
    engine.on(events.OrderEvent, lambda event: seen.append(event.seq), Delivery.INLINE)
    with engine:
        engine.open("127.0.0.1", port)
        started = time.perf_counter()
        engine.client.reqCurrentTime()
        done.wait(_FAR_S)
        elapsed = time.perf_counter() - started
        if any(record.filled_quantity != 100 for record in engine.orders()):
            raise SystemExit("the book is wrong")
    return elapsed


def main() -> None:
    """Run one contestant and print its time."""
    parser = argparse.ArgumentParser()
    parser.add_argument("name", choices=("official", "ours"))
    parser.add_argument("port", type=int)
    options = parser.parse_args()
    print((run_ours if options.name == "ours" else run_official)(options.port))


if __name__ == "__main__":
    main()
