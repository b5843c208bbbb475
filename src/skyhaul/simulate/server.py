"""The server: every host of the archive on a loopback port of its own, in one event loop."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from aiohttp import web

from skyhaul.simulate.catalogue import CatalogueHost
from skyhaul.simulate.control import control
from skyhaul.simulate.dhus import DhusHost
from skyhaul.simulate.downloads import BurstHost, DownloadHost
from skyhaul.simulate.geodes import GeodesHost
from skyhaul.simulate.hosts import Host, front
from skyhaul.simulate.identity import IdentityHost
from skyhaul.simulate.noa import NoaHost
from skyhaul.simulate.planetary import BlobHost, EarthHost, PlanetaryHost, Signer
from skyhaul.simulate.resto import RestoHost
from skyhaul.simulate.s3 import S3Host
from skyhaul.simulate.service import MIRROR, Roots, Service
from skyhaul.simulate.stac import StacHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from skyhaul.simulate.nouns import World
    from skyhaul.simulate.scenario import Scenario

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HOSTS = (
    *("catalogue", "identity", "download", "bursts", "stac", "s3", "control"),
    *("dhus", "resto", "noa", "creodias", "geodes", "planetary", "blobs", "earth"),
)
SHUTDOWN_S = 0.5


async def serve(
    world: World,
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
    ready: Callable[[dict[str, Any]], None],
) -> None:
    """Serve ``world`` until cancelled; ``ready`` is told the addresses once every port answers.

    ``ports`` names a port for some of HOSTS; the others are chosen by the system.
    """
    async with running(world, scenario, host=host, ports=ports) as service:
        ready(addresses(service))
        await anyio.sleep_forever()


@asynccontextmanager
async def running(
    world: World,
    scenario: Scenario,
    *,
    host: str = "127.0.0.1",
    ports: Mapping[str, int] | None = None,
) -> AsyncIterator[Service]:
    """The archive, serving inside the block."""
    service = Service(world, scenario)
    tls = _tls(scenario)
    async with AsyncExitStack() as stack:
        bound = {
            name: await stack.enter_async_context(_listening(handler, host, (ports or {}).get(name, 0), tls))
            for name, handler in _handlers(service).items()
        }
        scheme = "http" if tls is None else "https"
        service.roots = Roots(**{name: f"{scheme}://{host}:{port}" for name, port in bound.items()})
        yield service


def addresses(service: Service) -> dict[str, Any]:
    """Where everything is, and the environment that points skyhaul and its credentials there.

    The first addresses are of the Copernicus Data Space; ``providers`` has those of every archive.
    """
    roots = service.roots
    providers = _providers(roots)
    environment = {
        f"SKYHAUL_PROVIDERS__{provider.replace('-', '_').upper()}__{name.upper()}": url
        for provider, urls in providers.items()
        for name, url in urls.items()
    }
    return {
        **providers["cdse"],
        "control_url": roots.control_url,
        "providers": providers,
        "environment": {**environment, **_credentials(service.scenario)},
    }


def _providers(roots: Roots) -> dict[str, dict[str, str]]:
    """The addresses of each archive, under the names that settings have for them."""
    return {
        "cdse": {
            "catalogue_url": roots.catalogue_url,
            "download_url": roots.download_url,
            "token_url": roots.token_url(),
            "stac_url": roots.stac_url,
            "s3_url": roots.s3,
        },
        "creodias": {
            "catalogue_url": roots.catalogue_url,
            "download_url": f"{roots.creodias}/odata/v1",
            "token_url": roots.token_url("Creodias-new"),
            "s3_url": roots.s3,
        },
        "dhus": {"url": roots.dhus},
        "resto": {"url": f"{roots.resto}/resto"},
        "noa": {"catalogue_url": f"{roots.noa}/catalogue/odata/v1", "token_url": roots.token_url(MIRROR)},
        "geodes": {"catalogue_url": f"{roots.geodes}/api/stac"},
        "planetary-computer": {
            "catalogue_url": f"{roots.planetary}/api/stac/v1",
            "sign_url": f"{roots.planetary}/api/sas/v1",
        },
        "earth-search": {"catalogue_url": f"{roots.earth}/v1"},
        "stac": {"url": roots.stac_url, "s3_url": roots.s3},
    }


def _credentials(scenario: Scenario) -> dict[str, str]:
    """The user's variables: the same name, password and keys everywhere."""
    found = {
        f"{prefix}_{name.upper()}": getattr(scenario, name)
        for prefix in ("CDSE", "CREODIAS", "DHUS", "RESTO", "NOA")
        for name in ("username", "password")
    }
    for prefix in ("CDSE", "CREODIAS", "STAC"):
        found[f"{prefix}_S3_ACCESS_KEY"] = scenario.s3_access_key
        found[f"{prefix}_S3_SECRET_KEY"] = scenario.s3_secret_key
    if scenario.totp_secret is not None:
        found |= {f"{prefix}_TOTP_SECRET": scenario.totp_secret for prefix in ("CDSE", "CREODIAS")}
    return {**found, "GEODES_API_KEY": scenario.api_key}


def _handlers(service: Service) -> dict[str, Handler]:
    signer = Signer(service)
    hosts: dict[str, Host] = {
        "catalogue": CatalogueHost(service),
        "identity": IdentityHost(service),
        "download": DownloadHost(service),
        "bursts": BurstHost(service),
        "stac": StacHost(service),
        "s3": S3Host(service),
        "dhus": DhusHost(service),
        "resto": RestoHost(service),
        "noa": NoaHost(service),
        "creodias": DownloadHost(service, "Creodias-new"),
        "geodes": GeodesHost(service),
        "planetary": PlanetaryHost(service, signer),
        "blobs": BlobHost(service, signer),
        "earth": EarthHost(service),
    }
    return {**{name: front(service, host) for name, host in hosts.items()}, "control": control(service)}


@asynccontextmanager
async def _listening(handler: Handler, host: str, port: int, tls: ssl.SSLContext | None) -> AsyncIterator[int]:
    # Without cancellation a handler that waits would hold its slot after its client is gone.
    server = web.Server(handler, handler_cancellation=True, access_log=None)
    runner = web.ServerRunner(server, shutdown_timeout=SHUTDOWN_S)
    await runner.setup()
    try:
        site = web.TCPSite(runner, host, port, ssl_context=tls)
        await site.start()
        yield runner.addresses[0][1]
    finally:
        with anyio.CancelScope(shield=True):
            await runner.cleanup()


def _tls(scenario: Scenario) -> ssl.SSLContext | None:
    if scenario.tls_certificate is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(scenario.tls_certificate, scenario.tls_key)
    return context
