"""Faults as data: what goes wrong, where, when and how often; and the book that decides it, event by event."""

from __future__ import annotations

import random
from collections import Counter
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Literal, NamedTuple

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence


class Stage(StrEnum):
    """The moment of a request at which a fault acts; a request passes some of them, in this order."""

    REQUEST = "request"  # before anything is looked at
    TOKEN = "token"  # noqa: S105 -- a stage, no secret
    HEAD = "head"  # while the headers of a body are made
    BODY = "body"  # while a body is sent
    PAGE = "page"  # while a list is written: catalogue, STAC, S3 keys, nodes


class FaultKind(StrEnum):
    """What goes wrong."""

    STATUS = "status"  # an error answer in the host's own style
    ERROR_PAGE = "error-page"  # status 200 with somebody else's document
    RESET = "reset"  # the connection is reset before any header
    SILENCE = "silence"  # the request is read and not answered for ``seconds``, then reset
    SLOW = "slow"  # the answer comes ``seconds`` late
    REDIRECT_LOOP = "redirect-loop"  # 302 to itself
    SHORT_TOKEN = "short-token"  # noqa: S105 -- the access token dies after ``seconds``, whatever its reply says
    ETAG = "etag"  # another validator than before
    WHOLE = "whole"  # 200 and everything where a range was asked for
    CONTENT_RANGE = "content-range"  # 206 whose Content-Range is one byte off
    HOSTILE_NAME = "hostile-name"  # Content-Disposition that climbs out of the folder
    HOSTILE_ARCHIVE = "hostile-archive"  # a zip whose entries climb out of the folder
    CUT = "cut"  # reset in the middle of the body
    TRUNCATE = "truncate"  # clean close before Content-Length is reached
    STALL = "stall"  # nothing for ``seconds`` in the middle of the body, then it goes on
    FLIP = "flip"  # one wrong byte
    MALFORMED = "malformed"  # a page cut in the middle of its text
    EMPTY_PAGE = "empty-page"  # a page without its entries, its link to the next one intact
    LOST_LINK = "lost-link"  # a page without its link to the next one
    SHIFTED_PAGE = "shifted-page"  # the first entry twice, the last one not at all
    DUPLICATE = "duplicate"  # the last entry twice
    WRONG_COUNT = "wrong-count"  # one more than there are
    HOSTILE_KEY = "hostile-key"  # an entry whose name climbs out of the folder


STAGES = {
    FaultKind.STATUS: Stage.REQUEST,
    FaultKind.ERROR_PAGE: Stage.REQUEST,
    FaultKind.RESET: Stage.REQUEST,
    FaultKind.SILENCE: Stage.REQUEST,
    FaultKind.SLOW: Stage.REQUEST,
    FaultKind.REDIRECT_LOOP: Stage.REQUEST,
    FaultKind.SHORT_TOKEN: Stage.TOKEN,
    FaultKind.ETAG: Stage.HEAD,
    FaultKind.WHOLE: Stage.HEAD,
    FaultKind.CONTENT_RANGE: Stage.HEAD,
    FaultKind.HOSTILE_NAME: Stage.HEAD,
    FaultKind.HOSTILE_ARCHIVE: Stage.HEAD,
    FaultKind.CUT: Stage.BODY,
    FaultKind.TRUNCATE: Stage.BODY,
    FaultKind.STALL: Stage.BODY,
    FaultKind.FLIP: Stage.BODY,
    FaultKind.MALFORMED: Stage.PAGE,
    FaultKind.EMPTY_PAGE: Stage.PAGE,
    FaultKind.LOST_LINK: Stage.PAGE,
    FaultKind.SHIFTED_PAGE: Stage.PAGE,
    FaultKind.DUPLICATE: Stage.PAGE,
    FaultKind.WRONG_COUNT: Stage.PAGE,
    FaultKind.HOSTILE_KEY: Stage.PAGE,
}


class Subject(NamedTuple):
    """What a request is about.

    Routes: ``token``, ``identity.{keys,logout,discovery}``; ``catalogue.{products,product,list,deleted,
    deleted-product,bursts,burst,attributes,quicklook,redirect,burst-redirect}``; ``download.{zip,node,nodes,
    burst,ready}``; ``stac.{search,item,collections}``; ``s3.{get,head,list,bucket,write,ready}``;
    ``dhus.{search,product,online,value,part}``; ``resto.{search,download}``; ``noa.{products,product,value}``;
    ``geodes.{search,collections,availability,download}``; ``planetary.sign``; ``blobs.get``; and ``other``
    of each host. The name is a product's name, a path inside one, an object key or prefix, an id or a query.
    """

    route: str
    name: str


class Fault(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True):
    """One thing that goes wrong.

    An event is a matching request that reaches the fault's stage. Events are counted from 1, over all
    subjects or, with ``per_name``, for each name alone; ``times`` bounds how often the fault happens in
    the same count. ``at_bytes`` counts from the start of the body sent; None, or a body that is shorter,
    means its middle, so that a fault that is drawn always happens.
    """

    kind: FaultKind
    route: str = "*"
    name: str = "*"
    nth: int | None = None
    every: int | None = None
    probability: float = 1.0
    times: int | None = None
    per_name: bool = False
    status: int = 503
    retry_after: str | None = None
    body: Literal["html", "json", "xml"] = "html"
    at_bytes: int | None = None
    seconds: float = 3600.0

    def __post_init__(self) -> None:
        if not 0 <= self.probability <= 1:
            raise ValueError(f"a probability lies in 0..1, not {self.probability}")
        if any(count is not None and count < 1 for count in (self.nth, self.every, self.times)):
            raise ValueError("nth, every and times count from 1")

    def concerns(self, stage: Stage, subject: Subject) -> bool:
        """Whether an event of ``subject`` at ``stage`` counts for this fault."""
        return (
            STAGES[self.kind] is stage
            and fnmatchcase(subject.route, self.route)
            and fnmatchcase(subject.name, self.name)
        )

    def offset(self, length: int) -> int:
        """Where in a body of ``length`` bytes the fault strikes."""
        return self.at_bytes if self.at_bytes is not None and self.at_bytes < length else length // 2


class FaultBook:
    """Decides which fault, if any, an event meets. The same events in the same order meet the same faults."""

    def __init__(self, faults: Sequence[Fault], seed: int) -> None:
        self.faults = tuple(faults)
        self.happened: Counter[str] = Counter()
        self._dice = [random.Random(f"{seed}/{position}") for position in range(len(self.faults))]  # noqa: S311 -- repeatable on purpose
        self._events: Counter[tuple[int, str]] = Counter()
        self._struck: Counter[tuple[int, str]] = Counter()

    def draw(self, stage: Stage, subject: Subject) -> Fault | None:
        """The first fault that strikes this event; every fault it concerns has counted the event."""
        struck = [
            fault
            for position, fault in enumerate(self.faults)
            if fault.concerns(stage, subject) and self._strikes(position, fault, subject)
        ]
        if not struck:
            return None
        self.happened[struck[0].kind.value] += 1
        return struck[0]

    def _strikes(self, position: int, fault: Fault, subject: Subject) -> bool:
        counted = (position, subject.name if fault.per_name else "")
        self._events[counted] += 1
        event = self._events[counted]
        strikes = (
            (fault.times is None or self._struck[counted] < fault.times)
            and (fault.nth is None or event == fault.nth)
            and (fault.every is None or event % fault.every == 0)
            and (fault.probability >= 1 or self._dice[position].random() < fault.probability)
        )
        self._struck[counted] += strikes
        return strikes
