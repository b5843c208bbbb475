"""``manifest.safe`` and ``xfdumanifest.xml``: what a product lists of itself, in the structure of the real ones."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from skyhaul.simulate.clock import iso

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from skyhaul.simulate.missions.base import Acquisition, Series

MANIFESTS = {"SENTINEL-1": "manifest.safe", "SENTINEL-2": "manifest.safe", "SENTINEL-3": "xfdumanifest.xml"}
DIGEST_NAMES = {"SENTINEL-1": "MD5", "SENTINEL-2": "SHA3-256", "SENTINEL-3": "MD5"}

SAFE_1_1 = 'xmlns:gml="http://www.opengis.net/gml" xmlns:safe="http://www.esa.int/safe/sentinel/1.1"'
SAFE_S1 = (
    'xmlns:gml="http://www.opengis.net/gml" xmlns:safe="http://www.esa.int/safe/sentinel-1.0"'
    ' xmlns:s1="http://www.esa.int/safe/sentinel-1.0/sentinel-1"'
)
SAFE_S3 = (
    'xmlns:sentinel-safe="http://www.esa.int/safe/sentinel/1.1" xmlns:gml="http://www.opengis.net/gml"'
    ' xmlns:sentinel3="http://www.esa.int/safe/sentinel/sentinel-3/1.0"'
)


class Listed(NamedTuple):
    """One data object of a manifest; the digest is written as given."""

    ident: str
    rep: str
    mime: str
    path: str
    size: int
    digest: str


def manifest(take: Acquisition, listed: Sequence[Listed]) -> str:
    """The text of the manifest of a product; its length depends on the values only through ``positions``."""
    mission = take.series.mission
    root, package = {
        "SENTINEL-1": (f'{SAFE_S1} version="esa/safe/sentinel-1.0/sentinel-1/sar/level-1"', _unit_s1),
        "SENTINEL-2": (f'{SAFE_1_1} version="esa/safe/sentinel/1.1/sentinel-2/msi/archive_user_product"', _unit_s2),
        "SENTINEL-3": (f'{SAFE_S3} version="esa/safe/sentinel/sentinel-3/olci/level-1/1.0"', _unit_s3),
    }[mission.collection]
    prefix = "sentinel-safe" if mission.collection == "SENTINEL-3" else "safe"
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<xfdu:XFDU xmlns:xfdu="urn:ccsds:schema:xfdu:1" {root}>\n'
        "  <informationPackageMap>\n"
        f'    <xfdu:contentUnit textInfo="{mission.collection} {mission.product_type} product"'
        ' dmdID="acquisitionPeriod platform measurementOrbitReference measurementFrameSet" pdiID="processing">\n'
        f"{''.join(package(entry) for entry in listed)}"
        "    </xfdu:contentUnit>\n"
        "  </informationPackageMap>\n"
        "  <metadataSection>\n"
        f"{_metadata(take, prefix)}"
        "  </metadataSection>\n"
        "  <dataObjectSection>\n"
        f"{''.join(_data_object(entry, DIGEST_NAMES[mission.collection]) for entry in listed)}"
        "  </dataObjectSection>\n"
        "</xfdu:XFDU>\n"
    )


@lru_cache(maxsize=4096)
def positions(series: Series) -> str:
    """The corners as ``latitude,longitude`` pairs, the only part of a manifest that varies in length."""
    footprint = series.footprint
    if footprint is None:
        return ""
    polygons = footprint["coordinates"] if footprint["type"] == "MultiPolygon" else [footprint["coordinates"]]
    return " ".join(f"{y},{x}" for polygon in polygons for x, y in polygon[0])


def _unit_s2(entry: Listed) -> str:
    kind = "Metadata Unit" if entry.mime == "text/xml" else "Measurement Data Unit"
    return (
        f'      <xfdu:contentUnit ID="{entry.ident.removesuffix("_Data")}_Unit" unitType="{kind}">\n'
        f'        <dataObjectPointer dataObjectID="{entry.ident}"/>\n'
        "      </xfdu:contentUnit>\n"
    )


def _unit_s1(entry: Listed) -> str:
    kind = "Metadata Unit" if entry.mime == "text/xml" else "Measurement Data Unit"
    return (
        f'      <xfdu:contentUnit unitType="{kind}" repID="{entry.rep}">\n'
        f'        <dataObjectPointer dataObjectID="{entry.ident}"/>\n'
        "      </xfdu:contentUnit>\n"
    )


def _unit_s3(entry: Listed) -> str:
    return (
        f'      <xfdu:contentUnit ID="{entry.ident.removesuffix("Data")}Unit" unitType="Measurement Data Unit"'
        ' dmdID="geoCoordinatesAnnotation timeCoordinatesAnnotation">\n'
        f'        <dataObjectPointer dataObjectID="{entry.ident}"/>\n'
        "      </xfdu:contentUnit>\n"
    )


def _data_object(entry: Listed, digest_name: str) -> str:
    rep = f' repID="{entry.rep}"' if entry.rep else ""
    return (
        f'    <dataObject ID="{entry.ident}"{rep}>\n'
        f'      <byteStream mimeType="{entry.mime}" size="{entry.size}">\n'
        f'        <fileLocation locatorType="URL" href="./{entry.path}"/>\n'
        f'        <checksum checksumName="{digest_name}">{entry.digest}</checksum>\n'
        "      </byteStream>\n"
        "    </dataObject>\n"
    )


def _metadata(take: Acquisition, prefix: str) -> str:
    series = take.series
    heading = "ascending" if series.ascending else "descending"
    start, stop = iso(take.start_us), iso(take.start_us + series.mission.duration_us)
    parts = {
        "acquisitionPeriod": f"<{prefix}:startTime>{start}</{prefix}:startTime>"
        f"<{prefix}:stopTime>{stop}</{prefix}:stopTime>",
        "platform": f"<{prefix}:familyName>{series.mission.collection}</{prefix}:familyName>"
        f"<{prefix}:number>{series.satellite.unit}</{prefix}:number>",
        "measurementOrbitReference": (
            f'<{prefix}:orbitNumber groundTrackDirection="{heading:10}" type="start">{take.orbit:06}</{prefix}:orbitNumber>'
            f'<{prefix}:relativeOrbitNumber type="start">{series.relative:03}</{prefix}:relativeOrbitNumber>'
        ),
        "measurementFrameSet": f"<{prefix}:footPrint>"
        f"<gml:coordinates>{positions(series)}</gml:coordinates></{prefix}:footPrint>",
    }
    return "".join(_metadata_object(ident, prefix, text) for ident, text in parts.items())


def _metadata_object(ident: str, prefix: str, text: str) -> str:
    element = f"{prefix}:{ident}"
    return (
        f'    <metadataObject ID="{ident}" classification="DESCRIPTION" category="DMD">\n'
        '      <metadataWrap mimeType="text/xml" vocabularyName="SAFE">\n'
        f"        <xmlData><{element}>{text}</{element}></xmlData>\n"
        "      </metadataWrap>\n"
        "    </metadataObject>\n"
    )


def folders(paths: Iterable[str], collection: str) -> list[str]:
    """Every folder inside a product, each ending in a slash; Sentinel-2 products have two empty ones."""
    found = {"AUX_DATA/", "rep_info/"} if collection == "SENTINEL-2" else set()
    for path in paths:
        parts = path.split("/")[:-1]
        found |= {"/".join(parts[: n + 1]) + "/" for n in range(len(parts))}
    return sorted(found)
