"""The command that a user wants run for each finished product."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE, STDOUT

import anyio
from anyio import to_thread

from skyhaul.errors import SettingsError
from skyhaul.events import ProductFinished
from skyhaul.model import ProductResult
from skyhaul.observe.bus import Bus
from skyhaul.observe.text import clean


class Hooks:
    """Runs a command, given as its ``words``, for each product that this run verified, one after the other, beside the transfers.

    No shell sees it: ``{path}``, ``{name}`` and ``{id}`` are put into its words. What it prints is dropped unless it fails; then its last
    line is said, and the download goes on.
    """

    def __init__(self, bus: Bus, words: Sequence[str], into: Path) -> None:
        self._events = bus.subscribe()
        self._words = words
        self._into = into

    async def run(self) -> None:
        """Run the command for every product until the bus is closed, and for those finished until then."""
        async for event in self._events:
            if isinstance(event, ProductFinished) and event.result.state == "verified":
                await self._run(event.result)

    async def _run(self, product: ProductResult) -> None:
        fields = {"{path}": str(self._into / (product.path or "")), "{name}": product.name, "{id}": product.id}
        command = [_filled(word, fields) for word in self._words]
        try:
            process = await anyio.run_process(command, stdin=DEVNULL, stdout=PIPE, stderr=STDOUT, check=False)
        except OSError as error:
            await self._say(product, error.strerror or str(error))
            return
        if process.returncode:
            last = process.stdout.decode(errors="replace").strip().rpartition("\n")[2]
            await self._say(product, f"exit {process.returncode} {last}".rstrip())

    async def _say(self, product: ProductResult, what: str) -> None:
        words = f"--on-product {self._words[0]}: {product.name}: {what}"
        await to_thread.run_sync(sys.stderr.write, f"skyhaul: {clean(words)}\n")


def words_of(command: str) -> list[str]:
    """The words of a command line.

    Raises:
        SettingsError: it has none, or a quote is left open.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise SettingsError(f"--on-product {command!r} is not a command ({error})") from None
    if not words:
        raise SettingsError("--on-product: there is no command")
    return words


def _filled(word: str, fields: dict[str, str]) -> str:
    for field, value in fields.items():
        word = word.replace(field, value)
    return word
