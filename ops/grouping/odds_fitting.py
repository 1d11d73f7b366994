"""Fitting `models.learned_odds`: the axes of the backbone's map, then logistic regression on targets in [0, 1]."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch.nn import functional

from models.backbone import computing
from models.learned_odds import LearnedOdds, OddsShape
from ops.grouping.settings import GroupingPrediction, LessonSettings, OddsSettings, View
from ops.grouping.views import turns
from ops.pixel_tree.recipe import working_image
from ops.pixel_tree.stages import network_input
from ops.progress import StageProgress
from ops.stages import Say
from ops.training_source import TrainingSource
from stores.masks import SOURCES, MaskSet

if TYPE_CHECKING:
    from models.grouping import GroupingModel

_HUMAN = SOURCES.index("human")
_TOKENS = 300  # of each photo, for the axes
_PHOTOS_FOR_AXES = 60
_THREADS = 2


@dataclass(frozen=True)
class TellingPhoto:
    """A photo to learn from, read whenever it is needed: hundreds of large ones would not fit the memory.

    Attributes:
        only_human: of its masks, those that a person drew.
    """

    source: TrainingSource
    index: int
    only_human: bool

    def read(self) -> tuple[np.ndarray, MaskSet]:
        """uint8 RGB (H, W, 3) and the masks that tell."""
        image, masks = self.source[self.index]
        told = (masks.boxes[:, 2] > 0) & (is_human(masks) | (not self.only_human))
        return image, masks.take(np.flatnonzero(told))


def telling_photos(source: TrainingSource, most: int, seed: int, only_human: bool) -> Iterator[TellingPhoto]:
    """At most `most` photos that have masks that tell, in random order."""
    found = 0
    for index in np.random.default_rng(seed).permutation(len(source)).tolist():
        if found == most:
            return
        photo = TellingPhoto(source, index, only_human)
        if len(photo.read()[1]):
            found += 1
            yield photo


def is_human(masks: MaskSet) -> np.ndarray:
    """(n,) bool, which masks a person drew."""
    return masks.source == _HUMAN


@dataclass(frozen=True)
class Seen:
    """What one view of a photo teaches of n things; all views leave out the same.

    Shapes:
        described: (n, D). target: (n,) float32 in [0, 1]. known, weight: (n,) float32 as in `fit_odds`.
    """

    described: np.ndarray
    target: np.ndarray
    known: np.ndarray | None = None
    weight: np.ndarray | None = None


@dataclass(frozen=True)
class Lesson:
    """One view of the photo of that number, uint8 RGB (H, W, 3), with the masks to learn from; who leads in it."""

    number: int
    image: np.ndarray
    masks: MaskSet
    view: View
    leader: int


def learn_odds(
    model: GroupingModel,
    sources: Sequence[TrainingSource],
    settings: LessonSettings,
    prediction: GroupingPrediction,
    seed: int,
    describing: Callable[[int], int],
    teach: Callable[[LearnedOdds, Lesson], Seen | None],
    name: str,
    log: Say | None = None,
    only_human: bool = True,
) -> LearnedOdds | None:
    """What all views of some photos teach; None where they teach nothing.

    Args:
        sources: of each at most `settings.photos`.
        only_human: heed only masks that a person drew, and photos that have any.
        describing: how many numbers describe a thing, from the number of axes.
        teach: what there is to learn in one view, if anything; called from several threads.
        name: of what is learned, beside its progress. log: is told how far it is.
    """
    photos = [photo for source in sources for photo in telling_photos(source, settings.photos, seed, only_human)]
    if not photos:
        return None
    was_training = model.training
    model.eval()
    odds = untaught(model, photos, describing, settings, prediction.views[0], seed)

    def taught(number: int) -> list[Seen]:
        image, masks = photos[number].read()
        lessons = [Lesson(number, image, masks, *turn) for turn in turns(prediction.views, model.head_count)]
        return [found for lesson in lessons if (found := teach(odds, lesson)) is not None]

    seen: list[Seen] = []
    with ThreadPoolExecutor(_THREADS) as threads, StageProgress(name, len(photos), log=log) as progress:
        for done, found in enumerate(threads.map(taught, range(len(photos))), start=1):
            seen += found
            progress(done)
    model.train(was_training)
    if not sum(len(each.target) for each in seen):
        return None
    known = [each.known for each in seen if each.known is not None]
    weight = [each.weight for each in seen if each.weight is not None]
    return fit_odds(
        odds,
        _joined([each.described for each in seen]),
        _joined([each.target for each in seen]),
        settings,
        seed,
        _joined(known) if known else None,
        _joined(weight) if weight else None,
    )


def _joined(parts: Sequence[np.ndarray]) -> torch.Tensor:
    return torch.from_numpy(np.concatenate(parts))


@torch.no_grad()
def untaught(
    model: GroupingModel,
    photos: Sequence[TellingPhoto],
    describing: Callable[[int], int],
    settings: OddsSettings,
    view: View,
    seed: int,
) -> LearnedOdds:
    """Odds that have learned nothing but the principal axes of the backbone's coarsest map, on the model's device.

    Args:
        photos: of which the first few are looked at.
        describing: how many numbers describe a thing, from the number of axes.
        view: the size at which they are looked at.
        seed: of the choice of places and of the first weights.
    """
    device = next(model.parameters()).device
    generator = torch.Generator().manual_seed(seed)
    tokens = []
    for image, _ in (photo.read() for photo in photos[:_PHOTOS_FOR_AXES]):
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
