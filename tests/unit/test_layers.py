"""The layers of the program, drawn here and held against its imports: a module imports only what lies below it."""

from __future__ import annotations

import ast
import sys
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

import skyhaul

SOURCE = Path(skyhaul.__file__).parent

LAYERS = {
    0: "errors model version discreet",  # nouns and failures: the standard library alone
    1: "events vocabulary bands values comparisons forecast bearable",  # facts, words and numbers
    2: "protocols keys globe area area.* footprint retry limits hands",  # contracts, geometry, patience
    3: """
        catalogue catalogue.slices catalogue.baselines catalogue.rules catalogue.odata catalogue.entities catalogue.versions
        catalogue.unwatched catalogue.told
        catalogue.dhus_query catalogue.resto_query catalogue.noa_query catalogue.by_time
        catalogue.dhus title catalogue.older catalogue.opensearch catalogue.stac catalogue.stac_assets catalogue.stac_search
        archives catalogue.here providers columns lists metalink
        select select.*
        transfer transfer.parts transfer.layout transfer.checksum transfer.manifest
        sources sources.replies observe observe.text
    """,  # decisions (pure)
    4: """
        layers fragments settings credentials lock journal status accounts
        sources.wire sources.http sources.ranged sources.mirrors sources.s3 sources.auth sources.profiles
        transfer.sink transfer.partfile transfer.ahead transfer.unpack transfer.there
    """,  # edges: files, sockets, databases
    5: """
        catalogue.asking catalogue.reading catalogue.enumeration catalogue.chain catalogue.paging catalogue.lookup
        catalogue.finding catalogue.deleted
        transfer.space transfer.reader transfer.fetch transfer.engine providers.*
        results parquet frames saved pipeline orders
    """,  # assemblies
    6: "explained recall recall_whole planning tally assembly compose feed lanes pull lane runtime measure",  # the composition
    7: "observe.* __init__",  # who looks on, and the public promise
    8: "cli cli.* __main__",  # the command line: nobody imports it
}
"""Modules by layer, lowest first. A module may import its own layer where no circle comes of it."""

SIMULATE = "simulate"
"""The embedded archive, a program of its own: it can only be wrong separately if it shares nothing with the client."""

HOMES = {
    "aiohttp": {"sources.wire"},
    "yarl": {"sources.wire"},
    "aiobotocore": {"sources.profiles"},
    "botocore": {"sources.s3", "sources.profiles"},
    "tenacity": {"retry"},
    "sqlite3": {"journal", "status", "accounts"},
    "pyotp": {"sources.auth"},
    "blake3": {"transfer.checksum"},
    "shapely": {"area.*", "globe", "footprint", "select.coverage", "catalogue.older"},
    "pyproj": {"area.*", "footprint"},
    "numpy": {"footprint"},
    "pyogrio": {"area.files"},
    "mgrs": {"area.given"},
    "pyarrow": {"parquet"},
    "pandas": {"frames"},
    "geopandas": {"frames"},
    "defusedxml": {"area.documents", "metalink", "sources.s3", "transfer.manifest", "catalogue.older"},
    "platformdirs": {"settings", "accounts"},
    "dotenv": {"layers"},
    "keyring": {"credentials"},
    "tomllib": {"layers"},
    "rich": {"observe.*", "cli.*"},
    "typer": {"cli", "cli.*", "__main__"},
    "matplotlib": {"observe.plot"},
    "msgspec": None,  # decodes wherever text comes in
    "anyio": None,  # waits wherever something is waited for
}
"""Where each library may be imported. ``None`` is anywhere but in the lowest layer."""


def imported(tree: ast.AST) -> set[str]:
    """Full names of what is imported, wherever in the file; types alone included."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


def named(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" and len(parts) > 1 else parts)


MODULES = {named(path): imported(ast.parse(path.read_text())) for path in sorted(SOURCE.rglob("*.py"))}
CLIENT = [name for name in MODULES if name.partition(".")[0] != SIMULATE]


def ours(full: str) -> str | None:
    """The module of ours that an import means."""
    name = full.removeprefix("skyhaul.")
    if full == name:
        return "__init__" if full == "skyhaul" else None
    while name and name not in MODULES:
        name = name.rpartition(".")[0]
    return name or "__init__"


def below(name: str) -> set[str]:
    """The modules of ours that a module imports."""
    return {found for full in MODULES[name] if (found := ours(full)) is not None} - {name}


def matches(name: str, pattern: str) -> bool:
    return name == pattern or (pattern.endswith(".*") and name.startswith(pattern[:-1]))


def layer(name: str) -> int:
    """The layer of a module: by its own name before any pattern."""
    by_pattern = [
        (number, pattern) for number, text in LAYERS.items() for pattern in text.split() if matches(name, pattern)
    ]
    assert by_pattern, f"{name} is new: say in LAYERS where it belongs"
    return min(by_pattern, key=lambda found: found[1].endswith(".*"))[0]


@pytest.mark.parametrize("name", CLIENT)
def test_a_module_imports_only_what_lies_below_it(name):
    here = layer(name)
    above = {other: layer(other) for other in below(name) if not other.startswith(SIMULATE) and layer(other) > here}
    assert not above, f"{name} is in layer {here}"


def test_no_imports_go_in_a_circle():
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, " → ".join((*path[path.index(name) :], name))
        if name in done:
            return
        for other in sorted(below(name)):
            if other != "__init__":  # a package that says what its version is
                visit(other, (*path, name))
        done.add(name)

    for name in MODULES:
        visit(name, ())


def test_the_drawing_names_no_module_that_is_gone():
    gone = {
        pattern
        for text in LAYERS.values()
        for pattern in text.split()
        if not any(matches(name, pattern) for name in MODULES)
    }
    assert not gone


def test_the_archive_and_the_client_never_meet():
    assert {
        name: below(name) for name in MODULES if name.startswith(SIMULATE) and not all(map(shared, below(name)))
    } == {}
    may_start_it = ("cli",)
    assert {
        name
        for name in CLIENT
        if not name.startswith(may_start_it) and any(other.startswith(SIMULATE) for other in below(name))
    } == set()


def shared(name: str) -> bool:
    return name.startswith(SIMULATE) or name in {"version", "__init__"}


APART = [
    ("transfer.*", "providers*"),  # the engine never asks which archive it serves
    ("transfer.*", "catalogue*"),
    ("transfer.*", "sources*"),
    ("sources.*", "transfer*"),
    ("sources.*", "catalogue*"),
    ("catalogue.*", "providers*"),
    ("journal", "transfer*"),
    ("pipeline", "transfer*"),  # the line knows its craft by protocol alone
    ("pipeline", "providers*"),
    ("pipeline", "journal"),
]


@pytest.mark.parametrize(("pattern", "others"), APART)
def test_rooms_that_have_no_door_between_them(pattern, others):
    for name in CLIENT:
        if matches(name, pattern):
            assert not [other for other in below(name) if fnmatchcase(other, others)], name


def test_a_library_has_one_home():
    homes: dict[str, set[str]] = {}
    for name in CLIENT:
        for full in MODULES[name]:
            top = full.partition(".")[0]
            if top not in sys.stdlib_module_names | {"skyhaul"} or top in HOMES:
                homes.setdefault(top, set()).add(name)
    assert homes.keys() <= HOMES.keys(), "a new library: say in HOMES where it is at home"
    assert homes.keys() >= HOMES.keys(), "a library that is not used any more"
    astray = {
        (library, name)
        for library, names in homes.items()
        if (allowed := HOMES[library]) is not None
        for name in names
        if not any(matches(name, pattern) for pattern in allowed)
    }
    assert not astray


def test_the_lowest_layer_stands_on_the_standard_library_and_msgspec_alone():
    for name in LAYERS[0].split():
        assert {full.partition(".")[0] for full in MODULES[name]} <= sys.stdlib_module_names | {"skyhaul", "msgspec"}, (
            name
        )


def test_nobody_below_the_observers_knows_how_things_are_shown():
    for name in CLIENT:
        assert layer(name) >= 7 or not {full.partition(".")[0] for full in MODULES[name]} & {"rich", "typer"}, name
