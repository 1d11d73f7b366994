"""Which query answers for which target: one optimal assignment an image and output (spec 4.1, matcher)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import numpy as np
import torch
from scipy.optimize import linear_sum_assignment
from torch.nn import functional

from models.query_outputs import MASK, QueryOutputs
from ops.bit_targets import BitTargets, sample_shared
from ops.training_settings import LossSettings


@dataclass(frozen=True)
class Matches:
    """Pairs of one output over all images, sorted by image and query.

    Shapes for K pairs: images, queries, targets: (K,) int64; targets count over the whole batch, as `BitTargets.bits`.
    """

    images: torch.Tensor
    queries: torch.Tensor
    targets: torch.Tensor

    def __len__(self) -> int:
        return len(self.images)


def match(
    outputs: QueryOutputs, targets: BitTargets, points: torch.Tensor, settings: LossSettings, pool: ThreadPoolExecutor
) -> list[Matches]:
    """Assign targets to queries at every output, min(Q, M) pairs an image.

    All costs are on their way to the CPU before the first assignment, which run on the pool's threads.

    Args:
        points: (L, B, P, 2), or (1, B, P, 2) for the same points at every output.
    """
    jobs, places = [], []
    for image, output, cost in _costs(outputs, targets, points, settings):
        jobs.append(pool.submit(_assign, cost))
        places.append((output, image))
    pairs = dict(zip(places, (job.result() for job in jobs), strict=True))
    starts = targets.starts()
    images = range(len(targets.counts))
    return [
        _joined([pairs[output, image] for image in images], starts, points.device)
        for output in range(len(outputs.embeddings))
    ]


def pairwise_costs(
    logits: torch.Tensor, class_logits: torch.Tensor, truth: torch.Tensor, settings: LossSettings
) -> torch.Tensor:
    """Costs (Q, M) of queries with logits (Q, P) and (Q, 2) against targets (M, P) at the same P points.

    Cross-entropy of x against t is softplus(x) - x t, so that one product of logits and targets does for all pairs.
    """
    probabilities = logits.sigmoid()
    truth_sums = truth.sum(1)
    entropy = (functional.softplus(logits).sum(1)[:, None] - logits @ truth.T) / logits.shape[1]
    overlap = probabilities @ truth.T
    dice = 1 - (2 * overlap + 1) / (probabilities.sum(1)[:, None] + truth_sums[None] + 1)
    cost_class = -class_logits.softmax(-1)[:, MASK]
    return settings.mask_weight * entropy + settings.dice_weight * dice + settings.class_weight * cost_class[:, None]


@torch.no_grad()
def _costs(
    outputs: QueryOutputs, targets: BitTargets, points: torch.Tensor, settings: LossSettings
) -> Iterator[tuple[int, int, torch.Tensor]]:
    """(image, output, costs), images outermost so that shared points are looked up once."""
    for image in range(len(targets.counts)):
        sampled = [_at_points(outputs, targets, image, own) for own in points[:, image]]
        for output, embeddings in enumerate(outputs.embeddings):
            features, truth = sampled[output % len(sampled)]
            logits = embeddings[image] @ features
            yield image, output, pairwise_costs(logits, outputs.class_logits[output][image], truth, settings)


def _at_points(
    outputs: QueryOutputs, targets: BitTargets, image: int, points: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Mask features (D, P) and targets (M, P) of one image at points (P, 2)."""
    grid = 2 * points[None, :, None] - 1
    features = functional.grid_sample(outputs.mask_features[image][None], grid, align_corners=False)
    return features[0, :, :, 0], sample_shared(targets.of_image(image), targets.width, points)


def _assign(cost: torch.Tensor) -> tuple[np.ndarray, np.ndarray]:
    largest = float(np.finfo(np.float32).max)
    return linear_sum_assignment(np.nan_to_num(cost.cpu().numpy(), nan=largest, posinf=largest, neginf=largest))


def _joined(pairs: Sequence[tuple[np.ndarray, np.ndarray]], starts: Sequence[int], device: torch.device) -> Matches:
    images = np.concatenate([np.full(len(queries), image) for image, (queries, _) in enumerate(pairs)])
    queries = np.concatenate([queries for queries, _ in pairs])
    targets = np.concatenate([found + start for (_, found), start in zip(pairs, starts, strict=True)])
    return Matches(*(torch.as_tensor(part, dtype=torch.int64, device=device) for part in (images, queries, targets)))
