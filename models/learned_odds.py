"""Log-odds that a few annotated or many pseudo-labelled photos can teach, of regions or of borders between them.

Of a region: how much more it looks like what people draw than its score says, as SAM's predicted IoU does
(2304.02643, section 3). Of a border between superpixels: whether masks end there, as in learned agglomeration (Ren and
Shakhnarovich 2013). Both from what the backbone shows and a few measures, through one hidden layer.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

_LARGEST = 4.0  # standard deviations beyond which a descriptor says no more


@dataclass(frozen=True)
class OddsShape:
    """Sizes.

    Attributes:
        channels: of the backbone's coarsest map. axes: kept of it.
        descriptors: numbers that describe one region or border. hidden: units of the hidden layer.
    """

    channels: int
    axes: int
    descriptors: int
    hidden: int = 32


class LearnedOdds(nn.Module):
    """Log-odds, from descriptors that `ops.grouping` makes.

    Args:
        shape: sizes of the parts.
    """

    origin: torch.Tensor
    axes: torch.Tensor
    mean: torch.Tensor
    spread: torch.Tensor

    def __init__(self, shape: OddsShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("origin", torch.zeros(shape.channels))
        self.register_buffer("axes", torch.zeros(shape.channels, shape.axes))
        self.register_buffer("mean", torch.zeros(shape.descriptors))
        self.register_buffer("spread", torch.ones(shape.descriptors))
        self.first = nn.Linear(shape.descriptors, shape.hidden)
        self.dropout = nn.Dropout(0.3)
        self.last = nn.Linear(shape.hidden, 1)

    def compress(self, coarse: torch.Tensor) -> torch.Tensor:
        """(h, w, axes) float32 of a backbone's map (C, h, w): its unit vectors along the axes."""
        unit = functional.normalize(coarse.float(), dim=0) - self.origin[:, None, None]
        return torch.einsum("chw,ca->hwa", unit, self.axes)

    def forward(self, descriptors: torch.Tensor) -> torch.Tensor:
        """(m,) of (m, descriptors).

        Raises:
            ValueError: what describes a thing is not what it learned from.
        """
        given, learned = descriptors.shape[1], self.shape.descriptors
        if given != learned:
            raise ValueError(
                f"this model judges by {learned} numbers and is given {given}: "
                "it was trained by another version of this software, train it again"
            )
        standard = ((descriptors.float() - self.mean) / self.spread).clamp(-_LARGEST, _LARGEST)
        return self.last(self.dropout(functional.gelu(self.first(standard))))[:, 0]
