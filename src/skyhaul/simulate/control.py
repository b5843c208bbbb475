"""The control host: statistics, and the scenario while it plays. No part of the archive: no limit, no fault, no count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from skyhaul.simulate.hosts import json_response, target
from skyhaul.simulate.scenario import ScenarioError, patched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from skyhaul.simulate.service import Service


def control(service: Service) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The handler of ``/_control/``.

    ``GET stats``; ``POST stats/reset``; ``GET scenario``; ``POST scenario`` with the keys to change as
    JSON, whereupon the faults count their events anew; ``POST tokens/expire`` ends all access tokens.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        match (request.method, target(request).path.removeprefix("/_control/")):
            case ("GET", "stats"):
                return json_response(service.stats())
            case ("POST", "stats/reset"):
                service.reset_stats()
                return json_response(service.stats())
            case ("GET", "scenario"):
                return json_response(msgspec.to_builtins(service.scenario))
            case ("POST", "scenario"):
                return _change(service, await request.read())
            case ("POST", "tokens/expire"):
                service.identity.expire_access()
                return json_response({})
            case _:
                return json_response({"error": "GET stats, scenario; POST stats/reset, scenario, tokens/expire"}, 404)

    return handle


def _change(service: Service, body: bytes) -> web.Response:
    try:
        service.use(patched(service.scenario, msgspec.json.decode(body, type=dict)))
    except (ScenarioError, msgspec.DecodeError) as error:
        return json_response({"error": str(error)}, 400)
    return json_response(msgspec.to_builtins(service.scenario))
