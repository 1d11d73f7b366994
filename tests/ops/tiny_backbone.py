"""A network so small that a test can run it a hundred times: mean colours and edges of every 8 x 8 pixels."""

from __future__ import annotations

import torch
from torch.nn import functional

from models.backbone import Backbone, BackboneDefaults

THETAS = (0.97, 0.93, 0.85, 0.7, 0.5, 0.3, 0.1)


class TinyBackbone(Backbone):
    """Twelve fixed channels of stride 8: a random 8 x 8 convolution of the pixels."""

    def __init__(self, thetas: tuple[float, ...] = THETAS, centre: bool = True) -> None:
        super().__init__("tiny", 8, 12, BackboneDefaults(tau=0.2, thetas=thetas, centre=centre, size=64))
        generator = torch.Generator().manual_seed(0)
        self.kernel = torch.nn.Parameter(torch.randn(12, 3, 8, 8, generator=generator) + 0.5)
        self.finish("cpu", torch.float32)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.stages(pixels)[-1]

    def stages(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        tokens = functional.conv2d(self.prepare(pixels), self.kernel, stride=8)
        return [tokens.permute(0, 2, 3, 1).contiguous()]
