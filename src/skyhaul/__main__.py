"""``python -m skyhaul`` and the ``skyhaul`` command: every failure becomes one sentence and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import typer

from skyhaul.cli import app
from skyhaul.discreet import without_secrets
from skyhaul.errors import SkyhaulError

INTERRUPTED = 130
BROKEN_PIPE = 141  # 128 + SIGPIPE, as a shell reports it
BUG = 70  # EX_SOFTWARE of sysexits.h

UsageError = typer.BadParameter.__bases__[0]
"""Typer brings click under another name in some versions; this is its class in all of them."""


def main() -> None:
    """Run the command line and end the process."""
    try:
        code = app(prog_name="skyhaul", standalone_mode=False)
    except SystemExit:
        code = BROKEN_PIPE  # typer ends the process by itself for this one reason
    except (Exception, KeyboardInterrupt, BaseExceptionGroup) as error:  # noqa: BLE001 the last resort: a user sees no traceback
        code = _ended_by(error)
    if code == INTERRUPTED:
        _say("interrupted")  # typer turns an interrupt into an exit code without a word
    sys.exit(code or 0)


def _ended_by(error: BaseException) -> int:
    """Say what happened, in one line; the exit code."""
    leaves = list(_leaves(error))
    if any(isinstance(leaf, BrokenPipeError) for leaf in leaves):
        # Python flushes stdout when it ends, and would complain about the reader that has gone.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return BROKEN_PIPE
    if any(isinstance(leaf, KeyboardInterrupt) for leaf in leaves):
        return INTERRUPTED
    leaf = leaves[0]
    if isinstance(leaf, UsageError):
        _say(_usage(leaf))
        return 2
    if all(isinstance(each, SkyhaulError) for each in leaves):
        _say(str(leaf))
        return int(getattr(leaf, "exit_code", 1))
    return _bug(error, next(each for each in leaves if not isinstance(each, SkyhaulError)))


def _usage(error: BaseException) -> str:
    command = getattr(getattr(error, "ctx", None), "command_path", "skyhaul")
    message = getattr(error, "format_message", error.__str__)()
    return f"{message.rstrip('.')}; see '{command} --help'"


def _bug(error: BaseException, leaf: BaseException) -> int:
    if os.environ.get("SKYHAUL_DEBUG"):
        raise error
    what = without_secrets(" ".join(str(leaf).split()))[:300]
    _say(f"internal error, please report it: {type(leaf).__name__}: {what}; SKYHAUL_DEBUG=1 shows the traceback")
    return BUG


def _say(sentence: str) -> None:
    sys.stdout.flush()
    sys.stderr.write(f"skyhaul: {sentence}\n")


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from _leaves(inner)
    else:
        yield error


if __name__ == "__main__":
    main()
