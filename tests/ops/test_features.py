"""Sizes, normalisation and batches on the way from pixels to tokens."""

import numpy as np
import pytest
import torch
from PIL import Image

from ops.features import IMAGENET_MEAN, IMAGENET_STD, extract, forward_pixels, normalise_pixels, normalise_tokens
from tests.ops.tiny_backbone import TinyBackbone


@pytest.fixture(scope="module")
def backbone():
    return TinyBackbone()


def noise(height, width, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("shape", "size", "grid"),
    [
        ((64, 64), 64, (8, 8)),
        ((31, 77), 64, (8, 8)),
        ((100, 50), (32, 80), (4, 10)),
        ((8, 500), (8, 8), (1, 1)),
        ((1, 1), 16, (2, 2)),
    ],
)
def test_grids(backbone, shape, size, grid):
    [tokens] = extract(backbone, [noise(*shape)], size)
    assert tokens.shape == (*grid, backbone.dim)
    assert tokens.dtype == np.float32


@pytest.mark.parametrize("size", [60, (64, 60)])
def test_sides_that_the_stride_does_not_divide(backbone, size):
    with pytest.raises(ValueError, match="multiples of 8"):
        extract(backbone, [noise(64, 64)], size)


def test_no_images(backbone):
    assert extract(backbone, [], 64) == []


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_batches_are_what_single_images_are(backbone, batch_size):
    images = [noise(40 + 7 * i, 90 - 5 * i, seed=i) for i in range(5)]
    batched = extract(backbone, images, 64, batch_size=batch_size)
    for image, tokens in zip(images, batched, strict=True):
        np.testing.assert_allclose(tokens, extract(backbone, [image], 64)[0], atol=1e-4)


@pytest.mark.parametrize(
    ("resample", "pillow"), [("lanczos", Image.Resampling.LANCZOS), ("bicubic", Image.Resampling.BICUBIC)]
)
def test_resizing_is_pillows(backbone, resample, pillow):
    image = noise(50, 70)
    resized = np.asarray(Image.fromarray(image).resize((80, 48), pillow))
    [tokens] = extract(backbone, [image], (48, 80), resample=resample)
    np.testing.assert_array_equal(tokens, forward_pixels(backbone, resized[None])[0])


def test_pixels_are_normalised_channel_by_channel():
    pixels = noise(5, 7)[None]
    expected = (pixels[0] / 255 - np.array(IMAGENET_MEAN)) / np.array(IMAGENET_STD)
    normalised = normalise_pixels(pixels)
    assert normalised.dtype == torch.float32
    np.testing.assert_allclose(normalised[0].permute(1, 2, 0).numpy(), expected, atol=1e-5)


def test_the_order_of_axes_in_memory_does_not_matter(backbone):
    image = noise(64, 64)
    turned = np.asfortranarray(image)
    np.testing.assert_array_equal(extract(backbone, [image], 64)[0], extract(backbone, [turned], 64)[0])


@pytest.mark.parametrize("centre", [False, True])
def test_unit_tokens(centre):
    features = np.random.default_rng(0).standard_normal((4, 6, 5)).astype(np.float32) + 3
    unit = normalise_tokens(features, centre)
    np.testing.assert_allclose(np.linalg.norm(unit, axis=-1), 1, atol=1e-6)
    shifted = features - features.mean(axis=(0, 1)) if centre else features
    np.testing.assert_allclose(unit * np.linalg.norm(shifted, axis=-1, keepdims=True), shifted, atol=1e-5)
    np.testing.assert_allclose(normalise_tokens(features * 7, centre), unit, atol=1e-6)


@pytest.mark.parametrize("centre", [False, True])
def test_tokens_of_nothing_stay_zero(centre):
    features = np.zeros((2, 3, 4)) if not centre else np.full((2, 3, 4), 1.5)
    np.testing.assert_array_equal(normalise_tokens(features, centre), np.zeros((2, 3, 4), np.float32))
