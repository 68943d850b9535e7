"""What the simulated account may see of the market."""

from __future__ import annotations

import attrs

__all__ = ["DataSettings"]


@attrs.frozen(kw_only=True)
class DataSettings:
    """What the account is subscribed to.

    Attributes:
        live: Whether it sees live data. Without it a request for live data earns error 10089, and one for
            delayed data gets notice 10167 and delayed ticks. With it everybody gets live data, as at a real
            gateway, whatever type was asked for.
        delay_s: How old delayed data is, in seconds; the broker says 15 to 20 minutes.
    """

    live: bool = True
    delay_s: float = attrs.field(default=900.0, validator=attrs.validators.ge(0))
