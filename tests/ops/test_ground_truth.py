"""Every format of human masks gives the same rectangles; what is missing or broken is named."""

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as rle

from ops.ground_truth import DatasetError
from ops.ground_truth_formats import FORMATS, load_ground_truth
from tests.ops.tiny_datasets import (
    RECTANGLES,
    SIZE,
    WRITERS,
    coco_document,
    rectangle,
    write_ade20k,
    write_bsds500,
    write_bsds500_labels,
    write_coco,
    write_photo,
    write_sa1b_pairs,
)

IDS = {
    "coco": [1, 2],
    "sa1b": ["sa_1", "sa_2"],
    "ade20k": ["ADE_val_00000001", "ADE_val_00000002"],
    "bsds500": [1, 2],
}


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_gives_the_masks_that_were_written(name, tmp_path):
    WRITERS[name](tmp_path)
    truth = load_ground_truth(name, tmp_path)
    assert truth.image_ids == IDS[name]
    assert all(image.size == SIZE and image.path.exists() for image in truth.images)
    for (image_id, masks), boxes in zip(truth.masks_by_image().items(), RECTANGLES.values(), strict=True):
        expected = [rectangle(*box) for box in boxes]
        if name == "bsds500":
            expected.insert(0, ~np.any(expected, axis=0))
        assert [mask.area for mask in masks] == [mask.sum() for mask in expected], image_id
        for mask, wanted in zip(masks, expected, strict=True):
            np.testing.assert_array_equal(rle.decode(mask.rle).astype(bool), wanted)


def test_only_the_chosen_images_are_read(tmp_path):
    write_bsds500(tmp_path)
    (tmp_path / "1.mat").write_bytes(b"broken")
    truth = FORMATS["bsds500"](tmp_path, tmp_path, lambda ids: ids[1:])
    assert truth.image_ids == [2]


def test_coco_reads_crowds_and_areas_that_are_missing(tmp_path):
    document = coco_document()
    crowd = {"size": list(SIZE), "counts": [0, 30, SIZE[0] * SIZE[1] - 30]}
    document["annotations"][0] |= {"segmentation": crowd, "iscrowd": 1, "area": 16.5}
    del document["annotations"][1]["area"], document["annotations"][1]["iscrowd"]
    write_coco(tmp_path, document)
    truth = load_ground_truth("coco", tmp_path)
    assert [mask.crowd for mask in truth.masks] == [True, False, False]
    assert [mask.area for mask in truth.masks] == [16.5, 35 * 25, 20 * 60]
    assert rle.decode(truth.masks[0].rle).sum() == 30
    assert truth.subset([2]).image_ids == [2]
    with pytest.raises(DatasetError, match="no such images"):
        truth.subset([5])


def test_coco_names_the_categories_that_it_lists(tmp_path):
    document = coco_document()
    document["categories"] = [{"id": 3, "name": "baseball_bat"}, "broken"]
    for annotation, category in zip(document["annotations"], (3, 4, 3), strict=True):
        annotation["category_id"] = category
    write_coco(tmp_path, document)
    assert [mask.category for mask in load_ground_truth("coco", tmp_path).masks] == ["baseball bat", "", "baseball bat"]
    del document["categories"]
    write_coco(tmp_path, document)
    assert [mask.category for mask in load_ground_truth("coco", tmp_path).masks] == ["", "", ""]


@pytest.mark.parametrize("split", ["", "val2017"])
def test_lvis_names_its_photos_by_their_address(split, tmp_path):
    document = coco_document()
    for image in document["images"]:
        image["coco_url"] = f"http://images.example.org/val2017/{image.pop('file_name')}"
    write_coco(tmp_path, document)
    if split:
        photos = tmp_path / "images" / split
        photos.mkdir()
        for path in list((tmp_path / "images").glob("*.jpg")):
            path.rename(photos / path.name)
    truth = load_ground_truth("coco", tmp_path)
    assert [image.path.relative_to(tmp_path / "images").as_posix() for image in truth.images] == [
        f"{split}/0001.jpg".lstrip("/"),
        f"{split}/0002.jpg".lstrip("/"),
    ]


def test_bsds_keeps_every_region_of_every_annotator(tmp_path):
    first = np.ones(SIZE, np.uint16)
    first[:, 40:] = 2
    second = first.copy()
    second[:30, :40] = 9
    write_bsds500(tmp_path)
    write_bsds500_labels(tmp_path / "1.mat", [first, second])
    areas = sorted(mask.area for mask in load_ground_truth("bsds500", tmp_path).masks_by_image()[1])
    assert areas == [1200, 1200, 2400, 2400, 2400]


def changed(**changes):
    def write(folder):
        document = coco_document()
        for where, values in changes.items():
            document[where][0] |= values
        write_coco(folder, document)

    return write


def without(where, name):
    def write(folder):
        document = coco_document()
        del document[where][0][name]
        write_coco(folder, document)

    return write


def then(write, damage):
    def both(folder):
        write(folder)
        damage(folder)

    return both


def other_size(folder):
    Image.new("RGB", (10, 10)).save(folder / "1.jpg")


BROKEN = [
    ("coco", lambda folder: None, "there is no annotation file"),
    ("coco", then(write_coco, lambda f: (f / "instances.json").write_text("{")), "cannot be read as JSON"),
    ("coco", then(write_coco, lambda f: (f / "instances.json").write_text("[]")), "no JSON object"),
    ("coco", then(write_coco, lambda f: (f / "instances.json").write_text('{"images": 3}')), "no list 'images'"),
    ("coco", then(write_coco, lambda f: (f / "images/0002.jpg").unlink()), r"1 of 2 annotated images.*0002\.jpg"),
    ("coco", then(write_coco, lambda f: (f / "images").rename(f / "photos")), "there is no folder"),
    ("coco", changed(annotations={"image_id": 77}), "images that it does not list: 77"),
    ("coco", changed(images={"id": 2}), "not unique"),
    ("coco", changed(images={"file_name": "../0001.jpg"}), "outside"),
    ("coco", changed(images={"file_name": "/0001.jpg"}), "outside"),
    ("coco", changed(annotations={"segmentation": []}), "annotation 1 of image 1: .*no polygon"),
    ("coco", changed(annotations={"segmentation": None}), "annotation 1 of image 1"),
    ("coco", changed(annotations={"segmentation": {"size": [60, 80], "counts": [5]}}), "does not fill the image"),
    ("coco", changed(annotations={"segmentation": {"size": [60, 80], "counts": "\x01"}}), "no compressed RLE"),
    ("coco", changed(annotations={"segmentation": {"size": [6, 8], "counts": [48]}}), "does not fill the image"),
    ("coco", without("images", "height"), "no 'height'"),
    ("coco", without("images", "file_name"), "no 'coco_url'"),
    ("coco", without("annotations", "segmentation"), "no 'segmentation'"),
    ("sa1b", lambda folder: write_photo(folder / "sa_1.jpg", 1), "no .json files"),
    ("sa1b", then(write_sa1b_pairs, lambda f: (f / "sa_2.jpg").unlink()), "1 of 2 annotated images.*sa_2"),
    ("sa1b", then(write_sa1b_pairs, lambda f: (f / "sa_2.json").write_text("{}")), "no SA-1B document"),
    ("ade20k", then(write_ade20k, lambda f: (f / "images/ADE_val_00000002.jpg").unlink()), "ADE_val_00000002"),
    (
        "ade20k",
        then(write_ade20k, lambda f: Image.new("L", (80, 60)).save(f / "annotations_instance/ADE_val_00000001.png")),
        "mode L",
    ),
    (
        "ade20k",
        then(write_ade20k, lambda f: (f / "annotations_instance/ADE_val_00000001.png").write_text("x")),
        "cannot be read",
    ),
    ("bsds500", then(write_bsds500, other_size), r"\(60, 80\), its photo 1\.jpg of \(10, 10\)"),
    ("bsds500", then(write_bsds500, lambda f: (f / "1.mat").write_bytes(b"x" * 200)), "1.mat: no BSDS500"),
    ("bsds500", then(write_bsds500, lambda f: (f / "2.jpg").write_text("x")), "2.jpg cannot be read"),
    ("bsds500", then(write_bsds500, lambda f: (f / "1.mat").rename(f / "01.mat")), "of other photos"),
    ("bsds500", then(write_bsds500, lambda f: (f / "01.mat").write_bytes(b"")), "two .mat files of one number"),
    ("imagenet", lambda folder: None, "bsds500"),
]


@pytest.mark.parametrize(("name", "write", "message"), BROKEN, ids=[f"{n}-{m[:24]}" for n, _, m in BROKEN])
def test_what_cannot_be_scored_against_is_named(name, write, message, tmp_path):
    write(tmp_path)
    with pytest.raises(DatasetError, match=message):
        load_ground_truth(name, tmp_path)


def test_large_numbers_of_missing_photos_are_summed_up(tmp_path):
    document = coco_document()
    document["images"] += [dict(document["images"][0], id=i, file_name=f"{i}.jpg") for i in range(10, 40)]
    write_coco(tmp_path, document)
    with pytest.raises(DatasetError, match=r"30 of 32 .*10\.jpg, 11\.jpg.* and 25 more"):
        load_ground_truth("coco", tmp_path)
