"""Gateways and engines, as the tests of the engine have them."""

from tests.engine.conftest import connect, engine, gateway, serve

__all__ = ["connect", "engine", "gateway", "serve"]
