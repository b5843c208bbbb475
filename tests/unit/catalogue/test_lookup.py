from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field

import anyio
import pytest

from skyhaul.catalogue.asking import Asking
from skyhaul.catalogue.lookup import find_ids, find_named, spellings, stem
from skyhaul.catalogue.paging import Completeness
from skyhaul.errors import AccessDenied, HostBusy
from skyhaul.events import SliceFailed, SliceFinished, SlicePlanned
from skyhaul.model import Product
from skyhaul.protocols import Page, Paging
from support.catalogues import AT_ONCE, EPOCH, FakeCatalogue, Found, Raise, Spoil, product, unreadable

S2 = "S2A_MSIL2A_20240504T091559_N0511_R093_T34SGH_20240504T113000"


@dataclass
class Directory:
    """A catalogue that does nothing but look up, however much there is."""

    products: list[Product]
    paging: Paging = field(default_factory=lambda: Paging(page_size=1000, deepest_skip=10_000, concurrency=4))
    asked: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.by_name = {each.name: each for each in self.products}
        self.by_id = {each.id: each for each in self.products}

    async def named(self, names):
        return await self._page(self.by_name, names)

    async def page(self, part, skip, *, count):
        return await self._page(self.by_id, part.query.ids)

    async def _page(self, products, wanted):
        self.asked.append(len(wanted))
        await anyio.lowlevel.checkpoint()
        return Page(products=tuple(products[each] for each in wanted if each in products))


LONG = 12_345
GONE = (17, 4000, 4001, 12_000)
"""Of a long list these are not there; 4000 and 4001 are asked for together."""


@pytest.mark.parametrize("find", [find_named, find_ids])
async def test_a_long_list_takes_a_request_for_fifty_and_what_is_missing_is_named_in_order(find):
    made = [product(number, name=f"S2A_{number:06d}.SAFE") for number in range(LONG)]
    wanted = [each.name if find is find_named else each.id for each in made]
    directory = Directory([each for number, each in enumerate(made) if number not in GONE])
    # Some names as STAC and files have them, and some twice.
    given = [name.removesuffix(".SAFE") if number % 7 == 0 else name for number, name in enumerate(wanted)]
    found = await looked_up(find, directory, [*given, *given[:100]])
    assert len(found.ids) == len(set(found.ids)) == LONG - len(GONE)
    assert found.completeness.missing == tuple(given[number] for number in GONE)
    assert found.completeness.products == LONG - len(GONE)
    batches = -(-LONG // 50)
    assert found.completeness.slices == batches
    assert len(directory.asked) == batches + 2 * 3, "what is not there is asked for twice more"
    assert max(directory.asked) <= 100


async def looked_up(
    find: Callable[..., Awaitable[Completeness]], catalogue: FakeCatalogue | Directory, wanted: Iterable[str]
) -> Found:
    found = Found()
    send, receive = anyio.create_memory_object_stream[Product](0)
    asking = Asking(host="cdse", retry=AT_ONCE, emit=found.events.append)

    async def look_up() -> None:
        found.completeness = await find(catalogue, wanted, asking=asking, out=send)

    async with anyio.create_task_group() as group, receive:
        group.start_soon(look_up)
        async for each in receive:
            found.products.append(each)
    return found


def catalogue(*names: str, **more: object) -> FakeCatalogue:
    return FakeCatalogue([product(number, name=name) for number, name in enumerate(names)], **more)


async def test_names_are_found_and_what_is_missing_is_named():
    there = catalogue("A.SAFE", "B.SAFE", "C.SAFE")
    found = await looked_up(find_named, there, ["C.SAFE", "X.SAFE", "A.SAFE", "W.SAFE"])
    assert sorted(each.name for each in found.products) == ["A.SAFE", "C.SAFE"]
    assert found.completeness == Completeness(slices=1, products=2, missing=("X.SAFE", "W.SAFE"))


async def test_many_names_are_asked_for_in_batches_together():
    names = [f"N{number:04d}.SAFE" for number in range(1234)]
    there = catalogue(*names)
    found = await looked_up(find_named, there, names)
    assert sorted(each.name for each in found.products) == names
    assert max(map(len, there.named_requests)) <= 100
    assert there.most_in_flight == 4
    assert [event.slice for event in found.of(SlicePlanned)][-1] == "look-up 1201 to 1234"
    assert sum(event.products for event in found.of(SliceFinished)) == 1234


@pytest.mark.parametrize("given", [S2, S2 + ".SAFE", S2 + ".SAFE.zip", S2 + ".zip"])
@pytest.mark.parametrize("archived", [S2 + ".SAFE"])
async def test_the_suffix_does_not_matter(given, archived):
    found = await looked_up(find_named, catalogue(archived), [given])
    assert [each.name for each in found.products] == [archived]
    assert found.completeness.missing == ()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (S2, (S2, S2 + ".SAFE")),
        ("S1A_IW_GRDH_X.zip", ("S1A_IW_GRDH_X", "S1A_IW_GRDH_X.SAFE")),
        ("S1A_OPER_AUX_POEORB_X", ("S1A_OPER_AUX_POEORB_X", "S1A_OPER_AUX_POEORB_X.EOF")),
        ("S3A_OL_1_EFR_X", ("S3A_OL_1_EFR_X", "S3A_OL_1_EFR_X.SEN3")),
        ("S5P_OFFL_X", ("S5P_OFFL_X", "S5P_OFFL_X.nc")),
        ("S6A_P4_X", ("S6A_P4_X", "S6A_P4_X.SEN6")),
        ("LC08_X", ("LC08_X",)),
        ("X.SEN3", ("X.SEN3",)),
        ("X.SAFE.zip", ("X.SAFE",)),
    ],
)
def test_spellings(name, expected):
    assert spellings(name) == expected
    assert {stem(each) for each in expected} == {stem(name)}


async def test_of_several_with_one_name_the_latest_publication_is_meant():
    old = product(1, name="A.SAFE", published=EPOCH)
    new = product(2, name="A.SAFE", published=EPOCH.replace(year=2025))
    for order in ([old, new], [new, old]):
        assert (await looked_up(find_named, FakeCatalogue(order), ["A.SAFE"])).ids == [new.id]


async def test_a_name_given_twice_is_sent_once():
    assert (await looked_up(find_named, catalogue("A.SAFE"), ["A.SAFE", "A.SAFE", "A.SAFE.zip"])).ids == ["00000000"]


@pytest.mark.parametrize(
    "fault", [Spoil("empty"), Spoil("holed"), Raise(unreadable()), Raise(HostBusy("503", status=503))], ids=repr
)
async def test_an_answer_that_leaves_something_out_is_not_believed_at_once(fault):
    names = [f"N{number:04d}.SAFE" for number in range(30)]
    found = await looked_up(find_named, catalogue(*names, faults={0: fault}), names)
    assert sorted(each.name for each in found.products) == names
    assert found.completeness.missing == ()


async def test_a_batch_that_fails_is_named_and_the_others_go_on():
    names = [f"N{number:04d}.SAFE" for number in range(150)]
    found = await looked_up(find_named, catalogue(*names, faults={1: Raise(AccessDenied("answered 403"))}), names)
    assert len(found.products) == 100
    (incomplete,) = found.completeness.incomplete
    assert str(incomplete) == "look-up 51 to 100: answered 403"
    assert [event.slice for event in found.of(SliceFailed)] == ["look-up 51 to 100"]
    assert (found.completeness.missing, found.completeness.exit_code) == ((), 5)


UUID = "0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f9"


async def test_ids_are_found_whatever_their_case():
    there = FakeCatalogue([product(number) for number in range(5)])
    there.products[0] = Product(id=UUID, name="x", provider="cdse", start=EPOCH)
    there.products[1] = Product(id="S2B_X", name="x", provider="cdse", start=EPOCH)
    found = await looked_up(find_ids, there, [UUID.upper(), "00000003", "S2B_X", "nowhere"])
    assert sorted(found.ids) == ["00000003", UUID, "S2B_X"]
    assert found.completeness.missing == ("nowhere",)


async def test_a_receiver_that_has_enough_ends_the_look_up():
    names = [f"N{number:04d}.SAFE" for number in range(1000)]
    there = catalogue(*names)
    send, receive = anyio.create_memory_object_stream[Product](0)
    asking = Asking(host="cdse", retry=AT_ONCE, emit=lambda _: None)
    async with anyio.create_task_group() as group:
        group.start_soon(lambda: find_named(there, names, asking=asking, out=send))
        await receive.receive()
        receive.close()
    assert len(there.named_requests) < 10
