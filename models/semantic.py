"""Semantic segmentation: a pretrained body and the LR-ASPP head of torchvision (Howard et al. 2019)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.nn import functional
from torchvision.models.segmentation.lraspp import LRASPPHead

from models.feature_body import FeatureBody, build_body
from models.network_files import load_network, save_network

KIND = "semantic_model"
_FINE_STRIDE = 8


@dataclass(frozen=True)
class SemanticShape:
    """How to build a network without its weights: body and stride as of `build_body`, width of the head, labels."""

    body: str
    stride: int
    width: int
    labels: tuple[str, ...]


class SemanticModel(nn.Module):
    """Classes of pixels from the body's last map and the one of stride 8.

    Args:
        shape: sizes and names; the first label is the background.
        body: with its weights.
    """

    def __init__(self, shape: SemanticShape, body: FeatureBody) -> None:
        super().__init__()
        self.shape = shape
        self.body = body.eval()
        with torch.no_grad():
            maps = body(torch.zeros(1, 3, 64, 64))
        self._fine = max(index for index, each in enumerate(maps) if each.shape[-1] >= 64 // _FINE_STRIDE)
        self.head = LRASPPHead(body.channels[self._fine], body.channels[-1], len(shape.labels), shape.width)

    def train(self, mode: bool = True) -> SemanticModel:
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits (B, labels, H, W) of ImageNet-normalised pixels (B, 3, H, W), H and W multiples of 32."""
        maps = self.body(pixels)
        logits = self.head({"low": maps[self._fine], "high": maps[-1]})
        return functional.interpolate(logits, pixels.shape[-2:], mode="bilinear", align_corners=False)


def build_semantic(shape: SemanticShape, weights: str | None = None) -> SemanticModel:
    """A network to train: head at random (seed torch first), body pretrained.

    Raises:
        WeightsUnavailable: of the body.
    """
    return SemanticModel(shape, build_body(shape.body, shape.stride, weights=weights))


def save_semantic(model: SemanticModel, path: str | Path) -> None:
    save_network(model, KIND, asdict(model.shape), path, torch.float16)


def load_semantic(path: str | Path, device: str | torch.device = "cpu") -> SemanticModel:
    """The network of `save_semantic`.

    Raises:
        WeightsUnavailable: not such a file.
    """

    def built(shape: dict[str, Any]) -> SemanticModel:
        known = SemanticShape(**{**shape, "labels": tuple(shape["labels"])})
        return SemanticModel(known, build_body(known.body, known.stride, pretrained=False))

    return load_network(path, KIND, "a segmentation network", built, device)
