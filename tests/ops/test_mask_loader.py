"""Training samples: masks stay on their pixels, order depends on the seed alone, and waiting is measured."""

import itertools
import threading

import numpy as np
import pytest
import torch
from scipy import ndimage

from ops.features import IMAGENET_MEAN, IMAGENET_STD
from ops.mask_loader import MaskLoader, Window, cut_masks, cut_pixels, cut_sample, draw_window
from ops.training_settings import LoaderSettings
from ops.training_source import ReaderPair, ReaderSource, UnfitSource
from stores.masks import MaskSet

SETTINGS = LoaderSettings(size=64, max_masks=5, min_area=1)


def coloured_photo(size: tuple[int, int], colours: int, seed: int = 0) -> tuple[np.ndarray, MaskSet]:
    """A photo of flat blocks, and the mask of each block: where a mask lies can be read off the pixels."""
    generator = np.random.default_rng(seed)
    block = 16
    labels = generator.integers(0, colours, (size[0] // block + 1, size[1] // block + 1))
    labels = np.kron(labels, np.ones((block, block), int))[: size[0], : size[1]]
    palette = generator.integers(0, 256, (colours, 3)).astype(np.uint8)
    return palette[labels], MaskSet.from_dense([labels == c for c in range(colours)], size)


class Counted:
    def __init__(self, length: int, size=(80, 70)) -> None:
        self.items = [coloured_photo(size, 4, seed) for seed in range(length)]
        self.read: list[int] = []
        self.lock = threading.Lock()

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: int):
        with self.lock:
            self.read.append(index)
        return self.items[index]


@pytest.mark.parametrize("size", [(100, 90), (40, 90), (64, 64), (30, 20)])
@pytest.mark.parametrize(
    "changes",
    [{}, {"fit": "short", "scales": (1.0, 1.6)}, {"fit": "long", "scales": (0.5, 1.0)}],
    ids=["native", "short side", "jitter"],
)
def test_masks_stay_on_their_pixels(size: tuple[int, int], changes: dict) -> None:
    image, masks = coloured_photo(size, 5)
    settings = SETTINGS.model_copy(update=changes)
    for seed in range(4):
        sample = cut_sample(image, masks, settings, np.random.default_rng(seed))
        assert sample.pixels.shape == (64, 64, 3)
        for bits in sample.bits:
            inside = ndimage.binary_erosion(np.unpackbits(bits, axis=1), np.ones((3, 3)), iterations=2)
            shown = sample.pixels[inside].astype(int)
            assert not len(shown) or np.ptp(shown, axis=0).max() <= 2, "pixels of one mask have one colour"


def test_native_crop_is_a_plain_slice() -> None:
    image, masks = coloured_photo((100, 90), 5)
    window = Window(1.0, 7, 13, mirrored=False)
    np.testing.assert_array_equal(cut_pixels(image, window, 64), image[13:77, 7:71])
    bits, kept = cut_masks(masks, np.arange(5), window, 64)
    assert kept.tolist() == [0, 1, 2, 3, 4]
    for index, mask in enumerate(np.unpackbits(bits, axis=2).astype(bool)):
        np.testing.assert_array_equal(mask, masks.dense(index)[13:77, 7:71])


@pytest.mark.parametrize("mirrored", [False, True])
@pytest.mark.parametrize(("scale", "left", "top"), [(1.0, 3, 4), (1.7, 20.3, 11.9), (0.4, 0, 0)])
@pytest.mark.parametrize("side", [64, 37])
def test_cut_masks_look_up_the_nearest_pixel(mirrored, scale, left, top, side) -> None:
    _, masks = coloured_photo((100, 90), 12)
    cells = (np.arange(side) + 0.5) / scale
    rows, columns = np.floor(top + cells).astype(int), np.floor(left + cells).astype(int)
    expected = np.zeros((12, side, side), bool)
    for index in range(12):
        framed = np.pad(masks.dense(index), ((0, 200), (0, 200)))
        expected[index] = framed[rows][:, columns[::-1] if mirrored else columns]
    areas = expected.sum(axis=(1, 2))
    order = np.random.default_rng(0).permutation(12)
    wanted = [index for index in order if areas[index] >= 50][:4]
    bits, kept = cut_masks(masks, order, Window(scale, left, top, mirrored), side, 50, 4)
    assert kept.tolist() == wanted
    np.testing.assert_array_equal(np.unpackbits(bits, axis=2, count=side).astype(bool), expected[wanted])


def test_mirrored_crop_mirrors_pixels_and_masks() -> None:
    image, masks = coloured_photo((100, 90), 5)
    plain, mirrored = (Window(1.0, 3, 4, mirrored) for mirrored in (False, True))
    np.testing.assert_array_equal(cut_pixels(image, mirrored, 64), cut_pixels(image, plain, 64)[:, ::-1])
    ours, theirs = (
        np.unpackbits(cut_masks(masks, np.arange(5), window, 64)[0], axis=2) for window in (mirrored, plain)
    )
    np.testing.assert_array_equal(ours, theirs[:, :, ::-1])


def test_photo_smaller_than_the_crop_is_padded_without_masks_there() -> None:
    image, masks = coloured_photo((30, 20), 2)
    settings = SETTINGS.model_copy(update={"flip": False})
    sample = cut_sample(image, masks, settings, np.random.default_rng(0))
    np.testing.assert_array_equal(sample.pixels[:30, :20], image)
    np.testing.assert_allclose(sample.pixels[40, 40] / 255, IMAGENET_MEAN, atol=0.002)
    covered = np.unpackbits(sample.bits, axis=2).any(axis=0)
    assert covered[:30, :20].all()
    assert not covered[30:].any()
    assert not covered[:, 20:].any()


@pytest.mark.parametrize(("count", "expected"), [(0, 0), (3, 3), (3000, 5)], ids=["none", "few", "thousands"])
def test_any_number_of_masks(count: int, expected: int) -> None:
    boxes = np.tile([10, 10, 20, 20], (count, 1))
    masks = MaskSet.from_crops((64, 64), boxes, [np.ones((20, 20), bool)] * count)
    sample = cut_sample(np.zeros((64, 64, 3), np.uint8), masks, SETTINGS, np.random.default_rng(0))
    assert sample.bits.shape == (expected, 64, 8)


def test_the_best_masks_are_chosen_when_asked() -> None:
    """Of two masks of one score either may come."""
    stripes = [np.arange(64)[:, None] // 8 == i for i in range(8)] & np.ones((64, 64), bool)
    image = np.zeros((64, 64, 3), np.uint8)
    masks = MaskSet.from_dense(stripes, (64, 64), score=[0.1, 0.9, 0.2, 0.8, 0.3, 0.5, 0.4, 0.5])
    settings = SETTINGS.model_copy(update={"max_masks": 3, "choice": "best", "flip": False})
    chosen = set()
    for seed in range(20):
        bits = cut_sample(image, masks, settings, np.random.default_rng(seed)).bits
        dense = np.unpackbits(bits, axis=2, count=64).astype(bool)
        found = frozenset(i for i in range(8) if any((masks.dense(i) == mask).all() for mask in dense))
        assert {1, 3} < found
        chosen.add(found)
    assert chosen == {frozenset({1, 3, 5}), frozenset({1, 3, 7})}


def test_tiny_and_hidden_masks_are_left_out() -> None:
    tiny, hidden, shown = np.zeros((3, 64, 200), bool)
    tiny[5, 5] = hidden[:, 150:] = shown[10:20, 10:20] = True
    masks = MaskSet.from_dense([tiny, hidden, shown], (64, 200))
    settings = SETTINGS.model_copy(update={"min_area": 16})
    bits, _ = cut_masks(masks, np.arange(3), Window(1.0, 0, 0, mirrored=False), 64)
    assert np.bitwise_count(bits).sum(axis=(1, 2)).tolist() == [1, 0, 100]
    image = np.zeros((64, 200, 3), np.uint8)
    for seed in range(5):
        assert len(cut_sample(image, masks, settings, np.random.default_rng(seed)).bits) <= 1


def test_pixels_are_normalised() -> None:
    batch = next(MaskLoader(Counted(1, (64, 64)), SETTINGS.model_copy(update={"flip": False}), 1, 0).batches())
    image = Counted(1, (64, 64)).items[0][0] / 255
    expected = (image - IMAGENET_MEAN) / IMAGENET_STD
    torch.testing.assert_close(batch.pixels[0].permute(1, 2, 0).double(), torch.from_numpy(expected), atol=1e-5, rtol=0)


def test_every_epoch_shows_each_photo_once() -> None:
    source = Counted(6)
    settings = SETTINGS.model_copy(update={"workers": 1, "prefetch": 1})
    list(itertools.islice(MaskLoader(source, settings, 2, 0).batches(), 6))
    first, second = source.read[:6], source.read[6:12]
    assert sorted(first) == sorted(second) == list(range(6))
    assert first != second


@pytest.mark.parametrize("threads", [1, 3])
def test_same_seed_same_batches_from_any_step(threads: int) -> None:
    settings = SETTINGS.model_copy(update={"workers": threads})
    straight = list(itertools.islice(MaskLoader(Counted(5), settings, 2, 7).batches(), 6))
    resumed = list(itertools.islice(MaskLoader(Counted(5), SETTINGS, 2, 7).batches(4), 2))
    for one, other in zip(straight[4:], resumed, strict=True):
        assert torch.equal(one.pixels, other.pixels)
        assert torch.equal(one.targets.bits, other.targets.bits)
    other_seed = next(MaskLoader(Counted(5), settings, 2, 8).batches())
    assert not torch.equal(straight[0].pixels, other_seed.pixels)


def test_workers_share_the_order_of_one() -> None:
    alone = next(MaskLoader(Counted(8), SETTINGS, 4, 3).batches(1))
    shared = [next(MaskLoader(Counted(8), SETTINGS, 2, 3, rank, 2).batches(1)) for rank in range(2)]
    together = torch.stack([shared[0].pixels, shared[1].pixels], dim=1).flatten(0, 1)
    assert torch.equal(together, alone.pixels)


def test_window_stays_inside_a_large_photo() -> None:
    settings = LoaderSettings(size=64, fit="short", scales=(1.0, 2.0))
    for seed in range(50):
        window = draw_window((100, 300), settings, np.random.default_rng(seed))
        span = 64 / window.scale
        assert 0 <= window.left <= 300 - span + 1e-9
        assert 0 <= window.top <= 100 - span + 1e-9


def test_empty_source_is_refused() -> None:
    with pytest.raises(UnfitSource, match="no photos"):
        MaskLoader(Counted(0), SETTINGS, 1, 0)


def test_masks_of_another_size_are_refused_by_name() -> None:
    image, _ = coloured_photo((50, 60), 2)
    source = ReaderSource([ReaderPair("cat.jpg", lambda: image, lambda: MaskSet.empty((60, 50)))])
    with pytest.raises(UnfitSource, match=r"cat\.jpg"):
        next(MaskLoader(source, SETTINGS, 1, 0).batches())
