"""SEPL against the authors' loop and the paper's text, both written plainly here, and its known failures."""

import numpy as np
import pytest

from ops.sepl.relabel import IGNORE, UnfitLabelMap, relabel
from ops.sepl.runs import MaskRuns
from ops.sepl.settings import SEPL_PRESETS, SeplSettings
from stores.masks import MaskSet

CLASSES = 21


def authors_loop(labels: np.ndarray, masks: list[np.ndarray], classes: int = CLASSES) -> np.ndarray:
    """Spec 9.1, line by line, on decoded masks."""
    out = np.zeros_like(labels)
    seen: set[int] = set()
    for k in range(1, classes):
        if not (labels == k).any():
            continue
        own = labels == k
        union = np.zeros(labels.shape, bool)
        taken = np.zeros(labels.shape, bool)
        for index, mask in enumerate(masks):
            if index in seen:
                continue
            union |= mask
            both = int((own & mask).sum())
            if 2 * both - int(mask.sum()) > 0 or both / own.sum() >= 0.85:
                taken |= mask
                seen.add(index)
        taken |= own & ~union
        out[taken] = k
    return out


def papers_text(labels: np.ndarray, masks: list[np.ndarray], rule: str, masks_win: bool) -> np.ndarray:
    """Spec 9.2 pixel by pixel: each class of each pixel bids with the best (Os, Op) of its masks that cover it."""
    bids = np.full((CLASSES, *labels.shape, 2), -1.0)
    for mask in masks:
        overlaps = [int((mask & (labels == k)).sum()) if k else 0 for k in range(CLASSES)]
        if not max(overlaps):
            continue
        k = overlaps.index(max(overlaps))
        inside, covers = overlaps[k] / mask.sum(), overlaps[k] / (labels == k).sum()
        tests = (inside > 0.5, covers > 0.85)
        if all(tests) if rule == "and" else any(tests):
            for row, column in zip(*np.nonzero(mask), strict=True):
                bids[k, row, column] = max(tuple(bids[k, row, column]), (inside, covers))
    out = np.zeros_like(labels)
    for row, column in np.ndindex(labels.shape):
        own = labels[row, column]
        best = max(range(1, CLASSES), key=lambda k: (*bids[k, row, column], -k))
        bid = best if bids[best, row, column, 0] >= 0 else 0
        fallback = 0 if own == IGNORE else own
        out[row, column] = (bid or fallback) if masks_win else (fallback or bid)
        if own == IGNORE and not out[row, column]:
            out[row, column] = IGNORE
    return out


def random_case(seed: int, size: tuple[int, int] = (37, 45)) -> tuple[np.ndarray, list[np.ndarray]]:
    """Blobs of a few classes, a 255 region, and masks: rectangles, nested ones, one of nothing, one of everything."""
    generator = np.random.default_rng(seed)
    labels = np.zeros(size, np.uint8)
    for _ in range(5):
        labels[_rectangle(generator, size)] = generator.choice([1, 2, 5, 19, 20, IGNORE])
    masks = [_rectangle(generator, size) for _ in range(generator.integers(0, 14))]
    masks += [mask & _rectangle(generator, size) for mask in masks[:4]]
    masks += [(labels == k) & _rectangle(generator, size) for k in (1, 2, 5)]
    return labels, [*masks, np.zeros(size, bool), np.ones(size, bool)]


def _rectangle(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    top, bottom = sorted(generator.integers(0, size[0] + 1, 2))
    left, right = sorted(generator.integers(0, size[1] + 1, 2))
    mask = np.zeros(size, bool)
    mask[top:bottom, left:right] = True
    return mask


@pytest.mark.parametrize("seed", range(40))
def test_code_preset_is_the_authors_loop(seed: int) -> None:
    labels, masks = random_case(seed)
    repaired = relabel(labels, MaskSet.from_dense(masks, labels.shape), CLASSES, SEPL_PRESETS["code"])
    np.testing.assert_array_equal(repaired.labels, authors_loop(labels, masks))


@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize(("preset", "rule", "masks_win"), [("paper", "and", False), ("repair", "or", True)])
def test_other_presets_are_the_papers_text(seed: int, preset: str, rule: str, masks_win: bool) -> None:
    labels, masks = random_case(seed, (19, 23))
    repaired = relabel(labels, MaskSet.from_dense(masks, labels.shape), CLASSES, SEPL_PRESETS[preset])
    np.testing.assert_array_equal(repaired.labels, papers_text(labels, masks, rule, masks_win))


@pytest.mark.parametrize("seed", range(6))
def test_runs_count_and_paint_as_dense_masks_do(seed: int) -> None:
    labels, masks = random_case(seed)
    runs = MaskRuns.of(MaskSet.from_dense(masks, labels.shape))
    onehot = (labels.reshape(-1, 1) == np.arange(CLASSES)).astype(np.int64)
    np.testing.assert_array_equal(runs.overlaps(labels, CLASSES), np.stack(masks).reshape(len(masks), -1) @ onehot)
    np.testing.assert_array_equal(runs.areas(), [mask.sum() for mask in masks])
    values = np.arange(1, len(masks) + 1)
    largest = (np.stack(masks) * values[:, None, None]).max(axis=0)
    np.testing.assert_array_equal(runs.paint_largest(values), largest)
    np.testing.assert_array_equal(runs.paint_in_order(np.arange(len(masks)), values), largest)


def test_result_does_not_depend_on_the_order_of_masks() -> None:
    labels, masks = random_case(3)
    for settings in SEPL_PRESETS.values():
        one, other = (
            relabel(labels, MaskSet.from_dense(order, labels.shape), CLASSES, settings)
            for order in (masks, masks[::-1])
        )
        np.testing.assert_array_equal(one.labels, other.labels)


def block(top: int, left: int, bottom: int, right: int) -> np.ndarray:
    mask = np.zeros((20, 30), bool)
    mask[top:bottom, left:right] = True
    return mask


def labelled(**regions: np.ndarray) -> np.ndarray:
    labels = np.zeros((20, 30), np.uint8)
    for name, region in regions.items():
        labels[region] = int(name[1:])
    return labels


def repaired(preset: str, labels: np.ndarray, *masks: np.ndarray) -> np.ndarray:
    return relabel(labels, MaskSet.from_dense(masks, labels.shape), CLASSES, SEPL_PRESETS[preset]).labels


@pytest.mark.parametrize(("preset", "amplified"), [("paper", False), ("code", True), ("repair", True)])
def test_wrong_activation_is_amplified_by_or(preset: str, amplified: bool) -> None:
    """Class 7 fires on a corner of somebody else's object, all of it: Op = 1, Os small."""
    wrong, object_ = block(2, 2, 5, 5), block(2, 2, 18, 18)
    assert (repaired(preset, labelled(k7=wrong), object_)[object_] == 7).all() == amplified


@pytest.mark.parametrize(
    ("preset", "pet_in_the_middle", "sofa"), [("paper", 3, 18), ("code", 3, 18), ("repair", 18, 18)]
)
def test_a_mask_that_joins_two_objects(preset: str, pet_in_the_middle: int, sofa: int) -> None:
    """The pet inside pet-and-sofa is lost to the sofa, unless the label map, or the order of classes, saves it."""
    pet, joined = block(8, 10, 12, 16), block(2, 2, 18, 28)
    result = repaired(preset, labelled(k18=joined, k3=pet), joined)
    assert result[10, 12] == pet_in_the_middle
    assert result[3, 3] == sofa


@pytest.mark.parametrize(("preset", "wheel_only"), [("paper", True), ("repair", False), ("code", False)])
def test_nested_masks_where_the_larger_wrong_one_wins(preset: str, wheel_only: bool) -> None:
    wheel, car = block(10, 4, 16, 10), block(4, 2, 18, 28)
    result = repaired(preset, labelled(k2=wheel), wheel, car)
    assert ((result == 2) == wheel).all() == wheel_only


@pytest.mark.parametrize(
    ("labels", "size", "message"),
    [
        (np.zeros((4, 5), np.uint8), (5, 4), "has (H, W) = (4, 5), the masks (5, 4)"),
        (np.full((4, 5), 21, np.uint8), (4, 5), r"labels [21] are no classes"),
        (np.zeros((4, 5), np.int32), (4, 5), "uint8 expected"),
        (np.zeros((4, 5, 3), np.uint8), (4, 5), "shape (H, W)"),
    ],
)
def test_what_does_not_fit_is_refused(labels: np.ndarray, size: tuple[int, int], message: str) -> None:
    with pytest.raises(UnfitLabelMap) as caught:
        relabel(labels, MaskSet.empty(size), CLASSES, SeplSettings())
    assert message in str(caught.value)


@pytest.mark.parametrize(("preset", "ignored"), [("paper", IGNORE), ("code", 0), ("repair", IGNORE)])
def test_without_masks_the_labels_pass_through(preset: str, ignored: int) -> None:
    labels = labelled(k4=block(0, 0, 5, 5), k255=block(10, 10, 15, 15))
    result = relabel(labels, MaskSet.empty((20, 30)), CLASSES, SEPL_PRESETS[preset])
    np.testing.assert_array_equal(result.labels, np.where(labels == IGNORE, ignored, labels))
    assert (result.chosen, result.bare, result.vanished) == (0, (4,), ())


def test_a_class_that_vanishes_is_counted() -> None:
    """The release erases pixels under a mask that it rejects; class 9 is gone."""
    result = relabel(
        labelled(k9=block(0, 0, 3, 3), k12=block(4, 4, 6, 6)),
        MaskSet.from_dense([block(0, 0, 3, 30) | block(0, 2, 20, 30) & ~block(0, 0, 3, 1)], (20, 30)),
        CLASSES,
        SEPL_PRESETS["code"].model_copy(update={"rule": "and"}),
    )
    assert result.vanished == (9, 12)
