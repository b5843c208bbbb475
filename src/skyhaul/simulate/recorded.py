"""Recorded worlds: catalogue replies of a real archive, served again as they are, without the bytes they speak of."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from typing import TYPE_CHECKING, Any

import msgspec

from skyhaul.simulate.clock import NEVER_US, from_us
from skyhaul.simulate.filters import as_us
from skyhaul.simulate.nouns import Column, SimProduct
from skyhaul.simulate.quicklook import picture
from skyhaul.simulate.selection import COLLECTIONS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence
    from pathlib import Path

    from skyhaul.simulate.nouns import Attribute, Geometry, SimArchive, SimFile, SimObject, Value

Entity = dict[str, Any]

MOMENTS = ("OriginDate", "PublicationDate", "ModificationDate", "EvictionDate")
PLAIN = ("Id", "Name", "ContentLength", "Online", "S3Path")
EXPANDED = ("Attributes", "Assets", "Locations")


class RecordedShelf:
    """Recorded entities as rows, by their sensing start."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        unique = {entity["Id"].lower(): entity for entity in entities}
        self._entities = sorted(
            unique.values(), key=lambda entity: (moment_us(entity["ContentDate"]["Start"]), entity["Id"])
        )
        self._starts = [moment_us(entity["ContentDate"]["Start"]) for entity in self._entities]
        self._rows = {entity["Id"].lower(): row for row, entity in enumerate(self._entities)}
        self._names = {entity["Name"]: row for row, entity in enumerate(self._entities)}
        self._assets = {
            asset["Id"].lower(): row for row, entity in enumerate(self._entities) for asset in entity.get("Assets", ())
        }

    def __len__(self) -> int:
        return len(self._entities)

    def between(self, low_us: int, high_us: int) -> range:
        """As Shelf."""
        return range(bisect_left(self._starts, low_us), bisect_right(self._starts, high_us))

    def property(self, path: str) -> Column[Any] | None:
        """As Shelf."""
        entities = self._entities
        if path in PLAIN:
            return Column(lambda row: entities[row][path])
        if path in MOMENTS:
            return Column(lambda row: moment_us(entities[row][path]))
        if path in {"ContentDate/Start", "ContentDate/End"}:
            end = path.removeprefix("ContentDate/")
            return Column(lambda row: moment_us(entities[row]["ContentDate"][end]))
        if path == "Collection/Name":
            return Column(lambda row: collection_of(entities[row]))
        return None

    def attribute(self, name: str) -> Column[tuple[str, Value] | None]:
        """As Shelf."""
        return Column(lambda row: attributes_of(self._entities[row]).get(name))

    def footprint(self) -> Column[Geometry | None]:
        """As Shelf."""
        return Column(lambda row: self._entities[row].get("GeoFootprint"))

    def find(self, entity_id: str) -> int | None:
        """As Shelf."""
        return self._rows.get(entity_id.lower())

    def find_name(self, name: str) -> int | None:
        """As Shelf."""
        return self._names.get(name)

    def find_quicklook(self, asset_id: str) -> int | None:
        """The row with that asset."""
        return self._assets.get(asset_id.lower())

    def tie_break(self, row: int) -> str:
        """As Shelf."""
        return str(self._entities[row]["Id"])

    def entity(self, row: int, expand: Collection[str], root: str) -> Entity:  # noqa: ARG002 -- links stay as recorded
        """As Shelf; what was not recorded of an expanded list is empty."""
        recorded = self._entities[row]
        shown = {name: value for name, value in recorded.items() if name not in EXPANDED and name != "@odata.context"}
        return shown | {name: recorded.get(name, []) for name in EXPANDED if name in expand}

    def product(self, row: int) -> SimProduct:
        """The product of a row."""
        entity = self._entities[row]
        found = attributes_of(entity)
        attributes: tuple[Attribute, ...] = tuple((name, kind, value) for name, (kind, value) in found.items())
        s3_key = entity["S3Path"].removeprefix("/eodata/")
        return SimProduct(
            index=row,
            id=entity["Id"],
            name=entity["Name"],
            collection=collection_of(entity),
            product_type=str(found.get("productType", ("String", ""))[1]),
            start=from_us(moment_us(entity["ContentDate"]["Start"])),
            end=from_us(moment_us(entity["ContentDate"]["End"])),
            origin=from_us(moment_us(entity["OriginDate"])),
            published=from_us(moment_us(entity["PublicationDate"])),
            modified=from_us(moment_us(entity["ModificationDate"])),
            online=entity["Online"],
            eviction=from_us(moment_us(entity["EvictionDate"])),
            footprint=entity.get("GeoFootprint"),
            attributes=attributes,
            s3_key=s3_key,
            single=s3_key.endswith((".zip", ".nc", ".EOF")),
            checksum_published=bool(entity["Checksum"]),
            zero_length=entity["ContentLength"] == 0,
            quicklook_id=next((asset["Id"] for asset in entity.get("Assets", ())), None),
        )


class RecordedWorld:
    """A catalogue of recorded products: they can be searched and looked at, there is nothing to download."""

    def __init__(self, entities: Iterable[Entity]) -> None:
        self.shelf = RecordedShelf(entities)
        self.deleted = RecordedShelf(())
        self.bursts = RecordedShelf(())

    def __len__(self) -> int:
        return len(self.shelf)

    def product(self, index: int) -> SimProduct:
        """As World."""
        return self.shelf.product(index)

    def by_id(self, product_id: str) -> SimProduct | None:
        """As World."""
        return self._product(self.shelf.find(product_id))

    def by_name(self, name: str) -> SimProduct | None:
        """As World."""
        return self._product(self.shelf.find_name(name))

    def by_quicklook(self, asset_id: str) -> SimProduct | None:
        """As World."""
        return self._product(self.shelf.find_quicklook(asset_id))

    def files(self, product: SimProduct) -> tuple[SimFile, ...]:  # noqa: ARG002 -- none of any product
        """As World."""
        return ()

    def archive(self, product: SimProduct) -> SimArchive | None:  # noqa: ARG002
        """As World."""
        return None

    def objects(self, prefix: str, after: str, limit: int) -> list[SimObject]:  # noqa: ARG002
        """As World."""
        return []

    def object(self, key: str) -> SimObject | None:  # noqa: ARG002
        """As World."""
        return None

    def quicklook(self, product: SimProduct) -> tuple[bytes, str]:
        """As World: a picture of no place."""
        return picture(product.index, 30.0, radar=product.collection == "SENTINEL-1")

    def _product(self, row: int | None) -> SimProduct | None:
        return None if row is None else self.shelf.product(row)


def load_recorded(paths: Sequence[Path]) -> RecordedWorld:
    """The world of recorded replies: pages, single products, push notifications; each product once.

    Raises:
        ValueError: a file holds no products.
        OSError: a file cannot be read.
    """
    return RecordedWorld(entity for path in paths for entity in read(path))


def read(path: Path) -> Iterator[Entity]:
    """The products of one recorded reply.

    Raises:
        ValueError: it holds none, or something else.
    """
    try:
        reply = msgspec.json.decode(path.read_bytes())
    except msgspec.DecodeError as error:
        raise ValueError(f"{path}: not JSON: {error}") from error
    value = reply.get("value", reply) if isinstance(reply, dict) else None
    for entity in value if isinstance(value, list) else [value]:
        if not (isinstance(entity, dict) and {"Id", "Name", "ContentDate", "S3Path"} <= entity.keys()):
            raise ValueError(f"{path}: no OData product, page of products or notification")
        yield entity


def moment_us(text: str) -> int:
    """A recorded time; an empty one means never."""
    return as_us(text) if text else NEVER_US


def attributes_of(entity: Entity) -> dict[str, tuple[str, Value]]:
    """Type and value of every recorded attribute."""
    return {entry["Name"]: (entry["ValueType"], entry["Value"]) for entry in entity.get("Attributes", ())}


def collection_of(entity: Entity) -> str:
    """The collection, which no field names: the platform where that is one, else what the S3 path begins with."""
    _, platform = attributes_of(entity).get("platformShortName", ("String", ""))
    if platform in COLLECTIONS:
        return str(platform)
    parts = entity["S3Path"].split("/")
    return parts[2].upper() if len(parts) > 2 else ""  # noqa: PLR2004 -- /eodata/<this>/...
