"""Human masks to score against, as one class-agnostic form whatever file they came from."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ImageId = int | str


class DatasetError(ValueError):
    """A dataset that cannot be scored against; the message says what is wrong with which file and what to do."""


@dataclass(frozen=True)
class GroundTruthImage:
    """One scored image: its id, its file and its (H, W) in pixels."""

    image_id: ImageId
    path: Path
    size: tuple[int, int]


@dataclass(frozen=True)
class GroundTruthMask:
    """One human mask: COCO RLE in the frame of its image.

    Attributes:
        area: pixels; COCO's own `area` field (of the polygon) where there is one, as COCOeval takes it.
        crowd: COCOeval ignores such a mask: missing it costs nothing and hitting it gains nothing.
        category: name of what it shows; empty where the file does not say. Only text prompts use it.
    """

    image_id: ImageId
    rle: dict[str, Any]
    area: float
    crowd: bool = False
    category: str = ""


@dataclass(frozen=True)
class GroundTruth:
    """Human masks of a list of images; images without any mask are listed too.

    Raises:
        DatasetError: two images of one id, or a mask of an image that is not listed.
    """

    images: tuple[GroundTruthImage, ...]
    masks: tuple[GroundTruthMask, ...]

    def __post_init__(self) -> None:
        twice = [image_id for image_id, count in Counter(self.image_ids).items() if count > 1]
        if twice:
            raise DatasetError(f"{len(twice)} image ids are there more than once, such as {shown(twice)}")
        strangers = {mask.image_id for mask in self.masks} - set(self.image_ids)
        if strangers:
            raise DatasetError(f"annotations of images that are not listed: {shown(strangers)}")

    @property
    def image_ids(self) -> list[ImageId]:
        return [image.image_id for image in self.images]

    def subset(self, image_ids: Collection[ImageId]) -> GroundTruth:
        """Only these images and their masks.

        Raises:
            DatasetError: an id that is not here.
        """
        wanted = set(image_ids)
        unknown = wanted - set(self.image_ids)
        if unknown:
            raise DatasetError(f"no such images in the ground truth: {shown(unknown)}")
        return GroundTruth(
            tuple(image for image in self.images if image.image_id in wanted),
            tuple(mask for mask in self.masks if mask.image_id in wanted),
        )

    def masks_by_image(self) -> dict[ImageId, list[GroundTruthMask]]:
        grouped: dict[ImageId, list[GroundTruthMask]] = {image_id: [] for image_id in self.image_ids}
        for mask in self.masks:
            grouped[mask.image_id].append(mask)
        return grouped


def shown(names: Collection[Any], most: int = 5) -> str:
    """The first of some ids or names, for a message."""
    first = [str(name) for name in sorted(names, key=str)[:most]]
    return ", ".join(first) + (f" and {len(names) - most} more" if len(names) > most else "")
