"""Learning where masks end: at the outline of discs, and not at the stripe that goes across them."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage import data

from models.grouping import build_grouping
from models.grouping_config import GroupingConfig
from ops.grouping.borders import ends, held_apart, learn_borders, parted
from ops.grouping.looking import look
from ops.grouping.odds import log_odds
from ops.grouping.settings import BorderSettings, GroupingPrediction, View
from ops.grouping.views import find_candidates
from ops.pixel_tree.full_size import labels_at_size
from ops.pixel_tree.region_graph import connect, with_cue
from ops.settings import PixelTreeSettings
from stores.masks import SOURCES, MaskSet, concatenate

SIDE = 128
HUMAN = SOURCES.index("human")
VIEWS = GroupingPrediction(views=(View(side=SIDE), View(side=SIDE, mirrored=True, boundaries="sobel")), candidates=150)
SETTINGS = BorderSettings(photos=6, axes=8, steps=300, batch=512)


def striped_disc(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """A photo (SIDE, SIDE, 3) with a grey disc across which a white stripe goes, and the whole disc."""
    generator = np.random.default_rng(seed)
    photo = data.astronaut()[generator.integers(0, 200) :, generator.integers(0, 200) :][:SIDE, :SIDE].copy()
    rows, columns = np.mgrid[:SIDE, :SIDE]
    down, across = generator.integers(48, 80, 2)
    disc = (rows - down) ** 2 + (columns - across) ** 2 < generator.integers(30, 44) ** 2
    photo[disc] = (90, 90, 90)
    photo[disc & (np.abs(rows - down) < 9)] = (250, 250, 250)
    return photo, disc


class Discs:
    """Eight photos; `source` of their masks."""

    def __init__(self, source: int = HUMAN):
        self.source = source

    def __len__(self):
        return 8

    def __getitem__(self, index):
        photo, disc = striped_disc(index)
        return photo, MaskSet.from_dense([disc], (SIDE, SIDE), source=np.array([self.source], np.uint8))


class Unlabelled(Discs):
    def __getitem__(self, index):
        return striped_disc(index)[0], MaskSet.empty((SIDE, SIDE))


class Flat(Discs):
    def __getitem__(self, index):
        return np.full((SIDE, SIDE, 3), 128, np.uint8), super().__getitem__(index)[1]


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return build_grouping(GroupingConfig(dim=16, embedding=8)).eval()


@pytest.fixture(scope="module")
def borders(model):
    return learn_borders(model, [Discs()], SETTINGS, VIEWS, seed=0)


def test_it_is_told_how_far_learning_is(model):
    said: list[str] = []
    learn_borders(model, [Discs()], SETTINGS.model_copy(update={"photos": 2, "steps": 1}), VIEWS, 0, said.append)
    assert said[-1].startswith("learning where masks end: 2 of 2 images")


def test_masks_part_what_one_of_them_holds_by_half():
    labels = np.array([[0, 0, 1, 1], [0, 0, 1, 1], [2, 2, 3, 3], [2, 2, 4, 4]])
    graph = connect(labels, np.zeros((1, 4, 4), np.float32))
    masks = MaskSet.from_dense([np.isin(labels, (0, 1)), np.isin(labels, (1,))], labels.shape)
    target, known = parted(masks, labels, graph)
    said = {
        (one, other): (bool(apart), bool(any_says))
        for one, other, apart, any_says in zip(graph.first, graph.second, target, known, strict=True)
    }
    assert said == {
        (0, 1): (True, True),
        (0, 2): (True, True),
        (1, 3): (True, True),
        (2, 3): (False, False),
        (2, 4): (False, False),
        (3, 4): (False, False),
    }


def test_a_leaf_belongs_to_the_mask_that_holds_most_of_it():
    labels = np.array([[0, 0, 0, 1, 1, 1]])
    graph = connect(labels, np.zeros((1, 1, 6), np.float32))
    for pixels, apart in ((2, True), (4, True), (5, False)):
        target, known = parted(MaskSet.from_dense([np.arange(6)[None] < pixels], labels.shape), labels, graph)
        assert (bool(target[0]), bool(known[0])) == (apart, True)


def test_a_leaf_that_the_photo_has_no_pixel_of_says_nothing():
    """A view may be twice as large as a small photo."""
    graph = connect(np.array([[0, 0, 1, 1, 2]]), np.zeros((1, 1, 5), np.float32))
    labels = np.array([[0, 0, 1, 1]])
    _, known = parted(MaskSet.from_dense([labels == 1], labels.shape), labels, graph)
    assert known.tolist() == [True, False]


def random_masks(seed: int, count: int, labels: np.ndarray, source: int = 0) -> MaskSet:
    """Of random leaves, with random scores."""
    generator = np.random.default_rng(seed)
    dense = [np.isin(labels, generator.permutation(labels.max() + 1)[: generator.integers(1, 6)]) for _ in range(count)]
    columns = {"score": generator.random(count).astype(np.float32), "source": np.full(count, source, np.uint8)}
    return MaskSet.from_dense(dense, labels.shape, **columns)


@pytest.mark.parametrize("seed", range(3))
def test_sides_are_as_far_apart_as_the_masks_that_hold_one_do_not_hold_both(seed):
    labels = np.arange(16).reshape(4, 4).repeat(3, 0).repeat(3, 1)
    graph = connect(labels, np.zeros((1, 12, 12), np.float32))
    masks = random_masks(seed, 8, labels)
    apart, known = held_apart(masks, labels, graph)
    assert known.all()
    for first, second, value in zip(graph.first, graph.second, apart, strict=True):
        one = two = both = 0.5
        for index, score in enumerate(masks.score):
            holds = [bool(masks.dense(index)[labels == side].all()) for side in (first, second)]
            one, two, both = one + score * holds[0], two + score * holds[1], both + score * all(holds)
        assert value == pytest.approx((1 - both / (one * two) ** 0.5) ** 0.5, abs=1e-6)


def test_what_people_drew_decides_where_they_drew_something():
    labels = np.array([[0, 0, 1, 1, 2, 2, 3, 3]])
    graph = connect(labels, np.zeros((1, 1, 8), np.float32))
    human = MaskSet.from_dense([labels <= 1], labels.shape, source=np.array([HUMAN], np.uint8))
    unsupervised = random_masks(0, 5, labels)
    target, worth = ends(concatenate([human, unsupervised]), labels, graph, human_weight=6.0)
    held, _ = held_apart(unsupervised, labels, graph)
    assert (target[0], target[1]) == (0, 1)
    assert target[2] == held[2]
    assert worth.tolist() == [6, 6, 1]
    assert ends(human, labels, graph)[1].tolist() == [1, 1, 0]
    assert ends(human, labels, graph, human_weight=6.0)[1].tolist() == [6, 6, 0]


def test_masks_that_nobody_drew_teach_where_they_end(model):
    settings = SETTINGS.model_copy(update={"masks": "all"})
    learned = learn_borders(model, [Discs(source=0)], settings, VIEWS, seed=0)
    photo, disc = striped_disc(20)
    looked = look(photo, VIEWS.views[0], model, PixelTreeSettings())
    target, known = parted(MaskSet.from_dense([disc], (SIDE, SIDE)), labels_at_size(looked.labels, photo), looked.graph)
    odds = learned(torch.from_numpy(looked.borders_described(learned))).numpy()
    assert odds[known & target].mean() > odds[known & ~target].mean() + 0.5


@pytest.mark.parametrize("view", VIEWS.views, ids=["plain", "mirrored"])
def test_masks_end_at_the_disc_and_not_at_the_stripe_of_a_photo_that_was_not_seen(model, view, borders):
    photo, disc = striped_disc(20)
    looked = look(photo, view, model, PixelTreeSettings())
    truth = MaskSet.from_dense([disc], (SIDE, SIDE))
    target, known = parted(truth, labels_at_size(looked.labels, photo), looked.graph)
    odds = borders(torch.from_numpy(looked.borders_described(borders))).numpy()
    assert odds[known & target].mean() > odds[known & ~target].mean() + 1


def test_the_whole_disc_is_ranked_higher_for_what_was_learned(model, borders):
    view, options = VIEWS.views[0].model_copy(update={"border_weight": 6.0}), PixelTreeSettings()
    photo, disc = striped_disc(21)

    def place() -> float:
        found = find_candidates(photo, view, model, options, 150)
        member = found.sets.membership(len(found.looked.leaves)).toarray()[:, found.looked.labels]
        overlap = (member * disc).sum((1, 2)) / np.maximum(member, disc).sum((1, 2))
        return int(np.argmax(overlap > 0.8)) if (overlap > 0.8).any() else 150

    unlearned = place()
    try:
        model.borders = borders
        learned = place()
    finally:
        model.borders = None
    assert learned <= unlearned


def test_regions_gain_by_the_learned_borders_along_their_outlines(model, borders):
    view, options = VIEWS.views[0], PixelTreeSettings()
    photo, _ = striped_disc(23)
    try:
        model.borders = borders
        plain, gaining = (
            find_candidates(photo, view.model_copy(update={"border_score": score}), model, options, 10_000)
            for score in (0.0, 3.0)
        )
    finally:
        model.borders = None
    looked = plain.looked
    parted = torch.sigmoid(borders(torch.from_numpy(looked.borders_described(borders)))).numpy()

    def held(found):
        return [tuple(found.sets.leaves[a:b]) for a, b in pairwise(found.sets.offsets)]

    before = dict(zip(held(plain), log_odds(plain.score), strict=True))
    compared = 0
    for leaves, odds in zip(held(gaining), log_odds(gaining.score), strict=True):
        if leaves in before:
            crossing = np.isin(looked.graph.first, leaves) != np.isin(looked.graph.second, leaves)
            mean = np.average(parted[crossing], weights=looked.graph.length[crossing]) if crossing.any() else 0
            share = looked.leaves.area[list(leaves)].sum() / looked.leaves.area.sum()
            assert odds - before[leaves] == pytest.approx(3 * (mean - 0.466 - 0.023 * np.log(share)), abs=0.02)
            compared += 1
    assert compared > 50


def test_without_weight_what_was_learned_is_not_heeded(model, borders):
    view, options = VIEWS.views[1], PixelTreeSettings()
    photo, _ = striped_disc(22)
    plain = find_candidates(photo, view, model, options, 60)
    try:
        model.borders = borders
        unheeded = find_candidates(photo, view.model_copy(update={"border_weight": 0.0}), model, options, 60)
        heeded = find_candidates(photo, view, model, options, 60)
    finally:
        model.borders = None
    np.testing.assert_array_equal(plain.score, unheeded.score)
    assert not np.array_equal(plain.score, heeded.score)


def test_the_same_seed_learns_the_same(model, borders):
    again = learn_borders(model, [Discs()], SETTINGS, VIEWS, seed=0)
    for name, value in borders.state_dict().items():
        torch.testing.assert_close(again.state_dict()[name], value, msg=name)


def test_learning_leaves_the_model_as_it_was(model, borders):
    assert model.borders is None
    assert not borders.training
    assert not any(value.requires_grad for value in borders.parameters())


@pytest.mark.parametrize(
    ("source", "settings"),
    [
        (Unlabelled(), SETTINGS),
        (Discs(source=0), SETTINGS),
        (Flat(), SETTINGS),
        (Discs(), SETTINGS.model_copy(update={"photos": 0})),
    ],
    ids=["no masks", "no human masks", "no edges", "no photos"],
)
def test_nothing_is_learned_from_nothing(model, source, settings):
    assert learn_borders(model, [source], settings, VIEWS, seed=0) is None


def test_a_graph_with_a_cue_holds_its_sums():
    graph = connect(np.array([[0, 0, 1, 1], [0, 0, 2, 2]]), np.full((1, 2, 4), 3.0, np.float32))
    more = with_cue(graph, np.array([0.5, 1, 2], np.float32))
    assert list(zip(graph.first, graph.second, graph.length, strict=True)) == [(0, 1, 1), (0, 2, 1), (1, 2, 2)]
    np.testing.assert_allclose(more.strength, [[3, 0.5], [3, 1], [6, 4]])
