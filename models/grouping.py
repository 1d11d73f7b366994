"""Which pixels belong together: an embedding of every pixel, learned from masks of many photos.

Masks of one photo at every granularity say of each pair of pixels what share of the masks that hold one hold both.
The network foretells that share for photos that it has not seen, as the cosine of two pixels' embeddings. What masks
say by accident, of one photo's texture or noise, differs from photo to photo and is not learned; what they say again
and again is. A merge tree over these embeddings gives masks (`ops.grouping`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from models.feature_pyramid import FeaturePyramid, build_pyramid, load_pretrained
from models.grouping_config import GroupingConfig
from models.input_sides import check_sides
from models.learned_odds import LearnedOdds, OddsShape
from models.network_files import load_network, save_network

KIND = "grouping"
_NORM_GROUPS = 8


class GroupingHead(nn.Module):
    """A backbone's maps, joined from coarse to fine (Lin et al. 2017), and unit embeddings at stride 4.

    Args:
        channels: of the backbone's maps, fine to coarse.
        dim: width of the maps that are joined.
        embedding: numbers a pixel.
    """

    def __init__(self, channels: Sequence[int], dim: int, embedding: int) -> None:
        super().__init__()
        self.lateral = nn.ModuleList(nn.Conv2d(each, dim, 1) for each in channels)
        self.smooth = nn.ModuleList(_Smoothing(dim) for _ in channels)
        self.embed = nn.Conv2d(dim, embedding, 1)

    def embeddings(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """Unit vectors (B, D, h, w) float32 of maps fine to coarse, as large as the finest."""
        return functional.normalize(self.embed(self._top_down(maps)).float(), dim=1)

    def _top_down(self, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        """The finest map with what all coarser ones say."""
        joined = self.smooth[-1](self.lateral[-1](maps[-1]))
        for lateral, smooth, fine in zip(self.lateral[-2::-1], self.smooth[-2::-1], maps[-2::-1], strict=True):
            enlarged = functional.interpolate(joined, size=fine.shape[-2:], mode="bilinear", align_corners=False)
            joined = smooth(lateral(fine) + enlarged)
        return joined


class GroupingModel(GroupingHead):
    """A backbone and the head on it.

    Args:
        shape: sizes of the parts.
        pyramid: the backbone's maps; None builds that of `shape.backbone` with random weights.

    Attributes:
        elders: heads of earlier models on the same backbone, the oldest first, which look at a photo together with this
            one's.
        borders: whether masks end between two neighbouring superpixels; None of a model that did not learn it.
        quality: what people would draw, of a model that learned from human masks too; else None.
    """

    elders: nn.ModuleList
    borders: LearnedOdds | None
    quality: LearnedOdds | None

    def __init__(self, shape: GroupingConfig, pyramid: FeaturePyramid | None = None) -> None:
        pyramid = pyramid or build_pyramid(shape.backbone, shape.frozen_stages)
        super().__init__(pyramid.channels, shape.dim, shape.embedding)
        self.shape = shape
        self.pyramid = pyramid
        self.elders = nn.ModuleList()
        self.borders = None
        self.quality = None

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Unit embeddings (B, D, H / 4, W / 4) float32 of ImageNet-normalised pixels (B, 3, H, W).

        Raises:
            ValueError: a side is no multiple of 32.
        """
        return self.embeddings(self._maps(pixels))

    @property
    def head_count(self) -> int:
        """Its own head and those beside it."""
        return 1 + len(self.elders)

    def look(self, pixels: torch.Tensor) -> tuple[list[torch.Tensor], torch.Tensor]:
        """The embeddings of every head, its own last, and the coarsest map (B, C, H / 32, W / 32).

        Raises:
            ValueError: as `forward`.
        """
        maps = self._maps(pixels)
        heads = [*self.elders, self]
        return [head.embeddings(maps) for head in heads], maps[-1]

    def _maps(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        check_sides(pixels.shape[-2], pixels.shape[-1])
        return self.pyramid(pixels)


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


def beside(elder: GroupingModel, frozen_stages: int) -> GroupingModel:
    """A model to train on the backbone of another, whose heads stay beside its own: several opinions for one backbone.

    Args:
        elder: the earlier model.
        frozen_stages: of the new model's shape.

    Raises:
        ValueError: the backbone would be trained, and change what the elder sees.
    """
    model = GroupingModel(replace(elder.shape, frozen_stages=frozen_stages))
    if any(weight.requires_grad for weight in model.pyramid.parameters()):
        raise ValueError(
            f"the backbone {model.shape.backbone} is trained with frozen_stages={frozen_stages}, and would change what "
            "the head beside it sees: freeze all of it, or go on without standing beside"
        )
    model.pyramid.load_state_dict(elder.pyramid.state_dict())
    model.elders = _heads_beside(model, elder.head_count)
    for head, known in zip(model.elders, [*elder.elders, elder], strict=True):
        wanted = head.state_dict().keys()
        head.load_state_dict({name: value for name, value in known.state_dict().items() if name in wanted})
    return model


def _heads_beside(model: GroupingModel, count: int) -> nn.ModuleList:
    """Heads as large as the model's own, which do not learn any more."""
    shape = model.shape
    heads = nn.ModuleList(GroupingHead(model.pyramid.channels, shape.dim, shape.embedding) for _ in range(count))
    return heads.requires_grad_(False)


def save_grouping(model: GroupingModel, path: str | Path, dtype: torch.dtype = torch.float32) -> None:
    """Write weights and shape as one safetensors file; float16 halves it."""
    parts = {
        "elders": len(model.elders),
        "borders": asdict(model.borders.shape) if model.borders else None,
        "quality": asdict(model.quality.shape) if model.quality else None,
    }
    save_network(model, KIND, asdict(model.shape) | parts, path, dtype)


def load_grouping(path: str | Path, device: str | torch.device = "cpu") -> GroupingModel:
    """The model of `save_grouping`, in float32, ready to predict.

    Raises:
        WeightsUnavailable: no such file, a damaged one, or one of another kind.
    """

    def built(shape: dict[str, Any]) -> GroupingModel:
        elders, borders, quality = shape.pop("elders", 0), shape.pop("borders", None), shape.pop("quality", None)
        model = GroupingModel(GroupingConfig(**shape))
        model.elders = _heads_beside(model, elders)
        model.borders = LearnedOdds(OddsShape(**borders)) if borders else None
        model.quality = LearnedOdds(OddsShape(**quality)) if quality else None
        return model

    return load_network(path, KIND, "a grouping model", built, device)
