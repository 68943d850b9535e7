"""Rules about times in force, about which types exist for what, and about attributes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Final

from ibkr_core.model.algos import OtherAlgo
from ibkr_core.model.contract import Contract
from ibkr_core.model.order import Order
from ibkr_core.model.ruleparts import Rule, size

__all__ = ["ATTRIBUTE_RULES", "KNOWN_TIFS", "PRODUCTS", "TIF_RULES", "TYPE_RULES"]

KNOWN_TIFS: Final = frozenset(
    {"DAY", "GTC", "IOC", "GTD", "OPG", "FOK", "DTC", "AUC", "GTX", "OND", "OVT", "MINUTES"}
)
"""Every time in force that an official page or a gateway names."""

_COMBO_TYPES: Final = frozenset({"REL + LMT", "REL + MKT", "LMT + MKT", "TRAIL LMT + MKT", "TRAIL REL + MKT"})
_PROTECTED: Final = frozenset({"FUT", "FOP"})

PRODUCTS: Final[Mapping[str, frozenset[str]]] = MappingProxyType(
    {
        "MKT PRT": _PROTECTED,
        "STP PRT": _PROTECTED,
        "VOL": frozenset({"OPT", "FOP", "BAG"}),
        "PEG STK": frozenset({"OPT"}),
        "BOX TOP": frozenset({"OPT"}),
        "MOC": frozenset({"STK", "CFD", "FUT", "WAR"}),
        "LOC": frozenset({"STK", "CFD", "FUT", "WAR"}),
        "MIDPRICE": frozenset({"STK", "CFD"}),
        "PEG BEST": frozenset({"STK"}),
        **dict.fromkeys(_COMBO_TYPES, frozenset({"BAG"})),
    }
)
"""Security types of the order types that only some can have (official order type pages).

Types that the pages list for a few products and TWS takes for more are left out.
"""

_STARTS: Final = frozenset({"LMT", "MKT", "MIDPRICE", "REL", "SNAP MKT", "SNAP MID", "SNAP PRIM"})
_ENDS: Final = frozenset({"LMT", "MIDPRICE"})
_ALGO_TYPES: Final = frozenset({"MKT", "LMT"})
_ALGO_TIFS: Final = frozenset({"DAY", "GTC", "GTD"})
_METHODS: Final = frozenset({0, 1, 2, 3, 4, 7, 8})
_TRAILING: Final = frozenset({"TRAIL", "TRAIL LIMIT", "TRAIL MIT", "TRAIL LIT"})
_BLOCK: Final = 50
_TIME: Final = re.compile(r"\d{8}([ -]\d\d:\d\d(:\d\d)?( \S.*)?)?")


def _conditions(order: Order) -> bool:
    return bool(order.conditions or order.official.get("conditions"))


def _starts(order: Order) -> bool:
    return _conditions(order) and not order.conditions_cancel


def _names_no_algo_of_ib(order: Order) -> bool:
    return order.algo is None or isinstance(order.algo, OtherAlgo) or bool(order.algo.exchange)


def _is_crypto(contract: Contract) -> bool:
    return contract.sec_type == "CRYPTO"


def _crypto_tif(order: Order) -> bool:
    allowed = {"IOC"} if order.order_type == "MKT" else {"DAY", "GTC", "IOC", "MINUTES"}
    return order.tif not in allowed


def _fraction(order: Order) -> bool:
    return order.quantity % 1 != 0


TIF_RULES: Final = (
    Rule(
        "known-tif",
        "tif",
        f"must be one of {', '.join(sorted(KNOWN_TIFS))}",
        "code 10052, and the official list of times in force",
        lambda order, _: order.tif not in KNOWN_TIFS,
    ),
    Rule(
        "close-is-day",
        "tif",
        "must be DAY for MOC and LOC",
        "code 113",
        lambda order, _: order.order_type in {"MOC", "LOC"} and order.tif != "DAY",
    ),
    Rule(
        "opening-types",
        "tif",
        "OPG goes with MKT and LMT only",
        "code 111; official pages: market-on-open, limit-on-open",
        lambda order, _: order.tif == "OPG" and order.order_type not in {"MKT", "LMT", "MOO", "LOO"},
    ),
    Rule(
        "auction-types",
        "tif",
        "AUC goes with MTL and LMT only",
        "code 111; official page: auction",
        lambda order, _: order.tif == "AUC" and order.order_type not in {"MTL", "LMT"},
    ),
    Rule(
        "algo-tif",
        "tif",
        "must be DAY, GTC or GTD for an algorithm",
        "code 442; the algorithms work over time",
        lambda order, _: not _names_no_algo_of_ib(order) and order.tif not in _ALGO_TIFS,
    ),
    Rule(
        "crypto-tif",
        "tif",
        "must be IOC for a MKT order of a cryptocurrency, and DAY, GTC, IOC or MINUTES for a LMT",
        "official page on order types: cryptocurrency",
        lambda order, contract: _is_crypto(contract) and _crypto_tif(order),
    ),
    Rule(
        "good-till-time",
        "good_till_date",
        "must be YYYYMMDD, YYYYMMDD HH:MM:SS with a zone, or YYYYMMDD-HH:MM:SS in UTC",
        "code 391; comments of the official Order",
        lambda order, _: bool(order.good_till_date) and not _TIME.fullmatch(order.good_till_date),
    ),
    Rule(
        "good-after-time",
        "good_after_time",
        "must be YYYYMMDD, YYYYMMDD HH:MM:SS with a zone, or YYYYMMDD-HH:MM:SS in UTC",
        "code 391; comments of the official Order",
        lambda order, _: bool(order.good_after_time) and not _TIME.fullmatch(order.good_after_time),
    ),
)

TYPE_RULES: Final = (
    Rule(
        "products",
        "order_type",
        "does not exist for this kind of contract",
        "code 387; products of the official order type pages",
        lambda order, contract: bool(
            contract.sec_type and contract.sec_type not in PRODUCTS.get(order.order_type, {contract.sec_type})
        ),
    ),
    Rule(
        "best-at-ibkrats",
        "order_type",
        "PEG BEST needs a contract at the exchange IBKRATS",
        "code 387; official page: pegged to best",
        lambda order, contract: order.order_type == "PEG BEST" and contract.exchange != "IBKRATS",
    ),
    Rule(
        "box",
        "order_type",
        "BOX TOP and an auctionStrategy need a contract at the exchange BOX",
        "code 387; official pages: box top, auction limit",
        lambda order, contract: (
            contract.exchange != "BOX"
            and (order.order_type == "BOX TOP" or bool(size(order, "auctionStrategy")))
        ),
    ),
    Rule(
        "crypto-types",
        "order_type",
        "must be LMT or MKT for a cryptocurrency",
        "official page on order types: cryptocurrency",
        lambda order, contract: _is_crypto(contract) and order.order_type not in {"LMT", "MKT"},
    ),
    Rule(
        "crypto-cash",
        "cash_quantity",
        "is required to buy a cryptocurrency at the market",
        "code 10289",
        lambda order, contract: (
            _is_crypto(contract)
            and (order.action.value, order.order_type) == ("BUY", "MKT")
            and order.cash_quantity is None
        ),
    ),
    Rule(
        "condition-types",
        "conditions",
        "start LMT, MKT, MIDPRICE, REL and SNAP orders only",
        "code 148",
        lambda order, _: _starts(order) and order.order_type not in _STARTS,
    ),
    Rule(
        "condition-cancel-types",
        "conditions",
        "cancel LMT and MIDPRICE orders only",
        "code 148",
        lambda order, _: _conditions(order) and order.conditions_cancel and order.order_type not in _ENDS,
    ),
    Rule(
        "condition-flags",
        "conditions",
        "are missing, and conditions_cancel and conditions_outside_rth mean nothing without them",
        "chosen: the official encoder leaves both out then",
        lambda order, _: not _conditions(order) and (order.conditions_cancel or order.conditions_outside_rth),
    ),
    Rule(
        "algo-types",
        "algo",
        "works MKT and LMT orders only",
        "code 442",
        lambda order, _: not _names_no_algo_of_ib(order) and order.order_type not in _ALGO_TYPES,
    ),
    Rule(
        "algo-exchange",
        "algo",
        "of another broker needs a contract at that broker's exchange: JEFFALGO, CSFBALGO, QBALGO",
        "official pages on algorithms of others",
        lambda order, contract: (
            order.algo is not None and bool(order.algo.exchange) and contract.exchange != order.algo.exchange
        ),
    ),
    Rule(
        "cash-types",
        "cash_quantity",
        "goes with MKT and LMT orders of currencies, cryptocurrencies and stocks only",
        "code 10244",
        lambda order, contract: (
            order.cash_quantity is not None
            and (
                order.order_type not in {"MKT", "LMT"}
                or contract.sec_type not in {"CASH", "CRYPTO", "STK", ""}
            )
        ),
    ),
    Rule(
        "fractions-at-smart",
        "quantity",
        "parts of a share trade at SMART only",
        "code 10247",
        lambda order, contract: (
            contract.sec_type == "STK" and contract.exchange != "SMART" and _fraction(order)
        ),
    ),
)

ATTRIBUTE_RULES: Final = (
    Rule(
        "iceberg-or-discretionary",
        "display_size",
        "and a discretionaryAmt exclude each other",
        "code 157",
        lambda order, _: bool(order.display_size) and bool(size(order, "discretionaryAmt")),
    ),
    Rule(
        "discretion",
        "discretionaryAmt",
        "must be above zero",
        "official page: discretionary",
        lambda order, _: size(order, "discretionaryAmt") < 0,
    ),
    Rule(
        "block-size",
        "quantity",
        f"must be at least {_BLOCK} for a block order",
        "code 117",
        lambda order, _: bool(order.official.get("blockOrder")) and order.quantity < _BLOCK,
    ),
    Rule(
        "display-size",
        "display_size",
        "must not be negative, nor above the quantity",
        "codes 10020 and 321",
        lambda order, _: order.display_size is not None and not 0 <= order.display_size <= order.quantity,
    ),
    Rule(
        "min-quantity",
        "min_quantity",
        "must not be negative, nor above the quantity",
        "chosen: no fill could ever be large enough",
        lambda order, _: (
            order.min_quantity is not None
            and order.quantity > 0
            and not 0 <= order.min_quantity <= order.quantity
        ),
    ),
    Rule(
        "trigger-method",
        "trigger_method",
        "must be 0, 1, 2, 3, 4, 7 or 8",
        "code 146; comments of the official Order",
        lambda order, _: order.trigger_method not in _METHODS,
    ),
    Rule(
        "trail-distance",
        "aux_price",
        "a trailing order needs a trailing amount (aux_price) or a trailing_percent, not both",
        "code 158",
        lambda order, _: (
            order.order_type in _TRAILING and (order.aux_price is None) == (order.trailing_percent is None)
        ),
    ),
    Rule(
        "combo-oca",
        "oca_type",
        "must be 3 (reduce without block) for a combination",
        "code 359",
        lambda order, contract: (
            contract.sec_type == "BAG" and bool(order.oca_group) and order.oca_type in {1, 2}
        ),
    ),
    Rule(
        "short-sale-slot",
        "shortSaleSlot",
        "must be 1 (the broker holds the shares) or 2 (delivered from elsewhere)",
        "code 347",
        lambda order, _: size(order, "shortSaleSlot") not in {0, 1, 2},
    ),
    Rule(
        "short-sale-side",
        "shortSaleSlot",
        "goes with the side SSHORT only",
        "code 348",
        lambda order, _: bool(size(order, "shortSaleSlot")) and order.action.value != "SSHORT",
    ),
    Rule(
        "compete-size",
        "minCompeteSize",
        "must not be negative",
        "code 10304",
        lambda order, _: size(order, "minCompeteSize") < 0,
    ),
    Rule(
        "compete-offset",
        "competeAgainstBestOffset",
        "must not be negative, and in whole cents",
        "code 10305",
        lambda order, _: (
            size(order, "competeAgainstBestOffset") < 0
            or size(order, "competeAgainstBestOffset") % Decimal("0.01") != 0
        ),
    ),
    Rule(
        "min-trade",
        "minTradeQty",
        "must not be negative, nor above the quantity",
        "code 10303",
        lambda order, _: not 0 <= size(order, "minTradeQty") <= order.quantity,
    ),
)
