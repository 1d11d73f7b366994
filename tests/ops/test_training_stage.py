"""Which photos teach what, without a training."""

import numpy as np
import pytest

from models.grouping import GroupingModel
from models.grouping_config import GroupingConfig
from ops import training_stage
from ops.grouping.settings import BorderSettings, GroupingPrediction
from ops.label_shards import label_versions
from ops.settings import LimitSettings
from ops.training import TrainingResult
from ops.training_settings import TrainingSettings
from stores.home import Home
from stores.masks import SOURCES
from tests.labelled_shards import SIZE, add_shard, grid_masks

LABELS = "hierarchical_masks"
HELD_OUT = 0.4


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    """A home with 60 photos without human masks and 2 that have some, and the versions of their labels."""
    folder = tmp_path_factory.mktemp("labelled")
    home, human = Home(str(folder / "home")), grid_masks(SIZE[::-1]).with_columns(source=SOURCES.index("human"))
    shards = [add_shard(home, folder / "found", count=60), add_shard(home, folder / "drawn", count=2, masks=human)]
    return home, label_versions(home, LABELS, shards)


def taught(labelled, folder, monkeypatch, learner="grouping", **borders):
    """What embeddings, borders and quality are learned from: sets of places of photos."""
    home, versions = labelled
    taught = {}
    model = GroupingModel(GroupingConfig(dim=16, embedding=4))

    def train(task, settings, folder, after_window):
        taught["embeddings"] = set(task.places)
        return TrainingResult(model, [], 0)

    def learn(name):
        def learn(model, sources, *_):
            taught[name] = set().union(*(source.places for source in sources))

        return learn

    monkeypatch.setattr(training_stage.TrainingJob, "_task", lambda job, model, source: source)
    monkeypatch.setattr(training_stage.TrainingJob, "_model", lambda job: model)
    monkeypatch.setattr(training_stage, "train", train)
    monkeypatch.setattr("ops.grouping.borders.learn_borders", learn("borders"))
    monkeypatch.setattr("ops.grouping.quality.learn_quality", learn("quality"))
    settings = TrainingSettings(learner=learner, borders=BorderSettings(**borders))
    training_stage.TrainingJob(
        home, LABELS, versions, settings, LimitSettings(), "", str(folder), GroupingPrediction()
    )()
    return taught


def test_photos_that_tell_where_masks_end_teach_no_embeddings(labelled, tmp_path, monkeypatch):
    found = taught(labelled, tmp_path, monkeypatch, held_out=HELD_OUT, masks="all")
    both = found["embeddings"] & found["borders"]
    assert len(found["embeddings"] | found["borders"]) == 62
    assert both == found["quality"], "people's masks are few and teach everything"
    assert len(both) == 2
    assert np.isclose(len(found["borders"]), 2 + HELD_OUT * 60, atol=12)


@pytest.mark.parametrize(
    "settings",
    [{"held_out": 0.0}, {"held_out": 0.1}, {"held_out": HELD_OUT, "learner": "queries"}],
    ids=["none wanted", "too few", "queries"],
)
def test_where_none_are_held_out_all_photos_teach_everything(labelled, tmp_path, monkeypatch, settings):
    found = taught(labelled, tmp_path, monkeypatch, masks="all", **settings)
    assert len(found["embeddings"]) == len(found["borders"]) == 62
    assert len(found["quality"]) == 2


def test_held_out_photos_teach_nothing_where_people_alone_tell(labelled, tmp_path, monkeypatch):
    found = taught(labelled, tmp_path, monkeypatch, held_out=HELD_OUT, masks="human")
    assert found["borders"] == found["quality"]
    assert len(found["embeddings"]) < 62
