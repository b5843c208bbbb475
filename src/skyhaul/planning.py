"""What a download would do, worked out before it is done (pure)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterable, Mapping
from dataclasses import dataclass, field

from skyhaul.model import Product, Route
from skyhaul.protocols import Wish
from skyhaul.providers import routes
from skyhaul.settings import ProviderSettings

WORKING_PRODUCTS = 8
"""Unfinished products that a run keeps beside the finished ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Products, objects, bytes, and the time and room they take.

    ``bytes`` sums the sizes that the catalogue states; ``unsized`` products state none. Of products wanted in part the bytes are an upper
    bound. ``seconds`` is at the archive's limits, without faults. ``by_type`` holds (products, bytes).
    """

    products: int = 0
    offline: int = 0
    unsized: int = 0
    objects: int = 0
    bytes: int = 0
    largest_bytes: int = 0
    seconds: float = 0.0
    slices: tuple[str, ...] = ()
    routes: Mapping[Route, int] = field(default_factory=dict)
    by_type: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    in_part: bool = False
    disk_free_bytes: int = 0
    allowance_bytes: int | None = None
    destination: str = ""

    @property
    def disk_needed_bytes(self) -> int:
        """Room for every product, and for the unfinished ones: a zip lies beside what is unpacked from it."""
        return self.bytes + min(self.products, WORKING_PRODUCTS) * self.largest_bytes

    @property
    def fits(self) -> bool:
        """Whether the destination has the room."""
        return self.disk_needed_bytes <= self.disk_free_bytes


async def planned(products: AsyncIterable[Product], wish: Wish, road: routes.Road, limits: ProviderSettings) -> Plan:
    """The plan for ``products``; what lies at the destination already is not looked at."""
    count = objects = offline = unsized = total = largest = 0
    by_route: Counter[Route] = Counter()
    by_type: dict[str, tuple[int, int]] = {}
    seconds = 0.0
    async for product in products:
        count += 1
        size = product.size or 0
        offline += not product.online
        unsized += product.size is None
        total += size
        largest = max(largest, size)
        route = routes.choose(product, wish, road)
        by_route[route] += 1
        objects += routes.objects(product) if route == "s3" else 1
        seconds += (routes.seconds_over_s3 if route == "s3" else routes.seconds_as_zip)(product, road)
        kind = product.product_type or "unknown"
        products_of, bytes_of = by_type.get(kind, (0, 0))
        by_type[kind] = (products_of + 1, bytes_of + size)
    return Plan(
        products=count,
        offline=offline,
        unsized=unsized,
        objects=objects,
        bytes=total,
        largest_bytes=largest,
        seconds=max(
            seconds / limits.connections, math.ceil(objects / limits.requests_per_minute - 1) * 60.0 if objects else 0.0
        ),
        routes=dict(by_route),
        by_type=dict(sorted(by_type.items())),
        in_part=not wish.whole,
        allowance_bytes=limits.bytes_per_30_days,
    )
