"""Human masks to score against: COCO instances and BSDS500 segmentations, as one class-agnostic form."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from pycocotools import mask as rle
from scipy.io import loadmat


@dataclass(frozen=True)
class GroundTruthImage:
    """One scored image: its id, its file and its (H, W) in pixels."""

    image_id: int
    path: Path
    size: tuple[int, int]


@dataclass(frozen=True)
class GroundTruthMask:
    """One human mask: COCO RLE in the frame of its image.

    Attributes:
        area: pixels; COCO's own `area` field (of the polygon) where there is one, as COCOeval takes it.
        crowd: COCOeval ignores such a mask: missing it costs nothing and hitting it gains nothing.
    """

    image_id: int
    rle: dict[str, Any]
    area: float
    crowd: bool = False


@dataclass(frozen=True)
class GroundTruth:
    """Human masks of a list of images; images without any mask are listed too."""

    images: tuple[GroundTruthImage, ...]
    masks: tuple[GroundTruthMask, ...]

    @property
    def image_ids(self) -> list[int]:
        return [image.image_id for image in self.images]

    def subset(self, image_ids: Collection[int]) -> GroundTruth:
        """Only these images and their masks.

        Raises:
            ValueError: an id that is not here.
        """
        wanted = set(image_ids)
        unknown = wanted - set(self.image_ids)
        if unknown:
            raise ValueError(f"no such images in the ground truth: {sorted(unknown)[:5]}")
        return GroundTruth(
            tuple(image for image in self.images if image.image_id in wanted),
            tuple(mask for mask in self.masks if mask.image_id in wanted),
        )

    def masks_by_image(self) -> dict[int, list[GroundTruthMask]]:
        grouped: dict[int, list[GroundTruthMask]] = {image_id: [] for image_id in self.image_ids}
        for mask in self.masks:
            grouped[mask.image_id].append(mask)
        return grouped


def load_ground_truth(name: str, folder: str | Path) -> GroundTruth:
    """Read the human masks of a folder of photos.

    Args:
        name: `coco` (`instances.json` beside `images/`) or `bsds500` (`ID.jpg` beside `ID.mat`).
        folder: the folder that holds them.

    Raises:
        ValueError: an unknown name. FileNotFoundError: no annotations there.
    """
    if name not in FORMATS:
        raise ValueError(f"unknown ground truth {name!r}; there are {sorted(FORMATS)}")
    return FORMATS[name](Path(folder))


def load_coco(folder: Path) -> GroundTruth:
    """COCO instances of all categories; crowds are kept and marked, so that COCOeval's rule applies to them."""
    dataset = json.loads((folder / "instances.json").read_bytes())
    images = tuple(
        GroundTruthImage(record["id"], folder / "images" / record["file_name"], (record["height"], record["width"]))
        for record in dataset["images"]
    )
    sizes = {image.image_id: image.size for image in images}
    masks = tuple(
        GroundTruthMask(
            annotation["image_id"],
            _rle_of_segmentation(annotation["segmentation"], sizes[annotation["image_id"]]),
            float(annotation["area"]),
            bool(annotation["iscrowd"]),
        )
        for annotation in dataset["annotations"]
    )
    return GroundTruth(images, masks)


def load_bsds500(folder: Path) -> GroundTruth:
    """BSDS500 regions: each region of each annotator is one mask.

    Annotators often outline the same thing. Near copies stay, as each is a person's answer, and also exact copies
    do: under COCOeval's one-to-one matching a region that k annotators drew asks for k masks.
    """
    images, masks = [], []
    for path in sorted(folder.glob("*.mat")):
        image_path = path.with_suffix(".jpg")
        with Image.open(image_path) as photo:
            size = (photo.height, photo.width)
        image_id = int(path.stem)
        images.append(GroundTruthImage(image_id, image_path, size))
        for segmentation in bsds_segmentations(path):
            masks += [
                GroundTruthMask(image_id, region, float(rle.area(region))) for region in rle_of_regions(segmentation)
            ]
    if not images:
        raise FileNotFoundError(f"no BSDS500 .mat files in {folder}")
    return GroundTruth(tuple(images), tuple(masks))


def bsds_segmentations(path: Path) -> list[np.ndarray]:
    """Each annotator's (H, W) label map in a BSDS500 `.mat` file."""
    cells = loadmat(path, variable_names=["groundTruth"])["groundTruth"]
    return [cell["Segmentation"][0, 0] for cell in cells.reshape(-1)]


def rle_of_regions(labels: np.ndarray) -> list[dict[str, Any]]:
    """COCO RLE of every region of an (H, W) label map, in the order of its labels."""
    stack = labels[:, :, None] == np.unique(labels)
    return rle.encode(np.asfortranarray(stack.astype(np.uint8)))


def _rle_of_segmentation(segmentation: list | dict, size: tuple[int, int]) -> dict[str, Any]:
    height, width = size
    if isinstance(segmentation, list):
        return rle.merge(rle.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return rle.frPyObjects(segmentation, height, width)
    return segmentation


FORMATS: dict[str, Callable[[Path], GroundTruth]] = {"coco": load_coco, "bsds500": load_bsds500}
