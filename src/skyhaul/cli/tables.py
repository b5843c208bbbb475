"""Options of a command that are not said: from ``.env``, from its table in a job file, from its table in the user's own file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from skyhaul.errors import SettingsError
from skyhaul.values import meant

AREAS = frozenset({"bbox", "aoi", "point", "circle"})
"""Options that are one choice: where a more important place gives one, it replaces that of a lesser one."""

_APART = frozenset({"files", "job", "help"})


def _fill(context: typer.Context, job: Path | None) -> Path | None:
    """Have the context look for what is not said in the places that there are; before any other option is read."""
    if not context.resilient_parsing:
        known: dict[str, Any] = {
            each.opts[0].lstrip("-").replace("-", "_"): each
            for each in context.command.params
            if each.name not in _APART and each.opts
        }
        found: dict[str, object] = {}
        for place in _places(str(context.info_name), known, job):
            if AREAS & place.keys():
                found = {name: value for name, value in found.items() if name not in AREAS}
            found |= place
        context.default_map = {known[name].name: value for name, value in found.items()}
    return job


Job = Annotated[
    Path | None,
    typer.Option(
        "--job",
        help="Job file whose table of the command's name holds options that are not said here.",
        metavar="JOB.toml",
        show_default=False,
        is_eager=True,
        callback=_fill,
    ),
]


def foremost(context: typer.Context, options: Mapping[str, object]) -> dict[str, object]:
    """Those of several alternatives that were given in the most important place: said or in the environment, or else in a file."""
    given = {name: value for name, value in options.items() if value is not None}
    here = {name for name in given if getattr(context.get_parameter_source(name), "name", "") != "DEFAULT_MAP"}
    return {name: value for name, value in given.items() if name in here or not here}


def _places(section: str, known: Mapping[str, Any], job: Path | None) -> Iterator[dict[str, object]]:
    """What each place gives, the least important first.

    Raises:
        SettingsError: a file cannot be read, has no such table, or a key in it that is no option.
    """
    from skyhaul.layers import dotenv, table
    from skyhaul.settings import user_file_path

    user = user_file_path()
    if user.is_file():
        yield _read(user, section, table(user, section) or {}, known)
    if job is not None:
        found = table(job, section)
        if found is None:
            raise SettingsError(f"{job} has no table [{section}]")
        yield _read(job, section, found, known)
    variables = dotenv(Path())
    yield {name: variables[each.envvar] for name, each in known.items() if variables.get(each.envvar or "")}


def _read(path: Path, section: str, table: Mapping[str, object], known: Mapping[str, Any]) -> dict[str, object]:
    for name in table:
        if name not in known:
            raise SettingsError(f"{path}: [{section}] has no key {name!r}; {meant(name, known)}")
    return {name: _value(name, value, path.parent, several=known[name].multiple) for name, value in table.items()}


def _value(name: str, value: object, folder: Path, *, several: bool) -> object:
    """A value as the command line would have it; files of an area belong to the folder of the file that names them."""
    if several:
        return [str(each) for each in (value if isinstance(value, list) else [value])]
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, date):  # times are dates too
        return value.isoformat()
    if name == "aoi" and isinstance(value, str) and (folder / value).is_file():
        return str(folder / value)
    return value
