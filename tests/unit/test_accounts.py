from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from skyhaul.accounts import STALE_S, Ledger, account_key, keep, kept, shares, spent_bytes
from skyhaul.errors import JournalError
from skyhaul.events import Meter
from skyhaul.limits import Allowance


class Clock:
    def __init__(self):
        self.now = 1_700_000_000.0

    def __call__(self):
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def ledger(tmp_path, clock):
    made = []

    def open_(account="a", streams=4):
        made.append(Ledger(tmp_path / "state" / "accounts.db", account, streams=streams, clock=clock))
        return made[-1]

    yield open_
    for each in made:
        each._db.close()


def beat(ledger, wanted=4, held=0, transferred=0):
    return ledger.beat(wanted=wanted, held=held, transferred=transferred)


@given(st.integers(0, 9), st.dictionaries(st.text(max_size=3), st.integers(0, 9), max_size=8))
def test_shares_deal_out_what_there_is_and_no_more(streams, wanted):
    dealt = shares(streams, wanted)
    assert sum(dealt.values()) == min(streams, sum(wanted.values()))
    assert all(0 <= dealt[holder] <= wanted[holder] for holder in wanted)
    unsatisfied = [dealt[holder] for holder in wanted if dealt[holder] < wanted[holder]]
    assert not unsatisfied or max(dealt.values()) - min(unsatisfied) <= 1


def test_one_process_has_all(ledger):
    assert beat(ledger()).granted == 4


def test_who_comes_second_waits_for_what_the_first_gives_back(ledger):
    first, second = ledger(), ledger()
    assert beat(first).granted == 4
    assert beat(second).granted == 0
    assert beat(first, held=4).granted == 2
    assert beat(second).granted == 0, "the first has not ended a stream yet"
    assert beat(first, held=3).granted == 2
    assert beat(second).granted == 1
    assert beat(first, held=2).granted == 2
    assert beat(second, held=1).granted == 2
    assert beat(second).processes == 2


def test_what_one_does_not_want_the_others_have(ledger):
    first, second = ledger(), ledger()
    assert beat(first, wanted=1).granted == 1
    assert beat(second).granted == 3


def test_accounts_do_not_touch_each_other(ledger):
    assert beat(ledger("a")).granted == 4
    assert beat(ledger("b")).granted == 4


def test_who_is_not_heard_of_is_forgotten(ledger, clock):
    beat(ledger())  # and killed
    clock.now += STALE_S / 2
    other = ledger()
    assert beat(other).granted == 0
    clock.now += STALE_S
    assert beat(other).granted == 4


def test_who_was_killed_is_not_waited_for(ledger):
    killed, other = ledger(), ledger()
    beat(killed)
    process = subprocess.Popen(["true"])
    process.wait()
    with killed._db as db:
        db.execute("UPDATE leases SET holder = replace(holder, ?, ?)", (f":{os.getpid()}:", f":{process.pid}:"))
    assert beat(other).granted == 4


def test_who_leaves_gives_everything_back(ledger):
    first, second = ledger(), ledger()
    beat(first)
    first.close()
    assert beat(second).granted == 4


def test_what_one_has_learnt_the_others_know_for_a_week(ledger, clock):
    assert not beat(ledger()).counted
    ledger().beat(wanted=1, held=0, transferred=0, counted=True)
    assert beat(ledger()).counted
    assert not beat(ledger("b")).counted
    clock.now += 8 * 24 * 3600
    assert not beat(ledger()).counted


def test_everybody_knows_what_the_others_sent(ledger):
    first, second = ledger(), ledger()
    first.beat(wanted=1, held=0, transferred=0, requests=700)
    assert second.beat(wanted=1, held=0, transferred=0, requests=50).requests_of_others == 700
    assert first.beat(wanted=1, held=0, transferred=0, requests=600).requests_of_others == 50


def test_what_was_sent_in_the_last_minute_outlives_who_sent_it(ledger, clock):
    first, second = ledger(), ledger()
    first.beat(wanted=1, held=0, transferred=0, requests=700)
    first.close()
    told = beat(second)
    assert (told.requests_of_others, told.processes) == (700, 1)
    clock.now += 62
    assert beat(second).requests_of_others == 0


def test_transfers_of_thirty_days_are_summed(ledger, clock):
    first, second = ledger(), ledger()
    beat(first, transferred=100)
    clock.now += 15 * 24 * 3600
    assert beat(second, transferred=11).bytes_30_days == 111
    clock.now += 16 * 24 * 3600
    assert beat(second).bytes_30_days == 11


def test_what_was_spent_can_be_asked_without_a_run(tmp_path, monkeypatch):
    monkeypatch.setenv("SKYHAUL_ACCOUNTS", str(tmp_path / "accounts.db"))
    assert spent_bytes("a") is None
    ledger = Ledger(tmp_path / "accounts.db", "a", streams=4)
    beat(ledger, transferred=5)
    assert spent_bytes("a") == 5
    assert beat(ledger).processes == 1
    ledger.close()
    monkeypatch.setenv("SKYHAUL_ACCOUNTS", "off")
    assert spent_bytes("a") is None


@given(st.randoms(use_true_random=False), st.integers(2, 8), st.integers(1, 6))
def test_no_order_of_events_grants_one_stream_too_many(tmp_path_factory, chance, processes, streams):
    path = tmp_path_factory.mktemp("ledger") / "accounts.db"
    clock = Clock()
    ledgers = [Ledger(path, "a", streams=streams, clock=clock) for _ in range(processes)]
    granted, held = [0] * processes, [0] * processes
    for _ in range(60):
        who = chance.randrange(processes)
        held[who] = chance.randint(0, granted[who]) if held[who] <= granted[who] else chance.randint(0, held[who])
        granted[who] = ledgers[who].beat(wanted=chance.randint(0, 5), held=held[who], transferred=0).granted
        assert sum(max(pair) for pair in zip(granted, held, strict=True)) <= streams
    for ledger in ledgers:
        ledger.close()


def test_eight_processes_never_hold_a_fifth_stream(tmp_path):
    program = Path(__file__).parents[1] / "support" / "spender.py"
    processes = [subprocess.Popen([sys.executable, program, tmp_path, str(seed), "1.5"]) for seed in range(8)]
    assert [process.wait() for process in processes] == [0] * 8
    noted = sorted(
        (float(at_s), seed, int(held))
        for seed in range(8)
        for at_s, held in map(str.split, (tmp_path / str(seed)).read_text().splitlines())
    )
    now = dict.fromkeys(range(8), 0)
    most = 0
    for _, seed, held in noted:
        now[seed] = held
        most = max(most, sum(now.values()))
    assert most == 4


def test_a_ledger_that_cannot_be_used_says_what_to_do(tmp_path):
    (tmp_path / "accounts.db").write_bytes(b"something else altogether, long enough to be no database" * 9)
    with pytest.raises(JournalError, match="SKYHAUL_ACCOUNTS"):
        Ledger(tmp_path / "accounts.db", "a", streams=4)


def test_the_ledger_holds_no_name(tmp_path, clock):
    ledger = Ledger(tmp_path / "accounts.db", account_key("cdse", "ada@example.org"), streams=4, clock=clock)
    beat(ledger, transferred=5)
    dump = "\n".join(sqlite3.connect(tmp_path / "accounts.db").iterdump())
    ledger.close()
    assert "ada" not in dump
    assert account_key("cdse", "ada@example.org") in dump


@pytest.fixture
def two(ledger):
    """Two processes' views of one account: the first uses three streams."""
    other, ours = ledger(), ledger()
    beat(other, wanted=3)
    return other, ours


async def test_an_allowance_follows_the_ledger(two, monkeypatch):
    monkeypatch.setattr("skyhaul.accounts.BEAT_S", 0.01)
    other, ours = two
    meter = Meter()
    allowance = Allowance(connections=4, meter=meter)
    allowance.grant(0)
    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, ours, allowance, meter)
            async with allowance.stream():
                assert allowance.limit == 1
                assert meter.processes == 2
            meter.received_bytes = 77
            while meter.bytes_30_days != 77:  # noqa: ASYNC110 the ledger has no event for this
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    assert (await anyio.to_thread.run_sync(beat, other)).granted == 4


@pytest.fixture
def alone(ledger):
    return ledger()


@pytest.mark.parametrize(("first", "granted"), [(2, 2), (0, 0)])
async def test_one_of_several_processes_asks_for_its_part_and_is_never_alone(alone, monkeypatch, first, granted):
    monkeypatch.setattr("skyhaul.accounts.BEAT_S", 0.01)
    meter = Meter()
    allowance = Allowance(connections=4, meter=meter)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(keep, alone, allowance, meter, first)
        while meter.bytes_30_days is None:  # noqa: ASYNC110 the ledger has no event for this
            await anyio.sleep(0.01)
        assert (allowance.granted, allowance.alone) == (granted, False)
        with anyio.fail_after(10):  # who wants a stream gets one in the end
            async with allowance.stream():
                pass
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(("account", "off", "there"), [("a", False, True), ("a", True, False), (None, False, False)])
def test_where_there_is_a_ledger(monkeypatch, account, off, there):
    if off:
        monkeypatch.setenv("SKYHAUL_ACCOUNTS", "off")
    assert kept(account) is there


class Failing:
    """A ledger that cannot be used for some beats."""

    def __init__(self, ledger, beats):
        self.ledger, self.beats, self.booked = ledger, beats, 0

    def beat(self, *, transferred, **said):
        self.beats -= 1
        if self.beats >= 0:
            raise JournalError("the ledger is locked")
        self.booked += transferred
        return self.ledger.beat(transferred=transferred, **said)

    def close(self):
        """Closed with the one behind it."""


@pytest.mark.parametrize(("beats", "patience_s", "goes_on"), [(3, 60.0, True), (1_000_000, 0.1, False)])
async def test_a_ledger_that_is_locked_for_a_moment_ends_no_run(two, monkeypatch, beats, patience_s, goes_on):
    monkeypatch.setattr("skyhaul.accounts.BEAT_S", 0.01)
    monkeypatch.setattr("skyhaul.accounts.STALE_S", patience_s + 2.01)
    failing, meter = Failing(two[1], beats), Meter()
    allowance = Allowance(connections=4, meter=meter)
    allowance.grant(0)
    meter.received_bytes = 55

    async def use():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(keep, failing, allowance, meter)
            async with allowance.stream():
                tasks.cancel_scope.cancel()

    with anyio.fail_after(20):
        if goes_on:
            await use()
            assert failing.booked == 55, "what a failed beat would have told is told by the next"
        else:
            with pytest.raises(ExceptionGroup) as raised:
                await use()
            assert raised.group_contains(JournalError, match="locked")
