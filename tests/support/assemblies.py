"""A small archive in memory, both its routes, and runs of the line that assemble its products on disk."""

from __future__ import annotations

import random
import zipfile
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, ClassVar

import anyio

from skyhaul import journal as journals
from skyhaul.assembly import Assembly, Order
from skyhaul.events import Event, Meter
from skyhaul.limits import Allowance
from skyhaul.model import Checksum, Product, ProductResult, RemoteObject
from skyhaul.pipeline import Line, unwrapped
from skyhaul.protocols import Page, Wish
from skyhaul.providers.eodata import Eodata
from skyhaul.providers.routes import Road
from skyhaul.sources.s3 import Listed
from skyhaul.transfer import checksum as digests
from skyhaul.transfer.engine import Engine
from skyhaul.transfer.space import Space
from support.engines import AT_ONCE
from support.scripted import MemorySource, md5

DOWNLOAD = "https://download/odata/v1"
EODATA = "https://eodata"


def noise(name: str, size: int = 200) -> bytes:
    return random.Random(name).randbytes(size)


def sentinel_2(tile: str = "32TQR") -> dict[str, bytes]:
    """The files of a product, without a manifest."""
    folder = f"GRANULE/L2A_T{tile}_A000001"
    return {
        f"{folder}/IMG_DATA/R10m/T{tile}_B04_10m.jp2": noise(f"{tile} B04", 300),
        f"{folder}/IMG_DATA/R10m/T{tile}_B08_10m.jp2": noise(f"{tile} B08", 310),
        f"{folder}/MTD_TL.xml": noise(f"{tile} MTD_TL", 50),
        "MTD_MSIL2A.xml": noise(f"{tile} MTD", 60),
    }


def manifest_of(files: Mapping[str, bytes]) -> bytes:
    streams = "".join(
        f'<byteStream size="{len(body)}"><fileLocation href="./{path}"/><checksum checksumName="MD5">{md5(body).upper()}</checksum>'
        "</byteStream>"
        for path, body in files.items()
    )
    return f'<x:XFDU xmlns:x="urn:ccsds:schema:xfdu:1">{streams}</x:XFDU>'.encode()


def with_manifest(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files, with a manifest that lists them, and a preview that it does not list."""
    return {"manifest.safe": manifest_of(files), **files, "HTML/preview.png": noise("preview", 40)}


def zipped(files: Mapping[str, bytes], top: str) -> bytes:
    memory = BytesIO()
    with zipfile.ZipFile(memory, "w") as archive:
        for path, body in files.items():
            # Of one time whenever it is made: a zip and its digest may be made on two sides of a second.
            archive.writestr(zipfile.ZipInfo(f"{top}/{path}" if top else path), body)
    return memory.getvalue()


def blake3(body: bytes) -> Checksum:
    found = digests.NEW["BLAKE3"]()
    found.update(body)
    return Checksum(algorithm="BLAKE3", value=found.hexdigest())


@dataclass(slots=True)
class Archive:
    """Products by both routes. ``multipart`` is whether the ETags of its objects are no MD5; nothing lists what is ``unlisted``."""

    route: str = "http"
    multipart: bool = False
    sources: dict[str, MemorySource] = field(default_factory=dict)
    keys: dict[str, bytes] = field(default_factory=dict)
    unlisted: set[str] = field(default_factory=set)
    stated_now: tuple[Product, ...] = ()

    name: ClassVar[str] = "cdse"

    def __post_init__(self) -> None:
        self.sources = {
            route: MemorySource(bodies={}, route=route, chunk_bytes=64)  # type: ignore[arg-type] # a route
            for route in ("http", "s3")
        }

    def tree(self, number: int = 1, files: Mapping[str, bytes] | None = None, **more: Any) -> Product:
        """Have a product that is a folder, and its zip."""
        name = f"S2A_MSIL2A_20240713T10103{number}_N0510_R022_T32TQR_20240713T160000.SAFE"
        files = with_manifest(sentinel_2()) if files is None else files
        archive = more.pop("archive", None) or zipped(files, more.pop("top", name))
        product = self._product(number, name, f"Sentinel-2/MSI/L2A/{name}", archive, **more)
        for path, body in files.items():
            self._key(f"Sentinel-2/MSI/L2A/{name}/{path}", body)
        return product

    def single(self, number: int = 7, name: str = "S5P_L2__NO2.nc", body: bytes | None = None, **more: Any) -> Product:
        """Have a product that is one object."""
        body = noise(name, 400) if body is None else body
        key = f"Sentinel-5P/{more.pop('key', name)}"
        self._key(key, body)
        return self._product(number, name, key, body, **more)

    def _product(self, number: int, name: str, key: str, archive: bytes, **more: Any) -> Product:
        self.sources["http"].bodies[f"{DOWNLOAD}/Products({number})/$value"] = archive
        given = {"checksums": (blake3(archive),), "size": len(archive), **more}
        return Product(id=str(number), name=name, provider="cdse", s3_path=f"eodata/{key}", **given)

    def _key(self, key: str, body: bytes) -> None:
        self.keys[key] = body
        self.sources["s3"].bodies[self.url("eodata", key)] = body
        self.sources["s3"].etags[self.url("eodata", key)] = self._etag(body)

    def _etag(self, body: bytes) -> str:
        return md5(body) + ("-2" if self.multipart else "")

    def url(self, bucket: str, key: str) -> str:
        return f"{EODATA}/{bucket}/{key}"

    async def listing(self, bucket: str, prefix: str) -> AsyncIterator[Sequence[Listed]]:
        for key, body in self.keys.items():
            if key.startswith(prefix) and key not in self.unlisted:
                yield [Listed(key=key, size=len(body), etag=self._etag(body))]

    async def named(self, names: Sequence[str]) -> Page:
        return Page(products=tuple(product for product in self.stated_now if product.name in names))

    async def objects(self, product: Product, wish: Wish) -> Sequence[RemoteObject]:
        road = Road(http=self.route == "http", s3=self.route == "s3" or not wish.whole)
        return await Eodata(download_url=DOWNLOAD, lister=self, road=road).objects(product, wish)

    @property
    def read(self) -> list[str]:
        """What was read since it was last asked, by name."""
        found = [path.rpartition("/")[2] for source in self.sources.values() for path, _ in source.reads]
        for source in self.sources.values():
            source.reads.clear()
        return found


@dataclass(slots=True)
class Assembled:
    """What a run came to."""

    results: dict[str, ProductResult] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)

    @property
    def states(self) -> dict[str, str]:
        return {name: result.state for name, result in self.results.items()}


async def assemble(destination: Path, archive: Archive, *products: Product, **order: Any) -> Assembled:
    """A run of the line over ``products``; ``only``, ``exclude`` and the fields of an order say what is wanted of each."""
    wish = Wish(only=order.pop("only", ()), exclude=order.pop("exclude", ()))
    done = Assembled()

    def settle(result: ProductResult) -> None:
        assert result.id not in done.results, "settled twice"
        done.results[result.id] = result

    with unwrapped():
        async with journals.opened(destination) as journal:
            meter = Meter()
            allowance = Allowance(connections=4, meter=meter)
            space = Space(destination, patience_s=0.0, emit=done.events.append)
            engine = Engine(
                sources=archive.sources,  # type: ignore[arg-type] # routes
                allowance=allowance,
                retry=AT_ONCE,
                journal=journal,
                space=space,
                meter=meter,
                emit=done.events.append,
            )
            craft = Assembly(
                order=Order(destination=destination, wish=wish, **order),
                provider=archive,  # type: ignore[arg-type] # of which only objects() is asked
                engine=engine,
                journal=journal,
                space=space,
                allowance=allowance,
                retry=AT_ONCE,
                emit=done.events.append,
                meter=meter,
            )
            line = Line(craft, workers={"http": 2, "s3": 4}, products_at_once=4, settle=settle)
            send, receive = anyio.create_memory_object_stream[Product](len(products))
            with send:
                for product in products:
                    send.send_nowait(product)
            await line.run(receive)
            assert not meter.flows
            assert not meter.expanding
    return done


def tree_of(folder: Path) -> dict[str, bytes]:
    """The files below a folder, the journal's own left out."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and ".skyhaul" not in path.relative_to(folder).parts
    }
