"""Proposals, corrections and labels of a shard whose masks are known."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from ops.data_engine.corrections import changes_of, read_corrections
from ops.data_engine.proposals import covered, task_of
from ops.data_engine.settings import Engine, EngineSettings
from ops.data_engine.stage import engine_folder, label, propose, take_corrections
from stores.annotations import BadAnnotations
from stores.coco import read_coco, write_coco
from stores.home import Home
from stores.mask_store import open_masks
from stores.masks import SOURCES, MaskSet
from stores.sa1b import write_sa1b
from tests.labelled_shards import SIZE, add_shard

SETTINGS = EngineSettings(source="hierarchical_masks")
FRAME = SIZE[::-1]


def box(left: int, top: int, right: int, bottom: int) -> np.ndarray:
    mask = np.zeros(FRAME, bool)
    mask[top:bottom, left:right] = True
    return mask


def masks_of(*boxes: tuple[int, int, int, int], score: object = 0.9) -> MaskSet:
    return MaskSet.from_dense([box(*corners) for corners in boxes], FRAME, score=score)


@pytest.mark.parametrize(
    ("stage", "shown", "regions"),
    [("assisted", 2, [(60, 0, 60, 90)]), ("semi_automatic", 1, [(30, 0, 90, 90)]), ("automatic", 1, [])],
)
def test_what_people_are_shown(stage: str, shown: int, regions: list) -> None:
    masks = masks_of((0, 0, 30, 90), (30, 0, 60, 90), (60, 0, 90, 90), score=[0.9, 0.6, 0.2])
    task = task_of(masks, SETTINGS.model_copy(update={"stage": stage}))
    assert len(task.shown) == shown
    assert list(task.left_over) == regions
    assert task.information == pytest.approx(0.5 * 0.75 + 0.5 * 0.5)


def test_what_is_covered_and_an_image_without_masks() -> None:
    masks = masks_of((0, 0, 10, 10), (5, 5, 20, 20))
    assert (covered(masks) == (box(0, 0, 10, 10) | box(5, 5, 20, 20))).all()
    assert task_of(MaskSet.empty(FRAME), SETTINGS).information == 1


def test_changes_are_told_apart() -> None:
    proposed = masks_of((0, 0, 20, 20), (30, 0, 60, 30), (80, 50, 100, 80))
    corrected = masks_of((30, 0, 62, 34), (0, 0, 20, 20), (0, 50, 30, 80))
    changes = changes_of(proposed, corrected, SETTINGS)
    assert (changes.kept.tolist(), changes.changed.tolist(), changes.added.tolist()) == ([1], [0], [2])
    assert changes.deleted.tolist() == [2]
    assert changes_of(MaskSet.empty(FRAME), corrected, SETTINGS).counts()["added"] == 3
    assert changes_of(proposed, MaskSet.empty(FRAME), SETTINGS).counts()["deleted"] == 3


@pytest.mark.parametrize("form", ["coco", "sa1b"])
def test_a_round_with_people(form: str, tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shard = add_shard(home, tmp_path / "photos")
    report = propose(home, "1", shard, SETTINGS)
    queue = json.loads((engine_folder(home, shard) / "queue.json").read_bytes())
    assert [entry["information"] for entry in queue] == sorted((e["information"] for e in queue), reverse=True)
    shown = {record.file_name: masks for record, masks in read_coco(report.file)}
    assert len(shown) == 3
    assert report.counts["proposals"] == sum(map(len, shown.values()))
    edited = shown["photo1.jpg"].take(np.arange(1, 3))
    edited = MaskSet.from_dense([edited.dense(0), box(3, 3, 50, 50)], FRAME)
    place = str(tmp_path / "edited.json") if form == "coco" else str(tmp_path / "edited")
    if form == "coco":
        write_coco(place, [("photo1.jpg", edited)])
    else:
        write_sa1b(place, [("photo1.jpg", edited)])
    taken = take_corrections(home, "1", shard, report.version, Engine(SETTINGS, place))
    assert taken.counts["images"] == 1
    assert taken.counts["kept"] == 1
    assert taken.counts["added"] + taken.counts["changed"] == 1
    assert taken.counts["deleted"] >= len(shown["photo1.jpg"]) - 2
    labels = open_masks(home, "engine_labels", shard, label(home, "1", shard, report.version, SETTINGS).version)
    assert len(labels["photo1.jpg"]) == 2
    assert set(labels["photo1.jpg"].source) == {SOURCES.index("human"), SOURCES.index("prompt")}
    assert (labels["photo0.jpg"].score >= SETTINGS.sure).all()
    again = propose(home, "1", shard, SETTINGS)
    assert again.version == report.version


@pytest.mark.parametrize(
    ("content", "expected", "message"),
    [
        (None, FileNotFoundError, "no corrections at"),
        ([("other.jpg", masks_of((0, 0, 9, 9)))], BadAnnotations, "none of its images"),
        ([("photo0.jpg", MaskSet.from_dense([np.ones((5, 5), bool)], (5, 5)))], BadAnnotations, "is of"),
        (b"{", BadAnnotations, "no JSON"),
    ],
)
def test_corrections_that_are_none(content: object, expected: type[Exception], message: str, tmp_path: Path) -> None:
    place = tmp_path / "edited.json"
    if isinstance(content, bytes):
        place.write_bytes(content)
    elif content is not None:
        write_coco(str(place), content)
    with pytest.raises(expected, match=message):
        list(read_corrections(str(place), {"photo0.jpg": FRAME}))


def test_no_corrections_named(tmp_path: Path) -> None:
    home = Home(tmp_path / "home")
    shard = add_shard(home, tmp_path / "photos")
    version = propose(home, "1", shard, SETTINGS).version
    with pytest.raises(BadAnnotations, match=r"proposals\.json in your tool"):
        take_corrections(home, "1", shard, version, Engine(SETTINGS))
