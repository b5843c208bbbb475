"""A product put together: what an earlier run left, its objects, its files below the destination.

A product is assembled in ``<destination>/.skyhaul/incoming/<id>`` and gets its final name when all of it is verified: a product folder
that is there is whole.
"""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import sha256
from math import inf
from pathlib import Path, PurePosixPath

from anyio import to_thread

from skyhaul.errors import CatalogueError, IntegrityError, RemoteError, SettingsError, UnsafeName, Unverifiable
from skyhaul.events import AttemptFailed, Meter, ProductExpanded
from skyhaul.journal import FOLDER, Journal, KnownFile, KnownProduct
from skyhaul.limits import Allowance
from skyhaul.model import Checksum, Failed, Outcome, Product, ProductResult, RemoteObject
from skyhaul.pipeline import Job
from skyhaul.protocols import SMALL_BYTES, Emit, Provider, Wish
from skyhaul.retry import RetryPolicy
from skyhaul.transfer import checksum as digests
from skyhaul.transfer import manifest
from skyhaul.transfer.ahead import Ahead
from skyhaul.transfer.engine import Engine, Transfer
from skyhaul.transfer.layout import check_names, product_path, safe_path
from skyhaul.transfer.sink import publish, writing
from skyhaul.transfer.space import Space, room_bytes
from skyhaul.transfer.there import check_whole, has, intact, taken, vouched
from skyhaul.transfer.unpack import is_zip, unpack

LEVELS = (*(name.lower() for name in digests.NEW), "manifest", "etag", "zip", "length")
"""How a file can have been verified, strongest first."""

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What is wanted of every product, and where it goes."""

    destination: Path
    wish: Wish
    layout: str = "{name}"
    extract: bool = True
    keep_archive: bool = False
    require_verified: bool = False

    @property
    def key(self) -> str:
        """What the journal compares: results of the same key are the same files."""
        if self.wish.whole and self.extract:
            return "whole"
        return repr((sorted(self.wish.only), sorted(self.wish.exclude), self.extract))


@dataclass(frozen=True, slots=True, kw_only=True)
class Assembly:
    """The craft of the line (see :class:`skyhaul.pipeline.Craft`) for one destination."""

    order: Order
    provider: Provider
    engine: Engine
    journal: Journal
    space: Space
    allowance: Allowance
    retry: RetryPolicy
    emit: Emit
    meter: Meter
    login: Callable[[str], Awaitable[None]] | None = None
    known: dict[str, Mapping[str, KnownFile]] = field(default_factory=dict)
    ahead: dict[str, Ahead] = field(default_factory=dict)
    places: dict[PurePosixPath, str] = field(default_factory=dict)
    """Whose the places of products under way are."""

    async def present(self, product: Product) -> ProductResult | None:
        """The result of an earlier run, if its files are still there; what the journal does not know is verified again."""
        known = await self.journal.known(product.id)
        found = await (self._adopted(product) if known.state is None else self._kept(product, known))
        if found is None:
            self.known[product.id] = known.objects
        return found

    async def _kept(self, product: Product, known: KnownProduct) -> ProductResult | None:
        """A product that reached a state."""
        if known.state != "verified" or known.wish not in {"whole", self.order.key}:
            return None
        place = self.order.destination / known.path

        def there() -> bool:
            with writing(place):
                if place.is_file():
                    return [size for _, size in known.files] == [place.stat().st_size]
                return bool(known.files) and all(has(place / path, size) for path, size in known.files)

        if not await self.engine.hands.do(there):
            return None
        size = sum(size for _, size in known.files)
        return ProductResult(id=product.id, name=product.name, state="present", path=known.path, bytes=size)

    async def _adopted(self, product: Product) -> ProductResult | None:
        """A product that is there although the journal does not know it: its journal was deleted, or the process killed too early."""
        if not self.order.wish.whole:
            return None
        path = self._path(product)
        place = self.order.destination / path
        if not await self.engine.hands.do(taken, place):
            return None
        level, files = await to_thread.run_sync(intact, place, product)
        if level is None:
            return None
        await to_thread.run_sync(self._clear, product)
        result = ProductResult(
            id=product.id,
            name=product.name,
            state="verified",
            path=str(path),
            bytes=sum(size for _, size in files),
            level=level,
        )
        self._record(result, files)
        return replace(result, state="present")

    async def expand(self, product: Product) -> Job:
        """The product's objects, with the digests that its manifest states: the manifest itself is fetched here."""
        path = self._path(product)
        self.meter.expanding += 1
        try:
            self._check_free(path, product, self.places.setdefault(path, product.id))
            return await self._expanded(product, path)
        except BaseException:
            self.known.pop(product.id, None)
            self._leave(path, product)
            raise
        finally:
            self.meter.expanding -= 1

    def _check_free(self, path: PurePosixPath, product: Product, owner: str | None) -> None:
        if owner not in {None, product.id}:
            raise UnsafeName(
                f"{product.name}: product {owner} has the same name and the same place, {path}; "
                "--layout '{id}/{name}' keeps them apart, and if the other is not wanted any more, remove it"
            )

    def _leave(self, path: PurePosixPath, product: Product) -> None:
        if self.places.get(path) == product.id:
            del self.places[path]

    async def _expanded(self, product: Product, path: PurePosixPath) -> Job:
        async def once() -> Sequence[RemoteObject]:
            await self.allowance.request()
            return await self.provider.objects(product, self.order.wish)

        objects = await self.retry.call(once)
        if objects[0].route == "http" and self.login is not None and not objects[0].mirrors:
            await self.login(objects[0].location)  # a refused login ends the run here, not product by product
        check_names(objects)
        archive = path.with_name(PurePosixPath(objects[0].path).name) if objects[0].archive else path
        final = path if self.order.extract else archive
        places = [self.order.destination / final, self.order.destination / archive, self._folder(product)]
        there = await self.engine.hands.do(self._there, places)
        if there[0]:
            self._check_free(final, product, await self.journal.owner(str(final)))
        job = Job(product=product, path=path, objects=objects, fresh=not any(there))
        first = next((obj for obj in objects if obj.manifest), None)
        if first is not None:
            await self._state(job, first)
        sizes = [obj.size for obj in job.objects]
        known = self.known.get(product.id, {})
        room = room_bytes(objects, product.size, known.values(), extract=self.order.extract)
        await self.space.reserve(product.id, room)
        self.emit(
            ProductExpanded(
                product=product.id,
                name=product.name,
                route=objects[0].route,
                objects=len(objects),
                bytes=None if None in sizes else sum(size or 0 for size in sizes),
                size=product.size,
            )
        )
        return job

    async def _state(self, job: Job, first: RemoteObject) -> None:
        """Fetch the manifest, and give the other objects the digests in it. Without it the product has failed."""
        outcome = await self.carry_out(job, first)
        job.outcomes.append(outcome)
        if isinstance(outcome, Failed):
            job.objects = [first]
            return
        places = (self._tree(job.product) / first.path, self.order.destination / job.path / first.path)

        def stated() -> list[RemoteObject]:
            with writing(places[0]):
                body = next(place for place in places if place.is_file()).read_bytes()
            return manifest.with_manifest(job.objects, body, self.order.wish, job.product.name)

        with self._distrusting(job.product, first):
            job.objects = await to_thread.run_sync(stated)

    async def carry_out(self, job: Job, obj: RemoteObject) -> Outcome:
        """Bring one object to the product's staging folder."""
        inside = safe_path(obj.path)
        if obj.archive and not obj.ranges and self.order.extract:
            self.ahead[job.product.id] = Ahead(self._tree(job.product))
        return await self.engine.carry_out(
            Transfer(
                product=job.product.id,
                name=job.product.name,
                obj=obj,
                staged=(self._folder(job.product) if obj.archive else self._tree(job.product)) / inside,
                final=self.order.destination / (job.path.with_name(inside.name) if obj.archive else job.path / inside),
                known=self.known.get(job.product.id, {}).get(obj.path),
                follower=self.ahead.get(job.product.id),
                doubt=partial(self._stated_again, job.product, obj),
                fresh=job.fresh,
            )
        )

    async def _stated_again(self, product: Product, obj: RemoteObject) -> Sequence[Checksum]:
        """The digests that the catalogue has now: those of fresh products come late, and some were wrong at first."""
        checksum = digests.strongest(obj.checksums)
        if checksum is None or checksum.origin != "catalogue":
            return ()
        try:
            if obj.archive:
                page = await self.retry.call(lambda: self.provider.named((product.name,)))
                return next((each.checksums for each in page.products if each.id == product.id), ())
            objects = await self.retry.call(lambda: self.provider.objects(product, self.order.wish))
        except (RemoteError, CatalogueError, SettingsError):  # of these, a list of files: it has no catalogue
            return ()
        stated = next((each.checksums for each in objects if each.path == obj.path), ())
        return [each for each in stated if each.origin == "catalogue"]

    async def finish(self, job: Job) -> ProductResult:
        """Publish the product, or say what kept it from being whole. An archive that proves broken is fetched once more.

        Raises:
            IntegrityError: its archive is broken, or it could not be verified as asked.
            SinkError: the disk refuses.
        """
        self.known.pop(job.product.id, None)
        try:
            return await self._finished(job)
        except IntegrityError as error:
            if not job.objects[0].archive or isinstance(error, UnsafeName | Unverifiable):
                raise
            self.emit(
                AttemptFailed(
                    host=job.objects[0].route, what=job.product.name, kind=error.kind, error=str(error), wait_s=0.0
                )
            )
            await to_thread.run_sync(self._clear, job.product)
            job.outcomes = [await self.carry_out(job, job.objects[0])]
            return await self._finished(job)
        finally:
            self.space.release(job.product.id)
            self._leave(job.path, job.product)

    async def _finished(self, job: Job) -> ProductResult:
        ahead = self.ahead.pop(job.product.id, None)
        result = ProductResult(
            id=job.product.id,
            name=job.product.name,
            state="failed",
            seconds=time.monotonic() - job.started_s,
            attempts=max((outcome.attempts for outcome in job.outcomes), default=0),
        )
        if job.failures:
            first = job.failures[0]
            more = f" (and {len(job.failures) - 1} more files)" if len(job.failures) > 1 else ""
            return replace(result, kind=first.kind, error=first.error + more)
        with self._distrusting(job.product, job.objects[0]):
            hop = self.engine.hands.do if _brief(job.objects) else to_thread.run_sync
            path, level, files = await self.space.insist(partial(hop, self._published, job, ahead))
        size = sum(size for _, size in files)
        done = replace(result, state="verified", path=str(path), bytes=size, level=level)
        return self._record(done, files if job.objects[0].archive else ())

    @contextmanager
    def _distrusting(self, product: Product, obj: RemoteObject) -> Iterator[None]:
        """If what is in an archive or a manifest turns out to be wrong, the next run does not take it as it is."""
        try:
            yield
        except IntegrityError:
            if obj.archive or obj.manifest:
                self.journal.forget(product.id, obj.path)
            raise

    def _record(self, result: ProductResult, files: Sequence[tuple[str, int]]) -> ProductResult:
        """Note a product, and the files it has where they are not those that were transferred."""
        if files:
            self.journal.forget(result.id)
        for path, size in files:
            self.journal.whole(result.id, path, size=size, etag=None, checksum=None, level=result.level or "length")
        self.journal.product(result, self.order.key)
        return result

    def _published(self, job: Job, ahead: Ahead | None) -> tuple[PurePosixPath, str, list[tuple[str, int]]]:
        """Where the product is now, the level that covers all of it, its files. On a thread."""
        self.journal.check_there()
        tree, final = self._tree(job.product), self.order.destination / job.path
        levels = [outcome.level for outcome in job.verified]
        if job.objects[0].archive:
            with writing(final):
                path, level, files = self._from_archive(job, levels[0], ahead)
        else:
            path, files = job.path, [(outcome.path, outcome.size) for outcome in job.verified]
            # The manifest vouches for what it lists; what it leaves out (itself, previews, schemas) nobody vouches for.
            level = "manifest" if job.objects[0].manifest and "manifest" in levels else max(levels, key=LEVELS.index)
            self._enough(
                level,
                [each.path for each in job.verified if each.level == "length" and each.path != job.objects[0].path],
            )
            check_whole(files, tree, final)
            if tree.exists():
                publish(tree, final)
        self._clear(job.product)
        return path, level, files

    def _from_archive(
        self, job: Job, level: str, ahead: Ahead | None
    ) -> tuple[PurePosixPath, str, list[tuple[str, int]]]:
        tree, final = self._tree(job.product), self.order.destination / job.path
        archive = self._folder(job.product) / job.objects[0].path
        if not archive.is_file():
            archive = final.with_name(archive.name)  # kept by an earlier run
        if level == "length" and archive.suffix == ".zip" and not is_zip(archive):
            raise IntegrityError(f"{archive.name}: what came is no zip")
        if not is_zip(archive) or not self.order.extract:
            self._enough(level)
            name = job.path.with_name(archive.name)
            size = archive.stat().st_size
            publish(archive, self.order.destination / name)
            return name, level, [(name.name, size)]
        inside = unpack(archive, tree, verified=level != "length", taken=ahead.taken if ahead else None)
        files = [(str(path), (tree / path).stat().st_size) for path in inside]
        if level == "length":
            level = vouched(tree, job.product.name) or "zip"
        self._enough(level)
        publish(tree / job.path.name if inside == [PurePosixPath(job.path.name)] else tree, final)
        if self.order.keep_archive:
            publish(archive, final.with_name(archive.name + (".zip" if archive.name == final.name else "")))
        return job.path, level, files

    def _enough(self, level: str, unvouched: Sequence[str] = ()) -> None:
        """See that what nobody vouches for is wanted all the same: a product, or files that its manifest leaves out."""
        if self.order.require_verified and level == "length":
            raise Unverifiable("nothing but its length could be checked, and --require-verified is set")
        if self.order.require_verified and unvouched:
            raise Unverifiable(
                f"nothing but their length could be checked of {len(unvouched)} files that the manifest leaves out, such as "
                f"{unvouched[0]}, and --require-verified is set: --exclude leaves them out"
            )

    def _path(self, product: Product) -> PurePosixPath:
        path = product_path(product, self.order.layout)
        if path.parts[0].casefold() == FOLDER:
            raise UnsafeName(
                f"the archive names a product {product.name!r}, which is refused: {FOLDER} is the journal's"
            )
        return path

    def _there(self, places: Sequence[Path]) -> list[bool]:
        """Which of ``places`` below the destination, which has to be there itself, are taken. On a thread."""
        self.journal.check_there()
        return [place.exists() for place in places]

    def _clear(self, product: Product) -> None:
        """Remove what is left of putting a product together."""
        folder = self._folder(product)
        with writing(folder):
            shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, product: Product) -> Path:
        name = product.id if _ID.fullmatch(product.id) else sha256(product.id.encode()).hexdigest()
        return self.order.destination / FOLDER / "incoming" / name

    def _tree(self, product: Product) -> Path:
        return self._folder(product) / "tree"


def _brief(objects: Sequence[RemoteObject]) -> bool:
    """Whether it is a matter of two files' metadata to publish them."""
    return len(objects) == 1 and not objects[0].archive and (objects[0].size or inf) <= SMALL_BYTES
