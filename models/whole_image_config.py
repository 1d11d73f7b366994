"""Sizes of the whole-image model; apart from the model, so that settings can be read without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WholeImageConfig:
    """Shape of the model; the defaults are the papers' (spec 4.1).

    Attributes:
        backbone: one of `models.backbones.BACKBONES`.
        frozen_stages: how much of it is not trained, see `models.feature_pyramid`.
        queries: masks that the model can find in one image, where they are learned.
        seed_stride: pixels between the cells that give queries instead (`models.query_seeds`), a multiple of 8; 0
            learns them, as the papers do.
        seed_levels: queries a cell.
        encoder_layers: deformable-attention layers of the pixel decoder.
        decoder_layers: masked-attention layers; there is one more output, of the learned queries themselves.
        dim: width of pixel decoder, decoder and masks.
        feedforward: hidden width of the decoder's layers.
    """

    backbone: str = "dino_resnet50"
    frozen_stages: int = 0
    queries: int = 2000
    seed_stride: int = 0
    seed_levels: int = 3
    encoder_layers: int = 6
    decoder_layers: int = 9
    dim: int = 256
    feedforward: int = 2048
