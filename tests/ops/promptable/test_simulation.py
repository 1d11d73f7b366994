"""Simulated clicks against brute force."""

import numpy as np
import pytest
import torch

from ops.promptable.settings import PromptSettings
from ops.promptable.simulation import correcting_clicks, first_clicks, inner_click, innermost, noisy_box, uniform_click


def blob(seed: int, size: tuple[int, int] = (24, 31)) -> np.ndarray:
    noise = np.random.default_rng(seed).random(size)
    return (noise + np.roll(noise, 1, 0) + np.roll(noise, 1, 1)) > 1.2


@pytest.mark.parametrize("seed", range(4))
def test_innermost_is_farthest_from_everything_else(seed: int) -> None:
    mask = blob(seed)
    outside = np.argwhere(~np.pad(mask, 1)) - 1
    inside = np.argwhere(mask)
    depth = np.sqrt(((inside[:, None] - outside[None]) ** 2).sum(2)).min(1)
    (x, y), found = innermost(mask)
    assert found == pytest.approx(depth.max())
    assert depth[(inside == [y, x]).all(1)][0] == pytest.approx(depth.max())


def test_inner_clicks_lie_in_the_circle_and_vary() -> None:
    mask = np.zeros((60, 80), bool)
    mask[10:50, 20:70] = True
    generator = np.random.default_rng(0)
    (x, y), _ = innermost(mask)
    clicks = np.array([inner_click(mask, 0.1, generator) for _ in range(200)])
    assert np.hypot(*(clicks - [x, y]).T).max() <= 0.1 * 40
    assert len(np.unique(clicks, axis=0)) > 30


def test_uniform_clicks_are_everywhere_in_the_mask() -> None:
    mask = blob(1)
    generator = np.random.default_rng(0)
    clicks = {uniform_click(mask, generator) for _ in range(3000)}
    assert clicks <= {(x, y) for y, x in np.argwhere(mask)}
    assert len(clicks) > 0.9 * mask.sum()


@pytest.mark.parametrize("kind", ["inner", "uniform"])
def test_a_first_click_is_inside_even_a_mask_of_one_pixel(kind: str) -> None:
    masks = np.zeros((2, 9, 9), bool)
    masks[0, 3, 7] = masks[1, 2:8, 1:5] = True
    clicks = first_clicks(masks, PromptSettings(first_click=kind), np.random.default_rng(0))
    assert masks[[0, 1], clicks[:, 1], clicks[:, 0]].all()
    assert tuple(clicks[0]) == (7, 3)


def test_an_empty_mask_has_no_innermost_point() -> None:
    with pytest.raises(ValueError, match="empty mask"):
        innermost(np.zeros((4, 4), bool))


def test_noisy_boxes_stay_in_the_frame_and_near_the_box() -> None:
    mask = np.zeros((100, 200), bool)
    mask[0:40, 150:200] = True
    generator = np.random.default_rng(0)
    boxes = np.array([noisy_box(mask, PromptSettings(most_box_noise=6), generator) for _ in range(300)])
    assert (boxes >= 0).all()
    assert (boxes[:, [0, 2]] <= 199).all()
    assert (np.abs(boxes - [150, 0, 199, 39]) <= 6).all()
    np.testing.assert_allclose(boxes.mean(0), [150, 1.5, 197.5, 39], atol=1.5)
    assert (noisy_box(mask, PromptSettings(box_noise=0), generator) == [150, 0, 199, 39]).all()


def test_corrections_fall_on_errors_with_the_right_label() -> None:
    wanted, answered = torch.zeros(3, 8, 8, dtype=torch.bool), torch.zeros(3, 8, 8, dtype=torch.bool)
    wanted[0, 2:5, 2:5] = True  # all of it is missed
    answered[1, 6, 1] = True  # all of it is too much
    wanted[2, 4, 4] = answered[2, 4, 4] = True  # perfect
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(60):
        points, labels = correcting_clicks(wanted, answered, 4, generator)
        cells = ((points + 0.5) / 4 - 0.5).long()
        assert wanted[0, cells[0, 1], cells[0, 0]]
        assert cells[1].tolist() == [1, 6]
        assert cells[2].tolist() == [4, 4]
        assert labels.tolist() == [1, 0, 1]
        seen.add(tuple(cells[0].tolist()))
    assert len(seen) > 6
