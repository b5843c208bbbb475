from __future__ import annotations

import gc
from threading import Event, Thread

import pytest

from skyhaul.catalogue.unwatched import unwatched


def test_nothing_is_collected_inside_and_everything_afterwards():
    with unwatched():
        assert not gc.isenabled()
        with unwatched():
            assert not gc.isenabled()
        assert not gc.isenabled()
    assert gc.isenabled()


def test_a_failure_inside_changes_nothing():
    with pytest.raises(ValueError), unwatched():
        raise ValueError
    assert gc.isenabled()


def test_who_has_switched_the_collector_off_finds_it_so():
    gc.disable()
    try:
        with unwatched():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_of_several_threads_the_last_one_switches_it_on():
    entered, leave = Event(), Event()

    def work():
        with unwatched():
            entered.set()
            leave.wait(10)

    thread = Thread(target=work)
    with unwatched():
        thread.start()
        assert entered.wait(10)
    assert not gc.isenabled()
    leave.set()
    thread.join(10)
    assert gc.isenabled()
