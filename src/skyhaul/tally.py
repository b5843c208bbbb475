"""A run counted up: results and events in, the report out."""

from __future__ import annotations

import time
from collections import Counter

from skyhaul.catalogue.enumeration import Completeness
from skyhaul.events import AttemptFailed, Event, Meter, ProductFinished, ProductFound
from skyhaul.model import ProductResult, Report
from skyhaul.pipeline import Stopped
from skyhaul.settings import DownloadSettings

FAILURES_KEPT = 1000
NOTHING_MATCHED = 3
INTERRUPTED = 130


class Tally:
    """What a run has come to so far."""

    def __init__(self, wanted: DownloadSettings, meter: Meter, allowance_bytes_per_s: float | None) -> None:
        self._wanted = wanted
        self._meter = meter
        self._allowance_bytes_per_s = allowance_bytes_per_s
        self._began_s = time.monotonic()
        self._found = 0
        self._bytes = 0
        self._states: Counter[str] = Counter()
        self._levels: Counter[str] = Counter()
        self._retries: Counter[str] = Counter()
        self._failures: list[ProductResult] = []
        self._kinds: set[str | None] = set()

    def note(self, event: Event) -> None:
        """Count an event."""
        match event:
            case ProductFound():
                self._found += 1
            case AttemptFailed() if event.wait_s is not None:
                self._retries[event.kind] += 1
            case ProductFinished():
                self._finished(event.result)

    def _finished(self, result: ProductResult) -> None:
        self._states[result.state] += 1
        if result.state == "verified":
            self._bytes += result.bytes
            self._levels[result.level or "length"] += 1
        if result.state in {"failed", "offline"}:
            self._kinds.add(result.kind)
            if len(self._failures) < FAILURES_KEPT:
                self._failures.append(result)

    @property
    def verified(self) -> int:
        """Products verified in this run."""
        return self._states["verified"]

    def check(self) -> None:
        """Whether the run may go on.

        Raises:
            Stopped: the user said how far it should go, and it has.
        """
        if self._wanted.fail_fast and self._failures:
            raise Stopped("stopped at the first failure (--fail-fast)", 1)
        if self._wanted.max_bytes is not None and self._bytes >= self._wanted.max_bytes:
            raise Stopped(f"stopped after {self._bytes} bytes (--max-bytes); run again to go on", 1)
        if self._wanted.max_time_s is not None and time.monotonic() - self._began_s >= self._wanted.max_time_s:
            raise Stopped("stopped after the time allowed (--max-time); run again to go on", 1)

    def report(self, completeness: Completeness | None, *, exit_code: int | None, stopped: str | None) -> Report:
        """The figures of the run. ``exit_code`` is what ended it early, ``None`` if nothing did."""
        incomplete = [str(each) for each in completeness.incomplete] if completeness else []
        complete = completeness.slices if completeness else 0
        settled = sum(self._states.values())
        return Report(
            found=self._found,
            verified=self._states["verified"],
            present=self._states["present"],
            failed=self._states["failed"] + self._states["offline"],
            pending=max(0, self._found - settled),
            bytes=self._bytes,
            fetched=self._meter.received_bytes,
            seconds=time.monotonic() - self._began_s,
            allowance_bytes_per_s=self._allowance_bytes_per_s,
            levels=dict(self._levels),
            retries=dict(self._retries),
            slices=(complete, complete + len(incomplete)),
            failures=tuple(self._failures),
            incomplete=tuple(incomplete)
            + (tuple(f"not in the catalogue: {name}" for name in completeness.missing) if completeness else ()),
            exit_code=self._exit_code(completeness) if exit_code is None else exit_code,
            stopped=stopped,
            destination=str(self._wanted.into),
        )

    def _exit_code(self, completeness: Completeness | None) -> int:
        if completeness is not None and completeness.exit_code:
            return completeness.exit_code
        if self._failures:
            return 5 if self._kinds <= {"AccessDenied", "LoginRefused", "TokenRefused"} else 1
        if completeness is not None and completeness.missing:
            return 1
        return 0 if self._found else NOTHING_MATCHED
