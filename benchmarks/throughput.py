"""How fast do large files come, and what does a gigabyte cost? 24 × 64 MiB, 8 at once, over HTTP and HTTPS, into memory.

skyhaul with and without digests to verify, against rclone, aria2, stac-asset and a bare aiohttp loop, none of which verifies anything.
Goals: at least as fast as rclone while verifying, processor time per gigabyte at most 1.1 times rclone's, verification at most 5 % of the
speed. Wall seconds are of the whole command with its start. Clients take turns, so that all see the machine in the same moods.

Opponents, 8 files at once each: rclone copy --http-no-head --no-traverse --multi-thread-streams 0; aria2c -x 1 -s 1 --file-allocation=none;
stac-asset download --max-concurrent-downloads 8 of an item that has the files as assets. One worker of nginx serves, with sendfile.
"""

from __future__ import annotations

import argparse
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import served
from served import Files, Web, spread
from support import IN_SHORT, Run, emptied, machine, table

AT_ONCE = 8
COUNT = 24
SIZE = 64 << 20
VERIFIED, UNVERIFIED, RCLONE = "skyhaul, BLAKE3 verified", "skyhaul, lengths alone", "rclone"

Client = Callable[[Path], list[str]]
"""The command of a client that writes into a folder."""


def clients(web: Web, files: Files, scheme: str, scratch: Path) -> dict[str, Client]:
    root = web.roots[scheme]
    with_digests = files.listed(root, scratch / f"{scheme}-verified.txt", verified=True)
    plain = files.listed(root, scratch / f"{scheme}-plain.txt", verified=False)
    found: dict[str, Client] = {
        VERIFIED: lambda into: served.ours(with_digests, into, AT_ONCE),
        UNVERIFIED: lambda into: served.ours(plain, into, AT_ONCE),
        "bare aiohttp loop": lambda into: [sys.executable, __file__, "--loop", str(plain), str(into)],
    }
    if served.program_of("rclone"):
        found[RCLONE] = lambda into: served.rclone_http(root, into, web.authority, AT_ONCE)
    if served.program_of("aria2c"):
        found["aria2"] = lambda into: served.aria2(plain, into, web.authority, AT_ONCE)
    if served.program_of("stac-asset"):
        item = files.item(root, scratch / f"{scheme}-item.json")
        found["stac-asset"] = lambda into: served.stac_asset(item, into, AT_ONCE)
    return found


def loop(listed: Path, into: Path) -> None:
    """The simplest that is fast: as many tasks as streams, each writes what it gets."""
    # Not at the top: a child process begins with the peak memory of its parent, as Linux counts it.
    import aiohttp  # noqa: PLC0415
    import anyio  # noqa: PLC0415

    urls = iter(listed.read_text().split())

    async def work(session: aiohttp.ClientSession) -> None:
        for url in urls:
            async with session.get(url) as reply:
                with (into / url.rpartition("/")[2]).open("wb", buffering=0) as file:
                    async for chunk in reply.content.iter_any():
                        file.write(chunk)

    async def main() -> None:
        async with aiohttp.ClientSession(auto_decompress=False) as session, anyio.create_task_group() as tasks:
            for _ in range(AT_ONCE):
                tasks.start_soon(work, session)

    anyio.run(main)


def measured(web: Web, files: Files, scheme: str, scratch: Path, runs: int) -> dict[str, list[Run]]:
    commands = clients(web, files, scheme, scratch)
    done: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            into = emptied(scratch / "into")
            done[name].append(served.best(command(into), web.environment))
            files.check(into)
    return done


def row(scheme: str, name: str, runs: list[Run], files: Files) -> tuple[object, ...]:
    return (
        scheme,
        name,
        spread([each.wall_s for each in runs]),
        f"{files.bytes / statistics.median(each.wall_s for each in runs) / 1e6:.0f}",
        spread([each.cpu_s / files.bytes * 1e9 for each in runs]),
        f"{max(each.peak_bytes for each in runs) / 2**20:.0f}",
    )


def ratio(scheme: str, words: str, over: list[float], under: list[float]) -> str:
    return f"{scheme}: {words} {spread([a / b for a, b in zip(over, under, strict=True)])}, n = {len(over)}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--loop", nargs=2, type=Path, metavar=("LIST", "FOLDER"), help="be the bare loop")
    given = parser.parse_args()
    if given.loop:
        loop(*given.loop)
        return
    print(machine())
    rows: list[tuple[object, ...]] = [("over", "client", "wall s", "MB/s", "CPU s per GB", "peak MiB")]
    ratios, said = [], []
    with served.memory(3 * COUNT * SIZE) as scratch:
        files = served.made(scratch / "files", COUNT, SIZE)
        with served.web(files.folder) as web:
            for scheme in web.roots:
                done = measured(web, files, scheme, scratch, given.runs)
                rows += [row(scheme, name, runs, files) for name, runs in done.items()]
                walls = {name: [each.wall_s for each in runs] for name, runs in done.items()}
                if RCLONE in done:
                    cpu = {name: [each.cpu_s for each in done[name]] for name in (VERIFIED, RCLONE)}
                    ratios.append(ratio(scheme, "rclone's wall ÷ ours verified", walls[RCLONE], walls[VERIFIED]))
                    ratios.append(ratio(scheme, "our CPU verified ÷ rclone's", cpu[VERIFIED], cpu[RCLONE]))
                    said.append(ratios[-2])
                ratios.append(ratio(scheme, "wall verified ÷ unverified", walls[VERIFIED], walls[UNVERIFIED]))
            print(f"{COUNT} × {SIZE >> 20} MiB from {web.name}, {AT_ONCE} at once; median and spread, n = {given.runs}")
    print(table(rows))
    print("\n".join(ratios))
    print(f"{IN_SHORT}{COUNT} × {SIZE >> 20} MiB, {AT_ONCE} at once; {'; '.join(said or ratios)}")


if __name__ == "__main__":
    main()
