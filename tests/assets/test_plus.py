"""UnSAM+ through Dagster on a small shard: human masks, merged labels, models, ablations, and what is refused."""

import dagster as dg
import numpy as np
import pytest

from ops.evaluation_stage import MODEL_MASKS
from ops.model_stages import MODEL_OF
from pipelines.instance import add_partitions
from stores.home import Home
from stores.mask_store import open_masks
from stores.masks import SOURCES, MaskSet
from tests.dagster_runs import metadata_of, run_job
from tests.labelled_shards import SIZE, TINY, add_shard, annotate

HUMAN = SOURCES.index("human")


def halves() -> MaskSet:
    """Two human masks on the left: a third of the frame, and a piece of it."""
    width, height = SIZE
    masks = np.zeros((2, height, width), bool)
    masks[0, :, : width // 3] = True
    masks[1, : height // 2, : width // 4] = True
    return MaskSet.from_dense(masks, (height, width), source=HUMAN)


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return Home(str(tmp_path_factory.mktemp("plus") / "home"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tmp_path_factory.mktemp("photos") / "shard"


@pytest.fixture(scope="module")
def shard(home, photos) -> str:
    """Three labelled photos: the first with human masks, the second with a broken JSON, the third without any."""
    shard = add_shard(home, photos)
    annotate(photos, 0, halves())
    annotate(photos, 1, MaskSet.empty((7, 9)))
    return shard


@pytest.fixture(scope="module")
def instance(shard):
    with dg.DagsterInstance.ephemeral() as instance:
        add_partitions(instance, [shard])
        yield instance


def run(home, instance, job, shard=None, **plus):
    settings = TINY | {"plus": {"fraction": 1.0, "source": "pseudo", "initial": "backbone", "steps": 2} | plus}
    return run_job(home, instance, job, shard, learning={"preset": "demo", "settings": settings})


@pytest.fixture(scope="module")
def shown(home, instance, shard):
    """Metadata by asset of one pass through all stages."""
    instance.report_runless_asset_event(dg.AssetMaterialization("shard_manifest", partition=shard))
    steps = [
        ("merge_plus", shard, ["sa1b_masks", "plus_labels"]),
        ("train_plus", None, ["unsam_plus_model"]),
        ("predict_plus", shard, ["unsam_plus_masks"]),
        ("merge_union", shard, ["union_labels"]),
        ("train_ablations", None, ["human_only_model", "union_model"]),
        ("predict_ablations", shard, ["human_only_masks", "union_masks"]),
    ]
    found = {}
    for job, partition, assets in steps:
        result = run(home, instance, job, partition)
        found |= {asset: metadata_of(result, asset) for asset in assets}
    return found


def test_human_masks_are_stored_and_a_broken_json_is_quarantined(shown, home, shard):
    masks = open_masks(home, "sa1b_masks", shard)
    assert masks.keys == ["photo0.jpg"]
    assert len(masks["photo0.jpg"]) == 2
    assert list(masks.failed) == ["photo1.jpg"]
    assert "of (H, W) (7, 9), the photo is (90, 120)" in masks.failed["photo1.jpg"]
    assert shown["sa1b_masks"]["quarantined"] == 1


def test_labels_are_human_masks_and_what_lies_apart_from_them(shown, home, shard):
    labels, old = open_masks(home, "plus_labels", shard), open_masks(home, "hierarchical_masks", shard)
    assert labels.keys == ["photo0.jpg", "photo1.jpg", "photo2.jpg"]
    first = labels["photo0.jpg"]
    assert (first.source == HUMAN).sum() == 2
    third = first.size[1] // 3
    assert all(
        x >= third or w * h < 0.02 * first.size[0] * third for (x, _, w, h) in first.boxes[first.source != HUMAN]
    )
    for key in ("photo1.jpg", "photo2.jpg"):
        np.testing.assert_array_equal(labels[key].boxes, old[key].boxes)


def test_what_the_ui_shows_of_merged_labels(shown, home, shard):
    told = shown["plus_labels"]
    assert told["annotated_images"] == 1
    assert told["human_masks"] == told["masks_from_human"] == 2
    kept, dropped = told["unsupervised_masks_kept"], told["unsupervised_masks_dropped"]
    assert kept + dropped == open_masks(home, "hierarchical_masks", shard).counts().sum()
    assert 0 < dropped < kept
    assert told["unsupervised_masks_from"] == "hierarchical_masks"
    assert told["pictures"].startswith("![human masks in blue")
    assert shown["union_labels"]["unsupervised_masks_dropped"] == 0


def test_models_name_their_labels_and_see_what_they_should(shown, home, shard):
    labels_of = {"unsam_plus_model": "plus_labels", "union_model": "union_labels", "human_only_model": "sa1b_masks"}
    for model, labels in labels_of.items():
        assert shown[model]["trained_on"] == {shard: home.versions_of(labels, shard).current()}
        assert shown[model]["provenance"]["labels"]["asset"] == labels
        assert shown[model]["images"] == (1 if labels == "sa1b_masks" else 3)
        assert shown[model]["steps"] == 2


def test_predictions_of_each_model(shown, home, shard):
    for asset in ("unsam_plus_masks", "human_only_masks", "union_masks"):
        masks = open_masks(home, asset, shard)
        assert len(masks.keys) == 3
        assert set(masks.columns()["source"]) <= {SOURCES.index("plus")}
        assert MODEL_OF[asset] in shown[asset]["provenance"]["inputs"]
        assert asset in MODEL_MASKS.values(), "evaluations score it"


def test_a_changed_json_makes_other_labels(shown, home, instance, shard, photos):
    before = home.versions_of("plus_labels", shard).current()
    path = annotate(photos, 2, halves())
    result = run(home, instance, "merge_plus", shard)
    path.unlink()
    assert metadata_of(result, "sa1b_masks")["images"] == 3
    assert metadata_of(result, "plus_labels")["human_masks"] == 4
    assert home.versions_of("plus_labels", shard).current() != before


def test_without_any_human_mask_labels_are_the_unsupervised_ones_and_nothing_trains_on_human_masks(
    shown, home, instance, shard
):
    told = metadata_of(run(home, instance, "merge_plus", shard, fraction=0.0), "plus_labels")
    assert told["human_masks"] == told["unsupervised_masks_dropped"] == 0
    result = run(home, instance, "train_ablations", fraction=0.0)
    messages = [event.step_failure_data.error.message for event in result.get_step_failure_events()]
    assert any("sa1b_masks of 1 shards holds no image" in message for message in messages)


def test_going_on_from_a_model_that_is_not_there_is_refused(shown, home, instance):
    (failure,) = run(home, instance, "train_plus", initial="unsam").get_step_failure_events()
    assert "unsam_model" in failure.step_failure_data.error.message


def test_a_source_that_is_not_there_is_named(shown, home, instance, shard):
    result = run(home, instance, "merge_plus", shard, source="round2")
    (failure,) = [event for event in result.get_step_failure_events() if event.step_key == "plus_labels"]
    assert "has no round2_labels" in failure.step_failure_data.error.message
