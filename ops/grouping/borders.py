"""Learning where masks end: log-odds of every border between two superpixels (`models.learned_odds`).

What a merge tree joins first decides which masks it can propose. The recipe's cues say how much two sides differ; a few
annotated photos say which differences part things, and which are a stripe, a shadow or a window of the same thing.
Masks on which several views of a photo agreed say it too, if less surely: they know more than one view sees.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from models.learned_odds import LearnedOdds
from ops.grouping.border_descriptors import border_descriptor_count
from ops.grouping.looking import look
from ops.grouping.odds_fitting import Lesson, Seen, is_human, learn_odds
from ops.grouping.settings import BorderSettings, GroupingLossSettings, GroupingPrediction
from ops.pixel_tree.full_size import labels_at_size
from ops.pixel_tree.region_graph import RegionGraph
from ops.settings import PixelTreeSettings
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_WHOLE = GroupingLossSettings().whole


def learn_borders(
    model: GroupingModel,
    sources: Sequence[TrainingSource],
    settings: BorderSettings,
    prediction: GroupingPrediction,
    seed: int,
    log: Say | None = None,
) -> LearnedOdds | None:
    """Where the masks of `sources` end that `settings.masks` names; None where no photo has any.

    Args:
        model: in whose embeddings both sides of a border are compared.
        prediction: the views in which photos are looked at.
        seed: of the choice of photos and of everything random.
        log: is told how far it is; it takes seconds a photo.
    """
    options = PixelTreeSettings()

    def teach(borders: LearnedOdds, at: Lesson) -> Seen | None:
        looked = look(at.image, at.view, model, options, at.leader)
        if looked.flat:
            return None
        target, trust = ends(at.masks, labels_at_size(looked.labels, at.image), looked.graph, settings.human_weight)
        chosen = np.random.default_rng([seed, at.number]).permutation(np.flatnonzero(trust))[: settings.borders]
        described = looked.borders_described(borders)[chosen].astype(np.float16)
        weight = trust[chosen] * np.sqrt(looked.graph.length[chosen])
        return Seen(described, target[chosen].astype(np.float32), weight=weight.astype(np.float32))

    name, only_human = "learning where masks end", settings.masks == "human"
    return learn_odds(model, sources, settings, prediction, seed, border_descriptor_count, teach, name, log, only_human)


def ends(
    masks: MaskSet, labels: np.ndarray, graph: RegionGraph, human_weight: float = 1.0
) -> tuple[np.ndarray, np.ndarray]:
    """(E,) in [0, 1], how surely masks end at each border; (E,) what that is worth, 0 where no mask says.

    What people drew decides where it says something, other masks elsewhere.

    Args:
        masks: of the photo. labels: (H, W) int32 of the photo, which leaf holds each pixel. graph: of these leaves.
        human_weight: worth of what people say, where that of other masks is 1.
    """
    human = is_human(masks)
    target, known = parted(masks.take(np.flatnonzero(human)), labels, graph)
    worth = human_weight * known
    if human.all():
        return target, worth
    held, there = held_apart(masks.take(np.flatnonzero(~human)), labels, graph)
    return np.where(known, target, held), np.where(known, worth, there)


def parted(masks: MaskSet, labels: np.ndarray, graph: RegionGraph) -> tuple[np.ndarray, np.ndarray]:
    """(E,) bool, whether a mask holds one side of each border but not the other; (E,) bool, whether any holds a side.

    Where no mask is, nobody said whether both sides belong together; nor of a leaf too small for the photo's pixels.

    Args:
        masks: what people drew on the photo.
        labels: (H, W) int32 of the photo, which leaf holds each pixel. graph: of these leaves.
    """
    area = _areas(labels, graph)
    members = _members(masks, labels, area)
    one, other = members[:, graph.first], members[:, graph.second]
    return (one != other).any(axis=0), (one | other).any(axis=0) & _there(area, graph)


def held_apart(masks: MaskSet, labels: np.ndarray, graph: RegionGraph) -> tuple[np.ndarray, np.ndarray]:
    """(E,) float64 in [0, 1], how far apart masks hold both sides; (E,) bool, whether the photo has pixels of both.

    The square is 1 less the share of masks, by score, that hold both sides among those that hold one: what embeddings
    learn (`ops.grouping.losses.memberships`), with its root because most neighbours are in most masks together.

    Args:
        masks: at every granularity. labels, graph: as in `parted`.
    """
    area = _areas(labels, graph)
    weight = np.sqrt(np.maximum(masks.score, 0))[:, None]
    held = np.concatenate([_members(masks, labels, area) * weight, np.full((1, len(area)), _WHOLE**0.5)])
    held /= np.linalg.norm(held, axis=0)
    shared = np.einsum("me,me->e", held[:, graph.first], held[:, graph.second])
    return np.sqrt(np.clip(1 - shared, 0, 1)), _there(area, graph)


def _areas(labels: np.ndarray, graph: RegionGraph) -> np.ndarray:
    return np.bincount(labels.reshape(-1), minlength=int(graph.second.max()) + 1)


def _there(area: np.ndarray, graph: RegionGraph) -> np.ndarray:
    """(E,) bool, whether the photo has pixels of both sides."""
    return (area[graph.first] > 0) & (area[graph.second] > 0)


def _members(masks: MaskSet, labels: np.ndarray, area: np.ndarray) -> np.ndarray:
    """(m, n) bool, whether a mask holds most of a leaf; area (n,) pixels of each."""
    members = np.zeros((len(masks), len(area)), bool)
    for index, (x, y, w, h) in enumerate(masks.boxes.tolist()):
        inside = np.bincount(labels[y : y + h, x : x + w][masks.crop(index)], minlength=len(area))
        members[index] = 2 * inside > area
    return members
