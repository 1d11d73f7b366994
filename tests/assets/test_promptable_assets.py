"""From labelled shards to a promptable model, everything in every shard, and its evaluation, through Dagster."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import numpy as np
import pytest
import yaml
from PIL import Image
from skimage import data

from ops.evaluation_history import history
from ops.mask_tree import check_tree
from ops.model_files import model_location
from ops.promptable.files import load_promptable_named
from pipelines.instance import add_partitions, open_instance
from pipelines.prompting import PromptingRequest, evaluate_prompts, learn_prompts
from stores.bsds import write_bsds
from stores.home import Home
from stores.mask_store import open_masks
from tests.labelled_shards import add_shard

pytestmark = pytest.mark.timeout(900)  # Ray starts its workers at a low priority
TINY = {
    "training": {
        "model": {"image_size": 64, "dim": 64, "feedforward": 32, "outputs": 3},
        "loader": {"size": 64, "max_masks": 10, "workers": 1},
        "prompting": {"prompts": 4, "clicks": 1},
        "batch": 2,
        "steps": 3,
        "checkpoint_every": 2,
        "log_every": 1,
    },
    "generator": {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
}


@pytest.fixture(scope="module")
def learned(tmp_path_factory: pytest.TempPathFactory):
    folder = tmp_path_factory.mktemp("promptable")
    home = Home(folder / "home")
    shard = add_shard(home, folder / "photos")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("UNSAM_HOME", str(folder / "home"))
        with open_instance(home) as instance:
            add_partitions(instance, [shard])
            request = PromptingRequest(values=TINY, everything=True)
            steps = list(learn_prompts(instance, [shard], request))
            yield home, instance, shard, steps, request


def test_a_model_and_everything_in_the_shard(learned) -> None:
    home, _, shard, steps, _ = learned
    assert [step.error for step in steps] == [None, None]
    told = steps[0].metadata["promptable_model"]
    assert (told["steps"], told["images"], told["reused"]) == (3, 3, False)
    assert "jpeg" in told["pictures"]
    assert home.versions_of("promptable_model").location("x").url.startswith(home.models.url)
    assert model_location(home, "promptable_model").exists()
    masks = open_masks(home, "auto_masks", shard)
    assert len(masks.keys) == 3
    for key in masks.keys:
        assert not check_tree(masks[key])


def test_what_is_fresh_is_not_trained_again(learned) -> None:
    _, instance, shard, _, request = learned
    again = next(iter(learn_prompts(instance, [shard], request)))
    assert again.metadata["promptable_model"]["reused"]


def test_labels_that_are_missing_are_named(learned) -> None:
    _, instance, shard, _, _ = learned
    (failed,) = learn_prompts(instance, [shard], PromptingRequest(values=TINY, plus=True))
    assert failed.error
    assert "plus_labels" in failed.error


def test_evaluation_of_clicks_boxes_and_edges(learned, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home, instance, _, _, _ = learned
    Image.fromarray(data.coffee()).resize((60, 40)).save(tmp_path / "7.jpg")
    labels = np.ones((40, 60), int)
    labels[10:30, 20:45] = 2
    (tmp_path / "7.mat").write_bytes(write_bsds([labels, labels]))
    register = tmp_path / "datasets.yaml"
    register.write_text(yaml.safe_dump({"datasets": {"tiny": {"format": "bsds500", "images": str(tmp_path)}}}))
    config = {
        "file": str(register),
        "settings": {
            "clicks": 2,
            "edge_points": 3,
            "proposals": True,
            "generator": {"points_per_side": 3, "pred_iou_thresh": 0.0, "stability_score_thresh": 0.0},
        },
    }
    (done,) = evaluate_prompts(instance, ["tiny"], config)
    assert done.error is None
    numbers = done.metadata["prompt_evaluation"]["scores"]["promptable_model"]
    assert {"oracle", "best_score", "box", "NoC@80", "ODS", "R50", "AR@1000"} <= set(numbers)
    assert numbers["masks"] == 4
    assert 0 <= numbers["best_score"] <= numbers["oracle"] <= 1
    (entry,) = history(home, "prompts-tiny")
    assert entry.sources["promptable_model"].numbers["oracle"] == pytest.approx(numbers["oracle"])


def test_a_model_by_name(learned, tmp_path: Path) -> None:
    home, _, _, _, _ = learned
    version = home.versions_of("promptable_model").current()
    model = load_promptable_named(home, f"promptable_model@{version}")
    assert model.shape.image_size == 96, "half as much again as in training"
    assert not model.training


def test_definitions_know_the_assets() -> None:
    from pipelines.definitions import defs

    keys = {key.to_user_string() for key in defs.resolve_asset_graph().get_all_asset_keys()}
    assert {"promptable_model", "promptable_plus_model", "auto_masks", "prompt_evaluation"} <= keys
    assert isinstance(defs.resolve_job_def("train_promptable"), dg.JobDefinition)
