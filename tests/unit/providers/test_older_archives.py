"""The providers of older archives: what they ask, and what they make of the answers."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from msgspec import structs

from skyhaul.archives import Means, ProviderSettings
from skyhaul.errors import AccessDenied, CatalogueError, ObjectMissing, ObjectOffline, SettingsError
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Body, Slice, Wish
from skyhaul.providers import creodias, dhus, noa, resto
from skyhaul.providers.dhus import Dhus
from skyhaul.providers.noa import Noa
from skyhaul.providers.resto import Resto
from support.pouring import pouring

pytestmark = pytest.mark.anyio

NAME = "S2A_MSIL2A_20240414T100016_N0510_R122_T32TQR_20240414T133106"
PRODUCT = Product(id="i-1", name=f"{NAME}.SAFE", provider="p", collection="S2ST", size=5)
MAY, JUNE = datetime(2024, 5, 1, tzinfo=UTC), datetime(2024, 6, 1, tzinfo=UTC)


@dataclass
class Answers:
    """A web that answers with what it was given, in order."""

    bodies: list[object]
    asked: list[str] = field(default_factory=list)

    async def get(self, url: str) -> bytes:
        self.asked.append(url)
        return json.dumps(self.bodies.pop(0)).encode()

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        assert media_type == "application/x-www-form-urlencoded"
        return await self.get(f"{url}&{body.decode()}")


async def nothing():
    return
    yield


@dataclass
class Tapes:
    """A source that has everything on tape until it is told otherwise."""

    route: str = "http"
    online: bool = False
    spans: list[object] = field(default_factory=list)

    @asynccontextmanager
    async def read(self, obj, span, *, etag, turn=None):
        self.spans.append((obj.location, span.header()))
        if not self.online:
            raise ObjectOffline("202")
        yield Body(ranged=True, total=9, etag=None, pour=pouring(nothing()))


def part(interval=TimeInterval(), **query):  # noqa: B008 frozen
    return Slice(query=Query(**query), interval=interval)


# DHuS


def hub(*bodies, source=None):
    answers = Answers(list(bodies))
    sources = {"http": source} if source else {}
    return Dhus(web=answers, url="https://hub.example/", sources=sources), answers


def feed(*ids, total=None):
    entries = [
        {"id": each, "title": NAME, "date": [{"name": "beginposition", "content": f"2024-04-14T10:00:{n:02}.024Z"}]}
        for n, each in enumerate(ids)
    ]
    return {"feed": {"opensearch:totalResults": str(total or len(ids)), "entry": entries}}


def entity(**changes):
    found = {"Id": "i-1", "Name": NAME, "ContentLength": "77", "Online": True} | changes
    return {"d": found | {"Checksum": {"Algorithm": "MD5", "Value": "ABCDEF"}}}


async def test_a_dhus_page_is_of_at_most_a_hundred_and_of_the_limit_where_that_is_less():
    archive, answers = hub(feed("a", total=7), feed())
    page = await archive.page(part(), 99, count=True)
    assert (page.total, page.products[0].id) == (7, "a")
    await archive.page(part(limit=5), 0, count=False)
    options = [parse_qs(urlsplit(url).query) for url in answers.asked]
    assert [(each["start"], each["rows"]) for each in options] == [(["99"], ["100"]), (["0"], ["5"])]


async def test_the_extent_is_from_the_first_to_just_after_the_last():
    archive, _ = hub(feed("a"), feed("a", "b"))
    extent = await archive.extent(Query())
    assert extent.start == extent.end.replace(microsecond=24_000)
    assert await hub(feed(), feed())[0].extent(Query()) is None


async def test_names_are_looked_up_by_the_handful():
    archive, answers = hub(feed("a"), feed("b"))
    page = await archive.named([f"S2A_{n}" for n in range(30)])
    assert [product.id for product in page.products] == ["a", "b"]
    assert [unquote(url).count("identifier:") for url in answers.asked] == [25, 5]


async def test_an_object_has_the_size_and_digest_of_the_entity():
    archive, answers = hub(entity())
    (found,) = await archive.objects(PRODUCT, Wish())
    assert found.location == "https://hub.example/odata/v1/Products('i-1')/$value"
    assert (found.size, found.path, found.ranges, found.archive) == (77, f"{NAME}.SAFE.zip", True, True)
    assert found.checksums[0].value == "abcdef"
    assert answers.asked == ["https://hub.example/odata/v1/Products('i-1')?$format=json&$expand=Attributes"]


async def test_an_archived_product_is_ordered_by_asking_for_two_bytes():
    source = Tapes()
    archive, _ = hub(entity(Online=False), entity(Online=False), source=source)
    with pytest.raises(ObjectOffline, match="has to be ordered"):
        await archive.objects(PRODUCT, Wish())
    assert await archive.order(PRODUCT) is False
    assert await archive.online(PRODUCT) is False
    source.online = True
    assert await archive.order(PRODUCT) is True
    assert source.spans == [("https://hub.example/odata/v1/Products('i-1')/$value", "bytes=0-1")] * 2


async def test_nothing_is_ordered_without_an_account():
    with pytest.raises(AccessDenied):
        await hub()[0].order(PRODUCT)


@pytest.mark.parametrize(("wish", "said"), [(Wish(via="s3"), "HTTP alone"), (Wish(only=("*B04*",)), "whole products")])
async def test_whole_products_over_http_is_all_there_is(wish, said):
    for archive in (hub()[0], mirror()[0], tapes()[0]):
        with pytest.raises(SettingsError, match=said):
            await archive.objects(PRODUCT, wish)
        with pytest.raises(SettingsError, match=said):
            archive.expected(PRODUCT, wish)


def test_online_cannot_be_asked_of_a_dhus():
    with pytest.raises(SettingsError, match="online"):
        hub()[0].here(Query(online=True))


def test_what_a_dhus_is_asked_for_is_not_filtered_again():
    assert hub()[0].here(Query(cloud_max=20, tiles=("32TQR",), names=("S2*_x*",))) is None
    assert hub()[0].here(Query(latest_version=True)) is None


# resto


def tapes(*bodies, source=None):
    answers = Answers(list(bodies))
    sources = {"http": source} if source else {}
    return Resto(web=answers, url="https://resto.example/resto/", sources=sources), answers


def features(count, total=None, first=0, mode="disk", begin="2024-05-10T00:00:00.000Z"):
    made = [
        {
            "id": f"i-{n}",
            "properties": {"title": NAME, "collection": "S2ST", "startDate": begin, "storage": {"mode": mode}},
        }
        for n in range(first, first + count)
    ]
    told = {"totalResults": count if total is None else total, "exactCount": True, "links": []}
    return {"type": "FeatureCollection", "features": made, "properties": told}


async def test_pages_are_counted_and_no_link_is_needed():
    archive, answers = tapes(features(500, 700), features(200, 700, first=500))
    asked = part(TimeInterval(start=MAY), collection="SENTINEL-2")
    first = await archive.page(asked, 0, count=True)
    assert (len(first.products), first.total, first.next_link) == (500, 700, "S2ST 2")
    last = await archive.following(asked, first.next_link)
    assert (len(last.products), last.next_link) == (200, None)
    assert [parse_qs(urlsplit(url).query)["page"] for url in answers.asked] == [["1"], ["2"]]


async def test_one_collection_follows_another_where_the_time_spans_both():
    archive, answers = tapes(features(1), features(2))
    asked = part(collection="SENTINEL-2")
    first = await archive.page(asked, 0, count=True)
    assert (first.total, first.next_link) == (None, "S2ST 1")  # the count of one collection is not that of the query
    assert (await archive.following(asked, "S2ST 1")).next_link is None
    assert ["/S2/" in answers.asked[0], "/S2ST/" in answers.asked[1]] == [True, True]


async def test_what_begins_outside_the_slice_is_left_out_and_its_count_is_not_believed():
    archive, _ = tapes(features(3, begin="2024-06-01T01:00:00.000Z"))
    page = await archive.page(part(TimeInterval(start=MAY, end=JUNE), collection="SENTINEL-2"), 0, count=True)
    assert (page.products, page.total) == ((), None)


@pytest.mark.parametrize("wrong", [features(4, 5), features(0, 5), features(5, 4)])
async def test_a_page_that_is_not_as_full_as_the_count_says_is_not_believed(wrong):
    archive, _ = tapes(wrong)
    with pytest.raises(CatalogueError, match="are counted"):
        await archive.page(part(collection="SENTINEL-1"), 0, count=True)


async def test_a_product_that_comes_twice_on_a_page_is_not_believed():
    doubled = features(3)
    doubled["features"][2] = doubled["features"][0]
    with pytest.raises(CatalogueError, match="2 products where 3"):
        await tapes(doubled)[0].page(part(collection="SENTINEL-1"), 0, count=True)


async def test_a_collection_that_peps_does_not_have_is_refused_and_not_a_broken_page():
    archive, _ = tapes({"ErrorMessage": "Not Found", "ErrorCode": 404}, {"ErrorMessage": "Bad", "ErrorCode": 400})
    with pytest.raises(SettingsError, match="no collection 'MOON'"):
        await archive.page(part(collection="MOON"), 0, count=True)
    with pytest.raises(CatalogueError, match="Bad"):
        await archive.page(part(collection="S1"), 0, count=True)


async def test_peps_leaves_suffixes_out():
    archive, _ = tapes(features(1))
    page = await archive.page(part(collection="SENTINEL-1"), 0, count=True)
    assert page.products[0].name == f"{NAME}.SAFE"


async def test_a_resto_product_is_one_zip_below_its_collection():
    archive, _ = tapes()
    (found,) = await archive.objects(PRODUCT, Wish())
    assert found.location == "https://resto.example/resto/collections/S2ST/i-1/download/?issuerId=peps"
    with pytest.raises(ObjectOffline, match="on tape"):
        await archive.objects(structs.replace(PRODUCT, online=False), Wish())


async def test_whether_it_is_online_is_looked_up_by_its_second():
    second = "2024-04-14T10:00:16.024Z"
    archive, answers = tapes(features(1, mode="staging", begin=second), features(1, begin=second), features(0))
    assert await archive.online(PRODUCT) is False
    assert await archive.online(PRODUCT) is True
    assert parse_qs(urlsplit(answers.asked[0]).query)["startDate"] == ["2024-04-14T10:00:16.000Z"]
    with pytest.raises(ObjectMissing, match="any more"):
        await archive.online(PRODUCT)


async def test_names_of_missions_that_peps_never_held_are_not_asked_for():
    archive, answers = tapes()
    assert (
        await archive.named(["S5P_OFFL_L2__NO2____20240401T103324_20240401T121453_33511_03_020600_x.nc"])
    ).products == ()
    assert answers.asked == []


def test_modes_and_several_types_are_told_by_names_here():
    radar = Product(id="1", name="S1A_IW_GRDH_1SDV_x.SAFE", provider="p", product_type="GRD")
    archive, _ = tapes()
    moded = archive.here(Query(product_types=("IW_GRDH_1S",)))
    assert (moded.fields, moded.keeps(radar)) == (("product_types",), True)
    assert not moded.keeps(structs.replace(radar, name="S1A_EW_GRDM_1SDH_x.SAFE"))
    assert archive.here(Query(product_types=("GRD",))) is None
    either = archive.here(Query(product_types=("GRD", "SLC"), cloud_max=20))
    assert set(either.fields) == {"cloud_max", "product_types"}
    assert not either.keeps(radar)  # it has no clouds


# NOA


def mirror(*bodies):
    answers = Answers(list(bodies))
    return Noa(web=answers, catalogue_url="https://mirror.example/odata/v1/", sources={}), answers


def listed(*numbers):
    return {"value": [{"Id": f"i-{n}", "Name": f"P{n}"} for n in numbers]}


async def test_pages_of_the_mirror_overlap_by_one_product_and_nothing_is_counted():
    archive, answers = mirror(listed(*range(50)), listed(*range(49, 60)))
    asked = part(collection="SENTINEL-2")
    first = await archive.page(asked, 0, count=True)
    assert (first.total, first.next_link) == (None, "49 i-49")
    last = await archive.following(asked, first.next_link)
    assert ([product.id for product in last.products], last.next_link) == ([f"i-{n}" for n in range(50, 60)], None)
    assert answers.asked[1].endswith("$skip=49")


@pytest.mark.parametrize("wrong", [listed(), listed(50, 51), listed(49, 50, 50)], ids=["empty", "shifted", "doubled"])
async def test_a_page_of_the_mirror_that_does_not_go_on_is_not_believed(wrong):
    with pytest.raises(CatalogueError):
        await mirror(wrong)[0].following(part(), "49 i-49")


async def test_that_there_is_nothing_is_asked_twice():
    archive, answers = mirror(listed(), listed(1))
    assert len((await archive.page(part(), 0, count=True)).products) == 1
    assert len(answers.asked) == 2


async def test_a_product_of_the_mirror_is_a_zip_whatever_its_name_says():
    (found,) = await mirror()[0].objects(PRODUCT, Wish())
    assert (found.location, found.path) == ("https://mirror.example/odata/v1/Products(i-1)/$value", f"{NAME}.SAFE.zip")
    assert (found.ranges, found.archive) == (False, True)


def test_the_mirror_compares_names_and_tiles_here_and_rules_where_it_can():
    archive, _ = mirror()
    assert set(archive.here(Query(names=("S2A_*",), tiles=("32TQR",))).fields) == {"names", "tiles"}
    assert archive.here(Query(rules=(Query(mode="IW"), Query(cloud_max=20)))) is None
    assert archive.here(Query(rules=(Query(tiles=("32TQR",)),))).fields == ("rules",)
    rule = Query(tiles=("32TQR",), cloud_max=20)
    assert archive.here(Query(rules=(rule,))).fields == ("rules",), "it can be said of the whole"
    with pytest.raises(SettingsError, match="cloud_max"):  # its answers tell no clouds
        archive.here(Query(tiles=("31TCF",), cloud_max=50, rules=(rule,)))


# what they are made of


def means(**settings):
    return Means(archive="a", web=Answers([]), settings=ProviderSettings(**settings), sources={})


@pytest.mark.parametrize("module", [dhus, resto])
def test_a_protocol_without_a_place_says_what_is_missing(module):
    with pytest.raises(SettingsError, match="--url"):
        module.made(means())
    assert module.made(means(url="https://a.example")).provider.url == "https://a.example"


def test_those_with_a_place_are_made_of_it():
    assert noa.made(means(catalogue_url="https://n.example")).provider.catalogue_url == "https://n.example"
    provider = creodias.made(means(catalogue_url="https://c.example", download_url="https://z.example")).provider
    assert (provider.name, provider.catalogue_url) == ("creodias", "https://c.example")


async def test_products_of_creodias_say_where_they_are_from():
    web = Answers([{"value": [{"Id": "1", "Name": "P"}]}])
    archive = creodias.Creodias(web=web, catalogue_url="https://c.example")
    page = await archive.page(part(), 0, count=False)
    assert page.products[0].provider == "creodias"
