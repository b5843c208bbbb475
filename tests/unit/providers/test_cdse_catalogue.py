from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from urllib.parse import parse_qs, urlsplit

import anyio
import msgspec
import pytest

from skyhaul.errors import CatalogueError, SettingsError
from skyhaul.model import Query, TimeInterval
from skyhaul.protocols import Slice
from skyhaul.providers.cdse import THREAD_BYTES, Cdse

ROOT = "https://catalogue.example/odata/v1"


@dataclass
class Answers:
    """A web that answers with what it was given, in order."""

    bodies: list[bytes]
    asked: list[str] = field(default_factory=list)
    posted: list[tuple[bytes, str]] = field(default_factory=list)

    async def get(self, url: str) -> bytes:
        self.asked.append(url)
        return self.bodies[len(self.asked) - 1]

    async def post(self, url: str, body: bytes, media_type: str) -> bytes:
        self.posted.append((body, media_type))
        return await self.get(url)

    def option(self, number: int, name: str) -> list[str]:
        return parse_qs(urlsplit(self.asked[number]).query)[name]


def page(*starts: str | None, **more: object) -> bytes:
    value = [
        {"Id": str(number), "Name": f"P{number}", "ContentDate": {"Start": start}}
        for number, start in enumerate(starts)
    ]
    return msgspec.json.encode({"value": value, **more})


def cdse(*bodies: bytes) -> tuple[Cdse, Answers]:
    answers = Answers(list(bodies))
    return Cdse(web=answers, catalogue_url=ROOT), answers


def part(**query: object) -> Slice:
    return Slice(query=Query(**query), interval=TimeInterval())


async def test_a_page():
    archive, answers = cdse(page("2024-04-01T00:00:00Z", **{"@odata.count": 1}))
    found = await archive.page(part(collection="SENTINEL-2"), 999, count=True)
    assert (found.total, found.products[0].collection, found.products[0].provider) == (1, "SENTINEL-2", "cdse")
    assert (answers.option(0, "$top"), answers.option(0, "$skip")) == (["1000"], ["999"])


async def test_a_large_page_is_the_same_page():
    archive, _ = cdse(page(*["2024-04-01T00:00:00Z"] * 5000))
    assert len(page(*["2024-04-01T00:00:00Z"] * 5000)) > THREAD_BYTES
    assert len((await archive.page(part(), 0, count=False)).products) == 5000


@pytest.mark.parametrize(("limit", "top"), [(5, "5"), (5000, "1000"), (None, "1000")])
async def test_a_limit_makes_pages_smaller(limit, top):
    archive, answers = cdse(page())
    await archive.page(part(limit=limit), 0, count=False)
    assert answers.option(0, "$top") == [top]


async def test_an_unknown_collection_is_refused_before_anything_is_asked():
    archive, answers = cdse()
    with pytest.raises(SettingsError, match="the collection 'Sentinel2' is unknown; did you mean SENTINEL-2"):
        await archive.page(part(collection="Sentinel2"), 0, count=False)
    assert answers.asked == []


async def test_the_extent_reaches_just_beyond_the_last():
    archive, answers = cdse(page("2024-04-01T00:00:00Z"), page("2024-05-01T00:00:00.5Z"))
    found = await archive.extent(Query(limit=7, order_by="published"))
    assert found == TimeInterval(
        start=datetime(2024, 4, 1, tzinfo=UTC), end=datetime(2024, 5, 1, 0, 0, 0, 500_001, tzinfo=UTC)
    )
    assert [answers.option(number, "$orderby") for number in (0, 1)] == [
        ["ContentDate/Start asc"],
        ["ContentDate/Start desc"],
    ]
    assert answers.option(0, "$top") == ["1"]


async def test_nothing_has_no_extent():
    archive, _ = cdse(page(), page())
    assert await archive.extent(Query()) is None


async def test_an_extent_needs_times():
    archive, _ = cdse(page(None), page(None))
    with pytest.raises(CatalogueError, match="P0 has no sensing time"):
        await archive.extent(Query())


async def test_names_are_posted_with_a_page_size():
    archive, answers = cdse(page("2024-04-01T00:00:00Z"))
    await archive.named(["A", "B"])
    assert answers.option(0, "$top") == ["1000"]
    assert answers.posted == [(b'{"FilterProducts":[{"Name":"A"},{"Name":"B"}]}', "application/json")]


async def test_assets_can_be_asked_for():
    archive, answers = cdse(page())
    await Cdse(web=archive.web, catalogue_url=ROOT, expand=("Attributes", "Assets")).page(part(), 0, count=False)
    assert answers.option(0, "$expand") == ["Attributes", "Assets"]


@dataclass
class Slow(Answers):
    """A web that counts what it is asked at one time."""

    in_flight: int = 0
    most: int = 0

    async def get(self, url: str) -> bytes:
        self.in_flight += 1
        self.most = max(self.most, self.in_flight)
        await anyio.lowlevel.checkpoint()
        self.in_flight -= 1
        return self.bodies[0]


async def test_no_more_pages_are_asked_for_at_once_than_the_archive_takes():
    web = Slow([page("2024-04-01T00:00:00Z")])
    archive = Cdse(web=web, catalogue_url=ROOT)
    async with anyio.create_task_group() as tasks:
        for skip in range(10):
            tasks.start_soon(lambda skip=skip: archive.page(part(), skip, count=False))
    assert web.most == Cdse.paging.concurrency
