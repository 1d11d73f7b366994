"""Photos with tags or label maps, from shards, as training batches."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch

from ops.features import normalise_pixels
from ops.mask_loader import Window, cut_pixels, draw_window
from ops.sample_loader import SampleLoader
from ops.settings import LimitSettings
from ops.stage_workers import REFUSABLE, read_image
from ops.training_settings import LoaderSettings
from ops.training_source import UnfitSource
from stores.home import Home
from stores.label_maps import IGNORE
from stores.manifests import source_of


class ClassSource(Protocol):
    """Photos and what is known of their classes."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """uint8 RGB (H, W, 3), and tags (K,) float32 or labels (H, W) uint8."""
        ...


@dataclass(frozen=True)
class ClassBatch:
    """Normalised pixels float32 (B, 3, S, S), their targets, and how long they were waited for.

    Attributes:
        targets: (B, K) float32 of tags, or (B, S, S) int64 of labels.
    """

    pixels: torch.Tensor
    targets: torch.Tensor
    waited: float


class ShardPhotos:
    """Photos of several shards with a target each, read when asked for.

    Args:
        targets: by shard and key, how to get the target.
    """

    def __init__(
        self, home: Home, targets: Mapping[str, Mapping[str, Callable[[], np.ndarray]]], limits: LimitSettings
    ) -> None:
        self._limits = limits
        self._readers = {shard: source_of(home, shard).open() for shard in targets}
        self._places = [(shard, key, read) for shard, keys in targets.items() for key, read in keys.items()]

    def __len__(self) -> int:
        return len(self._places)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        """
        Raises:
            UnfitSource: the photo cannot be read any more, or is of another size than its label map.
        """
        shard, key, read = self._places[index]
        try:
            image, target = read_image(self._readers[shard], key, self._limits), read()
        except REFUSABLE as error:
            raise UnfitSource(f"{key} of {shard}: {error}; materialise the shard again") from error
        if target.ndim == 2 and target.shape != image.shape[:2]:
            raise UnfitSource(f"{key} of {shard}: the photo is {image.shape[:2]}, its label map {target.shape}")
        return image, target


def class_loader(
    source: ClassSource, settings: LoaderSettings, batch: int, seed: int, rank: int = 0, workers: int = 1
) -> SampleLoader[tuple[np.ndarray, np.ndarray], ClassBatch]:
    """Random crops in the background; what lies outside a photo is 255 in its labels."""

    def cut(index: int, generator: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        image, target = source[index]
        window = draw_window(image.shape[:2], settings, generator)
        pixels = cut_pixels(image, window, settings.size)
        return pixels, target if target.ndim == 1 else cut_labels(target, window, settings.size)

    return SampleLoader(len(source), cut, collate, settings, batch, seed, rank, workers)


def collate(samples: Sequence[tuple[np.ndarray, np.ndarray]], waited: float = 0.0) -> ClassBatch:
    """Samples as a batch."""
    targets = np.stack([target for _, target in samples])
    as_tensor = torch.from_numpy(targets.astype(np.int64) if targets.ndim == 3 else targets)
    return ClassBatch(normalise_pixels(np.stack([pixels for pixels, _ in samples])), as_tensor, waited)


def cut_labels(labels: np.ndarray, window: Window, size: int) -> np.ndarray:
    """The crop's labels, (S, S) uint8, nearest pixels; 255 outside the photo."""
    rows, columns = (
        np.floor(origin + (np.arange(size) + 0.5) / window.scale).astype(np.int64)
        for origin in (window.top, window.left)
    )
    crop = np.full((size, size), IGNORE, np.uint8)
    height, width = int(np.searchsorted(rows, labels.shape[0])), int(np.searchsorted(columns, labels.shape[1]))
    crop[:height, :width] = labels[rows[:height, None], columns[:width]]
    return crop[:, ::-1] if window.mirrored else crop
