"""What a resto (the PEPS protocol) writes of a product, and of a page of them (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

from skyhaul.simulate.clock import iso, to_us
from skyhaul.simulate.stac_items import item_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skyhaul.simulate.entities import Stated
    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.tape import Storage

LEVELS = {"S2MSI1C": "LEVEL1C", "S2MSI2A": "LEVEL2A"}
TYPES = {"GRD": "GRD", "SLC": "SLC", "OCN": "OCN", "RAW": "RAW"}
# OData attribute to property, where the value is the same.
PROPERTIES = {
    "cycleNumber": "cycleNumber",
    "instrumentShortName": "instrument",
    "operationalMode": "sensorMode",
    "orbitNumber": "orbitNumber",
    "productGroupId": "s2TakeId",
    "relativeOrbitNumber": "relativeOrbitNumber",
    "swathIdentifier": "swath",
    "tileId": "mgrs",
    "timeliness": "realtime",
}


def collection_of(product: SimProduct) -> str | None:
    """``S1``, ``S2ST`` or ``S3``; what PEPS does not hold is in none. Single tiles (S2ST) are all that a generated world has."""
    if product.single or product.product_type.endswith("-COG"):
        return None
    return {"SENTINEL-1": "S1", "SENTINEL-2": "S2ST", "SENTINEL-3": "S3"}.get(product.collection)


def product_type(product: SimProduct) -> str:
    """``GRD`` for every form of it; other missions as everywhere."""
    return next((kind for kind in TYPES if f"_{kind}" in product.product_type), product.product_type)


def feature(product: SimProduct, known: Stated, collection: str, storage: Storage, root: str) -> dict[str, Any]:
    """A feature. Half of the digests are in capitals, as recorded; the outline is there twice."""
    values = {name: value for name, _, value in product.attributes}
    identifier = item_id(product.name)
    digest = known.md5.upper() if known.md5 and product.index % 2 else known.md5
    url = f"{root}/resto/collections/{collection}/{product.id}/download"
    outline = product.footprint
    if outline is not None and outline["type"] == "Polygon":
        outline = {"type": "MultiPolygon", "coordinates": [outline["coordinates"]]}
    properties: dict[str, Any] = {
        "collection": collection,
        "productIdentifier": identifier,
        "title": identifier,
        "description": None,
        "organisationName": "ESA",
        "startDate": moment(product, "start"),
        "completionDate": moment(product, "end"),
        "productType": product_type(product),
        "processingLevel": LEVELS.get(product.product_type, "LEVEL1"),
        "platform": f"{product.name[:2]}{values.get('platformSerialIdentifier', '')}",
        "resolution": None,
        "quicklook": None,
        "thumbnail": None,
        "resourceSize": known.size,
        "resourceChecksum": digest,
        "published": moment(product, "published"),
        "updated": moment(product, "modified"),
        "snowCover": None,
        "cloudCover": values.get("cloudCover", 0),
        "keywords": {},
        **{PROPERTIES[name]: value for name, value in values.items() if name in PROPERTIES},
        "services": {"download": {"url": url, "mimeType": "application/zip", "size": known.size, "checksum": digest}},
        "links": [],
        "storage": {"mode": str(storage)},
    }
    if "orbitDirection" in values:
        properties["orbitDirection"] = str(values["orbitDirection"]).lower()
    if "polarisationChannels" in values:
        properties["polarisation"] = str(values["polarisationChannels"]).replace("&", " ")
    return {"type": "Feature", "id": product.id, "geometry": outline, "_geometry": outline, "properties": properties}


def page(
    features: Sequence[dict[str, Any]],
    *,
    url: str,
    query: Sequence[tuple[str, str]],
    number: int,
    size: int,
    total: int,
) -> dict[str, Any]:
    """A page of a search: counted from 1, with a link to the next while there is one."""
    own = [(name, value) for name, value in query if name != "page"]

    def link(rel: str, at: int) -> dict[str, str]:
        return {
            "rel": rel,
            "type": "application/json",
            "title": rel,
            "href": f"{url}?{urlencode([*own, ('page', str(at))])}",
        }

    last = max(1, -(-total // size))
    links = [link("self", number)]
    if number < last:
        links += [link("next", number + 1), link("last", last)]
    return {
        "type": "FeatureCollection",
        "properties": {
            "title": "",
            "totalResults": total,
            "exactCount": True,
            "startIndex": (number - 1) * size + 1,
            "itemsPerPage": len(features),
            "query": {"searchFilters": dict(query)},
            "links": links,
        },
        "features": list(features),
    }


def moment(product: SimProduct, field: str) -> str:
    """To the millisecond, all three decimals."""
    return f"{iso(to_us(getattr(product, field)))[:-4]}Z"
