"""Products as the catalogue writes them, key by key in its order."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from skyhaul.simulate.clock import iso
from skyhaul.simulate.footprints import well_known_text

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from skyhaul.simulate.nouns import Attribute, Geometry, Shelf, Value

OCTETS = "application/octet-stream"
FRAMES = {
    kind: (
        b'{"@odata.type":"#OData.CSC.%bAttribute","Name":"' % kind.encode(),
        b',"ValueType":"%b"}' % kind.encode(),
    )
    for kind in ("String", "Integer", "Double", "DateTimeOffset", "Boolean")
}
BETWEEN = b'","Value":'
encode = msgspec.json.Encoder().encode


class Measured(NamedTuple):
    """What the catalogue knows of a product's bytes: the length of its zip, and its digests where they are published."""

    length: int
    digests: Sequence[tuple[str, str]]
    """Algorithm and lower-case hex."""


class Stated(NamedTuple):
    """What another archive than CDSE's says of the same bytes."""

    size: int
    """0 where it is not known."""
    md5: str | None


def stated(shelf: Shelf, row: int) -> Stated:
    """Length and MD5 of a product's zip as far as its catalogue knows them, without a look at the bytes."""
    entity = shelf.entity(row, (), "")
    digests = {each["Algorithm"]: each["Value"] for each in entity["Checksum"]}
    return Stated(entity["ContentLength"], digests.get("MD5"))


class Sheet(NamedTuple):
    """What the catalogue writes of a product; times in microseconds since 1970."""

    id: str
    name: str
    s3_key: str
    quicklook_id: str | None
    start_us: int
    end_us: int
    origin_us: int
    published_us: int
    modified_us: int
    eviction_us: int
    online: bool
    footprints: dict[str, Any]
    attributes: Sequence[Attribute]
    deleted_us: int = 0
    deletion_cause: str = ""


def product_entity(sheet: Sheet, measured: Measured, expand: Collection[str], root: str) -> dict[str, Any]:
    """An entry of ``Products``; its links begin with ``root``."""
    s3_path = f"/eodata/{sheet.s3_key}"
    checksum = checksums(measured, sheet.modified_us)
    entity: dict[str, Any] = {
        "@odata.mediaContentType": OCTETS,
        "Id": sheet.id,
        "Name": sheet.name,
        "ContentType": OCTETS,
        "ContentLength": measured.length,
        "OriginDate": iso(sheet.origin_us),
        "PublicationDate": iso(sheet.published_us),
        "ModificationDate": iso(sheet.modified_us),
        "Online": sheet.online,
        "EvictionDate": iso(sheet.eviction_us),
        "S3Path": s3_path,
        "Checksum": checksum,
        "ContentDate": {"Start": iso(sheet.start_us), "End": iso(sheet.end_us)},
        **sheet.footprints,
    }
    if "Attributes" in expand:
        entity["Attributes"] = attributes(sheet.attributes)
    if "Assets" in expand:
        entity["Assets"] = assets(sheet.quicklook_id, s3_path, root)
    if "Locations" in expand:
        extracted = {
            "FormatType": "Extracted",
            "DownloadLink": f"{root}/Products({sheet.id})/$value",
            "ContentLength": measured.length,
            "Checksum": checksum,
            "S3Path": s3_path,
        }
        entity["Locations"] = [extracted]
    return entity


def deleted_entity(sheet: Sheet, measured: Measured, expand: Collection[str]) -> dict[str, Any]:
    """An entry of ``DeletedProducts``."""
    entity: dict[str, Any] = {
        "@odata.mediaContentType": OCTETS,
        "Id": sheet.id,
        "Name": sheet.name,
        "ContentType": OCTETS,
        "ContentLength": measured.length,
        "OriginDate": iso(sheet.origin_us),
        "DeletionDate": iso(sheet.deleted_us),
        "DeletionCause": sheet.deletion_cause,
        "Checksum": checksums(measured, sheet.modified_us),
        "ContentDate": {"Start": iso(sheet.start_us), "End": iso(sheet.end_us)},
        **sheet.footprints,
    }
    if "Attributes" in expand:
        entity["Attributes"] = attributes(sheet.attributes)
    return entity


def footprints(footprint: Geometry | None) -> dict[str, Any]:
    """The footprint in its two forms, or twice null; already in JSON, for many products share one."""
    text = None if footprint is None else f"geography'SRID=4326;{well_known_text(footprint)}'"
    return {"Footprint": msgspec.Raw(encode(text)), "GeoFootprint": msgspec.Raw(encode(footprint))}


def checksums(measured: Measured, date_us: int) -> list[dict[str, str]]:
    """The ``Checksum`` list; empty where nothing is published."""
    return [
        {"Value": value, "Algorithm": algorithm, "ChecksumDate": iso(date_us)} for algorithm, value in measured.digests
    ]


def attributes(values: Sequence[Attribute]) -> msgspec.Raw:
    """The ``Attributes`` list, already in JSON: two thirds of a page are attributes, and objects for them cost most."""
    return msgspec.Raw(b"[" + b",".join([attribute(name, kind, value) for name, kind, value in values]) + b"]")


def attribute(name: str, kind: str, value: Value) -> bytes:
    """One entry of the ``Attributes`` list in JSON; names and types are plain words."""
    head, tail = FRAMES[kind]
    return b"%b%b%b%b%b" % (head, name.encode(), BETWEEN, encode(value), tail)


def assets(quicklook_id: str | None, s3_path: str, root: str) -> list[dict[str, str]]:
    """The ``Assets`` list; its S3 path is the product's, as in reality."""
    if quicklook_id is None:
        return []
    link = f"{root}/Assets({quicklook_id})/$value"
    return [{"Type": "QUICKLOOK", "Id": quicklook_id, "DownloadLink": link, "S3Path": s3_path}]
