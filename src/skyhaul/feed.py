"""Where the products of a search or a run come from: the catalogue, or what the user names. Read beside whoever takes them."""

from __future__ import annotations

import itertools
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.enumeration import Completeness
from skyhaul.catalogue.finding import find_products
from skyhaul.catalogue.lookup import find_ids, find_named
from skyhaul.errors import AccessDenied, CatalogueError, HostUnreachable, SkyhaulError
from skyhaul.events import FilteredHere, ProductFound
from skyhaul.model import Product, Query
from skyhaul.pipeline import unwrapped
from skyhaul.protocols import Catalogue

PRODUCTS_QUEUED = 4000
"""A page for each catalogue request in flight, so that a page is handed on at once: some 12 MB."""

TURN_PRODUCTS = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Products that are known already, or by name or id, in place of a query."""

    products: Iterable[Product] = ()
    names: Sequence[str] = ()
    ids: Sequence[str] = ()
    given: bool = False


@dataclass(slots=True, kw_only=True)
class Feed:
    """Finds products. Once all have been taken, ``completeness`` and ``error`` tell how that went."""

    query: Query
    catalogue: Catalogue
    asking: Asking
    completeness: Completeness | None = None
    error: SkyhaulError | None = None

    async def read(self, out: MemoryObjectSendStream[Product]) -> None:
        """Page through the catalogue. An expected failure is left in ``error``."""
        emit, query = self.asking.emit, self.query
        try:
            async with out:  # whoever waits for products is let go, whatever comes
                here = self.catalogue.here(query)
                if here is not None and here.compared:
                    emit(FilteredHere(provider=query.provider, fields=here.compared))
                with unwrapped(), _while_taken():
                    self.completeness = await find_products(
                        self.catalogue,
                        query,
                        retry=self.asking.retry,
                        emit=emit,
                        out=out,
                        ordered=query.order_by != "start",
                    )
        except SkyhaulError as error:
            self.error = error

    async def give(self, wanted: Wanted, out: MemoryObjectSendStream[Product]) -> None:
        """Look up what is wanted by name or id, and hand on what is known already.

        Raises:
            SkyhaulError: the catalogue, or the list of what is known, cannot be read.
        """
        with unwrapped(), _while_taken():
            async with out:
                named = await find_named(self.catalogue, wanted.names, asking=self.asking, out=out.clone())
                by_id = await find_ids(self.catalogue, wanted.ids, asking=self.asking, out=out.clone())
                sent: set[str] = set()
                for product in wanted.products:
                    if product.id in sent:
                        continue  # two at once would be put together in one place
                    sent.add(product.id)
                    self.asking.emit(ProductFound(product=product.id, name=product.name, size=product.size))
                    await out.send(product)
            self.completeness = named.joined(by_id)

    def settle(self) -> None:
        """Raise what kept the enumeration from being complete."""
        if self.error is not None:
            raise self.error
        if self.completeness is not None and self.completeness.incomplete:
            first, *more = self.completeness.incomplete
            if not more and first.kind == HostUnreachable.__name__:
                raise CatalogueError(f"the catalogue could not be read: {first.error}")
            names = "; ".join(map(str, self.completeness.incomplete))
            refused = self.completeness.exit_code == AccessDenied.exit_code
            kind = AccessDenied if refused else CatalogueError
            raise kind(f"the catalogue could not be read completely: {names}")


async def swiftly(products: MemoryObjectReceiveStream[Product]) -> AsyncGenerator[Product, None]:
    """The products as they come; those that are there already without giving up the turn for each."""
    for count in itertools.count(1):
        try:
            yield products.receive_nowait()
        except anyio.WouldBlock:
            try:
                yield await products.receive()
            except anyio.EndOfStream:
                return
        except anyio.EndOfStream:
            return
        if count % TURN_PRODUCTS == 0:
            await anyio.lowlevel.checkpoint()


@contextmanager
def _while_taken() -> Iterator[None]:
    """End quietly when nobody takes products any more: whoever did has enough, or says itself what is wrong."""
    try:
        yield
    except* anyio.BrokenResourceError:
        pass
