"""Learning what people draw: of red and blue discs on a photo, only the red ones have human masks."""

import numpy as np
import pytest
import torch
from skimage import data

from models.grouping import build_grouping
from models.grouping_config import GroupingConfig
from ops.grouping.odds import log_odds, shifted
from ops.grouping.quality import learn_quality, overlaps
from ops.grouping.settings import GroupingPrediction, QualitySettings, View
from ops.grouping.views import find_candidates, propose
from ops.settings import PixelTreeSettings
from stores.masks import SOURCES, MaskSet

SIDE = 128
HUMAN = SOURCES.index("human")
VIEWS = GroupingPrediction(views=(View(side=SIDE), View(side=SIDE, mirrored=True, boundaries="sobel")), candidates=150)
SETTINGS = QualitySettings(photos=6, axes=8, steps=200, batch=512)


def discs(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A photo (SIDE, SIDE, 3) with a red and a blue disc, and where these are."""
    generator = np.random.default_rng(seed)
    photo = data.astronaut()[generator.integers(0, 200) :, generator.integers(0, 200) :][:SIDE, :SIDE].copy()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    left = generator.random() < 0.5
    found = []
    for colour, across in (((220, 30, 30), 32 if left else 96), ((30, 30, 220), 96 if left else 32)):
        centre = generator.integers(30, 98)
        disc = (rows - centre) ** 2 + (columns - across) ** 2 < generator.integers(16, 24) ** 2
        photo[disc] = colour
        found.append(disc)
    return photo, found[0], found[1]


class Discs:
    """Photos 0 to 5 with the red disc as a human mask beside a pseudo-mask of the blue one; then two without."""

    def __len__(self):
        return 8

    def __getitem__(self, index):
        photo, red, blue = discs(index)
        sources = np.array([HUMAN if index < 6 else 0, 0], np.uint8)
        return photo, MaskSet.from_dense([red, blue], (SIDE, SIDE), source=sources)


class Unannotated(Discs):
    def __getitem__(self, index):
        photo, masks = super().__getitem__(index)
        return photo, masks.with_columns(source=0)


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_grouping(GroupingConfig(dim=16, embedding=8)).eval()


@pytest.fixture(scope="module")
def quality(model):
    return learn_quality(model, [Discs()], SETTINGS, VIEWS, seed=0)


@pytest.mark.parametrize("view", VIEWS.views, ids=["plain", "mirrored"])
def test_overlaps_are_those_of_dense_masks(model, view):
    photo, red, blue = discs(20)
    found = find_candidates(photo, view, model, PixelTreeSettings(), 40)
    truth = MaskSet.from_dense([red, blue], (SIDE, SIDE))
    got = overlaps(found, truth)
    labels = found.looked.leaves.labels[:, ::-1] if view.mirrored else found.looked.leaves.labels
    for index in range(len(found.sets)):
        inside = np.isin(labels, found.sets.leaves[found.sets.offsets[index] : found.sets.offsets[index + 1]])
        wanted = max((inside & disc).sum() / (inside | disc).sum() for disc in (red, blue))
        assert got[index] == pytest.approx(wanted, abs=1e-5)


def test_what_people_draw_gains_on_a_photo_that_was_not_seen(model, quality):
    photo, red, blue = discs(30)
    view = VIEWS.views[0]
    found = find_candidates(photo, view, model, PixelTreeSettings(), 150)
    added = quality(torch.from_numpy(found.described(quality))).numpy()
    of = {
        name: added[overlaps(found, MaskSet.from_dense([disc], (SIDE, SIDE))) > 0.7].max()
        for name, disc in (("red", red), ("blue", blue))
    }
    assert of["red"] > np.median(added) + 1
    assert of["red"] > of["blue"] + 1


def test_the_same_seed_learns_the_same(model, quality):
    again = learn_quality(model, [Discs()], SETTINGS, VIEWS, seed=0)
    for name, value in quality.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)


def test_learning_leaves_the_model_as_it_was(model, quality):
    assert model.quality is None
    assert not quality.training
    assert not any(value.requires_grad for value in quality.parameters())


@pytest.mark.parametrize(
    ("source", "settings"), [(Unannotated(), SETTINGS), (Discs(), SETTINGS.model_copy(update={"photos": 0}))]
)
def test_without_human_masks_nothing_is_learned(model, source, settings):
    assert learn_quality(model, [source], settings, VIEWS, seed=0) is None


def test_proposals_gain_what_was_learned_by_its_weight(model, quality):
    photo, _, _ = discs(31)
    view, options = VIEWS.views[1], PixelTreeSettings()
    plain = propose(photo, view, model, options, 60, quality_weight=0.5)
    found = find_candidates(photo, view, model, options, 60)
    described = torch.from_numpy(found.described(quality))
    try:
        model.quality = quality
        heeded = propose(photo, view, model, options, 60, quality_weight=0.5)
        unheeded = propose(photo, view, model, options, 60, quality_weight=0.0)
    finally:
        model.quality = None
    np.testing.assert_array_equal(plain.score, found.score)
    np.testing.assert_array_equal(unheeded.score, plain.score)
    np.testing.assert_allclose(heeded.score, shifted(found.score, 0.5 * quality(described).numpy()), rtol=1e-5)
    np.testing.assert_array_equal(heeded.labels, plain.labels)


def test_odds_of_certain_scores_are_finite():
    assert np.isfinite(log_odds(np.array([0.0, 1.0], np.float32))).all()
    np.testing.assert_allclose(shifted(np.array([0.5, 0.2]), 0.0), [0.5, 0.2], rtol=1e-6)
