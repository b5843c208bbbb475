"""An oracle for choosing among products: brute force on a map of whole degrees, with nothing of skyhaul in it but the product itself.

``python -m support.choosing`` prints the golden set anew.
"""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import combinations
from itertools import product as every
from typing import Any

from skyhaul.model import Product

Cell = tuple[int, int]
Spec = dict[str, Any]

_AXIS_M, _FLATTENING = 6_378_137.0, 1 / 298.257223563
_S2 = re.compile(r"(S2.)_MSI(L..)_(\d{8}T\d{6})_N(\d{4})_R(\d{3})_T(.{5})_(\d{8}T\d{6})")


AREAS = ([[2, 2, 8, 6]], [[0, 0, 14, 10]], [[1, 1, 3, 3], [5, 2, 9, 7]], [[4, 3, 5, 4]])
"""Rectangles of whole degrees: west, south, east, north."""

# --- what there is


def worlds() -> dict[str, list[Spec]]:
    """Products in rectangles of whole degrees, with all that makes a choice difficult: ties, gaps, versions, repetition of values."""
    return {f"w{seed}": _world(random.Random(seed), 7 + seed % 4) for seed in range(8)}


def _world(draw: random.Random, count: int) -> list[Spec]:
    made: list[Spec] = []
    for number in range(count):
        day, hour = draw.choice([1, 1, 2, 3, 8, 15, 31]), draw.choice([0, 10, 10, 23])
        month = draw.choice([6, 7, 7, 7, 8]) if day < 31 else 7
        start = datetime(2024, month, day, hour, draw.choice([0, 30]), tzinfo=UTC)
        tile, baseline = draw.choice(["31TCL", "31TDL", "32TQR"]), draw.choice(["0510", "0511", "9999"])
        published = start + timedelta(days=draw.choice([1, 1, 30]))
        name = f"S2A_MSIL2A_{start:%Y%m%dT%H%M%S}_N{baseline}_R022_T{tile}_{published:%Y%m%dT%H%M%S}.SAFE"
        west, south = draw.randrange(9), draw.randrange(6)
        spec: Spec = {
            "id": f"p{number}",
            "name": name if draw.random() > 0.1 else f"unheard-of-{number}",
            "start": start.isoformat(),
            "end": (start + timedelta(minutes=draw.choice([0, 0, 50]))).isoformat(),
            "published": published.isoformat(),
            "online": draw.random() > 0.3,
            "size": draw.choice([None, 10, 20, 30]),
            "attributes": {},
            "rectangle": [west, south, west + draw.randint(1, 5), south + draw.randint(1, 4)],
        }
        if draw.random() > 0.2:
            spec["attributes"]["cloudCover"] = draw.choice([0, 5.5, 20, 20.0, "20", 80.25])
        if draw.random() > 0.3:
            spec["attributes"]["orbitDirection"] = draw.choice(["ASCENDING", "DESCENDING"])
        if draw.random() < 0.1:
            spec["start"] = spec["end"] = None
        if draw.random() < 0.1:
            spec["rectangle"] = None
        made.append(spec)
    return made


def product_of(spec: Spec) -> Product:
    """The product that a description means."""
    return Product(
        id=spec["id"],
        name=spec["name"],
        provider="cdse",
        start=_time(spec["start"]),
        end=_time(spec["end"]),
        published=_time(spec["published"]),
        online=spec["online"],
        size=spec["size"],
        attributes=spec["attributes"],
        footprint=None if spec["rectangle"] is None else {"type": "Polygon", "coordinates": [_ring(spec["rectangle"])]},
    )


def area_wkt(rectangles: Sequence[Sequence[int]]) -> str:
    """Rectangles that do not touch each other, as WKT."""
    rings = [", ".join(f"{x} {y}" for x, y in _ring(each)) for each in rectangles]
    return f"MULTIPOLYGON ({', '.join(f'(({ring}))' for ring in rings)})"


def _ring(rectangle: Sequence[int]) -> list[list[int]]:
    west, south, east, north = rectangle
    return [[west, south], [east, south], [east, north], [west, north], [west, south]]


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


# --- what is asked


def calls() -> Iterator[tuple[str, Spec]]:
    """Every choice with every kind of argument."""
    yield from _calls_by_value()
    yield from _calls_by_time()
    for area in AREAS:
        yield from _calls_by_place(area)


def _calls_by_value() -> Iterator[tuple[str, Spec]]:
    for comparison, wanted in every(["eq", "ne", "lt", "le", "gt", "ge"], [20, "20", 5.5]):
        yield "by_property", {"name": "cloudCover", "comparison": comparison, "wanted": wanted}
    for name, comparison, wanted in (
        ("size", "eq", 20),
        ("size", "ge", 20),
        ("size", "in", [10, 30]),
        ("orbitDirection", "eq", "ASCENDING"),
        ("orbitDirection", "ne", "ASCENDING"),
        ("orbitDirection", "startswith", "DESC"),
        ("orbitDirection", "contains", "END"),
        ("orbitDirection", "endswith", "X"),
        ("tile", "in", ["31TCL", "32TQR"]),
        ("start", "ge", "2024-07-02"),
    ):
        yield "by_property", {"name": name, "comparison": comparison, "wanted": wanted}
    yield "online", {}
    yield "latest_versions", {}
    yield "latest_by_name", {"pattern": r"S2._.*_T(?P<tileid>\w{5})_"}
    yield "latest_by_name", {"pattern": r"S2._.*_T(?P<tileid>\d\d)\w{3}_"}
    for count, prefer in every([1, 2], [None, "cloudCover", "-cloudCover"]):
        yield "limit", {"count": count, "prefer": prefer}


def _calls_by_time() -> Iterator[tuple[str, Spec]]:
    days = ["2024-06-15", "2024-07-01", "2024-07-02T10:30:00Z", "2024-07-31", None]
    for start, end, mode in every(days, days, ["inside", "overlap"]):
        if (start or end) and not (start and end and start > end):
            yield "by_date", {"start": start, "end": end, "mode": mode}
    periods = ["day", "week", "month", "year", 10, "3d"]
    for period, group, prefer in every(periods, [None, "tile"], [None, "cloudCover", "-size"]):
        yield "one_per_period", {"period": period, "group_by": group, "prefer": prefer}
    moments = ["2024-07-02", "2024-07-20T12:00:00Z", "2024-07-01T10:30:00Z"]
    for when, count, group in every(moments, [1, 3], [None, "tile"]):
        yield "nearest", {"when": when, "count": count, "group_by": group}


def _calls_by_place(area: Sequence[Sequence[int]]) -> Iterator[tuple[str, Spec]]:
    for minimum in (0, 12, 55, 100):
        yield "overlapping", {"area": area, "minimum": minimum}
    for relation in ("intersects", "contains", "within"):
        yield "overlapping", {"area": area, "relation": relation}
    for gain, prefer in every([0.1, 30], [None, "cloudCover"]):
        yield "latest_cover", {"area": area, "minimum_gain": gain, "prefer": prefer}
        yield "smallest_cover", {"area": area, "minimum_gain": gain, "prefer": prefer}


def golden() -> Iterator[Spec]:
    """Every call on two of the worlds, turn by turn."""
    there = worlds()
    for number, (call, options) in enumerate(calls()):
        for world in (f"w{number % 8}", f"w{(number * 3 + 5) % 8}"):
            yield {"world": world, "call": call, "options": options, "kept": ask(call, there[world], options)}


# --- what is right


def ask(call: str, specs: Sequence[Spec], options: Spec) -> list[str]:
    """The ids that are kept, in the order in which they are given back."""
    return [spec["id"] for spec in _ANSWERS[call](specs, **options)]


def _by_date(specs: Sequence[Spec], start: str | None, end: str | None, mode: str) -> list[Spec]:
    low = _day(start)[0] if start else datetime(1, 1, 1, tzinfo=UTC)
    high = _day(end)[1] if end else datetime(9999, 1, 1, tzinfo=UTC)

    def fits(spec: Spec) -> bool:
        first, last = _time(spec["start"]), _time(spec["end"])
        if first is None or last is None:
            return True
        return low <= first and last <= high if mode == "inside" else not (last < low or first > high)

    return [spec for spec in specs if fits(spec)]


def _by_property(specs: Sequence[Spec], name: str, comparison: str, wanted: Any) -> list[Spec]:
    return [
        spec for spec in specs if (found := _property(spec, name)) is not None and _compares(found, comparison, wanted)
    ]


def _compares(found: Any, comparison: str, wanted: Any) -> bool:
    if comparison == "in":
        return any(_compares(found, "eq", each) for each in wanted)
    if comparison in {"contains", "startswith", "endswith"}:
        return bool(
            {"contains": wanted in found, "startswith": found.startswith(wanted), "endswith": found.endswith(wanted)}[
                comparison
            ]
        )
    if isinstance(found, datetime):
        wanted = _day(wanted)[0]
    elif not (isinstance(found, str) and isinstance(wanted, str)) or comparison not in {"eq", "ne"}:
        found, wanted = float(found), float(wanted)
    return bool(
        {
            "eq": found == wanted,
            "ne": found != wanted,
            "lt": found < wanted,
            "le": found <= wanted,
            "gt": found > wanted,
            "ge": found >= wanted,
        }[comparison]
    )


def _latest_versions(specs: Sequence[Spec]) -> list[Spec]:
    def acquisition(spec: Spec) -> tuple[str, ...]:
        found = _S2.match(spec["name"])
        return found.group(1, 2, 3, 5, 6) if found else (spec["name"],)

    best: dict[tuple[str, ...], Spec] = {}
    for spec in specs:
        known = best.setdefault(acquisition(spec), spec)
        if _version(spec) > _version(known):
            best[acquisition(spec)] = spec
    return list(best.values())


def _latest_by_name(specs: Sequence[Spec], pattern: str) -> list[Spec]:
    tiles: dict[str, list[Spec]] = {}
    for spec in specs:
        if found := re.match(pattern, spec["name"]):
            tiles.setdefault(found["tileid"], []).append(spec)
    latest = [max(held, key=lambda spec: (_started(spec), _version(spec))) for held in tiles.values()]
    return [spec for spec in specs if spec in latest]


def _one_per_period(specs: Sequence[Spec], period: str | int, group_by: str | None, prefer: str | None) -> list[Spec]:
    def which(spec: Spec) -> tuple[Any, ...]:
        moment = _started(spec)
        if period in {"day", "month", "year"}:
            found: Any = moment.strftime({"day": "%Y%m%d", "month": "%Y%m", "year": "%Y"}[str(period)])
        elif period == "week":
            found = (moment.date() - date(1970, 1, 5)).days // 7
        else:
            found = (moment.date() - date(1970, 1, 1)).days // int(str(period).removesuffix("d"))
        return found, _property(spec, group_by) if group_by else None

    timed = [spec for spec in specs if spec["start"]]
    return _firsts(specs, _ranked(timed, prefer), which, 1)


def _nearest(specs: Sequence[Spec], when: str, count: int, group_by: str | None) -> list[Spec]:
    low, high = _day(when)

    def far(spec: Spec) -> float:
        begun, ended = _started(spec), _time(spec["end"]) or _started(spec)
        return max((begun - high).total_seconds(), (low - ended).total_seconds(), 0.0)

    timed = [spec for spec in _ranked(specs, None) if spec["start"]]
    return _firsts(specs, sorted(timed, key=far), lambda spec: _property(spec, group_by) if group_by else None, count)


def _limit(specs: Sequence[Spec], count: int, prefer: str | None) -> list[Spec]:
    return _firsts(specs, _ranked(specs, prefer), lambda spec: _property(spec, "tile"), count)


def _overlapping(
    specs: Sequence[Spec], area: Sequence[Sequence[int]], minimum: float = 0, relation: str | None = None
) -> list[Spec]:
    place = _cells(*area)

    def fits(spec: Spec) -> bool:
        shown = _cells(spec["rectangle"])
        if relation == "contains":
            return place <= shown
        if relation == "within":
            return shown <= place
        if relation == "intersects":  # cells that touch, be it at a corner
            return any(abs(x - u) < 2 and abs(y - v) < 2 for x, y in place for u, v in shown)
        common = place & shown
        return bool(common) and max(_share(common, place), _share(common, shown)) >= minimum

    return [spec for spec in specs if spec["rectangle"] and fits(spec)]


def _latest_cover(
    specs: Sequence[Spec], area: Sequence[Sequence[int]], minimum_gain: float, prefer: str | None
) -> list[Spec]:
    rest, place = _cells(*area), _cells(*area)
    kept = []
    for spec in _ranked(specs, prefer):
        shown = _cells(spec["rectangle"]) & place
        new = shown & rest
        if new and 100 * len(new) >= minimum_gain * len(shown):
            kept.append(spec)
            rest -= shown
    return kept


def _smallest_cover(
    specs: Sequence[Spec], area: Sequence[Sequence[int]], minimum_gain: float, prefer: str | None
) -> list[Spec]:
    place = _cells(*area)
    ranked = [spec for spec in _ranked(specs, prefer) if _cells(spec["rectangle"]) & place]
    shown = [_cells(spec["rectangle"]) & place for spec in ranked]
    alike: dict[tuple[int, ...], set[Cell]] = {}
    for cell in place:
        alike.setdefault(tuple(at for at, cells in enumerate(shown) if cell in cells), set()).add(cell)
    needed = [
        cells
        for who, cells in alike.items()
        if who and 100 * len(cells) >= minimum_gain * min(len(shown[at]) for at in who)
    ]
    for size in range(len(ranked) + 1):
        for choice in combinations(range(len(ranked)), size):
            together = set[Cell]().union(*(shown[at] for at in choice))
            if all(cells <= together for cells in needed):
                return [ranked[at] for at in choice]
    raise AssertionError("all of them together hold everything")


def shown_percent(specs: Sequence[Spec], area: Sequence[Sequence[int]]) -> float:
    """The percentage of an area that products show together."""
    place = _cells(*area)
    return _share(place & set[Cell]().union(*(_cells(spec["rectangle"]) for spec in specs)), place)


_ANSWERS: dict[str, Callable[..., list[Spec]]] = {
    "by_date": _by_date,
    "by_property": _by_property,
    "online": lambda specs: [spec for spec in specs if spec["online"]],
    "latest_versions": _latest_versions,
    "latest_by_name": _latest_by_name,
    "one_per_period": _one_per_period,
    "nearest": _nearest,
    "limit": _limit,
    "overlapping": _overlapping,
    "latest_cover": _latest_cover,
    "smallest_cover": _smallest_cover,
}


def _property(spec: Spec, name: str) -> Any:
    if name == "tile":
        found = _S2.match(spec["name"])
        return found[6] if found else None
    if name == "start":
        return _time(spec["start"])
    return spec["size"] if name == "size" else spec["attributes"].get(name)


def _ranked(specs: Sequence[Spec], prefer: str | None) -> list[Spec]:
    newest = sorted(specs, key=lambda spec: (_started(spec), _version(spec)), reverse=True)
    if prefer is None:
        return newest
    sign = -1 if prefer[0] == "-" else 1

    def wanted(spec: Spec) -> tuple[bool, float]:
        found = _property(spec, prefer.removeprefix("-"))
        return found is None, 0.0 if found is None else sign * float(found)

    return sorted(newest, key=wanted)


def _version(spec: Spec) -> tuple[Any, ...]:
    found = _S2.match(spec["name"])
    baseline = -1 if not found or found[4] == "9999" else int(found[4])
    return baseline, spec["published"], found[7] if found else "", spec["name"], spec["id"]


def _firsts(specs: Sequence[Spec], ranked: Sequence[Spec], group: Callable[[Spec], Any], count: int) -> list[Spec]:
    kept: list[Spec] = []
    for spec in ranked:
        if sum(group(each) == group(spec) for each in kept) < count:
            kept.append(spec)
    return [spec for spec in specs if spec in kept]


def _started(spec: Spec) -> datetime:
    return _time(spec["start"]) or datetime(1, 1, 1, tzinfo=UTC)


def _day(text: str) -> tuple[datetime, datetime]:
    """The first and the last moment of a day; a time is both."""
    if "T" in text:
        moment = datetime.fromisoformat(text)
        return moment, moment
    first = datetime.fromisoformat(text).replace(tzinfo=UTC)
    return first, first + timedelta(days=1) - timedelta(microseconds=1)


def _cells(*rectangles: Sequence[int] | None) -> set[Cell]:
    return {cell for each in rectangles if each for cell in every(range(each[0], each[2]), range(each[1], each[3]))}


def _share(part: set[Cell], whole: set[Cell]) -> float:
    return round(100 * sum(map(_square_metres, part)) / sum(map(_square_metres, whole)), 2)


def _square_metres(cell: Cell) -> float:
    """A degree by a degree of the ellipsoid, by the closed formula for its zones."""
    e = math.sqrt(_FLATTENING * (2 - _FLATTENING))

    def zone(lat: float) -> float:
        sine = math.sin(math.radians(lat))
        return sine / (1 - (e * sine) ** 2) + math.log((1 + e * sine) / (1 - e * sine)) / (2 * e)

    return math.radians(1) * (_AXIS_M**2 * (1 - e * e) / 2) * (zone(cell[1] + 1) - zone(cell[1]))


def _lines() -> Iterator[str]:
    for name, specs in worlds().items():
        yield json.dumps({"world": name, "products": specs})
    for case in golden():
        yield json.dumps(case)


if __name__ == "__main__":
    print(*_lines(), sep="\n")  # noqa: T201 what it is for
