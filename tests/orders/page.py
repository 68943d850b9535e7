"""Writes docs/order-types.md from the builders themselves: ``python -m tests.orders.page``."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import attrs

from ibkr_core import orders
from ibkr_core.model.algos import ALGOS
from ibkr_core.model.conditions import CONDITIONS
from ibkr_core.model.orderrules import CHANGE_RULES, RULES
from tests.orders.samples import BUILT

PAGE = Path(__file__).parents[2] / "docs" / "order-types.md"
GROUPS = {
    "basic": "Basic orders",
    "auction": "Auctions",
    "pegged": "Pegged orders",
    "options": "Volatility orders",
    "adjustable": "Adjustable stops",
    "scale": "Scale orders",
    "hedge": "Hedges",
    "combos": "Combinations",
    "attached": "Conditions and algorithms",
    "prices": "Prices",
}
HEAD = """# Order types

Written by `python -m tests.orders.page` from the code; a test holds it in step.

`ibkr_core.orders` has a builder for every order type that the official API documents. Each returns an
`Order`; further fields go in as keywords, by our names (`tif="GTC"`) or official ones (`sweepToFill=True`). A
field that a builder sets itself is not given twice.

```python
from ibkr_core import Contract, orders

entry = orders.limit("BUY", 5000, "101.25", tif="GTC", algo=orders.Vwap(max_pct_vol="0.1"))
late = orders.conditional(orders.market("BUY", 100), orders.TimeCondition(time="20301220-14:30:00"))
stop = orders.adjusted_to_stop(orders.stop("SELL", 100, 95), trigger_price=110, stop_price=101)
close = orders.market_on_close("SELL", 100)
```

An order is held against the rules below before anything is written down or sent; the error names the field,
what must be, and the rule. `EngineSettings(order_rules=False)` leaves all of that to the broker. A field that
the installed ibapi or the session's protocol version cannot carry is refused too (`UnknownField`,
`RequestRefused`): nothing is left out of an order in silence.

`engine.modify(order_id, ...)` keeps every field that is not named as it was last sent. What no modification
may change is placed anew by `engine.replace(order_id, ...)`: it cancels, waits for the proof of the end, and
sends the new order for what the old one left. Never are both alive; a process that dies in between leaves
none.
`engine.check_order` asks the broker what the instrument takes and in what steps its price moves; the pure
checks under *Prices* do the last part with a price rule, or a quote, that you have.

On the simulated gateway every builder's order works or fills, but for currency hedges (10063: everything
there is paid in the base currency) and scale orders that take profits, move their start or vary their sizes
(10340). See [gateway.md](gateway.md).
"""


def builders() -> Iterator[tuple[str, list[Any]]]:
    """Yield each group's module name and its builders, in the order of the source."""
    for name in GROUPS:
        module = importlib.import_module(f"ibkr_core.orders.{name}")
        made = [getattr(module, one) for one in module.__all__]
        functions = [one for one in made if inspect.isfunction(one)]
        yield name, sorted(functions, key=lambda one: inspect.unwrap(one).__code__.co_firstlineno)


def parts(text: str) -> tuple[str, dict[str, str]]:
    """Split a docstring into its words and what it says of each argument or attribute."""
    words, _, rest = (
        re.split(r"\n(?=(Args|Attributes):\n)", text + "\n", maxsplit=1) if _lists(text) else (text, "", "")
    )
    found: dict[str, str] = {}
    if rest:
        body = re.split(r"\n\n(?=\w+:\n)", rest)[0].partition("\n")[2]
        for entry in re.findall(r"^ {4}(\S.*?:(?:.|\n)*?)(?=^ {4}\S|\Z)", body, re.MULTILINE):
            name, _, meaning = entry.partition(":")
            found[name.strip("*")] = " ".join(meaning.split())
    words = re.split(r"\n\n(?=(?:Raises|Returns):\n)", words)[0]
    return "\n\n".join(" ".join(one.split()) for one in words.strip().split("\n\n")), found


def _lists(text: str) -> bool:
    return re.search(r"\n(Args|Attributes):\n", text + "\n") is not None


def plain(text: str) -> str:
    """Turn docstring markup into that of a page."""
    text = re.sub(r":\w+:`~?(?:[\w.]+\.)?(\w+)`", r"`\1`", text)
    return text.replace("``", "`").replace("|", "\\|")


def signature(function: Any) -> str:
    """Return how a builder is called, without types."""
    shown, starred = [], False
    for one in inspect.signature(function).parameters.values():
        if one.kind is one.KEYWORD_ONLY and not starred:
            shown.append("*")
            starred = True
        text = f"**{one.name}" if one.kind is one.VAR_KEYWORD else one.name
        if one.default is not one.empty:
            value = one.default
            text += f"={value.name if hasattr(value, 'name') and not isinstance(value, str) else value!r}"
        shown.append(text)
    return f"{function.__name__}({', '.join(shown)})"


def table(names: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(names) + " |", "|---" * len(names) + "|"]
    return "\n".join(lines + ["| " + " | ".join(row) + " |" for row in rows])


def section(function: Any) -> str:
    """Return a builder's part of the page."""
    words, meant = parts(inspect.getdoc(function) or "")
    text = f"### `{function.__name__}`\n\n`{signature(function)}`\n\n{plain(words)}\n"
    rows = [(f"`{name}`", plain(meaning)) for name, meaning in meant.items() if name != "fields"]
    if rows:
        text += "\n" + table(("argument", "meaning"), rows) + "\n"
    sample = BUILT.get(function.__name__)
    if sample is not None:
        fields = ", ".join(
            f"`{name}`" for name in ("orderType", *sorted(set(sample.official) - {"orderType"}))
        )
        text += f"\nOfficial fields: {fields}. `orderType` is `{sample.official['orderType']}`.\n"
    return text


def values(title: str, kinds: dict[str, type]) -> str:
    """Return a table for each kind of value."""
    text = f"## {title}\n"
    for name, kind in kinds.items():
        words, meant = parts(inspect.getdoc(kind) or "")
        fields = [one.name for one in attrs.fields(kind)]
        rows = [(f"`{one}`", plain(meant[one])) for one in fields]
        text += f"\n### `{name}`\n\n{plain(words)}\n\n" + table(("field", "meaning"), rows) + "\n"
    return text


def rules() -> str:
    """Return the tables of rules."""
    seen: dict[str, list[Any]] = {}
    for rule in RULES:
        seen.setdefault(rule.name, []).append(rule)
    rows = [
        (name, ", ".join(f"`{one.argument}`" for one in same), plain(same[0].text), plain(same[0].source))
        for name, same in seen.items()
    ]
    changes = [(one.name, f"`{one.argument}`", plain(one.text), one.source) for one in CHANGE_RULES]
    names = ("rule", "field", "what must be", "source")
    return (
        "## Rules for an order\n\nCodes are the broker's.\n\n"
        + table(names, rows)
        + "\n\n## Rules for a modification\n\nA change that breaks one needs `engine.replace`.\n\n"
        + table(names, changes)
        + "\n"
    )


def page() -> str:
    """Return the whole page."""
    text = HEAD
    for name, made in builders():
        module = importlib.import_module(f"ibkr_core.orders.{name}")
        words, _ = parts(inspect.getdoc(module) or "")
        text += f"\n## {GROUPS[name]}\n\n{plain(words)}\n\n" + "\n".join(section(one) for one in made)
    text += "\n" + values("Conditions", {one.__name__: one for one in CONDITIONS})
    text += "\n" + values("Algorithms", {one.__name__: one for one in ALGOS.values()})
    text += f"\n`OtherAlgo(name, parameters)`: {plain(parts(inspect.getdoc(orders.OtherAlgo) or '')[0])}\n"
    return text + "\n" + rules()


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
