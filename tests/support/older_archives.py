"""The hosts of older archives over a generated world, in the test's own loop."""

from __future__ import annotations

import base64
from contextlib import asynccontextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import aiohttp

from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.server import running
from skyhaul.simulate.world import WorldSettings, build_world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.service import Service
    from skyhaul.simulate.world import GeneratedWorld


@cache
def world() -> GeneratedWorld:
    """Every kind of product there is, small."""
    return build_world(WorldSettings(products=500, scale=0.0004))


def found(**wanted: Any) -> list[SimProduct]:
    """The products with these facts, by sensing start."""
    products = map(world().product, range(len(world())))
    return [each for each in products if all(getattr(each, name) == value for name, value in wanted.items())]


class Client:
    """Asks a running archive as its user."""

    def __init__(self, service: Service, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.session = session
        self.username, self.password = service.scenario.username, service.scenario.password
        pair = base64.b64encode(f"{self.username}:{self.password}".encode()).decode()
        self.basic = {"Authorization": f"Basic {pair}"}

    async def get(self, url: str, *, known: bool = False, **options: Any) -> tuple[int, Mapping[str, str], bytes]:
        """Status, headers and body of a GET, or of another ``method``; with the password where ``known``."""
        method = options.pop("method", "GET")
        if known:
            options["headers"] = self.basic | options.get("headers", {})
        async with self.session.request(method, aiohttp.client.URL(url, encoded=True), **options) as response:
            return response.status, response.headers, await response.read()

    async def token(self, realm: str) -> dict[str, str]:
        """The headers that open a realm's hosts."""
        client_id = self.service.realms[realm].scenario.client_id
        form = {"grant_type": "password", "client_id": client_id, "username": self.username}
        form["password"] = self.password
        async with self.session.post(self.service.roots.token_url(realm), data=form) as response:
            return {"Authorization": f"Bearer {(await response.json())['access_token']}"}


@asynccontextmanager
async def served(**settings: Any) -> AsyncIterator[Client]:
    """A client of an archive with these settings of its scenario."""
    async with (
        running(world(), Scenario(**settings)) as service,
        aiohttp.ClientSession(auto_decompress=False) as session,
    ):
        yield Client(service, session)
