"""What a journal tells of its destination, in figures: for ``skyhaul status``, beside a run that works in it or without one."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from skyhaul.errors import JournalError
from skyhaul.journal import FOLDER, journalling


def figures(destination: Path) -> dict[str, Any]:
    """What the journal of ``destination`` knows, in figures; read-only.

    Raises:
        JournalError: there is no journal, or it cannot be read.
    """
    path = destination / FOLDER / "journal.db"
    if not path.is_file():
        raise JournalError(
            f"{destination}: no journal here ({FOLDER}/journal.db); nothing was downloaded into this folder yet"
        )
    with journalling(path):
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=30.0)
        try:
            return _asked(connection, destination)
        finally:
            connection.close()


def _asked(db: sqlite3.Connection, destination: Path) -> dict[str, Any]:
    def rows(question: str) -> Sequence[tuple[Any, ...]]:
        return db.execute(question).fetchall()

    run = next(iter(rows("SELECT id, started_s, ended_s, title, exit_code FROM runs ORDER BY id DESC LIMIT 1")), None)
    begun = rows("SELECT count(*), coalesce(sum(stop - start), 0) FROM spans")[0]
    return {
        "destination": str(destination),
        "products": dict(rows("SELECT state, count(*) FROM products GROUP BY state ORDER BY state")),
        "bytes": rows("SELECT coalesce(sum(bytes), 0) FROM products WHERE state = 'verified'")[0][0],
        "levels": dict(
            rows("SELECT level, count(*) FROM products WHERE state = 'verified' GROUP BY level ORDER BY level")
        ),
        "bytes_begun": begun[1],
        "failures": [
            {"name": name, "kind": kind, "error": error}
            for name, kind, error in rows(
                "SELECT name, kind, error FROM products WHERE state = 'failed' ORDER BY name LIMIT 1000"
            )
        ],
        "incomplete": [
            {"slice": name, "error": error}
            for name, error in rows(
                "SELECT name, error FROM slices WHERE error IS NOT NULL AND run = (SELECT max(id) FROM runs)"
            )
        ],
        "last_run": run and dict(zip(("id", "started_s", "ended_s", "title", "exit_code"), run, strict=True)),
    }
