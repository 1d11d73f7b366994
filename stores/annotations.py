"""Masks as the annotations that COCO and SA-1B JSON have in common, with our columns beside the standard fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from pycocotools import mask as coco_mask

from stores.masks import NO_PARENT, SOURCES, MaskSet
from stores.rle import BadRle, from_rle, to_rle

Annotation = dict[str, Any]


class BadAnnotations(ValueError):
    """An annotation file whose parts are missing or contradict each other."""


def to_annotations(masks: MaskSet, first_id: int) -> Iterator[Annotation]:
    """One annotation a mask, numbered from `first_id`.

    Fields: id, bbox [x, y, w, h], area, segmentation (compressed RLE), score, level, parent (id of the smallest mask
    that contains this one, or None), granularity, theta, confidence (None where not known) and source (its name).
    """
    areas = masks.areas()
    for index, rle in enumerate(to_rle(masks)):
        parent = int(masks.parent[index])
        yield {
            "id": first_id + index,
            "bbox": masks.boxes[index].tolist(),
            "area": int(areas[index]),
            "segmentation": rle,
            "score": _number(masks.score[index]),
            "level": int(masks.level[index]),
            "parent": None if parent == NO_PARENT else first_id + parent,
            "granularity": _number(masks.granularity[index]),
            "theta": _number(masks.theta[index]),
            "confidence": _number(masks.confidence[index]),
            "source": SOURCES[masks.source[index]],
        }


def from_annotations(annotations: Sequence[Mapping[str, Any]], size: tuple[int, int], source: str) -> MaskSet:
    """Masks of the annotations of one image; columns that they do not carry take their defaults.

    Args:
        size: (H, W) of the image.
        source: one of `SOURCES`, for annotations that do not name theirs.

    Raises:
        BadAnnotations: an annotation without a usable segmentation, or with a parent that is not among them.
    """
    rles = [_rle(annotation, size) for annotation in annotations]
    try:
        return from_rle(rles, size, **_columns(annotations, source))
    except BadRle as error:
        raise BadAnnotations(f"annotations {_ids(annotations)}: {error}") from error


def _columns(annotations: Sequence[Mapping[str, Any]], source: str) -> dict[str, list[Any]]:
    index_of = {annotation.get("id"): index for index, annotation in enumerate(annotations)}
    return {
        "score": [_first(annotation, ("score", "predicted_iou"), 1.0) for annotation in annotations],
        "level": [annotation.get("level") or 0 for annotation in annotations],
        "theta": [_first(annotation, ("theta",), np.nan) for annotation in annotations],
        "granularity": [_first(annotation, ("granularity",), np.nan) for annotation in annotations],
        "confidence": [_first(annotation, ("confidence",), np.nan) for annotation in annotations],
        "parent": [_parent(annotation, index_of) for annotation in annotations],
        "source": [_source(annotation, source) for annotation in annotations],
    }


def _rle(annotation: Mapping[str, Any], size: tuple[int, int]) -> Mapping[str, Any]:
    segmentation = annotation.get("segmentation")
    if isinstance(segmentation, Mapping) and {"size", "counts"} <= set(segmentation):
        return segmentation
    if isinstance(segmentation, list) and segmentation and all(_is_polygon(part) for part in segmentation):
        return coco_mask.merge(coco_mask.frPyObjects(segmentation, *size))
    raise BadAnnotations(f"annotation {annotation.get('id')}: its segmentation is neither an RLE nor polygons")


def _is_polygon(part: object) -> bool:
    numbers = isinstance(part, list) and all(isinstance(value, (int, float)) for value in part)
    return numbers and len(part) >= 6 and len(part) % 2 == 0  # type: ignore[arg-type]


def _parent(annotation: Mapping[str, Any], index_of: Mapping[Any, int]) -> int:
    parent = annotation.get("parent")
    if parent is None:
        return NO_PARENT
    if parent not in index_of:
        raise BadAnnotations(f"annotation {annotation.get('id')}: its parent {parent} is not on the same image")
    return index_of[parent]


def _source(annotation: Mapping[str, Any], default: str) -> int:
    name = annotation.get("source") or default
    if name not in SOURCES:
        raise BadAnnotations(f"annotation {annotation.get('id')}: source {name!r} is none of {', '.join(SOURCES)}")
    return SOURCES.index(name)


def _first(annotation: Mapping[str, Any], names: Sequence[str], default: float) -> float:
    values = (annotation.get(name) for name in names)
    return next((float(value) for value in values if value is not None), default)


def _number(value: np.floating) -> float | None:
    """The shortest decimal that gives the same half or single precision number; None for NaN."""
    return float(str(value)) if np.isfinite(value) else None


def _ids(annotations: Sequence[Mapping[str, Any]]) -> str:
    ids = [str(annotation.get("id")) for annotation in annotations]
    return ", ".join(ids[:3]) + (", …" if len(ids) > 3 else "")
