"""Metalink 4 (RFC 5854): files with their sizes, digests and mirrors (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from xml.etree.ElementTree import Element

from defusedxml import DefusedXmlException, ElementTree

from skyhaul import lists
from skyhaul.lists import Entry
from skyhaul.model import Checksum

_SPACE = "{urn:ietf:params:xml:ns:metalink}"
_OLD = "{http://www.metalinker.org/}"
_LAST = 999_999
"""The priority of a mirror that states none (RFC 5854, 4.2.16.2: 999999 is the lowest)."""


def entries(text: str) -> Iterator[Entry]:
    """The files, each with the mirrors that can be used, the most preferred first.

    Raises:
        ValueError: it is no Metalink, or one of its files cannot be fetched. The text is the end of a sentence.
    """
    try:
        root = ElementTree.fromstring(text)
    except (ElementTree.ParseError, DefusedXmlException) as error:
        raise ValueError(f"it is not valid XML: {error}") from None
    if root.tag.startswith(_OLD):
        raise ValueError("it is Metalink 3; Metalink 4 (RFC 5854) is read")
    if root.tag != f"{_SPACE}metalink":
        raise ValueError(f"it is XML, but no Metalink: it is a {root.tag.rpartition('}')[2]}")
    for number, file in enumerate(root.iter(f"{_SPACE}file"), start=1):
        yield _entry(file, f"file {number}")


def _entry(file: Element, where: str) -> Entry:
    urls = sorted(file.findall(f"{_SPACE}url"), key=_priority)
    addresses = [(url.text or "").strip() for url in urls]
    try:
        return Entry(
            where=where,
            urls=lists.usable(addresses),
            checksums=_checksums(file),
            size=_size(file),
            name=(file.get("name") or "").strip(),
        )
    except ValueError as error:
        raise ValueError(f"{where}, {file.get('name', '')[:80]!r}: {error}") from None


def _priority(url: Element) -> int:
    written = url.get("priority") or ""
    return int(written) if written.isascii() and written.isdigit() else _LAST


def _size(file: Element) -> int | None:
    written = (file.findtext(f"{_SPACE}size") or "").strip()
    if not written:
        return None
    if not (written.isascii() and written.isdigit()):
        raise ValueError(f"its size is {written[:40]!r}")
    return int(written)


def _checksums(file: Element) -> list[Checksum]:
    """The digests of the whole file that can be computed. Those of its pieces are not needed: a broken file is fetched again."""
    stated = [(each.get("type") or "", (each.text or "").strip()) for each in file.findall(f"{_SPACE}hash")]
    known: list[Checksum] = []
    for kind, digest in stated:
        with suppress(ValueError):
            known.append(lists.checksum(kind, digest))
    if stated and not known:
        raise ValueError(f"none of its digests can be checked ({', '.join(kind for kind, _ in stated)})")
    return known
