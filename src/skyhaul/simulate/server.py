"""The server: every host of the archive on a loopback port of its own, in one event loop."""

from __future__ import annotations

import ssl
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
from aiohttp import web

from skyhaul.simulate.catalogue import CatalogueHost
from skyhaul.simulate.control import control
from skyhaul.simulate.downloads import BurstHost, DownloadHost
from skyhaul.simulate.hosts import Host, front
from skyhaul.simulate.identity import IdentityHost
from skyhaul.simulate.s3 import S3Host
from skyhaul.simulate.service import Roots, Service
from skyhaul.simulate.stac import StacHost

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from skyhaul.simulate.nouns import World
    from skyhaul.simulate.scenario import Scenario

    Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]

HOSTS = ("catalogue", "identity", "download", "bursts", "stac", "s3", "control")
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
    """Where everything is, and the environment that points skyhaul and its credentials there."""
    roots, scenario = service.roots, service.scenario
    urls = {
        "catalogue_url": roots.catalogue_url,
        "download_url": roots.download_url,
        "token_url": roots.token_url,
        "stac_url": roots.stac_url,
        "s3_url": roots.s3,
    }
    environment = {f"SKYHAUL_PROVIDERS__CDSE__{name.upper()}": url for name, url in urls.items()}
    environment |= {
        "CDSE_USERNAME": scenario.username,
        "CDSE_PASSWORD": scenario.password,
        "CDSE_S3_ACCESS_KEY": scenario.s3_access_key,
        "CDSE_S3_SECRET_KEY": scenario.s3_secret_key,
    }
    if scenario.totp_secret is not None:
        environment["CDSE_TOTP_SECRET"] = scenario.totp_secret
    return {**urls, "control_url": roots.control_url, "environment": environment}


def _handlers(service: Service) -> dict[str, Handler]:
    hosts: dict[str, Host] = {
        "catalogue": CatalogueHost(service),
        "identity": IdentityHost(service),
        "download": DownloadHost(service),
        "bursts": BurstHost(service),
        "stac": StacHost(service),
        "s3": S3Host(service),
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
