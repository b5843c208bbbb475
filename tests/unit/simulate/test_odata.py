from __future__ import annotations

import json
import os
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import pytest
from shapely.geometry import box, shape

from skyhaul.simulate.odata import Catalogue
from skyhaul.simulate.options import SKIP_MAX
from skyhaul.simulate.world import WorldSettings, build_world

SHARED = Path(os.environ.get("SKYHAUL_SHARED_DATA", Path(__file__).parents[4] / "shared" / "data"))
RECORDED = SHARED / "cdse-odata"
ROOT = "http://127.0.0.1:8080/odata/v1"
L2A = (
    "Attributes/OData.CSC.StringAttribute/any(att:att/Name eq 'productType'"
    " and att/OData.CSC.StringAttribute/Value eq 'S2MSI2A')"
)
BY_START = ("$orderby", "ContentDate/Start asc")


def attribute(kind, name, operator, value, inner=None):
    return (
        f"Attributes/OData.CSC.{kind}Attribute/any(att:att/Name eq '{name}'"
        f" and att/OData.CSC.{inner or kind}Attribute/Value {operator} {value})"
    )


@pytest.fixture(scope="module")
def world():
    return build_world(WorldSettings(products=700, scale=0.0005))


@pytest.fixture(scope="module")
def products(world):
    return [world.product(row) for row in range(len(world))]


@pytest.fixture
def catalogue(world):
    return Catalogue(world)


def ask(catalogue, *query):
    reply = catalogue.products(list(query), ROOT)
    assert reply.status == 200, reply.body
    return json.loads(reply.body)


def refused(reply):
    return reply.status, json.loads(reply.body)["detail"]


def names(page):
    return [entity["Name"] for entity in page["value"]]


def follow(catalogue, *query):
    """Every page of a query, by its links."""
    page = ask(catalogue, *query)
    yield page
    while "@odata.nextLink" in page:
        link = urlsplit(page["@odata.nextLink"])
        assert f"{link.scheme}://{link.netloc}{link.path}" == f"{ROOT}/Products"
        page = ask(catalogue, *parse_qsl(link.query))
        yield page


def selected(catalogue, text):
    return [name for page in follow(catalogue, ("$filter", text), BY_START, ("$top", "1000")) for name in names(page)]


def value(product, name):
    return next((value for own, _, value in product.attributes if own == name), None)


CASES = {
    "Collection/Name eq 'SENTINEL-2'": lambda one: one.collection == "SENTINEL-2",
    "Collection/Name ne 'SENTINEL-2'": lambda one: one.collection != "SENTINEL-2",
    "Collection/Name in ('SENTINEL-3','SENTINEL-5P')": lambda one: one.collection in {"SENTINEL-3", "SENTINEL-5P"},
    "Collection/Name eq 'ENVISAT'": lambda one: False,
    L2A: lambda one: one.product_type == "S2MSI2A",
    L2A.replace("OData.CSC.StringAttribute/Value", "Value"): lambda one: one.product_type == "S2MSI2A",
    f"not {L2A}": lambda one: one.product_type != "S2MSI2A",
    f"not ({L2A} or Collection/Name eq 'SENTINEL-1')": lambda one: (
        one.product_type != "S2MSI2A" and one.collection != "SENTINEL-1"
    ),
    attribute("String", "productType", "eq", "'GRD'"): lambda one: one.product_type == "IW_GRDH_1S",
    attribute("String", "productType", "eq", "'GRD-COG'"): lambda one: one.product_type == "IW_GRDH_1S-COG",
    attribute("String", "productType", "eq", "'SLC'"): lambda one: one.product_type == "IW_SLC__1S",
    attribute("Double", "cloudCover", "le", "20.00"): lambda one: (
        one.collection == "SENTINEL-2" and value(one, "cloudCover") <= 20
    ),
    attribute("Double", "cloudCover", "lt", "20"): lambda one: (
        one.collection == "SENTINEL-2" and value(one, "cloudCover") < 20
    ),
    attribute("Integer", "relativeOrbitNumber", "eq", "22"): lambda one: value(one, "relativeOrbitNumber") == 22,
    attribute("Integer", "relativeOrbitNumber", "eq", "22", inner="String"): lambda one: (
        value(one, "relativeOrbitNumber") == 22
    ),
    attribute("Double", "relativeOrbitNumber", "eq", "22"): lambda one: False,
    attribute("String", "relativeOrbitNumber", "eq", "'22'"): lambda one: False,
    attribute("String", "tileId", "eq", "'32TQR'"): lambda one: value(one, "tileId") == "32TQR",
    attribute("String", "tileId", "eq", "'T32TQR'"): lambda one: False,
    attribute("String", "noSuchThing", "eq", "'x'"): lambda one: False,
    attribute("Boolean", "sliceProductFlag", "eq", "false"): lambda one: one.product_type.startswith("IW_"),
    attribute("Boolean", "sliceProductFlag", "eq", "true"): lambda one: False,
    attribute("String", "polarisationChannels", "eq", "'VV&VH'"): lambda one: one.product_type.startswith("IW_"),
    attribute("DateTimeOffset", "processingDate", "lt", "2024-06-01T00:00:00.000Z"): lambda one: (
        value(one, "processingDate") < "2024-06"
    ),
    "contains(Name,'MSIL1C')": lambda one: "MSIL1C" in one.name,
    "startswith(Name,'S1A') and contains(Name,'AUX_POEORB')": lambda one: "S1A_OPER_AUX_POEORB" in one.name,
    "endswith(Name,'.nc')": lambda one: one.name.endswith(".nc"),
    "contains(Online,'true') or contains(ContentLength,'4')": lambda one: False,
    "Online eq false": lambda one: not one.online,
    "Online ne false": lambda one: one.online,
    "PublicationDate gt 2024-08-01T00:00:00.000Z": lambda one: one.published.isoformat() > "2024-08-01",
    "ContentDate/Start lt '2024-05-01T00:00:00.000000Z' and ContentDate/End gt '2024-04-10T00:00:00.000000Z'": lambda one: (
        one.start.isoformat() < "2024-05-01" and one.end.isoformat() > "2024-04-10"
    ),
    "ContentDate/Start ge 2024-05-01 and ContentDate/Start lt 2024-06-01": lambda one: (
        one.start.isoformat()[:7] == "2024-05"
    ),
    "ContentDate/Start lt 2024-05-01 or ContentDate/Start ge 2024-09-01": lambda one: (
        not "2024-05" <= one.start.isoformat()[:7] < "2024-09"
    ),
    "ContentLength eq 0": lambda one: one.zero_length,
}


@pytest.mark.parametrize("text", CASES)
def test_a_filter_finds_what_it_says(catalogue, products, text):
    assert sorted(selected(catalogue, text)) == sorted(one.name for one in products if CASES[text](one))


@pytest.mark.parametrize("area", [(11.9, 44.9, 12.1, 45.1), (0, 40, 2, 42), (179, 60, 180, 70), (-180, 60, -179, 70)])
def test_an_area_finds_the_footprints_that_meet_it(catalogue, products, area):
    asked = box(*area)
    text = f"OData.CSC.Intersects(area=geography'SRID=4326;{asked.wkt}')"
    expected = [one.name for one in products if one.footprint and shape(one.footprint).intersects(asked)]
    assert expected
    assert sorted(selected(catalogue, text)) == sorted(expected)


def test_a_name_and_an_id_are_found_at_once(catalogue, products):
    for one in products[::50]:
        assert selected(catalogue, f"Name eq '{one.name}'") == [one.name]
        assert selected(catalogue, f"Id eq '{one.id}'") == [one.name]
        assert selected(catalogue, f"Name in ('{one.name}','x') and Online ne {str(one.online).lower()}") == []


@pytest.mark.parametrize(
    ("query", "status", "detail"),
    [
        (("$filter", "Name eq"), 400, "Error during parsing at index 7"),
        (("$filter", "Collection/Name eq 'Sentinel2'"), 400, "Invalid value"),
        (("$filter", "Nonsense eq 1"), 400, "Invalid field in filter: Nonsense"),
        (("$filter", "Online eq 'true'"), 400, "Invalid value"),
        (("$filter", "PublicationDate gt 5"), 400, "Invalid value"),
        (("$select", "Id,Nonsense"), 400, "Invalid field in select: Nonsense"),
        (("$expand", "Nodes"), 400, "Invalid field in expand: Nodes"),
        (("$orderby", "Footprint"), 400, "Invalid field in orderby: Footprint"),
        (("$orderby", "ContentDate/Start upwards"), 400, "Invalid field in orderby: ContentDate/Start upwards"),
        (
            ("$skip", "10001"),
            422,
            [
                {
                    "type": "less_than_equal",
                    "loc": ["query", "$skip"],
                    "msg": "Input should be less than or equal to 10000",
                    "input": "10001",
                    "ctx": {"le": 10000},
                }
            ],
        ),
        (
            ("$top", "1001"),
            422,
            [
                {
                    "type": "less_than_equal",
                    "loc": ["query", "$top"],
                    "msg": "Input should be less than or equal to 1000",
                    "input": "1001",
                    "ctx": {"le": 1000},
                }
            ],
        ),
        (
            ("$top", "0"),
            422,
            [
                {
                    "type": "greater_than",
                    "loc": ["query", "$top"],
                    "msg": "Input should be greater than 0",
                    "input": "0",
                    "ctx": {"gt": 0},
                }
            ],
        ),
        (
            ("$skip", "-1"),
            422,
            [
                {
                    "type": "greater_than_equal",
                    "loc": ["query", "$skip"],
                    "msg": "Input should be greater than or equal to 0",
                    "input": "-1",
                    "ctx": {"ge": 0},
                }
            ],
        ),
        (
            ("$top", "many"),
            422,
            [
                {
                    "type": "int_parsing",
                    "loc": ["query", "$top"],
                    "msg": "Input should be a valid integer, unable to parse string as an integer",
                    "input": "many",
                }
            ],
        ),
    ],
    ids=str,
)
def test_what_is_asked_wrongly_is_refused_in_the_catalogues_words(catalogue, query, status, detail):
    assert refused(catalogue.products([query], ROOT)) == (status, detail)


@pytest.mark.parametrize("top", [1, 7, 100, 250, 700, 1000])
def test_pages_together_are_the_whole_answer_once(catalogue, world, top):
    pages = list(follow(catalogue, BY_START, ("$top", str(top)), ("$count", "True")))
    found = [name for page in pages for name in names(page)]
    assert len(found) == len(set(found)) == len(world)
    assert all(page["@odata.count"] == len(world) for page in pages)
    assert all(len(page["value"]) == top for page in pages[:-1])
    assert len(pages) == -(-len(world) // top)


def test_a_page_has_twenty_products_unless_told(catalogue):
    assert len(ask(catalogue)["value"]) == 20


def test_count_is_there_only_when_asked_for(catalogue):
    assert "@odata.count" not in ask(catalogue)
    assert "@odata.count" not in ask(catalogue, ("$count", "false"))
    for text in ("true", "True", "1"):
        assert ask(catalogue, ("$count", text))["@odata.count"] == 700


def test_beyond_the_end_there_is_an_empty_page_without_a_link(catalogue):
    page = ask(catalogue, BY_START, ("$skip", "700"))
    assert page["value"] == []
    assert "@odata.nextLink" not in page


def test_the_link_ends_where_skip_ends_whatever_is_left():
    catalogue = Catalogue(build_world(WorldSettings(products=10_300, checksums="none")))
    at_edge = ask(catalogue, BY_START, ("$top", "100"), ("$skip", str(SKIP_MAX - 100)), ("$count", "1"))
    assert at_edge["@odata.count"] == 10_300
    assert at_edge["@odata.nextLink"].endswith("%24skip=10000&%24count=1")
    beyond = ask(catalogue, BY_START, ("$top", "100"), ("$skip", str(SKIP_MAX)))
    assert len(beyond["value"]) == 100
    assert "@odata.nextLink" not in beyond
    assert "@odata.nextLink" not in ask(catalogue, BY_START, ("$top", "1000"), ("$skip", str(SKIP_MAX - 999)))


@pytest.mark.parametrize(
    "path", ["ContentDate/Start", "ContentDate/End", "PublicationDate", "ModificationDate", "Name"]
)
def test_order_is_that_of_the_property_and_ties_go_by_id(catalogue, path):
    fact = {
        "ContentDate/Start": lambda one: one["ContentDate"]["Start"],
        "ContentDate/End": lambda one: one["ContentDate"]["End"],
    }.get(path, lambda one: one[path])
    rising = ask(catalogue, ("$orderby", path), ("$top", "1000"))["value"]
    assert rising == sorted(rising, key=lambda one: (fact(one), one["Id"]))
    assert rising == ask(catalogue, ("$orderby", f"{path} asc"), ("$top", "1000"))["value"]
    falling = ask(catalogue, ("$orderby", f"{path} desc"), ("$top", "1000"))["value"]
    assert [fact(one) for one in falling] == [fact(one) for one in reversed(rising)]


def test_without_order_every_call_has_its_own(catalogue, world):
    first, second = (names(ask(catalogue, ("$top", "300"))) for _ in range(2))
    assert first != second
    whole = names(ask(catalogue, ("$top", "1000")))
    assert len(set(whole)) == len(world)
    paged = [name for page in follow(catalogue, ("$top", "100")) for name in names(page)]
    assert len(set(paged)) < len(world)


def test_select_keeps_the_id_and_the_order_of_the_fields(catalogue):
    (entity,) = ask(catalogue, ("$select", "Online,Name"), ("$top", "1"))["value"]
    assert list(entity) == ["@odata.mediaContentType", "Id", "Name", "Online"]
    assert len(ask(catalogue, ("$select", "*"), ("$top", "1"))["value"][0]) == 15


def test_expansions_are_there_only_when_asked_for(catalogue):
    query = [("$top", "1"), ("$filter", "Collection/Name eq 'SENTINEL-2'")]
    (plain,) = ask(catalogue, *query)["value"]
    assert not {"Attributes", "Assets", "Locations"} & plain.keys()
    page = ask(catalogue, *query, ("$expand", "Assets"), ("$expand", "Attributes"))
    assert page["@odata.context"] == "$metadata#Products(Assets(),Attributes())"
    assert {"Attributes", "Assets"} <= page["value"][0].keys()


def test_links_lead_to_the_catalogue_and_paths_to_the_bucket(catalogue, world):
    text = "Collection/Name eq 'SENTINEL-2'"
    page = ask(catalogue, ("$filter", text), ("$top", "1"), ("$expand", "Assets"), ("$expand", "Locations"))
    (one,) = page["value"]
    (asset,), (location,) = one["Assets"], one["Locations"]
    assert asset["DownloadLink"] == f"{ROOT}/Assets({asset['Id']})/$value"
    assert location["DownloadLink"] == f"{ROOT}/Products({one['Id']})/$value"
    assert asset["S3Path"] == location["S3Path"] == one["S3Path"]
    assert location["Checksum"] == one["Checksum"]
    assert world.objects(one["S3Path"].removeprefix("/eodata/"), "", 1)


def test_one_product_comes_bare(catalogue, products):
    one = products[3]
    reply = json.loads(catalogue.product(one.id, [("$expand", "Attributes")], ROOT).body)
    assert reply["@odata.context"] == "$metadata#Products(Attributes())/$entity"
    assert reply["Name"] == one.name
    status, detail = refused(catalogue.product("11111111-2222-4333-8444-555555555555", [], ROOT))
    assert status == 404
    assert detail.keys() == {"message", "request_id"}


def test_names_can_be_listed(catalogue, products):
    wanted = [one.name for one in products[::30]]
    body = json.dumps({"FilterProducts": [{"Name": name} for name in [*wanted, "S2A_nothing.SAFE"]]}).encode()
    page = json.loads(catalogue.filter_list(body, [("$top", "100")], ROOT).body)
    assert names(page) == wanted
    assert len(json.loads(catalogue.filter_list(body, [], ROOT).body)["value"]) == 20
    assert catalogue.filter_list(b"{}", [], ROOT).status == 422
    assert catalogue.filter_list(b"nonsense", [], ROOT).status == 422


def test_deleted_products_have_a_date_and_a_cause(catalogue, products):
    page = json.loads(catalogue.deleted_products([("$count", "true"), ("$orderby", "DeletionDate")], ROOT).body)
    assert page["@odata.count"] == 14
    for one in page["value"]:
        assert {"DeletionDate", "DeletionCause"} <= one.keys()
        assert not {"Online", "EvictionDate", "S3Path", "PublicationDate", "ModificationDate"} & one.keys()
        assert one["Name"] not in {product.name for product in products}
        assert catalogue.product(one["Id"], [], ROOT).status == 404
        bare = json.loads(catalogue.deleted_product(one["Id"], ROOT).body)
        assert bare["DeletionCause"] == one["DeletionCause"]
    text = "DeletionDate gt 2024-07-01 and DeletionCause eq 'Duplicated product'"
    found = json.loads(catalogue.deleted_products([("$filter", text), ("$top", "100")], ROOT).body)["value"]
    assert found == [] or {one["DeletionCause"] for one in found} == {"Duplicated product"}
    assert catalogue.deleted_products([("$expand", "Assets")], ROOT).status == 400


def test_bursts_come_from_complex_products(catalogue, products):
    parents = {one.name: one for one in products if one.product_type == "IW_SLC__1S"}
    query = [("$count", "true"), ("$orderby", "ContentDate/Start"), ("$top", "1000")]
    page = json.loads(catalogue.bursts(query, ROOT).body)
    assert page["@odata.count"] == 54 * len(parents) == len(page["value"])
    starts = [one["ContentDate"]["Start"] for one in page["value"]]
    assert starts == sorted(starts)
    assert len({one["Name"] for one in page["value"]}) == len({one["Id"] for one in page["value"]}) == len(starts)
    for one in page["value"][::40]:
        parent = parents[one["ParentProductName"]]
        assert one["ParentProductId"] == parent.id
        assert one["S3Path"].startswith(f"/eodata/{parent.s3_key}/measurement/")
        start = one["ContentDate"]["Start"]
        text = (
            f"BurstId eq {one['BurstId']} and SwathIdentifier eq '{one['SwathIdentifier']}'"
            f" and PolarisationChannels eq '{one['PolarisationChannels']}' and ContentDate/Start ge {start}"
            f" and ContentDate/Start le {start} and ParentProductType eq 'IW_SLC__1S'"
            f" and RelativeOrbitNumber eq {one['RelativeOrbitNumber']}"
        )
        assert [found["Id"] for found in json.loads(catalogue.bursts([("$filter", text)], ROOT).body)["value"]] == [
            one["Id"]
        ]
        assert json.loads(catalogue.bursts([("$filter", f"Id eq '{one['Id']}'")], ROOT).body)["value"] == [one]
    point = shape(page["value"][0]["GeoFootprint"]).centroid
    text = f"OData.CSC.Intersects(area=geography'SRID=4326;{point.wkt}')"
    assert json.loads(catalogue.bursts([("$filter", text)], ROOT).body)["value"]


def test_the_file_of_a_burst_is_in_the_bucket(catalogue, world):
    (one,) = json.loads(catalogue.bursts([("$top", "1")], ROOT).body)["value"]
    found = world.object(one["S3Path"].removeprefix("/eodata/"))
    assert found.key.endswith(".tiff")


def test_attributes_are_listed_by_collection(catalogue):
    found = json.loads(catalogue.attributes("SENTINEL-2").body)
    assert {"Name": "cloudCover", "ValueType": "Double"} in found
    assert {"Name": "tileId", "ValueType": "String"} in found
    every = json.loads(catalogue.attributes(None).body)
    assert {one["Name"] for one in every} > {one["Name"] for one in found}
    assert catalogue.attributes("SENTINEL-9").status == 404


def walk(catalogue, product, path=()):
    reply = catalogue.nodes(product.id, path, ROOT)
    assert reply.status == 200
    for node in json.loads(reply.body)["result"]:
        inner = (*path, node["Name"])
        steps = "".join(f"/Nodes({name})" for name in inner)
        assert node["Nodes"]["uri"] == f"{ROOT}/Products({product.id}){steps}/Nodes"
        if node["ChildrenNumber"]:
            below = list(walk(catalogue, product, inner))
            assert node["ContentLength"] == 0
            assert node["ChildrenNumber"] == len({rest[: len(inner) + 1] for rest, _ in below})
            yield from below
        else:
            yield inner, node["ContentLength"]


@pytest.mark.parametrize("product_type", ["S2MSI2A", "IW_GRDH_1S", "OL_1_EFR___", "L2__NO2___", "AUX_INS"])
def test_nodes_lead_to_every_file(catalogue, world, products, product_type):
    product = next(one for one in products if one.product_type == product_type)
    files = world.files(product)
    head = () if product.single else (product.name,)
    expected = {(*head, *file.path.split("/")): file.size for file in files}
    assert dict(walk(catalogue, product)) == expected
    leaf = next(iter(expected))
    assert json.loads(catalogue.nodes(product.id, leaf, ROOT).body) == {"result": []}
    assert catalogue.nodes(product.id, ("nothing",), ROOT).status == 404


def test_the_order_of_nodes_changes_from_call_to_call(catalogue, products):
    product = next(one for one in products if one.product_type == "OL_1_EFR___")
    calls = [json.loads(catalogue.nodes(product.id, (product.name,), ROOT).body)["result"] for _ in range(3)]
    assert len({tuple(node["Name"] for node in call) for call in calls}) == 3


def test_nodes_of_nothing_are_not_found(catalogue):
    reply = catalogue.nodes("11111111-2222-4333-8444-555555555555", (), ROOT)
    assert (reply.status, json.loads(reply.body)["code"]) == (404, "DAT-ZIP-404")


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
@pytest.mark.parametrize(
    ("recorded", "text"),
    [
        ("s2_l1c_europe_top200.json", attribute("String", "productType", "eq", "'S2MSI1C'")),
        ("s1c_grd_2026_assets_attributes_locations.json", attribute("String", "productType", "eq", "'IW_GRDH_1S'")),
    ],
)
def test_entities_have_the_shape_of_recorded_ones(catalogue, recorded, text):
    theirs = json.loads((RECORDED / recorded).read_text())
    wanted = [("$expand", name) for name in ("Assets", "Attributes", "Locations")]
    ours = ask(catalogue, ("$filter", f"{text} and Online eq true and ContentLength gt 0"), ("$top", "20"), *wanted)
    assert ours["@odata.context"] == theirs["@odata.context"]
    one = next(entity for entity in ours["value"] if entity["Checksum"] and entity["Footprint"])
    other = theirs["value"][0]
    assert list(one) == list(other)
    for name in ("Checksum", "Assets", "ContentDate"):
        assert outline(one[name]) == outline(other[name])
    assert outline(one["Locations"][-1]) == outline(other["Locations"][-1])
    types = {entry["Name"]: entry["ValueType"] for entry in one["Attributes"]}
    assert {entry["Name"]: entry["ValueType"] for entry in other["Attributes"]}.items() <= types.items()
    assert list(one["Attributes"][0]) == list(other["Attributes"][0])
    assert one["Footprint"].startswith("geography'SRID=4326;POLYGON ((")
    for name in ("OriginDate", "PublicationDate", "ModificationDate", "EvictionDate"):
        assert len(one[name]) == len(other[name])


def outline(value):
    """The keys of a JSON value, in their order, without what they hold."""
    if isinstance(value, list):
        return [outline(one) for one in value]
    return {name: outline(inner) for name, inner in value.items()} if isinstance(value, dict) else None


@pytest.mark.skipif(not RECORDED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
def test_links_are_written_as_recorded_ones():
    catalogue = Catalogue(build_world(WorldSettings(products=50, checksums="none")))
    theirs = json.loads((RECORDED / "s2_l1c_attributes_assets_nextlink.json").read_text())["@odata.nextLink"]
    head, _, query = theirs.partition("?")
    # The same request for what this world holds, asked for its first page.
    for old, new in {
        "2020-08-16": "2030-08-16",
        "137.7729": "-20.0000",
        "23.8860": "70.0000",
        "1C%27": "2A%27",
    }.items():
        theirs, query = theirs.replace(old, new), query.replace(old, new)
    asked = [(name, "0" if name == "$skip" else value) for name, value in parse_qsl(query)]
    reply = catalogue.products(asked, head.removesuffix("/Products"))
    assert json.loads(reply.body)["@odata.nextLink"] == theirs


def test_products_come_in_one_by_one(catalogue, products):
    catalogue.withhold(5, 2)
    hidden = list(catalogue.unpublished)
    assert len(set(hidden)) == 5
    sizes = [ask(catalogue, BY_START, ("$count", "True"))["@odata.count"] for _ in range(12)]
    assert sizes == [len(products) - 5 + min(5, number // 2) for number in range(1, 13)]
    assert catalogue.unpublished == []


def test_what_is_not_published_is_not_there_by_id_or_name_either(catalogue, products):
    catalogue.withhold(3, 10**6)
    (hidden, *_) = (each for each in products if each.id in catalogue.unpublished)
    assert catalogue.product(hidden.id, [], ROOT).status == 404
    asked = json.dumps({"FilterProducts": [{"Name": hidden.name}, {"Name": products[0].name}]}).encode()
    assert [each["Name"] for each in json.loads(catalogue.filter_list(asked, [], ROOT).body)["value"]] == [
        products[0].name
    ]
    assert ask(catalogue, ("$filter", f"Id eq '{hidden.id}'"), BY_START)["value"] == []
