"""Every rung of the integrity ladder by every route: a byte that came wrong is fetched again, or the product fails and has no name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from msgspec import structs

from skyhaul.model import Checksum, Product
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import engine
from support.assemblies import Archive, assemble, manifest_of, noise, sentinel_2, tree_of

GOOD = sentinel_2()
BODY = noise("single", 400)
PREVIEW = "HTML/preview.png"
"""The file that no manifest lists."""


def digest(algorithm: str, body: bytes) -> str:
    found = digests.NEW[algorithm]()
    found.update(body)
    return found.hexdigest()


def catalogue(algorithm: str) -> Callable[[bytes], Checksum]:
    return lambda body: Checksum(algorithm=algorithm, value=digest(algorithm, body))


def multihash(prefix: str, algorithm: str) -> Callable[[bytes], Checksum]:
    """What STAC says; where the algorithm is another than the prefix means, CDSE has been seen to say so."""

    def stated(body: bytes) -> Checksum:
        found = digests.of_multihash(prefix + digest(algorithm, body))
        assert found is not None
        return found

    return stated


CATALOGUE = {
    **{algorithm.lower(): (catalogue(algorithm), algorithm.lower()) for algorithm in digests.NEW},
    "multihash sha1": (multihash("1114", "SHA-1"), "sha-1"),
    "multihash sha2-256": (multihash("1220", "SHA-256"), "sha-256"),
    "multihash sha3-512": (multihash("1440", "SHA3-512"), "sha3-512"),
    "multihash blake3": (multihash("1e20", "BLAKE3"), "blake3"),
    "multihash md5": (multihash("d50110", "MD5"), "md5"),
    "multihash sha3, called md5": (multihash("d50120", "SHA3-256"), "sha3-256"),
    "multihash md5, called sha3": (multihash("1610", "MD5"), "md5"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rung:
    """What vouches for a product: how it is made, the level it reaches, and which of its objects are broken."""

    made: Callable[[Archive], Product]
    level: str
    route: str
    multipart: bool = False
    broken: Callable[[str, bytes], bool] = lambda _path, _body: True
    within: Callable[[bytes], range] = lambda body: range(len(body))
    """The bytes of an object that are broken."""


def with_sha3() -> dict[str, bytes]:
    """The files under a manifest of Sentinel-2 as it is from N0301 on."""
    text = manifest_of(GOOD)
    for body in GOOD.values():
        old = hashlib.md5(body).hexdigest().upper().encode()
        text = text.replace(
            b'checksumName="MD5">' + old, b'checksumName="SHA3-256">' + digest("SHA3-256", body).encode()
        )
    return {"manifest.safe": text, **GOOD}


def listed(path: str, _body: bytes) -> bool:
    return not path.endswith(("manifest.safe", PREVIEW))


def inside(body: bytes) -> range:
    """Bytes of a member of a zip that is stored."""
    start = body.index(next(iter(GOOD.values())))
    return range(start, start + len(next(iter(GOOD.values()))))


def tree(**more: Any) -> Callable[[Archive], Product]:
    return lambda archive: archive.tree(**more)


RUNGS: dict[str, Rung] = {
    **{
        f"{name}, {route} {shape}": Rung(made=made, level=level, route=route, multipart=True)
        for name, (stated, level) in CATALOGUE.items()
        for route, shape, made in (
            ("http", "zip", lambda archive, stated=stated: _stated(archive.tree(), archive, stated)),
            ("http", "file", lambda archive, stated=stated: archive.single(body=BODY, checksums=(stated(BODY),))),
            ("s3", "file", lambda archive, stated=stated: archive.single(body=BODY, checksums=(stated(BODY),))),
        )
    },
    "manifest md5, s3 tree": Rung(made=tree(), level="manifest", route="s3", multipart=True, broken=listed),
    "manifest sha3, s3 tree": Rung(
        made=tree(files=with_sha3()), level="manifest", route="s3", multipart=True, broken=listed
    ),
    "manifest, http zip": Rung(made=tree(checksums=()), level="manifest", route="http", within=inside),
    "etag, s3 tree with a manifest": Rung(made=tree(), level="manifest", route="s3"),
    "etag, s3 tree": Rung(made=tree(files=GOOD), level="etag", route="s3"),
    "etag, s3 file": Rung(made=lambda archive: archive.single(body=BODY, checksums=()), level="etag", route="s3"),
    "crc, http zip": Rung(made=tree(files=GOOD, checksums=()), level="zip", route="http", within=inside),
}


def _stated(product: Product, archive: Archive, stated: Callable[[bytes], Checksum]) -> Product:
    (body,) = archive.sources["http"].bodies.values()
    return structs.replace(product, checksums=(stated(body),))


class Served(dict[str, bytes]):
    """Bodies of which one comes with a byte wrong, ``times`` times."""

    def __init__(self, bodies: dict[str, bytes], path: str, at: int, times: float) -> None:
        super().__init__(bodies)
        self.path, self.at, self.left = path, at, times

    def __getitem__(self, path: str) -> bytes:
        body = super().__getitem__(path)
        if path != self.path or self.left <= 0:
            return body
        self.left -= 1
        return body[: self.at] + bytes([body[self.at] ^ 1]) + body[self.at + 1 :]


def broken_at(rung: Rung) -> list[tuple[str, int]]:
    """A byte of each object that is broken: the first, one in the middle, or the last, by turns."""
    archive = Archive(route=rung.route, multipart=rung.multipart)
    rung.made(archive)
    objects = [(path, body) for path, body in archive.sources[rung.route].bodies.items() if rung.broken(path, body)]
    turn = list(RUNGS.values()).index(rung)
    within = [(path, rung.within(body)) for path, body in objects]
    return [(path, (each[0], each[len(each) // 2], each[-1])[(turn + n) % 3]) for n, (path, each) in enumerate(within)]


@pytest.fixture(autouse=True, params=[engine.SMALL_BYTES, 20], ids=["in memory", "in parts"])
def _small_bytes(request, monkeypatch):
    monkeypatch.setattr(engine, "SMALL_BYTES", request.param)


@pytest.fixture(params=[pytest.param(rung, id=name) for name, rung in RUNGS.items()])
def rung(request):
    return request.param


async def run(destination, rung, path=None, at=0, times=0.0):
    archive = Archive(route=rung.route, multipart=rung.multipart)
    product = rung.made(archive)
    source = archive.sources[rung.route]
    source.bodies = Served(source.bodies, path, at, times)
    done = await assemble(destination, archive, product)
    (result,) = done.results.values()
    return result, tree_of(destination)


async def test_what_comes_right_reaches_its_level(tmp_path, rung):
    result, _ = await run(tmp_path, rung)
    assert (result.state, result.level) == ("verified", rung.level), result


async def test_a_byte_that_is_wrong_once_is_fetched_again(tmp_path, rung):
    _, right = await run(tmp_path / "right", rung)
    for number, (path, at) in enumerate(broken_at(rung)):
        result, found = await run(tmp_path / str(number), rung, path, at, 1)
        assert result.state == "verified", (path, at, result)
        assert found == right, (path, at)


async def test_a_byte_that_stays_wrong_is_a_failure(tmp_path, rung):
    for number, (path, at) in enumerate(broken_at(rung)):
        result, found = await run(tmp_path / str(number), rung, path, at, float("inf"))
        assert (result.state, result.kind) == ("failed", "IntegrityError"), (path, at, result)
        assert found == {}, (path, at)


async def test_what_only_its_length_vouches_for_says_so_and_may_be_refused(tmp_path):
    archive = Archive(route="s3", multipart=True)
    product = archive.single(body=BODY, checksums=())
    done = await assemble(tmp_path / "taken", archive, product)
    assert [result.level for result in done.results.values()] == ["length"]
    done = await assemble(tmp_path / "refused", archive, product, require_verified=True)
    assert [(result.state, result.kind) for result in done.results.values()] == [("failed", "Unverifiable")]


@pytest.mark.parametrize("change", [-1, 1])
async def test_a_length_that_is_wrong_is_seen_where_nothing_else_vouches(tmp_path, change):
    archive = Archive(route="s3", multipart=True)
    product = archive.single(body=BODY, checksums=())
    source = archive.sources["s3"]
    source.bodies = {path: (body + b"x")[: len(body) + change] for path, body in source.bodies.items()}
    done = await assemble(tmp_path, archive, product)
    assert [result.state for result in done.results.values()] == ["failed"]
    assert tree_of(tmp_path) == {}
