"""Losses of a set of predicted masks against target masks, at sampled points (spec 4.1, rows losses and points)."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from models.query_outputs import MASK, NO_MASK, QueryOutputs
from ops.bit_targets import BitTargets, sample
from ops.matching import Matches, match
from ops.point_kernels import point_losses
from ops.training_settings import LossSettings


@dataclass(frozen=True)
class LossTerms:
    """The loss to minimise, and its parts (already weighted, summed over outputs, detached) to show."""

    total: torch.Tensor
    parts: dict[str, torch.Tensor]


class PointSampler:
    """Draws the points, uniform in [0, 1]², from one generator.

    Args:
        settings: how many points.
        generator: its device is that of the points.
    """

    def __init__(self, settings: LossSettings, generator: torch.Generator) -> None:
        self.candidates_count = int(settings.points * settings.oversample)
        self.uncertain = int(settings.importance * settings.points)
        self.others_count = settings.points - self.uncertain
        self.points = settings.points
        self._generator = generator

    def matching(self, outputs: int, images: int) -> torch.Tensor:
        """(1, B, P, 2): the same points at every output."""
        del outputs
        return self._draw(1, images, self.points)

    def candidates(self, output: int, masks: int) -> torch.Tensor:
        """(K, oversample * P, 2), among which the loss picks the least sure."""
        del output
        return self._draw(masks, self.candidates_count)

    def others(self, output: int, masks: int) -> torch.Tensor:
        """(K, R, 2), used as they are."""
        del output
        return self._draw(masks, self.others_count)

    def _draw(self, *shape: int) -> torch.Tensor:
        return torch.rand(*shape, 2, generator=self._generator, device=self._generator.device)


def mask_set_losses(
    outputs: QueryOutputs, targets: BitTargets, settings: LossSettings, sampler: PointSampler, mask_count: float
) -> LossTerms:
    """Cross-entropy, point BCE and dice of every output against its own optimal matches.

    Args:
        mask_count: what the mask losses are divided by, see `target_count`.
    """
    matches = match(
        outputs, targets, sampler.matching(len(outputs.embeddings), len(targets.counts)), settings, _threads()
    )
    # Every parameter stays in the graph when there is no target at all: data-parallel training waits for all of them.
    total = 0 * (outputs.mask_features.sum() + sum(embedding.sum() for embedding in outputs.embeddings))
    parts = dict.fromkeys(("class", "mask", "dice"), torch.zeros((), device=total.device))
    for output, matched in enumerate(matches):
        weights = (settings.mask_weight / mask_count, settings.dice_weight / mask_count)
        logits = _matched_logits(outputs, output, matched)
        loss, entropy, dice = _point_losses(logits, targets, matched, output, sampler, weights, settings.drop_iou)
        classes = settings.class_weight * _class_loss(outputs.class_logits[output], matched, settings)
        total = total + loss + classes
        parts["class"] = parts["class"] + classes.detach()
        parts["mask"] = parts["mask"] + weights[0] * entropy.sum()
        parts["dice"] = parts["dice"] + weights[1] * dice.sum()
    return LossTerms(total, parts)


def target_count(targets: BitTargets) -> float:
    """Masks a worker on average, at least 1 (spec 4.1: num_masks all-reduced mean over ranks, min 1)."""
    count = torch.tensor(float(len(targets)), device=targets.bits.device)
    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.all_reduce(count)
        count /= torch.distributed.get_world_size()
    return max(float(count), 1.0)


def _matched_logits(outputs: QueryOutputs, output: int, matched: Matches) -> torch.Tensor:
    """(K, h, w): only the masks that count are ever multiplied out at full size."""
    embeddings = outputs.embeddings[output]
    features = outputs.mask_features
    parts = []
    for image in range(len(features)):
        queries = matched.queries[matched.images == image]
        parts.append(embeddings[image, queries] @ features[image].flatten(1))
    return torch.cat(parts).view(-1, *features.shape[-2:])


def _class_loss(class_logits: torch.Tensor, matched: Matches, settings: LossSettings) -> torch.Tensor:
    labels = torch.full(class_logits.shape[:2], NO_MASK, device=class_logits.device)
    labels[matched.images, matched.queries] = MASK
    weights = torch.tensor([1.0, settings.no_object_weight], device=class_logits.device)
    return functional.cross_entropy(class_logits.transpose(1, 2), labels, weights)


def _point_losses(
    logits: torch.Tensor,
    targets: BitTargets,
    matched: Matches,
    output: int,
    sampler: PointSampler,
    weights: tuple[float, float],
    drop_iou: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Weighted sum (with gradient), BCE (K,) and dice (K,) of matched masks."""
    candidates = sampler.candidates(output, len(matched))
    others = sampler.others(output, len(matched))
    if logits.device.type == "cpu":
        return _CompiledPointLosses.apply(
            logits, targets, matched.targets, candidates, others, sampler.uncertain, weights, drop_iou
        )
    bits = targets.bits[matched.targets]
    return torch_point_losses(logits, bits, targets.width, candidates, others, sampler.uncertain, weights, drop_iou)


def torch_point_losses(
    logits: torch.Tensor,
    bits: torch.Tensor,
    width: int,
    candidates: torch.Tensor,
    others: torch.Tensor,
    uncertain: int,
    weights: tuple[float, float],
    drop_iou: float | None,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """What `ops.point_kernels.point_losses` computes, in torch operations; target i is `bits[i]` (K, H, W / 8).

    Returns:
        The weighted sum, differentiable; BCE and dice of each mask, (K,) detached.
    """
    with torch.no_grad():
        doubt = _at(logits, candidates).abs()
        picked = doubt.topk(uncertain, dim=1, largest=False, sorted=False).indices
        points = torch.cat([candidates.gather(1, picked[..., None].expand(-1, -1, 2)), others], dim=1)
        truth = sample(bits, width, points)
    values = _at(logits, points)
    probabilities = values.sigmoid()
    shared, total = (probabilities * truth).sum(1), (probabilities + truth).sum(1)
    entropy = functional.binary_cross_entropy_with_logits(values, truth, reduction="none").mean(1)
    dice = 1 - (2 * shared + 1) / (total + 1)
    if drop_iou is not None:
        counted = (shared > drop_iou * (total - shared)).detach()
        entropy, dice = entropy * counted, dice * counted
    return (weights[0] * entropy + weights[1] * dice).sum(), entropy.detach(), dice.detach()


class _CompiledPointLosses(torch.autograd.Function):
    """`point_losses` split over threads; the forward pass already has the gradient."""

    @staticmethod
    def forward(
        ctx: Any,
        logits: torch.Tensor,
        targets: BitTargets,
        target_of: torch.Tensor,
        candidates: torch.Tensor,
        others: torch.Tensor,
        uncertain: int,
        weights: tuple[float, float],
        drop_iou: float | None,
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        if not logits.isfinite().all():
            return _CompiledPointLosses._not_finite(ctx, logits)
        losses = np.zeros((len(logits), 2))
        gradient = np.zeros(logits.shape, np.float32)
        fixed = (
            logits.detach().contiguous().numpy(),
            targets.bits.numpy(),
            targets.width,
            target_of.numpy(),
            candidates.numpy(),
            others.numpy(),
            uncertain,
            weights,
            -1.0 if drop_iou is None else drop_iou,
        )
        cuts = np.linspace(0, len(logits), torch.get_num_threads() + 1).astype(int)
        spans = list(zip(cuts[:-1].tolist(), cuts[1:].tolist(), strict=True))
        list(_threads().map(lambda span: point_losses(*fixed, span, losses, gradient), spans))
        ctx.save_for_backward(torch.from_numpy(gradient))
        entropy, dice = torch.from_numpy(losses).float().unbind(1)
        ctx.mark_non_differentiable(entropy, dice)
        return (weights[0] * entropy + weights[1] * dice).sum(), entropy, dice

    @staticmethod
    def _not_finite(ctx: Any, logits: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """NaN everywhere: the least sure points of such masks are not defined."""
        ctx.save_for_backward(torch.full_like(logits, torch.nan))
        nothing = logits.new_full((len(logits),), torch.nan)
        ctx.mark_non_differentiable(nothing)
        return nothing.sum(), nothing, nothing

    @staticmethod
    def backward(ctx: Any, *upstream: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        (gradient,) = ctx.saved_tensors
        return gradient * upstream[0], None, None, None, None, None, None, None


def _at(logits: torch.Tensor, points: torch.Tensor) -> torch.Tensor:
    grid = 2 * points[:, :, None] - 1
    return functional.grid_sample(logits[:, None], grid, align_corners=False)[:, 0, :, 0]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(torch.get_num_threads(), thread_name_prefix="mask-losses")
