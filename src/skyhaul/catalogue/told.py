"""What is known of an attribute of a product: what its archive says, in its own words, and what its name says, in those of CDSE (pure).

Archives leave out what names tell, or word it in their own way: the instrument of Sentinel-1 is ``SAR`` or ``SAR-C SAR``, a satellite
``B``, ``Sentinel-2B`` or ``sentinel-2b``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from functools import lru_cache

from skyhaul.model import Attribute, Product

Value = Attribute | datetime

_SATELLITE = re.compile(r"S(?:ENTINEL-?)?(\d)([A-D]|P|(?= PRECURSOR))", re.IGNORECASE)
_NAMES = (
    re.compile(
        r"S1[A-D]_(?P<mode>S[1-6]|IW|EW|WV)_(?P<kind>RAW_|SLC_|GRD[FHM]|OCN_)_(?P<level>[012])[A-Z](?P<channels>[SD][HV])"
        r"_\d{8}T\d{6}_\d{8}T\d{6}_(?P<orbit>\d{6})_(?P<datatake>[0-9A-F]{6})_"
    ),
    re.compile(r"S2[A-D]_MSI(?P<level>L1B|L1C|L2A)_\d{8}T\d{6}_N\d{4}_R(?P<relative>\d{3})_T(?P<tile>\d{2}[A-Z]{3})_"),
    re.compile(
        r"S3[AB_]_(?P<sensor>OL|SL|SR|SY)_(?P<level>[012])_.{6}_\d{8}T\d{6}_\d{8}T\d{6}_\d{8}T\d{6}_\d{4}_(?P<cycle>\d{3})_(?P<relative>\d{3})_"
        r".{4}_[A-Z0-9]{3}_[A-Z]_(?P<timeliness>[A-Z]{2})_"
    ),
    re.compile(r"S5P_(?P<processing>NRTI|OFFL|RPRO)_(?P<level>L1B|L2_)_.{6}_\d{8}T\d{6}_\d{8}T\d{6}_(?P<orbit>\d{5})_"),
)
_CHANNELS = {"SH": "HH", "SV": "VV", "DH": "HH&HV", "DV": "VV&VH"}
_SENSORS = {"OL": "OLCI", "SL": "SLSTR", "SR": "SRAL", "SY": "SYNERGY"}


def told(product: Product, attribute: str) -> tuple[Value, ...]:
    """What is known of ``attribute``, an attribute or a property of CDSE OData: nothing, one value, or one in two wordings."""
    if read := _PROPERTIES.get(attribute):
        found = read(product)
        return () if found is None else (found,)
    attributes = product.attributes
    name = str(attributes.get("s2:product_uri") or product.name)
    stated, named = attributes.get(attribute), _by_name(name, str(attributes.get("platform", ""))).get(attribute)
    if stated is None:
        return () if named is None else (named,)
    return (stated, named) if isinstance(stated, str) and isinstance(named, str) and named != stated else (stated,)


_PROPERTIES: Mapping[str, Callable[[Product], Value | None]] = {
    "Id": lambda product: product.id,
    "Name": lambda product: product.name,
    "Online": lambda product: product.online,
    "PublicationDate": lambda product: product.published,
    "ModificationDate": lambda product: product.modified,
    "ContentDate/Start": lambda product: product.start,
    "ContentDate/End": lambda product: product.end,
}


@lru_cache(maxsize=1024)  # a product is compared with several conditions, one after the other
def _by_name(name: str, platform: str) -> Mapping[str, Attribute]:
    satellite = _SATELLITE.match(name) or _SATELLITE.match(platform)
    found: dict[str, Attribute] = dict(_of_satellite(satellite)) if satellite else {}
    for pattern in _NAMES:
        if parts := pattern.match(name):
            return found | dict(_of_parts({key: text for key, text in parts.groupdict().items() if text is not None}))
    return found


def _of_satellite(found: re.Match[str]) -> Iterator[tuple[str, Attribute]]:
    number, unit = found[1], found[2].upper()
    yield "platformShortName", f"SENTINEL-{number}{'P' if number == '5' else ''}"
    if unit:
        yield "platformSerialIdentifier", unit


def _of_parts(parts: Mapping[str, str]) -> Iterator[tuple[str, Attribute]]:
    """The attributes that the parts of a name say; they are those of one mission."""
    numbers = {"cycle": "cycleNumber", "relative": "relativeOrbitNumber", "orbit": "orbitNumber"}
    texts = {"tile": "tileId", "timeliness": "timeliness", "processing": "processingMode"}
    yield from ((attribute, int(parts[part])) for part, attribute in numbers.items() if part in parts)
    yield from ((attribute, parts[part]) for part, attribute in texts.items() if part in parts)
    match parts:
        case {"datatake": datatake}:
            yield "datatakeID", int(datatake, 16)
            yield "instrumentShortName", "SAR"
            yield "operationalMode", "SM" if parts["mode"].startswith("S") else parts["mode"]
            yield "polarisationChannels", _CHANNELS[parts["channels"]]
            yield "processingLevel", f"LEVEL{parts['level']}"
        case {"tile": _}:
            yield "instrumentShortName", "MSI"
            yield "processingLevel", f"S2MSI{parts['level'].removeprefix('L')}"
        case {"sensor": sensor}:
            yield "instrumentShortName", _SENSORS[sensor]
            yield "processingLevel", parts["level"]
        case {"processing": _}:
            yield "instrumentShortName", "TROPOMI"
            yield "processingLevel", "L2" if parts["level"] == "L2_" else "L1b"
