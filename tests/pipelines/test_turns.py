"""A run of the command line waits for another's place before it begins, and can be told to stop meanwhile."""

import os
import signal
import threading
import time

import dagster as dg
import pytest

import pipelines.definitions  # noqa: F401  (takes seconds, which are not to count below)
from pipelines.instance import open_instance
from pipelines.killed_runs import TAG
from pipelines.runner import running
from pipelines.turns import pools_of, wait_for_places
from stores.home import Home
from tests.pipelines.test_killed_runs import POOL, begin


@dg.asset(pool=POOL)
def heavy() -> None:
    pass


@dg.asset
def light() -> None:
    pass


TOY = dg.Definitions(
    assets=[heavy, light],
    jobs=[dg.define_asset_job("heavy_job", [heavy, light]), dg.define_asset_job("light_job", [light])],
    resources={"fanout": dg.ResourceDefinition.none_resource()},
)


@pytest.fixture
def instance(tmp_path, monkeypatch):
    monkeypatch.setattr("pipelines.turns._SECONDS", 0.05)
    with open_instance(Home(str(tmp_path / "home"))) as instance:
        instance.event_log_storage.set_concurrency_slots(POOL, 1)
        yield instance


def end(instance, run_id: str) -> None:
    instance.event_log_storage.free_concurrency_slots_for_run(run_id)
    instance.report_run_failed(instance.get_run_by_id(run_id), "done")


@pytest.mark.parametrize(("job", "pools"), [("heavy_job", {POOL}), ("light_job", set())])
def test_pools_of_a_job(job, pools):
    assert pools_of(TOY.resolve_job_def(job)) == pools


def test_of_a_choice_of_assets_only_their_pools_count():
    assert pools_of(TOY.resolve_job_def("heavy_job").get_subset(asset_selection={light.key})) == set()


def test_a_run_begins_when_the_other_ends(instance, capsys):
    with running(instance) as runner:
        other = begin(instance, runner.tags)
        threading.Timer(1.0, end, [instance, other]).start()
        begun = time.monotonic()
        assert runner.run("heavy_job", {}, definitions=TOY).error is None
        assert time.monotonic() - begun >= 1
    said = capsys.readouterr().err
    assert said.count("waiting for") == 1
    assert f"run {other[:8]} (label_shards)" in said


def test_what_needs_no_place_does_not_wait(instance, capsys):
    with running(instance) as runner:
        begin(instance, runner.tags)
        assert runner.run("light_job", {}, definitions=TOY).error is None
    assert "waiting" not in capsys.readouterr().err


def test_the_place_of_a_process_that_is_killed_meanwhile_is_taken(instance):
    killed = begin(instance, {TAG: "0123.lock"})
    with running(instance) as runner:
        assert runner.run("heavy_job", {}, definitions=TOY).error is None
    assert instance.get_run_by_id(killed).status == dg.DagsterRunStatus.FAILURE


@pytest.mark.parametrize("told", [signal.SIGINT, signal.SIGTERM])
def test_what_waits_can_be_told_to_stop(instance, told):
    before = signal.signal(told, signal.SIG_IGN)  # as in the background of a shell, or under nohup
    try:
        with running(instance) as runner:
            begin(instance, runner.tags)
            threading.Timer(0.5, os.kill, [os.getpid(), told]).start()
            with pytest.raises(KeyboardInterrupt):
                runner.run("heavy_job", {}, definitions=TOY)
        assert signal.getsignal(told) == signal.SIG_IGN
    finally:
        signal.signal(told, before)


def test_a_pool_with_room_is_not_waited_for(instance):
    instance.event_log_storage.set_concurrency_slots(POOL, 2)
    with running(instance) as runner:
        begin(instance, runner.tags)
        wait_for_places(instance, [POOL, "unknown"], pytest.fail)


def test_a_pool_that_was_closed_is_named(instance):
    instance.event_log_storage.set_concurrency_slots(POOL, 0)
    said = []
    threading.Timer(0.5, instance.event_log_storage.set_concurrency_slots, [POOL, 1]).start()
    wait_for_places(instance, [POOL], said.append)
    assert len(said) == 1
    assert f"room in pool {POOL}" in said[0]
