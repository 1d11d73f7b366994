"""The promptable model on the one trainer: it learns, resumes, and every mode gives finite losses."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from models.prompt_encoder import drawing
from models.prompts import Prompts
from ops.mask_loader import MaskLoader
from ops.promptable.conversation import masks_of, open_conversations
from ops.promptable.predictor import Predictor
from ops.promptable.settings import PROMPTABLE_PRESETS, PromptLossSettings, PromptSettings
from ops.promptable.training import PromptableTask
from ops.training import step_generator, train
from ops.training_settings import LoaderSettings
from stores.masks import MaskSet
from tests.labelled_shards import grid_masks
from tests.ops.promptable.tiny_promptable import SETTINGS, SIDE, tiny_model


class Squares:
    """Photos of coloured cells whose masks are the cells, the halves and the whole."""

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        masks = grid_masks((SIDE, SIDE), 2)
        generator = np.random.default_rng(index)
        image = np.zeros((SIDE, SIDE, 3), np.uint8)
        for number in range(3, len(masks)):
            image[masks.dense(number)] = generator.integers(0, 255, 3)
        return image, masks


def losses(**changes: object) -> torch.Tensor:
    settings = SETTINGS.model_copy(update=changes)
    task = PromptableTask(tiny_model().train(), Squares(), settings)
    batch = next(task.batches(0, 0, 1))
    terms = task.loss(task.model, batch, step_generator(settings, 0, 0, torch.device("cpu")), torch.float32)
    terms.total.backward()
    assert all(parameter.grad is not None for parameter in task.model.parameters() if parameter.requires_grad)
    assert torch.isfinite(torch.stack(list(terms.parts.values()))).all()
    torch.testing.assert_close(terms.total.detach(), sum(terms.parts.values()))
    return terms.total.detach()


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"loss": PromptLossSettings(matching="min")},
        {"loss": PromptLossSettings(targets="random", score_of="matched")},
        {"prompting": PromptSettings(prompts=3, boxes=1.0, clicks=0, repeats=0)},
        {"prompting": PromptSettings(prompts=40, boxes=0.0, granularity=1.0, clicks=2, repeats=2)},
        {"prompting": PromptSettings(prompts=3, first_click="uniform", granularity=0.0)},
    ],
)
def test_every_mode_gives_a_loss_and_a_gradient(changes: dict) -> None:
    assert losses(**changes) == losses(**changes)


def test_it_learns_and_a_killed_run_goes_on_as_if_nothing_had_happened(tmp_path: Path) -> None:
    whole = train(PromptableTask(tiny_model(), Squares(), SETTINGS), SETTINGS, tmp_path / "whole", shown=False)
    task = PromptableTask(tiny_model(), Squares(), SETTINGS)
    with pytest.raises(KeyboardInterrupt):
        train(task, SETTINGS, tmp_path / "cut", shown=False, after_window=_interrupt_at(3))
    resumed = train(PromptableTask(tiny_model(), Squares(), SETTINGS), SETTINGS, tmp_path / "cut", shown=False)
    for name, value in whole.model.state_dict().items():
        torch.testing.assert_close(resumed.model.state_dict()[name], value, msg=name)
    longer = SETTINGS.model_copy(update={"steps": 60, "checkpoint_every": 60})
    history = train(PromptableTask(tiny_model(), Squares(), longer), longer, tmp_path / "long", shown=False).history
    assert np.mean([entry["loss"] for entry in history[-10:]]) < 0.7 * np.mean([entry["loss"] for entry in history[:5]])


@pytest.mark.heavy
@pytest.mark.timeout(1500)
def test_boxes_and_granularity_are_understood_after_a_few_hundred_steps(tmp_path: Path) -> None:
    settings = SETTINGS.model_copy(update={"steps": 400, "checkpoint_every": 400, "log_every": 100})
    model = train(PromptableTask(tiny_model(), Squares(), settings), settings, tmp_path, shown=False).model
    predictor = Predictor(model.eval(), precision="float32")
    image, masks = Squares()[0]
    predictor.set_image(image)
    boxed, _, _ = predictor.predict(box=np.array([0, 0, 32, 64]), multimask_output=False)
    half = masks.dense(1)
    assert (boxed[0] & half).sum() / (boxed[0] | half).sum() > 0.8
    sizes = [predictor.predict(np.array([[10, 10]]), np.array([1]), granularity=g)[0].sum() for g in (0.1, 0.47, 1.0)]
    assert sizes == sorted(sizes)
    assert sizes[-1] > 2 * sizes[0]


def test_prompts_are_drawn_as_asked() -> None:
    loader = MaskLoader(Squares(), SETTINGS.loader.model_copy(update={"max_masks": 5}), 1, 0)
    batch = next(loader.batches())
    assert len(batch.targets) <= 5
    prepared = masks_of(batch.targets, 0, batch.score, batch.granularity)
    settings = PromptSettings(prompts=200, boxes=0.3, granularity=0.5, box_noise=0.0)
    opening = open_conversations(prepared, 3, settings, PromptLossSettings(), seed=0)
    boxed = (opening.prompts.labels[:, 0] == 2).numpy()
    asked = torch.isfinite(opening.prompts.granularity).numpy()
    assert 0.2 < boxed.mean() < 0.4
    assert 0.25 < asked.mean() < 0.45
    assert not (boxed & asked).any()
    assert (opening.ambiguous.numpy() == ~(boxed | asked)).all()
    dense = batch.targets.dense().numpy().astype(bool)
    for index in np.flatnonzero(~boxed):
        x, y = opening.prompts.points[index, 0].long().tolist()
        assert dense[opening.own[index], y, x]
        wanted = set(opening.targets[index].tolist())
        if opening.ambiguous[index]:
            assert wanted <= set(np.flatnonzero(dense[:, y, x]).tolist())
        else:
            assert wanted == {int(opening.own[index])}


def test_drawings_against_loops() -> None:
    prompts = Prompts.boxes(
        torch.tensor([[8.0, 4.0, 39.0, 27.0]]), torch.tensor([[[20.0, 10.0], [50.0, 50.0]]]), torch.tensor([[1, 0]])
    )
    found, outside = drawing(prompts, 16, 64)[0]
    for row in range(16):
        for column in range(16):
            x, y = column * 4 + 2, row * 4 + 2
            value = 4 * np.exp(-0.5 * ((x - 20.5) ** 2 + (y - 10.5) ** 2) / 1.6**2)
            value -= 4 * np.exp(-0.5 * ((x - 50.5) ** 2 + (y - 50.5) ** 2) / 1.6**2)
            value += 2 if 8.5 <= x <= 39.5 and 4.5 <= y <= 27.5 else -2
            assert float(found[row, column]) == pytest.approx(value, abs=1e-4)
            near = 4.5 <= x <= 43.5 and 0.5 <= y <= 31.5
            assert float(outside[row, column]) == (0 if near else -1)
    clicks, outside = drawing(Prompts.clicks(torch.tensor([[[20.0, 10.0]]])), 16, 64)[0]
    assert not outside.any()
    assert float(clicks.min()) >= 0
    assert divmod(int(clicks.argmax()), 16) == (2, 5) or divmod(int(clicks.argmax()), 16) == (2, 4)


def test_a_crop_of_another_size_than_the_model_is_refused() -> None:
    settings = SETTINGS.model_copy(update={"loader": LoaderSettings(size=96)})
    with pytest.raises(ValueError, match="crops of 96 pixels for a model of 64"):
        PromptableTask(tiny_model(), Squares(), settings)


@pytest.mark.parametrize("preset", PROMPTABLE_PRESETS)
def test_presets_cut_crops_of_their_models_size(preset: str) -> None:
    settings = PROMPTABLE_PRESETS[preset]
    assert settings.loader.size == settings.model.image_size


def _interrupt_at(step: int):
    def stop(entry: dict) -> None:
        if entry["step"] >= step:
            raise KeyboardInterrupt

    return stop


@pytest.mark.parametrize(("scale", "side"), [(1.0, 64), (1.5, 96), (1.3, 96), (0.5, 32), (4.0, 256)])
def test_the_side_in_use_is_a_multiple_of_32(scale: float, side: int) -> None:
    assert SETTINGS.model_copy(update={"use_scale": scale}).use_size == side
