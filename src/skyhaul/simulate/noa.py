"""The Greek mirror: OData of the same family, closed without a token, without names and counts in its filters."""

from __future__ import annotations

import re
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import anyio.to_thread
import msgspec
from aiohttp import web

from skyhaul.simulate.bodies import Whole
from skyhaul.simulate.catalogue import compute, page_response, parse_call
from skyhaul.simulate.downloads import check_token, deliver
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.filters import AllOf, AnyOf, AttributeIs, FilterError, Not, parse
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target
from skyhaul.simulate.identity import IdentityHost
from skyhaul.simulate.odata import Catalogue, Reply
from skyhaul.simulate.service import MIRROR

if TYPE_CHECKING:
    from skyhaul.simulate.filters import Condition
    from skyhaul.simulate.service import Service

ROOT = "/catalogue"
REFUSED_PATHS = frozenset({"Name", "Collection/Name"})
# The mirror's own example leaves "():,=;/" as they are and writes a space as %20; whatever else is no part of a URI is refused.
MALFORMED = re.compile(r"[+\s\"<>\\^`{|}]|%(?![0-9A-Fa-f]{2})")


class NoaHost:
    """``sentinels.space.noa.gr``: identity, catalogue and downloads on one host."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._catalogue = Catalogue(service.world, read_filter)
        self._identity = IdentityHost(service)

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host."""
        path = target(request).decoded_path
        if path.startswith("/auth/"):
            return self._identity.subject(request)
        call = parse_call(path.removeprefix(ROOT)) if path.startswith(ROOT) else None
        match call and (call.entity_set, call.rest):
            case ("Products", ""):
                return Subject(
                    "noa.product" if call and call.id else "noa.products", (call and call.id) or target(request).query
                )
            case ("Products", "/$value"):
                return Subject("noa.value", (call and call.id) or "")
            case _:
                return Subject("noa.other", path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host; a token is wanted for searching too."""
        if target(request).decoded_path.startswith("/auth/"):
            return await self._identity.answer(request, subject)
        check_token(self._service.realms[MIRROR], request)
        match (request.method, subject.route):
            case ("GET", "noa.products"):
                return await self._page(request, subject)
            case ("GET", "noa.product"):
                root = self._root
                return self._list(
                    subject, await compute(self._service, lambda: self._catalogue.product(subject.name, [], root))
                )
            case ("GET", "noa.value"):
                return await self._value(request, subject)
            case _:
                raise RefusedError(404, "", "Not Found")

    def problem(self, problem: Problem) -> web.Response:
        """``{"detail"}``."""
        return json_response({"detail": problem.message}, problem.status)

    @property
    def _root(self) -> str:
        return f"{self._service.roots.noa}{ROOT}/odata/v1"

    async def _page(self, request: web.BaseRequest, subject: Subject) -> web.Response:
        asked, root = target(request), self._root
        if MALFORMED.search(asked.query):
            raise RefusedError(400, "", "Malformed URI")
        query = asked.pairs()
        refused = {"$expand", "$count"} & dict(query).keys()
        if refused:
            raise RefusedError(400, "", f"Query option not supported: {', '.join(sorted(refused))}")
        return self._list(subject, await compute(self._service, lambda: self._catalogue.products(query, root)))

    def _list(self, subject: Subject, reply: Reply) -> web.Response:
        """A page or an entity without what the mirror is not known to tell: digests, and a path in a bucket it does not have."""
        if reply.status != HTTPStatus.OK:
            return page_response(self._service, subject, reply)
        document = msgspec.json.decode(reply.body)
        if "value" in document:
            document["value"] = [_told(entity) for entity in document["value"]]
            if "@odata.nextLink" in document:
                document["@odata.nextLink"] = document["@odata.nextLink"].replace("+", "%20")
        else:
            document = _told(document)
        return page_response(self._service, subject, Reply(reply.status, msgspec.json.encode(document)))

    async def _value(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        world = self._service.world
        product = world.by_id(subject.name)
        if product is None or not product.online:
            raise RefusedError(404, "", "Product not found")
        archive = await anyio.to_thread.run_sync(world.archive, product)
        if archive is None:
            raise RefusedError(404, "", "Product not found")
        whole = Whole(
            source=archive,
            size=archive.size,
            content_type="application/octet-stream",
            disposition=f'attachment; filename="{product.name}"',
            ranges=False,
        )
        return await deliver(self._service, request, subject, whole)


def read_filter(text: str) -> Condition:
    """The tree of a filter, lists of values allowed, names and collections refused; polarisations are joined by commas.

    Raises:
        FilterError: in the mirror's words.
    """
    return _mirrored(parse(text, lists=True))


def _mirrored(condition: Condition) -> Condition:
    match condition:
        case AllOf(terms) | AnyOf(terms):
            return type(condition)(tuple(_mirrored(term) for term in terms))
        case Not(term):
            return Not(_mirrored(term))
        case AttributeIs(name="polarisationChannels", value=str(value)):
            return replace(condition, value=value.replace("&", "?").replace(",", "&"))
        case _ if getattr(condition, "path", None) in REFUSED_PATHS:
            raise FilterError("Invalid field in filter")
        case _:
            return condition


def _told(entity: dict[str, Any]) -> dict[str, Any]:
    return {name: [] if name == "Checksum" else value for name, value in entity.items() if name != "S3Path"}
