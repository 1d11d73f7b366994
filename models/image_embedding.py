"""What an image encoder leaves for the prompts (spec 10.1)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

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

    def of_image(self, index: int) -> ImageEmbedding:
        """The embedding of one image, as a batch of one."""
        picked = slice(index, index + 1)
        return ImageEmbedding(self.coarse[picked], tuple(level[picked] for level in self.fine))

    def map(self, change: Callable[[torch.Tensor], torch.Tensor]) -> ImageEmbedding:
        return replace(self, coarse=change(self.coarse), fine=tuple(change(level) for level in self.fine))
