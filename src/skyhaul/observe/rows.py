"""The products in hand, one row each, at a place that they keep: what the dashboard lists."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from skyhaul.events import Flow
from skyhaul.model import Route
from skyhaul.observe.rates import WINDOW_S
from skyhaul.observe.state import ProductInHand


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A product of which a transfer has begun. ``done`` bytes are of all its objects; of ``streams`` of them bytes are coming.

    ``verifying`` is whether all transfers under way are only being checked. ``path`` is the one with most to come.
    """

    name: str
    route: Route | None
    path: str | None
    done: int
    size: int | None
    bytes_per_s: float
    streams: int
    objects: int | None
    objects_done: int
    verifying: bool

    @property
    def left_s(self) -> float | None:
        """Seconds to its end at the present rate."""
        if self.size is None or self.bytes_per_s <= 0:
            return None
        return max(0, self.size - self.done) / self.bytes_per_s


class Rows:
    """Remembers the place of each product and how its bytes grew over the last ten seconds."""

    def __init__(self) -> None:
        self._places: tuple[str | None, ...] = ()
        self._grown: dict[str, deque[tuple[float, int]]] = {}

    def look(self, in_hand: Mapping[str, ProductInHand], flows: Sequence[Flow], at_s: float) -> tuple[Row | None, ...]:
        """The rows at ``at_s``; ``None`` is a place that is free at the moment."""
        by_product: dict[str, list[Flow]] = {product: [] for product in in_hand}
        for flow in flows:
            by_product.setdefault(flow.product, []).append(flow)
        self._places = arranged(self._places, list(by_product))
        self._grown = {product: self._grown.get(product) or deque() for product in by_product}
        return tuple(
            None if product is None else self._row(product, in_hand.get(product), by_product[product], at_s)
            for product in self._places
        )

    def _row(self, product: str, known: ProductInHand | None, flows: Sequence[Flow], at_s: float) -> Row:
        known = known or ProductInHand()
        done = known.bytes_done + sum(flow.done for flow in flows)
        longest = max(flows, key=_to_come, default=None)
        return Row(
            name=product,
            route=known.route or (longest.route if longest else None),
            path=longest.path if longest else None,
            done=done,
            size=known.bytes if known.bytes is not None else _only_size(known, flows),
            bytes_per_s=self._rate(product, at_s, done),
            streams=sum(1 for flow in flows if flow.done and not flow.verifying),
            objects=known.objects,
            objects_done=known.objects_done,
            verifying=bool(flows) and all(flow.verifying for flow in flows),
        )

    def _rate(self, product: str, at_s: float, done: int) -> float:
        grown = self._grown[product]
        grown.append((at_s, done))
        while grown[0][0] < at_s - WINDOW_S or (len(grown) > 1 and grown[0][1] == grown[1][1]):
            grown.popleft()  # too old, or before its stream was given to it
        since_s, before = grown[0]
        return max(0, done - before) / (at_s - since_s) if at_s > since_s else 0.0


def _to_come(flow: Flow) -> int:
    return (flow.size or 0) - flow.done


def _only_size(known: ProductInHand, flows: Sequence[Flow]) -> int | None:
    """The size of a product that is one object, which its host names when the transfer begins."""
    return flows[0].size if known.objects == 1 and flows else None


def arranged(places: Sequence[str | None], products: Sequence[str]) -> tuple[str | None, ...]:
    """``products`` at places: who has one keeps it, who is new takes the first free one. No free place is left at the end."""
    here = set(products)
    kept = [product if product in here else None for product in places]
    new = [product for product in products if product not in set(kept)]
    for index, product in enumerate(kept):
        if product is None and new:
            kept[index] = new.pop(0)
    kept.extend(new)
    while kept and kept[-1] is None:
        kept.pop()
    return tuple(kept)
