"""How often photos come when some are to make a share of all samples."""

from collections import Counter

import numpy as np
import pytest

from ops.oversampling import Oversampled


class Numbers:
    """A source whose photos are told apart by their pixel."""

    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int):
        return np.full((1, 1, 3), index, np.uint8), None


def times(count: int, favoured: list[int], share: float) -> Counter:
    seen = Oversampled(Numbers(count), np.isin(np.arange(count), favoured), share)
    return Counter(int(seen[index][0][0, 0, 0]) for index in range(len(seen)))


@pytest.mark.parametrize(
    ("count", "favoured", "share", "repeats"),
    [
        (10, [2, 7], 0.5, 4),
        (10, [0], 0.9, 81),
        (10, [0, 1, 2, 3, 4, 5], 0.5, 1),  # more than half already
        (10, [3], 0.0, 1),
        (10, [], 0.7, 1),
        (4, [0, 1, 2, 3], 0.7, 1),  # there is nothing else
    ],
)
def test_every_photo_comes_and_favoured_ones_make_their_share(count, favoured, share, repeats):
    assert times(count, favoured, share) == {index: repeats if index in favoured else 1 for index in range(count)}


def test_share_is_met_as_nearly_as_whole_repeats_can():
    seen = times(409, list(range(53)), 0.7)
    assert sum(seen[index] for index in range(53)) / sum(seen.values()) == pytest.approx(0.7, abs=0.02)
