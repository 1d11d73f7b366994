"""`kill -9` in mid-shard, then the same command again: the same labels, and nothing finished is computed twice."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import dagster as dg
import pytest

from pipelines.instance import open_instance
from stores.home import Home
from tests.pipelines.conftest import PROJECT, SMALL, save_photos

PHOTOS = 8


def wait_for_parts(home: Path, asset: str, count: int, process) -> set[Path]:
    """Wait until so many images of an unfinished version are done; their files."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        parts = {path for path in (home / "masks" / asset).glob("*/*/parts/*") if path.suffix == ".npz"}
        if len(parts) >= count:
            return parts
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    raise TimeoutError(f"{asset} has no {count} parts")


def processes_with(text: str) -> list[int]:
    """Processes whose command line names `text`."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes().decode(errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if text in command:
            found.append(int(folder.name))
    return found


def children_of(pid: int) -> list[int]:
    """All descendants of a process."""
    parents = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(folder.name)] = int((folder / "stat").read_text().rpartition(") ")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found, frontier = [], [pid]
    while frontier:
        frontier = [child for child, parent in parents.items() if parent in frontier]
        found += frontier
    return found


def workers_of(pid: int) -> set[int]:
    """The Ray actors that a process has started."""
    workers = set(processes_with("ray::PoolActor")) & set(children_of(pid))
    assert workers
    return workers


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> bytes:
    """The labels of a run that nobody disturbs, in a home of its own."""
    root = tmp_path_factory.mktemp("undisturbed")
    save_photos(root / "photos", PHOTOS)
    command = [sys.executable, "-c", "from pipelines.cli import main; main()", "label", str(root / "photos"), *SMALL]
    environment = os.environ | {"UNSAM_HOME": str(root / "home"), "PYTHONPATH": str(PROJECT)}
    subprocess.run(command, env=environment, cwd=root, check=True, capture_output=True)
    return (root / "labels.json").read_bytes()


@pytest.fixture
def many_photos(tmp_path) -> Path:
    """The same photos once more."""
    save_photos(tmp_path / "photos", PHOTOS)
    return tmp_path / "photos"


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.slow
def test_a_killed_run_goes_on_where_it_stopped(unsam, start_unsam, undisturbed, many_photos, tmp_path):
    killed = start_unsam("label", many_photos, "-o", "labels.json", *SMALL)
    parts = wait_for_parts(tmp_path / "home", "hierarchical_masks", 3, killed)
    workers = workers_of(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    written = {path: path.stat().st_mtime_ns for path in parts}
    deadline = time.monotonic() + 60
    while (left := workers & set(processes_with("ray::PoolActor"))) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not left, "workers outlive their killed driver"
    assert not (tmp_path / "labels.json").exists()
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())

    again = unsam("label", many_photos, "-o", "labels.json", *SMALL)
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "labels.json").read_bytes() == undisturbed
    assert statuses(tmp_path / "home") == [dg.DagsterRunStatus.SUCCESS, dg.DagsterRunStatus.FAILURE]
    assert resumed_images(tmp_path / "home", "hierarchical_masks") >= 3
    assert resumed_images(tmp_path / "home", "ncut_masks") == PHOTOS


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
@pytest.mark.heavy
def test_killed_workers_are_replaced(start_unsam, undisturbed, many_photos, tmp_path):
    run = start_unsam("label", many_photos, "-o", "labels.json", *SMALL)
    wait_for_parts(tmp_path / "home", "hierarchical_masks", 2, run)
    os.kill(min(workers_of(run.pid)), signal.SIGKILL)
    output, _ = run.communicate(timeout=200)
    assert run.returncode == 0, output
    assert (tmp_path / "labels.json").read_bytes() == undisturbed


def statuses(home: Path) -> list[dg.DagsterRunStatus]:
    """Of all runs, the latest first."""
    with open_instance(Home(str(home))) as instance:
        return [run.status for run in instance.get_runs()]


def resumed_images(home: Path, asset: str) -> int:
    """How many images the last materialisation of an asset found done."""
    with open_instance(Home(str(home))) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        return int(event.asset_materialization.metadata["images_resumed"].value)
