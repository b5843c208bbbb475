"""What lies in a product folder: the files of each product type, their real sizes, and how a manifest calls them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

KB, MB = 1000, 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A file of every product of a type.

    ``path`` has the fields of ``str.format`` that the product fills in; ``size`` is that of a real full-size product
    in bytes; ``root`` is the document element of an XML file, empty for binary files; ``ident`` is the manifest's ID
    of the file, empty where the manifest leaves it out.
    """

    path: str
    size: int
    ident: str = ""
    rep: str = ""
    mime: str = "application/octet-stream"
    root: str = ""


# How binary files begin, by suffix.
MAGIC = {
    "jp2": b"\x00\x00\x00\x0cjP  \r\n\x87\n\x00\x00\x00\x14ftypjp2 \x00\x00\x00\x00jp2 ",
    "tiff": b"II*\x00",
    "nc": b"\x89HDF\r\n\x1a\n",
    "png": b"\x89PNG\r\n\x1a\n",
    "jpg": b"\xff\xd8\xff\xe0\x00\x10JFIF\x00",
}

BY_METRES = {
    10: ("B02", "B03", "B04", "B08"),
    20: ("B05", "B06", "B07", "B8A", "B11", "B12"),
    60: ("B01", "B09", "B10"),
}
METRES = {band: metres for metres, bands in BY_METRES.items() for band in bands}
BANDS = sorted(METRES)
BAND_MB = {10: 126.0, 20: 33.7, 60: 3.75}


def _xml(path: str, size: int, ident: str, root: str, mime: str = "application/xml") -> Slot:
    return Slot(path=path, size=size, ident=ident, mime=mime, root=root)


def _report(folder: str, name: str, where: str, size: int) -> Slot:
    kind = name.partition("_")[0].capitalize() if name != "L2A_QUALITY" else name
    return _xml(
        f"{folder}/QI_DATA/{name}.xml", size, f"{kind}_OLQC_Report_{where}_InformationData", "Earth_Explorer_File"
    )


def _picture(folder: str, name: str, size_mb: float, ident: str) -> Slot:
    return Slot(path=f"{folder}/{name}.jp2", size=int(size_mb * MB), ident=f"{ident}_Tile1_Data")


def sentinel2(level: str) -> tuple[Slot, ...]:
    """All 86 (L2A) or 59 (L1C) files that the manifest of a tile lists, as since baseline 04.00."""
    user, strip, granule = f"Level-{level}_User_Product", "DATASTRIP/{datastrip}", "GRANULE/{granule}"
    return (
        _xml(f"MTD_MSIL{level}.xml", 55 * KB, f"S2_Level-{level}_Product_Metadata", user, "text/xml"),
        _xml("INSPIRE.xml", 18_752, "INSPIRE_Metadata", "MD_Metadata", "text/xml"),
        _xml("HTML/UserProduct_index.html", 8500, "HTML_Presentation", "html", "octet"),
        _xml("HTML/UserProduct_index.xsl", 10_034, "HTML_Presentation_Stylesheet", "stylesheet", "octet"),
        _xml(f"{strip}/MTD_DS.xml", 6_500 * KB, f"S2_Level-{level}_Datastrip1_Metadata", f"Level-{level}_DataStrip_ID"),
        *_reports(strip, "Datastrip1", ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY")),
        *_reports(strip, "Datastrip1", ("RADIOMETRIC_QUALITY", "SENSOR_QUALITY")),
        Slot(path=f"{granule}/AUX_DATA/AUX_CAMSFO", size=2970, ident="CAMS_Tile1_Data"),
        Slot(path=f"{granule}/AUX_DATA/AUX_ECMWFT", size=1620, ident="ECMWF_Tile1_Data"),
        *(_images_2a(f"{granule}/IMG_DATA") if level == "2A" else _images_1c(f"{granule}/IMG_DATA")),
        _xml(f"{granule}/MTD_TL.xml", 547 * KB, f"S2_Level-{level}_Tile1_Metadata", f"Level-{level}_Tile_ID"),
        *_reports(granule, "Tile1", ("FORMAT_CORRECTNESS", "GENERAL_QUALITY", "GEOMETRIC_QUALITY", "SENSOR_QUALITY")),
        *([_report(granule, "L2A_QUALITY", "Tile1", 7768)] if level == "2A" else []),
        *_masks(f"{granule}/QI_DATA", level),
        _picture(f"{granule}/QI_DATA", "{image}_PVI", 0.167, "Preview_0"),
    )


def _reports(folder: str, where: str, names: tuple[str, ...]) -> Iterator[Slot]:
    return (_report(folder, name, where, 3900 + 200 * len(name)) for name in names)


def _images_2a(folder: str) -> Iterator[Slot]:
    others = {
        10: {"AOT": 0.4, "TCI": 117.0, "WVP": 62.0},
        20: {"AOT": 0.4, "SCL": 3.3, "TCI": 29.0, "WVP": 20.0},
        60: {"AOT": 0.13, "SCL": 0.75, "TCI": 3.6, "WVP": 3.1},
    }
    for metres, extra in others.items():
        bands = {band: BAND_MB[metres] for band in BANDS if _kept(band, metres)} | extra
        for band, size_mb in sorted(bands.items()):
            ident = f"IMG_DATA_Band_{band}_{metres}m"
            yield _picture(f"{folder}/R{metres}m", f"{{image}}_{band}_{metres}m", size_mb, ident)


def _kept(band: str, metres: int) -> bool:
    """No L2A band is finer than it was measured, save B01 at 20 m; B08 is kept at 10 m and B10 not at all."""
    if band in {"B08", "B10"}:
        return (band, metres) == ("B08", 10)
    return METRES[band] <= metres or (band, metres) == ("B01", 20)


def _images_1c(folder: str) -> Iterator[Slot]:
    for band in BANDS:
        yield _picture(folder, f"{{image}}_{band}", BAND_MB[METRES[band]] * 0.94, f"IMG_DATA_Band_{_numbered(band)}")
    yield _picture(folder, "{image}_TCI", 121.0, "IMG_DATA_Band_TCI")


def _numbered(band: str) -> str:
    metres = METRES[band]
    return f"{metres}m_{BY_METRES[metres].index(band) + 1}"


def _masks(folder: str, level: str) -> Iterator[Slot]:
    yield _picture(folder, "MSK_CLASSI_B00", 0.052, "ClassiPixelsMask_Band_00m_0")
    for kind, word, share in (("DETFOO", "DetectorFootprint", 1.0), ("QUALIT", "QualitPixels", 0.72)):
        for n, band in enumerate(BANDS):
            size_mb = {10: 0.079, 20: 0.032, 60: 0.018}[METRES[band]] * share
            ident = f"{word}Mask_Band_{_numbered(band)}{f'_{n}' if n else ''}"
            yield _picture(folder, f"MSK_{kind}_{band}", size_mb, ident)
    if level == "2A":
        for word, kind, sizes in (("Cloud", "CLD", (6.5, 1.25)), ("Snow", "SNW", (0.35, 0.1))):
            yield _picture(folder, f"MSK_{kind}PRB_20m", sizes[0], f"{word}PrbMask")
            yield _picture(folder, f"MSK_{kind}PRB_60m", sizes[1], f"{word}PrbMask_1")


def sentinel1(product_type: str) -> tuple[Slot, ...]:
    """13 (GRD) or 33 (SLC) listed files, then the unlisted pictures and schemas."""
    slc, suffix = product_type.startswith("IW_SLC"), "-cog" if product_type.endswith("-COG") else ""
    swaths = ("iw1", "iw2", "iw3") if slc else ("iw",)
    tiff_mb = {"iw1": 1169.0, "iw2": 1544.0, "iw3": 1346.0, "iw": 610.0 if suffix else 884.0}
    channels = [(swath, polarisation) for polarisation in ("vh", "vv") for swath in swaths]
    # GRD counts vv as 001, SLC counts vh first.
    numbers = range(1, 7) if slc else (2, 1)
    stems = [
        f"{{prefix}}-{s}-{'slc' if slc else 'grd'}-{p}-{{span}}-{n:03}"
        for (s, p), n in zip(channels, numbers, strict=True)
    ]
    return (
        *(slot for stem in stems for slot in _annotation(stem + suffix, slc=slc)),
        _radar("preview/map-overlay.kml", 1018, "mapoverlay", "MapOverlay", "kml"),
        _radar("preview/product-preview.html", 3673, "productpreview", "ProductPreview", "html"),
        *(
            _radar(f"measurement/{stem}{suffix}.tiff", int(tiff_mb[swath] * MB), stem, "Measurement")
            for stem, (swath, _) in zip(stems, channels, strict=True)
        ),
        _radar("preview/quick-look.png", 6900 * KB if slc else 281 * KB, "quicklook", "QuickLook"),
        Slot(path="preview/thumbnail.png", size=24 * KB),
        Slot(path="preview/icons/logo.png", size=95 * KB),
        *(Slot(path=f"support/s1-{name}.xsd", size=size, root="schema") for name, size in SCHEMAS.items()),
    )


SCHEMAS = {
    "level-1-calibration": 6400,
    "level-1-measurement": 471,
    "level-1-noise": 7100,
    "level-1-product": 140_000,
    "level-1-quicklook": 469,
    "level-1-rfi": 12_000,
    "map-overlay": 450,
    "object-types": 62_654,
    "product-preview": 440,
}


def _annotation(stem: str, *, slc: bool) -> Iterator[Slot]:
    yield _radar(f"annotation/{stem}.xml", 950 * KB if slc else 1880 * KB, f"product{stem}", "Product", "product")
    for name, size in (("noise", 422), ("calibration", 1041)):
        yield _radar(f"annotation/calibration/{name}-{stem}.xml", size * KB, f"{name}{stem}", name.capitalize(), name)
    yield _radar(f"annotation/rfi/rfi-{stem}.xml", 20 * KB, f"rfi{stem}", "Rfi", "rfi")


def _radar(path: str, size: int, ident: str, kind: str, root: str = "") -> Slot:
    mime = "text/xml" if root else "application/octet-stream"
    return Slot(path=path, size=size, ident=ident.replace("-", ""), rep=f"s1Level1{kind}Schema", mime=mime, root=root)


def olci() -> tuple[Slot, ...]:
    """50 listed files, as since 2023, and the unlisted quick-look."""
    bands = [f"Oa{n:02}_radiance{kind}" for kind in ("", "_unc") for n in range(1, 22)]
    others = {
        "geo_coordinates": 57_700,
        "instrument_data": 945,
        "qualityFlags": 1500,
        "removed_pixels": 14_500,
        "tie_geo_coordinates": 1260,
        "tie_geometries": 2180,
        "tie_meteo": 17_300,
        "time_coordinates": 15,
    }
    sizes = {band: 11_000 if band.endswith("unc") else 21_500 for band in bands} | others
    return (
        *(
            Slot(path=f"{name}.nc", size=size * KB, ident=f"{name}Data", mime="application/x-netcdf")
            for name, size in sizes.items()
        ),
        Slot(path="quicklook.jpg", size=90 * KB),
    )
