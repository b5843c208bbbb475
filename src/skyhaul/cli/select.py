"""``select``: choosing among the products of saved results."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from skyhaul.cli import steps
from skyhaul.cli.find import NOTHING_MATCHED, destination
from skyhaul.cli.options import Json
from skyhaul.cli.pool import loaded
from skyhaul.cli.tables import Job, foremost
from skyhaul.errors import SettingsError
from skyhaul.keys import ResultFormat

if TYPE_CHECKING:
    from skyhaul.area import Area
    from skyhaul.model import Product


def _option(name: str, help_: str, metavar: str | None = None) -> Any:
    # What a search is told by SKYHAUL_START and the like is not meant for what is chosen from its results.
    variable = "SKYHAUL_SELECT_" + name.removeprefix("--").replace("-", "_").upper()
    return typer.Option(name, help=help_, metavar=metavar, envvar=variable, show_default=False)


def select(
    context: typer.Context,
    files: Annotated[
        list[str],
        typer.Argument(metavar="FILE…", help="Results that 'skyhaul search' saved; - is stdin.", show_default=False),
    ],
    *,
    start: Annotated[
        str | None, _option("--start", "Sensed from here on (date or time, UTC; 30d is that long ago).", "WHEN")
    ] = None,
    end: Annotated[
        str | None, _option("--end", "Sensed up to here, included; a date includes that whole day.", "WHEN")
    ] = None,
    dates: Annotated[
        Literal["inside", "overlap"],
        _option("--dates", "All of the sensing in between (default), or some of it."),
    ] = "inside",
    bbox: Annotated[str | None, _option("--bbox", "Area between these degrees.", "W,S,E,N")] = None,
    aoi: Annotated[
        str | None, _option("--aoi", "Area from a file, WKT, corners or an MGRS tile.", "FILE|WKT|…")
    ] = None,
    point: Annotated[str | None, _option("--point", "Area that is one point, in degrees.", "LON,LAT")] = None,
    circle: Annotated[
        str | None, _option("--circle", "Area around a point, in degrees and kilometres.", "LON,LAT,KM")
    ] = None,
    overlap: Annotated[
        float,
        _option("--overlap", "Least share of the area, or of the product, that both have in common.", "PERCENT"),
    ] = 0.0,
    relation: Annotated[
        Literal["intersects", "contains", "within"] | None,
        _option("--relation", "Products that touch the area, show all of it, or lie in it."),
    ] = None,
    where: Annotated[
        list[str] | None,
        # Not from the environment: there it would be split at blanks, which conditions may hold.
        typer.Option(
            help="Condition on a property, such as 'cloudCover<=20' or 'tile in 31TCL,31TDL'; repeatable.",
            metavar="CONDITION",
            show_default=False,
        ),
    ] = None,
    online: Annotated[bool, _option("--online", "Only what can be downloaded at once.")] = False,
    latest_version: Annotated[
        bool, _option("--latest-version", "Of several processings of one acquisition, only the latest.")
    ] = False,
    latest_by_name: Annotated[
        str | None,
        _option(
            "--latest-by-name", "Of each tile the latest; a regular expression with a group (?P<tileid>…).", "REGEX"
        ),
    ] = None,
    one_per: Annotated[
        str | None,
        _option(
            "--one-per",
            "One product of each day, week, month, year, or so many days, as 10d, from --start on.",
            "PERIOD",
        ),
    ] = None,
    nearest: Annotated[
        str | None, _option("--nearest", "The product sensed nearest to a date or time.", "WHEN")
    ] = None,
    keep: Annotated[int | None, _option("--keep", "How many --nearest keeps (default 1).", "N")] = None,
    per_tile: Annotated[int | None, _option("--per-tile", "At most so many products of each tile.", "N")] = None,
    cover: Annotated[
        Literal["latest", "smallest"] | None,
        _option("--cover", "Products that show the area: the latest picture of it, or as few as possible."),
    ] = None,
    min_gain: Annotated[
        float | None,
        _option("--min-gain", "Percent of a product that has to be new for --cover (default 0.1).", "PERCENT"),
    ] = None,
    group_by: Annotated[
        str | None,
        _option("--group-by", "Do --one-per and --nearest for each value of a property, such as tile.", "PROPERTY"),
    ] = None,
    prefer: Annotated[
        str | None,
        _option(
            "--prefer",
            "Choose by this number or time, the least first, with - the most: cloudCover, -size.",
            "PROPERTY",
        ),
    ] = None,
    format_: Annotated[
        ResultFormat | None,
        typer.Option("--format", help="How to print products (default table).", envvar="SKYHAUL_FORMAT"),
    ] = None,
    output: Annotated[Path | None, typer.Option(help="Write to this file.", envvar="SKYHAUL_OUTPUT")] = None,
    job: Job = None,  # noqa: ARG001 read by its own callback, before the others
    json: Json = False,
) -> None:
    """Choose among the products of saved results.

    Choices are made in this order, whatever the order of the options: dates, area, --where, --online, --latest-version, --latest-by-name,
    --one-per, --nearest, --per-tile, --cover. Products are printed in the order of the files, those of a cover the preferred first.
    """
    area = _area(foremost(context, {"bbox": bbox, "aoi": aoi, "point": point, "circle": circle}))
    if prefer is not None and all(each is None for each in (one_per, nearest, per_tile, cover)):
        raise SettingsError("--prefer needs --one-per, --nearest, --per-tile or --cover")
    todo = [
        *steps.dates(start, end, dates),
        *steps.overlap(area, overlap, relation),
        *steps.conditions(where or [], online=online),
        *steps.versions(latest_version=latest_version, pattern=latest_by_name),
        *steps.series(one_per, nearest, keep, origin=start, group_by=group_by, prefer=prefer),
        *steps.numbers(per_tile, prefer),
        *steps.cover(area, cover, min_gain, prefer),
    ]
    pool = loaded(files)
    form: ResultFormat = "jsonl" if json else format_ or ("names" if pool.names else "table")
    if pool.names and form != "names":
        raise SettingsError(f"{pool.names} holds names alone, and can be printed as names alone, not as {form}")
    steps.check(todo, pool.products, pool.names)
    for sentence in (*_notices(area), pool.said):
        _say(sentence)
    left: Sequence[Product] = pool.products
    for step in todo:
        left, said = steps.taken(step, left)
        _say(said)
    _print(left, area, form, output)


def _print(found: Sequence[Product], area: Area | None, form: ResultFormat, output: Path | None) -> None:
    from skyhaul.results import Writer
    from skyhaul.select import with_coverage

    if area is not None:
        found = with_coverage(found, area.wkt)
    with destination(output) as stream, Writer(form, stream) as writer:
        for product in found:
            writer.add(product)
    if not found:
        _say("nothing left")
        raise typer.Exit(NOTHING_MATCHED)


def _area(given: dict[str, Any]) -> Area | None:
    if not given:
        return None
    if len(given) > 1:
        first, second, *_ = given
        raise SettingsError(f"--{first} and --{second} exclude each other: give one of them")
    from skyhaul.area import parse_area

    with steps.named(f"--{next(iter(given))}"):
        return parse_area(**given)


def _notices(area: Area | None) -> Sequence[str]:
    if area is None:
        return ()
    # The last notice of an area that is too long for a filter is about what archives are asked: none is.
    return area.notices[:-1] if area.asked else area.notices


def _say(sentence: str) -> None:
    from skyhaul.observe.text import clean

    sys.stderr.write(f"skyhaul: {clean(sentence)}\n")
