"""What names tell of products, in the words of CDSE OData."""

from __future__ import annotations

import json

import pytest

from skyhaul.catalogue.told import told
from skyhaul.model import Product

S1 = "S1A_IW_GRDH_1SDV_20240607T000653_20240607T000718_054210_0697DA_6EE4.SAFE"
S3 = "S3A_OL_1_EFR____20240401T095411_20240401T095711_20240402T104205_0179_110_350_2160_PS1_O_NT_004.SEN3"
S5P = "S5P_OFFL_L2__NO2____20240401T100000_20240401T114000_33520_03_020600_20240403T020000.nc"


def product(name, **attributes):
    return Product(id=name, name=name, provider="other", attributes=attributes)


@pytest.mark.parametrize(
    ("name", "attribute", "value"),
    [
        (S1, "datatakeID", 0x0697DA),
        (S1, "polarisationChannels", "VV&VH"),
        (S1, "operationalMode", "IW"),
        (S3, "timeliness", "NT"),
        (S3, "instrumentShortName", "OLCI"),
        (S5P, "processingMode", "OFFL"),
        (S5P, "processingLevel", "L2"),
        (S5P, "platformShortName", "SENTINEL-5P"),
        ("S2A_32TQR_20240401_0_L2A", "platformSerialIdentifier", "A"),
    ],
)
def test_names_tell(name, attribute, value):
    assert told(product(name), attribute) == (value,)


def test_a_number_that_the_archive_states_is_right():
    """Sentinel-1A had not come to its orbit in 2014: what is counted from its absolute orbit is another one."""
    assert told(product(S3, relativeOrbitNumber=7), "relativeOrbitNumber") == (7,)


def test_two_wordings_both_hold():
    assert told(product(S1, instrumentShortName="SAR-C SAR"), "instrumentShortName") == ("SAR-C SAR", "SAR")
    assert told(product("S2B_32TQR", platform="sentinel-2b"), "platformSerialIdentifier") == ("B",)


def test_what_neither_tells():
    assert told(product(S1), "cloudCover") == ()
    assert told(product("EN1_MDSI_MER_FRS_2P_20110401"), "platformSerialIdentifier") == ()


def test_names_tell_what_the_archive_was_recorded_to_say(shared_data):
    compared = 0
    for path in sorted((shared_data / "cdse-odata").rglob("*.json")):
        reply = json.loads(path.read_bytes())
        for entity in (
            reply.get("value", ()) if isinstance(reply, dict) and isinstance(reply.get("value"), list) else ()
        ):
            for each in entity.get("Attributes", ()):
                known = told(product(entity["Name"]), each["Name"])
                compared += bool(known)
                assert known in {(), (each["Value"],)}, (entity["Name"], each)
    assert compared > 1000
