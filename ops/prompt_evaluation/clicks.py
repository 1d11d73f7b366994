"""Single clicks, several clicks and boxes against human masks (spec 7.4, 10.4)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.stats import spearmanr

from ops.promptable.predictor import Predictor
from ops.promptable.simulation import innermost
from stores.masks import MaskSet, tight_box

CLICKS = (1, 2, 3, 5, 9)
TARGETS = (0.80, 0.90)
MOST_CLICKS = 20
_RANKED = 6


@dataclass(frozen=True)
class MaskAnswers:
    """How one human mask was found.

    Attributes:
        best_score: IoU of the candidate with the highest predicted IoU after one click.
        oracle: largest IoU of any candidate after one click.
        teacher: largest IoU of the six best ranked masks that contain the click, of some other source; NaN without one.
        single: IoU of the one mask for a clear prompt, after one click.
        by_clicks: IoU after each of the clicks of a simulated user, (n,); beyond the last of `CLICKS` only until the
            last of `TARGETS` is reached, and the same from there on.
        box: IoU of the one mask for the tight box; box_refined, after a second pass with its own answer as mask prompt.
        size_order: rank correlation of the granularity that is asked for at the first click and the area of the answer;
            NaN for a model that takes none.
        area: pixels.
    """

    best_score: float
    oracle: float
    teacher: float
    single: float
    by_clicks: np.ndarray
    box: float
    box_refined: float
    size_order: float
    area: int


def answer_mask(predictor: Predictor, truth: np.ndarray, clicks: int, teacher: MaskSet | None = None) -> MaskAnswers:
    """Ask for one human mask in every way; the photo is set already.

    The first click is the pixel farthest from the mask's boundary.

    Args:
        truth: (H, W) bool.
        clicks: of the simulated user.
        teacher: masks of another source, best first; the first six that contain the first click count.
    """
    (x, y), _ = innermost(truth)
    click = np.array([[x, y]], np.float64)
    found, scores, logits = predictor.predict(click, np.array([1]))
    ious = np.array([overlap(mask, truth) for mask in found])
    left, top, w, h = tight_box(truth)
    box = np.array([left, top, left + w, top + h], np.float64)
    boxed, _, box_logits = predictor.predict(box=box, multimask_output=False)
    refined, _, _ = predictor.predict(box=box, mask_input=box_logits, multimask_output=False)
    single, _, _ = predictor.predict(click, np.array([1]), multimask_output=False)
    best = int(np.argmax(scores))
    return MaskAnswers(
        best_score=float(ious[best]),
        oracle=float(ious.max()),
        teacher=float("nan") if teacher is None else _best_of_six(teacher, (x, y), truth),
        single=overlap(single[0], truth),
        by_clicks=np.array(list(_simulated(predictor, truth, found[best], logits[best], click[0], clicks))),
        box=overlap(boxed[0], truth),
        box_refined=overlap(refined[0], truth),
        size_order=_size_order(predictor, click) if predictor.model.shape.granularity else float("nan"),
        area=int(truth.sum()),
    )


def clicks_needed(ious: np.ndarray, target: float, most: int = MOST_CLICKS) -> int:
    """NoC: the number of clicks after which the IoU first reaches `target`; `most` where it never does."""
    reached = np.flatnonzero(ious >= target)
    return int(reached[0]) + 1 if len(reached) else most


def next_click(truth: np.ndarray, answered: np.ndarray) -> tuple[tuple[int, int], int] | None:
    """The innermost pixel of the larger error, missed or too much, and its label; None where there is no error.

    RITM's protocol, which SAM's evaluation follows (spec 10.4).
    """
    errors = (truth & ~answered, answered & ~truth)
    if not any(error.any() for error in errors):
        return None
    places = [innermost(error) if error.any() else ((0, 0), 0.0) for error in errors]
    missed = places[0][1] >= places[1][1]
    return (places[0] if missed else places[1])[0], int(missed)


def overlap(mask: np.ndarray, truth: np.ndarray) -> float:
    """IoU of two (H, W) bool masks; 0 where both are empty."""
    joined = int((mask | truth).sum())
    return float((mask & truth).sum() / joined) if joined else 0.0


def _best_of_six(masks: MaskSet, click: tuple[int, int], truth: np.ndarray) -> float:
    """Largest IoU of the first six masks that contain the click; 0 where none does."""
    x, y = click
    left, top, w, h = masks.boxes.T
    near = np.flatnonzero((left <= x) & (x < left + w) & (top <= y) & (y < top + h))
    holding: list[float] = []
    for index in near:
        if masks.crop(int(index))[y - top[index], x - left[index]]:
            holding.append(overlap(masks.dense(int(index)), truth))
        if len(holding) == _RANKED:
            break
    return max(holding, default=0.0)


def _size_order(predictor: Predictor, click: np.ndarray) -> float:
    """Spearman's correlation of ten granularities and the areas of their answers; 0 where all areas are the same."""
    asked = np.linspace(0.1, 1, 10)
    areas = [predictor.predict(click, np.array([1]), granularity=float(value))[0].sum() for value in asked]
    return float(spearmanr(asked, areas).statistic) if len(set(areas)) > 1 else 0.0


def _simulated(
    predictor: Predictor, truth: np.ndarray, mask: np.ndarray, logits: np.ndarray, first: np.ndarray, clicks: int
) -> Iterator[float]:
    """IoU after each click, the answer before as mask prompt.

    A perfect answer gets no further click, nor does a good one once all click counts that are reported are there:
    the number of clicks to the targets is known by then.
    """
    points, labels = [first], [1]
    reached = overlap(mask, truth)
    best = reached
    yield reached
    for count in range(2, clicks + 1):
        needed = count <= CLICKS[-1] or best < TARGETS[-1]
        following = next_click(truth, mask) if needed else None
        if following is not None:
            (x, y), label = following
            points.append(np.array([x, y], np.float64))
            labels.append(label)
            answered, _, low = predictor.predict(
                np.stack(points), np.array(labels), mask_input=logits[None], multimask_output=False
            )
            mask, logits = answered[0], low[0]
            reached = overlap(mask, truth)
            best = max(best, reached)
        yield reached
