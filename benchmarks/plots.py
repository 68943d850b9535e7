"""PNG pictures for the docs, drawn from the figures that a measure returned. Needs the ``bench`` extra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PlotsUnavailable", "check", "latency", "scale", "throughput"]

_OURS, _COMPILED = "tab:orange", "tab:red"
_FLOOR = "silver"
_CUT = "floor, cut only"
_OTHERS = ("tab:blue", "tab:green", "tab:purple", "tab:brown", "tab:olive", "tab:cyan")
_WAYS = {"journal": "--", "profile": ":", "polling": "-."}
"""How a line is drawn when its name tells of it; the first that fits."""
_POINTS = ("p50", "p99", "p99.9", "max")


class PlotsUnavailable(ImportError):
    """The drawing library is not installed."""


def check() -> None:
    """See that there can be pictures, before hours of measuring are spent on their figures.

    Raises:
        PlotsUnavailable: There cannot.
    """
    _figure(1, 1.0, 1.0)


def _figure(columns: int, width: float, height: float) -> tuple[Any, list[Any]]:
    """Make a figure with a row of axes, without any window."""
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - an extra
        from matplotlib.figure import Figure  # noqa: PLC0415 - an extra
    except ImportError as error:
        raise PlotsUnavailable("plots need matplotlib: pip install -e '.[bench]'") from error
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(1, columns, squeeze=False)[0])


def _save(figure: Any, folder: Path, name: str) -> Path:  # noqa: ANN401 - a figure of an extra
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{re.sub(r'[^a-z0-9]+', '-', name.lower()).strip('-')}.png"
    figure.savefig(path, dpi=110)
    return path


def _colours(names: Sequence[str]) -> dict[str, str]:
    """Give every name a colour; those that differ in a way of drawing have the same."""
    others = iter(_OTHERS * len(names))
    found: dict[str, str] = {}
    for name in names:
        if name.startswith("ours"):
            found[name] = _COMPILED if "compiled" in name else _OURS
        else:
            found[name] = _FLOOR if name.startswith("floor") else next(others)
    return found


def _way(name: str) -> str:
    return next((style for word, style in _WAYS.items() if word in name), "-")


def throughput(folder: Path, rates: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """Draw bars of medians with the lowest and highest run; without the floor that parses nothing.

    Args:
        folder: Where the picture goes.
        rates: Lowest, median and highest callbacks a second, by protocol version and contestant.
    """
    shown = {version: {n: r for n, r in its.items() if n != _CUT} for version, its in rates.items()}
    most = max(len(its) for its in shown.values())
    figure, axes = _figure(len(shown), 5.2 * len(shown), 1.2 + 0.28 * most)
    colours = _colours([*dict.fromkeys(name for its in shown.values() for name in its)])
    for axis, (version, its) in zip(axes, shown.items(), strict=True):
        names = [*its][::-1]
        middle = [its[name][1] for name in names]
        low = [its[name][1] - its[name][0] for name in names]
        high = [its[name][2] - its[name][1] for name in names]
        bars = axis.barh(names, middle, xerr=[low, high], color=[colours[name] for name in names], capsize=2)
        for bar, name in zip(bars, names, strict=True):
            bar.set_hatch("//" if "journal" in name else "")
            bar.set_edgecolor("white")
        axis.bar_label(bars, fmt="{:,.0f}", padding=4, fontsize=7)
        axis.margins(x=0.2)
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.tick_params(labelsize=8)
        axis.set_xlabel("order callbacks a second")
        axis.set_title(f"protocol version {version}")
        axis.grid(axis="x", alpha=0.3)
    return _save(figure, folder, "throughput")


def latency(folder: Path, setting: str, found: Mapping[str, Mapping[int, Sequence[float]]]) -> Path:
    """Draw percentiles against the message rate, one picture for each setting.

    Args:
        folder: Where the picture goes.
        setting: What else went on; it names the file.
        found: Microseconds at each percentile, by contestant and rate.
    """
    figure, axes = _figure(len(_POINTS), 3.2 * len(_POINTS), 4.4)
    rates = sorted({rate for its in found.values() for rate in its})
    values = [value for its in found.values() for points in its.values() for value in points]
    span = (min(values) / 1.5, max(values) * 1.5)  # alike for all, so that they can be compared
    draw = _lines if len(rates) > 1 else _dots
    for number, (axis, point) in enumerate(zip(axes, _POINTS, strict=True)):
        draw(axis, rates, {name: {r: its[number] for r, its in by.items()} for name, by in found.items()})
        (axis.set_ylim if draw is _lines else axis.set_xlim)(*span)
        axis.set_title(point)
        axis.grid(alpha=0.3)
    if len(rates) > 1:
        axes[0].set_ylabel("wire to listener, microseconds")
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=5, fontsize=8)
    else:
        for axis in axes[1:]:
            axis.tick_params(labelleft=False)
    figure.suptitle(f"{setting}{f', {rates[0]:,} messages a second' if len(rates) == 1 else ''}")
    return _save(figure, folder, f"latency {setting}")


def _lines(
    axis: Any,  # noqa: ANN401 - of an extra
    rates: Sequence[int],
    found: Mapping[str, Mapping[int, float]],
) -> None:
    """Draw one percentile against the rate."""
    colours = _colours([*found])
    for name, by_rate in found.items():
        mine = sorted(by_rate)
        heights = [by_rate[rate] for rate in mine]
        axis.plot(mine, heights, _way(name), marker="o", markersize=4, color=colours[name], label=name)
    axis.set_xscale("log")
    axis.set_yscale("log")
    axis.set_xticks(rates, [f"{rate:,}" for rate in rates], fontsize=8)
    axis.set_xlim(rates[0] / 1.5, rates[-1] * 1.5)
    axis.yaxis.set_major_formatter("{x:,.0f}")
    axis.tick_params(axis="x", which="minor", bottom=False)
    axis.tick_params(which="minor", labelbottom=False, labelleft=False)
    axis.set_xlabel("messages a second")


def _dots(
    axis: Any,  # noqa: ANN401 - of an extra
    rates: Sequence[int],
    found: Mapping[str, Mapping[int, float]],
) -> None:
    """Draw one percentile at the only rate, a row for each contestant."""
    colours = _colours([*found])
    for name in [*found][::-1]:
        axis.plot([found[name][rates[0]]], [name], marker="o", linestyle="", color=colours[name])
    axis.set_xscale("log")
    axis.xaxis.set_major_formatter("{x:,.0f}")
    axis.tick_params(axis="x", which="minor", labelbottom=False)
    axis.tick_params(labelsize=8)
    axis.set_xlabel("wire to listener, us")


def scale(folder: Path, costs: Mapping[str, Mapping[int, Sequence[float]]]) -> Path:
    """Draw the cost of a callback against the number of orders in the book.

    Args:
        folder: Where the picture goes.
        costs: Lowest, median and highest microseconds, by what was measured and book size.
    """
    figure, axes = _figure(1, 6.0, 3.6)
    for name, by_size in costs.items():
        sizes = sorted(by_size)
        axes[0].plot(sizes, [by_size[size][1] for size in sizes], marker="o", markersize=4, label=name)
        axes[0].fill_between(
            sizes, [by_size[size][0] for size in sizes], [by_size[size][2] for size in sizes], alpha=0.2
        )
    axes[0].set_xscale("log")
    axes[0].xaxis.set_major_formatter("{x:,.0f}")
    axes[0].set_ylim(bottom=0)
    axes[0].set_xlabel("orders in the book")
    axes[0].set_ylabel("CPU microseconds a callback")
    axes[0].legend(fontsize=7)
    axes[0].grid(alpha=0.3)
    return _save(figure, folder, "scale")
