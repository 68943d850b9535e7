"""Hello order: buy a hundred shares, see what became of it, and ask for the history.

It trades on the simulated gateway inside this process. For your own IB Gateway write
``Broker(paper_trading=True)`` instead of ``Broker(simulated=True)``.
"""

from ibkr_core import Broker

with Broker(simulated=True) as broker:
    broker.register_order_fill_callback(
        lambda record: print(f"told: {record.filled_quantity} of {record.total_quantity} filled")
    )
    record = broker.execute_market_order("AAPL", 100, "BUY", wait_s=10)
    print(record)

    for line in broker.get_order_history(record.order_id):
        print("  ", line)
    print(broker.get_todays_order_summary())
