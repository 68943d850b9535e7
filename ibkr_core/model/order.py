"""The order: what the user asks for, and what the broker echoes back."""

from __future__ import annotations

import enum
from collections.abc import Callable, Mapping
from decimal import Decimal
from operator import attrgetter
from types import MappingProxyType
from typing import Any, Final

import attrs

from ibkr_core.errors import InvalidContract, InvalidOrder, UnknownField
from ibkr_core.model.algos import Algo
from ibkr_core.model.checks import checked
from ibkr_core.model.conditions import CONDITIONS, Condition, as_conditions
from ibkr_core.model.contract import Contract
from ibkr_core.model.fieldnames import check_names, names_unknown_fields
from ibkr_core.model.numbers import Numeric, optional_number, to_number
from ibkr_core.model.orderfields import ENGINE_FIELDS, OFFICIAL_NAMES, OTHER_ORDER_FIELDS
from ibkr_core.model.said import lean_repr, plain, said, with_reason

__all__ = ["Action", "BrokerOrder", "OcaType", "Order", "taken_prices"]


class Action(enum.StrEnum):
    """The side of an order."""

    BUY = "BUY"
    SELL = "SELL"
    SSHORT = "SSHORT"
    """Institutional short sale; everyone else sells with SELL."""

    @property
    def opposite(self) -> Action:
        """The side that closes what this side opens."""
        return Action.SELL if self is Action.BUY else Action.BUY

    @property
    def sign(self) -> int:
        """+1 for a buy, -1 for a sale."""
        return 1 if self is Action.BUY else -1


class OcaType(enum.IntEnum):
    """What a fill does to the other orders of a one-cancels-all group (official ``ocaType``)."""

    CANCEL_WITH_BLOCK = 1
    """Cancel the rest; only one order is routed at a time, so the group cannot overfill."""
    REDUCE_WITH_BLOCK = 2
    """Reduce the rest in proportion, with the same protection."""
    REDUCE_NO_BLOCK = 3
    """Reduce the rest without that protection: the group can overfill."""


def _action(value: object) -> Action:
    try:
        return Action(value.upper() if isinstance(value, str) else value)  # type: ignore[arg-type]  # checked here
    except ValueError:
        raise InvalidOrder("action", f"must be BUY or SELL, not {value!r}") from None


def _quantity(value: Numeric) -> Decimal:
    return to_number("quantity", value, InvalidOrder)


def _upper(value: Any) -> Any:  # noqa: ANN401 - what is no text is refused later, by name
    return value.upper() if isinstance(value, str) else value


def _is(kind: type, *, none: bool = False) -> Callable[[object, attrs.Attribute[Any], object], None]:
    """Make a validator of a field's Python type: what is wrong here fails, or worse, on the wire."""

    def check(_: object, field: attrs.Attribute[Any], value: object) -> None:
        if none and value is None:
            return
        if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise InvalidOrder(field.name, f"must be {_KIND_WORDS[kind]}, not {value!r}")

    return check


_KIND_WORDS: Final = {bool: "True or False", int: "a whole number", str: "a text"}


def _optional(name: str) -> Any:  # noqa: ANN401 - attrs.field's own return type
    def convert(value: Numeric | None) -> Decimal | None:
        return optional_number(name, value, InvalidOrder)

    return attrs.field(default=None, converter=convert)


def _algo(_: object, field: attrs.Attribute[Any], value: object) -> None:
    if value is not None and not isinstance(value, Algo):
        raise InvalidOrder(field.name, f"must be an algorithm of ibkr_core.model.algos, not {value!r}")


def _official(value: Mapping[str, Any]) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidOrder("official", f"must be a mapping of official names to values, not {value!r}")
    names = dict(value)
    for name in names:
        if name in ENGINE_FIELDS:
            raise InvalidOrder(name, "is assigned by the engine and cannot be set")
        if name in _PLAIN_NAMES:
            raise InvalidOrder(name, f"is called {_PLAIN_NAMES[name]} here, and is no matter for official")
    check_names(names, OTHER_ORDER_FIELDS, "Order")
    for name, one in names.items():
        if not isinstance(one, float | Decimal):
            continue
        number = Decimal(one)
        is_best = number.is_infinite() and number > 0 and name in _MAY_BE_INFINITE
        if not number.is_finite() and not is_best:
            raise InvalidOrder(name, f"must be a finite number, not {one!r}")
    return MappingProxyType(names)


_MAY_BE_INFINITE: Final = frozenset({"competeAgainstBestOffset"})
"""There it means up to the midpoint (the official COMPETE_AGAINST_BEST_OFFSET_UP_TO_MID)."""

_NEEDED_PRICES: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = MappingProxyType(
    {
        # order type -> groups; of each group exactly one field must be set
        "LMT": (("limit_price",),),
        "LOC": (("limit_price",),),
        "STP": (("aux_price",),),
        "STP PRT": (("aux_price",),),
        "STP LMT": (("aux_price",), ("limit_price",)),
        "MIT": (("aux_price",),),
        "LIT": (("aux_price",), ("limit_price",)),
        "TRAIL": (("aux_price", "trailing_percent"),),
        "TRAIL LIMIT": (("aux_price", "trailing_percent"), ("limit_price", "limit_offset")),
    }
)
"""Prices without which an order type means nothing (official order type pages)."""

_TAKEN_PRICES: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "MKT": frozenset(),
        "MOC": frozenset(),
        "LMT": frozenset({"limit_price"}),
        "LOC": frozenset({"limit_price"}),
        "STP": frozenset({"aux_price"}),
        "STP PRT": frozenset({"aux_price"}),
        "STP LMT": frozenset({"aux_price", "limit_price"}),
        "MIT": frozenset({"aux_price"}),
        "LIT": frozenset({"aux_price", "limit_price"}),
        "TRAIL": frozenset({"aux_price", "trailing_percent", "trail_stop_price"}),
        "TRAIL LIMIT": frozenset(
            {"aux_price", "trailing_percent", "trail_stop_price", "limit_price", "limit_offset"}
        ),
    }
)
"""The prices that a type takes; another one would be ignored, which is not what its writer meant."""

_PRICES: Final = ("limit_price", "aux_price", "trail_stop_price", "trailing_percent", "limit_offset")


def price_words(
    order_type: str, limit: Decimal | None, aux: Decimal | None, percent: Decimal | None = None
) -> str:
    """Say an order's prices, as they stand behind its type: `` 150``, `` 150 stop 151``, `` by 1.5%``."""
    words = f" {plain(limit)}" if limit is not None else ""
    if order_type in _TRAILS:
        far = f" by {plain(percent)}%" if percent else f" by {plain(aux)}" if aux else ""
        return f"{words}{far}"
    if aux is not None and order_type in _AUX_IS_PRICE:
        return f"{words}{' stop' if words else ''} {plain(aux)}"
    return words


def taken_prices(order_type: str) -> frozenset[str]:
    """Return which of our price fields an order type takes; all of them for a type that is not listed."""
    return _TAKEN_PRICES.get(str(order_type).upper(), frozenset(_PRICES))


_HINTS: Final[Mapping[str, str]] = MappingProxyType(
    {"stop_price": "aux_price", "trailing_amount": "aux_price", "price": "limit_price", "qty": "quantity"}
)
"""Names that people try, and what they mean by them."""

_WORDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "limit_price": "a limit price (limit_price)",
        "aux_price": "a stop price, trigger price or trailing amount (aux_price)",
        "trailing_percent": "a trailing percentage (trailing_percent)",
        "limit_offset": "a limit offset (limit_offset)",
    }
)

_AUX_IS_PRICE: Final = frozenset({"STP", "STP LMT", "STP PRT", "MIT", "LIT"})
_TRAILS: Final = ("TRAIL", "TRAIL LIMIT")
_AUX_IS_SAID: Final = _AUX_IS_PRICE.union(_TRAILS)
_IN_LINE: Final = frozenset(
    {
        "action",
        "quantity",
        "order_type",
        "limit_price",
        "aux_price",
        "trailing_percent",
        "tif",
        "official",
    }
)
"""What an order says of itself first; the rest only where it is not as usual."""
_NEVER_NEGATIVE: Final = frozenset({"STK", "CFD", "CASH", "CRYPTO", "IND", "FUND"})
"""Kinds whose price cannot be zero or less. Combos, futures and options on them can (TWS facts 3)."""


def _not_above_zero(name: str, price: Decimal, contract: Contract) -> InvalidOrder:
    return InvalidOrder(name, f"must be above zero for a {contract.sec_type}, not {price}")


@names_unknown_fields
@attrs.frozen(kw_only=True)
class Order:
    """What to trade, at what terms. Immutable; :meth:`replace` makes a changed copy.

    The common fields have plain names; every other field of the official Order goes into
    ``official`` under its official name (``official={"sweepToFill": True}``), checked for spelling
    here and against the installed client before sending. Order ids are the engine's business.

    Attributes:
        action: BUY or SELL.
        quantity: How much, in the contract's units; fractions allowed where the instrument does.
        order_type: The official type: ``MKT``, ``LMT``, ``STP``, ``STP LMT``, ``TRAIL`` ….
        limit_price: Limit, in the contract's currency.
        aux_price: Stop or trigger price, or the trailing amount of a TRAIL.
        trail_stop_price: Initial stop price of a trailing order; IB computes one where it is not set.
        trailing_percent: Trailing distance in percent (1.5 means 1.5 %), instead of an amount.
        limit_offset: Limit offset of a TRAIL LIMIT (official ``lmtPriceOffset``).
        tif: Time in force. Never empty: an empty one is filled in from the gateway's presets, or
            refused (TWS facts 6).
        outside_rth: Whether it may also work outside regular trading hours.
        good_after_time: Start time, as ``YYYYMMDD HH:MM:SS zone``.
        good_till_date: End time for ``tif="GTD"``, in the same form.
        oca_group: Name of a one-cancels-all group.
        oca_type: What a fill does to the group; see :class:`OcaType`. 0 leaves it to the broker.
        parent_id: Order id of the parent, for children of a bracket. 0 means none.
        transmit: False holds the order in TWS until a later one of its group releases it.
        account: Account to book to; may be empty with a single account.
        order_ref: Free text that the broker returns on every callback. The engine puts the client
            order key here where it is empty.
        hidden: Hide it from the book.
        all_or_none: Fill completely or not at all.
        min_quantity: Smallest acceptable partial fill.
        display_size: Shown part of an iceberg order.
        trigger_method: How a stop is elected (official ``triggerMethod``, 0 to 8).
        cash_quantity: Amount of money instead of a quantity.
        what_if: Only ask for margin and commission; nothing is placed.
        conditions: What must hold before it works, or is cancelled: one value of
            :mod:`ibkr_core.model.conditions`, or several in a row.
        conditions_cancel: The conditions cancel it instead of starting it (official
            ``conditionsCancelOrder``).
        conditions_outside_rth: They are also looked at outside regular hours (official
            ``conditionsIgnoreRth``).
        algo: What works the order: a value of :mod:`ibkr_core.model.algos` (official ``algoStrategy`` and
            ``algoParams``).
        official: Any other official Order field, by official name.

    Raises:
        InvalidOrder: A side, quantity or price that no order can have, or a price missing for the type.
        UnknownField: A field that the official Order does not have; names the nearest one.
    """

    action: Action = attrs.field(converter=_action)
    quantity: Decimal = attrs.field(converter=_quantity)
    order_type: str = attrs.field(default="MKT", converter=_upper)
    limit_price: Decimal | None = _optional("limit_price")
    aux_price: Decimal | None = _optional("aux_price")
    trail_stop_price: Decimal | None = _optional("trail_stop_price")
    trailing_percent: Decimal | None = _optional("trailing_percent")
    limit_offset: Decimal | None = _optional("limit_offset")
    tif: str = attrs.field(default="DAY", converter=_upper)
    outside_rth: bool = attrs.field(default=False, validator=_is(bool))
    good_after_time: str = attrs.field(default="", validator=_is(str))
    good_till_date: str = attrs.field(default="", validator=_is(str))
    oca_group: str = attrs.field(default="", validator=_is(str))
    oca_type: int = attrs.field(default=0, validator=_is(int))
    parent_id: int = attrs.field(default=0, validator=_is(int))
    transmit: bool = attrs.field(default=True, validator=_is(bool))
    account: str = attrs.field(default="", validator=_is(str))
    order_ref: str = attrs.field(default="", validator=_is(str))
    hidden: bool = attrs.field(default=False, validator=_is(bool))
    all_or_none: bool = attrs.field(default=False, validator=_is(bool))
    min_quantity: int | None = attrs.field(default=None, validator=_is(int, none=True))
    display_size: int | None = attrs.field(default=None, validator=_is(int, none=True))
    trigger_method: int = attrs.field(default=0, validator=_is(int))
    cash_quantity: Decimal | None = _optional("cash_quantity")
    what_if: bool = attrs.field(default=False, validator=_is(bool))
    conditions: tuple[Condition, ...] = attrs.field(default=(), converter=as_conditions)
    conditions_cancel: bool = attrs.field(default=False, validator=_is(bool))
    conditions_outside_rth: bool = attrs.field(default=False, validator=_is(bool))
    algo: Algo | None = attrs.field(default=None, validator=_algo)
    official: Mapping[str, Any] = attrs.field(factory=dict, converter=_official, hash=False)

    __repr__ = lean_repr

    def __str__(self) -> str:
        """One line for people: ``BUY 10 LMT 150 DAY``, and what is not as usual in parentheses."""
        prices = price_words(self.order_type, self.limit_price, self.aux_price, self.trailing_percent)
        text = f"{self.action.value} {plain(self.quantity)} {self.order_type}{prices} {self.tif}"
        in_line = _IN_LINE if self.order_type in _AUX_IS_SAID else _IN_LINE - {"aux_price"}
        other = (
            f"{field.name} {said(getattr(self, field.name))}"
            for field in attrs.fields(Order)
            if field.name not in in_line and getattr(self, field.name) != field.default
        )
        return with_reason(
            text, (*other, *(f"{name} {said(value)}" for name, value in self.official.items()))
        )

    def __attrs_post_init__(self) -> None:
        """Check what can be checked without knowing the contract."""
        self._check_quantity()
        if not isinstance(self.order_type, str) or not self.order_type.strip():
            raise InvalidOrder("order_type", f"must be a non-empty text, not {self.order_type!r}")
        if not isinstance(self.tif, str) or not self.tif.strip():
            raise InvalidOrder("tif", f'must be a non-empty text such as "DAY", not {self.tif!r}')
        if self.oca_type not in (0, *OcaType):
            raise InvalidOrder("oca_type", f"must be 0, 1, 2 or 3, not {self.oca_type!r}")
        if self.tif == "GTD" and not self.good_till_date:
            raise InvalidOrder("good_till_date", 'is required where tif is "GTD"')
        if self.conditions and self.official.get("conditions"):
            raise InvalidOrder("conditions", "are given in official too; give them once")
        if self.algo is not None and (self.official.get("algoStrategy") or self.official.get("algoParams")):
            raise InvalidOrder("algo", "is given in official too (algoStrategy, algoParams); give it once")
        self._check_prices()

    def _check_quantity(self) -> None:
        # Children of a hedge are sent with quantity 0 and sized by IB (TWS facts 6); a cash order
        # is sized by its money.
        sized_elsewhere = bool(self.official.get("hedgeType")) or self.cash_quantity is not None
        if self.quantity < 0 or (self.quantity == 0 and not sized_elsewhere):
            raise InvalidOrder("quantity", f"must be above zero, not {self.quantity}")
        if self.cash_quantity is not None and self.cash_quantity <= 0:
            raise InvalidOrder("cash_quantity", f"must be above zero, not {self.cash_quantity}")

    def _check_prices(self) -> None:
        kind = self.order_type.upper()
        for group in () if self.official.get("orderComboLegs") else _NEEDED_PRICES.get(kind, ()):
            present = [name for name in group if getattr(self, name) is not None]
            if not present:
                wanted = " or ".join(_WORDS[name] for name in group)
                raise InvalidOrder(group[0], f"a {self.order_type} order needs {wanted}")
            if len(present) > 1:
                raise InvalidOrder(
                    present[1], f"a {self.order_type} order takes either {' or '.join(group)}, not both"
                )
        if self.trailing_percent is not None and not 0 < self.trailing_percent < 100:  # noqa: PLR2004 - percent
            raise InvalidOrder(
                "trailing_percent", f"must be between 0 and 100 percent, not {self.trailing_percent}"
            )
        taken = _TAKEN_PRICES.get(kind, frozenset(_PRICES))
        for name in _PRICES:
            if name not in taken and getattr(self, name) is not None:
                raise InvalidOrder(name, f"means nothing to a {kind} order, which would ignore it")
        if kind in ("TRAIL", "TRAIL LIMIT") and self.aux_price is not None and self.aux_price <= 0:
            raise InvalidOrder("aux_price", f"a trailing amount must be above zero, not {self.aux_price}")

    def check(self, contract: Contract) -> None:
        """Raise unless this order makes sense for ``contract``.

        Raises:
            InvalidOrder: A price of zero or less for an instrument that cannot have one.
            InvalidContract: The contract cannot be routed.
        """
        if not isinstance(contract, Contract):
            raise InvalidContract("contract", f"must be an ibkr_core Contract, not {contract!r}")
        contract.check()
        if contract.sec_type == "IND":
            raise InvalidOrder("contract", "an index cannot be traded; trade its options, futures or an ETF")
        if contract.sec_type in _NEVER_NEGATIVE:
            limit, aux, stop = self.limit_price, self.aux_price, self.trail_stop_price
            if limit is not None and limit <= 0:
                raise _not_above_zero("limit_price", limit, contract)
            # For most types it is an offset, which may be nothing.
            if aux is not None and self.order_type in _AUX_IS_PRICE and aux <= 0:
                raise _not_above_zero("aux_price", aux, contract)
            if stop is not None and stop <= 0:
                raise _not_above_zero("trail_stop_price", stop, contract)

    def replace(self, **changes: Any) -> Order:
        """Return a copy with some fields changed, checked like a new order.

        Names may be ours or official ones; official ones are merged into ``official``. With a new
        ``order_type``, prices that it does not take are dropped unless they are given too.

        Raises:
            InvalidOrder: The changed order breaks a rule.
            UnknownField: A name that an order does not have.
        """
        own, official = split_names(changes)
        if official:
            own["official"] = {**self.official, **own.get("official", {}), **official}
        if "order_type" in own:
            taken = _TAKEN_PRICES.get(_upper(own["order_type"]), frozenset(_PRICES))
            own = dict.fromkeys((name for name in _PRICES if name not in taken), None) | own
        return attrs.evolve(self, **own)

    def labelled(self, order_ref: str) -> Order:
        """Return a copy with another ``order_ref``, as :meth:`replace` does, at a small part of the cost.

        Raises:
            InvalidOrder: It is no text.
        """
        if type(order_ref) is not str:
            return self.replace(order_ref=order_ref)  # which looks at it
        twin: Order = object.__new__(type(self))
        for put, value in zip(_PUTTERS, _ALL_FIELDS(self), strict=True):
            put(twin, value)  # nothing is checked that was checked before
        _PUT_REFERENCE(twin, order_ref)
        return twin

    # ── builders ────────────────────────────────────────────────────────────────────────────────

    @classmethod
    def _build(cls, own: dict[str, Any], extra: dict[str, Any]) -> Order:
        mine, official = split_names(extra)
        for name in own.keys() & mine.keys():
            # Never pick one in silence: a market order where a limit was meant costs money.
            raise InvalidOrder(name, f"is what this builder sets, to {own[name]!r}; give it once")
        if official:
            mine["official"] = {**mine.get("official", {}), **official}
        return cls(**(mine | own))

    @classmethod
    @checked
    def market(cls, action: str, quantity: Numeric, **fields: Any) -> Order:
        """Buy or sell at once at the best price there is."""
        return cls._build({"action": action, "quantity": quantity, "order_type": "MKT"}, fields)

    @classmethod
    @checked
    def limit(cls, action: str, quantity: Numeric, limit_price: Numeric, **fields: Any) -> Order:
        """Trade at ``limit_price`` or better."""
        own = {"action": action, "quantity": quantity, "order_type": "LMT", "limit_price": limit_price}
        return cls._build(own, fields)

    @classmethod
    @checked
    def stop(cls, action: str, quantity: Numeric, stop_price: Numeric, **fields: Any) -> Order:
        """Become a market order once ``stop_price`` trades."""
        own = {"action": action, "quantity": quantity, "order_type": "STP", "aux_price": stop_price}
        return cls._build(own, fields)

    @classmethod
    @checked
    def stop_limit(
        cls, action: str, quantity: Numeric, stop_price: Numeric, limit_price: Numeric, **fields: Any
    ) -> Order:
        """Become a limit order at ``limit_price`` once ``stop_price`` trades."""
        own = {
            "action": action,
            "quantity": quantity,
            "order_type": "STP LMT",
            "aux_price": stop_price,
            "limit_price": limit_price,
        }
        return cls._build(own, fields)

    @classmethod
    @checked
    def trailing_stop(
        cls,
        action: str,
        quantity: Numeric,
        *,
        trailing_amount: Numeric | None = None,
        trailing_percent: Numeric | None = None,
        stop_price: Numeric | None = None,
        **fields: Any,
    ) -> Order:
        """Trail the market by an amount or a percentage; ``stop_price`` is where the stop starts."""
        own = {
            "action": action,
            "quantity": quantity,
            "order_type": "TRAIL",
            "aux_price": trailing_amount,
            "trailing_percent": trailing_percent,
            "trail_stop_price": stop_price,
        }
        return cls._build(own, fields)


def split_names(fields: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Sort keywords into our names and official names that have no name of ours.

    An official name that has a plain name here (``lmtPrice``) is taken for that one.

    Raises:
        UnknownField: A name that is neither.
        InvalidOrder: A field that only the engine may set, or one that is given under both its names.
    """
    own: dict[str, Any] = {}
    official: dict[str, Any] = {}
    for name, value in fields.items():
        if name in ENGINE_FIELDS:
            raise InvalidOrder(name, "is assigned by the engine and cannot be set")
        if name in _HINTS:
            raise UnknownField(name, "Order", _HINTS[name])
        plain = _PLAIN_NAMES.get(name, name)
        if plain in own:
            raise InvalidOrder(name, f"is another name of {plain}; give it once")
        if name == "conditions" and not _are_ours(value):
            official[name] = value  # the official client's objects: the name is theirs, too
        elif plain in _OWN_FIELDS:
            own[plain] = value
        elif name in OTHER_ORDER_FIELDS:
            official[name] = value
        else:
            check_names([name], (*_OWN_FIELDS, *OTHER_ORDER_FIELDS), "Order")
    return own, official


def _are_ours(conditions: object) -> bool:
    row = conditions if isinstance(conditions, list | tuple) else (conditions,)
    return all(isinstance(one, CONDITIONS) for one in row)


@attrs.frozen(kw_only=True)
class BrokerOrder:
    """An order as the broker echoes it, in openOrder or completedOrder. Nothing is checked.

    None means that the broker did not say. Echoes drift (TWS facts 2.10): the first one of a stop can
    show a computed limit price, ``oca_type`` 3 comes back on orders without a group, a filled order
    is listed with quantity 0 among the completed ones. So they are evidence, not truth. A condition that is
    none of the kinds we know, or holds nonsense, is left out.
    """

    order_id: int | None = None
    client_id: int | None = None
    perm_id: int | None = None
    action: str = ""
    total_quantity: Decimal | None = None
    filled_quantity: Decimal | None = None
    order_type: str = ""
    limit_price: Decimal | None = None
    aux_price: Decimal | None = None
    trail_stop_price: Decimal | None = None
    trailing_percent: Decimal | None = None
    tif: str = ""
    account: str = ""
    order_ref: str = ""
    oca_group: str = ""
    oca_type: int | None = None
    parent_id: int | None = None
    outside_rth: bool | None = None
    what_if: bool = False
    conditions: tuple[Condition, ...] = ()
    conditions_cancel: bool = False
    conditions_outside_rth: bool = False
    algo_strategy: str = ""
    algo_params: tuple[tuple[str, str], ...] = ()

    __repr__ = lean_repr


_OWN_FIELDS: Final = frozenset(a.name for a in attrs.fields(Order))
_ALL_FIELDS: Final = attrgetter(*(a.name for a in attrs.fields(Order)))
_PUTTERS: Final = tuple(vars(Order)[a.name].__set__ for a in attrs.fields(Order))
_PUT_REFERENCE: Final = vars(Order)["order_ref"].__set__
_PLAIN_NAMES: Final = {official: plain for plain, official in OFFICIAL_NAMES.items()}
