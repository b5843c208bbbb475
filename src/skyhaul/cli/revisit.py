"""``revisit``: how often the place of a saved result was seen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from skyhaul.cli.options import Json
from skyhaul.cli.tables import Job

if TYPE_CHECKING:
    from skyhaul.model import Product
    from skyhaul.select import Revisit, Statistics

_MONTHS_A_ROW = 6


def revisit(
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Results that 'skyhaul search' saved; - is stdin.", show_default=False),
    ],
    *,
    group_by: Annotated[
        str | None,
        typer.Option(
            help="Figures for each value of a property, such as tile, platform or relativeOrbitNumber.",
            metavar="PROPERTY",
            show_default=False,
            envvar="SKYHAUL_REVISIT_GROUP_BY",
        ),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            help="Draw passes over time into this PNG file.",
            metavar="FILE",
            show_default=False,
            envvar="SKYHAUL_REVISIT_PLOT",
        ),
    ] = None,
    job: Job = None,  # noqa: ARG001 read by its own callback, before the others
    json: Json = False,
) -> None:
    """Say how often a place was seen: passes of satellites, the days between them, their months and years."""
    from skyhaul.cli import steps
    from skyhaul.cli.pool import loaded
    from skyhaul.cli.show import print_json, print_rows
    from skyhaul.select import revisits
    from skyhaul.select.facts import grouping

    pool = loaded(files)
    steps.check_properties([group_by] if group_by else [], pool.products, pool.names, "--group-by")
    groups: dict[object, list[Product]] = {}
    which = grouping(group_by)
    for product in pool.products:
        groups.setdefault(which(product), []).append(product)
    found = {value: revisits(groups[value]) for value in sorted(groups, key=str)}
    if plot is not None:
        _plot(revisits(pool.products), plot, pool.said)
    for value, each in found.items():
        if json:
            print_json(({group_by: value} if group_by else {}) | _figures(each))
        else:
            print_rows([*([(group_by, str(value))] if group_by else []), *_rows(each)])
    _say_undated(list(found.values()))


def _figures(found: Revisit) -> dict[str, Any]:
    return {"per_pass": found.per_pass.as_dict(), "per_product": found.per_product.as_dict()}


def _rows(found: Revisit) -> list[tuple[str, str]]:
    passes = found.per_pass
    return [
        ("passes", _span_text(passes)),
        ("days between", _gaps_text(passes)),
        *_chunks("a month", [f"{month} {count}" for month, count in passes.by_month.items()]),
        *_chunks("a year", [f"{year} {count}" for year, count in passes.by_year.items()]),
        ("products", _span_text(found.per_product)),
        ("days between", _gaps_text(found.per_product)),
    ]


def _span_text(statistics: Statistics) -> str:
    if not statistics.starts:
        return "none with a date"
    first, last = statistics.starts[0], statistics.starts[-1]
    return f"{len(statistics.starts)} from {first:%Y-%m-%d} to {last:%Y-%m-%d} ({(last - first).days} days)"


def _gaps_text(statistics: Statistics) -> str:
    gaps = statistics.gaps
    if gaps is None:
        return "one alone has none" if statistics.starts else ""
    return f"mean {gaps.mean:.2f}  median {gaps.median:.2f}  min {gaps.min:.2f}  max {gaps.max:.2f}  std {gaps.std:.2f}"


def _chunks(label: str, cells: Sequence[str]) -> list[tuple[str, str]]:
    rows = ["  ".join(cells[at : at + _MONTHS_A_ROW]) for at in range(0, len(cells), _MONTHS_A_ROW)]
    return [("" if number else label, row) for number, row in enumerate(rows)]


def _plot(found: Revisit, path: Path, title: str) -> None:
    from skyhaul.observe.plot import plot

    plot(found.per_pass, path, f"{len(found.per_pass.starts)} passes, {title}")


def _say_undated(found: Sequence[Revisit]) -> None:
    if undated := sum(each.undated for each in found):
        sys.stderr.write(f"skyhaul: {undated} products without a date are left out\n")
