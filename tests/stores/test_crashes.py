"""kill -9 and a full disk in mid-write, for real: litter is allowed, a lie is not."""

import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from stores.home import Home
from stores.location import Location, OutOfSpace
from stores.mask_store import IncompleteVersion, MaskShardReader, MaskShardWriter, NoVersion
from tests.stores import killed_writer
from tests.stores.samples import assert_same, mask_set

ROOT = Path(__file__).parents[2]
OLD = {"old.jpg": mask_set(4, seed=9)}


def versions_of(home: Path):
    return Home(home).versions("masks", "a", "s")


def publish_old(home: Path) -> None:
    writer = MaskShardWriter(versions_of(home), "v1", OLD)
    writer.add("old.jpg", OLD["old.jpg"])
    writer.finish({"version": 1})


def run(*arguments: object, **options) -> subprocess.CompletedProcess:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *(str(argument) for argument in arguments)]
    return subprocess.run(command, capture_output=True, text=True, env=environment, cwd=ROOT, timeout=240, **options)


def assert_no_lie(home: Path) -> None:
    """What is current can be read whole; the new version is either whole or refused."""
    current = MaskShardReader(versions_of(home))
    current.verify()
    if current.version == "v1":
        assert_same(current["old.jpg"], OLD["old.jpg"])
    if versions_of(home).is_complete("v2"):
        assert_whole(home)
    else:
        assert current.version == "v1"
        with pytest.raises((IncompleteVersion, NoVersion)):
            MaskShardReader(versions_of(home), "v2")


def assert_whole(home: Path) -> None:
    reader, expected = MaskShardReader(versions_of(home), "v2"), killed_writer.images()
    assert reader.keys == list(expected)
    for key, masks in reader.items():
        assert_same(masks, expected[key])


def test_killed_at_any_change_to_the_disk(tmp_path):
    script = Path(killed_writer.__file__)
    publish_old(tmp_path / "count")
    changes = int(run(script, tmp_path / "count", "count", check=True).stdout)
    assert_whole(tmp_path / "count")
    numbers = sorted({*range(1, changes, 13), *range(changes - 9, changes + 1)})
    for number in numbers:
        shutil.copytree(tmp_path / "count/masks/a/s/v1", tmp_path / f"{number}/masks/a/s/v1")
        versions_of(tmp_path / f"{number}").rollback("v1")
    run(script, tmp_path, *numbers, check=True)

    reached = set()
    for number in numbers:
        home = tmp_path / f"{number}"
        assert_no_lie(home)
        parts = versions_of(home).location("v2") / "parts"
        finished = 4 if versions_of(home).is_complete("v2") else len(list(parts.iterdir()))
        reached.add((finished, versions_of(home).current()))
        assert killed_writer.write(str(home)) == 4 - finished
        assert versions_of(home).current() == "v2"
        assert_whole(home)
        assert not parts.exists()
        versions_of(home).sweep(keep=0, min_age=0)
        assert versions_of(home).all() == ["v2"]
        assert_whole(home)
        shutil.rmtree(home)
    assert {(4, "v1"), (4, "v2")} <= reached
    assert {(0, "v1"), (1, "v1"), (2, "v1"), (3, "v1")} & reached


LIMITED = """
import resource, signal, sys
from stores.location import OutOfSpace
from tests.stores.killed_writer import write
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    write(sys.argv[1])
except OutOfSpace as error:
    print(error)
    sys.exit(7)
"""


@pytest.mark.parametrize(
    ("limit", "finished"), [(100_000, 0), (200_000, 4)], ids=["while images are added", "while they are joined"]
)
def test_a_file_size_limit_in_mid_write(tmp_path, limit, finished):
    publish_old(tmp_path)
    result = run("-c", LIMITED, tmp_path, limit)
    assert result.returncode == 7, result.stderr
    assert "no space to write" in result.stdout
    assert "run again" in result.stdout
    assert_no_lie(tmp_path)
    left = [place.name for place in versions_of(tmp_path).location("v2").iterdir()]
    assert left in ([], ["parts"])
    assert killed_writer.write(str(tmp_path)) == 4 - finished
    assert_whole(tmp_path)


@pytest.fixture
def small_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", disk], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk")
    yield disk
    subprocess.run(["umount", disk], check=True)


def test_a_full_disk_in_mid_write(small_disk):
    publish_old(small_disk)
    with pytest.raises(OutOfSpace, match="no space to write") as caught:
        killed_writer.write(str(small_disk))
    assert isinstance(caught.value, OSError)
    assert_no_lie(small_disk)
    subprocess.run(["mount", "-o", "remount,size=20m", small_disk], check=True)
    assert killed_writer.write(str(small_disk)) == 0
    assert_whole(small_disk)


def test_a_full_disk_leaves_the_old_content_of_a_file(tmp_path):
    file = Location(str(tmp_path / "CURRENT"))
    file.write_bytes(b"v1")
    code = (
        "import sys, resource; from stores.location import Location; resource.setrlimit(resource.RLIMIT_FSIZE, (9, 9));"
    )
    result = run("-c", code + "Location(sys.argv[1]).write_bytes(bytes(100))", file.local_path)
    assert "OutOfSpace" in result.stderr
    assert file.read_bytes() == b"v1"
    assert [place.name for place in tmp_path.iterdir()] == ["CURRENT"]
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY
