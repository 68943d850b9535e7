"""Facts without any story, for what must survive everything. Part of ``strategies``, which hands it on."""

from __future__ import annotations

from decimal import Decimal
from typing import Final

from hypothesis import strategies as st

from ibkr_core.lifecycle.verdicts import DEFAULT_RULES
from ibkr_core.model.contract import Contract
from ibkr_core.model.facts import (
    BrokerFact,
    CommissionFact,
    CompletedOrderFact,
    ErrorFact,
    ExecutionFact,
    OpenOrderFact,
    OrderBoundFact,
    StatusFact,
    WhatIfMargin,
)
from ibkr_core.model.order import BrokerOrder
from ibkr_core.model.status import BROKER_WORDS

__all__ = ["arbitrary_facts"]

_HUGE: Final = ("1E+999999", "-1E+999999", "1E-999999", "1.7976931348623157E+308", str(2**127 - 1))


def _numbers() -> st.SearchStrategy[Decimal]:
    return st.one_of(
        st.integers(-3, 200).map(Decimal),
        st.sampled_from(_HUGE).map(Decimal),
        st.decimals(allow_nan=False, allow_infinity=False),
    )


def _ids() -> st.SearchStrategy[int]:
    return st.sampled_from((-1, 0, 1, 2, 3, 7, 2**31 - 1, 2**63 - 1, -(2**70)))


def _texts() -> st.SearchStrategy[str]:
    return st.sampled_from(("", "key-1", "x")) | st.text(max_size=8)


def _words() -> st.SearchStrategy[str]:
    return st.sampled_from((*BROKER_WORDS, "", "WarnState", "filled")) | st.text(max_size=8)


def _execution_ids() -> st.SearchStrategy[str]:
    usual = st.builds(
        "{}.{}.01.{:02}".format, st.sampled_from("ab"), st.sampled_from("cd"), st.integers(0, 3)
    )
    return usual | st.sampled_from(("", ".", "a.b.c.d.01", "a.b.c." + "9" * 5_000)) | _texts()


def _contracts() -> st.SearchStrategy[Contract | None]:
    kinds = st.sampled_from(("", "STK", "BAG", "OPT"))
    return st.none() | st.builds(Contract, con_id=_ids(), symbol=_texts(), sec_type=kinds)


def _broker_orders() -> st.SearchStrategy[BrokerOrder]:
    return st.builds(
        BrokerOrder,
        order_id=st.none() | _ids(),
        client_id=st.none() | _ids(),
        perm_id=st.none() | _ids(),
        action=_texts(),
        total_quantity=st.none() | _numbers(),
        filled_quantity=st.none() | _numbers(),
        order_type=st.sampled_from(("MKT", "LMT", "")),
        limit_price=st.none() | _numbers(),
        tif=_texts(),
        order_ref=_texts(),
        oca_group=_texts(),
        oca_type=st.none() | _ids(),
        parent_id=st.none() | _ids(),
        what_if=st.booleans(),
    )


def arbitrary_facts() -> st.SearchStrategy[BrokerFact]:
    """Make facts that no broker would send: any words, ids and numbers, and None wherever it may stand.

    Numbers are finite, as the boundary that makes facts takes care of.
    """
    optional_number, optional_id = st.none() | _numbers(), st.none() | _ids()
    amount = {"commission": optional_number, "commission_currency": _texts()}
    told = {
        "order": _broker_orders(),
        "contract": _contracts(),
        "status": _words(),
        "reject_reason": _texts(),
    }
    return st.one_of(
        st.builds(
            StatusFact,
            order_id=optional_id,
            status=_words(),
            filled=optional_number,
            remaining=optional_number,
            avg_fill_price=optional_number,
            perm_id=optional_id,
            parent_id=optional_id,
            client_id=optional_id,
            why_held=_texts(),
        ),
        st.builds(
            OpenOrderFact, **told, **amount, warning=_texts(), margin=st.none() | st.builds(WhatIfMargin)
        ),
        st.builds(CompletedOrderFact, **told, **amount, completed_status=_texts()),
        st.builds(
            ExecutionFact,
            exec_id=_execution_ids(),
            side=st.sampled_from(("BOT", "SLD", "")) | _texts(),
            shares=_numbers(),
            price=_numbers(),
            order_id=optional_id,
            client_id=optional_id,
            perm_id=optional_id,
            contract=_contracts(),
            time=st.sampled_from(("", "00010101 00:00:00 Asia/Tokyo", "20261301-99:00:00")) | _texts(),
            cum_quantity=optional_number,
            order_ref=_texts(),
            pending_price_revision=st.booleans(),
        ),
        st.builds(
            CommissionFact,
            exec_id=_execution_ids(),
            commission=optional_number,
            currency=_texts(),
            realized_pnl=optional_number,
        ),
        st.builds(
            ErrorFact,
            request_id=_ids(),
            code=st.sampled_from(sorted(DEFAULT_RULES)) | st.integers(-1, 20_000),
            message=st.sampled_from(("", "state: Filled.", "state: Cancelled", "state: ???")) | _texts(),
        ),
        st.builds(OrderBoundFact, perm_id=_ids(), client_id=_ids(), order_id=_ids()),
    )
