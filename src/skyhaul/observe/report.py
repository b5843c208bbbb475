"""How a run ended, on one screen and as JSON."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import msgspec

from skyhaul.model import Report
from skyhaul.observe import text

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

FAILURES_SHOWN = 6
SLICES_SHOWN = 3

NOTHING_MATCHED = 3

_MEANINGS = {
    0: "everything asked for is on disk and verified as asked",
    1: "some products failed; what failed can be run again",
    2: "an option, a setting or a file could not be used",
    3: "nothing matched",
    4: "the catalogue could not be read completely: there may be more products than were found",
    5: "the archive did not accept the credentials",
    6: "the destination could not take the files",
    130: "interrupted; run the same command again to resume",
}

Row = tuple[str, "Text"]


def meaning(exit_code: int) -> str:
    """What ``exit_code`` says, in one line."""
    return f"exit {exit_code}: {_MEANINGS.get(exit_code, 'a failure that has no code of its own')}"


def ending(report: Report) -> str:
    """How a run ended, in one line: its exit code, and what it means or what stopped it."""
    return meaning(report.exit_code) if report.stopped is None else f"exit {report.exit_code}: {report.stopped}"


def report_table(report: Report) -> Table:
    """The report as rich prints it; it fits 80 columns and, failures included, a screen."""
    from rich.table import Table  # noqa: PLC0415 a download begins without it

    table = Table.grid(padding=(0, 2, 0, 0))
    table.add_column(style="dim", no_wrap=True)
    table.add_column(overflow="fold")
    for label, words in _rows(report):
        table.add_row(f" {label}", words)
    return table


def report_json(report: Report) -> dict[str, Any]:
    """The report's fields with its two rates and the meaning of its exit code beside them."""
    return {
        **msgspec.to_builtins(report),
        "bytes_per_s": report.bytes_per_s,
        "efficiency": report.efficiency,
        "meaning": meaning(report.exit_code),
    }


def _rows(report: Report) -> Iterator[Row]:
    yield "ended", _words(ending(report), "bold green" if report.exit_code == 0 else "bold red")
    yield "products", _words(_products(report))
    yield "bytes", _words(_bytes(report))
    yield "rate", _words(_rate(report))
    yield "verified", _words(_levels(report))
    yield "retries", _words(text.tally_text(report.retries) or "none")
    yield "catalogue", _words(_catalogue(report), "red" if report.incomplete else "")
    yield from _incomplete(report)
    yield from _failures(report)
    if report.destination is not None:
        yield "files", _words(report.destination)
        yield "journal", _words(f"{report.destination.rstrip('/')}/.skyhaul/journal.db")
        yield from _again(report)


def _products(report: Report) -> str:
    counts = (("found", report.found), ("verified", report.verified), ("by earlier runs", report.present))
    rare = (("failed", report.failed), ("not finished", report.pending))
    shown = [*counts, *((name, count) for name, count in rare if count)]
    return "   ".join(f"{text.count_text(count)} {name}" for name, count in shown)


def _bytes(report: Report) -> str:
    twice = max(0, report.fetched - report.bytes)
    extra = f"; received {text.bytes_text(report.fetched)}" if twice else ""
    return f"{text.bytes_text(report.bytes)} in {text.clock_text(report.seconds)}{extra}"


def _rate(report: Report) -> str:
    mean = text.rate_text(report.bytes_per_s)
    if report.efficiency is None or report.allowance_bytes_per_s is None:
        return mean
    allowed = text.short_rate_text(report.allowance_bytes_per_s)
    return f"{mean}, {text.percent_text(report.efficiency)} of the {allowed} that the archive allows"


def _levels(report: Report) -> str:
    ranked = sorted(report.levels.items(), key=lambda item: (-item[1], item[0]))
    return "   ".join(f"{level} {text.count_text(count)}" for level, count in ranked) or "none"


def _catalogue(report: Report) -> str:
    read, planned = report.slices
    whole = "complete" if read == planned and not report.incomplete else "incomplete"
    return f"{whole}: {text.count_text(read)} of {text.count_text(planned)} slices"


def _incomplete(report: Report) -> Iterator[Row]:
    for name in report.incomplete[:SLICES_SHOWN]:
        yield "", _words(name)
    more = len(report.incomplete) - SLICES_SHOWN
    if more > 0:
        yield "", _words(f"and {text.count_text(more)} more slices")


def _failures(report: Report) -> Iterator[Row]:
    if not report.failures:
        return
    kinds = Counter(result.kind or "unknown" for result in report.failures)
    yield "failed", _words(text.tally_text(kinds), "bold red")
    for result in report.failures[:FAILURES_SHOWN]:
        yield "", _words(f"{result.name}  {result.error or ''}")
    more = max(report.failed, len(report.failures)) - FAILURES_SHOWN
    if more > 0:
        yield "", _words(f"and {text.count_text(more)} more, all of them in the journal")


def _again(report: Report) -> Iterator[Row]:
    if report.exit_code not in {0, NOTHING_MATCHED}:
        yield "again", _words("the same command: what is there is not fetched again")


def _words(words: str, style: str = "") -> Text:
    from rich.text import Text  # noqa: PLC0415 likewise

    return Text(text.clean(words), style=style)
