"""Pseudo-labels and models on a dataset of two photos: scored as by hand, computed once, broken photos missed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from PIL import Image

from models.whole_image import WholeImageModel, save_whole_image
from models.whole_image_config import WholeImageConfig
from ops.datasets import Dataset
from ops.evaluation_photos import evaluation_home
from ops.evaluation_request import UnknownSource
from ops.evaluation_stage import PSEUDO_LABELS, Contestants, evaluate_dataset
from ops.fanout import Fanout
from ops.ground_truth import DatasetError
from ops.learning import LearningSettings
from ops.metrics import average_recall
from ops.model_files import MODEL_FILE
from ops.presets import resolve_settings
from ops.training_settings import PredictionSettings
from stores.home import Home
from stores.manifests import registered, source_of
from stores.mask_store import open_masks
from tests.ops.tiny_datasets import RECTANGLES, WRITERS, coco_document, rectangle, write_coco

CODE = dict.fromkeys(["dino_features", "ncut_masks", "hierarchical_masks", "round1_masks", "unsam_masks"], "1")
LABELS = resolve_settings("small", {"pixel_tree": {"side": 120, "feature_side": 120, "max_masks": 40}})
LEARNING = LearningSettings(prediction=PredictionSettings(short_side=64, long_side=96, max_masks=10))
CONTESTANTS = Contestants(LABELS, LEARNING, CODE)


@pytest.fixture(scope="module")
def pool():
    with Fanout(actors=1) as pool:
        yield pool


@pytest.fixture
def dataset(tmp_path) -> Dataset:
    write_coco(tmp_path / "data")
    return Dataset(name="tiny", format="coco", images="images", annotations="instances.json", base=tmp_path / "data")


def publish_model(home: Home, asset: str, version: str, seed: int) -> None:
    torch.manual_seed(seed)
    shape = WholeImageConfig("augnet_resnet50", queries=12, encoder_layers=1, decoder_layers=1, dim=32, feedforward=32)
    versions = home.versions_of(asset)
    folder = Path(versions.location(version).local_path)
    folder.mkdir(parents=True)
    save_whole_image(WholeImageModel(shape), folder / MODEL_FILE)
    versions.publish(version, {"asset": asset})


def plain(sources: dict) -> dict:
    """Sources in a form in which NaN equals NaN."""
    return {name: (source.scores.numbers(), source.made_by, source.versions) for name, source in sources.items()}


def stamps(home: Home) -> dict[str, float]:
    masks = Path(evaluation_home(home, "tiny").masks.local_path)
    return {
        str(path): path.stat().st_mtime_ns for path in masks.rglob("*") if path.is_file() and path.name != "CURRENT"
    }


def test_all_sources_are_scored_and_computed_once(dataset, tmp_path, pool):
    home = Home(tmp_path / "home")
    first = evaluate_dataset(home, dataset, CONTESTANTS, pool)
    assert list(first.sources) == [PSEUDO_LABELS]
    assert first.missing_models == ("round1_model", "unsam_model")
    publish_model(home, "round1_model", "one", 1)
    publish_model(home, "unsam_model", "two", 2)
    before = stamps(home)
    result = evaluate_dataset(home, dataset, CONTESTANTS, pool)
    after = stamps(home)
    assert {path: after[path] for path in before} == before
    assert list(result.sources) == [PSEUDO_LABELS, "round1", "round2"]
    assert [result.sources[name].made_by for name in ("round1", "round2")] == ["one", "two"]
    assert result.missing_models == ()
    assert plain(first.sources).items() <= plain(result.sources).items()

    place = evaluation_home(home, "tiny")
    (shard,) = registered(place)
    truth = dataset.load()
    for name, asset in {PSEUDO_LABELS: "hierarchical_masks", "round1": "round1_masks", "round2": "unsam_masks"}.items():
        masks = open_masks(place, asset, shard, result.sources[name].versions[shard])
        expected = average_recall({1: masks["0001.jpg"], 2: masks["0002.jpg"]}, truth)
        assert result.sources[name].scores.recall[1000] == expected["AR@1000"]
        assert result.sources[name].scores.masks_per_image == masks.counts().mean() > 0

    assert registered(home) == []
    again = evaluate_dataset(home, dataset, CONTESTANTS, pool)
    assert stamps(home) == after
    assert plain(again.sources) == plain(result.sources)


def test_only_what_is_asked_for_is_computed(dataset, tmp_path, pool):
    home = Home(tmp_path / "home")
    publish_model(home, "round1_model", "one", 1)
    result = evaluate_dataset(home, dataset, replace(CONTESTANTS, sources=("round1",)), pool)
    assert list(result.sources) == ["round1"]
    assert result.missing_models == ()
    assert {path.name for path in Path(evaluation_home(home, "tiny").masks.local_path).iterdir()} == {"round1_masks"}
    everything = evaluate_dataset(home, dataset, CONTESTANTS, pool)
    assert plain(result.sources).items() <= plain(everything.sources).items()


@pytest.mark.parametrize(
    ("sources", "message"),
    [
        (("round3",), "unknown source 'round3'; there are pseudo_labels, round1, round2, unsam_plus"),
        (("pseudo_labels", "round2"), "round2 cannot be scored: unsam_model is not trained yet"),
    ],
)
def test_sources_that_nothing_makes_end_it_before_anything_is_computed(sources, message, dataset, tmp_path, pool):
    home = Home(tmp_path / "home")
    with pytest.raises(UnknownSource, match=message):
        evaluate_dataset(home, dataset, replace(CONTESTANTS, sources=sources), pool)
    assert not Path(evaluation_home(home, "tiny").masks.local_path).exists()


def test_pseudo_labels_find_what_is_plain_to_see(dataset, tmp_path, pool):
    """A bright rectangle on a dark ground, which is the only human mask."""
    for number, boxes in RECTANGLES.items():
        shown = sum(40 * (1 + i) * rectangle(*box).astype("uint8") for i, box in enumerate(boxes)) + 30
        Image.fromarray(shown).convert("RGB").save(tmp_path / "data" / "images" / f"{number:04}.jpg", quality=98)
    result = evaluate_dataset(Home(tmp_path / "home"), dataset, CONTESTANTS, pool)
    assert result.sources[PSEUDO_LABELS].scores.recall[1000] > 0.6


def test_a_photo_that_cannot_be_decoded_is_missed(dataset, tmp_path, pool):
    (tmp_path / "data" / "images" / "0002.jpg").write_bytes(b"\xff\xd8\xff no photo")
    scores = evaluate_dataset(Home(tmp_path / "home"), dataset, CONTESTANTS, pool).sources[PSEUDO_LABELS].scores
    assert (scores.images, scores.images_without_predictions) == (2, 1)
    alone = dataset.load().subset([1])
    place = evaluation_home(Home(tmp_path / "home"), "tiny")
    masks = open_masks(place, "hierarchical_masks", registered(place)[0])["0001.jpg"]
    assert scores.recall[1000] == pytest.approx(average_recall({1: masks}, alone)["AR@1000"] * 2 / 3)


def test_a_limit_computes_no_more_than_it_says_and_the_rest_is_added(dataset, tmp_path, pool):
    home = Home(tmp_path / "home")
    place = evaluation_home(home, "tiny")
    one = evaluate_dataset(home, dataset, CONTESTANTS, pool, limit=1)
    assert one.images == one.sources[PSEUDO_LABELS].scores.images == 1
    assert [source_of(place, shard).open().keys() for shard in registered(place)] == [["0001.jpg"]]
    before = stamps(home)
    both = evaluate_dataset(home, dataset, CONTESTANTS, pool)
    assert [source_of(place, shard).open().keys() for shard in registered(place)] == [["0001.jpg"], ["0002.jpg"]]
    assert before.items() <= stamps(home).items()
    assert both.images == 2
    again = evaluate_dataset(home, dataset, CONTESTANTS, pool, limit=1)
    assert plain(again.sources) == plain(one.sources)


def test_photos_that_are_not_annotated_are_left_alone(dataset, tmp_path, pool):
    document = coco_document()
    document["images"] = document["images"][:1]
    document["annotations"] = document["annotations"][:2]
    write_coco(tmp_path / "data", document)
    home = Home(tmp_path / "home")
    evaluate_dataset(home, dataset, CONTESTANTS, pool)
    place = evaluation_home(home, "tiny")
    assert [source_of(place, shard).open().keys() for shard in registered(place)] == [["0001.jpg"]]


def test_a_wrong_path_computes_nothing(dataset, tmp_path, pool):
    home = Home(tmp_path / "home")
    wrong = dataset.model_copy(update={"images": "elsewhere"})
    with pytest.raises(DatasetError, match=r"dataset tiny: there is no folder .*elsewhere"):
        evaluate_dataset(home, wrong, CONTESTANTS, pool)
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize("name", ["sa1b", "ade20k", "bsds500"])
def test_other_formats_go_the_same_way(name, tmp_path, pool):
    WRITERS[name](tmp_path / "data")
    places = {"ade20k": {"images": "images", "annotations": "annotations_instance"}}.get(name, {"images": "."})
    dataset = Dataset(name="tiny", format=name, base=tmp_path / "data", **places)
    scores = evaluate_dataset(Home(tmp_path / "home"), dataset, CONTESTANTS, pool).sources[PSEUDO_LABELS].scores
    assert (scores.images, scores.images_without_predictions) == (2, 0)
    assert scores.masks_per_image > 1
