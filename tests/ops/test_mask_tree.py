"""The tree of masks against dense masks compared pair by pair, and its check against broken columns."""

import numpy as np
import pytest

from ops.granularity import granularity
from ops.mask_tree import build_tree, check_tree
from stores.masks import MaskSet

SIZE = (60, 130)


def rectangle(x, y, w, h):
    mask = np.zeros(SIZE, bool)
    mask[y : y + h, x : x + w] = True
    return mask


def nested():
    """An object with two parts, one of which has a part itself; a lone object; a part with 1/9 hanging out."""
    return MaskSet.from_dense(
        [
            rectangle(5, 5, 5, 5),
            rectangle(0, 0, 60, 50),
            rectangle(2, 2, 20, 20),
            rectangle(30, 10, 20, 30),
            rectangle(80, 10, 30, 30),
            rectangle(32, 38, 9, 9),
            rectangle(51, 5, 10, 10),
        ],
        SIZE,
    )


def plain_parents(masks, contained):
    dense = [masks.dense(i) for i in range(len(masks))]
    areas = [int(mask.sum()) for mask in dense]
    parents = []
    for i, mask in enumerate(dense):
        containers = [
            (areas[j], -j)
            for j, other in enumerate(dense)
            if (areas[j], -j) > (areas[i], -i) and areas[i] and (mask & other).sum() >= contained * areas[i]
        ]
        parents.append(-min(containers)[1] if containers else -1)
    return parents


def test_a_family_by_hand():
    tree = build_tree(nested())
    assert tree.parent.tolist() == [2, -1, 1, 1, -1, 1, 1]
    assert tree.level.tolist() == [2, 0, 1, 1, 0, 1, 1]
    assert tree.granularity[1] == 1
    assert tree.granularity[0] == pytest.approx(0.1)
    assert tree.granularity[2] == pytest.approx(0.1 + 0.9 * (20 - 5) / (np.sqrt(3000) - 5))
    assert tree.granularity[4] == 1
    assert check_tree(tree) == []


@pytest.mark.parametrize("contained", [0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_parents_equal_the_plain_search(seed, contained):
    generator = np.random.default_rng(seed)
    boxes = [np.concatenate([generator.integers(0, (100, 40)), generator.integers(1, (60, 40))]) for _ in range(60)]
    masks = MaskSet.from_dense([rectangle(*box) for box in boxes] + [np.zeros(SIZE, bool)] * 2, SIZE)
    tree = build_tree(masks, contained)
    assert tree.parent.tolist() == plain_parents(masks, contained)
    assert check_tree(tree, contained) == []


def test_equal_masks_hang_in_a_chain():
    assert build_tree(MaskSet.from_dense([rectangle(3, 3, 9, 9)] * 3, SIZE)).parent.tolist() == [-1, 0, 1]


@pytest.mark.parametrize(
    ("column", "values", "problem"),
    [
        ("parent", [2, -1, 1, 1, -1, 1, 99], "99 of 7"),
        ("parent", [2, -1, 1, 1, 4, 1, 1], "mask 4: parent 4"),
        ("parent", [1, -1, 1, 1, -1, 1, 1], "2 is its smallest container"),
        ("level", [1, 0, 1, 1, 0, 1, 1], "mask 0: level 1 at depth 2"),
        ("granularity", [0.1, 1, np.nan, 1, 1, 1, 1], "mask 2: granularity nan"),
    ],
)
def test_check_names_what_is_broken(column, values, problem):
    problems = check_tree(build_tree(nested()).with_columns(**{column: values}))
    assert any(problem in text for text in problems)


def test_no_masks():
    assert check_tree(build_tree(MaskSet.empty(SIZE))) == []


def test_granularity_is_relative_to_the_root():
    areas = np.array([100, 25, 4, 64, 7])
    roots = np.array([0, 0, 0, 3, 4])
    expected = [1, 0.1 + 0.9 * 3 / 8, 0.1, 1, 1]
    np.testing.assert_allclose(granularity(areas, roots), expected, rtol=1e-6)
