"""A run that is told to stop: no second try, and no further shard."""

import os
import signal
import time

import dagster as dg
import pytest

from ops.interrupts import ending_at_once
from pipelines.instance import open_instance
from pipelines.runner import running
from stores.home import Home
from tests.pipelines.conftest import SMALL, save_photos
from tests.pipelines.test_interrupted import wait_for_parts

JOB = "toy"


@pytest.mark.parametrize("told", [signal.SIGTERM, signal.SIGINT])
def test_a_step_that_is_told_to_stop_is_not_tried_again(tmp_path, told):
    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def stopped() -> None:
        with ending_at_once():
            tries.append(1)
            os.kill(os.getpid(), told)
            time.sleep(20)

    toy = dg.Definitions(assets=[stopped], jobs=[dg.define_asset_job(JOB, [stopped])])
    with open_instance(Home(str(tmp_path / "home"))) as instance:
        with pytest.raises(KeyboardInterrupt), running(instance) as runner:
            runner.run(JOB, {}, definitions=toy)
        assert [run.status for run in instance.get_runs()] == [dg.DagsterRunStatus.FAILURE]
    assert tries == [1]


def test_a_step_that_fails_is_tried_again(tmp_path):
    tries = []

    @dg.asset(retry_policy=dg.RetryPolicy(max_retries=1))
    def failing() -> None:
        with ending_at_once():
            tries.append(1)
            raise ValueError("a fault")

    toy = dg.Definitions(assets=[failing], jobs=[dg.define_asset_job(JOB, [failing])])
    with (
        open_instance(Home(str(tmp_path / "home"))) as instance,
        running(instance) as runner,
    ):
        assert "a fault" in runner.run(JOB, {}, definitions=toy).error
    assert tries == [1, 1]


@pytest.mark.heavy
def test_a_command_ends_when_it_is_told_to(start_unsam, tmp_path):
    save_photos(tmp_path / "photos", 40)
    command = start_unsam("label", tmp_path / "photos", "--shard-size", 20, "-o", "labels.json", *SMALL)
    wait_for_parts(tmp_path / "home", "ncut_masks", 2, command)
    command.send_signal(signal.SIGTERM)
    output, _ = command.communicate(timeout=60)
    assert command.returncode not in (0, None), output
    assert not (tmp_path / "labels.json").exists()
