"""Losses against torchvision's and against loops."""

import pytest
import torch
from torchvision.ops import sigmoid_focal_loss

from ops.promptable.losses import all_pair_costs, all_pair_ious, pair_losses
from ops.promptable.settings import PromptLossSettings

SETTINGS = PromptLossSettings()


@pytest.fixture
def logits() -> torch.Tensor:
    return torch.randn(4, 6, 7, generator=torch.Generator().manual_seed(0)) * 3


@pytest.fixture
def truth() -> torch.Tensor:
    return (torch.rand(4, 6, 7, generator=torch.Generator().manual_seed(1)) > 0.6).float()


def test_focal_is_torchvisions_and_dice_the_usual(logits: torch.Tensor, truth: torch.Tensor) -> None:
    focal, dice = pair_losses(logits, truth, SETTINGS)
    wanted = sigmoid_focal_loss(logits, truth, SETTINGS.focal_alpha, SETTINGS.focal_gamma).mean((1, 2))
    torch.testing.assert_close(focal, wanted)
    for index in range(4):
        p, t = logits[index].sigmoid(), truth[index]
        assert float(dice[index]) == pytest.approx(float(1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1)))


def test_costs_of_all_pairs_are_those_of_each(logits: torch.Tensor, truth: torch.Tensor) -> None:
    truth = 0.3 + 0.6 * truth  # soft
    costs = all_pair_costs(logits, truth, SETTINGS)
    for row in range(4):
        for column in range(4):
            focal, dice = pair_losses(logits[row : row + 1], truth[column : column + 1], SETTINGS)
            wanted = SETTINGS.focal_weight * focal + SETTINGS.dice_weight * dice
            torch.testing.assert_close(costs[row, column], wanted[0])


def test_overlaps_of_all_pairs(logits: torch.Tensor, truth: torch.Tensor) -> None:
    ious = all_pair_ious(logits, truth)
    for row in range(4):
        for column in range(4):
            a, b = logits[row] > 0, truth[column] > 0.5
            assert float(ious[row, column]) == pytest.approx(float((a & b).sum() / (a | b).sum()))
    assert float(all_pair_ious(torch.full((1, 2, 2), -1.0), torch.zeros(1, 2, 2))) == 0
