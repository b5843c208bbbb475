"""How rows leave ``skyhaul search``."""

from __future__ import annotations

import io

import anyio
import pytest
from anyio import from_thread

from skyhaul.cli.find import _write
from skyhaul.model import Product
from skyhaul.planning import Totals
from skyhaul.results import Writer

pytestmark = pytest.mark.anyio


class Reader(io.StringIO):
    """Whoever reads the rows, as soon as they are handed on."""

    def __init__(self):
        super().__init__()
        self.reached = anyio.Event()

    def flush(self):
        if self.getvalue().count("\n") == 3:
            from_thread.run_sync(self.reached.set)


async def test_the_rows_of_a_page_are_handed_on_before_the_next_page_comes():
    reader, totals = Reader(), Totals()

    async def pages():
        for name in ("A", "B", "C"):
            yield Product(id=name, name=name, provider="cdse")
        await reader.reached.wait()
        yield Product(id="D", name="D", provider="cdse")

    with anyio.fail_after(20):
        await _write(pages(), Writer("names", reader), totals)
    assert reader.getvalue() == "A\nB\nC\nD\n"
    assert totals.products == 4


async def test_what_goes_wrong_while_products_come_is_not_lost():
    async def pages():
        yield Product(id="A", name="A", provider="cdse")
        raise ConnectionError("no more")

    stream = io.StringIO()
    with pytest.raises(ExceptionGroup) as error:
        await _write(pages(), Writer("names", stream), Totals())
    assert error.group_contains(ConnectionError, match="no more")
