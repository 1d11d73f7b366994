"""The asset that scores label maps: what it tells the UI, its history, and true labels that are not there."""

from pathlib import Path
from typing import get_args

import dagster as dg
import numpy as np
import pytest

from ops.evaluation_history import history
from ops.sepl.label_stages import CAM_LAYERS
from ops.sepl.settings import SEPL_PRESETS
from ops.sepl.tag_stage import publish_tags
from pipelines.classes import score_classes
from pipelines.definitions import defs
from pipelines.resources import ClassEvaluationResource
from pipelines.runner import ShardRun
from stores.home import Home
from stores.label_map_store import LabelledImage, LabelShardWriter
from stores.label_maps import write_label_map
from stores.location import Location
from stores.tags import Tags
from tests.labelled_shards import SIZE, add_shard

SHAPE = SIZE[::-1]
PHOTOS = ("photo0.jpg", "photo1.jpg", "photo2.jpg")


def half(columns: int) -> np.ndarray:
    labels = np.zeros(SHAPE, np.uint8)
    labels[:, :columns] = 1
    return labels


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Home:
    """A home whose labels call the left half of each photo a cup, where a quarter is one."""
    monkeypatch.setenv("UNSAM_HOME", str(tmp_path / "home"))
    home = Home(str(tmp_path / "home"))
    shard = add_shard(home, tmp_path / "photos")
    publish_tags(home, Tags(("cup", "cat"), {"photo0.jpg": (1,)}))
    for asset, layers in {"cam_labels": CAM_LAYERS, "sepl_labels": ("labels",)}.items():
        writer = LabelShardWriter(home.versions_of(asset, shard), "v1", PHOTOS, layers)
        for name in PHOTOS:
            writer.add(name, LabelledImage(dict.fromkeys(layers, half(SIZE[0] // 2))))
        writer.finish({})
    for name in PHOTOS[:2]:
        write_label_map(Location(str(tmp_path / "truth")) / name.replace(".jpg", ".png"), half(SIZE[0] // 4))
    return home


def score(instance: dg.DagsterInstance, **config: object) -> ShardRun:
    return score_classes(instance, config)


def test_what_the_ui_shows_and_plots(home: Home, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        done = score(instance, truth=str(tmp_path / "truth"), page=str(tmp_path / "page"))
    assert done.error is None
    told = done.metadata["class_evaluation"]
    repairs = (f"{name}, hierarchical_masks" for name in (*SEPL_PRESETS, "pool of activations"))
    stages = ["activations", "refined", *repairs, "as published"]
    assert list(told["scores"]) == stages
    assert told["mIoU_refined"] == told["mIoU_as_published"] == pytest.approx((1 / 2 + 2 / 3) / 2)
    assert told["mIoU_paper_hierarchical_masks"] == told["scores"]["paper, hierarchical_masks"]
    assert (told["images"], told["images_without_truth"], told["without_truth"]) == (2, 1, ["photo2.jpg"])
    assert "| refined | 58.33 | +0.00 |" in told["table"]
    assert "| cup | 50.0 |" in told["by_class"]
    assert "| cat |  |" in told["by_class"]
    for name in ("best", "worst"):
        assert told[name].startswith("![ten ")
        assert 2_000 < len(told[name]) < 260_000
    assert "Ten worst" in (tmp_path / "page" / "index.html").read_text()


def test_every_run_is_remembered_by_its_truth(home: Home, tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        for _ in range(2):
            told = score(instance, truth=str(tmp_path / "truth")).metadata["class_evaluation"]
        (name,) = [place.name for place in (home.reports / "evaluation").iterdir()]
        entries = history(home, name)
        assert [entry.images for entry in entries] == [2, 2]
        refined = entries[-1].sources["refined"]
        assert refined.numbers == {"mIoU": told["mIoU_refined"]}
        assert list(refined.versions.values()) == ["v1"]
        assert told["history"].count("\n") == 3
        last = instance.get_latest_materialization_event(dg.AssetKey("class_evaluation"))
        assert last is not None
        assert last.asset_materialization is not None
        assert last.asset_materialization.metadata["mIoU_refined"].value == told["mIoU_refined"]


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({}, "name true labels: class_evaluating.truth"),
        ({"truth": "nowhere.json"}, "nowhere.json"),
        ({"truth": "truth", "masks": ["unsam_masks"]}, "unsam_masks"),
        ({"truth": "truth", "masks": ["gone/sam.json"]}, "sam.json"),
        ({"truth": "photos"}, "no photo has a true label map"),
    ],
)
def test_what_cannot_be_scored_fails_with_its_reason(
    home: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, config: dict, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with dg.DagsterInstance.ephemeral() as instance:
        done = score(instance, **config)
    assert message in str(done.error)
    assert not (home.reports / "evaluation").exists()


def test_it_follows_every_stage() -> None:
    node = defs.resolve_asset_graph().get(dg.AssetKey("class_evaluation"))
    stages = {"image_tags", "cam_labels", "sepl_labels", "semantic_labels"}
    assert {key.to_user_string() for key in node.parent_keys} == stages


def test_photos_can_be_ranked_by_every_preset() -> None:
    assert get_args(ClassEvaluationResource.model_fields["shown"].annotation) == tuple(SEPL_PRESETS)
