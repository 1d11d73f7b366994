"""Scores, their table and their history."""

from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import numpy as np
import pytest
from pycocotools import mask as rle

from ops.evaluation import Scores, evaluate
from ops.evaluation_history import HistoryEntry, SourceEntry, history, remember
from ops.evaluation_table import FROM_THE_PAPER, comparison_table, score_rows
from ops.ground_truth import DatasetError, GroundTruth, GroundTruthImage, GroundTruthMask
from ops.metrics import MismatchedImages, average_recall, recall_by_image
from stores.home import Home
from stores.masks import MaskSet
from tests.ops.tiny_datasets import SIZE, rectangle

HOMES = ["local", "memory"]


def human(boxes_by_image: dict) -> GroundTruth:
    masks = [
        GroundTruthMask(image_id, rle.encode(np.asfortranarray(rectangle(*box).view(np.uint8))), box[2] * box[3])
        for image_id, boxes in boxes_by_image.items()
        for box in boxes
    ]
    images = tuple(GroundTruthImage(image_id, Path(f"{image_id}.jpg"), SIZE) for image_id in boxes_by_image)
    return GroundTruth(images, tuple(masks))


def predicted(boxes: list, **columns: object) -> MaskSet:
    return MaskSet.from_dense([rectangle(*box) for box in boxes], SIZE, **columns)


TRUTH = human({"a": [(0, 0, 20, 20), (30, 0, 50, 60)], "b": [(5, 5, 40, 40)], "c": [(0, 0, 10, 10)], "d": []})
FOUND = {
    "a": predicted([(0, 0, 20, 20), (30, 0, 40, 60)], score=[0.3, 0.6]),
    "b": predicted([(5, 5, 40, 36), (60, 0, 9, 9)], score=[0.2, 0.9]),
}


def test_scores_by_hand():
    """Of 4 human masks: one exact (10 of 10 thresholds), IoU 0.8 (7: .50 ... .80), IoU 0.9 (9), one missed."""
    scores = evaluate(FOUND, TRUTH)
    assert scores.recall[1000] == scores.recall[100] == scores.recall[10] == pytest.approx((10 + 7 + 9 + 0) / 40)
    assert scores.recall[1] == pytest.approx(7 / 40)
    assert scores.recall_by_size["small"] == pytest.approx((10 + 0) / 20)
    assert scores.recall_by_size["medium"] == pytest.approx((7 + 9) / 20)
    assert np.isnan(scores.recall_by_size["large"])
    assert scores.masks_per_image == 1
    assert (scores.images, scores.images_without_predictions) == (4, 2)


def test_scores_are_those_of_the_metrics():
    scores, pooled = evaluate(FOUND, TRUTH), average_recall(FOUND, TRUTH)
    numbers = scores.numbers()
    for name, value in pooled.items():
        assert numbers[name] == (None if np.isnan(value) else value)
    for limit, error in scores.standard_error.items():
        assert error == recall_by_image(FOUND, TRUTH, limit).standard_error() > 0


def test_images_without_predictions_are_misses():
    fewer = {"a": FOUND["a"]}
    assert evaluate(fewer, TRUTH).recall[1000] == pytest.approx((10 + 7) / 40)
    assert evaluate({}, TRUTH).recall[1000] == 0


@pytest.mark.parametrize(
    ("predictions", "truth", "error", "message"),
    [
        (FOUND | {"e": FOUND["a"]}, TRUTH, MismatchedImages, "not in the ground truth: e"),
        ({"a": MaskSet.empty((9, 9))}, TRUTH, MismatchedImages, "image a: masks of .*the photo is"),
        ({}, human({}), DatasetError, "no images"),
    ],
)
def test_mismatch_is_an_error(predictions, truth, error, message):
    with pytest.raises(error, match=message):
        evaluate(predictions, truth)


def test_the_table_sets_the_paper_apart():
    scores = {"pseudo_labels": evaluate({}, TRUTH).numbers(), "round1": evaluate(FOUND, TRUTH).numbers()}
    table = comparison_table(scores, {"UnSAM": 42.0})
    ours, heading, theirs = table.partition(FROM_THE_PAPER)
    assert heading
    assert "not measured here" in heading
    rows = [line.split(" | ") for line in ours.splitlines() if line.startswith("| ")]
    assert [row[0].strip("| ") for row in rows] == ["masks", "---", "pseudo_labels", "round1"]
    assert len({len(row) for row in rows}) == 1
    assert "UnSAM" not in ours
    assert "| UnSAM | 42.0 |" in theirs
    by_name = dict(zip(rows[0], rows[3], strict=True))
    assert by_name["AR@1000"].startswith("65.0 ± ")
    assert by_name["AR medium"] == "80.0"
    assert by_name["AR large"] == "-"


def test_the_table_of_a_dataset_that_the_paper_does_not_have():
    scores = {"round1": evaluate(FOUND, TRUTH).numbers()}
    assert "paper" not in comparison_table(scores, {})
    assert [row[0] for row in score_rows(scores)] == ["masks", "round1"]


def entry(time: datetime, scores: Scores, dataset: str = "coco") -> HistoryEntry:
    source = SourceEntry(numbers=scores.numbers(), made_by="abc", versions={"shard-0000": "def"})
    return HistoryEntry(time=time, run="run", dataset=dataset, images=4, sources={"round1": source})


@pytest.mark.parametrize("kind", HOMES)
def test_history_comes_back_in_order_of_time(kind, tmp_path):
    home = Home(str(tmp_path) if kind == "local" else f"memory://{tmp_path}")
    scores = evaluate(FOUND, TRUTH)
    now = datetime(2026, 5, 1, 12, tzinfo=UTC)
    elsewhere = timezone(timedelta(hours=9))
    times = [now, now - timedelta(days=40), (now + timedelta(microseconds=5)).astimezone(elsewhere), now]
    for time in times:
        remember(home, entry(time, scores))
    remember(home, entry(now, scores, "bsds500"))
    assert [read.time for read in history(home, "coco")] == sorted(times)
    (read,) = history(home, "bsds500")
    assert read == entry(now, scores, "bsds500")
    assert read.sources["round1"].numbers["AR_large"] is None
    assert read.sources["round1"].numbers["AR@1000"] == scores.recall[1000]
    assert history(home, "ade20k") == []
