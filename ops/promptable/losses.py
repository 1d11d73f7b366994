"""Focal and dice loss of masks, pair by pair or of all pairs at once, and their IoU (spec 10.3).

Truth may be soft: a cell of the logits' grid holds the share of its pixels that are in the mask. Both losses are
linear in it, so that the costs of all pairs are two matrix products.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from ops.promptable.settings import PromptLossSettings


def pair_losses(
    logits: torch.Tensor, truth: torch.Tensor, settings: PromptLossSettings
) -> tuple[torch.Tensor, torch.Tensor]:
    """Focal loss, its mean over the pixels, and dice loss of P masks: (P,) each for logits and truth (P, h, w)."""
    inside, outside = _focal_terms(logits.flatten(1), settings)
    truth = truth.flatten(1)
    focal = (inside * truth + outside * (1 - truth)).mean(1)
    probabilities = logits.flatten(1).sigmoid()
    shared, total = (probabilities * truth).sum(1), (probabilities + truth).sum(1)
    return focal, 1 - (2 * shared + 1) / (total + 1)


@torch.no_grad()
def all_pair_costs(logits: torch.Tensor, truth: torch.Tensor, settings: PromptLossSettings) -> torch.Tensor:
    """Weighted losses (R, M) of every mask of logits (R, h, w) with every target (M, h, w)."""
    inside, outside = _focal_terms(logits.flatten(1), settings)
    probabilities, truth = logits.flatten(1).sigmoid(), truth.flatten(1)
    focal = (inside - outside) @ truth.T / truth.shape[1] + outside.mean(1, keepdim=True)
    total = probabilities.sum(1, keepdim=True) + truth.sum(1)
    dice = 1 - (2 * probabilities @ truth.T + 1) / (total + 1)
    return settings.focal_weight * focal + settings.dice_weight * dice


@torch.no_grad()
def all_pair_ious(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    """IoU (R, M) of every mask of logits (R, h, w), cut at 0, with every target (M, h, w), cut at one half."""
    masks, wanted = (logits.flatten(1) > 0).float(), (truth.flatten(1) > 0.5).float()
    shared = masks @ wanted.T
    return shared / (masks.sum(1, keepdim=True) + wanted.sum(1) - shared).clamp(min=1)


def _focal_terms(logits: torch.Tensor, settings: PromptLossSettings) -> tuple[torch.Tensor, torch.Tensor]:
    """What a pixel costs if it is in the mask, and if it is not (Lin et al. 2017)."""
    chance = logits.sigmoid()
    inside = settings.focal_alpha * (1 - chance) ** settings.focal_gamma * functional.softplus(-logits)
    outside = (1 - settings.focal_alpha) * chance**settings.focal_gamma * functional.softplus(logits)
    return inside, outside
