"""The hosts of the embedded archive over a fake world, in the test's own loop, with a client that has its keys."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import aiohttp
import pyotp
from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.server import running
from support.fake_world import FakeWorld, sentinel_2, sentinel_5p

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from skyhaul.simulate.service import Service


class Client:
    """Asks a running service, with a token or signed as each host wants it."""

    def __init__(self, service: Service, world: FakeWorld, session: aiohttp.ClientSession) -> None:
        self.service = service
        self.world = world
        self.session = session
        self.token = service.identity.grant(
            {
                "grant_type": "password",
                "client_id": service.scenario.client_id,
                "username": service.scenario.username,
                "password": service.scenario.password,
                "totp": pyotp.TOTP(service.scenario.totp_secret).now() if service.scenario.totp_secret else "",
            },
            service.roots.issuer_url(),
        )["access_token"]

    def download(self, path: str, **options: Any) -> Any:
        """GET below the download host's root, with the token."""
        headers = {"Authorization": f"Bearer {self.token}", **options.pop("headers", {})}
        return self.session.get(f"{self.service.roots.download_url}{path}", headers=headers, **options)

    def zip(self, index: int = 0, **options: Any) -> Any:
        """GET the zip of a product."""
        return self.download(f"/Products({self.world.products[index].id})/$value", **options)

    def s3(self, path: str, query: dict[str, str] | None = None, method: str = "GET", **headers: str) -> Any:
        """A signed request for ``path`` below the bucket."""
        target = f"/eodata{quote(path)}" + (f"?{urlencode(query, quote_via=quote)}" if query else "")
        url = self.service.roots.s3 + target
        request = AWSRequest(
            method=method, url=url, headers={name.replace("_", "-"): value for name, value in headers.items()}
        )
        scenario = self.service.scenario
        S3SigV4Auth(Credentials(scenario.s3_access_key, scenario.s3_secret_key), "s3", "default").add_auth(request)
        return self.session.request(method, aiohttp.client.URL(url, encoded=True), headers=dict(request.headers))

    def image(self, index: int = 0) -> str:
        """The path, in the bucket, of a product's first file."""
        product = self.world.products[index]
        return f"/{product.s3_key}" if product.single else f"/{product.s3_key}/{self.world.files(product)[0].path}"


@asynccontextmanager
async def served(world: FakeWorld | None = None, **settings: Any) -> AsyncIterator[Client]:
    """A client of an archive with these settings of its scenario."""
    world = world or FakeWorld([*(sentinel_2(index) for index in range(5)), sentinel_5p(5)])
    async with running(world, Scenario(**settings)) as service, aiohttp.ClientSession(auto_decompress=False) as session:
        yield Client(service, world, session)
