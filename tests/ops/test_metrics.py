"""AR and AP against a case worked out by hand and against pycocotools' COCOeval."""

import json

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval
from scipy.io import savemat

from ops.ground_truth import GroundTruth, GroundTruthImage, GroundTruthMask, load_ground_truth
from ops.metrics import average_recall, best_overlaps, recall_by_image
from stores.masks import MaskSet

SIZE = (100, 200)


def rectangle(x, y, w, h, size=SIZE):
    mask = np.zeros(size, bool)
    mask[y : y + h, x : x + w] = True
    return mask


def encode(mask):
    return rle.encode(np.asfortranarray(mask.astype(np.uint8)))


def human(*masks_by_image, crowds=()):
    images = tuple(GroundTruthImage(i, f"{i}.jpg", SIZE) for i, _ in enumerate(masks_by_image))
    masks = [
        GroundTruthMask(i, encode(mask), float(mask.sum()), (i, j) in crowds)
        for i, masks in enumerate(masks_by_image)
        for j, mask in enumerate(masks)
    ]
    return GroundTruth(images, tuple(masks))


def predicted(masks, **columns):
    return MaskSet.from_dense(masks, SIZE, **columns)


def test_three_images_by_hand():
    """Image 0: one exact hit and one of IoU 0.7 (5 of 10 thresholds, .50 ... .70); image 1 and 2: all missed.

    5 human masks: (10 + 5 + 0 + 0 + 0) / 50 = 0.3 at 1000; with one detection an image only the first hit: 0.2.
    """
    truth = human(
        [rectangle(0, 0, 20, 20), rectangle(50, 0, 100, 10)],
        [rectangle(0, 0, 40, 40), rectangle(100, 50, 10, 10)],
        [rectangle(0, 0, 150, 100)],
    )
    found = {
        0: predicted([rectangle(50, 0, 71, 10), rectangle(0, 0, 20, 20)], score=[0.1, 0.9]),
        1: predicted([rectangle(150, 0, 10, 10)]),
    }
    result = average_recall(found, truth)
    assert result["AR@1"] == pytest.approx(10 / 50)
    assert result["AR@1000"] == pytest.approx(15 / 50)
    assert result["AR_small"] == pytest.approx(15 / 30)
    assert result["AR_medium"] == 0
    assert result["AR_large"] == 0
    assert result["masks_per_image"] == 1


def test_no_predictions_at_all_is_a_recall_of_zero():
    result = average_recall({}, human([rectangle(0, 0, 9, 9)]))
    assert result["AR@1000"] == 0
    assert result["masks_per_image"] == 0


def test_nothing_to_find_is_nan():
    assert np.isnan(average_recall({0: predicted([rectangle(0, 0, 9, 9)])}, human([]))["AR@10"])


def test_crowds_are_ignored():
    truth = human([rectangle(0, 0, 20, 20), rectangle(50, 0, 100, 100)], crowds={(0, 1)})
    assert average_recall({0: predicted([rectangle(0, 0, 20, 20)])}, truth)["AR@1000"] == 1


@pytest.mark.parametrize(
    ("predictions", "message"),
    [
        ({7: MaskSet.empty(SIZE)}, "not in the ground truth"),
        ({0: MaskSet.empty((200, 100))}, "the photo is"),
    ],
)
def test_mismatch_is_an_error(predictions, message):
    with pytest.raises(ValueError, match=message):
        average_recall(predictions, human([rectangle(0, 0, 9, 9)]))


def random_case(seed):
    generator = np.random.default_rng(seed)

    def boxes(count):
        corners = generator.integers(0, [80, 40], (count, 2))
        return [rectangle(x, y, *generator.integers(5, [180, 110])) for x, y in corners]

    truth = [boxes(6), boxes(1), [], boxes(12), boxes(3)]
    found = {}
    for image_id in (0, 2, 3, 4):
        jittered = [np.roll(mask, generator.integers(-4, 5, 2), (0, 1)) for mask in truth[image_id]] + boxes(8)
        found[image_id] = predicted(jittered, score=generator.choice([0.2, 0.5, 0.7], len(jittered)))
    return human(*truth, crowds={(0, 1), (3, 4)}), found


def pycocotools_stats(truth, found, limits):
    annotations = [
        {"id": i + 1, "image_id": m.image_id, "category_id": 1, "bbox": [0, 0, 1, 1]}
        | {"segmentation": m.rle, "area": m.area, "iscrowd": int(m.crowd)}
        for i, m in enumerate(truth.masks)
    ]
    coco = COCO()
    coco.dataset = {
        "info": {},
        "images": [{"id": i.image_id, "height": SIZE[0], "width": SIZE[1]} for i in truth.images],
        "annotations": annotations,
        "categories": [{"id": 1}],
    }
    coco.createIndex()
    results = [
        {"image_id": i, "category_id": 1, "segmentation": encode(masks.dense(j)), "score": float(masks.score[j])}
        for i, masks in found.items()
        for j in range(len(masks))
    ]
    evaluation = COCOeval(coco, coco.loadRes(results), "segm")
    evaluation.params.useCats = 0
    evaluation.params.maxDets = limits
    evaluation.evaluate()
    evaluation.accumulate()
    return evaluation.eval


@pytest.mark.parametrize("seed", range(5))
def test_equals_pycocotools(seed):
    truth, found = random_case(seed)
    limits = [1, 3, 10, 1000]
    oracle = pycocotools_stats(truth, found, limits)
    result = average_recall(found, truth, limits)
    for k, limit in enumerate(limits):
        assert result[f"AR@{limit}"] == pytest.approx(oracle["recall"][:, 0, 0, k].mean(), abs=1e-6)
    for a, area in enumerate(("small", "medium", "large")):
        recall = oracle["recall"][:, 0, a + 1, -1]
        assert result[f"AR_{area}"] == pytest.approx(recall[recall > -1].mean(), abs=1e-6)
    assert result["AP"] == pytest.approx(oracle["precision"][:, :, 0, 0, -1].mean(), abs=1e-6)


def test_recall_by_image_pools_to_the_whole():
    truth, found = random_case(11)
    split = recall_by_image(found, truth, 10)
    assert split.pooled() == pytest.approx(average_recall(found, truth, [10])["AR@10"])
    assert split.recall[1] == 0
    assert np.isnan(split.recall[2])
    assert split.counts.tolist() == [5, 1, 0, 11, 3]
    assert 0 < split.standard_error(200) < 0.3


def test_best_overlaps_lets_one_mask_answer_twice():
    masks = predicted([rectangle(0, 0, 10, 10)])
    truth = [encode(rectangle(0, 0, 10, 10)), encode(rectangle(0, 0, 10, 5)), encode(rectangle(90, 0, 9, 9))]
    assert best_overlaps(masks, truth).tolist() == [1, 0.5, 0]
    assert best_overlaps(MaskSet.empty(SIZE), truth).tolist() == [0, 0, 0]


def test_bsds_keeps_every_region_of_every_annotator(tmp_path):
    first = np.ones((6, 8), np.uint16)
    first[:, 4:] = 2
    second = first.copy()
    second[:3, :4] = 9
    cells = np.empty((1, 2), object)
    for column, labels in enumerate((first, second)):
        cells[0, column] = {"Segmentation": labels, "Boundaries": np.zeros_like(labels)}
    savemat(tmp_path / "42.mat", {"groundTruth": cells})
    Image.new("RGB", (8, 6)).save(tmp_path / "42.jpg")
    truth = load_ground_truth("bsds500", tmp_path)
    assert truth.image_ids == [42]
    assert truth.images[0].size == (6, 8)
    assert sorted(mask.area for mask in truth.masks) == [12, 12, 24, 24, 24]


def test_coco_reads_polygons_and_crowds(tmp_path):
    crowd = {"size": [10, 12], "counts": [0, 30, 90]}
    base = {"image_id": 3, "category_id": 5, "bbox": [0, 0, 1, 1]}
    annotations = [
        base | {"id": 1, "segmentation": [[2, 2, 6, 2, 6, 6, 2, 6]], "area": 16.5, "iscrowd": 0},
        base | {"id": 2, "segmentation": crowd, "area": 30, "iscrowd": 1},
    ]
    images = [{"id": i, "file_name": f"{i}.jpg", "height": 10, "width": 12} for i in (3, 4)]
    (tmp_path / "instances.json").write_text(json.dumps({"images": images, "annotations": annotations}))
    truth = load_ground_truth("coco", tmp_path)
    assert [mask.crowd for mask in truth.masks] == [False, True]
    assert [mask.area for mask in truth.masks] == [16.5, 30]
    assert rle.decode(truth.masks[0].rle).sum() == 16
    assert rle.decode(truth.masks[1].rle).sum() == 30
    assert truth.subset([4]).masks == ()
    with pytest.raises(ValueError, match="no such images"):
        truth.subset([5])


def test_unknown_ground_truth_names_the_choices(tmp_path):
    with pytest.raises(ValueError, match="bsds500"):
        load_ground_truth("imagenet", tmp_path)
