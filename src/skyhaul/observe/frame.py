"""One picture of a run: a view and a size become lines. Pure; nothing is wider than the width nor longer than the height.

From top to bottom: is it well, when is it done, what holds it back; then what it is doing; then what went wrong. The upper rows
never move. Too narrow, and columns go from the right; too low, and rows go by rank, the least needed first.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style

from skyhaul.observe import text
from skyhaul.observe.rows import Row
from skyhaul.observe.sentences import object_text, ready_text, reason, wanted_text
from skyhaul.observe.watch import View

Line = list[Segment]

PLAIN, BOLD, DIM = Style(), Style(bold=True), Style(dim=True)
FINE, WAITING, FAILED = Style(color="green"), Style(color="yellow"), Style(color="red", bold=True)
TONES = {"fine": FINE, "slow": PLAIN, "waiting": WAITING}

HINT = "Ctrl-C stops safely; run again to resume."
FAILURES_SHOWN = 3
ROWS_MIN, ROWS_MAX = 4, 16
LABEL, VALUE = 12, 10
NAME, NAME_MAX, BAR_MIN, BAR_MAX = 45, 68, 8, 28
STREAM_DOTS = 8
WHAT = 24
REASON = 34
"""Cells that the reason of a failure gets at least, where the name of its product can spare them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyphs:
    """What bars are made of; ``spark`` from nothing to full. A terminal that cannot show UTF-8 gets ASCII."""

    spark: str = "·▁▂▃▄▅▆▇█"
    full: str = "━"
    half: str = "╸"
    rest: str = "─"
    on: str = "●"
    off: str = "○"
    more: str = "…"


UNICODE = Glyphs()
ASCII = Glyphs(spark="_.:-=+*%#", full="#", half="#", rest="-", on="*", off=".", more="~")


class Rank(IntEnum):
    """What stays when there are too few rows: the lowest."""

    QUESTIONS = 0
    FAILURES = 1
    PRODUCTS = 2
    RETRIES = 3
    FIRST_ROWS = 4
    DETAILS = 5
    ROWS = 6
    HINT = 7
    AIR = 8


Ranked = tuple[Rank, Line]


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """What is drawn on: its width, and its glyphs."""

    width: int
    glyphs: Glyphs = UNICODE

    def crop(self, words: str, width: int) -> str:
        """``words`` in at most ``width`` cells, with a mark where something is missing."""
        words = text.clean(words)
        if cell_len(words) <= width:
            return words
        return set_cell_size(words, max(0, width - 1)).rstrip() + self.glyphs.more

    def left(self, words: str, width: int, style: Style = PLAIN) -> Segment:
        """``words`` in exactly ``width`` cells, flush left."""
        return Segment(set_cell_size(self.crop(words, width), width), style)

    def right(self, words: str, width: int, style: Style = PLAIN) -> Segment:
        """``words`` in ``width`` cells, flush right, so that numbers line up."""
        return Segment(self.crop(words, width).rjust(width), style)

    def bar(self, fraction: float | None, width: int, style: Style = FINE) -> Line:
        """A bar of ``width`` cells, in half cells; ``None`` is a bar that nobody knows the length of."""
        halves = int((fraction or 0.0) * width * 2)
        done = self.glyphs.full * (halves // 2) + self.glyphs.half * (halves % 2)
        return [Segment(done, style), Segment(self.glyphs.rest * (width - len(done)), DIM)]

    def spark(self, rates: Sequence[float], top: float, width: int) -> Segment:
        """The last rates as columns, ``top`` being a full one."""
        most = len(self.glyphs.spark) - 1
        levels = [min(most, math.ceil(rate / top * most)) if top > 0 else 0 for rate in rates[-width:]]
        return Segment("".join(self.glyphs.spark[level] for level in levels).ljust(width), FINE)


def frame(view: View, width: int, height: int, glyphs: Glyphs = UNICODE, *, last: bool = False) -> list[Line]:
    """The lines of ``view``. The last picture of a run leaves out what only matters while it goes on."""
    sheet = Sheet(width=width, glyphs=glyphs)
    top, bottom = list(_top(view, sheet)), _bottom(view, sheet)
    if last:
        return _chosen([*top, *bottom, (Rank.AIR, [])], width, height)
    hint = (Rank.HINT, [Segment(f" {HINT}", DIM)])
    taken = sum(1 for rank, _ in (*top, *bottom, hint) if rank is not Rank.AIR)
    places = max(ROWS_MIN, min(_places(view) - len(bottom), height - taken))
    return _chosen([*top, *_products(view, sheet, places), *bottom, hint], width, height)


def _places(view: View) -> int:
    """Rows for products and troubles together: the picture keeps its height when a trouble comes."""
    wanted = 2 * view.state.run.connections if view.state.run else 0
    return min(max(wanted, ROWS_MIN), ROWS_MAX) + 1 + FAILURES_SHOWN


def _chosen(ranked: Sequence[Ranked], width: int, height: int) -> list[Line]:
    order = sorted(range(len(ranked)), key=lambda index: ranked[index][0])
    return [Segment.adjust_line_length(ranked[index][1], width, pad=False) for index in sorted(order[:height])]


def _top(view: View, sheet: Sheet) -> Iterator[Ranked]:
    yield Rank.QUESTIONS, _header(view, sheet)
    yield Rank.AIR, []
    yield Rank.QUESTIONS, _rate(view, sheet)
    yield Rank.QUESTIONS, _bytes(view, sheet)
    yield Rank.QUESTIONS, _ready(view, sheet)
    yield from _held_back(view, sheet)
    yield Rank.PRODUCTS, _counts(view, sheet)
    yield Rank.DETAILS, _verified(view, sheet)
    yield Rank.DETAILS, _catalogue(view, sheet)
    yield Rank.DETAILS, _allowance(view, sheet)
    yield Rank.AIR, []


def _header(view: View, sheet: Sheet) -> Line:
    word, style = _status(view)
    status = f"{sheet.glyphs.on} {word}  {text.clock_text(view.elapsed_s)} "
    run = view.state.run
    title = f" skyhaul  {run.title}" if run else " skyhaul"
    room = max(0, sheet.width - len(status) - 2)
    return [sheet.left(title, room, BOLD), Segment("  "), Segment(status, style)]


def _status(view: View) -> tuple[str, Style]:
    state = view.state
    failed = state.ended.get("failed", 0) + state.slices_failed
    word, style = _activity(view)
    return (f"{word}, {text.count_text(failed)} failed", FAILED) if failed else (word, style)


_ENDED = {0: ("ended", FINE), 130: ("interrupted", WAITING)}


def _activity(view: View) -> tuple[str, Style]:
    if view.state.report is not None:
        return _ENDED.get(view.state.report.exit_code, ("ended", FAILED))
    if view.held_back.tone == "waiting":
        return "waiting", WAITING
    if not view.state.found:
        return "searching", FINE
    return ("finishing" if view.state.catalogue_finished and not view.state.queued else "fetching"), FINE


def _gauge_width(sheet: Sheet) -> int:
    return min(max(sheet.width - LABEL - VALUE - 36, BAR_MIN), 60)


def _label(words: str, style: Style = DIM) -> Segment:
    return Segment(f" {words}".ljust(LABEL), style)


def _rate(view: View, sheet: Sheet) -> Line:
    allowance, efficiency = view.allowance_bytes_per_s, view.efficiency
    spark = sheet.spark(view.history, allowance or max(view.history, default=0.0), _gauge_width(sheet))
    value = sheet.right(text.rate_text(view.window.bytes_per_s), VALUE, BOLD)
    line = [_label("rate"), value, Segment("  "), spark]
    if allowance is not None and efficiency is not None:
        line += _share(efficiency, f"of {text.short_rate_text(allowance)} allowed", sheet)
    return line


def _bytes(view: View, sheet: Sheet) -> Line:
    so_far = view.progress
    line = [_label("bytes"), sheet.right(text.bytes_text(so_far.done), VALUE, BOLD), Segment("  ")]
    line += sheet.bar(so_far.fraction, _gauge_width(sheet))
    if so_far.fraction is None:
        return [*line, Segment(f"  of {wanted_text(so_far)}", DIM)]
    return line + _share(so_far.fraction, f"of {wanted_text(so_far)}", sheet)


def _share(fraction: float, of: str, sheet: Sheet) -> Line:
    return [Segment(" "), sheet.right(text.percent_text(fraction), 6, BOLD), Segment(f" {of}")]


def _ready(view: View, sheet: Sheet) -> Line:
    report = view.state.report
    if report is not None:
        ended = text.second_text(view.state.ended_s or view.now_s)
        return [_label("ready"), Segment(f"since {ended}" if report.exit_code == 0 else f"no, ended at {ended}")]
    words = ready_text(view)
    return [_label("ready"), Segment(sheet.crop(words, sheet.width - LABEL), BOLD if view.eta else DIM)]


def _held_back(view: View, sheet: Sheet) -> Iterator[Ranked]:
    """Two rows always: the second is empty air when the sentence is short."""
    words = text.clean(f"by {view.held_back.sentence}" if view.held_back.cause != "end" else view.held_back.sentence)
    style = TONES[view.held_back.tone]
    lines = textwrap.wrap(words, max(10, sheet.width - LABEL), max_lines=2, placeholder=sheet.glyphs.more)
    yield Rank.QUESTIONS, [_label("held back"), Segment(lines[0], style)]
    second = [Segment(" " * LABEL), Segment(lines[1], style)] if lines[1:] else []
    yield (Rank.QUESTIONS if second else Rank.AIR), second


def _counts(view: View, sheet: Sheet) -> Line:
    state = view.state
    verifying = sum(1 for row in view.rows if row is not None and row.verifying)
    failed, offline = state.ended.get("failed", 0), state.ended.get("offline", 0) + state.on_tape
    wide = max(5, len(text.count_text(state.found)))
    counts = [
        ("found", state.found, wide, PLAIN),
        ("done", state.on_disk, wide, FINE if state.on_disk else PLAIN),
        ("failed", failed, 3, FAILED if failed else PLAIN),
        ("queued", state.queued - state.on_tape, wide, PLAIN),
        ("fetching", len(state.open) - verifying, 3, PLAIN),
        ("verifying", verifying, 3, PLAIN),
        ("offline", offline, 3, WAITING if offline else PLAIN),
    ]
    line, room = [_label("products")], sheet.width - LABEL
    for name, count, width, style in counts:
        room -= len(name) + 1 + width
        if room < 0:
            break
        line += [Segment(f"{name} ", DIM), sheet.right(text.count_text(max(0, count)), width, style), Segment("   ")]
        room -= 3
    return line


def _verified(view: View, sheet: Sheet) -> Line:
    levels = sorted(view.state.levels.items(), key=lambda item: (-item[1], item[0]))
    words = [f"{level} {text.count_text(count)}" for level, count in levels]
    if present := view.state.ended.get("present", 0):
        words.append(f"by earlier runs {text.count_text(present)}")
    return [_label("verified"), Segment(sheet.crop("   ".join(words) or "none yet", sheet.width - LABEL))]


def _catalogue(view: View, sheet: Sheet) -> Line:
    state, most = view.state, view.progress.products
    words, style = f"{text.count_text(state.slices_read)} of {text.count_text(state.slices_all)} slices read", PLAIN
    if not state.slices_all:
        words = "not asked"
    elif state.slices_failed:
        words, style = f"{words}, {text.count_text(state.slices_failed)} failed", FAILED
    elif not state.slices:
        words = f"{words}, complete"
    elif most is not None:
        words = f"{words}, about {text.count_text(most)} products in all"
    return [_label("catalogue"), Segment(sheet.crop(words, sheet.width - LABEL), style)]


def _allowance(view: View, sheet: Sheet) -> Line:
    run, gauge = view.state.run, view.gauge
    most = run.connections if run else 0
    line = [_label("allowance"), Segment("streams ", DIM)]
    if most <= STREAM_DOTS:
        used = min(gauge.streams, most)
        line += [Segment(sheet.glyphs.on * used, FINE), Segment(sheet.glyphs.off * (most - used), DIM)]
    else:
        line.append(Segment(f"{gauge.streams} of {most}"))
    if run and run.requests_per_minute:
        sent, limit = text.count_text(gauge.requests_last_minute), text.count_text(run.requests_per_minute)
        line += [Segment("   requests ", DIM), Segment(f"{sent.rjust(len(limit))} of {limit}/min")]
    if gauge.bytes_30_days is not None:
        limited = f" of {text.short_bytes_text(run.bytes_per_30_days)}" if run and run.bytes_per_30_days else ""
        line += [Segment("   30 days ", DIM), Segment(text.bytes_text(gauge.bytes_30_days) + limited)]
    return line


def _products(view: View, sheet: Sheet, places: int) -> Iterator[Ranked]:
    rows, hidden = view.rows[:places], [row for row in view.rows[places:] if row is not None]
    if hidden:
        rows, hidden = view.rows[: places - 1], [row for row in view.rows[places - 1 :] if row is not None]
    columns = Columns.fitting(sheet.width)
    for index in range(places - (1 if hidden else 0)):
        row = rows[index] if index < len(rows) else None
        yield _row_rank(index), (columns.line(row, sheet) if row is not None else [])
    if hidden:
        rate = text.rate_text(sum(row.bytes_per_s for row in hidden))
        yield _row_rank(places), [Segment(f" and {text.count_text(len(hidden))} more at {rate}", DIM)]


def _row_rank(index: int) -> Rank:
    return Rank.FIRST_ROWS if index < ROWS_MIN else Rank.ROWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Widths of a product's row. Of ``rate``, ``left``, ``size``, ``objects`` and ``route`` the first ``figures`` are shown."""

    name: int
    bar: int
    figures: int

    WIDTHS = (10, 7, 8, 7, 7)

    @classmethod
    def fitting(cls, width: int) -> Columns:
        """As many figures as fit beside a name of :data:`NAME` cells; what is left over makes bar and name longer."""
        room = width - 1 - NAME - 2 - BAR_MIN
        figures = 0
        for wide in cls.WIDTHS:
            if room < wide + 2:
                break
            room -= wide + 2
            figures += 1
        if not figures:
            return cls(name=max(8, width - 3 - BAR_MIN - 2 - cls.WIDTHS[0]), bar=BAR_MIN, figures=1)
        bar = min(BAR_MAX, BAR_MIN + room)
        return cls(name=min(NAME_MAX, NAME + room - (bar - BAR_MIN)), bar=bar, figures=figures)

    def line(self, row: Row, sheet: Sheet) -> Line:
        """One product."""
        fraction = min(1.0, row.done / row.size) if row.size else None
        line = [Segment(" "), sheet.left(row.name, self.name), Segment("  ")]
        line += sheet.bar(fraction, self.bar, WAITING if row.verifying else FINE)
        for words, width in list(zip(_figures(row), self.WIDTHS, strict=True))[: self.figures]:
            line += [Segment("  "), sheet.right(words, width)]
        return line


def _figures(row: Row) -> tuple[str, str, str, str, str]:
    size = text.bytes_text(row.size if row.size is not None else row.done)
    objects = f"{row.objects_done}/{row.objects}" if row.objects is not None else ""
    streams = f" {text.TIMES}{row.streams}" if row.streams > 1 else ""
    return _pace(row), _left(row), size, objects, f"{row.route or ''}{streams}"


def _pace(row: Row) -> str:
    if row.verifying:
        return "verifying"
    return text.rate_text(row.bytes_per_s) if row.bytes_per_s else "waiting"


def _left(row: Row) -> str:
    if row.left_s is None or row.verifying:
        return ""
    return text.clock_text(row.left_s) if row.left_s < 36_000 else text.span_text(row.left_s).split(" ")[0] + " h"  # noqa: PLR2004


def _bottom(view: View, sheet: Sheet) -> list[Ranked]:
    state = view.state
    troubles: list[Ranked] = [(Rank.RETRIES, _retries(view, sheet))]
    said = [("incomplete", f"{part.slice}: {part.error}") for part in state.incomplete]
    named = max(NAME // 2, sheet.width - LABEL - REASON)
    said += [
        ("failed", f"{sheet.crop(result.name, named)}  {result.kind or ''}: {result.error or ''}")
        for result in state.failures[-FAILURES_SHOWN:]
    ]
    troubles += [(Rank.FAILURES, _trouble(label, words, sheet, FAILED)) for label, words in said[-FAILURES_SHOWN:]]
    notes = [("note", f"{note.observer}: {note.error}") for note in state.notices[-1:]]
    return troubles + [(Rank.FAILURES, _trouble(label, words, sheet, WAITING)) for label, words in notes]


def _trouble(label: str, words: str, sheet: Sheet, style: Style) -> Line:
    return [_label(label, style), Segment(sheet.crop(words, sheet.width - LABEL))]


def _retries(view: View, sheet: Sheet) -> Line:
    state, parts = view.state, []
    if state.retries:
        parts.append(f"{text.count_text(sum(state.retries.values()))}:  {text.tally_text(state.retries)}")
    if view.gauge.refetched_bytes:
        parts.append(f"fetched twice {text.bytes_text(view.gauge.refetched_bytes)}")
    if state.last_retry is not None:
        last = state.last_retry
        what = sheet.crop(object_text(last.what), WHAT)
        parts.append(f"last {text.second_text(last.at_s)} {what}: {reason(last)}")
    return [_label("retries"), Segment(sheet.crop("   ".join(parts) or "none", sheet.width - LABEL))]
