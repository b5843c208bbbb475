"""The entity set ``Bursts``: the pieces of which Sentinel-1 SLC products are made, derived from the products."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from skyhaul.simulate.clock import SECOND_US, iso, stamp
from skyhaul.simulate.entities import OCTETS, footprints
from skyhaul.simulate.footprints import outline
from skyhaul.simulate.ids import Ids
from skyhaul.simulate.missions.sentinel1 import S1_ORBIT, Sentinel1
from skyhaul.simulate.nouns import Column
from skyhaul.simulate.shelves import s3_key
from skyhaul.simulate.tree import fields, slots_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from skyhaul.simulate.missions.base import Acquisition
    from skyhaul.simulate.nouns import Geometry, Value
    from skyhaul.simulate.shelves import ProductShelf

SWATHS = {"IW1": (320.0, 407.0), "IW2": (402.0, 492.0), "IW3": (486.0, 570.0)}  # kilometres right of the track
POLARISATIONS = ("VH", "VV")
BURSTS = 9  # in one swath of one slice
STEP_US = 2_758_277
LENGTH_US = 3_100_000
PER_PRODUCT = len(SWATHS) * len(POLARISATIONS) * BURSTS
LINES, SAMPLES = 1505, 22_000
MOMENTS = {"BeginningDateTime": 0, "ContentDate/Start": 0, "AzimuthTime": 950_000, "EndingDateTime": LENGTH_US}


@dataclass(frozen=True, slots=True)
class Burst:
    """One burst: the ``number``-th of its swath in one polarisation of a product."""

    row: int
    parent: Acquisition
    swath: str
    polarisation: str
    number: int

    @property
    def start_us(self) -> int:
        """When its first pulse left; the three swaths take turns."""
        turn = list(SWATHS).index(self.swath)
        return self.parent.start_us + turn * STEP_US // len(SWATHS) + self.number * STEP_US

    @property
    def seconds(self) -> float:
        """The same, from the ascending node of its orbit on."""
        return self.parent.series.second + (self.start_us - self.parent.start_us) / SECOND_US

    @property
    def relative_id(self) -> int:
        """The number on the burst map, the same in every repeat cycle."""
        before = (self.parent.series.relative - 1) * S1_ORBIT.period_s
        return 1 + int((before + self.seconds) * SECOND_US / STEP_US)

    @property
    def footprint(self) -> Geometry:
        """The ground of this swath that the burst covers."""
        ends = S1_ORBIT.argument_at(self.seconds), S1_ORBIT.argument_at(self.seconds + LENGTH_US / SECOND_US)
        return outline(S1_ORBIT.swath(self.parent.series.relative, *ends, SWATHS[self.swath], points=2), digits=6)


class BurstShelf:
    """The rows of ``Bursts``: a fixed number for each SLC product, one product after the other."""

    def __init__(self, products: ProductShelf, *, seed: int) -> None:
        self._products = products
        self._rows = lru_cache(maxsize=1)(self._complex_rows)
        self._ids = Ids(f"{seed} burst")

    def __len__(self) -> int:
        return len(self._rows()) * PER_PRODUCT

    def between(self, low_us: int, high_us: int) -> range:
        """As Shelf."""
        starts, parents = self._products.rows.starts, self._rows()
        first = bisect_left(parents, low_us - 30 * SECOND_US, key=starts.__getitem__)
        last = bisect_right(parents, high_us, key=starts.__getitem__)
        return range(first * PER_PRODUCT, last * PER_PRODUCT)

    def property(self, path: str) -> Column[Any] | None:
        """As Shelf."""
        if path in MOMENTS:
            return Column(lambda row: self._burst(row).start_us + MOMENTS[path])
        get = PROPERTIES.get(path)
        if path == "ContentDate/End":
            return Column(lambda row: self._burst(row).start_us + LENGTH_US)
        if path == "Id":
            return Column(self._ids.of)
        if path == "ParentProductId":
            return Column(lambda row: self._products.product(self._burst(row).row).id)
        return None if get is None else Column(lambda row: get(self._burst(row)))

    def attribute(self, name: str) -> Column[tuple[str, Value] | None]:  # noqa: ARG002 -- bursts have no attributes
        """As Shelf."""
        return Column(lambda _: None)

    def footprint(self) -> Column[Geometry | None]:
        """As Shelf."""
        return Column(lambda row: self._burst(row).footprint)

    def find(self, entity_id: str) -> int | None:
        """As Shelf."""
        return self._ids.row(entity_id, len(self))

    def find_name(self, name: str) -> int | None:
        """As Shelf."""
        return next((row for row in range(len(self)) if burst_name(self._burst(row)) == name), None)

    def tie_break(self, row: int) -> int:
        """As Shelf."""
        return self._ids.order(row)

    def entity(self, row: int, expand: Collection[str], root: str) -> dict[str, Any]:  # noqa: ARG002 -- none of both
        """As Shelf."""
        burst = self._burst(row)
        start, stop = iso(burst.start_us), iso(burst.start_us + LENGTH_US)
        parent = self._products.product(burst.row)
        plain = {name: get(burst) for name, get in PROPERTIES.items()}
        return {
            "@odata.mediaContentType": OCTETS,
            "Id": self._ids.of(row),
            "Name": plain.pop("Name"),
            "ContentType": OCTETS,
            "S3Path": f"/eodata/{s3_key(burst.parent, parent.name)}/{measurement(burst)}",
            "ContentDate": {"Start": start, "End": stop},
            **footprints(burst.footprint),
            "ParentProductId": parent.id,
            **plain,
            "BeginningDateTime": start,
            "EndingDateTime": stop,
            "AzimuthTime": iso(burst.start_us + MOMENTS["AzimuthTime"]),
        }

    def _burst(self, row: int) -> Burst:
        parent, rest = divmod(row, PER_PRODUCT)
        swath, rest = divmod(rest, len(POLARISATIONS) * BURSTS)
        polarisation, number = divmod(rest, BURSTS)
        at = self._rows()[parent]
        return Burst(at, self._products.rows[at], list(SWATHS)[swath], POLARISATIONS[polarisation], number)

    def _complex_rows(self) -> list[int]:
        rows = self._products.rows
        complex_ = [isinstance(series.mission, Sentinel1) and series.mission.slc for series in rows.series]
        return [row for row, code in enumerate(rows.codes) if complex_[code]]


def mission_of(burst: Burst) -> Sentinel1:
    """The mission of the parent."""
    mission = burst.parent.series.mission
    assert isinstance(mission, Sentinel1)  # noqa: S101 -- the shelf holds no others
    return mission


def burst_name(burst: Burst) -> str:
    """Platform, start, burst, swath, polarisation, datatake."""
    take = mission_of(burst).datatake(burst.parent)
    unit = burst.parent.series.satellite.unit
    start = stamp(burst.start_us)
    return f"S1{unit}-SLC-{start}-{burst.relative_id}-{burst.swath}-{burst.polarisation}-{take:06X}"


def measurement(burst: Burst) -> str:
    """The path of the image that holds the burst, inside its product."""
    channel = f"-{burst.swath}-slc-{burst.polarisation}-".lower()
    paths = [slot.path for slot in slots_of(mission_of(burst)) if slot.path.startswith("measurement/")]
    return next(path for path in paths if channel in path).format(**fields(burst.parent, ""))


PROPERTIES: dict[str, Callable[[Burst], Value]] = {
    "Name": burst_name,
    "ParentProductName": lambda burst: mission_of(burst).name(burst.parent),
    "ParentProductType": lambda burst: mission_of(burst).product_type,
    "BurstId": lambda burst: burst.relative_id,
    "AbsoluteBurstId": lambda burst: burst.parent.orbit * 2148 + burst.relative_id % 2148,
    "SwathIdentifier": lambda burst: burst.swath,
    "PolarisationChannels": lambda burst: burst.polarisation,
    "RelativeOrbitNumber": lambda burst: burst.parent.series.relative,
    "DatatakeID": lambda burst: mission_of(burst).datatake(burst.parent),
    "OrbitDirection": lambda burst: "ASCENDING" if burst.parent.series.ascending else "DESCENDING",
    "PlatformSerialIdentifier": lambda burst: burst.parent.series.satellite.unit,
    "OperationalMode": lambda _: "IW",
    "ByteOffset": lambda burst: 110_000 + burst.number * LINES * SAMPLES * 4,
    "Lines": lambda _: LINES,
    "LinesPerBurst": lambda _: LINES,
    "SamplesPerBurst": lambda _: SAMPLES,
    "AzimuthAnxTime": lambda burst: round(burst.seconds, 6),
}
