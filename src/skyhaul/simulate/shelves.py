"""Generated products as rows of the catalogue: every fact computed from an acquisition when it is asked for."""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from skyhaul.simulate.clock import DAY_US, MINUTE_US, NEVER_US, SECOND_US, date_path, from_us, scramble, to_us
from skyhaul.simulate.entities import Measured, Sheet, deleted_entity, footprints, product_entity
from skyhaul.simulate.filters import moment
from skyhaul.simulate.ids import Ids
from skyhaul.simulate.missions.sentinel1 import Auxiliary
from skyhaul.simulate.missions.sentinel2 import Sentinel2
from skyhaul.simulate.missions.sentinel5p import Tropomi
from skyhaul.simulate.nouns import Column, SimProduct

if TYPE_CHECKING:
    from collections.abc import Collection

    from skyhaul.simulate.missions.base import Acquisition, Series
    from skyhaul.simulate.nouns import Geometry, Value
    from skyhaul.simulate.population import Rows

STAMP = re.compile(r"\d{8}T\d{6}")
PUBLICATION = {
    "OriginDate": "origin_us",
    "PublicationDate": "published_us",
    "ModificationDate": "modified_us",
    "EvictionDate": "eviction_us",
    "Online": "online",
}
DELETION_CAUSES = ("Duplicated product", "Missing checksum", "Corrupted product", "Obsolete product or Other")


class Publication(NamedTuple):
    """When and how a product came into the catalogue; times in microseconds since 1970."""

    origin_us: int
    published_us: int
    modified_us: int
    eviction_us: int
    online: bool
    checksum: bool
    sized: bool
    multipart: bool

    @classmethod
    def of(cls, take: Acquisition, *, oddities: bool) -> Publication:
        """A few in a hundred are odd, each in its own way, when there are ``oddities`` at all."""
        mark = scramble(take.mark)
        published_us = take.processed_us + 30 * MINUTE_US + mark % (150 * MINUTE_US)
        optical = isinstance(take.series.mission, Sentinel2)
        sized = not (oddities and (mark >> 16) % 100 == 0)
        return cls(
            origin_us=published_us - MINUTE_US - mark % (20 * MINUTE_US),
            published_us=published_us,
            modified_us=published_us + (mark % (30 * DAY_US) if (mark >> 8) % 10 == 0 else mark % (5 * SECOND_US)),
            online=not (oddities and optical and (mark >> 24) % 50 == 0),
            eviction_us=published_us + 30 * DAY_US if oddities and (mark >> 32) % 50 == 0 else NEVER_US,
            checksum=sized and not (oddities and (mark >> 40) % 40 == 0),
            sized=sized,
            multipart=oddities and (mark >> 48) % 25 == 0,
        )


Measure = Callable[[int, "Acquisition", Publication], Measured]


class ProductShelf:
    """The rows of ``Products``; or of ``DeletedProducts`` where ``deleted``."""

    def __init__(self, rows: Rows, *, seed: int, oddities: bool, measure: Measure, deleted: bool = False) -> None:
        self.rows = rows
        self._oddities = oddities
        self._measure = measure
        self._deleted = deleted
        self._published = lru_cache(maxsize=None)(self._publication_column)
        self._ids = Ids(f"{seed} {'deleted' if deleted else 'product'}")
        self._assets = Ids(f"{seed} asset")
        self._properties: dict[str, Callable[[int], Any]] = {
            "Id": self._ids.of,
            "Name": self._name,
            "ContentLength": lambda row: measure(row, self.rows[row], self.publication(row)).length,
            "ContentDate/Start": rows.starts.__getitem__,
            "ContentDate/End": self._end_us,
        }
        if deleted:
            self._properties |= {"DeletionDate": self._deleted_us, "DeletionCause": self._cause}
        else:
            self._properties["S3Path"] = lambda row: f"/eodata/{s3_key(self.rows[row], self._name(row))}"

    def __len__(self) -> int:
        return len(self.rows)

    def publication(self, row: int) -> Publication:
        """How the product of a row came into the catalogue."""
        return Publication.of(self.rows[row], oddities=self._oddities)

    def product(self, row: int) -> SimProduct:
        """The product of a row."""
        take = self.rows[row]
        mission, public = take.series.mission, Publication.of(take, oddities=self._oddities)
        sheet = self._sheet(row, take, public, described=True)
        return SimProduct(
            index=row,
            id=sheet.id,
            name=sheet.name,
            collection=mission.collection,
            product_type=mission.product_type,
            start=from_us(sheet.start_us),
            end=from_us(sheet.end_us),
            origin=from_us(sheet.origin_us),
            published=from_us(sheet.published_us),
            modified=from_us(sheet.modified_us),
            online=sheet.online,
            eviction=from_us(sheet.eviction_us),
            footprint=take.series.footprint,
            attributes=tuple(sheet.attributes),
            s3_key=sheet.s3_key,
            single=mission.single,
            checksum_published=public.checksum,
            zero_length=not public.sized,
            quicklook_id=sheet.quicklook_id,
            deleted=from_us(sheet.deleted_us) if self._deleted else None,
            deletion_cause=sheet.deletion_cause,
        )

    def _publication_column(self, name: str) -> array[int]:
        """One fact of all publications, kept from the first time it is asked for: synchronising clients ask again."""
        return array("q", (getattr(self.publication(row), name) for row in range(len(self))))

    def _sheet(self, row: int, take: Acquisition, public: Publication, *, described: bool) -> Sheet:
        mission = take.series.mission
        name = mission.name(take)
        pictured = not isinstance(mission, (Auxiliary, Tropomi))
        return Sheet(
            id=self._ids.of(row),
            name=name,
            s3_key=s3_key(take, name),
            quicklook_id=self._assets.of(row) if pictured and not self._deleted else None,
            start_us=take.start_us,
            end_us=take.start_us + mission.duration_us,
            origin_us=public.origin_us,
            published_us=public.published_us,
            modified_us=public.modified_us,
            eviction_us=public.eviction_us,
            online=public.online,
            footprints=footprints_of(take.series),
            attributes=mission.attributes(take) if described else (),
            deleted_us=self._deleted_us(row) if self._deleted else 0,
            deletion_cause=self._cause(row) if self._deleted else "",
        )

    def between(self, low_us: int, high_us: int) -> range:
        """As Shelf."""
        return range(bisect_left(self.rows.starts, low_us), bisect_right(self.rows.starts, high_us))

    def find(self, entity_id: str) -> int | None:
        """As Shelf."""
        return self._ids.row(entity_id, len(self))

    def find_quicklook(self, asset_id: str) -> int | None:
        """The row with that asset."""
        return self._assets.row(asset_id, len(self))

    def find_name(self, name: str) -> int | None:
        """As Shelf; one of the times in a name is the start, so few rows come into question."""
        for text in STAMP.findall(name):
            try:
                second_us = to_us(moment(text))
            except ValueError:
                continue
            for row in self.between(second_us, second_us + SECOND_US - 1):
                take = self.rows[row]
                if take.series.mission.name(take) == name:
                    return row
        return None

    def tie_break(self, row: int) -> int:
        """As Shelf."""
        return self._ids.order(row)

    def entity(self, row: int, expand: Collection[str], root: str) -> dict[str, Any]:
        """As Shelf."""
        take = self.rows[row]
        public = Publication.of(take, oddities=self._oddities)
        sheet = self._sheet(row, take, public, described="Attributes" in expand)
        measured = self._measure(row, take, public)
        return (
            deleted_entity(sheet, measured, expand) if self._deleted else product_entity(sheet, measured, expand, root)
        )

    def property(self, path: str) -> Column[Any] | None:
        """As Shelf."""
        if path == "Collection/Name":
            return self._shared([series.mission.collection for series in self.rows.series])
        name = PUBLICATION.get(path)
        if name is not None and (path == "OriginDate" or not self._deleted):
            return Column(self._published(name).__getitem__)
        get = self._properties.get(path)
        return None if get is None else Column(get)

    def footprint(self) -> Column[Geometry | None]:
        """As Shelf."""
        return self._shared([series.footprint for series in self.rows.series])

    def attribute(self, name: str) -> Column[tuple[str, Value] | None]:
        """As Shelf; what all products of a series share costs a look-up, cloud cover little, the rest is computed."""
        series = self.rows.series
        examples = {one.mission: one for one in series}
        if all(name in mission.constants(one) or name not in mission.ORDER for mission, one in examples.items()):
            return self._shared([one.mission.constants(one).get(name) for one in series])
        if name == "cloudCover":
            return Column(self._cloud)
        return Column(lambda row: self._computed(row, name))

    def _cloud(self, row: int) -> tuple[str, Value] | None:
        take = self.rows[row]
        return ("Double", take.cloud) if isinstance(take.series.mission, Sentinel2) else None

    def _computed(self, row: int, name: str) -> tuple[str, Value] | None:
        take = self.rows[row]
        found = (attribute for attribute in take.series.mission.attributes(take) if attribute[0] == name)
        return next(((kind, value) for _, kind, value in found), None)

    def _shared(self, table: list[Any]) -> Column[Any]:
        codes = self.rows.codes
        return Column(lambda row: table[codes[row]], codes, table)

    def _name(self, row: int) -> str:
        take = self.rows[row]
        return take.series.mission.name(take)

    def _end_us(self, row: int) -> int:
        return self.rows.starts[row] + self.rows.series[self.rows.codes[row]].mission.duration_us

    def _deleted_us(self, row: int) -> int:
        return self.publication(row).published_us + DAY_US + self.rows[row].mark % (20 * DAY_US)

    def _cause(self, row: int) -> str:
        return DELETION_CAUSES[self.rows[row].mark % len(DELETION_CAUSES)]


def s3_key(take: Acquisition, name: str) -> str:
    """The key of the product's folder, or of its only object, which for packed auxiliary data is called otherwise."""
    mission = take.series.mission
    packed = ".zip" if mission.single and name.endswith(".SAFE") else ""
    return f"{mission.folder(take)}/{date_path(take.start_us // DAY_US)}/{name}{packed}"


@lru_cache(maxsize=4096)
def footprints_of(series: Series) -> dict[str, Any]:
    """The footprint of a series in its two forms."""
    return footprints(series.footprint)
