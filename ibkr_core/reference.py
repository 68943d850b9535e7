"""What the broker knows besides orders: instruments, prices, rules, accounts. Asked for and waited for.

Every call asks the broker, blocks until the answer is there, and ends with a typed error at its deadline.
Nothing here touches an order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from concurrent.futures import Future
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

import attrs

from ibkr_core import collectors
from ibkr_core.clock import Clock
from ibkr_core.errors import (
    AmbiguousContract,
    InquiryFailed,
    InvalidContract,
    InvalidInput,
    NotReady,
    UnknownContract,
)
from ibkr_core.inquiries import Collector, Inquiries
from ibkr_core.link.client import TwsClient
from ibkr_core.link.convert import contract_to_official
from ibkr_core.model.account import (
    AccountAlias,
    AccountValue,
    AccountValues,
    AdvisorGroup,
    FamilyCode,
    ProfitAndLoss,
    parse_aliases,
    parse_groups,
    parse_profiles,
)
from ibkr_core.model.checks import check_flag, check_moment, check_text
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.reference import ContractDetails, MarketRule, OptionChain, Quote
from ibkr_core.sending import check_time, type_name

__all__ = ["Reference"]

_T = TypeVar("_T")
_MILLIS_SINCE: Final = 197
_PROFILES_UNTIL: Final = 177
_GROUPS, _PROFILES, _ALIASES = 1, 2, 3
_SHOWN: Final = 10


class Office(Protocol):
    """What reference data needs of the engine."""

    @property
    def client(self) -> TwsClient:
        """The official client of the present connection."""

    @property
    def accounts(self) -> tuple[str, ...]:
        """The accounts of this login."""

    @property
    def server_version(self) -> int:
        """The protocol version of this session."""

    def check_may_wait(self) -> None:
        """Raise where a wait would stop the thread that has to end it."""

    def wait_for(self, future: Future[_T], timeout_s: float | None = None) -> _T:
        """Block until a future is done."""


class Reference:
    """Asks the broker for what is no order. Reached as ``engine.reference``; any thread may use it.

    All calls can raise, besides what they tell themselves: InquiryFailed where the broker refuses,
    WaitTimeout, NotReady where there is no session, ConnectionFailed where it ends meanwhile, EngineClosed,
    and WouldDeadlock from an inline listener. ``timeout_s`` is for each question that a call asks. In asyncio
    use ``await asyncio.to_thread(engine.reference.quote, contract)``.

    Args:
        inquiries: Sends the questions.
        office: The engine.
        clock: Tells the time.
    """

    def __init__(self, inquiries: Inquiries, office: Office, clock: Clock) -> None:
        self._inquiries = inquiries
        self._office = office
        self._clock = clock
        self._rules: dict[int, MarketRule] = {}
        self._rules_of: TwsClient | None = None

    # ── instruments ─────────────────────────────────────────────────────────────────────────────

    def contract_details(self, contract: Contract, *, timeout_s: float = 10.0) -> tuple[ContractDetails, ...]:
        """Return everything that fits a contract, complete or not (``reqContractDetails``).

        Args:
            contract: What is known of it: a symbol and a type, say, for all its expiries.
            timeout_s: How long to wait; a whole option chain can take a minute.

        Raises:
            UnknownContract: Nothing fits (code 200).
            InvalidContract: It is no Contract.
        """
        name = _checked(contract).name
        official = contract_to_official(contract)
        return self._ask(
            lambda client, request_id: client.reqContractDetails(request_id, official),
            collectors.DetailsCollector(),
            timeout_s,
            f"contract details of {name}",
        )

    def details(self, contract: Contract, *, timeout_s: float = 10.0) -> ContractDetails:
        """Return the details of the one instrument that a contract means.

        Raises:
            UnknownContract: Nothing fits.
            AmbiguousContract: Several instruments fit; it lists them.
        """
        found = _distinct(self.contract_details(contract, timeout_s=timeout_s), contract.exchange)
        if len(found) == 1:
            return found[0]
        if not found:
            raise UnknownContract("contract", f"nothing fits {contract.name}")
        candidates = tuple(_description(one.contract) for one in found)
        shown = "; ".join(candidates[:_SHOWN]) + (" ..." if len(candidates) > _SHOWN else "")
        raise AmbiguousContract(
            "contract",
            f"{contract.name} is ambiguous; {len(found)} instruments fit: {shown}",
            candidates,
            tuple(one.contract.con_id for one in found),
        )

    def qualify(self, contract: Contract, *, timeout_s: float = 10.0) -> Contract:
        """Return the contract with everything filled in that the broker knows: ``con_id`` and all.

        The exchange stays as it was given. A combo is returned as it is: its legs say what it is, and the
        broker answers no question about one (TWS facts 3).

        Raises:
            UnknownContract: Nothing fits.
            AmbiguousContract: Several instruments fit; it lists them.
        """
        if _checked(contract).is_combo:
            contract.check()
            return contract
        known = self.details(contract, timeout_s=timeout_s).contract
        return attrs.evolve(known, exchange=contract.exchange or known.exchange)

    def search(self, pattern: str, *, timeout_s: float = 10.0) -> tuple[Contract, ...]:
        """Return what a person may mean by a few letters: symbols that begin so, names that hold them.

        Raises:
            InvalidInput: The pattern is empty.
        """
        if not isinstance(pattern, str) or not pattern.strip():
            raise InvalidInput("pattern", f"must be a non-empty text, not {pattern!r}")
        return self._ask(
            lambda client, request_id: client.reqMatchingSymbols(request_id, pattern),
            collectors.SymbolCollector(),
            timeout_s,
            f"symbols like {pattern!r}",
        )

    def option_chain(
        self, contract: Contract, exchange: str = "", *, timeout_s: float = 10.0
    ) -> tuple[OptionChain, ...]:
        """Return the options on something: one chain for each exchange and trading class.

        Args:
            contract: The underlying. It is qualified first where its ``con_id`` or type is missing.
            exchange: Of the options; every one where it is empty. For options on futures the exchange of the
                future (official ``futFopExchange``) is told to the broker by itself.
            timeout_s: How long to wait for each answer.

        Raises:
            UnknownContract: The underlying is unknown.
            AmbiguousContract: Several instruments fit it.
        """
        under = _checked(contract)
        check_text("exchange", exchange)
        if not (under.con_id and under.symbol and under.sec_type):
            under = self.qualify(under, timeout_s=timeout_s)
        place = (exchange or under.exchange) if under.sec_type == "FUT" else ""
        found = self._ask(
            lambda client, request_id: client.reqSecDefOptParams(
                request_id, under.symbol, place, under.sec_type, under.con_id
            ),
            collectors.ChainCollector(),
            timeout_s,
            f"the option chain of {under.name}",
        )
        return tuple(chain for chain in found if exchange in ("", chain.exchange))

    # ── rules and hours ─────────────────────────────────────────────────────────────────────────

    def market_rule(self, rule_id: int, *, timeout_s: float = 10.0) -> MarketRule:
        """Return a market rule by its number; asked for once in a session.

        Raises:
            InvalidInput: The number is none.
        """
        if isinstance(rule_id, bool) or not isinstance(rule_id, int) or rule_id <= 0:
            raise InvalidInput("rule_id", f"must be a positive whole number, not {rule_id!r}")
        check_time("timeout_s", timeout_s)
        client = self._office.client
        if client is not self._rules_of:
            self._rules_of, self._rules = client, {}
        known = self._rules.get(rule_id)
        if known is not None:
            return known
        rule = self._ask(
            lambda client, _: client.reqMarketRule(rule_id),
            collectors.RuleCollector(rule_id),
            timeout_s,
            f"market rule {rule_id}",
        )
        self._rules[rule_id] = rule
        return rule

    def price_rule(self, contract: Contract, exchange: str = "", *, timeout_s: float = 10.0) -> MarketRule:
        """Return in what steps the price of an instrument moves.

        Args:
            contract: The instrument.
            exchange: Where; the contract's own exchange where it is empty.
            timeout_s: How long to wait for each answer.

        Raises:
            UnknownContract: Nothing fits.
            AmbiguousContract: Several instruments fit.
            InvalidInput: It does not trade on that exchange.
            InquiryFailed: The broker told neither a rule nor a step.
        """
        check_text("exchange", exchange)
        details = self.details(contract, timeout_s=timeout_s)
        place = exchange or contract.exchange
        if exchange and exchange not in details.exchanges:
            raise InvalidInput(
                "exchange",
                f"{details.contract.name} trades on {', '.join(details.exchanges)}, not {exchange!r}",
            )
        return self.rule_of(details, place, timeout_s=timeout_s)

    def rule_of(self, details: ContractDetails, exchange: str = "", *, timeout_s: float = 10.0) -> MarketRule:
        """Return the price steps of an instrument whose details are known. See :meth:`price_rule`.

        They are those of order prices. Where these are told in cents or pence (``price_magnifier``), the
        smallest step is told in the currency all the same; in which of the two a market rule is told is not
        documented, so that its finest step decides it.
        """
        if not isinstance(details, ContractDetails):
            raise InvalidInput("details", f"must be ContractDetails, not {type_name(details)}")
        check_text("exchange", exchange)
        check_time("timeout_s", timeout_s)
        rule_id, finest = details.market_rule_id(exchange), details.min_tick
        times = details.price_magnifier
        if rule_id:
            rule = self.market_rule(rule_id, timeout_s=timeout_s)
            return rule if finest is None or rule.finest >= finest * times else rule.scaled(times)
        if finest is None:
            raise InquiryFailed(f"price steps of {details.contract.name}", 0, "the broker told none")
        return MarketRule.of_step(finest * times)

    def is_open(
        self, contract: Contract, at: datetime | None = None, *, liquid: bool = False, timeout_s: float = 10.0
    ) -> bool:
        """Whether an instrument trades at a moment of the coming days.

        Args:
            contract: The instrument.
            at: A moment with a time zone; None for now.
            liquid: Count regular hours only.
            timeout_s: How long to wait.

        Raises:
            UnknownContract: Nothing fits.
            AmbiguousContract: Several instruments fit.
            InvalidInput: The moment has no zone.
            InquiryFailed: The broker told no hours of that day, or in an unknown zone.
        """
        check_flag("liquid", liquid)
        if at is not None:
            check_moment("at", at)
        details = self.details(contract, timeout_s=timeout_s)
        moment = self._clock.now() if at is None else at
        hours = details.liquid_hours if liquid else details.trading_hours
        if not hours.covers(moment) and not hours.is_open(moment):
            raise InquiryFailed(
                f"hours of {details.contract.name}",
                0,
                f"the broker told none of {moment:%Y-%m-%d %H:%M %Z}, or in an unknown zone ({hours.zone!r})",
            )
        return hours.is_open(moment)

    def server_time(self, *, timeout_s: float = 10.0) -> datetime:
        """Return the gateway's time, in UTC: to the millisecond from server version 197 on."""

        def request(client: TwsClient, _: int) -> None:
            fine = getattr(client, "reqCurrentTimeInMillis", None)
            if fine is not None and (client.serverVersion_ or 0) >= _MILLIS_SINCE:
                fine()
            else:
                client.reqCurrentTime()

        return self._ask(request, collectors.TimeCollector(), timeout_s, "the gateway's time")

    # ── prices ──────────────────────────────────────────────────────────────────────────────────

    def quote(
        self,
        contract: Contract,
        *,
        timeout_s: float = 15.0,
        delayed: bool = False,
        frozen: bool = False,
    ) -> Quote:
        """Return what something costs now (a snapshot of ``reqMktData``).

        It comes back as soon as all has come that such an instrument has. A real gateway ends a snapshot
        after eleven seconds; then, and when time runs out, it has what came until then.

        Args:
            contract: The instrument. It is qualified first where its type is missing.
            timeout_s: How long to wait.
            delayed: Take prices of some minutes ago where there is no subscription to live ones.
            frozen: Take the last prices of the day where the market is closed.

        Raises:
            UnknownContract: Nothing fits.
            InquiryFailed: There is no subscription to its prices (10089, 354), or another refusal.
            WaitTimeout: Not one price came in time.
        """
        check_flag("delayed", delayed)
        check_flag("frozen", frozen)
        if not _checked(contract).sec_type:
            contract = self.qualify(contract, timeout_s=timeout_s)
        official = contract_to_official(contract)
        wanted = 1 + frozen + 2 * delayed

        def request(client: TwsClient, request_id: int) -> None:
            with client.with_data_type(wanted):
                client.reqMktData(request_id, official, "", True, False, [])  # noqa: FBT003 - official signature

        collector = collectors.QuoteCollector(contract, self._clock)
        return self._ask(request, collector, timeout_s, f"a quote of {contract.name}")

    # ── accounts ────────────────────────────────────────────────────────────────────────────────

    def account_values(self, account: str = "", *, timeout_s: float = 10.0) -> AccountValues:
        """Return an account's values: balances, margins, cash by currency (``reqAccountUpdatesMulti``).

        Args:
            account: Its code; every account of the login where it is empty.
            timeout_s: How long to wait.

        Raises:
            InvalidInput: It is no account of this login.
        """

        def start(code: str) -> Future[tuple[AccountValue, ...]]:
            return self._inquiries.ask(
                lambda client, request_id: client.reqAccountUpdatesMulti(
                    request_id,
                    code,
                    "",
                    False,  # noqa: FBT003 - official signature
                ),
                collectors.AccountValueCollector(),
                timeout_s,
                what=f"the values of account {code}",
            )

        return AccountValues(self._of_each(account, start))

    def positions(self, account: str = "", *, timeout_s: float = 10.0) -> tuple[Position, ...]:
        """Return what is held, as the broker counts it; nothing that was closed.

        Each account is asked about by itself (``reqPositionsMulti``), which works with any number of them,
        and leaves a subscription of yours to ``reqPositions`` alone.

        Args:
            account: Its code; every account of the login where it is empty.
            timeout_s: How long to wait.

        Raises:
            InvalidInput: It is no account of this login.
        """

        def start(code: str) -> Future[tuple[Position, ...]]:
            return self._inquiries.ask(
                lambda client, request_id: client.reqPositionsMulti(request_id, code, ""),
                collectors.PositionCollector(),
                timeout_s,
                what=f"the positions of account {code}",
            )

        return self._of_each(account, start)

    def profit_and_loss(
        self, account: str = "", *, con_id: int = 0, timeout_s: float = 10.0
    ) -> ProfitAndLoss:
        """Return the day's profit and loss, of an account or of one position in it.

        Args:
            account: Its code; may be empty where the login has one account only.
            con_id: The contract of a position; 0 for the whole account.
            timeout_s: How long to wait.

        Raises:
            InvalidInput: It is no account of this login, or it is not clear which.
        """
        accounts = self._chosen(account)
        if len(accounts) != 1:
            raise InvalidInput("account", f"name one of {', '.join(accounts)}")
        if isinstance(con_id, bool) or not isinstance(con_id, int) or con_id < 0:
            raise InvalidInput("con_id", f"must be a contract id, or 0, not {con_id!r}")
        code = accounts[0]

        def request(client: TwsClient, request_id: int) -> None:
            if con_id:
                client.reqPnLSingle(request_id, code, "", con_id)
            else:
                client.reqPnL(request_id, code, "")

        what = f"the profit and loss of account {code}"
        return self._ask(request, collectors.PnlCollector(code, con_id), timeout_s, what)

    def family_codes(self, *, timeout_s: float = 10.0) -> tuple[FamilyCode, ...]:
        """Return which families the accounts of this login belong to."""
        collector = collectors.FamilyCollector()
        return self._ask(lambda client, _: client.reqFamilyCodes(), collector, timeout_s, "family codes")

    def advisor_groups(self, *, timeout_s: float = 10.0) -> tuple[AdvisorGroup, ...]:
        """Return an advisor's account groups.

        Raises:
            InquiryFailed: The login is no advisor's (321), or the list cannot be read.
        """
        return self._advisor(_GROUPS, parse_groups, "advisor groups", timeout_s)

    def advisor_profiles(self, *, timeout_s: float = 10.0) -> tuple[AdvisorGroup, ...]:
        """Return an advisor's allocation profiles; from server version 177 on there are groups only.

        Raises:
            InquiryFailed: The login is no advisor's (321), or the list cannot be read.
            RequestRefused: The gateway has no profiles any more.
        """
        check_time("timeout_s", timeout_s)
        if self._office.server_version >= _PROFILES_UNTIL:
            return ()
        return self._advisor(_PROFILES, parse_profiles, "advisor profiles", timeout_s)

    def account_aliases(self, *, timeout_s: float = 10.0) -> tuple[AccountAlias, ...]:
        """Return the names that an advisor gave to accounts.

        Raises:
            InquiryFailed: The login is no advisor's (321), or the list cannot be read.
        """
        return self._advisor(_ALIASES, parse_aliases, "account aliases", timeout_s)

    # ── inside ──────────────────────────────────────────────────────────────────────────────────

    def _ask(
        self,
        request: Callable[[TwsClient, int], object],
        collector: Collector[_T],
        timeout_s: float,
        what: str,
    ) -> _T:
        self._office.check_may_wait()
        return self._office.wait_for(self._inquiries.ask(request, collector, timeout_s, what=what))

    def _chosen(self, account: str) -> tuple[str, ...]:
        known = self._office.accounts
        if not known:  # never take that for an account with nothing in it
            raise NotReady("not connected: the accounts of this login are unknown; nothing was asked")
        if not isinstance(account, str) or (account and account not in known):
            raise InvalidInput("account", f"must be one of {', '.join(known)}, not {account!r}")
        return (account,) if account else known

    def _of_each(self, account: str, start: Callable[[str], Future[tuple[_T, ...]]]) -> tuple[_T, ...]:
        """Ask about each account that is meant; the questions are under way together."""
        self._office.check_may_wait()
        futures: list[Future[tuple[_T, ...]]] = []
        try:
            futures += (start(code) for code in self._chosen(account))
            return tuple(one for future in futures for one in self._office.wait_for(future))
        finally:
            for future in futures:
                future.cancel()  # what one of them raised ends the others

    def _advisor(self, kind: int, parse: Callable[[str], _T], what: str, timeout_s: float) -> _T:
        collector = collectors.AdvisorCollector(kind)
        text = self._ask(lambda client, _: client.requestFA(kind), collector, timeout_s, what)
        try:
            return parse(text)
        except InvalidInput as error:
            raise InquiryFailed(what, 0, f"the answer cannot be read: {error}") from error


def _checked(contract: Any) -> Contract:  # noqa: ANN401 - what a caller passes
    if not isinstance(contract, Contract):
        raise InvalidContract("contract", f"must be an ibkr_core Contract, not {type_name(contract)}")
    contract.check_types()
    return contract


def _distinct(found: Iterable[ContractDetails], exchange: str) -> list[ContractDetails]:
    """Return each instrument once, on the exchange that was asked for: some are told for each of theirs."""
    by_id: dict[int, ContractDetails] = {}
    for one in found:
        known = by_id.setdefault(one.contract.con_id, one)
        if known.contract.exchange != exchange == one.contract.exchange:
            by_id[one.contract.con_id] = one
    return list(by_id.values())


def _description(contract: Contract) -> str:
    """Put into words what tells an instrument from its namesakes."""
    words = (
        contract.name,
        contract.sec_type,
        contract.currency,
        contract.primary_exchange or contract.exchange,
        contract.trading_class,
        f"con_id {contract.con_id}",
    )
    return " ".join(dict.fromkeys(word for word in words if word))
