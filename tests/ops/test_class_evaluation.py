"""True label maps from COCO, scores of every stage, and what is wrong with label maps in the store."""

import json
import pickle
from pathlib import Path

import numpy as np
import pytest

from ops.confusion import MismatchedLabels
from ops.sample_photos import SAMPLE_PHOTOS
from ops.sepl.class_settings import ClassSettings
from ops.sepl.evaluation import BEFORE, POOLED, REFINED, SEMANTIC, evaluate_shards, open_truth
from ops.sepl.label_checks import check_labels
from ops.sepl.label_stages import CAM_LAYERS, LAYER_OF, SeplWorker, ShardMasks, masks_of, sepl_provenance
from ops.sepl.page import write_gallery, write_page
from ops.sepl.panels import Panels
from ops.sepl.sample_tags import sample_tags
from ops.sepl.settings import SEPL_PRESETS, SeplSettings
from ops.settings import LimitSettings
from stores.annotations import BadAnnotations
from stores.coco import write_coco
from stores.home import Home
from stores.label_map_store import LabelledImage, LabelShardWriter, open_labels
from stores.location import Location
from stores.manifests import open_manifest
from stores.masks import MaskSet
from stores.shard_group import CorruptShard
from tests.labelled_shards import SIZE, add_shard

LABELS = ("background", "person", "tvmonitor")
SHAPE = SIZE[::-1]


def box(left: int, top: int, right: int, bottom: int) -> list[list[int]]:
    return [[left, top, right, top, right, bottom, left, bottom]]


def coco_file(root: Path) -> Location:
    """A person before a television, a crowd that overlaps the person, and a toaster on top."""
    boxes = [
        (72, box(0, 0, 60, 60), 0),
        (1, box(20, 20, 40, 40), 0),
        (1, box(30, 30, 80, 80), 1),
        (80, box(0, 0, 9, 9), 0),
    ]
    document = {
        "images": [{"id": 1, "file_name": "photo0.jpg", "width": SIZE[0], "height": SIZE[1]}],
        "categories": [{"id": 1, "name": "person"}, {"id": 72, "name": "tv"}, {"id": 80, "name": "toaster"}],
        "annotations": [
            {"id": i, "image_id": 1, "category_id": category, "segmentation": segmentation, "iscrowd": crowd}
            for i, (category, segmentation, crowd) in enumerate(boxes, start=1)
        ],
    }
    (root / "instances.json").write_text(json.dumps(document))
    return Location(str(root / "instances.json"))


def test_truth_is_painted_small_over_large_and_crowds_beneath(tmp_path: Path) -> None:
    labels = open_truth(coco_file(tmp_path), LABELS)["photo0"]()
    assert labels.shape == SHAPE
    assert [labels[y, x] for x, y in ((3, 3), (25, 25), (35, 35), (70, 70), (50, 50), (100, 5))] == [2, 1, 1, 255, 2, 0]


def test_a_truth_without_our_classes_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MismatchedLabels, match="none of the classes whale"):
        open_truth(coco_file(tmp_path), ("background", "whale"))


@pytest.fixture
def shard(tmp_path: Path) -> tuple[Home, str]:
    """A home in which `cam_labels` and `semantic_labels` call the left half of each photo label 1."""
    home = Home(tmp_path / "home")
    key = add_shard(home, tmp_path / "photos", 2)
    half = np.zeros(SHAPE, np.uint8)
    half[:, : SIZE[0] // 2] = 1
    for asset, layers in {"cam_labels": CAM_LAYERS, "semantic_labels": ("labels",)}.items():
        writer = LabelShardWriter(home.versions_of(asset, key), "v1", ["photo0.jpg", "photo1.jpg"], layers)
        for name in writer.image_keys:
            writer.add(name, LabelledImage(dict.fromkeys(layers, half)))
        writer.finish({})
    return home, key


def test_every_stage_and_preset_is_scored(shard: tuple[Home, str]) -> None:
    home, key = shard
    truth = np.zeros(SHAPE, np.uint8)
    truth[:, : SIZE[0] // 4] = 1
    result = evaluate_shards(home, [key], {"photo1": lambda: truth}, LABELS, ["hierarchical_masks"])
    presets = [f"{name}, hierarchical_masks" for name in (*SEPL_PRESETS, POOLED)]
    assert list(result.confusions) == [BEFORE, REFINED, *presets, SEMANTIC]
    assert result.missing == ["photo0.jpg"]
    assert result.mean_ious()[REFINED] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert [image.key for image in result.images] == ["photo1.jpg"]


@pytest.mark.parametrize(
    ("truth", "message"),
    [
        ({}, "no photo has a true label map"),
        ({"photo0": lambda: np.zeros((3, 3), np.uint8)}, "photo0.jpg of .*the truth"),
    ],
)
def test_a_truth_that_does_not_fit(shard: tuple[Home, str], truth: dict, message: str) -> None:
    home, key = shard
    with pytest.raises(MismatchedLabels, match=message):
        evaluate_shards(home, [key], truth, LABELS, ["hierarchical_masks"])


@pytest.mark.parametrize(
    ("classes", "tags", "failing"),
    [
        (3, {"photo0.jpg": (1,), "photo1.jpg": (1, 2)}, ()),
        (1, {"photo0.jpg": (1,), "photo1.jpg": (1,)}, ("known_labels",)),
        (3, {"photo0.jpg": (1,), "photo1.jpg": (2,)}, ("tagged_classes_only",)),
    ],
)
def test_checks_of_stored_labels(
    shard, classes: int, tags: dict[str, tuple[int, ...]], failing: tuple[str, ...]
) -> None:
    home, key = shard
    problems = check_labels(open_labels(home, "cam_labels", key), open_manifest(home, key), classes, tags)
    assert tuple(name for name, found in problems.items() if found) == failing


def test_repair_with_masks_of_a_file(shard: tuple[Home, str], tmp_path: Path) -> None:
    home, key = shard
    whole = np.ones(SHAPE, bool)
    write_coco(str(tmp_path / "sam.json"), [("elsewhere/photo1.png", MaskSet.from_dense([whole], SHAPE))])
    masks = pickle.loads(pickle.dumps(masks_of(home, key, str(tmp_path / "sam.json"))))
    worker = SeplWorker(open_labels(home, "cam_labels", key), masks, SEPL_PRESETS["repair"], len(LABELS), None)()
    untouched, filled = worker("photo0.jpg").content, worker("photo1.jpg").content
    assert (untouched.counts["masks"], filled.counts["masks"], filled.counts["chosen"]) == (0, 1, 1)
    np.testing.assert_array_equal(untouched.layers["labels"][0], [1] * (SIZE[0] // 2) + [0] * (SIZE[0] // 2))
    assert (filled.layers["labels"] == 1).all()


def test_repair_of_the_activations_alone(shard: tuple[Home, str]) -> None:
    home, key = shard
    masks, settings = masks_of(home, key, "hierarchical_masks"), SeplSettings(mask_share=1.0)
    writer = LabelShardWriter(home.versions_of("cam_labels", key), "v2", ["photo0.jpg"], ("labels", "cam", "heat"))
    maps = {name: np.full(SHAPE, label, np.uint8) for label, name in enumerate(("cam", "labels", "heat"))}
    writer.add("photo0.jpg", LabelledImage({name: maps[name] for name in writer.layers}))
    writer.finish({})
    cams = open_labels(home, "cam_labels", key)
    for repaired, layer in LAYER_OF.items():
        worker = SeplWorker(cams, masks, settings, len(LABELS), None, layer)()
        np.testing.assert_array_equal(worker("photo0.jpg").content.layers["labels"], maps[layer])
        provenance = sepl_provenance(home, "1", key, "v2", ClassSettings(repaired=repaired), None)
        assert provenance["settings"]["repaired"] == repaired


def test_pooling_goes_by_the_activations_themselves_where_those_are_repaired(shard: tuple[Home, str]) -> None:
    home, key = shard
    strongest, heat = np.zeros(SHAPE, np.uint8), np.zeros(SHAPE, np.uint8)
    strongest[:, :4], heat[:, :4] = 1, 104  # below the threshold, so that the label map shows nothing of it
    layers = {"labels": np.full(SHAPE, 2, np.uint8), "cam": np.zeros(SHAPE, np.uint8), "heat": heat}
    layers["strongest"] = strongest
    writer = LabelShardWriter(home.versions_of("cam_labels", key), "v2", ["photo0.jpg"], layers)
    writer.add("photo0.jpg", LabelledImage(layers))
    writer.finish({})
    cams, masks = open_labels(home, "cam_labels", key), ShardMasks()
    found = {
        layer: SeplWorker(cams, masks, SEPL_PRESETS["pool"], len(LABELS), None, layer)()("photo0.jpg").content.layers
        for layer in LAYER_OF.values()
    }
    np.testing.assert_array_equal(found["cam"]["labels"], strongest)
    np.testing.assert_array_equal(found["labels"]["labels"], layers["labels"])


def test_activations_of_an_older_version_cannot_be_pooled(shard: tuple[Home, str]) -> None:
    home, key = shard
    maps = dict.fromkeys(("labels", "cam", "heat"), np.zeros(SHAPE, np.uint8))
    writer = LabelShardWriter(home.versions_of("cam_labels", key), "v2", ["photo0.jpg"], maps)
    writer.add("photo0.jpg", LabelledImage(maps))
    writer.finish({})
    worker = SeplWorker(open_labels(home, "cam_labels", key), ShardMasks(), SEPL_PRESETS["pool"], 3, None, "cam")()
    with pytest.raises(CorruptShard, match="no array strongest; materialise the shard again"):
        worker("photo0.jpg")


def test_masks_of_another_size_quarantine_their_image(shard: tuple[Home, str], tmp_path: Path) -> None:
    home, key = shard
    write_coco(str(tmp_path / "sam.json"), [("photo1.jpg", MaskSet.empty((5, 5)))])
    masks = masks_of(home, key, str(tmp_path / "sam.json"))
    worker = SeplWorker(open_labels(home, "cam_labels", key), masks, SEPL_PRESETS["repair"], len(LABELS), None)()
    with pytest.raises(BadAnnotations, match="photo1"):
        worker("photo1.jpg")


def test_the_page_shows_every_stage(shard: tuple[Home, str], tmp_path: Path) -> None:
    home, key = shard
    truth = {name: lambda: np.zeros(SHAPE, np.uint8) for name in ("photo0", "photo1")}
    result = evaluate_shards(home, [key], truth, LABELS, ["hierarchical_masks"])
    panels = Panels(home, LABELS, "hierarchical_masks", None, LimitSettings(), truth)
    page = write_page(tmp_path / "page", result, panels, {})
    text = page.read_text()
    for shown in ("Ten best", "Ten worst", "tvmonitor", "repair, hierarchical_masks", "best-01.jpg", "How it fails"):
        assert shown in text
    assert (page.parent / "worst-01.jpg").stat().st_size > 1000


def test_a_gallery_needs_no_truth(shard: tuple[Home, str], tmp_path: Path) -> None:
    home, key = shard
    page = write_gallery(
        tmp_path / "g", home, [key], LABELS, "hierarchical_masks", LimitSettings(), {"photo0.jpg": "me"}
    )
    assert page.read_text().count("<figure>") == 2
    assert ": me<" in page.read_text()


def test_every_sample_photo_has_tags() -> None:
    tags = sample_tags()
    assert set(tags.of_image) == {photo.file_name for photo in SAMPLE_PHOTOS}
    assert sorted({label for own in tags.of_image.values() for label in own}) == list(range(1, len(tags.labels)))
