"""Replies that are kept: a page takes tens of milliseconds of a core to make, and a real archive has more cores than that."""

from __future__ import annotations

import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Hashable

KEPT_REPLY_BYTES = 384 << 20


class Sent(Protocol):
    """What has a body."""

    @property
    def body(self) -> bytes:
        """As it goes over the wire."""
        ...


Reply = TypeVar("Reply", bound=Sent)


class KeptReplies(Generic[Reply]):
    """Replies by what was asked, the latest of them; safe to be used by several threads at once."""

    def __init__(self) -> None:
        self._replies: OrderedDict[Hashable, Reply] = OrderedDict()
        self._held = 0
        self._lock = threading.Lock()

    def get(self, asked: Hashable) -> Reply | None:
        """The reply that was kept, if any."""
        with self._lock:
            return self._replies.get(asked)

    def keep(self, asked: Hashable, reply: Reply) -> None:
        """Keep ``reply``, and let the oldest go where it gets too much."""
        with self._lock:
            before = self._replies.pop(asked, None)
            self._replies[asked] = reply
            self._held += len(reply.body) - (len(before.body) if before else 0)
            while self._held > KEPT_REPLY_BYTES:
                _, oldest = self._replies.popitem(last=False)
                self._held -= len(oldest.body)
