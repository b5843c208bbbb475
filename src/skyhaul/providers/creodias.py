"""CREODIAS: the OData of the Copernicus Data Space with doors of its own."""

from __future__ import annotations

from typing import ClassVar

from skyhaul.archives import Made, Means
from skyhaul.providers.cdse import Cdse
from skyhaul.providers.eodata import shelf


class Creodias(Cdse):
    """The archive as a provider: same dialect, same limits of a page."""

    __slots__ = ()

    name: ClassVar[str] = "creodias"


def made(means: Means) -> Made:
    """See :class:`skyhaul.archives.Archive`."""
    provider = Creodias(web=means.web, catalogue_url=means.settings.catalogue_url, shelf=shelf(means))
    return Made(provider=provider, sources=means.sources)
