from __future__ import annotations

import hashlib
import json
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

import skyhaul
from skyhaul import saved
from skyhaul.archives import Means, ProviderSettings
from skyhaul.credentials import Credentials
from skyhaul.errors import AccessDenied, ObjectMissing, SettingsError
from skyhaul.feed import Wanted
from skyhaul.model import Product, Query, TimeInterval
from skyhaul.protocols import Slice, Wish
from skyhaul.providers.listed import made
from skyhaul.sources import http
from skyhaul.sources.ranged import RangedSource
from support.scripted import Reply, scripted

BODY = bytes(range(256)) * 40
WISH = Wish()


@dataclass(frozen=True)
class Listed:
    key: str
    size: int
    etag: str


class Bucket:
    """A bucket with one object, and one whose key goes on from its."""

    async def listing(self, bucket, prefix):
        yield [Listed(prefix, 7, "d" * 32), Listed(f"{prefix}.aux", 9, "e" * 32)] if "gone" not in prefix else []

    def url(self, bucket, key):
        return f"https://s3.example.org/{bucket}/{key}"


@asynccontextmanager
async def provider(lister=None):
    async with http.opened() as plain:
        source = RangedSource(plain, route="http")
        yield made(
            Means(archive="list", web=plain, settings=ProviderSettings(), sources={"http": source}, lister=lister)
        ).provider


def product(text):
    (found,) = saved.parse(text, "list.txt").products
    return found


async def test_what_the_list_does_not_say_the_host_is_asked_for():
    async with scripted() as host, provider() as files:
        url = host.put("/a.tif", BODY)
        (obj,) = await files.objects(product(f"{url} md5:{'0' * 32}\n"), WISH)
        assert (obj.route, obj.location, obj.path, obj.size, obj.ranges) == ("http", url, "a.tif", len(BODY), True)
        assert obj.archive
        assert obj.checksums[0].value == "0" * 32
        assert [seen.headers["range"] for seen in host.seen] == ["bytes=0-0"]


async def test_a_host_without_ranges_and_an_empty_file():
    async with scripted() as host, provider() as files:
        (whole,) = await files.objects(product(host.put("/a.tif", BODY, Reply(ranges=False)) + "\n"), WISH)
        assert (whole.size, whole.ranges) == (len(BODY), False)
        (empty,) = await files.objects(product(host.put("/b.tif", b"") + "\n"), WISH)
        assert (empty.size, empty.ranges) == (None, False)


async def test_a_size_that_the_list_says_is_not_asked_for():
    text = (
        '<metalink xmlns="urn:ietf:params:xml:ns:metalink"><file name="b.tif"><size>3</size>'
        "<url>http://127.0.0.1:1/b.tif</url><url>http://127.0.0.1:2/b.tif</url><url>s3://x/b.tif</url></file></metalink>"
    )
    async with provider() as files:
        (obj,) = await files.objects(product(text), WISH)
        assert obj.size == 3
        assert obj.mirrors == ("http://127.0.0.1:2/b.tif",)


async def test_a_page_in_place_of_a_file_is_no_file():
    page = Reply(headers={"Content-Type": "text/html; charset=utf-8"}, body=b"<html>please log in</html>")
    async with scripted() as host, provider() as files:
        with pytest.raises(ObjectMissing, match=r"a\.tif: a page of type text/html came in its place"):
            await files.objects(product(host.put("/a.tif", BODY, page) + "\n"), WISH)
        (obj,) = await files.objects(product(host.put("/a.html", BODY, page) + "\n"), WISH)
        assert obj.size == len(page.body)


async def test_a_key_in_a_bucket():
    async with provider(Bucket()) as files:
        (obj,) = await files.objects(product("s3://bucket/deep/a.tif\n"), WISH)
        assert obj.route == "s3"
        assert obj.location == "https://s3.example.org/bucket/deep/a.tif"
        assert (obj.size, obj.checksums[0].origin) == (7, "etag")
        assert files.expected(product("s3://bucket/deep/a.tif\n"), WISH).route == "s3"
        with pytest.raises(ObjectMissing, match="there is nothing at s3://bucket/gone"):
            await files.objects(product("s3://bucket/gone.tif\n"), WISH)


async def test_a_key_without_keys():
    async with provider() as files:
        with pytest.raises(AccessDenied, match="needs S3 keys: set CDSE_S3_ACCESS_KEY"):
            await files.objects(product("s3://bucket/a.tif\n"), WISH)


async def test_there_is_nothing_to_search():
    async with provider() as files:
        with pytest.raises(SettingsError, match="skyhaul download --from FILE"):
            files.here(Query())
        with pytest.raises(SettingsError, match="skyhaul download --from FILE"):
            await files.page(Slice(query=Query(), interval=TimeInterval()), 0, count=False)
        with pytest.raises(SettingsError, match="is of no list"):
            await files.objects(Product(id="1", name="S2A.SAFE", provider="cdse"), WISH)


# the whole line


async def fetched(text, tmp_path, **options):
    found = saved.parse(text, "list.txt")
    async with skyhaul.open(provider="list", into=tmp_path / "into", credentials=Credentials(), **options) as haul:
        return await haul.download(Wanted(products=found.products, given=True))


async def test_a_list_is_downloaded_and_verified_by_what_it_says(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with scripted() as host:
        good = host.put("/x/a.tif", BODY)
        twin = host.put("/y/a.tif", BODY[:100])
        bad = host.put("/bad.tif", BODY)
        named = host.put("/z?", b"")
        rows = [
            f"{hashlib.sha256(BODY).hexdigest()}  {good}",
            twin,
            f"md5:{'0' * 32} {bad}",
            host.put("/z", b"zzz") + "?v=1",
            "  out=other.bin",
            "  dir=scenes",
        ]
        assert named
        report = await fetched("\n".join(rows) + "\n", tmp_path)
    assert (report.verified, report.failed) == (3, 1)
    assert [failure.name for failure in report.failures] == ["bad.tif"]
    assert report.levels == {"sha-256": 1, "length": 2}
    into = tmp_path / "into"
    assert (into / "x/a.tif").read_bytes() == BODY
    assert (into / "y/a.tif").read_bytes() == BODY[:100]
    assert (into / "scenes/other.bin").read_bytes() == b"zzz"
    assert not (into / "bad.tif").exists()


@pytest.mark.parametrize("at", [0, len(BODY) // 2, len(BODY) - 1], ids=["first", "middle", "last"])
@pytest.mark.parametrize("size", [len(BODY), 3_000_000], ids=["small", "large"])
async def test_a_wrong_byte_is_caught_by_the_digest_of_the_list(tmp_path, monkeypatch, at, size):
    """Once, it costs another read; where it stays, the digest is what the failure tells of: a list has no catalogue to be asked again."""
    monkeypatch.chdir(tmp_path)
    right = (BODY * (size // len(BODY) + 1))[:size]
    wrong = right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :]
    digest = hashlib.sha256(right).hexdigest()
    async with scripted() as host:
        once = host.put("/once.tif", right, Reply(), Reply(body=wrong))  # the first is asked for the size
        always = host.put("/always.tif", wrong)
        report = await fetched(f"{digest}  {once}\n{digest}  {always}\n", tmp_path)
        assert len([seen for seen in host.seen if seen.target == "/once.tif"]) == 3
    assert (report.verified, report.failed) == (1, 1)
    (failure,) = report.failures
    assert (failure.name, failure.kind) == ("always.tif", "IntegrityError")
    assert (tmp_path / "into/once.tif").read_bytes() == right


async def test_a_second_run_fetches_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with scripted() as host:
        text = f"{host.put('/a.tif', BODY)}?X-Amz-Signature=1\n"
        await fetched(text, tmp_path)
        host.seen.clear()
        report = await fetched(text.replace("Signature=1", "Signature=2"), tmp_path)
        assert (report.present, report.verified) == (1, 0)
        assert host.seen == []


async def test_a_mirror_serves_what_the_preferred_one_has_lost(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with scripted() as gone, scripted() as there:
        url = there.put("/a.tif", BODY)
        report = await fetched(f"{gone.root}/a.tif\t{url}\n", tmp_path)
        assert report.verified == 1
        assert gone.seen
    assert (tmp_path / "into" / "a.tif").read_bytes() == BODY


async def test_credentials_are_shown_to_no_other_host(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    async with scripted() as own, scripted() as other:
        token = json.dumps({"access_token": "t", "expires_in": 600, "refresh_token": "r", "refresh_expires_in": 600})
        own.put("/token", token.encode(), Reply(headers={"Content-Type": "application/json"}))
        for key in ("catalogue_url", "download_url", "stac_url"):
            monkeypatch.setenv(f"SKYHAUL_PROVIDERS__CDSE__{key.upper()}", own.root)
        monkeypatch.setenv("SKYHAUL_PROVIDERS__CDSE__TOKEN_URL", own.root + "/token")
        found = saved.parse(f"{own.put('/a.tif', BODY)}\n{other.put('/b.tif', BODY)}\n", "list.txt")
        account = Credentials(username="me", password="secret")
        async with skyhaul.open(provider="list", into=tmp_path / "into", credentials=account) as haul:
            report = await haul.download(Wanted(products=found.products, given=True))
        assert report.verified == 2
        assert other.seen
        assert not [seen for seen in other.seen if "authorization" in seen.headers]
        assert all(seen.headers.get("authorization") == "Bearer t" for seen in own.seen if seen.target == "/a.tif")
