"""Where files go: names from archives and templates from users turned into safe relative paths (pure).

Whatever a server calls a file, it stays inside the destination.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from string import Formatter
from typing import Any

from msgspec import structs

from skyhaul.errors import SettingsError, UnsafeName
from skyhaul.model import Product, RemoteObject

COMPONENT_BYTES_MAX = 240
"""Longest name on the usual file systems (255) less what ``.part`` and siblings need."""

PATH_BYTES_MAX = 1024
"""Longest path below the destination: the longest key of S3, and room for the destination before it (``PATH_MAX`` is 4096 on Linux)."""

DEPTH_MAX = 64
_FORBIDDEN = re.compile(r"[\x00-\x1f\x7f\\]")
_INVISIBLE = {"Cc", "Cf", "Cs", "Zl", "Zp"}
"""Controls, marks of direction and width, halves of characters, separators of lines (Unicode's general categories)."""

_IGNORED = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\ufff0-\ufff8\U000e0000-\U000e0fff]"
)
"""What is a letter, a mark or nothing yet by its category, and shown as nothing all the same (Unicode's Default_Ignorable_Code_Point)."""

_DRIVE = re.compile(r"^[A-Za-z]:")
_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9\u00b9\u00b2\u00b3])\s*(\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, with any extension: on a disk that is shared with it such a file cannot be reached."""

LISTED = "list"
"""The archive of files that users list: its names alone may have folders, which tell files of one name apart."""

_LAST = "{name}"
_S2_TILE = re.compile(r"_T(\d{2}[A-Z]{3})_")
FIELDS = (
    "name", "id", "collection", "product_type", "start", "end", "published",
    "tile", "platform", "relative_orbit", "orbit_direction", "level",
)  # fmt: skip


def safe_path(name: str) -> PurePosixPath:
    """``name`` as a relative path that cannot leave the folder it is put in.

    Raises:
        UnsafeName: absolute, ``..``, a drive letter or device, what cannot be seen, or a path or component that is too long or empty.
    """
    inside = name.removeprefix("./")
    parts = inside.split("/")
    reason = _too_long(inside, parts) or next(filter(None, map(_unsafe, parts)), None)
    if reason:
        raise UnsafeName(f"the archive names a file {name[:200]!r}, which is refused: {reason}")
    return PurePosixPath(inside)


def _too_long(path: str, parts: Sequence[str]) -> str | None:
    if _bytes(path) > PATH_BYTES_MAX:
        return f"the path is longer than {PATH_BYTES_MAX} bytes"
    return f"it lies more than {DEPTH_MAX} folders deep" if len(parts) > DEPTH_MAX else None


def _unsafe(part: str) -> str | None:
    return next((reason for reason, applies in _REASONS.items() if applies(part)), None)


def _bytes(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))


def _is_invisible(part: str) -> bool:
    if part.isascii():
        return False
    return _IGNORED.search(part) is not None or any(unicodedata.category(each) in _INVISIBLE for each in part)


_REASONS: Mapping[str, Callable[[str], object]] = {
    "it is absolute or has an empty component": lambda part: part == "",
    "it steps out of its folder": {".", ".."}.__contains__,
    "it has control characters or backslashes": _FORBIDDEN.search,
    "it has characters that cannot be seen": _is_invisible,
    "it begins with a drive letter": _DRIVE.match,
    "it is the name of a device": _DEVICE.match,
    "a component ends in a dot or a space, which some disks leave out": lambda part: (
        part[-1] == "." or part[-1].isspace()
    ),
    f"a component is longer than {COMPONENT_BYTES_MAX} bytes": lambda part: _bytes(part) > COMPONENT_BYTES_MAX,
}


def collisions(paths: Iterable[str]) -> tuple[str, str] | None:
    """Two of the paths that cannot lie side by side, if any.

    They are the same, or would be on a disk that does not tell capitals, or ``é`` from ``e`` and an accent, or one is a file where the
    other needs a folder.
    """
    files: dict[str, str] = {}
    folders: dict[str, str] = {}
    for path in paths:
        folded = _folded(path)
        above = [folded[:at] for at, character in enumerate(folded) if character == "/"]
        other = files.get(folded) or folders.get(folded) or next((files[name] for name in above if name in files), None)
        if other is not None:
            return other, path
        files[folded] = path
        folders.update(dict.fromkeys(above, path))
    return None


def _folded(path: str) -> str:
    """``path`` as disks compare it that do not tell capitals (Unicode's canonical caseless matching)."""
    if path.isascii():
        return path.lower()
    return unicodedata.normalize("NFD", unicodedata.normalize("NFD", path).casefold())


def check_names(objects: Iterable[RemoteObject]) -> None:
    """See that the objects of a product can lie side by side on every disk.

    Raises:
        UnsafeName: one's name leaves its folder, or two mean the same place.
    """
    names = [obj.path for obj in objects]
    for name in names:
        safe_path(name)
    # An object arrives in a file of its name and ``.part``.
    clash = collisions(each for name in names for each in (name, f"{name}.part"))
    if clash is not None:
        raise UnsafeName(f"the archive has {clash[0]!r} and {clash[1]!r}, which cannot lie side by side on every disk")


def product_path(product: Product, template: str) -> PurePosixPath:
    """Where ``product`` goes below the destination: the template filled in, the product's own name last.

    With one template all products of an archive lie equally deep, so that none lies inside another. Files of a list have the folders that
    the list gives them; see :func:`skyhaul.lists.products`.

    Raises:
        SettingsError: the template has a field that is not known, or that this product lacks.
        UnsafeName: the archive's values would lead out of the destination, or into the folder of another product.
    """
    own = safe_path(product.name.rstrip("/"))
    if len(own.parts) > 1 and product.provider != LISTED:
        raise UnsafeName(
            f"the archive names a product {product.name[:200]!r}, which is refused: it would lie in the folder of another product"
        )
    whole = template.strip("/")
    above = whole.removesuffix(_LAST).removesuffix("/") if whole.rpartition("/")[2] == _LAST else whole
    return safe_path(_fill(above, structs.replace(product, name=own.name))) / own if above else own


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
