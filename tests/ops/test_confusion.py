"""mIoU of a whole data set against a pixel-by-pixel count, and against the release's mistake."""

import numpy as np
import pytest

from ops.confusion import Confusion, MismatchedLabels, image_iou


def by_sets(pairs: list[tuple[np.ndarray, np.ndarray]], labels: int) -> float:
    """VOC's definition: intersection over union of each label's pixels of all images, 255 in the truth left out."""
    ious = []
    for k in range(labels):
        both = sum(int(((t == k) & (p == k)).sum()) for t, p in pairs)
        either = sum(int((((t == k) | (p == k)) & (t != 255)).sum()) for t, p in pairs)
        if either:
            ious.append(both / either)
    return sum(ious) / len(ious)


def pairs(seed: int) -> list[tuple[np.ndarray, np.ndarray]]:
    generator = np.random.default_rng(seed)
    shapes = [(5, 7), (1, 9), (11, 3)]
    return [
        (
            generator.choice([0, 1, 2, 5, 255], shape).astype(np.uint8),
            generator.choice([0, 1, 3, 255], shape).astype(np.uint8),
        )
        for shape in shapes
    ]


@pytest.mark.parametrize("seed", range(5))
def test_one_matrix_over_all_images(seed: int) -> None:
    confusion = Confusion(6)
    for truth, predicted in pairs(seed):
        confusion.add(truth, predicted)
    assert confusion.mean_iou() == pytest.approx(by_sets(pairs(seed), 6))
    assert np.isnan(confusion.ious()[4])


def test_it_is_neither_the_mean_of_images_nor_the_releases_running_pool() -> None:
    """Spec 9.5: the release adds up over classes, leaves out the background, and averages images."""
    small = (np.array([[1, 0]], np.uint8), np.array([[1, 1]], np.uint8))
    large = (np.full((10, 10), 2, np.uint8), np.full((10, 10), 2, np.uint8))
    confusion = Confusion(3)
    for truth, predicted in (small, large):
        confusion.add(truth, predicted)
    assert confusion.ious().tolist() == [0.0, 0.5, 1.0]
    assert confusion.mean_iou() == pytest.approx(0.5)
    assert np.mean([image_iou(*pair, 3) for pair in (small, large)]) == pytest.approx(0.625)


@pytest.mark.parametrize(
    ("truth", "predicted", "message"),
    [
        (np.zeros((2, 3), np.uint8), np.zeros((3, 2), np.uint8), "the truth has"),
        (np.full((2, 3), 6, np.uint8), np.zeros((2, 3), np.uint8), "0 to 5"),
        (np.zeros((2, 3), np.uint8), np.full((2, 3), 9, np.uint8), "0 to 5"),
    ],
)
def test_what_cannot_be_compared(truth: np.ndarray, predicted: np.ndarray, message: str) -> None:
    with pytest.raises(MismatchedLabels, match=message):
        Confusion(6).add(truth, predicted)


def test_nothing_at_all_has_no_score() -> None:
    assert np.isnan(Confusion(4).mean_iou())
