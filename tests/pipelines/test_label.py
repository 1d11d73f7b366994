"""`unsam label` and what comes after it, on folders as people have them."""

import json
import tarfile
from pathlib import Path

import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO

from ops.mask_tree import CONTAINED
from stores.home import Home
from stores.manifests import open_manifest, registered, source_of
from stores.mask_store import open_masks
from tests.pipelines.conftest import SMALL


def assert_valid_coco(path: Path) -> COCO:
    coco = COCO(str(path))
    for annotation in coco.loadAnns(coco.getAnnIds()):
        image = coco.loadImgs(annotation["image_id"])[0]
        assert annotation["segmentation"]["size"] == [image["height"], image["width"]]
        mask = coco.annToMask(annotation)
        assert mask.sum() == annotation["area"] > 0
        assert rle.toBbox(annotation["segmentation"]).tolist() == annotation["bbox"]
        assert 0.1 <= annotation["granularity"] <= 1
        assert {"score", "level", "theta"} <= annotation.keys()
        if annotation["parent"] is not None:
            parent = coco.loadAnns(annotation["parent"])[0]
            assert parent["image_id"] == annotation["image_id"]
            assert (mask & coco.annToMask(parent)).sum() >= CONTAINED * mask.sum()
    return coco


def test_a_folder_as_people_have_it(unsam, untidy_photos, tmp_path):
    first = unsam("label", untidy_photos, "-o", "labels.json", *SMALL)
    assert first.exit_code == 0, first.stderr
    for name in ("cut.jpg", "text.jpg", "empty.jpg"):
        assert f"quarantined {name}:" in first.stderr
    assert "skipped 1" in first.stderr
    coco = assert_valid_coco(tmp_path / "labels.json")
    names = {image["file_name"] for image in coco.dataset["images"]}
    assert names == {
        *(f"photo{number:02}.jpg" for number in range(3)),
        "flat.png",
        "alpha.png",
        "print.jpg",
        "other/photo00.jpg",
    }
    masks_of = {image["file_name"]: len(coco.getAnnIds([image["id"]])) for image in coco.dataset["images"]}
    assert masks_of["flat.png"] == 0
    assert min(masks_of[f"photo{number:02}.jpg"] for number in range(3)) > 5

    content = (tmp_path / "labels.json").read_bytes()
    again = unsam("label", untidy_photos, "-o", "labels.json", *SMALL)
    assert again.exit_code == 0, again.stderr
    assert (tmp_path / "labels.json").read_bytes() == content

    exported = unsam("export", "--format", "sa1b", "-o", "sa1b")
    assert exported.exit_code == 0, exported.stderr
    record = json.loads((tmp_path / "sa1b" / "photo00.json").read_text())
    assert record["image"]["file_name"] == "photo00.jpg"
    assert len(record["annotations"]) == masks_of["photo00.jpg"]

    swept = unsam("gc", "--min-age", "0")
    assert swept.exit_code == 0, swept.stderr
    home = Home(str(tmp_path / "home"))
    (shard,) = [path.name for path in (home.masks / "hierarchical_masks").iterdir()]
    assert len(open_masks(home, "hierarchical_masks", shard).keys) == len(names)


def test_a_photo_added_later_goes_into_a_shard_of_its_own(unsam, photos, tmp_path):
    assert unsam("add", photos).exit_code == 0
    (photos / "photo02.jpg").rename(photos / "later.jpg")
    nothing_new = unsam("add", photos / "photo00.jpg")
    assert "Nothing new" in nothing_new.stderr
    added = unsam("add", photos)
    assert added.exit_code == 0, added.stderr
    home = Home(str(tmp_path / "home"))
    assert [[member.key for member in source_of(home, shard).members] for shard in registered(home)] == [
        ["photo00.jpg", "photo01.jpg", "photo02.jpg"],
        ["later.jpg"],
    ]
    (first, second) = registered(home)
    done = unsam("run", *SMALL, "--select", "shard_manifest", "--shards", f"{first}…{second}")
    assert done.exit_code == 0, done.stderr
    assert open_manifest(home, first).quarantined.keys() == {"photo02.jpg"}
    assert open_manifest(home, second).keys == ["later.jpg"]


@pytest.mark.slow
def test_a_tar_of_photos_and_one_cut_short(unsam, photos, tmp_path):
    with tarfile.open(tmp_path / "photos.tar", "w") as tar:
        for path in sorted(photos.iterdir()):
            tar.add(path, path.name)
    done = unsam("label", tmp_path / "photos.tar", "-o", "whole.json", *SMALL)
    assert done.exit_code == 0, done.stderr
    assert len(assert_valid_coco(tmp_path / "whole.json").dataset["images"]) == 3
    size = (tmp_path / "photos.tar").stat().st_size
    (tmp_path / "cut.tar").write_bytes((tmp_path / "photos.tar").read_bytes()[: size // 3])
    cut = unsam("add", tmp_path / "cut.tar")
    assert cut.exit_code == 0
    assert "cut.tar" in cut.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("label", "nowhere"), "nowhere"),
        (("label", "photos", "--preset", "smal"), "did you mean 'small'"),
        (("label", "photos", "--set", "divide.max_mask=5"), "did you mean 'max_masks'"),
        (("label", "photos", "--set", "divide.max_masks=none"), "divide.max_masks"),
        (("label", "photos", "--config", "missing.yaml"), "missing.yaml cannot be read"),
        (("label", "photos", "--recipe", "pixeltree"), "recipe"),
        (("run",), "begin with: unsam add FOLDER"),
        (("run", "--select", "ncut_masks,hierarchical_mask"), "does not make hierarchical_mask, but shard_manifest"),
        (("run", "--select", "unsam_masks"), "unsam backfill --select"),
        (("export", "-o", "x.json"), "begin with: unsam add FOLDER"),
        (("export", "-o", "x.json", "--format", "voc"), "there are coco, sa1b, bsds"),
    ],
)
def test_wrong_calls_end_with_one_line(unsam, photos, arguments, message):
    result = unsam(*arguments)
    assert result.exit_code == 2, result.stderr
    assert message in result.stderr
    assert "Traceback" not in result.stderr


def test_a_folder_without_photos_and_one_of_broken_photos(unsam, tmp_path):
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")
    nothing = unsam("label", tmp_path / "texts")
    assert nothing.exit_code == 2
    assert "no images in" in nothing.stderr
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.jpg").write_text("a")
    broken = unsam("label", tmp_path / "broken", *SMALL)
    assert broken.exit_code == 1
    assert "decodable" in broken.stderr
    assert not (tmp_path / "labels.json").exists()


def test_a_tar_that_would_write_outside_is_refused(unsam, photos, tmp_path):
    with tarfile.open(tmp_path / "evil.tar", "w") as tar:
        tar.add(photos / "photo00.jpg", "../photo00.jpg")
    result = unsam("label", tmp_path / "evil.tar")
    assert result.exit_code == 2
    assert "../photo00.jpg" in result.stderr


@pytest.mark.slow
def test_weights_that_are_not_there_fail_the_shard_at_once(unsam, photos):
    result = unsam("label", photos, "--backbone", "vit_small_patch8_224.dino", "--set", "backbone.weights=gone.pth")
    assert result.exit_code == 1
    assert "gone.pth: no such weight file" in result.stderr
