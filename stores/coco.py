"""COCO instance JSON: written as a stream, read image by image."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

import numpy as np
import orjson

from stores.annotations import BadAnnotations, from_annotations, to_annotations
from stores.location import Location
from stores.masks import MaskSet

CLASS_AGNOSTIC = {"id": 1, "name": "object", "supercategory": "object"}


@dataclass(frozen=True)
class ImageRecord:
    """One image of an annotation file, with what its annotations say beyond the masks.

    Attributes:
        id, file_name, width, height: as in the file.
        categories: (n,) int64, category id of each mask.
        crowd: (n,) bool, masks that are a region of many objects.
        fields: every other field of the image's record.
    """

    id: int
    file_name: str
    width: int
    height: int
    categories: np.ndarray
    crowd: np.ndarray
    fields: Mapping[str, Any] = field(default_factory=dict)


def write_coco(path: str | Location, items: Iterable[tuple[str, MaskSet]], description: str = "") -> tuple[int, int]:
    """Write one COCO dataset file, annotation by annotation; it appears when it is whole.

    Args:
        path: local path or URL.
        items: file name and masks of every image; one image is in memory at a time.
        description: goes into the file's `info`.

    Returns:
        How many images and annotations were written.

    Raises:
        OutOfSpace: the file does not fit; what was there before stays.
    """
    place = path if isinstance(path, Location) else Location(path)
    images: list[tuple[str, tuple[int, int]]] = []
    with place.writing() as file:
        file.write(b'{"info":' + orjson.dumps({"description": description}) + b',"annotations":[')
        count = 0
        for name, masks in items:
            images.append((name, masks.size))
            count += _write_annotations(file, len(images), masks, count)
        file.write(b'\n],"images":[')
        for image_id, (name, (height, width)) in enumerate(images, start=1):
            record = {"id": image_id, "file_name": name, "width": width, "height": height}
            file.write(_separator(image_id) + orjson.dumps(record))
        file.write(b'\n],"categories":' + orjson.dumps([CLASS_AGNOSTIC]) + b"}\n")
    return len(images), count


def read_coco(path: str | Location, source: str = "imported") -> Iterator[tuple[ImageRecord, MaskSet]]:
    """Every image of a COCO dataset file with its masks, also images without any.

    Segmentations may be polygons, compressed or uncompressed RLE; our own columns are read where they are there.

    Args:
        path: local path or URL.
        source: one of `SOURCES`, for annotations that do not name theirs.

    Raises:
        BadAnnotations: no COCO file, an annotation of an image that is not listed, or a segmentation that does not fit.
    """
    place = path if isinstance(path, Location) else Location(path)
    document = _document(place)
    by_image: dict[Any, list[dict[str, Any]]] = {image.get("id"): [] for image in document["images"]}
    if len(by_image) != len(document["images"]):
        raise BadAnnotations(f"{place}: image ids are not unique")
    for annotation in document["annotations"]:
        try:
            by_image[annotation["image_id"]].append(annotation)
        except KeyError as error:
            raise BadAnnotations(f"{place}: annotation {annotation.get('id')} is of no image in the file") from error
    for image in document["images"]:
        yield _image(image, by_image[image.get("id")], source, place)


def _image(
    image: dict[str, Any], annotations: list[dict[str, Any]], source: str, place: Location
) -> tuple[ImageRecord, MaskSet]:
    missing = {"id", "file_name", "width", "height"} - set(image)
    if missing:
        raise BadAnnotations(f"{place}: image {image.get('id')} has no {', '.join(sorted(missing))}")
    try:
        masks = from_annotations(annotations, (int(image["height"]), int(image["width"])), source)
    except BadAnnotations as error:
        raise BadAnnotations(f"{place}: image {image['id']}: {error}") from error
    fields = dict(image)
    record = ImageRecord(
        id=fields.pop("id"),
        file_name=fields.pop("file_name"),
        width=int(fields.pop("width")),
        height=int(fields.pop("height")),
        categories=np.array([annotation.get("category_id", 0) for annotation in annotations], np.int64),
        crowd=np.array([annotation.get("iscrowd", 0) for annotation in annotations], bool),
        fields=fields,
    )
    return record, masks


def _document(place: Location) -> dict[str, Any]:
    try:
        document = orjson.loads(place.read_bytes())
    except orjson.JSONDecodeError as error:
        raise BadAnnotations(f"{place} is no JSON: {error}") from error
    for name in ("images", "annotations"):
        if not isinstance(document, dict) or not isinstance(document.get(name), list):
            raise BadAnnotations(f"{place} has no list {name!r}: it is no COCO dataset file")
        if not all(isinstance(record, dict) for record in document[name]):
            raise BadAnnotations(f"{place}: an entry of {name!r} is no object")
    return document


def _write_annotations(file: IO[bytes], image_id: int, masks: MaskSet, written: int) -> int:
    for annotation in to_annotations(masks, first_id=written + 1):
        standard = {"image_id": image_id, "category_id": CLASS_AGNOSTIC["id"], "iscrowd": 0}
        file.write(_separator(annotation["id"]) + orjson.dumps({**annotation, **standard}))
    return len(masks)


def _separator(number: int) -> bytes:
    return b"\n" if number == 1 else b",\n"
