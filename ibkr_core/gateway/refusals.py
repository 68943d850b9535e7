"""The gateway says no: an error code and its text, raised inside and sent to the client."""

from __future__ import annotations

__all__ = ["RefusalError"]


class RefusalError(Exception):
    """A request is refused. It never leaves the gateway as an exception: it becomes an ``error`` message.

    Attributes:
        code: The broker's error code (TWS facts 7).
        text: What the client is told.
    """

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(f"{code}: {text}")

    @classmethod
    def invalid(cls, cause: str) -> RefusalError:
        """Error 321, the answer to a request that makes no sense, worded as in TWS facts 7."""
        return cls(321, f"Error validating request.-'bN' : cause - {cause}")
