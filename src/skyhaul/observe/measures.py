"""What was measured of a machine and its link, in words, as rows and as a page (pure)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from urllib.parse import urlsplit

from skyhaul.measure import Figures, Point, limit
from skyhaul.observe.text import rate_text
from skyhaul.transfer.fetch import PART_BYTES

HEADINGS = ("connections", "processes", "parts", "verified", "rate", "cores busy")
NEAR = 0.05
_TARGET_CHARS = 90
_ROW_PX, _LABEL_PX, _BAR_PX, _RATE_PX = 24, 130, 480, 170
_STYLE = (
    "body{font:15px system-ui,sans-serif;max-width:50rem;margin:2rem auto;padding:0 1rem;color:#1b2733;background:#fff}"
    "text{font:13px system-ui,sans-serif;fill:#1b2733}rect{fill:#9fbdd3}rect.chosen{fill:#2f6f9f}p.advice{font-weight:600}"
)


def row(point: Point) -> tuple[str, ...]:
    """One setup and what came of it, under HEADINGS."""
    setup = point.setup
    return (
        str(setup.connections),
        str(setup.processes),
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
    if (more := _more_processes(figures)) is not None:
        words.append(f"--processes {more.setup.processes} would reach {rate_text(more.rate)}")
    words.append(_cost(figures))
    words.append(
        {
            "disk": f"the disk is the limit, with {rate_text(figures.disk_bytes_per_s)}",
            "processor": f"the processor is the limit: one process keeps {best.cores:.1f} of {figures.cores} cores busy",
            "link": "the link or the host is the limit, neither the disk nor the processor",
        }[limit(figures)]
    )
    return "; ".join(words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """What one setup brought, in bytes a second. ``cores`` is how many it kept busy; the ``chosen`` one is recommended."""

    label: str
    rate: float
    cores: float | None = None
    chosen: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """Setups that differ in one thing, named with its unit by ``across``."""

    title: str
    across: str
    bars: tuple[Bar, ...]


def panels(figures: Figures) -> tuple[Panel, ...]:
    """What is drawn of the figures: parts and processes where there are several to compare."""
    setup = figures.best.setup
    streams = f"{setup.connections} connection{'s' if setup.connections > 1 else ''}"
    by_connections = [_bar(str(point.setup.connections), point, figures) for point in figures.by_connections]
    by_part = [_bar(str(point.setup.part_bytes >> 20), point, figures) for point in figures.by_part]
    by_processes = _processes(figures)
    rest = (
        _bar("BLAKE3", figures.verified, figures),
        _bar("length", figures.unverified, figures),
        Bar(label="disk alone", rate=figures.disk_bytes_per_s),
    )
    drawn = (
        Panel(title="Connections", across="connections at once", bars=tuple(by_connections)),
        Panel(title=f"Part sizes, {streams}", across="part size in MiB", bars=tuple(by_part)),
        Panel(title="Processes", across="processes", bars=tuple(by_processes)),
        Panel(title="Verification and disk", across="verified by", bars=rest),
    )
    return tuple(panel for panel in drawn if panel.bars)


def target(url: str | None) -> str:
    """What was measured, as a title names it: of an address neither login nor query, which may hold secrets."""
    if url is None:
        return "embedded archive on this machine"
    parts = urlsplit(url)
    host = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"
    short = host + parts.path
    if len(short) > _TARGET_CHARS:
        short = f"{host}/…/{parts.path.rpartition('/')[2]}"
    return short if len(short) <= _TARGET_CHARS else short[: _TARGET_CHARS - 1] + "…"


def page(figures: Figures, title: str, machine: str) -> str:
    """A self-contained HTML page: a bar for each setup, and the advice."""
    sections = "".join(
        f"<h2>{escape(panel.title)}</h2><p>MB/s by {escape(panel.across)}</p>{_bars(panel.bars)}"
        for panel in panels(figures)
    )
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f'<body><h1>{escape(title)}</h1><p>{escape(machine)}</p><p class="advice">{escape(advice(figures))}</p>{sections}</body></html>\n'
    )


def _smaller_parts(figures: Figures) -> Point | None:
    """The best of other sizes of parts, where it is clearly faster than the size that downloads use."""
    usual = [point.rate for point in figures.by_part if point.setup.part_bytes == PART_BYTES]
    others = [point for point in figures.by_part if point.setup.part_bytes != PART_BYTES]
    best = max(others, key=lambda point: point.rate, default=None)
    known = max([figures.best.rate, *usual])
    return best if best is not None and best.rate > (1 + 2 * NEAR) * known else None


def _more_processes(figures: Figures) -> Point | None:
    """The best of several processes, where it is clearly faster than one."""
    best = max(figures.by_processes, key=lambda point: point.rate, default=None)
    return best if best is not None and best.rate > (1 + 2 * NEAR) * figures.verified.rate else None


def _processes(figures: Figures) -> list[Bar]:
    if not figures.by_processes:
        return []
    better = _more_processes(figures) or figures.verified
    return [
        Bar(label=str(point.setup.processes), rate=point.rate, cores=point.cores, chosen=point is better)
        for point in (figures.verified, *figures.by_processes)
    ]


def _cost(figures: Figures) -> str:
    cost = 1 - figures.verified.rate / figures.unverified.rate if figures.unverified.rate else 0.0
    return "verification costs nothing that could be measured" if cost < NEAR else f"verification costs {cost:.0%}"


def _bar(label: str, point: Point, figures: Figures) -> Bar:
    return Bar(label=label, rate=point.rate, cores=point.cores, chosen=point.setup == figures.best.setup)


def _bars(bars: Sequence[Bar]) -> str:
    most = max(bar.rate for bar in bars) or 1.0
    rows = []
    for number, bar in enumerate(bars):
        kind = "chosen" if bar.chosen else "tried"
        top, width = number * _ROW_PX, _BAR_PX * bar.rate / most
        rows.append(
            f'<text x="{_LABEL_PX - 8}" y="{top + 16}" text-anchor="end">{escape(bar.label)}</text>'
            f'<rect class="{kind}" x="{_LABEL_PX}" y="{top + 3}" width="{width:.1f}" height="{_ROW_PX - 6}"/>'
            f'<text x="{_LABEL_PX + width + 6:.1f}" y="{top + 16}">{escape(_said(bar))}</text>'
        )
    return (
        f'<svg role="img" width="{_LABEL_PX + _BAR_PX + _RATE_PX}" height="{len(bars) * _ROW_PX}">{"".join(rows)}</svg>'
    )


def _said(bar: Bar) -> str:
    return rate_text(bar.rate) + (f", {bar.cores:.1f} cores" if bar.cores is not None else "")


def _mib(count: int) -> str:
    return f"{count >> 20} MiB"
