"""Photos and mask sets to training batches: crop, scale, flip, at most so many masks; in the background (spec 4.3)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image

from ops import crop_kernels
from ops.bit_targets import BitTargets
from ops.features import IMAGENET_MEAN, normalise_pixels
from ops.sample_loader import SampleLoader
from ops.training_settings import LoaderSettings
from ops.training_source import TrainingSource
from stores.masks import MaskSet

_PADDING = tuple(round(255 * mean) for mean in IMAGENET_MEAN)


@dataclass(frozen=True)
class Sample:
    """One square crop: pixels uint8 (S, S, 3), bits of its masks uint8 (M, S, ceil(S / 8)), and columns of these masks.

    score and granularity: (M,) float32, as in `MaskSet`.
    """

    pixels: np.ndarray
    bits: np.ndarray
    score: np.ndarray
    granularity: np.ndarray


@dataclass(frozen=True)
class Batch:
    """B crops: normalised pixels float32 (B, 3, S, S), the masks of all of them, and seconds that were waited for it.

    score and granularity: (T,) float32 of the T masks, as in `MaskSet`.
    """

    pixels: torch.Tensor
    targets: BitTargets
    waited: float
    score: torch.Tensor
    granularity: torch.Tensor


@dataclass(frozen=True)
class Window:
    """The part of a photo that a crop shows: crop = (photo - origin) * scale, x then y, mirrored at the end."""

    scale: float
    left: float
    top: float
    mirrored: bool


class MaskLoader(SampleLoader[Sample, Batch]):
    """Batches of crops with their masks; see `SampleLoader`.

    Args:
        source: photos and masks.
        settings: the crop.
        batch: images a step of this worker.
        seed: of order, crops and choice of masks.
        rank: this worker among `workers`.

    Raises:
        UnfitSource: nothing to train on.
    """

    def __init__(
        self, source: TrainingSource, settings: LoaderSettings, batch: int, seed: int, rank: int = 0, workers: int = 1
    ) -> None:
        def cut(index: int, generator: np.random.Generator) -> Sample:
            image, masks = source[index]
            return cut_sample(image, masks, settings, generator)

        super().__init__(len(source), cut, collate, settings, batch, seed, rank, workers)


def collate(samples: Sequence[Sample], waited: float = 0.0) -> Batch:
    """Samples of one size as a batch."""
    bits = np.concatenate([sample.bits for sample in samples])
    targets = BitTargets(
        torch.from_numpy(bits), tuple(len(sample.bits) for sample in samples), samples[0].pixels.shape[1]
    )
    score, granularity = (
        torch.from_numpy(np.concatenate([getattr(sample, name) for sample in samples]))
        for name in ("score", "granularity")
    )
    pixels = normalise_pixels(np.stack([sample.pixels for sample in samples]))
    return Batch(pixels, targets, waited, score, granularity)


def cut_sample(image: np.ndarray, masks: MaskSet, settings: LoaderSettings, generator: np.random.Generator) -> Sample:
    """A random crop of a photo (H, W, 3) with at most `max_masks` of the masks that it shows.

    They are drawn uniformly, or are those of the highest scores, equal ones in random order.
    """
    window = draw_window(image.shape[:2], settings, generator)
    pixels = cut_pixels(image, window, settings.size)
    order = generator.permutation(visible(masks, window, settings.size))
    if settings.choice == "best":
        order = order[np.argsort(-masks.score[order], kind="stable")]
    bits, kept = cut_masks(masks, order, window, settings.size, settings.min_area, settings.max_masks)
    return Sample(pixels, bits, masks.score[kept], masks.granularity[kept])


def draw_window(size: tuple[int, int], settings: LoaderSettings, generator: np.random.Generator) -> Window:
    """Scale, place and mirroring of a crop; a photo smaller than the crop lies in its upper left corner."""
    height, width = size
    fitted = {"native": 1.0, "short": settings.size / min(size), "long": settings.size / max(size)}[settings.fit]
    scale = fitted * generator.uniform(*settings.scales)
    left = generator.uniform(0, max(width - settings.size / scale, 0))
    top = generator.uniform(0, max(height - settings.size / scale, 0))
    if scale == 1:
        left, top = round(left), round(top)
    return Window(scale, left, top, bool(settings.flip and generator.random() < 0.5))


def cut_pixels(image: np.ndarray, window: Window, size: int) -> np.ndarray:
    """The crop's pixels, (S, S, 3) uint8, bilinear; what lies outside the photo has ImageNet's mean colour."""
    height, width = image.shape[:2]
    seen = (min(width - window.left, size / window.scale), min(height - window.top, size / window.scale))
    box = (window.left, window.top, window.left + seen[0], window.top + seen[1])
    target = tuple(max(1, min(size, round(side * window.scale))) for side in seen)
    patch = Image.fromarray(image).resize(target, Image.Resampling.BILINEAR, box=box)
    pixels = np.empty((size, size, 3), np.uint8)
    pixels[:] = _PADDING
    pixels[: target[1], : target[0]] = np.asarray(patch)
    return pixels[:, ::-1] if window.mirrored else pixels


def visible(masks: MaskSet, window: Window, size: int) -> np.ndarray:
    """Indices of the masks whose boxes reach into the crop."""
    x, y, w, h = masks.boxes.T
    span = size / window.scale
    across = (x < window.left + span) & (x + w > window.left)
    down = (y < window.top + span) & (y + h > window.top)
    return np.flatnonzero(across & down & (w > 0))


def cut_masks(
    masks: MaskSet, order: np.ndarray, window: Window, size: int, least_area: int = 0, most: int | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """The first `most` masks of `order` of which the crop shows at least `least_area` pixels, nearest pixels.

    Returns:
        Packed rows (m, S, ceil(S / 8)) uint8, and which masks they are, (m,) int64.
    """
    rows = _source_pixels(window.top, window.scale, size)
    columns = _source_pixels(window.left, window.scale, size)
    if window.mirrored:
        columns = columns[::-1]
    wanted = len(order) if most is None else min(most, len(order))
    cut = np.zeros((wanted, size, -(-size // 8)), np.uint8)
    kept = crop_kernels.cut_masks(masks.bits, masks.offsets, masks.boxes, order, rows, columns, least_area, cut)
    return cut[: len(kept)], kept


def _source_pixels(origin: float, scale: float, size: int) -> np.ndarray:
    return np.floor(origin + (np.arange(size) + 0.5) / scale).astype(np.int64)
