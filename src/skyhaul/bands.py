"""Bands and resolutions, as people name them, turned into globs on the paths inside a product. Pure.

Sentinel-2 L2A holds a band at several resolutions (``…_B04_10m.jp2``), L1C once (``…/IMG_DATA/…_B04.jp2``); Sentinel-1 has a file for each
polarisation (``…-vv-….tiff``); Sentinel-3 OLCI one for each radiance (``Oa08_radiance.nc``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

METADATA = ("*MTD*.xml", "*manifest.safe", "*xfdumanifest.xml")
"""What comes along with any band: the metadata needed to use it, the manifest needed to verify it."""

RESOLUTIONS_M = (10, 20, 60)

_FINE, _MEDIUM, _COARSE = (10, 20, 60), (20, 60), (60,)
_L2A = {
    **dict.fromkeys(("B02", "B03", "B04", "AOT", "TCI", "WVP"), _FINE),
    "B08": (10,),
    # L2A B01 at 20 m exists from baseline 04.00 on; 60 m always does.
    "B01": (60, 20),
    **dict.fromkeys(("B05", "B06", "B07", "B8A", "B11", "B12", "SCL"), _MEDIUM),
    "B09": _COARSE,
}
_L1C = frozenset({f"B{number:02d}" for number in range(1, 13)} | {"B8A", "TCI"})
_POLARISATIONS = frozenset({"HH", "HV", "VV", "VH"})


def band(value: object) -> str:
    """The name of a band as archives write it: ``B04`` also from ``b4``, ``VV`` from ``vv``, ``Oa08`` from ``OA8``."""
    written = str(value).strip().upper()
    if found := re.fullmatch(r"B(\d{1,2})", written):
        written = f"B{int(found[1]):02d}"
    if found := re.fullmatch(r"OA(\d{1,2})", written):
        number = int(found[1])
        if 1 <= number <= 21:  # noqa: PLR2004 OLCI has 21 bands
            return f"Oa{number:02d}"
    if written in _L2A or written in _L1C or written in _POLARISATIONS:
        return written
    raise ValueError(
        f"{value!r} is not a band: Sentinel-2 has B01 to B12, B8A, SCL, TCI, AOT, WVP, Sentinel-1 has VV, VH, HH, HV, "
        "Sentinel-3 OLCI has Oa01 to Oa21; other files are chosen by --only"
    )


def resolution(value: object) -> int:
    """A resolution of Sentinel-2, in metres."""
    written = str(value).strip().lower().removesuffix("m").strip()
    if written not in {str(metres) for metres in RESOLUTIONS_M}:
        raise ValueError(f"{value} is not a resolution of Sentinel-2: 10, 20 or 60 metres")
    return int(written)


def check(bands: Iterable[str], metres: int | None) -> None:
    """Refuse a band that is not made at ``metres``: it would be missing from every product, silently."""
    for name in bands:
        made = _L2A.get(name)
        if metres is not None and made is not None and metres not in made:
            at = " and ".join(f"{each} m" for each in sorted(made))
            raise ValueError(
                f"{name} is not made at {metres} m but at {at}; without a resolution every band comes at its finest"
            )


def globs(bands: Iterable[str], metres: int | None) -> tuple[str, ...]:
    """The paths that hold ``bands`` at ``metres``, and the metadata; without ``metres`` each band at its native resolution.

    A resolution without bands means every image at that resolution. Nothing asked for gives no globs: everything.
    """
    wanted = [glob for name in bands for glob in _paths(name, metres)]
    if not wanted and metres is not None:
        wanted = [f"*_{metres}m.jp2"]
    return (*wanted, *METADATA) if wanted else ()


def _paths(name: str, metres: int | None) -> Iterator[str]:
    if name in _POLARISATIONS:
        yield f"*-{name.lower()}-*"
    if name.startswith("Oa"):
        yield f"*{name}_*.nc"
    if name in _L2A:
        yield f"*_{name}_{metres or _L2A[name][0]}m.jp2"
    if name in _L1C:
        # The masks MSK_DETFOO_B04.jp2 beside the images end alike.
        yield f"*/IMG_DATA/*_{name}.jp2"
