"""Sizes of the grouping model; apart from the model, so that settings can be read without torch."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class GroupingConfig:
    """Shape of the model.

    Attributes:
        backbone: one of `models.backbones.BACKBONES`.
        frozen_stages: how much of it is not trained, see `models.feature_pyramid`; 5 is all of a ResNet.
        dim: width of the maps that are joined.
        embedding: numbers a pixel.
    """

    backbone: str = "augnet_resnet50"
    frozen_stages: int = 5
    dim: int = 128
    embedding: int = 32
