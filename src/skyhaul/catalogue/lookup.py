"""Products that are known by name or by id, fetched in batches; what the catalogue does not have is named."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial

from anyio import BrokenResourceError, CapacityLimiter, create_task_group
from anyio.streams.memory import MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.enumeration import Completeness, Incomplete
from skyhaul.errors import CatalogueError, RemoteError
from skyhaul.events import PageRead, ProductFound, SliceFailed, SliceFinished, SlicePlanned
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Catalogue, Page, Slice

AT_ONCE = 50
"""Names or ids in a request. CDSE OData states no limit; a name may be asked for in two spellings, an id is 60 characters of URL."""

VAIN_MAX = 2

_SUFFIX = re.compile(r"(?:\.(?:SAFE|SEN3|SEN6|EOF|nc))?(?:\.zip)?$", re.IGNORECASE)
_USUAL = (
    (re.compile(r"S\d[A-D]_OPER_"), ".EOF"),
    (re.compile(r"S[12][A-D_]_"), ".SAFE"),
    (re.compile(r"S3[AB_]_"), ".SEN3"),
    (re.compile(r"S5P_"), ".nc"),
    (re.compile(r"S6[AB]_"), ".SEN6"),
)
_UUID = re.compile(r"[0-9A-F]{8}(?:-[0-9A-F]{4}){3}-[0-9A-F]{12}", re.IGNORECASE)
_NEVER = datetime.min.replace(tzinfo=UTC)

Ask = Callable[[Sequence[str]], Awaitable[Page]]


async def find_named(
    directory: Catalogue, names: Iterable[str], *, asking: Asking, out: MemoryObjectSendStream[Product]
) -> Completeness:
    """Send the product of each name into ``out``, and close it. Of several with one name the latest publication is meant.

    Names may lack their suffix or have ``.zip`` after it, as STAC ids and downloaded files do.
    """

    def ask(wanted: Sequence[str]) -> Awaitable[Page]:
        return directory.named([spelling for name in wanted for spelling in spellings(name)])

    keys = {stem(name): name for name in names}
    return await _Lookup(ask, _called, asking, out).run(keys, directory.paging.concurrency)


async def find_ids(
    catalogue: Catalogue, ids: Iterable[str], *, asking: Asking, out: MemoryObjectSendStream[Product]
) -> Completeness:
    """Send the product of each id into ``out``, and close it. Ids that are UUIDs may be written in capitals."""

    def ask(wanted: Sequence[str]) -> Awaitable[Page]:
        query = Query(provider=asking.host, ids=tuple(wanted))
        return catalogue.page(Slice(query=query, interval=TimeInterval()), 0, count=False)

    keys = {each.lower(): each.lower() if _UUID.fullmatch(each) else each for each in ids}
    return await _Lookup(ask, lambda product: (product.id.lower(),), asking, out).run(
        keys, catalogue.paging.concurrency
    )


def stem(name: str) -> str:
    """The name without the suffix, which catalogues, STAC ids and files do not agree on."""
    return _SUFFIX.sub("", name)


def spellings(name: str) -> tuple[str, ...]:
    """The names under which a catalogue may have what is called ``name``."""
    unzipped = re.sub(r"\.zip$", "", name, flags=re.IGNORECASE)
    if stem(unzipped) != unzipped:
        return (unzipped,)
    suffix = next((suffix for mission, suffix in _USUAL if mission.match(name)), "")
    return tuple(dict.fromkeys((unzipped, unzipped + suffix)))


@dataclass(slots=True)
class _Lookup:
    """One look-up under way; ``keys`` is what a product answers to."""

    ask: Ask
    keys: Callable[[Product], Sequence[str]]
    asking: Asking
    out: MemoryObjectSendStream[Product]
    proven: int = 0
    sent: int = 0
    missing: list[str] = field(default_factory=list)
    incomplete: list[Incomplete] = field(default_factory=list)

    async def run(self, wanted: Mapping[str, str], concurrency: int) -> Completeness:
        """Look up ``wanted``, from keys to what was given, in batches."""
        places = CapacityLimiter(concurrency)
        keys = list(wanted)
        try:
            async with self.out, create_task_group() as group:
                for start in range(0, len(keys), AT_ONCE):
                    batch = {key: wanted[key] for key in keys[start : start + AT_ONCE]}
                    group.start_soon(self._batch, batch, start, places)
        except* BrokenResourceError:
            pass  # the receiver has had enough
        order = {given: number for number, given in enumerate(wanted.values())}
        return Completeness(
            slices=self.proven,
            products=self.sent,
            incomplete=tuple(self.incomplete),
            missing=tuple(sorted(self.missing, key=order.__getitem__)),
        )

    async def _batch(self, left: dict[str, str], start: int, places: CapacityLimiter) -> None:
        label = f"look-up {start + 1} to {start + len(left)}"
        total = len(left)
        self.asking.emit(SlicePlanned(slice=label))
        async with places:
            try:
                await self._ask_until_vain(left, label)
            except (RemoteError, CatalogueError) as error:
                self.asking.emit(SliceFailed(slice=label, error=str(error)))
                self.incomplete.append(Incomplete.by(label, error))
                return
        self.missing += left.values()
        self.proven += 1
        self.asking.emit(SliceFinished(slice=label, products=total - len(left)))

    async def _ask_until_vain(self, left: dict[str, str], label: str) -> None:
        """Ask for what is left, and send what is found, until two answers in a row bring nothing.

        CDSE OData leaves out names that it does not have, and may leave out more than those: whether ``$top`` holds for lists of names is
        not documented.
        """
        vain = 0
        while left and vain < VAIN_MAX:
            page = await self.asking.answer(partial(self._once, list(left.values()), label), label)
            found: dict[str, Product] = {}
            for product in page.products:
                key = next((key for key in self.keys(product) if key in left), None)
                if key is not None and _published(product) >= _published(found.get(key, product)):
                    found[key] = product
            vain = 0 if found else vain + 1
            for key, product in found.items():
                del left[key]
                self.asking.emit(ProductFound(product=product.id, name=product.name, size=product.size))
                await self.out.send(product)
            self.sent += len(found)

    async def _once(self, wanted: Sequence[str], label: str) -> Page:
        started_s = time.monotonic()
        page = await self.ask(wanted)
        seconds = time.monotonic() - started_s
        self.asking.emit(PageRead(slice=label, products=len(page.products), seconds=seconds, total=page.total))
        return page


def _called(product: Product) -> tuple[str, str]:
    """Its own name, and that of the product which an archive has made it of and keeps under an id of its own."""
    return stem(product.name), stem(str(product.attributes.get("s2:product_uri", "")))


def _published(product: Product) -> datetime:
    return product.published or _NEVER
