"""The instrument: a Contract, and builders that cannot forget a field."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from decimal import Decimal
from operator import attrgetter
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidContract
from ibkr_core.model.checks import check_flag, check_text, check_whole
from ibkr_core.model.fieldnames import check_names, names_unknown_fields
from ibkr_core.model.numbers import Numeric, optional_number, to_number
from ibkr_core.model.said import lean_repr, said, with_reason

__all__ = ["CONTRACT_FIELDS", "ComboLeg", "Contract", "DeltaNeutral"]

_EXPIRY = re.compile(r"\d{4}(0[1-9]|1[0-2])((0[1-9]|[12]\d|3[01])(\D.*)?)?")
_SIDES: Final = ("BUY", "SELL", "SSHORT")


def _price(value: Numeric) -> Decimal:
    return to_number("price", value, InvalidContract)


def _strike(value: Numeric | None) -> Decimal | None:
    return optional_number("strike", value, InvalidContract)


@names_unknown_fields
@attrs.frozen
class ComboLeg:
    """One leg of a combo (a BAG contract).

    Attributes:
        con_id: The leg's contract id, from contract details.
        ratio: How many units of the leg make one unit of the combo; at least 1.
        action: ``"BUY"`` or ``"SELL"``, as seen when the combo is bought.
        exchange: Where the leg trades.
        open_close: 0 same as combo, 1 open, 2 close, 3 unknown (institutions only).
        short_sale_slot: 1 clearing broker, 2 third party (institutions only).
        designated_location: Where the shares are held when the slot is 2.
        exempt_code: Short sale exemption; -1 means none.
    """

    con_id: int
    ratio: int = 1
    action: str = "BUY"
    exchange: str = "SMART"
    open_close: int = 0
    short_sale_slot: int = 0
    designated_location: str = ""
    exempt_code: int = -1

    def check(self) -> None:
        """Raise for a leg that no exchange could route.

        Raises:
            InvalidContract: An unusable con_id, ratio or action.
        """
        if isinstance(self.con_id, bool) or not isinstance(self.con_id, int) or self.con_id <= 0:
            raise InvalidContract("con_id", f"a combo leg needs a positive contract id, not {self.con_id!r}")
        if isinstance(self.ratio, bool) or not isinstance(self.ratio, int) or self.ratio < 1:
            raise InvalidContract("ratio", f"must be a whole number of at least 1, not {self.ratio!r}")
        if self.action not in _SIDES:
            raise InvalidContract("action", f"must be one of {', '.join(_SIDES)}, not {self.action!r}")
        for name in ("exchange", "designated_location"):
            check_text(name, getattr(self, name), InvalidContract)
        for name in ("open_close", "short_sale_slot", "exempt_code"):
            check_whole(name, getattr(self, name), InvalidContract)


@names_unknown_fields
@attrs.frozen
class DeltaNeutral:
    """The stock leg of a delta-neutral combo: contract id, delta and price."""

    con_id: int
    delta: float
    price: Decimal = attrs.field(converter=_price)


def _legs(value: Iterable[ComboLeg], argument: str = "combo_legs") -> tuple[ComboLeg, ...]:
    if not isinstance(value, Iterable):
        raise InvalidContract(argument, f"must be some ComboLeg values, not {value!r}")
    legs = tuple(value)
    if not all(isinstance(leg, ComboLeg) for leg in legs):
        raise InvalidContract(argument, f"must be ComboLeg values, not {legs!r}")
    return legs


@names_unknown_fields
@attrs.frozen(kw_only=True)
class Contract:
    """What is traded. Field meanings are those of the official Contract.

    Prefer the builders (:meth:`stock`, :meth:`option`, :meth:`by_con_id` …): they ask for what each
    kind of instrument needs.

    Attributes:
        con_id: IB's unique contract id; 0 when not known.
        symbol: The underlying's symbol.
        sec_type: ``STK``, ``OPT``, ``FUT``, ``CASH``, ``BAG`` ….
        expiry: Last trade date (``YYYYMMDD``) or contract month (``YYYYMM``).
        strike: Strike price, None when the instrument has none.
        right: ``C``, ``P`` or empty.
        multiplier: Contract size as text, as the API has it.
        exchange: Where to route; ``SMART`` lets IB choose.
        primary_exchange: The listing exchange, to tell equal symbols apart.
        currency: Trading currency.
        local_symbol: The exchange's own symbol.
        trading_class: The exchange's product class.
        include_expired: For contract requests only.
        sec_id_type: ``ISIN``, ``CUSIP``, ``FIGI`` ….
        sec_id: The identifier of that type.
        description: Filled by the broker.
        issuer_id: Bond issuer.
        combo_legs: The legs of a BAG.
        combo_legs_description: Filled by the broker.
        delta_neutral: The stock leg of a delta-neutral combo.

    What the broker reports is taken as it is, so most rules are checked by :meth:`check`, which the
    builders and the engine call.

    Raises:
        InvalidContract: A strike that is no number, or a leg that is no ComboLeg.
        UnknownField: A keyword that a Contract does not have.
    """

    con_id: int = 0
    symbol: str = ""
    sec_type: str = ""
    expiry: str = ""
    strike: Decimal | None = attrs.field(default=None, converter=_strike)
    right: str = ""
    multiplier: str = ""
    exchange: str = ""
    primary_exchange: str = ""
    currency: str = ""
    local_symbol: str = ""
    trading_class: str = ""
    include_expired: bool = False
    sec_id_type: str = ""
    sec_id: str = ""
    description: str = ""
    issuer_id: str = ""
    combo_legs: tuple[ComboLeg, ...] = attrs.field(default=(), converter=_legs)
    combo_legs_description: str = ""
    delta_neutral: DeltaNeutral | None = None

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``AAPL (STK, SMART, USD)``."""
        legs = f"{len(self.combo_legs)} legs" if self.combo_legs else ""
        con_id = f"#{self.con_id}" if self.con_id else ""
        parts = (self.sec_type, self.exchange, self.currency, legs, con_id)
        return with_reason(said(self.name), dict.fromkeys(said(one) for one in parts if one != self.name))

    @property
    def is_combo(self) -> bool:
        """Whether this is a BAG, whose fills count per combo and not per leg."""
        return self.sec_type == "BAG"

    @property
    def name(self) -> str:
        """A short name for people: ``AAPL``, ``SPY 20261218 C 600``, ``EUR.USD`` or ``#265598``."""
        if self.sec_type in ("OPT", "FOP", "WAR") and self.symbol:
            strike = f"{self.strike.normalize():f}" if self.strike is not None else ""
            return " ".join(x for x in (self.symbol, self.expiry, self.right, strike) if x)
        if self.sec_type == "CASH" and self.currency:
            return f"{self.symbol}.{self.currency}"
        if self.sec_type == "FUT" and (self.local_symbol or self.expiry):
            return self.local_symbol or f"{self.symbol} {self.expiry}"
        return self.symbol or self.local_symbol or (f"#{self.con_id}" if self.con_id else "?")

    def check(self) -> None:
        """Raise unless an order for this contract could be routed.

        Raises:
            InvalidContract: Nothing names the instrument, or a field that its kind needs is missing.
        """
        self.check_types()
        if not (self.con_id or self.symbol or self.local_symbol or self.sec_id):
            raise InvalidContract("symbol", "a contract needs a symbol, a local symbol, a con_id or a sec_id")
        if self.con_id < 0:
            raise InvalidContract("con_id", f"must not be negative, got {self.con_id}")
        if not self.con_id and not self.sec_type:
            raise InvalidContract("sec_type", "is required where no con_id is given")
        if not self.exchange:
            raise InvalidContract("exchange", 'is required; "SMART" lets IB choose the route')
        if self.right and self.right.upper() not in ("C", "P", "CALL", "PUT", "?"):
            raise InvalidContract("right", f"must be C or P, not {self.right!r}")
        if self.expiry and not _EXPIRY.fullmatch(self.expiry):
            raise InvalidContract("expiry", f"must be YYYYMM or YYYYMMDD, not {self.expiry!r}")
        if self.is_combo and len(self.combo_legs) < 2:  # noqa: PLR2004 - a combo is two legs or more
            raise InvalidContract("combo_legs", f"a combo needs two legs or more, got {len(self.combo_legs)}")
        for leg in self.combo_legs:
            leg.check()

    def check_types(self) -> None:
        """Raise unless every field has its type; nothing else is looked at.

        Raises:
            InvalidContract: One has not: it would be sent as something else, or break the message.
        """
        if isinstance(self.con_id, bool) or not isinstance(self.con_id, int):
            raise InvalidContract("con_id", f"must be a whole number, not {self.con_id!r}")
        is_usual = set(map(type, _TEXT_VALUES(self))) == _ALL_TEXTS
        for name in () if is_usual else _TEXTS:
            if not isinstance(getattr(self, name), str):
                raise InvalidContract(name, f"must be a text, not {getattr(self, name)!r}")
        check_flag("include_expired", self.include_expired, InvalidContract)
        if self.delta_neutral is not None and not isinstance(self.delta_neutral, DeltaNeutral):
            raise InvalidContract("delta_neutral", f"must be a DeltaNeutral, not {self.delta_neutral!r}")

    def replace(self, **changes: Any) -> Contract:
        """Return a copy with some fields changed.

        Raises:
            UnknownField: A name that a Contract does not have.
        """
        check_names(changes, CONTRACT_FIELDS, "Contract")
        return attrs.evolve(self, **changes)

    # ── builders ────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def _build(cls, required: dict[str, str], fields: dict[str, Any]) -> Contract:
        for argument, value in required.items():
            if not isinstance(value, str) or not value.strip():
                raise InvalidContract(argument, f"must be a non-empty text, not {value!r}")
        check_names(fields, CONTRACT_FIELDS, "Contract")
        for name in required.keys() & fields.keys():
            raise InvalidContract(name, f"is what this builder sets, to {required[name]!r}; give it once")
        contract = cls(**(fields | required))
        contract.check()
        return contract

    @classmethod
    def stock(cls, symbol: str, exchange: str = "SMART", currency: str = "USD", **fields: Any) -> Contract:
        """A share or ETF. Give ``primary_exchange`` where the symbol alone is ambiguous."""
        return cls._build(
            {"symbol": symbol, "sec_type": "STK", "exchange": exchange, "currency": currency}, fields
        )

    @classmethod
    def option(
        cls,
        symbol: str,
        expiry: str,
        strike: Numeric,
        right: str,
        *,
        exchange: str = "SMART",
        currency: str = "USD",
        multiplier: str = "100",
        **fields: Any,
    ) -> Contract:
        """A stock or index option: expiry ``YYYYMMDD``, right ``C`` or ``P``."""
        required = {
            "symbol": symbol,
            "sec_type": "OPT",
            "expiry": expiry,
            "right": right,
            "exchange": exchange,
            "currency": currency,
            "multiplier": multiplier,
        }
        price = to_number("strike", strike, InvalidContract)
        if price <= 0:
            raise InvalidContract("strike", f"must be above zero, not {strike!r}")
        return cls._build(required, fields | {"strike": price})

    @classmethod
    def future(
        cls, symbol: str, expiry: str, exchange: str, currency: str = "USD", **fields: Any
    ) -> Contract:
        """A future: contract month ``YYYYMM`` or last trade date ``YYYYMMDD``."""
        required = {
            "symbol": symbol,
            "sec_type": "FUT",
            "expiry": expiry,
            "exchange": exchange,
            "currency": currency,
        }
        return cls._build(required, fields)

    @classmethod
    def forex(cls, pair: str, exchange: str = "IDEALPRO", **fields: Any) -> Contract:
        """A currency pair written ``EURUSD``, ``EUR.USD`` or ``EUR/USD``."""
        letters = re.sub(r"[./ ]", "", pair) if isinstance(pair, str) else ""
        if not re.fullmatch(r"[A-Za-z]{6}", letters):
            raise InvalidContract("pair", f"must be two currency codes such as EURUSD, not {pair!r}")
        base, quote = letters[:3].upper(), letters[3:].upper()
        return cls._build(
            {"symbol": base, "sec_type": "CASH", "exchange": exchange, "currency": quote}, fields
        )

    @classmethod
    def index(cls, symbol: str, exchange: str, currency: str = "USD", **fields: Any) -> Contract:
        """An index: it has prices but cannot be traded itself."""
        return cls._build(
            {"symbol": symbol, "sec_type": "IND", "exchange": exchange, "currency": currency}, fields
        )

    @classmethod
    def cfd(cls, symbol: str, exchange: str = "SMART", currency: str = "USD", **fields: Any) -> Contract:
        """A contract for difference."""
        return cls._build(
            {"symbol": symbol, "sec_type": "CFD", "exchange": exchange, "currency": currency}, fields
        )

    @classmethod
    def crypto(cls, symbol: str, exchange: str = "PAXOS", currency: str = "USD", **fields: Any) -> Contract:
        """A crypto currency."""
        return cls._build(
            {"symbol": symbol, "sec_type": "CRYPTO", "exchange": exchange, "currency": currency}, fields
        )

    @classmethod
    def bond(cls, identifier: str, exchange: str = "SMART", currency: str = "USD", **fields: Any) -> Contract:
        """A bond, named by its CUSIP or ISIN as the official samples do (in the symbol field)."""
        if not isinstance(identifier, str) or not identifier.strip():
            raise InvalidContract("identifier", f"must be a CUSIP or an ISIN, not {identifier!r}")
        return cls._build(
            {"symbol": identifier, "sec_type": "BOND", "exchange": exchange, "currency": currency}, fields
        )

    @classmethod
    def combo(
        cls,
        symbol: str,
        legs: Sequence[ComboLeg],
        exchange: str = "SMART",
        currency: str = "USD",
        **fields: Any,
    ) -> Contract:
        """A combo (BAG) of at least two legs."""
        required = {"symbol": symbol, "sec_type": "BAG", "exchange": exchange, "currency": currency}
        return cls._build(required, fields | {"combo_legs": _legs(legs, "legs")})

    @classmethod
    def by_con_id(cls, con_id: int, exchange: str = "SMART", **fields: Any) -> Contract:
        """Any instrument by IB's contract id, which is unique and never ambiguous."""
        if isinstance(con_id, bool) or not isinstance(con_id, int) or con_id <= 0:
            raise InvalidContract("con_id", f"must be a positive whole number, not {con_id!r}")
        return cls._build({"exchange": exchange}, fields | {"con_id": con_id})


_TEXTS: Final = tuple(a.name for a in attrs.fields(Contract) if a.default == "")
_TEXT_VALUES: Final = attrgetter(*_TEXTS)
_ALL_TEXTS: Final = {str}
CONTRACT_FIELDS: Final[tuple[str, ...]] = tuple(a.name for a in attrs.fields(Contract))
