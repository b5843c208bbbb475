"""Pages that go wrong: what a fault makes of a list before it is sent."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from skyhaul.simulate.faults import Fault, FaultKind

T = TypeVar("T")

# Where the entries of a page are: OData, STAC items, nodes, STAC collections, and in the feed of a DHuS.
LISTS = ("value", "features", "result", "collections", "entry")
# What an entry is known by, in the same order of precedence.
NAMES = ("Name", "title", "id")
LINKS = ("links", "link")
COUNTS = ("@odata.count", "totalResults", "opensearch:totalResults", "matched", "numberMatched")
CLIMB = "../../../"


def spoilt_entries(entries: list[T], fault: Fault) -> list[T]:
    """``entries`` as a page with this fault lists them."""
    match fault.kind:
        case FaultKind.EMPTY_PAGE:
            return []
        case FaultKind.SHIFTED_PAGE:
            return [*entries[:1], *entries[:-1]]
        case FaultKind.DUPLICATE:
            return [*entries, *entries[-1:]]
        case _:
            return entries


def spoilt_json(page: bytes, fault: Fault) -> bytes:
    """A JSON page with this fault: cut, shifted, without its link, with a wrong count or a hostile name."""
    if fault.kind is FaultKind.MALFORMED:
        return page[: len(page) // 2]
    document: dict[str, Any] = msgspec.json.decode(page)
    inner = document.get("feed", document)
    key = next((name for name in LISTS if isinstance(inner.get(name), list)), None)
    if key is not None:
        inner[key] = spoilt_entries(inner[key], fault)
        if fault.kind is FaultKind.HOSTILE_KEY:
            inner[key] = [_climbing(entry) for entry in inner[key]]
    # Links and counts stand beside the entries, or one level below, where resto and GEODES have them.
    for place in (inner, inner.get("properties", {}), inner.get("context", {})):
        if fault.kind is FaultKind.LOST_LINK:
            _without_next(place)
        if fault.kind is FaultKind.WRONG_COUNT:
            _one_more(place)
    return msgspec.json.encode(document)


def _without_next(place: dict[str, Any]) -> None:
    place.pop("@odata.nextLink", None)
    for name in LINKS:
        if name in place:
            place[name] = [link for link in place[name] if link.get("rel") != "next"]


def _one_more(place: dict[str, Any]) -> None:
    for name in COUNTS:
        if name in place:
            place[name] = type(place[name])(int(place[name]) + 1)


def _climbing(entry: dict[str, Any]) -> dict[str, Any]:
    name = next((name for name in NAMES if name in entry), None)
    return entry if name is None else {**entry, name: CLIMB + str(entry[name])}
