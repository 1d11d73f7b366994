"""Human masks in JSON: COCO-style files and SA-1B's file an image."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import orjson
from pycocotools import mask as rle

from ops.ground_truth import DatasetError, GroundTruth, GroundTruthImage, GroundTruthMask, ImageId, shown
from ops.ground_truth_photos import Choice, annotation_files, every, existing_folder, photos_by_stem, refuse_missing
from stores.rle import BadRle, decompress


def read_coco(images: Path, annotations: Path, choose: Choice = every) -> GroundTruth:
    """Instances of all categories of a COCO-style file: COCO, LVIS, PACO, PartImageNet, EntitySeg.

    Crowds are kept and marked, so that COCOeval's rule applies to them; `iscrowd` and `area` may be missing. LVIS has
    no `file_name`: its photo is the end of `coco_url`, inside the folder of its split or without it.
    """
    document = _coco_document(annotations)
    listed = {_field(record, "id", annotations): record for record in document["images"]}
    if len(listed) != len(document["images"]):
        raise DatasetError(f"{annotations}: image ids are not unique")
    strangers = {_field(record, "image_id", annotations) for record in document["annotations"]} - set(listed)
    if strangers:
        raise DatasetError(f"{annotations}: annotations of images that it does not list: {shown(strangers)}")
    found = tuple(
        GroundTruthImage(
            image_id, _photo_of(listed[image_id], images, annotations), _size(listed[image_id], annotations)
        )
        for image_id in choose(list(listed))
    )
    existing_folder(images)
    refuse_missing([image.path.relative_to(images) for image in found if not image.path.exists()], len(found), images)
    sizes = {image.image_id: image.size for image in found}
    names = _category_names(document)
    masks = tuple(
        _annotated_mask(record, record["image_id"], sizes[record["image_id"]], annotations, names)
        for record in document["annotations"]
        if record["image_id"] in sizes
    )
    return GroundTruth(found, masks)


def read_sa1b(images: Path, annotations: Path, choose: Choice = every) -> GroundTruth:
    """SA-1B: one JSON a photo, of the same stem, which is the image's id."""
    photos, documents = photos_by_stem(images), annotation_files(annotations, ".json")
    chosen = choose(list(documents))
    refuse_missing([i for i in chosen if documents[i].stem not in photos], len(chosen), images)
    found, masks = [], []
    for image_id in chosen:
        path = documents[image_id]
        document = _json(path)
        record, records = document.get("image"), document.get("annotations")
        if not isinstance(record, dict) or not isinstance(records, list):
            raise DatasetError(f"{path} is no SA-1B document: it needs an image and a list of annotations")
        size = _size(record, path)
        found.append(GroundTruthImage(image_id, photos[path.stem], size))
        masks += [_annotated_mask(annotation, image_id, size, path) for annotation in records]
    return GroundTruth(tuple(found), tuple(masks))


def _coco_document(path: Path) -> Mapping[str, Any]:
    document = _json(path)
    for name in ("images", "annotations"):
        records = document.get(name)
        if not isinstance(records, list) or not all(isinstance(record, dict) for record in records):
            raise DatasetError(f"{path} has no list {name!r}: it is no COCO-style file")
    return document


def _json(path: Path) -> Mapping[str, Any]:
    try:
        document = orjson.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise DatasetError(f"there is no annotation file {path}") from error
    except (orjson.JSONDecodeError, OSError) as error:
        raise DatasetError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(document, dict):
        raise DatasetError(f"{path} is no JSON object")
    return document


def _field(record: Mapping[str, Any], name: str, path: Path) -> Any:
    if name not in record:
        raise DatasetError(f"{path}: an entry has no {name!r}, only {', '.join(sorted(record))}")
    return record[name]


def _size(record: Mapping[str, Any], path: Path) -> tuple[int, int]:
    return int(_field(record, "height", path)), int(_field(record, "width", path))


def _photo_of(record: Mapping[str, Any], images: Path, path: Path) -> Path:
    if "file_name" in record:
        parts = Path(str(record["file_name"])).parts
        if ".." in parts or parts[:1] == ("/",):
            raise DatasetError(
                f"{path}: image {record['id']} has the file name {record['file_name']!r}, outside {images}"
            )
        return images.joinpath(*parts)
    *_, split, name = ("", *str(_field(record, "coco_url", path)).split("/"))
    return images / split / name if (images / split / name).exists() else images / name


def _category_names(document: Mapping[str, Any]) -> dict[Any, str]:
    """Names by id; LVIS writes its own with underscores for spaces."""
    records = document.get("categories")
    known = [record for record in records if isinstance(record, dict)] if isinstance(records, list) else []
    return {record.get("id"): str(record.get("name", "")).replace("_", " ") for record in known}


def _annotated_mask(
    record: Mapping[str, Any],
    image_id: ImageId,
    size: tuple[int, int],
    path: Path,
    categories: Mapping[Any, str] = MappingProxyType({}),
) -> GroundTruthMask:
    segmentation = _field(record, "segmentation", path)
    try:
        encoded = _rle_of_segmentation(segmentation, size)
    except (BadRle, TypeError, KeyError, ValueError) as error:
        raise DatasetError(f"{path}: annotation {record.get('id')} of image {image_id}: {error}") from error
    area = record.get("area")
    return GroundTruthMask(
        image_id,
        encoded,
        float(rle.area(encoded) if area is None else area),
        bool(record.get("iscrowd", 0)),
        categories.get(record.get("category_id"), ""),
    )


def _rle_of_segmentation(segmentation: list | Mapping[str, Any], size: tuple[int, int]) -> dict[str, Any]:
    height, width = size
    if isinstance(segmentation, list):
        if not segmentation or any(len(part) < 6 for part in segmentation):
            raise BadRle("its segmentation has no polygon of three corners or more")
        return rle.merge(rle.frPyObjects(segmentation, height, width))
    counts = segmentation["counts"]
    runs = counts if isinstance(counts, list) else decompress(counts.encode())
    if tuple(segmentation["size"]) != size or sum(runs) != height * width:
        raise BadRle(f"its RLE of size {segmentation['size']} does not fill the image, (H, W) = {size}")
    return rle.frPyObjects({"size": [height, width], "counts": [int(run) for run in runs]}, height, width)
