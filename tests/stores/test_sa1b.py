"""stores/sa1b.py: the JSON beside an SA-1B image, both ways."""

import json

import numpy as np
import pytest
from pycocotools import mask as coco_mask

from stores.annotations import BadAnnotations
from stores.location import Location
from stores.masks import SOURCES, MaskSet
from stores.sa1b import SameImageTwice, check_distinct, from_sa1b, sa1b_number, to_sa1b, write_sa1b
from stores.shards import Member, ShardSource
from tests.stores.samples import assert_same, blobs, mask_set


def test_the_standard_fields_are_those_of_sa1b():
    masks = mask_set(6, seed=1)
    document = json.loads(json.dumps(to_sa1b(masks, "sa_7.jpg", 7)))
    assert document["image"] == {"image_id": 7, "width": 53, "height": 37, "file_name": "sa_7.jpg"}
    for index, annotation in enumerate(document["annotations"]):
        dense = masks.dense(index)
        np.testing.assert_array_equal(coco_mask.decode(annotation["segmentation"]), dense)
        assert annotation["area"] == dense.sum()
        assert annotation["bbox"] == masks.boxes[index].tolist()
        assert annotation["id"] == index + 1
        assert np.float32(annotation["predicted_iou"]) == masks.score[index]
        assert annotation["stability_score"] is None
        assert annotation["crop_box"] == [0, 0, 53, 37]
        if dense.any():
            [[x, y]] = annotation["point_coords"]
            assert dense[int(y), int(x)]
        else:
            assert annotation["point_coords"] == []


def test_round_trip_keeps_every_column():
    masks = mask_set(9, seed=2)
    assert_same(from_sa1b(json.loads(json.dumps(to_sa1b(masks, "x.jpg", 1)))), masks)


def test_a_document_of_meta_is_read():
    dense = blobs(2, 3)
    annotations = [
        {
            "bbox": [0.0, 0.0, 1.0, 1.0],
            "area": 1,
            "segmentation": {"size": [37, 53], "counts": rle["counts"].decode()},
            "predicted_iou": 0.9,
            "stability_score": 0.97,
            "crop_box": [0, 0, 53, 37],
            "point_coords": [[3.0, 4.0]],
            "id": 544_000_000 + index,
        }
        for index, rle in enumerate(coco_mask.encode(np.asfortranarray(mask.view(np.uint8))) for mask in dense)
    ]
    image = {"image_id": 7, "width": 53, "height": 37, "file_name": "sa_7.jpg"}
    masks = from_sa1b({"image": image, "annotations": annotations})
    assert_same(masks, MaskSet.from_dense(dense, (37, 53), score=0.9, source=SOURCES.index("human")))


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "no SA-1B document"),
        ({"image": {"width": 3}, "annotations": []}, "no SA-1B document"),
        ({"image": {"width": 3, "height": 2}}, "no SA-1B document"),
        ({"image": {"width": 3, "height": 2}, "annotations": [{"id": 4}]}, "annotation 4"),
        (
            {
                "image": {"width": 3, "height": 2},
                "annotations": [{"id": 4, "segmentation": {"size": [3, 2], "counts": "06"}}],
            },
            "annotations 4: RLE 0 is of size",
        ),
    ],
)
def test_bad_documents_are_refused(document, problem):
    with pytest.raises(BadAnnotations, match=problem):
        from_sa1b(document)


def test_one_file_an_image(quick_url):
    items = {"sa_223.jpg": mask_set(3, 1), "sub/b.png": mask_set(2, 2), "c.jpg": MaskSet.empty((4, 5))}
    place = Location(quick_url)
    assert write_sa1b(place, items.items()) == 3
    for name, image_id in (("sa_223", 223), ("sub/b", 2), ("c", 3)):
        document = json.loads((place / f"{name}.json").read_bytes())
        assert document["image"]["image_id"] == image_id
    assert_same(from_sa1b(json.loads((place / "sub/b.json").read_bytes())), items["sub/b.png"])


def test_two_images_that_would_share_a_file_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a.png and a.jpg would share a.json"):
        write_sa1b(str(tmp_path), [("a.jpg", mask_set(1, 1)), ("a.png", mask_set(1, 1))])


@pytest.mark.parametrize(
    ("name", "number"), [("sa_12.jpg", 12), ("a/sa_0012.json", 12), ("sa_.jpg", None), ("cat.jpg", None)]
)
def test_the_number_of_an_image(name, number):
    assert sa1b_number(name) == number


def source(url: str, *names: str, shard: str = "a-0000") -> ShardSource:
    return ShardSource(shard=shard, kind="sa1b", url=url, members=tuple(Member(key=name) for name in names))


def test_an_image_in_two_tars_is_refused_with_both_names():
    tars = [source("/data/one.tar", "sa_1.jpg", "sa_2.jpg"), source("/data/two.tar", "deep/sa_2.jpg")]
    with pytest.raises(SameImageTwice, match=r"image 2 .* /data/one\.tar/sa_2\.jpg and /data/two\.tar/deep/sa_2\.jpg"):
        check_distinct(tars)


def test_images_without_numbers_and_shards_of_one_tar_are_no_twins():
    check_distinct([source("/one.tar", "cat.jpg", "sa_1.jpg"), source("/two.tar", "cat.jpg", "sa_2.jpg")])
    check_distinct([source("/one.tar", "sa_1.jpg"), source("/one.tar", "sa_2.jpg", shard="a-0001")])
