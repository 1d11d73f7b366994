"""The dense CRF against exact mean field, every pair of pixels by itself."""

import numpy as np
import pytest
from scipy import ndimage

from ops.crf import DenseCrf
from ops.crf_windows import boxes_of_labels, boxes_of_masks, group_boxes
from ops.settings import CrfSettings

INSIDE = 1 / (1 + np.exp(-1))
SETTINGS = CrfSettings(gaussian_sxy=1.5, bilateral_sxy=6, bilateral_srgb=20, iterations=5)


def exact_kernel(features):
    """exp(-|f_i - f_j|² / 2), normalised on both sides."""
    kernel = np.exp(-((features[:, None] - features[None]) ** 2).sum(-1) / 2)
    root = np.sqrt(kernel.sum(1))
    return kernel / root[:, None] / root


def exact_mean_field(image, probabilities, settings):
    """Classes' probabilities (classes, h, w) after Kraehenbuehl and Koltun's mean field with O(n²) messages."""
    h, w = image.shape[:2]
    y, x = (axis.ravel().astype(float) for axis in np.mgrid[:h, :w])
    place = np.stack([x, y], axis=1)
    colour = image.reshape(-1, 3) / settings.bilateral_srgb
    pairwise = settings.gaussian_compat * exact_kernel(place / settings.gaussian_sxy)
    pairwise += settings.bilateral_compat * exact_kernel(np.hstack([place / settings.bilateral_sxy, colour]))
    unary = np.log(probabilities).reshape(len(probabilities), -1)
    field = softmax(unary)
    for _ in range(settings.iterations):
        field = softmax(unary + field @ pairwise)
    return field.reshape(-1, h, w)


def softmax(values):
    powers = np.exp(values - values.max(0))
    return powers / powers.sum(0)


def exact_binary(image, mask, settings):
    """Probability of the mask's class; its unary is CutLER's, softmax of [1 - m, m]."""
    inside = np.where(mask, INSIDE, 1 - INSIDE)
    return exact_mean_field(image, np.stack([1 - inside, inside]), settings)[1]


def exact_partition(image, labels, settings):
    classes = labels.max() + 1
    unary = np.where(labels == np.arange(classes)[:, None, None], INSIDE, (1 - INSIDE) / (classes - 1))
    return exact_mean_field(image, unary, settings)


def two_tone(seed, size=(12, 12)):
    """A slanted border between two noisy colours, and the left side's true mask."""
    generator = np.random.default_rng(seed)
    y, x = np.mgrid[: size[0], : size[1]]
    truth = x + generator.uniform(-0.4, 0.4) * y < size[1] * generator.uniform(0.4, 0.6)
    image = np.where(truth[..., None], generator.integers(0, 255, 3), generator.integers(0, 255, 3))
    return np.clip(image + generator.normal(0, 8, (*size, 3)), 0, 255).astype(np.uint8), truth


def rough(truth, seed):
    """The mask, moved and with a few pixels wrong."""
    generator = np.random.default_rng(seed)
    return np.roll(truth, generator.integers(-2, 3, 2), (0, 1)) ^ (generator.uniform(size=truth.shape) < 0.05)


ONCE = SETTINGS.model_copy(update={"iterations": 1})


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("size", [(12, 12), (7, 23)])
def test_one_binary_iteration_is_that_of_exact_mean_field(size, seed):
    """Wherever the exact probability is not within a tenth of one half: the lattice is a few per cent off."""
    image, truth = two_tone(seed, size)
    masks = np.stack([rough(truth, seed), ~rough(truth, seed + 1), np.zeros(size, bool), np.ones(size, bool)])
    found = DenseCrf(image, ONCE).refine(masks)
    for mask, refined in zip(masks[[0, 1, 3]], found[[0, 1, 3]], strict=True):
        expected = exact_binary(image, mask, ONCE)
        clear = np.abs(expected - 0.5) > 0.1
        assert clear.mean() > 0.85
        np.testing.assert_array_equal(refined[clear], expected[clear] > 0.5)
    assert not found[2].any()


@pytest.mark.parametrize("seed", range(8))
def test_one_iteration_of_many_classes_is_that_of_exact_mean_field(seed):
    image, labels = four_labels(seed)
    expected = exact_partition(image, labels, ONCE)
    first, second = np.sort(expected, axis=0)[[-1, -2]]
    clear = first - second > 0.2
    assert clear.mean() > 0.8
    found = DenseCrf(image, ONCE).refine_partition(labels)
    np.testing.assert_array_equal(found[clear], expected.argmax(0)[clear])


def test_many_iterations_end_where_exact_mean_field_does():
    """Mean field has several fixed points, so that a small error may tip a patch over, but rarely and not far."""
    binary, partition = [], []
    for seed in range(16):
        image, truth = two_tone(seed)
        mask = rough(truth, seed)
        found = DenseCrf(image, SETTINGS).refine(mask[None])[0]
        binary.append((found == (exact_binary(image, mask, SETTINGS) > 0.5)).mean())
        image, labels = four_labels(seed)
        found = DenseCrf(image, SETTINGS).refine_partition(labels)
        partition.append((found == exact_partition(image, labels, SETTINGS).argmax(0)).mean())
    for agreement in (binary, partition):
        assert np.median(agreement) > 0.98
        assert min(agreement) > 0.85


def four_labels(seed):
    image, truth = two_tone(seed, (14, 14))
    labels = rough(truth, seed).astype(np.int32)
    labels[9:, 9:] = 2
    labels[:3, 10:] = 3
    return image, labels


@pytest.mark.parametrize("seed", range(3))
def test_two_classes_are_the_binary_crf(seed):
    image, truth = two_tone(seed, (30, 40))
    mask = rough(truth, seed)
    crf = DenseCrf(image, SETTINGS)
    agreement = crf.refine_partition(mask.astype(np.int64)) == crf.refine(mask[None])[0]
    assert agreement.mean() > 0.995


def test_windows_change_nothing_that_matters():
    """Small masks on a large image, where the CRF runs in windows, against exact mean field on all of it."""
    generator = np.random.default_rng(0)
    image = ndimage.gaussian_filter(generator.normal(0, 1, (44, 60, 3)), (4, 4, 0))
    image = np.clip(128 + 400 * image, 0, 255).astype(np.uint8)
    settings = SETTINGS.model_copy(update={"bilateral_sxy": 3.0})
    masks = np.zeros((9, 44, 60), bool)
    for mask in masks:
        y, x = generator.integers(0, (36, 50))
        mask[y : y + 8, x : x + 10] = True
    found = DenseCrf(image, settings).refine(masks)
    exact = np.stack([exact_binary(image, mask, settings) > 0.5 for mask in masks])
    assert (found == exact).mean() > 0.995


def test_masks_do_not_see_each_other():
    image, truth = two_tone(1, (40, 50))
    masks = np.stack([rough(truth, seed) for seed in range(7)])
    crf = DenseCrf(image, SETTINGS)
    alone = np.concatenate([crf.refine(masks[[i]]) for i in range(7)])
    assert (alone == crf.refine(masks)).mean() > 0.999
    np.testing.assert_array_equal(crf.refine(masks), crf.refine(masks))


def test_a_clear_border_is_found():
    image = np.zeros((80, 100, 3), np.uint8)
    image[:, 47:] = (210, 180, 40)
    coarse = np.indices((80, 100))[1] < 40
    found = DenseCrf(image, CrfSettings()).refine(coarse[None])[0]
    np.testing.assert_array_equal(found, np.indices((80, 100))[1] < 47)
    parts = DenseCrf(image, CrfSettings()).refine_partition(np.where(coarse, 5, -3))
    np.testing.assert_array_equal(parts, np.where(np.indices((80, 100))[1] < 47, 5, -3))


def test_a_flat_image_is_smoothed_only():
    image = np.full((40, 40, 3), 90, np.uint8)
    halves = np.indices((40, 40))[1] < 20
    settings = CrfSettings(bilateral_compat=0.0)
    np.testing.assert_array_equal(DenseCrf(image, settings).refine(halves[None])[0], halves)
    np.testing.assert_array_equal(DenseCrf(image, settings).refine_partition(halves.astype(int)), halves)


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (25, 1), (2, 2)])
def test_tiny_images(size):
    image = np.full((*size, 3), 50, np.uint8)
    masks = np.stack([np.ones(size, bool), np.zeros(size, bool)])
    found = DenseCrf(image, CrfSettings()).refine(masks)
    np.testing.assert_array_equal(found, masks)
    assert DenseCrf(image, CrfSettings()).refine(np.zeros((0, *size), bool)).shape == (0, *size)
    np.testing.assert_array_equal(DenseCrf(image, CrfSettings()).refine_partition(np.zeros(size, int)), np.zeros(size))


@pytest.mark.parametrize("confidence", [0.4, 0.731, 0.99])
def test_partition_keeps_its_names_and_type(confidence):
    image, truth = two_tone(2, (30, 30))
    labels = np.where(rough(truth, 2), 1000, -7).astype(np.int64)
    found = DenseCrf(image, SETTINGS).refine_partition(labels, confidence)
    assert found.dtype == labels.dtype
    assert set(np.unique(found)) <= {1000, -7}


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((4, 4), np.uint8), "an .h, w, 3. uint8 image"),
        (np.zeros((4, 4, 3), np.float32), "an .h, w, 3. uint8 image"),
        (np.zeros((0, 4, 3), np.uint8), "an .h, w, 3. uint8 image"),
    ],
)
def test_bad_images(image, message):
    with pytest.raises(ValueError, match=message):
        DenseCrf(image, SETTINGS)


def test_masks_of_another_size():
    crf = DenseCrf(np.zeros((4, 5, 3), np.uint8), SETTINGS)
    with pytest.raises(ValueError, match=r"masks of shape \(n, 4, 5\)"):
        crf.refine(np.zeros((2, 5, 4), bool))
    with pytest.raises(ValueError, match=r"labels of shape \(4, 5\)"):
        crf.refine_partition(np.zeros((5, 4), int))


def test_groups_hold_every_box_once_and_reach_beyond_it():
    generator = np.random.default_rng(0)
    masks = np.zeros((23, 90, 120), bool)
    for mask in masks[:-2]:
        y, x, h, w = generator.integers((0, 0, 1, 1), (80, 100, 40, 60))
        mask[y : y + h, x : x + w] = True
    boxes = boxes_of_masks(masks)
    groups = group_boxes(boxes, 7, (90, 120))
    assert sorted(np.concatenate([members for members, _ in groups]).tolist()) == list(range(21))
    for members, window in groups:
        assert 0 < len(members) <= 4
        assert (window[:2] <= np.maximum(boxes[members, :2] - 7, 0)).all()
        assert (window[2:] >= np.minimum(boxes[members, 2:] + 7, (90, 120))).all()


def test_boxes_of_labels_are_those_of_their_masks():
    labels = np.random.default_rng(0).integers(0, 5, (6, 9))
    masks = labels == np.arange(5)[:, None, None]
    np.testing.assert_array_equal(boxes_of_labels(labels, 5), boxes_of_masks(masks))
