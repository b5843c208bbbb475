"""What a client has to survive, point by point as the notes beside the recordings list it, each shown on the recordings."""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from datetime import UTC, datetime
from inspect import signature
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from skyhaul.area import parse_area
from skyhaul.catalogue.dhus import parse_dhus_entities, parse_dhus_entity
from skyhaul.catalogue.entities import parse_page
from skyhaul.catalogue.opensearch import parse_dhus_search, parse_resto
from skyhaul.catalogue.stac import parse_items
from skyhaul.catalogue.versions import acquisition, latest_versions
from skyhaul.errors import CatalogueError, HostBusy, IntegrityError, ObjectMissing, ObjectOffline, UnsafeName
from skyhaul.footprint import coverage
from skyhaul.model import Checksum, Product
from skyhaul.sources.http import opened
from skyhaul.sources.replies import error_of
from skyhaul.transfer import manifest
from skyhaul.transfer.checksum import check, of_etag, of_multihash, strongest
from skyhaul.transfer.layout import COMPONENT_BYTES_MAX, product_path, safe_path
from support.recorded import recorded


@pytest.fixture
def odata(shared_data):
    return lambda name: parse_page((shared_data / "cdse-odata" / name).read_bytes(), provider="cdse", collection=None)


@pytest.fixture
def stac(shared_data):
    return lambda name: parse_items((shared_data / "cdse-stac" / name).read_bytes(), provider="cdse")


@pytest.fixture
def resto(shared_data):
    return lambda name: parse_resto((shared_data / "resto" / name).read_bytes(), provider="cdse")


@pytest.fixture
def search(shared_data):
    return lambda name: parse_dhus_search((shared_data / "dhus/opensearch" / name).read_bytes(), provider="dhus")


def told(path: Path) -> list[dict]:
    """The entities of a recorded OData page, as they were sent."""
    value = json.loads(path.read_bytes())["value"]
    return value if isinstance(value, list) else [value]


def all_of_resto() -> list[Product]:
    paths = [path for path in recorded("resto/cdse/**/*.json") if path.name != "page_6.json"]
    return [product for path in paths for product in parse_resto(path.read_bytes(), provider="cdse").products]


class TestOData:
    def test_null_footprints(self, odata):
        assert {each.footprint for each in odata("s1-aux-l0-2014/odata_page_1.json").products} == {None}

    def test_length_0_and_no_checksums_together_with_online(self, odata):
        products = odata("creodias_s1_grd_2014_zero_length.json").products
        assert {(each.size, each.checksums, each.online) for each in products} == {(None, (), True)}

    def test_md5_before_blake3_and_blake3_is_taken(self, odata):
        for each in odata("s2_l1c_europe_top200.json").products:
            assert [checksum.algorithm for checksum in each.checksums] == ["MD5", "BLAKE3"]
            assert strongest(each.checksums) == each.checksums[1]

    def test_whatever_stands_for_never_evicted(self, shared_data):
        found = set()
        for path in (shared_data / "cdse-odata").rglob("*.json"):
            if isinstance(json.loads(path.read_bytes()), dict):
                page = parse_page(path.read_bytes(), provider="cdse", collection=None)
                assert all(each.online for each in page.products)
                found |= {entity["EvictionDate"] for entity in told(path)}
        assert found == {"", "9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59.999999Z"}

    def test_three_or_six_decimals(self, shared_data):
        digits = Counter()
        for path in (shared_data / "cdse-odata").rglob("*.json"):
            for written in re.findall(r'"PublicationDate":\s*"([^"]+)"', path.read_text()):
                body = json.dumps({"Id": "1", "Name": "S1A_", "PublicationDate": written}).encode()
                (product,) = parse_page(body, provider="cdse", collection=None).products
                assert product.published == datetime.fromisoformat(written)
                digits[len(written.partition(".")[2].rstrip("Z"))] += 1
        assert digits.keys() == {3, 6}

    def test_sentinel_2_starts_when_it_ends(self, odata):
        assert all(each.start == each.end for each in odata("s2_l1c_europe_top200.json").products)

    def test_names_with_any_suffix_or_none_and_paths_that_are_no_folders(self, odata):
        products = odata("s1-aux-l0-2014/odata_page_1.json").products
        single = [each for each in products if each.s3_path.endswith(".SAFE.zip")]
        assert single
        assert all(each.name.endswith(".SAFE") for each in single)
        assert all(product_path(each, "{name}").name == each.name for each in products)

    def test_ids_of_three_versions_of_uuid(self, shared_data):
        paths = [
            path
            for path in (shared_data / "cdse-odata").rglob("*.json")
            if isinstance(json.loads(path.read_bytes()), dict)
        ]
        pages = [parse_page(path.read_bytes(), provider="cdse", collection=None) for path in paths]
        assert {each.id[14] for page in pages for each in page.products} == {"1", "4", "5"}

    def test_length_and_checksum_are_of_the_extracted_form(self, odata, shared_data):
        name = "s1c_grd_2026_assets_attributes_locations.json"
        for product, entity in zip(odata(name).products, told(shared_data / "cdse-odata" / name), strict=True):
            forms = {form["FormatType"]: form for form in entity["Locations"]}
            assert product.size == forms["Extracted"]["ContentLength"]
            assert {each.value for each in product.checksums} == {
                each["Value"] for each in forms["Extracted"]["Checksum"]
            }
            assert "Compressed" not in forms or product.size != forms["Compressed"]["ContentLength"]

    def test_doubles_that_are_written_as_integers(self, odata, shared_data):
        name = "s2_l1c_attributes_assets_nextlink.json"
        for product, entity in zip(odata(name).products, told(shared_data / "cdse-odata" / name), strict=True):
            doubles = [each["Name"] for each in entity["Attributes"] if each["ValueType"] == "Double"]
            assert doubles
            assert all(type(product.attributes[each]) is float for each in doubles)

    def test_attributes_assets_counts_and_links_may_be_absent(self, odata):
        page = odata("s2_l1c_by_name_checksum.json")
        assert (page.total, page.next_link) == (None, None)
        assert (page.products[0].attributes, page.products[0].quicklook_url) == ({}, None)

    def test_the_next_link_is_percent_encoded_and_skips(self, odata):
        link = odata("s2_l1c_attributes_assets_nextlink.json").next_link
        assert "%24skip" in link
        assert parse_qs(urlsplit(link).query)["$skip"] == ["2"]

    def test_a_notification_holds_one_entity_and_no_list(self, odata):
        assert len(odata("subscription_push_created_s2.json").products) == 1

    def test_a_page_may_take_a_quarter_of_a_minute(self):
        assert signature(opened).parameters["stall_s"].default > 15


class TestResto:
    def test_totals_are_null_or_not_exact(self, resto):
        assert resto("cdse/creodiasUnreliablePagingValues.json").total is None
        assert resto("cdse/creodiasDuppedFeature.json").total == 2

    def test_online_offline_and_0(self, shared_data):
        for path in recorded("resto/cdse/**/*.json"):
            for feature in json.loads(path.read_bytes()).get("features", ()):
                body = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
                online = parse_resto(body, provider="cdse").products[0].online
                assert online is (feature["properties"].get("status", 0) in {"ONLINE", 0})

    def test_sizes_of_0_are_unknown(self, shared_data):
        sizes = Counter(each.size is None for each in all_of_resto())
        assert 0.3 < sizes[True] / sizes.total() < 0.6

    def test_null_and_empty_geometries(self, resto):
        assert {each.footprint for each in resto("cdse/by-type/AUX_PP1.json").products} == {None}
        assert {each.footprint for each in resto("cdse/cdsetool-s1-2014/page_1.json").products} == {None}

    def test_clouds_are_a_decimal_or_not_known(self, shared_data):
        clouds = [each.attributes.get("cloudCover") for each in all_of_resto()]
        assert {type(each) for each in clouds} == {float, type(None)}
        assert min(each for each in clouds if each is not None) >= 0
        assert not any("cloudClover" in each.attributes for each in all_of_resto())

    def test_an_orbit_of_0_is_not_known(self, shared_data):
        assert 0 not in {each.attributes.get("orbitNumber") for each in all_of_resto()}

    def test_a_baseline_is_what_the_name_says(self, shared_data):
        found = {
            each.attributes["processingBaseline"] for each in all_of_resto() if "processingBaseline" in each.attributes
        }
        assert {"02.04", "05.00", "05.10"} <= found
        assert all(re.fullmatch(r"\d\d\.\d\d", each) for each in found)

    def test_starts_with_0_3_or_6_decimals(self, shared_data):
        digits = Counter()
        for path in recorded("resto/cdse/**/*.json"):
            for feature in json.loads(path.read_bytes()).get("features", ()):
                written = feature["properties"]["startDate"]
                body = json.dumps({"type": "FeatureCollection", "features": [feature]}).encode()
                assert parse_resto(body, provider="cdse").products[0].start == datetime.fromisoformat(written)
                digits[len(written.partition(".")[2].rstrip("Z"))] += 1
        assert digits.keys() == {0, 3, 6}

    def test_titles_without_an_extension(self, shared_data):
        bare = [each for each in all_of_resto() if re.match(r"S2._MSIL", each.name) and "." not in each.name]
        assert {"N9999", "N0208"} <= {each.name.split("_")[3] for each in bare}
        assert all(acquisition(each.name) == acquisition(f"{each.name}.SAFE") for each in bare)

    def test_names_over_100_characters(self, shared_data):
        longest = max(all_of_resto(), key=lambda each: len(each.name))
        assert 100 < len(longest.name) < COMPONENT_BYTES_MAX
        assert product_path(longest, "{name}").name == longest.name

    @pytest.mark.parametrize("acquired", ["S2A_MSIL2A_20160928T105022", "S2B_MSIL1C_20170720T105029"])
    def test_several_baselines_and_one_twice(self, shared_data, acquired):
        lines = (shared_data / "names/s2_t31ufs_cdse_2016_2023.txt").read_text().split()
        names = sorted({name for name in lines if name.startswith(acquired)})
        assert max(Counter(name[27:32] for name in names).values()) > 1
        latest = latest_versions([Product(id=name, name=name, provider="cdse") for name in names])
        assert [each.name for each in latest] == [
            max(names, key=lambda name: (name[27:32] != "N9999", name[27:32], name[45:60]))
        ]


class TestStac:
    def test_multihashes_by_the_length_of_their_digest(self, shared_data):
        prefixes = Counter()
        for path in recorded("cdse-stac/v1/item_*.json"):
            for asset in json.loads(path.read_bytes())["assets"].values():
                if text := asset.get("file:checksum"):
                    found = of_multihash(text)
                    assert found is not None
                    assert text.endswith(found.value)
                    prefixes[text.removesuffix(found.value), found.algorithm] += 1
        assert {("d50110", "MD5"), ("1620", "SHA3-256")} <= prefixes.keys()

    def test_assets_without_checksum_or_size(self, stac):
        product = stac("v1/search_global_mosaics.json").products[0]
        assert (product.size, product.checksums) == (None, ())

    def test_addresses_on_s3_and_a_product_at_either_host(self, stac):
        for name in ("v1/items_sentinel-2-l2a_10_6fb496_8.json", "v1/search_issue1547_s2_nodata.json"):
            for product in stac(name).products:
                assert product.s3_path == f"eodata/Sentinel-2/MSI/L2A/{product.start:%Y/%m/%d}/{product.name}"
                assert len(product.id) == 36

    def test_ids_without_suffix_and_names_with_it(self, stac):
        for name in ("v1/search_issue1547_s2_nodata.json", "old/search_SENTINEL-2_16_15d08e_1.json"):
            assert all(each.name.endswith(".SAFE") for each in stac(name).products)

    def test_a_next_link_where_there_is_one(self, stac):
        assert "token=next:" in stac("v1/items_sentinel-2-l2a_10_6fb496_8.json").next_link
        assert stac("v1/search_sentinel-2-l2a_4_5ef7c9_2.json").next_link is None

    def test_the_retired_catalogue(self, stac):
        products = stac("old/items_SENTINEL-2_20_e5851c_7.json").products
        assert {each.footprint for each in products} == {None}
        assert all(each.s3_path.startswith("eodata/Sentinel-2/AUX/") for each in products)

    def test_one_item_at_three_dates_is_one_product(self, stac):
        name = "S2A_MSIL2A_20241107T113311_N0511_R080_T32VKR_20241107T123948"
        found = [stac(f"v1/item_{name}_{record}.json").products[0] for record in ("29f81e_6", "3c0166_6", "9ccc7a_9")]
        assert len({(each.id, each.name, each.size, each.checksums, each.s3_path, each.start) for each in found}) == 1


class TestDhus:
    def test_no_entry_one_and_many(self, search):
        assert search("none_test_SentinelAPI_connection_0fe7c3_0.json").products == ()
        assert len(search("001_test_instrument_flag_08cc3c_0.json").products) == 1
        assert len(search("002_test_name_search_multiple_223a08_0.json").products) == 2

    def test_one_double_is_an_object(self, search):
        clouds = [each.attributes["cloudCover"] for each in search("005_test_s2_cloudcover_030b73_0.json").products]
        assert len(clouds) == 5
        assert all(0 <= each <= 10 for each in clouds)

    def test_totals_are_texts(self, search):
        assert search("chain290_rows50_start100.json").total == 290

    def test_sizes_are_texts_in_three_units(self, shared_data):
        for path in recorded("dhus/opensearch/*.json"):
            body = path.read_bytes()
            sizes = re.findall(r'"size",\s*"content":\s*"([\d.]+) (KB|MB|GB)"', body.decode())
            found = [each.size for each in parse_dhus_search(body, provider="dhus").products]
            exact = {"KB": 1 << 10, "MB": 1 << 20, "GB": 1 << 30}
            assert not sizes or found == [round(float(number) * exact[unit]) for number, unit in sizes]

    def test_dates_with_0_to_3_decimals(self, shared_data):
        starts = [
            each.start
            for path in recorded("dhus/opensearch/*.json")
            for each in parse_dhus_search(path.read_bytes(), provider="dhus").products
        ]
        assert {bool(each.microsecond) for each in starts} == {True, False}
        assert all(each.tzinfo is UTC for each in starts)

    def test_lengths_that_are_texts_and_dates_in_milliseconds(self, shared_data):
        path = (
            shared_data / "dhus/odata-v1/full_S1A_EW_GRDM_1SDV_20151121T100356_20151121T100429_008701_00C622_A0EC.json"
        )
        product = parse_dhus_entity(path.read_bytes(), provider="dhus")
        assert product.size == 143549851
        assert product.start == datetime(2015, 11, 21, 10, 3, 56, 675000, tzinfo=UTC)
        assert product.checksums == (Checksum(algorithm="MD5", value="d5e4df5c38c6e97bf7e7bd540ab21c05"),)

    def test_online_and_modification_date_may_be_missing(self, shared_data):
        path = (
            shared_data / "dhus/odata-v1/full_S1A_EW_GRDM_1SDV_20151121T100356_20151121T100429_008701_00C622_A0EC.json"
        )
        product = parse_dhus_entity(path.read_bytes(), provider="dhus")
        assert (product.online, product.modified) == (True, None)
        listed = (shared_data / "dhus/odata-v1/list_smallest_archived_products_16b870_0.json").read_bytes()
        assert {each.online for each in parse_dhus_entities(listed, provider="dhus").products} == {False}

    def test_an_etag_is_an_md5_in_either_case(self, shared_data):
        heads = [json.loads(line) for line in (shared_data / "dhus/requests.jsonl").read_text().splitlines()]
        etags = {value for head in heads for name, value in head["response_headers"].items() if name.lower() == "etag"}
        assert {each.isupper() for each in etags} == {True, False}
        assert all(of_etag(each) == Checksum(algorithm="MD5", value=each.lower(), origin="etag") for each in etags)

    def test_an_archived_product_and_an_unknown_id_are_errors_of_their_own(self, shared_data):
        assert isinstance(error_of(202, "https://dhus.test/", {}, b""), ObjectOffline)
        for path in recorded("dhus/errors/*_invalid_id_*.json"):
            error = error_of(int(path.name[:3]), "https://dhus.test/", {}, path.read_bytes())
            assert isinstance(error, ObjectMissing if path.name.startswith("404") else HostBusy)
            assert "Invalid key" in str(error)

    def test_errors_and_maintenance_in_any_form_are_sentences(self, shared_data):
        for path in recorded("dhus/errors/*"):
            with pytest.raises(CatalogueError, match=r"^the catalogue of dhus (answered with|refused)") as caught:
                parse_dhus_search(path.read_bytes(), provider="dhus")
            assert "\n" not in str(caught.value)


class TestSafe:
    @staticmethod
    def algorithms(path: Path) -> set[str]:
        return {entry.checksum.algorithm for entry in manifest.parse(path.read_bytes())}

    def test_algorithms_by_baseline_and_mission(self, shared_data):
        for path in recorded("safe/manifests/S*.safe"):
            baseline = re.search(r"_N(\d{4})_", path.name)
            if baseline is None or baseline[1] < "0301":
                assert self.algorithms(path) == {"MD5"}
            else:
                assert self.algorithms(path) <= {"MD5", "SHA3-256"}
        assert {"MD5"} in [self.algorithms(path) for path in recorded("safe/manifests/*_N0400_*.safe")]
        assert {"MD5"} in [self.algorithms(path) for path in recorded("safe/manifests/*_N9999_*.safe")]

    def test_digests_come_in_one_case(self, shared_data):
        for path in recorded("safe/manifests/*_N0301_*.safe"):
            assert all(
                entry.checksum.value == entry.checksum.value.lower() for entry in manifest.parse(path.read_bytes())
            )

    def test_hrefs_with_and_without_a_dot(self, shared_data):
        bodies = [path.read_bytes() for path in recorded("safe/manifests/S*") if path.is_file()]
        assert {b'href="./' in body for body in bodies} == {True, False}
        assert not any(entry.path.startswith(".") for body in bodies for entry in manifest.parse(body))

    def test_absolute_paths_stay_inside_and_are_never_joined_unchecked(self, shared_data):
        path = next(path for path in recorded("safe/manifests/*_MSIL2A_20180528*_N0208_*.safe"))
        hrefs = re.findall(r'href="(/[^"]+)"', path.read_text())
        assert len(hrefs) == 119
        for href in hrefs:
            with pytest.raises(UnsafeName, match="absolute"):
                safe_path(href)
            assert not safe_path(manifest.inside(href)).is_absolute()

    def test_manifests_that_are_wrong_about_their_own_metadata(self, shared_data):
        """The genuine file fails its check, with both digests in the message: nobody takes it for right, nor looks for long."""
        (path,) = recorded("safe/trees/*_N0212_*/manifest.safe")
        listed = {entry.path: entry.checksum for entry in manifest.parse(path.read_bytes())}
        for name in ("MTD_MSIL2A.xml",):
            found = hashlib.md5((path.parent / name).read_bytes()).hexdigest()
            with pytest.raises(IntegrityError, match=f"{found} where the manifest states {listed[name].value}"):
                check(name, listed[name], found)

    def test_xml_that_is_not_well_formed_is_refused(self, shared_data):
        with pytest.raises(IntegrityError, match="not well-formed XML"):
            manifest.parse((shared_data / "safe/manifests/sentinelsat_s1_not_well_formed.manifest.safe").read_bytes())

    def test_the_old_format_of_many_tiles(self, shared_data):
        path = next(iter(recorded("safe/manifests/S2A_OPER_PRD_*.safe")))
        listed = manifest.parse(path.read_bytes())
        assert len(listed) > 500
        assert all(safe_path(entry.path) for entry in listed)


class TestFootprints:
    WORLD = parse_area(bbox="-179.999999,-90,179.999999,90").wkt

    @staticmethod
    def geometries() -> list[tuple[list[str], dict]]:
        lines = [line for path in recorded("footprints/*.geojsonl") for line in path.read_text().splitlines()]
        listed = [(entry["flags"], entry["geometry"]) for entry in map(json.loads, lines)]
        items = [json.loads(path.read_bytes()) for path in recorded("footprints/*/*.json")]
        return [*listed, *((["item"], item["geometry"]) for item in items)]

    def test_all_are_a_percentage_or_have_no_extent(self, shared_data):
        for flags, geometry in self.geometries():
            share = coverage(self.WORLD, geometry)
            assert (share is None) is geometry["type"].endswith("LineString"), flags
            assert share is None or 0 <= share <= 100, flags

    def test_the_forms_of_crossing_180_agree(self):
        ring = [[176, -20], [-179, -20], [-179, -10], [176, -10], [176, -20]]
        east = [[lon + 360 if lon < 0 else lon, lat] for lon, lat in ring]
        west = [[lon - 360 if lon > 0 else lon, lat] for lon, lat in ring]
        split = [
            [[[176, -20], [180, -20], [180, -10], [176, -10], [176, -20]]],
            [[[-180, -20], [-179, -20], [-179, -10], [-180, -10], [-180, -20]]],
        ]
        area = parse_area(bbox="170,-20,-170,-10").wkt
        forms = [{"type": "Polygon", "coordinates": [each]} for each in (ring, east, west, ring[::-1])]
        assert {coverage(area, each) for each in [*forms, {"type": "MultiPolygon", "coordinates": split}]} == {25.0}

    def test_tiles_at_180_are_small(self, shared_data):
        for path in recorded("footprints/antimeridian_items/*.json"):
            share = coverage(self.WORLD, parse_items(path.read_bytes(), provider="s2").products[0].footprint)
            assert share is not None
            assert share < 0.01

    @pytest.mark.parametrize(
        "flag", ["holes", "invalid", "clockwise", "over_200_points", "multi32", "polar", "at_180", "lon_out_of_range"]
    )
    def test_every_kind_that_was_recorded_is_measured(self, shared_data, flag):
        found = [geometry for flags, geometry in self.geometries() if flag in flags and "Polygon" in geometry["type"]]
        assert found
        assert all(coverage(self.WORLD, geometry) is not None for geometry in found)
