"""``search`` and ``plan``: what there is, and what fetching it would take."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from anyio import EndOfStream, WouldBlock, create_memory_object_stream, create_task_group, to_thread

from skyhaul.cli.gone import CheckDeleted, Gone
from skyhaul.cli.options import Given, Json, takes
from skyhaul.errors import CatalogueError, SettingsError, SinkError, SkyhaulError
from skyhaul.keys import DOWNLOAD, QUERY, ResultFormat

if TYPE_CHECKING:
    from anyio.streams.memory import MemoryObjectReceiveStream

    from skyhaul.archives import ProviderSettings
    from skyhaul.credentials import Credentials
    from skyhaul.model import Product, Query
    from skyhaul.planning import Plan, Totals
    from skyhaul.results import Writer
    from skyhaul.settings import Settings

NOTHING_MATCHED = 3
WILL_NOT_FIT = 6
BATCH = 256


@takes(*QUERY)
def search(
    *,
    given: Given,
    format_: Annotated[
        ResultFormat, typer.Option("--format", help="How to print products.", envvar="SKYHAUL_FORMAT")
    ] = "table",
    output: Annotated[
        Path | None, typer.Option(help="Write to this file, and only if all was found.", envvar="SKYHAUL_OUTPUT")
    ] = None,
    count: Annotated[
        bool, typer.Option("--count", help="Print only how many there are.", envvar="SKYHAUL_COUNT")
    ] = False,
    check_deleted: CheckDeleted = False,
    json: Json = False,
) -> None:
    """Print the products that a query finds."""
    from skyhaul.settings import load

    settings = load(given)
    check_restricted(settings.query)

    # The engine is heavy: what is wrong with the options is said before it is imported.
    from skyhaul.cli.running import carried_out, of_search, search_credentials
    from skyhaul.planning import Totals
    from skyhaul.results import Writer

    account, totals = search_credentials(settings), Totals()
    gone = Gone.asked(settings, account) if check_deleted else None
    observers = gone.watching(of_search) if gone else of_search
    if count:
        found = carried_out(settings, account, observers, lambda haul: haul.count(totals.add))
        sys.stdout.write(f"{found}\n")
    else:
        with destination(output) as stream, Writer("jsonl" if json else format_, stream) as writer:
            carried_out(settings, account, observers, lambda haul: _write(haul.search(), writer, totals))
        found = writer.count
    if gone:
        gone.tell()
    if not found:
        sys.stderr.write(f"skyhaul: nothing matched{_held_back(settings, account)}\n")
        raise typer.Exit(NOTHING_MATCHED)
    if totals.products == found:
        sys.stdout.flush()
        sys.stderr.write(f"skyhaul: {_summed(totals, settings.provider)}\n")


@takes(*QUERY, *DOWNLOAD)
def plan(*, given: Given, json: Json = False) -> None:
    """Say what a download would fetch, how long it would take at the archive's limits, and whether it fits."""
    from skyhaul.settings import load

    settings = load(given, into=Path())
    check_restricted(settings.query)
    raise typer.Exit(planned(settings, json=json))


def planned(settings: Settings, *, json: bool) -> int:
    """Print the plan; the exit code."""
    from skyhaul.cli.running import carried_out, load_credentials, of_search
    from skyhaul.cli.show import print_json

    credentials = load_credentials(settings)
    if not credentials.enough:
        sys.stderr.write("skyhaul: no credentials are set; planned as for an account that has all there are\n")
        credentials = _anyone(credentials)
    found = carried_out(settings, credentials, of_search, lambda haul: haul.plan())
    if json:
        print_json(_plan_json(found))
    else:
        _print_plan(found)
    if not found.products:
        return NOTHING_MATCHED
    return 0 if found.fits else WILL_NOT_FIT


def _anyone(credentials: Credentials) -> Credentials:
    """An account to plan with: nothing is sent with it."""
    none: dict[str, Any] = {name: "none" for name in credentials.account.takes if name != "totp_secret"}
    return replace(credentials, **none)


def check_restricted(query: Query) -> None:
    """Refuse to ask for the whole archive: some hundred million products.

    Raises:
        SettingsError: nothing restricts the query.
    """
    from skyhaul.model import Query as Anything

    same = replace(
        query,
        provider=Anything().provider,
        order_by=Anything().order_by,
        online=None,
        latest_version=False,
        season=None,
        names=query.names if all(name.strip("*") for name in query.names) else (),
    )
    if same == Anything():
        raise SettingsError(
            "nothing restricts the query: give at least one of --collection, --product-type, --start, --tile, --name, --id"
        )


def _summed(totals: Totals, limits: ProviderSettings) -> str:
    """What was found in figures, and what fetching all of it would cost."""
    from skyhaul.observe.text import count_text, percent_text, span_text

    kinds = [
        f"{kind} {count_text(count)} of {_sized(count, size, totals.unsized[kind])}"
        for kind, (count, size) in sorted(totals.by_type.items())
    ]
    size = _sized(totals.products, totals.bytes, totals.unsized.total())
    text = f"{count_text(totals.products)} products, {size} ({', '.join(kinds)})"
    seconds, allowance = totals.seconds(limits), limits.bytes_per_30_days
    costs = [
        *([f"{span_text(seconds)} at the archive's limits"] if seconds is not None else []),
        *([f"{percent_text(totals.bytes / allowance)} of 30 days' allowance"] if allowance else []),
    ]
    return f"{text}: {', '.join(costs)}" if costs else text


def _sized(products: int, size: int, unsized: int) -> str:
    """The size of so many products, of which some are ``unsized``."""
    from skyhaul.observe.text import bytes_text, count_text

    if products and products == unsized:
        return "unknown size"
    return bytes_text(size) + (f" and {count_text(unsized)} of unknown size" if unsized else "")


def _held_back(settings: Settings, account: Credentials) -> str:
    """Without which restriction there would be something, and how much: one request for each that may be left out.

    People write latitude first as well: whether the area would find something so is said before all others.
    """
    from skyhaul.cli.running import carried_out, of_search
    from skyhaul.observe.text import count_text

    def counted(query: Query) -> int:
        told = replace(settings, query=query, notices=())
        try:
            return carried_out(told, account, of_search, lambda haul: haul.count())
        except SkyhaulError:
            return 0  # no more than a hint is lost

    if settings.query.collection is None and settings.query.sensing.open:
        return ""  # without times or collection counting is slow
    if (turned := _turned(settings.query)) and (count := counted(turned)):
        return f"; with longitude and latitude of the area exchanged there would be {count_text(count)}: longitude comes first"
    count, option = max(((counted(query), option) for option, query in _loosened(settings.query)), default=(0, ""))
    return f"; without {option} there would be {count_text(count)}" if count else ""


def _turned(query: Query) -> Query | None:
    """The query with the axes of its area exchanged; ``None`` where that is no area."""
    if query.area is None:
        return None
    from skyhaul.footprint import turned

    area, asked = turned(query.area), query.area_asked and turned(query.area_asked)
    return replace(query, area=area, area_asked=asked) if area and bool(asked) == bool(query.area_asked) else None


def _loosened(query: Query) -> Iterator[tuple[str, Query]]:
    """The query without one of its restrictions, for each that is quick to leave out."""
    from skyhaul.model import Query as Anything

    usual = Anything()
    options = [(option, {name: getattr(usual, name) for name in names}) for option, names in _OPTIONAL]
    for option, left_out in options:
        without: Query = replace(query, **left_out)
        if without != query:
            yield option, without


_OPTIONAL = (
    ("--cloud-max and --cloud-min", ("cloud_max", "cloud_min")),
    ("the area", ("area", "area_asked", "area_label")),
    ("--tile", ("tiles",)),
    ("--product-type", ("product_types",)),
    ("--where and what else is compared", ("where",)),
    ("--rule", ("rules",)),
    ("--season", ("season",)),
    ("--name", ("names",)),
    ("--online", ("online",)),
    ("--platform", ("platform",)),
    ("--orbit-direction and --relative-orbit", ("orbit_direction", "relative_orbit")),
    ("--polarisation and --mode", ("polarisation", "mode")),
    ("--published-start and --published-end", ("published",)),
)
"""Restrictions that are tried without, where nothing matched."""


async def _write(products: AsyncIterator[Product], writer: Writer, totals: Totals) -> None:
    """Write products on a thread, all that are there at once: whoever reads them slowly must not hold up the event loop."""
    send, receive = create_memory_object_stream["Product"](BATCH)

    async def hand_on() -> None:
        async with send:
            async for product in products:
                await send.send(product)

    async with create_task_group() as tasks, receive:
        tasks.start_soon(hand_on)
        async for product in receive:
            batch = [product, *_waiting(receive)]
            for each in batch:
                totals.add(each)
            await to_thread.run_sync(writer.add_all, batch)


def _waiting(products: MemoryObjectReceiveStream[Product]) -> Iterator[Product]:
    with suppress(WouldBlock, EndOfStream):
        while True:
            yield products.receive_nowait()


@contextmanager
def destination(output: Path | None) -> Iterator[TextIO]:
    """Stdout, or a file that gets its name when all is in it."""
    if output is None:
        yield sys.stdout
        return
    if output.is_dir():
        raise SinkError(f"{output} is a folder, where a file is meant")
    part = output.with_name(output.name + ".part")
    try:
        output.parent.mkdir(parents=True, exist_ok=True)
        with part.open("w", encoding="utf-8", newline="") as stream:
            yield stream
        part.replace(output)
    except OSError as error:
        raise SinkError(f"{output} cannot be written ({error.strerror})") from None
    except CatalogueError as error:
        raise CatalogueError(f"{error}; what was found is in {part}") from None


def _plan_json(plan: Plan) -> dict[str, Any]:
    import msgspec

    return {**msgspec.to_builtins(plan), "disk_needed_bytes": plan.disk_needed_bytes, "fits": plan.fits}


def _print_plan(plan: Plan) -> None:
    from skyhaul.cli.show import print_rows
    from skyhaul.observe.text import bytes_text, count_text, span_text

    routes = ", ".join(f"{count_text(count)} over {route}" for route, count in plan.routes.items())
    share = f", {100 * plan.bytes / plan.allowance_bytes:.1f} % of 30 days' allowance" if plan.allowance_bytes else ""
    room = "fits" if plan.fits else "does not fit"
    rows = [
        ("products", count_text(plan.products) + (f" ({count_text(plan.offline)} offline)" if plan.offline else "")),
        *(
            ("", f"{kind}  {count_text(count)}  {_sized(count, size, plan.unsized_by_type.get(kind, 0))}")
            for kind, (count, size) in plan.by_type.items()
        ),
        ("slices", count_text(len(plan.slices))),
        ("requests", f"{count_text(plan.objects)} ({routes})" if routes else "0"),
        ("bytes", f"{'at most ' if plan.in_part else ''}{_sized(plan.products, plan.bytes, plan.unsized)}{share}"),
        *(
            [
                (
                    "quota",
                    f"{bytes_text(plan.spent_bytes)} of {bytes_text(plan.allowance_bytes)} spent in 30 days from here",
                )
            ]
            if plan.spent_bytes is not None and plan.allowance_bytes
            else []
        ),
        ("time", f"{span_text(plan.seconds)} at the archive's limits"),
        ("disk", f"{bytes_text(plan.disk_needed_bytes)} needed, {bytes_text(plan.disk_free_bytes)} free: {room}"),
    ]
    print_rows(rows)
