"""What kind of venue a gateway is: every choice in one value."""

from __future__ import annotations

from decimal import Decimal

import attrs

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.advisors import Advisor
from ibkr_core.gateway.choreography import Choreography
from ibkr_core.gateway.clients import ClientRules
from ibkr_core.gateway.data_settings import DataSettings
from ibkr_core.gateway.hours import Calendar
from ibkr_core.gateway.market import MarketSettings
from ibkr_core.gateway.precautions import Precautions

__all__ = ["Settings"]


@attrs.frozen(kw_only=True)
class Settings:
    """What kind of venue it is.

    Attributes:
        accounts: Account codes; the first is the default.
        cash: Opening cash of each account, in USD.
        choreography: How callbacks are told.
        market: How prices move.
        price_cap: A limit price more aggressive than the market by this part is cancelled with 202, as the
            broker does (TWS facts 6: seen at about 3 %). None lets every price through.
        check_funds: Whether an order beyond the available funds is rejected with 201.
        clients: How clients are treated among each other.
        calendar: Trading hours; None for around the clock, so that tests run at any time of any day.
        fractional: Whether parts of a share may be traded, and shares bought for an amount of money.
        precautions: What is refused or warned of before it is transmitted; by default nothing.
        data: What the account may see of the market.
        most_active: Active orders of one side in one contract and account. A real gateway has 20 (TWS facts
            6); by default there may be any number.
        advisor: The advisor whose clients the accounts belong to; None where they stand for themselves.
    """

    accounts: tuple[str, ...] = attrs.field(default=("DU1234567",))
    cash: Decimal = Decimal(1_000_000)
    choreography: Choreography = attrs.field(factory=Choreography)
    market: MarketSettings = attrs.field(factory=MarketSettings)
    price_cap: Decimal | None = Decimal("0.03")
    check_funds: bool = True
    clients: ClientRules = attrs.field(factory=ClientRules)
    calendar: Calendar | None = None
    fractional: bool = False
    precautions: Precautions = attrs.field(factory=Precautions)
    data: DataSettings = attrs.field(factory=DataSettings)
    most_active: int | None = None
    advisor: Advisor | None = None

    def __attrs_post_init__(self) -> None:
        """See that an advisor's groups name accounts that there are."""
        if self.advisor is None:
            return
        named = {code for group in self.advisor.groups for code in group.accounts}
        if self.advisor.account in self.accounts or not named <= set(self.accounts):
            raise InvalidInput("advisor", "its groups name clients' accounts, of which its own is none")

    @property
    def codes(self) -> tuple[str, ...]:
        """Every account of the login, the advisor's first."""
        return self.accounts if self.advisor is None else (self.advisor.account, *self.accounts)

    @accounts.validator
    def _check_accounts(self, _: object, codes: tuple[str, ...]) -> None:
        """The wire lists codes with commas between them, so a comma in one would make it two."""
        for code in codes:
            if not (code.isascii() and code.isalnum()):
                raise InvalidInput("accounts", f"each must be letters and digits; got {code!r}")
        if not codes or len(set(codes)) < len(codes):
            raise InvalidInput("accounts", f"must name at least one, and each once; got {', '.join(codes)}")
