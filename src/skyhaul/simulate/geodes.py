"""The GEODES host: a STAC of its own, pages counted by the client, products on disk or tape, a key in a header."""

from __future__ import annotations

import re
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec
import shapely
from aiohttp import web
from shapely.geometry import shape

from skyhaul.simulate.bodies import Whole
from skyhaul.simulate.catalogue import compute, page_response
from skyhaul.simulate.downloads import deliver
from skyhaul.simulate.entities import stated
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.filters import AllOf, AnyOf, AttributeIs, Compare, FilterError, In, Intersects, Not, Text, moment
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target
from skyhaul.simulate.odata import Reply
from skyhaul.simulate.resto_features import moment as to_ms
from skyhaul.simulate.resto_features import product_type
from skyhaul.simulate.selection import Selections
from skyhaul.simulate.stac_items import item_id
from skyhaul.simulate.tape import Storage, TooManyOrdersError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from skyhaul.simulate.filters import Condition, Operand
    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.service import Service

LIMIT_MAX, LIMIT_DEFAULT = 80, 10
COLLECTIONS = {"PEPS_S1_L1": ("SENTINEL-1", ("GRD", "SLC")), "PEPS_S2_L1C": ("SENTINEL-2", ("S2MSI1C",))}
ENDPOINTS = {
    "SENTINEL-1": "https://s3.datalake.cnes.fr/sentinel1-grd",
    "SENTINEL-2": "https://s3.datalake.cnes.fr/sentinel2-l1c",
}
"""Where the portal has its files from; told, never asked."""

DOWNLOAD = re.compile(r"/api/download/URN:FEATURE:DATA:gdh:(?P<id>[0-9a-f-]{36}):V1/files/(?P<md5>[0-9a-f]{32})")
OPERATORS = {"eq": "eq", "neq": "ne", "lt": "lt", "lte": "le", "gt": "gt", "gte": "ge"}
TIMES = {"start_datetime": "ContentDate/Start", "end_datetime": "ContentDate/End"}
ATTRIBUTES: Mapping[str, tuple[str, Callable[[Any], Operand]]] = {
    "eo:cloud_cover": ("cloudCover", float),
    "grid:code": ("tileId", lambda text: str(text).removeprefix("T")),
    "platform": ("platformSerialIdentifier", lambda text: str(text)[-1:]),
    "product:timeliness": ("timeliness", str),
    "product:type": ("productType", str),
    "sar:instrument_mode": ("operationalMode", str),
    "sar:polarizations": ("polarisationChannels", lambda text: str(text).replace(" ", "&")),
    "sat:absolute_orbit": ("orbitNumber", int),
    "sat:orbit_state": ("orbitDirection", lambda text: str(text).upper()),
    "sat:relative_orbit": ("relativeOrbitNumber", int),
}


class Sorting(msgspec.Struct):
    """One key of an order."""

    field: str
    direction: str = "asc"


class Search(msgspec.Struct, rename={"sort_by": "sortBy"}, forbid_unknown_fields=True):
    """The body of a search."""

    collections: list[str] = []
    bbox: list[float] | None = None
    intersects: dict[str, Any] | None = None
    query: dict[str, dict[str, Any]] = {}
    limit: int = LIMIT_DEFAULT
    page: int = 1
    sort_by: list[Sorting] = []


class Place(msgspec.Struct, rename="camel"):
    """One file whose availability is asked for."""

    href: str
    endpoint_url: str = msgspec.field(name="endpointURL", default="")


class Availability(msgspec.Struct):
    """The body of a question for availability."""

    availability: list[Place]


class GeodesHost:
    """``geodes-portal.cnes.fr``."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._selections = Selections()

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host."""
        path = target(request).decoded_path
        route = {
            "/api/stac/search": "geodes.search",
            "/api/stac/collections": "geodes.collections",
            "/fastavailability": "geodes.availability",
        }.get(path)
        found = DOWNLOAD.fullmatch(path)
        return Subject(route or ("geodes.download" if found else "geodes.other"), found["id"] if found else path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host; a key is wanted for downloads alone."""
        body = await request.read()
        match (request.method, subject.route):
            case ("POST", "geodes.search"):
                return page_response(self._service, subject, await compute(self._service, lambda: self._page(body)))
            case ("POST", "geodes.collections"):
                found = [{"id": name, "type": "Collection", "title": name} for name in COLLECTIONS]
                return json_response({"collections": found, "context": {"matched": len(found)}})
            case ("POST", "geodes.availability"):
                return self._availability(body)
            case ("GET", "geodes.download"):
                if request.headers.get("X-API-Key") != self._service.scenario.api_key:
                    raise RefusedError(401, "", "Unauthorized")
                return await self._download(request, subject)
            case _:
                raise RefusedError(404, "", "Not Found")

    def problem(self, problem: Problem) -> web.Response:
        """``{"messages"}``, as the portal's framework has it."""
        return json_response({"messages": [problem.message], "status": HTTPStatus(problem.status).name}, problem.status)

    def _page(self, body: bytes) -> Reply:
        world = self._service.world
        try:
            search = msgspec.json.decode(body, type=Search)
            order = _order(search)
            wanted = msgspec.json.encode((search.collections, search.bbox, search.intersects, search.query))
            rows = self._selections.rows((wanted, order), world.shelf, order, partial(_condition, search))
        except (FilterError, msgspec.DecodeError, ValueError, TypeError) as error:
            raise RefusedError(400, "", str(error)) from error
        if not 1 <= search.limit <= LIMIT_MAX or search.page < 1:
            raise RefusedError(400, "", f"limit must be at most {LIMIT_MAX}")
        first = (search.page - 1) * search.limit
        features = [self._item(world.product(row)) for row in rows[first : first + search.limit]]
        page = {
            "type": "FeatureCollection",
            "stac_version": "1.0.0",
            "features": features,
            "links": [],
            "context": {"returned": len(features), "limit": search.limit, "matched": len(rows)},
        }
        return Reply(200, msgspec.json.encode(page))

    def _item(self, product: SimProduct) -> dict[str, Any]:
        known = stated(self._service.world.shelf, product.index)
        urn = f"URN:FEATURE:DATA:gdh:{product.id}:V1"
        filename = f"{item_id(product.name)}.zip"
        online = "true" if self._service.tapes["geodes"].storage(product) is Storage.DISK else "false"
        file = {
            "href": f"{self._service.roots.geodes}/api/download/{urn}/files/{known.md5 or product.id.replace('-', '')}",
            "title": filename,
            "description": f"File size: {known.size} bytes\n\nIs reference: false\n\nIs online: {online}\n\n"
            f"Datatype: RAWDATA\n\nChecksum MD5: {known.md5}",
            "type": "application/zip",
            "roles": ["data"],
        }
        return {
            "type": "Feature",
            "stac_version": "1.0.0",
            "id": urn,
            "collection": _collection(product),
            "bbox": list(shape(product.footprint).bounds) if product.footprint else None,
            "geometry": product.footprint,
            "properties": _properties(product),
            "links": [],
            "assets": {filename: file},
        }

    def _availability(self, body: bytes) -> web.Response:
        try:
            asked = msgspec.json.decode(body, type=Availability).availability
        except msgspec.DecodeError as error:
            raise RefusedError(400, "", str(error)) from error
        found = []
        for place in asked:
            match = DOWNLOAD.search(place.href)
            product = self._service.world.by_id(match["id"]) if match else None
            if match and product:
                available = self._service.tapes["geodes"].storage(product) is Storage.DISK
                file = {"available": available, "checksum": match["md5"]}
                found.append({"id": f"URN:FEATURE:DATA:gdh:{product.id}:V1", "files": [file]})
        return json_response({"products": found})

    async def _download(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        product, tape = self._service.world.by_id(subject.name), self._service.tapes["geodes"]
        if product is None:
            raise RefusedError(404, "", "Not Found")
        if tape.storage(product) is not Storage.DISK:
            try:
                tape.ask(product)
            except TooManyOrdersError as error:
                raise RefusedError(429, "", "Too many files are being staged for this account") from error
            return json_response({"messages": ["The file is being staged"]}, 202)
        archive = await anyio.to_thread.run_sync(self._service.world.archive, product)
        if archive is None:
            raise RefusedError(404, "", "Not Found")
        disposition = f'attachment; filename="{archive.filename}"'
        whole = Whole(source=archive, size=archive.size, content_type=archive.content_type, disposition=disposition)
        return await deliver(self._service, request, subject, whole)


def _collection(product: SimProduct) -> str:
    return "PEPS_S2_L1C" if product.collection == "SENTINEL-2" else "PEPS_S1_L1"


def _properties(product: SimProduct) -> dict[str, Any]:
    values = {name: value for name, _, value in product.attributes}
    found = {
        "identifier": item_id(product.name),
        "dataset": _collection(product),
        "datetime": to_ms(product, "published"),
        "start_datetime": to_ms(product, "start"),
        "end_datetime": to_ms(product, "end"),
        "product:type": product_type(product),
        "eo:cloud_cover": values.get("cloudCover", 0.0),
        "platform": f"{product.name[:2]}{values.get('platformSerialIdentifier', '')}",
        "sat:absolute_orbit": values.get("orbitNumber"),
        "sat:relative_orbit": values.get("relativeOrbitNumber"),
        "sar:instrument_mode": values.get("operationalMode"),
        "latest": True,
        "endpoint_url": f"{ENDPOINTS[product.collection]}/{product.start:%Y/%m/%d}/{item_id(product.name)}.zip",
    }
    if "tileId" in values:
        found["grid:code"] = f"T{values['tileId']}"
    if "orbitDirection" in values:
        found["sat:orbit_state"] = str(values["orbitDirection"]).capitalize()
    if "polarisationChannels" in values:
        found["sar:polarizations"] = str(values["polarisationChannels"]).replace("&", " ")
    return found


def _order(search: Search) -> tuple[str, bool]:
    key = search.sort_by[0] if search.sort_by else Sorting("start_datetime", "dsc")
    if key.field not in TIMES or key.direction not in {"asc", "dsc"}:
        raise FilterError(f"sortBy: cannot sort by {key.field} {key.direction}")
    return TIMES[key.field], key.direction == "dsc"


def _condition(search: Search) -> Condition:
    terms: list[Condition] = [_in_collections(search.collections), *_queried(search.query)]
    if search.bbox is not None:
        terms.append(Intersects(shapely.box(*search.bbox)))
    if search.intersects is not None:
        terms.append(Intersects(shape(search.intersects)))
    return AllOf(tuple(terms))


def _in_collections(names: list[str]) -> Condition:
    known = [COLLECTIONS[name] for name in names or COLLECTIONS if name in COLLECTIONS]
    held = Not(Text("like", "Name", "*_COG.SAFE"))
    wanted = [
        AllOf((Compare("Collection/Name", "eq", mission), AttributeIs("productType", frozenset(), "eq", kind), held))
        for mission, kinds in known
        for kind in kinds
    ]
    return AnyOf(tuple(wanted))


def _queried(query: Mapping[str, Mapping[str, Any]]) -> Iterator[Condition]:
    """Every comparison of a query.

    Raises:
        FilterError: the field or the operator is unknown.
    """
    for name, comparisons in query.items():
        for operator, value in comparisons.items():
            if name == "identifier" and operator in {"eq", "contains", "in"}:
                yield _identified(operator, value)
            elif name in TIMES and operator in OPERATORS:
                yield Compare(TIMES[name], OPERATORS[operator], moment(value))  # type: ignore[arg-type] # of the table
            elif name in ATTRIBUTES and operator in {*OPERATORS, "contains"}:
                attribute, worded = ATTRIBUTES[name]
                compare = OPERATORS.get(operator, "eq")
                yield AttributeIs(attribute, frozenset(), compare, worded(value))  # type: ignore[arg-type] # likewise
            else:
                raise FilterError(f"query: cannot compare {name} by {operator}")


def _identified(operator: str, value: Any) -> Condition:
    if operator == "contains":
        return Text("contains", "Name", str(value))
    return In("Name", tuple(f"{name}.SAFE" for name in (value if operator == "in" else [value])))
