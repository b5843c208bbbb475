from __future__ import annotations

import time

import pytest
from aiohttp import web

from skyhaul.errors import HostBusy
from skyhaul.sources import http

pytestmark = pytest.mark.anyio


async def test_a_host_that_names_a_time_is_left_alone_by_everybody() -> None:
    asked: list[float] = []

    async def handler(request: web.BaseRequest) -> web.Response:
        asked.append(time.monotonic())
        first = len(asked) == 1
        return web.Response(status=429 if first else 200, headers={"Retry-After": "0.3"} if first else {})

    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    async with http.opened() as engine:
        with pytest.raises(HostBusy):
            await engine.get(f"http://{host}:{port}/a")
        await engine.get(f"http://{host}:{port}/b")
    await runner.cleanup()
    assert asked[1] - asked[0] >= 0.29
