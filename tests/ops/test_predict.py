"""Predicted masks against the plain way: resize every logit map, cut at zero, average the probabilities."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from models.feature_pyramid import ResNetPyramid
from models.whole_image import WholeImageModel
from models.whole_image_config import WholeImageConfig
from ops.predict import QueryMasks, input_size, masks_of_queries, predict
from ops.training_settings import PredictionSettings
from stores.masks import SOURCES, MaskSet

PLAIN = PredictionSettings(short_side=64, long_side=128)


def blobs(count: int, h: int = 20, w: int = 25, seed: int = 0) -> QueryMasks:
    """Queries whose logits are smooth blobs: embeddings pick one channel each."""
    generator = torch.Generator().manual_seed(seed)
    noise = torch.randn(1, count, 5, 6, generator=generator) * 4 - 1
    features = functional.interpolate(noise, size=(h, w), mode="bicubic")[0]
    return QueryMasks(torch.rand(count, generator=generator), torch.eye(count), features)


def plainly(queries: QueryMasks, size: tuple[int, int]) -> list[tuple[np.ndarray, float]]:
    logits = functional.interpolate(queries.mask_features[None], size=size, mode="bilinear", align_corners=False)[0]
    pairs = []
    for score, logit in zip(queries.class_score, logits, strict=True):
        mask = logit > 0
        if mask.any():
            pairs.append((mask.numpy(), float(score * logit.sigmoid()[mask].mean())))
    return sorted(pairs, key=lambda pair: -pair[1])


@pytest.mark.parametrize("size", [(80, 100), (97, 61), (11, 9), (20, 25)])
def test_masks_and_scores_are_those_of_plain_resizing(size: tuple[int, int]) -> None:
    queries = blobs(70)
    found = masks_of_queries(queries, size, PLAIN)
    expected = plainly(queries, size)
    assert len(found.masks) == len(expected)
    np.testing.assert_allclose(found.masks.score, [score for _, score in expected], rtol=1e-3)
    wrong = [np.count_nonzero(found.masks.dense(i) != mask) for i, (mask, _) in enumerate(expected)]
    assert max(wrong) <= 2, "only pixels whose logit rounds to zero may differ"


def test_boxes_are_tight() -> None:
    masks = masks_of_queries(blobs(30), (80, 100), PLAIN).masks
    again = MaskSet.from_dense([masks.dense(i) for i in range(len(masks))], masks.size)
    np.testing.assert_array_equal(again.boxes, masks.boxes)


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_best_classes_are_kept(limit: int) -> None:
    queries = blobs(20)
    found = masks_of_queries(queries, (80, 100), PLAIN.model_copy(update={"max_masks": limit}))
    best = set(queries.class_score.topk(min(limit, 20)).values.tolist())
    assert len(found.masks) <= limit
    assert {float(score) for score in found.class_score} <= best
    assert (np.diff(found.masks.score) <= 0).all()


def test_nothing_found() -> None:
    queries = QueryMasks(torch.rand(5), torch.eye(5), torch.full((5, 8, 8), -1.0))
    found = masks_of_queries(queries, (32, 40), PLAIN)
    assert len(found.masks) == len(found.class_score) == 0
    assert found.masks.size == (32, 40)


def test_small_and_unsure_masks_go() -> None:
    features = torch.full((3, 8, 8), -9.0)
    features[0, 2, 2] = features[1, 2:6, 2:6] = features[2, 2:6, 2:6] = 9.0
    queries = QueryMasks(torch.tensor([0.9, 0.9, 0.1]), torch.eye(3), features)
    settings = PLAIN.model_copy(update={"min_area": 40, "min_score": 0.5})
    found = masks_of_queries(queries, (32, 32), settings)
    assert len(found.masks) == 1
    assert found.masks.areas()[0] > 200


@pytest.mark.parametrize(("nms_iou", "expected"), [(None, 3), (0.9, 2), (0.1, 1)])
def test_near_copies_go_when_asked(nms_iou: float | None, expected: int) -> None:
    features = torch.full((3, 8, 8), -9.0)
    features[:2, 0:6, 0:6] = 9.0
    features[2, 2:8, 0:6] = 9.0
    queries = QueryMasks(torch.tensor([0.7, 0.9, 0.8]), torch.eye(3), features)
    found = masks_of_queries(queries, (32, 32), PLAIN.model_copy(update={"nms_iou": nms_iou}))
    assert len(found.masks) == expected
    assert found.class_score[0] == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("size", "expected"), [((64, 64), (64, 64)), ((100, 140), (64, 96)), ((50, 400), (32, 128)), ((640, 480), (96, 64))]
)
def test_input_size(size: tuple[int, int], expected: tuple[int, int]) -> None:
    assert input_size(size, PLAIN) == expected


@pytest.fixture(scope="module")
def model() -> WholeImageModel:
    torch.manual_seed(0)
    shape = WholeImageConfig(queries=12, encoder_layers=1, decoder_layers=2, dim=64, feedforward=32)
    return WholeImageModel(shape, ResNetPyramid("resnet10t")).eval()


@pytest.mark.parametrize("batch", [1, 3])
def test_batches_of_any_shapes_equal_single_images(model: WholeImageModel, batch: int) -> None:
    generator = np.random.default_rng(0)
    sizes = [(70, 90), (64, 64), (90, 70), (72, 90), (64, 64)]
    images = [generator.integers(0, 256, (*size, 3)).astype(np.uint8) for size in sizes]
    settings = PLAIN.model_copy(update={"batch": batch})
    together = predict(model, images, settings, source="round2", precision="float32")
    for image, found in zip(images, together, strict=True):
        alone = predict(model, [image], PLAIN, precision="float32")[0]
        assert found.masks.size == image.shape[:2]
        assert len(found.masks) == len(alone.masks)
        np.testing.assert_allclose(found.masks.score, alone.masks.score, atol=1e-3)
        assert (found.masks.source == SOURCES.index("round2")).all()


def test_no_images(model: WholeImageModel) -> None:
    assert predict(model, [], PLAIN) == []


def test_several_scales_are_put_together(model: WholeImageModel) -> None:
    """Without NMS the masks are those of each scale by itself, best first, cut at the limit."""
    image = np.random.default_rng(1).integers(0, 256, (80, 64, 3)).astype(np.uint8)
    alone = [
        predict(model, [image], PLAIN.model_copy(update={"short_side": side, "long_side": 4 * side}))[0]
        for side in (64, 128)
    ]
    scores = np.sort(np.concatenate([found.masks.score for found in alone]))[::-1]
    wide = PLAIN.model_copy(update={"long_side": 256, "scales": (1.0, 2.0)})
    (together,) = predict(model, [image], wide)
    np.testing.assert_allclose(together.masks.score, scores)
    (few,) = predict(model, [image], wide.model_copy(update={"max_masks": 3}))
    assert len(few.masks) == 3
    (distinct,) = predict(model, [image], wide.model_copy(update={"nms_iou": 0.5}))
    assert len(distinct.masks) < len(together.masks)
