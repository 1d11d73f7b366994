"""What people made of the proposals: read from their tool's file, and told apart mask by mask."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import orjson
from scipy.optimize import linear_sum_assignment

from ops.data_engine.settings import EngineSettings
from stores.annotations import BadAnnotations
from stores.coco import read_coco
from stores.location import Location
from stores.masks import SOURCES, MaskSet
from stores.rle import iou
from stores.sa1b import from_sa1b


@dataclass(frozen=True)
class Changes:
    """How an image's corrected masks came to be.

    Attributes: kept, changed and added, indices of corrected masks; deleted, indices of proposals that are gone.
    """

    kept: np.ndarray
    changed: np.ndarray
    added: np.ndarray
    deleted: np.ndarray

    def counts(self) -> dict[str, int]:
        return {name: len(indices) for name, indices in vars(self).items()}


def changes_of(proposed: MaskSet, corrected: MaskSet, settings: EngineSettings) -> Changes:
    """Pair corrected masks with proposals one to one at the largest overlaps.

    Raises:
        ValueError: masks of images of different sizes.
    """
    overlaps = iou(proposed, corrected)
    rows, columns = linear_sum_assignment(-overlaps)
    pairs = overlaps[rows, columns]
    same = pairs >= settings.unchanged_iou
    near = (pairs >= settings.changed_iou) & ~same
    answered = np.concatenate([rows[same], rows[near]])
    known = np.concatenate([columns[same], columns[near]])
    return Changes(
        kept=np.sort(columns[same]),
        changed=np.sort(columns[near]),
        added=np.setdiff1d(np.arange(len(corrected)), known),
        deleted=np.setdiff1d(np.arange(len(proposed)), answered),
    )


def with_origins(corrected: MaskSet, changes: Changes) -> MaskSet:
    """Corrected masks that say who made them: a person, or the model where a person left them as they were."""
    source = np.full(len(corrected), SOURCES.index("human"))
    source[changes.kept] = SOURCES.index("prompt")
    return corrected.with_columns(source=source)


def read_corrections(place: str, sizes: Mapping[str, tuple[int, int]]) -> Iterator[tuple[str, MaskSet]]:
    """Key and masks of every corrected image that is among `sizes`.

    Args:
        place: a COCO file, or a folder of SA-1B JSON.
        sizes: (H, W) of the images by key.

    Raises:
        BadAnnotations: a file that is broken, none of the images, or masks of an image of another size.
        FileNotFoundError: nothing there.
    """
    found = 0
    for key, masks in _documents(Location(place)):
        if key not in sizes:
            continue
        if tuple(masks.size) != tuple(sizes[key]):
            raise BadAnnotations(f"{place}: {key} is of (H, W) {masks.size} there, the photo is {sizes[key]}")
        found += 1
        yield key, masks
    if not found:
        raise BadAnnotations(f"{place}: none of its images is in the shard; are these corrections of other photos?")


def _documents(place: Location) -> Iterator[tuple[str, MaskSet]]:
    if not place.exists():
        raise FileNotFoundError(f"there are no corrections at {place}")
    if place.name.endswith(".json"):
        yield from ((record.file_name, masks) for record, masks in read_coco(place, source="human"))
        return
    for file in place.iterdir():
        if file.name.endswith(".json"):
            try:
                document = orjson.loads(file.read_bytes())
                yield str(document["image"]["file_name"]), from_sa1b(document)
            except (orjson.JSONDecodeError, KeyError, TypeError) as error:
                raise BadAnnotations(f"{file}: no SA-1B document: {error}") from error
