"""Bulk downloads from Earth-observation archives: complete, verified, resumable.

```python
import skyhaul

async with skyhaul.open(collection="SENTINEL-2", product_type="S2MSI2A", tile="32TQR", start="30d", into="archive") as haul:
    async for product in haul.search():
        print(product.name, product.size)
    report = await haul.download()
```

It works wherever an event loop runs; a notebook has one. Nothing heavy is imported before it is used.
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from importlib import import_module
from typing import TYPE_CHECKING

from skyhaul.version import __version__

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from skyhaul import select
    from skyhaul.credentials import Credentials
    from skyhaul.errors import (
        AccessDenied,
        CatalogueError,
        IntegrityError,
        JournalError,
        RemoteError,
        SettingsError,
        SinkError,
        SkyhaulError,
    )
    from skyhaul.events import Event, Meter
    from skyhaul.feed import Wanted
    from skyhaul.frames import from_dataframe, to_dataframe, to_geodataframe
    from skyhaul.model import Checksum, Product, ProductResult, Query, Report, TimeInterval
    from skyhaul.planning import Plan
    from skyhaul.protocols import Emit
    from skyhaul.runtime import Haul
    from skyhaul.settings import Settings

__all__ = [
    "AccessDenied",
    "CatalogueError",
    "Checksum",
    "Credentials",
    "Event",
    "Haul",
    "IntegrityError",
    "JournalError",
    "Meter",
    "Plan",
    "Product",
    "ProductResult",
    "Query",
    "RemoteError",
    "Report",
    "SettingsError",
    "SinkError",
    "SkyhaulError",
    "TimeInterval",
    "Wanted",
    "__version__",
    "from_dataframe",
    "open",
    "select",
    "to_dataframe",
    "to_geodataframe",
]

_HOMES = {
    "credentials": ["Credentials"],
    "errors": [
        "AccessDenied",
        "CatalogueError",
        "IntegrityError",
        "JournalError",
        "RemoteError",
        "SettingsError",
        "SinkError",
        "SkyhaulError",
    ],
    "events": ["Event", "Meter"],
    "frames": ["from_dataframe", "to_dataframe", "to_geodataframe"],
    "model": ["Checksum", "Product", "ProductResult", "Query", "Report", "TimeInterval"],
    "planning": ["Plan"],
    "runtime": ["Haul", "Wanted"],
}
_HOME = {name: module for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    if name == "select":
        return import_module("skyhaul.select")
    if name not in _HOME:
        raise AttributeError(f"module 'skyhaul' has no attribute {name!r}")
    return getattr(import_module(f"skyhaul.{_HOME[name]}"), name)


@asynccontextmanager
async def open(  # noqa: A001 as in skyhaul.open, like gzip.open
    *,
    credentials: Credentials | None = None,
    observe: Emit | None = None,
    meter: Meter | None = None,
    **options: object,
) -> AsyncIterator[Haul]:
    """An archive, open for as long as the context.

    Args:
        credentials: in place of those of the environment, ``.env``, netrc and the keyring.
        observe: told every event, on the loop's thread; must not block.
        meter: sampled for rates and open streams; made here if there is none.
        options: what the command line takes, with ``_`` for ``-``: ``collection``, ``start``, ``bbox``, ``into``, ``via``, ``bands`` …

    Raises:
        SettingsError: an option is unknown or cannot be used; says what is accepted.
    """
    from anyio import to_thread  # noqa: PLC0415 imported where it is used

    # On a thread: files are read, the keyring is asked, and the first import takes half a second.
    told, account = await to_thread.run_sync(_told, options, credentials)
    from skyhaul import runtime  # noqa: PLC0415 likewise

    async with runtime.opened(told, account, emit=observe, meter=meter) as haul:
        yield haul


def _told(options: Mapping[str, object], credentials: Credentials | None) -> tuple[Settings, Credentials]:
    import_module("skyhaul.runtime")
    from skyhaul import credentials as accounts  # noqa: PLC0415 imported where it is used
    from skyhaul import settings  # noqa: PLC0415 likewise

    told = settings.load(options)
    from skyhaul.providers import find  # noqa: PLC0415 likewise

    return told, credentials or accounts.load(told.provider.token_url, account=find(told.query.provider).account)
