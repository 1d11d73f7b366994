"""What a process that ends in mid-run held in Dagster's pools is given back."""

import dagster as dg
import pytest

from pipelines.instance import open_instance
from pipelines.killed_runs import TAG, bury_killed_runs
from pipelines.runner import running
from stores.home import Home

POOL = "gpu"


@pytest.fixture
def instance(tmp_path):
    with open_instance(Home(str(tmp_path / "home"))) as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
        yield instance


def begin(instance, tags) -> str:
    """A run under way that holds the pool's only place."""
    run = instance.add_run(dg.DagsterRun(job_name="label_shards", status=dg.DagsterRunStatus.STARTED, tags=tags))
    assert instance.event_log_storage.claim_concurrency_slot(POOL, run.run_id, "hierarchical_masks").is_claimed
    return run.run_id


def places_taken(instance) -> int:
    return instance.event_log_storage.get_concurrency_info(POOL).active_slot_count


def test_an_interrupted_process_gives_its_place_back(instance):
    runs = []

    def interrupted():
        with running(instance) as runner:
            runs.append(begin(instance, runner.tags))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert instance.get_run_by_id(runs[0]).status == dg.DagsterRunStatus.FAILURE
    assert places_taken(instance) == 0


def test_the_place_of_a_dead_process_is_free_and_that_of_a_living_one_is_not(instance):
    dead = begin(instance, {TAG: "0123.lock"})
    assert bury_killed_runs(instance) == [dead]
    assert places_taken(instance) == 0
    with running(instance) as runner:
        living = begin(instance, runner.tags)
        assert bury_killed_runs(instance) == []
        assert places_taken(instance) == 1
    assert instance.get_run_by_id(living).status == dg.DagsterRunStatus.FAILURE
