"""Fitting `models.learned_odds`: the axes of the backbone's map, then logistic regression on targets in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from models.backbone import computing
from models.learned_odds import LearnedOdds, OddsShape
from ops.grouping.settings import OddsSettings, View
from ops.pixel_tree.recipe import working_image
from ops.pixel_tree.stages import network_input
from ops.training_source import TrainingSource
from stores.masks import SOURCES, MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_HUMAN = SOURCES.index("human")
_TOKENS = 300  # of each photo, for the axes
_PHOTOS_FOR_AXES = 60


def annotated_photos(source: TrainingSource, most: int, seed: int) -> Iterator[tuple[np.ndarray, MaskSet]]:
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
def untaught(
    model: GroupingModel,
    photos: Sequence[np.ndarray],
    describing: Callable[[int], int],
    settings: OddsSettings,
    view: View,
    seed: int,
) -> LearnedOdds:
    """Odds that have learned nothing but the principal axes of the backbone's coarsest map, on the model's device.

    Args:
        photos: uint8 RGB (H, W, 3), of which the first few are looked at.
        describing: how many numbers describe a thing, from the number of axes.
        view: the size at which they are looked at.
        seed: of the choice of places and of the first weights.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = []
    for image in photos[:_PHOTOS_FOR_AXES]:
        with computing("auto", device):
            coarse = model.pyramid(network_input(working_image(image, view.side), view.side).to(device))[-1]
        unit = functional.normalize(coarse[0].float().cpu(), dim=0).flatten(1).T
        tokens.append(unit[torch.randperm(len(unit), generator=generator)[:_TOKENS]])
    together = torch.cat(tokens)
    origin = together.mean(dim=0)
    _, spread, directions = torch.linalg.svd(together - origin, full_matrices=False)
    kept = min(settings.axes, len(spread))
    torch.manual_seed(seed)
    odds = LearnedOdds(OddsShape(together.shape[1], kept, describing(kept), settings.hidden))
    odds.origin.copy_(origin)
    odds.axes.copy_(directions[:kept].T)
    return odds.to(device)


def fit_odds(
    odds: LearnedOdds,
    described: torch.Tensor,
    target: torch.Tensor,
    settings: OddsSettings,
    seed: int,
    known: torch.Tensor | None = None,
    weight: torch.Tensor | None = None,
) -> LearnedOdds:
    """Fitted on the CPU, where it takes seconds; fixed and back on its device.

    Args:
        described: (n, D). target: (n,) float32 in [0, 1].
        known: (n,) log-odds that are known already, an offset, so that only what they lack is learned.
        weight: (n,) of each in the loss; None: all alike.
    """
    device = odds.axes.device
    odds = odds.cpu().train()
    odds.mean.copy_(described.float().mean(dim=0))
    odds.spread.copy_(described.float().std(dim=0) + 1e-4)
    trust = torch.tensor([0.5, -2.0], requires_grad=True)
    groups: list[dict[str, Any]] = [{"params": odds.parameters()}, {"params": [trust], "weight_decay": 0.0}]
    optimiser = torch.optim.AdamW(groups, lr=settings.learning_rate, weight_decay=settings.weight_decay)
    torch.manual_seed(seed)
    for _ in range(settings.steps):
        picked = torch.randint(len(target), (settings.batch,))
        added = odds(described[picked])
        foretold = added if known is None else trust[0] * known[picked] + trust[1] + added
        counted = None if weight is None else weight[picked] / weight[picked].mean()
        loss = functional.binary_cross_entropy_with_logits(foretold, target[picked], counted)
        loss = loss + settings.restraint * added.square().mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return odds.eval().requires_grad_(False).to(device)
