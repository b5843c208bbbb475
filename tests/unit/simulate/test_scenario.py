"""Scenarios by name, by file and by pairs."""

from __future__ import annotations

import pytest

from skyhaul.simulate.faults import Fault, FaultKind
from skyhaul.simulate.scenario import NAMED, Scenario, ScenarioError, load_scenario, patched


def test_the_defaults_are_a_general_users_allowance():
    scenario = load_scenario()
    assert (scenario.connections, scenario.bytes_per_s_per_connection) == (4, 20_000_000)
    assert (scenario.s3_requests_per_minute, scenario.slow_lane_bytes) == (2000, 12 * 10**12)
    assert scenario.faults == ()


@pytest.mark.parametrize("name", NAMED)
def test_every_named_scenario_survives_a_round_trip(name):
    assert patched(load_scenario(name), {}) == NAMED[name]


def test_pairs_are_json_where_they_can_be():
    pairs = [
        "connections=2",
        "latency_s=0.5",
        "totp_secret=JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        'faults=[{"kind":"cut","every":3}]',
    ]
    assert load_scenario("calm", [*pairs, "bytes_per_s_per_connection=null"]) == Scenario(
        connections=2,
        latency_s=0.5,
        totp_secret="JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
        bytes_per_s_per_connection=None,
        faults=(Fault(kind=FaultKind.CUT, every=3),),
    )


def test_a_file_builds_on_a_named_scenario(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text('base = "allowance"\nconnections = 20\n[[faults]]\nkind = "reset"\nnth = 1\n')
    scenario = load_scenario(str(file))
    assert (scenario.latency_s, scenario.connections) == (0.06, 20)
    assert scenario.faults == (Fault(kind=FaultKind.RESET, nth=1),)


@pytest.mark.parametrize(
    ("pair", "words"),
    [
        ("conections=2", "conections"),
        ("connections=two", "connections"),
        ("connections=0", "at least 1"),
        ("refuse_or_queue=drop", "drop"),
        ("tls_key=a.pem", "come together"),
        ("totp_secret=JBSWY3DP", "112 bits"),
        ("connections", "key=value"),
        ('faults=[{"kind":"earthquake"}]', "earthquake"),
    ],
)
def test_mistakes_are_named(pair, words):
    with pytest.raises(ScenarioError, match=words):
        load_scenario("calm", [pair])


def test_an_unknown_name_lists_the_known(tmp_path):
    with pytest.raises(ScenarioError, match="rough"):
        load_scenario("stormy")
    with pytest.raises(ScenarioError, match=r"mine\.toml"):
        load_scenario(str(tmp_path / "mine.toml"))
