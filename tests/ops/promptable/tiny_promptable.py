"""A promptable model of milliseconds, weights at random but the same every time."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from PIL import Image
from skimage import data
from torch import nn

from models.image_embedding import ImageEmbedding
from models.promptable import PromptableModel
from models.promptable_config import PromptableConfig
from ops.promptable.settings import PromptableSettings, PromptSettings
from ops.training_settings import LoaderSettings, OptimiserSettings

SIDE = 64
SHAPE = PromptableConfig(
    backbone="tiny", image_size=SIDE, outputs=3, dim=64, feedforward=64, decoder_layers=2, granularity=True
)
SETTINGS = PromptableSettings(
    model=SHAPE,
    prompting=PromptSettings(prompts=6, clicks=1, repeats=1),
    loader=LoaderSettings(size=SIDE, fit="long", max_masks=20, workers=1),
    optimiser=OptimiserSettings(learning_rate=2e-3, reference_batch=2, clip=1.0),
    batch=2,
    steps=4,
    checkpoint_every=2,
    log_every=1,
    precision="float32",
)


class TinyEncoder(nn.Module):
    """Convolutions of strides 4, 8 and 16 in place of a backbone."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.pyramid = nn.Module()
        self.pyramid.body = nn.Conv2d(3, dim // 8, 4, stride=4)
        self.eighth = nn.Conv2d(dim // 8, dim // 4, 2, stride=2)
        self.sixteenth = nn.Conv2d(dim // 4, dim, 2, stride=2)

    def forward(self, pixels: torch.Tensor) -> ImageEmbedding:
        quarter = self.pyramid.body(pixels)
        eighth = self.eighth(quarter)
        return ImageEmbedding(self.sixteenth(eighth), (eighth, quarter))


def tiny_model(seed: int = 0) -> PromptableModel:
    """In eval mode; scores spread over a few tenths, so that thresholds cut somewhere."""
    torch.manual_seed(seed)
    model = PromptableModel(SHAPE, TinyEncoder(SHAPE.dim))
    for module in model.mask_decoder.output_hypernetworks_mlps:
        nn.init.normal_(module.proj_out.weight, std=1.0)
    nn.init.normal_(model.drawn_embed.conv3.weight, std=1.0)
    nn.init.normal_(model.mask_decoder.iou_prediction_head.proj_out.weight, std=1.0)
    return model.eval()


@cache
def photo(height: int = 60, width: int = 90) -> np.ndarray:
    """A photo of (H, W) pixels."""
    return np.asarray(Image.fromarray(data.coffee()).resize((width, height)))
