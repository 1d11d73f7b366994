"""A run that works counts as alive and one that was killed does not, whichever server of Dagster's started it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.launcher import WorkerStatus

from pipelines.run_launcher import WatchedRunLauncher
from tests.pipelines.conftest import PROJECT

JOB = """
import pathlib, time
import dagster as dg

@dg.op
def nap():
    while not pathlib.Path({awake!r}).exists():
        time.sleep(0.1)

@dg.job
def naps():
    nap()

defs = dg.Definitions(jobs=[naps])
"""
SETTINGS = """
run_launcher: {module: pipelines.run_launcher, class: WatchedRunLauncher}
run_coordinator: {module: dagster._core.run_coordinator, class: DefaultRunCoordinator}
telemetry: {enabled: false}
"""
DAGSTER = [sys.executable, "-m", "dagster"]


@pytest.fixture(params=[("api", "grpc"), ("code-server", "start")], ids=["api", "dev"])
def nap(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[dg.DagsterInstance]:
    """An instance whose only run waits for a file, started by a server as a deployment or as `dagster dev` has it."""
    (tmp_path / "dagster.yaml").write_text(SETTINGS)
    (tmp_path / "naps.py").write_text(JOB.format(awake=str(tmp_path / "awake")))
    socket = str(tmp_path / "socket")
    (tmp_path / "workspace.yaml").write_text(f"load_from: [grpc_server: {{socket: {socket}, location_name: naps}}]")
    environment = os.environ | {"DAGSTER_HOME": str(tmp_path), "PYTHONPATH": str(PROJECT)}
    place = {"cwd": tmp_path, "env": environment, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    launch = [*DAGSTER, "job", "launch", "-w", "workspace.yaml", "-j", "naps"]
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert not instance.get_runs()  # its tables are there before two processes would make them at once
        command = [*DAGSTER, *request.param, "--socket", socket, "-f", "naps.py"]
        server = subprocess.Popen(command, **place, start_new_session=True)
        try:
            wait_for(lambda: subprocess.run(launch, **place).returncode == 0)
            wait_for(lambda: run_of(instance).status == dg.DagsterRunStatus.STARTED)
            yield instance
        finally:
            os.killpg(server.pid, signal.SIGKILL)
            server.wait()


def run_of(instance: dg.DagsterInstance) -> dg.DagsterRun:
    (run,) = instance.get_runs()
    return run


def health_of(instance: dg.DagsterInstance) -> WorkerStatus:
    assert isinstance(instance.run_launcher, WatchedRunLauncher)
    return instance.run_launcher.check_run_worker_health(run_of(instance)).status


def wait_for(happened: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.2)


def test_a_run_lives_until_its_process_is_killed(nap: dg.DagsterInstance) -> None:
    assert health_of(nap) == WorkerStatus.RUNNING
    (started, *_) = nap.all_logs(run_of(nap).run_id, of_type=dg.DagsterEventType.ENGINE_EVENT)
    os.kill(int(started.dagster_event.engine_event_data.metadata["pid"].value), signal.SIGKILL)
    wait_for(lambda: health_of(nap) == WorkerStatus.NOT_FOUND)


@pytest.mark.slow
def test_a_run_that_works_for_long_is_left_alone(nap: dg.DagsterInstance, tmp_path: Path) -> None:
    for _ in range(3):
        assert health_of(nap) == WorkerStatus.RUNNING
        time.sleep(0.5)
    (tmp_path / "awake").touch()
    wait_for(lambda: run_of(nap).is_finished)
    assert run_of(nap).status == dg.DagsterRunStatus.SUCCESS
