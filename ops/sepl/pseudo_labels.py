"""Activation maps to a label map, and its refinement: random walk, then dense CRF (spec 9.2, step 3)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional

from models.image_classifier import ImageClassifier
from ops.crf import DenseCrf
from ops.pictures import resized
from ops.sepl.cams import Activations, activations
from ops.sepl.class_settings import CamSettings
from ops.sepl.walk import random_walk
from ops.sharp_upsample import upsample_sharply

_HEAT_STEP = 8


@dataclass(frozen=True)
class PseudoLabels:
    """Label maps of one image, (H, W) uint8 each.

    Attributes:
        refined: after random walk and CRF.
        plain: from the activation maps alone.
        heat: largest activation of any class, 0 to 255 in steps of 8.
        strongest: the tag of that activation, the background's weight left aside.
        empty: tags whose activation map is 0 everywhere; they get no pixel.
    """

    refined: np.ndarray
    plain: np.ndarray
    heat: np.ndarray
    strongest: np.ndarray
    empty: tuple[int, ...]

    def layers(self) -> dict[str, np.ndarray]:
        """By name, as they are stored."""
        return {"labels": self.refined, "cam": self.plain, "heat": self.heat, "strongest": self.strongest}


def pseudo_labels(
    model: ImageClassifier, image: np.ndarray, labels: tuple[int, ...], settings: CamSettings
) -> PseudoLabels:
    """Label maps of one uint8 RGB (H, W, 3) image from its tags; without a tag all is background."""
    size = image.shape[:2]
    if not labels:
        nothing = np.zeros(size, np.uint8)
        return PseudoLabels(nothing, nothing, nothing, nothing, ())
    seen = activations(model, image, labels, settings)
    maps = seen.maps
    if settings.walk:
        maps = random_walk(maps, seen.features, settings.walk_radius, settings.walk_power, settings.walk_steps)
    refined = refined_labels(maps, seen.labels, image, settings)
    full = _enlarged(seen.maps, size)
    hottest = full.max(dim=0)
    heat = (hottest.values.numpy() * (255 // _HEAT_STEP)).round().astype(np.uint8) * _HEAT_STEP
    strongest = np.array(seen.labels, np.uint8)[hottest.indices.numpy()]
    empty = tuple(label for label, own in zip(seen.labels, seen.maps, strict=True) if not own.any())
    return PseudoLabels(refined, labels_of(full, seen.labels, settings), heat, strongest, empty)


def refined_labels(maps: torch.Tensor, labels: tuple[int, ...], image: np.ndarray, settings: CamSettings) -> np.ndarray:
    """Labels (H, W) uint8 of walked maps (K, h, w), by a CRF on a small copy of the image where it is wanted."""
    if not settings.crf:
        return labels_of(_enlarged(maps, image.shape[:2]), labels, settings)
    small = resized(image, settings.crf_size)
    rough = labels_of(_enlarged(maps, small.shape[:2]), labels, settings)
    smooth = DenseCrf(small, settings.crf_kernels).refine_partition(rough, settings.crf_confidence)
    return upsample_sharply(smooth.astype(np.int32), small, image).astype(np.uint8)


def labels_of(maps: torch.Tensor, labels: tuple[int, ...], settings: CamSettings) -> np.ndarray:
    """The label of the largest activation, or background where that is too small, (h, w) uint8.

    Args:
        maps: (K, h, w) in [0, 1].
        labels: of the K maps.
    """
    best = maps.max(dim=0)
    if settings.background == "threshold":
        background = torch.full_like(best.values, settings.threshold)
    else:
        background = (1 - best.values) ** settings.power
    names = torch.tensor(labels, dtype=torch.uint8)
    shown = (best.values > background) & (best.values > 0)
    return torch.where(shown, names[best.indices], torch.zeros((), dtype=torch.uint8)).numpy()


def _enlarged(maps: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
    return functional.interpolate(maps[None], size, mode="bilinear", align_corners=False)[0].clamp(0, 1)


__all__ = ["Activations", "PseudoLabels", "labels_of", "pseudo_labels", "refined_labels"]
