"""The tape robot: asked for, staged, online; and how many at once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from skyhaul.simulate.scenario import Scenario
from skyhaul.simulate.tape import Storage, Tape, TooManyOrdersError
from support.fake_world import sentinel_2


class Clock:
    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def archived(index=0):
    return replace(sentinel_2(index), online=False)


@pytest.fixture
def clock():
    return Clock()


def tape(clock, **settings):
    scenario = Scenario(staging_s=10.0, **settings)
    return Tape(lambda: scenario, clock=clock)


def test_what_is_on_disk_needs_no_order(clock):
    robot = tape(clock)
    robot.ask(sentinel_2(0))
    assert (robot.storage(sentinel_2(0)), robot.ordered) == (Storage.DISK, 0)


def test_an_order_takes_its_time(clock):
    robot, product = tape(clock), archived()
    assert robot.storage(product) is Storage.TAPE
    robot.ask(product)
    assert robot.storage(product) is Storage.STAGING
    clock.now_s += 9.9
    assert robot.storage(product) is Storage.STAGING
    clock.now_s += 0.1
    assert robot.storage(product) is Storage.DISK


def test_asking_again_does_not_begin_anew_and_is_no_other_order(clock):
    robot, product = tape(clock, orders_at_once=1), archived()
    robot.ask(product)
    clock.now_s += 6
    robot.ask(product)
    clock.now_s += 4
    assert (robot.storage(product), robot.ordered) == (Storage.DISK, 1)


def test_one_too_many_is_refused_until_another_is_online(clock):
    robot = tape(clock, orders_at_once=2)
    robot.ask(archived(0))
    clock.now_s += 5
    robot.ask(archived(1))
    with pytest.raises(TooManyOrdersError):
        robot.ask(archived(2))
    clock.now_s += 5
    robot.ask(archived(2))
    assert (robot.outstanding, robot.ordered) == (2, 3)


def test_tapes_can_be_loaded_and_rewound_by_hand(clock):
    robot, product = tape(clock), archived()
    robot.load()
    assert robot.storage(product) is Storage.TAPE  # nobody asked for it
    robot.ask(product)
    robot.load()
    assert robot.storage(product) is Storage.DISK
    robot.rewind()
    assert robot.storage(product) is Storage.TAPE
