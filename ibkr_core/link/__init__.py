"""One live connection: transport, the official client's subclass, and every ibapi difference."""
