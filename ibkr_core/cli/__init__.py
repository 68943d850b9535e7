"""The ``ibkr-core`` command: the demo, and the simulated gateway as a server."""
