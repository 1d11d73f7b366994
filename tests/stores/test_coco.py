"""stores/coco.py and stores/annotations.py against pycocotools."""

import json
import tracemalloc

import numpy as np
import pytest
from pycocotools import mask as coco_mask
from pycocotools.coco import COCO

from stores.annotations import BadAnnotations
from stores.coco import read_coco, write_coco
from stores.location import Location
from stores.masks import NO_PARENT, SOURCES, MaskSet
from tests.stores.samples import assert_same, blobs, mask_set

IMAGES = {
    "a.jpg": mask_set(12, seed=1),
    "sub/a.jpg": mask_set(4, seed=2, size=(60, 41)),
    "none.jpg": MaskSet.empty((9, 7)),
}


def test_pycocotools_reads_what_is_written(tmp_path):
    path = tmp_path / "labels.json"
    assert write_coco(str(path), IMAGES.items(), description="mine") == (3, 16)
    coco = COCO(str(path))
    assert [image["file_name"] for image in coco.loadImgs(coco.getImgIds())] == list(IMAGES)
    assert coco.loadCats(coco.getCatIds())[0]["name"] == "object"
    for image, masks in zip(coco.loadImgs(coco.getImgIds()), IMAGES.values(), strict=True):
        assert (image["height"], image["width"]) == masks.size
        annotations = coco.loadAnns(coco.getAnnIds(image["id"]))
        assert len(annotations) == len(masks)
        for index, annotation in enumerate(annotations):
            np.testing.assert_array_equal(coco.annToMask(annotation), masks.dense(index))
            assert annotation["area"] == masks.dense(index).sum()
            assert annotation["bbox"] == masks.boxes[index].tolist()
            assert annotation["iscrowd"] == 0
    with open(path) as file:
        assert json.load(file)["info"]["description"] == "mine"


def test_annotations_carry_our_columns(tmp_path):
    path = tmp_path / "labels.json"
    write_coco(str(path), IMAGES.items())
    annotations = json.loads(path.read_text())["annotations"]
    assert [annotation["id"] for annotation in annotations] == list(range(1, 17))
    for start, masks in ((0, IMAGES["a.jpg"]), (12, IMAGES["sub/a.jpg"])):
        for index in range(len(masks)):
            annotation = annotations[start + index]
            parent = masks.parent[index]
            assert annotation["parent"] == (None if parent == NO_PARENT else start + parent + 1)
            assert annotation["level"] == masks.level[index]
            assert annotation["source"] == SOURCES[masks.source[index]]
            for name in ("score", "granularity", "theta"):
                value = getattr(masks, name)[index]
                assert annotation[name] is None if np.isnan(value) else np.float32(annotation[name]) == value


def test_round_trip(quick_url):
    place = Location(quick_url) / "labels.json"
    write_coco(place, IMAGES.items())
    for (record, masks), (name, expected) in zip(read_coco(place), IMAGES.items(), strict=True):
        assert record.file_name == name
        assert (record.height, record.width) == expected.size
        assert record.categories.tolist() == [1] * len(masks)
        assert not record.crowd.any()
        assert_same(masks, expected)


def test_no_images(tmp_path):
    assert write_coco(str(tmp_path / "labels.json"), []) == (0, 0)
    assert list(read_coco(str(tmp_path / "labels.json"))) == []
    assert COCO(str(tmp_path / "labels.json")).getImgIds() == []


def test_an_export_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "labels.json"
    write_coco(str(path), IMAGES.items())
    before = path.read_bytes()

    def broken():
        yield "a.jpg", IMAGES["a.jpg"]
        raise RuntimeError("shard is gone")

    with pytest.raises(RuntimeError, match="shard is gone"):
        write_coco(str(path), broken())
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_thousands_of_images_are_not_held_in_memory(tmp_path):
    masks = MaskSet.from_dense(np.random.default_rng(0).random((3, 64, 64)) < 0.5, (64, 64))
    tracemalloc.start()
    write_coco(str(tmp_path / "labels.json"), ((f"{index}.jpg", masks) for index in range(1500)))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert (tmp_path / "labels.json").stat().st_size > 5_000_000
    assert peak < 2_000_000


def document(annotation: dict, **image: object) -> dict:
    record = {"id": 7, "file_name": "x.jpg", "width": 8, "height": 6, "license": 3, **image}
    standard = {"id": 1, "image_id": 7, "category_id": 5, "iscrowd": 0}
    return {"images": [record], "annotations": [{**standard, **annotation}], "categories": []}


def read(tmp_path, content: object) -> list:
    path = tmp_path / "x.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return list(read_coco(str(path)))


MASK = blobs(1, 3, (6, 8))[0]
COUNTS = coco_mask.encode(np.asfortranarray(MASK.view(np.uint8)))["counts"].decode()


@pytest.mark.parametrize(
    ("segmentation", "crowd", "expected"),
    [
        ({"size": [6, 8], "counts": COUNTS}, 0, MASK),
        ({"size": [6, 8], "counts": [6, 12, 30]}, 1, np.tile(np.array([0, 1, 1, 0, 0, 0, 0, 0], bool), (6, 1))),
        ([[1, 1, 5, 1, 5, 4, 1, 4]], 0, None),
        ([[1, 1, 5, 1, 5, 4, 1, 4], [6, 0, 8, 0, 8, 2, 6, 2]], 0, None),
    ],
    ids=["compressed", "uncompressed", "polygon", "two polygons"],
)
def test_every_kind_of_segmentation(tmp_path, segmentation, crowd, expected):
    [(record, masks)] = read(tmp_path, document({"segmentation": segmentation, "iscrowd": crowd}))
    if expected is None:
        expected = coco_mask.decode(coco_mask.merge(coco_mask.frPyObjects(segmentation, 6, 8))).astype(bool)
    np.testing.assert_array_equal(masks.dense(0), expected)
    assert record.categories.tolist() == [5]
    assert record.crowd.tolist() == [bool(crowd)]
    assert record.fields == {"license": 3}
    assert SOURCES[masks.source[0]] == "imported"
    assert masks.score.tolist() == [1.0]
    assert masks.parent.tolist() == [NO_PARENT]


GOOD = {"segmentation": {"size": [6, 8], "counts": COUNTS}}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("no json", "is no JSON"),
        ([], "no list 'images'"),
        ({"images": []}, "no list 'annotations'"),
        ({"images": [3], "annotations": []}, "no object"),
        ({"images": [{"id": 1}], "annotations": []}, "image 1 has no file_name, height, width"),
        (document({**GOOD, "image_id": 8}), "annotation 1 is of no image"),
        ({**document(GOOD), "images": document(GOOD)["images"] * 2}, "not unique"),
        (document({}), "neither an RLE nor polygons"),
        (document({"segmentation": []}), "neither an RLE nor polygons"),
        (document({"segmentation": [[1, 2, 3]]}), "neither an RLE nor polygons"),
        (document({"segmentation": [["a"] * 6]}), "neither an RLE nor polygons"),
        (document(GOOD, width=9), "image 7: annotations 1: RLE 0 is of size"),
        (document({"segmentation": {"size": [6, 8], "counts": [3]}}), "add up to 3"),
        (document({**GOOD, "parent": 99}), "parent 99 is not on the same image"),
        (document({**GOOD, "source": "guess"}), "source 'guess' is none of"),
    ],
)
def test_bad_files_are_refused(tmp_path, content, problem):
    with pytest.raises(BadAnnotations, match=problem):
        read(tmp_path, content)
