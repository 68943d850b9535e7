"""Orders made of the bytes of an earlier one: what leaves is what the official client would have sent."""

from __future__ import annotations

import contextlib
import decimal
import functools
import logging
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ibapi.client import EClient

from ibkr_core.errors import IbkrError, NotReady
from ibkr_core.link import templates
from ibkr_core.link.client import TwsClient
from ibkr_core.link.templates import Templates
from ibkr_core.model.contract import ComboLeg, Contract
from ibkr_core.model.order import Order
from ibkr_core.model.shapes import VARYING, Shapes
from tests.link.peers import VERSIONS
from tests.link.test_client import opened
from tests.orders.samples import BUILT, CONDITIONS, WORKED

STOCK = Contract.stock("AAPL", con_id=265598)
ODD_TEXTS = (
    "",
    "A",
    "BRK B",
    "%s%d%%",
    "a\tb",
    "Zürich",
    "\u0661",
    "x" * 130,
    "\udc80",
    "QZJXSYM",
    "0",
    "DAY",
)
ODD_NUMBERS = (
    "1",
    "100",
    "0.01",
    "1E+2",
    "1E-7",
    "123456.789",
    "-37.63",
    "1E+20",
    "98765.4375",
    "0.1",
    "2.50",
    "2147483647",
)
IDS = st.one_of(
    st.integers(1, 2**31 - 2), st.sampled_from([1, 127, 128, 255, 300, 16_383, 16_384, 2**31 - 1, 2**31])
)
TEXTS = st.one_of(st.sampled_from(ODD_TEXTS), st.text(st.characters(codec="ascii"), max_size=12))
NUMBERS = st.one_of(
    st.sampled_from(ODD_NUMBERS).map(Decimal), st.decimals("0.0001", 10**7, places=4, allow_nan=False)
)


def outcome(client: TwsClient, order_id: int, contract: Contract, order: Order, **shape: Any) -> bytes | str:
    """The bytes of an order, or what is raised instead."""
    try:
        return client.encode_order(order_id, contract, order, **shape)
    except IbkrError as error:
        return f"{type(error).__name__}: {error}"


@pytest.fixture(name="encoded")
def _encoded(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The ids of all orders that went through the official encoder."""
    ids: list[int] = []
    proper = TwsClient._encode_officially

    def counted(client: TwsClient, order_id: int, contract: Contract, order: Order) -> bytes:
        ids.append(order_id)
        return proper(client, order_id, contract, order)

    monkeypatch.setattr(TwsClient, "_encode_officially", counted)
    return ids


# ── the same bytes ──────────────────────────────────────────────────────────────────────────────

BASES: dict[str, tuple[Contract, Order]] = {
    "market": (STOCK, Order.market("BUY", 100)),
    "limit": (STOCK, Order.limit("SELL", 100, "150.25", account="DU1", tif="GTC", outside_rth=True)),
    "stop": (STOCK, Order.stop("SELL", 1, "99.5", oca_group="g", oca_type=2)),
    "stop limit": (Contract.future("ES", "202612", "CME"), Order.stop_limit("BUY", 1, 5000, 5001)),
    "trail": (STOCK, Order.trailing_stop("SELL", 5, trailing_percent="1.5", stop_price=90)),
    "trail limit": (
        STOCK,
        Order(action="SELL", quantity=1, order_type="TRAIL LIMIT", aux_price=1, limit_offset="0.5",
              trail_stop_price=100),
    ),
    "option": (
        Contract.option("SPY", "20261218", 600, "C", trading_class="SPY", local_symbol="SPY   261218C600"),
        Order.limit("BUY", 1, "3.10", transmit=False, parent_id=7),
    ),
    "iceberg": (STOCK, Order.limit("BUY", 100, 10, display_size=10, min_quantity=5, hidden=True)),
    "by isin": (
        Contract(sec_type="STK", sec_id_type="ISIN", sec_id="US0378331005", exchange="SMART", currency="USD"),
        Order.limit("SSHORT", 1, 10),
    ),
    "at ibkrats": (Contract.stock("AAPL", exchange="IBKRATS"), Order.limit("BUY", 100, 10)),
    "forex": (
        Contract.forex("EURUSD"),
        Order.limit("BUY", 20_000, "1.0825", good_till_date="20991231", tif="GTD"),
    ),
    "combo": (
        Contract.combo("SPY", [ComboLeg(1), ComboLeg(2, action="SELL")]),
        Order.limit("BUY", 1, "-0.5"),
    ),
    "cash": (Contract.forex("EURUSD"), Order(action="BUY", quantity=0, cash_quantity=100)),
}  # fmt: skip


def varied(draw: st.DrawFn, contract: Contract, order: Order) -> tuple[int, Contract, Order]:
    """Draw another order, nearly always of the same shape."""
    new: dict[type, dict[str, Any]] = {Contract: {}, Order: {}}
    for kind, value in ((Contract, contract), (Order, order)):
        for name in VARYING[kind]:
            held = getattr(value, name)
            if not held and name != "order_ref" and draw(st.integers(0, 19)):
                continue
            if name in ("con_id", "parent_id"):
                new[kind][name] = draw(IDS)
            elif name == "trailing_percent" and held is not None:
                new[kind][name] = draw(st.decimals("0.001", "99.9", places=3))
            elif isinstance(held, Decimal):
                is_free = name != "quantity" and not (name == "aux_price" and "TRAIL" in order.order_type)
                number = draw(NUMBERS)
                new[kind][name] = number if is_free else abs(number) or 1
            elif isinstance(held, str):
                new[kind][name] = draw(TEXTS)
    return draw(IDS), attrs.evolve(contract, **new[Contract]), attrs.evolve(order, **new[Order])


@given(data=st.data(), name=st.sampled_from(sorted(BASES)), version=st.sampled_from(VERSIONS))
@settings(max_examples=150, deadline=None)
def test_what_leaves_is_what_the_official_client_would_send(
    data: st.DataObject, name: str, version: int
) -> None:
    """For plain orders and others, whatever the values: the same bytes, or the same refusal."""
    contract, order = BASES[name]
    client, shapes = opened(version=version)[0], Shapes()
    for turn in range(5):
        if turn < 2:  # nothing odd at first, so that most shapes are learnt
            made = 100 + turn, contract, order.labelled(f"key{turn}")
        else:
            made = varied(data.draw, contract, order)
        shape = shapes.of(*made[1:])
        assert outcome(client, *made, shape=shape) == outcome(client, *made)
        client.learn_encoding()


def all_orders() -> Iterator[tuple[str, Contract, Order]]:
    """One of everything that the builders make."""
    for name, sample in BUILT.items():
        yield name, sample.contract, sample.order
    for name, (algo, _, contract) in WORKED.items():
        yield name, contract, Order.limit("BUY", 10, 99, algo=algo)
    for name, (condition, _) in CONDITIONS.items():
        yield name, STOCK, Order.limit("BUY", 10, 99, conditions=condition)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_order_type_is_the_same_the_third_time(version: int) -> None:
    """All that the builders make, conditions and algorithms too, whether it has a shape or not."""
    client, shapes = opened(version=version)[0], Shapes()
    for name, contract, order in all_orders():
        for turn in range(4):
            made = 7 + turn, contract, order.labelled(f"key{turn}")
            assert outcome(client, *made, shape=shapes.of(*made[1:])) == outcome(client, *made), name
            client.learn_encoding()


def test_the_trial_values_are_told_apart() -> None:
    """In each trial no two fields have the same value, and the two trials have none in common."""
    seen = [str(value) for trial in templates.TRIALS for value in trial.values()]
    assert len(set(seen)) == len(seen)
    for trial in templates.TRIALS:
        assert set(trial) == {"order_id", *VARYING[Contract], *VARYING[Order]}


# ── when a template is used ─────────────────────────────────────────────────────────────────────

LIMIT = Order.limit("BUY", 100, "150.25", order_ref="k")


def send(client: TwsClient, shapes: Shapes, order_id: int, contract: Contract, order: Order) -> bytes:
    """Encode as the desk does, with what comes after the send."""
    data = client.encode_order(order_id, contract, order, shapes.of(contract, order))
    client.learn_encoding()
    return data


def taught(kind: type[TwsClient] = TwsClient, version: int = VERSIONS[-1]) -> tuple[TwsClient, Shapes]:
    """A client that has sent two limit orders."""
    client, shapes = opened(version=version, kind=kind)[0], Shapes()
    for order_id in (1, 2):
        send(client, shapes, order_id, STOCK, LIMIT)
    return client, shapes


@pytest.mark.parametrize("version", VERSIONS)
def test_the_third_order_of_a_shape_is_not_encoded_anew(version: int, encoded: list[int]) -> None:
    """Another stock, quantity, price and key make no difference; another time in force does."""
    client, shapes = taught(version=version)
    encoded.clear()
    msft = Contract.stock("MSFT", con_id=272093)
    send(client, shapes, 3, msft, Order.limit("BUY", 7, "9.5", order_ref="x"))
    assert encoded == []
    send(client, shapes, 4, msft, Order.limit("BUY", 7, "9.5", order_ref="x", tif="GTC"))
    assert encoded == [4]


@pytest.mark.parametrize(
    ("contract", "changes"),
    [
        (STOCK, {"order_ref": "Zürich"}),
        (STOCK, {"order_ref": "tab\t"}),
        (STOCK, {"limit_price": 0}),
        (STOCK, {"limit_price": 2**31 - 1}),
        (STOCK, {"hidden": True}),
        (Contract.stock("Å", con_id=1), {}),
        (Contract.stock("AAPL"), {}),
        (STOCK.replace(con_id=2**31 - 1), {}),
    ],
)
def test_what_is_out_of_the_usual_goes_the_official_way(
    contract: Contract, changes: dict[str, Any], encoded: list[int]
) -> None:
    """A value that the official client may refuse, leave out or write otherwise is its own affair."""
    client, shapes = taught()
    encoded.clear()
    with contextlib.suppress(IbkrError):  # what the client refuses in this version
        send(client, shapes, 3, contract, LIMIT.replace(**changes))
    assert encoded[:1] == [3]


def test_a_flag_that_is_a_number_is_no_flag(encoded: list[int]) -> None:
    """Equal is not enough: what is of another type may be written otherwise."""

    class Loud(str):
        __slots__ = ()

        def __str__(self) -> str:
            return self.upper() + "!"

    client, shapes = taught()
    encoded.clear()
    odd = attrs.evolve(STOCK, currency=Loud("USD"))
    assert shapes.of(odd, LIMIT) is None
    send(client, shapes, 3, odd, LIMIT)
    assert encoded == [3]


def test_an_encoder_of_ones_own_is_asked_every_time() -> None:
    """A subclass that overrides what encodes sees every order, and what it makes is what leaves."""
    asked: list[int] = []

    class Own(TwsClient):
        def placeOrder(self, orderId: int, contract: Any, order: Any) -> None:  # noqa: N802, N803 - official names
            asked.append(orderId)
            order.hidden = True
            super().placeOrder(orderId, contract, order)

    client, shapes = taught(kind=Own)
    data = send(client, shapes, 3, STOCK, LIMIT)
    assert asked == [1, 2, 3]
    assert data != send(*taught(), 3, STOCK, LIMIT)


@pytest.mark.parametrize("place", ["instance", "subclass", "official class"])
def test_an_encoder_that_is_put_in_later_sees_every_order_and_no_trial(
    place: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Patched on a connected client, on its class or on the official one: it holds from the next order on."""

    class Own(TwsClient):
        pass

    client, shapes = taught(kind=Own)
    newer = LIMIT.replace(tif="GTC")
    asked: list[int] = []
    proper = EClient.placeOrder

    def audited(self: TwsClient, order_id: int, contract: Any, order: Any) -> None:
        asked.append(order_id)
        proper(self, order_id, contract, order)

    send(client, shapes, 3, STOCK, newer)
    client.encode_order(4, STOCK, newer, shapes.of(STOCK, newer))  # to be learnt once its bytes have left
    if place == "instance":
        monkeypatch.setattr(client, "placeOrder", functools.partial(audited, client), raising=False)
    else:
        monkeypatch.setattr(Own if place == "subclass" else EClient, "placeOrder", audited)
    client.learn_encoding()
    send(client, shapes, 5, STOCK, LIMIT)
    assert asked == [5]


def test_an_encoder_that_is_put_in_during_the_handshake_sees_every_order_and_no_trial() -> None:
    """Another thread may do so just when the methods were looked at."""
    asked: list[int] = []
    proper = EClient.placeOrder

    def audited(self: TwsClient, order_id: int, contract: Any, order: Any) -> None:
        asked.append(order_id)
        proper(self, order_id, contract, order)

    class Own(TwsClient):
        def _encodes_officially(self) -> bool:
            is_theirs = super()._encodes_officially()
            type(self).placeOrder = audited
            return is_theirs

    send(*taught(kind=Own), 3, STOCK, LIMIT)
    assert asked == [1, 2, 3]


def test_requests_that_are_written_down_are_all_written_down(
    caplog: pytest.LogCaptureFixture, encoded: list[int]
) -> None:
    """Whoever reads the official client's log of requests finds every order in it, and no trial."""
    client, shapes = taught()
    with caplog.at_level(logging.INFO, "ibapi.client"):
        client.learn_encoding()
        encoded.clear()
        send(client, shapes, 3, STOCK, LIMIT)
    assert encoded == [3]
    assert "QZJX" not in caplog.text


def test_nothing_is_made_for_a_connection_that_is_gone() -> None:
    """As the official client says it: not connected."""
    client, shapes = taught()
    client.disconnect()
    with pytest.raises(NotReady, match="not connected"):
        send(client, shapes, 3, STOCK, LIMIT)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("number", ODD_NUMBERS)
def test_every_odd_number_is_written_as_the_official_client_writes_it(number: str, version: int) -> None:
    """In text the official client takes a price of 2147483647 for an integer that is not set."""
    client, shapes = opened(version=version)[0], Shapes()
    future = Contract.future("ES", "202612", "CME")
    for order_id in (1, 2):
        send(client, shapes, order_id, future, LIMIT)
    odd = LIMIT.replace(limit_price=number, quantity=number.removeprefix("-"))
    assert send(client, shapes, 3, future, odd) == client.encode_order(3, future, odd)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_quantity_is_written_the_same_in_any_decimal_context(version: int, encoded: list[int]) -> None:
    """A program may have its exponents in small letters; the broker takes none at all."""
    client, shapes = taught(version=version)
    large = LIMIT.replace(quantity="1E+2")
    encoded.clear()
    with decimal.localcontext() as context:
        context.capitals = 0
        data = send(client, shapes, 3, STOCK, large)
    assert encoded == []
    assert data == client.encode_order(3, STOCK, large)


@pytest.mark.parametrize("version", VERSIONS)
def test_an_encoder_that_cannot_be_explained_has_no_template(version: int) -> None:
    """A field that follows a value, a value that stands twice, a frame too many: no template then."""
    official = opened(version=version)[0]

    def twice(order_id: int, contract: Contract, order: Order) -> bytes:
        return official.encode_order(order_id, contract, order) * 2

    def derived(order_id: int, contract: Contract, order: Order) -> bytes:
        return official.encode_order(order_id, contract, order.replace(account=f"DU{order.quantity:f}"))

    def repeated(order_id: int, contract: Contract, order: Order) -> bytes:
        return official.encode_order(order_id, contract, order.replace(account=contract.symbol))

    def branching(order_id: int, contract: Contract, order: Order) -> bytes:
        return official.encode_order(order_id, contract, order.replace(hidden=order.limit_price < 1))

    for encode in (twice, derived, repeated, branching):
        one, shapes = Templates(encode, version), Shapes()
        for order_id in (1, 2, 3):
            shape = shapes.of(STOCK, LIMIT)
            assert shape is not None
            assert one.encode(order_id, STOCK, LIMIT, shape) is None, encode.__name__
            one.note(order_id, STOCK, LIMIT, shape, encode(order_id, STOCK, LIMIT))
            one.learn()


def test_the_tables_do_not_grow_without_end() -> None:
    """A program that makes a new shape with every order costs time, not memory."""
    client, shapes = opened()[0], Shapes()
    known = client._templates
    assert known is not None
    for number in range(1_200):
        send(
            client, shapes, 1 + number, STOCK, Order.limit("BUY", 1, 1, account=f"DU{number}", order_ref="k")
        )
    assert len(known._seen) <= 513
    assert len(shapes._known) <= 512


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("name", sorted(set(BASES) - {"cash", "combo"}))
def test_every_plain_order_is_learnt(name: str, version: int, encoded: list[int]) -> None:
    """Otherwise the property above would compare the official encoder with itself."""
    client, shapes = opened(version=version)[0], Shapes()
    contract, order = BASES[name]
    for order_id in (1, 2, 3):
        encoded.clear()
        send(client, shapes, order_id, contract, order.labelled("k"))
    assert encoded == []
