"""How many small objects a second? 4000 × 20 kB over S3 and over HTTP, 32 at once, into memory: journalled and verified, or not at all.

skyhaul against s5cmd, rclone and aria2, which neither verify nor remember. Goal: 1.2 times as many objects a second. On S3 the objects are
40 trees of 100: products, of which skyhaul lists the keys, as the others do. A list names each file as a product of its own, and is asked
about one by one: a plain list states no sizes, a Metalink does. Wall seconds are of the whole command with its start.

Opponents, 32 files at once each: s5cmd --numworkers 32 cp; rclone copy --no-traverse, over HTTP with --http-no-head, over S3 with
--fast-list --s3-no-head-object; aria2c -x 1 -s 1 --file-allocation=none. One worker of nginx serves HTTP, or rclone; rclone serves S3.
"""

from __future__ import annotations

import argparse
import json
import statistics
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

import served
from served import Files, Web, spread
from support import IN_SHORT, Run, emptied, machine, table

AT_ONCE = 32
COUNT = 4000
SIZE = 20_000
TREE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Client:
    """A client: over what, its name, whether it is ours, its command for a folder, and what it finds set."""

    over: str
    name: str
    ours: bool
    command: Callable[[Path], list[str]]
    environment: Mapping[str, str]


def over_http(web: Web, files: Files, scratch: Path) -> list[Client]:
    root, environment = web.roots["http"], web.environment
    plain = files.listed(root, scratch / "plain.txt", verified=False)
    with_digests = files.listed(root, scratch / "http.txt", verified=True)
    with_sizes = files.metalink(root, scratch / "http.meta4")
    commands: dict[str, tuple[bool, Callable[[Path], list[str]]]] = {
        "skyhaul, BLAKE3, Metalink": (True, lambda into: served.ours(with_sizes, into, AT_ONCE)),
        "skyhaul, BLAKE3, list": (True, lambda into: served.ours(with_digests, into, AT_ONCE)),
    }
    if served.program_of("rclone"):
        commands["rclone"] = (False, lambda into: served.rclone_http(root, into, web.authority, AT_ONCE))
    if served.program_of("aria2c"):
        commands["aria2"] = (False, lambda into: served.aria2(plain, into, web.authority, AT_ONCE))
    return [
        Client(over="HTTP", name=name, ours=ours, command=command, environment=environment)
        for name, (ours, command) in commands.items()
    ]


def planted(files: Files, bucket: Path) -> list[str]:
    """The same files in trees, each a folder of the bucket; the names of the trees."""
    trees: dict[str, None] = {}
    for number, name in enumerate(files.digests):
        tree = f"TREE_{number // TREE:03}"
        (bucket / tree).mkdir(parents=True, exist_ok=True)
        (bucket / tree / name).hardlink_to(files.folder / name)
        trees[tree] = None
    return list(trees)


def saved(trees: list[str], path: Path) -> Path:
    """The trees as products, as a search would have written them."""
    rows = (
        {"name": tree, "id": str(UUID(int=n)), "s3_path": f"{served.BUCKET}/{tree}"} for n, tree in enumerate(trees)
    )
    path.write_text("\n".join(map(json.dumps, rows)) + "\n")
    return path


def over_s3(endpoint: str, trees: list[str], scratch: Path) -> list[Client]:
    products = saved(trees, scratch / "products.jsonl")
    environment = {
        **served.bare_environment(),
        **served.KEYS,
        "AWS_REGION": "us-east-1",
        "CDSE_S3_ACCESS_KEY": served.KEYS["AWS_ACCESS_KEY_ID"],
        "CDSE_S3_SECRET_KEY": served.KEYS["AWS_SECRET_ACCESS_KEY"],
        "SKYHAUL_PROVIDERS__CDSE__S3_URL": endpoint,
        "SKYHAUL_PROVIDERS__CDSE__REQUESTS_PER_MINUTE": "100000000",
    }
    commands: dict[str, tuple[bool, Callable[[Path], list[str]]]] = {
        "skyhaul, ETag verified": (True, lambda into: [*served.ours(products, into, AT_ONCE), "--via", "s3"]),
        "rclone": (False, lambda into: served.rclone_s3_copy(endpoint, into, AT_ONCE)),
    }
    if served.program_of("s5cmd"):
        commands["s5cmd"] = (False, lambda into: served.s5cmd_copy(endpoint, into, AT_ONCE))
    return [
        Client(over="S3", name=name, ours=ours, command=command, environment=environment)
        for name, (ours, command) in commands.items()
    ]


def measured(clients: list[Client], files: Files, into: Path, runs: int) -> list[list[Run]]:
    done: list[list[Run]] = [[] for _ in clients]
    for _ in range(runs):
        for client, mine in zip(clients, done, strict=True):
            mine.append(served.best(client.command(emptied(into)), client.environment))
            files.check(into)
    return done


def row(client: Client, runs: list[Run]) -> tuple[object, ...]:
    rates = [COUNT / each.wall_s for each in runs]
    cpu_ms = [each.cpu_s / COUNT * 1000 for each in runs]
    peak = max(each.peak_bytes for each in runs) / 2**20
    return client.over, client.name, spread(rates, 0), spread(cpu_ms), f"{peak:.0f}"


def ratios(clients: list[Client], done: list[list[Run]]) -> list[str]:
    """Our best against each peer."""
    mine = min((runs for client, runs in zip(clients, done, strict=True) if client.ours), key=_wall)
    return [
        f"{client.over}: {client.name}'s wall ÷ ours {spread([a.wall_s / b.wall_s for a, b in zip(runs, mine, strict=True)])}"
        for client, runs in zip(clients, done, strict=True)
        if not client.ours
    ]


def _wall(runs: list[Run]) -> float:
    return statistics.median(each.wall_s for each in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=3)
    runs = parser.parse_args().runs
    print(machine())
    rows: list[tuple[object, ...]] = [("over", "client", "objects/s", "CPU ms each", "peak MiB")]
    told = []
    with served.memory(4 * COUNT * SIZE) as scratch:
        files = served.made(scratch / "files", COUNT, SIZE)
        trees = planted(files, scratch / "s3" / served.BUCKET)
        with served.web(files.folder) as web, served.rclone_s3(scratch / "s3") as endpoint:
            for clients in (over_http(web, files, scratch), over_s3(endpoint, trees, scratch)):
                done = measured(clients, files, scratch / "into", runs)
                rows += [row(*pair) for pair in zip(clients, done, strict=True)]
                told += ratios(clients, done)
            print(
                f"HTTP from {web.name}, S3 from rclone; {COUNT} × {SIZE / 1000:.0f} kB, {AT_ONCE} at once; n = {runs}"
            )
    print(table(rows))
    print("\n".join(told))
    print(f"{IN_SHORT}{COUNT} × {SIZE / 1000:.0f} kB, verified and journalled; {'; '.join(told)}")


if __name__ == "__main__":
    main()
