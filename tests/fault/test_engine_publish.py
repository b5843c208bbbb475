"""Publication struck at every call: a product folder that is there is whole, at every moment and after every refusal."""

from __future__ import annotations

import errno
import os
import threading

import pytest

from skyhaul.errors import SinkError
from skyhaul.pipeline import Stopped
from skyhaul.transfer import sink
from support.assemblies import Archive, assemble, sentinel_2, tree_of, with_manifest

FILES = with_manifest(sentinel_2())
ROUTES = pytest.mark.parametrize("route", ["http", "s3"])


class Striking:
    """Stands in for a call of the disk's, and looks at the world before each; refuses the n-th."""

    def __init__(self, nth, number, look):
        self.nth, self.number, self.look = nth, number, look
        self.calls = 0
        self.lock = threading.Lock()

    def of(self, call):
        def struck(*arguments, **named):
            with self.lock:
                self.calls += 1
                refused = self.calls == self.nth
            self.look()
            if refused:
                raise OSError(self.number, os.strerror(self.number))
            return call(*arguments, **named)

        return struck


def below(product, files):
    return {f"{product.name}/{path}": body for path, body in files.items()}


async def struck(destination, archive, product, call, striking, **order):
    """A run with one call struck; whether it came to its end."""
    owner = sink.Path if call in {"replace", "mkdir"} else sink.os
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(owner, call, striking.of(getattr(owner, call)))
        try:
            await assemble(destination, archive, product, **order)
        except (Stopped, SinkError) as refused:
            return refused.exit_code != 6
    return True


@pytest.mark.parametrize(("route", "number"), [("http", errno.ENOSPC), ("s3", errno.EIO)])
@pytest.mark.parametrize("call", ["fsync", "replace", "mkdir"])
async def test_a_product_is_whole_or_it_is_not_there(tmp_path, route, call, number):
    for nth in range(1, 80):
        archive = Archive(route)
        product = archive.tree()
        destination = tmp_path / f"{nth}"
        destination.mkdir()

        def look(destination=destination, product=product):
            assert tree_of(destination) in ({}, below(product, FILES))

        striking = Striking(nth, number, look)
        ended = await struck(destination, archive, product, call, striking)
        look()
        done = await assemble(destination, archive, product)
        assert done.states == {"1": "present" if ended else done.states["1"]}
        assert done.states["1"] in {"present", "verified"}
        assert tree_of(destination) == below(product, FILES)
        if ended:
            break
    assert striking.calls < nth > 1, "until there was no n-th call any more"


@pytest.mark.parametrize("call", ["fsync", "replace", "mkdir"])
async def test_files_that_join_a_product_are_whole(tmp_path, call):
    """A part of the product is there; the rest joins it, one whole file at a time."""
    for nth in range(1, 80):
        archive = Archive("s3")
        product = archive.tree()
        destination = tmp_path / f"{nth}"
        await assemble(destination, archive, product, only=("*_B04_10m.jp2",))
        first = tree_of(destination)

        def look(destination=destination, product=product, first=first):
            found = tree_of(destination)
            assert first.items() <= found.items() <= below(product, FILES).items()

        striking = Striking(nth, errno.EIO, look)
        ended = await struck(destination, archive, product, call, striking)
        look()
        await assemble(destination, archive, product)
        assert tree_of(destination) == below(product, FILES)
        if ended:
            break
    assert striking.calls < nth > 1


@ROUTES
async def test_a_product_that_was_published_but_not_noted_is_there(tmp_path, route, monkeypatch):
    """The process ends between the two: nothing is fetched again."""
    archive = Archive(route)
    product = archive.tree()
    monkeypatch.setattr("skyhaul.journal.Journal.product", lambda *_: None)
    await assemble(tmp_path, archive, product)
    monkeypatch.undo()
    assert archive.read
    assert (await assemble(tmp_path, archive, product)).states == {"1": "present"}
    assert archive.read == []
    assert tree_of(tmp_path) == below(product, FILES)


async def test_a_full_disk_ends_the_run_and_leaves_what_was_done(tmp_path, monkeypatch):
    archive = Archive("s3")
    products = [archive.tree(number) for number in range(1, 7)]
    pwritev = os.pwritev
    room = [4000]

    def limited(fd, views, at):
        room[0] -= sum(map(len, views))
        if room[0] < 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return pwritev(fd, views, at)

    monkeypatch.setattr(sink.os, "pwritev", limited)
    with pytest.raises(Stopped, match="No space left") as stop:
        await assemble(tmp_path, archive, *products)
    assert stop.value.exit_code == 6
    monkeypatch.undo()
    done = await assemble(tmp_path, archive, *products)
    assert set(done.states.values()) <= {"verified", "present"}
    assert tree_of(tmp_path) == {path: body for each in products for path, body in below(each, FILES).items()}
