"""Scale-out: three targets, each with a stop of its size; the stops move up once the first target fills."""

import queue

from ibkr_core import BreakEven, Contract, Engine, ExitPair, Order, OrderStatus, events
from ibkr_core.gateway import SimulatedGateway

with SimulatedGateway(port=0) as gateway, Engine.connect("127.0.0.1", gateway.port) as engine:
    market = gateway.market("AAPL")
    market.set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    engine.on(events.PositionUnprotected, lambda event: print("ALARM: not covered", event))
    moved: queue.Queue[events.OrderModified] = queue.Queue()
    engine.on(events.OrderModified, moved.put)

    out = engine.submit_scale_out(
        Contract.stock("AAPL"),
        Order.market("BUY", 90),
        [ExitPair(30, "192", "185"), ExitPair(30, "194", "185"), ExitPair(30, "196", "185")],
        break_even=BreakEven(),
    )
    entry = out.parent.wait(timeout_s=10)
    print("entry ", entry)
    for _, stop in out.pairs:
        stop.wait(OrderStatus.PRE_SUBMITTED, timeout_s=10)

    market.set_quote(bid="192.00", ask="192.10", bid_size=500, ask_size=500)
    print("first ", out.pairs[0][0].wait(timeout_s=10))

    for _ in out.pairs[1:]:  # the stops that are left now stand where the entry filled
        event = moved.get(timeout=10)
        print(f"stop #{event.order_id} from {event.previous.aux_price} to {event.record.order.aux_price}")
    engine.cancel_all()
