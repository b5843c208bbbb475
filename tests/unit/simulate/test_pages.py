"""What faults make of pages."""

from __future__ import annotations

import json

import pytest

from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.pages import spoilt_json

PAGE = {
    "@odata.count": 5,
    "value": [{"Name": "a"}, {"Name": "b"}, {"Name": "c"}],
    "@odata.nextLink": "http://127.0.0.1/next",
}
STAC = {"features": [{"id": "a"}], "links": [{"rel": "root"}, {"rel": "next"}]}


def spoilt(kind: FaultKind, page: dict[str, object] = PAGE) -> dict[str, object]:
    return json.loads(spoilt_json(json.dumps(page).encode(), Fault(kind=kind)))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (FaultKind.EMPTY_PAGE, []),
        (FaultKind.SHIFTED_PAGE, ["a", "a", "b"]),
        (FaultKind.DUPLICATE, ["a", "b", "c", "c"]),
        (FaultKind.HOSTILE_KEY, ["../../../a", "../../../b", "../../../c"]),
        (FaultKind.WRONG_COUNT, ["a", "b", "c"]),
        (FaultKind.LOST_LINK, ["a", "b", "c"]),
    ],
)
def test_entries(kind, names):
    assert [entry["Name"] for entry in spoilt(kind)["value"]] == names


def test_an_empty_page_keeps_its_link_and_a_lost_link_its_entries():
    assert "@odata.nextLink" in spoilt(FaultKind.EMPTY_PAGE)
    assert "@odata.nextLink" not in spoilt(FaultKind.LOST_LINK)
    assert spoilt(FaultKind.LOST_LINK, STAC)["links"] == [{"rel": "root"}]


def test_a_wrong_count_is_one_too_many():
    assert spoilt(FaultKind.WRONG_COUNT)["@odata.count"] == 6
    assert "@odata.count" not in spoilt(FaultKind.WRONG_COUNT, STAC)


def test_a_malformed_page_is_cut_in_its_middle():
    text = json.dumps(PAGE).encode()
    assert spoilt_json(text, Fault(kind=FaultKind.MALFORMED)) == text[: len(text) // 2]
