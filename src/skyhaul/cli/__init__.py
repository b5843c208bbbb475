"""The command line: text to settings, one call, a report to text and an exit code. Nobody imports it.

Modules of this package import what is heavy inside their commands: ``skyhaul --help`` is felt.
"""

from __future__ import annotations

from typing import Annotated

import typer

from skyhaul.cli import bench, embedded, fetch, find, known, revisit, select
from skyhaul.version import __version__

app = typer.Typer(
    name="skyhaul",
    help="Bulk downloads from Earth-observation archives: complete, verified, resumable.",
    epilog="Every option of a query and of a download can also be set as SKYHAUL_<OPTION>, in .env, and in job files.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    invoke_without_command=True,
)
auth = typer.Typer(help="What the credentials open.", rich_markup_mode=None)

app.command()(embedded.demo)
app.command()(bench.bench)
app.command()(find.search)
app.command()(find.plan)
app.command()(select.select)
app.command()(revisit.revisit)
app.command()(fetch.download)
app.command()(fetch.run)
app.command()(known.status)
app.command()(known.providers)
app.add_typer(auth, name="auth")
auth.command()(known.check)
app.command(
    add_help_option=False,
    context_settings={"allow_extra_args": True, "ignore_unknown_options": True, "allow_interspersed_args": False},
)(embedded.simulate)


@auth.callback()
def _auth() -> None:
    """What the credentials open."""


@app.callback()
def _skyhaul(
    context: typer.Context,
    *,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Bulk downloads from Earth-observation archives: complete, verified, resumable."""
    if version:
        typer.echo(f"skyhaul {__version__}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help(), err=True)
        raise typer.Exit(2)
