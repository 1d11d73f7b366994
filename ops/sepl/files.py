"""SEPL on files alone, in the authors' layout: label maps of others and masks of others in, repaired maps out."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath

from ops.fanout import usable_cores
from ops.sepl.relabel import Relabelled, UnfitLabelMap, relabel
from ops.sepl.settings import SeplSettings
from stores.annotations import BadAnnotations
from stores.label_maps import BadLabelMap, read_label_map, write_label_map
from stores.location import Location
from stores.mask_files import MaskFiles, open_mask_files
from stores.masks import MaskSet

_REFUSED = (BadLabelMap, BadAnnotations, UnfitLabelMap)


@dataclass(frozen=True)
class FileOutcome:
    """What became of one label map.

    Attributes:
        name: of the file, without its ending.
        result: None where it was refused.
        without_masks: there were none for it, so it has passed through.
        reason: why it was refused.
    """

    name: str
    result: Relabelled | None = None
    without_masks: bool = False
    reason: str = ""


def relabel_files(
    labels: Location, masks: Location, output: Location, classes: int, settings: SeplSettings
) -> Iterator[FileOutcome]:
    """Write a repaired PNG into `output` for every PNG of `labels`; a bad one is told and stops no other.

    Args:
        labels: folder of label maps, `NAME.png`.
        masks: folder `NAME/*.png` of binary masks, folder of SA-1B `NAME.json`, or a COCO JSON file.
        classes: how many labels there are, the background included.

    Raises:
        FileNotFoundError: there are no label maps, or nothing where masks should be.
        BadAnnotations: the masks are of no such form.
        ValueError: `output` is the folder of the label maps.
    """
    if labels.url.rstrip("/") == output.url.rstrip("/"):
        raise ValueError(f"{output} holds the label maps: choose another folder for the repaired ones")
    places = sorted((place for place in labels.iterdir() if place.name.lower().endswith(".png")), key=lambda p: p.name)
    if not places:
        raise FileNotFoundError(f"{labels}: no PNG there")
    work = partial(_relabel_file, source=open_mask_files(masks), output=output, classes=classes, settings=settings)
    with ThreadPoolExecutor(usable_cores()) as pool:
        yield from pool.map(work, places)


def _relabel_file(
    place: Location, source: MaskFiles, output: Location, classes: int, settings: SeplSettings
) -> FileOutcome:
    name = PurePosixPath(place.name).stem
    try:
        labels = read_label_map(place)
        known = name in source
        masks = source.read(name, labels.shape) if known else MaskSet.empty(labels.shape)
        result = relabel(labels, masks, classes, settings)
    except _REFUSED as error:
        return FileOutcome(name, reason=str(error))
    write_label_map(output / f"{name}.png", result.labels)
    return FileOutcome(name, result, without_masks=not len(masks))
