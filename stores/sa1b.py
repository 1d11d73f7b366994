"""SA-1B JSON: one file an image, as SAM's data set and its automatic mask generator write it (spec 10.2)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson

from stores.annotations import BadAnnotations, from_annotations, to_annotations
from stores.location import Location
from stores.masks import MaskSet

if TYPE_CHECKING:
    from stores.shards import ShardSource

_NUMBERED = re.compile(r"sa_(\d+)")


class SameImageTwice(ValueError):
    """An SA-1B image that two tars or folders hold; the message names both."""


def sa1b_number(name: str) -> int | None:
    """The image id in a name like `folder/sa_123.jpg`; None for other names."""
    numbered = _NUMBERED.fullmatch(PurePosixPath(name).stem)
    return int(numbered[1]) if numbered else None


def check_distinct(sources: Iterable[ShardSource]) -> None:
    """Every SA-1B image id stands for one image.

    Raises:
        SameImageTwice: two of the shards' tars or folders hold an image of the same id.
    """
    place_of: dict[int, str] = {}
    for source in sources:
        for member in source.members:
            number = sa1b_number(member.key)
            if number is None:
                continue
            place = f"{source.url}/{member.key}"
            first = place_of.setdefault(number, place)
            if first != place:
                raise SameImageTwice(
                    f"image {number} of SA-1B is there twice: {first} and {place}; add only one of them"
                )


def to_sa1b(masks: MaskSet, file_name: str, image_id: int) -> dict[str, Any]:
    """The SA-1B document of one image, with our columns beside the standard fields.

    `predicted_iou` is the score, `crop_box` the whole image, `point_coords` one pixel of the mask (none for an empty
    mask), and `stability_score` None: our masks have no logits to measure it on.
    """
    height, width = masks.size
    annotations = [
        {
            **annotation,
            "predicted_iou": annotation["score"],
            "stability_score": None,
            "crop_box": [0, 0, width, height],
            "point_coords": _inner_point(masks, index),
        }
        for index, annotation in enumerate(to_annotations(masks, first_id=1))
    ]
    image = {"image_id": image_id, "width": width, "height": height, "file_name": file_name}
    return {"image": image, "annotations": annotations}


def from_sa1b(document: Mapping[str, Any], source: str = "human") -> MaskSet:
    """The masks of an SA-1B document; `predicted_iou` is the score where there is none of ours.

    Args:
        source: one of `SOURCES`, for annotations that do not name theirs.

    Raises:
        BadAnnotations: fields are missing, or a segmentation does not fit the image.
    """
    image, annotations = document.get("image"), document.get("annotations")
    if not isinstance(image, Mapping) or not {"width", "height"} <= set(image) or not isinstance(annotations, list):
        raise BadAnnotations("no SA-1B document: it needs an image with width and height, and a list of annotations")
    size = (image["height"], image["width"])
    if not all(isinstance(side, int) and side > 0 for side in size):
        raise BadAnnotations(f"no SA-1B document: (H, W) of its image is {size}")
    return from_annotations(annotations, size, source)


def write_sa1b(folder: str | Location, items: Iterable[tuple[str, MaskSet]]) -> int:
    """Write one JSON for each image into `folder`, under the image's name with the ending .json.

    The image id is the number in a name like `sa_123.jpg`, else the position among `items`, from 1.

    Returns:
        How many files were written.

    Raises:
        ValueError: two images differ only in their ending, so their JSON would be one file.
    """
    place = folder if isinstance(folder, Location) else Location(folder)
    written: dict[str, str] = {}
    for index, (name, masks) in enumerate(items, start=1):
        target = str(PurePosixPath(name).with_suffix(".json"))
        if target in written:
            raise ValueError(f"{name} and {written[target]} would share {target}: rename one of them")
        written[target] = name
        number = sa1b_number(name)
        document = to_sa1b(masks, PurePosixPath(name).name, index if number is None else number)
        (place / target).write_bytes(orjson.dumps(document))
    return len(written)


def _inner_point(masks: MaskSet, index: int) -> list[list[float]]:
    rows, columns = np.nonzero(masks.crop(index))
    if not len(rows):
        return []
    nearest = np.argmin((rows - rows.mean()) ** 2 + (columns - columns.mean()) ** 2)
    x, y = masks.boxes[index][:2]
    return [[float(x + columns[nearest]), float(y + rows[nearest])]]
