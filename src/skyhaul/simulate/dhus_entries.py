"""What a DHuS writes of a product: an entry of its OpenSearch feed, an entity of its OData v1 (pure)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from skyhaul.simulate.clock import iso_ms, to_us
from skyhaul.simulate.footprints import well_known_text
from skyhaul.simulate.stac_items import item_id

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from skyhaul.simulate.nouns import Geometry, SimArchive, SimProduct, Value

PLATFORMS = {"SENTINEL-5P": "Sentinel-5 Precursor"}
INSTRUMENTS = {"SAR": "SAR-C SAR"}
# OData attribute to DHuS property, where the value is the same.
TEXTS = {
    "productType": "producttype",
    "operationalMode": "sensoroperationalmode",
    "orbitDirection": "orbitdirection",
    "tileId": "tileid",
    "timeliness": "timeliness",
    "processorVersion": "processingbaseline",
    "swathIdentifier": "swathidentifier",
}
NUMBERS = {"orbitNumber": "orbitnumber", "relativeOrbitNumber": "relativeorbitnumber", "sliceNumber": "slicenumber"}
# What the expanded attributes of OData v1 are called.
TITLES = {
    "cloudCover": "Cloud cover percentage",
    "cycleNumber": "Cycle number",
    "operationalMode": "Instrument mode",
    "orbitDirection": "Pass direction",
    "orbitNumber": "Orbit number (start)",
    "polarisationChannels": "Polarisation",
    "processorVersion": "Processing baseline",
    "productType": "Product type",
    "relativeOrbitNumber": "Relative orbit (start)",
    "sliceNumber": "Slice number",
}
GML = "http://www.opengis.net/gml"
KIB = 1024


def feed(query: str, page: Sequence[dict[str, Any]], *, total: int, start: int, rows: int, root: str) -> dict[str, Any]:
    """A page of a search in JSON; totals are strings, an only entry is an object, none is not there at all."""
    url = f"{root}/search?q={query}"

    def link(rel: str, at: int) -> dict[str, str]:
        return {"rel": rel, "type": "application/json", "href": f"{url}&start={at}&rows={rows}&format=json"}

    links = [link("self", start), link("first", 0)]
    if start + rows < total:
        links.append(link("next", start + rows))
    if start:
        links.append(link("previous", max(0, start - rows)))
    links.append(link("last", max(0, (total - 1) // rows * rows)))
    found: dict[str, Any] = {
        "xmlns": "http://www.w3.org/2005/Atom",
        "xmlns:opensearch": "http://a9.com/-/spec/opensearch/1.1/",
        "title": f"Data Hub search results for: {query}",
        "subtitle": f"Displaying {len(page)} results. Request done in 0.01 seconds.",
        "opensearch:totalResults": str(total),
        "opensearch:startIndex": str(start),
        "opensearch:itemsPerPage": str(rows),
        "opensearch:Query": {"startPage": "1", "searchTerms": query, "role": "request"},
        "link": links,
    }
    if page:
        found["entry"] = page[0] if len(page) == 1 else list(page)
    return found


def entry(product: SimProduct, size: int, root: str) -> dict[str, Any]:
    """An entry of the feed: properties by type, a single one of a type as an object."""
    values = {name: value for name, _, value in product.attributes}
    identifier, url = item_id(product.name), f"{root}/odata/v1/Products('{product.id}')"
    told = {
        "title": identifier,
        "link": [
            {"href": f"{url}/$value"},
            {"rel": "alternative", "href": f"{url}/"},
            {"rel": "icon", "href": f"{url}/Products('Quicklook')/$value"},
        ],
        "id": product.id,
        "summary": f"Date: {_moment(product, 'start')}, Instrument: {_instrument(values)}, Size: {sized(size)}",
        "ondemand": "false",
        "date": [
            {"name": "beginposition", "content": _moment(product, "start")},
            {"name": "endposition", "content": _moment(product, "end")},
            {"name": "ingestiondate", "content": _moment(product, "published")},
        ],
        "int": [{"name": NUMBERS[name], "content": str(values[name])} for name in NUMBERS if name in values],
        "double": [{"name": "cloudcoverpercentage", "content": str(values["cloudCover"])}]
        if "cloudCover" in values
        else [],
        "str": [{"name": name, "content": text} for name, text in _texts(product, values, size).items()],
    }
    return {
        name: value[0] if name in {"int", "double"} and len(value) == 1 else value
        for name, value in told.items()
        if value
    }


def entity(product: SimProduct, archive: SimArchive, root: str, *, online: bool, expanded: bool) -> dict[str, Any]:
    """An entity of ``Products``: its name has no suffix, its length is a text, its digest is in capitals."""
    url = f"{root}/odata/v1/Products('{product.id}')"
    return {
        "__metadata": {
            "id": url,
            "uri": url,
            "type": "DHuS.Product",
            "content_type": "application/octet-stream",
            "media_src": f"{url}/$value",
        },
        "Id": product.id,
        "Name": item_id(product.name),
        "ContentType": "application/octet-stream",
        "ContentLength": str(archive.size),
        "ChildrenNumber": "2",
        "Value": None,
        "CreationDate": _ticks(product, "published"),
        "IngestionDate": _ticks(product, "published"),
        "ModificationDate": _ticks(product, "modified"),
        "EvictionDate": None,
        "Online": online,
        "OnDemand": False,
        "ContentDate": {
            "__metadata": {"type": "DHuS.TimeRange"},
            "Start": _ticks(product, "start"),
            "End": _ticks(product, "end"),
        },
        "Checksum": {"__metadata": {"type": "DHuS.Checksum"}, "Algorithm": "MD5", "Value": archive.md5.upper()},
        "ContentGeometry": gml(product.footprint) if product.footprint else None,
        "Products": {"__deferred": {"uri": f"{url}/Products"}},
        "Nodes": {"__deferred": {"uri": f"{url}/Nodes"}},
        "Attributes": {"results": _results(product)} if expanded else {"__deferred": {"uri": f"{url}/Attributes"}},
        "Class": {"__deferred": {"uri": f"{url}/Class"}},
    }


def sized(size: int) -> str:
    """``110.44 MB``, counted in 1024s."""
    amount, units = float(size), ["B", "KB", "MB", "GB"]
    while amount >= KIB and len(units) > 1:
        amount /= KIB
        units.pop(0)
    return f"{amount:.2f} {units[0]}"


def gml(footprint: Geometry) -> str:
    """A footprint in GML 2, latitude first, its polygons one after the other."""
    polygons = footprint["coordinates"] if footprint["type"] == "MultiPolygon" else [footprint["coordinates"]]
    rings = (" ".join(f"{y},{x}" for x, y in polygon[0]) for polygon in polygons)
    inside = "".join(
        f'<gml:Polygon srsName="{GML}/srs/epsg.xml#4326" xmlns:gml="{GML}"><gml:outerBoundaryIs><gml:LinearRing>'
        f"<gml:coordinates>{ring}</gml:coordinates></gml:LinearRing></gml:outerBoundaryIs></gml:Polygon>"
        for ring in rings
    )
    if len(polygons) == 1:
        return inside
    return f'<gml:MultiPolygon xmlns:gml="{GML}"><gml:polygonMember>{inside}</gml:polygonMember></gml:MultiPolygon>'


def _texts(product: SimProduct, values: Mapping[str, Value], size: int) -> dict[str, str]:
    found = {TEXTS[name]: str(values[name]) for name in TEXTS if name in values}
    if "polarisationChannels" in values:
        found["polarisationmode"] = str(values["polarisationChannels"]).replace("&", " ")
    if product.footprint:
        found["footprint"] = well_known_text(product.footprint)
        found["gmlfootprint"] = gml(product.footprint)
    return found | {
        "filename": product.name,
        "format": "SAFE",
        "identifier": item_id(product.name),
        "instrumentshortname": _instrument(values),
        "platformname": PLATFORMS.get(product.collection, product.collection.capitalize()),
        "platformserialidentifier": f"{product.collection.capitalize()}{values.get('platformSerialIdentifier', '')}",
        "size": sized(size),
        "uuid": product.id,
    }


def _results(product: SimProduct) -> list[dict[str, str]]:
    named = {TITLES[name]: str(value) for name, _, value in product.attributes if name in TITLES}
    named |= {"Filename": product.name, "Identifier": item_id(product.name)}
    return [{"Id": name, "Name": name, "ContentType": "text/plain", "Value": value} for name, value in named.items()]


def _instrument(values: Mapping[str, Value]) -> str:
    name = str(values.get("instrumentShortName", ""))
    return INSTRUMENTS.get(name, name)


def _moment(product: SimProduct, field: str) -> str:
    return iso_ms(to_us(getattr(product, field)))


def _ticks(product: SimProduct, field: str) -> str:
    return f"/Date({to_us(getattr(product, field)) // 1000})/"
