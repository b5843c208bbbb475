"""Several missions in one query: AND inside a rule, OR between rules (pure).

A rule is written as text, ``platform=SENTINEL-2,product_type=S2MSI2A,cloud_max=20``, or as a table of a job file. Its keys are those of a
query; the names that the NOA mirror's client has for them and the archive's own attributes are understood as well.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

from skyhaul.model import Condition, Query, TimeInterval
from skyhaul.values import meant
from skyhaul.vocabulary import PROPERTIES, TYPES

KEYS = (
    *("collection", "product_type", "start", "end", "published_start", "published_end", "tile", "cloud_min", "cloud_max"),
    *("orbit_direction", "relative_orbit", "datatake", "platform", "serial", "instrument", "polarisation", "mode"),
    *("timeliness", "level", "proc_mode", "baseline", "season", "name", "where", "online"),
)  # fmt: skip
"""What may stand in a rule. The area, the order and the limit are those of the whole query."""

ALIASES = {
    "orbit": "orbit_direction",
    "op_mode": "mode",
    "content_start": "start",
    "content_end": "end",
    "pub_start": "published_start",
    "pub_end": "published_end",
}
"""What the NOA mirror's client calls them."""

_OF_THE_WHOLE = ("provider", "bbox", "aoi", "point", "circle", "id", "latest_version", "order_by", "limit", "rule")

_PIECE = re.compile(
    r"\s*(?P<key>[A-Za-z][\w:/]*)\s*(?:(?P<operator><=|>=|!=|==|=|<|>)(?!=)\s*(?P<value>.*?)|(?P<rest>(?:\s(?:in\s*\(|\S*\.\.)|\.\.).*))\s*",
    re.IGNORECASE | re.DOTALL,
)


def fragment(written: object) -> dict[str, object]:
    """The restrictions of a rule by their keys, not yet read; conditions on attributes are under ``where``.

    Raises:
        ValueError: it is not a rule.
    """
    if isinstance(written, str):
        pairs = list(_pairs(written))
    elif isinstance(written, Mapping):
        pairs = [(key, "=", value) for key, value in written.items()]
    else:
        raise ValueError(f"{written!r} is not a rule: write platform=SENTINEL-2,product_type=S2MSI2A,cloud_max=20")  # noqa: TRY004 every unusable value is the same error
    found: dict[str, object] = {}
    for key, operator, value in pairs:
        name, said = _canonical(key, operator, value)
        found[name] = _joined(found[name], said) if name in found else said
    if not found:
        raise ValueError("the rule restricts nothing")
    return found


def narrowed(query: Query) -> Query:
    """The same query with what its rules have in common said of the whole: all of a single rule, the sensing times of several.

    Archives find by sensing time first.
    """
    query = folded(query)
    if not query.rules:
        return query
    starts = [rule.sensing.start for rule in query.rules]
    ends = [rule.sensing.end for rule in query.rules]
    first = min((each for each in starts if each), default=None) if all(starts) else None
    last = max((each for each in ends if each), default=None) if all(ends) else None
    start = max((each for each in (first, query.sensing.start) if each), default=None)
    end = min((each for each in (last, query.sensing.end) if each), default=None)
    if start and end and start >= end:
        return query  # nothing matches, which is for the archive to say
    return replace(query, sensing=TimeInterval(start=start, end=end))


def shares(query: Query, *, fits: Callable[[Query], bool], apart: Callable[[Query], bool]) -> tuple[Query, ...]:
    """``query`` as queries that together find what it finds, some of it twice; each is short enough to be asked.

    Args:
        query: with rules, or lists that make it long.
        fits: whether a query can be asked in one request.
        apart: whether a rule has to be read by itself, because products have to be compared with it afterwards: of a product that one
            filter found for several rules nobody could say which of them let it in.
    """
    alone = [rule for rule in query.rules if apart(rule)]
    together = tuple(rule for rule in query.rules if rule not in alone)
    joint = [replace(query, rules=together)] if together or not query.rules else []
    parts = [*joint, *(replace(query, rules=(rule,)) for rule in alone)]
    return tuple(part for each in parts for part in _fitting(narrowed(each), fits))


def folded(query: Query) -> Query:
    """The same query with its only rule said of the whole, as far as both can be said at once; what cannot stays a rule."""
    if len(query.rules) != 1:
        return query
    (rule,), usual = query.rules, Query()
    said = {each.name: getattr(rule, each.name) for each in fields(Query)}
    free = {
        name: value
        for name, value in said.items()
        if value != getattr(usual, name) and getattr(query, name) in {getattr(usual, name), value}
    }
    where = {"where": (*query.where, *rule.where)}
    rest = _replaced(rule, {name: getattr(usual, name) for name in (*free, "where")})
    return _replaced(query, {**free, **where, "rules": () if rest == usual else (rest,)})


def _replaced(query: Query, said: Mapping[str, Any]) -> Query:
    return replace(query, **said)


def _fitting(query: Query, fits: Callable[[Query], bool]) -> Iterator[Query]:
    halves = () if fits(query) else _halves(query)
    if not halves:
        yield query  # as it is: whether that is too long is for the archive to say
    for half in halves:
        yield from _fitting(half, fits)


def _halves(query: Query) -> Sequence[Query]:
    """``query`` cut in two along the longest of its lists; nothing where it has none."""
    if len(query.rules) > 1:
        middle = len(query.rules) // 2
        return [replace(query, rules=half) for half in (query.rules[:middle], query.rules[middle:])]
    lists = {name: getattr(query, name) for name in ("names", "ids", "tiles", "product_types")}
    name, longest = max(lists.items(), key=lambda each: len(each[1]))
    chosen = max(query.where, key=lambda each: len(each.values), default=None)
    if chosen is not None and len(chosen.values) > max(1, len(longest)):
        return [_with(query, chosen, half) for half in _cut(chosen.values)]
    if len(longest) > 1:
        return [_replaced(query, {name: half}) for half in _cut(longest)]
    return [replace(query, rules=(half,)) for rule in query.rules for half in _halves(rule)]


def _cut(values: tuple[object, ...]) -> tuple[tuple[object, ...], tuple[object, ...]]:
    return values[: len(values) // 2], values[len(values) // 2 :]


def _with(query: Query, chosen: Condition, half: tuple[object, ...]) -> Query:
    shorter = replace(chosen, value=half)  # type: ignore[arg-type] # a part of the values that it had
    return replace(query, where=tuple(shorter if each is chosen else each for each in query.where))


def _pairs(text: str) -> Iterator[tuple[str, str, str]]:
    """Key, operator and value of each piece. A comma that no key follows belongs to the value: ``polarisation=VV,VH``."""
    pieces: list[re.Match[str]] = []
    written: list[str] = []
    for piece in _between_commas(text):
        if _PIECE.fullmatch(piece):
            written.append(piece)
        elif written:
            written[-1] += "," + piece
        else:
            raise ValueError(f"{piece.strip()!r} is not KEY=VALUE, such as platform=SENTINEL-2")
    pieces = [found for piece in written if (found := _PIECE.fullmatch(piece))]
    for found in pieces:
        yield found["key"], found["operator"] or "", (found["value"] if found["operator"] else found["rest"]).strip()


def _between_commas(text: str) -> Iterator[str]:
    """What stands between commas that are not in parentheses."""
    depth, piece = 0, ""
    for char in text:
        depth += (char == "(") - (char == ")")
        if char == "," and depth == 0:
            yield piece
            piece = ""
        else:
            piece += char
    if piece.strip():
        yield piece


def _canonical(key: str, operator: str, value: object) -> tuple[str, object]:
    """The key of a query that is meant, and what is said of it."""
    name = ALIASES.get(key, key)
    if name == "baseline" and isinstance(value, str):
        return name, [f"{operator.removeprefix('=').removeprefix('=')}{value}"]
    if name in KEYS and operator in {"=", "=="}:
        return name, _listed(value)
    if name in TYPES or name in PROPERTIES or operator not in {"=", "=="}:
        return "where", [_condition(key, operator, value)]
    if key in _OF_THE_WHOLE:
        raise ValueError(f"{key} is said of the whole query, not in a rule")
    known = [*KEYS, *ALIASES, *TYPES]
    raise ValueError(f"a rule has no key {key!r}; {meant(key, known) if near(key, known) else meant(key, KEYS)}")


def near(key: str, known: Sequence[str]) -> bool:
    """Whether there is something like ``key`` among what is known."""
    return meant(key, known).startswith("did")


def _listed(value: object) -> object:
    """The values of a text that holds several, ``S2MSI1C|S2MSI2A``."""
    if isinstance(value, str) and "|" in value:
        return [each.strip() for each in value.split("|")]
    return value


def _condition(key: str, operator: str, value: object) -> str:
    if isinstance(value, list | tuple):
        return f"{key} in ({', '.join(map(_plain, value))})"
    return f"{key}{operator or ' '}{_plain(value)}"


def _plain(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _joined(one: object, other: object) -> list[object]:
    return [
        *(one if isinstance(one, list | tuple) else [one]),
        *(other if isinstance(other, list | tuple) else [other]),
    ]
