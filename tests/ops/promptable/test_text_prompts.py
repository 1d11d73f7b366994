"""Texts: CLIP from a folder of its files, in training as views of masks and in use as words."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from models.promptable import PromptableModel
from models.promptable_config import PromptableConfig
from ops.promptable.checks import PromptError
from ops.promptable.predictor import Predictor
from ops.promptable.settings import PromptableSettings, PromptSettings
from ops.promptable.text import TextEncoder
from ops.promptable.training import PromptableTask
from ops.training import step_generator
from ops.training_settings import LoaderSettings
from tests.labelled_shards import grid_masks
from tests.ops.promptable.tiny_clip import WIDTH, write_clip
from tests.ops.promptable.tiny_promptable import SHAPE, SIDE, TinyEncoder, photo


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_clip(tmp_path_factory.mktemp("clip"))


def model() -> PromptableModel:
    torch.manual_seed(0)
    shape = PromptableConfig(**{**vars(SHAPE), "text_dim": WIDTH})
    return PromptableModel(shape, TinyEncoder(shape.dim)).eval()


def test_embeddings_are_of_unit_length_and_differ(clip: str) -> None:
    encoder = TextEncoder(clip)
    assert encoder.width == WIDTH
    cat, dog = encoder.of_text("a cat"), encoder.of_text("a dog " * 200)
    views = encoder.of_pictures([photo(), photo(20, 30)])
    assert cat.shape == dog.shape == (WIDTH,)
    assert views.shape == (2, WIDTH)
    for vector in (cat, dog, *views):
        assert float(vector.norm()) == pytest.approx(1, abs=1e-4)
    assert not torch.allclose(cat, dog)


def test_words_alone_and_with_a_click(clip: str) -> None:
    predictor = Predictor(model(), precision="float32", text_encoder=TextEncoder(clip))
    predictor.set_image(photo())
    cat, dog = (predictor.predict(text=word, multimask_output=False)[2] for word in ("cat", "dog"))
    assert cat.shape == (1, SIDE // 4, SIDE // 4)
    assert not np.allclose(cat, dog)
    both = predictor.predict(np.array([[40, 30]]), np.array([1]), text="cat", multimask_output=False)[2]
    assert not np.allclose(cat, both)
    bare = Predictor(model())
    bare.set_image(photo())
    with pytest.raises(PromptError, match="needs CLIP"):
        bare.predict(text="cat")
    narrow = PromptableModel(PromptableConfig(**{**vars(SHAPE), "text_dim": 5}), TinyEncoder(SHAPE.dim)).eval()
    other = Predictor(narrow, text_encoder=TextEncoder(clip))
    other.set_image(photo())
    with pytest.raises(PromptError, match="trained with CLIP embeddings of 5, not 12"):
        other.predict(text="cat")


def test_views_of_masks_stand_for_words_in_training(clip: str) -> None:
    class Photos:
        def __len__(self) -> int:
            return 2

        def __getitem__(self, index: int):
            return np.ascontiguousarray(np.roll(photo(SIDE, SIDE), 5 * index, 0)), grid_masks((SIDE, SIDE), 2)

    settings = PromptableSettings(
        model=model().shape,
        prompting=PromptSettings(prompts=8, boxes=0.2, text=0.8, clicks=1, repeats=0),
        loader=LoaderSettings(size=SIDE, fit="long", workers=1),
        batch=2,
        clip=clip,
    )
    task = PromptableTask(model().train(), Photos(), settings, text_encoder=TextEncoder(clip))
    batch = next(task.batches(0, 0, 1))
    terms = task.loss(task.model, batch, step_generator(settings, 0, 0, torch.device("cpu")), torch.float32)
    terms.total.backward()
    gradient = task.model.text_token.projection.weight.grad
    assert torch.isfinite(terms.total)
    assert float(gradient.abs().sum()) > 0
    with pytest.raises(ValueError, match="needs a text encoder"):
        PromptableTask(model(), Photos(), settings)
    with pytest.raises(ValueError, match="needs clip"):
        PromptableSettings(prompting=PromptSettings(text=0.5))
