"""What an archive does to a transfer, request by request: every fault at the n-th request, bodies broken at several places."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lab.bench import Bench, Found

BORNE = ("reset", "silence", "busy", "broken", "cut", "truncate", "stall", "storm", "expired", "short-token", "refused")
"""What a run gets over by itself: it ends with 0."""

Fault = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Storm:
    """Faults to play: called ``name``, beginning with the ``nth`` request."""

    name: str
    nth: int
    faults: tuple[Fault, ...]


def storms(bench: Bench) -> Iterator[Storm]:
    """Everything that can be done to the route of a bench."""
    route = "s3.get" if bench.route.host == "s3_url" else "download.zip"
    to_bytes = [
        *_to_requests(route, bench.requests[route]),
        *_to_bodies(route, bench.requests[route]),
        *(_to_resumed(route, bench.requests[route]) if route == "s3.get" else ()),
    ]
    yield from (storm for storm in to_bytes if bench.route.vouched or "flip" not in storm.name)
    for other in ("catalogue.products", "s3.list", "token"):
        yield from _to_lists(other, bench.requests.get(other, 0))


def _to_requests(route: str, requests: int) -> Iterator[Storm]:
    said: dict[str, Fault] = {
        "reset": {"kind": "reset"},
        "silence": {"kind": "silence"},
        "busy": {"kind": "status", "status": 429, "retry_after": "0"},
        "broken": {"kind": "status", "status": 502},
        "error-page": {"kind": "error-page"},
        "redirect-loop": {"kind": "redirect-loop"},
        "etag": {"kind": "etag"},
        "whole": {"kind": "whole"},
        "content-range": {"kind": "content-range"},
    }
    if route == "download.zip":
        said["expired"] = {"kind": "status", "status": 401}
    for nth in range(1, requests + 1):
        for name, fault in said.items():
            yield Storm(name=name, nth=nth, faults=({**fault, "route": route, "nth": nth},))
        storm: Fault = {"kind": "status", "status": 429, "retry_after": "0", "route": route, "times": 5}
        yield Storm(name="storm", nth=nth, faults=({**storm, "every": nth},))


def _to_bodies(route: str, requests: int) -> Iterator[Storm]:
    for nth in range(1, requests + 1):
        for name in ("cut", "truncate", "stall", "flip"):
            for at_bytes in (0, 1, None, 70_000, 1_100_000):
                fault = {"kind": name, "route": route, "nth": nth, "at_bytes": at_bytes, "seconds": 2.0}
                yield Storm(name=name, nth=nth, faults=(fault,))


def _to_resumed(route: str, requests: int) -> Iterator[Storm]:
    """What is wrong with the answer to the request that goes on after a break."""
    for nth in range(1, requests + 1):
        for name in ("etag", "whole", "content-range", "flip"):
            cut = {"kind": "cut", "route": route, "nth": nth, "at_bytes": 1_200_000}
            yield Storm(
                name=f"cut+{name}",
                nth=nth,
                faults=(
                    cut,
                    {"kind": name, "route": route, "nth": nth + 1},
                    {"kind": name, "route": route, "nth": nth + 2},
                ),
            )


def _to_lists(route: str, requests: int) -> Iterator[Storm]:
    for nth in range(1, requests + 1):
        yield Storm(name="reset", nth=nth, faults=({"kind": "reset", "route": route, "nth": nth},))
        yield Storm(name="broken", nth=nth, faults=({"kind": "status", "status": 502, "route": route, "nth": nth},))
        yield Storm(name="malformed", nth=nth, faults=({"kind": "malformed", "route": route, "nth": nth},))
        if route == "token":
            yield Storm(name="short-token", nth=nth, faults=({"kind": "short-token", "seconds": 0.0, "nth": nth},))


def played(bench: Bench, storm: Storm) -> Found:
    """What a storm does."""
    return bench.play(f"archive: {storm.name}", storm.nth, *storm.faults, borne=storm.name in BORNE)
