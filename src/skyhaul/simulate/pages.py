"""Pages that go wrong: what a fault makes of a list before it is sent."""

from __future__ import annotations

from typing import Any, TypeVar

import msgspec

from skyhaul.simulate.faults import Fault, FaultKind

T = TypeVar("T")

# Where the entries of a page are: OData, STAC items, nodes, STAC collections.
LISTS = ("value", "features", "result", "collections")
# What an entry is known by, in the same order of precedence.
NAMES = ("Name", "id")
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
    key = next((name for name in LISTS if name in document), None)
    if key is not None:
        document[key] = spoilt_entries(document[key], fault)
        if fault.kind is FaultKind.HOSTILE_KEY:
            document[key] = [_climbing(entry) for entry in document[key]]
    if fault.kind is FaultKind.LOST_LINK:
        document.pop("@odata.nextLink", None)
        if "links" in document:
            document["links"] = [link for link in document["links"] if link.get("rel") != "next"]
    if fault.kind is FaultKind.WRONG_COUNT and "@odata.count" in document:
        document["@odata.count"] += 1
    return msgspec.json.encode(document)


def _climbing(entry: dict[str, Any]) -> dict[str, Any]:
    name = next((name for name in NAMES if name in entry), None)
    return entry if name is None else {**entry, name: CLIMB + str(entry[name])}
