"""Starting the embedded archive: in this process until stopped, or as a child process for the length of a block."""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import sys
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from subprocess import PIPE
from typing import TYPE_CHECKING, Any

import anyio
import msgspec
from anyio.streams.text import TextReceiveStream

from skyhaul.simulate.recorded import load_recorded
from skyhaul.simulate.scenario import load_scenario
from skyhaul.simulate.server import HOSTS, serve
from skyhaul.simulate.world import WorldSettings, build_world, prepare

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from skyhaul.simulate.nouns import World
    from skyhaul.simulate.scenario import Scenario

STOP_S = 5.0
# A query computes for long: with the usual 5 ms between thread switches every stream would stutter.
SWITCH_S = 0.0005


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``skyhaul simulate`` can be told.

    A world is made from ``world``, or read from the recorded replies in ``catalogue`` where there are any.
    ``prepare`` computes all checksums before serving: else the first page that shows one pays for it.
    """

    world: WorldSettings = field(default_factory=WorldSettings)
    catalogue: tuple[Path, ...] = ()
    scenario: str = "calm"
    settings: tuple[str, ...] = ()
    host: str = "127.0.0.1"
    port: int = 0
    prepare: bool = False
    until_stdin_closes: bool = False


def run(options: Options) -> None:
    """Serve until SIGINT or SIGTERM; one line of JSON on stdout says where, once everything answers.

    With a ``port`` the hosts take that one and those after it, in the order of HOSTS.

    Raises:
        ScenarioError: no such scenario, or one that cannot be read.
    """
    scenario = load_scenario(options.scenario, options.settings)
    world = _world(options)
    sys.setswitchinterval(SWITCH_S)
    anyio.run(_serve_until_stopped, world, scenario, options, backend_options={"loop_factory": _punctual_loop})


def _punctual_loop() -> asyncio.AbstractEventLoop:
    # epoll sleeps whole milliseconds, rounded up twice on the way: of 60 ms of latency it would make 61 or 62.
    return asyncio.SelectorEventLoop(selectors.SelectSelector())


def _world(options: Options) -> World:
    if options.catalogue:
        return load_recorded(options.catalogue)
    world = build_world(options.world)
    if options.prepare:
        prepare(world)
    return world


@asynccontextmanager
async def launched(args: Sequence[str] = ()) -> AsyncIterator[dict[str, Any]]:
    """The archive in a process of its own for the length of the block; yields its line of addresses.

    The child ends with the block, and also when this process dies: it watches for the end of its stdin. Signals typed at the terminal
    do not reach it.

    Raises:
        RuntimeError: the child ended before it was ready; its complaint is on stderr.
    """
    command = [sys.executable, "-m", "skyhaul.simulate", "--until-stdin-closes", *args]
    async with await anyio.open_process(
        command, stdin=PIPE, stdout=PIPE, stderr=None, start_new_session=True
    ) as process:
        try:
            if process.stdout is None:
                raise RuntimeError("the archive's process has no stdout")
            yield msgspec.json.decode(await _first_line(TextReceiveStream(process.stdout)))
        finally:
            with anyio.move_on_after(STOP_S, shield=True) as scope:
                with suppress(ProcessLookupError):  # it may have ended by itself
                    process.terminate()
                await process.wait()
            if scope.cancelled_caught:
                process.kill()


async def _first_line(stdout: TextReceiveStream) -> str:
    text = ""
    async for chunk in stdout:
        text += chunk
        if "\n" in text:
            return text.partition("\n")[0]
    raise RuntimeError("the archive's process ended before it was ready")


async def _serve_until_stopped(world: World, scenario: Scenario, options: Options) -> None:
    ports = {name: options.port + position for position, name in enumerate(HOSTS)} if options.port else None
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_on_signal, tasks.cancel_scope)
        if options.until_stdin_closes:
            tasks.start_soon(_on_end_of_stdin, tasks.cancel_scope)
        tasks.start_soon(partial(serve, world, scenario, host=options.host, ports=ports, ready=_announce))


def _announce(addresses: dict[str, Any]) -> None:
    sys.stdout.write(msgspec.json.encode(addresses).decode() + "\n")
    sys.stdout.flush()


async def _on_signal(scope: anyio.CancelScope) -> None:
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            scope.cancel()


async def _on_end_of_stdin(scope: anyio.CancelScope) -> None:
    stdin = sys.stdin.fileno()
    await anyio.wait_readable(stdin)
    while os.read(stdin, 4096):
        await anyio.wait_readable(stdin)
    scope.cancel()
