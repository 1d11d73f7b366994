"""SAM's own checkpoints, through `transformers`, in the form of our promptable model (spec 10.1)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import SamModel

from models.image_embedding import ImageEmbedding
from models.promptable import PromptableModel
from models.promptable_config import PromptableConfig
from models.weights import WeightsUnavailable


class OfficialEncoder(nn.Module):
    """The vision transformer of a `SamModel`."""

    def __init__(self, vision_encoder: nn.Module) -> None:
        super().__init__()
        self.vision_encoder = vision_encoder

    def forward(self, pixels: torch.Tensor) -> ImageEmbedding:
        """The embedding of ImageNet-normalised pixels (B, 3, 1024, 1024)."""
        return ImageEmbedding(self.vision_encoder(pixels).last_hidden_state)


def load_official_sam(source: str, device: str | torch.device = "cpu") -> PromptableModel:
    """A checkpoint such as `facebook/sam-vit-base` with SAM's three outputs, ready to predict.

    Args:
        source: a folder with `config.json` and `model.safetensors`, or a name on the hub.

    Raises:
        WeightsUnavailable: they cannot be had.
    """
    try:
        stock = SamModel.from_pretrained(source, use_safetensors=True, local_files_only=Path(source).is_dir())
    except (OSError, ValueError) as error:
        raise WeightsUnavailable(
            f"no SAM checkpoint at {source}: name a folder with its config.json and model.safetensors, "
            "or be online once"
        ) from error
    return as_promptable(stock).eval().to(device)


def as_promptable(stock: SamModel) -> PromptableModel:
    """A `SamModel` as a promptable model of the same weights."""
    config: Any = stock.config
    decoder, prompts = config.mask_decoder_config, config.prompt_encoder_config
    shape = PromptableConfig(
        backbone="official",
        image_size=prompts.image_size,
        outputs=decoder.num_multimask_outputs,
        dim=decoder.hidden_size,
        decoder_layers=decoder.num_hidden_layers,
        feedforward=decoder.mlp_dim,
        fine_features=False,
        granularity=False,
        drawn_prompts=False,
    )
    model = PromptableModel(shape, OfficialEncoder(stock.vision_encoder))
    model.prompt_encoder = stock.prompt_encoder
    model.mask_decoder = stock.mask_decoder
    return model
