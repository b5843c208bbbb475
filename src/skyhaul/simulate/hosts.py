"""What all hosts have in common: counting, the faults that replace an answer, and the shape of a reply."""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol
from urllib.parse import parse_qsl, unquote
from uuid import uuid4

import anyio
import msgspec
from aiohttp import web

from skyhaul.simulate.bodies import ARRIVED_S, reset
from skyhaul.simulate.faults import Fault, FaultKind, Stage, Subject

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from skyhaul.simulate.odata import Reply
    from skyhaul.simulate.scenario import Scenario
    from skyhaul.simulate.service import Service

FOREIGN_DOCUMENTS = {
    "html": ("text/html", b"<html><head><title>Maintenance</title></head><body>We will be back soon.</body></html>"),
    "json": ("application/json", b'{"code": "DAT-ZIP-500", "message": "Internal error"}'),
    "xml": ("application/xml", b'<?xml version="1.0"?><Error><Code>InternalError</Code></Error>'),
}


class Problem(NamedTuple):
    """An error answer before its host puts it into words."""

    status: int
    code: str = ""
    message: str = ""


class RefusedError(Exception):
    """Ends a request with a problem."""

    def __init__(self, status: int, code: str = "", message: str = "") -> None:
        super().__init__(message or code)
        self.problem = Problem(status, code, message)


class Host(Protocol):
    """One host of the archive."""

    def subject(self, request: web.BaseRequest) -> Subject:
        """What ``request`` is about, for counting and for faults."""
        ...

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """Serve ``request``.

        Raises:
            RefusedError: with the problem to tell.
        """
        ...

    def problem(self, problem: Problem) -> web.Response:
        """An error in this host's own style."""
        ...


class Target(NamedTuple):
    """A request target as it came over the wire."""

    path: str  # still percent-encoded
    query: str

    def __str__(self) -> str:
        return f"{self.path}?{self.query}" if self.query else self.path

    @property
    def decoded_path(self) -> str:
        """The path without percent-encoding."""
        return unquote(self.path)

    def pairs(self) -> list[tuple[str, str]]:
        """The query's keys and values, in order, decoded."""
        return parse_qsl(self.query, keep_blank_values=True)


def target(request: web.BaseRequest) -> Target:
    """The target of ``request``."""
    path, _, query = request.raw_path.partition("?")
    return Target(path, query)


def json_response(body: Any, status: int = 200, content_type: str = "application/json") -> web.Response:
    """``body`` as JSON."""
    return web.Response(status=status, body=msgspec.json.encode(body), content_type=content_type)


def reply_response(reply: Reply) -> web.Response:
    """A reply of the pure half."""
    return web.Response(status=reply.status, body=reply.body, headers={"Content-Type": reply.content_type})


def redirect(location: str, status: int) -> web.Response:
    """An answer that sends the client elsewhere."""
    return web.Response(status=status, headers={"Location": location})


def trace_id() -> str:
    """A new request id, as error bodies carry one."""
    return uuid4().hex


def check_password(request: web.BaseRequest, scenario: Scenario) -> None:
    """Let a request pass that carries the account's name and password (HTTP Basic).

    Raises:
        RefusedError: 401.
    """
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    try:
        told = base64.b64decode(token, validate=True).decode() if scheme.lower() == "basic" else ""
    except (binascii.Error, UnicodeDecodeError):
        told = ""
    if told != f"{scenario.username}:{scenario.password}":
        raise RefusedError(401, "", "Unauthorized")


def front(service: Service, host: Host) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The handler of one host: it counts, lets faults of the request stage happen, and words refusals."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        ARRIVED_S.set(anyio.current_time())
        subject = host.subject(request)
        tally = service.account.tally
        tally.requests[subject.route] += 1
        try:
            response = await _with_fault(service, host, request, subject)
        except RefusedError as error:
            response = host.problem(error.problem)
        tally.statuses[str(response.status)] += 1
        return response

    return handle


async def _with_fault(service: Service, host: Host, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
    fault = service.faults.draw(Stage.REQUEST, subject)
    if fault is not None and fault.kind is FaultKind.SLOW:
        await anyio.sleep(fault.seconds)
    elif fault is not None:
        return await _replaced(host, request, fault)
    return await host.answer(request, subject)


async def _replaced(host: Host, request: web.BaseRequest, fault: Fault) -> web.Response:
    """The answer a fault puts in place of the real one."""
    match fault.kind:
        case FaultKind.STATUS:
            response = host.problem(Problem(fault.status, "", "Injected fault"))
            response.headers.update(_retry_after(fault))
            return response
        case FaultKind.ERROR_PAGE:
            content_type, body = FOREIGN_DOCUMENTS[fault.body]
            return web.Response(body=body, content_type=content_type)
        case FaultKind.REDIRECT_LOOP:
            return redirect(request.raw_path, 302)
        case _:
            await anyio.sleep(fault.seconds if fault.kind is FaultKind.SILENCE else 0)
            reset(request)
            return web.Response()


def _retry_after(fault: Fault) -> Mapping[str, str]:
    return {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
