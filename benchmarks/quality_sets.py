"""Photos with human masks to score against: COCO, BSDS500, and crops of COCO around single objects."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from pycocotools import mask as rle

from ops.ground_truth import GroundTruth, GroundTruthImage, GroundTruthMask
from ops.ground_truth_formats import load_ground_truth

SETS = ("coco_val", "bsds500_val", "single_val", "coco_train", "bsds500_train", "single_train")
_SINGLE_SIDE = 300  # pixels of the longer side, as the photos of Weizmann's one-object set
_LEAST_OBJECT = 64 * 64
_LARGEST_REST = 0.15
_SHARES = (0.08, 0.6)


def load_set(name: str, data: Path, scratch: Path, images: int | None = None) -> GroundTruth:
    """Human masks of a set, of all its images or of `images` spread evenly over it.

    `single_*` are made of coco_*: a square crop around each object that is the only one annotated there (others cover
    less than 15 % of its area), with the object at about a quarter of the crop, shrunk to 300 pixels. They stand in
    for photos of one object with one mask, for which there is no set here; COCO's polygons are coarser.

    Args:
        name: one of `SETS`. data: the folder with coco_train, bsds500_train and so on. scratch: where crops go.
    """
    kind, part = name.split("_")
    if kind == "single":
        truth = _single_objects(load_ground_truth("coco", data / f"coco_{part}"), scratch / name)
    else:
        truth = load_ground_truth(kind, data / name)
    ids = truth.image_ids
    if images is None or images >= len(ids):
        return truth
    return truth.subset([ids[i] for i in np.linspace(0, len(ids) - 1, images).astype(int)])


def read_photo(image: GroundTruthImage) -> np.ndarray:
    """uint8 RGB (H, W, 3)."""
    with Image.open(image.path) as photo:
        return np.asarray(photo.convert("RGB"))


def _single_objects(truth: GroundTruth, folder: Path) -> GroundTruth:
    folder.mkdir(parents=True, exist_ok=True)
    grouped = truth.masks_by_image()
    images, masks = [], []
    for image in truth.images:
        for index, mask in enumerate(grouped[image.image_id]):
            others = [other for other in grouped[image.image_id] if other is not mask]
            box = _crop_box(mask, others, image.size)
            if box is None:
                continue
            made = _write_crop(image, mask, box, folder / f"{image.image_id}_{index}.png", len(images))
            images.append(made[0])
            masks.append(made[1])
    return GroundTruth(tuple(images), tuple(masks))


def _crop_box(
    mask: GroundTruthMask, others: list[GroundTruthMask], size: tuple[int, int]
) -> tuple[int, int, int, int] | None:
    """Left, top, right, bottom of a crop in which the mask is alone, or None where there is none."""
    if mask.crowd or mask.area < _LEAST_OBJECT:
        return None
    x, y, width, height = rle.toBbox(mask.rle)
    half = max(1.25 * width, 1.25 * height, 2.2 * mask.area**0.5) / 2
    left, top = int(max(0, x + width / 2 - half)), int(max(0, y + height / 2 - half))
    right, bottom = int(min(size[1], x + width / 2 + half)), int(min(size[0], y + height / 2 + half))
    inside = rle.decode(mask.rle)[top:bottom, left:right]
    rest = sum(int(rle.decode(other.rle)[top:bottom, left:right].sum()) for other in others)
    alone = rest < _LARGEST_REST * inside.sum() and _SHARES[0] < inside.mean() < _SHARES[1]
    return (left, top, right, bottom) if alone else None


def _write_crop(
    image: GroundTruthImage, mask: GroundTruthMask, box: tuple[int, int, int, int], path: Path, image_id: int
) -> tuple[GroundTruthImage, GroundTruthMask]:
    left, top, right, bottom = box
    scale = _SINGLE_SIDE / max(right - left, bottom - top)
    size = round((right - left) * scale), round((bottom - top) * scale)
    if not path.exists():
        Image.fromarray(read_photo(image)).crop(box).resize(size, Image.Resampling.LANCZOS).save(path)
    inside = Image.fromarray(rle.decode(mask.rle)[top:bottom, left:right] * 255)
    small = np.asarray(inside.resize(size, Image.Resampling.BILINEAR)) > 127
    encoded = rle.encode(np.asfortranarray(small.astype(np.uint8)))
    made = replace(image, image_id=image_id, path=path, size=(size[1], size[0]))
    return made, GroundTruthMask(image_id, encoded, float(small.sum()))
