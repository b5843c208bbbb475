"""Places where things are set, the most important first, each flattened to ``section.key``."""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from skyhaul.columns import unquoted
from skyhaul.errors import SettingsError
from skyhaul.keys import KEYS
from skyhaul.values import meant, nearest

PREFIX = "SKYHAUL_"
_NEAR = 0.85
COMMANDS = ("select", "revisit")
"""Commands that read a table of their own name, see :func:`table`."""

_BY_NAME = {key.name: key for key in KEYS.values()}
_BY_VARIABLE = {key.variable: key for key in KEYS.values()}

ProviderKeys = Mapping[str, Sequence[str]]
"""For each archive the keys that its table may hold."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One value as it was given. ``label`` names it as its place does; relative inputs belong to ``folder``."""

    path: str
    value: object
    label: str
    folder: Path


class Layers:
    """The places, the most important first."""

    def __init__(self, layers: Iterable[Mapping[str, Given]]) -> None:
        self._layers = tuple(layers)

    def find(self, path: str) -> Given | None:
        """What the most important place says of ``path``."""
        return next((layer[path] for layer in self._layers if path in layer), None)

    def read(
        self, path: str, reader: Callable[[object], Any], several: str | None = None, *, listed: bool = False
    ) -> Any:
        """The decoded value of ``path``, ``None`` where no place gives one; a tuple of them where ``several`` separates many.

        With ``listed`` an ``@FILE``, or ``-`` for stdin, stands for what is on its lines.

        Raises:
            SettingsError: it cannot be used. The text begins with where it was given.
        """
        given = self.find(path)
        if given is None:
            return None
        try:
            if several is None:
                return reader(given.value)
            pieces = _each(given.value, several)
            if listed:
                pieces = chain.from_iterable(_listed(piece, given) for piece in pieces)
            return tuple(dict.fromkeys(map(reader, pieces)))
        except ValueError as error:
            raise SettingsError(f"{given.label}: {error}") from None

    def choice(self, *paths: str) -> Given | None:
        """The one of several alternatives that the most important place gives.

        Raises:
            SettingsError: one place gives two of them.
        """
        for layer in self._layers:
            given = [layer[path] for path in paths if path in layer]
            if len(given) > 1:
                raise SettingsError(f"{given[0].label} and {given[1].label} exclude each other: give one of them")
            if given:
                return given[0]
        return None

    def said(self, path: str) -> str:
        """Where ``path`` was given and what was said there: ``--start 2024-04-01``."""
        given = self.find(path)
        return f"{given.label} {given.value}" if given else path


def gather(
    *,
    options: Mapping[str, object],
    environ: Mapping[str, str],
    folder: Path,
    job: Path | None,
    user_file: Path,
    providers: ProviderKeys,
) -> Layers:
    """Read every place.

    Raises:
        SettingsError: a file cannot be read, or holds a key that does not exist.
    """
    layers = [
        _options(options, folder),
        _environment(environ, "", folder, providers),
        _environment(dotenv(folder), f" in {folder / '.env'}", folder, providers),
    ]
    if job is not None:
        layers.append(_file(job, providers))
    if user_file.is_file():
        layers.append(_file(user_file, providers, beside=COMMANDS))
    return Layers(layers)


def table(path: Path, section: str) -> Mapping[str, object] | None:
    """What a file holds for a command that has a table of its own; ``None`` where it has none.

    Raises:
        SettingsError: the file cannot be read, or it is no table.
    """
    found = _toml(path).get(section)
    if found is not None and not isinstance(found, Mapping):
        raise SettingsError(f"{path}: {section} is a section: write [{section}]")
    return found


def dotenv(folder: Path) -> dict[str, str]:
    """What ``.env`` in ``folder`` sets; values stand for themselves, ``$`` included."""
    path = folder / ".env"
    if not path.is_file():
        return {}
    from dotenv import dotenv_values  # noqa: PLC0415 only where there is such a file

    try:
        found = dotenv_values(path, interpolate=False)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error})") from None
    return {name: value for name, value in found.items() if value is not None}


def _each(value: object, separator: str) -> Iterator[object]:
    for part in value if isinstance(value, list | tuple) else [value]:
        if isinstance(part, str):
            yield from filter(None, (piece.strip() for piece in part.split(separator)))
        else:
            yield part


def _listed(piece: object, given: Given) -> Iterator[object]:
    """``piece``, or what is on the lines of the file that it names; blank lines and those that begin with # are none."""
    if piece != "-" and not (isinstance(piece, str) and piece.startswith("@")):
        yield piece
        return
    lines = sys.stdin.read() if piece in {"-", "@-"} else _text(given.folder / Path(str(piece)[1:]).expanduser())
    found = [line.strip() for line in lines.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise SettingsError(f"{given.label} {piece}: there is nothing in it; one a line is meant")
    yield from (line if (name := unquoted(line)) is None else name for line in found)


def _options(options: Mapping[str, object], folder: Path) -> dict[str, Given]:
    layer = {}
    for name, value in options.items():
        if name not in _BY_NAME:
            raise SettingsError(f"there is no option {name!r}; {meant(name, _BY_NAME)}")
        if value is not None and value not in ([], ()):
            key = _BY_NAME[name]
            layer[key.path] = Given(path=key.path, value=value, label=key.option, folder=folder)
    return layer


def _environment(environ: Mapping[str, str], place: str, folder: Path, providers: ProviderKeys) -> dict[str, Given]:
    variables = {name: key.path for name, key in _BY_VARIABLE.items()} | {
        # A shell's names have no hyphens.
        f"{PREFIX}PROVIDERS__{provider.replace('-', '_')}__{key}".upper(): f"providers.{provider}.{key}"
        for provider, keys in providers.items()
        for key in keys
    }
    layer = {}
    for name, value in environ.items():
        if name in variables and value.strip():
            layer[variables[name]] = Given(path=variables[name], value=value, label=name + place, folder=folder)
        elif name.startswith(PREFIX) and name not in variables:
            _refuse_near_miss(name, variables, place)
    return layer


def _refuse_near_miss(name: str, variables: Iterable[str], place: str) -> None:
    """Other programs may own a SKYHAUL_ variable, but one that is nearly ours is a slip that would go unnoticed."""
    own = {variable.removeprefix(PREFIX): variable for variable in variables}
    near = nearest(name.removeprefix(PREFIX), own, cutoff=_NEAR)
    if near or name.startswith(PREFIX + "PROVIDERS__"):
        offered = f"did you mean {own[near[0]]}?" if near else "see 'skyhaul providers' for what can be set"
        raise SettingsError(f"there is no setting {name}{place}; {offered}")


def _file(path: Path, providers: ProviderKeys, *, beside: Sequence[str] = ()) -> dict[str, Given]:
    """What a file sets. Tables ``beside`` are none of ours; a job that holds one would seem to choose, and is refused."""
    tables = {section: each for section, each in _toml(path).items() if section not in beside}
    layer: dict[str, Given] = {}
    for section, table in tables.items():
        if section in COMMANDS:
            raise SettingsError(
                f"{path}: [{section}] is for 'skyhaul {section} --job', and changes nothing here: keep it in a file of its own"
            )
        if section not in {"query", "download", "providers"}:
            home = _BY_NAME.get(section)
            hint = f"it belongs in [{home.section}]" if home else meant(section, ("query", "download", "providers"))
            raise SettingsError(f"{path}: there is no section or key {section!r} at the top; {hint}")
        if not isinstance(table, Mapping):
            raise SettingsError(f"{path}: {section} is a section: write [{section}]")
        if section == "providers":
            layer |= _provider_tables(path, table, providers)
        else:
            names = [key.name for key in KEYS.values() if key.section == section]
            layer |= _table(path, section, table, names)
    return layer


def _provider_tables(path: Path, tables: Mapping[str, object], providers: ProviderKeys) -> dict[str, Given]:
    layer: dict[str, Given] = {}
    for provider, table in tables.items():
        if provider not in providers:
            raise SettingsError(f"{path}: there is no archive {provider!r}; {meant(provider, providers)}")
        if not isinstance(table, Mapping):
            raise SettingsError(f"{path}: providers.{provider} is a section: write [providers.{provider}]")
        layer |= _table(path, f"providers.{provider}", table, providers[provider])
    return layer


def _table(path: Path, section: str, table: Mapping[str, object], names: Sequence[str]) -> dict[str, Given]:
    layer = {}
    for name, value in table.items():
        if name not in names:
            home = _BY_NAME.get(name)
            hint = f"it belongs in [{home.section}]" if home else meant(name, names)
            raise SettingsError(f"{path}: [{section}] has no key {name!r}; {hint}")
        key = f"{section}.{name}"
        layer[key] = Given(path=key, value=value, label=f"{name} in {path}", folder=path.parent)
    return layer


def _toml(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise SettingsError(f"{path} is not valid TOML: {error}") from None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise SettingsError(f"there is no file {path}") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{path} cannot be read ({error})") from None
