"""An archive opened for a command, with those who watch it: dashboard or log on stderr, events to a file, results to stdout.

What blocks (imports, opening files) is done before the event loop starts, what is printed is printed from threads.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Protocol, TypeVar

import anyio
from anyio import to_thread

from skyhaul import credentials
from skyhaul.cli.hooks import Hooks, words_of
from skyhaul.cli.show import print_json
from skyhaul.credentials import Credentials
from skyhaul.errors import HostUnreachable, SinkError
from skyhaul.events import AttemptFailed, FilteredHere, HostCooled, Meter, NotFound, ProductFinished
from skyhaul.model import ProductResult
from skyhaul.observe.bus import Bus
from skyhaul.observe.lines import JsonLines, LogLines
from skyhaul.observe.sentences import sentence
from skyhaul.observe.text import clean
from skyhaul.pipeline import unwrapped
from skyhaul.providers import find
from skyhaul.runtime import Haul, opened
from skyhaul.settings import DownloadSettings, Settings

T = TypeVar("T")


class Observer(Protocol):
    """Someone who watches until the bus is closed."""

    async def run(self) -> None:
        """Watch."""
        ...


Observers = Callable[[Bus, Meter], list[Observer]]


def carried_out(
    settings: Settings, account: Credentials, observers: Observers, work: Callable[[Haul], Awaitable[T]]
) -> T:
    """The result of ``work`` on the archive, watched by ``observers``."""
    for warning in (*settings.notices, *account.warnings):
        sys.stderr.write(f"skyhaul: {warning}\n")

    async def main() -> T:
        async with watched(settings, account, observers) as haul:
            return await work(haul)

    gc.freeze()  # modules last as long as the process: a tenth of a second, now and then, to find that again
    return anyio.run(main)


@asynccontextmanager
async def watched(settings: Settings, account: Credentials, observers: Observers) -> AsyncIterator[Haul]:
    """The archive, open and watched; the observers end last, with everything told."""
    bus, meter = Bus(), Meter()
    with unwrapped():
        async with anyio.create_task_group() as tasks:
            for observer in observers(bus, meter):
                tasks.start_soon(observer.run)
            try:
                async with opened(settings, account, emit=bus.emit, meter=meter) as haul:
                    yield haul
            finally:
                bus.close()


def load_credentials(settings: Settings) -> Credentials:
    """The user's credentials for the archive of the query."""
    urls = settings.provider
    return credentials.load(urls.token_url or urls.url, account=find(settings.query.provider).account)


def search_credentials(settings: Settings) -> Credentials:
    """What a search needs: most catalogues are open to everyone, and no secrets are read for them.

    Raises:
        AccessDenied: the catalogue is closed, and nothing is set that opens it.
    """
    account = find(settings.query.provider).account
    if account is None or not account.searching:
        return Credentials()
    found = load_credentials(settings)
    if not found.enough:
        found.require()
    return found


def of_search(bus: Bus, _: Meter) -> list[Observer]:
    """Who watches a search: what goes wrong is said on stderr, the rest is silence."""
    return [_Complaints(bus)]


def of_download(wanted: DownloadSettings, *, json: bool) -> Observers:
    """Who watches a download: the dashboard on a terminal, else a log; files and programs that the user named.

    Raises:
        SettingsError: the user's command is none.
        SinkError: the file for events cannot be written.
    """
    makers: list[Callable[[Bus, Meter], Observer]] = [_display(wanted, json=json)]
    if wanted.events is not None:
        events = _writable(wanted.events)
        makers.append(lambda bus, _: JsonLines(bus, events))
    if wanted.on_product is not None:
        words = words_of(wanted.on_product)
        makers.append(lambda bus, _: Hooks(bus, words, wanted.into))
    if json:
        makers.append(lambda bus, _: _ProductLines(bus, wanted.into))
    return lambda bus, meter: [make(bus, meter) for make in makers]


def _display(wanted: DownloadSettings, *, json: bool) -> Callable[[Bus, Meter], Observer]:
    if not json and (wanted.dashboard == "on" or (wanted.dashboard == "auto" and sys.stderr.isatty())):
        from skyhaul.observe.dashboard import Dashboard

        return Dashboard
    return partial(LogLines, stream=sys.stderr)


def _writable(path: Path) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab"):
            return path
    except OSError as error:
        raise SinkError(f"{path} cannot be written ({error.strerror})") from None


class _Complaints:
    """Says on stderr why it takes longer: what is asked again, who asks for patience.

    What fails for good is raised in the end, and so is a host that cannot be reached.
    """

    def __init__(self, bus: Bus) -> None:
        self._events = bus.subscribe()

    async def run(self) -> None:
        async for event in self._events:
            unreachable = isinstance(event, AttemptFailed) and event.kind == HostUnreachable.__name__
            if (
                isinstance(event, AttemptFailed | FilteredHere | HostCooled | NotFound)
                and not unreachable
                and (words := sentence(event))
            ):
                await to_thread.run_sync(sys.stderr.write, f"skyhaul: {clean(words)}\n")


class _ProductLines:
    """Prints what became of each product, one JSON object a line; paths as they can be opened from the working folder."""

    def __init__(self, bus: Bus, into: Path) -> None:
        self._events = bus.subscribe()
        self._into = into

    async def run(self) -> None:
        async for event in self._events:
            if isinstance(event, ProductFinished):
                await to_thread.run_sync(print_json, self._line(event.result))

    def _line(self, result: ProductResult) -> dict[str, object]:
        return {
            "name": result.name,
            "id": result.id,
            "state": result.state,
            "path": None if result.path is None else str(self._into / result.path),
            "bytes": result.bytes,
            "seconds": round(result.seconds, 3),
            "level": result.level,
            "attempts": result.attempts,
            "kind": result.kind,
            "error": result.error,
        }
