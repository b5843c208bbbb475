"""What a download would do, worked out before it is done (pure)."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import AsyncIterable, Callable, Mapping
from dataclasses import dataclass, field

from skyhaul.archives import ProviderSettings
from skyhaul.model import Product, Route
from skyhaul.protocols import Expected, Wish

WORKING_PRODUCTS = 8
"""Unfinished products that a run keeps beside the finished ones."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Products, objects, bytes, and the time and room they take.

    ``bytes`` sums the sizes that the catalogue states; ``unsized`` products state none. Of products wanted in part the bytes are an upper
    bound. ``seconds`` is at the archive's limits, without faults. ``by_type`` holds (products, bytes). Of the ``allowance_bytes`` of 30
    days ``spent_bytes`` were transferred already, by skyhaul on this machine.
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
    unsized_by_type: Mapping[str, int] = field(default_factory=dict)
    in_part: bool = False
    disk_free_bytes: int = 0
    allowance_bytes: int | None = None
    spent_bytes: int | None = None
    destination: str = ""

    @property
    def disk_needed_bytes(self) -> int:
        """Room for every product, and for the unfinished ones: a zip lies beside what is unpacked from it."""
        return self.bytes + min(self.products, WORKING_PRODUCTS) * self.largest_bytes

    @property
    def fits(self) -> bool:
        """Whether the destination has the room."""
        return self.disk_needed_bytes <= self.disk_free_bytes


@dataclass(slots=True)
class Totals:
    """Products added up: how many, how large. By type, ``by_type`` holds (products, bytes) and ``unsized`` how many state no size."""

    products: int = 0
    bytes: int = 0
    by_type: dict[str, tuple[int, int]] = field(default_factory=dict)
    unsized: Counter[str] = field(default_factory=Counter)

    def add(self, product: Product) -> None:
        """Count a product."""
        self.products += 1
        self.bytes += product.size or 0
        kind = product.product_type or "unknown"
        self.unsized[kind] += product.size is None
        products, size = self.by_type.get(kind, (0, 0))
        self.by_type[kind] = (products + 1, size + (product.size or 0))

    def seconds(self, limits: ProviderSettings) -> float | None:
        """How long the archive takes to hand all of it out, a request for each product; ``None`` where it names no rate."""
        if limits.bytes_per_s is None:
            return None
        return max(self.bytes / limits.bytes_per_s, _waiting_s(self.products, limits.requests_per_minute))


async def planned(
    products: AsyncIterable[Product],
    wish: Wish,
    expected: Callable[[Product, Wish], Expected],
    limits: ProviderSettings,
) -> Plan:
    """The plan for ``products``; what lies at the destination already is not looked at."""
    totals = Totals()
    objects = offline = largest = 0
    by_route: Counter[Route] = Counter()
    seconds = 0.0
    async for product in products:
        totals.add(product)
        offline += not product.online
        largest = max(largest, product.size or 0)
        likely = expected(product, wish)
        by_route[likely.route] += 1
        objects += likely.objects
        seconds += likely.seconds
    return Plan(
        products=totals.products,
        offline=offline,
        unsized=totals.unsized.total(),
        unsized_by_type=+totals.unsized,
        objects=objects,
        bytes=totals.bytes,
        largest_bytes=largest,
        seconds=max(seconds / limits.connections, _waiting_s(objects, limits.requests_per_minute)),
        routes=dict(by_route),
        by_type=dict(sorted(totals.by_type.items())),
        in_part=not wish.whole,
        allowance_bytes=limits.bytes_per_30_days,
    )


def _waiting_s(requests: int, per_minute: int | None) -> float:
    """How long so many requests take at least; those of the first minute need not wait."""
    return 60.0 * math.ceil(requests / per_minute - 1) if requests and per_minute else 0.0
