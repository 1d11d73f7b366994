"""Multi-label classifier whose class activation maps say where it looked (CAM, Zhou et al. 2016)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn

from models.feature_body import FeatureBody, build_body
from models.network_files import load_network, save_network

KIND = "image_classifier"


@dataclass(frozen=True)
class ClassifierShape:
    """How to build a classifier without its weights.

    Attributes:
        body: name, see `models.feature_body.build_body`.
        stride: pixels a cell of the activation maps, where the body can choose.
        classes: names, without the background.
        rows: class index of each row of the head; a class of several rows takes the largest.
        frozen: whether the body's weights stay as they are.
    """

    body: str
    stride: int
    classes: tuple[str, ...]
    rows: tuple[int, ...]
    frozen: bool = False


class ImageClassifier(nn.Module):
    """Body, global average, one linear head. The body's normalisation layers keep their statistics.

    Args:
        shape: sizes and names.
        body: with its weights.
    """

    _rows: torch.Tensor

    def __init__(self, shape: ClassifierShape, body: FeatureBody) -> None:
        super().__init__()
        self.shape = shape
        self.body = body.eval().requires_grad_(not shape.frozen)
        self.head = nn.Linear(body.channels[-1], len(shape.rows))
        self.register_buffer("_rows", torch.tensor(shape.rows), persistent=False)

    def train(self, mode: bool = True) -> ImageClassifier:
        super().train(mode)
        self.body.eval()
        return self

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of ImageNet-normalised pixels (B, 3, H, W)."""
        return self.logits(self.body(pixels)[-1])

    def logits(self, features: torch.Tensor) -> torch.Tensor:
        """Logits (B, K) of the body's last map (B, C, h, w)."""
        return self._by_class(self.head(features.mean(dim=(2, 3))))[0]

    def activations(self, features: torch.Tensor) -> torch.Tensor:
        """Class activation maps (B, K, h, w), not clipped, of the body's last map; of several rows the one that won."""
        by_row = torch.einsum("rc,bchw->brhw", self.head.weight, features)
        winners = self._by_class(self.head(features.mean(dim=(2, 3))))[1]
        return torch.take_along_dim(by_row, winners[:, :, None, None], dim=1)

    def _by_class(self, rows: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Largest logit of each class (B, K), and its row."""
        classes = torch.arange(len(self.shape.classes), device=rows.device)
        own = self._rows[None, :] == classes[:, None]
        best = torch.where(own[None], rows[:, None, :], -torch.inf).max(dim=2)
        return best.values, best.indices


def build_classifier(
    classes: Sequence[str],
    body_name: str,
    stride: int = 16,
    frozen: bool = False,
    class_map: Mapping[str, Sequence[int]] | None = None,
    weights: str | None = None,
) -> ImageClassifier:
    """A classifier on a pretrained body; its head begins at zero, or with rows of the head that the body came with.

    Args:
        classes: names, without the background.
        class_map: by class name, the body's own classes that belong to it; those of no class here are not used.

    Raises:
        WeightsUnavailable: of the body.
        ValueError: a class map for a body without a head, or with an index that it does not have.
    """
    body = build_body(body_name, stride, weights=weights)
    mapped: list[list[int | None]] = [list((class_map or {}).get(name, ())) or [None] for name in classes]
    rows = tuple(index for index, own in enumerate(mapped) for _ in own)
    model = ImageClassifier(ClassifierShape(body_name, stride, tuple(classes), rows, frozen), body)
    with torch.no_grad():
        model.head.weight.zero_()
        model.head.bias.zero_()
        _take_rows(model.head, body, [index for own in mapped for index in own])
    return model


def save_classifier(model: ImageClassifier, path: str | Path) -> None:
    save_network(model, KIND, asdict(model.shape), path, torch.float16)


def load_classifier(path: str | Path, device: str | torch.device = "cpu") -> ImageClassifier:
    """The classifier of `save_classifier`.

    Raises:
        WeightsUnavailable: not such a file.
    """
    return load_network(path, KIND, "an image classifier", _built, device)


def _built(shape: dict[str, Any]) -> ImageClassifier:
    known = ClassifierShape(**{**shape, "classes": tuple(shape["classes"]), "rows": tuple(shape["rows"])})
    return ImageClassifier(known, build_body(known.body, known.stride, pretrained=False))


def _take_rows(head: nn.Linear, body: FeatureBody, indices: Sequence[int | None]) -> None:
    if not any(index is not None for index in indices):
        return
    if body.classifier is None:
        raise ValueError("a class map needs a network that is a classifier already")
    weight, bias = body.classifier
    wrong = [index for index in indices if index is not None and not 0 <= index < len(bias)]
    if wrong:
        raise ValueError(f"the class map names {wrong[:5]}, the network has classes 0 to {len(bias) - 1}")
    for row, index in enumerate(indices):
        if index is not None:
            head.weight[row], head.bias[row] = weight[index], bias[index]
