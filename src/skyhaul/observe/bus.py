"""Where events go: reduced at once, handed on to those who follow.

Nothing foreign runs while an event is told: following means to be given a mailbox, and what reads it fails on its own, in its own
task. So no observer can hold up or break a transfer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio

from skyhaul.events import Event
from skyhaul.observe.state import RunState, reduce


class Mailbox:
    """The events of a bus from the moment of subscribing, in order, for one reader. It has no bound: read it, or close it."""

    def __init__(self) -> None:
        self.closed = anyio.Event()
        self._events: list[Event] = []
        self._came = anyio.Event()

    def put(self, event: Event) -> None:
        """Add ``event``; a closed mailbox takes none."""
        if not self.closed.is_set():
            self._events.append(event)
            self._came.set()

    def close(self) -> None:
        """Take no more. What is in it can still be read."""
        self.closed.set()
        self._came.set()

    def take(self) -> list[Event]:
        """What has come since the last time, perhaps nothing; does not wait."""
        events, self._events = self._events, []
        return events

    async def __aiter__(self) -> AsyncIterator[Event]:
        while not self.closed.is_set():
            await self._came.wait()
            self._came = anyio.Event()
            for event in self.take():
                yield event
        for event in self.take():
            yield event


class Bus:
    """Tells the observers. :meth:`emit` belongs on the event loop's thread, costs a few microseconds and cannot fail."""

    def __init__(self) -> None:
        self.state = RunState()
        self.closed = anyio.Event()
        self._mailboxes: tuple[Mailbox, ...] = ()

    def emit(self, event: Event) -> None:
        """Take ``event`` into the state now and hand it on."""
        self.state = reduce(self.state, event)
        for mailbox in self._mailboxes:
            mailbox.put(event)

    def subscribe(self) -> Mailbox:
        """A mailbox that gets every event from now on. ``async for`` over it ends when the bus is closed."""
        mailbox = Mailbox()
        self._mailboxes = (*(box for box in self._mailboxes if not box.closed.is_set()), mailbox)
        return mailbox

    def close(self) -> None:
        """No more events: observers write out what they have and end."""
        for mailbox in self._mailboxes:
            mailbox.close()
        self.closed.set()
