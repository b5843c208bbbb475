from __future__ import annotations

from pathlib import PurePosixPath

import pytest

from skyhaul.errors import ConnectionLost, ObjectMissing
from skyhaul.explained import Explained
from skyhaul.model import Product, ProductResult
from skyhaul.pipeline import Job

PRODUCT = Product(id="1", name="A", provider="cdse")
JOB = Job(product=PRODUCT, path=PurePosixPath("A"), objects=())


class Failing:
    """A craft that fails as it is told."""

    def __init__(self, error=None, kind=None):
        self.error, self.kind = error, kind

    async def present(self, product):
        return None

    async def expand(self, product):
        if self.error:
            raise self.error
        return JOB

    async def carry_out(self, job, obj):
        return (job, obj)

    async def finish(self, job):
        return ProductResult(id="1", name="A", state="failed" if self.kind else "verified", kind=self.kind, error="x")


async def why(error, product):
    return f"{error}; {product.name} was deleted"


async def test_what_is_missing_when_it_is_expanded():
    with pytest.raises(ObjectMissing, match="gone; A was deleted"):
        await Explained(Failing(ObjectMissing("gone")), why).expand(PRODUCT)
    with pytest.raises(ConnectionLost, match=r"^cut$"):
        await Explained(Failing(ConnectionLost("cut")), why).expand(PRODUCT)


async def test_what_is_missing_when_it_is_finished():
    assert (await Explained(Failing(kind="ObjectMissing"), why).finish(JOB)).error == "x; A was deleted"
    assert (await Explained(Failing(kind="ConnectionLost"), why).finish(JOB)).error == "x"
    assert (await Explained(Failing(), why).finish(JOB)).error == "x"


async def test_everything_else_is_left_to_the_craft():
    craft = Explained(Failing(), why)
    assert await craft.present(PRODUCT) is None
    assert await craft.expand(PRODUCT) is JOB
    assert await craft.carry_out(JOB, "object") == (JOB, "object")
