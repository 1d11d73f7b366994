"""Which labels are trained on, and what is refused rather than left out."""

import numpy as np
import pytest
from PIL import Image

from ops.label_shards import ShardLabels, UnfitLabels, label_versions
from ops.mask_loader import MaskLoader
from ops.settings import LimitSettings
from ops.training_settings import LoaderSettings
from ops.training_source import UnfitSource
from stores.home import Home
from stores.masks import SOURCES, MaskSet
from tests.labelled_shards import SIZE, add_shard, grid_masks, publish_labels

ASSET = "hierarchical_masks"
LIMITS = LimitSettings()


@pytest.fixture
def home(tmp_path) -> Home:
    return Home(str(tmp_path / "home"))


def test_every_shard_with_its_current_version(home, tmp_path):
    shards = [add_shard(home, tmp_path / name) for name in ("one", "two")]
    newer = publish_labels(home, shards[1], note="again")
    versions = label_versions(home, ASSET, shards)
    assert list(versions) == shards
    assert versions[shards[1]] == newer
    assert versions[shards[0]] != newer


def test_a_shard_without_labels_is_named_and_nothing_is_left_out(home, tmp_path):
    good = add_shard(home, tmp_path / "one")
    with pytest.raises(UnfitLabels, match=r"nothing was trained, 1 shards are not ready: missing: has no hierarch"):
        label_versions(home, ASSET, [good, "missing"])


def test_labels_of_photos_that_changed_are_named(home, tmp_path):
    shard = add_shard(home, tmp_path / "one")
    old = home.versions_of(ASSET, shard).current()
    Image.new("RGB", SIZE, (9, 80, 200)).save(tmp_path / "one" / "photo0.jpg")
    publish_labels(home, shard, note="new photo")
    home.versions_of(ASSET, shard).rollback(old)
    with pytest.raises(UnfitLabels, match=f"{shard}: its {ASSET} was made from shard_manifest .*, which is now"):
        label_versions(home, ASSET, [shard])


def test_photos_with_a_human_mask_are_told_from_others(home, tmp_path):
    human = grid_masks((SIZE[1], SIZE[0])).with_columns(source=SOURCES.index("human"))
    shards = [add_shard(home, tmp_path / name, count=2, masks=masks) for name, masks in (("one", None), ("two", human))]
    labels = ShardLabels(home, ASSET, label_versions(home, ASSET, shards), LIMITS)
    chosen, others = labels.with_human_masks(), labels.without_human_masks()
    assert (len(labels), len(chosen), len(others)) == (4, 2, 2)
    for index in range(2):
        photo, masks = chosen[index]
        np.testing.assert_array_equal(photo, labels[2 + index][0])
        assert (masks.source == SOURCES.index("human")).all()
        np.testing.assert_array_equal(others[index][0], labels[index][0])


def test_a_share_of_the_photos_is_held_out_whatever_other_shards_there_are(home, tmp_path):
    first = add_shard(home, tmp_path / "one", count=80)
    versions = label_versions(home, ASSET, [first])
    alone = ShardLabels(home, ASSET, versions, LIMITS)
    held, rest = alone.held_out(0.4), alone.without(alone.held_out(0.4))
    assert 20 <= len(held) <= 44
    assert len(held) + len(rest) == 80
    assert set(held.places).isdisjoint(rest.places)
    assert set(held.places) <= set(alone.held_out(0.6).places)
    human = grid_masks((SIZE[1], SIZE[0])).with_columns(source=SOURCES.index("human"))
    second = add_shard(home, tmp_path / "two", count=80, masks=human)
    both = ShardLabels(home, ASSET, label_versions(home, ASSET, [first, second]), LIMITS)
    assert both.held_out(0.4).places == held.places


@pytest.mark.parametrize(("share", "count"), [(0.0, 0), (0.1, 0), (0.999, 80)])
def test_too_few_photos_are_not_held_out_at_all(home, tmp_path, share, count):
    shard = add_shard(home, tmp_path / "one", count=80)
    labels = ShardLabels(home, ASSET, label_versions(home, ASSET, [shard]), LIMITS)
    assert len(labels.held_out(share)) == count
    assert len(labels.without(labels.held_out(share))) == 80 - count


def test_no_shard_at_all(home):
    with pytest.raises(UnfitLabels, match="no shard is registered"):
        label_versions(home, ASSET, [])


def test_photos_come_with_their_masks_shard_after_shard(home, tmp_path):
    shards = [add_shard(home, tmp_path / "one", 2), add_shard(home, tmp_path / "two", 3)]
    source = ShardLabels(home, ASSET, label_versions(home, ASSET, shards), LIMITS)
    assert len(source) == 5
    for index in range(5):
        image, masks = source[index]
        assert image.shape == (*SIZE[::-1], 3)
        np.testing.assert_array_equal(masks.bits, grid_masks(SIZE[::-1]).bits)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda path: path.unlink(), "photo1.jpg of .*: .*materialise the shard again"),
        (lambda path: path.write_bytes(b"\xff\xd8\xff"), "photo1.jpg of .*materialise the shard again"),
        (lambda path: Image.new("RGB", (50, 40)).save(path), r"the photo is \(40, 50\), its masks are of"),
    ],
    ids=["gone", "broken", "of another size"],
)
def test_a_photo_that_is_not_what_was_labelled_is_named(home, tmp_path, change, message):
    shard = add_shard(home, tmp_path / "one")
    source = ShardLabels(home, ASSET, label_versions(home, ASSET, [shard]), LIMITS)
    change(tmp_path / "one" / "photo1.jpg")
    with pytest.raises(UnfitSource, match=message):
        source[1]


@pytest.mark.parametrize("count", [0, 3000])
def test_photos_with_no_mask_and_with_thousands_can_be_trained_on(home, tmp_path, count):
    generator = np.random.default_rng(0)
    crops = [np.ones((int(h), int(w)), bool) for h, w in generator.integers(4, 40, (count, 2))]
    boxes = [(int(generator.integers(0, 80)), int(generator.integers(0, 50)), c.shape[1], c.shape[0]) for c in crops]
    masks = MaskSet.from_crops(SIZE[::-1], np.array(boxes, np.int32).reshape(-1, 4), crops)
    shard = add_shard(home, tmp_path / "one", 2, masks)
    source = ShardLabels(home, ASSET, label_versions(home, ASSET, [shard]), LIMITS)
    settings = LoaderSettings(size=64, max_masks=20, workers=2)
    batch = next(MaskLoader(source, settings, batch=2, seed=0).batches())
    assert all(found == 0 if not count else 0 < found <= 20 for found in batch.targets.counts)
