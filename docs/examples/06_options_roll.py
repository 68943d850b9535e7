"""An options roll: a call spread moves to a later expiry as one combination, then it is closed."""

from datetime import timedelta

from ibkr_core import Contract, Engine, Order, Strategy
from ibkr_core.gateway import SimulatedGateway

with SimulatedGateway(port=0) as gateway, Engine.connect("127.0.0.1", gateway.port) as engine:
    gateway.market("AAPL").freeze()
    aapl = Contract.stock("AAPL")
    price = engine.reference.quote(aapl).midpoint
    (chain,) = engine.reference.option_chain(aapl, exchange="SMART")
    today = engine.reference.server_time().date()
    near, far = (
        next(day for day in chain.expirations if day >= today + timedelta(days=days)) for days in (20, 60)
    )
    low, high = (min(chain.strikes, key=lambda strike: abs(strike - price - away)) for away in (0, 10))
    spread = Strategy.vertical("AAPL", near, "C", long_strike=low, short_strike=high)

    for leg in spread.legs:  # buy it, leg by leg
        print(engine.submit(leg.contract, Order.market(leg.side, leg.ratio)).wait(timeout_s=10))

    rolled = engine.roll_position(spread, (far - today).days)
    print(rolled)

    later = Strategy.vertical("AAPL", far, "C", long_strike=low, short_strike=high)
    print(engine.close_position(later))
    print(
        "still held:",
        [str(position.quantity) for position in engine.reference.positions() if position.quantity],
    )
