"""Acquisitions over time as a picture. Home of matplotlib, which is an extra."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

from skyhaul.errors import SettingsError, SinkError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from skyhaul.select.revisit import Statistics

_DAY_S = 86_400
_BINS_MAX = 20
_INCHES = (14, 10)
_DPI = 150


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
    try:
        from matplotlib.figure import Figure  # noqa: PLC0415 an extra, and slow to import
    except ImportError:
        raise SettingsError("plots need matplotlib: pip install 'skyhaul[plot]'") from None
    # A figure of its own: no window, and no state that other plots of this process share.
    figure = Figure(figsize=_INCHES, layout="constrained")
    figure.suptitle(title)
    (when, apart), (monthly, so_far) = figure.subplots(2, 2)
    _draw_starts(when, statistics)
    _draw_gaps(apart, statistics)
    _draw_months(monthly, statistics)
    _draw_sum(so_far, statistics)
    try:
        figure.savefig(path, dpi=_DPI, format="png")
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror})") from None


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
