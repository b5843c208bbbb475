"""The ground: Sentinel-2 tiles (squares of the Military Grid Reference System) and the sites other missions look at."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from skyhaul.simulate.orbits import Point

COLUMNS = ("STUVWXYZ", "ABCDEFGH", "JKLMNPQR")  # of zones 0, 1, 2 modulo 3; from easting 100 km on
ROWS = "ABCDEFGHJKLMNPQRSTUV"  # of odd zones; even zones begin with F; again every 2000 km
BANDS = "NPQRSTUVWX"  # 8 degrees each from the equator north
SQUARE_M = 100_000
TILE_M = 109_800  # Sentinel-2 tiles overlap their neighbours by 9.8 km
GRID_M = 60  # tile corners lie on the grid of the coarsest band

HOME = ("32TQR", "32TPR", "32TQQ", "32TPQ")  # Po valley
NAMED = (
    *("31TCF", "31TBF", "31TBG"),  # Ebro valley and delta
    *("31UCP", "31UDP"),  # Beauce
    *("34SGH", "34SGG", "34SFH"),  # Attica
    *("36RUU", "36RUV", "36RTV"),  # Nile delta
    *("31UFS", "31UET"),  # Brabant
    *("01WCS", "60WXS"),  # Chukotka: the antimeridian runs through both
)
BOXES = (  # west, south, east, north: searched in this order once the named tiles are full
    (-9.5, 36.0, 30.0, 60.0),  # Europe
    (-9.5, 8.0, 56.0, 36.0),  # Sahara and Middle East
    (60.0, 8.0, 120.0, 54.0),  # Asia
)
SITES: tuple[Point, ...] = (
    (11.9, 45.2),  # Po valley
    (0.7, 40.9),  # Ebro delta
    (1.6, 48.4),  # Beauce
    (23.7, 38.0),  # Attica
    (31.2, 30.9),  # Nile delta
    (5.2, 51.3),  # Brabant
    (-5.7, 29.8),  # Anti-Atlas
    (-179.3, 64.0),  # Chukotka
)


@dataclass(frozen=True, slots=True)
class Tile:
    """A Sentinel-2 tile, named without the leading T; easting and northing are those of its square's south-west corner."""

    name: str
    zone: int
    easting: int
    northing: int

    def ring(self, points: int = 2) -> list[Point]:
        """The closed outline in longitude and latitude; longitudes run on across the antimeridian."""
        west = self.easting // GRID_M * GRID_M
        north = -(-(self.northing + SQUARE_M) // GRID_M) * GRID_M
        steps = [TILE_M * n / (points - 1) for n in range(points)]
        outline = [
            *((west + step, north) for step in steps),
            *((west + TILE_M, north - step) for step in steps[1:]),
            *((west + TILE_M - step, north - TILE_M) for step in steps[1:]),
            *((west, north - TILE_M + step) for step in steps[1:]),
        ]
        return [self._geographic(x, y) for x, y in outline]

    def centre(self) -> Point:
        """Longitude and latitude."""
        return self._geographic(self.easting + TILE_M / 2, self.northing + SQUARE_M - TILE_M / 2)

    def _geographic(self, x: float, y: float) -> Point:
        longitude, latitude = utm(self.zone).transform(x, y)
        meridian = 6 * self.zone - 183
        return meridian + (longitude - meridian + 180) % 360 - 180, latitude


def tile(name: str) -> Tile:
    """The tile of a name such as ``32TQR``; northern hemisphere only."""
    zone, band, column, row = int(name[:2]), name[2], name[3], name[4]
    easting = (COLUMNS[zone % 3].index(column) + 1) * SQUARE_M
    lowest = utm(zone).transform(6 * zone - 183, BANDS.index(band) * 8, direction="INVERSE")[1] - SQUARE_M
    northing = (ROWS.index(row) - _first_row(zone)) % 20 * SQUARE_M
    northing += max(0, math.ceil((lowest - northing) / 2_000_000)) * 2_000_000
    return Tile(name, zone, easting, northing)


def tiles() -> Iterator[Tile]:
    """Every tile of the simulated world once: the named ones first, then box by box."""
    seen = {*HOME, *NAMED}
    yield from map(tile, (*HOME, *NAMED))
    for west, south, east, north in BOXES:
        for zone in range(int((west + 180) // 6) + 1, int((east + 180) // 6) + 2):
            for found in _squares(zone, south, north):
                if west <= found.centre()[0] <= east and found.name not in seen:
                    seen.add(found.name)
                    yield found


def _squares(zone: int, south: float, north: float) -> Iterator[Tile]:
    meridian = 6 * zone - 183
    first, last = (int(utm(zone).transform(meridian, edge, direction="INVERSE")[1]) for edge in (south, north))
    for northing, easting in product(
        range(first // SQUARE_M * SQUARE_M, last, SQUARE_M), range(100_000, 900_000, SQUARE_M)
    ):
        longitude, latitude = utm(zone).transform(easting + SQUARE_M / 2, northing + SQUARE_M / 2)
        if abs(longitude - meridian) <= 3:  # noqa: PLR2004 -- half a zone, in degrees
            column = COLUMNS[zone % 3][easting // SQUARE_M - 1]
            row = ROWS[(northing // SQUARE_M + _first_row(zone)) % 20]
            yield Tile(f"{zone:02}{BANDS[int(latitude // 8)]}{column}{row}", zone, easting, northing)


def _first_row(zone: int) -> int:
    return 0 if zone % 2 else 5


@lru_cache
def utm(zone: int) -> Any:
    """From UTM metres of a northern zone to degrees; imported late, since it takes a third of a second."""
    from pyproj import Transformer  # noqa: PLC0415

    return Transformer.from_crs(32600 + zone, 4326, always_xy=True)
