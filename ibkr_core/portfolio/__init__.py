"""Positions, profit and loss: what fills, and what the broker shows beside them, come to."""

from ibkr_core.portfolio.books import Base, Books, Key
from ibkr_core.portfolio.runs import Run, State, Trade

__all__ = ["Base", "Books", "Key", "Run", "State", "Trade"]
