"""What hosts say of objects that their catalogue says too little of: size and version, without which nothing goes on from its last byte."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit

from anyio import CapacityLimiter, create_task_group

from skyhaul.errors import RemoteError
from skyhaul.model import ByteRange, RemoteObject, Route
from skyhaul.protocols import Source
from skyhaul.transfer.checksum import of_etag

AT_ONCE = 8

SMALL_BYTES = 1 << 20
"""What is known to be no larger comes again sooner than anybody could ask for it."""

_BEGINNING = ByteRange(start=0, stop=2)
_S3 = re.compile(r"(?:^|\.)s3[.-](?:[a-z0-9-]+\.)?amazonaws\.com$")


async def measured(objects: Sequence[RemoteObject], sources: Mapping[Route, Source]) -> list[RemoteObject]:
    """The objects in their order; those that nothing pins with the size and the version that their hosts state.

    An ETag of Amazon's S3 is a digest besides. What a host does not say is left as it was: fetching the object will say why.
    """
    found = list(objects)
    places = CapacityLimiter(AT_ONCE)

    async def ask(number: int, source: Source) -> None:
        async with places:
            found[number] = await _told(found[number], source)

    async with create_task_group() as tasks:
        for number, obj in enumerate(objects):
            source = sources.get(obj.route)
            if source is not None and _unknown(obj):
                tasks.start_soon(ask, number, source)
    return found


def _unknown(obj: RemoteObject) -> bool:
    pinned = obj.etag is not None or bool(obj.checksums)
    return obj.size is None or (not pinned and obj.size > SMALL_BYTES)


async def _told(obj: RemoteObject, source: Source) -> RemoteObject:
    try:
        # What the catalogue has of its size is a hint: the host knows.
        async with source.read(replace(obj, size=None), _BEGINNING, etag=None) as body:
            size, etag, ranged = body.total, body.etag, body.ranged
    except RemoteError:
        return obj
    digest = of_etag(etag) if _S3.search(urlsplit(obj.location).hostname or "") else None
    return replace(
        obj,
        size=size if size is not None else obj.size,
        etag=etag if ranged else None,
        ranges=ranged,
        checksums=(*obj.checksums, digest) if digest else obj.checksums,
    )
