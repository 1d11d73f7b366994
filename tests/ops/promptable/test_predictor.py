"""The predictor as SAM's users call it, and everything that it refuses."""

from __future__ import annotations

import threading
from pathlib import Path

import numpy as np
import pytest
import torch

from models.weights import WeightsUnavailable
from ops.promptable.checks import PromptError
from ops.promptable.desk import PromptDesk, Question
from ops.promptable.predictor import Predictor
from ops.promptable.text import TextEncoder, mask_picture
from tests.ops.promptable.tiny_promptable import SIDE, photo, tiny_model

ONE = {"point_coords": np.array([[40, 30]]), "point_labels": np.array([1])}
GRID = SIDE // 4


@pytest.fixture(scope="module")
def predictor() -> Predictor:
    predictor = Predictor(tiny_model(), precision="float32")
    predictor.set_image(photo())
    return predictor


@pytest.mark.parametrize(
    ("prompt", "masks"),
    [
        (ONE, 3),
        (ONE | {"multimask_output": False}, 1),
        ({"box": np.array([10, 10, 50, 40])}, 3),
        (ONE | {"box": np.array([10, 10, 500, 400]), "multimask_output": False}, 1),
        (ONE | {"granularity": 0.5}, 1),
        (ONE | {"mask_input": np.zeros((1, GRID, GRID), np.float32)}, 3),
        ({"point_coords": np.array([[1, 1], [89, 59]]), "point_labels": np.array([1, 0])}, 3),
    ],
)
def test_shapes_and_types_are_sams(predictor: Predictor, prompt: dict, masks: int) -> None:
    found, scores, low = predictor.predict(**prompt)
    assert (found.shape, found.dtype) == ((masks, 60, 90), np.bool_)
    assert (scores.shape, low.shape) == ((masks,), (masks, GRID, GRID))
    logits, again, _ = predictor.predict(**prompt, return_logits=True)
    assert ((logits > 0) == found).mean() > 0.999
    np.testing.assert_array_equal(scores, again)


def test_halves_answer_like_full_precision(predictor: Predictor) -> None:
    halves = Predictor(tiny_model(), precision="bfloat16")
    halves.set_image(photo())
    assert halves.get_image_embedding().dtype == torch.float32
    for prompt in (ONE, {"box": np.array([10, 10, 50, 40])}):
        masks, scores, low = predictor.predict(**prompt)
        found, told, coarse = halves.predict(**prompt)
        assert (found.dtype, told.dtype, coarse.dtype) == (masks.dtype, scores.dtype, low.dtype)
        assert (found == masks).mean() > 0.97
        np.testing.assert_allclose(told, scores, rtol=0.02, atol=0.02)


def test_several_prompts_at_once_are_answered_like_one_by_one(predictor: Predictor) -> None:
    points = np.array([[[10, 20]], [[70, 50]]])
    coords = predictor.transform.apply_coords_torch(torch.from_numpy(points).float())
    masks, scores, low = predictor.predict_torch(coords, torch.ones(2, 1))
    assert (masks.shape, scores.shape, low.shape) == ((2, 3, 60, 90), (2, 3), (2, 3, GRID, GRID))
    for index in range(2):
        alone, score, _ = predictor.predict(points[index], np.array([1]))
        assert (masks[index].numpy() == alone).mean() > 0.999
        np.testing.assert_allclose(scores[index], score, rtol=1e-4)
    boxes = predictor.transform.apply_boxes_torch(torch.tensor([[3.0, 3, 60, 50], [1, 2, 30, 40]]))
    assert predictor.predict_torch(None, None, boxes, multimask_output=False)[0].shape == (2, 1, 60, 90)
    sized = predictor.predict_torch(coords, torch.ones(2, 1), granularity=torch.tensor([0.2, 0.9]))
    assert not torch.allclose(sized[2], low)


def test_an_embedding_is_kept_and_belongs_to_its_model(predictor: Predictor, tmp_path: Path) -> None:
    before = predictor.predict(**ONE)[2]
    predictor.save_embedding(tmp_path / "photo.safetensors")
    fresh = Predictor(tiny_model(), precision="float32")
    fresh.load_embedding(tmp_path / "photo.safetensors")
    assert fresh.original_size == (60, 90)
    np.testing.assert_allclose(fresh.predict(**ONE)[2], before, atol=0.05)
    with pytest.raises(PromptError, match="another model"):
        Predictor(tiny_model(seed=1)).load_embedding(tmp_path / "photo.safetensors")
    (tmp_path / "broken").write_bytes(b"no")
    with pytest.raises(PromptError, match="not an image embedding"):
        fresh.load_embedding(tmp_path / "broken")


@pytest.mark.parametrize(
    ("prompt", "message"),
    [
        ({}, "empty prompt"),
        ({"point_coords": np.array([[90, 5]]), "point_labels": np.array([1])}, "outside the image of 90 x 60"),
        ({"point_coords": np.array([[-1, 5]]), "point_labels": np.array([1])}, "outside"),
        ({"point_coords": np.array([[np.nan, 5]]), "point_labels": np.array([1])}, "outside"),
        ({"point_coords": np.array([[5, 5]])}, "need point_labels"),
        ({"point_labels": np.array([1])}, "without point_coords"),
        ({"point_coords": np.array([[5, 5]]), "point_labels": np.array([2])}, "1 .foreground. or 0"),
        ({"point_coords": np.array([5, 5]), "point_labels": np.array([1])}, "expected"),
        ({"point_coords": np.full((65, 2), 5), "point_labels": np.ones(65)}, "at most 64 fit"),
        ({"box": np.array([5, 5, 5, 9])}, "no area"),
        ({"box": np.array([50, 5, 20, 9])}, "no area"),
        ({"box": np.array([100, 5, 200, 9])}, "no area inside"),
        ({"box": np.array([1, 2, 3])}, "left, top, right, bottom"),
        ({"mask_input": np.zeros((1, 8, 8))}, r"\(1, 16, 16\)"),
        (ONE | {"granularity": 1.5}, "from 0.1"),
        ({"text": "a cat"}, "takes no text"),
        ({"text": " "}, "empty text"),
    ],
)
def test_what_cannot_be_answered_is_refused(predictor: Predictor, prompt: dict, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        predictor.predict(**prompt)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((1, 1, 3), np.uint8), "too small"),
        (np.zeros((20, 20), np.uint8), r"\(H, W, 3\)"),
        (np.zeros((20, 20, 3)), "uint8"),
    ],
)
def test_images_that_are_none(image: np.ndarray, message: str) -> None:
    with pytest.raises(PromptError, match=message):
        Predictor(tiny_model()).set_image(image)


def test_asking_before_an_image_is_set() -> None:
    predictor = Predictor(tiny_model())
    with pytest.raises(RuntimeError, match="set_image"):
        predictor.predict(**ONE)
    predictor.set_image(photo())
    predictor.reset_image()
    assert not predictor.is_image_set


def test_text_without_weights_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="no CLIP weights at"):
        TextEncoder(str(tmp_path))


def test_pictures_of_masks_for_clip() -> None:
    image, mask = photo(), np.zeros((60, 90), bool)
    mask[20:30, 40:60] = True
    generator = np.random.default_rng(0)
    pictures = [mask_picture(image, mask, generator) for _ in range(40)]
    heights = [picture.shape[0] for picture in pictures]
    assert min(heights) >= 10
    assert max(heights) <= 20
    bare = [picture for picture in pictures if (picture == 0).all(2).mean() > 0.1]
    assert 8 < len(bare) < 32


def test_many_people_at_one_desk_get_the_answers_that_each_alone_would() -> None:
    desk = PromptDesk(tiny_model(), kept=2)
    photos = [np.roll(photo(), 7 * shift, axis=1) for shift in range(4)]
    alone = [desk.ask(image, Question(clicks=((40, 30, 1),)))[0] for image in photos]
    failures: list[int] = []

    def visitor(index: int) -> None:
        for _ in range(3):
            masks, scores = desk.ask(photos[index], Question(clicks=((40, 30, 1),)))
            if not (masks == alone[index]).all() or (np.diff(scores) > 0).any():
                failures.append(index)

    threads = [threading.Thread(target=visitor, args=(index,)) for index in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    with pytest.raises(PromptError, match="empty prompt"):
        desk.ask(photos[0], Question())
