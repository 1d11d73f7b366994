"""The grouping model in the project's trainer: it learns, and goes on after an interruption as if undisturbed."""

import numpy as np
import pytest
import torch

from models.feature_pyramid import ResNetPyramid
from models.grouping import GroupingModel
from models.grouping_config import GroupingConfig
from ops.grouping.losses import memberships
from ops.grouping.settings import GroupingLossSettings
from ops.grouping.training import GroupingTask
from ops.training import train
from ops.training_settings import LoaderSettings, OptimiserSettings, TrainingSettings
from stores.masks import MaskSet

SIDE = 64
SETTINGS = TrainingSettings(
    learner="grouping",
    loader=LoaderSettings(size=SIDE, fit="short", flip=False, max_masks=8, workers=1),
    grouping_loss=GroupingLossSettings(pixels=128, offsets=(1, 2)),
    optimiser=OptimiserSettings(learning_rate=3e-3, reference_batch=2, clip=1.0),
    batch=2,
    steps=60,
    checkpoint_every=30,
    log_every=10,
    precision="float32",
)


class Boxes:
    """Two photos of a bright box in the dark, whose masks are the box and its left half."""

    def __len__(self):
        return 2

    def __getitem__(self, index):
        photo = np.full((SIDE, SIDE, 3), 30, np.uint8)
        whole, half = np.zeros((2, SIDE, SIDE), bool)
        top = 8 + 16 * index
        whole[top : top + 32, 16:48] = True
        half[top : top + 32, 16:32] = True
        photo[whole] = (200, 120, 60)
        photo[half] = (60, 200, 120)
        return photo, MaskSet.from_dense([whole, half], (SIDE, SIDE), score=np.array([0.9, 0.6], np.float32))


class Empty(Boxes):
    def __getitem__(self, index):
        photo, masks = super().__getitem__(index)
        return photo, masks.take([])


def task(source=None) -> GroupingTask:
    torch.manual_seed(0)
    model = GroupingModel(GroupingConfig(dim=16, embedding=8), ResNetPyramid("resnet10t"))
    return GroupingTask(model.train(), source or Boxes(), SETTINGS, "boxes")


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    return train(task(), SETTINGS, tmp_path_factory.mktemp("undisturbed"), shown=False)


def test_it_learns_what_the_masks_say(undisturbed):
    assert undisturbed.history[-1]["loss"] < 0.3 * undisturbed.history[0]["loss"]
    batch = next(task().batches(0, 0, 1))
    with torch.no_grad():
        embedding = undisturbed.model.eval()(batch.pixels)[0]
    told = memberships(batch.targets.of_image(0), SIDE, batch.score[: batch.targets.counts[0]], (16, 16), 0.5)
    own, wanted = (maps.flatten(1).T @ maps.flatten(1) for maps in (embedding, told))
    assert float((own - wanted).abs().mean()) < 0.12


def test_a_run_that_was_cut_off_ends_as_an_undisturbed_one(undisturbed, tmp_path):
    class Killed(RuntimeError):
        pass

    def kill(entry):
        if entry["step"] == 40:
            raise Killed

    with pytest.raises(Killed):
        train(task(), SETTINGS, tmp_path, shown=False, after_window=kill)
    resumed = train(task(), SETTINGS, tmp_path, shown=False)
    for name, value in undisturbed.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)


def test_photos_without_masks_teach_that_all_belongs_together(tmp_path):
    result = train(task(Empty()), SETTINGS.model_copy(update={"steps": 40}), tmp_path, shown=False)
    assert result.history[-1]["loss"] < 0.02
