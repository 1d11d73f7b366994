"""What the scores of a click's candidates are trained to foretell, against IoUs counted pixel by pixel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import torch

from models.image_embedding import ImageEmbedding
from models.prompt_decoder import Answers
from models.prompts import Prompts
from ops.bit_targets import BitTargets
from ops.promptable.conversation import CELL, Masks, Opening, hold
from ops.promptable.settings import PromptLossSettings, PromptSettings

GRID = 8
ASKED = 1
SCORES = torch.tensor([[0.9, 0.7, 0.5, 0.3]])


def squares(*sides: int) -> torch.Tensor:
    """Squares in the upper left corner of the grid, as (n, GRID, GRID) bool."""
    masks = torch.zeros(len(sides), GRID, GRID, dtype=torch.bool)
    for mask, side in zip(masks, sides, strict=True):
        mask[:side, :side] = True
    return masks


TRUTH = squares(2, 4, 8)
DRAWN = squares(1, 2, 4, 7)  # output 0, then three candidates


class Fixed:
    """A model that always draws the same masks."""

    shape = SimpleNamespace(outputs=3, granularity=False)

    def answer(self, *_: object) -> Answers:
        return Answers(torch.zeros(1, 4, 1), torch.zeros(1, 1, 1), SCORES)

    def draw(self, *_: object) -> torch.Tensor:
        return torch.where(DRAWN, 9.0, -9.0)[None]


def iou(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one & other).sum() / (one | other).sum())


@pytest.mark.parametrize("score_of", ["asked", "any", "matched"])
def test_scores_foretell_overlap_with(score_of: Any) -> None:
    dense = TRUTH.repeat_interleave(CELL, 1).repeat_interleave(CELL, 2).numpy()
    bits = BitTargets(torch.from_numpy(np.packbits(dense, axis=2)), (3,), GRID * CELL)
    masks = Masks(bits, TRUTH.float(), dense.sum((1, 2)).astype(float), np.ones(3), torch.ones(3))
    opening = Opening(np.array([ASKED]), Prompts.clicks(torch.zeros(1, 1, 2)), torch.tensor([True]), [np.arange(3)])
    told = {
        "asked": [iou(mask, TRUTH[ASKED]) for mask in DRAWN[1:]],
        "any": [max(iou(mask, true) for true in TRUTH) for mask in DRAWN[1:]],
        "matched": [iou(mask, true) for mask, true in zip(DRAWN[1:], TRUTH, strict=True)],
    }[score_of]
    judged = hold(
        cast(Any, Fixed()),
        ImageEmbedding(torch.zeros(1, 1, 1, 1)),
        masks,
        opening,
        PromptSettings(clicks=0, repeats=0),
        PromptLossSettings(score_of=score_of),
        torch.Generator(),
    )
    expected = ((SCORES[0, 1:] - torch.tensor(told)) ** 2).mean()
    torch.testing.assert_close(judged.score, expected)
