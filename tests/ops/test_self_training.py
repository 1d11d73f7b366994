"""The rule of round 2 at its edges, and against masks compared pixel by pixel."""

import numpy as np
import pytest

from ops.predict import Predictions
from ops.self_training import merge_labels
from ops.training_settings import SelfTrainingSettings
from stores.masks import MaskSet

SIZE = (20, 40)
RULE = SelfTrainingSettings()


def strips(*spans: tuple[int, int], **columns: object) -> MaskSet:
    """Masks of full height over the columns [start, end)."""
    masks = []
    for start, end in spans:
        mask = np.zeros(SIZE, bool)
        mask[:, start:end] = True
        masks.append(mask)
    return MaskSet.from_dense(masks, SIZE, **columns)


def predicted(*spans: tuple[int, int], class_score: list[float], score: list[float] | None = None) -> Predictions:
    scores = np.array(class_score, np.float32)
    return Predictions(strips(*spans, score=scores if score is None else score, source=5), scores)


def spans(masks: MaskSet) -> list[tuple[int, int]]:
    return [(int(x), int(x + w)) for x, _, w, _ in masks.boxes]


@pytest.mark.parametrize(
    ("old", "expected"),
    [
        ((0, 10), [(0, 10)]),
        ((0, 20), [(0, 10), (0, 20)]),
        ((0, 19), [(0, 10)]),
        ((0, 21), [(0, 10), (0, 21)]),
        ((20, 30), [(0, 10), (20, 30)]),
    ],
    ids=["the same mask", "IoU of exactly 1/2 stays", "just above goes", "just below stays", "elsewhere stays"],
)
def test_old_masks_go_above_half(old: tuple[int, int], expected: list[tuple[int, int]]) -> None:
    merged = merge_labels(strips(old), predicted((0, 10), class_score=[0.9]), RULE)
    assert spans(merged) == expected


@pytest.mark.parametrize(("score", "used"), [(0.69, False), (0.7, False), (0.7001, True), (1.0, True)])
def test_predictions_count_above_the_score(score: float, used: bool) -> None:
    rule = SelfTrainingSettings(score=float(np.float32(0.7)))
    merged = merge_labels(strips((0, 12)), predicted((0, 10), class_score=[score]), rule)
    assert spans(merged) == ([(0, 10)] if used else [(0, 12)])


@pytest.mark.parametrize(("score_of", "expected"), [("class", [(0, 10)]), ("product", [(20, 30)])])
def test_which_score_decides(score_of: str, expected: list[tuple[int, int]]) -> None:
    both = predicted((0, 10), (20, 30), class_score=[0.9, 0.3], score=[0.3, 0.9])
    rule = SelfTrainingSettings(score_of=score_of)
    assert spans(merge_labels(MaskSet.empty(SIZE), both, rule)) == expected


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [([], [], []), ([(0, 5)], [], [(0, 5)]), ([], [(0, 5)], [(0, 5)])],
    ids=["nothing", "no predictions", "no old labels"],
)
def test_either_side_may_be_empty(old, new, expected) -> None:
    merged = merge_labels(strips(*old), predicted(*new, class_score=[0.9] * len(new)), RULE)
    assert spans(merged) == expected


def test_predictions_are_not_compared_among_themselves() -> None:
    merged = merge_labels(MaskSet.empty(SIZE), predicted((0, 10), (0, 10), class_score=[0.9, 0.8]), RULE)
    assert spans(merged) == [(0, 10), (0, 10)]


def test_sources_and_scores_stay_and_the_tree_is_built_anew() -> None:
    old = strips((0, 40), (0, 5), score=[0.4, 0.3], source=2, parent=[-1, 0])
    merged = merge_labels(old, predicted((0, 15), class_score=[0.95]), RULE)
    assert spans(merged) == [(0, 15), (0, 40), (0, 5)]
    assert merged.source.tolist() == [5, 2, 2]
    np.testing.assert_allclose(merged.score, [0.95, 0.4, 0.3], atol=1e-6)
    assert merged.parent.tolist() == [1, -1, 0]


def test_images_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="predictions of"):
        merge_labels(MaskSet.empty((20, 41)), predicted((0, 5), class_score=[0.9]), RULE)


@pytest.mark.parametrize("seed", range(5))
def test_equals_dense_comparison(seed: int) -> None:
    generator = np.random.default_rng(seed)

    def boxes(count: int) -> list[np.ndarray]:
        masks = []
        for _ in range(count):
            (y, x), (h, w) = generator.integers(0, 15, 2), generator.integers(3, 20, 2)
            mask = np.zeros(SIZE, bool)
            mask[y : y + h, x : x + w] = True
            masks.append(mask)
        return masks

    old, new, scores = boxes(30), boxes(20), generator.random(20).astype(np.float32)
    sure = [mask for mask, score in zip(new, scores, strict=True) if score > 0.7]
    kept = [m for m in old if all(2 * (m & s).sum() <= (m | s).sum() for s in sure)]
    found = Predictions(MaskSet.from_dense(new, SIZE, score=scores), scores)
    merged = merge_labels(MaskSet.from_dense(old, SIZE), found, RULE)
    expected = [*sure, *kept]
    assert len(merged) == len(expected)
    for index, mask in enumerate(expected):
        np.testing.assert_array_equal(merged.dense(index), mask)
