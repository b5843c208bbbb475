from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from skyhaul.events import DiskPaused, HostCooled, OrdersAwaited, PageRead, ProductOrdered, RunFinished, SlicePlanned
from skyhaul.model import Report
from skyhaul.observe.held_back import Gauge, HeldBack, Scene, held_back
from skyhaul.observe.rates import Window
from skyhaul.observe.rows import Row
from support.told import GB, MB, NAME, START_S, Told, name_of

BUSY = Gauge(streams=4, streams_wanted=2, queued_objects=100)
ROW = Row(
    name=NAME,
    route="s3",
    path="B04_10m.jp2",
    done=GB,
    size=4 * GB,
    bytes_per_s=18e6,
    streams=1,
    objects=1,
    objects_done=0,
    verifying=False,
)


def window(rate: float = 40e6, **other: Any) -> Window:
    return Window(**{"seconds": 10.0, "bytes": int(rate * 10), "streams": 4.0, "objects": 2, "cpu_cores": 0.3, **other})


@pytest.fixture
def scene(told: Told) -> Scene:
    """Four busy streams at half of what they may have, a catalogue that is read, more to do."""
    told.start(requests_per_minute=2000, bytes_per_30_days=12_000 * GB)
    told.find(100)
    told.read_catalogue(100)
    return Scene(state=told.bus.state, gauge=BUSY, window=window(), now_s=START_S, cores=2)


def with_events(scene: Scene, told: Told, *events: Any) -> Scene:
    for event in events:
        told.bus.emit(event)
    return replace(scene, state=told.bus.state)


def expect(answer: HeldBack, cause: str, *figures: str) -> None:
    assert answer.cause == cause, answer
    for figure in figures:
        assert figure in answer.sentence


def test_before_the_first_answer_it_is_the_catalogue(told: Told) -> None:
    told.start()
    expect(held_back(Scene(state=told.bus.state, gauge=Gauge(), window=Window())), "start", "the catalogue")
    expect(held_back(Scene(state=Told().bus.state, gauge=Gauge(), window=Window())), "start")


def test_the_archives_limit_is_reached(scene: Scene) -> None:
    answer = held_back(replace(scene, window=window(76.8e6), disk_bytes_per_s=610e6))
    expect(answer, "archive", "the archive's 4 \N{MULTIPLICATION SIGN} 20 MB/s", "610.0 MB/s")
    assert answer.tone == "fine"
    expect(held_back(replace(scene, window=window(73e6))), "network")


def test_a_host_that_refused_is_waited_for(scene: Scene, told: Told) -> None:
    cooled = with_events(scene, told, HostCooled(at_s=START_S - 6, host="eodata", seconds=30, reason="503 SlowDown"))
    answer = held_back(replace(cooled, window=window(1e6, streams=0.5)))
    expect(answer, "refused", "eodata", "24 s", "503 SlowDown")
    assert answer.tone == "waiting"
    expect(held_back(replace(cooled, window=window(0, streams=0), now_s=START_S + 25)), "silence")


def test_a_cooled_host_holds_nothing_back_while_all_streams_run(scene: Scene, told: Told) -> None:
    cooled = with_events(scene, told, HostCooled(at_s=START_S, host="eodata", seconds=30, reason="503"))
    expect(held_back(replace(cooled, window=window(78e6))), "archive")


def test_a_full_disk_is_told_before_all_else(scene: Scene, told: Told) -> None:
    full = with_events(scene, told, DiskPaused(free_bytes=GB, needed_bytes=3 * GB))
    expect(held_back(full), "disk full", "1.0 GB free", "3.0 GB needed")


def test_one_slow_stream_while_others_wait_is_the_slow_lane(scene: Scene) -> None:
    slow = replace(scene, window=window(1e6, streams=1.0), gauge=replace(BUSY, streams=1, bytes_30_days=12_100 * GB))
    expect(held_back(slow), "slow lane", "1.0 MB/s", "12.1 TB of 12 TB")
    expect(held_back(replace(slow, gauge=Gauge(streams=1), rows=[ROW])), "network")  # nothing waits


def test_the_users_own_limit(told: Told) -> None:
    told.start(max_bytes_per_s=50 * MB)
    told.find(10)
    expect(held_back(Scene(state=told.bus.state, gauge=BUSY, window=window(49e6))), "max rate", "50 MB/s")


def test_the_requests_of_a_minute_are_used_up(scene: Scene) -> None:
    expect(held_back(replace(scene, gauge=replace(BUSY, requests_last_minute=1940))), "requests", "2 000", "1 940")


def test_streams_that_wait_for_the_disk(scene: Scene) -> None:
    expect(held_back(replace(scene, window=window(45e6, writes_waiting=3.1))), "disk", "3 of 4", "45.0 MB/s")


@pytest.mark.parametrize(
    "busy", [{"cpu_cores": 1.9, "late_s": 0.0}, {"cpu_cores": 1.0, "late_s": 0.12}], ids=["cores", "loop"]
)
def test_a_processor_without_rest(scene: Scene, busy: dict[str, float]) -> None:
    expect(held_back(replace(scene, window=window(**busy))), "cpu", "of 2 cores")


def test_products_being_listed_while_nothing_else_is_there(scene: Scene) -> None:
    expect(
        held_back(replace(scene, gauge=Gauge(streams=1, expanding=12), window=window(streams=1.0))),
        "listing",
        "12 products",
    )


def test_empty_queues_and_busy_pagers(scene: Scene, told: Told) -> None:
    reading = with_events(scene, told, SlicePlanned(slice="late"), PageRead(slice="late", products=1, seconds=1.4))
    expect(
        held_back(replace(reading, gauge=Gauge(streams=2), window=window(streams=2.5))),
        "catalogue",
        "1 of 2 slices",
        "1.4 s",
    )


@pytest.fixture
def nearly_done(told: Told) -> Scene:
    told.start()
    told.find(3)
    told.read_catalogue(3)
    told.end(0)
    return Scene(state=told.bus.state, gauge=Gauge(streams=1), window=window(18e6, streams=1.0))


def test_nothing_left_but_one_large_product(nearly_done: Scene, told: Told) -> None:
    told.end(1)
    told.begin(2)
    scene = replace(nearly_done, state=told.bus.state, rows=[ROW])
    expect(held_back(scene), "tail", "one last product", "1.0 GB of 4.0 GB at 18.0 MB/s", NAME)


def test_only_verification_is_left(nearly_done: Scene, told: Told) -> None:
    told.end(1)
    told.begin(2)
    scene = replace(nearly_done, state=told.bus.state, gauge=Gauge(), rows=[replace(ROW, verifying=True)])
    expect(held_back(scene), "verification", "1 product being checked")


def test_orders_that_are_not_online(nearly_done: Scene, told: Told) -> None:
    told.end(1, "offline")
    expect(held_back(replace(nearly_done, state=told.bus.state, gauge=Gauge())), "offline", "1 product offline")


@pytest.mark.parametrize(
    ("staging", "waiting", "look_s", "sentence"),
    [
        (2, 0, START_S + 89.2, "the archive's tapes: 2 products being staged; the next look is in 1 min"),
        (1, 0, START_S + 24, "the archive's tapes: 1 product being staged; the next look is in 24 s"),
        (
            20,
            1300,
            START_S - 1,
            "the archive's tapes: 20 products being staged, 1 300 products to be ordered yet; being looked at now",
        ),
        (0, 3, None, "the archive's tapes: 3 products to be ordered yet"),
    ],
)
def test_products_that_are_brought_back_from_tape(
    told: Told, staging: int, waiting: int, look_s: float, sentence: str
) -> None:
    told.start()
    told.find(staging + waiting)
    told.read_catalogue(staging + waiting)
    told.bus.emit(OrdersAwaited(staging=staging, waiting=waiting, look_s=look_s))
    quiet = Scene(state=told.bus.state, gauge=Gauge(), window=window(0, streams=0.0), now_s=START_S)
    assert held_back(quiet) == HeldBack(cause="staging", sentence=sentence, tone="waiting")
    # While other products use the streams, tapes hold nothing back.
    expect(held_back(replace(quiet, gauge=BUSY, window=window(78e6))), "archive")
    told.bus.emit(OrdersAwaited(staging=0, waiting=0))
    expect(held_back(replace(quiet, state=told.bus.state)), "silence")


def test_a_product_that_proves_to_be_on_tape_is_not_the_last_one_to_be_fetched(told: Told) -> None:
    """Some archives say so only when it is downloaded."""
    told.start()
    told.find(2)
    told.read_catalogue(2)
    told.end(0)
    told.begin(1)
    told.bus.emit(ProductOrdered(product="1", name=name_of(1), state="offline"))
    told.bus.emit(OrdersAwaited(staging=1, waiting=0, look_s=START_S + 30))
    state = told.bus.state
    assert (len(state.open), state.queued, state.on_tape, state.nothing_left) == (0, 1, 1, False)
    expect(
        held_back(Scene(state=state, gauge=Gauge(), window=window(0, streams=0.0), now_s=START_S)), "staging", "30 s"
    )


def test_open_streams_without_a_byte(scene: Scene) -> None:
    expect(held_back(replace(scene, window=window(0))), "silence", "4 streams", "10 s")


def test_small_objects_cost_round_trips(scene: Scene) -> None:
    small = replace(scene, window=window(20e6, objects=435, streams_waiting=2.6))
    expect(held_back(small), "latency", "objects of 459.8 kB take 92 ms each, 65 % of it is waiting")
    expect(held_back(replace(scene, window=window(20e6, objects=435, streams_waiting=0.4))), "network")
    expect(held_back(replace(scene, window=window(0, streams=0.0, objects=20))), "silence")


def test_what_nothing_explains_is_the_network(scene: Scene) -> None:
    expect(held_back(scene), "network", "4 of 4 streams at 10.0 MB/s each", "the archive allows 20 MB/s each")


def test_streams_at_their_limit_of_which_some_are_idle(scene: Scene) -> None:
    expect(held_back(replace(scene, window=window(50e6, streams=2.5))), "idle", "2.5 of 4 in use", "20 MB/s")


def test_the_first_seconds_prove_nothing(scene: Scene) -> None:
    expect(held_back(replace(scene, window=Window(seconds=1.0, bytes=10**6, streams=4))), "start")


def test_at_the_end_nothing_holds_back(scene: Scene, told: Told) -> None:
    expect(held_back(with_events(scene, told, RunFinished(report=Report()))), "end", "nothing")


def test_all_ended_but_the_report(told: Told) -> None:
    told.start()
    told.find(1)
    told.read_catalogue(1)
    told.end(0)
    expect(held_back(Scene(state=told.bus.state, gauge=Gauge(), window=window(0))), "end", "nothing")
