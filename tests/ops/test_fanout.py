import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest

from ops.fanout import LOOPBACK, Fanout, FanoutError, Outcome
from ops.interrupts import STOPPED
from ops.ledger import WorkersKeepDying


class Refused(ValueError):
    pass


class Worker:
    """Notes each call in a file of its own, so that calls can be counted across processes."""

    def __init__(self, log: Path) -> None:
        self.log = log

    def __call__(self, item: object) -> object:
        with (self.log / f"{item}-{os.getpid()}-{time.monotonic_ns()}").open("x"):
            pass
        return self.answer(item)

    def answer(self, item: object) -> object:
        match item:
            case "refused":
                raise Refused("an empty file")
            case "broken":
                raise KeyError("no such thing")
            case "poison":
                os.kill(os.getpid(), signal.SIGKILL)
            case "fragile" if len(self.calls("fragile")) == 1:
                os.kill(os.getpid(), signal.SIGKILL)
            case int():
                time.sleep(0.002 * (item % 5))
                return item * item
        return item

    def calls(self, item: object) -> list[str]:
        return [path.name for path in self.log.glob(f"{item}-*")]


def refuses_to_start() -> Worker:
    raise FileNotFoundError("weights.safetensors is not there")


def dies_at_start() -> Worker:
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError


def threads_seen() -> object:
    import torch

    return lambda item: (torch.get_num_threads(), os.environ["OMP_NUM_THREADS"], os.environ["NUMBA_NUM_THREADS"])


@pytest.fixture(scope="module")
def fanout():
    with Fanout(actors=2) as fanout:
        yield fanout


def reasons(outcomes: list[Outcome]) -> dict[object, str | None]:
    return {outcome.item: outcome.reason for outcome in outcomes}


@pytest.mark.parametrize("window", [None, 1, 3])
def test_every_item_once_and_in_order(fanout, tmp_path, window):
    worker = Worker(tmp_path)
    outcomes = list(fanout.map(partial(Worker, tmp_path), range(40), window=window))
    assert [outcome.value for outcome in outcomes] == [item * item for item in range(40)]
    assert all(len(worker.calls(item)) == 1 for item in range(40))


def test_unordered_results_do_not_wait_for_a_slow_first_item(fanout):
    outcomes = fanout.map(lambda: lambda item: time.sleep(3.0 if item == 0 else 0), range(8), ordered=False, window=8)
    items = [outcome.item for outcome in outcomes]
    assert items.index(0) >= 6, "only the item queued behind it on the same actor may come later"
    assert sorted(items) == list(range(8))


def test_items_are_read_lazily_and_never_beyond_the_window(fanout):
    drawn = []

    def items():
        for item in range(30):
            drawn.append(item)
            yield item

    for taken, outcome in enumerate(fanout.map(lambda: lambda item: item, items(), window=6)):
        assert outcome.value == taken
        assert len(drawn) <= taken + 1 + 6


def test_a_declared_error_sets_the_item_aside(fanout, tmp_path):
    outcomes = list(fanout.map(partial(Worker, tmp_path), [1, "refused", 2], refusable=(Refused,)))
    assert [(outcome.value, outcome.reason) for outcome in outcomes] == [(1, None), (None, "an empty file"), (4, None)]


@pytest.mark.parametrize(
    ("factory", "items", "error", "message"),
    [
        (None, ["broken"], FanoutError, "photo broken: KeyError: 'no such thing'"),
        (None, ["refused"], FanoutError, "photo refused: Refused: an empty file"),
        (refuses_to_start, [1], FanoutError, "a worker does not start: FileNotFoundError: weights.safetensors"),
        (dies_at_start, [1], WorkersKeepDying, "a worker died 3 times while it started"),
    ],
)
def test_what_fails_the_run(fanout, tmp_path, factory, items, error, message):
    with pytest.raises(error, match=message):
        list(fanout.map(factory or partial(Worker, tmp_path), items, name=lambda item: f"photo {item}"))
    assert [outcome.value for outcome in fanout.map(partial(Worker, tmp_path), [3])] == [9]


def test_a_killed_worker_costs_its_item_one_more_try(fanout, tmp_path):
    items = [0, 1, "fragile", 2, 3, 4]
    outcomes = list(fanout.map(partial(Worker, tmp_path), items))
    assert [outcome.value for outcome in outcomes] == [0, 1, "fragile", 4, 9, 16]
    assert len(Worker(tmp_path).calls("fragile")) == 2


def test_a_poisonous_item_is_set_aside_and_its_neighbours_are_not(fanout, tmp_path):
    outcomes = list(fanout.map(partial(Worker, tmp_path), ["poison", *range(10)]))
    assert outcomes[0].reason is not None
    assert "killed its worker 2 times" in outcomes[0].reason
    assert [outcome.value for outcome in outcomes[1:]] == [item * item for item in range(10)]
    # A worker's last answer may die with it; then the death is laid to that item's door, and the poison is tried again.
    assert len(Worker(tmp_path).calls("poison")) in (2, 3)


def test_finish_runs_in_the_actor_without_a_gpu(fanout):
    outcomes = list(fanout.map(lambda: lambda item: os.getpid(), range(4), finish=lambda pid: pid == os.getpid()))
    assert all(outcome.value for outcome in outcomes)


def test_libraries_in_an_actor_keep_to_its_cores(fanout):
    outcomes = list(fanout.map(threads_seen, range(2)))
    assert {outcome.value for outcome in outcomes} == {(1, "1", "1")}


def test_progress_counts_up_to_the_last_item(fanout):
    seen: list[int] = []
    list(fanout.map(lambda: lambda item: item, range(12), progress=seen.append))
    assert seen == sorted(seen)
    assert seen[-1] == 12


def test_idle_actors_of_a_cluster_of_its_own_are_in_nobodys_way(fanout):
    list(fanout.map(lambda: lambda item: item, range(2)))
    assert not fanout.in_the_way


def test_nothing_to_do(fanout):
    assert list(fanout.map(refuses_to_start, [])) == []


def test_a_consumer_that_stops_early_leaves_the_pool_usable(fanout):
    for _ in fanout.map(lambda: lambda item: item, range(50)):
        break
    assert [outcome.value for outcome in fanout.map(lambda: lambda item: item, range(3))] == [0, 1, 2]


ON_GPUS = """
import os, sys, ray
from ops.fanout import Fanout
ray.init(address="local", num_cpus=3, num_gpus=1, include_dashboard=False, log_to_driver=False)
with Fanout(gpus_per_actor=0.5) as fanout:
    pids = lambda: lambda item: [item, os.getpid()]
    outcomes = list(fanout.map(pids, range(12), finish=lambda value: [*value, os.getpid()]))
    assert [outcome.value[0] for outcome in outcomes] == list(range(12))
    actors = {outcome.value[1] for outcome in outcomes}
    assert not actors & {outcome.value[2] for outcome in outcomes}, "finish ran in an actor"
    refused = list(fanout.map(pids, [1], finish=lambda value: int("x"), refusable=(ValueError,)))
    assert "invalid literal" in refused[0].reason
    assert fanout.in_the_way, "its actors hold shares of the GPU"
    fanout.release()
    assert not fanout.in_the_way
assert ray.is_initialized(), "a cluster that somebody else started was stopped"
"""

ATTACHED = """
from ops.fanout import Fanout
with Fanout(actors=1, cpus_per_actor=1) as fanout:
    before = fanout.in_the_way
    print([outcome.value for outcome in fanout.map(lambda: lambda item: item + 1, range(3))], before, fanout.in_the_way)
"""


def python(script: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", script], env=os.environ | environment, text=True, capture_output=True, timeout=240
    )


@pytest.mark.slow
def test_on_gpus_the_finish_runs_beside_the_actors():
    result = python(ON_GPUS)
    assert result.returncode == 0, result.stderr


def test_a_standing_cluster_is_attached_to_and_left_running(fanout):
    import ray

    list(fanout.map(lambda: lambda item: item, range(2)))
    fanout.release()
    result = python(ATTACHED, RAY_ADDRESS=ray.get_runtime_context().gcs_address, **LOOPBACK)
    assert result.stdout.strip() == "[1, 2, 3] False True", result.stderr
    assert [outcome.value for outcome in fanout.map(lambda: lambda item: item, range(2))] == [0, 1]


def test_an_interruption_while_ray_starts_ends_the_process(monkeypatch):
    """Dagster would try the step again after an interruption of its own."""

    def interrupted(self: Fanout) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Fanout, "connect", interrupted)
    with pytest.raises(SystemExit, match=STOPPED):
        list(Fanout().map(lambda: str, [1]))
