"""Answers to the prompts for many human masks as one row of numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ops.prompt_evaluation.clicks import CLICKS, MOST_CLICKS, TARGETS, MaskAnswers, clicks_needed

ROUNDS = 1000


def summarise(answers: Sequence[MaskAnswers], images: Sequence[int], clicks: int) -> dict[str, float | None]:
    """Means over masks, in [0, 1], of each protocol under its name, and the oracle's bootstrap error over images.

    Args:
        images: number of each answer's image.
        clicks: how many the simulated user was given; larger click counts are left out.

    Raises:
        ValueError: no answers.
    """
    if not answers:
        raise ValueError("no mask was asked for: the data set has none")
    by_clicks = np.stack([answer.by_clicks for answer in answers])
    names = ("best_score", "oracle", "teacher", "single", "box", "box_refined", "size_order")
    values = {name: np.array([getattr(answer, name) for answer in answers]) for name in names}
    numbers = {name: _mean(column) for name, column in values.items()}
    numbers["oracle_error"] = _standard_error(values["oracle"], np.asarray(images))
    numbers |= {f"clicks_{count}": float(by_clicks[:, count - 1].mean()) for count in CLICKS if count <= clicks}
    most = min(clicks, MOST_CLICKS)
    for target in TARGETS:
        needed = [clicks_needed(row, target, most) for row in by_clicks]
        numbers[f"NoC@{round(100 * target)}"] = float(np.mean(needed))
    return numbers | {"masks": float(len(answers))}


def _mean(values: np.ndarray) -> float | None:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else None


def _standard_error(values: np.ndarray, images: np.ndarray) -> float:
    """Of the mean over masks, by drawing whole images."""
    generator = np.random.default_rng(0)
    _, places = np.unique(images, return_inverse=True)
    sums, counts = np.bincount(places, values), np.bincount(places)
    draws = generator.integers(0, len(counts), (ROUNDS, len(counts)))
    return float((sums[draws].sum(1) / counts[draws].sum(1)).std())
