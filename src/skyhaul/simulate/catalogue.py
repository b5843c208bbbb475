"""The catalogue host: OData searches, quicklooks, and the redirects that lead to the download hosts."""

from __future__ import annotations

import re
from contextlib import contextmanager
from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

import anyio
import anyio.to_thread
import msgspec
from aiohttp import web

from skyhaul.simulate.faults import Stage, Subject
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, redirect, reply_response, target, trace_id
from skyhaul.simulate.odata import Reply
from skyhaul.simulate.pages import spoilt_json

OK, NOT_FOUND, INTERNAL_SERVER_ERROR = HTTPStatus.OK, HTTPStatus.NOT_FOUND, HTTPStatus.INTERNAL_SERVER_ERROR

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from skyhaul.simulate.service import Service

ENTITY = re.compile(r"(?P<set>[A-Za-z.]+)(?:\((?P<id>[^()/]*)\))?(?P<rest>/.*)?")

# Entity set, whether one entity is named, and what follows it.
ROUTES = {
    ("Products", False, ""): "catalogue.products",
    ("Products", False, "/OData.CSC.FilterList"): "catalogue.list",
    ("Products", True, ""): "catalogue.product",
    ("Products", True, "/$value"): "catalogue.redirect",
    ("Products", True, "/$zip"): "catalogue.redirect",
    ("Products", True, "/Nodes"): "catalogue.redirect",
    ("DeletedProducts", False, ""): "catalogue.deleted",
    ("DeletedProducts", True, ""): "catalogue.deleted-product",
    ("Bursts", False, ""): "catalogue.bursts",
    ("Bursts", True, ""): "catalogue.burst",
    ("Bursts", True, "/$value"): "catalogue.burst-redirect",
    ("Attributes", False, ""): "catalogue.attributes",
    ("Attributes", True, ""): "catalogue.attributes",
    ("Assets", True, "/$value"): "catalogue.quicklook",
}


class Call(NamedTuple):
    """A parsed path below ``/odata/v1``: ``Products(<id>)/$value`` is ``("Products", "<id>", "/$value")``."""

    entity_set: str
    id: str | None
    rest: str


def parse_call(path: str) -> Call | None:
    """The call a decoded path makes, or None for a path of no known form."""
    match = ENTITY.fullmatch(path.removeprefix("/odata/v1/")) if path.startswith("/odata/v1/") else None
    return Call(match["set"], match["id"], match["rest"] or "") if match else None


@contextmanager
def one_more(service: Service) -> Iterator[None]:
    """Count a catalogue request while it is at work.

    Raises:
        RefusedError: 429, there are as many as the scenario allows.
    """
    limit = service.scenario.catalogue_max_concurrency
    if limit is not None and service.catalogue_requests >= limit:
        raise RefusedError(429, "", "Too Many Requests")
    service.catalogue_requests += 1
    try:
        yield
    finally:
        service.catalogue_requests -= 1


async def compute(service: Service, make: Callable[[], Reply]) -> Reply:
    """Run a heavy part of the pure half on a thread, after the catalogue's latency, so that streams go on."""
    with one_more(service):
        await anyio.sleep(service.scenario.page_latency_s)
        return await anyio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=service.threads)


def page_response(service: Service, subject: Subject, reply: Reply) -> web.Response:
    """A list of the pure half, as a fault leaves it."""
    fault = service.faults.draw(Stage.PAGE, subject) if reply.status == OK else None
    if fault is not None:
        reply = Reply(reply.status, spoilt_json(reply.body, fault), reply.content_type)
    return reply_response(reply)


class CatalogueHost:
    """``catalogue.dataspace.copernicus.eu``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is an id or the query."""
        asked = target(request)
        call = parse_call(asked.decoded_path)
        if call is None:
            return Subject("catalogue.other", asked.path)
        rest = "/Nodes" if call.rest.startswith("/Nodes") else call.rest
        route = ROUTES.get((call.entity_set, call.id is not None, rest), "catalogue.other")
        return Subject(route, call.id or asked.query)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        asked = target(request)
        call = parse_call(asked.decoded_path)
        if call is None:
            raise RefusedError(404, "", "Not Found")
        if subject.route == "catalogue.redirect":
            return redirect(f"{self._service.roots.download}{asked}", 301)
        if subject.route == "catalogue.burst-redirect":
            # The method has to stay POST: 307 says so to clients that follow on their own.
            return redirect(f"{self._service.roots.bursts}{asked}", 307)
        if subject.route == "catalogue.quicklook":
            return await self._quicklook(str(call.id))
        if request.method != ("POST" if subject.route == "catalogue.list" else "GET"):
            raise RefusedError(405, "", "Method Not Allowed")
        make = self._computation(subject.route, call.id or "", asked.pairs(), await request.read())
        return page_response(self._service, subject, await compute(self._service, make))

    def problem(self, problem: Problem) -> web.Response:
        """``{"detail": ...}``, with an object where CDSE has one."""
        if problem.status >= INTERNAL_SERVER_ERROR:  # from the proxy in front
            body = f"<html><body><h1>{problem.status}</h1></body></html>"
            return web.Response(status=problem.status, text=body, content_type="text/html")
        if problem.status == NOT_FOUND:
            return json_response({"detail": {"message": problem.message, "request_id": trace_id()}}, 404)
        return json_response({"detail": problem.message}, problem.status)

    async def _quicklook(self, asset_id: str) -> web.Response:
        world = self._service.world
        product = world.by_quicklook(asset_id)
        if product is None:
            raise RefusedError(404, "", "Asset not found")
        data, content_type = await anyio.to_thread.run_sync(world.quicklook, product, limiter=self._service.threads)
        return web.Response(body=data, content_type=content_type)

    def _computation(self, route: str, entity: str, query: list[tuple[str, str]], body: bytes) -> Callable[[], Reply]:
        catalogue, root = self._service.catalogue, self._service.roots.catalogue_url
        computations: dict[str, Callable[[], Reply]] = {
            "catalogue.products": lambda: catalogue.products(query, root),
            "catalogue.list": lambda: catalogue.filter_list(body, query, root),
            "catalogue.product": lambda: catalogue.product(entity, query, root),
            "catalogue.deleted": lambda: catalogue.deleted_products(query, root),
            "catalogue.deleted-product": lambda: catalogue.deleted_product(entity, root),
            "catalogue.bursts": lambda: catalogue.bursts(query, root),
            "catalogue.burst": lambda: single(catalogue.bursts([("$filter", f"Id eq '{entity}'")], root)),
            "catalogue.attributes": lambda: catalogue.attributes(entity or None),
        }
        if route not in computations:
            raise RefusedError(404, "", "Not Found")
        return computations[route]


def single(reply: Reply) -> Reply:
    """The only entry of a page as an entity of its own, or 404."""
    if reply.status != OK:
        return reply
    found = msgspec.json.decode(reply.body)["value"]
    if not found:
        return Reply(404, msgspec.json.encode({"detail": {"message": "Not found", "request_id": trace_id()}}))
    return Reply(OK, msgspec.json.encode(found[0]))
