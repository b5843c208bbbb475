"""Earth Search of Element 84: open data on AWS, found by STAC; the files that are free come over HTTPS."""

from __future__ import annotations

from dataclasses import replace

from skyhaul.archives import Made, Means
from skyhaul.providers.routes import road
from skyhaul.providers.stac import COMMON, Assets, Stac

WORDS = replace(
    COMMON,
    properties={**COMMON.properties, "platform": "platform", "published": "created", "tiles": "grid:code"},
    orders={**COMMON.orders, "published": "properties.created"},
    uri="s2:product_uri",
    open=True,
)

PAGE_SIZE = 200
"""Earth Search: 500 are safe, several thousand give 502; a page of 200 is 6 MB."""


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`. Buckets whose readers pay (Sentinel-2 L1C, Sentinel-1) cannot be reached."""
    root = means.settings.catalogue_url
    shelf = Assets(web=means.web, name=means.archive, root=root, road=road(means), sources=means.sources)
    catalogue = Stac(name=means.archive, web=means.web, root=root, words=WORDS, shelf=shelf, page_size=PAGE_SIZE)
    return Made(provider=catalogue, sources=means.sources)
