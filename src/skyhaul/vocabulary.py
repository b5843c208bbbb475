"""The words of the Copernicus archives: collections, attributes with their types, hosts that are gone.

CDSE OData stores attributes by type, and a filter has to name the type: ``cloudCover`` asked for as an integer matches nothing. The lists
are those of ``/Attributes(<collection>)``; over all collections a name has one type.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from skyhaul.model import Kind

COLLECTIONS = (
    "SENTINEL-1",
    "SENTINEL-2",
    "SENTINEL-3",
    "SENTINEL-5P",
    "SENTINEL-6",
    "SENTINEL-1-RTC",
    "GLOBAL-MOSAICS",
    "SMOS",
    "ENVISAT",
    "LANDSAT-5",
    "LANDSAT-7",
    "LANDSAT-8",
    "LANDSAT-8-ESA",
    "LANDSAT-9",
    "COP-DEM",
    "TERRAAQUA",
    "S2GLC",
    "CCM",
    "CLMS",
)
"""CDSE OData: any other name is answered with 400."""

CLOUDLESS = frozenset({"SENTINEL-1", "SENTINEL-1-RTC", "SENTINEL-6", "COP-DEM", "SMOS"})
"""Collections without a cloud cover: a condition on it matches nothing."""

_NAMES: dict[Kind, str] = {
    "Boolean": "sliceProductFlag",
    "DateTimeOffset": "beginningDateTime endingDateTime processingDate productGeneration segmentStartTime",
    "Double": (
        "brightCover cloudCover cloudCoverLand coastalCover completionTimeFromAscendingNode freshInlandWaterCover geometricRmse "
        "geometricXBias geometricXStddev geometricYBias geometricYStddev illuminationZenithAngle landCover offNadir salineWaterCover "
        "snowOrIceCover startTimeFromAscendingNode sunAzimuthAngle sunElevationAngle tidalRegionCover view:sun_azimuth view:sun_elevation"
    ),
    "Integer": (
        "closedSeaCover continentalIceCover cycleNumber datatakeID instrumentConfigurationID lastOrbitNumber lastRelativeOrbitNumber "
        "numberOfBands openOceanCover orbitNumber pathNumber phaseNumber proj:epsg qualityInfo relativeOrbitNumber rowNumber sliceNumber "
        "spatialResolution totalSlices"
    ),
    "String": (
        "USGScollection acquisitionType authority baselineCollection card4lSpecification card4lSpecificationVersion collectionCategory "
        "collectionName collectionNumber coordinates datasetFull datastripId doi granuleIdentifier identifier instrumentShortName "
        "lastOrbitDirection operationalMode orbitDirection origin parentIdentifier platformName platformSerialIdentifier "
        "platformShortName polarisationChannels processingBaseline processingCenter processingLevel processingMode processorName "
        "processorVersion productClass productComposition productConsolidation productGroupId productType projShape projTransform "
        "qualityStatus sceneId source sourceProduct sourceProductOriginDate swathIdentifier tileId timeliness wrsPath wrsRow wrsType"
    ),
}

TYPES: dict[str, Kind] = {name: kind for kind, names in _NAMES.items() for name in names.split()}

PROPERTIES: dict[str, Kind] = {
    "Id": "String",
    "Name": "String",
    "Online": "Boolean",
    "PublicationDate": "DateTimeOffset",
    "ModificationDate": "DateTimeOffset",
    "ContentDate/Start": "DateTimeOffset",
    "ContentDate/End": "DateTimeOffset",
}
"""What every product has; everything else that can be compared is an attribute."""

BASELINE = "processingBaseline"
"""The attribute that is compared as a number, wherever an archive keeps it."""

_CDSE = "the Copernicus Data Space (--provider cdse), https://dataspace.copernicus.eu"
_STAC = "https://stac.dataspace.copernicus.eu/v1 (--provider cdse-stac)"
_OPEN_HUBS = f"closed in October 2023 and replaced by {_CDSE}"
_PEPS = "retired and replaced by GEODES (--provider geodes), https://geodes.cnes.fr"
_RETIRED = {
    "scihub.copernicus.eu": _OPEN_HUBS,
    "apihub.copernicus.eu": _OPEN_HUBS,
    "peps.cnes.fr": _PEPS,
    "catalogue.dataspace.copernicus.eu/resto": (
        "retired on 2 March 2026 and replaced by https://catalogue.dataspace.copernicus.eu/odata/v1"
    ),
    "catalogue.dataspace.copernicus.eu/stac": f"retired and replaced by {_STAC}",
    "zipper.dataspace.copernicus.eu": "retired and replaced by https://download.dataspace.copernicus.eu/odata/v1",
    "finder.creodias.eu": "retired and replaced by https://datahub.creodias.eu/odata/v1 (--provider creodias)",
}
_GONE = {
    "scihub": _OPEN_HUBS,
    "apihub": _OPEN_HUBS,
    "peps": _PEPS,
    "cdse-resto": f"retired on 2 March 2026 and replaced by {_CDSE}",
    "finder": _RETIRED["finder.creodias.eu"],
    "zipper": _RETIRED["zipper.dataspace.copernicus.eu"],
}
"""Archives that people may still ask for by name."""


def retired(url: str) -> str | None:
    """What became of the host of ``url``, where it is known to be gone."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    for left, fate in _RETIRED.items():
        name, _, path = left.partition("/")
        if (host == name or host.endswith("." + name)) and parts.path.lstrip("/").startswith(path):
            return f"{left} was {fate}"
    return None


def gone(name: str) -> str | None:
    """What became of the archive that is called ``name`` or lived at that host, where it is known to be gone."""
    fate = _GONE.get(name.lower())
    return f"{name} was {fate}" if fate else retired(name if "://" in name else f"https://{name}")
