"""Human masks as label maps: ADE20K's instance pictures and BSDS500's MATLAB files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from pycocotools import mask as rle

from ops.ground_truth import DatasetError, GroundTruth, GroundTruthImage, GroundTruthMask
from ops.ground_truth_photos import Choice, annotation_files, every, photo_size, photos_by_stem, refuse_missing
from stores.bsds import BadGroundTruth, read_bsds


def read_ade20k(images: Path, annotations: Path, choose: Choice = every) -> GroundTruth:
    """ADE20K's `annotations_instance` of the scene parsing challenge: one PNG a photo, red = class, green = instance.

    Pixels whose green is 0 are of no instance. The image id is the stem. The encoding of the full ADE20K of 2021
    (`*_seg.png`, instance in blue) is another one and is not read here.
    """
    return _read_label_maps(images, annotations, ".png", _instances, background=0, choose=choose)


def read_bsds500(images: Path, annotations: Path, choose: Choice = every) -> GroundTruth:
    """BSDS500 regions: each region of each annotator is one mask; the image id is the number in the name.

    Annotators often outline the same thing. Near copies stay, as each is a person's answer, and also exact copies
    do: under COCOeval's one-to-one matching a region that k annotators drew asks for k masks.
    """
    return _read_label_maps(images, annotations, ".mat", _segmentations, background=None, choose=choose)


def rle_of_regions(labels: np.ndarray, background: int | None = None) -> list[dict[str, Any]]:
    """COCO RLE of every region of an (H, W) label map, in the order of its labels, without the background's."""
    columns = np.asfortranarray(labels)
    return [rle.encode((columns == value).view(np.uint8)) for value in np.unique(columns) if value != background]


def _instances(path: Path) -> list[np.ndarray]:
    try:
        with Image.open(path) as picture:
            if picture.mode != "RGB":
                raise DatasetError(f"{path} is of mode {picture.mode}, not RGB: no ADE20K instance map")
            red, green, _ = np.moveaxis(np.asarray(picture, np.int32), 2, 0)
    except (UnidentifiedImageError, OSError) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    return [np.where(green > 0, red * 256 + green, 0)]


def _segmentations(path: Path) -> list[np.ndarray]:
    try:
        return read_bsds(path.read_bytes())
    except BadGroundTruth as error:
        raise DatasetError(f"{path}: {error}") from error


def _read_label_maps(
    images: Path,
    annotations: Path,
    suffix: str,
    read: Callable[[Path], list[np.ndarray]],
    background: int | None,
    choose: Choice,
) -> GroundTruth:
    photos, paths = photos_by_stem(images), annotation_files(annotations, suffix)
    chosen = choose(list(paths))
    refuse_missing([i for i in chosen if paths[i].stem not in photos], len(chosen), images)
    found, masks = [], []
    for image_id in chosen:
        photo = photos[paths[image_id].stem]
        size = photo_size(photo)
        found.append(GroundTruthImage(image_id, photo, size))
        for labels in read(paths[image_id]):
            if labels.shape != size:
                raise DatasetError(f"{paths[image_id]} is of (H, W) {labels.shape}, its photo {photo.name} of {size}")
            regions = rle_of_regions(labels, background)
            masks += [GroundTruthMask(image_id, region, float(rle.area(region))) for region in regions]
    return GroundTruth(tuple(found), tuple(masks))
