"""Plans of faults: what makes sense, what does not, and how files say it."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import attrs
import pytest

from ibkr_core.errors import InvalidInput
from ibkr_core.gateway.faults import (
    ACTIONS,
    Action,
    Bust,
    Chance,
    Correction,
    Delay,
    Disconnect,
    Drop,
    Duplicate,
    Fault,
    FaultPlan,
    HalfOpen,
    IdRollback,
    LateCommission,
    LostEnd,
    Outage,
    RateLimit,
    Refuse,
    Reset,
    SilentLive,
    Split,
    Stall,
    When,
    parse_plan,
    read_plan,
)

PAGE = Path(__file__).parents[2] / "docs" / "faults.md"


@pytest.mark.parametrize(
    ("make", "argument"),
    [
        (lambda: Delay(seconds=-1), "seconds"),
        (lambda: Delay(seconds=(2, 1)), "seconds"),
        (lambda: Delay(seconds=(1, 2, 3)), "seconds"),
        (lambda: Delay(seconds="long"), "seconds"),
        (lambda: Delay(seconds=float("inf")), "seconds"),
        (lambda: Duplicate(copies=0), "copies"),
        (lambda: Duplicate(copies=True), "copies"),
        (lambda: Split(at=0), "at"),
        (lambda: IdRollback(by="4"), "by"),
        (lambda: SilentLive(lasting=1), "lasting"),
        (lambda: Outage(code=1102), "code"),
        (lambda: Outage(leak=1.5), "leak"),
        (lambda: Outage(callbacks="soon"), "callbacks"),
        (lambda: Outage(back=False), "back"),
        (lambda: Disconnect(moment="during"), "moment"),
        (lambda: Reset(moment="inside"), "moment"),
        (lambda: HalfOpen(ends="badly"), "ends"),
        (lambda: Refuse(how="rudely"), "how"),
        (lambda: Correction(quantity=0), "quantity"),
        (lambda: Correction(price_shift="much"), "price_shift"),
        (lambda: When(nth=0), "nth"),
        (lambda: When(times=0), "times"),
        (lambda: When(on="orderstatus"), "on"),
        (lambda: When(after_s=-1), "after_s"),
        (lambda: When(chance=1.01), "chance"),
        (lambda: When(order_id="5"), "order_id"),
        (lambda: Chance(Drop(), -0.1), "probability"),
        (lambda: Chance(Drop(), True), "probability"),
        (lambda: Chance(Drop(), 0.1, on=("everything",)), "on"),
        (lambda: RateLimit(per_s=0), "per_s"),
        (lambda: FaultPlan(answers="yes"), "answers"),
        (lambda: FaultPlan.nasty(1.5), "intensity"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Any, argument: str) -> None:
    """The argument is named, and the rule."""
    with pytest.raises(InvalidInput) as caught:
        make()
    assert caught.value.argument == argument


@pytest.mark.parametrize(
    ("action", "on"),
    [
        (IdRollback(), "orderStatus"),
        (Bust(), "placeOrder"),
        (Duplicate(), "placeOrder"),
        (LateCommission(), "execDetails"),
        (LostEnd(), "nextValidId"),
        (SilentLive(), "cancelOrder"),
        (SilentLive(), "orderStatus"),
    ],
)
def test_a_fault_strikes_only_what_it_can(action: Action, on: str) -> None:
    """Whether by script or by chance."""
    with pytest.raises(InvalidInput, match=f"{action.name} cannot strike {on}"):
        Fault(action, When(on=on))
    with pytest.raises(InvalidInput, match=f"{action.name} cannot strike {on}"):
        Chance(action, 0.5, on=(on,))


def test_a_moment_comes_once() -> None:
    """A fault that strikes by itself is not counted by messages."""
    with pytest.raises(InvalidInput, match="name a message"):
        Fault(Stall(), When(times=2))
    assert Fault(Stall(), When(after_s=5)).is_timed
    assert not Fault(Stall(), When(on="execDetails", times=2)).is_timed


def test_probabilities_add_up_to_one_at_most() -> None:
    """For each kind of message; those of different kinds do not add up."""
    FaultPlan(chances=(Chance(Drop(), 1.0), Chance(LostEnd(), 1.0), Chance(SilentLive(), 1.0)))
    with pytest.raises(InvalidInput, match=r"add up to 1\.1"):
        FaultPlan(chances=(Chance(Drop(), 0.5), Chance(Delay(), 0.6)))
    with pytest.raises(InvalidInput, match="strike cancelOrder add up"):
        FaultPlan(
            chances=(Chance(Drop(), 0.6, on=("cancelOrder",)), Chance(Delay(), 0.6, on=("cancelOrder",)))
        )


def test_the_nasty_plan_grows_with_its_intensity() -> None:
    """In proportion, from nothing on."""
    assert FaultPlan.nasty(0.0) == FaultPlan.none()
    half, full = FaultPlan.nasty(0.5), FaultPlan.nasty(1.0)
    assert [one.probability * 2 for one in half.chances] == [one.probability for one in full.chances]


def test_every_fault_can_be_said_in_a_file() -> None:
    """By name, with each of its parameters at its default, in a script and by chance."""
    for name, kind in ACTIONS.items():
        action = kind()
        fields = {
            key: list(value) if isinstance(value, tuple) else value
            for key, value in attrs.asdict(action).items()
            if value is not None
        }
        plan = parse_plan(
            {
                "script": [{"fault": name, **fields}],
                "chances": {name: {"probability": 0.5, **fields}},
            }
        )
        assert plan == FaultPlan(chances=(Chance(action, 0.5),), script=(Fault(action),))


def test_the_example_of_the_page_says_what_it_means() -> None:
    """docs/faults.md shows a file that can be read, in TOML and as the same in JSON."""
    [example] = re.findall(r"```toml\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)
    plan = parse_plan(tomllib.loads(example))
    assert plan.rate == RateLimit(per_s=50, strikes=3)
    assert Chance(Drop(), 0.02, on=("orderStatus", "cancelOrder")) in plan.chances
    assert Chance(Delay(seconds=(0.5, 4)), 0.03) in plan.chances
    assert [one for one in plan.chances if isinstance(one.action, HalfOpen)] == [
        Chance(HalfOpen(for_s=15, ends="revives"), 0.001),
        Chance(HalfOpen(for_s=(5, 20)), 0.001),
    ]
    nasty = {one.action.name for one in FaultPlan.nasty().chances}
    assert {one.action.name for one in plan.chances} == nasty
    assert plan.script == (
        Fault(Drop(), When(on="orderStatus", nth=2, order_id=5)),
        Fault(Correction(price_shift=0.02), When(on="execDetails", nth=3, times=3, client_id=1)),
        Fault(Outage(for_s=10, back=1101, leak=0), When(after_s=30)),
        Fault(Delay(seconds=2), When(on="cancelOrder", times=None, chance=0.5)),
    )
    assert parse_plan(json.loads(json.dumps(tomllib.loads(example)))) == plan


def test_the_page_has_a_row_for_every_fault() -> None:
    """And names each of its parameters there."""
    page = PAGE.read_text(encoding="utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \|(.*)$", page, re.MULTILINE))
    for name, kind in ACTIONS.items():
        missing = [field.name for field in attrs.fields(kind) if f"`{field.name}`" not in rows[name]]
        assert missing == [], name


@pytest.mark.parametrize(
    ("data", "key"),
    [
        ([], "the plan"),
        ({"chance": {}}, "chance"),
        ({"nasty": 2}, "nasty"),
        ({"nasty": "very"}, "nasty"),
        ({"answers": 1}, "answers"),
        ({"rate": 50}, "rate"),
        ({"rate": {"per_second": 50}}, "rate.per_second"),
        ({"rate": {"per_s": 0}}, "rate.per_s"),
        ({"chances": []}, "chances"),
        ({"chances": {"droop": 0.1}}, "chances.droop"),
        ({"chances": {"drop": 1.5}}, "chances.drop.probability"),
        ({"chances": {"drop": "often"}}, "chances.drop.probability"),
        ({"chances": {"drop": {}}}, "chances.drop.probability"),
        ({"chances": {"delay": {"probability": 0.1, "second": 1}}}, "chances.delay.second"),
        ({"chances": {"delay": {"probability": 0.1, "seconds": -1}}}, "chances.delay.seconds"),
        ({"chances": {"delay": [{"probability": 0.1}, {"probability": 2}]}}, "chances.delay[2].probability"),
        ({"chances": {"drop": {"probability": 0.1, "on": "nothing"}}}, "chances.drop.on"),
        ({"chances": {"drop": {"probability": 0.1, "on": 5}}}, "chances.drop.on"),
        ({"chances": {"drop": 0.7, "delay": 0.7}}, "chances"),
        ({"script": {}}, "script"),
        ({"script": ["drop"]}, "script[1]"),
        ({"script": [{"on": "openOrder"}]}, "script[1].fault"),
        ({"script": [{"fault": "drop"}, {"fault": "dorp"}]}, "script[2].fault"),
        ({"script": [{"fault": ["drop"]}]}, "script[1].fault"),
        ({"script": [{"fault": "drop", "orderid": 5}]}, "script[1].orderid"),
        ({"script": [{"fault": "drop", "nth": 0}]}, "script[1].nth"),
        ({"script": [{"fault": "drop", "times": "ever"}]}, "script[1].times"),
        ({"script": [{"fault": "bust", "on": "placeOrder"}]}, "script[1].on"),
        ({"script": [{"fault": "bust", "on": ["execDetails"]}]}, "script[1].on"),
    ],
)
def test_a_mistake_in_a_file_is_named(data: Any, key: str) -> None:
    """By the place of the key, and the rule."""
    with pytest.raises(InvalidInput) as caught:
        parse_plan(data)
    assert caught.value.argument == key


def test_a_misspelt_name_is_guessed() -> None:
    """The nearest one is offered."""
    with pytest.raises(InvalidInput, match="did you mean 'order_id'"):
        parse_plan({"script": [{"fault": "drop", "orderid": 5}]})
    with pytest.raises(InvalidInput, match="did you mean 'half_open'"):
        parse_plan({"chances": {"halfopen": 0.1}})


def test_files_are_read_by_their_name(tmp_path: Path) -> None:
    """JSON where it says so, otherwise TOML; one that cannot be read is named."""
    toml, other = tmp_path / "a.toml", tmp_path / "a.json"
    toml.write_text("nasty = 0.5", encoding="utf-8")
    other.write_text('{"nasty": 0.5}', encoding="utf-8")
    assert read_plan(toml) == read_plan(other) == FaultPlan.nasty(0.5)
    with pytest.raises(InvalidInput, match=r"none\.toml: cannot be read"):
        read_plan(tmp_path / "none.toml")
    for path, content in ((toml, b"nasty ="), (other, b"{"), (toml, b"\xff\xfe"), (other, b"[" * 100_000)):
        path.write_bytes(content)
        with pytest.raises(InvalidInput, match=path.name):
            read_plan(path)
