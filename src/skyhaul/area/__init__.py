"""Areas as people give them, turned into the WKT that archives take: degrees, EPSG:4326, longitude first.

What cannot be used raises ``ValueError`` with the end of a sentence. What had to be changed to be used is said in a notice: another area is
another result. Shapely, pyproj and readers of files are imported by the functions that need them.
"""

from __future__ import annotations

from pathlib import Path

from skyhaul.area.documents import is_document, of_mapping, of_text
from skyhaul.area.files import of_file, stdin_text
from skyhaul.area.given import bbox_area, circle_area, is_tile, place, point_area, tile_area
from skyhaul.area.shapes import Area, area_of

__all__ = ["Area", "parse_area"]


def parse_area(
    *,
    bbox: object = None,
    aoi: object = None,
    point: object = None,
    circle: object = None,
    folder: Path | None = None,
) -> Area:
    """The area that one of the four describes.

    Args:
        bbox: ``west,south,east,north``; where west exceeds east the box crosses the 180th meridian and becomes two.
        aoi: a file of GeoJSON, WKT or KML, a shapefile or GeoPackage; GeoJSON or WKT itself; corners as ``LON,LAT LON,LAT LON,LAT`` or as
            a list of pairs; an MGRS tile such as 32TQR; ``-`` for any of these, files aside, from stdin; an object that describes itself
            by ``__geo_interface__``. All features together are the area.
        point: ``longitude,latitude``.
        circle: ``longitude,latitude,radius`` in kilometres, on the ellipsoid.
        folder: what a relative file belongs to.

    Raises:
        ValueError: it is not an area. The text is the end of a sentence.
    """
    if bbox is not None:
        return bbox_area(bbox)
    if point is not None:
        return point_area(point)
    if circle is not None:
        return circle_area(circle)
    return _from_aoi(aoi, folder or Path())


def _from_aoi(given: object, folder: Path) -> Area:
    described = getattr(given, "__geo_interface__", given)
    if isinstance(described, dict):
        return area_of(of_mapping(described, getattr(given, "crs", None)), "area")
    if isinstance(given, list | tuple):
        return area_of(place(given), "area")
    if isinstance(given, str | Path):
        return _from_text(str(given).strip(), folder)
    raise ValueError(f"{given!r} is neither a file nor WKT")


def _from_text(written: str, folder: Path) -> Area:
    if not written:
        raise ValueError("it is empty")
    if written == "-":
        if not (piped := stdin_text().strip()):
            raise ValueError("stdin is empty")
        return tile_area(piped) if is_tile(piped) else area_of(of_text(piped, "stdin"), "stdin")
    if is_document(written):
        return area_of(of_text(written, "it"), "area")
    path = folder / Path(written).expanduser()
    if is_tile(written) and not path.exists():
        return tile_area(written)
    return area_of(of_file(path), path.name)
