from __future__ import annotations

from datetime import UTC, datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.catalogue.dhus_query import URL_MAX, names_text, page_request, query_text
from skyhaul.errors import SettingsError
from skyhaul.model import Query, TimeInterval
from skyhaul.protocols import Slice

MAY = datetime(2024, 5, 1, tzinfo=UTC)
JUNE = datetime(2024, 6, 1, tzinfo=UTC)
ALWAYS = TimeInterval()
MS = timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ({}, "*"),
        ({"collection": "SENTINEL-5P"}, 'platformname:"Sentinel-5 Precursor"'),
        ({"product_types": ("S2MSI2A", "S2MSI1C")}, '(producttype:"S2MSI2A" OR producttype:"S2MSI1C")'),
        ({"product_types": ("IW_GRDH_1S",)}, "filename:S1?_IW_GRDH_1S*"),
        ({"tiles": ("T32TQR", "1CAB")}, "(filename:*_T32TQR_* OR filename:*_T01CAB_*)"),
        ({"cloud_max": 20.0}, "cloudcoverpercentage:[0 TO 20]"),
        ({"cloud_min": 2.5}, "cloudcoverpercentage:[2.5 TO 100]"),
        ({"cloud_min": 1e-7, "cloud_max": 66.473505908444}, "cloudcoverpercentage:[0.0000001 TO 66.473505908444]"),
        ({"relative_orbit": 22}, "relativeorbitnumber:22"),
        ({"platform": "SENTINEL-2"}, "filename:S2*"),
        ({"platform": "s2b"}, "filename:S2B_*"),
        ({"polarisation": "VV,VH"}, '(polarisationmode:"VV VH" OR polarisationmode:"VH VV")'),
        ({"polarisation": "VV"}, 'polarisationmode:"VV"'),
        ({"mode": "IW", "orbit_direction": "ascending"}, 'orbitdirection:"ASCENDING" AND sensoroperationalmode:"IW"'),
        ({"timeliness": "NT"}, "filename:S3*_NT_*"),
        ({"names": ("S2A_MSIL1C_*", "S2B_1.SAFE")}, "(identifier:S2A_MSIL1C_* OR identifier:S2B_1)"),
        ({"names": ("S2A_*.SAFE", "*.SEN3.zip")}, "(filename:S2A_*.SAFE OR filename:*.SEN3)"),
        ({"ids": ("a-b",)}, "uuid:a-b"),
        ({"area": "POINT(1 2)"}, 'footprint:"Intersects(POINT(1 2))"'),
    ],
)
def test_the_words_of_solr(query, text):
    assert query_text(Query(**query), ALWAYS) == text


def test_times_are_closed_and_one_may_be_open():
    assert query_text(Query(), TimeInterval(start=MAY, end=JUNE)) == (
        "beginposition:[2024-05-01T00:00:00.000Z TO 2024-05-31T23:59:59.999Z]"
    )
    published = Query(published=TimeInterval(end=JUNE))
    assert query_text(published, ALWAYS) == "ingestiondate:[* TO 2024-05-31T23:59:59.999Z]"


@given(st.datetimes(MAY.replace(tzinfo=None), JUNE.replace(tzinfo=None)), st.integers(0, 10_000_000))
def test_slices_that_meet_share_no_millisecond(cut, moment_us):
    """A product, whose start has milliseconds, lies in the slice before a cut or in the one after it."""
    cut = cut.replace(tzinfo=UTC)
    moment = (cut + timedelta(microseconds=moment_us - 5_000_000)).replace(
        microsecond=(moment_us // 1000 % 1000) * 1000
    )

    def holds(interval):
        low, _, high = query_text(Query(), interval).removeprefix("beginposition:[").rstrip("]").partition(" TO ")
        ends = [None if each == "*" else datetime.fromisoformat(each) for each in (low, high)]
        return (ends[0] is None or moment >= ends[0]) and (ends[1] is None or moment <= ends[1])

    before, after = TimeInterval(end=cut), TimeInterval(start=cut)
    assert (holds(before), holds(after)) == (moment < cut, moment >= cut)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"collection": "LANDSAT-8"}, "has no LANDSAT-8"),
        ({"tiles": ("here",)}, "not an MGRS tile"),
        ({"platform": "ENVISAT"}, "not a satellite"),
        ({"timeliness": "NRT-3h"}, "Sentinel-3 alone"),
        ({"names": ('S2A" OR *',)}, "not a product name"),
        ({"mode": 'IW" OR *:"'}, "cannot be asked"),
    ],
)
def test_what_has_no_words_is_an_error(query, said):
    with pytest.raises(SettingsError, match=said):
        query_text(Query(**query), ALWAYS)


def request_of(query, start=0):
    return page_request("https://hub.example/", Slice(query=query, interval=ALWAYS), rows=100, start=start)


def test_a_page_is_asked_for_by_its_first_row():
    url, body = request_of(Query(collection="SENTINEL-2", order_by="-published"), start=200)
    options = parse_qs(urlsplit(url).query)
    assert url.startswith("https://hub.example/search?")
    assert (options["rows"], options["start"], options["orderby"]) == (["100"], ["200"], ["ingestiondate desc"])
    assert (options["format"], options["q"], body) == (["json"], ['platformname:"Sentinel-2"'], None)


def test_what_is_too_long_for_an_address_is_posted():
    query = Query(names=tuple(f"S2A_MSIL1C_20240401T10102{n}_N0510_R022_T32TQR_20240401T130047" for n in range(60)))
    url, body = request_of(query)
    assert len(url) < URL_MAX
    assert parse_qs(body.decode())["q"] == [query_text(query, ALWAYS)]


def test_an_order_that_a_dhus_does_not_have():
    with pytest.raises(SettingsError, match="cannot order by modified"):
        request_of(Query(order_by="modified"))


def test_names_are_asked_for_without_their_suffixes():
    assert names_text(["A_1.SAFE", "B_2.nc"]) == "(identifier:A_1 OR identifier:B_2)"
