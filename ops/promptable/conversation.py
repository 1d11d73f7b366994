"""One image's part of a training step: prompts are drawn, answered, corrected, and every answer is judged."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
import torch

from models.image_embedding import ImageEmbedding
from models.promptable_config import STRIDE
from models.prompts import BOTTOM_RIGHT, FOREGROUND, NO_POINT, TOP_LEFT, Prompts
from ops.bit_targets import BitTargets
from ops.promptable.checks import COARSEST, FINEST
from ops.promptable.losses import all_pair_costs, all_pair_ious, pair_losses
from ops.promptable.settings import PromptLossSettings, PromptSettings
from ops.promptable.simulation import correcting_clicks, first_clicks, noisy_box
from ops.promptable.targets import assign, choose_targets, containing, of_granularity

if TYPE_CHECKING:
    from models.promptable import PromptableModel

Describe = Callable[[np.ndarray], torch.Tensor]
CELL = STRIDE // 4
"""Pixels of the input a cell of the mask logits is wide."""


@dataclass(frozen=True)
class Masks:
    """The target masks of one image.

    Shapes for M masks: bits, of this image alone; truth (M, h, w) float32, the share of each cell of the logits' grid
    that a mask fills; areas (M,) pixels; score and granularity (M,).
    """

    bits: BitTargets
    truth: torch.Tensor
    areas: np.ndarray
    score: np.ndarray
    granularity: torch.Tensor


@dataclass(frozen=True)
class Opening:
    """How N conversations begin.

    Attributes: own, (N,) the mask each is about; prompts; ambiguous, (N,) bool, a lone click that does not say which
    mask it means; targets, the masks that each ambiguous prompt may mean (those of the others are their own).
    """

    own: np.ndarray
    prompts: Prompts
    ambiguous: torch.Tensor
    targets: list[np.ndarray]


@dataclass
class Judgement:
    """Sums of losses over the answers of a conversation, and how many there were."""

    single: torch.Tensor
    multiple: torch.Tensor
    score: torch.Tensor
    singles: int = 0
    multiples: int = 0


def masks_of(targets: BitTargets, image: int, score: torch.Tensor, granularity: torch.Tensor) -> Masks:
    """The targets of one image of a batch, ready to be asked for."""
    start = targets.starts()[image]
    rows = slice(start, start + targets.counts[image])
    alone = BitTargets(targets.of_image(image), (targets.counts[image],), targets.width)
    dense = alone.dense()
    truth = torch.nn.functional.avg_pool2d(dense[None], CELL)[0]
    areas = dense.sum((1, 2)).cpu().numpy()
    return Masks(alone, truth, areas, score[rows].cpu().numpy(), granularity[rows].to(truth.device))


def open_conversations(
    masks: Masks,
    outputs: int,
    settings: PromptSettings,
    loss: PromptLossSettings,
    seed: int,
    describe: Describe | None = None,
) -> Opening:
    """Draw masks to ask for, and the first click, box or text for each.

    A granularity is drawn evenly from all that a user may ask for, and turns the click to the mask of that size.

    Args:
        outputs: masks that the model offers for an ambiguous prompt.
        describe: CLIP's embeddings (n, D) of masks (n, H, W) of this image; None asks without texts.
    """
    generator = np.random.default_rng(seed)
    device, count = masks.truth.device, len(masks.areas)
    own = generator.choice(count, settings.prompts, replace=settings.prompts > count)
    places = torch.from_numpy(own).to(device)
    frames = BitTargets(masks.bits.bits[places], (len(own),), masks.bits.width).dense().cpu().numpy().astype(bool)
    boxed = generator.random(len(own)) < settings.boxes
    worded = (generator.random(len(own)) < settings.text) & ~boxed & (describe is not None)
    asked = (generator.random(len(own)) < settings.granularity) & ~boxed & ~worded
    clicks = first_clicks(frames, settings, generator)
    points, labels = _first_points(frames, clicks, boxed, worded, settings, generator)
    inside = containing(masks.bits, 0, clicks)
    sizes = np.where(asked, generator.uniform(FINEST, COARSEST, len(own)), np.nan).astype(np.float32)
    column = masks.granularity.cpu().numpy()
    for i in np.flatnonzero(asked):
        own[i] = of_granularity(np.flatnonzero(inside[i]), float(sizes[i]), column, masks.areas)
    wanted = torch.from_numpy(sizes).to(device)
    clear = torch.from_numpy(boxed | worded).to(device) | torch.isfinite(wanted)
    prompts = Prompts(
        torch.from_numpy(points).to(device),
        torch.from_numpy(labels).to(device),
        granularity=wanted,
        text=None if describe is None else _texts(describe, frames, worded).to(device),
    )
    targets = _targets(masks, own, inside, ~clear.cpu().numpy(), outputs, loss, generator)
    return Opening(own, prompts, ~clear, targets)


def _first_points(
    frames: np.ndarray,
    clicks: np.ndarray,
    boxed: np.ndarray,
    worded: np.ndarray,
    settings: PromptSettings,
    generator: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Two points (N, 2, 2) and their labels (N, 2) a prompt: a box's corners, a click and none, or none at all."""
    points = np.zeros((len(frames), 2, 2), np.float32)
    labels = np.full((len(frames), 2), NO_POINT, np.int64)
    for i in range(len(frames)):
        if boxed[i]:
            points[i] = noisy_box(frames[i], settings, generator).reshape(2, 2)
            labels[i] = TOP_LEFT, BOTTOM_RIGHT
        elif not worded[i]:
            points[i, 0] = clicks[i]
            labels[i, 0] = FOREGROUND
    return points, labels


def _texts(describe: Describe, frames: np.ndarray, worded: np.ndarray) -> torch.Tensor:
    """Embeddings (N, D), NaN where a prompt has no text."""
    known = describe(frames[worded] if worded.any() else frames[:1])
    texts = torch.full((len(frames), known.shape[1]), torch.nan)
    if worded.any():
        texts[torch.from_numpy(worded)] = known.float().cpu()
    return texts


def _targets(
    masks: Masks,
    own: np.ndarray,
    inside: np.ndarray,
    ambiguous: np.ndarray,
    outputs: int,
    loss: PromptLossSettings,
    generator: np.random.Generator,
) -> list[np.ndarray]:
    if loss.matching == "min":
        return [own[i : i + 1] for i in range(len(own))]
    return [
        choose_targets(
            np.flatnonzero(inside[i]), int(own[i]), outputs, masks.areas, masks.score, loss.targets, generator
        )
        if ambiguous[i]
        else own[i : i + 1]
        for i in range(len(own))
    ]


def hold(
    model: PromptableModel,
    embedding: ImageEmbedding,
    masks: Masks,
    opening: Opening,
    prompting: PromptSettings,
    loss: PromptLossSettings,
    generator: torch.Generator,
) -> Judgement:
    """All rounds of an image's conversations: the first answers, then those to corrections (spec 10.3)."""
    prompts = opening.prompts if model.shape.granularity else replace(opening.prompts, granularity=None)
    zero = masks.truth.new_zeros(())
    judged = Judgement(zero, zero, zero)
    wanted = masks.truth[torch.from_numpy(opening.own).to(masks.truth.device)]
    outputs = range(1 + model.shape.outputs)
    rounds = _rounds(prompting, generator)
    for number, click in enumerate([*rounds, None]):
        first = number == 0
        answers = model.answer(embedding, prompts)
        logits = model.draw(embedding, answers, outputs if first else outputs[:1])
        clear = ~opening.ambiguous if first else torch.ones_like(opening.ambiguous)
        _judge_single(judged, logits[:, 0], answers.scores[:, 0], wanted, clear, loss)
        if first:
            _judge_multiple(judged, logits[:, 1:], answers.scores[:, 1:], masks, opening, loss)
        if click is None:
            break
        given = _best(logits, answers.scores, opening.ambiguous) if first else logits[:, 0]
        prompts = replace(prompts, masks=given.detach())
        if click:
            prompts = prompts.with_click(*correcting_clicks(wanted > 0.5, given > 0, CELL, generator))
    return judged


def _rounds(settings: PromptSettings, generator: torch.Generator) -> list[bool]:
    """Whether each round after the first brings a new click; one round without lies anywhere, one at the end."""
    rounds = [True] * settings.clicks
    if settings.repeats > 1:
        place = int(torch.randint(len(rounds) + 1, (1,), generator=generator, device=generator.device))
        rounds.insert(place, False)
    return rounds + [False] * (settings.repeats > 0)


def _best(logits: torch.Tensor, scores: torch.Tensor, ambiguous: torch.Tensor) -> torch.Tensor:
    """The answer that the next round is given: of an ambiguous prompt the candidate of the highest score."""
    candidate = 1 + scores[:, 1:].argmax(1)
    shown = torch.where(ambiguous, candidate, 0)
    return logits[torch.arange(len(logits), device=logits.device), shown]


def _judge_single(
    judged: Judgement,
    logits: torch.Tensor,
    scores: torch.Tensor,
    wanted: torch.Tensor,
    clear: torch.Tensor,
    settings: PromptLossSettings,
) -> None:
    logits, scores, wanted = logits[clear], scores[clear], wanted[clear]
    if not len(logits):
        return
    focal, dice = pair_losses(logits, wanted, settings)
    judged.single = judged.single + (settings.focal_weight * focal + settings.dice_weight * dice).sum()
    judged.score = judged.score + (scores - _ious(logits, wanted)).square().sum()
    judged.singles += len(logits)


def _judge_multiple(
    judged: Judgement,
    logits: torch.Tensor,
    scores: torch.Tensor,
    masks: Masks,
    opening: Opening,
    settings: PromptLossSettings,
) -> None:
    """Candidates of a click share out the masks that contain it; of a box or with `min` the best is judged alone."""
    count, outputs = scores.shape
    flat = logits.flatten(0, 1)
    targets = [opening.targets[i] for i in range(count)]
    clicks, chosen, answered = assign(all_pair_costs(flat, masks.truth, settings), targets, outputs)
    device = logits.device
    rows = torch.from_numpy(clicks * outputs + chosen).to(device)
    focal, dice = pair_losses(flat[rows], masks.truth[torch.from_numpy(answered).to(device)], settings)
    # A prompt's pairs weigh as much as one mask together: a click on many masks is still one click.
    share = torch.from_numpy(1 / np.bincount(clicks, minlength=count)[clicks]).to(device, logits.dtype)
    judged.multiple = judged.multiple + (share * (settings.focal_weight * focal + settings.dice_weight * dice)).sum()
    judged.multiples += count
    overlaps = all_pair_ious(flat, masks.truth)
    if settings.score_of == "matched":
        paired = overlaps[rows, torch.from_numpy(answered).to(device)]
        judged.score = judged.score + (share * (scores.flatten()[rows] - paired).square()).sum()
        return
    meant = targets if settings.score_of == "any" else [opening.own[i : i + 1] for i in range(count)]
    judged.score = judged.score + _score_error(scores, overlaps, meant)


def _score_error(scores: torch.Tensor, overlaps: torch.Tensor, targets: Sequence[np.ndarray]) -> torch.Tensor:
    """Squared error of every candidate's score against its best IoU with a mask that its prompt may mean."""
    allowed = torch.zeros(len(targets), overlaps.shape[1], dtype=torch.bool, device=overlaps.device)
    for prompt, wanted in enumerate(targets):
        allowed[prompt, torch.from_numpy(wanted).to(allowed.device)] = True
    best = (overlaps.unflatten(0, scores.shape) * allowed[:, None]).amax(2)
    return (scores - best).square().mean(1).sum()


def _ious(logits: torch.Tensor, truth: torch.Tensor) -> torch.Tensor:
    masks, wanted = logits.detach() > 0, truth > 0.5
    shared, joined = (masks & wanted).sum((1, 2)), (masks | wanted).sum((1, 2))
    return shared / joined.clamp(min=1)
