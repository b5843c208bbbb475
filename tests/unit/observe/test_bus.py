from __future__ import annotations

import anyio
import pytest

from skyhaul.events import Event, ProductFound
from skyhaul.observe.bus import Bus

pytestmark = pytest.mark.anyio


def found(name: str) -> ProductFound:
    return ProductFound(product=name, name=name, size=1)


async def test_an_event_is_in_the_state_when_emit_returns() -> None:
    bus = Bus()
    bus.emit(found("p"))
    assert bus.state.found == 1


async def test_every_follower_gets_every_event_in_order() -> None:
    bus = Bus()
    early, late = bus.subscribe(), bus.subscribe()
    events = [found(str(index)) for index in range(10)]
    for event in events:
        bus.emit(event)
    assert early.take() == events
    assert early.take() == []
    assert late.take() == events


async def test_following_ends_after_the_last_event() -> None:
    bus, heard = Bus(), list[Event]()
    mailbox = bus.subscribe()

    async def follow() -> None:
        async for event in mailbox:
            heard.append(event)
            if len(heard) == 1:
                bus.emit(found("while reading"))
                bus.close()
                bus.emit(found("too late"))

    async with anyio.create_task_group() as group:
        group.start_soon(follow)
        await anyio.lowlevel.checkpoint()
        bus.emit(found("first"))
    assert [event.name for event in heard if isinstance(event, ProductFound)] == ["first", "while reading"]
    assert bus.closed.is_set()


async def test_a_closed_mailbox_does_not_fill_up() -> None:
    bus = Bus()
    gone, here = bus.subscribe(), bus.subscribe()
    gone.close()
    bus.emit(found("p"))
    assert (len(gone.take()), len(here.take())) == (0, 1)
