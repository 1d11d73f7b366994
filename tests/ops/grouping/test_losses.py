"""The grouping loss against loops over pairs of pixels."""

import numpy as np
import pytest
import torch
from torch.nn import functional

from ops.bit_targets import BitTargets
from ops.grouping.losses import grouping_loss, memberships
from ops.grouping.settings import GroupingLossSettings

SIDE = 32
SIZE = (8, 8)


def nested(seed: int = 0, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Random rectangles (count, SIDE, SIDE) bool and their scores."""
    generator = np.random.default_rng(seed)
    masks = np.zeros((count, SIDE, SIDE), bool)
    for mask in masks:
        top, left = generator.integers(0, SIDE // 2, 2)
        height, width = generator.integers(4, SIDE // 2, 2)
        mask[top : top + height, left : left + width] = True
    return masks, generator.uniform(0.1, 1, count).astype(np.float32)


def targets_of(*sets: np.ndarray) -> BitTargets:
    bits = np.concatenate([np.packbits(masks, axis=2) for masks in sets])
    return BitTargets(torch.from_numpy(bits), tuple(len(masks) for masks in sets), SIDE)


def shared_slowly(masks: np.ndarray, score: np.ndarray, whole: float, one, other) -> float:
    """Weight of the masks that hold both cells, over the geometric mean of the weights that hold each."""
    places = [tuple(int((c + 0.5) * SIDE / SIZE[0]) for c in cell) for cell in (one, other)]
    holds = [masks[(slice(None), *place)] for place in places]
    both = whole + score[holds[0] & holds[1]].sum()
    return both / np.sqrt((whole + score[holds[0]].sum()) * (whole + score[holds[1]].sum()))


def test_products_of_memberships_are_shares_of_masks():
    masks, score = nested()
    told = memberships(targets_of(masks).bits, SIDE, torch.from_numpy(score), SIZE, whole=0.5)
    assert told.shape == (len(masks) + 1, *SIZE)
    for one, other in (((0, 0), (7, 7)), ((2, 3), (2, 4)), ((5, 1), (5, 1))):
        product = float((told[:, one[0], one[1]] * told[:, other[0], other[1]]).sum())
        assert product == pytest.approx(shared_slowly(masks, score, 0.5, one, other), abs=1e-5)


def test_without_masks_all_pixels_belong_together():
    told = memberships(torch.zeros((0, SIDE, SIDE // 8), dtype=torch.uint8), SIDE, torch.zeros(0), SIZE, whole=0.5)
    torch.testing.assert_close(told, torch.ones(1, *SIZE))


def test_embeddings_that_say_what_the_masks_say_cost_nothing():
    first, second = nested(0), nested(1)
    targets, score = targets_of(first[0], second[0]), torch.from_numpy(np.concatenate([first[1], second[1]]))
    told = torch.stack([memberships(targets.of_image(i), SIDE, score[5 * i : 5 * i + 5], SIZE, 0.5) for i in (0, 1)])
    terms = grouping_loss(told, targets, score, GroupingLossSettings(), torch.Generator().manual_seed(0))
    assert float(terms.total) == pytest.approx(0, abs=1e-9)
    assert set(terms.parts) == {"far", "near"}
    swapped = grouping_loss(told.flip(0), targets, score, GroupingLossSettings(), torch.Generator().manual_seed(0))
    assert float(swapped.total) > 0.01


def test_near_pairs_against_a_loop():
    masks, score = nested()
    settings = GroupingLossSettings(offsets=(1, 3), far_weight=0, alike=0.2)
    embedding = functional.normalize(torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(1)), dim=1)
    by_direction = []
    for offset in settings.offsets:
        for down, across in ((0, 1), (1, 0), (1, 1), (1, -1)):
            errors = []
            for row in range(SIZE[0]):
                for column in range(SIZE[1]):
                    other = row + offset * down, column + offset * across
                    if not (0 <= other[0] < SIZE[0] and 0 <= other[1] < SIZE[1]):
                        continue
                    wanted = shared_slowly(masks, score, settings.whole, (row, column), other)
                    own = float(embedding[0, :, row, column] @ embedding[0, :, other[0], other[1]])
                    errors.append((settings.alike + 1 - wanted) * (own - wanted) ** 2)
            by_direction.append(np.mean(errors))
    terms = grouping_loss(embedding, targets_of(masks), torch.from_numpy(score), settings, torch.Generator())
    assert float(terms.total) == pytest.approx(np.mean(by_direction), rel=1e-4)


def test_far_pairs_are_all_pairs_of_drawn_pixels():
    masks, score = nested()
    settings = GroupingLossSettings(near_weight=0, pixels=9)
    embedding = functional.normalize(torch.randn(1, 4, *SIZE, generator=torch.Generator().manual_seed(1)), dim=1)
    drawn = torch.randint(SIZE[0] * SIZE[1], (9,), generator=torch.Generator().manual_seed(3))
    cells = [divmod(int(place), SIZE[1]) for place in drawn]
    wanted = np.mean(
        [
            (float(embedding[0][:, a, b] @ embedding[0][:, c, d]) - shared_slowly(masks, score, 0.5, (a, b), (c, d)))
            ** 2
            for a, b in cells
            for c, d in cells
        ]
    )
    generator = torch.Generator().manual_seed(3)
    terms = grouping_loss(embedding, targets_of(masks), torch.from_numpy(score), settings, generator)
    assert float(terms.total) == pytest.approx(wanted, rel=1e-4)


def test_the_gradient_reaches_every_pixel():
    masks, score = nested()
    raw = torch.randn(1, 4, *SIZE, requires_grad=True)
    embedding = functional.normalize(raw, dim=1)
    grouping_loss(
        embedding, targets_of(masks), torch.from_numpy(score), GroupingLossSettings(), torch.Generator()
    ).total.backward()
    assert (raw.grad.abs().sum(1) > 0).all()
