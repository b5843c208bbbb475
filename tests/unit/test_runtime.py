"""What lies between the line and those who feed it and wait for it."""

from __future__ import annotations

from functools import partial

import anyio
import pytest

from skyhaul.catalogue.asking import Asking
from skyhaul.errors import CatalogueError, DiskFull, SinkError
from skyhaul.events import ProductFound
from skyhaul.feed import Feed, Wanted
from skyhaul.model import Product, Query
from skyhaul.pipeline import Stopped, unwrapped
from skyhaul.providers.cdse import Cdse
from skyhaul.pull import ended
from support.engines import AT_ONCE

PRODUCTS = [Product(id=str(number), name=f"P{number}", provider="cdse") for number in range(5)]


class Taking:
    """A line that takes some products and then ends as it is told."""

    def __init__(self, count, error=None):
        self.count, self.error, self.taken = count, error, []

    async def run(self, products):
        async with products:
            async for product in products:
                self.taken.append(product.id)
                if len(self.taken) == self.count:
                    break
        await anyio.wait_all_tasks_blocked()
        if self.error is not None:
            raise self.error


async def end_of(line, wanted):
    events = []
    asking = Asking(host="cdse", retry=AT_ONCE, emit=events.append)
    feed = Feed(query=Query(), catalogue=Cdse(web=None, catalogue_url="https://catalogue"), asking=asking)
    with anyio.fail_after(5):
        end = await ended(line, partial(feed.give, wanted), beside=[anyio.sleep_forever], handle_signals=False)
    return end, feed, events


async def test_products_that_are_known_go_down_the_line():
    line = Taking(None)
    end, feed, events = await end_of(line, Wanted(products=iter(PRODUCTS), given=True))
    assert end == (None, None)
    assert line.taken == ["0", "1", "2", "3", "4"]
    assert [event.product for event in events if isinstance(event, ProductFound)] == line.taken
    assert feed.completeness.missing == ()


async def test_a_product_that_is_given_twice_goes_down_the_line_once():
    line = Taking(None)
    await end_of(line, Wanted(products=[*PRODUCTS, *PRODUCTS[::-1]], given=True))
    assert line.taken == ["0", "1", "2", "3", "4"]


async def test_a_line_that_ends_early_leaves_its_feed_no_reason_to_complain(monkeypatch):
    monkeypatch.setattr("skyhaul.pull.PRODUCTS_QUEUED", 0)
    line = Taking(2, Stopped("stopped at the first failure (--fail-fast)", 1))
    end, _, _ = await end_of(line, Wanted(products=PRODUCTS, given=True))
    assert end == (1, "stopped at the first failure (--fail-fast)")


async def test_a_list_that_cannot_be_read_is_an_error_as_it_is():
    def lines():
        yield PRODUCTS[0]
        raise CatalogueError("found.jsonl, line 2: not a product")

    with pytest.raises(CatalogueError, match="line 2"):
        await end_of(Taking(None), Wanted(products=lines(), given=True))


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (SinkError("x"), SinkError),
        (ExceptionGroup("", [SinkError("x")]), SinkError),
        (ExceptionGroup("", [ExceptionGroup("", [DiskFull("x")]), SinkError("y")]), DiskFull),
        (ExceptionGroup("", [Stopped("x", 1)]), Stopped),
        (ExceptionGroup("", [SinkError("x"), ZeroDivisionError()]), ExceptionGroup),
        (ZeroDivisionError(), ZeroDivisionError),
    ],
)
def test_expected_failures_come_out_as_themselves_and_bugs_as_they_are(raised, expected):
    with pytest.raises(expected) as error, unwrapped():
        raise raised
    assert type(error.value) is expected
