"""What a client asked for: read, and refused when it makes no sense."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from ibkr_core.gateway.instruments import default_catalogue
from ibkr_core.gateway.orders import Execution, GatewayOrder, OrderSpec, Phase
from ibkr_core.gateway.refusals import RefusalError

D = Decimal
LIMIT = {"action": "BUY", "totalQuantity": D(10), "orderType": "LMT", "lmtPrice": 99.5, "tif": "DAY"}


def test_an_order_is_read() -> None:
    """Prices become exact decimals; absent flags are false, an absent TIF is DAY."""
    spec = OrderSpec.parse({**LIMIT, "tif": "", "lmtPrice": 0.1, "orderRef": "me", "parentId": 4})
    assert (spec.limit, spec.tif, spec.tif_was_empty, spec.transmit) == (D("0.1"), "DAY", True, False)
    assert (spec.sign, spec.parent_id, spec.order_ref) == (1, 4, "me")


@pytest.mark.parametrize(
    ("fields", "prices"),
    [
        ({"orderType": "MKT", "lmtPrice": 1.0, "auxPrice": 2.0}, ()),
        ({"auxPrice": 0.0}, (D("99.5"),)),
        ({"orderType": "STP", "auxPrice": 98.0, "lmtPrice": 0.0}, (D("98.0"),)),
        ({"orderType": "STP LMT", "auxPrice": 98.0, "lmtPrice": 97.0}, (D("97.0"), D("98.0"))),
        ({"orderType": "TRAIL", "auxPrice": 0.123, "trailStopPrice": 90.0}, (D("90.0"),)),
        ({"orderType": "MIT", "auxPrice": 98.0, "lmtPrice": 97.0}, (D("98.0"),)),
        ({"orderType": "LIT", "auxPrice": 98.0, "lmtPrice": 97.0}, (D("97.0"), D("98.0"))),
        ({"orderType": "MTL", "lmtPrice": 97.0}, ()),
        ({"orderType": "LOC", "lmtPrice": 97.0}, (D("97.0"),)),
        ({"orderType": "REL", "lmtPrice": 0.0, "auxPrice": 0.0123}, ()),
        ({"orderType": "PEG MID", "lmtPrice": 97.0, "auxPrice": 0.0123}, (D("97.0"),)),
        ({"orderType": "TRAIL LIMIT", "auxPrice": 0.123, "lmtPrice": 97.0}, (D("97.0"),)),
    ],
)
def test_only_prices_that_the_type_uses_are_kept(fields: dict[str, Any], prices: tuple[Decimal, ...]) -> None:
    """Clients leave zeros and leftovers; a trailing amount is a distance, so it need not lie on the grid."""
    assert OrderSpec.parse({**LIMIT, **fields}).prices() == prices


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"action": "HOLD"}, 321),
        ({"action": ""}, 321),
        ({"orderType": "FEELINGS"}, 321),
        ({"orderType": ""}, 321),
        ({"orderType": "FIX PEGGED"}, 387),
        ({"orderType": "PSV"}, 387),
        ({"orderType": "MOC", "tif": "GTC"}, 113),
        ({"orderType": "LOC", "tif": "IOC"}, 113),
        ({"orderType": "STP", "auxPrice": 98.0, "tif": "OPG"}, 111),
        ({"orderType": "LIT", "auxPrice": 98.0, "lmtPrice": None}, 321),
        ({"orderType": "MIT"}, 321),
        ({"orderType": "LOC", "lmtPrice": None}, 321),
        ({"orderType": "TRAIL LIMIT", "auxPrice": 1.0, "lmtPrice": None}, 321),
        ({"orderType": "REL", "percentOffset": 1.5}, 159),
        ({"orderType": "REL", "percentOffset": -0.1}, 159),
        ({"tif": "NEVER"}, 10052),
        ({"tif": "DTC"}, 321),
        ({"totalQuantity": D(0)}, 434),
        ({"totalQuantity": D(-1)}, 434),
        ({"totalQuantity": D("NaN")}, 434),
        ({"totalQuantity": D("Infinity")}, 434),
        ({"lmtPrice": None}, 321),
        ({"lmtPrice": float("nan")}, 321),
        ({"lmtPrice": float("inf")}, 321),
        ({"orderType": "STP"}, 321),
        ({"orderType": "STP LMT", "auxPrice": 1.0, "lmtPrice": None}, 321),
        ({"orderType": "TRAIL"}, 158),
        ({"orderType": "TRAIL", "auxPrice": -1.0}, 321),
        ({"orderType": "TRAIL", "trailingPercent": 100.0}, 159),
        ({"ocaType": 4}, 321),
        ({"eTradeOnly": True}, 10268),
        ({"firmQuoteOnly": True}, 10269),
        ({"nbboPriceCap": 5.0}, 10270),
    ],
)
def test_nonsense_is_refused_with_the_brokers_code(fields: dict[str, Any], code: int) -> None:
    """TWS facts 7; nothing is ever read as something else."""
    wanted = {name: value for name, value in {**LIMIT, **fields}.items() if value is not None}
    with pytest.raises(RefusalError) as refused:
        OrderSpec.parse(wanted)
    assert refused.value.code == code


def build(**fields: Any) -> GatewayOrder:
    instrument = default_catalogue().matches({"conId": 265598})[0]
    wanted = {
        "perm_id": 1, "client_id": 1, "order_id": 1, "account": "DU1", "instrument": instrument,
        "exchange": "SMART", "spec": OrderSpec.parse(LIMIT), "total": D(10), "sequence": 1, **fields,
    }  # fmt: skip
    return GatewayOrder(**wanted)


def execution(order: GatewayOrder, quantity: int, price: str, root: str = "a.b.01") -> Execution:
    return Execution(
        root=root, revision=1, perm_id=order.perm_id, order_id=order.order_id, client_id=order.client_id,
        account=order.account, instrument=order.instrument, action=order.spec.action, quantity=D(quantity),
        price=D(price), time=0.0, exchange="ARCA", cumulative=D(quantity), average=D(price), commission=D(1),
        currency="USD", realized=None, liquidity=2, order_ref="",
    )  # fmt: skip


def test_fills_are_summed_exactly() -> None:
    """Filled, remaining, average and commission come from the executions and nothing else."""
    order = build()
    assert (order.filled, order.remaining, order.average) == (0, 10, 0)
    order.executions += [execution(order, 3, "99.5"), execution(order, 4, "99.4", "a.c.01")]
    assert (order.filled, order.remaining, order.turnover, order.commission) == (7, 3, D("696.1"), 2)
    assert order.average == D("696.1") / 7


def test_an_execution_id_has_four_segments() -> None:
    """The last one is the revision (TWS facts 3); a sale counts negative."""
    order = build(spec=OrderSpec.parse({**LIMIT, "action": "SELL"}))
    fill = execution(order, 3, "99.5", root="0000e0d5.69000001.01")
    assert (fill.exec_id, fill.signed_quantity) == ("0000e0d5.69000001.01.01", -3)


def test_why_an_order_is_held() -> None:
    """Child, trigger, or both; nothing once it is done (TWS facts 1)."""
    parent = build(phase=Phase.LIVE)
    stop = OrderSpec.parse({**LIMIT, "orderType": "STP", "auxPrice": 98.0})
    child = build(perm_id=2, phase=Phase.LIVE, parent=parent, spec=stop)
    assert (parent.why_held, child.why_held) == ("", "child,trigger")
    parent.status = "Filled"
    assert child.why_held == "trigger"
    child.elected = True
    assert child.why_held == ""
    child.elected, child.phase = False, Phase.DONE
    assert child.why_held == ""


def test_a_family_lists_parents_before_children() -> None:
    """From any member the same family is found."""
    root = build()
    child = build(perm_id=2, parent=root)
    grandchild = build(perm_id=3, parent=child)
    root.children.append(child)
    child.children.append(grandchild)
    assert [one.perm_id for one in grandchild.family()] == [1, 2, 3]
