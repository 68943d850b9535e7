"""Order entry: makes an order of a request, or refuses it. Nothing is changed before all is checked."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from decimal import Decimal
from typing import Any

import attrs

from ibkr_core.gateway import rules
from ibkr_core.gateway.adjusting import check_adjustment
from ibkr_core.gateway.advisors import Advisor
from ibkr_core.gateway.algos import check_algo
from ibkr_core.gateway.attaching import hedge_sized
from ibkr_core.gateway.attributes import check_attributes
from ibkr_core.gateway.conditional import Conditional
from ibkr_core.gateway.exchange import Exchange
from ibkr_core.gateway.instruments import Catalogue, Instrument
from ibkr_core.gateway.kinds import Pricing
from ibkr_core.gateway.market import Market
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.options import underlying_of, worth
from ibkr_core.gateway.orders import GatewayOrder, OrderSpec
from ibkr_core.gateway.precautions import Precautions
from ibkr_core.gateway.refusals import RefusalError

__all__ = ["Entry"]

_FIRST_PERM_ID = 1_376_327_000
_NO_BLOCK = 3


@attrs.frozen(kw_only=True)
class Entry:
    """Checks requests against everything that the venue knows.

    Attributes:
        catalogue: What can be traded.
        resolve: The instrument that a contract means, combinations included.
        market_of: The market of an instrument.
        exchange: Where orders live.
        conditional: Watches over conditions.
        restrictions: What may not be traded now.
        precautions: Further limits, as in the settings of a real gateway.
        numbers: Gives permIds out.
        accounts: Account codes; the first is the default.
        advisor: The advisor whose clients they belong to, or None.
        fractional: Whether parts of a share may be traded.
        expires: Whether a contract that has expired is refused with 392.
        now: The present, seconds since the epoch.
    """

    catalogue: Catalogue
    resolve: Callable[[Mapping[str, Any]], Instrument]
    market_of: Callable[[Instrument], Market]
    exchange: Exchange
    conditional: Conditional
    restrictions: rules.Restrictions
    precautions: Precautions
    numbers: Numbers
    accounts: Collection[str]
    advisor: Advisor | None
    fractional: bool
    expires: bool
    now: Callable[[], float]

    def build(
        self,
        client_id: int,
        order_id: int,
        contract: Mapping[str, Any],
        spec: OrderSpec,
        known: GatewayOrder | None,
    ) -> GatewayOrder:
        """Make an order of a request; nothing but the next permId is changed yet.

        Args:
            client_id: Who asks.
            order_id: Its id at that client.
            contract: Official contract fields.
            spec: What is asked for.
            known: The order that already has the id, for a trial of a modification; or None.

        Raises:
            RefusalError: It is refused, with the code of TWS facts 7.
        """
        if not str(contract.get("symbol") or "").isascii():
            raise RefusalError(407, "The symbol should contain valid non-unicode characters only.")
        instrument = self.resolve(contract)
        self.restrictions.check(instrument)
        if contract.get("deltaNeutralContract") and instrument.sec_type != "BAG":
            text = "Delta neutral orders are only supported for combos (BAG security type)."
            raise RefusalError(429, text)
        spec = rules.sized(instrument, spec, self.market_of(instrument).quote)
        self._check(instrument, spec, str(contract["exchange"]))
        parent = None
        if spec.parent_id and known is None:
            parent = self.exchange.find(client_id, spec.parent_id)
            rules.check_attachable(parent, spec)
        account = self._account(instrument, spec)
        if spec.hedge_type:
            own, hedged = instrument, instrument if parent is None else parent.instrument
            prices = self.market_of(own).middle, self.market_of(hedged).middle
            spec = hedge_sized(spec, parent, *prices, self._delta(own, hedged))
        if spec.oca_group:
            rules.check_group(account, self.exchange.group_accounts(spec.oca_group))
        self.numbers.orders += 1
        return GatewayOrder(
            perm_id=_FIRST_PERM_ID + self.numbers.orders,
            client_id=client_id,
            order_id=order_id,
            account=account,
            instrument=instrument,
            exchange=str(contract["exchange"]),
            spec=spec,
            total=spec.quantity,
            sequence=self.numbers.orders,
            parent=parent,
            oca_group=spec.oca_group,
            oca_type=spec.oca_type or _NO_BLOCK,
        )

    def _account(self, instrument: Instrument, spec: OrderSpec) -> str:
        if self.advisor is not None:
            account = self.advisor.account_of(spec)
            if account == self.advisor.account and instrument.sec_type == "BAG":
                raise RefusalError.invalid("Combinations for FA groups are not simulated")
        else:
            account = spec.account or next(iter(self.accounts))
        if account not in self.accounts:
            raise RefusalError.invalid(f"Invalid account code '{account}'.")
        return account

    def check_modification(self, order: GatewayOrder, contract: Mapping[str, Any], spec: OrderSpec) -> None:
        """See whether an order may be changed so.

        Raises:
            RefusalError: It may not; the order is as before.
        """
        rules.check_modifiable(order)
        rules.check_same_order(order, self.resolve(contract), spec)
        rules.check_resizable(order, spec)
        self._check(order.instrument, spec, order.exchange)

    def _check(self, instrument: Instrument, spec: OrderSpec, exchange: str) -> None:
        rules.check_against(instrument, spec, fractional=self.fractional)
        rules.check_size(instrument, spec)
        if self.expires:
            rules.check_expiry(instrument, self.now())
        rules.check_terms(instrument, spec, exchange, self.now())
        check_attributes(instrument, spec, exchange)
        self._check_peg(instrument, spec)
        self.conditional.check(spec.terms.conditions)
        check_adjustment(spec)
        check_algo(spec)
        if not spec.what_if:
            self.precautions.check(instrument, spec, self.market_of(instrument).quote)

    def _delta(self, stock: Instrument, option: Instrument) -> Decimal | None:
        """Units of a stock that move like one option on it; None for anything else."""
        if option.sec_type != "OPT" or underlying_of(self.catalogue, option) is not stock:
            return None
        delta = worth(option, float(self.market_of(stock).middle), self.now()).delta
        return Decimal(str(round(delta, 6))) * option.multiplier

    # -- orders that follow another market ---------------------------------------------------------

    def followed(self, instrument: Instrument, spec: OrderSpec) -> Instrument | None:
        """The other contract that the price of an order comes from; None when there is none."""
        if not spec.kind.follows_another:
            return None
        if spec.kind.pricing is Pricing.BENCHMARK:
            return self.catalogue.by_id(int(spec.fields.get("referenceContractId") or 0))
        return underlying_of(self.catalogue, instrument)

    def _check_peg(self, instrument: Instrument, spec: OrderSpec) -> None:
        if spec.kind.follows_another and self.followed(instrument, spec) is None:
            raise RefusalError(342, "Pegged order is not supported on this exchange.")

    def price_elsewhere(self, order: GatewayOrder) -> Decimal | None:
        """What another market says for the price of an order: its middle, or the worth of an option."""
        other = self.followed(order.instrument, order.spec)
        if other is None:
            return None
        price = self.market_of(other).middle
        if order.spec.kind.pricing is not Pricing.VOLATILITY:
            return price
        volatility = float(order.spec.fields["volatility"])
        return Decimal(str(round(worth(order.instrument, float(price), self.now(), volatility).price, 6)))
