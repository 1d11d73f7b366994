"""`kill -9` in mid-shard, then the same command again: the same labels, and nothing finished is computed twice."""

import os
import signal
import time
from pathlib import Path

import pytest

from stores.home import Home
from tests.pipelines.conftest import SMALL, save_photos

PHOTOS = 8


def wait_for_parts(home: Path, asset: str, count: int, process) -> set[Path]:
    """Wait until so many images of an unfinished version are done; their files."""
    deadline = time.monotonic() + 200
    while time.monotonic() < deadline:
        parts = {path for path in (home / "masks" / asset).glob("*/*/parts/*") if "tmp" not in path.name}
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


@pytest.fixture
def undisturbed(unsam, tmp_path, monkeypatch) -> bytes:
    """The labels of a run that nobody disturbs, in a home of its own."""
    save_photos(tmp_path / "photos", PHOTOS)
    with monkeypatch.context() as patch:
        patch.setenv("UNSAM_HOME", str(tmp_path / "other home"))
        done = unsam("label", tmp_path / "photos", "-o", "undisturbed.json", *SMALL)
    assert done.exit_code == 0, done.stderr
    return (tmp_path / "undisturbed.json").read_bytes()


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_a_killed_run_goes_on_where_it_stopped(unsam, start_unsam, undisturbed, tmp_path):
    killed = start_unsam("label", tmp_path / "photos", "-o", "labels.json", *SMALL)
    parts = wait_for_parts(tmp_path / "home", "hierarchical_masks", 3, killed)
    family = children_of(killed.pid)
    os.kill(killed.pid, signal.SIGKILL)
    killed.wait()
    written = {path: path.stat().st_mtime_ns for path in parts}
    deadline = time.monotonic() + 60
    while any(Path(f"/proc/{pid}").exists() for pid in family) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert not [pid for pid in family if Path(f"/proc/{pid}").exists()], "Ray outlives its killed driver"
    assert not (tmp_path / "labels.json").exists()
    assert all(path.stat().st_mtime_ns == moment for path, moment in written.items())

    again = unsam("label", tmp_path / "photos", "-o", "labels.json", *SMALL)
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "labels.json").read_bytes() == undisturbed
    assert resumed_images(tmp_path / "home", "hierarchical_masks") >= 3
    assert resumed_images(tmp_path / "home", "ncut_masks") == PHOTOS


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="needs /proc")
def test_killed_workers_are_replaced(start_unsam, undisturbed, tmp_path):
    run = start_unsam("label", tmp_path / "photos", "-o", "labels.json", *SMALL)
    wait_for_parts(tmp_path / "home", "hierarchical_masks", 2, run)
    workers = [pid for pid in processes_with("ray::PoolActor") if pid in children_of(run.pid)]
    assert workers
    os.kill(workers[0], signal.SIGKILL)
    output, _ = run.communicate(timeout=200)
    assert run.returncode == 0, output
    assert (tmp_path / "labels.json").read_bytes() == undisturbed


def resumed_images(home: Path, asset: str) -> int:
    """How many images the last materialisation of an asset found done."""
    import dagster as dg

    from pipelines.instance import open_instance

    with open_instance(Home(str(home))) as instance:
        event = instance.get_latest_materialization_event(dg.AssetKey(asset))
        return int(event.asset_materialization.metadata["images_resumed"].value)
