"""stores/manifests.py: what a shard holds, and the register of shards."""

import io
import tarfile

import numpy as np
import pytest

from stores.home import Home
from stores.location import Location
from stores.manifests import (
    Manifest,
    UnknownShard,
    build_manifest,
    open_manifest,
    publish_manifest,
    register,
    registered,
    source_of,
)
from stores.shards import discover
from stores.versions import NoVersion
from tests.stores.samples import encoded, gradient

PHOTO = encoded(gradient(24, 32), "JPEG")
FILES = {
    "a/photo.jpg": PHOTO,
    "b/photo.jpg": encoded(gradient(30, 20), "JPEG"),
    "broken.jpg": PHOTO[: len(PHOTO) // 2],
    "empty.png": b"",
    "text.jpg": b"these are words",
    "thin.png": encoded(np.zeros((400, 3, 3), np.uint8)),
    "notes.txt": b"words",
}


@pytest.fixture
def photos(place_url):
    place = Location(place_url) / "photos"
    for name, data in FILES.items():
        (place / name).write_bytes(data)
    return place


def test_good_images_are_measured_and_broken_ones_quarantined(photos):
    [source] = discover(photos.url)
    manifest = build_manifest(source)
    assert manifest.shard == source.shard
    assert manifest.keys == ["a/photo.jpg", "b/photo.jpg"]
    entries = {entry.key: entry for entry in manifest.entries}
    assert (entries["a/photo.jpg"].width, entries["a/photo.jpg"].height) == (32, 24)
    assert (entries["b/photo.jpg"].width, entries["b/photo.jpg"].height) == (20, 30)
    assert entries["a/photo.jpg"].bytes == len(PHOTO)
    assert entries["a/photo.jpg"].digest != entries["b/photo.jpg"].digest
    assert set(manifest.quarantined) == {"broken.jpg", "empty.png", "text.jpg", "thin.png"}
    assert "0 bytes" in manifest.quarantined["empty.png"]
    assert "damaged" in manifest.quarantined["broken.jpg"]
    assert "not an image" in manifest.quarantined["text.jpg"]
    assert "min_side" in manifest.quarantined["thin.png"]
    assert manifest.skipped == {"not an image (.txt)": 1}
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest


def test_manifests_register_and_pointer_in_one_home(photos, place_url):
    home = Home(f"{place_url}/home")
    assert registered(home) == []
    sources = discover(photos.url, shard_size=3)
    assert register(home, sources) == [source.shard for source in sources]
    assert register(home, sources) == registered(home) == sorted(source.shard for source in sources)
    assert source_of(home, sources[0].shard) == sources[0]
    assert discover(photos.url, known=[source_of(home, shard) for shard in registered(home)]) == []
    with pytest.raises(UnknownShard, match="add its photos first"):
        source_of(home, "never")
    with pytest.raises(NoVersion):
        open_manifest(home, sources[0].shard)
    manifest = build_manifest(sources[0])
    version = publish_manifest(home, manifest)
    assert version == manifest.fingerprint
    assert open_manifest(home, sources[0].shard) == manifest
    assert open_manifest(home, sources[0].shard, version) == manifest


def test_a_key_never_changes_its_meaning(tmp_path):
    home = Home(tmp_path / "home")
    (tmp_path / "a.jpg").write_bytes(PHOTO)
    [source] = discover(tmp_path / "a.jpg")
    register(home, [source])
    with pytest.raises(ValueError, match="with other images"):
        register(home, [source.model_copy(update={"url": "/elsewhere"})])
    assert source_of(home, source.shard) == source


def test_the_fingerprint_follows_the_content(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / name).write_bytes(PHOTO)
    [source] = discover(tmp_path)
    first = build_manifest(source)
    assert build_manifest(source, threads=1) == first
    (tmp_path / "a.jpg").write_bytes(encoded(gradient(25, 32), "JPEG"))
    changed = build_manifest(source)
    assert changed.fingerprint != first.fingerprint
    (tmp_path / "a.jpg").unlink()
    gone = build_manifest(source)
    assert gone.quarantined == {"a.jpg": f"a.jpg is no longer in {tmp_path}"}
    assert gone.fingerprint not in (first.fingerprint, changed.fingerprint)


def test_limits_can_be_raised_and_decoding_left_out(tmp_path):
    (tmp_path / "a.png").write_bytes(encoded(gradient(40, 60)))
    (tmp_path / "broken.jpg").write_bytes(PHOTO[:300])
    [source] = discover(tmp_path)
    assert "raise it" in build_manifest(source, max_pixels=2399).quarantined["a.png"]
    assert build_manifest(source, max_pixels=2400).keys == ["a.png"]
    unread = build_manifest(source, decode=False)
    assert unread.keys == ["a.png", "broken.jpg"]
    assert [(entry.width, entry.height) for entry in unread.entries] == [(0, 0), (0, 0)]


def test_a_tar_that_is_cut_off_says_so_in_the_manifest(tmp_path):
    path = tmp_path / "photos.tar"
    with tarfile.open(path, "w") as archive:
        for index in range(4):
            info = tarfile.TarInfo(f"{index}.jpg")
            info.size = len(PHOTO)
            archive.addfile(info, io.BytesIO(PHOTO))
    path.write_bytes(path.read_bytes()[: 2 * 512 + 2 * len(PHOTO)])
    [source] = discover(path)
    manifest = build_manifest(source)
    assert manifest.keys == [member.key for member in source.members]
    assert len(manifest.keys) < 4
    assert any("cut off" in problem for problem in manifest.problems)


@pytest.mark.parametrize("seed", range(3))
def test_a_shard_of_damaged_files_loses_none_of_them(tmp_path, seed):
    """Every file is either an image with a size or quarantined with its reason."""
    random = np.random.default_rng(seed)
    for index in range(40):
        damaged = bytearray(PHOTO[: random.integers(0, len(PHOTO) + 1)])
        for place in random.integers(0, max(1, len(damaged)), 4 if damaged else 0):
            damaged[place] = random.integers(0, 256)
        (tmp_path / f"{index:02}.jpg").write_bytes(damaged)
    [source] = discover(tmp_path)
    manifest = build_manifest(source)
    assert len(manifest.entries) == 40
    assert {*manifest.keys, *manifest.quarantined} == {f"{index:02}.jpg" for index in range(40)}
    assert all(manifest.quarantined.values())
    assert all(entry.width >= 8 and entry.height >= 8 for entry in manifest.entries if not entry.quarantined)
    assert manifest.quarantined
