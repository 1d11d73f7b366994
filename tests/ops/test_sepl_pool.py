"""Pooled heat against a plain mean over the masks of each pixel, and what it does with heat that fits no object."""

import numpy as np
import pytest

from ops.sepl.pool import Heat, pool
from ops.sepl.relabel import relabel
from ops.sepl.runs import MaskRuns
from ops.sepl.settings import SEPL_PRESETS, SeplSettings
from stores.masks import MaskSet

SIZE = (20, 26)
POOL = SEPL_PRESETS["pool"]


def rectangle(generator: np.random.Generator) -> np.ndarray:
    (top, bottom), (left, right) = (np.sort(generator.integers(0, side + 1, 2)) for side in SIZE)
    mask = np.zeros(SIZE, bool)
    mask[top : bottom + 1, left : right + 1] = True
    return mask


def random_case(seed: int, count: int) -> tuple[Heat, list[np.ndarray]]:
    """Heat of four rectangles of three classes, with cold pixels inside them, and rectangles as masks."""
    generator = np.random.default_rng(seed)
    strongest = np.zeros(SIZE, np.uint8)
    for label in (3, 7, 2, 3):
        strongest[rectangle(generator)] = label
    values = generator.integers(0, 32, SIZE).astype(np.uint8) * 8
    return Heat(strongest, values), [rectangle(generator) for _ in range(count)]


def pooled_slowly(heat: Heat, masks: list[np.ndarray], settings: SeplSettings) -> dict[int, np.ndarray]:
    """What each class has in each pixel, (H, W) by label, pixel by pixel and mask by mask."""
    weights = [(mask.sum() / mask.size) ** -settings.area_power for mask in masks]
    own = settings.own_votes * (np.median(weights) if weights else 1.0)
    values = {}
    for label in (2, 3, 7):
        warm = np.where(heat.strongest == label, heat.values / 255, 0.0)
        said = np.zeros(SIZE)
        for place in np.ndindex(SIZE):
            holding = [(w, mask) for w, mask in zip(weights, masks, strict=True) if mask[place]]
            total = sum(w * warm[mask].mean() for w, mask in holding) + own * warm[place]
            said[place] = total / max(sum(w for w, _ in holding) + own, 1e-300)
        values[label] = said / max(said.max(), 1e-300)
    return values


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("count", [0, 1, 12])
@pytest.mark.parametrize(
    "changes", [{}, {"own_votes": 0.3, "area_power": 0.0, "mask_share": 0.3}, {"own_votes": 0.0, "mask_share": 0.0}]
)
def test_each_pixel_has_the_mean_of_its_masks(seed: int, count: int, changes: dict[str, float]) -> None:
    heat, masks = random_case(seed, count)
    settings = POOL.model_copy(update=changes)
    runs = MaskRuns.of(MaskSet.from_dense(masks, SIZE))
    found, _ = pool(heat, runs, runs.areas(), settings)
    values = pooled_slowly(heat, masks, settings)
    ranked = np.sort(np.stack(list(values.values())), axis=0)
    winner = np.array(list(values))[np.stack(list(values.values())).argmax(axis=0)]
    wanted = np.where(ranked[-1] > settings.mask_share, winner, 0)
    above = ranked[-1] - settings.mask_share
    sure = (above < -1e-9) | ((above == 0) & (ranked[-1] == 0)) | ((above > 1e-9) & (ranked[-1] - ranked[-2] > 1e-9))
    assert sure.mean() > 0.5
    np.testing.assert_array_equal(found[sure], wanted[sure])


@pytest.mark.parametrize("seed", range(4))
def test_a_label_map_counts_as_heat_without_doubt(seed: int) -> None:
    heat, masks = random_case(seed, 12)
    packed = MaskSet.from_dense(masks, SIZE)
    sure = Heat(heat.strongest, np.where(heat.strongest, 255, 0).astype(np.uint8))
    by_heat = relabel(np.zeros(SIZE, np.uint8), packed, 8, POOL, sure)
    by_labels = relabel(heat.strongest, packed, 8, POOL)
    np.testing.assert_array_equal(by_heat.labels, by_labels.labels)
    assert by_heat.chosen == by_labels.chosen > 0


def scene() -> tuple[np.ndarray, list[np.ndarray]]:
    """An animal, and masks: five that found it, two that found the ground, each half of the photo and all of it."""
    animal = np.zeros(SIZE, bool)
    animal[6:14, 4:16] = True
    left = np.zeros(SIZE, bool)
    left[:, :13] = True
    return animal, [*[animal] * 5, ~animal, ~animal, left, ~left, np.ones(SIZE, bool)]


def test_heat_on_a_part_spreads_to_the_animal_and_no_further() -> None:
    animal, masks = scene()
    heat = np.zeros(SIZE, np.uint8)
    heat[6:14, 4:11] = 12
    np.testing.assert_array_equal(relabel(heat, MaskSet.from_dense(masks, SIZE), 21, POOL).labels == 12, animal)


def test_heat_that_leaks_onto_the_ground_withdraws_from_it() -> None:
    animal, masks = scene()
    heat = np.zeros(SIZE, np.uint8)
    heat[5:16, 4:18] = 12
    found = relabel(heat, MaskSet.from_dense(masks, SIZE), 21, POOL).labels == 12
    assert found[animal].all()
    assert found[~animal].sum() < (heat == 12)[~animal].sum()


def test_two_classes_with_one_mask_are_a_tie_and_the_lower_label_has_it() -> None:
    mask = np.ones(SIZE, bool)
    strongest = np.full(SIZE, 3, np.uint8)
    strongest[:, 13:] = 7
    values = np.where(strongest == 3, 80, 248).astype(np.uint8)
    settings = POOL.model_copy(update={"own_votes": 0.0})
    runs = MaskRuns.of(MaskSet.from_dense([mask], SIZE))
    labels, most = pool(Heat(strongest, values), runs, runs.areas(), settings)
    assert most.tolist() == [7]
    assert (labels == 3).all()  # each class's largest value counts as 1


def test_without_masks_a_label_map_stays_and_255_too() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[3:9], labels[12:] = 5, 255
    done = relabel(labels, MaskSet.empty(SIZE), 8, POOL)
    np.testing.assert_array_equal(done.labels, labels)
    assert (done.chosen, done.bare, done.vanished) == (0, (5,), ())


def test_a_mask_covers_255_where_a_class_reaches_it() -> None:
    labels = np.zeros(SIZE, np.uint8)
    labels[:, :10], labels[:, 10:12] = 5, 255
    mask = np.zeros(SIZE, bool)
    mask[:, :12] = True
    done = relabel(labels, MaskSet.from_dense([mask, mask, mask], SIZE), 8, POOL)
    assert (done.labels[:, :12] == 5).all()


@pytest.mark.parametrize("labels", [np.zeros(SIZE, np.uint8), np.full(SIZE, 255, np.uint8)])
def test_nothing_hot_stays_background(labels: np.ndarray) -> None:
    _, masks = random_case(0, 5)
    done = relabel(labels, MaskSet.from_dense(masks, SIZE), 8, POOL)
    np.testing.assert_array_equal(done.labels, labels)
    assert done.chosen == 0
