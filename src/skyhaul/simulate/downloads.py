"""The download host: whole products as zips, their nodes, single files; and the host that cuts bursts out of products."""

from __future__ import annotations

import io
import re
import zipfile
from typing import TYPE_CHECKING, NamedTuple
from uuid import UUID

import anyio.to_thread
import msgspec
from aiohttp import web

from skyhaul.simulate.account import TooManyStreamsError
from skyhaul.simulate.bodies import (
    FailedPreconditionError,
    InMemory,
    UnchangedError,
    UnsatisfiableRangeError,
    Whole,
    plan_body,
    send,
)
from skyhaul.simulate.catalogue import compute, page_response, single
from skyhaul.simulate.faults import Fault, FaultKind, Stage, Subject
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target, trace_id
from skyhaul.simulate.tokens import TokenExpiredError, WrongAudienceError

if TYPE_CHECKING:
    from collections.abc import Callable

    from skyhaul.simulate.nouns import SimFile, SimProduct
    from skyhaul.simulate.service import Service
    from skyhaul.simulate.tokens import Identity

SEGMENT = re.compile(r"Nodes\(([^/]*)\)")
HOSTILE_NAMES = (
    "../../../escaped.txt",
    "/escaped.txt",
    "C:\\escaped.txt",
    "a/../../escaped.txt",
    "bell\x07.txt",
)


class Download(NamedTuple):
    """What a path of the download host asks for.

    ``nodes`` is empty for the whole product; ``value`` tells content from a listing.
    """

    product_id: str
    nodes: tuple[str, ...]
    value: bool


def parse_download(path: str) -> Download:
    """Read ``Products(<id>)/Nodes(<name>)/…/$value`` from a decoded path.

    Names stand bare in the parentheses; an empty segment ``Nodes()`` is passed over, as STAC links have it.

    Raises:
        RefusedError: 400, the path has no such form or quotes a name, as the older DHuS did; 404 for ``$zip``.
    """
    if path.endswith("/$zip"):
        # Only fresh Sentinel-1 products have a native compressed form; none here does.
        raise RefusedError(404, "DAT-ZIP-404", "Compressed form not available")
    head, *segments = path.removeprefix("/odata/v1/").split("/")
    entity = re.fullmatch(r"Products\((.*)\)", head)
    value = bool(segments) and segments[-1] == "$value"
    names = segments[:-1] if value else segments
    listing = not value and bool(names) and names[-1] == "Nodes"
    matches = [SEGMENT.fullmatch(name) for name in (names[:-1] if listing else names)]
    if entity is None or not (value or listing) or None in matches:
        raise malformed()
    nodes = tuple(match[1] for match in matches if match is not None and match[1])
    if any(name.startswith(("'", '"')) for name in nodes):
        raise malformed()
    return Download(entity[1], nodes, value)


def malformed() -> RefusedError:
    """The answer to a path of no known form."""
    return RefusedError(400, "DAT-ZIP-104", "Malformed OData request path")


class DownloadHost:
    """``download.dataspace.copernicus.eu``, and ``zipper.creodias.eu`` with the other realm."""

    def __init__(self, service: Service, realm: str = "CDSE") -> None:
        self._service = service
        self._realm = realm

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is the product's, or the file's path in it."""
        path = target(request).decoded_path
        if path == "/ready":
            return Subject("download.ready", "")
        try:
            asked = parse_download(path)
        except RefusedError:
            return Subject("download.other", path)
        if asked.nodes:
            return Subject("download.node" if asked.value else "download.nodes", "/".join(asked.nodes))
        product = self._service.world.by_id(asked.product_id)
        return Subject("download.zip" if asked.value else "download.nodes", product.name if product else path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        if subject.route == "download.ready":
            return web.Response(text="ready")
        asked = parse_download(target(request).decoded_path)
        if request.method != "GET":
            raise RefusedError(405, "DAT-ZIP-405", "Method not allowed")
        if asked.value:
            check_token(self._service.realms[self._realm], request)
        product = self._product(asked.product_id)
        if not asked.value:
            return await self._listing(subject, asked)
        whole = self._file(product, asked.nodes) if asked.nodes else await self._archive(product)
        return await deliver(self._service, request, subject, whole)

    def problem(self, problem: Problem) -> web.Response:
        """``{"trace-id", "code", "message"}``."""
        body = {"trace-id": trace_id(), "code": problem.code or f"DAT-ZIP-{problem.status}", "message": problem.message}
        return json_response(body, problem.status)

    def _product(self, product_id: str) -> SimProduct:
        product = self._service.world.by_id(checked_id(product_id))
        if product is None or product.deleted is not None:
            raise RefusedError(404, "DAT-ZIP-404", "Product not found")
        if not product.online:
            # What CDSE answers for an offline product is not known; nothing can be ordered here, so: not found.
            raise RefusedError(404, "DAT-ZIP-404", "Product is not online")
        return product

    async def _listing(self, subject: Subject, asked: Download) -> web.Response:
        catalogue, root = self._service.catalogue, self._service.roots.download_url
        reply = await compute(self._service, lambda: catalogue.nodes(asked.product_id, asked.nodes, root))
        return page_response(self._service, subject, reply)

    async def _archive(self, product: SimProduct) -> Whole:
        archive = await anyio.to_thread.run_sync(self._service.world.archive, product, limiter=self._service.threads)
        if archive is None:
            raise RefusedError(404, "DAT-ZIP-404", "Product has no content")
        return Whole(
            source=archive,
            size=archive.size,
            content_type=archive.content_type,
            disposition=f'attachment; filename="{archive.filename}"',
            etag=archive.md5 if self._service.scenario.zip_ranges else None,
            ranges=self._service.scenario.zip_ranges,
        )

    def _file(self, product: SimProduct, nodes: tuple[str, ...]) -> Whole:
        file = find_file(self._service.world.files(product), product, nodes)
        return Whole(
            source=file,
            size=file.size,
            content_type="application/octet-stream",
            disposition=f'attachment; filename="{nodes[-1]}"',
            etag=file.md5 if self._service.scenario.zip_ranges else None,
            ranges=self._service.scenario.zip_ranges,
        )


def find_file(files: tuple[SimFile, ...], product: SimProduct, nodes: tuple[str, ...]) -> SimFile:
    """The file that ``nodes`` lead to, the product's own folder first; a single object is its own node.

    Raises:
        RefusedError: 404, there is none.
    """
    if product.single and len(nodes) == 1 and nodes[0] in {product.name, files[0].path}:
        return files[0]
    found = next((file for file in files if file.path == "/".join(nodes[1:])), None)
    if found is None or nodes[0] != product.name:
        raise RefusedError(404, "DAT-ZIP-404", "Node not found")
    return found


def checked_id(product_id: str) -> str:
    """``product_id`` where it is a bare UUID.

    Raises:
        RefusedError: 422, it is not.
    """
    try:
        UUID(product_id)
    except ValueError as error:
        raise RefusedError(422, "DAT-ZIP-111", "Bad product id") from error
    return product_id


def check_token(identity: Identity, request: web.BaseRequest) -> None:
    """Let a request pass that carries a living password-grant token of a realm, as header or as ``?token=``.

    Raises:
        RefusedError: 401, in the download host's words.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    token = token if scheme.lower() == "bearer" else dict(target(request).pairs()).get("token", "")
    if not token:
        raise RefusedError(401, "DAT-ZIP-604", "Token not found")
    try:
        identity.check(token.strip())
    except TokenExpiredError as error:
        raise RefusedError(401, "DAT-ZIP-109", "Token expired") from error
    except WrongAudienceError as error:
        raise RefusedError(401, "DAT-ZIP-609", "Token audience not allowed") from error


def crowded(connections: int) -> RefusedError:
    """The answer to a stream that is one too many."""
    return RefusedError(429, "DAT-ZIP-100", f"Max session number {connections} exceeded.")


async def deliver(
    service: Service,
    request: web.BaseRequest,
    subject: Subject,
    whole: Whole,
    *,
    crowded: Callable[[int], RefusedError] = crowded,
) -> web.StreamResponse:
    """Stream ``whole`` to the client, spoilt in its head where a fault says so.

    Raises:
        RefusedError: 412, 416, or in the host's words when the account has no slot left.
    """
    fault = service.faults.draw(Stage.HEAD, subject)
    try:
        body = plan_body(request.headers, hostile(whole, fault), fault)
        return await send(service, request, subject, body)
    except TooManyStreamsError as error:
        raise crowded(service.account.allowance().connections) from error
    except FailedPreconditionError as error:
        raise RefusedError(412, "DAT-ZIP-412", "Precondition failed") from error
    except UnsatisfiableRangeError as error:
        raise RefusedError(416, "DAT-ZIP-416", "Range not satisfiable") from error
    except UnchangedError:
        return web.Response(status=304)


def hostile(whole: Whole, fault: Fault | None) -> Whole:
    """``whole``, or in its place a zip whose entries try to leave the folder they are extracted to."""
    if fault is None or fault.kind is not FaultKind.HOSTILE_ARCHIVE:
        return whole
    data = zipped(dict.fromkeys(HOSTILE_NAMES, b"escaped"))
    return Whole(source=InMemory(data), size=len(data), content_type="application/zip", disposition=whole.disposition)


def zipped(entries: dict[str, bytes]) -> bytes:
    """A stored zip of these entries, names as given."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in entries.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return out.getvalue()


class BurstHost:
    """``bursts.dataspace.copernicus.eu``: POST ``/odata/v1/Bursts(<id>)/$value`` gives a small zip."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._words = DownloadHost(service)

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host."""
        return Subject("download.burst", target(request).decoded_path)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        asked = re.fullmatch(r"/odata/v1/Bursts\(([^()/]*)\)/\$value", target(request).decoded_path)
        if asked is None:
            raise malformed()
        if request.method != "POST":
            raise RefusedError(405, "DAT-ZIP-405", "Method not allowed")
        check_token(self._service.identity, request)
        query = [("$filter", f"Id eq '{checked_id(asked[1])}'")]
        reply = await compute(
            self._service,
            lambda: single(self._service.catalogue.bursts(query, self._service.roots.catalogue_url)),
        )
        if reply.status != web.HTTPOk.status_code:
            raise RefusedError(404, "DAT-ZIP-404", "Burst not found")
        return await deliver(self._service, request, subject, self._cut_out(msgspec.json.decode(reply.body)))

    def problem(self, problem: Problem) -> web.Response:
        """As the download host's."""
        return self._words.problem(problem)

    def _cut_out(self, burst: dict[str, str]) -> Whole:
        """A reduced SAFE: the parent's manifest, and as measurement its burst's name."""
        parent = self._service.world.by_name(burst["ParentProductName"])
        folder = f"{burst['Name']}.SAFE"
        entries = {f"{folder}/measurement/{burst['Name'].lower()}.tiff": burst["Name"].encode()}
        if parent is not None:
            manifest = next(file for file in self._service.world.files(parent) if file.path == "manifest.safe")
            entries[f"{folder}/{manifest.path}"] = manifest.read(0, manifest.size)
        data = zipped(entries)
        return Whole(
            source=InMemory(data),
            size=len(data),
            content_type="application/zip",
            disposition=f"attachment; filename={folder}.zip",  # bare, as seen
            ranges=False,
        )
