"""An OCA breakout: a stop above the range and a stop below it. The one that fills cancels the other."""

from ibkr_core import Contract, Engine, Order, OrderStatus
from ibkr_core.gateway import SimulatedGateway

with SimulatedGateway(port=0) as gateway, Engine.connect("127.0.0.1", gateway.port) as engine:
    market = gateway.market("AAPL")
    market.set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    aapl = Contract.stock("AAPL")

    up, down = engine.submit_oca(
        [(aapl, Order.stop("BUY", 50, "191.00")), (aapl, Order.stop("SELL", 50, "189.00"))]
    )
    for ticket in (up, down):
        ticket.wait(OrderStatus.PRE_SUBMITTED, timeout_s=10)  # held by the broker until it is elected
    market.set_quote(bid="191.00", ask="191.10", bid_size=500, ask_size=500)  # it breaks out upwards
    print("up  ", up.wait(timeout_s=10))
    print("down", down.wait(timeout_s=10))
