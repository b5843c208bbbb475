"""Pictures: acquisitions over time, what a machine and its link can do. Home of matplotlib, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any

from skyhaul.errors import SettingsError, SinkError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from skyhaul.observe.measures import Bar, Panel
    from skyhaul.select.revisit import Statistics

_DAY_S = 86_400
_BINS_MAX = 20
_INCHES = (14, 10)
_DPI = 150
_BENCH_INCHES = (12, 7)
_BENCH_DPI = 100
_BARS_LEAST = 2.4
_MANY_BARS = 14
_LINE_CHARS = 115
_HEADROOM = 1.2
"""Above the highest bar, for what stands on it."""

_TRIED, _CHOSEN = "#9fbdd3", "#2f6f9f"


def plot(statistics: Statistics, path: Path, title: str) -> None:
    """Write a PNG of four panels: when, how far apart, how many a month, how many so far.

    Args:
        statistics: of two acquisitions at least.
        path: where to; its folder has to be there.
        title: what stands above.

    Raises:
        SettingsError: there is too little to draw, or matplotlib is not installed.
        SinkError: the file cannot be written.
    """
    if statistics.gaps is None:
        raise SettingsError("a plot takes two acquisitions at least")
    figure = blank(_INCHES)
    figure.suptitle(title)
    (when, apart), (monthly, so_far) = figure.subplots(2, 2)
    _draw_starts(when, statistics)
    _draw_gaps(apart, statistics)
    _draw_months(monthly, statistics)
    _draw_sum(so_far, statistics)
    _save(figure, path, _DPI)


def draw_panels(panels: Sequence[Panel], path: Path, *, title: str, machine: str, advice: str) -> None:
    """Write a PNG of 1200 × 700: rates side by side, one panel for each thing that was varied, and what they come to.

    Raises:
        SettingsError: matplotlib is not installed.
        SinkError: the file cannot be written.
    """
    figure = blank(_BENCH_INCHES)
    figure.suptitle(f"{_wrapped(title)}\n{_wrapped(machine)}", fontsize=12)
    widths = [max(_BARS_LEAST, len(panel.bars)) for panel in panels]
    across = figure.subplots(1, len(panels), width_ratios=widths, squeeze=False)[0]
    small = sum(len(panel.bars) for panel in panels) > _MANY_BARS
    for axes, panel in zip(across, panels, strict=True):
        _draw_rates(axes, panel, fontsize=7 if small else 8.5)
    _draw_legend(across[0])
    figure.supxlabel(_wrapped(advice), fontsize=11)
    _save(figure, path, _BENCH_DPI)


def blank(inches: tuple[float, float]) -> Figure:
    """A figure of its own: no window, and no state that other plots of this process share.

    Raises:
        SettingsError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 an extra, and slow to import
    except ImportError:
        raise SettingsError("plots need matplotlib: pip install 'skyhaul[plot]'") from None
    return Figure(figsize=inches, layout="constrained")


def _save(figure: Figure, path: Path, dpi: int) -> None:
    try:
        figure.savefig(path, dpi=dpi, format="png")
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror})") from None


def _wrapped(text: str) -> str:
    return "\n".join(wrap(text, _LINE_CHARS, break_long_words=True))


def _draw_rates(axes: Axes, panel: Panel, fontsize: float) -> None:
    rates = [bar.rate / 1e6 for bar in panel.bars]
    colors = [_CHOSEN if bar.chosen else _TRIED for bar in panel.bars]
    drawn = axes.bar(range(len(rates)), rates, color=colors, width=0.72)
    axes.bar_label(drawn, [_label_of(bar) for bar in panel.bars], fontsize=fontsize, padding=2)
    axes.set_xticks(range(len(rates)), [bar.label.replace(" ", "\n") for bar in panel.bars])
    axes.set_ylim(0, max(_HEADROOM * max(rates), 1e-3))
    _label(axes, panel.title, panel.across, "MB/s")
    axes.title.set_fontsize(11)
    axes.grid(visible=False, axis="x")
    axes.set_axisbelow(True)


def _draw_legend(axes: Axes) -> None:
    from matplotlib.patches import Patch  # noqa: PLC0415 an extra, and slow to import

    meanings = [Patch(color=_CHOSEN, label="recommended"), Patch(color=_TRIED, label="tried")]
    axes.legend(handles=meanings, loc="upper right", ncols=2, fontsize=9, frameon=False)


def _label_of(bar: Bar) -> str:
    return f"{bar.rate / 1e6:.0f}" + (f"\n{bar.cores:.1f} cores" if bar.cores is not None else "")


def _draw_starts(axes: Axes, statistics: Statistics) -> None:
    starts: Any = statistics.starts  # matplotlib draws dates, and does not say so in its types
    axes.scatter(starts, range(1, len(starts) + 1), s=12)
    _label(axes, "acquisitions", "date", "number")


def _draw_gaps(axes: Axes, statistics: Statistics) -> None:
    days = [(after - before).total_seconds() / _DAY_S for before, after in pairwise(statistics.starts)]
    axes.hist(days, bins=min(_BINS_MAX, len(days)))
    if statistics.gaps is not None:
        axes.axvline(statistics.gaps.mean, color="red", linestyle="--", label=f"mean {statistics.gaps.mean:.1f}")
        axes.axvline(
            statistics.gaps.median, color="green", linestyle="--", label=f"median {statistics.gaps.median:.1f}"
        )
        axes.legend()
    _label(axes, "gaps", "days", "how many")


def _draw_months(axes: Axes, statistics: Statistics) -> None:
    months: Sequence[str] = sorted(statistics.by_month)
    axes.bar(months, [statistics.by_month[month] for month in months])
    axes.tick_params(axis="x", labelrotation=90)
    _label(axes, "acquisitions a month", "", "how many")


def _draw_sum(axes: Axes, statistics: Statistics) -> None:
    starts: Any = statistics.starts
    sums = range(1, len(starts) + 1)
    axes.plot(starts, sums)
    axes.fill_between(starts, sums, alpha=0.3)
    _label(axes, "acquisitions so far", "date", "how many")


def _label(axes: Axes, title: str, across: str, up: str) -> None:
    axes.set_title(title)
    axes.set_xlabel(across)
    axes.set_ylabel(up)
    axes.grid(visible=True, alpha=0.3)
