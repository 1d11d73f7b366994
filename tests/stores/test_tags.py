"""Tags of every form, and what is wrong with them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from stores.label_maps import write_label_map
from stores.location import Location
from stores.tags import VOC_CLASSES, BadTags, Tags, read_tags

CSV = "image,label\na.jpg,cat\na.jpg,dog\nb.jpg,dog;person\nc.jpg,\n"


def csv_file(root: Path) -> Path:
    (root / "tags.csv").write_text(CSV)
    return root / "tags.csv"


def coco_file(root: Path) -> Path:
    names = {17: "cat", 18: "dog", 1: "person"}
    pairs = [(1, 17), (1, 18), (1, 18), (2, 18), (2, 1)]
    document = {
        "images": [{"id": i, "file_name": f"{name}.jpg"} for i, name in enumerate("abc", start=1)],
        "categories": [{"id": k, "name": name} for k, name in names.items()],
        "annotations": [{"image_id": i, "category_id": k} for i, k in pairs],
    }
    (root / "instances.json").write_text(json.dumps(document))
    return root / "instances.json"


def voc_xml(root: Path) -> Path:
    (root / "Annotations").mkdir()
    for name, objects in {"a": ["cat", "dog", "dog"], "b": ["dog", "person"], "c": []}.items():
        inner = "".join(f"<object><name>{each}</name></object>" for each in objects)
        (root / "Annotations" / f"{name}.xml").write_text(f"<annotation>{inner}</annotation>")
    return root


def voc_maps(root: Path) -> Path:
    for name, labels in {"a": [8, 12, 255], "b": [12, 15], "c": [0]}.items():
        place = Location(str(root)) / "SegmentationClass" / f"{name}.png"
        write_label_map(place, np.array([[0, *labels]], np.uint8))
    return root


@pytest.mark.parametrize(
    ("form", "write"), [("csv", csv_file), ("coco", coco_file), ("voc", voc_xml), ("voc", voc_maps)]
)
def test_every_form_says_the_same(tmp_path: Path, form: str, write: Callable[[Path], Path]) -> None:
    tags = read_tags(Location(str(write(tmp_path))), form, ("dog", "cat", "person"))
    found = tags.matched(["deep/a.jpg", "b.jpg", "c.jpg", "d.jpg"])
    assert found.of_key == {"deep/a.jpg": (1, 2), "b.jpg": (1, 3), "c.jpg": ()}
    assert found.missing == ("d.jpg",)
    assert Tags.from_json(tags.to_json()) == tags


def test_coco_names_become_those_of_voc(tmp_path: Path) -> None:
    document = {
        "images": [{"id": 1, "file_name": "a.jpg"}],
        "categories": [{"id": 5, "name": "airplane"}, {"id": 63, "name": "couch"}, {"id": 80, "name": "toaster"}],
        "annotations": [{"image_id": 1, "category_id": k} for k in (5, 63, 80)],
    }
    (tmp_path / "i.json").write_text(json.dumps(document))
    tags = read_tags(Location(str(tmp_path / "i.json")), "coco", VOC_CLASSES)
    assert tags.of_image == {"a.jpg": (1, 18)}
    assert tags.labels[18] == "sofa"


def test_a_split_of_voc(tmp_path: Path) -> None:
    voc_xml(tmp_path)
    (tmp_path / "ImageSets" / "Main").mkdir(parents=True)
    (tmp_path / "ImageSets" / "Main" / "val.txt").write_text("b\nc\n")
    assert read_tags(Location(str(tmp_path)), "voc", split="val").of_image == {"b": (12, 15), "c": ()}


@pytest.mark.parametrize(
    ("form", "name", "content", "message"),
    [
        ("csv", "t.csv", "a.jpg,cat\nb.jpg\n", "line 2"),
        ("csv", "t.csv", "a.jpg,\n", "1 to 254 different classes"),
        ("coco", "t.json", "{}", "no COCO annotations"),
        ("coco", "t.json", '{"images": [], "categories": [], "annotations": [{"image_id": 4}]}', "no COCO annotations"),
        ("yolo", "t.txt", "", "no format 'yolo'"),
    ],
)
def test_broken_files_are_named(tmp_path: Path, form: str, name: str, content: str, message: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(BadTags, match=message):
        read_tags(Location(str(tmp_path / name)), form)


def test_classes_that_nobody_has(tmp_path: Path) -> None:
    with pytest.raises(BadTags, match="names none of the classes whale"):
        read_tags(Location(str(csv_file(tmp_path))), "csv", ("whale",))


def test_two_images_of_one_name_cannot_share_tags() -> None:
    with pytest.raises(BadTags, match="whole path"):
        Tags(("cat",), {"a": (1,)}).matched(["x/a.jpg", "y/a.jpg"])
