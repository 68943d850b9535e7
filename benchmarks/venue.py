"""The gateway under test, in a process of its own: serves one client and prints the CPU seconds it took."""

from __future__ import annotations

import argparse
import json
import sys
import time

from ibkr_core.gateway import MarketSettings, Settings, SimulatedGateway
from ibkr_core.gateway.recording import record

_CLIENT_ID = 7
_FAR_S = 600.0


def main() -> None:
    """Serve until the line on stdin, and say in between what the driver must know."""
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", choices=("live", "recorded"))
    parser.add_argument("orders", type=int)
    parser.add_argument("version", type=int)
    options = parser.parse_args()
    recording = None
    if options.mode != "live":
        recording = record(options.orders, options.version, _CLIENT_ID)
    settings = Settings(market=MarketSettings(moves=False))
    limit = 1 << 30  # the whole recording may wait in the gateway
    with SimulatedGateway(port=0, settings=settings, max_backlog_bytes=limit) as gateway:
        gateway.market("AAPL").set_quote(bid=100, ask="100.01", bid_size=10**9, ask_size=10**9)
        _say({"port": gateway.port, "messages": recording.messages if recording else 0})
        gateway.wait_for(lambda _: gateway.client_ids, _FAR_S)
        sys.stdin.readline()
        began = time.process_time()
        if recording is not None:
            gateway.session(_CLIENT_ID).inject(recording.data)
        sys.stdin.readline()
        _say({"cpu_s": time.process_time() - began})


def _say(values: dict[str, float]) -> None:
    print(json.dumps(values), flush=True)


if __name__ == "__main__":
    main()
