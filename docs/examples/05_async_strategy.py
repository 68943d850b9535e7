"""An asyncio strategy: await orders, and take events in your own loop.

The engine's reader stays on its own thread, so a slow coroutine never delays the socket.
"""

import asyncio

from ibkr_core import Contract, Delivery, Engine, Order, events
from ibkr_core.gateway import SimulatedGateway


async def trade(engine: Engine) -> None:
    """Buy in three slices, each when the one before it has filled, then sell it all."""
    fills: asyncio.Queue[events.ExecutionReceived] = asyncio.Queue()
    engine.on(events.ExecutionReceived, fills.put, Delivery.ASYNCIO)
    aapl = Contract.stock("AAPL")
    for _ in range(3):
        record = await engine.submit(aapl, Order.market("BUY", 10))
        print(record)
    print(await engine.submit(aapl, Order.market("SELL", 30)))

    bought = sold = 0
    while sold < 30:
        fill = (await asyncio.wait_for(fills.get(), timeout=10)).fill
        if fill.action == "BUY":
            bought += fill.quantity
        else:
            sold += fill.quantity
    print(f"told of {bought} bought and {sold} sold")


with SimulatedGateway(port=0) as gateway:
    gateway.market("AAPL").set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    with Engine.connect("127.0.0.1", gateway.port) as connected:
        asyncio.run(trade(connected))
