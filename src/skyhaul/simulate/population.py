"""Which products a generated world holds: acquisitions chosen from what the satellites would really have passed over."""

from __future__ import annotations

import datetime as dt
import math
from array import array
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING

from skyhaul.simulate.clock import DAY_US, SECOND_US, to_us
from skyhaul.simulate.footprints import clipped, contains, outline
from skyhaul.simulate.missions.base import Acquisition, Edition, Series
from skyhaul.simulate.missions.sentinel1 import S1_ORBIT, S1_SATELLITES, Auxiliary, Sentinel1
from skyhaul.simulate.missions.sentinel2 import S2_ORBIT, S2_SATELLITES, Sentinel2
from skyhaul.simulate.missions.sentinel3 import S3_ORBIT, S3_SATELLITES, Olci
from skyhaul.simulate.missions.sentinel5p import S5P_ORBIT, S5P_SATELLITES, Tropomi
from skyhaul.simulate.orbits import distance_km, wrapped
from skyhaul.simulate.places import HOME, NAMED, SITES, tiles

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from skyhaul.simulate.missions.base import Mission
    from skyhaul.simulate.nouns import WorldSettings
    from skyhaul.simulate.orbits import Orbit, Point
    from skyhaul.simulate.places import Tile

Span = tuple[dt.datetime, dt.datetime]

LEVEL_2A, LEVEL_1C = Sentinel2("2A"), Sentinel2("1C")
# What is not listed here is Sentinel-2 L2A: eight products in ten.
SHARES: dict[Mission, float] = {
    LEVEL_1C: 0.08,
    Sentinel1("IW_GRDH_1S"): 0.03,
    Sentinel1("IW_GRDH_1S-COG"): 0.01,
    Sentinel1("IW_SLC__1S"): 0.02,
    Olci("NR"): 0.01,
    Olci("NT"): 0.01,
    Tropomi(): 0.015,
    Auxiliary("AUX_POEORB"): 0.01,
    Auxiliary("AUX_INS"): 0.004,
    Auxiliary("AUX_CAL"): 0.002,
}
REPROCESSED_SHARE, WITHDRAWN_SHARE, BLIND_SHARE = 0.02, 0.02, 0.01
HOME_SHARE = 0.5

DATATAKE_S = 1792.0  # into the orbit, above the Arctic: where Sentinel-2 begins to look on its way south
S2_HALF_KM = 149.5
S1_NEAR_KM, S1_FAR_KM = 320.0, 570.0
S1_SLICES = range(-3, 4)  # along the track, around the one that covers the site
OLCI_LEFT_KM, OLCI_RIGHT_KM = -400.0, 870.0  # tilted away from the sun
TROPOMI_HALF_KM = 1300.0
LEAST_COVERAGE = 0.03
DEGREE_KM = 111.2


@dataclass(slots=True)
class Rows:
    """Acquisitions in compact arrays, ascending in start; row ``n`` is the n-th entry of each."""

    series: list[Series] = field(default_factory=list)
    codes: array[int] = field(default_factory=lambda: array("I"))
    starts: array[int] = field(default_factory=lambda: array("q"))
    editions: bytearray = field(default_factory=bytearray)

    @classmethod
    def of(cls, takes: Iterable[Acquisition], *, blind: bool) -> Rows:
        """``takes`` in order; with ``blind`` one in a hundred loses its footprint."""
        rows = cls()
        known: dict[tuple[int, bool], int] = {}
        for take in sorted(takes, key=lambda take: (take.start_us, take.series.salt, take.edition)):
            hidden = blind and take.mark % 1000 < BLIND_SHARE * 1000
            code = known.get((id(take.series), hidden))
            if code is None:
                code = known[id(take.series), hidden] = len(rows.series)
                rows.series.append(replace(take.series, footprint=None) if hidden else take.series)
            rows.codes.append(code)
            rows.starts.append(take.start_us)
            rows.editions.append(take.edition)
        return rows

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[Acquisition]:
        return map(self.__getitem__, range(len(self)))

    def __getitem__(self, row: int) -> Acquisition:
        return Acquisition(self.series[self.codes[row]], self.starts[row], Edition(self.editions[row]))


def populate(settings: WorldSettings) -> tuple[Rows, Rows]:
    """The rows of the catalogue, exactly as many as asked for, and those of the deleted products.

    Raises:
        ValueError: there are not that many acquisitions between start and end.
    """
    span = (settings.start, settings.end)
    chosen: list[Acquisition] = []
    for mission, share in SHARES.items():
        if mission is not LEVEL_1C:
            chosen += spread(others(mission, span), int(settings.products * share))
    doubled = int(settings.products * REPROCESSED_SHARE) if settings.oddities else 0
    level_1c = int(settings.products * SHARES[LEVEL_1C])
    level_2a = sentinel2(settings.products - len(chosen) - level_1c - 2 * doubled, span)
    chosen += level_2a
    chosen += twins(spread(level_2a, level_1c))
    chosen += [replace(take, edition=Edition.NEXT_BASELINE) for take in spread(level_2a, doubled)]
    chosen += [replace(take, edition=Edition.REPEATED) for take in spread(level_2a[::-1], doubled)]
    if len(chosen) < settings.products:
        raise ValueError(f"only {len(chosen)} acquisitions between {settings.start} and {settings.end}")
    withdrawn = max(1, int(settings.products * WITHDRAWN_SHARE))
    gone = [replace(take, edition=Edition.WITHDRAWN) for take in spread(level_2a[1:], withdrawn)]
    return Rows.of(chosen, blind=settings.oddities), Rows.of(gone, blind=False)


def spread(takes: Sequence[Acquisition], count: int) -> list[Acquisition]:
    """``count`` of ``takes`` at even steps, or all of them when there are no more."""
    count = min(count, len(takes))
    return [takes[n * len(takes) // count] for n in range(count)]


def sentinel2(count: int, span: Span) -> list[Acquisition]:
    """``count`` L2A acquisitions: half of them at home, a share for each named place, then tile after tile."""
    world = tiles()
    home = merged(tile_passes(tile, span) for tile in islice(world, len(HOME)))
    named = [tile_passes(tile, span) for tile in islice(world, len(NAMED))]
    chosen = spread(home, max(1, int(count * HOME_SHARE)))
    for left, passes in zip(range(len(named), 0, -1), named, strict=True):
        chosen += spread(passes, min(count - len(chosen), -(-(count - len(chosen)) // left)))
    for tile in world:
        if len(chosen) >= count:
            break
        chosen += spread(tile_passes(tile, span), count - len(chosen))
    return merged([chosen])


def merged(groups: Iterable[list[Acquisition]]) -> list[Acquisition]:
    """All acquisitions of ``groups`` by time."""
    return sorted((take for group in groups for take in group), key=lambda take: (take.start_us, take.series.place))


def tile_passes(tile: Tile, span: Span) -> list[Acquisition]:
    """Every L2A acquisition of a tile by time."""
    return merged(takes(series, span) for series in tile_series(tile))


def takes(series: Series, span: Span) -> list[Acquisition]:
    """Every pass of a series; Sentinel-2 datatakes begin at the same fraction of a second on each."""
    found = map(to_us, series.satellite.passes(series.relative, series.second, *span))
    if series.mission is LEVEL_2A:
        offset_us = series.satellite.first.microsecond
        return [Acquisition(series, at_us // SECOND_US * SECOND_US + offset_us) for at_us in found]
    return [Acquisition(series, at_us // 1000 * 1000) for at_us in found]


def twins(takes: Iterable[Acquisition]) -> Iterator[Acquisition]:
    """The L1C products of the same passes over the same tiles."""
    series: dict[Series, Series] = {}
    for take in takes:
        if take.series not in series:
            series[take.series] = replace(take.series, mission=LEVEL_1C)
        yield replace(take, series=series[take.series])


def tile_series(tile: Tile) -> Iterator[Series]:
    """The tile under each relative orbit that sees enough of it, by each satellite."""
    longitude, latitude = tile.centre()
    argument = S2_ORBIT.argument(latitude, ascending=False)
    first = S2_ORBIT.position(1, argument)
    ring = tile.ring()
    near_deg = 2 * S2_HALF_KM / DEGREE_KM / math.cos(math.radians(latitude))
    for relative in range(1, S2_ORBIT.revolutions + 1):
        if abs(wrapped(first[0] - (relative - 1) * S2_ORBIT.drift_deg - longitude)) > near_deg:
            continue
        seen = S2_ORBIT.swath(relative, argument - 1.5, argument + 1.5, (-S2_HALF_KM, S2_HALF_KM), points=4)
        footprint, coverage = clipped(ring, seen)
        if footprint is None or coverage < LEAST_COVERAGE:
            continue
        for satellite in S2_SATELLITES:
            yield Series(
                mission=LEVEL_2A,
                satellite=satellite,
                place=tile.name,
                relative=relative,
                second=DATATAKE_S,
                footprint=footprint,
                coverage=coverage,
            )


def others(mission: Mission, span: Span) -> list[Acquisition]:
    """Every acquisition of the other missions over the sites, by time."""
    match mission:
        case Auxiliary():
            found: Iterable[list[Acquisition]] = [auxiliary(mission, span)]
        case Sentinel1():
            found = (takes(series, span) for site in SITES for series in radar_series(mission, site))
        case Olci():
            # One frame may show several sites.
            frames = {series.place: series for site in SITES for series in frame_series(mission, site)}
            found = (takes(series, span) for series in frames.values())
        case _:
            found = (takes(series, span) for series in orbit_series(mission, SITES[0]))
    return merged(found)


def auxiliary(mission: Auxiliary, span: Span) -> list[Acquisition]:
    """One orbit file a day, a calibration now and then."""
    series = Series(mission=mission, satellite=S1_SATELLITES[0], place=mission.product_type)
    step = {"AUX_POEORB": 1, "AUX_INS": 10, "AUX_CAL": 25}[mission.product_type] * DAY_US
    of_day_us = 82_782 * SECOND_US if mission.precise_orbit else 3600 * SECOND_US  # 22:59:42, as real ones
    first, last = to_us(span[0]) // DAY_US * DAY_US, to_us(span[1])
    starts = [at_us + of_day_us for at_us in range(first, last, step)]
    return [Acquisition(series, at_us) for at_us in starts if to_us(span[0]) <= at_us < last]


def radar_series(mission: Sentinel1, site: Point) -> Iterator[Series]:
    """Slices around a site, on the way north and on the way south."""
    for ascending in (True, False):
        argument = S1_ORBIT.argument(site[1], ascending=ascending)
        middle = (S1_NEAR_KM + S1_FAR_KM) / 2
        relative = min(
            range(1, S1_ORBIT.revolutions + 1),
            key=lambda relative: distance_km(S1_ORBIT.right_of(relative, argument, middle), site),
        )
        for n in S1_SLICES:
            second = round(S1_ORBIT.seconds_at(argument) + 25 * n - 12.5, 3)
            ends = S1_ORBIT.argument_at(second), S1_ORBIT.argument_at(second + 25)
            ring = S1_ORBIT.swath(relative, *ends, (S1_NEAR_KM, S1_FAR_KM), points=2)
            for satellite in S1_SATELLITES:
                yield Series(
                    mission=mission,
                    satellite=satellite,
                    place=f"{site}{n}",
                    relative=relative,
                    second=second,
                    ascending=ascending,
                    footprint=outline(ring, digits=6),
                )


def frame_series(mission: Olci, site: Point) -> Iterator[Series]:
    """The frames that show a site, on each relative orbit that comes near enough."""
    second = float(S3_ORBIT.seconds_at(S3_ORBIT.argument(site[1], ascending=False)) // Olci.FRAME_S * Olci.FRAME_S)
    ends = S3_ORBIT.argument_at(second), S3_ORBIT.argument_at(second + Olci.FRAME_S)
    for relative in covering(S3_ORBIT, site, ascending=False, reach_km=OLCI_RIGHT_KM):
        ring = S3_ORBIT.swath(relative, *ends, (OLCI_LEFT_KM, OLCI_RIGHT_KM), points=8)
        if contains(ring, site):
            for satellite in S3_SATELLITES:
                yield Series(
                    mission=mission,
                    satellite=satellite,
                    place=f"{satellite.unit}{relative}/{second:.0f}",
                    relative=relative,
                    second=second,
                    footprint=outline(ring, digits=4),
                )


def orbit_series(mission: Mission, site: Point) -> Iterator[Series]:
    """Whole orbits whose sunlit half shows a site; they begin at the southernmost point."""
    for relative in covering(S5P_ORBIT, site, ascending=True, reach_km=TROPOMI_HALF_KM):
        ring = S5P_ORBIT.swath(relative, -60, 65, (-TROPOMI_HALF_KM, TROPOMI_HALF_KM), points=26)
        for satellite in S5P_SATELLITES:
            yield Series(
                mission=mission,
                satellite=satellite,
                place=str(site),
                relative=relative,
                second=S5P_ORBIT.seconds_at(-90),
                ascending=True,
                footprint=outline(ring, digits=4),
            )


def covering(orbit: Orbit, site: Point, *, ascending: bool, reach_km: float) -> Iterator[int]:
    """The relative orbits that pass within ``reach_km`` of a site on one half of their way."""
    argument = orbit.argument(site[1], ascending=ascending)
    for relative in range(1, orbit.revolutions + 1):
        if distance_km(orbit.position(relative, argument), site) <= reach_km:
            yield relative
