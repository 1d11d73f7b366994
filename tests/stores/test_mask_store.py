"""stores/mask_store.py and what it stands on: parts, shard_group, shard_writer."""

import pickle
import shutil

import numpy as np
import pytest
import zarr

from stores.home import Home
from stores.mask_store import IncompleteVersion, MaskShardReader, MaskShardWriter, NoVersion, open_masks
from stores.masks import COLUMN_DTYPES, MaskSet
from stores.shard_group import CHUNK_BYTES, CorruptShard
from tests.stores.samples import assert_same, mask_set

KEYS = ["b/photo.jpg", "a/photo.jpg", "empty.png", "ünï çødé.webp"]


def samples() -> dict[str, MaskSet]:
    return {
        "b/photo.jpg": mask_set(12, seed=1),
        "a/photo.jpg": mask_set(5, seed=2, size=(64, 48)),
        "empty.png": MaskSet.empty((100, 200)),
        "ünï çødé.webp": mask_set(1, seed=3, size=(1, 1)),
    }


def large_samples(count: int) -> dict[str, MaskSet]:
    """Masks of random bits, which do not compress, so that one image is about half a chunk."""
    random = np.random.default_rng(0)
    crops = [random.random((1000, 1000)) < 0.5 for _ in range(count)]
    for crop in crops:
        crop[[0, -1]] = True
        crop[:, [0, -1]] = True
    return {f"{i:03d}.jpg": MaskSet.from_crops((1000, 1000), [[0, 0, 1000, 1000]], [c]) for i, c in enumerate(crops)}


def versions_of(url: str):
    return Home(url).versions("masks", "ncut_masks", "photos-0000")


def write(versions, version: str, images: dict[str, MaskSet]) -> MaskShardReader:
    writer = MaskShardWriter(versions, version, images)
    for key, masks in images.items():
        writer.add(key, masks)
    writer.finish({"from": version})
    return MaskShardReader(versions, version)


def test_all_masks_come_back_in_the_order_of_the_keys(place_url):
    versions, images = versions_of(place_url), samples()
    writer = MaskShardWriter(versions, "v1", KEYS)
    for key in reversed(KEYS):
        writer.add(key, images[key])
    assert writer.done() == set(KEYS)
    assert writer.finish({"code": "1"}) == "v1"

    reader = open_masks(Home(place_url), "ncut_masks", "photos-0000")
    assert reader.keys == KEYS == list(reader)
    assert len(reader) == 4
    assert reader.version == "v1"
    assert "a/photo.jpg" in reader
    assert "photo.jpg" not in reader
    for key, masks in reader.items():
        assert_same(masks, images[key])
    assert_same(pickle.loads(pickle.dumps(reader))["a/photo.jpg"], images["a/photo.jpg"])
    reader.verify()
    assert reader.counts().tolist() == [12, 5, 0, 1]
    assert reader.sizes().tolist() == [list(images[key].size) for key in KEYS]
    assert versions.provenance() == {"code": "1"}
    assert [place.name for place in versions.location("v1").iterdir() if "parts" in place.name] == []
    with pytest.raises(KeyError):
        reader["no such image"]


def test_columns_hold_all_masks_of_the_shard(tmp_path):
    images = samples()
    columns = write(versions_of(str(tmp_path)), "v1", images).columns()
    assert set(columns) == {"image", "boxes", *COLUMN_DTYPES}
    for name in ("boxes", *COLUMN_DTYPES):
        np.testing.assert_array_equal(columns[name], np.concatenate([getattr(images[key], name) for key in images]))
    np.testing.assert_array_equal(columns["image"], [0] * 12 + [1] * 5 + [3])


def test_the_layout_is_that_of_the_design(tmp_path):
    versions = versions_of(str(tmp_path))
    write(versions, "v1", samples())
    group = zarr.open_group(versions.content().local_path, mode="r")
    assert group.metadata.zarr_format == 3
    expected = {"bits", "mask_offsets", "image_offsets", "image_sizes", "boxes", *COLUMN_DTYPES}
    assert set(group.array_keys()) == expected | {"bits_checksums"}
    assert group["bits"].chunks == (CHUNK_BYTES,)
    assert [codec.to_dict()["name"] for codec in group["bits"].compressors] == ["zstd"]
    assert group["mask_offsets"][-1] == group["bits"].shape[0]
    assert group["image_offsets"][:].tolist() == [0, 12, 17, 17, 18]
    assert group.attrs["image_keys"] == KEYS


@pytest.mark.parametrize("images", [{}, {"a": MaskSet.empty((3, 4))}], ids=["no images", "no masks"])
def test_a_shard_without_masks(quick_url, images):
    reader = write(versions_of(quick_url), "v1", images)
    assert reader.keys == list(images)
    assert reader.columns()["score"].shape == (0,)
    assert [len(masks) for _, masks in reader.items()] == [0] * len(images)
    reader.verify()


def test_an_image_is_read_from_its_chunks_only(tmp_path):
    versions, images = versions_of(str(tmp_path)), large_samples(40)
    reader = write(versions, "v1", images)
    assert sum(1 for _ in (versions.content().local_path / "bits/c").iterdir()) == -(-40 * 125_000 // CHUNK_BYTES)
    for name in ("0", "7", "19"):
        (versions.content().local_path / "bits/c" / name).unlink()
    for index in (5, 20, 35):
        assert_same(reader[f"{index:03d}.jpg"], images[f"{index:03d}.jpg"])
    for index in (0, 15, 39):
        with pytest.raises(CorruptShard, match="missing or not what was written"):
            reader[f"{index:03d}.jpg"]
    with pytest.raises(CorruptShard):
        reader.verify()


def test_reading_back_and_forth_gives_the_same(tmp_path):
    images = large_samples(30)
    reader = write(versions_of(str(tmp_path)), "v1", images)
    for index in np.random.default_rng(0).integers(0, 30, 60):
        assert_same(reader[f"{index:03d}.jpg"], images[f"{index:03d}.jpg"])
    assert_same(next(iter(reader.items()))[1], images["000.jpg"])


@pytest.mark.parametrize("array", ["boxes", "mask_offsets", "score", "bits_checksums", "image_sizes"])
@pytest.mark.parametrize("damage", ["unlink", "rmtree"])
def test_a_lost_column_is_an_error_not_zeros(tmp_path, array, damage):
    versions = versions_of(str(tmp_path))
    write(versions, "v1", samples())
    if damage == "unlink":
        chunk = next(path for path in (versions.content().local_path / array / "c").rglob("*") if path.is_file())
        chunk.unlink()
    else:
        shutil.rmtree(versions.content().local_path / array)
    with pytest.raises(CorruptShard, match="materialise the shard again"):
        MaskShardReader(versions)["b/photo.jpg"]


def test_an_unfinished_version_is_refused_and_the_older_one_stays(quick_url):
    versions, images = versions_of(quick_url), samples()
    with pytest.raises(NoVersion):
        MaskShardReader(versions)
    write(versions, "v1", images)
    writer = MaskShardWriter(versions, "v2", KEYS)
    writer.add(KEYS[0], images[KEYS[1]])
    with pytest.raises(IncompleteVersion):
        MaskShardReader(versions, "v2")
    with pytest.raises(IncompleteVersion, match="3 of 4 images are not done"):
        writer.finish({})
    assert MaskShardReader(versions).version == "v1"
    assert_same(MaskShardReader(versions)[KEYS[0]], images[KEYS[0]])


def test_a_second_writer_goes_on_where_the_first_was_killed(quick_url):
    versions, images = versions_of(quick_url), samples()
    MaskShardWriter(versions, "v1", KEYS).add(KEYS[2], images[KEYS[2]])
    second = MaskShardWriter(versions, "v1", KEYS)
    assert second.done() == {KEYS[2]}
    for key in set(KEYS) - second.done():
        second.add(key, images[key])
    second.finish({})
    for key, masks in MaskShardReader(versions).items():
        assert_same(masks, images[key])


def test_a_published_version_is_done_and_cannot_change(quick_url):
    versions, images = versions_of(quick_url), samples()
    write(versions, "v1", images)
    write(versions, "v2", dict.fromkeys(KEYS, images[KEYS[0]]))
    again = MaskShardWriter(versions, "v1", KEYS)
    assert again.done() == set(KEYS)
    with pytest.raises(ValueError, match="cannot change"):
        again.add(KEYS[0], images[KEYS[1]])
    again.finish({"other": "provenance"})
    assert versions.current() == "v1"
    assert versions.provenance() == {"from": "v1"}
    assert_same(MaskShardReader(versions)[KEYS[0]], images[KEYS[0]])


def test_a_reader_keeps_its_version_when_another_becomes_current(tmp_path):
    versions, images = versions_of(str(tmp_path)), samples()
    reader = write(versions, "v1", images)
    write(versions, "v2", {key: MaskSet.empty((5, 5)) for key in KEYS})
    assert_same(reader[KEYS[0]], images[KEYS[0]])
    assert len(MaskShardReader(versions)[KEYS[0]]) == 0


def test_failed_images_are_left_out_with_their_reason(quick_url):
    versions, images = versions_of(quick_url), samples()
    writer = MaskShardWriter(versions, "v1", KEYS)
    for key in KEYS[1:]:
        writer.add(key, images[key])
    writer.finish({}, failed={KEYS[0]: "out of memory"})
    reader = MaskShardReader(versions)
    assert reader.keys == KEYS[1:]
    assert reader.failed == {KEYS[0]: "out of memory"}
    for key, masks in reader.items():
        assert_same(masks, images[key])


def test_two_writers_that_race_cannot_spoil_each_other(tmp_path):
    versions, images = versions_of(str(tmp_path)), samples()
    first, second = (MaskShardWriter(versions, "v1", KEYS) for _ in range(2))
    for key in KEYS:
        first.add(key, images[key])
        second.add(key, images[key])
    first.finish({})
    reader = MaskShardReader(versions)
    with pytest.raises((FileNotFoundError, IncompleteVersion)):
        second.finish({})
    for key in KEYS:
        assert_same(reader[key], images[key])
        assert_same(MaskShardReader(versions)[key], images[key])


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"boxes": np.array([[50, 0, 4, 4]], np.int32)}, "outside the image"),
        ({"boxes": np.array([[-1, 0, 4, 4]], np.int32)}, "outside the image"),
        ({"boxes": np.array([[0, 0, 40, 4]], np.int32)}, "do not fit the bits"),
        ({"bits": np.zeros(1, np.uint8)}, "do not fit the bits"),
        ({"offsets": np.array([0], np.int64)}, "do not fit the bits"),
        ({"parent": np.array([1], np.int32)}, "parent that is not there"),
        ({"parent": np.array([-2], np.int32)}, "parent that is not there"),
        ({"score": np.zeros(2, np.float32)}, "different lengths"),
    ],
)
def test_masks_that_contradict_themselves_are_refused(tmp_path, change, problem):
    good = MaskSet.from_crops((37, 53), [[0, 0, 4, 4]], [np.ones((4, 4), bool)])
    fields = {name: getattr(good, name) for name in ("size", "boxes", "bits", "offsets", *COLUMN_DTYPES)}
    writer = MaskShardWriter(versions_of(str(tmp_path)), "v1", ["a.jpg"])
    with pytest.raises(ValueError, match=f"masks of a.jpg: .*{problem}"):
        writer.add("a.jpg", MaskSet(**{**fields, **change}))
    assert writer.done() == set()


def test_keys_must_be_known_and_unique(tmp_path):
    versions = versions_of(str(tmp_path))
    with pytest.raises(ValueError, match="not unique"):
        MaskShardWriter(versions, "v1", ["a", "a"])
    with pytest.raises(ValueError, match="not one of the 1 images"):
        MaskShardWriter(versions, "v1", ["a"]).add("b", MaskSet.empty((2, 2)))
