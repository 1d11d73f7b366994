"""The streaming generator against SAM's plain algorithm, crops against hand counts, clean-up against scikit-image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage.measure import label

from benchmarks.plain_generator import plain_generate
from ops.automatic.crops import Crop, crops_of, cut_by_crop, grid_points
from ops.automatic.generator import AutomaticMaskGenerator
from ops.automatic.regions import without_small_regions
from ops.automatic.settings import GeneratorSettings
from ops.mask_tree import check_tree
from ops.promptable.checks import PromptError
from stores.masks import MaskSet
from stores.rle import from_rle, iou
from tests.ops.promptable.tiny_promptable import photo, tiny_model

LOOSE = GeneratorSettings(
    points_per_side=6, pred_iou_thresh=0.2, stability_score_thresh=0.5, nms="boxes", nms_thresh=1.0, points_per_batch=8
)


@pytest.fixture(scope="module")
def generator() -> AutomaticMaskGenerator:
    return AutomaticMaskGenerator(tiny_model(), LOOSE, precision="float32")


def test_masks_are_those_of_the_plain_algorithm(generator: AutomaticMaskGenerator) -> None:
    found = generator.candidates(photo())
    masks, scores, stability = plain_generate(generator.model, photo(), LOOSE)
    assert 3 < len(found) == len(masks) < 36 * 3
    np.testing.assert_allclose(found.predicted_iou, scores, rtol=1e-4)
    np.testing.assert_allclose(found.stability, stability, atol=0.01)
    for index in range(len(found)):
        assert (found.masks.dense(index) == masks[index]).mean() > 0.999


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_the_batch_of_clicks_does_not_matter(generator: AutomaticMaskGenerator, batch: int) -> None:
    settings = LOOSE.model_copy(update={"points_per_batch": batch})
    found = AutomaticMaskGenerator(generator.model, settings, precision="float32").candidates(photo())
    wanted = generator.candidates(photo())
    np.testing.assert_allclose(found.predicted_iou, wanted.predicted_iou, rtol=1e-4)


def test_exact_nms_keeps_distinct_masks_only(generator: AutomaticMaskGenerator) -> None:
    settings = LOOSE.model_copy(update={"nms": "masks", "nms_thresh": 0.97})
    found = AutomaticMaskGenerator(generator.model, settings, precision="float32").candidates(photo())
    overlaps = iou(found.masks, found.masks)
    np.fill_diagonal(overlaps, 0)
    assert len(found) > 1
    assert overlaps.max() <= 0.97
    assert (np.diff(found.predicted_iou) <= 0).all()


@pytest.mark.parametrize(
    ("threshold", "name"), [(0.4, "pred_iou_thresh"), (0.9, "stability_score_thresh"), (0.05, "max_area")]
)
def test_filters(generator: AutomaticMaskGenerator, threshold: float, name: str) -> None:
    settings = LOOSE.model_copy(update={name: threshold, "nms_thresh": 1.0})
    found = AutomaticMaskGenerator(generator.model, settings, precision="float32").candidates(photo())
    assert (found.predicted_iou > settings.pred_iou_thresh).all()
    assert (found.stability >= settings.stability_score_thresh).all()
    assert (found.masks.areas() <= settings.max_area * 5400).all()


def test_crops_and_clean_up_run_and_records_are_sams(generator: AutomaticMaskGenerator) -> None:
    settings = LOOSE.model_copy(update={"crop_n_layers": 1, "min_mask_region_area": 30})
    crops = AutomaticMaskGenerator(generator.model, settings, precision="float32")
    found = crops.candidates(photo())
    records = found.records("coco_rle")
    keys = {"segmentation", "area", "bbox", "predicted_iou", "point_coords", "stability_score", "crop_box"}
    assert records
    assert all(set(record) == keys for record in records)
    restored = from_rle([record["segmentation"] for record in records], (60, 90))
    np.testing.assert_array_equal(restored.areas(), [record["area"] for record in records])
    plain = found.records("uncompressed_rle")[0]["segmentation"]
    assert sum(plain["counts"]) == 5400
    assert found.records()[0]["segmentation"].sum() == records[0]["area"]
    tree = crops.tree(photo())
    assert not check_tree(tree)
    assert (np.diff(tree.score) <= 1e-6).all()


def test_an_image_without_sure_masks_gives_none(generator: AutomaticMaskGenerator) -> None:
    strict = LOOSE.model_copy(update={"pred_iou_thresh": 1.0})
    model = tiny_model()
    torch.nn.init.zeros_(model.mask_decoder.iou_prediction_head.proj_out.weight)
    assert AutomaticMaskGenerator(model, strict).generate(photo()) == []
    with pytest.raises(PromptError, match="too small"):
        generator.generate(np.zeros((1, 1, 3), np.uint8))


def test_layers_of_crops() -> None:
    settings = GeneratorSettings(crop_n_layers=2, crop_overlap_ratio=0.25)
    crops = crops_of((100, 200), settings)
    assert [crop.layer for crop in crops] == [0] + [1] * 4 + [2] * 16
    assert crops[0].box == (0, 0, 200, 100)
    # overlap = int(0.25 * 100 * 2 / 2) = 25; width = ceil((25 + 200) / 2) = 113, height = ceil((25 + 100) / 2) = 63
    assert [crop.box for crop in crops[1:5]] == [
        (0, 0, 113, 63),
        (0, 38, 113, 100),
        (88, 0, 200, 63),
        (88, 38, 200, 100),
    ]
    covered = np.zeros((100, 200), bool)
    for crop in crops[5:]:
        left, top, right, bottom = crop.box
        covered[top:bottom, left:right] = True
    assert covered.all()


def test_grids_and_the_edges_of_crops() -> None:
    settings = GeneratorSettings(points_per_side=4, crop_n_points_downscale_factor=2)
    assert grid_points((10, 20), 0, settings)[[0, 1, -1]].tolist() == [[2.5, 1.25], [7.5, 1.25], [17.5, 8.75]]
    assert len(grid_points((10, 20), 2, settings)) == 1
    boxes = np.array([[60, 60, 90, 90], [60, 60, 185, 90], [5, 5, 90, 90], [12, 60, 90, 90]])
    cut = cut_by_crop(boxes, Crop((0, 0, 200, 200), 1).box, (400, 200))
    assert cut.tolist() == [False, False, False, False]
    assert cut_by_crop(np.array([[60, 60, 90, 185]]), (0, 0, 200, 200), (400, 200)).tolist() == [True]


@pytest.mark.parametrize("smallest", [1, 6, 40, 10_000])
def test_small_regions_go(smallest: int) -> None:
    generator = np.random.default_rng(0)
    dense = [generator.random((20, 30)) < share for share in (0.3, 0.6, 0.9)] + [np.zeros((20, 30), bool)]
    masks = MaskSet.from_dense(dense, (20, 30), score=[0.1, 0.2, 0.3, 0.4])
    cleaned, changed = without_small_regions(masks, smallest)
    for index, mask in enumerate(dense):
        wanted = _cleaned(mask, smallest)
        np.testing.assert_array_equal(cleaned.dense(index), wanted)
        assert changed[index] == (wanted != mask).any()
    np.testing.assert_allclose(cleaned.score, masks.score)


def _cleaned(mask: np.ndarray, smallest: int) -> np.ndarray:
    """Holes, then islands, by scikit-image's labels and a loop."""
    result = mask.copy()
    holes = label(~np.pad(mask, 1, constant_values=False), connectivity=2)
    for region in range(1, holes.max() + 1):
        if region != holes[0, 0] and (holes == region).sum() < smallest:
            result |= (holes == region)[1:-1, 1:-1]
    islands = label(result, connectivity=2)
    areas = [(islands == region).sum() for region in range(1, islands.max() + 1)]
    for region, area in enumerate(areas, 1):
        if area < smallest and not (area == max(areas) and areas.index(area) + 1 == region):
            result &= islands != region
    return result
