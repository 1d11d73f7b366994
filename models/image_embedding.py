"""What an image encoder leaves for the prompts (spec 10.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import torch


@dataclass(frozen=True)
class ImageEmbedding:
    """What a prompt is answered from.

    Shapes for an input of side S: coarse (B, D, S / 16, S / 16); fine () or the maps (B, D / 4, S / 8, S / 8) and
    (B, D / 8, S / 4, S / 4).
    """

    coarse: torch.Tensor
    fine: tuple[torch.Tensor, ...] = ()

    def __len__(self) -> int:
        return len(self.coarse)

    @cached_property
    def tokens(self) -> torch.Tensor:
        """The cells of the coarse map one after the other, (B, S, D), laid out once for all prompts."""
        return self.coarse.flatten(2).transpose(1, 2).contiguous()

    @cached_property
    def fine_by_cell(self) -> tuple[torch.Tensor, ...]:
        """The fine maps' pixels in the order in which cells split into four, and these into four again (`by_cell`)."""
        return tuple(by_cell(level, splits) for splits, level in enumerate(self.fine, 1))

    def of_image(self, index: int) -> ImageEmbedding:
        """The embedding of one image, as a batch of one."""
        picked = slice(index, index + 1)
        return ImageEmbedding(self.coarse[picked], tuple(level[picked] for level in self.fine))

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> ImageEmbedding:
        return replace(self, coarse=change(self.coarse), fine=tuple(change(level) for level in self.fine))


def by_cell(level: torch.Tensor, splits: int) -> torch.Tensor:
    """A map (B, C, h · 2^n, w · 2^n) as (B, h · w · 4^n, C): each cell split into four, n times.

    Args:
        splits: n, 1 or 2.
    """
    channels, height, width = level.shape[1:]
    sides = [2] * splits
    cells = level.unflatten(2, (height >> splits, *sides)).unflatten(-1, (width >> splits, *sides))
    rows, columns = range(2, 3 + splits), range(3 + splits, 4 + 2 * splits)
    order = [axis for pair in zip(rows, columns, strict=True) for axis in pair]
    return cells.permute(0, *order, 1).reshape(len(level), -1, channels)


def from_cells(values: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    """(N, K, 4h, 4w) of values (N, h · w · 16, K) in the order of `by_cell`, for (h, w) `size` cells."""
    height, width = size
    count, _, outputs = values.shape
    split = values.reshape(count, height, width, 2, 2, 2, 2, outputs)
    return split.permute(0, 7, 1, 3, 5, 2, 4, 6).reshape(count, outputs, 4 * height, 4 * width)
