"""Where training takes its photos and masks from: anything that has a length and gives one pair an index."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from stores.masks import SOURCES, MaskSet


class TrainingSource(Protocol):
    """Photos with their masks; `source[i]` is read by several threads at a time and any number of times."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        """uint8 RGB (H, W, 3) and the masks of the same (H, W)."""
        ...


class UnfitSource(ValueError):
    """Training data that cannot be trained on; the message names the photo."""


@dataclass(frozen=True)
class MasksFrom:
    """A source of which only the masks that were made in one way are learned from.

    Attributes: made_by, one of `stores.masks.SOURCES`.
    """

    photos: TrainingSource
    made_by: str

    def __len__(self) -> int:
        return len(self.photos)

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        image, masks = self.photos[index]
        return image, masks.take(np.flatnonzero(masks.source == SOURCES.index(self.made_by)))


@dataclass(frozen=True)
class ReaderPair:
    """How to get one photo and its masks when they are needed.

    Attributes: key, what the photo is called in messages; image, reads uint8 RGB (H, W, 3); masks, reads its set.
    """

    key: str
    image: Callable[[], np.ndarray]
    masks: Callable[[], MaskSet]


@dataclass(frozen=True)
class ReaderSource:
    """A source of lazily read pairs.

    Raises:
        UnfitSource: on reading, masks of another size than their photo.
    """

    pairs: Sequence[ReaderPair]

    def __len__(self) -> int:
        return len(self.pairs)

    def __getitem__(self, index: int) -> tuple[np.ndarray, MaskSet]:
        pair = self.pairs[index]
        image, masks = pair.image(), pair.masks()
        if image.shape[:2] != tuple(masks.size):
            raise UnfitSource(f"{pair.key}: the photo is {image.shape[:2]}, its masks are of (H, W) {masks.size}")
        return image, masks
