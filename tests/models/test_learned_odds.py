"""Learned log-odds: the backbone's map along axes, and descriptors brought to one scale."""

import pytest
import torch

from models.learned_odds import LearnedOdds, OddsShape

SHAPE = OddsShape(channels=6, axes=2, descriptors=5)


def untaught() -> LearnedOdds:
    torch.manual_seed(0)
    return LearnedOdds(SHAPE).eval()


def test_maps_are_unit_vectors_along_the_axes():
    odds, coarse = untaught(), torch.randn(6, 3, 4)
    odds.origin.copy_(torch.randn(6))
    odds.axes.copy_(torch.randn(6, 2))
    compressed = odds.compress(coarse)
    assert compressed.shape == (3, 4, 2)
    for row in range(3):
        for column in range(4):
            unit = coarse[:, row, column] / coarse[:, row, column].norm()
            torch.testing.assert_close(compressed[row, column], odds.axes.T @ (unit - odds.origin))


def test_descriptors_are_brought_to_one_scale_and_extremes_say_no_more():
    odds = untaught()
    with torch.no_grad():
        plain = odds(torch.tensor([[1.0, -1, 0, 2, 0.5], [9, 0, 0, 0, 0], [90, 0, 0, 0, 0]]))
        # Alone, for rows of one product may differ in their last bit.
        much, more = odds(torch.tensor([[9.0, 0, 0, 0, 0]])), odds(torch.tensor([[90.0, 0, 0, 0, 0]]))
        odds.mean.fill_(3.0)
        odds.spread.fill_(2.0)
        scaled = odds(2 * torch.tensor([[1.0, -1, 0, 2, 0.5], [9, 0, 0, 0, 0], [90, 0, 0, 0, 0]]) + 3)
    assert plain.shape == (3,)
    torch.testing.assert_close(plain, scaled)
    torch.testing.assert_close(plain[1:2], much)
    assert much == more


def test_descriptors_of_another_version_are_refused():
    with pytest.raises(ValueError, match=r"judges by 5 numbers and is given 4.*train it again"):
        untaught()(torch.zeros(3, 4))
