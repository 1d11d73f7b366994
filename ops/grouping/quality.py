"""Learning what people draw, from photos with human masks (UnSAM+, spec 6): `models.region_quality`.

A region's target is its overlap with the human mask that it fits best. What the label recipe's score says of it
already is an offset, so that only what the score lacks is learned; at prediction it is added to the score.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from models.backbone import computing
from models.region_quality import QualityShape, RegionQuality
from ops.grouping.agreement import nearest
from ops.grouping.descriptors import descriptor_count
from ops.grouping.odds import log_odds
from ops.grouping.settings import GroupingPrediction, QualitySettings, View
from ops.grouping.views import Candidates, find_candidates, turns
from ops.pixel_tree.recipe import working_image
from ops.pixel_tree.stages import network_input
from ops.settings import PixelTreeSettings
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import SOURCES, MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_HUMAN = SOURCES.index("human")
_POOR, _GOOD = 0.4, 0.9  # overlap of a region that is worth nothing, and of one that is worth all
_TOKENS = 300  # of each photo, for the axes
_PHOTOS_FOR_AXES = 60
_THREADS = 2


@dataclass(frozen=True)
class Regions:
    """What is learned from: descriptors (n, D), log-odds of scores (n,) and targets in [0, 1] (n,), all float32."""

    described: torch.Tensor
    odds: torch.Tensor
    target: torch.Tensor


def learn_quality(
    model: GroupingModel,
    source: TrainingSource,
    settings: QualitySettings,
    prediction: GroupingPrediction,
    seed: int,
    log: Say | None = None,
) -> RegionQuality | None:
    """What people draw, as far as the photos of `source` with human masks tell; None where none has any.

    Args:
        model: in whose embeddings the trees grow.
        prediction: the views in which photos are looked at.
        seed: of the choice of photos and of everything random.
        log: is told what it is about to do, which takes seconds a photo.
    """
    annotated = list(_annotated(source, settings.photos, seed))
    if not annotated:
        return None
    if log:
        log(f"learning what people draw from {len(annotated)} photos with human masks")
    was_training = model.training
    model.eval()
    quality = _with_axes(model, annotated, settings, prediction.views[0], seed)
    regions = _regions(model, quality, annotated, prediction)
    model.train(was_training)
    return _fitted(quality, regions, settings, seed)


def overlaps(found: Candidates, view: View, masks: MaskSet) -> np.ndarray:
    """(m,) the largest IoU of each candidate with any of the masks, in the frame of the view."""
    labels = found.leaves.labels
    pixels = (labels[:, ::-1] if view.mirrored else labels).reshape(-1)
    count = len(found.leaves)
    member = found.sets.membership(count)
    area = member @ found.leaves.area
    best = np.zeros(len(found.sets), np.float32)
    for index in range(len(masks)):
        inside = nearest(masks.dense(index), labels.shape).reshape(-1)
        shared = member @ np.bincount(pixels[inside], minlength=count).astype(np.float32)
        best = np.maximum(best, shared / np.maximum(area + inside.sum() - shared, 1))
    return best


def _annotated(source: TrainingSource, most: int, seed: int) -> Iterator[tuple[np.ndarray, MaskSet]]:
    """Photos with their human masks, in random order."""
    found = 0
    for index in np.random.default_rng(seed).permutation(len(source)).tolist():
        if found == most:
            return
        image, masks = source[index]
        human = masks.take(np.flatnonzero((masks.source == _HUMAN) & (masks.boxes[:, 2] > 0)))
        if len(human):
            found += 1
            yield image, human


@torch.no_grad()
def _with_axes(
    model: GroupingModel,
    annotated: Sequence[tuple[np.ndarray, MaskSet]],
    settings: QualitySettings,
    view: View,
    seed: int,
) -> RegionQuality:
    """A head that has learned nothing but the principal axes of the backbone's coarsest map."""
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = []
    for image, _ in annotated[:_PHOTOS_FOR_AXES]:
        with computing("auto", device):
            coarse = model.pyramid(network_input(working_image(image, view.side), view.side).to(device))[-1]
        unit = functional.normalize(coarse[0].float().cpu(), dim=0).flatten(1).T
        tokens.append(unit[torch.randperm(len(unit), generator=generator)[:_TOKENS]])
    together = torch.cat(tokens)
    origin = together.mean(dim=0)
    _, spread, directions = torch.linalg.svd(together - origin, full_matrices=False)
    kept = min(settings.axes, len(spread))
    torch.manual_seed(seed)
    quality = RegionQuality(QualityShape(together.shape[1], kept, descriptor_count(kept)))
    quality.origin.copy_(origin)
    quality.axes.copy_(directions[:kept].T)
    return quality.to(device)


def _regions(
    model: GroupingModel,
    quality: RegionQuality,
    annotated: Sequence[tuple[np.ndarray, MaskSet]],
    prediction: GroupingPrediction,
) -> Regions:
    options = PixelTreeSettings()

    def look(job: tuple[np.ndarray, MaskSet, View, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        image, masks, view, as_elder = job
        found = find_candidates(image, view, model, options, prediction.candidates, as_elder)
        if found is None:
            return None
        worth = np.clip((overlaps(found, view, masks) - _POOR) / (_GOOD - _POOR), 0, 1)
        with torch.inference_mode():
            return found.described(quality), log_odds(found.score).astype(np.float32), worth

    jobs = [(image, masks, *turn) for image, masks in annotated for turn in turns(prediction.views)]
    with ThreadPoolExecutor(_THREADS) as threads:
        seen = [looked for looked in threads.map(look, jobs) if looked is not None]
    described, odds, target = (torch.from_numpy(np.concatenate(parts)) for parts in zip(*seen, strict=True))
    return Regions(described, odds, target)


def _fitted(quality: RegionQuality, regions: Regions, settings: QualitySettings, seed: int) -> RegionQuality:
    """Logistic regression with the score's log-odds as an offset; on the CPU, where it takes seconds."""
    device = quality.axes.device
    quality = quality.cpu().train()
    quality.mean.copy_(regions.described.mean(dim=0))
    quality.spread.copy_(regions.described.std(dim=0) + 1e-4)
    known = torch.tensor([0.5, -2.0], requires_grad=True)
    groups: list[dict[str, Any]] = [{"params": quality.parameters()}, {"params": [known], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    torch.manual_seed(seed)
    for _ in range(settings.steps):
        picked = torch.randint(len(regions.target), (settings.batch,))
        added = quality(regions.described[picked])
        odds = known[0] * regions.odds[picked] + known[1] + added
        loss = functional.binary_cross_entropy_with_logits(odds, regions.target[picked])
        loss = loss + settings.restraint * added.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return quality.eval().requires_grad_(False).to(device)
