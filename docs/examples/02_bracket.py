"""A bracket: an entry with a target and a stop. Once one exit fills, the broker cancels the other."""

from ibkr_core import Contract, Engine, Order, OrderStatus
from ibkr_core.gateway import SimulatedGateway

with SimulatedGateway(port=0) as gateway, Engine.connect("127.0.0.1", gateway.port) as engine:
    market = gateway.market("AAPL")
    market.set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    aapl = Contract.stock("AAPL")

    bracket = engine.submit_bracket(aapl, Order.market("BUY", 100), take_profit="195", stop_loss="185")
    print("entry ", bracket.parent.wait(timeout_s=10))
    for child in (bracket.take_profit, bracket.stop_loss):
        child.wait(OrderStatus.SUBMITTED, OrderStatus.PRE_SUBMITTED, timeout_s=10)

    market.set_quote(bid="195.10", ask="195.20", bid_size=500, ask_size=500)  # the market goes our way
    print("target", bracket.take_profit.wait(timeout_s=10))
    print("stop  ", bracket.stop_loss.wait(timeout_s=10))
