"""Label votes against the arg-max of interpolated indicator masks."""

import numpy as np
import pytest
from skimage.transform import resize

from ops.upsample import upsample_labels, upsample_mask


def indicator_vote(labels, size):
    """Interpolate each label's own mask by Keys' kernel, written as plain matrices, and take the largest."""

    def weights(tokens, pixels):
        matrix = np.zeros((pixels, tokens))
        for pixel in range(pixels):
            centre = (pixel + 0.5) * tokens / pixels - 0.5
            for tap in range(int(np.floor(centre)) - 1, int(np.floor(centre)) + 3):
                d = abs(centre - tap)
                cubic = 1.5 * d**3 - 2.5 * d**2 + 1 if d <= 1 else -0.5 * (d**3 - 5 * d**2 + 8 * d - 4)
                matrix[pixel, min(max(tap, 0), tokens - 1)] += cubic
        return matrix

    rows, columns = weights(labels.shape[0], size[0]), weights(labels.shape[1], size[1])
    stack = np.stack([rows @ (labels == label) @ columns.T for label in range(labels.max() + 1)])
    best = np.sort(stack, axis=0)
    return stack.argmax(axis=0), (best[-1] - best[-2] if len(best) > 1 else np.ones(size))


@pytest.mark.parametrize("size", [(57, 91), (32, 32), (200, 7), (5, 3), (1, 1)])
@pytest.mark.parametrize("shape", [(8, 8), (5, 11), (1, 4), (1, 1)])
def test_pixels_take_the_heaviest_label(shape, size):
    labels = np.random.default_rng(shape[1]).integers(0, 4, shape).astype(np.int32)
    labels.flat[0] = 3
    expected, lead = indicator_vote(labels, size)
    found = upsample_labels(labels, size)
    clear = lead > 1e-5
    assert found.dtype == np.int32
    np.testing.assert_array_equal(found[clear], expected[clear])


def test_whole_factors_keep_the_centre_of_every_token():
    labels = np.arange(12, dtype=np.int32).reshape(3, 4)
    found = upsample_labels(labels, (27, 36))
    np.testing.assert_array_equal(found[4::9, 4::9], labels)
    assert (found == labels.repeat(9, axis=0).repeat(9, axis=1)).mean() > 0.95


def test_one_mask_is_cut_at_half():
    mask = np.zeros((8, 8), bool)
    mask[2:6, 3:7] = True
    found = upsample_mask(mask, (80, 60))
    smooth = resize(mask.astype(float), (80, 60), order=3, mode="edge", anti_aliasing=False)
    assert found.shape == (80, 60)
    assert (found == (smooth > 0.5)).mean() > 0.98
