"""Your own EWrapper callbacks beside the engine: market data on the same connection, orders by the engine."""

import threading

from ibkr_core import Contract, Engine, Order, TwsClient
from ibkr_core.gateway import SimulatedGateway
from ibkr_core.link.convert import contract_to_official


class Client(TwsClient):
    """The official client with a callback of ours. One that raises is reported, and ends nothing."""

    seen = threading.Event()

    def tickPrice(self, reqId: int, tickType: int, price: float, attrib: object) -> None:
        """Take a price tick, on the reader thread: be quick, and do not wait here."""
        del attrib
        if tickType == 2 and price > 0:  # the ask
            print(f"request {reqId}: ask {price}")
            self.seen.set()


with SimulatedGateway(port=0) as gateway:
    gateway.market("AAPL").set_quote(bid="189.90", ask="190.00", bid_size=500, ask_size=500)
    with Engine.connect("127.0.0.1", gateway.port, client_class=Client) as engine:
        aapl = Contract.stock("AAPL")
        request_id = engine.next_request_id()  # orders and requests share one row of numbers
        engine.client.reqMktData(request_id, contract_to_official(aapl), "", False, False, [])
        Client.seen.wait(10)
        engine.client.cancelMktData(request_id)

        print(engine.submit(aapl, Order.market("BUY", 10)).wait(timeout_s=10))
