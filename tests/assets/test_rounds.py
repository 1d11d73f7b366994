"""Both rounds of training through Dagster on a small shard: what they name, use again, refuse and go on with."""

import re

import dagster as dg
import numpy as np
import pytest
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest

from models.whole_image import load_whole_image
from ops.learning import Learning, resolve_learning
from ops.model_files import model_location
from ops.training_publication import history_of
from ops.training_stage import train_stage, training_provenance
from pipelines.definitions import defs
from pipelines.instance import add_partitions
from stores.home import Home
from stores.mask_store import open_masks
from stores.masks import SOURCES
from stores.rle import iou
from tests.dagster_runs import metadata_of, run_job
from tests.labelled_shards import TINY, add_shard

LABELS = "hierarchical_masks"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("rounds")


@pytest.fixture(scope="module")
def home(root) -> Home:
    return Home(str(root / "home"))


@pytest.fixture(scope="module")
def instance(home, root):
    """One labelled shard, as if the labelling job had run."""
    with dg.DagsterInstance.ephemeral() as instance:
        add_labelled(home, instance, root / "photos")
        yield instance


def add_labelled(home, instance, folder) -> str:
    shard = add_shard(home, folder)
    add_partitions(instance, [shard])
    for asset in ("shard_manifest", LABELS):
        version = dg.DataVersion(home.versions_of(asset, shard).current())
        event = dg.AssetMaterialization(asset, partition=shard, tags={"dagster/data_version": version.value})
        instance.report_runless_asset_event(event)
    return shard


def run(home, instance, job, shard=None, **learning):
    return run_job(home, instance, job, shard, learning={"preset": "demo", "settings": TINY} | learning)


@pytest.fixture(scope="module")
def rounds(home, instance):
    """Metadata by asset of one pass through both rounds."""
    (shard,) = instance.get_dynamic_partitions("shard")
    steps = [
        ("train_round1", None, ["round1_model"]),
        ("predict_round1", shard, ["round1_masks", "round2_labels"]),
        ("train_round2", None, ["unsam_model"]),
        ("predict_round2", shard, ["unsam_masks"]),
    ]
    found = {}
    for job, partition, assets in steps:
        result = run(home, instance, job, partition)
        found |= {asset: metadata_of(result, asset) for asset in assets}
    return found


def test_models_name_the_exact_versions_they_were_trained_on(rounds, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    for model, labels in (("round1_model", LABELS), ("unsam_model", "round2_labels")):
        assert rounds[model]["trained_on"] == {shard: home.versions_of(labels, shard).current()}
        assert rounds[model]["version"] == home.versions_of(model).current()
    assert rounds["unsam_model"]["provenance"]["inputs"] == {"round1_model": rounds["round1_model"]["version"]}


def test_the_second_round_goes_on_from_the_first(rounds, home):
    first, second = (
        load_whole_image(model_location(home, name).local_path) for name in ("round1_model", "unsam_model")
    )
    weights, later = first.class_predictor.weight, second.class_predictor.weight
    assert not (weights == later).all()
    assert (weights - later).abs().max() < 0.01, "two small steps away, not another start"


def test_what_the_ui_shows_of_a_training(rounds):
    shown = rounds["round1_model"]
    assert shown["images"] == 3
    assert shown["steps"] == 4
    assert shown["parameters"] > 20e6
    assert shown["last_loss"] > 0
    for name in ("loss_curve", "pictures"):
        assert re.match(r"!\[[^]]+\]\(data:image/jpeg;base64,", shown[name])
        assert len(shown[name]) < 200_000


def test_predictions_carry_score_confidence_and_tree(rounds, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    for asset, source in (("round1_masks", "round1"), ("unsam_masks", "round2")):
        columns = open_masks(home, asset, shard).columns()
        assert (columns["source"] == SOURCES.index(source)).all()
        assert ((columns["confidence"] > 0) & (columns["confidence"] <= 1)).all()
        assert (columns["score"] <= columns["confidence"]).all()
        assert not np.isnan(columns["granularity"]).any()


def test_round_2_labels_follow_the_rule(rounds, home, instance):
    (shard,) = instance.get_dynamic_partitions("shard")
    old, found, merged = (open_masks(home, asset, shard) for asset in (LABELS, "round1_masks", "round2_labels"))
    for key in merged.keys:
        sure = found[key].take(np.flatnonzero(found[key].confidence > 0.7))
        overlap = iou(old[key], sure).max(axis=1) if len(sure) else np.zeros(len(old[key]))
        assert len(merged[key]) == len(sure) + int((overlap <= 0.5).sum())


def test_what_is_fresh_is_not_trained_again(rounds, home, instance):
    again = metadata_of(run(home, instance, "train_round1"), "round1_model")
    assert again["reused"]
    assert again["version"] == rounds["round1_model"]["version"]
    assert again["last_loss"] == rounds["round1_model"]["last_loss"]


def test_other_settings_make_another_model(rounds, home, instance):
    other = metadata_of(run(home, instance, "train_round1", overrides=["training.seed=1"]), "round1_model")
    assert not other["reused"]
    assert other["version"] != rounds["round1_model"]["version"]
    home.versions_of("round1_model").rollback(rounds["round1_model"]["version"])


def test_a_new_shard_makes_the_model_stale_and_trains_nothing(rounds, home, instance, root):
    metadata_of(run(home, instance, "train_round1"), "round1_model")
    assert staleness(instance) == StaleStatus.FRESH
    version = home.versions_of("round1_model").current()
    add_labelled(home, instance, root / "more")
    assert staleness(instance) == StaleStatus.STALE
    assert home.versions_of("round1_model").current() == version


def staleness(instance) -> StaleStatus:
    graph = defs.get_repository_def().asset_graph
    resolver = CachingStaleStatusResolver(instance, graph, loading_context=LoadingContextForTest(instance))
    return resolver.get_status(dg.AssetKey("round1_model"))


def test_a_shard_without_labels_stops_training_with_its_name(rounds, home, instance):
    before = home.versions_of("round1_model").all()
    result = run(home, instance, "train_round1", shards=["unlabelled-0000"])
    (failure,) = result.get_step_failure_events()
    assert "unlabelled-0000: has no hierarchical_masks" in failure.step_failure_data.error.message
    assert home.versions_of("round1_model").all() == before


def test_round_2_is_refused_while_its_labels_are_of_an_older_model(rounds, home, instance):
    first = home.versions_of("round1_model").current()
    shard = instance.get_dynamic_partitions("shard")[0]
    metadata_of(run(home, instance, "train_round1", overrides=["training.seed=2"], shards=[shard]), "round1_model")
    (failure,) = run(home, instance, "train_round2", shards=[shard]).get_step_failure_events()
    home.versions_of("round1_model").rollback(first)
    assert f"its round1_masks was made from round1_model {first}" in failure.step_failure_data.error.message


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


def test_a_training_that_was_cut_off_ends_as_an_undisturbed_one(tmp_path):
    """Killed one step after its first checkpoint, it goes on from there to the same weights."""
    learning = Learning(resolve_learning("demo", TINY, ["training.steps=6"]))
    models, histories = [], []
    for name in ("undisturbed", "cut off"):
        home = Home(str(tmp_path / name))
        shard = add_shard(home, tmp_path / f"{name} photos")
        versions = {shard: home.versions_of(LABELS, shard).current()}
        provenance = training_provenance("round1_model", "1", LABELS, versions, learning, None, None)
        if name == "cut off":
            lines = []

            def until_the_third_step(line, lines=lines):
                lines.append(line)
                if len(lines) == 3:
                    raise Killed

            with pytest.raises(SystemExit) as ended:
                train_stage(home, provenance, learning, until_the_third_step)
            assert isinstance(ended.value.__cause__, Killed)
            assert home.versions_of("round1_model").current() is None
        report = train_stage(home, provenance, learning)
        models.append(load_whole_image(model_location(home, "round1_model").local_path).state_dict())
        histories.append([entry["loss"] for entry in history_of(home, "round1_model", report.version)])
    assert histories[0] == pytest.approx(histories[1], rel=1e-4)
    for name, weights in models[0].items():
        np.testing.assert_allclose(weights, models[1][name], atol=1e-3, err_msg=name)
