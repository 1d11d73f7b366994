"""A few cheap steps on four photos: boxes find their masks, and a larger granularity a larger one."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import spearmanr

from ops.mask_tree import build_tree
from ops.prompt_evaluation.clicks import overlap
from ops.promptable.predictor import Predictor
from ops.promptable.settings import PromptableSettings, PromptSettings
from ops.promptable.simulation import innermost
from ops.promptable.training import PromptableTask
from ops.training import train
from ops.training_settings import LoaderSettings, OptimiserSettings
from stores.masks import MaskSet, tight_box
from tests.ops.promptable.tiny_promptable import SHAPE, SIDE, tiny_model

PHOTOS = 4
SETTINGS = PromptableSettings(
    model=SHAPE,
    prompting=PromptSettings(prompts=12, clicks=1, repeats=0),
    loader=LoaderSettings(size=SIDE, fit="long", workers=1, flip=False),
    # An average over as many steps as the presets have: one that keeps its beginning answers boxes with empty masks.
    optimiser=OptimiserSettings(learning_rate=2e-3, reference_batch=2, clip=1.0, warmup_steps=10, ema_decay=0.998),
    batch=2,
    steps=150,
    checkpoint_every=150,
    log_every=50,
    precision="float32",
)


class Rings:
    """Photos of two things, each of three discs within each other in their own colours; masks are the discs."""

    def __len__(self) -> int:
        return PHOTOS

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        generator = np.random.default_rng(index)
        image = np.full((SIDE, SIDE, 3), generator.integers(0, 255, 3), np.uint8)
        y, x = np.mgrid[:SIDE, :SIDE]
        masks = []
        for left in (0, SIDE // 2):
            centre = (generator.integers(24, 40), left + SIDE // 4)
            for radius in (15, 10, 5):
                disc = (y - centre[0]) ** 2 + (x - centre[1]) ** 2 <= radius**2
                image[disc] = generator.integers(0, 255, 3)
                masks.append(disc)
        return image, build_tree(MaskSet.from_dense(masks, (SIDE, SIDE), score=np.ones(len(masks))))


@pytest.fixture(scope="module")
def predictor(tmp_path_factory: pytest.TempPathFactory) -> Predictor:
    folder = tmp_path_factory.mktemp("overfit")
    model = train(PromptableTask(tiny_model(), Rings(), SETTINGS), SETTINGS, folder, shown=False).model
    return Predictor(model.eval(), precision="float32")


def test_boxes_find_masks_that_a_click_leaves_open(predictor: Predictor) -> None:
    boxed, clicked = [], []
    for image, masks in (Rings()[index] for index in range(PHOTOS)):
        predictor.set_image(image)
        for index in range(len(masks)):
            mask = masks.dense(index)
            left, top, w, h = tight_box(mask)
            box, _, _ = predictor.predict(box=np.array([left, top, left + w, top + h]), multimask_output=False)
            found, scores, _ = predictor.predict(np.array([innermost(mask)[0]]), np.array([1]))
            boxed.append(overlap(box[0], mask))
            clicked.append(overlap(found[int(scores.argmax())], mask))
    assert min(boxed) > 0.4, "a box was answered with (next to) nothing"
    assert np.mean(boxed) > 0.7
    assert np.mean(boxed) > np.mean(clicked) + 0.1


def test_a_larger_granularity_finds_a_larger_mask(predictor: Predictor) -> None:
    asked = np.linspace(0.1, 1, 10)
    orders = []
    for image, masks in (Rings()[index] for index in range(PHOTOS)):
        predictor.set_image(image)
        for smallest in np.argsort(masks.areas())[:2]:
            click = np.array([innermost(masks.dense(int(smallest)))[0]])
            areas = [predictor.predict(click, np.array([1]), granularity=float(g))[0].sum() for g in asked]
            orders.append(spearmanr(asked, areas).statistic if len(set(areas)) > 1 else 0.0)
    assert np.mean(orders) > 0.8
