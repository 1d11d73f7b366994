"""Pixels to grids of tokens, and to unit tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
import torch
from PIL import Image

from models.backbone import Backbone

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
_FILTERS = {"lanczos": Image.Resampling.LANCZOS, "bicubic": Image.Resampling.BICUBIC}


def extract(
    backbone: Backbone,
    images: Sequence[np.ndarray],
    size: int | tuple[int, int],
    *,
    resample: Literal["lanczos", "bicubic"] = "lanczos",
    batch_size: int = 8,
) -> list[np.ndarray]:
    """Features of whole images or crops, each resized without keeping its aspect (spec 1.2, 1.3).

    Args:
        images: uint8 RGB (H, W, 3) each, of any sizes.
        size: side, or (H, W), in pixels of the network's input; multiples of its stride.
        resample: LANCZOS for whole images, bicubic for crops, as the papers' code has it.
        batch_size: images a forward pass.

    Returns:
        For each image float32 (h, w, C), h = H / stride, neither centred nor normalised.
    """
    height, width = (size, size) if isinstance(size, int) else size
    tokens: list[np.ndarray] = []
    for start in range(0, len(images), batch_size):
        batch = [_resize(image, (height, width), resample) for image in images[start : start + batch_size]]
        tokens.extend(forward_pixels(backbone, np.stack(batch)))
    return tokens


def forward_pixels(backbone: Backbone, pixels: np.ndarray) -> np.ndarray:
    """Features float32 (B, h, w, C) of uint8 RGB images (B, H, W, 3) that have the network's input size."""
    with torch.inference_mode():
        return backbone(normalise_pixels(pixels)).cpu().numpy()


def normalise_pixels(pixels: np.ndarray) -> torch.Tensor:
    """uint8 RGB (B, H, W, 3) to float32 (B, 3, H, W) with ImageNet's mean 0 and deviation 1."""
    scaled = torch.from_numpy(np.array(pixels, order="C")).permute(0, 3, 1, 2).float() / 255
    mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    return (scaled - mean) / std


def normalise_tokens(features: np.ndarray, centre: bool) -> np.ndarray:
    """Unit tokens float32 (h, w, C); `centre` first subtracts the image's mean token. A zero token stays zero."""
    features = np.asarray(features, np.float32)
    if centre:
        features = features - features.reshape(-1, features.shape[-1]).mean(axis=0)
    norms = np.linalg.norm(features, axis=-1, keepdims=True)
    return features / np.maximum(norms, np.finfo(np.float32).tiny)


def _resize(image: np.ndarray, size: tuple[int, int], resample: str) -> np.ndarray:
    height, width = size
    return np.asarray(Image.fromarray(image).resize((width, height), _FILTERS[resample]))
