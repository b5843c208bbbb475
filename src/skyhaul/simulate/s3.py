"""The S3 host: the bucket ``eodata``, read only, path style, signed headers, with the account's limits on it."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from http import HTTPStatus
from typing import TYPE_CHECKING
from uuid import uuid4

import anyio
import anyio.to_thread
from aiohttp import web

from skyhaul.simulate.account import RequestWindow, TooManyStreamsError
from skyhaul.simulate.bodies import (
    Body,
    FailedPreconditionError,
    UnchangedError,
    UnsatisfiableRangeError,
    Whole,
    first_byte_due,
    plan_body,
    send,
)
from skyhaul.simulate.faults import Fault, FaultKind, Stage, Subject
from skyhaul.simulate.hosts import Problem, RefusedError, Target, target
from skyhaul.simulate.listing import NAMESPACE, XML, BadArgumentError, ListPage, ListRequest, list_xml, page, parse_list
from skyhaul.simulate.pages import CLIMB, spoilt_entries
from skyhaul.simulate.sigv4 import Received, SignatureError, verify

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skyhaul.simulate.nouns import SimObject
    from skyhaul.simulate.service import Service

BUCKET = "eodata"
READY = "/ready"  # says, to everybody, whether the store is up
# Sub-resources that read-only clients ask for and that need no answer of their own.
EMPTY_SUBRESOURCES = {
    "location": f"<LocationConstraint {NAMESPACE}>default</LocationConstraint>",
    "versioning": f"<VersioningConfiguration {NAMESPACE}/>",
}


def split_path(path: str) -> tuple[str, str]:
    """Bucket and key of a decoded path."""
    bucket, _, key = path.removeprefix("/").partition("/")
    return bucket, key


def classify(method: str, asked: Target) -> Subject:
    """What a request is about; the name is the key, or the prefix of a listing."""
    if asked.path == READY:
        return Subject("s3.ready", "")
    _, key = split_path(asked.decoded_path)
    query = dict(asked.pairs())
    if method not in {"GET", "HEAD"}:
        return Subject("s3.write", key)
    if key:
        return Subject("s3.get" if method == "GET" else "s3.head", key)
    plain = method == "GET" and asked.decoded_path != "/" and not query.keys() & EMPTY_SUBRESOURCES.keys()
    return Subject("s3.list" if plain else "s3.bucket", query.get("prefix", ""))


class S3Host:
    """``eodata.dataspace.copernicus.eu``."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host."""
        return classify(request.method, target(request))

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        asked = target(request)
        if subject.route == "s3.ready":
            return web.Response(text="ready")
        self._check_signature(request, asked)
        window = self._service.account.request()
        headers = common_headers(window)
        try:
            check_rate(window)
            response = await self._answer(request, asked, subject, headers)
        except RefusedError as error:
            response = self.problem(error.problem)
        if not response.prepared:
            response.headers.update(headers)
        return response

    def problem(self, problem: Problem) -> web.Response:
        """``<Error>`` with Code, Message and RequestId."""
        code = problem.code or CODES.get(problem.status, "InternalError")
        request_id = new_request_id()
        body = (
            f"{XML}<Error><Code>{code}</Code><Message>{problem.message}</Message><BucketName>{BUCKET}</BucketName>"
            f"<RequestId>{request_id}</RequestId><HostId>default</HostId></Error>"
        )
        headers = {"x-amz-request-id": request_id, "Server": "envoy"}
        return web.Response(status=problem.status, text=body, content_type="application/xml", headers=headers)

    def _check_signature(self, request: web.BaseRequest, asked: Target) -> None:
        scenario = self._service.scenario
        received = Received(request.method, asked.path, asked.query, request.headers)
        try:
            verify(received, {scenario.s3_access_key: scenario.s3_secret_key}, dt.datetime.now(dt.UTC))
        except SignatureError as error:
            raise RefusedError(403, error.code) from error

    async def _answer(
        self, request: web.BaseRequest, asked: Target, subject: Subject, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        bucket, key = split_path(asked.decoded_path)
        if bucket not in {"", BUCKET}:
            raise RefusedError(404, "NoSuchBucket")
        match subject.route:
            case "s3.get":
                return await self._get(request, subject, self._object(key), headers)
            case "s3.head":
                return self._head(request, subject, self._object(key))
            case "s3.list":
                return await self._list(subject, dict(asked.pairs()))
            case "s3.bucket":
                return bucket_response(bucket, request.method, dict(asked.pairs()))
            case _:
                raise RefusedError(403, "AccessDenied")

    def _object(self, key: str) -> SimObject:
        found = self._service.world.object(key)
        if found is None:
            raise RefusedError(404, "NoSuchKey")
        return found

    async def _get(
        self, request: web.BaseRequest, subject: Subject, found: SimObject, headers: Mapping[str, str]
    ) -> web.StreamResponse:
        body = self._plan(request, subject, found)
        if body is None:
            return web.Response(status=304)
        body = replace(body, headers={**body.headers, **headers})
        try:
            return await send(self._service, request, subject, body)
        except TooManyStreamsError as error:
            raise RefusedError(503, "SlowDown", "Max session number exceeded.") from error

    def _head(self, request: web.BaseRequest, subject: Subject, found: SimObject) -> web.StreamResponse:
        body = self._plan(request, subject, found)
        return web.Response(status=304) if body is None else web.Response(status=body.status, headers=body.headers)

    def _plan(self, request: web.BaseRequest, subject: Subject, found: SimObject) -> Body | None:
        """The body a GET would have; None where the client has it already.

        Raises:
            RefusedError: 412, 416.
        """
        whole = Whole(
            source=found,
            size=found.size,
            content_type="binary/octet-stream",
            etag=found.etag,
            last_modified=found.last_modified,
        )
        try:
            return plan_body(request.headers, whole, self._service.faults.draw(Stage.HEAD, subject))
        except FailedPreconditionError as error:
            raise RefusedError(412, "PreconditionFailed") from error
        except UnsatisfiableRangeError as error:
            raise RefusedError(416, "InvalidRange") from error
        except UnchangedError:
            return None

    async def _list(self, subject: Subject, query: Mapping[str, str]) -> web.Response:
        try:
            asked = parse_list(query)
        except BadArgumentError as error:
            raise RefusedError(400, "InvalidArgument", str(error)) from error
        fault = self._service.faults.draw(Stage.PAGE, subject)

        def make() -> bytes:
            return spoilt_list(asked, page(asked, self._service.world.objects), fault)

        body = await anyio.to_thread.run_sync(make, abandon_on_cancel=True, limiter=self._service.threads)
        await first_byte_due(self._service.scenario.latency_s)
        return web.Response(body=body, content_type="application/xml")


def spoilt_list(asked: ListRequest, found: ListPage, fault: Fault | None) -> bytes:
    """The XML of a page, with what a fault makes of it."""
    if fault is None:
        return list_xml(BUCKET, asked, found)
    if fault.kind is FaultKind.MALFORMED:
        text = list_xml(BUCKET, asked, found)
        return text[: len(text) // 2]
    objects = spoilt_entries(list(found.objects), fault)
    if fault.kind is FaultKind.HOSTILE_KEY:
        objects = [replace(each, key=f"{asked.prefix}{CLIMB}escaped") for each in objects[:1]] + objects
    last = "" if fault.kind is FaultKind.LOST_LINK else found.last
    return list_xml(BUCKET, asked, ListPage(objects, found.prefixes, last))


CODES: Mapping[int, str] = {
    HTTPStatus.BAD_REQUEST: "InvalidRequest",
    HTTPStatus.FORBIDDEN: "AccessDenied",
    HTTPStatus.NOT_FOUND: "NoSuchKey",
    HTTPStatus.TOO_MANY_REQUESTS: "SlowDown",
    HTTPStatus.SERVICE_UNAVAILABLE: "SlowDown",
}


def check_rate(window: RequestWindow) -> None:
    """Let a request pass that is within the minute's allowance.

    Raises:
        RefusedError: 429; its body is not known, SlowDown is the gateway's own word for it.
    """
    if window.exceeded:
        raise RefusedError(429, "SlowDown", "Please reduce your request rate.")


def common_headers(window: RequestWindow) -> dict[str, str]:
    """What every answer of the gateway carries (as recorded)."""
    headers = {"Server": "envoy", "x-amz-request-id": new_request_id()}
    if window.limit is None:
        return headers
    return headers | {
        "x-ratelimit-limit": f"{window.limit}, {window.limit};w=60",
        "x-ratelimit-remaining": str(window.remaining),
        "x-ratelimit-reset": str(window.reset_s),
    }


def new_request_id() -> str:
    """In the gateway's form."""
    return f"tx{uuid4().hex[:21]}-default"


def bucket_response(bucket: str, method: str, query: Mapping[str, str]) -> web.Response:
    """ListBuckets, HEAD of the bucket and its small sub-resources."""
    if method == "HEAD":
        return web.Response()
    if not bucket:
        text = (
            f"<ListAllMyBucketsResult {NAMESPACE}><Owner><ID>eodata</ID><DisplayName>eodata</DisplayName></Owner>"
            f"<Buckets><Bucket><Name>{BUCKET}</Name><CreationDate>2023-01-01T00:00:00.000Z</CreationDate></Bucket>"
            "</Buckets></ListAllMyBucketsResult>"
        )
    else:
        text = next(xml for name, xml in EMPTY_SUBRESOURCES.items() if name in query)
    return web.Response(text=XML + text, content_type="application/xml")
