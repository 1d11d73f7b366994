"""Class activation maps of an image's tags, over several scales and mirrored (CAM, Grad-CAM++, LayerCAM)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from PIL import Image
from torch.nn import functional

from models.image_classifier import ImageClassifier
from models.input_sides import nearest_side
from ops.features import normalise_pixels
from ops.sepl.class_settings import CamSettings, MissingLibrary
from ops.sepl.walk import affinity_features, scaled_to_one

_GRID_STRIDE = 8
Method = Callable[[ImageClassifier, torch.Tensor, Sequence[int]], torch.Tensor]


@dataclass(frozen=True)
class Activations:
    """What the classifier saw of an image.

    Attributes:
        labels: label numbers of the K tags, ascending.
        maps: (K, h, w) float32 in [0, 1] on a grid of 8 pixels a cell; all 0 for a class that fired nowhere.
        features: (C, h, w) float32, the body's, for the random walk.
    """

    labels: tuple[int, ...]
    maps: torch.Tensor
    features: torch.Tensor


def activations(model: ImageClassifier, image: np.ndarray, labels: Sequence[int], settings: CamSettings) -> Activations:
    """Activation maps of the tagged classes of one uint8 RGB (H, W, 3) image.

    Args:
        labels: label numbers; k stands for the classifier's class k - 1.

    Raises:
        MissingLibrary: Grad-CAM++ and LayerCAM come from torchcam.
    """
    device = next(model.parameters()).device
    size = _input_size(image.shape[:2], settings.size, 1.0)
    grid = (size[0] // _GRID_STRIDE, size[1] // _GRID_STRIDE)
    classes = [label - 1 for label in labels]
    total = torch.zeros((len(classes), *grid))
    for scale in settings.scales:
        pixels = whole_image(image, settings.size, scale).to(device)
        for mirrored in (False, True) if settings.flip else (False,):
            seen = METHODS[settings.method](model, pixels.flip(3) if mirrored else pixels, classes).float().cpu()
            resized = functional.interpolate(seen.clamp(min=0)[None], grid, mode="bilinear", align_corners=False)[0]
            total += resized.flip(2) if mirrored else resized
    with torch.no_grad():
        maps = model.body(whole_image(image, settings.size).to(device))
        features = affinity_features([each.cpu() for each in maps if _is_fine(each, grid)], grid)
    return Activations(tuple(labels), scaled_to_one(total), features)


def whole_image(image: np.ndarray, longer: int, scale: float = 1.0) -> torch.Tensor:
    """Normalised pixels (1, 3, h, w) of a uint8 RGB image whose longer side becomes `longer` times `scale` pixels.

    Both sides become multiples of 32.
    """
    height, width = _input_size(image.shape[:2], longer, scale)
    small = Image.fromarray(image).resize((width, height), Image.Resampling.BICUBIC)
    return normalise_pixels(np.asarray(small)[None])


def _plain(model: ImageClassifier, pixels: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
    with torch.no_grad():
        return model.activations(model.body(pixels)[-1])[0, list(classes)]


def _by_gradient(name: str) -> Method:
    def method(model: ImageClassifier, pixels: torch.Tensor, classes: Sequence[int]) -> torch.Tensor:
        try:
            from torchcam import methods
        except ImportError as error:
            raise MissingLibrary(f"{name} needs the package torchcam: pip install 'unsam-pipeline[classes]'") from error
        with torch.enable_grad(), getattr(methods, name)(_Pooled(model), target_layer="features") as extractor:
            scores = extractor.model(pixels.requires_grad_())
            maps = [extractor(index, scores, retain_graph=True)[0][0] for index in classes]
        return torch.stack(maps).nan_to_num() if maps else torch.zeros(0, 1, 1)

    return method


class _Pooled(torch.nn.Module):
    """The classifier with its last map as a layer that can be hooked."""

    def __init__(self, model: ImageClassifier) -> None:
        super().__init__()
        self.model = model
        self.features = torch.nn.Identity()

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        return self.model.logits(self.features(self.model.body(pixels)[-1]))


METHODS: dict[str, Method] = {
    "cam": _plain,
    "gradcam++": _by_gradient("GradCAMpp"),
    "layercam": _by_gradient("LayerCAM"),
}


def _is_fine(each: torch.Tensor, grid: tuple[int, int]) -> bool:
    """Whether a map has stride 8 or 16."""
    return grid[0] // 2 <= each.shape[2] <= grid[0]


def _input_size(size: tuple[int, int], longer: int, scale: float) -> tuple[int, int]:
    factor = longer * scale / max(size)
    return nearest_side(size[0] * factor), nearest_side(size[1] * factor)
