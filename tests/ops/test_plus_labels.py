"""ops/plus_labels.py: the rule of UnSAM+ against a dense loop, at its bound, and at its ends."""

import numpy as np
import pytest

from ops.mask_tree import check_tree
from ops.plus_labels import apart_from, merge_plus_labels
from stores.masks import SOURCES, MaskSet

SIZE = (60, 90)
HUMAN, TREE = SOURCES.index("human"), SOURCES.index("tree")


def ellipses(count: int, seed: int) -> np.ndarray:
    """(count, H, W) bool of every size; some touch the border, one is empty."""
    generator = np.random.default_rng(seed)
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    centres = generator.uniform((0, 0), SIZE, (count, 2))
    radii = np.exp(generator.uniform(0, 3.5, (count, 2)))
    offsets = np.stack([rows, columns], -1)[None] - centres[:, None, None]
    masks = ((offsets / radii[:, None, None]) ** 2).sum(-1) < 1
    masks[0] = False
    return masks


def slow_apart(candidates: np.ndarray, references: np.ndarray, tau: float) -> list[int]:
    kept = []
    for index, candidate in enumerate(candidates):
        ious = [
            (candidate & reference).sum() / union if (union := (candidate | reference).sum()) else 0.0
            for reference in references
        ]
        if max(ious, default=0.0) <= tau:
            kept.append(index)
    return kept


@pytest.mark.parametrize("tau", [0.0, 0.02, 0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("seed", range(4))
def test_the_masks_that_stay_are_those_of_a_dense_loop(tau, seed):
    candidates, references = ellipses(40, seed), ellipses(30, seed + 100)
    found = apart_from(MaskSet.from_dense(candidates, SIZE), MaskSet.from_dense(references, SIZE), tau)
    assert found.tolist() == slow_apart(candidates, references, tau)


@pytest.mark.parametrize(("union", "kept"), [(50, True), (49, False), (51, True)])
def test_a_mask_with_an_iou_of_exactly_tau_stays(union, kept):
    """One pixel shared: 1 / 50 is the paper's 0.02."""
    human, candidate = np.zeros((2, *SIZE), bool)
    human[0, :20] = True
    candidate[0, 19 : 19 + union - 19] = True
    assert (human & candidate).sum() == 1
    assert (human | candidate).sum() == union
    stays = apart_from(MaskSet.from_dense([candidate], SIZE), MaskSet.from_dense([human], SIZE), 0.02)
    assert (len(stays) == 1) == kept


def test_a_small_part_of_a_large_human_mask_stays():
    """The route by which UnSAM+ adds parts (spec 6)."""
    human, part = np.zeros((2, *SIZE), bool)
    human[:40, :60] = True
    part[5:9, 5:12] = True
    merged = merge_plus_labels(MaskSet.from_dense([human], SIZE), MaskSet.from_dense([part], SIZE), 0.02)
    assert len(merged) == 2
    assert merged.parent.tolist() == [-1, 0]


@pytest.mark.parametrize("tau", [0.02, None])
@pytest.mark.parametrize(("humans", "others"), [(12, 30), (0, 30), (12, 0), (0, 0)])
def test_all_human_masks_come_first_and_keep_their_source(tau, humans, others):
    human = MaskSet.from_dense(ellipses(13, 5)[1 : humans + 1], SIZE, source=HUMAN, score=0.5)
    other = MaskSet.from_dense(ellipses(31, 6)[1 : others + 1], SIZE, source=TREE)
    merged = merge_plus_labels(human, other, tau)
    assert merged.source.tolist()[:humans] == [HUMAN] * humans
    expected = others if tau is None else len(apart_from(other, human, tau))
    assert (merged.source == TREE).sum() == expected
    np.testing.assert_array_equal(merged.boxes[:humans], human.boxes)
    assert check_tree(merged) == []


def test_an_exact_copy_of_a_human_mask_is_left_out_of_the_union():
    masks = MaskSet.from_dense(ellipses(5, 7)[1:], SIZE)
    merged = merge_plus_labels(masks.with_columns(source=HUMAN), masks.with_columns(source=TREE), None)
    assert merged.source.tolist() == [HUMAN] * 4


@pytest.mark.parametrize(
    ("size", "tau", "message"), [((60, 91), 0.02, "different sizes"), (SIZE, 1.5, "lies in"), (SIZE, -0.1, "lies in")]
)
def test_what_cannot_be_merged(size, tau, message):
    with pytest.raises(ValueError, match=message):
        merge_plus_labels(MaskSet.empty(SIZE), MaskSet.empty(size), tau)
