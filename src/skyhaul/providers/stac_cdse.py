"""The STAC catalogue of the Copernicus Data Space: the same products as OData, found otherwise and fetched by the same ways."""

from __future__ import annotations

from skyhaul.archives import Made, Means
from skyhaul.catalogue.stac import whole_product
from skyhaul.catalogue.stac_search import Words
from skyhaul.providers.eodata import shelf
from skyhaul.providers.stac import Stac

WORDS = Words(
    properties={
        "cloud_min": "eo:cloud_cover",
        "cloud_max": "eo:cloud_cover",
        "orbit_direction": "sat:orbit_state",
        "platform": "platform",
        "product_types": "product:type",
        "published": "published",
        "relative_orbit": "sat:relative_orbit",
        "tiles": "grid:code",
    },
    orders={
        "start": "properties.datetime",
        "end": "properties.end_datetime",
        "published": "properties.published",
        "modified": "properties.updated",
    },
    # Products have the ids of OData, which items tell but cannot be asked for.
    ids=False,
    counts=False,
)

PAGE_SIZE = 100
"""CDSE STAC: at most 1000, of Sentinel-2 L2A 200, which are 14 MB."""


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    catalogue = Stac(
        name=means.archive,
        web=means.web,
        root=means.settings.stac_url,
        words=WORDS,
        shelf=shelf(means),
        read=whole_product,
        page_size=PAGE_SIZE,
    )
    return Made(provider=catalogue, sources=means.sources)
