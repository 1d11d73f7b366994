"""Sizes of the promptable model; apart from the model, so that settings can be read without torch."""

from __future__ import annotations

from dataclasses import dataclass

STRIDE = 16
"""Pixels a cell of the image embedding; mask logits are four times as fine."""


@dataclass(frozen=True)
class PromptableConfig:
    """Shape of the model; the defaults are SAM's (spec 10.1) with UnSAM's six outputs (spec 7.1).

    Attributes:
        backbone: one of `models.image_encoder.ENCODERS`.
        frozen_stages: how much of it is not trained, see `models.feature_pyramid`.
        image_size: side in pixels of the square input, a multiple of `models.input_sides.MULTIPLE`.
        outputs: masks that the model offers for an ambiguous prompt, beside the one for a clear prompt.
        dim: width of the image embedding and of the decoder.
        decoder_layers: two-way attention layers.
        feedforward: hidden width of those layers.
        fine_features: the backbone's maps of strides 4 and 8 join the masks' pixels, as in SAM 2.
        granularity: the model takes a granularity in [0.1, 1], as UnSAMv2 does.
        drawn_prompts: clicks and boxes also reach the image's cells as a drawing, through an encoder like that of mask
            prompts, and a learned share of it is added to the logits: an untrained model's answer to a box is the box.
        text_dim: width of a CLIP embedding that it takes; 0 where it takes no text.
    """

    backbone: str = "dino_resnet50"
    frozen_stages: int = 0
    image_size: int = 1024
    outputs: int = 6
    dim: int = 256
    decoder_layers: int = 2
    feedforward: int = 2048
    fine_features: bool = True
    granularity: bool = True
    drawn_prompts: bool = True
    text_dim: int = 0
