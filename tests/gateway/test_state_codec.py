"""Values as JSON and back: nothing is lost, and what is not as it should be is refused."""

from __future__ import annotations

import enum
import json
import math
import typing
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ibkr_core.gateway.account import Position
from ibkr_core.gateway.combos import Leg
from ibkr_core.gateway.instruments import Instrument, default_catalogue
from ibkr_core.gateway.market import MarketMemory
from ibkr_core.gateway.numbers import Numbers
from ibkr_core.gateway.orders import Execution, GatewayOrder, Hold, OrderSpec
from ibkr_core.gateway.state_codec import Codec, to_text
from ibkr_core.gateway.state_record import INSTRUMENT_FIELDS, ORDER_FIELDS

AAPL = 265598


def find(con_id: int) -> Instrument:
    found = default_catalogue().by_id(con_id)
    if found is None:
        raise KeyError(con_id)
    return found


@pytest.fixture
def codec() -> Codec:
    return Codec(find)


def there_and_back(codec: Codec, kind: Any, value: Any) -> Any:
    """Pack, write, read and unpack."""
    return codec.unpack(kind, json.loads(to_text(codec.pack(kind, value))))


FREE = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.decimals(allow_nan=False),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.just("$decimal"), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(FREE)
def test_whatever_a_client_sends_comes_back_equal_and_of_its_type(value: object) -> None:
    """Decimals stay decimals, and a client's own names cannot be mistaken for our marks."""
    back = there_and_back(Codec(find), Any, value)
    assert back == value
    assert repr(back) == repr(value)


def test_numbers_that_json_does_not_have_come_back(codec: Codec) -> None:
    """A hostile client may send them; they must not end the saving."""
    assert math.isnan(there_and_back(codec, Any, math.nan))
    assert there_and_back(codec, Any, [-math.inf]) == [-math.inf]
    assert there_and_back(codec, float, math.inf) == math.inf


class Colour(enum.Enum):
    """An enumeration."""

    RED = 1


@attrs.frozen
class Thing:
    """One attribute of each kind."""

    number: int
    price: Decimal
    when: float | None
    colours: set[Colour]
    pair: tuple[str, int]
    many: tuple[Decimal, ...]
    by_id: dict[int, str]
    by_price: Mapping[Decimal, Decimal]
    what: Instrument
    flag: bool = False


THING = Thing(
    number=3,
    price=Decimal("1.10"),
    when=None,
    colours={Colour.RED},
    pair=("a", 1),
    many=(Decimal("0.1"), Decimal("1E+3")),
    by_id={4: "x"},
    by_price={Decimal("99.50"): Decimal(100)},
    what=find(AAPL),
)


def test_every_kind_of_value_comes_back(codec: Codec) -> None:
    """To the last digit of a decimal, and with the catalogue's own instrument."""
    back = there_and_back(codec, Thing, THING)
    assert back == THING
    assert str(back.price) == "1.10"
    assert str(back.many[1]) == "1E+3"
    assert back.what is THING.what


@pytest.mark.parametrize(
    "kind", [OrderSpec, Execution, Position, MarketMemory, Numbers, Leg], ids=lambda kind: kind.__name__
)
def test_every_class_that_is_kept_has_a_form(codec: Codec, kind: type) -> None:
    """A new attribute of a type that cannot be kept is found here, not when a gateway saves."""
    names = tuple(one.name for one in attrs.fields(kind))
    with pytest.raises(ValueError, match="is no"):
        codec.unpack_fields(kind, dict.fromkeys(names, b""), names)


@pytest.mark.parametrize(("owner", "names"), [(GatewayOrder, ORDER_FIELDS), (Instrument, INSTRUMENT_FIELDS)])
def test_every_attribute_that_is_kept_has_a_form(codec: Codec, owner: type, names: tuple[str, ...]) -> None:
    """The same for what is kept attribute by attribute."""
    with pytest.raises(ValueError, match="is no"):
        codec.unpack_fields(owner, dict.fromkeys(names, b""), names)


def test_a_set_of_names_is_written_in_order(codec: Codec) -> None:
    """So that the same state makes the same text."""
    assert codec.pack(set[Hold], {Hold.TIME, Hold.CLOSE}) == ["CLOSE", "TIME"]


@pytest.mark.parametrize(
    ("kind", "data"),
    [
        (int, True),
        (int, "1"),
        (str, 1),
        (bool, 1),
        (Decimal, 1.5),
        (Decimal, "x"),
        (float, "1"),
        (float, True),
        (Colour, "BLUE"),
        (Colour, 1),
        (Instrument, 7),
        (Instrument, "AAPL"),
        (list[int], {}),
        (tuple[str, int], ["a"]),
        (dict[int, str], []),
        (dict[int, str], {"x": "y"}),
        (Thing, []),
        (Thing, {"number": 1}),
        (Any, {"$decimal": "x"}),
        (Any, {"$decimal": 1}),
        (Any, {"$float": "1"}),
        (Any, {"$map": [1]}),
        (Any, {"$else": 1}),
    ],
)
def test_what_is_of_another_kind_is_refused(codec: Codec, kind: Any, data: object) -> None:
    """Nothing is guessed."""
    with pytest.raises(ValueError, match=r"is no|is not|has the id|Thing|invalid literal"):
        codec.unpack(kind, data)


def test_an_attribute_that_does_not_exist_is_refused(codec: Codec) -> None:
    """It would be lost without a word."""
    with pytest.raises(ValueError, match="Thing has no colour"):
        codec.unpack(Thing, {"colour": 1})


@pytest.mark.parametrize("kind", [bytes, int | str, dict[bytes, int], typing.TypeVar("T"), object()])
def test_a_type_that_cannot_be_kept_is_refused(codec: Codec, kind: Any) -> None:
    """When it is first used, whatever the value."""
    with pytest.raises(TypeError, match="cannot be kept"):
        codec.pack(kind, None)


def test_a_value_that_cannot_be_kept_is_refused(codec: Codec) -> None:
    """Even among values whose type is not known beforehand."""
    with pytest.raises(TypeError, match="cannot be kept"):
        codec.pack(Any, [b"bytes"])
