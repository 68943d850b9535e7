"""PNG pictures for the docs, drawn from the figures that a measure returned. Needs the ``bench`` extra."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["PlotsUnavailable", "latency", "scale", "throughput"]

_OURS = "tab:orange"
_FLOOR = "silver"
_OTHERS = ("tab:blue", "tab:green", "tab:purple", "tab:brown", "tab:olive", "tab:cyan")
_POINTS = ("p50", "p99", "p99.9", "max")


class PlotsUnavailable(ImportError):
    """The drawing library is not installed."""


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
    others = iter(_OTHERS * len(names))
    return {
        name: _OURS if name.startswith("ours") else _FLOOR if name.startswith("floor") else next(others)
        for name in names
    }


def throughput(folder: Path, rates: Mapping[str, Mapping[str, Sequence[float]]]) -> Path:
    """Draw bars of medians with the lowest and highest run.

    Args:
        folder: Where the picture goes.
        rates: Lowest, median and highest callbacks a second, by protocol version and contestant.
    """
    figure, axes = _figure(len(rates), 5.0 * len(rates), 3.6)
    colours = _colours([*dict.fromkeys(name for its in rates.values() for name in its)])
    for axis, (version, its) in zip(axes, rates.items(), strict=True):
        names = [*its][::-1]
        middle = [its[name][1] for name in names]
        low = [its[name][1] - its[name][0] for name in names]
        high = [its[name][2] - its[name][1] for name in names]
        axis.barh(names, middle, xerr=[low, high], color=[colours[name] for name in names], capsize=2)
        axis.set_xscale("log")
        axis.tick_params(axis="x", which="minor", labelbottom=False)
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
    figure, axes = _figure(len(_POINTS), 3.2 * len(_POINTS), 3.6)
    colours = _colours([*found])
    for number, (axis, point) in enumerate(zip(axes, _POINTS, strict=True)):
        for name, by_rate in found.items():
            rates = sorted(by_rate)
            style = "--" if "journal" in name else "-"
            axis.plot(
                rates, [by_rate[r][number] for r in rates], style, marker="o", color=colours[name], label=name
            )
        axis.set_xscale("log")
        axis.set_yscale("log")
        axis.set_xticks([*{rate for its in found.values() for rate in its}])
        axis.xaxis.set_major_formatter("{x:,.0f}")
        axis.tick_params(which="minor", labelbottom=False, labelleft=False)
        axis.set_xlabel("messages a second")
        axis.set_title(point)
        axis.grid(alpha=0.3)
    axes[0].set_ylabel("wire to listener, us")
    axes[0].legend(fontsize=7)
    figure.suptitle(setting)
    return _save(figure, folder, f"latency {setting}")


def scale(folder: Path, costs: Mapping[str, Mapping[int, Sequence[float]]]) -> Path:
    """Draw the cost of a callback against the number of orders in the book.

    Args:
        folder: Where the picture goes.
        costs: Lowest, median and highest microseconds, by what was measured and book size.
    """
    figure, axes = _figure(1, 6.0, 3.6)
    for name, by_size in costs.items():
        sizes = sorted(by_size)
        axes[0].plot(sizes, [by_size[size][1] for size in sizes], marker="o", label=name)
        axes[0].fill_between(
            sizes, [by_size[size][0] for size in sizes], [by_size[size][2] for size in sizes], alpha=0.2
        )
    axes[0].set_xscale("log")
    axes[0].set_ylim(bottom=0)
    axes[0].set_xlabel("orders in the book")
    axes[0].set_ylabel("CPU us a callback")
    axes[0].legend(fontsize=7)
    axes[0].grid(alpha=0.3)
    return _save(figure, folder, "scale")
