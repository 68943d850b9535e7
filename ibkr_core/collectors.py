"""How each kind of question is answered: which callbacks bring the answer, and when it is complete."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, ClassVar, Final

import attrs

from ibkr_core.clock import Clock
from ibkr_core.errors import IbkrError, InquiryFailed
from ibkr_core.inquiries import Collector
from ibkr_core.lifecycle.verdicts import DEFAULT_RULES, CodeRule, Verdict, judge
from ibkr_core.link import convert_reference
from ibkr_core.link.client import TwsClient
from ibkr_core.link.convert import contract_from_official, number
from ibkr_core.link.convert import position as position_of
from ibkr_core.model.account import AccountValue, FamilyCode, ProfitAndLoss
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import Position
from ibkr_core.model.order import Order
from ibkr_core.model.record import Request
from ibkr_core.model.reference import ContractDetails, Greeks, MarketRule, OptionChain, Quote
from ibkr_core.model.whatif import WhatIf

__all__ = [
    "AccountValueCollector",
    "AdvisorCollector",
    "ChainCollector",
    "DetailsCollector",
    "FamilyCollector",
    "PnlCollector",
    "PositionCollector",
    "QuoteCollector",
    "RuleCollector",
    "SymbolCollector",
    "TimeCollector",
    "WhatIfCollector",
]

_SINCE_1970: Final = datetime(1970, 1, 1, tzinfo=UTC)
_CANCEL_CONTRACT_DATA: Final = 215


class DetailsCollector(Collector[tuple[ContractDetails, ...]]):
    """Answers ``reqContractDetails``."""

    callbacks = frozenset({"contractDetails", "bondContractDetails", "contractDetailsEnd"})

    def __init__(self) -> None:
        self._found: list[ContractDetails] = []

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        if name == "contractDetailsEnd":
            return True
        self._found.append(convert_reference.contract_details(arguments[1]))
        return False

    def result(self) -> tuple[ContractDetails, ...]:
        """See :meth:`Collector.result`."""
        return tuple(self._found)

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """End a list that takes too long; old gateways and clients cannot."""
        cancel = getattr(client, "cancelContractData", None)
        if cancel is not None and (client.serverVersion_ or 0) >= _CANCEL_CONTRACT_DATA:
            cancel(request_id)


class ChainCollector(Collector[tuple[OptionChain, ...]]):
    """Answers ``reqSecDefOptParams``."""

    callbacks = frozenset({"securityDefinitionOptionParameter", "securityDefinitionOptionParameterEnd"})

    def __init__(self) -> None:
        self._found: list[OptionChain] = []

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        if name == "securityDefinitionOptionParameterEnd":
            return True
        self._found.append(convert_reference.option_chain(*arguments[1:]))
        return False

    def result(self) -> tuple[OptionChain, ...]:
        """See :meth:`Collector.result`."""
        return tuple(self._found)


class SymbolCollector(Collector[tuple[Contract, ...]]):
    """Answers ``reqMatchingSymbols``."""

    callbacks = frozenset({"symbolSamples"})

    def __init__(self) -> None:
        self._found: tuple[Contract, ...] = ()

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.take`."""
        self._found = tuple(contract_from_official(one.contract) for one in arguments[1])
        return True

    def result(self) -> tuple[Contract, ...]:
        """See :meth:`Collector.result`."""
        return self._found


class RuleCollector(Collector[MarketRule]):
    """Answers ``reqMarketRule``, which has no request id but the rule's own."""

    callbacks = frozenset({"marketRule"})
    has_id = False

    def __init__(self, rule_id: int) -> None:
        self._rule_id = rule_id
        self._rule: MarketRule | None = None

    def fits(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.fits`."""
        return bool(arguments[0] == self._rule_id)

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.take`."""
        self._rule = convert_reference.market_rule(*arguments)
        return True

    def result(self) -> MarketRule:
        """See :meth:`Collector.result`."""
        assert self._rule is not None  # noqa: S101 - asked for after it came
        return self._rule


class TimeCollector(Collector[datetime]):
    """Answers ``reqCurrentTime`` and, from server version 197 on, ``reqCurrentTimeInMillis``."""

    callbacks = frozenset({"currentTime", "currentTimeInMillis"})
    has_id = False

    def __init__(self) -> None:
        self._time = _SINCE_1970

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        unit = timedelta(milliseconds=1) if name == "currentTimeInMillis" else timedelta(seconds=1)
        self._time = _SINCE_1970 + int(arguments[0]) * unit
        return True

    def result(self) -> datetime:
        """See :meth:`Collector.result`."""
        return self._time


# ── prices ──────────────────────────────────────────────────────────────────────────────────────

_PRICES: Final[Mapping[int, str]] = {
    1: "bid", 2: "ask", 4: "last", 6: "high", 7: "low", 9: "close", 14: "open",
    66: "bid", 67: "ask", 68: "last", 72: "high", 73: "low", 75: "close", 76: "open",
}  # fmt: skip
_SIZES: Final[Mapping[int, str]] = {
    0: "bid_size", 3: "ask_size", 5: "last_size", 8: "volume",
    69: "bid_size", 70: "ask_size", 71: "last_size", 74: "volume",
}  # fmt: skip
_MODELS: Final = (13, 83)
_COMPUTATIONS: Final = (*_MODELS, 12, 82, 10, 80, 11, 81)
"""The broker's model first, then what it computes from the last price, the bid and the ask."""
_DELAYED: Final = 66
_NO_PRICE: Final = -1
_QUOTED: Final = frozenset({"bid", "ask", "bid_size", "ask_size"})
_NEEDED: Final[Mapping[str, frozenset[str]]] = {
    "IND": frozenset({"last", "close"}),
    **dict.fromkeys(("CASH", "BAG", "CFD", "OPT", "FOP", "WAR"), _QUOTED),
}
"""What a quote of each kind has when it is complete; all else also has a last trade and a close. Most options
trade rarely: nobody waits for a last trade that there is not."""
_SIZED: Final = frozenset({"bid", "ask", "last"})
_ANY_PRICE: Final = frozenset({"BAG", "FUT", "FOP"})
"""Kinds whose price can be below zero."""
_WITH_GREEKS: Final = frozenset({"OPT", "FOP"})


class QuoteCollector(Collector[Quote]):
    """Answers ``reqMktData`` for a snapshot.

    A real gateway tells the end of a snapshot eleven seconds after its beginning (official market data
    pages), so it is taken as complete once everything has come that such an instrument has.
    """

    callbacks = frozenset(
        {"tickPrice", "tickSize", "tickOptionComputation", "tickSnapshotEnd", "marketDataType"}
    )

    def __init__(self, contract: Contract, clock: Clock) -> None:
        self._contract = contract
        self._clock = clock
        self._needed = _NEEDED.get(contract.sec_type, _QUOTED | {"last", "close"})
        self._found: dict[str, Decimal] = {}
        self._greeks: dict[int, Greeks] = {}
        self._type = 1
        self._has_ended = False
        self._at = clock.now()

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        self._at = self._clock.now()
        if name == "tickSnapshotEnd":
            self._has_ended = True
        elif name == "marketDataType":
            self._type = int(arguments[1])
        elif name == "tickOptionComputation":
            # The tick attribute stands third; old clients pass it too, as None.
            found, tick = convert_reference.greeks(*arguments[3:11]), int(arguments[1])
            if found.delta is not None or tick not in self._greeks:
                self._greeks[tick] = found
        else:
            self._take_number(_PRICES if name == "tickPrice" else _SIZES, int(arguments[1]), arguments[2])
        return self._has_ended or self._is_whole()

    def _take_number(self, fields: Mapping[int, str], tick: int, value: Any) -> None:  # noqa: ANN401 - a float or a Decimal, by version
        field, exact = fields.get(tick), number(value)
        if field is not None and exact is not None:
            if tick >= _DELAYED and self._type == 1:
                self._type = 3
            self._found[field] = exact

    def _is_whole(self) -> bool:
        if not self._needed <= self._found.keys():
            return False
        if self._contract.sec_type not in _WITH_GREEKS:
            return True
        models = (self._greeks[one] for one in _MODELS if one in self._greeks)
        return any(model.delta is not None and model.implied_volatility is not None for model in models)

    def _best_greeks(self) -> Greeks | None:
        told = [self._greeks[one] for one in _COMPUTATIONS if one in self._greeks]
        return next((one for one in told if one.delta is not None), next(iter(told), None))

    def suffices(self) -> bool:
        """See :meth:`Collector.suffices`: some prices are better than none; the quote says that it is so."""
        return bool(self._found)

    def result(self) -> Quote:
        """See :meth:`Collector.result`."""
        prices = {name: value for name, value in self._found.items() if self._is_price(name, value)}
        return Quote(
            contract=self._contract,
            at=self._at,
            greeks=self._best_greeks(),
            market_data_type=self._type,
            is_complete=self._has_ended or self._is_whole(),
            **prices,
        )

    def _is_price(self, name: str, value: Decimal) -> bool:
        """Whether a number is a price or a size, and not the broker's way to say that there is none.

        That is a price of -1, or of 0, with a size of 0 (official tick pages). A combination or a future can
        cost -1 (TWS facts 3), so there the size decides.
        """
        if value > 0:
            return True
        if name in _SIZED:
            can_be_negative = self._contract.sec_type in _ANY_PRICE
            return bool(self._found.get(f"{name}_size")) and (value == 0 or can_be_negative)
        return value == 0 if name.endswith("size") or name == "volume" else value != _NO_PRICE

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """See :meth:`Collector.withdraw`."""
        client.cancelMktData(request_id)


# ── accounts ────────────────────────────────────────────────────────────────────────────────────


class AccountValueCollector(Collector[tuple[AccountValue, ...]]):
    """Answers ``reqAccountUpdatesMulti``."""

    callbacks = frozenset({"accountUpdateMulti", "accountUpdateMultiEnd"})
    is_subscription = True

    def __init__(self) -> None:
        self._found: dict[tuple[str, str, str], AccountValue] = {}

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        if name == "accountUpdateMultiEnd":
            return True
        _, account, _, tag, value, currency = arguments
        self._found[account, tag, currency] = AccountValue(account, tag, value, currency or "")
        return False

    def result(self) -> tuple[AccountValue, ...]:
        """See :meth:`Collector.result`."""
        return tuple(self._found.values())

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """See :meth:`Collector.withdraw`."""
        client.cancelAccountUpdatesMulti(request_id)


class PositionCollector(Collector[tuple[Position, ...]]):
    """Answers ``reqPositionsMulti``."""

    callbacks = frozenset({"positionMulti", "positionMultiEnd"})
    is_subscription = True

    def __init__(self) -> None:
        self._found: dict[tuple[str, object], Position] = {}

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        if name == "positionMultiEnd":
            return True
        _, account, _, contract, quantity, average = arguments
        held = position_of(account, contract, quantity, average)
        self._found[account, held.contract.con_id or held.contract] = held
        return False

    def result(self) -> tuple[Position, ...]:
        """See :meth:`Collector.result`."""
        return tuple(held for held in self._found.values() if held.quantity)

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """See :meth:`Collector.withdraw`."""
        client.cancelPositionsMulti(request_id)


class PnlCollector(Collector[ProfitAndLoss]):
    """Answers ``reqPnL``, and ``reqPnLSingle`` where a contract is given."""

    callbacks = frozenset({"pnl", "pnlSingle"})
    is_subscription = True

    def __init__(self, account: str, con_id: int = 0) -> None:
        self._con_id = con_id
        self._found = ProfitAndLoss(account=account, con_id=con_id)
        self._has_come = False

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """See :meth:`Collector.take`."""
        self._has_come = True
        if name == "pnl":
            daily, unrealized, realized = (number(one) for one in arguments[1:4])
            self._found = attrs.evolve(self._found, daily=daily, unrealized=unrealized, realized=realized)
        else:
            position, daily, unrealized, realized, value = (number(one) for one in arguments[1:6])
            self._found = attrs.evolve(
                self._found,
                position=position,
                daily=daily,
                unrealized=unrealized,
                realized=realized,
                value=value,
            )
        return self._found.is_known or self._found.position == 0

    def suffices(self) -> bool:
        """See :meth:`Collector.suffices`: the broker may have nothing to tell but unset numbers."""
        return self._has_come

    def result(self) -> ProfitAndLoss:
        """See :meth:`Collector.result`."""
        return self._found

    def withdraw(self, client: TwsClient, request_id: int) -> None:
        """See :meth:`Collector.withdraw`."""
        if self._con_id:
            client.cancelPnLSingle(request_id)
        else:
            client.cancelPnL(request_id)


class FamilyCollector(Collector[tuple[FamilyCode, ...]]):
    """Answers ``reqFamilyCodes``, which has no request id."""

    callbacks = frozenset({"familyCodes"})
    has_id = False

    def __init__(self) -> None:
        self._found: tuple[FamilyCode, ...] = ()

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.take`."""
        self._found = tuple(FamilyCode(one.accountID, one.familyCodeStr) for one in arguments[0])
        return True

    def result(self) -> tuple[FamilyCode, ...]:
        """See :meth:`Collector.result`."""
        return self._found


class AdvisorCollector(Collector[str]):
    """Answers ``requestFA``, which has no request id but the kind of data."""

    callbacks = frozenset({"receiveFA"})
    has_id = False
    REFUSALS: ClassVar[frozenset[int]] = frozenset({585, 10230})
    """Profiles are not supported any more; there are unsaved changes (official error pages)."""

    def __init__(self, kind: int) -> None:
        self._kind = kind
        self._text = ""

    def fits(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.fits`."""
        return bool(int(arguments[0]) == self._kind)

    def refuses(self, code: int) -> bool:
        """See :meth:`Collector.refuses`."""
        return code in self.REFUSALS or super().refuses(code)

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.take`."""
        self._text = str(arguments[1])
        return True

    def result(self) -> str:
        """See :meth:`Collector.result`."""
        return self._text


# ── what-if ─────────────────────────────────────────────────────────────────────────────────────


class WhatIfCollector(Collector[WhatIf]):
    """Answers a placeOrder with ``whatIf``: one openOrder with the margins in its order state."""

    callbacks = frozenset({"openOrder"})

    def __init__(
        self, order_id: int, contract: Contract, order: Order, rules: Mapping[int, CodeRule] = DEFAULT_RULES
    ) -> None:
        self._order_id = order_id
        self._contract = contract
        self._order = order
        self._rules = rules
        self._found: WhatIf | None = None
        self._reject = ""

    def take(self, name: str, arguments: tuple[Any, ...]) -> bool:  # noqa: ARG002 - there is one callback
        """See :meth:`Collector.take`. A first answer can come without numbers; then a second one follows."""
        _, contract, order, state = arguments
        if not order.whatIf:
            return False
        shown = contract_from_official(contract)
        known = self._contract if self._contract.is_combo or not shown.con_id else shown
        self._found = convert_reference.what_if(self._order_id, known, self._order, state)
        self._reject = getattr(state, "rejectReason", "") or ""
        return bool(self._reject) or self._found.margins.initial.change is not None

    def suffices(self) -> bool:
        """See :meth:`Collector.suffices`: an answer without margins is one."""
        return self._found is not None

    def result(self) -> WhatIf:
        """See :meth:`Collector.result`."""
        assert self._found is not None  # noqa: S101 - asked for after it came
        if self._reject:
            raise InquiryFailed(f"what-if of {self._contract.name}", 0, self._reject)
        return self._found

    def refusal(self, code: int, text: str, what: str) -> IbkrError | None:
        """See :meth:`Collector.refusal`: the codes mean what they mean for a new order (TWS facts 7)."""
        if judge(code, (Request.NEW,), self._rules) in (Verdict.WARNING, Verdict.UNRELATED):
            return None
        return super().refusal(code, text, what)
