"""Is each of 250 000 products found, once, while the catalogue breaks? Goal: recall 100 %, no duplicates, or slices named and exit 4.

Three searches: undisturbed; with pages that are empty, cut, shifted, miscounted and refused, with rows that come twice, and with products
that are published while others are read; and with one page that is refused for good. What there is, another pager finds before:
one request after another, by start. A product that is published meanwhile may be found or not; all others have to be.
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from support import Archive, Run, archive, machine, run, skyhaul, table

ROUTE = "catalogue.products"
BROKEN = (
    ("status", 0.03),
    ("reset", 0.01),
    ("malformed", 0.02),
    ("empty-page", 0.03),
    ("shifted-page", 0.03),
    ("duplicate", 0.03),
    ("wrong-count", 0.03),
)
"""What goes wrong, and how often."""

PUBLISHED = 500
REFUSED: Mapping[str, Any] = {"kind": "status", "status": 400, "route": ROUTE, "nth": 100}
"""One page that is refused: asking again is of no use, so its slice is given up."""

SEARCH = skyhaul("search", "--start", "2000-01-01", "--format", "names")
PAGE = 1000
LAST_SKIP = 10_000


class _Dates(msgspec.Struct, rename="pascal"):
    start: str


class _Row(msgspec.Struct, rename="pascal"):
    name: str
    content_date: _Dates


class _Rows(msgspec.Struct):
    value: list[_Row]


@dataclass(frozen=True, slots=True, kw_only=True)
class Truth:
    """What there is: the names, and how many products begin in one instant at most."""

    names: frozenset[str]
    tied: int


def truth(served: Archive) -> Truth:
    """What a pager finds that does nothing but ask, wait and ask again; where ``$skip`` ends it begins anew at the last start."""
    starts: dict[str, str] = {}
    after = ""
    while True:
        last = after
        for skip in range(0, LAST_SKIP + 1, PAGE):
            rows = _rows(served, after, skip)
            starts |= {row.name: row.content_date.start for row in rows}
            if len(rows) < PAGE:
                return Truth(names=frozenset(starts), tied=max(Counter(starts.values()).values()))
            last = rows[-1].content_date.start
        after = last


def _rows(served: Archive, after: str, skip: int) -> Sequence[_Row]:
    options = {
        "$orderby": "ContentDate/Start asc",
        "$top": str(PAGE),
        "$skip": str(skip),
        "$select": "Name,ContentDate",
    }
    if after:
        options["$filter"] = f"ContentDate/Start ge {after}"
    address = f"{served.addresses['catalogue_url']}/Products?{urllib.parse.urlencode(options)}"
    with urllib.request.urlopen(address) as reply:
        return msgspec.json.decode(reply.read(), type=_Rows).value


def play(served: Archive, **scenario: object) -> None:
    """Change the archive's scenario, and count from zero."""
    body = json.dumps(scenario).encode()
    urllib.request.urlopen(f"{served.addresses['control_url']}/scenario", data=body).close()
    served.reset()


def row(name: str, served: Archive, ran: Run, names: Sequence[str], there: frozenset[str]) -> tuple[object, ...]:
    """What came of a search, where the products in ``there`` were there all the time."""
    stats = served.stats()
    requests = stats["requests"].get(ROUTE, 0)
    found = set(names)
    # A child process begins with the peak memory of its parent, as Linux counts it: here, the names of all products.
    parent_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
    at_most = "≤ " if ran.peak_bytes <= 1.05 * parent_bytes else ""
    return (
        name,
        f"{100 * len(found & there) / len(there):.4f} %",
        len(names) - len(found),
        ran.code,
        sum(stats["faults"].values()),
        f"{1000 * requests / len(there):.2f}",
        f"{at_most}{ran.peak_bytes / 2**20:.0f}",
        f"{ran.wall_s:.0f}",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=250_000)
    parser.add_argument("--page-latency", type=float, default=0.0)
    given = parser.parse_args()
    print(machine())
    world = ("--products", str(given.products), "--checksums", "none", "--set", f"page_latency_s={given.page_latency}")
    faults = [{"kind": kind, "probability": share, "route": ROUTE} for kind, share in BROKEN]
    scenarios: Mapping[str, Mapping[str, Any]] = {
        "undisturbed": {"faults": [], "unpublished": 0},
        "breaking": {"faults": faults, "unpublished": PUBLISHED, "publishes_every": 3},
        "one page refused": {"faults": [REFUSED], "unpublished": 0},
    }
    rows: list[tuple[object, ...]] = [
        ("archive", "recall", "duplicates", "exit", "faults", "requests per 1000", "peak MiB", "seconds")
    ]
    named = ""
    with tempfile.TemporaryDirectory() as scratch, archive(*world) as served:
        known = truth(served)
        assert len(known.names) == given.products, f"the serial pager found {len(known.names)}"
        print(f"{len(known.names)} products, at most {known.tied} of them begin in one instant")
        for name, scenario in scenarios.items():
            there = known.names
            if scenario["unpublished"]:
                play(served, faults=[], unpublished=scenario["unpublished"], publishes_every=10**9)
                there = truth(served).names
            play(served, **scenario)
            ran = run(SEARCH, served.environment, Path(scratch))
            names = ran.out.splitlines()
            assert set(names) <= known.names, "there are products that there are not"
            rows.append(row(name, served, ran, names, there))
            if ran.code:
                named = f"{name}: {ran.err.splitlines()[-1]}"
            assert ran.code or (set(names) >= there and len(names) == len(set(names))), (
                f"{name}: incomplete, and exit 0"
            )
    print(table(rows))
    print(named)


if __name__ == "__main__":
    main()
