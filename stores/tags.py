"""Image-level tags: which classes an image shows, from a CSV, from COCO annotations or from a VOC folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from xml.etree import ElementTree

import numpy as np
import orjson

from stores.label_maps import IGNORE, read_label_map
from stores.location import Location

VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair", "cow"),
    *("diningtable", "dog", "horse", "motorbike", "person", "pottedplant", "sheep", "sofa", "train", "tvmonitor"),
)
COCO_NAMES_OF_VOC = {
    "airplane": "aeroplane",
    "dining table": "diningtable",
    "motorcycle": "motorbike",
    "potted plant": "pottedplant",
    "couch": "sofa",
    "tv": "tvmonitor",
}
FORMATS = ("csv", "coco", "voc")
_MOST_CLASSES = 254
_NAMED = 5


class BadTags(ValueError):
    """A file of tags that cannot be read as such; the message names it and says what to do."""


@dataclass(frozen=True)
class Tags:
    """Classes of images.

    Attributes:
        classes: names; label k of a label map is `classes[k - 1]`, 0 is the background.
        of_image: label numbers, ascending, by the image's key, file name or name without its ending.
    """

    classes: tuple[str, ...]
    of_image: Mapping[str, tuple[int, ...]]

    @property
    def labels(self) -> tuple[str, ...]:
        """Names of all labels, the background first."""
        return ("background", *self.classes)

    def to_json(self) -> bytes:
        return orjson.dumps({"classes": self.classes, "images": dict(self.of_image)})

    @classmethod
    def from_json(cls, data: bytes) -> Tags:
        document = orjson.loads(data)
        return cls(tuple(document["classes"]), {key: tuple(own) for key, own in document["images"].items()})

    def matched(self, keys: Iterable[str]) -> MatchedTags:
        """Which tags belong to which of a shard's images: by key, by file name, or by name without the ending.

        Raises:
            BadTags: two images share the name by which their tags are given.
        """
        found: dict[str, tuple[int, ...]] = {}
        users: dict[str, str] = {}
        missing = []
        for key in keys:
            path = PurePosixPath(key)
            name = next((each for each in (key, path.name, path.stem) if each in self.of_image), None)
            if name is None:
                missing.append(key)
                continue
            if name in users:
                raise BadTags(f"{users[name]} and {key} would both have the tags of {name!r}: give tags by whole path")
            users[name] = key
            found[key] = self.of_image[name]
        return MatchedTags(found, tuple(missing), frozenset(users))


@dataclass(frozen=True)
class MatchedTags:
    """Tags of images that are there.

    Attributes:
        of_key: label numbers by the image's key; none for an image that is said to show no class.
        missing: keys of images without any entry.
        used: entries that belong to one of the images.
    """

    of_key: dict[str, tuple[int, ...]]
    missing: tuple[str, ...]
    used: frozenset[str]


def read_tags(place: Location, format: str, classes: Sequence[str] = (), split: str = "") -> Tags:
    """Tags in one of `FORMATS`.

    Args:
        classes: names in the order of their labels; tags of others are left out. Empty takes all that are named, in
            alphabetical order (csv), in the order of their ids (coco), or those of VOC (voc).
        split: of a VOC folder, as trainval; empty takes every annotated image.

    Raises:
        BadTags: not such a file, a broken line, a class that is not there, or too many classes.
        FileNotFoundError: nothing there.
    """
    readers = {"csv": lambda: _csv(place), "coco": lambda: _coco(place), "voc": lambda: _voc(place, split)}
    if format not in readers:
        raise BadTags(f"no format {format!r} of tags; there are {', '.join(FORMATS)}")
    named, images = readers[format]()
    if tuple(classes) == VOC_CLASSES:
        named = [COCO_NAMES_OF_VOC.get(name, name) for name in named]
        images = {key: {COCO_NAMES_OF_VOC.get(name, name) for name in own} for key, own in images.items()}
    return _numbered(place, list(classes) or named, named, images)


def _numbered(place: Location, classes: list[str], named: list[str], images: Mapping[str, set[str]]) -> Tags:
    twice = sorted({name for name in classes if classes.count(name) > 1})
    absent = [name for name in classes if name not in named]
    if twice or not classes or len(classes) > _MOST_CLASSES:
        raise BadTags(f"{place}: 1 to {_MOST_CLASSES} different classes expected, got {len(classes)} (twice: {twice})")
    if len(absent) == len(classes):
        raise BadTags(
            f"{place} names none of the classes {', '.join(classes[:_NAMED])}; it has {', '.join(named[:20])}"
        )
    number = {name: label for label, name in enumerate(classes, start=1)}
    return Tags(
        tuple(classes),
        {key: tuple(sorted(number[name] for name in own if name in number)) for key, own in images.items()},
    )


def _csv(place: Location) -> tuple[list[str], dict[str, set[str]]]:
    """Lines `image,label`, one a tag, or several labels between spaces or semicolons; an empty label is no class."""
    try:
        text = place.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise BadTags(f"{place}: no UTF-8 text ({error})") from error
    images: dict[str, set[str]] = {}
    for number, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        if not row or (number == 1 and [cell.strip().lower() for cell in row[:2]] == ["image", "label"]):
            continue
        if len(row) != 2 or not row[0].strip():
            raise BadTags(f"{place}, line {number}: 'image,label' expected, got {','.join(row)!r}")
        own = images.setdefault(row[0].strip(), set())
        own.update(label.strip() for label in row[1].split(";") if label.strip())
    return sorted(set().union(*images.values())), images


def _coco(place: Location) -> tuple[list[str], dict[str, set[str]]]:
    try:
        document = orjson.loads(place.read_bytes())
        names = {category["id"]: str(category["name"]) for category in document["categories"]}
        files = {image["id"]: str(image["file_name"]) for image in document["images"]}
        images: dict[str, set[str]] = {name: set() for name in files.values()}
        for annotation in document["annotations"]:
            images[files[annotation["image_id"]]].add(names[annotation["category_id"]])
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise BadTags(f"{place}: no COCO annotations with images and categories ({error!r})") from error
    return [names[index] for index in sorted(names)], images


def _voc(root: Location, split: str) -> tuple[list[str], dict[str, set[str]]]:
    """A VOC folder: objects of `Annotations/ID.xml`, or else labels of `SegmentationClass/ID.png`."""
    documents = {each.name.removesuffix(".xml"): each for each in (root / "Annotations").iterdir()}
    maps = {each.name.removesuffix(".png"): each for each in (root / "SegmentationClass").iterdir()}
    wanted = _voc_split(root, split) if split else sorted(documents or maps)
    if not wanted:
        raise BadTags(f"{root}: no VOC folder: it has neither Annotations/ nor SegmentationClass/")
    images = {}
    for name in wanted:
        if name in documents:
            images[name] = _voc_objects(documents[name])
        elif name in maps:
            labels = np.unique(read_label_map(maps[name]))
            images[name] = {VOC_CLASSES[k - 1] for k in labels if 0 < k <= len(VOC_CLASSES) and k != IGNORE}
        else:
            raise BadTags(f"{root}: {name} of {split} has neither an annotation nor a segmentation")
    return list(VOC_CLASSES), images


def _voc_split(root: Location, split: str) -> list[str]:
    for kind in ("Main", "Segmentation"):
        place = root / "ImageSets" / kind / f"{split}.txt"
        if place.exists():
            return place.read_bytes().decode().split()
    raise BadTags(f"{root}: no ImageSets/Main/{split}.txt nor ImageSets/Segmentation/{split}.txt")


def _voc_objects(place: Location) -> set[str]:
    try:
        document = ElementTree.fromstring(place.read_bytes())
    except ElementTree.ParseError as error:
        raise BadTags(f"{place}: no XML ({error})") from error
    return {(each.findtext("name") or "").strip() for each in document.findall("object")} - {""}
