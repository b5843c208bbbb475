"""What was measured of a machine and its link, in words, as rows and as a page (pure)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from html import escape

from skyhaul.measure import Figures, Point, limit
from skyhaul.observe.text import rate_text
from skyhaul.transfer.fetch import PART_BYTES

HEADINGS = ("connections", "parts", "verified", "rate", "cores busy")
NEAR = 0.05
_ROW_PX, _LABEL_PX, _BAR_PX, _RATE_PX = 24, 130, 520, 110
_STYLE = (
    "body{font:15px system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1b2733;background:#fff}"
    "text{font:13px system-ui,sans-serif;fill:#1b2733}rect{fill:#2f6f9f}p.advice{font-weight:600}"
)


def row(point: Point) -> tuple[str, ...]:
    """One setup and what came of it, under HEADINGS."""
    setup = point.setup
    return (
        str(setup.connections),
        _mib(setup.part_bytes),
        "BLAKE3" if setup.verified else "no",
        rate_text(point.rate),
        f"{point.cores:.2f}",
    )


def advice(figures: Figures) -> str:
    """What to do, and what the limit is, in one line."""
    best = figures.best
    words = [f"--connections {best.setup.connections}: {rate_text(best.rate)}, verified"]
    if (smaller := _smaller_parts(figures)) is not None:
        words.append(f"parts of {_mib(smaller.setup.part_bytes)} would reach {rate_text(smaller.rate)}")
    words.append(_cost(figures))
    words.append(
        {
            "disk": f"the disk is the limit, with {rate_text(figures.disk_bytes_per_s)}",
            "processor": f"the processor is the limit: one process keeps {best.cores:.1f} of {figures.cores} cores busy",
            "link": "the link or the host is the limit, neither the disk nor the processor",
        }[limit(figures)]
    )
    return "; ".join(words)


def page(figures: Figures, title: str) -> str:
    """A self-contained HTML page: a bar for each setup, and the advice."""
    sections = "".join(f"<h2>{escape(name)}</h2>{_bars(bars)}" for name, bars in _panels(figures) if bars)
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f'<body><h1>{escape(title)}</h1><p class="advice">{escape(advice(figures))}</p>{sections}</body></html>\n'
    )


def _smaller_parts(figures: Figures) -> Point | None:
    """The best of other sizes of parts, where it is clearly faster than the size that downloads use."""
    usual = [point.rate for point in figures.by_part if point.setup.part_bytes == PART_BYTES]
    others = [point for point in figures.by_part if point.setup.part_bytes != PART_BYTES]
    best = max(others, key=lambda point: point.rate, default=None)
    known = max([figures.best.rate, *usual])
    return best if best is not None and best.rate > (1 + 2 * NEAR) * known else None


def _cost(figures: Figures) -> str:
    cost = 1 - figures.verified.rate / figures.unverified.rate if figures.unverified.rate else 0.0
    return "verification costs nothing that could be measured" if cost < NEAR else f"verification costs {cost:.0%}"


def _panels(figures: Figures) -> Iterator[tuple[str, list[tuple[str, float]]]]:
    yield "Connections", [(str(point.setup.connections), point.rate) for point in figures.by_connections]
    yield "Sizes of parts", [(_mib(point.setup.part_bytes), point.rate) for point in figures.by_part]
    yield (
        "Verification and disk",
        [
            ("BLAKE3", figures.verified.rate),
            ("none", figures.unverified.rate),
            ("disk alone", figures.disk_bytes_per_s),
        ],
    )


def _bars(bars: Sequence[tuple[str, float]]) -> str:
    most = max(rate for _, rate in bars) or 1.0
    rows = []
    for number, (label, rate) in enumerate(bars):
        top, width = number * _ROW_PX, _BAR_PX * rate / most
        rows.append(
            f'<text x="{_LABEL_PX - 8}" y="{top + 16}" text-anchor="end">{escape(label)}</text>'
            f'<rect x="{_LABEL_PX}" y="{top + 3}" width="{width:.1f}" height="{_ROW_PX - 6}"/>'
            f'<text x="{_LABEL_PX + width + 6:.1f}" y="{top + 16}">{escape(rate_text(rate))}</text>'
        )
    return (
        f'<svg role="img" width="{_LABEL_PX + _BAR_PX + _RATE_PX}" height="{len(bars) * _ROW_PX}">{"".join(rows)}</svg>'
    )


def _mib(count: int) -> str:
    return f"{count >> 20} MiB"
