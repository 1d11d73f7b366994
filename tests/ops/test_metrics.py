"""AR and AP against a case worked out by hand and against pycocotools' COCOeval."""

from dataclasses import replace

import numpy as np
import pytest
from pycocotools import mask as rle
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from ops.ground_truth import GroundTruth, GroundTruthImage, GroundTruthMask
from ops.metrics import MismatchedImages, average_recall, best_overlaps, match, recall_by_image
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
        ({7: MaskSet.empty(SIZE)}, "1 predicted images are not in the ground truth: 7"),
        ({"0": MaskSet.empty(SIZE)}, "not in the ground truth"),
        ({0: MaskSet.empty((200, 100))}, "the photo is"),
    ],
)
def test_mismatch_is_an_error(predictions, message):
    with pytest.raises(MismatchedImages, match=message):
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


@pytest.mark.parametrize("limits", [[1, 3, 10, 1000], [1, 3]], ids=str)
@pytest.mark.parametrize("seed", range(5))
def test_equals_pycocotools(seed, limits):
    truth, found = random_case(seed)
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


def test_draws_of_empty_images_only_leave_the_standard_error_be():
    truth = human([rectangle(0, 0, 9, 9)], [rectangle(0, 0, 9, 9)], [])
    split = recall_by_image({0: predicted([rectangle(0, 0, 9, 9)])}, truth)
    draws = [split.pooled(np.array(picked)) for picked in np.ndindex(3, 3, 3)]
    assert split.standard_error(4000) == pytest.approx(np.nanstd(draws), rel=0.05)
    assert np.isnan(recall_by_image({}, human([])).standard_error())


def test_one_matching_gives_the_scores_of_every_limit():
    truth, found = random_case(12)
    matches = match(found, truth, 1000)
    for limit in (1, 10):
        np.testing.assert_array_equal(matches.by_image(limit).recall, recall_by_image(found, truth, limit).recall)
        assert matches.scores([limit])[f"AR@{limit}"] == average_recall(found, truth, [limit])[f"AR@{limit}"]


def test_images_may_have_names():
    truth, found = random_case(13)
    named = GroundTruth(
        tuple(replace(image, image_id=f"photo {image.image_id}") for image in truth.images),
        tuple(replace(mask, image_id=f"photo {mask.image_id}") for mask in truth.masks),
    )
    by_name = {f"photo {image_id}": masks for image_id, masks in found.items()}
    assert average_recall(by_name, named) == average_recall(found, truth)


def test_best_overlaps_lets_one_mask_answer_twice():
    masks = predicted([rectangle(0, 0, 10, 10)])
    truth = [encode(rectangle(0, 0, 10, 10)), encode(rectangle(0, 0, 10, 5)), encode(rectangle(90, 0, 9, 9))]
    assert best_overlaps(masks, truth).tolist() == [1, 0.5, 0]
    assert best_overlaps(MaskSet.empty(SIZE), truth).tolist() == [0, 0, 0]
