"""How often a place was seen: acquisitions in number, their gaps, their months and years (pure).

Archives cut what a satellite sees in one pass into slices and tiles, some seconds apart or not at all. Their gaps say nothing of how often
it comes back, so passes are counted too: what one satellite acquired without a longer break.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from statistics import fmean, median, stdev
from typing import Any

from skyhaul.model import Product, stamp
from skyhaul.select.facts import platform, sensed, unique

PASS_BREAK = timedelta(minutes=20)
"""What is further apart is another pass: a satellite comes back to a latitude after a quarter of an orbit at the least, near the poles."""

_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gaps:
    """Days between one acquisition and the next. ``std`` is that of a sample (n - 1), 0 where there is but one gap."""

    min: float
    max: float
    mean: float
    median: float
    std: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistics:
    """Acquisitions by the start of sensing. Of a single one there are no gaps, nor does it make a month or a year."""

    starts: tuple[datetime, ...]
    gaps: Gaps | None
    by_month: Mapping[str, int]
    by_year: Mapping[int, int]

    def as_dict(self) -> dict[str, Any]:
        """The figures under the names that scripts know; nothing where nothing was acquired."""
        if not self.starts:
            return {}
        first, last = self.starts[0], self.starts[-1]
        gaps = self.gaps
        return {
            "total_acquisitions": len(self.starts),
            "date_range": {"start": stamp(first), "end": stamp(last), "span_days": (last - first).days},
            "temporal_gaps": gaps and {name: getattr(gaps, name) for name in ("min", "max", "mean", "median", "std")},
            "acquisitions_by_month": dict(self.by_month),
            "acquisitions_by_year": dict(self.by_year),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Revisit:
    """How often a place was seen: by passes, which is the answer, and by products, which other programs count."""

    per_pass: Statistics
    per_product: Statistics
    undated: int = 0


def revisits(products: Iterable[Product], *, pass_break: timedelta = PASS_BREAK) -> Revisit:
    """The statistics of products, which are taken to show one place.

    Args:
        products: in any order. Those without a sensing time are only counted.
        pass_break: products of one satellite that begin no later than this after the one before has ended are one pass.
    """
    pool = unique(products)
    dated = [(span, product) for product in pool if (span := sensed(product)) is not None]
    satellites: dict[str, list[tuple[datetime, datetime]]] = {}
    for span, product in dated:
        satellites.setdefault(platform(product) or "", []).append(span)
    passes = [begun for spans in satellites.values() for begun in _passes(spans, pass_break)]
    return Revisit(
        per_pass=_statistics(passes),
        per_product=_statistics([span[0] for span, _ in dated]),
        undated=len(pool) - len(dated),
    )


def _passes(spans: Sequence[tuple[datetime, datetime]], pass_break: timedelta) -> Iterable[datetime]:
    """When the passes of one satellite began."""
    until: datetime | None = None
    for begun, ended in sorted(spans):
        if until is None or begun - until > pass_break:
            yield begun
            until = ended
        until = max(until, ended)


def _statistics(starts: Sequence[datetime]) -> Statistics:
    ordered = sorted(starts)
    several = ordered if len(ordered) > 1 else []
    return Statistics(
        starts=tuple(ordered),
        gaps=_gaps([(after - before) / _DAY for before, after in pairwise(ordered)]),
        by_month=Counter(f"{start:%Y-%m}" for start in several),
        by_year=Counter(start.year for start in several),
    )


def _gaps(days: Sequence[float]) -> Gaps | None:
    if not days:
        return None
    spread = stdev(days) if len(days) > 1 else 0.0
    return Gaps(min=min(days), max=max(days), mean=fmean(days), median=median(days), std=spread)
