"""A STAC in the manner of the Planetary Computer: assets in a blob store that wants signed addresses, and what signs them."""

from __future__ import annotations

import base64
import datetime as dt
import hashlib
import hmac
import re
import secrets
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web

from skyhaul.simulate.bodies import Whole
from skyhaul.simulate.downloads import deliver
from skyhaul.simulate.faults import Subject
from skyhaul.simulate.hosts import Problem, RefusedError, json_response, target
from skyhaul.simulate.stac import StacHost
from skyhaul.simulate.stac_items import item, item_id, properties

if TYPE_CHECKING:
    from collections.abc import Mapping

    from skyhaul.simulate.nouns import SimProduct
    from skyhaul.simulate.service import Roots, Service

SIGN, TOKEN = "/api/sas/v1/sign", "/api/sas/v1/token/"
SERVES = ("sentinel-2-l2a", "sentinel-1-grd")
NOWHERE = ("",)
ID_PARTS = 5
PLAIN_PARTS = 6
OPEN = "sentinel-cogs"
"""A container that anybody may read, in the manner of Earth Search's bucket."""


class Signer:
    """Signs addresses of a container for a while; one for the host that signs and the host that looks."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._key = secrets.token_bytes(32)

    def token(self, container: str) -> tuple[str, str]:
        """The query that opens a container, and until when."""
        lifetime = dt.timedelta(seconds=self._service.scenario.signature_lifetime_s)
        until = (dt.datetime.now(dt.UTC) + lifetime).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        query = {"se": until, "sp": "rl", "sv": "2024-05-04", "sr": "c", "sig": self._signature(container, until)}
        return urlencode(query), until

    def opens(self, container: str, query: str) -> bool:
        """Whether a query opens a container now."""
        told = dict(parse_qsl(query))
        until = told.get("se", "")
        if not hmac.compare_digest(told.get("sig", ""), self._signature(container, until)):
            return False
        return dt.datetime.fromisoformat(until) > dt.datetime.now(dt.UTC)

    def _signature(self, container: str, until: str) -> str:
        return base64.b64encode(hmac.new(self._key, f"{container}\n{until}".encode(), hashlib.sha256).digest()).decode()


class PlanetaryHost(StacHost):
    """``planetarycomputer.microsoft.com``: the catalogue, and addresses signed."""

    path = "/api/stac/v1"
    name = "microsoft-pc"

    def __init__(self, service: Service, signer: Signer) -> None:
        super().__init__(service)
        self._signer = signer

    @property
    def roots(self) -> Roots:
        """As StacHost."""
        roots = self._service.roots
        return replace(roots, stac=f"{roots.planetary}/api/stac")

    def scope(self, collections: tuple[str, ...]) -> tuple[str, ...]:
        """As StacHost."""
        return tuple(name for name in SERVES if name in collections or not collections) or NOWHERE

    def product_of(self, own: str) -> SimProduct | None:
        """As StacHost; an id of Sentinel-2 says all but the baseline."""
        parts = own.split("_")
        if len(parts) != PLAIN_PARTS or not parts[0].startswith("S2"):
            return super().product_of(own)
        try:
            second = dt.datetime.strptime(parts[2], "%Y%m%dT%H%M%S").replace(tzinfo=dt.UTC)
        except ValueError:
            return None
        first = int(second.timestamp()) * 1_000_000
        world = self._service.world
        products = map(world.product, world.shelf.between(first, first + 999_999))
        return next((product for product in products if _plain(product) == own), None)

    def item(self, product: SimProduct) -> dict[str, Any]:
        """As StacHost: every file by the address of a blob, without sizes and digests; there is no zip."""
        found = item(product, self._service.world.files(product), None, self.roots)
        container = found["collection"]
        assets = {
            key: {
                "href": blob(self.roots, container, asset["href"]),
                **{name: asset[name] for name in ("type", "title", "roles") if name in asset},
            }
            for key, asset in found["assets"].items()
            if asset["href"].startswith("s3://")
        }
        return {**self.bare(product), "assets": assets}

    def bare(self, product: SimProduct) -> dict[str, Any]:
        """As StacHost."""
        found, own = super().bare(product), _plain(product)
        links = [
            {**link, "href": link["href"].replace(f"/items/{found['id']}", f"/items/{own}")} for link in found["links"]
        ]
        return {**found, "id": own, "properties": _planetary(product), "links": links}

    def told(self, product: SimProduct) -> Mapping[str, Any]:
        """As StacHost."""
        return {"id": _plain(product), **_planetary(product)}

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host."""
        path = target(request).decoded_path
        if path == SIGN or path.startswith(TOKEN):
            return Subject("planetary.sign", path)
        return super().subject(request)

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        if subject.route != "planetary.sign":
            return await super().answer(request, subject)
        path = target(request).decoded_path
        if path.startswith(TOKEN):
            # The container alone names a collection, or stands behind its storage account.
            token, until = self._signer.token(path.rpartition("/")[2])
            return json_response({"msft:expiry": until, "token": token})
        href = dict(target(request).pairs()).get("href", "")
        if not href.startswith(f"{self.roots.blobs}/"):
            raise RefusedError(400, "", "href is no address of a blob")
        token, until = self._signer.token(urlsplit(href).path.split("/")[1])
        return json_response({"msft:expiry": until, "href": f"{href.partition('?')[0]}?{token}"})


class EarthHost(StacHost):
    """``earth-search.aws.element84.com``: ids and names of its own, assets in a bucket that anybody may read."""

    name = "earth-search-aws"
    counts = True

    @property
    def roots(self) -> Roots:
        """As StacHost."""
        roots = self._service.roots
        return replace(roots, stac=roots.earth)

    def scope(self, collections: tuple[str, ...]) -> tuple[str, ...]:
        """As StacHost."""
        return tuple(name for name in SERVES if name in collections or not collections) or NOWHERE

    def product_of(self, own: str) -> SimProduct | None:
        """As StacHost; the number in an id is the product's."""
        parts, world = own.split("_"), self._service.world
        number = parts[3] if len(parts) == ID_PARTS and parts[3].isdecimal() else ""
        product = world.product(int(number)) if number and int(number) < len(world) else super().product_of(own)
        return product if product is None or self.told(product)["id"] == own else None

    def item(self, product: SimProduct) -> dict[str, Any]:
        """As StacHost; the product's own name is among the properties of Sentinel-2 alone."""
        found = item(product, self._service.world.files(product), None, self.roots)
        assets = {
            key.lower(): {
                "href": blob(self.roots, OPEN, asset["href"]),
                **{name: asset[name] for name in ("type", "title", "roles", "file:size") if name in asset},
            }
            for key, asset in found["assets"].items()
            if asset["href"].startswith("s3://")
        }
        return {**found, **self.bare(product), "assets": assets}

    def bare(self, product: SimProduct) -> dict[str, Any]:
        """As StacHost."""
        found, told = super().bare(product), dict(self.told(product))
        own = told.pop("id")
        links = [
            {**link, "href": link["href"].replace(f"/items/{found['id']}", f"/items/{own}")} for link in found["links"]
        ]
        return {**found, "id": own, "properties": told, "links": links}

    def told(self, product: SimProduct) -> Mapping[str, Any]:
        """As StacHost."""
        found = super().told(product)
        if product.collection != "SENTINEL-2":
            return found
        own = f"{product.name[:3]}_{_tile(product)}_{product.start:%Y%m%d}_{product.index}_{product.product_type[-2:]}"
        return {**found, "id": own, "s2:product_uri": product.name}


def _planetary(product: SimProduct) -> dict[str, Any]:
    """The properties of an item; those of Sentinel-2 tell its tile by a name of their own, and no grid."""
    found = properties(product)
    if product.collection != "SENTINEL-2":
        return found
    plain = {name: value for name, value in found.items() if name != "grid:code"}
    return {**plain, "s2:mgrs_tile": _tile(product), "s2:product_uri": product.name}


def _plain(product: SimProduct) -> str:
    """An id in the manner of the Planetary Computer: of Sentinel-2 without the processing baseline."""
    own = item_id(product.name)
    return re.sub(r"_N\d{4}_", "_", own) if product.collection == "SENTINEL-2" else own


def _tile(product: SimProduct) -> str:
    return next(str(value) for name, _, value in product.attributes if name == "tileId")


class BlobHost:
    """``*.blob.core.windows.net``: ``/<container>/<key>``, read only, with ranges."""

    def __init__(self, service: Service, signer: Signer) -> None:
        self._service = service
        self._signer = signer

    def subject(self, request: web.BaseRequest) -> Subject:
        """As Host; the name is the key."""
        return Subject("blobs.get", target(request).decoded_path.lstrip("/").partition("/")[2])

    async def answer(self, request: web.BaseRequest, subject: Subject) -> web.StreamResponse:
        """As Host."""
        asked = target(request)
        container = asked.decoded_path.lstrip("/").partition("/")[0]
        if container != OPEN and not self._signer.opens(container, asked.query):
            raise RefusedError(403, "AuthenticationFailed", "Server failed to authenticate the request.")
        found = self._service.world.object(subject.name)
        if found is None:
            raise RefusedError(404, "BlobNotFound", "The specified blob does not exist.")
        whole = Whole(
            source=found,
            size=found.size,
            content_type="application/octet-stream",
            etag=f"0x{found.etag[:15].upper()}",
            last_modified=found.last_modified,
        )
        return await deliver(self._service, request, subject, whole, crowded=_crowded)

    def problem(self, problem: Problem) -> web.Response:
        """``<Error>`` with Code and Message."""
        code = problem.code or "InternalError"
        text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>{problem.message}</Message></Error>'
        return web.Response(status=problem.status, text=text, content_type="application/xml")


def blob(roots: Roots, container: str, href: str) -> str:
    """Where the object of ``s3://eodata/<key>`` is in a container."""
    return f"{roots.blobs}/{container}/{href.removeprefix('s3://eodata/')}"


def _crowded(_connections: int) -> RefusedError:
    return RefusedError(503, "ServerBusy", "The server is busy.")
