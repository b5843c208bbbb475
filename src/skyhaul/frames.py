"""Products as tables of pandas and geopandas, and back. Home of both."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from math import isnan
from typing import TYPE_CHECKING, Any

from msgspec import structs

from skyhaul.columns import COLUMNS
from skyhaul.errors import SettingsError
from skyhaul.footprint import coverage, geometry
from skyhaul.model import Product

if TYPE_CHECKING:
    from geopandas import GeoDataFrame
    from pandas import DataFrame

_MOMENTS = ("start", "end", "published", "modified")
_MISSING = "tables of products need the extra analysis: pip install 'skyhaul[analysis]'"


def to_dataframe(products: Iterable[Product], *, area: str | None = None) -> DataFrame:
    """The products, a row each, in their order.

    There is a column for every field of :class:`skyhaul.Product`, and one for every attribute under its own name. Times are aware and
    UTC. ``coverage`` is the percentage of the searched area, of a point 100 or 0. ``area``, as WKT, is measured in its place where given.

    Raises:
        SettingsError: pandas is not there.
    """
    try:
        import pandas as pd  # noqa: PLC0415 heavy, and not always there
    except ModuleNotFoundError:
        raise SettingsError(_MISSING) from None
    found = [
        product if area is None else structs.replace(product, coverage=coverage(area, product.footprint))
        for product in products
    ]
    attributes = dict.fromkeys(name for product in found for name in product.attributes)
    frame = pd.DataFrame({name: _series(pd, name, found) for name in COLUMNS})
    more = {_column(name): [product.attributes.get(name) for product in found] for name in attributes}
    return pd.concat([frame, pd.DataFrame(more, index=frame.index)], axis="columns")


def to_geodataframe(products: Iterable[Product], *, area: str | None = None) -> GeoDataFrame:
    """The same table with the footprints as ``geometry``, in degrees: longitudes from -180 to 180, what crosses itself mended.

    Raises:
        SettingsError: geopandas is not there.
    """
    try:
        import geopandas as gpd  # noqa: PLC0415 heavy, and not always there
    except ModuleNotFoundError:
        raise SettingsError(_MISSING) from None
    frame = to_dataframe(products, area=area)
    return gpd.GeoDataFrame(frame, geometry=[geometry(each) for each in frame["footprint"]], crs="EPSG:4326")


def from_dataframe(frame: DataFrame) -> tuple[Product, ...]:
    """The products of the rows that are left of such a table, to be downloaded: ``haul.download(Wanted(products=…, given=True))``.

    Raises:
        SettingsError: a column is missing.
    """
    if missing := [name for name in COLUMNS if name not in frame.columns]:
        raise SettingsError(f"the table has no column {missing[0]!r}, as to_dataframe makes it")
    return tuple(_product(row) for row in frame[list(COLUMNS)].to_dict("records"))


def _series(pd: Any, name: str, products: list[Product]) -> Any:
    values = [getattr(product, name) for product in products]
    if name in _MOMENTS:
        return pd.Series(pd.to_datetime(values, utc=True), dtype="datetime64[us, UTC]")
    if name == "size":
        return pd.Series(values, dtype="Int64")
    if name == "coverage":
        return pd.Series(values, dtype="float64")
    return pd.Series(values, dtype="bool" if name == "online" else "object")


def _column(attribute: str) -> str:
    """The name of an attribute's column: its own, unless a field is called so."""
    return f"attribute:{attribute}" if attribute in (*COLUMNS, "geometry") else attribute


def _product(row: Mapping[str, Any]) -> Product:
    known = {name: value for name, value in row.items() if not _is_missing(value)}
    for name in _MOMENTS:
        if name in known:
            known[name] = known[name].to_pydatetime()
    if "size" in known:
        known["size"] = int(known["size"])
    return Product(**known)


def _is_missing(value: object) -> bool:
    """Whether the table has nothing there: NaN, NaT and NA are each of a type of their own."""
    return value is None or type(value).__name__ in {"NAType", "NaTType"} or (isinstance(value, float) and isnan(value))
