"""Learning where human masks end: log-odds of every border between two superpixels (`models.learned_odds`).

What a merge tree joins first decides which masks it can propose. The recipe's cues say how much two sides differ; a few
annotated photos say which differences part things, and which are a stripe, a shadow or a window of the same thing.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.learned_odds import LearnedOdds
from ops.grouping.border_descriptors import border_descriptor_count
from ops.grouping.looking import look
from ops.grouping.odds_fitting import annotated_photos, fit_odds, untaught
from ops.grouping.settings import BorderSettings, GroupingPrediction, View
from ops.grouping.views import turns
from ops.pixel_tree.full_size import labels_at_size
from ops.pixel_tree.region_graph import RegionGraph
from ops.settings import PixelTreeSettings
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_THREADS = 2


def learn_borders(
    model: GroupingModel,
    source: TrainingSource,
    settings: BorderSettings,
    prediction: GroupingPrediction,
    seed: int,
    log: Say | None = None,
) -> LearnedOdds | None:
    """Where the human masks of `source` end; None where no photo has any.

    Args:
        model: in whose embeddings both sides of a border are compared.
        prediction: the views in which photos are looked at.
        seed: of the choice of photos and of everything random.
        log: is told what it is about to do, which takes seconds a photo.
    """
    annotated = list(annotated_photos(source, settings.photos, seed))
    if not annotated:
        return None
    if log:
        log(f"learning where masks end from {len(annotated)} photos with human masks")
    was_training = model.training
    model.eval()
    photos = [image for image, _ in annotated]
    borders = untaught(model, photos, border_descriptor_count, settings, prediction.views[0], seed)
    described, target, length = _borders(model, borders, annotated, settings, prediction, seed)
    model.train(was_training)
    if not len(target):
        return None
    return fit_odds(borders, described, target, settings, seed, weight=length.sqrt())


def parted(masks: MaskSet, labels: np.ndarray, graph: RegionGraph) -> tuple[np.ndarray, np.ndarray]:
    """(E,) bool, whether a mask holds one side of each border but not the other; (E,) bool, whether any holds a side.

    Where no mask is, nobody said whether both sides belong together; nor of a leaf too small for the photo's pixels.

    Args:
        masks: what people drew on the photo.
        labels: (H, W) int32 of the photo, which leaf holds each pixel. graph: of these leaves.
    """
    area = np.bincount(labels.reshape(-1), minlength=int(graph.second.max()) + 1)
    members = _members(masks, labels, area)
    one, other = members[:, graph.first], members[:, graph.second]
    there = (area[graph.first] > 0) & (area[graph.second] > 0)
    return (one != other).any(axis=0), (one | other).any(axis=0) & there


def _members(masks: MaskSet, labels: np.ndarray, area: np.ndarray) -> np.ndarray:
    """(m, n) bool, whether a mask holds most of a leaf; area (n,) pixels of each."""
    members = np.zeros((len(masks), len(area)), bool)
    for index, (x, y, w, h) in enumerate(masks.boxes.tolist()):
        inside = np.bincount(labels[y : y + h, x : x + w][masks.crop(index)], minlength=len(area))
        members[index] = 2 * inside > area
    return members


def _borders(
    model: GroupingModel,
    borders: LearnedOdds,
    annotated: list[tuple[np.ndarray, MaskSet]],
    settings: BorderSettings,
    prediction: GroupingPrediction,
    seed: int,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Descriptors (n, D) float16, targets and lengths (n,) of borders of which masks say something."""

    def seen(job: tuple[int, View, bool]) -> tuple[np.ndarray, np.ndarray, np.ndarray] | None:
        number, view, as_elder = job
        image, masks = annotated[number]
        looked = look(image, view, model, PixelTreeSettings(), as_elder)
        if looked.flat:
            return None
        target, known = parted(masks, labels_at_size(looked.labels, image), looked.graph)
        chosen = np.random.default_rng([seed, number]).permutation(np.flatnonzero(known))[: settings.borders]
        described = looked.borders_described(borders)[chosen].astype(np.float16)
        return described, target[chosen].astype(np.float32), looked.graph.length[chosen]

    jobs = [(number, *turn) for number in range(len(annotated)) for turn in turns(prediction.views)]
    with ThreadPoolExecutor(_THREADS) as threads:
        parts = [part for part in threads.map(seen, jobs) if part is not None]
    if not parts:
        return torch.empty(0), torch.empty(0), torch.empty(0)
    described, target, length = (torch.from_numpy(np.concatenate(part)) for part in zip(*parts, strict=True))
    return described, target, length
