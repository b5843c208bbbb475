"""By which way a product comes: one zip over HTTP, or its files over S3 (pure).

A zip is one request but starts again when it breaks; files cost a round trip each but go on from their last byte, and can be chosen.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from skyhaul.archives import COPERNICUS, Account, Means
from skyhaul.errors import AccessDenied
from skyhaul.model import Product, Route
from skyhaul.protocols import Expected, Wish

BYTES_BETWEEN_BREAKS = 20_000_000_000
"""How far a download host gets, on average, before a connection breaks: a cautious guess until a run has measured it."""

OBJECTS = {
    "S2MSI2A": 87, "S2MSI1C": 60, "GRD": 25, "SLC": 45, "RAW": 15, "OCN": 20, "OL_1": 51, "SL_1": 98,
}  # fmt: skip
"""Files of a product by what its type holds (safe-products: planning sizes)."""

OBJECTS_USUAL = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Road:
    """What the account can use, and what a stream does: ``latency_s`` to the first byte, ``bytes_per_s`` from then on.

    ``account`` is what is asked for where something is missing.
    """

    http: bool
    s3: bool
    latency_s: float = 0.06
    bytes_per_s: float = 20_000_000.0
    account: Account = COPERNICUS


def road(means: Means) -> Road:
    """The road that an archive's settings and the account's credentials make."""
    usual = Road(http="http" in means.sources, s3="s3" in means.sources, account=means.account or COPERNICUS)
    stated = means.settings.bytes_per_s_per_connection
    return usual if stated is None else replace(usual, bytes_per_s=float(stated))


def choose(product: Product, wish: Wish, road: Road) -> Route:
    """The route for one product.

    Raises:
        AccessDenied: the route that was asked for, or any route at all, lacks credentials.
    """
    if wish.via == "s3" or (wish.via == "auto" and not wish.whole):
        return _with_keys(road, "parts of products come over S3" if wish.via == "auto" else "--via s3")
    if wish.via == "http":
        return _with_login(road)
    if not road.s3 or product.s3_path is None:
        return _with_login(road)
    if not road.http:
        return "s3"
    return "s3" if seconds_over_s3(product, road) <= seconds_as_zip(product, road) else "http"


def expected(product: Product, wish: Wish, road: Road) -> Expected:
    """What fetching ``product`` by the route that :func:`choose` takes would take."""
    if choose(product, wish, road) == "s3":
        return Expected(route="s3", objects=objects(product), seconds=seconds_over_s3(product, road))
    return Expected(route="http", objects=1, seconds=seconds_as_zip(product, road))


def seconds_as_zip(product: Product, road: Road) -> float:
    """Expected time on one stream, restarts included: a zip of n bytes breaks n/B times and loses half of itself each time."""
    size = product.size or 0
    lost = size * size / (2 * BYTES_BETWEEN_BREAKS)
    return road.latency_s + (size + lost) / road.bytes_per_s


def seconds_over_s3(product: Product, road: Road) -> float:
    """Expected time on one stream: a round trip for each object, and one for the listing."""
    return road.latency_s * (1 + objects(product)) + (product.size or 0) / road.bytes_per_s


def objects(product: Product) -> int:
    """How many objects a product is likely to have on S3."""
    if single(product):
        return 1
    kind = product.product_type or ""
    return next((count for part, count in OBJECTS.items() if part in kind), OBJECTS_USUAL)


def single(product: Product) -> bool:
    """Whether a product is one object: a file, not a folder (``.nc``, ``.EOF``, and auxiliary products stored as ``.SAFE.zip``)."""
    path = product.s3_path or product.name
    return path.lower().endswith((".nc", ".eof", ".zip", ".tar", ".tgz", ".tif", ".tiff", ".xml", ".dbl"))


def _with_keys(road: Road, why: str) -> Route:
    if not road.s3:
        raise AccessDenied(f"{why}, which needs S3 keys: set {_keys(road)}; they are made at {road.account.keys_at}")
    return "s3"


def _with_login(road: Road) -> Route:
    if not road.http:
        login = f"{road.account.variable('username')} and {road.account.variable('password')}"
        raise AccessDenied(
            f"downloading over HTTP needs a login: set {login} (accounts are made at {road.account.made_at}), or {_keys(road)} to go over "
            "S3"
        )
    return "http"


def _keys(road: Road) -> str:
    return f"{road.account.variable('s3_access_key')} and {road.account.variable('s3_secret_key')}"
