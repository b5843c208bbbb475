"""STAC items and collections as CDSE writes them: pure functions of a product, its files and the hosts' addresses."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from shapely.geometry import shape

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from skyhaul.simulate.nouns import SimArchive, SimFile, SimProduct
    from skyhaul.simulate.service import Roots

STAC_VERSION = "1.1.0"
SUFFIXES = (".SAFE", ".SEN3", ".nc", ".EOF")
S3_INSTRUMENTS = {"OL": "olci", "SL": "sl", "SR": "sr", "SY": "syn"}
TIMELINESS = {"NR": "nrt", "NT": "ntc", "ST": "stc"}
MEDIA_TYPES = {
    ".jp2": "image/jp2",
    ".tiff": "image/tiff; application=geotiff; profile=cloud-optimized",
    ".xml": "application/xml",
    ".safe": "application/xml",
    ".nc": "application/netcdf",
    ".jpg": "image/jpeg",
    ".png": "image/png",
}
# Multihash: code of the algorithm, then the length of the digest.
MD5, SHA3_256 = "d50110", "1620"
SHA3_256_CALLED_MD5, MD5_CALLED_SHA3_256 = "d50120", "1610"
METADATA = {
    "manifest.safe": "safe_manifest",
    "xfdumanifest.xml": "xfdumanifest",
    "MTD_MSIL1C.xml": "product_metadata",
    "MTD_MSIL2A.xml": "product_metadata",
    "MTD_TL.xml": "granule_metadata",
    "MTD_DS.xml": "datastrip_metadata",
    "INSPIRE.xml": "inspire_metadata",
}
QUICKLOOK = re.compile(r"-ql\.jpg$|preview/(?:quick-look|thumbnail)\.png$|quicklook\.jpg$")
# OData attribute to STAC property, where the value is the same.
PROPERTIES = {
    "cloudCover": "eo:cloud_cover",
    "productType": "product:type",
    "relativeOrbitNumber": "sat:relative_orbit",
    "orbitNumber": "sat:absolute_orbit",
    "processorVersion": "processing:version",
    "processingDate": "processing:datetime",
    "processingCenter": "processing:facility",
    "timeliness": "product:timeliness_category",
    "operationalMode": "eopf:instrument_mode",
    "productGroupId": "eopf:datatake_id",
    "datastripId": "eopf:datastrip_id",
}


def collection_of(product_type: str, name: str) -> str | None:
    """The STAC collection of a product, or None where CDSE's STAC does not have it (raw S1, auxiliary files)."""
    if product_type in {"S2MSI1C", "S2MSI2A"}:
        return f"sentinel-2-l{product_type[-2:].lower()}"
    if "_GRD" in product_type and product_type.endswith("-COG"):
        return "sentinel-1-grd"
    if product_type.endswith("_SLC__1S"):
        return "sentinel-1-slc-wv" if product_type.startswith("WV") else "sentinel-1-slc"
    return _sentinel_3(product_type, name) or _sentinel_5p(product_type, name)


def _sentinel_3(product_type: str, name: str) -> str | None:
    match = re.fullmatch(r"(OL|SL|SR|SY)_([12])_([A-Z0-9]+(?:_[A-Z0-9]+)?)_*", product_type)
    timeliness = re.search(r"_(NR|NT|ST)_\d{3}\.SEN3$", name)
    if match is None or timeliness is None:
        return None
    kind = match[3].lower().replace("_", "-")
    return f"sentinel-3-{S3_INSTRUMENTS[match[1]]}-{match[2]}-{kind}-{TIMELINESS[timeliness[1]]}"


def _sentinel_5p(product_type: str, name: str) -> str | None:
    match = re.fullmatch(r"(L1B|L2_)_([A-Z0-9_]+?)_*", product_type)
    stream = re.match(r"S5P_(NRTI|OFFL|RPRO)_", name)
    if match is None or stream is None:
        return None
    kind = match[2].strip("_").lower().replace("_", "-")
    return f"sentinel-5p-{match[1][:2].lower()}-{kind}-{stream[1].lower()}"


def item_id(name: str) -> str:
    """A product's name without its suffix."""
    return next((name.removesuffix(suffix) for suffix in SUFFIXES if name.endswith(suffix)), name)


def properties(product: SimProduct) -> dict[str, Any]:
    """The item's ``properties``, without what only decorates."""
    attributes = {name: value for name, _, value in product.attributes}
    shared = {PROPERTIES[name]: _plain(value) for name, value in attributes.items() if name in PROPERTIES}
    unit = str(attributes.get("platformSerialIdentifier", "")).lower()
    mission = product.collection.lower()
    found = {
        "datetime": _instant(product.start),
        "start_datetime": _instant(product.start),
        "end_datetime": _instant(product.end),
        "created": _instant(product.origin),
        "updated": _instant(product.modified),
        "published": _instant(product.published),
        "platform": mission if mission.endswith("5p") else mission + unit,
        "constellation": mission,
        "instruments": [str(attributes.get("instrumentShortName", "")).lower()],
        **shared,
        "auth:schemes": {"s3": {"type": "s3"}, "oidc": {"type": "openIdConnect"}},
        "storage:schemes": {"cdse-s3": {"title": "Copernicus Data Space Ecosystem S3", "requester_pays": False}},
    }
    if "tileId" in attributes:
        found["grid:code"] = f"MGRS-{attributes['tileId']}"
    if "orbitDirection" in attributes:
        found["sat:orbit_state"] = str(attributes["orbitDirection"]).lower()
    if "polarisationChannels" in attributes:
        found["sar:polarizations"] = str(attributes["polarisationChannels"]).split("&")
    return found


def item(product: SimProduct, files: Sequence[SimFile], archive: SimArchive | None, roots: Roots) -> dict[str, Any]:
    """The whole item."""
    return {**bare_item(product, roots), "assets": dict(_assets(product, files, archive, roots))}


def bare_item(product: SimProduct, roots: Roots) -> dict[str, Any]:
    """The item without its assets."""
    collection = collection_of(product.product_type, product.name)
    own, parent = item_id(product.name), f"{roots.stac_url}/collections/{collection}"
    return {
        "type": "Feature",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "id": own,
        "collection": collection,
        "bbox": None if product.footprint is None else list(shape(product.footprint).bounds),
        "geometry": product.footprint,
        "properties": properties(product),
        "links": [
            _link("collection", parent),
            _link("parent", parent),
            _link("root", f"{roots.stac_url}/"),
            _link("self", f"{parent}/items/{own}", "application/geo+json"),
        ],
    }


def _assets(
    product: SimProduct, files: Sequence[SimFile], archive: SimArchive | None, roots: Roots
) -> Iterator[tuple[str, dict[str, Any]]]:
    for file in files:
        key = asset_key(product, file.path)
        if key is not None:
            yield key, _file_asset(product, file, key, roots)
        elif product.quicklook_id is not None and QUICKLOOK.search(file.path):
            yield "thumbnail", _thumbnail(product, file, roots)
    if archive is not None and not product.single:
        yield ("product" if product.collection == "SENTINEL-3" else "Product"), _archive_asset(product, archive, roots)


def asset_key(product: SimProduct, path: str) -> str | None:
    """The asset a file is listed as, or None for a file that is none."""
    file = PurePosixPath(path)
    if product.single:
        return "netcdf" if file.suffix == ".nc" else None
    match product.collection:
        case "SENTINEL-2":
            band = re.search(r"/IMG_DATA/.*_((?:B\d[0-9A]|TCI|AOT|WVP|SCL)(?:_\d\dm)?)\.jp2$", path)
            return band[1] if band else METADATA.get(file.name)
        case "SENTINEL-1":
            return _sentinel_1_key(file) or METADATA.get(file.name)
        case _:
            return f"{file.stem}Data" if file.suffix == ".nc" else METADATA.get(file.name)


def _sentinel_1_key(file: PurePosixPath) -> str | None:
    match = re.match(r"(?:(calibration|noise)-)?s1.-([a-z0-9]+)-(?:grd|slc)-(vv|vh|hh|hv)-", file.name)
    if match is None or file.parent.name not in {"measurement", "annotation", "calibration"}:
        return None
    channel = match[3] if match[2] in {"iw", "ew"} else f"{match[2]}-{match[3]}"
    return channel if file.suffix == ".tiff" else f"schema-{match[1] or 'product'}-{channel}"


def _file_asset(product: SimProduct, file: SimFile, key: str, roots: Roots) -> dict[str, Any]:
    data = file.path.endswith((".jp2", ".tiff", ".nc"))
    return {
        "href": f"s3://eodata/{_object_key(product, file)}",
        "type": MEDIA_TYPES.get(PurePosixPath(file.path).suffix, "application/octet-stream"),
        "title": key,
        "roles": ["data"] if data else ["metadata"],
        "file:size": file.size,
        "file:checksum": multihash(product, file),
        "file:local_path": file.path if product.single else f"{product.name}/{file.path}",
        "auth:refs": ["s3"],
        "storage:refs": ["cdse-s3", "creodias-s3"],
        "alternate:name": "S3",
        "alternate": {
            "https": {
                "href": f"{roots.download_url}/Products({product.id})/{_nodes(product, file)}/$value",
                "auth:refs": ["oidc"],
                "storage:refs": [],
                "alternate:name": "HTTPS",
            }
        },
    }


def multihash(product: SimProduct, file: SimFile) -> str:
    """``file:checksum`` as published: S2 metadata declare SHA3-256 as MD5, S1 COG declare MD5 as SHA3-256."""
    if file.digest_name == "SHA3-256":
        code = SHA3_256 if file.path.endswith(".jp2") else SHA3_256_CALLED_MD5
        return code + file.digest.lower()
    mislabelled = product.product_type.endswith("-COG") and file.digest_name == "MD5"
    return (MD5_CALLED_SHA3_256 if mislabelled else MD5) + file.md5


def _object_key(product: SimProduct, file: SimFile) -> str:
    return product.s3_key if product.single else f"{product.s3_key}/{file.path}"


def _nodes(product: SimProduct, file: SimFile) -> str:
    """The file's nodes; deep metadata have an empty one behind the product's, as recorded."""
    if product.single:
        return f"Nodes({product.name})"
    parts = [product.name, *file.path.split("/")]
    if file.path.endswith(".xml") and file.path.startswith(("GRANULE/", "DATASTRIP/")):
        parts.insert(1, "")
    return "/".join(f"Nodes({part})" for part in parts)


def _thumbnail(product: SimProduct, file: SimFile, roots: Roots) -> dict[str, Any]:
    return {
        "href": f"{roots.catalogue_url}/Assets({product.quicklook_id})/$value",
        "type": MEDIA_TYPES.get(PurePosixPath(file.path).suffix, "image/jpeg"),
        "title": "Quicklook",
        "roles": ["thumbnail", "overview"],
        "file:size": file.size,
        "file:checksum": MD5 + file.md5,
        "file:local_path": f"{product.name}/{file.path}",
        "auth:refs": ["oidc"],
        "alternate:name": "HTTPS",
        "alternate": {"s3": {"href": f"s3://eodata/{_object_key(product, file)}", "auth:refs": ["s3"]}},
    }


def _archive_asset(product: SimProduct, archive: SimArchive, roots: Roots) -> dict[str, Any]:
    asset: dict[str, Any] = {
        "href": f"{roots.download_url}/Products({product.id})/$value",
        "type": "application/zip",
        "title": "Zipped product",
        "roles": ["data", "metadata", "archive"],
        "file:local_path": f"{product.name}.zip",
        "auth:refs": ["oidc"],
        "alternate:name": "HTTPS",
    }
    if product.checksum_published:
        asset |= {"file:size": archive.size, "file:checksum": MD5 + archive.md5}
    return asset


def collection(collection_id: str, roots: Roots) -> dict[str, Any]:
    """A collection document."""
    own = f"{roots.stac_url}/collections/{collection_id}"
    return {
        "type": "Collection",
        "id": collection_id,
        "title": collection_id,
        "description": f"{collection_id} of the embedded archive",
        "stac_version": STAC_VERSION,
        "stac_extensions": [],
        "license": "other",
        "extent": {
            "spatial": {"bbox": [[-180, -90, 180, 90]]},
            "temporal": {"interval": [["2014-10-03T00:00:00Z", None]]},
        },
        "links": [
            _link("items", f"{own}/items", "application/geo+json"),
            _link("parent", f"{roots.stac_url}/"),
            _link("root", f"{roots.stac_url}/"),
            _link("self", own),
        ],
    }


def _link(rel: str, href: str, media_type: str = "application/json") -> dict[str, Any]:
    return {"rel": rel, "type": media_type, "href": href}


def _instant(when: dt.datetime) -> str:
    return f"{when:%Y-%m-%dT%H:%M:%S}.{when.microsecond:06d}Z"


def _plain(value: Any) -> Any:
    return _instant(value) if isinstance(value, dt.datetime) else value
