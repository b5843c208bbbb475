"""Any STAC API: what it is asked, how its pages are followed, what is said where it has nothing."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest

from skyhaul.archives import Means, ProviderSettings
from skyhaul.errors import AccessDenied, HostBusy, ObjectMissing, SettingsError
from skyhaul.model import Condition, Product, Query, TimeInterval
from skyhaul.protocols import Slice, Wish
from skyhaul.providers.routes import Road
from skyhaul.providers.stac import Assets, Stac, made
from support.catalogues import enumerated
from support.webs import FakeWeb, features, missing

ROOT = "https://stac.example/v1"
SORTS = ["https://api.stacspec.org/v1.0.0/item-search#sort"]
QUERIES = ["https://api.stacspec.org/v1.0.0/item-search#query"]
FILTERS = [
    "https://api.stacspec.org/v1.0.0-rc.2/item-search#filter",
    "http://www.opengis.net/spec/cql2/1.0/conf/cql2-json",
]
DAY = TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 4, 2, tzinfo=UTC))


def item(number, **properties):
    when = {"datetime": f"2024-04-01T{number // 60:02d}:{number % 60:02d}:00.000000Z"}
    return {
        "type": "Feature",
        "id": f"I{number:04d}",
        "collection": "a",
        "properties": {**when, **properties},
        "assets": {},
    }


class Api:
    """An API with ``count`` items, newest first, whose next links are as ``style`` says."""

    def __init__(self, count, style="merge", conforms=()):
        self.items = [item(number) for number in range(count)][::-1]
        self.style, self.conforms = style, conforms
        self.web = FakeWeb(self.answer)

    def answer(self, url, body):
        path = urlsplit(url).path.removeprefix("/v1")
        if not path:
            methods = ["GET"] if self.style == "get" else ["GET", "POST"]
            links = [{"rel": "search", "href": f"{ROOT}/search", "method": method} for method in methods]
            return {"type": "Catalog", "conformsTo": list(self.conforms), "links": links}
        if path == "/search":
            return self.found(url, dict(parse_qsl(urlsplit(url).query)) if body is None else body)
        return {"type": "Collection"} if path == "/collections/a" else missing(url)

    def found(self, url, asked):
        first, limit = int(asked.get("token", 0)), int(asked["limit"])
        start, _, end = asked.get("datetime", "/").replace("..", "").partition("/")
        items = [each for each in self.items if start <= each["properties"]["datetime"] <= (end or "9")]
        if re.search("asc|[+]", str(asked.get("sortby", ""))):
            items.reverse()
        if asked.get("collections") not in (None, "a", ["a"]):
            items = []
        links = []
        if first + limit < len(items):
            links = [{"rel": "next", **self.link(url, asked, str(first + limit))}]
        return features(*items[first : first + limit], links=links)

    def link(self, url, asked, token):
        match self.style:
            case "merge":
                return {"method": "POST", "href": f"{ROOT}/search", "body": {"token": token}, "merge": True}
            case "post":
                return {"method": "POST", "href": f"{ROOT}/search", "body": {**asked, "token": token}}
            case _:
                return {"href": f"{ROOT}/search?{urlencode({**asked, 'token': token})}"}


async def opened(api, **settings):
    means = Means(archive="stac", web=api.web, settings=ProviderSettings(url=ROOT, **settings), sources={"http": None})
    stac = made(means)
    await stac.prepare()
    return stac.provider


@pytest.mark.parametrize("style", ["merge", "post", "get"])
@pytest.mark.parametrize("count", [0, 1, 100, 101, 250])
async def test_pages_are_followed_as_their_links_say(style, count):
    api = Api(count, style)
    found = await enumerated(await opened(api), Query(provider="stac", collection="a", sensing=DAY))
    assert sorted(found.ids) == [f"I{number:04d}" for number in range(count)]
    assert found.completeness.exit_code == 0
    assert all(
        (body is None) is (style == "get" or url == ROOT or "collections/" in url) for url, body in api.web.asked
    )


async def test_a_collection_that_is_not_there_is_an_error_and_not_nothing():
    with pytest.raises(SettingsError, match="stac has no collection 'SENTINEL-2'"):
        await enumerated(await opened(Api(5)), Query(provider="stac", collection="SENTINEL-2"))
    assert (await enumerated(await opened(Api(0)), Query(provider="stac", collection="a"))).ids == []


@pytest.mark.parametrize(
    ("conforms", "asked"),
    [
        ([], None),
        (QUERIES, {"query": {"eo:cloud_cover": {"lte": 5.0}}}),
        (FILTERS, {"filter-lang": "cql2-json"}),
        (FILTERS[:1], None),
        ([*QUERIES, *FILTERS], {"query": {"eo:cloud_cover": {"lte": 5.0}}}),
    ],
)
async def test_an_api_is_asked_what_it_says_it_understands(conforms, asked):
    api = Api(3, conforms=conforms)
    provider = await opened(api)
    query = Query(cloud_max=5.0)
    await provider.page(Slice(query=query, interval=query.sensing), 0, count=False)
    sent = api.web.asked[-1][1]
    assert asked is None or asked.items() <= sent.items()
    here = provider.here(query)
    assert (here.fields if here else ()) == (("cloud_max",) if asked is None else ())


async def test_an_api_that_cannot_sort_is_not_asked_to():
    plain, sorting = await opened(Api(250)), await opened(Api(250, conforms=SORTS))
    assert (plain.paging.sorted, sorting.paging.sorted) == (False, True)
    for provider in (plain, sorting):
        found = await enumerated(provider, Query(provider="stac", collection="a", limit=3))
        assert found.ids == ["I0000", "I0001", "I0002"]
    with pytest.raises(SettingsError, match="cannot sort by 'published'"):
        await enumerated(sorting, Query(provider="stac", order_by="published"), ordered=True)


@pytest.mark.parametrize(
    ("reply", "sentence"),
    [
        (b"<html>", "https://stac.example/v1 is not a STAC API"),
        ({"type": "Catalog", "links": []}, "names no search"),
        (b"[]", "is not a STAC API"),
    ],
)
async def test_an_address_that_is_no_api(reply, sentence):
    api = Api(0)
    api.web.answer = lambda *_: reply
    with pytest.raises(SettingsError, match=sentence):
        await opened(api)


async def test_what_a_host_says_meanwhile_is_not_about_collections():
    api = Api(0)
    provider = await opened(api)
    api.web.answer = lambda url, _: HostBusy("busy", status=503) if "collections" in url else features()
    query = Query(collection="a")
    with pytest.raises(HostBusy):
        await provider.page(Slice(query=query, interval=query.sensing), 0, count=False)


async def test_names_are_the_ids_of_items():
    api = Api(3)
    await (await opened(api)).named(["S2A_X.SAFE", "B"])
    assert api.web.asked[-1][1] == {"ids": ["S2A_X", "B"], "limit": 2}


async def test_conditions_may_use_the_words_of_stac():
    provider = await opened(Api(0))
    query = Query(where=(Condition(attribute="eo:cloud_cover", operator="le", value=5.0),))
    here = provider.here(query)
    assert here.keeps(Product(id="1", name="n", provider="p", attributes={"cloudCover": 4.0}))
    assert not here.keeps(Product(id="1", name="n", provider="p", attributes={"cloudCover": 6.0}))


class Bucket:
    def url(self, bucket, key):
        return f"https://s3.example/{bucket}/{key}"


def assets(**more):
    found = {
        **item(1),
        "assets": {"red": {"href": "s3://bucket/a b/B04.tif"}, "blue": {"href": "https://cogs.example/B02.tif"}},
    }
    return Assets(web=FakeWeb(lambda *_: found), name="stac", root=ROOT, road=Road(http=True, s3=False), **more)


PRODUCT = Product(id="I0001", name="I0001", provider="stac", collection="a")


@pytest.mark.parametrize(
    ("more", "via", "found"),
    [
        ({}, "auto", {("http", "https://cogs.example/B02.tif")}),
        ({"s3_url": "https://open.example"}, "auto", {("http", "https://cogs.example/B02.tif"), ("http", "https://open.example/bucket/a%20b/B04.tif")}),
        ({"lister": Bucket()}, "auto", {("http", "https://cogs.example/B02.tif"), ("s3", "https://s3.example/bucket/a b/B04.tif")}),
        ({"lister": Bucket()}, "s3", {("s3", "https://s3.example/bucket/a b/B04.tif")}),
        ({"lister": Bucket()}, "http", {("http", "https://cogs.example/B02.tif")}),
    ],
)  # fmt: skip
async def test_files_on_s3_are_reached_as_they_can_be(more, via, found):
    objects = await assets(**more).objects(PRODUCT, Wish(via=via))
    assert {(obj.route, obj.location) for obj in objects} == found


def test_with_keys_a_product_is_expected_over_s3():
    routes = {
        (keys is not None, via): assets(lister=keys).expected(PRODUCT, Wish(via=via)).route
        for keys in (None, Bucket())
        for via in ("auto", "http")
    }
    assert routes == {(False, "auto"): "http", (False, "http"): "http", (True, "auto"): "s3", (True, "http"): "http"}


async def test_what_is_gone_or_lies_nowhere():
    with pytest.raises(ObjectMissing, match="its collection is not known"):
        await assets().objects(Product(id="1", name="n", provider="stac"), Wish())
    with pytest.raises(AccessDenied, match="without a way to download"):
        await Stac(name="stac", web=None, root=ROOT).objects(PRODUCT, Wish())
