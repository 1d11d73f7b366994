"""Conquer against spec 3 written once more with dense masks, and on images and masks that are hard."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy import ndimage

from benchmarks.merge import PlainMerge
from ops.conquer import conquer_image
from ops.mask_tree import check_tree
from ops.settings import ConquerSettings, CrfSettings, LabelSettings
from ops.upsample import upsample_labels
from stores.masks import SOURCES, MaskSet
from tests.ops.tiny_backbone import THETAS, TinyBackbone

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
CROP = 96
RELEASED = {
    "crop_end": "exclusive",
    "channel_order": "bgr",
    "upsample": "each",
    "nms_scope": "region",
    "nms_window": 5,
    "whole_image": False,
    "refine": False,
}


@pytest.fixture(scope="module")
def backbone():
    return TinyBackbone()


def photo(seed=0, size=(150, 210)):
    """Coloured cells with textured insides: several levels of alike neighbours."""
    generator = np.random.default_rng(seed)
    points = generator.uniform(0, size, (14, 2))
    y, x = np.mgrid[: size[0], : size[1]]
    cell = np.argmin([(y - py) ** 2 + (x - px) ** 2 for py, px in points], axis=0)
    colours = generator.integers(20, 235, (14, 3))
    noise = ndimage.gaussian_filter(generator.normal(0, 60, (*size, 3)), (3, 3, 0))
    return np.clip(colours[cell] + 2 * noise, 0, 255).astype(np.uint8)


def ellipse(size, cy, cx, ry, rx):
    y, x = np.mgrid[: size[0], : size[1]]
    return ((y - cy) / ry) ** 2 + ((x - cx) / rx) ** 2 < 1


def divide_masks(size=(150, 210)):
    masks = [ellipse(size, 70, 60, 60, 45), ellipse(size, 80, 150, 50, 55), ellipse(size, 140, 200, 40, 40)]
    return MaskSet.from_dense(masks, size, source=SOURCES.index("divide"), score=[0.9, 0.8, 0.7])


def settings(**conquer):
    options = {"crop_size": CROP, "refine_size": 160, **conquer}
    return LabelSettings(conquer=ConquerSettings(**options), crf=CrfSettings(size=120, iterations=3))


def tokens_of(backbone, crop, resample=Image.Resampling.BICUBIC, side=CROP):
    pixels = np.asarray(Image.fromarray(np.ascontiguousarray(crop)).resize((side, side), resample)) / 255.0
    pixels = torch.from_numpy(((pixels - MEAN) / STD).astype(np.float32)).permute(2, 0, 1)[None]
    tokens = backbone(pixels)[0].numpy()
    return tokens - tokens.mean(axis=(0, 1))


def iou(a, b):
    return (a & b).sum() / (a | b).sum()


def released_parts(image, mask, backbone, thetas=THETAS):
    """Spec 3.1 and 3.2 for one divide mask, with all their quirks: (H, W) masks in the order that NMS leaves."""
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    top, bottom, left, right = rows[0], rows[-1], columns[0], columns[-1]
    if bottom == top or right == left:
        return []
    tokens = tokens_of(backbone, image[top:bottom, left:right, ::-1])
    found = []
    for level in PlainMerge(tokens).levels(thetas):
        for label in range(level.max() + 1) if level.max() else ():
            cluster = level == label
            if cluster.sum() < 4:
                continue
            enlarged = Image.fromarray(cluster.astype(np.uint8) * 255).resize((right - left, bottom - top))
            part = np.asarray(enlarged) > 127.5
            if (part & mask[top:bottom, left:right]).sum() / part.sum() > 0.9:
                frame = np.zeros(mask.shape, bool)
                frame[top:bottom, left:right] = part
                found.append(frame)
    found.sort(key=lambda part: -part.sum())
    kept = [True] * len(found)
    for i in range(len(found)):
        for j in range(i + 1, min(i + 5, len(found))):
            if kept[i] and kept[j] and iou(found[i], found[j]) > 0.9:
                kept[j] = False
    return [part for part, keep in zip(found, kept, strict=True) if keep]


def fixed_parts(image, inside, corner, tokens, thetas=THETAS):
    """What the fixes make of one region: unions of finest clusters that keep the coverage rule, (H, W) masks."""
    levels = PlainMerge(tokens).levels(thetas)
    leaves = upsample_labels(levels[0], inside.shape)
    found = []
    for level in levels:
        for label in range(level.max() + 1) if level.max() else ():
            part = np.isin(leaves, levels[0][level == label])
            if (level == label).sum() >= 4 and (part & inside).sum() > 0.9 * part.sum():
                frame = np.zeros(image.shape[:2], bool)
                frame[corner[0] : corner[0] + inside.shape[0], corner[1] : corner[1] + inside.shape[1]] = part
                found.append(frame)
    return found


def exact_suppression(parts, objects):
    """Objects first, each group by falling area; what overlaps a kept mask by more than 0.9 goes."""
    kept = []
    for group in (objects, parts):
        for mask in sorted(group, key=lambda mask: -mask.sum()):
            if all(iou(mask, other) <= 0.9 for other in kept):
                kept.append(mask)
    return kept


def dense(masks):
    return [masks.dense(index) for index in range(len(masks))]


def as_bytes(masks):
    return sorted(np.packbits(mask).tobytes() for mask in masks)


@pytest.mark.parametrize("seed", [0, 2, 4])
def test_the_released_behaviour_mask_by_mask(backbone, seed):
    image, divide = photo(seed), divide_masks()
    expected = dense(divide)
    for mask in dense(divide):
        expected += released_parts(image, mask, backbone)
    found = conquer_image(image, divide, backbone, settings(**RELEASED))
    assert len(expected) > len(divide) + 5
    assert as_bytes(dense(found)) == as_bytes(expected)
    assert check_tree(found) == []


@pytest.mark.parametrize("whole_image", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_the_fixed_behaviour_mask_by_mask(backbone, seed, whole_image):
    image, divide = photo(seed), divide_masks()
    parts = []
    for index, (x, y, w, h) in enumerate(divide.boxes):
        inside = divide.crop(index)
        parts += fixed_parts(image, inside, (y, x), tokens_of(backbone, image[y : y + h, x : x + w]))
    if whole_image:
        tokens = tokens_of(backbone, image, Image.Resampling.LANCZOS, 128)
        parts += fixed_parts(image, np.ones(image.shape[:2], bool), (0, 0), tokens)
    options = settings(whole_image=whole_image, upsample="smooth", refine=False)
    options = options.model_copy(update={"backbone": options.backbone.model_copy(update={"size": 128})})
    found = conquer_image(image, divide, backbone, options)
    assert as_bytes(dense(found)) == as_bytes(exact_suppression(parts, dense(divide)))


@pytest.mark.parametrize(
    ("knob", "value"),
    [
        ("crop_end", "inclusive"),
        ("channel_order", "rgb"),
        ("upsample", "smooth"),
        ("upsample", "sharp"),
        ("nms_window", 2),
        ("nms_iou", 0.7),
        ("whole_image", True),
        ("refine", True),
        ("coverage", 0.5),
        ("min_size", 9),
        ("thetas", (0.5,)),
        ("crop_size", 64),
    ],
)
def test_each_knob_changes_the_masks(backbone, knob, value):
    image, divide = photo(2), divide_masks()
    plain, changed = (
        conquer_image(image, divide, backbone, settings(**{**RELEASED, **change})) for change in ({}, {knob: value})
    )
    assert as_bytes(dense(changed)) != as_bytes(dense(plain))


@pytest.mark.parametrize("refine", [False, True])
@pytest.mark.parametrize("upsample", ["sharp", "smooth", "each"])
@pytest.mark.parametrize("size", [(150, 210), (210, 90), (40, 500)])
def test_tree_holds_and_no_two_masks_are_alike(backbone, refine, upsample, size):
    masks = [
        ellipse(size, size[0] / 2, size[1] / 3, size[0] / 2.2, size[1] / 4),
        ellipse(size, 20, size[1] - 20, 19, 19),
    ]
    divide = MaskSet.from_dense(masks, size, source=SOURCES.index("divide"))
    found = conquer_image(photo(4, size), divide, backbone, settings(refine=refine, upsample=upsample))
    assert check_tree(found) == []
    assert len(found) > len(divide)
    assert (found.areas() > 0).all()
    if upsample != "each":
        kept = dense(found)
        assert max(iou(a, b) for i, a in enumerate(kept) for b in kept[:i]) <= 0.9
    parts = found.source == SOURCES.index("conquer")
    assert np.isin(found.theta[parts], np.float32(THETAS)).all()
    assert np.isnan(found.theta[~parts]).all()


@pytest.mark.parametrize("refine", [False, True])
def test_parts_of_one_region_nest_exactly(backbone, refine):
    """With and without the CRF, any two parts of the whole image contain each other or are disjoint."""
    image = photo(2)
    found = dense(conquer_image(image, MaskSet.empty(image.shape[:2]), backbone, settings(refine=refine)))
    assert len(found) > 10
    for i, a in enumerate(found):
        for b in found[:i]:
            assert (a & b).sum() in (0, a.sum(), b.sum())


@pytest.mark.parametrize("side", [64, 128])
def test_parts_end_at_the_edges_of_the_photo(backbone, side):
    """Two flat halves with a border that no token ends at: both the sharp upsampling and the CRF move to it."""
    image = np.full((100, 140, 3), 40, np.uint8)
    image[:, 75:] = (200, 190, 60)
    truth = (np.indices((100, 140))[1] >= 75).astype(bool)

    def best(**conquer):
        options = settings(thetas=(0.5,), **conquer)
        options = options.model_copy(update={"backbone": options.backbone.model_copy(update={"size": side})})
        found = conquer_image(image, MaskSet.empty((100, 140)), backbone, options)
        return max(iou(mask, truth) for mask in dense(found))

    assert best(upsample="smooth", refine=False) < 0.95
    assert best(upsample="smooth", refine=True) > 0.965
    assert best(upsample="sharp", refine=False) == 1
    assert best(upsample="sharp", refine=True) == 1


@pytest.mark.parametrize("conquer", [{}, {"whole_image": False}, RELEASED, {**RELEASED, "refine": True}])
def test_no_divide_masks(backbone, conquer):
    image = photo(0)
    found = conquer_image(image, MaskSet.empty(image.shape[:2]), backbone, settings(**conquer))
    assert check_tree(found) == []
    assert (len(found) > 0) == conquer.get("whole_image", True)


@pytest.mark.parametrize("conquer", [{}, RELEASED, {**RELEASED, "refine": True}])
def test_a_flat_image_keeps_its_divide_masks_and_gains_none(backbone, conquer):
    divide = divide_masks()
    found = conquer_image(np.full((150, 210, 3), 90, np.uint8), divide, backbone, settings(**conquer))
    assert as_bytes(dense(found)) == as_bytes(dense(divide))


@pytest.mark.parametrize("conquer", [{}, RELEASED, {**RELEASED, "refine": True}])
@pytest.mark.parametrize("box", [(0, 0, 1, 1), (209, 149, 1, 1), (30, 0, 1, 150), (0, 149, 210, 1), (70, 70, 2, 2)])
def test_thin_divide_masks(backbone, box, conquer):
    x, y, w, h = box
    mask = np.zeros((150, 210), bool)
    mask[y : y + h, x : x + w] = True
    divide = MaskSet.from_dense([mask], mask.shape, source=SOURCES.index("divide"))
    found = conquer_image(photo(0), divide, backbone, settings(**conquer))
    assert mask.tobytes() in [found.dense(i).tobytes() for i in np.flatnonzero(found.source == 0)]
    assert check_tree(found) == []


def test_one_pixel_image(backbone):
    image = np.full((1, 1, 3), 7, np.uint8)
    found = conquer_image(image, MaskSet.from_dense([np.ones((1, 1), bool)], (1, 1)), backbone, settings())
    assert len(found) == 1


def test_empty_divide_masks_and_copies_leave_the_pool(backbone):
    image, divide = photo(0), divide_masks()
    padded = MaskSet.from_dense(
        [np.zeros((150, 210), bool), *dense(divide), divide.dense(0)], (150, 210), source=SOURCES.index("divide")
    )
    plain = conquer_image(image, divide, backbone, settings())
    found = conquer_image(image, padded, backbone, settings())
    assert as_bytes(mask for mask in dense(found) if mask.any()) == as_bytes(dense(plain))


def test_given_tokens_are_used_for_the_whole_image(backbone):
    image = photo(0)
    tokens = np.zeros((4, 4, 12), np.float32)
    tokens[:, :2, 0], tokens[:, 2:, 1] = 1, 1
    found = conquer_image(
        image, MaskSet.empty((150, 210)), backbone, settings(upsample="smooth", refine=False), tokens=tokens
    )
    halves = np.zeros((150, 210), bool)
    halves[:, :105] = True
    assert as_bytes(dense(found)) == as_bytes([halves, ~halves])


def test_runs_are_identical(backbone):
    image, divide = photo(3), divide_masks()
    first, second = (conquer_image(image, divide, backbone, settings()) for _ in range(2))
    for column in ("boxes", "bits", "offsets", "score", "level", "theta", "parent", "granularity", "source"):
        np.testing.assert_array_equal(getattr(first, column), getattr(second, column))


def test_masks_of_another_size(backbone):
    with pytest.raises(ValueError, match=r"masks of \(H, W\) = \(150, 210\) for an image of \(20, 20\)"):
        conquer_image(photo(0, (20, 20)), divide_masks(), backbone, settings())
