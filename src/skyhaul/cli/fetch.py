"""``download`` and ``run``: the main job."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from skyhaul.cli.gone import CheckDeleted, Gone
from skyhaul.cli.options import Given, Json, takes
from skyhaul.errors import SettingsError
from skyhaul.keys import DOWNLOAD, QUERY

UNFOLDED = 2000

if TYPE_CHECKING:
    from skyhaul.credentials import Credentials
    from skyhaul.feed import Wanted
    from skyhaul.model import Report
    from skyhaul.saved import Saved
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
    check_deleted: CheckDeleted = False,
    json: Json = False,
) -> None:
    """Fetch every product that a query finds, verified; run it again to resume."""
    from skyhaul.settings import load

    saved = _saved(from_, given) if from_ else None
    settings = load({**given, "provider": _provider_of(saved, from_, given["provider"])} if saved and from_ else given)
    raise typer.Exit(_fetch(settings, _wanted(saved) if saved else None, json=json, check_deleted=check_deleted))


@takes(*QUERY, *DOWNLOAD)
def run(
    *,
    given: Given,
    job: Annotated[Path, typer.Argument(help="TOML file that says what to fetch.", metavar="JOB.toml")],
    check_deleted: CheckDeleted = False,
    json: Json = False,
) -> None:
    """Fetch what a job file asks for; options come before what it says."""
    from skyhaul.settings import load

    raise typer.Exit(_fetch(load(given, job=job), None, json=json, check_deleted=check_deleted))


def _fetch(settings: Settings, wanted: Wanted | None, *, json: bool, check_deleted: bool) -> int:
    """Download, print the report; the exit code."""
    from skyhaul.cli.find import check_restricted, planned

    if wanted is None:
        check_restricted(settings.query)
    if settings.download is None:
        raise SettingsError("no destination: say where to with --into DIR")

    from skyhaul.cli.running import load_credentials

    if settings.download.dry_run and wanted is None:
        return planned(settings, json=json)
    account = load_credentials(settings)
    gone = Gone.asked(settings, account, wanted) if check_deleted else None
    report = fetched(settings, account, wanted, json=json, gone=gone)
    print_report(report, json=json)
    if gone:
        gone.tell()
    return report.exit_code


def fetched(
    settings: Settings, credentials: Credentials, wanted: Wanted | None, *, json: bool, gone: Gone | None = None
) -> Report:
    """Download, watched."""
    from skyhaul.cli.running import carried_out, of_download

    if settings.download is None:
        raise SettingsError("no destination: say where to with --into DIR")
    observers = of_download(settings.download, json=json)
    if gone:
        observers = gone.watching(observers)
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


def _saved(source: str, given: Given) -> Saved:
    from skyhaul.saved import load

    for key in QUERY:
        if key.name not in {"provider", "url"} and given[key.name] not in (None, []):
            raise SettingsError(f"--from takes its products from {source}: {key.option} has no place beside it")
    return load(source)


def _wanted(saved: Saved) -> Wanted:
    from skyhaul.feed import Wanted

    return Wanted(products=saved.products, names=saved.names, ids=saved.ids, given=True)


def _provider_of(saved: Saved, source: str, told: object) -> object:
    """The archive to fetch from: the one that was named, else the one that the products are of."""
    if told is not None and "list" in saved.providers and told != "list":
        raise SettingsError(f"--provider {told}: {source} lists files, which are of no archive; leave it out")
    if told is not None or not saved.providers:
        return told
    if len(saved.providers) > 1:
        archives = " and ".join(saved.providers)
        raise SettingsError(f"{source} holds products of {archives}: name the one to fetch from with --provider")
    return saved.providers[0]
