"""stores/rle.py against pycocotools on dense masks."""

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from stores.masks import MaskSet
from stores.rle import BadRle, from_rle, iou, to_rle
from tests.stores.samples import assert_same, blobs

SIZES = [(37, 53), (1, 1), (1, 40), (40, 1), (7, 7), (300, 2)]


def special(size: tuple[int, int]) -> np.ndarray:
    """Nothing, everything, one pixel in each corner, full rows and full columns."""
    masks = np.zeros((10, *size), bool)
    masks[1] = True
    for mask, corner in zip(masks[2:6], [(0, 0), (0, -1), (-1, 0), (-1, -1)], strict=True):
        mask[corner] = True
    masks[6, size[0] // 2] = True
    masks[7, :, size[1] // 2] = True
    masks[8, :, ::2] = True
    masks[9, ::2] = True
    return masks


def samples(size: tuple[int, int]) -> np.ndarray:
    return np.concatenate([special(size), blobs(40, 0, size)])


@pytest.mark.parametrize("size", SIZES)
def test_encoding_is_that_of_pycocotools(size):
    dense = samples(size)
    for rle, mask in zip(to_rle(MaskSet.from_dense(dense, size)), dense, strict=True):
        assert rle["size"] == list(size)
        assert rle["counts"].encode() == coco_mask.encode(np.asfortranarray(mask.view(np.uint8)))["counts"]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("spelling", ["text", "bytes", "numbers"])
def test_decoding_gives_tight_masks_back(size, spelling):
    dense = samples(size)
    rles = [coco_mask.encode(np.asfortranarray(mask.view(np.uint8))) for mask in dense]
    if spelling == "text":
        rles = [{**rle, "counts": rle["counts"].decode()} for rle in rles]
    if spelling == "numbers":
        rles = [{**rle, "counts": runs_of(mask)} for rle, mask in zip(rles, dense, strict=True)]
    assert_same(from_rle(rles, size, score=0.5), MaskSet.from_dense(dense, size, score=0.5))


def runs_of(mask: np.ndarray) -> list[int]:
    """Uncompressed counts, by the definition."""
    counts, value = [0], False
    for pixel in mask.reshape(-1, order="F"):
        if pixel != value:
            counts.append(0)
            value = not value
        counts[-1] += 1
    return counts


def test_runs_of_length_zero_are_read():
    masks = from_rle([{"size": [2, 3], "counts": [0, 1, 0, 2, 1, 0, 2]}], (2, 3))
    assert masks.dense(0).reshape(-1, order="F").tolist() == [True, True, True, False, False, False]


def test_large_numbers():
    size = (30_000, 4_000)
    masks = MaskSet.from_crops(size, [[3_900, 29_000, 2, 3]], [np.ones((3, 2), bool)])
    rles = to_rle(masks)
    assert coco_mask.toBbox({**rles[0], "counts": rles[0]["counts"].encode()}).tolist() == [3_900, 29_000, 2, 3]
    assert_same(from_rle(rles, size), masks)


@pytest.mark.parametrize(
    ("rle", "problem"),
    [
        ({"size": [4, 5], "counts": [20]}, "its image of"),
        ({"size": [5, 4], "counts": [19]}, "add up to 19"),
        ({"size": [5, 4], "counts": [21]}, "add up to 21"),
        ({"size": [5, 4], "counts": [-1, 21]}, "add up to"),
        ({"size": [5, 4], "counts": "d0\n"}, "no compressed RLE"),
        ({"size": [5, 4], "counts": "d"}, "no compressed RLE"),
        ({"size": [5, 4], "counts": "o" * 20 + "0"}, "beyond 64 bits"),
        ({"size": [5, 4], "counts": ""}, "add up to 0"),
    ],
)
def test_nonsense_is_refused(rle, problem):
    with pytest.raises(BadRle, match=problem):
        from_rle([rle], (5, 4))


def test_iou_of_all_pairs():
    size = (37, 53)
    left, right = samples(size), np.concatenate([blobs(300, 1, size), special(size)])
    found = iou(MaskSet.from_dense(left, size), MaskSet.from_dense(right, size))
    intersection = np.einsum("ahw,bhw->ab", left.astype(int), right.astype(int))
    union = left.sum(axis=(1, 2))[:, None] + right.sum(axis=(1, 2)) - intersection
    np.testing.assert_allclose(found, intersection / np.maximum(union, 1))


@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 3), (3, 0)])
def test_iou_with_nothing(n, m):
    size = (37, 53)
    assert iou(MaskSet.from_dense(blobs(n, 0), size), MaskSet.from_dense(blobs(m, 0), size)).shape == (n, m)


def test_iou_of_different_images_is_refused():
    with pytest.raises(ValueError, match="different sizes"):
        iou(MaskSet.empty((2, 3)), MaskSet.empty((3, 2)))
