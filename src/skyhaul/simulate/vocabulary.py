"""The attributes of each collection with their types, as the catalogue lists them under ``Attributes``."""

from __future__ import annotations

COMMON = {
    "DateTimeOffset": "beginningDateTime endingDateTime processingDate",
    "Integer": "orbitNumber",
    "String": "coordinates instrumentShortName platformSerialIdentifier platformShortName processingCenter"
    " processingLevel processorVersion productType",
}
OWN = {
    "SENTINEL-1": {
        "Boolean": "sliceProductFlag",
        "DateTimeOffset": "productGeneration segmentStartTime",
        "Double": "completionTimeFromAscendingNode startTimeFromAscendingNode",
        "Integer": "cycleNumber datatakeID instrumentConfigurationID relativeOrbitNumber sliceNumber totalSlices",
        "String": "operationalMode orbitDirection origin polarisationChannels processingBaseline processorName"
        " productClass productComposition productConsolidation swathIdentifier timeliness",
    },
    "SENTINEL-2": {
        "Double": "cloudCover illuminationZenithAngle",
        "Integer": "lastOrbitNumber qualityInfo relativeOrbitNumber",
        "String": "datastripId granuleIdentifier operationalMode origin processingBaseline productGroupId"
        " qualityStatus sourceProduct sourceProductOriginDate tileId",
    },
    "SENTINEL-3": {
        "Double": "brightCover cloudCover coastalCover freshInlandWaterCover landCover salineWaterCover"
        " snowOrIceCover tidalRegionCover",
        "Integer": "closedSeaCover continentalIceCover cycleNumber lastOrbitNumber lastRelativeOrbitNumber"
        " openOceanCover relativeOrbitNumber",
        "String": "baselineCollection lastOrbitDirection operationalMode orbitDirection processingBaseline"
        " processorName timeliness",
    },
    "SENTINEL-5P": {
        "String": "acquisitionType baselineCollection doi identifier parentIdentifier processingBaseline"
        " processingMode processorName productClass qualityStatus",
    },
}


def attributes_of(collection: str) -> list[dict[str, str]]:
    """Names and types by name; of the collections that no world holds, none."""
    if collection not in OWN:
        return []
    types = {
        name: kind for words in (COMMON, OWN[collection]) for kind, names in words.items() for name in names.split()
    }
    return [{"Name": name, "ValueType": types[name]} for name in sorted(types)]
