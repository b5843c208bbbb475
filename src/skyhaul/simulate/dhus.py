"""The DHuS host: OpenSearch in JSON, OData v1, downloads with ranges, and what is archived to be waited for."""

from __future__ import annotations

import datetime as dt
import html
import re
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import anyio.to_thread
import msgspec
from aiohttp import web

from skyhaul.simulate import dhus_entries, solr
from skyhaul.simulate.bodies import Whole
from skyhaul.simulate.catalogue import compute, page_response
from skyhaul.simulate.downloads import deliver
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.filters import FilterError
from skyhaul.simulate.hosts import Problem, RefusedError, check_password, json_response, reply_response, target
from skyhaul.simulate.identity import form_of
from skyhaul.simulate.odata import Reply
from skyhaul.simulate.selection import Selections, column
from skyhaul.simulate.tape import Storage, TooManyOrdersError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.service import Service

ROWS_DEFAULT, ROWS_MAX = 10, 100
URL_MAX = 3898
"""Characters of an encoded query in a GET; above it the server answers with an error."""

ENTITY = re.compile(r"/odata/v1/Products\('(?P<id>[^']*)'\)(?P<rest>/.*)?")
ORDERS = {**solr.TIMES, "filename": "Name"}
PARTS = {"": "dhus.product", "/Online/$value": "dhus.online", "/$value": "dhus.value"}
QUICKLOOK = "/Products('Quicklook')/$value"
REALM = {"WWW-Authenticate": 'Basic realm="OData service"'}


class Asked(NamedTuple):
    """A search, read."""

    query: str
    start: int
    rows: int
    order: tuple[str, bool]


class DhusHost:
    """A national mirror that still runs DHuS."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._selections = Selections()

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is the query or the product's id."""
        asked = target(request)
        if asked.decoded_path == "/search":
            return Subject("dhus.search", asked.query)
        found = ENTITY.fullmatch(asked.decoded_path)
        if found is None:
            return Subject("dhus.other", asked.path)
        return Subject(PARTS.get(found["rest"] or "", "dhus.part"), found["id"])

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host; everything wants a password."""
        check_password(request, self._service.scenario)
        if subject.route == "dhus.search":
            return await self._search(request, subject)
        if subject.route == "dhus.other":
            raise RefusedError(404, "", "PAGE NOT FOUND")
        product = self._service.world.by_id(subject.name)
        if product is None or product.deleted is not None:
            raise RefusedError(404, "key", f"Invalid key ({subject.name}) to access Products")
        return await self._of_product(request, subject, product)

    def problem(self, problem: Problem) -> web.Response:
        """A page of the servlet container, its cause in a header; of OData a message in a language."""
        if problem.code == "key":
            body = {"error": {"code": None, "message": {"lang": "en", "value": problem.message}}}
            return json_response(body, problem.status)
        title = f"HTTP Status {problem.status} - {html.escape(problem.message)}"
        page = f'<!doctype html><html lang="en"><head><title>{title}</title></head><body><h1>{title}</h1></body></html>'
        headers = {
            "cause-message": problem.message,
            **(REALM if problem.status == web.HTTPUnauthorized.status_code else {}),
        }
        return web.Response(status=problem.status, text=page, content_type="text/html", headers=headers)

    async def _search(self, request: web.BaseRequest, subject: Subject) -> web.Response:
        asked = target(request)
        if len(asked.query) > URL_MAX:
            raise RefusedError(500, "", "IOException : URI too long")
        form = await form_of(request) if request.method == "POST" else {}
        search = _asked({**dict(asked.pairs()), **form})
        return page_response(self._service, subject, await compute(self._service, lambda: self._page(search)))

    def _page(self, asked: Asked) -> Reply:
        world, root = self._service.world, self._service.roots.dhus
        read = partial(solr.parse, asked.query, dt.datetime.now(dt.UTC))
        try:
            rows = self._selections.rows((asked.query, asked.order), world.shelf, asked.order, read)
        except FilterError as error:
            raise RefusedError(500, "", f"IOException : Server returned HTTP response code: 400 ({error})") from error
        sizes = column(world.shelf, "ContentLength").get
        page = rows[asked.start : asked.start + asked.rows]
        entries = [dhus_entries.entry(world.product(row), sizes(row), root) for row in page]
        feed = dhus_entries.feed(asked.query, entries, total=len(rows), start=asked.start, rows=asked.rows, root=root)
        return Reply(200, msgspec.json.encode({"feed": feed}))

    async def _of_product(self, request: web.BaseRequest, subject: Subject, product: SimProduct) -> web.StreamResponse:
        rest = target(request).decoded_path.partition("')")[2]
        match subject.route:
            case "dhus.product":
                expanded = "Attributes" in dict(target(request).pairs()).get("$expand", "")
                return reply_response(await compute(self._service, lambda: self._entity(product, expanded=expanded)))
            case "dhus.online":
                return web.Response(text="true" if self._online(product) else "false")
            case "dhus.value":
                return await self._value(request, subject, product)
            case _ if rest == QUICKLOOK and product.quicklook_id is not None:
                data, content_type = await anyio.to_thread.run_sync(self._service.world.quicklook, product)
                return web.Response(body=data, content_type=content_type)
            case _:
                raise RefusedError(404, "key", f"Invalid key ({rest}) to access Products")

    def _entity(self, product: SimProduct, *, expanded: bool) -> Reply:
        archive = self._service.world.archive(product)
        if archive is None:
            raise RefusedError(404, "key", f"Invalid key ({product.id}) to access Products")
        entity = dhus_entries.entity(
            product, archive, self._service.roots.dhus, online=self._online(product), expanded=expanded
        )
        return Reply(200, msgspec.json.encode({"d": entity}))

    async def _value(self, request: web.BaseRequest, subject: Subject, product: SimProduct) -> web.StreamResponse:
        if not self._online(product):
            return self._order(request, product)
        if request.headers.get("Range") == "bytes=0-0":
            raise RefusedError(500, "", "NullPointerException : null")
        whole = await anyio.to_thread.run_sync(self._whole, product)
        if request.method == "HEAD":
            headers = {"ETag": whole.etag or "", "Content-Length": str(whole.size), "Accept-Ranges": "bytes"}
            return web.Response(headers=headers, content_type=whole.content_type)
        return await deliver(self._service, request, subject, whole, crowded=self._crowded)

    def _order(self, request: web.BaseRequest, product: SimProduct) -> web.Response:
        """202 without a body: asked for, also where it was already; a HEAD asks for nothing."""
        scenario = self._service.scenario
        try:
            if request.method == "GET":
                self._service.tapes["dhus"].ask(product)
        except TooManyOrdersError as error:
            message = (
                f"User '{scenario.username}' offline products retrieval quota exceeded "
                f"({scenario.orders_at_once} fetches max) trying to fetch product {product.name}"
            )
            raise RefusedError(403, "", message) from error
        return web.Response(status=202, content_type="text/plain")

    def _whole(self, product: SimProduct) -> Whole:
        archive = self._service.world.archive(product)
        if archive is None:
            raise RefusedError(404, "key", f"Invalid key ({product.id}) to access Products")
        return Whole(
            source=archive,
            size=archive.size,
            content_type="application/octet-stream",
            etag=archive.md5.upper(),
            bare_etag=True,
            last_modified=product.published,
            disposition=f'inline;filename="{archive.filename}"',
        )

    def _crowded(self, connections: int) -> RefusedError:
        return RefusedError(
            403,
            "",
            "An exception occured while creating a stream: "
            f'Maximum number of {connections} concurrent flows achieved by the user "{self._service.scenario.username}"',
        )

    def _online(self, product: SimProduct) -> bool:
        return self._service.tapes["dhus"].storage(product) is Storage.DISK


def _asked(values: Mapping[str, str]) -> Asked:
    """The parameters of a search.

    Raises:
        RefusedError: 500, one of them cannot be used.
    """
    path, _, direction = values.get("orderby", "ingestiondate desc").lower().partition(" ")
    rows, start = values.get("rows", str(ROWS_DEFAULT)), values.get("start", "0")
    if path not in ORDERS or direction.strip() not in {"asc", "desc"} or not (rows + start).isdecimal():
        raise RefusedError(500, "", "IOException : Server returned HTTP response code: 400")
    if values.get("format") != "json" or int(rows) > ROWS_MAX:
        raise RefusedError(400, "", "Bad Request")
    return Asked(values.get("q", "*"), int(start), int(rows), (ORDERS[path], direction.strip() == "desc"))
