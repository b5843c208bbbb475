"""Spans of an object: what is there, what is missing, how it is cut (pure)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from skyhaul.model import ByteRange


def missing(size: int, done: Iterable[ByteRange]) -> Iterator[ByteRange]:
    """The gaps that ``done`` leaves in an object of ``size`` bytes, in order."""
    position = 0
    for span in sorted(done, key=lambda span: span.start):
        if position < min(span.start, size):
            yield ByteRange(start=position, stop=min(span.start, size))
        position = max(position, span.stop)
    if position < size:
        yield ByteRange(start=position, stop=size)


def merged(spans: Iterable[ByteRange]) -> list[ByteRange]:
    """The same bytes in as few spans as possible, in order."""
    result: list[ByteRange] = []
    for span in sorted(spans, key=lambda span: span.start):
        if result and span.start <= result[-1].stop:
            result[-1] = ByteRange(start=result[-1].start, stop=max(result[-1].stop, span.stop))
        else:
            result.append(span)
    return result


def front(done: Iterable[ByteRange]) -> int:
    """How many bytes from the beginning are there without a gap."""
    first = next(iter(merged(done)), None)
    return first.stop if first is not None and first.start == 0 else 0


def split(spans: Iterable[ByteRange], part_bytes: Callable[[int], int]) -> Iterator[ByteRange]:
    """The same bytes in pieces, in order; ``part_bytes`` tells of the bytes that are left how many the next piece has at most."""
    spans = list(spans)
    left = sum(map(len, spans))
    for span in spans:
        start = span.start
        while start < span.stop:
            stop = min(start + part_bytes(left), span.stop)
            yield ByteRange(start=start, stop=stop)
            left -= stop - start
            start = stop
