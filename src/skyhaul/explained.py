"""A line's craft that says more of products that are missing: the archive is asked what became of them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace

from skyhaul.errors import ObjectMissing, SkyhaulError
from skyhaul.model import Outcome, Product, ProductResult, RemoteObject
from skyhaul.pipeline import Craft, Job

Explain = Callable[[SkyhaulError, Product], Awaitable[str]]


@dataclass(frozen=True, slots=True)
class Explained:
    """``craft``, with what ``explain`` makes of a product that the archive does not have any more."""

    craft: Craft
    explain: Explain

    async def present(self, product: Product) -> ProductResult | None:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.present(product)

    async def expand(self, product: Product) -> Job:
        """See :class:`skyhaul.pipeline.Craft`."""
        try:
            return await self.craft.expand(product)
        except ObjectMissing as error:
            raise ObjectMissing(await self.explain(error, product)) from error

    async def carry_out(self, job: Job, obj: RemoteObject) -> Outcome:
        """See :class:`skyhaul.pipeline.Craft`."""
        return await self.craft.carry_out(job, obj)

    async def finish(self, job: Job) -> ProductResult:
        """See :class:`skyhaul.pipeline.Craft`."""
        result = await self.craft.finish(job)
        if result.kind != ObjectMissing.__name__:
            return result
        return replace(result, error=await self.explain(ObjectMissing(result.error or "missing"), job.product))
