"""ibkr_core: an order-execution engine for Interactive Brokers."""
