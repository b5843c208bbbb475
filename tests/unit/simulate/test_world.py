from __future__ import annotations

import datetime as dt
import hashlib
import re
from bisect import bisect_right
from collections import Counter, defaultdict
from dataclasses import replace

import pytest
from blake3 import blake3
from hypothesis import given
from hypothesis import strategies as st
from shapely.geometry import shape

from skyhaul.simulate import places
from skyhaul.simulate.clock import from_us, to_us
from skyhaul.simulate.missions.sentinel2 import S2_SATELLITES
from skyhaul.simulate.places import HOME, NAMED, tile, tiles
from skyhaul.simulate.population import tile_series
from skyhaul.simulate.world import WorldSettings, build_world, prepare

SMALL = WorldSettings(products=900, scale=0.0005)
T = r"\d{8}T\d{6}"
NAMES = {
    "S1": rf"(S1[A-D])_(IW)_(SLC_|GRD[FHM])_([012A])([SANCX])(DV)_({T})_({T})_(\d{{6}})_([0-9A-F]{{6}})_([0-9A-F]{{4}})(_COG)?\.SAFE",
    "POEORB": rf"(S1[A-D])_OPER_AUX_([A-Z_]{{6}})_([A-Z_]{{4}})_({T})_V({T})_({T})\.EOF",
    "AUX": rf"S1A_AUX_(INS|CAL)_V{T}_G{T}\.SAFE",
    "S2": rf"(S2[A-D])_MSI(L1C|L2A)_({T})_N(\d{{4}})_R(\d{{3}})_T(\d{{2}}[C-HJ-NP-X][A-HJ-NP-Z][A-HJ-NP-V])_({T})\.SAFE",
    "S3": rf"(S3[AB_])_(OL)_([012_])_(.{{6}})_({T})_({T})_({T})_(.{{17}})_([A-Z0-9]{{3}})_([A-Z])_([A-Z]{{2}})_([A-Z0-9_]{{3}})\.SEN3",
    "S5P": rf"S5P_(OFFL)_(L2_.{{7}})_({T})_({T})_(\d{{5}})_(\d{{2}})_(\d{{6}})_({T})\.nc",
}


@pytest.fixture(scope="module")
def world():
    return build_world(SMALL)


@pytest.fixture(scope="module")
def products(world):
    return [world.product(row) for row in range(len(world))]


@pytest.mark.parametrize("count", [1, 2, 12, 300, 5000])
def test_a_world_has_exactly_as_many_products_as_asked_for(count):
    world = build_world(replace(SMALL, products=count))
    assert len(world) == count
    assert len({world.product(row).name for row in range(count)}) == count


def test_more_products_than_there_were_acquisitions_are_refused(monkeypatch):
    monkeypatch.setattr(places, "BOXES", ())
    day = dt.datetime(2024, 4, 1, tzinfo=dt.UTC)
    with pytest.raises(ValueError, match="only"):
        build_world(WorldSettings(products=20_000, start=day, end=day + dt.timedelta(hours=1)))


@pytest.mark.parametrize(
    "changes",
    [
        {"products": 0},
        {"scale": 0},
        {"end": SMALL.start},
        {"object_bytes": 0},
        {"start": SMALL.start.replace(tzinfo=None)},
    ],
)
def test_settings_that_make_no_world_are_refused(changes):
    with pytest.raises(ValueError):
        replace(SMALL, **changes)


def test_equal_settings_make_equal_worlds_and_seeds_make_others(world, products):
    again, other = build_world(SMALL), build_world(replace(SMALL, seed=2))
    row = next(product.index for product in products if product.product_type == "S2MSI2A")
    assert again.product(row) == products[row]
    assert other.product(row).id != products[row].id
    bytes_of = [made.archive(made.product(row)).read(0, 10_000) for made in (world, again, other)]
    assert bytes_of[0] == bytes_of[1] != bytes_of[2]


def test_every_name_follows_a_pattern_of_its_mission(products):
    kinds = Counter(next(kind for kind, text in NAMES.items() if re.fullmatch(text, one.name)) for one in products)
    assert kinds.keys() == NAMES.keys()


def test_ids_are_unique_and_lead_back(world, products):
    assert len({product.id for product in products}) == len(products)
    for product in products[::7]:
        assert world.by_id(product.id) == world.by_id(product.id.upper()) == product
        assert world.by_name(product.name) == product
        if product.quicklook_id:
            assert world.by_quicklook(product.quicklook_id) == product


@pytest.mark.parametrize("text", ["", "x", "11111111-2222-4333-8444-555555555555", "S2A_MSIL2A_20240401T100031_N0510"])
def test_what_is_not_there_is_not_found(world, text):
    assert world.by_id(text) is None
    assert world.by_name(text) is None
    assert world.by_quicklook(text) is None
    assert world.object(text) is None


def test_rows_ascend_in_sensing_start_within_the_span(products):
    starts = [product.start for product in products]
    assert starts == sorted(starts)
    assert SMALL.start <= starts[0]
    assert starts[-1] < SMALL.end


def test_most_of_the_world_is_sentinel_2_and_half_of_that_at_home(products):
    types = Counter(product.product_type for product in products)
    assert types["S2MSI2A"] >= 0.8 * len(products)
    places = Counter(product.name[39:44] for product in products if product.product_type == "S2MSI2A")
    assert sum(places[name] for name in HOME) >= 0.4 * types["S2MSI2A"]
    assert set(NAMED) <= places.keys()


def test_all_tiles_of_a_datatake_share_their_start(products):
    takes = defaultdict(set)
    for product in products:
        if product.collection == "SENTINEL-2":
            attributes = {name: value for name, _, value in product.attributes}
            takes[attributes["platformSerialIdentifier"], attributes["orbitNumber"]].add(product.start)
            assert product.start == product.end
    assert all(len(starts) == 1 for starts in takes.values())
    assert max(Counter(product.start for product in products).values()) > 3


def test_a_tile_is_seen_again_after_five_days_from_the_same_relative_orbit(products):
    passes = defaultdict(set)
    for product in products:
        if product.product_type == "S2MSI2A" and product.name[39:44] in HOME:
            passes[product.name[32:44]].add(product.start)
    gaps = {
        round((later - earlier) / dt.timedelta(days=1), 2) % 5
        for starts in passes.values()
        for earlier, later in zip(sorted(starts), sorted(starts)[1:], strict=False)
    }
    assert gaps == {0.0}


def test_relative_orbits_of_sentinel_1_fit_the_absolute_ones(products):
    found = [product for product in products if product.name.startswith("S1A_IW")]
    for product in found:
        attributes = {name: value for name, _, value in product.attributes}
        assert attributes["relativeOrbitNumber"] == (attributes["orbitNumber"] - 73) % 175 + 1
        assert f"_{attributes['orbitNumber']:06}_{attributes['datatakeID']:06X}_" in product.name
    assert found


@pytest.mark.parametrize(("name", "relative"), [("31UFS", {8, 51}), ("32TQR", {22, 122}), ("34SGH", {50, 93})])
def test_tiles_lie_under_the_orbits_that_really_see_them(name, relative):
    assert {series.relative for series in tile_series(tile(name))} >= relative


def test_the_orbit_model_agrees_with_published_products():
    unit_a = S2_SATELLITES[0]
    at = to_us(dt.datetime(2022, 12, 6, 10, 54, 31, tzinfo=dt.UTC))  # S2A ... R051 of absolute orbit 38944
    assert unit_a.absolute_orbit(at) == 38944
    (series,) = [one for one in tile_series(tile("31UFS")) if one.relative == 51 and one.satellite is unit_a]
    day = dt.datetime(2022, 12, 6, tzinfo=dt.UTC)
    (start,) = unit_a.passes(51, series.second, day, day + dt.timedelta(days=1))
    assert abs(start - from_us(at)) < dt.timedelta(minutes=6)


def test_tiles_have_their_true_corners():
    # The south-east corner of 54PXA and the north-east one of 31SFA, from published footprints.
    assert tile("54PXA").ring()[2] == pytest.approx((142.93808729126, 13.4725397858819), abs=1e-3)
    assert tile("31SFA").ring()[1] == pytest.approx((5.35846754627876, 37.0231378025631), abs=1e-3)
    for found, _ in zip(tiles(), range(500), strict=False):
        assert tile(found.name) == found


def test_footprints_are_valid_and_stay_on_the_globe(products):
    for product in products:
        if product.footprint is not None:
            geometry = shape(product.footprint)
            west, south, east, north = geometry.bounds
            assert geometry.is_valid
            assert -180 <= west <= east <= 180
            assert -90 <= south <= north <= 90


def test_a_footprint_across_the_antimeridian_is_cut_in_two(products):
    crossing = [one for one in products if one.name[39:44] in {"01WCS", "60WXS"} and one.footprint]
    kinds = Counter(one.footprint["type"] for one in crossing)
    assert kinds["MultiPolygon"] > 0
    for one in crossing:
        assert all(part.bounds[2] - part.bounds[0] < 10 for part in getattr(shape(one.footprint), "geoms", []))


def test_partial_footprints_cover_less_of_their_tile(products):
    areas = defaultdict(set)
    for product in products:
        if product.product_type == "S2MSI2A" and product.footprint:
            areas[product.name[39:44]].add(round(shape(product.footprint).area, 3))
    assert any(len(found) > 1 for found in areas.values())


def test_publication_follows_sensing_and_origin_comes_first(products):
    for product in products:
        assert product.start < product.origin < product.published <= product.modified


def test_clouds_are_the_same_on_both_levels_and_everywhere_from_none_to_all(products):
    clouds = [value for one in products for name, _, value in one.attributes if name == "cloudCover"]
    assert min(clouds) < 1
    assert max(clouds) > 99
    assert 0.2 < sum(cloud <= 20 for cloud in clouds) / len(clouds) < 0.5
    scenes = defaultdict(set)
    for one in products:
        if one.collection == "SENTINEL-2":
            scenes[one.start, one.name[39:44]] |= {value for name, _, value in one.attributes if name == "cloudCover"}
    assert all(len(found) == 1 for found in scenes.values())


def test_real_archives_have_oddities_and_so_has_this_one(products):
    names = Counter(re.sub(rf"_N\d{{4}}|_{T}\.SAFE", "", one.name) for one in products if one.product_type == "S2MSI2A")
    assert max(names.values()) > 1
    optical = [one for one in products if one.collection == "SENTINEL-2"]
    assert any(not one.online for one in optical)
    assert any(one.footprint is None for one in optical)
    assert any(one.zero_length and not one.checksum_published for one in products)
    assert any(not one.zero_length and not one.checksum_published for one in products)
    assert any(one.eviction.year < 9999 for one in products)
    assert any(one.name.endswith(".SAFE") and one.s3_key.endswith(".SAFE.zip") for one in products)


def test_a_world_without_oddities_has_none():
    world = build_world(replace(SMALL, oddities=False))
    for row in range(len(world)):
        product = world.product(row)
        assert product.online
        assert product.checksum_published
        assert not product.zero_length
        assert product.eviction.year == 9999
        assert product.footprint is not None or product.name.startswith(("S1A_AUX", "S1A_OPER"))


def test_columns_say_what_products_say(world, products):
    facts = {
        "Id": lambda one: one.id,
        "Name": lambda one: one.name,
        "Collection/Name": lambda one: one.collection,
        "Online": lambda one: one.online,
        "ContentDate/Start": lambda one: to_us(one.start),
        "ContentDate/End": lambda one: to_us(one.end),
        "OriginDate": lambda one: to_us(one.origin),
        "PublicationDate": lambda one: to_us(one.published),
        "ModificationDate": lambda one: to_us(one.modified),
        "EvictionDate": lambda one: to_us(one.eviction),
        "S3Path": lambda one: f"/eodata/{one.s3_key}",
    }
    for path, fact in facts.items():
        column = world.shelf.property(path)
        assert [column.get(one.index) for one in products] == [fact(one) for one in products]
    footprints = world.shelf.footprint()
    assert [footprints.get(one.index) for one in products] == [one.footprint for one in products]
    for name in {name for one in products for name, _, _ in one.attributes}:
        column = world.shelf.attribute(name)
        for one in products[::5]:
            expected = next(((kind, value) for own, kind, value in one.attributes if own == name), None)
            assert column.get(one.index) == expected
            if column.table:
                assert column.table[column.codes[one.index]] == expected
    assert world.shelf.property("Nonsense") is None


def test_digests_are_those_of_what_value_serves():
    world = build_world(replace(SMALL, products=40))
    done = []
    prepare(world, 2, done.append)
    assert done[-1] == 40
    for row in range(0, 40, 3):
        product = world.product(row)
        archive = world.archive(product)
        body = archive.read(0, archive.size)
        assert (archive.md5, archive.blake3) == (hashlib.md5(body).hexdigest(), blake3(body).hexdigest())
        measured = world.shelf.entity(row, (), "")
        if product.checksum_published:
            assert [one["Value"] for one in measured["Checksum"]] == [archive.md5, archive.blake3]
        assert measured["ContentLength"] == (0 if product.zero_length else archive.size)
        assert archive.filename == (product.s3_key.split("/")[-1] if product.single else f"{product.name}.zip")


def test_a_world_may_go_without_checksums():
    world = build_world(replace(SMALL, checksums="none"))
    assert all(world.shelf.entity(row, (), "")["Checksum"] == [] for row in range(0, len(world), 50))
    prepare(world, 1)
    assert world._digests == {}


def test_pictures_are_jpeg_and_png(world, products):
    for collection, magic, content_type in (
        ("SENTINEL-1", b"\x89PNG", "image/png"),
        ("SENTINEL-2", b"\xff\xd8", "image/jpeg"),
    ):
        product = next(one for one in products if one.collection == collection and one.quicklook_id)
        body, kind = world.quicklook(product)
        assert body.startswith(magic)
        assert kind == content_type


@pytest.fixture(scope="module")
def bucket():
    """A world and all its objects, listed at once."""
    world = build_world(replace(SMALL, products=60))
    return world, world.objects("", "", 1 << 30)


def test_keys_ascend_and_are_those_of_the_products(bucket):
    world, objects = bucket
    keys = [one.key for one in objects]
    assert keys == sorted(set(keys))
    expected = set()
    for row in range(len(world)):
        product = world.product(row)
        files = world.files(product)
        root = product.s3_key
        expected |= {root} if product.single else {f"{root}/{file.path}" for file in files}
    assert {key for key in keys if not key.endswith("/")} == expected
    assert any(key.endswith("rep_info/") for key in keys)


@given(data=st.data())
def test_a_listing_is_a_slice_of_all_keys(bucket, data):
    world, objects = bucket
    keys = [one.key for one in objects]
    some = data.draw(st.sampled_from(keys))
    prefix = some[: data.draw(st.integers(0, len(some)))]
    after = data.draw(
        st.one_of(st.just(""), st.sampled_from(keys), st.text("SAFE/.0_", max_size=8).map(prefix.__add__))
    )
    limit = data.draw(st.integers(1, 300))
    first = bisect_right(keys, after)
    expected = [key for key in keys[first:] if key.startswith(prefix)][:limit]
    assert [one.key for one in world.objects(prefix, after, limit)] == expected


def test_an_object_is_found_by_its_key_and_serves_its_file(bucket):
    world, objects = bucket
    for one in objects[:: max(1, len(objects) // 50)]:
        found = world.object(one.key)
        assert found == one
        body = found.read(0, found.size)
        assert len(body) == found.size
        if "-" in found.etag:
            assert re.fullmatch(r"[0-9a-f]{32}-\d+", found.etag)
        else:
            assert found.etag == hashlib.md5(body).hexdigest()
    product = next(world.product(row) for row in range(60) if not world.product(row).single)
    assert world.object(product.s3_key) is None


def test_some_objects_were_uploaded_in_parts_and_markers_were_not():
    world = build_world(replace(SMALL, products=300))
    rows = [row for row in range(300) if world.shelf.publication(row).multipart]
    assert 3 <= len(rows) <= 30
    listed = world.objects(world.product(rows[0]).s3_key, "", 200)
    assert {one.key.endswith("/") for one in listed if "-" not in one.etag} <= {True}


def test_rows_are_compact():
    world = build_world(WorldSettings(products=30_000, checksums="none"))
    rows = world.shelf.rows
    held = sum(len(column) * column.itemsize for column in (rows.codes, rows.starts)) + len(rows.editions)
    assert held < 20 * 30_000
    assert len(rows.series) < 6000
