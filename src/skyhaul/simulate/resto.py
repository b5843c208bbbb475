"""The resto host, in the manner of PEPS: searches by collection, counted pages, products on disk, on tape or on their way."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import anyio.to_thread
import msgspec
import shapely
from aiohttp import web

from skyhaul.simulate import resto_features
from skyhaul.simulate.bodies import Whole
from skyhaul.simulate.catalogue import compute, page_response
from skyhaul.simulate.downloads import deliver
from skyhaul.simulate.entities import stated
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.filters import AllOf, AnyOf, AttributeIs, Compare, FilterError, In, Intersects, Not, Text, moment
from skyhaul.simulate.hosts import Problem, RefusedError, check_password, json_response, target
from skyhaul.simulate.odata import Reply
from skyhaul.simulate.selection import Selections
from skyhaul.simulate.tape import Storage, TooManyOrdersError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from skyhaul.simulate.filters import Condition, Operator
    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.service import Service

MAX_RECORDS, MAX_RECORDS_DEFAULT = 500, 20
SEARCH = re.compile(r"/resto/api/collections/(?P<collection>\w+)/search\.json")
DOWNLOAD = re.compile(r"/resto/collections/(?P<collection>\w+)/(?P<id>[0-9a-fA-F-]+)/download/?")
MISSIONS = {"S1": "SENTINEL-1", "S2": "SENTINEL-2", "S2ST": "SENTINEL-2", "S3": "SENTINEL-3"}
SINGLE_TILES = moment("2016-12-05T00:00:00Z")
ERAS: Mapping[str, Operator] = {"S2": "lt", "S2ST": "ge"}
"""PEPS: one collection of Sentinel-2 goes on where the other ends."""

NEWEST_FIRST = ("ContentDate/Start", True)
STAGING = {"message": "The product is on its way here"}
"""PEPS: 44 bytes."""
NOT_HELD = ("*_COG.SAFE", "S1?_AUX_*", "S1?_OPER_*")
UNFILTERED = frozenset({"maxRecords", "page", "lang", "q"})


class Asked(NamedTuple):
    """A search, read."""

    collection: str
    query: tuple[tuple[str, str], ...]
    number: int
    size: int


class RestoHost:
    """A resto with storage states."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._selections = Selections()

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is the query or the product's id."""
        asked = target(request)
        if SEARCH.fullmatch(asked.decoded_path):
            return Subject("resto.search", asked.query)
        found = DOWNLOAD.fullmatch(asked.decoded_path)
        return Subject("resto.download", found["id"]) if found else Subject("resto.other", asked.path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host; only downloads want a password."""
        asked = target(request)
        if subject.route == "resto.search":
            search = _asked(asked.decoded_path, asked.pairs())
            return page_response(self._service, subject, await compute(self._service, lambda: self._page(search)))
        if subject.route == "resto.download":
            check_password(request, self._service.scenario)
            return await self._download(request, subject)
        raise RefusedError(404, "", "Not Found")

    def problem(self, problem: Problem) -> web.Response:
        """``{"ErrorMessage", "ErrorCode"}``; what is wrong with a search is told with status 200."""
        status = web.HTTPOk.status_code if problem.code == "search" else problem.status
        return json_response({"ErrorMessage": problem.message, "ErrorCode": problem.status}, status)

    def _page(self, asked: Asked) -> Reply:
        world, root = self._service.world, self._service.roots.resto
        wanted = tuple(pair for pair in asked.query if pair[0] not in UNFILTERED)
        read = partial(_condition, asked.collection, wanted)
        try:
            rows = self._selections.rows((asked.collection, wanted), world.shelf, NEWEST_FIRST, read)
        except FilterError as error:
            raise RefusedError(400, "search", str(error)) from error
        first = (asked.number - 1) * asked.size
        features = [self._feature(world.product(row), asked.collection) for row in rows[first : first + asked.size]]
        document = resto_features.page(
            features,
            url=f"{root}/resto/api/collections/{asked.collection}/search.json",
            query=asked.query,
            number=asked.number,
            size=asked.size,
            total=len(rows),
        )
        return Reply(200, msgspec.json.encode(document))

    def _feature(self, product: SimProduct, collection: str) -> dict[str, Any]:
        service = self._service
        storage = service.tapes["resto"].storage(product)
        return resto_features.feature(
            product, stated(service.world.shelf, product.index), collection, storage, service.roots.resto
        )

    async def _download(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        product = self._service.world.by_id(subject.name)
        if product is None or resto_features.collection_of(product) is None:
            raise RefusedError(404, "", "Not Found")
        tape = self._service.tapes["resto"]
        if tape.storage(product) is not Storage.DISK:
            try:
                tape.ask(product)
            except TooManyOrdersError as error:
                raise RefusedError(403, "", "Too many products are being staged for this account") from error
            return json_response(STAGING, self._service.scenario.staging_status)
        archive = await anyio.to_thread.run_sync(self._service.world.archive, product)
        if archive is None:
            raise RefusedError(404, "", "Not Found")
        ranges = self._service.scenario.zip_ranges
        whole = Whole(
            source=archive,
            size=archive.size,
            content_type=archive.content_type,
            disposition=f'attachment; filename="{archive.filename}"',
            etag=archive.md5 if ranges else None,
            ranges=ranges,
        )
        return await deliver(self._service, request, subject, whole)


def _asked(path: str, query: Sequence[tuple[str, str]]) -> Asked:
    found = SEARCH.fullmatch(path)
    collection = found["collection"] if found else ""
    if collection not in MISSIONS:
        raise RefusedError(404, "search", f"Collection {collection} does not exist")
    values = dict(query)
    number, size = values.get("page", "1"), values.get("maxRecords", str(MAX_RECORDS_DEFAULT))
    if not (number + size).isdecimal() or int(number) < 1 or not 1 <= int(size) <= MAX_RECORDS:
        raise RefusedError(400, "search", "Invalid value for page or maxRecords")
    return Asked(collection, tuple(query), int(number), int(size))


def _condition(collection: str, query: Sequence[tuple[str, str]]) -> Condition:
    held: list[Condition] = [Not(Text("like", "Name", pattern)) for pattern in NOT_HELD]
    if collection in ERAS:
        held.append(Compare("ContentDate/Start", ERAS[collection], SINGLE_TILES))
    return AllOf((Compare("Collection/Name", "eq", MISSIONS[collection]), *held, *_conditions(dict(query))))


def _conditions(values: Mapping[str, str]) -> Iterator[Condition]:
    """What the parameters restrict.

    Raises:
        FilterError: one that is unknown, or cannot be read.
    """
    for name, value in values.items():
        match name:
            case "startDate":
                yield Compare("ContentDate/Start", "ge", moment(value))
            case "completionDate":  # resto 2: it bounds the start
                yield Compare("ContentDate/Start", "le", moment(value))
            case "box":
                yield Intersects(_box(value))
            case "geometry":
                yield Intersects(_shape(value))
            case "cloudCover":
                yield from _interval("cloudCover", value)
            case "identifier" | "productIdentifier":
                yield AnyOf((In("Name", (f"{value}.SAFE", f"{value}.SEN3")), In("Id", (value,))))
            case "orbitNumber" | "relativeOrbitNumber":
                yield AttributeIs(name, frozenset(), "eq", _whole(value))
            case _ if name in TEXTS:
                attribute, worded = TEXTS[name]
                yield AttributeIs(attribute, frozenset(), "eq", worded(value))
            case _:
                raise FilterError(f"Unknown parameter {name}")


TEXTS: dict[str, tuple[str, Callable[[str], str]]] = {
    "productType": ("productType", str),
    "sensorMode": ("operationalMode", str),
    "orbitDirection": ("orbitDirection", str.upper),
    "platform": ("platformSerialIdentifier", lambda text: text[-1:]),
    "polarisation": ("polarisationChannels", lambda text: text.replace(" ", "&")),
    "tileid": ("tileId", str),
}


def _box(text: str) -> shapely.Geometry:
    try:
        west, south, east, north = map(float, text.split(","))
    except ValueError as error:
        raise FilterError("Invalid value for box") from error
    return shapely.box(west, south, east, north)


def _shape(text: str) -> shapely.Geometry:
    try:
        return shapely.from_wkt(text)
    except shapely.errors.ShapelyError as error:
        raise FilterError("Invalid value for geometry") from error


def _interval(name: str, text: str) -> Iterator[Condition]:
    """``[0,20]``: both ends belong to it."""
    found = re.fullmatch(r"\[([\d.]+),([\d.]+)\]", text)
    if found is None:
        raise FilterError(f"Invalid value for {name}")
    yield AttributeIs(name, frozenset(), "ge", float(found[1]))
    yield AttributeIs(name, frozenset(), "le", float(found[2]))


def _whole(text: str) -> int:
    if not text.isdecimal():
        raise FilterError(f"Invalid value {text}")
    return int(text)
