"""Where files go: names from archives and templates from users turned into safe relative paths (pure).

Whatever a server calls a file, it stays inside the destination.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from skyhaul.errors import SettingsError, UnsafeName
from skyhaul.model import Product

COMPONENT_BYTES_MAX = 240
"""Longest name on the usual file systems (255) less what ``.part`` and siblings need."""

_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\\\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
_DRIVE = re.compile(r"^[A-Za-z]:")
_S2_TILE = re.compile(r"_T(\d{2}[A-Z]{3})_")
FIELDS = (
    "name", "id", "collection", "product_type", "start", "end", "published",
    "tile", "platform", "relative_orbit", "orbit_direction", "level",
)  # fmt: skip


def safe_path(name: str) -> PurePosixPath:
    """``name`` as a relative path that cannot leave the folder it is put in.

    Raises:
        UnsafeName: absolute, ``..``, a drive letter, control characters, or a component that is too long or empty.
    """
    for part in name.removeprefix("./").split("/"):
        reason = _unsafe(part)
        if reason:
            raise UnsafeName(f"the archive names a file {name[:200]!r}, which is refused: {reason}")
    return PurePosixPath(name.removeprefix("./"))


def _unsafe(part: str) -> str | None:
    if part == "":
        return "it is absolute or has an empty component"
    if part in {".", ".."}:
        return "it steps out of its folder"
    if _FORBIDDEN.search(part):
        return "it has control characters or backslashes"
    if _DRIVE.match(part):
        return "it begins with a drive letter"
    if len(part.encode("utf-8", "surrogatepass")) > COMPONENT_BYTES_MAX:
        return f"a component is longer than {COMPONENT_BYTES_MAX} bytes"
    return None


def collisions(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two of the paths that cannot lie side by side, if any.

    They are the same, or would be on a disk that does not tell capitals, or one is a file where the other needs a folder.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = path.casefold()
        above = [folded[:at] for at, character in enumerate(folded) if character == "/"]
        other = files.get(folded) or folders.get(folded) or next((files[name] for name in above if name in files), None)
        if other is not None:
            return other, path
        files[folded] = path
        folders.update(dict.fromkeys(above, path))
    return None


def product_path(product: Product, template: str) -> PurePosixPath:
    """Where ``product`` goes below the destination: the template filled in, the product's own name last.

    Raises:
        SettingsError: the template has a field that is not known, or that this product lacks.
        UnsafeName: the archive's values would lead out of the destination.
    """
    name = PurePosixPath(safe_path(product.name.rstrip("/")).name)
    filled = safe_path(_fill(template, product).strip("/"))
    return filled if filled.name == str(name) else filled / name


def check_template(template: str) -> None:
    """Refuse a template with fields that do not exist.

    Raises:
        SettingsError: says which fields there are.
    """
    try:
        fields = [(field, spec) for _, field, spec, _ in Formatter().parse(template) if field is not None]
    except ValueError as error:
        raise _no_template(template, error) from None
    for field, spec in fields:
        if field not in FIELDS:
            raise SettingsError(f"--layout has no field {field!r}; there are {', '.join(FIELDS)}")
        if spec and "{" in spec:
            raise _no_template(template, "a field inside a field")
    if ".." in template.split("/"):
        raise _no_template(template, "it steps out of the destination")


def _fill(template: str, product: Product) -> str:
    check_template(template)
    try:
        return Formatter().vformat(template, (), _Values(product, template))
    except ValueError as error:
        raise _no_template(template, error) from None


def _no_template(template: str, why: object) -> SettingsError:
    return SettingsError(
        f"--layout {template!r} is not a template ({why}); for example '{{tile}}/{{start:%Y}}/{{name}}'"
    )


class _Values(dict[str, Any]):
    """The fields of one product; a missing one says so."""

    def __init__(self, product: Product, template: str) -> None:
        attributes = product.attributes
        tile = attributes.get("tileId") or next(iter(_S2_TILE.findall(product.name)), None)
        super().__init__(
            name=product.name,
            id=product.id,
            collection=product.collection,
            product_type=product.product_type,
            start=product.start,
            end=product.end,
            published=product.published,
            tile=tile,
            platform=product.name[:3] if re.match(r"S\d[A-D_]_", product.name) else attributes.get("platformShortName"),
            relative_orbit=attributes.get("relativeOrbitNumber"),
            orbit_direction=attributes.get("orbitDirection"),
            level=attributes.get("processingLevel"),
        )
        self._said = f"--layout {template!r}: {product.name} has no"

    def __getitem__(self, field: str) -> Any:
        value = super().__getitem__(field)
        if value is None:
            raise SettingsError(f"{self._said} {field}; choose a layout without it")
        return value.replace("/", "_") if isinstance(value, str) else value
