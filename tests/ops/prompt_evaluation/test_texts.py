"""Texts against human masks, with a tiny CLIP of random weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from models.promptable import PromptableModel
from models.promptable_config import PromptableConfig
from ops.datasets import Dataset
from ops.ground_truth import GroundTruth, GroundTruthImage, GroundTruthMask
from ops.prompt_evaluation.clicks import overlap
from ops.prompt_evaluation.settings import PromptEvaluationSettings
from ops.prompt_evaluation.stage import score_model
from ops.prompt_evaluation.table import comparison_table
from ops.prompt_evaluation.texts import TextEvaluation, answer_text, summarise_texts
from ops.promptable.predictor import Predictor
from ops.promptable.text import TextEncoder
from tests.ops.promptable.tiny_clip import WIDTH, write_clip
from tests.ops.promptable.tiny_promptable import SHAPE, TinyEncoder, photo, tiny_model

LEFT, RIGHT = np.zeros((60, 90), bool), np.zeros((60, 90), bool)
LEFT[10:50, 5:40] = True
RIGHT[20:30, 50:80] = True


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_clip(tmp_path_factory.mktemp("clip"))


def worded(width: int = WIDTH) -> PromptableModel:
    return PromptableModel(PromptableConfig(**{**vars(SHAPE), "text_dim": width}), TinyEncoder(SHAPE.dim)).eval()


def truth(folder: Path, *categories: str) -> GroundTruth:
    path = folder / "1.png"
    Image.fromarray(photo()).save(path)
    masks = [
        GroundTruthMask(1, rle.encode(np.asfortranarray(mask.view(np.uint8))), float(mask.sum()), False, category)
        for mask, category in zip((LEFT, RIGHT), categories, strict=True)
    ]
    return GroundTruth((GroundTruthImage(1, path, (60, 90)),), tuple(masks))


def test_numbers_follow_from_the_predictors_answers(clip: str) -> None:
    predictor = Predictor(worded(), precision="float32", text_encoder=TextEncoder(clip))
    predictor.set_image(photo())
    found = answer_text(predictor, "a cup", [RIGHT, LEFT])
    mask = predictor.predict(text="a cup", multimask_output=False)[0][0]
    assert found.joined == pytest.approx(overlap(mask, LEFT | RIGHT))
    assert found.nearest == pytest.approx(max(overlap(mask, LEFT), overlap(mask, RIGHT)))
    assert 0 <= found.clicked <= 1
    assert summarise_texts([found, found])["text_joined"] == pytest.approx(found.joined)
    assert summarise_texts([]) == {}


@pytest.mark.parametrize(("categories", "texts"), [(("cup", "cup"), 1), (("cup", "spoon"), 2), (("cup", ""), 1)])
def test_each_category_of_a_photo_is_asked_for_once(
    clip: str, tmp_path: Path, categories: tuple[str, ...], texts: int
) -> None:
    human = truth(tmp_path, *categories)
    settings = PromptEvaluationSettings(clip=clip, clicks=1)
    dataset = Dataset(name="d", format="coco", images=str(tmp_path), annotations="none.json", base=tmp_path)
    numbers = score_model(worded(), dataset, human, {}, settings, TextEvaluation(settings, human), "m")
    assert numbers["texts"] == texts
    assert {"text_joined", "text_nearest", "text_clicked", "oracle"} <= set(numbers)
    assert "| text, all of a category |" in comparison_table({"m": numbers})


def test_why_there_are_no_texts(clip: str, tmp_path: Path) -> None:
    human = truth(tmp_path, "cup", "spoon")
    with_clip = TextEvaluation(PromptEvaluationSettings(clip=clip), human)
    assert with_clip.skipped(worded()) == ""
    assert with_clip.text("cup") == "a photo of a cup"
    assert "takes no text" in with_clip.skipped(tiny_model())
    assert f"embeddings of 5, this CLIP makes {WIDTH}" in with_clip.skipped(worded(5))
    assert with_clip.encoder_for(worded(5)) is None
    assert "no CLIP weights are named" in TextEvaluation(PromptEvaluationSettings(), human).skipped(worded())
    gone = PromptEvaluationSettings(clip=str(tmp_path))
    assert f"no CLIP weights at {tmp_path}" in TextEvaluation(gone, human).skipped(worded())
    bare = TextEvaluation(PromptEvaluationSettings(clip=clip), truth(tmp_path, "", ""))
    assert bare.skipped(worded()) == "the dataset names no categories"
