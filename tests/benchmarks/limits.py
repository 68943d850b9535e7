"""What the regression guard allows: measured with Python 3.11, with some room for other Pythons."""

from __future__ import annotations

CALLBACK_AGAINST_FLOOR = {178: 6.2, 226: 8.6}
"""Instructions of the engine for each of the floor's, by protocol version."""

CALLBACK_WITH_JOURNAL_AGAINST_FLOOR = {178: 9.0, 226: 12.3}
"""The same with a journal, on the receiving thread."""

LARGE_BOOK_AGAINST_SMALL = 1.1
"""A callback's instructions with thousands of orders in the book, against a few dozen."""

SUBMIT_AGAINST_ENCODING = 0.46
"""Instructions of a whole submit, against the official encoding of its order and nothing else."""

FINISHED_ORDER_BYTES = 5_200
"""Bytes that the callbacks of an order leave behind, the order as it was placed not among them."""
