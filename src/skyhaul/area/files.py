"""Areas in files: documents, and what GDAL reads (shapefiles, GeoPackages and their like), brought to degrees. Home of pyogrio."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING
from zipfile import BadZipFile, ZipFile

from skyhaul.area.documents import of_geometry, of_text
from skyhaul.area.shapes import Shapes

if TYPE_CHECKING:
    from shapely.geometry.base import BaseGeometry

_EDGES = 64
"""Into how many pieces an edge as long as its layer is cut before it is brought to degrees, where straight lines are others."""

_DEGREES = "OGC:CRS84"
_KML_MAX_BYTES = 1 << 28
_LAYERED = (".shp", ".gpkg", ".geojson", ".json", ".fgb")
_OWN = "__MACOSX/"
_HEAD_BYTES = 100
"""Every shapefile has so many."""


def of_file(path: Path) -> Shapes:
    """What a file holds, whatever it is in.

    Raises:
        ValueError: it cannot be read, or holds no area.
    """
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}, and {path.name!r} is not WKT") from None
    except OSError as error:
        raise ValueError(f"{str(path)[:80]} cannot be read ({error.strerror})") from None
    if content.startswith(b"PK"):
        kml = _zipped_kml(path)
        return _of_layers(path, *_zipped_layers(path)) if kml is None else _text(kml, path)
    if b"\x00" in content[:1024] or path.suffix.lower() == ".shp":
        return _of_layers(path)
    return _text(content, path)


def stdin_text() -> str:
    """What stands in stdin, which has to be text.

    Raises:
        ValueError: it is none.
    """
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise ValueError("stdin is not text: of stdin GeoJSON, WKT, KML, corners and an MGRS tile are read") from None


def _text(content: bytes, path: Path) -> Shapes:
    try:
        return of_text(content.decode("utf-8-sig"), str(path))
    except UnicodeDecodeError:
        return _of_layers(path)


def _zipped_kml(path: Path) -> bytes | None:
    """The document in a KMZ file; ``None`` where there is none."""
    try:
        with ZipFile(path) as archive:
            found = next((each for each in archive.infolist() if each.filename.lower().endswith(".kml")), None)
            if found is None:
                return None
            if found.file_size > _KML_MAX_BYTES:
                raise ValueError(f"{path}: {found.filename} is too large")
            return archive.read(found)
    except BadZipFile:
        raise ValueError(f"{path} is a broken zip") from None


def _zipped_layers(path: Path) -> list[str]:
    """What GDAL reads in a zip, in whatever folder, by the names that it has for it there: by itself it looks into no folder."""
    with ZipFile(path) as archive:
        names = [each.filename for each in archive.infolist()]
    return [
        f"/vsizip/{path.resolve()}/{name}" for name in names if name.lower().endswith(_LAYERED) and _OWN not in name
    ]


def _of_layers(path: Path, *inside: str) -> Shapes:
    """All layers that GDAL finds in a file, or in those ``inside`` it, in degrees."""
    try:
        import pyogrio
    except ModuleNotFoundError:
        raise ValueError(
            f"{path.name} is neither GeoJSON, WKT nor KML; shapefiles and GeoPackages need the extra geo: pip install 'skyhaul[geo]'"
        ) from None
    try:
        layers = [(file, str(name)) for file in inside or (path,) for name, _ in pyogrio.list_layers(file)]
    except pyogrio.errors.DataSourceError:
        raise ValueError(_unreadable(path)) from None
    shapes = Shapes()
    for file, layer in layers:
        for number, geometry in enumerate(_layer(file, layer), start=1):
            of_geometry(shapes, geometry, f"feature {number}" if len(layers) == 1 else f"feature {number} of {layer}")
    if not shapes.points and not shapes.polygons:
        raise ValueError("it holds no geometry")
    return shapes


def _unreadable(path: Path) -> str:
    index = path.with_suffix(".shx")
    if path.suffix.lower() == ".shp" and path.stat().st_size >= _HEAD_BYTES and not index.exists():
        return f"a shapefile is several files, and beside {path} there is no {index.name}"
    return f"{path} is broken, or neither GeoJSON, WKT, KML, a shapefile nor a GeoPackage"


def _layer(path: Path | str, layer: str) -> list[BaseGeometry]:
    import pyogrio
    import shapely

    try:
        meta, _, found, _ = pyogrio.raw.read(path, layer=layer, columns=[], force_2d=True)
    except (pyogrio.errors.DataSourceError, pyogrio.errors.DataLayerError) as error:
        raise ValueError(f"{path} cannot be read ({error})") from None
    written = [each for each in (found if found is not None else []) if each is not None]
    geometries = [shape for shape in shapely.from_wkb(written) if not shape.is_empty]
    return _in_degrees(geometries, meta["crs"])


def _in_degrees(geometries: list[BaseGeometry], crs: str | None) -> list[BaseGeometry]:
    """The geometries in degrees, longitude first. What does not say what it is in is taken for degrees."""
    import shapely
    from pyproj import CRS, Transformer
    from pyproj.exceptions import ProjError

    if crs is None or not geometries:
        return geometries
    try:
        if CRS(crs).equals(CRS(_DEGREES), ignore_axis_order=True):
            return geometries
        transformer = Transformer.from_crs(crs, _DEGREES, always_xy=True)
    except ProjError:
        raise ValueError(
            f"its coordinates are in {crs[:80]}, of which nobody knows where on the Earth that is"
        ) from None
    west, south, east, north = shapely.total_bounds(geometries)
    edge = max(east - west, north - south) / _EDGES
    cut = shapely.segmentize(geometries, edge) if edge > 0 else geometries
    return list(shapely.transform(cut, transformer.transform, interleaved=False))
