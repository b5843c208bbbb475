"""The control host: statistics, and the scenario while it plays. No part of the archive: no limit, no fault, no count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from aiohttp import web

from skyhaul.simulate.hosts import json_response, target
from skyhaul.simulate.scenario import ScenarioError, patched

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from skyhaul.simulate.service import Service


def control(service: Service) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The handler of ``/_control/``.

    ``GET stats``; ``POST stats/reset``; ``GET scenario``; ``POST scenario`` with the keys to change as
    JSON, whereupon the faults count their events anew; ``POST tokens/expire`` ends all access tokens; ``POST tapes/load`` puts online
    what was ordered, ``POST tapes/rewind`` takes it back to tape.
    """

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        match (request.method, target(request).path.removeprefix("/_control/")):
            case ("GET", "stats"):
                return json_response(service.stats())
            case ("GET", "scenario"):
                return json_response(msgspec.to_builtins(service.scenario))
            case ("POST", "scenario"):
                return _change(service, await request.read())
            case ("POST", action) if action in ACTIONS:
                ACTIONS[action](service)
                return json_response(service.stats())
            case _:
                return json_response({"error": f"GET stats, scenario; POST scenario, {', '.join(ACTIONS)}"}, 404)

    return handle


def _expire_tokens(service: Service) -> None:
    for identity in service.realms.values():
        identity.expire_access()


def _load_tapes(service: Service) -> None:
    for tape in service.tapes.values():
        tape.load()


def _rewind_tapes(service: Service) -> None:
    for tape in service.tapes.values():
        tape.rewind()


ACTIONS: Mapping[str, Callable[[Service], None]] = {
    "stats/reset": lambda service: service.reset_stats(),
    "tokens/expire": _expire_tokens,
    "tapes/load": _load_tapes,
    "tapes/rewind": _rewind_tapes,
}


def _change(service: Service, body: bytes) -> web.Response:
    try:
        service.use(patched(service.scenario, msgspec.json.decode(body, type=dict)))
    except (ScenarioError, msgspec.DecodeError) as error:
        return json_response({"error": str(error)}, 400)
    return json_response(msgspec.to_builtins(service.scenario))
