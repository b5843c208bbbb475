"""What every archive promises, held against all of them: each field of a query, recorded replies, and the embedded archive."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from anyio import to_thread

from skyhaul import credentials, runtime, settings
from skyhaul.archives import Means
from skyhaul.catalogue.here import ELSEWHERE
from skyhaul.errors import CatalogueError, SettingsError
from skyhaul.model import Condition, Product, Query, Season, TimeInterval
from skyhaul.protocols import Slice, Wish
from skyhaul.providers import ARCHIVES, find
from skyhaul.transfer.layout import collisions, safe_path
from support.recorded import SHARED, recorded
from support.served import UNHURRIED, WORLD, Archive, simulated
from support.webs import FakeWeb, features

MONTH = TimeInterval(start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 5, 1, tzinfo=UTC))
ID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"
FIELDS: dict[str, Any] = {
    "product_types": ("S2MSI1C",),
    "sensing": MONTH,
    "published": MONTH,
    "area": "POLYGON ((11 44, 12 44, 12 45, 11 45, 11 44))",
    "tiles": ("32TQR",),
    "cloud_min": 5.0,
    "cloud_max": 20.0,
    "orbit_direction": "DESCENDING",
    "relative_orbit": 22,
    "platform": "S2A",
    "polarisation": "VV&VH",
    "mode": "IW",
    "timeliness": "NT",
    "names": ("S2A_MSIL1C_20240402T101019_N0510_R022_T32TPQ_20240402T140941.SAFE",),
    "ids": (ID,),
    "where": (Condition(attribute="cloudCover", operator="le", value=20.0),),
    "season": Season(first=(3, 1), last=(5, 31)),
    "rules": (Query(cloud_max=20.0), Query(orbit_direction="ASCENDING")),
    "online": True,
}
"""A value for each field of a query that chooses."""

ASKABLE = [archive for archive in ARCHIVES if archive.name != "list"]
"""A list is no catalogue."""


def made(archive, web):
    address = replace(archive.settings, url=archive.settings.url or "https://archive.example/v1")
    return archive.make(Means(archive=archive.name, web=web, settings=address, sources={"http": None})).provider


async def requests(archive, query):
    """What the archive is asked for the first page of a query."""

    def note(url, body):
        raise CatalogueError("noted")

    web = FakeWeb(note)
    with pytest.raises(CatalogueError, match="noted"):
        await made(archive, web).page(Slice(query=query, interval=query.sensing), 0, count=True)
    return [(unquote(url), json.dumps(body, sort_keys=True)) for url, body in web.asked]


def test_each_field_of_a_query_has_a_value_here():
    assert set(FIELDS) | {"collection"} == {each.name for each in fields(Query)} - ELSEWHERE


@pytest.mark.parametrize("name", FIELDS)
@pytest.mark.parametrize("archive", ASKABLE, ids=lambda archive: archive.name)
async def test_a_field_is_asked_for_or_filtered_here_or_refused_and_never_ignored(archive, name):
    anything = Query(provider=archive.name, collection="SENTINEL-2")
    query = replace(anything, **{name: FIELDS[name]})
    provider = made(archive, None)
    try:
        here = provider.here(query)
        if here is not None and name in here.fields:
            assert not all(here.keeps(each) for each in STRANGERS), "it lets everything through"
            return
        asked = await requests(archive, query)
    except SettingsError as error:
        assert name.removesuffix("s").replace("_", " ") in str(error).replace("_", " ")  # noqa: PT017 it need not be raised
        assert archive.name in str(error).lower()  # noqa: PT017 likewise
        return
    assert asked != await requests(archive, anything)


@pytest.mark.parametrize("name", [name for name in FIELDS if name != "rules"])
@pytest.mark.parametrize("archive", ASKABLE, ids=lambda archive: archive.name)
async def test_a_field_of_a_rule_is_asked_for_or_filtered_here_or_refused(archive, name):
    anything = Query(provider=archive.name, collection="SENTINEL-2")
    other = Query(orbit_direction="ASCENDING")
    query = replace(anything, rules=(Query(**{name: FIELDS[name]}), other))
    provider = made(archive, None)
    try:
        here = provider.here(query)
        if here is not None and "rules" in here.fields:
            assert not all(here.keeps(each) for each in STRANGERS), "it lets everything through"
            return
        asked = await requests(archive, query)
    except SettingsError as error:
        said = str(error).replace("_", " ")
        assert any(each in said for each in (name.removesuffix("s").replace("_", " "), "orbit direction"))
        return
    assert asked != await requests(archive, replace(anything, rules=(Query(), other)))


STRANGERS = [
    Product(id="1", name="OTHER", provider="x", online=False),
    Product(
        id="2",
        name="S1C_OTHER",
        provider="x",
        online=True,
        start=datetime(1999, 12, 1, tzinfo=UTC),
        published=datetime(1999, 12, 1, tzinfo=UTC),
    ),
]


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded search of an archive."""

    archive: str
    search: str


@pytest.fixture
def body(recording) -> bytes:
    return (SHARED / recording.search).read_bytes()


@pytest.fixture
def item(path) -> bytes:
    return path.read_bytes()


ITEMS = [*recorded("cdse-stac/v1/item_*.json"), *recorded("cdse-stac/eometadatatool/*/*.json")]
RECORDINGS = [
    Recording("cdse", "cdse-odata/s2_l1c_europe_top200.json"),
    Recording("cdse", "cdse-odata/s1c_grd_2026_assets_attributes_locations.json"),
    Recording("creodias", "cdse-odata/creodias_s1_grd_2014_zero_length.json"),
    Recording("cdse-stac", "cdse-stac/v1/items_sentinel-2-l2a_10_6fb496_8.json"),
    Recording("cdse-stac", "cdse-stac/v1/search_sentinel-3-sl-2-lst-ntc_4_15db1f_2.json"),
    Recording("earth-search", "other/earth_search_v1.json"),
    Recording("geodes", "geodes/geodes_search_peps_s2_l1c.json"),
    Recording("dhus", "dhus/opensearch/chain290_rows100_start000.json"),
    Recording("noa", "cdse-odata/s1c_grd_2026_assets_attributes_locations.json"),
    Recording("stac", "cdse-stac/v1/items_sentinel-2-l2a_10_6fb496_8.json"),
]


@pytest.mark.skipif(not SHARED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
@pytest.mark.parametrize("recording", RECORDINGS, ids=lambda each: f"{each.archive}-{Path(each.search).stem}")
async def test_a_recorded_search_is_read(recording, body):
    web = FakeWeb(lambda *_: body)
    provider = made(find(recording.archive), web)
    page = await provider.page(Slice(query=Query(provider=recording.archive), interval=TimeInterval()), 0, count=True)
    reply = json.loads(body)
    told = reply["feed"]["entry"] if "feed" in reply else reply.get("value", reply.get("features"))
    assert len(page.products) == len(told)
    assert len({product.id for product in page.products}) == len(page.products)
    for product in page.products:
        safe_path(product.name)
        assert product.provider == recording.archive
        assert product.start is not None
        assert product.end is not None
        assert product.footprint is not None
    assert len(web.asked) == 1


@pytest.mark.skipif(not SHARED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem[:60])
async def test_the_assets_of_a_recorded_item_have_names_that_are_safe_and_their_own(path, item):
    found = json.loads(item)
    provider = made(find("stac"), FakeWeb(lambda *_: item))
    product = Product(id=found["id"], name=found["id"], provider="stac", collection=found["collection"])
    objects = await provider.objects(product, Wish())
    assert objects
    names = [obj.path for obj in objects]
    assert collisions(each for name in names for each in (name, f"{name}.part")) is None
    for obj in objects:
        safe_path(obj.path)
        assert obj.location.startswith("https://")
        assert not obj.path.startswith(f"{found['id']}.S"), "below the product's own folder, not in another of its name"


class Bucket:
    """S3, with keys."""

    def url(self, bucket, key):
        return f"https://{bucket}.s3.example/{key}"


@pytest.mark.skipif(not SHARED.is_dir(), reason="no recordings here: set SKYHAUL_SHARED_DATA")
@pytest.mark.parametrize("path", ITEMS, ids=lambda path: path.stem[:60])
async def test_with_keys_the_files_of_a_recorded_item_come_by_s3_and_not_again_in_a_zip_behind_a_login(path, item):
    found = json.loads(item)
    hrefs = [
        each["href"] for asset in found["assets"].values() for each in (asset, *asset.get("alternate", {}).values())
    ]
    settings = replace(find("stac").settings, url="https://archive.example/v1")
    means = Means(
        archive="stac",
        web=FakeWeb(lambda *_: item),
        settings=settings,
        sources={"http": None, "s3": None},
        lister=Bucket() if any(href.startswith("s3://") for href in hrefs) else None,
    )
    product = Product(id=found["id"], name=found["id"], provider="stac", collection=found["collection"])
    objects = await find("stac").make(means).provider.objects(product, Wish())
    assert {obj.route for obj in objects} == ({"s3"} if means.lister else {"http"})


async def test_recorded_items_of_geodes_are_one_zip_each(shared_data):
    text = await to_thread.run_sync((shared_data / "geodes/dataframe_90_items.json").read_bytes)
    dataframe = json.loads(text)
    items = [each["properties"]["item"] for each in dataframe["features"]]
    provider = made(find("geodes"), FakeWeb(lambda *_: features(*items, context={"matched": len(items)})))
    page = await provider.page(Slice(query=Query(), interval=TimeInterval()), 0, count=True)
    assert len(page.products) == 90
    for product in page.products:
        assert product.name.startswith("S1")
        assert product.size
        assert product.checksums


# The embedded archive speaks all of the dialects.


@pytest.fixture(scope="module")
def served():
    unhurried = [f"{name}={json.dumps(value)}" for name, value in UNHURRIED.items()]
    with simulated(*WORLD, *(word for setting in unhurried for word in ("--set", setting))) as archive:
        yield archive


@dataclass(frozen=True, slots=True)
class Case:
    """How an archive is asked for the Sentinel-2 L1C or L2A of a month.

    ``refuses`` are options that it cannot be asked, nor shows in its answers; ``scenario`` is how the embedded one is played.
    """

    archive: str
    collection: str
    level: str = "L2A"
    types: tuple[str, ...] = ()
    url: str | None = None
    via: str = "auto"
    refuses: frozenset[str] = frozenset()
    scenario: Mapping[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return " ".join([self.archive, *self.scenario])


OFFLINE_UNTOLD = frozenset({"online"})

CASES = [
    Case("cdse", "SENTINEL-2", types=("S2MSI2A",)),
    Case("creodias", "SENTINEL-2", types=("S2MSI2A",)),
    Case("cdse-stac", "sentinel-2-l2a", refuses=OFFLINE_UNTOLD),
    Case("stac", "sentinel-2-l2a", url="stac_url", refuses=OFFLINE_UNTOLD),
    Case("stac", "sentinel-2-l2a", url="stac_url", refuses=OFFLINE_UNTOLD, scenario={"stac_merge": True}),
    Case("stac", "sentinel-2-l2a", url="stac_url", refuses=OFFLINE_UNTOLD, scenario={"stac_posts": False}),
    Case("earth-search", "sentinel-2-l2a"),
    Case("planetary-computer", "sentinel-2-l2a"),
    Case("geodes", "PEPS_S2_L1C", level="L1C"),
    Case("noa", "SENTINEL-2", types=("S2MSI2A",)),
    Case("dhus", "SENTINEL-2", types=("S2MSI2A",), refuses=OFFLINE_UNTOLD),
    Case("resto", "SENTINEL-2", types=("S2MSI2A",)),
]


@dataclass(frozen=True, slots=True)
class Asker:
    """Asks one archive of those that are served."""

    served: Archive
    case: Case
    folder: Path

    @asynccontextmanager
    async def haul(self, **options: Any) -> AsyncIterator[runtime.Haul]:
        told, account = await to_thread.run_sync(self._told, options)
        async with runtime.opened(told, account) as haul:
            yield haul

    def _told(self, options: dict[str, Any]) -> tuple[settings.Settings, credentials.Credentials]:
        environ = {
            **self.served.environment,
            **{
                f"SKYHAUL_PROVIDERS__{name.replace('-', '_').upper()}__{key.upper()}": address
                for name, urls in self.served.addresses["providers"].items()
                for key, address in urls.items()
            },
            "STAC_S3_ACCESS_KEY": self.served.environment["CDSE_S3_ACCESS_KEY"],
            "STAC_S3_SECRET_KEY": self.served.environment["CDSE_S3_SECRET_KEY"],
            "SKYHAUL_PROVIDERS__STAC__S3_URL": self.served.environment["SKYHAUL_PROVIDERS__CDSE__S3_URL"],
        }
        if self.case.url:
            options = {**options, "url": self.served.addresses[self.case.url]}
        given = {"provider": self.case.archive, "start": "2024-04-01", "end": "2024-04-30", **options}
        told = settings.load(given, environ=environ, folder=self.folder, user_file=self.folder / "none.toml")
        who = find(self.case.archive).account
        account = credentials.load(
            told.provider.token_url, account=who, environ=environ, folder=self.folder, keyring=False
        )
        return told, account

    async def found(self, **options: Any) -> list[Product]:
        wanted = {"collection": self.case.collection, "product_type": self.case.types, **options}
        async with self.haul(**wanted) as haul:
            return [product async for product in haul.search()]

    async def count(self, **options: Any) -> int:
        wanted = {"collection": self.case.collection, "product_type": self.case.types, **options}
        async with self.haul(**wanted) as haul:
            return await haul.count()


@pytest.fixture(params=CASES, ids=str)
def asker(request, served, tmp_path):
    served.play(**request.param.scenario)
    return Asker(served, request.param, tmp_path)


@pytest.fixture
async def known(served, asker, tmp_path):
    """What there is, by the catalogue of the Copernicus Data Space."""
    case = Case("cdse", "SENTINEL-2", types=("S2MSI1C" if asker.case.level == "L1C" else "S2MSI2A",))
    return await Asker(served, case, tmp_path).found()


def same(product: Product) -> tuple[object, ...]:
    """What is the same of a product wherever it is found, though names and ids may not be."""
    tile = re.search(r"_T(\d\d[A-Z]{3})_", product.name)
    return product.start, tile[1] if tile else product.attributes["tileId"]


async def test_everything_is_found_and_nothing_twice(asker, known):
    found = await asker.found()
    assert len(known) > 5
    assert sorted(map(same, found)) == sorted(map(same, known))
    assert len({product.id for product in found}) == len(found)
    assert {product.provider for product in found} == {asker.case.archive}


async def test_counting_is_finding(asker, known):
    assert await asker.count() == len(known)
    cloudy = [product for product in known if product.attributes["cloudCover"] <= 40]
    assert 0 < len(cloudy) < len(known)
    assert await asker.count(cloud_max="40") == len(cloudy)


@pytest.mark.parametrize("order_by", ["start", "-start"])
async def test_a_limit_takes_the_first(asker, known, order_by):
    found = await asker.found(limit=3, order_by=order_by)
    starts = sorted((product.start for product in known), reverse=order_by == "-start")
    assert [product.start for product in found] == starts[:3]


@pytest.mark.parametrize(
    "options",
    [
        {"tile": "32TQR"},
        {"cloud_max": "30", "cloud_min": "5"},
        {"platform": "S2A"},
        {"relative_orbit": "22"},
        {"baseline": ">=05.00"},
        {"rule": ["relative_orbit=22,cloud_max=30", "tile=32TQR,baseline=05.10"]},
        {"bbox": "10,44,12,46"},
        {"where": ["cloudCover<=20"]},
        {"start": "2024-04-10T10:00:00Z", "end": "2024-04-20T12:00:00Z"},
    ],
    ids=str,
)
async def test_a_filter_finds_the_same_wherever_it_is_applied(asker, served, tmp_path, options):
    case = Case("cdse", "SENTINEL-2", types=("S2MSI1C" if asker.case.level == "L1C" else "S2MSI2A",))
    known = await Asker(served, case, tmp_path).found(**options)
    assert known
    if set(options) & asker.case.refuses:
        with pytest.raises(SettingsError, match=next(iter(options))):
            await asker.found(**options)
        return
    assert sorted(map(same, await asker.found(**options))) == sorted(map(same, known))


async def test_a_collection_that_is_not_there_is_refused(asker):
    with pytest.raises(SettingsError, match="MOON"):
        await asker.found(collection="MOON")


async def test_busy_hosts_and_broken_pages_cost_nothing_but_time(asker, known, served):
    served.play(
        {"kind": "status", "route": "*", "status": 503, "nth": 2},
        {"kind": "error-page", "route": "*.search", "nth": 2},
        {"kind": "error-page", "route": "*.products", "nth": 2},
        **asker.case.scenario,
    )
    assert sorted(map(same, await asker.found())) == sorted(map(same, known))


async def test_a_product_is_downloaded_and_verified(asker, known, tmp_path):
    case = asker.case
    wanted = {"collection": case.collection, "product_type": case.types, "limit": 1, "via": case.via, "online": True}
    if "online" in case.refuses:
        wanted = {"name": next(product.name for product in known if product.online)}
    async with asker.haul(**wanted, into=tmp_path / "archive") as haul:
        report = await haul.download()
    assert (report.exit_code, report.verified) == (0, 1), report.failures
    [name] = [each.name for each in (tmp_path / "archive").iterdir() if not each.name.startswith(".")]
    assert name.startswith("S2")
    assert any(path.is_file() for path in (tmp_path / "archive" / name).rglob("*"))
    async with asker.haul(**wanted, into=tmp_path / "archive") as haul:
        again = await haul.download()
    assert (again.exit_code, again.present) == (0, 1)
