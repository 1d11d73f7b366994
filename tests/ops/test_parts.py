"""Parts of a crop against their definition on dense masks."""

import numpy as np
import pytest

from ops.merge import merge_levels
from ops.parts import parts_of_leaves, parts_one_by_one
from ops.upsample import upsample_labels, upsample_mask

THETAS = (0.8, 0.6, 0.4, 0.2)
SIZE = (70, 110)


def levels_of(seed, noise=1.2):
    generator = np.random.default_rng(seed)
    centres = generator.uniform(0, 16, (5, 2))
    y, x = np.mgrid[:16, :16]
    region = np.argmin([(y - cy) ** 2 + (x - cx) ** 2 for cy, cx in centres], axis=0)
    directions = generator.normal(size=(5, 20))
    return merge_levels(directions[region] + noise * generator.normal(size=(16, 16, 20)), THETAS)


def disc():
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    return ((y - 35) / 34) ** 2 + ((x - 55) / 54) ** 2 < 1


def parts_of_partition(levels, thetas, inside, min_size, coverage):
    return parts_of_leaves(upsample_labels(levels[0], inside.shape), levels, thetas, inside, min_size, coverage)


def dense(part):
    mask = np.zeros(SIZE, bool)
    x, y, w, h = part.box
    mask[y : y + h, x : x + w] = part.crop
    return mask


def unions_of_leaves(levels, inside, min_size, coverage):
    pixels = upsample_labels(levels[0], SIZE)
    found = {}
    for level, theta in zip(levels, THETAS, strict=True):
        if level.max() == 0:
            continue
        for label in range(level.max() + 1):
            if (level == label).sum() >= min_size:
                mask = np.isin(pixels, levels[0][level == label])
                if mask.any() and (mask & inside).sum() / mask.sum() > coverage:
                    first = found.setdefault(mask.tobytes(), (np.float32(theta), theta))
                    found[mask.tobytes()] = (first[0], theta)
    return found


@pytest.mark.parametrize("coverage", [-1, 0.5, 0.9])
@pytest.mark.parametrize("seed", [0, 2, 3, 5])
def test_parts_are_the_distinct_unions_of_leaves(seed, coverage):
    levels, inside = levels_of(seed), disc()
    parts = parts_of_partition(levels, THETAS, inside, 4, coverage)
    expected = unions_of_leaves(levels, inside, 4, coverage)
    assert parts
    assert {dense(p).tobytes(): (np.float32(p.theta), p.until) for p in parts} == expected
    assert len(parts) == len(expected)
    for part in parts:
        assert part.crop.any(axis=0)[[0, -1]].all()
        assert part.crop.any(axis=1)[[0, -1]].all()


@pytest.mark.parametrize("seed", [0, 2, 3])
def test_one_by_one_repeats_every_level(seed):
    levels, inside = levels_of(seed), disc()
    expected = []
    for level in levels:
        for label in range(level.max() + 1) if level.max() else ():
            mask = upsample_mask(level == label, SIZE)
            if (level == label).sum() >= 4 and (mask & inside).sum() / mask.sum() > 0.9:
                expected.append(mask)
    parts = parts_one_by_one(levels, THETAS, inside, 4, 0.9)
    assert len(parts) == len(expected) > 0
    assert all(np.array_equal(dense(part), mask) for part, mask in zip(parts, expected, strict=True))


def halves(boundary):
    """Two clusters, left and right of a column of a 4 x 10 grid, at one level."""
    levels = np.zeros((1, 4, 10), np.int32)
    levels[..., boundary:] = 1
    return levels


@pytest.mark.parametrize("make", [parts_of_partition, parts_one_by_one])
def test_coverage_of_exactly_the_limit_is_rejected(make):
    inside = np.zeros((40, 100), bool)
    inside[:, :45] = True
    assert [p.box for p in make(halves(5), (0.5,), inside, 4, 0.9)] == []
    inside[0, 45] = True
    assert [p.box for p in make(halves(5), (0.5,), inside, 4, 0.9)] == [(0, 0, 50, 40)]


@pytest.mark.parametrize("make", [parts_of_partition, parts_one_by_one])
def test_small_clusters_and_a_single_cluster_give_no_part(make):
    everything = np.ones((40, 100), bool)
    assert make(np.zeros((1, 4, 10), np.int32), (0.5,), everything, 4, 0.9) == []
    assert [p.box for p in make(halves(1), (0.5,), everything, 5, 0.9)] == [(10, 0, 90, 40)]
