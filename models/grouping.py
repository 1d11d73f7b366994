"""Which pixels belong together: an embedding of every pixel, learned from masks of many photos.

Masks of one photo at every granularity say of each pair of pixels what share of the masks that hold one hold both.
The network foretells that share for photos that it has not seen, as the cosine of two pixels' embeddings. What masks
say by accident, of one photo's texture or noise, differs from photo to photo and is not learned; what they say again
and again is. A merge tree over these embeddings gives masks (`ops.grouping`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.feature_pyramid import FeaturePyramid, build_pyramid, load_pretrained
from models.grouping_config import GroupingConfig
from models.input_sides import check_sides
from models.network_files import load_network, save_network
from models.region_quality import QualityShape, RegionQuality

KIND = "grouping"
_NORM_GROUPS = 8


class GroupingModel(nn.Module):
    """A backbone's maps, joined from coarse to fine (Lin et al. 2017), and unit embeddings at stride 4.

    Args:
        shape: sizes of the parts.
        pyramid: the backbone's maps; None builds that of `shape.backbone` with random weights.

    Attributes: quality, what people would draw, of a model that learned from human masks too; else None.
    """

    quality: RegionQuality | None

    def __init__(self, shape: GroupingConfig, pyramid: FeaturePyramid | None = None) -> None:
        super().__init__()
        self.shape = shape
        self.pyramid = pyramid or build_pyramid(shape.backbone, shape.frozen_stages)
        self.lateral = nn.ModuleList(nn.Conv2d(channels, shape.dim, 1) for channels in self.pyramid.channels)
        self.smooth = nn.ModuleList(_Smoothing(shape.dim) for _ in self.pyramid.channels)
        self.embed = nn.Conv2d(shape.dim, shape.embedding, 1)
        self.quality = None

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unit embeddings (B, D, H / 4, W / 4) float32 of ImageNet-normalised pixels (B, 3, H, W).

        Raises:
            ValueError: a side is no multiple of 32.
        """
        return self.look(pixels)[0]

    def look(self, pixels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings, and the backbone's coarsest map (B, C, H / 32, W / 32).

        Raises:
            ValueError: as `forward`.
        """
        check_sides(pixels.shape[-2], pixels.shape[-1])
        maps = self.pyramid(pixels)
        return functional.normalize(self.embed(self._top_down(maps)).float(), dim=1), maps[-1]

    def _top_down(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """The finest map with what all coarser ones say."""
        joined = self.smooth[-1](self.lateral[-1](maps[-1]))
        for lateral, smooth, fine in zip(self.lateral[-2::-1], self.smooth[-2::-1], maps[-2::-1], strict=True):
            enlarged = functional.interpolate(joined, size=fine.shape[-2:], mode="bilinear", align_corners=False)
            joined = smooth(lateral(fine) + enlarged)
        return joined


class _Smoothing(nn.Module):
    """Two convolutions and what they were given."""

    def __init__(self, dim: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.GroupNorm(_NORM_GROUPS, dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1),
            nn.GroupNorm(_NORM_GROUPS, dim),
            nn.ReLU(),
            nn.Conv2d(dim, dim, 3, padding=1),
        )

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        return features + self.layers(features)


def build_grouping(shape: GroupingConfig, weights: str | None = None) -> GroupingModel:
    """A model to train: head at random (seed torch first), backbone with its self-supervised weights.

    Raises:
        WeightsUnavailable: the backbone's weights cannot be had; `weights` may name a file or URL.
    """
    model = GroupingModel(shape)
    load_pretrained(model.pyramid, shape.backbone, weights)
    return model


def save_grouping(model: GroupingModel, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and shape as one safetensors file; float16 halves it."""
    quality = asdict(model.quality.shape) if model.quality else None
    save_network(model, KIND, asdict(model.shape) | {"quality": quality}, path, dtype)


def load_grouping(path: str | Path, device: str | torch.device = "cpu") -> GroupingModel:
    """The model of `save_grouping`, in float32, ready to predict.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
    """

    def built(shape: dict[str, Any]) -> GroupingModel:
        quality = shape.pop("quality", None)
        model = GroupingModel(GroupingConfig(**shape))
        model.quality = RegionQuality(QualityShape(**quality)) if quality else None
        return model

    return load_network(path, KIND, "a grouping model", built, device)
