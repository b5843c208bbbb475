"""Query options of the OData catalogue: read, checked against its limits, refused in its words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from skyhaul.simulate.nouns import Shelf

TOP_DEFAULT, TOP_MAX, SKIP_MAX = 20, 1000, 10_000
SHARED_FIELDS = (
    *("Id", "Name", "ContentType", "ContentLength", "OriginDate", "Checksum", "ContentDate", "Footprint"),
    "GeoFootprint",
)
PRODUCT_FIELDS = (
    *SHARED_FIELDS,
    *("PublicationDate", "ModificationDate", "Online", "EvictionDate", "S3Path"),
)
DELETED_FIELDS = (*SHARED_FIELDS, "DeletionDate", "DeletionCause")


class RefusalError(Exception):
    """A query the catalogue answers with an error: its status and its ``detail``."""

    def __init__(self, status: int, detail: Any) -> None:
        super().__init__(detail)
        self.status, self.detail = status, detail


@dataclass(frozen=True, slots=True, kw_only=True)
class EntitySet:
    """What may be asked of one set."""

    name: str
    shelf: Shelf
    fields: tuple[str, ...]
    """What ``$select`` may name; none where the set does not know the option."""
    expand: tuple[str, ...]
    order: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The query options of one request, checked."""

    filter: str
    order: tuple[str, bool] | None
    """Property, and whether it descends."""
    top: int
    skip: int
    count: bool
    expand: tuple[str, ...]
    select: frozenset[str]


def read_options(entities: EntitySet, query: Sequence[tuple[str, str]]) -> Options:
    """The options of a query string; options with names of other systems are passed over, as the catalogue does.

    Raises:
        RefusalError: 400 or 422, in the catalogue's words.
    """
    last = dict(query)
    expand = tuple(dict.fromkeys(name for key, value in query if key == "$expand" for name in value.split(",")))
    for name in expand:
        if name not in entities.expand:
            raise RefusalError(400, f"Invalid field in expand: {name}")
    return Options(
        filter=last.get("$filter", "").strip(),
        order=read_order(entities, last["$orderby"]) if last.get("$orderby") else None,
        top=whole(last, "$top", TOP_DEFAULT, (1, TOP_MAX)),
        skip=whole(last, "$skip", 0, (0, SKIP_MAX)),
        count=last.get("$count", "").lower() in {"true", "1"},
        expand=expand,
        select=read_select(entities, last.get("$select", "")),
    )


def read_order(entities: EntitySet, text: str) -> tuple[str, bool]:
    """``PublicationDate desc`` as property and whether it descends."""
    path, _, direction = " ".join(text.split()).partition(" ")
    if path not in entities.order or direction not in {"", "asc", "desc"}:
        raise RefusalError(400, f"Invalid field in orderby: {text}")
    return path, direction == "desc"


def read_select(entities: EntitySet, text: str) -> frozenset[str]:
    """The names of ``$select``; empty for all of them."""
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in {*entities.fields, "*"}:
            raise RefusalError(400, f"Invalid field in select: {name}")
    return frozenset() if "*" in names else frozenset(names)


def whole(values: dict[str, str], name: str, default: int, bounds: tuple[int, int]) -> int:
    """A whole number within closed bounds.

    Raises:
        RefusalError: 422, with the list of problems that the catalogue's framework makes.
    """
    text = values.get(name)
    if text is None:
        return default
    low, high = bounds
    try:
        number = int(text)
    except ValueError:
        message = "Input should be a valid integer, unable to parse string as an integer"
        problem = {"type": "int_parsing", "loc": ["query", name], "msg": message, "input": text}
        raise RefusalError(422, [problem]) from None
    if number > high:
        raise RefusalError(422, [out_of_range(name, text, "less_than_equal", high)])
    if number < low and low > 0:
        raise RefusalError(422, [out_of_range(name, text, "greater_than", low - 1)])
    if number < low:
        raise RefusalError(422, [out_of_range(name, text, "greater_than_equal", low)])
    return number


def out_of_range(name: str, text: str, kind: str, limit: int) -> dict[str, Any]:
    """The entry of ``detail`` for a number beyond ``limit``."""
    words, short = {
        "less_than_equal": ("less than or equal to", "le"),
        "greater_than": ("greater than", "gt"),
        "greater_than_equal": ("greater than or equal to", "ge"),
    }[kind]
    message = f"Input should be {words} {limit}"
    return {"type": kind, "loc": ["query", name], "msg": message, "input": text, "ctx": {short: limit}}


def next_link(url: str, query: Sequence[tuple[str, str]], options: Options, total: int) -> str | None:
    """The link to the page after this one; none after the last, and none beyond the largest ``$skip`` either."""
    skip = options.skip + options.top
    if skip >= total or skip > SKIP_MAX:
        return None
    pairs = [(name, str(skip) if name == "$skip" else value) for name, value in query]
    if "$skip" not in dict(query):
        pairs.append(("$skip", str(skip)))
    return f"{url}?{urlencode(pairs)}"
