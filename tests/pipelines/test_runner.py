"""Runs of one command share their actors, and idle actors make room for a training that needs it."""

import os

import dagster as dg
import pytest

from ops.fanout import Fanout
from ops.learning import Learning
from pipelines.instance import open_instance
from pipelines.resources import FanoutResource, LearningResource
from pipelines.rounds import BY_SHARD, ONCE, run_jobs
from pipelines.runner import running
from stores.home import Home


@pytest.fixture
def actors(monkeypatch) -> list[int]:
    """Process of the actor that each run of the job `predict` had; `train` does nothing."""
    seen: list[int] = []

    @dg.asset(partitions_def=dg.StaticPartitionsDefinition(["first", "second"]))
    def masks(fanout: dg.ResourceParam[Fanout], learning: dg.ResourceParam[Learning]) -> None:
        (outcome,) = fanout.map(lambda: lambda item: os.getpid(), [learning.workers])
        seen.append(outcome.value)

    @dg.asset
    def model(learning: dg.ResourceParam[Learning]) -> None:
        pass

    @dg.asset(partitions_def=masks.partitions_def)
    def pictures(fanout: dg.ResourceParam[Fanout]) -> None:
        raise AssertionError("not asked for")

    toy = dg.Definitions(
        assets=[masks, model, pictures],
        jobs=[
            dg.define_asset_job("predict", [masks]),
            dg.define_asset_job("train", [model]),
            dg.define_asset_job("both", [masks, pictures]),
        ],
        resources={"fanout": FanoutResource(), "learning": LearningResource()},
    )
    monkeypatch.setattr("pipelines.definitions.defs", toy)
    return seen


@pytest.mark.parametrize(("workers", "processes"), [(1, 1), (2, 2)])
def test_actors_outlive_a_run_and_a_training_that_leaves_them_their_cores(tmp_path, actors, workers, processes):
    jobs = [("predict", BY_SHARD), ("train", ONCE), ("predict", BY_SHARD)]
    with open_instance(Home(str(tmp_path / "home"))) as instance, Fanout(actors=1) as pool:
        runs = list(run_jobs(instance, ["first", "second"], {"learning": {"workers": workers}}, jobs, pool))
    assert [run.error for run in runs] == [None] * 5
    assert os.getpid() not in actors
    assert len(actors) == 4
    assert len(set(actors[:2])) == len(set(actors[2:])) == 1
    assert len(set(actors)) == processes


def test_an_asset_chosen_from_a_job_runs_on_the_shared_actors(tmp_path, actors):
    config = {"learning": {"workers": 1}}
    home = Home(str(tmp_path / "home"))
    with open_instance(home) as instance, Fanout(actors=1) as pool, running(instance, pool) as runner:
        whole = runner.run("predict", config, "first")
        chosen = runner.run("both", config, "second", ["masks"])
        assert runner.run("both", config, "first").error is not None
    assert (whole.error, chosen.error) == (None, None)
    assert len(actors) == 3
    assert len(set(actors)) == 1
