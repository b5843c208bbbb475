"""``search`` and ``plan``: what there is, and what fetching it would take."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer
from anyio import to_thread

from skyhaul.cli.options import Given, Json, takes
from skyhaul.errors import CatalogueError, SettingsError, SinkError
from skyhaul.keys import DOWNLOAD, QUERY, ResultFormat

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.model import Product, Query
    from skyhaul.planning import Plan
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
    json: Json = False,
) -> None:
    """Print the products that a query finds."""
    from skyhaul.settings import load

    settings = load(given)
    check_restricted(settings.query)

    # The engine is heavy: what is wrong with the options is said before it is imported.
    from skyhaul.cli.running import carried_out, of_search
    from skyhaul.credentials import Credentials
    from skyhaul.results import Writer

    # The catalogue is open to everyone: no secrets are read for it.
    if count:
        found = carried_out(settings, Credentials(), of_search, lambda haul: haul.count())
        sys.stdout.write(f"{found}\n")
    else:
        with _destination(output) as stream, Writer("jsonl" if json else format_, stream) as writer:
            carried_out(settings, Credentials(), of_search, lambda haul: _write(haul.search(), writer))
        found = writer.count
    if not found:
        sys.stderr.write("skyhaul: nothing matched\n")
        raise typer.Exit(NOTHING_MATCHED)


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
    if not credentials.login and not credentials.s3:
        sys.stderr.write("skyhaul: no credentials are set; planned as for an account that has a login and S3 keys\n")
        credentials = _anyone()
    found = carried_out(settings, credentials, of_search, lambda haul: haul.plan())
    if json:
        print_json(_plan_json(found))
    else:
        _print_plan(found)
    if not found.products:
        return NOTHING_MATCHED
    return 0 if found.fits else WILL_NOT_FIT


def _anyone() -> Credentials:
    """An account to plan with: nothing is sent with it."""
    from skyhaul.credentials import Credentials

    none = "none"
    return Credentials(username=none, password=none, s3_access_key=none, s3_secret_key=none)


def check_restricted(query: Query) -> None:
    """Refuse to ask for the whole archive: some hundred million products.

    Raises:
        SettingsError: nothing restricts the query.
    """
    from skyhaul.model import Query as Anything

    same = replace(query, provider=Anything().provider, order_by=Anything().order_by, online=None, latest_version=False)
    if same == Anything():
        raise SettingsError(
            "nothing restricts the query: give at least one of --collection, --product-type, --start, --tile, --name, --id"
        )


async def _write(products: AsyncIterator[Product], writer: Writer) -> None:
    """Write products in batches on a thread: a slow reader of ours must not hold up the event loop."""
    batch: list[Product] = []

    def flush() -> None:
        for product in batch:
            writer.add(product)
        batch.clear()

    async for product in products:
        batch.append(product)
        if len(batch) == BATCH:
            await to_thread.run_sync(flush)
    await to_thread.run_sync(flush)


@contextmanager
def _destination(output: Path | None) -> Iterator[TextIO]:
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
    unsized = f" and {count_text(plan.unsized)} products of unknown size" if plan.unsized else ""
    room = "fits" if plan.fits else "does not fit"
    rows = [
        ("products", count_text(plan.products) + (f" ({count_text(plan.offline)} offline)" if plan.offline else "")),
        *(("", f"{kind}  {count_text(count)}  {bytes_text(size)}") for kind, (count, size) in plan.by_type.items()),
        ("slices", count_text(len(plan.slices))),
        ("requests", f"{count_text(plan.objects)} ({routes})" if routes else "0"),
        ("bytes", f"{'at most ' if plan.in_part else ''}{bytes_text(plan.bytes)}{unsized}{share}"),
        ("time", f"{span_text(plan.seconds)} at the archive's limits"),
        ("disk", f"{bytes_text(plan.disk_needed_bytes)} needed, {bytes_text(plan.disk_free_bytes)} free: {room}"),
    ]
    print_rows(rows)
