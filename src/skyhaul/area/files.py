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


def of_file(path: Path | None) -> Shapes:
    """What a file holds, whatever it is in; stdin, which is text, for ``None``.

    Raises:
        ValueError: it cannot be read, or holds no area.
    """
    if path is None:
        return _stdin()
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}, and {path.name!r} is not WKT") from None
    except OSError as error:
        raise ValueError(f"{path} cannot be read ({error.strerror})") from None
    if content.startswith(b"PK"):
        kml = _zipped_kml(path)
        return _of_layers(path) if kml is None else _text(kml, path)
    if b"\x00" in content[:1024] or path.suffix.lower() == ".shp":
        return _of_layers(path)
    return _text(content, path)


def _stdin() -> Shapes:
    try:
        return of_text(sys.stdin.read(), "stdin")
    except UnicodeDecodeError:
        raise ValueError("stdin is not text: of stdin GeoJSON, WKT and KML are read") from None


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


def _of_layers(path: Path) -> Shapes:
    """All layers that GDAL finds in a file, in degrees."""
    try:
        import pyogrio
    except ModuleNotFoundError:
        raise ValueError(
            f"{path.name} is neither GeoJSON, WKT nor KML; shapefiles and GeoPackages need the extra geo: pip install 'skyhaul[geo]'"
        ) from None
    try:
        layers = [str(name) for name, _ in pyogrio.list_layers(path)]
    except pyogrio.errors.DataSourceError:
        raise ValueError(f"{path} is neither GeoJSON, WKT, KML, a shapefile nor a GeoPackage") from None
    shapes = Shapes()
    for layer in layers:
        for number, geometry in enumerate(_layer(path, layer), start=1):
            of_geometry(shapes, geometry, f"feature {number}" if len(layers) == 1 else f"feature {number} of {layer}")
    if not shapes.points and not shapes.polygons:
        raise ValueError("it holds no geometry")
    return shapes


def _layer(path: Path, layer: str) -> list[BaseGeometry]:
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

    if crs is None or not geometries or CRS(crs).equals(CRS(_DEGREES), ignore_axis_order=True):
        return geometries
    transformer = Transformer.from_crs(crs, _DEGREES, always_xy=True)
    west, south, east, north = shapely.total_bounds(geometries)
    edge = max(east - west, north - south) / _EDGES
    cut = shapely.segmentize(geometries, edge) if edge > 0 else geometries
    return list(shapely.transform(cut, transformer.transform, interleaved=False))
