"""Both rounds with a model of which pixels belong together, through the jobs, on tiny settings."""

import dagster as dg
import numpy as np
import pytest

from models.grouping import GroupingModel, load_grouping
from ops.model_files import model_location
from pipelines.instance import add_partitions
from stores.home import Home
from stores.mask_store import open_masks
from stores.masks import SOURCES, MaskSet
from tests.dagster_runs import metadata_of, run_job
from tests.labelled_shards import SIZE, TINY, add_shard, annotate

pytestmark = pytest.mark.timeout(900)  # Ray starts its workers at a low priority, and they may have to compile
GROUPING = {
    "training": {
        "learner": "grouping",
        "grouping": {"dim": 16, "embedding": 4},
        "grouping_loss": {"pixels": 64, "offsets": [1, 2]},
        "loader": {"size": 64, "fit": "short", "scales": [1.0, 1.25], "max_masks": 12, "workers": 1},
        "batch": 2,
        "steps": 4,
        "checkpoint_every": 2,
        "log_every": 1,
        "precision": "float32",
    },
    "second_round": {"steps": 2},
    "prediction": {
        "max_masks": 30,
        "grouping": {"views": [{"side": 64}, {"side": 64, "mirrored": True}], "candidates": 100},
    },
}


@pytest.fixture(scope="module")
def home(tmp_path_factory) -> Home:
    return Home(str(tmp_path_factory.mktemp("grouping") / "home"))


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return tmp_path_factory.mktemp("photos") / "shard"


@pytest.fixture(scope="module")
def shard(home, photos) -> str:
    return add_shard(home, photos)


@pytest.fixture(scope="module")
def instance(shard):
    with dg.DagsterInstance.ephemeral() as instance:
        add_partitions(instance, [shard])
        yield instance


def run(home, instance, job, shard=None, settings=GROUPING):
    return run_job(home, instance, job, shard, learning={"preset": "grouping", "settings": settings})


@pytest.fixture(scope="module")
def rounds(home, instance, shard):
    """Metadata by asset of one pass through both rounds."""
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


def models(home) -> tuple[GroupingModel, GroupingModel]:
    """Of round 1 and of round 2."""
    return tuple(load_grouping(model_location(home, name).local_path) for name in ("round1_model", "unsam_model"))


def test_the_second_round_keeps_the_head_of_the_first_beside_its_own(rounds, home):
    first, second = models(home)
    assert first.shape == second.shape
    assert (first.embed.weight == second.elders[0].embed.weight).all()
    assert (first.embed.weight - second.embed.weight).abs().max() > 0.1, "it begins elsewhere"
    assert home.versions_of("unsam_model").provenance()["beside"] is True


def test_the_second_round_learns_where_the_masks_of_the_first_end(rounds, home):
    first, second = models(home)
    assert (first.borders, first.quality) == (None, None)
    assert second.borders is not None
    assert second.quality is None, "nobody drew anything"


def test_what_the_ui_shows_of_a_training(rounds):
    shown = rounds["round1_model"]
    assert (shown["images"], shown["steps"]) == (3, 4)
    assert shown["last_loss"] > 0
    assert shown["loss_curve"].startswith("![loss](data:image/jpeg;base64,")
    assert shown["pictures"].startswith("![")


def test_predictions_carry_agreement_and_tree(rounds, home, shard):
    for asset, source in (("round1_masks", "round1"), ("unsam_masks", "round2")):
        reader = open_masks(home, asset, shard)
        columns = reader.columns()
        assert 0 < reader.counts().max() <= 30
        assert (columns["source"] == SOURCES.index(source)).all()
        assert ((columns["confidence"] >= 0) & (columns["confidence"] <= 1)).all()
        assert not np.isnan(columns["granularity"]).any()


def test_round_2_labels_are_what_ranks_high_and_what_is_left(rounds, home, shard):
    found, merged = (open_masks(home, asset, shard) for asset in ("round1_masks", "round2_labels"))
    for key in merged.keys:
        sure = int((found[key].score > 0.7).sum())
        assert (merged[key].source == SOURCES.index("round1")).sum() == sure


def test_a_model_of_the_other_kind_cannot_be_gone_on_from(rounds, home, instance):
    before = home.versions_of("unsam_model").current()
    settings = TINY | {"prediction": GROUPING["prediction"]}
    (failure,) = run(home, instance, "train_round2", settings=settings).get_step_failure_events()
    assert "training.learner is queries, but the model to go on from is of learner grouping" in str(
        failure.step_failure_data.error
    )
    assert home.versions_of("unsam_model").current() == before


@pytest.mark.slow
def test_a_second_round_may_go_on_with_the_head_of_the_first(rounds, home, instance, shard):
    before = home.versions_of("unsam_model").current()
    settings = GROUPING | {"second_round": {"steps": 2, "beside": False, "learning_rate": 1e-3}}
    assert run(home, instance, "train_round2", settings=settings).success
    assert run(home, instance, "predict_round2", shard, settings).success
    first, second = models(home)
    assert not second.elders
    assert 0 < (first.embed.weight - second.embed.weight).abs().max() < 0.01
    assert home.versions_of("unsam_model").current() != before
    assert open_masks(home, "unsam_masks", shard).counts().max() > 0


def test_no_second_head_where_the_backbone_is_trained(rounds, home, instance):
    training = GROUPING["training"] | {"grouping": {"dim": 16, "embedding": 4, "frozen_stages": 3}}
    settings = GROUPING | {"training": training, "second_round": {"steps": 2, "beside": True}}
    (failure,) = run(home, instance, "train_round2", settings=settings).get_step_failure_events()
    assert "is trained with frozen_stages=3" in str(failure.step_failure_data.error)


def test_without_any_human_mask_nothing_trains_on_human_masks(rounds, home, instance, shard):
    settings = GROUPING | {"plus": {"fraction": 0.0, "source": "pseudo", "steps": 2}}
    assert run(home, instance, "merge_plus", shard, settings).success
    (failure,) = run(home, instance, "train_plus", settings=settings).get_step_failure_events()
    assert "plus_labels of 1 shards holds no image with a human mask" in str(failure.step_failure_data.error)


@pytest.mark.slow
def test_human_masks_among_the_labels_teach_where_they_end_and_what_people_draw(rounds, home, instance, shard, photos):
    width, height = SIZE
    left = np.zeros((1, height, width), bool)
    left[0, :, : width // 2] = True
    annotate(photos, 0, MaskSet.from_dense(left, (height, width), source=SOURCES.index("human")))
    settings = GROUPING | {"plus": {"fraction": 1.0, "source": "pseudo", "steps": 2}}
    assert run(home, instance, "merge_plus", shard, settings).success
    trained = metadata_of(run(home, instance, "train_plus", settings=settings), "unsam_plus_model")
    assert trained["images"] == 1, "of three photos one has human masks, and its head learns from them alone"
    assert run(home, instance, "predict_plus", shard, settings).success
    first, plus = (
        load_grouping(model_location(home, name).local_path) for name in ("round1_model", "unsam_plus_model")
    )
    (kept,) = plus.elders
    assert (first.embed.weight == kept.embed.weight).all()
    assert (first.borders, first.quality) == (None, None)
    assert plus.borders is not None
    assert plus.quality is not None
    assert len(open_masks(home, "unsam_plus_masks", shard)["photo0.jpg"])

    everything = {"plus": settings["plus"] | {"masks": "all"}}
    trained = metadata_of(run(home, instance, "train_plus", settings=settings | everything), "unsam_plus_model")
    assert trained["images"] == 3
