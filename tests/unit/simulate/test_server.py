"""The server: every host on a port of its own, with TLS when asked, and addresses that name them."""

from __future__ import annotations

import ssl
import urllib.parse

import aiohttp
import pyotp
import pytest
import trustme

from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.server import addresses, running, serve
from support.fake_world import FakeWorld, sentinel_2
from support.serving import served

pytestmark = pytest.mark.anyio


async def test_hosts_have_ports_of_their_own():
    secret = pyotp.random_base32()
    async with served(totp_secret=secret) as client:
        found = addresses(client.service)
        urls = [value for name, value in found.items() if name.endswith("_url")]
        assert len({urllib.parse.urlsplit(url).netloc for url in urls}) == len(urls) == 6
        environment = found["environment"]
        assert environment["SKYHAUL_PROVIDERS__CDSE__CATALOGUE_URL"] == found["catalogue_url"]
        assert environment["CDSE_TOTP_SECRET"] == secret


async def test_serving_tells_where_and_goes_on_until_cancelled():
    class Told(Exception):
        pass

    def ready(found: dict[str, object]) -> None:
        raise Told(found["s3_url"])

    with pytest.raises(Told, match=r"http://127\.0\.0\.1:"):
        await serve(FakeWorld([sentinel_2(0)]), Scenario(), ready=ready)


async def test_tls_on_every_port(tmp_path):
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    certificate.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    certificate.private_key_pem.write_to_path(tmp_path / "key.pem")
    scenario = Scenario(tls_certificate=str(tmp_path / "cert.pem"), tls_key=str(tmp_path / "key.pem"))
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with (
        running(FakeWorld([sentinel_2(0)]), scenario) as service,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=trusting)) as session,
    ):
        assert service.roots.s3.startswith("https://")
        async with session.get(f"{service.roots.control_url}/stats") as response:
            assert response.status == 200
