"""``download`` and ``run``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyhaul.cli.options import Given, Json, takes
from skyhaul.errors import SettingsError
from skyhaul.keys import DOWNLOAD, QUERY

UNFOLDED = 2000

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.model import Report
    from skyhaul.runtime import Wanted
    from skyhaul.settings import Settings


@takes(*QUERY, *DOWNLOAD)
def download(
    *,
    given: Given,
    from_: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="FILE",
            help="Products of a saved result instead of a query; - is stdin.",
            envvar="SKYHAUL_FROM",
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Fetch every product that a query finds, verified; run it again to resume."""
    from skyhaul.settings import load

    settings = load(given)
    raise typer.Exit(_fetch(settings, _saved(from_, given) if from_ else None, json=json))


@takes(*QUERY, *DOWNLOAD)
def run(
    *,
    given: Given,
    job: Annotated[Path, typer.Argument(help="TOML file that says what to fetch.", metavar="JOB.toml")],
    json: Json = False,
) -> None:
    """Fetch what a job file asks for; options come before what it says."""
    from skyhaul.settings import load

    raise typer.Exit(_fetch(load(given, job=job), None, json=json))


def _fetch(settings: Settings, wanted: Wanted | None, *, json: bool) -> int:
    """Download, print the report; the exit code."""
    from skyhaul.cli.find import check_restricted, planned

    if wanted is None:
        check_restricted(settings.query)
    if settings.download is None:
        raise SettingsError("no destination: say where to with --into DIR")

    from skyhaul.cli.running import load_credentials

    if settings.download.dry_run and wanted is None:
        return planned(settings, json=json)
    report = fetched(settings, load_credentials(settings), wanted, json=json)
    print_report(report, json=json)
    return report.exit_code


def fetched(settings: Settings, credentials: Credentials, wanted: Wanted | None, *, json: bool) -> Report:
    """Download, watched."""
    from skyhaul.cli.running import carried_out, of_download

    if settings.download is None:
        raise SettingsError("no destination: say where to with --into DIR")
    observers = of_download(settings.download, json=json)
    return carried_out(settings, credentials, observers, lambda haul: haul.download(wanted, handle_signals=True))


def print_report(report: Report, *, json: bool) -> None:
    """How it ended, as a table; beside JSON on stdout it goes to stderr."""
    from rich.console import Console

    from skyhaul.observe.report import report_table

    console = Console(stderr=json)
    if not console.is_terminal:
        console.width = UNFOLDED  # in a file, names are searched for
    with console.capture() as printed:
        console.print(report_table(report))
    console.file.write("".join(f"{line.rstrip()}\n" for line in printed.get().splitlines()))


def _saved(source: str, given: Given) -> Wanted:
    from skyhaul.runtime import Wanted
    from skyhaul.saved import load

    for key in QUERY:
        if key.name != "provider" and given[key.name] not in (None, []):
            raise SettingsError(f"--from takes its products from {source}: {key.option} has no place beside it")
    saved = load(source)
    return Wanted(products=saved.products, names=saved.names, ids=saved.ids, given=True)
