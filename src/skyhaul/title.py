"""A query in one line, as dashboard, log and journal head a run with it (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, time, timedelta

from skyhaul.catalogue.odata import shapes
from skyhaul.model import Condition, Operator, Query, TimeInterval, stamp

TITLE_MAX = 240
"""Characters of a title, at most: two lines of a terminal."""

NAMED = 3
"""Values of one kind that are named; of more the rest is counted."""

WORD_MAX = 60
_SIGNS: Mapping[Operator, str] = {"eq": "=", "ne": "≠", "lt": "<", "le": "≤", "gt": ">", "ge": "≥", "in": "in"}


def title(query: Query) -> str:
    """What was asked, in words: the archive, what restricts the query, its rules; long lists counted rather than named."""
    words = [query.provider, *_words(query)]
    if query.rules:
        words.append(_either(query.rules))
    if query.limit is not None:
        words.append(f"at most {query.limit}")
    return _short("  ".join(words), TITLE_MAX)


def _words(query: Query) -> Iterator[str]:
    """A word or two for each field that restricts."""
    yield from filter(None, (query.collection, query.platform, _few(query.product_types)))
    yield from _times(query)
    yield from _place(query)
    if cloud := _cloud(query.cloud_min, query.cloud_max):
        yield cloud
    if query.orbit_direction:
        yield query.orbit_direction.lower()
    if query.relative_orbit is not None:
        yield f"orbit {query.relative_orbit}"
    yield from filter(None, (query.polarisation, query.mode, query.timeliness))
    yield from _some((_condition(each) for each in query.where), "conditions")
    yield from filter(None, (_counted(query.names, "name"), _counted(query.ids, "id")))
    if query.online is not None:
        yield "online" if query.online else "offline"
    if query.latest_version:
        yield "latest versions"


def _times(query: Query) -> Iterator[str]:
    if not query.sensing.open:
        yield _days(query.sensing)
    if query.season is not None:
        yield f"season {query.season}"
    if not query.published.open:
        yield f"published {_days(query.published)}"


def _place(query: Query) -> Iterator[str]:
    if query.area is not None:
        areas = sum(1 for _ in shapes(query.area))
        several = f" ({areas} areas)" if areas > 1 else ""
        yield _short(query.area_label or "an area", WORD_MAX) + several
    if query.tiles:
        yield _few(query.tiles)


def _cloud(least: float | None, most: float | None) -> str | None:
    if least is None:
        return None if most is None else f"cloud ≤ {most:g} %"
    return f"cloud ≥ {least:g} %" if most is None else f"cloud {least:g} to {most:g} %"


def _condition(condition: Condition) -> str:
    written = ", ".join(str(value) for value in condition.values[:NAMED])
    more = ", …" if len(condition.values) > NAMED else ""
    return _short(f"{condition.attribute} {_SIGNS[condition.operator]} {written}{more}", WORD_MAX)


def _either(rules: Sequence[Query]) -> str:
    """What the rules ask for, of which one has to hold."""
    found = [" ".join(_words(rule)) or "anything" for rule in rules]
    return found[0] if len(found) == 1 else " | ".join(f"({each})" for each in _some(found, "rules"))


def _few(values: Sequence[str]) -> str:
    more = f" and {len(values) - NAMED} more" if len(values) > NAMED else ""
    return " ".join(values[:NAMED]) + more


def _some(values: Iterable[str], what: str) -> Iterator[str]:
    found = list(values)
    yield from found[:NAMED]
    if len(found) > NAMED:
        yield f"{len(found) - NAMED} more {what}"


def _counted(values: Sequence[str], what: str) -> str | None:
    """The one value, or how many there are."""
    if len(values) > 1:
        return f"{len(values)} {what}s"
    return f"{what} {values[0]}" if values else None


def _days(span: TimeInterval) -> str:
    """The span as people say it: whole days without their midnights, the last day included."""
    start, end = span.start, span.end
    whole = all(moment is None or moment.time() == time.min for moment in (start, end))
    last = end - timedelta(days=1) if end and whole else end
    if start and last:
        return f"{_moment(start, whole=whole)} to {_moment(last, whole=whole)}"
    return f"from {_moment(start, whole=whole)}" if start else f"to {_moment(last, whole=whole)}" if last else ""


def _moment(moment: datetime, *, whole: bool) -> str:
    return f"{moment:%Y-%m-%d}" if whole else stamp(moment)


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1].rstrip() + "…"
